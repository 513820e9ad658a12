//! A port from probe to run, in its driver's order.

use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Backend;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::BURST_MAX;
use fixwire_offload::plan::Capabilities;
use fixwire_offload::profile::{NumaNode, Profile, Queues};
use fixwire_offload::stamp::ClockInfo;

use super::blame::{argued, no_port};
use super::burst_mode;
use super::clock;
use super::eal::{Eal, Memory};
use super::error::DpdkError;
use super::flow::{self, Rules};
use super::mempool::Mempool;
use super::nic::{DpdkNic, How};
use super::offloads::{self, Listen};
use super::port::{Config, Info, Port};
use super::queue::{Queue, Running};
use super::routes;
use super::spec::DeviceSpec;
use super::words;
use crate::host_counter::HostCounter;
use crate::pool::LINK_LEN_MAX;

/// How long the start waits for the link.
const LINK_WAIT_MAX: Duration = Duration::from_secs(2);

/// Buffers that a receive ring may hold for each of its descriptors: vmxnet3 fills two rings for a queue. One that finds
/// none to put in a received frame's place leaves the frame where it is, and receives nothing any more.
const RX_BUFFERS_PER_DESCRIPTOR: usize = 2;

/// Drivers that do not survive a second set-up of a queue: they have the devices behind them release the first one,
/// which those that have nothing to release have no function for (failsafe_ops.c, `fs_rx_queue_release`, DPDK 22.11).
const QUEUES_ONCE: [&str; 1] = ["net_failsafe"];

/// A port that was found and does not run yet.
#[derive(Debug)]
pub struct DpdkBackend {
    // Before the pools, and all before the environment that they lie in.
    rules: Rules,
    port: Port,
    pools: Option<Pools>,
    spec: DeviceSpec,
    info: Info,
    /// The hardware address that a port had before it was made anew: whoever asked has been told of that.
    told_mac: Option<[u8; 6]>,
    /// What the driver does by rules, or why not; nothing where it has none.
    by_rules: Vec<(Capability, Result<(), String>)>,
    knows_priorities: bool,
    queues: Queues,
    frames: usize,
    node: Option<u16>,
    isolated: bool,
    listen: Listen,
    /// The clock that it stamps by, if it does.
    stamps: Option<ClockInfo>,
    leaves_sums: bool,
    fast_free: bool,
    chains: bool,
}

#[derive(Debug)]
struct Pools {
    rx: Mempool,
    tx: Mempool,
}

impl DpdkBackend {
    /// Starts DPDK for a first device, and finds its port. What frames and queues it is to have, and what DPDK and its
    /// driver are told, stands in `profile`.
    ///
    /// # Errors
    /// DPDK does not start, or has no such port.
    pub fn open(
        spec: DeviceSpec,
        memory: Memory,
        profile: &Profile,
    ) -> Result<DpdkBackend, DpdkError> {
        let spec = spec.with_devargs(profile);
        spec.check()?;
        let eal = Eal::start(&[&spec], memory, &profile.eal, profile.core)?;
        DpdkBackend::found(&eal, spec, profile)
    }

    /// One more port of the DPDK that runs, polled by the same thread. Its frames lie in the same memory.
    ///
    /// # Errors
    /// DPDK does not take the device, or has no such port.
    pub fn beside(
        eal: &Rc<Eal>,
        spec: DeviceSpec,
        profile: &Profile,
    ) -> Result<DpdkBackend, DpdkError> {
        let spec = spec.with_devargs(profile);
        spec.check()?;
        eal.add(&spec, &profile.eal)?;
        DpdkBackend::found(eal, spec, profile)
    }

    /// The same for two devices, such as the ends of a cable: both ports are of one DPDK, and of one thread. The
    /// driver's arguments and queues of each stand in its profile; DPDK is told what stands in the near one's.
    ///
    /// # Errors
    /// DPDK does not start, or lacks one of the ports.
    pub fn open_pair(
        near: (DeviceSpec, &Profile),
        far: (DeviceSpec, &Profile),
        memory: Memory,
    ) -> Result<[DpdkBackend; 2], DpdkError> {
        let Profile { eal: args, core, .. } = near.1;
        let [near, far] = [near, far].map(|(spec, of)| (spec.with_devargs(of), of));
        near.0.check()?;
        far.0.check()?;
        let eal = Eal::start(&[&near.0, &far.0], memory, args, *core)?;
        Ok([DpdkBackend::found(&eal, near.0, near.1)?, DpdkBackend::found(&eal, far.0, far.1)?])
    }

