//! What becomes of QuickFIX's files, and each mistake in them.

use std::collections::HashSet;
use std::fs;

use fixwire::calendar::Zone;
use fixwire::fix::{LogonFields, Precision};

use super::super::{Conduct, DictionaryFile, Purpose, SessionFile, Side};
use super::keys::Meaning;
use super::*;

mod said_anew;

fn file(text: &str) -> TomlFile {
    TomlFile { name: "s".into(), path: "s.cfg".into(), text: text.into() }
}

fn variable(name: &str) -> Option<String> {
    (name == "HERE").then(|| "LONDON".to_owned())
}

fn translated(text: &str) -> Result<Translation, TomlError> {
    translate(&file(text), Purpose::Trade, &variable)
}

fn read(text: &str) -> Result<SessionFile, TomlError> {
    let file = TomlFile { text: translated(text)?.toml, ..file(text) };
    SessionFile::read(&file, Purpose::Trade).map_err(in_its_words)
}

const SESSION: &str = "[DEFAULT]\nConnectionType=initiator\nBeginString=FIX.4.2\nSenderCompID=TW\n";

#[test]
fn quickfix_s_own_sample_becomes_three_sessions() {
    let text = "# default settings for sessions\n[DEFAULT]\nConnectionType=initiator\nReconnectInterval=60\n\
        SenderCompID=TW\n\n# session definition\n[SESSION]\n# inherited from default\nBeginString=FIX.4.1\n\
        TargetCompID=ARCA\nStartTime=12:30:00\nEndTime=23:30:00\nHeartBtInt=20\nSocketConnectPort=9823\n\
        SocketConnectHost=123.123.123.123\n[SESSION]\nBeginString=FIX.4.0\nTargetCompID=ISLD\nHeartBtInt=30\n\
        SocketConnectPort=8323\nSocketConnectHost=23.23.23.23\n[SESSION]\nBeginString=FIX.4.2\nTargetCompID=INCA\n\
        ReconnectInterval=30\nHeartBtInt=30\nSocketConnectPort=6523\nSocketConnectHost=3.3.3.3\n\
        SocketConnectPort1=8392\nSocketConnectHost1=8.8.8.8\n";
    let found = read(text).unwrap().sessions;
    let shown: Vec<_> = found
        .iter()
        .map(|session| {
            let hours = session.hours.hours().is_some();
            let (target, version) =
                (session.target_comp_id.as_str(), session.begin_string.as_str());
            (target, version, session.connect_port, session.reconnect_intervals_s[0], hours)
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("ARCA", "FIX.4.1", 9823, 60, true),
            ("ISLD", "FIX.4.0", 8323, 60, false),
            ("INCA", "FIX.4.2", 6523, 30, false),
        ]
    );
    assert_eq!(translated(text).unwrap().warnings, [""; 0]);
    assert_eq!(found[2].connect_alternates, ["8.8.8.8:8392".parse().unwrap()]);
}

#[test]
fn acceptors_and_initiators_stand_in_one_file_and_keys_are_found_in_whatever_case() {
    let text = "[default]\nbeginstring=FIX.4.4\nSENDERCOMPID=US\n[Session]\nTargetCompId=A\n\
                ConnectionType=acceptor\nSocketAcceptPort=7000\n[session]\nTargetCompID=B\nConnectionType=initiator\n";
    let found = read(text).unwrap().sessions;
    let sides: Vec<_> = found.iter().map(|session| (session.side, session.accept_port)).collect();
    assert_eq!(sides, [(Side::Acceptor, 7000), (Side::Initiator, 9878)]);
}

#[test]
fn an_acceptor_leaves_initiators_out_as_quickfix_does() {
    let text = "[DEFAULT]\nConnectionType=initiator\nBeginString=FIX.4.4\n[SESSION]\nSenderCompID=A\n\
                TargetCompID=B\nPassword=geheim\n[SESSION]\nConnectionType=acceptor\nSenderCompID=B\nTargetCompID=A\n";
    let translation = translate(&file(text), Purpose::Accept, &variable).unwrap();
    let expected = "[default]\n# ConnectionType=initiator\nbegin_string = \"FIX.4.4\"\n# [SESSION]\n# SenderCompID=A\n\
        # TargetCompID=B\n# Password=***\n[[session]]\nconnection_type = \"acceptor\"\nsender_comp_id = \"B\"\n\
        target_comp_id = \"A\"\n";
    assert_eq!(translation.toml, expected);
    assert!(translation.warnings[0].starts_with("s.cfg:4: this session is left out"));
    let text = text.replace("ConnectionType=acceptor\n", "");
    let said = translate(&file(&text), Purpose::Accept, &variable).unwrap_err().to_string();
    assert!(
        said.contains("every session here is an initiator") && said.contains("fixwire run"),
        "{said}"
    );
}

