//! Recoveries that were for nothing, found out by the timestamp that an ACK echoes (Eifel, RFC 3522)
//! or by the peer's word that all that was sent again came twice (RFC 3708): what they took from the
//! congestion window is given back (RFC 4015).

use super::codec::codec;
use super::congestion::Before;
use super::timestamps::Timestamping;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What stood before a recovery, and what has been sent again since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    /// Everything that it sent again lies between these.
    from: SeqNumber,
    until: SeqNumber,
    pub(super) before: Before,
    /// Our timestamp on the first of them, until an ACK has answered it, if it counts.
    stamp: u32,
    has_stamp: bool,
    /// Sendings again of which the peer has not said that they were for nothing, as far as a half word counts.
    outstanding: u16,
    /// The peer was to hear of a smaller window before already (RFC 3168 6.1.2).
    pub(super) owed_cwr: bool,
}

impl Undo {
    /// Of a recovery that begins with what is from `una` on.
    pub(super) fn new(una: SeqNumber, before: Before, owed_cwr: bool) -> Undo {
        Undo { from: una, until: una, before, stamp: 0, has_stamp: false, outstanding: 0, owed_cwr }
    }

    /// Whether all that it is of lies before `floor`.
    pub(super) fn is_before(&self, floor: SeqNumber) -> bool {
        self.until.is_before(floor)
    }

    /// A segment is sent again up to `end`, the first that is not acknowledged or another. What takes `snd_una` on answers the
    /// first: where it went again in a recovery before, that says nothing of this one.
    pub(super) fn on_resent(
        &mut self,
        now: Instant,
        timestamps: Option<&Timestamping>,
        is_first_in_flight: bool,
        end: SeqNumber,
    ) {
        if self.until == self.from {
            // It is the first.
            let stamp = timestamps.map(|ours| ours.option(now).value);
            self.has_stamp = stamp.is_some() && is_first_in_flight;
            self.stamp = stamp.unwrap_or_default();
        }
        self.outstanding = self.outstanding.saturating_add(1);
        self.until = self.until.later_of(end);
    }

    /// The first ACK that takes `snd_una` on: whether it answers a sending from before (RFC 3522 3.2).
    pub(super) fn is_answered_before(&mut self, echo: Option<u32>) -> bool {
        let has_stamp = core::mem::replace(&mut self.has_stamp, false);
        has_stamp && echo.is_some_and(|echo| SeqNumber(echo).is_before(SeqNumber(self.stamp)))
    }

    /// The peer had this twice: whether that is the last of all that was sent again, in segments of
    /// `mss` bytes. What lies beyond that the network has repeated (RFC 3708 3, A.4).
    pub(super) fn is_all_twice(&mut self, twice: (SeqNumber, SeqNumber), mss: u32) -> bool {
        let is_of_it = self.from.is_at_or_before(twice.0) && twice.1.is_at_or_before(self.until);
        // Of more than it counts nobody knows which is the last.
        if !(1..u16::MAX).contains(&self.outstanding) || !is_of_it {
            return false;
        }
        let segments = twice.1.since(twice.0).div_ceil(mss);
        self.outstanding = u32::from(self.outstanding).saturating_sub(segments) as u16;
        self.outstanding == 0
    }
}

codec!(Undo { from, until, before, stamp, has_stamp, outstanding, owed_cwr });

impl Undo {
    pub(super) fn is_sound(&self) -> bool {
        self.before.is_sound()
    }
}
