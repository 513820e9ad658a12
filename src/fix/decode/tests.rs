use proptest::prelude::*;

use super::scan::find_soh;
use super::*;
use crate::fix::decimal::Decimal;
use crate::fix::frame::SOH;
use crate::fix::oracle::{self, seal_bytes, sealed};
use crate::fix::reason::RejectReason;
use crate::fix::value::FieldError;

const ORDER: &str = "35=D|34=7|49=DESK|52=20260102-03:04:05.678|56=VENUE|11=id-1|21=1|38=100|40=2|\
                     44=10.25|54=1|55=INTC|60=20260102-03:04:05.678|95=5|96=a\x01b=c|58=text|";

/// No data field: read the fast way. Two tags share a place of the index.
const REPORT: &str = "35=8|34=7|49=VENUE|52=20260102-03:04:05.678|56=DESK|6=10.25|11=id-1|14=100|\
                      17=E1|31=10.25|32=100|37=X1|39=2|54=1|55=INTC|150=F|151=0|523=here|";

#[test]
fn every_field_is_found_where_it_stands() {
    let bytes = sealed("FIX.4.4", ORDER);
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    assert_eq!(message.begin_string(), b"FIX.4.4");
    assert_eq!((message.msg_type(), message.msg_seq_num()), (&b"D"[..], Ok(7)));
    assert_eq!(message.decimal(44), Ok(Decimal::new(1025, -2)));
    assert_eq!(message.char(54), Ok(b'1'));
    assert_eq!(message.utc(60).unwrap().as_unix_ns(), 1_767_323_045_678_000_000);
    assert_eq!(message.field(96), Some(&b"a\x01b=c"[..]));
    assert_eq!(message.field(58), Some(&b"text"[..]));
    assert_eq!(message.u32(999), Err(FieldError::Missing));
    assert_eq!((message.poss_dup(), message.fault()), (false, None));
    let expected = oracle::fields(&bytes).unwrap();
    assert!(message.fields().eq(expected.iter().map(|(tag, value)| (*tag, &value[..]))));
}

#[test]
fn a_message_with_another_behind_it_is_not_parsed_as_one() {
    for body in [REPORT, "35=0|34=7|"] {
        let mut bytes = sealed("FIX.4.4", body);
        assert_eq!(Decoder::default().parse(&bytes).err(), None);
        bytes.extend(sealed("FIX.4.4", "35=0|34=8|"));
        assert_eq!(Decoder::default().parse(&bytes).err(), Some(Garbled::CheckSumMissing));
    }
}

