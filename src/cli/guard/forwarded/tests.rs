use serde_json::json;

use super::*;

const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const ON: Forwarding = Forwarding { is_on: true, has_legacy: false };
const OFF: Forwarding = Forwarding { is_on: false, has_legacy: false };

fn matching(op: &str, left: &Value, right: &Value) -> Value {
    json!({ "match": { "op": op, "left": left, "right": right } })
}

fn of_field(protocol: &str, field: &str, right: &Value) -> Value {
    matching("==", &json!({ "payload": { "protocol": protocol, "field": field } }), right)
}

fn to(addr: &str) -> Value {
    of_field("ip", "daddr", &json!(addr))
}

fn tcp() -> Value {
    matching("==", &json!({ "meta": { "key": "l4proto" } }), &json!("tcp"))
}

/// `fib daddr type`
fn kind(op: &str, flags: &Value, kinds: &Value) -> Value {
    matching(op, &json!({ "fib": { "result": "type", "flags": flags } }), kinds)
}

fn reset() -> Value {
    json!({ "reject": { "type": "tcp reset" } })
}

fn word(word: &str) -> Value {
    json!({ word: null })
}

fn leads(word: &str, target: &str) -> Value {
    json!({ word: { "target": target } })
}

type Rules<'a> = &'a [Vec<Value>];

