//! One clock as another sees it: pairs come in, a line comes out, and a jump ends a life.

use super::config::StageConfig;
use super::counter::{Count, Width};
use super::drift::Drift;
use super::history::History;
use super::scale::widest_shift;
use super::track::{Gauge, Lapse, Line, Track};
use super::window::{Interval, Point, Rates, Window, div_down, div_up};

/// What became of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PairVerdict {
    /// It agrees with those before: stamps before it are settled, and the line is drawn anew.
    Agreed,
    /// It is the third that agrees: there is a line now.
    Locked,
    /// Kept; too few agree for a line yet.
    WarmingUp,
    /// Not used: too soon after the one before.
    TooSoon,
    /// Not used: its bracket is so wide that it could not show a jump.
    TooWide,
    /// It contradicts those before. Take another at once: that one says which to believe.
    Doubtful,
    /// The one before was doubtful, and this one agrees with it: the clock has jumped. A new life
    /// begins.
    Jumped,
    /// It came too late: what was known had become stale. A new life begins.
    Stale,
    /// Not used: the host's clock ran backwards in it or before it.
    Backwards,
}

/// A pair as a stage takes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// The clock that is read off, in the middle of this tick.
    pub(super) x: u64,
    /// The other clock then.
    pub(super) y: u64,
    /// How far the truth can be from `y`.
    pub(super) error: u64,
    /// The host's clock before and after.
    pub(super) host: (u64, u64),
}

/// What the rest of the discipline needs to know of the two clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) from_per_s: u64,
    pub(super) from_width: Width,
    pub(super) to_per_s: u64,
    pub(super) host_per_s: u64,
}

/// The pairs of a clock between two resets or jumps, counted from the first.
#[derive(Clone, Debug)]
struct Life {
    count: Count,
    y_origin: u64,
    window: Window,
}

impl Life {
    fn begin(pair: &Pair, width: Width) -> Life {
        let mut window = Window::default();
        let error = i64::try_from(pair.error).unwrap_or(i64::MAX);
        window.push(Point { x: 0, y: 0, error });
        let count = Count::from_reading(width, pair.x);
        Life { count, y_origin: pair.y, window }
    }

    /// Where `pair` stands in this life, if the drift allows that it is of it.
    fn point(&self, pair: &Pair, rates: &Rates, gauge: &Gauge) -> Option<Point> {
        let newest = self.window.newest()?;
        let x = self.count.place(pair.x);
        let y = pair.y.wrapping_sub(self.y_origin).cast_signed();
        let point = Point { x, y, error: i64::try_from(pair.error).ok()? };
        let ahead = u64::try_from(x.checked_sub(newest.x)?).ok()?;
        let near = ahead > 0 && ahead <= gauge.reach;
        (near && rates.by_one(newest, x).meets(&point)).then_some(point)
    }

    fn push(&mut self, pair: &Pair, point: Point) {
        self.count.advance(pair.x);
        self.window.push(point);
    }

    /// How fast the clock ran from the oldest pair that is remembered to the newest.
    fn drift(&self, rates: &Rates) -> Drift {
        let points = self.window.points();
        let ends = points.first().zip(points.last());
        ends.and_then(|(oldest, newest)| Drift::between(rates, oldest, newest)).unwrap_or_default()
    }
}

/// The pairs of two clocks, the line through them, and what became of it so far.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) gauge: Gauge,
    rates: Rates,
    /// The smallest jump there is, in ticks of the other clock.
    jump: i128,
    /// The most that a line's `mult` may differ by from the estimate's.
    slew_mult: i128,
    catch_up: i128,
    lead: i64,
    /// A tick of the clock that is read off names a span: half of it in the other's ticks.
    half_tick: u64,
    life: Option<Life>,
    /// The last pair, if it contradicts the life.
    doubt: Option<Life>,
    host_newest: u64,
    track: Track,
    history: History,
}

