//! Any bytes are what a counterparty, the application, the clock and the network do to a session. After each step a model
//! of it that is slow and obvious says which number it expects, what the application has got, where it stands, and what a
//! ResendRequest is answered by. No number ever leaves with two texts.

use std::collections::{BTreeMap, BTreeSet};

use fixwire::fix::{
    CloseReason, CompId, Encoder, Framed, Full, Handler, MemoryStore, Message, Outlet, Role,
    Sender, Session, SessionConfig, State, Store, Version, frame,
};
use fixwire::time::{Duration, Instant, Now, UtcTime};

/// 2026-01-02 03:04:05 UTC, in seconds since 1970.
const BEGIN_S: u64 = 1_767_323_045;
/// Within the same day, so that the date stays what it is.
const SPAN_S_MAX: u64 = 60_000;
const STEPS_MAX: usize = 400;

/// Where the model says that a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Down,
    LogonAwaited,
    Active,
    LogoutSent,
    Over,
}

impl Stand {
    fn of(state: State) -> Stand {
        match state {
            State::Disconnected => Stand::Down,
            State::LogonAwaited => Stand::LogonAwaited,
            State::Active => Stand::Active,
            State::LogoutSent => Stand::LogoutSent,
            State::Closing(_) => Stand::Over,
        }
    }
}

#[derive(Default)]
struct Sent {
    slot: Vec<u8>,
    bytes: Vec<u8>,
}

impl Outlet for Sent {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.slot.resize(len, 0);
        Ok(&mut self.slot)
    }

    fn commit(&mut self, used: usize) {
        self.bytes.extend_from_slice(&self.slot[..used]);
    }
}

/// The application: it keeps the numbers of what it gets.
#[derive(Default)]
struct App(Vec<u32>);

impl Handler for App {
    fn on_message<S: Store, O: Outlet>(&mut self, message: &Message<'_>, _: &mut Sender<'_, S, O>) {
        self.0.push(message.msg_seq_num().expect("it has one"));
    }
}

struct Model {
    stand: Stand,
    next_in: u32,
    next_out: u32,
    /// What came past a gap.
    held: BTreeSet<u32>,
    delivered: Vec<u32>,
    /// What left under each number: its type and what is the same whenever it leaves.
    left: BTreeMap<u32, (String, Vec<String>)>,
}

struct Play {
    session: Session<MemoryStore>,
    out: Sent,
    app: App,
    now_s: u64,
    model: Model,
}

/// Pairs of bytes are steps.
pub fn play(bytes: &[u8]) {
    let id = |text| CompId::new(text).expect("it is one");
    let config = SessionConfig::new(Version::Fix44, Role::Acceptor, id("US"), id("THEM"));
    let mut play = Play {
        session: Session::new(config, MemoryStore::new(4 * STEPS_MAX, 1 << 20)),
        out: Sent::default(),
        app: App::default(),
        now_s: 0,
        model: Model {
            stand: Stand::Down,
            next_in: 1,
            next_out: 1,
            held: BTreeSet::new(),
            delivered: Vec::new(),
            left: BTreeMap::new(),
        },
    };
    for step in bytes.as_chunks::<2>().0.iter().take(STEPS_MAX) {
        play.step(step[0] % 16, step[1]);
    }
}

/// What the counterparty sends under a number is always the same: every fourth a Heartbeat, orders otherwise.
fn is_heartbeat(seq: u32) -> bool {
    seq.is_multiple_of(4)
}

