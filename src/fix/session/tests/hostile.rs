//! What broke other engines, sent with a right CheckSum to a session that is logged on: each is answered by its reason, and the
//! session goes on.

use super::*;
use crate::fix::oracle::seal_bytes;
use crate::fix::reason::Garbled;

/// What becomes of a message.
enum Outcome {
    /// Refused by a Reject for this tag and reason, its number consumed.
    Reject(&'static str, u8),
    /// Ignored, and counted so; its number is not consumed.
    Ignored(Garbled),
    /// Delivered: it is legal.
    Taken,
}
use Outcome::{Ignored, Reject, Taken};

/// Behind the header of an order.
const BODIES: &[(&str, Outcome)] = &[
    ("95=333|96=abc|", Reject("96", 6)),
    ("95=4294967295|96=abc|", Reject("96", 6)),
    ("95=0|96=abc|", Reject("96", 6)),
    ("354=2|355=abc|", Reject("355", 6)),
    ("212=3|213=abc|", Reject("212", 14)),
    ("354=5|355=a|b=c|", Taken),
    ("95=3|58=between|96=a|", Taken),
    ("4294967331=x|", Reject("4294967331", 0)),
    ("4294967330=x|", Reject("4294967330", 0)),
    ("65571=x|", Taken),
    ("0=x|", Reject("0", 0)),
    ("-35=x|", Reject("-35", 0)),
    ("035=x|", Reject("035", 0)),
    ("58=|", Reject("58", 4)),
    ("58=|58=|", Reject("58", 4)),
    ("35=8|", Reject("35", 13)),
    ("34=9|", Reject("34", 13)),
    ("49=THEM|", Reject("49", 13)),
    ("50=late|", Reject("50", 14)),
    ("8=FIX.4.2|", Reject("8", 13)),
    ("9=5|", Reject("9", 13)),
    ("10=000|", Reject("10", 14)),
    ("10=000|58=behind|", Reject("10", 14)),
    ("10=|", Reject("10", 4)),
    ("354=8|355=a|10=000|", Taken),
    ("3x=y|", Ignored(Garbled::FieldMalformed)),
    ("=x|", Ignored(Garbled::FieldMalformed)),
    ("58|", Ignored(Garbled::FieldMalformed)),
    ("|", Ignored(Garbled::FieldMalformed)),
    ("58=a||", Ignored(Garbled::FieldMalformed)),
    (" 58=a|", Ignored(Garbled::FieldMalformed)),
    ("+58=a|", Ignored(Garbled::FieldMalformed)),
];

#[test]
fn what_broke_other_engines_is_refused_by_its_reason_and_the_session_goes_on() {
    for (body, outcome) in BODIES {
        let mut rig = acceptor();
        let order = rig.message("D 2 | 11=a");
        let from = order.windows(3).position(|bytes| bytes == b"35=").unwrap();
        let text = [&order[from..order.len() - 7], body.replace('|', "\x01").as_bytes()].concat();
        rig.receive(&seal_bytes("FIX.4.4", &text));
        println!("{body}");
        match outcome {
            Reject(tag, code) => {
                let sent = rig.next_sent();
                let (front, back) =
                    ("3 2 | 45=2 | 58=", format!(" | 371={tag} | 372=D | 373={code}"));
                assert!(sent.starts_with(front) && sent.ends_with(&back), "{body}: {sent}");
                rig.play("< D 3 | 11=b\n> 8 3 | 11=b");
            }
            Ignored(reason) => {
                assert_eq!(rig.session.counters().of_garbled(*reason), 1, "{body}");
                rig.play("> nothing\n< D 2 | 11=b\n> 8 2 | 11=b");
            }
            Taken => {
                rig.play("> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
            }
        }
        assert_eq!(rig.closed, None, "{body}");
    }
}

/// Framing that is wrong is passed over up to the next message, whatever it claims.
#[test]
fn framing_that_claims_too_much_is_passed_over() {
    let huge = "9".repeat(40);
    let table = [
        ("8=FIX.4.4|9=|35=0|10=000|".to_owned(), Garbled::BodyLengthInvalid),
        (format!("8=FIX.4.4|9={huge}|35=0|"), Garbled::BodyLengthTooLong),
        ("8=FIX.4.4|9=999999999|35=0|".into(), Garbled::BodyLengthTooLong),
        ("8=FIX.4.4|9=-5|35=0|".into(), Garbled::BodyLengthInvalid),
        ("8=FIX.4.4|35=0|9=5|".into(), Garbled::BodyLengthNotSecond),
        ("8=FIX.4.4|9=5|35=0|10=16x|".into(), Garbled::CheckSumMissing),
        ("8=FIX.4.4|9=5|35=0|10=162|".into(), Garbled::CheckSumWrong),
        ("GET / HTTP/1.1|".into(), Garbled::BeginStringMissing),
    ];
    for (bytes, reason) in table {
        let mut rig = acceptor();
        rig.receive(bytes.replace('|', "\x01").as_bytes());
        assert!(rig.session.counters().of_garbled(reason) > 0, "{bytes}");
        rig.play("> nothing\n< D 2 | 11=b\n> 8 2 | 11=b");
        assert_eq!(rig.closed, None, "{bytes}");
    }
}
