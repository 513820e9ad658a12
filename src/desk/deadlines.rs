//! What is due though nothing came: reconnects, session timers, connections that linger.

use super::{Desk, Line, LineFailure, Owner, PeerRefusal, Wire};
use crate::app::{Application, Seated};
use crate::tcp::{Endpoint, Stack};
use crate::time::{Duration, Instant, Now};

/// How often it is looked at whether a session is still closed by its schedule.
const CLOSED_LOOK: Duration = Duration::from_s(60);

impl<A: Application> Desk<A> {
    #[inline(never)]
    pub(super) fn on_deadlines(&mut self, now: Now, tcp: &mut Stack) {
        for index in 0..self.seats.len() {
            self.on_seat_deadline(now, tcp, index);
        }
        if self.without_seat > 0 {
            for index in 0..self.owners.len() {
                let owner = self.owners[index];
                if let Some((connection, deadline)) = owner.deadline()
                    && deadline <= now.mono
                {
                    if matches!(owner, Owner::Unidentified(..)) {
                        self.refuse(tcp, connection, PeerRefusal::LogonTimeout);
                    }
                    self.give_up(now, tcp, connection);
                }
            }
        }
        self.next_timeout = self.earliest_deadline();
    }

    pub(super) fn on_seat_deadline(&mut self, now: Now, tcp: &mut Stack, index: usize) {
        let Some(seat) = self.seats.get_mut(index) else { return };
        match seat.line {
            Line::Down(_) if seat.stays_down => seat.line = Line::Done,
            Line::Down(at) if at <= now.mono => {
                if let Some(closed_for) = seat.note_closed(now) {
                    // The wall clock may be set while we wait: it is looked at again.
                    seat.line = Line::Down(now.mono + closed_for.min(CLOSED_LOOK));
                    seat.turn = 0;
                    return;
                }
                let local = Endpoint { addr: self.local, port: seat.plan.local_port };
                let peer = seat.peer();
                seat.remote = peer;
                match tcp.connect(now.mono, local, peer) {
                    Ok(connection) => {
                        if let Some(terms) = &seat.plan.terms {
                            tcp.set_terms(connection, terms);
                        }
                        seat.line = Line::Connecting(connection);
                        self.own(connection, Owner::Seat(index));
                    }
                    Err(_) => {
                        seat.line = seat.after_loss(now.mono);
                        self.end_line(index, LineFailure::NotBegun);
                    }
                }
            }
            Line::Closing(connection, deadline) if deadline <= now.mono => {
                tcp.abort(now.mono, connection);
            }
            Line::Up(connection) if seat.session.next_timeout() <= now.mono => {
                let mut wire = Wire::new(now, tcp, connection);
                let mut caller = Seated::new(&mut self.app, index, None);
                let readers = &mut self.readers;
                let disposition = seat.session.on_timeout_by(readers, now, &mut wire, &mut caller);
                let (written, logons) = (wire.written, (caller.logons, caller.sent_at_logon));
                self.note_logons(index, logons);
                self.show_written(now, tcp, index, connection, written);
                self.after(now, tcp, index, connection, disposition);
            }
            _ => {}
        }
    }

    pub(super) fn earliest_deadline(&self) -> Instant {
        let seats = self.seats.iter().map(|seat| match seat.line {
            Line::Down(at) | Line::Closing(_, at) => at,
            Line::Up(_) => seat.session.next_timeout(),
            Line::Connecting(_) | Line::Done => Instant::FAR_FUTURE,
        });
        let owners = if self.without_seat > 0 { &self.owners[..] } else { &[] };
        let without_seat = owners.iter().filter_map(|owner| owner.deadline()).map(|(_, at)| at);
        seats.chain(without_seat).min().unwrap_or(Instant::FAR_FUTURE)
    }
}
