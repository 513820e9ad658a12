//! Fields written byte by byte: what is long, unusual or near the slot's end.
//!
//! Each function writes at `at` and says where the field ends. They get the slot and not the encoder, so
//! that this stays in registers for those who need nothing of this.

use super::EncodeError;
use crate::fix::decimal::Decimal;
use crate::fix::frame::SOH;

type Written = Result<usize, EncodeError>;

/// A field of text.
#[inline(never)]
pub(super) fn bytes(slot: &mut [u8], at: usize, tag: u32, value: &[u8]) -> Written {
    if value.is_empty() || value.contains(&SOH) {
        return Err(EncodeError::ValueInvalid);
    }
    data(slot, at, tag, value)
}

/// A field of any bytes.
#[inline(never)]
pub(super) fn data(slot: &mut [u8], at: usize, tag: u32, value: &[u8]) -> Written {
    let at = put_tag(slot, at, tag)?;
    let at = raw(slot, at, value)?;
    raw(slot, at, &[SOH])
}

/// A field of a price or quantity.
#[inline(never)]
pub(super) fn decimal(slot: &mut [u8], at: usize, tag: u32, value: Decimal) -> Written {
    let at = put_tag(slot, at, tag)?;
    let at = decimal_alone(slot, at, value)?;
    raw(slot, at, &[SOH])
}

/// A price or quantity without its tag.
#[inline(never)]
pub(super) fn decimal_alone(slot: &mut [u8], mut at: usize, value: Decimal) -> Written {
    if value.mantissa < 0 {
        at = raw(slot, at, b"-")?;
    }
    let number = value.mantissa.unsigned_abs();
    if value.exponent >= 0 {
        at = digits(slot, at, number, 1)?;
        for _ in 0..if number == 0 { 0 } else { value.exponent } {
            at = raw(slot, at, b"0")?;
        }
    } else {
        let places = usize::from(value.exponent.unsigned_abs());
        let split = 10u64.checked_pow(places as u32);
        at = digits(slot, at, split.map_or(0, |split| number / split), 1)?;
        at = raw(slot, at, b".")?;
        at = digits(slot, at, split.map_or(number, |split| number % split), places)?;
    }
    Ok(at)
}

/// Bytes as they are.
#[inline]
pub(super) fn raw(slot: &mut [u8], at: usize, bytes: &[u8]) -> Written {
    let end = at.saturating_add(bytes.len());
    slot.get_mut(at..end).ok_or(EncodeError::TooLong)?.copy_from_slice(bytes);
    Ok(end)
}

fn put_tag(slot: &mut [u8], at: usize, tag: u32) -> Written {
    let at = digits(slot, at, u64::from(tag), 1)?;
    raw(slot, at, b"=")
}

/// `value` in decimal, with zeros in front up to `width_min` digits.
fn digits(slot: &mut [u8], mut at: usize, value: u64, width_min: usize) -> Written {
    let width = value.checked_ilog10().map_or(1, |log| log as usize + 1);
    for _ in width..width_min {
        at = raw(slot, at, b"0")?;
    }
    let room = slot.get_mut(at..at + width).ok_or(EncodeError::TooLong)?;
    let mut rest = value;
    for byte in room.iter_mut().rev() {
        *byte = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    Ok(at + width)
}
