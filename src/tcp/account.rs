//! Which messages of the application the peer has acknowledged, and what becomes of those that it has
//! not acknowledged in time.
//!
//! A message is what was committed at once. Where each of them ends is kept until the peer has
//! acknowledged all of them, or until there is no more room; whoever asks compares that with `snd_una`,
//! so that an ACK costs nothing here. What the peer says by SACK that it holds is not acknowledged: it
//! may let go of it (RFC 2018 8).

use core::mem::offset_of;
use core::ops::Range;

use super::config::Config;
use super::connection::{Connection, Context};
use super::counters::{Count, Counters};
use super::event::{Closed, ConnectionId};
use super::scoreboard::Sending;
use super::stack::Stack;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// A place is kept for each so many bytes of send buffer: FIX has few messages that are shorter.
const MESSAGE_BYTES: usize = 64;
/// Messages that every connection has places for.
const MESSAGES_MIN: usize = 16;
/// And at most.
const MESSAGES_MAX: usize = 1 << 12;

/// The number of a message on its connection: from 1 on, in the order of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(pub u64);

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// Nothing of it has left.
    Unsent,
    /// Something of it has left, and nothing is acknowledged.
    Sent,
    /// Something of it is acknowledged, and not all.
    Partly,
    /// All of it is acknowledged: the peer's TCP has it.
    Acknowledged,
}

/// A message that is not acknowledged to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// Its number.
    pub number: MessageNumber,
    /// What it was [tagged](Stack::commit_tagged) with; 0 if with nothing.
    pub tag: u32,
    /// When it was committed.
    pub committed_at: Instant,
    /// Its length in bytes.
    pub len: u32,
    /// How many of them have left once at least.
    pub sent: u32,
    /// How many of them are acknowledged; fewer than there are.
    pub acknowledged: u32,
    /// When the first of them that is not acknowledged left for the first time, whether or not it left again. `None`
    /// where it has not left, or before [this stack's](Stack::import) clock began.
    pub first_sent_at: Option<Instant>,
    /// Whether any of them that is not acknowledged left more than once, or any of the segment that one of them left in.
    pub is_sent_again: bool,
}

impl Outstanding {
    /// The same in a word.
    pub fn delivery(&self) -> Delivery {
        match (self.acknowledged, self.sent) {
            (0, 0) => Delivery::Unsent,
            (0, _) => Delivery::Sent,
            _ => Delivery::Partly,
        }
    }
}

/// Where a message ends, and since when it waits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Committed {
    pub(super) at: Instant,
    /// Where it ends, below its tag: one word, which is written at once.
    end_and_tag: u64,
}

impl Committed {
    #[inline(always)]
    pub(super) fn new(at: Instant, end: SeqNumber, tag: u32) -> Committed {
        Committed { at, end_and_tag: u64::from(tag) << 32 | u64::from(end.0) }
    }

    pub(super) fn end(self) -> SeqNumber {
        SeqNumber(self.end_and_tag as u32)
    }

    pub(super) fn tag(self) -> u32 {
        (self.end_and_tag >> 32) as u32
    }
}

/// The messages of a connection. Those of which nothing is known any more are acknowledged.
#[repr(C)]
pub(super) struct Account {
    /// The first of the ring's places, in which nearly every message lies that is alone.
    near: Committed,
    /// Messages ever.
    committed: u64,
    /// Where the oldest begins.
    start: SeqNumber,
    /// How many are known, and where the oldest of them stands: in one word.
    len: u16,
    head: u16,
    /// The ring: what is at its first place is not looked at.
    ring: Box<[Committed]>,
}

impl Account {
    /// So many of its first bytes a message touches that is alone.
    pub(super) const ALONE_LEN: usize = offset_of!(Account, ring);

    pub(super) fn new(config: &Config) -> Account {
        let places = config.send_buffer_bytes / MESSAGE_BYTES;
        if config.send_buffer_bytes == 0 {
            return Account::empty();
        }
        Account::with_places(places.clamp(MESSAGES_MIN, MESSAGES_MAX).next_power_of_two())
    }

