//! Sessions that come and go while others trade, and those that are open by a schedule: two engines in virtual time.

mod hours;
mod identity;
mod operators;
mod peers;
mod roster;

use fixwire::app::echo::Echo;
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::desk::{
    LineEvent, LineFailure, PeerRefusal, RosterError, SessionPlan, SessionRefusal, SessionStatus,
};
use fixwire::fix::{
    CloseReason, CompId, Message, Outlet, Role, Schedule, Sender, SessionConfig, State, Store,
    SubIds, Version, Window,
};
use fixwire::offload::RxStamp;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, UtcTime};
use fixwire_hw::sim::Faults;

use crate::common::{OURS, PORT, Pair, THEIRS, Terms};

const HOUR: Duration = Duration::from_s(3_600);

/// Writes down who logs on and off, and sends an order with each logon.
#[derive(Default)]
struct Diary {
    logons: Vec<u16>,
    logouts: Vec<(u16, CloseReason)>,
    orders: Vec<u16>,
    added: Vec<u16>,
}

impl Application for Diary {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.logons.push(session.0);
        orders.send(b"D", |order| _ = order.put_u32(38, 1)).expect("an order leaves");
    }

    fn on_added(&mut self, session: SessionId) {
        self.added.push(session.0);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.logouts.push((session.0, reason));
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.orders.push(session.0);
    }
}

type Both = Pair<Diary, Diary>;

fn pair() -> Both {
    let mut pair = Pair::with_apps(Terms::default(), Diary::default(), Diary::default());
    pair.run_for(Duration::from_s(1));
    pair
}

fn plan(role: Role, desk: &str, tune: impl FnOnce(&mut SessionConfig)) -> SessionPlan {
    let id = |text| CompId::new(text).unwrap();
    let (ours, theirs) = if role == Role::Initiator { (desk, "VENUE") } else { ("VENUE", desk) };
    let mut config = SessionConfig::new(Version::Fix44, role, id(ours), id(theirs));
    tune(&mut config);
    let peer = Endpoint { addr: THEIRS, port: PORT };
    SessionPlan { reconnect_interval: Duration::from_s(1), ..SessionPlan::new(config, peer) }
}

/// Adds a session on both sides.
fn add(pair: &mut Both, desk: &str, tune: impl Fn(&mut SessionConfig)) -> [SessionId; 2] {
    let now = pair.wire.now();
    let theirs = pair.theirs.add_session(now, plan(Role::Acceptor, desk, &tune)).unwrap();
    let ours = pair.ours.add_session(now, plan(Role::Initiator, desk, &tune)).unwrap();
    [ours, theirs]
}

fn status(pair: &Both, session: SessionId) -> SessionStatus<'_> {
    pair.ours.desk().statuses().nth(usize::from(session.0)).unwrap()
}

/// Open for an hour, closed for an hour, twice, from an hour after `start`.
fn schedule(start: UtcTime) -> Schedule {
    let at = |hours: u64| UtcTime::from_unix_ns(start.as_unix_ns() + HOUR.times(hours).as_ns());
    let windows = [1, 3].map(|hour| Window { start: at(hour), end: at(hour + 1) });
    Schedule::new(windows.into()).unwrap()
}
