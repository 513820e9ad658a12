//! The kernel's interface on a port that it keeps beside us.

use super::check::{Check, Subject};
use super::host::Host;
use super::nic;
use super::pci::PciAddress;
use super::program::Answer;

const AREA: &str = "NIC";
const LINK: Subject = Subject::required(AREA, "link");
const MTU: Subject = Subject::advised(AREA, "MTU");
const PAUSE: Subject = Subject::advised(AREA, "pause frames");
const QUEUES: Subject = Subject::advised(AREA, "kernel's queues");

/// What Ethernet carries everywhere, in bytes.
const MTU_USUAL: u32 = 1_500;
/// Queues of the kernel's own: each has an interrupt and memory of the NIC's, for ssh and ARP.
const QUEUES_MAX: u32 = 4;

pub(crate) fn checks(host: &Host, nic: PciAddress) -> Vec<Check> {
    let Some(name) = nic::interface_name(host, nic) else {
        let remedy = "`modprobe mlx5_core`; in a container, give it the NIC's network namespace";
        let untold = |subject: Subject| subject.unknown("the kernel has no interface here", remedy);
        return [LINK, MTU, PAUSE, QUEUES].map(untold).into();
    };
    let folder = format!("{}/net/{name}", nic::folder(nic));
    vec![
        link(host, &folder, &name),
        mtu(host, &folder, &name),
        pause(host, &name),
        queues(host, &name),
    ]
}

fn link(host: &Host, folder: &str, name: &str) -> Check {
    let up =
        format!("`ip link set {name} up`, and look at cable, module and switch: `ethtool {name}`");
    match host.text(&format!("{folder}/operstate")) {
        Ok(state) if state == "up" => LINK.ok(format!("{name} is up")),
        Ok(state) => LINK.bad(format!("{name} is {state}"), up),
        Err(untold) => LINK.unknown(untold, up),
    }
}

/// A router's word that a packet is too big goes to the kernel, and never to us.
fn mtu(host: &Host, folder: &str, name: &str) -> Check {
    let set = format!(
        "`ip link set {name} mtu {MTU_USUAL}`, unless every hop to the peer carries as much"
    );
    match host.number::<u32>(&format!("{folder}/mtu")) {
        Ok(MTU_USUAL) => MTU.ok(format!("{MTU_USUAL} bytes")),
        Ok(mtu) if mtu > MTU_USUAL => MTU.warn(
            format!(
                "{mtu} bytes: where a hop carries less, nobody tells us, and segments are lost"
            ),
            set,
        ),
        Ok(mtu) => MTU.warn(format!("{mtu} bytes: segments are shorter than they could be"), set),
        Err(untold) => MTU.unknown(untold, set),
    }
}

/// What ethtool says, or why it does not.
fn ethtool(host: &Host, what: &str, name: &str) -> Result<String, String> {
    match host.ask("ethtool", &[what, name]) {
        Answer::Said(text) => Ok(text),
        Answer::NotInstalled => Err("ethtool is not installed".into()),
        Answer::Failed(why) => Err(format!("ethtool: {why}")),
    }
}

/// A switch that asks for a pause holds our orders back.
fn pause(host: &Host, name: &str) -> Check {
    let off = format!("`ethtool -A {name} autoneg off rx off tx off`");
    let text = match ethtool(host, "-a", name) {
        Ok(text) => text,
        Err(why) => return PAUSE.unknown(why, off),
    };
    let of = |way: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(way))?;
        Some(line.trim().to_owned())
    };
    match (of("RX:").as_deref(), of("TX:").as_deref()) {
        (Some("off"), Some("off")) => PAUSE.ok("neither heeded nor sent"),
        (Some(rx @ ("on" | "off")), Some(tx @ ("on" | "off"))) => {
            PAUSE.warn(format!("heeded {rx}, sent {tx}"), off)
        }
        _ => PAUSE.unknown("ethtool does not say", off),
    }
}

