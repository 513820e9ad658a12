//! `fixwire guard`: the rules that keep the kernel from resetting the engine's connections.
//!
//! They are nftables', in a table of our own, and stay when the engine has gone: for that they are there.

pub(crate) mod forwarded;
pub(crate) mod ruleset;
mod script;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::doctor::{self, Answer, Host, State};
use super::failure::Failure;
use super::say;
use super::session_file::{Purpose, SessionFile, is_a_host_s};
use script::TABLE;
pub(crate) use script::{lines_where_forwarded, lines_where_owned};

/// Keep the kernel from resetting the engine's connections.
///
/// Where the kernel keeps the port beside the engine (mlx5) and has the engine's address, it answers what no steering
/// rule takes with RST: before the rules are there, while they are installed anew, and after the engine has ended. A
/// rule of nftables drops these answers. Where it does not have the address, and forwards, a firewall's `reject` answers
/// in its place: another rule drops what comes for the address before. `run` and `accept` do not start without the one
/// that is needed on such a port, and `doctor` looks for it.
///
/// The rules are in the kernel, not in the engine: they outlive the engine, and end with `remove` or the next boot
/// (docs/production.md has a systemd unit that installs them then).
#[derive(Debug, Subcommand)]
pub(crate) enum GuardCommand {
    /// Look whether the kernel would reset the engine's connections: exit code 0 when it would not, 1 when it would
    /// or when that cannot be told.
    Check(CheckArgs),
    /// Install both rules, where none guards already, and look for them. Needs CAP_NET_ADMIN.
    Install(ChangeArgs),
    /// Take the rules away that `install` made. Needs CAP_NET_ADMIN.
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
    if args.dry_run {
        return dry_run(addr, &script::lines(addr).join("\n"), args.json);
    }
    let before = rules(host)?;
    let script = script::missing(&before, addr).join("\n");
    let action = if script.is_empty() {
        "none"
    } else {
        script::refuse_other_chain(&before)?;
        apply(host, &script)?;
        let after = rules(host)?;
        if !script::missing(&after, addr).is_empty() {
            apply(host, &script::undoing(&before, &after))?;
            return Err(Failure::run(
                format!(
                    "in table inet {TABLE} something comes before a rule, or the table is dormant: nothing was left \
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

fn remove(host: &Host, args: &ChangeArgs) -> Result<(), Failure> {
    let addr = args.whose.address()?;
    let script = script::removal(&rules(host)?, addr);
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
        ("none", Some(_)) => say("nothing to do: rules guard already"),
        ("none", None) => {}
        (done, script) => say(format_args!("{done}:\n{}", script.unwrap_or_default())),
    }
    if action != "none" || check.state == State::Ok {
        say(format_args!("{}: {}", check.state.name(), check.found));
    }
}