#[test]
fn each_line_becomes_one_in_its_place() {
    let text = "# mine\n[DEFAULT]\nBeginString=FIX.4.4\n  SenderCompID = $(HERE)-${HERE} \n\n[SESSION]\n\
                TargetCompID=a\"b\\c\nFileStorePath=store\nMillisecondsInTimeStamp=N\nValidateFieldsHaveValues=Y\n\
                MySQLStorePassword=geheim\nPassword=s3cret\n";
    let translation = translated(text).unwrap();
    let expected = "# mine\n[default]\nbegin_string = \"FIX.4.4\"\nsender_comp_id = \"LONDON-LONDON\"\n\n[[session]]\n\
        target_comp_id = 'a\"b\\c'\nstore.path = \"store\"\n\
        time_stamp_precision = \"seconds\"\n# ValidateFieldsHaveValues=Y\n\
        # MySQLStorePassword=***: there is no database here\npassword = \"s3cret\"\n";
    assert_eq!(translation.toml, expected);
    assert_eq!(translation.warnings.len(), 1);
}

#[test]
fn each_key_of_ours_is_read_as_it_is_meant() {
    let text = format!(
        "{SESSION}[SESSION]\nTargetCompID=A\nSenderSubID=S\nSenderLocationID=L\nTargetSubID=T\nTargetLocationID=P\n\
         Username=joe\nPassword=s3cret\nHeartBtInt=7\nReconnectInterval=8\nLogonTimeout=9\nLogoutTimeout=11\n\
         ResetOnLogon=Y\nResetOnLogout=Y\nResetOnDisconnect=Y\nCheckCompID=N\nCheckLatency=N\nMaxLatency=13\n\
         SendNextExpectedMsgSeqNum=Y\nEnableLastMsgSeqNumProcessed=Y\nResendRequestChunkSize=17\n\
         ClosedResendInterval=Y\nRequiresOrigSendingTime=N\nPersistMessages=N\nTimestampPrecision=6\nMillisecondsInTimeStamp=N\n"
    );
    let found = read(&text).unwrap().sessions.remove(0);
    let agreed = &found.agreement;
    let ids = [
        &agreed.sender_sub_id,
        &agreed.sender_location_id,
        &agreed.target_sub_id,
        &agreed.target_location_id,
    ];
    assert_eq!(ids.map(|id| id.as_deref().unwrap_or_default()), ["S", "L", "T", "P"]);
    assert_eq!((agreed.username.as_str(), agreed.password.0.as_str()), ("joe", "s3cret"));
    let seconds =
        [found.heart_bt_int_s, found.logon_timeout_s, found.logout_timeout_s, found.max_latency_s];
    assert_eq!(seconds, [7, 9, 11, 13]);
    assert_eq!(found.reconnect_intervals_s, [8]);
    assert!(found.reset_on_logon && found.reset_on_logout && found.reset_on_disconnect);
    assert!(!agreed.check_comp_id && !found.check_latency && !agreed.persist_messages);
    assert!(agreed.next_expected_msg_seq_num && agreed.last_msg_seq_num_processed);
    assert!(agreed.closed_resend_interval && agreed.resend_request_chunk_size == 17);
    assert!(!agreed.requires_orig_sending_time);
    assert_eq!(agreed.precision, Precision::Micros);
}

#[test]
fn hours_are_those_of_the_zone_and_of_no_account_where_the_session_never_stops() {
    let of = |lines: &str| {
        let text = format!(
            "{SESSION}StartTime=08:00:00\nEndTime=17:00:00\n[SESSION]\nTargetCompID=A\n{lines}"
        );
        read(&text).map(|file| file.sessions[0].hours.hours())
    };
    let (plain, zoned) =
        (of("").unwrap().unwrap(), of("TimeZone=Europe/London\n").unwrap().unwrap());
    assert_ne!(plain.zone, zoned.zone);
    assert!(of("UseLocalTime=Y\n").unwrap().is_some());
    assert!(of("StartDay=sun\nEndDay=Friday\n").unwrap().is_some());
    assert!(of("Weekdays=Mon,Tue\n").unwrap().is_some());
    assert_eq!(of("NonStopSession=Y\n").unwrap(), None);
    assert_eq!(of("NonStopSession=Y\nStartTime=09:00:00\nEndTime=10:00:00\n").unwrap(), None);
    for (lines, what) in [
        ("Weekdays=Mon\nStartDay=mo\nEndDay=tu\n", "`Weekdays` is for a session of a day each"),
        ("StartDay=mo\n", "`StartDay` and `EndDay` are one without the other"),
        ("StartTime=8\n", "`StartTime` is \"8\""),
        ("StartTime=09:00:00 US/Eastrn\n", "`StartTime` is \"09:00:00 US/Eastrn\""),
        ("TimeZone=Europe/Londn\n", "`TimeZone` is \"Europe/Londn\""),
        ("EndDay=doomsday\nStartDay=mo\n", "`EndDay` is \"doomsday\""),
    ] {
        let said = of(lines).unwrap_err().to_string();
        assert!(said.starts_with("s.cfg:") && said.contains(what), "{said}");
    }
}

