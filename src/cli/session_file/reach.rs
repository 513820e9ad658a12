//! The keys of where a session connects to and from, who may connect to it, and when it begins to.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, ToSocketAddrs};
use std::ops::Range;

use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

use super::super::failure::Failure;
use super::keys::{Entry, Intervals};
use super::values::{ALTERNATES_MAX, Host, host_of, ipv4, is_a_host_s, number};
use super::{SessionSettings, Side};

/// As many pauses before attempts to connect again as are told apart.
pub(super) const RECONNECT_INTERVALS_MAX: usize = 64;

/// As many addresses and names as a session's counterparty may come from.
const ALLOWED_MAX: usize = 64;

/// Where a session connects from, who may connect to it, and when it begins to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// What is to be looked up before there is a device.
    names: Vec<Named>,
    /// The engine's own address, as this session has it.
    pub(crate) source_host: Option<Ipv4Addr>,
    /// 0 for one that is picked.
    pub(crate) source_port: u16,
    /// Empty for everybody.
    pub(crate) allowed: Vec<Ipv4Addr>,
    /// It waits until an operator has it log on.
    pub(crate) starts_down: bool,
    /// How many sessions of a template are kept ready; 0 for a session that is none.
    pub(crate) template_sessions: u16,
}

/// As many sessions as a template makes where it does not say.
const TEMPLATE_SESSIONS: u16 = 16;

/// A host by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    what: What,
    name: String,
    /// The file and the line in it.
    at: String,
}

/// What its addresses are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// To be connected to first.
    First,
    /// To be connected to on this port, before the alternate in that place.
    Alternate(usize, u16),
    /// To be connected to from.
    Allowed,
}

impl What {
    fn is_alternate(self) -> bool {
        matches!(self, What::Alternate(..))
    }
}

impl Entry {
    /// Where its session connects to and from, in place of what stands in `settings`.
    pub(super) fn reach_over(
        &self,
        settings: &mut SessionSettings,
        file: &TomlFile,
    ) -> Result<(), TomlError> {
        if let Some(text) = &self.socket_connect_host {
            settings.reach.names.retain(|of| of.what != What::First);
            settings.connect_host = match host_of(text.get_ref()) {
                Some(Host::Addr(addr)) => Some(addr),
                Some(Host::Name(name)) => {
                    settings.reach.names.push(named(file, text, What::First, name));
                    None
                }
                None => return Err(file.bad_value(text, "socket_connect_host", HOST)),
            };
        }
        if let Some(said) = &self.socket_connect_alternates {
            settings.reach.names.retain(|of| !of.what.is_alternate());
            settings.connect_alternates = alternates(file, said, &mut settings.reach.names)?;
        }
        if let Some(said) = &self.allowed_remote_addresses {
            settings.reach.names.retain(|of| of.what != What::Allowed);
            settings.reach.allowed = allowed(file, said, &mut settings.reach.names)?;
        }
        if let Some(text) = &self.socket_connect_source_host {
            settings.reach.source_host = Some(ipv4(file, text, "socket_connect_source_host")?);
        }
        let port = self.socket_connect_source_port.as_ref();
        if let Some(port) = number(file, port, "socket_connect_source_port", 0, 65_535)? {
            settings.reach.source_port = port;
        }
        if let Some(said) = &self.dynamic_session {
            settings.reach.starts_down = *said.get_ref();
        }
        if let Some(said) = &self.acceptor_template {
            settings.reach.template_sessions = if *said.get_ref() { TEMPLATE_SESSIONS } else { 0 };
        }
        let most = self.dynamic_sessions_max.as_ref();
        if let Some(most) = number(file, most, "dynamic_sessions_max", 1, 1_024)? {
            match settings.reach.template_sessions {
                0 => {
                    return Err(file.error(
                        self.dynamic_sessions_max.as_ref().map_or(0..0, Spanned::span),
                        "`dynamic_sessions_max` is of no use without `acceptor_template`".into(),
                        "write acceptor_template = true beside it, or delete it",
                    ));
                }
                _ => settings.reach.template_sessions = most,
            }
        }
        if let Some(said) = &self.reconnect_interval {
            settings.reconnect_intervals_s = intervals(file, said)?;
        }
        Ok(())
    }

