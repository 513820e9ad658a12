//! A buffer of a pool's, with what a driver says of the frame in it (rte_mbuf.h).
#![allow(unsafe_code)]

use std::fmt;
use std::mem;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU16, Ordering};

use dpdk_sys as ffi;

/// A buffer, or a chain of them, that goes back to its pool when dropped. A pointer and nothing else, so that drivers
/// write bursts of them and read them where they are.
#[repr(transparent)]
pub struct Mbuf(NonNull<ffi::rte_mbuf>);

/// Lengths and flags of a frame to send, as a driver wants them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TxFlags {
    pub(super) ol_flags: u64,
    pub(super) l2_len: u8,
    pub(super) l3_len: u8,
    pub(super) l4_len: u8,
}

/// The word of an mbuf that holds the lengths of headers: the link's, the network's, the transport's (`tx_offload`).
const L2_LEN_BITS: u32 = ffi::RTE_MBUF_L2_LEN_BITS;
const L3_LEN_BITS: u32 = ffi::RTE_MBUF_L3_LEN_BITS;
const L4_LEN_BITS: u32 = ffi::RTE_MBUF_L4_LEN_BITS;
/// In place of the port that a frame came by, of one that was handed over to be sent. A buffer that is taken anew has none.
const HANDED_OVER: u16 = ffi::RTE_MBUF_PORT_INVALID as u16 - 1;
/// Flags that say whose memory a buffer's is, and not what is to be done with the frame in it.
const OF_THE_BUFFER: u64 = ffi::RTE_MBUF_F_INDIRECT | ffi::RTE_MBUF_F_EXTERNAL;

/// One more hold on a buffer, beyond its being sent: it is read, and nothing else, until nobody else has one.
#[derive(Debug)]
pub struct HeldMbuf(Mbuf);

impl HeldMbuf {
    /// The bytes of the frame.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.segment(0)
    }

    /// The buffer, where nobody else has a hold on it.
    pub(super) fn into_sole(self) -> Result<Mbuf, HeldMbuf> {
        if self.0.is_shared() { Err(self) } else { Ok(self.0) }
    }
}

impl Mbuf {
    /// One more hold on a buffer (`rte_mbuf_refcnt_update`).
    #[inline]
    pub(super) fn share(&self) -> HeldMbuf {
        let holds = self.holds();
        if self.is_shared() {
            holds.fetch_add(1, Ordering::AcqRel);
        } else {
            // Nobody else can let go of it meanwhile.
            holds.store(2, Ordering::Relaxed);
        }
        HeldMbuf(Mbuf(self.0))
    }

    /// Whether somebody else has a hold on it.
    #[inline]
    pub(super) fn is_shared(&self) -> bool {
        self.holds().load(Ordering::Acquire) != 1
    }

    /// How many have a hold on it (`refcnt`), each of which DPDK lets go of by itself.
    #[inline]
    fn holds(&self) -> &AtomicU16 {
        // SAFETY: an owned mbuf is valid.
        let refcnt = unsafe { &raw mut (*self.0.as_ptr()).refcnt };
        // SAFETY: the field is two bytes and aligned, lives as long as what is owned, and is changed by atomic operations
        // wherever more than one has a hold on it.
        unsafe { AtomicU16::from_ptr(refcnt) }
    }

    /// Whether it is of `pool`, all of it: no driver chains buffers of two.
    #[inline]
    pub(super) fn is_of(&self, pool: NonNull<ffi::rte_mempool>) -> bool {
        self.head().pool == pool.as_ptr()
    }

    /// Takes over a buffer.
    ///
    /// # Safety
    /// It is an mbuf of a pool that lives or was left, and nobody else's.
    pub(super) unsafe fn own(raw: NonNull<ffi::rte_mbuf>) -> Mbuf {
        Mbuf(raw)
    }

    /// Says in the buffer that it is handed over, or is not after all: for a driver that never gives back what it has, so
    /// that it is known for the driver's when the port is closed.
    pub(super) fn mark_handed_over(&mut self, is: bool) {
        self.head_mut().port = if is { HANDED_OVER } else { ffi::RTE_MBUF_PORT_INVALID as u16 };
    }

    /// A driver has it.
    #[inline]
    pub(super) fn give_away(self) {
        mem::forget(self);
    }

    pub(super) fn as_ptr(&self) -> *const ffi::rte_mbuf {
        self.0.as_ptr()
    }

    #[inline]
    fn head(&self) -> &ffi::rte_mbuf {
        // SAFETY: an owned mbuf is valid, and nobody else changes it.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn head_mut(&mut self) -> &mut ffi::rte_mbuf {
        // SAFETY: an owned mbuf is valid, and nobody else looks at it.
        unsafe { self.0.as_mut() }
    }

    /// What the driver says of it (`RTE_MBUF_F_*`).
    #[inline]
    pub(super) fn ol_flags(&self) -> u64 {
        self.head().ol_flags
    }

    /// What the driver takes it for (`RTE_PTYPE_*`).
    #[inline]
    pub(super) fn packet_type(&self) -> u32 {
        // SAFETY: every bit pattern of the union's first word is a number.
        unsafe { self.head().__bindgen_anon_1.packet_type }
    }

