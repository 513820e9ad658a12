//! The keys of a file, and what each means.

use std::collections::BTreeMap;
use std::ops::Range;

use fixwire::fix::ApplVerId;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use fixwire::tcp::{CongestionControl, KeepAlive, Terms, UserTimeoutLimits, UserTimeoutOption};
use fixwire::time::Duration;
use fixwire::wire::tcp::UserTimeout;
use serde::Deserialize;
use toml::Spanned;

use super::store::{self, StoreKeys};
use super::values::{folder, ipv4, number, parse_cidr};
use super::{NetworkSettings, Purpose, SessionSettings, Side};

/// No Logon is shorter that has all that it must have.
const LOGON_BYTES_LEAST: i64 = 256;
/// As long as a message may be that comes in.
const LOGON_BYTES_MOST: i64 = 16 * 1024;

#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    address: Option<Spanned<String>>,
    gateway: Option<Spanned<String>>,
    vlan: Option<Spanned<i64>>,
}

/// One session's keys; alone in a file, it may carry the network's too.
#[derive(Clone, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) network: Option<Spanned<Network>>,
    connection_type: Option<Spanned<String>>,
    begin_string: Option<Spanned<String>>,
    default_appl_ver_id: Option<Spanned<String>>,
    sender_comp_id: Option<Spanned<String>>,
    target_comp_id: Option<Spanned<String>>,
    pub(super) sender_sub_id: Option<Spanned<String>>,
    pub(super) sender_location_id: Option<Spanned<String>>,
    pub(super) target_sub_id: Option<Spanned<String>>,
    pub(super) target_location_id: Option<Spanned<String>>,
    pub(super) check_comp_id: Option<bool>,
    pub(super) username: Option<Spanned<String>>,
    pub(super) password: Option<Spanned<String>>,
    pub(super) enable_last_msg_seq_num_processed: Option<bool>,
    pub(super) enable_next_expected_msg_seq_num: Option<bool>,
    pub(super) resend_request_chunk_size: Option<Spanned<i64>>,
    pub(super) closed_resend_interval: Option<bool>,
    pub(super) requires_orig_sending_time: Option<bool>,
    pub(super) persist_messages: Option<bool>,
    pub(super) send_redundant_resend_requests: Option<bool>,
    pub(super) validate_sequence_numbers: Option<Spanned<bool>>,
    pub(super) reject_garbled_message: Option<bool>,
    pub(super) message_bytes_max: Option<Spanned<i64>>,
    pub(super) message_fields_max: Option<Spanned<i64>>,
    pub(super) disable_heart_beat_check: Option<bool>,
    pub(super) test_request_delay_multiplier: Option<Spanned<f64>>,
    pub(super) heart_beat_timeout_multiplier: Option<Spanned<f64>>,
    pub(super) logon_tags: Option<Vec<Spanned<String>>>,
    pub(super) time_stamp_precision: Option<Spanned<String>>,
    pub(super) start_time: Option<Spanned<String>>,
    pub(super) end_time: Option<Spanned<String>>,
    pub(super) logon_time: Option<Spanned<String>>,
    pub(super) logout_time: Option<Spanned<String>>,
    pub(super) logon_day: Option<Spanned<String>>,
    pub(super) logout_day: Option<Spanned<String>>,
    pub(super) start_day: Option<Spanned<String>>,
    pub(super) end_day: Option<Spanned<String>>,
    pub(super) weekdays: Option<Spanned<String>>,
    pub(super) time_zone: Option<Spanned<String>>,
    pub(super) non_stop_session: Option<Spanned<bool>>,
    pub(super) session_qualifier: Option<Spanned<String>>,
    pub(super) socket_connect_host: Option<Spanned<String>>,
    socket_connect_port: Option<Spanned<i64>>,
    pub(super) socket_connect_alternates: Option<Vec<Spanned<String>>>,
    pub(super) socket_connect_source_host: Option<Spanned<String>>,
    pub(super) socket_connect_source_port: Option<Spanned<i64>>,
    pub(super) allowed_remote_addresses: Option<Vec<Spanned<String>>>,
    pub(super) dynamic_session: Option<Spanned<bool>>,
    pub(super) acceptor_template: Option<Spanned<bool>>,
    pub(super) dynamic_sessions_max: Option<Spanned<i64>>,
    socket_accept_port: Option<Spanned<i64>>,
    heart_bt_int: Option<Spanned<i64>>,
    pub(super) reconnect_interval: Option<Spanned<Intervals>>,
    logon_timeout: Option<Spanned<i64>>,
    logon_bytes_max: Option<Spanned<i64>>,
    logout_timeout: Option<Spanned<i64>>,
    reset_on_logon: Option<bool>,
    reset_on_logout: Option<bool>,
    reset_on_disconnect: Option<bool>,
    check_latency: Option<bool>,
    max_latency: Option<Spanned<i64>>,
    pub(super) use_data_dictionary: Option<bool>,
    pub(super) data_dictionary: Option<Spanned<String>>,
    pub(super) transport_data_dictionary: Option<Spanned<String>>,
    pub(super) app_data_dictionary: Option<Spanned<AppDictionaries>>,
    pub(super) validate_fields_out_of_order: Option<Spanned<bool>>,
    pub(super) validate_fields_have_values: Option<Spanned<bool>>,
    pub(super) validate_user_defined_fields: Option<Spanned<bool>>,
    pub(super) allow_unknown_msg_fields: Option<Spanned<bool>>,
    pub(super) validate_unordered_group_fields: Option<Spanned<bool>>,
    pub(super) allow_unknown_enum_values: Option<Spanned<bool>>,
    pub(super) reject_invalid_message: Option<Spanned<bool>>,
    pub(super) store: Option<Spanned<StoreKeys>>,
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
    file_log_path: Option<Spanned<String>>,
}

