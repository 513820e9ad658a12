//! `fixwire top` beside engines that run: as text, on ratatui's test backend, and on a terminal.

#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../../src/cli/top/terminal.rs"]
mod terminal;
mod terminal_of_ours;
#[allow(dead_code, reason = "the program uses the rest")]
#[path = "../../../src/cli/top/view/mod.rs"]
mod view;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::Value;
use view::{Look, Theme, View, draw};

use crate::common::client::Client;
use crate::common::inside::{PATIENCE, Program, inside};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

/// A run without end on the model, with a control socket.
struct Run {
    folder: tempfile::TempDir,
    program: Program,
}

impl Run {
    fn start(more: &[&str]) -> Run {
        let folder = tempfile::tempdir().unwrap();
        let program = start(folder.path(), more);
        Run { folder, program }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("fw.sock")
    }

    fn ctl(&self, arguments: &[&str]) -> Output {
        Command::new(BIN).arg("ctl").arg(self.socket()).args(arguments).output().unwrap()
    }

    /// Logs the session out: from here on its numbers stand still.
    fn quieten(&self) {
        until("it is logged out", || {
            let output = self.ctl(&["logout", "EXCHANGE"]);
            output.status.success() || text(&output.stderr).contains("logged out")
        });
        until("it is down", || {
            status(&self.socket())
                .is_some_and(|status| status["sessions"][0]["state"] == "disconnected")
        });
    }
}

