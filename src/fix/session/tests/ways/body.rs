//! What kind of message it is, whether it is one, and what is looked at by agreement alone.

use super::*;

fn msg_types() -> Vec<Case> {
    const WIDE: &str = "AE | 11=abcd | 55=efghi";
    let wide = |edits, known, script| Case { agreed: usually, usual: WIDE, edits, known, script };
    let mut cases = vec![
        wide(&[], Vouched, TAKEN),
        wide(&[("35=AE", "35=AF")], Strange, TAKEN),
        wide(
            &[("35=AE", "35=A*")],
            Strange,
            "> 3 5 | 45=5 | 58=Invalid MsgType | 372=A* | 373=11\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
    ];
    let missing = |tag| match tag {
        112 => {
            "> 3 5 | 45=5 | 58=Required tag missing | 371=112 | 372=1 | 373=1\n< USUAL 6\n> 8 6 | 11=abcd"
        }
        _ => {
            "> 3 5 | 45=5 | 58=Required tag missing | 371=7 | 372=2 | 373=1\n< USUAL 6\n> 8 6 | 11=abcd"
        }
    };
    let edits = [
        usual(&[("35=D", "35=F")], Strange, TAKEN),
        usual(&[("35=D", "35=0")], Strange, CONSUMED),
        usual(&[("35=D", "35=3")], Strange, CONSUMED),
        usual(&[("35=D", "35=1")], Strange, missing(112)),
        usual(&[("35=D", "35=2")], Strange, missing(7)),
        usual(&[("35=D", "35=5")], Strange, "> 5 5\nx close_logout_by_peer"),
        usual(
            &[("35=D", "35=4")],
            Strange,
            "> 3 5 | 45=5 | 58=Required tag missing | 371=36 | 372=4 | 373=1\n< USUAL 5\n> 8 6 | 11=abcd",
        ),
        usual(&[("35=D|34=5|", "34=5|35=D|")], Strange, IGNORED),
        usual(&[("35=D", "36=D")], Strange, IGNORED),
    ];
    cases.extend(edits.into_iter().flatten());
    cases
}

fn garbled() -> Vec<Case> {
    let refused = |tag| match tag {
        "011" => {
            "> 3 5 | 45=5 | 58=Invalid tag number | 371=011 | 372=D | 373=0\n< USUAL 6\n> 8 6 | 11=abcd"
        }
        "34" => {
            "> 3 5 | 45=5 | 58=Tag appears more than once | 371=34 | 372=D | 373=13\n< USUAL 6\n> 8 6 | 11=abcd"
        }
        "49" => {
            "> 3 5 | 45=5 | 58=Tag appears more than once | 371=49 | 372=D | 373=13\n< USUAL 6\n> 8 6 | 11=abcd"
        }
        _ => {
            "> 3 5 | 45=5 | 58=Tag specified out of required order | 371=50 | 372=D | 373=14\n< USUAL 6\n> 8 6 | 11=abcd"
        }
    };
    [
        usual(&[("seal", "CheckSum is one more")], Strange, IGNORED),
        usual(&[("seal", "CheckSum is 16 more")], Strange, IGNORED),
        usual(&[("seal", "CheckSum is 100 more")], Strange, IGNORED),
        usual(&[("seal", "CheckSum is elsewhere")], Strange, IGNORED),
        usual(&[("seal", "BodyLength is one more")], Strange, IGNORED),
        usual(&[("seal", "BodyLength is one less")], Strange, IGNORED),
        usual(&[("55=efghi", "55=ef|hi")], Strange, IGNORED),
        usual(&[("55=efghi", "55e=fghi")], Strange, IGNORED),
        usual(&[("55=efghi", "5x=efghi")], Strange, IGNORED),
        usual(&[("55=efghi", "|5=efghi")], Strange, IGNORED),
        usual(&[("11=abcd", "1=1abcd")], Strange, "> 8 5 | 11=?\n< USUAL 6\n> 8 6 | 11=abcd"),
        usual(
            &[("11=abcd", "10=abcd")],
            Strange,
            "> 3 5 | 45=5 | 58=Tag specified out of required order | 371=10 | 372=D | 373=14\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        usual(&[("11=abcd|55=efghi", "55=efghi|11=abcd")], Strange, TAKEN),
        usual(
            &[("11=abcd|55=efghi", "55=abcd|11=efghi")],
            Strange,
            "> 8 5 | 11=efghi\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        usual(&[("11=abcd", "11=dcba")], Vouched, "> 8 5 | 11=dcba\n< USUAL 6\n> 8 6 | 11=abcd"),
        usual(&[("11=abcd", "11=a=cd")], Vouched, "> 8 5 | 11=a=cd\n< USUAL 6\n> 8 6 | 11=abcd"),
        usual(&[("11=abcd", "011=bcd")], Strange, refused("011")),
        usual(&[("55=efghi", "34=efghi")], Strange, refused("34")),
        usual(&[("55=efghi", "49=efghi")], Strange, refused("49")),
        usual(&[("55=efghi", "50=efghi")], Strange, refused("50")),
        usual(&[("55=efghi|", "55=efghi|1=a|")], Strange, TAKEN),
        usual(&[("55=efghi|", "55=e|1=a|")], Strange, TAKEN),
        usual(&[("55=efghi|", "")], Strange, TAKEN),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is looked at only where both have agreed on it, and other versions.
fn agreed() -> Vec<Case> {
    fn processed(config: &mut SessionConfig) {
        config.last_msg_seq_num_processed = true;
    }
    fn validated(config: &mut SessionConfig) {
        config.validation = Some(dictionary::validation());
    }
    fn fix42(config: &mut SessionConfig) {
        config.version = Version::Fix42;
    }
    fn fixt(config: &mut SessionConfig) {
        config.version = Version::Fixt11(ApplVerId::Fix50Sp2);
    }
    const PROCESSED: &str = "D | 369=1 | 11=abcd";
    const VERSIONED: &str = "D | 1128=9 | 11=abcd";
    let case = |agreed, usual, edits, known, script| Case { agreed, usual, edits, known, script };
    let mut cases = vec![
        case(processed, PROCESSED, &[], Vouched, "> 8 5 | 369=4 | 11=abcd"),
        case(processed, PROCESSED, &[("369=1", "369=4")], Vouched, "> 8 5 | 369=4 | 11=abcd"),
        case(
            processed,
            PROCESSED,
            &[("369=1", "369=5")],
            Vouched,
            "> 3 5 | 369=4 | 45=5 | 58=Value is incorrect (out of range) for this tag | 371=369 | 372=D | 373=5",
        ),
        case(
            processed,
            PROCESSED,
            &[("369=1", "369=x")],
            Vouched,
            "> 3 5 | 369=4 | 45=5 | 58=Incorrect data format for value | 371=369 | 372=D | 373=6",
        ),
        case(usually, PROCESSED, &[("369=1", "369=9")], Vouched, TAKEN),
        // None with ApplVerID is ever vouched for.
        case(fixt, VERSIONED, &[], Strange, TAKEN),
        case(
            fixt,
            VERSIONED,
            &[("1128=9", "1128=Z")],
            Strange,
            "> 3 5 | 45=5 | 58=Value is incorrect (out of range) for this tag | 371=1128 | 372=D | 373=5",
        ),
    ];
    const CONFORMING: &str = "D | 11=abcd | 38=1 | 54=2";
    let refused = "> 3 5 | 45=5 | 58=Value is incorrect (out of range) for this tag | 371=54 | 372=D | 373=5\n< USUAL 6\n> 8 6 | 11=abcd";
    cases.push(case(validated, CONFORMING, &[], Vouched, TAKEN));
    cases.push(case(validated, CONFORMING, &[("54=2", "54=7")], Vouched, refused));
    for agreed in [fix42, fixt] {
        cases.extend(of(agreed, &[], Vouched, TAKEN));
        cases.extend(of(agreed, &[("49=THEM", "49=THEY")], Strange, FOREIGN));
        cases.extend(of(agreed, &[("|34=5|", "|34=7|")], Vouched, "> 2 5 | 7=5 | 16=0"));
        cases.extend(of(agreed, &[("seal", "CheckSum is one more")], Strange, IGNORED));
    }
    cases
}

#[test]
fn msg_types_are_told_apart_by_each_way() {
    play_all(msg_types());
    play_cut(msg_types());
}

#[test]
fn what_is_no_message_or_another_one_is_found_by_each_way() {
    play_all(garbled());
}

#[test]
fn what_is_no_message_or_another_one_is_found_cut_anywhere() {
    play_cut(garbled());
}

#[test]
fn what_was_agreed_on_is_looked_at_by_each_way() {
    play_all(agreed());
    play_cut(agreed());
}
