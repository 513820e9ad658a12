//! What nft is told: to guard an address, and to take that back.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::super::failure::Failure;
use super::forwarded::drops_segments;
use super::ruleset::{Chain, Verdict, drops_resets, handles_of};

/// Our table, of family inet.
pub(crate) const TABLE: &str = "fixwire_guard";

/// One of our chains, with a rule for each address.
struct Half {
    name: &'static str,
    chain: Chain<'static>,
    rule: fn(Ipv4Addr) -> String,
    guards: fn(&Value, Ipv4Addr) -> bool,
}

/// The kernel's own resets go no further, where it has the address.
const RESETS: Half = Half {
    name: "output",
    chain: Chain::OUTPUT,
    rule: |addr| format!("ip saddr {addr} tcp flags rst counter drop"),
    guards: |rules, addr| drops_resets(rules, addr) == Verdict::Always,
};

/// What would be forwarded comes to no rule that rejects it, where the kernel does not have the address.
const SEGMENTS: Half = Half {
    name: "prerouting",
    chain: Chain::PREROUTING,
    rule: |addr| format!("ip daddr {addr} meta l4proto tcp fib daddr type != local counter drop"),
    guards: drops_segments,
};

const HALVES: [Half; 2] = [RESETS, SEGMENTS];

impl Half {
    /// A chain that is there stays as it is.
    fn lines(&self, addr: Ipv4Addr) -> [String; 2] {
        let Half { name, chain, rule, .. } = self;
        [
            format!("add chain inet {TABLE} {name} {{ {chain}; policy accept; }}"),
            format!("add rule inet {TABLE} {name} {}", rule(addr)),
        ]
    }
}

fn with_table(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    std::iter::once(format!("add table inet {TABLE}")).chain(lines).collect()
}

/// The lines that guard an address, whether the kernel has it or comes to have it, or not.
pub(crate) fn lines(addr: Ipv4Addr) -> Vec<String> {
    with_table(HALVES.iter().flat_map(|half| half.lines(addr)))
}

/// Those for an address that the kernel has.
pub(crate) fn lines_where_owned(addr: Ipv4Addr) -> Vec<String> {
    with_table(RESETS.lines(addr))
}

/// Those for one that it has not.
pub(crate) fn lines_where_forwarded(addr: Ipv4Addr) -> Vec<String> {
    with_table(SEGMENTS.lines(addr))
}

/// The lines for what no rule guards yet; none where all is guarded.
pub(crate) fn missing(rules: &Value, addr: Ipv4Addr) -> Vec<String> {
    let missing = HALVES.iter().filter(|half| !(half.guards)(rules, addr));
    let lines: Vec<String> = missing.flat_map(|half| half.lines(addr)).collect();
    if lines.is_empty() { lines } else { with_table(lines) }
}

/// Refuses a chain of a name of ours that packets do not go through as they go through ours: nft would leave it as it
/// is, or give a reason that names no chain.
pub(crate) fn refuse_other_chain(rules: &Value) -> Result<(), Failure> {
    for Half { name, chain: ours, .. } in &HALVES {
        if let Some(other) = Chain::named(rules, TABLE, name).filter(|chain| chain != ours) {
            return Err(Failure::run(
                format!("table inet {TABLE} has a chain {name} already, {other} and not {ours}"),
                format!("`nft delete table inet {TABLE}`, and install it again"),
            ));
        }
    }
    Ok(())
}

/// What takes away again what was added between two listings.
pub(crate) fn undoing(before: &Value, after: &Value) -> String {
    let mut lines = Vec::new();
    for Half { name, .. } in &HALVES {
        let known = handles_of(before, TABLE, name);
        let Some(known) = known else { return format!("delete table inet {TABLE}") };
        if Chain::named(before, TABLE, name).is_none() {
            if Chain::named(after, TABLE, name).is_some() {
                lines.extend(
                    ["flush", "delete"].map(|verb| format!("{verb} chain inet {TABLE} {name}")),
                );
            }
            continue;
        }
        let added = handles_of(after, TABLE, name).unwrap_or_default();
        let added = added.into_iter().filter(|handle| !known.contains(handle));
        lines
            .extend(added.map(|handle| format!("delete rule inet {TABLE} {name} handle {handle}")));
    }
    lines.join("\n")
}

