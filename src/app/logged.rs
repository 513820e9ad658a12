//! An application whose sessions' bytes are copied, as they are read and written, into a ring for a log that another
//! thread writes.
//!
//! ```text
//!  polling core                                                another thread
//!  Logged: what is read, what is written --> bounded ring --> Reader: messages cut, described, written
//! ```
//!
//! On the polling core bytes are copied as they are, beside a time and whose they are. Nothing there waits, allocates or
//! calls the kernel. What finds no room in the ring is counted and lost to the log, never to the session, and the reader is
//! told where.

use core::ops::{Deref, DerefMut, RangeInclusive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Application, NotTaken, Passing, SessionId};
use crate::fix::{CloseReason, Message, NotResent, Outlet, Sender, Store};
use crate::offload::RxStamp;
use crate::tcp::Delivery;
use crate::time::{Now, UtcTime};

/// The ring's size unless asked otherwise, in bytes.
pub const RING_LEN: usize = 4 << 20;
/// The least that it may be.
pub const RING_LEN_MIN: usize = 64 << 10;
/// The most bytes of one record: longer runs are several.
const RECORD_LEN_MAX: usize = 16 * 1024;
const HEADER_LEN: usize = 20;

/// Which way bytes passed, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// The counterparty's.
    In = 0,
    /// Ours.
    Out = 1,
}

/// What the polling core has counted, read by anybody.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Bytes put into the ring.
    pub bytes: AtomicU64,
    /// Bytes that found it full: they are missing from the log.
    pub bytes_ring_full: AtomicU64,
}

/// An application, and where the bytes of its sessions go; nowhere, where no log is wanted.
#[derive(Debug)]
pub struct Logged<A> {
    app: A,
    recorder: Option<Recorder>,
}

#[derive(Debug)]
struct Recorder {
    ring: Producer<u8>,
    counters: Arc<LogCounters>,
    /// By session and way: how many bytes were lost so far, to their 32 lowest bits.
    lost: Vec<[u32; 2]>,
}

impl<A> Logged<A> {
    /// Without a log.
    pub fn silent(app: A) -> Logged<A> {
        Logged { app, recorder: None }
    }

    /// With one, of so many sessions, by a ring of `ring_len` bytes, [`RING_LEN_MIN`] at least.
    pub fn new(app: A, sessions: usize, ring_len: usize) -> (Logged<A>, LogReader) {
        let (mut producer, mut consumer) = RingBuffer::new(ring_len.max(RING_LEN_MIN));
        touch(&mut producer, &mut consumer);
        let counters = Arc::new(LogCounters::default());
        let reader = LogReader {
            ring: consumer,
            counters: Arc::clone(&counters),
            lost: vec![[0; 2]; sessions],
        };
        let lost = reader.lost.clone();
        let recorder = Recorder { ring: producer, counters, lost };
        (Logged { app, recorder: Some(recorder) }, reader)
    }

    /// The application, and the log is at its end.
    pub fn into_inner(self) -> A {
        self.app
    }

    /// Nothing more goes to the log.
    pub fn end_log(&mut self) {
        self.recorder = None;
    }
}

/// Writes every byte once, so that the kernel has the pages at hand before the first message.
fn touch(producer: &mut Producer<u8>, consumer: &mut Consumer<u8>) {
    let all = producer.slots();
    if let Ok(chunk) = producer.write_chunk(all) {
        chunk.commit_all();
    }
    if let Ok(chunk) = consumer.read_chunk(all) {
        chunk.commit_all();
    }
}

impl<A> Deref for Logged<A> {
    type Target = A;

    fn deref(&self) -> &A {
        &self.app
    }
}

impl<A> DerefMut for Logged<A> {
    fn deref_mut(&mut self) -> &mut A {
        &mut self.app
    }
}

