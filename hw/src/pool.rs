//! Frame buffers, all set up at the start: a [`Frame`] owns one and gives it back when dropped.

use std::cell::Cell;
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

/// What goes round between a pool and its frames. All that a frame to send needs is in one cache line.
#[repr(C, align(64))]
struct Buffer {
    /// Shared with whoever [holds](Held) the frame, and then not written to.
    bytes: Rc<[u8]>,
    len: usize,
    /// Where it goes back to.
    home: &'static Shelf,
    /// The one below it on the shelf.
    below: Option<Box<Buffer>>,
    tx: TxMeta,
    rx: RxMeta,
}

impl Buffer {
    fn new(room: usize, home: &'static Shelf) -> Buffer {
        let bytes = Rc::from(vec![0; room]);
        Buffer { bytes, len: 0, rx: RxMeta::UNKNOWN, tx: TX_NOTHING, home, below: None }
    }
}

/// Spare buffers, last in first out: the one most likely still in cache goes first.
struct Shelf {
    top: Cell<Option<Box<Buffer>>>,
    spare: Cell<usize>,
    /// Those whose bytes somebody else holds.
    bare: Cell<Option<Box<Buffer>>>,
    /// What such have for bytes.
    nothing: Rc<[u8]>,
    /// Its pool is gone: what comes back is freed.
    is_closed: Cell<bool>,
}

impl Shelf {
    fn new() -> Shelf {
        let (top, bare) = (Cell::new(None), Cell::new(None));
        let (spare, is_closed) = (Cell::new(0), Cell::new(false));
        Shelf { top, spare, bare, nothing: Rc::new([]), is_closed }
    }

    /// Puts aside what is left of a buffer whose bytes somebody holds.
    #[cold]
    fn put_bare(&self, mut buffer: Box<Buffer>) {
        if !self.is_closed.get() {
            buffer.bytes = Rc::clone(&self.nothing);
            buffer.below = self.bare.take();
            self.bare.set(Some(buffer));
        }
    }

    /// A buffer of bytes that nobody holds any more; `None` where their pool is gone.
    fn whole(&self, bytes: Rc<[u8]>) -> Option<Box<Buffer>> {
        let mut buffer = self.bare.take()?;
        self.bare.set(buffer.below.take());
        (buffer.bytes, buffer.len, buffer.tx) = (bytes, 0, TX_NOTHING);
        buffer.rx = RxMeta::UNKNOWN;
        Some(buffer)
    }

    #[inline]
    fn put(&self, mut buffer: Box<Buffer>) {
        if !self.is_closed.get() {
            buffer.below = self.top.take();
            self.top.set(Some(buffer));
            self.spare.set(self.spare.get() + 1);
        }
    }

    #[inline]
    fn take(&self) -> Option<Box<Buffer>> {
        let mut buffer = self.top.take()?;
        self.top.set(buffer.below.take());
        self.spare.set(self.spare.get() - 1);
        Some(buffer)
    }
}

/// A fixed number of buffers for frames, for one thread.
///
/// Its frames may outlive it. What they go back to, a few words, is therefore never freed.
pub struct Pool {
    shelf: &'static Shelf,
    frames: usize,
    room: usize,
}

impl Pool {
    /// A pool of `frames` buffers of `room` bytes each, both held within the limits above.
    pub fn new(frames: usize, room: usize) -> Pool {
        let frames = frames.clamp(FRAMES_MIN, FRAMES_MAX);
        let room = room.clamp(FRAME_ROOM, FRAME_ROOM_MAX);
        let shelf: &'static Shelf = Box::leak(Box::new(Shelf::new()));
        for _ in 0..frames {
            shelf.put(Box::new(Buffer::new(room, shelf)));
        }
        Pool { shelf, frames, room }
    }

    /// An empty frame, or `None` when every buffer is in use.
    #[inline]
    pub fn take(&self) -> Option<Frame> {
        let mut buffer = self.shelf.take()?;
        buffer.len = 0;
        buffer.rx = RxMeta::UNKNOWN;
        buffer.tx = TX_NOTHING;
        Some(Frame(Some(buffer)))
    }

