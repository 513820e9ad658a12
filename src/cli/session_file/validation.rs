//! The keys of a data dictionary, and which of its rules count.

use std::ops::Range;
use std::path::{Path, PathBuf};

use fixwire::fix::ApplVerId;
use fixwire::fix::dictionary::Checks;
use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

use super::super::text_file;
use super::keys::{AppDictionaries, Entry};

/// What a session's messages are held against when they come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidationSettings {
    /// What is named is used. Of a session it is, whatever is named.
    used: bool,
    pub(crate) dictionary: Option<DictionaryFile>,
    /// FIXT's own, and those of its application messages: of no version is the session's `default_appl_ver_id`.
    pub(crate) transport: Option<DictionaryFile>,
    pub(crate) applications: Vec<(Option<ApplVerId>, DictionaryFile)>,
    pub(crate) checks: Checks,
    /// What does not conform is answered by a Reject; otherwise it is counted.
    pub(crate) rejects: bool,
    /// A field's value may be none of those that the dictionary lists.
    pub(crate) allow_unknown_enum_values: bool,
}

impl Default for ValidationSettings {
    fn default() -> ValidationSettings {
        ValidationSettings {
            used: true,
            dictionary: None,
            transport: None,
            applications: Vec::new(),
            checks: Checks::default(),
            rejects: true,
            allow_unknown_enum_values: false,
        }
    }
}

impl ValidationSettings {
    /// Those of a session: without the dictionaries that are named for all, or for it, where they are not to be used.
    pub(super) fn of_session(self) -> ValidationSettings {
        if self.used {
            return self;
        }
        let ValidationSettings { checks, rejects, allow_unknown_enum_values, .. } = self;
        ValidationSettings { checks, rejects, allow_unknown_enum_values, ..Default::default() }
    }

    pub(super) fn has_any(&self) -> bool {
        self.dictionary.is_some() || self.transport.is_some()
    }
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
        let path = |key, text: &str, span: Range<usize>| {
            if text.is_empty() {
                return Err(file.error(
                    span,
                    format!("`{key}` is \"\""),
                    "write the path of a dictionary in QuickFIX's XML form, or delete the line",
                ));
            }
            // A path is counted from the folder of the file that has it.
            let is_embedded = text.starts_with(text_file::EMBEDDED);
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let line = file.error(span, String::new(), "").line;
            let named_at = format!("{}:{line}", file.path);
            let path = if is_embedded { text.into() } else { folder.join(text) };
            Ok(DictionaryFile { path, named_at })
        };
        let of = |key, text: &Option<Spanned<String>>| {
            text.as_ref().map(|text| path(key, text.get_ref(), text.span())).transpose()
        };
        let dictionary = of("data_dictionary", &self.data_dictionary)?;
        let transport = of("transport_data_dictionary", &self.transport_data_dictionary)?;
        let mut applications = Vec::new();
        if let Some(said) = &self.app_data_dictionary {
            match said.get_ref() {
                AppDictionaries::One(text) => {
                    applications.push((None, path("app_data_dictionary", text, said.span())?));
                }
                AppDictionaries::ByVersion(by_version) => {
                    for (name, text) in by_version {
                        let version = ApplVerId::ALL.into_iter().find(|id| id.name() == *name);
                        let Some(version) = version else {
                            return Err(file.error(
                                said.span(),
                                format!("`app_data_dictionary` has one of {name:?}"),
                                "write { \"FIX.5.0SP2\" = \"FILE.xml\" }, or another version from FIX.4.0 on",
                            ));
                        };
                        let file = path("app_data_dictionary", text, said.span())?;
                        applications.push((Some(version), file));
                    }
                }
            }
        }
        let said = |switch: &Option<Spanned<bool>>, base| {
            switch.as_ref().map_or(base, |said| *said.get_ref())
        };
        let checks = Checks {
            fields_out_of_order: said(
                &self.validate_fields_out_of_order,
                base.checks.fields_out_of_order,
            ),
            fields_have_values: said(
                &self.validate_fields_have_values,
                base.checks.fields_have_values,
            ),
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
        };
        let applications = if applications.is_empty() { base.applications } else { applications };
        Ok(ValidationSettings {
            used: self.use_data_dictionary.unwrap_or(base.used),
            dictionary: dictionary.or(base.dictionary),
            transport: transport.or(base.transport),
            applications,
            checks,
            rejects: said(&self.reject_invalid_message, base.rejects),
            allow_unknown_enum_values: said(
                &self.allow_unknown_enum_values,
                base.allow_unknown_enum_values,
            ),
        })
    }

    /// The first of its switches that is written, by its key.
    fn switch(&self) -> Option<(Range<usize>, &'static str)> {
        [
            (&self.validate_fields_out_of_order, "validate_fields_out_of_order"),
            (&self.validate_fields_have_values, "validate_fields_have_values"),
            (&self.validate_user_defined_fields, "validate_user_defined_fields"),
            (&self.allow_unknown_msg_fields, "allow_unknown_msg_fields"),
            (&self.validate_unordered_group_fields, "validate_unordered_group_fields"),
            (&self.allow_unknown_enum_values, "allow_unknown_enum_values"),
            (&self.reject_invalid_message, "reject_invalid_message"),
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
        match self.switch() {
            Some((span, key)) if !settings.has_any() => Err(file.error(
                span,
                format!("`{key}` is of no use without `data_dictionary`"),
                "write data_dictionary = \"FILE.xml\" beside it, or delete it",
            )),
            _ => Ok(()),
        }
    }
}
