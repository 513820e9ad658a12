//! A worked strategy: it quotes both sides of one instrument and moves its quotes with each fill.
//!
//! ```text
//! cargo run --release --example quoting              # on the polling core
//! cargo run --release --example quoting -- --remote  # on a core of its own, behind rings
//! ```
//!
//! It trades over fixwire's own TCP with the demo exchange, on two NIC models joined by a wire in
//! memory, so that it runs anywhere. On a TAP or a NIC the strategy is the same: only the device that
//! the engine is given differs.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixwire::app::exchange::Exchange;
use fixwire::app::order::{
    EXECUTION_REPORT, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Report, Side,
};
use fixwire::app::remote::{self, Bridge, Strategy};
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::engine::{Engine, Setup};
use fixwire::fix::{
    CloseReason, CompId, Decimal, Encoder, Message, Outlet, Role, Sender, SessionConfig, Store,
    Version,
};
use fixwire::neighbor::Network;
use fixwire::offload::RxStamp;
use fixwire::offload::device::Device;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::steer;
use fixwire::tcp::{Config, Endpoint};
use fixwire::time::{Clock, Duration, Now};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::clock::HostClock;
use fixwire_hw::sim::{self, SimBackend, SimNic};

const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const FILLS: u64 = 10_000;
/// The price is in hundredths; a quote stands this far from the middle.
const HALF_SPREAD: i64 = 25;

/// The decision itself, the same wherever it runs: quote around a middle that leans against the
/// position.
#[derive(Clone, Copy, Debug)]
struct Quoter {
    middle: i64,
    position: i64,
    last: Side,
    quotes: u64,
    fills: u64,
}

#[derive(Clone, Copy, Debug)]
struct Quote {
    number: u64,
    side: Side,
    price: i64,
}

impl Quoter {
    fn new() -> Quoter {
        Quoter { middle: 450_000, position: 0, last: Side::Buy, quotes: 0, fills: 0 }
    }

    /// The next quote: the side that brings the position back, or else to buy.
    fn quote(&mut self) -> Quote {
        let side = if self.position > 0 { Side::Sell } else { Side::Buy };
        let price = match side {
            Side::Buy => self.middle - HALF_SPREAD,
            Side::Sell => self.middle + HALF_SPREAD,
        };
        let number = self.quotes;
        self.quotes += 1;
        self.last = side;
        Quote { number, side, price }
    }

    /// A fill moves the position, and the middle with it.
    fn on_fill(&mut self, number: u64) -> Option<Quote> {
        if number + 1 != self.quotes {
            return None;
        }
        self.fills += 1;
        self.position += if self.last == Side::Buy { 1 } else { -1 };
        self.middle -= self.position.signum();
        (self.fills < FILLS).then(|| self.quote())
    }
}

fn write(quote: &Quote, encoder: &mut Encoder<'_>, now: Now) {
    let id = NumberedId::new(b'Q', quote.number);
    let order = NewOrderSingle {
        cl_ord_id: id.as_bytes(),
        symbol: b"ESZ6",
        side: quote.side,
        order_qty: Decimal::new(1, 0),
        price: Decimal::new(quote.price, -2),
    };
    order.write(encoder, now.utc);
}

fn filled(message: &Message<'_>) -> Option<u64> {
    let report = (message.msg_type() == EXECUTION_REPORT).then(|| Report::read(message).ok())??;
    NumberedId::number(report.cl_ord_id, b'Q')
}

/// On the polling core: the quote is encoded into the stream before the report's frame is let go.
impl Application for Quoter {
    fn on_logon<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        orders: &mut Sender<'_, S, O>,
    ) {
        let (quote, now) = (self.quote(), orders.now());
        let _ = orders.send(NEW_ORDER_SINGLE, |encoder| write(&quote, encoder, now));
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        let Some(quote) = filled(message).and_then(|number| self.on_fill(number)) else { return };
        let now = orders.now();
        let _ = orders.send(NEW_ORDER_SINGLE, |encoder| write(&quote, encoder, now));
    }
}

/// On a core of its own: events in, quotes out.
struct QuoterBridge;

enum Seen {
    LoggedOn,
    Filled(u64),
}

impl Bridge for QuoterBridge {
    type Event = Seen;
    type Command = Quote;

    fn event(_: SessionId, message: &Message<'_>, _: Option<RxStamp>, _: Now) -> Option<Seen> {
        filled(message).map(Seen::Filled)
    }

