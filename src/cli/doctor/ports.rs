//! Whether a program on the kernel's sockets may take a port of the engine's, where both have the same address.

use std::ops::RangeInclusive;

use super::Asked;
use super::check::{Check, Subject};
use super::host::Host;
use super::nic::{self, Kind};
use super::rst_guard;

const PORTS: Subject = Subject::advised("network", "kernel's ports");

/// Those that the engine connects from (RFC 6335 6).
const OURS: RangeInclusive<u32> = 49_152..=65_535;

const RANGE: &str = "proc/sys/net/ipv4/ip_local_port_range";
const RESERVED: &str = "proc/sys/net/ipv4/ip_local_reserved_ports";

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    let is_beside = kind == Some(Kind::Bifurcated);
    is_beside.then(|| check(host, asked)).into_iter().collect()
}

fn check(host: &Host, asked: &Asked) -> Check {
    const NARROW: &str =
        "`sysctl -w net.ipv4.ip_local_port_range=\"32768 49151\"`, and the same in /etc/sysctl.d";
    let Some(addr) = asked.engine() else {
        return PORTS.unknown("which address the engine has is not said", rst_guard::NAME);
    };
    match rst_guard::has(host, addr) {
        Err(untold) => return PORTS.unknown(untold, "`ip -4 address show`"),
        Ok(false) => return PORTS.ok(format!("the kernel does not have {addr}, nor its ports")),
        Ok(true) => {}
    }
    let text = match host.text(RANGE) {
        Ok(text) => text,
        Err(untold) => return PORTS.unknown(untold, NARROW),
    };
    let bounds: Vec<u32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, last] = bounds[..] else {
        return PORTS.unknown(format!("/{RANGE} says {text:?}"), NARROW);
    };
    let reserved = host.text(RESERVED).unwrap_or_default();
    let mut shared = first.max(*OURS.start())..=last.min(*OURS.end());
    if shared.all(|port| is_reserved(&reserved, port)) {
        PORTS.ok(format!(
            "who connects by the kernel gets {first} to {last}, none that is the engine's"
        ))
    } else {
        let (ours, end) = (OURS.start(), OURS.end());
        PORTS.warn(
            format!(
                "who connects by the kernel gets {first} to {last}, and the engine connects from {ours} to {end} of \
                 the same address"
            ),
            NARROW,
        )
    }
}

/// Whether a list such as `8080,49152-65535` has a port (ip-sysctl.rst, `ip_local_reserved_ports`).
fn is_reserved(list: &str, port: u32) -> bool {
    list.split(',').any(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let bounds = (first.trim().parse::<u32>(), last.trim().parse::<u32>());
        matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state, at, of};
    use super::*;

    #[test]
    fn who_connects_by_the_kernel_is_to_get_no_port_of_the_engine_s() {
        const OWNED: &str = "Local:\n  |-- 10.9.0.2\n     /32 host LOCAL\n";
        const NOT_OWNED: &str = "Main:\n  |-- 10.9.0.0\n     /24 link UNICAST\n";
        let nic = "sys/bus/pci/devices/0000:3b:00.0";
        let made = |routes: &str, range: &str, reserved: &str| {
            let made = MadeHost::new().file(&format!("{nic}/class"), "0x020000\n");
            let made = made.file(&format!("{nic}/vendor"), "0x15b3\n");
            let made = made.file("proc/net/fib_trie", routes).file(RESERVED, reserved);
            made.file(RANGE, range)
        };
        let asked_with = || Asked {
            nic: Some("3b:00.0".parse().unwrap()),
            network: at([10, 9, 0, 2].into()),
            ..asked()
        };
        for (routes, range, reserved, state, says) in [
            (OWNED, "32768\t49151\n", "\n", Ok, "gets 32768 to 49151"),
            (OWNED, "32768\t60999\n", "\n", Warn, "ip_local_port_range=\"32768 49151\""),
            (OWNED, "32768\t49152\n", "\n", Warn, "from 49152 to 65535"),
            (OWNED, "50000\t50001\n", "\n", Warn, "gets 50000 to 50001"),
            (OWNED, "32768\t60999\n", "8080,49152-65535\n", Ok, "none that is the engine's"),
            (OWNED, "32768\t60999\n", "49152-60998\n", Warn, "of the same address"),
            (OWNED, "many\n", "\n", Unknown, "says \"many\""),
            (NOT_OWNED, "32768\t60999\n", "\n", Ok, "does not have 10.9.0.2"),
        ] {
            let made = made(routes, range, reserved);
            assert_state(of(&checks(&made.host(), &asked_with()), "kernel's ports"), state, says);
        }
        let unsaid = Asked { network: Default::default(), ..asked_with() };
        assert_state(
            &checks(&made(OWNED, "1 2", "").host(), &unsaid)[0],
            Unknown,
            "--session FILE",
        );
        let without = Asked { nic: None, ..asked_with() };
        assert_eq!(checks(&made(OWNED, "1 2", "").host(), &without).len(), 0);
    }
}
