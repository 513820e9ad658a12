//! fixwire with many sessions, of which each report is another's: whose, nobody could foresee.

use fixwire::app::order::NumberedIds;
use fixwire::app::{Application, SessionId};
use fixwire::desk::SessionPlan;
use fixwire::fix::{CompId, Message, Outlet, Role, Sender, SessionConfig, Store, Version};
use fixwire::offload::RxStamp;
use fixwire::tcp::{Config, Endpoint};
use fixwire_hw::large_pages;

use crate::case::Bench;
use crate::fixwire_host::{FixwireHost, Quoter, first_id};
use crate::line::{self, Host};
use crate::messages::{self, DESK, Order};
use crate::nic::{LOADED_MAX, Sums};
use crate::peer::{PEER_ADDR, PEER_PORT, Peer};

/// Reports that each session has had before anything is measured: its messages' shapes are known, and its headers kept.
const REPORTS_BEFORE: usize = 20;
/// Where the counterparties' numbers begin, so that all are of a width.
const FIRST: u32 = 100_000;

/// One strategy for all sessions, with the identifiers of each.
struct Each {
    quoter: Quoter,
    ids: Vec<NumberedIds>,
}

impl Each {
    /// Has the strategy do something with the identifiers of one session.
    #[inline]
    fn by(&mut self, session: SessionId, act: impl FnOnce(&mut Quoter)) {
        let ids = &mut self.ids[usize::from(session.0)];
        core::mem::swap(&mut self.quoter.ids, ids);
        act(&mut self.quoter);
        core::mem::swap(&mut self.quoter.ids, ids);
    }
}

impl Application for Each {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.by(session, |quoter| quoter.on_logon(session, orders));
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.by(session, |quoter| quoter.on_message(session, message, stamp, orders));
    }
}

/// One counterparty, and how far it and its session have come.
struct Counterparty {
    venue: String,
    peer: Peer,
    /// The MsgSeqNum of its next report, and of the order that answers it.
    seq: u32,
    order_seq: u32,
    /// The number of the order that is reported next.
    number: u64,
}

impl Counterparty {
    fn new(place: usize) -> Counterparty {
        let (venue, peer) = (venue(place), Peer::at(port(place)));
        Counterparty { venue, peer, seq: FIRST, order_seq: 3, number: 1 }
    }

    /// The frame with its next report.
    fn report(&mut self) -> Vec<u8> {
        let report = messages::execution_report(self.seq, self.number);
        self.seq += 1;
        self.order_seq += 1;
        self.number += 1;
        self.peer.data(&messages::with_venue(&report, &self.venue), self.answer().len())
    }

    /// What answers the last one.
    fn answer(&self) -> Vec<u8> {
        let order = Order::after_fill(self.order_seq - 1, self.number);
        messages::with_venue(&order.text(0), &self.venue)
    }
}

fn venue(place: usize) -> String {
    format!("VENUE{place:03}")
}

fn port(place: usize) -> u16 {
    PEER_PORT + place as u16
}

/// An engine, and its counterparties: one for each of its sessions, of which there are 1,000 at most.
pub struct Floor<const BURST: usize> {
    host: FixwireHost<Each, BURST>,
    counterparties: Vec<Counterparty>,
    sums: Sums,
    random: u64,
    /// Whose the last report is that the host was given.
    last: usize,
    /// Frames that the host has sent, as far as they were looked at.
    seen: u64,
}

impl<const BURST: usize> Floor<BURST> {
    /// Logs on `count` sessions, and has each answer a few reports.
    pub fn new(sums: Sums, count: usize) -> Floor<BURST> {
        let id = |text: &str| CompId::new(text).expect("a CompID");
        let session = |place| SessionPlan {
            // Each when its counterparty is there.
            starts_down: true,
            ..SessionPlan::new(
                SessionConfig::new(Version::Fix44, Role::Initiator, id(DESK), id(&venue(place))),
                Endpoint { addr: PEER_ADDR, port: port(place) },
            )
        };
        let tcp = Config { connections_max: count, ..Config::default() };
        let app = Each { quoter: Quoter::default(), ids: vec![first_id(); count] };
        let mut floor = Floor {
            host: FixwireHost::of(sums, tcp, (0..count).map(session).collect(), app),
            counterparties: (0..count).map(Counterparty::new).collect(),
            sums,
            random: 0x9e37_79b9_7f4a_7c15,
            last: 0,
            seen: 0,
        };
        (0..count).for_each(|place| floor.log_on(place));
        for turn in 0..REPORTS_BEFORE * count {
            let frame = floor.counterparties[turn % count].report();
            floor.host.load(&[frame]);
            floor.host.step();
        }
        floor.seen = floor.host.sent();
        floor
    }

    /// The same in pages of 2 MiB, as `fixwire` has them that serves so many. It is the whole process whose pages they are.
    ///
    /// # Panics
    /// The kernel makes none.
    pub fn in_large_pages(self) -> Floor<BURST> {
        let gathered = large_pages::gather().expect("/proc");
        assert!(gathered.large > 0, "{gathered:?}: no memory in large pages");
        self
    }

    fn log_on(&mut self, place: usize) {
        self.host.log_on(SessionId(place as u16));
        let Counterparty { venue, peer, .. } = &mut self.counterparties[place];
        line::connect(&mut self.host, peer);
        // Their Logon, which our first order answers; and numbers of one width, to which nothing but an ACK does.
        let first = Order { seq: 2, number: 1, price: 450_025, quantity: 1 };
        let first = messages::with_venue(&first.text(0), venue).len();
        let reset = messages::sequence_reset(2, FIRST);
        for (message, answered) in [(messages::logon(), first), (reset, 0)] {
            let frame = peer.data(&messages::with_venue(&message, venue), answered);
            self.host.load(&[frame]);
            self.host.step();
        }
    }

    fn pick(&mut self) -> usize {
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 20) as usize % self.counterparties.len()
    }
}

impl<const BURST: usize> Bench for Floor<BURST> {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    /// Writes `count` reports, each of a session picked by chance.
    fn prepare(&mut self, count: usize) {
        let mut frames = Vec::with_capacity(count);
        for _ in 0..count {
            self.last = self.pick();
            frames.push(self.counterparties[self.last].report());
        }
        self.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for _ in 0..count.div_ceil(BURST) {
            self.host.step();
        }
    }

    fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "a frame for each report");
        self.seen = sent;
        let frames = self.host.kept();
        let counterparty = &self.counterparties[self.last];
        let payload = counterparty.peer.check(frames[frames.len() - 1], self.sums);
        let expected = counterparty.answer();
        assert_eq!(String::from_utf8_lossy(payload), String::from_utf8_lossy(&expected));
    }
}
