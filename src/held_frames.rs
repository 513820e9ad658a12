//! Frames that were sent and are held until they are acknowledged: what of them is to be sent again goes out of them.
//!
//! What a frame may be asked for, and when it is let go of, TCP says (`tcp::held`). A frame is written to again only when
//! the device has let go of it; until then its payload is copied into another.

use crate::emit::Emitter;
use crate::offload::nic::{Frame, Held as _};
use crate::tcp::{Again, Count, HeldPayload, Stack, Transmit, Turn};
use crate::time::Instant;
use crate::wire::ethernet::Mac;

/// The most frames that are held at once, of all connections.
pub(crate) const HELD_FRAMES_MAX: usize = 256;
/// How many of them are looked at in a round.
const LOOKS_A_ROUND: usize = 4;
/// How many are let go of at once for want of buffers.
const SPARED_AT_ONCE: usize = 8;

/// The frames that are held.
pub(crate) struct HeldFrames<F: Frame> {
    /// In no order; as long as it ever gets from the start.
    frames: Vec<Kept<F>>,
    /// Which is looked at next.
    cursor: usize,
}

struct Kept<F: Frame> {
    name: HeldPayload,
    frame: F::Held,
    payload_at: u16,
    payload_len: u16,
}

impl<F: Frame> Kept<F> {
    fn payload(&self) -> &[u8] {
        let from = usize::from(self.payload_at);
        self.frame.bytes().get(from..from + usize::from(self.payload_len)).unwrap_or_default()
    }
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) enum Left<F> {
    /// It wants nothing that is held: it leaves as usual.
    AsUsual,
    /// This leaves.
    Frame(F),
    /// Nothing does.
    Nothing,
    /// There is no buffer for what leaves.
    NoBuffer,
}

impl<F: Frame> HeldFrames<F> {
    /// Room for [as many as there may be](HELD_FRAMES_MAX), or for none.
    pub(crate) fn new(holds: bool) -> HeldFrames<F> {
        let room = if holds { HELD_FRAMES_MAX } else { 0 };
        HeldFrames { frames: Vec::with_capacity(room), cursor: 0 }
    }

    /// Whether one more may be held.
    #[inline(always)]
    pub(crate) fn takes_one(&self) -> bool {
        self.frames.len() < self.frames.capacity().min(HELD_FRAMES_MAX)
    }

