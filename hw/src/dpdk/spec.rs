//! A device as DPDK names it.

use std::fmt;

use fixwire_offload::profile::Profile;

use super::error::DpdkError;
use super::pci;
use crate::sys::INTERFACE_NAME_ROOM;

/// A device on the command line of DPDK: a PCI address or a virtual device, with arguments to its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceSpec {
    kind: Kind,
    /// Up to the first comma: what DPDK calls the port.
    name: String,
    /// After it.
    args: String,
    /// Where in them those of a profile begin.
    own_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pci,
    Virtual,
}

/// Drivers of virtual devices, and the arguments that they have (DPDK 22.11 to 25.11).
const ARGUMENTS: [(&str, &[&str]); 8] = [
    ("net_tap", &["iface", "mac", "persist", "remote"]),
    (
        "net_af_packet",
        &["iface", "qpairs", "blocksz", "framesz", "framecnt", "qdisc_bypass", "fanout_mode"],
    ),
    (
        "net_af_xdp",
        &[
            "iface",
            "start_queue",
            "queue_count",
            "shared_umem",
            "xdp_prog",
            "busy_budget",
            "force_copy",
            "use_cni",
            "use_pinned_map",
            "dp_path",
            "mode",
        ],
    ),
    (
        "net_memif",
        &[
            "role",
            "id",
            "socket",
            "socket-abstract",
            "owner-uid",
            "owner-gid",
            "bsize",
            "rsize",
            "mac",
            "secret",
            "zero-copy",
        ],
    ),
    (
        "net_vhost",
        &[
            "iface",
            "queues",
            "client",
            "iommu-support",
            "postcopy-support",
            "tso",
            "linear-buffer",
            "ext-buffer",
            "legacy-ol-flags",
        ],
    ),
    (
        "net_virtio_user",
        &[
            "path",
            "mac",
            "cq",
            "queues",
            "queue_size",
            "iface",
            "server",
            "mrg_rxbuf",
            "in_order",
            "packed_vq",
            "speed",
            "vectorized",
        ],
    ),
    (
        "net_pcap",
        &[
            "iface",
            "rx_pcap",
            "tx_pcap",
            "rx_iface",
            "rx_iface_in",
            "tx_iface",
            "phy_mac",
            "infinite_rx",
            "eof",
        ],
    ),
    ("net_ring", &["nodeaction", "internal"]),
];

/// Those of them that are flags, without a value.
const FLAGS: [(&str, &str); 1] = [("net_tap", "persist")];

/// Which of them name an interface of the kernel's.
const INTERFACES: [(&str, &[&str]); 4] = [
    ("net_tap", &["iface", "remote"]),
    ("net_af_packet", &["iface"]),
    ("net_af_xdp", &["iface"]),
    ("net_pcap", &["iface", "rx_iface", "rx_iface_in", "tx_iface"]),
];

