//! The relay between two ends. One is always the kernel's, on a TAP in a namespace of its own; the other is the
//! kernel's in another, or ours, which the relay calls itself. Nobody here ever waits.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration as StdDuration, Instant as StdInstant};

use fixwire::offload::device::Device;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame, Nic, TxMeta};
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::{Config, ConnectionId, Count, Event, SendRefusal};
use fixwire::time::{Clock, Duration, Instant};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap::{TapBackend, TapNic};

use crate::end::{End, OURS, THEIRS};
use crate::kernel::{SINK_PORT, SOURCE_PORT, pattern, run};
use crate::relay::{Faults, Relay};
use crate::{Case, Control, ourselves};

/// The window of each end, and what it may have unacknowledged.
const WINDOW_BYTES: usize = 512 * 1024;
/// The kernel counts what bytes take in memory, which is up to twice as much.
const KERNEL_BUFFER_BYTES: usize = 2 * WINDOW_BYTES;
/// The end of a hang, and no measure of anything.
const PATIENCE: StdDuration = StdDuration::from_secs(120);
const NEAR: &str = "near0";
const FAR: &str = "far0";

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    KernelToKernel,
    OursToKernel,
    KernelToOurs,
}

impl Way {
    pub(crate) const ALL: [Way; 3] = [Way::KernelToKernel, Way::OursToKernel, Way::KernelToOurs];
}

/// What one transfer took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carried {
    pub(crate) bytes: usize,
    pub(crate) taken_ns: u64,
    pub(crate) counts: Counts,
}

/// What a sender counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Segments sent again, those of timeouts and probes among them.
    pub(crate) again: u64,
    pub(crate) timeouts: u64,
    pub(crate) probes: u64,
    /// Times that the receiver told of something that came twice.
    pub(crate) duplicates: u64,
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    fn sub(self, before: Counts) -> Counts {
        Counts {
            again: self.again - before.again,
            timeouts: self.timeouts - before.timeouts,
            probes: self.probes - before.probes,
            duplicates: self.duplicates - before.duplicates,
        }
    }
}

impl std::iter::Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |sum, one| Counts {
            again: sum.again + one.again,
            timeouts: sum.timeouts + one.timeouts,
            probes: sum.probes + one.probes,
            duplicates: sum.duplicates + one.duplicates,
        })
    }
}

/// Both TAPs, and the kernel's far end.
pub(crate) struct Line {
    near: TapNic,
    far: TapNic,
    far_mac: Mac,
    plan: Plan,
    clock: HostClock,
    there: Child,
    server: Child,
    /// What the sink says.
    lines: Receiver<String>,
}