    /// How many buffers are not in use.
    pub fn spare(&self) -> usize {
        self.shelf.spare.get()
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

impl Drop for Pool {
    fn drop(&mut self) {
        self.shelf.is_closed.set(true);
        // One by one: dropped as a chain, they would take a stack frame each.
        while self.shelf.take().is_some() {}
        while self.shelf.whole(Rc::clone(&self.shelf.nothing)).is_some() {}
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

/// A frame in a buffer of a [`Pool`]. One word, so that bursts of them move cheaply. The buffer is there
/// until the frame is dropped.
pub struct Frame(Option<Box<Buffer>>);

impl Frame {
    /// How long the frame is, in bytes.
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |buffer| buffer.len)
    }

    /// Whether nothing has been written into it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the first `len` bytes of its room the frame, as received: for whoever is the device.
    #[inline]
    pub fn received(&mut self, len: usize, meta: RxMeta) {
        if let Some(buffer) = &mut self.0 {
            buffer.len = len.min(buffer.bytes.len());
            buffer.rx = meta;
        }
    }

    /// What whoever received it said of it.
    #[inline]
    pub fn rx_meta(&self) -> RxMeta {
        self.0.as_ref().map_or(RxMeta::UNKNOWN, |buffer| buffer.rx)
    }

    /// What is said of it, to complete.
    #[inline]
    pub(crate) fn rx_meta_mut(&mut self) -> Option<&mut RxMeta> {
        self.0.as_mut().map(|buffer| &mut buffer.rx)
    }
}

impl nic::Frame for Frame {
    type Held = Held;

    #[inline]
    fn hold(&self) -> Option<Held> {
        let buffer = self.0.as_ref()?;
        Some(Held { bytes: Rc::clone(&buffer.bytes), len: buffer.len, home: buffer.home })
    }

    #[inline]
    fn segment(&self, index: usize) -> &[u8] {
        match &self.0 {
            Some(buffer) if index == 0 => &buffer.bytes[..buffer.len],
            _ => &[],
        }
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        self.0.as_mut().and_then(|buffer| Rc::get_mut(&mut buffer.bytes)).unwrap_or_default()
    }

    #[inline]
    fn finish(&mut self, len: usize, meta: TxMeta) {
        if let Some(buffer) = &mut self.0 {
            buffer.len = len.min(buffer.bytes.len());
            // Field by field: as one piece they would wait to be written one by one first.
            let TxMeta { l2_len, l3_len, l4_len, ipv4, tcp, stamp_token } = meta;
            (buffer.tx.l2_len, buffer.tx.l3_len, buffer.tx.l4_len) = (l2_len, l3_len, l4_len);
            (buffer.tx.ipv4, buffer.tx.tcp, buffer.tx.stamp_token) = (ipv4, tcp, stamp_token);
        }
    }

    #[inline]
    fn ask_stamp(&mut self, token: u32) {
        if let Some(buffer) = &mut self.0 {
            buffer.tx.stamp_token = token;
        }
    }

    #[inline]
    fn tx_meta(&self) -> TxMeta {
        self.0.as_ref().map_or(TX_NOTHING, |buffer| buffer.tx)
    }
}

impl Drop for Frame {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            if Rc::strong_count(&buffer.bytes) == 1 {
                buffer.home.put(buffer);
            } else {
                buffer.home.put_bare(buffer);
            }
        }
    }
}

/// A frame's bytes, kept beyond its being sent.
pub struct Held {
    bytes: Rc<[u8]>,
    len: usize,
    home: &'static Shelf,
}

impl nic::Held<Frame> for Held {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn into_frame(self) -> Result<Frame, Held> {
        if Rc::strong_count(&self.bytes) > 1 {
            return Err(self);
        }
        let Some(mut buffer) = self.home.whole(Rc::clone(&self.home.nothing)) else {
            return Err(self);
        };
        buffer.len = self.len;
        let mut of_ours = self;
        std::mem::swap(&mut buffer.bytes, &mut of_ours.bytes);
        Ok(Frame(Some(buffer)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // What has become a frame again has left nothing here.
        if self.bytes.is_empty() || Rc::strong_count(&self.bytes) > 1 {
            return;
        }
        if let Some(buffer) = self.home.whole(Rc::clone(&self.bytes)) {
            self.home.put(buffer);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({} bytes)", self.len)
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
    fn a_large_pool_is_dropped_without_a_deep_stack() {
        let pool = Pool::new(1 << 16, FRAME_ROOM);
        assert_eq!(pool.spare(), 1 << 16);
        drop(pool);
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
        assert_eq!(frame.rx_meta(), RxMeta::UNKNOWN);
        assert_eq!(frame.tx_meta(), TxMeta::default());
        assert!(frame.is_empty() && frame.bytes().is_empty());
    }

    #[test]
    fn a_held_frame_is_read_until_it_is_ours_alone_and_no_buffer_is_lost() {
        use fixwire_offload::nic::Held as _;
        let pool = Pool::new(FRAMES_MIN, FRAME_ROOM);
        let mut frame = pool.take().unwrap();
        frame.space()[..3].copy_from_slice(b"abc");
        frame.finish(3, TxMeta::default());
        let held = frame.hold().unwrap();
        assert!(frame.space().is_empty(), "who holds it reads it");
        let held = held.into_frame().unwrap_err();
        drop(frame);
        assert_eq!((held.bytes(), pool.spare()), (&b"abc"[..], FRAMES_MIN - 1));
        // Others go round meanwhile.
        drop([(); 3].map(|()| pool.take().unwrap()));
        let mut frame = held.into_frame().unwrap();
        assert_eq!(frame.bytes(), b"abc");
        frame.space()[0] = b'x';
        assert_eq!(frame.bytes(), b"xbc");
        let (one, other) = (frame.hold().unwrap(), frame.hold().unwrap());
        drop((one, frame));
        assert_eq!(pool.spare(), FRAMES_MIN - 1);
        drop(other);
        assert_eq!(pool.spare(), FRAMES_MIN);
        let held = pool.take().unwrap().hold().unwrap();
        drop(pool);
        assert!(held.into_frame().is_err(), "its pool is gone");
    }

    #[test]
    fn a_frame_is_one_word_so_that_bursts_move_cheaply() {
        assert_eq!(size_of::<Frame>(), size_of::<usize>());
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
