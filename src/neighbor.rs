//! Hardware addresses of those we talk to: resolve, answer, refresh, and follow a change
//! (RFC 826, RFC 1122 2.3.2).
//!
//! Sans-IO: ARP packets come in through [`Neighbors::on_arp`], go out of
//! [`Neighbors::poll_transmit`]. An address in use is refreshed while it is still good, so a
//! session never waits for ARP in mid-stream.
//!
//! Beside a kernel that keeps the port ([`Resolution::Kernel`]) no ARP is ours: who is to be found comes out of
//! [`Neighbors::next_wanted`], and what the kernel knows comes in through [`Neighbors::on_kernel`].

use core::net::Ipv4Addr;

use crate::time::{Duration, Instant};
use crate::wire::Refusal;
use crate::wire::arp::{Operation, Repr};
use crate::wire::ethernet::{Mac, MacWord};

/// How many neighbours are known at once. A session needs its gateway or its peer.
pub const NEIGHBORS_MAX: usize = 64;
/// A good address is asked about again after this long, when it is still used.
const REFRESH_AFTER: Duration = Duration::from_s(30);
/// No neighbour is asked more often than this (RFC 1122 2.3.2.1: one request a second).
const ASK_INTERVAL: Duration = Duration::from_s(1);
/// Requests without an answer before an address is given up.
const ASKS_MAX: u8 = 5;
/// The first requests of a refresh go to the known address alone (RFC 1122 2.3.2.1 (2)).
const UNICAST_ASKS: u8 = 3;

/// Who we are on the link, and where the rest of the world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Our hardware address.
    pub mac: Mac,
    /// Our address.
    pub addr: Ipv4Addr,
    /// How many leading bits of it name the link's network; 0 to 32.
    pub prefix_len: u8,
    /// Who forwards what is not on the link.
    pub gateway: Option<Ipv4Addr>,
    /// The VLAN that our frames are tagged for.
    pub vlan: Option<u16>,
    /// The largest IP packet the link carries, in bytes.
    pub mtu: u16,
}

impl Network {
    /// Whom a packet for `dst` is handed to: `dst` itself on the link, the gateway otherwise; `None`
    /// when `dst` is elsewhere and there is no gateway.
    #[inline]
    pub fn next_hop(&self, dst: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.is_on_link(dst) { Some(dst) } else { self.gateway }
    }

    fn is_on_link(&self, addr: Ipv4Addr) -> bool {
        let differing = u64::from(u32::from(addr) ^ u32::from(self.addr));
        differing >> (32 - self.prefix_len.min(32)) == 0
    }
}

/// Who finds the hardware addresses of others, and answers for ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resolution {
    /// We do, by ARP of our own.
    #[default]
    Own,
    /// The kernel, which keeps the port beside us, by its neighbour table.
    Kernel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Asked for, never answered.
    Resolving,
    /// Answered.
    Reachable,
    /// Answered once, being asked again; the known address is used meanwhile.
    Refreshing,
}

#[derive(Clone, Copy, Debug)]
struct Neighbor {
    addr: Ipv4Addr,
    mac: Mac,
    state: State,
    asks: u8,
    /// The next request when asking; the start of a refresh when reachable.
    due: Instant,
    used: Instant,
    /// The kernel is to be asked, and was not told yet.
    wanted: bool,
}

/// A destination that was asked for, and what was answered.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// In one [`word`].
    remote: u64,
    mac: MacWord,
    /// Where its next hop is among those known, which is told when somebody else looks that it was used, and when.
    at: usize,
    used: Instant,
}

impl Last {
    const NOBODY: Last =
        Last { remote: u64::MAX, mac: MacWord::NONE, at: usize::MAX, used: Instant::ZERO };
}

/// An address as it lies in memory, in the lower half.
#[inline(always)]
fn word(addr: Ipv4Addr) -> u64 {
    u64::from(u32::from_ne_bytes(addr.octets()))
}

/// What an ARP packet led to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// What to answer, and to whom.
    pub reply: Option<(Mac, Repr)>,
    /// An address that is known from now on, or anew.
    pub resolved: Option<Ipv4Addr>,
}

