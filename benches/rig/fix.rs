//! FIX alone: a message decoded and ten of its fields read, an order encoded.

use fixwire::app::order::{EXECUTION_REPORT, NEW_ORDER_SINGLE, NewOrderSingle, NumberedId, Side};
use fixwire::fix::encode::{Numeral, Opening, Template};
use fixwire::fix::timestamp::{Formatter, Reader};
use fixwire::fix::{Decimal, Decoder, Encoder, Message, Precision};

use crate::messages::{DESK, Order, SENT_AT, SENT_AT_UNIX_NS, VENUE, sent_at};

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

    /// Six fields that are read beside MsgSeqNum, the two times and ClOrdID, and what they are.
    #[inline]
    pub const fn rest(self) -> [(u32, Type); 6] {
        use Type::{Char, Price, Quantity, Text};
        match self {
            Kind::Report => [
                (6, Price),
                (31, Price),
                (32, Quantity),
                (14, Quantity),
                (151, Quantity),
                (39, Char),
            ],
            Kind::Order => {
                [(44, Price), (38, Quantity), (54, Char), (40, Char), (59, Char), (55, Text)]
            }
        }
    }
}

/// As what a field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// In hundredths.
    Price,
    /// An integer.
    Quantity,
    /// One character.
    Char,
    /// Its [`mark`].
    Text,
}

/// What is read of a message beside its MsgType(35), which must be the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenFields {
    /// MsgSeqNum(34).
    pub seq: u32,
    /// SendingTime(52) in nanoseconds since 1970.
    pub sent_ns: u64,
    /// TransactTime(60) in nanoseconds since 1970.
    pub transacted_ns: u64,
    /// [`mark`] of ClOrdID(11).
    pub cl_ord_id: u32,
    /// The fields of [`Kind::rest`].
    pub rest: [i64; 6],
}

/// What stands for having read an identifier.
#[inline]
pub fn mark(text: &[u8]) -> u32 {
    (text.len() as u32) << 8 | text.last().map_or(0, |byte| u32::from(*byte))
}

/// The ten fields by text search: what every decoder must find.
pub fn ten_fields_by_search(message: &[u8], kind: Kind) -> TenFields {
    let text = String::from_utf8_lossy(message);
    let value = |tag: u32| {
        let tag = format!("{tag}=");
        let field = text.split('\x01').find_map(|field| field.strip_prefix(tag.as_str()));
        field.unwrap_or_else(|| panic!("no {tag} in {text}"))
    };
    let time = |tag| {
        assert_eq!(value(tag), SENT_AT);
        SENT_AT_UNIX_NS
    };
    TenFields {
        seq: value(34).parse().expect("digits"),
        sent_ns: time(52),
        transacted_ns: time(60),
        cl_ord_id: mark(value(11).as_bytes()),
        rest: kind.rest().map(|(tag, kind)| match kind {
            Type::Price | Type::Quantity => value(tag).replace('.', "").parse().expect("digits"),
            Type::Char => i64::from(value(tag).as_bytes()[0]),
            Type::Text => i64::from(mark(value(tag).as_bytes())),
        }),
    }
}

/// Whoever decodes. BodyLength and CheckSum must be verified.
pub trait Decode: Default {
    /// Decodes a message and reads it; `None` for one that is refused.
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields>;
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
pub struct FixwireDecoder {
    decoder: Decoder,
    times: Reader,
}

impl Decode for FixwireDecoder {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields> {
        let message = self.decoder.parse(bytes).ok()?;
        if message.fault().is_some() || message.msg_type() != kind.msg_type() {
            return None;
        }
        let fields = Fields { message: &message, times: &mut self.times };
        match kind {
            Kind::Report => fields.report(),
            Kind::Order => fields.order(),
        }
    }
}

/// The same, no message's shape remembered: every field is looked at anew.
#[derive(Debug)]
pub struct FixwireGeneric(FixwireDecoder);

impl Default for FixwireGeneric {
    fn default() -> FixwireGeneric {
        let decoder = Decoder::default().without_shapes();
        FixwireGeneric(FixwireDecoder { decoder, times: Reader::default() })
    }
}

impl Decode for FixwireGeneric {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields> {
        self.0.read(bytes, kind)
    }
}

/// A message whose fields are read.
struct Fields<'m, 'a> {
    message: &'m Message<'a>,
    times: &'m mut Reader,
}

impl Fields<'_, '_> {
    #[inline(always)]
    fn ten(&mut self, rest: [i64; 6]) -> Option<TenFields> {
        let message = self.message;
        Some(TenFields {
            seq: message.msg_seq_num().ok()?,
            sent_ns: self.times.read(message.field(52)?).ok()?.as_unix_ns(),
            transacted_ns: self.times.read(message.field(60)?).ok()?.as_unix_ns(),
            cl_ord_id: mark(message.field(11)?),
            rest,
        })
    }

    #[inline]
    fn report(mut self) -> Option<TenFields> {
        let rest = [
            self.price(6)?,
            self.price(31)?,
            self.quantity(32)?,
            self.quantity(14)?,
            self.quantity(151)?,
            self.char(39)?,
        ];
        self.ten(rest)
    }

    #[inline]
    fn order(mut self) -> Option<TenFields> {
        let symbol = i64::from(mark(self.message.field(55)?));
        let rest = [
            self.price(44)?,
            self.quantity(38)?,
            self.char(54)?,
            self.char(40)?,
            self.char(59)?,
            symbol,
        ];
        self.ten(rest)
    }

    #[inline(always)]
    fn price(&self, tag: u32) -> Option<i64> {
        self.message.scaled(tag, 2).ok()
    }

    #[inline(always)]
    fn quantity(&self, tag: u32) -> Option<i64> {
        self.message.scaled(tag, 0).ok()
    }

    #[inline(always)]
    fn char(&self, tag: u32) -> Option<i64> {
        self.message.char(tag).ok().map(i64::from)
    }
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

/// fixwire's encoder with a template of all that is the same: MsgSeqNum, both times, ClOrdID, quantity and price are put, and
/// the sum is carried along. MsgSeqNum and ClOrdID count.
#[derive(Debug)]
pub struct FixwireTemplate {
    opening: Opening,
    template: Template<6>,
    seq: Numeral,
    id: Numeral,
    formatter: Formatter,
    slot: Box<[u8]>,
}

impl Default for FixwireTemplate {
    fn default() -> FixwireTemplate {
        let text = format!(
            "34={{}}|49={DESK}|52={{}}|56={VENUE}|1=DESK1|11=O{{}}|21=1|38={{}}|40=2|44={{}}|54=1|55=ESZ6|59=0|60={{}}|"
        );
        FixwireTemplate {
            opening: Opening::new("FIX.4.4", b"D").expect("an opening"),
            seq: Numeral::default(),
            id: Numeral::default(),
            template: Template::new(&text).expect("a template"),
            formatter: Formatter::default(),
            slot: vec![0; 1024].into_boxed_slice(),
        }
    }
}

impl Encode for FixwireTemplate {
    #[inline]
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T {
        let now = sent_at(order.number);
        let mut encoder = Encoder::open(&mut self.slot, &mut self.formatter, &self.opening);
        encoder
            .fill(&self.template)
            .numeral(&mut self.seq, order.seq)
            .utc(now, Precision::Millis)
            .numeral(&mut self.id, order.number as u32)
            .i64(order.quantity)
            .decimal(Decimal::new(order.price, -2))
            .utc(now, Precision::Millis)
            .end();
        let len = encoder.finish().expect("the slot is long enough");
        done(&self.slot[..len])
    }
}
