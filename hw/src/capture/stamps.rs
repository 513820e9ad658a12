//! Which stamps can be shown as UTC, and how each direction's are described.

use fixwire_offload::nic::Nic;
use fixwire_offload::profile::ClockSettings;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain};
use fixwire_offload::time::{Instant, UtcTime};

use crate::clock::HostClock;
use crate::clock_service::{ClockService, ClockServiceError};
use crate::host_counter::HostCounter;
use crate::tsc::Tsc;

/// What the polling core needs to know of a device's stamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    pub(super) host: HostClock,
    /// UTC when the simulated wire's clock was at its origin, where that is known.
    pub(super) wire_origin: Option<UtcTime>,
    /// The processor's counter, where the device stamps by it.
    pub(super) tsc: Option<Tsc>,
}

/// What disciplines the clocks that stamps are shown by, where that is asked for.
pub(super) type Service = Option<Result<ClockService, ClockServiceError>>;

impl Stamps {
    /// Of a device that stamps by `clock`.
    pub(super) fn new(
        host: HostClock,
        wire_origin: Option<UtcTime>,
        clock: Option<ClockInfo>,
    ) -> Stamps {
        let by_tsc =
            clock.is_some_and(|clock| (clock.id, clock.domain) == (ClockId::HOST, Domain::Tsc));
        Stamps { host, wire_origin, tsc: by_tsc.then(Tsc::new).flatten() }
    }

    /// The service that stamps by the processor's counter are shown by.
    pub(super) fn start_service(&self) -> Service {
        let counter = HostCounter::Tsc(self.tsc?);
        Some(ClockService::start(counter, None, &ClockSettings::default()))
    }

    #[inline]
    pub(super) fn host_now(&self) -> Instant {
        self.host.mono()
    }

    /// Whether a stamp of `domain` can be shown as UTC. A NIC's own clock cannot: nothing here knows
    /// what it was set to, nor how far it has run away since.
    #[inline]
    pub(super) fn give_utc(&self, domain: Option<Domain>) -> bool {
        match domain {
            Some(Domain::HostNs) => true,
            Some(Domain::VirtualNs) => self.wire_origin.is_some(),
            Some(Domain::Tsc) => self.tsc.is_some(),
            Some(Domain::NicTicks | Domain::NicNs) | None => false,
        }
    }

    /// Which clock the frames that `nic` receives are shown by.
    pub(super) fn of_received(&self, nic: &impl Nic) -> Domain {
        let domain = nic.clock().map(|clock| clock.domain);
        domain.filter(|_| self.give_utc(domain)).unwrap_or(Domain::HostNs)
    }

    /// Direction and source of the stamps of the frames that `nic` receives, in words.
    pub(super) fn describe_received(&self, nic: &impl Nic, service: &Service) -> String {
        let source = match (nic.clock().map(|clock| clock.domain), self.tsc) {
            (Some(Domain::HostNs), _) => {
                "host monotonic clock, read by the device after a burst".to_owned()
            }
            (Some(Domain::VirtualNs), _) if self.wire_origin.is_some() => {
                "simulated wire clock, no device's".to_owned()
            }
            (Some(Domain::Tsc), Some(tsc)) => {
                let source = format!("host TSC ({}), read by the device after a burst", tsc.rate());
                return format!("received; stamps: {source}; {}", shown_by(service));
            }
            (Some(other), _) => format!(
                "host monotonic clock, read after rx_burst; the device's stamp ({}) is in each comment",
                other.in_words()
            ),
            (None, _) => {
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

fn shown_by(service: &Service) -> String {
    let by_mono = "by the host monotonic clock";
    match service {
        Some(Ok(_)) => format!(
            "ns, shown as UTC by readings of the system's time against it, and where these say nothing \
             {by_mono}"
        ),
        Some(Err(error)) => format!("ns, shown as UTC {by_mono} alone: {error}"),
        None => format!("ns, shown as UTC {by_mono} alone"),
    }
}
