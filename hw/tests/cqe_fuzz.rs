//! The harness of `fuzz/` for completion queues, without a fuzzer: the corpus, what is made of it by a seed, and bytes drawn
//! by proptest, which shrinks what fails.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../../fuzz/src/cqe.rs"]
mod cqe;
#[allow(unreachable_pub)]
#[path = "../../fuzz/src/mutations.rs"]
mod mutations;

/// Series that are drawn, and as many again that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 20_000;
const CASES_FULL: u32 = 1_000_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/cqe")
}

fn cases() -> u32 {
    if std::env::var_os("FIXWIRE_FULL").is_some() { CASES_FULL } else { CASES }
}

#[test]
fn the_corpus_is_read_as_it_is_to_be() {
    let mut count = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        cqe::play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 10, "only {count}");
}

#[test]
fn what_is_made_of_the_corpus_is_read_as_it_is_to_be() {
    mutations::Mutations::of(&corpus()).play(cases(), cqe::play);
}

#[test]
fn whatever_lies_in_a_queue_or_is_written_to_one_is_read_as_it_is_to_be() {
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), 1..1_100);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        cqe::play(&bytes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
