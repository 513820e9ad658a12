//! Steering: the rules that a session trades under, and the frames of strangers that they are tried with.

use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::offload::capability::Capability;
use fixwire::offload::flow::{AddrMatch, Carries, Fate, FlowRule, Pattern, PortMatch, TcpMatch};
use fixwire::wire::ethernet::Mac;
use fixwire::wire::tcp::Flags;
use fixwire_hw::sim::{Model, SimNic};

use super::trial::{OURS, PORT, THEIRS};
use crate::cli::probe_frame::{self, ProbeFrame, Sums};

/// The rules by number: one would let in what the next drops, were it not of a lower priority; one drops, one
/// sends to a queue that nobody polls, one marks the session's own frames.
pub(super) const OUTRANKED: usize = 0;
pub(super) const DROPS: usize = 1;
pub(super) const ELSEWHERE: usize = 2;
pub(super) const MARKS: usize = 3;
pub(super) const RULES: usize = 4;

/// The queue that nobody polls.
pub(super) const OTHER_QUEUE: u16 = 1;

/// Frames of each kind, sent one after another while the session trades.
pub(super) const OF_EACH_KIND: u64 = 5;
/// All of them: those that the first rule is for, the second, and none.
pub(super) const STRAYS: u64 = 3 * OF_EACH_KIND;
/// Bytes of each as it comes: headers alone, padded to the shortest frame, without its check sequence.
pub(super) const STRAY_LEN: u64 = 60;
/// Reports between two of them.
const REPORTS_BETWEEN: u64 = 4;
/// Reports after which the last one is long gone.
pub(super) const STRAYS_GONE: u64 = REPORTS_BETWEEN * (STRAYS + 1);

// No one flipped bit makes one address of another.
const DROPPED: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 66);
const SENT_ELSEWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 72);
const NAMED_BY_NO_RULE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 84);
const STRAY_PORT: u16 = 40_000;
const FOR_ANOTHER_HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 7);

/// The rules besides the session's. They mark and count where `model` can: a NIC that cannot would leave
/// all of its steering to the host.
pub(super) fn rules(model: &Model) -> [FlowRule; RULES] {
    let has = |capability| model.capabilities.advert(capability).is_some();
    let counted = |rule: FlowRule| if has(Capability::FlowCount) { rule.counted() } else { rule };
    let from = |src| Pattern { src: AddrMatch::exact(src), ..Pattern::TCP };
    let from_port = |src, port| {
        let tcp = TcpMatch { src_port: PortMatch::exact(port), ..TcpMatch::ANY };
        FlowRule::new(Pattern { carries: Carries::Tcp(tcp), ..from(src) }, Fate::Queue(0))
    };
    let session = from_port(THEIRS, PORT);
    [
        from_port(DROPPED, STRAY_PORT).at_priority(1),
        FlowRule::new(from(DROPPED), Fate::Drop),
        FlowRule::new(from(SENT_ELSEWHERE), Fate::Queue(OTHER_QUEUE)),
        if has(Capability::FlowMark) { session.marked(7) } else { session },
    ]
    .map(counted)
}

/// Whether the next stray is due, `sent` of them being sent.
pub(super) fn is_due(sent: u64, reports: u64) -> bool {
    sent < STRAYS && reports > REPORTS_BETWEEN * (sent + 1)
}

/// Sends a stranger's SYN, that nobody is to answer, from the peer's NIC.
pub(super) fn send(number: u64, from: (Mac, &mut SimNic), to: Mac) {
    let (src, dst) = match number % 3 {
        0 => (DROPPED, OURS),
        1 => (SENT_ELSEWHERE, OURS),
        // A host that is not isolated refuses it by its address.
        _ => (NAMED_BY_NO_RULE, FOR_ANOTHER_HOST),
    };
    let (mac, nic) = from;
    let stray = ProbeFrame {
        from: (mac, SocketAddrV4::new(src, STRAY_PORT)),
        to: (to, SocketAddrV4::new(dst, PORT)),
        flags: Flags::SYN,
        payload: b"",
    };
    probe_frame::send(nic, &stray.bytes(Sums::Right), Sums::Right);
}
