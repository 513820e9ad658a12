//! The tick that a clock has, found in its times.

use core::ops::RangeInclusive;

use super::{UNITS_PER_NS, UNITS_PER_PS, UNITS_PER_S, WireSpan, WireTime};

/// What times of one clock turn out to count in, whatever the file that they are in could hold: the greatest common divisor of what
/// lies between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grain {
    looked_at: u32,
    first: Option<WireTime>,
    /// Times that are not the first.
    others: u32,
    /// What lies between these and the first is whole numbers of it, in units; 0 while there are none.
    common: i128,
    grid: Grid,
    /// The coarsest 10^-n s and 2^-n s, from a second down, that all are whole numbers of.
    decimal: u32,
    binary: u32,
}

/// How times are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// They lie whole numbers of a tick apart.
    Tick(WireSpan),
    /// They are ticks, cut off to whole numbers of something finer, as those of 6.4 ns that are written in nanoseconds.
    Cut {
        /// What the clock counts in.
        tick: WireSpan,
        /// What its times are written in.
        to: WireSpan,
    },
    /// They are too few to tell, or those of somebody who sends at a fixed rate: to whole numbers of this, or of something coarser.
    AtLeast(WireSpan),
}

impl Rounding {
    /// What the difference of two times is wrong by at the most.
    pub fn span(self) -> WireSpan {
        match self {
            Rounding::Tick(span) | Rounding::AtLeast(span) => span,
            Rounding::Cut { tick, to } => tick + to,
        }
    }
}

impl Grain {
    /// So many times say what all others are like.
    const LOOKED_AT_MAX: u32 = 65_536;
    /// Of fewer the greatest common divisor may be a multiple of the tick by chance; of so many it is in one case of a million.
    const ENOUGH: u32 = 20;
    /// A tick is no more than so many of what times are written in, or of nanoseconds: beyond it is somebody's rate.
    const COARSER_MAX: i128 = 256;
    /// A picosecond, and 2^-40 s.
    const DECIMAL_MAX: u32 = 12;
    const BINARY_MAX: u32 = 40;

    /// Takes in one more.
    pub fn note(&mut self, at: WireTime) {
        if self.looked_at == Grain::LOOKED_AT_MAX {
            return;
        }
        self.looked_at += 1;
        self.note_whole(at);
        let apart = at.0 - self.first.get_or_insert(at).0;
        if apart == 0 {
            return;
        }
        self.others += 1;
        if self.common == 0 || apart % self.common != 0 {
            self.common = greatest_common_divisor(self.common, apart.abs());
            self.grid = Grid::default();
        }
        // Ticks that are no whole numbers of what they are written in are those of a few nanoseconds.
        if (UNITS_PER_PS..=UNITS_PER_NS).contains(&self.common) {
            self.grid.note(apart / self.common);
        }
    }

    fn note_whole(&mut self, at: WireTime) {
        let is_whole = |unit: i128| at.0 % unit == 0;
        while self.decimal <= Grain::DECIMAL_MAX
            && !is_whole(UNITS_PER_S / 10_i128.pow(self.decimal))
        {
            self.decimal += 1;
        }
        while self.binary <= Grain::BINARY_MAX && !is_whole(UNITS_PER_S >> self.binary) {
            self.binary += 1;
        }
    }

    /// How they are rounded, unless by less than a picosecond.
    pub fn rounding(&self) -> Option<Rounding> {
        let whole = self.whole();
        if self.others < Grain::ENOUGH || self.common > self.coarsest() {
            return whole.map(Rounding::AtLeast);
        }
        let common = WireSpan(self.common);
        let rounding = match self.grid.lines {
            0 => Rounding::Tick(common),
            lines => Rounding::Cut {
                tick: WireSpan(self.common * GRID_LEN as i128 / i128::from(lines)),
                to: common,
            },
        };
        (self.common >= UNITS_PER_PS).then_some(rounding)
    }

