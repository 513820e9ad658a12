//! What a script may set before anything happens: the keys of a session file, and how the rig is.

use fixwire::fix::timestamp;
use fixwire::fix::{CompId, Credentials, Role, Schedule, SessionConfig, Version, Window};
use fixwire::time::UtcTime;

/// When a script begins that does not say: Friday 2 January 2026, 03:04:05 UTC.
const START: &[u8] = b"20260102-03:04:05";

/// A session's settings and the rig's.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    config: SessionConfig,
    pub(crate) start: UtcTime,
    /// What the application sends as soon as it is told of a logon.
    pub(crate) sends_on_logon: Option<String>,
    /// The application answers each order.
    pub(crate) echoes: bool,
    /// How many messages the store keeps.
    pub(crate) stored_messages_max: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        let id = |text| CompId::new(text).expect("a CompID");
        Settings {
            config: SessionConfig::new(Version::Fix44, Role::Acceptor, id("US"), id("THEM")),
            start: timestamp::parse(START).expect("a time"),
            sends_on_logon: None,
            echoes: true,
            stored_messages_max: 64,
        }
    }
}

impl Settings {
    /// Those of a session that speaks this version.
    pub(crate) fn config(&self, version: Version) -> SessionConfig {
        SessionConfig { version, ..self.config.clone() }
    }
}

/// Sets `key`.
pub(crate) fn set(settings: &mut Settings, key: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("`{value}` is no value for {key}");
    let id = || CompId::new(value).map(Some).ok_or_else(wrong);
    let config = &mut settings.config;
    let is = match key {
        "role" => {
            config.role = match value {
                "initiator" => Role::Initiator,
                "acceptor" => Role::Acceptor,
                _ => return Err(wrong()),
            };
            true
        }
        "sender_sub_id" => id().map(|id| config.sender_sub_ids.sub_id = id).is_ok(),
        "sender_location_id" => id().map(|id| config.sender_sub_ids.location_id = id).is_ok(),
        "target_sub_id" => id().map(|id| config.target_sub_ids.sub_id = id).is_ok(),
        "target_location_id" => id().map(|id| config.target_sub_ids.location_id = id).is_ok(),
        "credentials" => {
            let (username, password) = value.split_once(' ').unwrap_or((value, ""));
            config.credentials = Credentials::new(username, password);
            config.credentials.is_some()
        }
        "check_comp_id" => yes_or_no(value, &mut config.check_comp_id),
        "check_latency" => yes_or_no(value, &mut config.check_latency),
        "reset_on_logon" => yes_or_no(value, &mut config.reset_on_logon),
        "reset_on_logout" => yes_or_no(value, &mut config.reset_on_logout),
        "reset_on_disconnect" => yes_or_no(value, &mut config.reset_on_disconnect),
        "last_msg_seq_num_processed" => yes_or_no(value, &mut config.last_msg_seq_num_processed),
        "next_expected_msg_seq_num" => yes_or_no(value, &mut config.next_expected_msg_seq_num),
        "closed_resend_interval" => yes_or_no(value, &mut config.closed_resend_interval),
        "requires_orig_sending_time" => yes_or_no(value, &mut config.requires_orig_sending_time),
        "persist_messages" => yes_or_no(value, &mut config.persist_messages),
        "send_redundant_resend_requests" => yes_or_no(value, &mut config.redundant_resend_requests),
        "validate_sequence_numbers" => yes_or_no(value, &mut config.validate_sequence_numbers),
        "reject_garbled_message" => yes_or_no(value, &mut config.reject_garbled),
        "disable_heart_beat_check" => {
            let is_one = yes_or_no(value, &mut config.silence_ends);
            config.silence_ends = !config.silence_ends;
            is_one
        }
        "test_request_delay_multiplier" => multiplier(value, &mut config.test_request_after_pct),
        "heart_beat_timeout_multiplier" => multiplier(value, &mut config.silence_max_pct),
        "logon_tag" => {
            let field =
                value.split_once('=').and_then(|(tag, text)| Some((tag.parse().ok()?, text)));
            field.is_some_and(|(tag, text)| config.logon_fields.add(tag, text).is_ok())
        }
        "echoes" => yes_or_no(value, &mut settings.echoes),
        "heart_bt_int" => number(value, &mut config.heart_bt_int_s),
        "logon_timeout" => number(value, &mut config.logon_timeout_s),
        "logout_timeout" => number(value, &mut config.logout_timeout_s),
        "max_latency" => number(value, &mut config.max_latency_s),
        "resend_request_chunk_size" => number(value, &mut config.resend_request_chunk_size),
        "message_bytes_max" => number(value, &mut config.message_bytes_max),
        "message_fields_max" => number(value, &mut config.message_fields_max),
        "send_bytes_max" => number(value, &mut config.send_bytes_max),
        "held_messages_max" => number(value, &mut config.held_messages_max),
        "stored_messages_max" => number(value, &mut settings.stored_messages_max),
        "sends_on_logon" => {
            settings.sends_on_logon = Some(value.to_owned());
            true
        }
        "start" => timestamp::parse(value.as_bytes()).map(|start| settings.start = start).is_ok(),
        "schedule" => {
            config.schedule = schedule(value);
            config.schedule.is_some()
        }
        "logon_hours" => {
            let sessions = config.schedule.take().ok_or("`schedule` comes before it")?;
            let logons = schedule(value).ok_or_else(wrong)?;
            config.schedule = Schedule::within(sessions.windows().into(), logons.windows());
            config.schedule.is_some()
        }
        _ => return Err(format!("`{key}` is no setting")),
    };
    if is { Ok(()) } else { Err(wrong()) }
}

/// `START END`, one window after the other.
fn schedule(value: &str) -> Option<Schedule> {
    let times: Vec<UtcTime> =
        value.split_whitespace().flat_map(|time| timestamp::parse(time.as_bytes())).collect();
    let windows = times.chunks_exact(2).map(|pair| Window { start: pair[0], end: pair[1] });
    Schedule::new(windows.collect()).filter(|_| times.len().is_multiple_of(2))
}

fn yes_or_no(value: &str, place: &mut bool) -> bool {
    match value {
        "Y" => *place = true,
        "N" => *place = false,
        _ => return false,
    }
    true
}

/// What comes on top of an interval, as a share of it.
fn multiplier(value: &str, pct: &mut u32) -> bool {
    value.parse::<f64>().map(|share| *pct = ((1.0 + share) * 100.0).round() as u32).is_ok()
}

fn number<T: std::str::FromStr>(value: &str, place: &mut T) -> bool {
    value.parse().map(|number| *place = number).is_ok()
}
