//! What becomes of each setting, by what its key means here.

use std::fmt::Display;
use std::path::Path;

use fixwire::offload::toml_file::TomlError;

use super::super::Purpose;
use super::super::reach::RECONNECT_INTERVALS_MAX;
use super::keys::{Meaning, Special};
use super::lines::Setting;
use super::quoted;
use super::whole::Whole;

/// What becomes of a setting.
pub(super) enum Said {
    /// A line of ours.
    Key(String),
    /// One that does not do quite what was said, and what it does.
    Nearly(String, &'static str),
    /// Nothing: it is so without a word.
    Implied,
    /// Nothing, and why.
    Of(&'static str),
}

/// A line of ours.
fn key(key: &str, value: &dyn Display) -> Result<Said, TomlError> {
    Ok(Said::Key(format!("{key} = {value}")))
}

impl Whole<'_> {
    pub(super) fn translated(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let value = setting.value.as_str();
        match setting.meaning {
            Meaning::Text(ours) => key(ours, &quoted(value)),
            Meaning::Number(ours) => {
                let is_number = (1..=18).contains(&value.len())
                    && value.bytes().all(|byte| byte.is_ascii_digit());
                match is_number {
                    true => key(ours, &value.parse().unwrap_or(0u64)),
                    false => self.error(setting, "", "write a number"),
                }
            }
            Meaning::Fraction(ours) => match value.parse::<f64>() {
                Ok(fraction) if fraction.is_finite() => key(ours, &format!("{fraction:?}")),
                _ => self.error(setting, "", "write a number such as 0.5"),
            },
            Meaning::Switch(ours) => key(ours, &self.yes_or_no(setting)?),
            Meaning::OfDictionary(ours) => {
                let said = self.yes_or_no(setting)?;
                match self.has_dictionary(setting.section) {
                    true => key(ours, &said),
                    false => Ok(Said::Of("there is no DataDictionary")),
                }
            }
            Meaning::Eased(ours, why) => self.eased(setting, ours, why),
            Meaning::Always(always, _) if always == value => Ok(Said::Implied),
            Meaning::Always(always, why) => self.error(
                setting,
                &format!(", and {why}"),
                &format!("delete it, or write {always}"),
            ),
            Meaning::Refused(why) => {
                let what = format!("`{}` is not done here", setting.name);
                Err(self.file.error(setting.span.clone(), what, why))
            }
            Meaning::Nothing(why) => Ok(Said::Of(why)),
            Meaning::Special(special) => self.special(setting, special),
        }
    }

    fn eased(&self, setting: &Setting<'_>, ours: &str, why: &str) -> Result<Said, TomlError> {
        let said = self.yes_or_no(setting)?;
        match (self.has_dictionary(setting.section), said) {
            (true, _) => key(ours, &said),
            (false, true) => Ok(Said::Implied),
            (false, false) => self.error(
                setting,
                &format!(", and {why}"),
                "write DataDictionary=FILE.xml beside it, or Y",
            ),
        }
    }

    fn special(&self, setting: &Setting<'_>, special: Special) -> Result<Said, TomlError> {
        match special {
            // What is said for all is of no account for those that are left.
            Special::ConnectionType
                if self.purpose == Purpose::Accept && setting.value == "initiator" =>
            {
                Ok(Said::Implied)
            }
            Special::ConnectionType => key("connection_type", &quoted(&setting.value)),
            Special::DataDictionary
            | Special::TransportDataDictionary
            | Special::AppDataDictionary => self.dictionary(setting, special),
            Special::UseDataDictionary => self.use_of_dictionary(setting),
            Special::ValidateIncoming => self.validate_incoming(setting),
            Special::RejectInvalid => self.reject_invalid(setting),
            Special::Hours(_) if self.is_yes(setting.section, "NonStopSession") => {
                Ok(Said::Of("NonStopSession is Y"))
            }
            Special::Hours(ours) => key(ours, &quoted(&setting.value)),
            Special::NonStop => self.non_stop(setting),
            Special::UseLocalTime => match self.yes_or_no(setting)? {
                true if self.is_yes(setting.section, "NonStopSession") => {
                    Ok(Said::Of("NonStopSession is Y"))
                }
                true => key("time_zone", &"\"local\""),
                false if self.undoes_local_time(setting) => key("time_zone", &"\"UTC\""),
                false => Ok(Said::Implied),
            },
            Special::Milliseconds => {
                let precision = if self.yes_or_no(setting)? { "millis" } else { "seconds" };
                match self.in_force(setting.section, "TimeStampPrecision") {
                    Some(_) => Ok(Said::Of("TimestampPrecision says it")),
                    None => key("time_stamp_precision", &quoted(precision)),
                }
            }
            Special::TimestampPrecision => self.precision(setting),
            Special::ReconnectInterval => self.reconnect_interval(setting),
            Special::Alternate => self.alternate(setting),
            Special::AllowedRemote => self.allowed(setting),
            Special::LogonTag => self.logon_tags(setting),
            Special::FileStoreSync => self.file_store_sync(setting),
            Special::SocketUseSsl => match self.yes_or_no(setting)? {
                true => self.error(
                    setting,
                    ", and there is no TLS here",
                    "end TLS in front, as by stunnel, and write N",
                ),
                false => Ok(Said::Implied),
            },
        }
    }

    fn dictionary(&self, setting: &Setting<'_>, special: Special) -> Result<Said, TomlError> {
        if !self.has_dictionary(setting.section) {
            let why = "there is no TransportDataDictionary, or UseDataDictionary is N";
            return Ok(Said::Of(why));
        }
        let path = quoted(&found(&setting.value));
        match special {
            Special::DataDictionary => key("data_dictionary", &path),
            _ if self.speaks_no_fixt(setting.section) => Ok(Said::Of(
                "BeginString is not FIXT.1.1, which has one dictionary: DataDictionary",
            )),
            Special::TransportDataDictionary => key("transport_data_dictionary", &path),
            _ => key(&self.app_data_dictionary(setting)?, &path),
        }
    }

    fn use_of_dictionary(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let used = self.yes_or_no(setting)?;
        let fixt = self.in_force(setting.section, "BeginString");
        let is_fixt = fixt.is_some_and(|version| version.value.starts_with("FIXT"));
        let is_session = self.sections[setting.section].1;
        if used && is_session && !is_fixt && !self.has_dictionary(setting.section) {
            return self.error(
                setting,
                ", and there is no DataDictionary",
                "write DataDictionary=FILE.xml beside it",
            );
        }
        match self.use_said(setting.section, used) {
            Some(used) => key("use_data_dictionary", &used),
            None => Ok(Said::Implied),
        }
    }

    /// N under a [DEFAULT] of Y asks for hours, and those of [DEFAULT] were of no account there.
    fn non_stop(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let never_stops = self.yes_or_no(setting)?;
        let is_undone = self.of_default("NonStopSession").is_some_and(|said| said.value == "Y");
        if !never_stops
            && is_undone
            && self.of_default("StartTime").is_some()
            && self.of_section(setting.section, "StartTime").is_none()
        {
            return self.error(
                setting,
                ", and [DEFAULT] has its StartTime beside NonStopSession=Y, where it is of no account",
                "write this session's StartTime and EndTime below it",
            );
        }
        key("non_stop_session", &never_stops)
    }

    /// Whether UseLocalTime=N takes back what [DEFAULT] says, and nothing else in the section does.
    fn undoes_local_time(&self, setting: &Setting<'_>) -> bool {
        let of_section = |name| self.of_section(setting.section, name).is_some();
        self.of_default("UseLocalTime").is_some_and(|said| said.value == "Y")
            && !of_section("TimeZone")
            && !self.is_yes(setting.section, "NonStopSession")
    }

    /// What is held against the dictionary for nothing but the count of it is as if it were not.
    fn validate_incoming(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let validates = self.yes_or_no(setting)?;
        let is_said = self.of_section(setting.section, "RejectInvalidMessage").is_some();
        let by_default = self.of_default("ValidateIncomingMessage");
        let undoes = by_default.is_some_and(|said| said.value == "N");
        match (validates, self.has_dictionary(setting.section)) {
            (false, false) => Ok(Said::Of("there is no DataDictionary")),
            (false, true) if !is_said => key("reject_invalid_message", &false),
            (true, true) if !is_said && undoes => {
                let rejects = self.in_force(setting.section, "RejectInvalidMessage");
                key("reject_invalid_message", &rejects.is_none_or(|said| said.value != "N"))
            }
            _ => Ok(Said::Implied),
        }
    }

    fn reject_invalid(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let rejects = self.yes_or_no(setting)?;
        let validates = self.in_force(setting.section, "ValidateIncomingMessage");
        let validates = validates.is_none_or(|said| said.value != "N");
        match self.has_dictionary(setting.section) {
            true => key("reject_invalid_message", &(rejects && validates)),
            false => Ok(Said::Of("there is no DataDictionary")),
        }
    }

    /// By its name, or as so many digits: those that are none of ours become the next ones that are.
    fn precision(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let value = setting.value.as_str();
        let mut names = ["seconds", "millis", "micros", "nanos"].into_iter();
        let by_name = names.find(|name| name.eq_ignore_ascii_case(value));
        let (name, does) = match (by_name, value) {
            (Some(name), _) => (name, None),
            (None, "0") => ("seconds", None),
            (None, "3") => ("millis", None),
            (None, "6") => ("micros", None),
            (None, "9") => ("nanos", None),
            (None, "1" | "2") => ("millis", Some("3 digits are written")),
            (None, "4" | "5") => ("micros", Some("6 digits are written")),
            (None, "7" | "8") => ("nanos", Some("9 digits are written")),
            (None, _) => {
                let remedy = "write 0 to 9 digits, or SECONDS, MILLIS, MICROS or NANOS";
                return self.error(setting, "", remedy);
            }
        };
        let line = format!("time_stamp_precision = {}", quoted(name));
        Ok(match does {
            None => Said::Key(line),
            Some(does) => Said::Nearly(line, does),
        })
    }

    /// One interval, or one for each attempt, each with how often it counts before it: `5;3x10;30`.
    fn reconnect_interval(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        const REMEDY: &str =
            "write seconds, or seconds for each attempt in turn such as 5;3x10;30: 64 at most";
        let number = |text: &str| text.trim().parse::<u32>().ok();
        let mut intervals = Vec::new();
        for part in setting.value.split(';') {
            let (times, seconds) = part.split_once(['x', '*']).unwrap_or(("1", part));
            let (Some(times), Some(seconds)) = (number(times), number(seconds)) else {
                return self.error(setting, "", REMEDY);
            };
            if times as usize > RECONNECT_INTERVALS_MAX.saturating_sub(intervals.len()) {
                return self.error(setting, "", REMEDY);
            }
            intervals.extend(std::iter::repeat_n(seconds.to_string(), times as usize));
        }
        match &intervals[..] {
            [] => self.error(setting, "", REMEDY),
            [one] => key("reconnect_interval", one),
            _ => key("reconnect_interval", &format!("[{}]", intervals.join(", "))),
        }
    }
}

/// A relative path counts from where the program runs, as QuickFIX has it, and from the file's folder if it is not there.
fn found(path: &str) -> String {
    let here = Path::new(path);
    match here.is_relative().then(|| std::path::absolute(here)) {
        Some(Ok(absolute)) if absolute.is_file() => absolute.display().to_string(),
        _ => path.to_owned(),
    }
}
