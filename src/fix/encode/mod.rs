//! Messages written in place.
//!
//! BodyLength has no leading zeros, though its width is known only at the end. Three digits are
//! reserved, as nearly every application message has; another width moves the body once.

mod opening;
mod slow;
mod template;

use core::fmt;

use crate::time::UtcTime;

use super::decimal::Decimal;
use super::frame::{SOH, SUM_TEXTS, TRAILER_LEN, ending};
use super::simd::sum;
use super::swar;
use super::tags;
use super::timestamp::{Formatter, Precision, ROOM as TIME_ROOM};

pub use super::swar::Numeral;
pub use opening::Opening;
pub use template::{FIXED_BYTES_MAX, Filling, Template, TemplateError};

const BODY_LENGTH_DIGITS_RESERVED: usize = 3;

/// Why a message could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EncodeError {
    /// It is longer than the bytes it was to be written into.
    TooLong,
    /// A value was empty or held an SOH: written, it would be another message. Ours to mend.
    ValueInvalid,
    /// Fewer values were put into a template than it has slots, or more. Ours to mend.
    SlotsWrong,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EncodeError::TooLong => "message is longer than its slot",
            EncodeError::ValueInvalid => "a value is empty or holds an SOH",
            EncodeError::SlotsWrong => {
                "a template has another number of slots than values were put"
            }
        })
    }
}

impl core::error::Error for EncodeError {}

/// A field is written in so many bytes at once, garbage behind it, where the slot has them: tag, value
/// and SOH take less. What is longer, or near the slot's end, is written byte by byte.
const ROOM: usize = 48;
/// The longest value that is copied within [`ROOM`].
const SHORT_MAX: usize = 16;

/// How far a message has come, in a pair of registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    /// How many bytes of it are written.
    pub(super) at: u32,
    /// Where the fields after BodyLength begin.
    pub(super) body: u32,
    /// The first error that a put has met.
    pub(super) error: Option<EncodeError>,
    /// What those bytes add up to, if that is known.
    pub(super) sum: Option<u32>,
}

/// Writes one message into a slot. Fields go in the order they are put; an error is remembered and
/// returned by [`finish`](Encoder::finish), so that puts may be chained.
#[derive(Debug)]
pub struct Encoder<'a> {
    slot: &'a mut [u8],
    at: usize,
    body: usize,
    error: Option<EncodeError>,
    /// What the bytes up to here add up to, three zeros for BodyLength: all of them, if this is where the message ends.
    summed_to: usize,
    sum: u32,
    formatter: &'a mut Formatter,
}

/// Stands for bytes that nobody added up.
const NOT_SUMMED: usize = usize::MAX;

