//! A strategy that measures: one order at a time, each on the report of the one before.

use hdrhistogram::Histogram;

#[cfg(feature = "hand-over")]
use super::NotTaken;
use super::order::{EXECUTION_REPORT, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Report, Side};
use super::{Application, SessionId};
use crate::fix::{CloseReason, Decimal, Message, Outlet, Sender, Store};
use crate::measure::{coarse_histogram, histogram};
use crate::offload::RxStamp;
use crate::time::Instant;

/// The number expected after a Logon that had the number 1.
const FIRST_AFTER_LOGON: u32 = 2;

/// What one session has done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Orders handed to the session.
    pub orders_sent: u64,
    /// Reports on them.
    pub reports_received: u64,
    /// Messages that were no report on the order in flight.
    pub unexpected: u64,
    /// Times that an order found no room and waits for the next message.
    pub orders_refused: u64,
    /// Orders whose report can no longer come, as the numbers were reset under them.
    pub orders_lost: u64,
    in_flight: Option<(u64, Instant)>,
    next_number: u64,
}

/// Trades a number of orders on every session.
#[derive(Clone, Debug)]
pub struct Taker {
    orders: u64,
    first_number: u64,
    tallies: Vec<Tally>,
    round_trip: Histogram<u64>,
    round_trips: Vec<Histogram<u64>>,
}

impl Taker {
    /// Where the interval [`round_trip`](Taker::round_trip) begins, in words.
    pub const ROUND_TRIP_FROM: &'static str =
        "host clock when rx_burst had returned the frame that led to the order";
    /// Where it ends.
    pub const ROUND_TRIP_TO: &'static str =
        "host clock when rx_burst had returned the frame with its ExecutionReport";

    /// A taker of `orders` orders on each of `sessions` sessions.
    pub fn new(orders: u64, sessions: usize) -> Taker {
        Taker {
            orders,
            first_number: 0,
            tallies: vec![Tally::default(); sessions],
            round_trip: histogram(),
            round_trips: vec![coarse_histogram(); sessions],
        }
    }

    /// The same whose first order has this number in its ClOrdID(11): those of a process before, on the same sessions,
    /// are not used twice.
    #[must_use]
    pub fn numbered_from(mut self, first_number: u64) -> Taker {
        self.first_number = first_number;
        for tally in &mut self.tallies {
            tally.next_number = first_number;
        }
        self
    }

    /// What a session has done.
    pub fn tally(&self, session: SessionId) -> &Tally {
        &self.tallies[usize::from(session.0)]
    }

    /// Whether every order of every session has been reported on.
    pub fn is_done(&self) -> bool {
        self.tallies.iter().all(|tally| tally.reports_received >= self.orders)
    }

    /// Orders reported on, over all sessions.
    pub fn reports_received(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.reports_received).sum()
    }

    /// From an order to its report, peer and network included, over all sessions.
    pub fn round_trip(&self) -> &Histogram<u64> {
        &self.round_trip
    }

    /// The same of one session, to two digits.
    pub fn round_trip_of(&self, session: SessionId) -> &Histogram<u64> {
        &self.round_trips[usize::from(session.0)]
    }

    #[inline]
    fn send_next<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        orders: &mut Sender<'_, S, O>,
    ) {
        let tally = &mut self.tallies[usize::from(session.0)];
        if tally.orders_sent >= self.orders {
            return;
        }
        let number = tally.next_number;
        let now = orders.now();
        let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
            let id = NumberedId::new(b'O', number);
            let order = NewOrderSingle {
                cl_ord_id: id.as_bytes(),
                symbol: b"ESZ6",
                side: if number.is_multiple_of(2) { Side::Buy } else { Side::Sell },
                order_qty: Decimal::new(1 + (number % 9) as i64, 0),
                price: Decimal::new(450_025 + 25 * (number % 8) as i64, -2),
            };
            order.write(encoder, now.utc);
        });
        match sent {
            Ok(_) => {
                tally.orders_sent += 1;
                tally.next_number += 1;
                tally.in_flight = Some((number, now.mono));
            }
            Err(_) => tally.orders_refused += 1,
        }
    }
}

