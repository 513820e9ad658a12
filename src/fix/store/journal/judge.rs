//! What a journal's bytes mean: how it ended, with which numbers it goes on, what nobody knows, what is damaged.

use core::fmt;
use std::ops::RangeInclusive;

use super::layout::{
    BootId, CREATED_AT, Durability, EPOCH_AT, FIRST_OUT_AT, NEXT_IN_AT, NEXT_OUT_AT, RESERVED_AT,
    STATE_AT, SYNCED_AT, State, TAIL_AT, TOLD_AT,
};
use super::record::RECORD_HEADER;
use super::survey::{Hole, OLDEST_SLACK, Reading, Survey};
use super::{Kind, UNSYNCED_PART};

/// How the opening before this one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// There was none.
    New,
    /// It was closed: nothing is missing.
    Closed,
    /// The process ended, and the system has been running since: what it wrote is there to its last instruction.
    Killed,
    /// The system has been started anew since: what was not synced may be missing.
    PowerMayBeLost,
}

impl Ended {
    /// For machines.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::New => "new",
            Ended::Closed => "closed",
            Ended::Killed => "killed",
            Ended::PowerMayBeLost => "power_may_be_lost",
        }
    }
}

/// With what a session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumption {
    /// How it ended before.
    pub ended: Ended,
    /// By what durability it was written.
    pub durability: Durability,
    /// How often both numbers began again.
    pub epoch: u32,
    /// The number of the next message to send: none from here on was used, if it is [proven](Resumption::is_proven).
    pub next_out: u32,
    /// The number expected next; what was taken in after it was written durably, is asked for again.
    pub next_in: u32,
    /// Whether the disk proves that no number from `next_out` on was used.
    pub is_proven: bool,
    /// Numbers whose messages are missing and may have been sent: in order, apart.
    pub unknown: Vec<RangeInclusive<u32>>,
}

/// Something that no crash explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file, in bytes.
    pub at: u64,
    /// How many bytes.
    pub len: u64,
    /// What.
    pub what: Damaged,
}

/// What is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damaged {
    /// A copy of the header; the other is whole.
    Header,
    /// The state of an opening.
    State,
    /// A word: this.
    Word(&'static str),
    /// Records, and with them perhaps the messages of these numbers.
    Records(Option<RangeInclusive<u32>>),
    /// The newest records: what was written last is not there.
    Newest,
    /// The oldest records.
    Oldest,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { at, len, what } = self;
        write!(f, "byte {at} on, ")?;
        if *len > 0 {
            write!(f, "{len} bytes: ")?;
        }
        match what {
            Damaged::Header => f.write_str("one of the two copies of the header"),
            Damaged::State => f.write_str("the state of an opening"),
            Damaged::Word(name) => write!(f, "the word of {name}"),
            Damaged::Records(None) => f.write_str("records, of no message that could be asked for"),
            Damaged::Records(Some(numbers)) => {
                write!(f, "records, of MsgSeqNum {}", in_words(numbers))
            }
            Damaged::Newest => f.write_str("the newest records are missing"),
            Damaged::Oldest => f.write_str("the oldest records"),
        }
    }
}

/// `7`, or `7 to 9`.
pub fn in_words(numbers: &RangeInclusive<u32>) -> String {
    let (from, to) = (numbers.start(), numbers.end());
    if from == to { format!("{from}") } else { format!("{from} to {to}") }
}

impl Survey {
    /// How it ended, where `boot` is the system that runs now; `None` where that is not known.
    pub fn ended(&self, boot: Option<BootId>) -> Ended {
        match self.state {
            Some(State { opening: 0, .. }) => Ended::New,
            Some(State { is_closed: true, .. }) => Ended::Closed,
            Some(State { boot: Some(then), .. }) if Some(then) == boot => Ended::Killed,
            _ => Ended::PowerMayBeLost,
        }
    }

    /// What no crash explains, in the order of the file.
    pub fn damage(&self, boot: Option<BootId>) -> Vec<Damage> {
        let ended = self.ended(boot);
        let mut damage = Vec::new();
        for (is_whole, at) in self.headers.into_iter().zip([0, self.header.copy_at()]) {
            if !is_whole {
                damage.push(Damage { at: at as u64, len: 0, what: Damaged::Header });
            }
        }
        let mut broken = self.broken_states.clone();
        if let Some(newest) = self.state {
            // What would have been written next may have come to half.
            let closed = State { is_closed: true, ..newest };
            let opened = State { opening: newest.opening + 1, is_closed: false, ..newest };
            broken.retain(|at| ![closed.at(), opened.at()].contains(at));
        } else {
            broken = vec![STATE_AT];
        }
        damage.extend(broken.iter().map(|at| Damage {
            at: *at as u64,
            len: 0,
            what: Damaged::State,
        }));
        let words = &self.words;
        for (is_damaged, at, name) in [
            (words.next_out == Reading::Damaged, NEXT_OUT_AT, "the next number out"),
            (words.next_in == Reading::Damaged, NEXT_IN_AT, "the next number in"),
            (words.tail == Reading::Damaged, TAIL_AT, "the end of the records"),
            (words.epoch == Reading::Damaged, EPOCH_AT, "the epoch"),
            (words.told == Reading::Damaged, TOLD_AT, "what was told"),
            (words.created_at == Reading::Damaged, CREATED_AT, "when the numbers began"),
            (words.beginning == Reading::Damaged, FIRST_OUT_AT, "what the epoch began with"),
            (words.reserved == Reading::Damaged, RESERVED_AT, "the numbers reserved"),
            (words.synced == Reading::Damaged, SYNCED_AT, "what is synced"),
        ] {
            if is_damaged {
                damage.push(Damage { at: at as u64, len: 8, what: Damaged::Word(name) });
            }
        }
        let all_there = ended != Ended::PowerMayBeLost;
        let certain = self.certain(ended);
        if let Some(Hole { from, to, .. }) = self.oldest_lost().filter(|_| all_there) {
            damage.push(self.damage_of(from, to, Damaged::Oldest));
        }
        for Hole { from, to, numbers } in &self.holes {
            let is_certain = *from < certain && !self.may_be_overwritten(*from, ended);
            if is_certain || !self.may_be_lost(*from, *to) {
                damage.push(self.damage_of(*from, *to, Damaged::Records(numbers.clone())));
            }
        }
        if self.end < certain {
            damage.push(self.damage_of(self.end, certain, Damaged::Newest));
        }
        damage.sort_by_key(|damage| damage.at);
        damage
    }

