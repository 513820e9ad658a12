//! The running port, a queue at a time.

use std::rc::Rc;
use std::time::Instant;

use fixwire_offload::flow::{Count, RuleSet};
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxChecksum, TxMeta};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::ClockInfo;

use super::clock::Timesync;
use super::eal::Eal;
use super::error::Errno;
use super::link::LinkLooks;
use super::mbuf::Mbuf;
use super::mempool::Mempool;
use super::offloads::Listen;
use super::queue::Queue;
use crate::checksums;
use crate::clock_route::ClockRoutes;

/// A queue of a port that runs, the first unless another was [asked for](DpdkNic::queue), polled by the thread that
/// started DPDK.
///
/// Frames may outlive it. Then their pool's memory stays until the process ends.
#[derive(Debug)]
pub struct DpdkNic {
    queue: Queue,
    how: How,
    /// What `how` says in one: there are frames that the driver may not have, or not unmarked.
    is_choosy: bool,
    link: LinkLooks,
    clocks: ClockRoutes,
    /// This queue's; the port's are asked of it.
    counters: NicCounters,
}

/// How a port was set up, and what it is: the same for each of its queues.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    pub(super) listen: Listen,
    /// The driver wants frames prepared whose sums are left to it.
    pub(super) leaves_sums: bool,
    /// The driver puts what it has sent into the pool of frames to send without a look: it gets no other.
    pub(super) fast_free: bool,
    /// The driver was told that it gets frames in several buffers, and takes them as they are. Any other gets none.
    pub(super) chains: bool,
    /// The driver never gives back what it has when its port is closed.
    pub(super) keeps_buffers: bool,
    pub(super) clock: Option<ClockInfo>,
    pub(super) mac: [u8; 6],
    pub(super) mtu: usize,
}

impl How {
    fn is_choosy(&self) -> bool {
        self.fast_free || !self.chains || self.keeps_buffers
    }

    /// Whether the driver may have a frame as it is, `own` being the pool of frames to send.
    #[inline]
    fn takes(&self, own: &Mempool, frame: &Mbuf) -> bool {
        (self.chains || frame.segments() == 1) && (!self.fast_free || own.has(frame))
    }
}

impl DpdkNic {
    pub(super) fn new(queue: Queue, how: How) -> DpdkNic {
        let is_choosy = how.is_choosy();
        let (clocks, counters) = (ClockRoutes::default(), NicCounters::default());
        let link = LinkLooks::default();
        DpdkNic { queue, how, is_choosy, link, clocks, counters }
    }

    pub(super) fn with_clocks(self, clocks: ClockRoutes) -> DpdkNic {
        DpdkNic { clocks, ..self }
    }

    /// Another queue of the same port, by its number from 0, to be polled by the same thread: a device of its own, with
    /// the port's rules, link and clock, and counters of the frames that it moved itself; bytes are the port's. `None`
    /// where the port was not set up with so many receive queues, or where somebody has it already.
    ///
    /// It sends by the transmit queue of its number; where there are fewer of those, several queues share one.
    pub fn queue(&self, number: u16) -> Option<DpdkNic> {
        Queue::take(self.queue.running(), number).map(|queue| DpdkNic::new(queue, self.how))
    }

    /// The DPDK that it runs by, for [another port](super::DpdkBackend::beside).
    pub fn eal(&self) -> &Rc<Eal> {
        self.queue.running().port.eal()
    }

    /// What came of looking for the clock that its stamps are by, and that clock, to be read on another thread;
    /// nothing the second time, and where it stamps nothing. Once the port is closed the clock is silent.
    pub fn take_clocks(&mut self) -> ClockRoutes {
        std::mem::take(&mut self.clocks)
    }

