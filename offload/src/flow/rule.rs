//! A steering rule: its priority, which frames it matches, and what becomes of them.
//!
//! Source and destination are those of the frame that arrives: the peer's and ours.

use core::fmt;
use core::net::SocketAddrV4;
use core::str::FromStr;

use super::field::{AddrMatch, FieldError, PortMatch, VlanId};
use super::key::FlowKey;
use crate::number::decimal;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowRule {
    /// Its place among the rules: 0 is the highest (rte_flow, "Attribute: Priority").
    pub priority: u32,
    /// The frames that it matches.
    pub pattern: Pattern,
    /// What becomes of them.
    pub actions: Actions,
}

/// Which frames a rule matches: all that satisfy every part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// The VLAN of the outermost tag; `None` matches frames with and without one.
    pub vlan: Option<VlanId>,
    /// Whom the packet is from.
    pub src: AddrMatch,
    /// Whom it is for.
    pub dst: AddrMatch,
    /// What is in it.
    pub carries: Carries,
}

/// What is in a frame that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carries {
    /// Whatever an IPv4 packet carries, fragments too.
    Any,
    /// An unfragmented TCP segment with these ports.
    Tcp(TcpMatch),
    /// ICMP, fragments too.
    Icmp,
    /// No IPv4 packet but ARP. Addresses do not count.
    Arp,
}

/// Which TCP segments a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpMatch {
    /// The sender's port.
    pub src_port: PortMatch,
    /// The receiver's port.
    pub dst_port: PortMatch,
}

/// What becomes of a frame that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Actions {
    /// Where it goes.
    pub fate: Fate,
    /// The number that it arrives with, in [`RxMeta::mark`](crate::nic::RxMeta::mark). The engine holds it against
    /// the rules, which proves that the device steers by them, and hands it to no application.
    pub mark: Option<u32>,
    /// Whether it is counted, with its bytes.
    pub count: bool,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// To this receive queue.
    Queue(u16),
    /// Nowhere.
    Drop,
}

impl FlowRule {
    /// The frames of one connection, from `peer` to `local`, sent to a queue. Priority 0.
    pub fn connection(peer: SocketAddrV4, local: SocketAddrV4, queue: u16) -> FlowRule {
        let tcp = TcpMatch {
            src_port: PortMatch::exact(peer.port()),
            dst_port: PortMatch::exact(local.port()),
        };
        let (src, dst) = (AddrMatch::exact(*peer.ip()), AddrMatch::exact(*local.ip()));
        FlowRule::new(
            Pattern { src, dst, carries: Carries::Tcp(tcp), ..Pattern::IPV4 },
            Fate::Queue(queue),
        )
    }

    /// The frames of whoever calls at `local`, sent to a queue. Priority 1, so that connections which
    /// have rules of their own come first.
    pub fn listener(local: SocketAddrV4, queue: u16) -> FlowRule {
        let tcp = TcpMatch { src_port: PortMatch::ANY, dst_port: PortMatch::exact(local.port()) };
        let pattern = Pattern {
            dst: AddrMatch::exact(*local.ip()),
            carries: Carries::Tcp(tcp),
            ..Pattern::IPV4
        };
        FlowRule::new(pattern, Fate::Queue(queue)).at_priority(1)
    }

    /// A rule of priority 0 with nothing but a fate.
    pub const fn new(pattern: Pattern, fate: Fate) -> FlowRule {
        FlowRule { priority: 0, pattern, actions: Actions { fate, mark: None, count: false } }
    }

    /// The same at another priority.
    #[must_use]
    pub const fn at_priority(mut self, priority: u32) -> FlowRule {
        self.priority = priority;
        self
    }

    /// The same for the frames of one VLAN.
    #[must_use]
    pub const fn in_vlan(mut self, vlan: VlanId) -> FlowRule {
        self.pattern.vlan = Some(vlan);
        self
    }

    /// The same, marking what it matches.
    #[must_use]
    pub const fn marked(mut self, mark: u32) -> FlowRule {
        self.actions.mark = Some(mark);
        self
    }

    /// The same, counting what it matches.
    #[must_use]
    pub const fn counted(mut self) -> FlowRule {
        self.actions.count = true;
        self
    }

    /// The testpmd command that creates it on a port.
    pub const fn testpmd(self, port: u16) -> Testpmd {
        Testpmd { rule: self, port }
    }
}

impl Pattern {
    /// Every IPv4 packet.
    pub const IPV4: Pattern =
        Pattern { vlan: None, src: AddrMatch::ANY, dst: AddrMatch::ANY, carries: Carries::Any };

    /// Every TCP segment over IPv4.
    pub const TCP: Pattern = Pattern { carries: Carries::Tcp(TcpMatch::ANY), ..Pattern::IPV4 };

    /// Every ICMP message.
    pub const ICMP: Pattern = Pattern { carries: Carries::Icmp, ..Pattern::IPV4 };

