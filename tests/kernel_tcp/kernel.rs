//! The kernel's own word on its TCP: what `nstat` shows, of this namespace and since a line was begun.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fixwire::tcp::Count;

use crate::{Line, PROBE_WAITS};

/// Linux' tail loss probe waits two round trips and 2 ms (tcp_schedule_loss_probe, TCP_TIMEOUT_MIN_US).
const KERNEL_PROBE_WAITS: Duration = Duration::from_millis(2);

type Counters = BTreeMap<String, i64>;

/// What the kernel had counted by then.
pub(crate) struct Kernel(Counters);

impl Kernel {
    pub(crate) fn from_now_on() -> Kernel {
        Kernel(counters())
    }

    /// By how much one of its counters has risen since, by the name that `nstat` has for it.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let of = |counters: &Counters| counters.get(name).copied();
        let (before, now) = (of(&self.0), of(&counters()));
        let now = now.unwrap_or_else(|| panic!("this kernel does not count {name}"));
        (now - before.unwrap_or(0)) as u64
    }
}

/// Both files are lines in pairs: names, and a value for each.
fn counters() -> Counters {
    let mut counters = Counters::new();
    for file in ["snmp", "netstat"] {
        let path = format!("/proc/thread-self/net/{file}");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"));
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let (group, names) = pair[0].split_once(": ").expect("names of a group");
            let (_, values) = pair[1].split_once(": ").expect("values of a group");
            for (name, value) in names.split(' ').zip(values.split(' ')) {
                counters.insert(format!("{group}{name}"), value.parse().expect("a number"));
            }
        }
    }
    counters
}

/// Something that was sent more than once.
pub(crate) struct Twice {
    what: String,
    count: u64,
    /// For so long whoever sent it waits unanswered: where the loop stood still for less, that does not explain it.
    pub(crate) patience: Duration,
}

impl fmt::Display for Twice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.what)
    }
}

impl Line {
    /// What was sent more than once on a line on which nothing is lost, by our word and by the kernel's.
    pub(crate) fn twice(&self) -> Vec<Twice> {
        let ours =
            [Count::Retransmission, Count::SynRetransmission, Count::LossProbe, Count::DsackIn];
        let ours = ours.map(|what| (what.to_string(), self.count(what), PROBE_WAITS));
        let theirs = |names: &[&str], patience| {
            let told = |name: &&str| ((*name).to_owned(), self.kernel.count(name), patience);
            names.iter().map(told).collect::<Vec<_>>()
        };
        // What it sent again, and what we told it had come twice; then what of ours came to it twice or out of order.
        let sent = theirs(&["TcpRetransSegs", "TcpExtTCPDSACKRecv"], KERNEL_PROBE_WAITS);
        let came = ["TcpExtTCPDSACKOldSent", "TcpExtTCPDSACKOfoSent", "TcpExtTCPOFOQueue"];
        let came = theirs(&came, PROBE_WAITS);
        let all = ours.into_iter().chain(sent).chain(came).filter(|(_, count, _)| *count > 0);
        all.map(|(what, count, patience)| Twice { what, count, patience }).collect()
    }

    /// What came twice by our word came twice by the kernel's, or the relay repeated a frame that told of it. How often we hear
    /// of one is not how often it was told: a long segment that the kernel cuts up for the wire has its options in each part.
    pub(crate) fn agrees_on_duplicates(&self) {
        let told = ["TcpExtTCPDSACKOldSent", "TcpExtTCPDSACKOfoSent"];
        let told: u64 = told.iter().map(|name| self.kernel.count(name)).sum();
        let (heard, [_, inward]) = (self.count(Count::DsackIn), self.host.ways());
        assert!(
            told > 0 || heard <= inward.repeated,
            "we heard of {heard} duplicates, the kernel of none"
        );
    }
}