    /// None at all: what stands in for one that is being moved.
    pub(super) fn empty() -> Account {
        Account::with_places(0)
    }

    fn with_places(places: usize) -> Account {
        let ring = vec![Committed::default(); places].into_boxed_slice();
        Account {
            near: Committed::default(),
            ring,
            len: 0,
            head: 0,
            start: SeqNumber(0),
            committed: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Account { ring: core::mem::take(&mut self.ring), ..Account::empty() };
    }

    /// Whether the next message has a place of its own, once what is acknowledged is forgotten.
    pub(super) fn makes_room(&mut self, una: SeqNumber) -> bool {
        self.forget_acknowledged(una);
        usize::from(self.len) < self.ring.len()
    }

    /// The last message, which had a place of its own, was never committed.
    pub(super) fn take_back(&mut self) {
        self.len -= 1;
        self.committed -= 1;
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// A message from `start` to its end was committed. `una` is what is acknowledged.
    #[inline(always)]
    pub(super) fn note(
        &mut self,
        una: SeqNumber,
        start: SeqNumber,
        message: Committed,
        counters: &mut Counters,
    ) -> MessageNumber {
        let Committed { at, end_and_tag } = message;
        if una == start {
            self.note_first(start, at, message.end(), message.tag())
        } else {
            self.note_behind(una, at, end_and_tag, counters)
        }
    }

    #[inline(never)]
    fn note_behind(
        &mut self,
        una: SeqNumber,
        at: Instant,
        end_and_tag: u64,
        counters: &mut Counters,
    ) -> MessageNumber {
        let message = Committed { at, end_and_tag };
        if usize::from(self.len) == self.ring.len() {
            return self.note_in_full(una, message, counters);
        }
        self.push(message)
    }

    /// The same of one from `start` on, where all before is acknowledged: the first places serve again, which
    /// are near.
    #[inline(always)]
    pub(super) fn note_first(
        &mut self,
        start: SeqNumber,
        at: Instant,
        end: SeqNumber,
        tag: u32,
    ) -> MessageNumber {
        self.start = start;
        // One by one: as one piece they would wait to be written one by one first.
        let Committed { at, end_and_tag } = Committed::new(at, end, tag);
        (self.near.at, self.near.end_and_tag) = (at, end_and_tag);
        (self.len, self.head) = (1, 0);
        self.committed += 1;
        MessageNumber(self.committed)
    }

    #[inline(always)]
    fn push(&mut self, message: Committed) -> MessageNumber {
        if usize::from(self.len) < self.ring.len() {
            *self.known_mut(self.len) = message;
            self.len += 1;
            self.committed += 1;
        }
        MessageNumber(self.committed)
    }

    /// Where nothing that is known is acknowledged, the message becomes one with the last: both count
    /// as acknowledged when all of both is.
    #[inline(never)]
    fn note_in_full(
        &mut self,
        una: SeqNumber,
        message: Committed,
        counters: &mut Counters,
    ) -> MessageNumber {
        if self.makes_room(una) {
            return self.push(message);
        }
        counters.count(Count::MessagesMerged);
        if self.len > 0 {
            let last = self.known_mut(self.len - 1);
            *last = Committed::new(last.at, message.end(), last.tag());
        }
        MessageNumber(self.committed)
    }

    /// To be called once in a gigabyte at least: numbers of messages from further back would seem to lie ahead.
    pub(super) fn forget_acknowledged(&mut self, una: SeqNumber) {
        let passed = self.acknowledged_len(una);
        if passed > 0 {
            self.start = self.known(passed - 1).end();
            (self.head, self.len) = (self.place(passed) as u16, self.len - passed);
        }
    }

    /// How many of those that are known are acknowledged, by halving.
    pub(super) fn acknowledged_len(&self, una: SeqNumber) -> u16 {
        let (mut from, mut count) = (0, self.len);
        while count > 0 {
            let half = count / 2;
            if self.known(from + half).end().is_at_or_before(una) {
                from += half + 1;
                count -= half + 1;
            } else {
                count = half;
            }
        }
        from
    }

    /// Where the oldest that is known begins.
    pub(super) fn start(&self) -> SeqNumber {
        self.start
    }

    /// How many are known.
    pub(super) fn known_len(&self) -> u16 {
        self.len
    }

    /// All that are known, the oldest first.
    pub(super) fn all_known(&self) -> impl Iterator<Item = Committed> + '_ {
        (0..self.len).map(|offset| self.known(offset))
    }

    /// Makes it one of which so many messages, up to `start`, are acknowledged.
    pub(super) fn begin_at(&mut self, start: SeqNumber, committed: u64) {
        self.clear();
        (self.start, self.committed) = (start, committed);
    }

    /// One more message. Says whether there was a place for it.
    pub(super) fn restore(&mut self, at: Instant, end: SeqNumber, tag: u32) -> bool {
        let has_place = usize::from(self.len) < self.ring.len();
        self.push(Committed::new(at, end, tag));
        has_place
    }

    /// Whether messages lie one behind the other, to `stream_end`, and are all that is not acknowledged.
    pub(super) fn is_sound(&self, una: SeqNumber, stream_end: SeqNumber) -> bool {
        let mut from = self.start;
        for message in self.all_known() {
            let (span, end) = (stream_end.since(from), message.end());
            if !from.is_before(end) || end.since(from) > span || span > 1 << 31 {
                return false;
            }
            from = end;
        }
        if self.len == 0 {
            return una == stream_end;
        }
        from == stream_end && self.start.is_at_or_before(una)
    }

    /// How many messages are acknowledged to their ends.
    pub(super) fn acknowledged(&self, una: SeqNumber) -> u64 {
        self.committed - u64::from(self.len - self.acknowledged_len(una))
    }

    /// The oldest message that is not acknowledged to its end.
    pub(super) fn oldest(&self, una: SeqNumber) -> Option<Committed> {
        let place = self.acknowledged_len(una);
        (place < self.len).then(|| self.known(place))
    }

    /// Message `number`, if it is not acknowledged. How bytes have left, `sending` says.
    fn outstanding(
        &self,
        number: u64,
        una: SeqNumber,
        nxt: SeqNumber,
        sending: impl FnOnce(Range<SeqNumber>) -> Option<Sending>,
    ) -> Option<Outstanding> {
        let before = self.committed - u64::from(self.len);
        if number <= self.acknowledged(una) || number > self.committed {
            return None;
        }
        let offset = (number - before - 1) as u16;
        let message = self.known(offset);
        let (at, end, tag) = (message.at, message.end(), message.tag());
        let start = if offset == 0 { self.start } else { self.known(offset - 1).end() };
        let len = end.since(start);
        let reached = |edge: SeqNumber| {
            if edge.is_before(start) { 0 } else { edge.since(start).min(len) }
        };
        let (sent, acknowledged) = (reached(nxt), reached(una));
        let sending = if sent > acknowledged { sending(start.later_of(una)..end) } else { None };
        Some(Outstanding {
            number: MessageNumber(number),
            tag,
            committed_at: at,
            len,
            sent,
            acknowledged,
            first_sent_at: sending.and_then(|sending| sending.first_at),
            is_sent_again: sending.is_some_and(|sending| sending.is_again),
        })
    }

    #[inline(always)]
    fn place(&self, offset: u16) -> usize {
        usize::from(self.head.wrapping_add(offset)) & self.ring.len().wrapping_sub(1)
    }

    pub(super) fn known(&self, offset: u16) -> Committed {
        let place = self.place(offset);
        if place == 0 { self.near } else { self.ring[place] }
    }

    #[inline(always)]
    fn known_mut(&mut self, offset: u16) -> &mut Committed {
        let place = self.place(offset);
        if place == 0 { &mut self.near } else { &mut self.ring[place] }
    }
}

impl Connection {
    /// Makes the first `used` bytes of the last reservation a message of the stream. `None` if there are
    /// none.
    #[inline(always)]
    pub(super) fn commit(
        &mut self,
        now: Instant,
        used: usize,
        tag: u32,
        counters: &mut Counters,
    ) -> Option<MessageNumber> {
        let start = self.stream_end();
        let used = self.send.commit(used);
        if used == 0 {
            return None;
        }
        Some(self.note_written(now, start, used, tag, counters))
    }

