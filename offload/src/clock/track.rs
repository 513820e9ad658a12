//! What is published of one stage: two straight lines that meet at a knee, each with its bound.

use super::counter::Width;
use super::drift::Drift;
use super::scale::{scaled, scaled_exact};

/// Why a stage has no answer for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Lapse {
    /// Too few pairs agreed by then.
    #[error("too few readings of it agreed by then")]
    NotYet,
    /// A reading contradicts the ones before: bad, or the first after a jump.
    #[error("a reading of it contradicts those before, and it is not known yet which to believe")]
    Doubtful,
    /// The clock jumped, somewhere between two pairs that hold the moment.
    #[error("it jumped about then")]
    Jumped,
    /// The clock was reset about then, as its keeper said.
    #[error("it was reset about then")]
    Reset,
    /// No pair had come for too long.
    #[error("it had not been read for too long")]
    Stale,
    /// No pair had come for more than half the counter's period: how often it wrapped is unknowable.
    #[error("it had not been read for more than half its counter's period")]
    Wrapped,
    /// The moment is before all that is remembered, or before the first line.
    #[error("that is before all that is remembered of it")]
    TooOld,
}

/// One straight piece of a stage's mapping, from the tick where it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The other clock at the start, whole and fraction.
    pub(super) base: u64,
    pub(super) fraction: u64,
    /// Its ticks per tick, and how fast the bound grows, both shifted up.
    pub(super) mult: u64,
    pub(super) error_mult: u64,
    /// The bound at the start.
    pub(super) error: u64,
}

impl Line {
    /// The other clock `delta` ticks after the start, and the bound on its error. `delta` is at
    /// most the gauge's reach, for which its shift was chosen.
    #[inline]
    fn at(&self, delta: u64, shift: u32) -> (u64, u64) {
        let value = self.base.wrapping_add(scaled(delta, self.mult, self.fraction, shift));
        (value, self.error + scaled(delta, self.error_mult, 0, shift))
    }

    /// The slow twin.
    pub(super) fn at_exact(&self, delta: u64, shift: u32) -> (u64, u64) {
        let ahead = scaled_exact(delta, self.mult, self.fraction, shift);
        let grown = scaled_exact(delta, self.error_mult, 0, shift);
        (self.base.wrapping_add(ahead as u64), self.error + grown as u64)
    }
}

/// How the lines of a stage are read; the same for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gauge {
    /// Of the counter that is read off.
    pub(super) width: Width,
    /// Of every line's `mult`.
    pub(super) shift: u32,
    /// How far from its start a line may be used.
    pub(super) reach: u64,
    /// How long after a pair its lines may be used, in the host's ticks.
    pub(super) stale: u64,
    /// Half the counter's period at its fastest, in the host's ticks.
    pub(super) half_period: u64,
}

impl Gauge {
    /// Why nothing is known `silent` host ticks after the last pair, if so.
    #[inline]
    pub(super) fn lapse_after(&self, silent: u64) -> Option<Lapse> {
        if silent <= self.stale {
            None
        } else if silent < self.half_period {
            Some(Lapse::Stale)
        } else {
            Some(Lapse::Wrapped)
        }
    }
}

/// What a stage publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Track {
    /// Why the lines may not be used, if so: [`Lapse::NotYet`] or [`Lapse::Doubtful`].
    pub(super) lapse: Option<Lapse>,
    /// Which life of the clock this is.
    pub(super) generation: u16,
    /// Why the life before it ended.
    pub(super) ended: Option<Lapse>,
    /// How fast the clock that is read off runs, in a life that has a line.
    pub(super) drift: Drift,
    /// The reading at which the newer line starts, and the older ends.
    pub(super) knee: u64,
    /// How many ticks before it the older line starts; 0 where there is none.
    pub(super) back: u64,
    pub(super) newer: Line,
    pub(super) older: Line,
    /// The host's clock from which on the clock is known to be in this life.
    pub(super) since: u64,
    /// The host's clock at the last pair that agreed.
    pub(super) refreshed: u64,
}

/// How many words a [`Track`] is published in.
pub(super) const TRACK_WORDS: usize = 16;

/// How a life can have ended, by number in the words.
const ENDS: [Option<Lapse>; 5] =
    [None, Some(Lapse::Jumped), Some(Lapse::Reset), Some(Lapse::Stale), Some(Lapse::Wrapped)];

impl Track {
    /// A life of which nothing is known yet.
    pub(super) const fn not_yet(generation: u16) -> Track {
        const LINE: Line = Line { base: 0, fraction: 0, mult: 0, error_mult: 0, error: 0 };
        Track {
            lapse: Some(Lapse::NotYet),
            generation,
            ended: None,
            drift: Drift { ppb: 0, error_ppb: 0 },
            knee: 0,
            back: 0,
            newer: LINE,
            older: LINE,
            since: 0,
            refreshed: 0,
        }
    }

