//! Scripts: `<` arrives, `>` must leave, in that order; `~ s` lets seconds pass; `x` expects the
//! end. Header fields that never change are left out: `A 1 | 98=0` is a Logon numbered 1.

mod cut;
mod vouched;

use super::*;
use crate::fix::oracle::sealed;
use crate::fix::reason::Garbled;
use crate::time::UtcTime;

const START_S: u64 = 1_767_323_045;

pub(super) fn at_ms(ms: u64) -> Now {
    let utc = UtcTime::from_unix_ns((START_S * 1000 + ms) * 1_000_000);
    Now { mono: Instant::from_ms(1_000_000 + ms), utc }
}

/// An outlet of a bounded number of bytes; what was committed is read and drained by the test.
pub(super) struct Pipe {
    pub(super) sent: Vec<u8>,
    pub(super) room: usize,
    slot: Vec<u8>,
}

impl Pipe {
    pub(super) fn new(room: usize) -> Pipe {
        Pipe { sent: Vec::new(), room, slot: Vec::new() }
    }
}

impl Outlet for Pipe {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        if self.sent.len() + len > self.room {
            return Err(Full);
        }
        self.slot.resize(len, 0);
        Ok(&mut self.slot[..len])
    }

    fn commit(&mut self, used: usize) {
        self.sent.extend_from_slice(&self.slot[..used]);
    }
}

/// Notes ClOrdIDs, answers each order with an echo, vetoes what it is told to.
#[derive(Default)]
struct Desk {
    delivered: Vec<String>,
    ended: Vec<CloseReason>,
    logons: usize,
    veto: Option<u32>,
}

impl Handler for Desk {
    fn on_logon<S: Store, O: Outlet>(&mut self, _reply: &mut Sender<'_, S, O>) {
        self.logons += 1;
    }

    fn on_logout(&mut self, reason: CloseReason) {
        self.ended.push(reason);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    ) {
        let id = message.field(11).unwrap_or(b"?");
        self.delivered.push(String::from_utf8_lossy(id).into_owned());
        let _ = reply.send(b"8", |encoder| _ = encoder.put_bytes(11, id));
    }

    fn may_resend(&mut self, seq: u32, _message: &Message<'_>) -> bool {
        self.veto != Some(seq)
    }
}

struct Rig {
    session: Session,
    desk: Desk,
    pipe: Pipe,
    ms: u64,
    closed: Option<CloseReason>,
}

