//! Values of the plain types: integers, characters, booleans (FIX 4.4 Vol. 1, data types).

use core::fmt;

/// Why a field gave no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FieldError {
    /// The message has no such field.
    Missing,
    /// The field is not of that type.
    Format,
    /// The value exceeds what the type here holds.
    Range,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FieldError::Missing => "field is missing",
            FieldError::Format => "value is not of the field's type",
            FieldError::Range => "value is out of range",
        })
    }
}

impl core::error::Error for FieldError {}

/// A field that may be missing: what is wrong with one that is there stays an error.
///
/// # Errors
/// Any but [`FieldError::Missing`].
#[inline]
pub fn optional<T>(read: Result<T, FieldError>) -> Result<Option<T>, FieldError> {
    match read {
        Err(FieldError::Missing) => Ok(None),
        read => read.map(Some),
    }
}

/// Reads a non-negative integer; leading zeros are allowed.
#[inline]
pub fn parse_u32(bytes: &[u8]) -> Result<u32, FieldError> {
    let value = parse_digits(bytes)?;
    u32::try_from(value).map_err(|_| FieldError::Range)
}

/// Reads an integer with an optional minus.
#[inline]
pub fn parse_i64(bytes: &[u8]) -> Result<i64, FieldError> {
    match bytes {
        [b'-', digits @ ..] => 0i64.checked_sub_unsigned(parse_digits(digits)?),
        _ => 0i64.checked_add_unsigned(parse_digits(bytes)?),
    }
    .ok_or(FieldError::Range)
}

/// Reads one character.
#[inline]
pub fn parse_char(bytes: &[u8]) -> Result<u8, FieldError> {
    match *bytes {
        [byte] => Ok(byte),
        _ => Err(FieldError::Format),
    }
}

/// Reads `Y` or `N`.
#[inline]
pub fn parse_bool(bytes: &[u8]) -> Result<bool, FieldError> {
    match bytes {
        b"Y" => Ok(true),
        b"N" => Ok(false),
        _ => Err(FieldError::Format),
    }
}

#[inline]
fn parse_digits(bytes: &[u8]) -> Result<u64, FieldError> {
    if bytes.is_empty() {
        return Err(FieldError::Format);
    }
    let mut value = 0u64;
    for &byte in bytes {
        if !byte.is_ascii_digit() {
            return Err(FieldError::Format);
        }
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(u64::from(byte - b'0')))
            .ok_or(FieldError::Range)?;
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_to_their_limits_and_no_further() {
        let table = [
            ("0", Ok(0)),
            ("007", Ok(7)),
            ("4294967295", Ok(u32::MAX)),
            ("4294967296", Err(FieldError::Range)),
            ("99999999999999999999999", Err(FieldError::Range)),
            ("", Err(FieldError::Format)),
            ("-1", Err(FieldError::Format)),
            ("+1", Err(FieldError::Format)),
            ("1 ", Err(FieldError::Format)),
        ];
        for (text, expected) in table {
            assert_eq!(parse_u32(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(parse_i64(b"-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(parse_i64(b"9223372036854775807"), Ok(i64::MAX));
        assert_eq!(parse_i64(b"9223372036854775808"), Err(FieldError::Range));
        assert_eq!(parse_i64(b"-"), Err(FieldError::Format));
    }

    #[test]
    fn characters_and_booleans_are_one_byte() {
        assert_eq!(parse_char(b"x"), Ok(b'x'));
        assert_eq!(parse_char(b"xy"), Err(FieldError::Format));
        assert_eq!((parse_bool(b"Y"), parse_bool(b"N")), (Ok(true), Ok(false)));
        for text in ["y", "", "YY", "1"] {
            assert_eq!(parse_bool(text.as_bytes()), Err(FieldError::Format), "{text}");
        }
    }
}
