//! What a journal's bytes say, whatever state they are in. Nothing is decided here, nothing is written, and no
//! bytes make it fail but those of a header.

use std::ops::RangeInclusive;

use crate::time::UtcTime;

use super::layout::{
    CREATED_AT, EPOCH_AT, FIRST_CREATED_AT, FIRST_IN_AT, FIRST_OUT_AT, Header, NEXT_IN_AT,
    NEXT_OUT_AT, NotAHeader, PAGE, RESERVED_AT, RESERVED_EPOCH_AT, RING_AT, SECTOR, STATE_AT,
    SYNCED_AT, Salt, State, TAIL_AT, TOLD_AT, Word, sum_of, u64_at,
};
use super::record::{Beginning, CONTENT_LEN_MAX, Kind, RECORD_HEADER, Record};

/// All that can be read of a journal.
#[derive(Clone, Debug)]
pub struct Survey {
    /// Whose it is.
    pub header: Header,
    /// Which copies of the header are whole: the first, the last.
    pub headers: [bool; 2],
    /// The state written last, if any is whole.
    pub state: Option<State>,
    /// States that are neither whole nor never written, by their places in the file.
    pub broken_states: Vec<usize>,
    /// How often both numbers began again.
    pub epoch: u32,
    /// Every record, by position.
    pub records: Vec<Record>,
    /// Where records are missing between others, by position; the numbers of this epoch whose messages may have
    /// been there.
    pub holes: Vec<Hole>,
    /// Where the next record would go.
    pub end: u64,
    pub(super) words: Words,
    /// With what the last epoch began, if that is still known.
    pub(super) beginning: Option<Beginning>,
}

/// A run of positions without a record, between or before records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// The numbers of the last epoch whose messages may have been there.
    pub numbers: Option<RangeInclusive<u32>>,
}

/// The words; `None` for one that is damaged, or of another epoch where it has one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Words {
    pub(super) next_out: Reading<u32>,
    /// It was taken for an application message.
    pub(super) is_kept: bool,
    pub(super) next_in: Reading<u32>,
    pub(super) epoch: Reading<u32>,
    pub(super) tail: Reading<u64>,
    pub(super) told: Reading<u64>,
    pub(super) created_at: Reading<Option<UtcTime>>,
    pub(super) beginning: Reading<Beginning>,
    pub(super) reserved: Reading<u32>,
    pub(super) synced: Reading<u64>,
}

/// What a word says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading<T> {
    Says(T),
    /// It is whole, and of an epoch before.
    Outdated,
    #[default]
    Damaged,
}

impl<T: Copy> Reading<T> {
    pub(super) fn said(self) -> Option<T> {
        match self {
            Reading::Says(value) => Some(value),
            _ => None,
        }
    }
}

/// How much of the oldest lap a record under way may have destroyed: itself, and one that it cuts.
pub(super) const OLDEST_SLACK: u64 = 2 * (CONTENT_LEN_MAX + RECORD_HEADER) as u64;

impl Survey {
    /// Reads all there is.
    ///
    /// # Errors
    /// Neither copy of the header can be read, or the file is not as long as it says: nothing in it can be proven.
    pub fn of(bytes: &[u8]) -> Result<Survey, NotAHeader> {
        let first = Header::read(bytes, 0);
        let last = Header::read(bytes, bytes.len().saturating_sub(PAGE));
        let headers = [first.is_ok(), last.is_ok()];
        let header = match (first, last) {
            (Ok(header), _) | (Err(_), Ok(header)) => header,
            (Err(why), Err(_)) => return Err(why),
        };
        let ring_end = RING_AT + header.ring_len as usize;
        let Some(ring) = bytes.get(RING_AT..ring_end) else { return Err(NotAHeader::Damaged) };
        let (state, broken_states) = states(bytes, header.id);
        let records = records(ring, header.id);
        let end = next_place(records.last().map_or(0, Record::end), header.ring_len);
        let words = Words::read(bytes, header.id);
        // The end of a lap is written ahead of the record that begins an epoch, and by itself begins none; nor does what
        // covers a hole behind that record, which a loss of power may have taken.
        let of_epochs = |record: &&Record| matches!(record.kind, Kind::Message | Kind::Reset);
        let epoch_of_records = records.iter().rfind(of_epochs).map_or(0, |record| record.epoch);
        let epoch = epoch_of_records.max(words.newest_epoch(bytes, header.id));
        let words = words.of_epoch(bytes, header.id, epoch);
        let holes = holes(&records, header.ring_len, epoch);
        let beginning = records
            .iter()
            .rfind(|record| record.kind == Kind::Reset && record.epoch == epoch)
            .and_then(|record| {
                let at = (record.position % header.ring_len) as usize + RECORD_HEADER;
                Beginning::read(ring.get(at..at + record.len as usize)?)
            })
            .or(words.beginning.said());
        Ok(Survey {
            header,
            headers,
            state,
            broken_states,
            epoch,
            records,
            holes,
            end,
            words,
            beginning,
        })
    }

