//! The harness of `fuzz/`, without a fuzzer: the corpus, and bytes drawn by proptest, which shrinks what fails.

use std::path::Path;

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../fuzz/src/lib.rs"]
mod harness;

/// Series that are drawn, and with FIXWIRE_FULL.
const CASES: u32 = 20_000;
const CASES_FULL: u32 = 400_000;

#[test]
fn corpus_agrees_with_the_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/tcp");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        harness::play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 20, "only {count}");
}

#[test]
fn any_segments_and_calls_agree_with_the_model() {
    let is_full = std::env::var_os("FIXWIRE_FULL").is_some();
    let cases = if is_full { CASES_FULL } else { CASES };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), 1..400);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        harness::play(&bytes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
