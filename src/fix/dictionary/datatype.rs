//! What a value of each data type looks like (FIX 4.4 Vol. 1, data types; FIX 5.0 SP2 Vol. 1).

use core::ops::Range;

use crate::fix::decimal::Decimal;
use crate::fix::swar;
use crate::fix::timestamp::{self, LEN_MAX, Reader, is_of_any_year};
use crate::fix::value::{self, FieldError};

/// A data type, by what its values are checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum DataType {
    /// Anything: strings, currencies, countries, exchanges, data, and types that are not known here.
    /// Venues write currencies that ISO 4217 does not have, so no more is asked of those.
    Text,
    /// Words with a space between each two, of which each has to be in the list of values.
    Multiple,
    /// One character.
    Char,
    /// `Y` or `N`.
    Boolean,
    /// An integer.
    Int,
    /// An integer that is not negative: lengths, numbers, counts and tags.
    Unsigned,
    /// A price, quantity, amount or percentage.
    Decimal,
    /// `YYYYMMDD-HH:MM:SS`, and a fraction of up to 12 digits. The year is any from 0000 to 9999, as in all that follow: what
    /// is not [held](crate::time::UtcTime) is for whoever reads it to refuse.
    UtcTimestamp,
    /// `HH:MM:SS`, and a fraction of up to 12 digits.
    UtcTime,
    /// `YYYYMMDD`.
    Date,
    /// `YYYYMM`, `YYYYMMDD` or `YYYYMMw1` to `w5`.
    MonthYear,
    /// 1 to 31.
    DayOfMonth,
}

impl DataType {
    /// The type that a dictionary calls `name`. Up to FIX 4.1, CHAR was any string.
    pub fn of_name(name: &str, is_before_fix42: bool) -> DataType {
        match name {
            "CHAR" if !is_before_fix42 => DataType::Char,
            "INT" => DataType::Int,
            "LENGTH" | "SEQNUM" | "NUMINGROUP" | "TAGNUM" => DataType::Unsigned,
            "PRICE" | "QTY" | "AMT" | "FLOAT" | "PRICEOFFSET" | "PERCENTAGE" => DataType::Decimal,
            "BOOLEAN" => DataType::Boolean,
            "UTCTIMESTAMP" | "TIME" => DataType::UtcTimestamp,
            "UTCTIMEONLY" => DataType::UtcTime,
            "UTCDATE" | "UTCDATEONLY" | "LOCALMKTDATE" | "DATE" => DataType::Date,
            "MONTHYEAR" => DataType::MonthYear,
            "DAYOFMONTH" => DataType::DayOfMonth,
            "MULTIPLEVALUESTRING" | "MULTIPLECHARVALUE" | "MULTIPLESTRINGVALUE" => {
                DataType::Multiple
            }
            _ => DataType::Text,
        }
    }

