//! Payloads that are left in their frames: by a device that gives frames back late or never, and has few.

use fixwire_hw::pool::{FRAME_ROOM, FRAMES_MIN, Frame, Held, Pool};

use super::device::Node;
use super::random::Random;
use crate::emit::Emitter;
use crate::held_frames::{HeldFrames, Left};
use crate::offload::nic::{Frame as _, TxMeta};
use crate::tcp::{HeldPayload, Prepared, PreparedOut, PreparedRefusal, Stack, Turn};
use crate::time::Instant;
use crate::wire::ethernet::Mac;

/// The frames that a device has at once, at most: nearly all that there are.
const IN_DEVICE_MAX: usize = FRAMES_MIN - 2;

/// The frames of a node that holds what it sends.
pub(super) struct Holding {
    pub(super) frames: HeldFrames<Frame>,
    pool: Pool,
    /// What the device has not given back, with the sum of its bytes.
    in_device: Vec<(Held, u64)>,
    /// It gives one back with one frame in so many.
    gives_one_in: u64,
    /// Of its own: what else is drawn in a world stays as it is.
    random: Random,
}

fn digest(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum.rotate_left(5) ^ u64::from(*byte))
}

impl Holding {
    pub(super) fn new(seed: u64) -> Holding {
        let mut random = Random::new(seed);
        Holding {
            gives_one_in: random.pick(&[2, 2, 64]),
            frames: HeldFrames::new(true),
            pool: Pool::new(FRAMES_MIN, FRAME_ROOM),
            in_device: Vec::with_capacity(IN_DEVICE_MAX),
            random,
        }
    }

    /// The device has a frame, and gives others back.
    fn hand_over(&mut self, frame: &Frame) {
        use crate::offload::nic::Held as _;
        while !self.in_device.is_empty() && self.random.one_in(self.gives_one_in) {
            let at = self.random.below(self.in_device.len() as u64) as usize;
            let (sent, sum) = self.in_device.swap_remove(at);
            assert_eq!(digest(sent.bytes()), sum, "written to while the device has it");
        }
        if self.in_device.len() < IN_DEVICE_MAX && self.random.one_in(2) {
            self.in_device.extend(frame.hold().map(|sent| (sent, digest(frame.bytes()))));
        }
    }

    pub(super) fn transmit(
        &mut self,
        now: Instant,
        to: (Mac, Turn),
        stack: &mut Stack,
        emitter: &mut Emitter,
    ) -> Left<Frame> {
        self.frames.let_go(stack);
        let pool = &self.pool;
        let left = self.frames.transmit(now, to, stack, emitter, || pool.take());
        if let Left::Frame(frame) = &left {
            self.hand_over(frame);
        }
        left
    }

    fn has_buffer(&mut self, stack: &mut Stack) -> bool {
        self.pool.spare() > 0 || (self.frames.spare(stack) && self.pool.spare() > 0)
    }

    /// Nothing is to be left at the end.
    pub(super) fn end(&mut self, stack: &Stack) {
        for _ in 0..2 * FRAMES_MIN {
            self.frames.let_go(stack);
        }
        assert!(self.frames.is_empty(), "held, though nobody asks for it any more");
        self.in_device.clear();
        assert_eq!(self.pool.spare(), self.pool.frames(), "lost");
    }
}

impl Node {
    /// Sends `payload` prepared: held, where there is a buffer for it.
    pub(super) fn send(
        &mut self,
        now: Instant,
        tcp: &Prepared,
        payload: &[u8],
        wants_sum: bool,
    ) -> Result<(PreparedOut, Option<HeldPayload>), PreparedRefusal> {
        let stack = &mut self.stack;
        let holds = |holding: &mut Holding| holding.frames.takes_one() && holding.has_buffer(stack);
        if self.holding.as_mut().is_some_and(holds) {
            stack.send_held(now, tcp, payload, 0, wants_sum)
        } else {
            Ok((stack.send_prepared(now, tcp, payload, 0, wants_sum)?, None))
        }
    }

    /// Goes the way of such a send and takes it back.
    pub(super) fn warm(
        &mut self,
        now: Instant,
        tcp: &Prepared,
        payload: &[u8],
        wants_sum: bool,
    ) -> Result<PreparedOut, PreparedRefusal> {
        let stack = &mut self.stack;
        if self.holding.is_none() {
            return stack.warm_prepared(now, tcp, payload, wants_sum);
        }
        let send = |stack: &mut Stack| stack.send_held(now, tcp, payload, 0, wants_sum);
        let (out, _) = stack.warm_held(now, tcp, payload.len(), send)??;
        Ok(PreparedOut { message: None, ..out })
    }

    /// Holds the frame whose payload is called `name`.
    pub(super) fn hold(&mut self, name: HeldPayload, bytes: &[u8], at: usize, len: usize) {
        let holding = self.holding.as_mut().expect("it held something");
        let mut frame = holding.pool.take().expect("there was a buffer");
        frame.space()[..bytes.len()].copy_from_slice(bytes);
        frame.finish(bytes.len(), TxMeta::default());
        assert!(holding.frames.hold(name, &frame, at, len));
        assert!(frame.space().is_empty(), "what is held is not written to");
        holding.hand_over(&frame);
    }
}
