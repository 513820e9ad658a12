//! of_fix 0.1: the fastest published decoder that verifies BodyLength and CheckSum.

use ::of_fix::{FixDecoder, FixEncoder, FixFieldView, FixTag};

use super::text::{Text, ten_by_tag};
use crate::fix::{Decode, Encode, Kind, TenFields};
use crate::messages::{DESK, Order, SENT_AT, VENUE};

/// The most fields of a message that it is given room for.
pub(super) const FIELDS_MAX: usize = 32;

/// Decoder and encoder.
pub struct OfFix {
    decoder: FixDecoder,
    encoder: FixEncoder,
}

impl Default for OfFix {
    fn default() -> OfFix {
        OfFix { decoder: FixDecoder::new(), encoder: FixEncoder::with_capacity(512) }
    }
}

impl Decode for OfFix {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields> {
        // It is borrowed for as long as the message: made anew it costs less than anything else.
        let mut scratch = [FixFieldView::empty(); FIELDS_MAX];
        let message = self.decoder.parse(bytes, &mut scratch).ok()?;
        ten_by_tag(kind, |tag| message.get(FixTag(tag)))
    }
}

impl Encode for OfFix {
    const BODY_LENGTH_DIGITS: usize = 10;

    #[inline]
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T {
        let seq = Text::of_unsigned(u64::from(order.seq));
        let cl_ord_id = Text::of_id(b'O', order.number);
        let quantity = Text::of_unsigned(order.quantity as u64);
        let price = Text::of_hundredths(order.price);
        let fields: [(FixTag, &[u8]); 14] = [
            (FixTag(34), seq.as_bytes()),
            (FixTag(49), DESK.as_bytes()),
            (FixTag(52), SENT_AT.as_bytes()),
            (FixTag(56), VENUE.as_bytes()),
            (FixTag(1), b"DESK1"),
            (FixTag(11), cl_ord_id.as_bytes()),
            (FixTag(21), b"1"),
            (FixTag(38), quantity.as_bytes()),
            (FixTag(40), b"2"),
            (FixTag(44), price.as_bytes()),
            (FixTag(54), b"1"),
            (FixTag(55), b"ESZ6"),
            (FixTag(59), b"0"),
            (FixTag(60), SENT_AT.as_bytes()),
        ];
        done(self.encoder.encode(b"FIX.4.4", b"D", &fields).expect("a valid message"))
    }
}
