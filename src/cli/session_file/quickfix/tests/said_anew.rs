//! What a session says anew that [DEFAULT] has said already, by the same key or by another.

use super::*;

#[test]
fn a_session_s_no_undoes_the_default_s_yes_to_local_time() {
    let of = |default: &str, lines: &str| {
        let text = format!(
            "{SESSION}StartTime=08:00:00\nEndTime=17:00:00\n{default}[SESSION]\nTargetCompID=A\n{lines}"
        );
        translated(&text).map(|found| found.toml).and_then(|toml| {
            let hours = read(&text)?.sessions[0].hours.hours();
            let is_said = toml.contains("[[session]]\ntarget_comp_id = \"A\"\ntime_zone");
            Ok((hours.map(|hours| hours.zone), is_said))
        })
    };
    let named = Zone::named;
    let local = "UseLocalTime=Y\n";
    for (default, lines, zone, is_said) in [
        (local, "", named("local"), false),
        (local, "UseLocalTime=N\n", named("UTC"), true),
        (local, "TimeZone=Europe/London\nUseLocalTime=N\n", named("Europe/London"), true),
        (local, "UseLocalTime=N\nNonStopSession=Y\n", None, false),
        ("", "UseLocalTime=N\n", named("UTC"), false),
        ("UseLocalTime=N\n", local, named("local"), true),
        ("TimeZone=Europe/London\n", "UseLocalTime=N\n", named("Europe/London"), false),
    ] {
        assert_eq!(of(default, lines).unwrap(), (zone, is_said), "{default}{lines}");
    }
}

#[test]
fn a_session_that_stops_after_all_says_its_own_hours() {
    let of = |lines: &str| {
        let text = format!(
            "{SESSION}NonStopSession=Y\nStartTime=08:00:00\nEndTime=17:00:00\n[SESSION]\nTargetCompID=A\n{lines}"
        );
        read(&text).map(|file| file.sessions[0].hours.hours().is_some())
    };
    assert!(!of("").unwrap());
    let said = of("NonStopSession=N\n").unwrap_err().to_string();
    assert!(said.contains("where it is of no account"), "{said}");
    assert!(said.contains("write this session's StartTime and EndTime"), "{said}");
    assert!(of("NonStopSession=N\nStartTime=09:00:00\nEndTime=10:00:00\n").unwrap());
}

#[test]
fn times_are_written_as_finely_as_the_file_says_or_a_little_finer() {
    use Precision::{Micros, Millis, Nanos, Seconds};
    let of = |default: &str, lines: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{lines}");
        let precision = read(&text).unwrap().sessions[0].agreement.precision;
        (precision, translated(&text).unwrap().warnings)
    };
    let digits = [Seconds, Millis, Millis, Millis, Micros, Micros, Micros, Nanos, Nanos, Nanos];
    for (asked, precision) in digits.into_iter().enumerate() {
        let (found, warnings) = of("", &format!("TimestampPrecision={asked}\n"));
        assert_eq!(found, precision, "{asked}");
        let written = asked.next_multiple_of(3);
        let words = "digits are written";
        let told = (written != asked)
            .then(|| format!("s.cfg:7: `TimeStampPrecision` is {asked}, and {written} {words}"));
        assert_eq!(warnings, Vec::from_iter(told));
    }
    // Whichever of both is said where: digits go before the switch.
    for (default, lines, precision) in [
        ("TimestampPrecision=6\n", "MillisecondsInTimeStamp=N\n", Micros),
        ("MillisecondsInTimeStamp=N\n", "TimestampPrecision=nanos\n", Nanos),
        ("MillisecondsInTimeStamp=N\n", "MillisecondsInTimeStamp=Y\n", Millis),
        ("MillisecondsInTimeStamp=N\nTimestampPrecision=6\n", "", Micros),
    ] {
        assert_eq!(of(default, lines).0, precision, "{default}{lines}");
    }
}

#[test]
fn a_session_is_held_to_its_dictionary_by_what_is_in_force_for_it() {
    const DICTIONARY: &str = "DataDictionary=FIX42.xml\n";
    let rejects = |default: &str, lines: &str| {
        let text = format!("{SESSION}{default}[SESSION]\nTargetCompID=A\n{lines}");
        read(&text).unwrap().sessions[0].validation.rejects
    };
    let said = |validates: &str, rejects: &str| {
        let line = |name: &str, said: &str| match said {
            "" => String::new(),
            said => format!("{name}={said}\n"),
        };
        line("ValidateIncomingMessage", validates) + &line("RejectInvalidMessage", rejects)
    };
    for (default, session, expected) in [
        (said("N", ""), said("Y", ""), true),
        (said("N", "N"), said("Y", ""), false),
        (said("N", "N"), said("Y", "Y"), true),
        (said("N", ""), said("", "Y"), false),
        (said("N", "Y"), said("Y", ""), true),
        (said("", "N"), said("Y", ""), false),
        (said("Y", ""), said("N", ""), false),
        (said("N", ""), said("", ""), false),
    ] {
        let both = rejects(&format!("{DICTIONARY}{default}"), &session);
        let own = rejects(&default, &format!("{DICTIONARY}{session}"));
        assert_eq!((both, own), (expected, expected), "{default}{session}");
    }
}
