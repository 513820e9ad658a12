//! A line between the engine's host, this namespace, and a peer's of another.

use std::fs;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::inside::Program;
use crate::common::report::checked;

pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
pub(crate) const NIC: &str = "dpdk:net_af_packet0,iface=v0";
pub(crate) const ORDERS: u64 = 300;
/// More than are ever sent.
pub(crate) const MANY: &str = "1000000000";

/// The test's namespace is the engine's host, with `v0`; the peer's, behind `v1`, is a shell that does as told.
pub(crate) struct Line {
    pub(crate) peer: Program,
    pub(crate) folder: tempfile::TempDir,
    /// Whom the session calls.
    pub(crate) called: &'static str,
}

pub(crate) fn sh(script: &str) -> String {
    let output = Command::new("sh").args(["-ec", script]).output().expect("sh runs");
    assert!(output.status.success(), "{script}: {}", errors(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Line {
    /// A line to an exchange at 10.9.0.1, the kernel having `ours` on this side of it.
    pub(crate) fn to_exchange(ours: &str) -> Line {
        let mut peer = Program::start_obedient(Command::new("unshare").args(["-n", "sh"]));
        // Its namespace is there once it answers.
        peer.tell("echo here");
        peer.line_where(|line| line == "here");
        sh(&format!(
            "ip link set lo up; ip link add v0 type veth peer name v1; ip link set v1 netns {}; \
             ip addr add {ours} dev v0; ip link set v0 up",
            peer.id()
        ));
        let mut line = Line { peer, folder: tempfile::tempdir().unwrap(), called: "10.9.0.1" };
        line.at_peer(
            "ip link set lo up; ip addr add 10.9.0.1/24 dev v1; ip link set v1 up; ethtool -K v1 tx off; \
             nft 'add table inet seen; add chain inet seen input { type filter hook input priority 0; }; \
                  add rule inet seen input tcp flags rst counter'",
        );
        line.exchange();
        line
    }

    /// An exchange where the session calls.
    pub(crate) fn exchange(&mut self) {
        self.peer.tell(&format!("{BIN} exchange --listen {}:9878 2>&1 &", self.called));
        self.peer.line_where(|line| line.contains("listening"));
    }

    /// What the peer's shell prints.
    pub(crate) fn at_peer(&mut self, script: &str) -> String {
        self.peer.tell(&format!("{script}; echo; echo done $?"));
        let mut said = String::new();
        loop {
            let line = self.peer.line();
            match line.strip_prefix("done ") {
                Some(code) => {
                    assert_eq!(code, "0", "{script}: {said}");
                    return said;
                }
                None => said += &(line + "\n"),
            }
        }
    }

    /// How many RST have come to the peer.
    pub(crate) fn resets_at_peer(&mut self) -> u64 {
        packets(&self.at_peer("nft list table inet seen"))
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn session(&self) -> String {
        let text = "[network]\naddress = \"10.9.0.2/24\"\n[[session]]\nsender_comp_id = \"FIXWIRE\"\n\
                    target_comp_id = \"EXCHANGE\"\nreconnect_interval = 1\n";
        let called = format!("socket_connect_host = \"{}\"\n", self.called);
        self.write("session.toml", &(text.to_owned() + &called))
    }

    pub(crate) fn command(&self, neighbors: &str, orders: &str) -> Command {
        let profile = format!("extends = \"af_packet\"\n[network]\nneighbors = \"{neighbors}\"\n");
        let profile = self.write(&format!("{neighbors}.toml"), &profile);
        let mut command = Command::new(BIN);
        command.args(["run", "--nic", NIC, "--profile", &profile, "--session", &self.session()]);
        command.args(["--orders", orders]);
        command
    }

    pub(crate) fn run(&self) -> Value {
        let output = self.command("kernel", &ORDERS.to_string()).arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        checked(serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    pub(crate) fn guard(&self, words: &[&str]) -> Output {
        let mut command = Command::new(BIN);
        command.arg("guard").args(words).args(["--session", &self.session()]);
        command.output().expect("fixwire runs")
    }
}

/// What a rule with one counter has counted.
pub(crate) fn packets(listed: &str) -> u64 {
    let (_, rest) = listed.split_once("packets ").unwrap_or_else(|| panic!("no counter: {listed}"));
    rest.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

pub(crate) fn count(report: &Value, name: &str) -> u64 {
    report["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}: {report}"))
}

pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
