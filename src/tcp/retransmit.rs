//! When to send again if nothing is heard: the retransmission timeout (RFC 6298) and the probe timeout
//! (RFC 8985 7.2).

use core::mem::offset_of;

use super::codec::{Codec, In, Out, is_span};
use super::config::Config;
use super::rack::RTT_VALID;
use super::snapshot::SnapshotRefusal;
use crate::time::{Duration, Instant};

/// The least that variance adds, our clock's granularity (RFC 6298 2, G).
const GRANULARITY_NS: u64 = 1_000;
/// RFC 6298 5.7: the timeout after a handshake whose SYN had to be sent again.
const AFTER_SYN_LOSS: Duration = Duration::from_s(3);

/// RFC 8985 7.2: the probe timeout before a round trip has been measured.
const PROBE_TIMEOUT_INITIAL: Duration = Duration::from_s(1);
/// RFC 1122 4.2.3.2: no ACK may be delayed longer.
const ACK_DELAY_MAX: Duration = Duration::from_ms(500);
/// 2^16 times the shortest timeout is past every longest one that makes sense.
const BACKOFF_MAX: u8 = 16;

/// A time to a second or so, in half the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Coarse(u32);

impl Coarse {
    const NEVER: Coarse = Coarse(u32::MAX);

    #[inline(always)]
    fn of(at: Instant) -> Coarse {
        Coarse((at.as_ns() >> 30) as u32)
    }
}

/// The round trip as measured, and the timeout that follows from it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct RttEstimator {
    rto: Duration,
    /// No timeout is shorter, from the next measurement on.
    rto_min: Duration,
    /// Zero before anything is measured. Where the timeouts [are behind](RttEstimator::is_behind), both stand below.
    srtt_ns: u64,
    rttvar_ns: u64,
    /// By how much the peer delays ACKs at most, as far as is known.
    ack_delay: Duration,
    /// Until when `ack_delay` stands, where it is more than was said of the peer, if no other ACK is as late.
    ack_delay_until: Coarse,
    /// Until when that and the shortest round trip stood when the books were kept: they are looked at then.
    fresh_until: Coarse,
    is_measured: bool,
    backoff: u8,
    /// Nothing was measured since the last loss probe, or ever (RFC 8985 7.3).
    wants_sample: bool,
    noted: Noted,
}

/// What a measurement asks and changes that is [only noted](RttEstimator::note): in ns, in words of 32 bits, which hold
/// round trips of [two seconds](NOTED_NS_MAX).
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Noted {
    srtt_ns: u32,
    rttvar_ns: u32,
    /// Of what was noted last, the round trip of the segment that had left last; [`NOTHING_NOTED`] where the timeouts are
    /// those that follow from all that was measured.
    latest_ns: u32,
    /// Longer than what may be noted.
    limit_ns: u32,
}

impl Noted {
    const NOTHING: Noted =
        Noted { srtt_ns: 0, rttvar_ns: 0, latest_ns: NOTHING_NOTED, limit_ns: 0 };
}

/// No round trip is as long, smoothed or not, that is noted.
const NOTED_NS_MAX: u32 = 1 << 31;
const NOTHING_NOTED: u32 = u32::MAX;

impl RttEstimator {
    /// Where that begins which [noting](RttEstimator::note) asks and changes, in bytes.
    pub(super) const NOTED_AT: usize = offset_of!(RttEstimator, noted);

    pub(super) fn new(config: &Config) -> RttEstimator {
        RttEstimator {
            srtt_ns: 0,
            is_measured: false,
            rttvar_ns: 0,
            rto: config.rto_initial,
            rto_min: config.rto_min,
            backoff: 0,
            ack_delay: config.peer_max_ack_delay,
            ack_delay_until: Coarse::NEVER,
            fresh_until: Coarse::NEVER,
            wants_sample: true,
            noted: Noted::NOTHING,
        }
    }

    /// Another floor, and another thing known of the peer, from the next measurement on. Nothing
    /// [is behind](RttEstimator::is_behind).
    pub(super) fn set_terms(&mut self, rto_min: Duration, ack_delay: Duration) {
        (self.rto_min, self.ack_delay) = (rto_min, ack_delay);
        self.ack_delay_until = Coarse::NEVER;
    }

    pub(super) fn srtt(&self) -> Option<Duration> {
        self.is_measured.then_some(Duration::from_ns(self.smoothed().0))
    }

    pub(super) fn rttvar(&self) -> Duration {
        Duration::from_ns(self.smoothed().1)
    }

