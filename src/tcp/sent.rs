//! When bytes left, whose a segment is that did, and which messages end in it: for whoever tells of sendings.

use core::ops::Range;

use super::account::{Account, MessageNumber};
use super::connection::Connection;
use super::endpoint::{Endpoint, Tuple};
use super::event::ConnectionId;
use super::fast::SENT;
use super::scoreboard::Sending;
use super::stack::Stack;
use crate::wire::tcp::SeqNumber;

impl Stack {
    /// The connection between these ends, if there is one.
    pub fn connection_between(&self, local: Endpoint, remote: Endpoint) -> Option<ConnectionId> {
        self.table.find(Tuple { local, remote }.ends()).map(|index| self.id(index))
    }

    /// The messages that end in the `len` bytes of the stream from `seq` on: each one's number, its
    /// [tag](Stack::commit_tagged), and where it ends. Those of which nothing is known any more, as all is acknowledged,
    /// are not among them.
    pub(crate) fn messages_ending_in(
        &self,
        id: ConnectionId,
        seq: SeqNumber,
        len: u32,
    ) -> impl Iterator<Item = (MessageNumber, u32, SeqNumber)> + Clone + '_ {
        let connection = self.find(id).map(|index| &self.connections[index]);
        connection.into_iter().flat_map(move |connection| connection.account.ending_in(seq, len))
    }

    /// Whether any of the `len` bytes from `seq` on has left more than once, as far as they are not acknowledged, or
    /// any of the segment that one of them left in.
    pub(crate) fn is_sent_again(&self, id: ConnectionId, seq: SeqNumber, len: u32) -> bool {
        let connection = self.find(id).map(|index| &self.connections[index]);
        connection.is_some_and(|connection| connection.is_sent_again(seq, len))
    }
}

impl Connection {
    /// How bytes have left that are not acknowledged, and of which the first has.
    pub(super) fn sending_of(&self, bytes: Range<SeqNumber>) -> Option<Sending> {
        if self.send.ready == SENT {
            return Some(Sending { first_at: Some(self.last_sent), is_again: false });
        }
        self.scoreboard.sending_of(bytes)
    }

    /// Whether any of the `len` bytes from `seq` on has left more than once, as far as they are not acknowledged.
    fn is_sent_again(&self, seq: SeqNumber, len: u32) -> bool {
        let (start, end) = (seq.later_of(self.snd_una), seq + len);
        start.is_before(end) && self.sending_of(start..end).is_some_and(|sending| sending.is_again)
    }
}

impl Account {
    /// Those that are known and end in the `len` bytes from `seq` on: number, tag and end.
    fn ending_in(
        &self,
        seq: SeqNumber,
        len: u32,
    ) -> impl Iterator<Item = (MessageNumber, u32, SeqNumber)> + Clone + '_ {
        let (first, last) = (self.acknowledged_len(seq), self.acknowledged_len(seq + len));
        let before = self.committed() - u64::from(self.known_len());
        (first..last).map(move |offset| {
            let message = self.known(offset);
            let number = MessageNumber(before + u64::from(offset) + 1);
            (number, message.tag(), message.end())
        })
    }
}
