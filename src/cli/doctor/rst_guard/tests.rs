use serde_json::json;

use super::super::check::State::{Fail, Ok, Unknown, Warn};
use super::super::made_host::{MadeHost, asked, assert_state};
use super::*;

const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const OWNED: &str = "Local:\n  |-- 10.9.0.2\n     /32 host LOCAL\n";
const NOT_OWNED: &str =
    "Main:\n  |-- 10.9.0.0\n     /24 link UNICAST\n  |-- 10.9.0.20\n     /32 host LOCAL\n";

fn payload(protocol: &str, field: &str) -> Value {
    json!({ "payload": { "protocol": protocol, "field": field } })
}

fn matching(op: &str, left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": op, "left": left, "right": right } })
}

fn from(addr: &Value) -> Value {
    matching("==", &payload("ip", "saddr"), addr)
}

/// `tcp flags rst`
fn resets() -> Value {
    matching("in", &payload("tcp", "flags"), &json!("rst"))
}

/// `tcp flags & MASK == rst`
fn masked(mask: &Value) -> Value {
    matching("==", &json!({ "&": [payload("tcp", "flags"), mask] }), &json!("rst"))
}

fn drop() -> Value {
    json!({ "drop": null })
}

fn counter() -> Value {
    json!({ "counter": { "packets": 0, "bytes": 0 } })
}

/// A rule set of one chain, as `nft -j list ruleset` of nftables 1.0.6 shows it.
fn ruleset(family: &str, hook: &str, rules: &[Vec<Value>]) -> Value {
    let mut objects = vec![
        json!({ "metainfo": { "version": "1.0.6", "json_schema_version": 1 } }),
        json!({ "table": { "family": family, "name": "fixwire", "handle": 1 } }),
        json!({ "chain": { "family": family, "table": "fixwire", "name": "out", "handle": 1,
                           "type": "filter", "hook": hook, "prio": 0, "policy": "accept" } }),
    ];
    objects.extend(rules.iter().map(|expr| {
        json!({ "rule": { "family": family, "table": "fixwire", "chain": "out", "expr": expr } })
    }));
    json!({ "nftables": objects })
}

fn one(expr: Vec<Value>) -> Verdict {
    drops_resets(&ruleset("inet", "output", &[expr]), ADDR)
}

#[test]
fn a_rule_that_drops_every_reset_from_the_address_guards() {
    let ours = json!("10.9.0.2");
    let set = json!({ "set": ["10.9.0.9", { "prefix": { "addr": "10.9.0.2", "len": 31 } }] });
    let network = json!({ "prefix": { "addr": "10.9.0.0", "len": 24 } });
    let all = json!({ "prefix": { "addr": "0.0.0.0", "len": 0 } });
    let l4proto = matching("==", &json!({ "meta": { "key": "l4proto" } }), &json!("tcp"));
    let protocol = matching("==", &payload("ip", "protocol"), &json!("tcp"));
    let several = matching("in", &payload("tcp", "flags"), &json!(["fin", "rst"]));
    for expr in [
        vec![from(&ours), resets(), counter(), drop()],
        vec![from(&set), resets(), drop()],
        vec![from(&network), masked(&json!("rst")), drop()],
        vec![from(&all), masked(&json!(["syn", "rst"])), drop()],
        vec![from(&ours), l4proto, drop()],
        vec![from(&ours), protocol, drop()],
        vec![from(&ours), several, drop()],
        vec![from(&ours), drop()],
        vec![resets(), drop()],
    ] {
        assert_eq!(one(expr.clone()), Verdict::Always, "{expr:?}");
    }
}

