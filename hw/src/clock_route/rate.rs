//! At which rate a device's clock counts, where nobody says: watched against the host's counter.

use std::thread::sleep;
use std::time::Duration;

use fixwire_offload::clock::Bracket;
use fixwire_offload::stamp::ClockInfo;

use super::RateBy;

/// How often a clock is read for one bracket.
const READINGS: usize = 8;
/// How long it is watched at least, and how many times that at most.
const WATCH: Duration = Duration::from_millis(10);
const WATCHES_MAX: usize = 20;
/// It is watched until its rate is known this well.
const WITHIN_PPB: u64 = 20_000;
/// A rate that is less well known is none: half of what a clock discipline takes as drift unless told
/// otherwise.
pub const WITHIN_PPB_MAX: u64 = 100_000;

const PPB: u128 = 1_000_000_000;

/// Why a clock's rate is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateRefusal {
    /// It did not answer.
    #[error("it answered once and then no more")]
    Silent,
    /// It did not go on.
    #[error("it stands still")]
    StoodStill,
    /// It was read, and never so quickly that its rate would have shown.
    #[error(
        "its rate could not be measured within {} ppm in {} ms: the host is too busy, or the bus too slow",
        WITHIN_PPB_MAX / 1_000,
        WATCHES_MAX as u128 * WATCH.as_millis()
    )]
    TooCoarse,
}

/// Ticks per second of the clock that is read in the brackets, of whose readings `bits` count; takes 10 to
/// 200 ms. By the counter's nominal rate, whose own error comes on top.
///
/// # Errors
/// [`RateRefusal`], where it does not show.
pub fn measured(
    counter: &ClockInfo,
    bits: u32,
    mut bracket: impl FnMut() -> Option<Bracket>,
) -> Result<(u64, RateBy), RateRefusal> {
    watch(counter, bits, &mut bracket, || sleep(WATCH))
}

/// What a device declares, where it was found to be so, and else what was found.
pub fn agreed(declared: Option<u64>, (ticks_per_s, by): (u64, RateBy)) -> (u64, RateBy) {
    let RateBy::Measured { within_ppb } = by else { return (ticks_per_s, by) };
    let off_ppb = u128::from(WITHIN_PPB_MAX + within_ppb);
    let agrees = |rate: &u64| {
        u128::from(rate.abs_diff(ticks_per_s)) * PPB <= off_ppb * u128::from(ticks_per_s)
    };
    let declared = declared.filter(agrees).map(|rate| (rate, RateBy::Device));
    declared.unwrap_or((ticks_per_s, by))
}

fn watch(
    counter: &ClockInfo,
    bits: u32,
    mut bracket: impl FnMut() -> Option<Bracket>,
    mut wait: impl FnMut(),
) -> Result<(u64, RateBy), RateRefusal> {
    let mut narrowest = || Bracket::narrowest((0..READINGS).filter_map(|_| bracket()));
    let first = narrowest().ok_or(RateRefusal::Silent)?;
    let mut told = Err(RateRefusal::Silent);
    for _ in 0..WATCHES_MAX {
        wait();
        let Some(last) = narrowest() else { continue };
        told = between(counter, bits, &first, &last);
        if matches!(told, Ok((_, within_ppb)) if within_ppb <= WITHIN_PPB) {
            break;
        }
    }
    match told? {
        (_, within_ppb) if within_ppb > WITHIN_PPB_MAX => Err(RateRefusal::TooCoarse),
        (ticks_per_s, within_ppb) => Ok((ticks_per_s, RateBy::Measured { within_ppb })),
    }
}

/// The rate from one bracket to another, and how far off it can be.
fn between(
    counter: &ClockInfo,
    bits: u32,
    first: &Bracket,
    last: &Bracket,
) -> Result<(u64, u64), RateRefusal> {
    // Each reading of the counter names the tick that it fell into, so the last counts whole.
    let middle = |one: &Bracket| one.width().map(|width| (one.before + width / 2, width / 2 + 2));
    let ((from, from_off), (to, to_off)) =
        middle(first).zip(middle(last)).ok_or(RateRefusal::TooCoarse)?;
    let mask = u64::MAX >> (u64::BITS - bits.clamp(1, u64::BITS));
    let ticks = u128::from(last.reading.wrapping_sub(first.reading) & mask);
    if ticks == 0 {
        return Err(RateRefusal::StoodStill);
    }
    let host = u128::from(to.checked_sub(from).ok_or(RateRefusal::TooCoarse)?);
    let off = u128::from(from_off + to_off);
    if ticks < 2 || host <= off {
        return Err(RateRefusal::TooCoarse);
    }
    // A reading of the clock names a tick as well; and what rounding takes from the rate.
    let within_ppb = (off * PPB).div_ceil(host - off) + PPB.div_ceil(ticks - 1) + 2;
    let ticks_per_s = ticks * u128::from(counter.ticks_per_s) / host;
    let fit = |number| u64::try_from(number).map_err(|_| RateRefusal::TooCoarse);
    Ok((fit(ticks_per_s)?, fit(within_ppb)?))
}

