//! How a journal is begun, taken up, closed, and made anew of what is left of a damaged one.
//!
//! Each step leaves a journal that can be taken up: whatever lies in holes is covered by voids, which remember the
//! numbers that are missing there, before anything says that it has been opened.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use super::layout::{
    BootId, CREATED_AT, Durability, EPOCH_AT, FIRST_CREATED_AT, FIRST_IN_AT, FIRST_OUT_AT, Header,
    NEXT_IN_AT, NEXT_OUT_AT, NotAHeader, PAGE, RESERVED_AT, RING_AT, Salt, State, TAIL_AT, TOLD_AT,
    Word, sum_of,
};
use super::ledger::Ledger;
use super::record::{BEGINNING_LEN, Beginning, CONTENT_LEN_MAX, Kind, RECORD_HEADER, Record};
use super::survey::{Survey, next_place};
use super::{Damage, Entry, Journal, Medium, Resumption, Salts, StoreFailed, Taken};

/// Why a journal is not taken up. Nothing was written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No journal of this version can be read here.
    NotAJournal(NotAHeader),
    /// It is of another session: BeginString and both CompIDs, an SOH between.
    OfAnother(Vec<u8>),
    /// No crash explains what is wrong with it.
    Damaged {
        /// What, in the order of the file; one at least.
        damage: Vec<Damage>,
        /// What is left.
        intact: Intact,
    },
    /// It could not be synced.
    Failed,
}

/// What of a damaged journal is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intact {
    /// How many messages of the last epoch.
    pub messages: usize,
    /// The least and the greatest number among them.
    pub numbers: Option<(u32, u32)>,
    /// With what would be gone on.
    pub resumption: Resumption,
}

impl Intact {
    /// What is whole of what was surveyed.
    pub fn of(survey: &Survey, boot: Option<BootId>) -> Intact {
        let numbers = || survey.messages().map(|record| record.seq);
        Intact {
            messages: numbers().count(),
            numbers: numbers().min().zip(numbers().max()),
            resumption: survey.resumption(boot),
        }
    }
}

/// The longest void, so that no more of a ring's oldest part hangs on one record than a message takes.
const VOID_SIZE_MAX: u64 = (CONTENT_LEN_MAX + RECORD_HEADER) as u64;

/// Begins a journal in memory that is all zeros, and as long as its header says.
///
/// # Errors
/// The disk refused.
pub fn format(medium: &mut impl Medium, header: &Header, utc_ns: u64) -> Result<(), StoreFailed> {
    let id = header.id;
    let state = State {
        opening: 0,
        is_closed: true,
        durability: Durability::None,
        boot: None,
        begun_at: 0,
        utc_ns,
    };
    let zero = |word| Salt::new(id, word, 0).seal_position(0).to_le_bytes();
    let number = |word, number| Salt::new(id, word, 0).seal(number).to_le_bytes();
    medium.write(0, &header.write());
    medium.write(header.copy_at(), &header.write());
    medium.write(NEXT_OUT_AT, &number(Word::NextOut, 1));
    medium.write(NEXT_IN_AT, &number(Word::NextIn, 1));
    medium.write(EPOCH_AT, &number(Word::Epoch, 0));
    medium.write(TAIL_AT, &zero(Word::Tail));
    medium.write(TOLD_AT, &zero(Word::Told));
    medium.write(CREATED_AT, &zero(Word::Created));
    medium.write(FIRST_OUT_AT, &number(Word::FirstOut, 1));
    medium.write(FIRST_IN_AT, &number(Word::FirstIn, 1));
    medium.write(FIRST_CREATED_AT, &zero(Word::FirstCreated));
    let ledger = Ledger::new(header.clone(), Taken { epoch: 0, next_out: 1, end: 0 });
    medium.write(RESERVED_AT, &ledger.words());
    medium.write(state.at(), &state.write(id));
    medium.sync(0..header.file_len())
}

