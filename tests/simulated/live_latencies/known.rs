//! What happens on the simulated wire and on the host of it, and when: the truth.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use fixwire::app::order::{EXECUTION_REPORT, NEW_ORDER_SINGLE};
use fixwire::app::{Application, SessionId};
use fixwire::fix::{Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxReports};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::stamp::ClockInfo;
use fixwire::time::{Clock, Duration, Instant};
use fixwire_hw::pool::Frame;
use fixwire_hw::sim::{End, SimNic, Wire};

use crate::common::prepared::order;
use crate::line::{busy_for, data_of};

/// When a segment arrived by the wire's clock, in ns, and by its stamp, and when it was polled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Came {
    pub(crate) at: u64,
    pub(crate) ticks: u64,
    pub(crate) polled: u64,
}

/// What happened to one message, by the wire's clock, in ns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Truth {
    /// When the segment with its first byte and the last one to come arrived, and how they were stamped.
    pub(crate) first: Came,
    pub(crate) last: Came,
    pub(crate) polled: u64,
    pub(crate) entered: u64,
    /// Of what it led to: complete, handed over, and its last frame's first bit on the wire.
    pub(crate) ready: u64,
    pub(crate) doorbell: u64,
    pub(crate) left: u64,
    /// And its first frame's.
    pub(crate) first_left: u64,
    pub(crate) is_answered: bool,
}

/// What is known while it happens.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) wire: OnceCell<Wire>,
    pub(crate) random: Cell<u64>,
    pub(crate) stream: RefCell<Stream>,
    pub(crate) polled: Cell<u64>,
    pub(crate) idle_from: Cell<u64>,
    pub(crate) truths: RefCell<Vec<Truth>>,
}

/// What came, byte by byte, and with which segment first.
#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) first_seq: Option<u32>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) by: Vec<Option<Came>>,
    /// Where the next message begins.
    pub(crate) at: usize,
}

impl Stream {
    fn take(&mut self, seq: u32, payload: &[u8], came: Came) {
        let at = seq.wrapping_sub(*self.first_seq.get_or_insert(seq)) as usize;
        let len = self.bytes.len().max(at + payload.len());
        self.bytes.resize(len, 0);
        self.by.resize(len, None);
        for (offset, byte) in payload.iter().enumerate() {
            self.bytes[at + offset] = *byte;
            self.by[at + offset].get_or_insert(came);
        }
    }

    /// The segment with the first byte of the next message that is this one, and the last of its segments to come.
    fn segments_of(&mut self, message: &[u8]) -> (Came, Came) {
        loop {
            let rest = &self.bytes[self.at..];
            let sum = rest.windows(4).position(|it| it == b"\x0110=").expect("it has come");
            let (begin, end) = (self.at, self.at + sum + 8);
            self.at = end;
            if &self.bytes[begin..end] == message {
                let last = self.by[begin..end].iter().flatten();
                let last = last.max_by_key(|came| (came.polled, came.at));
                return (self.by[begin].unwrap(), *last.unwrap());
            }
        }
    }
}

impl Known {
    pub(crate) fn now(&self) -> u64 {
        self.wire.get().map_or(0, |wire| Clock::now(wire).mono.as_ns())
    }

    fn below(&self, most: u64) -> u64 {
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        self.random.set(random);
        random % most
    }

    /// Something takes up to so long.
    pub(crate) fn takes(&self, most_ns: u64) {
        if let Some(wire) = self.wire.get() {
            wire.advance(Duration::from_ns(self.below(most_ns)));
        }
    }

    /// When the NIC's clock read so, as the wire has it: the middle of the tick.
    fn moment_of(&self, ticks: u64) -> Option<u64> {
        let wire = self.wire.get()?;
        let now = self.now();
        let reads = |at: u64| wire.clock_at(End::A, Instant::from_ns(at));
        let (mut from, mut to) = (now.saturating_sub(5_000_000), now + 100);
        while from < to {
            let middle = from.midpoint(to);
            if reads(middle) < ticks { from = middle + 1 } else { to = middle }
        }
        (reads(from) == ticks).then_some(from)
    }
}

