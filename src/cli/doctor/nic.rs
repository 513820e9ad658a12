//! The NIC that was asked for: whether it is there, whose it is, and how it is joined to memory and core.

use fixwire::offload::profile::{Queues, fitting};

use super::check::{Check, Subject};
use super::host::Host;
use super::pci::PciAddress;
use super::program::Answer;
use super::{Asked, firmware, interface, irqs};
use fixwire_hw::core_list::CoreList;

const AREA: &str = "NIC";
const PRESENT: Subject = Subject::required(AREA, "present");
const DRIVER: Subject = Subject::required(AREA, "driver binding");
const VERBS: Subject = Subject::required(AREA, "verbs device");
const LIBRARIES: Subject = Subject::required(AREA, "mlx5 libraries");
const IOMMU: Subject = Subject::advised(AREA, "IOMMU");
const NUMA: Subject = Subject::advised(AREA, "NUMA distance");
const WIDTH: Subject = Subject::advised(AREA, "PCIe link width");
const SPEED: Subject = Subject::advised(AREA, "PCIe link speed");
const ASPM: Subject = Subject::advised(AREA, "PCIe ASPM");
const RINGS: Subject = Subject::advised(AREA, "ring sizes");

/// PCI vendor of Mellanox, now NVIDIA.
const MELLANOX: &str = "0x15b3";
/// The first digits of a network controller's class (PCI Code and ID Assignment, base class 02h).
const NETWORK_CLASS: &str = "0x02";
/// Distance of a node from itself (ACPI 6.5, 5.2.17).
const LOCAL_DISTANCE: u32 = 10;

/// Drivers that give a NIC to a program with no IOMMU between.
const WITHOUT_IOMMU: [&str; 2] = ["uio_pci_generic", "igb_uio"];

/// What a NIC is driven by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By mlx5, beside the kernel's own driver, which stays.
    Bifurcated,
    /// By a driver of ours alone, the kernel's having let it go.
    Owned,
}

pub(crate) fn folder(nic: PciAddress) -> String {
    format!("sys/bus/pci/devices/{nic}")
}

/// The kind of a NIC, if it is there. What is no network controller has none: nobody is to be told to take a disk
/// from its driver.
pub(crate) fn kind(host: &Host, nic: PciAddress) -> Option<Kind> {
    let text = |what| host.text(&format!("{}/{what}", folder(nic))).ok();
    text("class").filter(|class| class.starts_with(NETWORK_CLASS))?;
    Some(if text("vendor")? == MELLANOX { Kind::Bifurcated } else { Kind::Owned })
}

/// The built-in profile for a NIC, if there is one.
pub(crate) fn fitting_profile(host: &Host, nic: PciAddress) -> Option<&'static str> {
    let number = |what: &str| {
        let text = host.text(&format!("{}/{what}", folder(nic))).ok()?;
        u16::from_str_radix(text.strip_prefix("0x")?, 16).ok()
    };
    fitting(number("vendor")?, number("device")?)
}

/// The node that a NIC's memory is nearest to, where the firmware says.
pub(crate) fn node(host: &Host, nic: PciAddress) -> Option<u16> {
    host.number::<i32>(&format!("{}/numa_node", folder(nic))).ok()?.try_into().ok()
}

/// The name that the kernel has for its interface.
pub(crate) fn interface_name(host: &Host, nic: PciAddress) -> Option<String> {
    let names = |folder: String| host.names(&format!("{folder}/net")).ok()?.into_iter().next();
    names(folder(nic)).or_else(|| names(virtio_folder(host, nic)?))
}

/// Whether the kernel has a NIC for itself that is to be ours: by a driver of its own, or an interface.
pub(crate) fn is_kernel_s(host: &Host, nic: PciAddress) -> bool {
    let lends = |name: &str| name == "vfio-pci" || WITHOUT_IOMMU.contains(&name);
    let is_lent = match host.link(&format!("{}/driver", folder(nic))) {
        Ok(name) => lends(&name),
        Err(untold) => untold.is_absent(),
    };
    !is_lent || interface_name(host, nic).is_some()
}