impl<M: Medium> Journal<M> {
    /// Takes a journal up for the session of this `identity`, keeping so many messages to be sent again.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn open(
        medium: M,
        identity: &[u8],
        (durability, messages_max): (Durability, usize),
        boot: Option<BootId>,
        utc_ns: u64,
    ) -> Result<Journal<M>, Refused> {
        let survey = Survey::of(medium.bytes()).map_err(Refused::NotAJournal)?;
        if survey.header.identity != identity {
            return Err(Refused::OfAnother(survey.header.identity));
        }
        let damage = survey.damage(boot);
        if !damage.is_empty() {
            return Err(Refused::Damaged { damage, intact: Intact::of(&survey, boot) });
        }
        let mut journal = Journal::of(medium, &survey, boot, durability, messages_max);
        journal.begin(&survey, boot, utc_ns).map_err(|_| Refused::Failed)?;
        Ok(journal)
    }

    fn of(
        medium: M,
        survey: &Survey,
        boot: Option<BootId>,
        durability: Durability,
        messages_max: usize,
    ) -> Journal<M> {
        let resumption = survey.resumption(boot);
        let (header, epoch) = (survey.header.clone(), survey.epoch);
        let kept = survey.messages().count();
        let mut entries = VecDeque::with_capacity(messages_max);
        entries.extend(
            survey.messages().skip(kept.saturating_sub(messages_max)).map(|record| Entry {
                seq: record.seq,
                len: record.len,
                position: record.position,
            }),
        );
        let end = next_place(survey.end, header.ring_len);
        let has_all = survey.records.first().is_none_or(|record| record.position == 0)
            || survey
                .records
                .iter()
                .any(|record| record.kind == Kind::Reset && record.epoch == epoch);
        let first = entries.front().map_or(resumption.next_out, |entry| entry.seq);
        Journal {
            state: survey.state.unwrap_or(State {
                opening: 0,
                is_closed: true,
                durability,
                boot,
                begun_at: end,
                utc_ns: 0,
            }),
            durability,
            ring_len: header.ring_len,
            seed: sum_of(header.id),
            next_out: resumption.next_out,
            next_in: resumption.next_in,
            begun_until: header.begun_until(survey.first_out()),
            created_at: survey.created_at(),
            epoch,
            salts: Salts::new(header.id, epoch),
            end,
            end_at: survey.at(end),
            link: survey.records.last().map_or(0, |record| record.sum),
            oldest: entries.front().map_or(end, |entry| entry.position),
            // With the first record of an epoch nothing of it is given up.
            forgotten_below: if has_all && kept <= messages_max { 1 } else { first },
            entries,
            messages_max,
            has_failed: false,
            resumption,
            medium,
            header,
        }
    }

    /// Covers what is lost, and writes that it is open.
    fn begin(
        &mut self,
        survey: &Survey,
        boot: Option<BootId>,
        utc_ns: u64,
    ) -> Result<(), StoreFailed> {
        for hole in &survey.holes {
            self.void(hole.from, hole.to, survey.lost_in(hole, self.resumption.ended));
        }
        let end = self.end;
        let known = survey.records.iter().filter(|record| record.epoch == self.epoch);
        let known = known.map(|record| match record.kind {
            Kind::Message => record.seq,
            Kind::Void => record.link,
            Kind::Reset => record.seq.saturating_sub(1),
            Kind::Pad => 0,
        });
        let known = known.max().unwrap_or(0);
        let lost = self.resumption.unknown.last().filter(|range| *range.end() > known);
        let lost = lost.map(|range| known.max(range.start() - 1) + 1..=*range.end());
        let was_cut = self.resumption.ended == super::Ended::PowerMayBeLost;
        if was_cut || lost.is_some() {
            // Nothing is written where something of before may lie half.
            let to = if was_cut {
                (end + RECORD_HEADER as u64).next_multiple_of(PAGE as u64)
            } else {
                end + RECORD_HEADER as u64
            };
            self.end_at_or_next_lap(end, to, lost.as_ref());
        }
        self.write_words(survey.beginning);
        self.sync_all()?;
        self.state = State {
            opening: self.state.opening + 1,
            is_closed: false,
            durability: self.durability,
            boot,
            begun_at: self.end,
            utc_ns,
        };
        self.write_state()?;
        let ledger = self.ledger();
        self.medium.opened(ledger);
        Ok(())
    }

    /// A void behind the last record.
    fn end_at_or_next_lap(&mut self, from: u64, to: u64, numbers: Option<&RangeInclusive<u32>>) {
        if let Some(last) = self.void(from, to, numbers) {
            self.link = last.sum;
        }
        self.end = next_place(to, self.ring_len);
        self.end_at = RING_AT + (self.end % self.ring_len) as usize;
        if self.end > self.oldest + self.ring_len {
            self.forget_before(self.end - self.ring_len);
        }
    }

    /// Writes voids over `from..to`. The first bears the numbers.
    fn void(
        &mut self,
        from: u64,
        to: u64,
        mut numbers: Option<&RangeInclusive<u32>>,
    ) -> Option<Record> {
        let (mut position, mut last) = (next_place(from, self.ring_len), None);
        while position < to {
            let lap_rest = self.ring_len - position % self.ring_len;
            let rest = lap_rest.min(to - position);
            let least = RECORD_HEADER as u64;
            let size = match rest {
                ..=VOID_SIZE_MAX => rest,
                _ if rest < VOID_SIZE_MAX + least => VOID_SIZE_MAX - least,
                _ => VOID_SIZE_MAX,
            };
            let (seq, link) = numbers.take().map_or((0, 0), |range| (*range.start(), *range.end()));
            let (kind, epoch) = (Kind::Void, self.epoch);
            let len = (size - least) as u32;
            let mut record = Record { kind, position, len, epoch, seq, link, sum: 0 };
            let words = record.sealed(self.seed, &[]);
            self.medium.write(RING_AT + (position % self.ring_len) as usize, &words);
            position = next_place(record.end(), self.ring_len);
            last = Some(record);
        }
        last
    }

    /// The words as they stand, all of them.
    fn write_words(&mut self, beginning: Option<Beginning>) {
        self.write_beginning(beginning);
        let epoch = Salt::new(self.header.id, Word::Epoch, 0).seal(self.epoch);
        let words = [
            (NEXT_OUT_AT, self.salts.next_out.seal(self.next_out)),
            (NEXT_IN_AT, self.salts.next_in.seal(self.next_in)),
            (TAIL_AT, self.salts.tail.seal_position(self.end)),
            (CREATED_AT, self.salts.created_at.seal_time(self.created_at)),
            (EPOCH_AT, epoch),
        ];
        for (at, word) in words {
            self.word(at, word);
        }
    }

    /// What the epoch began with, as far as it is known, ahead of any word by which it has begun.
    pub(super) fn write_beginning(&mut self, beginning: Option<Beginning>) {
        let salt = |word| Salt::new(self.header.id, word, self.epoch);
        let words = beginning.map_or([0; 3], |Beginning { next_out, next_in, created_at }| {
            [
                salt(Word::FirstOut).seal(next_out),
                salt(Word::FirstIn).seal(next_in),
                salt(Word::FirstCreated).seal_time(created_at),
            ]
        });
        for (at, word) in [FIRST_OUT_AT, FIRST_IN_AT, FIRST_CREATED_AT].into_iter().zip(words) {
            self.word(at, word);
        }
    }

    /// Syncs all there is, and only then writes that it is.
    fn sync_all(&mut self) -> Result<(), StoreFailed> {
        self.medium.sync(0..self.header.file_len())?;
        let words = self.ledger().words();
        self.medium.write(RESERVED_AT, &words);
        self.medium.sync(RESERVED_AT..RESERVED_AT + words.len())
    }

    /// What is proven durable as it stands: as it was opened, or closed.
    pub fn ledger(&self) -> Ledger {
        let Journal { epoch, next_out, end, .. } = *self;
        Ledger::new(self.header.clone(), Taken { epoch, next_out, end })
    }

    fn write_state(&mut self) -> Result<(), StoreFailed> {
        let at = self.state.at();
        self.medium.write(at, &self.state.write(self.header.id));
        self.medium.sync(at..at + super::SECTOR)
    }

    /// Syncs everything, and writes that nothing is missing.
    ///
    /// # Errors
    /// The disk refused, now or before: it stays open, as if the process had been killed.
    pub fn close(&mut self, utc_ns: u64) -> Result<(), StoreFailed> {
        self.medium.closing();
        if self.has_failed() || self.state.is_closed {
            return if self.state.is_closed { Ok(()) } else { Err(StoreFailed) };
        }
        self.sync_all()?;
        self.state = State { is_closed: true, utc_ns, ..self.state };
        self.write_state()
    }

    /// Its memory, let go as it is.
    pub fn into_medium(self) -> M {
        self.medium
    }
}

