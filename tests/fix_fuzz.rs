//! The harness of `fuzz/` for FIX, without a fuzzer: the corpus, what is made of it by a seed, and bytes drawn by proptest,
//! which shrinks what fails.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

#[cfg(feature = "dictionary")]
#[allow(unreachable_pub)]
#[path = "../fuzz/src/dictionary.rs"]
mod dictionary;
#[allow(unreachable_pub)]
#[path = "../fuzz/src/fix.rs"]
mod fix;
#[allow(unreachable_pub)]
#[path = "../fuzz/src/mutations.rs"]
mod mutations;
#[allow(unreachable_pub)]
#[path = "../fuzz/src/session.rs"]
mod session;

/// Inputs that are drawn, and as many again that are made of the corpus; and with FIXWIRE_FULL.
const CASES: u32 = 10_000;
const CASES_FULL: u32 = 400_000;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

fn cases() -> u32 {
    if std::env::var_os("FIXWIRE_FULL").is_some() { CASES_FULL } else { CASES }
}

/// Plays all that a corpus has, so much at least.
fn play_corpus(target: &str, least: usize, play: impl Fn(&[u8])) {
    let mut count = 0;
    for entry in std::fs::read_dir(corpus(target)).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        play(&std::fs::read(path).unwrap());
        count += 1;
    }
    assert!(count >= least, "only {count}");
}

#[test]
fn the_corpus_is_read_as_the_naive_decoder_reads_it() {
    play_corpus("fix", 15, fix::play);
}

#[test]
fn a_session_and_its_model_agree_on_the_corpus() {
    play_corpus("session", 15, session::play);
}

#[test]
fn a_session_and_its_model_agree_on_what_is_made_of_the_corpus() {
    mutations::Mutations::of(&corpus("session")).play(cases(), session::play);
}

/// Whatever happens, in the order in which chance has it.
#[test]
fn a_session_and_its_model_agree_on_whatever_happens() {
    // Being connected and logged on is where most can happen.
    let step = prop_oneof![8 => any::<(u8, u8)>(), 1 => Just((0, 0)), 1 => (0..255u8).prop_map(|much| (2, much))];
    let config =
        ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec(step, 1..60);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&steps, |steps| {
        let bytes: Vec<u8> = steps.iter().flat_map(|(what, much)| [*what, *much]).collect();
        session::play(&bytes);
        Ok(())
    });
    if let Err(why) = outcome {
        panic!("{why}");
    }
}

#[cfg(feature = "dictionary")]
#[test]
fn a_dictionary_of_the_corpus_is_refused_with_its_line_or_judges_alike() {
    play_corpus("dictionary", 13, dictionary::play);
}

#[cfg(feature = "dictionary")]
#[test]
fn what_is_made_of_dictionaries_is_refused_with_its_line_or_judges_alike() {
    mutations::Mutations::of(&corpus("dictionary")).play(cases(), dictionary::play);
}

#[test]
fn what_is_made_of_the_corpus_is_read_as_the_naive_decoder_reads_it() {
    mutations::Mutations::of(&corpus("fix")).play(cases(), fix::play);
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
