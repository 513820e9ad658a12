//! Links and far sides that are lost in the middle of a session.

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame as _, Nic as _, TxMeta};
use fixwire::offload::profile::{Policy, Profile};
use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, Memory};

use crate::common::client::Client;
use crate::common::inside::{PATIENCE, Program, inside};
use crate::common::report::checked_text;
use crate::common::{no_namespace, skip};
use crate::line::{
    ACCEPTOR, INITIATOR, acceptor, count, count_in_words, exchange, fixwire, inside_with_xdp,
    memif, shell, summary, veth, write,
};

/// A run that does not end by itself and tells people what happens, once it is logged on.
pub(crate) fn endless(nic: &str, more: &[&str]) -> Program {
    let fixed = ["run", "--nic", nic, "--orders", "1000000000"];
    let mut run = Program::start(fixwire().args(fixed).args(more));
    run.line_where(|line| line.ends_with("logged on to 10.9.0.1:9878, FIX.4.4"));
    run
}

/// Ctrl-C: the rest of what it says, its report among it.
pub(crate) fn report_in_words(run: Program) -> String {
    let ended = run.interrupt();
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains("interrupted after"), "{}", ended.errors);
    checked_text(ended.rest.join("\n"))
}

#[test]
fn net_tap_tells_of_a_link_that_goes_and_comes_and_the_session_goes_on() {
    let test = "lost::net_tap_tells_of_a_link_that_goes_and_comes_and_the_session_goes_on";
    if let Some(why) = no_namespace() {
        return skip(test, &why);
    }
    let mut run = endless("dpdk:net_tap0,iface=dtap0", &[]);
    let enter = format!("nsenter -t {} -n -U --preserve-credentials", run.id());
    shell(&format!("{enter} ip link set dtap0 down"));
    run.line_where(|line| line == "the link is down");
    shell(&format!("{enter} ip link set dtap0 up"));
    run.line_where(|line| line == "the link is up again");
    // That it still trades shows by its Logout, which is answered.
    let text = report_in_words(run);
    assert_eq!(count_in_words(&text, "nic_link_down"), 1, "{text}");
    assert_eq!(count_in_words(&text, "lines_connected"), 1, "{text}");
    assert_eq!(count_in_words(&text, "close_logout_complete"), 1, "{text}");
}

/// An acceptor on `v0`, a counterparty on the kernel's `v1`, and `end` of the pair down in between for longer than the
/// acceptor is silent. The driver of 22.11 calls its link up whatever happens: it is TCP that makes up for what was lost.
fn down_between_orders(folder: &Path, end: &str) {
    let session = ACCEPTOR.replace("10.9.0.1", "10.9.0.2");
    let session = write(folder, "acceptor.toml", &session);
    let fixed = ["accept", "--app", "echo", "--json", "--nic", "dpdk:net_af_packet0,iface=v0"];
    let mut acceptor = Program::start(fixwire().args(fixed).args(["--session", &session]));
    acceptor.event_of("listening");
    let at = "10.9.0.2:9878".parse().unwrap();
    let mut client = Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE");
    client.send("A", "98=0|108=2|");
    assert!(client.next().starts_with("A "));
    let order =
        |client: &mut Client, id| client.send("D", &format!("11={id}|55=X|54=1|38=1|40=1|"));
    // Between heartbeats, and what asks for one.
    let answered = |client: &mut Client, id| {
        let is_admin = |message: &String| message.starts_with("0 ") || message.starts_with("1 ");
        let answer = std::iter::repeat_with(|| client.next()).find(|message| !is_admin(message));
        assert!(answer.is_some_and(|answer| answer.contains(&format!("11={id}|"))), "{id}");
    };
    order(&mut client, 1);
    answered(&mut client, 1);
    shell(&format!("ip link set {end} down"));
    order(&mut client, 2);
    sleep(Duration::from_millis(2_200));
    shell(&format!("ip link set {end} up"));
    answered(&mut client, 2);
    order(&mut client, 3);
    answered(&mut client, 3);
    let summary = summary(&acceptor.interrupt());
    assert_eq!(summary["app"]["echoed"], 3);
    assert_eq!(count(&summary, "lines_connected"), 1);
    assert_eq!(count(&summary, "lines_lost"), 0);
    let told = ["tcp_retransmission", "nic_link_down"].map(|name| count(&summary, name));
    assert!(told.iter().sum::<u64>() > 0, "{end}: a heartbeat was lost: {summary}");
}

#[test]
fn net_af_packet_outlives_a_veth_that_is_down_on_either_side() {
    inside("lost::net_af_packet_outlives_a_veth_that_is_down_on_either_side", || {
        let folder = tempfile::tempdir().unwrap();
        veth();
        for end in ["v0", "v1"] {
            down_between_orders(folder.path(), end);
        }
    });
}

const XDP: &str = "dpdk:net_af_xdp0,iface=v0";

/// net_af_xdp keeps what it was to send when its interface went, and what it filled its ring with: neither is lost by us.
#[test]
fn net_af_xdp_ends_without_a_loss_when_its_interface_is_down_or_gone() {
    let test = "lost::net_af_xdp_ends_without_a_loss_when_its_interface_is_down_or_gone";
    inside_with_xdp(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        for lost in ["ip link set v0 down", "ip link del v0"] {
            // One of its own: the last one has not heard that its counterparty is gone.
            let _exchange = exchange();
            let run = endless(XDP, &["--session", &session]);
            shell(lost);
            // For as long as several retransmissions take, each of a frame.
            sleep(Duration::from_millis(1_000));
            let text = report_in_words(run);
            assert!(count_in_words(&text, "tcp_retransmission") > 0, "{lost}: {text}");
            shell("ip link set v0 up 2>/dev/null || true");
        }
    });
}