/// What has happened, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NeighborCounters {
    /// Requests sent.
    pub arp_requests_sent: u64,
    /// Requests answered.
    pub arp_replies_sent: u64,
    /// Addresses learned.
    pub neighbor_learned: u64,
    /// Addresses that moved to other hardware.
    pub neighbor_changed: u64,
    /// Addresses given up: nobody answered.
    pub neighbor_unreachable: u64,
    /// Addresses forgotten to make room.
    pub neighbor_evicted: u64,
    /// Packets from somebody who claims our own address (RFC 5227 2.4).
    pub address_conflict: u64,
    /// Addresses that the kernel was asked for.
    pub neighbor_asked_of_kernel: u64,
    /// Asks that the kernel refused.
    pub neighbor_refused: u64,
}

impl NeighborCounters {
    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("arp_requests_sent", self.arp_requests_sent),
            ("arp_replies_sent", self.arp_replies_sent),
            ("neighbor_learned", self.neighbor_learned),
            ("neighbor_changed", self.neighbor_changed),
            ("neighbor_unreachable", self.neighbor_unreachable),
            ("neighbor_evicted", self.neighbor_evicted),
            ("address_conflict", self.address_conflict),
            ("neighbor_asked_of_kernel", self.neighbor_asked_of_kernel),
            ("neighbor_refused", self.neighbor_refused),
        ]
        .into_iter()
    }
}

/// The neighbours we know or ask for. Bounded: the one unused longest makes room.
#[derive(Debug)]
pub struct Neighbors {
    network: Network,
    resolution: Resolution,
    known: Vec<Neighbor>,
    /// What was asked for last, as long as nothing has changed since.
    last: Last,
    /// No neighbour is due earlier.
    due: Instant,
    /// Some of them are wanted.
    has_wanted: bool,
    counters: NeighborCounters,
}

impl Neighbors {
    /// Nobody known yet; found by our own ARP.
    pub fn new(network: Network) -> Neighbors {
        Neighbors::by(network, Resolution::Own)
    }

    /// Nobody known yet.
    pub fn by(network: Network, resolution: Resolution) -> Neighbors {
        Neighbors {
            network,
            resolution,
            known: Vec::with_capacity(NEIGHBORS_MAX),
            last: Last::NOBODY,
            due: Instant::FAR_FUTURE,
            has_wanted: false,
            counters: NeighborCounters::default(),
        }
    }

    /// Who finds them.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// Who we are.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// What has happened.
    pub fn counters(&self) -> &NeighborCounters {
        &self.counters
    }

    /// The hardware address that a packet for `remote` goes to: as [`lookup`](Neighbors::lookup) of its
    /// [next hop](Network::next_hop), and `None` too where it has none.
    pub fn hardware_address(&mut self, now: Instant, remote: Ipv4Addr) -> Option<Mac> {
        let hop = self.network.next_hop(remote)?;
        self.lookup(now, hop)
    }

    /// The same in one word, which is kept for whoever asks for it again.
    #[inline(always)]
    pub fn hardware_word(&mut self, now: Instant, remote: Ipv4Addr) -> Option<MacWord> {
        if self.last.remote == word(remote) {
            self.last.used = now;
            return Some(self.last.mac);
        }
        self.find_hardware_word(now, remote)
    }

    #[cold]
    #[inline(never)]
    fn find_hardware_word(&mut self, now: Instant, remote: Ipv4Addr) -> Option<MacWord> {
        let hop = self.network.next_hop(remote)?;
        let mac = MacWord::of(self.lookup(now, hop)?);
        let at = self.known.iter().position(|neighbor| neighbor.addr == hop)?;
        self.last = Last { remote: word(remote), mac, at, used: now };
        Some(mac)
    }

    /// Those known are about to change, or to be looked at: nothing of them is kept elsewhere.
    fn known_mut(&mut self) -> &mut Vec<Neighbor> {
        let last = core::mem::replace(&mut self.last, Last::NOBODY);
        if let Some(neighbor) = self.known.get_mut(last.at) {
            neighbor.used = neighbor.used.max(last.used);
        }
        &mut self.known
    }

    /// They have changed.
    fn settle(&mut self) {
        let due = self.known.iter().map(|neighbor| neighbor.due).min();
        self.due = due.unwrap_or(Instant::FAR_FUTURE);
    }