impl<'a> Encoder<'a> {
    /// Begins a message in `slot` with BeginString(8), BodyLength(9) and MsgType(35).
    #[inline]
    pub fn begin(
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        begin_string: &str,
        msg_type: &[u8],
    ) -> Encoder<'a> {
        let mut encoder =
            Encoder { slot, at: 0, body: 0, error: None, summed_to: NOT_SUMMED, sum: 0, formatter };
        encoder.put_raw(b"8=");
        encoder.put_raw(begin_string.as_bytes());
        encoder.put_raw(b"\x019=000\x01");
        encoder.body = encoder.at;
        encoder.put_bytes(tags::MSG_TYPE, msg_type);
        encoder
    }

    /// Goes on with a message that was begun in `slot`.
    #[inline(always)]
    pub(super) fn resume(
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        begun: Begun,
    ) -> Encoder<'a> {
        let Begun { at, body, error, sum } = begun;
        let (at, body) = (at as usize, body as usize);
        let summed_to = if sum.is_some() { at } else { NOT_SUMMED };
        Encoder { slot, at, body, error, summed_to, sum: sum.unwrap_or(0), formatter }
    }

    /// How far it has come.
    pub(super) fn begun(&self) -> Begun {
        let sum = (self.summed_to == self.at).then_some(self.sum);
        Begun { at: self.at as u32, body: self.body as u32, error: self.error, sum }
    }

    /// Adds up what is written so far, so that a template goes on with the sum.
    #[inline(always)]
    pub fn sum_up(&mut self) {
        self.sum = u32::from(sum(self.written()));
        self.summed_to = self.at;
    }

    /// What is written so far.
    pub(super) fn written(&self) -> &[u8] {
        self.slot.get(..self.at).unwrap_or_default()
    }

    /// Whole fields as they stand in the message, tag, value and SOH, for those that are always the same.
    #[inline]
    pub fn put_literal<const N: usize>(&mut self, fields: &[u8; N]) -> &mut Self {
        debug_assert_eq!(fields.last(), Some(&SOH), "a field ends with an SOH");
        match self.slot.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            Some(room) => {
                *room = *fields;
                self.at += N;
            }
            None => self.refuse(EncodeError::TooLong),
        }
        self
    }

    /// A field of text. An empty value or one with an SOH is an error.
    #[inline(always)]
    pub fn put_bytes(&mut self, tag: u32, value: &[u8]) -> &mut Self {
        match self.room(tag) {
            Some((room, at)) if (1..=SHORT_MAX).contains(&value.len()) => {
                let holds_soh = copy_short(value, &mut room[at..at + SHORT_MAX]);
                room[at + value.len()] = SOH;
                self.at += at + value.len() + 1;
                if holds_soh {
                    self.refuse(EncodeError::ValueInvalid);
                }
                self
            }
            _ => {
                let written = slow::bytes(self.slot, self.at, tag, value);
                self.take_up(written)
            }
        }
    }

    /// A field of text.
    #[inline]
    pub fn put_str(&mut self, tag: u32, value: &str) -> &mut Self {
        self.put_bytes(tag, value.as_bytes())
    }

    /// A data field behind its length, any byte allowed.
    pub fn put_data(&mut self, length_tag: u32, data_tag: u32, data: &[u8]) -> &mut Self {
        self.put_u32(length_tag, u32::try_from(data.len()).unwrap_or(u32::MAX));
        if data.is_empty() {
            self.refuse(EncodeError::ValueInvalid);
        }
        let written = slow::data(self.slot, self.at, data_tag, data);
        self.take_up(written)
    }

    /// A non-negative integer.
    #[inline]
    pub fn put_u32(&mut self, tag: u32, value: u32) -> &mut Self {
        self.put_decimal(tag, Decimal::new(i64::from(value), 0))
    }

    /// An integer.
    #[inline]
    pub fn put_i64(&mut self, tag: u32, value: i64) -> &mut Self {
        self.put_decimal(tag, Decimal::new(value, 0))
    }

    /// A price or quantity, with the places its exponent says.
    #[inline(always)]
    pub fn put_decimal(&mut self, tag: u32, value: Decimal) -> &mut Self {
        // More than any for an exponent over 0.
        let places = usize::from(value.exponent.wrapping_neg().cast_unsigned());
        let mantissa = value.mantissa.cast_unsigned();
        match self.room(tag) {
            Some((room, at)) if mantissa < swar::NUMBERS && places < PLACES_SHORT => {
                let (len, _) = put_short_decimal(&mut room[at..at + SHORT_MAX], mantissa, places);
                room[at + len] = SOH;
                self.at += at + len + 1;
                self
            }
            _ => {
                let written = slow::decimal(self.slot, self.at, tag, value);
                self.take_up(written)
            }
        }
    }

    /// One character.
    #[inline(always)]
    pub fn put_char(&mut self, tag: u32, value: u8) -> &mut Self {
        match self.room(tag) {
            Some((room, at)) if value != SOH => {
                (room[at], room[at + 1]) = (value, SOH);
                self.at += at + 2;
                self
            }
            _ => {
                let written = slow::bytes(self.slot, self.at, tag, &[value]);
                self.take_up(written)
            }
        }
    }

    /// `Y` or `N`.
    #[inline]
    pub fn put_bool(&mut self, tag: u32, value: bool) -> &mut Self {
        self.put_char(tag, if value { b'Y' } else { b'N' })
    }

    /// A UTCTimestamp.
    #[inline(always)]
    pub fn put_utc(&mut self, tag: u32, value: UtcTime, precision: Precision) -> &mut Self {
        let (text, len) = (self.formatter.text(value, precision), precision.len());
        let image = TAG_IMAGES.get(tag as usize);
        let room = self.slot.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<ROOM>);
        match (image, room) {
            (Some(image), Some(room)) => {
                let at = usize::from(image.len);
                room[..8].copy_from_slice(&image.text);
                room[at..at + TIME_ROOM].copy_from_slice(text);
                room[at + len] = SOH;
                self.at += at + len + 1;
                self
            }
            _ => {
                let written = slow::data(self.slot, self.at, tag, &text[..len]);
                self.take_up(written)
            }
        }
    }

    /// Whole fields, each with its tag and SOH, as another message had them.
    pub(crate) fn put_fields(&mut self, fields: &[u8]) -> &mut Self {
        self.put_raw(fields);
        self
    }

    /// Ends the message with its CheckSum and says its length: it lies at the front of the slot.
    ///
    /// # Errors
    /// The first that any put met.
    #[inline(always)]
    pub fn finish(&mut self) -> Result<usize, EncodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let body_len = self.at - self.body;
        if body_len as u64 >= swar::NUMBERS {
            return Err(EncodeError::TooLong);
        }
        let mut carried = (self.summed_to == self.at).then_some(self.sum);
        if (100..1000).contains(&body_len) {
            let (text, digits_sum) = body_length(body_len as u32);
            self.slot[self.body - 4..self.body].copy_from_slice(&text.to_le_bytes());
            carried = carried.map(|sum| sum.wrapping_add(digits_sum));
        } else {
            let text = swar::text_of(body_len as u64);
            self.at = move_body(self.slot, self.body, self.at, text)?;
            carried = None;
        }
        let ending = ending(carried.map_or_else(|| sum(&self.slot[..self.at]), |sum| sum as u8));
        let end = self.at + TRAILER_LEN;
        let room = self.slot.get_mut(self.at - 1..end).ok_or(EncodeError::TooLong)?;
        room.copy_from_slice(&ending);
        self.at = end;
        Ok(end)
    }

    /// Room for a short field, its tag and '=' written, and where in it the value goes. `None` near the
    /// slot's end, and for a tag of more digits than any standard's.
    #[inline]
    fn room(&mut self, tag: u32) -> Option<(&mut [u8; ROOM], usize)> {
        let image = TAG_IMAGES.get(tag as usize)?;
        let room = self.slot.get_mut(self.at..)?.first_chunk_mut::<ROOM>()?;
        room[..8].copy_from_slice(&image.text);
        Some((room, usize::from(image.len)))
    }

    /// Goes on where a field ends that was written the slow way.
    #[inline(always)]
    fn take_up(&mut self, written: Result<usize, EncodeError>) -> &mut Self {
        match written {
            Ok(end) => self.at = end,
            Err(error) => self.refuse(error),
        }
        self
    }

    #[inline(always)]
    fn refuse(&mut self, error: EncodeError) {
        if self.error.is_none() {
            self.error = Some(error);
        }
    }

    fn put_raw(&mut self, bytes: &[u8]) {
        let written = slow::raw(self.slot, self.at, bytes);
        self.take_up(written);
    }
}

