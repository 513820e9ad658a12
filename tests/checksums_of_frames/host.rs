//! The engine, handed one frame at a time with what a device says of it, and asked what it made of it.

use fixwire::app::taker::Taker;
use fixwire::engine::{Engine, Setup};
use fixwire::neighbor::Network;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::plan::Plan;
use fixwire::offload::stamp::ClockInfo;
use fixwire::tcp::Config;
use fixwire::wire::Refusal;
use fixwire_hw::pool::{FRAME_ROOM_MAX, FRAMES_MIN, Frame, Pool};
use fixwire_hw::sim::Wire;

use super::{HOST, HOST_MAC};

/// A device that receives what it is handed. What it is to send goes nowhere.
struct HandedTo {
    pool: Pool,
    next: Option<Frame>,
    clock: Option<ClockInfo>,
}

impl Nic for HandedTo {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        burst.extend(self.next.take());
        burst.len()
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        frame.rx_meta()
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.pool.take()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        burst.drain(..).count()
    }

    fn link(&mut self) -> Link {
        Link::Up
    }

    fn clock(&self) -> Option<ClockInfo> {
        self.clock
    }

    fn mac(&self) -> [u8; 6] {
        HOST_MAC.0
    }

    fn counters(&self) -> NicCounters {
        NicCounters::default()
    }
}

/// An engine without a session: it answers nothing, and what it takes gets as far as TCP.
pub struct Host {
    engine: Engine<HandedTo, Taker>,
    counters: Vec<(&'static str, u64)>,
}

/// What an engine made of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Refused(Refusal),
    /// TCP got the segment.
    Taken,
    /// Neither.
    Elsewhere,
}

impl Host {
    /// A host in `vlan` that runs by `plan`.
    pub fn new(plan: Plan, vlan: Option<u16>, clock: Option<ClockInfo>) -> Host {
        let nic = HandedTo { pool: Pool::new(FRAMES_MIN, FRAME_ROOM_MAX), next: None, clock };
        let network =
            Network { mac: HOST_MAC, addr: HOST, prefix_len: 24, gateway: None, vlan, mtu: 1500 };
        let setup =
            Setup { network, tcp: Config::default(), secret: [9; 16], sessions: Vec::new() };
        let engine = Engine::new(nic, plan, setup, Taker::new(0, 0)).expect("no session to serve");
        Host { counters: engine.counters().collect(), engine }
    }

    /// Lets it receive `frame`, and says what became of it.
    pub fn decides(&mut self, wire: &Wire, frame: Frame) -> Decision {
        self.engine.nic_mut().next = Some(frame);
        assert_eq!(self.engine.poll(wire), 1);
        let mut decision = Decision::Elsewhere;
        for ((name, before), (_, now)) in self.counters.iter_mut().zip(self.engine.counters()) {
            if *before == now {
                continue;
            }
            *before = now;
            let refusal = Refusal::ALL.into_iter().find(|reason| reason.name() == *name);
            decision = match refusal {
                // The last to be looked at, behind the checksum.
                Some(Refusal::TcpOptionMalformed) => Decision::Taken,
                Some(reason) => Decision::Refused(reason),
                None if *name == "tcp_segment_in" => Decision::Taken,
                None => decision,
            };
        }
        decision
    }

    /// The same with bytes of which no device has said anything.
    pub fn decides_alone(&mut self, wire: &Wire, bytes: &[u8]) -> Decision {
        let mut frame = self.engine.nic().pool.take().expect("a spare buffer");
        frame.space()[..bytes.len()].copy_from_slice(bytes);
        frame.received(bytes.len(), RxMeta::UNKNOWN);
        self.decides(wire, frame)
    }

    /// A counter of the engine's.
    pub fn count(&self, wanted: &str) -> u64 {
        let count = self.counters.iter().find(|(name, _)| *name == wanted);
        count.unwrap_or_else(|| panic!("no {wanted}")).1
    }
}
