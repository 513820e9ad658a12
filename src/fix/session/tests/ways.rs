//! The rules of a session, each by every way that a message may take to it: of a shape that is vouched for, of one that is not,
//! whole, behind another, cut at any byte. Which way it is changes nothing of what is answered.

mod body;
mod header;

use super::*;
use crate::fix::message::Standing;
use crate::fix::oracle::sealed;
use Known::{Strange, Vouched};

/// What is known of a message by the three like it that came before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// Its shape was vouched for: only what a session still looks at is looked at.
    Vouched,
    /// Nothing is.
    Strange,
}

/// One message among usual ones.
struct Case {
    agreed: fn(&mut SessionConfig),
    /// What the usual message has: `TYPE | tag=value...`.
    usual: &'static str,
    /// What is another in the one looked at: `|` stands for SOH.
    edits: &'static [(&'static str, &'static str)],
    /// What is known of it.
    known: Known,
    /// What follows, the counterparty's usual message numbered 6 called `USUAL 6`.
    script: &'static str,
}

/// An order as long as most are, so that BodyLength has three digits.
const LONG: &str =
    "D | 11=abcd | 55=efghi | 58=a text of the length that makes BodyLength have three digits";
const SHORT: &str = "D | 11=abcd | 55=efghi";
const TAKEN: &str = "> 8 5 | 11=abcd\n< USUAL 6\n> 8 6 | 11=abcd";
const IGNORED: &str = "> nothing\n< USUAL 5\n> 8 5 | 11=abcd\n< USUAL 6\n> 8 6 | 11=abcd";
const CONSUMED: &str = "> nothing\n< USUAL 6\n> 8 5 | 11=abcd";
const FOREIGN: &str =
    "> 3 5 | 45=5 | 58=CompID problem | 372=D | 373=9\n> 5 6\n< USUAL 6\n> nothing";
const STALE: &str = "> 3 5 | 45=5 | 58=SendingTime accuracy problem | 372=D | 373=10\n> 5 6";

fn usually(_: &mut SessionConfig) {}

/// Both of one length: with and without a BodyLength of three digits.
fn of(
    agreed: fn(&mut SessionConfig),
    edits: &'static [(&'static str, &'static str)],
    known: Known,
    script: &'static str,
) -> [Case; 2] {
    [LONG, SHORT].map(|usual| Case { agreed, usual, edits, known, script })
}

fn usual(
    edits: &'static [(&'static str, &'static str)],
    known: Known,
    script: &'static str,
) -> [Case; 2] {
    of(usually, edits, known, script)
}

/// How the bytes of a message arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    Whole,
    /// In one segment with the one before it.
    Together,
    /// In two segments, the first of so many bytes.
    Cut(usize),
    ByteByByte,
}

/// What a session under test keeps of a message's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    Remembers,
    Forgets,
    /// It goes on in another process before each second step, and forgets by that.
    Moves,
}

impl Case {
    /// Logged on, and two usual messages taken.
    fn begin(&self, memory: Memory) -> Rig {
        let mut rig = Rig::new(Role::Acceptor, self.agreed);
        rig.stays = memory != Memory::Moves;
        if memory == Memory::Forgets {
            rig.session.reader.decoder =
                core::mem::take(&mut rig.session.reader.decoder).without_shapes();
        }
        let version = rig.session.config().version.default_appl_ver_id();
        let version =
            version.map_or_else(String::new, |id| format!(" | 1137={}", char::from(id.code())));
        let logon = rig.message(&format!("A 1{} | 98=0 | 108=30{version}", self.sub_ids()));
        rig.receive(&logon);
        for seq in 2..4 {
            let bytes = self.usual(&rig, seq);
            rig.receive(&bytes);
        }
        rig
    }

    /// Those that the usual message has.
    fn sub_ids(&self) -> String {
        let fields = self.usual.split(" | ");
        let is_sub_id =
            |field: &&str| ["50=", "57=", "142=", "143="].iter().any(|tag| field.starts_with(tag));
        fields.filter(is_sub_id).map(|field| format!(" | {field}")).collect()
    }

    fn usual(&self, rig: &Rig, seq: u32) -> Vec<u8> {
        let (msg_type, fields) = self.usual.split_once(" | ").unwrap();
        rig.message(&format!("{msg_type} {seq} | {fields}"))
    }

