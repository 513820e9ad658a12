//! Which stamps can be shown as UTC, and how each direction's are described.

use fixwire_offload::nic::Nic;
use fixwire_offload::stamp::Domain;
use fixwire_offload::time::{Instant, UtcTime};

use super::record::Record;
use crate::clock::HostClock;

/// How stamps become UTC.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    host: HostClock,
    /// UTC when the simulated wire's clock was at its origin, where that is known.
    wire_origin: Option<UtcTime>,
}

/// When a frame crossed the device, and by which clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) utc: UtcTime,
    pub(super) by: Domain,
}

impl Stamps {
    pub(super) fn new(host: HostClock, wire_origin: Option<UtcTime>) -> Stamps {
        Stamps { host, wire_origin }
    }

    #[inline]
    pub(super) fn host_now(&self) -> Instant {
        self.host.mono()
    }

    pub(super) fn utc_now(&self) -> UtcTime {
        self.host.utc(self.host.mono())
    }

    /// Whether a stamp of `domain` can be shown as UTC. A NIC's own clock cannot: nothing here knows
    /// what it was set to, nor how far it has run away since.
    #[inline]
    pub(super) fn give_utc(&self, domain: Option<Domain>) -> bool {
        match domain {
            Some(Domain::HostNs) => true,
            Some(Domain::VirtualNs) => self.wire_origin.is_some(),
            Some(Domain::NicTicks | Domain::NicNs | Domain::Tsc) | None => false,
        }
    }

    /// By the device's stamp where that can be shown as UTC, by the host's clock where it cannot.
    pub(super) fn at(&self, record: &Record) -> At {
        match (record.stamp, self.wire_origin) {
            (Some((by @ Domain::HostNs, ticks)), _) => {
                At { utc: self.host.utc(Instant::from_ns(ticks)), by }
            }
            (Some((by @ Domain::VirtualNs, ticks)), Some(origin)) => {
                At { utc: UtcTime::from_unix_ns(origin.as_unix_ns().saturating_add(ticks)), by }
            }
            _ => At { utc: self.host.utc(record.host.unwrap_or_default()), by: Domain::HostNs },
        }
    }

    /// Which clock the frames that `nic` receives are shown by.
    pub(super) fn of_received(&self, nic: &impl Nic) -> Domain {
        let domain = nic.clock().map(|clock| clock.domain);
        domain.filter(|_| self.give_utc(domain)).unwrap_or(Domain::HostNs)
    }

    /// Direction and source of the stamps of the frames that `nic` receives, in words.
    pub(super) fn describe_received(&self, nic: &impl Nic) -> String {
        let source = match nic.clock().map(|clock| clock.domain) {
            Some(Domain::HostNs) => {
                "host monotonic clock, read by the device after a burst".to_owned()
            }
            Some(Domain::VirtualNs) if self.wire_origin.is_some() => {
                "simulated wire clock, no device's".to_owned()
            }
            Some(other) => format!(
                "host monotonic clock, read after rx_burst; the device's stamp ({}) is in each comment",
                other.in_words()
            ),
            None => {
                "host monotonic clock, read after rx_burst: the device stamps nothing".to_owned()
            }
        };
        format!("received; stamps: {source}; {SHOWN}")
    }

    /// The same of the frames that it sends.
    pub(super) fn describe_sent() -> String {
        format!("sent; stamps: host monotonic clock, read before tx_burst; {SHOWN}")
    }
}

const SHOWN: &str = "ns, shown as UTC by their distance at the start";