    /// What was written before this position was there once for certain, and is unless it was overwritten.
    fn certain(&self, ended: Ended) -> u64 {
        let durability = self.state.map_or(Durability::None, |state| state.durability);
        let certain = match ended {
            Ended::PowerMayBeLost if durability == Durability::None => return 0,
            Ended::PowerMayBeLost => self.words.synced,
            _ => self.words.tail,
        };
        certain.said().unwrap_or(0)
    }

    /// Whether something of the next lap may have been written over a position.
    fn may_be_overwritten(&self, position: u64, ended: Ended) -> bool {
        let ring_len = self.header.ring_len;
        let unsynced = match ended {
            Ended::PowerMayBeLost => ring_len / UNSYNCED_PART,
            _ => 0,
        };
        position + ring_len < self.certain(ended).max(1) + unsynced + OLDEST_SLACK
    }

    /// The numbers whose messages are lost in a hole: what gave way to newer ones is no news.
    pub(super) fn lost_in<'a>(
        &self,
        hole: &'a Hole,
        ended: Ended,
    ) -> Option<&'a RangeInclusive<u32>> {
        hole.numbers.as_ref().filter(|_| !self.may_be_overwritten(hole.from, ended))
    }

    /// Whether records can have been there that are missing: none is shorter than its header.
    fn may_be_lost(&self, from: u64, to: u64) -> bool {
        let least = RECORD_HEADER as u64;
        let behind_lap = to % self.header.ring_len;
        to - from >= least && (behind_lap == 0 || behind_lap >= least)
    }

    fn damage_of(&self, from: u64, to: u64, what: Damaged) -> Damage {
        Damage { at: self.at(from) as u64, len: to - from, what }
    }

    /// With what a session goes on. Where something is [damaged](Survey::damage), with the numbers that are
    /// certain not to be used, and all that is lost told of.
    pub fn resumption(&self, boot: Option<BootId>) -> Resumption {
        let ended = self.ended(boot);
        let durability = self.state.map_or(Durability::None, |state| state.durability);
        let last_kept = self.messages().map(|record| record.seq).max();
        let written = self.next_out();
        // Where its word is damaged, every number that could have been used is taken for used.
        let reserved = self.reserved().unwrap_or(self.header.ahead);
        let may_be_used = match written {
            _ if ended == Ended::New => false,
            None => true,
            Some(_) => ended == Ended::PowerMayBeLost && durability != Durability::None,
        };
        let floor = last_kept.map_or(self.first_out(), |seq| seq + 1);
        let next_out = written.unwrap_or(floor).max(if may_be_used { reserved } else { 1 });
        let is_proven = match (ended, durability) {
            (Ended::PowerMayBeLost, Durability::None) => false,
            _ => written.is_some() || (durability != Durability::None && self.reserved().is_some()),
        };
        let told = self.void_numbers();
        let lost = self.holes.iter().filter_map(|hole| self.lost_in(hole, ended)).cloned();
        let mut unknown: Vec<_> = told.chain(lost).collect();
        unknown.extend(self.unknown_at_the_end(ended, durability, next_out));
        Resumption {
            ended,
            durability,
            epoch: self.epoch,
            next_out,
            next_in: self.next_in().unwrap_or(1),
            is_proven,
            unknown: merged(unknown),
        }
    }

    /// The numbers behind the last record whose messages may have been sent.
    fn unknown_at_the_end(
        &self,
        ended: Ended,
        durability: Durability,
        next_out: u32,
    ) -> Option<RangeInclusive<u32>> {
        let from = self.last_known() + 1;
        let is_cut = self.words.tail.said().is_none_or(|tail| tail > self.end);
        let written = self.next_out().unwrap_or(next_out);
        let range = match ended {
            Ended::New => return None,
            Ended::PowerMayBeLost if durability != Durability::Sync => from..=next_out - 1,
            _ if is_cut || self.words.next_out == Reading::Damaged => from..=written - 1,
            // A number that was taken for a message whose record does not follow.
            _ if self.words.is_kept => from.max(written - 1)..=written - 1,
            _ => return None,
        };
        (!range.is_empty()).then_some(range)
    }

    /// The last number that a record or a void accounts for.
    fn last_known(&self) -> u32 {
        let told = self.records.iter().filter(|record| record.epoch == self.epoch);
        let told = told.map(|record| match record.kind {
            Kind::Message => record.seq,
            Kind::Void => record.link,
            Kind::Reset => record.seq.saturating_sub(1),
            Kind::Pad => 0,
        });
        told.max().unwrap_or(0)
    }
}

/// In order, and where they touch, one.
fn merged(mut ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    ranges.sort_by_key(|range| *range.start());
    let mut merged: Vec<RangeInclusive<u32>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*range.end().max(last.end());
            }
            _ => merged.push(range),
        }
    }
    merged
}
