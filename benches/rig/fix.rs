//! FIX alone: a message decoded and six of its fields read, an order encoded.

use fixwire::app::order::{
    EXECUTION_REPORT, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Report, Side,
};
use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Decimal, Decoder, Encoder, Framed, Message, Precision, frame};

use crate::messages::{DESK, Order, VENUE, sent_at};

/// Which of the two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ExecutionReport.
    Report,
    /// A NewOrderSingle.
    Order,
}

impl Kind {
    /// MsgType(35).
    #[inline]
    pub const fn msg_type(self) -> &'static [u8] {
        match self {
            Kind::Report => EXECUTION_REPORT,
            Kind::Order => NEW_ORDER_SINGLE,
        }
    }

    /// The tags of the price and the two numbers that are read.
    #[inline]
    pub const fn numbers(self) -> [u32; 3] {
        match self {
            Kind::Report => [31, 32, 151],
            Kind::Order => [44, 38, 54],
        }
    }
}

/// What is read of a message beside its MsgType(35), which must be the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SixFields {
    /// MsgSeqNum(34).
    pub seq: u32,
    /// [`mark`] of ClOrdID(11).
    pub cl_ord_id: u32,
    /// LastPx(31) or Price(44), in hundredths.
    pub price: i64,
    /// LastQty(32) or OrderQty(38).
    pub quantity: i64,
    /// LeavesQty(151), or the number in Side(54).
    pub rest: i64,
}

/// What stands for having read an identifier.
#[inline]
pub fn mark(text: &[u8]) -> u32 {
    (text.len() as u32) << 8 | text.last().map_or(0, |byte| u32::from(*byte))
}

/// The six fields by text search: what every decoder must find.
pub fn six_fields_by_search(message: &[u8], kind: Kind) -> SixFields {
    let text = String::from_utf8_lossy(message);
    let value = |tag: u32| {
        let tag = format!("{tag}=");
        let field = text.split('\x01').find_map(|field| field.strip_prefix(tag.as_str()));
        field.unwrap_or_else(|| panic!("no {tag} in {text}"))
    };
    let digits = |tag| value(tag).replace('.', "").parse().expect("digits");
    let [price, quantity, rest] = kind.numbers();
    SixFields {
        seq: value(34).parse().expect("digits"),
        cl_ord_id: mark(value(11).as_bytes()),
        price: digits(price),
        quantity: digits(quantity),
        rest: digits(rest),
    }
}

/// Whoever decodes. BodyLength and CheckSum must be verified.
pub trait Decode: Default {
    /// Decodes a message and reads it; `None` for one that is refused.
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<SixFields>;
}

/// Whoever encodes.
pub trait Encode: Default {
    /// BodyLength has so many digits at least.
    const BODY_LENGTH_DIGITS: usize = 0;

    /// Encodes a NewOrderSingle, framing and all, and has `done` look at it.
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T;

    /// Encodes to the front of `room`, and says the length.
    #[inline]
    fn write_into(&mut self, order: &Order, room: &mut [u8]) -> usize {
        self.write(order, |message| {
            room[..message.len()].copy_from_slice(message);
            message.len()
        })
    }
}

/// fixwire's decoder.
#[derive(Debug, Default)]
pub struct FixwireDecoder(Decoder);

impl Decode for FixwireDecoder {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<SixFields> {
        let Framed::Complete(whole) = frame(bytes, 16 * 1024) else { return None };
        let message = self.0.decode(bytes, &whole).ok()?;
        if message.fault().is_some() || message.msg_type() != kind.msg_type() {
            return None;
        }
        match kind {
            Kind::Report => report(&message),
            Kind::Order => order(&message),
        }
    }
}

#[inline]
fn report(message: &Message<'_>) -> Option<SixFields> {
    let report = Report::read(message).ok()?;
    Some(SixFields {
        seq: message.msg_seq_num().ok()?,
        cl_ord_id: mark(report.cl_ord_id),
        price: report.last_px.rescaled(-2)?.mantissa,
        quantity: report.last_qty.mantissa,
        rest: report.leaves_qty.mantissa,
    })
}

#[inline]
fn order(message: &Message<'_>) -> Option<SixFields> {
    let order = NewOrderSingle::read(message).ok()?;
    Some(SixFields {
        seq: message.msg_seq_num().ok()?,
        cl_ord_id: mark(order.cl_ord_id),
        price: order.price.rescaled(-2)?.mantissa,
        quantity: order.order_qty.mantissa,
        rest: if order.side == Side::Buy { 1 } else { 2 },
    })
}

/// fixwire's encoder.
#[derive(Debug)]
pub struct FixwireEncoder {
    formatter: Formatter,
    slot: Box<[u8]>,
}

impl Default for FixwireEncoder {
    fn default() -> FixwireEncoder {
        FixwireEncoder { formatter: Formatter::default(), slot: vec![0; 1024].into_boxed_slice() }
    }
}

impl Encode for FixwireEncoder {
    #[inline]
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T {
        let now = sent_at(order.number);
        let mut encoder = Encoder::begin(&mut self.slot, &mut self.formatter, "FIX.4.4", b"D");
        encoder
            .put_u32(34, order.seq)
            .put_bytes(49, DESK.as_bytes())
            .put_utc(52, now, Precision::Millis)
            .put_bytes(56, VENUE.as_bytes());
        let id = NumberedId::new(b'O', order.number);
        let body = NewOrderSingle {
            cl_ord_id: id.as_bytes(),
            symbol: b"ESZ6",
            side: Side::Buy,
            order_qty: Decimal::new(order.quantity, 0),
            price: Decimal::new(order.price, -2),
        };
        body.write(&mut encoder, now);
        let len = encoder.finish().expect("the slot is long enough");
        done(&self.slot[..len])
    }
}
