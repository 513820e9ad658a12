//! The two application messages of a fill-or-quote session, read and written in place: orders and
//! reports on them (FIX 4.2 and 4.4, NewOrderSingle and ExecutionReport).

use crate::fix::swar::{self, Numeral};
use crate::fix::tags::{CL_ORD_ID, ORDER_QTY, PRICE, SYMBOL};
use crate::fix::{Decimal, Encoder, FieldError, Message, Precision};
use crate::time::UtcTime;

/// MsgType(35) of NewOrderSingle.
pub const NEW_ORDER_SINGLE: &[u8] = b"D";
/// MsgType(35) of ExecutionReport.
pub const EXECUTION_REPORT: &[u8] = b"8";

/// Tags of these messages by their names in the standard.
mod tag {
    pub(super) const AVG_PX: u32 = 6;
    pub(super) const CUM_QTY: u32 = 14;
    pub(super) const EXEC_ID: u32 = 17;
    pub(super) const EXEC_TRANS_TYPE: u32 = 20;
    pub(super) const LAST_PX: u32 = 31;
    pub(super) const LAST_QTY: u32 = 32;
    pub(super) const ORDER_ID: u32 = 37;
    pub(super) const ORD_STATUS: u32 = 39;
    pub(super) const SIDE: u32 = 54;
    pub(super) const TRANSACT_TIME: u32 = 60;
    pub(super) const EXEC_TYPE: u32 = 150;
    pub(super) const LEAVES_QTY: u32 = 151;
}

/// Account(1), that all orders are for.
const ACCOUNT: &[u8; 8] = b"1=DESK1\x01";
/// HandlInst(21), automated and private.
const HANDL_INST_AUTOMATED: &[u8; 5] = b"21=1\x01";
/// OrdType(40), limit.
const ORD_TYPE_LIMIT: &[u8; 5] = b"40=2\x01";
/// TimeInForce(59), day.
const TIME_IN_FORCE_DAY: &[u8; 5] = b"59=0\x01";

/// Side(54).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Buy.
    Buy,
    /// Sell.
    Sell,
}

impl Side {
    const fn code(self) -> u8 {
        match self {
            Side::Buy => b'1',
            Side::Sell => b'2',
        }
    }

    /// The other one.
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }
}

/// An identifier that is a letter and a number: `O17`. Written without allocation, and unique as
/// long as the number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedId {
    text: [u8; 21],
    len: u8,
}

impl NumberedId {
    /// `letter` and `number`.
    #[inline]
    pub fn new(letter: u8, number: u64) -> NumberedId {
        if number < swar::NUMBERS {
            let digits = swar::text_of(number);
            return NumberedId::of_digits(letter, digits, swar::width_of(digits));
        }
        let mut text = [0; 21];
        text[0] = letter;
        let mut width = 0;
        let mut rest = number;
        while rest > 0 {
            width += 1;
            rest /= 10;
        }
        rest = number;
        for digit in text[1..=width].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        NumberedId { text, len: 1 + width as u8 }
    }

    /// `letter`, and the last `width` of eight digits.
    #[inline]
    fn of_digits(letter: u8, digits: u64, width: usize) -> NumberedId {
        let mut text = [0; 21];
        text[0] = letter;
        text[1..9].copy_from_slice(&(digits >> (64 - 8 * width)).to_le_bytes());
        NumberedId { text, len: 1 + width as u8 }
    }

    /// The identifier as it stands in a message.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }

    /// The number of an identifier with this letter.
    #[inline]
    pub fn number(text: &[u8], letter: u8) -> Option<u64> {
        let (first, digits) = text.split_first()?;
        if *first != letter || digits.is_empty() || digits.len() > 19 {
            return None;
        }
        if let Some(word) = swar::word_of_short(text) {
            return swar::digits_at_back(word, digits.len()).map(u64::from);
        }
        digits.iter().try_fold(0u64, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        })
    }
}

/// Numbered identifiers, one after the other.
#[derive(Clone, Debug)]
pub struct NumberedIds {
    letter: u8,
    number: u64,
    numeral: Numeral,
}

impl NumberedIds {
    /// From `letter` and `number` on.
    pub fn new(letter: u8, number: u64) -> NumberedIds {
        NumberedIds { letter, number, numeral: Numeral::ZERO }
    }

    /// The number of the one at hand.
    #[inline]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The one at hand.
    #[inline]
    pub fn id(&mut self) -> NumberedId {
        if self.number >= swar::NUMBERS {
            return NumberedId::new(self.letter, self.number);
        }
        let (digits, width) = self.numeral.turn_to(self.number as u32);
        NumberedId::of_digits(self.letter, digits, width)
    }

    /// Goes on to the next.
    #[inline]
    pub fn advance(&mut self) {
        self.number += 1;
    }
}

/// A limit order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrderSingle<'a> {
    /// ClOrdID(11): ours, unique.
    pub cl_ord_id: &'a [u8],
    /// Symbol(55).
    pub symbol: &'a [u8],
    /// Side(54).
    pub side: Side,
    /// OrderQty(38).
    pub order_qty: Decimal,
    /// Price(44).
    pub price: Decimal,
}

