//! The processor's time-stamp counter as a clock, where it is one: it counts at one rate whatever the
//! processor does, and alike on all cores.
//!
//! Elsewhere there is none, and what would be stamped by it is stamped by the monotonic clock: see
//! [`HostCounter`](crate::host_counter::HostCounter).

use std::fmt;
use std::fs;
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use fixwire_offload::clock::Bracket;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain};

use crate::clock::HostClock;
use crate::sys;

/// Where Linux lists the clocks that it would tell time by.
const CLOCKS_PATH: &str = "/sys/devices/system/clocksource/clocksource0/available_clocksource";

/// How often the monotonic clock is read for one bracket.
const READINGS: usize = 8;
/// How long the counter is watched at least to find its rate, and how many times that at most.
const WATCH: Duration = Duration::from_millis(10);
const WATCHES_MAX: usize = 20;
/// The rate is watched until it is known this well.
const WITHIN_PPB: u64 = 20_000;
/// How far a nominal rate may be from the one that is found: half of what a clock discipline takes as
/// drift unless told otherwise.
const OFF_PPB_MAX: u64 = 100_000;

const PPB: u128 = 1_000_000_000;
const NS_PER_S: u128 = 1_000_000_000;

/// A time-stamp counter that is a clock.
#[derive(Clone, Copy, Debug)]
pub struct Tsc {
    rate: TscRate,
}

/// A counter's nominal rate. The real one is found by a clock discipline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TscRate {
    /// Ticks per second.
    pub ticks_per_s: u64,
    /// Who says so.
    pub by: RateSource,
}

/// Who says at which rate the counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateSource {
    /// The processor: its crystal's rate and the ratio to it (CPUID leaf 0x15).
    Processor,
    /// The hypervisor (CPUID leaf 0x4000_0010).
    Hypervisor,
    /// Nobody: it was measured against the monotonic clock, when the process first asked.
    Measured {
        /// The rate by that clock was no further off than this, then.
        within_ppb: u64,
    },
}

impl Tsc {
    /// This machine's counter, or `None` where the processor has none, or does not vouch that it is
    /// invariant, or the kernel has found that it is no clock.
    ///
    /// The first call of a process watches it for 10 ms, or up to 200 ms on a machine that is too busy
    /// for that. To be called off the packet's path.
    pub fn new() -> Option<Tsc> {
        static FOUND: OnceLock<Option<Tsc>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let clocks = fs::read_to_string(CLOCKS_PATH);
            let good = is_invariant(sys::cpuid) && clocks.map_or(true, |list| lists_tsc(&list));
            if !good {
                return None;
            }
            let clock = HostClock::new();
            let watched = watch(|| bracket(|| clock.mono().as_ns()), || sleep(WATCH))?;
            Some(Tsc { rate: nominal(declared(sys::cpuid), watched) })
        })
    }

    /// The counter when all that stands before in the program has been done: a frame that was read is
    /// not stamped before it was there.
    #[inline]
    pub fn now(&self) -> u64 {
        sys::tsc()
    }

    /// What `reading` says, between two readings of the counter: not begun before the first, done
    /// before the second.
    #[inline]
    pub fn bracket(&self, reading: impl FnOnce() -> u64) -> Bracket {
        bracket(reading)
    }

    /// Its nominal rate.
    pub fn rate(&self) -> TscRate {
        self.rate
    }

    /// What its stamps are said to be of.
    pub fn info(&self) -> ClockInfo {
        ClockInfo {
            id: ClockId::HOST,
            domain: Domain::Tsc,
            ticks_per_s: self.rate.ticks_per_s,
            bits: u64::BITS,
        }
    }

    /// The counter as if it counted at this rate.
    #[cfg(test)]
    pub(crate) fn at_rate(ticks_per_s: u64) -> Tsc {
        Tsc { rate: TscRate { ticks_per_s, by: RateSource::Processor } }
    }
}

impl fmt::Display for TscRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ticks/s, ", self.ticks_per_s)?;
        match self.by {
            RateSource::Processor => write!(f, "declared by the processor"),
            RateSource::Hypervisor => write!(f, "declared by the hypervisor"),
            RateSource::Measured { within_ppb } => {
                write!(f, "measured within {} ppm", within_ppb.div_ceil(1_000))
            }
        }
    }
}

#[inline]
fn bracket(reading: impl FnOnce() -> u64) -> Bracket {
    let before = sys::tsc_first();
    let reading = reading();
    Bracket { before, reading, after: sys::tsc() }
}

