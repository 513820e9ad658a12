//! The wire between two modelled NICs, and its clock.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use fixwire_offload::clock::Bracket;
use fixwire_offload::nic::Frame as _;
use fixwire_offload::nic::RxMeta;
use fixwire_offload::time::{Clock, Duration, Instant, Now, UtcTime};

use super::faults::{Aim, Dice, Faults, NicFaults};
use super::port::{Port, SimError};
use crate::checksums::{self, Unfinished};
use crate::pool::{Frame, Pool};

/// Preamble, frame check sequence and the gap between frames, in bytes (IEEE 802.3, 3.1.1 and
/// 4.4.2).
const LINE_OVERHEAD_LEN: u64 = 24;
/// Where a frame's packet begins, tags or not.
const LINK_LEN: usize = 14;

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the pair's first NIC to its second.
    AToB,
    /// From its second to its first.
    BToA,
}

/// One of a pair's two NICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a wire carries frames in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// From the last bit's leaving to its arrival.
    pub latency_ns: u64,
    /// How fast bits leave; `None` for a whole frame at once.
    pub bandwidth_bits_per_s: Option<u64>,
}

impl Line {
    fn serialization(&self, frame_len: usize) -> Duration {
        let Some(bits_per_s) = self.bandwidth_bits_per_s else { return Duration::ZERO };
        let bits = (frame_len as u64 + LINE_OVERHEAD_LEN) * 8;
        let ns = u128::from(bits) * 1_000_000_000 / u128::from(bits_per_s.max(1));
        Duration::from_ns(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// What a wire has done in one direction, in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireCounters {
    /// Put on the wire by the sender.
    pub sent: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Lost because an end was not plugged in or not started.
    pub unplugged: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Held back.
    pub reordered: u64,
    /// Corrupted.
    pub corrupted: u64,
    /// Received wrong: the corrupted frames that have arrived, but for those hit in their padding, which no
    /// checksum covers.
    pub received_wrong: u64,
}

/// A frame that passed a tap beside end A, and the wire's time then: of what A sent, as its first bit left, and of what it was sent, as
/// that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// Which way.
    pub direction: Direction,
    /// All of it. A checksum that is left to the device is not there.
    pub bytes: Vec<u8>,
}

/// The wire, from outside: its clock is set here, and its faults and those of the NICs are changed.
/// Clones are the same wire.
#[derive(Clone)]
pub struct Wire {
    pub(super) shared: Rc<RefCell<Shared>>,
}

impl Wire {
    /// Sets the clock. It never goes back.
    pub fn set_now(&self, now: Instant) {
        let mut shared = self.shared.borrow_mut();
        shared.now = shared.now.max(now);
    }

    /// Moves the clock on.
    pub fn advance(&self, span: Duration) {
        let mut shared = self.shared.borrow_mut();
        shared.now = shared.now + span;
    }

    /// When the next frame arrives at either end, if any is under way. In the past for one that
    /// waits to be received.
    pub fn next_delivery(&self) -> Option<Instant> {
        let shared = self.shared.borrow();
        let under_way = shared.directions.iter().filter_map(|way| way.in_flight.front());
        let waiting = shared.ports.iter().filter_map(Port::waits_since);
        under_way.map(|next| next.at).chain(waiting).min()
    }

    /// Changes the faults of one direction, for frames sent from now on.
    pub fn set_faults(&self, direction: Direction, faults: Faults) {
        self.shared.borrow_mut().directions[direction as usize].faults = faults;
    }

    /// Changes how one direction carries frames sent from now on.
    pub fn set_line(&self, direction: Direction, line: Line) {
        self.shared.borrow_mut().directions[direction as usize].line = line;
    }

    /// Plugs the wire in or out. What is under way still arrives.
    pub fn set_plugged(&self, plugged: bool) {
        self.shared.borrow_mut().plugged = plugged;
    }

    /// Changes how one NIC misbehaves, from now on: what has arrived has had its fate.
    pub fn set_nic_faults(&self, end: End, faults: NicFaults) {
        let mut shared = self.shared.borrow_mut();
        shared.land(end as usize);
        shared.ports[end as usize].set_faults(faults);
    }

    /// Stops a NIC and starts it again, as its driver does after a fatal error: what waits is lost, and the
    /// rules are unless the driver keeps them. Nobody is told.
    pub fn restart(&self, end: End) {
        self.shared.borrow_mut().restart(end as usize);
    }