/// A BodyLength of three digits and its SOH, and what it adds up to more than zeros do.
#[inline(always)]
fn body_length(len: u32) -> (u32, u32) {
    const ZEROS: u32 = u32::from_le_bytes([b'0', b'0', b'0', SOH]);
    // Those of an order are among those that sums have.
    let text = match SUM_TEXTS.get(len as usize) {
        Some(text) => *text,
        None => ZEROS + ((len / 100) | ((len / 10 % 10) << 8) | ((len % 10) << 16)),
    };
    (text, (text - ZEROS).wrapping_mul(0x0001_0101) >> 16 & 0xff)
}

/// Moves a body whose length, in `text`, takes another number of digits than was reserved. Says where it
/// ends then.
#[cold]
fn move_body(slot: &mut [u8], body: usize, at: usize, text: u64) -> Result<usize, EncodeError> {
    let digits = swar::width_of(text);
    let moved = body + digits - BODY_LENGTH_DIGITS_RESERVED;
    let end = at + digits - BODY_LENGTH_DIGITS_RESERVED;
    if end > slot.len() {
        return Err(EncodeError::TooLong);
    }
    slot.copy_within(body..at, moved);
    slot[moved - 1] = SOH;
    slot[moved - 1 - digits..moved - 1].copy_from_slice(&text.to_le_bytes()[8 - digits..]);
    Ok(end)
}

/// Copies `value`, 1 to 16 bytes, to the front of `room`, and says whether an SOH is in it.
#[inline]
fn copy_short(value: &[u8], room: &mut [u8]) -> bool {
    let len = value.len();
    // Two words that overlap make up every length between one of them and both.
    if let (Some(front), Some(back)) = (value.first_chunk::<8>(), value.last_chunk::<8>()) {
        room[..8].copy_from_slice(front);
        room[len - 8..len].copy_from_slice(back);
        swar::has(u64::from_le_bytes(*front), SOH) || swar::has(u64::from_le_bytes(*back), SOH)
    } else if let (Some(front), Some(back)) = (value.first_chunk::<4>(), value.last_chunk::<4>()) {
        room[..4].copy_from_slice(front);
        room[len - 4..len].copy_from_slice(back);
        let both =
            u64::from(u32::from_le_bytes(*front)) << 32 | u64::from(u32::from_le_bytes(*back));
        swar::has(both, SOH)
    } else {
        value.iter().zip(room).fold(false, |found, (byte, place)| {
            *place = *byte;
            found | (*byte == SOH)
        })
    }
}