    /// Whether as many are held as may be: not where none may.
    pub(crate) fn is_full(&self) -> bool {
        self.frames.len() >= HELD_FRAMES_MAX
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Holds a finished frame, whose payload is called `name`. Says whether it does.
    #[inline(always)]
    pub(crate) fn hold(
        &mut self,
        name: HeldPayload,
        frame: &F,
        payload_at: usize,
        len: usize,
    ) -> bool {
        let Some(frame) = frame.hold() else { return false };
        let (payload_at, payload_len) = (payload_at as u16, len as u16);
        self.frames.push(Kept { name, frame, payload_at, payload_len });
        true
    }

    /// Lets go of what nobody will ask for any more, a few looks a round.
    #[inline(never)]
    pub(crate) fn let_go(&mut self, tcp: &Stack) {
        for _ in 0..LOOKS_A_ROUND.min(self.frames.len()) {
            if self.cursor >= self.frames.len() {
                self.cursor = 0;
            }
            if tcp.lets_go(self.frames[self.cursor].name) {
                self.frames.swap_remove(self.cursor);
            } else {
                self.cursor += 1;
            }
        }
    }

    /// Lets go of a few, whose payloads TCP gets: the device has no buffer left. Says whether there were any.
    #[cold]
    pub(crate) fn spare(&mut self, tcp: &mut Stack) -> bool {
        let spared = SPARED_AT_ONCE.min(self.frames.len());
        for kept in self.frames.drain(..spared) {
            tcp.give_back(kept.name, kept.payload(), Count::HeldForBuffers);
        }
        spared > 0
    }

    /// Gives TCP a payload that is held.
    pub(crate) fn give_back(&mut self, tcp: &mut Stack, name: HeldPayload, why: Count) {
        let kept = self.take(name);
        tcp.give_back(name, kept.payload(), why);
    }

    fn take(&mut self, name: HeldPayload) -> Kept<F> {
        let Some(at) = self.frames.iter().position(|kept| kept.name == name) else {
            unreachable!("what is held is here until TCP lets go of it")
        };
        self.frames.swap_remove(at)
    }

    /// What leaves for the one whose turn it is, where it wants a payload that is held: out of the frame that has it, or
    /// out of one of `new_frame`.
    #[inline(never)]
    pub(crate) fn transmit(
        &mut self,
        now: Instant,
        (dst, turn): (Mac, Turn),
        tcp: &mut Stack,
        emitter: &mut Emitter,
        new_frame: impl FnOnce() -> Option<F>,
    ) -> Left<F> {
        let name = loop {
            match tcp.wants_again(turn) {
                None => return Left::AsUsual,
                Some(Again::Part(name)) => self.give_back(tcp, name, Count::HeldParted),
                Some(Again::Whole(name)) => break name,
            }
        };
        let kept = self.take(name);
        match kept.frame.into_frame() {
            Ok(frame) => {
                let place = (usize::from(kept.payload_at), usize::from(kept.payload_len));
                self.send_again(now, (dst, turn), (tcp, emitter), name, frame, place)
            }
            Err(frame) => {
                let kept = Kept { frame, ..kept };
                let left = match new_frame() {
                    Some(frame) => send_copied(now, (dst, turn), (tcp, emitter), &kept, frame),
                    None => Left::NoBuffer,
                };
                self.frames.push(kept);
                left
            }
        }
    }

    /// The frame leaves once more, with other headers.
    fn send_again(
        &mut self,
        now: Instant,
        (dst, turn): (Mac, Turn),
        (tcp, emitter): (&mut Stack, &mut Emitter),
        name: HeldPayload,
        mut frame: F,
        (at, len): (usize, usize),
    ) -> Left<F> {
        let Some(segment) = tcp.transmit(now, turn) else {
            self.hold(name, &frame, at, len);
            return Left::Nothing;
        };
        if !segment.retransmission {
            // The connection was ended instead, and asks for nothing any more.
            let (len, meta) = emitter.tcp(dst, &segment, frame.space());
            frame.finish(len, meta);
            return Left::Frame(frame);
        }
        let payload_at = emitter.payload_at(&segment);
        let space = frame.space();
        if payload_at != at {
            space.copy_within(at..at + len, payload_at);
        }
        let (frame_len, meta) = emitter.again(dst, &segment, len, space);
        frame.finish(frame_len, meta);
        if !self.hold(name, &frame, payload_at, len) {
            tcp.give_back(name, &frame.bytes()[payload_at..payload_at + len], Count::HeldParted);
        }
        tcp.count_held(Count::HeldAgain);
        Left::Frame(frame)
    }
}

/// What is held leaves in a new frame, as the device has the one that it lies in.
fn send_copied<F: Frame>(
    now: Instant,
    (dst, turn): (Mac, Turn),
    (tcp, emitter): (&mut Stack, &mut Emitter),
    kept: &Kept<F>,
    mut frame: F,
) -> Left<F> {
    let Some(segment) = tcp.transmit(now, turn) else { return Left::Nothing };
    let payload = if segment.retransmission { kept.payload() } else { &[] };
    let is_again = segment.retransmission;
    let segment = Transmit { payload: [payload, &[]], ..segment };
    let (len, meta) = emitter.tcp(dst, &segment, frame.space());
    frame.finish(len, meta);
    if is_again {
        tcp.count_held(Count::HeldAgainCopied);
    }
    Left::Frame(frame)
}
