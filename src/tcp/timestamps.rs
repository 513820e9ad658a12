//! Timestamps: round trips of segments sent twice, and protection against old duplicates
//! (RFC 7323 4 and 5).

use super::codec::{Codec, In, Out};
use super::connection::Connection;
use super::snapshot::SnapshotRefusal;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{SeqNumber, Timestamps};

/// RFC 7323 5.5: so long after any came the last timestamp says nothing, for the clock may have wrapped.
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
}

impl Timestamping {
    pub(super) const NONE: Timestamping = Timestamping { offset: 0, recent: 0 };

    pub(super) fn new(offset: u32) -> Timestamping {
        Timestamping { offset, recent: 0 }
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

    /// Whether `value` is not before the latest: such a one is never [old](Connection::is_old_stamp).
    #[inline(always)]
    pub(super) fn is_current(&self, value: u32) -> bool {
        !SeqNumber(value).is_before(SeqNumber(self.recent))
    }

    /// Remembers a `value` that is not old, of a segment that begins at or before what we last acknowledged
    /// (RFC 7323 4.3).
    #[inline(always)]
    pub(super) fn note(&mut self, value: u32) {
        self.recent = value;
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

impl Connection {
    /// Has segments bear timestamps, or none.
    pub(super) fn set_stamps(&mut self, ours: Option<Timestamping>) {
        self.is_stamped = ours.is_some();
        self.stamps = ours.unwrap_or(Timestamping::NONE);
    }

    /// The peer's SYN carried `value`.
    pub(super) fn begin_stamps(&mut self, now: Instant, value: u32) {
        (self.stamps.recent, self.stamped_at) = (value, now);
    }

    /// The timestamps, if they are agreed on, or if we offer them.
    #[inline(always)]
    pub(super) fn stamps(&self) -> Option<&Timestamping> {
        if self.is_stamped { Some(&self.stamps) } else { None }
    }

    /// Whether a segment with `value` is an old duplicate (RFC 7323 5.3, R1).
    #[inline]
    pub(super) fn is_old_stamp(&self, now: Instant, value: u32) -> bool {
        let ago = Duration::from_ns(now.as_ns().wrapping_sub(self.stamped_at.as_ns()));
        !self.stamps.is_current(value) && ago <= RECENT_VALID
    }

    /// A segment with a timestamp that is not old came.
    #[inline(always)]
    pub(super) fn hear_stamp(&mut self, now: Instant) {
        self.stamped_at = now;
    }

    /// Whether whatever came last had one.
    pub(super) fn is_stamp_heard_last(&self) -> bool {
        self.stamped_at == self.last_heard
    }

    /// The short way is closed: whatever came by it had one.
    #[inline(always)]
    pub(super) fn hear_stamps_of_fast(&mut self) {
        self.stamped_at = self.last_heard;
    }

    /// The timestamps as they are written, and read.
    pub(super) fn put_stamps(&self, out: &mut Out<'_>) {
        let heard_at = self.stamped_at;
        self.stamps().map(|ours| Image { ours: *ours, heard_at }).put(out);
    }

    pub(super) fn take_stamps(&mut self, from: &mut In<'_>) -> Result<(), SnapshotRefusal> {
        let image: Option<Image> = Codec::take(from)?;
        self.set_stamps(image.as_ref().map(|image| image.ours));
        self.stamped_at = image.map_or(Instant::ZERO, |image| image.heard_at);
        Ok(())
    }
}

struct Image {
    ours: Timestamping,
    heard_at: Instant,
}

impl Codec for Image {
    /// Our clock by what it shows now: by another stack's clock it is to show the same.
    fn put(&self, out: &mut Out<'_>) {
        let distance_ns = self.heard_at.as_ns().wrapping_sub(out.now.as_ns());
        (self.ours.clock(out.now), (self.ours.recent, distance_ns)).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Image, SnapshotRefusal> {
        let (shows, (recent, distance_ns)): (u32, (u32, u64)) = Codec::take(from)?;
        let heard_at = Instant::from_ns(from.now.as_ns().wrapping_add(distance_ns));
        let offset = shows.wrapping_sub(Timestamping::NONE.clock(from.now));
        Ok(Image { ours: Timestamping { offset, recent }, heard_at })
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant::from_ms(ms)
    }

    /// One whose peer's last timestamp came at 1000 ms.
    fn heard(value: u32) -> Connection {
        let mut connection = Connection::new(&Config::default());
        connection.set_stamps(Some(Timestamping::new(5)));
        connection.begin_stamps(at_ms(1000), value);
        connection
    }

    #[test]
    fn older_timestamps_are_old_across_the_wrap_and_until_24_days_have_passed() {
        let peer = heard(3);
        for (value, is_old) in [(3, false), (4, false), (2, true), (u32::MAX, true)] {
            assert_eq!(peer.is_old_stamp(at_ms(1001), value), is_old, "{value}");
        }
        let days = 24 * 24 * 3600 * 1000;
        assert!(peer.is_old_stamp(at_ms(1000 + days), 2));
        assert!(!peer.is_old_stamp(at_ms(1001 + days), 2));
    }

    #[test]
    fn what_is_current_is_never_old() {
        let peer = heard(3);
        for value in [3, 4, (1 << 31) + 2, (1 << 31) + 3, (1 << 31) + 4, 2, u32::MAX] {
            let is_old = peer.is_old_stamp(at_ms(1001), value);
            assert_eq!(peer.stamps.is_current(value), !is_old, "{value}");
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
