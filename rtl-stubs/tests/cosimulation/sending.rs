//! The sending side meanwhile: frames that a host asks something for, and what has to come out to the wire.

use std::cell::RefCell;

use fixwire_offload::nic::{TxChecksum, TxMeta};
use fixwire_rtl::Offload;
use fixwire_rtl::design::{Manners, Simulation};
use fixwire_rtl::driver::{DropReason, Finishes, TxCounters};

use super::frames::Frames;
use super::oracle;
use super::seen::Lengths;
use super::twin;

/// Where a checksum's field lies in its header (RFC 791 3.1, RFC 9293 3.1).
const IPV4_FIELD: usize = 10;
const TCP_FIELD: usize = 16;

/// A frame to send, and what becomes of it.
struct Outgoing {
    bytes: Vec<u8>,
    meta: TxMeta,
    end: Result<Vec<u8>, DropReason>,
    /// Whether a sum of it is finished.
    is_finished: bool,
}

impl Outgoing {
    /// The next frame with what is asked for it, which is `right`, or may be anything.
    fn next(frames: &mut Frames, finishes: Finishes, is_right: bool) -> Outgoing {
        let frame = frames.next();
        let (l2_len, l3_len) = (frame.l2_len as u8, frame.l3_len as u8);
        let [ipv4, tcp] = [frames.number(4), frames.number(4)].map(|drawn| match drawn {
            0 => TxChecksum::Full,
            _ => TxChecksum::Partial,
        });
        let mut meta = TxMeta { l2_len, l3_len, ipv4, tcp, ..TxMeta::default() };
        let right = frame.bytes;
        let mut bytes = right.clone();
        if bytes.is_empty() {
            bytes.push(0);
        }
        if frame.make.is_left {
            leave(&mut bytes, meta, frames);
        } else if !is_right && frames.number(10) == 0 {
            match frames.number(3) {
                0 => meta.l2_len = frames.number(256) as u8,
                1 => meta.l3_len = frames.number(256) as u8,
                _ => bytes.truncate(1 + frames.number(80)),
            }
        }
        let done = |asked, does| asked == TxChecksum::Partial && does;
        let (ipv4, tcp) = (done(meta.ipv4, finishes.ipv4), done(meta.tcp, finishes.tcp));
        let end = twin::sent(&bytes, meta, ipv4, tcp);
        // What the oracle had summed comes back, where all that was left is finished.
        if frame.make.is_left && (meta.ipv4, meta.tcp) == (partial(ipv4), partial(tcp)) {
            assert!(end.is_err() || end.as_ref() == Ok(&right), "twin and oracle, of {right:02x?}");
        }
        Outgoing { bytes, meta, end, is_finished: ipv4 || tcp }
    }
}

fn partial(is_done: bool) -> TxChecksum {
    if is_done { TxChecksum::Partial } else { TxChecksum::Full }
}

/// Leaves the sums of a right segment as a host does: anything in IPv4's field, in TCP's that of the pseudo-header.
fn leave(bytes: &mut [u8], meta: TxMeta, frames: &mut Frames) {
    let (l3, l4) = (usize::from(meta.l2_len), usize::from(meta.l2_len + meta.l3_len));
    let total_len = usize::from(u16::from_be_bytes([bytes[l3 + 2], bytes[l3 + 3]]));
    if meta.ipv4 == TxChecksum::Partial {
        bytes[l3 + IPV4_FIELD..][..2].fill(frames.number(256) as u8);
    }
    if meta.tcp == TxChecksum::Partial {
        let pseudo = oracle::pseudo_header(&bytes[l3 + 12..l3 + 20], total_len - (l4 - l3));
        let sum = oracle::sum(&[&pseudo]);
        bytes[l4 + TCP_FIELD..][..2].copy_from_slice(&sum.to_be_bytes());
    }
}

