//! What stands behind a TCP that has no session layer of its own.

use crate::messages;

/// Takes in a message, and writes what answers it.
pub trait Responder {
    /// BodyLength in what it writes has so many digits at least.
    const BODY_LENGTH_DIGITS: usize = 0;

    /// Takes in one whole message.
    fn take_in(&mut self, message: &[u8]);

    /// Writes the answer to the front of `room`, and says its length; 0 for none.
    fn answer(&mut self, room: &mut [u8]) -> usize;
}

/// The most that a [`Responder`] writes, in bytes.
pub const ANSWER_LEN_MAX: usize = 512;

/// Answers by bytes that mean nothing, and counts those that it is handed.
#[derive(Debug)]
pub struct Filler {
    bytes: Vec<u8>,
    taken: usize,
}

impl Filler {
    /// So many of them.
    pub fn new(len: usize) -> Filler {
        assert!(len <= ANSWER_LEN_MAX);
        Filler { bytes: messages::filler(len), taken: 0 }
    }
}

impl Responder for Filler {
    #[inline]
    fn take_in(&mut self, message: &[u8]) {
        self.taken += message.len();
    }

    #[inline]
    fn answer(&mut self, room: &mut [u8]) -> usize {
        room[..self.bytes.len()].copy_from_slice(&self.bytes);
        self.bytes.len()
    }
}

/// Answers by as many of them as [`messages::mixed_len`] says.
#[derive(Debug)]
pub struct MixedFiller {
    taken: usize,
    next: usize,
    bytes: [u8; ANSWER_LEN_MAX],
    /// How much longer each is than the shortest.
    longer: Box<[u8; MIXED_LENS as usize]>,
}

/// After so many answers their lengths come again.
pub const MIXED_LENS: u64 = 1 << 14;

impl Default for MixedFiller {
    fn default() -> MixedFiller {
        let longer: Vec<u8> = (0..MIXED_LENS).map(messages::mixed_longer).collect();
        MixedFiller {
            taken: 0,
            next: 0,
            bytes: messages::filler(ANSWER_LEN_MAX).try_into().expect("as many as were asked for"),
            longer: longer.try_into().expect("one for each"),
        }
    }
}

impl Responder for MixedFiller {
    #[inline]
    fn take_in(&mut self, message: &[u8]) {
        self.taken += message.len();
    }

    #[inline]
    fn answer(&mut self, room: &mut [u8]) -> usize {
        let len = messages::MIXED_LEN_MIN + usize::from(self.longer[self.next]);
        self.next = (self.next + 1) % self.longer.len();
        room[..len].copy_from_slice(&self.bytes[..len]);
        len
    }
}
