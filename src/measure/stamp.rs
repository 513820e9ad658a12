//! A stamp says what it is: when, by which clock, in which timescale, and where it was taken.

use core::fmt;

use thiserror::Error;

use super::wire_time::{WireSpan, WireTime};

/// TAI - UTC since 2017 (IERS Bulletin C).
pub(super) const TAI_MINUS_UTC: WireSpan = WireSpan::from_s(37);

/// When something passed a point of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When, in the domain beside it.
    pub time: WireTime,
    /// By whose clock and in which timescale.
    pub domain: Domain,
    /// Where: the interface of whoever recorded, in the order in which the file names them, or the port of a device by the
    /// number that it writes.
    pub port: u32,
}

/// Stamps of one domain, and of no other, can be subtracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Domain {
    /// Whose clock.
    pub clock: Clock,
    /// What its seconds count.
    pub scale: Timescale,
}

/// The clocks that stamps are taken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clock {
    /// That of whoever wrote the file, the only one that a record's own time can be by. A file is taken for one recorder's,
    /// except that each interface of a pcapng file may have a clock of its own.
    Recorder {
        /// Which of the files that are read together, from 0.
        file: u32,
        /// Of pcapng: which interface of the file, as [`Stamp::port`] has it.
        interface: Option<u32>,
    },
    /// Those of several recorders, whose files were merged into one which does not say whose a frame is. Its stamps have no
    /// difference, not even from each other.
    Merged {
        /// Which of the files that are read together, from 0.
        file: u32,
    },
    /// That of a Metamako, now Arista 7130, by its number.
    Metamako {
        /// As it stands in its trailers.
        device: u16,
    },
    /// That of an Exablaze, by its number.
    Exablaze {
        /// As it stands in its trailers.
        device: u8,
    },
    /// That of an Arista 7280, which says nothing of itself: all of them are taken for one.
    Arista7280,
    /// The counter of the host that the engine runs on.
    Host(HostCounter),
    /// That of the engine's NIC.
    Nic {
        /// Which life of it: another after each reset, jump and demotion.
        life: u16,
    },
    /// That of the engine's NIC, told by the host's counter, along the clock discipline's line.
    NicByHost {
        /// Which life of it.
        life: u16,
    },
    /// That of a second port which reads the wire.
    WirePort {
        /// Its hardware's, and not the kernel's.
        hardware: bool,
        /// Which life of it: another after each step.
        life: u16,
    },
}

/// What counts the time of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HostCounter {
    /// The processor's time-stamp counter.
    Tsc,
    /// The monotonic clock.
    Monotonic,
}

/// What seconds count (TAI is ahead of UTC by 37 s since 2017).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Timescale {
    /// As POSIX counts: leap seconds are not.
    Utc,
    /// International Atomic Time.
    Tai,
    /// Time since some moment that nobody knows.
    Elapsed,
}

/// Why two stamps have no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Incomparable {
    /// They count different seconds.
    #[error("one stamp is in {0} and the other in {1}: there is no difference between them")]
    Timescales(Timescale, Timescale),
    /// Nothing says how far these are apart.
    #[error(
        "one stamp is by {0} and the other by {1}: nothing says how far apart these clocks are, so there is no difference \
         between them"
    )]
    Clocks(Clock, Clock),
    /// Nothing says by which clock either is.
    #[error(
        "file {n} was merged of several, and does not say by whose clock a stamp in it is: there is no difference between two \
         of them",
        n = .file + 1
    )]
    Merged {
        /// Which of the files that are read together, from 0.
        file: u32,
    },
}

impl Stamp {
    /// What lies between two stamps of one domain.
    ///
    /// # Errors
    /// Where nothing says what does.
    pub fn since(&self, earlier: &Stamp) -> Result<WireSpan, Incomparable> {
        let (ours, theirs) = (self.domain, earlier.domain);
        if ours.clock != theirs.clock {
            return Err(Incomparable::Clocks(theirs.clock, ours.clock));
        }
        if ours.scale != theirs.scale {
            return Err(Incomparable::Timescales(theirs.scale, ours.scale));
        }
        if let Clock::Merged { file } = ours.clock {
            return Err(Incomparable::Merged { file });
        }
        Ok(self.time - earlier.time)
    }

