use proptest::prelude::*;

use super::*;

/// A message with its lengths right, `|` for SOH.
fn sealed(body: &str) -> String {
    let head = format!("8=FIX.4.4|9={}|{body}", body.len());
    let sum =
        head.bytes().fold(0u8, |sum, byte| sum.wrapping_add(if byte == b'|' { 1 } else { byte }));
    format!("{head}10={sum:03}|")
}

fn all(form: Form, pieces: &[&[u8]]) -> Vec<Found> {
    let mut scanner = Scanner::new(form);
    let mut found = Vec::new();
    for piece in pieces {
        scanner.push(piece);
        found.extend(std::iter::from_fn(|| scanner.next(false)));
    }
    found.extend(std::iter::from_fn(|| scanner.next(true)));
    found
}

fn soh(text: &str) -> Vec<u8> {
    text.replace('|', "\x01").into_bytes()
}

const BODY: &str = "35=D|34=2|49=A|52=20261127-08:00:00|56=B|11=x|58=8=FIX|";

#[test]
fn whatever_stands_for_soh_is_found_out_and_where_the_message_stands() {
    let message = sealed(BODY);
    for separator in ["\x01", "|", "^A", ";", "\\x01", "\\u0001", "<SOH>", "\u{2401}"] {
        let text = message.replace('|', separator);
        let end = text.len() - separator.len();
        for line in [&text[..], &text[..end]] {
            let log = format!("started\n20261127-08:00:00.123 : {line}\nnonsense 58=FIX\n(8=FIX");
            let found = all(Form::Text, &[log.as_bytes()]);
            let first = &found[0];
            assert_eq!(
                first.bytes,
                soh(&message),
                "{separator:?}: {:?}",
                String::from_utf8_lossy(&first.bytes)
            );
            assert_eq!(
                (first.line, first.damage.len()),
                (2, 0),
                "{separator:?} {:?}",
                first.damage
            );
            assert_eq!(first.before, b"20261127-08:00:00.123 : ");
            assert_eq!(first.offset, 32, "{separator:?}");
            assert_eq!((found.len(), found[1].line), (2, 4), "{separator:?}");
        }
    }
}

#[test]
fn what_is_wrong_is_told_with_what_was_said_and_what_is() {
    let good = sealed(BODY);
    let short = good.replace(&format!("9={}|", BODY.len()), "9=20|");
    let long = good.replace(&format!("9={}|", BODY.len()), "9=9000|");
    let none = good.replace(&format!("9={}|", BODY.len()), "");
    let sum = format!("{}10=000|", &good[..good.len() - 7]);
    let cut = &good[..good.len() - 8];
    for (form, separator) in
        [(Form::Stream, "\x01"), (Form::Text, "\x01"), (Form::Text, "|"), (Form::Text, "^A")]
    {
        for (bad, damaged) in [
            (&short[..], &["body_length_wrong", "check_sum_wrong"][..]),
            (&long, &["body_length_wrong", "check_sum_wrong"]),
            (&none, &["body_length_wrong", "check_sum_wrong"]),
            (&sum, &["check_sum_wrong"]),
            (cut, &["body_length_wrong", "check_sum_missing"]),
        ] {
            let end = if form == Form::Text { "\n" } else { "" };
            let text = format!("{bad}{end}{good}{end}").replace('|', separator);
            let found = all(form, &[text.as_bytes()]);
            let names: Vec<_> = found[0].damage.iter().map(Damage::name).collect();
            assert_eq!(names, damaged, "{form:?} {separator:?}: {bad}");
            assert_eq!(found[0].bytes, soh(bad), "{form:?} {separator:?}");
            assert_eq!((found.len(), &found[1].bytes, found[1].damage.len()), (2, &soh(&good), 0));
        }
    }
    let length = Damage::BodyLengthWrong { said: "20".into(), is: BODY.len() };
    assert_eq!(all(Form::Text, &[short.as_bytes()])[0].damage[0], length);
    assert!(
        length.to_string().contains(&format!("says \"20\", the body has {} bytes", BODY.len()))
    );
}

#[test]
fn a_newline_or_a_separator_in_a_value_ends_no_message() {
    let data = sealed("35=C|34=2|95=9|96=a\n|10=000|58=b|");
    let text = format!("{data}\n{data}").replace('|', "\x01");
    let found = all(Form::Text, &[text.as_bytes()]);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|found| found.damage.is_empty() && found.bytes == soh(&data)));
    assert_eq!((found[0].line, found[1].line), (1, 3));
}

#[test]
fn a_gap_in_a_stream_cuts_what_came_before_it_and_is_told_behind_it() {
    let message = soh(&sealed(BODY));
    let mut scanner = Scanner::new(Form::Stream);
    scanner.push(&message[..20]);
    assert_eq!(scanner.next(false), None);
    scanner.skip_missing(7);
    let cut = scanner.next(true).unwrap();
    assert_eq!((cut.bytes.len(), cut.damage[0].clone()), (20, Damage::BytesMissing(7)));
    scanner.push(b"rest\x0110=000\x01");
    scanner.push(&message);
    let strangers = scanner.next(false).unwrap();
    assert_eq!((strangers.bytes.len(), &strangers.damage[..]), (0, &[Damage::NotFix(12)][..]));
    assert_eq!(scanner.next(false).unwrap().bytes, message);
    assert_eq!(scanner.held(), 0);
}

proptest! {
    #[test]
    fn in_whatever_pieces_bytes_come_the_same_is_found(
        texts in prop::collection::vec(
            prop::sample::select(vec![
                sealed(BODY), sealed("35=0|34=1|49=A|56=B|"), "8=FIX.4.2|9=5|35=0|\n".into(), "noise\n".into(),
                sealed(BODY).replace("34=2", "34=3"), "8=F".into(), "1".into(), "\n".into(),
            ]), 0..8),
        separator in prop::sample::select(vec!["\x01", "|", "^A"]),
        cuts in prop::collection::vec(0usize..1000, 0..6),
        is_text in any::<bool>(),
    ) {
        let form = if is_text { Form::Text } else { Form::Stream };
        let bytes = texts.concat().replace('|', separator).into_bytes();
        let whole = all(form, &[&bytes]);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(all(form, &pieces), whole);
    }

    #[test]
    fn any_bytes_are_borne(pieces in prop::collection::vec(
        prop_oneof![prop::collection::vec(any::<u8>(), 0..40), Just(b"8=FIX.4.4\x019=5\x01".to_vec()), Just(b"\x0110=0".to_vec())],
        0..12,
    ), is_text in any::<bool>()) {
        let form = if is_text { Form::Text } else { Form::Stream };
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let found = all(form, &pieces);
        prop_assert!(found.iter().all(|found| found.offset <= len as u64));
    }
}
