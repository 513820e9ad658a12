//! The table, as text and as Markdown.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use fixwire_benches::case::Caches;
use fixwire_benches::cases::checksum;

use crate::row::{self, Row};
use crate::target;

/// Whole tables stand between these in a Markdown file, and summaries between the others.
const MARKS: [(&str, Form); 2] = [("bench-table", Form::Whole), ("bench-summary", Form::Summary)];

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Whole,
    Summary,
}

/// A summary shows what begins so.
const SUMMARY: [&str; 11] = [
    "frame_to_frame/",
    "tcp/150 in, 150 out/",
    "tcp/22..277 in, 22..277 out/",
    "tcp/150 in, 150 out, 512 connections/",
    "tcp/150 in, 150 out, 4096 connections/",
    "tcp/150 in, 150 out, 4096 connections, large pages/",
    "tcp/prepared send/",
    "tcp/segment in",
    "fix_decode/report",
    "fix_encode/",
    "wire/",
];

/// And of these the cold rows, too.
const SUMMARY_COLD: [&str; 2] = ["frame_to_frame/", "tcp/150 in, 150 out/"];

/// The published design that this project answers: its stages in ns, as its author gives them for a
/// machine of their own, and the nearest of ours.
const PUBLISHED: [(&str, u32, &str); 3] = [
    ("parse", 15, "wire/headers parsed/offloaded"),
    ("TCP", 18, "tcp/segment in"),
    ("FIX", 82, "fix_decode/report"),
];

/// Prints the table, and writes it as Markdown into the target folder.
pub(crate) fn print() -> Result<(), String> {
    let rows = row::all()?;
    print!("{}", text(&rows));
    let path = target()?.join("bench.md");
    std::fs::write(&path, markdown(&rows, Form::Whole))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("\nAs Markdown: {}; `make bench-readme` puts it into the README.", path.display());
    Ok(())
}

/// Puts the table between the marks of a Markdown file.
pub(crate) fn put_into(path: &Path) -> Result<(), String> {
    let fault = |error: std::io::Error| format!("{}: {error}", path.display());
    let rows = row::all()?;
    let mut page = std::fs::read_to_string(path).map_err(fault)?;
    let mut found = false;
    for (mark, form) in MARKS {
        if let Some(filled) = filled(&page, mark, &markdown(&rows, form)) {
            (page, found) = (filled, true);
        }
    }
    if !found {
        return Err(format!("{}: no `<!-- bench-table:begin -->` there", path.display()));
    }
    std::fs::write(path, page).map_err(fault)
}

/// `page` with `content` between the marks, if it has both.
fn filled(page: &str, mark: &str, content: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {mark}:begin -->\n"), format!("<!-- {mark}:end -->"));
    let from = page.find(&begin)? + begin.len();
    let to = from + page[from..].find(&end)?;
    Some(format!("{}{content}{}", &page[..from], &page[to..]))
}

fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<52} {:<15} {:<26} {:>9} {:>9} {:>7} {:>7} {:>7} {:>7}\n",
        "what", "", "who", "least ns", "median", "x ours", "instr.", "x ours", "B/cycle"
    );
    let cycle_ns = row::cycle_ns(rows);
    let mut last = None;
    for row in rows {
        let key = (row.what.as_str(), row.caches);
        let (what, caches) = if last == Some(key) { ("", "") } else { (key.0, key.1.name()) };
        last = Some(key);
        let _ = writeln!(
            text,
            "{what:<52} {caches:<15} {:<26} {:>9.1} {:>9.1} {:>7} {:>7} {:>7} {:>7}",
            row.who,
            row.time.least,
            row.time.median,
            times(row.ratio()),
            row.instructions.map_or_else(String::new, |count| count.to_string()),
            times(row.ratio_of_instructions()),
            row.bytes_per_cycle(cycle_ns).map_or_else(String::new, |bytes| format!("{bytes:.1}")),
        );
    }
    text + &clock(rows)
}

/// What a cycle is in this table.
fn clock(rows: &[Row]) -> String {
    let Some(cycle_ns) = row::cycle_ns(rows) else { return String::new() };
    let cycles = checksum::CLOCK_CYCLES;
    let ghz = 1.0 / cycle_ns;
    format!(
        "\nA cycle is the core's own: {cycle_ns:.3} ns ({ghz:.2} GHz), by a chain of {cycles} of them in the \
         same run.\n"
    )
}

