//! `fixwire guard`: the rule that keeps the kernel from resetting the engine's connections.
//!
//! It is nftables', in a table of our own, and stays when the engine has gone: for that it is there.

pub(crate) mod ruleset;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::doctor::{self, Answer, Host, State};
use super::failure::Failure;
use super::say;
use super::session_file::{Purpose, SessionFile, is_a_host_s};
use ruleset::{Chain, Verdict, drops_resets, handles_of};

/// Our table, of family inet.
const TABLE: &str = "fixwire_guard";
/// Its one chain.
const CHAIN: &str = "output";

/// Keep the kernel from resetting the engine's connections.
///
/// Where the kernel keeps the port beside the engine (mlx5) and has the engine's address, it answers what no steering
/// rule takes with RST: before the rules are there, while they are installed anew, and after the engine has ended. A
/// rule of nftables drops these answers. `run` and `accept` do not start without it on such a port, and `doctor`
/// looks for it.
///
/// The rule is in the kernel, not in the engine: it outlives the engine, and ends with `remove` or the next boot
/// (docs/production.md has a systemd unit that installs it then).
#[derive(Debug, Subcommand)]
pub(crate) enum GuardCommand {
    /// Look whether the kernel would reset the engine's connections: exit code 0 when it would not, 1 when it would
    /// or when that cannot be told.
    Check(CheckArgs),
    /// Install the rule, unless one guards already, and look for it. Needs CAP_NET_ADMIN.
    Install(ChangeArgs),
    /// Take the rule away that `install` made. Needs CAP_NET_ADMIN.
    Remove(ChangeArgs),
}

#[derive(Debug, Args)]
#[group(id = "whose", required = true, multiple = false)]
pub(crate) struct Whose {
    /// Session settings, for the engine's address (docs/sessions.md).
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// The engine's address.
    #[arg(long, value_name = "ADDR")]
    address: Option<Ipv4Addr>,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    whose: Whose,
    /// Print one JSON object for machines.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    whose: Whose,
    /// Print what nft would be told, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object for machines.
    #[arg(long)]
    json: bool,
}

pub(crate) fn command(command: &GuardCommand) -> Result<(), Failure> {
    let host = Host::this();
    match command {
        GuardCommand::Check(args) => {
            tell(&host, args.whose.address()?, "none", None, args.json);
            doctor::refuse_unguarded(&host, args.whose.address()?)
        }
        GuardCommand::Install(args) => install(&host, args),
        GuardCommand::Remove(args) => remove(&host, args),
    }
}

impl Whose {
    fn address(&self) -> Result<Ipv4Addr, Failure> {
        if let Some(addr) = self.address {
            let refused = || {
                Failure::Input(format!(
                    "--address is {addr}, which no engine can have; write the IPv4 address of a host, such as 10.9.0.2"
                ))
            };
            return is_a_host_s(addr).then_some(addr).ok_or_else(refused);
        }
        let settings = SessionFile::open_or_built_in(self.session.as_deref(), Purpose::Trade)?;
        settings.network.addr.map(|(addr, _)| addr).ok_or_else(|| {
            Failure::Input(
                "the session file does not say which address the engine has; write `address` under [network], or \
                 name it by --address"
                    .into(),
            )
        })
    }
}

/// What nft is told to guard an address. Tables and chains that are there stay as they are.
pub(crate) fn lines(addr: Ipv4Addr) -> [String; 3] {
    [
        format!("add table inet {TABLE}"),
        format!(
            "add chain inet {TABLE} {CHAIN} {{ type filter hook output priority 0; policy accept; }}"
        ),
        format!("add rule inet {TABLE} {CHAIN} ip saddr {addr} tcp flags rst counter drop"),
    ]
}

/// Why there are no rules to look at.
pub(crate) enum Untold {
    NotInstalled,
    Failed(String),
    /// What nft wrote is none, though nft lists a dormant table: nftables 1.0.6 writes a lone flag from memory that it
    /// has given back.
    Dormant(String),
    NoJson,
}

impl From<Untold> for Failure {
    fn from(untold: Untold) -> Failure {
        match untold {
            Untold::NotInstalled => {
                Failure::run("nft is not installed", "`apt-get install nftables`")
            }
            Untold::Failed(why) => Failure::run(
                format!("nft: {why}"),
                "run it as root, and look by `nft list ruleset` at what is there",
            ),
            Untold::Dormant(table) => {
                Failure::run(dormant(&table), format!("`sudo nft add {table}`, which wakes it"))
            }
            Untold::NoJson => Failure::run(
                "what `nft -j list ruleset` says is no JSON",
                "install an nft that was built with JSON",
            ),
        }
    }
}

/// The rules of the namespace, as libnftables-json(5) has them.
pub(crate) fn rules(host: &Host) -> Result<Value, Untold> {
    match host.ask("nft", &["-j", "list", "ruleset"]) {
        Answer::Said(text) => serde_json::from_str(&text).map_err(|_| unreadable(host)),
        Answer::NotInstalled => Err(Untold::NotInstalled),
        Answer::Failed(why) => Err(Untold::Failed(why)),
    }
}

/// Why the rules are no JSON, by the list for people: a line for each table, and one for its flags beneath.
fn unreadable(host: &Host) -> Untold {
    let Answer::Said(listed) = host.ask("nft", &["list", "ruleset"]) else { return Untold::NoJson };
    let lines = || listed.lines().zip(listed.lines().skip(1));
    let asleep = lines().find(|(_, flags)| {
        let flags = flags.trim().strip_prefix("flags ").unwrap_or_default();
        flags.split(',').any(|flag| flag.trim() == "dormant")
    });
    let table = asleep.and_then(|(table, _)| table.strip_suffix(" {"));
    table.map_or(Untold::NoJson, |table| Untold::Dormant(table.to_owned()))
}

