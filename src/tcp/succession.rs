//! What a stack leaves to the one that goes on in its place, besides connections: how far its numbers were ahead of the
//! clock, and its SYN cookies. The secret they are made with is the caller's to pass on, and so is the clock: a successor
//! whose clock begins anew, or whose secret is another, gives numbers and timestamps that no longer rise.

use super::codec::{Codec, In, Out};
use super::connection::State;
use super::event::ConnectionId;
use super::snapshot::SnapshotRefusal;
use super::stack::Stack;
use crate::time::Instant;

impl Stack {
    /// Every connection that is not over, and whether it was [released](Stack::release): those that nobody holds close by
    /// themselves, and their peers still want an answer.
    pub(crate) fn live(&self) -> impl Iterator<Item = (ConnectionId, bool)> + '_ {
        let connections = self.connections.iter().enumerate();
        let live = connections.filter(|(_, connection)| connection.state != State::Closed);
        live.map(|(index, connection)| (self.id(index), connection.is_released))
    }

    /// What a successor is to know besides connections.
    pub(crate) fn legacy(&self, now: Instant) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Out { bytes: &mut bytes, now };
        self.isn_ahead.put(&mut out);
        self.cookies_until.put(&mut out);
        self.cookies_used.put(&mut out);
        bytes
    }

    /// Takes it in, in place of its own.
    ///
    /// # Errors
    /// [`SnapshotRefusal::Malformed`]; nothing has changed.
    pub(crate) fn inherit(&mut self, now: Instant, legacy: &[u8]) -> Result<(), SnapshotRefusal> {
        let mut from = In { bytes: legacy, now };
        let (isn_ahead, cookies_until) = Codec::take(&mut from)?;
        let cookies_used = self.cookies_used.take(&mut from)?;
        if !from.bytes.is_empty() {
            return Err(SnapshotRefusal::Malformed);
        }
        (self.isn_ahead, self.cookies_until) = (isn_ahead, cookies_until);
        self.cookies_used = cookies_used;
        Ok(())
    }
}
