//! Why a journal is not taken up, in words that say what to do.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::fix::store::journal::{Intact, NotAHeader, Refused, VERSION, in_words};

/// Why a journal is not taken up. What was there is as it was.
#[derive(Debug)]
pub enum OpenError {
    /// The file system refused.
    Io {
        /// What was looked for.
        path: PathBuf,
        /// Its words.
        why: String,
        /// What to do about it.
        remedy: &'static str,
    },
    /// Another process has it.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter or longer than it says to be.
    Length {
        /// The file.
        path: PathBuf,
        /// How long it is, in bytes.
        len: u64,
        /// How long it is to be at least.
        expected: u64,
    },
    /// Something is wrong with what it holds.
    Refused {
        /// The file.
        path: PathBuf,
        /// What.
        refused: Refused,
    },
    /// The disk refused what was written.
    Failed {
        /// The file.
        path: PathBuf,
        /// Its words.
        why: String,
    },
}

impl OpenError {
    pub(super) fn io(path: &Path, error: &io::Error) -> OpenError {
        let remedy = match error.kind() {
            ErrorKind::PermissionDenied => {
                "let this user read and write there, or name another folder"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "make room on the disk, or write less `size_mib`"
            }
            ErrorKind::NotFound => "check the path",
            ErrorKind::AlreadyExists => "name a file that is not there yet",
            ErrorKind::Unsupported | ErrorKind::InvalidInput => {
                "name a folder on a disk of this machine: its file system must map files and reserve room"
            }
            _ => "check the path and the disk",
        };
        OpenError::Io { path: path.to_owned(), why: error.to_string(), remedy }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Io { path, why, remedy } => {
                write!(f, "the store {}: {why}; {remedy}", path.display())
            }
            OpenError::InUse { path } => write!(
                f,
                "the store {} is in use by another process; end that one, or give this session another folder",
                path.display()
            ),
            OpenError::Length { path, len, expected } => write!(
                f,
                "the store {path} is {len} bytes long and begins as one of {expected}: it was cut, or is a copy \
                 that is not whole. Nothing was changed; {salvage}",
                path = path.display(),
                salvage = Salvage(path)
            ),
            OpenError::Failed { path, why } => write!(
                f,
                "the store {} cannot be written: {why}; look at its disk and the kernel's log",
                path.display()
            ),
            OpenError::Refused { path, refused } => refusal(f, path, refused),
        }
    }
}

impl std::error::Error for OpenError {}

fn refusal(f: &mut fmt::Formatter<'_>, path: &Path, refused: &Refused) -> fmt::Result {
    let shown = path.display();
    match refused {
        Refused::NotAJournal(NotAHeader::Magic) => write!(
            f,
            "{shown} is no store of fixwire's: neither its first nor its last page begins as one; name another \
             folder, or move the file away"
        ),
        Refused::NotAJournal(NotAHeader::Version(version)) => write!(
            f,
            "the store {shown} is of version {version}, and this program reads version {VERSION}; use the program \
             that wrote it"
        ),
        Refused::NotAJournal(NotAHeader::Damaged) => write!(
            f,
            "the store {shown} is damaged at byte 0 on: neither copy of its header is whole, so that nothing in it \
             can be proven; restore it from a copy, or move it away and agree with the counterparty on the numbers"
        ),
        Refused::OfAnother(identity) => write!(
            f,
            "the store {shown} is of the session {}, and not of this one; give each session its own folder, or \
             name the file as it was",
            String::from_utf8_lossy(identity).replace('\x01', " ")
        ),
        Refused::Failed => write!(f, "the store {shown} cannot be written; look at its disk"),
        Refused::Damaged { damage, intact } => {
            write!(f, "the store {shown} is damaged: ")?;
            for (place, damage) in damage.iter().take(3).enumerate() {
                write!(f, "{}{damage}", if place > 0 { "; " } else { "" })?;
            }
            if damage.len() > 3 {
                write!(f, "; and {} more places", damage.len() - 3)?;
            }
            write!(f, ". Intact: {}. Nothing was changed; {}", Whole(intact), Salvage(path))
        }
    }
}

/// What is whole, in words.
struct Whole<'a>(&'a Intact);

impl fmt::Display for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Intact { messages, numbers, resumption } = self.0;
        write!(f, "{messages} messages")?;
        if let Some((least, greatest)) = numbers {
            write!(f, " (MsgSeqNum {})", in_words(&(*least..=*greatest)))?;
        }
        let (next_out, next_in) = (resumption.next_out, resumption.next_in);
        write!(f, ", from which the numbers follow: next out {next_out}, next in {next_in}")
    }
}

/// The command that makes a new journal of what is left.
struct Salvage<'a>(&'a Path);

impl fmt::Display for Salvage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.display();
        write!(
            f,
            "`fixwire store verify {path}` lists all of it, and `fixwire store salvage {path} {path}.salvaged` \
             writes what is intact to a new store, to be put in its place"
        )
    }
}
