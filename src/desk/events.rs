//! What becomes of connections, and what that means for their sessions.

use super::{Desk, Line, LineEvent, LineFailure, Owner, PeerRefusal, Wire};
use crate::app::{Application, Passing, Seated, SessionId};
use crate::fix::{CloseReason, State};
use crate::tcp::{Closed, ConnectionId, Event, Stack};
use crate::time::Now;

impl<A: Application> Desk<A> {
    pub(super) fn on_event(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        connection: ConnectionId,
        event: Event,
    ) {
        match (event, self.owner(connection)) {
            (Event::Connected, Owner::Seat(index)) => {
                self.on_connected(now, tcp, index, connection);
            }
            (Event::Connected, _) if self.is_ending => tcp.abort(now.mono, connection),
            (Event::Connected, _) => {
                let deadline = now.mono + self.patience_of(tcp, connection).0;
                self.own(connection, Owner::Unidentified(connection, deadline));
                self.next_timeout = self.next_timeout.min(deadline);
            }
            (Event::Writable, Owner::Seat(index)) => {
                let Some(seat) = self.seats.get_mut(index) else { return };
                let mut wire = Wire::new(now, tcp, connection);
                let mut caller = Seated::new(&mut self.app, index, None);
                let disposition = {
                    let readers = &mut self.readers;
                    seat.session.on_writable_by(readers, now, &mut wire, &mut caller)
                };
                // It is told of a logon once the counterparty has got what it lacked.
                let (written, logons) = (wire.written, (caller.logons, caller.sent_at_logon));
                self.note_logons(index, logons);
                self.show_written(now, tcp, index, connection, written);
                self.after(now, tcp, index, connection, disposition);
            }
            (Event::PeerClosed, Owner::Seat(index)) => {
                let is_logged_out =
                    self.seats.get(index).is_some_and(|seat| seat.session.is_logged_out_by_peer());
                self.end_session(now, index);
                if self.seats.get(index).is_some_and(|seat| seat.line == Line::Up(connection)) {
                    let by_logout = LineFailure::Fix(CloseReason::LogoutByPeer);
                    let why = if is_logged_out { by_logout } else { LineFailure::ByPeer };
                    self.end_line(index, why);
                    self.let_close(now, index, connection);
                }
                tcp.shutdown(now.mono, connection);
            }
            (Event::PeerClosed, Owner::Unidentified(..)) => {
                self.refuse(tcp, connection, PeerRefusal::ClosedBeforeLogon);
                self.let_linger(now, tcp, connection);
            }
            // We have closed, too. What is left is an ACK or two, unless the peer takes nothing: until it is over, or
            // its time.
            (Event::PeerClosed, Owner::Refused(..)) => {}
            (Event::PeerClosed, Owner::Nobody) => tcp.release(connection),
            (Event::Closed(closed), owner) => {
                if matches!(owner, Owner::Unidentified(..)) {
                    self.refuse(tcp, connection, PeerRefusal::ClosedBeforeLogon);
                }
                if let Owner::Seat(index) = owner {
                    self.tell_unacknowledged(tcp, connection, index);
                }
                self.own(connection, Owner::Nobody);
                tcp.release(connection);
                if let Owner::Seat(index) = owner {
                    self.on_closed(now, index, closed);
                }
            }
            (Event::Writable, _) => {}
        }
    }

    pub(super) fn on_connected(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        index: usize,
        connection: ConnectionId,
    ) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        self.counters.lines_connected += 1;
        if let Some(terms) = &seat.plan.terms {
            tcp.set_terms(connection, terms);
        }
        seat.line = Line::Up(connection);
        seat.remote = tcp.info(connection).map_or(seat.peer(), |info| info.remote);
        let (session, peer) = (SessionId(index as u16), seat.remote);
        self.events.push(LineEvent::Connected { session, peer });
        let mut wire = Wire::new(now, tcp, connection);
        seat.session.on_connect(now, &mut wire);
        let disposition = seat.session.disposition();
        let written = wire.written;
        if self.app.wants_bytes() {
            self.app.on_bytes(session, now, Passing::Begun);
        }
        self.show_written(now, tcp, index, connection, written);
        // Its hours may have ended while TCP tried, and its store may refuse the Logon: it ends as it has begun.
        self.after(now, tcp, index, connection, disposition);
        // A SYN-ACK may have carried data.
        if !tcp.readable(connection).is_empty() {
            self.drain(now, tcp, index, connection, None);
        }
    }

    /// Tells a session that its transport is gone, once.
    pub(super) fn end_session(&mut self, now: Now, index: usize) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        if seat.session.state() != State::Disconnected {
            let mut caller = Seated::new(&mut self.app, index, None);
            seat.session.on_disconnect(now, &mut caller);
        }
    }

    pub(super) fn on_closed(&mut self, now: Now, index: usize, closed: Closed) {
        self.end_session(now, index);
        let Some(seat) = self.seats.get_mut(index) else { return };
        self.counters.lines_lost += u64::from(matches!(seat.line, Line::Up(_)));
        let was_used = matches!(seat.line, Line::Up(_) | Line::Connecting(_));
        seat.line = seat.after_loss(now.mono);
        self.next_timeout = now.mono;
        if was_used {
            self.end_line(index, LineFailure::Tcp(closed));
        }
    }

    /// Keeps why a session's line went down, and records it.
    pub(super) fn end_line(&mut self, index: usize, why: LineFailure) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        seat.last_failure = Some(why);
        let (session, peer) = (SessionId(index as u16), seat.remote);
        self.events.push(LineEvent::Ended { session, peer, why });
    }
}
