//! The tables of docs/sessions.md against the reader: each key that they tell of is read and changes what a session is, and each
//! that is read is told of.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::super::bring_up::session_plan;
use super::super::dictionaries::Dictionaries;
use super::keys::{Entry, Network};
use super::store::StoreKeys;
use super::*;

const DOCS: &str = include_str!("../../../docs/sessions.md");

/// Each key, a value that is not its default, with further lines where it needs them, and what stands beside it and without it.
#[rustfmt::skip]
const EFFECTS: &[(&str, &str, &str)] = &[
    ("connection_type", "\"acceptor\"", ""),
    ("begin_string", "\"FIX.4.2\"", ""),
    ("default_appl_ver_id", "\"FIX.5.0SP1\"", FIXT),
    ("sender_comp_id", "\"A\"", ""),
    ("target_comp_id", "\"A\"", ""),
    ("sender_sub_id", "\"A\"", ""),
    ("sender_location_id", "\"A\"", ""),
    ("target_sub_id", "\"A\"", ""),
    ("target_location_id", "\"A\"", ""),
    ("check_comp_id", "false", ""),
    ("username", "\"A\"", ""),
    ("password", "\"A\"", ""),
    ("session_qualifier", "\"A\"", ""),
    ("socket_connect_host", "\"10.9.0.77\"", ""),
    ("socket_connect_port", "77", ""),
    ("socket_connect_alternates", "[\"10.9.0.3:9878\"]", ""),
    ("socket_connect_source_host", "\"10.9.0.77\"", ""),
    ("socket_connect_source_port", "77", ""),
    ("dynamic_session", "true", ""),
    ("acceptor_template", "true\ntarget_comp_id = \"*\"", ACCEPTOR),
    ("dynamic_sessions_max", "3", "connection_type = \"acceptor\"\ntarget_comp_id = \"*\"\nacceptor_template = true\n"),
    ("socket_accept_port", "77", ACCEPTOR),
    ("allowed_remote_addresses", "[\"10.9.0.3\"]", ACCEPTOR),
    ("heart_bt_int", "77", ""),
    ("reconnect_interval", "77", ""),
    ("logon_timeout", "77", ""),
    ("logon_bytes_max", "777", ACCEPTOR),
    ("logout_timeout", "77", ""),
    ("message_bytes_max", "7777", ""),
    ("message_fields_max", "77", ""),
    ("reset_on_logon", "true", ""),
    ("reset_on_logout", "true", ""),
    ("reset_on_disconnect", "true", ""),
    ("enable_next_expected_msg_seq_num", "true", ""),
    ("enable_last_msg_seq_num_processed", "true", ""),
    ("resend_request_chunk_size", "77", ""),
    ("closed_resend_interval", "true", ""),
    ("requires_orig_sending_time", "false", ""),
    ("send_redundant_resend_requests", "true", ""),
    ("validate_sequence_numbers", "false", ""),
    ("reject_garbled_message", "true", ""),
    ("test_request_delay_multiplier", "0.7", ""),
    ("heart_beat_timeout_multiplier", "0.7", ""),
    ("disable_heart_beat_check", "true", ""),
    ("logon_tags", "[\"464=Y\"]", ""),
    ("persist_messages", "false", ""),
    ("time_stamp_precision", "\"nanos\"", ""),
    ("start_time", "\"07:00:00\"", HOURS),
    ("end_time", "\"07:00:00\"", HOURS),
    ("start_day", "\"Tue\"", WEEK),
    ("end_day", "\"Tue\"", WEEK),
    ("logon_time", "\"09:00:00\"", HOURS),
    ("logout_time", "\"16:00:00\"", HOURS),
    ("logon_day", "\"Tue\"", WEEK),
    ("logout_day", "\"Thu\"", WEEK),
    ("weekdays", "\"Mon\"", HOURS),
    ("time_zone", "\"Asia/Tokyo\"", HOURS),
    ("non_stop_session", "true", HOURS_FOR_ALL),
    ("check_latency", "false", ""),
    ("max_latency", "77", ""),
    ("use_data_dictionary", "false", DICTIONARY),
    ("data_dictionary", "\"embedded:FIX44\"", ""),
    ("transport_data_dictionary", "\"embedded:FIXT11\"\napp_data_dictionary = \"embedded:FIX50SP2\"", FIXT),
    ("app_data_dictionary", "\"embedded:FIX50SP2\"\ntransport_data_dictionary = \"embedded:FIXT11\"", FIXT),
    ("validate_fields_out_of_order", "false", DICTIONARY),
    ("validate_fields_have_values", "false", DICTIONARY),
    ("validate_user_defined_fields", "false", DICTIONARY),
    ("allow_unknown_msg_fields", "true", DICTIONARY),
    ("validate_unordered_group_fields", "false", DICTIONARY),
    ("allow_unknown_enum_values", "true", DICTIONARY),
    ("reject_invalid_message", "false", DICTIONARY),
    ("store", "{ path = \"x\" }", ""),
    ("congestion", "\"cubic\"", ""),
    ("in_flight_max_kib", "77", "congestion = \"none\"\nin_flight_max_kib = 8\n"),
    ("sack", "false", ""),
    ("ecn", "true", ""),
    ("peer_max_ack_delay_ms", "77", ""),
    ("user_timeout_ms", "77", ""),
    ("user_timeout_advertise", "true", "user_timeout_ms = 77\n"),
    ("user_timeout_adopt_max_s", "77", "user_timeout_ms = 77\nuser_timeout_advertise = true\n"),
    ("tcp_keep_alive", "77", ""),
    ("ack_delay_ms", "77", ""),
    ("nagle", "true", ""),
    ("pacing", "true", ""),
    ("fast_repair", "true", ""),
    ("file_log_path", "\"x\"", ""),
    ("stale_after_ms", "77", ""),
    ("network.address", "\"10.9.0.77/24\"", ""),
    ("network.gateway", "\"10.9.0.77\"", ""),
    ("network.vlan", "77", ""),
    ("store.path", "\"x\"", ""),
    ("store.durability", "\"sync\"", STORE),
    ("store.size_mib", "77", STORE),
    ("store.messages", "77", STORE),
    ("store.flush_interval_ms", "77", STORE),
];

