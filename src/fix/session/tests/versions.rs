//! What differs from version to version.

use super::*;
use crate::fix::Precision;

const ALL: [Version; 9] = [
    Version::Fix40,
    Version::Fix41,
    Version::Fix42,
    Version::Fix43,
    Version::Fix44,
    Version::Fixt11(ApplVerId::Fix50),
    Version::Fixt11(ApplVerId::Fix50Sp1),
    Version::Fixt11(ApplVerId::Fix50Sp2),
    Version::Fixt11(ApplVerId::FixLatest),
];

/// What a Logon of a version has besides the others' fields.
fn of_fixt(version: Version) -> String {
    let id = version.default_appl_ver_id();
    id.map_or_else(String::new, |id| format!(" | 1137={}", id.value()))
}

/// Logged on in a version.
fn logged_on(version: Version) -> Rig {
    let mut rig = Rig::new(Role::Acceptor, |config| config.version = version);
    let extra = of_fixt(version);
    rig.play(&format!("< A 1 | 98=0 | 108=30{extra}\n> A 1 | 98=0 | 108=30{extra}"));
    rig
}

#[test]
fn two_sessions_speak_each_version_with_each_other() {
    for version in ALL {
        let mut us = Rig::new(Role::Initiator, |config| {
            config.version = version;
            config.reset_on_logon = true;
        });
        let mut them = Rig::new(Role::Acceptor, |config| {
            config.version = version;
            let SessionConfig { sender_comp_id, target_comp_id, .. } = config;
            core::mem::swap(sender_comp_id, target_comp_id);
        });
        let now = at_ms(us.ms);
        let exchange = |us: &mut Rig, them: &mut Rig| {
            while !us.pipe.sent.is_empty() || !them.pipe.sent.is_empty() {
                them.receive(&core::mem::take(&mut us.pipe.sent));
                us.receive(&core::mem::take(&mut them.pipe.sent));
            }
        };
        exchange(&mut us, &mut them);
        for id in ["lost", "a", "b"] {
            us.session.send(now, &mut us.pipe, b"8", |order| _ = order.put_str(11, id)).unwrap();
            if id == "lost" {
                us.pipe.sent.clear();
            }
        }
        // Each answers each: the gap is found, asked for, filled; then it is enough.
        them.receive(&core::mem::take(&mut us.pipe.sent));
        us.receive(&core::mem::take(&mut them.pipe.sent));
        them.receive(&core::mem::take(&mut us.pipe.sent));
        assert_eq!(them.desk.delivered, ["lost", "a", "b"], "{version:?}");
        us.pipe.sent.clear();
        them.pipe.sent.clear();
        us.session.logout(now, &mut us.pipe, "bye");
        them.receive(&core::mem::take(&mut us.pipe.sent));
        us.receive(&core::mem::take(&mut them.pipe.sent));
        let ends = (us.closed, them.closed);
        let expected = (Some(CloseReason::LogoutComplete), Some(CloseReason::LogoutByPeer));
        assert_eq!(ends, expected, "{version:?}");
        assert_eq!((us.desk.logons, them.desk.logons), (1, 1), "{version:?}");
    }
}

#[test]
fn a_reject_names_its_tag_and_reason_in_fields_from_42_on() {
    for version in ALL {
        let (text, fields) = match version {
            Version::Fix40 | Version::Fix41 => (" (112)", ""),
            _ => ("", " | 371=112 | 372=1 | 373=1"),
        };
        logged_on(version)
            .play(&format!("< 1 2\n> 3 2 | 45=2 | 58=Required tag missing{text}{fields}"));
        let fields = match version {
            Version::Fix40 | Version::Fix41 => "",
            _ => " | 372=D | 373=9",
        };
        logged_on(version).play(&format!(
            "< D 2 | 49=WHO | 11=a\n> 3 2 | 45=2 | 58=CompID problem{fields}\n> 5 3"
        ));
    }
}

#[test]
fn a_reject_goes_back_to_a_location_from_41_on() {
    for version in ALL {
        let (text, location, fields) = match version {
            Version::Fix40 => (" (112)", "", ""),
            Version::Fix41 => (" (112)", " | 145=HALL", ""),
            _ => ("", " | 145=HALL", " | 371=112 | 372=1 | 373=1"),
        };
        logged_on(version).play(&format!(
            "< 1 2 | 115=DESK | 144=HALL
             > 3 2 | 128=DESK{location} | 45=2 | 58=Required tag missing{text}{fields}"
        ));
    }
}

