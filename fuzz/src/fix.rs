//! Bytes as FIX messages for one decoder, which has to find of each what a decoder finds that is a page long, slow and
//! obvious.

use fixwire::fix::reason::RejectReason;
use fixwire::fix::tags::{data_of_length, header_slot, is_of_header};
use fixwire::fix::{Decoder, Framed, Garbled, frame};

const SOH: u8 = 1;
/// Between two messages of an input.
const NEXT: u8 = 0xfe;
/// How often each is decoded: the second time its shape is remembered, and by the third it is known.
const TIMES: usize = 3;
/// As a decoder has by default, CheckSum included.
const FIELDS_MAX: usize = 256;

/// What is found of a message: its fields, and the first thing that is wrong with one.
type Found<'a> = Result<(Vec<(u32, &'a [u8])>, Option<(RejectReason, &'a [u8])>), Garbled>;

/// Plays `bytes`, the first of which says as what.
///
/// # Panics
/// Two decoders do not agree.
pub fn play(bytes: &[u8]) {
    match bytes {
        [] => {}
        [kind, rest @ ..] if kind % 8 == 0 => read_as_a_stream(rest),
        [_, rest @ ..] => read_as_bodies(rest),
    }
}

/// What lies between two [`NEXT`] is a message from MsgType to the trailer, `|` for SOH, and is given the rest.
fn read_as_bodies(bytes: &[u8]) {
    let (mut remembering, mut forgetful) =
        (Decoder::default(), Decoder::default().without_shapes());
    for body in bytes.split(|byte| *byte == NEXT) {
        let message = sealed(body);
        let expected = naive(&message);
        for _ in 0..TIMES {
            for decoder in [&mut remembering, &mut forgetful] {
                assert_eq!(found(decoder, &message), expected, "{}", message.escape_ascii());
            }
        }
    }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let mut message = format!("8=FIX.4.4\x019={}\x01", body.len()).into_bytes();
    message.extend(body.iter().map(|byte| if *byte == b'|' { SOH } else { *byte }));
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

fn found<'a>(decoder: &'a mut Decoder, message: &'a [u8]) -> Found<'a> {
    let message = decoder.parse(message)?;
    let fields: Vec<_> = message.fields().collect();
    for (tag, value) in &fields {
        let first = fields.iter().find(|(other, _)| other == tag).map(|(_, value)| *value);
        assert_eq!(message.field(*tag), first, "{tag}");
        let text = std::str::from_utf8(first.unwrap_or_default()).unwrap_or("x");
        let is_plain = !text.starts_with('+');
        let number = text.parse::<u32>().ok().filter(|_| is_plain);
        assert_eq!(message.u32(*tag).ok(), number, "{}", value.escape_ascii());
        let number = text.parse::<i64>().ok().filter(|_| is_plain);
        assert_eq!(message.i64(*tag).ok(), number, "{}", value.escape_ascii());
    }
    Ok((fields, message.fault().map(|fault| (fault.reason, fault.tag))))
}

/// A whole message, its trailer right or not.
fn naive(message: &[u8]) -> Found<'_> {
    let content = &message[..message.len() - 7];
    let body = content.iter().enumerate().filter(|(_, byte)| **byte == SOH).nth(1);
    let body = &content[body.expect("two fields are written").0 + 1..];
    if body.len() < 5 {
        return Err(Garbled::BodyLengthInvalid);
    }
    if body.last() != Some(&SOH) {
        return Err(Garbled::CheckSumMissing);
    }
    if !body.starts_with(b"35=") {
        return Err(Garbled::MsgTypeNotThird);
    }
    let (mut fields, mut count, mut fault) = (Vec::new(), 0, None);
    let (mut seen, mut in_body, mut announced) = (Vec::new(), false, None);
    let mut rest = content;
    while !rest.is_empty() {
        let equals = rest.iter().position(|byte| *byte == b'=').ok_or(Garbled::FieldMalformed)?;
        let (name, value) = (&rest[..equals], &rest[equals + 1..]);
        let digits = name.strip_prefix(b"-").unwrap_or(name);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(Garbled::FieldMalformed);
        }
        let tag = std::str::from_utf8(name).ok().and_then(|name| name.parse::<u32>().ok());
        let tag = tag.filter(|tag| name[0] != b'0' && (1..1_000_000_000).contains(tag));
        let soh = value.iter().position(|byte| *byte == SOH);
        let mut end = soh.ok_or(Garbled::FieldMalformed)?;
        if count == FIELDS_MAX {
            return Err(Garbled::FieldsTooMany);
        }
        count += 1;
        let mut wrong = None;
        if let Some((data, len)) = announced.take()
            && tag == Some(data)
        {
            match value.get(len) {
                Some(&SOH) => end = len,
                _ => wrong = Some(RejectReason::DataFormatIncorrect),
            }
        }
        let value = &value[..end];
        match tag {
            None => wrong = Some(RejectReason::InvalidTagNumber),
            Some(tag) => {
                let text = std::str::from_utf8(value).unwrap_or("x");
                let len = text.parse::<u32>().ok().filter(|_| !text.starts_with('+'));
                announced = data_of_length(tag).zip(len.map(|len| len as usize));
                if value.is_empty() {
                    wrong = wrong.or(Some(RejectReason::TagWithoutValue));
                }
                if header_slot(tag).is_none() {
                    in_body |= !is_of_header(tag);
                    // CheckSum is the last field, and no other.
                    wrong = wrong.or((tag == 10).then_some(RejectReason::TagOutOfOrder));
                } else if seen.contains(&tag) {
                    wrong = wrong.or(Some(RejectReason::TagRepeated));
                } else {
                    seen.push(tag);
                    wrong = wrong.or(in_body.then_some(RejectReason::TagOutOfOrder));
                }
                fields.push((tag, value));
            }
        }
        fault = fault.or(wrong.map(|reason| (reason, name)));
        rest = &rest[equals + 1 + end + 1..];
    }
    if count + 1 > FIELDS_MAX {
        return Err(Garbled::FieldsTooMany);
    }
    fields.push((10, &message[content.len() + 3..message.len() - 1]));
    Ok((fields, fault))
}

/// Whatever comes is passed over to its end, and what is taken for a message is one. `|` is SOH.
fn read_as_a_stream(bytes: &[u8]) {
    const BYTES_MAX: usize = 512;
    let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte == b'|' { SOH } else { *byte }).collect();
    let mut decoder = Decoder::default();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match frame(rest, BYTES_MAX) {
            Framed::Complete(whole) => {
                assert!(whole.len <= BYTES_MAX);
                let (message, behind) = rest.split_at(whole.len);
                let (content, trailer) = message.split_at(message.len() - 7);
                let sum = content.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
                assert_eq!(trailer, format!("10={sum:03}\x01").as_bytes());
                assert!(content.starts_with(b"8=FIX"));
                let front = String::from_utf8_lossy(&content[..whole.body]).into_owned();
                let (_, len) = front.trim_end_matches('\x01').rsplit_once("\x019=").unwrap();
                assert_eq!(len.parse(), Ok(content.len() - whole.body));
                for cut in 0..message.len() {
                    let cut = frame(&message[..cut], BYTES_MAX);
                    assert!(matches!(cut, Framed::Incomplete { need } if need > 0), "{cut:?}");
                }
                let _ = decoder.decode(rest, &whole).map(|message| message.fields().count());
                rest = behind;
            }
            Framed::Garbled { skip, .. } => {
                assert!((1..=rest.len()).contains(&skip));
                rest = &rest[skip..];
            }
            Framed::Incomplete { need } => {
                assert!(need > 0);
                return;
            }
        }
    }
}
