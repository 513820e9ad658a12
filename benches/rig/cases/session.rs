//! What a session adds to decoding: sequence number, CompIDs, times and state looked at, the message handed on; and a data
//! dictionary's rules.

use std::hint::black_box;
use std::sync::Arc;

use fixwire::fix::dictionary::{Checks, Dictionary, Validation, Validator, read_xml};
use fixwire::fix::{
    CompId, Decoder, Disposition, Full, Handler, Joined, MemoryStore, Message, Outlet, Readers,
    Role, Sender, Session, SessionConfig, Store, Version,
};
use fixwire::time::{Instant, Now};

use crate::case::{Bench, Case, Rotation, US};
use crate::messages::{self, DESK, VENUE, sent_at};

/// Where numbers begin, so that all are of a width.
const FIRST: u32 = 100_000;
/// What has the fields of the messages.
const DICTIONARY: &str = include_str!("../../../tests/quickfix/FIX44.xml");

/// Sessions of one core.
const CROWDS: [usize; 4] = [1, 10, 100, 1_000];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = alone();
    for (order, words) in [(Order::Chance, ""), (Order::Turns, ", in turn")] {
        cases.extend(CROWDS.map(|count| {
            let what = format!("fix_session/report accepted, one of {count} sessions{words}");
            Case::new(what, US, move || Crowd::new(count, order))
        }));
    }
    cases
}

fn alone() -> Vec<Case> {
    vec![
        Case::new("fix_session/report accepted", US, || Accepting::new(None)),
        Case::new("fix_session/report decoded alone", US, Decoding::new),
        Case::new("fix_session/report accepted by a dictionary", US, || {
            Accepting::new(Some(Validation::of(dictionary(), Checks::default())))
        }),
        Case::new("fix_session/report decoded and validated", US, validating),
    ]
}

fn dictionary() -> Arc<Dictionary> {
    let spec = read_xml("FIX44.xml", DICTIONARY).expect("the tests' dictionary");
    Arc::new(Dictionary::compile(&spec).expect("as many fields as it may have"))
}

/// Reports in the order of their numbers.
fn reports(first: u32, count: usize) -> Vec<Vec<u8>> {
    let numbers = (first..).take(count);
    numbers.map(|number| messages::execution_report(number, u64::from(number))).collect()
}

/// A session that is handed reports, and does nothing with them.
struct Accepting {
    session: Session,
    next: u32,
    reports: Vec<Vec<u8>>,
    room: Room,
    desk: Desk,
}

fn config() -> SessionConfig {
    let id = |text| CompId::new(text).expect("a CompID");
    SessionConfig::new(Version::Fix44, Role::Initiator, id(DESK), id(VENUE))
}

/// What is sent is nobody's.
struct Room(Vec<u8>);

impl Outlet for Room {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.0.get_mut(..len).ok_or(Full)
    }

    fn commit(&mut self, _used: usize) {}
}

#[derive(Default)]
struct Desk {
    delivered: usize,
}

impl Handler for Desk {
    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        _reply: &mut Sender<'_, S, O>,
    ) {
        black_box(message);
        self.delivered += 1;
    }
}

fn now(number: u32) -> Now {
    let mono = Instant::from_ns(1_000_000_000 + u64::from(number));
    Now { mono, utc: sent_at(u64::from(number)) }
}

impl Accepting {
    fn new(validation: Option<Validation>) -> Accepting {
        let mut config = config();
        config.validation = validation;
        // Of what is received nothing is kept.
        let mut store = MemoryStore::new(16, 4_096);
        store.set_next_in(1);
        let mut bench = Accepting {
            session: Session::new(config, store),
            next: FIRST,
            reports: Vec::new(),
            room: Room(vec![0; 4096]),
            desk: Desk::default(),
        };
        bench.session.on_connect(now(0), &mut bench.room);
        bench.take(&messages::logon());
        // Numbers of one width, after a reset to the first of them.
        bench.take(&messages::sequence_reset(2, FIRST));
        bench
    }

    #[inline(always)]
    fn take(&mut self, message: &[u8]) {
        let found = self.session.on_bytes(now(self.next), message, &mut self.room, &mut self.desk);
        assert_eq!(found, Disposition::Keep);
    }
}

impl Bench for Accepting {
    fn prepare(&mut self, count: usize) {
        self.reports = reports(self.next, count);
        self.desk.delivered = 0;
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        let reports = std::mem::take(&mut self.reports);
        for report in &reports[..count] {
            self.take(report);
            self.next += 1;
        }
        self.reports = reports;
    }

