//! What a session looks at in a message's header.

use super::*;

fn numbers() -> Vec<Case> {
    [
        usual(&[], Vouched, TAKEN),
        usual(
            &[("|34=5|", "|34=7|")],
            Vouched,
            "> 2 5 | 7=5 | 16=0\n< USUAL 5\n> 8 6 | 11=abcd
             < USUAL 6\n> 8 7 | 11=abcd\n> 8 8 | 11=abcd
             < USUAL 9\n> 2 9 | 7=8 | 16=0",
        ),
        usual(
            &[("|34=5|", "|34=4|")],
            Vouched,
            "> 5 5 | 58=MsgSeqNum too low, expecting 5 but received 4\nx close_msg_seq_num_too_low",
        ),
        usual(
            &[("|34=5|", "|34=0|")],
            Vouched,
            "> 5 5 | 58=MsgSeqNum too low, expecting 5 but received 0\nx close_msg_seq_num_too_low",
        ),
        usual(
            &[("|34=5|", "|34=x|")],
            Vouched,
            "> 5 5 | 58=MsgSeqNum is not a valid number\nx close_msg_seq_num_missing",
        ),
        usual(
            &[("|34=5|", "|38=5|")],
            Strange,
            "> 5 5 | 58=MsgSeqNum missing\nx close_msg_seq_num_missing",
        ),
        usual(&[("|34=5|", "|34=05|")], Strange, TAKEN),
        usual(&[("|34=5|", "|34=15|")], Strange, "> 2 5 | 7=5 | 16=0\n< USUAL 5\n> 8 6 | 11=abcd"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn comp_ids() -> Vec<Case> {
    let unchecked = |config: &mut SessionConfig| config.check_comp_id = false;
    [
        usual(&[("49=THEM", "49=THEY")], Strange, FOREIGN),
        usual(&[("49=THEM", "49=them")], Strange, FOREIGN),
        usual(&[("56=US", "56=WE")], Strange, FOREIGN),
        usual(&[("49=THEM|", "49=THE|"), ("56=US|", "56=MUS|")], Strange, FOREIGN),
        usual(
            &[("49=THEM", "50=THEM")],
            Strange,
            "> 3 5 | 45=5 | 58=Required tag missing | 371=49 | 372=D | 373=1\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        usual(
            &[("56=US", "57=US")],
            Strange,
            "> 3 5 | 45=5 | 58=Required tag missing | 371=56 | 372=D | 373=1\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        of(unchecked, &[("49=THEM", "49=THEY")], Strange, TAKEN),
        of(unchecked, &[("56=US", "56=WE")], Strange, TAKEN),
        usual(&[("8=FIX.4.4", "8=FIX.4.2")], Strange, "> 5 5 | 58=Incorrect BeginString"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn sub_ids() -> Vec<Case> {
    fn agreed(config: &mut SessionConfig) {
        let ids = |sub_id, location_id| SubIds {
            sub_id: CompId::new(sub_id),
            location_id: CompId::new(location_id),
        };
        config.target_sub_ids = ids("DESK", "HALL");
        config.sender_sub_ids = ids("ROOM", "TOWN");
    }
    const USUAL: &str = "D | 50=DESK | 57=ROOM | 142=HALL | 143=TOWN | 11=abcd";
    const OURS: &str = "> 8 5 | 50=ROOM | 57=DESK | 142=TOWN | 143=HALL | 11=abcd";
    const FOREIGN: &str =
        "> 3 5 | 50=ROOM | 57=DESK | 142=TOWN | 143=HALL | 45=5 | 58=CompID problem | 372=D | 373=9
                           > 5 6 | 50=ROOM | 57=DESK | 142=TOWN | 143=HALL";
    let case = |edits, known, script| Case { agreed, usual: USUAL, edits, known, script };
    let mut cases = vec![
        case(&[], Vouched, OURS),
        case(&[("|50=DESK", "|50=DISK")], Strange, FOREIGN),
        case(&[("|57=ROOM", "|57=ROAM")], Strange, FOREIGN),
        case(&[("|142=HALL", "|142=HULL")], Strange, FOREIGN),
        case(&[("|143=TOWN", "|143=DOWN")], Strange, FOREIGN),
        case(&[("|143=TOWN", "|144=TOWN")], Strange, FOREIGN_TO_BE_ROUTED),
    ];
    // One is not looked at that is not agreed on.
    cases.push(Case { agreed: usually, ..case(&[("|50=DESK", "|50=DISK")], Vouched, TAKEN) });
    cases
}

/// 144 goes back as 145.
const FOREIGN_TO_BE_ROUTED: &str = "> 3 5 | 50=ROOM | 57=DESK | 142=TOWN | 143=HALL | 145=TOWN | 45=5 | 58=CompID problem | 372=D | 373=9";

fn sending_times() -> Vec<Case> {
    let unchecked = |config: &mut SessionConfig| config.check_latency = false;
    let malformed = "> 3 5 | 45=5 | 58=Incorrect data format for value | 371=52 | 372=D | 373=6\n< USUAL 6\n> 8 6 | 11=abcd";
    [
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:02:05.000")], Vouched, TAKEN),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:02:04.999")], Vouched, STALE),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:06:05.000")], Vouched, TAKEN),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:06:05.001")], Vouched, STALE),
        usual(&[("52=20260102-03:04:05.000", "52=20260101-03:04:05.000")], Vouched, STALE),
        usual(&[("52=20260102-03:04:05.000", "52=20250102-03:04:05.000")], Vouched, STALE),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:04:0x.000")], Vouched, malformed),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:04:05.00x")], Vouched, malformed),
        usual(&[("52=20260102-03:04:05.000", "52=20261302-03:04:05.000")], Vouched, malformed),
        usual(&[("52=20260102-03:04:05.000", "52=20260102-03:04:05")], Strange, TAKEN),
        usual(&[("52=20260102-03:04:05.000", "52=20250102-03:04:05")], Strange, STALE),
        usual(
            &[("52=20260102", "50=20260102")],
            Strange,
            "> 3 5 | 45=5 | 58=Required tag missing | 371=52 | 372=D | 373=1\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        of(unchecked, &[("52=20260102-03:04:05.000", "52=20250102-03:04:05.000")], Vouched, TAKEN),
        of(unchecked, &[("52=20260102-03:04:05.000", "52=20260102-03:04:0x.000")], Vouched, malformed),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn duplicates() -> Vec<Case> {
    const USUAL: &str = "D | 43=N | 122=20260102-03:04:05.000 | 11=abcd";
    let not_required = |config: &mut SessionConfig| config.requires_orig_sending_time = false;
    let case =
        |edits, script| Case { agreed: usually, usual: USUAL, edits, known: Strange, script };
    let too_low =
        "> 5 5 | 58=MsgSeqNum too low, expecting 5 but received 4\nx close_msg_seq_num_too_low";
    let later = "> 3 5 | 45=4 | 58=SendingTime accuracy problem | 372=D | 373=10\n> 5 6";
    let mut cases = vec![
        // None with PossDupFlag is ever vouched for.
        case(&[], TAKEN),
        case(&[("43=N", "43=Y")], TAKEN),
        case(&[("43=N", "43=Y"), ("34=5", "34=4")], IGNORED),
        case(
            &[("43=N", "43=Y"), ("122=20260102-03:04:05.000", "122=20260102-03:04:05.001")],
            "> 3 5 | 45=5 | 58=SendingTime accuracy problem | 372=D | 373=10\n> 5 6",
        ),
        case(
            &[("43=N", "43=Y"), ("122=", "120=")],
            "> 3 5 | 45=5 | 58=Required tag missing | 371=122 | 372=D | 373=1\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        case(&[("34=5", "34=4")], too_low),
        case(
            &[("43=N", "43=Q")],
            "> 3 5 | 45=5 | 58=Incorrect data format for value | 371=43 | 372=D | 373=6\n< USUAL 6\n> 8 6 | 11=abcd",
        ),
        case(
            &[
                ("43=N", "43=Y"),
                ("34=5", "34=4"),
                ("122=20260102-03:04:05.000", "122=20260102-03:04:05.001"),
            ],
            later,
        ),
        case(
            &[
                ("43=N", "43=Y"),
                ("34=5", "34=4"),
                ("122=20260102-03:04:05.000", "122=20260102-03:04:0x.000"),
            ],
            "> 3 5 | 45=4 | 58=Incorrect data format for value | 371=122 | 372=D | 373=6\n< USUAL 5\n> 8 6 | 11=abcd",
        ),
        case(
            &[("43=N", "43=Y"), ("34=5", "34=4"), ("122=", "120=")],
            "> 3 5 | 45=4 | 58=Required tag missing | 371=122 | 372=D | 373=1\n< USUAL 5\n> 8 6 | 11=abcd",
        ),
        Case {
            agreed: not_required,
            ..case(&[("43=N", "43=Y"), ("34=5", "34=4"), ("122=", "120=")], IGNORED)
        },
    ];
    // The same where those before had none, and were as long.
    const WITHOUT: &str = "D | 50=efghi | 11=abcd";
    let without =
        |edits, script| Case { usual: WITHOUT, agreed: not_required, ..case(edits, script) };
    cases.push(without(&[("50=efghi", "43=Y|5=a"), ("34=5", "34=4")], IGNORED));
    cases.push(without(&[("50=efghi", "43=N|5=a"), ("34=5", "34=4")], too_low));
    cases.push(without(&[("50=efghi", "43=Y|5=a")], TAKEN));
    cases
}

#[test]
fn numbers_are_looked_at_by_each_way() {
    play_all(numbers());
}

#[test]
fn numbers_of_messages_cut_anywhere_are_looked_at() {
    play_cut(numbers());
}

#[test]
fn comp_ids_and_begin_string_are_looked_at_by_each_way() {
    play_all(comp_ids());
}

#[test]
fn comp_ids_and_begin_string_of_messages_cut_anywhere_are_looked_at() {
    play_cut(comp_ids());
}

#[test]
fn sub_ids_are_looked_at_by_each_way() {
    play_all(sub_ids());
    play_cut(sub_ids());
}

#[test]
fn sending_times_are_looked_at_by_each_way() {
    play_all(sending_times());
}

#[test]
fn sending_times_of_messages_cut_anywhere_are_looked_at() {
    play_cut(sending_times());
}

#[test]
fn duplicates_are_told_by_each_way() {
    play_all(duplicates());
    play_cut(duplicates());
}
