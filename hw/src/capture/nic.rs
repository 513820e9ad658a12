//! A device whose frames are copied as they cross it.

use std::fmt;

use fixwire_offload::flow::{Count, RuleSet};
use fixwire_offload::nic::{Burst, Frame, Link, Nic, RxMeta, TxReports};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::stamp::ClockInfo;

use super::record::{Record, Way};
use super::ring::Recorder;
use super::stamps::Stamps;

/// A device that passes everything through and copies each frame on the way: a received one as
/// `rx_burst` returns it, one to send before `tx_burst` hands it over, and that only once it is taken.
///
/// A frame that the device takes and then refuses to send (`tx_errors`) is in the copies too: which
/// one of a burst it was, no device says.
pub struct Captured<N: Nic> {
    nic: N,
    recorder: Recorder,
    stamps: Stamps,
}

impl<N: Nic> Captured<N> {
    pub(super) fn new(nic: N, recorder: Recorder, stamps: Stamps) -> Captured<N> {
        Captured { nic, recorder, stamps }
    }

    /// The device itself.
    pub fn inner(&self) -> &N {
        &self.nic
    }

    #[inline]
    fn record_received(&mut self, frames: &[N::Frame]) {
        let (stamps, nic) = (self.stamps, &self.nic);
        // Read only where the device's stamps alone do not do, once for the burst.
        let do_not = |meta: &RxMeta| !stamps.is_enough(meta.stamp.map(|stamp| stamp.domain));
        let any = frames.iter().any(|frame| do_not(&nic.rx_meta(frame)));
        let host = any.then(|| stamps.host_now());
        let describe = |frame: &N::Frame| Record::received(&nic.rx_meta(frame), host);
        self.recorder.stage(Way::Received, frames, describe).commit(frames.len());
    }
}

impl<N: Nic> Nic for Captured<N> {
    type Frame = N::Frame;

    #[inline]
    fn rx_burst(&mut self, burst: &mut Burst<N::Frame>) -> usize {
        let before = burst.len();
        let received = self.nic.rx_burst(burst);
        if received > 0 {
            self.record_received(&burst[before..]);
        }
        received
    }

    #[inline]
    fn rx_meta(&self, frame: &N::Frame) -> RxMeta {
        self.nic.rx_meta(frame)
    }

    #[inline]
    fn tx_frame(&mut self) -> Option<N::Frame> {
        self.nic.tx_frame()
    }

    #[inline]
    fn tx_burst(&mut self, burst: &mut Burst<N::Frame>) -> usize {
        if burst.is_empty() {
            return self.nic.tx_burst(burst);
        }
        let handed_over = self.stamps.host_now();
        let describe = |frame: &N::Frame| Record::sent(&frame.tx_meta(), handed_over);
        let staged = self.recorder.stage(Way::Sent, burst, describe);
        let taken = self.nic.tx_burst(burst);
        staged.commit(taken);
        taken
    }

    fn tx_reports(&mut self, reports: &mut TxReports) -> usize {
        self.nic.tx_reports(reports)
    }

    fn driver_counters(&self) -> Vec<(String, u64)> {
        self.nic.driver_counters()
    }

    #[inline]
    fn reclaim(&mut self) {
        self.nic.reclaim();
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.nic.clock()
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.nic.steer(rules)
    }

    fn flow_count(&self, rule: usize) -> Option<Count> {
        self.nic.flow_count(rule)
    }

    fn take_flow_count_refusal(&self) -> Option<String> {
        self.nic.take_flow_count_refusal()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn mtu(&self) -> usize {
        self.nic.mtu()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }

    fn rx_frames(&self) -> u64 {
        self.nic.rx_frames()
    }

    fn close(self) -> Option<u32> {
        self.nic.close()
    }
}

impl<N: Nic + fmt::Debug> fmt::Debug for Captured<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Captured({:?})", self.nic)
    }
}
