//! A queue of a port's that runs, of whoever has it.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_offload::nic::Burst;

use super::bursts::Bursts;
use super::flow::Rules;
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
    /// Buffers of received frames that the driver filled its ring with, where it never gives back what it has.
    kept: Option<u32>,
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
        kept: Option<u32>,
    ) -> Rc<Running> {
        let rules = RefCell::new(rules);
        Rc::new(Running { rules, port, rx, tx, kept, taken: Cell::new(0) })
    }

    /// Stops and closes the port, and says how many buffers have not come back.
    fn close(self) -> u32 {
        let Running { rules, port, rx, tx, kept, .. } = self;
        let in_use = || rx.in_use() + tx.in_use();
        drop(rules);
        drain(&port, in_use());
        let Some(kept) = kept else {
            drop(port);
            return in_use();
        };
        let waited = Instant::now();
        while in_use() > kept && waited.elapsed() < REAP_WAIT_MAX {
            reap(&port);
            sleep(Duration::from_millis(1));
        }
        drop(port);
        // The driver's own, which go with it, are those of its ring and its copies of what the kernel has not sent, of
        // which there may be many where the link is gone.
        rx.frames() + tx.in_use()
    }
}

/// Drops what arrived and nobody took: where a ring is all that there is of a device, as with net_ring, its frames stay in
/// it. No more than `frames` of a queue, should they never end.
fn drain(port: &Port, frames: u32) {
    let (rx_queues, _) = port.queues();
    for queue in 0..rx_queues {
        // SAFETY: the port has started with this queue, as with the first to send by, and outlives this.
        let bursts = unsafe { Bursts::of(port.id(), queue, 0) };
        let mut left = frames as usize;
        while left > 0 {
            let received = bursts.receive(&mut Burst::new());
            left = if received == 0 { 0 } else { left.saturating_sub(received) };
        }
    }
}

/// Has a driver give back buffers of frames that were sent, for one that does so only when it is told to send.
fn reap(port: &Port) {
    let (_, tx_queues) = port.queues();
    for queue in 0..tx_queues {
        // SAFETY: the port has started with this queue, as with the first to receive by, and outlives this.
        unsafe { Bursts::of(port.id(), 0, queue) }.reap();
    }
}

/// A receive queue, and the transmit queue that goes with it, of whoever holds this alone.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) bursts: Bursts,
    number: u16,
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
        // SAFETY: the port has started with both queues, and runs for as long as anybody holds it.
        let bursts = unsafe { Bursts::of(running.port.id(), number, tx) };
        running.taken.set(taken | bit);
        Some(Queue { bursts, number, running: Rc::clone(running) })
    }

    /// The port that it is of.
    #[inline]
    pub(super) fn running(&self) -> &Rc<Running> {
        &self.running
    }

    /// The receive queue's number.
    #[inline]
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// Gives it back. The last one of a port stops and closes the port, and says how many buffers have not come back.
    pub(super) fn close(self) -> u32 {
        let running = Rc::clone(&self.running);
        drop(self);
        Rc::into_inner(running).map_or(0, Running::close)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let taken = &self.running.taken;
        taken.set(taken.get() & !(1 << self.number));
    }
}
