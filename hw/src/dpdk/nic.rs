//! The running port.

use std::fmt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_offload::flow::{Count, RuleSet};
use fixwire_offload::nic::{self, Burst, Link, Nic, RxMeta, TxChecksum, TxMeta};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::ClockInfo;

use super::flow::Rules;
use super::mbuf::Mbuf;
use super::mempool::Mempool;
use super::offloads::{self, Listen};
use super::port::Port;
use crate::checksums;
use crate::clock_route::ClockRoutes;

/// The queue that is polled, and the one that is sent by.
const QUEUE: u16 = 0;

/// A port that runs, polled by one thread.
///
/// Frames may outlive it. Then their pool's memory stays until the process ends.
#[derive(Debug)]
pub struct DpdkNic {
    pub(super) rules: Rules,
    // Before the pools: a port that is closed has given their buffers back.
    pub(super) port: Port,
    pub(super) rx: Mempool,
    pub(super) tx: Mempool,
    pub(super) listen: Listen,
    /// The driver wants frames prepared whose sums are left to it.
    pub(super) leaves_sums: bool,
    pub(super) clock: Option<ClockInfo>,
    pub(super) clocks: ClockRoutes,
    pub(super) mac: [u8; 6],
    pub(super) mtu: usize,
    pub(super) counters: NicCounters,
    /// Buffers that the driver never gives back.
    pub(super) kept: u32,
}

/// How long the end waits for buffers of frames that were just sent, where the driver has to be asked for them.
const REAP_WAIT_MAX: Duration = Duration::from_millis(100);

/// A frame in a buffer of DPDK's.
pub struct DpdkFrame {
    mbuf: Mbuf,
    rx: RxMeta,
    tx: TxMeta,
}

impl DpdkFrame {
    fn new(mbuf: Mbuf, rx: RxMeta) -> DpdkFrame {
        DpdkFrame { mbuf, rx, tx: TxMeta::default() }
    }
}

impl AsRef<Mbuf> for DpdkFrame {
    #[inline]
    fn as_ref(&self) -> &Mbuf {
        &self.mbuf
    }
}

impl From<DpdkFrame> for Mbuf {
    #[inline]
    fn from(frame: DpdkFrame) -> Mbuf {
        frame.mbuf
    }
}

impl nic::Frame for DpdkFrame {
    #[inline]
    fn rx_meta(&self) -> &RxMeta {
        &self.rx
    }

    #[inline]
    fn segments(&self) -> usize {
        self.mbuf.segments()
    }

    #[inline]
    fn segment(&self, index: usize) -> &[u8] {
        self.mbuf.segment(index)
    }

    #[inline]
    fn space(&mut self) -> &mut [u8] {
        self.mbuf.room()
    }

    #[inline]
    fn finish(&mut self, len: usize, meta: TxMeta) {
        self.mbuf.set_len(u16::try_from(len).unwrap_or(u16::MAX));
        self.tx = meta;
    }

    #[inline]
    fn tx_meta(&self) -> &TxMeta {
        &self.tx
    }
}

impl fmt::Debug for DpdkFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DpdkFrame({:?})", self.mbuf)
    }
}

impl DpdkNic {
    /// Every counter of the driver's by its own name (xstats).
    pub fn driver_counters(&self) -> Vec<(String, u64)> {
        self.port.xstats()
    }

    /// What came of looking for the clock that its stamps are by, and that clock, to be read on another thread;
    /// nothing the second time, and where it stamps nothing. Once the port is closed the clock is silent.
    pub fn take_clocks(&mut self) -> ClockRoutes {
        std::mem::take(&mut self.clocks)
    }

    /// Buffers of both pools that are in use: by the driver's rings, and by frames that are about.
    pub fn buffers_in_use(&self) -> u32 {
        self.rx.in_use() + self.tx.in_use()
    }

