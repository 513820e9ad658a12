//! The slow and obvious twin of the decoder, and helpers that build messages for tests.

use super::frame::SOH;
use super::tags;

/// `8=`, `9=`, the body given with `|` for SOH, `10=`: right in every respect.
pub(crate) fn sealed(begin_string: &str, body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    seal_bytes(begin_string, body.as_bytes())
}

/// As [`sealed`], for bodies that are not text.
pub(super) fn seal_bytes(begin_string: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("8={begin_string}\x019={}\x01", body.len()).into_bytes();
    message.extend_from_slice(body);
    let sum = message.iter().map(|&byte| u32::from(byte)).sum::<u32>() % 256;
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

/// Every field of a framed message with its tag, or `None` where the message is garbled. Fields
/// whose tag is a number that no tag has are left out, as the decoder leaves them out.
pub(super) fn fields(message: &[u8]) -> Option<Vec<(u32, Vec<u8>)>> {
    let mut fields: Vec<(u32, Vec<u8>)> = Vec::new();
    let (mut rest, trailer) = message.split_at(message.len() - super::frame::TRAILER_LEN);
    let mut announced: Option<(u32, usize)> = None;
    while !rest.is_empty() {
        let equals = rest.iter().position(|&byte| byte == b'=')?;
        let tag = String::from_utf8(rest[..equals].to_vec()).ok()?;
        let number = tag.strip_prefix('-').unwrap_or(&tag);
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let valid = !tag.starts_with(['-', '0']) && tag.len() <= 9;
        let tag = if valid { tag.parse().ok()? } else { 0 };
        rest = &rest[equals + 1..];
        let to_soh = rest.iter().position(|&byte| byte == SOH)?;
        let end = match announced {
            Some((data, len)) if data == tag && rest.get(len) == Some(&SOH) => len,
            _ => to_soh,
        };
        let value = rest[..end].to_vec();
        announced = std::str::from_utf8(&value)
            .ok()
            .and_then(|text| text.bytes().all(|b| b.is_ascii_digit()).then_some(text))
            .and_then(|text| text.parse().ok())
            .and_then(|len| Some((tags::data_of_length(tag)?, len)));
        if valid {
            fields.push((tag, value));
        }
        rest = &rest[end + 1..];
    }
    fields.push((tags::CHECK_SUM, trailer[3..6].to_vec()));
    (fields.get(2)?.0 == tags::MSG_TYPE).then_some(fields)
}
