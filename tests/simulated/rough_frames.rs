//! Frames as drivers may hand them over and take them: in pieces, and written into once they are to be sent.

use fixwire::app::SessionId;
use fixwire::app::taker::Taker;
use fixwire::offload::nic::{Burst, Frame, Link, Nic, RxMeta, TxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::stamp::ClockInfo;
use fixwire_hw::sim::{Model, SimNic};

use crate::common::{Pair, Terms};

const ORDERS: u64 = 300;

/// A NIC that hands received frames over in pieces, and writes over frames to send before it loses some of them.
struct Rough {
    nic: SimNic,
    /// Of so many bytes each.
    piece_len: usize,
    /// One sent frame of so many is lost.
    loses_one_in: u64,
    sent: u64,
}

struct Pieces {
    frame: <SimNic as Nic>::Frame,
    piece_len: usize,
}

impl Frame for Pieces {
    type Held = fixwire::offload::nic::NeverHeld;

    fn segments(&self) -> usize {
        self.frame.bytes().len().div_ceil(self.piece_len).max(1)
    }

    fn segment(&self, index: usize) -> &[u8] {
        self.frame.bytes().chunks(self.piece_len).nth(index).unwrap_or_default()
    }

    fn space(&mut self) -> &mut [u8] {
        self.frame.space()
    }

    fn finish(&mut self, len: usize, meta: TxMeta) {
        self.frame.finish(len, meta);
    }

    fn tx_meta(&self) -> TxMeta {
        self.frame.tx_meta()
    }
}

impl Nic for Rough {
    type Frame = Pieces;

    fn rx_burst(&mut self, burst: &mut Burst<Pieces>) -> usize {
        let mut inner = Burst::new();
        let received = self.nic.rx_burst(&mut inner);
        let piece_len = self.piece_len;
        burst.extend(inner.into_iter().map(|frame| Pieces { frame, piece_len }));
        received
    }

    fn rx_meta(&self, frame: &Pieces) -> RxMeta {
        frame.frame.rx_meta()
    }

    fn tx_frame(&mut self) -> Option<Pieces> {
        let piece_len = self.piece_len;
        self.nic.tx_frame().map(|frame| Pieces { frame, piece_len })
    }

    fn tx_burst(&mut self, burst: &mut Burst<Pieces>) -> usize {
        let taken = burst.len();
        for Pieces { mut frame, .. } in burst.drain(..) {
            self.sent += 1;
            if self.sent.is_multiple_of(self.loses_one_in) {
                frame.space().fill(0xee);
                continue;
            }
            let mut one = Burst::new();
            one.push(frame);
            assert_eq!(self.nic.tx_burst(&mut one), 1);
        }
        taken
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

/// Trades to the end, and says what both have counted.
fn trade(model: &str, piece_len: usize, loses_one_in: u64) -> [impl Fn(&str) -> u64; 2] {
    let model = Model::named(model).unwrap();
    let terms = Terms { seed: 3, ..Terms::of(model, &Profile::all(Policy::Prefer)) };
    let exchange = fixwire::app::exchange::Exchange::new();
    let wrap = |nic| Rough { nic, piece_len, loses_one_in, sent: 0 };
    let mut pair = Pair::wrapped(terms, Taker::new(ORDERS, 1), exchange, wrap);
    let mut steps = 0;
    while !pair.ours.app().is_done() {
        pair.step();
        steps += 1;
        assert!(steps < 2_000_000, "stuck at {}", pair.ours.app().reports_received());
    }
    assert_eq!(pair.theirs.app().fills(), ORDERS);
    assert_eq!(pair.ours.app().tally(SessionId(0)).unexpected, 0);
    let ours: Vec<(&str, u64)> = pair.ours.counters().collect();
    let theirs: Vec<(&str, u64)> = pair.theirs.counters().collect();
    [ours, theirs].map(|counted| {
        move |name: &str| {
            let found = counted.iter().find(|(known, _)| *known == name);
            found.unwrap_or_else(|| panic!("no counter {name}")).1
        }
    })
}

const WRONG: [&str; 3] = ["tcp_checksum_wrong", "ipv4_checksum_wrong", "frame_too_long"];

#[test]
fn frames_in_pieces_are_traded_on_as_whole_ones_are() {
    let [whole, _] = trade("connectx5", 10_000, u64::MAX);
    // Cut within the Ethernet, IPv4 and TCP headers, and within FIX.
    for piece_len in [1, 14, 33, 64, 128] {
        let [ours, _] = trade("connectx5", piece_len, u64::MAX);
        for name in WRONG {
            assert_eq!(ours(name), 0, "{piece_len}: {name}");
        }
        for name in ["tcp_segment_in", "message_received", "rx_frames", "rx_stamp_missing"] {
            assert_eq!(ours(name), whole(name), "{piece_len}: {name}");
        }
    }
}

/// A driver may write into what it is handed (`rte_eth_tx_prepare`): what is sent again is written anew.
#[test]
fn bytes_that_are_kept_to_be_sent_again_are_not_those_that_the_device_has() {
    for model in ["connectx5", "e810", "virtio"] {
        let [ours, theirs] = trade(model, 10_000, 7);
        assert!(ours("tcp_retransmission") > 10, "{model}: {}", ours("tcp_retransmission"));
        for name in WRONG {
            assert_eq!(theirs(name), 0, "{model}: {name}");
        }
    }
}