#[test]
fn each_of_its_hours_may_have_a_zone_of_its_own() {
    let of = |default: &str, lines: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{lines}");
        let hours = read(&text).unwrap().sessions[0].hours.hours().unwrap();
        let named = |name: &str| Zone::named(name).unwrap();
        let all = ["Europe/London", "America/New_York", "UTC"];
        let name = |zone: &Zone| all.into_iter().find(|name| named(name) == *zone).unwrap();
        (name(&hours.zone), hours.end_zone.as_ref().map(name))
    };
    let (london, both) = (
        "StartTime=08:00:00 Europe/London\n",
        "StartTime=08:00:00 Europe/London\nEndTime=17:00:00 Europe/London\n",
    );
    for (default, lines, expected) in [
        ("", both, ("Europe/London", None)),
        ("", &format!("{london}EndTime=17:00:00\n"), ("Europe/London", Some("UTC"))),
        ("TimeZone=America/New_York\n", both, ("Europe/London", None)),
        (
            "TimeZone=America/New_York\n",
            &format!("{london}EndTime=17:00:00\n"),
            ("Europe/London", Some("America/New_York")),
        ),
        // A time that is said anew has no zone of another's.
        (both, "StartTime=09:00:00\n", ("UTC", Some("Europe/London"))),
    ] {
        assert_eq!(of(default, lines), expected, "{default}{lines}");
    }
}

#[test]
fn pauses_before_connecting_again_are_one_or_one_for_each_attempt() {
    for (said, expected) in
        [("7", &[7][..]), ("5;3x10;30", &[5, 10, 10, 10, 30]), ("2*1; 20", &[1, 1, 20])]
    {
        let text = format!("{SESSION}[SESSION]\nTargetCompID=A\nReconnectInterval={said}\n");
        assert_eq!(read(&text).unwrap().sessions[0].reconnect_intervals_s, expected, "{said}");
    }
}

#[test]
fn how_a_session_takes_silence_gaps_and_what_is_wrong_is_as_the_file_says() {
    let text = format!(
        "{SESSION}LogonTag1=9001=desk\nLogonTag=464=N\n[SESSION]\nTargetCompID=A\nSendRedundantResendRequests=Y\n\
         ValidateSequenceNumbers=N\nRejectGarbledMessage=Y\nDisableHeartBeatCheck=Y\nTestRequestDelayMultiplier=0.5\n\
         HeartBeatTimeoutMultiplier=2\nLogonTag=464=Y\n"
    );
    let found = read(&text).unwrap().sessions.remove(0).conduct;
    let mut logon_fields = LogonFields::default();
    logon_fields.add(464, "Y").unwrap();
    logon_fields.add(9001, "desk").unwrap();
    let expected = Conduct {
        test_request_after_pct: 150,
        silence_max_pct: 300,
        silence_ends: false,
        redundant_resend_requests: true,
        validate_sequence_numbers: false,
        reject_garbled: true,
        logon_fields,
        ..Conduct::default()
    };
    assert_eq!(found, expected);
    let shown = translated(&text).unwrap().toml;
    assert!(shown.contains("logon_tags = [\"464=Y\", \"9001=desk\"]"), "{shown}");
}

#[test]
fn what_does_not_conform_is_taken_where_the_file_says_so() {
    let with = |lines: &str| {
        let text = format!("{SESSION}[SESSION]\nTargetCompID=A\n{lines}");
        let found = read(&text).unwrap().sessions.remove(0).validation;
        (found.rejects, found.allow_unknown_enum_values)
    };
    let dictionary = "DataDictionary=FIX42.xml\n";
    for (lines, expected) in [
        ("", (true, false)),
        ("RejectInvalidMessage=N\n", (false, false)),
        ("ValidateIncomingMessage=N\n", (false, false)),
        ("ValidateIncomingMessage=N\nRejectInvalidMessage=Y\n", (false, false)),
        ("RejectInvalidMessage=Y\nValidateIncomingMessage=Y\n", (true, false)),
        ("AllowUnknownEnumValues=Y\n", (true, true)),
    ] {
        assert_eq!(with(&format!("{dictionary}{lines}")), expected, "{lines}");
        assert_eq!(with(lines), (true, false), "without a dictionary: {lines}");
    }
}

