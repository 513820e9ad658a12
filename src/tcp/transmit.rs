//! What to send next, decided in one place: SYN, what is to be sent again, what is new, ACKs, probes.
//!
//! Prepared sends will ask [`Connection::next`] ahead of time and keep its answer as long as no ACK,
//! window or commit has made it stale.

use super::connection::{Connection, Context, State, WINDOW_FIELD_MAX};
use super::counters::Count;
use crate::time::Instant;
use crate::wire::tcp::{Flags, Options, Repr, SackBlocks, SeqNumber};

/// RFC 3042 2: how many segments beyond `cwnd` the first duplicate ACKs let out.
const LIMITED_TRANSMIT_MAX: u32 = 2;

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Syn,
    Data { seq: SeqNumber, len: u32, has_fin: bool },
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
}

impl Connection {
    /// Whether it is worth asking whether anything is to be sent: false only if nothing is, and found out
    /// at once. Windows may still say no.
    #[inline]
    pub(super) fn may_have_next(&self) -> bool {
        let owes = self.acks_due > 0 || self.syn_due || self.probe_due || self.keep_alive_due;
        let unsent = !self.fin_sent && (self.fin_queued || self.send.len() as u32 > self.flight());
        owes || unsent || self.resend.is_some()
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
        let is_usual = self.state == State::Established
            && self.resend.is_none()
            && !self.fin_queued
            && self.held.is_empty()
            && !self.sack.has_duplicate()
            && len.wrapping_sub(1) < self.snd_mss
            && end <= u64::from(self.snd_wnd)
            && end <= u64::from(self.congestion.cwnd());
        if is_usual { len } else { 0 }
    }

    /// What is to be sent next, if the windows let it.
    pub(super) fn next(&self) -> Option<Next> {
        match self.state {
            State::Closed => None,
            State::SynSent | State::SynReceived => self.syn_due.then_some(Next::Syn),
            _ => {
                let data = if self.can_transmit() { self.next_data() } else { None };
                data.or_else(|| (self.acks_due > 0).then_some(Next::Ack))
                    .or_else(|| self.keep_alive_due.then_some(Next::KeepAlive))
            }
        }
    }

    fn next_data(&self) -> Option<Next> {
        let again = if self.resend.is_some() { self.next_again() } else { self.next_new() };
        again.or_else(|| if self.probe_due { self.next_probe() } else { None })
    }

    /// The next part of what is to be sent again. Within the peer's window, but for the first byte:
    /// a window taken back must not stop us from finding out (RFC 9293 3.8.6).
    fn next_again(&self) -> Option<Next> {
        let resend = self.resend?;
        let data_end = self.snd_nxt - u32::from(self.fin_sent);
        let offset = resend.next.since(self.snd_una);
        let window = self.snd_wnd.max(1);
        let is_blocked = offset >= window || (resend.is_paced && offset >= self.congestion.cwnd());
        if offset > 0 && is_blocked {
            return None;
        }
        let end = if data_end.is_before(resend.end) { data_end } else { resend.end };
        let left = if resend.next.is_before(end) { end.since(resend.next) } else { 0 };
        let len = left.min(self.payload_max()).min(window - offset);
        let has_fin =
            self.fin_sent && resend.next + len == data_end && data_end.is_before(resend.end);
        (len > 0 || has_fin).then_some(Next::Data { seq: resend.next, len, has_fin })
    }

    /// The next part of what was never sent. Nagle's algorithm is off; what keeps silly windows away
    /// is the rest of RFC 9293 3.8.6.2.1: a full segment, all there is, or half the largest window.
    fn next_new(&self) -> Option<Next> {
        let flight = self.flight();
        let (unsent, fin_waits) = self.unsent()?;
        let cwnd = self.congestion.cwnd().saturating_add(self.limited_transmit());
        let usable = self.snd_wnd.min(cwnd).saturating_sub(flight);
        let payload_max = self.payload_max();
        let len = unsent.min(usable).min(payload_max);
        let has_fin = fin_waits && len == unsent && usable > len;
        let is_worthwhile = len == unsent
            || len == payload_max
            || u64::from(len) * 2 >= u64::from(self.snd_wnd_max);
        ((len > 0 && is_worthwhile) || has_fin).then_some(Next::Data {
            seq: self.snd_nxt,
            len,
            has_fin,
        })
    }

    /// What the persist timer asks with: the first byte in flight again, or else as much as the
    /// window takes and one byte at least (RFC 9293 3.8.6.1).
    fn next_probe(&self) -> Option<Next> {
        let data_end = self.snd_nxt - u32::from(self.fin_sent);
        if self.flight() > 0 {
            let len = u32::from(self.snd_una != data_end);
            return Some(Next::Data { seq: self.snd_una, len, has_fin: len == 0 });
        }
        let (unsent, fin_waits) = self.unsent()?;
        let len = unsent.min(self.snd_wnd.max(1)).min(self.payload_max());
        Some(Next::Data { seq: self.snd_nxt, len, has_fin: fin_waits && len == 0 })
    }

    /// Bytes never sent, and whether a FIN follows them; `None` if there is neither.
    #[inline]
    fn unsent(&self) -> Option<(u32, bool)> {
        if self.fin_sent {
            return None;
        }
        let unsent = self.stream_end().since(self.snd_nxt);
        (unsent > 0 || self.fin_queued).then_some((unsent, self.fin_queued))
    }

    fn limited_transmit(&self) -> u32 {
        if self.congestion.is_recovering() {
            return 0;
        }
        self.duplicate_acks.min(LIMITED_TRANSMIT_MAX) * self.snd_mss
    }

