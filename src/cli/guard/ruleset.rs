//! Whether a rule set of nftables keeps the kernel's RST in.

use std::fmt;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::forwarded::RAW;

/// Whether a rule set drops the resets that the kernel sends from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Never,
    /// A rule drops some, or another that comes before it may let them out.
    Perhaps,
    Always,
}

/// Where the kernel looks at a chain of family inet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chain<'a> {
    kind: &'a str,
    /// Empty for one that is only jumped to.
    hook: &'a str,
    /// `None` where that is no number.
    priority: Option<i64>,
}

impl Chain<'_> {
    /// As a guard's are: the one for what leaves, and the one for what comes.
    pub(crate) const OUTPUT: Chain<'static> =
        Chain { kind: "filter", hook: "output", priority: Some(0) };
    pub(crate) const PREROUTING: Chain<'static> =
        Chain { kind: "filter", hook: "prerouting", priority: Some(RAW) };

    /// The chain of that table and name, if there is one.
    pub(crate) fn named<'a>(rules: &'a Value, table: &str, name: &str) -> Option<Chain<'a>> {
        let mut chains = rules["nftables"].as_array()?.iter().map(|object| &object["chain"]);
        let chain = chains.find(|chain| {
            chain["family"] == "inet" && chain["table"] == table && chain["name"] == name
        })?;
        let text = |key: &str| chain[key].as_str().unwrap_or_default();
        Some(Chain { kind: text("type"), hook: text("hook"), priority: chain["prio"].as_i64() })
    }
}

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hook.is_empty() {
            return f.write_str("of no hook");
        }
        write!(f, "type {} hook {} priority ", self.kind, self.hook)?;
        match self.priority {
            Some(priority) => write!(f, "{priority}"),
            None => f.write_str("?"),
        }
    }
}

/// The handles of the rules in a chain of family inet; `None` where there is no such table.
pub(crate) fn handles_of(rules: &Value, table: &str, chain: &str) -> Option<Vec<u64>> {
    let objects = rules["nftables"].as_array()?;
    let is_of = |object: &Value| object["family"] == "inet" && object["table"] == table;
    let has_table = objects.iter().any(|object| {
        is_of(&object["chain"]) || is_of(&object["rule"]) || {
            let known = &object["table"];
            known["family"] == "inet" && known["name"] == table
        }
    });
    let rules = objects.iter().map(|object| &object["rule"]);
    let here = rules.filter(|rule| is_of(rule) && rule["chain"] == chain);
    has_table.then(|| here.filter_map(|rule| rule["handle"].as_u64()).collect())
}

