//! Session settings as TOML, by the names that users know from QuickFIX.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::path::Path;

use fixwire::offload::toml_file::{TomlError, TomlFile};
use fixwire::tcp::{CongestionControl, KeepAlive, Terms, UserTimeoutLimits, UserTimeoutOption};
use fixwire::time::Duration;
use fixwire::wire::tcp::UserTimeout;
use serde::Deserialize;
use toml::Spanned;

use super::failure::Failure;
use super::text_file::{self, Unreadable};

/// What `--session` reads: settings for every session, then a `[[session]]` each for what differs.
#[derive(Debug)]
pub(crate) struct SessionFile {
    pub(crate) network: NetworkSettings,
    pub(crate) sessions: Vec<SessionSettings>,
}

/// The engine's place on the network; what is not said is the device's default.
#[derive(Clone, Debug, Default)]
pub(crate) struct NetworkSettings {
    pub(crate) addr: Option<(Ipv4Addr, u8)>,
    pub(crate) gateway: Option<Ipv4Addr>,
    pub(crate) vlan: Option<u16>,
}

/// What the sessions of a file are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To trade: initiators unless a session says otherwise, and the built-in session's far side is
    /// the built-in exchange.
    Trade,
    /// To be connected to: acceptors all, and the built-in session is that exchange's.
    Accept,
}

impl Purpose {
    /// The built-in session: what a file's sessions have where they say nothing.
    pub(crate) fn built_in(self) -> SessionSettings {
        match self {
            Purpose::Trade => SessionSettings::default(),
            Purpose::Accept => SessionSettings::default().mirrored(),
        }
    }
}

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Initiator,
    Acceptor,
}

/// One session, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionSettings {
    pub(crate) side: Side,
    pub(crate) begin_string: String,
    pub(crate) sender_comp_id: String,
    pub(crate) target_comp_id: String,
    /// Where the initiator connects to; `None` is the device's peer.
    pub(crate) connect_host: Option<Ipv4Addr>,
    pub(crate) connect_port: u16,
    pub(crate) accept_port: u16,
    pub(crate) heart_bt_int_s: u32,
    pub(crate) reconnect_interval_s: u32,
    pub(crate) logon_timeout_s: u32,
    pub(crate) logout_timeout_s: u32,
    pub(crate) reset_on_logon: bool,
    pub(crate) reset_on_logout: bool,
    pub(crate) reset_on_disconnect: bool,
    pub(crate) check_latency: bool,
    pub(crate) max_latency_s: u32,
    pub(crate) tcp: Terms,
}

/// The port that the built-in exchange listens on and an initiator connects to.
pub(crate) const EXCHANGE_PORT: u16 = 9878;

impl Default for SessionSettings {
    /// The built-in session with the built-in exchange.
    fn default() -> Self {
        SessionSettings {
            side: Side::Initiator,
            begin_string: "FIX.4.4".into(),
            sender_comp_id: "FIXWIRE".into(),
            target_comp_id: "EXCHANGE".into(),
            connect_host: None,
            connect_port: EXCHANGE_PORT,
            accept_port: EXCHANGE_PORT,
            heart_bt_int_s: 30,
            reconnect_interval_s: 30,
            logon_timeout_s: 10,
            logout_timeout_s: 2,
            reset_on_logon: false,
            reset_on_logout: false,
            reset_on_disconnect: false,
            check_latency: true,
            max_latency_s: 120,
            tcp: Terms::default(),
        }
    }
}

impl SessionSettings {
    /// The other side's settings for the same session.
    pub(crate) fn mirrored(&self) -> SessionSettings {
        SessionSettings {
            side: match self.side {
                Side::Initiator => Side::Acceptor,
                Side::Acceptor => Side::Initiator,
            },
            sender_comp_id: self.target_comp_id.clone(),
            target_comp_id: self.sender_comp_id.clone(),
            accept_port: self.connect_port,
            connect_port: self.accept_port,
            ..self.clone()
        }
    }
}

/// A file for several sessions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    network: Option<Network>,
    #[serde(default)]
    default: Entry,
    #[serde(default)]
    session: Vec<Spanned<Entry>>,
}

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Network {
    address: Option<Spanned<String>>,
    gateway: Option<Spanned<String>>,
    vlan: Option<Spanned<i64>>,
}