/// Of a NIC that is virtio's, the device behind the PCI one: the interface is of that (`virtio0/net/eth0`).
fn virtio_folder(host: &Host, nic: PciAddress) -> Option<String> {
    let names = host.names(&folder(nic)).ok()?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = names.iter().find(|name| name.strip_prefix("virtio").is_some_and(is_number))?;
    Some(format!("{}/{name}", folder(nic)))
}

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let Some(nic) = asked.nic else { return vec![iommu_of_host(host)] };
    let mut checks = vec![present(host, nic)];
    // Of what is not there, or is no NIC, is nothing more to be said.
    let Some(kind) = kind(host, nic) else { return checks };
    checks.push(asked.build.check(kind));
    checks.push(driver(host, nic, kind));
    if kind == Kind::Bifurcated {
        checks.push(verbs(host, nic));
        checks.push(libraries(host, asked.build.has_mlx5()));
    }
    checks.push(iommu(host, nic, kind));
    checks.push(numa(host, nic, asked.core));
    checks.push(link(host, nic, WIDTH, "width", "lanes"));
    checks.push(link(host, nic, SPEED, "speed", ""));
    checks.push(aspm(host, nic));
    checks.push(rings(host, nic, &asked.profile.queues));
    checks.push(irqs::of_nic(host, nic, asked));
    if kind == Kind::Bifurcated {
        checks.extend(interface::checks(host, nic));
        checks.extend(firmware::checks(host, nic, &asked.profile));
    }
    checks
}

fn present(host: &Host, nic: PciAddress) -> Check {
    const LIST: &str = "`lspci -D | grep -i ethernet` lists addresses; a card that is not among them: seat it \
                        anew, and see that its slot is enabled in the BIOS";
    let text = |what| host.text(&format!("{}/{what}", folder(nic)));
    match (text("class"), text("vendor"), text("device")) {
        (Ok(class), Ok(vendor), Ok(device)) if class.starts_with(NETWORK_CLASS) => {
            PRESENT.ok(format!("{nic}, vendor {vendor}, device {device}"))
        }
        (Ok(class), Ok(_), Ok(_)) => {
            PRESENT.bad(format!("{nic} is no network controller (class {class})"), LIST)
        }
        (Err(untold), ..) | (_, Err(untold), _) | (.., Err(untold)) if untold.is_absent() => {
            PRESENT.bad(format!("there is no PCI device {nic}"), LIST)
        }
        (Err(untold), ..) | (_, Err(untold), _) | (.., Err(untold)) => {
            PRESENT.unknown(untold, LIST)
        }
    }
}

fn driver(host: &Host, nic: PciAddress, kind: Kind) -> Check {
    let bind = match kind {
        Kind::Bifurcated => format!(
            "`modprobe mlx5_core`, then `driverctl unset-override {nic}` or `echo {nic} > \
             /sys/bus/pci/drivers_probe`; mlx5 works beside the kernel's driver and never by vfio-pci"
        ),
        Kind::Owned => {
            let goes = interface_name(host, nic).map_or(String::new(), |name| {
                format!("; {name} goes with it: do not log in by that one")
            });
            format!("`modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci {nic}`{goes}")
        }
    };
    match host.link(&format!("{}/driver", folder(nic))) {
        Ok(name) => match (kind, name.as_str()) {
            (Kind::Bifurcated, "mlx5_core") | (Kind::Owned, "vfio-pci") => DRIVER.ok(name),
            (Kind::Bifurcated, "mlx4_core") => DRIVER.bad(
                "mlx4_core: a ConnectX-3 or older, for which there is no profile",
                "a ConnectX-5 or later",
            ),
            (Kind::Owned, name) if WITHOUT_IOMMU.contains(&name) => {
                DRIVER.warn(format!("{name}: nothing confines what the NIC writes"), bind)
            }
            _ => DRIVER.bad(format!("{name}, which no driver of ours works with"), bind),
        },
        Err(untold) if untold.is_absent() => DRIVER.bad("bound to none", bind),
        Err(untold) => DRIVER.unknown(untold, bind),
    }
}

