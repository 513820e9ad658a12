//! What the Logons of a file of QuickFIX/J's have besides: `LogonTag=464=Y`, `LogonTag1=9001=desk`, and so on.

use std::collections::BTreeMap;

use fixwire::offload::toml_file::TomlError;

use super::hosts::number_of;
use super::lines::Setting;
use super::quoted;
use super::translate::Said;
use super::whole::Whole;

const TAG: &str = "LogonTag";

/// The place of such a key among them.
fn place_of(name: &str) -> Option<u32> {
    if name.eq_ignore_ascii_case(TAG) { Some(0) } else { number_of(name, TAG) }
}

impl Whole<'_> {
    /// All that are in force in a section become one key of ours, in the line of its first.
    pub(super) fn logon_tags(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        if place_of(setting.name).is_none() {
            return self.error(
                setting,
                ", and its key's number is past all bounds",
                "write LogonTag1, LogonTag2 and so on",
            );
        }
        let is_of = |section: usize| {
            move |of: &&&Setting<'_>| of.section == section && place_of(of.name).is_some()
        };
        let first = self.settings.iter().find(is_of(setting.section));
        if first.is_none_or(|first| first.span != setting.span) {
            return Ok(Said::Implied);
        }
        let default = self.sections.iter().position(|(_, is_session)| !is_session);
        let mut said = BTreeMap::new();
        for section in default.into_iter().chain([setting.section]) {
            for of in self.settings.iter().filter(is_of(section)) {
                said.insert(place_of(of.name), quoted(&of.value));
            }
        }
        let said: Vec<String> = said.into_values().collect();
        Ok(Said::Key(format!("logon_tags = [{}]", said.join(", "))))
    }
}
