//! The harness of `fuzz/` for completion queues, without a fuzzer: the corpus, and bytes drawn by proptest, which shrinks
//! what fails.

use std::path::Path;

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../../fuzz/src/cqe.rs"]
mod cqe;

/// Series that are drawn, and with FIXWIRE_FULL.
const CASES: u32 = 20_000;
const CASES_FULL: u32 = 1_000_000;

#[test]
fn the_corpus_is_read_as_it_is_to_be() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/cqe");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        cqe::play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "only {count}");
}

#[test]
fn whatever_lies_in_a_queue_or_is_written_to_one_is_read_as_it_is_to_be() {
    let is_full = std::env::var_os("FIXWIRE_FULL").is_some();
    let cases = if is_full { CASES_FULL } else { CASES };
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), 1..1_100);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        cqe::play(&bytes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