/// One session's keys; alone in a file, it may carry the network's too.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Entry {
    network: Option<Spanned<Network>>,
    connection_type: Option<Spanned<String>>,
    begin_string: Option<Spanned<String>>,
    sender_comp_id: Option<Spanned<String>>,
    target_comp_id: Option<Spanned<String>>,
    socket_connect_host: Option<Spanned<String>>,
    socket_connect_port: Option<Spanned<i64>>,
    socket_accept_port: Option<Spanned<i64>>,
    heart_bt_int: Option<Spanned<i64>>,
    reconnect_interval: Option<Spanned<i64>>,
    logon_timeout: Option<Spanned<i64>>,
    logout_timeout: Option<Spanned<i64>>,
    reset_on_logon: Option<bool>,
    reset_on_logout: Option<bool>,
    reset_on_disconnect: Option<bool>,
    check_latency: Option<bool>,
    max_latency: Option<Spanned<i64>>,
    congestion: Option<Spanned<String>>,
    in_flight_max_kib: Option<Spanned<i64>>,
    ecn: Option<bool>,
    sack: Option<bool>,
    peer_max_ack_delay_ms: Option<Spanned<i64>>,
    fast_repair: Option<bool>,
    ack_delay_ms: Option<Spanned<i64>>,
    nagle: Option<bool>,
    pacing: Option<bool>,
    user_timeout_ms: Option<Spanned<i64>>,
    user_timeout_advertise: Option<Spanned<bool>>,
    user_timeout_adopt_max_s: Option<Spanned<i64>>,
    tcp_keep_alive: Option<Spanned<i64>>,
    stale_after_ms: Option<Spanned<i64>>,
}

const WHERE_KEYS_ARE: &str = "every key is explained in docs/sessions.md";

impl SessionFile {
    /// Reads a file, or without one takes the built-in session.
    pub(crate) fn open_or_built_in(
        path: Option<&Path>,
        purpose: Purpose,
    ) -> Result<SessionFile, Failure> {
        match path {
            Some(path) => SessionFile::open(path, purpose),
            None => Ok(SessionFile {
                network: NetworkSettings::default(),
                sessions: vec![purpose.built_in()],
            }),
        }
    }

    fn open(path: &Path, purpose: Purpose) -> Result<SessionFile, Failure> {
        let text = text_file::read(path).map_err(|Unreadable { why, remedy }| {
            Failure::Input(format!(
                "the session file {} cannot be read: {why}; {remedy}, or leave --session out for the \
                 built-in session",
                path.display(),
            ))
        })?;
        let shown = path.display().to_string();
        Ok(SessionFile::read(&TomlFile { name: shown.clone(), path: shown, text }, purpose)?)
    }

    fn read(file: &TomlFile, purpose: Purpose) -> Result<SessionFile, TomlError> {
        let table: toml::Table = file.parse(WHERE_KEYS_ARE)?;
        if table.contains_key("session") || table.contains_key("default") {
            let several: Several = file.parse(WHERE_KEYS_ARE)?;
            let network = several.network.as_ref().map(|network| network.read(file)).transpose()?;
            let base = several.default.over(purpose.built_in(), file, purpose)?;
            let mut sessions = Vec::new();
            for entry in &several.session {
                if let Some(network) = &entry.get_ref().network {
                    return Err(file.error(
                        network.span(),
                        "`network` stands in a session".into(),
                        "move it to the top of the file: the engine has one address",
                    ));
                }
                let session = entry.get_ref().over(base.clone(), file, purpose)?;
                sessions.push((entry.span(), session));
            }
            no_identity_twice(&sessions, file)?;
            let mut sessions: Vec<_> = sessions.into_iter().map(|(_, session)| session).collect();
            if sessions.is_empty() {
                sessions.push(base);
            }
            Ok(SessionFile { network: network.unwrap_or_default(), sessions })
        } else {
            let entry: Entry = file.parse(WHERE_KEYS_ARE)?;
            let network = entry.network.as_ref().map(|network| network.get_ref().read(file));
            let session = entry.over(purpose.built_in(), file, purpose)?;
            Ok(SessionFile {
                network: network.transpose()?.unwrap_or_default(),
                sessions: vec![session],
            })
        }
    }
}

