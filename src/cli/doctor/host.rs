//! What the host says of itself: small files beneath a root, and a few programs that are asked. Nothing is
//! ever written.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use fixwire_hw::ptp::{Ahead, KernelTime, PtpClock};

use super::program::{self, Answer};

/// How much of a file is read, in bytes: the kernel's longest table that is looked at, of routes, fits.
const LEN_MAX: u64 = 1024 * 1024;
/// How many names of a folder are taken: more than any host has interrupts.
const NAMES_MAX: usize = 16_384;

/// Something that the host does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Untold {
    /// There is no such file, folder or link.
    Absent { path: String },
    /// It is there, and not for this user.
    Forbidden { path: String },
    /// Reading it failed otherwise.
    Failed { path: String, why: String },
}

impl std::fmt::Display for Untold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Untold::Absent { path } => write!(f, "this kernel has no {path}"),
            Untold::Forbidden { path } => write!(f, "{path} is not readable for this user"),
            Untold::Failed { path, why } => write!(f, "{path} cannot be read: {why}"),
        }
    }
}

impl From<Untold> for String {
    fn from(untold: Untold) -> String {
        untold.to_string()
    }
}

impl Untold {
    fn new(path: &str, error: &io::Error) -> Untold {
        let path = format!("/{path}");
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Untold::Absent { path },
            ErrorKind::PermissionDenied => Untold::Forbidden { path },
            _ => Untold::Failed { path, why: error.to_string() },
        }
    }

    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Untold::Absent { .. })
    }
}

/// Asks a program by its name and arguments.
type Ask = Box<dyn Fn(&str, &[&str]) -> Answer>;

/// Reads how far the hardware clock at a path is ahead of the kernel's time.
type ReadPhc = Box<dyn Fn(&Path) -> io::Result<Ahead>>;

/// How the kernel is asked for times, which are in no file.
pub(crate) struct Times {
    /// What it knows of its own.
    pub(crate) kernel: Box<dyn Fn() -> io::Result<KernelTime>>,
    /// How far hardware clocks are ahead of that.
    pub(crate) phc: ReadPhc,
}

/// A host, rooted somewhere. Paths are beneath the root, without a slash in front.
pub(crate) struct Host {
    root: PathBuf,
    ask: Ask,
    times: Times,
}

impl Host {
    /// This machine.
    pub(crate) fn this() -> Host {
        let times = Times {
            kernel: Box::new(KernelTime::read),
            phc: Box::new(|path| PtpClock::open(path)?.ahead()),
        };
        Host::at(Path::new("/"), Box::new(program::ask), times)
    }

    /// A host whose files lie beneath `root`, and whose programs and clocks answer by `ask` and `times`.
    pub(crate) fn at(root: &Path, ask: Ask, times: Times) -> Host {
        Host { root: root.to_path_buf(), ask, times }
    }

    /// What a file says, without the space around it: its first mebibyte.
    pub(crate) fn text(&self, path: &str) -> Result<String, Untold> {
        self.head(path, LEN_MAX)
    }

    /// The first `len_max` bytes of a file, without the space around them.
    pub(crate) fn head(&self, path: &str, len_max: u64) -> Result<String, Untold> {
        let mut bytes = Vec::new();
        File::open(self.root.join(path))
            .and_then(|file| file.take(len_max).read_to_end(&mut bytes))
            .map_err(|error| Untold::new(path, &error))?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A file that is a number.
    pub(crate) fn number<T: std::str::FromStr>(&self, path: &str) -> Result<T, Untold> {
        let text = self.text(path)?;
        text.parse().map_err(|_| Untold::Failed {
            path: format!("/{path}"),
            why: format!("{text:?} is not a number of its kind"),
        })
    }

    /// The names in a folder, in order.
    pub(crate) fn names(&self, path: &str) -> Result<Vec<String>, Untold> {
        let entries =
            fs::read_dir(self.root.join(path)).map_err(|error| Untold::new(path, &error))?;
        let names = entries.take(NAMES_MAX).filter_map(Result::ok);
        let mut names: Vec<String> =
            names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    /// The last part of where a symbolic link leads, which the kernel names things by.
    pub(crate) fn link(&self, path: &str) -> Result<String, Untold> {
        let target =
            fs::read_link(self.root.join(path)).map_err(|error| Untold::new(path, &error))?;
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        name.ok_or_else(|| Untold::Absent { path: format!("/{path}") })
    }

    /// What the kernel knows of its own time.
    pub(crate) fn kernel_time(&self) -> io::Result<KernelTime> {
        (self.times.kernel)()
    }

    /// How far a hardware clock is ahead of that.
    pub(crate) fn phc_ahead(&self, path: &str) -> io::Result<Ahead> {
        (self.times.phc)(&self.root.join(path))
    }

    /// Asks a program that only reads.
    pub(crate) fn ask(&self, program: &str, arguments: &[&str]) -> Answer {
        (self.ask)(program, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::super::made_host::MadeHost;
    use super::*;

    #[test]
    fn a_long_file_is_read_to_the_bound_and_no_further() {
        let made = MadeHost::new().file("long", &"x".repeat(LEN_MAX as usize + 10));
        assert_eq!(made.host().text("long").unwrap().len() as u64, LEN_MAX);
        assert_eq!(made.host().head("long", 3).unwrap(), "xxx");
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_no_number() {
        let made = MadeHost::new().file("word", "many\n").file("few", " 3\n");
        let host = made.host();
        assert!(host.text("none").unwrap_err().is_absent());
        assert!(host.names("none").unwrap_err().is_absent());
        assert!(host.link("none").unwrap_err().is_absent());
        let sentence = host.number::<u32>("word").unwrap_err();
        assert!(!sentence.is_absent() && sentence.to_string().contains("\"many\""), "{sentence}");
        assert_eq!(host.number::<u32>("few"), Ok(3));
    }

    #[test]
    fn endless_devices_are_no_trap() {
        let host = Host::this();
        assert_eq!(host.text("dev/zero").unwrap().len() as u64, LEN_MAX);
    }
}