impl Line {
    pub(crate) fn new() -> Result<Line, String> {
        let mut sleep = Command::new("unshare");
        sleep.args(["-n", "--kill-child", "-f", "sleep", "1d"]);
        let there = sleep.spawn().map_err(|error| format!("{sleep:?}: {error}"))?;
        std::thread::sleep(StdDuration::from_millis(300));
        let ((near, _, _), (far, plan, far_mac)) = (tap(NEAR)?, tap(FAR)?);
        shell(&format!("ip link set {FAR} netns {}", there.id()))?;
        shell(&format!("{}; {}", up(NEAR, OURS), SETTINGS))?;
        let far_shell = format!("{}; {}", up(FAR, THEIRS), SETTINGS);
        run(over_there(&there).args(["sh", "-ec", &far_shell]).stdout(Stdio::null()))?;
        let mut serve = over_there(&there);
        serve.arg(ourselves()?).arg("serve").stdout(Stdio::piped());
        let mut server = serve.spawn().map_err(|error| format!("{serve:?}: {error}"))?;
        let stdout = server.stdout.take().ok_or("its output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let listening = lines.recv_timeout(StdDuration::from_secs(5));
        listening.map_err(|error| format!("the far end does not listen: {error}"))?;
        Ok(Line { near, far, far_mac, plan, clock: HostClock::new(), there, server, lines })
    }

    /// Has one end send to the other through a relay of its own.
    pub(crate) fn carry(&mut self, case: Case, way: Way, seed: u64) -> Result<Carried, String> {
        self.set(case.control)?;
        let faults = Faults {
            loss_percent: case.loss_percent,
            delay: Duration::from_us(case.round_trip_ms * 500),
            ..Faults::default()
        };
        // By which way the bytes go.
        let (data, acks) = (Relay::new(faults, 2 * seed), Relay::new(faults, 2 * seed + 1));
        let before = self.kernel_counts(way)?;
        match way {
            Way::OursToKernel => self.ours_sends([data, acks], case),
            Way::KernelToKernel => {
                let carried = self.between_kernels([data, acks], case)?;
                Ok(Carried { counts: self.kernel_counts(way)? - before, ..carried })
            }
            Way::KernelToOurs => {
                let carried = self.ours_receives([acks, data], case)?;
                Ok(Carried { counts: self.kernel_counts(way)? - before, ..carried })
            }
        }
    }

    /// A congestion control that the machine may keep from its namespaces is theirs by a route all the same.
    fn set(&self, control: Control) -> Result<(), String> {
        let route = |name, addr| {
            format!(
                "ip route replace 10.9.0.0/24 dev {name} src {addr} congctl {}",
                control.kernels()
            )
        };
        shell(&route(NEAR, OURS))?;
        run(over_there(&self.there).args(["sh", "-ec", &route(FAR, THEIRS)]))
    }

    /// What the kernel of a sender has counted so far; ours tells itself.
    fn kernel_counts(&self, way: Way) -> Result<Counts, String> {
        let mut cat =
            if way == Way::KernelToOurs { over_there(&self.there) } else { Command::new("env") };
        let output = cat.args(["cat", "/proc/net/netstat", "/proc/net/snmp"]).output();
        let text = output.map_err(|error| format!("{cat:?}: {error}"))?.stdout;
        let text = String::from_utf8_lossy(&text);
        let of = |group: &str, name: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with(group));
            let (names, values) = (lines.next()?, lines.next()?);
            let at = names.split(' ').position(|known| known == name)?;
            values.split(' ').nth(at)?.parse::<u64>().ok()
        };
        let ext = |name| of("TcpExt:", name).unwrap_or_default();
        Ok(Counts {
            again: of("Tcp:", "RetransSegs").unwrap_or_default(),
            timeouts: ext("TCPTimeouts"),
            probes: ext("TCPLossProbes"),
            duplicates: ext("TCPDSACKRecv"),
        })
    }

    fn between_kernels(
        &mut self,
        [mut out, mut inward]: [Relay; 2],
        case: Case,
    ) -> Result<Carried, String> {
        let mut push = Command::new(ourselves()?);
        push.args(["push", &format!("{THEIRS}:{SINK_PORT}"), &case.bytes.to_string()]);
        let mut pusher = push.spawn().map_err(|error| format!("{push:?}: {error}"))?;
        let begun = StdInstant::now();
        let outcome = loop {
            let now = self.clock.now().mono;
            receive(&mut self.near, now, &mut out);
            receive(&mut self.far, now, &mut inward);
            while let Some(frame) = out.pop(now) {
                send(&mut self.far, &frame);
            }
            while let Some(frame) = inward.pop(now) {
                send(&mut self.near, &frame);
            }
            if let Some(outcome) = self.sunk(case, begun) {
                break outcome;
            }
        };
        let _ = pusher.kill();
        let _ = pusher.wait();
        outcome
    }

    fn ours_sends(&mut self, relays: [Relay; 2], case: Case) -> Result<Carried, String> {
        let mut near = self.ours(case, relays);
        let id = near.end.connect(self.clock.now().mono, 0, SINK_PORT);
        let (mut written, begun) = (0, StdInstant::now());
        loop {
            let now = self.clock.now().mono;
            written = near.write(now, id, written, case.bytes)?;
            near.turn(now, &mut self.far);
            if let Some(outcome) = self.sunk(case, begun) {
                return outcome.map(|carried| Carried { counts: near.counts(), ..carried });
            }
        }
    }

    fn ours_receives(&mut self, relays: [Relay; 2], case: Case) -> Result<Carried, String> {
        let mut near = self.ours(case, relays);
        let now = self.clock.now().mono;
        let id = near.end.connect(now, 0, SOURCE_PORT);
        let (mut first, begun) = (None, StdInstant::now());
        let mut is_asked = false;
        loop {
            let now = self.clock.now().mono;
            if !is_asked && near.end.events.contains(&(id, Event::Connected)) {
                near.send_whole(now, id, &(case.bytes as u64).to_be_bytes())?;
                is_asked = true;
            }
            near.turn(now, &mut self.far);
            let read = near.end.received.len();
            if read > 0 {
                first.get_or_insert(now);
            }
            if let Some(first) = first.filter(|_| read == case.bytes) {
                let is_right =
                    near.end.received.iter().zip(0..).all(|(byte, at)| *byte == pattern(at));
                near.end.stack.abort(now, id);
                near.turn(now, &mut self.far);
                let taken_ns = (now - first).as_ns();
                return if is_right {
                    Ok(Carried { bytes: read, taken_ns, counts: Counts::default() })
                } else {
                    Err("other bytes than were sent".to_owned())
                };
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{case:?}: {read} of {} bytes came", case.bytes));
            }
        }
    }

    fn ours(&self, case: Case, [out, inward]: [Relay; 2]) -> Near {
        let config = Config {
            send_buffer_bytes: WINDOW_BYTES,
            receive_buffer_bytes: WINDOW_BYTES,
            congestion: case.control.ours(),
            ..Config::default()
        };
        let now = self.clock.now().mono;
        let (ours, theirs) = ((OURS, Mac(self.near.mac())), (THEIRS, self.far_mac));
        let end = End::new(now, config, &self.plan, ours, theirs);
        Near { end, out, inward }
    }

    /// What the sink has taken, once it has it all.
    fn sunk(&self, case: Case, begun: StdInstant) -> Option<Result<Carried, String>> {
        let line = match self.lines.try_recv() {
            Ok(line) => line,
            Err(TryRecvError::Empty) if begun.elapsed() < PATIENCE => return None,
            Err(why) => return Some(Err(format!("{case:?}: {why}"))),
        };
        let mut numbers = line.split(' ').map(|word| word.parse::<u64>().unwrap_or_default());
        let (bytes, taken_ns) = (numbers.next()? as usize, numbers.next()?);
        let is_all = bytes == case.bytes;
        Some(
            is_all
                .then_some(Carried { bytes, taken_ns, counts: Counts::default() })
                .ok_or(format!("{bytes} of {case:?}")),
        )
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for child in [&mut self.server, &mut self.there] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Our end, and its two ways through the relay.
struct Near {
    end: End,
    out: Relay,
    inward: Relay,
}

impl Near {
    fn counts(&self) -> Counts {
        let counters = self.end.stack.counters();
        Counts {
            again: counters.of(Count::Retransmission),
            timeouts: counters.of(Count::RetransmitTimeout),
            probes: counters.of(Count::LossProbe),
            duplicates: counters.of(Count::DsackIn),
        }
    }

    fn turn(&mut self, now: Instant, far: &mut TapNic) {
        receive(far, now, &mut self.inward);
        while let Some(frame) = self.inward.pop(now) {
            if let Some(answer) = self.end.arrive(now, &frame) {
                self.out.push(now, answer);
            }
            // As the engine does: a frame is answered before the next is looked at.
            self.leave(now);
        }
        self.end.turn(now);
        self.leave(now);
        while let Some(frame) = self.out.pop(now) {
            send(far, &frame);
        }
    }

    fn leave(&mut self, now: Instant) {
        while let Some(frame) = self.end.leave(now) {
            self.out.push(now, frame);
        }
    }

    /// Writes on from `written` for as long as there is room, and closes at the end. Says how far it came.
    fn write(
        &mut self,
        now: Instant,
        id: ConnectionId,
        mut written: usize,
        bytes: usize,
    ) -> Result<usize, String> {
        if written == bytes {
            return Ok(written);
        }
        while written < bytes {
            let len = (bytes - written).min(8_192);
            match self.end.stack.reserve(id, len) {
                Ok(room) => {
                    room.iter_mut().zip(written..).for_each(|(byte, at)| *byte = pattern(at));
                }
                Err(SendRefusal::NoRoom | SendRefusal::NotConnected) => return Ok(written),
                Err(why) => return Err(why.to_string()),
            }
            self.end.stack.commit(now, id, len);
            written += len;
        }
        self.end.stack.shutdown(now, id);
        Ok(written)
    }

    fn send_whole(&mut self, now: Instant, id: ConnectionId, bytes: &[u8]) -> Result<(), String> {
        let room = self.end.stack.reserve(id, bytes.len()).map_err(|why| why.to_string())?;
        room.copy_from_slice(bytes);
        self.end.stack.commit(now, id, bytes.len());
        Ok(())
    }
}

/// The same for both ends: how much may be under way, and nothing remembered of an earlier connection.
const SETTINGS: &str = "cd /proc/sys/net/ipv4; echo 1 > tcp_no_metrics_save; echo 0 > tcp_ecn; \
    echo \"4096 $BUFFER $BUFFER\" > tcp_rmem; echo \"4096 $BUFFER $BUFFER\" > tcp_wmem";

fn up(name: &str, addr: std::net::Ipv4Addr) -> String {
    let others = "net.ipv6.conf.all.disable_ipv6=1";
    format!(
        "BUFFER={KERNEL_BUFFER_BYTES}; sysctl -qw {others} 2>&1 || true; ip addr flush dev {name}; \
        ip addr add {addr}/24 dev {name}; ip link set {name} up"
    )
}

fn shell(line: &str) -> Result<(), String> {
    run(Command::new("sh").args(["-ec", line]).stdout(Stdio::null()))
}

fn over_there(there: &Child) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["-t", &there.id().to_string(), "-n", "--"]);
    command
}

