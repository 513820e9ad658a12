//! Where a message ends in a stream, proven by BodyLength(9) and CheckSum(10).

use super::reason::Garbled;
use super::simd::{Digest, digest};
use super::swar;

/// The byte that ends a field.
pub const SOH: u8 = 0x01;

/// `10=nnn` and its SOH.
pub const TRAILER_LEN: usize = 7;

const START: &[u8] = b"8=FIX";
/// Where the body begins behind `8=FIX.4.n`, `9=nnn` and their SOHs.
const USUAL_BODY: usize = 16;
/// `8=FIXT.1.1` and `8=FIX.5.0SP2` bound what any version writes, SOH included.
const BEGIN_STRING_FIELD_LEN_MAX: usize = 16;
/// Digits of BodyLength: leading zeros are taken from peers that pad to a width.
const BODY_LENGTH_DIGITS_MAX: usize = 9;
/// `35=0` and its SOH.
const BODY_LEN_MIN: usize = 5;

/// What the front of a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed {
    /// A message, its BodyLength and CheckSum right.
    Complete(Whole),
    /// The beginning of a message. At least `need` more bytes end it or tell more.
    Incomplete {
        /// Never 0, and never more than the message lacks.
        need: usize,
    },
    /// No message: `skip` bytes are to be passed over before looking again.
    Garbled {
        /// Never 0, and never more than there are.
        skip: usize,
        /// Why.
        reason: Garbled,
    },
}

/// What framing found of a message that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// From the `8` of BeginString to the SOH after CheckSum, in bytes.
    pub len: usize,
    /// Where the fields after BodyLength begin.
    pub body: usize,
    /// Of where its SOHs are.
    pub(super) key: u32,
    /// The first four bytes of the body.
    pub(super) third: [u8; 4],
}

/// Looks at the front of `bytes`. A message longer than `message_bytes_max` is refused as soon as
/// its BodyLength is read, before any of it needs to be kept.
///
/// A message whose CheckSum is not where BodyLength says takes the bytes that it claims down with
/// it, and the search for the next `8=FIX` begins there.
#[inline(always)]
pub fn frame(bytes: &[u8], message_bytes_max: usize) -> Framed {
    match frame_usual(digest, bytes, message_bytes_max) {
        Some(whole) => Framed::Complete(whole),
        None => frame_any(bytes, message_bytes_max),
    }
}

/// The message that `bytes` are and no more, the digest of its content taken by `digest`, if its head is that of nearly
/// every message. `None` where [`frame_any`] is to look.
#[inline(always)]
pub(super) fn frame_usual(
    digest: impl Fn(&[u8]) -> Digest,
    bytes: &[u8],
    message_bytes_max: usize,
) -> Option<Whole> {
    // Nearly every segment holds one message: its length is known before BodyLength is worked out, and
    // only confirmed by it.
    let body_len = usual_body_len(bytes)?;
    let is_all =
        USUAL_BODY + body_len + TRAILER_LEN == bytes.len() && bytes.len() <= message_bytes_max;
    if is_all { sealed(digest, bytes, USUAL_BODY) } else { None }
}

/// As [`frame`], for any head, of a message that may not be all of `bytes`.
#[inline(never)]
pub(super) fn frame_any(bytes: &[u8], message_bytes_max: usize) -> Framed {
    let usual = usual_body_len(bytes).map(|body_len| (USUAL_BODY, body_len));
    let (body, body_len) = match usual.map_or_else(|| head(bytes), Ok) {
        Ok(found) => found,
        Err(unusual) => return unusual,
    };
    let len = body + body_len + TRAILER_LEN;
    if len > message_bytes_max {
        return garbled(bytes, body.min(bytes.len()), Garbled::BodyLengthTooLong);
    }
    let Some(message) = bytes.get(..len) else {
        return Framed::Incomplete { need: len - bytes.len() };
    };
    match sealed(digest, message, body) {
        Some(whole) => Framed::Complete(whole),
        None => unsealed(message, bytes),
    }
}