impl DeviceSpec {
    /// Reads `0000:3b:00.0`, `3b:00.0` or `net_tap0`, each with or without `,key=value,...`.
    ///
    /// # Errors
    /// [`DpdkError::NotADevice`], with what is wrong with it.
    pub fn parse(text: &str) -> Result<DeviceSpec, DpdkError> {
        let refuse =
            |why: &str| Err(DpdkError::NotADevice { text: text.to_owned(), why: why.to_owned() });
        let (name, args) = text.split_once(',').unwrap_or((text, ""));
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return refuse("it contains white space");
        }
        let of = |kind, name| {
            let (args, own_len) = (args.to_owned(), args.len());
            Ok(DeviceSpec { kind, name, args, own_len })
        };
        if let Some(name) = pci_address(name) {
            return of(Kind::Pci, name);
        }
        if let Some(rest) = name.strip_prefix("eth_") {
            return refuse(&format!("that is its driver's old name; net_{rest} is meant"));
        }
        match name {
            "" => refuse("it is empty"),
            _ if ["crypto_", "compress_", "event_", "baseband_"]
                .iter()
                .any(|kind| name.starts_with(kind)) =>
            {
                refuse(
                    "that driver's devices are no NICs; the name of one that is begins with net_",
                )
            }
            _ if !name.starts_with("net_") => {
                refuse("it is no PCI address, and no driver of virtual NICs begins so")
            }
            _ if !name.ends_with(|c: char| c.is_ascii_digit()) => {
                refuse("a virtual device ends with its number, as net_tap0 does")
            }
            _ => of(Kind::Virtual, name.to_owned()),
        }
    }

    /// The same with more arguments behind its own, as those of a profile are.
    #[must_use]
    pub(super) fn with_args(mut self, args: &str) -> DeviceSpec {
        if !args.is_empty() {
            let comma = if self.args.is_empty() { "" } else { "," };
            self.args = format!("{}{comma}{args}", self.args);
        }
        self
    }

    /// The same with a profile's `devargs` behind its own, but for those that it has itself; without them, where the profile is
    /// for other drivers, whose arguments this one would refuse.
    #[must_use]
    pub fn with_devargs(self, profile: &Profile) -> DeviceSpec {
        if !self.may_be_for(profile) {
            return self;
        }
        let has = |arg: &str| self.written().any(|(_, own)| key_of(own) == key_of(arg));
        let more: Vec<&str> =
            written(&profile.devargs).map(|(_, arg)| arg).filter(|arg| !has(arg)).collect();
        let more = more.join(",");
        self.with_args(&more).with_known_interface()
    }

    /// The same with a name for the interface that net_tap makes, where it has none: the kernel would choose one that we do not
    /// know of.
    fn with_known_interface(self) -> DeviceSpec {
        if self.driver() != "net_tap" || self.arg("iface").is_some() {
            return self;
        }
        let number = self.name.trim_start_matches("net_tap");
        let named = format!("iface=dtap{number}");
        self.with_args(&named)
    }

    /// Whether a profile is for its driver, or may be: of a NIC the driver shows once DPDK has it, and its maker before.
    fn may_be_for(&self, profile: &Profile) -> bool {
        if !self.is_pci() {
            return profile.is_for(self.driver());
        }
        self.pci_ids().is_none_or(|(vendor, _)| may_be_of(vendor, &profile.drivers))
    }

    /// What DPDK calls the port.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The driver of a virtual device, by which its name begins.
    pub(super) fn driver(&self) -> &str {
        self.name.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// The arguments to its driver, as they are written.
    pub(super) fn args(&self) -> &str {
        &self.args
    }

    /// Whether it is a device of the bus, which its driver must be bound to.
    pub fn is_pci(&self) -> bool {
        self.kind == Kind::Pci
    }

    /// The PCI vendor and device of one of the bus that is there.
    pub fn pci_ids(&self) -> Option<(u16, u16)> {
        if self.is_pci() { pci::ids(&self.name) } else { None }
    }

    /// What its arguments say of `key`: of two of them the last counts, as for mlx5.
    pub fn arg(&self, key: &str) -> Option<&str> {
        let mut args = self.args.rsplit(',').filter_map(|arg| arg.split_once('='));
        args.find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The kernel's interface that its driver sends by. The one behind a TAP is the far side.
    pub fn interface(&self) -> Option<&str> {
        let driver = self.driver();
        let (_, keys) = INTERFACES.iter().find(|(of, _)| *of == driver && driver != "net_tap")?;
        keys.iter().find_map(|key| self.arg(key))
    }

    /// Refuses an argument that a virtual device's driver has not. Drivers that come across one either have no port
    /// or, as net_tap, net_memif and net_ring, do without every other argument too, and say neither. And one without
    /// its value, which drivers read through a null pointer.
    ///
    /// # Errors
    /// [`DpdkError::UnknownArgument`], [`DpdkError::NoValue`], [`DpdkError::ArgumentTwice`],
    /// [`DpdkError::InterfaceName`], and those of [`check_members`](DeviceSpec::check_members).
    pub(super) fn check_arguments(&self) -> Result<(), DpdkError> {
        self.check_members()?;
        let driver = self.driver();
        let known = ARGUMENTS.iter().find(|(name, _)| *name == driver).map(|(_, known)| *known);
        if known.is_none() && !self.is_pci() {
            return Ok(());
        }
        for (at, arg) in self.written() {
            let (key, value) = arg.split_once('=').unwrap_or((arg, ""));
            let (device, argument) = (self.to_string(), key.to_owned());
            let place = self.place(at);
            if let Some(known) = known.filter(|known| !known.contains(&key)) {
                return Err(DpdkError::UnknownArgument { device, argument, place, known });
            }
            if value.is_empty() && !(arg == key && FLAGS.contains(&(driver, key))) {
                return Err(DpdkError::NoValue { device, argument, place });
            }
            // net_tap then goes by none of them, and net_af_packet by no interface. Of net_pcap each is a queue.
            let is_twice = self.written().filter(|(_, other)| key_of(other) == key).count() > 1;
            if known.is_some() && is_twice && driver != "net_pcap" {
                return Err(DpdkError::ArgumentTwice { device, argument, place });
            }
        }
        self.check_interfaces(driver)
    }

    /// Each argument, and where it begins.
    fn written(&self) -> impl Iterator<Item = (usize, &str)> {
        written(&self.args)
    }

    /// Where an argument that begins at `at` stands, if its reader has not just written it.
    fn place(&self, at: usize) -> &'static str {
        if at < self.own_len {
            ""
        } else {
            ", which stands in `devargs` under [device] of the profile"
        }
    }

    /// Refuses a name that no interface of the kernel's can have.
    fn check_interfaces(&self, driver: &str) -> Result<(), DpdkError> {
        let Some((_, keys)) = INTERFACES.iter().find(|(name, _)| *name == driver) else {
            return Ok(());
        };
        let named = keys.iter().filter_map(|key| Some((*key, self.arg(key)?)));
        let is_name = |name: &str| (1..INTERFACE_NAME_ROOM).contains(&name.len());
        match named.into_iter().find(|(_, name)| !is_name(name)) {
            Some((key, name)) => Err(DpdkError::InterfaceName {
                device: self.name.clone(),
                argument: format!("{key}={name}"),
                len: name.len(),
                len_max: INTERFACE_NAME_ROOM - 1,
            }),
            None => Ok(()),
        }
    }

    /// What tells DPDK of it. Devices of the bus are told of one by one, those too that it passes frames on from: of a bus
    /// without any that is, DPDK takes all.
    pub(super) fn eal_args(&self) -> Vec<String> {
        let on_the_bus = self.end_devices().into_iter().filter(DeviceSpec::is_pci);
        let mut args: Vec<String> =
            on_the_bus.flat_map(|device| ["-a".to_owned(), device.to_string()]).collect();
        if self.kind == Kind::Virtual {
            args.push(format!("--vdev={self}"));
        }
        args
    }
}

