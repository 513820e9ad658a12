//! The clock that the kernel keeps over a device's free-running counter, and shares as it stood when it last looked.

/// The kernel's clock at its last look at the counter, and how it goes on from there (`mlx5dv_clock_info`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelClock {
    /// What it read, in nanoseconds.
    pub ns: u64,
    /// What the counter read.
    pub cycles: u64,
    /// What is carried of a nanosecond, in parts of two to the power of `shift`.
    pub frac: u64,
    /// Nanoseconds a tick, in parts of two to the power of `shift`. PTP steers it.
    pub mult: u32,
    /// How many bits of `mult` are fraction.
    pub shift: u32,
    /// The bits of the counter that the kernel heeds: 41 of mlx5's.
    pub mask: u64,
}

impl KernelClock {
    /// How many ticks the counter is ahead of the kernel's last look when it reads `cycles`: behind, where it is
    /// negative, as is what seems more than half of the mask ahead.
    pub fn ticks_since(&self, cycles: u64) -> i128 {
        let ahead = cycles.wrapping_sub(self.cycles) & self.mask;
        if ahead > self.mask / 2 {
            -i128::from(self.cycles.wrapping_sub(cycles) & self.mask)
        } else {
            i128::from(ahead)
        }
    }

    /// The kernel's clock when the counter read `cycles`, in nanoseconds; `None` past the ends of the word.
    ///
    /// As `mlx5dv_ts_to_ns`, whose product overflows 64 bits once the kernel's look is too old.
    pub fn ns_at(&self, cycles: u64) -> Option<u64> {
        let ticks = self.ticks_since(cycles);
        let scaled = ticks.unsigned_abs() * u128::from(self.mult);
        let frac = u128::from(self.frac);
        let shifted = |fixed: u128| u64::try_from(fixed.checked_shr(self.shift)?).ok();
        if ticks < 0 {
            self.ns.checked_sub(shifted(scaled.saturating_sub(frac))?)
        } else {
            self.ns.checked_add(shifted(scaled + frac)?)
        }
    }

    /// The counter's rate by the kernel's clock, in ticks per second.
    pub fn ticks_per_s(&self) -> Option<u64> {
        let parts = 1_000_000_000u128.checked_mul(1u128.checked_shl(self.shift)?)?;
        u64::try_from(parts.checked_div(self.mult.into())?).ok()
    }

    /// Whether `cycles`, read just now, and the kernel's last look are of one counter in one life: the kernel looks
    /// at least every `looks_within_ns`, so that it can be neither behind nor more than twice that ahead.
    pub fn goes_on_to(&self, cycles: u64, looks_within_ns: u64) -> bool {
        let ticks = self.ticks_since(cycles);
        let ns = ticks.checked_mul(self.mult.into()).map(|scaled| scaled >> self.shift.min(127));
        ticks >= 0 && ns.is_some_and(|ns| ns <= 2 * i128::from(looks_within_ns))
    }
}
