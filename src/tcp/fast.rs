//! The shortest way in and out: what a connection does that hears the next bytes and an ACK of all it sent,
//! and answers by all it has to say.
//!
//! What that takes besides the numbers of a segment is found out with the books and kept in a few words
//! ([`Fast`]); as long as those hold, a segment is compared with them and with nothing else. Whatever does
//! not fit changes nothing here and goes the way of [`predict`](super::predict), which does the same and knows more.
//! Timers are not wound up here: when they go off follows from what was sent when, and is worked out by
//! [`catch_up`](Connection::catch_up) before anybody else looks.

mod ahead;
mod pure_ack;

#[cfg(test)]
pub(super) use ahead::TookAhead;

use super::account::MessageNumber;
use super::config::Config;
use super::connection::Connection;
use super::poll::RestHeader;
use super::predict::Heard;
use super::wraps::is_another_round;
use crate::time::{Duration, Instant};
use crate::wire::stamped::Control;
use crate::wire::tcp::{Flags, Repr, SeqNumber};

/// What is [ready](super::send_buffer::SendBuffer::ready) of a connection that has said all it had to say by one segment, which left the short way
/// and is in flight. The scoreboard does not know of it, which [is told](Connection::tell_of_sent) before anybody else looks.
pub(super) const SENT: u32 = u32::MAX;

/// What the short way depends on, as long as nothing but it is gone.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Fast {
    /// The header length, control bits and window of the segments that take it.
    expected: Control,
    /// The window that we tell of: how far it reaches, the least that is left of it where it is to be told again, and
    /// below, as it lies in the header.
    span: u32,
    left_min: i32,
    /// The shortest round trip of which nothing is to be learned but the round trip, in ns; the longest is [known](
    /// super::retransmit::RttEstimator::may_note) where it is noted.
    rtt_min: u32,
    /// No timer that a segment sets goes off sooner, in ns.
    patience: u32,
    window: u16,
    /// The longest pause after which the congestion window stands.
    pause_max: Duration,
}

/// How much takes it, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FastMax {
    /// The most in flight that an ACK of all may be of.
    flight: u32,
    /// The longest segment that may leave where nothing is in flight, whose ACK is of no more than that, and that can be
    /// reserved; nothing where the short way is closed.
    first: u32,
}

impl Fast {
    /// No segment takes it.
    pub(super) const CLOSED: Fast = Fast {
        expected: Control::NEVER,
        span: 0,
        left_min: 0,
        rtt_min: 0,
        patience: 0,
        window: 0,
        pause_max: Duration::ZERO,
    };
}

impl FastMax {
    pub(super) const CLOSED: FastMax = FastMax { flight: 0, first: 0 };

    #[inline(always)]
    pub(super) fn is_closed(&self) -> bool {
        self.first == 0
    }
}

/// So much as fits, in ns.
fn in_word(span: Duration) -> u32 {
    u32::try_from(span.as_ns()).unwrap_or(u32::MAX)
}

