//! The host's time: how right the kernel takes its own clock to be, and whether a PTP hardware clock (PHC) keeps TAI, UTC, or neither.
//!
//! Nothing here is for the packet's path: a look takes tens of µs and reads the device's registers.

mod steps;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::sys;
use crate::sys::ptp::{self, Bracket};

pub use steps::{Beside, Steps};

/// Since 2017 (IERS Bulletin C 52).
pub const TAI_AHEAD_S: i32 = 37;

const NS_PER_S: i128 = 1_000_000_000;
/// How far a clock that somebody steers may stand from the system's, besides what both may be wrong by.
const NEAR_NS: i128 = 1_000_000;
/// What the kernel's word on its own error is believed up to: far more, and every clock that was set once would keep UTC.
const ERROR_BELIEVED_US: u64 = 100_000;

/// What the kernel knows of its own time of day, CLOCK_REALTIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelTime {
    /// Somebody steers it, and did of late (no STA_UNSYNC).
    pub is_synchronised: bool,
    /// As far as it may be wrong, in µs; it grows while nobody steers.
    pub error_max_us: u64,
    /// As far as it probably is, by whoever steers it, in µs.
    pub error_estimated_us: u64,
    /// How far TAI is ahead, in s. Nobody has told every kernel.
    pub tai_ahead_s: Option<i32>,
}

impl KernelTime {
    /// Asks the kernel (adjtimex(2)). It takes no privilege.
    ///
    /// # Errors
    /// Where a sandbox forbids the call.
    pub fn read() -> io::Result<KernelTime> {
        let adjusted = ptp::adjusted()?;
        Ok(KernelTime {
            is_synchronised: adjusted.status & libc::STA_UNSYNC == 0,
            error_max_us: adjusted.error_max_us.try_into().unwrap_or_default(),
            error_estimated_us: adjusted.error_estimated_us.try_into().unwrap_or_default(),
            tai_ahead_s: Some(adjusted.tai_s).filter(|s| *s != 0),
        })
    }
}

/// How far one clock is ahead of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// In ns; less than 0 where it is behind.
    pub by_ns: i128,
    /// As far as that may be wrong, in ns: half of what passed while both were read.
    pub within_ns: u64,
}

impl Ahead {
    /// By the narrowest of these; one about which the host's clock was set back says nothing.
    fn narrowest(brackets: &[Bracket]) -> Option<Ahead> {
        let widths =
            brackets.iter().map(|[before, device, after]| (after - before, before, device));
        let (width, before, device) = widths.filter(|(width, ..)| *width >= 0).min()?;
        let half = width - width / 2;
        let within_ns = u64::try_from(half).ok()?;
        Some(Ahead { by_ns: device - (before + half), within_ns })
    }
}

/// Which time a clock keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// UTC, as the system's time.
    Utc,
    /// TAI.
    Tai {
        /// How far it is ahead of UTC, in s.
        ahead_s: i32,
        /// The kernel says so; otherwise it is what holds since 2017.
        by_kernel: bool,
    },
    /// Neither: nobody steers it, or by another time.
    Own,
}

/// A hardware clock, held against the system's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhcTime {
    /// How far ahead of it.
    pub ahead: Ahead,
    /// Which time that makes it.
    pub keeps: Keeps,
    /// Somebody steers the system's time, so that this is more than a likeness.
    pub by_steered: bool,
}

impl PhcTime {
    /// Which time a clock keeps that is so far ahead of the system's, as the kernel stands. A clock is near a time within a millisecond,
    /// `ahead`'s bound, and what the kernel says that its own may be wrong by, of that 100 ms at most.
    pub fn of(ahead: Ahead, kernel: Option<&KernelTime>) -> PhcTime {
        let error_us = kernel.map_or(0, |kernel| kernel.error_max_us.min(ERROR_BELIEVED_US));
        let near_ns = NEAR_NS + i128::from(ahead.within_ns) + i128::from(error_us) * 1_000;
        let known = kernel.and_then(|kernel| kernel.tai_ahead_s);
        let ahead_s = known.unwrap_or(TAI_AHEAD_S);
        let is_near = |s: i32| (ahead.by_ns - i128::from(s) * NS_PER_S).abs() <= near_ns;
        let keeps = if is_near(0) {
            Keeps::Utc
        } else if is_near(ahead_s) {
            Keeps::Tai { ahead_s, by_kernel: known.is_some() }
        } else {
            Keeps::Own
        };
        PhcTime { ahead, keeps, by_steered: kernel.is_some_and(|kernel| kernel.is_synchronised) }
    }

