//! Messages held against a dictionary of our own, and against a slow, obvious twin.

use std::sync::Arc;

use proptest::prelude::*;

use self::twin::by_twin;
use super::*;
use crate::fix::decode::Decoder;
use crate::fix::oracle::sealed;
use crate::fix::reason::RejectReason as R;

mod twin;

fn field(tag: u32, required: bool) -> Part {
    Part { tag, required, group: None }
}

fn group(tag: u32, body: Vec<Part>) -> Part {
    Part { tag, required: false, group: Some(Arc::new(body)) }
}

/// An order `D` with a group of sessions in which there is one of legs, and a heartbeat `0`.
pub(in crate::fix) fn spec() -> Spec {
    let kinds = [
        (8, "STRING"),
        (9, "LENGTH"),
        (10, "STRING"),
        (11, "STRING"),
        (18, "MULTIPLEVALUESTRING"),
        (34, "SEQNUM"),
        (35, "STRING"),
        (38, "QTY"),
        (49, "STRING"),
        (52, "UTCTIMESTAMP"),
        (54, "CHAR"),
        (56, "STRING"),
        (58, "STRING"),
        (93, "LENGTH"),
        (167, "STRING"),
        (336, "STRING"),
        (386, "NUMINGROUP"),
        (555, "NUMINGROUP"),
        (600, "STRING"),
        (608, "INT"),
        (625, "STRING"),
        (6000, "BOOLEAN"),
    ];
    let values = |tag| match tag {
        18 => vec!["1", "2", "X"],
        54 => vec!["1", "2"],
        167 => vec!["CS", "FUT", "A LONG ONE"],
        _ => vec![],
    };
    let legs = vec![field(600, true), field(608, true)];
    let sessions = vec![field(336, true), field(625, false), group(555, legs), field(6000, false)];
    let order = vec![
        field(11, true),
        field(18, false),
        field(38, true),
        field(54, false),
        field(167, false),
        group(386, sessions),
        field(58, false),
    ];
    let header = [8, 9, 35, 34, 49, 52, 56].map(|tag| field(tag, true)).to_vec();
    Spec {
        begin_string: "FIX.4.4".into(),
        header,
        trailer: vec![field(93, false), field(10, true)],
        messages: vec![
            message("D", order),
            message("0", vec![]),
            message("AE", vec![field(11, true)]),
        ],
        fields: kinds
            .map(|(tag, kind)| FieldSpec {
                tag,
                name: format!("F{tag}"),
                value_names: vec![],
                kind: DataType::of_name(kind, false),
                values: values(tag).iter().map(|value| value.as_bytes().to_vec()).collect(),
            })
            .to_vec(),
        data_fields: vec![],
        application_fields: vec![167, 54],
    }
}

pub(in crate::fix) fn message(msg_type: &str, parts: Vec<Part>) -> MessageSpec {
    MessageSpec { msg_type: msg_type.into(), name: msg_type.into(), parts }
}

/// Of every message's header, what comes behind MsgType.
const HEADER: &str = "34=2|49=A|52=20260102-03:04:05|56=B|";

fn found(checks: Checks, msg_type: &str, rest: &str) -> Option<(R, Option<u32>)> {
    let dictionary = Arc::new(Dictionary::compile(&spec()).unwrap());
    judged(&mut Validator::new(Validation::of(dictionary, checks)), msg_type, rest)
}

fn judged(validator: &mut Validator, msg_type: &str, rest: &str) -> Option<(R, Option<u32>)> {
    let bytes = sealed("FIX.4.4", &format!("35={msg_type}|{HEADER}{rest}"));
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    let violation = validator.check(&message).err();
    violation.map(|violation| (violation.reason, violation.tag))
}

