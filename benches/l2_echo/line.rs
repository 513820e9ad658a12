//! Lines that frames to be echoed come by: a ring that gives back what is sent, and a memif whose far end is in
//! the same process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fixwire::offload::capability::Capability;
use fixwire::offload::device::{Backend, Device};
use fixwire::offload::flow::{OnMiss, RuleSet};
use fixwire::offload::nic::{Burst, Frame as _, Nic, TxMeta};
use fixwire::offload::plan::{Advert, Capabilities, Plan, Provider};
use fixwire::offload::profile::{Policy, Profile};
use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkError, DpdkNic, Memory};

use crate::peer::{Counts, Far, Port};

/// The least frame there is, without its check sequence: what a line carries costs least beside what is measured.
const FRAME_LEN: usize = 60;
const ADDRESSES_LEN: usize = 12;
/// What is said where it does not come up.
pub(crate) const MISSED: &str = "the far end does not connect";
/// What the far end of a memif may take to connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who echoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Fixwire,
    C,
}

impl Who {
    pub(crate) const BOTH: [Who; 2] = [Who::Fixwire, Who::C];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Who::Fixwire => "fixwire",
            Who::C => "C",
        }
    }
}

/// Where the ends of a memif meet. It is gone once they have, or have not.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A line, and both who echo on its near end.
pub(crate) struct Line {
    nic: DpdkNic,
    port: Port,
    far: Option<Far>,
    clock_cost: Duration,
    leaves_sums: bool,
    /// Frames that go round on a ring.
    going_round: u16,
    /// What was sent last to be echoed.
    frame: [u8; FRAME_LEN],
}

impl Line {
    /// Brings a device up, with a plan that leaves to it all that it is asked for, or nothing.
    pub(crate) fn open(device: &str, everything: bool) -> Result<Line, String> {
        let file = format!("l2-echo-{}.sock", std::process::id());
        let file = SocketFile(std::env::temp_dir().join(file));
        let socket = format!("socket={},socket-abstract=no", file.0.display());
        let is_memif = device == "net_memif";
        let spec =
            if is_memif { format!("{device}0,role=server,{socket}") } else { format!("{device}0") };
        let spec = DeviceSpec::parse(&spec).map_err(|error| error.to_string())?;
        let name = spec.name().to_owned();
        let profile = Profile::all(if everything { Policy::Prefer } else { Policy::Off });
        let backend = DpdkBackend::open(spec, Memory::best(), &profile);
        let claims = Claims(backend.map_err(|error| error.to_string())?);
        let rules =
            RuleSet::new(Vec::new(), OnMiss::Queue(0)).map_err(|error| format!("{error:?}"))?;
        let device = Device::probed(claims).plan(&profile, rules).configure();
        let device = device.map_err(|error| error.to_string())?;
        let mut far = None;
        if is_memif {
            far = Some(Far::open("net_memif1", &format!("role=client,{socket}"))?);
        }
        let started = device.start().and_then(Device::steer);
        let (nic, plan) = started.map_err(|error| error.to_string())?;
        assert_eq!(plan.uses(Capability::RxTcpChecksum), everything);
        let begun = Instant::now();
        while far.as_ref().is_some_and(|far| !far.is_up()) {
            if begun.elapsed() > PATIENCE {
                return Err(MISSED.to_owned());
            }
        }
        if let Some(far) = &mut far {
            // The ring that the near end sends by has room once its far end has polled it.
            far.receive(&[]);
        }
        let port = Port::named(&name).ok_or("the port has no number")?;
        let frame = std::array::from_fn(|at| at as u8);
        let (clock_cost, leaves_sums) = (clock_cost(), everything);
        Ok(Line { nic, port, far, clock_cost, leaves_sums, going_round: 0, frame })
    }

    /// Leaves it to the end of the process: both ends of a memif that one process closes free the same memory (DPDK
    /// 22.11).
    pub(crate) fn leave_open(self) {
        std::mem::forget(self);
    }

    /// Echoes `bursts` of `size` frames each, looks whether all came back as they should, and says what a burst
    /// took.
    pub(crate) fn echo(&mut self, who: Who, size: u16, bursts: u64) -> f64 {
        let taken = if self.far.is_some() {
            self.echo_from_afar(who, size, bursts)
        } else {
            self.echo_round(who, size, bursts)
        };
        taken.as_nanos() as f64 / bursts as f64
    }

    /// On a ring so many frames go round, and each burst is all of them.
    fn echo_round(&mut self, who: Who, size: u16, bursts: u64) -> Duration {
        if self.going_round > size {
            self.nic.rx_burst(&mut Burst::new());
            self.going_round = 0;
        }
        for _ in self.going_round..size {
            send(&mut self.nic, &self.frame);
        }
        self.going_round = size;
        let (taken, counts) = self.timed(who, bursts);
        assert_all(&counts, bursts * u64::from(size));
        taken.saturating_sub(self.clock_cost)
    }