    /// SRTT and RTTVAR, in ns.
    #[inline(always)]
    fn smoothed(&self) -> (u64, u64) {
        if self.is_behind() {
            (u64::from(self.noted.srtt_ns), u64::from(self.noted.rttvar_ns))
        } else {
            (self.srtt_ns, self.rttvar_ns)
        }
    }

    /// The timeout now, back-off included.
    #[inline]
    pub(super) fn rto(&self, config: &Config) -> Duration {
        let rto = if self.is_behind() { self.timeout(config) } else { self.rto };
        let rto = if self.backoff == 0 { rto } else { rto.times(1 << self.backoff) };
        rto.min(config.rto_max)
    }

    /// The timeout without back-off.
    pub(super) fn first_rto(&self, config: &Config) -> Duration {
        RttEstimator { backoff: 0, ..*self }.rto(config)
    }

    /// Takes a measurement in (RFC 6298 2.2, 2.3). It must not be of a segment sent twice
    /// (Karn's algorithm) unless a timestamp tells which.
    #[inline(always)]
    pub(super) fn sample(&mut self, rtt: Duration, config: &Config) {
        let rtt_ns = rtt.as_ns().min(config.rto_max.as_ns());
        let (srtt_ns, rttvar_ns) = self.smoothed();
        (self.srtt_ns, self.rttvar_ns) = if self.is_measured {
            // (3 var + |off|) / 4 and (7 srtt + rtt) / 8, each by what it moves by, rounded down as they are.
            let off = rtt_ns.wrapping_sub(srtt_ns).cast_signed();
            let spread = off.wrapping_abs().wrapping_sub(rttvar_ns.cast_signed());
            (srtt_ns.wrapping_add_signed(off >> 3), rttvar_ns.wrapping_add_signed(spread >> 2))
        } else {
            (rtt_ns, rtt_ns / 2)
        };
        (self.is_measured, self.backoff) = (true, 0);
        self.work_out(config);
    }

    /// Whether a round trip of so many ns can be [noted](RttEstimator::note).
    #[inline(always)]
    pub(super) fn may_note(&self, rtt_ns: u64) -> bool {
        rtt_ns < u64::from(self.noted.limit_ns)
    }

    /// A [sample](RttEstimator::sample) after others that [may be](RttEstimator::may_note): the same but for the
    /// timeouts, which [are behind](RttEstimator::settle) then. What left last of what it is of took `latest_ns`.
    #[inline(always)]
    pub(super) fn note(&mut self, rtt_ns: u32, latest_ns: u32) {
        debug_assert!(self.is_measured && latest_ns <= rtt_ns && self.may_note(rtt_ns.into()));
        let noted = &mut self.noted;
        let off = rtt_ns.wrapping_sub(noted.srtt_ns).cast_signed();
        let spread = off.wrapping_abs().wrapping_sub(noted.rttvar_ns.cast_signed());
        noted.rttvar_ns = noted.rttvar_ns.wrapping_add_signed(spread >> 2);
        noted.srtt_ns = noted.srtt_ns.wrapping_add_signed(off >> 3);
        noted.latest_ns = latest_ns;
    }

    /// Whether the timeouts are those before the last measurement.
    #[inline(always)]
    pub(super) fn is_behind(&self) -> bool {
        self.noted.latest_ns != NOTHING_NOTED
    }

    /// Works out the timeouts where they are behind, and says what the segment took that had left last.
    #[inline(always)]
    pub(super) fn settle(&mut self, config: &Config) -> Option<Duration> {
        if !self.is_behind() {
            return None;
        }
        let latest = Duration::from_ns(u64::from(self.noted.latest_ns));
        (self.srtt_ns, self.rttvar_ns) = self.smoothed();
        self.work_out(config);
        Some(latest)
    }

    #[inline(always)]
    fn work_out(&mut self, config: &Config) {
        self.wants_sample = false;
        self.noted.latest_ns = NOTHING_NOTED;
        self.begin_note();
        self.rto = self.timeout(config);
    }

    /// What is noted goes on from what was measured. Nothing is, where that is too long.
    #[inline(always)]
    fn begin_note(&mut self) {
        let (srtt_ns, rttvar_ns) = (self.srtt_ns, self.rttvar_ns);
        (self.noted.srtt_ns, self.noted.rttvar_ns) = (srtt_ns as u32, rttvar_ns as u32);
        if srtt_ns | rttvar_ns >= u64::from(NOTED_NS_MAX) {
            self.noted.limit_ns = 0;
        }
    }

