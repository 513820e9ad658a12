//! A namespace with a TAP in it, engines on that, and what passes there.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use super::common::has;
use super::common::inside::{PATIENCE, Program};

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// The engine's address on a TAP that was left at its defaults.
const ENGINE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
pub(crate) const PORT: u16 = 9878;

pub(crate) fn at(port: u16) -> SocketAddr {
    SocketAddr::from((ENGINE, port))
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
}

impl World {
    /// With these sessions, all acceptors.
    pub(crate) fn new(sessions: &str) -> World {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("s.toml"), sessions).unwrap();
        World { folder }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("fw.sock")
    }

    /// `more` goes before what is usual.
    fn command(&self, more: &[&str]) -> Program {
        let (sessions, socket) = (self.folder.path().join("s.toml"), self.socket());
        let usual = [
            ("--nic", "tap:fw0"),
            ("--app", "exchange"),
            ("--session", sessions.to_str().unwrap()),
            ("--control", socket.to_str().unwrap()),
        ];
        let usual = usual.into_iter().filter(|(name, _)| !more.contains(name));
        let usual = usual.flat_map(|(name, value)| [name, value]);
        Program::start(Command::new(BIN).args(["accept", "--json"]).args(usual).args(more))
    }

    /// An acceptor, once it listens.
    pub(crate) fn start(&self, more: &[&str]) -> Program {
        let mut program = self.command(more);
        program.event_of("listening");
        program
    }

    /// One that takes over from it.
    pub(crate) fn start_another(&self, more: &[&str]) -> Program {
        let socket = self.socket();
        self.command(&[&["--take-over", socket.to_str().unwrap()], more].concat())
    }

    /// Captures what passes from here on, where the machine can.
    pub(crate) fn capture(&self) -> Capture {
        let file = self.folder.path().join("seen.pcapng");
        if !has("dumpcap") || !has("tshark") {
            return Capture { file, dumpcap: None };
        }
        let dumpcap = Command::new("dumpcap")
            .args(["-q", "-i", "fw0", "-B", "64", "-w"])
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("dumpcap runs");
        let begun = Instant::now();
        while fs::metadata(&file).map_or(0, |about| about.len()) == 0 {
            assert!(begun.elapsed() < PATIENCE, "dumpcap writes nothing");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Capture { file, dumpcap: Some(dumpcap) }
    }
}

/// What was captured.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) resets: usize,
    /// SYNs of the counterparty's.
    pub(crate) connections: usize,
}

pub(crate) struct Capture {
    file: PathBuf,
    dumpcap: Option<Child>,
}

impl Capture {
    /// What was seen. Where nothing can be captured, what was to be seen.
    pub(crate) fn end(self) -> Seen {
        let Some(mut dumpcap) = self.dumpcap else { return Seen { resets: 0, connections: 1 } };
        std::thread::sleep(std::time::Duration::from_millis(300));
        let ended = Command::new("kill").args(["-INT", &dumpcap.id().to_string()]).status();
        assert!(ended.unwrap().success() && dumpcap.wait().is_ok());
        let count = |filter: &str| {
            let output =
                Command::new("tshark").arg("-r").arg(&self.file).args(["-Y", filter]).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout.iter().filter(|byte| **byte == b'\n').count()
        };
        assert!(count("tcp.len > 0") > 1_000, "hardly anything was captured");
        Seen {
            resets: count("tcp.flags.reset == 1"),
            connections: count("tcp.flags.syn == 1 && tcp.flags.ack == 0"),
        }
    }
}
