//! A loopback pair, and frames that cross it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::Duration;

use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Backend, Device, Probed};
use fixwire::offload::flow::{AddrMatch, Fate, FlowRule, OnMiss, Pattern, RuleSet};
use fixwire::offload::nic::{Burst, Frame, Nic, RxMeta, TxReport, TxReports};
use fixwire::offload::plan::{Capabilities, Plan};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::time::{self, Clock, UtcTime};
use fixwire::wire::ethernet::Mac;
use fixwire::wire::tcp::Flags;
use fixwire_hw::clock::HostClock;
use fixwire_hw::sim::Wire;

use crate::cli::device::{self, Refused};
use crate::cli::failure::Failure;
use crate::cli::probe_frame::{self, ProbeFrame, Sums};

pub(super) const OURS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 9878);
pub(super) const THEIRS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 40_000);
/// Whose frames a rule drops.
pub(super) const DROPPED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 66), 40_000);
/// A port of ours that no rule names.
pub(super) const UNNAMED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 9999);
pub(super) const MARK: u32 = 7;
const PAYLOAD: &[u8] = b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01";
/// Frames of each kind that are tried.
pub(super) const TRIES: u8 = 16;

/// A line in time.
pub(super) trait Line {
    /// Times that it is waited at most, until a frame is there.
    const WAITS_MAX: u32;

    /// Gives the line time to carry a frame.
    fn wait(&mut self);

    /// The time that its stamps are held against, from an origin of its own.
    fn now(&self) -> time::Instant;

    /// The time of day that a NIC's stamps are to tell, where it is known.
    fn utc(&self) -> Option<UtcTime>;
}

/// A line in real time, of which nobody here knows how the NIC's clock is set.
pub(super) struct RealLine(HostClock);

impl RealLine {
    pub(super) fn new() -> RealLine {
        RealLine(HostClock::new())
    }
}

impl Line for RealLine {
    const WAITS_MAX: u32 = 50;

    fn wait(&mut self) {
        thread::sleep(Duration::from_millis(1));
    }

    fn now(&self) -> time::Instant {
        self.0.mono()
    }

    fn utc(&self) -> Option<UtcTime> {
        None
    }
}

/// A wire in virtual time.
impl Line for Wire {
    const WAITS_MAX: u32 = 1;

    fn wait(&mut self) {
        self.advance(time::Duration::from_ms(1));
    }

    fn now(&self) -> time::Instant {
        Clock::now(self).mono
    }

    fn utc(&self) -> Option<UtcTime> {
        Some(Clock::now(self).utc)
    }
}

/// The device, its peer and the line between.
pub(super) struct Bench<N, P, L> {
    pub(super) plan: Plan,
    pub(super) nic: N,
    peer: P,
    pub(super) line: L,
    /// The peer leaves sums unfinished, and the device hands such frames over.
    pub(super) peer_leaves_sums: bool,
}

impl<N: Nic, P: Nic, L: Line> Bench<N, P, L> {
    /// The peer finishes nothing that it receives by itself, so that what arrives there is what the device
    /// sent, and leaves the sums of what it sends as far as it can.
    pub(super) fn new<A, B>(
        near: Device<A, Probed>,
        far: Device<B, Probed>,
        line: L,
        profile: &Profile,
    ) -> Result<Bench<N, P, L>, Failure>
    where
        A: Backend<Nic = N>,
        B: Backend<Nic = P>,
    {
        let rules = rules(profile, &near.capabilities());
        let (nic, plan) = start(near, profile, rules)?;
        let plain = Profile::all(Policy::Off).with(Capability::TxTcpChecksum, Policy::Prefer);
        let (peer, theirs) = start(far, &plain, RuleSet::EMPTY)?;
        let peer_leaves_sums = plan.gives_none && theirs.uses(Capability::TxTcpChecksum);
        Ok(Bench { plan, nic, peer, line, peer_leaves_sums })
    }

    /// Ends both devices, and says how many of their buffers have not come back; `None` where nobody counts.
    pub(super) fn close(self) -> Option<u32> {
        let Bench { nic, peer, .. } = self;
        let lost = [nic.close(), peer.close()];
        lost.into_iter().flatten().reduce(|near, far| near + far)
    }

    /// Whether anything arrives that the peer sends.
    pub(super) fn is_joined(&mut self) -> bool {
        !self.receive(THEIRS, OURS, Sums::Right).is_empty()
    }