impl fmt::Display for DeviceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let comma = if self.args.is_empty() { "" } else { "," };
        write!(f, "{}{comma}{}", self.name, self.args)
    }
}

/// Whether one of these drivers may be that of a NIC of this maker's; with none named any may. mlx5's and mlx4's NICs are
/// of Mellanox, and Mellanox's have no others.
fn may_be_of(vendor: u16, drivers: &[String]) -> bool {
    const MELLANOX: u16 = 0x15b3;
    let of_mellanox = |driver: &String| driver.contains("mlx");
    drivers.is_empty() || drivers.iter().any(|driver| of_mellanox(driver) == (vendor == MELLANOX))
}

/// Each of some arguments, and where it begins. A list in brackets may have commas.
fn written(args: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_list = false;
    let at_comma = move |sign: char| {
        in_list = sign == '[' || in_list && sign != ']';
        sign == ',' && !in_list
    };
    let mut at = 0;
    let each = args.split(at_comma).map(move |arg| {
        let begin = at;
        at += arg.len() + 1;
        (begin, arg)
    });
    each.filter(|(_, arg)| !arg.is_empty())
}

fn key_of(arg: &str) -> &str {
    arg.split_once('=').map_or(arg, |(key, _)| key)
}

/// A PCI address with its domain, if `text` is one: `dddd:bb:dd.f` or `bb:dd.f`.
fn pci_address(text: &str) -> Option<String> {
    let whole =
        if text.matches(':').count() == 1 { format!("0000:{text}") } else { text.to_owned() };
    let (domain, rest) = whole.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let is_hex = |text: &str, len| text.len() == len && text.chars().all(|c| c.is_ascii_hexdigit());
    let is_address = is_hex(domain, 4) && is_hex(bus, 2) && is_hex(device, 2);
    (is_address && matches!(function.as_bytes(), [b'0'..=b'7'])).then(|| whole.to_lowercase())
}

#[cfg(test)]
mod tests {
    use fixwire_offload::profile::Policy;

    use super::*;