#[test]
fn a_session_is_logged_on_within_its_hours_when_the_file_says_so() {
    use fixwire::time::UtcTime;
    let windows = |lines: &str| {
        let text = format!("{SESSION}[SESSION]\nTargetCompID=A\n{lines}");
        // Friday 27 November 2026, 12:00 UTC.
        let now = UtcTime::from_unix_ns(1_795_780_800_000_000_000);
        read(&text).map(|file| {
            let schedule = file.sessions[0].hours.schedule(now).unwrap();
            let of = |time: UtcTime| (time.as_unix_ns() / 1_000_000_000) as i64 - 1_795_780_800;
            let window = schedule.window_at(now).map(|of_now| (of(of_now.start), of(of_now.end)));
            let session = schedule.session_at(now).map(|of_now| (of(of_now.start), of(of_now.end)));
            (window, session)
        })
    };
    let day = "StartTime=00:00:00\nEndTime=23:00:00\n";
    let week = format!("{day}StartDay=Sun\nEndDay=Fri\n");
    const H: i64 = 3_600;
    for (hours, logons, window, session) in [
        (day, "", Some((-12 * H, 11 * H)), (-12 * H, 11 * H)),
        (
            day,
            "LogonTime=08:00:00\nLogoutTime=17:00:00\n",
            Some((-4 * H, 5 * H)),
            (-12 * H, 11 * H),
        ),
        (day, "LogonTime=08:00:00\n", Some((-4 * H, 11 * H)), (-12 * H, 11 * H)),
        (day, "LogoutTime=11:00:00\n", None, (-12 * H, 11 * H)),
        (&week, "LogonTime=08:00:00\n", Some((-5 * 24 * H - 4 * H, 11 * H)), (-132 * H, 11 * H)),
        (&week, "LogonDay=Fri\nLogonTime=08:00:00\n", Some((-4 * H, 11 * H)), (-132 * H, 11 * H)),
    ] {
        let found = windows(&format!("{hours}{logons}")).unwrap();
        assert_eq!(found, (window, Some(session)), "{hours}{logons}");
    }
    for (lines, what) in [
        ("LogonTime=23:30:00\nLogoutTime=23:40:00\n", "lies outside of `StartTime`"),
        ("LogonDay=Mon\n", "`LogonDay` and `LogoutDay` are one without the other"),
        ("LogonTime=8\n", "`LogonTime` is \"8\""),
    ] {
        let said = windows(&format!("{day}{lines}")).unwrap_err().to_string();
        assert!(said.starts_with("s.cfg:") && said.contains(what), "{said}");
    }
}

#[test]
fn a_dictionary_is_used_where_it_is_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("FIX42.xml");
    fs::write(&path, "").unwrap();
    let path = path.display();
    let with = |default: &str, session: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{session}");
        read(&text).map(|file| file.sessions[0].validation.clone())
    };
    let dictionary = format!("DataDictionary={path}\n");
    for (default, session, used) in [
        ("", dictionary.as_str(), true),
        (dictionary.as_str(), "ValidateUserDefinedFields=N\nAllowUnknownMsgFields=Y\n", true),
        ("UseDataDictionary=N\n", dictionary.as_str(), false),
        ("UseDataDictionary=N\n", &format!("{dictionary}UseDataDictionary=Y\n"), true),
        ("UseDataDictionary=N\nValidateUserDefinedFields=N\n", "AllowUnknownMsgFields=Y\n", false),
        (dictionary.as_str(), "UseDataDictionary=N\n", false),
        (dictionary.as_str(), "UseDataDictionary=N\nAllowUnknownMsgFields=Y\n", false),
        (&format!("{dictionary}AllowUnknownMsgFields=Y\n"), "UseDataDictionary=N\n", false),
        (&format!("{dictionary}UseDataDictionary=N\n"), "", false),
        (&format!("{dictionary}UseDataDictionary=N\n"), "UseDataDictionary=Y\n", true),
    ] {
        let found = with(default, session).unwrap();
        assert_eq!(found.dictionary.is_some(), used, "{default}{session}");
    }
    // Each of several by its own word.
    let text = format!(
        "{SESSION}{dictionary}[SESSION]\nTargetCompID=A\n[SESSION]\nTargetCompID=B\nUseDataDictionary=N\n\
         [SESSION]\nTargetCompID=C\nUseDataDictionary=Y\n"
    );
    let found = read(&text).unwrap().sessions;
    let used: Vec<_> = found.iter().map(|of| of.validation.dictionary.is_some()).collect();
    assert_eq!(used, [true, false, true]);
    let checks = |lines| with(&dictionary, lines).unwrap().checks;
    assert!(!checks("ValidateUserDefinedFields=N\n").user_defined_fields);
    assert!(!checks("ValidateFieldsOutOfOrder=N\n").fields_out_of_order);
    assert!(!checks("ValidateFieldsHaveValues=N\n").fields_have_values);
    assert!(checks("ValidateFieldsHaveValues=Y\n").fields_have_values);
    assert!(with("", "ValidateFieldsHaveValues=Y\nValidateFieldsOutOfOrder=Y\n").is_ok());
    for (default, session, what) in [
        ("", "UseDataDictionary=Y\n", "there is no DataDictionary"),
        (dictionary.as_str(), "UseDataDictionary=maybe\n", "write Y or N"),
    ] {
        let said = with(default, session).unwrap_err().to_string();
        assert!(said.starts_with("s.cfg:") && said.contains(what), "{said}");
    }
}

