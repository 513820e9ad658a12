//! A pool of frames' buffers, in memory that devices reach (rte_mempool.h, rte_mbuf.h).
#![allow(unsafe_code)]

use std::ffi::{CString, c_uint, c_void};
use std::fmt;
use std::iter;
use std::ptr::NonNull;
use std::rc::Rc;

use dpdk_sys as ffi;

use super::eal::{self, Eal, Memory};
use super::error::{DpdkError, Errno};
use super::mbuf::{Mbuf, is_frame_of_ours};

/// Buffers that a core keeps at hand, so as not to ask the pool for each.
const CACHE: u32 = 64;

/// A pool. Its buffers may outlive it: then its memory stays to the end of the process.
pub(super) struct Mempool {
    raw: NonNull<ffi::rte_mempool>,
    /// Bytes of a buffer behind the headroom.
    room: u16,
    // After the pool, by the order of fields: it is in its memory.
    _eal: Rc<Eal>,
}

impl Mempool {
    /// `frames` buffers of `room` bytes behind the headroom, near memory node `node`.
    pub(super) fn new(
        eal: &Rc<Eal>,
        name: &str,
        frames: u32,
        room: u16,
        node: Option<u16>,
    ) -> Result<Mempool, DpdkError> {
        let c_name = CString::new(name).unwrap_or_default();
        let whole = room.saturating_add(ffi::RTE_PKTMBUF_HEADROOM as u16);
        let node = node.map_or(ffi::SOCKET_ID_ANY, i32::from);
        // SAFETY: the name is a C string; DPDK runs for as long as `eal` is held.
        let raw =
            unsafe { ffi::rte_pktmbuf_pool_create(c_name.as_ptr(), frames, CACHE, 0, whole, node) };
        let raw = NonNull::new(raw).ok_or_else(|| no_pool(eal, frames, whole, eal::errno()))?;
        Ok(Mempool { raw, room, _eal: Rc::clone(eal) })
    }

    /// An empty buffer, or `None` when every one is in use.
    #[inline]
    pub(super) fn take(&self) -> Option<Mbuf> {
        // SAFETY: the pool lives.
        let raw = unsafe { ffi::rte_pktmbuf_alloc(self.raw.as_ptr()) };
        // SAFETY: what `rte_pktmbuf_alloc` gives is the caller's.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::own(raw) })
    }

    /// Whether a frame lies in buffers of this pool.
    #[inline]
    pub(super) fn has(&self, frame: &Mbuf) -> bool {
        frame.is_of(self.raw)
    }

    /// The longest frame that lies in one buffer, in bytes.
    pub(super) fn room(&self) -> usize {
        self.room.into()
    }

    /// A frame, and what is to be done with it, in buffers of this pool, in one where there is [room](Self::room) in
    /// it; `None` when too few are free.
    pub(super) fn copy_of(&self, frame: &Mbuf) -> Option<Mbuf> {
        const WHOLE: u32 = u32::MAX;
        // SAFETY: the pool lives, and the frame is whole.
        let raw = unsafe { ffi::rte_pktmbuf_copy(frame.as_ptr(), self.raw.as_ptr(), 0, WHOLE) };
        // SAFETY: what `rte_pktmbuf_copy` gives is the caller's.
        NonNull::new(raw).map(|raw| unsafe { Mbuf::own(raw) })
    }

    /// How many buffers are in use: by the device, by frames, or lost.
    pub(super) fn in_use(&self) -> u32 {
        // SAFETY: the pool lives.
        unsafe { ffi::rte_mempool_in_use_count(self.raw.as_ptr()) }
    }

    /// How many of the buffers in use have bytes of a frame that is about: what a driver takes out of the pool for itself
    /// has none, and what was handed over to be sent as it came is [marked](Mbuf::mark_handed_over).
    pub(super) fn frames(&self) -> u32 {
        // What is free keeps the length of what was in it, until it is taken.
        let free: Vec<Mbuf> = iter::from_fn(|| self.take()).collect();
        let mut frames = 0u32;
        let to = (&raw mut frames).cast();
        // SAFETY: the pool lives, its objects are mbufs, and the call wants a number to add to.
        unsafe { ffi::rte_mempool_obj_iter(self.raw.as_ptr(), Some(add_frame), to) };
        drop(free);
        frames
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::rte_mempool {
        self.raw.as_ptr()
    }
}

/// Adds one for a buffer with a frame of ours.
unsafe extern "C" fn add_frame(
    _: *mut ffi::rte_mempool,
    frames: *mut c_void,
    mbuf: *mut c_void,
    _: c_uint,
) {
    // SAFETY: every object of the pool is an mbuf, which nobody writes to meanwhile.
    let mbuf = unsafe { &*mbuf.cast::<ffi::rte_mbuf>() };
    // SAFETY: it is the number that the iteration was begun with.
    unsafe { *frames.cast::<u32>() += u32::from(is_frame_of_ours(mbuf)) };
}

/// Why there is none. Who keeps it, another than DPDK's own may have been asked to by the profile.
fn no_pool(eal: &Eal, frames: u32, room: u16, errno: Errno) -> DpdkError {
    match eal.argument("--mbuf-pool-ops-name") {
        Some(argument) if errno.number() != libc::ENOMEM => {
            DpdkError::PoolOps { argument: argument.to_owned(), errno }
        }
        _ => {
            DpdkError::NoMemory { frames, room, errno, remedy: remedy(eal.memory(), frames, room) }
        }
    }
}

/// What to do where there is no memory for a pool.
fn remedy(memory: Memory, frames: u32, room: u16) -> String {
    const MIB: u64 = 1 << 20;
    // Both directions have a pool, and each buffer its mbuf and the pool's own words.
    let each = u64::from(room) + size_of::<ffi::rte_mbuf>() as u64 + 128;
    let mib = (2 * u64::from(frames) * each).div_ceil(MIB) + 64;
    let fewer = "write smaller `rx_descriptors` and `tx_descriptors` under [queues], or fewer `frames` under [buffers], \
                 in the profile";
    match memory {
        Memory::Huge { free_mib } => format!(
            "{free_mib} MiB of huge pages were free, and both directions take some {mib}: {fewer}, or reserve more \
             of 2 MiB (`sysctl vm.nr_hugepages={}`)",
            mib.div_ceil(2)
        ),
        Memory::Ordinary { mib: taken } => {
            format!(
                "{taken} MiB of ordinary pages were taken, and both directions take some {mib}: {fewer}"
            )
        }
    }
}

impl Drop for Mempool {
    fn drop(&mut self) {
        if self.in_use() > 0 {
            // Frames that outlive their device still point into it.
            Eal::leave_pool();
            return;
        }
        // SAFETY: none of its buffers is in use, and nobody else has the pool.
        unsafe { ffi::rte_mempool_free(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Mempool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mempool({} in use)", self.in_use())
    }
}