impl<A: Application> Application for Logged<A> {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.app.on_logon(session, orders);
    }

    fn on_added(&mut self, session: SessionId) {
        if let Some(recorder) = &mut self.recorder {
            of_session(&mut recorder.lost, session);
        }
        self.app.on_added(session);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.app.on_logout(session, reason);
    }

    fn on_unacknowledged(&mut self, session: SessionId, msg_seq_num: u32, delivery: Delivery) {
        self.app.on_unacknowledged(session, msg_seq_num, delivery);
    }

    fn on_fate_unknown(&mut self, session: SessionId, msg_seq_nums: RangeInclusive<u32>) {
        self.app.on_fate_unknown(session, msg_seq_nums);
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.app.on_message(session, message, stamp, orders);
    }

    #[inline]
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.app.on_poll(session, orders);
    }

    const WANTS_POLL: bool = A::WANTS_POLL;

    fn may_resend(&mut self, session: SessionId, seq: u32, message: &Message<'_>) -> bool {
        self.app.may_resend(session, seq, message)
    }

    fn on_not_resent(&mut self, session: SessionId, seq: u32, why: NotResent) {
        self.app.on_not_resent(session, seq, why);
    }

    fn hand_over(&self) -> Vec<u8> {
        self.app.hand_over()
    }

    fn take_over(
        &mut self,
        state: &[u8],
        place_of: &dyn Fn(SessionId) -> Option<SessionId>,
    ) -> Result<(), NotTaken> {
        self.app.take_over(state, place_of)
    }

    #[inline]
    fn wants_bytes(&self) -> bool {
        self.recorder.is_some()
    }

    #[inline]
    fn on_bytes(&mut self, session: SessionId, now: Now, passing: Passing<'_>) {
        let Some(recorder) = &mut self.recorder else { return };
        match passing {
            Passing::Begun => recorder.put(session, now, Kind::Begun, &[]),
            Passing::Read(bytes) => recorder.put_all(session, now, Kind::Read, bytes),
            Passing::Written(bytes) => recorder.put_all(session, now, Kind::Written, bytes),
        }
    }
}

#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    Read = Way::In as u8,
    Written = Way::Out as u8,
    Begun = 2,
}

impl Recorder {
    #[inline]
    fn put_all(&mut self, session: SessionId, now: Now, kind: Kind, bytes: &[u8]) {
        for part in bytes.chunks(RECORD_LEN_MAX) {
            self.put(session, now, kind, part);
        }
    }

    /// A record: kind, session, how long it is, what was lost before it, when, and the bytes.
    #[inline]
    fn put(&mut self, session: SessionId, now: Now, kind: Kind, bytes: &[u8]) {
        let Some(lost) = self.lost.get_mut(usize::from(session.0)) else { return };
        let Ok(mut chunk) = self.ring.write_chunk(HEADER_LEN + bytes.len()) else {
            match kind {
                Kind::Read | Kind::Written => {
                    let lost = &mut lost[kind as usize];
                    *lost = lost.wrapping_add(bytes.len() as u32);
                }
                // Told as a byte each way, behind which nothing goes on.
                Kind::Begun => *lost = lost.map(|lost| lost.wrapping_add(1)),
            }
            return add(&self.counters.bytes_ring_full, bytes.len());
        };
        let lost = lost[usize::from(kind as u8 & 1)];
        let mut header = [0; HEADER_LEN];
        header[0] = kind as u8;
        header[2..4].copy_from_slice(&session.0.to_le_bytes());
        header[4..8].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        header[8..12].copy_from_slice(&lost.to_le_bytes());
        header[12..20].copy_from_slice(&now.utc.as_unix_ns().to_le_bytes());
        let (first, second) = chunk.as_mut_slices();
        copy_in(first, second, 0, &header);
        copy_in(first, second, HEADER_LEN, bytes);
        chunk.commit_all();
        add(&self.counters.bytes, bytes.len());
    }
}

/// What is kept of a session, which may be one more than there were.
fn of_session(lost: &mut Vec<[u32; 2]>, session: SessionId) -> &mut [u32; 2] {
    let place = usize::from(session.0);
    lost.resize(lost.len().max(place + 1), [0; 2]);
    &mut lost[place]
}

/// One thread adds.
fn add(counter: &AtomicU64, amount: usize) {
    counter.store(counter.load(Ordering::Relaxed) + amount as u64, Ordering::Relaxed);
}

/// Writes `bytes` at `at` of two slices taken as one.
#[inline]
fn copy_in(first: &mut [u8], second: &mut [u8], at: usize, bytes: &[u8]) {
    let here = bytes.len().min(first.len().saturating_sub(at));
    if here > 0 {
        first[at..at + here].copy_from_slice(&bytes[..here]);
    }
    if here < bytes.len() {
        let at = (at + here) - first.len();
        second[at..at + bytes.len() - here].copy_from_slice(&bytes[here..]);
    }
}

/// Reads two slices taken as one from `at` on, as many bytes as `to` has.
fn copy_out(first: &[u8], second: &[u8], at: usize, to: &mut [u8]) {
    let here = to.len().min(first.len().saturating_sub(at));
    if here > 0 {
        to[..here].copy_from_slice(&first[at..at + here]);
    }
    if here < to.len() {
        let at = (at + here) - first.len();
        let rest = to.len() - here;
        to[here..].copy_from_slice(&second[at..at + rest]);
    }
}

