//! `dpdk:...`: any poll-mode driver of DPDK's, with the kernel behind it where that is its line.

use std::net::Ipv4Addr;

use fixwire::neighbor::Network;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::Nic;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{ClockSettings, Policy, Profile};
use fixwire::wire::ethernet::Mac;
use fixwire_hw::dpdk::{self, DeviceSpec, DpdkBackend, DpdkError, DpdkNic, Memory};
use fixwire_hw::host_counter::HostCounter;
use fixwire_hw::tap::{self, KernelSide, namespace};

use super::bring_up;
use super::clocks::Clocks;
use super::device;
use super::failure::Failure;
use super::kernel_side::Beside;
use super::session_file::{NetworkSettings, SessionFile, SessionSettings, Side};
use super::{say, warn};

/// A port that was found.
pub(crate) struct Opened {
    pub(crate) backend: DpdkBackend,
    /// The kernel's end of its line, in a namespace of ours.
    pub(crate) kernel: Option<KernelSide>,
}

/// The engine's place on the network, and what the kernel has of its port.
pub(crate) struct NetworkFor {
    pub(crate) network: Network,
    pub(crate) beside: Beside,
}

/// Where an interface is made that DPDK's driver has in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// In a namespace of our own, as fixwire's own TAP is: no root is needed.
    OfOurOwn,
    /// In the namespace that we were started in, with whoever is there. Needs CAP_NET_ADMIN.
    Here,
}

/// Whether what DPDK and its drivers write is kept until something fails.
pub(crate) fn keep_words(keep: bool) {
    dpdk::keep_words(keep);
}

/// Shows what was kept, before the failure that it is of.
pub(crate) fn show_words() {
    let words = dpdk::take_words();
    if !words.is_empty() {
        warn(format_args!("what DPDK and its driver said:\n{}", words.trim_end()));
    }
}

/// A device is set up: what was said meanwhile did no harm, and is of no failure that follows.
pub(crate) fn forget_words() {
    drop(dpdk::take_words());
}

/// Whoever has DPDK log something in particular is shown it.
fn keep_words_unless_logged(profile: &Profile) {
    if profile.eal.iter().any(|arg| arg.starts_with("--log-level")) {
        dpdk::keep_words(false);
    }
}

/// Starts DPDK.
pub(crate) fn open(
    device: &DeviceSpec,
    profile: &Profile,
    json: bool,
    place: Where,
) -> Result<Opened, Failure> {
    let iface = kernel_interface(&device.clone().with_devargs(profile));
    if iface.is_some() && place == Where::OfOurOwn {
        namespace::enter().map_err(|error| device::tap_failure(&error))?;
    }
    keep_words_unless_logged(profile);
    let memory = Memory::best();
    let shortage = memory.shortage();
    let backend =
        DpdkBackend::open(device.clone(), memory, profile).map_err(|error| failure(&error))?;
    introduce(&backend, shortage.as_deref(), json);
    let kernel = iface
        .map(|name| tap::adopt(&name))
        .transpose()
        .map_err(|error| device::tap_failure(&error))?;
    Ok(Opened { backend, kernel })
}

/// Refuses a port that may put our frames into queues that nobody polls: those of the profile, and those that its driver
/// makes by what it is told.
pub(crate) fn refuse_unpolled_queues(
    device: &DeviceSpec,
    profile: &Profile,
    plan: &Plan,
) -> Result<(), Failure> {
    if plan.uses(Capability::FlowIsolation) {
        return Ok(());
    }
    let queues = profile.queues.rx;
    if queues == 1 {
        return refuse_made_queues(&device.clone().with_devargs(profile));
    }
    Err(Failure::Input(format!(
        "the profile asks for {queues} receive queues, of which fixwire polls the first, and {} may put frames of ours \
         into the others, where they are lost: flow_isolation is not on ({}); write `rx = 1` under [queues] in the \
         profile (the library can poll several)",
        plan.nic,
        plan.row(Capability::FlowIsolation).reason
    )))
}

