use super::super::check::State::{Fail, Ok, Unknown, Warn};
use super::super::made_host::{MadeHost, asked, assert_state, of};
use super::*;

const NIC: &str = "sys/bus/pci/devices/0000:3b:00.0";

fn nic() -> PciAddress {
    "3b:00.0".parse().unwrap()
}

fn card(vendor: &str) -> MadeHost {
    MadeHost::new()
        .file(&format!("{NIC}/vendor"), &format!("{vendor}\n"))
        .file(&format!("{NIC}/device"), "0x1017\n")
        .file(&format!("{NIC}/class"), "0x020000\n")
}

fn with_nic() -> Asked {
    Asked { nic: Some(nic()), ..asked() }
}

fn checked(made: &MadeHost, name: &str) -> Check {
    of(&checks(&made.host(), &with_nic()), name).clone()
}

#[test]
fn a_nic_that_is_not_there_fails_and_nothing_more_is_said_of_it() {
    let checks = checks(&MadeHost::new().host(), &with_nic());
    assert_eq!(checks.len(), 1);
    assert_state(&checks[0], Fail, "no PCI device 0000:3b:00.0");
    assert!(checks[0].remedy.contains("lspci -D"));

    assert_state(&checked(&card(MELLANOX), "present"), Ok, "vendor 0x15b3, device 0x1017");
    let bridge = card("0x8086").file(&format!("{NIC}/class"), "0x060400\n");
    let checks = super::checks(&bridge.host(), &with_nic());
    assert_eq!(checks.len(), 1, "nobody is told to take it from its driver: {checks:?}");
    assert_state(&checks[0], Fail, "no network controller (class 0x060400)");
    let odd = card("0x8086").link(&format!("{NIC}/class"), "class");
    assert_state(&checked(&odd, "present"), Unknown, "cannot be read");
}

#[test]
fn a_driver_is_right_by_who_made_the_nic() {
    for (vendor, bound, state, says) in [
        (MELLANOX, Some("mlx5_core"), Ok, "mlx5_core"),
        (MELLANOX, Some("vfio-pci"), Fail, "modprobe mlx5_core"),
        (MELLANOX, Some("mlx4_core"), Fail, "ConnectX-3"),
        (MELLANOX, None, Fail, "drivers_probe"),
        ("0x8086", Some("vfio-pci"), Ok, "vfio-pci"),
        ("0x8086", Some("uio_pci_generic"), Warn, "confines"),
        ("0x8086", Some("ice"), Fail, "dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0"),
        ("0x8086", None, Fail, "bound to none"),
    ] {
        let made = match bound {
            Some(name) => {
                card(vendor).link(&format!("{NIC}/driver"), &format!("../drivers/{name}"))
            }
            None => card(vendor),
        };
        assert_state(&checked(&made, "driver binding"), state, says);
    }
    let in_use = card("0x8086").folder(&format!("{NIC}/net/eth0"));
    assert_state(&checked(&in_use, "driver binding"), Fail, "do not log in by that one");
    let virtio = card("0x1af4").link(&format!("{NIC}/driver"), "../drivers/virtio-pci");
    let virtio = virtio.folder(&format!("{NIC}/virtio3/net/ens3"));
    let says = "ens3 goes with it: do not log in by that one";
    assert_state(&checked(&virtio, "driver binding"), Fail, says);
    let asked = virtio.program("ethtool", Answer::Said("RX:\t1024\nTX:\t1024\n".into()));
    assert_state(&checked(&asked, "ring sizes"), Ok, "ens3 has up to 1024 and 1024");
    let odd = card("0x8086").file(&format!("{NIC}/driver"), "");
    assert_state(&checked(&odd, "driver binding"), Unknown, "cannot be read");
}

#[test]
fn mlx5_needs_verbs_and_others_are_not_asked_for_them() {
    let verbs = format!("{NIC}/infiniband_verbs");
    let there = card(MELLANOX).folder(&format!("{verbs}/uverbs0"));
    assert_state(&checked(&there, "verbs device"), Ok, "/dev/infiniband/uverbs0");
    assert_state(&checked(&card(MELLANOX), "verbs device"), Fail, "ib_uverbs");
    assert_state(&checked(&card(MELLANOX).folder(&verbs), "verbs device"), Fail, "ib_uverbs");
    let odd = card(MELLANOX).link(&verbs, "infiniband_verbs");
    assert_state(&checked(&odd, "verbs device"), Unknown, "cannot be read");
    let names: Vec<_> = checks(&card("0x8086").host(), &with_nic())
        .iter()
        .map(|check| check.subject.name)
        .collect();
    assert!(!names.contains(&"mlx5 libraries") && !names.contains(&"pause frames"), "{names:?}");
    assert!(!names.contains(&"verbs device") && !names.contains(&"CQE_COMPRESSION"), "{names:?}");
}

