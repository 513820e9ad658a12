//! Messages that are alike but for a few values: what is the same is written down once, with its sum.

use crate::fix::decimal::Decimal;
use crate::fix::frame::SOH;
use crate::fix::swar::{self, Numeral};
use crate::fix::timestamp::Precision;
use crate::time::UtcTime;

use super::{EncodeError, Encoder, PLACES_SHORT, SHORT_MAX, copy_short, put_short_decimal, slow};

/// The longest run of fields that stay the same, between two slots, in bytes.
pub const FIXED_BYTES_MAX: usize = 128;
/// A value and what stands behind it are written in so many bytes at once, garbage behind them, where the message's slot
/// has them.
const ROOM: usize = VALUE_ROOM + FIXED_BYTES_MAX;
/// For a value of up to [`SHORT_MAX`] bytes, or a timestamp.
const VALUE_ROOM: usize = 32;

/// What is shorter is copied by fewer instructions.
const SHORT_FIXED: usize = 32;

/// Why a text is no template. Ours to mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not as many `{}` as values are put.
    #[error("the template has {found} slots, and {expected} values are put")]
    Slots {
        /// In the text.
        found: usize,
        /// Of its type.
        expected: usize,
    },
    /// More than [`FIXED_BYTES_MAX`] between two slots.
    #[error("a template has more than {FIXED_BYTES_MAX} bytes between two slots")]
    FixedTooLong,
    /// It is not fields, each a tag of digits, `=`, a value and `|`; a slot ends a value.
    #[error("a template is fields: digits, '=', a value or {{}}, and '|' behind each")]
    NotFields,
    /// A field that the message must have is neither fixed nor put.
    #[error("the message must have the field {0}: give it a value")]
    Missing(u32),
    /// A field that the message does not have, or that is put, has a fixed value.
    #[error("the field {0} is not the message's to fix: take it out")]
    NotOfMessage(u32),
}

/// Bytes that are the same in every message.
#[derive(Clone, Copy, Debug)]
struct Fixed {
    text: [u8; FIXED_BYTES_MAX],
    len: usize,
    sum: u32,
}

impl Fixed {
    const EMPTY: Fixed = Fixed { text: [0; FIXED_BYTES_MAX], len: 0, sum: 0 };

    /// Writes it at `at` of a room; false if it does not fit. Most are short.
    #[inline(always)]
    fn put(&self, room: &mut [u8; ROOM], at: usize) -> bool {
        let (Some(short), Some(room)) = (self.text.first_chunk(), room.get_mut(at..)) else {
            return false;
        };
        if self.len <= SHORT_FIXED {
            return room.first_chunk_mut::<SHORT_FIXED>().map(|room| *room = *short).is_some();
        }
        room.first_chunk_mut().map(|room| *room = self.text).is_some()
    }

    fn push(&mut self, byte: u8) -> Result<(), TemplateError> {
        *self.text.get_mut(self.len).ok_or(TemplateError::FixedTooLong)? = byte;
        self.len += 1;
        self.sum += u32::from(byte);
        Ok(())
    }
}

/// The body of messages that differ in the values of `SLOTS` fields, in the order of the text that it is made of.
#[derive(Clone, Debug)]
pub struct Template<const SLOTS: usize> {
    front: Fixed,
    behind: [Fixed; SLOTS],
}

impl<const SLOTS: usize> Template<SLOTS> {
    /// Fields as they stand in a message, `|` behind each, and `{}` for each value that is put, or for what of it comes
    /// behind text that is the same: `1=DESK1|11=O{}|21=1|38={}|40=2|44={}|`.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn new(text: &str) -> Result<Template<SLOTS>, TemplateError> {
        let mut template = Template { front: Fixed::EMPTY, behind: [Fixed::EMPTY; SLOTS] };
        let fields = text.strip_suffix('|').ok_or(TemplateError::NotFields)?;
        let mut found = 0;
        let mut fixed = &mut template.front;
        let mut others = template.behind.iter_mut();
        for field in fields.split('|') {
            let (tag, value) = field.split_once('=').ok_or(TemplateError::NotFields)?;
            let is_tag = !tag.starts_with('0')
                && (1..=9).contains(&tag.len())
                && tag.bytes().all(|byte| byte.is_ascii_digit());
            if !is_tag || value.is_empty() || value.contains('\x01') {
                return Err(TemplateError::NotFields);
            }
            tag.bytes().chain([b'=']).try_for_each(|byte| fixed.push(byte))?;
            let front = value.strip_suffix("{}");
            front.unwrap_or(value).bytes().try_for_each(|byte| fixed.push(byte))?;
            if front.is_some() {
                found += 1;
                if let Some(next) = others.next() {
                    fixed = next;
                }
            }
            fixed.push(SOH)?;
        }
        if found == SLOTS {
            Ok(template)
        } else {
            Err(TemplateError::Slots { found, expected: SLOTS })
        }
    }
}