impl Rig {
    fn new(role: Role, adjust: impl FnOnce(&mut SessionConfig)) -> Rig {
        let id = |text| CompId::new(text).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, role, id("US"), id("THEM"));
        adjust(&mut config);
        let session = Session::new(config, MemoryStore::new(64, 1 << 14));
        let (desk, pipe) = (Desk::default(), Pipe::new(1 << 16));
        let mut rig = Rig { session, desk, pipe, ms: 0, closed: None };
        rig.connect();
        rig
    }

    fn connect(&mut self) {
        self.closed = None;
        self.session.on_connect(at_ms(self.ms), &mut self.pipe);
    }

    fn disconnect(&mut self) {
        self.session.on_disconnect(at_ms(self.ms), &mut self.desk);
    }

    fn receive(&mut self, bytes: &[u8]) {
        let now = at_ms(self.ms);
        let found = self.session.on_bytes(now, bytes, &mut self.pipe, &mut self.desk);
        self.note(found);
    }

    fn note(&mut self, disposition: Disposition) {
        if let Disposition::Close(reason) = disposition {
            self.closed = Some(reason);
        }
    }

    fn pass_s(&mut self, s: u64) {
        let until = self.ms + s * 1000;
        while self.closed.is_none() && self.session.next_timeout() <= at_ms(until).mono {
            let due = self.session.next_timeout().as_ns() / 1_000_000 - 1_000_000;
            self.ms = self.ms.max(due);
            let now = at_ms(self.ms);
            let found = self.session.on_timeout(now, &mut self.pipe, &mut self.desk);
            self.note(found);
        }
        self.ms = until;
    }

    /// The next message that left, in the script's form.
    fn next_sent(&mut self) -> String {
        let Framed::Complete(Whole { len, .. }) = frame(&self.pipe.sent, usize::MAX) else {
            assert!(self.pipe.sent.is_empty(), "half a message left");
            return "nothing".to_owned();
        };
        let bytes: Vec<u8> = self.pipe.sent.drain(..len).collect();
        let mut decoder = Decoder::default();
        let message = decoder.parse(&bytes).unwrap();
        assert_eq!(message.fault(), None, "{}", String::from_utf8_lossy(&bytes));
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut line = format!("{} {}", text(message.msg_type()), message.msg_seq_num().unwrap());
        for (tag, value) in
            message.fields().filter(|(tag, _)| ![8, 9, 35, 34, 49, 52, 56, 10].contains(tag))
        {
            let value = if tag == 122 { "T".to_owned() } else { text(value) };
            line += &format!(" | {tag}={value}");
        }
        line
    }

    fn play(&mut self, script: &str) -> &mut Rig {
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (verb, rest) = line.split_at(1);
            match (verb, rest.trim()) {
                ("<", message) => {
                    let bytes = self.message(message);
                    self.receive(&bytes);
                }
                (">", message) => assert_eq!(self.next_sent(), message, "{script}"),
                ("~", s) => self.pass_s(s.parse().unwrap()),
                ("x", reason) => {
                    assert_eq!(self.next_sent(), "nothing", "{line}");
                    assert_eq!(self.closed.map(CloseReason::name), Some(reason), "{script}");
                }
                _ => panic!("{line}"),
            }
        }
        self
    }

    /// `TYPE SEQ | tag=value...` from THEM to US, sent now. A field with an empty tag list such as
    /// `-49` leaves that header field out; a header field given replaces the usual one.
    fn message(&self, line: &str) -> Vec<u8> {
        let mut parts = line.split(" | ").map(str::trim);
        let (msg_type, seq) = parts.next().unwrap().split_once(' ').unwrap();
        let fields: Vec<&str> = parts.collect();
        let precision = crate::fix::Precision::Millis;
        let mut formatter = crate::fix::timestamp::Formatter::default();
        let now = formatter.text(at_ms(self.ms).utc, precision);
        let now = String::from_utf8_lossy(&now[..precision.len()]).into_owned();
        let version = fields.iter().find_map(|field| field.strip_prefix("8=")).unwrap_or("FIX.4.4");
        let usual = [("34", seq), ("49", "THEM"), ("52", &now), ("56", "US")];
        let mut body = format!("35={msg_type}|");
        for (tag, value) in usual {
            let given = fields.iter().find(|field| field.split('=').next() == Some(tag));
            match given {
                Some(field) => body += &format!("{field}|"),
                None if fields.contains(&format!("-{tag}").as_str()) => {}
                None => body += &format!("{tag}={value}|"),
            }
        }
        for field in fields {
            let tag = field.split('=').next().unwrap_or_default();
            if !["8", "34", "49", "52", "56"].contains(&tag) && !field.starts_with('-') {
                body += &format!("{}|", field.replace("=NOW", &format!("={now}")));
            }
        }
        sealed(version, &body)
    }
}

const LOGON: &str = "< A 1 | 98=0 | 108=30
                     > A 1 | 98=0 | 108=30";

fn acceptor() -> Rig {
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.play(LOGON);
    rig
}

#[test]
fn scripts_of_an_acceptor_logged_on() {
    let scripts = [
        ("a test request is answered by its id", "< 1 2 | 112=HI\n> 0 2 | 112=HI"),
        (
            "a test request without or with a huge id is refused",
            "< 1 2\n> 3 2 | 45=2 | 58=Required tag missing | 371=112 | 372=1 | 373=1",
        ),
        ("a logout is answered", "< 5 2\n> 5 2\nx close_logout_by_peer"),
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
        (
            "the largest number is only a gap",
            "< 0 2147483647\n> 2 2 | 7=2 | 16=0",
        ),
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
        ("a second logon is the end", "< A 2 | 98=0 | 108=30\nx close_logon_unexpected"),
        (
            "a logon that resets is answered and both numbers begin again",
            "< D 2 | 11=a\n> 8 2 | 11=a\n< A 1 | 98=0 | 108=30 | 141=Y\n> A 1 | 98=0 | 108=30 | 141=Y
             < D 2 | 11=b\n> 8 2 | 11=b",
        ),
        ("a resetting logon with another number than 1 is the end",
         "< A 5 | 98=0 | 108=30 | 141=Y\nx close_logon_terms_refused"),
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
        (
            "silence is asked after, then ends it; heartbeats go out before",
            "~ 30\n> 0 2\n~ 6\n> 1 3 | 112=TEST\n~ 36\nx close_heartbeat_timeout",
        ),
        (
            "an answered test request keeps it alive",
            "~ 36\n> 0 2\n> 1 3 | 112=TEST\n< 0 2 | 112=TEST\n~ 30\n> 0 4\n~ 5\n> nothing",
        ),
    ];
    for (name, script) in scripts {
        println!("{name}");
        acceptor().play(script);
    }
}

