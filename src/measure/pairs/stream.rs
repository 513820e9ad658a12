//! One direction of a connection: its bytes in order, each once, and the messages in them, each with the marks of those of its
//! segments that passed first and last.
//!
//! What is held of bytes ahead of their turn, and by which segment they came, the engine's own TCP keeps. Where nothing is held,
//! messages are read where they lie in the frame.

use std::collections::VecDeque;

use crate::fix::frame::{Framed, Whole, frame};
use crate::tcp::{RANGES_MAX, Reassembly, Receipt};
use crate::wire::tcp::SeqNumber;

use super::mark::Came;

/// The longest message, in bytes.
const MESSAGE_LEN_MAX: usize = 64 * 1024;
/// What is held of a direction until what is missing comes, in bytes. Past it, it does not come any more.
const HELD_LEN_MAX: usize = 256 * 1024;
/// A direction without a message in so many bytes is another protocol's.
const FOREIGN_LEN: u64 = 128 * 1024;
/// Segments that are told apart among those whose bytes are held.
const SEGMENTS_MAX: usize = 256;

pub(super) struct Stream {
    /// The number of the next byte, once one is known.
    next: Option<SeqNumber>,
    /// What lies ahead of that.
    held: Reassembly,
    /// Bytes from the first that is not read yet; `in_order` of them before `next`.
    bytes: Vec<u8>,
    in_order: usize,
    /// The segments that these came by, numbered one after the other; the last one has the number before `segments_next`.
    segments: VecDeque<Came>,
    segments_next: u64,
    /// What comes is not the beginning of a message, or not known to be.
    is_joining: bool,
    /// Before the first message.
    unread: u64,
    has_messages: bool,
}

/// What a stream has, in its order.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is a message, read where it is made and never kept"
)]
pub(super) enum Told<'a> {
    Message {
        bytes: &'a [u8],
        whole: Whole,
        first: Came,
        last: Came,
        begin: SeqNumber,
        end: SeqNumber,
    },
    /// Bytes that the capture does not have; what was begun before them is lost with them.
    Missing { end: SeqNumber },
    /// Bytes that are no message, behind others that were.
    Damaged { end: SeqNumber },
}

impl Stream {
    pub(super) fn new() -> Stream {
        Stream {
            next: None,
            held: Reassembly::new(),
            bytes: Vec::new(),
            in_order: 0,
            segments: VecDeque::new(),
            segments_next: 0,
            is_joining: true,
            unread: 0,
            has_messages: false,
        }
    }

    /// A connection begins: the first byte will have this number. Says whether that is news.
    pub(super) fn begin(&mut self, first: SeqNumber) -> bool {
        if self.next == Some(first) && !self.has_messages {
            return false;
        }
        *self = Stream { next: Some(first), is_joining: false, ..Stream::new() };
        true
    }

    /// The number of the next byte.
    pub(super) fn next(&self) -> Option<SeqNumber> {
        self.next
    }

    /// Whether it is another protocol's: it is not read any more.
    pub(super) fn is_foreign(&self) -> bool {
        !self.has_messages && self.unread > FOREIGN_LEN
    }

    /// Whether some of these bytes came before.
    pub(super) fn has(&self, seq: SeqNumber, len: usize) -> bool {
        let Some(next) = self.next else { return false };
        seq.is_before(next)
            || !self.held.is_empty()
                && self.held.first_overlap(next, (seq, seq + len as u32)).is_some()
    }

    /// Takes bytes in.
    pub(super) fn on_bytes(
        &mut self,
        seq: SeqNumber,
        payload: &[u8],
        came: Came,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let next = *self.next.get_or_insert(seq);
        let known = if seq.is_before(next) { next.since(seq) as usize } else { 0 };
        let Some(payload) = payload.get(known..).filter(|fresh| !fresh.is_empty()) else { return };
        let seq = seq + known as u32;
        if seq == next && self.bytes.is_empty() {
            self.read_in_place(next, payload, came, tell);
        } else {
            self.hold(seq, payload, came, tell);
        }
    }

