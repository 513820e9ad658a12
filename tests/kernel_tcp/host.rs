//! Our end on a TAP, and the relay between it and the kernel. What leaves and what arrives whole at our end is
//! recorded for tshark.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU16, Ordering};

use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, ConnectionId};
use fixwire::time::{Clock, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::capture::Recording;
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{TapBackend, TapNic};

use crate::end::{End, OURS, THEIRS};
use crate::relay::{Faults, Relay};

pub(crate) const PORT: u16 = 9878;

/// Our end, polled by whoever tests.
pub(crate) struct Host {
    end: End,
    nic: TapNic,
    clock: HostClock,
    out: Relay,
    inward: Relay,
}

impl Deref for Host {
    type Target = End;

    fn deref(&self) -> &End {
        &self.end
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut End {
        &mut self.end
    }
}

impl Host {
    /// A host on a new TAP of this namespace, whose every sum is made and checked in software.
    pub(crate) fn new(config: Config, faults: Faults) -> Host {
        Host::with_ways(config, faults, faults)
    }

    /// The same where the way out is not as bad as the way in.
    pub(crate) fn with_ways(config: Config, out: Faults, inward: Faults) -> Host {
        let backend = TapBackend::attach("fwg0").expect("a TAP");
        let (kernel_mac, mac) = (Mac(backend.kernel_side().mac), Mac(backend.mac()));
        let profile = Profile::all(Policy::Off);
        let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
        let device = device.configure().expect("a TAP configures");
        let (nic, plan): (TapNic, Plan) =
            device.start().and_then(|device| device.steer()).expect("a TAP starts");
        let clock = HostClock::new();
        let mut end = End::new(clock.now().mono, config, &plan, (OURS, mac), (THEIRS, kernel_mac));
        end.recording = Some(Recording::new("fixwire", &["fwg0"]));
        let (out, inward) =
            (Relay::new(out, 2 * out.seed + 1), Relay::new(inward, 2 * inward.seed + 2));
        Host { end, nic, clock, out, inward }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now().mono
    }

    /// From a port of its own for each line: where the kernel has not heard the last of one before, a reset answers it,
    /// and on the same ports tshark takes that for the new line's.
    pub(crate) fn connect(&mut self) -> ConnectionId {
        static LINES: AtomicU16 = AtomicU16::new(0);
        let local = 50_000 + LINES.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        self.end.connect(now, local, PORT)
    }

    /// Frames that the relay lost, corrupted and marked, both ways.
    pub(crate) fn harmed(&self) -> [u64; 3] {
        let both = |of: fn(&Relay) -> u64| of(&self.out) + of(&self.inward);
        [both(|relay| relay.lost), both(|relay| relay.corrupted), both(|relay| relay.marked)]
    }

    /// The frames so far, as a file.
    pub(crate) fn recording(self) -> Vec<u8> {
        self.end.recording.expect("it is recorded").into_bytes()
    }

    /// One round: what has arrived, timers, what leaves.
    pub(crate) fn poll(&mut self) {
        let now = self.now();
        let mut burst = Burst::new();
        self.nic.rx_burst(&mut burst);
        for frame in burst {
            self.inward.push(now, frame.bytes().to_vec());
        }
        while let Some(frame) = self.inward.pop(now) {
            if let Some(answer) = self.end.arrive(now, &frame) {
                self.out.push(now, answer);
            }
        }
        self.end.turn(now);
        while let Some(frame) = self.end.leave(now) {
            self.out.push(now, frame);
        }
        while let Some(bytes) = self.out.pop(now) {
            self.send(&bytes);
        }
        self.nic.reclaim();
    }

    fn send(&mut self, bytes: &[u8]) {
        // What finds no buffer is lost, as on a wire.
        let Some(mut frame) = self.nic.tx_frame() else { return };
        frame.space()[..bytes.len()].copy_from_slice(bytes);
        frame.finish(bytes.len(), TxMeta::default());
        let mut burst = Burst::new();
        burst.push(frame);
        self.nic.tx_burst(&mut burst);
    }
}