impl<const SLOTS: usize> Template<SLOTS> {
    /// The fields of a message in this `order`: `slots` are put, `fixed` have these values, and `required` must be among
    /// them.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn of_fields(
        order: &[u32],
        required: &[u32],
        slots: &[u32],
        fixed: &[(u32, &str)],
    ) -> Result<Template<SLOTS>, TemplateError> {
        let is_foreign = |tag: &u32| !order.contains(tag) || slots.contains(tag);
        if let Some((tag, _)) = fixed.iter().find(|(tag, _)| is_foreign(tag)) {
            return Err(TemplateError::NotOfMessage(*tag));
        }
        let mut text = String::new();
        for tag in order {
            let value = fixed.iter().find(|(fixed, _)| fixed == tag).map(|(_, value)| *value);
            match value {
                Some(value) if value.contains(['|', '{']) => return Err(TemplateError::NotFields),
                Some(value) => text += &format!("{tag}={value}|"),
                None if slots.contains(tag) => text += &format!("{tag}={{}}|"),
                None if required.contains(tag) => return Err(TemplateError::Missing(*tag)),
                None => {}
            }
        }
        Template::new(&text)
    }
}

/// Puts the values of a [`Template`], one after the other. Those that are missing in the end, and those that are too many,
/// are an error, and so is what an [`Encoder`] refuses.
#[derive(Debug)]
#[must_use = "`end` is to be called when all values are put"]
pub struct Filling<'e, 'a, const SLOTS: usize> {
    encoder: &'e mut Encoder<'a>,
    template: &'e Template<SLOTS>,
    next: usize,
    /// Where the template began, and what its bytes add up to so far; not so once some were not added.
    from: usize,
    sum: u32,
    is_summed: bool,
}

impl<'a> Encoder<'a> {
    /// Goes on with the fields of a template; [`end`](Filling::end) is to be called when all values are put.
    #[inline(always)]
    pub fn fill<'e, const SLOTS: usize>(
        &'e mut self,
        template: &'e Template<SLOTS>,
    ) -> Filling<'e, 'a, SLOTS> {
        let (from, front) = (self.at, &template.front);
        let room = self.slot.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<ROOM>);
        if room.is_some_and(|room| front.put(room, 0)) {
            self.at += front.len;
        } else {
            let written = slow::raw(self.slot, self.at, &front.text[..front.len]);
            self.take_up(written);
        }
        Filling { encoder: self, template, next: 0, from, sum: front.sum, is_summed: true }
    }
}

