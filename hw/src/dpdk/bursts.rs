//! The calls of each poll, by the table that DPDK's own inline functions look in: a driver's own, given bursts of
//! frames where they lie (rte_ethdev.h).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::fmt;
use std::ptr;

use dpdk_sys as ffi;
use fixwire_offload::nic::Burst;

use super::mbuf::Mbuf;

/// Bursts of one receive queue and one transmit queue of a port that runs.
pub(super) struct Bursts {
    /// The port's place in the table. Drivers write other calls there while they mend a device.
    ops: *const ffi::rte_eth_fp_ops,
    /// The places of what the driver has of each queue, and of its hooks.
    rx: Place,
    rx_hooks: Place,
    tx: Place,
    tx_hooks: Place,
    port: u16,
    queues: (u16, u16),
}

/// A queue's place in a table of the port's.
struct Place(*const *mut c_void);

impl Place {
    #[inline]
    fn get(&self) -> *mut c_void {
        // SAFETY: a port that runs has a place for each of its queues, as whoever had `Bursts` made vouches.
        unsafe { self.0.read() }
    }
}

impl Bursts {
    /// Those of receive queue `rx` and transmit queue `tx`.
    ///
    /// # Safety
    /// The port is one of the table's and has both queues; it has started, and runs for as long as this is used.
    pub(super) unsafe fn of(port: u16, rx: u16, tx: u16) -> Bursts {
        let table = (&raw const ffi::rte_eth_fp_ops).cast::<ffi::rte_eth_fp_ops>();
        let ops = table.wrapping_add(port.into());
        // SAFETY: the table has a place for the port.
        let ffi::rte_eth_fp_ops { rxq, txq, .. } = unsafe { &*ops };
        Bursts {
            ops,
            rx: Place(rxq.data.wrapping_add(rx.into())),
            rx_hooks: Place(rxq.clbk.wrapping_add(rx.into())),
            tx: Place(txq.data.wrapping_add(tx.into())),
            tx_hooks: Place(txq.clbk.wrapping_add(tx.into())),
            port,
            queues: (rx, tx),
        }
    }

    /// The port's calls, for one of them.
    #[inline]
    fn calls(&self) -> &ffi::rte_eth_fp_ops {
        // SAFETY: the table has a place for the port, to which nobody writes while a burst is on its way.
        unsafe { &*self.ops }
    }

    /// Takes frames out of the receive queue, as many as there are and as `frames` has room for, and says how many.
    #[inline]
    pub(super) fn receive(&self, frames: &mut Burst<Mbuf>) -> usize {
        let (len, room) = (frames.len(), frames.remaining_capacity() as u16);
        let first: *mut *mut ffi::rte_mbuf = frames.as_mut_ptr().wrapping_add(len).cast();
        let (queue, hooks) = (self.rx.get(), self.rx_hooks.get());
        let received = match self.calls().rx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue; behind the last frame there is room for so many,
            // each of which is a pointer to an mbuf.
            Some(call) if hooks.is_null() => unsafe { call(queue, first, room) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_rx_burst(self.port, self.queues.0, first, room) },
        };
        // SAFETY: the driver has written so many pointers there, no more than there was room for, to mbufs that
        // are whoever's who asked, and of the pool that it was set up with.
        unsafe { frames.set_len(len + usize::from(received)) };
        received.into()
    }

    /// Has the driver check frames to send and put into them what it wants in them. Says how many it would take: the
    /// one behind those is refused.
    #[inline]
    pub(super) fn prepare(&self, frames: &mut [Mbuf]) -> usize {
        // Without one it sends every frame as it is.
        let Some(call) = self.calls().tx_pkt_prepare else { return frames.len() };
        let queue = self.tx.get();
        // SAFETY: it is the driver's own call for this queue; so many frames, each a pointer to an mbuf, are owned by
        // whoever lends them to be changed.
        usize::from(unsafe { call(queue, frames.as_mut_ptr().cast(), frames.len() as u16) })
    }

    /// Hands frames to the transmit queue from the front of `frames`, as many as it takes, and says how many. The rest
    /// stays there.
    #[inline]
    pub(super) fn send(&self, frames: &mut Burst<Mbuf>) -> usize {
        let len = frames.len();
        if len == 0 {
            return 0;
        }
        let first: *mut *mut ffi::rte_mbuf = frames.as_mut_ptr().cast();
        let (queue, hooks) = (self.tx.get(), self.tx_hooks.get());
        let sent = match self.calls().tx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue; so many frames, each a pointer to an mbuf, are
            // owned, and of those that are taken nobody uses one any more.
            Some(call) if hooks.is_null() => unsafe { call(queue, first, len as u16) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_tx_burst(self.port, self.queues.1, first, len as u16) },
        };
        let sent = usize::from(sent);
        if sent < len {
            keep_the_rest(frames, sent);
            return sent;
        }
        // SAFETY: all are the driver's, and none is counted that is not there.
        unsafe { frames.set_len(0) };
        len
    }

    /// Has the driver give back buffers of frames that were sent, where it does so only when it is told to send.
    pub(super) fn reap(&self) {
        if let Some(call) = self.calls().tx_pkt_burst {
            let mut nothing = [ptr::null_mut(); 1];
            // SAFETY: it is the driver's own call for this queue; of no frames none is looked at.
            unsafe { call(self.tx.get(), nothing.as_mut_ptr(), 0) };
        }
    }
}

/// Of frames the first `sent` are a driver's.
#[cold]
#[inline(never)]
fn keep_the_rest(frames: &mut Burst<Mbuf>, sent: usize) {
    frames.drain(..sent).for_each(Mbuf::give_away);
}

impl fmt::Debug for Bursts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Bursts { port, queues: (rx, tx), .. } = self;
        write!(f, "Bursts(port {port}, receive queue {rx}, transmit queue {tx})")
    }
}