    /// The peer's frames that reach our queue, and what the device says of them.
    pub(super) fn receive(
        &mut self,
        from: SocketAddrV4,
        to: SocketAddrV4,
        sums: Sums,
    ) -> Vec<Received> {
        self.receive_from(|_| from, to, sums)
    }

    /// The same from a sender for each try.
    pub(super) fn receive_from(
        &mut self,
        from: impl Fn(u8) -> SocketAddrV4,
        to: SocketAddrV4,
        sums: Sums,
    ) -> Vec<Received> {
        (0..TRIES).flat_map(|number| self.receive_one(from(number), to, sums)).collect()
    }

    /// What comes of one frame of the peer's.
    pub(super) fn receive_one(
        &mut self,
        from: SocketAddrV4,
        to: SocketAddrV4,
        sums: Sums,
    ) -> Vec<Received> {
        let (from, to) = ((Mac(self.peer.mac()), from), (Mac(self.nic.mac()), to));
        let bytes = ProbeFrame { from, to, flags: Flags::ACK, payload: PAYLOAD }.bytes(sums);
        probe_frame::send(&mut self.peer, &bytes, sums);
        take(&mut self.nic, &bytes, &mut self.line)
    }

    /// What the peer gets of frames that leave a sum to the device.
    pub(super) fn send(&mut self, left: Sums) -> Vec<Received> {
        let from = (Mac(self.nic.mac()), OURS);
        let to = (Mac(self.peer.mac()), THEIRS);
        let bytes = ProbeFrame { from, to, flags: Flags::ACK, payload: PAYLOAD }.bytes(left);
        let mut arrived = Vec::new();
        for _ in 0..TRIES {
            probe_frame::send(&mut self.nic, &bytes, left);
            arrived.extend(take(&mut self.peer, &bytes, &mut self.line));
        }
        arrived
    }

    /// Sends a frame by this name, and says what the device tells of those that left.
    pub(super) fn send_stamped(&mut self, token: u32) -> Vec<TxReport> {
        let from = (Mac(self.nic.mac()), OURS);
        let to = (Mac(self.peer.mac()), THEIRS);
        let frame = ProbeFrame { from, to, flags: Flags::ACK, payload: PAYLOAD };
        let bytes = frame.bytes(Sums::Right);
        probe_frame::send_stamped(&mut self.nic, &bytes, Sums::Right, token);
        take(&mut self.peer, &bytes, &mut self.line);
        let mut reports = TxReports::new();
        self.nic.tx_reports(&mut reports);
        reports.to_vec()
    }
}

/// A frame that came, and what the device says of it.
pub(super) type Received = (RxMeta, Vec<u8>);

/// What has arrived of frames between the hardware addresses of `sent`. Whatever else crosses the line is
/// let go.
fn take<L: Line>(nic: &mut impl Nic, sent: &[u8], line: &mut L) -> Vec<Received> {
    const ADDRESSES_LEN: usize = 12;
    let mut taken = Vec::new();
    for _ in 0..L::WAITS_MAX {
        line.wait();
        let mut burst = Burst::new();
        nic.rx_burst(&mut burst);
        let ours = burst.iter().filter(|frame| frame.bytes().starts_with(&sent[..ADDRESSES_LEN]));
        taken.extend(ours.map(|frame| (nic.rx_meta(frame), frame.bytes().to_vec())));
        if !taken.is_empty() {
            break;
        }
    }
    taken
}

fn start<B: Backend>(
    found: Device<B, Probed>,
    profile: &Profile,
    rules: RuleSet,
) -> Result<(B::Nic, Plan), Failure> {
    let configured = device::configure(found, profile, rules)?;
    let started = configured.start().and_then(Device::steer);
    started.map_err(|error| Refused::from(error).into())
}

/// One rule for what is ours, and one for what is dropped, with as much beside as the device has and the
/// profile leaves on.
fn rules(profile: &Profile, device: &Capabilities) -> RuleSet {
    let on = |capability| {
        profile.policy(capability) != Policy::Off && device.advert(capability).is_some()
    };
    let mut ours = FlowRule::listener(OURS, 0);
    if on(Capability::FlowMark) {
        ours = ours.marked(MARK);
    }
    if on(Capability::FlowCount) {
        ours = ours.counted();
    }
    let mut rules = vec![ours];
    if on(Capability::FlowDrop) {
        let stranger = Pattern { src: AddrMatch::exact(*DROPPED.ip()), ..Pattern::TCP };
        rules.push(FlowRule::new(stranger, Fate::Drop));
    }
    RuleSet::new(rules, OnMiss::Queue(0)).unwrap_or(RuleSet::EMPTY)
}