    fn logon(_: SessionId) -> Option<Seen> {
        Some(Seen::LoggedOn)
    }

    fn logout(_: SessionId, _: CloseReason) -> Option<Seen> {
        None
    }

    fn session(_: &Quote) -> SessionId {
        SessionId(0)
    }

    fn msg_type(_: &Quote) -> &[u8] {
        NEW_ORDER_SINGLE
    }

    fn write(quote: &Quote, encoder: &mut Encoder<'_>, now: Now) {
        write(quote, encoder, now);
    }
}

/// The strategy's own loop. Returns the fills once all are in.
fn quote_remotely(mut ends: Strategy<QuoterBridge>, done: &AtomicBool) -> u64 {
    let mut quoter = Quoter::new();
    while quoter.fills < FILLS {
        let Some(event) = ends.pop() else {
            std::thread::yield_now();
            continue;
        };
        let quote = match event {
            Seen::LoggedOn => Some(quoter.quote()),
            Seen::Filled(number) => quoter.on_fill(number),
        };
        if let Some(quote) = quote {
            // One quote is ever on its way: the ring has room.
            let _ = ends.send(quote);
        }
    }
    done.store(true, Ordering::Release);
    quoter.fills
}

fn main() -> Result<(), Box<dyn Error>> {
    let is_remote = std::env::args().any(|arg| arg == "--remote");
    let fills = if is_remote {
        let (remote, ends) = remote::pair::<QuoterBridge>(1, 1024);
        let done = Arc::new(AtomicBool::new(false));
        let strategy = std::thread::spawn({
            let done = Arc::clone(&done);
            move || quote_remotely(ends, &done)
        });
        trade(remote, |_| done.load(Ordering::Acquire))?;
        strategy.join().map_err(|_| "the strategy's thread panicked")?
    } else {
        trade(Quoter::new(), |quoter| quoter.fills == FILLS)?.fills
    };
    println!("{fills} fills");
    Ok(())
}

/// Trades with the demo exchange over two NIC models until `is_done`, and gives the application back.
fn trade<A: Application>(app: A, is_done: impl Fn(&A) -> bool) -> Result<A, Box<dyn Error>> {
    let clock = HostClock::new();
    let (near, far, wire) = sim::pair(sim::Config::default(), 0);
    let (near_mac, far_mac) = (Mac(near.mac()), Mac(far.mac()));
    let mut engine = engine(near, near_mac, OURS, Role::Initiator, app)?;
    let mut exchange = engine_of(far, far_mac)?;
    while !is_done(engine.app()) {
        wire.set_now(clock.now().mono);
        engine.poll(&clock);
        exchange.poll(&clock);
    }
    let interval = engine.intervals().frame_to_order();
    if !interval.is_empty() {
        let median_ns = interval.value_at_quantile(0.5);
        println!("frame to order, median: {median_ns} ns by this host's clock, on a NIC model");
    }
    Ok(engine.into_app())
}

fn engine_of(backend: SimBackend, mac: Mac) -> Result<Engine<SimNic, Exchange>, Box<dyn Error>> {
    engine(backend, mac, THEIRS, Role::Acceptor, Exchange::new())
}

/// A device from probe to run, and an engine on it.
fn engine<A: Application>(
    backend: SimBackend,
    mac: Mac,
    addr: Ipv4Addr,
    role: Role,
    app: A,
) -> Result<Engine<SimNic, A>, Box<dyn Error>> {
    let network = Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 };
    let desk = CompId::new("DESK").ok_or("a CompID")?;
    let venue = CompId::new("VENUE").ok_or("a CompID")?;
    let (sender, target) = if role == Role::Initiator { (desk, venue) } else { (venue, desk) };
    let session = SessionPlan {
        reconnect_interval: Duration::from_s(1),
        ..SessionPlan::new(
            SessionConfig::new(Version::Fix44, role, sender, target),
            Endpoint { addr: THEIRS, port: 9878 },
        )
    };
    let rules = steer::rules(addr, None, std::slice::from_ref(&session), &[])?;
    let device = Device::probed(backend).plan(&Profile::all(Policy::Prefer), rules);
    let (nic, plan) = device.configure()?.start()?.steer()?;
    // A real run takes a secret that nobody can guess.
    let secret = [7; 16];
    let setup = Setup { network, tcp: Config::default(), secret, sessions: vec![session] };
    Ok(Engine::new(nic, plan, setup, app)?)
}
