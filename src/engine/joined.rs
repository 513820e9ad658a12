//! Frames in several pieces, made one.

use crate::offload::nic::Frame;
use crate::wire::Refusal;

/// Joins the pieces of a frame that lies in several.
#[derive(Default)]
pub(super) struct Joined(Box<[u8]>);

/// The longest frame that is joined: a jumbo frame.
const JOINED_LEN_MAX: usize = 9_216;

impl Joined {
    pub(super) fn new() -> Joined {
        Joined(vec![0; JOINED_LEN_MAX].into_boxed_slice())
    }

    pub(super) fn join(&mut self, frame: &impl Frame) -> Result<&[u8], Refusal> {
        let mut len = 0;
        for index in 0..frame.segments() {
            let piece = frame.segment(index);
            let room = self.0.get_mut(len..len + piece.len()).ok_or(Refusal::FrameTooLong)?;
            room.copy_from_slice(piece);
            len += piece.len();
        }
        Ok(&self.0[..len])
    }
}