/// Whether there is a counter (CPUID 1, EDX bit 4) and it runs at one rate in every state of the
/// processor (CPUID 0x8000_0007, EDX bit 8: Intel SDM Vol. 3B, Invariant TSC; AMD APM Vol. 3,
/// TscInvariant).
fn is_invariant(cpuid: impl Fn(u32) -> [u32; 4]) -> bool {
    let has = |leaf: u32, bit: u32| cpuid(leaf)[3] >> bit & 1 == 1;
    has(1, 4) && cpuid(0x8000_0000)[0] >= 0x8000_0007 && has(0x8000_0007, 8)
}

/// Whether the counter is among the kernel's clocks. Linux takes it off where cores were found to
/// disagree, or another clock found it wrong.
fn lists_tsc(clocks: &str) -> bool {
    clocks.split_whitespace().any(|name| name == "tsc")
}

/// The rate that somebody declares in so many words.
///
/// Leaf 0x16 is not asked: what it says is not what the processor does (Intel SDM Vol. 2A, CPUID).
fn declared(cpuid: impl Fn(u32) -> [u32; 4]) -> Option<TscRate> {
    const BENEATH_A_HYPERVISOR: u32 = 1 << 31;
    let (ticks_per_s, by) = if cpuid(1)[2] & BENEATH_A_HYPERVISOR != 0 {
        // What the processor says may be of the machine beneath, whose counter ours is scaled from.
        let [leaf_max, vendor @ ..] = cpuid(0x4000_0000);
        let vendor = vendor.map(u32::to_le_bytes);
        let known = [&b"KVMKVMKVM\0\0\0"[..], b"VMwareVMware"].contains(&vendor.as_flattened());
        let khz = if known && leaf_max >= 0x4000_0010 { cpuid(0x4000_0010)[0] } else { 0 };
        (u128::from(khz) * 1_000, RateSource::Hypervisor)
    } else if cpuid(0)[0] >= 0x15 {
        // Intel SDM Vol. 3B, Determining the Processor Base Frequency.
        let [denominator, numerator, crystal_hz, _] = cpuid(0x15).map(u128::from);
        let rate = (crystal_hz * numerator).checked_div(denominator);
        (rate.unwrap_or(0), RateSource::Processor)
    } else {
        return None;
    };
    let ticks_per_s = u64::try_from(ticks_per_s).ok().filter(|rate| *rate > 0)?;
    Some(TscRate { ticks_per_s, by })
}

/// A rate as it was found, and how far the real one can be from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Watched {
    ticks_per_s: u64,
    within_ppb: u64,
}

/// The counter's rate by the clock that is read in the brackets: from the first bracket to one after it
/// that tells it well enough, or to the last.
fn watch(mut bracket: impl FnMut() -> Bracket, mut wait: impl FnMut()) -> Option<Watched> {
    let mut narrowest = || Bracket::narrowest((0..READINGS).map(|_| bracket()));
    let first = narrowest()?;
    let mut watched = None;
    for _ in 0..WATCHES_MAX {
        wait();
        let told = narrowest().and_then(|last| between(&first, &last));
        watched = told.or(watched);
        if told.is_some_and(|told| told.within_ppb <= WITHIN_PPB) {
            break;
        }
    }
    watched.filter(|told| told.within_ppb <= OFF_PPB_MAX)
}

/// The rate from one bracket to another.
fn between(first: &Bracket, last: &Bracket) -> Option<Watched> {
    // Each reading of the counter names the tick that it fell into, so the last counts whole.
    let middle = |one: &Bracket| one.width().map(|width| (one.before + width / 2, width / 2 + 2));
    let ((from, from_off), (to, to_off)) = (middle(first)?, middle(last)?);
    let ticks = u128::from(to.checked_sub(from)?);
    let ns = u128::from(last.reading.checked_sub(first.reading)?);
    let off = u128::from(from_off + to_off);
    if ns < 2 || ticks <= off {
        return None;
    }
    // A reading in nanoseconds names one of them; and what rounding takes from the rate.
    let within_ppb = (off * PPB).div_ceil(ticks - off) + PPB.div_ceil(ns - 1) + 2;
    let ticks_per_s = u64::try_from(ticks * NS_PER_S / ns).ok()?;
    Some(Watched { ticks_per_s, within_ppb: u64::try_from(within_ppb).ok()? })
}

