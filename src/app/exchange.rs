//! The demo exchange: fills every order whole, at its price.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

#[cfg(feature = "hand-over")]
use super::NotTaken;
use super::order::{EXECUTION_REPORT, Fill, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Side};
use super::{Application, SessionId, refuse_logged_out};
use crate::fix::{
    BusinessRejectReason, Decimal, FieldError, Message, Outlet, RejectReason, SendError, Sender,
    Store, Version,
};
use crate::offload::RxStamp;
use crate::time::UtcTime;

/// Orders that wait for room to be reported on, over all sessions. Past that they are refused.
const WAITING_MAX: usize = 1024;
/// The longest ClOrdID and Symbol that a waiting order keeps, in bytes.
const TEXT_LEN_MAX: usize = 64;

/// The longest OrderID and ExecID: a letter, the run's eight characters, a dash, a number.
const ID_LEN_MAX: usize = 30;

/// Answers each NewOrderSingle with an ExecutionReport.
#[derive(Clone, Debug)]
pub struct Exchange {
    fills: u64,
    /// What its identifiers have in common and no other process's: when this one filled its first order.
    run: Option<Run>,
    refused: u64,
    waiting: VecDeque<Waiting>,
}

/// An order whose report found no room yet.
#[derive(Clone, Debug)]
struct Waiting {
    session: SessionId,
    cl_ord_id: ArrayVec<u8, TEXT_LEN_MAX>,
    symbol: ArrayVec<u8, TEXT_LEN_MAX>,
    side: Side,
    order_qty: Decimal,
    price: Decimal,
    is_before_fix43: bool,
}

impl Waiting {
    fn new(
        session: SessionId,
        order: &NewOrderSingle<'_>,
        is_before_fix43: bool,
    ) -> Option<Waiting> {
        Some(Waiting {
            session,
            cl_ord_id: ArrayVec::try_from(order.cl_ord_id).ok()?,
            symbol: ArrayVec::try_from(order.symbol).ok()?,
            side: order.side,
            order_qty: order.order_qty,
            price: order.price,
            is_before_fix43,
        })
    }

    fn order(&self) -> NewOrderSingle<'_> {
        NewOrderSingle {
            cl_ord_id: &self.cl_ord_id,
            symbol: &self.symbol,
            side: self.side,
            order_qty: self.order_qty,
            price: self.price,
        }
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Exchange { fills: 0, run: None, refused: 0, waiting: VecDeque::with_capacity(WAITING_MAX) }
    }
}

impl Exchange {
    /// An exchange that has filled nothing yet.
    pub fn new() -> Exchange {
        Exchange::default()
    }

    /// Orders filled.
    pub fn fills(&self) -> u64 {
        self.fills
    }

    /// Messages that were no order, orders that lacked a field, orders that found no place to wait or came behind our Logout,
    /// and those that waited when their session was removed and its place was given to another one.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn refuse<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reason: RejectReason,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.refused += 1;
        orders.reject(message, reason, None);
    }

    fn report<S: Store, O: Outlet>(
        &mut self,
        order: NewOrderSingle<'_>,
        is_before_fix43: bool,
        orders: &mut Sender<'_, S, O>,
    ) -> Result<(), SendError> {
        let (number, now) = (self.fills + 1, orders.now().utc);
        let run = *self.run.get_or_insert_with(|| Run::of(now));
        orders.send(EXECUTION_REPORT, |encoder| {
            let (order_id, exec_id) = (run.id(b'X', number), run.id(b'E', number));
            let fill = Fill { order, order_id: &order_id, exec_id: &exec_id };
            fill.write(encoder, now, is_before_fix43);
        })?;
        self.fills = number;
        Ok(())
    }
}

/// When a process began, by which its identifiers are told from those of one before it: an ExecID(17) is unique for a day
/// (FIX 4.4 Vol. 4, ExecutionReport).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run([u8; 8]);

impl Run {
    /// Milliseconds since 1970 to the base of 36: they fit until 2059.
    fn of(now: UtcTime) -> Run {
        let mut rest = now.as_unix_ns() / 1_000_000;
        let mut text = [0; 8];
        for character in text.iter_mut().rev() {
            *character = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize];
            rest /= 36;
        }
        Run(text)
    }

    /// `letter`, the run, and the number within it.
    fn id(self, letter: u8, number: u64) -> ArrayVec<u8, ID_LEN_MAX> {
        let mut id = ArrayVec::new();
        id.push(letter);
        id.extend(self.0);
        id.extend(NumberedId::new(b'-', number).as_bytes().iter().copied());
        id
    }
}

