//! Whether peers find the engine beside a kernel, and it finds them, as far as the kernel knows: who answers ARP for its
//! address, and which hardware address its orders go to.

use std::net::Ipv4Addr;

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::{Neighbors, Policy};

use super::Asked;
use super::check::{Check, State, Subject};
use super::host::Host;
use super::nic::{self, Kind};
use super::pci::PciAddress;
use super::program::Answer;
use super::rst_guard;

const PUBLISHED: Subject = Subject::advised("network", "published address");
const NEXT_HOP: Subject = Subject::advised("network", "next hop");

/// A complete entry of the kernel's ARP table (if_arp.h, ATF_COM).
const COMPLETE: u32 = 2;

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    match asked.nic {
        Some(nic) if nic::kind(host, nic) == Some(Kind::Bifurcated) => {
            vec![published(host, asked, nic), next_hop(host, asked, nic)]
        }
        _ => Vec::new(),
    }
}

/// The word behind another in a line of `ip`'s.
fn behind<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_whitespace().skip_while(|word| *word != key).nth(1)
}

/// What `ip` says, or why it does not.
fn ip(host: &Host, words: &[&str]) -> Result<String, String> {
    match host.ask("ip", words) {
        Answer::Said(text) => Ok(text),
        Answer::NotInstalled => {
            Err("ip is not installed to tell (`apt-get install iproute2`)".into())
        }
        Answer::Failed(why) => Err(format!("ip: {why}")),
    }
}

/// Whether somebody answers ARP for the engine.
fn published(host: &Host, asked: &Asked, nic: PciAddress) -> Check {
    let profile = &asked.profile;
    let isolated = profile.policy(Capability::FlowIsolation) != Policy::Off;
    if profile.neighbors == Neighbors::Own || (profile.neighbors == Neighbors::Auto && !isolated) {
        return PUBLISHED.ok("the engine answers ARP itself, by the profile");
    }
    let Some(addr) = asked.engine() else {
        return PUBLISHED.unknown("which address the engine has is not said", rst_guard::NAME);
    };
    match rst_guard::has(host, addr) {
        Err(untold) => PUBLISHED.unknown(untold, "`ip -4 address show`"),
        Ok(true) => PUBLISHED.ok(format!("the kernel has {addr}, and answers ARP for it")),
        Ok(false) => by_proxy(host, asked, nic, addr),
    }
}

/// The kernel answers for an address that it does not have where it was told to on that interface, forwards there, and
/// would send to the address by another.
fn by_proxy(host: &Host, asked: &Asked, nic: PciAddress, addr: Ipv4Addr) -> Check {
    let port = nic::interface_name(host, nic);
    let shown = port.as_deref().unwrap_or("IFNAME");
    let publish = format!(
        "`ip neigh add proxy {addr} dev {shown}`, as in docs/production.md, step 8; or a static entry for {addr} in \
         the router"
    );
    let entries = match ip(host, &["-4", "neigh", "show", "proxy"]) {
        Ok(entries) => entries,
        Err(why) => return PUBLISHED.unknown(why, publish),
    };
    let ours = |line: &&str| line.split_whitespace().next() == Some(addr.to_string().as_str());
    let Some(on) = entries.lines().find(ours).and_then(|line| behind(line, "dev")) else {
        let why = format!(
            "the kernel neither has {addr} nor answers ARP for it; a router's static entry is not to be seen from here"
        );
        return PUBLISHED.unknown(why, publish);
    };
    // The interface for a VLAN has a name of its own.
    if asked.network.vlan.is_none() && port.as_deref().is_some_and(|port| port != on) {
        return PUBLISHED.warn(format!("by proxy ARP on {on}, and the port is {shown}"), publish);
    }
    match host.number::<u32>(&format!("proc/sys/net/ipv4/conf/{on}/forwarding")) {
        Ok(1) => {}
        Ok(_) => {
            return PUBLISHED.warn(
                format!("{on} does not forward, and answers no ARP by proxy"),
                format!("`sysctl -w net.ipv4.conf.{on}.forwarding=1`"),
            );
        }
        Err(untold) => return PUBLISHED.unknown(untold, publish),
    }
    let elsewhere = format!(
        "`ip link add fixwire-null type dummy && ip link set fixwire-null up && ip route add {addr}/32 dev fixwire-null`"
    );
    match ip(host, &["-4", "route", "get", &addr.to_string()]) {
        Err(why) => PUBLISHED.warn(format!("no answer by proxy without a route: {why}"), elsewhere),
        Ok(route) if behind(&route, "dev") == Some(on) => PUBLISHED
            .warn(format!("its route leads by {on} itself: no answer by proxy there"), elsewhere),
        Ok(_) => PUBLISHED.ok(format!("the kernel answers ARP for {addr} on {on}, by proxy")),
    }
}