/// What was declared, where it was found to be so, and else what was found.
fn nominal(declared: Option<TscRate>, watched: Watched) -> TscRate {
    let Watched { ticks_per_s, within_ppb } = watched;
    let off_ppb = u128::from(OFF_PPB_MAX + within_ppb);
    let agrees = |rate: &TscRate| {
        let apart = u128::from(rate.ticks_per_s.abs_diff(ticks_per_s));
        apart * PPB <= off_ppb * u128::from(ticks_per_s)
    };
    let measured = TscRate { ticks_per_s, by: RateSource::Measured { within_ppb } };
    declared.filter(agrees).unwrap_or(measured)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// A processor that answers these leaves and knows no other.
    fn cpu(leaves: &[(u32, [u32; 4])]) -> impl Fn(u32) -> [u32; 4] {
        move |leaf| {
            leaves.iter().find(|(known, _)| *known == leaf).map_or([0; 4], |(_, said)| *said)
        }
    }

    const HAS_TSC: (u32, [u32; 4]) = (1, [0, 0, 0, 1 << 4]);
    const EXTENDED: (u32, [u32; 4]) = (0x8000_0000, [0x8000_0008, 0, 0, 0]);
    const INVARIANT: (u32, [u32; 4]) = (0x8000_0007, [0, 0, 0, 1 << 8]);

    #[test]
    fn only_a_counter_that_is_there_and_vouched_for_is_invariant() {
        for (leaves, expected, what) in [
            (vec![HAS_TSC, EXTENDED, INVARIANT], true, "all of it"),
            (vec![EXTENDED, INVARIANT], false, "no counter"),
            (vec![HAS_TSC, INVARIANT], false, "a leaf past the last says nothing"),
            (vec![HAS_TSC, EXTENDED], false, "not said to be invariant"),
            (vec![HAS_TSC, EXTENDED, (0x8000_0007, [!0, !0, !0, !(1 << 8)])], false, "other bits"),
            (vec![], false, "no processor of this kind"),
        ] {
            assert_eq!(is_invariant(cpu(&leaves)), expected, "{what}");
        }
    }

    #[test]
    fn a_counter_that_the_kernel_took_off_its_list_is_none() {
        assert!(lists_tsc("tsc kvm-clock acpi_pm \n") && lists_tsc("hpet tsc\n"));
        assert!(!lists_tsc("hpet acpi_pm \n") && !lists_tsc("tsc-early hpet\n") && !lists_tsc(""));
    }

    #[test]
    fn a_rate_is_the_hypervisor_s_or_without_one_the_processor_s() {
        const BENEATH: (u32, [u32; 4]) = (1, [0, 0, 1 << 31, 0]);
        let words = |name: &[u8; 12]| {
            let word = |at: usize| u32::from_le_bytes(name[at..at + 4].try_into().unwrap());
            [word(0), word(4), word(8)]
        };
        let hypervisor = |leaf_max, name| {
            let [b, c, d] = words(name);
            (0x4000_0000, [leaf_max, b, c, d])
        };
        let kvm = |leaf_max| hypervisor(leaf_max, b"KVMKVMKVM\0\0\0");
        let khz = (0x4000_0010, [2_596_096, 0, 0, 0]);
        let leaves = (0, [0x16, 0, 0, 0]);
        let crystal = (0x15, [2, 216, 24_000_000, 0]);
        let by_hypervisor = TscRate { ticks_per_s: 2_596_096_000, by: RateSource::Hypervisor };
        let by_processor = TscRate { ticks_per_s: 2_592_000_000, by: RateSource::Processor };
        for (said, expected, what) in [
            (vec![BENEATH, kvm(0x4000_0010), khz], Some(by_hypervisor), "KVM"),
            (
                vec![BENEATH, hypervisor(0x4000_0010, b"VMwareVMware"), khz],
                Some(by_hypervisor),
                "VMware",
            ),
            (vec![BENEATH, kvm(0x4000_0001), khz], None, "past its last leaf"),
            (vec![BENEATH, kvm(0x4000_0010)], None, "an empty leaf"),
            (
                vec![BENEATH, hypervisor(0x4000_0010, b"Microsoft Hv"), khz],
                None,
                "whose leaf means something else",
            ),
            (vec![leaves, crystal], Some(by_processor), "no hypervisor"),
            (vec![BENEATH, leaves, crystal], None, "of the machine beneath"),
            (vec![(0, [0x14, 0, 0, 0]), crystal], None, "past the processor's last leaf"),
            (vec![leaves, (0x15, [2, 216, 0, 0])], None, "no crystal is named"),
            (vec![leaves, (0x15, [0, 216, 24_000_000, 0])], None, "no ratio is named"),
            (vec![leaves, (0x16, [2_600, 0, 0, 0])], None, "a figure of the sales department"),
            (vec![], None, "nothing is said"),
        ] {
            assert_eq!(declared(cpu(&said)), expected, "{what}");
        }
    }

    #[test]
    fn what_is_declared_and_not_found_so_is_not_believed() {
        let watched = Watched { ticks_per_s: 2_500_000_000, within_ppb: 20_000 };
        let measured =
            TscRate { ticks_per_s: 2_500_000_000, by: RateSource::Measured { within_ppb: 20_000 } };
        let declared = |ticks_per_s| TscRate { ticks_per_s, by: RateSource::Hypervisor };
        for (said, expected) in [
            (None, measured),
            (Some(declared(2_500_300_000)), declared(2_500_300_000)),
            (Some(declared(2_499_700_000)), declared(2_499_700_000)),
            (Some(declared(2_500_300_001)), measured),
            (Some(declared(2_499_699_999)), measured),
            (Some(declared(u64::MAX)), measured),
        ] {
            assert_eq!(nominal(said, watched), expected, "{said:?}");
        }
    }

    /// A counter at `ticks_per_s` and a clock in nanoseconds that are read together.
    struct Machine {
        ticks_per_s: u128,
        begin: u64,
        now_ps: u128,
    }

    impl Machine {
        fn ticks(&self) -> u64 {
            self.begin + (self.now_ps * self.ticks_per_s / 1_000_000_000_000) as u64
        }

        fn bracket(&mut self, before_ns: u64, after_ns: u64) -> Bracket {
            let before = self.ticks();
            self.now_ps += u128::from(before_ns) * 1_000;
            let reading = (self.now_ps / 1_000) as u64;
            self.now_ps += u128::from(after_ns) * 1_000;
            Bracket { before, reading, after: self.ticks() }
        }
    }

    proptest! {
        #[test]
        fn the_rate_is_within_the_bound_of_what_was_found(
            ticks_per_s in 10_000_000u64..6_000_000_000,
            begin in 0u64..1 << 60,
            begin_ps in 0u64..1 << 40,
            spans in prop::collection::vec((0u64..3_000, 0u64..3_000), 2 * READINGS),
            apart_ps in 1_000_000_000u64..50_000_000_000,
        ) {
            let mut machine =
                Machine { ticks_per_s: ticks_per_s.into(), begin, now_ps: begin_ps.into() };
            let take = |machine: &mut Machine, spans: &[(u64, u64)]| {
                let several = spans.iter().map(|(before, after)| machine.bracket(*before, *after));
                Bracket::narrowest(several).unwrap()
            };
            let first = take(&mut machine, &spans[..READINGS]);
            machine.now_ps += u128::from(apart_ps);
            let last = take(&mut machine, &spans[READINGS..]);
            let found = between(&first, &last).unwrap();
            let apart = u128::from(found.ticks_per_s.abs_diff(ticks_per_s));
            prop_assert!(
                apart * PPB <= u128::from(found.within_ppb) * u128::from(ticks_per_s),
                "{found:?} for {ticks_per_s}"
            );
        }
    }

    #[test]
    fn a_busy_machine_is_watched_longer_and_one_that_never_says_enough_is_given_up() {
        for (width_ns, expected, found) in [(50, 1, true), (900, 10, true), (60_000, 20, false)] {
            let mut machine = Machine { ticks_per_s: 2_500_000_000, begin: 77, now_ps: 0 };
            let (waits, waited_ps) = (Cell::new(0), Cell::new(0));
            let told = watch(
                || {
                    machine.now_ps += waited_ps.take();
                    machine.bracket(width_ns, width_ns)
                },
                || {
                    waits.set(waits.get() + 1);
                    waited_ps.set(10_000_000_000);
                },
            );
            assert_eq!((waits.get(), told.is_some()), (expected, found), "{width_ns} ns: {told:?}");
        }
    }

    /// On this machine, if it has one.
    #[test]
    fn the_counter_never_goes_back_and_keeps_up_with_the_monotonic_clock() {
        let Some(tsc) = Tsc::new() else { return };
        let mut last = 0;
        for _ in 0..10_000 {
            let now = tsc.now();
            assert!(now >= last);
            last = now;
        }
        let clock = HostClock::new();
        let read = || {
            let several = (0..READINGS).map(|_| tsc.bracket(|| clock.mono().as_ns()));
            Bracket::narrowest(several).unwrap()
        };
        let first = read();
        sleep(Duration::from_millis(20));
        let found = between(&first, &read()).unwrap();
        let apart = found.ticks_per_s.abs_diff(tsc.rate().ticks_per_s);
        // The clock's rate is steered by NTP, by 500 ppm at the most (`MAXFREQ` of <linux/timex.h>).
        let allowed_ppb = u128::from(found.within_ppb + 2 * OFF_PPB_MAX + 500_000);
        assert!(
            u128::from(apart) * PPB <= allowed_ppb * u128::from(found.ticks_per_s),
            "{found:?} where {} was expected",
            tsc.rate()
        );
        assert_eq!(tsc.info().ticks_per_s, Tsc::new().unwrap().info().ticks_per_s, "found once");
    }
}
