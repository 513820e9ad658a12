//! A device of the bus as far as the kernel tells of it: what it is, and why DPDK has no port for it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Kernel modules that lend a device to a program.
const LENDERS: [&str; 4] = ["vfio-pci", "uio_pci_generic", "igb_uio", "mlx5_core"];

/// What to do about the device at `address` (`dddd:bb:dd.f`).
pub(super) fn why_no_port(address: &str) -> String {
    let device = devices().join(address);
    if !device.is_dir() {
        return format!(
            "there is no PCI device {address}: look for its address by `dpdk-devbind.py --status`"
        );
    }
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver.and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
    let bind = format!("`dpdk-devbind.py --bind=vfio-pci {address}`");
    match driver.as_deref() {
        Some("mlx5_core") => {
            "it is with mlx5_core, as it is to be: install rdma-core and DPDK's mlx5 driver, \
                              and look at what DPDK said above"
                .to_owned()
        }
        Some(lender) if LENDERS.contains(&lender) => format!(
            "it is bound to {lender}, as it is to be: look whether DPDK has a driver for it, and what it said above"
        ),
        Some(kernel) => format!(
            "it is bound to the kernel's {kernel}, which has it as an interface of its own: bind it to vfio-pci \
             ({bind}), or for mlx5 install rdma-core and leave it with the kernel"
        ),
        None => format!("it is bound to no driver: bind it to vfio-pci ({bind})"),
    }
}

/// Vendor and device of the one at `address`, as the kernel tells them.
pub(super) fn ids(address: &str) -> Option<(u16, u16)> {
    let device = devices().join(address);
    let number = |what: &str| {
        let text = fs::read_to_string(device.join(what)).ok()?;
        u16::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
    };
    Some((number("vendor")?, number("device")?))
}

/// Whether the kernel keeps an interface on the one at `address`, as beside mlx5.
pub(super) fn has_interface(address: &str) -> bool {
    keeps_interface(&devices().join(address))
}

fn keeps_interface(device: &Path) -> bool {
    fs::read_dir(device.join("net")).is_ok_and(|mut names| names.next().is_some())
}

/// Where the kernel lists them; where DPDK looks too (`rte_pci_get_sysfs_path`).
fn devices() -> PathBuf {
    env::var_os("SYSFS_PCI_DEVICES").map_or_else(|| "/sys/bus/pci/devices".into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_an_interface_of_the_kernel_s_where_one_is_listed_under_it() {
        let device = tempfile::tempdir().unwrap();
        assert!(!keeps_interface(device.path()));
        fs::create_dir(device.path().join("net")).unwrap();
        assert!(!keeps_interface(device.path()), "it is of another namespace");
        fs::create_dir(device.path().join("net/eth1")).unwrap();
        assert!(keeps_interface(device.path()));
    }
}
