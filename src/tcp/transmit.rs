//! What to send next, decided in one place: SYN, what is to be sent again, what is new, ACKs, probes.

use super::config::Config;
use super::connection::{Connection, Context, State, WINDOW_FIELD_MAX};
use super::counters::Count;
use super::probe::ProbeDue;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, SackBlocks, SeqNumber};

/// RFC 3042 2: how many segments beyond `cwnd` the first duplicate ACKs let out.
const LIMITED_TRANSMIT_MAX: u32 = 2;

/// Why data leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// They never did.
    New,
    /// They are taken for lost.
    Lost,
    /// To ask whether the window is still closed.
    WindowProbe,
    /// The last of them, again, to be told what has arrived.
    LossProbe,
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Syn,
    Data { seq: SeqNumber, len: u32, has_fin: bool, why: Why },
    Ack,
    KeepAlive,
}

/// A segment that leaves: its header, and where its payload lies in the send buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) header: Repr,
    pub(super) offset: usize,
    pub(super) len: usize,
    pub(super) is_retransmission: bool,
    /// The network may mark it (RFC 3168 6.1.4 to 6.1.6): new data, and nothing else.
    pub(super) is_ect: bool,
}

impl Connection {
    /// Whether it is worth asking whether anything is to be sent: false only if nothing is, and found out
    /// at once. Windows may still say no.
    #[inline]
    pub(super) fn may_have_next(&self) -> bool {
        let probes = self.probe_due != ProbeDue::None;
        let owes = self.acks_due > 0 || self.syn_due || probes || self.keep_alive_due;
        let unsent = !self.fin_sent && (self.fin_queued || self.send.len() as u32 > self.flight());
        owes || unsent || self.scoreboard.has_due()
    }

    /// Whether anything is to be sent for the first time.
    pub(super) fn has_new(&self) -> bool {
        self.next_new().is_some()
    }

    /// How many bytes are to be sent next, if it is what nearly every segment is: all of the stream that
    /// was never sent, on a connection where nothing is lost, nothing closes and the windows are wide. 0 if
    /// it is anything else, of which [`next`](Connection::next) knows.
    #[inline(always)]
    pub(super) fn rest_len(&self) -> u32 {
        let len = (self.send.len() as u32).wrapping_sub(self.flight());
        let end = self.send.len() as u64;
        debug_assert!(!self.plain.sends || self.plainness().0.sends, "the books are behind");
        let is_usual = self.plain.sends
            && !self.scoreboard.is_full()
            && len.wrapping_sub(1) < self.rest_max
            && end <= u64::from(self.snd_wnd)
            && end <= u64::from(self.congestion.cwnd());
        if is_usual { len } else { 0 }
    }

    /// What is to be sent next, if the windows let it.
    pub(super) fn next(&self) -> Option<Next> {
        match self.state {
            State::Closed => None,
            State::SynSent => self.syn_due.then_some(Next::Syn),
            State::SynReceived => {
                let owes_ack = self.acks_due > 0 && self.snd_nxt != self.iss;
                self.syn_due.then_some(Next::Syn).or(owes_ack.then_some(Next::Ack))
            }
            _ => {
                if self.ecn.has_owed() && self.acks_due > 0 {
                    return Some(Next::Ack);
                }
                let data = if self.can_transmit() { self.next_data() } else { None };
                data.or_else(|| (self.acks_due > 0).then_some(Next::Ack))
                    .or_else(|| self.keep_alive_due.then_some(Next::KeepAlive))
            }
        }
    }

    pub(super) fn next_data(&self) -> Option<Next> {
        if self.probe_due == ProbeDue::Loss
            && let Some(probe) = self.next_loss_probe()
        {
            return Some(probe);
        }
        let again = if self.scoreboard.has_due() { self.next_again() } else { self.next_new() };
        let window_probe = || match self.probe_due {
            ProbeDue::Window => self.next_window_probe(),
            _ => None,
        };
        again.or_else(window_probe)
    }

    /// The next part of what is lost. Within the peer's window, but for the first byte: a window taken
    /// back must not stop us from finding out (RFC 9293 3.8.6).
    fn next_again(&self) -> Option<Next> {
        let lost = self.scoreboard.first_due(self.snd_una, self.payload_max())?;
        let data_end = self.snd_nxt - u32::from(self.fin_sent);
        let offset = lost.start.since(self.snd_una);
        let window = self.snd_wnd.max(1);
        if offset > 0 && offset >= window {
            return None;
        }
        let end = if data_end.is_before(lost.end) { data_end } else { lost.end };
        let left = if lost.start.is_before(end) { end.since(lost.start) } else { 0 };
        let len = left.min(self.payload_max()).min(window - offset);
        let len = self.together(lost.start, len);
        let has_fin = len == left && data_end.is_before(lost.end);
        let pipe = self.scoreboard.pipe(self.flight());
        if !self.is_urgent && pipe > 0 && pipe + len > self.congestion.cwnd() {
            return None;
        }
        let why = Why::Lost;
        (len > 0 || has_fin).then_some(Next::Data { seq: lost.start, len, has_fin, why })
    }