const ACCEPTOR: &str = "connection_type = \"acceptor\"\n";
const FIXT: &str = "begin_string = \"FIXT.1.1\"\ndefault_appl_ver_id = \"FIX.5.0SP2\"\n";
const HOURS: &str = "start_time = \"08:00:00\"\nend_time = \"17:00:00\"\n";
const HOURS_FOR_ALL: &str =
    "[default]\nstart_time = \"08:00:00\"\nend_time = \"17:00:00\"\n[[session]]\n";
const WEEK: &str =
    "start_time = \"08:00:00\"\nend_time = \"17:00:00\"\nstart_day = \"Mon\"\nend_day = \"Fri\"\n";
const DICTIONARY: &str = "data_dictionary = \"embedded:FIX44\"\n";
const STORE: &str = "store.path = \"x\"\n";

/// What is not seen in a session's plan: where its store and its log are, what the engine's own address is, and what a dictionary
/// is compiled to.
const BESIDE_A_PLAN: [&str; 5] = [
    "store",
    "file_log_path",
    "network",
    "socket_connect_source_host",
    "allow_unknown_enum_values",
];

/// What a file comes to: the settings, and what engines are told of each session.
fn outcome(text: &str, dictionaries: &mut Dictionaries) -> (String, String) {
    let file = TomlFile { name: "s".into(), path: "s.toml".into(), text: text.into() };
    let read = SessionFile::read(&file, Purpose::Trade);
    let SessionFile { network, sessions } = read.unwrap_or_else(|why| panic!("{text}{why}"));
    let plans = sessions.iter().map(|settings| {
        let at = settings.connect_host.unwrap_or(Ipv4Addr::new(10, 9, 0, 1));
        let plan = session_plan(settings, at, dictionaries).expect("a plan");
        format!("{plan:?}")
    });
    let plans = plans.collect();
    (format!("{network:?} {sessions:?}"), plans)
}

#[test]
fn each_key_that_the_docs_tell_of_is_read_and_has_an_effect() {
    let dictionaries = &mut Dictionaries::default();
    for (key, value, beside) in EFFECTS {
        // What stands there already makes room for it.
        let others = beside.lines().filter(|line| !line.starts_with(&format!("{key} =")));
        let others: String = others.map(|line| format!("{line}\n")).collect();
        let before = outcome(beside, dictionaries);
        let after = outcome(&format!("{others}{key} = {value}\n"), dictionaries);
        assert_ne!(before.0, after.0, "{key} is read and changes nothing");
        let acts_beside = BESIDE_A_PLAN.iter().any(|of| key.starts_with(of));
        assert_eq!(before.1 == after.1, acts_beside, "{key}: of a session's plan or not");
    }
}

/// The keys in the first column of our own tables: those of a session, of `[network]` and of `store`.
fn told_of() -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut prefix = None;
    for line in DOCS.lines() {
        match line {
            "| key | meaning | unit | default |" => prefix = Some(""),
            "| key | meaning | default |" => prefix = Some("network."),
            "| key in `store` | meaning | unit | default |" => prefix = Some("store."),
            line if !line.starts_with('|') => prefix = None,
            line => {
                let Some(prefix) = prefix else { continue };
                let column = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
                let named =
                    column.split(", ").filter_map(|key| key.strip_prefix('`')?.strip_suffix('`'));
                keys.extend(named.map(|key| format!("{prefix}{key}")));
            }
        }
    }
    keys
}

#[test]
fn the_docs_tell_of_each_key_that_is_read_and_of_no_other() {
    let told = told_of();
    let mut read: BTreeSet<String> = fields_of::<Entry>("");
    assert!(read.remove("network"), "which has keys of its own");
    read.extend(fields_of::<Network>("network."));
    read.extend(fields_of::<StoreKeys>("store."));
    assert!(told.len() > 90, "{}", told.len());
    let differ: Vec<_> = told.symmetric_difference(&read).collect();
    assert!(differ.is_empty(), "told of and not read, or read and not told of: {differ:?}");
    let tried: BTreeSet<String> = EFFECTS.iter().map(|(key, ..)| (*key).to_owned()).collect();
    let differ: Vec<_> = told.symmetric_difference(&tried).collect();
    assert!(differ.is_empty(), "told of and not tried here, or the other way round: {differ:?}");
}

/// The names of the fields that a type is read from.
fn fields_of<'de, T: Deserialize<'de>>(prefix: &str) -> BTreeSet<String> {
    let Err(Fields(fields)) = T::deserialize(Asked) else { unreachable!("it is no value") };
    fields.iter().map(|field| format!("{prefix}{field}")).collect()
}

/// No value: it fails with the fields that it is asked for.
struct Asked;

#[derive(Debug)]
struct Fields(&'static [&'static str]);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Fields {}

impl de::Error for Fields {
    fn custom<T: fmt::Display>(_: T) -> Fields {
        Fields(&[])
    }
}

impl<'de> Deserializer<'de> for Asked {
    type Error = Fields;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Fields> {
        Err(Fields(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Fields> {
        Err(Fields(fields))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct
        seq tuple tuple_struct map enum identifier ignored_any
    }
}