/// BeginString and both CompIDs tell sessions apart, whatever their ports.
fn no_identity_twice(
    sessions: &[(Range<usize>, SessionSettings)],
    file: &TomlFile,
) -> Result<(), TomlError> {
    let mut known = HashMap::new();
    for (span, session) in sessions {
        let SessionSettings { begin_string, sender_comp_id, target_comp_id, .. } = session;
        let identity = (begin_string, sender_comp_id, target_comp_id);
        if let Some(first) = known.insert(identity, span.clone()) {
            let first_line = file.error(first, String::new(), "").line;
            return Err(file.error(
                span.clone(),
                format!(
                    "this session is {begin_string} from {sender_comp_id:?} to {target_comp_id:?}, and \
                     so is the one in line {first_line}"
                ),
                "give one of them another CompID, or delete it",
            ));
        }
    }
    Ok(())
}

impl Network {
    fn read(&self, file: &TomlFile) -> Result<NetworkSettings, TomlError> {
        let addr = self.address.as_ref().map(|text| {
            parse_cidr(text.get_ref()).ok_or_else(|| {
                file.bad_value(
                    text,
                    "address",
                    "write the IPv4 address of a host and its prefix length, such as \"10.9.0.2/24\"",
                )
            })
        });
        Ok(NetworkSettings {
            addr: addr.transpose()?,
            gateway: self.gateway.as_ref().map(|text| ipv4(file, text, "gateway")).transpose()?,
            vlan: number(file, self.vlan.as_ref(), "vlan", 1, 4094)?,
        })
    }
}

impl Entry {
    /// These keys, and `base` for those that are not there.
    fn over(
        &self,
        base: SessionSettings,
        file: &TomlFile,
        purpose: Purpose,
    ) -> Result<SessionSettings, TomlError> {
        let side = match self.connection_type.as_ref().map(|text| (text, text.get_ref().as_str())) {
            None => base.side,
            Some((text, "initiator")) if purpose == Purpose::Accept => {
                return Err(file.bad_value(
                    text,
                    "connection_type",
                    "delete the line, as `accept` connects to nobody; `fixwire run` does",
                ));
            }
            Some((_, "initiator")) => Side::Initiator,
            Some((_, "acceptor")) => Side::Acceptor,
            Some((text, _)) => {
                return Err(file.bad_value(
                    text,
                    "connection_type",
                    "write \"initiator\" or \"acceptor\"",
                ));
            }
        };
        let begin_string = match &self.begin_string {
            None => base.begin_string,
            Some(text) if matches!(text.get_ref().as_str(), "FIX.4.2" | "FIX.4.4") => {
                text.get_ref().clone()
            }
            Some(text) => {
                return Err(file.bad_value(
                    text,
                    "begin_string",
                    "write \"FIX.4.2\" or \"FIX.4.4\"",
                ));
            }
        };
        let host = self.socket_connect_host.as_ref();
        let host = host.map(|text| ipv4(file, text, "socket_connect_host")).transpose()?;
        let port = |value: &Option<Spanned<i64>>, key| number(file, value.as_ref(), key, 1, 65535);
        let seconds =
            |value: &Option<Spanned<i64>>, key, min| number(file, value.as_ref(), key, min, 86_400);
        Ok(SessionSettings {
            side,
            begin_string,
            sender_comp_id: comp_id(file, self.sender_comp_id.as_ref(), "sender_comp_id")?
                .unwrap_or(base.sender_comp_id),
            target_comp_id: comp_id(file, self.target_comp_id.as_ref(), "target_comp_id")?
                .unwrap_or(base.target_comp_id),
            connect_host: host.or(base.connect_host),
            connect_port: port(&self.socket_connect_port, "socket_connect_port")?
                .unwrap_or(base.connect_port),
            accept_port: port(&self.socket_accept_port, "socket_accept_port")?
                .unwrap_or(base.accept_port),
            heart_bt_int_s: seconds(&self.heart_bt_int, "heart_bt_int", 1)?
                .unwrap_or(base.heart_bt_int_s),
            reconnect_interval_s: seconds(&self.reconnect_interval, "reconnect_interval", 1)?
                .unwrap_or(base.reconnect_interval_s),
            logon_timeout_s: seconds(&self.logon_timeout, "logon_timeout", 1)?
                .unwrap_or(base.logon_timeout_s),
            logout_timeout_s: seconds(&self.logout_timeout, "logout_timeout", 1)?
                .unwrap_or(base.logout_timeout_s),
            reset_on_logon: self.reset_on_logon.unwrap_or(base.reset_on_logon),
            reset_on_logout: self.reset_on_logout.unwrap_or(base.reset_on_logout),
            reset_on_disconnect: self.reset_on_disconnect.unwrap_or(base.reset_on_disconnect),
            check_latency: self.check_latency.unwrap_or(base.check_latency),
            max_latency_s: seconds(&self.max_latency, "max_latency", 1)?
                .unwrap_or(base.max_latency_s),
            tcp: self.tcp_over(base.tcp, file)?,
        })
    }

