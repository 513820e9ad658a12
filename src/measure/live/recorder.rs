//! The polling core's side: readings and stamps into the ring.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use rtrb::{Consumer, Producer, RingBuffer};

use super::record::{
    AtLogonRecord, HandedOver, LeftRecord, MessageRecord, MsgType, NotHandedOver, OrderRecord,
    Record,
};
use crate::app::SessionId;
use crate::offload::RxStamp;
use crate::sent_stamps::SentStamp;
use crate::tcp::ConnectionId;

/// How many records the ring has room for unless asked otherwise.
pub const RING_RECORDS: usize = 1 << 15;
/// Messages with answers that are handed over together, of which each is told.
const DRAFTS_MAX: usize = 64;

/// What reads the host's counter, on the polling core.
pub type Reading = Box<dyn Fn() -> u64>;

/// What the polling core has counted, read by anybody.
#[derive(Debug, Default)]
pub struct LiveCounters {
    /// Records that were put into the ring.
    pub records: AtomicU64,
    /// Records that found it full: what they told of is in no figure.
    pub ring_full: AtomicU64,
    /// Messages whose answers were handed over together with too many others to tell of each.
    pub untold: AtomicU64,
    /// Messages that an application sent of its own accord, in its turn or prepared: none led to them.
    pub without_trigger: AtomicU64,
}

/// A message whose answer is not handed over yet.
#[derive(Clone, Copy, Debug)]
struct Draft {
    message: MessageRecord,
    connection: ConnectionId,
}

/// Records what passes. See [`recorder`].
pub struct Recorder {
    read: Reading,
    ring: Producer<Record>,
    counters: Arc<LiveCounters>,
    polled: u64,
    /// What is read was polled before, in nobody knows which round.
    holds: bool,
    drafts: ArrayVec<Draft, DRAFTS_MAX>,
    /// By session: the stamp of the segment that a message began in which is not whole, and when that was polled.
    begun: Box<[Option<(RxStamp, u64)>]>,
    /// Frames were handed over before all were complete.
    in_parts: bool,
    ready: u64,
    /// Sendings that were recorded, or told of before.
    told: u64,
}

/// A recorder that reads the host's counter by `read`, and the other end of its ring, of so many records; its memory is
/// taken and touched here.
pub fn recorder(read: Reading, records: usize) -> (Recorder, Consumer<Record>, Arc<LiveCounters>) {
    let (mut ring, mut reader) = RingBuffer::new(records.max(1));
    touch(&mut ring, &mut reader);
    let counters = Arc::new(LiveCounters::default());
    let recorder = Recorder {
        read,
        ring,
        counters: Arc::clone(&counters),
        polled: 0,
        holds: false,
        drafts: ArrayVec::new(),
        begun: Box::default(),
        in_parts: false,
        ready: 0,
        told: 0,
    };
    (recorder, reader, counters)
}

/// Writes every place once, so that the kernel has the pages at hand before the first message.
fn touch(ring: &mut Producer<Record>, reader: &mut Consumer<Record>) {
    let host = crate::stamps::host_stamp(crate::time::Instant::ZERO);
    let nothing = LeftRecord {
        session: SessionId(0),
        msg_seq_num: 0,
        is_again: true,
        stamp: host,
        source: crate::sent_stamps::StampSource::Software,
        told: 0,
    };
    while ring.push(Record::Left(nothing)).is_ok() {}
    while reader.pop().is_ok() {}
}

impl Recorder {
    /// Makes room for so many sessions.
    pub(crate) fn for_sessions(mut self, sessions: usize) -> Recorder {
        self.begun = vec![None; sessions].into_boxed_slice();
        self
    }

    /// `rx_burst` has returned frames.
    #[inline]
    pub(crate) fn on_burst(&mut self) {
        self.polled = (self.read)();
    }

    /// When the round's frames were there.
    pub(crate) fn polled(&self) -> u64 {
        self.polled
    }

    /// What is read from here on was held behind a gap of bytes, or is not any more.
    pub(crate) fn hold(&mut self, holds: bool) {
        self.holds = holds;
    }

    /// Whether what is read was held, so that it was polled before the round's frames.
    #[inline]
    pub(crate) fn holds(&self) -> bool {
        self.holds
    }

    /// The application is about to be called.
    #[inline]
    pub(crate) fn reading(&self) -> u64 {
        (self.read)()
    }

    /// The stamp of the segment that the session's unfinished message began in, and when that was polled.
    #[inline]
    pub(crate) fn begun(&self, session: usize) -> Option<(RxStamp, u64)> {
        self.begun.get(session).copied().flatten()
    }

