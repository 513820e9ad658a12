//! The far side of an echo: sends numbered messages, one at a time, and checks what comes back.

use fixwire::app::{Application, SessionId};
use fixwire::fix::{CloseReason, Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;

/// ClOrdID(11).
const ID: u32 = 11;
/// Text(58).
const TEXT: u32 = 58;

/// Every so manyth message is a PossResend of the one before, and the one after that of a type that
/// no echo knows.
const ODD_ONE: u32 = 10;

/// Sends `end` messages on one session.
pub struct Asker {
    pub answered: u32,
    pub unsupported: u32,
    pub repeated: u32,
    end: u32,
    in_flight: bool,
}

impl Asker {
    pub fn new(end: u32) -> Asker {
        Asker { answered: 0, unsupported: 0, repeated: 0, end, in_flight: false }
    }

    pub fn is_done(&self) -> bool {
        self.answered + self.unsupported == self.end
    }

    fn ask<S: Store, O: Outlet>(&mut self, orders: &mut Sender<'_, S, O>) {
        let number = self.answered + self.unsupported;
        if self.in_flight || number == self.end {
            return;
        }
        let text = [b'x'; 90];
        let text = &text[..1 + number as usize % 90];
        if number % ODD_ONE == 1 && self.repeated <= number / ODD_ONE {
            // The order before, once more: no answer may come.
            let sent = orders.send(b"D", |encoder| {
                encoder.put_str(97, "Y").put_u32(ID, number - 1).put_bytes(TEXT, text);
            });
            if sent.is_err() {
                return;
            }
            self.repeated += 1;
        }
        let msg_type: &[u8] = if number % ODD_ONE == 2 { b"8" } else { b"D" };
        let sent = orders.send(msg_type, |encoder| {
            // Out of order: it comes back in ascending order.
            encoder.put_bytes(TEXT, text).put_u32(ID, number);
        });
        self.in_flight = sent.is_ok();
    }
}

impl Application for Asker {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        self.ask(orders);
    }

    fn on_logout(&mut self, _: SessionId, _: CloseReason) {}

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        message: &Message<'_>,
        _: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        let number = self.answered + self.unsupported;
        if number % ODD_ONE == 2 {
            assert_eq!((message.msg_type(), message.field(372)), (&b"j"[..], Some(&b"8"[..])));
            self.unsupported += 1;
        } else {
            assert_eq!((message.msg_type(), message.u32(ID)), (&b"D"[..], Ok(number)));
            assert_eq!(message.field(TEXT).unwrap().len(), 1 + number as usize % 90);
            let mut body =
                message.fields().map(|(tag, _)| tag).filter(|tag| [ID, TEXT].contains(tag));
            assert!(body.next() == Some(ID) && body.next() == Some(TEXT));
            self.answered += 1;
        }
        self.in_flight = false;
        self.ask(orders);
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        self.ask(orders);
    }

    const WANTS_POLL: bool = true;
}