    /// How its connections deal with loss.
    fn tcp_over(&self, base: Terms, file: &TomlFile) -> Result<Terms, TomlError> {
        let delay = self.peer_max_ack_delay_ms.as_ref();
        let delay_ms = number(file, delay, "peer_max_ack_delay_ms", 0, 500)?;
        let mut terms = Terms {
            congestion: self.congestion_over(base.congestion, file)?,
            ecn: self.ecn.unwrap_or(base.ecn),
            sack: self.sack.unwrap_or(base.sack),
            nagle: self.nagle.unwrap_or(base.nagle),
            pacing: self.pacing.unwrap_or(base.pacing),
            ..base
        };
        let ms = |value, key, max| number(file, value, key, 0, max);
        if let Some(ms) = ms(self.ack_delay_ms.as_ref(), "ack_delay_ms", 500)? {
            terms.ack_delay = span_unless_zero(Duration::from_ms(ms));
        }
        if let Some(ms) = ms(self.user_timeout_ms.as_ref(), "user_timeout_ms", 86_400_000)? {
            terms.user_timeout = span_unless_zero(Duration::from_ms(ms));
        }
        terms.user_timeout_option = self.user_timeout_option_over(&terms, file)?;
        let keep_alive = self.tcp_keep_alive.as_ref();
        if let Some(s) = number(file, keep_alive, "tcp_keep_alive", 0, 86_400)? {
            terms.keep_alive = span_unless_zero(Duration::from_s(s)).map(keep_alive_after);
        }
        match self.fast_repair {
            Some(true) => {
                terms = Terms { rto_min: FAST_RTO_MIN, peer_max_ack_delay: NO_DELAY, ..terms }
            }
            Some(false) => {
                let Terms { rto_min, peer_max_ack_delay, .. } = Terms::default();
                terms = Terms { rto_min, peer_max_ack_delay, ..terms };
            }
            None => {}
        }
        if let Some(ms) = delay_ms {
            terms.peer_max_ack_delay = Duration::from_ms(ms);
        }
        let stale = self.stale_after_ms.as_ref();
        if let Some(ms) = number(file, stale, "stale_after_ms", 1, STALE_AFTER_MS_MAX)? {
            terms.stale_after = Some(Duration::from_ms(ms));
        }
        Ok(terms)
    }

    /// What its connections tell of the user timeout, and whether they go by what the peer tells.
    fn user_timeout_option_over(
        &self,
        terms: &Terms,
        file: &TomlFile,
    ) -> Result<Option<UserTimeoutOption>, TomlError> {
        let base = terms.user_timeout_option;
        let advertises = self.user_timeout_advertise.as_ref();
        let adopts = self.user_timeout_adopt_max_s.as_ref();
        let most_s = number(file, adopts, "user_timeout_adopt_max_s", 0, 86_400)?;
        if !advertises.map_or(base.is_some(), |advertises| *advertises.get_ref()) {
            return match most_s {
                Some(1..) => Err(file.error(
                    adopts.map_or(0..0, Spanned::span),
                    "`user_timeout_adopt_max_s` is of no use without `user_timeout_advertise`"
                        .into(),
                    "write user_timeout_advertise = true beside it, or delete it",
                )),
                _ => Ok(None),
            };
        }
        let Some(timeout) = terms.user_timeout else {
            // What was said for all sessions has no object in this one.
            let Some(advertises) = advertises else { return Ok(None) };
            return Err(file.error(
                advertises.span(),
                "there is no user timeout to advertise".into(),
                "write how long it is, such as user_timeout_ms = 120000",
            ));
        };
        let limits = |most_s| {
            let (least, most) = (ADOPTED_LEAST, Duration::from_s(most_s));
            UserTimeoutLimits { least: least.min(most), most }
        };
        let adopts = match most_s {
            Some(0) => None,
            Some(most_s) => Some(limits(most_s)),
            None => base.and_then(|option| option.adopts),
        };
        Ok(Some(UserTimeoutOption { advertised: UserTimeout::of(timeout), adopts }))
    }

