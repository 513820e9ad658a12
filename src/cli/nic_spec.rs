//! NIC specifications: `tap`, `tap:IFNAME`, `sim`, `sim:MODEL`, and those of features, `dpdk:DEVICE` and `rtl`.

use std::fmt;
use std::str::FromStr;

use fixwire::offload::profile::Profile;
#[cfg(feature = "dpdk")]
use fixwire::offload::profile::fitting;
use fixwire::offload::toml_file::nearest;
#[cfg(feature = "dpdk")]
use fixwire_hw::dpdk::DeviceSpec;
use fixwire_hw::sim::models;
#[cfg(feature = "rtl")]
use fixwire_hw::sim::{Design, Width};

/// The model that does everything, and the word before any other's name.
const SIM: &str = "sim";

/// What a device is made of, as far as its specification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// Of hardware.
    Nic,
    /// Of this host's memory: a model, or RTL that is simulated.
    Model,
    /// Of the kernel's or a driver's software.
    Software,
}

impl Made {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Made::Nic => "nic",
            Made::Model => "model",
            Made::Software => "software",
        }
    }
}

/// Which device to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NicSpec {
    /// A TAP in a namespace of our own.
    TapEmbedded,
    /// A TAP in the current namespace.
    Tap(String),
    /// A NIC model on a wire in memory.
    Sim(&'static str),
    /// Our own RTL, Verilated, on a wire in memory.
    #[cfg(feature = "rtl")]
    Rtl(Design),
    /// A port of DPDK's.
    #[cfg(feature = "dpdk")]
    Dpdk(DeviceSpec),
}

impl NicSpec {
    /// The model that a run falls back on where there is no device.
    pub(crate) const fn default_model() -> &'static str {
        SIM
    }

    /// Whether its wire ends in this process.
    pub(crate) fn is_in_memory(&self) -> bool {
        match self {
            NicSpec::Sim(_) => true,
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(_) => true,
            _ => false,
        }
    }

    /// What it is made of.
    pub(crate) fn made(&self) -> Made {
        match self {
            NicSpec::TapEmbedded | NicSpec::Tap(_) => Made::Software,
            NicSpec::Sim(_) => Made::Model,
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(_) => Made::Model,
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) => {
                let ends = device.end_devices();
                let is_hardware = !ends.is_empty() && ends.iter().all(DeviceSpec::is_pci);
                if is_hardware { Made::Nic } else { Made::Software }
            }
        }
    }

    /// The profile that fits the device.
    pub(crate) fn default_profile(&self) -> &'static str {
        match self {
            NicSpec::TapEmbedded | NicSpec::Tap(_) => "tap",
            NicSpec::Sim(model) => model,
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(_) => "rtl",
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) if device.passes_on() => {
                let first = device.end_devices().into_iter().next();
                first.and_then(|device| of_driver(device.name())).unwrap_or("default")
            }
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) => profile_of(device.name(), device.pci_ids()),
        }
    }

    /// The kernel's interface that frames pass on their way, where a driver of DPDK's is told of one.
    #[cfg_attr(
        not(feature = "dpdk"),
        allow(unused_variables, reason = "no other is told anything")
    )]
    pub(crate) fn interface(&self, profile: &Profile) -> Option<String> {
        match self {
            NicSpec::TapEmbedded | NicSpec::Tap(_) | NicSpec::Sim(_) => None,
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(_) => None,
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) => {
                device.clone().with_devargs(profile).interface().map(str::to_owned)
            }
        }
    }

    /// What to look at where its driver says that the link is down.
    #[cfg_attr(
        not(feature = "dpdk"),
        allow(unused_variables, reason = "no other is told anything")
    )]
    pub(crate) fn link_remedy(&self, profile: &Profile) -> String {
        match self {
            NicSpec::Tap(name) => format!("`ip link set {name} up`"),
            NicSpec::TapEmbedded | NicSpec::Sim(_) => "look at its far end".into(),
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(_) => "look at its far end".into(),
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) => device.clone().with_devargs(profile).link_remedy(),
        }
    }
}