    /// The segment that [`next`](Connection::next) said, which leaves now.
    pub(super) fn take(&mut self, cx: &mut Context<'_>, next: Next) -> Leaving {
        cx.count(Count::SegmentOut);
        match next {
            Next::Syn => self.send_syn(cx),
            Next::Data { seq, len, has_fin } => self.send_data(cx, seq, len, has_fin),
            Next::Ack => {
                self.acks_due -= 1;
                self.bare(cx, self.ack_seq())
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
        self.syn_due = false;
        self.snd_nxt = self.iss + 1;
        if is_again {
            cx.count(Count::SynRetransmission);
            self.note_retransmission();
        } else {
            self.timed = Some((self.snd_nxt, cx.now));
        }
        if self.retransmit_at == Instant::FAR_FUTURE {
            self.start_retransmit_timer(cx);
        }
        let has_ack = self.state == State::SynReceived;
        let header = Repr {
            src_port: self.tuple.local.port,
            dst_port: self.tuple.remote.port,
            seq: self.iss,
            ack: if has_ack { self.rcv_nxt } else { SeqNumber(0) },
            flags: if has_ack { Flags::SYN.with(Flags::ACK) } else { Flags::SYN },
            window: self.syn_window() as u16,
            options: self.syn_options(cx),
        };
        Leaving { header, offset: 0, len: 0, is_retransmission: is_again }
    }

    /// The segment that [`rest_len`](Connection::rest_len) said, which leaves now.
    #[inline(always)]
    pub(super) fn take_rest(&mut self, cx: &mut Context<'_>, len: u32) -> Leaving {
        cx.count(Count::SegmentOut);
        let (seq, offset) = (self.snd_nxt, self.flight());
        if self.probe_due {
            self.probe_due = false;
            cx.count(Count::WindowProbeOut);
        }
        self.note_first_sending(cx, seq + len);
        self.snd_nxt = seq + len;
        self.settle_acks();
        Leaving {
            header: self.header(cx, seq, Flags::ACK.with(Flags::PSH), None),
            offset: offset as usize,
            len: len as usize,
            is_retransmission: false,
        }
    }

    /// A segment with data carries every ACK but those that held bytes ask for: the peer counts no others
    /// as duplicates.
    #[inline]
    fn settle_acks(&mut self) {
        if self.held.is_empty() {
            self.acks_due = 0;
        }
    }

    fn send_data(
        &mut self,
        cx: &mut Context<'_>,
        seq: SeqNumber,
        len: u32,
        has_fin: bool,
    ) -> Leaving {
        let end = seq + (len + u32::from(has_fin));
        let is_again = seq != self.snd_nxt;
        if self.probe_due {
            self.probe_due = false;
            cx.count(Count::WindowProbeOut);
        }
        if is_again {
            cx.count(Count::Retransmission);
            self.note_retransmission();
            self.resend = self.resend.filter(|resend| end.is_before(resend.end));
            if let Some(resend) = &mut self.resend {
                resend.next = end;
            }
        } else {
            self.note_first_sending(cx, end);
            self.snd_nxt = end;
            self.fin_sent |= has_fin;
        }
        self.settle_acks();
        let mut flags = Flags::ACK;
        if has_fin {
            flags = flags.with(Flags::FIN);
        }
        if len > 0 && seq + len == self.stream_end() {
            flags = flags.with(Flags::PSH);
        }
        let sack = self.take_sack();
        Leaving {
            header: self.header(cx, seq, flags, sack),
            offset: seq.since(self.snd_una) as usize,
            len: len as usize,
            is_retransmission: is_again,
        }
    }

    #[inline(always)]
    fn note_first_sending(&mut self, cx: &mut Context<'_>, end: SeqNumber) {
        if self.flight() == 0 {
            self.congestion.on_idle(cx.now - self.last_sent, || self.rtt.rto(cx.config));
        }
        self.last_sent = cx.now;
        if self.timed.is_none() {
            self.timed = Some((end, cx.now));
        }
        // RFC 6298 5.1. A probe's timer runs already.
        if self.retransmit_at == Instant::FAR_FUTURE {
            self.start_retransmit_timer(cx);
        }
    }

    /// Karn's algorithm: what is sent twice is not timed.
    fn note_retransmission(&mut self) {
        self.retransmissions += 1;
        self.timed = None;
        self.ambiguous_until = Some(self.snd_nxt);
    }

    fn bare(&mut self, cx: &mut Context<'_>, seq: SeqNumber) -> Leaving {
        let sack = self.take_sack();
        let header = self.header(cx, seq, Flags::ACK, sack);
        Leaving { header, offset: 0, len: 0, is_retransmission: false }
    }

    #[inline(always)]
    fn header(
        &mut self,
        cx: &Context<'_>,
        seq: SeqNumber,
        flags: Flags,
        sack: Option<SackBlocks>,
    ) -> Repr {
        self.last_ack_sent = self.rcv_nxt;
        Repr {
            src_port: self.tuple.local.port,
            dst_port: self.tuple.remote.port,
            seq,
            ack: self.rcv_nxt,
            flags,
            window: self.advertise(),
            options: Options {
                timestamps: self.timestamps.as_ref().map(|stamps| stamps.option(cx.now)),
                sack,
                ..Options::NONE
            },
        }
    }

    /// The window field: the right edge moves by a worthwhile step or not at all, and never back.
    #[inline(always)]
    fn advertise(&mut self) -> u16 {
        let edge = self.window_gain().unwrap_or(self.rcv_edge);
        let window = if edge.is_before(self.rcv_nxt) { 0 } else { edge.since(self.rcv_nxt) };
        let field = (window >> self.rcv_wind_shift).min(WINDOW_FIELD_MAX);
        self.rcv_edge = self.rcv_edge.later_of(self.rcv_nxt + (field << self.rcv_wind_shift));
        field as u16
    }
}