#[test]
fn an_iommu_is_needed_by_vfio_and_in_the_way_of_mlx5() {
    let in_group = |vendor, domain| {
        let made = card(vendor).link(&format!("{NIC}/iommu_group"), "../kernel/iommu_groups/17");
        made.file("sys/kernel/iommu_groups/17/type", domain)
    };
    let unsafe_mode =
        |word| card("0x8086").file("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", word);
    let bound_to =
        |name: &str| card("0x8086").link(&format!("{NIC}/driver"), &format!("../drivers/{name}"));
    for (made, state, says) in [
        (in_group(MELLANOX, "identity\n"), Ok, "through"),
        (in_group(MELLANOX, "DMA-FQ\n"), Warn, "iommu=pt"),
        (card(MELLANOX), Ok, "nothing translates"),
        (in_group("0x8086", "DMA-FQ\n"), Ok, "vfio maps"),
        (card("0x8086"), Fail, "vfio-pci needs one"),
        (unsafe_mode("N\n"), Fail, "intel_iommu=on"),
        (unsafe_mode("Y\n"), Warn, "nothing confines"),
        (bound_to("uio_pci_generic"), Warn, "its driver works without"),
        (bound_to("vfio-pci"), Fail, "vfio-pci needs one"),
        (card("0x8086").file(&format!("{NIC}/iommu_group"), ""), Unknown, "cannot be read"),
    ] {
        assert_state(&checked(&made, "IOMMU"), state, says);
    }
}

#[test]
fn without_a_nic_the_iommu_is_judged_by_the_boot_line() {
    let there = || MadeHost::new().folder("sys/class/iommu/dmar0");
    for (made, state, says) in [
        (MadeHost::new(), Ok, "none at work"),
        (MadeHost::new().folder("sys/class/iommu"), Ok, "none at work"),
        (there().file("proc/cmdline", "intel_iommu=on iommu=pt"), Ok, "through"),
        (there().file("proc/cmdline", "iommu.passthrough=1"), Ok, "through"),
        (there().file("proc/cmdline", "iommu=nopt quiet -- iommu=pt"), Warn, "iommu=pt"),
        (there(), Unknown, "/proc/cmdline"),
    ] {
        let checks = checks(&made.host(), &asked());
        assert_eq!(checks.len(), 1);
        assert_state(&checks[0], state, says);
    }
}

#[test]
fn a_core_on_another_node_is_warned_of_with_the_distance_and_the_near_cores() {
    let two = |of_nic: &str, of_core: &str| {
        card(MELLANOX)
            .file("sys/devices/system/node/online", "0,2\n")
            .file("sys/devices/system/node/node2/distance", "21 10\n")
            .file("sys/devices/system/node/node2/cpulist", "8-15\n")
            .file(&format!("{NIC}/numa_node"), of_nic)
            .folder(&format!("sys/devices/system/cpu/cpu3/{of_core}"))
    };
    let numa = |made: &MadeHost| checked(made, "NUMA distance");
    assert_state(&numa(&two("2\n", "node2")), Ok, "distance 10");
    assert_state(&numa(&two("2\n", "node0")), Warn, "node 0: distance 21");
    assert_state(&numa(&two("2\n", "node0")), Warn, "N one of 8-15");
    assert_state(&numa(&two("-1\n", "node0")), Unknown, "does not say which node the NIC");
    assert_state(&numa(&two("2\n", "topology")), Unknown, "does not say which node core 3");
    assert_state(&numa(&card(MELLANOX)), Ok, "no nodes");
    let one = card(MELLANOX).file("sys/devices/system/node/online", "0\n");
    assert_state(&numa(&one), Ok, "one node");
    let nowhere = Asked { core: None, ..with_nic() };
    let checks = checks(&two("2\n", "node2").host(), &nowhere);
    assert_state(of(&checks, "NUMA distance"), Unknown, "core = N");
}