fn start(folder: &Path, more: &[&str]) -> Program {
    let socket = folder.join("fw.sock");
    let program = Program::start(
        Command::new(BIN)
            .args([
                "run",
                "--nic",
                "sim:connectx5",
                "--json",
                "--orders",
                "1000000000",
                "--control",
            ])
            .arg(&socket)
            .args(more),
    );
    until("it trades", || {
        status(&socket).is_some_and(|status| status["sessions"][0]["state"] == "active")
    });
    program
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What a running engine answers; nothing where it does not.
fn status(socket: &Path) -> Option<Value> {
    let output = Command::new(BIN).args(["ctl", "--json"]).arg(socket).arg("status").output();
    let output = output.unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// The same of one that does, on a busy machine not at once.
fn answered(socket: &Path) -> Value {
    let mut answer = None;
    until("it answers", || {
        answer = status(socket);
        answer.is_some()
    });
    answer.unwrap()
}

fn once(socket: &Path) -> Output {
    Command::new(BIN).args(["top", "--once", "--interval", "0.1"]).arg(socket).output().unwrap()
}

/// The same of an engine that answers: on a busy machine not at once.
fn once_it_answers(socket: &Path) -> String {
    let begun = Instant::now();
    loop {
        let output = once(socket);
        if output.status.success() {
            assert_eq!(text(&output.stderr), "");
            return text(&output.stdout);
        }
        let why = text(&output.stderr);
        assert!(why.contains("the engine does not answer") && begun.elapsed() < PATIENCE, "{why}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The lines of a part of the text.
fn part<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| *line != format!("{title}:"));
    assert!(lines.next().is_some(), "no {title}: {text}");
    lines.take_while(|line| !line.is_empty()).collect()
}

/// A line with what differs from run to run left out: numbers, and how far columns are apart.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for character in line.chars() {
        let character = if character.is_ascii_digit() { '#' } else { character };
        let goes_on = (character == '#' || character == ' ') && shape.ends_with(character);
        if !(goes_on || character == ',' && shape.ends_with('#')) {
            shape.push(character);
        }
    }
    shape
}

#[test]
fn once_is_text_whose_every_line_is_known() {
    // One that does not let others run when nothing comes answers soon on a busy machine, too.
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("spin.toml");
    std::fs::write(&profile, "extends = \"sim\"\n[engine]\nidle = \"spin\"\n").unwrap();
    let run = Run::start(&["--profile", profile.to_str().unwrap()]);
    // One that does not answer in time may do it all the same.
    until("it is demoted", || {
        let output = run.ctl(&["demote", "rx_tcp_checksum"]);
        output.status.success() || text(&output.stderr).contains("was demoted")
    });
    run.quieten();
    let known = answered(&run.socket());
    let said = once_it_answers(&run.socket());

    let head = said.lines().next().unwrap();
    let process = format!("process {}, up ", run.program.id());
    assert!(head.starts_with("sim:connectx5 by profile "), "{head}");
    assert!(head.contains("spin.toml, link up; fixwire "), "{head}");
    assert!(head.contains(&process), "{head}");
    // Numbers stand still, and are those of `ctl status`.
    let session = &known["sessions"][0];
    let number = |key: &str| session[key].as_u64().unwrap();
    let row: Vec<_> = part(&said, "sessions")[1].split_whitespace().collect();
    let grouped = |number: u64| view_number(number);
    let (out, next_in) = (grouped(number("next_out")), grouped(number("next_in")));
    let all = ["FIX.4.4:FIXWIRE->EXCHANGE", "disconnected", &out, &next_in];
    assert_eq!(row[..4], all, "{said}");
    assert_eq!(row[4..], ["0", "0", "0", "0", "0", "0", "1"], "{said}");
    assert_eq!(
        part(&said, "traffic").iter().map(|line| shape(line)).collect::<Vec<_>>(),
        [
            " /s in all",
            " frames in # #",
            " frames out # #",
            " messages in # #",
            " messages out # #",
            " segments sent again # #"
        ]
    );
    let latency = part(&said, "latency");
    assert_eq!(
        latency[0],
        "  hop by hop: not measured, for this process was started without `--measure`, which `fixwire run` has"
    );
    assert_eq!(part(&said, "dropped"), ["  no frame, by nobody"]);
    let clocks: Vec<_> = part(&said, "clocks").iter().map(|line| shape(line)).collect();
    assert_eq!(clocks[0], " clock state agreed jumped drift, ppb generation");
    assert!(clocks[1].starts_with(" NIC counter"), "{clocks:?}");
    let model = " the device's clock is a model's: nothing here is a NIC's";
    assert!(clocks.iter().any(|line| line == model), "{clocks:?}");
    for check in ["system's time", "PTP clocks", "who keeps time"] {
        let is_told = |line: &&String| line.starts_with(&format!(" {check}: "));
        assert!(
            clocks.iter().any(|line| is_told(&line) && line.ends_with(" (as first asked)")),
            "{clocks:?}"
        );
    }
    let plan = part(&said, "plan");
    let rows = known["plan"].as_array().unwrap();
    let used = rows.iter().filter(|row| row["outcome"] != "off");
    for (line, row) in plan[1..].iter().zip(used) {
        let name = row["capability"].as_str().unwrap();
        assert!(line.starts_with(&format!("  {name} ")), "{line}: {row}");
        assert!(line.trim_end().ends_with(row["reason"].as_str().unwrap()), "{line}: {row}");
    }
    let demoted = plan.iter().find(|line| line.contains("  rx_tcp_checksum ")).unwrap();
    assert!(demoted.contains("fixwire, not ") && demoted.contains(" demoted "), "{demoted}");
}

fn view_number(number: u64) -> String {
    let digits: Vec<char> = number.to_string().chars().rev().collect();
    let groups: Vec<String> = digits.chunks(3).map(|of| of.iter().collect()).collect();
    groups.join(",").chars().rev().collect()
}

#[test]
fn latencies_of_a_measured_run_are_shown_second_by_second_and_hop_by_hop() {
    let run = Run::start(&["--measure"]);
    let measured = || status(&run.socket()).map(|status| status["measure"].clone());
    let seconds = |measure: &Value, kind: &str| -> Vec<Value> {
        let all = measure["intervals"].as_array().unwrap();
        let of = all.iter().find(|of| of["kind"] == kind).unwrap();
        of["recent"].as_array().unwrap().iter().filter(|of| !of.is_null()).cloned().collect()
    };
    let mut last = Value::Null;
    until("two seconds are full", || {
        let Some(measure) = measured() else { return false };
        last = measure;
        seconds(&last, "poll_to_doorbell").len() >= 2
    });
    for second in seconds(&last, "poll_to_doorbell") {
        let of = |key: &str| second[key].as_f64().unwrap();
        assert!(of("samples") > 0.0 && of("p50_ns") > 0.0, "{second}");
        assert!(of("p50_ns") <= of("p99_ns") && of("p99_ns") <= of("max_ns"), "{second}");
    }
    let said = once_it_answers(&run.socket());
    let latency = part(&said, "latency");
    assert_eq!(
        shape(latency[0]).trim(),
        "last second, us p# p# max samples excluded p# of the seconds before"
    );
    let row = latency.iter().find(|line| line.contains("poll to doorbell"));
    assert!(
        row.is_some_and(|row| row.trim_end().ends_with(|last| "▁▂▃▄▅▆▇█".contains(last))),
        "{said}"
    );
}

/// What ratatui's test backend shows of a view.
fn shown(view: &View, (width, height): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut look = Look::new(Theme::Plain);
    terminal.draw(|frame| draw(frame, view, &mut look)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect()
}

#[test]
fn an_acceptor_on_a_tap_is_shown_through_its_end_and_another_start() {
    inside("top::an_acceptor_on_a_tap_is_shown_through_its_end_and_another_start", || {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fw.sock");
        let accept = || {
            let mut program = Program::start(
                Command::new(BIN)
                    .args(["accept", "--nic", "tap:top0", "--json", "--control"])
                    .arg(&socket),
            );
            program.event_of("listening");
            program
        };
        let acceptor = accept();
        let at = (std::net::Ipv4Addr::new(10, 9, 0, 2), 9878).into();
        let mut client = Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
        client.send("D", "11=x|55=X|54=1|38=1|40=1|");
        assert!(client.next().starts_with("D 2|11=x|"));

        let mut view = View::of("fw.sock");
        view.on_answer(answered(&socket));
        client.send("D", "11=y|55=X|54=1|38=1|40=1|");
        assert!(client.next().starts_with("D 3|11=y|"));
        view.on_answer(answered(&socket));
        let rows = shown(&view, (200, 60));
        let has = |rows: &[String], words: &str| rows.iter().any(|row| row.contains(words));
        assert!(rows[0].starts_with("tap:top0 by profile tap, link up; fixwire "), "{rows:#?}");
        let session = rows.iter().find(|row| row.starts_with("FIX.4.4:EXCHANGE->FIXWIRE")).unwrap();
        let cells: Vec<_> = session.split_whitespace().collect();
        assert_eq!(cells[1..4], ["active", "4", "4"], "{session}");
        assert!(cells[4] != "0" && cells[5] != "0", "no rate: {session}");
        assert!(has(&rows, "hop by hop: not measured") && has(&rows, "1 sessions ──"), "{rows:#?}");
        assert!(has(&rows, "rx_tcp_checksum") && has(&rows, "Linux kernel"), "{rows:#?}");

        acceptor.signal("KILL");
        let pid = acceptor.id();
        drop(acceptor.wait());
        let output = once(&socket);
        assert_eq!(output.status.code(), Some(1));
        let why = text(&output.stderr);
        assert!(why.contains("nobody answers at"), "{why}");
        view.on_silence(why.trim());
        let rows = shown(&view, (200, 60));
        assert!(has(&rows, "it is asked again; below is what it said last"), "{rows:#?}");
        assert!(has(&rows, "FIX.4.4:EXCHANGE->FIXWIRE"), "{rows:#?}");

        let acceptor = accept();
        view.on_answer(answered(&socket));
        let rows = shown(&view, (200, 60));
        assert!(rows[0].ends_with(&format!("; before it was process {pid}")), "{rows:#?}");
        let session = rows.iter().find(|row| row.starts_with("FIX.4.4:EXCHANGE->FIXWIRE")).unwrap();
        assert!(session.contains(" disconnected ") && session.contains(" - "), "{session}");
        acceptor.interrupt();
    });
}

#[test]
fn without_a_terminal_or_an_engine_it_is_said_what_to_do() {
    let output = Command::new(BIN).args(["top", "/nowhere/s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("`fixwire top --once` prints"),
        "{}",
        text(&output.stderr)
    );
    let output = once(Path::new("/nowhere/s"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("nobody answers at /nowhere/s"),
        "{}",
        text(&output.stderr)
    );
    let output = Command::new(BIN).args(["top", "--interval", "0", "s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("from 0.1 to 60"), "{}", text(&output.stderr));
}