    fn found(eal: &Rc<Eal>, spec: DeviceSpec, profile: &Profile) -> Result<DpdkBackend, DpdkError> {
        words::during(|| DpdkBackend::asked(eal, spec, profile)).0
    }

    /// A port that is there, asked what it is and can do.
    fn asked(eal: &Rc<Eal>, spec: DeviceSpec, profile: &Profile) -> Result<DpdkBackend, DpdkError> {
        let port = Port::of(eal, &spec).ok_or_else(|| no_port(&spec, &eal.said()))?;
        refuse_missing_members(&spec, &eal.said())?;
        let info = port.info(&spec)?;
        let at_work = port.at_work(&spec);
        let node = match profile.numa_node {
            NumaNode::Auto => info.node,
            NumaNode::Any => None,
            NumaNode::Number(node) => Some(node),
        };
        Ok(DpdkBackend {
            rules: Rules::none(port.id()),
            by_rules: by_rules(&at_work),
            knows_priorities: at_work.iter().all(|port| flow::knows_priorities(*port)),
            told_mac: None,
            port,
            pools: None,
            spec,
            info,
            queues: profile.queues,
            frames: profile.frames,
            node,
            isolated: false,
            listen: Listen::default(),
            stamps: None,
            leaves_sums: false,
            fast_free: false,
            chains: false,
        })
    }

    /// The device, as DPDK was told of it.
    pub fn spec(&self) -> &DeviceSpec {
        &self.spec
    }

    /// Its driver, as DPDK names it.
    pub fn driver(&self) -> &str {
        &self.info.driver
    }

    /// The DPDK that it was found by.
    pub fn eal(&self) -> &Rc<Eal> {
        self.port.eal()
    }

    /// The kernel's interface beside ours on the same port, by its index: it gets frames of the port as well, or
    /// all of them once we are gone. The one behind a TAP is the far side, and none beside us.
    pub fn interface(&self) -> Option<u32> {
        let index = Some(self.info.interface).filter(|index| *index != 0);
        index.filter(|_| self.info.driver != "net_tap")
    }

    /// Whether the kernel may get frames of the port as well: where it has an interface on it, and where the driver names
    /// none and the device, or one that it passes frames on from, may have one.
    pub fn may_share_with_kernel(&self) -> bool {
        self.interface().is_some() || self.spec.may_share_with_kernel()
    }

    /// Which memory frames lie in.
    pub fn memory(&self) -> Memory {
        self.port.eal().memory()
    }

    /// The hardware address that our frames come from: the port's, or one beside it where the kernel's end of the
    /// line has the port's own.
    pub fn mac(&self) -> [u8; 6] {
        let mac = self.told_mac.unwrap_or_else(|| self.port.mac());
        let is_far_side = offloads::is_any_at_work(&self.info, &["net_tap"]);
        if is_far_side { crate::tap::mac_beside(mac) } else { mac }
    }

    /// The largest IP packet, in bytes.
    pub fn mtu(&self) -> usize {
        self.port.mtu() as usize
    }

    /// The pools of both directions. A ring holds its descriptors' worth of them, and neither can starve the other.
    fn pools(&mut self) -> Result<&Pools, DpdkError> {
        if self.pools.is_none() {
            let room = self.mtu() + LINK_LEN_MAX;
            let room = u16::try_from(room.next_multiple_of(64).max(2048)).unwrap_or(u16::MAX);
            let half = self.frames / 2;
            let of = |descriptors: u16, queues: u16, each: usize| {
                let in_rings = usize::from(descriptors) * usize::from(queues) * each;
                u32::try_from(half.max(in_rings + 4 * BURST_MAX)).unwrap_or(u32::MAX)
            };
            let Queues { rx, tx, rx_descriptors, tx_descriptors } = self.queues;
            let eal = Rc::clone(self.port.eal());
            let pool = |way: &str, frames| {
                Mempool::new(
                    &eal,
                    &format!("fixwire-{way}-{}", self.port.id()),
                    frames,
                    room,
                    self.node,
                )
            };
            let rx = pool("rx", of(rx_descriptors, rx, RX_BUFFERS_PER_DESCRIPTOR))?;
            let tx = pool("tx", of(tx_descriptors, tx, 1))?;
            self.pools = Some(Pools { rx, tx });
        }
        self.pools.as_ref().ok_or_else(|| no_port(&self.spec, ""))
    }

