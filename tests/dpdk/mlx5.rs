//! mlx5's driver as it is installed, or linked in: that this build has it, and that it takes a ConnectX-5 for its own.
//! There is none here: it gets as far as the verbs, which know no such device.

use std::process::Command;

use crate::common::skip;
use crate::line::{INITIATOR, errors, fixwire, write};
use crate::refused::made_device;

/// What a static build has of DPDK's shared libraries: nothing.
fn linked_to_dpdk() -> bool {
    let program = fixwire().get_program().to_owned();
    let said = Command::new("readelf").arg("-d").arg(program).output().expect("readelf (binutils)");
    String::from_utf8_lossy(&said.stdout).contains("librte_")
}

#[test]
fn a_connectx5_gets_its_driver_which_finds_no_verbs_device() {
    let test = "mlx5::a_connectx5_gets_its_driver_which_finds_no_verbs_device";
    // What `make test-full` builds so says it.
    let is_static = std::env::var("FIXWIRE_DPDK_STATIC").is_ok_and(|drivers| !drivers.is_empty());
    assert_eq!(linked_to_dpdk(), !is_static);
    let sys = tempfile::tempdir().unwrap();
    made_device(sys.path(), ["0x15b3\n", "0x1017\n"], Some("mlx5_core"));
    let session = write(sys.path(), "session.toml", INITIATOR);
    // DPDK names each driver that it tries.
    let profile = "extends = \"connectx5\"\n[device]\neal = [\"--log-level=lib.eal:info\"]\n";
    let profile = write(sys.path(), "profile.toml", profile);
    let mut command = fixwire();
    command.args(["run", "--json", "--nic", "dpdk:3b:00.0"]);
    command.args(["--session", &session, "--profile", &profile]);
    command.env("SYSFS_PCI_DEVICES", sys.path().join("devices"));
    let output = command.output().unwrap();
    let words = errors(&output);
    let probed = "Probe PCI driver: mlx5_pci (15b3:1017) device: 0000:3b:00.0";
    if !words.contains(probed) && !is_static && !has_library() {
        return skip(test, "DPDK's mlx5 driver is not installed (librte_net_mlx5.so)");
    }
    assert!(words.contains(probed), "{words}");
    // The driver's own words: it was loaded with rdma-core's libraries, and asked them.
    assert!(words.contains("mlx5_common: Verbs device not found: 0000:3b:00.0"), "{words}");
    assert_eq!(output.status.code(), Some(1), "{words}");
}

#[test]
fn a_driver_that_is_not_linked_in_is_named_with_those_that_are() {
    let test = "mlx5::a_driver_that_is_not_linked_in_is_named_with_those_that_are";
    let linked = std::env::var("FIXWIRE_DPDK_STATIC").unwrap_or_default();
    if linked.is_empty() {
        return skip(test, "DPDK is shared here, and loads what is installed");
    }
    let output = fixwire().args(["run", "--json", "--nic", "dpdk:net_memif0"]).output().unwrap();
    let words = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(words.contains("no driver net_memif in this program"), "{words}");
    assert!(
        words.contains(&format!("`FIXWIRE_DPDK_STATIC={linked},net_memif cargo build")),
        "{words}"
    );
}

fn has_library() -> bool {
    let said = Command::new("pkg-config").args(["--variable=libdir", "libdpdk"]).output();
    let folder = said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned());
    folder.is_ok_and(|folder| std::path::Path::new(&folder).join("librte_net_mlx5.so").exists())
}