    /// The next part of what was never sent. What keeps silly windows away is RFC 9293 3.8.6.2.1: a full
    /// segment, all there is, or half the largest window. Nagle's algorithm (RFC 9293 3.7.4) holds less than
    /// a full segment back as long as anything is in flight, where it was asked for.
    fn next_new(&self) -> Option<Next> {
        let flight = self.flight();
        let (unsent, fin_waits) = self.unsent()?;
        if self.scoreboard.is_full() || self.is_paced() {
            return None;
        }
        // RFC 6675 5, step C: what has arrived or is lost is not in the network any more.
        let in_network = if self.sack.is_agreed { self.scoreboard.pipe(flight) } else { flight };
        let cwnd = self.congestion.cwnd().saturating_add(self.limited_transmit());
        let room = cwnd.saturating_sub(in_network);
        let usable = self.snd_wnd.saturating_sub(flight).min(room);
        let payload_max = self.payload_max();
        let together = self.together(self.snd_nxt, unsent);
        let len = together.min(usable).min(payload_max);
        // A FIN alone weighs no more than an ACK: the congestion window does not hold it back.
        let has_fin = fin_waits && len == unsent && self.snd_wnd > flight + len;
        let is_worthwhile = len == together
            || len == payload_max
            || u64::from(len) * 2 >= u64::from(self.snd_wnd_max);
        let can_grow = len < payload_max && !self.ends_at(self.snd_nxt + len);
        let awaits_bytes = len == unsent && !fin_waits && self.awaits_bytes();
        let is_held = can_grow && (awaits_bytes || (self.apart.terms.nagle() && flight > 0));
        ((len > 0 && is_worthwhile && !is_held) || has_fin).then_some(Next::Data {
            seq: self.snd_nxt,
            len,
            has_fin,
            why: Why::New,
        })
    }

    /// What the persist timer asks with: the first byte in flight again, or else as much as the
    /// window takes and one byte at least (RFC 9293 3.8.6.1).
    fn next_window_probe(&self) -> Option<Next> {
        let data_end = self.snd_nxt - u32::from(self.fin_sent);
        if self.flight() > 0 {
            let len = u32::from(self.snd_una != data_end);
            let (seq, why) = (self.snd_una, Why::WindowProbe);
            return Some(Next::Data { seq, len, has_fin: len == 0, why });
        }
        let (unsent, fin_waits) = self.unsent()?;
        let together = self.together(self.snd_nxt, unsent);
        let len = together.min(self.snd_wnd.max(1)).min(self.payload_max());
        let (seq, why) = (self.snd_nxt, Why::New);
        Some(Next::Data { seq, len, has_fin: fin_waits && len == 0, why })
    }

    /// Bytes never sent, and whether a FIN follows them; `None` if there is neither.
    #[inline]
    pub(super) fn unsent(&self) -> Option<(u32, bool)> {
        if self.fin_sent {
            return None;
        }
        let unsent = self.stream_end().since(self.snd_nxt);
        (unsent > 0 || self.fin_queued).then_some((unsent, self.fin_queued))
    }

    fn limited_transmit(&self) -> u32 {
        if self.sack.is_agreed || self.congestion.is_recovering() {
            return 0;
        }
        self.duplicate_acks.min(LIMITED_TRANSMIT_MAX) * self.snd_mss
    }

    /// The segment that [`next`](Connection::next) said, which leaves now.
    pub(super) fn take(&mut self, cx: &mut Context<'_>, next: Next) -> Leaving {
        cx.count(Count::SegmentOut);
        match next {
            Next::Syn => self.send_syn(cx),
            Next::Data { seq, len, has_fin, why } => self.send_data(cx, seq, len, has_fin, why),
            Next::Ack => {
                self.acks_due -= 1;
                let mut leaving = self.bare(cx, self.ack_seq());
                if let Some((ack, is_echo)) = self.ecn.take_owed() {
                    let echo = if is_echo { Flags::ECE } else { Flags::NONE };
                    // From an older number the same edge is farther away.
                    let window = self.rcv_edge.since(ack) >> self.rcv_wind_shift;
                    leaving.header.window = window.min(WINDOW_FIELD_MAX) as u16;
                    (leaving.header.ack, leaving.header.flags) = (ack, Flags::ACK.with(echo));
                }
                leaving
            }
            Next::KeepAlive => {
                // RFC 9293 3.8.4: a number that the peer has had, so that it must answer.
                cx.count(Count::KeepAliveOut);
                self.keep_alive_due = false;
                self.bare(cx, self.snd_una - 1)
            }
        }
    }

