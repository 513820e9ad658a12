//! What an ACK says while something is lost, sent again or probed for, or with SACK blocks: who has
//! arrived, who is lost, and whether all of it was for nothing (RFC 6675, RFC 8985, RFC 3522).

use super::connection::{Connection, Context};
use super::counters::Count;
use super::scoreboard::{Marks, Sent};
use super::undo::Undo;
use crate::time::Instant;
use crate::wire::tcp::{Flags, SACK_BLOCKS_MAX, SackBlocks, Segment, SeqNumber};

impl Connection {
    /// Whether an ACK of something new needs nothing of what is here.
    #[inline(always)]
    pub(super) fn is_simple_ack(&self, segment: &Segment<'_>) -> bool {
        self.repairs_nothing() && segment.options.sack.is_none()
    }

    /// Whether nothing is being repaired, undone or probed for, and nothing in flight is known of but that it left once.
    #[inline(always)]
    pub(super) fn repairs_nothing(&self) -> bool {
        self.is_calm && self.scoreboard.is_clean()
    }

    /// The same as [below](Connection::take_ack_in_trouble) of a segment with text that acknowledges nothing new, has no
    /// blocks and [says nothing of a probe](Connection::tells_nothing_of_probe): that time has passed.
    pub(super) fn pass_in_trouble(&mut self, cx: &mut Context<'_>) {
        if self.sack.is_agreed {
            self.repair_by_sack(cx, 0, 0, self.flight());
        }
        self.settle_calm();
    }

    /// DCTCP looks at every ACK.
    pub(super) fn settle_calm(&mut self) {
        let counts_marks = self.ecn.is_agreed && self.congestion.is_dctcp();
        let is_open = self.congestion.is_open() && self.duplicate_acks == 0;
        self.is_calm = is_open && self.loss_probe.is_none() && !counts_marks;
    }

    /// Takes in an ACK, at `snd_una` or past it, that is not [simple](Connection::is_simple_ack).
    #[inline(never)]
    pub(super) fn take_ack_in_trouble(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (flight, acked) = (self.flight(), segment.ack.since(self.snd_una));
        let sacked_before = self.scoreboard.sacked_bytes();
        // Each said that a segment had arrived, which made no window then and makes none now.
        let told_before = self.duplicate_acks.saturating_mul(self.snd_mss);
        if acked > 0 {
            self.pop_segments(cx, segment);
        }
        let twice = self.take_duplicate_block(cx, segment);
        self.take_sack_blocks(cx, segment);
        let delivered = (acked + self.scoreboard.sacked_bytes()).saturating_sub(sacked_before);
        self.undo_if_for_nothing(cx, segment, acked > 0, twice);
        if self.sack.is_agreed {
            self.repair_by_sack(cx, acked, delivered, flight);
            self.settle_probe(cx, segment, twice, flight);
        } else if acked > 0 {
            let srtt = self.rtt.srtt();
            let acked = if self.congestion.is_open() {
                acked.saturating_sub(told_before).max(acked.min(self.snd_mss))
            } else {
                acked
            };
            if self.congestion.on_ack(segment.ack, acked, flight, cx.now, srtt) {
                self.resend_first();
            }
        }
        if acked == 0 && self.is_duplicate_ack(segment) {
            self.take_duplicate_ack(cx);
        }
        self.settle_calm();
        if acked > 0 {
            self.count_marks();
            self.restart_timers(cx);
        }
    }

    /// Takes in what an ACK from before `snd_una` says of bytes behind it: it came late, or left early, and
    /// the peer holds them all the same.
    #[inline(never)]
    pub(super) fn take_late_blocks(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let sacked_before = self.scoreboard.sacked_bytes();
        let _ = self.take_duplicate_block(cx, segment);
        self.take_sack_blocks(cx, segment);
        let delivered = self.scoreboard.sacked_bytes().saturating_sub(sacked_before);
        if delivered > 0 {
            self.repair_by_sack(cx, 0, delivered, self.flight());
            self.settle_calm();
        }
    }

    /// What is acknowledged leaves the scoreboard, and the send buffer.
    fn pop_segments(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let (mut first, mut last, mut again) = (None, None, None);
        let (una, now) = (self.snd_una, cx.now);
        let stamps = self.stamps().copied();
        let Connection { scoreboard, rack, .. } = self;
        scoreboard.pop(una, segment.ack, |sent| {
            if sent.marks.has(Marks::EVER_AGAIN) {
                again = again.max(Some(sent.at));
            } else if sent.marks == Marks::default() {
                (first, last) = (first.or(Some(sent.at)), Some(sent.at));
            }
            rack.on_delivered(now, sent, answers_earlier(stamps.as_ref(), segment, sent));
        });
        // RFC 6298 3, Karn: what was sent twice is measured by the timestamp alone (RFC 7323 4.1); what
        // left after it did not wait for it.
        match (again, first, last.filter(|at| Some(*at) >= again)) {
            (None, Some(at), _) | (Some(_), _, Some(at)) => {
                self.take_late_round_trip(cx, cx.now - at);
            }
            (Some(at), _, None) => self.measure_sent_again(cx, segment, at),
            (None, None, _) => {}
        }
        self.advance(segment.ack);
        // What was to go again has arrived before it did.
        self.is_urgent &= self.scoreboard.has_due();
        if self.scoreboard.is_reneged_on() {
            cx.count(Count::SackReneged);
            self.apart.second_looks.on_reneged(self.snd_una, self.snd_nxt);
            self.scoreboard.forget_sacked(self.snd_una);
        }
        if self.scoreboard.is_clean() {
            self.rack.forget_ahead();
        }
    }

