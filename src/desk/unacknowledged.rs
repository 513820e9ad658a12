//! What was sent on a connection that is over, and that nobody knows to have arrived.

use super::{Desk, LineEvent};
use crate::app::{Application, SessionId};
use crate::tcp::{ConnectionId, Stack};

impl<A: Application> Desk<A> {
    /// Tells the application, and the record, of each message of a session's connection that the
    /// counterparty's TCP has not acknowledged. To be called before the connection is released.
    pub(super) fn tell_unacknowledged(
        &mut self,
        tcp: &Stack,
        connection: ConnectionId,
        index: usize,
    ) {
        let (session, mut messages) = (SessionId(index as u16), 0);
        let mut msg_seq_nums = (u32::MAX, 0);
        for message in tcp.outstanding(connection) {
            messages += 1;
            // Session messages that had waited for room left in pieces that bear no number.
            if message.tag != 0 {
                let (least, greatest) = msg_seq_nums;
                msg_seq_nums = (least.min(message.tag), greatest.max(message.tag));
                self.app.on_unacknowledged(session, message.tag, message.delivery());
            }
        }
        self.counters.messages_unacknowledged += messages;
        if msg_seq_nums.1 > 0
            && let Some(seat) = self.seats.get(index)
        {
            let peer = seat.remote;
            self.events.push(LineEvent::Unacknowledged { session, peer, messages, msg_seq_nums });
        }
    }
}
