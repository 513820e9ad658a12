//! The least that a driver can be: frames written beforehand lie in buffers and are received one a poll, and
//! what is sent is written into a few buffers in turn. Neither is taken from a pool or given back to one.

use fixwire::offload::nic::{RxMeta, TxMeta};
use fixwire_hw::pool::FRAME_ROOM;

use crate::nic::{KEPT, LOADED_MAX, Sums};
use crate::stopwatch::Stopwatch;

/// A buffer, and behind it how long the frame in it is and what is said of it: one piece of memory, as a driver's is.
#[derive(Clone, Debug)]
#[repr(C)]
struct Buffer {
    bytes: [u8; FRAME_ROOM],
    len: usize,
    tx: TxMeta,
}

impl Buffer {
    fn new() -> Box<Buffer> {
        Box::new(Buffer { bytes: [0; FRAME_ROOM], len: 0, tx: TxMeta::default() })
    }
}

/// Frames to be received.
#[derive(Debug)]
pub struct RxRing {
    /// What is said of each of them.
    meta: RxMeta,
    buffers: [Box<Buffer>; LOADED_MAX],
    next: usize,
    loaded: usize,
}

impl RxRing {
    /// One whose verdicts are as `sums` says.
    pub fn new(sums: Sums) -> RxRing {
        let buffers = core::array::from_fn(|_| Buffer::new());
        RxRing { meta: sums.rx_meta(), buffers, next: 0, loaded: 0 }
    }

    /// Has `frames` received, one a poll, in their order.
    pub fn load(&mut self, frames: &[Vec<u8>]) {
        assert!(self.next == self.loaded && frames.len() <= self.buffers.len());
        for (buffer, bytes) in self.buffers.iter_mut().zip(frames) {
            buffer.bytes[..bytes.len()].copy_from_slice(bytes);
            buffer.len = bytes.len();
        }
        (self.next, self.loaded) = (0, frames.len());
    }

    /// The next frame, and what is said of it.
    #[inline(always)]
    pub fn receive(&mut self) -> Option<(&RxMeta, &[u8])> {
        if self.next == self.loaded {
            return None;
        }
        let buffer = &self.buffers[self.next % LOADED_MAX];
        self.next += 1;
        Some((&self.meta, buffer.bytes.get(..buffer.len)?))
    }

    /// Takes the next frame out of every cache, where that can be done.
    pub fn flush_next(&mut self) {
        #[cfg(target_arch = "x86_64")]
        self.waiting(0, 1).for_each(crate::flush::flush);
    }

    /// The next `count` frames behind as many as `behind`, which stay where they are.
    #[inline(always)]
    pub fn waiting(&self, behind: usize, count: usize) -> impl Iterator<Item = &[u8]> {
        let waiting = self.buffers.get(self.next + behind..self.loaded).unwrap_or(&[]);
        waiting.iter().take(count).map(|buffer| &buffer.bytes[..buffer.len])
    }
}

/// What a device is told by when a frame is complete.
pub trait Doorbell: Default {
    /// All that stands before in the program is to be done.
    fn ring(&mut self);
}

/// Nobody hears it.
#[derive(Debug, Default)]
pub struct Unheard;

impl Doorbell for Unheard {
    #[inline(always)]
    fn ring(&mut self) {}
}

/// When it rang last, by the [`Stopwatch`].
#[derive(Debug, Default)]
pub struct Heard {
    stopwatch: Stopwatch,
    at: u64,
}

impl Doorbell for Heard {
    #[inline(always)]
    fn ring(&mut self) {
        self.at = self.stopwatch.now();
    }
}

/// A buffer for a frame that is to be sent.
#[derive(Debug)]
pub struct TxBuffer<'a, D> {
    buffer: &'a mut Buffer,
    sent: &'a mut u64,
    doorbell: &'a mut D,
}

impl<D: Doorbell> TxBuffer<'_, D> {
    /// Room to write it into.
    #[inline(always)]
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.buffer.bytes
    }

    /// Sends its first `len` bytes, as `meta` says.
    #[inline(always)]
    pub fn send(self, len: usize, meta: TxMeta) {
        self.buffer.tx = meta;
        self.buffer.len = len;
        *self.sent += 1;
        self.doorbell.ring();
    }
}

/// Frames that were sent: the last few.
#[derive(Debug)]
pub struct TxRing<D = Unheard> {
    buffers: [Box<Buffer>; KEPT],
    sent: u64,
    doorbell: D,
}

impl<D: Doorbell> Default for TxRing<D> {
    fn default() -> TxRing<D> {
        let buffers = core::array::from_fn(|_| Buffer::new());
        TxRing { buffers, sent: 0, doorbell: D::default() }
    }
}

impl TxRing<Heard> {
    /// When the last frame was handed over.
    pub fn rang_at(&self) -> u64 {
        self.doorbell.at
    }
}

impl<D: Doorbell> TxRing<D> {
    /// A buffer for the next frame.
    #[inline(always)]
    pub fn buffer(&mut self) -> TxBuffer<'_, D> {
        let TxRing { buffers, sent, doorbell } = self;
        TxBuffer { buffer: &mut buffers[*sent as usize % KEPT], sent, doorbell }
    }

    /// How many frames were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The last few of them, the newest last.
    pub fn kept(&self) -> Vec<&[u8]> {
        let first = self.sent.saturating_sub(KEPT as u64);
        let buffers = (first..self.sent).map(|number| &self.buffers[number as usize % KEPT]);
        buffers.map(|buffer| &buffer.bytes[..buffer.len]).collect()
    }
}