/// Refuses queues that a driver makes by what it is told, of a port that is not isolated.
fn refuse_made_queues(device: &DeviceSpec) -> Result<(), Failure> {
    match device.several_queues() {
        Some(written) => Err(Failure::Input(format!(
            "dpdk:{} has several receive queues by `{written}`, of which fixwire polls the first, and frames of ours in \
             the others are lost; have one, behind the device's name or in `devargs` under [device] of the profile (the \
             library can poll several)",
            device.name()
        ))),
        None => Ok(()),
    }
}

/// The clocks that a port's stamps are by.
pub(crate) fn clocks(nic: &mut DpdkNic, settings: &ClockSettings) -> Clocks {
    let stamps = nic.clock();
    Clocks::of_device(HostCounter::best(), stamps, nic.take_clocks(), settings)
}

/// Starts DPDK for the two ends of a line, of which only the near one goes by the profile.
pub(crate) fn open_pair(
    near: &DeviceSpec,
    far: &DeviceSpec,
    profile: &Profile,
    json: bool,
) -> Result<[DpdkBackend; 2], Failure> {
    refuse_made_queues(far)?;
    keep_words_unless_logged(profile);
    let plain = Profile::all(Policy::Off);
    let (near, far) = ((near.clone(), profile), (far.clone(), &plain));
    let memory = Memory::best();
    let shortage = memory.shortage();
    let pair = DpdkBackend::open_pair(near, far, memory).map_err(|error| failure(&error))?;
    pair.iter().for_each(|end| introduce(end, shortage.as_deref(), json));
    Ok(pair)
}

/// `shortage`: why its frames lie in no huge pages. With `json` standard output is the report's alone.
fn introduce(backend: &DpdkBackend, shortage: Option<&str>, json: bool) {
    let line = format!(
        "{}: driver {}, DPDK {}; frames lie in {}{}",
        backend.spec().name(),
        backend.driver(),
        dpdk::version(),
        backend.memory(),
        shortage.map(|why| format!(" ({why})")).unwrap_or_default()
    );
    if json { warn(line) } else { say(line) }
}

/// The interface that a driver makes in the kernel, by name, for a device that a profile's arguments are among.
fn kernel_interface(device: &DeviceSpec) -> Option<String> {
    let is_tap = device.name().starts_with("net_tap");
    device.arg("iface").filter(|_| is_tap).map(str::to_owned)
}

impl Opened {
    /// The far side's address, where it is the kernel's.
    pub(crate) fn far(&self) -> Option<Ipv4Addr> {
        self.kernel.as_ref().map(|kernel| kernel.addr)
    }

    /// The engine's place on the network: on the kernel's, or where the settings say, beyond a gateway of the
    /// kernel's routes where they name none.
    pub(crate) fn network(
        &self,
        settings: &SessionFile,
        profile: &Profile,
    ) -> Result<NetworkFor, Failure> {
        let beside = Beside::of(&self.backend, settings.network.vlan);
        let mut network = self.own_network(&settings.network, &settings.sessions)?;
        if network.gateway.is_none() {
            let peers = settings.sessions.iter().flat_map(SessionSettings::connect_hosts);
            let mut beyond = peers.filter(|peer| network.next_hop(*peer).is_none());
            network.gateway = beyond.find_map(|peer| beside.gateway(profile, peer));
        }
        refuse_unreachable(&network, &settings.sessions)?;
        Ok(NetworkFor { network, beside })
    }

    fn own_network(
        &self,
        settings: &NetworkSettings,
        sessions: &[SessionSettings],
    ) -> Result<Network, Failure> {
        let mac = Mac(self.backend.mac());
        let mtu = u16::try_from(self.backend.mtu()).unwrap_or(u16::MAX);
        if let Some(kernel) = &self.kernel {
            return bring_up::network(settings, mac, mtu, (kernel.addr, kernel.prefix_len));
        }
        let device = self.backend.spec().name();
        let Some((addr, prefix_len)) = settings.addr else {
            return Err(Failure::Input(format!(
                "{device} has no kernel behind it to take an address beside; write `address = \
                 \"10.1.2.3/24\"` under [network] in the session file"
            )));
        };
        let lost = |session: &&SessionSettings| {
            session.side == Side::Initiator && session.connect_host.is_none()
        };
        if let Some(session) = sessions.iter().find(lost) {
            return Err(Failure::Input(format!(
                "the session of {:?} does not say where to connect to, and {device} has no kernel behind it; \
                 write socket_connect_host",
                session.sender_comp_id
            )));
        }
        let (gateway, vlan) = (settings.gateway, settings.vlan);
        Ok(Network { mac, addr, prefix_len, gateway, vlan, mtu })
    }
}