    /// The usual message numbered 5 but for what is another in it, sealed anew; `seal` spoils how it is sealed.
    fn message(&self, rig: &Rig) -> Vec<u8> {
        let text = String::from_utf8(self.usual(rig, 5)).unwrap().replace('\x01', "|");
        let mut text = text[..text.len() - 7].to_owned();
        for (from, to) in self.edits.iter().filter(|edit| edit.0 != "seal") {
            assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
            text = text.replace(from, to);
        }
        let mut head = text.splitn(3, '|');
        let begin_string = head.next().unwrap().strip_prefix("8=").unwrap();
        let mut bytes = sealed(begin_string, head.nth(1).unwrap());
        for (_, how) in self.edits.iter().filter(|edit| edit.0 == "seal") {
            let len = bytes.len();
            let sum = bytes.iter().take(len - 7).map(|byte| u32::from(*byte)).sum::<u32>();
            let at = bytes.windows(3).position(|window| window == b"\x0135").unwrap() - 1;
            let of_it = |sum: u32| format!("10={:03}\x01", sum % 256).into_bytes();
            match *how {
                "CheckSum is one more" => bytes[len - 7..].copy_from_slice(&of_it(sum + 1)),
                "CheckSum is 16 more" => bytes[len - 7..].copy_from_slice(&of_it(sum + 16)),
                "CheckSum is 100 more" => bytes[len - 7..].copy_from_slice(&of_it(sum + 100)),
                "CheckSum is elsewhere" => bytes[len - 7] = b'2',
                "BodyLength is one more" => {
                    bytes[at] += 1;
                    bytes[len - 7..].copy_from_slice(&of_it(sum + 1));
                }
                "BodyLength is one less" => {
                    bytes[at] -= 1;
                    bytes[len - 7..].copy_from_slice(&of_it(sum - 1));
                }
                how => panic!("{how}"),
            }
        }
        bytes
    }

    fn play(&self, memory: Memory, arrival: impl FnOnce(usize) -> Arrival) {
        let mut rig = self.begin(memory);
        let (before, bytes) = (self.usual(&rig, 4), self.message(&rig));
        let arrival = arrival(bytes.len());
        if arrival == Arrival::Together {
            rig.receive(&[before, bytes].concat());
        } else {
            rig.receive(&before);
            if memory == Memory::Remembers {
                assert_eq!(known(&rig, &bytes), self.known, "{self}");
            }
            let pieces: Vec<&[u8]> = match arrival {
                Arrival::Cut(at) => vec![&bytes[..at], &bytes[at..]],
                Arrival::ByteByByte => bytes.chunks(1).collect(),
                Arrival::Whole | Arrival::Together => vec![&bytes],
            };
            pieces.into_iter().for_each(|piece| rig.receive(piece));
        }
        assert_eq!(rig.desk.logons, 1, "{self}");
        for _ in 1..5 {
            rig.next_sent();
        }
        let mut script = String::new();
        for line in self.script.lines().map(str::trim) {
            let (msg_type, fields) = self.usual.split_once(" | ").unwrap();
            script += &match line.strip_prefix("< USUAL ") {
                Some(seq) => format!("< {msg_type} {seq} | {fields}\n"),
                None => format!("{line}\n"),
            };
        }
        println!("{self} {memory:?} {arrival:?}");
        rig.play(&script);
    }
}

impl core::fmt::Display for Case {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} but for {:?}", self.usual, self.edits)
    }
}

/// What a session knows of a message that is all of `bytes`.
fn known(rig: &Rig, bytes: &[u8]) -> Known {
    let mut decoder = rig.session.reader.decoder.clone();
    let standing = decoder.parse(bytes).map(|message| message.standing());
    if standing == Ok(Standing::VOUCHED) { Vouched } else { Strange }
}

/// Each case by each way but those cut.
fn play_all(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        for memory in [Memory::Remembers, Memory::Forgets, Memory::Moves] {
            for arrival in [Arrival::Whole, Arrival::Together, Arrival::ByteByByte] {
                case.play(memory, |_| arrival);
            }
        }
    }
}

/// The same cut at every byte.
fn play_cut(cases: impl IntoIterator<Item = Case>) {
    for case in cases {
        let len = case.message(&case.begin(Memory::Moves)).len();
        for at in 1..len {
            case.play(Memory::Remembers, |_| Arrival::Cut(at));
        }
        case.play(Memory::Forgets, |len| Arrival::Cut(len / 2));
    }
}