    /// What the difference of two of them is wrong by at the most, unless that is less than a picosecond.
    pub fn span(&self) -> Option<WireSpan> {
        self.rounding().map(Rounding::span)
    }

    /// The coarsest tick that they may have, in units.
    fn coarsest(&self) -> i128 {
        let written = self.whole().map_or(UNITS_PER_NS, |whole| whole.0.max(UNITS_PER_NS));
        written * Grain::COARSER_MAX
    }

    /// What they are rounded by at the most, also while they are too few to tell: then it is what they all have in common.
    pub fn most(&self) -> WireSpan {
        let rounding = self.span().unwrap_or(WireSpan::ZERO);
        if self.others < Grain::ENOUGH {
            rounding.max(WireSpan(self.common.min(self.coarsest())))
        } else {
            rounding
        }
    }

    fn whole(&self) -> Option<WireSpan> {
        let decimal = (self.decimal <= Grain::DECIMAL_MAX)
            .then(|| WireSpan(UNITS_PER_S / 10_i128.pow(self.decimal)));
        let binary =
            (self.binary <= Grain::BINARY_MAX).then(|| WireSpan(UNITS_PER_S >> self.binary));
        decimal.max(binary)
    }
}

/// Whole numbers after which each grid that is looked for repeats: it has those of 1.6, 2.5, 3.2, 3.33, 6.4 and 12.8.
const GRID_LEN: usize = 320;

/// Which remainders by [`GRID_LEN`] numbers have: of those that were cut off from whole numbers of a tick it is always the same ones,
/// a tick apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Grid {
    seen: [u64; GRID_LEN / u64::BITS as usize],
    noted: u32,
    /// How many remainders a grid has, or 0 where there is none.
    lines: u32,
}

impl Grid {
    /// Fewer numbers tell nothing: those of a grid of 6.4 are all seen then but in one case of 500, which the next look finds.
    const NOTED_MIN: u32 = 512;
    /// Of a finer grid remainders cannot be told from all of them, and a coarser one is somebody's rate.
    const LINES: RangeInclusive<u32> = 16..=200;

    fn note(&mut self, number: i128) {
        let remainder = number.rem_euclid(GRID_LEN as i128) as usize;
        self.seen[remainder / 64] |= 1 << (remainder % 64);
        self.noted += 1;
        if self.noted >= Grid::NOTED_MIN && self.noted.is_power_of_two() {
            let lines = self.seen.iter().map(|word| word.count_ones()).sum();
            self.lines = if self.is_even(lines) { lines } else { 0 };
        }
    }

    /// Whether what was seen are so many lines, one as far from the next as the other but for what is cut off.
    fn is_even(&self, lines: u32) -> bool {
        let is_seen = |of: &usize| self.seen[of / 64] >> (of % 64) & 1 == 1;
        let Some(first) = (0..GRID_LEN).find(is_seen) else { return false };
        let apart = GRID_LEN / lines as usize;
        let mut last = first;
        let is_next = |at: usize| {
            let step = at - core::mem::replace(&mut last, at);
            step == apart || step == apart + 1
        };
        Grid::LINES.contains(&lines)
            && (first + 1..GRID_LEN).filter(is_seen).chain([first + GRID_LEN]).all(is_next)
    }
}

