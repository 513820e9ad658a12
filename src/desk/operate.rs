//! What an operator has one session do, between rounds: log out and stay away, come back, count on from other numbers.

use super::{Desk, LINGER_AT_END, Line, LineEvent, SeatStore, Wire};
use crate::app::{Application, SessionId};
use crate::fix::store::SEQ_NUM_MAX;
use crate::fix::{Joined, Session, State};
use crate::tcp::Stack;
use crate::time::Now;

/// Why a session did not do what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// The engine has fewer sessions, or it was removed.
    #[error("there is no such session")]
    Unknown,
    /// Numbers are changed between connections alone: the counterparty would take the next message for a gap.
    #[error("it has a connection")]
    Connected,
    /// MsgSeqNum(34) is positive, and bounded.
    #[error("a MsgSeqNum is from 1 to {SEQ_NUM_MAX}")]
    NumberOutOfRange,
    /// Its store cannot be written: the machine's operator is to look at its disk.
    #[error("its store cannot be written")]
    StoreFailed,
    /// It stays away already.
    #[error("it was logged out before")]
    LoggedOutAlready,
    /// It may log on as it is.
    #[error("it was not logged out by an operator")]
    NotLoggedOut,
    /// Everything is being logged out.
    #[error("every session is being logged out, and none comes back")]
    Ending,
}

impl SessionRefusal {
    /// Every reason.
    pub const ALL: [SessionRefusal; 7] = [
        SessionRefusal::Unknown,
        SessionRefusal::Connected,
        SessionRefusal::NumberOutOfRange,
        SessionRefusal::StoreFailed,
        SessionRefusal::LoggedOutAlready,
        SessionRefusal::NotLoggedOut,
        SessionRefusal::Ending,
    ];

    /// Its name for machines.
    pub const fn name(self) -> &'static str {
        match self {
            SessionRefusal::Unknown => "session_unknown",
            SessionRefusal::Connected => "session_connected",
            SessionRefusal::NumberOutOfRange => "number_out_of_range",
            SessionRefusal::StoreFailed => "store_failed",
            SessionRefusal::LoggedOutAlready => "logged_out_already",
            SessionRefusal::NotLoggedOut => "not_logged_out",
            SessionRefusal::Ending => "ending",
        }
    }
}

impl<A: Application> Desk<A> {
    /// Logs a session out, or gives up its connection where it is not established, and lets it have no other.
    pub(crate) fn drain_session(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        session: SessionId,
        reason: &str,
    ) -> Result<(), SessionRefusal> {
        let index = self.seat_of(session).ok_or(SessionRefusal::Unknown)?;
        if self.is_ending {
            return Err(SessionRefusal::Ending);
        }
        if self.seats[index].stays_down {
            return Err(SessionRefusal::LoggedOutAlready);
        }
        self.take_down(now, tcp, index, reason);
        self.next_timeout = now.mono;
        self.events.push(LineEvent::HeldDown { session });
        Ok(())
    }

    /// Lets a session have a connection again: an initiator's is begun at once.
    pub(crate) fn resume_session(
        &mut self,
        now: Now,
        session: SessionId,
    ) -> Result<(), SessionRefusal> {
        let index = self.seat_of(session).ok_or(SessionRefusal::Unknown)?;
        if self.is_ending {
            return Err(SessionRefusal::Ending);
        }
        let seat = &mut self.seats[index];
        if !core::mem::take(&mut seat.stays_down) {
            return Err(SessionRefusal::NotLoggedOut);
        }
        if seat.line == Line::Done {
            seat.line = seat.first_line(now.mono);
            seat.turn = 0;
        }
        self.next_timeout = now.mono;
        self.events.push(LineEvent::LetUp { session });
        Ok(())
    }

    /// Has a session that has no connection go on from other numbers; those that are not given stay. Says what they are.
    pub(crate) fn set_numbers(
        &mut self,
        now: Now,
        session: SessionId,
        next_out: Option<u32>,
        next_in: Option<u32>,
    ) -> Result<(u32, u32), SessionRefusal> {
        let index = self.idle_seat(session)?;
        let is_number = |number: &u32| (1..=SEQ_NUM_MAX).contains(number);
        if !next_out.iter().chain(&next_in).all(is_number) {
            return Err(SessionRefusal::NumberOutOfRange);
        }
        let of = self.between_connections(now, index);
        of.set_numbers(now, next_out, next_in).map_err(|_| SessionRefusal::StoreFailed)?;
        Ok(self.numbers_set(session))
    }

    /// Has a session that has no connection begin again at 1, both ways, and forget what it sent.
    pub(crate) fn reset_numbers(
        &mut self,
        now: Now,
        session: SessionId,
    ) -> Result<(u32, u32), SessionRefusal> {
        let index = self.idle_seat(session)?;
        let reset = self.between_connections(now, index).reset_numbers(now);
        reset.map_err(|_| SessionRefusal::StoreFailed)?;
        Ok(self.numbers_set(session))
    }

    /// The seat of a session that has no connection, or none that anything is sent on any more.
    fn idle_seat(&self, session: SessionId) -> Result<usize, SessionRefusal> {
        let index = self.seat_of(session).ok_or(SessionRefusal::Unknown)?;
        let seat = &self.seats[index];
        let is_idle = matches!(seat.session.state(), State::Disconnected | State::Closing(_))
            && !matches!(seat.line, Line::Up(_) | Line::Connecting(_));
        if is_idle { Ok(index) } else { Err(SessionRefusal::Connected) }
    }

    /// An idle session, done with the connection that it had: what its end does to the numbers comes before what an operator
    /// does to them.
    fn between_connections(&mut self, now: Now, index: usize) -> &mut Session<SeatStore, Joined> {
        self.end_session(now, index);
        &mut self.seats[index].session
    }

    fn numbers_set(&mut self, session: SessionId) -> (u32, u32) {
        let of = &self.seats[usize::from(session.0)].session;
        let (next_out, next_in) = (of.next_out(), of.next_in());
        self.events.push(LineEvent::NumbersSet { session, next_out, next_in });
        (next_out, next_in)
    }

    /// Logs out what is logged on, gives up what has not logged on yet, and has no other connection follow.
    pub(super) fn take_down(&mut self, now: Now, tcp: &mut Stack, index: usize, reason: &str) {
        let seat = &mut self.seats[index];
        seat.stays_down = true;
        match seat.line {
            // One whose Logout is out, or that is over, goes on as it does.
            Line::Up(connection) if seat.session.state() != State::LogonAwaited => {
                let mut wire = Wire::new(now, tcp, connection);
                seat.session.logout(now, &mut wire, reason);
                let written = wire.written;
                let disposition = seat.session.disposition();
                self.show_written(now, tcp, index, connection, written);
                self.after(now, tcp, index, connection, disposition);
            }
            Line::Up(connection) | Line::Connecting(connection) => {
                tcp.abort(now.mono, connection);
            }
            Line::Down(_) => seat.line = Line::Done,
            Line::Closing(connection, deadline) => {
                let deadline = deadline.min(now.mono + LINGER_AT_END);
                seat.line = Line::Closing(connection, deadline);
            }
            Line::Done => {}
        }
    }
}