/// What is found of `message`, if it ends as its bytes add up.
#[inline(always)]
fn sealed(digest: impl Fn(&[u8]) -> Digest, message: &[u8], body: usize) -> Option<Whole> {
    let len = message.len();
    let content = &message[..len - TRAILER_LEN];
    let Digest { sum, key } = digest(content);
    if message.last_chunk() == Some(&ending(sum))
        && let Some(third) = message.get(body..).and_then(<[u8]>::first_chunk)
    {
        return Some(Whole { len, body, key, third: *third });
    }
    None
}

/// What `message` is, at the front of `bytes`, that does not end as its bytes add up.
#[cold]
fn unsealed(message: &[u8], bytes: &[u8]) -> Framed {
    match check_sum_fault(message) {
        Garbled::CheckSumWrong => {
            Framed::Garbled { skip: message.len(), reason: Garbled::CheckSumWrong }
        }
        reason => garbled(bytes, message.len() - TRAILER_LEN, reason),
    }
}

/// How long the body is, for the head that nearly every message has: a BeginString from FIX.4.0 to FIX.4.9 and a
/// BodyLength of three digits.
#[inline(always)]
fn usual_body_len(bytes: &[u8]) -> Option<usize> {
    let head = bytes.first_chunk::<{ USUAL_BODY + 4 }>()?;
    let (&front, &middle, &length) =
        (head.first_chunk::<8>()?, head[8..].first_chunk()?, head[12..].first_chunk()?);
    let middle = u32::from_le_bytes(middle) ^ u32::from_le_bytes([b'0', SOH, b'9', b'=']);
    let values = u32::from_le_bytes(length) ^ u32::from_le_bytes([b'0', b'0', b'0', SOH]);
    let body_len = swar::number_of_four(values << 8) as usize;
    // Over 9 a byte reaches its highest bit by this, or has it already; SOH must be it.
    let is_usual = (values | values.wrapping_add(0x7f76_7676)) & 0x8080_8080 == 0
        && front == *b"8=FIX.4."
        // The lowest byte is the digit.
        && middle <= 9
        && body_len >= BODY_LEN_MIN;
    is_usual.then_some(body_len)
}

/// Where the body begins and how long it is, for any head, or what the bytes are instead of one.
#[inline(never)]
fn head(bytes: &[u8]) -> Result<(usize, usize), Framed> {
    let prefix = bytes.len().min(START.len());
    if bytes[..prefix] != START[..prefix] {
        return Err(garbled(bytes, 1, Garbled::BeginStringMissing));
    }
    let Some(begin_string_end) =
        bytes.iter().take(BEGIN_STRING_FIELD_LEN_MAX).position(|&byte| byte == SOH)
    else {
        return Err(unended(bytes, BEGIN_STRING_FIELD_LEN_MAX, Garbled::BeginStringInvalid));
    };
    let second = &bytes[begin_string_end + 1..];
    let prefix = second.len().min(2);
    if second[..prefix] != b"9="[..prefix] {
        return Err(garbled(bytes, 1, Garbled::BodyLengthNotSecond));
    }
    if prefix < 2 {
        return Err(Framed::Incomplete { need: 2 - prefix });
    }
    match body_length(&second[2..]) {
        Ok(Some((body_len, digits))) => Ok((begin_string_end + 1 + 2 + digits + 1, body_len)),
        Ok(None) => Err(Framed::Incomplete { need: 1 }),
        Err(reason) => Err(garbled(bytes, 1, reason)),
    }
}

/// BodyLength's value and its number of digits, or `None` when its SOH is still to come.
fn body_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, Garbled> {
    let mut value = 0;
    for (digits, &byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' if digits < BODY_LENGTH_DIGITS_MAX => {
                value = value * 10 + usize::from(byte - b'0');
            }
            b'0'..=b'9' => return Err(Garbled::BodyLengthTooLong),
            SOH if digits > 0 && value >= BODY_LEN_MIN => return Ok(Some((value, digits))),
            _ => return Err(Garbled::BodyLengthInvalid),
        }
    }
    Ok(None)
}