impl<'a> NewOrderSingle<'a> {
    /// Writes the body. `now` goes into TransactTime(60).
    #[inline(always)]
    pub fn write(&self, encoder: &mut Encoder<'_>, now: UtcTime) {
        encoder
            .put_literal(ACCOUNT)
            .put_bytes(CL_ORD_ID, self.cl_ord_id)
            .put_literal(HANDL_INST_AUTOMATED)
            .put_decimal(ORDER_QTY, self.order_qty)
            .put_literal(ORD_TYPE_LIMIT)
            .put_decimal(PRICE, self.price)
            .put_char(tag::SIDE, self.side.code())
            .put_bytes(SYMBOL, self.symbol)
            .put_literal(TIME_IN_FORCE_DAY)
            .put_utc(tag::TRANSACT_TIME, now, Precision::Millis);
    }

    /// Reads the fields that a fill needs.
    ///
    /// # Errors
    /// The first field that is missing or not what its type says.
    #[inline(always)]
    pub fn read(message: &Message<'a>) -> Result<NewOrderSingle<'a>, FieldError> {
        Ok(NewOrderSingle {
            cl_ord_id: message.field(CL_ORD_ID).ok_or(FieldError::Missing)?,
            symbol: message.field(SYMBOL).ok_or(FieldError::Missing)?,
            side: if message.char(tag::SIDE)? == b'1' { Side::Buy } else { Side::Sell },
            order_qty: message.decimal(ORDER_QTY)?,
            price: message.decimal(PRICE)?,
        })
    }
}

/// The report that an order was filled whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill<'a> {
    /// The order.
    pub order: NewOrderSingle<'a>,
    /// OrderID(37): the exchange's.
    pub order_id: &'a [u8],
    /// ExecID(17): the exchange's, unique.
    pub exec_id: &'a [u8],
}

impl Fill<'_> {
    /// Writes the body. Up to FIX 4.2 it has an ExecTransType(20) and a fill is called 2; from 4.3 on, F.
    #[inline]
    pub fn write(&self, encoder: &mut Encoder<'_>, now: UtcTime, is_before_fix43: bool) {
        let order = &self.order;
        encoder
            .put_literal(ACCOUNT)
            .put_decimal(tag::AVG_PX, order.price)
            .put_bytes(CL_ORD_ID, order.cl_ord_id)
            .put_decimal(tag::CUM_QTY, order.order_qty)
            .put_bytes(tag::EXEC_ID, self.exec_id);
        if is_before_fix43 {
            encoder.put_char(tag::EXEC_TRANS_TYPE, b'0');
        }
        encoder
            .put_decimal(tag::LAST_PX, order.price)
            .put_decimal(tag::LAST_QTY, order.order_qty)
            .put_bytes(tag::ORDER_ID, self.order_id)
            .put_decimal(ORDER_QTY, order.order_qty)
            .put_char(tag::ORD_STATUS, b'2')
            .put_decimal(PRICE, order.price)
            .put_char(tag::SIDE, order.side.code())
            .put_bytes(SYMBOL, order.symbol)
            .put_utc(tag::TRANSACT_TIME, now, Precision::Millis)
            .put_char(tag::EXEC_TYPE, if is_before_fix43 { b'2' } else { b'F' })
            .put_u32(tag::LEAVES_QTY, 0);
    }
}

/// What a strategy reads of an ExecutionReport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a> {
    /// ClOrdID(11): the order it is about.
    pub cl_ord_id: &'a [u8],
    /// LastPx(31): the price of this fill.
    pub last_px: Decimal,
    /// LastQty(32): the quantity of this fill.
    pub last_qty: Decimal,
    /// LeavesQty(151): what is still open.
    pub leaves_qty: Decimal,
}

impl<'a> Report<'a> {
    /// Reads the fields.
    ///
    /// # Errors
    /// The first field that is missing or not what its type says.
    #[inline]
    pub fn read(message: &Message<'a>) -> Result<Report<'a>, FieldError> {
        Ok(Report {
            cl_ord_id: message.field(CL_ORD_ID).ok_or(FieldError::Missing)?,
            last_px: message.decimal(tag::LAST_PX)?,
            last_qty: message.decimal(tag::LAST_QTY)?,
            leaves_qty: message.decimal(tag::LEAVES_QTY)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_in_a_row_are_those_of_their_numbers() {
        for first in [0, 98, 99_999_995] {
            let mut ids = NumberedIds::new(b'O', first);
            for number in first..first + 12 {
                assert_eq!((ids.number(), ids.id()), (number, NumberedId::new(b'O', number)));
                assert_eq!(ids.id(), ids.id());
                ids.advance();
            }
        }
    }

    #[test]
    fn a_numbered_id_reads_back() {
        for number in [
            0,
            1,
            9,
            10,
            123,
            4_567,
            999_999,
            9_999_999,
            10_000_000,
            99_999_999,
            100_000_000,
            1_234_567_890,
            9_999_999_999_999_999_999,
        ] {
            let id = NumberedId::new(b'O', number);
            assert_eq!(NumberedId::number(id.as_bytes(), b'O'), Some(number));
        }
        assert_eq!(NumberedId::new(b'E', u64::MAX).as_bytes(), b"E18446744073709551615");
        for text in [&b""[..], b"O", b"X1", b"O1a", b"O-1", b"O99999999999999999999"] {
            assert_eq!(NumberedId::number(text, b'O'), None);
        }
    }
}
