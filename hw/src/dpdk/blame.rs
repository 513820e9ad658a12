//! What a failure is put down to, by what DPDK and the driver wrote of it and what they were told.

use std::fs;
use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};
use std::io::Result;
use std::os::unix::net::UnixStream;

use super::eal::linked_drivers;
use super::error::DpdkError;
use super::pci;
use super::rights;
use super::spec::DeviceSpec;

/// `said`: by DPDK, when it looked for it.
pub(super) fn no_port(spec: &DeviceSpec, said: &str) -> DpdkError {
    let remedy = if spec.is_pci() {
        with_linked(pci::why_no_port(spec.name()), &linked_drivers())
    } else if let Some(missing) = rights::missing(spec) {
        format!("{missing}; what DPDK said of it stands above")
    } else if let Some(socket) = taken_socket(spec, said) {
        socket
    } else {
        let arguments = in_doubt(spec, said, "").map(|them| format!(", look at {them}"));
        format!("what DPDK said of it stands above{}", arguments.unwrap_or_default())
    };
    DpdkError::NoPort { device: spec.name().to_owned(), remedy }
}

/// Why there is no port, and which drivers there are for one, where they are linked into this program.
fn with_linked(why: String, linked: &[&str]) -> String {
    if linked.is_empty() {
        return why;
    }
    format!("{why}; the drivers in this program are {}", linked.join(", "))
}

/// What brings the driver of a virtual device that DPDK does not know: `linked` are those that are linked into this
/// program; none where DPDK is shared. Nothing where each device's is among them.
pub(super) fn no_driver(devices: &[&DeviceSpec], linked: &[&str], version: &str) -> Option<String> {
    let mut devices = devices.iter().filter(|device| !device.is_pci());
    let device = devices.find(|device| !linked.contains(&library_of(device).as_str()))?;
    let (driver, library) = (device.driver(), library_of(device));
    if !linked.is_empty() {
        return Some(format!(
            "there is no driver {driver} in this program, in which {} are: build it with that too \
             (`FIXWIRE_DPDK_STATIC={},{library} cargo build --release --features dpdk`), or correct the device's name",
            linked.join(", "),
            linked.join(",")
        ));
    }
    let package = format!("librte-{}", library.replace('_', "-"));
    // Debian and Ubuntu have the releases of November, whose libraries are numbered by the year that follows.
    let year = version.split_once(".11").and_then(|(year, _)| year.parse::<u32>().ok());
    let install = match year {
        Some(year) => format!("`apt-get install {package}{}`", year + 1),
        None => format!("`apt-cache search {package}`"),
    };
    Some(format!(
        "this DPDK has no driver {driver}, which is librte_{library}.so among those that it loads: install it (Debian, \
         Ubuntu: {install}), or correct the device's name"
    ))
}

/// The library that a virtual device's driver is in, without `librte_`; most are called as the driver is.
fn library_of(device: &DeviceSpec) -> String {
    match device.driver() {
        "net_bonding" => "net_bond",
        "net_virtio_user" => "net_virtio",
        "net_tun" => "net_tap",
        driver => driver,
    }
    .to_owned()
}

/// Where memif's sockets are unless it is told otherwise (rte_eth_memif.c).
const MEMIF_SOCKET: &str = "/run/memif.sock";

/// The file of the socket that a memif device would make, if it would make one.
fn made_socket(spec: &DeviceSpec) -> Option<&str> {
    // `master` is the server's old name, which DPDK takes as well.
    let serves = matches!(spec.arg("role"), Some("server" | "master"));
    // One without a file goes with its process, and memif's are so unless they are told.
    let has_file = spec.arg("socket-abstract") == Some("no");
    (spec.driver() == "net_memif" && serves && has_file)
        .then(|| spec.arg("socket").unwrap_or(MEMIF_SOCKET))
}

/// What is to be done where another has the socket that a server of memif's would make. `said` is nothing where all of
/// it was shown.
fn taken_socket(spec: &DeviceSpec, said: &str) -> Option<String> {
    let socket = made_socket(spec)?;
    if !said.is_empty() && !said.contains("Address already in use") {
        return None;
    }
    let listed = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    by_connecting(socket, UnixStream::connect(socket).map(drop), &listed)
}

/// The same by what came of connecting, and by the kernel's list of sockets (unix(7), proc_net(5)).
fn by_connecting(socket: &str, connected: Result<()>, listed: &str) -> Option<String> {
    let is_listed = || listed.lines().any(|line| line.split_whitespace().nth(7) == Some(socket));
    match connected.map_err(|error| error.kind()) {
        // It was not the socket.
        Err(NotFound) => None,
        Err(ConnectionRefused) => {
            Some(format!("{socket} was left by a process that has ended: `rm {socket}`"))
        }
        Err(PermissionDenied) if !is_listed() => Some(format!(
            "{socket} is another user's, and no process serves there, unless one of another network namespace: \
             `sudo rm {socket}`, or name another `socket`"
        )),
        // The file of a listener that lives is found, if of another type than ours.
        _ => Some(format!(
            "another process serves at {socket}: name another `socket`, or be its client (`role=client`)"
        )),
    }
}