    fn send_syn(&mut self, cx: &mut Context<'_>) -> Leaving {
        let is_again = self.snd_nxt != self.iss;
        if !is_again {
            self.sack.is_offered = self.apart.terms.sack();
        }
        self.syn_due = false;
        self.snd_nxt = self.iss + 1;
        if is_again {
            cx.count(Count::SynRetransmission);
            self.retransmissions = self.retransmissions.saturating_add(1);
            // RFC 3168 6.1.1.1: it may be for this that the last one was dropped.
            self.ecn.has_offered = false;
        } else {
            self.ecn.has_offered = self.apart.terms.ecn();
            self.last_sent = cx.now;
        }
        if self.deadlines.retransmit == Instant::FAR_FUTURE {
            self.start_retransmit_timer(cx);
        }
        let has_ack = self.state == State::SynReceived;
        // RFC 3168 6.1.1.
        let ecn = match has_ack {
            true if self.ecn.is_agreed => Flags::ECE,
            false if self.ecn.has_offered => Flags::ECE.with(Flags::CWR),
            _ => Flags::NONE,
        };
        let flags = if has_ack { Flags::SYN.with(Flags::ACK) } else { Flags::SYN };
        let header = Repr {
            src_port: self.tuple.local.port,
            dst_port: self.tuple.remote.port,
            seq: self.iss,
            ack: if has_ack { self.rcv_nxt } else { SeqNumber(0) },
            flags: flags.with(ecn),
            window: self.syn_window() as u16,
            options: self.syn_options(cx),
        };
        Leaving { header, offset: 0, len: 0, is_retransmission: is_again, is_ect: false }
    }

    /// A segment with data carries every ACK but those that held bytes ask for: the peer counts no others
    /// as duplicates.
    #[inline]
    pub(super) fn settle_acks(&mut self) {
        if self.apart.held.is_empty() && self.fin_ahead().is_none() {
            self.acks_due = 0;
        }
    }

    fn send_data(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        len: u32,
        has_fin: bool,
        why: Why,
    ) -> Leaving {
        let end = seq + (len + u32::from(has_fin));
        let is_again = why != Why::New;
        if self.probe_due == ProbeDue::Loss && !self.may_probe() {
            // It could not leave when it was due, and what has come since leaves nothing to ask about.
            self.probe_due = ProbeDue::None;
        }
        let is_window_probe = self.probe_due == ProbeDue::Window;
        let is_ect = self.ecn.is_agreed && len > 0 && !is_again && !is_window_probe;
        let is_in_burst = !is_again && self.flight() > 0 && self.last_sent == cx.now;
        if is_again {
            cx.count(Count::Retransmission);
            self.congestion.on_sent(len);
            self.note_retransmission(cx, seq, end, why);
        } else {
            self.note_first_sending(cx, end);
            self.fin_sent |= has_fin;
            if self.apart.terms.pacing() {
                self.pace(cx, len);
            }
        }
        if self.probe_due != ProbeDue::None {
            self.note_probe(cx, end, is_again);
        }
        self.settle_acks();
        let mut flags = Flags::ACK;
        if has_fin {
            flags = flags.with(Flags::FIN);
        }
        // The last of what there is, or of several that leave together as far as the windows go: nothing comes
        // right behind it that would be worth waiting for (RFC 9293 3.9.1.2 lets a stack push where it likes).
        let ends_burst = || is_in_burst && self.next_new().is_none();
        let may_push = is_window_probe || !self.is_unpushed();
        let is_pushed = |end| (end == self.stream_end() && may_push) || self.ends_at(end);
        if len > 0 && (is_pushed(seq + len) || (may_push && ends_burst())) {
            flags = flags.with(Flags::PSH);
        }
        flags = flags.with(self.ecn.take_flags(is_ect));
        let sack = self.take_sack();
        Leaving {
            header: self.header(cx, seq, flags, sack),
            offset: seq.since(self.snd_una) as usize,
            len: len as usize,
            is_retransmission: is_again,
            is_ect,
        }
    }

