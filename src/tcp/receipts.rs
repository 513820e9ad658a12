//! By which segment each of the bytes came that are stored: what whoever handed the segment over knows its
//! reception by.
//!
//! Bytes that are read where they lie in a segment are read with it, and nothing is noted of them.

use super::connection::{Connection, Context};
use super::counters::Count;
use super::event::ConnectionId;
use super::stack::Stack;
use crate::wire::tcp::SeqNumber;

/// How many pieces of different segments one connection tells apart. What is stored past that is told without.
const RECEIPTS_MAX: usize = 128;

/// How a segment was received, in words of whoever hands it over, that mean nothing to TCP: when, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt(pub [u64; 2]);

/// A piece of the stream that one segment brought.
#[derive(Clone, Copy, Debug)]
struct Piece {
    start: SeqNumber,
    end: SeqNumber,
    receipt: Receipt,
}

const NO_PIECE: Piece = Piece { start: SeqNumber(0), end: SeqNumber(0), receipt: Receipt([0; 2]) };

/// The pieces, apart from each other and in the order of the stream.
pub(crate) struct Receipts {
    pieces: Box<[Piece]>,
    /// The first that is not read, and where they end.
    from: usize,
    to: usize,
}

impl Receipts {
    pub(super) fn new() -> Receipts {
        Receipts { pieces: vec![NO_PIECE; RECEIPTS_MAX].into(), from: 0, to: 0 }
    }

    pub(super) fn clear(&mut self) {
        (self.from, self.to) = (0, 0);
    }

    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    fn known(&self) -> &[Piece] {
        &self.pieces[self.from..self.to]
    }

    /// What of `start..end` nobody brought before came by `receipt`. Says whether there was a place for all of it.
    pub(crate) fn note(&mut self, start: SeqNumber, end: SeqNumber, receipt: Receipt) -> bool {
        let mut at = start;
        let mut place = self.place_behind(start);
        while let Some(next) = self.known().get(place).copied()
            && next.start.is_before(end)
        {
            if at.is_before(next.start) {
                if !self.insert(place, Piece { start: at, end: next.start, receipt }) {
                    return false;
                }
                place += 1;
            }
            at = at.later_of(next.end);
            place += 1;
        }
        !at.is_before(end) || self.insert(place, Piece { start: at, end, receipt })
    }

    /// The first piece that does not end before `at` or there. Nearly always what comes is behind all others.
    fn place_behind(&self, at: SeqNumber) -> usize {
        match self.known() {
            [.., last] if last.end.is_at_or_before(at) => self.known().len(),
            known => known.partition_point(|piece| piece.end.is_at_or_before(at)),
        }
    }

    fn insert(&mut self, place: usize, piece: Piece) -> bool {
        if self.to == RECEIPTS_MAX {
            if self.from == 0 {
                return false;
            }
            self.pieces.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let place = self.from + place;
        self.pieces.copy_within(place..self.to, place + 1);
        self.pieces[place] = piece;
        self.to += 1;
        true
    }

    /// What lies before `first` was read.
    pub(crate) fn forget_before(&mut self, first: SeqNumber) {
        while let [piece, ..] = self.known()
            && piece.end.is_at_or_before(first)
        {
            self.from += 1;
        }
        if self.from == self.to {
            self.clear();
        }
    }

    /// What lies from `start` on is not held any more, and comes again.
    pub(super) fn forget_from(&mut self, start: SeqNumber) {
        while let [.., piece] = self.known()
            && start.is_at_or_before(piece.start)
        {
            self.to -= 1;
        }
    }

    /// How many of the `len` bytes from `at` on came by one segment, and how that was received.
    pub(crate) fn of(&self, at: SeqNumber, len: usize) -> (usize, Option<Receipt>) {
        match self.known().get(self.place_behind(at)) {
            Some(piece) if piece.start.is_at_or_before(at) => {
                (len.min(piece.end.since(at) as usize), Some(piece.receipt))
            }
            Some(piece) => (len.min(piece.start.since(at) as usize), None),
            None => (len, None),
        }
    }
}

impl Connection {
    /// `len` bytes from `start` on are stored. What of them was stored before came by who brought it first.
    pub(super) fn note_receipt(&mut self, cx: &mut Context<'_>, start: SeqNumber, len: u32) {
        if let Some(receipt) = *cx.receipt
            && !self.apart.held.receipts_mut().note(start, start + len, receipt)
        {
            cx.count(Count::ReceiptsFull);
        }
    }

