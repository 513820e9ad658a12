//! The thread that makes a file of what the polling core copied. After set-up it allocates nothing
//! either, unless the file fails it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_offload::stamp::Domain;
use fixwire_offload::time::UtcTime;

use super::copy::{self, COMMENT_LEN_MAX, Copy, TAG_LEN};
use super::counters::Shared;
use super::pcapng::{self, Flow, PACKET_OVERHEAD_LEN_MAX, Packet, Statistics};
use super::record::{Record, Way};
use super::ring::{Reader, SNAP_LEN};
use super::sink::{Sink, Written};
use super::times::Times;
use super::trouble::Trouble;

/// How long the writer sleeps when there is nothing to write.
const PAUSE: Duration = Duration::from_millis(1);
/// How much is written at once, in bytes.
const BATCH_LEN: usize = 256 << 10;
/// The longest that one packet's block gets, in bytes.
const BLOCK_LEN_MAX: usize = TAG_LEN + SNAP_LEN + COMMENT_LEN_MAX + PACKET_OVERHEAD_LEN_MAX;
/// The shortest, in bytes: fixed fields, flags, end of options.
const BLOCK_LEN_MIN: usize = 44;
/// How long a pipe's reader is waited for when no frame will come any more.
const LINGER: Duration = Duration::from_secs(3);

/// Both directions, by their interface's number in the file.
const WAYS: [Way; 2] = [Way::Received, Way::Sent];

/// What the writer is to know beside its frames.
pub(super) struct Terms {
    pub(super) times: Times,
    /// The clock that the description of each direction names.
    pub(super) described: [Domain; 2],
    /// Section header and interface descriptions: how the file begins.
    pub(super) head: Vec<u8>,
    /// Is told the first thing that goes wrong.
    pub(super) say: fn(&Trouble),
}

/// The writer's thread.
pub(super) struct Writer {
    reader: Reader,
    sink: Sink,
    shared: Arc<Shared>,
    terms: Terms,
    copy: Copy,
    batch: Batch,
    /// The head is in the file.
    begun: bool,
    from: UtcTime,
    /// By [`Way`]: how many frames had gone that way when the last was put into a block.
    seen: [u64; 2],
    ended: Cell<Option<Instant>>,
}

impl Writer {
    pub(super) fn new(reader: Reader, sink: Sink, shared: Arc<Shared>, terms: Terms) -> Writer {
        let from = terms.times.now();
        let batch = Batch::new(terms.head.len());
        let copy = Copy::new();
        let (seen, ended) = ([0; 2], Cell::new(None));
        Writer { reader, sink, shared, terms, copy, batch, begun: false, from, seen, ended }
    }

    /// Writes until no frame will come any more.
    pub(super) fn run(mut self) {
        // A reader of the file sees at once what it is going to be.
        if self.is_ready() {
            self.put_head();
            self.write_batch();
        }
        loop {
            self.shared.busy_core.heed();
            // In this order: what came before the end is seen after it.
            let ending = self.shared.is_ending() || self.reader.is_abandoned();
            let taken = if self.is_ready() { self.fill_batch() } else { 0 };
            if taken > 0 {
                self.write_batch();
            } else if ending {
                break;
            } else {
                sleep(PAUSE);
            }
        }
        self.end();
    }

    fn is_ready(&mut self) -> bool {
        let (ready, trouble) = self.sink.is_ready();
        self.report(trouble);
        ready
    }

    fn report(&self, trouble: Option<Trouble>) {
        if let Some(trouble) = trouble {
            self.shared.report(trouble, self.terms.say);
        }
    }

    fn put_head(&mut self) {
        if !self.begun {
            self.batch.bytes.extend_from_slice(&self.terms.head);
            self.batch.close_block(None);
        }
    }

    /// Makes blocks of the frames in the ring, as many as a batch holds, and says how many.
    fn fill_batch(&mut self) -> usize {
        let mut taken = 0;
        while self.batch.bytes.len() < BATCH_LEN {
            let Some(record) = self.reader.next(self.copy.room()) else { break };
            if taken == 0 {
                self.put_head();
            }
            self.put_packet(&record);
            taken += 1;
        }
        taken
    }