impl Connection {
    /// Works out whether, and by what, segments take the short way. To be called when the books are kept.
    pub(super) fn settle_fast(&mut self, config: &Config) {
        self.tell_of_sent();
        let field = (self.snd_wnd >> self.snd_wind_shift) as u16;
        // First what closes it for a whole connection.
        let is_quiet = self.sack.is_agreed
            && !self.ecn.is_agreed
            && self.apart.terms.ack_delay().is_none()
            && self.apart.terms.stale_after().is_none()
            && self.plain.receives
            && self.plain.sends
            && self.stamps().is_some()
            && self.is_stamp_heard_last()
            && field > 0
            && u32::from(field) << self.snd_wind_shift == self.snd_wnd
            && self.snd_wl1.is_at_or_before(self.rcv_nxt)
            && self.rcv_edge.since(self.rcv_nxt).cast_signed()
                >= (self.rcv_wnd_max / 2).cast_signed()
            && self.rest_max > 0
            && self.rcv_edge.since(self.rcv_nxt)
                <= u32::from(self.full_window()) << self.rcv_wind_shift
            && self.room_wanted == 0
            && !self.is_urgent
            && (self.retries, self.keep_alive_probes, self.duplicate_acks) == (0, 0, 0)
            && self.acks_due <= 1
            && !self.keep_alive_due
            && !self.probe_is_for_reordering
            && (self.deadlines.ack, self.deadlines.stale)
                == (Instant::FAR_FUTURE, Instant::FAR_FUTURE)
            && self.receive.is_passed_over();
        let is_open = is_quiet && self.rtt.settle_note(self.rack.min_rtt_known(), config);
        let (true, Some(used_max)) = (is_open, self.congestion.untried_max()) else {
            return self.close_fast();
        };
        self.rtt.settle_fresh_until(self.rack.min_rtt_until());
        // Not by what was heard: who only reads has nothing to learn.
        if !self.rtt.is_fresh(self.last_sent) {
            return self.close_fast();
        }
        let window = self.full_window();
        let flight_max = used_max.min(self.snd_wnd.saturating_sub(1));
        let first_max = self.rest_max.min(self.held_max()).min(self.send.first_max());
        self.fast = Fast {
            expected: Control::of(Flags::ACK, field),
            span: u32::from(window) << self.rcv_wind_shift,
            left_min: (self.rcv_wnd_max / 2).cast_signed(),
            rtt_min: in_word(self.rack.min_rtt_known()),
            patience: in_word(self.rtt.patience(config, self.apart.terms.peer_max_ack_delay())),
            window: window.to_be(),
            pause_max: self.congestion.pause_max(|| self.rtt.rto_least(config)),
        };
        self.fast_max = FastMax { flight: flight_max, first: first_max.min(flight_max) };
        if self.timers_lag {
            self.open_max = self.fast_max.first;
        }
        self.let_timers_lag();
        let has_unsent = self.send.len() as u32 != self.flight();
        self.send.ready = if has_unsent { self.all_ready() } else { 0 };
    }

    /// Where no timer runs that a segment sets, none is wound up from here on.
    #[inline(always)]
    pub(super) fn let_timers_lag(&mut self) {
        let is_still = self.deadlines.retransmit.min(self.deadlines.probe) == Instant::FAR_FUTURE;
        if !self.timers_lag && self.flight() == 0 && is_still {
            self.leave_timers_behind();
            self.send.ready = self.all_ready();
        }
    }

    /// They lag from here on.
    #[inline(always)]
    pub(super) fn leave_timers_behind(&mut self) {
        (self.timers_lag, self.open_max) = (true, self.fast_max.first);
    }

    /// The numbers of the segment to come, as [`Heard::numbers`] says them.
    #[inline(always)]
    fn awaited(&self) -> u64 {
        u64::from(self.rcv_nxt.0) << 32 | u64::from(self.snd_nxt.0)
    }

    /// Takes in a segment that nobody marked, if it takes the short way: the next bytes, an ACK of all that
    /// was sent, and the window as it was. If not, nothing has happened.
    #[inline(always)]
    pub(super) fn takes_fast(&mut self, now: Instant, segment: &impl Heard) -> bool {
        let len = segment.len() as u32;
        let (numbers, Some(stamp)) = (segment.numbers(), segment.stamp()) else {
            return false;
        };
        let left = self.rcv_edge.since(self.rcv_nxt).wrapping_sub(len).cast_signed();
        if !segment.control().is_as(self.fast.expected)
            || numbers != self.awaited()
            || len == 0
            || left < self.fast.left_min
            || !self.stamps.is_current(stamp)
        {
            return false;
        }
        let (rcv_nxt, snd_nxt) = (SeqNumber((numbers >> 32) as u32), SeqNumber(numbers as u32));
        if self.send.ready == SENT {
            debug_assert!(self.is_sent_alone());
            let rtt = self.since_last_sent(now);
            if !self.takes_ack_of_all_fast(now, snd_nxt, rtt, rtt) {
                return false;
            }
            self.send.ready = 0;
        } else if snd_nxt != self.snd_una && !self.takes_ack_of_few(now, snd_nxt) {
            return false;
        }
        self.last_heard = now;
        if self.last_ack_sent == rcv_nxt {
            self.stamps.note(stamp);
        }
        // The halves of one word.
        (self.snd_wl2, self.snd_wl1) = (snd_nxt, rcv_nxt);
        debug_assert!(self.receive.may_pass_over_all(len as usize));
        self.fresh = len;
        self.rcv_nxt += len;
        self.acks_due = 1;
        true
    }

