//! Whether the kernel gets frames of a port too, by what the device is: a driver does not always tell
//! (`rte_eth_dev_info.if_index`).

use super::pci;
use super::spec::DeviceSpec;

/// Drivers that have no interface of the kernel's, or one of which the kernel is the far end.
const APART: [&str; 6] =
    ["net_tap", "net_memif", "net_vhost", "net_virtio_user", "net_ring", "net_null"];

impl DeviceSpec {
    /// Whether the kernel may get frames of the port as well, and answer them where it has their address. True where
    /// that cannot be told.
    pub(super) fn may_share_with_kernel(&self) -> bool {
        if self.is_pci() {
            return pci::has_interface(self.name());
        }
        match self.driver() {
            apart if APART.contains(&apart) => false,
            // A bond's member is named, and what it was told stands elsewhere.
            "net_pcap" => {
                let of_files = ["rx_pcap", "tx_pcap"].iter().any(|key| self.arg(key).is_some());
                self.interface().is_some() || !of_files
            }
            "net_failsafe" => any_shares(self.parts().into_iter().filter_map(sub_device)),
            "net_bonding" => any_shares(self.parts().into_iter().filter_map(member)),
            _ => true,
        }
    }

    /// Its arguments; those of a device in parentheses are parts of one.
    fn parts(&self) -> Vec<&str> {
        let mut depth = 0_usize;
        let at_comma = |sign: char| {
            match sign {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            sign == ',' && depth == 0
        };
        self.args().split(at_comma).collect()
    }
}

/// The device behind net_failsafe that an argument names: `dev(device)`; with `exec(command)` and `fd(number)`, whose
/// device others tell, none that can be read.
fn sub_device(arg: &str) -> Option<&str> {
    let (kind, rest) = arg.split_once('(')?;
    Some(if kind == "dev" { rest.strip_suffix(')').unwrap_or(rest) } else { "" })
}

/// The device that net_bonding is told to bind: `slave=device`, since DPDK 23.11 `member=device`.
fn member(arg: &str) -> Option<&str> {
    let (key, device) = arg.split_once('=')?;
    ["slave", "member"].contains(&key).then_some(device)
}

fn any_shares<'a>(mut devices: impl Iterator<Item = &'a str>) -> bool {
    devices.any(|device| {
        DeviceSpec::parse(device).map_or(true, |device| device.may_share_with_kernel())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_whose_frames_the_kernel_gets_too_is_told_by_its_device_and_by_those_within() {
        for (device, shares) in [
            ("net_af_packet0,iface=v0", true),
            ("net_af_xdp0,iface=v0", true),
            ("net_pcap0,iface=v0", true),
            ("net_pcap0,rx_iface=v0,tx_iface=v0", true),
            ("net_pcap0,rx_iface_in=v0,tx_pcap=f", true),
            ("net_pcap0,rx_pcap=f,tx_iface=v0", true),
            ("net_pcap0,rx_pcap=f,tx_pcap=g", false),
            ("net_tap0,iface=v0", false),
            ("net_memif0,role=server,socket=/run/s", false),
            ("net_vhost0,iface=/run/s", false),
            ("net_virtio_user0,path=/run/s", false),
            ("net_ring0", false),
            ("net_strange0,iface=v0", true),
            ("net_failsafe0,dev(net_af_packet1,iface=v0)", true),
            ("net_failsafe0,hotplug_poll=9,dev(net_pcap1,rx_iface_in=v0,tx_iface=v0)", true),
            ("net_failsafe0,dev(net_pcap1,rx_pcap=f,tx_pcap=g),dev(net_ring0)", false),
            ("net_failsafe0,dev(net_ring0),dev(net_failsafe1,dev(net_ring1),fd(3))", true),
            ("net_failsafe0,dev(net_failsafe1,dev(net_memif0,id=1),dev(net_ring0))", false),
            ("net_failsafe0,exec(echo)", true),
            ("net_bonding0,mode=1,slave=net_ring0,slave=net_af_packet1", true),
            ("net_bonding0,mode=1,member=net_pcap1", true),
            ("net_bonding0,mode=1,member=net_ring0,slave=net_memif0", false),
            ("net_bonding0,member=0", true),
        ] {
            let spec = DeviceSpec::parse(device).unwrap();
            assert_eq!(spec.may_share_with_kernel(), shares, "{device}");
        }
    }
}