/// A session with a vouched shape, or none, whose state is another than that of one that is established.
fn in_another_state(change: fn(&mut Rig), script: &str) {
    for usual in [LONG, SHORT] {
        for memory in [Memory::Remembers, Memory::Forgets] {
            let case = Case { agreed: usually, usual, edits: &[], known: Vouched, script: "" };
            let mut rig = case.begin(memory);
            let bytes = case.usual(&rig, 4);
            rig.receive(&bytes);
            rig.pipe.sent.clear();
            change(&mut rig);
            let bytes = case.usual(&rig, rig.session.next_in());
            assert_eq!(known(&rig, &bytes) == Vouched, memory == Memory::Remembers);
            rig.receive(&bytes);
            rig.play(script);
        }
    }
}

#[test]
fn a_message_of_a_vouched_shape_is_no_logon() {
    let reconnect = |rig: &mut Rig| {
        rig.disconnect();
        rig.connect();
    };
    in_another_state(reconnect, "x close_logon_missing");
}

#[test]
fn a_message_of_a_vouched_shape_is_taken_behind_our_logout_and_answered_no_more() {
    let log_out = |rig: &mut Rig| rig.session.logout(at_ms(rig.ms), &mut rig.pipe, "bye");
    in_another_state(log_out, "> 5 5 | 58=bye\n> nothing\n< 5 6\nx close_logout_complete");
}

#[test]
fn a_message_of_a_vouched_shape_is_read_no_more_once_the_session_is_over() {
    let end = |rig: &mut Rig| {
        rig.play("< 5 5\n> 5 5\nx close_logout_by_peer");
    };
    in_another_state(end, "x close_logout_by_peer");
}

#[test]
fn a_message_of_a_vouched_shape_is_a_sign_of_life() {
    let wait = |rig: &mut Rig| {
        rig.pass_s(35);
        rig.play("> 0 5\n> nothing");
    };
    in_another_state(wait, "> 8 6 | 11=abcd\n~ 10\n> nothing\n~ 27\n> 0 7\n> 1 8 | 112=TEST");
}

#[test]
fn a_resend_that_waited_for_room_goes_on_behind_a_message_of_a_vouched_shape() {
    let ask = |rig: &mut Rig| {
        rig.pipe.room = 0;
        rig.play("< 2 5 | 7=3 | 16=0\n> nothing");
        rig.pipe.room = 1 << 16;
    };
    let script = "> 8 5 | 11=abcd\n> 8 3 | 43=Y | 122=T | 11=abcd\n> 8 4 | 43=Y | 122=T | 11=abcd";
    in_another_state(ask, script);
}

#[test]
fn a_number_of_more_digits_than_are_compared_at_once_is_compared_all_the_same() {
    for (first, off, script) in [
        (100_000_005, 0, "> 8 2 | 11=abcd"),
        (100_000_005, 2, "> 2 2 | 7=100000005 | 16=0"),
        (99_999_992, 0, "> 8 2 | 11=abcd"),
        (99_999_992, 2, "> 2 2 | 7=99999992 | 16=0"),
    ] {
        for usual in [LONG, SHORT] {
            let case = Case { agreed: usually, usual, edits: &[], known: Vouched, script: "" };
            let mut rig = acceptor();
            rig.stays = true;
            rig.session.body.core.store.set_next_in(first - 3);
            for seq in first - 3..first {
                let bytes = case.usual(&rig, seq);
                rig.receive(&bytes);
            }
            rig.session.body.core.store.set_next_out(2).unwrap();
            rig.pipe.sent.clear();
            let bytes = case.usual(&rig, first + off);
            assert_eq!(known(&rig, &bytes), Vouched);
            rig.receive(&bytes);
            rig.play(script);
        }
    }
}

#[test]
fn a_number_is_compared_whole_however_many_digits_are_expected() {
    for usual in [LONG, SHORT] {
        let (msg_type, fields) = usual.split_once(" | ").unwrap();
        for (digits, next_in, number, script) in [
            ("0", 5, "05", "> 8 5 | 11=abcd"),
            ("0", 5, "15", "> 2 5 | 7=5 | 16=0"),
            ("", 5, "5", "> 8 5 | 11=abcd"),
            (
                "",
                100_000_005,
                "5",
                "> 5 5 | 58=MsgSeqNum too low, expecting 100000005 but received 5
                 x close_msg_seq_num_too_low",
            ),
        ] {
            let mut rig = acceptor();
            rig.stays = true;
            for seq in 2..5 {
                rig.play(&format!("< {msg_type} {digits}{seq} | {fields}\n> 8 {seq} | 11=abcd"));
            }
            rig.session.body.core.store.set_next_in(next_in);
            let bytes = rig.message(&format!("{msg_type} {number} | {fields}"));
            assert_eq!(known(&rig, &bytes), Vouched);
            rig.receive(&bytes);
            rig.play(script);
        }
    }
}
