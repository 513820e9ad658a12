//! Which built-in profile is for which NIC, by the numbers that its PCI function has.

/// For NICs of one vendor: its number, the device numbers, and the profile's name. The numbers are among those that
/// the driver takes which the profile is for, by what DPDK's drivers say of themselves (`PMD_INFO_STRING`); which card
/// has which, the PCI ID Repository (pci.ids).
pub const FITTING: &[(u16, &[u16], &str)] = &[
    // ConnectX-5, 5 Ex and BlueField.
    (MELLANOX, &[0x1017, 0x1018, 0x1019, 0x101a, 0xa2d2, 0xa2d3], "connectx5"),
    // ConnectX-4, 4 Lx and 6, which have no profile of their own.
    (MELLANOX, &[0x1013, 0x1014, 0x1015, 0x1016, 0x101b, 0x101c], "connectx5"),
    // ConnectX-6 Dx and Lx, what is virtual of them and later ones, BlueField-2.
    (MELLANOX, &[0x101d, 0x101e, 0x101f, 0xa2d6], "connectx6dx"),
    (MELLANOX, &[0x1021, 0xa2dc], "connectx7"),
    (INTEL, &[0x1591, 0x1592, 0x1593, 0x1599, 0x159a, 0x159b], "e810"),
    (
        INTEL,
        &[0x1572, 0x1581, 0x1583, 0x1584, 0x1585, 0x1586, 0x1587, 0x1588, 0x1589, 0x158a, 0x158b],
        "x710",
    ),
    (INTEL, &[0x10f7, 0x10f8, 0x10fb, 0x10fc, 0x1507, 0x1514, 0x1517, 0x154a, 0x154d], "82599"),
    (INTEL, &[0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x150a, 0x150d, 0x1518, 0x1526], "82576"),
    (INTEL, &[0x10d3, 0x10f6], "82574"),
    (SOLARFLARE, &[0x0b03, 0x1b03], "sfc-x2"),
    (AMAZON, &[0xec20, 0xec21], "ena"),
    (BROADCOM, &[0x16d6, 0x16d7, 0x16d8, 0x16d9, 0x1750, 0x1751, 0x1752], "bnxt"),
    (RED_HAT, &[0x1000, 0x1041], "virtio"),
    (VMWARE, &[0x07b0], "vmxnet3"),
];

const INTEL: u16 = 0x8086;
const MELLANOX: u16 = 0x15b3;
const SOLARFLARE: u16 = 0x1924;
const AMAZON: u16 = 0x1d0f;
const BROADCOM: u16 = 0x14e4;
const RED_HAT: u16 = 0x1af4;
const VMWARE: u16 = 0x15ad;

/// The built-in profile for a NIC, if there is one: by vendor and device, as sysfs tells them.
pub fn fitting(vendor: u16, device: u16) -> Option<&'static str> {
    let (_, _, name) =
        FITTING.iter().find(|(of, devices, _)| *of == vendor && devices.contains(&device))?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::built_in;

    #[test]
    fn each_nic_has_one_profile_which_is_built_in() {
        for (number, (vendor, devices, name)) in FITTING.iter().enumerate() {
            assert!(built_in(name).is_some(), "{name}");
            for device in *devices {
                assert_eq!(fitting(*vendor, *device), Some(*name), "{vendor:04x}:{device:04x}");
                let others = FITTING.iter().enumerate().filter(|(other, _)| *other != number);
                let twice =
                    others.filter(|(_, (of, them, _))| of == vendor && them.contains(device));
                assert_eq!(twice.count(), 0, "{vendor:04x}:{device:04x}");
            }
        }
        assert_eq!(fitting(0x15b3, 0x1017), Some("connectx5"));
        assert_eq!(fitting(0x8086, 0x1017), None, "the number is another vendor's");
    }
}