#[test]
fn scripts_of_a_first_message() {
    let scripts = [
        ("< 0 1\nx close_logon_missing", 0),
        ("< A 1 | 98=0 | 108=30 | 49=WHO\nx close_logon_invalid", 0),
        ("< A 1 | 98=0 | 108=30 | 8=FIX.4.2\nx close_logon_invalid", 0),
        ("< A 1 | 98=0\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=1 | 108=30\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=-1\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=99999999\nx close_logon_terms_refused", 0),
        ("< A 1 | 98=0 | 108=30 | 52=20010101-00:00:00\nx close_logon_time_inaccurate", 0),
        ("< A 1 | -34 | 98=0 | 108=30\nx close_logon_invalid", 0),
        (
            "< A 0 | 98=0 | 108=30\n> 5 1 | 58=MsgSeqNum too low, expecting 1 but received 0
             x close_msg_seq_num_too_low",
            0,
        ),
        ("~ 10\nx close_logon_timeout", 0),
        ("< A 5 | 98=0 | 108=7\n> A 1 | 98=0 | 108=7\n> 2 2 | 7=1 | 16=0", 1),
    ];
    for (script, logons) in scripts {
        let mut rig = Rig::new(Role::Acceptor, |_| {});
        assert_eq!(rig.play(script).desk.logons, logons, "{script}");
    }
}

#[test]
fn a_peer_that_speaks_another_protocol_is_told_from_a_garbled_logon_and_quoted() {
    for role in [Role::Acceptor, Role::Initiator] {
        let mut rig = Rig::new(role, |_| {});
        rig.pipe.sent.clear();
        rig.receive(b"SSH-2.0-OpenSSH_9.2p1\r\n");
        rig.play("x close_peer_not_fix");
        assert_eq!(rig.session.parting_words()[..], *b"SSH-2.0-OpenSSH_9.2p1\r\n");
    }
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    let mut logon = rig.message("A 1 | 98=0 | 108=30");
    let last_digit = logon.len() - 2;
    logon[last_digit] ^= 1;
    rig.receive(&logon);
    rig.play("x close_logon_invalid");
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.receive(&[b'x'; 500]);
    assert_eq!(rig.session.parting_words().len(), 120);
}

#[test]
fn scripts_of_an_initiator() {
    let scripts = [
        "> A 1 | 98=0 | 108=30\n< A 1 | 98=0 | 108=30\n< D 2 | 11=a\n> 8 2 | 11=a",
        "> A 1 | 98=0 | 108=30\n< 5 1 | 58=no\nx close_logon_refused",
        "> A 1 | 98=0 | 108=30\n~ 10\nx close_logon_timeout",
        "> A 1 | 98=0 | 108=30\n< A 3 | 98=0 | 108=30\n> 2 2 | 7=1 | 16=0",
        "> A 1 | 98=0 | 108=30\n< A 1 | 98=0 | 108=30 | 141=Y\n< D 2 | 11=a\n> 8 2 | 11=a",
    ];
    for script in scripts {
        Rig::new(Role::Initiator, |_| {}).play(script);
    }
    Rig::new(Role::Initiator, |config| config.reset_on_logon = true).play(
        "> A 1 | 98=0 | 108=30 | 141=Y\n< A 1 | 98=0 | 108=30 | 141=Y\n< D 2 | 11=a\n> 8 2 | 11=a",
    );
}

#[test]
fn fix42_reads_999999_as_infinity_and_leaves_out_codes_it_does_not_know() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.version = Version::Fix42);
    rig.play(
        "< A 1 | 8=FIX.4.2 | 98=0 | 108=30\n> A 1 | 98=0 | 108=30
         < D 2 | 8=FIX.4.2 | 11=a | 43=N\n> 3 2 | 45=2 | 58=Tag specified out of required order | 371=43 | 372=D
         < 2 3 | 8=FIX.4.2 | 7=1 | 16=999999\n> 4 1 | 43=Y | 122=T | 36=3 | 123=Y",
    );
}

#[test]
fn numbers_are_kept_across_a_reconnect_and_the_application_is_told_once() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    rig.disconnect();
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::Disconnected]);
    rig.connect();
    rig.play("< A 3 | 98=0 | 108=30\n> A 3 | 98=0 | 108=30\n< 5 4\n> 5 4\nx close_logout_by_peer");
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::Disconnected, CloseReason::LogoutByPeer]);
}