#[test]
fn each_violation_has_its_reason_and_its_tag() {
    let table = [
        ("D", "11=a|38=1.5|", None),
        ("D", "38=1|54=1|11=a|18=1 X|167=FUT|58=t|", None),
        ("D", "11=a|38=1|167=A LONG ONE|", None),
        ("0", "", None),
        ("AE", "11=a|", None),
        ("Z", "", Some((R::InvalidMsgType, None))),
        ("AF", "", Some((R::InvalidMsgType, None))),
        ("D", "38=1|", Some((R::RequiredTagMissing, Some(11)))),
        ("D", "54=9|38=1|", Some((R::RequiredTagMissing, Some(11)))),
        ("0", "999=a|", Some((R::InvalidTagNumber, Some(999)))),
        ("0", "5001=a|", Some((R::InvalidTagNumber, Some(5001)))),
        // Fields of the application's dictionary alone, which the session's own messages do not know.
        ("0", "54=1|", Some((R::InvalidTagNumber, Some(54)))),
        ("0", "167=BOO|", Some((R::InvalidTagNumber, Some(167)))),
        ("AE", "11=a|54=1|", Some((R::TagNotDefinedForType, Some(54)))),
        ("AE", "11=a|167=BOO|", Some((R::ValueIncorrect, Some(167)))),
        ("0", "11=a|", Some((R::TagNotDefinedForType, Some(11)))),
        ("0", "6000=Y|", Some((R::TagNotDefinedForType, Some(6000)))),
        ("D", "11=a|38=1|58=|", Some((R::TagWithoutValue, Some(58)))),
        ("D", "11=a|38=1|54=3|", Some((R::ValueIncorrect, Some(54)))),
        ("D", "11=a|38=1|167=BOO|", Some((R::ValueIncorrect, Some(167)))),
        ("D", "11=a|38=1|18=1 3|", Some((R::ValueIncorrect, Some(18)))),
        ("D", "11=a|38=+1|", Some((R::DataFormatIncorrect, Some(38)))),
        ("D", "11=a|38=1|54=12|", Some((R::DataFormatIncorrect, Some(54)))),
        ("D", "11=a|38=1|38=1|", Some((R::TagRepeated, Some(38)))),
        ("D", "11=a|93=3|38=1|", Some((R::TagOutOfOrder, Some(38)))),
        ("D", "11=a|38=1|386=0|", None),
        ("D", "11=a|38=1|386=2|336=x|625=y|336=z|58=t|", None),
        ("D", "11=a|38=1|386=1|336=x|555=2|600=l|608=1|600=m|608=2|6000=Y|58=t|", None),
        ("D", "11=a|38=1|386=3|336=x|336=y|", Some((R::GroupCountIncorrect, Some(386)))),
        ("D", "11=a|38=1|386=1|336=x|336=y|", Some((R::GroupCountIncorrect, Some(386)))),
        ("D", "11=a|38=1|386=2|58=t|", Some((R::GroupCountIncorrect, Some(386)))),
        ("D", "11=a|38=1|386=1|625=x|336=y|", Some((R::GroupOutOfOrder, Some(625)))),
        ("D", "11=a|38=1|386=2|6000=Y|336=x|6000=Y|336=y|", Some((R::GroupOutOfOrder, Some(6000)))),
        ("D", "11=a|38=1|386=1|625=x|58=t|", Some((R::RequiredTagMissing, Some(336)))),
        ("D", "11=a|38=1|386=1|336=x|555=1|608=1|600=l|", Some((R::GroupOutOfOrder, Some(608)))),
        ("D", "11=a|38=1|386=1|336=x|6000=Y|625=y|", Some((R::GroupOutOfOrder, Some(625)))),
        ("D", "11=a|38=1|386=1|336=x|625=y|625=y|", Some((R::TagRepeated, Some(625)))),
        (
            "D",
            "11=a|38=1|386=1|336=x|555=1|600=l|608=q|",
            Some((R::DataFormatIncorrect, Some(608))),
        ),
        ("D", "11=a|38=1|386=1|336=x|555=1|600=l|", Some((R::RequiredTagMissing, Some(608)))),
        (
            "D",
            "11=a|38=1|386=1|336=x|555=2|600=l|600=m|608=1|",
            Some((R::RequiredTagMissing, Some(608))),
        ),
        (
            "D",
            "11=a|38=1|386=1|336=x|555=2|600=l|608=1|",
            Some((R::GroupCountIncorrect, Some(555))),
        ),
        // The outermost count that is wrong, then what is wrong within; order and what lacks before both.
        (
            "D",
            "11=a|38=1|386=2|336=x|555=2|600=l|608=q|",
            Some((R::GroupCountIncorrect, Some(386))),
        ),
        (
            "D",
            "11=a|38=1|386=1|336=x|555=2|600=l|608=q|",
            Some((R::GroupCountIncorrect, Some(555))),
        ),
        ("D", "11=a|38=1|386=3|336=|6000=q|336=y|", Some((R::GroupCountIncorrect, Some(386)))),
        ("D", "11=a|38=1|386=2|336=x|6000=q|336=|", Some((R::DataFormatIncorrect, Some(6000)))),
        (
            "D",
            "11=a|38=1|386=1|336=x|555=q|600=l|608=1|",
            Some((R::DataFormatIncorrect, Some(555))),
        ),
        (
            "D",
            "11=a|38=1|386=3|336=x|555=1|600=l|608=q|6000=Y|625=y|",
            Some((R::GroupOutOfOrder, Some(625))),
        ),
        ("D", "11=a|38=1|386=3|336=x|6000=q|555=1|600=l|", Some((R::GroupOutOfOrder, Some(555)))),
        ("D", "11=a|38=1|386=3|336=|555=1|600=l|", Some((R::RequiredTagMissing, Some(608)))),
        ("D", "11=a|38=x|386=3|336=x|", Some((R::DataFormatIncorrect, Some(38)))),
        ("D", "11=a|38=1|336=x|", Some((R::TagNotDefinedForType, Some(336)))),
        ("D", "11=a|38=1|386=1|336=x|58=t|336=y|", Some((R::TagNotDefinedForType, Some(336)))),
    ];
    for (msg_type, rest, expected) in table {
        assert_eq!(found(Checks::default(), msg_type, rest), expected, "{msg_type} {rest}");
    }
}