    /// RFC 6298 2.3 and 2.4: the timeout that follows from what was measured.
    #[inline(always)]
    fn timeout(&self, config: &Config) -> Duration {
        let (srtt_ns, rttvar_ns) = self.smoothed();
        let variance_ns = (4 * rttvar_ns).max(GRANULARITY_NS).max(self.ack_delay.as_ns());
        let rto_ns = srtt_ns + variance_ns;
        Duration::from_ns(rto_ns).clamp(self.rto_min.min(config.rto_max), config.rto_max)
    }

    /// Finds out how long a round trip may be that can be [noted](RttEstimator::note) where the shortest was `least`, and
    /// whether any can.
    pub(super) fn settle_note(&mut self, least: Duration, config: &Config) -> bool {
        let (srtt_ns, rttvar_ns) = self.smoothed();
        let is_short = srtt_ns | rttvar_ns < u64::from(NOTED_NS_MAX);
        // One that is late teaches something, and one that is longer than the longest timeout is cut.
        let late = Duration::from_ns(least.as_ns().saturating_add(self.ack_delay.as_ns()));
        let most = if self.learns_ack_delay() { late } else { config.rto_max };
        let most_ns = most.min(config.rto_max).as_ns().min(u64::from(NOTED_NS_MAX) - 1);
        let is_noted = self.is_measured && self.backoff == 0 && is_short;
        self.noted.limit_ns = if is_noted { most_ns as u32 + 1 } else { 0 };
        is_noted
    }

    /// No timeout, of a segment or of a probe that may be answered late, is shorter, now or after further
    /// measurements, where the peer is said to delay by `ack_delay`: what was learned beyond that is forgotten again.
    pub(super) fn patience(&self, config: &Config, ack_delay: Duration) -> Duration {
        self.rto_least(config).min(self.ack_delay).min(ack_delay)
    }

    /// No retransmission timeout is shorter, now or after further measurements.
    pub(super) fn rto_least(&self, config: &Config) -> Duration {
        let now = if self.is_behind() { config.rto_max } else { self.rto };
        now.min(self.rto_min).min(config.rto_max)
    }

    /// Whether anything is learned of the peer's delays. Of one that is said to delay nothing, nothing is: whatever comes
    /// late there was held up or lost, and would be waited for ever after.
    #[inline(always)]
    fn learns_ack_delay(&self) -> bool {
        self.ack_delay > Duration::ZERO
    }

    /// Whether a round trip that took `late` longer than the shortest [teaches](RttEstimator::learn_ack_delay) anything.
    #[inline(always)]
    pub(super) fn is_taught_by(&self, now: Instant, late: Duration) -> bool {
        (late >= self.ack_delay || Coarse::of(now) >= self.ack_delay_until)
            && self.learns_ack_delay()
    }

    /// The peer may delay by as much as it did, and by no less than was `said` of it.
    #[cold]
    pub(super) fn learn_ack_delay(&mut self, now: Instant, late: Duration, said: Duration) {
        // What was learned is no less than that, but for terms that nobody ever set.
        let said = said.min(self.ack_delay);
        self.ack_delay = late.min(ACK_DELAY_MAX).max(said);
        let is_learned = self.ack_delay > said;
        self.ack_delay_until = if is_learned { Coarse::of(now + RTT_VALID) } else { Coarse::NEVER };
    }

    /// Whether nothing has to be learned anew by now, as far as was known when the books were kept.
    #[inline(always)]
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        Coarse::of(now) < self.fresh_until
    }

    /// With the books: the shortest round trip stands until then.
    pub(super) fn settle_fresh_until(&mut self, min_rtt_until: Instant) {
        self.fresh_until = Coarse::of(min_rtt_until).min(self.ack_delay_until);
    }

    /// How long to wait for any answer before probing for one, `may_be_delayed` or not.
    #[inline(always)]
    pub(super) fn probe_timeout(&self, may_be_delayed: bool) -> Duration {
        // Twice the round trip, as long as the timeouts stand, or what stands for it before one is measured.
        let initial_ns = PROBE_TIMEOUT_INITIAL.as_ns();
        let timeout_ns = if self.is_measured { 2 * self.srtt_ns } else { initial_ns };
        Duration::from_ns(timeout_ns + if may_be_delayed { self.ack_delay.as_ns() } else { 0 })
    }

    /// A loss probe leaves: before the next one something is to be measured.
    pub(super) fn want_sample(&mut self) {
        self.wants_sample = true;
    }

    pub(super) fn wants_sample(&self) -> bool {
        self.wants_sample
    }

    /// The timer went off: twice as long next time (RFC 6298 5.5).
    pub(super) fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(BACKOFF_MAX);
    }

    /// Whether the timer went off, and nothing was measured since.
    pub(super) fn is_backed_off(&self) -> bool {
        self.backoff > 0
    }

    /// The peer answers again: no back-off.
    pub(super) fn clear_backoff(&mut self) {
        self.backoff = 0;
    }

    /// The handshake took more than one SYN, and nothing was measured.
    pub(super) fn after_syn_loss(&mut self, config: &Config) {
        if !self.is_measured {
            self.rto = self.rto.max(AFTER_SYN_LOSS).min(config.rto_max);
            self.backoff = 0;
        }
    }
}