/// One pause, or one for each attempt in turn.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Intervals {
    One(i64),
    Several(Vec<i64>),
}

/// The dictionaries of FIXT's application messages: one, of the session's `default_appl_ver_id`, or one for each version by its
/// name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum AppDictionaries {
    One(String),
    ByVersion(BTreeMap<String, String>),
}

impl Network {
    pub(super) fn read(&self, file: &TomlFile) -> Result<NetworkSettings, TomlError> {
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
            source: None,
            gateway: self.gateway.as_ref().map(|text| ipv4(file, text, "gateway")).transpose()?,
            vlan: number(file, self.vlan.as_ref(), "vlan", 1, 4094)?,
        })
    }
}

impl Entry {
    /// These keys, and `base` for those that are not there.
    pub(super) fn over(
        &self,
        base: SessionSettings,
        file: &TomlFile,
        purpose: Purpose,
    ) -> Result<SessionSettings, TomlError> {
        let default_appl_ver_id = self.default_appl_ver_id.as_ref();
        let default_appl_ver_id = default_appl_ver_id.map(|text| appl_ver_id(file, text));
        let port = |value: &Option<Spanned<i64>>, key| number(file, value.as_ref(), key, 1, 65535);
        let seconds =
            |value: &Option<Spanned<i64>>, key, min| number(file, value.as_ref(), key, min, 86_400);
        let mut settings = SessionSettings {
            side: self.side_over(base.side, file, purpose)?,
            begin_string: self.begin_string_over(base.begin_string, file)?,
            default_appl_ver_id: default_appl_ver_id.transpose()?.or(base.default_appl_ver_id),
            sender_comp_id: comp_id(file, self.sender_comp_id.as_ref(), "sender_comp_id")?
                .unwrap_or(base.sender_comp_id),
            target_comp_id: comp_id(file, self.target_comp_id.as_ref(), "target_comp_id")?
                .unwrap_or(base.target_comp_id),
            qualifier: comp_id(file, self.session_qualifier.as_ref(), "session_qualifier")?
                .or(base.qualifier),
            connect_host: base.connect_host,
            connect_port: port(&self.socket_connect_port, "socket_connect_port")?
                .unwrap_or(base.connect_port),
            connect_alternates: base.connect_alternates,
            reach: base.reach,
            accept_port: port(&self.socket_accept_port, "socket_accept_port")?
                .unwrap_or(base.accept_port),
            heart_bt_int_s: seconds(&self.heart_bt_int, "heart_bt_int", 1)?
                .unwrap_or(base.heart_bt_int_s),
            reconnect_intervals_s: base.reconnect_intervals_s,
            logon_timeout_s: seconds(&self.logon_timeout, "logon_timeout", 1)?
                .unwrap_or(base.logon_timeout_s),
            logon_bytes_max: number(
                file,
                self.logon_bytes_max.as_ref(),
                "logon_bytes_max",
                LOGON_BYTES_LEAST,
                LOGON_BYTES_MOST,
            )?
            .unwrap_or(base.logon_bytes_max),
            logout_timeout_s: seconds(&self.logout_timeout, "logout_timeout", 1)?
                .unwrap_or(base.logout_timeout_s),
            reset_on_logon: self.reset_on_logon.unwrap_or(base.reset_on_logon),
            reset_on_logout: self.reset_on_logout.unwrap_or(base.reset_on_logout),
            reset_on_disconnect: self.reset_on_disconnect.unwrap_or(base.reset_on_disconnect),
            check_latency: self.check_latency.unwrap_or(base.check_latency),
            max_latency_s: seconds(&self.max_latency, "max_latency", 1)?
                .unwrap_or(base.max_latency_s),
            agreement: self.agreement_over(base.agreement, file)?,
            conduct: self.conduct_over(base.conduct, file)?,
            hours: self.hours_over(base.hours, file)?,
            validation: self.validation_over(base.validation, file)?,
            store: store::over(self.store.as_ref(), base.store, file)?,
            tcp: self.tcp_over(base.tcp, file)?,
            file_log_path: folder(file, self.file_log_path.as_ref())?.or(base.file_log_path),
        };
        self.reach_over(&mut settings, file)?;
        Ok(settings)
    }