/// A TAP whose kernel side finishes every sum, the plan of our side, and the kernel's hardware address.
fn tap(name: &str) -> Result<(TapNic, Plan, Mac), String> {
    let backend = TapBackend::attach(name).map_err(|error| error.to_string())?;
    let kernel_mac = Mac(backend.kernel_side().mac);
    let device =
        Device::probed(backend.as_bridge_port()).plan(&Profile::all(Policy::Off), RuleSet::EMPTY);
    let started = device.configure().and_then(|device| device.start());
    let (nic, plan) =
        started.and_then(|device| device.steer()).map_err(|error| format!("{name}: {error}"))?;
    Ok((nic, plan, kernel_mac))
}

fn receive(from: &mut TapNic, now: Instant, relay: &mut Relay) {
    let mut burst = Burst::new();
    from.rx_burst(&mut burst);
    for frame in burst {
        relay.push(now, frame.bytes().to_vec());
    }
}

fn send(to: &mut TapNic, bytes: &[u8]) {
    to.reclaim();
    // What finds no buffer is lost, as on a wire.
    let Some(mut frame) = to.tx_frame() else { return };
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    frame.finish(bytes.len(), TxMeta::default());
    let mut burst = Burst::new();
    burst.push(frame);
    to.tx_burst(&mut burst);
}