    /// The other side acknowledges everything before `ack`: what is not here by now was not captured.
    pub(super) fn on_acknowledged(&mut self, ack: SeqNumber, tell: &mut impl FnMut(Told<'_>)) {
        while self.held.first().is_some_and(|first| first.is_at_or_before(ack)) {
            self.give_up(tell);
        }
    }

    fn read_in_place(
        &mut self,
        next: SeqNumber,
        payload: &[u8],
        came: Came,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let mut at = 0;
        while let Some(step) = self.step(&payload[at..]) {
            let begin = next + at as u32;
            tell_of(step, &payload[at..], begin, |_, _| (came, came), tell);
            at += step.len();
        }
        let end = next + payload.len() as u32;
        self.next = Some(end);
        let rest = &payload[at..];
        if !rest.is_empty() {
            self.bytes.extend_from_slice(rest);
            self.in_order = rest.len();
            self.note(next + at as u32, end, came);
        }
    }

    /// Takes in what waits for others, or others wait for.
    fn hold(
        &mut self,
        seq: SeqNumber,
        payload: &[u8],
        came: Came,
        tell: &mut impl FnMut(Told<'_>),
    ) {
        let Some(mut next) = self.next else { return };
        while self.in_order + seq.since(next) as usize + payload.len() > HELD_LEN_MAX
            || self.held.ranges().len() == RANGES_MAX
        {
            if !self.give_up(tell) {
                // Nothing ahead to go on with but this.
                self.pass_over(seq, tell);
            }
            next = self.next.unwrap_or(seq);
            if seq.is_before(next) {
                // What came ahead has it.
                return self.on_bytes(seq, payload, came, tell);
            }
        }
        let ahead = seq.since(next);
        let end = seq + payload.len() as u32;
        let needed = self.in_order + ahead as usize + payload.len();
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        let (bytes, in_order) = (&mut self.bytes, self.in_order);
        self.held.insert(next, ahead..ahead + payload.len() as u32, |part| {
            let to = in_order + part.start as usize..in_order + part.end as usize;
            let from = (part.start - ahead) as usize..(part.end - ahead) as usize;
            bytes[to].copy_from_slice(&payload[from]);
        });
        self.note(seq, end, came);
        self.advance(next, tell);
    }

    /// Reads on as far as bytes are there without a gap.
    fn advance(&mut self, next: SeqNumber, tell: &mut impl FnMut(Told<'_>)) {
        let reached = self.held.advance(next);
        self.in_order += reached.since(next) as usize;
        self.next = Some(reached);
        let base = reached - self.in_order as u32;
        let mut bytes = core::mem::take(&mut self.bytes);
        let mut at = 0;
        while let Some(step) = self.step(&bytes[at..self.in_order]) {
            let came = |begin, end| self.came_by(begin, end);
            tell_of(step, &bytes[at..], base + at as u32, came, tell);
            at += step.len();
        }
        bytes.drain(..at);
        self.bytes = bytes;
        self.in_order -= at;
        self.held.receipts_mut().forget_before(base + at as u32);
        if self.bytes.is_empty() {
            self.segments.clear();
        }
    }

    /// What is missing before the first bytes held ahead does not come any more. Says whether there are any.
    fn give_up(&mut self, tell: &mut impl FnMut(Told<'_>)) -> bool {
        let (Some(first), Some(next)) = (self.held.first(), self.next) else { return false };
        self.bytes.drain(..self.in_order + first.since(next) as usize);
        self.lose(first, tell);
        self.advance(first, tell);
        true
    }

    /// Goes on at `seq`, with nothing that is held.
    fn pass_over(&mut self, seq: SeqNumber, tell: &mut impl FnMut(Told<'_>)) {
        self.bytes.clear();
        self.lose(seq, tell);
    }

    fn lose(&mut self, end: SeqNumber, tell: &mut impl FnMut(Told<'_>)) {
        (self.next, self.in_order, self.is_joining) = (Some(end), 0, true);
        self.held.receipts_mut().forget_before(end);
        tell(Told::Missing { end });
    }

    /// What lies at the front of `bytes`, if it is all there.
    fn step(&mut self, bytes: &[u8]) -> Option<Step> {
        if bytes.is_empty() {
            return None;
        }
        match frame(bytes, MESSAGE_LEN_MAX) {
            Framed::Incomplete { .. } => None,
            Framed::Complete(whole) => {
                (self.is_joining, self.has_messages) = (false, true);
                Some(Step::Message(whole))
            }
            Framed::Garbled { skip, .. } => {
                let is_news = !core::mem::replace(&mut self.is_joining, true);
                if !self.has_messages {
                    self.unread += skip as u64;
                }
                Some(Step::Garbled { skip, is_news })
            }
        }
    }

    /// These bytes came by this segment.
    fn note(&mut self, begin: SeqNumber, end: SeqNumber, came: Came) {
        if self.segments.len() == SEGMENTS_MAX {
            self.segments.pop_front();
        }
        self.segments.push_back(came);
        let receipt = Receipt([self.segments_next, 0]);
        self.segments_next += 1;
        // Where there is no place for it the message's mark is forgotten, and said to be.
        self.held.receipts_mut().note(begin, end, receipt);
    }

    /// The segments of these bytes that passed first and last.
    fn came_by(&self, begin: SeqNumber, end: SeqNumber) -> (Came, Came) {
        let (mut at, mut numbers) = (begin, (u64::MAX, 0));
        while at.is_before(end) {
            let (len, receipt) = self.held.receipts().of(at, end.since(at) as usize);
            let Some(Receipt([number, _])) = receipt else {
                return (Came::FORGOTTEN, Came::FORGOTTEN);
            };
            numbers = (numbers.0.min(number), numbers.1.max(number));
            at += len as u32;
        }
        let first = self.segments_next - self.segments.len() as u64;
        let of = |number: u64| {
            let at = number.checked_sub(first).and_then(|at| self.segments.get(at as usize));
            at.copied().unwrap_or(Came::FORGOTTEN)
        };
        (of(numbers.0), of(numbers.1))
    }
}

#[derive(Clone, Copy)]
enum Step {
    Message(Whole),
    /// `is_news`: a message ended before it.
    Garbled {
        skip: usize,
        is_news: bool,
    },
}

impl Step {
    fn len(self) -> usize {
        match self {
            Step::Message(whole) => whole.len,
            Step::Garbled { skip, .. } => skip,
        }
    }
}

fn tell_of(
    step: Step,
    bytes: &[u8],
    begin: SeqNumber,
    came: impl Fn(SeqNumber, SeqNumber) -> (Came, Came),
    tell: &mut impl FnMut(Told<'_>),
) {
    let end = begin + step.len() as u32;
    match step {
        Step::Message(whole) => {
            let bytes = &bytes[..whole.len];
            let (first, last) = came(begin, end);
            tell(Told::Message { bytes, whole, first, last, begin, end });
        }
        Step::Garbled { is_news: true, .. } => tell(Told::Damaged { end }),
        Step::Garbled { .. } => {}
    }
}
