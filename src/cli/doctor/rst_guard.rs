//! Whether the kernel would answer, with a RST, a segment of ours that comes to it.
//!
//! Beside mlx5 the kernel gets each frame that no rule took: while rules are installed anew, and after the
//! process has died. Where it has the engine's address it answers with RST, and the peer hangs up. Where it has not, and
//! forwards, a firewall's `reject` does the same.

use std::net::Ipv4Addr;

use fixwire_hw::tap::lists_as_local;

use super::super::failure::Failure;
use super::super::guard::forwarded::{Answering, Forwarding, Outcome, outcome};
use super::super::guard::ruleset::{Verdict, drops_resets};
use super::super::guard::{self, Untold};
use super::Asked;
use super::check::{Check, State, Subject};
use super::host::{self, Host};
use super::nic::{self, Kind};
use super::program::Answer;
use super::unit::GUARD as UNIT;

const GUARD: Subject = Subject::advised("network", "RST guard");

const AT_BOOT: Subject = Subject::advised("network", "RST guard at boot");

/// How the engine's address is said.
pub(crate) const NAME: &str = "--session FILE, whose [network] has `address`";

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let mut checks = vec![check(host, asked)];
    let kind = asked.nic.and_then(|nic| nic::kind(host, nic));
    if let (Some(Kind::Bifurcated), Some(addr)) = (kind, asked.engine())
        && wants_guard(host, addr)
    {
        checks.push(at_boot(host));
    }
    checks
}

/// Whether the kernel has an address.
pub(crate) fn has(host: &Host, addr: Ipv4Addr) -> Result<bool, host::Untold> {
    host.text("proc/net/fib_trie").map(|routes| lists_as_local(&routes, addr))
}

/// Whether it is rules that keep the kernel's answers in, or are to.
fn wants_guard(host: &Host, addr: Ipv4Addr) -> bool {
    match has(host, addr) {
        Ok(true) => true,
        Ok(false) => guard::rules(host)
            .is_ok_and(|rules| outcome(&rules, addr, forwarding(host)) != Outcome::Silent),
        Err(_) => false,
    }
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
    if let (Some(Kind::Owned), Some(nic)) = (kind, asked.nic)
        && !nic::is_kernel_s(host, nic)
    {
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
        Ok(false) => unanswered(subject, host, addr),
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

fn typed(lines: &[String]) -> String {
    lines.iter().map(|line| format!("`nft '{line}'`")).collect::<Vec<_>>().join(", ")
}

/// What cannot be told without the rules: why, and what is to be done.
fn unlisted(untold: &Untold, add: &str, list: &str) -> (String, String) {
    match untold {
        Untold::NotInstalled => (
            "nft is not installed to tell rules".to_owned(),
            format!("`apt-get install nftables`, then {add}"),
        ),
        Untold::Dormant(table) => {
            (guard::dormant(table), format!("`sudo nft add {table}`, which wakes it, then {add}"))
        }
        Untold::NoJson => ("what nft says is no JSON".to_owned(), list.to_owned()),
        Untold::Failed(why) => (format!("nft: {why}"), list.to_owned()),
    }
}

/// The kernel has the address: whether a rule keeps its answers in.
fn guarded(subject: Subject, host: &Host, addr: Ipv4Addr) -> Check {
    let add = format!(
        "`sudo fixwire guard install --address {addr}`, or {}; or an address that the kernel does not have",
        typed(&guard::lines_where_owned(addr))
    );
    let list = format!(
        "`sudo nft list ruleset`: an output chain is to have `ip saddr {addr} tcp flags rst drop` before \
         whatever accepts; `sudo fixwire guard install --address {addr}` makes one that has"
    );
    let owned = format!("the kernel has {addr}");
    let rules = match guard::rules(host) {
        Ok(rules) => rules,
        Err(untold) => {
            let (why, remedy) = unlisted(&untold, &add, &list);
            return subject.unknown(format!("{owned}, and {why}"), remedy);
        }
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

/// How the kernel forwards. An interface that came later would as `default` says, and is not there.
fn forwarding(host: &Host) -> Forwarding {
    const CONF: &str = "proc/sys/net/ipv4/conf";
    let forwards = |name: &String| {
        let on = host.text(&format!("{CONF}/{name}/forwarding"));
        !["all", "default"].contains(&name.as_str()) && on.as_deref() != Ok("0")
    };
    let is_on = match host.names(CONF) {
        Ok(names) => names.iter().any(forwards),
        Err(untold) => !untold.is_absent(),
    };
    let legacy = host.text("proc/net/ip_tables_names");
    Forwarding { is_on, has_legacy: legacy.is_ok_and(|tables| !tables.is_empty()) }
}

/// The kernel does not have the address: whether somebody answers for it all the same.
fn unanswered(subject: Subject, host: &Host, addr: Ipv4Addr) -> Check {
    let add = format!(
        "`sudo fixwire guard install --address {addr}`, or {}",
        typed(&guard::lines_where_forwarded(addr))
    );
    let list = format!(
        "`sudo nft list ruleset`: nothing is to reject, or to lead elsewhere, what comes for {addr}; {add}"
    );
    let foreign = format!("the kernel does not have {addr}");
    let forwarding = forwarding(host);
    let rules = match guard::rules(host) {
        Ok(rules) => rules,
        Err(untold) => {
            let (why, remedy) = unlisted(&untold, &add, &list);
            if !forwarding.is_on {
                return subject.ok(format!("{foreign}, and forwards nothing ({why})"));
            }
            return subject.unknown(format!("{foreign}, forwards, and {why}"), remedy);
        }
    };
    let Answering { verdict, chain, is_after_guard } = match outcome(&rules, addr, forwarding) {
        Outcome::Silent => return subject.ok(format!("{foreign}, and answers nothing for it")),
        Outcome::Guarded => {
            return subject.ok(format!(
                "{foreign}, and a rule of nftables drops what comes for it before another answers"
            ));
        }
        Outcome::Answered(answering) => answering,
    };
    let remedy = if is_after_guard {
        add
    } else {
        format!(
            "`sudo nft list ruleset`: before whatever answers, {chain} is to have `ip daddr {addr} drop`"
        )
    };
    if verdict == Verdict::Always {
        let found =
            format!("{foreign}, and {chain} rejects what comes for it, or leads it elsewhere");
        return subject.bad(found, remedy);
    }
    let found = format!(
        "{foreign}, and {chain} may reject what comes for it, or lead it elsewhere, under conditions that are not \
         understood here"
    );
    subject.unknown(found, remedy)
}

#[cfg(test)]
mod tests;