    /// Sets the clock going that the driver keeps for PTP.
    ///
    /// # Errors
    /// It keeps none (ENOTSUP), or says why not.
    pub fn timesync(&self) -> Result<Timesync<'_>, Errno> {
        self.queue.running().port.timesync()
    }

    /// Rules of ours that the port's driver has: as many as the set that was installed last, none where that was refused.
    pub fn rules_installed(&self) -> usize {
        self.queue.running().rules.borrow().count_installed()
    }

    /// Buffers of both pools that are in use: by the driver's rings, and by frames that are about.
    pub fn buffers_in_use(&self) -> u32 {
        let running = self.queue.running();
        running.rx.in_use() + running.tx.in_use()
    }

    /// Hands over frames from the front, as many as the driver takes.
    #[inline(always)]
    fn send(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        if self.how.leaves_sums {
            self.prepare(burst);
        }
        let sent = self.queue.bursts.send(burst);
        self.counters.tx_frames += sent as u64;
        if !burst.is_empty() {
            self.counters.tx_busy += 1;
        }
        sent
    }

    /// Whether a burst holds what the driver may not have, such as a frame that was received.
    #[inline]
    fn has_foreign(&self, burst: &Burst<Mbuf>) -> bool {
        let own = &self.queue.running().tx;
        burst.iter().any(|frame| !self.how.takes(own, frame))
    }

    /// Sends copies where the driver may not have the frames as they are, and marks them for one that keeps them.
    #[cold]
    #[inline(never)]
    fn send_with_care(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        if self.has_foreign(burst) { self.send_copied(burst) } else { self.send_marked(burst) }
    }

    /// The same as [`send`](DpdkNic::send) with a mark in each frame, for a driver that keeps them.
    fn send_marked(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        burst.iter_mut().for_each(|frame| frame.mark_handed_over(true));
        let sent = self.send(burst);
        burst.iter_mut().for_each(|frame| frame.mark_handed_over(false));
        sent
    }

    /// Sends copies of such frames, each in one buffer, up to the first that finds none. One that is longer than a
    /// buffer goes back to its pool.
    #[cold]
    #[inline(never)]
    fn send_copied(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        let own = &self.queue.running().tx;
        let too_long = |frame: &Mbuf| !self.how.takes(own, frame) && frame.len() > own.room();
        let given = burst.len();
        burst.retain(|frame| !too_long(frame));
        self.counters.tx_too_long += (given - burst.len()) as u64;
        let mut ready = 0;
        for frame in burst.iter_mut() {
            if !self.how.takes(own, frame) {
                let Some(copy) = own.copy_of(frame) else {
                    self.counters.tx_no_buffer += 1;
                    break;
                };
                *frame = copy;
                self.counters.tx_copied += 1;
            }
            ready += 1;
        }
        let rest: Burst<Mbuf> = burst.drain(ready..).collect();
        let sent = if self.how.keeps_buffers { self.send_marked(burst) } else { self.send(burst) };
        burst.extend(rest);
        sent
    }

    /// Has the driver look at frames whose sums are left to it. What it refuses is finished in software.
    #[inline]
    fn prepare(&mut self, burst: &mut Burst<Mbuf>) {
        let ready = self.queue.bursts.prepare(burst);
        if ready < burst.len() {
            self.finish_refused(burst, ready);
        }
    }

    /// Goes on behind the first `ready` frames, of which the next was refused. One in several buffers is put into one, one
    /// that is held into another, and goes back to its pool where there is none that it fits.
    #[cold]
    #[inline(never)]
    fn finish_refused(&mut self, burst: &mut Burst<Mbuf>, mut ready: usize) {
        while let Some(refused) = burst.get_mut(ready) {
            self.counters.tx_offload_refused += 1;
            if refused.segments() > 1 || refused.is_shared() {
                let own = &self.queue.running().tx;
                let is_too_long = refused.len() > own.room();
                let copy = if is_too_long { None } else { own.copy_of(refused) };
                let Some(copy) = copy else {
                    let why = if is_too_long {
                        &mut self.counters.tx_too_long
                    } else {
                        &mut self.counters.tx_no_buffer
                    };
                    *why += 1;
                    burst.remove(ready);
                    continue;
                };
                *refused = copy;
                self.counters.tx_copied += 1;
            }
            finish_in_software(refused);
            ready += 1;
            ready += self.queue.bursts.prepare(&mut burst[ready..]);
        }
    }
}

/// Does to a frame, which lies in one buffer, what was left to the driver.
#[cold]
fn finish_in_software(frame: &mut Mbuf) {
    let meta = frame.tx_meta();
    let len = frame.len();
    let bytes = &mut frame.room()[..len];
    let (l2_len, l3_len) = (usize::from(meta.l2_len), usize::from(meta.l3_len));
    if meta.ipv4 == TxChecksum::Partial {
        let _ = checksums::finish_ipv4(bytes, l2_len, l3_len);
    }
    if meta.tcp == TxChecksum::Partial {
        let csum_start = u16::from(meta.l2_len) + u16::from(meta.l3_len);
        let csum_offset = checksums::TCP_CHECKSUM_OFFSET;
        let _ = checksums::finish(bytes, checksums::Unfinished { csum_start, csum_offset });
    }
    frame.finish(len, TxMeta::default());
}

impl Nic for DpdkNic {
    type Frame = Mbuf;

    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        let received = self.queue.bursts.receive(burst);
        self.counters.rx_frames += received as u64;
        received
    }

    #[inline]
    fn rx_meta(&self, frame: &Mbuf) -> RxMeta {
        self.how.listen.meta(frame, self.queue.number())
    }

    #[inline]
    fn tx_frame(&mut self) -> Option<Mbuf> {
        let mbuf = self.queue.running().tx.take();
        if mbuf.is_none() {
            self.counters.tx_no_buffer += 1;
        }
        mbuf
    }

    // A call of its own would be a third of what a burst of one costs beside the driver.
    #[inline(always)]
    fn tx_burst(&mut self, burst: &mut Burst<Mbuf>) -> usize {
        if self.is_choosy && (self.how.keeps_buffers || self.has_foreign(burst)) {
            return self.send_with_care(burst);
        }
        self.send(burst)
    }

    fn link(&mut self) -> Link {
        let port = &self.queue.running().port;
        self.link.look(port.is_told_of_link(), Instant::now(), || port.is_up())
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.how.clock
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.queue.running().rules.borrow_mut().install(rules)
    }

    fn flow_count(&self, rule: usize) -> Option<Count> {
        self.queue.running().rules.borrow().count(rule)
    }

    fn take_flow_count_refusal(&self) -> Option<String> {
        self.queue.running().rules.borrow().take_refused_query()
    }

    fn mac(&self) -> [u8; 6] {
        self.how.mac
    }

    fn mtu(&self) -> usize {
        self.how.mtu
    }

    fn driver_counters(&self) -> Vec<(String, u64)> {
        self.queue.running().port.xstats()
    }

    fn counters(&self) -> NicCounters {
        let stats = self.queue.running().port.stats();
        NicCounters {
            // Drivers count bytes, those of all queues: to add them up here would take longer than all else that a
            // burst does.
            rx_bytes: stats.rx_bytes,
            tx_bytes: stats.tx_bytes,
            rx_no_buffer: stats.no_buffer,
            rx_ring_full: stats.missed,
            rx_errors: stats.rx_errors,
            tx_errors: stats.tx_errors,
            ..self.counters
        }
    }

    fn rx_frames(&self) -> u64 {
        self.counters.rx_frames
    }

    /// Gives the queue back. The last one of a port stops and closes the port; any other says that nothing is missing.
    fn close(self) -> Option<u32> {
        Some(self.queue.close())
    }
}