    /// That a template is an acceptor's, stands for somebody, and is told what it can do.
    pub(super) fn is_template_as_it_should(
        &self,
        settings: &mut SessionSettings,
        file: &TomlFile,
        place: Range<usize>,
    ) -> Result<(), TomlError> {
        let is_any =
            [&settings.sender_comp_id, &settings.target_comp_id].iter().any(|id| **id == "*");
        let is_template = settings.reach.template_sessions > 0;
        let place = self.acceptor_template.as_ref().map_or(place, Spanned::span);
        let (what, remedy) = match settings.side {
            Side::Initiator if is_template && self.acceptor_template.is_some() => (
                "`acceptor_template` is true, and this session is an initiator",
                "write connection_type = \"acceptor\", or delete it",
            ),
            Side::Acceptor if is_template && !is_any => (
                "`acceptor_template` is true, and both CompIDs are somebody's",
                "write target_comp_id = \"*\" for every counterparty",
            ),
            Side::Acceptor if !is_template && is_any => (
                "a CompID is \"*\", and this session is no template",
                "write acceptor_template = true beside it, or whose CompID it is",
            ),
            Side::Acceptor if is_template && self.store.is_some() => (
                "`acceptor_template` is true, and there is a `store`",
                "delete it: sessions of a template keep their numbers as long as the process lasts",
            ),
            _ => {
                if settings.side == Side::Initiator {
                    settings.reach.template_sessions = 0;
                }
                if settings.reach.template_sessions > 0 {
                    settings.store = None;
                }
                return Ok(());
            }
        };
        Err(file.error(place, what.into(), remedy))
    }

    /// That an acceptor is told nothing that only an initiator can do.
    pub(super) fn reaches_as_its_side(
        &self,
        settings: &mut SessionSettings,
        file: &TomlFile,
    ) -> Result<(), TomlError> {
        if settings.side == Side::Initiator {
            return Ok(());
        }
        if let Some(said) = self.dynamic_session.as_ref().filter(|said| *said.get_ref()) {
            return Err(file.error(
                said.span(),
                "`dynamic_session` is true, and this session is an acceptor".into(),
                "delete it: who may connect is said by a session for each counterparty",
            ));
        }
        if let Some(text) = &self.session_qualifier {
            return Err(file.bad_value(
                text,
                "session_qualifier",
                "delete it: no Logon says it, so an acceptor is told apart by its CompIDs alone",
            ));
        }
        // What was said for all sessions has no object in this one.
        settings.reach.starts_down = false;
        settings.qualifier = None;
        Ok(())
    }
}

const HOST: &str = "write the IPv4 address of a host, such as \"10.9.0.1\", or its name, which is looked up at the start";

/// A template becomes the sessions that are kept ready, told apart by numbers.
pub(super) fn expanded(sessions: Vec<SessionSettings>) -> Vec<SessionSettings> {
    let all = sessions.into_iter().flat_map(|session| {
        let copies = session.reach.template_sessions;
        (1..=copies.max(1)).map(move |number| SessionSettings {
            qualifier: if copies > 0 {
                Some(number.to_string())
            } else {
                session.qualifier.clone()
            },
            ..session.clone()
        })
    });
    all.collect()
}

fn named(file: &TomlFile, text: &Spanned<String>, what: What, name: String) -> Named {
    let line = file.error(text.span(), String::new(), "").line;
    Named { what, name, at: format!("{}:{line}", file.path) }
}

/// Reads `["10.9.0.3:9878", "venue.example:9878"]`.
fn alternates(
    file: &TomlFile,
    said: &[Spanned<String>],
    names: &mut Vec<Named>,
) -> Result<Vec<SocketAddrV4>, TomlError> {
    const KEY: &str = "socket_connect_alternates";
    if let Some(text) = said.get(ALTERNATES_MAX) {
        let remedy = format!("name up to {ALTERNATES_MAX} addresses");
        return Err(file.error(text.span(), format!("`{KEY}` has more addresses"), &remedy));
    }
    let mut addrs = Vec::new();
    for text in said {
        let parts = text.get_ref().rsplit_once(':').and_then(|(host, port)| {
            let port: u16 = port.parse().ok().filter(|port| *port > 0)?;
            Some((host_of(host)?, port))
        });
        match parts {
            Some((Host::Addr(addr), port)) => addrs.push(SocketAddrV4::new(addr, port)),
            Some((Host::Name(name), port)) => {
                names.push(named(file, text, What::Alternate(addrs.len(), port), name));
            }
            None => {
                let remedy = "write the IPv4 address of a host, or its name, and a port, such as \"10.9.0.3:9878\"";
                return Err(file.bad_value(text, KEY, remedy));
            }
        }
    }
    Ok(addrs)
}