#[test]
fn a_link_narrower_or_slower_than_the_device_can_is_warned_of() {
    for (what, name, now, max, state, says) in [
        ("width", "PCIe link width", "16", "16", Ok, "16 lanes"),
        ("width", "PCIe link width", "8", "16", Warn, "8 lanes of 16 lanes"),
        ("width", "PCIe link width", "0", "16", Unknown, "lspci -s 0000:3b:00.0"),
        ("speed", "PCIe link speed", "8.0 GT/s PCIe", "8.0 GT/s PCIe", Ok, "8.0 GT/s"),
        (
            "speed",
            "PCIe link speed",
            "2.5 GT/s PCIe",
            "8.0 GT/s PCIe",
            Warn,
            "2.5 GT/s PCIe of 8.0",
        ),
        ("speed", "PCIe link speed", "Unknown", "8.0 GT/s PCIe", Unknown, "Unknown"),
    ] {
        let made = card(MELLANOX)
            .file(&format!("{NIC}/current_link_{what}"), &format!("{now}\n"))
            .file(&format!("{NIC}/max_link_{what}"), &format!("{max}\n"));
        assert_state(&checked(&made, name), state, says);
    }
    assert_state(&checked(&card(MELLANOX), "PCIe link speed"), Unknown, "current_link_speed");
}

#[test]
fn rings_are_held_against_the_profile_by_what_ethtool_says() {
    let rings = |rx: &str, tx: u32| {
        Answer::Said(format!(
            "Ring parameters for eth2:\nPre-set maximums:\nRX:\t\t{rx}\nRX Mini:\tn/a\nTX:\t\t{tx}\n\
             Current hardware settings:\nRX:\t\t64\nTX:\t\t64\n"
        ))
    };
    let made = || card(MELLANOX).folder(&format!("{NIC}/net/eth2"));
    for (made, state, says) in [
        (made().program("ethtool", rings("8192", 8192)), Ok, "eth2 has up to 8192 and 8192"),
        (made().program("ethtool", rings("512", 512)), Ok, "asks for 512"),
        (made().program("ethtool", rings("511", 512)), Warn, "rx_descriptors = 511"),
        (made().program("ethtool", rings("512", 511)), Warn, "tx_descriptors = 511"),
        (made().program("ethtool", rings("n/a", 512)), Unknown, "does not say"),
        (
            made().program("ethtool", Answer::Failed("not supported".into())),
            Unknown,
            "not supported",
        ),
        (made(), Unknown, "apt-get install ethtool"),
        (card(MELLANOX), Unknown, "no interface"),
    ] {
        assert_state(&checked(&made, "ring sizes"), state, says);
    }
}

#[test]
fn a_library_that_the_loader_does_not_know_fails_by_its_name() {
    let known = "\tlibrte_net_mlx5.so.23 (libc6,x86-64) => /lib/librte_net_mlx5.so.23\n\
                 \tlibmlx5.so.1 (libc6,x86-64) => /lib/libmlx5.so.1\n\
                 \tlibibverbs.so.1 (libc6,x86-64) => /lib/libibverbs.so.1\n";
    let without = |name| {
        let lines = known.lines().filter(|line| !line.trim_start().starts_with(name));
        Answer::Said(lines.collect::<Vec<_>>().join("\n"))
    };
    for (answer, state, says) in [
        (Answer::Said(known.into()), Ok, "libmlx5.so.1"),
        (without("libmlx5"), Fail, "the loader's: libmlx5.so.1"),
        (without("libibverbs"), Fail, "apt-get install rdma-core"),
        (without("librte_net_mlx5"), Fail, "librte_net_mlx5.so"),
        (Answer::NotInstalled, Unknown, "ldconfig is not installed"),
        (Answer::Failed("no cache".into()), Unknown, "no cache"),
    ] {
        let made = card(MELLANOX).program("ldconfig", answer);
        assert_state(&checked(&made, "mlx5 libraries"), state, says);
    }
    // A driver that is in the program is not the loader's to find.
    let made = card(MELLANOX).program("ldconfig", without("librte_net_mlx5"));
    let mut asked = with_nic();
    asked.build.linked = vec!["net_mlx5"];
    assert_state(of(&checks(&made.host(), &asked), "mlx5 libraries"), Ok, "libmlx5.so.1");
}

#[test]
fn a_link_that_may_sleep_is_warned_of_by_its_states() {
    let states = |l0s: &str, l1: &str| {
        let made = card(MELLANOX).file(&format!("{NIC}/link/l0s_aspm"), l0s);
        made.file(&format!("{NIC}/link/l1_aspm"), l1)
    };
    assert_state(&checked(&states("0\n", "0\n"), "PCIe ASPM"), Ok, "no state");
    assert_state(&checked(&states("0\n", "1\n"), "PCIe ASPM"), Warn, "may sleep: l1_aspm");
    assert_state(&checked(&card(MELLANOX), "PCIe ASPM"), Ok, "lets no state");
    let odd = card(MELLANOX).file(&format!("{NIC}/link"), "");
    assert_state(&checked(&odd, "PCIe ASPM"), Ok, "lets no state");
}
