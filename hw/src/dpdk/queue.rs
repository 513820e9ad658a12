//! A queue of a port's that runs: its bursts (rte_ethdev.h).
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use dpdk_sys as ffi;
use fixwire_offload::nic::{BURST_MAX, Burst};

use super::flow::Rules;
use super::mbuf::Mbuf;
use super::mempool::Mempool;
use super::port::Port;

/// How long the end waits for buffers of frames that were just sent, where the driver has to be asked for them.
const REAP_WAIT_MAX: Duration = Duration::from_millis(100);

/// A port that runs, and what all of its queues share.
#[derive(Debug)]
pub(super) struct Running {
    // In the order in which they go: rules before their port, and a port that is closed has given the pools'
    // buffers back.
    pub(super) rules: RefCell<Rules>,
    pub(super) port: Port,
    pub(super) rx: Mempool,
    pub(super) tx: Mempool,
    /// Buffers that the driver never gives back.
    kept: u32,
    /// A bit for each queue that somebody has.
    taken: Cell<u64>,
}

impl Running {
    /// A port that has started.
    pub(super) fn new(
        rules: Rules,
        port: Port,
        rx: Mempool,
        tx: Mempool,
        kept: u32,
    ) -> Rc<Running> {
        let rules = RefCell::new(rules);
        Rc::new(Running { rules, port, rx, tx, kept, taken: Cell::new(0) })
    }

    /// Stops and closes the port, and says how many buffers have not come back.
    fn close(self) -> u32 {
        let Running { rules, port, rx, tx, kept, .. } = self;
        let in_use = || rx.in_use() + tx.in_use();
        drop(rules);
        let waited = Instant::now();
        while kept > 0 && in_use() > kept && waited.elapsed() < REAP_WAIT_MAX {
            reap(&port);
            sleep(Duration::from_millis(1));
        }
        drop(port);
        in_use().saturating_sub(kept)
    }
}

/// Has a driver give back buffers of frames that were sent, for one that does so only when it is told to send.
fn reap(port: &Port) {
    let (_, tx_queues) = port.queues();
    for queue in 0..tx_queues {
        let mut nothing = [ptr::null_mut(); BURST_MAX];
        // SAFETY: the port has started with this queue; of no frames none is looked at.
        unsafe { burst::send(port.id(), queue, nothing.as_mut_ptr(), 0) };
    }
}

/// A receive queue, and the transmit queue that goes with it, of whoever holds this alone.
#[derive(Debug)]
pub(super) struct Queue {
    port: u16,
    rx: u16,
    tx: u16,
    running: Rc<Running>,
}

impl Queue {
    /// Receive queue `number` and a transmit queue: that of the same number, or where there are fewer of those, one that
    /// several share, as one thread may. `None` where there is no such queue, or somebody has it.
    pub(super) fn take(running: &Rc<Running>, number: u16) -> Option<Queue> {
        let (rx_queues, tx_queues) = running.port.queues();
        let bit = 1u64.checked_shl(number.into())?;
        let taken = running.taken.get();
        if !running.port.is_started() || number >= rx_queues || taken & bit != 0 {
            return None;
        }
        let tx = number.checked_rem(tx_queues)?;
        running.taken.set(taken | bit);
        Some(Queue { port: running.port.id(), rx: number, tx, running: Rc::clone(running) })
    }

    /// The port that it is of.
    #[inline]
    pub(super) fn running(&self) -> &Rc<Running> {
        &self.running
    }

    /// The receive queue's number.
    #[inline]
    pub(super) fn number(&self) -> u16 {
        self.rx
    }

    /// Gives it back. The last one of a port stops and closes the port, and says how many buffers have not come back.
    pub(super) fn close(self) -> u32 {
        let running = Rc::clone(&self.running);
        drop(self);
        Rc::into_inner(running).map_or(0, Running::close)
    }

    /// Takes up to `room` frames out of the receive queue, hands each over, and says how many.
    #[inline]
    pub(super) fn rx_burst(&self, room: usize, mut take: impl FnMut(Mbuf)) -> usize {
        let mut raw = [ptr::null_mut(); BURST_MAX];
        let room = room.min(BURST_MAX) as u16;
        // SAFETY: the port has started with this queue, runs for as long as anybody holds it, and so many fit.
        let received =
            usize::from(unsafe { burst::receive(self.port, self.rx, raw.as_mut_ptr(), room) });
        for raw in raw.into_iter().take(received).filter_map(NonNull::new) {
            // SAFETY: what a driver gives is whoever's who asked, and of the pool that it was set up with.
            take(unsafe { Mbuf::own(raw) });
        }
        received
    }

