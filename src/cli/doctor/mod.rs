//! `fixwire doctor`: the host, looked at as a latency engineer would, and how to mend what is found.

mod build;
mod check;
mod clocks;
mod cores;
mod firmware;
mod host;
mod interface;
mod irqs;
#[cfg(test)]
mod made_host;
mod memory;
mod nic;
mod pci;
mod ports;
mod process;
mod program;
mod reach;
mod report;
mod rst_guard;
mod time;
mod unit;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::Args;
use fixwire::offload::profile::{Core, Profile};
use fixwire_hw::core::{self, allowed_cores, ranges};
use fixwire_hw::core_list::CoreList;

use super::failure::Failure;
use super::nic_spec::NicSpec;
use super::session_file::{NetworkSettings, Purpose, SessionFile, Side};
use super::{profile, say};
use build::Build;
use check::Check;
pub(crate) use check::State;
pub(crate) use host::Host;
use nic::Kind;
use pci::PciAddress;
pub(crate) use program::Answer;
pub(crate) use rst_guard::{refuse_unguarded, required as rst_guard_of};
pub(crate) use time::{HostTime, keeps};

/// Look at the host as a latency engineer would, and say how to mend each thing that is found.
///
/// Memory (hugepages, hugetlbfs, transparent hugepages, swap), the polling core (isolcpus, nohz_full,
/// rcu_nocbs, C-states, frequency governor, SMT siblings, IRQ affinity, irqbalance, RT throttling), clocks, who keeps
/// the host's time, how right that is and whether its PTP hardware clocks keep TAI or UTC, the memory that the process may lock, and whether the kernel would answer the engine's peers with RST. With --nic that
/// NIC too: whether this program has DPDK, driver binding, IOMMU, NUMA distance, PCIe link, ring sizes, IRQ affinity, of
/// mlx5 its libraries, the kernel's interface (link, MTU, pause frames, queues), capabilities, firmware settings and
/// whether they are in effect, the unit that starts the engine, and, with --session, which ports the kernel shares with
/// it, who answers ARP for it and where its next hop is. Nothing is changed or set; `mlxconfig` or `mstconfig`, `nft`, `ip`, `ethtool`, `ldconfig` and `systemctl` are asked where they
/// are installed. As root more can be told.
///
/// Start it as a run would be started, by the same `taskset`: which core polls follows from the profile and the
/// cores that the process may use.
///
/// Each check is ok, warn, fail or unknown (it cannot be told here; the row says why). Required, so that exit code
/// 1 follows when it fails: a core that the profile names can be used; and of a NIC that was asked for that it is
/// there, that this program has DPDK, that it is bound to a driver that works with ours, with verbs, libraries, a link and capabilities for mlx5 or an IOMMU
/// for others, that there are hugepages and memory may be locked, and that the kernel does not answer for the engine
/// beside mlx5. Everything else is advised: it costs time, not the run, and is warned of.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The NIC to look at besides, by its PCI address: 0000:3b:00.0, or short, 3b:00.0.
    #[arg(long, value_name = "PCI")]
    nic: Option<PciAddress>,
    /// A built-in profile or a file, which says which core polls; by default `tap`, as for `run`, with --nic
    /// the one for that NIC by its PCI numbers; where there is none, `connectx5` for mlx5, else `default`.
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Session settings, for the engine's address (docs/sessions.md).
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Print rows for machines.
    #[arg(long)]
    json: bool,
}

/// What the host is looked at for.
struct Asked {
    profile: Profile,
    /// The core that would poll, if one is settled.
    core: Option<u16>,
    /// The cores that this process may use.
    allowed: Vec<u16>,
    nic: Option<PciAddress>,
    network: NetworkSettings,
    /// Whom the sessions that connect call, where that is said.
    calls: Vec<Option<Ipv4Addr>>,
    build: Build,
}

impl Asked {
    /// The engine's address, where it is said.
    fn engine(&self) -> Option<Ipv4Addr> {
        self.network.addr.map(|(addr, _)| addr)
    }

