//! Any text is a session file, ours or QuickFIX's: it is refused with line, reason and remedy, or read, and what QuickFIX's becomes
//! has its lines.

use fixwire::offload::toml_file::{TomlError, TomlFile};

use super::{Purpose, SessionFile, quickfix};

/// Reads `bytes` as a session file of either kind, for either side.
pub(crate) fn play(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let lines = text.lines().count().max(1);
    let file = |text| TomlFile { name: "s".into(), path: "s.cfg".into(), text };
    let is_well_said = |error: TomlError| {
        let is_there = (1..=lines + 1).contains(&error.line);
        assert!(is_there && !error.what.is_empty() && !error.remedy.is_empty(), "{error}");
    };
    for purpose in [Purpose::Trade, Purpose::Accept] {
        if let Err(error) = SessionFile::read(&file(text.clone()), purpose) {
            is_well_said(error);
        }
        let here = |name: &str| (name == "HERE").then(|| "LONDON".to_owned());
        match quickfix::translate(&file(text.clone()), purpose, &here) {
            Err(error) => is_well_said(error),
            Ok(translation) => {
                assert_eq!(translation.toml.lines().count(), text.lines().count(), "line for line");
                let read = SessionFile::read(&file(translation.toml), purpose);
                read.map_err(quickfix::in_its_words).map_or_else(is_well_said, |_| ());
            }
        }
    }
}