    /// Its time in UTC if it is in TAI, or else as it is: for an order in which to look at things, by clocks that need not agree.
    pub fn time_in_utc(&self) -> WireTime {
        match self.domain.scale {
            Timescale::Tai => self.time + -TAI_MINUS_UTC,
            Timescale::Utc | Timescale::Elapsed => self.time,
        }
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Clock::Recorder { file, interface: None } => {
                write!(f, "the clock that file {} was recorded by", file + 1)
            }
            Clock::Recorder { file, interface: Some(interface) } => {
                write!(
                    f,
                    "the clock that interface {interface} of file {} was recorded by",
                    file + 1
                )
            }
            Clock::Merged { file } => {
                write!(f, "one of the clocks of what file {} was merged of", file + 1)
            }
            Clock::Metamako { device } => write!(f, "the clock of Metamako device {device}"),
            Clock::Exablaze { device } => write!(f, "the clock of Exablaze device {device}"),
            Clock::Arista7280 => f.write_str("the clock of an Arista 7280"),
            Clock::Host(HostCounter::Tsc) => f.write_str("this host's time-stamp counter"),
            Clock::Host(HostCounter::Monotonic) => f.write_str("this host's monotonic clock"),
            Clock::Nic { life } => write!(f, "the NIC's clock in its life {life}"),
            Clock::NicByHost { life } => {
                write!(f, "the NIC's clock in its life {life}, told by this host's counter")
            }
            Clock::WirePort { hardware: true, life: 0 } => {
                f.write_str("the second port's own clock")
            }
            Clock::WirePort { hardware: true, life } => {
                write!(f, "the second port's own clock in its life {life}")
            }
            Clock::WirePort { hardware: false, .. } => {
                f.write_str("the kernel's clock as it took the second port's frames over")
            }
        }
    }
}

impl fmt::Display for Timescale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Timescale::Utc => "UTC",
            Timescale::Tai => "TAI",
            Timescale::Elapsed => "elapsed time",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(file: u32, scale: Timescale, ns: u32) -> Stamp {
        by(Clock::Recorder { file, interface: None }, scale, ns)
    }

    fn by(clock: Clock, scale: Timescale, ns: u32) -> Stamp {
        Stamp { time: WireTime::from_s_ns(1, ns), domain: Domain { clock, scale }, port: ns }
    }

    #[test]
    fn stamps_of_one_domain_have_a_difference_and_no_others() {
        let first = stamp(0, Timescale::Utc, 5);
        assert_eq!(stamp(0, Timescale::Utc, 7).since(&first), Ok(WireSpan::from_ns(2)));
        let words = |other: Stamp| other.since(&first).unwrap_err().to_string();
        assert!(
            words(stamp(0, Timescale::Tai, 7))
                .starts_with("one stamp is in UTC and the other in TAI:")
        );
        let other = words(stamp(1, Timescale::Utc, 7));
        assert!(
            other.contains("file 1 was recorded by and the other by the clock that file 2 "),
            "{other}"
        );
    }
    #[test]
    fn interfaces_are_clocks_and_what_was_merged_has_none_that_is_known() {
        let of = |interface, ns| {
            by(Clock::Recorder { file: 0, interface: Some(interface) }, Timescale::Utc, ns)
        };
        assert_eq!(of(1, 7).since(&of(1, 5)), Ok(WireSpan::from_ns(2)));
        let words = of(1, 7).since(&of(0, 5)).unwrap_err().to_string();
        assert!(words.contains("that interface 0 of file 1 was recorded by and the"), "{words}");
        let merged = |ns| by(Clock::Merged { file: 2 }, Timescale::Utc, ns);
        assert_eq!(merged(7).since(&merged(5)), Err(Incomparable::Merged { file: 2 }));
        let words = merged(7).since(&merged(5)).unwrap_err().to_string();
        assert!(words.starts_with("file 3 was merged of several"), "{words}");
        assert!(matches!(merged(7).since(&of(1, 5)), Err(Incomparable::Clocks(..))));
    }
}
