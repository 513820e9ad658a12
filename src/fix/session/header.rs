//! The header that each of our messages begins with.
//!
//! It is written field by field once. From then on the next message of the same type has the same one,
//! but for its number and its time.

use crate::fix::decode::field_at;
use crate::fix::encode::{Begun, Encoder};
use crate::fix::message::Message;
use crate::fix::swar::{self, Numeral};
use crate::fix::tags;
use crate::fix::timestamp::{Formatter, MILLIS, Precision};
use crate::prefetch::LINE_LEN;
use crate::time::{Now, UtcTime};

use super::{CompId, SessionConfig, SubIds, Version};

const NS_PER_S: u64 = 1_000_000_000;
/// The longest header that is kept, in bytes: with CompIDs of some twenty characters.
const KEPT_MAX: usize = 128;
/// BeginString, BodyLength and MsgType: each message begins with them.
const FRAMING_FIELDS: usize = 3;

/// So much of a [`Header`] is touched by a message whose header is the last one's, from its front on.
pub(super) const HOT_LEN: usize = 4 * LINE_LEN;

/// What our headers have in common, and the last one, in lines of its own.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Header {
    kept: Kept,
    number: Numeral,
    precision: Precision,
    /// LastMsgSeqNumProcessed(369) ends each header.
    says_processed: bool,
    begin_string: &'static str,
    sender: CompId,
    target: CompId,
    sender_sub_ids: SubIds,
    target_sub_ids: SubIds,
    /// What stands behind the value of SendingTime(52), in bytes.
    behind_time: usize,
}

const _: () = assert!(core::mem::offset_of!(Header, begin_string) <= HOT_LEN);

/// Where a field of a message that was kept stands in today's header.
enum Place {
    /// That has it already.
    Taken,
    /// That has none.
    Free,
    /// It is none of a header of ours: the message's own fields begin.
    Elsewhere,
}

/// A header as it was written.
#[derive(Clone, Debug)]
#[repr(C)]
struct Kept {
    text: [u8; KEPT_MAX],
    begun: Begun,
    msg_type: [u8; 2],
    /// How many digits MsgSeqNum(34) has; 0 while no header is kept.
    digits: usize,
    /// The eight bytes that end with them, where they begin and what they are.
    word_at: usize,
    word: u64,
    /// Where the value of SendingTime(52) begins, and when the second that it falls into began, in ns since
    /// 1970.
    time_at: usize,
    second_ns: u64,
    /// What it adds up to without the digits of the number and of the milliseconds.
    sum: u32,
}

impl Header {
    pub(super) fn new(config: &SessionConfig) -> Header {
        let has_locations = config.version > Version::Fix40;
        let sub_ids = |ids: &SubIds| SubIds {
            sub_id: ids.sub_id.clone(),
            location_id: ids.location_id.clone().filter(|_| has_locations),
        };
        let (sender_sub_ids, target_sub_ids) =
            (sub_ids(&config.sender_sub_ids), sub_ids(&config.target_sub_ids));
        let len = |id: &Option<CompId>, around: &[u8]| {
            id.as_ref().map_or(0, |id| id.as_bytes().len() + around.len())
        };
        Header {
            begin_string: config.version.begin_string(),
            behind_time: b"\x0156=\x01".len()
                + config.target_comp_id.as_bytes().len()
                + len(&target_sub_ids.sub_id, b"57=\x01")
                + len(&sender_sub_ids.location_id, b"142=\x01")
                + len(&target_sub_ids.location_id, b"143=\x01"),
            sender: config.sender_comp_id.clone(),
            target: config.target_comp_id.clone(),
            sender_sub_ids,
            target_sub_ids,
            says_processed: config.says_processed(),
            precision: config.sending_time_precision(),
            number: Numeral::ZERO,
            kept: Kept {
                text: [0; KEPT_MAX],
                begun: Begun { at: 0, body: 0, error: None, sum: None },
                msg_type: [0; 2],
                digits: 0,
                word_at: 0,
                word: 0,
                time_at: 0,
                second_ns: 0,
                sum: 0,
            },
        }
    }