fn times(ratio: Option<f64>) -> String {
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
}

fn markdown(rows: &[Row], form: Form) -> String {
    let table = match form {
        Form::Whole => whole(rows) + &clock(rows),
        Form::Summary => summary(rows) + &stages(rows),
    };
    format!("{}\n\n{table}", machine())
}

/// A line for each row.
fn whole(rows: &[Row]) -> String {
    let mut table =
        "| what | caches | who | least ns | median ns | × ours | instructions | × ours | bytes/cycle |\n\
         | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    let cycle_ns = row::cycle_ns(rows);
    for row in rows {
        let who = if row.is_ours() { format!("**{}**", row.who) } else { row.who.to_owned() };
        let _ = writeln!(
            table,
            "| {} | {} | {who} | {:.0} | {:.0} | {} | {} | {} | {} |",
            row.what,
            row.caches.name(),
            row.time.least,
            row.time.median,
            times(row.ratio()),
            row.instructions.map_or_else(String::new, |count| count.to_string()),
            times(row.ratio_of_instructions()),
            row.bytes_per_cycle(cycle_ns).map_or_else(String::new, |bytes| format!("{bytes:.1}")),
        );
    }
    table
}

/// A line for each of ours, the rivals behind it.
fn summary(rows: &[Row]) -> String {
    let mut table = "| what | caches | fixwire, ns (instructions) | beside it: ns (instructions), \
                     times ours |\n| --- | --- | ---: | --- |\n"
        .to_owned();
    let is_shown = |row: &&Row| {
        let shown: &[&str] = if row.caches == Caches::Warm { &SUMMARY } else { &SUMMARY_COLD };
        shown.iter().any(|beginning| row.what.starts_with(beginning))
    };
    for ours in rows.iter().filter(|row| row.is_ours()).filter(is_shown) {
        let alike = |row: &&Row| (&row.what, row.caches) == (&ours.what, ours.caches);
        let rivals: Vec<String> = rows
            .iter()
            .filter(|row| !row.is_ours())
            .filter(alike)
            .map(|row| format!("{} {}, {} ×", row.who, figures(row), times(row.ratio())))
            .collect();
        let figures = figures(ours);
        let _ = writeln!(
            table,
            "| {} | {} | **{figures}** | {} |",
            ours.what,
            ours.caches.name(),
            rivals.join("; ")
        );
    }
    table
}

fn figures(row: &Row) -> String {
    let counted = row.instructions.map_or_else(String::new, |count| format!(" ({count})"));
    format!("{:.0}{counted}", row.time.least)
}

/// The published design's stages beside ours.
fn stages(rows: &[Row]) -> String {
    let mut table = "\n| stage | published, ns | nearest here | ns |\n".to_owned();
    table += "| --- | ---: | --- | ---: |\n";
    for (stage, published_ns, what) in PUBLISHED {
        let ours =
            rows.iter().find(|row| row.is_ours() && row.what == what && row.caches == Caches::Warm);
        if let Some(row) = ours {
            let _ =
                writeln!(table, "| {stage} | {published_ns} | {what} | {:.0} |", row.time.least);
        }
    }
    table
}

/// Command, machine and date: without them a figure says nothing.
fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    let release = said("uname", &["-r"]);
    let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let shared = if of("flags").is_some_and(|flags| flags.contains(" hypervisor")) {
        "a virtual machine"
    } else {
        "bare metal"
    };
    format!(
        "`make bench` on {shared} ({}, family {}, {cores} cores, Linux {}), {}, {}.",
        of("model name").unwrap_or_else(unknown),
        of("cpu family").unwrap_or_else(unknown),
        release.split('.').take(2).collect::<Vec<_>>().join("."),
        said("rustc", &["--version"]).split(" (").next().unwrap_or_default(),
        said("date", &["+%F"]),
    )
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "unknown".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_the_marks_is_replaced_and_nothing_else() {
        let page = "a\n<!-- m:begin -->\nold\n<!-- m:end -->\nb\n";
        let expected = "a\n<!-- m:begin -->\nnew\n<!-- m:end -->\nb\n";
        assert_eq!(filled(page, "m", "new\n").as_deref(), Some(expected));
        assert_eq!(filled(expected, "m", "new\n").as_deref(), Some(expected));
        assert_eq!(filled(page, "other", "new\n"), None);
        assert_eq!(filled("<!-- m:begin -->\n", "m", "new\n"), None);
    }
}
