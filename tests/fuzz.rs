//! The harness of `fuzz/`, without a fuzzer: the corpus, what is made of it by a seed, and bytes drawn by proptest, which
//! shrinks what fails.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod harness;

use harness::mutations::Mutations;

/// Series that are drawn, and as many again that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 20_000;
const CASES_FULL: u32 = 400_000;

fn corpus() -> PathBuf {
    corpus_of("tcp")
}

fn corpus_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn cases() -> u32 {
    if std::env::var_os("FIXWIRE_FULL").is_some() { CASES_FULL } else { CASES }
}

#[test]
fn corpus_agrees_with_the_model() {
    let (mut count, mut predicted) = (0, 0);
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        predicted += harness::play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 20, "only {count}");
    assert!(predicted > 50, "the short ways: {predicted}");
}

#[test]
fn what_is_made_of_the_corpus_agrees_with_the_model() {
    Mutations::of(&corpus()).play(cases(), |bytes| {
        harness::play(bytes);
    });
}

#[test]
fn any_segments_and_calls_agree_with_the_model() {
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), 1..400);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        harness::play(&bytes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

#[test]
fn journals_of_the_corpus_and_what_is_made_of_it_send_nothing_foreign() {
    for entry in std::fs::read_dir(corpus_of("journal")).unwrap() {
        harness::journal::play(&std::fs::read(entry.unwrap().path()).unwrap());
    }
    Mutations::of(&corpus_of("journal")).play(cases() / 8, harness::journal::play);
}