    /// The `len` bytes from `start` on, the last ones of the stream, are a message.
    #[inline(always)]
    pub(super) fn note_written(
        &mut self,
        now: Instant,
        start: SeqNumber,
        len: u32,
        tag: u32,
        counters: &mut Counters,
    ) -> MessageNumber {
        let is_first = start == self.snd_una;
        self.tell_of_sent();
        self.send.ready = if is_first { self.first_ready(len) } else { self.all_ready() };
        let message = Committed::new(now, start + len, tag);
        self.account.note(self.snd_una, start, message, counters)
    }

    /// Something was committed: says by when it is too old, if ever. Where the short way is open nothing grows
    /// old.
    #[inline(always)]
    pub(super) fn watch(&mut self, now: Instant) -> Instant {
        if self.fast_max.is_closed() { self.watch_first(now) } else { Instant::FAR_FUTURE }
    }

    #[inline(never)]
    fn watch_first(&mut self, now: Instant) -> Instant {
        if let Some(after) = self.apart.terms.stale_after()
            && self.deadlines.stale == Instant::FAR_FUTURE
        {
            self.deadlines.stale = now + after;
        }
        self.deadlines.stale
    }

    /// Waits for the oldest message that is not acknowledged, if any may wait too long.
    pub(super) fn watch_oldest(&mut self) {
        let oldest = self.account.oldest(self.snd_una);
        let stale_at =
            self.apart.terms.stale_after().zip(oldest).map(|(after, oldest)| oldest.at + after);
        self.deadlines.stale = stale_at.unwrap_or(Instant::FAR_FUTURE);
    }

