//! What was found right of one message is looked at no more in those of its shape. Nothing of what a
//! session does may depend on that.

use proptest::prelude::*;

use super::*;
use crate::fix::message::Standing;
use crate::fix::oracle::seal_bytes;

/// Fields with values as long as each other, right and wrong ones, and a usual field for a beginning.
const FIELDS: [&str; 14] = [
    "21=1",
    "49=THEM",
    "49=THEY",
    "56=US",
    "56=WE",
    "8=FIX.4.2",
    "52=20250101-00:00:00.000",
    "52=20260102-03:04:0x.000",
    "52=20260102-03:04:05.0y0",
    "43=Y",
    "43=N",
    "43=Q",
    "58=",
    "34=002",
];

/// Two sessions that get the same messages. One of them forgets the shapes of all before.
struct Both {
    remembers: Rig,
    forgets: Rig,
}

impl Both {
    fn new() -> Both {
        let mut both = Both { remembers: acceptor(), forgets: acceptor() };
        // Moved, it would forget too.
        both.remembers.stays = true;
        both
    }

    /// The next message, with `field`; its number is `off` from the one expected, and one byte of its body
    /// is another.
    fn receive(&mut self, msg_type: &str, field: &str, off: i64, byte: Option<(usize, u8)>) {
        let seq = i64::from(self.remembers.session.next_in()) + off;
        // BodyLength has three digits, as is usual, in some and two in others.
        let more = if msg_type == "D" { ", and somewhat longer than others" } else { "" };
        let id = format!("11=order-{:04} | 58=as long as a report is{more}", seq % 100);
        let mut bytes = self.remembers.message(&format!("{msg_type} {seq} | {field} | {id}"));
        if let Some((at, byte)) = byte {
            let body = bytes.iter().skip(10).position(|byte| *byte == 1).unwrap() + 11;
            let end = bytes.len() - 7;
            bytes[body + at % (end - body)] = if byte == b'|' { 1 } else { byte };
            bytes = seal_bytes("FIX.4.4", &bytes[body..end]);
        }
        self.remembers.receive(&bytes);
        self.forgets.receive(&bytes);
        self.forgets.session.reader.decoder = Decoder::default();
    }

    fn pass_s(&mut self, s: u64) {
        self.remembers.pass_s(s);
        self.forgets.pass_s(s);
    }

    /// All that can be seen of either.
    fn seen(&self) -> [impl PartialEq + core::fmt::Debug + use<>; 2] {
        [&self.remembers, &self.forgets].map(|rig| {
            let counters = rig.session.counters().iter().filter(|(_, count)| *count > 0);
            let counters: Vec<_> = counters.collect();
            let numbers = (rig.session.next_in(), rig.session.next_out());
            let sent = String::from_utf8_lossy(&rig.pipe.sent).into_owned();
            (sent, rig.desk.delivered.clone(), rig.closed, numbers, counters)
        })
    }
}

#[test]
fn whatever_was_learned_of_one_field_the_next_is_answered_as_if_nothing_was() {
    for learned in FIELDS {
        for next in FIELDS {
            let mut both = Both::new();
            for field in [learned, learned, learned, learned, next, learned] {
                both.receive("D", field, 0, None);
            }
            let [remembers, forgets] = both.seen();
            assert_eq!(remembers, forgets, "{learned}, then {next}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_session_that_remembers_does_what_one_does_that_forgets(
        runs in prop::collection::vec(
            (
                prop::sample::select(vec!["D", "D", "D", "8", "0", "1", "AE", "2", "4", "5"]),
                prop_oneof![2 => Just(FIELDS[0]), 1 => prop::sample::select(FIELDS.to_vec())],
                prop_oneof![9 => Just(0i64), 1 => -2i64..3],
                prop::option::weighted(
                    0.1,
                    (any::<usize>(), prop::sample::select(b"09AZ=|.".to_vec())),
                ),
                prop_oneof![9 => Just(0u64), 1 => 0u64..40],
                1usize..5,
            ),
            1..16,
        ),
    ) {
        let mut both = Both::new();
        for (msg_type, field, off, byte, s, count) in runs {
            for _ in 0..count {
                both.pass_s(s);
                both.receive(msg_type, field, off, byte);
                let [remembers, forgets] = both.seen();
                prop_assert_eq!(remembers, forgets);
            }
        }
    }
}

/// After three like it a message is known by its shape.
#[test]
fn a_message_is_vouched_for_by_those_before_it_and_by_no_others() {
    let mut rig = acceptor();
    rig.stays = true;
    for seq in 2..6 {
        rig.play(&format!("< D {seq} | 11=a | 58=as long as a report is\n> 8 {seq} | 11=a"));
    }
    for (line, is_vouched) in [
        ("D 6 | 11=b | 58=as long as a report is", true),
        ("D 6 | 49=THEY | 11=b | 58=as long as a report is", false),
        ("D 6 | 56=WE | 11=b | 58=as long as a report is", false),
        ("8 6 | 11=b | 58=as long as a report is", false),
        ("D 6 | 8=FIX.4.2 | 11=b | 58=as long as a report is", false),
    ] {
        let bytes = rig.message(line);
        let Framed::Complete(whole) = frame(&bytes, usize::MAX) else { panic!("not whole") };
        let standing = rig.session.reader.decoder.decode(&bytes, &whole).unwrap().standing();
        assert_eq!(standing == Standing::VOUCHED, is_vouched, "{line}");
    }
}
