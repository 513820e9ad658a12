//! What a file says, and each mistake in it.

use std::net::Ipv4Addr;

use fixwire::fix::ApplVerId;
use fixwire::fix::dictionary::Checks;
use fixwire::tcp::{CongestionControl, KeepAlive, Terms, UserTimeoutLimits, UserTimeoutOption};
use fixwire::time::Duration;
use fixwire::wire::tcp::UserTimeout;

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
        assert!(sentence.starts_with(&format!("s.toml:{}: ", text.lines().count())), "{sentence}");
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
    let file =
        read("sender_comp_id = \"DESK\"\nheart_bt_int = 5\n[network]\naddress = \"10.1.2.3/16\"\n")
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
    let found: Vec<_> = read(text).unwrap().sessions.iter().map(|session| session.tcp).collect();
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
    let found: Vec<_> = read(text).unwrap().sessions.iter().map(|session| session.tcp).collect();
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
fn fixt_says_what_its_messages_are_of_and_no_other_version_does() {
    let text = "[default]\nbegin_string = \"FIXT.1.1\"\n[[session]]\ndefault_appl_ver_id = \"FIX.5.0SP2\"\n\
                [[session]]\nsender_comp_id = \"A\"\ndefault_appl_ver_id = \"8\"\n";
    let ids = |text: &str| -> Vec<_> {
        read(text).unwrap().sessions.into_iter().map(|s| s.default_appl_ver_id).collect()
    };
    assert_eq!(ids(text), [Some(ApplVerId::Fix50Sp2), Some(ApplVerId::Fix50Sp1)]);
    let text = "[default]\ndefault_appl_ver_id = \"FIX.4.2\"\n[[session]]\nbegin_string = \"FIXT.1.1\"\n\
                [[session]]\nbegin_string = \"FIX.4.0\"\n";
    assert_eq!(ids(text), [Some(ApplVerId::Fix42), None]);
    for begin_string in ["FIX.4.0", "FIX.4.1", "FIX.4.2", "FIX.4.3", "FIX.4.4"] {
        assert_eq!(ids(&format!("begin_string = \"{begin_string}\"\n")), [None]);
    }
}

#[test]
fn each_mistake_is_a_sentence_with_file_line_and_remedy() {
    let cases = [
        ("sender_compid = \"A\"", 1, "unknown key `sender_compid`", "`sender_comp_id`?"),
        ("\n[[session]]\nheartbt = 3\n", 3, "unknown key `heartbt`", "heart_bt_int"),
        ("heart_bt_int = 0\n", 1, "`heart_bt_int` is 0", "from 1"),
        ("socket_connect_port = 70000\n", 1, "`socket_connect_port` is 70000", "65535"),
        ("begin_string = \"FIX.9\"\n", 1, "`begin_string` is \"FIX.9\"", "FIX.4.4"),
        ("begin_string = \"FIX.5.0\"\n", 1, "`begin_string` is \"FIX.5.0\"", "FIXT.1.1"),
        ("\nbegin_string = \"FIXT.1.1\"\n", 2, "does not say", "default_appl_ver_id = "),
        ("[default]\nbegin_string = \"FIXT.1.1\"\n", 2, "does not say", "default_appl_ver_id = "),
        ("[default]\nbegin_string = \"FIXT.1.1\"\n[[session]]\n", 3, "does not say", "FIX.5.0SP2"),
        ("default_appl_ver_id = \"9\"\n", 1, "of no use with \"FIX.4.4\"", "FIXT.1.1"),
        ("\ndefault_appl_ver_id = \"5.0\"\n", 2, "`default_appl_ver_id` is \"5.0\"", "FIX.5.0SP1"),
        (
            "socket_connect_alternates = [\"10.0.0.1\"]\n",
            1,
            "`socket_connect_alternates` is \"10.0.0.1\"",
            "10.9.0.3:9878",
        ),
        ("socket_connect_host = \"ve nue\"\n", 1, "`socket_connect_host` is \"ve nue\"", "IPv4"),
        ("start_time = \"08:00:00\"\n", 1, "one without the other", "write both"),
        ("[default]\n\nstart_day = \"mo\"\n", 3, "one without the other", "weekdays = "),
        ("weekdays = \"Mon\"\n", 1, "days are said, and no times", "start_time = "),
        ("time_zone = \"UTC\"\n", 1, "`time_zone` is of no use", "write both"),
        ("time_zone = \"Mars\"\n", 1, "`time_zone` is \"Mars\"", "Europe/London"),
        ("weekdays = \"\"\n", 1, "`weekdays` is \"\"", "Mon,Tue"),
        ("start_time = \"24:00:00\"\n", 1, "`start_time` is \"24:00:00\"", "08:30:00"),
        ("start_time = \"08:00:00.5\"\n", 1, "`start_time` is", "08:30:00"),
        (
            "start_time = \"08:00:00\"\nend_time = \"09:00:00\"\nnon_stop_session = true\n",
            3,
            "there are times beside it",
            "delete it",
        ),
        ("sender_sub_id = \"\"\n", 1, "`sender_sub_id` is \"\"", "printable"),
        ("resend_request_chunk_size = -1\n", 1, "`resend_request_chunk_size` is -1", "from 0"),
        ("message_bytes_max = 1023\n", 1, "`message_bytes_max` is 1023", "from 1024 to 16777216"),
        ("message_fields_max = 65536\n", 1, "`message_fields_max` is 65536", "from 32 to 65535"),
        ("time_stamp_precision = \"picos\"\n", 1, "is \"picos\"", "nanos"),
        ("sender_comp_id = \"\"\n", 1, "`sender_comp_id` is \"\"", "printable"),
        ("[network]\naddress = \"224.0.0.1/24\"\n", 2, "`address` is", "of a host"),
        ("[network]\naddress = \"0.0.0.0/0\"\n", 2, "`address` is", "of a host"),
        ("[network]\naddress = \"10.9.0.0/24\"\n", 2, "`address` is", "of a host"),
        ("[network]\naddress = \"10.9.0.255/24\"\n", 2, "`address` is", "of a host"),
        ("socket_connect_host = \"255.255.255.255\"\n", 1, "`socket_connect_host` is", "of a host"),
        ("heart_bt_int = 30.5\n", 1, "`heart_bt_int`: invalid type", "docs/sessions.md"),
        ("[network]\naddress = \"10.0.0.1\"\n", 2, "`address` is \"10.0.0.1\"", "/24"),
        ("[[session]]\n[session.network]\nvlan = 4\n", 2, "`network` stands in a session", "top"),
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
        ("\ndata_dictionary = \"\"\n", 2, "`data_dictionary` is \"\"", "XML"),
        ("\nallow_unknown_msg_fields = true\n", 2, "of no use", "data_dictionary = "),
        ("[default]\nvalidate_user_defined_fields = false\n", 2, "of no use", "data_dictionary"),
        ("validate_fields_have_values = true\n", 1, "of no use", "data_dictionary"),
        ("app_data_dictionary = { \"FIX.5\" = \"x\" }\n", 1, "one of \"FIX.5\"", "FIX.5.0SP2"),
        ("\ntransport_data_dictionary = \"\"\n", 2, "`transport_data_dictionary` is \"\"", "XML"),
    ];
    for (text, line, what, remedy) in cases {
        let sentence = read(text).unwrap_err().to_string();
        assert!(sentence.starts_with(&format!("s.toml:{line}: ")), "{sentence}");
        assert!(sentence.contains(what) && sentence.contains(remedy), "{sentence}");
    }
}

