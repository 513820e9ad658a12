//! What a file of QuickFIX's says as a whole: which setting is in force where, and what no session can do without.

use fixwire::offload::toml_file::{TomlError, TomlFile};

use super::super::Purpose;
use super::lines::{Section, Setting};

/// All that is known of a file.
pub(super) struct Whole<'a> {
    pub(super) file: &'a TomlFile,
    pub(super) purpose: Purpose,
    pub(super) sections: &'a [Section],
    pub(super) settings: &'a [&'a Setting<'a>],
}

impl Whole<'_> {
    /// What a section itself has for `name`.
    pub(super) fn of_section(&self, section: usize, name: &str) -> Option<&Setting<'_>> {
        self.settings
            .iter()
            .copied()
            .rfind(|setting| setting.section == section && setting.name == name)
    }

    /// What [DEFAULT] has for `name`.
    pub(super) fn of_default(&self, name: &str) -> Option<&Setting<'_>> {
        let default = self.sections.iter().position(|(_, is_session)| !is_session);
        self.of_section(default?, name)
    }

    /// What is in force in a section: its own, or what [DEFAULT] has.
    pub(super) fn in_force(&self, section: usize, name: &str) -> Option<&Setting<'_>> {
        self.of_section(section, name).or_else(|| self.of_default(name))
    }

    pub(super) fn is_yes(&self, section: usize, name: &str) -> bool {
        self.in_force(section, name).is_some_and(|setting| setting.value == "Y")
    }

    /// Whether a section is a session that is not wanted.
    pub(super) fn leaves_out(&self, section: usize) -> bool {
        let connects = || {
            let said = self.in_force(section, "ConnectionType");
            said.is_some_and(|said| said.value == "initiator")
        };
        self.purpose == Purpose::Accept && self.sections[section].1 && connects()
    }

    pub(super) fn has_what_sessions_need(&self) -> Result<(), TomlError> {
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

    pub(super) fn error<T>(
        &self,
        setting: &Setting<'_>,
        what: &str,
        remedy: &str,
    ) -> Result<T, TomlError> {
        let what = format!("`{}` is {:?}{what}", setting.name, setting.shown());
        Err(self.file.error(setting.span.clone(), what, remedy))
    }

    pub(super) fn yes_or_no(&self, setting: &Setting<'_>) -> Result<bool, TomlError> {
        match setting.value.as_str() {
            "Y" => Ok(true),
            "N" => Ok(false),
            _ => self.error(setting, "", "write Y or N"),
        }
    }
}