/// Places after the point that are written in one word.
const PLACES_SHORT: usize = 8;

/// Writes `mantissa` with a point before its last `places` digits, and says the length, and what it adds up to.
#[inline(always)]
fn put_short_decimal(room: &mut [u8], mantissa: u64, places: usize) -> (usize, u32) {
    let text = swar::text_of_any(mantissa);
    let width = swar::width_of(text).max(places + 1);
    let digits = text >> (64 - 8 * width);
    let sum = swar::sum_of(digits);
    if places == 0 {
        room[..8].copy_from_slice(&digits.to_le_bytes());
        return (width, sum);
    }
    let whole = width - places;
    room[..8].copy_from_slice(&digits.to_le_bytes());
    room[whole] = b'.';
    room[whole + 1..whole + 9].copy_from_slice(&(digits >> (8 * whole)).to_le_bytes());
    (width + 1, sum + u32::from(b'.'))
}

/// A tag's digits and '=', as they stand in a message.
#[derive(Clone, Copy)]
struct TagImage {
    text: [u8; 8],
    len: u8,
}

/// By tag. Those of more digits are written digit by digit.
static TAG_IMAGES: [TagImage; 1000] = {
    let mut images = [TagImage { text: [0; 8], len: 0 }; 1000];
    let mut tag = 0;
    while tag < images.len() {
        let text = swar::text_of(tag as u64);
        let len = swar::width_of(text);
        let digits = text >> (64 - 8 * len);
        images[tag] = TagImage {
            text: (digits | (b'=' as u64) << (8 * len)).to_le_bytes(),
            len: len as u8 + 1,
        };
        tag += 1;
    }
    images
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::decode::Decoder;
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
    fn short_values_are_written_as_the_library_writes_them() {
        let mut slot = [0xee; 256];
        for len in 1..=20 {
            let text: String = ('a'..='t').take(len).collect();
            for tag in [1, 58, 999, 1000, 123_456_789] {
                let len = written(&mut slot, |encoder| _ = encoder.put_str(tag, &text)).unwrap();
                assert_eq!(slot[..len], sealed("FIX.4.4", &format!("35=D|{tag}={text}|")));
            }
        }
        let mantissas =
            [0, 1, 9, 10, 99, 105, 450_025, 9_999_999, 99_999_999, 100_000_000, i64::MAX];
        for (mantissa, places) in mantissas.iter().flat_map(|m| (0..=10).map(move |p| (*m, p))) {
            let len = written(&mut slot, |encoder| {
                encoder.put_decimal(44, Decimal::new(mantissa, -places));
            });
            let digits = format!("{mantissa:0width$}", width = places as usize + 1);
            let (whole, rest) = digits.split_at(digits.len() - places as usize);
            let point = if places > 0 { "." } else { "" };
            let expected = sealed("FIX.4.4", &format!("35=D|44={whole}{point}{rest}|"));
            assert_eq!(slot[..len.unwrap()], expected, "{mantissa}e-{places}");
        }
    }

    #[test]
    fn a_slot_that_ends_anywhere_within_many_fields_is_an_error() {
        let mut slot = [0; 1000];
        let put = |encoder: &mut Encoder<'_>| {
            for _ in 0..10 {
                encoder.put_u32(38, 100).put_char(54, b'1').put_str(55, "ESZ6");
                encoder.put_utc(60, UtcTime::from_unix_ns(0), Precision::Nanos);
            }
        };
        let len = written(&mut slot, put).unwrap();
        for room in 0..len {
            assert_eq!(written(&mut slot[..room], put), Err(EncodeError::TooLong), "{room}");
        }
        assert_eq!(written(&mut slot[..len], put), Ok(len));
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
        for value in [
            "",
            "x\x0135=5",
            "\x01",
            "ab\x01",
            "abc\x01e",
            "a message with\x01",
            "\x01 and a long one",
        ] {
            let found = written(&mut [0; 100], |encoder| _ = encoder.put_str(58, value));
            assert_eq!(found, Err(EncodeError::ValueInvalid), "{value:?}");
        }
        let found = written(&mut [0; 100], |encoder| _ = encoder.put_char(54, SOH));
        assert_eq!(found, Err(EncodeError::ValueInvalid));
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