    /// RFC 2883 5: the first block, where it tells of bytes that came twice.
    fn take_duplicate_block(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
    ) -> Option<(SeqNumber, SeqNumber)> {
        let twice =
            self.agreed_blocks(segment).and_then(|blocks| duplicate(blocks, segment.ack))?;
        if twice.0.is_before(twice.1) && twice.1.is_at_or_before(self.snd_nxt) {
            cx.count(Count::DsackIn);
            self.rack.on_duplicate(self.snd_una, self.snd_nxt);
            return Some(twice);
        }
        cx.count(Count::SackInvalid);
        None
    }

    fn take_sack_blocks(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        let Some(blocks) = self.agreed_blocks(segment) else { return };
        if !self.apart.second_looks.believes_blocks(self.snd_una) {
            cx.count(Count::SackDisbelieved);
            return;
        }
        let skipped = usize::from(duplicate(blocks, segment.ack).is_some());
        let (una, nxt, now) = (self.snd_una, self.snd_nxt, cx.now);
        let stamps = self.stamps().copied();
        let mut latest = None;
        // In order, lest blocks of one ACK look like segments that came out of order.
        let mut ordered = [(una, una); SACK_BLOCKS_MAX];
        let ordered = &mut ordered[..blocks.blocks().len() - skipped];
        ordered.copy_from_slice(&blocks.blocks()[skipped..]);
        ordered.sort_unstable_by_key(|(left, _)| left.since(una));
        for (left, right) in &*ordered {
            // What is next for the peer it does not hold: it has let go of it since.
            let is_ahead = una.is_before(*left)
                && left.is_before(*right)
                && right.is_at_or_before(nxt)
                && right.since(una) <= self.flight();
            if !is_ahead {
                // One of before, that came late, is no offence.
                if !right.is_at_or_before(una) || !left.is_before(*right) {
                    cx.count(Count::SackInvalid);
                }
                continue;
            }
            let Connection { scoreboard, rack, .. } = self;
            scoreboard.sack(una, (*left, *right), |sent| {
                if sent.marks == Marks::default() {
                    latest = latest.max(Some(sent.at));
                }
                rack.on_delivered(now, sent, answers_earlier(stamps.as_ref(), segment, sent));
            });
        }
        if let Some(at) = latest {
            self.take_late_round_trip(cx, cx.now - at);
        }
    }

    fn agreed_blocks<'a>(&self, segment: &'a Segment<'_>) -> Option<&'a SackBlocks> {
        segment.options.sack.as_ref().filter(|_| self.sack.is_agreed)
    }

    fn undo_if_for_nothing(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        is_advance: bool,
        twice: Option<(SeqNumber, SeqNumber)>,
    ) {
        let Some(undo) = &mut self.apart.undo else { return };
        let echo = segment.options.timestamps.map(|stamps| stamps.echo);
        let is_for_nothing = (is_advance && undo.is_answered_before(echo))
            || twice.is_some_and(|twice| undo.is_all_twice(twice, self.snd_mss));
        if !is_for_nothing {
            return;
        }
        let (before, owed_cwr) = (undo.before, undo.owed_cwr);
        self.apart.undo = None;
        if !self.apart.second_looks.on_undo(self.snd_una, self.snd_nxt) {
            cx.count(Count::UndoneTooOften);
            return;
        }
        // RFC 4015 3.1, step 9: with an echo of a mark, what it took is not given back.
        if !(segment.flags.has(Flags::ECE) && self.ecn.is_agreed) {
            cx.count(Count::RecoveryUndone);
            self.congestion.undo(&before);
            self.ecn.undo(self.snd_una, owed_cwr);
        }
        self.scoreboard.find_all(self.snd_una);
        self.rack.on_undone();
        self.is_urgent = false;
        self.rtt.clear_backoff();
    }