/// A device that takes its time, and keeps when what happened.
pub(crate) struct Watched {
    pub(crate) nic: SimNic,
    pub(crate) known: Rc<Known>,
}

impl Nic for Watched {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let count = self.nic.rx_burst(burst);
        if count > 0 {
            self.known.takes(400);
            self.known.polled.set(self.known.now());
        }
        for frame in burst.iter() {
            let Some((seq, payload)) = data_of(frame.bytes()) else { continue };
            let ticks = self.nic.rx_meta(frame).stamp.map_or(0, |stamp| stamp.ticks);
            let at = self.known.moment_of(ticks).unwrap_or(0);
            let came = Came { at, ticks, polled: self.known.polled.get() };
            self.known.stream.borrow_mut().take(seq, payload, came);
        }
        count
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        // Checksums, TCP and FIX take their time.
        if self.known.polled.get() == self.known.now() {
            self.known.takes(900);
        }
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let ready = self.known.now();
        let with_data = burst.iter().any(|frame| data_of(frame.bytes()).is_some());
        if with_data {
            self.known.takes(300);
        }
        let doorbell = self.known.now();
        let (mut left, mut first_left) = (0, None);
        for frame in burst.iter() {
            left = self.known.idle_from.get().max(doorbell);
            if data_of(frame.bytes()).is_some() {
                first_left.get_or_insert(left);
            }
            self.known.idle_from.set(left + busy_for(frame.bytes().len()).as_ns());
        }
        if with_data
            && let Some(last) = self.known.truths.borrow_mut().last_mut()
            && last.is_answered
            && last.doorbell == 0
        {
            (last.ready, last.doorbell, last.left) = (ready, doorbell, left);
            last.first_left = first_left.unwrap_or_default();
        }
        self.nic.tx_burst(burst)
    }

    fn tx_reports(&mut self, reports: &mut TxReports) -> usize {
        self.nic.tx_reports(reports)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.nic.clock()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

/// Orders on each report, and on nothing else.
pub(crate) struct Striker {
    pub(crate) known: Rc<Known>,
}

impl Striker {
    fn strike<S: Store, O: Outlet>(&self, orders: &mut Sender<'_, S, O>) {
        let now = orders.now().utc;
        let text = vec![b'x'; 1 + self.known.below(4_000) as usize];
        let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
            order(encoder, now);
            encoder.put_bytes(58, &text);
        });
        sent.expect("there is room");
    }
}

impl Application for Striker {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        self.strike(orders);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        message: &Message<'_>,
        _: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        let is_answered = message.msg_type() == EXECUTION_REPORT;
        let entered = self.known.now();
        let (first, last) = self.known.stream.borrow_mut().segments_of(message.bytes());
        let polled = last.polled;
        let truth = Truth { first, last, polled, entered, is_answered, ..Truth::default() };
        self.known.truths.borrow_mut().push(truth);
        if is_answered {
            self.known.takes(700);
            self.strike(orders);
        }
    }
}

/// Reports on each order, after news now and then; a report may be long.
pub(crate) struct Venue {
    pub(crate) random: u64,
}

impl Application for Venue {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let now = orders.now().utc;
        let long = (self.random >> 33).is_multiple_of(4);
        let text = vec![b'y'; if long { 3_000 } else { 10 }];
        let msg_type =
            if (self.random >> 40).is_multiple_of(5) { &b"B"[..] } else { EXECUTION_REPORT };
        let send = |orders: &mut Sender<'_, S, O>, msg_type: &[u8]| {
            let sent = orders.send(msg_type, |encoder| {
                order(encoder, now);
                encoder.put_bytes(58, &text);
            });
            sent.expect("there is room");
        };
        if msg_type == b"B" {
            send(orders, msg_type);
        }
        send(orders, EXECUTION_REPORT);
    }
}
