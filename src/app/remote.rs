//! A strategy on a core of its own, behind lock-free single-producer single-consumer rings.
//!
//! The polling core turns each message into a small event and pushes it; the strategy pops events
//! and pushes commands, into a ring for each session; the polling core encodes them. Neither ever waits for the other: a
//! full ring refuses, and the refusal counts. A session without room keeps its own commands waiting, and nobody else's.
//!
//! With each event goes which life of its session it is of, and with each command which one the strategy had heard of: what was
//! decided before a logout is never sent after the next logon.

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

/// Commands of each session, with the life of it that each was decided in.
type CommandsIn<C> = Box<[Producer<(u32, C)>]>;
type CommandsOut<C> = Box<[Consumer<(u32, C)>]>;

/// The polling core's end.
#[derive(Debug)]
pub struct Remote<B: Bridge> {
    events: Producer<Heard<B::Event>>,
    commands: CommandsOut<B::Command>,
    lives: Lives,
    counters: RemoteCounters,
}

/// What crosses to the strategy.
#[derive(Debug)]
struct Heard<E> {
    session: SessionId,
    /// The session's, when it happened.
    life: u32,
    /// `None` where the strategy wants to know no more than that.
    event: Option<E>,
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
    events: Consumer<Heard<B::Event>>,
    commands: CommandsIn<B::Command>,
    /// As far as it was heard of.
    lives: Lives,
}

