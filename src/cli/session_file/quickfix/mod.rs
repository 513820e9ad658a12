//! QuickFIX's settings files, read as they are: each line becomes one of ours in the same place, so that whatever is
//! wrong with it is told by its own number.

mod dictionaries;
mod hosts;
mod keys;
mod store;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::Path;

use fixwire::offload::toml_file::{TomlError, TomlFile, nearest};

use super::Purpose;
use keys::{KEYS, Meaning, Special, meaning_of, ours};

/// A file of QuickFIX's in our own words, line for line, and what is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    pub(crate) toml: String,
    /// Each with file, line and key.
    pub(crate) warnings: Vec<String>,
}

/// Whether a file is one of QuickFIX's: by its name, or by a heading as QuickFIX writes it.
pub(crate) fn is_one(path: &Path, text: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("cfg"))
        || text.lines().any(|line| matches!(line.trim(), "[DEFAULT]" | "[SESSION]"))
}

/// Says a mistake in our keys by those of QuickFIX's.
pub(crate) fn in_its_words(error: TomlError) -> TomlError {
    let mut names: Vec<(&str, &str)> =
        KEYS.iter().filter_map(|(name, meaning)| Some((ours(*meaning)?, *name))).collect();
    // A key may be a part of a longer one.
    names.sort_by_key(|(ours, _)| std::cmp::Reverse(ours.len()));
    let said = |text: &str| {
        let text = text.replace("[default]", "[DEFAULT]").replace("[[session]]", "[SESSION]");
        names.iter().fold(text, |text, (ours, name)| text.replace(ours, name))
    };
    TomlError { what: said(&error.what), remedy: said(&error.remedy), ..error }
}

/// What a file has in one place.
struct Setting<'a> {
    /// The section that it stands in, by its place among them.
    section: usize,
    /// The key, as QuickFIX spells it.
    name: &'a str,
    value: String,
    meaning: Meaning,
    span: Range<usize>,
}

