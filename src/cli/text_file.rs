//! Files that people write: profiles, settings of sessions, and data dictionaries.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use fixwire::fix::dictionary::FILE_BYTES_MAX;

/// The longest file that is read, in bytes: many times what a thousand sessions take.
const LEN_MAX: u64 = 1024 * 1024;

/// Why a file cannot be read.
pub(crate) struct Unreadable {
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) remedy: &'static str,
}

/// Reads a file whole.
pub(crate) fn read(path: &Path) -> Result<String, Unreadable> {
    read_within(path, LEN_MAX)
}

/// Reads a file whole that may have so many bytes, some MiB.
pub(crate) fn read_within(path: &Path, len_max: u64) -> Result<String, Unreadable> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(len_max + 1).read_to_end(&mut bytes))?;
    if bytes.len() as u64 > len_max {
        let why = format!("it is longer than {} MiB", len_max / (1024 * 1024));
        return Err(Unreadable { why, remedy: "shorten it" });
    }
    String::from_utf8(bytes)
        .map_err(|_| Unreadable { why: "it is not UTF-8".into(), remedy: "save it as UTF-8" })
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Unreadable {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => "make it readable for this user",
            _ => "check the path",
        };
        Unreadable { why: error.to_string(), remedy }
    }
}

/// What stands before the name of a dictionary that comes with the program, in place of a path.
pub(crate) const EMBEDDED: &str = "embedded:";

/// The text of a data dictionary: of a file, or of one that comes with the program.
pub(crate) fn read_dictionary(path: &Path) -> Result<String, Unreadable> {
    match path.to_str().and_then(|path| path.strip_prefix(EMBEDDED)) {
        Some(name) => embedded(name),
        None => read_within(path, FILE_BYTES_MAX as u64),
    }
}

#[cfg(feature = "embedded")]
fn embedded(name: &str) -> Result<String, Unreadable> {
    use super::embedded;

    embedded::xml(name).ok_or_else(|| Unreadable {
        why: format!("those that come with the program are {}", embedded::names()),
        remedy: "name one of them, or a file",
    })
}

#[cfg(not(feature = "embedded"))]
fn embedded(_name: &str) -> Result<String, Unreadable> {
    Err(Unreadable {
        why: "this program was built without the feature `embedded`".into(),
        remedy: "name a file, or build it with that feature",
    })
}
