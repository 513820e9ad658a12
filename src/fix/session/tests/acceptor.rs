//! Scripts of an acceptor that is logged on.

use super::*;

/// Plays each of `scripts`, which have names, with a session of its own.
fn play_each(scripts: &[(&str, &str)]) {
    for (name, script) in scripts {
        println!("{name}");
        acceptor().play(script);
    }
}

#[test]
fn what_is_asked_for_is_answered() {
    play_each(&[
        ("a test request is answered by its id", "< 1 2 | 112=HI\n> 0 2 | 112=HI"),
        (
            "a test request without or with a huge id is refused",
            "< 1 2\n> 3 2 | 45=2 | 58=Required tag missing | 371=112 | 372=1 | 373=1",
        ),
        ("a logout is answered", "< 5 2\n> 5 2\nx close_logout_by_peer"),
        (
            "silence is asked after, then ends it; heartbeats go out before",
            "~ 30\n> 0 2\n~ 6\n> 1 3 | 112=TEST\n~ 36\nx close_heartbeat_timeout",
        ),
        (
            "an answered test request keeps it alive",
            "~ 36\n> 0 2\n> 1 3 | 112=TEST\n< 0 2 | 112=TEST\n~ 30\n> 0 4\n~ 5\n> nothing",
        ),
    ]);
}

#[test]
fn what_is_missing_is_asked_for_once() {
    play_each(&[
        (
            "a gap is asked for once, and what came past it is processed after",
            "< D 4 | 11=c\n> 2 2 | 7=2 | 16=0\n< D 5 | 11=d\n> nothing
             < D 2 | 43=Y | 122=NOW | 11=a\n> 8 3 | 11=a
             < 4 3 | 43=Y | 122=NOW | 36=4 | 123=Y\n> 8 4 | 11=c\n> 8 5 | 11=d
             < D 4 | 43=Y | 122=NOW | 11=c\n> nothing\n< D 6 | 11=e\n> 8 6 | 11=e",
        ),
        (
            "a second gap is asked for again",
            "< D 3 | 11=b\n> 2 2 | 7=2 | 16=0\n< D 2 | 11=a\n> 8 3 | 11=a\n> 8 4 | 11=b
             < D 6 | 11=e\n> 2 5 | 7=4 | 16=0",
        ),
        ("the largest number is only a gap", "< 0 2147483647\n> 2 2 | 7=2 | 16=0"),
    ]);
}

#[test]
fn what_was_sent_is_sent_again_as_far_as_there_is_any() {
    play_each(&[
        (
            "a resend request past a gap is answered before the gap is asked for",
            "< 2 5 | 7=1 | 16=0\n> 2 2 | 7=2 | 16=0\n> 4 1 | 43=Y | 122=T | 36=2 | 123=Y",
        ),
        (
            "a resend request for numbers never sent is refused",
            "< 2 2 | 7=9 | 16=0
             > 3 2 | 45=2 | 58=Value is incorrect (out of range) for this tag | 371=7 | 372=2 | 373=5",
        ),
        (
            "a resend request to 999999 means just that from 4.4 on, and ends at the last sent",
            "< 2 2 | 7=1 | 16=999999\n> 4 1 | 43=Y | 122=T | 36=2 | 123=Y",
        ),
        (
            "a resend request of 0 to 0, and one backwards, are refused",
            "< 2 2 | 7=0 | 16=0
             > 3 2 | 45=2 | 58=Value is incorrect (out of range) for this tag | 371=7 | 372=2 | 373=5
             < 2 3 | 7=2 | 16=1
             > 3 3 | 45=3 | 58=Value is incorrect (out of range) for this tag | 371=7 | 372=2 | 373=5",
        ),
        (
            "admin runs are merged into one gap fill around what is sent again",
            "< D 2 | 11=a\n> 8 2 | 11=a\n< 1 3 | 112=X\n> 0 3 | 112=X\n< 1 4 | 112=Y\n> 0 4 | 112=Y
             < 2 5 | 7=1 | 16=0\n> 4 1 | 43=Y | 122=T | 36=2 | 123=Y\n> 8 2 | 43=Y | 122=T | 11=a
             > 4 3 | 43=Y | 122=T | 36=5 | 123=Y\n< D 6 | 11=b\n> 8 5 | 11=b",
        ),
    ]);
}