    /// What one NIC's clock reads at a moment, as its faults stand now: the truth, for tests.
    pub fn clock_at(&self, end: End, at: Instant) -> u64 {
        self.shared.borrow().ports[end as usize].clock_at(at)
    }

    /// Has whatever passes end A from now on kept, both ways: what a tap there would see.
    pub fn listen(&self) {
        self.shared.borrow_mut().heard = Some(Vec::new());
    }

    /// What has passed end A since it was last asked, in the order of time.
    pub fn heard(&self) -> Vec<Heard> {
        let mut heard =
            self.shared.borrow_mut().heard.as_mut().map_or_else(Vec::new, core::mem::take);
        heard.sort_by_key(|of| of.at);
        heard
    }

    /// What has happened in one direction.
    pub fn counters(&self, direction: Direction) -> WireCounters {
        self.shared.borrow().directions[direction as usize].counters
    }
}

impl Clock for Wire {
    fn now(&self) -> Now {
        let shared = self.shared.borrow();
        let utc_ns = shared.utc_origin.as_unix_ns().saturating_add(shared.now.as_ns());
        Now { mono: shared.now, utc: UtcTime::from_unix_ns(utc_ns) }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.borrow();
        let [a_to_b, b_to_a] = &shared.directions;
        let (to_b, to_a) = (a_to_b.in_flight.len(), b_to_a.in_flight.len());
        write!(f, "Wire(at {} ns, {to_b} under way to b, {to_a} to a)", shared.now.as_ns())
    }
}

/// What both ends and the wire's holder see.
pub(super) struct Shared {
    pub(super) now: Instant,
    utc_origin: UtcTime,
    plugged: bool,
    /// By end.
    pub(super) ports: [Port; 2],
    /// By end that sends.
    pub(super) directions: [Way; 2],
    /// What a tap at end A has seen, where somebody listens.
    heard: Option<Vec<Heard>>,
}

impl Shared {
    pub(super) fn new(utc_origin: UtcTime, ports: [Port; 2], directions: [Way; 2]) -> Shared {
        let heard = None;
        Shared { now: Instant::ZERO, utc_origin, plugged: true, ports, directions, heard }
    }

    pub(super) fn is_up(&self) -> bool {
        self.plugged && self.ports.iter().all(Port::is_started)
    }

    /// Puts a frame of end `from` on the wire. Says when its first bit left, and its last one, if it did.
    pub(super) fn carry(
        &mut self,
        from: usize,
        bytes: &[u8],
        unfinished: Option<Unfinished>,
    ) -> Option<(Instant, Instant)> {
        let (now, up) = (self.now, self.is_up());
        let no_buffer = &mut self.ports[1 - from].counters.rx_no_buffer;
        let way = &mut self.directions[from];
        let first = way.idle_from.max(now);
        way.carry(now, up, bytes, unfinished, no_buffer);
        if from == End::A as usize
            && let Some(heard) = self.heard.as_mut().filter(|_| up)
        {
            heard.push(Heard { at: first, direction: Direction::AToB, bytes: bytes.to_vec() });
        }
        up.then_some((first, way.idle_from))
    }

    /// Hands end `at` what has arrived there by now, in order.
    pub(super) fn land(&mut self, at: usize) {
        let Way { in_flight, counters, .. } = &mut self.directions[1 - at];
        while in_flight.front().is_some_and(|next| next.at <= self.now) {
            let Some(arrived) = in_flight.pop_front() else { break };
            if at == End::A as usize
                && let Some(heard) = &mut self.heard
            {
                let bytes = arrived.frame.bytes().to_vec();
                heard.push(Heard { at: arrived.at, direction: Direction::BToA, bytes });
            }
            if self.ports[at].is_started() {
                counters.received_wrong += u64::from(arrived.is_wrong);
                self.ports[at].receive(arrived);
            } else {
                counters.unplugged += 1;
            }
        }
    }

    /// Lets frames pass at end `at` from now on.
    pub(super) fn start(&mut self, at: usize) -> Result<(), SimError> {
        self.land(at);
        self.ports[at].start()
    }

    fn restart(&mut self, at: usize) {
        if self.ports[at].is_started() {
            self.stop(at);
            // Configured as it is, it starts.
            let _ = self.ports[at].start();
        }
    }

