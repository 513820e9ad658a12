//! FIX alone: a message decoded and six of its fields read, an order encoded.

use fixwire::app::order::{EXECUTION_REPORT, NewOrderSingle, Report, Side};
use fixwire::fix::timestamp::Formatter;
use fixwire::fix::{Decimal, Decoder, Encoder, Framed, Precision, frame};
use fixwire::time::UtcTime;

use crate::messages::{self, DESK, SENT_AT_UNIX_NS, VENUE};

/// Messages in rotation, so that none is foreseen.
pub const DISTINCT: usize = 512;

/// What is read of an ExecutionReport: MsgSeqNum, prices and quantities as integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SixFields {
    /// MsgSeqNum(34).
    pub seq: u32,
    /// The digits of ClOrdID(11), added up.
    pub cl_ord_id: u32,
    /// LastPx(31), in hundredths.
    pub last_px: i64,
    /// LastQty(32).
    pub last_qty: i64,
    /// LeavesQty(151).
    pub leaves_qty: i64,
}

/// The reports.
pub fn reports() -> Vec<Vec<u8>> {
    (0..DISTINCT as u32)
        .map(|n| messages::execution_report(100_000 + n, 100_000 + u64::from(n)))
        .collect()
}

/// The same by text search: what every decoder must find.
pub fn six_fields_by_search(message: &[u8]) -> SixFields {
    let text = String::from_utf8_lossy(message);
    let value = |tag: &str| {
        let field = text.split('\x01').find_map(|field| field.strip_prefix(tag));
        field.unwrap_or_else(|| panic!("no {tag}"))
    };
    let digits = |text: &str| text.replace('.', "").parse().expect("digits");
    SixFields {
        seq: value("34=").parse().expect("digits"),
        cl_ord_id: sum_of(value("11=").as_bytes()),
        last_px: digits(value("31=")),
        last_qty: digits(value("32=")),
        leaves_qty: digits(value("151=")),
    }
}

/// What stands for having read an identifier.
#[inline]
pub fn sum_of(text: &[u8]) -> u32 {
    text.iter().map(|byte| u32::from(*byte)).sum()
}

/// fixwire's decoder.
#[derive(Debug, Default)]
pub struct FixwireDecoder(Decoder);

impl FixwireDecoder {
    /// Frames, verifies and decodes a message, and reads it.
    #[inline]
    pub fn read(&mut self, bytes: &[u8]) -> Option<SixFields> {
        let Framed::Complete { len, body } = frame(bytes, 16 * 1024) else { return None };
        let message = self.0.decode(&bytes[..len], body).ok()?;
        if message.fault().is_some() || message.msg_type() != EXECUTION_REPORT {
            return None;
        }
        let report = Report::read(&message).ok()?;
        Some(SixFields {
            seq: message.msg_seq_num().ok()?,
            cl_ord_id: sum_of(report.cl_ord_id),
            last_px: report.last_px.rescaled(-2)?.mantissa,
            last_qty: report.last_qty.mantissa,
            leaves_qty: report.leaves_qty.mantissa,
        })
    }
}

/// fixwire's encoder.
#[derive(Debug, Default)]
pub struct FixwireEncoder(Formatter);

impl FixwireEncoder {
    /// Encodes a NewOrderSingle into `slot`, framing and all.
    #[inline]
    pub fn write(&mut self, slot: &mut [u8], seq: u32, price: i64, quantity: i64) -> usize {
        let now = UtcTime::from_unix_ns(SENT_AT_UNIX_NS);
        let mut encoder = Encoder::begin(slot, &mut self.0, "FIX.4.4", b"D");
        encoder
            .put_u32(34, seq)
            .put_bytes(49, DESK.as_bytes())
            .put_utc(52, now, Precision::Millis)
            .put_bytes(56, VENUE.as_bytes());
        let order = NewOrderSingle {
            cl_ord_id: b"O100000",
            symbol: b"ESZ6",
            side: Side::Buy,
            order_qty: Decimal::new(quantity, 0),
            price: Decimal::new(price, -2),
        };
        order.write(&mut encoder, now);
        encoder.finish().expect("the slot is long enough")
    }
}
