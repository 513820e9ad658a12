//! Programs that are asked: those that read what no file tells. None is needed, and none may keep us waiting.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take: a NIC's firmware answers within some seconds.
const WITHIN: Duration = Duration::from_secs(10);
/// How much of an answer is taken, in bytes: a rule set of thousands of rules.
const LEN_MAX: u64 = 4 * 1024 * 1024;
/// From one look at whether a program has ended to the next.
const LOOK: Duration = Duration::from_millis(5);
/// Where the tools of an administrator are, whose folders a user's PATH may lack.
const BESIDE_PATH: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What came of asking a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It ended well, and said this.
    Said(String),
    /// There is no such program here.
    NotInstalled,
    /// It could not, may not, or did not end.
    Failed(String),
}

/// Runs a program that needs no input, and waits for what it says.
pub(crate) fn ask(program: &str, arguments: &[&str]) -> Answer {
    match found(program) {
        Some(path) => run(&path, arguments, WITHIN),
        None => Answer::NotInstalled,
    }
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = BESIDE_PATH.iter().map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(beside)
        // A name beneath wherever we happen to stand is nobody's tool.
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn run(program: &Path, arguments: &[&str], within: Duration) -> Answer {
    let started = Command::new(program)
        .args(arguments)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Answer::NotInstalled,
        Err(error) => return Answer::Failed(error.to_string()),
    };
    let said = child.stdout.take().map(collected);
    let complained = child.stderr.take().map(collected);
    let deadline = Instant::now() + within;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(LOOK),
            // Its child is of no use to anybody any more; that it cannot be ended changes nothing here.
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Answer::Failed(format!("it did not end within {} s", within.as_secs()));
            }
            Err(error) => return Answer::Failed(error.to_string()),
        }
    };
    let text = |pipe: Option<mpsc::Receiver<String>>| {
        let left = deadline.saturating_duration_since(Instant::now());
        pipe.and_then(|pipe| pipe.recv_timeout(left).ok()).unwrap_or_default()
    };
    if ended.success() {
        return Answer::Said(text(said));
    }
    // Some tools complain where others answer, and at the end.
    let (complaint, answer) = (text(complained), text(said));
    let is_said = |line: &&str| !line.is_empty();
    let first = complaint.lines().map(str::trim).find(is_said);
    match first.or_else(|| answer.lines().map(str::trim).rev().find(is_said)) {
        Some(line) => Answer::Failed(line.to_owned()),
        None => Answer::Failed(format!("it ended with {ended}")),
    }
}

/// Reads a pipe on a thread of its own, so that a program that fills the other one goes on.
fn collected(pipe: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came before an error is all there is.
        let _ = pipe.take(LEN_MAX).read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, within: Duration) -> Answer {
        run(Path::new("/bin/sh"), &["-c", script], within)
    }

    #[test]
    fn a_program_s_answer_refusal_and_absence_are_told_apart() {
        assert_eq!(shell("echo yes", WITHIN), Answer::Said("yes\n".into()));
        let refused = shell("echo; echo 'not permitted' >&2; exit 1", WITHIN);
        assert_eq!(refused, Answer::Failed("not permitted".into()));
        let refused = shell("echo 'Device #1:'; echo '-E- Failed to open'; echo; exit 3", WITHIN);
        assert_eq!(refused, Answer::Failed("-E- Failed to open".into()));
        assert!(matches!(shell("exit 3", WITHIN), Answer::Failed(why) if why.contains('3')));
        assert_eq!(ask("fixwire-no-such-program", &[]), Answer::NotInstalled);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let Answer::Failed(why) = shell("exec sleep 600", Duration::ZERO) else {
            panic!("it was not given up")
        };
        assert!(why.contains("did not end"), "{why}");
    }

    #[test]
    fn an_answer_without_end_is_taken_to_the_bound() {
        let Answer::Said(text) = shell("head -c 6000000 /dev/zero; true", WITHIN) else {
            panic!("it ends well")
        };
        assert_eq!(text.len() as u64, LEN_MAX);
    }
}
