//! fefix 0.7, with its FIX 4.4 dictionary.

use ::fefix::fix_values::{Date, Time, Timestamp};
use ::fefix::tagvalue::{Config, Decoder, Encoder, FieldAccess, FvWrite};
use ::fefix::{Dictionary, GetConfig};

use super::text::{Text, ten_by_tag};
use crate::fix::{Decode, Encode, Kind, TenFields};
use crate::messages::{DESK, Order, VENUE};

/// Decoder and encoder.
pub struct Fefix {
    decoder: Decoder<Config>,
    encoder: Encoder<Config>,
    buffer: Vec<u8>,
    sent_at: Timestamp,
}

impl Default for Fefix {
    fn default() -> Fefix {
        let mut decoder = Decoder::<Config>::new(Dictionary::fix44());
        // It is the default, and the comparison rests on it. BodyLength is always verified.
        decoder.config_mut().set_verify_checksum(true);
        // `messages::SENT_AT`.
        let date = Date::new(2026, 11, 25).expect("a date");
        let time = Time::from_hmsm(20, 49, 37, 123).expect("a time");
        Fefix {
            decoder,
            encoder: Encoder::default(),
            buffer: Vec::with_capacity(512),
            sent_at: Timestamp::new(date, time),
        }
    }
}

impl Decode for Fefix {
    #[inline]
    fn read(&mut self, bytes: &[u8], kind: Kind) -> Option<TenFields> {
        let message = self.decoder.decode(bytes).ok()?;
        ten_by_tag(kind, |tag| message.fv_raw(&tag))
    }
}

impl Encode for Fefix {
    const BODY_LENGTH_DIGITS: usize = 6;

    #[inline]
    fn write<T>(&mut self, order: &Order, done: impl FnOnce(&[u8]) -> T) -> T {
        self.buffer.clear();
        let mut message = self.encoder.start_message(b"FIX.4.4", &mut self.buffer, b"D");
        message.set_fv(&34, order.seq);
        message.set_fv(&49, DESK);
        message.set_fv(&52, self.sent_at.clone());
        message.set_fv(&56, VENUE);
        message.set_fv(&1, "DESK1");
        message.set_fv(&11, Text::of_id(b'O', order.number).as_bytes());
        message.set_fv(&21, "1");
        message.set_fv(&38, order.quantity as u64);
        message.set_fv(&40, "2");
        message.set_fv(&44, Text::of_hundredths(order.price).as_bytes());
        message.set_fv(&54, "1");
        message.set_fv(&55, "ESZ6");
        message.set_fv(&59, "0");
        message.set_fv(&60, self.sent_at.clone());
        done(message.wrap())
    }
}
