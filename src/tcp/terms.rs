//! The terms that a connection goes by, as it keeps them: in half the room of [`Terms`], without what stands
//! elsewhere in it (the congestion control, and the floor of the retransmission timeout).

use super::codec::{Codec, In, Out};
use super::config::{ACK_DELAY_MAX, KeepAlive, Terms, UserTimeoutLimits, UserTimeoutOption};
use super::snapshot::SnapshotRefusal;
use crate::time::Duration;
use crate::wire::tcp::UserTimeout;

/// A span that there may be, in a word. One that would be taken for none is a nanosecond longer, as is every other of 584
/// years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span(u64);

impl Span {
    const NONE: Span = Span(u64::MAX - 1);

    fn of(span: Option<Duration>) -> Span {
        match span.map(Duration::as_ns) {
            None => Span::NONE,
            Some(ns) if ns == Span::NONE.0 => Span(u64::MAX),
            Some(ns) => Span(ns),
        }
    }

    #[inline(always)]
    fn told(self) -> Option<Duration> {
        if self == Span::NONE { None } else { Some(Duration::from_ns(self.0)) }
    }
}

/// Stands for no [delay](KeptTerms::ack_delay): all of them are shorter.
const NO_DELAY: u32 = u32::MAX;
const _: () = assert!(ACK_DELAY_MAX.as_ns() < NO_DELAY as u64);

/// Bits of [`KeptTerms::asked`].
const SACK: u8 = 1;
const ECN: u8 = 2;
const NAGLE: u8 = 4;
const PACING: u8 = 8;

/// [`Terms`], kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptTerms {
    peer_max_ack_delay: Duration,
    orphan_timeout: Duration,
    user_timeout: Span,
    stale_after: Span,
    /// Meaningless without probes, both.
    keep_alive_idle: Duration,
    keep_alive_interval: Duration,
    /// The limits of the user timeout option: nothing is adopted without the first.
    adopted_least: Span,
    adopted_most: Duration,
    ack_delay_ns: u32,
    advertised: Option<UserTimeout>,
    keep_alive_probes: u8,
    asked: u8,
}

impl KeptTerms {
    pub(super) fn of(terms: &Terms) -> KeptTerms {
        let terms = terms.bounded();
        let flags =
            [(terms.sack, SACK), (terms.ecn, ECN), (terms.nagle, NAGLE), (terms.pacing, PACING)];
        let asked =
            flags.iter().filter(|(is_asked, _)| *is_asked).fold(0, |all, (_, bit)| all | bit);
        let kept = KeptTerms {
            peer_max_ack_delay: terms.peer_max_ack_delay,
            orphan_timeout: terms.orphan_timeout,
            user_timeout: Span::of(terms.user_timeout),
            stale_after: Span::of(terms.stale_after),
            keep_alive_idle: Duration::ZERO,
            keep_alive_interval: Duration::ZERO,
            adopted_least: Span::NONE,
            adopted_most: Duration::ZERO,
            ack_delay_ns: terms.ack_delay.map_or(NO_DELAY, |delay| delay.as_ns() as u32),
            advertised: None,
            keep_alive_probes: 0,
            asked,
        };
        kept.probing(terms.keep_alive).telling(terms.user_timeout_option)
    }

    fn probing(self, keep_alive: Option<KeepAlive>) -> KeptTerms {
        let Some(KeepAlive { idle, interval, probes }) = keep_alive else { return self };
        KeptTerms {
            keep_alive_idle: idle,
            keep_alive_interval: interval,
            keep_alive_probes: probes,
            ..self
        }
    }

    fn telling(self, option: Option<UserTimeoutOption>) -> KeptTerms {
        let Some(UserTimeoutOption { advertised, adopts }) = option else { return self };
        KeptTerms {
            advertised: Some(advertised),
            adopted_least: Span::of(adopts.map(|limits| limits.least)),
            adopted_most: adopts.map_or(Duration::ZERO, |limits| limits.most),
            ..self
        }
    }

    pub(super) fn sack(&self) -> bool {
        self.asked & SACK != 0
    }

    pub(super) fn ecn(&self) -> bool {
        self.asked & ECN != 0
    }

    #[inline]
    pub(super) fn nagle(&self) -> bool {
        self.asked & NAGLE != 0
    }

    #[inline]
    pub(super) fn pacing(&self) -> bool {
        self.asked & PACING != 0
    }

    pub(super) fn peer_max_ack_delay(&self) -> Duration {
        self.peer_max_ack_delay
    }

    pub(super) fn orphan_timeout(&self) -> Duration {
        self.orphan_timeout
    }

    #[inline(always)]
    pub(super) fn ack_delay(&self) -> Option<Duration> {
        match self.ack_delay_ns {
            NO_DELAY => None,
            delay_ns => Some(Duration::from_ns(u64::from(delay_ns))),
        }
    }

    #[inline(always)]
    pub(super) fn stale_after(&self) -> Option<Duration> {
        self.stale_after.told()
    }