    /// Takes an ACK of all that is in flight, one segment or a few, where that is all that is held.
    #[inline(never)]
    fn takes_ack_of_few(&mut self, now: Instant, snd_nxt: SeqNumber) -> bool {
        let flight = snd_nxt.since(self.snd_una);
        if flight > self.fast_max.flight || !self.send.holds_only(flight) {
            return false;
        }
        let last_rtt = self.since_last_sent(now);
        let rtt = if self.scoreboard.is_one() {
            last_rtt
        } else {
            now.as_ns().wrapping_sub(self.scoreboard.first_of_few().as_ns())
        };
        let is_taken = self.takes_ack_of_all_fast(now, snd_nxt, rtt, last_rtt);
        if is_taken {
            self.scoreboard.clear_clean();
            self.leave_timers_behind();
        }
        is_taken
    }

    /// The same with the round trips of the first and of the last of it, in nanoseconds.
    #[inline(always)]
    fn takes_ack_of_all_fast(
        &mut self,
        now: Instant,
        snd_nxt: SeqNumber,
        rtt: u64,
        last_rtt: u64,
    ) -> bool {
        // One of the last is no longer than one of the first.
        if !self.rtt.may_note(rtt)
            || is_another_round(self.snd_una, snd_nxt)
            || (last_rtt as u32) < self.fast.rtt_min
        {
            return false;
        }
        self.note_round_trip(now, rtt, last_rtt);
        self.send.release_all();
        self.snd_una = snd_nxt;
        true
    }

    /// The round trips of the first and of the last of what was acknowledged, in nanoseconds: RACK's is told of
    /// [later](Connection::settle_round_trips), unless it is the shortest.
    #[inline(always)]
    fn note_round_trip(&mut self, now: Instant, rtt: u64, last_rtt: u64) {
        debug_assert_eq!(self.fast.rtt_min, in_word(self.rack.min_rtt_known()));
        if last_rtt as u32 == self.fast.rtt_min {
            self.rack.on_shortest(now);
        }
        self.rtt.note(rtt as u32, last_rtt as u32);
    }

    /// No time lies behind the stack's: it does not wrap.
    #[inline(always)]
    fn since_last_sent(&self, now: Instant) -> u64 {
        now.as_ns().wrapping_sub(self.last_sent.as_ns())
    }

    /// What [`SENT`] says.
    fn is_sent_alone(&self) -> bool {
        let flight = self.flight();
        self.scoreboard.is_empty()
            && self.send.holds_only(flight)
            && flight.wrapping_sub(1) < self.fast_max.flight
            && self.timers_lag
    }

    /// Tells the scoreboard of what [was sent](SENT), if anything was: it is asked from here on.
    #[inline(always)]
    pub(super) fn tell_of_sent(&mut self) {
        if self.send.ready == SENT {
            debug_assert!(self.scoreboard.is_empty() && self.flight() > 0 && self.timers_lag);
            self.send.ready = 0;
            self.scoreboard.push(self.snd_nxt, self.last_sent);
        }
    }

    /// No segment takes the short way, until the books are kept anew.
    pub(super) fn close_fast(&mut self) {
        self.tell_of_sent();
        if !self.fast_max.is_closed() {
            self.hear_stamps_of_fast();
        }
        (self.fast, self.fast_max) = (Fast::CLOSED, FastMax::CLOSED);
        (self.send.ready, self.open_max) = (0, 0);
    }

