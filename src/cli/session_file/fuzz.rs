//! Any text is a session file, ours or QuickFIX's: it is refused with line, reason and remedy, or read. The corpus, and what is
//! made of it by a seed.

use std::path::Path;

use fixwire::offload::toml_file::{TomlError, TomlFile};

use super::{Purpose, SessionFile, quickfix};

#[allow(unreachable_pub)]
#[path = "../../../fuzz/src/mutations.rs"]
mod mutations;

/// Inputs that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 5_000;
const CASES_FULL: u32 = 200_000;

fn play(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines = text.lines().count().max(1);
    let file = |text| TomlFile { name: "s".into(), path: "s.cfg".into(), text };
    let is_well_said = |error: TomlError| {
        let is_there = (1..=lines + 1).contains(&error.line);
        assert!(is_there && !error.what.is_empty() && !error.remedy.is_empty(), "{error}");
    };
    for purpose in [Purpose::Trade, Purpose::Accept] {
        if let Err(error) = SessionFile::read(&file(text.clone()), purpose) {
            is_well_said(error);
        }
        let here = |name: &str| (name == "HERE").then(|| "LONDON".to_owned());
        match quickfix::translate(&file(text.clone()), purpose, &here) {
            Err(error) => is_well_said(error),
            Ok(translation) => {
                assert_eq!(translation.toml.lines().count(), text.lines().count(), "line for line");
                let read = SessionFile::read(&file(translation.toml), purpose);
                read.map_err(quickfix::in_its_words).map_or_else(is_well_said, |_| ());
            }
        }
    }
}

fn corpus() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/settings")
}

#[test]
fn the_corpus_is_read_or_refused_with_line_and_remedy() {
    let files: Vec<_> = std::fs::read_dir(corpus()).unwrap().flatten().collect();
    assert!(files.len() >= 6);
    for file in files {
        play(&std::fs::read(file.path()).unwrap());
    }
}

#[test]
fn what_is_made_of_the_corpus_is_read_or_refused_with_line_and_remedy() {
    let is_long = std::env::var_os("FIXWIRE_FULL").is_some();
    mutations::Mutations::of(&corpus()).play(if is_long { CASES_FULL } else { CASES }, play);
}
