//! Numbers from text and back, in the plain cheap way, for crates that leave that to their user.

use fixwire::fix::timestamp;

use crate::fix::{Kind, TenFields, Type, mark};

/// The ten fields through a crate's look-up of a tag.
#[inline(always)]
pub(super) fn ten_by_tag<'m>(
    kind: Kind,
    field: impl Fn(u32) -> Option<&'m [u8]>,
) -> Option<TenFields> {
    if field(35)? != kind.msg_type() {
        return None;
    }
    let mut rest = [0; 6];
    for (read, (tag, kind)) in rest.iter_mut().zip(kind.rest()) {
        *read = value(field(tag)?, kind)?;
    }
    Some(TenFields {
        seq: unsigned(field(34)?)? as u32,
        sent_ns: time(field(52)?)?,
        transacted_ns: time(field(60)?)?,
        cl_ord_id: mark(field(11)?),
        rest,
    })
}

/// A field's value as the type says.
#[inline(always)]
pub(super) fn value(text: &[u8], kind: Type) -> Option<i64> {
    match (kind, text) {
        (Type::Price, _) => hundredths(text),
        (Type::Quantity, _) => unsigned(text).map(|value| value as i64),
        (Type::Char, [char]) => Some(i64::from(*char)),
        (Type::Char, _) => None,
        (Type::Text, _) => Some(i64::from(mark(text))),
    }
}

/// A timestamp in nanoseconds since 1970, by our own parser, so that nobody is held up by a slower one.
#[inline(always)]
pub(super) fn time(text: &[u8]) -> Option<u64> {
    timestamp::parse(text).ok().map(|utc| utc.as_unix_ns())
}

/// An unsigned integer.
#[inline(always)]
pub(super) fn unsigned(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| value * 10 + u64::from(digit))
    })
}

/// A decimal that is not negative and has two decimals at most, in hundredths.
#[inline(always)]
pub(super) fn hundredths(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    let mut decimals: Option<usize> = None;
    for byte in text {
        if *byte == b'.' && decimals.is_none() {
            decimals = Some(0);
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
        decimals = decimals.map(|count| count + 1);
    }
    Some(value * [100, 10, 1].get(decimals.unwrap_or(0))?)
}

/// A number as text, at the back of its room.
pub(super) struct Text {
    bytes: [u8; 24],
    from: usize,
}

impl Text {
    /// An unsigned integer.
    #[inline(always)]
    pub(super) fn of_unsigned(value: u64) -> Text {
        let mut text = Text { bytes: [0; 24], from: 24 };
        text.put_digits(value);
        text
    }

    /// Hundredths as a decimal.
    #[inline(always)]
    pub(super) fn of_hundredths(value: i64) -> Text {
        let mut text = Text { bytes: [0; 24], from: 24 };
        let value = value as u64;
        text.put(b'0' + (value % 10) as u8);
        text.put(b'0' + (value / 10 % 10) as u8);
        text.put(b'.');
        text.put_digits(value / 100);
        text
    }

    /// A letter and a number.
    #[inline(always)]
    pub(super) fn of_id(letter: u8, number: u64) -> Text {
        let mut text = Text::of_unsigned(number);
        text.put(letter);
        text
    }

    #[inline(always)]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    #[inline(always)]
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline(always)]
    fn put(&mut self, byte: u8) {
        self.from -= 1;
        self.bytes[self.from] = byte;
    }

    #[inline(always)]
    fn put_digits(&mut self, mut value: u64) {
        loop {
            self.put(b'0' + (value % 10) as u8);
            value /= 10;
            if value == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_written() {
        for (text, value) in [("9750.25", 975_025), ("10000.00", 1_000_000), ("0.07", 7)] {
            assert_eq!(hundredths(text.as_bytes()), Some(value));
            assert_eq!(Text::of_hundredths(value).as_str(), text);
        }
        assert_eq!(hundredths(b"7"), Some(700));
        assert_eq!(hundredths(b"1.234"), None);
        assert_eq!(hundredths(b"1.2.3"), None);
        assert_eq!(unsigned(b"1x"), None);
        assert_eq!(Text::of_id(b'O', 100_000).as_str(), "O100000");
    }
}