    /// The content of a record, in the bytes that were surveyed.
    pub fn content<'a>(&self, bytes: &'a [u8], record: &Record) -> &'a [u8] {
        let at = self.at(record.position) + RECORD_HEADER;
        bytes.get(at..at + record.len as usize).unwrap_or_default()
    }

    /// Where in the file a position lies.
    pub fn at(&self, position: u64) -> usize {
        RING_AT + (position % self.header.ring_len) as usize
    }

    /// The messages of the last epoch.
    pub fn messages(&self) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(|record| record.kind == Kind::Message && record.epoch == self.epoch)
    }

    /// The next number to send, as the session wrote it last; `None` where that is damaged.
    pub fn next_out(&self) -> Option<u32> {
        let first = self.first_out();
        let of_records = self.messages().map(|record| record.seq + 1).fold(first, u32::max);
        match self.words.next_out {
            Reading::Says(number) => Some(number.max(of_records)),
            Reading::Outdated => Some(of_records),
            Reading::Damaged => None,
        }
    }

    /// The next number expected, as the session wrote it last; `None` where that is damaged.
    pub fn next_in(&self) -> Option<u32> {
        match self.words.next_in {
            Reading::Says(number) => Some(number),
            Reading::Outdated => Some(self.beginning.map_or(1, |beginning| beginning.next_in)),
            Reading::Damaged => None,
        }
    }

    /// When both numbers last began at 1, as far as it is known.
    pub fn created_at(&self) -> Option<UtcTime> {
        match self.words.created_at {
            Reading::Says(time) => time,
            _ => self.beginning.and_then(|beginning| beginning.created_at),
        }
    }

    /// The first number of the last epoch.
    pub(super) fn first_out(&self) -> u32 {
        self.beginning.map_or(1, |beginning| beginning.next_out)
    }

    /// Numbers below this one were reserved durably, whether used or not; `None` where that is damaged.
    pub fn reserved(&self) -> Option<u32> {
        match self.words.reserved {
            Reading::Says(number) => Some(number),
            // Each epoch begins with so many.
            Reading::Outdated => Some(self.header.begun_until(self.first_out())),
            Reading::Damaged => None,
        }
    }

    /// The numbers that were told of as lost, or are to be, from the position on to which that was done.
    pub(super) fn void_numbers(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        let told = self.words.told.said().unwrap_or(0);
        self.records
            .iter()
            .filter(move |record| {
                record.kind == Kind::Void
                    && record.position >= told
                    && record.epoch == self.epoch
                    && record.seq > 0
            })
            .map(|record| record.seq..=record.link)
    }

    /// Where the file's oldest records begin too late, and nothing that was being written explains it.
    pub(super) fn oldest_lost(&self) -> Option<Hole> {
        let first = self.records.first().map_or(self.end, |record| record.position);
        let ring_len = self.header.ring_len;
        let tail = self.words.tail.said().unwrap_or(0).max(self.end);
        // Of the first lap a hole says so.
        let from = tail.checked_sub(ring_len + 1)? + 1;
        (first > from + OLDEST_SLACK).then_some(Hole { from, to: first, numbers: None })
    }
}