    /// The host's other cores, as a list; where it does not say which are online, those that may be used.
    fn others(&self, host: &Host, core: u16) -> String {
        let online = host.text("sys/devices/system/cpu/online").ok();
        let online = online.and_then(|list| CoreList::parse(&list)).map(|list| list.cores());
        let mut others = online.unwrap_or_else(|| self.allowed.clone());
        others.retain(|other| *other != core);
        if others.is_empty() { "0".into() } else { ranges(&others) }
    }

    /// One for all that does not poll.
    fn other_core(&self, core: u16) -> u16 {
        self.allowed.iter().copied().find(|other| *other != core).unwrap_or(0)
    }
}

pub(crate) fn command(args: &DoctorArgs) -> Result<(), Failure> {
    let host = Host::this();
    let profile =
        profile::load(args.profile.as_deref().unwrap_or(default_profile(&host, args.nic)))?;
    let settings = SessionFile::open_or_built_in(args.session.as_deref(), Purpose::Trade)?;
    let allowed = allowed_cores();
    let calls = settings.sessions.iter().filter(|session| session.side == Side::Initiator);
    let asked = Asked {
        core: polling_core(&host, &profile, &allowed),
        profile,
        allowed,
        nic: args.nic,
        network: settings.network,
        calls: calls
            .flat_map(|session| {
                let besides = session.connect_alternates.iter().map(|at| Some(*at.ip()));
                std::iter::once(session.connect_host).chain(besides)
            })
            .collect(),
        build: Build::this(),
    };
    let time = HostTime::read(&host);
    let checks = examine(&host, &asked, &time);
    if args.json {
        say(report::for_machines(&checks, &asked, &time));
    } else {
        say(report::for_people(&checks, &asked));
    }
    report::outcome(&checks)
}

/// What a report of latencies says of the host that they were measured on.
pub(crate) struct Facts {
    /// A table, and what would mend each thing.
    pub(crate) text: String,
    /// The same for machines.
    pub(crate) json: serde_json::Value,
}

/// Memory, cores and clocks, looked at as by `fixwire doctor` for a run by `profile`.
pub(crate) fn facts(profile: &Profile) -> Facts {
    let host = Host::this();
    let allowed = allowed_cores();
    let asked = Asked {
        core: polling_core(&host, profile, &allowed),
        profile: profile.clone(),
        allowed,
        nic: None,
        network: NetworkSettings::default(),
        calls: Vec::new(),
        build: Build::this(),
    };
    let mut checks = memory::checks(&host, &asked);
    checks.extend(cores::checks(&host, &asked));
    checks.extend(clocks::checks(&host, &asked));
    let time = HostTime::read(&host);
    checks.extend(time.checks());
    let json = report::for_machines(&checks, &asked, &time);
    Facts { text: report::for_people(&checks, &asked), json }
}

fn default_profile(host: &Host, nic: Option<PciAddress>) -> &'static str {
    match nic.map(|nic| nic::kind(host, nic)) {
        None => NicSpec::TapEmbedded.default_profile(),
        Some(Some(kind)) => {
            nic.and_then(|nic| nic::fitting_profile(host, nic)).unwrap_or(match kind {
                Kind::Bifurcated => "connectx5",
                Kind::Owned => "default",
            })
        }
        Some(None) => "default",
    }
}

/// As a run would choose it.
fn polling_core(host: &Host, profile: &Profile, allowed: &[u16]) -> Option<u16> {
    let list = |what| {
        let text = host.text(&format!("sys/devices/system/cpu/{what}")).ok();
        text.and_then(|text| CoreList::parse(&text)).unwrap_or_default()
    };
    match profile.core {
        Core::Any => None,
        Core::Number(core) => Some(core),
        Core::Auto => {
            core::auto_cores(allowed, &list("online"), &list("isolated")).first().copied()
        }
    }
}

fn examine(host: &Host, asked: &Asked, time: &HostTime) -> Vec<Check> {
    let mut checks = memory::checks(host, asked);
    checks.extend(cores::checks(host, asked));
    checks.extend(clocks::checks(host, asked));
    checks.extend(time.checks());
    checks.extend(nic::checks(host, asked));
    checks.extend(process::checks(host, asked));
    checks.extend(unit::checks(host, asked));
    checks.extend(rst_guard::checks(host, asked));
    checks.extend(ports::checks(host, asked));
    checks.extend(reach::checks(host, asked));
    checks
}

#[cfg(test)]
mod tests;
