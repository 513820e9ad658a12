//! Explicit congestion notification (RFC 3168), and DCTCP's more exact use of it (RFC 8257): what the
//! network marked is echoed to its sender, and what is echoed to us makes the window smaller once in a
//! round trip.

use super::codec::codec;
use super::congestion::Congestion;
use super::connection::{Connection, Context, State};
use super::counters::Count;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// ACKs that tell of marks before the last change of them, at most: one poll seldom sees two changes.
const OWED_MAX: usize = 4;
/// RFC 8257 3.3: g = 1/16, and alpha in 1/1024.
const G_SHIFT: u32 = 4;
const ALPHA_ONE: u32 = 1 << 10;

/// A connection's part in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ecn {
    /// Both SYNs said so.
    pub(super) is_agreed: bool,
    /// Our last SYN offered it.
    pub(super) has_offered: bool,
    /// Marks are echoed one by one (RFC 8257 3.2), not until the peer says that it has acted.
    is_exact: bool,
    /// There are [flags](Ecn::flags) to carry, or [ACKs](Ecn::owed) from before.
    pub(super) is_busy: bool,
    /// What the next segments carry besides their own: ECE, CWR.
    flags: Flags,
    /// ACKs owed from before, the first first, and a bit for each of them that echoes a mark.
    owed: [SeqNumber; OWED_MAX],
    owed_len: u8,
    owed_echoes: u8,
    /// No second reduction before this is acknowledged.
    reduced_until: SeqNumber,
    /// RFC 8257 3.3, DCTCP.Alpha, and the window over which marks are counted.
    alpha: u16,
    window_start: SeqNumber,
    window_end: SeqNumber,
    marked: u32,
}

impl Ecn {
    pub(super) const NONE: Ecn = Ecn {
        is_agreed: false,
        has_offered: false,
        is_exact: false,
        is_busy: false,
        flags: Flags::NONE,
        owed: [SeqNumber(0); OWED_MAX],
        owed_len: 0,
        owed_echoes: 0,
        reduced_until: SeqNumber(0),
        alpha: ALPHA_ONE as u16,
        window_start: SeqNumber(0),
        window_end: SeqNumber(0),
        marked: 0,
    };

    /// RFC 3168 6.1.1: what the peer's SYN answers to ours, or asks of us, where both opened at once too. `wants`: we
    /// are asked for the first time, or our last SYN offered it.
    pub(super) fn negotiate(&mut self, wants: bool, syn: &Segment<'_>) {
        self.is_agreed = wants;
        self.hear_syn(syn);
    }

    /// A SYN came, the first or another: one that neither asks nor answers ends the agreement (RFC 3168 6.1.1.1).
    pub(super) fn hear_syn(&mut self, syn: &Segment<'_>) {
        let bits = syn.flags.0 & Flags::ECE.with(Flags::CWR).0;
        let wanted =
            if syn.flags.has(Flags::ACK) { Flags::ECE } else { Flags::ECE.with(Flags::CWR) };
        self.is_agreed &= bits == wanted.0;
    }

    pub(super) fn establish(&mut self, una: SeqNumber, is_exact: bool) {
        self.is_exact = is_exact;
        (self.reduced_until, self.window_start, self.window_end) = (una, una, una);
    }

    pub(super) fn set_exact(&mut self, is_exact: bool) {
        self.is_exact = is_exact;
    }

    /// Whether an echo by this ACK asks for a reduction (RFC 3168 6.1.2: once in a window of data): it is of
    /// something that left after the last one. What left before is echoed until that has arrived.
    pub(super) fn is_news(&self, ack: SeqNumber) -> bool {
        self.reduced_until.is_before(ack)
    }

    pub(super) fn bring_forward(&mut self, floor: SeqNumber) {
        self.reduced_until = self.reduced_until.later_of(floor);
        self.window_end = self.window_end.later_of(floor);
    }

    /// Whether the peer is still to hear that the window was made smaller.
    pub(super) fn owes_cwr(&self) -> bool {
        self.flags.has(Flags::CWR)
    }

    /// Nothing was answered by a smaller window after all, but for what `owed` a CWR before: what is in flight from `una` on
    /// may ask for one.
    pub(super) fn undo(&mut self, una: SeqNumber, owed: bool) {
        self.reduced_until = una;
        if !owed {
            self.flags = Flags(self.flags.0 & !Flags::CWR.0);
        }
        self.settle();
    }

    fn settle(&mut self) {
        self.is_busy = self.flags != Flags::NONE || self.owed_len > 0;
    }

    /// What a segment carries that leaves now; CWR with the first new data.
    #[inline]
    pub(super) fn take_flags(&mut self, is_new_data: bool) -> Flags {
        let flags = self.flags;
        if is_new_data {
            self.flags = Flags(flags.0 & !Flags::CWR.0);
            self.settle();
            return flags;
        }
        Flags(flags.0 & !Flags::CWR.0)
    }

    pub(super) fn has_owed(&self) -> bool {
        self.owed_len > 0
    }

    /// The ACK that is owed from before the last change: its number, and whether it echoes a mark.
    pub(super) fn take_owed(&mut self) -> Option<(SeqNumber, bool)> {
        if self.owed_len == 0 {
            return None;
        }
        let owed = (self.owed[0], self.owed_echoes & 1 != 0);
        self.owed.rotate_left(1);
        (self.owed_len, self.owed_echoes) = (self.owed_len - 1, self.owed_echoes >> 1);
        self.settle();
        Some(owed)
    }