    /// A message may have waited too long to be of use: it is rather lost, and known to be, than delivered
    /// late. Says whether that ended the connection.
    #[inline(never)]
    pub(super) fn end_if_stale(&mut self, cx: &mut Context<'_>) -> bool {
        self.watch_oldest();
        let is_stale = self.deadlines.stale <= cx.now;
        if is_stale {
            self.send_reset(cx);
            self.end(cx, Closed::Stale);
        }
        is_stale
    }
}

impl Stack {
    /// How many messages were committed on a connection, and how many of them, the oldest, are acknowledged
    /// to their ends. It can be asked until the connection is [released](Stack::release).
    pub fn messages(&self, id: ConnectionId) -> Option<(u64, u64)> {
        let connection = &self.connections[self.find(id)?];
        let account = &connection.account;
        Some((account.committed(), account.acknowledged(connection.snd_una)))
    }

    /// How far a message has come; `None` for one that was never committed.
    pub fn delivery(&self, id: ConnectionId, number: MessageNumber) -> Option<Delivery> {
        let (committed, acknowledged) = self.messages(id)?;
        if number.0 == 0 || number.0 > committed {
            return None;
        }
        if number.0 <= acknowledged {
            return Some(Delivery::Acknowledged);
        }
        self.outstanding(id).find(|message| message.number == number).map(|it| it.delivery())
    }

    /// The messages that are not acknowledged to their ends, the oldest first: after the connection is over,
    /// those of which nobody knows whether the peer has them.
    pub fn outstanding(&self, id: ConnectionId) -> impl Iterator<Item = Outstanding> + '_ {
        let connection = self.find(id).map(|index| &self.connections[index]);
        connection.into_iter().flat_map(|connection| {
            let (una, nxt) = (connection.snd_una, connection.snd_nxt);
            let account = &connection.account;
            (account.acknowledged(una) + 1..=account.committed()).filter_map(move |number| {
                account.outstanding(number, una, nxt, |bytes| connection.sending_of(bytes))
            })
        })
    }
}
