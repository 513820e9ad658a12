//! The table of `make bench`, and the instruction budget of `make bench-instructions`.

mod budget;
mod callgrind;
mod peers;
mod row;
mod samples;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str =
    "usage: report count | check | set-budget | table | readme FILE... | peers PROGRAM
  count       counts every case's instructions under callgrind, for the table
  check       counts ours, and compares them with budget.toml
  set-budget  counts ours, and writes budget.toml
  table       prints what was measured last, and writes it as Markdown
  readme      puts that Markdown between the marks of each file
  peers       measures QuickFIX by PROGRAM and ours beside it, and prints a table";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["count"] => callgrind::count_all().map(|_| ()),
        ["check"] => budget::check(),
        ["set-budget"] => budget::set(),
        ["table"] => table::print(),
        ["peers", program] => peers::compare(Path::new(program)),
        ["readme", ref files @ ..] if !files.is_empty() => {
            files.iter().try_for_each(|file| table::put_into(Path::new(file)))
        }
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Where cargo puts this workspace's output: this program lies two folders below.
fn target() -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
    let folder = program.ancestors().nth(2).map(Path::to_path_buf);
    folder.ok_or_else(|| format!("{} lies in no target folder", program.display()))
}

/// The benches' folder in the source.
fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
