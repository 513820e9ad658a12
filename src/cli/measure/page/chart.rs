//! Charts as SVG: shapes that the page's own style gives colours to.

use std::fmt::Write;

use fixwire::measure::slices::Slices;
use fixwire::measure::tally::Distribution;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 10.0;
const RIGHT: f64 = 16.0;
const BARS_MAX: usize = 120;

/// Picoseconds in the unit that leaves few digits.
pub(super) fn duration(ps: f64) -> String {
    let units = [(1e12, "s"), (1e9, "ms"), (1e6, "us"), (1e3, "ns")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ps >= *unit).unwrap_or((1.0, "ps"));
    let value = ps / unit;
    if value >= 100.0 { format!("{value:.0} {name}") } else { format!("{value:.3} {name}") }
        .replace(".000 ", " ")
}

/// An axis of logarithms, from below the least to above the most.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>) -> Axis {
        let (least, most) = values
            .filter(|value| *value > 0.0)
            .fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(value), most.max(value)));
        if most == 0.0 {
            return Axis { from: 0.0, to: 1.0 };
        }
        let (from, to) = ((least * 0.95).log10(), (most * 1.05).log10());
        Axis { from, to }
    }

    /// From 0 to 1.
    fn place(&self, value: f64) -> f64 {
        ((value.max(1e-9).log10() - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// Round values: 1, 2 and 5 of each power of ten, or fewer where there are many.
    fn ticks(&self) -> Vec<f64> {
        let steps: &[f64] = if self.to - self.from > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let powers = self.from.floor() as i32..=self.to.ceil() as i32;
        let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        let is_on = |value: &f64| (self.from..=self.to).contains(&value.log10());
        let on: Vec<_> = all.filter(is_on).collect();
        // A distribution so narrow that no round value is in it.
        if on.is_empty() { vec![10_f64.powf((self.from + self.to) / 2.0)] } else { on }
    }
}

fn x(place: f64) -> f64 {
    LEFT + place * (WIDTH - LEFT - RIGHT)
}

fn y(place: f64) -> f64 {
    HEIGHT - BOTTOM - place * (HEIGHT - BOTTOM - TOP)
}

/// A drawing with lines of durations across.
fn begun(label: &str, axis: &Axis) -> String {
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    for tick in axis.ticks() {
        let at = y(axis.place(tick));
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            duration(tick)
        );
    }
    out
}

fn below(out: &mut String, at: f64, text: &str) {
    let _ = write!(
        out,
        "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
        HEIGHT - 6.0
    );
}

fn line(out: &mut String, class: &str, points: &[(f64, f64)]) {
    let _ = write!(out, "<polyline class=\"line {class}\" points=\"");
    for (x, y) in points {
        let _ = write!(out, "{x:.1},{y:.1} ");
    }
    out.push_str("\"/>");
}

/// Latency over percentile, which comes closer to 100 by a power of ten each.
pub(super) fn percentiles(of: &Distribution) -> String {
    // As many nines as there are samples for.
    let nines = (of.ps.len().max(10) as f64).log10().clamp(1.0, 6.0);
    let quantile = |place: f64| 1.0 - 10_f64.powf(-place * nines);
    let values: Vec<(f64, f64)> = (0..=240)
        .map(|step| f64::from(step) / 240.0)
        .map(|place| (place, of.quantile_ps(quantile(place)) as f64))
        .collect();
    let axis = Axis::over(values.iter().map(|(_, ps)| *ps).chain([of.max_ps() as f64]));
    let mut out = begun("percentile curve", &axis);
    for (name, quantile) in
        [("p50", 0.5_f64), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)]
    {
        let place = -(1.0 - quantile).log10() / nines;
        if place <= 1.0 {
            let at = x(place);
            let _ = write!(
                out,
                "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{}\"/>",
                HEIGHT - BOTTOM
            );
            below(&mut out, at, name);
        }
    }
    let points: Vec<_> = values.iter().map(|(place, ps)| (x(*place), y(axis.place(*ps)))).collect();
    line(&mut out, "p50", &points);
    out + "</svg>"
}