impl<B: Bridge> Strategy<B> {
    /// What has happened next; `None` where nothing has since. To be called in a loop.
    #[inline]
    pub fn pop(&mut self) -> Option<B::Event> {
        while let Ok(Heard { session, life, event }) = self.events.pop() {
            self.lives.set(session, life);
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Has a command carried out, if its session is still in the life that the last event [popped](Strategy::pop) of it was
    /// of: what was decided before a logout is never sent after the next logon, whenever it is sent. What is for a session
    /// that is not established waits for its next logon, to be refused then.
    ///
    /// # Errors
    /// The command itself, when the session's ring is full: it may be tried again; or when there is no such session.
    #[inline]
    pub fn send(&mut self, command: B::Command) -> Result<(), B::Command> {
        let session = B::session(&command);
        let life = self.lives.of(session);
        let Some(commands) = self.commands.get_mut(usize::from(session.0)) else {
            return Err(command);
        };
        commands.push((life, command)).map_err(|rtrb::PushError::Full((_, command))| command)
    }
}

/// How often each session was established or ended: odd while it is established.
#[derive(Clone, Debug)]
struct Lives(Box<[u32]>);

impl Lives {
    fn new(sessions: usize) -> Lives {
        Lives(vec![0; sessions].into_boxed_slice())
    }

    #[inline]
    fn of(&self, session: SessionId) -> u32 {
        self.0.get(usize::from(session.0)).copied().unwrap_or(0)
    }

    #[inline]
    fn set(&mut self, session: SessionId, life: u32) {
        if let Some(of) = self.0.get_mut(usize::from(session.0)) {
            *of = life;
        }
    }

    fn begin(&mut self, session: SessionId) {
        self.set(session, self.of(session).wrapping_add(1) | 1);
    }

    fn end(&mut self, session: SessionId) {
        self.set(session, self.of(session).wrapping_add(1) & !1);
    }
}

/// Two ends for `sessions` sessions, joined by a ring of `capacity` events, and one of as many commands for each session.
pub fn pair<B: Bridge>(sessions: usize, capacity: usize) -> (Remote<B>, Strategy<B>) {
    let (events_in, events) = RingBuffer::new(capacity);
    let rings = (0..sessions).map(|_| RingBuffer::new(capacity));
    let (commands, commands_out): (Vec<_>, Vec<_>) = rings.unzip();
    let lives = Lives::new(sessions);
    let remote = Remote {
        events: events_in,
        commands: commands_out.into_boxed_slice(),
        lives: lives.clone(),
        counters: RemoteCounters::default(),
    };
    (remote, Strategy { events, commands: commands.into_boxed_slice(), lives })
}

impl<B: Bridge> Remote<B> {
    /// What was refused.
    pub fn counters(&self) -> &RemoteCounters {
        &self.counters
    }

    #[inline]
    fn push(&mut self, session: SessionId, event: Option<B::Event>) {
        let heard = Heard { session, life: self.lives.of(session), event };
        self.counters.events_lost += u64::from(self.events.push(heard).is_err());
    }

    /// Lets go what was decided in an earlier life, and has had no turn since.
    fn refuse_stale(&mut self, session: SessionId) {
        let life = self.lives.of(session);
        let Some(commands) = self.commands.get_mut(usize::from(session.0)) else { return };
        while commands.peek().is_ok_and(|(of, _)| *of != life) {
            self.counters.commands_refused += 1;
            let _ = commands.pop();
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
        self.refuse_stale(session);
        self.push(session, B::logon(session));
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.lives.end(session);
        self.refuse_stale(session);
        self.push(session, B::logout(session, reason));
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        if let Some(event) = B::event(session, message, stamp, orders.now()) {
            self.push(session, Some(event));
        }
    }

    #[inline]
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let current = self.lives.of(session);
        let Some(commands) = self.commands.get_mut(usize::from(session.0)) else { return };
        while let Ok((life, command)) = commands.peek() {
            let now = orders.now();
            let sent = if *life == current && current % 2 == 1 {
                orders.send(B::msg_type(command), |encoder| B::write(command, encoder, now))
            } else {
                Err(SendError::NotLoggedOn)
            };
            match sent {
                Ok(_) => {}
                // Its turn comes again.
                Err(SendError::Full) => return,
                Err(_) => self.counters.commands_refused += 1,
            }
            let _ = commands.pop();
        }
    }

    const WANTS_POLL: bool = true;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::oracle::sealed;
    use crate::fix::{
        CompId, Full, Handler, MemoryStore, Role, Session, SessionConfig, Version, tags,
    };
    use crate::time::{Instant, UtcTime};

    /// Commands are orders, each for the session that it names.
    struct Orders;

    impl Bridge for Orders {
        type Event = ();
        type Command = SessionId;

        fn event(_: SessionId, _: &Message<'_>, _: Option<RxStamp>, _: Now) -> Option<()> {
            None
        }

        fn logon(_: SessionId) -> Option<()> {
            Some(())
        }

        fn logout(_: SessionId, _: CloseReason) -> Option<()> {
            None
        }

        fn session(command: &SessionId) -> SessionId {
            *command
        }

        fn msg_type(_: &SessionId) -> &[u8] {
            b"D"
        }

        fn write(_: &SessionId, encoder: &mut Encoder<'_>, _: Now) {
            encoder.put_str(tags::CL_ORD_ID, "a");
        }
    }

    /// A line whose peer reads, or does not.
    struct Line {
        reads: bool,
        slot: Vec<u8>,
        commits: usize,
    }

    impl Outlet for Line {
        fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
            self.slot.resize(len, 0);
            if self.reads { Ok(&mut self.slot) } else { Err(Full) }
        }

        fn commit(&mut self, _: usize) {
            self.commits += 1;
        }
    }

    struct Nobody;

    impl Handler for Nobody {
        fn on_message<S: Store, O: Outlet>(&mut self, _: &Message<'_>, _: &mut Sender<'_, S, O>) {}
    }

    fn now() -> Now {
        let utc = UtcTime::from_unix_ns(1_767_323_045 * 1_000_000_000);
        Now { mono: Instant::from_ms(1_000), utc }
    }

    fn established() -> (Session, Line) {
        let id = |text| CompId::new(text).unwrap();
        let config = SessionConfig::new(Version::Fix44, Role::Acceptor, id("US"), id("THEM"));
        let mut session = Session::new(config, MemoryStore::new(16, 4_096));
        let mut line = Line { reads: true, slot: Vec::new(), commits: 0 };
        session.on_connect(now(), &mut line);
        let body = "35=A|34=1|49=THEM|52=20260102-03:04:05|56=US|98=0|108=30|";
        let logon = sealed("FIX.4.4", body);
        let _ = session.on_bytes(now(), &logon, &mut line, &mut Nobody);
        assert_eq!(line.commits, 1);
        (session, line)
    }

    #[test]
    fn a_session_without_room_keeps_nobody_else_s_orders_waiting() {
        let (mut remote, mut strategy) = pair::<Orders>(2, 4);
        let mut lines = [established(), established()];
        let ids = [SessionId(0), SessionId(1)];
        for (id, (session, line)) in ids.into_iter().zip(&mut lines) {
            remote.on_logon(id, &mut session.sender(now(), line));
            assert_eq!(strategy.pop(), Some(()));
        }
        lines[0].1.reads = false;
        for _ in 0..3 {
            for id in ids {
                strategy.send(id).unwrap();
            }
        }
        let poll = |remote: &mut Remote<Orders>, lines: &mut [(Session, Line); 2]| {
            for (id, (session, line)) in ids.into_iter().zip(lines) {
                remote.on_poll(id, &mut session.sender(now(), line));
            }
        };
        poll(&mut remote, &mut lines);
        assert_eq!([lines[0].1.commits, lines[1].1.commits], [1, 4]);
        // Its own wait, as many as there is room for.
        assert_eq!(strategy.send(ids[0]), Ok(()));
        assert_eq!(strategy.send(ids[0]), Err(ids[0]));
        assert_eq!(strategy.send(SessionId(2)), Err(SessionId(2)), "there is none");
        lines[0].1.reads = true;
        poll(&mut remote, &mut lines);
        assert_eq!([lines[0].1.commits, lines[1].1.commits], [5, 4]);
        assert_eq!(remote.counters().commands_refused, 0);
    }

    #[test]
    fn a_life_is_odd_while_the_session_is_established() {
        let mut lives = Lives::new(1);
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