    /// Has the driver look at frames whose sums are left to it. What it refuses is finished in software.
    #[inline(never)]
    fn prepare(&mut self, burst: &mut Burst<DpdkFrame>) {
        let mut ready = 0;
        while ready < burst.len() {
            ready += self.port.tx_prepare(QUEUE, &mut burst[ready..]);
            if let Some(refused) = burst.get_mut(ready) {
                self.counters.tx_offload_refused += 1;
                finish_in_software(refused);
                ready += 1;
            }
        }
    }
}

/// Does to a frame what was left to the driver.
#[cold]
fn finish_in_software(frame: &mut DpdkFrame) {
    let meta = frame.tx;
    let len = frame.mbuf.len();
    let bytes = &mut frame.mbuf.room()[..len];
    let (l2_len, l3_len) = (usize::from(meta.l2_len), usize::from(meta.l3_len));
    if meta.ipv4 == TxChecksum::Partial {
        let _ = checksums::finish_ipv4(bytes, l2_len, l3_len);
    }
    if meta.tcp == TxChecksum::Partial {
        let csum_start = u16::from(meta.l2_len) + u16::from(meta.l3_len);
        let csum_offset = checksums::TCP_CHECKSUM_OFFSET;
        let _ = checksums::finish(bytes, checksums::Unfinished { csum_start, csum_offset });
    }
    frame.tx = TxMeta { ipv4: TxChecksum::Full, tcp: TxChecksum::Full, ..meta };
    frame.mbuf.set_tx(offloads::tx_flags(&frame.tx));
}

impl Nic for DpdkNic {
    type Frame = DpdkFrame;

    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst<DpdkFrame>) -> usize {
        let room = burst.remaining_capacity();
        let (listen, bytes) = (&self.listen, &mut self.counters.rx_bytes);
        let received = self.port.rx_burst(QUEUE, room, |mbuf| {
            *bytes += mbuf.len() as u64;
            let meta = listen.meta(&mbuf, QUEUE);
            burst.push(DpdkFrame::new(mbuf, meta));
        });
        self.counters.rx_frames += received as u64;
        received
    }

    #[inline]
    fn tx_frame(&mut self) -> Option<DpdkFrame> {
        let mbuf = self.tx.take();
        if mbuf.is_none() {
            self.counters.tx_no_buffer += 1;
        }
        mbuf.map(|mbuf| DpdkFrame::new(mbuf, RxMeta::UNKNOWN))
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst<DpdkFrame>) -> usize {
        if self.leaves_sums {
            for frame in burst.iter_mut() {
                frame.mbuf.set_tx(offloads::tx_flags(&frame.tx));
            }
            self.prepare(burst);
        }
        let (sent, bytes) = self.port.tx_burst(QUEUE, burst);
        self.counters.tx_frames += sent as u64;
        self.counters.tx_bytes += bytes;
        self.counters.tx_busy += u64::from(!burst.is_empty());
        sent
    }

    fn link(&mut self) -> Link {
        if self.port.is_up() { Link::Up } else { Link::Down }
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.clock
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.rules.install(rules)
    }

    fn flow_count(&self, rule: usize) -> Option<Count> {
        self.rules.count(rule)
    }

    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn mtu(&self) -> usize {
        self.mtu
    }

    fn counters(&self) -> NicCounters {
        let stats = self.port.stats();
        NicCounters {
            rx_no_buffer: stats.no_buffer,
            rx_ring_full: stats.missed,
            rx_errors: stats.rx_errors,
            tx_errors: stats.tx_errors,
            ..self.counters
        }
    }

    fn close(self) -> Option<u32> {
        let DpdkNic { mut rules, port, rx, tx, kept, .. } = self;
        let in_use = || rx.in_use() + tx.in_use();
        rules.withdraw();
        let waited = Instant::now();
        while kept > 0 && in_use() > kept && waited.elapsed() < REAP_WAIT_MAX {
            port.reap(QUEUE);
            sleep(Duration::from_millis(1));
        }
        drop(port);
        Some(in_use().saturating_sub(kept))
    }
}