    /// Both sides go by numbers where each says what it expects.
    fn counts_on_numbers(
        &self,
        session: &SessionSettings,
        file: &TomlFile,
    ) -> Result<(), TomlError> {
        let (said, conduct) = (&self.validate_sequence_numbers, &session.conduct);
        if conduct.validate_sequence_numbers || !session.agreement.next_expected_msg_seq_num {
            return Ok(());
        }
        Err(file.error(
            said.as_ref().map_or(0..0, Spanned::span),
            "`validate_sequence_numbers` is false, and `enable_next_expected_msg_seq_num` is true"
                .into(),
            "delete the one or the other",
        ))
    }

    fn side_over(&self, base: Side, file: &TomlFile, purpose: Purpose) -> Result<Side, TomlError> {
        let Some(text) = &self.connection_type else { return Ok(base) };
        match text.get_ref().as_str() {
            "initiator" if purpose == Purpose::Accept => Err(file.bad_value(
                text,
                "connection_type",
                "delete the line, as `accept` connects to nobody; `fixwire run` does",
            )),
            "initiator" => Ok(Side::Initiator),
            "acceptor" => Ok(Side::Acceptor),
            _ => {
                Err(file.bad_value(text, "connection_type", "write \"initiator\" or \"acceptor\""))
            }
        }
    }

    fn begin_string_over(&self, base: String, file: &TomlFile) -> Result<String, TomlError> {
        match &self.begin_string {
            None => Ok(base),
            Some(text) if BEGIN_STRINGS.contains(&text.get_ref().as_str()) => {
                Ok(text.get_ref().clone())
            }
            Some(text) => Err(file.bad_value(
                text,
                "begin_string",
                "write \"FIX.4.0\", \"FIX.4.1\", \"FIX.4.2\", \"FIX.4.3\", \"FIX.4.4\", or \"FIXT.1.1\" \
                 and `default_appl_ver_id` beside it",
            )),
        }
    }

    /// As [`over`](Entry::over), for the session that stands at `place`: DefaultApplVerID is there where FIXT
    /// needs it, and only there.
    pub(super) fn session_over(
        &self,
        base: SessionSettings,
        file: &TomlFile,
        purpose: Purpose,
        place: Range<usize>,
    ) -> Result<SessionSettings, TomlError> {
        let mut session = self.over(base, file, purpose)?;
        let is_fixt = session.begin_string == FIXT;
        if is_fixt && session.default_appl_ver_id.is_none() {
            return Err(file.error(
                self.begin_string.as_ref().map_or(place.clone(), Spanned::span),
                format!("`begin_string` is {FIXT:?}, which does not say what the messages are of"),
                "write which version they are of, such as default_appl_ver_id = \"FIX.5.0SP2\"",
            ));
        }
        if let (false, Some(text)) = (is_fixt, &self.default_appl_ver_id) {
            return Err(file.error(
                text.span(),
                format!("`default_appl_ver_id` is of no use with {:?}", session.begin_string),
                "write begin_string = \"FIXT.1.1\" beside it, or delete it",
            ));
        }
        session.validation = session.validation.of_session();
        self.has_whole_hours(&session.hours, file, place.clone())?;
        self.counts_on_numbers(&session, file)?;
        self.reaches_as_its_side(&mut session, file)?;
        self.is_template_as_it_should(&mut session, file, place)?;
        // What was said for all sessions has no object in one of another version.
        session.default_appl_ver_id = session.default_appl_ver_id.filter(|_| is_fixt);
        Ok(session)
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

/// The versions there are.
const BEGIN_STRINGS: [&str; 6] = ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4", FIXT];
const FIXT: &str = "FIXT.1.1";

/// By name, or by its value in the field.
fn appl_ver_id(file: &TomlFile, text: &Spanned<String>) -> Result<ApplVerId, TomlError> {
    let value = text.get_ref();
    let named = ApplVerId::ALL.into_iter().find(|id| id.name() == value);
    named.or_else(|| ApplVerId::of(value.as_bytes())).ok_or_else(|| {
        file.bad_value(
            text,
            "default_appl_ver_id",
            "write \"FIX.5.0\", \"FIX.5.0SP1\", \"FIX.5.0SP2\", \"FIX.Latest\", or one of \"FIX.4.0\" to \"FIX.4.4\"",
        )
    })
}

/// The longest CompID taken, in bytes.
const COMP_ID_LEN_MAX: usize = 64;

pub(super) fn comp_id(
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