    /// Begins a message with the fields that each of ours has, in ascending order after MsgType.
    #[inline(always)]
    pub(super) fn begin<'a>(
        &mut self,
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        now: Now,
        msg_type: &[u8],
        seq: u32,
    ) -> Encoder<'a> {
        let (number, width) = self.number.turn_to(seq);
        let is_alike = width == self.kept.digits
            && u64::from(seq) < swar::NUMBERS
            && padded(msg_type) == Some(self.kept.msg_type);
        let begun = match slot.first_chunk_mut::<KEPT_MAX>().filter(|_| is_alike) {
            Some(room) => {
                let of_number = self.kept.write(room, number);
                let of_time = self.write_time(now.utc, formatter, room);
                let sum = of_time.map(|of_time| self.kept.sum + of_number + of_time);
                Begun { sum, ..self.kept.begun }
            }
            None => self.begin_anew(slot, formatter, now, msg_type, seq),
        };
        Encoder::resume(slot, formatter, begun)
    }

    /// As [`begin`](Header::begin), for a message under a number already used.
    pub(super) fn begin_again<'a>(
        &self,
        slot: &'a mut [u8],
        formatter: &'a mut Formatter,
        now: Now,
        msg_type: &[u8],
        seq: u32,
    ) -> Encoder<'a> {
        let mut encoder = Encoder::begin(slot, formatter, self.begin_string, msg_type);
        encoder.put_u32(tags::MSG_SEQ_NUM, seq).put_bool(tags::POSS_DUP_FLAG, true);
        self.put_parties(&mut encoder, now);
        encoder
    }

    /// Writes a header field by field, and keeps it.
    #[inline(never)]
    fn begin_anew(
        &mut self,
        slot: &mut [u8],
        formatter: &mut Formatter,
        now: Now,
        msg_type: &[u8],
        seq: u32,
    ) -> Begun {
        let mut encoder = Encoder::begin(slot, formatter, self.begin_string, msg_type);
        encoder.put_u32(tags::MSG_SEQ_NUM, seq);
        let number_end = encoder.written().len() - 1;
        self.put_parties(&mut encoder, now);
        let begun = encoder.begun();
        let written = encoder.written();
        self.keep(written, begun, msg_type, seq, number_end, now.utc);
        begun
    }

    /// Puts what a message of ours has besides its header, from its bytes as they were kept. Its header may have been
    /// written by other settings than today's: it is told by its own tags. What today's header has, or says anew, takes
    /// that one's place; a sub-ID that it has and today's has not stays.
    pub(super) fn put_rest(&self, encoder: &mut Encoder<'_>, message: &Message<'_>) {
        let (bytes, starts) = (message.bytes(), message.starts());
        for (position, pair) in starts.windows(2).enumerate().skip(FRAMING_FIELDS) {
            let field = field_at(bytes, pair[0], pair[1]);
            match self.place_of(field.tag) {
                Place::Taken => {}
                Place::Free => {
                    let value = bytes.get(field.start as usize..field.end as usize);
                    encoder.put_bytes(field.tag, value.unwrap_or_default());
                }
                Place::Elsewhere => {
                    encoder.put_fields(message.raw_from(position));
                    return;
                }
            }
        }
    }

    /// Whether a field that stood in a header of ours has its place in today's.
    fn place_of(&self, tag: u32) -> Place {
        let sub_id = match tag {
            tags::MSG_SEQ_NUM
            | tags::SENDER_COMP_ID
            | tags::SENDING_TIME
            | tags::TARGET_COMP_ID
            | tags::LAST_MSG_SEQ_NUM_PROCESSED => return Place::Taken,
            tags::SENDER_SUB_ID => &self.sender_sub_ids.sub_id,
            tags::TARGET_SUB_ID => &self.target_sub_ids.sub_id,
            tags::SENDER_LOCATION_ID => &self.sender_sub_ids.location_id,
            tags::TARGET_LOCATION_ID => &self.target_sub_ids.location_id,
            _ => return Place::Elsewhere,
        };
        if sub_id.is_some() { Place::Taken } else { Place::Free }
    }

    /// Ends a header that was begun: where it says so, the number before `next_in` is the last processed.
    #[inline(always)]
    pub(super) fn end(&self, encoder: &mut Encoder<'_>, next_in: u32) {
        if self.says_processed {
            encoder.put_u32(tags::LAST_MSG_SEQ_NUM_PROCESSED, next_in.saturating_sub(1));
        }
    }

    fn put_parties(&self, encoder: &mut Encoder<'_>, now: Now) {
        let put = |encoder: &mut Encoder<'_>, tag, id: &Option<CompId>| {
            if let Some(id) = id {
                encoder.put_bytes(tag, id.as_bytes());
            }
        };
        encoder.put_bytes(tags::SENDER_COMP_ID, self.sender.as_bytes());
        put(encoder, tags::SENDER_SUB_ID, &self.sender_sub_ids.sub_id);
        encoder
            .put_utc(tags::SENDING_TIME, now.utc, self.precision)
            .put_bytes(tags::TARGET_COMP_ID, self.target.as_bytes());
        put(encoder, tags::TARGET_SUB_ID, &self.target_sub_ids.sub_id);
        put(encoder, tags::SENDER_LOCATION_ID, &self.sender_sub_ids.location_id);
        put(encoder, tags::TARGET_LOCATION_ID, &self.target_sub_ids.location_id);
    }

    /// Keeps a header that was just written, if it is short enough and nothing is wrong with it.
    fn keep(
        &mut self,
        written: &[u8],
        begun: Begun,
        msg_type: &[u8],
        seq: u32,
        number_end: usize,
        time: UtcTime,
    ) {
        self.kept.digits = 0;
        let (Some(room), Some(msg_type)) =
            (self.kept.text.get_mut(..written.len()), padded(msg_type))
        else {
            return;
        };
        if begun.error.is_some() || u64::from(seq) >= swar::NUMBERS {
            return;
        }
        let Some(word) = swar::word_before(written, number_end) else { return };
        let behind = self.behind_time + self.precision.len();
        let Some(time_at) = written.len().checked_sub(behind) else { return };
        room.copy_from_slice(written);
        self.kept.begun = begun;
        self.kept.msg_type = msg_type;
        self.kept.digits = swar::width_of(swar::text_of(u64::from(seq)));
        (self.kept.word_at, self.kept.word) = (number_end - 8, word);
        self.kept.time_at = time_at;
        self.kept.second_ns = time.as_unix_ns() / NS_PER_S * NS_PER_S;
        self.kept.add_up();
    }

    /// Writes the time into a header that has the kept one's second, and says what its milliseconds add up to; `None`
    /// where the sum is not kept.
    #[inline(always)]
    fn write_time(
        &mut self,
        time: UtcTime,
        formatter: &mut Formatter,
        room: &mut [u8; KEPT_MAX],
    ) -> Option<u32> {
        let text = formatter.text(time, self.precision);
        let millis = text[MILLIS].first_chunk::<4>().copied().unwrap_or_default();
        let at = self.kept.time_at + MILLIS.start;
        match room.get_mut(at..at + MILLIS.len()) {
            Some(place)
                if self.precision == Precision::Millis
                    && formatter.second_ns() == self.kept.second_ns =>
            {
                place.copy_from_slice(&millis);
                Some(swar::sum_of(u64::from(u32::from_le_bytes(millis))))
            }
            _ => {
                self.turn_to(time, formatter, room);
                None
            }
        }
    }

    /// Writes the time into the header at hand and into the one that is kept.
    #[inline(never)]
    fn turn_to(&mut self, time: UtcTime, formatter: &mut Formatter, room: &mut [u8; KEPT_MAX]) {
        let kept = &mut self.kept;
        let len = self.precision.len();
        let text = &formatter.text(time, self.precision)[..len];
        for header in [room, &mut kept.text] {
            if let Some(value) = header.get_mut(kept.time_at..kept.time_at + len) {
                value.copy_from_slice(text);
            }
        }
        kept.second_ns = formatter.second_ns();
        kept.add_up();
    }
}

