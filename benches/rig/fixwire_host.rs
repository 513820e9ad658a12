//! fixwire on the line: the whole engine, its session and a strategy that quotes at each report.

use std::cell::Cell;

use fixwire::app::order::{EXECUTION_REPORT, NEW_ORDER_SINGLE, NumberedId, NumberedIds};
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::encode::Template;
use fixwire::fix::tags::CL_ORD_ID;
use fixwire::fix::{
    CompId, Decimal, Message, Outlet, Precision, Role, Sender, SessionConfig, Store, Version,
};
use fixwire::neighbor::Network;
use fixwire::offload::RxStamp;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Instant, Now};

use crate::line::Host;
use crate::messages::{DESK, VENUE, sent_at};
use crate::nic::{MemoryNic, Sums};
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};

/// Who the host is on the link.
const NETWORK: Network = Network {
    mac: HOST_MAC,
    addr: HOST_ADDR,
    prefix_len: 24,
    gateway: None,
    vlan: None,
    mtu: 1500,
};

/// The engine and its strategy, on a device in memory that hands over `BURST` frames at once.
pub struct FixwireHost<A: Application = Quoter, const BURST: usize = 1> {
    engine: Engine<MemoryNic<BURST>, A>,
    clock: MovingClock,
}

impl FixwireHost {
    /// One with a session.
    pub fn new(sums: Sums) -> FixwireHost {
        let id = |text| CompId::new(text).expect("a CompID");
        let session = SessionPlan {
            reconnect_interval: Duration::from_s(1),
            ..SessionPlan::new(
                SessionConfig::new(Version::Fix44, Role::Initiator, id(DESK), id(VENUE)),
                Endpoint { addr: PEER_ADDR, port: PEER_PORT },
            )
        };
        FixwireHost::of(sums, Config::default(), vec![session], Quoter::default())
    }
}

impl<A: Application, const BURST: usize> FixwireHost<A, BURST> {
    /// One with these sessions and this strategy.
    pub fn of(sums: Sums, tcp: Config, sessions: Vec<SessionPlan>, app: A) -> Self {
        let setup = Setup { network: NETWORK, tcp, secret: [7; 16], sessions };
        let engine = Engine::new(MemoryNic::new(sums), sums.plan(), setup, app);
        FixwireHost {
            engine: engine.expect("the sessions are served"),
            clock: MovingClock::default(),
        }
    }

    /// Has a session connect that stays away.
    pub fn log_on(&mut self, session: SessionId) {
        let now = self.clock.now();
        self.engine.resume_session(now, session).expect("it stays away");
    }
}

impl<A: Application, const BURST: usize> Host for FixwireHost<A, BURST> {
    const HAS_SESSION: bool = true;

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.engine.nic_mut().load(frames);
    }

    #[inline]
    fn step(&mut self) {
        self.engine.poll(&self.clock);
    }

    fn sent(&self) -> u64 {
        self.engine.nic().sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.engine.nic().kept().collect()
    }
}

/// Time is an argument of the rivals, and so it is of ours. It moves on by a nanosecond with each reading,
/// so that no message has the time of another, and stays within the millisecond that all of them say.
#[derive(Default)]
struct MovingClock {
    readings: Cell<u64>,
}

impl Clock for MovingClock {
    #[inline]
    fn now(&self) -> Now {
        let readings = self.readings.get();
        self.readings.set(readings + 1);
        let mono = Instant::from_ns(1_000_000_000 + readings);
        Now { mono, utc: sent_at(readings) }
    }
}

/// Orders again what was filled, a tick away.
pub struct Quoter {
    /// Of the next order.
    pub ids: NumberedIds,
    order: Template<4>,
}

/// Its orders: ClOrdID, OrderQty, Price and TransactTime are each another.
const ORDER: &str = "1=DESK1|11={}|21=1|38={}|40=2|44={}|54=1|55=ESZ6|59=0|60={}|";

/// The identifier of a session's first order.
pub fn first_id() -> NumberedIds {
    NumberedIds::new(b'O', 1)
}

impl Default for Quoter {
    fn default() -> Quoter {
        Quoter { ids: first_id(), order: Template::new(ORDER).expect("a template") }
    }
}

impl Quoter {
    #[inline]
    fn quote<S: Store, O: Outlet>(
        &mut self,
        order_qty: i64,
        price: Decimal,
        orders: &mut Sender<'_, S, O>,
    ) {
        let now = orders.now().utc;
        let id = self.ids.id();
        let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
            encoder
                .fill(&self.order)
                .bytes(id.as_bytes())
                .i64(order_qty)
                .decimal(price)
                .utc(now, Precision::Millis)
                .end();
        });
        if sent.is_ok() {
            self.ids.advance();
        }
    }
}

impl Application for Quoter {
    fn on_logon<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.quote(1, Decimal::new(450_025, -2), orders);
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        if message.msg_type() != EXECUTION_REPORT {
            return;
        }
        // LastPx, LastQty and LeavesQty.
        let (Some(cl_ord_id), Ok(price), Ok(quantity), Ok(leaves)) = (
            message.field(CL_ORD_ID),
            message.scaled(31, 2),
            message.scaled(32, 0),
            message.scaled(151, 0),
        ) else {
            return;
        };
        let ours = NumberedId::number(cl_ord_id, b'O') == Some(self.ids.number() - 1);
        if ours && leaves == 0 {
            self.quote(quantity, Decimal::new(price + 25, -2), orders);
        }
    }
}
