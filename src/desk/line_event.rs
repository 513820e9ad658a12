//! What became of lines, in order, until somebody asks: who logged on, who left and why, who was
//! refused and why. A bounded record: when nobody asks, the newest overwrite the oldest.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

use super::LineFailure;
use crate::app::SessionId;
use crate::fix::session::COMP_ID_BYTES_MAX;
use crate::fix::store::journal::Ended;
use crate::fix::{Garbled, Identity};
use crate::tcp::Endpoint;

/// Something that happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A session has a connection; an acceptor's counterparty has said who it is.
    Connected {
        /// Whose.
        session: SessionId,
        /// The counterparty's end.
        peer: Endpoint,
    },
    /// A session is established.
    LoggedOn {
        /// Which.
        session: SessionId,
        /// The counterparty's end.
        peer: Endpoint,
    },
    /// A session's connection is over, or was not to be had.
    Ended {
        /// Whose.
        session: SessionId,
        /// The counterparty's end.
        peer: Endpoint,
        /// What ended it.
        why: LineFailure,
    },
    /// A session's connection is over, and the counterparty's TCP has not acknowledged all that was sent on
    /// it: nobody knows whether the counterparty has the rest.
    Unacknowledged {
        /// Whose.
        session: SessionId,
        /// The counterparty's end.
        peer: Endpoint,
        /// How many messages.
        messages: u64,
        /// The least and the greatest MsgSeqNum(34) among them.
        msg_seq_nums: (u32, u32),
    },
    /// Messages that had come past a gap were not delivered: the counterparty has filled the gap over them.
    FilledOver {
        /// Whose.
        session: SessionId,
        /// How many.
        messages: usize,
    },
    /// An operator has logged a session out, and it has no connection until he lets it.
    HeldDown {
        /// Which.
        session: SessionId,
    },
    /// An operator lets a session have a connection again.
    LetUp {
        /// Which.
        session: SessionId,
    },
    /// An operator has set a session's numbers.
    NumbersSet {
        /// Whose.
        session: SessionId,
        /// The next MsgSeqNum to send.
        next_out: u32,
        /// The next expected.
        next_in: u32,
    },
    /// A session goes on with numbers that were kept in a file.
    Resumed {
        /// Which.
        session: SessionId,
        /// How the process ended that wrote it.
        ended: Ended,
        /// The number of the next message to send.
        next_out: u32,
        /// The number expected next.
        next_in: u32,
        /// Whether it is proven that no number from `next_out` on was used.
        is_proven: bool,
    },
    /// These messages may have been sent before the process that did so ended, and nothing of them was kept:
    /// nobody knows, and a gap is filled in their place.
    FateUnknown {
        /// Whose.
        session: SessionId,
        /// The first and the last MsgSeqNum(34) of them.
        msg_seq_nums: (u32, u32),
    },
    /// A connection was accepted by TCP, and got no session.
    Refused {
        /// The peer's end.
        peer: Endpoint,
        /// Why.
        why: PeerRefusal,
    },
}

/// Why an accepted connection got no session and was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerRefusal {
    /// It began with these bytes, cut to what is kept: no FIX.
    NotFix(FirstBytes),
    /// Its first message was garbled.
    Garbled(Garbled),
    /// Its first message is longer than this, which is as long as a Logon may be here: the most `logon_bytes_max` of the
    /// sessions that accept on its port.
    LogonTooLong(usize),
    /// Its first message was of this MsgType(35), cut to what is kept, and no Logon.
    NotLogon(FirstBytes),
    /// Its Logon lacked the CompID with this tag.
    CompIdMissing(u32),
    /// No session here is of this identity.
    UnknownIdentity(Claim),
    /// The session of this identity has a connection already.
    AlreadyLoggedOn(SessionId),
    /// An operator has logged the session of this identity out.
    HeldDown(SessionId),
    /// The session of this identity is not connected to from the peer's address.
    AddressNotAllowed(SessionId),
    /// It did not say who it is in time.
    LogonTimeout,
    /// It had not said who it is when everything was being logged out.
    LoggingOut,
    /// It closed before it had said who it is.
    ClosedBeforeLogon,
}