    /// The number of the first byte that is stored and readable, or of the next one.
    fn first_unread(&self) -> SeqNumber {
        self.rcv_nxt - u32::from(self.fin_received) - self.receive.span() as u32
    }

    /// Bytes were read.
    #[inline(always)]
    pub(super) fn forget_receipts(&mut self) {
        if !self.apart.held.receipts().is_empty() {
            self.forget_receipts_read();
        }
    }

    #[inline(never)]
    fn forget_receipts_read(&mut self) {
        let first = self.first_unread();
        self.apart.held.receipts_mut().forget_before(first);
    }
}

impl Stack {
    /// How the segments are received that are handed over from here on. Bytes of theirs that are stored, as those are
    /// that come ahead of their turn, are [told](Stack::readable_of_segment) with it.
    pub fn receive_by(&mut self, receipt: Receipt) {
        self.receipt = Some(receipt);
    }

    /// As [`readable`](Stack::readable), no further than one segment brought the bytes, and how that was
    /// [received](Stack::receive_by). Of bytes that several segments brought the first one counts. `None` where nobody has
    /// said, where more pieces are stored than are told apart, and after a move to another stack.
    pub fn readable_of_segment(&self, id: ConnectionId) -> (&[u8], Option<Receipt>) {
        let bytes = self.readable(id);
        let Some(index) = self.find(id).filter(|_| !bytes.is_empty()) else { return (bytes, None) };
        let connection = &self.connections[index];
        let (len, receipt) =
            connection.apart.held.receipts().of(connection.first_unread(), bytes.len());
        (&bytes[..len], receipt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: SeqNumber = SeqNumber(u32::MAX - 300);

    /// Against a table of bytes: the first to bring one counts, whatever is read and comes again in between.
    #[test]
    fn each_byte_came_by_the_first_that_brought_it() {
        let mut random = 0x9e37_79b9_97f4_a7c1u64;
        let mut below = |bound: u32| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random >> 20) as u32 % bound
        };
        let mut fulls = 0;
        for _ in 0..200 {
            let (mut receipts, mut read) = (Receipts::new(), 0);
            let mut model = [None; 700];
            for receipt in 0..400 {
                let start = read + below(600 - read);
                let end = start + 1 + below(9);
                let words = Receipt([receipt, 7]);
                let has_room = receipts.note(BASE + start, BASE + end, words);
                fulls += u32::from(!has_room);
                for (at, known) in model.iter_mut().enumerate().take(end as usize) {
                    if at >= start as usize && known.is_none() {
                        *known = Some((words, has_room));
                    }
                }
                if below(50) == 0 {
                    read += below(30);
                    receipts.forget_before(BASE + read);
                }
                if below(50) == 0 {
                    let last = read + below(600 - read);
                    receipts.forget_from(BASE + last);
                    // A piece that it cuts stays whole.
                    let (_, cut) = receipts.of(BASE + last, 1);
                    let stays = |at: usize| cut.is_some() && model[at] == model[last as usize];
                    let kept = (last as usize..700).take_while(|at| stays(*at)).count();
                    model[last as usize + kept..].fill(None);
                }
                let mut at = read;
                while at < 700 {
                    let (len, told) = receipts.of(BASE + at, (700 - at) as usize);
                    assert!(len > 0);
                    for known in &model[at as usize..at as usize + len] {
                        match (told, known) {
                            (Some(told), Some((known, _))) => assert!(told.0[0] >= known.0[0]),
                            (Some(told), None) => panic!("{told:?} of nobody's"),
                            (None, known) => assert!(known.is_none_or(|(_, has_room)| !has_room)),
                        }
                        if let (Some(told), Some((known, true))) = (told, known) {
                            assert_eq!(told, *known);
                        }
                    }
                    at += len as u32;
                }
            }
        }
        assert!(fulls > 0);
    }
}
