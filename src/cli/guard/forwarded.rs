//! Whether a rule set of nftables has the kernel answer TCP for an address that it does not have: by `reject` while it
//! forwards, or for a program of its own that it is led to.

use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde_json::Value;

use super::ruleset::{Verdict, covers, field, kind_filters, table_filters};

/// Before connection tracking and destination NAT (`NF_IP_PRI_RAW`).
pub(crate) const RAW: i64 = -300;

/// Statements by which somebody answers what is not for this host.
const ANSWERS: [&str; 5] = ["reject", "synproxy", "redirect", "dnat", "tproxy"];
/// After which the rest of a chain is looked at by some packets alone.
const LEAVES: [&str; 6] = ["accept", "return", "jump", "goto", "vmap", "queue"];
/// That say nothing of which packets go on.
const NEUTRAL: [&str; 5] = ["counter", "log", "mangle", "notrack", "nftrace"];

/// Where a chain stands: its hook in the order of a packet's way, and its priority there.
type Position = (Hook, i64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Hook {
    /// Of an interface or a bridge, which not every packet comes by.
    Link,
    Prerouting,
    Forward,
}

/// A chain whose rules have somebody answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answering {
    /// Whether every segment is answered, or some may be.
    pub(crate) verdict: Verdict,
    /// The chain, for people.
    pub(crate) chain: String,
    /// Whether a rule in prerouting would come before.
    pub(crate) is_after_guard: bool,
}

/// What comes of TCP for an address that the kernel does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No rule answers.
    Silent,
    /// One would, and another drops it all before.
    Guarded,
    Answered(Answering),
}

/// How the host stands besides the rules that nft lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarding {
    /// Whether an interface forwards: without, no chain of hook forward is gone through.
    pub(crate) is_on: bool,
    /// Whether there are tables of iptables' older kind, which nft does not list.
    pub(crate) has_legacy: bool,
}

/// By `nft -j list ruleset` (libnftables-json(5)).
pub(crate) fn outcome(rules: &Value, addr: Ipv4Addr, forwarding: Forwarding) -> Outcome {
    let objects = rules["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    let dropped = dropped_from(objects, addr);
    let mut found: Vec<(Position, Answering)> = Vec::new();
    for (chain, hook) in hooked(objects) {
        if hook == Hook::Forward && !forwarding.is_on {
            continue;
        }
        let mut walk = Walk::new(objects, addr);
        walk.base(chain);
        if walk.answered > Verdict::Never {
            let position = (hook, priority(chain).unwrap_or(i64::MIN));
            let chain = Named(chain).to_string();
            let most = if hook == Hook::Link { Verdict::Perhaps } else { Verdict::Always };
            let verdict = walk.answered.min(most);
            let is_after_guard = hook != Hook::Link && position > (Hook::Prerouting, RAW);
            found.push((position, Answering { verdict, chain, is_after_guard }));
        }
    }
    if forwarding.is_on && forwarding.has_legacy {
        let chain = "a table of iptables-legacy, which nft does not list,".to_owned();
        let answering = Answering { verdict: Verdict::Perhaps, chain, is_after_guard: true };
        found.push(((Hook::Prerouting, RAW + 1), answering));
    }
    let has_any = !found.is_empty();
    // Of two chains at the same place, who knows which comes first.
    found.retain(|(position, _)| dropped.is_none_or(|dropped| *position <= dropped));
    match found.into_iter().map(|(_, answering)| answering).max_by_key(|one| one.verdict) {
        Some(answering) => Outcome::Answered(answering),
        None if has_any => Outcome::Guarded,
        None => Outcome::Silent,
    }
}

/// Whether every segment for the address is dropped before anybody may answer it.
pub(crate) fn drops_segments(rules: &Value, addr: Ipv4Addr) -> bool {
    let objects = rules["nftables"].as_array().map(Vec::as_slice).unwrap_or_default();
    dropped_from(objects, addr).is_some_and(|position| position <= (Hook::Prerouting, RAW))
}

/// Where the first chain stands that drops every segment for the address.
fn dropped_from(objects: &[Value], addr: Ipv4Addr) -> Option<Position> {
    let dropping = hooked(objects).filter(|(chain, hook)| {
        *hook != Hook::Link && Walk::new(objects, addr).base(chain) == End::Dropped
    });
    dropping.map(|(chain, hook)| (hook, priority(chain).unwrap_or(i64::MAX))).min()
}

/// The chains that a packet for another host goes through before it is sent on.
fn hooked(objects: &[Value]) -> impl Iterator<Item = (&Value, Hook)> {
    let chains = objects.iter().map(|object| &object["chain"]);
    chains.filter_map(|chain| {
        let hook = match (chain["family"].as_str()?, chain["hook"].as_str()?) {
            ("netdev" | "inet", "ingress") | ("bridge", "prerouting" | "input") => Hook::Link,
            ("ip" | "inet", "prerouting") => Hook::Prerouting,
            ("ip" | "inet", "forward") => Hook::Forward,
            _ => return None,
        };
        Some((chain, hook))
    })
}

fn priority(chain: &Value) -> Option<i64> {
    chain["prio"].as_i64()
}

/// A chain, as people know it.
struct Named<'a>(&'a Value);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |key: &str| self.0[key].as_str().unwrap_or_default();
        write!(f, "chain {} of table {} {}", text("name"), text("family"), text("table"))
    }
}

