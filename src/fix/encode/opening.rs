//! How messages of one type begin, written down once with its sum.

use super::{Begun, EncodeError, Encoder, NOT_SUMMED};
use crate::fix::timestamp::Formatter;

/// The longest opening, in bytes: written at once, garbage behind it, where the message's slot has as many.
const OPENING_MAX: usize = 64;

/// BeginString(8), BodyLength(9) and MsgType(35) of messages of one type, and what they add up to.
#[derive(Clone, Debug)]
pub struct Opening {
    text: [u8; OPENING_MAX],
    begun: Begun,
}

impl Opening {
    /// Of messages of this version and type.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] where they take more than 64 bytes; [`EncodeError::ValueInvalid`] where one of the two is
    /// no value.
    pub fn new(begin_string: &str, msg_type: &[u8]) -> Result<Opening, EncodeError> {
        let (mut text, mut formatter) = ([0; OPENING_MAX], Formatter::default());
        if begin_string.is_empty() || begin_string.contains('\x01') {
            return Err(EncodeError::ValueInvalid);
        }
        let mut encoder = Encoder::begin(&mut text, &mut formatter, begin_string, msg_type);
        encoder.sum_up();
        let begun = encoder.begun();
        begun.error.map_or(Ok(Opening { text, begun }), Err)
    }
}

impl<'a> Encoder<'a> {
    /// As [`begin`](Encoder::begin), with what was written down before: a [template](Encoder::fill) goes on with its sum.
    #[inline(always)]
    pub fn open(
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        opening: &Opening,
    ) -> Encoder<'a> {
        match slot.first_chunk_mut::<OPENING_MAX>() {
            Some(room) => {
                *room = opening.text;
                Encoder::resume(slot, formatter, opening.begun)
            }
            None => Encoder::open_near_end(slot, formatter, opening),
        }
    }

    #[cold]
    fn open_near_end(
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        Opening { text, begun }: &Opening,
    ) -> Encoder<'a> {
        let body = begun.body as usize;
        let mut encoder =
            Encoder { slot, at: 0, body, error: None, summed_to: NOT_SUMMED, sum: 0, formatter };
        encoder.put_raw(text.get(..begun.at as usize).unwrap_or_default());
        encoder
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_opened_is_as_one_that_is_begun_in_slots_of_any_length() {
        let opening = Opening::new("FIX.4.4", b"AE").unwrap();
        for room in 0..120 {
            let (mut opened, mut begun) = ([0; 120], [0; 120]);
            let (mut a, mut b) = (Formatter::default(), Formatter::default());
            let mut encoder = Encoder::open(&mut opened[..room], &mut a, &opening);
            let found = encoder.put_u32(34, 7).put_str(58, "some text").finish();
            let mut encoder = Encoder::begin(&mut begun[..room], &mut b, "FIX.4.4", b"AE");
            let expected = encoder.put_u32(34, 7).put_str(58, "some text").finish();
            assert_eq!(found, expected, "{room}");
            if let Ok(len) = found {
                assert_eq!(opened[..len], begun[..len], "{room}");
            }
        }
    }

    #[test]
    fn what_opens_no_message_is_refused() {
        let long = "F".repeat(60);
        for (begin_string, msg_type, why) in [
            ("", &b"D"[..], EncodeError::ValueInvalid),
            ("FIX\u{1}", b"D", EncodeError::ValueInvalid),
            ("FIX.4.4", b"", EncodeError::ValueInvalid),
            (&long, b"D", EncodeError::TooLong),
        ] {
            assert_eq!(Opening::new(begin_string, msg_type).map(|_| ()), Err(why));
        }
    }
}
