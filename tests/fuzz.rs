//! The harness of `fuzz/`, without a fuzzer: the corpus, what is made of it by a seed, and bytes drawn by proptest, which
//! shrinks what fails.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod harness;

use harness::Played;
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
    let (mut count, mut all) = (0, Played::default());
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        let Played { predicted, hostile, refused, prepared, moved } =
            harness::play(&std::fs::read(path).unwrap());
        all.predicted += predicted;
        all.hostile += hostile;
        all.refused += refused;
        all.prepared += prepared;
        all.moved += moved;
        count += 1;
    }
    assert!(count >= 20, "only {count}");
    println!("{all:?}");
    assert!(all.predicted > 50 && all.hostile > 20 && all.refused > 0, "{all:?}");
    assert!(all.prepared > 10 && all.moved > 5, "{all:?}");
}

/// Where there is no cargo-fuzz, what a target plays is played all the same.
#[test]
fn each_target_has_a_corpus_and_a_test_that_plays_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = [
        "tests/fuzz.rs",
        "tests/fix_fuzz.rs",
        "hw/tests/cqe_fuzz.rs",
        "src/cli/session_file/fuzz.rs",
    ];
    let tests = tests.map(|test| std::fs::read_to_string(root.join(test)).unwrap());
    let targets = std::fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
    let mut count = 0;
    for path in targets.map(|entry| entry.unwrap().path()) {
        let target = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let module = if target == "tcp" { "harness" } else { &target };
        let plays = format!("{module}::play");
        assert!(tests.iter().any(|test| test.contains(&plays)), "no test has {plays}");
        assert!(std::fs::read_dir(corpus_of(&target)).unwrap().next().is_some(), "{target}");
        count += 1;
    }
    assert!(count >= 7, "only {count}");
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
