//! The report as one page that needs nothing but a browser: no script, no network, light and dark.

mod chart;

use std::fmt::Write;

use fixwire::measure::tally::{Distribution, SLICED_MAX, ns};

use super::figures::{Figures, QUANTILES, percent};

const STYLE: &str = include_str!("style.css");

/// What a page shows.
pub(super) struct Page<'a> {
    pub(super) title: &'a str,
    pub(super) heading: &'a str,
    /// What was measured, in a few lines.
    pub(super) of: Vec<String>,
    pub(super) figures: Figures<'a>,
    /// What makes up a round, in a sentence.
    pub(super) hops: &'a str,
    pub(super) notes: Vec<String>,
    /// Further sections: a heading, and text that stands as it is.
    pub(super) more: Vec<(&'a str, String)>,
}

/// The whole page.
pub(super) fn html(page: &Page<'_>) -> String {
    let all = page.figures.all();
    let mut out = String::from("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">");
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">";
    let _ = write!(
        out,
        "<title>{}</title><style>{STYLE}</style></head><body><main><h1>{}</h1><ul class=\"files\">",
        page.title, page.heading
    );
    for line in &page.of {
        let _ = write!(out, "<li>{}</li>", escaped(line));
    }
    out += "</ul>";
    if !all.is_empty() {
        out += &table(&page.figures);
        out += &breakdown(all, page.hops);
    }
    for (number, of) in (1..).zip(all) {
        out += &section(number, of);
    }
    out += &excluded(&page.figures);
    if !page.notes.is_empty() {
        out += "<section><h2>Notes</h2><ul>";
        for note in &page.notes {
            let _ = write!(out, "<li>{}</li>", escaped(note));
        }
        out += "</ul></section>";
    }
    for (heading, text) in &page.more {
        let _ = write!(
            out,
            "<section><h2>{heading}</h2><div class=\"wide\"><pre>{}</pre></div></section>",
            escaped(text)
        );
    }
    out += "</main></body></html>\n";
    out
}

/// Percentiles side by side.
fn table(figures: &Figures<'_>) -> String {
    let all = figures.all();
    let mut out = String::from(
        "<section><h2>Percentiles</h2><div class=\"wide\"><table><thead><tr><th>interval</th>",
    );
    for (name, ..) in QUANTILES {
        let _ = write!(out, "<th>{name}</th>");
    }
    out += "<th>max</th><th>samples</th><th>excluded</th><th>noise floor</th><th>clock</th></tr></thead><tbody>";
    for (number, of) in (1..).zip(all) {
        let _ = write!(out, "<tr><th>{number} {}</th>", escaped(&of.title()));
        for (.., quantile) in QUANTILES {
            let told = of.told_quantile_ps(quantile);
            let told = told.map_or_else(|| "-".into(), |ps| ns(ps.into()));
            let _ = write!(out, "<td>{told}</td>");
        }
        let _ = write!(
            out,
            "<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"text\">{}, {}</td></tr>",
            ns(of.max_ps().into()),
            of.ps.len(),
            percent(figures.excluded_share(of.kind)),
            ns(of.noise_floor_ps().into()),
            of.domain.clock,
            of.domain.scale
        );
    }
    let words: String = figures.legend().map(|words| format!("<p>{words}</p>")).collect();
    format!("{out}</tbody></table></div>{words}</section>")
}

/// The medians of what makes up a round, one behind the other.
fn breakdown(all: &[Distribution], hops: &str) -> String {
    let bars: Vec<_> = (1..)
        .zip(all)
        .filter(|(_, of)| of.kind.is_hop())
        .map(|(number, of)| (escaped(&format!("{number} {}", of.title())), of.quantile_ps(0.5)))
        .collect();
    format!("<section><h2>Hop by hop</h2><p>{hops}</p>{}</section>", chart::bars(&bars))
}

fn section(number: usize, of: &Distribution) -> String {
    let [from, to] = of.kind.points();
    format!(
        "<section><h2>{number} {}</h2><p>From {from} to {to}, by {}, {}. Noise floor {}: {}.</p>\
         <figure><figcaption>Percentile curve: how long the slowest take</figcaption>{}</figure>\
         <figure><figcaption>Histogram: how many took how long</figcaption>{}</figure>{}</section>",
        escaped(&of.title()),
        of.domain.clock,
        of.domain.scale,
        ns(of.noise_floor_ps().into()),
        of.error_bound(),
        chart::percentiles(of),
        chart::histogram(of),
        over_time(of),
    )
}

fn over_time(of: &Distribution) -> String {
    let Some(slices) = &of.slices else {
        return format!(
            "<p>Over time the first {SLICED_MAX} are kept, and this is none of them.</p>"
        );
    };
    format!(
        "<figure><figcaption>Over time, in slices of {}: <span class=\"p50\">p50</span>, <span class=\"p99\">p99</span>, \
         <span class=\"max\">max</span></figcaption>{}</figure>",
        chart::duration(slices.len().as_ps() as f64),
        chart::over_time(slices),
    )
}

/// What is in no figure, and why.
fn excluded(figures: &Figures<'_>) -> String {
    let mut rows = String::new();
    for kind in figures.kinds {
        for (reason, count) in figures.excluded(*kind) {
            let _ = write!(
                rows,
                "<tr><th>{kind}</th><td>{count}</td><td class=\"text\"><code>{}</code>: {reason}</td></tr>",
                reason.name()
            );
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