    fn congestion_over(
        &self,
        base: CongestionControl,
        file: &TomlFile,
    ) -> Result<CongestionControl, TomlError> {
        let bound = self.in_flight_max_kib.as_ref();
        let bound_kib: Option<u32> = number(file, bound, "in_flight_max_kib", 1, 65_536)?;
        let none = |kib: u32| CongestionControl::None { in_flight_bytes_max: kib * 1024 };
        let Some(text) = &self.congestion else {
            return match (base, bound_kib) {
                (CongestionControl::None { .. }, Some(kib)) => Ok(none(kib)),
                (_, None) => Ok(base),
                (_, Some(_)) => Err(file.error(
                    bound.map_or(0..0, Spanned::span),
                    "`in_flight_max_kib` bounds nothing here".into(),
                    "write congestion = \"none\" beside it, or delete it",
                )),
            };
        };
        match (text.get_ref().as_str(), bound_kib) {
            ("none", Some(kib)) => Ok(none(kib)),
            ("none", None) => Err(file.error(
                text.span(),
                "`congestion` is \"none\", and nothing bounds what is in flight".into(),
                "write how much the line and the peer can hold, such as in_flight_max_kib = 64",
            )),
            ("newreno", None) => Ok(CongestionControl::NewReno),
            ("cubic", None) => Ok(CongestionControl::Cubic),
            ("dctcp", None) => Ok(CongestionControl::Dctcp),
            ("newreno" | "cubic" | "dctcp", Some(_)) => Err(file.error(
                bound.map_or(0..0, Spanned::span),
                "`in_flight_max_kib` bounds nothing here".into(),
                "write congestion = \"none\" beside it, or delete it",
            )),
            _ => Err(file.bad_value(
                text,
                "congestion",
                "write \"newreno\", \"cubic\", \"dctcp\" or \"none\"",
            )),
        }
    }
}

/// The shortest timeout, and the delay of the peer's ACKs that is allowed for, where repair is to be fast.
const FAST_RTO_MIN: Duration = Duration::from_ms(1);
const NO_DELAY: Duration = Duration::ZERO;
/// What RFC 5482 3.1 has a lower limit be, of what a peer tells: nobody makes us less patient than that.
const ADOPTED_LEAST: Duration = Duration::from_s(100);
/// An hour: of what waits longer nobody says that it must not come late.
const STALE_AFTER_MS_MAX: i64 = 3_600_000;

/// Reads `10.9.0.2/24`.
pub(crate) fn parse_cidr(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (addr, prefix_len) = text.split_once('/')?;
    let prefix_len: u8 = prefix_len.parse().ok()?;
    let addr: Ipv4Addr = addr.parse().ok().filter(|addr| is_a_host_s(*addr))?;
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    // RFC 1122 3.2.1.3: all zeros and all ones are no host's. Of two addresses both are (RFC 3021).
    let host = addr.to_bits() & hosts;
    let is_a_host_s = hosts <= 1 || (host != 0 && host != hosts);
    ((1..=32).contains(&prefix_len) && is_a_host_s).then_some((addr, prefix_len))
}

fn ipv4(file: &TomlFile, text: &Spanned<String>, key: &str) -> Result<Ipv4Addr, TomlError> {
    text.get_ref().parse().ok().filter(|addr| is_a_host_s(*addr)).ok_or_else(|| {
        file.bad_value(
            text,
            key,
            "write the IPv4 address of a host, such as \"10.9.0.1\" (names are not looked up)",
        )
    })
}