#[test]
fn what_broke_other_engines_is_garbled_or_a_fault_here() {
    type Outcome = Result<Option<(RejectReason, &'static str)>, Garbled>;
    let header = "34=2|49=A|52=20260102-03:04:05|56=B|";
    let fault = |reason, tag| Ok(Some((reason, tag)));
    let table: &[(&str, &str, Outcome)] = &[
        ("35=0|", "", Ok(None)),
        ("35=0|", "95=333|96=abc|", fault(RejectReason::DataFormatIncorrect, "96")),
        ("35=0|", "95=4294967295|96=abc|", fault(RejectReason::DataFormatIncorrect, "96")),
        ("35=0|", "95=99999999999999999999|96=abc|", Ok(None)),
        ("35=0|", "212=2|213=abc|", fault(RejectReason::DataFormatIncorrect, "213")),
        ("35=0|", "4294967331=x|", fault(RejectReason::InvalidTagNumber, "4294967331")),
        ("35=0|", "65571=x|", Ok(None)),
        ("35=0|", "0=x|", fault(RejectReason::InvalidTagNumber, "0")),
        ("35=0|", "-1=x|", fault(RejectReason::InvalidTagNumber, "-1")),
        ("35=0|", "058=x|", fault(RejectReason::InvalidTagNumber, "058")),
        ("35=0|", "58=|", fault(RejectReason::TagWithoutValue, "58")),
        ("35=0|", "35=D|", fault(RejectReason::TagRepeated, "35")),
        ("35=0|", "34=9|", fault(RejectReason::TagRepeated, "34")),
        ("35=0|", "8=FIX.4.4|", fault(RejectReason::TagRepeated, "8")),
        ("35=0|", "9=5|", fault(RejectReason::TagRepeated, "9")),
        ("35=0|", "10=000|", fault(RejectReason::TagOutOfOrder, "10")),
        ("35=0|10=161|", "", fault(RejectReason::TagOutOfOrder, "10")),
        ("35=0|", "100=x|1000=x|", Ok(None)),
        ("35=0|58=x|", "", fault(RejectReason::TagOutOfOrder, "34")),
        ("35=|", "", fault(RejectReason::TagWithoutValue, "35")),
        ("35=0|", "3x=y|", Err(Garbled::FieldMalformed)),
        ("35=0|", "=x|", Err(Garbled::FieldMalformed)),
        ("35=0|", "-=x|", Err(Garbled::FieldMalformed)),
        ("35=0|", "58|", Err(Garbled::FieldMalformed)),
        ("35=0|", "|", Err(Garbled::FieldMalformed)),
        ("35=0|", "4garbled9=x|", Err(Garbled::FieldMalformed)),
        ("50=x|35=0|", "", Err(Garbled::MsgTypeNotThird)),
    ];
    for (front, back, expected) in table {
        let bytes = sealed("FIX.4.4", &format!("{front}{header}{back}"));
        let mut decoder = Decoder::default();
        let found = decoder
            .parse(&bytes)
            .map(|m| m.fault().map(|f| (f.reason, std::str::from_utf8(f.tag).unwrap().to_owned())));
        let expected = expected.map(|fault| fault.map(|(reason, tag)| (reason, tag.to_owned())));
        assert_eq!(found, expected, "{front}..{back}");
    }
}

#[test]
fn a_message_with_more_fields_than_the_table_is_garbled() {
    let bytes = sealed("FIX.4.4", "35=0|34=2|58=x|");
    assert!(Decoder::with_fields(6).parse(&bytes).is_ok());
    for fields_max in 0..6 {
        let found = Decoder::with_fields(fields_max).parse(&bytes).map(|_| ());
        assert_eq!(found, Err(Garbled::FieldsTooMany), "{fields_max}");
    }
}

#[test]
fn what_is_let_pass_is_no_fault() {
    let header = "35=D|34=2|49=A|52=20260102-03:04:05|56=B|";
    let table = [
        (
            "58=|11=x|",
            Leniency { empty_values: true, ..Leniency::default() },
            RejectReason::TagWithoutValue,
        ),
        (
            "11=x|50=y|",
            Leniency { header_in_body: true, ..Leniency::default() },
            RejectReason::TagOutOfOrder,
        ),
    ];
    for (body, leniency, reason) in table {
        let bytes = sealed("FIX.4.4", &format!("{header}{body}"));
        let mut decoder = Decoder::default();
        let found = decoder.parse(&bytes).unwrap().fault().map(|fault| fault.reason);
        assert_eq!(found, Some(reason));
        let mut decoder = Decoder::default().with_leniency(leniency);
        let message = decoder.parse(&bytes).unwrap();
        assert_eq!((message.fault(), message.field(11)), (None, Some(&b"x"[..])));
        // The other switch is another matter.
        let bytes = sealed("FIX.4.4", &format!("{header}{body}34=3|"));
        assert!(decoder.parse(&bytes).unwrap().fault().is_some());
    }
}

#[test]
fn data_fields_of_one_s_own_hold_sohs() {
    for (length, data) in [(5001, 5002), (901, 902)] {
        let text = format!("35=D|34=2|49=A|56=B|{length}=7|{data}=a|9=b|c|58=x|");
        let bytes = sealed("FIX.4.4", &text);
        let mut decoder = Decoder::default().with_data_fields(&[(length, data), (95, 96)]);
        // Shapes are of no use to it, and not remembered.
        for _ in 0..3 {
            let message = decoder.parse(&bytes).unwrap();
            assert_eq!(message.field(data), Some(&b"a\x019=b\x01c"[..]));
            assert_eq!((message.field(58), message.fault()), (Some(&b"x"[..]), None));
        }
        let plain = sealed("FIX.4.4", "35=D|34=2|49=A|56=B|58=x|5003=1|");
        assert_eq!(decoder.parse(&plain).unwrap().field(58), Some(&b"x"[..]));
        assert!(Decoder::default().parse(&bytes).is_err());
    }
}

#[test]
fn a_header_goes_on_behind_hops_and_fields_of_one_s_own() {
    type Wrong = Option<(RejectReason, &'static [u8])>;
    let refused = |tag: &'static [u8]| Some((RejectReason::TagOutOfOrder, tag));
    let table: &[(&[u32], &str, Wrong)] = &[
        (&[], "34=2|627=2|628=A|630=1|628=B|49=A|56=B|11=x|", None),
        (&[], "627=1|628=A|34=2|49=A|56=B|11=x|", None),
        (&[], "34=2|49=A|56=B|627=1|628=A|11=x|", None),
        (&[], "34=2|627=1|628=A|49=A|56=B|11=x|50=y|", refused(b"50")),
        (&[], "34=2|49=A|370=20260102-03:04:05|56=B|11=x|", None),
        (&[], "34=2|49=A|370=20260102-03:04:05|56=B|11=x|128=y|", refused(b"128")),
        (&[], "34=2|627=1|628=A|49=A|56=B|34=2|", Some((RejectReason::TagRepeated, b"34"))),
        (&[], "34=2|9700=x|49=A|56=B|11=x|", refused(b"49")),
        (&[9700], "34=2|9700=x|49=A|56=B|11=x|", None),
        (&[9700], "34=2|9701=x|49=A|56=B|11=x|", refused(b"49")),
        (&[9700], "34=2|9700=x|49=A|56=B|11=x|50=y|", refused(b"50")),
        (&[], "34=2|49=A|56=B|627=1|628=A|1128=9|11=x|", None),
        (&[9700], "34=2|49=A|56=B|9700=x|1128=9|11=x|", None),
        (&[], "34=2|49=A|56=B|9700=x|1128=9|11=x|", refused(b"1128")),
        (&[9700, 49, 901, 627], "34=2|901=x|9700=x|49=A|56=B|11=x|", None),
    ];
    for (header_fields, body, expected) in table {
        let bytes = sealed("FIX.4.4", &format!("35=D|{body}"));
        let mut decoder = Decoder::default().with_header_fields(header_fields);
        for _ in 0..3 {
            let message = decoder.parse(&bytes).unwrap();
            let found = message.fault().map(|fault| (fault.reason, fault.tag));
            assert_eq!(found, *expected, "{header_fields:?} {body}");
            assert_eq!(message.field(56), Some(&b"B"[..]), "{body}");
        }
    }
}

/// Where SOHs are is in the key already, which for some messages is another's by chance.
#[test]
fn a_message_with_the_key_of_another_is_not_taken_for_one_of_its_shape() {
    let bytes = sealed("FIX.4.4", REPORT);
    for isa in [Isa::Portable, Isa::detected()] {
        let mut decoder = Decoder { isa, ..Decoder::default() };
        for _ in 0..3 {
            assert!(decoder.parse(&bytes).is_ok());
        }
        let Some(whole) = decoder.frame_usual(&bytes, usize::MAX) else { panic!("not whole") };
        let key = Key::of(whole.key, whole.third[3]);
        let content = &bytes[..bytes.len() - TRAILER_LEN];
        let is_found = |content: &[u8]| decoder.shapes.find(isa, content, key).is_some();
        assert!(is_found(content));
        for at in 0..content.len() {
            let mut other = content.to_vec();
            other[at] = if other[at] == SOH { b'x' } else { SOH };
            assert!(!is_found(&other), "{at}");
            assert!(!is_found(&content[..at]), "cut at {at}");
        }
        assert!(!is_found(&[content, b"x"].concat()));
        assert!(!is_found(&[content, b"58=x\x01"].concat()));
    }
}

#[test]
fn nothing_leaks_from_one_message_into_the_next() {
    let mut decoder = Decoder::default();
    let first = sealed("FIX.4.4", "35=D|34=7|43=Y|49=A|56=B|97=Y|115=C|58=first|95=3|58=|");
    assert!(decoder.parse(&first).unwrap().fault().is_some());
    let second = sealed("FIX.4.2", "35=0|34=8|96=a|");
    let message = decoder.parse(&second).unwrap();
    assert_eq!(message.fault(), None);
    assert!(!message.poss_dup() && !message.poss_resend());
    for tag in [49, 56, 115, 58, 95] {
        assert_eq!(message.field(tag), None, "{tag}");
    }
}

#[test]
fn a_logon_says_who_it_is_from() {
    let bytes = sealed("FIX.4.4", "35=A|34=1|49=DESK|52=20260102-03:04:05|56=VENUE|98=0|108=30|");
    let mut decoder = Decoder::default();
    let identity = identify(&bytes, 4096, &mut decoder).unwrap();
    assert_eq!((identity.sender_comp_id, identity.target_comp_id), (&b"DESK"[..], &b"VENUE"[..]));
    let cut = bytes.len() - 1;
    assert_eq!(identify(&bytes[..cut], 4096, &mut decoder), Err(Unidentified::Incomplete));
    let table: [(&[u8], _); 3] = [
        (&sealed("FIX.4.4", "35=0|49=A|56=B|"), Unidentified::NotLogon(b"0")),
        (&sealed("FIX.4.4", "35=A|49=A|"), Unidentified::CompIdMissing(56)),
        (b"GET / HTTP/1.1\r\n", Unidentified::Garbled(Garbled::BeginStringMissing)),
    ];
    for (bytes, why) in table {
        assert_eq!(identify(bytes, 4096, &mut decoder), Err(why));
    }
}

fn mutated(of: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let soup = prop_oneof![Just(SOH), Just(b'='), Just(b'0'), Just(b'9'), Just(b'-'), any::<u8>()];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), soup, 0u8..3), 0..8);
    edits.prop_map(move |edits| {
        let mut body = of.replace('|', "\x01").into_bytes();
        for (index, byte, kind) in edits {
            let at = index.index(body.len());
            match kind {
                0 => body[at] = byte,
                1 => body.insert(at, byte),
                _ => drop(body.remove(at)),
            }
        }
        body
    })
}