/// What is said of a dormant table that keeps the rules from being read.
pub(crate) fn dormant(table: &str) -> String {
    format!(
        "{table} is dormant, so that its rules do nothing, and this nft lists such a one in no JSON"
    )
}

/// Has nft do all of `script`, or nothing of it.
fn apply(host: &Host, script: &str) -> Result<(), Failure> {
    match host.ask("nft", &[script]) {
        Answer::Said(_) => Ok(()),
        Answer::NotInstalled => Err(Untold::NotInstalled.into()),
        Answer::Failed(why) => Err(Untold::Failed(why).into()),
    }
}

fn install(host: &Host, args: &ChangeArgs) -> Result<(), Failure> {
    let addr = args.whose.address()?;
    let script = lines(addr).join("\n");
    if args.dry_run {
        return dry_run(addr, &script, args.json);
    }
    let before = rules(host)?;
    let action = if drops_resets(&before, addr) == Verdict::Always {
        "none"
    } else {
        refuse_other_chain(&before)?;
        apply(host, &script)?;
        let after = rules(host)?;
        if drops_resets(&after, addr) != Verdict::Always {
            apply(host, &undoing(&before, &after))?;
            return Err(Failure::run(
                format!(
                    "in table inet {TABLE} something comes before the rule, or the table is dormant: nothing was left \
                     installed"
                ),
                format!("`nft delete table inet {TABLE}`, and install it again"),
            ));
        }
        "installed"
    };
    tell(host, addr, action, Some(&script), args.json);
    Ok(())
}

/// Refuses a chain of our chain's name that the kernel's resets do not go through as they go through ours: nft would
/// leave it as it is, or give a reason that names no chain.
fn refuse_other_chain(rules: &Value) -> Result<(), Failure> {
    let Some(other) = Chain::named(rules, TABLE, CHAIN).filter(|chain| *chain != Chain::OURS)
    else {
        return Ok(());
    };
    Err(Failure::run(
        format!("table inet {TABLE} has a chain {CHAIN} already, {other} and not {}", Chain::OURS),
        format!("`nft delete table inet {TABLE}`, and install it again"),
    ))
}

/// What takes away again what `install` has added between two listings.
fn undoing(before: &Value, after: &Value) -> String {
    let known = handles_of(before, TABLE, CHAIN);
    let Some(known) = known else { return format!("delete table inet {TABLE}") };
    let added = handles_of(after, TABLE, CHAIN).unwrap_or_default();
    let added = added.into_iter().filter(|handle| !known.contains(handle));
    let lines: Vec<String> =
        added.map(|handle| format!("delete rule inet {TABLE} {CHAIN} handle {handle}")).collect();
    lines.join("\n")
}

fn remove(host: &Host, args: &ChangeArgs) -> Result<(), Failure> {
    let addr = args.whose.address()?;
    let script = removal(&rules(host)?, addr);
    if args.dry_run {
        return dry_run(addr, script.as_deref().unwrap_or_default(), args.json);
    }
    let action = match &script {
        Some(script) => {
            apply(host, script)?;
            "removed"
        }
        None => "none",
    };
    tell(host, addr, action, script.as_deref(), args.json);
    Ok(())
}

/// What takes the rules for an address out of our table, and the table with the last; `None` where there is none.
fn removal(rules: &Value, addr: Ipv4Addr) -> Option<String> {
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
    let handles = of_addr.iter().filter_map(|rule| rule["handle"].as_u64());
    let lines: Vec<String> =
        handles.map(|handle| format!("delete rule inet {TABLE} {CHAIN} handle {handle}")).collect();
    Some(lines.join("\n"))
}

fn dry_run(addr: Ipv4Addr, script: &str, as_json: bool) -> Result<(), Failure> {
    if as_json {
        say(json!({ "address": addr.to_string(), "action": "none", "script": script }));
    } else {
        say(script);
    }
    Ok(())
}

/// What was done, and how it stands.
fn tell(host: &Host, addr: Ipv4Addr, action: &str, script: Option<&str>, as_json: bool) {
    let check = doctor::rst_guard_of(host, addr);
    if as_json {
        say(json!({
            "address": addr.to_string(),
            "action": action,
            "script": script.filter(|_| action != "none"),
            "state": check.state.name(),
            "found": check.found,
            "remedy": check.remedy,
        }));
        return;
    }
    match (action, script) {
        ("none", Some(_)) => say("nothing to do: a rule guards already"),
        ("none", None) => {}
        (done, script) => say(format_args!("{done}:\n{}", script.unwrap_or_default())),
    }
    if action != "none" || check.state == State::Ok {
        say(format_args!("{}: {}", check.state.name(), check.found));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::ruleset::tests::{drop, from, resets, ruleset};
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
                rule["chain"] = CHAIN.into();
                rule["handle"] = (number + 2).into();
            }
            if let Some(chain) = object.get_mut("chain") {
                chain["table"] = TABLE.into();
                chain["name"] = CHAIN.into();
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
        let ours = json!({ "family": "inet", "table": TABLE, "name": CHAIN, "type": "filter", "hook": "output",
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
    fn what_was_added_for_nothing_is_taken_away_and_no_more() {
        let none = json!({ "nftables": [] });
        assert_eq!(undoing(&none, &ours(&["10.9.0.2"])), "delete table inet fixwire_guard");
        let (before, after) = (ours(&["10.9.0.3"]), ours(&["10.9.0.3", "10.9.0.2"]));
        assert_eq!(undoing(&before, &after), "delete rule inet fixwire_guard output handle 6");
    }
}
