use serde_json::json;

use super::super::super::guard::ruleset::tests::{drop, from, resets, ruleset};
use super::super::check::State::{Fail, Ok, Unknown, Warn};
use super::super::made_host::{MadeHost, asked, assert_state, at, of};
use super::super::program::Answer;
use super::*;
use crate::cli::session_file::NetworkSettings;

const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const OWNED: &str = "Local:\n  |-- 10.9.0.2\n     /32 host LOCAL\n";
const NOT_OWNED: &str =
    "Main:\n  |-- 10.9.0.0\n     /24 link UNICAST\n  |-- 10.9.0.20\n     /32 host LOCAL\n";

fn of_vendor(vendor: &str) -> (MadeHost, Asked) {
    let nic = "sys/bus/pci/devices/0000:3b:00.0";
    let made = MadeHost::new().file(&format!("{nic}/class"), "0x020000\n");
    let made = made.file(&format!("{nic}/vendor"), vendor);
    let asked = Asked { nic: Some("3b:00.0".parse().unwrap()), network: at(ADDR), ..asked() };
    (made, asked)
}

#[test]
fn beside_mlx5_an_address_of_the_kernel_s_without_a_guard_fails() {
    let guard = ruleset("inet", "output", &[vec![from(&json!("10.9.0.2")), resets(), drop()]]);
    let perhaps = ruleset("inet", "output", &[vec![from(&json!("@ours")), resets(), drop()]]);
    let none = json!({ "nftables": [] });
    for (routes, nft, state, says) in [
        (NOT_OWNED, Answer::NotInstalled, Ok, "does not have 10.9.0.2"),
        (OWNED, Answer::Said(guard.to_string()), Ok, "drops its RST"),
        (
            OWNED,
            Answer::Said(none.to_string()),
            Fail,
            "ip saddr 10.9.0.2 tcp flags rst counter drop",
        ),
        (OWNED, Answer::Said(perhaps.to_string()), Unknown, "not understood"),
        (OWNED, Answer::Said("table inet".into()), Unknown, "what nft says is no JSON"),
        (
            OWNED,
            Answer::Said("table ip nat {\n}\ntable inet guard {\n\tflags dormant\n}\n".into()),
            Unknown,
            "table inet guard is dormant",
        ),
        (OWNED, Answer::Failed("Operation not permitted".into()), Unknown, "not permitted"),
        (OWNED, Answer::NotInstalled, Unknown, "not installed"),
    ] {
        let (made, asked) = of_vendor("0x15b3\n");
        let made = made.file("proc/net/fib_trie", routes).program("nft", nft);
        assert_state(&check(&made.host(), &asked), state, says);
        // Without that NIC it is no more than advice.
        let advised = if state == Fail { Warn } else { state };
        let without = Asked { nic: None, ..asked };
        assert_state(&check(&made.host(), &without), advised, says);
    }
}

/// A rule set with a chain of hook forward, and what else is in table `inet t`.
fn forwarding_by(rule: &serde_json::Value, more: &[serde_json::Value]) -> Answer {
    let mut objects = vec![
        json!({ "table": { "family": "inet", "name": "t" } }),
        json!({ "chain": { "family": "inet", "table": "t", "name": "fw", "type": "filter",
                           "hook": "forward", "prio": 0 } }),
        json!({ "rule": { "family": "inet", "table": "t", "chain": "fw", "expr": rule } }),
    ];
    objects.extend_from_slice(more);
    Answer::Said(json!({ "nftables": objects }).to_string())
}