impl fmt::Display for NicSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NicSpec::TapEmbedded => f.write_str("tap"),
            NicSpec::Tap(name) => write!(f, "tap:{name}"),
            NicSpec::Sim(SIM) => f.write_str(SIM),
            NicSpec::Sim(model) => write!(f, "{SIM}:{model}"),
            #[cfg(feature = "rtl")]
            NicSpec::Rtl(design) => write_design(f, design),
            #[cfg(feature = "dpdk")]
            NicSpec::Dpdk(device) => write!(f, "dpdk:{device}"),
        }
    }
}

impl FromStr for NicSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<NicSpec, String> {
        let (kind, detail) = match text.split_once(':') {
            Some((kind, detail)) => (kind, Some(detail)),
            None => (text, None),
        };
        let small = kind.to_ascii_lowercase();
        if small != kind && ["tap", SIM, "dpdk", "rtl"].contains(&small.as_str()) {
            let rest = detail.map(|detail| format!(":{detail}")).unwrap_or_default();
            return Err(format!(
                "`{kind}` names no kind of device; write it small: `{small}{rest}`"
            ));
        }
        match (kind, detail) {
            ("tap", None) => Ok(NicSpec::TapEmbedded),
            ("tap", Some("")) => Err("an interface name must follow `tap:`; leave the colon out for a TAP in a namespace of its own".into()),
            ("tap", Some(name)) => Ok(NicSpec::Tap(name.to_owned())),
            (SIM, None) => Ok(NicSpec::Sim(SIM)),
            (SIM, Some(model)) => match models::names().find(|known| *known == model) {
                Some(known) => Ok(NicSpec::Sim(known)),
                None => Err(format!("there is no NIC model `{model}`; {}", nearest(model, models::names()))),
            },
            #[cfg(feature = "dpdk")]
            ("dpdk", Some(device)) => {
                DeviceSpec::parse(device).map(NicSpec::Dpdk).map_err(|error| error.to_string())
            }
            #[cfg(not(feature = "dpdk"))]
            ("dpdk", Some(_)) => Err("this fixwire was built without DPDK; build it by `cargo build --release --features dpdk`, or use `tap`, `tap:IFNAME`, `sim` or `sim:MODEL`".into()),
            ("dpdk", None) => Err("a device must follow `dpdk:`, such as dpdk:0000:3b:00.0 or dpdk:net_tap0,iface=dtap0".into()),
            #[cfg(feature = "rtl")]
            ("rtl", detail) => design(detail.unwrap_or_default()).map(NicSpec::Rtl),
            #[cfg(not(feature = "rtl"))]
            ("rtl", _) => Err("this fixwire was built without the RTL; build it by `cargo build --release --features rtl`, which needs Verilator (apt-get install verilator g++ zlib1g-dev), or use `sim:rtl`, its model".into()),
            ("pcap", _) => Err(format!("this build has no `{kind}` device; use `tap`, `tap:IFNAME`, `sim` or `sim:MODEL`")),
            _ => Err(format!("`{text}` names no device; use `tap`, `tap:IFNAME`, `sim` or `sim:MODEL`")),
        }
    }
}

/// What follows `rtl:`: a width, and where to write waves, either or both.
#[cfg(feature = "rtl")]
fn design(detail: &str) -> Result<Design, String> {
    let mut found = Design::default();
    for part in detail.split(',').filter(|part| !part.is_empty()) {
        let width = Width::ALL.into_iter().find(|width| width.bits().to_string() == part);
        match (width, part.strip_prefix("waves=")) {
            (Some(width), _) => found.width = width,
            (None, Some(path)) if !path.is_empty() => found.waves = Some(path.into()),
            (None, _) => {
                return Err(format!(
                    "`{part}` says nothing of the RTL; write `rtl`, a width of its stream in bits, `rtl:64` or `rtl:512`, \
                     and behind it, for waves, `waves=FILE.fst`: `rtl:64,waves=run.fst`"
                ));
            }
        }
    }
    Ok(found)
}

#[cfg(feature = "rtl")]
fn write_design(f: &mut fmt::Formatter<'_>, design: &Design) -> fmt::Result {
    f.write_str("rtl")?;
    let width = (design.width != Width::default()).then(|| design.width.bits().to_string());
    let waves = design.waves.as_ref().map(|path| format!("waves={}", path.display()));
    let detail: Vec<String> = width.into_iter().chain(waves).collect();
    if detail.is_empty() { Ok(()) } else { write!(f, ":{}", detail.join(",")) }
}