    #[test]
    fn devices_are_read_as_dpdk_reads_them() {
        for (text, name, args) in [
            ("0000:3b:00.0", "0000:3b:00.0", &["-a", "0000:3b:00.0"][..]),
            ("3B:00.1", "0000:3b:00.1", &["-a", "0000:3b:00.1"]),
            ("net_tap0,iface=dtap0", "net_tap0", &["--vdev=net_tap0,iface=dtap0"]),
            ("net_ring0", "net_ring0", &["--vdev=net_ring0"]),
        ] {
            let spec = DeviceSpec::parse(text).unwrap();
            assert_eq!((spec.name(), spec.is_pci()), (name, args[0] == "-a"), "{text}");
            assert_eq!(spec.eal_args(), args, "{text}");
        }
        let tap = DeviceSpec::parse("net_tap0,iface=dtap0").unwrap();
        assert_eq!((tap.arg("iface"), tap.arg("mac")), (Some("dtap0"), None));
        let twice = DeviceSpec::parse("3b:00.0,mprq_en=0,rxq_pkt_pad_en=1,mprq_en=1").unwrap();
        assert_eq!((twice.arg("mprq_en"), twice.arg("rxq_pkt_pad_en")), (Some("1"), Some("1")));
        let mlx5 = DeviceSpec::parse("3b:00.0").unwrap().with_args("mprq_en=0,txqs_min_inline=0");
        assert_eq!(mlx5.eal_args()[1], "0000:3b:00.0,mprq_en=0,txqs_min_inline=0");
    }

    #[test]
    fn an_argument_that_a_driver_has_not_is_refused_with_those_that_it_has() {
        for (text, refused) in [
            ("net_tap0,iface=dtap0,ifcae=x", Some("`ifcae`; write one of iface, mac, ")),
            ("net_memif0,role=client,socket-abstract=no", None),
            ("net_memif12,master", Some("`master`")),
            ("net_ring0", None),
            ("net_strange0,whatever=1", None),
            ("0000:3b:00.0,whatever=1", None),
            ("net_tap0,iface=fifteen-signs-x", None),
            ("net_tap0,iface=sixteen-signs-xx", Some("`iface=sixteen-signs-xx` has 16 bytes")),
            ("net_tap0,remote=sixteen-signs-xx", Some("write 1 to 15")),
            ("net_af_packet0,iface=sixteen-signs-xx", Some("write 1 to 15")),
            ("net_vhost0,iface=/run/a-path-is-none", None),
        ] {
            let spec = DeviceSpec::parse(text).unwrap();
            let words = spec.check_arguments().err().map(|error| error.to_string());
            assert_eq!(words.is_some(), refused.is_some(), "{text}: {words:?}");
            assert!(words.unwrap_or_default().contains(refused.unwrap_or_default()), "{text}");
        }
    }

    #[test]
    fn the_interface_that_frames_pass_is_the_kernel_s_and_no_far_side() {
        for (text, name) in [
            ("net_af_packet0,iface=v0", Some("v0")),
            ("net_af_xdp0,start_queue=1,iface=v0", Some("v0")),
            ("net_pcap0,rx_iface=v0", Some("v0")),
            ("net_pcap0,rx_pcap=v0", None),
            ("net_tap0,iface=v0", None),
            ("net_vhost0,iface=/run/s", None),
        ] {
            assert_eq!(DeviceSpec::parse(text).unwrap().interface(), name, "{text}");
        }
    }

    #[test]
    fn an_argument_without_its_value_is_refused_unless_it_takes_none() {
        let mut refused = Vec::new();
        for (driver, known) in ARGUMENTS {
            for key in known {
                let of = |arg: &str| DeviceSpec::parse(&format!("{driver}0,{arg}")).unwrap();
                let empty = of(&format!("{key}=")).check_arguments().unwrap_err().to_string();
                assert!(empty.contains(&format!("`{key}` has no value; write {key}=")), "{empty}");
                assert!(of(&format!("{key}=1")).check_arguments().is_ok(), "{driver}, {key}");
                if of(key).check_arguments().is_err() {
                    refused.push((driver, *key));
                }
            }
        }
        let all = ARGUMENTS.iter().map(|(_, known)| known.len()).sum::<usize>();
        assert_eq!(refused.len(), all - 1);
        assert!(!refused.contains(&("net_tap", "persist")));
        for (text, is_taken) in [
            ("3b:00.0,representor=pf[0,2],mprq_en=1", true),
            ("3b:00.0,mprq_en", false),
            ("3b:00.0,mprq_en=1,txq_inline_max=", false),
            ("net_tap0,iface=d0,persist", true),
        ] {
            let spec = DeviceSpec::parse(text).unwrap();
            assert_eq!(spec.check_arguments().is_ok(), is_taken, "{text}");
        }
    }