#[test]
fn each_check_is_switched_off_by_itself() {
    let all = Checks::default();
    let unknown = Checks { allow_unknown_msg_fields: true, ..all };
    let user_defined = Checks { user_defined_fields: false, ..all };
    let table = [
        (Checks { fields_out_of_order: false, ..all }, "11=a|93=3|38=1|"),
        (Checks { fields_have_values: false, ..all }, "11=a|38=|54=|386=|"),
        (Checks { unordered_group_fields: false, ..all }, "11=a|38=1|386=1|336=x|6000=Y|625=y|"),
        (unknown, "11=a|999=x|38=1|336=x|"),
        (unknown, "11=a|38=1|386=2|336=x|998=y|625=z|336=y|"),
        (user_defined, "11=a|5001=x|38=1|6000=Y|"),
        (user_defined, "11=a|38=1|386=2|336=x|5001=x|336=y|"),
    ];
    for (checks, rest) in table {
        assert_eq!(found(checks, "D", rest), None, "{rest}");
        assert_ne!(found(all, "D", rest), None, "{rest}");
        assert!(rest.contains("386=|") || are_groups_read(&spec(), rest), "{rest}");
    }
    let still = [
        (unknown, "11=a|38=1|5001=x|", (R::InvalidTagNumber, Some(5001))),
        (user_defined, "11=a|38=1|999=x|", (R::InvalidTagNumber, Some(999))),
        // What is not looked for is still of its type.
        (user_defined, "11=a|38=1|6000=x|", (R::DataFormatIncorrect, Some(6000))),
        (
            Checks { unordered_group_fields: false, ..all },
            "11=a|38=1|386=1|336=x|625=y|625=y|",
            (R::TagRepeated, Some(625)),
        ),
        // Where an entry begins is known by no other field.
        (
            Checks { unordered_group_fields: false, ..all },
            "11=a|38=1|386=1|625=y|336=x|",
            (R::GroupOutOfOrder, Some(625)),
        ),
    ];
    for (checks, rest, expected) in still {
        assert_eq!(found(checks, "D", rest), Some(expected), "{rest}");
    }
}

/// A field that is often right where it stands.
fn some_field() -> impl Strategy<Value = (u32, &'static str)> {
    let fields = vec![
        (11, "a"),
        (18, "1 2"),
        (18, "1  2"),
        (38, "1"),
        (38, "1e"),
        (54, "1"),
        (54, "7"),
        (58, "t"),
        (58, ""),
        (93, "0"),
        (167, "CS"),
        (386, "0"),
        (386, "1"),
        (386, "2"),
        (336, "x"),
        (336, "x"),
        (625, "y"),
        (555, "1"),
        (555, "2"),
        (600, "l"),
        (600, "l"),
        (608, "5"),
        (608, "q"),
        (336, ""),
        (6000, "q"),
        (6000, "Y"),
        (999, "x"),
        (5001, "x"),
    ];
    prop::sample::select(fields)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn tables_and_the_obvious_twin_agree(
        rest in prop::collection::vec(some_field(), 0..14),
        begun in prop::sample::select(vec![
            "", "11=a|38=1|", "11=a|38=1|386=2|336=x|", "11=a|38=1|386=1|336=x|555=2|600=l|608=1|",
        ]),
        switches in any::<[bool; 5]>(),
        msg_type in prop::sample::select(vec!["D", "D", "0", "AE"]),
    ) {
        let checks = checks_of(switches);
        let mut text = String::from(begun);
        for (tag, value) in &rest {
            text += &format!("{tag}={value}|");
        }
        let spec = spec();
        let expected = by_twin(&spec, checks, msg_type, &text);
        prop_assert_eq!(found(checks, msg_type, &text), expected, "{}", text);
        // Where fields of a group are let pass outside it, it is known from the walk alone where it ended.
        if msg_type == "D" && expected.is_none() && !checks.allow_unknown_msg_fields {
            prop_assert!(are_groups_read(&spec, &text), "{}", text);
        }
    }

    #[test]
    fn messages_like_those_before_them_are_judged_as_the_twin_judges_each(
        choices in prop::collection::vec(any::<u8>(), 40),
        changes in prop::collection::vec((0u8..5, any::<prop::sample::Index>(), some_field()), 0..5),
        switches in any::<[bool; 5]>(),
    ) {
        let checks = checks_of(switches);
        let spec = spec();
        let mut validator =
            Validator::new(Validation::of(Arc::new(Dictionary::compile(&spec).unwrap()), checks));
        let mut fields = Vec::new();
        write_order(&spec.messages[0].parts, &mut choices.iter().copied().cycle(), &mut fields);
        let mut texts = vec![fields.clone(); 3];
        for (how, at, (tag, value)) in changes {
            let at = at.index(fields.len());
            match how {
                0 if fields.len() > 1 => drop(fields.remove(at)),
                1 => fields.insert(at, fields[at]),
                2 => { let other = fields.len() / 2; fields.swap(at, other) },
                3 => fields.insert(at, (tag, value)),
                // A value of another field's: the tags stay what they are.
                _ => fields[at].1 = value,
            }
            texts.extend([fields.clone(), fields.clone(), texts[0].clone(), fields.clone()]);
        }
        for fields in texts {
            let text = fields.iter().map(|(tag, value)| format!("{tag}={value}|")).collect::<String>();
            let expected = by_twin(&spec, checks, "D", &text);
            prop_assert_eq!(judged(&mut validator, "D", &text), expected, "{}", text);
        }
    }
}

