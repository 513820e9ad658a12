//! One end of the wire, running.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use fixwire_offload::clock::Bracket;
use fixwire_offload::flow::{Count, RuleSet};
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, RxMeta, TxChecksum, TxReports};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::{ClockId, ClockInfo};

use super::live_clock::LiveClock;
use super::port::Port;
use super::wire::Shared;
use crate::checksums::{self, TCP_CHECKSUM_OFFSET, Unfinished};
use crate::pool::{FRAMES_MIN, Frame, LINK_LEN_MAX, Pool};

/// An Ethernet header, in bytes: nothing shorter is a frame.
const ETHERNET_LEN: usize = 14;
/// The shortest frame on a wire, without its check sequence, in bytes (IEEE 802.3, 3.2.7).
const FRAME_LEN_MIN: usize = 60;

/// The clock of every modelled NIC.
pub const CLOCK: ClockId = ClockId(1);

/// A modelled NIC that runs. Dropped, it takes its end of the link down.
pub struct SimNic {
    shared: Rc<RefCell<Shared>>,
    /// Which end of the wire.
    end: usize,
    tx: Pool,
    /// What a frame is finished in that somebody holds, and that is therefore not to be written to.
    copies: Pool,
}

impl SimNic {
    pub(super) fn new(shared: Rc<RefCell<Shared>>, end: usize, tx: Pool) -> SimNic {
        let copies = Pool::new(FRAMES_MIN, tx.room());
        SimNic { shared, end, tx, copies }
    }

    /// Reads the clock that it stamps by between two readings of the wire's, which moves on meanwhile;
    /// `None` where it stamps nothing.
    pub fn read_clock(&mut self) -> Option<Bracket> {
        self.shared.borrow_mut().read_clock(self.end)
    }

    /// The clock that it stamps by, to be read on any thread where the wire's time is the host's; `None` where
    /// it stamps nothing.
    pub fn live_clock(&self) -> Option<LiveClock> {
        self.shared.borrow().ports[self.end].live_clock()
    }

    /// Sends one frame or refuses it.
    fn send(&self, shared: &mut Shared, frame: &mut Frame) {
        let port = &mut shared.ports[self.end];
        let mut copy = if frame.space().is_empty() { self.copies.take() } else { None };
        if let Some(copy) = &mut copy {
            copy.space()[..frame.len()].copy_from_slice(frame.bytes());
            copy.finish(frame.len(), frame.tx_meta());
        }
        let frame = copy.as_mut().unwrap_or(frame);
        let Ok(unfinished) = port.complete(frame) else {
            port.counters.tx_errors += 1;
            return;
        };
        port.counters.tx_frames += 1;
        port.counters.tx_bytes += frame.len() as u64;
        let left = shared.carry(self.end, frame.bytes(), unfinished);
        shared.ports[self.end].departed(frame.tx_meta().stamp_token, left);
    }
}

impl Nic for SimNic {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let mut shared = self.shared.borrow_mut();
        let before = burst.len();
        shared.land(self.end);
        while !burst.is_full() {
            let Some(frame) = shared.ports[self.end].next() else { break };
            burst.push(frame);
        }
        burst.len() - before
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        frame.rx_meta()
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        let frame = self.tx.take();
        if frame.is_none() {
            self.shared.borrow_mut().ports[self.end].counters.tx_no_buffer += 1;
        }
        frame
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        let mut shared = self.shared.borrow_mut();
        let port = &mut shared.ports[self.end];
        let taken = burst.len().min(port.model.tx_burst_max);
        if taken < burst.len() {
            port.counters.tx_busy += 1;
        }
        for mut frame in burst.drain(..taken) {
            self.send(&mut shared, &mut frame);
        }
        taken
    }

    fn tx_reports(&mut self, reports: &mut TxReports) -> usize {
        let mut shared = self.shared.borrow_mut();
        let now = shared.now;
        shared.ports[self.end].departures.told(now, reports)
    }

    fn link(&mut self) -> Link {
        if self.shared.borrow().is_up() { Link::Up } else { Link::Down }
    }

    fn clock(&self) -> Option<ClockInfo> {
        let port = &self.shared.borrow().ports[self.end];
        port.uses.stamps().then(|| port.clock().info())
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        let mut shared = self.shared.borrow_mut();
        shared.land(self.end);
        shared.ports[self.end].install(rules)
    }

    fn flow_count(&self, rule: usize) -> Option<Count> {
        let mut shared = self.shared.borrow_mut();
        shared.land(self.end);
        shared.ports[self.end].flow_count(rule)
    }

    fn take_flow_count_refusal(&self) -> Option<String> {
        self.shared.borrow().ports[self.end].flow_count_refusal()
    }

    fn mac(&self) -> [u8; 6] {
        super::mac_of(self.end)
    }

    fn mtu(&self) -> usize {
        self.shared.borrow().ports[self.end].model.mtu
    }

    fn counters(&self) -> NicCounters {
        // A device counts, polled or not.
        let mut shared = self.shared.borrow_mut();
        shared.land(self.end);
        shared.ports[self.end].counters
    }
}

impl Drop for SimNic {
    fn drop(&mut self) {
        self.shared.borrow_mut().stop(self.end);
    }
}

impl fmt::Debug for SimNic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = &self.shared.borrow().ports[self.end];
        write!(f, "SimNic({} at end {}, {:?})", port.model.name, self.end, port.uses)
    }
}

impl Port {
    /// What the NIC does to a frame before the wire: padding, and the sums that it was told to do.
    pub(super) fn complete(
        &self,
        frame: &mut Frame,
    ) -> Result<Option<Unfinished>, checksums::OutsideFrame> {
        let (meta, len) = (frame.tx_meta(), frame.len());
        if len < ETHERNET_LEN || len > self.model.mtu + LINK_LEN_MAX {
            return Err(checksums::OutsideFrame);
        }
        let padded_len = len.max(FRAME_LEN_MIN);
        frame.space()[len..padded_len].fill(0);
        frame.finish(padded_len, meta);
        #[cfg(feature = "rtl")]
        if let Some(Ok(blocks)) = &self.blocks {
            // What it drops has lengths that are wrong, for all that it is no longer than the MTU.
            let sent = blocks.transmit(frame.bytes(), meta).ok_or(checksums::OutsideFrame)?;
            frame.space()[..sent.len()].copy_from_slice(&sent);
            frame.finish(sent.len(), meta);
            return Ok(None);
        }
        if self.faults.leaves_sums {
            return Ok(None);
        }
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
}
