//! fixwire on the line: the whole engine, its session and a strategy that quotes at each report.

use fixwire::app::order::{
    EXECUTION_REPORT, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Report, Side,
};
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{CompId, Decimal, Message, Outlet, Role, Sender, SessionConfig, Store, Version};
use fixwire::neighbor::Network;
use fixwire::offload::RxStamp;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Instant, Now, UtcTime};

use crate::line::Host;
use crate::messages::{DESK, SENT_AT_UNIX_NS, VENUE};
use crate::nic::{MemoryNic, Sums};
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};

/// The engine.
pub struct FixwireHost {
    engine: Engine<MemoryNic, Quoter>,
    clock: StandingClock,
}

impl FixwireHost {
    /// An engine on a NIC in memory.
    pub fn new(sums: Sums) -> FixwireHost {
        let network = Network {
            mac: HOST_MAC,
            addr: HOST_ADDR,
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let id = |text| CompId::new(text).expect("a CompID");
        let session = SessionPlan {
            config: SessionConfig::new(Version::Fix44, Role::Initiator, id(DESK), id(VENUE)),
            peer: Endpoint { addr: PEER_ADDR, port: PEER_PORT },
            reconnect_interval: Duration::from_s(1),
        };
        let setup =
            Setup { network, tcp: Config::default(), secret: [7; 16], sessions: vec![session] };
        let engine = Engine::new(MemoryNic::new(sums), sums.plan(), setup, Quoter { number: 1 });
        FixwireHost { engine: engine.expect("the session is served"), clock: StandingClock }
    }
}

impl Host for FixwireHost {
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

/// Time is an argument of the rivals, and so it is of ours.
struct StandingClock;

impl Clock for StandingClock {
    #[inline]
    fn now(&self) -> Now {
        Now { mono: Instant::from_ms(1_000), utc: UtcTime::from_unix_ns(SENT_AT_UNIX_NS) }
    }
}

/// Orders again what was filled, a tick away.
struct Quoter {
    number: u64,
}

impl Quoter {
    #[inline]
    fn quote<S: Store, O: Outlet>(
        &mut self,
        order_qty: Decimal,
        price: Decimal,
        orders: &mut Sender<'_, S, O>,
    ) {
        let now = orders.now().utc;
        let id = NumberedId::new(b'O', self.number);
        let order = NewOrderSingle {
            cl_ord_id: id.as_bytes(),
            symbol: b"ESZ6",
            side: Side::Buy,
            order_qty,
            price,
        };
        let sent = orders.send(NEW_ORDER_SINGLE, |encoder| order.write(encoder, now));
        self.number += u64::from(sent.is_ok());
    }
}

impl Application for Quoter {
    fn on_logon<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.quote(Decimal::new(1, 0), Decimal::new(450_025, -2), orders);
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
        let Ok(report) = Report::read(message) else { return };
        let ours = NumberedId::number(report.cl_ord_id, b'O') == Some(self.number - 1);
        if ours && report.leaves_qty.mantissa == 0 {
            let price = Decimal { mantissa: report.last_px.mantissa + 25, ..report.last_px };
            self.quote(report.last_qty, price, orders);
        }
    }
}
