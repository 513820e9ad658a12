use serde_json::json;

use super::*;

const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn payload(protocol: &str, field: &str) -> Value {
    json!({ "payload": { "protocol": protocol, "field": field } })
}

fn matching(op: &str, left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": op, "left": left, "right": right } })
}

pub(crate) fn from(addr: &Value) -> Value {
    matching("==", &payload("ip", "saddr"), addr)
}

/// `tcp flags rst`
pub(crate) fn resets() -> Value {
    matching("in", &payload("tcp", "flags"), &json!("rst"))
}

/// `tcp flags & MASK == rst`
fn masked(mask: &Value) -> Value {
    matching("==", &json!({ "&": [payload("tcp", "flags"), mask] }), &json!("rst"))
}

pub(crate) fn drop() -> Value {
    json!({ "drop": null })
}

fn counter() -> Value {
    json!({ "counter": { "packets": 0, "bytes": 0 } })
}

/// A rule set of one chain, as `nft -j list ruleset` of nftables 1.0.6 shows it.
pub(crate) fn ruleset(family: &str, hook: &str, rules: &[Vec<Value>]) -> Value {
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

#[test]
fn a_guard_in_a_dormant_table_or_a_chain_of_another_type_is_none() {
    let guard = [vec![from(&json!("10.9.0.2")), resets(), drop()]];
    let with = |object: &str, key: &str, value: Value| {
        let mut whole = ruleset("inet", "output", &guard);
        let objects = whole["nftables"].as_array_mut().unwrap();
        let changed = objects.iter_mut().find_map(|each| each.get_mut(object)).unwrap();
        changed[key] = value;
        drops_resets(&whole, ADDR)
    };
    for (flags, verdict) in [
        (json!("dormant"), Verdict::Never),
        (json!(["dormant"]), Verdict::Never),
        (json!(["owner", "dormant"]), Verdict::Never),
        (json!(["owner"]), Verdict::Always),
        (json!([]), Verdict::Always),
        (json!("fixwire"), Verdict::Perhaps),
        (json!([1]), Verdict::Perhaps),
        (json!(1), Verdict::Perhaps),
    ] {
        assert_eq!(with("table", "flags", flags.clone()), verdict, "{flags}");
    }
    for (kind, verdict) in [
        (json!("filter"), Verdict::Always),
        (json!("nat"), Verdict::Never),
        (json!("route"), Verdict::Perhaps),
        (json!(null), Verdict::Perhaps),
    ] {
        assert_eq!(with("chain", "type", kind.clone()), verdict, "{kind}");
    }
    // A rule set that shows no such table.
    assert_eq!(with("table", "name", json!("other")), Verdict::Perhaps);
    // Another table that does filter is a guard all the same.
    let mut both = ruleset("inet", "output", &guard);
    let more = ruleset("ip", "output", &guard);
    let objects = both["nftables"].as_array_mut().unwrap();
    objects[1]["table"]["flags"] = json!(["dormant"]);
    objects.extend(more["nftables"].as_array().unwrap().iter().cloned());
    assert_eq!(drops_resets(&both, ADDR), Verdict::Always);
}
