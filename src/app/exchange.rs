//! The demo exchange: fills every order whole, at its price.

use super::order::{EXECUTION_REPORT, Fill, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId};
use super::{Application, SessionId};
use crate::fix::{FieldError, Message, Outlet, RejectReason, Sender, Store};
use crate::offload::RxStamp;

/// Answers each NewOrderSingle with an ExecutionReport.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    fills: u64,
    refused: u64,
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

    /// Messages that were no order, or orders that lacked a field.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Application for Exchange {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _session: SessionId,
        message: &Message<'_>,
        _stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        if message.msg_type() != NEW_ORDER_SINGLE {
            self.refused += 1;
            orders.reject(message, RejectReason::InvalidMsgType, None);
            return;
        }
        let order = match NewOrderSingle::read(message) {
            Ok(order) => order,
            Err(error) => {
                self.refused += 1;
                let reason = match error {
                    FieldError::Missing => RejectReason::RequiredTagMissing,
                    FieldError::Format | FieldError::Range => RejectReason::DataFormatIncorrect,
                };
                orders.reject(message, reason, None);
                return;
            }
        };
        let now = orders.now().utc;
        let number = self.fills + 1;
        let is_fix42 = message.begin_string() == b"FIX.4.2";
        let sent = orders.send(EXECUTION_REPORT, |encoder| {
            let (order_id, exec_id) =
                (NumberedId::new(b'X', number), NumberedId::new(b'E', number));
            let fill = Fill { order, order_id: order_id.as_bytes(), exec_id: exec_id.as_bytes() };
            fill.write(encoder, now, is_fix42);
        });
        match sent {
            Ok(_) => self.fills = number,
            Err(_) => self.refused += 1,
        }
    }
}