/// The arguments of a device that its driver's words are about, or `suspect` is the key of, or all where it is about
/// none; nothing where it has none.
fn in_doubt(spec: &DeviceSpec, said: &str, suspect: &str) -> Option<String> {
    let args = || spec.parts().into_iter().filter(|arg| !arg.is_empty());
    let of_key = |arg: &&str| arg.split_once('=').is_some_and(|(key, _)| key == suspect);
    let mut named = blamed(said, args());
    if named.is_empty() {
        named = args().filter(of_key).collect();
    }
    if named.is_empty() {
        named = args().collect();
    }
    let place = "behind the device's name, or in `devargs` under [device] of the profile";
    (!named.is_empty()).then(|| format!("`{}` {place}", named.join("`, `")))
}

/// A step of a port's that failed, with what its driver lacks or may have been told wrong.
pub(super) fn argued(error: DpdkError, spec: &DeviceSpec, said: &str) -> DpdkError {
    let DpdkError::Failed { what, .. } = &error else { return error };
    // It takes queues that the interface has not for granted until they are set up.
    let suspect = if what.contains("a receive queue") { "start_queue" } else { "" };
    let about = rights::missing(spec)
        .map(|missing| format!("what it may do: {missing}"))
        .or_else(|| too_large(spec, said))
        .or_else(|| in_doubt(spec, said, suspect));
    match about {
        Some(arguments) => DpdkError::Argued { error: Box::new(error), arguments },
        None => error,
    }
}

/// What is to be done where a driver's words, or the kernel's in them, are about the MTU: no argument of it is wrong.
/// XDP wants a packet in one page, and on veth looks at the far end.
fn too_large(spec: &DeviceSpec, said: &str) -> Option<String> {
    let name = spec.interface()?;
    let mut words = said.split(|sign: char| !sign.is_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case("mtu")).then(|| {
        format!("the MTU of {name} and of its far end, which is too large for XDP: `ip link set {name} mtu 1500`, at both")
    })
}