    /// Why there is no answer at `host`, if so.
    #[inline]
    pub(super) fn lapse_at(&self, gauge: &Gauge, host: u64) -> Option<Lapse> {
        self.lapse.or_else(|| gauge.lapse_after(host.saturating_sub(self.refreshed)))
    }

    /// The other clock at `reading`, and the bound on its error. `host` is the host's clock at some
    /// later moment.
    #[inline]
    pub(super) fn read(&self, gauge: &Gauge, reading: u64, host: u64) -> Result<(u64, u64), Lapse> {
        if let Some(lapse) = self.lapse_at(gauge, host) {
            return Err(lapse);
        }
        let delta = gauge.width.delta(reading, self.knee);
        if delta >= 0 {
            let delta = delta.cast_unsigned();
            if delta <= gauge.reach {
                Ok(self.newer.at(delta, gauge.shift))
            } else {
                Err(Lapse::Stale)
            }
        } else {
            let before = delta.unsigned_abs();
            match self.back.checked_sub(before) {
                Some(delta) => Ok(self.older.at(delta, gauge.shift)),
                None => Err(Lapse::TooOld),
            }
        }
    }

    /// The bound on the error when the other clock reads `other`, about `host`.
    pub(super) fn error_at(&self, gauge: &Gauge, other: u64, host: u64) -> Result<u64, Lapse> {
        if let Some(lapse) = self.lapse_at(gauge, host) {
            return Err(lapse);
        }
        let before_the_knee = other < self.newer.base && self.back > 0;
        let line = if before_the_knee { &self.older } else { &self.newer };
        let ahead = u128::from(other.saturating_sub(line.base)) << gauge.shift;
        let delta = ahead / u128::from(line.mult.max(1));
        let delta = u64::try_from(delta).unwrap_or(u64::MAX).min(gauge.reach);
        Ok(line.at_exact(delta, gauge.shift).1)
    }

    pub(super) fn to_words(self) -> [u64; TRACK_WORDS] {
        let lapse = match self.lapse {
            None => 0,
            Some(Lapse::Doubtful) => 1,
            Some(_) => 2,
        };
        let Line { base, fraction, mult, error_mult, error } = self.newer;
        let newer = [base, fraction, mult, error_mult, error];
        let Line { base, fraction, mult, error_mult, error } = self.older;
        let older = [base, fraction, mult, error_mult, error];
        let [a, b, c, d, e] = newer;
        let [f, g, h, i, j] = older;
        let ended = ENDS.iter().position(|end| *end == self.ended).unwrap_or_default() as u64;
        let state = lapse | u64::from(self.generation) << 8 | ended << 24;
        let drift = self.drift.to_word();
        [
            state,
            self.knee,
            self.back,
            self.since,
            self.refreshed,
            drift,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
        ]
    }

    pub(super) fn from_words(words: &[u64; TRACK_WORDS]) -> Track {
        let [state, knee, back, since, refreshed, drift, a, b, c, d, e, f, g, h, i, j] = *words;
        Track {
            lapse: match state & 0xff {
                0 => None,
                1 => Some(Lapse::Doubtful),
                _ => Some(Lapse::NotYet),
            },
            generation: (state >> 8) as u16,
            ended: ENDS.get((state >> 24) as usize).copied().flatten(),
            drift: Drift::from_word(drift),
            knee,
            back,
            newer: Line { base: a, fraction: b, mult: c, error_mult: d, error: e },
            older: Line { base: f, fraction: g, mult: h, error_mult: i, error: j },
            since,
            refreshed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_line()(words: [u64; 5]) -> Line {
            let [base, fraction, mult, error_mult, error] = words;
            Line { base, fraction, mult, error_mult, error }
        }
    }

    proptest! {
        #[test]
        fn words_say_all_of_a_track(
            newer in any_line(),
            older in any_line(),
            lapse in prop::sample::select(vec![None, Some(Lapse::NotYet), Some(Lapse::Doubtful)]),
            generation: u16,
            ended in prop::sample::select(&ENDS[..]),
            ppb: i32,
            error_ppb: u32,
            [knee, back, since, refreshed]: [u64; 4],
        ) {
            let drift = Drift { ppb, error_ppb };
            let track =
                Track { lapse, generation, ended, drift, knee, back, newer, older, since, refreshed };
            prop_assert_eq!(Track::from_words(&track.to_words()), track);
        }
    }
}
