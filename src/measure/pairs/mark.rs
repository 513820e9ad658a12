//! When a segment passed the point of capture, or why nobody can say.

use crate::measure::stamp::Stamp;
use crate::wire::tcp::SeqNumber;

/// A frame of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the files that are read together, from 0.
    pub file: u32,
    /// Its record in it, from 1.
    pub frame: u64,
}

/// When a frame passed, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which frame.
    pub place: Place,
    /// When.
    pub stamp: Result<Stamp, NoTime>,
}

/// Why a frame has no time to measure by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTime {
    /// It has no stamp where the others have one.
    Absent,
    /// The device says that its clock was not synchronized well.
    Degraded,
    /// It is several segments that were joined on their way up, with the stamp of the first.
    Joined,
    /// No reading of its clock vouches for it.
    Unsettled,
    /// It is not known any more which frame it was: too many brought pieces of what was held.
    Forgotten,
}

/// A mark, and what the segment acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came {
    pub(super) mark: Mark,
    pub(super) ack: Option<SeqNumber>,
}

impl Came {
    pub(super) const FORGOTTEN: Came = Came {
        mark: Mark { place: Place { file: 0, frame: 0 }, stamp: Err(NoTime::Forgotten) },
        ack: None,
    };
}