/// Makes of what is whole in `bytes` a journal in other memory, which is all zeros and as long as `header` says: the
/// messages of the last epoch, as many as fit, numbers that are certain not to be used, and which are missing.
///
/// # Errors
/// The disk refused.
pub fn salvage<M: Medium>(
    survey: &Survey,
    bytes: &[u8],
    boot: Option<BootId>,
    (mut medium, header): (M, &Header),
    utc_ns: u64,
) -> Result<M, StoreFailed> {
    format(&mut medium, header, utc_ns)?;
    let Ok(empty) = Survey::of(medium.bytes()) else { return Err(StoreFailed) };
    let mut journal = Journal::of(medium, &empty, boot, Durability::None, 0);
    let resumption = survey.resumption(boot);
    journal.epoch = survey.epoch;
    journal.salts = Salts::new(header.id, survey.epoch);
    journal.created_at = survey.created_at();
    let beginning = Beginning {
        next_out: survey.first_out(),
        next_in: resumption.next_in,
        created_at: journal.created_at,
    };
    journal.append(Kind::Reset, (beginning.next_out, BEGINNING_LEN as u32), &beginning.write());
    let mut unknown = resumption.unknown.iter().peekable();
    for record in survey.messages() {
        while let Some(range) = unknown.next_if(|range| *range.start() < record.seq) {
            let (from, to) = (journal.end, journal.end + RECORD_HEADER as u64);
            journal.end_at_or_next_lap(from, to, Some(range));
        }
        let content = survey.content(bytes, record);
        journal.append(Kind::Message, (record.seq, record.len), content);
    }
    for range in unknown {
        let (from, to) = (journal.end, journal.end + RECORD_HEADER as u64);
        journal.end_at_or_next_lap(from, to, Some(range));
    }
    (journal.next_out, journal.next_in) = (resumption.next_out, resumption.next_in);
    journal.state = State {
        opening: 1,
        is_closed: true,
        durability: resumption.durability,
        boot,
        begun_at: 0,
        utc_ns,
    };
    journal.write_words(Some(beginning));
    journal.sync_all()?;
    journal.write_state()?;
    Ok(journal.medium)
}
