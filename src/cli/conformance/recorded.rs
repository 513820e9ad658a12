//! An application of which every message is kept, on a day that stands still.

use fixwire::app::{Application, SessionId};
use fixwire::fix::{CloseReason, Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::stamp::ClockId;
use fixwire::time::{Clock, Now, UtcTime};
use fixwire_hw::sim::{End, Wire};

/// What every message says: whatever a line does to frames, messages are the same.
const UTC: UtcTime = UtcTime::from_unix_ns(1_767_225_600_000_000_000);

/// The wire's clock, on a day that stands still.
pub(super) struct Frozen<'a>(pub(super) &'a Wire);

impl Clock for Frozen<'_> {
    fn now(&self) -> Now {
        Now { utc: UTC, ..self.0.now() }
    }
}

/// An application, and every message that it was given.
pub(super) struct Recorded<A> {
    pub(super) app: A,
    pub(super) stream: Vec<u8>,
    /// How many messages it was given.
    pub(super) messages: u64,
    /// Messages that came without a stamp, or with another than the clock's reading at that moment.
    pub(super) stamps_wrong: u64,
    wire: Wire,
    end: End,
}

impl<A> Recorded<A> {
    /// At this end of the wire.
    pub(super) fn new(app: A, wire: &Wire, end: End) -> Recorded<A> {
        let wire = wire.clone();
        Recorded { app, stream: Vec::new(), messages: 0, stamps_wrong: 0, wire, end }
    }

    /// Whether a stamp is of now. The wire's clock moves on only once all that has arrived is taken in: a
    /// message is given to its application at the moment at which its last frame arrived.
    fn is_of_now(&self, stamp: &RxStamp) -> bool {
        let now = self.wire.now().mono;
        stamp.ticks
            == match stamp.clock {
                ClockId::HOST => now.as_ns(),
                _ => self.wire.clock_at(self.end, now),
            }
    }
}

impl<A: Application> Application for Recorded<A> {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.stream.extend_from_slice(b"logon\n");
        self.app.on_logon(session, orders);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.stream.extend_from_slice(format!("logout {reason}\n").as_bytes());
        self.app.on_logout(session, reason);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.stream.extend_from_slice(message.bytes());
        self.stream.push(b'\n');
        self.messages += 1;
        let is_right = stamp.is_some_and(|stamp| self.is_of_now(&stamp));
        self.stamps_wrong += u64::from(!is_right);
        self.app.on_message(session, message, stamp, orders);
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.app.on_poll(session, orders);
    }

    const WANTS_POLL: bool = A::WANTS_POLL;
}