#[test]
fn a_vetoed_message_becomes_part_of_the_gap_fill() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.desk.veto = Some(2);
    rig.play(
        "< 2 4 | 7=1 | 16=0\n> 4 1 | 43=Y | 122=T | 36=3 | 123=Y\n> 8 3 | 43=Y | 122=T | 11=b",
    );
    assert_eq!(rig.session.counters().of(Event::ResendVetoed), 1);
}

#[test]
fn what_the_store_gave_up_is_gap_filled_and_counted() {
    let mut rig = acceptor();
    rig.session.core.store = MemoryStore::new(1, 200);
    rig.session.core.store.set_next_in(2);
    rig.session.core.store.set_next_out(2);
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.play(
        "< 2 4 | 7=2 | 16=0\n> 4 2 | 43=Y | 122=T | 36=3 | 123=Y\n> 8 3 | 43=Y | 122=T | 11=b",
    );
    assert_eq!(rig.session.counters().of(Event::ResendForgotten), 1);
}

#[test]
fn a_full_outlet_pauses_a_resend_and_defers_answers_without_losing_a_number() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b");
    rig.pipe.room = 0;
    rig.play("< 2 4 | 7=2 | 16=0\n> nothing\n< 1 5 | 112=X\n> nothing\n< D 6 | 11=c\n> nothing");
    assert_eq!(rig.session.counters().of(Event::SendRefused), 1);
    rig.pipe.room = 1 << 16;
    let now = at_ms(rig.ms);
    let overtaking = rig.session.send(now, &mut rig.pipe, b"D", |_| {});
    assert_eq!(overtaking, Err(SendError::Full), "number 4 still waits");
    let found = rig.session.on_writable(now, &mut rig.pipe, &mut rig.desk);
    assert_eq!(found, Disposition::Keep);
    rig.play(
        "> 0 4 | 112=X\n> 8 2 | 43=Y | 122=T | 11=a\n> 8 3 | 43=Y | 122=T | 11=b
         < D 7 | 11=d\n> 8 5 | 11=d",
    );
}

#[test]
fn a_peer_that_asks_and_never_reads_is_cut_off() {
    let mut rig = acceptor();
    rig.pipe.room = 0;
    for seq in 2..1000 {
        rig.play(&format!("< 1 {seq} | 112=X"));
    }
    rig.play("x close_backlog_full");
    rig.disconnect();
    assert_eq!(rig.desk.ended, [CloseReason::BacklogFull]);
}

#[test]
fn a_message_past_the_gap_that_finds_no_room_is_asked_for_again() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.held_messages_max = 1);
    rig.play(LOGON).play(
        "< D 3 | 11=b\n> 2 2 | 7=2 | 16=0\n< D 4 | 11=c\n< D 2 | 11=a\n> 8 3 | 11=a\n> 8 4 | 11=b
         < D 5 | 11=d\n> 2 5 | 7=4 | 16=0\n< D 4 | 43=Y | 122=NOW | 11=c\n> 8 6 | 11=c\n> 8 7 | 11=d",
    );
    assert_eq!(rig.session.counters().of(Event::MessageNotHeld), 1);
}

#[test]
fn messages_split_at_every_byte_are_the_same_messages() {
    let rig = acceptor();
    let mut stream = b"noise".to_vec();
    for line in ["D 2 | 11=a", "1 3 | 112=X", "D 4 | 11=b"] {
        stream.extend(rig.message(line));
    }
    for first in 0..=stream.len() {
        for second in [first, first + 1, first + 7, stream.len()] {
            let second = second.min(stream.len());
            let mut rig = acceptor();
            for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                rig.receive(piece);
            }
            rig.play("> 8 2 | 11=a\n> 0 3 | 112=X\n> 8 4 | 11=b\n> nothing");
            let garbled = rig.session.counters().of_garbled(Garbled::BeginStringMissing);
            assert!(garbled >= 1 && rig.desk.delivered == ["a", "b"], "{first} {second}");
        }
    }
    let mut rig = acceptor();
    stream.chunks(1).for_each(|byte| rig.receive(byte));
    rig.play("> 8 2 | 11=a\n> 0 3 | 112=X\n> 8 4 | 11=b\n> nothing");
}

#[test]
fn no_number_is_left_after_the_last() {
    let mut rig = acceptor();
    rig.session.core.store.set_next_out(crate::fix::store::SEQ_NUM_MAX + 1);
    let found = rig.session.send(at_ms(0), &mut rig.pipe, b"D", |_| {});
    assert_eq!(found, Err(SendError::MsgSeqNumExhausted));
    rig.play("< 1 2 | 112=X\nx close_msg_seq_num_exhausted");
}