impl Kept {
    /// Adds up all but the digits of the number and of the milliseconds.
    fn add_up(&mut self) {
        let len = (self.begun.at as usize).min(KEPT_MAX);
        let all: u32 = self.text[..len].iter().map(|byte| u32::from(*byte)).sum();
        let millis = self.time_at + MILLIS.start;
        let millis = self.text.get(millis..millis + MILLIS.len()).unwrap_or_default();
        let of_millis: u32 = millis.iter().map(|byte| u32::from(*byte)).sum();
        let digits = self.word & swar::back(self.digits.clamp(1, 8));
        self.sum = all - of_millis - swar::sum_of(digits);
    }

    /// Writes the header with another number, as wide as the last one, and says what its digits add up to.
    #[inline(always)]
    fn write(&self, room: &mut [u8; KEPT_MAX], number: u64) -> u32 {
        *room = self.text;
        let digits = swar::back(self.digits.clamp(1, 8));
        let word = (self.word & !digits) | (number & digits);
        if let Some(place) = room.get_mut(self.word_at..self.word_at + 8) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        swar::sum_of(number & digits)
    }
}

/// A MsgType of one or two characters, all that a kept header is told by.
#[inline(always)]
fn padded(msg_type: &[u8]) -> Option<[u8; 2]> {
    match *msg_type {
        [a] => Some([a, 0]),
        [a, b] => Some([a, b]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fix::Role;
    use crate::time::Instant;

    fn header(precision: Precision, comp_id_len: usize) -> Header {
        header_of(precision, comp_id_len, false)
    }

    fn header_of(precision: Precision, comp_id_len: usize, has_sub_ids: bool) -> Header {
        let id = |letter: &str| CompId::new(&letter.repeat(comp_id_len)).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, Role::Initiator, id("A"), id("B"));
        if has_sub_ids {
            config.sender_sub_ids = SubIds { sub_id: Some(id("C")), location_id: Some(id("L")) };
            config.target_sub_ids = SubIds { sub_id: Some(id("D")), location_id: None };
        }
        config.precision = precision;
        Header::new(&config)
    }

    #[test]
    fn a_second_that_has_turned_is_kept_for_the_messages_that_follow() {
        let mut header = header(Precision::Millis, 4);
        let mut formatter = Formatter::default();
        for (ms, text) in
            [(37_123, "37.123"), (38_123, "38.123"), (38_124, "38.124"), (38_124, "38.124")]
        {
            let utc = UtcTime::from_unix_ns((1_795_639_740_000 + ms) * 1_000_000);
            let now = Now { mono: Instant::ZERO, utc };
            let mut slot = [0; 512];
            let encoder = header.begin(&mut slot, &mut formatter, now, b"D", 7);
            let written = String::from_utf8_lossy(encoder.written()).into_owned();
            assert!(written.contains(&format!("52=20261125-20:49:{text}\x01")), "{written}");
        }
    }

    proptest! {
        #[test]
        fn a_header_kept_is_the_one_that_would_be_written(
            messages in prop::collection::vec(
                (
                    prop::sample::select(vec!["D", "AE", "8", "UUU", "", "\x01"]),
                    prop_oneof![0u32..30, 90u32..110, any::<u32>()],
                    // Often the time of another one.
                    prop_oneof![
                        prop::sample::select(vec![0, 5_000_000, 1_000_000_000, 1_001_000_000]),
                        0u64..3_000_000_000,
                    ],
                ),
                1..12,
            ),
            precision in prop::sample::select(vec![
                Precision::Seconds, Precision::Millis, Precision::Micros, Precision::Nanos,
            ]),
            comp_id_len in 1usize..40,
            has_sub_ids: bool,
            room in prop_oneof![Just(512usize), 20usize..200],
        ) {
            let mut kept = header_of(precision, comp_id_len, has_sub_ids);
            let (mut formatter, mut anew) = (Formatter::default(), Formatter::default());
            for (msg_type, seq, ns) in messages {
                let utc = UtcTime::from_unix_ns(1_795_639_777_000_000_000 + ns);
                let now = Now { mono: Instant::ZERO, utc };
                let (mut slot, mut other) = (vec![0xee; room], vec![0xee; room]);
                let msg_type = msg_type.as_bytes();
                let mut found = kept.begin(&mut slot, &mut formatter, now, msg_type, seq);
                let mut fresh = header_of(precision, comp_id_len, has_sub_ids);
                let begun = fresh.begin_anew(&mut other, &mut anew, now, msg_type, seq);
                let mut expected = Encoder::resume(&mut other, &mut anew, begun);
                prop_assert_eq!(found.begun().error, begun.error);
                if begun.error.is_none() {
                    let Begun { at, body, error, sum } = found.begun();
                    prop_assert_eq!((at, body, error), (begun.at, begun.body, begun.error));
                    let naive: u32 = found.written().iter().map(|byte| u32::from(*byte)).sum();
                    prop_assert!(sum.is_none_or(|sum| sum == naive));
                    prop_assert_eq!(found.written(), expected.written());
                    let (found, expected) = (found.finish(), expected.finish());
                    prop_assert_eq!(found, expected);
                    if let Ok(len) = found {
                        prop_assert_eq!(&slot[..len], &other[..len]);
                    }
                }
            }
        }
    }
}