/// The sending side of a trial.
pub struct Sending {
    chance: Frames,
    finishes: Finishes,
    batch: Vec<Outgoing>,
    /// Frames that came out as they are to, or were dropped by the right name; and which lengths they had.
    compared: usize,
    lengths: Lengths,
    /// As the design is to have counted, and to remember.
    counted: TxCounters,
    last_drop: Option<DropReason>,
}

impl Sending {
    pub fn new(seed: u64) -> Sending {
        // Where received frames of every length are damaged ones, those to send are right, and the other way round.
        let chance = Frames::new(seed ^ 1);
        let (counted, finishes) = (TxCounters::default(), Finishes::default());
        let (batch, lengths) = Default::default();
        Sending { chance, finishes, batch, compared: 0, lengths, counted, last_drop: None }
    }

    pub fn compared(&self) -> usize {
        self.compared
    }

    pub fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// Hands over so many frames, host and wire as they may be. Those of every length are asked for as they are.
    pub fn begins(&mut self, offload: &Offload<RefCell<Simulation>>, len: usize, sweeps: bool) {
        let all = sweeps || self.chance.number(4) > 0;
        let [ipv4, tcp] = [(); 2].map(|()| all || self.chance.number(2) == 0);
        self.finishes = Finishes { ipv4, tcp };
        offload.finish(self.finishes).unwrap();
        assert_eq!(offload.finishes(), Ok(self.finishes));
        let next = |_| Outgoing::next(&mut self.chance, self.finishes, sweeps);
        self.batch = (0..len).map(next).collect();
        let [gaps, stalls] = [(); 2].map(|()| [0, 0, 40, 150][self.chance.number(4)]);
        let mut simulation = offload.bus().borrow_mut();
        simulation.behave_in_transmit(Manners { gaps, stalls });
        for outgoing in &self.batch {
            simulation.transmit(&outgoing.bytes, outgoing.meta);
        }
    }

    /// All of them are out, in order, byte for byte, but for those that are dropped, and everything counts exactly. Notes
    /// how each ended.
    pub fn ends(&mut self, offload: &Offload<RefCell<Simulation>>, note: &mut dyn FnMut(String)) {
        for outgoing in std::mem::take(&mut self.batch) {
            self.compared += 1;
            self.lengths.note(outgoing.bytes.len());
            match &outgoing.end {
                Ok(expected) => {
                    let sent = offload.bus().borrow_mut().next_transmitted();
                    assert_eq!(sent.as_ref(), Some(expected), "of {:02x?}", outgoing.bytes);
                    let count = match outgoing.is_finished {
                        true => &mut self.counted.finished,
                        false => &mut self.counted.passed,
                    };
                    *count += 1;
                    let how = if outgoing.is_finished { "finished" } else { "as it was" };
                    note(format!("sent {how}"));
                }
                Err(reason) => {
                    match reason {
                        DropReason::TooLong => self.counted.too_long += 1,
                        _ => self.counted.lengths += 1,
                    }
                    self.last_drop = Some(*reason);
                    note(format!("not sent: {reason:?}"));
                }
            }
        }
        assert_eq!(offload.bus().borrow_mut().next_transmitted(), None, "more than was sent");
        assert_eq!(offload.tx_counters(), Ok(self.counted));
        assert_eq!(offload.tx_last_drop(), Ok(self.last_drop));
    }

    /// A reset comes in the midst of it: what is out until then is right, and the next frame is of the next batch.
    pub fn is_cut(&mut self, offload: &Offload<RefCell<Simulation>>, note: &mut dyn FnMut(String)) {
        let mut simulation = offload.bus().borrow_mut();
        let expected = std::mem::take(&mut self.batch).into_iter().filter_map(|one| one.end.ok());
        let sent: Vec<Vec<u8>> = std::iter::from_fn(|| simulation.next_transmitted()).collect();
        assert!(sent.iter().eq(expected.take(sent.len()).collect::<Vec<_>>().iter()));
        self.compared += sent.len();
        if simulation.is_in_frame_to_transmit() {
            note("resets in mid-frame to send".into());
        }
        (self.counted, self.last_drop) = (TxCounters::default(), None);
    }
}
