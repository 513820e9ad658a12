//! Numbers as people write them in a profile.

use core::str::FromStr;

/// Reads a decimal number: digits alone, without a sign, and without a zero before others, which some take for
/// octal.
pub(crate) fn decimal<T: FromStr>(text: &str) -> Option<T> {
    let is_plain = text.bytes().all(|sign| sign.is_ascii_digit());
    let is_padded = text.len() > 1 && text.starts_with('0');
    if is_plain && !is_padded { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn a_number_is_its_digits_and_nothing_else() {
        for (text, number) in [("0", Some(0)), ("7", Some(7)), ("65535", Some(65_535))] {
            assert_eq!(decimal::<u16>(text), number);
        }
        for text in ["", "+8", "-1", "08", "00", " 8", "8 ", "1_0", "65536", "0x8", "\u{663}"] {
            assert_eq!(decimal::<u16>(text), None, "{text:?}");
        }
    }
}
