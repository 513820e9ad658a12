//! QuickFIX's settings files, read as they are: each line becomes one of ours in the same place, so that whatever is
//! wrong with it is told by its own number.

mod dictionaries;
mod hosts;
mod keys;
mod lines;
mod logon_tags;
mod store;
#[cfg(test)]
mod tests;
mod translate;
mod whole;

use std::ops::Range;
use std::path::Path;

use fixwire::offload::toml_file::{TomlError, TomlFile};

use super::Purpose;
use keys::{KEYS, ours};
use lines::{Line, Setting};
use translate::Said;
use whole::Whole;

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

/// The file in our own words. Variables are looked up by `variable`. As an acceptor of QuickFIX's leaves out the sessions that
/// are initiators, so does `accept`.
pub(crate) fn translate(
    file: &TomlFile,
    purpose: Purpose,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Translation, TomlError> {
    let (lines, sections) = lines::read(file, variable)?;
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
                let left_out = headings.next().filter(|section| whole.leaves_out(*section));
                left_out.map_or_else(
                    || (*heading).to_owned(),
                    |section| {
                        let why = "this session is left out: it is an initiator, and `accept` connects to nobody";
                        translation.warn(file, &sections[section].0, why);
                        "# [SESSION]".to_owned()
                    },
                )
            }
            Line::Setting(setting) if whole.leaves_out(setting.section) => {
                format!("# {}={}", setting.name, setting.shown())
            }
            Line::Setting(setting) => match whole.translated(setting)? {
                Said::Key(line) => line,
                Said::Nearly(line, does) => {
                    let what = format!("`{}` is {}, and {does}", setting.name, setting.shown());
                    translation.warn(file, &setting.span, &what);
                    line
                }
                Said::Implied => format!("# {}={}", setting.name, setting.shown()),
                Said::Of(why) => {
                    let name = setting.name;
                    let what = format!("`{name}` has no meaning here: {why}");
                    translation.warn(file, &setting.span, &what);
                    format!("# {name}={}: {why}", setting.shown())
                }
            },
        };
        translation.toml += line.trim_end();
        translation.toml.push('\n');
    }
    Ok(translation)
}

impl Translation {
    fn warn(&mut self, file: &TomlFile, place: &Range<usize>, what: &str) {
        let at = file.error(place.clone(), String::new(), "");
        self.warnings.push(format!("{}:{}: {what}", at.path, at.line));
    }
}

/// A TOML string.
fn quoted(value: &str) -> String {
    toml::Value::from(value).to_string()
}
