//! Frame buffers, all set up at the start: a [`Frame`] owns one and gives it back when dropped.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use fixwire_offload::nic::{self, RxMeta, TxMeta};

/// The room of a buffer unless asked otherwise, in bytes: an MTU of 1500 with link header and tags.
pub const FRAME_ROOM: usize = 2_048;
/// The most room of a buffer, in bytes: a jumbo frame.
pub const FRAME_ROOM_MAX: usize = 9_728;
/// The most that stands around an IP packet: Ethernet header and two VLAN tags, in bytes.
pub const LINK_LEN_MAX: usize = 22;
/// The largest IP packet that any device here carries, in bytes: its frame leaves a byte of room.
pub const MTU_MAX: usize = FRAME_ROOM_MAX - LINK_LEN_MAX - 1;
/// The fewest buffers of a pool: one burst being read and one being kept.
pub const FRAMES_MIN: usize = 2 * nic::BURST_MAX;
/// The most buffers of a pool.
pub const FRAMES_MAX: usize = 1 << 20;

/// What goes round between a pool and its frames.
struct Buffer {
    bytes: Box<[u8]>,
    len: usize,
    rx: RxMeta,
    tx: TxMeta,
}

/// Spare buffers, last in first out: the one most likely still in cache goes first.
type Shelf = Rc<RefCell<Vec<Box<Buffer>>>>;

/// A fixed number of buffers for frames, for one thread.
pub struct Pool {
    shelf: Shelf,
    frames: usize,
    room: usize,
}

impl Pool {
    /// A pool of `frames` buffers of `room` bytes each, both held within the limits above.
    pub fn new(frames: usize, room: usize) -> Pool {
        let frames = frames.clamp(FRAMES_MIN, FRAMES_MAX);
        let room = room.clamp(FRAME_ROOM, FRAME_ROOM_MAX);
        let mut shelf = Vec::with_capacity(frames);
        for _ in 0..frames {
            let bytes = vec![0; room].into_boxed_slice();
            shelf.push(Box::new(Buffer { bytes, len: 0, rx: RxMeta::UNKNOWN, tx: TX_NOTHING }));
        }
        Pool { shelf: Rc::new(RefCell::new(shelf)), frames, room }
    }

    /// An empty frame, or `None` when every buffer is in use.
    #[inline]
    pub fn take(&self) -> Option<Frame> {
        let mut buffer = self.shelf.borrow_mut().pop()?;
        buffer.len = 0;
        buffer.rx = RxMeta::UNKNOWN;
        buffer.tx = TX_NOTHING;
        Some(Frame { buffer: Some(buffer), shelf: Rc::clone(&self.shelf) })
    }

    /// How many buffers are not in use.
    pub fn spare(&self) -> usize {
        self.shelf.borrow().len()
    }

    /// How many buffers there are.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// The room of each, in bytes.
    pub fn room(&self) -> usize {
        self.room
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} of {} spare, {} bytes each)", self.spare(), self.frames, self.room)
    }
}

const TX_NOTHING: TxMeta = TxMeta {
    l2_len: 0,
    l3_len: 0,
    l4_len: 0,
    ipv4: nic::TxChecksum::Full,
    tcp: nic::TxChecksum::Full,
    stamp_token: 0,
};

/// A frame in a buffer of a [`Pool`]. Two words, so that bursts of them move cheaply.
pub struct Frame {
    /// There until the frame is dropped.
    buffer: Option<Box<Buffer>>,
    shelf: Shelf,
}

impl Frame {
    /// How long the frame is, in bytes.
    pub fn len(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.len)
    }

    /// Whether nothing has been written into it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the first `len` bytes of its room the frame, as received: for whoever is the device.
    #[inline]
    pub fn received(&mut self, len: usize, meta: RxMeta) {
        if let Some(buffer) = &mut self.buffer {
            buffer.len = len.min(buffer.bytes.len());
            buffer.rx = meta;
        }
    }

    /// What is said of it, to complete.
    #[inline]
    pub(crate) fn rx_meta_mut(&mut self) -> Option<&mut RxMeta> {
        self.buffer.as_mut().map(|buffer| &mut buffer.rx)
    }
}

