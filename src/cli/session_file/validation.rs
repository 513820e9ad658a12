//! The keys of a data dictionary, and which of its rules count.

use std::ops::Range;
use std::path::{Path, PathBuf};

use fixwire::fix::dictionary::Checks;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

use super::keys::Entry;

/// What a session's messages are held against when they come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValidationSettings {
    pub(crate) dictionary: Option<DictionaryFile>,
    pub(crate) checks: Checks,
}

/// A dictionary that a session file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DictionaryFile {
    pub(crate) path: PathBuf,
    /// The session file and the line in it.
    pub(crate) named_at: String,
}

impl Entry {
    pub(super) fn validation_over(
        &self,
        base: ValidationSettings,
        file: &TomlFile,
    ) -> Result<ValidationSettings, TomlError> {
        let of_fixt = [
            (&self.transport_data_dictionary, "transport_data_dictionary"),
            (&self.app_data_dictionary, "app_data_dictionary"),
        ];
        if let Some((text, key)) =
            of_fixt.iter().find_map(|(text, key)| Some((text.as_ref()?, key)))
        {
            return Err(file.error(
                text.span(),
                format!("`{key}` is for FIXT.1.1, whose messages are held to no dictionary yet"),
                "delete it, or write data_dictionary for a session of FIX.4.0 to FIX.4.4",
            ));
        }
        let dictionary = self.data_dictionary.as_ref().map(|text| {
            if text.get_ref().is_empty() {
                return Err(file.bad_value(
                    text,
                    "data_dictionary",
                    "write the path of a dictionary in QuickFIX's XML form, or delete the line",
                ));
            }
            // A path is counted from the folder of the file that has it.
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let line = file.error(text.span(), String::new(), "").line;
            let named_at = format!("{}:{line}", file.path);
            Ok(DictionaryFile { path: folder.join(text.get_ref()), named_at })
        });
        self.leaves_on_what_is_always_checked(file)?;
        let said = |switch: &Option<Spanned<bool>>, base| {
            switch.as_ref().map_or(base, |said| *said.get_ref())
        };
        let checks = Checks {
            user_defined_fields: said(
                &self.validate_user_defined_fields,
                base.checks.user_defined_fields,
            ),
            allow_unknown_msg_fields: said(
                &self.allow_unknown_msg_fields,
                base.checks.allow_unknown_msg_fields,
            ),
            unordered_group_fields: said(
                &self.validate_unordered_group_fields,
                base.checks.unordered_group_fields,
            ),
            ..base.checks
        };
        Ok(ValidationSettings { dictionary: dictionary.transpose()?.or(base.dictionary), checks })
    }

    /// A session refuses an empty field, or one of the header behind the body, with a dictionary or without.
    fn leaves_on_what_is_always_checked(&self, file: &TomlFile) -> Result<(), TomlError> {
        for (switch, key) in [
            (&self.validate_fields_out_of_order, "validate_fields_out_of_order"),
            (&self.validate_fields_have_values, "validate_fields_have_values"),
        ] {
            if let Some(said) = switch.as_ref().filter(|said| !said.get_ref()) {
                return Err(file.error(
                    said.span(),
                    format!("`{key}` is false, and this is always checked here"),
                    "delete it, or write true",
                ));
            }
        }
        Ok(())
    }

    /// The first of its switches that is written, by its key.
    fn switch(&self) -> Option<(Range<usize>, &'static str)> {
        [
            (&self.validate_fields_out_of_order, "validate_fields_out_of_order"),
            (&self.validate_fields_have_values, "validate_fields_have_values"),
            (&self.validate_user_defined_fields, "validate_user_defined_fields"),
            (&self.allow_unknown_msg_fields, "allow_unknown_msg_fields"),
            (&self.validate_unordered_group_fields, "validate_unordered_group_fields"),
        ]
        .into_iter()
        .find_map(|(switch, key)| Some((switch.as_ref()?.span(), key)))
    }

    /// That it does not switch what a session without a dictionary has not.
    pub(super) fn switches_something(
        &self,
        settings: &ValidationSettings,
        file: &TomlFile,
    ) -> Result<(), TomlError> {
        match (self.switch(), &settings.dictionary) {
            (Some((span, key)), None) => Err(file.error(
                span,
                format!("`{key}` is of no use without `data_dictionary`"),
                "write data_dictionary = \"FILE.xml\" beside it, or delete it",
            )),
            _ => Ok(()),
        }
    }
}
