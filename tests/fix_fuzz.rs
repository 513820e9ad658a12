//! The harness of `fuzz/` for FIX, without a fuzzer: the corpus, what is made of it by a seed, and bytes drawn by proptest,
//! which shrinks what fails.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[allow(unreachable_pub)]
#[path = "../fuzz/src/fix.rs"]
mod fix;
#[allow(unreachable_pub)]
#[path = "../fuzz/src/mutations.rs"]
mod mutations;

/// Inputs that are drawn, and as many again that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 10_000;
const CASES_FULL: u32 = 400_000;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/fix")
}

fn cases() -> u32 {
    if std::env::var_os("FIXWIRE_FULL").is_some() { CASES_FULL } else { CASES }
}

#[test]
fn the_corpus_is_read_as_the_naive_decoder_reads_it() {
    let mut count = 0;
    for entry in std::fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        fix::play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= 15, "only {count}");
}

#[test]
fn what_is_made_of_the_corpus_is_read_as_the_naive_decoder_reads_it() {
    mutations::Mutations::of(&corpus()).play(cases(), fix::play);
}

/// Pieces of messages, put together by chance.
#[test]
fn pieces_of_messages_are_read_as_the_naive_decoder_reads_them() {
    let piece = prop_oneof![
        3 => prop::sample::select(vec![
            &b"35=D|"[..], b"34=7|", b"49=A|", b"56=B|", b"52=20260102-03:04:05|", b"95=3|96=", b"212=1|213=",
            b"58=x|", b"0", b"|", b"=", b"1128=9|", b"10=000|", b"8=FIX.4.4|", b"9=12|", b"\xfe35=0|",
        ])
        .prop_map(<[u8]>::to_vec),
        1 => "[1-9][0-9]{0,9}=[0-9.|-]{0,9}[|]".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(piece, 1..40).prop_map(|pieces| pieces.concat());
    let outcome = proptest::test_runner::TestRunner::new(config).run(&bytes, |bytes| {
        fix::play(&[b"\x0135=D|34=2|", &bytes[..]].concat());
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}