    /// How far it is ahead of the time that it keeps, as the system's has that, or of the system's time itself, in ns.
    pub fn off_ns(&self) -> i128 {
        let Keeps::Tai { ahead_s, .. } = self.keeps else { return self.ahead.by_ns };
        self.ahead.by_ns - i128::from(ahead_s) * NS_PER_S
    }
}

impl fmt::Display for PhcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (off_ns, within_ns) = (self.off_ns(), self.ahead.within_ns);
        match self.keeps {
            Keeps::Utc => f.write_str("keeps UTC, ")?,
            Keeps::Tai { ahead_s, by_kernel: true } => {
                write!(f, "keeps TAI, {ahead_s} s ahead as the kernel says, but for ")?;
            }
            Keeps::Tai { ahead_s, by_kernel: false } => {
                write!(
                    f,
                    "keeps TAI, {ahead_s} s ahead, which fits though the kernel was not told, but for "
                )?;
            }
            Keeps::Own => f.write_str("keeps a time of its own, ")?,
        }
        write!(f, "{off_ns:+} ns ± {within_ns} ns from the system's time")?;
        if self.by_steered { Ok(()) } else { f.write_str(", which nobody is known to steer") }
    }
}

/// A PTP hardware clock of the kernel's.
#[derive(Debug)]
pub struct PtpClock {
    path: PathBuf,
    file: File,
}

impl PtpClock {
    /// Opens `/dev/ptpN`, to read it alone.
    ///
    /// # Errors
    /// That it is not there, or not for this user.
    pub fn open(path: &Path) -> io::Result<PtpClock> {
        Ok(PtpClock { file: File::open(path)?, path: path.to_owned() })
    }

    /// The one that the hardware of the interface of this name stamps by, in the namespace that the thread is in.
    ///
    /// # Errors
    /// [`PtpError`].
    pub fn of_interface(name: &str) -> Result<PtpClock, PtpError> {
        let untold = |source| PtpError::Untold { name: name.to_owned(), source };
        let socket = sys::control_socket().map_err(untold)?;
        let index = ptp::phc_index(socket.as_fd(), name).map_err(untold)?;
        if index < 0 {
            return Err(PtpError::NoClock { name: name.to_owned() });
        }
        let path = PathBuf::from(format!("/dev/ptp{index}"));
        PtpClock::open(&path).map_err(|source| PtpError::NotOpened { path, source })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How far it is ahead of the system's time (CLOCK_REALTIME), by the narrowest of 25 brackets.
    ///
    /// # Errors
    /// Those of the driver, and that the system's time went back about each of them.
    pub fn ahead(&self) -> io::Result<Ahead> {
        let brackets =
            ptp::brackets(self.file.as_fd()).or_else(|error| match error.raw_os_error() {
                // The kernel, or the driver, is older than it.
                Some(libc::ENOTTY | libc::EOPNOTSUPP | libc::EINVAL) => {
                    ptp::brackets_of_calls(self.file.as_fd())
                }
                _ => Err(error),
            })?;
        Ahead::narrowest(&brackets).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// It beside the raw monotonic clock, which nobody steers, by the narrowest of three brackets.
    ///
    /// # Errors
    /// Those of the driver.
    pub fn beside(&self) -> io::Result<Beside> {
        let mut brackets = [[0; 3]; 3];
        for bracket in &mut brackets {
            *bracket = ptp::bracket_by_raw(self.file.as_fd())?;
        }
        let ahead = Ahead::narrowest(&brackets).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Beside { host_ns: brackets[2][2], ahead })
    }
}

/// Why an interface's hardware clock is not read.
#[derive(Debug, thiserror::Error)]
pub enum PtpError {
    /// The driver does not say which it is.
    #[error("{name}'s driver does not say which clock it stamps by ({source})")]
    Untold {
        /// The interface.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
    /// There is none.
    #[error("{name} has no clock that the kernel shows (`ethtool -T {name}`)")]
    NoClock {
        /// The interface.
        name: String,
    },
    /// It is not for us.
    #[error("{} cannot be opened ({source}): {}", path.display(), remedy(source))]
    NotOpened {
        /// The clock.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
}

/// What helps where a clock cannot be opened or read.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "run as root, or give the clocks to a group by a rule of udev's, `SUBSYSTEM==\"ptp\", GROUP=\"ptp\", MODE=\"0640\"`"
        }
        io::ErrorKind::NotFound => "give the container the device, `--device /dev/ptpN`",
        _ => "`phc_ctl /dev/ptpN cmp` (linuxptp), `dmesg | grep -i ptp`",
    }
}

#[cfg(test)]
mod tests;
