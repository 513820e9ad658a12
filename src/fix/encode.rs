//! Messages written in place.
//!
//! BodyLength has no leading zeros, though its width is known only at the end. Three digits are
//! reserved, as nearly every application message has; another width moves the body once.

use core::fmt;

use crate::time::UtcTime;

use super::decimal::Decimal;
use super::frame::{SOH, TRAILER_LEN, sum};
use super::timestamp::{Formatter, LEN_MAX, Precision};

const BODY_LENGTH_DIGITS_RESERVED: usize = 3;

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncodeError {
    /// It is longer than the bytes it was to be written into.
    TooLong,
    /// A value was empty or held an SOH: written, it would be another message. Ours to mend.
    ValueInvalid,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EncodeError::TooLong => "message is longer than its slot",
            EncodeError::ValueInvalid => "a value is empty or holds an SOH",
        })
    }
}

impl core::error::Error for EncodeError {}

/// Writes one message into a slot. Fields go in the order they are put; an error is remembered and
/// returned by [`finish`](Encoder::finish), so that puts may be chained.
#[derive(Debug)]
pub struct Encoder<'a> {
    slot: &'a mut [u8],
    at: usize,
    body: usize,
    error: Option<EncodeError>,
    formatter: &'a mut Formatter,
}

impl<'a> Encoder<'a> {
    /// Begins a message in `slot` with BeginString(8), BodyLength(9) and MsgType(35).
    #[inline]
    pub fn begin(
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        begin_string: &str,
        msg_type: &[u8],
    ) -> Encoder<'a> {
        let mut encoder = Encoder { slot, at: 0, body: 0, error: None, formatter };
        encoder.put_raw(b"8=");
        encoder.put_raw(begin_string.as_bytes());
        encoder.put_raw(b"\x019=000\x01");
        encoder.body = encoder.at;
        encoder.put_bytes(35, msg_type);
        encoder
    }

    /// A field of text. An empty value or one with an SOH is an error.
    #[inline]
    pub fn put_bytes(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        if value.is_empty() || value.contains(&SOH) {
            self.error.get_or_insert(EncodeError::ValueInvalid);
        }
        self.put_tag(tag);
        self.put_raw(value);
        self.put_raw(&[SOH])
    }

    /// A field of text.
    #[inline]
    pub fn put_str(&mut self, tag: u32, value: &str) -> &mut Self {
        self.put_bytes(tag, value.as_bytes())
    }

    /// A data field behind its length, any byte allowed.
    pub fn put_data(&mut self, length_tag: u32, data_tag: u32, data: &[u8]) -> &mut Self {
        if data.is_empty() {
            self.error.get_or_insert(EncodeError::ValueInvalid);
        }
        self.put_u32(length_tag, u32::try_from(data.len()).unwrap_or(u32::MAX));
        self.put_tag(data_tag);
        self.put_raw(data);
        self.put_raw(&[SOH])
    }

    /// A non-negative integer.
    #[inline]
    pub fn put_u32(&mut self, tag: u32, value: u32) -> &mut Self {
        self.put_tag(tag);
        self.put_digits(u64::from(value), 1);
        self.put_raw(&[SOH])
    }

    /// An integer.
    #[inline]
    pub fn put_i64(&mut self, tag: u32, value: i64) -> &mut Self {
        self.put_decimal(tag, Decimal::new(value, 0))
    }

    /// A price or quantity, with the places its exponent says.
    #[inline]
    pub fn put_decimal(&mut self, tag: u32, value: Decimal) -> &mut Self {
        self.put_tag(tag);
        if value.mantissa < 0 {
            self.put_raw(b"-");
        }
        let digits = value.mantissa.unsigned_abs();
        if value.exponent >= 0 {
            self.put_digits(digits, 1);
            for _ in 0..if digits == 0 { 0 } else { value.exponent } {
                self.put_raw(b"0");
            }
        } else {
            let places = usize::from(value.exponent.unsigned_abs());
            let split = 10u64.checked_pow(places as u32);
            self.put_digits(split.map_or(0, |split| digits / split), 1);
            self.put_raw(b".");
            self.put_digits(split.map_or(digits, |split| digits % split), places);
        }
        self.put_raw(&[SOH])
    }

    /// One character.
    #[inline]
    pub fn put_char(&mut self, tag: u32, value: u8) -> &mut Self {
        self.put_bytes(tag, &[value])
    }

    /// `Y` or `N`.
    #[inline]
    pub fn put_bool(&mut self, tag: u32, value: bool) -> &mut Self {
        self.put_char(tag, if value { b'Y' } else { b'N' })
    }

    /// A UTCTimestamp.
    #[inline]
    pub fn put_utc(&mut self, tag: u32, value: UtcTime, precision: Precision) -> &mut Self {
        let mut text = [0; LEN_MAX];
        let len = self.formatter.format(value, precision, &mut text);
        self.put_tag(tag);
        self.put_raw(&text[..len]);
        self.put_raw(&[SOH])
    }

    /// Whole fields, each with its tag and SOH, as another message had them.
    pub(crate) fn put_fields(&mut self, fields: &[u8]) -> &mut Self {
        self.put_raw(fields)
    }

    /// Ends the message with its CheckSum and says its length: it lies at the front of the slot.
    ///
    /// # Errors
    /// The first that any put met.
    #[inline]
    pub fn finish(mut self) -> Result<usize, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let body_len = self.at - self.body;
        let digits = digits_of(body_len as u64);
        if digits != BODY_LENGTH_DIGITS_RESERVED {
            self.move_body(digits)?;
        }
        put_decimal_digits(&mut self.slot[self.body - 1 - digits..self.body - 1], body_len as u64);
        let sum = sum(&self.slot[..self.at]);
        let mut trailer = *b"10=000\x01";
        put_decimal_digits(&mut trailer[3..6], u64::from(sum));
        debug_assert_eq!(trailer.len(), TRAILER_LEN);
        self.put_raw(&trailer);
        self.error.map_or(Ok(self.at), Err)
    }

    #[cold]
    fn move_body(&mut self, digits: usize) -> Result<(), EncodeError> {
        let body = self.body + digits - BODY_LENGTH_DIGITS_RESERVED;
        let end = self.at + digits - BODY_LENGTH_DIGITS_RESERVED;
        if end > self.slot.len() {
            return Err(EncodeError::TooLong);
        }
        self.slot.copy_within(self.body..self.at, body);
        self.slot[body - 1] = SOH;
        (self.body, self.at) = (body, end);
        Ok(())
    }

    #[inline]
    fn put_tag(&mut self, tag: u32) {
        self.put_digits(u64::from(tag), 1);
        self.put_raw(b"=");
    }

    /// `value` in decimal, with zeros in front up to `width_min` digits.
    #[inline]
    fn put_digits(&mut self, value: u64, width_min: usize) {
        let width = digits_of(value);
        for _ in width..width_min {
            self.put_raw(b"0");
        }
        match self.slot.get_mut(self.at..self.at + width) {
            Some(room) => {
                put_decimal_digits(room, value);
                self.at += width;
            }
            None => _ = self.error.get_or_insert(EncodeError::TooLong),
        }
    }

    #[inline]
    fn put_raw(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.at.saturating_add(bytes.len());
        match self.slot.get_mut(self.at..end) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.at = end;
            }
            None => _ = self.error.get_or_insert(EncodeError::TooLong),
        }
        self
    }
}