impl Words {
    fn read(bytes: &[u8], id: u64) -> Words {
        let position = |at, word| match Salt::new(id, word, 0).open_position(u64_at(bytes, at)) {
            Some(position) => Reading::Says(position),
            None => Reading::Damaged,
        };
        let epoch = Salt::new(id, Word::Epoch, 0).open(u64_at(bytes, EPOCH_AT));
        Words {
            epoch: epoch.map_or(Reading::Damaged, Reading::Says),
            tail: position(TAIL_AT, Word::Tail),
            told: position(TOLD_AT, Word::Told),
            synced: position(SYNCED_AT, Word::Synced),
            ..Words::default()
        }
    }

    /// By the word of the epoch, or by a number that was written before it.
    fn newest_epoch(&self, bytes: &[u8], id: u64) -> u32 {
        let epoch = self.epoch.said().unwrap_or(0);
        let next = epoch.saturating_add(1);
        let is_begun = [(Word::NextOut, NEXT_OUT_AT), (Word::NextIn, NEXT_IN_AT)]
            .into_iter()
            .any(|(word, at)| Salt::new(id, word, next).open(u64_at(bytes, at)).is_some());
        if is_begun { next } else { epoch }
    }

    fn of_epoch(mut self, bytes: &[u8], id: u64, epoch: u32) -> Words {
        // What is not of this epoch may be of the one that the word of the epoch has, or the next, or that before.
        let word_epoch = self.epoch.said().unwrap_or(epoch);
        let older = [word_epoch.saturating_sub(1), word_epoch, word_epoch.saturating_add(1)];
        let reserved = u64_at(bytes, RESERVED_EPOCH_AT);
        let reserved = Salt::new(id, Word::ReservedEpoch, 0).open(reserved);
        let read = |word, at, older: &[u32]| {
            let found = u64_at(bytes, at);
            let by = |epoch| Salt::new(id, word, epoch).open(found);
            match by(epoch) {
                Some(number) => Reading::Says(number),
                None if older.iter().any(|epoch| by(*epoch).is_some()) => Reading::Outdated,
                None => Reading::Damaged,
            }
        };
        let kept = read(Word::NextOutKept, NEXT_OUT_AT, &older);
        self.is_kept = kept.said().is_some();
        self.next_out =
            if kept == Reading::Damaged { read(Word::NextOut, NEXT_OUT_AT, &older) } else { kept };
        self.next_in = read(Word::NextIn, NEXT_IN_AT, &older);
        let read_time = |word, at| {
            let by = |epoch: u32| Salt::new(id, word, epoch).open_time(u64_at(bytes, at));
            match by(epoch) {
                Some(time) => Reading::Says(time),
                None if older.iter().any(|epoch| by(*epoch).is_some()) => Reading::Outdated,
                None => Reading::Damaged,
            }
        };
        self.created_at = read_time(Word::Created, CREATED_AT);
        let first_out = read(Word::FirstOut, FIRST_OUT_AT, &older);
        let first_in = read(Word::FirstIn, FIRST_IN_AT, &older);
        let first_created_at = read_time(Word::FirstCreated, FIRST_CREATED_AT);
        let is_damaged = [
            (first_out == Reading::Damaged, FIRST_OUT_AT),
            (first_in == Reading::Damaged, FIRST_IN_AT),
            (first_created_at == Reading::Damaged, FIRST_CREATED_AT),
        ]
        .into_iter()
        // Zero where it is not known.
        .any(|(is_damaged, at)| is_damaged && u64_at(bytes, at) != 0);
        self.beginning = match (first_out, first_in, first_created_at) {
            (Reading::Says(next_out), Reading::Says(next_in), Reading::Says(created_at)) => {
                Reading::Says(Beginning { next_out, next_in, created_at })
            }
            _ if is_damaged => Reading::Damaged,
            _ => Reading::Outdated,
        };
        self.reserved = read(Word::Reserved, RESERVED_AT, reserved.as_slice());
        self
    }
}

