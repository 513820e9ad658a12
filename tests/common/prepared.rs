//! What sends orders in prepared frames: a strategy that counts what comes back, and the order itself.

use fixwire::app::order::{NewOrderSingle, Side};
use fixwire::app::{Application, SessionId};
use fixwire::engine::Engine;
use fixwire::fix::{Decimal, Encoder, Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::nic::Nic;
use fixwire::time::UtcTime;

pub const SESSION: SessionId = SessionId(0);

/// Counts what comes back.
#[derive(Default)]
pub struct Strategy {
    pub is_up: bool,
    pub reports: u64,
}

impl Application for Strategy {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, _: &mut Sender<'_, S, O>) {
        self.is_up = true;
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.reports += 1;
    }
}

pub fn order(encoder: &mut Encoder<'_>, now: UtcTime) {
    let order = NewOrderSingle {
        cl_ord_id: b"O1",
        symbol: b"MSFT",
        side: Side::Buy,
        order_qty: Decimal::new(100, 0),
        price: Decimal::new(12_345, -2),
    };
    order.write(encoder, now);
}

/// What the engine has counted by that name.
pub fn count<N: Nic, A: Application>(engine: &Engine<N, A>, name: &str) -> u64 {
    engine.counters().find(|(found, _)| *found == name).unwrap().1
}
