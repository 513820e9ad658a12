//! What a failure is put down to, by what DPDK and the driver wrote of it and what they were told.

use std::io::ErrorKind::ConnectionRefused;
use std::os::unix::net::UnixStream;

use super::error::DpdkError;
use super::pci;
use super::rights;
use super::spec::DeviceSpec;

/// `said`: by DPDK, when it looked for it.
pub(super) fn no_port(spec: &DeviceSpec, said: &str) -> DpdkError {
    let remedy = if spec.is_pci() {
        pci::why_no_port(spec.name())
    } else if let Some(missing) = rights::missing(spec) {
        format!("{missing}; what DPDK said of it stands above")
    } else if let Some(socket) = taken_socket(spec, said) {
        socket
    } else {
        let arguments = in_doubt(spec, said, "").map(|them| format!(", look at {them}"));
        // Nothing was kept either where all of it was shown.
        let or_else = if said.is_empty() {
            "; if it said nothing, look whether it has that driver (librte_net_*.so)"
        } else {
            ""
        };
        format!("what DPDK said of it stands above{}{or_else}", arguments.unwrap_or_default())
    };
    DpdkError::NoPort { device: spec.name().to_owned(), remedy }
}

/// What is to be done where another has the socket that a server of memif's would make.
fn taken_socket(spec: &DeviceSpec, said: &str) -> Option<String> {
    if spec.driver() != "net_memif" || spec.arg("role") != Some("server") {
        return None;
    }
    // One without a file goes with its process, and memif's are so unless they are told.
    spec.arg("socket-abstract").filter(|is_abstract| *is_abstract == "no")?;
    let socket = spec.arg("socket")?;
    if !said.contains("Address already in use") {
        return None;
    }
    // The file of a listener that lives is found, if of another type than ours (unix(7)).
    let is_dead = UnixStream::connect(socket).is_err_and(|error| error.kind() == ConnectionRefused);
    Some(if is_dead {
        format!("{socket} was left by a process that has ended: `rm {socket}`")
    } else {
        format!(
            "another process serves at {socket}: name another `socket`, or be its client (`role=client`)"
        )
    })
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
    fn a_driver_is_looked_for_where_nothing_was_said_and_not_where_it_spoke() {
        let spec = DeviceSpec::parse("net_ring0,nodeaction=x").unwrap();
        for (said, looks) in [("", true), ("RING: rte_pmd_ring_probe(): bad nodeaction", false)] {
            let words = no_port(&spec, said).to_string();
            assert_eq!(words.contains("librte_net_*.so"), looks, "{words}");
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