impl Stage {
    /// `None` where the counter wraps before a pair has become stale.
    pub(super) fn new(config: &StageConfig, clocks: &Clocks, queue_delay: u64) -> Option<Stage> {
        let rates = Rates::new(clocks.from_per_s, clocks.to_per_s, config);
        let spare_ppb = u64::from(config.drift_ppb_max) * 2 + u64::from(config.slew_ppb_max);
        let from = |ns: u64| ticks_of(ns, clocks.from_per_s);
        let reach = scaled_up(from(config.stale_after_ns + 2 * config.lead_ns), spare_ppb) + 1;
        let fastest = scaled_up(clocks.to_per_s, spare_ppb) + 1;
        let shift = widest_shift(clocks.from_per_s, fastest, reach)?;
        let one_shifted = i128::from(clocks.to_per_s) << shift;
        let slew = one_shifted * i128::from(config.slew_ppb_max);
        let jump = u128::from(config.jump_ns_min) * u128::from(clocks.to_per_s) / 1_000_000_000;
        let half_period = u128::from(clocks.from_width.ahead_max())
            * u128::from(clocks.host_per_s)
            * u128::from(1_000_000_000 - 2 * config.drift_ppb_max)
            / (u128::from(clocks.from_per_s) * 1_000_000_000);
        let gauge = Gauge {
            width: clocks.from_width,
            shift,
            reach,
            stale: ticks_of(config.stale_after_ns, clocks.host_per_s),
            half_period: u64::try_from(half_period).unwrap_or(u64::MAX),
        };
        let told_apart = gauge.half_period > gauge.stale.saturating_add(queue_delay)
            && gauge.reach <= gauge.width.ahead_max();
        told_apart.then_some(Stage {
            gauge,
            rates,
            jump: jump.cast_signed(),
            slew_mult: slew / (rates.from_per_s * 1_000_000_000),
            catch_up: i128::from(from(config.catch_up_ns).max(1)),
            lead: from(config.lead_ns).max(1).cast_signed(),
            half_tick: u64::try_from(div_up(rates.fastest(1, 1 << 20), 2 << 20)).ok()?,
            life: None,
            doubt: None,
            host_newest: 0,
            track: Track::not_yet(0),
            history: History::default(),
        })
    }