    fn check(&mut self, count: usize) {
        assert_eq!(self.desk.delivered, count, "all were delivered");
    }
}

/// Whose report is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Nobody could foresee it.
    Chance,
    /// One session's after the other's.
    Turns,
}

/// The sessions of one core that are handed a report each.
struct Crowd {
    readers: Readers,
    sessions: Vec<Session<MemoryStore, Joined>>,
    /// The number of the next report of each.
    next: Vec<u32>,
    order: Order,
    random: u64,
    turn: usize,
    /// Whose each report is.
    reports: Vec<(usize, Vec<u8>)>,
    room: Room,
    desk: Desk,
}

/// Reports that each has had before anything is measured, so that all shapes are known: six, the rarest in one of twenty.
const REPORTS_BEFORE: usize = 100;
/// So many reports ahead a session is had fetched, as an engine does with those of a burst of frames.
const AHEAD: usize = 4;

impl Crowd {
    fn new(count: usize, order: Order) -> Crowd {
        let mut readers = Readers::for_sessions(count);
        let sessions = (0..count).map(|_| {
            let config = config();
            Session::among(&mut readers, config, MemoryStore::new(16, 4_096))
        });
        let mut crowd = Crowd {
            sessions: sessions.collect(),
            readers,
            next: vec![FIRST; count],
            order,
            random: 0x9e37_79b9_7f4a_7c15,
            turn: 0,
            reports: Vec::new(),
            room: Room(vec![0; 4096]),
            desk: Desk::default(),
        };
        for which in 0..count {
            crowd.sessions[which].on_connect(now(0), &mut crowd.room);
            crowd.take(which, &messages::logon());
            crowd.take(which, &messages::sequence_reset(2, FIRST));
        }
        for number in (FIRST..).take(REPORTS_BEFORE) {
            let report = messages::execution_report(number, u64::from(number));
            (0..count).for_each(|which| crowd.take(which, &report));
        }
        crowd.next.fill(FIRST + REPORTS_BEFORE as u32);
        crowd
    }

    #[inline(always)]
    fn take(&mut self, which: usize, message: &[u8]) {
        let Crowd { readers, sessions, room, desk, .. } = self;
        let found = sessions[which].on_bytes_by(readers, now(FIRST), message, room, desk);
        assert_eq!(found, Disposition::Keep);
    }

    fn pick(&mut self) -> usize {
        if self.order == Order::Turns {
            self.turn = (self.turn + 1) % self.sessions.len();
            return self.turn;
        }
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as usize % self.sessions.len()
    }
}

impl Bench for Crowd {
    fn prepare(&mut self, count: usize) {
        self.desk.delivered = 0;
        self.reports.clear();
        for _ in 0..count {
            let which = self.pick();
            let number = self.next[which];
            self.reports.push((which, messages::execution_report(number, u64::from(number))));
            self.next[which] += 1;
        }
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        let reports = std::mem::take(&mut self.reports);
        for (at, (which, report)) in reports[..count].iter().enumerate() {
            if let Some((which, _)) = reports.get(at + AHEAD) {
                self.sessions[*which].fetch();
            }
            self.take(*which, report);
        }
        self.reports = reports;
    }

    fn check(&mut self, count: usize) {
        assert_eq!(self.desk.delivered, count, "all were delivered");
    }
}

/// The same messages, decoded by a decoder alone.
struct Decoding {
    decoder: Decoder,
    next: u32,
    reports: Vec<Vec<u8>>,
}

impl Decoding {
    fn new() -> Decoding {
        Decoding { decoder: Decoder::default(), next: FIRST, reports: Vec::new() }
    }
}

impl Bench for Decoding {
    fn prepare(&mut self, count: usize) {
        self.reports = reports(self.next, count);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for report in &self.reports[..count] {
            black_box(self.decoder.parse(black_box(report)).expect("a message"));
            self.next += 1;
        }
    }
}

fn validating() -> impl Bench {
    let mut decoder = Decoder::default();
    let mut validator = Validator::new(Validation::of(dictionary(), Checks::default()));
    Rotation::new(reports(FIRST, 512), move |report: &Vec<u8>| {
        let message = decoder.parse(black_box(report)).expect("a message");
        assert_eq!(validator.check(&message), Ok(()), "it conforms");
    })
}
