//! The committed instruction budget: what a step of ours may cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use fixwire_benches::case::US;
use serde::Deserialize;

use crate::callgrind;
use crate::source;

/// `budget.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    /// How much over its figure a case may be before that fails, and under before it is said, in percent.
    tolerance_percent: u64,
    /// The same under another compiler than that of the figures.
    tolerance_percent_other_rustc: u64,
    /// The compiler that the figures were counted with.
    rustc: String,
    /// Instructions of a step, by what is done.
    instructions: BTreeMap<String, u64>,
}

const PATH: &str = "budget.toml";
/// A new file's tolerances.
const TOLERANCES_PERCENT: (u64, u64) = (2, 10);

/// Counts ours and compares.
///
/// # Errors
/// One sentence for each case over its budget, without a budget, or without a case.
pub(crate) fn check() -> Result<(), String> {
    let budget = read()?;
    let counts = ours()?;
    let rustc = rustc();
    let percent = if rustc == budget.rustc {
        budget.tolerance_percent
    } else {
        println!(
            "The budget was counted with {}, this is {rustc}: {} % are tolerated.",
            budget.rustc, budget.tolerance_percent_other_rustc
        );
        budget.tolerance_percent_other_rustc
    };
    let (over, under) = compare(&budget.instructions, &counts, percent);
    under.iter().for_each(|sentence| println!("{sentence}"));
    if !over.is_empty() {
        return Err(over.join("\n"));
    }
    println!("{} cases within their instruction budget", counts.len());
    Ok(())
}

/// Counts ours and writes them down.
pub(crate) fn set() -> Result<(), String> {
    let (percent, percent_other_rustc) = read().map_or(TOLERANCES_PERCENT, |budget| {
        (budget.tolerance_percent, budget.tolerance_percent_other_rustc)
    });
    let mut text = format!(
        "# Instructions of one step of each bench, counted by callgrind: what `make bench-instructions`\n\
         # compares with, and `make bench-budget` writes. More than the tolerance over one fails.\n\
         tolerance_percent = {percent}\n\
         tolerance_percent_other_rustc = {percent_other_rustc}\n\
         rustc = \"{}\"\n\n\
         [instructions]\n",
        rustc()
    );
    for (what, count) in ours()? {
        let _ = writeln!(text, "\"{what}\" = {count}");
    }
    let path = source().join(PATH);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} is written; commit it with what moved it", path.display());
    Ok(())
}

/// By what is done.
fn ours() -> Result<BTreeMap<String, u64>, String> {
    let counts = callgrind::count(|case| case.who == US)?;
    let suffix = format!("/{US}");
    Ok(counts
        .into_iter()
        .map(|(name, count)| (name.trim_end_matches(&suffix).to_owned(), count))
        .collect())
}

fn read() -> Result<Budget, String> {
    let path = source().join(PATH);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; `make bench-budget` writes it", path.display()))?;
    toml::from_str(&text)
        .map_err(|error| format!("{}: {error}`make bench-budget` writes it anew", path.display()))
}

/// Sentences of what fails, and of what could be lowered.
fn compare(
    limits: &BTreeMap<String, u64>,
    counts: &BTreeMap<String, u64>,
    percent: u64,
) -> (Vec<String>, Vec<String>) {
    let (mut over, mut under) = (Vec::new(), Vec::new());
    for (what, count) in counts {
        let Some(limit) = limits.get(what) else {
            over.push(format!(
                "{what} takes {count} instructions and has no budget: run `make bench-budget`."
            ));
            continue;
        };
        if *count * 100 > limit * (100 + percent) {
            over.push(format!(
                "{what} takes {count} instructions, more than {percent} % over its budget of {limit}: \
                 find what made it longer, or run `make bench-budget` and say in the commit why."
            ));
        } else if *count * (100 + percent) < limit * 100 {
            under.push(format!(
                "{what} takes {count} instructions, more than {percent} % under its budget of {limit}: \
                 `make bench-budget` lowers it."
            ));
        }
    }
    for what in limits.keys().filter(|what| !counts.contains_key(*what)) {
        over.push(format!("{what} has a budget and is no case: run `make bench-budget`."));
    }
    (over, under)
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(what: &str, count: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([(what.to_owned(), count)])
    }

    fn compared(limit: u64, count: u64) -> (usize, usize) {
        let (over, under) = compare(&one("a", limit), &one("a", count), 2);
        (over.len(), under.len())
    }

    #[test]
    fn a_case_fails_over_the_tolerance_and_is_named_under_it() {
        assert_eq!(compared(1_000, 1_000), (0, 0));
        assert_eq!(compared(1_000, 1_020), (0, 0));
        assert_eq!(compared(1_000, 1_021), (1, 0));
        assert_eq!(compared(1_000, 981), (0, 0));
        assert_eq!(compared(1_000, 980), (0, 1));
    }

    #[test]
    fn a_case_without_a_budget_fails_and_so_does_a_budget_without_a_case() {
        let (over, _) = compare(&one("a", 1), &one("b", 1), 2);
        assert_eq!(over.len(), 2);
    }
}
