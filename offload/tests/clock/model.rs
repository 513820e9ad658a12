//! Clocks whose truth is known: true time in picoseconds, phases exact to 10^-24 of a tick.

/// One second of true time.
pub(crate) const S: u64 = 1_000_000_000_000;
/// One millisecond.
pub(crate) const MS: u64 = S / 1_000;
/// One microsecond.
pub(crate) const US: u64 = S / 1_000_000;
/// One nanosecond.
pub(crate) const NS: u64 = 1_000;

/// A phase's unit: this many are one tick.
pub(crate) const PER_TICK: i128 = 1_000_000_000_000_000_000_000_000;

/// Parts per trillion.
const PPT: i128 = 1_000_000_000_000;

/// A rate is constant between two knots.
const KNOT: u64 = 10 * MS;

/// Numbers that look random and are the same in every run (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// From `least` to `most`, both included.
    pub(crate) fn within(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    /// Once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.next().is_multiple_of(n)
    }
}

/// How a clock's rate changes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wander {
    /// Not at all.
    None,
    /// By a random part of `ppb_per_s` at every knot.
    Random { ppb_per_s: i64 },
    /// By all of `ppb_per_s` in one direction until it turns, at moments that nobody expects.
    Ramps { ppb_per_s: i64 },
    /// By `ppb` at once, there and back, as a clock does that is being steered.
    Steps { ppb: i64 },
}

/// What a clock is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crystal {
    pub(crate) hz: u64,
    pub(crate) drift_ppb: i64,
    pub(crate) wander: Wander,
}

/// Its phase at every moment.
#[derive(Debug)]
pub(crate) struct Oscillator {
    hz: i128,
    /// The phase at each knot, and the drift from there on, in parts per trillion.
    knots: Vec<(i128, i128)>,
}

impl Oscillator {
    pub(crate) fn new(crystal: &Crystal, length: u64, rng: &mut Rng) -> Oscillator {
        let hz = i128::from(crystal.hz);
        let mut drift_ppt = i128::from(crystal.drift_ppb) * 1_000;
        let (mut phase, mut upwards) = (0, true);
        let mut knots = Vec::new();
        for _ in 0..=length / KNOT {
            knots.push((phase, drift_ppt));
            phase += hz * (PPT + drift_ppt) * i128::from(KNOT);
            // A change per second, in parts per billion, is ten times that per knot in parts per trillion.
            drift_ppt += match crystal.wander {
                Wander::None => 0,
                Wander::Random { ppb_per_s } => {
                    let most = ppb_per_s.unsigned_abs() * 10;
                    i128::from(rng.within(0, 2 * most)) - i128::from(most)
                }
                Wander::Ramps { ppb_per_s } => {
                    upwards ^= rng.one_in(150);
                    i128::from(ppb_per_s) * if upwards { 10 } else { -10 }
                }
                Wander::Steps { ppb } if rng.one_in(40) => {
                    upwards = !upwards;
                    i128::from(ppb) * if upwards { -1_000 } else { 1_000 }
                }
                Wander::Steps { .. } => 0,
            };
        }
        Oscillator { hz, knots }
    }

    /// The phase at `at`, 0 at the beginning.
    pub(crate) fn phase(&self, at: u64) -> i128 {
        let (phase, drift_ppt) = self.knots[(at / KNOT) as usize];
        phase + self.hz * (PPT + drift_ppt) * i128::from(at % KNOT)
    }
}

/// What happens to a counter beside counting.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Jump {
    By(i64),
    ToZero,
}

/// A counter on an oscillator: what is read is a whole number of ticks, in so many bits.
#[derive(Debug)]
pub(crate) struct Counter {
    oscillator: Oscillator,
    mask: u64,
    /// From when on, how far the reading is ahead of the phase.
    offsets: Vec<(u64, i128)>,
}

impl Counter {
    pub(crate) fn new(
        oscillator: Oscillator,
        bits: u32,
        start: u64,
        jumps: &[(u64, Jump)],
    ) -> Counter {
        let mut offsets = vec![(0, i128::from(start))];
        for &(at, jump) in jumps {
            let before = offsets[offsets.len() - 1].1;
            let offset = match jump {
                Jump::By(ticks) => before + i128::from(ticks),
                Jump::ToZero => -oscillator.phase(at).div_euclid(PER_TICK),
            };
            offsets.push((at, offset));
        }
        Counter { oscillator, mask: u64::MAX >> (64 - bits), offsets }
    }

    /// What a reader sees at `at`.
    pub(crate) fn read(&self, at: u64) -> u64 {
        let ticks = self.oscillator.phase(at).div_euclid(PER_TICK) + self.offset(at);
        ticks as u64 & self.mask
    }

    /// How far `told` is from the truth at `at`, in units of [`PER_TICK`].
    pub(crate) fn error(&self, told: u64, at: u64) -> u128 {
        let ticks = i128::from(told) - self.offset(at);
        (ticks * PER_TICK - self.oscillator.phase(at)).unsigned_abs()
    }

    fn offset(&self, at: u64) -> i128 {
        let after = self.offsets.partition_point(|(from, _)| *from <= at);
        self.offsets[after - 1].1
    }
}
