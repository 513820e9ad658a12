//! What became of a stage, chapter by chapter of the host's time: from pair to pair that agreed, and
//! whatever lay between those that did not.

use arrayvec::ArrayVec;

use super::track::{Gauge, Lapse, Line, Track};

/// How many chapters are remembered: at ten pairs a second, six seconds.
pub(super) const CHAPTERS: usize = 64;

/// A stretch of the host's time that is over, from the end of the one before.
#[derive(Clone, Copy, Debug)]
struct Chapter {
    until: u64,
    generation: u16,
    /// Why no moment in it has an answer, if so.
    lapse: Option<Lapse>,
    /// The line that begins in it, and where.
    knee: u64,
    line: Line,
    /// It is the first with a line in its life.
    first: bool,
}

/// How sure an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Pairs before and after the moment agree.
    Agreed,
    /// No pair has come since.
    Open,
}

/// All that is remembered, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    chapters: ArrayVec<Chapter, CHAPTERS>,
    /// Nothing is remembered of before.
    begin: u64,
}

/// Where a stretch of time lies in the history, to look for its line there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) known: Known,
    pub(super) generation: u16,
    index: usize,
}

impl History {
    /// Ends the chapter in which `track` was in force.
    pub(super) fn close(&mut self, until: u64, lapse: Option<Lapse>, track: &Track) {
        if self.chapters.is_full() {
            self.begin = self.chapters.remove(0).until;
        }
        self.chapters.push(Chapter {
            until,
            generation: track.generation,
            lapse,
            knee: track.knee,
            line: track.newer,
            first: track.back == 0,
        });
    }

    /// What is known of the whole stretch from `from` to `until`, the present being `track`'s.
    pub(super) fn place(
        &self,
        (from, until): (u64, u64),
        track: &Track,
        gauge: &Gauge,
    ) -> Result<Place, Lapse> {
        let chapter_of = |moment: u64| self.chapters.partition_point(|one| one.until < moment);
        let (oldest, newest) = (chapter_of(from), chapter_of(until));
        if from < self.begin {
            return Err(Lapse::TooOld);
        }
        let over = &self.chapters[oldest..self.chapters.len().min(newest + 1)];
        if let Some(lapse) = over.iter().find_map(|one| one.lapse) {
            return Err(lapse);
        }
        let generation = over.first().map_or(track.generation, |one| one.generation);
        let known = if newest < self.chapters.len() {
            Known::Agreed
        } else if let Some(lapse) = track.lapse {
            return Err(lapse);
        } else if let Some(lapse) = gauge.lapse_after(until.saturating_sub(track.refreshed)) {
            return Err(lapse);
        } else {
            Known::Open
        };
        Ok(Place { known, generation, index: newest })
    }

    /// The line for `reading` at or before `place`: the other clock, and the bound on its error.
    pub(super) fn read(
        &self,
        place: &Place,
        reading: u64,
        track: &Track,
        gauge: &Gauge,
    ) -> Result<(u64, u64), Lapse> {
        let mut index = place.index;
        loop {
            let (knee, line, first) = match self.chapters.get(index) {
                Some(chapter) => (chapter.knee, &chapter.line, chapter.first),
                None => (track.knee, &track.newer, track.back == 0),
            };
            if let Ok(delta) = u64::try_from(gauge.width.delta(reading, knee)) {
                let known = delta <= gauge.reach;
                return if known {
                    Ok(line.at_exact(delta, gauge.shift))
                } else {
                    Err(Lapse::Stale)
                };
            }
            if first || index == 0 {
                return Err(Lapse::TooOld);
            }
            index -= 1;
        }
    }
}