fn queues(host: &Host, name: &str) -> Check {
    let few = format!("`ethtool -L {name} combined 1`");
    let text = match ethtool(host, "-l", name) {
        Ok(text) => text,
        Err(why) => return QUEUES.unknown(why, few),
    };
    // The second block is what is set, the first what can be.
    let set = text.split_once("Current").map_or("", |(_, set)| set);
    let count = set.lines().find_map(|line| line.trim().strip_prefix("Combined:"));
    match count.and_then(|count| count.trim().parse::<u32>().ok()) {
        Some(count) if count <= QUEUES_MAX => QUEUES.ok(count.to_string()),
        Some(count) => QUEUES.warn(format!("{count}, for what is not ours"), few),
        None => QUEUES.unknown("ethtool does not say", few),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Fail, Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, assert_state, of};
    use super::*;

    const NET: &str = "sys/bus/pci/devices/0000:3b:00.0/net/eth2";

    fn checked(made: &MadeHost) -> Vec<Check> {
        checks(&made.host(), "3b:00.0".parse().unwrap())
    }

    fn made() -> MadeHost {
        MadeHost::new().folder(NET)
    }

    fn said(text: &str) -> Answer {
        Answer::Said(text.to_owned())
    }

    #[test]
    fn a_link_that_is_not_up_fails_and_an_unusual_mtu_is_warned_of() {
        for (state, is, says) in [
            ("up\n", Ok, "eth2 is up"),
            ("down\n", Fail, "ip link set eth2 up"),
            ("lowerlayerdown\n", Fail, "eth2 is lowerlayerdown"),
        ] {
            let made = made().file(&format!("{NET}/operstate"), state);
            assert_state(of(&checked(&made), "link"), is, says);
        }
        assert_state(of(&checked(&made()), "link"), Unknown, "operstate");
        for (mtu, is, says) in [
            ("1500\n", Ok, "1500 bytes"),
            ("9000\n", Warn, "nobody tells us"),
            ("1400\n", Warn, "ip link set eth2 mtu 1500"),
            ("many\n", Unknown, "not a number"),
        ] {
            let made = made().file(&format!("{NET}/mtu"), mtu);
            assert_state(of(&checked(&made), "MTU"), is, says);
        }
    }

    #[test]
    fn pause_frames_either_way_are_warned_of() {
        let shown = |rx: &str, tx: &str| {
            said(&format!(
                "Pause parameters for eth2:\nAutonegotiate:\toff\nRX:\t\t{rx}\nTX:\t\t{tx}\n"
            ))
        };
        for (answer, is, says) in [
            (shown("off", "off"), Ok, "neither"),
            (shown("on", "off"), Warn, "heeded on, sent off"),
            (shown("off", "on"), Warn, "ethtool -A eth2 autoneg off rx off tx off"),
            (shown("?", "off"), Unknown, "does not say"),
            (said(""), Unknown, "does not say"),
            (Answer::Failed("not supported".into()), Unknown, "not supported"),
            (Answer::NotInstalled, Unknown, "not installed"),
        ] {
            let made = made().program("ethtool", answer);
            assert_state(of(&checked(&made), "pause frames"), is, says);
        }
    }

    #[test]
    fn the_kernel_s_queues_are_those_that_are_set_and_not_those_that_can_be() {
        let shown = |set: &str| {
            said(&format!(
                "Channel parameters for eth2:\nPre-set maximums:\nRX:\t\tn/a\nCombined:\t63\n\
                 Current hardware settings:\nRX:\t\tn/a\nCombined:\t{set}\n"
            ))
        };
        for (answer, is, says) in [
            (shown("1"), Ok, "1"),
            (shown("4"), Ok, "4"),
            (shown("63"), Warn, "ethtool -L eth2 combined 1"),
            (shown("n/a"), Unknown, "does not say"),
            (said("Combined: 1"), Unknown, "does not say"),
        ] {
            let made = made().program("ethtool", answer);
            assert_state(of(&checked(&made), "kernel's queues"), is, says);
        }
    }

    #[test]
    fn without_an_interface_nothing_is_told() {
        let checks = checked(&MadeHost::new());
        assert_eq!(checks.len(), 4);
        for check in &checks {
            assert_state(check, Unknown, "no interface");
        }
    }
}
