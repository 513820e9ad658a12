//! Receive queues that a device has by what it is told, whether they are set up or not: whoever sends to it, or the kernel,
//! spreads frames over all of them.

use super::spec::DeviceSpec;

/// Arguments whose value is the number of queues: net_af_packet's sockets, among which the kernel fans frames out; sockets
/// of net_af_xdp's; pairs of virtio's.
const NUMBERED: [(&str, &str); 4] = [
    ("net_af_packet", "qpairs"),
    ("net_af_xdp", "queue_count"),
    ("net_vhost", "queues"),
    ("net_virtio_user", "queues"),
];
/// Arguments of net_pcap's, each of which is a queue.
const EACH_ONE: [&str; 3] = ["rx_pcap", "rx_iface", "rx_iface_in"];

impl DeviceSpec {
    /// The arguments, of this device or of one behind it, by which it has more than one receive queue, as they are
    /// written; `None` where it has one, or as many as it is set up with.
    pub fn several_queues(&self) -> Option<String> {
        self.end_devices().iter().find_map(DeviceSpec::own_several_queues)
    }

    fn own_several_queues(&self) -> Option<String> {
        let numbered = NUMBERED.iter().find(|(driver, _)| *driver == self.driver());
        if let Some((_, key)) = numbered {
            let written = self.arg(key)?;
            let is_several = written.parse::<u32>().is_ok_and(|queues| queues > 1);
            return is_several.then(|| format!("{key}={written}"));
        }
        let is_queue =
            |arg: &&str| arg.split_once('=').is_some_and(|(key, _)| EACH_ONE.contains(&key));
        let each: Vec<&str> = self.args().split(',').filter(is_queue).collect();
        (self.driver() == "net_pcap" && each.len() > 1).then(|| each.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_a_driver_makes_by_itself_are_told_by_what_it_is_told() {
        for (device, several) in [
            ("net_af_packet0,iface=v0", None),
            ("net_af_packet0,iface=v0,qpairs=1", None),
            ("net_af_packet0,iface=v0,qpairs=2", Some("qpairs=2")),
            ("net_af_xdp0,iface=v0,start_queue=1", None),
            ("net_af_xdp0,iface=v0,queue_count=4", Some("queue_count=4")),
            ("net_vhost0,iface=/run/s,queues=2", Some("queues=2")),
            ("net_virtio_user0,path=/run/s,queues=1", None),
            ("net_virtio_user0,path=/run/s,queues=2", Some("queues=2")),
            ("net_pcap0,rx_iface=v0,tx_iface=v0", None),
            ("net_pcap0,rx_iface=v0,rx_pcap=f", Some("rx_iface=v0,rx_pcap=f")),
            ("net_tap0,iface=d0", None),
            (
                "net_failsafe0,dev(net_ring1),dev(net_af_packet1,iface=v0,qpairs=2)",
                Some("qpairs=2"),
            ),
            ("3b:00.0,queues=2", None),
        ] {
            let found = DeviceSpec::parse(device).unwrap().several_queues();
            assert_eq!(found.as_deref(), several, "{device}");
        }
    }
}
