//! A device of the bus by what the kernel tells of it, here a made one, where DPDK looks too.
#![allow(unsafe_code)]

use std::fs;

use fixwire_hw::dpdk::DeviceSpec;

pub(crate) fn a_pci_device_s_numbers_are_those_that_the_kernel_tells() {
    let sys = tempfile::tempdir().unwrap();
    let device = sys.path().join("0000:3b:00.0");
    fs::create_dir(&device).unwrap();
    // SAFETY: this process has no other thread yet.
    unsafe { std::env::set_var("SYSFS_PCI_DEVICES", sys.path()) };
    let ids = |name: &str| DeviceSpec::parse(name).unwrap().pci_ids();
    assert_eq!(ids("3b:00.0"), None, "it tells nothing");
    fs::write(device.join("vendor"), "0x15b3\n").unwrap();
    fs::write(device.join("device"), "0x1017\n").unwrap();
    assert_eq!(ids("3b:00.0"), Some((0x15b3, 0x1017)));
    assert_eq!(ids("0000:3b:00.0,txqs_min_inline=0"), Some((0x15b3, 0x1017)));
    assert_eq!((ids("3b:00.1"), ids("net_tap0")), (None, None));
}