/// The same with bytes replaced and none added or taken away: most keep their shape.
fn replaced(of: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => b'0'..=b'9', 1 => Just(SOH), 1 => Just(b'='), 1 => any::<u8>()];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), byte), 0..4);
    edits.prop_map(move |edits| {
        let mut body = of.replace('|', "\x01").into_bytes();
        for (index, byte) in edits {
            let at = index.index(body.len());
            body[at] = byte;
        }
        body
    })
}

fn bodies() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let body = prop_oneof![mutated(ORDER), mutated(REPORT), replaced(REPORT), replaced(REPORT)];
    prop::collection::vec(body, 1..10)
}

/// Two ways found the same.
fn assert_alike(found: &Message<'_>, expected: &Message<'_>) {
    assert_eq!(found.fault(), expected.fault());
    assert!(found.fields().eq(expected.fields()));
    for tag in (0..1100).chain([65_571, 523, 547]) {
        let naive = expected.fields().find(|field| field.0 == tag).map(|field| field.1);
        assert_eq!((found.field(tag), expected.field(tag)), (naive, naive), "{tag}");
        let number = naive.and_then(|value| crate::fix::value::parse_u32(value).ok());
        assert_eq!(found.u32(tag).ok(), number, "{tag}");
        let decimal = naive.and_then(|value| Decimal::parse(value).ok());
        assert_eq!(found.decimal(tag).ok(), decimal, "{tag}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn mutations_are_read_as_the_naive_decoder_reads_them(
        bodies in bodies()
    ) {
        // One decoder for all: what it expects of the next comes from the ones before.
        let mut decoder = Decoder::default();
        for body in bodies {
            let bytes = seal_bytes("FIX.4.4", &body);
            let found = decoder.parse(&bytes).ok().map(|message| {
                message.fields().map(|(tag, value)| (tag, value.to_vec())).collect::<Vec<_>>()
            });
            let framed = body.len() >= 5 && body.ends_with(&[SOH]);
            let expected = if framed { oracle::fields(&bytes) } else { None };
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn the_fast_ways_agree_with_the_slow_one(
        bodies in bodies()
    ) {
        let portable = Decoder { isa: Isa::Portable, ..Decoder::default() };
        let mut ways = [
            Decoder::default(),
            Decoder::default().without_shapes(),
            portable.clone(),
            portable.without_shapes(),
        ];
        let mut slow = Decoder::default();
        for body in bodies {
            let bytes = seal_bytes("FIX.4.4", &body);
            let Framed::Complete(whole) = frame(&bytes, usize::MAX) else { continue };
            let end = bytes.len() - TRAILER_LEN;
            let expected = slow.scan_slowly(&bytes, end).map(|count| slow.scanned(&bytes, count));
            for way in &mut ways {
                let found = way.decode(&bytes, &whole);
                if bytes.get(whole.body..whole.body + 3) != Some(b"35=") {
                    prop_assert_eq!(found.err(), Some(Garbled::MsgTypeNotThird));
                    continue;
                }
                match (found, &expected) {
                    (Ok(found), Ok(expected)) => assert_alike(&found, expected),
                    (found, expected) => {
                        prop_assert_eq!(found.err(), expected.as_ref().err().copied());
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_framed_or_skipped_to_the_end(
        bytes in prop::collection::vec(
            prop_oneof![Just(b'8'), Just(b'='), Just(SOH), Just(b'9'), Just(b'F'), any::<u8>()], 0..200
        )
    ) {
        let mut decoder = Decoder::default();
        let mut at = 0;
        loop {
            match frame(&bytes[at..], 512) {
                Framed::Complete(whole) => {
                    let _ = decoder.decode(&bytes[at..], &whole);
                    at += whole.len;
                }
                Framed::Garbled { skip, .. } => {
                    prop_assert!(skip > 0 && skip <= bytes.len() - at);
                    at += skip;
                }
                Framed::Incomplete { need } => {
                    prop_assert!(need > 0);
                    break;
                }
            }
        }
    }

    #[test]
    fn the_next_soh_is_found_wherever_it_is(
        bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(2), Just(0x81), any::<u8>()], 0..40),
        from in 0usize..45
    ) {
        let naive = bytes.iter().enumerate().position(|(at, &byte)| at >= from && byte == SOH);
        prop_assert_eq!(find_soh(&bytes, from), naive);
    }
}