    /// Reads the clock of end `at` between two readings of the wire's.
    pub(super) fn read_clock(&mut self, at: usize) -> Option<Bracket> {
        let port = &mut self.ports[at];
        if !port.uses.stamps() {
            return None;
        }
        let bus_ns_max = port.model.clock.bus_ns_max;
        let [there, back] = [(); 2].map(|()| Duration::from_ns(port.dice.bus_ns(bus_ns_max)));
        let before = self.now;
        let read = before + there;
        self.now = read + back;
        let reading = self.ports[at].clock_at(read);
        Some(Bracket { before: before.as_ns(), reading, after: self.now.as_ns() })
    }

    /// Lets no frame pass at end `at` any more.
    pub(super) fn stop(&mut self, at: usize) {
        self.land(at);
        self.ports[at].stop();
    }
}

/// A frame under way, in a buffer of the receiver's.
pub(super) struct InFlight {
    pub(super) at: Instant,
    pub(super) unfinished: Option<Unfinished>,
    pub(super) frame: Frame,
    /// A bit of its packet was flipped on the way.
    is_wrong: bool,
}

/// One direction of the wire.
pub(super) struct Way {
    line: Line,
    faults: Faults,
    dice: Dice,
    counters: WireCounters,
    /// When the last bit sent so far has left.
    idle_from: Instant,
    /// By time of arrival. Never more than `buffers` has.
    in_flight: VecDeque<InFlight>,
    buffers: Pool,
}

impl Way {
    pub(super) fn new(line: Line, dice: Dice, buffers: Pool) -> Way {
        Way {
            line,
            faults: Faults::default(),
            dice,
            counters: WireCounters::default(),
            idle_from: Instant::ZERO,
            in_flight: VecDeque::with_capacity(buffers.frames()),
            buffers,
        }
    }

    fn carry(
        &mut self,
        now: Instant,
        up: bool,
        bytes: &[u8],
        unfinished: Option<Unfinished>,
        no_buffer: &mut u64,
    ) {
        self.counters.sent += 1;
        self.idle_from = self.idle_from.max(now) + self.line.serialization(bytes.len());
        let mut at = self.idle_from + Duration::from_ns(self.line.latency_ns);
        let fate = self.dice.fate(&self.faults);
        if !up {
            self.counters.unplugged += 1;
            return;
        }
        if fate.lost {
            self.counters.lost += 1;
            return;
        }
        if fate.reordered {
            self.counters.reordered += 1;
            at = at + Duration::from_ns(self.faults.reorder_delay_ns);
        }
        let corrupted = fate.corrupted && checksums::carries_ipv4(bytes);
        self.counters.corrupted += u64::from(corrupted);
        self.counters.duplicated += u64::from(fate.duplicated);
        for _ in 0..1 + usize::from(fate.duplicated) {
            let Some(frame) = self.buffers.take() else {
                *no_buffer += 1;
                continue;
            };
            let next = InFlight { at, unfinished, frame, is_wrong: false };
            self.deliver(at, next, bytes, corrupted);
        }
    }

    fn deliver(&mut self, at: Instant, mut next: InFlight, bytes: &[u8], corrupted: bool) {
        let room = next.frame.space();
        let len = bytes.len().min(room.len());
        let copy = &mut room[..len];
        copy.copy_from_slice(&bytes[..len]);
        if corrupted {
            // Nobody can vouch for what was damaged on the way: its sum was finished before.
            if let Some(what) = next.unfinished.take() {
                let _ = checksums::finish(copy, what);
            }
            next.is_wrong = self.damage(copy);
        }
        next.frame.received(len, RxMeta::UNKNOWN);
        // Behind every frame of the same time: without faults, order is kept.
        let place = self.in_flight.partition_point(|other| other.at <= at);
        self.in_flight.insert(place, next);
    }
    /// Flips a bit of a frame, and says whether of its packet: padding is nobody's.
    fn damage(&mut self, frame: &mut [u8]) -> bool {
        let end = checksums::packet_end(frame).unwrap_or(frame.len());
        let fields = checksums::fields(frame);
        let aim = match self.faults.corrupt_at {
            Aim::Anywhere => None,
            Aim::Ipv4Checksum => fields.map(|fields| fields.ipv4),
            Aim::TcpChecksum => fields.map(|fields| fields.tcp),
        };
        let within = aim.unwrap_or(LINK_LEN..frame.len());
        let start = within.start;
        start + self.dice.flip(frame.get_mut(within).unwrap_or_default()) < end
    }
}