impl Application for Taker {
    fn on_added(&mut self, session: SessionId) {
        let place = usize::from(session.0);
        let sessions = self.tallies.len().max(place + 1);
        self.tallies.resize(sessions, Tally::default());
        self.round_trips.resize_with(sessions, coarse_histogram);
        self.tallies[place] = Tally { next_number: self.first_number, ..Tally::default() };
        self.round_trips[place] = coarse_histogram();
    }

    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let tally = &mut self.tallies[usize::from(session.0)];
        if tally.in_flight.is_some() && orders.next_in() == FIRST_AFTER_LOGON {
            // Both sides began again: no resend will bring the report. Another order takes its place.
            tally.in_flight = None;
            tally.orders_sent -= 1;
            tally.orders_lost += 1;
        }
        // Otherwise the order in flight is still owed a report: the resend brings it.
        if self.tallies[usize::from(session.0)].in_flight.is_none() {
            self.send_next(session, orders);
        }
    }

    fn on_logout(&mut self, _session: SessionId, _reason: CloseReason) {}

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        let tally = &mut self.tallies[usize::from(session.0)];
        let reported = (message.msg_type() == EXECUTION_REPORT)
            .then(|| Report::read(message).ok())
            .flatten()
            .and_then(|report| NumberedId::number(report.cl_ord_id, b'O'));
        match (tally.in_flight, reported) {
            (Some((number, sent_at)), Some(about)) if number == about => {
                tally.in_flight = None;
                tally.reports_received += 1;
                // The next order first: keeping books is in nobody's way.
                self.send_next(session, orders);
                let interval_ns = orders.now().mono.ns_since(sent_at).max(1);
                self.round_trip.saturating_record(interval_ns);
                self.round_trips[usize::from(session.0)].saturating_record(interval_ns);
            }
            (None, _) => {
                tally.unexpected += 1;
                self.send_next(session, orders);
            }
            _ => tally.unexpected += 1,
        }
    }

    /// An order that found no room is tried again.
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        if self.tallies[usize::from(session.0)].in_flight.is_none() {
            self.send_next(session, orders);
        }
    }

    const WANTS_POLL: bool = true;

    /// What each session has done, and its order in flight. Latencies stay with whoever measured them.
    #[cfg(feature = "hand-over")]
    fn hand_over(&self) -> Vec<u8> {
        let tallies: Vec<TallyState> = self.tallies.iter().map(Tally::state).collect();
        // Memory takes all of it.
        postcard::to_allocvec(&tallies).unwrap_or_default()
    }

    #[cfg(feature = "hand-over")]
    fn take_over(
        &mut self,
        state: &[u8],
        place_of: &dyn Fn(SessionId) -> Option<SessionId>,
    ) -> Result<(), NotTaken> {
        let tallies: Vec<TallyState> = postcard::from_bytes(state).map_err(|_| NotTaken)?;
        for (number, of) in (0..=u16::MAX).zip(&tallies) {
            let Some(SessionId(place)) = place_of(SessionId(number)) else { continue };
            *self.tallies.get_mut(usize::from(place)).ok_or(NotTaken)? = Tally::of(of);
        }
        Ok(())
    }
}

/// What is handed over of a session: the five counts of a [`Tally`] in their order, the number of the order in flight and
/// when it was sent, in ns of the clock that goes on, and the next number.
#[cfg(feature = "hand-over")]
type TallyState = ([u64; 5], Option<(u64, u64)>, u64);

#[cfg(feature = "hand-over")]
impl Tally {
    fn state(&self) -> TallyState {
        let counts = [
            self.orders_sent,
            self.reports_received,
            self.unexpected,
            self.orders_refused,
            self.orders_lost,
        ];
        (counts, self.in_flight.map(|(number, at)| (number, at.as_ns())), self.next_number)
    }

    fn of((counts, in_flight, next_number): &TallyState) -> Tally {
        let [orders_sent, reports_received, unexpected, orders_refused, orders_lost] = *counts;
        Tally {
            orders_sent,
            reports_received,
            unexpected,
            orders_refused,
            orders_lost,
            in_flight: in_flight.map(|(number, at)| (number, Instant::from_ns(at))),
            next_number: *next_number,
        }
    }
}
