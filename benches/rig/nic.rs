//! A NIC in memory: frames written beforehand are received one a poll, or as many as a burst has, and frames that are sent
//! are counted and given back, but for the last few.

use fixwire::offload::capability::Capability;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::plan::{Advert, Capabilities, Plan, Provider};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Verdict;
use fixwire_hw::pool::{FRAME_ROOM, Frame, Pool};

use crate::peer::HOST_MAC;

/// Who sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sums {
    /// The device: its verdict is good, and what is sent is left to it.
    Offloaded,
    /// The host, both ways.
    InSoftware,
}

impl Sums {
    /// One and the other.
    pub const BOTH: [Sums; 2] = [Sums::Offloaded, Sums::InSoftware];

    /// As a bench is called.
    pub const fn name(self) -> &'static str {
        match self {
            Sums::Offloaded => "offloaded",
            Sums::InSoftware => "software",
        }
    }

    /// The plan under which they are done so: the default profile's, audits and all.
    pub fn plan(self) -> Plan {
        let advert = Advert { by: Provider::Model, how: "in memory" };
        let device = Capability::ALL
            .into_iter()
            .filter(|capability| {
                use Capability::{RxIpv4Checksum, RxTcpChecksum, TxIpv4Checksum, TxTcpChecksum};
                matches!(
                    capability,
                    RxIpv4Checksum | RxTcpChecksum | TxIpv4Checksum | TxTcpChecksum
                )
            })
            .fold(Capabilities::NONE, |device, capability| device.with(capability, advert));
        let policy = match self {
            Sums::Offloaded => Policy::Prefer,
            Sums::InSoftware => Policy::Off,
        };
        let profile = Profile::all(policy).with(Capability::TxTimestamp, Policy::Off);
        Plan::negotiate("memory", &profile, &device)
    }

    /// What the device says of a frame.
    pub const fn rx_meta(self) -> RxMeta {
        match self {
            Sums::Offloaded => RxMeta { l3: Verdict::Good, l4: Verdict::Good, ..RxMeta::UNKNOWN },
            Sums::InSoftware => RxMeta::UNKNOWN,
        }
    }
}

/// The most frames that wait to be received.
pub const LOADED_MAX: usize = 64;

/// How many of the frames sent last are kept.
pub const KEPT: usize = 4;

/// The NIC, which hands over `BURST` frames at once.
#[derive(Debug)]
pub struct MemoryNic<const BURST: usize = 1> {
    meta: RxMeta,
    pool: Pool,
    /// The next frame last.
    loaded: Vec<Frame>,
    sent: u64,
    /// By their number, modulo.
    kept: [Option<Frame>; KEPT],
}

impl<const BURST: usize> MemoryNic<BURST> {
    /// One whose verdicts are as `sums` says.
    pub fn new(sums: Sums) -> MemoryNic<BURST> {
        MemoryNic {
            meta: sums.rx_meta(),
            pool: Pool::new(2 * LOADED_MAX, FRAME_ROOM),
            loaded: Vec::with_capacity(LOADED_MAX),
            sent: 0,
            kept: [const { None }; KEPT],
        }
    }

    /// Has `frames` received in their order.
    pub fn load(&mut self, frames: &[Vec<u8>]) {
        assert!(self.loaded.is_empty() && frames.len() <= LOADED_MAX);
        for bytes in frames.iter().rev() {
            let mut frame = self.pool.take().expect("the pool holds two loads");
            frame.space()[..bytes.len()].copy_from_slice(bytes);
            frame.received(bytes.len(), self.meta);
            self.loaded.push(frame);
        }
    }

    /// The next frame, for a host that polls by other means than [`Nic`].
    #[inline]
    pub fn receive(&mut self) -> Option<Frame> {
        self.loaded.pop()
    }

    /// Sends a frame, for a host that polls by other means than [`Nic`].
    #[inline]
    pub fn send(&mut self, frame: Frame) {
        self.kept[self.sent as usize % KEPT] = Some(frame);
        self.sent += 1;
    }

    /// How many frames were sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// The last few of them, the newest last.
    pub fn kept(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.sent.saturating_sub(KEPT as u64);
        (first..self.sent)
            .filter_map(|number| self.kept[number as usize % KEPT].as_ref())
            .map(|frame| frame.bytes())
    }
}

impl<const BURST: usize> Nic for MemoryNic<BURST> {
    type Frame = Frame;

    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        if BURST > 1 {
            let count = self.loaded.len().min(BURST);
            burst.extend((0..count).filter_map(|_| self.receive()));
            return count;
        }
        let Some(frame) = self.receive() else { return 0 };
        burst.push(frame);
        1
    }

    #[inline]
    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        frame.rx_meta()
    }

    #[inline]
    fn tx_frame(&mut self) -> Option<Frame> {
        self.pool.take()
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let count = burst.len();
        let last = burst.pop();
        // One at a time is what nearly every burst is here.
        if !burst.is_empty() {
            burst.drain(..).for_each(|frame| self.send(frame));
        }
        if let Some(frame) = last {
            self.send(frame);
        }
        count
    }

    fn link(&mut self) -> Link {
        Link::Up
    }

    fn mac(&self) -> [u8; 6] {
        HOST_MAC.0
    }

    fn counters(&self) -> NicCounters {
        NicCounters::default()
    }
}