/// A line of the file.
enum Line<'a> {
    /// A comment, or nothing.
    Other(&'a str),
    Heading(&'static str),
    Setting(Setting<'a>),
}

/// The file in our own words. Variables are looked up by `variable`. As an acceptor of QuickFIX's leaves out the sessions that
/// are initiators, so does `accept`.
pub(crate) fn translate(
    file: &TomlFile,
    purpose: Purpose,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Translation, TomlError> {
    let mut lines = Vec::new();
    // The line that each section begins with, and whether it is a session.
    let mut sections: Vec<(Range<usize>, bool)> = Vec::new();
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim();
        let error = |what: String, remedy: &str| Err(file.error(span.clone(), what, remedy));
        if line.is_empty() || line.starts_with('#') {
            lines.push(Line::Other(line));
        } else if line.starts_with('[') {
            let is_session = line.eq_ignore_ascii_case("[SESSION]");
            if !is_session && !line.eq_ignore_ascii_case("[DEFAULT]") {
                return error(format!("{line} is no heading here"), "write [DEFAULT] or [SESSION]");
            }
            if !is_session && sections.iter().any(|(_, is_session)| !is_session) {
                return error(
                    "[DEFAULT] comes a second time".into(),
                    "put what it has under the first one",
                );
            }
            sections.push((span, is_session));
            lines.push(Line::Heading(if is_session { "[[session]]" } else { "[default]" }));
        } else {
            let Some((key, value)) = line.split_once('=') else {
                return error(
                    format!("{line:?} is neither a setting nor a heading"),
                    "write KEY=VALUE, or put # before a comment",
                );
            };
            let (key, value) = (key.trim(), value.trim());
            let Some(section) = sections.len().checked_sub(1) else {
                return error(
                    format!("`{key}` stands before [DEFAULT] and [SESSION]"),
                    "put it under one of them",
                );
            };
            let Some((name, meaning)) = meaning_of(key) else {
                return error(format!("unknown key `{key}`"), &nearest_key(key));
            };
            let value = expanded(value, variable).map_err(|name| {
                file.error(
                    span.clone(),
                    format!("`{key}` names the variable {name}, which is not set"),
                    "set it in the environment, or write its value here",
                )
            })?;
            lines.push(Line::Setting(Setting { section, name, value, meaning, span }));
        }
    }
    let settings: Vec<&Setting<'_>> = lines
        .iter()
        .filter_map(|line| if let Line::Setting(setting) = line { Some(setting) } else { None })
        .collect();
    let whole = Whole { file, purpose, sections: &sections, settings: &settings };
    whole.has_what_sessions_need()?;
    let mut translation = Translation { toml: String::new(), warnings: Vec::new() };
    let mut headings = 0..;
    for line in &lines {
        let line = match line {
            Line::Other(line) => (*line).to_owned(),
            Line::Heading(heading) => {
                match headings.next().filter(|section| whole.leaves_out(*section)) {
                    Some(section) => {
                        let at = file.error(sections[section].0.clone(), String::new(), "");
                        let (path, number) = (at.path, at.line);
                        translation.warnings.push(format!(
                        "{path}:{number}: this session is left out: it is an initiator, and `accept` connects to nobody"
                    ));
                        "# [SESSION]".to_owned()
                    }
                    None => (*heading).to_owned(),
                }
            }
            Line::Setting(setting) if whole.leaves_out(setting.section) => {
                format!("# {}={}", setting.name, setting.shown())
            }
            Line::Setting(setting) => match whole.translated(setting)? {
                Said::Key(line) => line,
                Said::Implied => format!("# {}={}", setting.name, setting.shown()),
                Said::Of(why) => {
                    let said = file.error(setting.span.clone(), String::new(), "");
                    let (name, path, number) = (setting.name, said.path, said.line);
                    translation
                        .warnings
                        .push(format!("{path}:{number}: `{name}` has no meaning here: {why}"));
                    format!("# {name}={}: {why}", setting.shown())
                }
            },
        };
        translation.toml += line.trim_end();
        translation.toml.push('\n');
    }
    Ok(translation)
}

/// What becomes of a setting.
enum Said {
    /// A line of ours.
    Key(String),
    /// Nothing: it is so without a word.
    Implied,
    /// Nothing, and why.
    Of(&'static str),
}

impl Setting<'_> {
    /// Its value, where it is no secret.
    fn shown(&self) -> &str {
        if self.name.contains("Password") { "***" } else { &self.value }
    }
}

/// All that is known of a file.
struct Whole<'a> {
    file: &'a TomlFile,
    purpose: Purpose,
    sections: &'a [(Range<usize>, bool)],
    settings: &'a [&'a Setting<'a>],
}

impl Whole<'_> {
    /// What a section itself has for `name`.
    fn of_section(&self, section: usize, name: &str) -> Option<&Setting<'_>> {
        self.settings
            .iter()
            .copied()
            .rfind(|setting| setting.section == section && setting.name == name)
    }

    /// What is in force in a section: its own, or what [DEFAULT] has.
    fn in_force(&self, section: usize, name: &str) -> Option<&Setting<'_>> {
        let default = self.sections.iter().position(|(_, is_session)| !is_session);
        self.of_section(section, name).or_else(|| self.of_section(default?, name))
    }

    fn is_yes(&self, section: usize, name: &str) -> bool {
        self.in_force(section, name).is_some_and(|setting| setting.value == "Y")
    }

    /// Whether a section is a session that is not wanted.
    fn leaves_out(&self, section: usize) -> bool {
        let connects = || {
            let said = self.in_force(section, "ConnectionType");
            said.is_some_and(|said| said.value == "initiator")
        };
        self.purpose == Purpose::Accept && self.sections[section].1 && connects()
    }

    fn has_what_sessions_need(&self) -> Result<(), TomlError> {
        let sessions = self.sections.iter().enumerate().filter(|(_, (_, is_session))| *is_session);
        let all = sessions.clone().count();
        let sessions = sessions.filter(|(section, _)| !self.leaves_out(*section));
        let mut any = false;
        for (section, (span, _)) in sessions {
            any = true;
            for name in ["BeginString", "SenderCompID", "TargetCompID"] {
                if self.in_force(section, name).is_none() {
                    return Err(self.file.error(
                        span.clone(),
                        format!("this session has no {name}"),
                        &format!("write {name}= below it, or under [DEFAULT]"),
                    ));
                }
            }
            let own = self.of_section(section, "UseDataDictionary");
            for name in ["DataDictionary", "TransportDataDictionary", "AppDataDictionary"] {
                let inherited = self.of_section(section, name).is_none();
                if let Some(own) = own.filter(|own| own.value == "N" && inherited)
                    && self.in_force(section, name).is_some()
                {
                    return Err(self.file.error(
                        own.span.clone(),
                        format!("`UseDataDictionary` is N, and [DEFAULT] has a {name}"),
                        &format!("move {name} from [DEFAULT] to the sessions that use it"),
                    ));
                }
            }
        }
        if any {
            return Ok(());
        }
        let (what, remedy) = match all {
            0 => ("there is no [SESSION]", "write one for each counterparty"),
            _ => (
                "every session here is an initiator, and `accept` connects to nobody",
                "run it by `fixwire run`, or write ConnectionType=acceptor",
            ),
        };
        Err(self.file.error(0..0, what.into(), remedy))
    }

    fn error<T>(&self, setting: &Setting<'_>, what: &str, remedy: &str) -> Result<T, TomlError> {
        let what = format!("`{}` is {:?}{what}", setting.name, setting.shown());
        Err(self.file.error(setting.span.clone(), what, remedy))
    }

    fn yes_or_no(&self, setting: &Setting<'_>) -> Result<bool, TomlError> {
        match setting.value.as_str() {
            "Y" => Ok(true),
            "N" => Ok(false),
            _ => self.error(setting, "", "write Y or N"),
        }
    }

    fn translated(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let value = setting.value.as_str();
        let key =
            |key: &str, value: &dyn std::fmt::Display| Ok(Said::Key(format!("{key} = {value}")));
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
            Meaning::Switch(ours) => key(ours, &self.yes_or_no(setting)?),
            Meaning::OfDictionary(ours) => {
                let said = self.yes_or_no(setting)?;
                match self.has_dictionary(setting.section) {
                    true => key(ours, &said),
                    false => Ok(Said::Of("there is no DataDictionary")),
                }
            }
            Meaning::Eased(ours, why) => {
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
            Meaning::Always(always, _) if always == value => Ok(Said::Implied),
            Meaning::Always(always, why) => {
                self.yes_or_no(setting)?;
                self.error(
                    setting,
                    &format!(", and {why}"),
                    &format!("delete it, or write {always}"),
                )
            }
            Meaning::Refused(why) => {
                let what = format!("`{}` is not done here", setting.name);
                Err(self.file.error(setting.span.clone(), what, why))
            }
            Meaning::Nothing(why) => Ok(Said::Of(why)),
            Meaning::Special(special) => self.special(setting, special),
        }
    }

    fn special(&self, setting: &Setting<'_>, special: Special) -> Result<Said, TomlError> {
        let value = setting.value.as_str();
        let key = |line: String| Ok(Said::Key(line));
        match special {
            // What is said for all is of no account for those that are left.
            Special::ConnectionType if self.purpose == Purpose::Accept && value == "initiator" => {
                Ok(Said::Implied)
            }
            Special::ConnectionType => key(format!("connection_type = {}", quoted(value))),
            Special::DataDictionary
            | Special::TransportDataDictionary
            | Special::AppDataDictionary
                if !self.has_dictionary(setting.section) =>
            {
                Ok(Said::Of("there is no TransportDataDictionary, or UseDataDictionary is N"))
            }
            Special::TransportDataDictionary | Special::AppDataDictionary
                if self.speaks_no_fixt(setting.section) =>
            {
                Ok(Said::Of(
                    "BeginString is not FIXT.1.1, which has one dictionary: DataDictionary",
                ))
            }
            Special::TransportDataDictionary => {
                key(format!("transport_data_dictionary = {}", quoted(&found(value))))
            }
            Special::AppDataDictionary => {
                key(format!("{} = {}", self.app_data_dictionary(setting)?, quoted(&found(value))))
            }
            Special::DataDictionary => key(format!("data_dictionary = {}", quoted(&found(value)))),
            Special::UseDataDictionary => {
                let used = self.yes_or_no(setting)?;
                let fixt = self.in_force(setting.section, "BeginString");
                let is_fixt = fixt.is_some_and(|version| version.value.starts_with("FIXT"));
                if used
                    && self.sections[setting.section].1
                    && !is_fixt
                    && !self.has_dictionary(setting.section)
                {
                    return self.error(
                        setting,
                        ", and there is no DataDictionary",
                        "write DataDictionary=FILE.xml beside it",
                    );
                }
                Ok(Said::Implied)
            }
            Special::Hours(_) if self.is_yes(setting.section, "NonStopSession") => {
                Ok(Said::Of("NonStopSession is Y"))
            }
            Special::Hours(ours) => key(format!("{ours} = {}", quoted(value))),
            Special::NonStop => key(format!("non_stop_session = {}", self.yes_or_no(setting)?)),
            Special::UseLocalTime => match self.yes_or_no(setting)? {
                true if self.is_yes(setting.section, "NonStopSession") => {
                    Ok(Said::Of("NonStopSession is Y"))
                }
                true => key("time_zone = \"local\"".into()),
                false => Ok(Said::Implied),
            },
            Special::Milliseconds => {
                let precision = if self.yes_or_no(setting)? { "millis" } else { "seconds" };
                match self.of_section(setting.section, "TimeStampPrecision") {
                    Some(_) => Ok(Said::Of("TimestampPrecision says it")),
                    None => key(format!("time_stamp_precision = {precision:?}")),
                }
            }
            Special::TimestampPrecision => {
                let digits = ["seconds", "millis", "micros", "nanos"].iter().zip([0, 3, 6, 9]);
                let mut named = digits.filter(|(name, digits)| {
                    name.eq_ignore_ascii_case(value) || digits.to_string() == value
                });
                match named.next() {
                    Some((name, _)) => key(format!("time_stamp_precision = {name:?}")),
                    None => self.error(
                        setting,
                        "",
                        "write 0, 3, 6 or 9 digits, or SECONDS, MILLIS, MICROS or NANOS",
                    ),
                }
            }
            Special::Alternate => self.alternate(setting),
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
}

/// A relative path counts from where the program runs, as QuickFIX has it, and from the file's folder if it is not there.
fn found(path: &str) -> String {
    let here = Path::new(path);
    match here.is_relative().then(|| std::path::absolute(here)) {
        Some(Ok(absolute)) if absolute.is_file() => absolute.display().to_string(),
        _ => path.to_owned(),
    }
}

/// `$(NAME)` and `${NAME}` replaced, or the name of the first that is not set.
fn expanded(value: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), value);
    while let Some(at) = rest.find('$') {
        let (before, behind) = rest.split_at(at);
        out += before;
        let close = match behind.as_bytes().get(1) {
            Some(b'(') => ')',
            Some(b'{') => '}',
            _ => {
                out.push('$');
                rest = &behind[1..];
                continue;
            }
        };
        let Some(end) = behind.find(close) else {
            return Ok(out + behind);
        };
        let name = &behind[2..end];
        out += &variable(name).ok_or_else(|| name.to_owned())?;
        rest = &behind[end + 1..];
    }
    Ok(out + rest)
}

/// A TOML string.
fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}

fn nearest_key(key: &str) -> String {
    let names = KEYS.iter().map(|(name, _)| *name);
    let said = nearest(key, names);
    match said.split_once(" (known") {
        Some((near, _)) => near.to_owned(),
        None => "delete it, or look for its name in docs/sessions.md".to_owned(),
    }
}