/// The other end of the ring.
#[derive(Debug)]
pub struct LogReader {
    ring: Consumer<u8>,
    counters: Arc<LogCounters>,
    /// By session and way, as the polling core has it; grown by whoever is read of.
    lost: Vec<[u32; 2]>,
}

/// What passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// A connection of the session's begins.
    Begun,
    /// Bytes went this way, `missing` others before them found the ring full.
    Bytes {
        /// Which way.
        way: Way,
        /// How many are missing.
        missing: u32,
    },
}

/// A record as it is read: whose, when, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The session.
    pub session: SessionId,
    /// When the engine had it.
    pub at: UtcTime,
    /// What it is.
    pub what: Logging,
}

impl LogReader {
    /// Takes the next record out, its bytes in `bytes`, which is cleared before.
    pub fn next(&mut self, bytes: &mut Vec<u8>) -> Option<LogRecord> {
        bytes.clear();
        let chunk = self.ring.read_chunk(HEADER_LEN).ok()?;
        let mut header = [0; HEADER_LEN];
        let (first, second) = chunk.as_slices();
        copy_out(first, second, 0, &mut header);
        let word = |at: usize| {
            header
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |b| u32::from_le_bytes(*b))
        };
        let (len, lost) = (word(4) as usize, word(8));
        let session = SessionId(u16::from_le_bytes([header[2], header[3]]));
        let at = u64::from(word(16)) << 32 | u64::from(word(12));
        let chunk = self.ring.read_chunk(HEADER_LEN + len).ok()?;
        let (first, second) = chunk.as_slices();
        bytes.resize(len, 0);
        copy_out(first, second, HEADER_LEN, bytes);
        chunk.commit_all();
        let way = if header[0] & 1 == Way::Out as u8 { Way::Out } else { Way::In };
        let what = if header[0] == Kind::Begun as u8 {
            Logging::Begun
        } else {
            let known = of_session(&mut self.lost, session);
            let before = core::mem::replace(&mut known[way as usize], lost);
            Logging::Bytes { way, missing: lost.wrapping_sub(before) }
        };
        Some(LogRecord { session, at: UtcTime::from_unix_ns(at), what })
    }

    /// Whether nothing more will come.
    pub fn is_at_end(&self) -> bool {
        self.ring.is_abandoned() && self.ring.is_empty()
    }

    /// What was counted.
    pub fn counters(&self) -> &Arc<LogCounters> {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::echo::Echo;
    use crate::time::Instant;

    fn now(ns: u64) -> Now {
        Now { mono: Instant::ZERO, utc: UtcTime::from_unix_ns(ns) }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_passed_but_for_what_is_told_to_be_missing(
            steps in prop::collection::vec((0u16..3, any::<bool>(), 0usize..40_000, any::<bool>()), 1..60),
        ) {
            let (mut logged, mut reader) = Logged::new(Echo::new(3), 3, RING_LEN_MIN);
            let mut passed: [[Vec<u8>; 2]; 3] = Default::default();
            let mut read: [[usize; 2]; 3] = Default::default();
            let mut bytes = Vec::new();
            let mut take = |logged_at: u64, passed: &[[Vec<u8>; 2]; 3]| {
                while let Some(record) = reader.next(&mut bytes) {
                    let Logging::Bytes { way, missing } = record.what else { panic!("{record:?}") };
                    assert!(record.at.as_unix_ns() <= logged_at);
                    let at = &mut read[usize::from(record.session.0)][way as usize];
                    *at += missing as usize;
                    let stream = &passed[usize::from(record.session.0)][way as usize];
                    assert_eq!(&stream[*at..*at + bytes.len()], &bytes[..]);
                    *at += bytes.len();
                }
            };
            for (step, (session, is_out, len, reads)) in (1u64..).zip(steps) {
                let run: Vec<u8> = (0..len).map(|at| (at as u64 * 7 + step) as u8).collect();
                let passing = if is_out { Passing::Written(&run) } else { Passing::Read(&run) };
                logged.on_bytes(SessionId(session), now(step << 33), passing);
                passed[usize::from(session)][usize::from(is_out)].extend_from_slice(&run);
                if reads {
                    take(step << 33, &passed);
                }
            }
            // So that what was lost last is told as well.
            take(u64::MAX, &passed);
            for session in 0..3 {
                for (is_out, passing) in [(0, Passing::Read(b"e")), (1, Passing::Written(b"e"))] {
                    logged.on_bytes(SessionId(session), now(0), passing);
                    passed[usize::from(session)][is_out].push(b'e');
                }
            }
            take(u64::MAX, &passed);
            for (session, ways) in passed.iter().enumerate() {
                for (way, stream) in ways.iter().enumerate() {
                    prop_assert_eq!(read[session][way], stream.len());
                }
            }
        }
    }

    /// Whose sessions were added, and whose messages nobody knows of.
    #[derive(Default)]
    struct Told {
        added: Vec<SessionId>,
        unknown: Vec<(SessionId, RangeInclusive<u32>)>,
        not_resent: Vec<(SessionId, u32, NotResent)>,
    }

    impl Application for Told {
        fn on_added(&mut self, session: SessionId) {
            self.added.push(session);
        }

        fn on_fate_unknown(&mut self, session: SessionId, msg_seq_nums: RangeInclusive<u32>) {
            self.unknown.push((session, msg_seq_nums));
        }

        fn on_not_resent(&mut self, session: SessionId, seq: u32, why: NotResent) {
            self.not_resent.push((session, seq, why));
        }

        fn on_message<S: Store, O: Outlet>(
            &mut self,
            _: SessionId,
            _: &Message<'_>,
            _: Option<RxStamp>,
            _: &mut Sender<'_, S, O>,
        ) {
        }
    }

    #[test]
    fn the_application_is_told_of_added_sessions_unknown_fates_and_what_is_not_sent_again() {
        let mut logged = Logged::silent(Told::default());
        Application::on_added(&mut logged, SessionId(3));
        Application::on_fate_unknown(&mut logged, SessionId(2), 5..=7);
        assert_eq!(logged.added, [SessionId(3)]);
        assert_eq!(logged.unknown, [(SessionId(2), 5..=7)]);
        Application::on_not_resent(&mut logged, SessionId(2), 8, NotResent::Unreadable);
        assert_eq!(logged.not_resent, [(SessionId(2), 8, NotResent::Unreadable)]);
    }

    #[test]
    fn a_session_that_is_added_is_in_the_log_like_the_others() {
        let (mut logged, mut reader) = Logged::new(Echo::new(1), 1, 0);
        let mut bytes = Vec::new();
        for number in [0, 2] {
            let session = SessionId(number);
            Application::on_added(&mut logged, session);
            logged.on_bytes(session, now(1), Passing::Begun);
            logged.on_bytes(session, now(1), Passing::Read(b"in"));
            let begun = reader.next(&mut bytes).map(|record| (record.session, record.what));
            assert_eq!(begun, Some((session, Logging::Begun)));
            let read = reader.next(&mut bytes).map(|record| (record.session, record.what));
            assert_eq!(read, Some((session, Logging::Bytes { way: Way::In, missing: 0 })));
            assert_eq!(bytes, b"in");
        }
        let run = vec![7; RECORD_LEN_MAX];
        (0..4).for_each(|_| logged.on_bytes(SessionId(2), now(1), Passing::Read(&run)));
        while reader.next(&mut bytes).is_some() {}
        logged.on_bytes(SessionId(2), now(1), Passing::Read(b"in"));
        let missing = reader.next(&mut bytes).map(|record| record.what);
        let missing_is = |missing| Some(Logging::Bytes { way: Way::In, missing });
        assert_eq!(missing, missing_is(RECORD_LEN_MAX as u32));
    }

    #[test]
    fn a_full_ring_is_counted_and_stalls_nobody() {
        let (mut logged, reader) = Logged::new(Echo::new(1), 1, 0);
        let run = vec![7; RECORD_LEN_MAX];
        for _ in 0..10 {
            logged.on_bytes(SessionId(0), now(1), Passing::Read(&run));
        }
        let counters = reader.counters();
        let (put, lost) = (&counters.bytes, &counters.bytes_ring_full);
        let (put, lost) = (put.load(Ordering::Relaxed), lost.load(Ordering::Relaxed));
        assert_eq!((put, put + lost), (3 * RECORD_LEN_MAX as u64, 10 * RECORD_LEN_MAX as u64));
        assert!(!reader.is_at_end());
        let silent = Logged::silent(Echo::new(1));
        assert!(!silent.wants_bytes() && logged.wants_bytes());
        logged.end_log();
        assert!(!logged.wants_bytes());
    }
}