/// Whether a host on a network can have this address: not this host, loopback, group or broadcast.
pub(crate) fn is_a_host_s(addr: Ipv4Addr) -> bool {
    !matches!(addr.octets()[0], 0 | 127 | 224..)
}

/// The longest CompID taken, in bytes.
const COMP_ID_LEN_MAX: usize = 64;

fn comp_id(
    file: &TomlFile,
    text: Option<&Spanned<String>>,
    key: &str,
) -> Result<Option<String>, TomlError> {
    let Some(text) = text else { return Ok(None) };
    let id = text.get_ref();
    let usable = !id.is_empty()
        && id.len() <= COMP_ID_LEN_MAX
        && id.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if usable {
        Ok(Some(id.clone()))
    } else {
        Err(file.bad_value(text, key, "write 1 to 64 printable ASCII characters"))
    }
}

/// Zero is written for what does not happen at all.
fn span_unless_zero(span: Duration) -> Option<Duration> {
    (span > Duration::ZERO).then_some(span)
}

/// Three probes, a quarter of the silence apart.
fn keep_alive_after(idle: Duration) -> KeepAlive {
    KeepAlive { idle, interval: Duration::from_ns(idle.as_ns() / 4), probes: 3 }
}

fn number<T: TryFrom<i64>>(
    file: &TomlFile,
    value: Option<&Spanned<i64>>,
    key: &str,
    min: i64,
    max: i64,
) -> Result<Option<T>, TomlError> {
    let Some(value) = value else { return Ok(None) };
    let number = *value.get_ref();
    let read = T::try_from(number).ok().filter(|_| (min..=max).contains(&number));
    read.map(Some).ok_or_else(|| {
        file.error(
            value.span(),
            format!("`{key}` is {number}"),
            &format!("write a number from {min} to {max}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SessionFile, TomlError> {
        read_for(Purpose::Trade, text)
    }

    fn read_for(purpose: Purpose, text: &str) -> Result<SessionFile, TomlError> {
        let file = TomlFile { name: "s".into(), path: "s.toml".into(), text: text.into() };
        SessionFile::read(&file, purpose)
    }

    #[test]
    fn what_is_to_be_accepted_is_an_acceptor_unless_it_says_otherwise_and_then_it_is_refused() {
        let text = "[[session]]\ntarget_comp_id = \"A\"\n[[session]]\ntarget_comp_id = \"B\"\n";
        for (session, target) in
            read_for(Purpose::Accept, text).unwrap().sessions.iter().zip(["A", "B"])
        {
            let (side, ours) = (session.side, session.sender_comp_id.as_str());
            assert_eq!(
                (side, ours, session.target_comp_id.as_str()),
                (Side::Acceptor, "EXCHANGE", target)
            );
        }
        for text in ["", "[default]\n"] {
            let text = format!("{text}connection_type = \"initiator\"\n");
            let sentence = read_for(Purpose::Accept, &text).unwrap_err().to_string();
            assert!(
                sentence.starts_with(&format!("s.toml:{}: ", text.lines().count())),
                "{sentence}"
            );
            assert!(sentence.contains("fixwire run"), "{sentence}");
        }
        let acceptor = read_for(Purpose::Accept, "connection_type = \"acceptor\"\n").unwrap();
        assert_eq!(acceptor.sessions, [SessionSettings::default().mirrored()]);
    }

    #[test]
    fn an_identity_is_version_and_comp_ids_and_may_come_once() {
        let twice = "[default]\nsender_comp_id = \"A\"\n\n[[session]]\ntarget_comp_id = \"X\"\n\n\
                     [[session]]\ntarget_comp_id = \"Y\"\n\n[[session]]\ntarget_comp_id = \"X\"\n\
                     socket_connect_port = 7\nconnection_type = \"acceptor\"\n";
        let sentence = read(twice).unwrap_err().to_string();
        assert!(
            sentence.starts_with("s.toml:10: this session is FIX.4.4 from \"A\" to \"X\""),
            "{sentence}"
        );
        assert!(sentence.contains("line 4") && sentence.contains("another CompID"), "{sentence}");
        let versions = "[[session]]\nbegin_string = \"FIX.4.2\"\n[[session]]\n";
        assert_eq!(read(versions).unwrap().sessions.len(), 2);
    }

    #[test]
    fn a_flat_file_is_one_session() {
        let file = read(
            "sender_comp_id = \"DESK\"\nheart_bt_int = 5\n[network]\naddress = \"10.1.2.3/16\"\n",
        )
        .unwrap();
        let expected = SessionSettings {
            sender_comp_id: "DESK".into(),
            heart_bt_int_s: 5,
            ..SessionSettings::default()
        };
        assert_eq!(file.sessions, [expected]);
        assert_eq!(file.network.addr, Some((Ipv4Addr::new(10, 1, 2, 3), 16)));
    }

    #[test]
    fn what_a_session_does_about_loss_is_its_own() {
        let text = "[default]\ncongestion = \"none\"\nin_flight_max_kib = 8\necn = true\n\
                    [[session]]\nsender_comp_id = \"A\"\nfast_repair = true\n\
                    [[session]]\nsender_comp_id = \"B\"\ncongestion = \"dctcp\"\nsack = false\n\
                    peer_max_ack_delay_ms = 7\nstale_after_ms = 400\n\
                    [[session]]\nsender_comp_id = \"C\"\nin_flight_max_kib = 16\n";
        let found: Vec<_> =
            read(text).unwrap().sessions.iter().map(|session| session.tcp).collect();
        let none = |in_flight_bytes_max| CongestionControl::None { in_flight_bytes_max };
        let shared = Terms { congestion: none(8192), ecn: true, ..Terms::default() };
        let (rto_min, peer_max_ack_delay) = (Duration::from_ms(1), Duration::ZERO);
        let fast = Terms { rto_min, peer_max_ack_delay, ..shared };
        let congestion = CongestionControl::Dctcp;
        let peer_max_ack_delay = Duration::from_ms(7);
        let stale_after = Some(Duration::from_ms(400));
        let marked = Terms { congestion, sack: false, peer_max_ack_delay, stale_after, ..shared };
        assert_eq!(found, [fast, marked, Terms { congestion: none(16_384), ..shared }]);
    }

    #[test]
    fn what_a_session_waits_for_is_its_own() {
        let text = "[default]\nnagle = true\npacing = true\nack_delay_ms = 40\nuser_timeout_ms = 1500\n\
                    tcp_keep_alive = 60\n[[session]]\nsender_comp_id = \"A\"\n\
                    [[session]]\nsender_comp_id = \"B\"\nnagle = false\npacing = false\nack_delay_ms = 0\n\
                    user_timeout_ms = 0\ntcp_keep_alive = 0\n";
        let found: Vec<_> =
            read(text).unwrap().sessions.iter().map(|session| session.tcp).collect();
        let (idle, interval) = (Duration::from_s(60), Duration::from_s(15));
        let waits = Terms {
            nagle: true,
            pacing: true,
            ack_delay: Some(Duration::from_ms(40)),
            user_timeout: Some(Duration::from_ms(1500)),
            keep_alive: Some(KeepAlive { idle, interval, probes: 3 }),
            ..Terms::default()
        };
        assert_eq!(found, [waits, Terms::default()]);
    }

    #[test]
    fn a_user_timeout_is_advertised_and_adopted_by_those_that_say_so() {
        let text = "[default]\nuser_timeout_ms = 1500\n[[session]]\nsender_comp_id = \"A\"\n\
                    [[session]]\nsender_comp_id = \"B\"\nuser_timeout_advertise = true\n\
                    [[session]]\nsender_comp_id = \"C\"\nuser_timeout_advertise = true\n\
                    user_timeout_adopt_max_s = 600\n\
                    [[session]]\nsender_comp_id = \"D\"\nuser_timeout_advertise = true\n\
                    user_timeout_adopt_max_s = 30\n";
        let found = read(text).unwrap().sessions;
        let found: Vec<_> = found.iter().map(|session| session.tcp.user_timeout_option).collect();
        let told = |adopts| {
            let advertised = UserTimeout::of(Duration::from_s(2));
            Some(UserTimeoutOption { advertised, adopts })
        };
        let limits = |least, most| {
            Some(UserTimeoutLimits { least: Duration::from_s(least), most: Duration::from_s(most) })
        };
        assert_eq!(found, [None, told(None), told(limits(100, 600)), told(limits(30, 30))]);
    }

    #[test]
    fn sessions_inherit_the_default() {
        let text = "[default]\nbegin_string = \"FIX.4.2\"\n[[session]]\nsender_comp_id = \"A\"\n\
                    [[session]]\nsender_comp_id = \"B\"\nbegin_string = \"FIX.4.4\"\n";
        let read: Vec<_> = read(text)
            .unwrap()
            .sessions
            .into_iter()
            .map(|s| (s.sender_comp_id, s.begin_string))
            .collect();
        assert_eq!(read, [("A".into(), "FIX.4.2".into()), ("B".into(), "FIX.4.4".into())]);
    }

    #[test]
    fn each_mistake_is_a_sentence_with_file_line_and_remedy() {
        let cases = [
            ("sender_compid = \"A\"", 1, "unknown key `sender_compid`", "`sender_comp_id`?"),
            ("\n[[session]]\nheartbt = 3\n", 3, "unknown key `heartbt`", "heart_bt_int"),
            ("heart_bt_int = 0\n", 1, "`heart_bt_int` is 0", "from 1"),
            ("socket_connect_port = 70000\n", 1, "`socket_connect_port` is 70000", "65535"),
            ("begin_string = \"FIX.9\"\n", 1, "`begin_string` is \"FIX.9\"", "FIX.4.4"),
            ("socket_connect_host = \"venue\"\n", 1, "`socket_connect_host` is \"venue\"", "IPv4"),
            ("sender_comp_id = \"\"\n", 1, "`sender_comp_id` is \"\"", "printable"),
            ("[network]\naddress = \"224.0.0.1/24\"\n", 2, "`address` is", "of a host"),
            ("[network]\naddress = \"0.0.0.0/0\"\n", 2, "`address` is", "of a host"),
            ("[network]\naddress = \"10.9.0.0/24\"\n", 2, "`address` is", "of a host"),
            ("[network]\naddress = \"10.9.0.255/24\"\n", 2, "`address` is", "of a host"),
            (
                "socket_connect_host = \"255.255.255.255\"\n",
                1,
                "`socket_connect_host` is",
                "of a host",
            ),
            ("heart_bt_int = 30.5\n", 1, "`heart_bt_int`: invalid type", "docs/sessions.md"),
            ("[network]\naddress = \"10.0.0.1\"\n", 2, "`address` is \"10.0.0.1\"", "/24"),
            (
                "[[session]]\n[session.network]\nvlan = 4\n",
                2,
                "`network` stands in a session",
                "top",
            ),
            ("connection_type = \"both\"\n", 1, "`connection_type` is \"both\"", "acceptor"),
            ("heart_bt_int = \"x\"\n", 1, "invalid type", "docs/sessions.md"),
            ("congestion = \"vegas\"\n", 1, "`congestion` is \"vegas\"", "cubic"),
            ("\ncongestion = \"none\"\n", 2, "nothing bounds", "in_flight_max_kib = 64"),
            ("congestion = \"cubic\"\nin_flight_max_kib = 9\n", 2, "bounds nothing", "none"),
            ("in_flight_max_kib = 9\n", 1, "bounds nothing", "none"),
            ("stale_after_ms = 0\n", 1, "`stale_after_ms` is 0", "from 1 to 3600000"),
            ("peer_max_ack_delay_ms = 501\n", 1, "`peer_max_ack_delay_ms` is 501", "500"),
            ("ack_delay_ms = 501\n", 1, "`ack_delay_ms` is 501", "500"),
            ("user_timeout_ms = -1\n", 1, "`user_timeout_ms` is -1", "from 0"),
            ("\nuser_timeout_advertise = true\n", 2, "no user timeout", "user_timeout_ms = "),
            ("user_timeout_adopt_max_s = 9\n", 1, "of no use", "user_timeout_advertise = true"),
        ];
        for (text, line, what, remedy) in cases {
            let sentence = read(text).unwrap_err().to_string();
            assert!(sentence.starts_with(&format!("s.toml:{line}: ")), "{sentence}");
            assert!(sentence.contains(what) && sentence.contains(remedy), "{sentence}");
        }
    }
}