#[inline]
fn digits_of(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| log as usize + 1)
}

#[inline]
fn put_decimal_digits(out: &mut [u8], mut value: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::message::Decoder;
    use crate::fix::oracle::sealed;

    fn written(slot: &mut [u8], put: impl FnOnce(&mut Encoder<'_>)) -> Result<usize, EncodeError> {
        let mut formatter = Formatter::default();
        let mut encoder = Encoder::begin(slot, &mut formatter, "FIX.4.4", b"D");
        put(&mut encoder);
        encoder.finish()
    }

    #[test]
    fn every_body_length_is_canonical_and_every_sum_right() {
        let mut slot = [0xee; 12_000];
        for text in (1..200).chain(900..1100).chain(9900..10_100) {
            let text = "x".repeat(text);
            let len = written(&mut slot, |encoder| _ = encoder.put_str(58, &text)).unwrap();
            assert_eq!(slot[..len], sealed("FIX.4.4", &format!("35=D|58={text}|")));
        }
    }

    #[test]
    fn each_type_is_written_as_the_standard_has_it() {
        let mut slot = [0; 512];
        let len = written(&mut slot, |encoder| {
            encoder
                .put_u32(34, 0)
                .put_i64(1, i64::MIN)
                .put_decimal(44, Decimal::new(1050, -2))
                .put_decimal(44, Decimal::new(-5, -3))
                .put_decimal(44, Decimal::new(7, 2))
                .put_decimal(44, Decimal::new(0, 2))
                .put_decimal(44, Decimal::new(1, -21))
                .put_bool(43, true)
                .put_char(54, b'1')
                .put_data(95, 96, b"a\x01b")
                .put_utc(60, UtcTime::from_unix_ns(1_767_323_045_678_000_000), Precision::Millis);
        })
        .unwrap();
        let expected = "35=D|34=0|1=-9223372036854775808|44=10.50|44=-0.005|44=700|44=0|\
                        44=0.000000000000000000001|43=Y|54=1|95=3|96=a|b|60=20260102-03:04:05.678|";
        assert_eq!(
            String::from_utf8_lossy(&slot[..len]),
            String::from_utf8_lossy(&sealed("FIX.4.4", expected))
        );
    }

    #[test]
    fn a_slot_too_short_by_any_amount_is_an_error_and_never_a_panic() {
        let mut slot = [0; 300];
        let put = |encoder: &mut Encoder<'_>| _ = encoder.put_str(58, "hello").put_i64(1, -7);
        let len = written(&mut slot, put).unwrap();
        for room in 0..len {
            assert_eq!(written(&mut slot[..room], put), Err(EncodeError::TooLong), "{room}");
        }
        let long = "x".repeat(1000);
        let len = written(&mut [0; 1100], |encoder| _ = encoder.put_str(58, &long)).unwrap();
        let mut slot = [0; 1100];
        for room in [len - 1, len - 7, len - 8, len - 9, 1000] {
            let found = written(&mut slot[..room], |encoder| _ = encoder.put_str(58, &long));
            assert_eq!(found, Err(EncodeError::TooLong), "{room}");
        }
    }

    #[test]
    fn a_value_that_would_forge_a_field_is_refused() {
        for value in ["", "x\x0135=5"] {
            let found = written(&mut [0; 100], |encoder| _ = encoder.put_str(58, value));
            assert_eq!(found, Err(EncodeError::ValueInvalid), "{value:?}");
        }
    }

    #[test]
    fn what_is_written_is_decoded_without_a_fault() {
        let mut slot = [0; 200];
        let len = written(&mut slot, |encoder| _ = encoder.put_str(11, "id")).unwrap();
        let mut decoder = Decoder::default();
        let message = decoder.parse(&slot[..len]).unwrap();
        assert_eq!((message.fault(), message.field(11)), (None, Some(&b"id"[..])));
    }
}
