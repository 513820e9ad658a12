//! Our end on a TAP, and what lies between it and the kernel: a relay, a router, a device that need not tell the
//! truth, and a clock that jumps. What leaves and what arrives whole at our end is recorded for tshark, and for whoever looks
//! at a run that failed.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};

use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, ConnectionId};
use fixwire::time::{Clock, Duration, Instant};
use fixwire::verify::Verifier;
use fixwire::wire::ethernet::{self, Mac};
use fixwire_hw::capture::Recording;
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{TapBackend, TapNic};

use crate::end::word::Word;
use crate::end::{End, OURS, THEIRS};
use crate::path::Path;
use crate::relay::random::Random;
use crate::relay::{Faults, Relay};
use crate::replay::{self, Frames};

pub(crate) const PORT: u16 = 9878;
const L2_LEN: usize = ethernet::HEADER_LEN;
/// The places of both in what is counted by whose frames they are.
const OUR_WAY: usize = 0;
const THEIR_WAY: usize = 1;
/// Within how much our clock jumps ahead: within a tick, a timeout, many of them, and as long as a lowered MTU is believed.
const AHEAD_NS_MOST: [u64; 4] = [1_000_000, 1_000_000_000, 60_000_000_000, 1_300_000_000_000];
/// By how much it goes back at most: so long none of our timers goes off.
const BACK_NS_MAX: u64 = 300_000_000;

/// Our end, polled by whoever tests.
pub(crate) struct Host {
    end: End,
    nic: TapNic,
    clock: HostClock,
    /// By how much our clock is ahead of the network's and the kernel's, and was ever set back.
    ahead: Duration,
    back: Duration,
    /// One frame in so many finds our clock elsewhere; none for 0.
    pub(crate) jumps_one_in: u64,
    pub(crate) jumps: u64,
    out: Relay,
    inward: Relay,
    pub(crate) path: Path,
    word: Word,
    random: Random,
    /// What all that goes wrong was drawn from.
    seed: u64,
    /// Where its frames were written to.
    frames: Option<Frames>,
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
        let (clock, seed) = (HostClock::new(), inward.seed);
        let mut end = End::new(clock.now().mono, config, &plan, (OURS, mac), (THEIRS, kernel_mac));
        end.recording = Some(Recording::new("fixwire", &["fwg0"]));
        let (out, inward) =
            (Relay::new(out, 2 * out.seed + 1), Relay::new(inward, 2 * inward.seed + 2));
        Host {
            end,
            nic,
            clock,
            ahead: Duration::ZERO,
            back: Duration::ZERO,
            jumps_one_in: 0,
            jumps: 0,
            out,
            inward,
            path: Path::new(seed),
            word: Word::Silent,
            random: Random::new(!seed),
            seed,
            frames: None,
        }
    }

    /// The time by our clock.
    pub(crate) fn now(&self) -> Instant {
        let now = self.network_now() + self.ahead;
        Instant::from_ns(now.as_ns().saturating_sub(self.back.as_ns()))
    }

    /// The time by which frames are under way.
    fn network_now(&self) -> Instant {
        self.clock.now().mono
    }

    /// Our clock jumps ahead, as after the host was suspended.
    pub(crate) fn jump(&mut self, ahead: Duration) {
        self.ahead = Duration::from_ns(self.ahead.as_ns() + ahead.as_ns());
        self.jumps += 1;
    }

    /// Somebody set our clock back.
    pub(crate) fn jump_back(&mut self, back: Duration) {
        self.back = Duration::from_ns(self.back.as_ns() + back.as_ns());
        self.jumps += 1;
    }

    fn jump_somewhere(&mut self) {
        if self.random.one_in(4) {
            let back = self.random.below(BACK_NS_MAX);
            self.jump_back(Duration::from_ns(back));
        } else {
            let most = self.random.pick(&AHEAD_NS_MOST);
            let ahead = self.random.below(most);
            self.jump(Duration::from_ns(ahead));
        }
    }

    /// The device says of sums what it says, and what it says is believed as far as that is agreed on.
    pub(crate) fn speaks(&mut self, word: Word) {
        self.word = word;
        self.end.verifier = Verifier::new(&word.plan());
    }

    /// The relay does other harm from here on.
    pub(crate) fn set_faults(&mut self, faults: Faults) {
        self.out.set(faults);
        self.inward.set(faults);
    }

    pub(crate) fn ways(&self) -> [&Relay; 2] {
        [&self.out, &self.inward]
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

    /// Writes the frames so far to a file, and says which. None is recorded from here on. The file goes with the host,
    /// unless the run fails.
    pub(crate) fn written(&mut self) -> PathBuf {
        let recording = self.end.recording.take().expect("it is recorded");
        self.frames.insert(Frames::write(self.seed, recording)).path.clone()
    }

    /// One round: what has arrived, timers, what leaves.
    pub(crate) fn poll(&mut self) {
        let network = self.network_now();
        let mut burst = Burst::new();
        self.nic.rx_burst(&mut burst);
        for frame in burst {
            match self.path.pass(THEIR_WAY, frame.bytes()) {
                Ok(()) => self.inward.push(network, frame.bytes().to_vec()),
                Err(answer) => answer.into_iter().for_each(|told| self.out.push(network, told)),
            }
        }
        while let Some((frame, is_damaged)) = self.inward.pop_told(network) {
            if self.random.one_in(self.jumps_one_in) {
                self.jump_somewhere();
            }
            self.take(&frame, is_damaged);
        }
        let now = self.now();
        self.end.turn(now);
        while let Some(frame) = self.end.leave(now) {
            match self.path.pass(OUR_WAY, &frame) {
                Ok(()) => self.out.push(network, frame),
                Err(answer) => answer.into_iter().for_each(|told| self.inward.push(network, told)),
            }
        }
        while let Some(bytes) = self.out.pop(network) {
            self.send(&bytes);
        }
        self.nic.reclaim();
    }

    /// A frame has come to our device, which says of it what it says.
    fn take(&mut self, frame: &[u8], is_damaged: bool) {
        // Others than TCP and ICMP are refused for what they are.
        let (is_tcp, is_icmp) = (frame[L2_LEN + 9] == 6, frame[L2_LEN + 9] == 1);
        let told = self.word.of(is_damaged, is_tcp, &mut self.random);
        let (now, refused) = (self.now(), self.end.refused);
        if let Some(answer) = self.end.arrive_told(now, &told, frame) {
            self.out.push(self.network_now(), answer);
        }
        let is_refused = self.end.refused > refused;
        assert!(is_damaged || !is_refused || !(is_tcp || is_icmp), "what is right was refused");
        let most = self.word.believed_max();
        assert!(self.end.deceived <= most, "{} damaged frames were believed", self.end.deceived);
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

/// A run that failed is named by the line that replays it, with a file of its frames.
impl Drop for Host {
    fn drop(&mut self) {
        let recording = self.end.recording.take().filter(|_| replay::is_wanted());
        let frames = recording.map(|recording| Frames::write(self.seed, recording));
        if let Some(frames) = frames.or(self.frames.take()) {
            frames.keep_or_remove();
        }
    }
}
