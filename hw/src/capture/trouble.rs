//! What can go wrong with a capture file. None of it stops a session: it is said, and what is lost by
//! it is counted.

use std::io;
use std::path::PathBuf;

/// Why frames are missing from a capture file, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The file was not opened: nothing is captured.
    #[error("capture file {} cannot be opened: {source}; {}", path.display(), remedy(source))]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A named pipe that nobody read from while the capture went on.
    #[error("capture file {} is a pipe that nobody reads; start its reader first (`wireshark -k -i {}`)", path.display(), path.display())]
    NoReader {
        /// The pipe.
        path: PathBuf,
    },
    /// The file does not take any more; it was cut back to its last whole packet, and is tried again
    /// with later ones.
    #[error("capture file {} cannot be written: {source}; frames are lost until it can ({})", path.display(), remedy(source))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file takes no more and cannot be cut back to its last whole packet: it was given up.
    #[error("capture file {} cannot be written: {source}; the capture ends here ({})", path.display(), remedy(source))]
    GivenUp {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No thread could be started to write it.
    #[error(
        "no thread can be started to write the capture file: {0}; raise the process's limit (`ulimit -u`)"
    )]
    Thread(io::Error),
    /// The file took longer than the end of a run waits.
    #[error("capture file {} was still being written after {waited_s} s; choose one on a faster disk", path.display())]
    TooSlow {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        waited_s: u64,
    },
    /// The writer ended early.
    #[error("the writer of capture file {} ended early; this is a fault of fixwire's: please report it", path.display())]
    Ended {
        /// The file.
        path: PathBuf,
    },
}

fn remedy(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => "create its folder first",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to"
        }
        io::ErrorKind::IsADirectory => "name a file in that folder",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on its disk",
        io::ErrorKind::FileTooLarge => "raise the process's limit (`ulimit -f`)",
        io::ErrorKind::BrokenPipe | io::ErrorKind::WouldBlock => "keep its reader running",
        _ => "choose another file",
    }
}