/// By `nft -j list ruleset` (libnftables-json(5)).
pub(crate) fn drops_resets(rules: &Value, addr: Ipv4Addr) -> Verdict {
    let objects = rules["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_ip = |object: &Value| matches!(object["family"].as_str(), Some("ip" | "inet"));
    let chains = objects.iter().map(|object| &object["chain"]).filter(|chain| {
        is_ip(chain) && matches!(chain["hook"].as_str(), Some("output" | "postrouting"))
    });
    let verdicts = chains.map(|chain| {
        let here = |rule: &&Value| {
            ["family", "table"].iter().all(|key| rule[*key] == chain[*key])
                && rule["chain"] == chain["name"]
        };
        let most = table_filters(objects, chain).min(kind_filters(chain));
        let mut best = Verdict::Never;
        let mut may_be_passed = false;
        for rule in objects.iter().map(|object| &object["rule"]).filter(here) {
            let parts = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
            if parts.iter().any(|part| part.get("drop").is_some()) {
                let verdict = dropped(parts, addr);
                best =
                    best.max(if may_be_passed { verdict.min(Verdict::Perhaps) } else { verdict });
            }
            may_be_passed |= parts.iter().any(|part| {
                ["accept", "return", "jump", "goto", "vmap", "queue"]
                    .iter()
                    .any(|word| part.get(word).is_some())
            });
        }
        best.min(most)
    });
    // What one chain drops is dropped, whatever others say.
    verdicts.max().unwrap_or(Verdict::Never)
}

/// Whether the table of a chain is looked at by the kernel: a dormant one is not.
pub(super) fn table_filters(objects: &[Value], chain: &Value) -> Verdict {
    let mut tables = objects.iter().map(|object| &object["table"]);
    let ours = tables.find(|table| {
        table["family"] == chain["family"] && table["name"].as_str() == chain["table"].as_str()
    });
    let Some(table) = ours else { return Verdict::Perhaps };
    let flags = match &table["flags"] {
        Value::Null => return Verdict::Always,
        Value::String(flag) => vec![flag.as_str()],
        Value::Array(flags) => flags.iter().map(|flag| flag.as_str().unwrap_or_default()).collect(),
        _ => return Verdict::Perhaps,
    };
    if flags.contains(&"dormant") {
        return Verdict::Never;
    }
    // nftables 1.0.6 writes something else for a lone flag than its name.
    let known = flags.iter().all(|flag| ["owner", "persist"].contains(flag));
    if known { Verdict::Always } else { Verdict::Perhaps }
}

/// Whether every reset goes through chains of this type.
pub(super) fn kind_filters(chain: &Value) -> Verdict {
    match chain["type"].as_str() {
        Some("filter") => Verdict::Always,
        // The first packet of a connection goes through it: a reset is none.
        Some("nat") => Verdict::Never,
        _ => Verdict::Perhaps,
    }
}

/// What a rule that drops says of resets from the address.
fn dropped(parts: &[Value], addr: Ipv4Addr) -> Verdict {
    let mut verdict = Verdict::Always;
    for part in parts {
        if let Some(condition) = part.get("match") {
            verdict = verdict.min(met(condition, addr));
        } else if !["counter", "drop", "log"].iter().any(|word| part.get(word).is_some()) {
            verdict = verdict.min(Verdict::Perhaps);
        }
    }
    verdict
}

/// Whether a condition is met by every reset from the address, by none, or it cannot be told.
fn met(condition: &Value, addr: Ipv4Addr) -> Verdict {
    let (op, left, right) = (condition["op"].as_str(), &condition["left"], &condition["right"]);
    let is_flags = |of: &Value| field(of) == Some(("tcp", "flags"));
    let sure = |yes: bool| if yes { Verdict::Always } else { Verdict::Never };
    match (op, field(left)) {
        (Some("=="), Some(("ip", "saddr"))) => covers(right, addr).map_or(Verdict::Perhaps, sure),
        (Some("=="), Some(("ip", "protocol"))) => sure(right == "tcp"),
        // Any of the flags that are named.
        (Some("in"), Some(_)) if is_flags(left) => sure(names_of(right).contains(&"rst")),
        (Some("=="), None) if left["meta"]["key"] == "l4proto" => sure(right == "tcp"),
        // Masked: a reset in answer to a SYN has ACK too, another has not.
        (Some("=="), None) => match left["&"].as_array().map(Vec::as_slice) {
            Some([flags, mask]) if is_flags(flags) => {
                let mask = names_of(mask);
                match right.as_str() {
                    Some("rst") if mask.contains(&"rst") && !mask.contains(&"ack") => {
                        Verdict::Always
                    }
                    _ => Verdict::Perhaps,
                }
            }
            _ => Verdict::Perhaps,
        },
        _ => Verdict::Perhaps,
    }
}

/// The header and the field of it that a condition is about, if it is about one.
pub(super) fn field(of: &Value) -> Option<(&str, &str)> {
    let payload = &of["payload"];
    Some((payload["protocol"].as_str()?, payload["field"].as_str()?))
}

/// The names of a value that is one, or several.
fn names_of(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        Value::Object(_) => value["|"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(Value::as_str)
            .collect(),
        _ => Vec::new(),
    }
}

/// Whether an address is among those that are named; `None` where that is not understood.
pub(super) fn covers(named: &Value, addr: Ipv4Addr) -> Option<bool> {
    if let Some(text) = named.as_str() {
        return Some(text.parse::<Ipv4Addr>().ok()? == addr);
    }
    if let Some(prefix) = named.get("prefix") {
        let network: Ipv4Addr = prefix["addr"].as_str()?.parse().ok()?;
        let len = u32::try_from(prefix["len"].as_u64()?).ok().filter(|len| *len <= 32)?;
        let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
        return Some(network.to_bits() & mask == addr.to_bits() & mask);
    }
    let members = named["set"].as_array()?;
    let each: Vec<Option<bool>> = members.iter().map(|member| covers(member, addr)).collect();
    if each.contains(&Some(true)) {
        return Some(true);
    }
    each.into_iter().collect::<Option<Vec<bool>>>().map(|_| false)
}

#[cfg(test)]
pub(crate) mod tests;