/// What takes the rules for an address out of our table, and the table with the last; `None` where there is none.
pub(crate) fn removal(rules: &Value, addr: Ipv4Addr) -> Option<String> {
    let objects = rules["nftables"].as_array()?;
    let ours: Vec<&Value> = objects
        .iter()
        .map(|object| &object["rule"])
        .filter(|rule| rule["family"] == "inet" && rule["table"] == TABLE)
        .collect();
    let guards = |rule: &&&Value| {
        let parts = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
        let of = |part: &Value| part["match"]["right"] == addr.to_string();
        parts.iter().any(of) && parts.iter().any(|part| part.get("drop").is_some())
    };
    let of_addr: Vec<&Value> = ours.iter().filter(guards).copied().collect();
    if of_addr.is_empty() {
        return None;
    }
    if of_addr.len() == ours.len() {
        return Some(format!("delete table inet {TABLE}"));
    }
    let lines = of_addr.iter().filter_map(|rule| {
        let (chain, handle) = (rule["chain"].as_str()?, rule["handle"].as_u64()?);
        Some(format!("delete rule inet {TABLE} {chain} handle {handle}"))
    });
    Some(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use serde_json::json;

    use super::super::ruleset::tests::{drop, from, resets, ruleset};
    use super::*;

    const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

    /// Our table with a rule for each of these addresses, the first with handle 5.
    fn ours(addrs: &[&str]) -> Value {
        let rules: Vec<_> =
            addrs.iter().map(|addr| vec![from(&json!(addr)), resets(), drop()]).collect();
        let mut whole = ruleset("inet", "output", &rules);
        let objects = whole["nftables"].as_array_mut().unwrap();
        for (number, object) in objects.iter_mut().enumerate() {
            if let Some(rule) = object.get_mut("rule") {
                rule["table"] = TABLE.into();
                rule["chain"] = RESETS.name.into();
                rule["handle"] = (number + 2).into();
            }
            if let Some(table) = object.get_mut("table") {
                table["name"] = TABLE.into();
            }
            if let Some(chain) = object.get_mut("chain") {
                chain["table"] = TABLE.into();
                chain["name"] = RESETS.name.into();
            }
        }
        whole
    }

    #[test]
    fn what_is_removed_is_our_rule_for_the_address_and_the_table_with_the_last() {
        assert_eq!(removal(&ours(&["10.9.0.2"]), ADDR).unwrap(), "delete table inet fixwire_guard");
        let two = removal(&ours(&["10.9.0.2", "10.9.0.3"]), ADDR).unwrap();
        assert_eq!(two, "delete rule inet fixwire_guard output handle 5");
        assert_eq!(removal(&ours(&["10.9.0.3"]), ADDR), None);
        // A guard of somebody else's is theirs.
        let theirs = ruleset("inet", "output", &[vec![from(&json!("10.9.0.2")), resets(), drop()]]);
        assert_eq!(removal(&theirs, ADDR), None);
        assert_eq!(removal(&json!(null), ADDR), None);
    }

    #[test]
    fn a_chain_of_our_name_that_is_another_s_is_refused_and_nothing_is_added_to_it() {
        let said = |chain: Value| {
            let rules = json!({ "nftables": [{ "chain": chain }] });
            refuse_other_chain(&rules).err().map(|failure| failure.to_string())
        };
        let ours = json!({ "family": "inet", "table": TABLE, "name": RESETS.name, "type": "filter", "hook": "output",
                           "prio": 0, "policy": "accept" });
        assert_eq!(said(ours.clone()), None);
        for (key, value, words) in [
            (
                "hook",
                json!("input"),
                "type filter hook input priority 0 and not type filter hook output priority 0",
            ),
            ("prio", json!(100), "hook output priority 100"),
            ("type", json!("nat"), "type nat"),
            ("hook", json!(null), "of no hook"),
        ] {
            let mut other = ours.clone();
            other[key] = value;
            let said = said(other).unwrap_or_else(|| panic!("{key} is taken"));
            assert!(
                said.contains(words) && said.contains("nft delete table inet fixwire_guard"),
                "{said}"
            );
        }
        for key in ["table", "name"] {
            let mut elsewhere = ours.clone();
            elsewhere[key] = "fixwire".into();
            assert_eq!(said(elsewhere), None, "{key}");
        }
    }

    #[test]
    fn what_no_rule_guards_yet_is_installed_and_no_more() {
        let none = json!({ "nftables": [] });
        assert_eq!(missing(&none, ADDR), lines(ADDR));
        assert_eq!(missing(&ours(&["10.9.0.2"]), ADDR), lines_where_forwarded(ADDR));
    }

    #[test]
    fn what_was_added_for_nothing_is_taken_away_and_no_more() {
        let none = json!({ "nftables": [] });
        assert_eq!(undoing(&none, &ours(&["10.9.0.2"])), "delete table inet fixwire_guard");
        let (before, mut after) = (ours(&["10.9.0.3"]), ours(&["10.9.0.3", "10.9.0.2"]));
        let rule = "delete rule inet fixwire_guard output handle 6";
        assert_eq!(undoing(&before, &after), rule);
        // A chain that was not there goes as a whole.
        let objects = after["nftables"].as_array_mut().unwrap();
        objects
            .push(json!({ "chain": { "family": "inet", "table": TABLE, "name": "prerouting" } }));
        let chain =
            "flush chain inet fixwire_guard prerouting\ndelete chain inet fixwire_guard prerouting";
        assert_eq!(undoing(&before, &after), format!("{rule}\n{chain}"));
    }
}