impl Application for Exchange {
    /// What waited for room is of the session that had this place before: its successor never sent those orders.
    fn on_added(&mut self, session: SessionId) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.session != session);
        self.refused += (before - self.waiting.len()) as u64;
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        if message.msg_type() != NEW_ORDER_SINGLE {
            self.refused += 1;
            let reason = BusinessRejectReason::UnsupportedMessageType;
            let text = "only NewOrderSingle is dealt with";
            // What finds no room now is told by the session, whose Reject waits for it.
            if orders.reject_business(message, reason, None, text).is_err() {
                orders.reject_in_words(message, RejectReason::InvalidMsgType, text);
            }
            return;
        }
        let order = match NewOrderSingle::read(message) {
            Ok(order) => order,
            Err(FieldError::Missing) => {
                return self.refuse(message, RejectReason::RequiredTagMissing, orders);
            }
            Err(FieldError::Format | FieldError::Range) => {
                return self.refuse(message, RejectReason::DataFormatIncorrect, orders);
            }
        };
        let is_before_fix43 = orders.version() < Version::Fix43;
        let in_turn = self.waiting.iter().all(|waiting| waiting.session != session);
        let sent = if in_turn {
            self.report(order, is_before_fix43, orders)
        } else if orders.is_active() {
            Err(SendError::Full)
        } else {
            Err(SendError::NotLoggedOn)
        };
        match sent {
            Ok(()) => {}
            Err(SendError::Full) => match Waiting::new(session, &order, is_before_fix43) {
                Some(waiting) if self.waiting.len() < WAITING_MAX => {
                    self.waiting.push_back(waiting);
                }
                _ => self.refuse(message, RejectReason::ValueIncorrect, orders),
            },
            Err(SendError::NotLoggedOn) => {
                self.refused += 1;
                refuse_logged_out(message, orders);
            }
            Err(_) => self.refuse(message, RejectReason::ValueIncorrect, orders),
        }
    }

    /// Reports that found no room are tried again, in their order.
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        while let Some(at) = self.waiting.iter().position(|waiting| waiting.session == session) {
            let waiting = self.waiting[at].clone();
            if let Err(SendError::Full) =
                self.report(waiting.order(), waiting.is_before_fix43, orders)
            {
                return;
            }
            let _ = self.waiting.remove(at);
        }
    }

    const WANTS_POLL: bool = true;

    /// How many orders it has filled, by which it numbers reports, and orders that wait.
    #[cfg(feature = "hand-over")]
    fn hand_over(&self) -> Vec<u8> {
        let waiting = self.waiting.iter().map(Waiting::state).collect();
        let state = ExchangeState { fills: self.fills, refused: self.refused, waiting };
        // Memory takes all of it.
        postcard::to_allocvec(&state).unwrap_or_default()
    }

    #[cfg(feature = "hand-over")]
    fn take_over(
        &mut self,
        state: &[u8],
        place_of: &dyn Fn(SessionId) -> Option<SessionId>,
    ) -> Result<(), NotTaken> {
        let ExchangeState { fills, refused, waiting } =
            postcard::from_bytes(state).map_err(|_| NotTaken)?;
        if waiting.len() > WAITING_MAX {
            return Err(NotTaken);
        }
        (self.fills, self.refused) = (fills, refused);
        for of in &waiting {
            if let Some(session) = place_of(SessionId(of.session)) {
                self.waiting.push_back(Waiting::of(session, of).ok_or(NotTaken)?);
            }
        }
        Ok(())
    }
}

/// All that is handed over.
#[cfg(feature = "hand-over")]
#[derive(serde::Serialize, serde::Deserialize)]
struct ExchangeState {
    fills: u64,
    refused: u64,
    waiting: Vec<WaitingState>,
}

#[cfg(feature = "hand-over")]
#[derive(serde::Serialize, serde::Deserialize)]
struct WaitingState {
    session: u16,
    cl_ord_id: Vec<u8>,
    symbol: Vec<u8>,
    is_buy: bool,
    /// Mantissa and exponent.
    order_qty: (i64, i8),
    price: (i64, i8),
    is_before_fix43: bool,
}

#[cfg(feature = "hand-over")]
impl Waiting {
    fn state(&self) -> WaitingState {
        let parts = |of: Decimal| (of.mantissa, of.exponent);
        WaitingState {
            session: self.session.0,
            cl_ord_id: self.cl_ord_id.to_vec(),
            symbol: self.symbol.to_vec(),
            is_buy: self.side == Side::Buy,
            order_qty: parts(self.order_qty),
            price: parts(self.price),
            is_before_fix43: self.is_before_fix43,
        }
    }

    fn of(session: SessionId, state: &WaitingState) -> Option<Waiting> {
        let decimal = |(mantissa, exponent)| Decimal::new(mantissa, exponent);
        let order = NewOrderSingle {
            cl_ord_id: &state.cl_ord_id,
            symbol: &state.symbol,
            side: if state.is_buy { Side::Buy } else { Side::Sell },
            order_qty: decimal(state.order_qty),
            price: decimal(state.price),
        };
        Waiting::new(session, &order, state.is_before_fix43)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_of_its_run_and_its_number() {
        let at = |ms: u64| Run::of(UtcTime::from_unix_ns(ms * 1_000_000));
        let (one, next) = (at(1_795_639_740_123), at(1_795_639_740_124));
        assert_eq!(&one.id(b'E', 7)[..], b"EMWWLJEU3-7");
        assert_eq!(one.id(b'E', u64::MAX).len(), ID_LEN_MAX);
        assert_ne!(one.id(b'E', 7), next.id(b'E', 7));
        assert_ne!(one.id(b'E', 7), one.id(b'X', 7));
    }
}
