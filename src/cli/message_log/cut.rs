//! Messages cut out of the bytes of one direction of a session.

use fixwire::fix::frame::{Framed, frame};

/// The longest message that is cut out whole, in bytes: more than any session takes.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// A run of bytes as it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Message(&'a [u8]),
    /// What the session took for no message.
    Garbled(&'a [u8]),
}

/// What has come of a message that is not whole.
#[derive(Default)]
pub(super) struct Cutter(Vec<u8>);

impl Cutter {
    /// Takes bytes in and tells what they complete.
    pub(super) fn push(&mut self, bytes: &[u8], mut tell: impl FnMut(Piece<'_>)) {
        let mut rest = bytes;
        if self.0.is_empty() {
            rest = cut(bytes, &mut tell);
            return self.0.extend_from_slice(rest);
        }
        self.0.extend_from_slice(rest);
        let left = cut(&self.0, &mut tell).len();
        self.0.drain(..self.0.len() - left);
    }

    /// Nothing more comes of what has begun.
    pub(super) fn clear(&mut self, mut tell: impl FnMut(Piece<'_>)) {
        if !self.0.is_empty() {
            tell(Piece::Garbled(&self.0));
            self.0.clear();
        }
    }
}

/// Cuts off what is whole, and says what is left.
fn cut<'a>(mut bytes: &'a [u8], tell: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
    while !bytes.is_empty() {
        let len = match frame(bytes, MESSAGE_BYTES_MAX) {
            Framed::Complete(whole) => {
                tell(Piece::Message(&bytes[..whole.len]));
                whole.len
            }
            Framed::Garbled { skip, .. } => {
                tell(Piece::Garbled(&bytes[..skip]));
                skip
            }
            Framed::Incomplete { .. } => break,
        };
        bytes = &bytes[len..];
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_the_pieces_every_byte_is_told_once(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    &b"8=FIX.4.4\x019=5\x0135=0\x0110=161\x01"[..], b"8=FIX.4.4\x019=5\x0135=0\x0110=162\x01", b"noise", b"8=FI",
                ]), 1..8),
            at in prop::collection::vec(0usize..200, 0..5),
        ) {
            let bytes = parts.concat();
            let mut cuts: Vec<_> = at.into_iter().map(|at| at.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let (mut cutter, mut told, mut messages) = (Cutter::default(), Vec::new(), 0);
            let mut tell = |piece: Piece<'_>| match piece {
                Piece::Message(bytes) => { told.extend_from_slice(bytes); messages += 1; }
                Piece::Garbled(bytes) => told.extend_from_slice(bytes),
            };
            for pair in cuts.windows(2) {
                cutter.push(&bytes[pair[0]..pair[1]], &mut tell);
            }
            cutter.clear(&mut tell);
            prop_assert_eq!(&told, &bytes);
            let whole = parts.iter().filter(|part| part.ends_with(b"161\x01")).count();
            prop_assert!(messages <= whole + parts.len(), "{messages} of {whole}");
        }
    }

    #[test]
    fn a_message_in_two_parts_is_one() {
        let message = b"8=FIX.4.4\x019=5\x0135=0\x0110=163\x01";
        for at in 0..message.len() {
            let mut cutter = Cutter::default();
            let mut told = Vec::new();
            let mut tell = |piece: Piece<'_>| match piece {
                Piece::Message(bytes) => told.push(bytes.to_vec()),
                Piece::Garbled(bytes) => panic!("{bytes:?}"),
            };
            cutter.push(&message[..at], &mut tell);
            cutter.push(&message[at..], &mut tell);
            assert_eq!(told, [message.to_vec()], "{at}");
        }
    }
}