/// Whether of an order's groups as many entries are read as are counted.
fn are_groups_read(spec: &Spec, rest: &str) -> bool {
    let bytes = sealed("FIX.4.4", &format!("35=D|{HEADER}{rest}"));
    let mut decoder = Decoder::default();
    let message = decoder.parse(&bytes).unwrap();
    let defined: Vec<u32> = spec.fields.iter().map(|field| field.tag).collect();
    let sessions = message.group_among(386, &[336, 625, 555, 600, 608, 6000], &defined);
    sessions.is_ok_and(|mut sessions| {
        sessions.all(|session| session.group_among(555, &[600, 608], &defined).is_ok())
    })
}

/// Right fields of an order, in their order, groups and all, by `choices`.
fn write_order(
    parts: &[Part],
    choices: &mut impl Iterator<Item = u8>,
    into: &mut Vec<(u32, &'static str)>,
) {
    for (place, part) in parts.iter().enumerate() {
        let choice = choices.next().unwrap();
        if place > 0 && !part.required && choice.is_multiple_of(3) {
            continue;
        }
        let Some(body) = &part.group else {
            let values = right_values(part.tag);
            into.push((part.tag, values[usize::from(choice / 3) % values.len()]));
            continue;
        };
        let entries = usize::from(choice / 3 % 4);
        into.push((part.tag, ["0", "1", "2", "3"][entries]));
        (0..entries).for_each(|_| write_order(body, choices, into));
    }
}

fn right_values(tag: u32) -> &'static [&'static str] {
    match tag {
        18 => &["1", "1 X", "2 1 X"],
        38 => &["1", "1.5", "-.5", "123456789.25"],
        54 => &["1", "2"],
        167 => &["CS", "FUT", "A LONG ONE"],
        608 => &["5", "-5", "1234567890"],
        6000 => &["Y", "N"],
        _ => &["a", "bc"],
    }
}

fn checks_of([order, values, user_defined, unknown, groups]: [bool; 5]) -> Checks {
    Checks {
        fields_out_of_order: order,
        fields_have_values: values,
        user_defined_fields: user_defined,
        allow_unknown_msg_fields: unknown,
        unordered_group_fields: groups,
    }
}

#[test]
fn a_transport_s_dictionary_has_header_trailer_and_what_both_define() {
    let application = Spec { header: vec![], trailer: vec![], ..spec() };
    let mut transport = spec();
    transport.begin_string = "FIXT.1.1".into();
    transport.messages.retain(|message| message.msg_type == b"0");
    transport.fields.retain(|field| field.tag < 100);
    let both = application.over(transport);
    assert_eq!((both.begin_string.as_str(), both.header.len()), ("FIXT.1.1", 7));
    assert_eq!((both.messages.len(), both.fields.len()), (3, spec().fields.len()));
    let only_there = [167, 336, 386, 555, 600, 608, 625, 6000];
    assert!(only_there.iter().all(|tag| both.application_fields.contains(tag)));
    assert!(!both.application_fields.contains(&58));
    assert!(Dictionary::compile(&both).is_ok());
}

#[test]
fn more_fields_than_there_are_bits_for_are_refused() {
    let mut spec = spec();
    let some = |count: usize| (0..count as u32).map(|n| field(20_000 + n, false)).collect();
    spec.messages[0].parts = some(MEMBERS_MAX - 9);
    assert!(Dictionary::compile(&spec).is_ok());
    spec.messages[0].parts = some(MEMBERS_MAX - 8);
    assert!(Dictionary::compile(&spec).is_err());
}
