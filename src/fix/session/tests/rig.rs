//! What drives a session: what arrives, what leaves and what its application does.

use super::*;
use crate::fix::oracle::sealed;

pub(super) const START_S: u64 = 1_767_323_045;

pub(super) fn at_ms(ms: u64) -> Now {
    let utc = UtcTime::from_unix_ns((START_S * 1000 + ms) * 1_000_000);
    Now { mono: Instant::from_ms(1_000_000 + ms), utc }
}

/// An outlet of a bounded number of bytes; what was committed is read and drained by the test.
pub(super) struct Pipe {
    pub(super) sent: Vec<u8>,
    pub(super) room: usize,
    /// The most that it ever takes at once.
    pub(super) room_max: usize,
    pub(super) slot: Vec<u8>,
}

impl Pipe {
    pub(super) fn new(room: usize) -> Pipe {
        Pipe { sent: Vec::new(), room, room_max: usize::MAX, slot: Vec::new() }
    }
}

impl Outlet for Pipe {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        if self.sent.len() + len > self.room || len > self.room_max {
            return Err(Full);
        }
        self.slot.resize(len, 0);
        Ok(&mut self.slot[..len])
    }

    fn room_max(&self) -> usize {
        self.room_max
    }

    fn commit(&mut self, used: usize) {
        self.sent.extend_from_slice(&self.slot[..used]);
    }
}

/// Notes ClOrdIDs, answers each order with an echo, vetoes what it is told to.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) delivered: Vec<String>,
    pub(super) ended: Vec<CloseReason>,
    pub(super) logons: usize,
    pub(super) veto: Option<u32>,
    pub(super) vetoes_all: bool,
    /// How often it was asked what may be sent again.
    pub(super) asked: usize,
    pub(super) not_resent: Vec<(u32, NotResent)>,
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
        self.asked += 1;
        self.veto != Some(seq) && !self.vetoes_all
    }

    fn on_not_resent(&mut self, seq: u32, why: NotResent) {
        self.not_resent.push((seq, why));
    }
}

pub(super) struct Rig {
    pub(super) session: Session,
    pub(super) desk: Desk,
    pub(super) pipe: Pipe,
    pub(super) ms: u64,
    pub(super) closed: Option<CloseReason>,
    /// It is not moved: what is looked at stays behind.
    pub(super) stays: bool,
    steps: usize,
}

impl Rig {
    pub(super) fn new(role: Role, adjust: impl FnOnce(&mut SessionConfig)) -> Rig {
        let id = |text| CompId::new(text).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, role, id("US"), id("THEM"));
        adjust(&mut config);
        let session = Session::new(config, MemoryStore::new(64, 1 << 14));
        let (desk, pipe) = (Desk::default(), Pipe::new(1 << 16));
        let mut rig = Rig { session, desk, pipe, ms: 0, closed: None, stays: false, steps: 0 };
        rig.connect();
        rig
    }

    pub(super) fn connect(&mut self) {
        self.closed = None;
        self.session.on_connect(at_ms(self.ms), &mut self.pipe);
    }

    pub(super) fn disconnect(&mut self) {
        self.session.on_disconnect(at_ms(self.ms), &mut self.desk);
    }

    /// The session goes on in another process: nothing that any script expects may change by it.
    pub(super) fn relocate(&mut self) {
        let now = at_ms(self.ms);
        let snapshot = self.session.export(now);
        #[cfg(feature = "hand-over")]
        let snapshot: SessionSnapshot = {
            let bytes = postcard::to_allocvec(&snapshot).unwrap();
            let read = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(snapshot, read);
            read
        };
        let store = MemoryStore::new(64, 1 << 14);
        let mut moved = Session::new(self.session.config().clone(), store);
        moved.import(now, &snapshot).unwrap();
        assert_eq!(moved.next_timeout(), self.session.next_timeout());
        assert_eq!(moved.export(now), snapshot);
        self.session = moved;
    }

    /// Before every second step.
    fn relocate_now_and_then(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(2) && !self.stays {
            self.relocate();
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.relocate_now_and_then();
        let now = at_ms(self.ms);
        let found = self.session.on_bytes(now, bytes, &mut self.pipe, &mut self.desk);
        self.note(found);
    }

    pub(super) fn note(&mut self, disposition: Disposition) {
        if let Disposition::Close(reason) = disposition {
            self.closed = Some(reason);
        }
    }

    pub(super) fn pass_s(&mut self, s: u64) {
        let until = self.ms + s * 1000;
        self.relocate_now_and_then();
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
    pub(super) fn next_sent(&mut self) -> String {
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

    pub(super) fn play(&mut self, script: &str) -> &mut Rig {
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
    pub(super) fn message(&self, line: &str) -> Vec<u8> {
        let mut parts = line.split(" | ").map(str::trim);
        let (msg_type, seq) = parts.next().unwrap().split_once(' ').unwrap();
        let fields: Vec<&str> = parts.collect();
        let precision = crate::fix::Precision::Millis;
        let mut formatter = crate::fix::timestamp::Formatter::default();
        let now = formatter.text(at_ms(self.ms).utc, precision);
        let now = String::from_utf8_lossy(&now[..precision.len()]).into_owned();
        let ours = self.session.config().version.begin_string();
        let version = fields.iter().find_map(|field| field.strip_prefix("8=")).unwrap_or(ours);
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

pub(super) const LOGON: &str = "< A 1 | 98=0 | 108=30
                     > A 1 | 98=0 | 108=30";

pub(super) fn acceptor() -> Rig {
    let mut rig = Rig::new(Role::Acceptor, |_| {});
    rig.play(LOGON);
    rig
}