#[cfg(test)]
mod tests {
    use fixwire_offload::stamp::{ClockId, Domain};
    use proptest::prelude::*;

    use super::*;

    const TSC: ClockInfo =
        ClockInfo { id: ClockId::HOST, domain: Domain::Tsc, ticks_per_s: 2_500_000_000, bits: 64 };

    /// A clock beside the host's counter, both read as of picoseconds.
    struct Pair {
        ticks_per_s: u64,
        bits: u32,
        begin: u64,
        now_ps: u128,
    }

    impl Pair {
        fn bracket(&mut self, before_ps: u64, after_ps: u64) -> Bracket {
            let at = |ps: u128, rate: u64| (ps * u128::from(rate) / 1_000_000_000_000) as u64;
            let before = at(self.now_ps, TSC.ticks_per_s);
            self.now_ps += u128::from(before_ps);
            let reading = self.begin.wrapping_add(at(self.now_ps, self.ticks_per_s));
            let reading = reading & (u64::MAX >> (u64::BITS - self.bits));
            self.now_ps += u128::from(after_ps);
            Bracket { before, reading, after: at(self.now_ps, TSC.ticks_per_s) }
        }
    }

    proptest! {
        #[test]
        fn a_rate_is_within_the_bound_of_what_was_found(
            ticks_per_s in 1_000_000u64..2_000_000_000,
            // One that wraps while it is watched, too.
            begin in any::<u64>(),
            bits in 40u32..=64,
            spans in prop::collection::vec((0u64..2_000_000, 0u64..2_000_000), 64),
        ) {
            let mut pair = Pair { ticks_per_s, bits, begin, now_ps: 1 << 40 };
            let mut spans = spans.into_iter().cycle();
            let (cell, mut waits) = (std::cell::RefCell::new(&mut pair), 0);
            let found = watch(
                &TSC,
                bits,
                || {
                    let (before, after) = spans.next().unwrap();
                    Some(cell.borrow_mut().bracket(before, after))
                },
                || {
                    cell.borrow_mut().now_ps += 10_000_000_000;
                    waits += 1;
                },
            );
            let (rate, RateBy::Measured { within_ppb }) = found.unwrap() else { panic!("{found:?}") };
            let apart = u128::from(rate.abs_diff(ticks_per_s)) * PPB;
            prop_assert!(apart <= u128::from(within_ppb) * u128::from(ticks_per_s) + PPB);
            prop_assert!(within_ppb <= WITHIN_PPB || waits == WATCHES_MAX, "{within_ppb} after {waits}");
        }
    }

    #[test]
    fn what_is_declared_and_not_found_so_is_not_believed() {
        // A ConnectX-5's: another figure of the data sheet is twice as much.
        let found = (78_124_610, RateBy::Measured { within_ppb: 20_000 });
        for (declared, expected) in [
            (None, found),
            (Some(78_125_000), (78_125_000, RateBy::Device)),
            (Some(78_115_236), (78_115_236, RateBy::Device)),
            (Some(78_115_234), found),
            (Some(156_250_000), found),
            (Some(0), found),
        ] {
            assert_eq!(agreed(declared, found), expected, "{declared:?}");
        }
    }

    #[test]
    fn a_clock_that_stands_still_falls_silent_or_is_read_too_slowly_has_no_rate() {
        let found = |ticks_per_s, width_ps: u64, answers: usize| {
            let pair = Pair { ticks_per_s, bits: 63, begin: 7, now_ps: 0 };
            let (cell, mut read) = (std::cell::RefCell::new(pair), 0);
            watch(
                &TSC,
                63,
                || {
                    read += 1;
                    (read <= answers).then(|| cell.borrow_mut().bracket(width_ps, width_ps))
                },
                || cell.borrow_mut().now_ps += 10_000_000_000,
            )
        };
        assert_eq!(found(0, 1_000, usize::MAX), Err(RateRefusal::StoodStill));
        assert_eq!(found(78_125_000, 1_000, 0), Err(RateRefusal::Silent));
        assert_eq!(found(78_125_000, 1_000, READINGS), Err(RateRefusal::Silent));
        assert_eq!(found(78_125_000, 50_000_000, usize::MAX), Err(RateRefusal::TooCoarse));
        // A tick of 10 ms.
        assert_eq!(found(100, 1_000, usize::MAX), Err(RateRefusal::TooCoarse));
        assert!(found(78_125_000, 500_000, usize::MAX).is_ok());
    }
}