/// Chains by family, name, hook and priority, with their rules, in one table of each family.
fn ruleset(chains: &[(&str, &str, &str, i64, Rules<'_>)]) -> Value {
    let mut objects = Vec::new();
    for (family, name, hook, priority, rules) in chains {
        objects.push(json!({ "table": { "family": family, "name": "t" } }));
        let mut chain = json!({ "family": family, "table": "t", "name": name });
        if !hook.is_empty() {
            chain["type"] = "filter".into();
            chain["hook"] = (*hook).into();
            chain["prio"] = (*priority).into();
        }
        objects.push(json!({ "chain": chain }));
        objects.extend(rules.iter().map(|expr| {
            json!({ "rule": { "family": family, "table": "t", "chain": name, "expr": expr } })
        }));
    }
    json!({ "nftables": objects })
}

/// How surely a rule set answers; `None` where a guard comes before.
fn answered(rules: &Value, forwarding: Forwarding) -> Option<Verdict> {
    match outcome(rules, ADDR, forwarding) {
        Outcome::Silent => Some(Verdict::Never),
        Outcome::Guarded => None,
        Outcome::Answered(answering) => Some(answering.verdict),
    }
}

/// The rule that `fixwire guard install` makes.
fn guard() -> Vec<Value> {
    vec![to("10.9.0.2"), tcp(), kind("!=", &json!(["daddr"]), &json!("local")), word("drop")]
}

#[test]
fn a_reject_of_what_is_forwarded_answers_unless_it_is_of_something_else() {
    use Verdict::{Always, Never, Perhaps};
    let daddr = json!("daddr");
    let iifname = matching("==", &json!({ "meta": { "key": "iifname" } }), &json!("eth0"));
    let not_to = |addr: &str| {
        matching("!=", &json!({ "payload": { "protocol": "ip", "field": "daddr" } }), &json!(addr))
    };
    for (rules, verdict) in [
        (vec![vec![tcp(), reset()]], Always),
        (vec![vec![json!({ "reject": { "type": "icmpx", "expr": "port-unreachable" } })]], Always),
        (vec![vec![to("10.9.0.2"), reset()]], Always),
        (vec![vec![to("10.9.0.3"), reset()]], Never),
        (vec![vec![not_to("10.9.0.3"), reset()]], Always),
        (vec![vec![not_to("10.9.0.2"), reset()]], Never),
        (vec![vec![to("@ours"), reset()]], Perhaps),
        (vec![vec![iifname, reset()]], Perhaps),
        (vec![vec![of_field("udp", "dport", &json!(53)), word("reject")]], Never),
        (vec![vec![of_field("ip6", "daddr", &json!("::1")), word("reject")]], Never),
        (vec![vec![kind("==", &daddr, &json!("local")), word("reject")]], Never),
        (vec![vec![kind("==", &daddr, &json!("unicast")), word("reject")]], Perhaps),
        (vec![vec![word("accept")], vec![reset()]], Never),
        (vec![vec![to("10.9.0.2"), word("drop")], vec![reset()]], Never),
        (vec![vec![of_field("tcp", "dport", &json!(22)), word("accept")], vec![reset()]], Perhaps),
        (vec![vec![json!({ "xt": null })]], Perhaps),
        (vec![vec![word("synproxy")]], Always),
        (vec![vec![word("accept")]], Never),
        (vec![], Never),
    ] {
        let rules = ruleset(&[("inet", "forward", "forward", 0, &rules[..])]);
        assert_eq!(answered(&rules, ON), Some(verdict), "{rules}");
        assert_eq!(answered(&rules, OFF), Some(Never), "nothing is forwarded: {rules}");
    }
}

#[test]
fn rejects_are_looked_for_where_what_is_forwarded_comes_by() {
    use Verdict::{Always, Never, Perhaps};
    for (family, hook, on, off) in [
        ("ip", "forward", Always, Never),
        ("ip6", "forward", Never, Never),
        ("inet", "prerouting", Always, Always),
        ("inet", "ingress", Perhaps, Perhaps),
        ("netdev", "ingress", Perhaps, Perhaps),
        ("bridge", "prerouting", Perhaps, Perhaps),
        ("inet", "input", Never, Never),
        ("inet", "output", Never, Never),
    ] {
        let rules = ruleset(&[(family, "c", hook, 0, &[vec![reset()]][..])]);
        assert_eq!(answered(&rules, ON), Some(on), "{family} {hook}");
        assert_eq!(answered(&rules, OFF), Some(off), "{family} {hook}");
    }
    let mut asleep = ruleset(&[("inet", "forward", "forward", 0, &[vec![reset()]][..])]);
    asleep["nftables"][0]["table"]["flags"] = json!(["dormant"]);
    assert_eq!(answered(&asleep, ON), Some(Never));
    let legacy = Forwarding { has_legacy: true, ..ON };
    assert_eq!(answered(&ruleset(&[]), legacy), Some(Perhaps));
    assert_eq!(answered(&json!(null), ON), Some(Never));
}

#[test]
fn chains_that_a_chain_leads_to_are_gone_through() {
    use Verdict::{Always, Never, Perhaps};
    let vmap = json!({ "vmap": { "key": { "meta": { "key": "iifname" } }, "data": "@zones" } });
    for (lead, verdict) in [
        (vec![leads("jump", "zone")], Always),
        (vec![leads("goto", "zone")], Always),
        (vec![to("10.9.0.3"), leads("jump", "zone")], Never),
        (vec![vmap], Perhaps),
        (vec![leads("jump", "other")], Never),
    ] {
        // One that leads back to itself, which nft would not take, ends as well.
        let zone = [vec![leads("jump", "zone")], vec![reset()]];
        let zone = if verdict == Always { &zone[1..] } else { &zone[..] };
        let base = [lead.clone()];
        let chains = [("inet", "forward", "forward", 0, &base[..]), ("inet", "zone", "", 0, zone)];
        assert_eq!(answered(&ruleset(&chains), ON), Some(verdict), "{lead:?}");
    }
}

#[test]
fn a_guard_is_what_drops_every_segment_in_an_earlier_chain() {
    use Verdict::Always;
    let reject = [vec![reset()]];
    let with = |name: &str, hook: &str, priority, rules: Rules<'_>, of_reject| {
        let guards = ("inet", name, hook, priority, rules);
        ruleset(&[("ip", "forward", "forward", of_reject, &reject[..]), guards])
    };
    let ours = [guard()];
    for (hook, priority, of_reject, found) in [
        ("prerouting", RAW, 0, None),
        ("prerouting", 100, -400, None),
        ("forward", -1, 0, None),
        ("forward", 0, 0, Some(Always)),
        ("forward", 1, 0, Some(Always)),
        ("output", RAW, 0, Some(Always)),
    ] {
        let rules = with("g", hook, priority, &ours, of_reject);
        assert_eq!(answered(&rules, ON), found, "{hook} {priority}");
        let guards = hook == "prerouting" && priority <= RAW;
        assert_eq!(drops_segments(&rules, ADDR), guards, "{hook} {priority}");
    }
    let mut of_another = guard();
    of_another[0] = to("10.9.0.3");
    let limited = [&[json!({ "limit": { "rate": 1, "per": "second" } })][..], &guard()].concat();
    let syns = [&[of_field("tcp", "flags", &json!("syn"))][..], &guard()].concat();
    let passed = vec![of_field("tcp", "dport", &json!(22)), word("accept")];
    for no_guard in [vec![of_another], vec![limited], vec![syns], vec![passed, guard()], vec![]] {
        let rules = with("g", "prerouting", RAW, &no_guard, 0);
        assert_eq!(answered(&rules, ON), Some(Always), "{no_guard:?}");
        assert!(!drops_segments(&rules, ADDR), "{no_guard:?}");
    }
    // What answers before the guard, or by no way that goes past it.
    for (family, hook, priority) in [("ip", "prerouting", -301), ("netdev", "ingress", 0)] {
        let early = ruleset(&[
            (family, "early", hook, priority, &reject[..]),
            ("inet", "g", "prerouting", RAW, &ours[..]),
        ]);
        let Outcome::Answered(answering) = outcome(&early, ADDR, ON) else { panic!("{family}") };
        assert_eq!(answering.chain, format!("chain early of table {family} t"));
        assert!(!answering.is_after_guard, "no rule of ours would help");
    }
    // As newer nft writes a lone flag.
    let mut lone = guard();
    lone[2] = kind("!=", &json!("daddr"), &json!("local"));
    assert!(drops_segments(&with("g", "prerouting", RAW, &[lone], 0), ADDR));
    let legacy = Forwarding { has_legacy: true, ..ON };
    assert_eq!(answered(&with("g", "prerouting", RAW, &ours, 0), legacy), None);
}
