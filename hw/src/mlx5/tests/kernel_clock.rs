//! The kernel's clock, against sums done elsewhere.

use proptest::prelude::*;

use super::super::KernelClock;

/// As mlx5_core keeps it over a counter of 78.125 MHz: 12.8 ns a tick.
const CLOCK: KernelClock = KernelClock {
    ns: 1_795_000_000_000_000_000,
    cycles: 0x1ff_ffff_fff0,
    frac: 5_000_000,
    mult: 107_374_182,
    shift: 23,
    mask: (1 << 41) - 1,
};

#[test]
fn ticks_become_the_kernel_s_nanoseconds_either_way_over_the_end_of_the_mask_and_of_a_word() {
    for (ticks, ns) in [
        (0, 0),
        (1, 13),
        (16, 205),
        (78_125_000, 999_999_996),
        (-1, -12),
        (-78_125_000, -999_999_995),
        // The product has more than 64 bits, and mlx5dv_ts_to_ns is wrong from here on.
        (1 << 39, 7_036_874_391_552),
        ((1 << 40) - 1, 14_073_748_783_091),
    ] {
        // The counter has 63 bits, of which the kernel heeds 41.
        for above in [0, 1 << 41, 5 << 50] {
            let cycles = CLOCK.cycles.wrapping_add_signed(ticks) & CLOCK.mask | above;
            assert_eq!(CLOCK.ticks_since(cycles), i128::from(ticks), "{ticks}");
            let expected = CLOCK.ns.wrapping_add_signed(ns);
            assert_eq!(CLOCK.ns_at(cycles), Some(expected), "{ticks}");
        }
    }
    // Half of the mask ahead and more is behind.
    assert_eq!(CLOCK.ticks_since(CLOCK.cycles.wrapping_add(1 << 40)), -(1 << 40));
}

#[test]
fn what_does_not_fit_is_no_time() {
    let at = |clock: KernelClock, ticks| clock.ns_at(clock.cycles.wrapping_add_signed(ticks));
    assert_eq!(at(KernelClock { ns: u64::MAX - 11, ..CLOCK }, 1), None);
    assert_eq!(at(KernelClock { ns: 11, ..CLOCK }, -1), None);
    assert_eq!(at(KernelClock { shift: 128, ..CLOCK }, 1), None);
    // Less than is carried: nothing is taken off, and the difference does not wrap.
    let slow = KernelClock { mult: 1, ..CLOCK };
    assert_eq!(at(slow, -1), Some(CLOCK.ns));
}

#[test]
fn the_rate_is_the_multiplication_s() {
    assert_eq!(CLOCK.ticks_per_s(), Some(78_125_000));
    // A kernel whose 32 bits could not hold 13,743,895,347, which 156.25 MHz is with a shift of 31.
    let truncated = KernelClock { mult: 13_743_895_347u64 as u32, shift: 31, ..CLOCK };
    assert_eq!(truncated.ticks_per_s(), Some(2_500_000_000));
    for broken in [KernelClock { mult: 0, ..CLOCK }, KernelClock { shift: 128, ..CLOCK }] {
        assert_eq!(broken.ticks_per_s(), None);
    }
}

#[test]
fn a_reading_goes_on_from_the_kernel_s_last_look_or_is_of_another_life() {
    const S: u64 = 1_000_000_000;
    let goes_on = |ticks: i64| CLOCK.goes_on_to(CLOCK.cycles.wrapping_add_signed(ticks), 5 * S);
    assert!(goes_on(0) && goes_on(78_125_000) && goes_on(10 * 78_125_000));
    assert!(!goes_on(-1), "before it");
    assert!(!goes_on(11 * 78_125_000), "the kernel would have looked since");
    assert!(!CLOCK.goes_on_to(0x1234, 1), "from the beginning again");
}

proptest! {
    #[test]
    fn it_never_goes_back_while_the_counter_goes_on(
        at in -(1i64 << 40) + 1..1 << 39,
        on in 0i64..1 << 39,
        frac in 0u64..1 << 23,
    ) {
        let clock = KernelClock { frac, ..CLOCK };
        let time = |ticks| clock.ns_at(clock.cycles.wrapping_add_signed(ticks)).unwrap();
        prop_assert!(time(at) <= time(at + on));
    }
}
