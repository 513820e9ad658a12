//! Timestamps: round trips of segments sent twice, and protection against old duplicates
//! (RFC 7323 4 and 5).

use super::codec::{Codec, In, Out};
use super::snapshot::SnapshotRefusal;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{SeqNumber, Timestamps};

/// RFC 7323 5.5: after this long the last timestamp says nothing, for the clock may have wrapped.
const RECENT_VALID: Duration = Duration::from_s(24 * 24 * 3600);
/// What one tick of our timestamps takes: within the 1 ms to 1 s of RFC 7323 5.4.
const TICK_NS: u64 = 1_000_000;

/// A connection's timestamps, once both sides have agreed on them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timestamping {
    /// Added to our clock, so that it tells nobody how long we have been up.
    offset: u32,
    /// TS.Recent.
    recent: u32,
    /// When it came, as far back as need be: what lies before the clock's beginning, in another stack, wraps.
    recent_at: Instant,
}

impl Timestamping {
    pub(super) fn new(offset: u32) -> Timestamping {
        Timestamping { offset, recent: 0, recent_at: Instant::ZERO }
    }

    /// The peer's SYN carried `value`.
    pub(super) fn begin(&mut self, now: Instant, value: u32) {
        (self.recent, self.recent_at) = (value, now);
    }

    /// TS.Recent: the latest timestamp of the peer's in order.
    pub(super) fn recent(&self) -> u32 {
        self.recent
    }

    /// The option for a segment that leaves now.
    #[inline]
    pub(super) fn option(&self, now: Instant) -> Timestamps {
        Timestamps { value: self.clock(now), echo: self.recent }
    }

    /// Whether a segment with `value` is an old duplicate (RFC 7323 5.3, R1).
    #[inline]
    pub(super) fn is_old(&self, now: Instant, value: u32) -> bool {
        SeqNumber(value).is_before(SeqNumber(self.recent)) && self.recent_ago(now) <= RECENT_VALID
    }

    fn recent_ago(&self, now: Instant) -> Duration {
        Duration::from_ns(now.as_ns().wrapping_sub(self.recent_at.as_ns()))
    }

    /// Whether `value` is not before the latest: such a one is never [old](Timestamping::is_old).
    #[inline(always)]
    pub(super) fn is_current(&self, value: u32) -> bool {
        !SeqNumber(value).is_before(SeqNumber(self.recent))
    }

    /// Remembers a `value` that is not old.
    #[inline(always)]
    pub(super) fn note(&mut self, now: Instant, value: u32) {
        (self.recent, self.recent_at) = (value, now);
    }

    /// Remembers `value` of an acceptable segment that begins at or before what we last
    /// acknowledged (RFC 7323 4.3).
    #[inline]
    pub(super) fn take(&mut self, now: Instant, value: u32) {
        if !self.is_old(now, value) {
            self.note(now, value);
        }
    }

    /// The round trip that an ACK's `echo` tells; at least one tick, `None` where it cannot be ours.
    pub(super) fn round_trip(&self, now: Instant, echo: u32) -> Option<Duration> {
        let ticks = SeqNumber(self.clock(now)).since(SeqNumber(echo));
        (ticks < 1 << 31).then(|| Duration::from_ms(u64::from(ticks.max(1))))
    }

    #[inline]
    fn clock(&self, now: Instant) -> u32 {
        ((now.as_ns() / TICK_NS) as u32).wrapping_add(self.offset)
    }
}

/// Timestamps, if they are agreed on, or if we offer them.
///
/// No `Option`: whoever knows that they are agreed on has [them](Stamping::known) without another look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamping {
    is_on: bool,
    ours: Timestamping,
}

impl Stamping {
    pub(super) const NONE: Stamping = Stamping {
        is_on: false,
        ours: Timestamping { offset: 0, recent: 0, recent_at: Instant::ZERO },
    };

    pub(super) fn of(ours: Option<Timestamping>) -> Stamping {
        ours.map_or(Stamping::NONE, |ours| Stamping { is_on: true, ours })
    }

    #[inline(always)]
    pub(super) fn is_some(&self) -> bool {
        self.is_on
    }

    #[inline(always)]
    pub(super) fn as_ref(&self) -> Option<&Timestamping> {
        if self.is_on { Some(&self.ours) } else { None }
    }

    #[inline(always)]
    pub(super) fn as_mut(&mut self) -> Option<&mut Timestamping> {
        if self.is_on { Some(&mut self.ours) } else { None }
    }

    /// Those of which is known that [there are any](Stamping::is_some).
    #[inline(always)]
    pub(super) fn known(&self) -> &Timestamping {
        debug_assert!(self.is_on);
        &self.ours
    }

    #[inline(always)]
    pub(super) fn known_mut(&mut self) -> &mut Timestamping {
        debug_assert!(self.is_on);
        &mut self.ours
    }
}

impl Codec for Stamping {
    fn put(&self, out: &mut Out<'_>) {
        self.as_ref().copied().put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Stamping, SnapshotRefusal> {
        Codec::take(from).map(Stamping::of)
    }
}

impl Codec for Timestamping {
    /// Our clock by what it shows now: by another stack's clock it is to show the same.
    fn put(&self, out: &mut Out<'_>) {
        let distance_ns = self.recent_at.as_ns().wrapping_sub(out.now.as_ns());
        (self.clock(out.now), (self.recent, distance_ns)).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Timestamping, SnapshotRefusal> {
        let (shows, (recent, distance_ns)): (u32, (u32, u64)) = Codec::take(from)?;
        let recent_at = Instant::from_ns(from.now.as_ns().wrapping_add(distance_ns));
        let zero = Timestamping { offset: 0, recent, recent_at };
        Ok(Timestamping { offset: shows.wrapping_sub(zero.clock(from.now)), ..zero })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    #[test]
    fn older_timestamps_are_old_across_the_wrap_and_until_24_days_have_passed() {
        let mut stamps = Timestamping::new(5);
        stamps.begin(at_ms(1000), 3);
        for (value, is_old) in [(3, false), (4, false), (2, true), (u32::MAX, true)] {
            assert_eq!(stamps.is_old(at_ms(1001), value), is_old, "{value}");
        }
        let days = 24 * 24 * 3600 * 1000;
        assert!(stamps.is_old(at_ms(1000 + days), 2));
        assert!(!stamps.is_old(at_ms(1001 + days), 2));
    }

    #[test]
    fn what_is_current_is_never_old() {
        let mut stamps = Timestamping::new(5);
        stamps.begin(at_ms(1000), 3);
        for value in [3, 4, (1 << 31) + 2, (1 << 31) + 3, (1 << 31) + 4, 2, u32::MAX] {
            assert_eq!(stamps.is_current(value), !stamps.is_old(at_ms(1001), value), "{value}");
        }
    }

    #[test]
    fn an_echo_tells_the_round_trip_and_one_from_the_future_nothing() {
        let stamps = Timestamping::new(u32::MAX - 10);
        let sent = stamps.option(at_ms(8)).value;
        assert_eq!(stamps.round_trip(at_ms(48), sent), Some(Duration::from_ms(40)));
        assert_eq!(stamps.round_trip(at_ms(8), sent), Some(Duration::from_ms(1)));
        assert_eq!(stamps.round_trip(at_ms(7), sent), None);
    }
}