/// mlx5 reaches its NIC through the kernel's verbs.
fn verbs(host: &Host, nic: PciAddress) -> Check {
    const LOAD: &str =
        "`modprobe -a mlx5_ib ib_uverbs`, with rdma-core installed (`apt-get install rdma-core`)";
    match host.names(&format!("{}/infiniband_verbs", folder(nic))) {
        Ok(names) if !names.is_empty() => VERBS.ok(format!("/dev/infiniband/{}", names.join(", "))),
        Ok(_) => VERBS.bad("none", LOAD),
        Err(untold) if untold.is_absent() => VERBS.bad("none", LOAD),
        Err(untold) => VERBS.unknown(untold, LOAD),
    }
}

/// What DPDK's mlx5 is and needs: its driver, unless that is in the program, and rdma-core's two libraries.
fn libraries(host: &Host, is_linked: bool) -> Check {
    const INSTALL: &str = "`apt-get install rdma-core libibverbs1 ibverbs-providers dpdk`";
    let text = match host.ask("ldconfig", &["-p"]) {
        Answer::Said(text) => text,
        Answer::NotInstalled => {
            return LIBRARIES.unknown("ldconfig is not installed to list them", INSTALL);
        }
        Answer::Failed(why) => return LIBRARIES.unknown(format!("ldconfig: {why}"), INSTALL),
    };
    let listed = |name: &str| text.lines().any(|line| line.trim_start().starts_with(name));
    const WANTED: [&str; 3] = ["libibverbs.so.1", "libmlx5.so.1", "librte_net_mlx5.so"];
    let wanted = &WANTED[..if is_linked { 2 } else { 3 }];
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !listed(name)).collect();
    if missing.is_empty() {
        LIBRARIES.ok(wanted.join(", "))
    } else {
        LIBRARIES.bad(format!("not among the loader's: {}", missing.join(", ")), INSTALL)
    }
}

const PASS_THROUGH: &str = "boot with iommu=pt";
const TURN_ON: &str =
    "BIOS: VT-d or AMD-Vi (IOMMU) enabled; Intel besides: boot with intel_iommu=on iommu=pt";

fn has_iommu(host: &Host) -> bool {
    host.names("sys/class/iommu").is_ok_and(|names| !names.is_empty())
}

fn iommu_of_host(host: &Host) -> Check {
    if !has_iommu(host) {
        return IOMMU.ok("none at work: nothing translates, and vfio-pci would need one");
    }
    match host.text("proc/cmdline") {
        Err(untold) => IOMMU.unknown(untold, PASS_THROUGH),
        Ok(line) if passes_through(&line) => IOMMU.ok("passes kernel drivers' addresses through"),
        Ok(_) => IOMMU.warn("at work, and not told to pass addresses through", PASS_THROUGH),
    }
}

/// Whether the kernel was told to translate nothing for its own drivers (kernel-parameters.txt, `iommu=`,
/// `iommu.passthrough=`).
fn passes_through(boot_line: &str) -> bool {
    let words = boot_line.split_whitespace().take_while(|word| *word != "--");
    words.filter_map(|word| word.split_once('=')).any(|(name, value)| match name {
        "iommu" => value.split(',').any(|part| part == "pt"),
        "iommu.passthrough" => value == "1",
        _ => false,
    })
}

