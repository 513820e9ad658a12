//! `fixwire top`: how a running engine stands, as it goes on, by what its control socket answers.

mod terminal;
#[cfg(test)]
mod tests;
mod view;

use std::io::{ErrorKind, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::failure::Failure;
use super::operations::Request;
use super::signals::Interruption;
use super::{ctl, say};
use terminal::{Act, Screen};
use view::{Look, Theme, View};

/// Answers that wait to be shown.
const WAITING_MAX: usize = 4;

/// Watch a running `fixwire run` or `accept`: sessions with their numbers, rates, latencies, what was dropped and why, the
/// clocks, and which offload is done by whom.
///
/// It asks where its `--control PATH` says, as `fixwire ctl PATH status` does, and shows what is answered: the polling core
/// writes a few numbers between two rounds, and nothing else of it is touched. Latencies hop by hop are there where it was
/// started with `--measure`. Where the process ends it says so, and goes on once there is another one.
///
/// Keys: q quits, 1 to 6 show one part, 0 all of them, ↑ ↓ PgUp PgDn scroll. NO_COLOR is heeded.
///
///   fixwire top /run/fw.sock
///   fixwire top --once /run/fw.sock        # as text, for a pipe or a log
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct TopArgs {
    /// The socket.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Print it once as text, and end; no terminal is needed. Rates are those between two answers, an interval apart.
    #[arg(long)]
    once: bool,
    /// Ask again after so long.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

/// Seconds, or parts of one.
fn interval(written: &str) -> Result<Duration, String> {
    let s: Option<f64> = written.parse().ok();
    s.filter(|s| (0.1..=60.0).contains(s))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "write seconds, from 0.1 to 60".into())
}

pub(crate) fn command(args: &TopArgs) -> Result<(), Failure> {
    let mut view = View::of(args.path.display().to_string());
    if args.once {
        view.on_answer(ask(&args.path)?);
        thread::sleep(args.interval);
        view.on_answer(ask(&args.path)?);
        say(view.text());
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::Input(
            "standard output is no terminal; `fixwire top --once` prints the same as text".into(),
        ));
    }
    let interruption = Interruption::caught()?;
    let heard = listen(&args.path, args.interval)?;
    let mut screen = Screen::begin().map_err(|error| unusable(&error))?;
    let shown = watch(&mut screen, &mut view, &heard, &interruption);
    screen.end().map_err(|error| unusable(&error))?;
    shown
}

/// What came of asking.
type Heard = Result<Value, String>;

fn ask(path: &Path) -> Result<Value, Failure> {
    let answer = ctl::ask(path, &Request::Status)?;
    match answer["why"].as_str() {
        Some(why) if answer.get("refused").is_some() => Err(Failure::run(
            format!("refused: {why}"),
            answer["remedy"].as_str().unwrap_or("try again"),
        )),
        _ => Ok(answer),
    }
}

/// Asks on a thread of its own, so that keys are heard while an answer is waited for.
fn listen(path: &Path, interval: Duration) -> Result<Receiver<Heard>, Failure> {
    let (said, heard) = sync_channel(WAITING_MAX);
    let path = path.to_owned();
    let ask_on = move |said: &SyncSender<Heard>| {
        while said.send(ask(&path).map_err(|failure| failure.to_string())).is_ok() {
            thread::sleep(interval);
        }
    };
    let started = thread::Builder::new().name("ask".into()).spawn(move || ask_on(&said));
    started.map(|_| heard).map_err(|error| {
        Failure::run(format!("no thread can be started: {error}"), "raise the limit of threads")
    })
}

/// Until somebody quits.
fn watch(
    screen: &mut Screen,
    view: &mut View,
    heard: &Receiver<Heard>,
    interruption: &Interruption,
) -> Result<(), Failure> {
    let mut look = Look::new(theme(std::env::var_os("NO_COLOR").is_some_and(|of| !of.is_empty())));
    let mut is_new = true;
    while !interruption.has_come() {
        loop {
            match heard.try_recv() {
                Ok(Ok(answer)) => view.on_answer(answer),
                Ok(Err(why)) => view.on_silence(why),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(Failure::run(
                        "the thread that asks has ended",
                        "this is a fault of fixwire's: please report it",
                    ));
                }
            }
            is_new = true;
        }
        if is_new {
            screen.show(view, &mut look).map_err(|error| unusable(&error))?;
        }
        is_new = match screen.next(&mut look) {
            Ok(Act::Quit) => break,
            Ok(act) => act == Act::Draw,
            // A signal came between.
            Err(error) if error.kind() == ErrorKind::Interrupted => false,
            Err(error) => return Err(unusable(&error)),
        };
    }
    Ok(())
}

fn theme(without_colours: bool) -> Theme {
    if without_colours { Theme::Plain } else { Theme::Colours }
}

fn unusable(error: &std::io::Error) -> Failure {
    Failure::run(format!("the terminal cannot be used: {error}"), "`--once` prints text")
}