/// What is wrong with a message that does not end as its bytes add up.
#[cold]
fn check_sum_fault(message: &[u8]) -> Garbled {
    let (content, trailer) = message.split_at(message.len() - TRAILER_LEN);
    match trailer {
        [b'1', b'0', b'=', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', SOH]
            if content.last() == Some(&SOH) =>
        {
            Garbled::CheckSumWrong
        }
        _ => Garbled::CheckSumMissing,
    }
}

/// How a message ends whose bytes add up to `sum`: the last SOH of its content, then `10=nnn` and its SOH.
#[inline(always)]
pub(super) fn ending(sum: u8) -> [u8; 1 + TRAILER_LEN] {
    const FRONT: u64 = u64::from_le_bytes([SOH, b'1', b'0', b'=', 0, 0, 0, 0]);
    (FRONT | u64::from(SUM_TEXTS[usize::from(sum)]) << 32).to_le_bytes()
}

/// Each sum as three digits and SOH.
pub(super) static SUM_TEXTS: [u32; 256] = {
    let mut texts = [0; 256];
    let mut sum = 0;
    while sum < texts.len() {
        let digits = [sum / 100, sum / 10 % 10, sum % 10];
        let [a, b, c] = [b'0' + digits[0] as u8, b'0' + digits[1] as u8, b'0' + digits[2] as u8];
        texts[sum] = u32::from_le_bytes([a, b, c, SOH]);
        sum += 1;
    }
    texts
};

fn unended(bytes: &[u8], len_max: usize, reason: Garbled) -> Framed {
    if bytes.len() < len_max {
        let need = START.len().saturating_sub(bytes.len()).max(1);
        Framed::Incomplete { need }
    } else {
        garbled(bytes, 1, reason)
    }
}

/// Skips to the next place at or after `from` where a message may begin: an `8=FIX`, or its first
/// bytes at the end of what there is.
#[cold]
fn garbled(bytes: &[u8], from: usize, reason: Garbled) -> Framed {
    let rest = &bytes[from..];
    let start = (0..rest.len()).find(|&at| {
        let prefix = START.len().min(rest.len() - at);
        rest[at..at + prefix] == START[..prefix]
    });
    Framed::Garbled { skip: from + start.unwrap_or(rest.len()), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::oracle::sealed;

    const MAX: usize = 4096;

    fn soh(text: &str) -> Vec<u8> {
        text.replace('|', "\x01").into_bytes()
    }

    #[test]
    fn every_proper_prefix_is_incomplete_and_asks_for_no_more_than_is_missing() {
        for (version, body) in [("FIX.4.4", 15), ("FIX.4.0", 15), ("FIXT.1.1", 16)] {
            let message = sealed(version, "35=0|34=2|49=A|52=20260102-03:04:05|56=B|");
            for cut in 0..message.len() {
                match frame(&message[..cut], MAX) {
                    Framed::Incomplete { need } => {
                        let lacking = message.len() - cut;
                        assert!((1..=lacking).contains(&need), "cut at {cut}, need {need}");
                    }
                    found => panic!("cut at {cut}: {found:?}"),
                }
            }
            let Framed::Complete(whole) = frame(&message, MAX) else { panic!("not complete") };
            assert_eq!((whole.len, whole.body), (message.len(), body));
        }
    }

    #[test]
    fn a_usual_head_is_read_as_any_head_is() {
        let heads = [
            "8=FIX.4.4|9=123|",
            "8=FIX.4.2|9=5|",
            "8=FIX.4.4|9=0012345|",
            "8=FIX.4.4|9=4|",
            "8=FIX.4.4|9=004|",
            "8=FIX.4.4|9=005|",
            "8=FIX.4.0|9=999|",
            "8=FIX.4.4|9=12345678|",
            "8=FIX.4.4|9=:23|",
            "8=FIX.4.4|9=12/|",
            "8=FIX.4.||9=123|",
            "8=FIXT.1.1|9=77|",
            "8=FIX|9=55|",
            "8=FIX.4.4|9=|",
            "8=FIX.4.4|9=1a3|",
            "8=FIX.4.4|10=123|",
            "9=FIX.4.4|9=123|",
            "8=FOX.4.4|9=123|",
            "8=FIX.4.4|9|123|",
            "|||||",
        ];
        let mut usual = 0;
        for text in heads {
            let bytes = soh(&format!("{text}35=0|34=2|49=A|"));
            for cut in 0..=bytes.len() {
                if let Some(body_len) = usual_body_len(&bytes[..cut]) {
                    let found = Ok((USUAL_BODY, body_len));
                    assert_eq!(head(&bytes[..cut]), found, "{text} cut at {cut}");
                    usual += 1;
                }
            }
        }
        assert!(usual > 10);
    }

    #[test]
    fn a_message_with_the_usual_head_is_cut_off_where_it_ends_and_refused_where_it_is_too_long() {
        let message = sealed("FIX.4.4", &format!("35=0|34=2|58={}|", "x".repeat(100)));
        let len_of = |bytes: &[u8], message_bytes_max| match frame(bytes, message_bytes_max) {
            Framed::Complete(whole) => Ok(whole.len),
            Framed::Garbled { reason, .. } => Err(Some(reason)),
            Framed::Incomplete { .. } => Err(None),
        };
        let len = message.len();
        assert_eq!(len_of(&message, len), Ok(len));
        assert_eq!(len_of(&message, len - 1), Err(Some(Garbled::BodyLengthTooLong)));
        assert_eq!(len_of(&[&message[..], &message[..]].concat(), len), Ok(len));
        assert_eq!(len_of(&message[..len - 1], len), Err(None));
    }

    #[test]
    fn each_garbled_message_has_its_reason_and_the_next_one_is_found() {
        let next = sealed("FIX.4.4", "35=0|34=2|");
        let table = [
            ("garbage|", Garbled::BeginStringMissing),
            ("8=FIX.4.4.and.on.and.on|9=5|", Garbled::BeginStringInvalid),
            ("8=FIX.4.4|35=0|", Garbled::BodyLengthNotSecond),
            ("8=FIX.4.4|9=|35=0|10=000|", Garbled::BodyLengthInvalid),
            ("8=FIX.4.4|9=-5|35=0|10=000|", Garbled::BodyLengthInvalid),
            ("8=FIX.4.4|9=4|35=0|10=000|", Garbled::BodyLengthInvalid),
            ("8=FIX.4.4|9=4090|35=0|10=000|", Garbled::BodyLengthTooLong),
            ("8=FIX.4.4|9=99999999999999999999|35=0|", Garbled::BodyLengthTooLong),
            ("8=FIX.4.4|9=5|35=0|10=256|", Garbled::CheckSumWrong),
            ("8=FIX.4.4|9=5|35=0|10=00|", Garbled::CheckSumMissing),
            ("8=FIX.4.4|9=5|35=0|11=000|", Garbled::CheckSumMissing),
            ("8=FIX.4.4|9=5|35=000|10=000|", Garbled::CheckSumMissing),
        ];
        for (text, expected) in table {
            let mut bytes = soh(text);
            let garbage = bytes.len();
            bytes.extend_from_slice(&next);
            let mut at = 0;
            let mut reasons = Vec::new();
            while at < garbage {
                match frame(&bytes[at..], MAX) {
                    Framed::Garbled { skip, reason } => (at += skip, reasons.push(reason)).1,
                    found => panic!("{text}: {found:?}"),
                }
            }
            assert_eq!((at, reasons[0]), (garbage, expected), "{text}");
        }
    }

    #[test]
    fn a_body_length_too_long_takes_down_what_it_claims() {
        let mut bytes = soh("8=FIX.4.4|9=30|35=0|34=2|10=000|");
        bytes.extend_from_slice(&sealed("FIX.4.4", "35=0|34=3|"));
        let third = bytes.len();
        bytes.extend_from_slice(&sealed("FIX.4.4", "35=0|34=4|"));
        let Framed::Garbled { skip, reason: Garbled::CheckSumMissing } = frame(&bytes, MAX) else {
            panic!("not garbled")
        };
        assert_eq!(skip, third);
    }
}
