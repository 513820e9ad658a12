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
    /// What a step may take whatever it took before: somebody was promised that.
    #[serde(default)]
    at_most: BTreeMap<String, Ceiling>,
    /// Instructions of a step, by what is done.
    instructions: BTreeMap<String, u64>,
}

/// What a step may take, without any tolerance.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Ceiling {
    /// So many instructions.
    Instructions(u64),
    /// So many times those of another case in the same count.
    Times { times: u64, of: String },
}

impl Ceiling {
    /// In instructions, and as whoever reads of it would say it. `None` where the other is no case.
    fn among(&self, counts: &BTreeMap<String, u64>) -> Option<(u64, String)> {
        match self {
            Ceiling::Instructions(limit) => Some((*limit, String::new())),
            Ceiling::Times { times, of } => {
                let base = counts.get(of)?;
                Some((times * base, format!(", {times} times the {base} of {of}")))
            }
        }
    }
}

const PATH: &str = "budget.toml";
/// What a new file begins with. Of one that is there all stays that stands before its figures, but for the compiler's line.
const HEAD: &str = "\
# Instructions of one step of each bench, counted by callgrind: what `make bench-instructions`
# compares with, and `make bench-budget` writes. More than the tolerance over one fails.
tolerance_percent = 2
tolerance_percent_other_rustc = 10
rustc = \"\"
";
const RUSTC: &str = "rustc = ";
const FIGURES: &str = "[instructions]\n";

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
    let (mut over, under) = compare(&budget.instructions, &counts, percent);
    over.extend(above(&budget.at_most, &counts));
    under.iter().for_each(|sentence| println!("{sentence}"));
    if !over.is_empty() {
        return Err(over.join("\n"));
    }
    println!(
        "{} cases within their instruction budget, {} of them under a ceiling",
        counts.len(),
        budget.at_most.len()
    );
    Ok(())
}

/// Counts ours and writes them down, unless one is above its ceiling.
///
/// # Errors
/// One sentence for each that is; what is wrong with the file.
pub(crate) fn set() -> Result<(), String> {
    let path = source().join(PATH);
    let old = std::fs::read_to_string(&path).unwrap_or_else(|_| format!("{HEAD}\n{FIGURES}"));
    let at_most = parse(&old)?.at_most;
    let counts = ours()?;
    let over = above(&at_most, &counts);
    if !over.is_empty() {
        return Err(over.join("\n"));
    }
    std::fs::write(&path, rewritten(&old, &rustc(), &counts))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    println!("{} is written; commit it with what moved it", path.display());
    Ok(())
}

/// The same file with other figures: what stands before them stays, but for the compiler that they are of.
fn rewritten(old: &str, rustc: &str, counts: &BTreeMap<String, u64>) -> String {
    let head = old.split_once(FIGURES).map_or(old, |(head, _)| head);
    let compiler = format!("{RUSTC}\"{rustc}\"\n");
    let mut text: String = head
        .split_inclusive('\n')
        .map(|line| if line.starts_with(RUSTC) { compiler.as_str() } else { line })
        .collect();
    text += FIGURES;
    for (what, count) in counts {
        let _ = writeln!(text, "\"{what}\" = {count}");
    }
    text
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
    parse(&text)
}

fn parse(text: &str) -> Result<Budget, String> {
    toml::from_str(text).map_err(|error| {
        format!(
            "{}: {error}`make bench-budget` writes figures alone anew",
            source().join(PATH).display()
        )
    })
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

/// Sentences of what is above its ceiling.
fn above(ceilings: &BTreeMap<String, Ceiling>, counts: &BTreeMap<String, u64>) -> Vec<String> {
    let mut over = Vec::new();
    for (what, ceiling) in ceilings {
        let (Some(count), Some((limit, why))) = (counts.get(what), ceiling.among(counts)) else {
            over.push(format!("{what} has a ceiling, and it or what that goes by is no case."));
            continue;
        };
        if *count > limit {
            over.push(format!(
                "{what} takes {count} instructions, and {limit} is the most that it may{why}: find what made \
                 it longer. `make bench-budget` does not move that."
            ));
        }
    }
    over
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
    fn a_ceiling_has_no_tolerance() {
        let ceilings = |text: &str| {
            let text = format!("{HEAD}[at_most]\n{text}\n{FIGURES}");
            parse(&text).expect("a budget").at_most
        };
        let counts = BTreeMap::from([("a".to_owned(), 380), ("b".to_owned(), 127)]);
        for (ceiling, fails) in [
            ("a = 380", 0),
            ("a = 379", 1),
            ("a = { times = 3, of = \"b\" }", 0),
            ("a = { times = 2, of = \"b\" }", 1),
            ("a = { times = 3, of = \"c\" }", 1),
            ("c = 1", 1),
            ("a = 379\nb = 126", 2),
        ] {
            assert_eq!(above(&ceilings(ceiling), &counts).len(), fails, "{ceiling}");
        }
    }

    #[test]
    fn figures_are_written_anew_and_what_stands_before_them_stays() {
        let head = |rustc| format!("# why\nrustc = \"{rustc}\"\n[at_most]\na = 3\n\n{FIGURES}");
        let (old, new) = (head("old") + "b = 7\n", head("new") + "\"a\" = 2\n");
        assert_eq!(rewritten(&old, "new", &one("a", 2)), new);
    }

    #[test]
    fn a_case_without_a_budget_fails_and_so_does_a_budget_without_a_case() {
        let (over, _) = compare(&one("a", 1), &one("b", 1), 2);
        assert_eq!(over.len(), 2);
    }
}