    /// Room for `len` bytes that are all of the stream, if they leave the short way.
    #[inline(always)]
    pub(super) fn room_for_first(&mut self, len: usize) -> Option<&mut [u8]> {
        let is_short = len.wrapping_sub(1) < self.open_max as usize;
        if is_short { self.send.first_room(len) } else { None }
    }

    /// Whether `len` bytes can be reserved that are all of the stream, if they leave the short way.
    #[inline(always)]
    pub(super) fn takes_first(&self, len: usize) -> bool {
        len.wrapping_sub(1) < self.open_max as usize && self.send.len() == 0
    }

    /// Makes the first `used` bytes of the last reservation a message of the stream, if they are all of it and leave
    /// the short way. `None` where nothing has happened.
    #[inline(always)]
    pub(super) fn commit_first(
        &mut self,
        now: Instant,
        used: usize,
        tag: u32,
    ) -> Option<MessageNumber> {
        let used = self.send.reserved_first(used)?;
        if used.wrapping_sub(1) >= self.open_max {
            return None;
        }
        self.send.forget_reservation();
        Some(self.note_first(now, used, tag))
    }

    /// So many bytes were written [there](Connection::room_for_first), one at least: a message of the stream.
    #[inline(always)]
    pub(super) fn note_first(&mut self, now: Instant, len: u32, tag: u32) -> MessageNumber {
        debug_assert!(self.timers_lag);
        let start = self.snd_una;
        self.send.hold_first(len);
        self.send.ready = len;
        self.account.note_first(start, now, start + len, tag)
    }

    /// How much is [ready](super::send_buffer::SendBuffer::ready) after `len` bytes were written, before which all is acknowledged.
    #[inline(always)]
    pub(super) fn first_ready(&self, len: u32) -> u32 {
        if len <= self.open_max { len } else { 0 }
    }

    /// How much is [ready](super::send_buffer::SendBuffer::ready) whatever was sent before.
    #[inline(never)]
    pub(super) fn all_ready(&self) -> u32 {
        let held = self.send.len() as u32;
        let len = held - self.flight().min(held);
        let is_ready = len.wrapping_sub(1) < self.rest_max
            && self.timers_lag
            && !self.fast_max.is_closed()
            && held <= self.held_max().min(self.fast_max.flight)
            && self.send.holds_only(held)
            && self.scoreboard.takes_few()
            && self.send.is_in_one_run();
        if is_ready { len } else { 0 }
    }

    /// How much may be in flight on the short way: of less than two full segments the ACK may be delayed, which
    /// `patience` counts on.
    fn held_max(&self) -> u32 {
        self.snd_wnd.min(self.congestion.cwnd()).min(2 * self.snd_mss - 1)
    }

    /// How much leaves the short way now, if anything does: all of the stream that was never sent. As a signed number, not
    /// more than nothing where nothing does.
    #[inline(always)]
    pub(super) fn fast_len(&self, now: Instant) -> u32 {
        let pause = now.as_ns().wrapping_sub(self.last_sent.as_ns());
        if pause <= self.fast.pause_max.as_ns() { self.send.ready } else { 0 }
    }

    /// Whether a timer goes off before any that a segment sets which leaves now.
    #[inline(always)]
    pub(super) fn is_woken_in_time(&self, now: Instant) -> bool {
        self.woken_by.as_ns().wrapping_sub(now.as_ns()) <= u64::from(self.fast.patience)
    }

    /// When the first timer goes off that a segment sets which leaves now, with nothing before it in flight.
    pub(super) fn first_timer(&mut self, now: Instant, config: &Config) -> Instant {
        self.settle_round_trips(config);
        now + self.rtt.rto(config).min(self.rtt.probe_timeout(true))
    }