impl nic::Frame for Frame {
    #[inline]
    fn rx_meta(&self) -> &RxMeta {
        self.buffer.as_ref().map_or(&RxMeta::UNKNOWN, |buffer| &buffer.rx)
    }

    #[inline]
    fn segment(&self, index: usize) -> &[u8] {
        match &self.buffer {
            Some(buffer) if index == 0 => &buffer.bytes[..buffer.len],
            _ => &[],
        }
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        self.buffer.as_mut().map_or(&mut [], |buffer| &mut buffer.bytes)
    }

    #[inline]
    fn finish(&mut self, len: usize, meta: TxMeta) {
        if let Some(buffer) = &mut self.buffer {
            buffer.len = len.min(buffer.bytes.len());
            buffer.tx = meta;
        }
    }

    #[inline]
    fn tx_meta(&self) -> &TxMeta {
        self.buffer.as_ref().map_or(&TX_NOTHING, |buffer| &buffer.tx)
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            // Every buffer came from this shelf, which was made with room for all of them.
            self.shelf.borrow_mut().push(buffer);
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use fixwire_offload::nic::Frame as _;

    use super::*;

    #[test]
    fn an_exhausted_pool_yields_nothing_until_a_frame_is_dropped() {
        let pool = Pool::new(FRAMES_MIN, FRAME_ROOM);
        let mut taken: Vec<Frame> = (0..FRAMES_MIN).map_while(|_| pool.take()).collect();
        assert_eq!((taken.len(), pool.spare()), (FRAMES_MIN, 0));
        assert!(pool.take().is_none());
        taken.pop();
        assert_eq!(pool.spare(), 1);
        assert!(pool.take().is_some());
        drop(taken);
        assert_eq!(pool.spare(), FRAMES_MIN);
    }

    #[test]
    fn buffers_come_back_without_the_shelf_growing() {
        let pool = Pool::new(FRAMES_MIN, FRAME_ROOM);
        let capacity = pool.shelf.borrow().capacity();
        for _ in 0..10 {
            drop((0..FRAMES_MIN).map_while(|_| pool.take()).collect::<Vec<_>>());
        }
        assert_eq!(pool.shelf.borrow().capacity(), capacity);
    }

    #[test]
    fn a_frame_outlives_its_pool() {
        let pool = Pool::new(FRAMES_MIN, FRAME_ROOM);
        let mut frame = pool.take().unwrap();
        drop(pool);
        frame.space()[0] = 7;
        frame.finish(1, TxMeta::default());
        assert_eq!(frame.bytes(), [7]);
    }

    #[test]
    fn a_reused_buffer_tells_nothing_of_its_last_frame() {
        let pool = Pool::new(FRAMES_MIN, FRAME_ROOM);
        let mut frame = pool.take().unwrap();
        frame.received(60, RxMeta { mark: Some(9), ..RxMeta::UNKNOWN });
        frame.finish(60, TxMeta { l2_len: 14, ..TxMeta::default() });
        drop(frame);
        let frame = pool.take().unwrap();
        assert_eq!(frame.rx_meta(), &RxMeta::UNKNOWN);
        assert_eq!(frame.tx_meta(), &TxMeta::default());
        assert!(frame.is_empty() && frame.bytes().is_empty());
    }

    #[test]
    fn a_frame_is_two_words_so_that_bursts_move_cheaply() {
        assert_eq!(size_of::<Frame>(), 2 * size_of::<usize>());
    }

    #[test]
    fn lengths_and_sizes_past_a_limit_are_held_at_it() {
        let pool = Pool::new(0, 0);
        assert_eq!((pool.frames(), pool.room()), (FRAMES_MIN, FRAME_ROOM));
        assert_eq!(Pool::new(FRAMES_MIN, usize::MAX).room(), FRAME_ROOM_MAX);
        let mut frame = pool.take().unwrap();
        frame.finish(usize::MAX, TxMeta::default());
        assert_eq!(frame.len(), FRAME_ROOM);
        assert!(frame.segment(1).is_empty());
    }
}