    /// RFC 8985 6.2, step 5, and what follows from it.
    fn repair_by_sack(&mut self, cx: &mut Context<'_>, acked: u32, delivered: u32, flight: u32) {
        let has_lost = self.find_lost(cx);
        let was_open = self.congestion.is_open();
        if has_lost && was_open {
            self.begin_recovery(cx);
        }
        let pipe = self.scoreboard.pipe(self.flight());
        if self.congestion.is_recovering() {
            let is_safe = acked > 0 && !has_lost;
            let una = self.snd_una;
            if self.congestion.on_ack_in_recovery(una, delivered, pipe, is_safe) {
                self.rack.on_recovered();
            }
        } else if acked > 0 {
            let srtt = self.rtt.srtt();
            // What had been told of before made no window then, and makes none now.
            let acked = acked.min(delivered);
            self.congestion.on_ack(self.snd_una, acked, flight, cx.now, srtt);
            if !was_open && self.congestion.is_open() {
                self.rack.on_recovered();
            }
        }
    }

    /// Finds out who is lost by now, and sets the timer for who may be next. Says whether anybody is.
    fn find_lost(&mut self, cx: &mut Context<'_>) -> bool {
        let due_before = self.scoreboard.due_count();
        let sacked = self.scoreboard.sacked_count();
        let is_repairing = !self.congestion.is_open();
        let window = self.rack.reordering_window(is_repairing, sacked, self.rtt.srtt());
        let (rack, now) = (&self.rack, cx.now);
        let next = self.scoreboard.judge(self.snd_una, rack.latest(), |sent_at| {
            let then = rack.expiry(sent_at, window);
            if then <= now { Ok(()) } else { Err(then) }
        });
        if let Some(then) = next {
            (self.deadlines.probe, self.probe_is_for_reordering) = (then, true);
        } else if self.probe_is_for_reordering {
            (self.deadlines.probe, self.probe_is_for_reordering) = (Instant::FAR_FUTURE, false);
        }
        self.scoreboard.due_count() > due_before
    }

    fn begin_recovery(&mut self, cx: &mut Context<'_>) {
        cx.count(Count::FastRetransmit);
        // RFC 8985 7.1: whether a probe repaired a loss is no question any more.
        self.loss_probe = None;
        let (before, owed_cwr) = (self.congestion.before(), self.ecn.owes_cwr());
        self.apart.undo = Some(Undo::new(self.snd_una, before, owed_cwr));
        self.congestion.begin_recovery(self.flight(), self.snd_nxt, self.was_reduced());
        self.note_reduced();
        // The first goes at once (RFC 6675 5, step 4.3).
        self.is_urgent = true;
    }

    /// What is out of order has had its time.
    pub(super) fn on_reordering_timeout(&mut self, cx: &mut Context<'_>) {
        if self.can_transmit() {
            self.repair_by_sack(cx, 0, 0, self.flight());
            self.settle_calm();
        }
    }

    /// The retransmission timer went off. What the peer said that it holds counts no more (RFC 2018 5);
    /// what left so lately that it may still arrive is not lost (RFC 8985 6.3).
    pub(super) fn lose_by_timeout(&mut self, cx: &mut Context<'_>, is_first: bool) {
        let una = self.snd_una;
        if self.congestion.is_open() {
            let (before, owed_cwr) = (self.congestion.before(), self.ecn.owes_cwr());
            self.apart.undo = Some(Undo::new(una, before, owed_cwr));
        }
        self.congestion.on_timeout(is_first, self.flight(), self.snd_nxt);
        self.note_reduced();
        self.loss_probe = None;
        self.is_calm = false;
        self.is_urgent = true;
        (self.deadlines.probe, self.probe_is_for_reordering) = (Instant::FAR_FUTURE, false);
        if self.sack.is_agreed {
            self.scoreboard.forget_sacked(una);
            self.rack.forget_ahead();
        }
        if self.sack.is_agreed && self.rack.min_rtt().is_some() {
            let sacked = self.scoreboard.sacked_count();
            let window = self.rack.reordering_window(false, sacked, self.rtt.srtt());
            let (rack, now) = (&self.rack, cx.now);
            self.scoreboard.lose_where(una, |sent| rack.expiry(sent.at, window) <= now);
        } else {
            self.scoreboard.lose_all(una);
        }
    }
}

/// RFC 2883 5: the first block, if it lies below the ACK or within the second block.
fn duplicate(blocks: &SackBlocks, ack: SeqNumber) -> Option<(SeqNumber, SeqNumber)> {
    let first = *blocks.blocks().first()?;
    let is_within = |(left, right): &(SeqNumber, SeqNumber)| {
        left.is_at_or_before(first.0) && first.1.is_at_or_before(*right)
    };
    let is_twice = first.1.is_at_or_before(ack) || blocks.blocks().get(1).is_some_and(is_within);
    is_twice.then_some(first)
}

/// Whether the ACK of a segment that was sent again answers an earlier sending (RFC 8985 6.2, step 2).
fn answers_earlier(
    timestamps: Option<&super::timestamps::Timestamping>,
    segment: &Segment<'_>,
    sent: &Sent,
) -> bool {
    match (timestamps, segment.options.timestamps) {
        (Some(ours), Some(theirs)) => {
            SeqNumber(theirs.echo).is_before(SeqNumber(ours.option(sent.at).value))
        }
        _ => false,
    }
}