#[test]
fn a_rule_that_drops_something_else_guards_nothing() {
    let elsewhere = json!({ "prefix": { "addr": "10.9.0.4", "len": 30 } });
    let udp = matching("==", &payload("ip", "protocol"), &json!("udp"));
    let fins = matching("in", &payload("tcp", "flags"), &json!("fin"));
    for expr in [
        vec![from(&json!("10.9.0.3")), resets(), drop()],
        vec![from(&elsewhere), resets(), drop()],
        vec![from(&json!({ "set": ["10.9.0.3", "10.9.0.4"] })), drop()],
        vec![from(&json!("10.9.0.2")), udp, drop()],
        vec![from(&json!("10.9.0.2")), fins, drop()],
        vec![from(&json!("10.9.0.2")), resets(), counter()],
        vec![],
    ] {
        assert_eq!(one(expr.clone()), Verdict::Never, "{expr:?}");
    }
    let guard = [vec![from(&json!("10.9.0.2")), resets(), drop()]];
    for (family, hook) in [("ip6", "output"), ("inet", "input"), ("bridge", "output")] {
        assert_eq!(drops_resets(&ruleset(family, hook, &guard), ADDR), Verdict::Never, "{family}");
    }
    for (family, hook) in [("ip", "output"), ("inet", "postrouting")] {
        assert_eq!(drops_resets(&ruleset(family, hook, &guard), ADDR), Verdict::Always, "{hook}");
    }
    for odd in [json!(null), json!({ "nftables": 3 }), json!({ "nftables": [{ "chain": [] }] })] {
        assert_eq!(drops_resets(&odd, ADDR), Verdict::Never);
    }
}

#[test]
fn what_is_not_understood_or_may_be_passed_by_is_never_taken_for_a_guard() {
    let ours = json!("10.9.0.2");
    let out = matching("==", &json!({ "meta": { "key": "oifname" } }), &json!("eth0"));
    let not = matching("!=", &payload("ip", "saddr"), &json!("10.9.0.3"));
    let port = matching("==", &payload("tcp", "sport"), &json!(9878));
    let named = from(&json!("@ours"));
    let limit = json!({ "limit": { "rate": 1, "per": "second" } });
    for expr in [
        vec![from(&ours), out, resets(), drop()],
        vec![not, resets(), drop()],
        vec![from(&ours), port, resets(), drop()],
        vec![named, resets(), drop()],
        vec![from(&ours), limit, resets(), drop()],
        // A reset that answers a SYN has ACK as well, and is not `rst` by this mask.
        vec![from(&ours), masked(&json!(["rst", "ack"])), drop()],
        vec![from(&json!({ "set": ["10.9.0.3", "@more"] })), resets(), drop()],
    ] {
        assert_eq!(one(expr.clone()), Verdict::Perhaps, "{expr:?}");
    }
    let guard = vec![from(&ours), resets(), drop()];
    for passes in ["accept", "return", "jump", "goto"] {
        let before = [vec![json!({ passes: null })], guard.clone()];
        assert_eq!(drops_resets(&ruleset("inet", "output", &before), ADDR), Verdict::Perhaps);
        let after = [guard.clone(), vec![json!({ passes: null })]];
        assert_eq!(drops_resets(&ruleset("inet", "output", &after), ADDR), Verdict::Always);
    }
}

fn of_vendor(vendor: &str) -> (MadeHost, Asked) {
    let nic = "sys/bus/pci/devices/0000:3b:00.0";
    let made = MadeHost::new().file(&format!("{nic}/class"), "0x020000\n");
    let made = made.file(&format!("{nic}/vendor"), vendor);
    let asked = Asked { nic: Some("3b:00.0".parse().unwrap()), engine: Some(ADDR), ..asked() };
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
        (OWNED, Answer::Said(none.to_string()), Fail, "ip saddr 10.9.0.2 tcp flags rst drop"),
        (OWNED, Answer::Said(perhaps.to_string()), Unknown, "not understood"),
        (OWNED, Answer::Said("table inet".into()), Unknown, "no JSON"),
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

#[test]
fn a_nic_of_ours_alone_needs_no_guard_and_no_address_is_unknown() {
    let (made, asked) = of_vendor("0x8086\n");
    let made = made.file("proc/net/fib_trie", OWNED);
    assert_state(&check(&made.host(), &asked), Ok, "ours alone");
    let (made, asked) = of_vendor("0x15b3\n");
    assert_state(&check(&made.host(), &asked), Unknown, "/proc/net/fib_trie");
    let unsaid = Asked { engine: None, ..asked };
    assert_state(&check(&made.host(), &unsaid), Unknown, "--session FILE");
}