    fn refuse_too_many_queues(&self) -> Result<(), DpdkError> {
        let Info { rx_queues_max, tx_queues_max, .. } = self.info;
        let sides = [
            ("receive", "rx", rx_queues_max, self.queues.rx),
            ("transmit", "tx", tx_queues_max, self.queues.tx),
        ];
        for (what, key, max, asked) in sides {
            if asked > max {
                return Err(DpdkError::Queues {
                    port: self.port.name().to_owned(),
                    what,
                    key,
                    max,
                    asked,
                });
            }
        }
        Ok(())
    }

    /// Before the port is configured, for drivers that isolate; says what is refused.
    fn isolate(&mut self, plan: &Plan) -> Option<(Capability, String)> {
        let isolated = plan.uses(Capability::FlowIsolation);
        if !isolated && !self.isolated {
            return None;
        }
        match flow::isolate(self.port.id(), isolated) {
            Ok(()) => {
                self.isolated = isolated;
                None
            }
            Err(why) => Some((Capability::FlowIsolation, why)),
        }
    }
}

/// What is done by rules where every one of these ports does the work: net_failsafe says that it takes any, until its queues
/// are set up.
fn by_rules(at_work: &[u16]) -> Vec<(Capability, Result<(), String>)> {
    let each = at_work.iter().map(|port| flow::capabilities(*port));
    each.min_by_key(Vec::len).unwrap_or_default()
}

/// Refuses a device that would pass frames on from fewer than it is told to: DPDK starts it all the same, and has it
/// advertise what there may be nobody to do.
fn refuse_missing_members(spec: &DeviceSpec, said: &str) -> Result<(), DpdkError> {
    let members = if spec.passes_on() { spec.end_devices() } else { Vec::new() };
    match members.into_iter().find(|member| !Port::is_there(member)) {
        Some(member) => Err(DpdkError::NoMember {
            device: spec.name().to_owned(),
            error: Box::new(no_port(&member, said)),
        }),
        None => Ok(()),
    }
}

impl Backend for DpdkBackend {
    type Nic = DpdkNic;
    type Error = DpdkError;

    fn name(&self) -> String {
        format!("dpdk:{}", self.spec.name())
    }

    fn capabilities(&self) -> Capabilities {
        let (args, queues) = (self.spec.args(), &self.queues);
        let mut device = offloads::advertised(&self.info, &self.by_rules, args, queues);
        if !self.knows_priorities {
            device.flow.priority_max = 0;
        }
        device
    }

    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, DpdkError> {
        let (refused, said) = words::during(|| {
            self.renew_if_used()?;
            self.set_up(plan)
        });
        refused.map_err(|error| argued(error, &self.spec, &said))
    }

    fn start(&mut self) -> Result<(), DpdkError> {
        let (started, said) = words::during(|| self.bring_up());
        started.map_err(|error| argued(error, &self.spec, &said))
    }

    fn says(&self, plan: &Plan) -> Vec<(Capability, Result<String, String>)> {
        let mut said = burst_mode::says(&self.port, &self.capabilities(), plan);
        said.extend(offloads::done_unasked(&self.capabilities(), plan));
        said
    }

    fn stop(&mut self) -> Result<(), DpdkError> {
        // Without RTE_ETH_DEV_CAPA_FLOW_RULE_KEEP rules are to go before the port stops.
        // One that stays goes with the stop.
        let _ = self.rules.withdraw();
        self.port.stop()
    }

    fn steer(&mut self, rules: &RuleSet) -> Result<(), String> {
        words::during(|| self.rules.install(rules)).0
    }