    /// Every ARP packet.
    pub const ARP: Pattern = Pattern { carries: Carries::Arp, ..Pattern::IPV4 };

    /// Whether it matches a frame.
    pub fn matches(&self, key: &FlowKey) -> bool {
        let vlan = self.vlan.is_none_or(|vlan| key.vlan() == Some(vlan));
        let addresses = self.src.matches(key.src()) && self.dst.matches(key.dst());
        let is_carried = match self.carries {
            Carries::Arp => return vlan && key.is_arp(),
            Carries::Any => true,
            Carries::Icmp => key.is_icmp(),
            Carries::Tcp(tcp) => key.ports().is_some_and(|ports| tcp.matches(ports)),
        };
        vlan && !key.is_arp() && addresses && is_carried
    }
}

impl TcpMatch {
    /// Every TCP segment.
    pub const ANY: TcpMatch = TcpMatch { src_port: PortMatch::ANY, dst_port: PortMatch::ANY };

    /// Whether it matches source and destination port.
    pub const fn matches(&self, (src_port, dst_port): (u16, u16)) -> bool {
        self.src_port.matches(src_port) && self.dst_port.matches(dst_port)
    }
}

/// Reads `drop` or `queue N`.
impl FromStr for Fate {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<Fate, FieldError> {
        let queue = || decimal(text.strip_prefix("queue ")?);
        match text {
            "drop" => Ok(Fate::Drop),
            _ => queue().map(Fate::Queue).ok_or_else(|| FieldError {
                what: format!("{text:?} is no place for a frame to go to"),
                remedy: "write \"drop\", or \"queue N\" with a queue's number, such as \"queue 0\""
                    .into(),
            }),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Queue(queue) => write!(f, "queue {queue}"),
            Fate::Drop => f.write_str("drop"),
        }
    }
}

/// The testpmd command that creates it on port 0.
impl fmt::Display for FlowRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.testpmd(0).fmt(f)
    }
}

/// A rule, shown as the testpmd command that creates it on a port.
#[derive(Clone, Copy, Debug)]
pub struct Testpmd {
    rule: FlowRule,
    port: u16,
}

impl fmt::Display for Testpmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlowRule { priority, pattern, actions } = self.rule;
        write!(f, "flow create {} ingress priority {priority} ", self.port)?;
        write!(f, "pattern {pattern} / end actions {actions} / end")
    }
}

/// As testpmd writes it, without the closing `end`.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("eth")?;
        let is_arp = self.carries == Carries::Arp;
        match self.vlan {
            Some(vlan) if is_arp => write!(f, " / vlan vid is {vlan} inner_type is 0x0806")?,
            Some(vlan) => write!(f, " / vlan vid is {vlan}")?,
            None if is_arp => f.write_str(" type is 0x0806")?,
            None => {}
        }
        if is_arp {
            return Ok(());
        }
        f.write_str(" / ipv4")?;
        show_addr(f, "src", self.src)?;
        show_addr(f, "dst", self.dst)?;
        match self.carries {
            Carries::Any | Carries::Arp => Ok(()),
            Carries::Icmp => f.write_str(" proto is 1"),
            Carries::Tcp(tcp) => {
                f.write_str(" / tcp")?;
                show_port(f, "src", tcp.src_port)?;
                show_port(f, "dst", tcp.dst_port)
            }
        }
    }
}

fn show_addr(f: &mut fmt::Formatter<'_>, field: &str, addr: AddrMatch) -> fmt::Result {
    let (spec, mask) = (addr.spec(), addr.mask());
    match addr.prefix_bits() {
        Some(0) => Ok(()),
        Some(32) => write!(f, " {field} is {spec}"),
        Some(bits) => write!(f, " {field} spec {spec} {field} prefix {bits}"),
        None => write!(f, " {field} spec {spec} {field} mask {mask}"),
    }
}

fn show_port(f: &mut fmt::Formatter<'_>, field: &str, port: PortMatch) -> fmt::Result {
    match (port.spec(), port.mask()) {
        (_, 0) => Ok(()),
        (spec, u16::MAX) => write!(f, " {field} is {spec}"),
        (spec, mask) => write!(f, " {field} spec {spec:#x} {field} mask {mask:#x}"),
    }
}