    /// All of the stream that was never sent leaves: `len` bytes, as [found](Connection::fast_len).
    /// Whoever is to wake us [does so in time](Connection::is_woken_in_time).
    #[inline(always)]
    pub(super) fn send_fast(&mut self, now: Instant, len: u32) -> RestHeader {
        let (seq, ack) = (self.snd_nxt, self.rcv_nxt);
        self.note_fast_sending(now, len);
        RestHeader {
            seq,
            ack,
            window: u16::from_be(self.fast.window),
            timestamps: Some(self.stamps.option(now)),
        }
    }

    /// What that changes.
    #[inline(always)]
    pub(super) fn note_fast_sending(&mut self, now: Instant, len: u32) {
        if self.snd_nxt == self.snd_una {
            return self.note_fast_alone(now, len);
        }
        self.send.ready = 0;
        self.scoreboard.push(self.snd_nxt + len, now);
        self.note_fast_numbers(now, len);
    }

    /// The same where nothing is in flight.
    #[inline(always)]
    pub(super) fn note_fast_alone(&mut self, now: Instant, len: u32) {
        debug_assert!(self.snd_nxt == self.snd_una);
        self.send.ready = SENT;
        self.note_fast_numbers(now, len);
    }

    #[inline(always)]
    fn note_fast_numbers(&mut self, now: Instant, len: u32) {
        self.last_sent = now;
        self.snd_nxt += len;
        let ack = self.rcv_nxt;
        self.last_ack_sent = ack;
        self.acks_due = 0;
        self.rcv_edge = ack + self.fast.span;
    }

    /// Whether a prepared segment with `len` bytes leaves the short way: nothing is held, and its header is the next.
    #[inline(always)]
    pub(super) fn takes_prepared_fast(&self, now: Instant, header: &Repr, len: usize) -> bool {
        let Some(theirs) = header.options.timestamps else { return false };
        let pause = now.as_ns().wrapping_sub(self.last_sent.as_ns());
        self.send.len() == 0
            && len.wrapping_sub(1) < self.open_max as usize
            && u64::from(header.ack.0) << 32 | u64::from(header.seq.0) == self.awaited()
            && header.window == u16::from_be(self.fast.window)
            && theirs.echo == self.stamps.recent()
            && pause <= self.fast.pause_max.as_ns()
    }

    /// Winds up the timers and works out the timeouts that the short way has left for later.
    #[inline(always)]
    pub(super) fn catch_up(&mut self, config: &Config) {
        if self.rtt.is_behind() {
            self.settle_round_trips(config);
        }
        if !self.fast_max.is_closed() {
            self.hear_stamps_of_fast();
        }
        if self.fresh > 0 {
            self.receive.pass_over_all(self.fresh as usize);
            self.fresh = 0;
        }
        if self.timers_lag {
            self.tell_of_sent();
            (self.timers_lag, self.open_max, self.send.ready) = (false, 0, 0);
            self.stop_retransmit_timer();
            if self.flight() > 0 {
                self.wind_up(config);
            }
        }
    }

    /// Works out what follows from the round trips that were only noted.
    #[inline(never)]
    fn settle_round_trips(&mut self, config: &Config) {
        if let Some(latest) = self.rtt.settle(config) {
            self.rack.note_latest(latest);
        }
    }

    /// Nothing was acknowledged since the first of what is in flight left, or the timers were wound up.
    #[inline(never)]
    fn wind_up(&mut self, config: &Config) {
        if let Some(first_at) = self.scoreboard.first_sent_at() {
            self.retransmit_after_rto(first_at, config);
            self.start_probe_timer(self.last_sent);
        }
    }
}

#[cfg(test)]
impl Connection {
    /// What is in flight, one by one: where it ends, and its marks. What [was sent](SENT), too.
    pub(super) fn segments(&self) -> Vec<(SeqNumber, super::scoreboard::Marks)> {
        let mut segments = self.scoreboard.segments();
        if self.send.ready == SENT {
            assert!(self.is_sent_alone());
            segments.push((self.snd_nxt, Default::default()));
        }
        segments
    }
}
