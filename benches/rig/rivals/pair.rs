//! of_fix decodes, somebody encodes, and between them is the benches' strategy: order again what was
//! filled, a quarter more dear.

use ::of_fix::{FixDecoder, FixFieldView, FixTag};

use super::of_fix::FIELDS_MAX;
use super::text::{hundredths, unsigned};
use crate::fix::{Encode, Kind};
use crate::messages::Order;
use crate::respond::Responder;

/// A decoder, a strategy and the encoder `E`, without a session: MsgSeqNum is read and compared, and
/// that is all.
pub struct Pair<E> {
    decoder: FixDecoder,
    encoder: E,
    /// MsgSeqNum of both sides' next message: they go in step.
    seq: u32,
    /// The number of the order that is reported next.
    number: u64,
    order: Option<Order>,
}

impl<E: Encode> Default for Pair<E> {
    fn default() -> Pair<E> {
        let (decoder, encoder) = (FixDecoder::new(), E::default());
        Pair { decoder, encoder, seq: 1, number: 1, order: None }
    }
}

impl<E: Encode> Pair<E> {
    #[inline]
    fn order_for(&mut self, message: &[u8]) -> Option<Order> {
        let mut scratch = [FixFieldView::empty(); FIELDS_MAX];
        let message = self.decoder.parse(message, &mut scratch).ok()?;
        let field = |tag| message.get(FixTag(tag));
        if field(35)? != Kind::Report.msg_type() || unsigned(field(34)?)? != u64::from(self.seq) {
            return None;
        }
        let (letter, number) = field(11)?.split_first()?;
        let ours = *letter == b'O' && unsigned(number)? == self.number;
        let (last_px, last_qty) = (hundredths(field(31)?)?, unsigned(field(32)?)? as i64);
        if !ours || unsigned(field(151)?)? != 0 {
            return None;
        }
        self.seq += 1;
        self.number += 1;
        let (seq, number) = (self.seq, self.number);
        Some(Order { seq, number, price: last_px + 25, quantity: last_qty })
    }
}

impl<E: Encode> Responder for Pair<E> {
    const BODY_LENGTH_DIGITS: usize = E::BODY_LENGTH_DIGITS;

    #[inline]
    fn take_in(&mut self, message: &[u8]) {
        self.order = self.order_for(message);
    }

    #[inline]
    fn answer(&mut self, room: &mut [u8]) -> usize {
        let Some(order) = self.order.take() else { return 0 };
        self.encoder.write_into(&order, room)
    }
}