    /// The hardware address of `addr`, which is on the link. `None` starts to ask for it;
    /// [`Heard::resolved`] tells when it is known.
    #[inline]
    pub fn lookup(&mut self, now: Instant, addr: Ipv4Addr) -> Option<Mac> {
        match self.known.iter_mut().find(|neighbor| neighbor.addr == addr) {
            Some(neighbor) => {
                neighbor.used = now;
                (neighbor.state != State::Resolving).then_some(neighbor.mac)
            }
            None => {
                self.insert(now, addr, Mac::default(), State::Resolving);
                None
            }
        }
    }

    /// Whether the hardware address of `addr` is known.
    pub fn knows(&self, addr: Ipv4Addr) -> bool {
        let known = self.known.iter().find(|neighbor| neighbor.addr == addr);
        known.is_some_and(|neighbor| neighbor.state != State::Resolving)
    }

    /// Takes an ARP packet in.
    ///
    /// # Errors
    /// [`Refusal::ArpNotForUs`] when it changes nothing; [`Refusal::ArpSenderInvalid`] when its
    /// sender claims our address; [`Refusal::ArpLeftToKernel`] when ARP is the kernel's.
    pub fn on_arp(&mut self, now: Instant, packet: &Repr) -> Result<Heard, Refusal> {
        if self.resolution == Resolution::Kernel {
            return Err(Refusal::ArpLeftToKernel);
        }
        if packet.sender == self.network.addr {
            self.counters.address_conflict += 1;
            return Err(Refusal::ArpSenderInvalid);
        }
        let for_us = packet.target == self.network.addr;
        let resolved = self.learn(now, packet, for_us);
        let reply = (for_us && packet.operation == Operation::Request).then(|| {
            self.counters.arp_replies_sent += 1;
            (packet.sender_mac, self.reply_to(packet))
        });
        if reply.is_none() && resolved.is_none() && !for_us {
            return Err(Refusal::ArpNotForUs);
        }
        Ok(Heard { reply, resolved })
    }

    /// RFC 826's merge: a known sender is updated whatever the packet is, an unknown one is learned
    /// only when it addresses us.
    fn learn(&mut self, now: Instant, packet: &Repr, for_us: bool) -> Option<Ipv4Addr> {
        if packet.sender.is_unspecified() || !self.network.is_on_link(packet.sender) {
            return None;
        }
        let known = self.known_mut().iter().position(|neighbor| neighbor.addr == packet.sender);
        match known {
            Some(index) => {
                let neighbor = &mut self.known[index];
                let moved = neighbor.state != State::Resolving && neighbor.mac != packet.sender_mac;
                self.counters.neighbor_changed += u64::from(moved);
                let first = neighbor.state == State::Resolving;
                self.counters.neighbor_learned += u64::from(first);
                neighbor.mac = packet.sender_mac;
                neighbor.state = State::Reachable;
                neighbor.asks = 0;
                neighbor.due = now + REFRESH_AFTER;
                self.settle();
                (first || moved).then_some(packet.sender)
            }
            None if for_us && packet.operation == Operation::Request => {
                self.counters.neighbor_learned += 1;
                self.insert(now, packet.sender, packet.sender_mac, State::Reachable);
                Some(packet.sender)
            }
            None => None,
        }
    }

    fn reply_to(&self, request: &Repr) -> Repr {
        Repr {
            operation: Operation::Reply,
            sender_mac: self.network.mac,
            sender: self.network.addr,
            target_mac: request.sender_mac,
            target: request.sender,
        }
    }

    #[inline(never)]
    fn insert(&mut self, now: Instant, addr: Ipv4Addr, mac: Mac, state: State) {
        if self.known_mut().len() == NEIGHBORS_MAX {
            let oldest = (0..self.known.len()).min_by_key(|&index| self.known[index].used);
            if let Some(oldest) = oldest {
                self.known.swap_remove(oldest);
                self.counters.neighbor_evicted += 1;
            }
        }
        let due = if state == State::Resolving { now } else { now + REFRESH_AFTER };
        self.known.push(Neighbor { addr, mac, state, asks: 0, due, used: now, wanted: false });
        self.settle();
    }