/// Reads `["10.9.0.3", "desk.example"]`.
fn allowed(
    file: &TomlFile,
    said: &[Spanned<String>],
    names: &mut Vec<Named>,
) -> Result<Vec<Ipv4Addr>, TomlError> {
    const KEY: &str = "allowed_remote_addresses";
    if let Some(text) = said.get(ALLOWED_MAX) {
        let remedy = format!("name up to {ALLOWED_MAX}");
        return Err(file.error(text.span(), format!("`{KEY}` has more addresses"), &remedy));
    }
    let mut addrs = Vec::new();
    for text in said {
        match host_of(text.get_ref()) {
            Some(Host::Addr(addr)) => addrs.push(addr),
            Some(Host::Name(name)) => names.push(named(file, text, What::Allowed, name)),
            None => return Err(file.bad_value(text, KEY, HOST)),
        }
    }
    Ok(addrs)
}

fn intervals(file: &TomlFile, said: &Spanned<Intervals>) -> Result<Vec<u32>, TomlError> {
    const KEY: &str = "reconnect_interval";
    let all = match said.get_ref() {
        Intervals::One(one) => std::slice::from_ref(one),
        Intervals::Several(all) => all,
    };
    if !(1..=RECONNECT_INTERVALS_MAX).contains(&all.len()) {
        let what = format!("`{KEY}` has {} pauses", all.len());
        let remedy =
            format!("write seconds, or 1 to {RECONNECT_INTERVALS_MAX} of them in brackets");
        return Err(file.error(said.span(), what, &remedy));
    }
    let read = all.iter().map(|one| match u32::try_from(*one) {
        Ok(s @ 1..=86_400) => Ok(s),
        _ => {
            let what = format!("`{KEY}` is {one}");
            Err(file.error(said.span(), what, "write a number from 1 to 86400"))
        }
    });
    read.collect()
}

/// A host's IPv4 addresses by the system's resolver: /etc/hosts, DNS, whatever it is set to ask.
pub(super) fn look_up(name: &str) -> io::Result<Vec<Ipv4Addr>> {
    let found = (name, 0).to_socket_addrs()?;
    Ok(found
        .filter_map(|at| match at {
            std::net::SocketAddr::V4(at) => Some(*at.ip()),
            std::net::SocketAddr::V6(_) => None,
        })
        .collect())
}

/// Looks up what is named. A name with several addresses is connected to at each in turn, as far as there may be alternates.
/// What is steered and routed goes by addresses: nothing is looked up again while the engine runs.
pub(super) fn resolve(
    session: &mut SessionSettings,
    look_up: &dyn Fn(&str) -> io::Result<Vec<Ipv4Addr>>,
) -> Result<(), Failure> {
    let names = std::mem::take(&mut session.reach.names);
    let connects = session.side == Side::Initiator;
    let mut before = Vec::new();
    // From behind, so that the places of those before stay what they are.
    for of in names.iter().rev().filter(|of| connects != (of.what == What::Allowed)) {
        let addrs = addresses_of(of, look_up)?;
        match of.what {
            What::First => {
                session.connect_host = addrs.first().copied();
                let port = session.connect_port;
                before = addrs[1..].iter().map(|addr| SocketAddrV4::new(*addr, port)).collect();
            }
            What::Alternate(place, port) => {
                let at = addrs.iter().map(|addr| SocketAddrV4::new(*addr, port));
                session.connect_alternates.splice(place..place, at);
            }
            What::Allowed => session.reach.allowed.extend(addrs),
        }
    }
    session.connect_alternates.splice(0..0, before);
    session.connect_alternates.truncate(ALTERNATES_MAX);
    Ok(())
}

fn addresses_of(
    named: &Named,
    look_up: &dyn Fn(&str) -> io::Result<Vec<Ipv4Addr>>,
) -> Result<Vec<Ipv4Addr>, Failure> {
    let Named { name, at, .. } = named;
    let remedy = "write its IPv4 address, or name it in /etc/hosts";
    let found = look_up(name).map_err(|why| {
        Failure::Input(format!("{at}: the host {name:?} is not found: {why}; {remedy}"))
    })?;
    let mut addrs: Vec<Ipv4Addr> = Vec::new();
    for addr in found.into_iter().filter(|addr| is_a_host_s(*addr)) {
        if !addrs.contains(&addr) {
            addrs.push(addr);
        }
    }
    if addrs.is_empty() {
        return Err(Failure::Input(format!(
            "{at}: the host {name:?} has no IPv4 address that a network's host can have; {remedy}"
        )));
    }
    Ok(addrs)
}