/// The built-in profile for a virtual device's driver, or for a NIC's PCI numbers.
#[cfg(feature = "dpdk")]
fn profile_of(device: &str, ids: Option<(u16, u16)>) -> &'static str {
    let by_ids = || ids.and_then(|(vendor, device)| fitting(vendor, device));
    of_driver(device).or_else(by_ids).unwrap_or("default")
}

/// The one for a virtual device's driver.
#[cfg(feature = "dpdk")]
fn of_driver(device: &str) -> Option<&'static str> {
    let known = [
        ("net_tap", "tap"),
        ("net_af_packet", "af_packet"),
        ("net_af_xdp", "af_xdp"),
        ("net_virtio_user", "virtio"),
    ];
    let found = known.into_iter().find(|(driver, _)| device.starts_with(driver));
    found.map(|(_, profile)| profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_reads_back_as_it_is_shown() {
        for text in ["tap", "tap:fw0", "sim", "sim:connectx5"] {
            assert_eq!(text.parse::<NicSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    #[cfg(feature = "rtl")]
    fn the_rtl_has_a_width_and_waves_and_reads_back_as_it_is_shown() {
        for text in ["rtl", "rtl:512", "rtl:waves=run.fst", "rtl:512,waves=a/b.fst"] {
            assert_eq!(text.parse::<NicSpec>().unwrap().to_string(), text);
        }
        assert_eq!("rtl:64".parse::<NicSpec>(), "rtl".parse());
        for text in ["rtl:128", "rtl:waves=", "rtl:64,wave=a.fst"] {
            let sentence = text.parse::<NicSpec>().unwrap_err();
            assert!(sentence.contains("`rtl:64,waves=run.fst`"), "{sentence}");
        }
    }

    #[test]
    #[cfg(feature = "dpdk")]
    fn a_device_of_dpdk_s_gets_the_profile_of_its_driver_or_of_its_numbers() {
        for (device, ids, profile) in [
            ("net_tap0", None, "tap"),
            ("net_virtio_user0", None, "virtio"),
            ("net_ring0", None, "default"),
            ("0000:3b:00.0", Some((0x15b3, 0x1017)), "connectx5"),
            ("0000:3b:00.0", Some((0x8086, 0x159b)), "e810"),
            ("0000:3b:00.0", Some((0x8086, 0x1017)), "default"),
            ("0000:3b:00.0", None, "default"),
        ] {
            assert_eq!(profile_of(device, ids), profile, "{device} {ids:x?}");
        }
        // And what passes frames on, that of who does the work: the fill ring of AF_XDP's is the same behind another.
        for (device, profile) in [
            ("dpdk:net_failsafe0,dev(net_af_xdp1,iface=v0),dev(net_ring1)", "af_xdp"),
            ("dpdk:net_failsafe0,dev(net_ring1)", "default"),
        ] {
            assert_eq!(device.parse::<NicSpec>().unwrap().default_profile(), profile, "{device}");
        }
    }

    #[test]
    fn a_kind_of_device_in_capitals_is_told_how_it_is_written() {
        for (text, words) in [
            ("DPDK:net_tap0,iface=A", "write it small: `dpdk:net_tap0,iface=A`"),
            ("Tap:fw0", "`tap:fw0`"),
            ("SIM", "`sim`"),
        ] {
            let sentence = text.parse::<NicSpec>().unwrap_err();
            assert!(sentence.contains(words), "{sentence}");
        }
    }

    #[test]
    fn what_names_no_device_is_told_what_does() {
        // With DPDK in it a PCI address is one.
        let without_dpdk = (!cfg!(feature = "dpdk")).then_some("dpdk:0000:01:00.0");
        let without_rtl = (!cfg!(feature = "rtl")).then_some("rtl");
        for text in
            ["", "tap:", "sim:connectx9", "eth0"].into_iter().chain(without_dpdk).chain(without_rtl)
        {
            let sentence = text.parse::<NicSpec>().unwrap_err();
            assert!(sentence.contains("tap") || sentence.contains("sim"), "{sentence}");
        }
    }
}