/// Its program would stay on the interface, and take frames away from the kernel.
#[test]
fn flow_that_is_interrupted_takes_net_af_xdp_s_program_off_the_interface() {
    let test = "lost::flow_that_is_interrupted_takes_net_af_xdp_s_program_off_the_interface";
    inside_with_xdp(test, || {
        veth();
        let watching =
            Program::start(fixwire().args(["flow", "--nic", XDP, "--watch", "600", "--json"]));
        let has_program = "ip link show v0 | grep -q xdp";
        shell(&format!("for i in $(seq 100); do {has_program} && exit; sleep 0.1; done; exit 1"));
        // The rules may follow the program by a moment.
        sleep(Duration::from_millis(500));
        watching.signal("TERM");
        let ended = watching.wait();
        assert_eq!(ended.code, Some(1), "{}", ended.errors);
        assert!(ended.errors.contains("interrupted before"), "{}", ended.errors);
        shell(&format!("! {has_program}"));
    });
}

#[test]
fn net_af_xdp_whose_interface_is_down_hides_no_buffer_of_ours() {
    let test = "lost::net_af_xdp_whose_interface_is_down_hides_no_buffer_of_ours";
    inside_with_xdp(test, || {
        veth();
        let mut profile = Profile::all(Policy::Prefer);
        profile.frames = 8_192;
        let spec = DeviceSpec::parse("net_af_xdp0,iface=v0").unwrap();
        let backend = DpdkBackend::open(spec, Memory::Ordinary { mib: 128 }, &profile).unwrap();
        let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY).configure().unwrap();
        let (mut nic, _) = device.start().unwrap().steer().unwrap();
        let mut held = Burst::new();
        let deadline = Instant::now() + PATIENCE;
        let kernel = UdpSocket::bind("10.9.0.1:0").unwrap();
        kernel.set_broadcast(true).unwrap();
        while held.len() < 5 {
            assert!(Instant::now() < deadline, "{:?}", nic.counters());
            kernel.send_to(&[0x5a; 64], "10.9.0.255:9").unwrap();
            nic.rx_burst(&mut held);
        }
        shell("ip link set v0 down");
        for _ in 0..5 {
            let mut frame = nic.tx_frame().unwrap();
            frame.finish(60, TxMeta::default());
            let mut burst = Burst::new();
            burst.push(frame);
            assert_eq!(nic.tx_burst(&mut burst), 1);
        }
        // Sent on as they came, they are the driver's, which keeps them.
        let mut as_they_came: Burst<_> = held.drain(..3).collect();
        assert_eq!(nic.tx_burst(&mut as_they_came), 3);
        let unsent = nic.tx_frame().unwrap();
        let ours = held.len() as u32 + 1;
        assert_eq!(nic.close(), Some(ours));
        drop((held, unsent));
    });
}

#[test]
fn a_far_side_that_is_killed_is_told_and_the_end_comes_in_time_without_a_loss() {
    let folder = tempfile::tempdir().unwrap();
    let [far, near] = memif(folder.path());
    let accepting = acceptor(folder.path(), &far, &[]);
    let session = write(folder.path(), "session.toml", INITIATOR);
    let mut run = endless(&near, &["--session", &session]);
    accepting.signal("KILL");
    run.line_where(|line| line == "the link is down");
    let text = report_in_words(run);
    assert_eq!(count_in_words(&text, "close_logout_timeout"), 1, "{text}");
    assert!(count_in_words(&text, "tx_busy") > 0, "{text}");
}

#[test]
fn a_link_that_is_down_comes_first_in_what_is_said_at_the_end_with_whom_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    // A client without a server does not start.
    let [server, _] = memif(folder.path());
    let fixed = ["run", "--json", "--nic", &server, "--session", &session];
    let ended = Program::start(fixwire().args(fixed).args(["--connect-timeout", "1"])).wait();
    let words = "the link of dpdk:net_memif0 is down, and nobody answered within 1 s; start its client (`role=client`";
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.contains(words), "{}", ended.errors);
    assert_eq!(count(&ended.summary(), "nic_link_down"), 1);
    let mut listening = acceptor(folder.path(), &server, &[]);
    listening.event_of("link_down");
    let silent = summary(&listening.interrupt())["silent_because"].to_string();
    assert!(silent.contains("the link is down: start its client"), "{silent}");
}

#[test]
fn a_socket_of_memif_s_that_a_killed_server_left_is_told_from_one_that_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", ACCEPTOR);
    let [server, _] = memif(folder.path());
    for nic in [server.replace("role=server", "role=master"), server] {
        assert_left_is_told_from_served(folder.path(), &nic, &session);
    }
}

fn assert_left_is_told_from_served(folder: &Path, nic: &str, session: &str) {
    let start =
        || Program::start(fixwire().args(["accept", "--json", "--nic", nic, "--session", session]));
    let mut first = start();
    first.line_where(|line| line.contains("listening"));
    let served = start().wait();
    assert_eq!(served.code, Some(1), "{}", served.errors);
    assert!(served.errors.contains("another process serves at "), "{}", served.errors);
    first.signal("KILL");
    first.wait();
    let left = start().wait();
    assert_eq!(left.code, Some(1), "{}", left.errors);
    let socket = folder.join("memif.sock").display().to_string();
    let words = format!("{socket} was left by a process that has ended: `rm {socket}`");
    assert!(left.errors.contains(&words), "{}", left.errors);
    assert!(!left.errors.contains("librte_net_"), "{}", left.errors);
    fs::remove_file(socket).unwrap();
    let mut again = start();
    again.line_where(|line| line.contains("listening"));
    summary(&again.interrupt());
}