    fn run(self) -> DpdkNic {
        let stamps = self.stamps.filter(|_| self.listen.stamp.is_some());
        let look = |clock| {
            let counter = HostCounter::best();
            routes::find(&self.port, &self.spec, &self.info.driver, clock, &counter)
        };
        let clocks = stamps.map(look).unwrap_or_default();
        let clock = clocks.found.as_ref().map(|found| found.clock.info()).or(stamps);
        let (mac, mtu) = (self.mac(), self.mtu());
        let DpdkBackend {
            rules, port, pools, info, listen, leaves_sums, fast_free, chains, ..
        } = self;
        let Some(Pools { rx, tx }) = pools else { unreachable!("it was configured") };
        let keeps_buffers = !offloads::gives_buffers_back(&info);
        let kept = keeps_buffers.then(|| rx.in_use());
        let running = Running::new(rules, port, rx, tx, kept);
        let Some(queue) = Queue::take(&running, 0) else { unreachable!("it was started") };
        let how = How { listen, leaves_sums, fast_free, chains, keeps_buffers, clock, mac, mtu };
        DpdkNic::new(queue, how).with_clocks(clocks)
    }
}

impl DpdkBackend {
    /// Has a device made anew whose driver does not survive a second set-up of its queues.
    fn renew_if_used(&mut self) -> Result<(), DpdkError> {
        let is_used = self.port.queues() != (0, 0);
        if !is_used || !QUEUES_ONCE.contains(&self.info.driver.as_str()) {
            return Ok(());
        }
        // Where its address was made up it has another now, and listens to all: not every driver takes one.
        self.told_mac = self.told_mac.or_else(|| Some(self.port.mac()));
        self.port.renew(&self.spec)?;
        self.rules = Rules::none(self.port.id());
        self.isolated = false;
        Ok(())
    }

    fn set_up(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, DpdkError> {
        self.refuse_too_many_queues()?;
        let mut refused = Vec::from_iter(self.isolate(plan));
        let (mut rx_offloads, tx_offloads) = offloads::asked(plan);
        let mut stamp = None;
        if plan.uses(Capability::RxTimestamp) {
            let stamps = offloads::stamped_by(&self.info, plan);
            self.stamps = Some(stamps);
            match clock::register_stamps(stamps.domain) {
                Ok(stamping) => stamp = Some(stamping),
                Err(errno) => {
                    rx_offloads &= !offloads::bits_of(Capability::RxTimestamp).0;
                    refused.push((Capability::RxTimestamp, format!("no room in mbufs: {errno}")));
                }
            }
        }
        self.leaves_sums =
            plan.uses(Capability::TxIpv4Checksum) || plan.uses(Capability::TxTcpChecksum);
        self.fast_free = plan.uses(Capability::FastFree);
        // What the driver refuses to sum is summed in one buffer, and what it frees without a look is one.
        let chains = if self.fast_free { 0 } else { offloads::chains(&self.info) };
        let Queues { rx, tx, rx_descriptors, tx_descriptors } = self.queues;
        let config = Config {
            rx_queues: rx,
            tx_queues: tx,
            rx_descriptors,
            tx_descriptors,
            rx: self.info.rx.of(rx_offloads),
            tx: self.info.tx.of(tx_offloads | chains),
            tells_of_link: self.info.tells_of_link,
        };
        self.pools()?;
        let Some(pools) = &self.pools else { return Err(no_port(&self.spec, "")) };
        self.port.configure(&config, &pools.rx).map_err(|error| match error {
            DpdkError::Failed { port, errno, .. } if rx != tx => {
                DpdkError::QueuesUnpaired { port, rx, tx, errno }
            }
            error => error,
        })?;
        let switched_on = self.port.switched_on(&self.info, &config)?;
        self.chains = switched_on.1 & chains != 0;
        refused.extend(offloads::left_off(plan, &self.info, switched_on));
        refused.extend(flow::refused(self.port.id(), plan));
        self.listen = Listen {
            ipv4: plan.uses(Capability::RxIpv4Checksum),
            tcp: plan.uses(Capability::RxTcpChecksum),
            mark: plan.uses(Capability::FlowMark),
            stamp,
        };
        Ok(refused)
    }

    fn bring_up(&mut self) -> Result<(), DpdkError> {
        self.port.start()?;
        if self.mac() != self.port.mac() {
            self.port.listen_to_all()?;
        }
        let waited = Instant::now();
        while !self.port.is_up() && waited.elapsed() < LINK_WAIT_MAX {
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}
