//! A strategy on a core of its own, behind two lock-free single-producer single-consumer rings.
//!
//! The polling core turns each message into a small event and pushes it; the strategy pops events
//! and pushes commands; the polling core encodes them. Neither ever waits for the other: a full
//! ring refuses, and the refusal counts.

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
    commands: Consumer<B::Command>,
    established: Box<[bool]>,
    counters: RemoteCounters,
}

/// What was refused, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCounters {
    /// Events lost because the strategy did not keep up.
    pub events_lost: u64,
    /// Commands for a session that was not established, or that could not be written.
    pub commands_refused: u64,
}

/// The strategy's end.
#[derive(Debug)]
pub struct Strategy<B: Bridge> {
    /// What has happened. Pop it in a loop.
    pub events: Consumer<B::Event>,
    /// What is to be sent. A push that is refused may be tried again.
    pub commands: Producer<B::Command>,
}

/// Two ends for `sessions` sessions, joined by rings of `capacity` entries each way.
pub fn pair<B: Bridge>(sessions: usize, capacity: usize) -> (Remote<B>, Strategy<B>) {
    let (events_in, events_out) = RingBuffer::new(capacity);
    let (commands_in, commands_out) = RingBuffer::new(capacity);
    let remote = Remote {
        events: events_in,
        commands: commands_out,
        established: vec![false; sessions].into_boxed_slice(),
        counters: RemoteCounters::default(),
    };
    (remote, Strategy { events: events_out, commands: commands_in })
}

impl<B: Bridge> Remote<B> {
    /// What was refused.
    pub fn counters(&self) -> &RemoteCounters {
        &self.counters
    }

    fn mark(&mut self, session: SessionId, established: bool) {
        if let Some(mark) = self.established.get_mut(usize::from(session.0)) {
            *mark = established;
        }
    }

    fn is_established(&self, session: SessionId) -> bool {
        self.established.get(usize::from(session.0)).copied().unwrap_or(false)
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
        self.mark(session, true);
        self.push(B::logon(session));
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.mark(session, false);
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
        while let Ok(command) = self.commands.peek() {
            let for_session = B::session(command);
            if for_session != session {
                if self.is_established(for_session) {
                    return;
                }
                // It would wait for ever, and the others behind it.
                self.counters.commands_refused += 1;
                let _ = self.commands.pop();
                continue;
            }
            let now = orders.now();
            let sent = orders.send(B::msg_type(command), |encoder| B::write(command, encoder, now));
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