#[test]
fn a_send_that_fails_consumes_no_number() {
    let mut rig = acceptor();
    let long = "x".repeat(2000);
    let now = at_ms(0);
    type Fill<'a> = &'a dyn Fn(&mut Encoder<'_>);
    let table: [(&[u8], Fill<'_>, SendError); 3] = [
        (b"5", &|_| {}, SendError::AdminType),
        (b"D", &|e| _ = e.put_str(58, &long), SendError::Encode(crate::fix::EncodeError::TooLong)),
        (
            b"D",
            &|e| _ = e.put_str(58, ""),
            SendError::Encode(crate::fix::EncodeError::ValueInvalid),
        ),
    ];
    for (msg_type, fill, expected) in table {
        let found = rig.session.send(now, &mut rig.pipe, msg_type, fill);
        assert_eq!((found, rig.session.next_out()), (Err(expected), 2));
    }
    rig.session.logout(now, &mut rig.pipe, "bye");
    let found = rig.session.send(now, &mut rig.pipe, b"D", |_| {});
    assert_eq!(found, Err(SendError::NotLoggedOn));
    rig.play("> 5 2 | 58=bye\n< 5 2\nx close_logout_complete");
}

#[test]
fn what_was_held_dies_with_its_connection() {
    let mut rig = Rig::new(Role::Acceptor, |config| config.reset_on_disconnect = true);
    rig.play(LOGON).play("< D 3 | 11=old\n> 2 2 | 7=2 | 16=0");
    rig.disconnect();
    rig.connect();
    rig.play(LOGON).play("< D 2 | 11=a\n> 8 2 | 11=a\n< D 3 | 11=b\n> 8 3 | 11=b\n> nothing");
}

#[test]
fn a_request_to_999999_is_to_infinity_only_up_to_fix42() {
    for (version, new_seq_no) in [(Version::Fix42, 2_000_000), (Version::Fix44, 1_000_000)] {
        let mut rig = Rig::new(Role::Acceptor, |config| config.version = version);
        let begin_string = version.begin_string();
        rig.play(&format!("< A 1 | 8={begin_string} | 98=0 | 108=30\n> A 1 | 98=0 | 108=30"));
        rig.session.core.store.set_next_out(2_000_000);
        rig.play(&format!(
            "< 2 2 | 8={begin_string} | 7=999990 | 16=999999
             > 4 999990 | 43=Y | 122=T | 36={new_seq_no} | 123=Y"
        ));
    }
}

#[test]
fn any_bytes_after_a_logon_leave_a_session_that_can_be_read() {
    use proptest::prelude::*;
    let line = (
        prop::sample::select(vec!["0", "1", "2", "3", "4", "5", "A", "D", "*"]),
        prop_oneof![0u32..8, any::<u32>()],
        prop::collection::vec((0u32..150, "[0-9YN]{0,11}"), 0..5),
    );
    let strategy = prop::collection::vec(line, 1..20);
    proptest!(ProptestConfig::with_cases(500), |(lines in strategy)| {
        let mut rig = acceptor();
        for (msg_type, seq, fields) in lines {
            let fields: String = fields.iter().map(|(tag, value)| format!(" | {tag}={value}")).collect();
            let bytes = rig.message(&format!("{msg_type} {seq}{fields}"));
            rig.receive(&bytes);
            rig.pass_s(1);
        }
        let mut last = 1;
        loop {
            let sent = rig.next_sent();
            if sent == "nothing" {
                break;
            }
            let seq: u32 = sent.split(' ').nth(1).unwrap().parse().unwrap();
            prop_assert!(sent.contains("43=Y") || sent.contains("141=Y") || seq == last + 1, "{}", sent);
            if !sent.contains("43=Y") {
                last = seq;
            }
        }
    });
}

#[test]
fn a_resend_does_not_come_between_the_halves_of_a_deferred_message() {
    let mut rig = acceptor();
    rig.play("< D 2 | 11=a\n> 8 2 | 11=a");
    rig.pipe.room = 0;
    rig.play("< 2 3 | 7=2 | 16=0");
    for seq in 4..24 {
        rig.play(&format!("< 1 {seq} | 112=X"));
    }
    for room in [outbound::ADMIN_BYTES_MAX + 200, 1 << 16] {
        rig.pipe.room = room;
        let now = at_ms(rig.ms);
        let found = rig.session.on_writable(now, &mut rig.pipe, &mut rig.desk);
        assert_eq!(found, Disposition::Keep);
    }
    for seq in 3..23 {
        rig.play(&format!("> 0 {seq} | 112=X"));
    }
    rig.play("> 8 2 | 43=Y | 122=T | 11=a\n> nothing");
}
