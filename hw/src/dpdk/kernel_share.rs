//! Whether the kernel gets frames of a port too, by what the device is: a driver does not always tell
//! (`rte_eth_dev_info.if_index`).

use super::members::Member;
use super::pci;
use super::spec::DeviceSpec;

/// Drivers that have no interface of the kernel's, or one of which the kernel is the far end.
const APART: [&str; 6] =
    ["net_tap", "net_memif", "net_vhost", "net_virtio_user", "net_ring", "net_null"];

impl DeviceSpec {
    /// Whether the kernel may get frames of the port as well, and answer them where it has their address. True where
    /// that cannot be told.
    pub(super) fn may_share_with_kernel(&self) -> bool {
        self.ends().into_iter().any(|end| match end {
            Member::Device(device) => device.shares(),
            Member::Untold(_) => true,
        })
    }

    /// The same of one that does its own work.
    fn shares(&self) -> bool {
        if self.is_pci() {
            return pci::has_interface(self.name());
        }
        match self.driver() {
            apart if APART.contains(&apart) => false,
            "net_pcap" => {
                let of_files = ["rx_pcap", "tx_pcap"].iter().any(|key| self.arg(key).is_some());
                self.interface().is_some() || !of_files
            }
            _ => true,
        }
    }
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
            ("net_failsafe0,dev(net_failsafe1)", true),
            ("net_failsafe1", true),
        ] {
            let spec = DeviceSpec::parse(device).unwrap();
            assert_eq!(spec.may_share_with_kernel(), shares, "{device}");
        }
    }
}
