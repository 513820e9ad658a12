//! Lines between two ends: sessions to run on them, programs at both ends, and what their reports say.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::inside::{Ended, Program, inside_as_root};
use crate::common::report::checked;
use crate::common::skip;
use crate::huge_pages;

pub(crate) const ORDERS: u64 = 500;

/// How often a session is tried on a host that may be late, or take a core away at a bad moment.
pub(crate) const RUNS_MAX: usize = 3;

pub(crate) const INITIATOR: &str = r#"
[network]
address = "10.9.0.2/24"
[[session]]
connection_type = "initiator"
begin_string = "FIX.4.4"
sender_comp_id = "FIXWIRE"
target_comp_id = "EXCHANGE"
socket_connect_host = "10.9.0.1"
socket_connect_port = 9878
"#;

pub(crate) const ACCEPTOR: &str = r#"
[network]
address = "10.9.0.1/24"
[[session]]
connection_type = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "EXCHANGE"
target_comp_id = "FIXWIRE"
socket_accept_port = 9878
"#;

/// The program, which takes huge pages where enough are free: until the test is done, none goes away.
pub(crate) fn fixwire() -> Command {
    huge_pages::stay();
    Command::new(env!("CARGO_BIN_EXE_fixwire"))
}

pub(crate) fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A finished run's report.
pub(crate) fn report(output: &Output) -> Value {
    ended_with(output, 0)
}

/// The report of a run that ended with `code`. The plan that its driver got goes to the test's output.
pub(crate) fn ended_with(output: &Output, code: i32) -> Value {
    assert_eq!(output.status.code(), Some(code), "{}: {}", output.status, errors(output));
    checked(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// The summary of an acceptor that was interrupted.
pub(crate) fn summary(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.signal), (Some(0), None), "{}", ended.errors);
    checked(ended.summary())
}

pub(crate) fn run(nic: &str, more: &[&str]) -> Value {
    let orders = ORDERS.to_string();
    let fixed = ["run", "--nic", nic, "--orders", &orders, "--json"];
    report(&fixwire().args(fixed).args(more).output().expect("fixwire runs"))
}

pub(crate) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn count(report: &Value, name: &str) -> u64 {
    report["counters"][name].as_u64().unwrap_or_else(|| panic!("no counter {name}"))
}

/// What a report for people says that a counter came to.
pub(crate) fn count_in_words(text: &str, name: &str) -> u64 {
    let counters = text.lines().find_map(|line| line.strip_prefix("counters: ")).expect("counters");
    let counted =
        counters.split(", ").find_map(|counter| counter.strip_prefix(name)?.strip_prefix(' '));
    counted.map_or(0, |number| number.parse().expect("a number"))
}

/// A row of the plan.
pub(crate) fn row<'a>(report: &'a Value, capability: &str) -> &'a Value {
    let rows = report["plan"].as_array().expect("rows");
    rows.iter().find(|row| row["capability"] == capability).expect("the row")
}

/// Who does a row of the plan, and what live frames showed of it.
pub(crate) fn by<'a>(report: &'a Value, capability: &str) -> (&'a str, &'a str) {
    let row = row(report, capability);
    (row["by"].as_str().unwrap_or_default(), row["observed"].as_str().unwrap_or("-"))
}

pub(crate) fn shell(lines: &str) {
    let status = Command::new("sh").args(["-ec", lines]).status().unwrap();
    assert!(status.success(), "{lines}");
}

/// A pair of interfaces in the test's namespace, the kernel's at `v1` with an address, ours at `v0` without.
pub(crate) fn veth() {
    // A namespace takes over whether the host forwards, where a start looks at rules of nftables.
    shell("echo 0 > /proc/sys/net/ipv4/ip_forward 2>/dev/null || true");
    shell(
        "ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v1; ethtool -K v1 tx off >/dev/null
         ip link set lo up; ip link set v0 up; ip link set v1 up",
    );
}

/// Why there is no AF_XDP here, if there is none.
pub(crate) fn no_xdp() -> Option<String> {
    let protocols = fs::read_to_string("/proc/net/protocols").unwrap_or_default();
    let has_xdp = protocols.lines().any(|line| line.starts_with("XDP "));
    (!has_xdp).then(|| "this kernel has no AF_XDP (/proc/net/protocols)".into())
}

/// Runs `body` as the machine's own root, which AF_XDP takes, where this kernel has that.
pub(crate) fn inside_with_xdp(test: &str, body: impl FnOnce()) {
    match no_xdp() {
        None => inside_as_root(test, body),
        Some(why) => skip(test, &why),
    }
}

/// The demo exchange on the kernel's sockets, once it listens.
pub(crate) fn exchange() -> Program {
    let listen = ["exchange", "--listen", "10.9.0.1:9878"];
    let mut exchange = Program::start(fixwire().args(listen));
    exchange.line_where(|line| line.contains("listening"));
    exchange
}

/// Our acceptor on `nic`, once it listens.
pub(crate) fn acceptor(folder: &Path, nic: &str, more: &[&str]) -> Program {
    let session = write(folder, "acceptor.toml", ACCEPTOR);
    let fixed = ["accept", "--app", "exchange", "--json", "--nic", nic, "--session", &session];
    let mut acceptor = Program::start(fixwire().args(fixed).args(more));
    acceptor.event_of("listening");
    acceptor
}

/// Both ends of a line of memif's, the server's first.
pub(crate) fn memif(folder: &Path) -> [String; 2] {
    memif_with(folder, "")
}

pub(crate) fn memif_with(folder: &Path, more: &str) -> [String; 2] {
    let socket = folder.join("memif.sock");
    ["server", "client"].map(|role| {
        format!("dpdk:net_memif0,role={role},socket={},socket-abstract=no{more}", socket.display())
    })
}

/// Both ends of a line of vhost-user's, the back end's first.
pub(crate) fn vhost(folder: &Path) -> [String; 2] {
    let socket = folder.join("vhost.sock");
    let socket = socket.display();
    [
        format!("dpdk:net_vhost0,iface={socket},queues=1"),
        format!("dpdk:net_virtio_user0,path={socket},queues=1"),
    ]
}

/// Trades between two processes of ours, each on its end of a new `line`: what both report.
pub(crate) fn between_two(line: fn(&Path) -> [String; 2]) -> [Value; 2] {
    for number in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let [far, near] = line(folder.path());
        let accepting = acceptor(folder.path(), &far, &[]);
        let session = write(folder.path(), "session.toml", INITIATOR);
        let report = run(&near, &["--session", &session]);
        let accepted = accepting.interrupt();
        if number < RUNS_MAX && is_taken_from_under(&far, &accepted) {
            println!("{far}: its driver unmapped a ring that was read, in run {number}");
            continue;
        }
        return [report, summary(&accepted)];
    }
    unreachable!("the last run returns")
}

/// Whether a process fell to a fault of DPDK's: when the peer of net_memif goes, the driver's own thread unmaps the rings that
/// `eth_memif_rx` may be reading, if the host took the polling thread off its core between its look at the connection and
/// its look at the ring (docs/dpdk.md).
fn is_taken_from_under(nic: &str, ended: &Ended) -> bool {
    nic.contains("net_memif") && ended.signal == Some(SIGSEGV)
}

const SIGSEGV: i32 = 11;
