//! fixlite 0.7, with its `checksum` feature, without which nothing is verified. A struct names the
//! fields that are kept; the rest is scanned and skipped.

use ::fixlite::{FixBuilder, FixDeserialize};
use chrono::{DateTime, Utc};

use super::text::{Text, time, unsigned, value};
use crate::fix::{Decode, Encode, Kind, TenFields, mark};
use crate::messages::{DESK, Order, SENT_AT_UNIX_NS, VENUE};

::fixlite::fix_tag_registry!(Plain);

#[derive(FixDeserialize)]
#[fix_registry(Plain)]
struct ReportFields<'a> {
    #[fix(tag = 35)]
    msg_type: &'a str,
    #[fix(tag = 34)]
    seq: &'a str,
    #[fix(tag = 11)]
    cl_ord_id: &'a str,
    #[fix(tag = 52)]
    sent: &'a str,
    #[fix(tag = 60)]
    transacted: &'a str,
    #[fix(tag = 6)]
    avg_px: &'a str,
    #[fix(tag = 31)]
    last_px: &'a str,
    #[fix(tag = 32)]
    last_qty: &'a str,
    #[fix(tag = 14)]
    cum_qty: &'a str,
    #[fix(tag = 151)]
    leaves_qty: &'a str,
    #[fix(tag = 39)]
    ord_status: &'a str,
}

#[derive(FixDeserialize)]
#[fix_registry(Plain)]
struct OrderFields<'a> {
    #[fix(tag = 35)]
    msg_type: &'a str,
    #[fix(tag = 34)]
    seq: &'a str,
    #[fix(tag = 11)]
    cl_ord_id: &'a str,
    #[fix(tag = 52)]
    sent: &'a str,
    #[fix(tag = 60)]
    transacted: &'a str,
    #[fix(tag = 44)]
    price: &'a str,
    #[fix(tag = 38)]
    quantity: &'a str,
    #[fix(tag = 54)]
    side: &'a str,
    #[fix(tag = 40)]
    ord_type: &'a str,
    #[fix(tag = 59)]
    time_in_force: &'a str,
    #[fix(tag = 55)]
    symbol: &'a str,
}

/// Decoder and builder.
pub struct Fixlite {
    builder: FixBuilder,
    sent_at: DateTime<Utc>,
}

impl Default for Fixlite {
    fn default() -> Fixlite {
        Fixlite {
            builder: FixBuilder::new("FIX.4.4", DESK, VENUE),
            sent_at: DateTime::from_timestamp_nanos(SENT_AT_UNIX_NS as i64),
        }
    }
}

impl Decode for Fixlite {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields> {
        let (header, rest) = match kind {
            Kind::Report => {
                let m: ReportFields<'_> = ::fixlite::decode(bytes).ok()?;
                (
                    [m.msg_type, m.seq, m.sent, m.transacted, m.cl_ord_id],
                    [m.avg_px, m.last_px, m.last_qty, m.cum_qty, m.leaves_qty, m.ord_status],
                )
            }
            Kind::Order => {
                let m: OrderFields<'_> = ::fixlite::decode(bytes).ok()?;
                (
                    [m.msg_type, m.seq, m.sent, m.transacted, m.cl_ord_id],
                    [m.price, m.quantity, m.side, m.ord_type, m.time_in_force, m.symbol],
                )
            }
        };
        let [msg_type, seq, sent, transacted, cl_ord_id] = header.map(str::as_bytes);
        if msg_type != kind.msg_type() {
            return None;
        }
        let mut read = [0; 6];
        for ((read, text), (_, kind)) in read.iter_mut().zip(rest).zip(kind.rest()) {
            *read = value(text.as_bytes(), kind)?;
        }
        Some(TenFields {
            seq: unsigned(seq)? as u32,
            sent_ns: time(sent)?,
            transacted_ns: time(transacted)?,
            cl_ord_id: mark(cl_ord_id),
            rest: read,
        })
    }
}

impl Encode for Fixlite {
    #[inline]
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T {
        let message = self
            .builder
            .begin_with(&u64::from(order.seq), &self.sent_at, "D")
            .str(1, "DESK1")
            .str(11, Text::of_id(b'O', order.number).as_str())
            .str(21, "1")
            .field(38, order.quantity as u64)
            .str(40, "2")
            .bytes(44, Text::of_hundredths(order.price).as_bytes())
            .str(54, "1")
            .str(55, "ESZ6")
            .str(59, "0")
            .field_ref(60, &self.sent_at)
            .finish();
        done(message)
    }
}