/// Of `key=value` arguments those that `words` are about: a word of them is the key, or the value.
pub(super) fn blamed<'a>(words: &str, args: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let plain = |text: &str| text.trim_matches('-').replace(['_', '-'], " ").to_lowercase();
    let is_of_word = |sign: char| sign.is_alphanumeric() || "_-/.".contains(sign);
    let words: Vec<String> = words
        .split(|sign| !is_of_word(sign))
        .map(|word| plain(word.trim_end_matches(['.', '-'])))
        .filter(|word| !word.is_empty())
        .collect();
    let all = format!(" {} ", words.join(" "));
    let says = |text: &str| {
        let text = plain(text);
        !text.is_empty() && all.contains(&format!(" {text} "))
    };
    args.filter(|arg| match arg.split_once('=') {
        Some((key, value)) => says(key) || says(value),
        None => says(arg),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Error;

    use super::*;

    #[test]
    fn what_the_driver_s_words_are_about_is_blamed_and_nothing_else() {
        for (words, args, found) in [
            ("memif_set_role(): Unknown role: bogus.", "id=0,role=bogus", "role=bogus"),
            (
                "rte_eth_from_packet(): net_af_packet0: invalid qpairs value",
                "iface=v0,qpairs=x",
                "qpairs=x",
            ),
            (
                "init_internals(): Specified queue count 9 is larger than combined queue count 1.",
                "iface=v0,queue_count=9",
                "queue_count=9",
            ),
            ("Error accessing /none: No such file", "iface=v0,xdp_prog=/none", "xdp_prog=/none"),
            ("TAP user MAC (zz) is not in format", "iface=dtap0,mac=zz", "mac=zz"),
            (
                "EAL: invalid parameters for --iova-mode",
                "--no-hpet,--iova-mode=bogus",
                "--iova-mode=bogus",
            ),
            (
                "EAL: Option --legacy-mem is not compatible with --match-allocations",
                "--match-allocations,--no-hpet",
                "--match-allocations",
            ),
            ("xsk_configure(): Failed to create xsk socket.", "iface=v0,start_queue=99", ""),
            ("", "iface=v0", ""),
        ] {
            assert_eq!(blamed(words, args.split(',')).join(","), found, "{words}");
        }
    }

    #[test]
    fn a_driver_that_was_there_is_not_looked_for() {
        let spec = DeviceSpec::parse("net_ring0,nodeaction=x").unwrap();
        for said in ["", "RING: rte_pmd_ring_probe(): bad nodeaction"] {
            let words = no_port(&spec, said).to_string();
            assert!(!words.contains("librte_"), "{words}");
            assert!(words.contains("look at `nodeaction=x`"), "{words}");
        }
    }

    #[test]
    fn a_device_in_parentheses_is_one_argument() {
        let spec = DeviceSpec::parse("net_failsafe0,dev(net_af_xdp1,iface=v0),mac=x").unwrap();
        let words = in_doubt(&spec, "Failed to create xsk socket.", "").unwrap();
        assert!(words.starts_with("`dev(net_af_xdp1,iface=v0)`, `mac=x` behind"), "{words}");
    }

    #[test]
    fn a_driver_that_dpdk_has_not_is_named_with_what_brings_it() {
        for (device, linked, version, words) in [
            (
                "net_memif0",
                &[][..],
                "22.11.11",
                "no driver net_memif, which is librte_net_memif.so",
            ),
            ("net_memif0", &[], "22.11.11", "`apt-get install librte-net-memif23`"),
            ("net_memif0", &[], "25.11.0", "`apt-get install librte-net-memif26`"),
            ("net_af_xdp0", &[], "24.07.0", "`apt-cache search librte-net-af-xdp`"),
            ("net_bonding0", &[], "22.11.11", "librte_net_bond.so"),
            ("net_memif0", &["net_tap", "net_mlx5"], "22.11.11", "in which net_tap, net_mlx5 are"),
            (
                "net_memif0",
                &["net_tap"],
                "22.11.11",
                "`FIXWIRE_DPDK_STATIC=net_tap,net_memif cargo build --release --features dpdk`",
            ),
        ] {
            let ring = DeviceSpec::parse("3b:00.0").unwrap();
            let spec = DeviceSpec::parse(device).unwrap();
            let said = no_driver(&[&ring, &spec], linked, version).expect("a reason");
            assert!(said.contains(words), "{device}: {said}");
        }
        assert_eq!(with_linked("x".into(), &[]), "x");
        let both = with_linked("x".into(), &["net_tap", "net_mlx5"]);
        assert_eq!(both, "x; the drivers in this program are net_tap, net_mlx5");
        let there = DeviceSpec::parse("net_virtio_user0").unwrap();
        assert_eq!(no_driver(&[&there], &["net_virtio"], "22.11.11"), None, "it is linked in");
    }

    #[test]
    fn the_socket_that_a_server_of_memif_s_makes_is_known_and_whether_it_is_served() {
        for (device, socket) in [
            ("net_memif0,role=server,socket=/s,socket-abstract=no", Some("/s")),
            ("net_memif0,role=master,socket=/s,socket-abstract=no", Some("/s")),
            ("net_memif0,role=server,socket-abstract=no", Some(MEMIF_SOCKET)),
            ("net_memif0,role=server,socket=/s", None),
            ("net_memif0,role=client,socket=/s,socket-abstract=no", None),
            ("net_memif0,socket=/s,socket-abstract=no", None),
            ("net_vhost0,role=server,socket=/s,socket-abstract=no", None),
        ] {
            assert_eq!(made_socket(&DeviceSpec::parse(device).unwrap()), socket, "{device}");
        }
        let listed = "Num RefCount Protocol Flags Type St Inode Path\n\
                      0000: 00000002 00000000 00010000 0005 01 28 /run/s\n";
        for (connected, socket, words) in [
            (Ok(()), "/run/s", Some("another process serves at /run/s")),
            // Of another type (EPROTOTYPE).
            (Err(Error::from_raw_os_error(91)), "/run/t", Some("another process serves")),
            (Err(ConnectionRefused.into()), "/run/s", Some("`rm /run/s`")),
            (Err(PermissionDenied.into()), "/run/s", Some("another process serves at /run/s")),
            (Err(PermissionDenied.into()), "/run/t", Some("another user's, and no process serves")),
            (Err(NotFound.into()), "/run/s", None),
        ] {
            let said = by_connecting(socket, connected, listed);
            assert_eq!(said.is_some(), words.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(words.unwrap_or_default()), "{words:?}");
        }
        let served = DeviceSpec::parse("net_memif0,role=server,socket-abstract=no").unwrap();
        assert_eq!(taken_socket(&served, "no memory"), None);
    }

    #[test]
    fn an_mtu_that_the_kernel_refuses_is_put_down_to_no_argument() {
        let words = "libbpf: Kernel error message: veth: Peer MTU is too large to set XDP";
        for (device, words, remedy) in [
            ("net_af_xdp0,iface=v0", words, Some("`ip link set v0 mtu 1500`")),
            ("net_af_xdp0,iface=v0", "Failed to create xsk socket.", None),
            ("net_memif0,role=server", words, None),
        ] {
            let said = too_large(&DeviceSpec::parse(device).unwrap(), words);
            assert_eq!(said.is_some(), remedy.is_some(), "{device}: {words}");
            assert!(said.unwrap_or_default().contains(remedy.unwrap_or_default()));
        }
    }
}
