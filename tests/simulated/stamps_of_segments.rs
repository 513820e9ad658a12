//! Whose stamp a message bears: that of the segment that completed it, also where segments came ahead of their turn, were
//! lost, sent again or doubled. Held against what the device handed over, frame by frame.

use std::cell::RefCell;
use std::rc::Rc;

use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::{Application, SessionId};
use fixwire::fix::{Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::profile::{Policy, Profile};
use fixwire_hw::pool::Frame;
use fixwire_hw::sim::{self, Direction, Faults, Line, Model, SimNic};

use crate::common::prepared::{count, order};
use crate::common::{Pair, Terms};
use crate::line::data_of;

const MESSAGES: usize = 400;

/// A segment with data, as it came: its number, its bytes and its stamp.
type Came = (u32, Vec<u8>, RxStamp);

/// A device that keeps what it hands over.
struct Watched {
    nic: SimNic,
    came: Rc<RefCell<Vec<Came>>>,
}

impl Nic for Watched {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let count = self.nic.rx_burst(burst);
        for frame in burst.iter() {
            if let Some((seq, payload)) = data_of(frame.bytes()) {
                let stamp = self.nic.rx_meta(frame).stamp;
                self.came.borrow_mut().push((seq, payload.to_vec(), stamp.unwrap()));
            }
        }
        count
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        self.nic.tx_burst(burst)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

/// Keeps the stamp of each message.
#[derive(Default)]
struct Reader {
    stamps: Vec<RxStamp>,
}

impl Application for Reader {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        stamp: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.stamps.push(stamp.expect("of a device that stamps"));
    }
}

/// Sends short messages and long ones, some at a time.
struct Writer {
    sent: usize,
    random: u64,
}

impl Application for Writer {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        let now = orders.now().utc;
        while self.sent < MESSAGES {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let long = self.random.is_multiple_of(3);
            let text = vec![b'x'; if long { (self.random >> 20) as usize % 4_000 + 1 } else { 1 }];
            let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
                order(encoder, now);
                encoder.put_bytes(58, &text);
            });
            if sent.is_err() {
                return;
            }
            self.sent += 1;
            if self.random >> 50 & 3 == 0 {
                return;
            }
        }
    }

    const WANTS_POLL: bool = true;
}

/// The stamp of each order of the stream: the latest of those by which its bytes first came.
fn expected(came: &[Came]) -> Vec<RxStamp> {
    let first = came[0].0;
    let (mut stream, mut by) = (Vec::new(), Vec::new());
    for (index, (seq, payload, _)) in came.iter().enumerate() {
        let at = seq.wrapping_sub(first) as usize;
        let len = by.len().max(at + payload.len());
        by.resize(len, usize::MAX);
        stream.resize(len, 0);
        for (offset, byte) in payload.iter().enumerate() {
            if by[at + offset] == usize::MAX {
                (by[at + offset], stream[at + offset]) = (index, *byte);
            }
        }
    }
    let mut stamps = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(sum) = stream[at..].windows(8).position(|it| it.starts_with(b"\x0110=")) {
        at += sum + 8;
        if stream[start..at].windows(6).any(|field| field == b"\x0135=D\x01") {
            stamps.push(came[*by[start..at].iter().max().unwrap()].2);
        }
        start = at;
    }
    stamps
}

#[test]
fn each_message_bears_the_stamp_of_the_segment_that_completed_it() {
    let (mut ahead, mut again) = (0, 0);
    for seed in 1..=30 {
        let came = Rc::new(RefCell::new(Vec::new()));
        let line = Line { latency_ns: 5_000, bandwidth_bits_per_s: Some(1_000_000_000) };
        let terms = Terms::of(Model::full(), &Profile::all(Policy::Prefer));
        let terms = Terms { seed, sim: sim::Config { line, ..terms.sim }, ..terms };
        let watched = |nic| Watched { nic, came: came.clone() };
        let writer = Writer { sent: 0, random: 0x9e37_79b9_97f4_a7c1 ^ seed << 40 };
        let mut pair = Pair::wrapped(terms, Reader::default(), writer, watched);
        while came.borrow().is_empty() {
            pair.step();
        }
        let faults = Faults {
            loss_ppm: 20_000,
            duplicate_ppm: 10_000,
            reorder_ppm: 20_000,
            reorder_delay_ns: 30_000,
            ..Faults::default()
        };
        pair.wire.set_faults(Direction::BToA, faults);
        let mut steps = 0;
        while pair.ours.app().stamps.len() < MESSAGES {
            pair.step();
            steps += 1;
            assert!(steps < 1_000_000, "seed {seed}: stuck at {}", pair.ours.app().stamps.len());
        }
        let expected = expected(&came.borrow());
        assert_eq!(expected.len(), MESSAGES);
        for (number, stamps) in pair.ours.app().stamps.iter().zip(&expected).enumerate() {
            assert_eq!(stamps.0, stamps.1, "seed {seed}, message {number}");
        }
        for name in ["tcp_reassembly_full", "tcp_receipts_full", "tcp_timestamp_old"] {
            assert_eq!(count(&pair.ours, name), 0, "seed {seed}: {name}");
        }
        ahead += count(&pair.ours, "tcp_out_of_order");
        again += count(&pair.theirs, "tcp_retransmission");
    }
    assert!(ahead > 1_000 && again > 100, "{ahead} came ahead, {again} were sent again");
}