    /// A segment with this stamp was read: `before` bytes of a message had come before it, of `fed` more `now` are of one
    /// that is not whole.
    #[inline]
    pub(crate) fn on_read(
        &mut self,
        session: usize,
        stamp: Option<RxStamp>,
        (before, fed, now): (usize, usize, usize),
    ) {
        let Some(begun) = self.begun.get_mut(session) else { return };
        if now == 0 {
            *begun = None;
        } else if before == 0 || now != before + fed {
            *begun = stamp.map(|stamp| (stamp, self.polled));
        }
    }

    /// The application was called with a message and has sent nothing.
    #[inline]
    pub(crate) fn unanswered(&mut self, message: MessageRecord) {
        self.push(Record::Message(message));
    }

    /// It has sent something, first of all what has the number in `message`.
    #[inline]
    pub(crate) fn answered(&mut self, message: MessageRecord, connection: ConnectionId) {
        if self.drafts.is_empty() {
            // What left before was none of this.
            self.in_parts = false;
        }
        if self.drafts.try_push(Draft { message, connection }).is_err() {
            add(&self.counters.untold, 1);
        }
    }

    /// Whether answers are to be handed over.
    #[inline]
    pub(crate) fn has_answers(&self) -> bool {
        !self.drafts.is_empty()
    }

    /// Frames are handed over before all of them are complete.
    pub(crate) fn on_part(&mut self) {
        self.in_parts = true;
    }

    /// All frames that can leave now are complete.
    #[inline]
    pub(crate) fn on_ready(&mut self) {
        self.ready = (self.read)();
    }

    /// They were handed over, all of them or not. `has_left` says whether all that was sent on a connection has left,
    /// `type_of` what a session has sent under a number.
    #[inline]
    pub(crate) fn on_handed_over(
        &mut self,
        took_all: bool,
        has_left: impl Fn(ConnectionId) -> bool,
        type_of: impl Fn(SessionId, u32) -> MsgType,
    ) {
        let doorbell = (self.read)();
        let (ready, in_parts) = (self.ready, core::mem::take(&mut self.in_parts));
        for place in 0..self.drafts.len() {
            let Draft { mut message, connection } = self.drafts[place];
            if let Some(order) = &mut message.order {
                order.msg_type = type_of(message.session, order.msg_seq_num);
                order.handed_over = if !took_all || !has_left(connection) {
                    Err(NotHandedOver::Waits)
                } else if in_parts {
                    Err(NotHandedOver::InParts)
                } else {
                    Ok(HandedOver { ready, doorbell })
                };
            }
            self.push(Record::Message(message));
        }
        self.drafts.clear();
    }

    /// Of all `ever` sendings that were told of, these are the last ones, the oldest first.
    pub(crate) fn on_told<'a>(
        &mut self,
        ever: u64,
        last: impl DoubleEndedIterator<Item = &'a SentStamp> + ExactSizeIterator,
    ) {
        let new = usize::try_from(ever - self.told).unwrap_or(usize::MAX).min(last.len());
        self.told = ever;
        if new == 0 {
            return;
        }
        let told = (self.read)();
        let before = last.len() - new;
        for sent in last.skip(before) {
            let Some(session) = sent.session.filter(|_| sent.msg_seq_num != 0) else { continue };
            let SentStamp { msg_seq_num, is_again, stamp, source, .. } = *sent;
            let left = LeftRecord { session, msg_seq_num, is_again, stamp, source, told };
            self.push(Record::Left(left));
        }
    }

    /// The application has sent so many messages of its own accord.
    #[inline]
    pub(crate) fn sent_without_trigger(&self, messages: u64) {
        add(&self.counters.without_trigger, messages);
    }

    /// The application was told of a logon, and has sent so many messages.
    pub(crate) fn sent_at_logon(&mut self, session: SessionId, messages: u32) {
        self.push(Record::AtLogon(AtLogonRecord { session, messages }));
    }

    #[inline]
    fn push(&mut self, record: Record) {
        match self.ring.push(record) {
            Ok(()) => add(&self.counters.records, 1),
            Err(_) => add(&self.counters.ring_full, 1),
        }
    }

    /// An order of a message that was not handed over yet.
    pub(crate) fn order(msg_seq_num: u32) -> OrderRecord {
        let handed_over = Err(NotHandedOver::Waits);
        OrderRecord { msg_type: MsgType::UNKNOWN, msg_seq_num, handed_over }
    }
}

/// One thread adds.
#[inline]
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("counters", &self.counters).finish_non_exhaustive()
    }
}