impl PeerRefusal {
    /// The name of this reason's counter.
    pub const fn name(&self) -> &'static str {
        match self {
            PeerRefusal::NotFix(_) => "peer_not_fix",
            PeerRefusal::Garbled(_) | PeerRefusal::CompIdMissing(_) => "logon_garbled",
            PeerRefusal::LogonTooLong(_) => "logon_too_long",
            PeerRefusal::NotLogon(_) => "logon_not_first",
            PeerRefusal::UnknownIdentity(_) => "logon_unknown_identity",
            PeerRefusal::AlreadyLoggedOn(_) => "logon_duplicate",
            PeerRefusal::HeldDown(_) => "logon_held_down",
            PeerRefusal::AddressNotAllowed(_) => "logon_address_not_allowed",
            PeerRefusal::LogonTimeout => "identify_timeout",
            PeerRefusal::LoggingOut => "refused_while_logging_out",
            PeerRefusal::ClosedBeforeLogon => "closed_before_logon",
        }
    }
}

/// What is kept of a refused peer's first bytes.
pub type FirstBytes = ArrayVec<u8, FIRST_BYTES_MAX>;

/// How much is kept of a refused peer's first bytes.
pub const FIRST_BYTES_MAX: usize = 48;
/// How much is kept of a stranger's sub-IDs.
const SUB_ID_BYTES_KEPT: usize = 16;
/// `FIXT.1.1`, and some.
const BEGIN_STRING_BYTES_MAX: usize = 16;

/// Who a refused peer said it is. Each field is cut to what is kept, and may hold any byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// BeginString(8).
    pub begin_string: ArrayVec<u8, BEGIN_STRING_BYTES_MAX>,
    /// SenderCompID(49): the counterparty.
    pub sender_comp_id: ArrayVec<u8, COMP_ID_BYTES_MAX>,
    /// TargetCompID(56): us.
    pub target_comp_id: ArrayVec<u8, COMP_ID_BYTES_MAX>,
    /// SenderSubID(50): empty where there is none.
    pub sender_sub_id: ArrayVec<u8, SUB_ID_BYTES_KEPT>,
    /// TargetSubID(57): empty where there is none.
    pub target_sub_id: ArrayVec<u8, SUB_ID_BYTES_KEPT>,
}

impl Claim {
    pub(super) fn of(identity: &Identity<'_>) -> Claim {
        Claim {
            begin_string: cut(identity.begin_string),
            sender_comp_id: cut(identity.sender_comp_id),
            target_comp_id: cut(identity.target_comp_id),
            sender_sub_id: cut(identity.sender_sub_id.unwrap_or_default()),
            target_sub_id: cut(identity.target_sub_id.unwrap_or_default()),
        }
    }
}

/// As much of `bytes` as is kept.
pub(super) fn cut<const MAX: usize>(bytes: &[u8]) -> ArrayVec<u8, MAX> {
    bytes.iter().copied().take(MAX).collect()
}

/// The record.
#[derive(Debug)]
pub(super) struct LineEvents {
    kept: VecDeque<LineEvent>,
    max: usize,
    overwritten: u64,
}

impl LineEvents {
    pub(super) fn new(max: usize) -> LineEvents {
        LineEvents { kept: VecDeque::with_capacity(max), max, overwritten: 0 }
    }

    pub(super) fn push(&mut self, event: LineEvent) {
        if self.kept.len() == self.max {
            self.kept.pop_front();
            self.overwritten += 1;
        }
        self.kept.push_back(event);
    }

    pub(super) fn pop(&mut self) -> Option<LineEvent> {
        self.kept.pop_front()
    }

    pub(super) fn overwritten(&self) -> u64 {
        self.overwritten
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    #[test]
    fn when_nobody_asks_the_oldest_are_overwritten_and_counted_and_memory_stays() {
        let mut events = LineEvents::new(3);
        let capacity = events.kept.capacity();
        for number in 0..10 {
            let peer = Endpoint { addr: Ipv4Addr::LOCALHOST, port: number };
            events.push(LineEvent::Refused { peer, why: PeerRefusal::LogonTimeout });
        }
        assert_eq!((events.overwritten(), events.kept.capacity()), (7, capacity));
        let ports: Vec<u16> = std::iter::from_fn(|| events.pop())
            .map(|event| match event {
                LineEvent::Refused { peer, .. } => peer.port,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(ports, [7, 8, 9]);
    }

    #[test]
    fn what_a_stranger_says_is_cut_to_what_is_kept() {
        let long = [b'X'; 200];
        let identity = Identity {
            begin_string: &long,
            sender_comp_id: &long,
            target_comp_id: b"US",
            sender_sub_id: None,
            target_sub_id: None,
        };
        let claim = Claim::of(&identity);
        assert_eq!((claim.begin_string.len(), claim.sender_comp_id.len()), (16, 64));
        assert_eq!(&claim.target_comp_id[..], b"US");
    }
}