    pub(super) fn user_timeout(&self) -> Option<Duration> {
        self.user_timeout.told()
    }

    pub(super) fn keep_alive(&self) -> Option<KeepAlive> {
        match self.keep_alive_probes {
            0 => None,
            probes => Some(KeepAlive {
                idle: self.keep_alive_idle,
                interval: self.keep_alive_interval,
                probes,
            }),
        }
    }

    pub(super) fn user_timeout_option(&self) -> Option<UserTimeoutOption> {
        let limits = |least| UserTimeoutLimits { least, most: self.adopted_most };
        let adopts = self.adopted_least.told().map(limits);
        self.advertised.map(|advertised| UserTimeoutOption { advertised, adopts })
    }
}

impl Codec for Span {
    fn put(&self, out: &mut Out<'_>) {
        self.told().put(out);
    }

    fn take(from: &mut In<'_>) -> Result<Span, SnapshotRefusal> {
        Codec::take(from).map(Span::of)
    }
}

impl Codec for KeptTerms {
    fn put(&self, out: &mut Out<'_>) {
        ((self.peer_max_ack_delay, self.orphan_timeout), (self.user_timeout, self.stale_after))
            .put(out);
        ((self.keep_alive(), self.user_timeout_option()), (self.ack_delay(), self.asked)).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<KeptTerms, SnapshotRefusal> {
        let ((peer_max_ack_delay, orphan_timeout), (user_timeout, stale_after)) =
            <((Duration, Duration), (Option<Duration>, Option<Duration>)) as Codec>::take(from)?;
        let ((keep_alive, user_timeout_option), (ack_delay, asked)): (_, (Option<Duration>, u8)) =
            Codec::take(from)?;
        if asked & !(SACK | ECN | NAGLE | PACING) != 0 {
            return Err(SnapshotRefusal::Malformed);
        }
        let terms = Terms {
            peer_max_ack_delay,
            orphan_timeout,
            user_timeout,
            stale_after,
            keep_alive,
            user_timeout_option,
            ack_delay,
            ..Terms::default()
        };
        Ok(KeptTerms { asked, ..KeptTerms::of(&terms) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::SPAN_MAX;
    use super::*;

    const LONG: Duration = Duration::from_ns(u64::MAX);

    /// What is kept of `terms` says the same as they do.
    fn keeps(terms: &Terms) {
        let kept = KeptTerms::of(terms);
        let read = Terms {
            sack: kept.sack(),
            ecn: kept.ecn(),
            nagle: kept.nagle(),
            pacing: kept.pacing(),
            ack_delay: kept.ack_delay(),
            peer_max_ack_delay: kept.peer_max_ack_delay(),
            keep_alive: kept.keep_alive(),
            user_timeout: kept.user_timeout(),
            user_timeout_option: kept.user_timeout_option(),
            orphan_timeout: kept.orphan_timeout(),
            stale_after: kept.stale_after(),
            // These stand elsewhere.
            congestion: terms.congestion,
            rto_min: terms.rto_min,
        };
        assert_eq!(read, *terms);
        let mut bytes = Vec::new();
        let now = crate::time::Instant::ZERO;
        kept.put(&mut Out { bytes: &mut bytes, now });
        assert_eq!(KeptTerms::take(&mut In { bytes: &bytes, now }), Ok(kept));
    }

    #[test]
    fn whatever_was_asked_for_is_kept_and_written() {
        let own = Terms::default();
        keeps(&own);
        for bits in 0..16 {
            let has = |bit: u8| bits & bit != 0;
            let (sack, ecn, nagle, pacing) = (has(1), has(2), has(4), has(8));
            keeps(&Terms { sack, ecn, nagle, pacing, ..own });
        }
        let years = [1 << 50, (1 << 50) + 1, 1 << 62, u64::MAX - 2].map(Duration::from_ns);
        let short = [Duration::ZERO, Duration::from_ns(1), Duration::from_ms(500), LONG];
        for span in short.into_iter().chain(years) {
            let ack_delay = Some(span.min(ACK_DELAY_MAX));
            let peer_max_ack_delay = span.min(SPAN_MAX);
            keeps(&Terms { ack_delay, peer_max_ack_delay, orphan_timeout: span, ..own });
            keeps(&Terms { user_timeout: Some(span), ..own });
            keeps(&Terms { stale_after: Some(span), ..own });
            let interval = span.max(Duration::from_ms(1));
            keeps(&Terms {
                keep_alive: Some(KeepAlive { idle: span, interval, probes: 9 }),
                ..own
            });
            let advertised = UserTimeout::of(Duration::from_s(100));
            let limits = UserTimeoutLimits { least: span, most: LONG };
            for adopts in [None, Some(limits)] {
                let user_timeout_option = Some(UserTimeoutOption { advertised, adopts });
                keeps(&Terms { user_timeout_option, ..own });
            }
        }
    }
}