#[test]
fn an_address_that_the_kernel_forwards_for_is_to_meet_no_reject() {
    let guard = json!([
        { "match": { "op": "==", "left": { "payload": { "protocol": "ip", "field": "daddr" } },
                     "right": "10.9.0.2" } },
        { "drop": null },
    ]);
    let guard = [
        json!({ "chain": { "family": "inet", "table": "t", "name": "g", "type": "filter",
                           "hook": "prerouting", "prio": -300 } }),
        json!({ "rule": { "family": "inet", "table": "t", "chain": "g", "expr": guard } }),
    ];
    let reject = json!([{ "reject": { "type": "tcp reset" } }]);
    let some = json!([{ "limit": null }, { "reject": { "type": "tcp reset" } }]);
    let failed = Answer::Failed("Operation not permitted".into());
    let port = "proc/sys/net/ipv4/conf/eth0/forwarding";
    let rejects = "chain fw of table inet t rejects";
    for (forwards, nft, state, says) in [
        ("1\n", forwarding_by(&reject, &[]), Fail, rejects),
        ("1\n", forwarding_by(&reject, &[]), Fail, "fib daddr type != local counter drop'`"),
        ("1\n", forwarding_by(&some, &[]), Unknown, "guard install --address 10.9.0.2"),
        ("1\n", forwarding_by(&reject, &guard), Ok, "drops what comes for it before"),
        ("1\n", forwarding_by(&json!([{ "accept": null }]), &[]), Ok, "answers nothing for it"),
        ("1\n", failed.clone(), Unknown, "forwards, and nft: Operation not permitted"),
        ("1\n", Answer::NotInstalled, Unknown, "apt-get install nftables"),
        ("0\n", forwarding_by(&reject, &[]), Ok, "answers nothing for it"),
        ("0\n", failed, Ok, "forwards nothing"),
    ] {
        let (made, asked) = of_vendor("0x15b3\n");
        let made = made.file("proc/net/fib_trie", NOT_OWNED).program("nft", nft);
        // What all and default say is of interfaces that are not there.
        let made = made.file("proc/sys/net/ipv4/conf/all/forwarding", "1\n");
        let made = made.file(port, forwards).program("systemctl", Answer::Said("enabled\n".into()));
        let all = checks(&made.host(), &asked);
        assert_state(of(&all, "RST guard"), state, says);
        let is_at_boot_looked_for =
            [rejects, "drops what comes"].iter().any(|word| says.contains(word));
        if is_at_boot_looked_for {
            assert_state(of(&all, "RST guard at boot"), Ok, "enabled");
        }
        let refused = refuse_unguarded(&made.host(), ADDR);
        assert_eq!(refused.is_ok(), state == Ok, "{says}");
    }
    let (made, asked) = of_vendor("0x15b3\n");
    let made = made.file("proc/net/fib_trie", NOT_OWNED).file(port, "1\n");
    let made = made.program("nft", forwarding_by(&json!([]), &[]));
    let legacy = made.file("proc/net/ip_tables_names", "filter\n");
    assert_state(&check(&legacy.host(), &asked), Unknown, "iptables-legacy");
}

#[test]
fn a_nic_of_ours_alone_needs_no_guard_and_no_address_is_unknown() {
    let (made, asked) = of_vendor("0x8086\n");
    let made = made.file("proc/net/fib_trie", OWNED);
    assert_state(&check(&made.host(), &asked), Ok, "ours alone");
    let (made, asked) = of_vendor("0x1af4\n");
    let nic = "sys/bus/pci/devices/0000:3b:00.0";
    let owned = |driver: &str| {
        let (made, _) = of_vendor("0x1af4\n");
        let made = made.file("proc/net/fib_trie", OWNED);
        made.link(&format!("{nic}/driver"), &format!("../drivers/{driver}"))
    };
    assert_state(&check(&owned("vfio-pci").host(), &asked), Ok, "ours alone");
    // Its driver may show an interface to another namespace alone.
    for made in [owned("virtio-pci"), owned("vfio-pci").folder(&format!("{nic}/virtio3/net/eth0"))]
    {
        let made = made.program("nft", Answer::Said(json!({ "nftables": [] }).to_string()));
        assert_state(&check(&made.host(), &asked), Warn, "would answer with RST");
    }
    assert_state(&check(&made.host(), &asked), Ok, "ours alone");
    let (made, asked) = of_vendor("0x15b3\n");
    assert_state(&check(&made.host(), &asked), Unknown, "/proc/net/fib_trie");
    let unsaid = Asked { network: NetworkSettings::default(), ..asked };
    assert_state(&check(&made.host(), &unsaid), Unknown, "--session FILE");
}

#[test]
fn a_guard_of_the_kernel_s_address_is_to_come_back_with_the_next_boot() {
    let at_boot = |routes, answer| {
        let (made, asked) = of_vendor("0x15b3\n");
        let made = made.file("proc/net/fib_trie", routes).program("systemctl", answer);
        checks(&made.host(), &asked)
    };
    for (answer, state, says) in [
        (Answer::Said("enabled\n".into()), Ok, "fixwire-guard.service is enabled"),
        (Answer::Failed("disabled".into()), Warn, "systemctl enable --now fixwire-guard"),
        (Answer::NotInstalled, Unknown, "systemctl is not installed"),
    ] {
        assert_state(of(&at_boot(OWNED, answer), "RST guard at boot"), state, says);
    }
    assert_eq!(at_boot(NOT_OWNED, Answer::NotInstalled).len(), 1, "there is nothing to guard");
}