fn iommu(host: &Host, nic: PciAddress, kind: Kind) -> Check {
    let subject = IOMMU.required_if(kind == Kind::Owned);
    let group = host.link(&format!("{}/iommu_group", folder(nic)));
    let domain = match group {
        Ok(group) => host.text(&format!("sys/kernel/iommu_groups/{group}/type")),
        Err(untold) => Err(untold),
    };
    match (kind, domain) {
        (Kind::Owned, Ok(domain)) => {
            subject.ok(format!("there (default domain {domain}); vfio maps by itself"))
        }
        (Kind::Bifurcated, Ok(domain)) if domain == "identity" => {
            subject.ok("passes addresses through")
        }
        (Kind::Bifurcated, Ok(domain)) => subject
            .warn(format!("translates each address of the NIC (domain {domain})"), PASS_THROUGH),
        (Kind::Bifurcated, Err(untold)) if untold.is_absent() => {
            subject.ok("none for this NIC: nothing translates")
        }
        (Kind::Owned, Err(untold)) if untold.is_absent() => {
            let driver = host.link(&format!("{}/driver", folder(nic)));
            let unsafe_mode = host.text("sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
            match unsafe_mode.as_deref() {
                _ if driver.is_ok_and(|name| WITHOUT_IOMMU.contains(&name.as_str())) => subject
                    .warn("none: its driver works without, and nothing confines the NIC", TURN_ON),
                Ok("Y") => {
                    subject.warn("none: vfio works without, and nothing confines the NIC", TURN_ON)
                }
                _ => subject.bad("none, and vfio-pci needs one", TURN_ON),
            }
        }
        (_, Err(untold)) => subject.unknown(untold, "`dmesg | grep -i -e iommu -e dmar`"),
    }
}

fn numa(host: &Host, nic: PciAddress, core: Option<u16>) -> Check {
    let say = format!("BIOS: NUMA (ACPI SRAT) enabled; `cat /{}/numa_node`", folder(nic));
    let online = host.text("sys/devices/system/node/online").ok();
    let Some(nodes) = online.and_then(|list| CoreList::parse(&list)).map(|list| list.cores())
    else {
        return NUMA.ok("no nodes: all memory is equally far");
    };
    if nodes.len() == 1 {
        return NUMA.ok("one node: all memory is equally far");
    }
    let Some(of_nic) = node(host, nic) else {
        return NUMA.unknown("the firmware does not say which node the NIC is on", say);
    };
    let Some(core) = core else {
        return NUMA.unknown("which core polls is not settled", "write `core = N` in the profile");
    };
    let of_core = host.names(&format!("sys/devices/system/cpu/cpu{core}")).ok().and_then(|names| {
        names.iter().find_map(|name| name.strip_prefix("node")?.parse::<u16>().ok())
    });
    let Some(of_core) = of_core else {
        return NUMA.unknown(format!("the kernel does not say which node core {core} is on"), say);
    };
    // One distance for each node that is online, in order.
    let row =
        host.text(&format!("sys/devices/system/node/node{of_nic}/distance")).unwrap_or_default();
    let column = nodes.iter().position(|node| *node == of_core);
    let distance = column
        .and_then(|column| row.split_whitespace().nth(column))
        .and_then(|word| word.parse::<u32>().ok());
    let near = host.text(&format!("sys/devices/system/node/node{of_nic}/cpulist"));
    let near = near.unwrap_or_else(|_| format!("of node {of_nic}"));
    let shown = distance.map_or("unknown".into(), |distance| distance.to_string());
    let found = format!(
        "NIC on node {of_nic}, core {core} on node {of_core}: distance {shown} (local is {LOCAL_DISTANCE})"
    );
    if of_nic == of_core {
        NUMA.ok(found)
    } else {
        NUMA.warn(found, format!("write `core = N` in the profile, N one of {near}; or move the card to a slot of node {of_core}"))
    }
}

fn link(host: &Host, nic: PciAddress, subject: Subject, what: &str, unit: &str) -> Check {
    let look = format!("`lspci -s {nic} -vv | grep -e LnkCap: -e LnkSta:`");
    let seat = "a slot with as many lanes of that generation (`lspci -tv`), the card seated anew; BIOS: PCIe link \
                speed automatic or the slot's greatest, no bifurcation of the slot, ASPM disabled";
    let text = |which| host.text(&format!("{}/{which}_link_{what}", folder(nic)));
    let told = |text: &str| !text.is_empty() && text != "0" && !text.starts_with("Unknown");
    let shown = |text: &str| format!("{text} {unit}").trim().to_owned();
    match (text("current"), text("max")) {
        (Ok(now), Ok(max)) if !told(&now) || !told(&max) => {
            subject.unknown(format!("the device says {now:?} of {max:?}"), look)
        }
        (Ok(now), Ok(max)) if now == max => subject.ok(shown(&now)),
        (Ok(now), Ok(max)) => subject.warn(format!("{} of {}", shown(&now), shown(&max)), seat),
        (Err(untold), _) | (_, Err(untold)) => subject.unknown(untold, look),
    }
}

/// A link that sleeps when nothing comes is awake some microseconds after the first frame (sysfs-bus-pci, `link`).
fn aspm(host: &Host, nic: PciAddress) -> Check {
    const OFF: &str = "boot with pcie_aspm.policy=performance; BIOS: ASPM disabled";
    let folder = format!("{}/link", folder(nic));
    let names = match host.names(&folder) {
        Ok(names) => names,
        Err(untold) if untold.is_absent() => {
            return ASPM.ok("the kernel lets no state of this link be chosen");
        }
        Err(untold) => return ASPM.unknown(untold, OFF),
    };
    let is_on = |name: &&String| host.text(&format!("{folder}/{name}")).is_ok_and(|on| on == "1");
    let on: Vec<&str> = names.iter().filter(is_on).map(String::as_str).collect();
    if on.is_empty() {
        ASPM.ok("no state in which the link sleeps")
    } else {
        ASPM.warn(format!("the link may sleep: {}", on.join(", ")), OFF)
    }
}

/// The descriptors that the profile asks for, against what the NIC's rings hold.
fn rings(host: &Host, nic: PciAddress, queues: &Queues) -> Check {
    let wanted = format!(
        "the profile asks for {} to receive, {} to send",
        queues.rx_descriptors, queues.tx_descriptors
    );
    let Some(name) = interface_name(host, nic) else {
        return RINGS.unknown(
            format!("{wanted}; the kernel has no interface to ask by"),
            format!("`dpdk-testpmd -a {nic} -- -i`, then `show port info 0`"),
        );
    };
    match host.ask("ethtool", &["-g", &name]) {
        Answer::Said(text) => match ring_limits(&text) {
            Some((rx, tx)) if rx >= queues.rx_descriptors.into() && tx >= queues.tx_descriptors.into() => {
                RINGS.ok(format!("{wanted}; {name} has up to {rx} and {tx}"))
            }
            Some((rx, tx)) => RINGS.warn(
                format!("{wanted}; {name} has up to {rx} and {tx}"),
                format!("rx_descriptors = {rx} and tx_descriptors = {tx} at most, in the profile's [queues]"),
            ),
            None => RINGS.unknown(format!("{wanted}; ethtool does not say what {name} has"), format!("`ethtool -g {name}`")),
        },
        Answer::NotInstalled => RINGS.unknown(
            format!("{wanted}; ethtool is not installed"),
            format!("`apt-get install ethtool`, then `ethtool -g {name}`"),
        ),
        Answer::Failed(why) => RINGS.unknown(format!("{wanted}; ethtool: {why}"), format!("`sudo ethtool -g {name}`")),
    }
}

/// The greatest rings, to receive and to send, by `ethtool -g`: its first block.
fn ring_limits(text: &str) -> Option<(u32, u32)> {
    let limit = |direction: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(direction))?;
        line.trim().parse().ok()
    };
    Some((limit("RX:")?, limit("TX:")?))
}

#[cfg(test)]
mod tests;