    fn put_packet(&mut self, record: &Record) {
        let at = self.terms.times.at(record);
        let described = self.terms.described[record.way as usize];
        let flow = match record.way {
            Way::Received => Flow::Inbound,
            Way::Sent => Flow::Outbound,
        };
        let (bytes, comment) = self.copy.complete(record);
        copy::remark_clock(comment, record, at.by, described);
        if let Some(set_ns) = at.set_ns {
            copy::remark_set(comment, set_ns);
        }
        let put_back = (bytes.len() as u32).saturating_sub(record.kept_len);
        let seen_before = self.seen[record.way as usize];
        let packet = Packet {
            interface: record.way as u32,
            at: at.utc,
            flow,
            original_len: record.original_len + put_back,
            lost_before: record.number.saturating_sub(seen_before),
            comment,
        };
        pcapng::enhanced_packet(&mut self.batch.bytes, &packet, bytes);
        self.seen[record.way as usize] = record.number + 1;
        self.batch.close_block(Some((record.way, seen_before)));
    }

    /// Writes the batch and counts what of it is in the file.
    fn write_batch(&mut self) {
        let Writer { sink, batch, shared, ended, .. } = self;
        let may_wait = || {
            if ended.get().is_none() && shared.is_ending() {
                ended.set(Some(Instant::now()));
            }
            ended.get().is_none_or(|since| since.elapsed() < LINGER)
        };
        let Written { len, trouble } = sink.write(&batch.bytes, |len| batch.whole(len), may_wait);
        self.begun |= len > 0;
        // The gap before the next frame begins behind the last that is in the file.
        let lost = self.batch.blocks.iter().filter(|block| block.end > len);
        for (way, seen_before) in lost.filter_map(|block| block.frame) {
            let seen = &mut self.seen[way as usize];
            *seen = seen_before.min(*seen);
        }
        for way in WAYS {
            let written = self.batch.blocks.iter().filter(|block| block.end <= len);
            let written = written.filter(|block| block.frame.is_some_and(|(of, _)| of == way));
            let total = self.shared.written(way);
            // Nobody else writes it.
            total.store(total.load(Ordering::Relaxed) + written.count() as u64, Ordering::Relaxed);
        }
        self.batch.clear();
        self.report(trouble);
    }

    /// What became of both directions, at the end of the file.
    fn end(mut self) {
        let trouble = self.sink.stop_waiting();
        self.report(trouble);
        if !self.begun {
            return;
        }
        let to = self.terms.times.now();
        let counters = self.shared.sum_up();
        let lost = [
            (counters.rx_ring_full, counters.rx_write_failed),
            (counters.tx_ring_full, counters.tx_write_failed),
        ];
        for (way, (ring_full, write_failed)) in WAYS.into_iter().zip(lost) {
            let dropped = ring_full + write_failed;
            let received = self.shared.written(way).load(Ordering::Relaxed) + dropped;
            let lost = match dropped {
                0 => String::new(),
                _ => format!(
                    "{ring_full} frames lost to a full ring, {write_failed} that could not be written"
                ),
            };
            let times = self.terms.times.remark(way);
            let between = if lost.is_empty() || times.is_empty() { "" } else { "; " };
            let comment = format!("{lost}{between}{times}");
            let statistics = Statistics {
                interface: way as u32,
                from: self.from,
                to,
                received,
                dropped,
                comment: &comment,
            };
            pcapng::interface_statistics(&mut self.batch.bytes, &statistics);
            self.batch.close_block(None);
        }
        self.write_batch();
    }
}

/// Blocks that go to the file together.
struct Batch {
    bytes: Vec<u8>,
    blocks: Vec<Block>,
}

/// One block, or several that are of no use apart.
struct Block {
    /// Where it ends in the batch.
    end: usize,
    /// The frame in it: which way it went, and what `seen` was before it.
    frame: Option<(Way, u64)>,
}

impl Batch {
    fn new(head_len: usize) -> Batch {
        // A batch may go over its length by the last block in it.
        let bytes = Vec::with_capacity(head_len + BATCH_LEN + BLOCK_LEN_MAX);
        Batch { bytes, blocks: Vec::with_capacity(2 + BATCH_LEN / BLOCK_LEN_MIN) }
    }

    fn close_block(&mut self, frame: Option<(Way, u64)>) {
        self.blocks.push(Block { end: self.bytes.len(), frame });
    }

    /// How much of the first `len` bytes is whole blocks.
    fn whole(&self, len: usize) -> usize {
        let whole = self.blocks.partition_point(|block| block.end <= len);
        whole.checked_sub(1).map_or(0, |last| self.blocks[last].end)
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.blocks.clear();
    }
}
