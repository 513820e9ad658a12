//! Tests as root of a namespace of their own, and the program run there.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::{no_namespace, skip};

/// Set in the process that is inside.
const INSIDE: &str = "FIXWIRE_TEST_INSIDE";
/// The end of a hang, and no measure of anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `body` as root of user, network and PID namespaces of its own: this same test, started once
/// more by `unshare`. Whatever it leaves running ends with it.
pub fn inside(test: &str, body: impl FnOnce()) {
    within(test, "-Urnpf", no_namespace(), body);
}

/// The same as the machine's own root, with network, PID and mount namespaces alone: for what no other root may.
pub fn inside_as_root(test: &str, body: impl FnOnce()) {
    within(test, "-npfm", no_root(), body);
}

/// Why this is not the machine's own root, if it is not.
pub fn no_root() -> Option<String> {
    let whose = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_whole = whose.split_whitespace().eq(["0", "0", "4294967295"]);
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    if !(is_root && is_whole) {
        return Some("it takes root, outside of any user namespace".into());
    }
    let unshared = Command::new("unshare").args(["-npfm", "true"]).output();
    let may = unshared.is_ok_and(|output| output.status.success());
    (!may).then(|| "root may not make namespaces here (unshare -npfm)".into())
}

/// Whether this process is one that was started inside.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

fn within(test: &str, namespaces: &str, why_not: Option<String>, body: impl FnOnce()) {
    if is_inside() {
        return body();
    }
    if let Some(why) = why_not {
        return skip(test, &why);
    }
    let output = Command::new("unshare")
        .args([namespaces, "--kill-child"])
        .arg(std::env::current_exe().expect("the test knows its own file"))
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{words}");
    // Shown with --nocapture.
    print!("{said}");
}

/// The number under which `/proc` has a process of this PID namespace: it is still the one from outside.
pub fn number_in_proc(id: u32) -> Option<u32> {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/pid")).ok();
    let ours = namespace("self");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().into_string().ok());
    let found = numbers.find(|number| {
        let status = std::fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        let known = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inmost = known.and_then(|numbers| numbers.split_whitespace().last());
        inmost == Some(&id.to_string()) && number != "self" && namespace(number) == ours
    });
    found?.parse().ok()
}

/// A program that runs, and the lines that it prints as they come.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Option<std::thread::JoinHandle<String>>,
}

/// How a program ended.
pub struct Ended {
    pub code: Option<i32>,
    /// What ended it, where it did not end by itself.
    pub signal: Option<i32>,
    /// What it printed and nobody had read.
    pub rest: Vec<String>,
    pub errors: String,
}

impl Program {
    pub fn start(command: &mut Command) -> Program {
        Program::start_with(command, Stdio::null())
    }

    /// Starts one that is told what to do, line by line.
    pub fn start_obedient(command: &mut Command) -> Program {
        Program::start_with(command, Stdio::piped())
    }

    fn start_with(command: &mut Command, stdin: Stdio) -> Program {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("it was piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let mut stderr = child.stderr.take().expect("it was piped");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Program { input: child.stdin.take(), child, lines, errors: Some(errors) }
    }

    /// Tells it what to do.
    pub fn tell(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it was started to obey");
        writeln!(input, "{line}").expect("it listens");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line.
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(why) => {
                let _ = self.child.kill();
                let errors = self.errors.take().map(|errors| errors.join().unwrap_or_default());
                panic!("no line: {why}: {}", errors.unwrap_or_default());
            }
        }
    }

    /// The next line, if one comes within so long.
    pub fn line_within(&mut self, patience: Duration) -> Option<String> {
        self.lines.recv_timeout(patience).ok()
    }

    /// The next line for which `wanted` holds; those before it are passed over.
    pub fn line_where(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.line();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The next line, as JSON.
    pub fn event(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The next event of a kind; those before it are passed over.
    pub fn event_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.event();
            if event["event"] == kind {
                return event;
            }
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        let status = Command::new("kill").args([&signal, &self.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Ended {
        let deadline = std::time::Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait().expect("it can be waited for") {
                Some(status) => break status,
                None if std::time::Instant::now() > deadline => {
                    let _ = self.child.kill();
                    panic!("it does not end");
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let errors = self.errors.take().map(|errors| errors.join().unwrap_or_default());
        Ended {
            code: status.code(),
            signal: status.signal(),
            rest: self.lines.iter().collect(),
            errors: errors.unwrap_or_default(),
        }
    }

    /// Ctrl-C, and how it ended.
    pub fn interrupt(self) -> Ended {
        self.signal("INT");
        self.wait()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The last line, as JSON.
    pub fn summary(&self) -> Value {
        let line = self.rest.last().unwrap_or_else(|| panic!("it said nothing: {}", self.errors));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}
