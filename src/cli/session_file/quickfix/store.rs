//! How durable the stores of a file of QuickFIX's are.

use fixwire::offload::toml_file::TomlError;

use super::lines::Setting;
use super::translate::Said;
use super::whole::Whole;

impl Whole<'_> {
    /// A store of QuickFIX/J's waits for the disk with each message if it is told to, and leaves that to the system if not.
    pub(super) fn file_store_sync(&self, setting: &Setting<'_>) -> Result<Said, TomlError> {
        let is_synced = self.yes_or_no(setting)?;
        let has_store = |section| self.in_force(section, "FileStorePath").is_some();
        match (is_synced, has_store(setting.section)) {
            (true, true) => Ok(Said::Key("store.durability = \"sync\"".into())),
            (false, true) => Ok(Said::Key("store.durability = \"async\"".into())),
            (true, false) if (0..self.sections.len()).any(has_store) => self.error(
                setting,
                ", and the sessions have a FileStorePath each",
                "write it below each FileStorePath",
            ),
            _ => Ok(Said::Of("there is no FileStorePath")),
        }
    }
}