/// Refuses a peer that no frame would ever be sent to.
fn refuse_unreachable(network: &Network, sessions: &[SessionSettings]) -> Result<(), Failure> {
    let initiators = sessions.iter().filter(|session| session.side == Side::Initiator);
    let mut peers = initiators.flat_map(SessionSettings::connect_hosts);
    let Some(beyond) = peers.find(|peer| network.next_hop(*peer).is_none()) else { return Ok(()) };
    let Network { addr, prefix_len, .. } = network;
    Err(Failure::Input(format!(
        "{beyond} is not on the engine's network, {addr}/{prefix_len}, and no gateway is known to send by; write \
         `gateway`, the router's address on that network, under [network] in the session file, or correct \
         socket_connect_host or the prefix length of `address`"
    )))
}

/// Whose turn it is.
pub(crate) fn failure(error: &DpdkError) -> Failure {
    match error {
        DpdkError::NotADevice { .. }
        | DpdkError::UnknownArgument { .. }
        | DpdkError::NoValue { .. }
        | DpdkError::ArgumentTwice { .. }
        | DpdkError::ArgumentMissing { .. }
        | DpdkError::InterfaceName { .. }
        | DpdkError::Bonding { .. }
        | DpdkError::UntoldMember { .. }
        | DpdkError::Conflict { .. }
        | DpdkError::Queues { .. } => Failure::Input(error.to_string()),
        _ => Failure::Run(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use fixwire::offload::flow::RuleSet;
    use fixwire::offload::profile::Queues;
    use fixwire_hw::sim::Model;

    use super::super::plan::usual_rules;
    use super::*;

    /// Whether `queues` of the profile's, and those of `port`, are refused of a port that is isolated, or is not.
    fn refused(port: &str, queues: u16, isolation: Policy) -> Option<String> {
        let mut profile = Profile::all(Policy::Prefer).with(Capability::FlowIsolation, isolation);
        profile.queues = Queues { rx: queues, tx: queues, ..profile.queues };
        let device = device::set_up_by(Model::named("connectx5").unwrap().capabilities, &profile);
        let plan = Plan::negotiate("dpdk:x0", &profile, &device);
        let rules = usual_rules(&profile).unwrap_or(RuleSet::EMPTY);
        let plan = plan.steered_by(rules, &device.flow);
        assert_eq!(plan.uses(Capability::FlowIsolation), isolation == Policy::Prefer);
        match refuse_unpolled_queues(&DeviceSpec::parse(port).unwrap(), &profile, &plan) {
            Ok(()) => None,
            Err(Failure::Input(words)) => Some(words),
            Err(_) => panic!("it is for the profile to mend"),
        }
    }

    #[test]
    fn queues_that_nobody_polls_are_refused_unless_rules_alone_bring_frames_in() {
        let port = "3b:00.0";
        assert_eq!(refused(port, 1, Policy::Off), None);
        assert_eq!(refused(port, 1, Policy::Prefer), None);
        assert_eq!(refused(port, 2, Policy::Prefer), None);
        let words = refused(port, 2, Policy::Off).expect("a refusal");
        let parts = ["asks for 2 receive queues", "dpdk:x0 may put frames of ours", "`rx = 1`"];
        assert!(parts.iter().all(|part| words.contains(part)), "{words}");
        assert!(words.contains("flow_isolation is not on ("), "{words}");
    }

    #[test]
    fn queues_that_the_driver_makes_are_refused_too_though_the_profile_asks_for_one() {
        let words = refused("net_af_packet0,iface=v0,qpairs=2", 1, Policy::Off).expect("a refusal");
        let parts = ["dpdk:net_af_packet0 has several receive queues by `qpairs=2`", "have one"];
        assert!(parts.iter().all(|part| words.contains(part)), "{words}");
        assert_eq!(refused("net_af_packet0,iface=v0,qpairs=1", 1, Policy::Off), None);
    }
}