/// How many took how long: bars of equal ratio.
pub(super) fn histogram(of: &Distribution) -> String {
    let across = Axis::over([of.ps.min() as f64, of.max_ps() as f64].into_iter());
    let mut counts = vec![0_u64; BARS_MAX];
    for step in of.ps.iter_recorded() {
        let place = across.place(step.value_iterated_to() as f64);
        counts[((place * BARS_MAX as f64) as usize).min(BARS_MAX - 1)] += step.count_at_value();
    }
    let most = counts.iter().copied().max().unwrap_or(1).max(1);
    // One pair is to be seen beside a million.
    let height = |count: u64| (count as f64 + 1.0).ln() / (most as f64 + 1.0).ln();
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"histogram\">");
    let _ = write!(
        out,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{most}</text><text x=\"{}\" y=\"{}\" text-anchor=\"end\">0</text>",
        LEFT - 6.0,
        TOP + 8.0,
        LEFT - 6.0,
        HEIGHT - BOTTOM
    );
    let width = (WIDTH - LEFT - RIGHT) / BARS_MAX as f64;
    for (bar, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let top = y(height(*count));
        let from =
            10_f64.powf(across.from + (across.to - across.from) * bar as f64 / BARS_MAX as f64);
        let _ = write!(
            out,
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{count} from {} on</title></rect>",
            x(bar as f64 / BARS_MAX as f64),
            (width - 0.5).max(0.5),
            HEIGHT - BOTTOM - top,
            duration(from)
        );
    }
    for tick in across.ticks() {
        below(&mut out, x(across.place(tick)), &duration(tick));
    }
    out + "</svg>"
}

/// Percentiles of each slice of time.
pub(super) fn over_time(of: &Slices) -> String {
    let slices: Vec<_> = of.iter().enumerate().filter_map(|(at, of)| Some((at, of?))).collect();
    let last = slices.last().map_or(0, |(at, _)| *at);
    let values =
        slices.iter().flat_map(|(_, of)| [0.5, 1.0].map(|at| of.value_at_quantile(at) as f64));
    let axis = Axis::over(values);
    let mut out = begun("over time", &axis);
    let series: [(&str, f64); 3] = [("max", 1.0), ("p99", 0.99), ("p50", 0.5)];
    for (class, quantile) in series {
        let points: Vec<_> = slices
            .iter()
            .map(|(at, of)| {
                let place = if last == 0 { 0.5 } else { *at as f64 / last as f64 };
                (x(place), y(axis.place(of.value_at_quantile(quantile) as f64)))
            })
            .collect();
        line(&mut out, class, &points);
        for (x, y) in &points {
            let _ = write!(
                out,
                "<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\"/>"
            );
        }
    }
    let len_ps = of.len().as_ps() as f64;
    below(&mut out, x(0.0), "0");
    if last > 0 {
        below(&mut out, x(1.0) - 20.0, &duration(len_ps * last as f64));
    }
    out + "</svg>"
}

/// Durations side by side.
pub(super) fn bars(rows: &[(String, u64)]) -> String {
    const ROW: f64 = 26.0;
    const NAMES_MIN: f64 = 150.0;
    const LETTER: f64 = 7.5;
    let longest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let names = NAMES_MIN.max(longest as f64 * LETTER).min(WIDTH / 2.0);
    let most = rows.iter().map(|(_, ps)| *ps).max().unwrap_or(1).max(1) as f64;
    let height = ROW * rows.len() as f64;
    let mut out =
        format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"medians\">");
    for (row, (name, ps)) in rows.iter().enumerate() {
        let top = ROW * row as f64;
        let width = (*ps as f64 / most * (WIDTH - names - 100.0)).max(1.0);
        let _ = write!(
            out,
            "<text x=\"0\" y=\"{:.1}\">{name}</text>\
             <rect class=\"bar\" x=\"{names}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            top + 17.0,
            top + 4.0,
            ROW - 8.0,
            names + width + 6.0,
            top + 17.0,
            duration(*ps as f64)
        );
    }
    out + "</svg>"
}