#[test]
fn what_an_application_does_not_deal_with_goes_back_the_way_it_came_by_the_terms_of_its_version() {
    use crate::fix::BusinessRejectReason::{NotAuthorized, UnsupportedMessageType};
    for version in ALL {
        for (reason, code, id) in
            [(UnsupportedMessageType, 3, None), (NotAuthorized, 6, Some("Q1"))]
        {
            let mut rig = logged_on(version);
            let bytes = rig.message("R 2 | 115=DESK | 131=Q1");
            let mut decoder = Decoder::default();
            let message = decoder.parse(&bytes).unwrap();
            let mut sender = rig.session.sender(at_ms(0), &mut rig.pipe);
            let id_of = |id: &'static str| id.as_bytes();
            sender.reject_business(&message, reason, id.map(id_of), "not here").unwrap();
            let id = id.map_or_else(String::new, |id| format!(" | 379={id}"));
            // What FIX 4.2 does not have yet is "other".
            let code = if version == Version::Fix42 && code > 5 { 0 } else { code };
            match version {
                Version::Fix40 | Version::Fix41 => {
                    rig.play("> 3 2 | 128=DESK | 45=2 | 58=not here")
                }
                _ => rig.play(&format!(
                    "> j 2 | 128=DESK | 45=2 | 58=not here | 372=R{id} | 380={code}
                     < 2 2 | 7=2 | 16=2"
                )),
            };
            if version >= Version::Fix42 {
                let again = rig.next_sent();
                assert!(again.starts_with("j 2 | 43=Y"), "an application's message: {again}");
                assert!(again.contains(" | 128=DESK | 45=2 | "), "{again}");
            }
        }
    }
}

#[test]
fn an_application_may_refuse_in_words_of_its_own() {
    for (version, fields) in [(Version::Fix40, ""), (Version::Fix42, " | 372=D | 373=11")] {
        let mut rig = logged_on(version);
        let bytes = rig.message("D 9 | 11=a");
        let mut decoder = Decoder::default();
        let message = decoder.parse(&bytes).unwrap();
        let mut sender = rig.session.sender(at_ms(0), &mut rig.pipe);
        assert_eq!(sender.version(), version);
        sender.reject_in_words(&message, RejectReason::InvalidMsgType, "no such thing");
        rig.play(&format!("> 3 2 | 45=9 | 58=no such thing{fields}"));
        for (seq, unusable) in [(3, ""), (4, "a\x01b"), (5, &"x".repeat(257))] {
            let mut sender = rig.session.sender(at_ms(0), &mut rig.pipe);
            sender.reject_in_words(&message, RejectReason::InvalidMsgType, unusable);
            rig.play(&format!("> 3 {seq} | 45=9 | 58=Invalid MsgType{fields}"));
        }
    }
}

#[test]
fn what_is_asked_for_to_the_end_is_999999_before_42_and_both_are_understood() {
    for version in ALL {
        let infinity = if version < Version::Fix42 { "999999" } else { "0" };
        logged_on(version).play(&format!("< D 3 | 11=b\n> 2 2 | 7=2 | 16={infinity}"));
        for end in ["0", "999999"] {
            logged_on(version)
                .play(&format!("< 2 2 | 7=1 | 16={end}\n> 4 1 | 43=Y | 122=T | 36=2 | 123=Y"));
        }
    }
}

#[test]
fn times_are_in_seconds_before_42_whatever_is_configured() {
    for version in ALL {
        let mut rig = Rig::new(Role::Initiator, |config| {
            config.version = version;
            config.precision = Precision::Micros;
        });
        let sent = String::from_utf8_lossy(&rig.pipe.sent).into_owned();
        let time = sent.split('\x01').find_map(|field| field.strip_prefix("52=")).unwrap();
        let is_old = version < Version::Fix42;
        assert_eq!(time.len(), if is_old { 17 } else { 24 }, "{sent}");
        // A gap fill has two times.
        rig.pipe.sent.clear();
        let extra = of_fixt(version);
        rig.play(&format!("< A 1 | 98=0 | 108=30{extra}"));
        let bytes = rig.message("2 2 | 7=1 | 16=0");
        rig.receive(&bytes);
        let sent = String::from_utf8_lossy(&rig.pipe.sent).into_owned();
        let original = sent.split('\x01').find_map(|field| field.strip_prefix("122=")).unwrap();
        assert_eq!(original.len(), if is_old { 17 } else { 24 }, "{sent}");
    }
}