    #[test]
    fn an_argument_of_the_profile_s_is_refused_as_such() {
        let place = ", which stands in `devargs` under [device] of the profile";
        for (own, of_profile, is_profile_s) in [
            ("net_tap0", "rxq_cqe_comp_en=0", true),
            ("net_tap0,iface=d0", "rxq_cqe_comp_en=0", true),
            ("net_tap0,rxq_cqe_comp_en=0", "iface=d0", false),
            ("net_tap0,rxq_cqe_comp_en=0", "", false),
        ] {
            let spec = DeviceSpec::parse(own).unwrap().with_args(of_profile);
            let words = spec.check_arguments().unwrap_err().to_string();
            assert!(words.contains("no argument `rxq_cqe_comp_en`"), "{words}");
            assert_eq!(words.contains(place), is_profile_s, "{words}");
        }
    }

    #[test]
    fn an_argument_of_the_device_s_own_counts_before_the_profile_s_and_none_is_given_twice() {
        let mut profile = Profile::all(Policy::Prefer);
        profile.devargs = "iface=foo0,mac=fixed".into();
        for (device, args) in [
            ("net_tap0", "iface=foo0,mac=fixed"),
            ("net_tap0,iface=bar0", "iface=bar0,mac=fixed"),
            ("net_tap0,mac=x,iface=bar0", "mac=x,iface=bar0"),
        ] {
            let spec = DeviceSpec::parse(device).unwrap().with_devargs(&profile);
            assert_eq!(spec.args(), args, "{device}");
        }
        for (device, more, refused) in [
            ("net_tap0,iface=a0,iface=b0", "", Some("`iface` is given twice; write it once")),
            ("net_tap0", "mac=x,mac=fixed", Some("twice, which stands in `devargs` under")),
            ("net_pcap0,rx_iface=a,rx_iface=b", "", None),
            ("net_strange0,a=1,a=2", "", None),
            ("3b:00.0,mprq_en=0,mprq_en=1", "", None),
        ] {
            let spec = DeviceSpec::parse(device).unwrap().with_args(more);
            let words = spec.check_arguments().err().map(|error| error.to_string());
            assert_eq!(words.is_some(), refused.is_some(), "{device}: {words:?}");
            assert!(words.unwrap_or_default().contains(refused.unwrap_or_default()), "{device}");
        }
    }

    #[test]
    fn devargs_of_a_profile_for_other_drivers_are_left_out() {
        let profile = |drivers: &[&str]| {
            let mut profile = Profile::all(Policy::Prefer);
            profile.drivers = drivers.iter().map(|driver| (*driver).to_owned()).collect();
            profile.devargs = "rxq_cqe_comp_en=0".into();
            profile
        };
        for (device, drivers, is_told) in [
            ("net_null0", &["mlx5_pci"][..], false),
            ("net_failsafe0,dev(net_ring1)", &["mlx5_pci"], false),
            ("net_tap0", &["tap", "net_tap"], true),
            ("net_virtio_user0,path=/s", &["net_virtio", "net_virtio_user"], true),
            ("net_null0", &[], true),
            // No machine has it: which driver has it, shows when it is there.
            ("fffe:ff:1f.7", &["mlx5_pci"], true),
        ] {
            let spec = DeviceSpec::parse(device).unwrap().with_devargs(&profile(drivers));
            assert_eq!(spec.arg("rxq_cqe_comp_en"), is_told.then_some("0"), "{device}");
        }
        for (vendor, driver, may_be) in [
            (0x15b3, "mlx5_pci", true),
            (0x8086, "mlx5_pci", false),
            (0x8086, "net_ice", true),
            (0x15b3, "net_ice", false),
        ] {
            assert_eq!(may_be_of(vendor, &[driver.to_owned()]), may_be, "{vendor:x} {driver}");
            assert!(may_be_of(vendor, &[]), "a profile for any");
        }
    }

    #[test]
    fn what_is_no_device_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "empty"),
            ("eth0", "no PCI address"),
            ("eth_tap0", "net_tap0 is meant"),
            ("eth_af_packet0,iface=v0", "net_af_packet0 is meant"),
            ("crypto_null0", "no NICs; the name of one that is begins with net_"),
            ("net_tap", "ends with its number"),
            ("0000:3b:00.9", "no PCI address"),
            ("0000:3b:0.0", "no PCI address"),
            ("net_tap0, iface=x", "white space"),
        ] {
            let error = DeviceSpec::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(why) && error.contains("net_tap0,iface=dtap0"),
                "{text}: {error}"
            );
        }
    }
}