    /// Every neighbour whose hardware address is known, for whoever goes on in another process.
    pub fn all_known(&self) -> impl Iterator<Item = (Ipv4Addr, Mac)> + '_ {
        let known = self.known.iter().filter(|neighbor| neighbor.state != State::Resolving);
        known.map(|neighbor| (neighbor.addr, neighbor.mac))
    }

    /// Takes one over that another process knew: good for as long as one that has just answered. Who finds neighbours by
    /// the kernel asks it all the same.
    pub fn take_over(&mut self, now: Instant, addr: Ipv4Addr, mac: Mac) {
        if self.network.is_on_link(addr) && addr != self.network.addr && !self.knows(addr) {
            self.known_mut().retain(|neighbor| neighbor.addr != addr);
            self.insert(now, addr, mac, State::Reachable);
        }
    }

    /// The next address that the kernel is to be asked for. To be called between rounds, until `None`.
    pub fn next_wanted(&mut self) -> Option<Ipv4Addr> {
        if !self.has_wanted {
            return None;
        }
        let wanted = self.known.iter_mut().find(|neighbor| neighbor.wanted);
        self.has_wanted = wanted.is_some();
        let neighbor = wanted?;
        neighbor.wanted = false;
        self.counters.neighbor_asked_of_kernel += 1;
        Some(neighbor.addr)
    }

    /// What the kernel's table says of `addr`: its hardware address, or `None` when nobody answered the kernel.
    /// Says whether the address is known from now on, or anew. What was not asked for changes nothing.
    pub fn on_kernel(&mut self, now: Instant, addr: Ipv4Addr, mac: Option<Mac>) -> bool {
        let known = self.known_mut();
        let Some(index) = known.iter().position(|neighbor| neighbor.addr == addr) else {
            return false;
        };
        let Some(mac) = mac else {
            known.swap_remove(index);
            self.settle();
            self.counters.neighbor_unreachable += 1;
            return false;
        };
        let neighbor = &mut self.known[index];
        let first = neighbor.state == State::Resolving;
        let moved = !first && neighbor.mac != mac;
        self.counters.neighbor_learned += u64::from(first);
        self.counters.neighbor_changed += u64::from(moved);
        let (used, due) = (neighbor.used, now + REFRESH_AFTER);
        let state = State::Reachable;
        *neighbor = Neighbor { addr, mac, state, asks: 0, due, used, wanted: false };
        self.settle();
        first || moved
    }

    /// The kernel refused to be asked. It is asked again, as long as anybody is.
    pub fn on_kernel_refused(&mut self) {
        self.counters.neighbor_refused += 1;
    }

    /// When [`poll_transmit`](Neighbors::poll_transmit) next has something to do.
    #[inline]
    pub fn next_timeout(&self) -> Instant {
        self.due
    }

    /// The next request that is due, and whom it goes to. To be called until `None`. Where the kernel is asked,
    /// there is none: what is due is then [wanted](Neighbors::next_wanted).
    pub fn poll_transmit(&mut self, now: Instant) -> Option<(Mac, Repr)> {
        self.known_mut();
        let request = self.next_request(now);
        self.settle();
        request
    }

    fn next_request(&mut self, now: Instant) -> Option<(Mac, Repr)> {
        while let Some(index) = self.known.iter().position(|neighbor| neighbor.due <= now) {
            let neighbor = &mut self.known[index];
            match neighbor.state {
                State::Reachable if neighbor.used + REFRESH_AFTER.times(2) < now => {
                    // Unused since long: forget it rather than ask.
                    self.known.swap_remove(index);
                    continue;
                }
                State::Reachable => neighbor.state = State::Refreshing,
                State::Resolving | State::Refreshing if neighbor.asks >= ASKS_MAX => {
                    self.known.swap_remove(index);
                    self.counters.neighbor_unreachable += 1;
                    continue;
                }
                State::Resolving | State::Refreshing => {}
            }
            let refreshing = neighbor.state == State::Refreshing;
            let known_mac = refreshing && neighbor.asks < UNICAST_ASKS;
            let dst = if known_mac { neighbor.mac } else { Mac::BROADCAST };
            neighbor.asks += 1;
            neighbor.due = now + ASK_INTERVAL;
            let target = neighbor.addr;
            if self.resolution == Resolution::Kernel {
                neighbor.wanted = true;
                self.has_wanted = true;
                continue;
            }
            self.counters.arp_requests_sent += 1;
            return Some((dst, self.request(target)));
        }
        None
    }

    /// The announcement of our own address (RFC 5227 3), to be sent once at start.
    pub fn announcement(&self) -> (Mac, Repr) {
        (Mac::BROADCAST, self.request(self.network.addr))
    }

    fn request(&self, target: Ipv4Addr) -> Repr {
        Repr {
            operation: Operation::Request,
            sender_mac: self.network.mac,
            sender: self.network.addr,
            target_mac: Mac::default(),
            target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Network = Network {
        mac: Mac([2, 0, 0, 0, 0, 2]),
        addr: Ipv4Addr::new(10, 9, 0, 2),
        prefix_len: 24,
        gateway: Some(Ipv4Addr::new(10, 9, 0, 1)),
        vlan: None,
        mtu: 1500,
    };
    const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
    const MAC_A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const MAC_B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

    fn from_peer(operation: Operation, mac: Mac, target: Ipv4Addr) -> Repr {
        Repr { operation, sender_mac: mac, sender: PEER, target_mac: Mac::default(), target }
    }

    fn s(seconds: u64) -> Instant {
        Instant::from_ms(seconds * 1000)
    }

    #[test]
    fn the_next_hop_is_the_peer_on_the_link_and_the_gateway_beyond() {
        let elsewhere = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!(OURS.next_hop(Ipv4Addr::new(10, 9, 0, 77)), Some(Ipv4Addr::new(10, 9, 0, 77)));
        assert_eq!(OURS.next_hop(elsewhere), Some(PEER));
        assert_eq!(Network { gateway: None, ..OURS }.next_hop(elsewhere), None);
        assert_eq!(Network { prefix_len: 0, ..OURS }.next_hop(elsewhere), Some(elsewhere));
        assert_eq!(
            Network { prefix_len: 32, ..OURS }.next_hop(Ipv4Addr::new(10, 9, 0, 3)),
            Some(PEER)
        );
    }

    #[test]
    fn an_unknown_neighbor_is_asked_for_once_a_second_and_then_given_up() {
        let mut neighbors = Neighbors::new(OURS);
        assert_eq!(neighbors.lookup(s(0), PEER), None);
        for second in 0..5 {
            let (dst, request) = neighbors.poll_transmit(s(second)).unwrap();
            assert_eq!((dst, request.target, request.sender), (Mac::BROADCAST, PEER, OURS.addr));
            assert_eq!(neighbors.poll_transmit(s(second)), None);
            assert_eq!(neighbors.lookup(s(second), PEER), None);
        }
        assert_eq!(neighbors.poll_transmit(s(5)), None);
        assert_eq!(neighbors.counters().neighbor_unreachable, 1);
    }

    #[test]
    fn an_answer_resolves() {
        let mut neighbors = Neighbors::new(OURS);
        neighbors.lookup(s(0), PEER);
        neighbors.poll_transmit(s(0));
        let heard = neighbors.on_arp(s(0), &from_peer(Operation::Reply, MAC_A, OURS.addr)).unwrap();
        assert_eq!(heard, Heard { reply: None, resolved: Some(PEER) });
        assert_eq!(neighbors.lookup(s(0), PEER), Some(MAC_A));
    }

    #[test]
    fn a_request_for_us_is_answered_and_its_sender_learned() {
        let mut neighbors = Neighbors::new(OURS);
        let heard =
            neighbors.on_arp(s(0), &from_peer(Operation::Request, MAC_A, OURS.addr)).unwrap();
        let (dst, reply) = heard.reply.unwrap();
        assert_eq!((dst, reply.operation, reply.sender_mac), (MAC_A, Operation::Reply, OURS.mac));
        assert_eq!((reply.sender, reply.target, reply.target_mac), (OURS.addr, PEER, MAC_A));
        assert_eq!(neighbors.lookup(s(0), PEER), Some(MAC_A));
    }

    #[test]
    fn a_gratuitous_packet_moves_a_known_neighbor_and_teaches_no_new_one() {
        for operation in [Operation::Request, Operation::Reply] {
            let mut neighbors = Neighbors::new(OURS);
            let gratuitous = from_peer(operation, MAC_B, PEER);
            assert_eq!(neighbors.on_arp(s(0), &gratuitous), Err(Refusal::ArpNotForUs));
            neighbors.on_arp(s(0), &from_peer(Operation::Request, MAC_A, OURS.addr)).unwrap();
            let heard = neighbors.on_arp(s(1), &gratuitous).unwrap();
            assert_eq!(heard.resolved, Some(PEER));
            assert_eq!(neighbors.lookup(s(1), PEER), Some(MAC_B));
            assert_eq!(neighbors.counters().neighbor_changed, 1);
        }
    }

    #[test]
    fn a_neighbor_in_use_is_refreshed_without_ever_being_unknown() {
        let mut neighbors = Neighbors::new(OURS);
        neighbors.on_arp(s(0), &from_peer(Operation::Request, MAC_A, OURS.addr)).unwrap();
        neighbors.lookup(s(29), PEER);
        assert_eq!(neighbors.poll_transmit(s(29)), None);
        let mut asked = Vec::new();
        for second in 30..35 {
            asked.extend(neighbors.poll_transmit(s(second)).map(|(dst, _)| dst));
            assert_eq!(neighbors.lookup(s(second), PEER), Some(MAC_A));
        }
        assert_eq!(asked, [MAC_A, MAC_A, MAC_A, Mac::BROADCAST, Mac::BROADCAST]);
        neighbors.on_arp(s(34), &from_peer(Operation::Reply, MAC_A, OURS.addr)).unwrap();
        assert_eq!(neighbors.next_timeout(), s(64));
    }

    #[test]
    fn an_address_that_is_asked_for_again_and_again_is_in_use_and_followed_at_once() {
        let mut neighbors = Neighbors::new(OURS);
        let beyond = Ipv4Addr::new(192, 0, 2, 1);
        neighbors.on_arp(s(0), &from_peer(Operation::Request, MAC_A, OURS.addr)).unwrap();
        for second in 0..100 {
            let known = neighbors.hardware_word(s(second), PEER);
            assert_eq!(known, Some(MacWord::of(MAC_A)));
        }
        assert_eq!(neighbors.poll_transmit(s(100)).map(|(dst, _)| dst), Some(MAC_A));
        assert_eq!((neighbors.next_timeout(), neighbors.poll_transmit(s(100))), (s(101), None));
        neighbors.on_arp(s(100), &from_peer(Operation::Reply, MAC_B, OURS.addr)).unwrap();
        for remote in [beyond, PEER, PEER] {
            assert_eq!(neighbors.hardware_word(s(100), remote), Some(MacWord::of(MAC_B)));
            assert_eq!(neighbors.hardware_address(s(100), remote), Some(MAC_B));
        }
        // Unused since, and forgotten.
        assert_eq!(
            (neighbors.poll_transmit(s(161)), neighbors.counters().neighbor_changed),
            (None, 1)
        );
        assert_eq!(neighbors.next_timeout(), Instant::FAR_FUTURE);
        assert_eq!(neighbors.hardware_word(s(161), PEER), None);
        assert_eq!(neighbors.next_timeout(), s(161));
    }

    #[test]
    fn a_neighbor_unused_for_long_is_forgotten_without_asking() {
        let mut neighbors = Neighbors::new(OURS);
        neighbors.on_arp(s(0), &from_peer(Operation::Request, MAC_A, OURS.addr)).unwrap();
        assert_eq!(neighbors.poll_transmit(s(61)), None);
        assert_eq!(neighbors.next_timeout(), Instant::FAR_FUTURE);
    }

    #[test]
    fn who_claims_our_address_is_counted_and_not_learned() {
        let mut neighbors = Neighbors::new(OURS);
        let claim = Repr { sender: OURS.addr, ..from_peer(Operation::Reply, MAC_B, OURS.addr) };
        assert_eq!(neighbors.on_arp(s(0), &claim), Err(Refusal::ArpSenderInvalid));
        assert_eq!(neighbors.counters().address_conflict, 1);
    }

    #[test]
    fn a_flood_of_askers_evicts_the_one_unused_longest() {
        let mut neighbors = Neighbors::new(OURS);
        for last in 3..=255u8 {
            let now = s(u64::from(last) / 100);
            let sender = Ipv4Addr::new(10, 9, 0, last);
            let ask = Repr { sender, ..from_peer(Operation::Request, MAC_A, OURS.addr) };
            neighbors.on_arp(now, &ask).unwrap();
            assert!(neighbors.known.len() <= NEIGHBORS_MAX);
        }
        assert_eq!(neighbors.counters().neighbor_evicted, 253 - NEIGHBORS_MAX as u64);
    }

    fn beside_the_kernel() -> Neighbors {
        Neighbors::by(OURS, Resolution::Kernel)
    }

    #[test]
    fn beside_the_kernel_no_arp_is_sent_or_answered_and_the_kernel_is_asked_once_a_second() {
        let mut neighbors = beside_the_kernel();
        assert_eq!(neighbors.lookup(s(0), PEER), None);
        for second in 0..5 {
            assert_eq!(neighbors.poll_transmit(s(second)), None);
            assert_eq!((neighbors.next_wanted(), neighbors.next_wanted()), (Some(PEER), None));
        }
        let request = from_peer(Operation::Request, MAC_A, OURS.addr);
        assert_eq!(neighbors.on_arp(s(4), &request), Err(Refusal::ArpLeftToKernel));
        assert_eq!(neighbors.lookup(s(4), PEER), None);
        assert_eq!(neighbors.poll_transmit(s(5)), None);
        let counters = neighbors.counters();
        assert_eq!((counters.neighbor_asked_of_kernel, counters.neighbor_unreachable), (5, 1));
        assert_eq!((counters.arp_requests_sent, counters.arp_replies_sent), (0, 0));
        assert_eq!(neighbors.next_timeout(), Instant::FAR_FUTURE);
    }

    #[test]
    fn what_the_kernel_knows_is_used_followed_and_asked_for_anew_while_it_is_used() {
        let mut neighbors = beside_the_kernel();
        neighbors.lookup(s(0), PEER);
        assert!(!neighbors.on_kernel(s(0), OURS.addr, Some(MAC_B)), "nobody asked for it");
        assert!(neighbors.on_kernel(s(0), PEER, Some(MAC_A)));
        assert_eq!(neighbors.lookup(s(1), PEER), Some(MAC_A));
        assert!(!neighbors.on_kernel(s(1), PEER, Some(MAC_A)));
        assert!(neighbors.on_kernel(s(2), PEER, Some(MAC_B)));
        assert_eq!(neighbors.lookup(s(31), PEER), Some(MAC_B));
        assert_eq!((neighbors.poll_transmit(s(31)), neighbors.next_wanted()), (None, None));
        // Asked for again, and good meanwhile.
        assert_eq!(neighbors.poll_transmit(s(32)), None);
        assert_eq!(
            (neighbors.next_wanted(), neighbors.lookup(s(32), PEER)),
            (Some(PEER), Some(MAC_B))
        );
        assert!(!neighbors.on_kernel(s(33), PEER, Some(MAC_B)));
        assert_eq!(neighbors.next_timeout(), s(63));
        let counters = neighbors.counters();
        assert_eq!((counters.neighbor_learned, counters.neighbor_changed), (1, 1));
    }

    #[test]
    fn whom_nobody_answered_for_is_unknown_at_once_and_may_be_wanted_anew() {
        let mut neighbors = beside_the_kernel();
        neighbors.lookup(s(0), PEER);
        neighbors.on_kernel(s(0), PEER, Some(MAC_A));
        assert!(!neighbors.on_kernel(s(1), PEER, None));
        assert_eq!(neighbors.counters().neighbor_unreachable, 1);
        assert_eq!(neighbors.lookup(s(1), PEER), None);
        neighbors.poll_transmit(s(1));
        assert_eq!(neighbors.next_wanted(), Some(PEER));
        neighbors.on_kernel_refused();
        assert_eq!(neighbors.counters().neighbor_refused, 1);
    }
}