/// What comes of every packet that a chain was gone through by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Some go on, or all.
    GoesOn,
    /// None goes on in this chain of a hook's, and not each is dropped.
    Left,
    Dropped,
}

/// Goes through a chain and those that it leads to.
struct Walk<'a> {
    objects: &'a [Value],
    addr: Ipv4Addr,
    /// How surely it came to a statement that answers.
    answered: Verdict,
    /// Chains that were gone through, by name, and how surely they are reached.
    seen: HashMap<&'a str, Verdict>,
}

impl<'a> Walk<'a> {
    fn new(objects: &'a [Value], addr: Ipv4Addr) -> Walk<'a> {
        Walk { objects, addr, answered: Verdict::Never, seen: HashMap::new() }
    }

    /// From a chain that has a hook.
    fn base(&mut self, chain: &'a Value) -> End {
        let kind = match kind_filters(chain) {
            // The first packet of a connection goes through it.
            Verdict::Never => Verdict::Perhaps,
            other => other,
        };
        self.chain(chain, kind.min(table_filters(self.objects, chain)))
    }

    /// `reach`: how surely every segment comes to this chain.
    fn chain(&mut self, chain: &'a Value, reach: Verdict) -> End {
        let name = chain["name"].as_str().unwrap_or_default();
        if self.seen.get(name).is_some_and(|before| *before >= reach) || reach == Verdict::Never {
            return End::GoesOn;
        }
        self.seen.insert(name, reach);
        let mut reach = reach;
        let here = |rule: &&Value| {
            ["family", "table"].iter().all(|key| rule[*key] == chain[*key])
                && rule["chain"] == chain["name"]
        };
        let objects = self.objects;
        for rule in objects.iter().map(|object| &object["rule"]).filter(here) {
            let parts = rule["expr"].as_array().map(Vec::as_slice).unwrap_or_default();
            let (met, end) = self.rule(chain, parts, reach);
            let is_sure = met == Verdict::Always;
            match end {
                End::Dropped | End::Left if is_sure => return end,
                _ if has_any(parts, &["return"]) && is_sure => return End::GoesOn,
                _ if has_any(parts, &LEAVES) && met > Verdict::Never => {
                    reach = reach.min(Verdict::Perhaps);
                }
                _ => {}
            }
        }
        End::GoesOn
    }

    /// How surely a rule's conditions are met, and what comes of those that meet them.
    fn rule(&mut self, chain: &'a Value, parts: &'a [Value], reach: Verdict) -> (Verdict, End) {
        let mut met = reach;
        let mut end = End::GoesOn;
        for part in parts {
            if let Some(condition) = part.get("match") {
                met = met.min(segment_meets(condition, self.addr));
            } else if part.get("drop").is_some() {
                end = End::Dropped;
            } else if part.get("accept").is_some() {
                end = End::Left;
            } else if has_any(std::slice::from_ref(part), &ANSWERS) {
                self.answered = self.answered.max(met);
                end = End::Left;
            } else if let Some(target) = part.get("jump").or_else(|| part.get("goto")) {
                end = self.target(chain, &target["target"], met);
            } else if part.get("vmap").is_some() {
                self.any_target(chain, met);
            } else if part.get("xt").is_some() {
                // Of iptables, whose REJECT nft does not spell out.
                self.answered = self.answered.max(met.min(Verdict::Perhaps));
                met = met.min(Verdict::Perhaps);
            } else if !has_any(std::slice::from_ref(part), &NEUTRAL) {
                met = met.min(Verdict::Perhaps);
            }
        }
        (met, end)
    }

    fn target(&mut self, from: &Value, name: &Value, reach: Verdict) -> End {
        let target = self.regular(from).find(|chain| chain["name"] == *name);
        target.map_or(End::GoesOn, |chain| self.chain(chain, reach))
    }

    /// A map's elements may stand elsewhere, and change: any chain of the table may be where one leads.
    fn any_target(&mut self, from: &Value, reach: Verdict) {
        let chains: Vec<&Value> = self.regular(from).collect();
        for chain in chains {
            self.chain(chain, reach.min(Verdict::Perhaps));
        }
    }

    /// The chains of a table that are only led to.
    fn regular(&self, of: &Value) -> impl Iterator<Item = &'a Value> + use<'a> {
        let (family, table) = (of["family"].clone(), of["table"].clone());
        let chains = self.objects.iter().map(|object| &object["chain"]);
        chains.filter(move |chain| {
            chain["family"] == family && chain["table"] == table && chain["hook"].is_null()
        })
    }
}

fn has_any(parts: &[Value], words: &[&str]) -> bool {
    parts.iter().any(|part| words.iter().any(|word| part.get(word).is_some()))
}

/// Whether a condition is met by every TCP segment for an address that is not the kernel's, by none, or it cannot be
/// told.
fn segment_meets(condition: &Value, addr: Ipv4Addr) -> Verdict {
    let (left, right) = (&condition["left"], &condition["right"]);
    let is_met = match field(left) {
        Some(("ip", "daddr")) => covers(right, addr),
        Some(("ip", "protocol")) => names(right, "tcp"),
        // What is of another header is no segment of IPv4's.
        Some(("ip6" | "udp" | "udplite" | "icmp" | "icmpv6" | "sctp" | "dccp" | "arp", _)) => {
            return Verdict::Never;
        }
        Some(_) => None,
        None if left["meta"]["key"] == "l4proto" => names(right, "tcp"),
        None if left["meta"]["key"] == "nfproto" => names(right, "ipv4"),
        None if is_destination_type(left) => is_never_another_s(right).then_some(false),
        None => None,
    };
    let is_met = match condition["op"].as_str() {
        Some("==") => is_met,
        Some("!=") => is_met.map(|is_met| !is_met),
        _ => None,
    };
    match is_met {
        Some(true) => Verdict::Always,
        Some(false) => Verdict::Never,
        None => Verdict::Perhaps,
    }
}

/// `fib daddr type`: of what kind the kernel's routes take the destination for.
fn is_destination_type(left: &Value) -> bool {
    let fib = &left["fib"];
    let flags = match &fib["flags"] {
        Value::Array(flags) => flags.as_slice(),
        flag => std::slice::from_ref(flag),
    };
    fib["result"] == "type" && matches!(flags, [flag] if flag == "daddr")
}

/// Whether these kinds of address are none that another host has.
fn is_never_another_s(kinds: &Value) -> bool {
    let is_known = |kind: &Value| ["local", "broadcast", "multicast"].iter().any(|one| kind == one);
    match kinds["set"].as_array() {
        Some(kinds) => kinds.iter().all(is_known),
        None => is_known(kinds),
    }
}

/// Whether a value is this name, or has it among several; `None` where that is not understood.
fn names(value: &Value, name: &str) -> Option<bool> {
    if let Some(text) = value.as_str() {
        return Some(text == name).filter(|_| !text.starts_with('@'));
    }
    let members = value["set"].as_array()?;
    let each: Option<Vec<&str>> = members.iter().map(Value::as_str).collect();
    each.map(|each| each.contains(&name))
}

#[cfg(test)]
mod tests;
