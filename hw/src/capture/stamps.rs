//! Which stamps can be shown as UTC, and how each direction's are described.

use fixwire_offload::nic::Nic;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain};
use fixwire_offload::time::UtcTime;

use super::Options;
use crate::clock::HostClock;
use crate::host_counter::HostCounter;
use crate::tsc::Tsc;

/// What the polling core needs to know of a device's stamps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamps {
    pub(super) host: HostClock,
    /// UTC when the simulated wire's clock was at its origin, where that is known.
    pub(super) wire_origin: Option<UtcTime>,
    /// What the host's own stamps count, and the moments at which others were in hand.
    pub(super) counter: HostCounter,
    /// The device's clock, where a clock service follows it.
    pub(super) device: Option<ClockInfo>,
    /// There is a clock service.
    pub(super) is_disciplined: bool,
}

impl Stamps {
    /// Of a device that stamps by `clock`.
    pub(super) fn new(options: &Options<'_>, clock: Option<ClockInfo>) -> Stamps {
        let Options { clock: host, wire_origin, clocks, .. } = *options;
        let by_tsc =
            clock.is_some_and(|clock| (clock.id, clock.domain) == (ClockId::HOST, Domain::Tsc));
        let found = || by_tsc.then(Tsc::new).flatten().map(HostCounter::Tsc);
        Stamps {
            host,
            wire_origin,
            counter: match clocks {
                Some(service) => service.counter(),
                None => found().unwrap_or(HostCounter::Mono(host)),
            },
            device: clocks.and_then(|service| service.device()).filter(|of| Some(*of) == clock),
            is_disciplined: clocks.is_some(),
        }
    }

    /// The host's counter now, in its ticks.
    #[inline]
    pub(super) fn host_now(&self) -> u64 {
        self.counter.now()
    }

    /// Whether a frame with a stamp of `domain` is told by that alone. A NIC's own clock is not: when its stamp
    /// was in hand says which life of it the stamp is of, and where nothing follows it, nobody knows what it
    /// was set to, nor how far it has run away since.
    #[inline]
    pub(super) fn is_enough(&self, domain: Option<Domain>) -> bool {
        match domain {
            Some(Domain::HostNs) => true,
            Some(Domain::Tsc) => matches!(self.counter, HostCounter::Tsc(_)),
            Some(Domain::VirtualNs) => self.wire_origin.is_some(),
            Some(Domain::NicTicks | Domain::NicNs | Domain::Captured) | None => false,
        }
    }

    /// The domain of a device's clock that a clock service follows, where stamps by it are shown by that.
    pub(super) fn followed(&self) -> Option<ClockInfo> {
        self.device.filter(|clock| !self.is_enough(Some(clock.domain)))
    }

    /// Which clock the frames that `nic` receives are shown by.
    pub(super) fn of_received(&self, nic: &impl Nic) -> Domain {
        let domain = nic.clock().map(|clock| clock.domain);
        let followed = self.followed().map(|clock| clock.domain);
        domain.filter(|_| self.is_enough(domain) || followed == domain).unwrap_or(self.of_host())
    }

    /// Which clock the frames are shown by that the host stamps.
    pub(super) fn of_host(&self) -> Domain {
        self.counter.info().domain
    }

    /// Direction and source of the stamps of the frames that `nic` receives, in words.
    pub(super) fn describe_received(&self, nic: &impl Nic) -> String {
        let (host, shown) = (self.host_in_words(), self.shown());
        if let Some(ClockInfo { domain, ticks_per_s, .. }) = self.followed() {
            let clock = match self.wire_origin {
                Some(_) => "a NIC model's clock, no NIC's",
                None => "the NIC's clock",
            };
            return format!(
                "received; stamps: {clock} ({}; {ticks_per_s} a second declared); shown as UTC by readings \
                 of it against the {host} and of the system's time against that, each time with a bound on \
                 its error, the greatest of which is in this interface's statistics; where they say \
                 nothing, by the {host}, read after rx_burst",
                domain.in_words(),
            );
        }
        match nic.clock().map(|clock| clock.domain) {
            Some(Domain::VirtualNs) if self.wire_origin.is_some() => {
                format!("received; stamps: simulated wire clock, no device's; {AT_THE_START}")
            }
            Some(domain) if domain == self.of_host() => {
                format!("received; stamps: {host}, read by the device after a burst; {shown}")
            }
            Some(other) => format!(
                "received; stamps: {host}, read after rx_burst; the device's stamp ({}) is in each \
                 comment; {shown}",
                other.in_words()
            ),
            None => format!(
                "received; stamps: {host}, read after rx_burst: the device stamps nothing; {shown}"
            ),
        }
    }

    /// The same of the frames that it sends.
    pub(super) fn describe_sent(&self) -> String {
        format!("sent; stamps: {}, read before tx_burst; {}", self.host_in_words(), self.shown())
    }

    fn host_in_words(&self) -> String {
        match self.counter {
            HostCounter::Tsc(tsc) => format!("host TSC ({})", tsc.rate()),
            HostCounter::Mono(_) => "host monotonic clock".to_owned(),
        }
    }

    /// How the host's counter becomes UTC, in words.
    fn shown(&self) -> &'static str {
        match self.counter {
            _ if self.is_disciplined => {
                "ns, shown as UTC by readings of the system's time against it, each time with a bound on \
                 its error, the greatest of which is in this interface's statistics; where they say \
                 nothing, by the host monotonic clock's distance from UTC at the start"
            }
            HostCounter::Tsc(_) => "ns, shown as UTC by the host monotonic clock alone",
            HostCounter::Mono(_) => AT_THE_START,
        }
    }
}

const AT_THE_START: &str = "ns, shown as UTC by their distance at the start";
