//! Which dictionaries the sessions of a file of QuickFIX's have.

use fixwire::fix::ApplVerId;
use fixwire::offload::toml_file::TomlError;

use super::keys::{Meaning, Special};
use super::lines::Setting;
use super::quoted;
use super::whole::Whole;

impl Whole<'_> {
    /// Whether a section's sessions, or one of all for [DEFAULT], are held against a dictionary.
    pub(super) fn has_dictionary(&self, section: usize) -> bool {
        let has = |section| {
            let used =
                self.in_force(section, "UseDataDictionary").is_none_or(|said| said.value != "N");
            used && ["DataDictionary", "TransportDataDictionary"]
                .iter()
                .any(|name| self.in_force(section, name).is_some())
        };
        let mut sections = self.sections.iter().enumerate();
        match self.sections[section].1 {
            true => has(section),
            false => {
                sections.any(|(at, (_, is_session))| *is_session && !self.leaves_out(at) && has(at))
            }
        }
    }

    /// What of a section's UseDataDictionary is to be said: nothing where there is no dictionary without it, or none with it.
    pub(super) fn use_said(&self, section: usize, used: bool) -> Option<bool> {
        let default = self.sections.iter().position(|(_, is_session)| !is_session)?;
        let is_session = self.sections[section].1;
        let default_uses =
            self.of_section(default, "UseDataDictionary").is_none_or(|said| said.value != "N");
        let says = self.has_dictionary(default) && (!used || (is_session && !default_uses));
        says.then_some(used)
    }

    /// Whether a section's BeginString is known, and is not FIXT's.
    pub(super) fn speaks_no_fixt(&self, section: usize) -> bool {
        let said = self.in_force(section, "BeginString");
        said.is_some_and(|version| !version.value.starts_with("FIXT"))
    }

    /// The key of ours for an AppDataDictionary: where there are several, each has its version behind it.
    pub(super) fn app_data_dictionary(&self, setting: &Setting<'_>) -> Result<String, TomlError> {
        const OURS: &str = "app_data_dictionary";
        let of_version = |name: &str| name.get("AppDataDictionary.".len()..).map(str::to_owned);
        if let Some(version) = of_version(setting.name) {
            return Ok(format!("{OURS}.{}", quoted(&version)));
        }
        let in_section = |other: &&&Setting<'_>| other.section == setting.section;
        let mut others = self.settings.iter().filter(in_section);
        let is_app =
            |other: &&Setting<'_>| other.meaning == Meaning::Special(Special::AppDataDictionary);
        if !others.any(|other| is_app(other) && of_version(other.name).is_some()) {
            return Ok(OURS.to_owned());
        }
        let said = self.in_force(setting.section, "DefaultApplVerID");
        let version = said.and_then(|said| {
            let by_name = ApplVerId::ALL.into_iter().find(|id| id.name() == said.value);
            by_name.or_else(|| ApplVerId::of(said.value.as_bytes()))
        });
        match version {
            Some(version) => Ok(format!("{OURS}.{}", quoted(version.name()))),
            None => self
                .error(
                    setting,
                    ", and of which version it is nothing says, where others have a version behind a dot",
                    "write DefaultApplVerID= beside it",
                ),
        }
    }
}