#[test]
fn a_reset_is_asked_for_from_41_on_and_numbers_begin_again_in_all() {
    for version in ALL {
        let reset = |config: &mut SessionConfig| {
            config.version = version;
            config.reset_on_logon = true;
        };
        let flag = if version == Version::Fix40 { "" } else { " | 141=Y" };
        let extra = of_fixt(version);
        let logons = format!(
            "> A 1 | 98=0 | 108=30{flag}{extra}\n< A 1 | 98=0 | 108=30{flag}{extra}
             < D 2 | 11=a\n> 8 2 | 11=a"
        );
        let mut rig = Rig::new(Role::Initiator, reset);
        rig.play(&logons);
        rig.disconnect();
        rig.connect();
        rig.play(&logons);
    }
}

#[test]
fn a_logon_of_fixt_without_a_version_that_is_known_is_refused_by_name() {
    for (id, refused) in [
        ("", true),
        (" | 1137=1", true),
        (" | 1137=11", true),
        (" | 1137=X", true),
        (" | 1137=4", false),
        (" | 1137=10", false),
    ] {
        let version = Version::Fixt11(ApplVerId::Fix50Sp2);
        for role in [Role::Acceptor, Role::Initiator] {
            let mut rig = Rig::new(role, |config| config.version = version);
            rig.pipe.sent.clear();
            rig.play(&format!("< A 1 | 98=0 | 108=30{id}"));
            let reason = CloseReason::LogonApplVerIdRefused;
            assert_eq!(rig.closed, refused.then_some(reason), "{id:?}");
            if refused {
                rig.play("> nothing");
            }
        }
    }
}

#[test]
fn appl_ver_id_is_a_field_of_the_header_and_names_a_version() {
    let version = Version::Fixt11(ApplVerId::Fix50Sp2);
    logged_on(version).play(
        "< D 2 | 1128=7 | 11=a\n> 8 2 | 11=a\n< D 3 | 1128=7 | 11=b\n> 8 3 | 11=b
         < D 4 | 1128=X | 11=c
         > 3 4 | 45=4 | 58=Value is incorrect (out of range) for this tag | 371=1128 | 372=D | 373=5
         < D 5 | 11=d | 1128=7
         > 3 5 | 45=5 | 58=Tag specified out of required order | 371=1128 | 372=D | 373=14",
    );
}

#[test]
fn appl_ver_id_says_nothing_of_a_session_message() {
    let version = Version::Fixt11(ApplVerId::Fix50Sp2);
    let mut rig = Rig::new(Role::Acceptor, |config| config.version = version);
    rig.play(
        "< A 1 | 1128=11 | 98=0 | 108=30 | 1137=9\n> A 1 | 98=0 | 108=30 | 1137=9
         < 1 2 | 1128=11 | 112=X\n> 0 2 | 112=X\n< 3 3 | 1128=X | 45=2\n> nothing
         < 5 4 | 1128=11\n> 5 3\nx close_logout_by_peer",
    );
}

#[test]
fn a_version_is_found_by_its_begin_string_and_an_application_s_by_its_value() {
    for version in ALL {
        let id = version.default_appl_ver_id().unwrap_or(ApplVerId::Fix40);
        assert_eq!(Version::of(version.begin_string().as_bytes(), id), Some(version));
    }
    for unknown in ["", "FIX.4", "FIX.4.5", "FIX.5.0", "FIXT.1.1.1", "FIXT.1.2"] {
        assert_eq!(Version::of(unknown.as_bytes(), ApplVerId::Fix50), None, "{unknown}");
    }
    for (at, id) in ApplVerId::ALL.into_iter().enumerate() {
        assert_eq!(id.value(), (at + 2).to_string());
        assert_eq!(ApplVerId::of(id.value().as_bytes()), Some(id));
        assert_eq!(ApplVerId::of_code(id.code()), Some(id));
    }
    assert!(ALL.is_sorted());
}
