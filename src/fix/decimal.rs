//! Prices and quantities as integers with an exponent: never a float.

use core::cmp::Ordering;

use super::swar;
use super::value::FieldError;

/// The value `mantissa` x 10^`exponent`. 1.50 is 150 with exponent -2: what was written is kept.
///
/// Two decimals are equal when their parts are; [`cmp_value`](Decimal::cmp_value) compares values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// The digits, without the point.
    pub mantissa: i64,
    /// Where the point is: -2 means two places.
    pub exponent: i8,
}

/// The most places after the point that are read: all of an `i64`'s digits.
const PLACES_MAX: usize = 18;

impl Decimal {
    /// `mantissa` x 10^`exponent`.
    pub const fn new(mantissa: i64, exponent: i8) -> Decimal {
        Decimal { mantissa, exponent }
    }

    /// Reads FIX's `float` (FIX 4.4 Vol. 1, data types): an optional minus, digits, an optional
    /// point with digits after it, leading and trailing zeros welcome. A plus, an exponent or a
    /// lone point are not.
    ///
    /// # Errors
    /// [`FieldError::Format`]; [`FieldError::Range`] when the digits exceed an `i64`.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Decimal, FieldError> {
        let (negative, digits) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let mut mantissa = 0i64;
        let mut point = None;
        for (at, &byte) in digits.iter().enumerate() {
            match byte {
                b'0'..=b'9' => {
                    mantissa = mantissa
                        .checked_mul(10)
                        .and_then(|value| value.checked_add(i64::from(byte - b'0')))
                        .ok_or(FieldError::Range)?;
                }
                b'.' if point.is_none() => point = Some(at),
                _ => return Err(FieldError::Format),
            }
        }
        if digits.len() == usize::from(point.is_some()) {
            return Err(FieldError::Format);
        }
        let places = point.map_or(0, |at| digits.len() - at - 1);
        if places > PLACES_MAX {
            return Err(FieldError::Range);
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Ok(Decimal { mantissa, exponent: -(places as i8) })
    }

    /// Reads what the last `len` bytes of a word write, if they are digits and a point at most: most
    /// prices and quantities are.
    #[inline]
    pub(super) fn parse_short(word: u64, len: usize) -> Option<Decimal> {
        if len == 0 || len > 8 {
            return None;
        }
        let kept = word & swar::back(len);
        let Some(point) = swar::position(kept, b'.') else {
            let mantissa = swar::digits_of(kept, len)?;
            return Some(Decimal { mantissa: i64::from(mantissa), exponent: 0 });
        };
        if len == 1 {
            return None;
        }
        // The digits before the point move up by one, over it.
        let before = (1 << (8 * point)) - 1;
        let digits = (kept & before) << 8 | (kept & !before & !(0xff << (8 * point)));
        let mantissa = swar::digits_of(digits, len - 1)?;
        Some(Decimal { mantissa: i64::from(mantissa), exponent: point as i8 - 7 })
    }

    /// The same value with `exponent`, or `None` when that loses digits or exceeds an `i64`.
    #[inline(always)]
    pub fn rescaled(self, exponent: i8) -> Option<Decimal> {
        if self.exponent == exponent { Some(self) } else { self.rescaled_far(exponent) }
    }

    #[inline(never)]
    fn rescaled_far(self, exponent: i8) -> Option<Decimal> {
        let shift = i32::from(self.exponent) - i32::from(exponent);
        let factor = 10i64.checked_pow(shift.unsigned_abs());
        let mantissa = match shift {
            _ if self.mantissa == 0 => 0,
            0.. => self.mantissa.checked_mul(factor?)?,
            _ if self.mantissa % factor? == 0 => self.mantissa / factor?,
            _ => return None,
        };
        Some(Decimal { mantissa, exponent })
    }

