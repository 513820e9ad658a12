//! A segment for a connection, in the order of RFC 9293 3.10.7.4: sequence number, RST, SYN, ACK,
//! text, FIN. Ahead of it stands [`predict`](super::predict), for the segment that is next and nothing else.

use core::ops::Range;

use super::connection::{Connection, Context, State};
use super::counters::Count;
use super::event::Closed;
use super::reassembly::Inserted;
use super::reset::Reset;
use crate::wire::tcp::{Flags, Segment, SeqNumber};

/// What a segment brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The part of its payload that is next in the stream and is not stored.
    pub(super) fresh: Range<usize>,
    /// Bytes held before have become readable behind it.
    pub(super) has_joined: bool,
}

impl Connection {
    /// Takes in any segment, whether or not it is [predicted](Connection::is_predicted).
    pub(super) fn on_segment(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Taken {
        match self.state {
            State::Closed => Taken::default(),
            State::SynSent => {
                self.on_segment_in_syn_sent(cx, segment);
                Taken::default()
            }
            State::TimeWait => {
                self.on_segment_in_time_wait(cx, segment);
                Taken::default()
            }
            _ => self.on_any(cx, segment).unwrap_or_default(),
        }
    }

    /// The long way. `None` as soon as a step drops the segment.
    fn on_any(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<Taken> {
        self.check_timestamp(cx, segment)?;
        self.check_sequence(cx, segment)?;
        self.check_reset(cx, segment)?;
        self.check_syn(cx, segment)?;
        if !segment.flags.has(Flags::ACK) {
            cx.count(Count::AckMissing);
            return None;
        }
        if segment.flags.has(Flags::URG) {
            cx.count(Count::UrgentIgnored);
        }
        let echoed_at =
            segment.flags.has(Flags::ECE).then(|| self.take_echo(cx, segment)).flatten();
        if self.state == State::SynReceived {
            self.check_handshake_ack(cx, segment)?;
        } else if !self.acknowledge(cx, segment) {
            return None;
        }
        // Whoever only guesses numbers must not put TS.Recent ahead of the peer's clock.
        self.note_acceptable(cx, segment);
        if let Some(cwnd) = echoed_at {
            self.congestion.hold_at(cwnd);
        }
        if self.state == State::Closed || self.state == State::TimeWait {
            return None;
        }
        let are_other_marks = self.take_marks(cx, segment);
        let taken = self.take_text_and_fin(cx, segment);
        if are_other_marks && self.state != State::Closed {
            self.owe_ack_of_other_marks();
        }
        taken
    }

    /// RFC 7323 5.3, R1, and 3.2: the timestamp must be there and not be old. A RST is exempt.
    pub(super) fn check_timestamp(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
    ) -> Option<()> {
        if self.stamps().is_none() {
            return Some(());
        }
        match segment.options.timestamps {
            _ if segment.flags.has(Flags::RST) => Some(()),
            Some(theirs) if !self.is_old_stamp(cx.now, theirs.value) => Some(()),
            Some(_) if segment.is_empty() || segment.flags.has(Flags::SYN) => {
                self.challenge(cx, Count::TimestampOld);
                None
            }
            Some(_) => {
                cx.count(Count::TimestampOld);
                self.note_duplicate(segment);
                self.owe_duplicate_ack();
                None
            }
            // Whoever has lost all memory knows of no agreement, and is to be told where we stand (RFC 5961 4.2).
            None if segment.flags.has(Flags::SYN) => Some(()),
            None => {
                cx.count(Count::TimestampMissing);
                (!cx.config.requires_timestamps).then_some(())
            }
        }
    }

    /// What is noted of a segment that has passed the checks of numbers.
    pub(super) fn note_acceptable(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.hear_user_timeout(cx, segment);
        let is_on = self.stamps().is_some();
        let stamp = segment.options.timestamps;
        let stamp = stamp.filter(|theirs| is_on && !self.is_old_stamp(cx.now, theirs.value));
        if stamp.is_none() {
            // When one last came is told apart from when anything did, from here on.
            self.close_fast();
        }
        self.last_heard = cx.now;
        (self.keep_alive_probes, self.keep_alive_due) = (0, false);
        if let Some(theirs) = stamp {
            self.hear_stamp(cx.now);
            if segment.seq.is_at_or_before(self.last_ack_sent) {
                self.stamps.note(theirs.value);
            }
        }
    }

    /// First: the sequence number (RFC 9293 3.10.7.4, table 6).
    fn check_sequence(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<()> {
        if self.state == State::SynReceived && self.is_their_syn(segment) {
            // Whatever text it carries reaches into the window.
            self.on_their_syn_again(cx, segment);
            return None;
        }
        if self.is_acceptable(segment) {
            return Some(());
        }
        if segment.flags.has(Flags::RST) {
            cx.count(Count::ResetIgnored);
        } else if segment.flags.has(Flags::SYN) {
            self.challenge(cx, Count::SynInWindow);
        } else if segment.is_empty() {
            // Limited, lest two sides that disagree acknowledge each other for ever.
            self.challenge(cx, Count::OutOfWindow);
        } else {
            let is_old = (segment.seq + segment.len()).is_at_or_before(self.rcv_nxt);
            cx.count(if is_old { Count::DuplicateData } else { Count::OutOfWindow });
            self.note_duplicate(segment);
            self.owe_duplicate_ack();
        }
        None
    }

    /// A segment with nothing in it may stand at the window's right edge, where a peer that has
    /// filled the window sends its ACKs from. With our window closed, what begins at `rcv_nxt` is
    /// let through for its ACK and cut to nothing (RFC 9293 3.10.7.4, the special allowance).
    pub(super) fn is_acceptable(&self, segment: &Segment<'_>) -> bool {
        let window = self.rcv_wnd();
        let offset = segment.seq.since(self.rcv_nxt);
        if segment.is_empty() {
            return offset <= window && (offset < window.max(1) || !segment.flags.has(Flags::RST));
        }
        let last = (segment.seq + (segment.len() - 1)).since(self.rcv_nxt);
        offset < window.max(1) || last < window
    }

    /// The peer's SYN comes again: it has not had our answer. Or, where both opened at once, it is
    /// that answer (RFC 9293 3.5, figure 7).
    fn on_their_syn_again(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        self.ecn.hear_syn(segment);
        if segment.flags.has(Flags::ACK) {
            if self.check_handshake_ack(cx, segment).is_some() {
                self.note_acceptable(cx, segment);
                self.owe_ack();
            }
            return;
        }
        cx.count(Count::SynDuplicate);
        self.syn_due = true;
    }

    fn is_their_syn(&self, segment: &Segment<'_>) -> bool {
        let is_syn = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::RST);
        is_syn && segment.seq == self.irs
    }

    /// Second: the RST. Only the exact number counts; near misses are challenged (RFC 5961 3.2).
    fn check_reset(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<()> {
        if !segment.flags.has(Flags::RST) {
            return Some(());
        }
        if segment.seq != self.rcv_nxt {
            self.challenge(cx, Count::ResetInexact);
        } else if self.state == State::SynReceived {
            self.end(cx, Closed::Refused);
        } else {
            self.end(cx, Closed::Reset);
        }
        None
    }

    /// Fourth: the SYN. On a synchronised connection it is challenged (RFC 5961 4.2).
    fn check_syn(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<()> {
        if !segment.flags.has(Flags::SYN) {
            return Some(());
        }
        self.challenge(cx, Count::SynInWindow);
        None
    }

    /// Fifth, in SYN-RECEIVED: the ACK must be of our SYN.
    fn check_handshake_ack(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Option<()> {
        if segment.ack != self.iss + 1 || self.snd_nxt != self.iss + 1 {
            cx.count(Count::HandshakeAckWrong);
            self.answer_by_reset(cx, segment);
            return None;
        }
        if self.defers(cx, segment) {
            return None;
        }
        self.syn_due = false;
        self.establish(cx, segment);
        Some(())
    }

    /// Whether the handshake is to wait for more than an ACK ([`Config::defer_accept`](super::Config)).
    pub(super) fn waits_for_data(&self, cx: &Context<'_>) -> bool {
        cx.config.defer_accept.is_some() && self.listener.is_some() && !self.is_of_cookie
    }

    /// Whether it waits for more than this segment.
    fn defers(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> bool {
        let is_bare = segment.payload.is_empty() && !segment.flags.has(Flags::FIN);
        let until = cx.config.defer_accept.map(|time| self.last_sent + time);
        let Some(until) =
            until.filter(|until| is_bare && self.waits_for_data(cx) && cx.now < *until)
        else {
            return false;
        };
        cx.count(Count::HandshakeDeferred);
        if self.retransmissions == 0 && self.rack.min_rtt().is_none() {
            self.rack.on_handshake(cx.now, cx.now - self.last_sent);
        }
        self.syn_due = false;
        self.deadlines.retransmit = until;
        true
    }

    /// Seventh and eighth: the text and the FIN.
    pub(super) fn take_text_and_fin(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
    ) -> Option<Taken> {
        if segment.payload.is_empty() && !segment.flags.has(Flags::FIN) {
            return Some(Taken::default());
        }
        if self.fin_received {
            cx.count(Count::DataAfterFin);
            self.owe_ack();
            return None;
        }
        if self.is_released && !segment.payload.is_empty() {
            // RFC 9293 3.6.1: nobody will read it, and the peer is to know. With the number that it
            // acknowledges it believes it, also where it has not had all that we sent.
            cx.count(Count::DataAfterRelease);
            self.answer_by_reset(cx, segment);
            self.end(cx, Closed::Aborted);
            return None;
        }
        let before = self.rcv_nxt;
        self.note_duplicate(segment);
        let cut = self.fit_to_window(cx, segment);
        self.note_fin(cx, segment, cut.end);
        let taken = self.take_text(cx, segment, cut);
        if self.fin_at == Some(self.rcv_nxt) {
            self.take_fin(cx);
        }
        // RFC 5681 4.2: at once where the segment is out of order or fills a gap; and where part of it came
        // twice, which the ACK tells.
        let is_ahead = !self.apart.held.is_empty() || self.fin_ahead().is_some();
        if self.rcv_nxt == before || is_ahead {
            self.owe_duplicate_ack();
        } else if taken.has_joined || self.fin_received || self.sack.has_duplicate() {
            self.owe_ack();
        } else {
            self.owe_ack_of_data(cx);
        }
        Some(taken)
    }

    /// The part of the payload that is new and within our window.
    fn fit_to_window(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) -> Range<usize> {
        let len = segment.payload.len();
        let (start, offset) = if segment.seq.is_before(self.rcv_nxt) {
            cx.count(Count::DuplicatePart);
            ((self.rcv_nxt.since(segment.seq) as usize).min(len), 0)
        } else {
            (0, segment.seq.since(self.rcv_nxt))
        };
        let window = self.rcv_wnd();
        let mut end = len.min(start + window.saturating_sub(offset) as usize);
        if end < len {
            let is_probe = window == 0;
            cx.count(if is_probe { Count::WindowProbeIn } else { Count::TrimmedAtWindowEdge });
        }
        if let Some(fin_at) = self.fin_at {
            let to_fin = fin_at.since(self.rcv_nxt).saturating_sub(offset) as usize;
            if end > start + to_fin {
                cx.count(Count::DataAfterFin);
                end = start + to_fin;
            }
        }
        start..end
    }

    /// Remembers where the stream ends, if this segment says so, whole, and nothing held lies past it.
    fn note_fin(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>, end: usize) {
        if !segment.flags.has(Flags::FIN) {
            return;
        }
        let at = segment.seq + segment.payload.len() as u32;
        let is_whole = end == segment.payload.len();
        let is_contradicted = self.fin_at.is_some_and(|known| known != at)
            || self.apart.held.ranges().last().is_some_and(|range| at.is_before(range.1));
        if is_contradicted {
            cx.count(Count::DataAfterFin);
        } else if is_whole && !at.is_before(self.rcv_nxt) {
            self.fin_at = Some(at);
            if self.rcv_nxt.is_before(segment.seq) && segment.payload.is_empty() {
                self.note_fin_ahead();
            }
        }
    }

    fn take_text(
        &mut self,
        cx: &mut Context<'_>,
        segment: &Segment<'_>,
        cut: Range<usize>,
    ) -> Taken {
        if cut.is_empty() {
            return Taken::default();
        }
        let at = segment.seq + cut.start as u32;
        let ahead = at.since(self.rcv_nxt);
        if ahead > 0 {
            cx.count(Count::OutOfOrder);
            self.hold(cx, ahead, &segment.payload[cut], true);
            return Taken::default();
        }
        // The first copy of a byte wins: from the first held byte on, the held ones.
        let to_held = self.apart.held.first().map_or(u32::MAX, |first| first.since(at)) as usize;
        let fresh = cut.start..cut.end.min(cut.start.saturating_add(to_held));
        if fresh.end < cut.end {
            let is_all = cut.start == 0;
            self.hold(cx, fresh.len() as u32, &segment.payload[fresh.end..cut.end], is_all);
        }
        self.receive.pass_over(fresh.len(), !self.apart.held.is_empty());
        self.rcv_nxt += fresh.len() as u32;
        let reached = self.apart.held.advance(self.rcv_nxt);
        let joined = reached.since(self.rcv_nxt);
        self.receive.join(joined as usize);
        self.rcv_nxt = reached;
        Taken { fresh, has_joined: joined > 0 }
    }

    /// Holds bytes that lie `ahead` of `rcv_nxt`; `is_all` unless those before them in the segment came twice.
    fn hold(&mut self, cx: &mut Context<'_>, ahead: u32, bytes: &[u8], is_all: bool) {
        self.note_held(self.rcv_nxt + ahead, bytes.len() as u32, is_all);
        let (receive, mut written) = (&mut self.receive, 0);
        let range = ahead..ahead + bytes.len() as u32;
        let inserted = self.apart.held.insert(self.rcv_nxt, range, |part| {
            let from = (part.start - ahead) as usize..(part.end - ahead) as usize;
            written += from.len();
            receive.write_ahead(part.start as usize, &bytes[from]);
        });
        if inserted != Inserted::Held {
            cx.count(Count::ReassemblyFull);
        }
        if inserted == Inserted::Dropped {
            return;
        }
        if written < bytes.len() {
            cx.count(Count::DuplicatePart);
        }
        self.note_receipt(cx, self.rcv_nxt + ahead, bytes.len() as u32);
    }

    /// The peer's stream has ended (RFC 9293 3.10.7.4, eighth).
    fn take_fin(&mut self, cx: &mut Context<'_>) {
        self.rcv_nxt += 1;
        self.fin_received = true;
        self.pending.peer_closed = true;
        match self.state {
            State::Established => self.state = State::CloseWait,
            State::FinWait1 => self.state = State::Closing,
            State::FinWait2 => self.enter_time_wait(cx),
            _ => {}
        }
    }

    /// A reset of our own accord, with the number that the peer expects.
    pub(super) fn send_reset(&self, cx: &mut Context<'_>) {
        let (tuple, seq, ack) = (self.tuple, self.ack_seq(), Some(self.rcv_nxt));
        // RFC 7323 3.2: it should carry them.
        let timestamps = self.stamps().map(|stamps| stamps.option(cx.now));
        cx.resets.push(Reset { tuple, seq, ack, timestamps, cookie: None }, cx.counters);
    }

    /// SND.NXT, or the right edge of the peer's window where it has been taken back past that: a
    /// number that the peer accepts.
    #[inline]
    pub(super) fn ack_seq(&self) -> SeqNumber {
        if self.flight() <= self.snd_wnd || self.state == State::SynReceived {
            self.snd_nxt
        } else {
            self.snd_una + self.snd_wnd
        }
    }
}