fn greatest_common_divisor(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::wire_time::Resolution;

    fn grain(times: impl IntoIterator<Item = WireTime>) -> Grain {
        let mut grain = Grain::default();
        times.into_iter().for_each(|at| grain.note(at));
        grain
    }

    fn ns(ns: u32) -> WireTime {
        WireTime::from_s_ns(1_800_000_000, ns)
    }

    /// Numbers that nothing relates.
    fn dice() -> impl Iterator<Item = u32> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        core::iter::from_fn(move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some((state >> 40) as u32)
        })
    }

    #[test]
    fn the_grain_is_the_tick_that_times_have_whatever_their_file_could_hold() {
        for tick in [1, 4, 5, 8, 20, 200] {
            let found = grain(dice().take(1_000).map(|of| ns(of % 900_000 * tick + 3)));
            let tick = WireSpan::from_ns(tick.into());
            assert_eq!(found.rounding(), Some(Rounding::Tick(tick)));
        }
        // 2.5 ns, in tenths of a nanosecond.
        let tenths = |of: u32| Resolution::decimal(10).time(18_000_000_000 + u64::from(of) * 25);
        let found = grain(dice().take(100).filter_map(tenths));
        assert_eq!(found.span().map(WireSpan::as_ps), Some(2_500));
        // ERF's ticks, and 2^-24 ns.
        let erf = |of: u32| Resolution::binary(32).time(7 << 32 | u64::from(of));
        let found = grain(dice().take(100).filter_map(erf));
        assert_eq!(found.span(), Some(WireSpan(UNITS_PER_S >> 32)));
        let fine = |of: u32| ns(1) + WireSpan::from_2_pow_minus_24_ns(of);
        assert_eq!(grain(dice().take(100).map(fine)).rounding(), None);
    }

    #[test]
    fn few_times_and_those_at_a_fixed_rate_say_no_more_than_what_they_are_written_in() {
        let at_least = |ns| Some(Rounding::AtLeast(WireSpan::from_ns(ns)));
        assert_eq!(grain([ns(3_000), ns(17_000)]).rounding(), at_least(1_000));
        assert_eq!(grain([ns(3_000), ns(17_001)]).rounding(), at_least(1));
        assert_eq!(grain([ns(1) + WireSpan::from_2_pow_minus_24_ns(1)]).rounding(), None);
        // A tick is no more than what they have in common, whatever they are written in.
        let most = |times: &[u32]| grain(times.iter().map(|of| ns(*of))).most();
        assert_eq!(most(&[3_000]), WireSpan::from_ns(1_000));
        assert_eq!(most(&[24, 40]), WireSpan::from_ns(16));
        assert_eq!(most(&[24, 40, 48]), WireSpan::from_ns(8));
        assert_eq!(most(&[3, 70_001]), WireSpan::from_ns(256), "beyond it is somebody's rate");
        let many: Vec<u32> = (0..40).map(|of| of * of * 8).collect();
        assert_eq!(most(&many), WireSpan::from_ns(8));
        // A time that comes again and again is one.
        assert_eq!(grain(core::iter::repeat_n(ns(3_000), 100)).rounding(), at_least(1_000));
        // One each 100 us, by a clock that may tick in nanoseconds.
        assert_eq!(grain((0..1_000).map(|of| ns(of * 100_000 + 7))).rounding(), at_least(1));
    }

    #[test]
    fn ticks_that_were_cut_off_to_nanoseconds_are_found_by_the_grid_that_they_leave() {
        let cut = |tick_ps: u64, times: usize| {
            let at = |of: u32| ns((u64::from(of % 9_000_000) * tick_ps / 1_000) as u32);
            grain(dice().take(times).map(at)).rounding()
        };
        let nanosecond = WireSpan::from_ns(1);
        for tick_ps in [1_600, 2_500, 3_200, 6_400, 12_800] {
            let Some(Rounding::Cut { tick, to }) = cut(tick_ps, 20_000) else {
                panic!("{tick_ps} ps: {:?}", cut(tick_ps, 20_000));
            };
            assert_eq!((tick.as_ps(), to), (tick_ps.into(), nanosecond));
        }
        let as_they_are = Some(Rounding::Tick(nanosecond));
        assert_eq!(cut(6_400, 400), as_they_are, "too few to tell");
        assert_eq!(cut(1_000, 60_000), as_they_are);
        // A fixed rate that is seldom kept leaves no grid.
        let at = |of: u32| ns(of % 900 * 1_000 + of % 2);
        assert_eq!(grain(dice().take(9_000).map(at)).rounding(), as_they_are);
    }
}