    pub(super) fn track(&self) -> &Track {
        &self.track
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn half_tick(&self) -> u64 {
        self.half_tick
    }

    fn drift(&self) -> Drift {
        self.life.as_ref().map(|life| life.drift(&self.rates)).unwrap_or_default()
    }

    /// The most that the other clock advances in `ticks`.
    pub(super) fn fastest(&self, ticks: u64) -> u64 {
        u64::try_from(self.rates.fastest(ticks.into(), 1)).unwrap_or(u64::MAX)
    }

    /// Takes a pair, each later than the one before, its bracket shorter than a pair is good for.
    pub(super) fn on_pair(&mut self, pair: &Pair) -> PairVerdict {
        if pair.host.0 < self.host_newest {
            return PairVerdict::Backwards;
        }
        self.host_newest = pair.host.1;
        if self.track.lapse == Some(Lapse::NotYet) { self.warm_up(pair) } else { self.follow(pair) }
    }

    /// The clock is not what it was, and its keeper knows: nothing from before holds.
    pub(super) fn on_reset(&mut self, host: u64) {
        self.host_newest = self.host_newest.max(host);
        self.end(Lapse::Reset, self.host_newest);
    }

    /// Three pairs in a row that lie on a line: two to draw it, one to show that neither of the
    /// gaps between them holds a jump.
    fn warm_up(&mut self, pair: &Pair) -> PairVerdict {
        let Some(life) = &mut self.life else {
            self.life = Some(Life::begin(pair, self.gauge.width));
            return PairVerdict::WarmingUp;
        };
        let Some(point) = life.point(pair, &self.rates, &self.gauge) else {
            self.life = Some(Life::begin(pair, self.gauge.width));
            return PairVerdict::WarmingUp;
        };
        if life.window.newest().is_some_and(|newest| point.x - newest.x < self.lead) {
            return PairVerdict::TooSoon;
        }
        let proven = match life.window.points() {
            [first, second] => shows_no_jump(&self.rates, self.jump, first, second, &point),
            _ => false,
        };
        if life.window.points().len() == 2 && !proven {
            life.window.forget_oldest();
        }
        life.push(pair, point);
        if !proven {
            return PairVerdict::WarmingUp;
        }
        match self.line_from(point.x, None) {
            Some(line) => self.lock(pair, line),
            None => self.end(Lapse::Jumped, pair.host.1),
        }
        if self.track.lapse.is_none() { PairVerdict::Locked } else { PairVerdict::Jumped }
    }

    fn lock(&mut self, pair: &Pair, line: Line) {
        self.history.close(pair.host.0, Some(Lapse::NotYet), &self.track);
        let Track { generation, ended, .. } = self.track;
        self.track = Track {
            lapse: None,
            ended,
            drift: self.drift(),
            knee: pair.x,
            newer: line,
            since: pair.host.0,
            refreshed: pair.host.1,
            ..Track::not_yet(generation)
        };
    }

    /// A pair on a line that is drawn: it confirms it, or contradicts it, or cannot tell.
    fn follow(&mut self, pair: &Pair) -> PairVerdict {
        if let Some(lapse) = self.gauge.lapse_after(pair.host.0 - self.track.refreshed) {
            self.end(lapse, pair.host.1);
            self.warm_up(pair);
            return PairVerdict::Stale;
        }
        let Some(life) = &self.life else { return self.warm_up(pair) };
        let Some(point) = life.point(pair, &self.rates, &self.gauge) else {
            return self.doubt(pair);
        };
        let predicted = life.window.at(&self.rates, point.x);
        if !predicted.meets(&point) {
            return self.doubt(pair);
        }
        if life.window.newest().is_some_and(|newest| point.x - newest.x < self.lead) {
            return PairVerdict::TooSoon;
        }
        if predicted.width() >= self.jump {
            // However narrow the bracket, a jump could hide: the line has been without a pair too long.
            self.end(Lapse::Stale, pair.host.1);
            self.warm_up(pair);
            return PairVerdict::Stale;
        }
        if predicted.width() + 2 * i128::from(point.error) >= self.jump {
            return PairVerdict::TooWide;
        }
        self.agree(pair, point)
    }

    fn agree(&mut self, pair: &Pair, point: Point) -> PairVerdict {
        let Some(life) = &mut self.life else { return PairVerdict::WarmingUp };
        life.push(pair, point);
        let knee = pair.x.wrapping_add(self.lead.cast_unsigned()) & self.gauge.width.mask();
        let back = self.gauge.width.delta(knee, self.track.knee);
        let back = u64::try_from(back).ok().filter(|back| *back <= self.gauge.reach);
        let line = back.and_then(|back| self.line_from(point.x + self.lead, Some(back)));
        let (Some(line), Some(back)) = (line, back) else {
            // The pairs contradict each other though each agreed: an assumption does not hold.
            self.end(Lapse::Jumped, pair.host.1);
            return PairVerdict::Jumped;
        };
        let lapse = self.doubt.take().map(|_| Lapse::Doubtful);
        self.history.close(pair.host.0, lapse, &self.track);
        let (older, refreshed, drift) = (self.track.newer, pair.host.1, self.drift());
        self.track =
            Track { lapse: None, drift, knee, back, newer: line, older, refreshed, ..self.track };
        PairVerdict::Agreed
    }

    /// A pair that cannot be of this life. Two in a row that can be of one life are of a new one.
    fn doubt(&mut self, pair: &Pair) -> PairVerdict {
        let next = self.doubt.take().and_then(|doubt| {
            doubt.point(pair, &self.rates, &self.gauge).map(|point| (doubt, point))
        });
        let Some((mut life, point)) = next else {
            self.track.lapse = Some(Lapse::Doubtful);
            self.doubt = Some(Life::begin(pair, self.gauge.width));
            return PairVerdict::Doubtful;
        };
        life.push(pair, point);
        self.end(Lapse::Jumped, pair.host.1);
        self.life = Some(life);
        PairVerdict::Jumped
    }

    /// Ends this life: no moment since its last pair has an answer.
    fn end(&mut self, lapse: Lapse, until: u64) {
        self.history.close(until, Some(lapse), &self.track);
        let generation = self.track.generation.wrapping_add(1);
        self.track = Track { ended: Some(lapse), ..Track::not_yet(generation) };
        self.life = None;
        self.doubt = None;
    }

    /// The line from `start` on: from where the one before stands there, `back` ticks from its own
    /// start, towards the middle of what the pairs allow. `None` when they allow nothing.
    fn line_from(&self, start: i64, back: Option<u64>) -> Option<Line> {
        let life = self.life.as_ref()?;
        let reach = i64::try_from(self.gauge.reach).ok()?;
        let [near, far] = life.window.between(&self.rates, start, start + reach);
        if near.is_empty() {
            return None;
        }
        let begins = match back {
            None => (near.low + near.high) << self.gauge.shift >> 1,
            Some(back) => self.continued(life, back),
        };
        let mult = self.mult_towards(begins, near, far);
        self.bounded(life, begins, mult, near, far)
    }

    /// Where the line in force stands `back` ticks after its start, counted from the life's first
    /// pair and shifted: exactly, so that the next one begins there to the last bit.
    fn continued(&self, life: &Life, back: u64) -> i128 {
        let line = &self.track.newer;
        let base = i128::from(line.base.wrapping_sub(life.y_origin).cast_signed());
        let ahead = i128::from(back) * i128::from(line.mult) + i128::from(line.fraction);
        (base << self.gauge.shift) + ahead
    }

    /// The estimate's rate, within the drift, and as much more or less as catching up needs and the
    /// slew allows.
    fn mult_towards(&self, begins: i128, near: Interval, far: Interval) -> i128 {
        let (shift, reach) = (self.gauge.shift, i128::from(self.gauge.reach));
        let twice = (far.low + far.high) - (near.low + near.high);
        let rate = div_down(twice << shift, 2 * reach)
            .clamp(self.rates.slowest(1, 1 << shift), self.rates.fastest(1, 1 << shift));
        let gap = ((near.low + near.high) << shift >> 1) - begins;
        rate + div_down(gap, self.catch_up).clamp(-self.slew_mult, self.slew_mult)
    }

    /// The line with its bound: at both ends the distance to the further end of what is allowed.
    /// Between them that distance grows no further than the chord of it does.
    fn bounded(
        &self,
        life: &Life,
        begins: i128,
        mult: i128,
        near: Interval,
        far: Interval,
    ) -> Option<Line> {
        let (shift, reach) = (self.gauge.shift, i128::from(self.gauge.reach));
        let miss = |allowed: Interval, line: i128| {
            let low = line >> shift;
            (allowed.high - low).max(low + 1 - allowed.low)
        };
        let (first, last) = (miss(near, begins), miss(far, begins + mult * reach));
        let grows = div_up((last - first).max(0) << shift, reach);
        let fraction = begins & ((1 << shift) - 1);
        // What is cut off when the line and its bound are read: less than one tick each.
        let cut_off = 2;
        let line = Line {
            base: life.y_origin.wrapping_add((begins >> shift) as u64),
            fraction: u64::try_from(fraction).ok()?,
            mult: u64::try_from(mult).ok()?,
            error_mult: u64::try_from(grows).ok()?,
            error: u64::try_from(first).ok()? + self.half_tick + cut_off,
        };
        // A bound that grows faster than the clock itself is none, and would not fit the word.
        (line.error_mult < line.mult && line.error <= u64::from(u32::MAX)).then_some(line)
    }
}

/// Whether `third` lies on the line through the two before it so surely that neither gap can hold
/// a jump. One in the second gap moves `third` by all of itself, one in the first by the ratio of
/// the gaps' lengths.
fn shows_no_jump(rates: &Rates, jump: i128, first: &Point, second: &Point, third: &Point) -> bool {
    let predicted = rates.by_two(first, second, third.x);
    let gaps = (i128::from(second.x - first.x), i128::from(third.x - second.x));
    let told = predicted.width() + 2 * i128::from(third.error);
    predicted.meets(third) && told * gaps.0.max(gaps.1) < jump * gaps.1
}

fn ticks_of(ns: u64, per_s: u64) -> u64 {
    let ticks = u128::from(ns) * u128::from(per_s) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

/// `ticks` and `ppb` of them more, rounded up.
fn scaled_up(ticks: u64, ppb: u64) -> u64 {
    let more = (u128::from(ticks) * u128::from(ppb)).div_ceil(1_000_000_000);
    ticks.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ClockConfig;

    /// A counter at 250 MHz read by one at 1 GHz, and a slew of no more than 10 ppm.
    fn stage() -> Stage {
        let config = StageConfig { slew_ppb_max: 10_000, ..ClockConfig::default().device };
        let clocks = Clocks {
            from_per_s: 250_000_000,
            from_width: Width::WORD,
            to_per_s: 1_000_000_000,
            host_per_s: 1_000_000_000,
        };
        Stage::new(&config, &clocks, 0).expect("a counter that wide")
    }

    fn interval(low: i128, high: i128) -> Interval {
        Interval { low, high }
    }

    #[test]
    fn a_line_is_no_steeper_or_flatter_than_the_drift_and_the_slew_allow() {
        let stage = stage();
        let (shift, reach) = (stage.gauge.shift, i128::from(stage.gauge.reach));
        let one = 4i128 << shift;
        let ppm = |ppm: i128| one * ppm / 1_000_000;
        let near = interval(-50, 50);
        for (far, begins, rate, what) in [
            (4 * reach, 0, 0, "on the estimate"),
            (4 * reach, 1_000_000, -10, "far ahead of it"),
            (4 * reach, -1_000_000, 10, "far behind it"),
            (5 * reach, 0, 200, "the estimate is too fast"),
            (3 * reach, 0, -200, "the estimate is too slow"),
            (5 * reach, -1_000_000, 210, "too fast, and far behind it"),
        ] {
            let far = interval(far - 90, far + 90);
            let mult = stage.mult_towards(begins << shift, near, far);
            assert!((mult - one - ppm(rate)).abs() <= 4, "{what}: {} off", mult - one);
        }
        // A gap of 25 ns is closed in 250 ms: 0.1 ppm.
        let far = interval(4 * reach - 90, 4 * reach + 90);
        let mult = stage.mult_towards(-25 << shift, near, far);
        assert!((mult - one - one / 10_000_000).abs() <= 4);
    }

    #[test]
    fn through_pairs_that_contradict_each_other_there_is_no_line() {
        let mut stage = stage();
        let mut life = Life::begin(&Pair { x: 0, y: 0, error: 10, host: (0, 0) }, Width::WORD);
        // A rate 300 ppm off the nominal one, where 200 are possible.
        life.window.push(Point { x: 25_000_000, y: 100_030_000, error: 10 });
        stage.life = Some(life);
        assert_eq!(stage.line_from(25_000_000, None), None);
        // Nor one that goes on from where another was.
        stage.track.newer = Line { base: 101_000_000, ..Line::default() };
        assert_eq!(stage.line_from(25_000_000, Some(0)), None);
    }

    proptest! {
        /// Both chords are in what is told, everywhere between.
        #[test]
        fn a_line_tells_of_all_that_is_allowed(
            (low, width) in (-3_000i128..3_000, 1i128..4_000),
            (far_off, far_width) in (-100_000i128..100_000, 1i128..50_000),
            begins in -(5_000i128 << 32)..5_000 << 32,
            part: u64,
        ) {
            let stage = stage();
            let life = Life::begin(
                &Pair { x: 0, y: 1 << 40, error: 1, host: (0, 0) },
                stage.gauge.width,
            );
            let reach = i128::from(stage.gauge.reach);
            let near = interval(low, low + width);
            let far = interval(4 * reach + far_off, 4 * reach + far_off + far_width);
            let mult = stage.mult_towards(begins, near, far);
            let line = stage.bounded(&life, begins, mult, near, far).expect("a line");
            let delta = part % (stage.gauge.reach + 1);
            let (told, error) = line.at_exact(delta, stage.gauge.shift);
            let told = i128::from(told.wrapping_sub(1 << 40).cast_signed());
            let error = i128::from(error - stage.half_tick);
            let delta = i128::from(delta);
            let chord = |near: i128, far: i128| near * (reach - delta) + far * delta;
            prop_assert!((told - error) * reach <= chord(near.low, far.low));
            prop_assert!(chord(near.high, far.high) <= (told + error) * reach);
        }
    }
}