impl<const SLOTS: usize> Filling<'_, '_, SLOTS> {
    /// Text. An empty value or one with an SOH is an error.
    #[inline(always)]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.put(
            |room| {
                let place = room.first_chunk_mut::<SHORT_MAX>()?;
                if !(1..=SHORT_MAX).contains(&value.len()) || copy_short(value, place) {
                    return None;
                }
                let sum = match swar::word_of_short(value) {
                    Some(word) => swar::sum_of(word),
                    None => value.iter().map(|byte| u32::from(*byte)).sum(),
                };
                Some((value.len(), sum))
            },
            |slot, at| {
                if value.is_empty() || value.contains(&SOH) {
                    return Err(EncodeError::ValueInvalid);
                }
                slow::raw(slot, at, value)
            },
        );
        self
    }

    /// A price or quantity, with the places its exponent says.
    #[inline(always)]
    pub fn decimal(mut self, value: Decimal) -> Self {
        let places = usize::from(value.exponent.wrapping_neg().cast_unsigned());
        let mantissa = value.mantissa.cast_unsigned();
        self.put(
            |room| {
                let is_short = mantissa < swar::NUMBERS && places < PLACES_SHORT;
                is_short.then(|| put_short_decimal(room, mantissa, places))
            },
            |slot, at| slow::decimal_alone(slot, at, value),
        );
        self
    }

    /// An integer.
    #[inline(always)]
    pub fn i64(self, value: i64) -> Self {
        self.decimal(Decimal::new(value, 0))
    }

    /// A number that mostly counts up by one from message to message: what differs from the one before is written.
    #[inline(always)]
    pub fn numeral(mut self, numeral: &mut Numeral, value: u32) -> Self {
        if u64::from(value) >= swar::NUMBERS {
            return self.i64(i64::from(value));
        }
        let (text, width) = numeral.turn_to(value);
        let digits = text >> (64 - 8 * width);
        self.put(
            |room| {
                *room.first_chunk_mut()? = digits.to_le_bytes();
                Some((width, swar::sum_of(digits)))
            },
            |slot, at| slow::decimal_alone(slot, at, Decimal::new(i64::from(value), 0)),
        );
        self
    }

    /// One character.
    #[inline(always)]
    pub fn char(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    /// A UTCTimestamp.
    #[inline(always)]
    pub fn utc(mut self, value: UtcTime, precision: Precision) -> Self {
        let (text, sum) = self.encoder.formatter.text_and_sum(value, precision);
        let (text, len) = (*text, precision.len());
        self.put(
            |room| {
                *room.first_chunk_mut()? = text;
                Some((len, sum))
            },
            |slot, at| slow::raw(slot, at, &text[..len]),
        );
        self
    }

    /// Done: an error if values are missing.
    #[inline(always)]
    pub fn end(self) {
        if self.next != SLOTS {
            return self.encoder.refuse(EncodeError::SlotsWrong);
        }
        if self.is_summed && self.encoder.summed_to == self.from {
            self.encoder.sum = self.encoder.sum.wrapping_add(self.sum);
            self.encoder.summed_to = self.encoder.at;
        }
    }

    /// Puts a value, which says its length and sum where it is written the fast way, and what stands behind it.
    #[inline(always)]
    fn put(
        &mut self,
        fast: impl FnOnce(&mut [u8]) -> Option<(usize, u32)>,
        slowly: impl FnOnce(&mut [u8], usize) -> Result<usize, EncodeError>,
    ) {
        let encoder = &mut *self.encoder;
        let Some(fixed) = self.template.behind.get(self.next) else {
            return encoder.refuse(EncodeError::SlotsWrong);
        };
        self.next += 1;
        let room = encoder.slot.get_mut(encoder.at..).and_then(<[u8]>::first_chunk_mut::<ROOM>);
        if let Some(room) = room
            && let Some((len, sum)) = fast(&mut room[..VALUE_ROOM])
            && fixed.put(room, len)
        {
            encoder.at += len + fixed.len;
            self.sum = self.sum.wrapping_add(sum).wrapping_add(fixed.sum);
            return;
        }
        // What is unusual is added up with the whole message in the end.
        self.is_summed = false;
        let written = slowly(encoder.slot, encoder.at)
            .and_then(|at| slow::raw(encoder.slot, at, &fixed.text[..fixed.len]));
        encoder.take_up(written);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fix::encode::Opening;
    use crate::fix::timestamp::Formatter;

    #[test]
    fn a_text_that_is_no_template_is_refused() {
        let long = format!("58={}|", "x".repeat(FIXED_BYTES_MAX));
        let table = [
            ("1=A|11={}", TemplateError::NotFields),
            ("", TemplateError::NotFields),
            ("1=A|={}|", TemplateError::NotFields),
            ("11={}|01=A|", TemplateError::NotFields),
            ("11=|", TemplateError::NotFields),
            ("1x={}|", TemplateError::NotFields),
            ("1=A|", TemplateError::Slots { found: 0, expected: 1 }),
            ("11={}|38={}|", TemplateError::Slots { found: 2, expected: 1 }),
            (&long, TemplateError::FixedTooLong),
        ];
        for (text, why) in table {
            assert_eq!(Template::<1>::new(text).map(|_| ()), Err(why), "{text}");
        }
    }

    #[test]
    fn as_many_values_are_put_as_there_are_slots() {
        let template = Template::<2>::new("11={}|38={}|").unwrap();
        for count in 0..4 {
            let (mut slot, mut formatter) = ([0; 512], Formatter::default());
            let mut encoder = Encoder::begin(&mut slot, &mut formatter, "FIX.4.4", b"D");
            let mut filling = encoder.fill(&template);
            for number in 0..count {
                filling = filling.i64(number);
            }
            filling.end();
            let expected = if count == 2 { None } else { Some(EncodeError::SlotsWrong) };
            assert_eq!(encoder.finish().err(), expected, "{count}");
        }
    }

    #[test]
    fn numbers_that_count_behind_a_text_are_written_as_any_are() {
        let template = Template::<2>::new("34={}|11=O-{}|").unwrap();
        let (mut seq, mut id) = (Numeral::default(), Numeral::default());
        for room in [512, 40] {
            for number in [1, 2, 9, 10, 11, 7, 99_999_998, 99_999_999, 100_000_000, u32::MAX, 0] {
                let (mut slot, mut formatter) = ([0xee; 512], Formatter::default());
                let opening = Opening::new("FIX.4.4", b"D").unwrap();
                let mut encoder = Encoder::open(&mut slot[..room], &mut formatter, &opening);
                let filling = encoder.fill(&template);
                filling.numeral(&mut seq, number).numeral(&mut id, number).end();
                let found = encoder.finish();
                let (mut other, mut formatter) = ([0; 512], Formatter::default());
                let mut encoder =
                    Encoder::begin(&mut other[..room], &mut formatter, "FIX.4.4", b"D");
                encoder.put_u32(34, number).put_str(11, &format!("O-{number}"));
                assert_eq!(found, encoder.finish(), "{number}");
                if let Ok(len) = found {
                    assert_eq!(slot[..len], other[..len], "{number}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_template_filled_is_the_message_written_field_by_field(
            text in "[ -{}~]{1,40}", mantissa in -3i64..200_000_000, places in 0i8..12, char in b'!'..b'~',
            ns in 0u64..4_000_000_000_000_000_000, room in prop_oneof![Just(1024usize), 60usize..400],
            fixed in 1usize..100, is_short in any::<bool>(), second: bool,
        ) {
            let text = if is_short { &text[..text.len().min(9)] } else { &text[..] };
            let fixed = "f".repeat(fixed);
            let template =
                Template::<5>::new(&format!("1={fixed}|11={{}}|38={{}}|40={{}}|58=y|60={{}}|44={{}}|59=0|")).unwrap();
            let (value, utc) = (Decimal::new(mantissa, -places), UtcTime::from_unix_ns(ns));
            let (mut slot, mut formatter) = (vec![0xee; room], Formatter::default());
            let mut encoder = Encoder::begin(&mut slot, &mut formatter, "FIX.4.4", b"D");
            // Where what stands before it is added up, the sum is carried along.
            encoder.sum_up();
            if second {
                encoder.fill(&Template::<1>::new("34={}|").unwrap()).i64(7).end();
            }
            encoder
                .fill(&template)
                .bytes(text.as_bytes())
                .decimal(value)
                .char(char)
                .utc(utc, Precision::Millis)
                .i64(mantissa)
                .end();
            let found = encoder.finish();
            let (mut other, mut formatter) = (vec![0xee; 2048], Formatter::default());
            let mut encoder = Encoder::begin(&mut other, &mut formatter, "FIX.4.4", b"D");
            if second {
                encoder.put_u32(34, 7);
            }
            encoder
                .put_str(1, &fixed)
                .put_str(11, text)
                .put_decimal(38, value)
                .put_char(40, char)
                .put_str(58, "y")
                .put_utc(60, utc, Precision::Millis)
                .put_i64(44, mantissa)
                .put_literal(b"59=0\x01");
            let len = encoder.finish().unwrap();
            match found {
                Ok(found) => {
                    prop_assert_eq!(found, len);
                    prop_assert_eq!(&slot[..len], &other[..len]);
                }
                Err(error) => {
                    prop_assert_eq!(error, EncodeError::TooLong);
                    prop_assert!(room < len);
                }
            }
        }
    }
}
