//! Connections that have no session yet, and how they come by one.

use super::{Desk, LINGER, Line};
use crate::app::Application;
use crate::fix::{Framed, frame, identify};
use crate::offload::RxStamp;
use crate::tcp::{ConnectionId, Stack};
use crate::time::{Instant, Now};

/// The longest Logon by which a counterparty may introduce itself, in bytes.
const IDENTIFY_BYTES_MAX: usize = 4 * 1024;

/// Whose a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Owner {
    #[default]
    Nobody,
    /// Accepted; its first message will tell. Aborted at this time.
    Unidentified(ConnectionId, Instant),
    /// Nobody we know, and being closed. Aborted at this time.
    Refused(ConnectionId, Instant),
    Seat(usize),
}

impl Owner {
    /// Until when a connection without a seat is borne with.
    pub(super) fn deadline(self) -> Option<(ConnectionId, Instant)> {
        match self {
            Owner::Unidentified(connection, at) | Owner::Refused(connection, at) => {
                Some((connection, at))
            }
            Owner::Nobody | Owner::Seat(_) => None,
        }
    }
}

impl<A: Application> Desk<A> {
    /// Reads who an accepted connection is, once its first message is whole, and gives it its seat.
    pub(super) fn identify(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        connection: ConnectionId,
        stamp: Option<RxStamp>,
    ) {
        let first = tcp.readable(connection);
        let refusal = match frame(first, IDENTIFY_BYTES_MAX) {
            Framed::Incomplete { .. } => return,
            Framed::Garbled { .. } => &mut self.counters.logon_not_first,
            Framed::Complete { .. } => {
                match identify(first, IDENTIFY_BYTES_MAX, &mut self.decoder) {
                    None => &mut self.counters.logon_not_first,
                    Some(identity) => {
                        match self.seats.iter().position(|seat| seat.accepts(&identity)) {
                            None => &mut self.counters.logon_unknown_identity,
                            Some(index) if !matches!(self.seats[index].line, Line::Down(_)) => {
                                &mut self.counters.logon_duplicate
                            }
                            Some(index) => {
                                self.own(connection, Owner::Seat(index));
                                self.on_connected(now, tcp, index, connection);
                                return self.drain(now, tcp, index, connection, stamp);
                            }
                        }
                    }
                }
            }
        };
        *refusal += 1;
        tcp.shutdown(now.mono, connection);
        self.own(connection, Owner::Refused(connection, now.mono + LINGER));
        self.next_timeout = self.next_timeout.min(now.mono + LINGER);
    }
}