    /// One more, that `echoes` a mark or not, where there is a place. Says whether there is.
    fn owe(&mut self, ack: SeqNumber, echoes: bool) -> bool {
        let Some(place) = self.owed.get_mut(usize::from(self.owed_len)) else { return false };
        *place = ack;
        self.owed_echoes |= u8::from(echoes) << self.owed_len;
        self.owed_len += 1;
        true
    }
}

impl Connection {
    /// Takes in a segment's marks, ahead of its text (RFC 3168 6.1.3). Says whether they are others than those of the segment
    /// before, where each is echoed: then its ACK waits for nothing (RFC 8257 3.2).
    pub(super) fn take_marks(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> bool {
        if !self.ecn.is_agreed || segment.payload.is_empty() {
            return false;
        }
        if segment.is_ce {
            cx.count(Count::CongestionExperienced);
        }
        let echoes = self.ecn.flags.has(Flags::ECE);
        let is_change = self.ecn.is_exact && segment.is_ce != echoes;
        if is_change {
            // What came before it and waits for its ACK has one of its own, lest it be counted for what it was not.
            let waits = self.deadlines.ack != Instant::FAR_FUTURE;
            self.deadlines.ack = Instant::FAR_FUTURE;
            if (waits || self.acks_due > 0) && self.ecn.owe(self.rcv_nxt, echoes) {
                self.owe_duplicate_ack();
            }
        }
        let ecn = &mut self.ecn;
        if segment.is_ce {
            ecn.flags = ecn.flags.with(Flags::ECE);
        } else if ecn.is_exact || segment.flags.has(Flags::CWR) {
            ecn.flags = Flags(ecn.flags.0 & !Flags::ECE.0);
        }
        ecn.settle();
        is_change
    }

    /// A segment with other marks than the one before has an ACK now, behind those that are [owed](Ecn::owed) from before.
    pub(super) fn owe_ack_of_other_marks(&mut self) {
        self.acks_due = self.acks_due.max(1 + self.ecn.owed_len);
    }

    /// The peer echoes a mark, in an ACK that is to be taken in (RFC 3168 6.1.2). Says what the window may
    /// not grow beyond by it.
    pub(super) fn take_echo(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<u32> {
        let is_synchronised = !matches!(self.state, State::SynSent | State::SynReceived);
        let acked = segment.ack.since(self.snd_una);
        if !self.ecn.is_agreed || !is_synchronised || acked > self.flight() {
            return None;
        }
        cx.count(Count::CongestionEchoed);
        // RFC 4015 3.1, step 9: what the window is made smaller by while marks are echoed is not given back.
        self.apart.undo = None;
        self.ecn.marked = self.ecn.marked.saturating_add(acked);
        if self.ecn.is_news(segment.ack) && self.congestion.is_open() {
            if self.congestion.is_dctcp() {
                self.congestion.on_marked(u32::from(self.ecn.alpha), ALPHA_ONE);
            } else {
                self.congestion.on_repaired(self.flight());
            }
            self.note_reduced();
        }
        (!self.congestion.is_dctcp()).then_some(self.congestion.cwnd())
    }

    /// The window was made smaller, for whatever reason. The next new data say so, and what is in flight asks for
    /// no more (RFC 3168 6.1.2, RFC 8257 3.5).
    pub(super) fn note_reduced(&mut self) {
        if self.ecn.is_agreed {
            self.ecn.reduced_until = self.snd_nxt;
            self.ecn.flags = self.ecn.flags.with(Flags::CWR);
            self.ecn.settle();
        }
    }

    /// Whether what is in flight has made the window smaller already.
    pub(super) fn was_reduced(&self) -> bool {
        self.ecn.is_agreed && self.snd_una.is_before(self.ecn.reduced_until)
    }

    /// RFC 8257 3.3: once in a window, how much of it was marked moves the estimate.
    pub(super) fn count_marks(&mut self) {
        let ecn = &mut self.ecn;
        if !ecn.is_agreed || self.snd_una.is_before(ecn.window_end) {
            return;
        }
        let acked = self.snd_una.since(ecn.window_start);
        if acked > 0 {
            let marked = u64::from(ecn.marked.min(acked)) * u64::from(ALPHA_ONE);
            let fraction = (marked / u64::from(acked)) as u32;
            let alpha = u32::from(ecn.alpha);
            let alpha =
                alpha - (alpha >> G_SHIFT).max(u32::from(alpha > 0)) + (fraction >> G_SHIFT);
            ecn.alpha = alpha.min(ALPHA_ONE) as u16;
        }
        (ecn.window_start, ecn.window_end, ecn.marked) = (self.snd_una, self.snd_nxt, 0);
    }
}

impl Congestion {
    /// RFC 8257 3.3: less by half of what was marked of late, `alpha` of `one`.
    fn on_marked(&mut self, alpha: u32, one: u32) {
        let less = u64::from(self.cwnd()) * u64::from(alpha) / u64::from(2 * one);
        self.shrink_by(less as u32);
    }
}

codec!(Ecn {
    is_agreed,
    has_offered,
    is_exact,
    is_busy,
    flags,
    owed,
    owed_len,
    owed_echoes,
    reduced_until,
    alpha,
    window_start,
    window_end,
    marked,
});

impl Ecn {
    /// Whether it owes no more than it has places for, and what it says of itself is so.
    pub(super) fn is_sound(&self) -> bool {
        let is_busy = self.flags != Flags::NONE || self.owed_len > 0;
        let own = Flags::ECE.with(Flags::CWR).0;
        usize::from(self.owed_len) <= OWED_MAX
            && self.owed_echoes >> self.owed_len == 0
            && self.is_busy == is_busy
            && self.flags.0 & !own == 0
            && u32::from(self.alpha) <= ALPHA_ONE
    }
}