#[test]
fn a_number_that_cannot_be_ends_the_session_and_a_duplicate_moves_none() {
    play_each(&[
        (
            "a number too low ends the session",
            "< 0 2\n< 0 1\n> 5 2 | 58=MsgSeqNum too low, expecting 3 but received 1
             x close_msg_seq_num_too_low",
        ),
        (
            "a duplicate without OrigSendingTime is refused, the number not moved",
            "< 0 2\n< D 2 | 43=Y | 11=a
             > 3 2 | 45=2 | 58=Required tag missing | 371=122 | 372=D | 373=1\n< D 3 | 11=b\n> 8 3 | 11=b",
        ),
        (
            "a message without a number is the end",
            "< 0 2 | -34\n> 5 2 | 58=MsgSeqNum missing\nx close_msg_seq_num_missing",
        ),
        (
            "a number that is none, or past every other, is the end",
            "< 0 4294967297\n> 5 2 | 58=MsgSeqNum is not a valid number\nx close_msg_seq_num_missing",
        ),
        (
            "a number of 2^31 is the end",
            "< 0 2147483648\n> 5 2 | 58=MsgSeqNum is not a valid number\nx close_msg_seq_num_missing",
        ),
    ]);
}

#[test]
fn numbers_begin_again_or_move_forward_as_the_peer_says() {
    play_each(&[
        (
            "a second logon is the end, in words",
            "< A 2 | 98=0 | 108=30\n> 5 2 | 58=Logon in an established session, without ResetSeqNumFlag
             x close_logon_unexpected",
        ),
        (
            "a logon that resets is answered and both numbers begin again",
            "< D 2 | 11=a\n> 8 2 | 11=a\n< A 1 | 98=0 | 108=30 | 141=Y\n> A 1 | 98=0 | 108=30 | 141=Y
             < D 2 | 11=b\n> 8 2 | 11=b",
        ),
        (
            "a resetting logon with another number than 1 is the end, in words",
            "< A 5 | 98=0 | 108=30 | 141=Y
             > 5 2 | 58=Logon with ResetSeqNumFlag, and a MsgSeqNum other than 1
             x close_logon_terms_refused",
        ),
        (
            "a gap fill that does not move forward is refused",
            "< 4 2 | 36=2 | 123=Y
             > 3 2 | 45=2 | 58=Value is incorrect (out of range) for this tag | 372=4 | 373=5",
        ),
        (
            "a reset moves forward whatever its number, and never past the last",
            "< 4 99 | 36=50\n< 1 50 | 112=X\n> 0 2 | 112=X\n< 4 0 | 36=4294967295
             > 3 3 | 45=0 | 58=Value is incorrect (out of range) for this tag | 372=4 | 373=5",
        ),
    ]);
}

#[test]
fn who_and_when_must_be_right_and_every_field_have_a_value() {
    play_each(&[
        (
            "a foreign CompID is refused and logged out, and the answer ends it",
            "< D 2 | 49=WHO | 11=a\n> 3 2 | 45=2 | 58=CompID problem | 372=D | 373=9\n> 5 3
             < 5 3\nx close_logout_complete",
        ),
        (
            "a stale SendingTime is refused and logged out, and silence ends it",
            "< D 2 | 52=20250101-00:00:00 | 11=a
             > 3 2 | 45=2 | 58=SendingTime accuracy problem | 372=D | 373=10\n> 5 3
             ~ 2\nx close_logout_timeout",
        ),
        (
            "another version is logged out",
            "< D 2 | 8=FIX.4.2 | 11=a\n> 5 2 | 58=Incorrect BeginString\n< 5 3\nx close_logout_complete",
        ),
        (
            "a field without a value is refused and its number consumed",
            "< D 2 | 58=\n> 3 2 | 45=2 | 58=Tag specified without a value | 371=58 | 372=D | 373=4
             < D 3 | 11=a\n> 8 3 | 11=a",
        ),
        (
            "a refusal goes back the way it came",
            "< D 2 | 115=DESK | 116=JO | 58=
             > 3 2 | 128=DESK | 129=JO | 45=2 | 58=Tag specified without a value | 371=58 | 372=D | 373=4",
        ),
    ]);
}