#[test]
fn a_store_waits_for_the_disk_where_the_file_says_so() {
    use fixwire::fix::store::journal::Durability::{Async, Sync};
    let with = |default: &str, session: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{session}");
        read(&text).map(|file| file.sessions[0].store.clone().map(|store| store.durability))
    };
    let path = "FileStorePath=stores\n";
    let synced = format!("{path}FileStoreSync=Y\n");
    for (default, session, durability) in [
        ("", synced.as_str(), Some(Sync)),
        (path, "FileStoreSync=Y\n", Some(Sync)),
        (&synced, "", Some(Sync)),
        (&synced, path, Some(Sync)),
        (&synced, "FileStoreSync=N\n", Some(Async)),
        (path, "FileStoreSync=N\n", Some(Async)),
        ("", "FileStoreSync=Y\n", None),
        ("FileStoreSync=N\n", path, Some(Async)),
    ] {
        assert_eq!(with(default, session).unwrap(), durability, "{default}{session}");
    }
    let said = with("FileStoreSync=Y\n", path).unwrap_err().to_string();
    assert!(said.starts_with("s.cfg:5: ") && said.contains("below each FileStorePath"), "{said}");
}

#[test]
fn where_an_initiator_connects_to_besides_is_in_force_like_any_other_key() {
    let with = |default: &str, session: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{session}");
        read(&text).map(|file| {
            let shown = file.sessions[0].connect_alternates.iter().map(ToString::to_string);
            shown.collect::<Vec<_>>().join(" ")
        })
    };
    let first = "SocketConnectHost1=10.0.0.1\nSocketConnectPort1=7001\n";
    let second = "socketconnectport2=7002\nsocketconnecthost2=10.0.0.2\n";
    for (default, session, expected) in [
        ("", String::new(), ""),
        ("", format!("{second}HeartBtInt=3\n{first}"), "10.0.0.1:7001 10.0.0.2:7002"),
        (first, String::new(), "10.0.0.1:7001"),
        (first, second.into(), "10.0.0.1:7001 10.0.0.2:7002"),
        (first, "SocketConnectPort1=7009\n".into(), "10.0.0.1:7009"),
    ] {
        assert_eq!(with(default, &session).unwrap(), expected, "{default}{session}");
    }
    let many: String = (1..=16)
        .map(|n| format!("SocketConnectHost{n}=10.0.0.{n}\nSocketConnectPort{n}=7000\n"))
        .collect();
    for (session, line, what) in [
        ("SocketConnectHost1=10.1\nSocketConnectPort1=1\n", 7, "IPv4 address"),
        ("SocketConnectPort1=0\nSocketConnectHost1=10.0.0.1\n", 7, "from 1 to 65535"),
        ("SocketConnectHost1=10.0.0.1\n", 7, "there is no SocketConnectPort1"),
        ("HeartBtInt=3\nSocketConnectPort2=1\n", 8, "there is no SocketConnectHost2"),
        (&many, 37, "15 come before it"),
    ] {
        let said = with("", session).unwrap_err().to_string();
        assert!(said.starts_with(&format!("s.cfg:{line}: ")) && said.contains(what), "{said}");
    }
}

#[test]
fn who_connects_from_where_and_when_is_as_the_file_says() {
    let text = format!(
        "{SESSION}[SESSION]\nTargetCompID=A\nSessionQualifier=algo\nSocketConnectSourceHost=10.9.0.5\n\
         SocketConnectSourcePort=4000\nDynamicSession=Y\n[SESSION]\nTargetCompID=A\n\
         SocketLocalHost=10.9.0.5\n[SESSION]\nConnectionType=acceptor\nTargetCompID=A\nSenderSubID=S\n\
         AllowedRemoteAddresses=10.9.0.7, 10.9.0.8\n"
    );
    let found = read(&text).unwrap();
    let ip = |last| std::net::Ipv4Addr::new(10, 9, 0, last);
    assert_eq!(found.network.source, Some(ip(5)));
    let [first, second, third] = &found.sessions[..] else { panic!("{found:?}") };
    assert_eq!(first.qualifier.as_deref(), Some("algo"));
    assert_eq!((first.reach.source_port, first.reach.starts_down), (4000, true));
    assert_eq!(
        (&second.qualifier, second.reach.source_port, second.reach.starts_down),
        (&None, 0, false)
    );
    assert_eq!(third.reach.allowed, [ip(7), ip(8)]);
    assert!(first.identity() != second.identity(), "each has a store of its own");
    for (lines, what) in [
        ("DynamicSession=Y\nConnectionType=acceptor\n", "this session is an acceptor"),
        ("SessionQualifier=q\nConnectionType=acceptor\n", "no Logon says it"),
        (
            "SocketLocalHost=10.9.0.5\n[SESSION]\nTargetCompID=B\nSocketLocalHost=10.9.0.6\n",
            "the engine has one",
        ),
    ] {
        let text = format!("{SESSION}[SESSION]\nTargetCompID=A\n{lines}");
        let said = read(&text).unwrap_err().to_string();
        assert!(said.starts_with("s.cfg:") && said.contains(what), "{said}");
    }
}