/// As testpmd writes them, without the closing `end`.
impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(mark) = self.mark {
            write!(f, "mark id {mark} / ")?;
        }
        if self.count {
            f.write_str("count / ")?;
        }
        match self.fate {
            Fate::Queue(queue) => write!(f, "queue index {queue}"),
            Fate::Drop => f.write_str("drop"),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9878);
    const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 40_000);

    #[test]
    fn a_rule_is_shown_as_the_testpmd_command_that_creates_it() {
        let odd = Pattern {
            vlan: None,
            src: AddrMatch::prefix(Ipv4Addr::new(10, 9, 9, 9), 8),
            dst: AddrMatch::masked(Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(255, 0, 0, 255)),
            carries: Carries::Tcp(TcpMatch {
                src_port: PortMatch::masked(0x2696, 0xff00),
                ..TcpMatch::ANY
            }),
        };
        let vlan = VlanId::new(42).unwrap();
        for (rule, shown) in [
            (
                FlowRule::connection(PEER, LOCAL, 3),
                "flow create 0 ingress priority 0 pattern eth / ipv4 src is 10.0.0.1 dst is 10.0.0.2 \
                 / tcp src is 9878 dst is 40000 / end actions queue index 3 / end",
            ),
            (
                FlowRule::listener(PEER, 0).in_vlan(vlan).marked(7).counted(),
                "flow create 0 ingress priority 1 pattern eth / vlan vid is 42 / ipv4 dst is 10.0.0.1 \
                 / tcp dst is 9878 / end actions mark id 7 / count / queue index 0 / end",
            ),
            (
                FlowRule::new(odd, Fate::Drop).at_priority(9),
                "flow create 0 ingress priority 9 pattern eth / ipv4 src spec 10.0.0.0 src prefix 8 \
                 dst spec 10.0.0.5 dst mask 255.0.0.255 / tcp src spec 0x2600 src mask 0xff00 \
                 / end actions drop / end",
            ),
            (
                FlowRule::new(Pattern::IPV4, Fate::Drop),
                "flow create 0 ingress priority 0 pattern eth / ipv4 / end actions drop / end",
            ),
            (
                FlowRule::new(Pattern::TCP, Fate::Drop),
                "flow create 0 ingress priority 0 pattern eth / ipv4 / tcp / end actions drop / end",
            ),
            (
                FlowRule::new(Pattern::ICMP, Fate::Queue(0)),
                "flow create 0 ingress priority 0 pattern eth / ipv4 proto is 1 / end actions queue index 0 / end",
            ),
            (
                FlowRule::new(Pattern::ARP, Fate::Queue(0)),
                "flow create 0 ingress priority 0 pattern eth type is 0x0806 / end actions queue index 0 / end",
            ),
            (
                FlowRule::new(Pattern::ARP, Fate::Queue(0)).in_vlan(vlan),
                "flow create 0 ingress priority 0 pattern eth / vlan vid is 42 inner_type is 0x0806 / end actions \
                 queue index 0 / end",
            ),
        ] {
            assert_eq!(rule.to_string(), shown);
        }
        assert!(
            FlowRule::listener(PEER, 0).testpmd(5).to_string().starts_with("flow create 5 ingress")
        );
    }

    #[test]
    fn a_fate_is_read_as_it_is_shown() {
        for text in ["drop", "queue 0", "queue 65535"] {
            assert_eq!(text.parse::<Fate>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "queue",
            "queue -1",
            "queue +1",
            "queue  1",
            "queue 65536",
            "queue0",
            "Drop",
            "mark 7",
        ] {
            let error = text.parse::<Fate>().unwrap_err();
            assert_eq!(error.what, format!("{text:?} is no place for a frame to go to"));
        }
    }

    #[test]
    fn each_part_of_a_pattern_can_fail_it() {
        let vlan = VlanId::new(42).unwrap();
        let pattern = FlowRule::connection(PEER, LOCAL, 0).in_vlan(vlan).pattern;
        let key = FlowKey::tcp(PEER, LOCAL).in_vlan(Some(vlan));
        assert!(pattern.matches(&key));
        let addr = |from: SocketAddrV4| SocketAddrV4::new(Ipv4Addr::LOCALHOST, from.port());
        let port = |from: SocketAddrV4| SocketAddrV4::new(*from.ip(), 1);
        for other in [
            key.in_vlan(None),
            key.in_vlan(VlanId::new(43)),
            FlowKey::tcp(addr(PEER), LOCAL).in_vlan(Some(vlan)),
            FlowKey::tcp(PEER, addr(LOCAL)).in_vlan(Some(vlan)),
            FlowKey::tcp(port(PEER), LOCAL).in_vlan(Some(vlan)),
            FlowKey::tcp(PEER, port(LOCAL)).in_vlan(Some(vlan)),
            FlowKey::ipv4(*PEER.ip(), *LOCAL.ip()).in_vlan(Some(vlan)),
        ] {
            assert!(!pattern.matches(&other), "{other:?}");
        }
    }

    #[test]
    fn a_rule_without_a_vlan_matches_tagged_and_untagged_frames() {
        let pattern = FlowRule::connection(PEER, LOCAL, 0).pattern;
        for vlan in [None, VlanId::new(1), VlanId::new(4094)] {
            assert!(pattern.matches(&FlowKey::tcp(PEER, LOCAL).in_vlan(vlan)), "{vlan:?}");
        }
    }
}
