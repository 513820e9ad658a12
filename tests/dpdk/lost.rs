//! Links and far sides that are lost in the middle of a session.

use std::path::Path;

use crate::common::client::Client;
use crate::common::inside::{Program, inside};
use crate::common::report::checked_text;
use crate::common::{no_namespace, skip};
use crate::line::{
    ACCEPTOR, INITIATOR, acceptor, count, count_in_words, fixwire, memif, shell, summary, veth,
    write,
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

/// An acceptor on `v0`, a counterparty on the kernel's `v1`, and `end` of the pair down for a while in between. The
/// driver of 22.11 calls its link up whatever happens: it is TCP that makes up for what was lost.
fn down_between_orders(folder: &Path, end: &str) {
    let session = ACCEPTOR.replace("10.9.0.1", "10.9.0.2");
    let session = write(folder, "acceptor.toml", &session);
    let fixed = ["accept", "--app", "echo", "--json", "--nic", "dpdk:net_af_packet0,iface=v0"];
    let mut acceptor = Program::start(fixwire().args(fixed).args(["--session", &session]));
    acceptor.event_of("listening");
    let at = "10.9.0.2:9878".parse().unwrap();
    let mut client = Client::connect(at, "FIX.4.4", "FIXWIRE", "EXCHANGE").log_on("");
    let order =
        |client: &mut Client, id| client.send("D", &format!("11={id}|55=X|54=1|38=1|40=1|"));
    order(&mut client, 1);
    assert!(client.next().contains("11=1|"));
    shell(&format!("ip link set {end} down"));
    order(&mut client, 2);
    std::thread::sleep(std::time::Duration::from_millis(700));
    shell(&format!("ip link set {end} up"));
    assert!(client.next().contains("11=2|"));
    order(&mut client, 3);
    assert!(client.next().contains("11=3|"));
    let summary = summary(&acceptor.interrupt());
    assert_eq!(summary["app"]["echoed"], 3);
    assert_eq!(count(&summary, "lines_connected"), 1);
    assert_eq!(count(&summary, "lines_lost"), 0);
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
