//! The harness of the fuzz target `settings`, without a fuzzer: the corpus, and what is made of it by a seed.

use std::path::Path;

use super::{Purpose, SessionFile, quickfix};

#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/mutations.rs"]
mod mutations;
#[path = "../../../fuzz/src/settings.rs"]
mod settings;

/// Inputs that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 5_000;
const CASES_FULL: u32 = 200_000;

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/settings")
}

#[test]
fn the_corpus_is_read_or_refused_with_line_and_remedy() {
    let files: Vec<_> = std::fs::read_dir(corpus()).unwrap().flatten().collect();
    assert!(files.len() >= 6);
    for file in files {
        settings::play(&std::fs::read(file.path()).unwrap());
    }
}

#[test]
fn what_is_made_of_the_corpus_is_read_or_refused_with_line_and_remedy() {
    let is_long = std::env::var_os("FIXWIRE_FULL").is_some();
    mutations::Mutations::of(&corpus())
        .play(if is_long { CASES_FULL } else { CASES }, settings::play);
}