#[test]
fn a_template_becomes_the_sessions_that_are_kept_ready() {
    let with = |lines: &str| {
        read(&format!(
            "[DEFAULT]\nBeginString=FIX.4.4\nSenderCompID=US\nFileStorePath=s\n[SESSION]\nTargetCompID=*\n{lines}"
        ))
    };
    let found = with("ConnectionType=acceptor\nAcceptorTemplate=Y\n").unwrap().sessions;
    let numbers: Vec<_> = found.iter().flat_map(|of| of.qualifier.clone()).collect();
    assert_eq!(numbers, (1..=16).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(found.iter().all(|of| of.store.is_none()));
    for (lines, what) in [
        ("ConnectionType=acceptor\nAcceptorTemplate=Y\nTargetCompID=A\n", "duplicate key"),
        (
            "ConnectionType=acceptor\nAcceptorTemplate=Y\nFileStorePath=t\n",
            "keep their numbers as long",
        ),
        ("ConnectionType=initiator\nAcceptorTemplate=Y\n", "this session is an initiator"),
        ("ConnectionType=acceptor\n", "this session is no template"),
        (
            "ConnectionType=acceptor\nAcceptorTemplate=Y\n[SESSION]\nTargetCompID=A\nConnectionType=acceptor\nAcceptorTemplate=Y\n",
            "both CompIDs are somebody's",
        ),
    ] {
        let said = with(lines).unwrap_err().to_string();
        assert!(said.starts_with("s.cfg:") && said.contains(what), "{said}");
    }
}

#[test]
fn each_key_s_fate_is_the_one_that_the_docs_tell() {
    let docs = include_str!("../../../../docs/sessions.md");
    let rows = || docs.lines().filter(|line| line.starts_with("| `"));
    for (name, meaning) in KEYS {
        let quoted = format!("`{name}`");
        let of_key =
            |row: &&str| row.split(" | ").next().is_some_and(|keys| keys.contains(&quoted));
        let row =
            rows().find(of_key).unwrap_or_else(|| panic!("docs/sessions.md has no row of {name}"));
        let says = |what: &str| row.contains(&format!("| {what}: "));
        assert_eq!(says("no meaning"), matches!(meaning, Meaning::Nothing(_)), "{row}");
        assert_eq!(says("refused"), matches!(meaning, Meaning::Refused(_)), "{row}");
        if let Some(ours) = ours(*meaning) {
            assert!(
                row.contains(&format!("`{ours}")) || row.contains(&format!("{ours} = ")),
                "{row}"
            );
        }
        if let Meaning::Always(_, why) | Meaning::Nothing(why) | Meaning::Refused(why) = meaning {
            assert!(row.contains(why), "{row}");
        }
    }
}

#[test]
fn each_key_of_the_docs_is_known_and_one_without_a_meaning_is_passed_over_with_the_reason() {
    let docs = include_str!("../../../../docs/sessions.md");
    let rows = docs.lines().skip_while(|line| *line != "| of QuickFIX | here |").skip(2);
    let (mut known, mut passed_over) = (0, 0);
    for row in rows.take_while(|line| line.starts_with('|')) {
        let names = row.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
        if names.contains("begins with") {
            continue;
        }
        for name in names.split('`').skip(1).step_by(2) {
            let found = keys::meaning_of(name);
            let (_, meaning) = found.unwrap_or_else(|| panic!("{name} is told of and not known"));
            known += 1;
            let Meaning::Nothing(why) = meaning else { continue };
            passed_over += 1;
            let text = format!("{SESSION}[SESSION]\nTargetCompID=A\n{name}=1\n");
            let said = translated(&text).unwrap().warnings;
            let words = format!("s.cfg:7: `{name}` has no meaning here: {why}");
            assert_eq!(said, [words], "{name}");
            let without = text.replace(&format!("{name}=1\n"), "");
            assert_eq!(read(&text).unwrap().sessions, read(&without).unwrap().sessions, "{name}");
        }
    }
    assert!(known > 150 && passed_over > 80, "{known}, {passed_over}");
}

#[test]
fn each_mistake_is_a_sentence_with_file_line_key_and_remedy() {
    let session = |line: &str| format!("{SESSION}[SESSION]\nTargetCompID=A\n{line}\n");
    for (text, line, what, remedy) in [
        (session("HartBtInt=30"), 7, "unknown key `HartBtInt`", "did you mean `HeartBtInt`?"),
        (session("Colour=blue"), 7, "unknown key `Colour`", "docs/sessions.md"),
        (session("HeartBtInt=often"), 7, "`HeartBtInt` is \"often\"", "write a number"),
        (session("HeartBtInt=0"), 7, "`HeartBtInt` is 0", "from 1"),
        (session("HeartBtInt=99999999999999999999"), 7, "`HeartBtInt`", "write a number"),
        (session("SocketConnectPort=70000"), 7, "`SocketConnectPort` is 70000", "65535"),
        (session("SocketConnectHost=ve nue"), 7, "`SocketConnectHost` is \"ve nue\"", "IPv4"),
        (session("SocketConnectHost=10.9.0"), 7, "`SocketConnectHost` is \"10.9.0\"", "IPv4"),
        (session("SocketConnectSourceHost=us"), 7, "`SocketConnectSourceHost` is \"us\"", "IPv4"),
        (
            session("AllowedRemoteAddresses=10.9.0.1,10.9"),
            7,
            "`AllowedRemoteAddresses` is \"10.9\"",
            "IPv4",
        ),
        (session("BeginString=FIX.9"), 7, "`BeginString` is \"FIX.9\"", "\"FIXT.1.1\""),
        (session("BeginString=FIXT.1.1"), 7, "`BeginString` is \"FIXT.1.1\"", "DefaultApplVerID"),
        (session("ResetOnLogon=yes"), 7, "`ResetOnLogon` is \"yes\"", "write Y or N"),
        (session("ConnectionType=both"), 7, "`ConnectionType` is \"both\"", "acceptor"),
        (
            session("ValidateFieldsHaveValues=N"),
            7,
            "where there is no DataDictionary",
            "DataDictionary=FILE.xml",
        ),
        (
            session("ValidateFieldsOutOfOrder=N"),
            7,
            "where there is no DataDictionary",
            "DataDictionary=FILE.xml",
        ),
        (session("ValidateChecksum=N"), 7, "always ignored", "write Y"),
        (
            session("ReconnectInterval=5;often"),
            7,
            "`ReconnectInterval` is \"5;often\"",
            "5;3x10;30",
        ),
        (session("ReconnectInterval=5;64x1"), 7, "`ReconnectInterval`", "64 at most"),
        (session("ReconnectInterval=5;0"), 7, "`ReconnectInterval` is 0", "from 1"),
        (session("HeartBeatTimeoutMultiplier=much"), 7, "is \"much\"", "such as 0.5"),
        (
            session("TestRequestDelayMultiplier=11"),
            7,
            "`TestRequestDelayMultiplier` is 11",
            "from 0 to 10",
        ),
        (
            session("LogonTag=108=7"),
            7,
            "`LogonTag` has 108",
            "the session writes this field itself",
        ),
        (session("LogonTag1=user"), 7, "no tag and value", "TAG=VALUE"),
        (
            session("ValidateSequenceNumbers=N\nEnableNextExpectedMsgSeqNum=Y"),
            7,
            "`ValidateSequenceNumbers` is false",
            "delete the one",
        ),
        (session("FirstFieldInGroupIsDelimiter=Y"), 7, "the dictionary says", "write N"),
        (session("ValidateFieldsHaveValues=no"), 7, "is \"no\"", "write Y or N"),
        (session("SocketUseSSL=Y"), 7, "there is no TLS", "stunnel"),
        (
            session("LogonTime=08:00:00"),
            7,
            "`LogonTime`, `LogoutTime` and their days are of no use",
            "write both",
        ),
        (session("ProxyType=http"), 7, "`ProxyType` is not done here", "no proxy"),
        (session("TimestampPrecision=10"), 7, "`TimeStampPrecision` is \"10\"", "0 to 9 digits"),
        (session("TimestampPrecision="), 7, "`TimeStampPrecision` is \"\"", "0 to 9 digits"),
        (session("HostSelectionPolicy=PRIORITY"), 7, "connected to in turn", "write ROUNDROBIN"),
        (session("RefreshOnLogon=Y"), 7, "nobody else may write to the store", "write N"),
        (session("ResetOnError=Y"), 7, "ends no session", "write N"),
        (session("DisconnectOnError=Y"), 7, "ends no session", "write N"),
        (session("SenderCompID=$(NOWHERE)"), 7, "the variable NOWHERE", "environment"),
        (session("HeartBtInt"), 7, "neither a setting nor a heading", "KEY=VALUE"),
        (session("[OTHER]"), 7, "[OTHER] is no heading", "[SESSION]"),
        (session("[DEFAULT]"), 7, "[DEFAULT] comes a second time", "first one"),
        (session("HeartBtInt=3\nHeartBtInt=4"), 8, "duplicate key", "correct the line"),
        ("HeartBtInt=3\n[SESSION]\n".into(), 1, "stands before", "under one of them"),
        (SESSION.into(), 1, "there is no [SESSION]", "for each counterparty"),
        (format!("{SESSION}\n[SESSION]\n"), 6, "has no TargetCompID", "TargetCompID="),
        (String::new(), 1, "there is no [SESSION]", "for each counterparty"),
        (format!("{SESSION}[SESSION]\nTargetCompID=\n"), 6, "`TargetCompID` is \"\"", "printable"),
        (
            format!("{SESSION}[SESSION]\nTargetCompID=A\n[SESSION]\nTargetCompID=A\n"),
            7,
            "and so is the one in line 5",
            "another CompID",
        ),
    ] {
        let said = read(&text).unwrap_err().to_string();
        assert!(said.starts_with(&format!("s.cfg:{line}: ")), "{said}");
        assert!(said.contains(what) && said.contains(remedy), "{said}");
    }
}

#[test]
fn a_password_is_repeated_in_no_error() {
    let text = format!("{SESSION}[SESSION]\nTargetCompID=A\nPassword={}\n", "geheim".repeat(40));
    let said = read(&text).unwrap_err().to_string();
    assert!(said.contains("`Password` is too long") && !said.contains("geheim"), "{said}");
}

#[test]
fn a_file_is_known_by_its_name_or_its_headings() {
    for (path, text, is) in [
        ("a.cfg", "", true),
        ("a.CFG", "", true),
        ("a.txt", "x=1\n [DEFAULT] \n", true),
        ("a", "[SESSION]", true),
        ("a.toml", "[default]\n[[session]]\n", false),
        ("a.toml", "# [DEFAULT]\n", false),
    ] {
        assert_eq!(is_one(Path::new(path), text), is, "{path} {text}");
    }
}

#[test]
fn each_key_is_named_once_and_those_of_ours_are_keys_of_ours() {
    let mut names = HashSet::new();
    for (name, meaning) in KEYS {
        assert!(names.insert(name.to_ascii_lowercase()), "{name} twice");
        let Some(ours) = ours(*meaning) else { continue };
        let toml = TomlFile { text: format!("{ours} = 2026-01-02\n"), ..file("") };
        let said = SessionFile::read(&toml, Purpose::Trade).unwrap_err().to_string();
        assert!(!said.contains("unknown key"), "{said}");
    }
    let table = include_str!("../../../../docs/sessions.md");
    for (name, _) in KEYS {
        assert!(table.contains(&format!("`{name}`")), "docs/sessions.md does not tell of {name}");
    }
}

#[test]
fn fixt_has_the_dictionaries_that_its_file_names() {
    const FIXT: &str = "[SESSION]\nBeginString=FIXT.1.1\nDefaultApplVerID=FIX.5.0SP2\nSenderCompID=B\nTargetCompID=A\n";
    let with = |lines: &str| {
        read(&format!("{FIXT}{lines}")).map(|file| file.sessions[0].validation.clone())
    };
    let named = |lines: &str| -> (Option<String>, Vec<(Option<&str>, String)>) {
        let found = with(lines).unwrap();
        let name = |file: &DictionaryFile| file.path.display().to_string();
        let applications = found.applications.iter();
        (
            found.transport.as_ref().map(name),
            applications.map(|(version, file)| (version.map(|id| id.name()), name(file))).collect(),
        )
    };
    let two = "TransportDataDictionary=T.xml\nAppDataDictionary=A.xml\n";
    assert_eq!(named(two), (Some("T.xml".into()), vec![(None, "A.xml".into())]));
    let several =
        named(&format!("{two}AppDataDictionary.FIX.4.4=B.xml\nValidateUserDefinedFields=N\n"));
    let of_each = vec![(Some("FIX.4.4"), "B.xml".into()), (Some("FIX.5.0SP2"), "A.xml".into())];
    assert_eq!(several, (Some("T.xml".into()), of_each));
    assert_eq!(named(&format!("UseDataDictionary=N\n{two}")), (None, vec![]));
    let unknown =
        with("TransportDataDictionary=T.xml\nAppDataDictionary.FIX.9=B.xml\n").unwrap_err();
    assert!(unknown.to_string().starts_with("s.cfg:7"), "{unknown}");
    // One of FIX.4.4 has no use for them.
    let other = read(
        "[SESSION]\nBeginString=FIX.4.4\nSenderCompID=B\nTargetCompID=A\nTransportDataDictionary=T.xml\n",
    );
    assert_eq!(other.unwrap().sessions[0].validation.transport, None);
}