    /// Has a driver check frames to send and put into them what it wants in them. Says how many it would
    /// take: the one behind those is refused.
    #[inline]
    pub(super) fn tx_prepare<T: AsRef<Mbuf>>(&self, frames: &mut [T]) -> usize {
        let (mut raw, len) = pointers(frames);
        // SAFETY: the port has started with this queue; the frames are owned by whoever lends them to be
        // changed.
        usize::from(unsafe { ffi::rte_eth_tx_prepare(self.port, self.tx, raw.as_mut_ptr(), len) })
    }

    /// Hands frames to the transmit queue from the front of `frames`, as many as it takes, and says how many
    /// those were and their bytes.
    #[inline]
    pub(super) fn tx_burst<T: AsRef<Mbuf> + Into<Mbuf>>(
        &self,
        frames: &mut Burst<T>,
    ) -> (usize, u64) {
        if frames.is_empty() {
            return (0, 0);
        }
        let (mut raw, len) = pointers(frames);
        let bytes_of = |frames: &[T]| frames.iter().map(|frame| frame.as_ref().len() as u64).sum();
        let bytes: u64 = bytes_of(frames);
        // SAFETY: the port has started with this queue; the frames are owned, and of those that are taken
        // nobody uses one any more.
        let sent = usize::from(unsafe { burst::send(self.port, self.tx, raw.as_mut_ptr(), len) });
        for frame in frames.drain(..sent.min(usize::from(len))) {
            frame.into().give_away();
        }
        let left: u64 = bytes_of(frames);
        (sent, bytes - left)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let taken = &self.running.taken;
        taken.set(taken.get() & !(1 << self.rx));
    }
}

/// What a driver is handed frames by.
#[inline]
fn pointers<T: AsRef<Mbuf>>(frames: &[T]) -> ([*mut ffi::rte_mbuf; BURST_MAX], u16) {
    let mut raw = [ptr::null_mut(); BURST_MAX];
    for (raw, frame) in raw.iter_mut().zip(frames) {
        *raw = frame.as_ref().as_ptr();
    }
    (raw, frames.len().min(BURST_MAX) as u16)
}

/// The two calls of each poll, by the table that DPDK's own inline functions look in: one call instead of two.
mod burst {
    use std::ffi::c_void;

    use dpdk_sys as ffi;

    /// # Safety
    /// The port has started and has this queue; `room` frames fit at `first`.
    #[inline]
    pub(super) unsafe fn receive(
        port: u16,
        queue: u16,
        first: *mut *mut ffi::rte_mbuf,
        room: u16,
    ) -> u16 {
        // SAFETY: the caller vouches for the port.
        let ops = unsafe { of(port) };
        // SAFETY: a port that runs has a place for each of its queues.
        let hook = unsafe { at(ops.rxq.clbk, queue) };
        // SAFETY: the same.
        let data = unsafe { at(ops.rxq.data, queue) };
        match ops.rx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue, as the caller vouches.
            Some(call) if hook.is_null() => unsafe { call(data, first, room) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_rx_burst(port, queue, first, room) },
        }
    }

    /// # Safety
    /// The port has started and has this queue; the frames are whole and owned by the caller.
    #[inline]
    pub(super) unsafe fn send(
        port: u16,
        queue: u16,
        first: *mut *mut ffi::rte_mbuf,
        frames: u16,
    ) -> u16 {
        // SAFETY: the caller vouches for the port.
        let ops = unsafe { of(port) };
        // SAFETY: a port that runs has a place for each of its queues.
        let hook = unsafe { at(ops.txq.clbk, queue) };
        // SAFETY: the same.
        let data = unsafe { at(ops.txq.data, queue) };
        match ops.tx_pkt_burst {
            // SAFETY: it is the driver's own call for this queue, as the caller vouches.
            Some(call) if hook.is_null() => unsafe { call(data, first, frames) },
            // SAFETY: the same with the hooks of this queue.
            _ => unsafe { ffi::rte_eth_tx_burst(port, queue, first, frames) },
        }
    }

    /// # Safety
    /// The port is one of the table's, and runs: its entry does not change.
    #[inline]
    unsafe fn of(port: u16) -> &'static ffi::rte_eth_fp_ops {
        let table = (&raw const ffi::rte_eth_fp_ops).cast::<ffi::rte_eth_fp_ops>();
        let entry = table.wrapping_add(port.into());
        // SAFETY: the table has a place for each port.
        unsafe { &*entry }
    }

    /// # Safety
    /// There is a place for `queue`.
    #[inline]
    unsafe fn at(places: *mut *mut c_void, queue: u16) -> *mut c_void {
        let place = places.wrapping_add(queue.into());
        // SAFETY: the caller vouches for it.
        unsafe { place.read() }
    }
}
