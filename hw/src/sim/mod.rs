//! Two modelled NICs on a wire in memory, in virtual time: for tests, and for a run on a machine
//! that forbids a TAP.
//!
//! [`pair`] makes the two and the [`Wire`] between them. A frame that one sends is received by the
//! other once the wire's clock has reached its arrival. What happens follows from the
//! configuration, the seed and the calls, and from nothing else. Whatever is measured here is never
//! shown as a NIC's.
//!
//! A model does what its plan tells it to, no more: it finishes or verifies a checksum, or steers, by
//! the software twin, only when configured to. It takes the steps of its life in the order in which
//! its driver takes them, and refuses the others as the driver does. What a modelled ConnectX says of a
//! frame goes through the bytes of a completion entry ([`mlx5`](crate::mlx5)).

mod clock;
mod completion;
mod departures;
#[cfg(feature = "rtl")]
mod design;
mod faults;
mod live_clock;
mod model;
pub mod models;
mod nic;
mod port;
mod receive;
#[cfg(test)]
mod tests;
mod wire;

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Backend;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::plan::Capabilities;
use fixwire_offload::time::UtcTime;

pub use clock::ModelClock;
#[cfg(feature = "rtl")]
pub use design::{Design, Width};
pub use faults::{Aim, Faults, NicFaults};
pub use live_clock::LiveClock;
pub use model::{Model, Parser, VerdictStyle};
pub use nic::{CLOCK, SimNic};
pub use port::SimError;
pub use wire::{Direction, End, Heard, Line, Wire, WireCounters};

use crate::pool::{LINK_LEN_MAX, MTU_MAX, Pool};
use faults::{Dice, NicDice};
use port::Port;
use wire::{Shared, Way};

/// Frame buffers of each NIC, for both directions together, unless asked otherwise.
pub const FRAMES: usize = 1_024;
/// Frames that can wait for a poll of each NIC, unless asked otherwise.
pub const RX_DESCRIPTORS: usize = 512;

/// A pair of NICs and the wire between them.
#[derive(Clone, Debug)]
pub struct Config {
    /// The first NIC.
    pub a: Model,
    /// The second.
    pub b: Model,
    /// How the wire carries frames, either way.
    pub line: Line,
    /// Frame buffers of each NIC, for both directions together. Frames under way lie in the
    /// receiver's; one that finds none free is lost (`rx_no_buffer`).
    pub frames: usize,
    /// Descriptors of each NIC's receive queue: frames that can wait for a poll. One that finds none free
    /// is lost (`rx_ring_full`).
    pub rx_descriptors: usize,
    /// What UTC is when the wire's clock is at its origin.
    pub utc_origin: UtcTime,
}

impl Default for Config {
    /// Two full models, a wire of one microsecond, on 2026-01-01.
    fn default() -> Self {
        Config {
            a: Model::full(),
            b: Model::full(),
            line: Line { latency_ns: 1_000, bandwidth_bits_per_s: None },
            frames: FRAMES,
            rx_descriptors: RX_DESCRIPTORS,
            utc_origin: UtcTime::from_unix_ns(1_767_225_600_000_000_000),
        }
    }
}

/// Two NICs and their wire. What happens by chance follows from `seed`. The wire's faults are
/// off until [`Wire::set_faults`]. An MTU over [`MTU_MAX`] is held at it.
pub fn pair(config: Config, seed: u64) -> (SimBackend, SimBackend, Wire) {
    let Config { mut a, mut b, line, frames, rx_descriptors, utc_origin } = config;
    for model in [&mut a, &mut b] {
        model.mtu = model.mtu.min(MTU_MAX);
    }
    let room = a.mtu.max(b.mtu) + LINK_LEN_MAX;
    let way = |from: u64| Way::new(line, Dice::new(seed, from), Pool::new(frames / 2, room));
    let directions = [way(0), way(1)];
    let port = |end, model| Port::new(model, rx_descriptors, utc_origin, NicDice::new(seed, end));
    let ports = [port(0, a), port(1, b)];
    let shared = Rc::new(RefCell::new(Shared::new(utc_origin, ports, directions)));
    let end = |end| SimBackend { shared: Rc::clone(&shared), end, frames };
    (end(0), end(1), Wire { shared: Rc::clone(&shared) })
}

/// A modelled NIC that does not run yet.
pub struct SimBackend {
    shared: Rc<RefCell<Shared>>,
    end: usize,
    frames: usize,
}

impl SimBackend {
    /// Its hardware address.
    pub fn mac(&self) -> [u8; 6] {
        mac_of(self.end)
    }

    fn port(&self) -> RefMut<'_, Port> {
        RefMut::map(self.shared.borrow_mut(), |shared| &mut shared.ports[self.end])
    }
}

/// The hardware address of an end: locally administered.
fn mac_of(end: usize) -> [u8; 6] {
    [0x02, b'f', b'x', 0, 0, if end == 0 { 0x0a } else { 0x0b }]
}

impl Backend for SimBackend {
    type Nic = SimNic;
    type Error = SimError;

    fn name(&self) -> String {
        let port = self.port();
        match &*port.model.name {
            "sim" => "sim".into(),
            name if port.model.is_design() => name.into(),
            name => format!("sim:{name}"),
        }
    }

    fn capabilities(&self) -> Capabilities {
        self.port().model.capabilities.clone()
    }

    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, SimError> {
        self.port().set_up(plan)
    }

    fn start(&mut self) -> Result<(), SimError> {
        self.shared.borrow_mut().start(self.end)
    }

    fn says(&self, _plan: &Plan) -> Vec<(Capability, Result<String, String>)> {
        self.port().model.says.clone()
    }

    fn stop(&mut self) -> Result<(), SimError> {
        self.shared.borrow_mut().stop(self.end);
        Ok(())
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.port().install(rules)
    }

    fn run(self) -> SimNic {
        let tx = Pool::new(self.frames / 2, self.port().model.mtu + LINK_LEN_MAX);
        SimNic::new(self.shared, self.end, tx)
    }
}

impl fmt::Debug for SimBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimBackend({} at end {})", self.port().model.name, self.end)
    }
}
