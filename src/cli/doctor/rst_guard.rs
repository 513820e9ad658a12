//! Whether the kernel would answer, with a RST, a segment of ours that comes to it.
//!
//! Beside mlx5 the kernel gets each frame that no rule took: while rules are installed anew, and after the
//! process has died. Where it has the engine's address it answers with RST, and the peer hangs up.

use std::net::Ipv4Addr;

use fixwire_hw::tap::lists_as_local;

use super::super::failure::Failure;
use super::super::guard::ruleset::{Verdict, drops_resets};
use super::super::guard::{self, Untold};
use super::Asked;
use super::check::{Check, State, Subject};
use super::host::{self, Host};
use super::nic::{self, Kind};
use super::program::Answer;

const GUARD: Subject = Subject::advised("network", "RST guard");

const AT_BOOT: Subject = Subject::advised("network", "RST guard at boot");

/// How the engine's address is said.
pub(crate) const NAME: &str = "--session FILE, whose [network] has `address`";

/// The unit of docs/production.md.
const UNIT: &str = "fixwire-guard.service";

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let mut checks = vec![check(host, asked)];
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    if let (Some(Kind::Bifurcated), Some(addr)) = (kind, asked.engine())
        && has(host, addr) == Ok(true)
    {
        checks.push(at_boot(host));
    }
    checks
}

/// Whether the kernel has an address.
pub(crate) fn has(host: &Host, addr: Ipv4Addr) -> Result<bool, host::Untold> {
    host.text("proc/net/fib_trie").map(|routes| lists_as_local(&routes, addr))
}

/// Rules of nftables are gone with the next boot.
fn at_boot(host: &Host) -> Check {
    const ENABLE: &str = "`systemctl enable --now fixwire-guard`, with the unit of docs/production.md; or keep the \
                          rules of `fixwire guard install --dry-run` where this host keeps its own";
    match host.ask("systemctl", &["is-enabled", UNIT]) {
        Answer::Said(state) => AT_BOOT.ok(format!("{UNIT} is {}", state.trim())),
        Answer::NotInstalled => AT_BOOT.unknown("systemctl is not installed to tell", ENABLE),
        Answer::Failed(why) => AT_BOOT.warn(format!("{UNIT}: {why}"), ENABLE),
    }
}

fn check(host: &Host, asked: &Asked) -> Check {
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    if kind == Some(Kind::Owned) {
        return GUARD.ok("the kernel sees no frame of a NIC that is ours alone");
    }
    let subject = GUARD.required_if(kind == Some(Kind::Bifurcated));
    match asked.engine() {
        None => subject.unknown("which address the engine has is not said", NAME),
        Some(addr) => of_address(host, subject, addr),
    }
}

/// The check for an address of the engine's.
pub(crate) fn of_address(host: &Host, subject: Subject, addr: Ipv4Addr) -> Check {
    match has(host, addr) {
        Err(untold) => subject.unknown(untold, "`ip -4 address show`"),
        Ok(false) => {
            subject.ok(format!("the kernel does not have {addr}, and answers nothing for it"))
        }
        Ok(true) => guarded(subject, host, addr),
    }
}

/// The same for whoever needs it: anything but `ok` is a reason not to begin.
pub(crate) fn required(host: &Host, addr: Ipv4Addr) -> Check {
    of_address(host, GUARD.required_if(true), addr)
}

/// Whether a start may go on beside a kernel that gets frames of the port.
pub(crate) fn refuse_unguarded(host: &Host, addr: Ipv4Addr) -> Result<(), Failure> {
    let check = required(host, addr);
    if check.state == State::Ok {
        return Ok(());
    }
    let doubt = if check.state == State::Unknown { "it cannot be told whether " } else { "" };
    Err(Failure::run(
        format!("{doubt}the kernel would reset the engine's connections: {}", check.found),
        check.remedy,
    ))
}

/// The kernel has the address: whether a rule keeps its answers in.
fn guarded(subject: Subject, host: &Host, addr: Ipv4Addr) -> Check {
    let add = format!(
        "`sudo fixwire guard install --address {addr}`, or {}; or an address that the kernel does not have",
        guard::lines(addr).map(|line| format!("`nft '{line}'`")).join(", ")
    );
    let list = format!(
        "`sudo nft list ruleset`: an output chain is to have `ip saddr {addr} tcp flags rst drop` before \
         whatever accepts; `sudo fixwire guard install --address {addr}` makes one that has"
    );
    let owned = format!("the kernel has {addr}");
    let rules = match guard::rules(host) {
        Ok(rules) => rules,
        Err(Untold::NotInstalled) => {
            let why = format!("{owned}, and nft is not installed to tell rules");
            return subject.unknown(why, format!("`apt-get install nftables`, then {add}"));
        }
        Err(Untold::Dormant(table)) => {
            let why = format!("{owned}, and {}", guard::dormant(&table));
            return subject
                .unknown(why, format!("`sudo nft add {table}`, which wakes it, then {add}"));
        }
        Err(Untold::NoJson) => {
            return subject.unknown(format!("{owned}, and what nft says is no JSON"), list);
        }
        Err(Untold::Failed(why)) => return subject.unknown(format!("{owned}; nft: {why}"), list),
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

#[cfg(test)]
mod tests;
