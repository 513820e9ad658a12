//! Every counter is held to: a script says how far it has risen, or a test of the stack's looks at it.

use std::path::Path;

use fixwire::tcp::Count;
use libtest_mimic::Failed;

/// It says that a thing happened at all, in a pass that few run.
const TOTALS: &str = "totals.rs";

pub(crate) fn each_is_held_to() -> Result<(), Failed> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Texts::default();
    texts.gather(&root.join("tests"), true)?;
    texts.gather(&root.join("src/tcp"), false)?;
    let missing = Count::ALL.into_iter().filter(|count| !texts.hold(*count));
    let missing: Vec<_> = missing.map(Count::name).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no test counts {missing:?}").into()) }
}

#[derive(Default)]
struct Texts {
    scripts: Vec<String>,
    tests: Vec<String>,
}

impl Texts {
    fn gather(&mut self, folder: &Path, is_of_tests: bool) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                self.gather(&path, is_of_tests || name == "tests")?;
            } else if name.ends_with(".tcp") || name.ends_with(".begin") {
                self.scripts.push(std::fs::read_to_string(&path)?);
            } else if name.ends_with(".rs") && is_of_tests && name != TOTALS {
                self.tests.push(std::fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    fn hold(&self, count: Count) -> bool {
        let (name, variant) = (count.name(), format!("Count::{count:?}"));
        let rises = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
            [_, _, "count", of, number] => of == name && number != "0",
            _ => false,
        };
        let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric());
        let names = |text: &String| {
            let mut found = text.match_indices(&variant);
            let is_named = found.any(|(at, _)| !goes_on(&text[at + variant.len()..]));
            is_named || text.contains(&format!("\"{name}\""))
        };
        self.scripts.iter().any(|script| script.lines().any(rises)) || self.tests.iter().any(names)
    }
}