#[test]
fn each_switch_of_a_dictionary_s_rules_is_its_own_key() {
    let all = Checks::default();
    for (key, expected) in [
        ("validate_fields_out_of_order", Checks { fields_out_of_order: false, ..all }),
        ("validate_fields_have_values", Checks { fields_have_values: false, ..all }),
        ("validate_user_defined_fields", Checks { user_defined_fields: false, ..all }),
        ("allow_unknown_msg_fields", Checks { allow_unknown_msg_fields: true, ..all }),
        ("validate_unordered_group_fields", Checks { unordered_group_fields: false, ..all }),
    ] {
        let (other, usual) = match key {
            "allow_unknown_msg_fields" => (true, false),
            _ => (false, true),
        };
        let text = format!(
            "[default]\n{key} = {other}\n[[session]]\ndata_dictionary = \"d.xml\"\n\
             [[session]]\nsender_comp_id = \"B\"\n\
             [[session]]\nsender_comp_id = \"C\"\ndata_dictionary = \"d.xml\"\n{key} = {usual}\n"
        );
        let found = read(&text).unwrap().sessions;
        let checks: Vec<_> = found.iter().map(|session| session.validation.checks).collect();
        assert_eq!(checks, [expected, expected, all], "{key}");
    }
}

#[test]
fn a_dictionary_for_all_is_left_out_by_a_session_that_does_not_use_it() {
    let text = "[default]\ndata_dictionary = \"d.xml\"\nallow_unknown_msg_fields = true\n\
                [[session]]\nsender_comp_id = \"A\"\n\
                [[session]]\nsender_comp_id = \"B\"\nuse_data_dictionary = false\n\
                [[session]]\nsender_comp_id = \"C\"\nuse_data_dictionary = true\n";
    let used = |text: &str| -> Vec<bool> {
        let found = read(text).unwrap().sessions;
        found.iter().map(|session| session.validation.dictionary.is_some()).collect()
    };
    assert_eq!(used(text), [true, false, true]);
    let none = text.replacen("[[session]]", "use_data_dictionary = false\n[[session]]", 1);
    assert_eq!(used(&none), [false, false, true]);
}

#[test]
fn a_store_is_a_folder_that_counts_from_the_file_and_what_is_said_for_all_goes_for_each() {
    use fixwire::fix::store::journal::Durability;
    let text = "[default]\nstore = { path = \"x\", durability = \"sync\" }\n[[session]]\ntarget_comp_id = \"A\"\n\
                [[session]]\ntarget_comp_id = \"B\"\nstore = { size_mib = 2, flush_interval_ms = 7, messages = 9 }\n";
    let file = TomlFile { name: "s".into(), path: "/etc/s.toml".into(), text: text.into() };
    let sessions = SessionFile::read(&file, Purpose::Trade).unwrap().sessions;
    let [a, b] = [0, 1].map(|place| sessions[place].store.clone().unwrap());
    assert_eq!((a.folder.to_str(), a.durability), (Some("/etc/x"), Durability::Sync));
    assert_eq!((b.folder.to_str(), b.durability), (Some("/etc/x"), Durability::Sync));
    assert_eq!((b.ring_len, b.messages_max, b.flush_interval.as_millis()), (2 << 20, 9, 7));
    assert_eq!(sessions[0].mirrored().store, None, "the far side of a model's wire has none");
    for (store, words) in [
        ("{ durability = \"sync\" }", "has no `path`"),
        ("{ path = \"\" }", "the folder"),
        ("{ path = \"x\", durability = \"fast\" }", "\"none\", \"async\" or \"sync\""),
        ("{ path = \"x\", size_mib = 0 }", "1 to 65536"),
        ("{ path = \"x\", size = 1 }", "size"),
    ] {
        let sentence = read(&format!("store = {store}\n")).unwrap_err().to_string();
        assert!(sentence.starts_with("s.toml:1: ") && sentence.contains(words), "{sentence}");
    }
}
