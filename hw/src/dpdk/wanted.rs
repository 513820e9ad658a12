//! What a virtual device's driver wants of whoever names it, and of the host, and says itself too late or not at all.

use super::error::DpdkError;
use super::spec::DeviceSpec;
use crate::tap;

/// Arguments without which a driver makes no port, of which some say nothing, and an example of each.
const MANDATORY: [(&str, &str, &str); 4] = [
    ("net_af_packet", "iface", "eth1"),
    ("net_af_xdp", "iface", "eth1"),
    ("net_vhost", "iface", "/run/vhost.sock"),
    ("net_virtio_user", "path", "/run/vhost.sock"),
];

/// Drivers that make an interface of the name that `iface` tells, or attach to one that is there.
const MAKE_INTERFACES: [&str; 2] = ["net_tap", "net_tun"];

impl DeviceSpec {
    /// Refuses what its driver, or that of a device behind it, is told wrong or too little, or would do to others.
    ///
    /// # Errors
    /// Those of its arguments, [`DpdkError::ArgumentMissing`], [`DpdkError::InterfaceThere`].
    pub(super) fn check(&self) -> Result<(), DpdkError> {
        self.check_arguments()?;
        self.end_devices().iter().try_for_each(|device| {
            device.check_mandatory()?;
            device.check_interface_is_new()
        })
    }

    fn check_mandatory(&self) -> Result<(), DpdkError> {
        let mandatory = MANDATORY.iter().find(|(driver, ..)| *driver == self.driver());
        let Some((_, argument, example)) = mandatory else { return Ok(()) };
        if self.arg(argument).is_some() {
            return Ok(());
        }
        let device = self.to_string();
        Err(DpdkError::ArgumentMissing { device, argument, example })
    }

    /// net_tap attaches to an interface that is there, beside whoever has it: it gets a part of its frames, and takes it
    /// away at the end.
    fn check_interface_is_new(&self) -> Result<(), DpdkError> {
        let name = self.arg("iface").filter(|_| MAKE_INTERFACES.contains(&self.driver()));
        match name.filter(|name| tap::is_there(name)) {
            Some(name) => {
                let (device, name) = (self.name().to_owned(), name.to_owned());
                Err(DpdkError::InterfaceThere { device, name })
            }
            None => Ok(()),
        }
    }

    /// What to look at where its driver says that the link is down.
    pub fn link_remedy(&self) -> String {
        let serves = matches!(self.arg("role"), Some("server" | "master"));
        match self.driver() {
            "net_memif" if serves => {
                "start its client (`role=client`, with the same `socket` and `id`)".into()
            }
            "net_memif" => {
                "start its server (`role=server`, with the same `socket` and `id`)".into()
            }
            "net_vhost" => {
                "start its front end, such as net_virtio_user, at the same socket".into()
            }
            "net_virtio_user" => "look whether its back end still serves at `path`".into(),
            "net_tap" => {
                let name = self.arg("iface").unwrap_or("IFNAME");
                format!("`ip link set {name} up`, where that is")
            }
            "net_failsafe" => "look at the devices behind it".into(),
            _ => "look at its cable, at the far end's port and whether that is on".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_driver_makes_no_port_without_is_named_and_how_it_is_written() {
        for (device, words) in [
            ("net_vhost0", Some("without `iface`; write net_vhost0,iface=/run/vhost.sock")),
            ("net_vhost0,queues=1", Some("write net_vhost0,queues=1,iface=/run/vhost.sock")),
            ("net_vhost0,iface=/s", None),
            ("net_af_packet0", Some("write net_af_packet0,iface=eth1")),
            ("net_af_xdp0,queue_count=1", Some("without `iface`")),
            ("net_virtio_user0", Some("without `path`")),
            ("net_failsafe0,dev(net_af_packet1,qpairs=1)", Some("net_af_packet1,qpairs=1: ")),
            ("net_ring0", None),
            ("net_memif0", None),
            // Told wrong, that comes first.
            ("net_vhost0,path=/s", Some("no argument `path`")),
        ] {
            let said =
                DeviceSpec::parse(device).unwrap().check().err().map(|error| error.to_string());
            assert_eq!(said.is_some(), words.is_some(), "{device}: {said:?}");
            assert!(
                said.clone().unwrap_or_default().contains(words.unwrap_or_default()),
                "{said:?}"
            );
        }
    }

    #[test]
    fn an_interface_that_is_there_is_refused_of_a_driver_that_would_make_it() {
        for (device, is_refused) in [
            ("net_tap0,iface=lo", true),
            ("net_tun0,iface=lo", true),
            ("net_failsafe0,dev(net_tap1,iface=lo)", true),
            ("net_tap0,iface=fixwire-none", false),
            ("net_tap0,iface=fixwire-none,remote=lo", false),
            ("net_af_packet0,iface=lo", false),
        ] {
            let checked = DeviceSpec::parse(device).unwrap().check();
            assert_eq!(checked.is_err(), is_refused, "{device}");
            let words = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(words.is_empty() || words.contains("`ip link delete lo`"), "{words}");
        }
    }

    #[test]
    fn who_is_to_be_started_where_the_link_is_down_is_the_far_end() {
        for (device, words) in [
            ("net_memif0,role=server,socket=/s", "start its client"),
            ("net_memif0,role=master", "start its client"),
            ("net_memif0,role=client", "start its server"),
            ("net_memif0", "start its server"),
            ("net_tap0,iface=d0", "`ip link set d0 up`"),
            ("3b:00.0", "cable"),
        ] {
            let said = DeviceSpec::parse(device).unwrap().link_remedy();
            assert!(said.contains(words), "{device}: {said}");
        }
    }
}