    /// Whether the value at `place` in a message is one of this type. It is not empty.
    #[inline]
    pub(super) fn takes(self, message: &[u8], place: Range<usize>, times: &mut Reader) -> bool {
        let (end, len) = (place.end, place.len());
        let text = message.get(place).unwrap_or_default();
        let short = || swar::word_before(message, end);
        match self {
            DataType::Text | DataType::Multiple => true,
            DataType::Char => len == 1,
            DataType::Boolean => matches!(text, b"Y" | b"N"),
            DataType::Int | DataType::Unsigned => {
                let digits = short().and_then(|word| swar::digits_at_back(word, len));
                digits.is_some() || self == DataType::Int && is_int(text) || is_digits(text)
            }
            DataType::Decimal => {
                short().is_some_and(|word| Decimal::parse_short(word, len).is_some())
                    || is_decimal(text)
            }
            DataType::UtcTimestamp => times.read(text).is_ok() || is_of_any_year(text),
            DataType::UtcTime => is_time(text),
            DataType::Date => is_date(text),
            DataType::MonthYear => is_month_year(text),
            DataType::DayOfMonth => {
                len <= 2 && value::parse_u32(text).is_ok_and(|day| (1..=31).contains(&day))
            }
        }
    }
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn is_int(text: &[u8]) -> bool {
    is_digits(text.strip_prefix(b"-").unwrap_or(text))
}

/// However many digits it has: what a type here holds is no matter of the standard's.
fn is_decimal(text: &[u8]) -> bool {
    !matches!(Decimal::parse(text), Err(FieldError::Format | FieldError::Missing))
        && text.iter().filter(|byte| **byte == b'.').count() <= 1
        && text.iter().skip(1).all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
}

fn is_date(text: &[u8]) -> bool {
    timestamp_of(&[text, b"-00:00:00"])
}

fn is_time(text: &[u8]) -> bool {
    timestamp_of(&[b"20000101-", text])
}

fn is_month_year(text: &[u8]) -> bool {
    match text {
        [month @ .., b'w', b'1'..=b'5'] | month if month.len() == 6 => {
            timestamp_of(&[month, b"01-00:00:00"])
        }
        _ => text.len() == 8 && is_date(text),
    }
}

/// Whether the parts make a UTCTimestamp.
fn timestamp_of(parts: &[&[u8]; 2]) -> bool {
    let mut text = arrayvec::ArrayVec::<u8, LEN_MAX>::new();
    parts.iter().all(|part| text.try_extend_from_slice(part).is_ok())
        && (timestamp::parse(&text).is_ok() || is_of_any_year(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_takes_its_values_and_no_others() {
        let table = [
            ("STRING", "a b", ""),
            ("CURRENCY", "EUR USDT", ""),
            ("CHAR", "a 1", "ab"),
            ("BOOLEAN", "Y N", "y YN 1"),
            ("INT", "0 -1 007 123456789012345678901", "+1 1.0 - a 1a 12345678a"),
            ("NUMINGROUP", "0 12 123456789", "-1 1.5 x"),
            (
                "PRICE",
                "1 -1 .5 5. -0.5 002000.00 99999999999999999999.5",
                "+1 . - 1e5 1.2.3 1-2 -.-",
            ),
            (
                "UTCTIMESTAMP",
                "20260102-03:04:05 20260102-03:04:05.678 20260102-03:04:05.6 19620101-00:00:00 \
                 99991231-00:00:00.000000000000",
                "20260102 20260230-03:04:05 20260102-24:04:05 20260102-03:04:05. 99990229-00:00:00 \
                 20260102-03:04:05.0000000000000",
            ),
            (
                "UTCTIMEONLY",
                "03:04:05 23:59:60.123456 03:04:05.1 03:04:05.123456789012",
                "3:04:05 24:00:00 03:04 03:04:05. 03:04:05.1234567890123",
            ),
            ("UTCDATEONLY", "20240229 00000229 99991231", "20230229 202401 20240101x 99990229"),
            ("LOCALMKTDATE", "20240229 19620101 24000229", "20241301 19000229"),
            (
                "MONTHYEAR",
                "202401 20240131 202401w5 999912 196202 196202w1 99991231",
                "202413 2024 202401w6 20240132 202401w 999913 196200",
            ),
            ("DAYOFMONTH", "1 31 07", "0 32 001 x"),
            ("NO SUCH TYPE", "x", ""),
        ];
        for (name, right, wrong) in table {
            let kind = DataType::of_name(name, false);
            for (texts, expected) in [(right, true), (wrong, false)] {
                for text in texts.split(' ').filter(|text| !text.is_empty()) {
                    // In front of it as much as a message has there, or nothing.
                    for front in ["", "8=FIX.4.4|9=12|"] {
                        let message = format!("{front}{text}");
                        let place = front.len()..message.len();
                        let found = kind.takes(message.as_bytes(), place, &mut Reader::default());
                        assert_eq!(found, expected, "{name} {text:?}");
                    }
                }
            }
        }
        assert_eq!(DataType::of_name("CHAR", true), DataType::Text);
    }
}
