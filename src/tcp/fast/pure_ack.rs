//! The short way of an ACK without data: in, where it acknowledges all that was sent, and out, where it is all
//! that there is to say. It asks what segments with data are asked, and does of what they do its part.

use super::SENT;
use crate::tcp::connection::Connection;
use crate::tcp::poll::{Rest, RestHeader};
use crate::tcp::predict::Heard;
use crate::tcp::stack::Stack;
use crate::tcp::wraps::is_another_round;
use crate::time::Instant;

impl Connection {
    /// Takes in a segment without data that nobody marked, if it acknowledges all that is in flight and tells of
    /// nothing else. If not, nothing has happened.
    #[inline(always)]
    pub(in crate::tcp) fn takes_pure_ack(&mut self, now: Instant, segment: &impl Heard) -> bool {
        let flight = self.flight();
        if segment.len() > 0
            || flight == 0
            || !segment.control().is_as(self.fast.expected)
            || segment.numbers() != self.awaited()
        {
            return false;
        }
        let Some(stamp) = segment.stamp() else { return false };
        // No time lies behind the stack's: neither wraps.
        let is_one = self.send.ready == SENT || self.scoreboard.is_one();
        let first_at = if is_one { self.last_sent } else { self.scoreboard.first_of_few() };
        let last_rtt = now.as_ns().wrapping_sub(self.last_sent.as_ns());
        let rtt = now.as_ns().wrapping_sub(first_at.as_ns());
        if !self.stamps.is_current(stamp)
            || flight > self.fast_max.flight
            || !self.send.holds_only(flight)
            || !self.rtt.may_note(rtt)
            || last_rtt < u64::from(self.fast.rtt_min)
            || is_another_round(self.snd_una, self.snd_nxt)
        {
            return false;
        }
        self.note_round_trip(now, rtt, last_rtt);
        self.scoreboard.clear_clean();
        self.send.release_all();
        self.snd_una = self.snd_nxt;
        self.leave_timers_behind();
        self.send.ready = 0;
        self.last_heard = now;
        if self.last_ack_sent == self.rcv_nxt {
            self.stamps.note(stamp);
        }
        (self.snd_wl1, self.snd_wl2) = (self.rcv_nxt, self.snd_nxt);
        true
    }

    /// Whether one ACK is all that leaves now, and tells of nothing but what it acknowledges and the window.
    #[inline(always)]
    pub(in crate::tcp) fn owes_ack_alone(&self) -> bool {
        self.acks_due == 1 && !self.fast_max.is_closed() && self.send.len() as u32 == self.flight()
    }
}

impl Stack {
    /// The ACK that a connection [owes](Connection::owes_ack_alone) leaves. Its turn is over.
    #[inline(always)]
    pub(in crate::tcp) fn leave_ack_alone(&mut self, index: usize) -> Rest<'_> {
        self.end_turn(index);
        #[cfg(test)]
        {
            self.acks_alone += 1;
        }
        let (now, connection) = (self.now, &mut self.connections[index]);
        let (seq, ack, window) = (connection.snd_nxt, connection.rcv_nxt, connection.full_window());
        connection.last_ack_sent = ack;
        connection.acks_due = 0;
        connection.rcv_edge = ack + connection.fast.span;
        let timestamps = connection.stamps().map(|stamps| stamps.option(now));
        let header = RestHeader { seq, ack, window, timestamps };
        Rest { header, payload: [&[], &[]], tuple: &connection.tuple }
    }
}
