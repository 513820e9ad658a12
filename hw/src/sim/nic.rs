//! One end of the wire, running.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxChecksum};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::model::Model;
use super::wire::{InFlight, Shared};
use crate::checksums::{self, TCP_CHECKSUM_OFFSET, Unfinished};
use crate::pool::{Frame, LINK_LEN_MAX, Pool};

/// An Ethernet header, in bytes: nothing shorter is a frame.
const ETHERNET_LEN: usize = 14;
/// The shortest frame on a wire, without its check sequence, in bytes (IEEE 802.3, 3.2.7).
const FRAME_LEN_MIN: usize = 60;

/// The clock of every simulated wire.
pub const CLOCK: ClockId = ClockId(1);

/// What the plan told the NIC to do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    rx_ipv4: bool,
    rx_tcp: bool,
    tx_ipv4: bool,
    tx_tcp: bool,
    stamp: bool,
}

impl Uses {
    /// What `plan` asks for and `model` does not refuse.
    pub(super) fn new(plan: &Plan, model: &Model) -> Uses {
        let refuses = |wanted| model.refuses.iter().any(|(refused, _)| *refused == wanted);
        let uses = |capability| plan.uses(capability) && !refuses(capability);
        Uses {
            rx_ipv4: uses(Capability::RxIpv4Checksum),
            rx_tcp: uses(Capability::RxTcpChecksum),
            tx_ipv4: uses(Capability::TxIpv4Checksum),
            tx_tcp: uses(Capability::TxTcpChecksum),
            stamp: uses(Capability::RxTimestamp),
        }
    }
}

/// A modelled NIC that runs. Dropped, it takes its end of the link down.
pub struct SimNic {
    shared: Rc<RefCell<Shared>>,
    /// Which end of the wire.
    end: usize,
    model: Model,
    uses: Uses,
    tx: Pool,
}

impl SimNic {
    pub(super) fn new(
        shared: Rc<RefCell<Shared>>,
        end: usize,
        model: Model,
        uses: Uses,
        tx: Pool,
    ) -> SimNic {
        SimNic { shared, end, model, uses, tx }
    }

    /// Sends one frame or refuses it.
    fn send(&self, shared: &mut Shared, frame: &mut Frame) {
        let sent = self.complete(frame);
        let counters = &mut shared.counters[self.end];
        let Ok(unfinished) = sent else {
            counters.tx_errors += 1;
            return;
        };
        counters.tx_frames += 1;
        counters.tx_bytes += frame.len() as u64;
        shared.carry(self.end, frame.bytes(), unfinished);
    }

    /// What the NIC does to a frame before the wire: padding, and the sums that it was told to do.
    fn complete(&self, frame: &mut Frame) -> Result<Option<Unfinished>, checksums::OutsideFrame> {
        let (meta, len) = (*frame.tx_meta(), frame.len());
        if len < ETHERNET_LEN || len > self.model.mtu + LINK_LEN_MAX {
            return Err(checksums::OutsideFrame);
        }
        let padded_len = len.max(FRAME_LEN_MIN);
        frame.space()[len..padded_len].fill(0);
        frame.finish(padded_len, meta);
        let bytes = &mut frame.space()[..padded_len];
        let (l2_len, l3_len) = (usize::from(meta.l2_len), usize::from(meta.l3_len));
        if self.uses.tx_ipv4 && meta.ipv4 == TxChecksum::Partial {
            checksums::finish_ipv4(bytes, l2_len, l3_len)?;
        }
        // Not told to, a NIC sends the field as it is, and the frame arrives wrong.
        if !self.uses.tx_tcp || meta.tcp == TxChecksum::Full {
            return Ok(None);
        }
        let csum_start = u16::from(meta.l2_len) + u16::from(meta.l3_len);
        let what = Unfinished { csum_start, csum_offset: TCP_CHECKSUM_OFFSET };
        if self.model.hands_over_unfinished && l2_len + l3_len + 18 <= padded_len {
            return Ok(Some(what));
        }
        checksums::finish(bytes, what).map(|()| None)
    }

    /// What the NIC says of a frame that arrived.
    fn judge(&self, arrived: &mut InFlight, nth: u64) -> RxMeta {
        let listens_to_none = self.uses.rx_tcp && self.model.capabilities.gives_none;
        let len = arrived.frame.len();
        if let Some(what) = arrived.unfinished.filter(|_| !listens_to_none) {
            // Its place in the frame was checked when it was sent.
            let _ = checksums::finish(&mut arrived.frame.space()[..len], what);
            arrived.unfinished = None;
        }
        let bytes = arrived.frame.bytes();
        let says = |told: bool, right: fn(&[u8]) -> Option<bool>| {
            if !told {
                return Verdict::Unknown;
            }
            self.model.verdicts.says(right(bytes), nth)
        };
        let mut meta = RxMeta {
            l3: says(self.uses.rx_ipv4, checksums::ipv4_is_right),
            stamp: self.uses.stamp.then(|| RxStamp {
                clock: CLOCK,
                generation: 0,
                domain: Domain::VirtualNs,
                ticks: arrived.at.as_ns(),
            }),
            ..RxMeta::UNKNOWN
        };
        match arrived.unfinished {
            Some(Unfinished { csum_start, csum_offset }) => {
                meta = RxMeta { l4: Verdict::None, csum_start, csum_offset, ..meta };
            }
            None => meta.l4 = says(self.uses.rx_tcp, checksums::tcp_is_right),
        }
        meta
    }
}

impl Nic for SimNic {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let mut shared = self.shared.borrow_mut();
        let before = burst.len();
        while !burst.is_full() {
            let Some(mut arrived) = shared.arrived(self.end) else { break };
            let counters = &mut shared.counters[self.end];
            if arrived.frame.len() > self.model.mtu + LINK_LEN_MAX {
                counters.rx_errors += 1;
                continue;
            }
            let meta = self.judge(&mut arrived, counters.rx_frames);
            let mut frame = arrived.frame;
            let len = frame.len();
            frame.received(len, meta);
            counters.rx_frames += 1;
            counters.rx_bytes += len as u64;
            burst.push(frame);
        }
        burst.len() - before
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        let frame = self.tx.take();
        if frame.is_none() {
            self.shared.borrow_mut().counters[self.end].tx_no_buffer += 1;
        }
        frame
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let mut shared = self.shared.borrow_mut();
        let taken = burst.len().min(self.model.tx_burst_max);
        if taken < burst.len() {
            shared.counters[self.end].tx_busy += 1;
        }
        for mut frame in burst.drain(..taken) {
            self.send(&mut shared, &mut frame);
        }
        taken
    }

    fn link(&mut self) -> Link {
        if self.shared.borrow().is_up() { Link::Up } else { Link::Down }
    }

    fn clock(&self) -> Option<ClockInfo> {
        let info = ClockInfo {
            id: CLOCK,
            domain: Domain::VirtualNs,
            ticks_per_s: 1_000_000_000,
            bits: u64::BITS,
        };
        self.uses.stamp.then_some(info)
    }

    fn mac(&self) -> [u8; 6] {
        super::mac_of(self.end)
    }

    fn mtu(&self) -> usize {
        self.model.mtu
    }

    fn counters(&self) -> NicCounters {
        self.shared.borrow().counters[self.end]
    }
}

impl Drop for SimNic {
    fn drop(&mut self) {
        self.shared.borrow_mut().started[self.end] = false;
    }
}

impl fmt::Debug for SimNic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimNic({} at end {}, {:?})", self.model.name, self.end, self.uses)
    }
}
