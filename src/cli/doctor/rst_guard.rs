//! Whether the kernel would answer, with a RST, a segment of ours that comes to it.
//!
//! Beside mlx5 the kernel gets each frame that no rule took: while rules are installed anew, and after the
//! process has died. Where it has the engine's address it answers with RST, and the peer hangs up.

use std::net::Ipv4Addr;

use fixwire_hw::tap::lists_as_local;
use serde_json::Value;

use super::Asked;
use super::check::{Check, Subject};
use super::host::Host;
use super::nic::{self, Kind};
use super::program::Answer;

const GUARD: Subject = Subject::advised("network", "RST guard");

pub(crate) fn check(host: &Host, asked: &Asked) -> Check {
    const NAME: &str = "--session FILE, whose [network] has `address`";
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    if kind == Some(Kind::Owned) {
        return GUARD.ok("the kernel sees no frame of a NIC that is ours alone");
    }
    let subject = GUARD.required_if(kind == Some(Kind::Bifurcated));
    let Some(addr) = asked.engine else {
        return subject.unknown("which address the engine has is not said", NAME);
    };
    match host.text("proc/net/fib_trie") {
        Err(untold) => subject.unknown(untold, "`ip -4 address show`"),
        Ok(routes) if !lists_as_local(&routes, addr) => {
            subject.ok(format!("the kernel does not have {addr}, and answers nothing for it"))
        }
        Ok(_) => guarded(subject, host, addr),
    }
}

/// The kernel has the address: whether a rule keeps its answers in.
fn guarded(subject: Subject, host: &Host, addr: Ipv4Addr) -> Check {
    let add = format!(
        "`nft add table inet fixwire`, `nft add chain inet fixwire output '{{ type filter hook output priority 0; }}'`, \
         `nft add rule inet fixwire output ip saddr {addr} tcp flags rst drop`; or an address that the kernel does \
         not have"
    );
    let list = format!(
        "`sudo nft list ruleset`: an output chain is to have `ip saddr {addr} tcp flags rst drop` before \
         whatever accepts"
    );
    let owned = format!("the kernel has {addr}");
    let text = match host.ask("nft", &["-j", "list", "ruleset"]) {
        Answer::Said(text) => text,
        Answer::NotInstalled => {
            return subject
                .unknown(format!("{owned}, and nft is not installed to tell rules"), add);
        }
        Answer::Failed(why) => return subject.unknown(format!("{owned}; nft: {why}"), list),
    };
    let Ok(rules) = serde_json::from_str::<Value>(&text) else {
        return subject.unknown(format!("{owned}, and what nft says is no JSON"), list);
    };
    match drops_resets(&rules, addr) {
        Verdict::Always => subject.ok(format!("{owned}, and a rule of nftables drops its RST")),
        Verdict::Perhaps => subject.unknown(
            format!("{owned}, and rules of nftables drop its RST under conditions that are not understood here"),
            list,
        ),
        Verdict::Never => subject.bad(format!("{owned}, and would answer with RST"), add),
    }
}

/// Whether a rule set drops the resets that the kernel sends from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Never,
    /// A rule drops some, or another that comes before it may let them out.
    Perhaps,
    Always,
}

/// By `nft -j list ruleset` (libnftables-json(5)).
fn drops_resets(rules: &Value, addr: Ipv4Addr) -> Verdict {
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
        best
    });
    // What one chain drops is dropped, whatever others say.
    verdicts.max().unwrap_or(Verdict::Never)
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
    let field = |of: &Value| {
        let payload = &of["payload"];
        Some((payload["protocol"].as_str()?.to_owned(), payload["field"].as_str()?.to_owned()))
    };
    let is_flags =
        |of: &Value| field(of).is_some_and(|(protocol, name)| protocol == "tcp" && name == "flags");
    let sure = |yes: bool| if yes { Verdict::Always } else { Verdict::Never };
    match (op, field(left)) {
        (Some("=="), Some((protocol, name))) if protocol == "ip" && name == "saddr" => {
            covers(right, addr).map_or(Verdict::Perhaps, sure)
        }
        (Some("=="), Some((protocol, name))) if protocol == "ip" && name == "protocol" => {
            sure(right == "tcp")
        }
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
fn covers(named: &Value, addr: Ipv4Addr) -> Option<bool> {
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
mod tests;
