//! A profile laid over those that it extends: each value, and which of them it comes from.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::Profile;
use crate::toml_file::{TomlError, TomlFile};

/// A value of a merged profile, and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The key with the names of its tables: `offloads.rx_timestamp`.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The profile it was written in: a built-in one's name, or a file's path.
    pub from: String,
    /// The line there, counted from 1.
    pub line: usize,
}

/// A profile, and where each value of it comes from.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The profile.
    pub profile: Profile,
    /// Every value, in the order of the default profile.
    pub settings: Vec<Setting>,
}

/// Values by key, the later laid over the earlier.
#[derive(Default)]
pub(super) struct Layers {
    settings: Vec<Setting>,
    /// The paths of the files, in the order in which they were laid.
    files: Vec<String>,
}

impl Layers {
    /// Lays the values of a file over those that are there.
    pub(super) fn lay(&mut self, file: &TomlFile) -> Result<(), TomlError> {
        for setting in settings_of(file)? {
            match self.settings.iter_mut().find(|known| known.key == setting.key) {
                Some(known) => *known = setting,
                None => self.settings.push(setting),
            }
        }
        self.files.push(file.path.clone());
        Ok(())
    }

    /// Which of the values of `keys` was written in the file that was laid last; of two of one file, the
    /// one that is named first.
    pub(super) fn last_written(&self, keys: &[&str]) -> Option<&Setting> {
        let layer = |setting: &&Setting| self.files.iter().position(|file| *file == setting.from);
        let of = |key: &&str| self.settings.iter().find(|setting| setting.key == **key);
        keys.iter().rev().filter_map(of).max_by_key(layer)
    }

    /// All of it as one text's table, but for the rules, which are read where they are written.
    pub(super) fn table(&self) -> Table {
        let mut whole = Table::new();
        let plain = self.settings.iter().filter(|setting| setting.key != "steering");
        for Setting { key, value, .. } in plain {
            insert(&mut whole, key, value);
        }
        whole
    }

    pub(super) fn into_settings(self) -> Vec<Setting> {
        self.settings
    }
}

fn insert(table: &mut Table, key: &str, value: &Value) {
    let Some((name, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value.clone());
        return;
    };
    let inner = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = inner {
        insert(inner, rest, value);
    }
}

/// A file's values in the order they are written in. Its text has been read as a profile already.
fn settings_of(file: &TomlFile) -> Result<Vec<Setting>, TomlError> {
    let unreadable = |error: toml::de::Error| {
        let span = error.span().unwrap_or(0..0);
        file.error(span, error.message().to_owned(), "correct the line")
    };
    let values: Table = toml::from_str(&file.text).map_err(unreadable)?;
    let spans = DeTable::parse(&file.text).map_err(unreadable)?;
    let mut places = BTreeMap::new();
    note_places("", spans.get_ref(), &mut places);
    let mut settings = Vec::new();
    note_values("", &values, &mut |key, value| {
        let at = places.get(&key).copied().unwrap_or(0);
        let line = file.error(at..at, String::new(), "").line;
        settings.push((at, Setting { key, value: value.clone(), from: file.path.clone(), line }));
    });
    settings.sort_by_key(|(at, _)| *at);
    Ok(settings
        .into_iter()
        .map(|(_, setting)| setting)
        .filter(|set| set.key != "extends")
        .collect())
}

fn note_places(prefix: &str, table: &DeTable<'_>, places: &mut BTreeMap<String, usize>) {
    for (name, value) in table {
        let key = join(prefix, name.get_ref());
        places.insert(key.clone(), Spanned::span(name).start);
        if let DeValue::Table(inner) = value.get_ref() {
            note_places(&key, inner, places);
        }
    }
}

fn note_values(prefix: &str, table: &Table, note: &mut impl FnMut(String, &Value)) {
    for (name, value) in table {
        let key = join(prefix, name);
        match value {
            Value::Table(inner) => note_values(&key, inner, note),
            _ => note(key, value),
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}