    /// From a memif a poll takes whatever is there: bursts of fewer than a poll takes are sent and timed one by one.
    fn echo_from_afar(&mut self, who: Who, size: u16, bursts: u64) -> Duration {
        const AT_ONCE: u64 = 8;
        let whole = usize::from(size) == Burst::<()>::new().capacity();
        let at_once = if whole { AT_ONCE } else { 1 };
        let mut taken = Duration::ZERO;
        let mut left = bursts;
        let mut back = self.frame;
        back[..ADDRESSES_LEN].rotate_left(ADDRESSES_LEN / 2);
        while left > 0 {
            let count = left.min(at_once);
            let Some(far) = &mut self.far else { unreachable!("it has a far end") };
            for _ in 0..count {
                assert_eq!(far.send(&self.frame, size), size);
            }
            let (time, counts) = self.timed(who, count);
            taken += time.saturating_sub(self.clock_cost);
            assert_all(&counts, count * u64::from(size));
            let Some(far) = &mut self.far else { unreachable!("it has a far end") };
            for _ in 0..count {
                assert_eq!(
                    far.receive(&back),
                    size,
                    "frames come back with their addresses swapped"
                );
            }
            left -= count;
        }
        taken
    }

    fn timed(&mut self, who: Who, bursts: u64) -> (Duration, Counts) {
        let mut counts = Counts::default();
        let before = self.nic.counters();
        let begun = Instant::now();
        match who {
            Who::Fixwire => echo(&mut self.nic, bursts),
            Who::C => self.port.echo(bursts, self.leaves_sums, &mut counts),
        }
        let taken = begun.elapsed();
        if who == Who::Fixwire {
            // Ours counts by itself.
            let after = self.nic.counters();
            counts.received = after.rx_frames - before.rx_frames;
            counts.sent = after.tx_frames - before.tx_frames;
            counts.freed = counts.received - counts.sent;
        }
        (taken, counts)
    }
}

/// Echoes so many bursts, by our layer.
#[inline(never)]
pub(crate) fn echo(nic: &mut DpdkNic, bursts: u64) {
    let mut burst = Burst::new();
    for _ in 0..bursts {
        if nic.rx_burst(&mut burst) == 0 {
            continue;
        }
        for frame in &mut burst {
            if let Some(header) = frame.space().first_chunk_mut::<ADDRESSES_LEN>()
                && let ([dst, src], _) = header.as_chunks_mut::<{ ADDRESSES_LEN / 2 }>()
            {
                std::mem::swap(dst, src);
            }
        }
        nic.tx_burst(&mut burst);
        // What was not sent goes back to its pool.
        burst.clear();
    }
}

fn send(nic: &mut DpdkNic, bytes: &[u8]) {
    let mut frame = nic.tx_frame().expect("a transmit buffer");
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    frame.finish(bytes.len(), TxMeta::default());
    let mut burst = Burst::new();
    burst.push(frame);
    assert_eq!(nic.tx_burst(&mut burst), 1);
}

fn assert_all(counts: &Counts, frames: u64) {
    assert_eq!(
        *counts,
        Counts { received: frames, sent: frames, freed: 0 },
        "every burst was whole"
    );
}

/// What two readings of the clock cost by themselves.
fn clock_cost() -> Duration {
    let mut costs: Vec<_> = (0..1001)
        .map(|_| {
            let begun = Instant::now();
            begun.elapsed()
        })
        .collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}

/// A port that says that it has whatever a plan can leave to one on the data path. It does none of it: what is
/// measured is what listening to it costs.
struct Claims(DpdkBackend);

const SAID: [Capability; 5] = [
    Capability::RxIpv4Checksum,
    Capability::RxTcpChecksum,
    Capability::RxTimestamp,
    Capability::TxIpv4Checksum,
    Capability::TxTcpChecksum,
];

impl Backend for Claims {
    type Nic = DpdkNic;
    type Error = DpdkError;

    fn name(&self) -> String {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        let advert = Advert { by: Provider::Model, how: "said for a measurement" };
        SAID.into_iter().fold(self.0.capabilities(), |all, of| all.with(of, advert))
    }

    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, DpdkError> {
        let mut refused = self.0.configure(plan)?;
        refused.retain(|(of, _)| !SAID.contains(of));
        Ok(refused)
    }

    fn start(&mut self) -> Result<(), DpdkError> {
        self.0.start()
    }

    fn stop(&mut self) -> Result<(), DpdkError> {
        self.0.stop()
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        self.0.steer(rules)
    }

    fn run(self) -> DpdkNic {
        self.0.run()
    }
}
