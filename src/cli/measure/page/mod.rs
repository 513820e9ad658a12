//! The report as one page that needs nothing but a browser: no script, no network, light and dark.

mod chart;

use std::fmt::Write;
use std::path::Path;

use fixwire::measure::pairs::Reason;
use fixwire::measure::tally::{Distribution, Kind, ns};

use super::report::{QUANTILES, Report};

const STYLE: &str = include_str!("style.css");

/// Writes the page.
pub(super) fn write(path: &Path, report: &Report<'_>) -> std::io::Result<()> {
    std::fs::write(path, html(report))
}

fn html(report: &Report<'_>) -> String {
    let all = report.tally.distributions();
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
    let _ = write!(
        out,
        "<title>fixwire measure capture</title><style>{STYLE}</style></head><body><main>"
    );
    out += "<h1>Latencies in captures</h1>";
    out += "<ul class=\"files\">";
    for file in report.inputs.files() {
        let _ = write!(
            out,
            "<li>{}: {} frames; {}</li>",
            escaped(&file.name),
            file.frames(),
            escaped(&file.stamps)
        );
    }
    out += "</ul>";
    if !all.is_empty() {
        out += &table(all);
        out += &breakdown(all);
    }
    for (number, of) in (1..).zip(all) {
        out += &section(number, of);
    }
    out += &excluded(report);
    let notes = report.notes();
    if !notes.is_empty() {
        out += "<section><h2>Notes</h2><ul>";
        for note in notes {
            let _ = write!(out, "<li>{}</li>", escaped(&note));
        }
        out += "</ul></section>";
    }
    out += "</main></body></html>\n";
    out
}

/// Percentiles side by side.
fn table(all: &[Distribution]) -> String {
    let mut out = String::from(
        "<section><h2>Percentiles</h2><div class=\"wide\"><table><thead><tr><th>interval</th>",
    );
    for (name, ..) in QUANTILES {
        let _ = write!(out, "<th>{name}</th>");
    }
    out += "<th>max</th><th>samples</th><th>noise floor</th><th>clock</th></tr></thead><tbody>";
    for (number, of) in (1..).zip(all) {
        let _ = write!(out, "<tr><th>{number} {}</th>", of.kind);
        for (.., quantile) in QUANTILES {
            let _ = write!(out, "<td>{}</td>", ns(of.quantile_ps(quantile).into()));
        }
        let _ = write!(
            out,
            "<td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}, {}</td></tr>",
            ns(of.max_ps().into()),
            of.ps.len(),
            ns(of.noise_floor_ps().into()),
            of.domain.clock,
            of.domain.scale
        );
    }
    out + "</tbody></table></div></section>"
}

/// The medians of what makes up a round, one behind the other.
fn breakdown(all: &[Distribution]) -> String {
    let bars: Vec<_> = (1..)
        .zip(all)
        .map(|(number, of)| (format!("{number} {}", of.kind), of.quantile_ps(0.5)))
        .collect();
    format!(
        "<section><h2>Hop by hop</h2><p>Medians: what lies on either side of the point of capture.</p>{}</section>",
        chart::bars(&bars)
    )
}

fn section(number: usize, of: &Distribution) -> String {
    let [from, to] = of.kind.points();
    format!(
        "<section><h2>{number} {}</h2><p>From {from} to {to}, by {}, {}. Noise floor {}: {}.</p>\
         <figure><figcaption>Percentile curve: how long the slowest take</figcaption>{}</figure>\
         <figure><figcaption>Histogram: how many took how long</figcaption>{}</figure>\
         <figure><figcaption>Over time, in slices of {}: <span class=\"p50\">p50</span>, <span class=\"p99\">p99</span>, \
         <span class=\"max\">max</span></figcaption>{}</figure></section>",
        of.kind,
        of.domain.clock,
        of.domain.scale,
        ns(of.noise_floor_ps().into()),
        of.error_bound(),
        chart::percentiles(of),
        chart::histogram(of),
        chart::duration(of.slices.len().as_ps() as f64),
        chart::over_time(of),
    )
}

/// What is in no figure, and why.
fn excluded(report: &Report<'_>) -> String {
    let mut rows = String::new();
    for kind in Kind::ALL {
        for reason in Reason::ALL {
            let count = report.tally.excluded(kind, reason);
            if count > 0 {
                let _ = write!(
                    rows,
                    "<tr><th>{kind}</th><td>{count}</td><td class=\"text\"><code>{}</code>: {reason}</td></tr>",
                    reason.name()
                );
            }
        }
    }
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<section><h2>Excluded</h2><div class=\"wide\"><table><thead><tr><th>interval</th><th>pairs</th><th>why</th></tr></thead>\
         <tbody>{rows}</tbody></table></div></section>"
    )
}

/// Text in which nothing is markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
