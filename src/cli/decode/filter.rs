//! Which messages are wanted.

use fixwire::fix::tags;

use super::names::Names;
use super::record::Record;

/// What a message must have to be shown. Everything that was asked for counts; of several types one.
#[derive(Debug, Default)]
pub(super) struct Filter {
    pub(super) types: Vec<Vec<u8>>,
    pub(super) sender: Option<String>,
    pub(super) target: Option<String>,
    pub(super) seq: Option<(u64, u64)>,
    pub(super) contains: Vec<(u32, Pattern)>,
    pub(super) is_damaged: bool,
}

/// A value, of which `*` at either end stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: Vec<u8>,
    begins_anyhow: bool,
    ends_anyhow: bool,
}

impl Pattern {
    fn of(written: &str) -> Pattern {
        let inner = written.strip_prefix('*').unwrap_or(written);
        let text = inner.strip_suffix('*').unwrap_or(inner);
        Pattern {
            text: text.into(),
            begins_anyhow: written.starts_with('*'),
            ends_anyhow: inner.ends_with('*') || written == "*",
        }
    }

    fn fits(&self, value: &[u8]) -> bool {
        let text = &self.text[..];
        match (self.begins_anyhow, self.ends_anyhow) {
            (false, false) => value == text,
            (false, true) => value.starts_with(text),
            (true, false) => value.ends_with(text),
            (true, true) => text.is_empty() || value.windows(text.len()).any(|part| part == text),
        }
    }
}

impl Filter {
    /// Whether it is shown.
    pub(super) fn admits(&self, record: &Record<'_>) -> bool {
        let has = |tag, wanted: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| record.field(tag) == Some(wanted.as_bytes()))
        };
        let seq = || -> Option<u64> {
            std::str::from_utf8(record.field(tags::MSG_SEQ_NUM)?).ok()?.parse().ok()
        };
        let is_of_type = || {
            record.field(tags::MSG_TYPE).is_some_and(|of| self.types.iter().any(|one| one == of))
        };
        (!self.is_damaged || !record.damage.is_empty())
            && (self.types.is_empty() || is_of_type())
            && has(tags::SENDER_COMP_ID, &self.sender)
            && has(tags::TARGET_COMP_ID, &self.target)
            && self.seq.is_none_or(|(from, to)| seq().is_some_and(|seq| (from..=to).contains(&seq)))
            && self.contains.iter().all(|(tag, pattern)| {
                record.fields().any(|(found, value)| found == *tag && pattern.fits(value))
            })
    }

    /// Message types, each by its value or its name.
    pub(super) fn types(written: &[String], names: &Names) -> Vec<Vec<u8>> {
        // One that nobody has named is meant by its value.
        let of = |text: &String| names.msg_type(text).unwrap_or_else(|| text.clone().into_bytes());
        written.iter().map(of).collect()
    }

    /// `TAG=VALUE`, the tag by its number or its name.
    pub(super) fn field(written: &str, names: &Names) -> Result<(u32, Pattern), String> {
        let (tag, value) = written
            .split_once('=')
            .ok_or_else(|| format!("{written:?} has no `=`; write TAG=VALUE, such as 11=abc"))?;
        let tag = names.tag(tag).ok_or_else(|| {
            format!(
                "no field is called {tag:?}; write its number, or name a --dictionary that has it"
            )
        })?;
        Ok((tag, Pattern::of(value)))
    }
}

/// `N`, `N-M`, `N-` or `-M`.
pub(super) fn range(written: &str) -> Result<(u64, u64), String> {
    let number = |text: &str, otherwise| match text {
        "" => Ok(otherwise),
        text => text.parse().map_err(|_| format!("{text:?} is no number; write 7, 7-9, 7- or -9")),
    };
    match written.split_once('-') {
        None if written.is_empty() => Err("write 7, 7-9, 7- or -9".into()),
        None => number(written, 0).map(|one| (one, one)),
        Some((from, to)) => {
            let range = (number(from, 0)?, number(to, u64::MAX)?);
            if range.0 > range.1 {
                return Err(format!("{written:?} ends before it begins"));
            }
            Ok(range)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_at_an_end_stands_for_anything() {
        for (pattern, fits, not) in [
            ("abc", &["abc"][..], &["abcd", "", "xabc"][..]),
            ("abc*", &["abc", "abcd"], &["xabc"]),
            ("*abc", &["abc", "xabc"], &["abcd"]),
            ("*b*", &["abc", "b"], &["ac", ""]),
            ("*", &["", "a"], &[]),
            ("", &[""], &["a"]),
        ] {
            let of = Pattern::of(pattern);
            assert!(fits.iter().all(|value| of.fits(value.as_bytes())), "{pattern}");
            assert!(!not.iter().any(|value| of.fits(value.as_bytes())), "{pattern}");
        }
    }

    #[test]
    fn numbers_are_one_or_a_range() {
        for (written, expected) in
            [("7", (7, 7)), ("7-9", (7, 9)), ("7-", (7, u64::MAX)), ("-9", (0, 9))]
        {
            assert_eq!(range(written), Ok(expected));
        }
        assert!(range("9-7").is_err() && range("x").is_err() && range("").is_err());
    }
}