impl Play {
    fn step(&mut self, what: u8, much: u8) {
        let (next, ahead) = (self.model.next_in, u32::from(much % 6));
        let is_active = self.model.stand == Stand::Active;
        match what {
            0 if self.model.stand == Stand::Down => {
                self.session.on_connect(self.now(), &mut self.out);
                self.model.stand = Stand::LogonAwaited;
            }
            1 => {
                self.session.on_disconnect(self.now(), &mut self.app);
                self.model.stand = Stand::Down;
                self.model.held.clear();
            }
            2 | 3 if self.model.stand == Stand::LogonAwaited => self.log_on(ahead, much),
            4 if is_active && much.is_multiple_of(2) => {
                let now = self.now();
                let fill = |encoder: &mut Encoder<'_>| _ = encoder.put_bytes(11, b"ours");
                self.session.send(now, &mut self.out, b"D", fill).expect("there is room");
            }
            4 if is_active && much % 8 == 1 => {
                self.session.logout(self.now(), &mut self.out, "enough");
                self.model.stand = Stand::LogoutSent;
            }
            5 if is_active => {
                self.receive("1", next, "112=T|");
                self.take(next + 1);
            }
            6 if is_active => {
                let new = next + 1 + ahead;
                self.receive("4", next, &format!("123=Y|36={new}|"));
                self.take(new);
            }
            7 if is_active && much.is_multiple_of(4) => {
                let new = next + ahead + 1;
                self.receive("4", next + u32::from(much % 3), &format!("36={new}|"));
                self.take(new);
            }
            8 if is_active || self.model.stand == Stand::LogoutSent => {
                if much.is_multiple_of(3) {
                    self.receive("5", next, "");
                    self.model.next_in += 1;
                    self.model.stand = Stand::Over;
                }
            }
            9 if is_active => return self.ask(u32::from(much)),
            10 => {
                let span_s = u64::from(much) / 4;
                self.now_s = (self.now_s + span_s).min(SPAN_S_MAX);
                let _ = self.session.on_timeout(self.now(), &mut self.out, &mut self.app);
                // Whether silence has lasted too long is not for the model to say.
                if self.model.stand != Stand::Down && Stand::of(self.session.state()) == Stand::Over
                {
                    self.model.stand = Stand::Over;
                }
            }
            11 if is_active && next > 1 => {
                // An old one: sent again, it is passed over; as new, it ends the session.
                let seq = next.saturating_sub(1 + ahead).max(1);
                let again = if much < 200 { "43=Y|122=20260102-03:04:05.000|" } else { "" };
                self.receive("D", seq, again);
                if again.is_empty() {
                    self.model.stand = Stand::Over;
                }
            }
            12..=15 if is_active => {
                let seq = next + if what < 14 { 0 } else { ahead };
                self.receive(if is_heartbeat(seq) { "0" } else { "D" }, seq, "");
                self.model.held.insert(seq);
                self.take(next);
                // Whether what is missing has been waited for too long is not for the model to say, either.
                let closed = CloseReason::GapNotFilled;
                if self.session.state() == State::Closing(closed) {
                    self.model.stand = Stand::Over;
                }
            }
            12 if self.model.stand == Stand::LogonAwaited => {
                // Something else than a Logon.
                self.receive("D", next, "");
                self.model.stand = Stand::Over;
            }
            _ => return,
        }
        let told = self.hear();
        assert!(told.iter().all(|message| !message.is_again), "nobody asked for what was sent");
        self.agree();
    }

    fn log_on(&mut self, ahead: u32, much: u8) {
        let is_reset = much >= 192;
        let next = self.model.next_in;
        let seq = match (is_reset, much % 8) {
            (true, _) => 1,
            (false, 7) => next.saturating_sub(1).max(1),
            (false, 6) => next + ahead,
            (false, _) => next,
        };
        self.receive("A", seq, if is_reset { "98=0|108=30|141=Y|" } else { "98=0|108=30|" });
        if is_reset {
            self.model.left.clear();
            self.model.held.clear();
            (self.model.next_in, self.model.next_out) = (2, 1);
            self.model.stand = Stand::Active;
        } else if seq < next {
            self.model.stand = Stand::Over;
        } else {
            self.model.next_in += u32::from(seq == next);
            self.model.stand = Stand::Active;
        }
    }

    /// What is expected is `next` at least, and further what was held and now has its turn.
    fn take(&mut self, next: u32) {
        let model = &mut self.model;
        model.next_in = next;
        while model.held.remove(&model.next_in) {
            if !is_heartbeat(model.next_in) {
                model.delivered.push(model.next_in);
            }
            model.next_in += 1;
        }
        model.held.retain(|seq| *seq >= model.next_in);
    }

