//! What is passed over in a capture: each with a reason, a count and the place of the first.

use core::fmt;

/// Why a record is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// Of another link than Ethernet, or no packet at all.
    NotEthernet,
    /// A record without a time (a Simple Packet Block).
    NoTime,
    /// Of an interface that nothing before describes.
    UnknownInterface,
    /// Its time is more than 8,700 years from 1970.
    TimeOutOfRange,
    /// Whoever recorded it says that it is damaged.
    Damaged,
    /// The file ends in the middle of it, as one that is still written does.
    CutOff,
}

impl Skip {
    /// All of them.
    pub const ALL: [Skip; 6] = [
        Skip::NotEthernet,
        Skip::NoTime,
        Skip::UnknownInterface,
        Skip::TimeOutOfRange,
        Skip::Damaged,
        Skip::CutOff,
    ];

    /// The reason in words, of several records.
    pub fn in_words(self) -> &'static str {
        match self {
            Skip::NotEthernet => "no Ethernet frames",
            Skip::NoTime => "without a time",
            Skip::UnknownInterface => "of interfaces that nothing describes",
            Skip::TimeOutOfRange => "with a time that no clock shows",
            Skip::Damaged => "damaged when they were received",
            Skip::CutOff => "cut off by the end of the file",
        }
    }
}

/// How many records of a file were passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skips {
    counts: [u64; Skip::ALL.len()],
    first_offsets: [u64; Skip::ALL.len()],
}

impl Skips {
    /// Of one reason.
    pub fn count(&self, skip: Skip) -> u64 {
        self.counts[skip as usize]
    }

    /// Where in the file the first of a reason begins, if there is one.
    pub fn first_offset(&self, skip: Skip) -> Option<u64> {
        (self.count(skip) > 0).then(|| self.first_offsets[skip as usize])
    }

    /// Of all reasons.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub(super) fn note(&mut self, skip: Skip, offset: u64) {
        if self.counts[skip as usize] == 0 {
            self.first_offsets[skip as usize] = offset;
        }
        self.counts[skip as usize] += 1;
    }
}

impl fmt::Display for Skips {
    /// A clause for each reason, with commas between; nothing where nothing was passed over.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = Skip::ALL.into_iter().filter_map(|skip| Some((skip, self.first_offset(skip)?)));
        for (nth, (skip, offset)) in told.enumerate() {
            let between = if nth == 0 { "" } else { ", " };
            let (count, words) = (self.count(skip), skip.in_words());
            write!(f, "{between}{count} {words} (the first at byte {offset})")?;
        }
        Ok(())
    }
}