impl Codec for RttEstimator {
    /// Nothing [is behind](RttEstimator::is_behind).
    fn put(&self, out: &mut Out<'_>) {
        debug_assert!(!self.is_behind());
        let RttEstimator { rttvar_ns, rto, rto_min, backoff, ack_delay, wants_sample, .. } = self;
        let srtt_ns = self.is_measured.then_some(self.srtt_ns);
        ((srtt_ns, *rttvar_ns), (*rto, *rto_min)).put(out);
        ((*backoff, *ack_delay), *wants_sample).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<RttEstimator, SnapshotRefusal> {
        let ((srtt_ns, rttvar_ns), (rto, rto_min)): ((Option<u64>, _), _) = Codec::take(from)?;
        let ((backoff, ack_delay), wants_sample) = Codec::take(from)?;
        // When it was learned was not written: it is learned anew.
        let (ack_delay_until, fresh_until) = (Coarse::of(from.now + RTT_VALID), Coarse::NEVER);
        let mut read = RttEstimator {
            srtt_ns: srtt_ns.unwrap_or_default(),
            is_measured: srtt_ns.is_some(),
            rttvar_ns,
            rto,
            rto_min,
            backoff,
            ack_delay,
            ack_delay_until,
            fresh_until,
            wants_sample,
            noted: Noted::NOTHING,
        };
        read.begin_note();
        Ok(read)
    }
}

impl RttEstimator {
    /// Whether every span in it is one.
    pub(super) fn is_sound(&self) -> bool {
        let (srtt, rttvar) = (self.srtt().unwrap_or_default(), Duration::from_ns(self.rttvar_ns));
        let spans = [srtt, rttvar, self.rto, self.rto_min, self.ack_delay];
        spans.into_iter().all(is_span) && self.rto > Duration::ZERO && self.backoff <= BACKOFF_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_ms(ms)
    }

    #[test]
    fn timeout_follows_the_measurements() {
        let config = Config { rto_min: ms(1), ..Config::default() };
        let mut rtt = RttEstimator::new(&config);
        assert_eq!(rtt.rto(&config), ms(1000));
        // sample -> SRTT, RTO in us, by the formulas of RFC 6298 2.2 and 2.3
        for (sample, srtt, rto) in
            [(ms(100), 100_000, 300_000), (ms(100), 100_000, 250_000), (ms(180), 110_000, 302_500)]
        {
            rtt.sample(sample, &config);
            assert_eq!(rtt.srtt(), Some(Duration::from_us(srtt)));
            assert_eq!(rtt.rto(&config), Duration::from_us(rto));
        }
    }

    #[test]
    fn back_off_doubles_to_the_maximum_and_ends_with_a_sample() {
        let config = Config::default();
        let mut rtt = RttEstimator::new(&config);
        rtt.sample(ms(1), &config);
        assert_eq!(rtt.rto(&config), ms(200));
        let mut seen = Vec::new();
        for _ in 0..300 {
            rtt.back_off();
            seen.push(rtt.rto(&config).as_ms());
        }
        assert_eq!(seen[..4], [400, 800, 1600, 3200]);
        assert_eq!(seen[299], 60_000);
        rtt.sample(ms(1), &config);
        assert_eq!(rtt.rto(&config), ms(200));
    }

    #[test]
    fn a_lost_syn_leaves_three_seconds_unless_timestamps_measured_it() {
        let config = Config::default();
        let mut rtt = RttEstimator::new(&config);
        rtt.back_off();
        rtt.after_syn_loss(&config);
        assert_eq!(rtt.rto(&config), ms(3000));
        rtt.sample(ms(1), &config);
        rtt.after_syn_loss(&config);
        assert_eq!(rtt.rto(&config), ms(200));
    }
}
