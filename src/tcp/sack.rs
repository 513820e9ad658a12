//! What is told of bytes that came ahead of their turn, or twice (RFC 2018 3 and 4, RFC 2883 4).

use arrayvec::ArrayVec;

use super::codec::codec;
use super::connection::{Connection, TIMESTAMPS_LEN};
use crate::wire::tcp::{
    HEADER_LEN, HEADER_LEN_MAX, SACK_BLOCKS_MAX, SackBlocks, Segment, SeqNumber,
};

/// What the next ACKs report besides what is next in order.
#[derive(Clone, Copy, Debug)]
pub(super) struct SackReport {
    /// Our SYN, which has left, permits it.
    pub(super) is_offered: bool,
    /// Both SYNs permitted it.
    pub(super) is_agreed: bool,
    /// Bytes that came twice, told of once; of no length if there are none.
    duplicate: (SeqNumber, SeqNumber),
    /// The peer's FIN came last of what is ahead of its turn, with no byte in front of it, and nobody was told yet.
    fin_came_last: bool,
}

impl SackReport {
    pub(super) const NONE: SackReport = SackReport {
        is_offered: false,
        is_agreed: false,
        duplicate: (SeqNumber(0), SeqNumber(0)),
        fin_came_last: false,
    };

    #[inline(always)]
    pub(super) fn has_duplicate(&self) -> bool {
        self.duplicate.0 != self.duplicate.1
    }

    /// All of `len` bytes from `at` on came before.
    #[inline(always)]
    pub(super) fn note_whole(&mut self, at: SeqNumber, len: u32) {
        self.duplicate = (at, at + len);
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
        if self.sack.is_agreed
            && is_all
            && let Some(overlap) = self.apart.held.first_overlap(self.rcv_nxt, (at, at + len))
        {
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

    /// Where the peer's FIN stands that came ahead of its turn. It takes a number, and is held and told of like a byte.
    pub(super) fn fin_ahead(&self) -> Option<SeqNumber> {
        self.fin_at.filter(|_| !self.fin_received)
    }

    /// The FIN that is ahead and does not follow what is held.
    fn fin_alone(&self) -> Option<SeqNumber> {
        let last = self.apart.held.ranges().last();
        self.fin_ahead().filter(|at| last.is_none_or(|range| range.1 != *at))
    }

    #[cold]
    fn fins_due(&self) -> usize {
        usize::from(self.fin_alone().is_some())
    }

    /// Adds a FIN that is ahead: to the block that it follows, or as one of its own, which is the `first` if it came last.
    #[cold]
    fn tell_fin(
        &mut self,
        fin: SeqNumber,
        blocks: &mut ArrayVec<(SeqNumber, SeqNumber), SACK_BLOCKS_MAX>,
        due: usize,
        first: usize,
    ) {
        if self.fin_alone().is_none() {
            let mut followed = blocks[first..].iter_mut().filter(|range| range.1 == fin);
            followed.next().into_iter().for_each(|range| range.1 = fin + 1);
            return;
        }
        if core::mem::take(&mut self.sack.fin_came_last) {
            blocks.truncate(due - 1);
            blocks.insert(first.min(blocks.len()), (fin, fin + 1));
        } else if blocks.len() < due {
            blocks.push((fin, fin + 1));
        }
    }

    /// A FIN came ahead of its turn.
    pub(super) fn note_fin_ahead(&mut self) {
        self.sack.fin_came_last = self.fin_alone().is_some();
    }

    /// How many blocks the next ACK carries.
    fn blocks_due(&self) -> usize {
        if !self.sack.is_agreed {
            return 0;
        }
        let duplicates = usize::from(self.sack.has_duplicate());
        let blocks = self.apart.held.len() + duplicates;
        let fins = if self.fin_at.is_some() { self.fins_due() } else { 0 };
        (blocks + fins).min(self.blocks_max())
    }

    /// How many blocks have room beside the timestamps (RFC 2018 3).
    fn blocks_max(&self) -> usize {
        let taken = if self.stamps().is_some() { usize::from(TIMESTAMPS_LEN) } else { 0 };
        let room = HEADER_LEN_MAX - HEADER_LEN - taken;
        ((room - SackBlocks::len_of(0)) / 8).min(SACK_BLOCKS_MAX)
    }

    /// The blocks that a segment carries which leaves now: what came twice (RFC 2883 4), then the block
    /// of the latest arrival, then those of the ones before (RFC 2018 4), then others.
    #[inline]
    pub(super) fn take_sack(&mut self) -> Option<SackBlocks> {
        match self.blocks_due() {
            0 => None,
            due => Some(self.take_blocks(due)),
        }
    }

    /// So many of them, one at least and no more than there are.
    #[inline(always)]
    fn take_blocks(&mut self, due: usize) -> SackBlocks {
        let latest = self.apart.held.latest();
        if latest.len >= due && !self.sack.has_duplicate() && self.fin_at.is_none() {
            return SackBlocks::of_edges(latest.ranges, due);
        }
        self.gather_blocks(due)
    }

    #[cold]
    #[inline(never)]
    fn gather_blocks(&mut self, due: usize) -> SackBlocks {
        let mut blocks = ArrayVec::<_, SACK_BLOCKS_MAX>::new();
        let has_duplicate = self.sack.has_duplicate();
        if has_duplicate {
            blocks.push(self.sack.duplicate);
            self.sack.duplicate.1 = self.sack.duplicate.0;
        }
        let latest = self.apart.held.latest();
        let latest = latest.ranges.iter().take(latest.len);
        for range in latest.chain(self.apart.held.ranges()) {
            if blocks.len() == due {
                break;
            }
            if !blocks[usize::from(has_duplicate)..].contains(range) {
                blocks.push(*range);
            }
        }
        if let Some(fin) = self.fin_ahead() {
            self.tell_fin(fin, &mut blocks, due, usize::from(has_duplicate));
        }
        let mut edges = [(SeqNumber(0), SeqNumber(0)); SACK_BLOCKS_MAX];
        edges[..blocks.len()].copy_from_slice(&blocks);
        SackBlocks::of_edges(edges, blocks.len())
    }
}

codec!(SackReport { is_offered, is_agreed, duplicate, fin_came_last });
