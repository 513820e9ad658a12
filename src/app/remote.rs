//! A strategy on a core of its own, behind two lock-free single-producer single-consumer rings.
//!
//! The polling core turns each message into a small event and pushes it; the strategy pops events
//! and pushes commands; the polling core encodes them. Neither ever waits for the other: a full
//! ring refuses, and the refusal counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Application, SessionId};
use crate::fix::{CloseReason, Encoder, Message, Outlet, SendError, Sender, Store};
use crate::offload::RxStamp;
use crate::time::Now;

/// What crosses between the cores, and how it is read and written.
pub trait Bridge {
    /// What the strategy sees of a message: a few words, copied.
    type Event: Send + 'static;
    /// What the strategy tells the polling core to send.
    type Command: Send + 'static;

    /// Reads an event out of a message; `None` for a message that the strategy does not want.
    fn event(
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        now: Now,
    ) -> Option<Self::Event>;

    /// The event that a session is established.
    fn logon(session: SessionId) -> Option<Self::Event>;

    /// The event that a session has ended.
    fn logout(session: SessionId, reason: CloseReason) -> Option<Self::Event>;

    /// The session that a command is for.
    fn session(command: &Self::Command) -> SessionId;

    /// MsgType(35) of the message that a command sends.
    fn msg_type(command: &Self::Command) -> &[u8];

    /// Writes that message's body.
    fn write(command: &Self::Command, encoder: &mut Encoder<'_>, now: Now);
}

/// The polling core's end.
#[derive(Debug)]
pub struct Remote<B: Bridge> {
    events: Producer<B::Event>,
    commands: Consumer<(u32, B::Command)>,
    lives: Lives,
    counters: RemoteCounters,
}

/// What was refused, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounters {
    /// Events lost because the strategy did not keep up.
    pub events_lost: u64,
    /// Commands for a session that was not established, that had ended since, or that could not be
    /// written.
    pub commands_refused: u64,
}

/// The strategy's end.
#[derive(Debug)]
pub struct Strategy<B: Bridge> {
    /// What has happened. Pop it in a loop.
    pub events: Consumer<B::Event>,
    commands: Producer<(u32, B::Command)>,
    lives: Lives,
}

impl<B: Bridge> Strategy<B> {
    /// Has a command carried out, if its session is still in the life that it is in now: what was
    /// decided before a logout is never sent after the next logon.
    ///
    /// # Errors
    /// The command itself, when the ring is full. It may be tried again.
    pub fn send(&mut self, command: B::Command) -> Result<(), B::Command> {
        let life = self.lives.of(B::session(&command));
        self.commands.push((life, command)).map_err(|rtrb::PushError::Full((_, command))| command)
    }
}

/// How often each session was established or ended: odd while it is established. One writer.
#[derive(Clone, Debug)]
struct Lives(Arc<[AtomicU32]>);

impl Lives {
    fn new(sessions: usize) -> Lives {
        Lives((0..sessions).map(|_| AtomicU32::new(0)).collect())
    }

    #[inline]
    fn of(&self, session: SessionId) -> u32 {
        self.0.get(usize::from(session.0)).map_or(0, |life| life.load(Ordering::Acquire))
    }

    fn begin(&self, session: SessionId) {
        self.change(session, |life| (life + 1) | 1);
    }

    fn end(&self, session: SessionId) {
        self.change(session, |life| (life + 1) & !1);
    }

    fn change(&self, session: SessionId, next: impl Fn(u32) -> u32) {
        if let Some(life) = self.0.get(usize::from(session.0)) {
            life.store(next(life.load(Ordering::Relaxed)), Ordering::Release);
        }
    }
}

/// Two ends for `sessions` sessions, joined by rings of `capacity` entries each way.
pub fn pair<B: Bridge>(sessions: usize, capacity: usize) -> (Remote<B>, Strategy<B>) {
    let (events_in, events) = RingBuffer::new(capacity);
    let (commands, commands_out) = RingBuffer::new(capacity);
    let lives = Lives::new(sessions);
    let remote = Remote {
        events: events_in,
        commands: commands_out,
        lives: lives.clone(),
        counters: RemoteCounters::default(),
    };
    (remote, Strategy { events, commands, lives })
}

impl<B: Bridge> Remote<B> {
    /// What was refused.
    pub fn counters(&self) -> &RemoteCounters {
        &self.counters
    }

    #[inline]
    fn push(&mut self, event: Option<B::Event>) {
        if let Some(event) = event {
            self.counters.events_lost += u64::from(self.events.push(event).is_err());
        }
    }
}

impl<B: Bridge> Application for Remote<B> {
    fn on_logon<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        _orders: &mut Sender<'_, S, O>,
    ) {
        self.lives.begin(session);
        self.push(B::logon(session));
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.lives.end(session);
        self.push(B::logout(session, reason));
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.push(B::event(session, message, stamp, orders.now()));
    }

    #[inline]
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        while let Ok((life, command)) = self.commands.peek() {
            let wanted = B::session(command);
            let is_alive = *life % 2 == 1 && *life == self.lives.of(wanted);
            if is_alive && wanted != session {
                // Its own turn comes.
                return;
            }
            let now = orders.now();
            let sent = if is_alive {
                orders.send(B::msg_type(command), |encoder| B::write(command, encoder, now))
            } else {
                Err(SendError::NotLoggedOn)
            };
            match sent {
                Ok(_) => {}
                Err(SendError::Full) => return,
                Err(_) => self.counters.commands_refused += 1,
            }
            let _ = self.commands.pop();
        }
    }

    const WANTS_POLL: bool = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_odd_while_the_session_is_established() {
        let lives = Lives::new(1);
        let session = SessionId(0);
        let mut seen = vec![lives.of(session)];
        for _ in 0..2 {
            lives.begin(session);
            seen.push(lives.of(session));
            lives.end(session);
            seen.push(lives.of(session));
        }
        assert_eq!(seen, [0, 1, 2, 3, 4]);
        // A session that ends without having begun stays even.
        lives.end(session);
        assert_eq!(lives.of(session) % 2, 0);
        assert_eq!(lives.of(SessionId(9)), 0);
    }
}
