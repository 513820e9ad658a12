//! A TOML text that knows where it comes from, so that every mistake in it is one sentence with
//! file, line and remedy.

use core::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;

/// A TOML text, and where it comes from.
#[derive(Clone, Debug)]
pub struct TomlFile {
    /// The name that its content is shown by.
    pub name: String,
    /// What an error calls it: its path.
    pub path: String,
    /// The TOML.
    pub text: String,
}

/// What is wrong with a file: one sentence with file, line and remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}:{line}: {what}; {remedy}")]
pub struct TomlError {
    /// The file.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl TomlFile {
    /// Reads the whole text as a `T`, whose unknown keys are refused. `where_keys_are` is told to
    /// one who wrote something that no `T` is.
    ///
    /// # Errors
    /// The first mistake.
    pub fn parse<T: DeserializeOwned>(&self, where_keys_are: &str) -> Result<T, TomlError> {
        toml::from_str(&self.text).map_err(|error| {
            let message = error.message().lines().collect::<Vec<_>>().join(" ");
            let span = error.span().unwrap_or(0..0);
            match unknown_key(&message) {
                Some((key, known)) => self.error(
                    span,
                    format!("unknown key `{key}`"),
                    &nearest(key, known.iter().copied()),
                ),
                None => {
                    let key = self.key_at(span.start).map(|key| format!("`{key}`"));
                    match (key, message.split_once("; ")) {
                        // Said by a type of ours: what is there, and what to write.
                        (Some(key), Some((what, remedy)))
                            if ["is ", "has "].iter().any(|verb| what.starts_with(verb)) =>
                        {
                            self.error(span, format!("{key} {what}"), remedy)
                        }
                        (key, _) => {
                            let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
                            let remedy = format!("correct the line; {where_keys_are}");
                            self.error(span, format!("{key}{message}"), &remedy)
                        }
                    }
                }
            }
        })
    }

    /// The key on the line of a place in the text.
    fn key_at(&self, at: usize) -> Option<&str> {
        let start = self.text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
        let (key, _) = self.text.get(start..)?.lines().next()?.split_once('=')?;
        Some(key.trim())
    }

    /// A value that its key does not take.
    pub fn bad_value(&self, value: &Spanned<String>, key: &str, remedy: &str) -> TomlError {
        self.error(value.span(), format!("`{key}` is {:?}", value.get_ref()), remedy)
    }

    /// A mistake at a place in the text.
    pub fn error(&self, span: Range<usize>, what: String, remedy: &str) -> TomlError {
        let before = self.text.get(..span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        TomlError { path: self.path.clone(), line, what, remedy: remedy.to_owned() }
    }
}

/// Takes serde's words for an unknown key apart: the key, and those that are known.
fn unknown_key(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

/// A remedy for a misspelt word: the nearest known one, and all of them.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    match known.min_by_key(|candidate| edit_distance(word, candidate)) {
        Some(near) if edit_distance(word, near) <= 3 => {
            format!("did you mean `{near}`? (known here: {all})")
        }
        _ => format!("delete it, or use one that is known here: {all}"),
    }
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_insertions_deletions_and_substitutions() {
        for (a, b, distance) in [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)] {
            assert_eq!(edit_distance(a, b), distance);
        }
    }

    #[test]
    fn a_misspelt_word_gets_the_nearest_and_a_strange_one_gets_all() {
        let known = ["heart_bt_int", "begin_string"];
        assert!(
            nearest("heartbt_int", known.into_iter()).starts_with("did you mean `heart_bt_int`?")
        );
        assert!(nearest("colour", known.into_iter()).contains("heart_bt_int, begin_string"));
    }
}