    /// Compares by value: 1.5 equals 1.50.
    pub fn cmp_value(self, other: Decimal) -> Ordering {
        let by_sign = self.mantissa.signum().cmp(&other.mantissa.signum());
        if by_sign != Ordering::Equal || self.mantissa == 0 {
            return by_sign;
        }
        let low = self.exponent.min(other.exponent);
        match (widened(self, low), widened(other, low)) {
            (Some(a), Some(b)) => a.cmp(&b),
            // Only the operand of the larger exponent overflows an i128, and so dwarfs the other.
            (None, _) => {
                if self.mantissa > 0 {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (_, None) => {
                if self.mantissa > 0 {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        }
    }
}

fn widened(value: Decimal, exponent: i8) -> Option<i128> {
    let shift = i32::from(value.exponent) - i32::from(exponent);
    i128::from(value.mantissa).checked_mul(10i128.checked_pow(shift.unsigned_abs())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_standard_allows_is_read_and_the_rest_refused() {
        let table = [
            ("23.23", Ok((2323, -2))),
            ("-23.0", Ok((-230, -1))),
            ("0023", Ok((23, 0))),
            ("002000.00", Ok((200_000, -2))),
            (".5", Ok((5, -1))),
            ("5.", Ok((5, 0))),
            ("-0", Ok((0, 0))),
            ("9223372036854775807", Ok((i64::MAX, 0))),
            ("9223372036854775808", Err(FieldError::Range)),
            ("0.0000000000000000001", Err(FieldError::Range)),
            ("+200.00", Err(FieldError::Format)),
            ("", Err(FieldError::Format)),
            ("-", Err(FieldError::Format)),
            (".", Err(FieldError::Format)),
            ("-.", Err(FieldError::Format)),
            ("1.2.3", Err(FieldError::Format)),
            ("1e5", Err(FieldError::Format)),
            (" 1", Err(FieldError::Format)),
        ];
        for (text, expected) in table {
            let expected = expected.map(|(mantissa, exponent)| Decimal::new(mantissa, exponent));
            assert_eq!(Decimal::parse(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn what_is_short_is_read_alike() {
        let mut tried = 0;
        for text in [
            "0",
            "7",
            "100",
            "4500.25",
            ".5",
            "5.",
            ".",
            "..",
            "1.2.3",
            "12345678",
            "-1",
            "1e5",
            "0.000001",
            "1234567.",
            ".1234567",
            "00000000",
            "999999.9",
            "123456789",
            " 1",
            "1/2",
        ] {
            let mut padded = *b"########";
            let len = text.len().min(8);
            padded[8 - len..].copy_from_slice(&text.as_bytes()[..len]);
            let word = u64::from_le_bytes(padded);
            let expected = Decimal::parse(&text.as_bytes()[..len]).ok();
            let negative = text.starts_with('-');
            assert_eq!(Decimal::parse_short(word, len), expected.filter(|_| !negative), "{text}");
            tried += usize::from(expected.is_some());
        }
        assert!(tried > 10);
        assert_eq!((Decimal::parse_short(0, 0), Decimal::parse_short(0, 9)), (None, None));
    }

    #[test]
    fn rescaling_keeps_the_value_or_says_no() {
        assert_eq!(Decimal::new(15, -1).rescaled(-4), Some(Decimal::new(15_000, -4)));
        assert_eq!(Decimal::new(1500, -2).rescaled(0), Some(Decimal::new(15, 0)));
        assert_eq!(Decimal::new(15, -1).rescaled(0), None);
        assert_eq!(Decimal::new(i64::MAX, 0).rescaled(-1), None);
        assert_eq!(Decimal::new(0, -128).rescaled(127), Some(Decimal::new(0, 127)));
    }

    #[test]
    fn values_compare_across_exponents() {
        let table = [
            ((15, -1), (150, -2), Ordering::Equal),
            ((-1, 0), (0, 5), Ordering::Less),
            ((1, 127), (i64::MAX, -128), Ordering::Greater),
            ((-1, 127), (-5, -128), Ordering::Less),
            ((i64::MAX, -128), (1, 127), Ordering::Less),
        ];
        for ((m, e), (n, f), expected) in table {
            assert_eq!(
                Decimal::new(m, e).cmp_value(Decimal::new(n, f)),
                expected,
                "{m}e{e} {n}e{f}"
            );
        }
    }
}