    /// A ResendRequest from a number on: orders go again as they were, and in place of all else a gap is filled.
    fn ask(&mut self, much: u32) {
        let from = 1 + much % (self.model.next_out + 2);
        let expected: Vec<(u32, bool)> = self
            .model
            .left
            .range(from..)
            .map(|(seq, (msg_type, _))| (*seq, msg_type == "D"))
            .collect();
        let next = self.model.next_in;
        self.receive("2", next, &format!("7={from}|16=0|"));
        self.take(next + 1);
        let _ = self.session.on_writable(self.now(), &mut self.out, &mut self.app);
        let mut answered = Vec::new();
        for message in self.hear() {
            if !message.is_again {
                continue;
            }
            match message.fills_to {
                Some(to) => answered.extend((message.seq..to).map(|seq| (seq, false))),
                None => answered.push((message.seq, true)),
            }
        }
        assert_eq!(answered, expected, "from {from} on");
        self.agree();
    }

    fn now(&self) -> Now {
        Now {
            mono: Instant::ZERO + Duration::from_s(1_000 + self.now_s),
            utc: UtcTime::from_unix_ns((BEGIN_S + self.now_s) * 1_000_000_000),
        }
    }

    fn receive(&mut self, msg_type: &str, seq: u32, fields: &str) {
        let of_day = BEGIN_S % 86_400 + self.now_s;
        let time = format!("{:02}:{:02}:{:02}.000", of_day / 3_600, of_day / 60 % 60, of_day % 60);
        let (flag, rest) =
            if fields.starts_with("43=") { fields.split_at(5) } else { ("", fields) };
        let body = format!("35={msg_type}|34={seq}|{flag}49=THEM|52=20260102-{time}|56=US|{rest}");
        let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        let message = format!("{text}10={sum:03}\x01");
        let now = self.now();
        let _ = self.session.on_bytes(now, message.as_bytes(), &mut self.out, &mut self.app);
    }

    /// What has left since.
    fn hear(&mut self) -> Vec<Told> {
        let bytes = std::mem::take(&mut self.out.bytes);
        let (mut rest, mut all) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let Framed::Complete(whole) = frame(rest, usize::MAX) else {
                panic!("what leaves is no message: {}", rest.escape_ascii());
            };
            all.push(self.told(&String::from_utf8_lossy(&rest[..whole.len])));
            rest = &rest[whole.len..];
        }
        all
    }

    fn told(&mut self, text: &str) -> Told {
        let fields: Vec<(&str, &str)> =
            text.split_terminator('\x01').filter_map(|field| field.split_once('=')).collect();
        let field = |tag: &str| fields.iter().find(|(of, _)| *of == tag).map(|(_, value)| *value);
        let number = |tag: &str| field(tag).and_then(|value| value.parse::<u32>().ok());
        let (msg_type, seq) = (field("35").expect("MsgType"), number("34").expect("MsgSeqNum"));
        let is_again = field("43") == Some("Y");
        let fills_to = number("36").filter(|_| msg_type == "4");
        const OF_A_SENDING: [&str; 5] = ["9", "10", "43", "52", "122"];
        let same = fields.iter().filter(|(tag, _)| !OF_A_SENDING.contains(tag));
        let content = same.map(|(tag, value)| format!("{tag}={value}")).collect();
        if !is_again {
            assert_eq!(seq, self.model.next_out, "{text}");
            self.model.next_out += 1;
            self.model.left.insert(seq, (msg_type.to_owned(), content));
        } else if fills_to.is_none() {
            let (_, before) = &self.model.left[&seq];
            assert_eq!(&content, before, "another text under {seq}");
        }
        Told { seq, is_again, fills_to }
    }

    fn agree(&self) {
        let (session, model) = (&self.session, &self.model);
        assert_eq!(Stand::of(session.state()), model.stand);
        assert_eq!((session.next_in(), session.next_out()), (model.next_in, model.next_out));
        assert_eq!(self.app.0, model.delivered);
    }
}

/// A message of the session's.
struct Told {
    seq: u32,
    is_again: bool,
    fills_to: Option<u32>,
}