fn states(bytes: &[u8], id: u64) -> (Option<State>, Vec<usize>) {
    let mut newest: Option<State> = None;
    let mut broken = Vec::new();
    for at in (0..4).map(|place| STATE_AT + place * SECTOR) {
        let sector = &bytes[at..at + SECTOR];
        match State::read(sector, id) {
            Some(state) => {
                let is_newer = newest.is_none_or(|newest| {
                    (state.opening, state.is_closed) > (newest.opening, newest.is_closed)
                });
                newest = if is_newer { Some(state) } else { newest };
            }
            None if sector.iter().any(|byte| *byte != 0) => broken.push(at),
            None => {}
        }
    }
    (newest, broken)
}

/// Every record of the ring that is of the last lap, by position.
fn records(ring: &[u8], id: u64) -> Vec<Record> {
    let seed = sum_of(id);
    let mut found = Vec::new();
    let mut at = 0;
    while at + RECORD_HEADER <= ring.len() {
        match Record::read(ring, at, seed) {
            Some(record) => {
                at += record.size() as usize;
                found.push(record);
            }
            None => at += 8,
        }
    }
    found.sort_unstable_by_key(|record| record.position);
    let end = found.last().map_or(0, Record::end);
    // What a pad or a void of a later lap has left.
    found.retain(|record| record.position + ring.len() as u64 >= end);
    // Nothing lies in two places.
    let mut until = 0;
    found.retain(|record| {
        let is_behind = record.position >= until;
        until = until.max(record.end());
        is_behind
    });
    found
}

fn holes(records: &[Record], ring_len: u64, epoch: u32) -> Vec<Hole> {
    let mut holes: Vec<Hole> = Vec::new();
    // So many have their numbers.
    let mut asked = 0;
    // The last number of each epoch that is accounted for.
    let mut last: Option<(u32, u32)> = None;
    let mut before: Option<&Record> = None;
    let is_first_lap = records.last().is_none_or(|record| record.end() <= ring_len);
    for record in records {
        let begin = is_first_lap.then_some(0);
        let expected = before.map_or(begin, |before| Some(next_place(before.end(), ring_len)));
        let is_linked = before.is_none_or(|before| {
            // What follows a void was linked to what is lost.
            before.kind == Kind::Void || record.kind == Kind::Void || record.link == before.sum
        });
        if let Some(from) = expected
            && (from < record.position || !is_linked)
        {
            holes.push(Hole { from, to: record.position, numbers: None });
        }
        // The end of a lap, or what covers nothing, says not which number was next: the record behind it does.
        if record.seq > 0 || record.kind == Kind::Reset {
            let numbers = numbers_between(last, record, epoch);
            holes[asked..].iter_mut().for_each(|hole| hole.numbers.clone_from(&numbers));
            asked = holes.len();
        }
        last = match (record.kind, last) {
            (Kind::Message, _) => Some((record.epoch, record.seq)),
            (Kind::Void, _) if record.seq > 0 => Some((record.epoch, record.link)),
            (Kind::Reset, _) => Some((record.epoch, record.seq.saturating_sub(1))),
            (_, last) => last,
        };
        before = Some(record);
    }
    holes
}

/// The numbers of `epoch` that may have been between one that is accounted for and a record.
fn numbers_between(
    last: Option<(u32, u32)>,
    record: &Record,
    epoch: u32,
) -> Option<RangeInclusive<u32>> {
    let next = match record.kind {
        Kind::Message => record.seq,
        Kind::Void if record.seq > 0 => record.seq,
        _ => return None,
    };
    let from = last.filter(|(of, _)| *of == epoch).map_or(1, |(_, seq)| seq + 1);
    (record.epoch == epoch && from < next).then(|| from..=next - 1)
}

/// Where a record goes that would go to `position`: not into the last few bytes of a lap.
pub(super) fn next_place(position: u64, ring_len: u64) -> u64 {
    let rest = ring_len - position % ring_len;
    if rest < RECORD_HEADER as u64 { position + rest } else { position }
}
