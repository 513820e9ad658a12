//! What the process must be allowed for the driver of a virtual device (capabilities(7)).

use std::env;
use std::fs;

use super::spec::DeviceSpec;

/// A capability's number (linux/capability.h) and name.
type Right = (u32, &'static str);

const NET_ADMIN: Right = (12, "CAP_NET_ADMIN");
const NET_RAW: Right = (13, "CAP_NET_RAW");
const BPF: Right = (39, "CAP_BPF");

/// What each driver takes to make or bind its interface.
const NEEDED: [(&str, &[Right]); 3] = [
    ("net_tap", &[NET_ADMIN]),
    ("net_af_packet", &[NET_RAW]),
    ("net_af_xdp", &[NET_ADMIN, NET_RAW, BPF]),
];

/// What this process lacks that the driver takes, and how to have it; nothing where it lacks none.
pub(super) fn missing(spec: &DeviceSpec) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let program = env::current_exe().map_or("fixwire".into(), |path| path.display().to_string());
    of(spec, &status, &program)
}

/// Of a device that passes frames on, what one behind it takes.
fn of(spec: &DeviceSpec, status: &str, program: &str) -> Option<String> {
    spec.end_devices().iter().find_map(|device| of_one(device, status, program))
}

fn of_one(spec: &DeviceSpec, status: &str, program: &str) -> Option<String> {
    // It reads and writes files without any.
    let is_live_pcap = spec.driver() == "net_pcap" && spec.args().contains("iface");
    let needed = if is_live_pcap { &[NET_RAW][..] } else { needed_by(spec.driver())? };
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(bits.trim(), 16).ok()?;
    let missing: Vec<&str> = needed
        .iter()
        .filter(|(number, _)| bits >> number & 1 == 0)
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return None;
    }
    let names = missing.join(", ");
    Some(format!(
        "its driver takes {names}, which this process has not: give that to the program (`sudo setcap {}+ep \
         {program}`), run it as root, or in a user namespace that has the interface (`unshare -Urn`)",
        missing.join(",").to_lowercase()
    ))
}

fn needed_by(driver: &str) -> Option<&'static [Right]> {
    let (_, needed) = NEEDED.iter().find(|(known, _)| *known == driver)?;
    Some(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_takes_and_the_process_has_not_is_named_with_what_gives_it() {
        for (device, bits, words) in [
            ("net_af_packet0,iface=v0", "0", Some("takes CAP_NET_RAW, which")),
            ("net_af_packet0,iface=v0", "0", Some("`sudo setcap cap_net_raw+ep /bin/fw`")),
            ("net_af_packet0,iface=v0", "2000", None),
            ("net_af_xdp0,iface=v0", "2000", Some("setcap cap_net_admin,cap_bpf+ep")),
            ("net_af_xdp0,iface=v0", "000001ffffffffff", None),
            ("net_tap0", "2000", Some("CAP_NET_ADMIN")),
            ("net_pcap0,iface=v0", "0", Some("CAP_NET_RAW")),
            ("net_pcap0,rx_pcap=a.pcap", "0", None),
            ("net_memif0", "0", None),
            ("net_failsafe0,dev(net_ring1),dev(net_af_packet1,iface=v0)", "0", Some("CAP_NET_RAW")),
            ("net_failsafe0,dev(net_af_packet1,iface=v0)", "2000", None),
        ] {
            let spec = DeviceSpec::parse(device).unwrap();
            let said = of(&spec, &format!("Name:\tx\nCapEff:\t{bits}\n"), "/bin/fw");
            assert_eq!(said.is_some(), words.is_some(), "{device}: {said:?}");
            assert!(said.unwrap_or_default().contains(words.unwrap_or_default()), "{device}");
        }
    }
}