#[cfg(test)]
mod tests {
    use super::super::{Purpose, SessionFile};
    use super::*;

    fn read(text: &str) -> SessionSettings {
        let file = TomlFile { name: "s".into(), path: "s.toml".into(), text: text.into() };
        SessionFile::read(&file, Purpose::Trade).unwrap().sessions.remove(0)
    }

    /// `venue` has two addresses and one that no host has, `desk` one, and no other name is known.
    fn known(name: &str) -> io::Result<Vec<Ipv4Addr>> {
        let addr = |last| Ipv4Addr::new(10, 9, 0, last);
        match name {
            "venue" => Ok(vec![addr(1), Ipv4Addr::LOCALHOST, addr(2), addr(1)]),
            "desk" => Ok(vec![addr(7)]),
            "six.example" => Ok(vec![]),
            _ => Err(io::Error::other("no such name")),
        }
    }

    fn resolved(text: &str) -> Result<(Option<Ipv4Addr>, String, Vec<Ipv4Addr>), String> {
        let mut session = read(text);
        resolve(&mut session, &known).map_err(|failure| failure.to_string())?;
        let others = session.connect_alternates.iter().map(ToString::to_string);
        Ok((session.connect_host, others.collect::<Vec<_>>().join(" "), session.reach.allowed))
    }

    #[test]
    fn a_name_s_addresses_are_connected_to_in_turn_where_the_name_stands() {
        let first = "socket_connect_host = \"venue\"\nsocket_connect_port = 7000\n";
        for (text, host, others) in [
            (first.to_owned(), [10, 9, 0, 1], "10.9.0.2:7000"),
            (
                format!("{first}socket_connect_alternates = [\"10.9.0.5:1\", \"venue:2\", \"10.9.0.6:3\"]\n"),
                [10, 9, 0, 1],
                "10.9.0.2:7000 10.9.0.5:1 10.9.0.1:2 10.9.0.2:2 10.9.0.6:3",
            ),
            (
                "socket_connect_host = \"10.9.0.9\"\nsocket_connect_alternates = [\"desk:1\", \"desk:2\"]\n".into(),
                [10, 9, 0, 9],
                "10.9.0.7:1 10.9.0.7:2",
            ),
        ] {
            let (found, alternates, _) = resolved(&text).unwrap();
            assert_eq!((found, alternates.as_str()), (Some(host.into()), others), "{text}");
        }
    }

    #[test]
    fn a_session_s_own_host_takes_the_place_of_the_name_for_all() {
        let text = "[default]\nsocket_connect_host = \"nowhere\"\n[[session]]\nsocket_connect_host = \"10.9.0.9\"\n";
        assert_eq!(resolved(text).unwrap().0, Some(Ipv4Addr::new(10, 9, 0, 9)));
    }

    #[test]
    fn who_may_connect_is_named_by_address_or_name_and_looked_up_for_acceptors_alone() {
        let text = "connection_type = \"acceptor\"\nsocket_connect_host = \"nowhere\"\n\
                    allowed_remote_addresses = [\"10.9.0.3\", \"desk\"]\n";
        let expected = [3, 7].map(|last| Ipv4Addr::new(10, 9, 0, last));
        assert_eq!(resolved(text).unwrap().2, expected);
    }

    #[test]
    fn a_name_without_an_address_is_said_with_its_place_and_remedy() {
        for (name, what) in
            [("nowhere", "is not found: no such name"), ("six.example", "has no IPv4")]
        {
            let said = resolved(&format!("heart_bt_int = 3\nsocket_connect_host = \"{name}\"\n"));
            let said = said.unwrap_err();
            assert!(said.contains("s.toml:2: ") && said.contains(what), "{said}");
            assert!(said.contains("/etc/hosts"), "{said}");
        }
    }

    #[test]
    fn the_machine_s_own_resolver_is_asked() {
        // What /etc/hosts has on every machine; the resolver reads an address as it is, too.
        assert_eq!(look_up("localhost").unwrap().first(), Some(&Ipv4Addr::LOCALHOST));
        assert_eq!(look_up("10.9.0.1").unwrap(), [Ipv4Addr::new(10, 9, 0, 1)]);
    }
}