/// Where the first segment goes to whom the engine calls.
fn next_hop(host: &Host, asked: &Asked, nic: PciAddress) -> Check {
    if asked.calls.is_empty() {
        return NEXT_HOP.ok("the engine calls nobody: its sessions wait to be connected to");
    }
    let mut found = Vec::new();
    for called in &asked.calls {
        let Some(called) = called else {
            return NEXT_HOP.unknown(
                "whom the engine calls is not said",
                "--session FILE, with `socket_connect_host`, or `connection_type = \"acceptor\"`",
            );
        };
        let check = hop_to(host, asked, nic, *called);
        if check.state != State::Ok {
            return check;
        }
        if !found.contains(&check.found) {
            found.push(check.found);
        }
    }
    NEXT_HOP.ok(found.join("; "))
}

fn hop_to(host: &Host, asked: &Asked, nic: PciAddress, called: Ipv4Addr) -> Check {
    let port = nic::interface_name(host, nic).filter(|_| asked.network.vlan.is_none());
    let port = port.as_deref();
    let hop = match asked.network {
        ref network if network.addr.is_some_and(|network| contains(network, called)) => called,
        ref network if network.gateway.is_some() => network.gateway.unwrap_or(called),
        _ => match by_route(host, called, port) {
            Ok(hop) => hop,
            Err(why) => {
                let give = "`gateway` under [network] in the session file, or a route of the kernel's by the port";
                return NEXT_HOP.warn(format!("no way to {called}: {why}"), give);
            }
        },
    };
    let by = port.map(|port| format!(" -I {port}")).unwrap_or_default();
    let ask = format!("`ping -c 1{by} {hop}`, then look again");
    let table = match host.text("proc/net/arp") {
        Ok(table) => table,
        Err(untold) => return NEXT_HOP.unknown(untold, ask),
    };
    let entry = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|row| {
        row.first() == Some(&hop.to_string().as_str())
            && port.is_none_or(|port| row.last() == Some(&port))
    });
    let Some(&[_, _, flags, mac, _, on]) = entry.as_deref() else {
        return NEXT_HOP.unknown(format!("the kernel has not looked for {hop}"), ask);
    };
    let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or_default();
    if flags & COMPLETE == 0 {
        return NEXT_HOP.warn(format!("{hop} answers no ARP on {on}"), ask);
    }
    NEXT_HOP.ok(format!("{called} by {hop} at {mac} on {on}"))
}

fn contains((addr, prefix_len): (Ipv4Addr, u8), other: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len)).unwrap_or(0);
    (addr.to_bits() ^ other.to_bits()) & mask == 0
}

/// The next hop by the kernel's route out of the port, as a run asks for it.
fn by_route(host: &Host, called: Ipv4Addr, port: Option<&str>) -> Result<Ipv4Addr, String> {
    let dst = called.to_string();
    let mut words = vec!["-4", "route", "get", &dst];
    let whole = ip(host, &words)?;
    words.extend(port.iter().flat_map(|port| ["oif", port]));
    let by_port = ip(host, &words)?;
    match behind(&by_port, "via") {
        Some(via) => via.parse().map_err(|_| format!("ip says via {via}")),
        // Asked for an interface, the kernel takes whatever has no route for a neighbour there.
        None if port.is_some() && behind(&whole, "dev") != port => {
            Err("the kernel has no route there by the port".into())
        }
        None => Ok(called),
    }
}

#[cfg(test)]
mod tests;
