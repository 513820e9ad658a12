//! The lines of a file of QuickFIX's, one by one: what is neither comment, heading nor setting is refused.

use std::ops::Range;

use fixwire::offload::toml_file::{TomlError, TomlFile, nearest};

use super::keys::{KEYS, Meaning, meaning_of};

/// What a file has in one place.
pub(super) struct Setting<'a> {
    /// The section that it stands in, by its place among them.
    pub(super) section: usize,
    /// The key, as QuickFIX spells it.
    pub(super) name: &'a str,
    pub(super) value: String,
    pub(super) meaning: Meaning,
    pub(super) span: Range<usize>,
}

/// A line of the file.
pub(super) enum Line<'a> {
    /// A comment, or nothing.
    Other(&'a str),
    Heading(&'static str),
    Setting(Setting<'a>),
}

impl Setting<'_> {
    /// Its value, where it is no secret.
    pub(super) fn shown(&self) -> &str {
        let is_secret = self.name.contains("Password") || self.name.starts_with("LogonTag");
        if is_secret { "***" } else { &self.value }
    }
}

/// A section of a file: where it begins, and whether it is a session.
pub(super) type Section = (Range<usize>, bool);

/// Every line of a file, and its sections. Variables are looked up by `variable`.
pub(super) fn read<'a>(
    file: &'a TomlFile,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(Vec<Line<'a>>, Vec<Section>), TomlError> {
    let mut lines = Vec::new();
    let mut sections: Vec<Section> = Vec::new();
    let mut at = 0;
    for line in file.text.split_inclusive('\n') {
        let span = at..at + line.trim_end().len();
        at += line.len();
        let line = line.trim();
        lines.push(if line.is_empty() || line.starts_with('#') {
            Line::Other(line)
        } else if line.starts_with('[') {
            heading(file, line, span, &mut sections)?
        } else {
            Line::Setting(setting(file, line, span, sections.len(), variable)?)
        });
    }
    Ok((lines, sections))
}

fn heading<'a>(
    file: &TomlFile,
    line: &str,
    span: Range<usize>,
    sections: &mut Vec<Section>,
) -> Result<Line<'a>, TomlError> {
    let is_session = line.eq_ignore_ascii_case("[SESSION]");
    if !is_session && !line.eq_ignore_ascii_case("[DEFAULT]") {
        let what = format!("{line} is no heading here");
        return Err(file.error(span, what, "write [DEFAULT] or [SESSION]"));
    }
    if !is_session && sections.iter().any(|(_, is_session)| !is_session) {
        return Err(file.error(
            span,
            "[DEFAULT] comes a second time".into(),
            "put what it has under the first one",
        ));
    }
    sections.push((span, is_session));
    Ok(Line::Heading(if is_session { "[[session]]" } else { "[default]" }))
}

fn setting<'a>(
    file: &TomlFile,
    line: &'a str,
    span: Range<usize>,
    sections: usize,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Setting<'a>, TomlError> {
    let error = |what: String, remedy: &str| Err(file.error(span.clone(), what, remedy));
    let Some((key, value)) = line.split_once('=') else {
        return error(
            format!("{line:?} is neither a setting nor a heading"),
            "write KEY=VALUE, or put # before a comment",
        );
    };
    let (key, value) = (key.trim(), value.trim());
    let Some(section) = sections.checked_sub(1) else {
        return error(
            format!("`{key}` stands before [DEFAULT] and [SESSION]"),
            "put it under one of them",
        );
    };
    let Some((name, meaning)) = meaning_of(key) else {
        return error(format!("unknown key `{key}`"), &nearest_key(key));
    };
    match expanded(value, variable) {
        Ok(value) => Ok(Setting { section, name, value, meaning, span }),
        Err(name) => error(
            format!("`{key}` names the variable {name}, which is not set"),
            "set it in the environment, or write its value here",
        ),
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

fn nearest_key(key: &str) -> String {
    let names = KEYS.iter().map(|(name, _)| *name);
    let said = nearest(key, names);
    match said.split_once(" (known") {
        Some((near, _)) => near.to_owned(),
        None => "delete it, or look for its name in docs/sessions.md".to_owned(),
    }
}