    /// The VLAN tag that was stripped, where the flags say so.
    #[inline]
    pub(super) fn vlan_tci(&self) -> u16 {
        self.head().vlan_tci
    }

    /// The mark of a rule, where the flags say so.
    #[inline]
    pub(super) fn mark(&self) -> u32 {
        // SAFETY: every bit pattern of the union is a hash.
        let hash = unsafe { self.head().__bindgen_anon_2.hash };
        // SAFETY: every bit pattern of a hash is a director's.
        unsafe { hash.fdir.hi }
    }

    /// A number of 64 bits that was put at `offset`, as `rte_mbuf_dynfield_lookup` gives it.
    #[inline]
    pub(super) fn dynamic_u64(&self, offset: DynamicField) -> u64 {
        let at = self.0.as_ptr().cast::<u8>().wrapping_add(offset.0);
        // SAFETY: a `DynamicField` lies within an mbuf, with eight bytes behind it; aligned or not.
        unsafe { at.cast::<u64>().read_unaligned() }
    }

    /// How many buffers the frame lies in.
    #[inline]
    pub(super) fn segments(&self) -> usize {
        usize::from(self.head().nb_segs)
    }

    /// The whole frame's length in bytes.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.head().pkt_len as usize
    }

    /// The bytes of buffer `index` of the chain; empty past the last.
    #[inline]
    pub(super) fn segment(&self, index: usize) -> &[u8] {
        let mut at = self.head();
        for _ in 0..index {
            // SAFETY: the next of a chain is null or an mbuf that belongs to the same owner.
            let Some(next) = (unsafe { at.next.as_ref() }) else { return &[] };
            at = next;
        }
        let data = at.buf_addr.cast::<u8>().wrapping_add(usize::from(at.data_off));
        // SAFETY: so many bytes from the data's offset on are the buffer's, and written.
        unsafe { slice::from_raw_parts(data, usize::from(at.data_len)) }
    }

    /// The first buffer's room, from the data's offset to its end; none while somebody else has a hold on it.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.is_shared() {
            return &mut [];
        }
        let head = self.head();
        let data = head.buf_addr.cast::<u8>().wrapping_add(usize::from(head.data_off));
        let len = usize::from(head.buf_len - head.data_off);
        // SAFETY: from the data's offset to the buffer's end is the buffer's own memory, which DPDK zeroed
        // when it was mapped and which only ever held bytes.
        unsafe { slice::from_raw_parts_mut(data, len) }
    }

    /// Makes the first `len` bytes of a single buffer the frame.
    #[inline]
    pub(super) fn set_len(&mut self, len: u16) {
        let head = self.head_mut();
        head.data_len = len.min(head.buf_len - head.data_off);
        head.pkt_len = u32::from(head.data_len);
    }

    /// What the driver is to do with it. Lengths of a frame with which it is to do nothing are not written.
    #[inline]
    pub(super) fn set_tx(&mut self, flags: TxFlags) {
        let TxFlags { ol_flags, l2_len, l3_len, l4_len } = flags;
        let head = self.head_mut();
        head.ol_flags = (head.ol_flags & OF_THE_BUFFER) | ol_flags;
        if ol_flags != 0 {
            let lens = u64::from(l2_len)
                | u64::from(l3_len) << L2_LEN_BITS
                | u64::from(l4_len) << (L2_LEN_BITS + L3_LEN_BITS);
            head.__bindgen_anon_3 = ffi::rte_mbuf__bindgen_ty_3 { tx_offload: lens };
        }
    }

    /// What the driver was told to do with it.
    #[inline]
    pub(super) fn tx(&self) -> TxFlags {
        let of = |lens: u64, bits: u32| (lens & ((1 << bits) - 1)) as u8;
        // SAFETY: every bit pattern of the union is a number.
        let lens = unsafe { self.head().__bindgen_anon_3.tx_offload };
        TxFlags {
            ol_flags: self.head().ol_flags & !OF_THE_BUFFER,
            l2_len: of(lens, L2_LEN_BITS),
            l3_len: of(lens >> L2_LEN_BITS, L3_LEN_BITS),
            l4_len: of(lens >> (L2_LEN_BITS + L3_LEN_BITS), L4_LEN_BITS),
        }
    }
}

/// Whether a buffer that nobody writes to has bytes of a frame, and was not handed over.
pub(super) fn is_frame_of_ours(mbuf: &ffi::rte_mbuf) -> bool {
    mbuf.pkt_len > 0 && mbuf.port != HANDED_OVER
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is owned, and never used again.
        unsafe { ffi::rte_pktmbuf_free(self.0.as_ptr()) };
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mbuf({} bytes in {})", self.len(), self.segments())
    }
}

/// Where in every mbuf a field of eight bytes lies that was registered while DPDK ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DynamicField(usize);

impl DynamicField {
    /// Of what DPDK registered, if eight bytes of an mbuf are there.
    pub(super) fn at(offset: i32) -> Option<DynamicField> {
        let offset = usize::try_from(offset).ok()?;
        (offset + 8 <= mem::size_of::<ffi::rte_mbuf>()).then_some(DynamicField(offset))
    }
}