    pub(super) fn note_first_sending(&mut self, cx: &mut Context<'_>, end: SeqNumber) {
        if self.sends_first(cx.now, cx.config, end) {
            cx.count(Count::SegmentsFull);
        }
    }

    /// Bytes leave for the first time. Says whether no more segments have a place now.
    #[inline(always)]
    pub(super) fn sends_first(&mut self, now: Instant, config: &Config, end: SeqNumber) -> bool {
        let is_alone = self.flight() == 0;
        if is_alone {
            self.congestion.on_idle(now - self.last_sent, || self.rtt.rto(config));
        }
        self.congestion.on_sent(end.since(self.snd_nxt));
        self.snd_nxt = end;
        self.last_sent = now;
        self.scoreboard.push(end, now);
        // RFC 6298 5.1. What waited for a window, or for more, had a timer for that; a probe's runs already.
        if self.deadlines.retransmit == Instant::FAR_FUTURE
            || is_alone && self.probe_due != ProbeDue::Window
        {
            self.retransmit_after_rto(now, config);
        }
        // Nobody asks whether the peer is there who waits for its answer (RFC 9293 3.8.4, MUST-26).
        self.keep_alive_due = false;
        if !self.probe_is_for_reordering {
            self.start_probe_timer(now);
        }
        self.scoreboard.is_full()
    }

    fn note_retransmission(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        end: SeqNumber,
        why: Why,
    ) {
        self.retransmissions = self.retransmissions.saturating_add(1);
        self.stalled_since(cx);
        match why {
            Why::Lost => {
                self.is_urgent = false;
                self.scoreboard.resend(self.snd_una, end, cx.now);
                let (stamps, is_first) = (self.stamps().copied(), seq == self.snd_una);
                if let Some(undo) = &mut self.apart.undo {
                    undo.on_resent(cx.now, stamps.as_ref(), is_first, end);
                }
            }
            Why::LossProbe => self.scoreboard.resend_last(self.snd_una, cx.now),
            Why::WindowProbe => self.scoreboard.note_probed(self.snd_una, cx.now),
            Why::New => {}
        }
    }

    fn bare(&mut self, cx: &mut Context<'_>, seq: SeqNumber) -> Leaving {
        let sack = self.take_sack();
        let flags = Flags::ACK.with(self.ecn.take_flags(false));
        let header = self.header(cx, seq, flags, sack);
        Leaving { header, offset: 0, len: 0, is_retransmission: false, is_ect: false }
    }

    /// What a segment that leaves now acknowledges, and the window that it tells of.
    #[inline(always)]
    pub(super) fn note_acknowledging(&mut self) -> (SeqNumber, u16) {
        self.last_ack_sent = self.rcv_nxt;
        self.deadlines.ack = Instant::FAR_FUTURE;
        (self.rcv_nxt, self.advertise())
    }

    fn header(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        flags: Flags,
        sack: Option<SackBlocks>,
    ) -> Repr {
        let (ack, window) = self.note_acknowledging();
        let user_timeout =
            if self.patience.is_due { self.tell_user_timeout(cx, sack) } else { None };
        Repr {
            src_port: self.tuple.local.port,
            dst_port: self.tuple.remote.port,
            seq,
            ack,
            flags,
            window,
            options: Options {
                timestamps: self.stamps().map(|stamps| stamps.option(cx.now)),
                sack,
                user_timeout,
                ..Options::NONE
            },
        }
    }

    /// The window field: the right edge moves by a worthwhile step or not at all, and never back.
    #[inline(always)]
    fn advertise(&mut self) -> u16 {
        let field = self.window_field();
        let told = self.rcv_nxt + (u32::from(field) << self.rcv_wind_shift);
        self.rcv_edge = self.rcv_edge.later_of(told);
        field
    }

    /// What is [advertised](Connection::advertise) while nothing is unread and half of it and more is open.
    pub(super) fn full_window(&self) -> u16 {
        let edge = (self.receive.room() as u32).min(self.rcv_wnd_max);
        (edge >> self.rcv_wind_shift).min(WINDOW_FIELD_MAX) as u16
    }

    /// What a segment that leaves now would [advertise](Connection::advertise).
    #[inline(always)]
    pub(super) fn window_field(&self) -> u16 {
        let edge = self.window_gain().unwrap_or(self.rcv_edge);
        let window = if edge.is_before(self.rcv_nxt) { 0 } else { edge.since(self.rcv_nxt) };
        (window >> self.rcv_wind_shift).min(WINDOW_FIELD_MAX) as u16
    }
}
