//! The line of the day: our program's TAP on one end, the kernel's on the other, and a relay between them that harms
//! frames by a seed, and passes none while the line is cut.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration as Span;

use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::time::{Clock, Duration, Instant};
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{TapBackend, TapNic};

use super::relay::{Faults, Relay};

/// How long the relay sleeps where nothing is under way: what that adds to a round trip is no matter here.
const NAP: Span = Span::from_micros(200);

/// What a thread of its own relays until it is dropped.
pub(super) struct Line {
    state: Arc<State>,
    relay: Option<JoinHandle<[u64; 3]>>,
}

#[derive(Default)]
struct State {
    is_cut: AtomicBool,
    is_over: AtomicBool,
}

impl Line {
    /// Our program finds its end as `tap:fw0`; the kernel's is 10.9.0.1.
    pub(super) fn new(faults: Faults) -> Line {
        for command in [
            "link add fwbr type bridge",
            "link set fwbr up",
            "tuntap add dev fw0 mode tap",
            // An address of no use: without one our program would give it the kernel's.
            "address add 192.0.2.1/32 dev fw0",
            "link set fw0 master fwbr",
            "tuntap add dev fwnear mode tap",
            "link set fwnear master fwbr",
        ] {
            ip(command);
        }
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let relay = std::thread::spawn(move || relay(faults, &shared));
        Line { state, relay: Some(relay) }
    }

    /// Nothing passes from here on, or everything that the faults let pass.
    pub(super) fn cut(&self, is_cut: bool) {
        self.state.is_cut.store(is_cut, Ordering::Relaxed);
    }

    /// Ends it, and leaves room for another: how many frames it lost, repeated and corrupted.
    pub(super) fn end(mut self) -> [u64; 3] {
        self.state.is_over.store(true, Ordering::Relaxed);
        let told = self.relay.take().expect("it ends once").join().expect("the relay is well");
        for link in ["fwbr", "fw0", "fwnear"] {
            ip(&format!("link del {link}"));
        }
        told
    }
}

fn ip(command: &str) {
    let status = Command::new("ip").args(command.split(' ')).status().expect("ip runs");
    assert!(status.success(), "ip {command}");
}

fn tap(backend: TapBackend) -> TapNic {
    let profile = Profile::all(Policy::Off);
    let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
    let device = device.configure().expect("a TAP configures");
    device.start().and_then(|device| device.steer()).expect("a TAP starts").0
}

fn relay(faults: Faults, state: &State) -> [u64; 3] {
    let mut near = tap(TapBackend::attach("fwnear").expect("a TAP").as_bridge_port());
    let mut far = tap(TapBackend::attach("fwfar").expect("a TAP"));
    let mut out = Relay::new(faults, 2 * faults.seed + 1);
    let mut inward = Relay::new(faults, 2 * faults.seed + 2);
    let clock = HostClock::new();
    let mut cut = 0;
    while !state.is_over.load(Ordering::Relaxed) {
        let now = clock.now().mono;
        let is_cut = state.is_cut.load(Ordering::Relaxed);
        for (nic, way) in [(&mut near, &mut out), (&mut far, &mut inward)] {
            let mut burst = Burst::new();
            nic.rx_burst(&mut burst);
            for frame in burst {
                if is_cut {
                    cut += 1;
                } else {
                    way.push(now, frame.bytes().to_vec());
                }
            }
        }
        pass(&mut out, &mut far, now);
        pass(&mut inward, &mut near, now);
        let next = out.next_arrival().min(inward.next_arrival());
        if next > now + Duration::from_us(1) {
            std::thread::sleep(NAP);
        }
    }
    [cut + out.lost + inward.lost, out.repeated + inward.repeated, out.corrupted + inward.corrupted]
}

/// What has arrived by now leaves by this end.
fn pass(way: &mut Relay, nic: &mut TapNic, now: Instant) {
    while let Some(bytes) = way.pop(now) {
        // What finds no buffer is lost, as on a wire.
        let Some(mut frame) = nic.tx_frame() else { continue };
        frame.space()[..bytes.len()].copy_from_slice(&bytes);
        frame.finish(bytes.len(), TxMeta::default());
        let mut burst = Burst::new();
        burst.push(frame);
        nic.tx_burst(&mut burst);
    }
    nic.reclaim();
}
