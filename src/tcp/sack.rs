//! What is told of bytes that came ahead of their turn, or twice (RFC 2018 3 and 4, RFC 2883 4).

use super::codec::codec;
use super::connection::{Connection, TIMESTAMPS_LEN};
use crate::wire::tcp::{
    HEADER_LEN, HEADER_LEN_MAX, SACK_BLOCKS_MAX, SackBlocks, Segment, SeqNumber,
};

/// What the next ACKs report besides what is next in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct SackReport {
    /// Both SYNs permitted it.
    pub(super) is_agreed: bool,
    /// A number in each of the latest arrivals, the latest first.
    recent: [SeqNumber; SACK_BLOCKS_MAX],
    recent_len: usize,
    /// Bytes that came twice, told of once; of no length if there are none.
    duplicate: (SeqNumber, SeqNumber),
}

impl SackReport {
    pub(super) const NONE: SackReport = SackReport {
        is_agreed: false,
        recent: [SeqNumber(0); SACK_BLOCKS_MAX],
        recent_len: 0,
        duplicate: (SeqNumber(0), SeqNumber(0)),
    };

    #[inline(always)]
    pub(super) fn has_duplicate(&self) -> bool {
        self.duplicate.0 != self.duplicate.1
    }

    fn note_arrival(&mut self, at: SeqNumber) {
        self.recent.rotate_right(1);
        self.recent[0] = at;
        self.recent_len = (self.recent_len + 1).min(SACK_BLOCKS_MAX);
    }
}

impl Connection {
    /// What of a segment came before, if anything: the first part of it that did.
    pub(super) fn note_duplicate(&mut self, segment: &Segment<'_>) {
        if !self.sack.is_agreed || segment.payload.is_empty() {
            return;
        }
        let end = segment.seq + segment.payload.len() as u32;
        if segment.seq.is_before(self.rcv_nxt) {
            let right = if end.is_before(self.rcv_nxt) { end } else { self.rcv_nxt };
            self.sack.duplicate = (segment.seq, right);
        }
    }

    /// `len` bytes from `at` on came ahead of their turn and are about to be held. Of a segment of which
    /// several parts came twice the first is told, be it before these (RFC 2883 4): not `is_all`.
    pub(super) fn note_held(&mut self, at: SeqNumber, len: u32, is_all: bool) {
        if !self.sack.is_agreed {
            return;
        }
        self.sack.note_arrival(at);
        if is_all && let Some(overlap) = self.held.first_overlap(self.rcv_nxt, (at, at + len)) {
            self.sack.duplicate = overlap;
        }
    }

    /// The longest payload of a segment that leaves now: SACK blocks take their part of it.
    pub(super) fn payload_max(&self) -> u32 {
        let blocks = self.blocks_due();
        if blocks == 0 && !self.patience.is_due {
            return self.snd_mss;
        }
        let sack_len = if blocks == 0 { 0 } else { SackBlocks::len_of(blocks) };
        let options_len = sack_len + self.user_timeout_len(sack_len);
        self.snd_mss.saturating_sub(options_len as u32).max(1)
    }

    /// How many blocks the next ACK carries.
    fn blocks_due(&self) -> usize {
        if !self.sack.is_agreed {
            return 0;
        }
        let duplicates = usize::from(self.sack.has_duplicate());
        (self.held.ranges().len() + duplicates).min(self.blocks_max())
    }

    /// How many blocks have room beside the timestamps (RFC 2018 3).
    fn blocks_max(&self) -> usize {
        let taken = if self.timestamps.is_some() { usize::from(TIMESTAMPS_LEN) } else { 0 };
        let room = HEADER_LEN_MAX - HEADER_LEN - taken;
        ((room - SackBlocks::len_of(0)) / 8).min(SACK_BLOCKS_MAX)
    }

    /// The blocks that a segment carries which leaves now: what came twice (RFC 2883 4), then the block
    /// of the latest arrival, then those of the ones before (RFC 2018 4), then others.
    #[inline]
    pub(super) fn take_sack(&mut self) -> Option<SackBlocks> {
        match self.blocks_due() {
            0 => None,
            due => self.take_blocks(due),
        }
    }

    #[inline(never)]
    fn take_blocks(&mut self, due: usize) -> Option<SackBlocks> {
        let mut blocks: Option<SackBlocks> = None;
        let has_duplicate = self.sack.has_duplicate();
        if has_duplicate {
            blocks = Some(SackBlocks::of(self.sack.duplicate.0, self.sack.duplicate.1));
            self.sack.duplicate.1 = self.sack.duplicate.0;
        }
        let recent = &self.sack.recent[..self.sack.recent_len];
        let latest = recent.iter().filter_map(|at| self.held.range_of(self.rcv_nxt, *at));
        for (left, right) in latest.chain(self.held.ranges().iter().copied()) {
            let told = blocks.as_ref().map_or(&[][..], |blocks| blocks.blocks());
            if told.len() == due {
                break;
            }
            if told[usize::from(has_duplicate)..].contains(&(left, right)) {
                continue;
            }
            match &mut blocks {
                None => blocks = Some(SackBlocks::of(left, right)),
                Some(blocks) => _ = blocks.push(left, right),
            }
        }
        blocks
    }
}

codec!(SackReport { is_agreed, recent, recent_len, duplicate });

impl SackReport {
    pub(super) fn is_sound(&self) -> bool {
        self.recent_len <= SACK_BLOCKS_MAX
    }
}
