//! What the values of a field are held against, compiled: its type and the values it may have, in one look
//! for all that is usual.

use super::DataType;
use crate::fix::swar;
use crate::fix::timestamp::{Reader, is_of_any_year};

/// How a value is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// It may be anything, and even nothing: a field that no dictionary has and nobody minds.
    Free,
    /// Anything but nothing.
    Any,
    /// One character.
    Char,
    /// One character of a few.
    Chars,
    /// One of a few values.
    Values,
    /// Words of a few, with a space between each two.
    Words,
    /// An integer that is not negative.
    Digits,
    /// That number of entries, in digits.
    Count,
    /// An integer.
    Int,
    /// A price, quantity, amount or percentage.
    Decimal,
    /// A UTCTimestamp.
    Timestamp,
    /// As [`DataType::UtcTime`].
    Time,
    /// As [`DataType::Date`].
    Date,
    /// As [`DataType::MonthYear`].
    MonthYear,
    /// As [`DataType::DayOfMonth`].
    DayOfMonth,
}

/// A [`Class`] and what goes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) class: Class,
    /// Of [`Class::Count`] that, else where the values are that it may have.
    pub(super) which: u32,
}

impl Rule {
    /// Of a field that the dictionary does not describe.
    pub(super) const ANY: Rule = Rule { class: Class::Any, which: 0 };
    /// Of a field that it does not know.
    pub(super) const FREE: Rule = Rule { class: Class::Free, which: 0 };

    /// The rule of a type and of the values that it may have, all if there are none, which are added to
    /// `all` where there are any.
    pub(super) fn of(kind: DataType, values: &[Vec<u8>], all: &mut Vec<Values>) -> Rule {
        let class = match kind {
            DataType::Multiple if !values.is_empty() => Class::Words,
            DataType::Boolean if values.is_empty() => {
                return Rule::of(kind, &[b"Y".to_vec(), b"N".to_vec()], all);
            }
            _ if !values.is_empty() => Class::Values,
            DataType::Text | DataType::Multiple => Class::Any,
            DataType::Char => Class::Char,
            DataType::Int => Class::Int,
            DataType::Unsigned => Class::Digits,
            DataType::Decimal => Class::Decimal,
            DataType::UtcTimestamp => Class::Timestamp,
            DataType::UtcTime => Class::Time,
            DataType::Date => Class::Date,
            DataType::MonthYear => Class::MonthYear,
            DataType::Boolean | DataType::DayOfMonth => Class::DayOfMonth,
        };
        if !matches!(class, Class::Values | Class::Words) {
            return Rule { class, which: 0 };
        }
        // One that is not of the type is refused for that, whatever the list says.
        let is_of_type = |value: &&Vec<u8>| {
            kind.takes(value, 0..value.len(), &mut Reader::default()) && !value.is_empty()
        };
        let values: Vec<&[u8]> = values.iter().filter(is_of_type).map(Vec::as_slice).collect();
        let are_chars = class == Class::Values && values.iter().all(|value| value.len() == 1);
        all.push(Values::of(&values));
        let class = if are_chars { Class::Chars } else { class };
        Rule { class, which: (all.len() - 1) as u32 }
    }

    /// Whether the value in `message` from `start` to `end` is as it must be. It is empty only where its field may be
    /// so.
    #[inline(always)]
    pub(super) fn is_met(
        self,
        all: &[Values],
        message: &[u8],
        (start, end): (usize, usize),
        times: &mut Reader,
    ) -> bool {
        let len = end.wrapping_sub(start);
        let is_short = len.wrapping_sub(1) < 8;
        let word = || swar::word_before(message, end).filter(|_| is_short);
        match self.class {
            Class::Free | Class::Any => true,
            Class::Char => len == 1,
            Class::Chars => {
                let char = message.get(start).copied().unwrap_or_default();
                len == 1 && all.get(self.which as usize).is_some_and(|values| values.has_char(char))
            }
            Class::Digits => {
                word().is_some_and(|word| swar::others_at_back(word, len).0 == 0)
                    || self.is_met_by_far(all, message, (start, end))
            }
            Class::Int => {
                word().is_some_and(|word| swar::others_at_back(word, len).0 == 0)
                    || self.is_met_by_far(all, message, (start, end))
            }
            Class::Count => {
                word().and_then(|word| swar::digits_at_back(word, len)) == Some(self.which)
            }
            Class::Decimal => {
                word().is_some_and(|word| is_plain_decimal(word, len))
                    || self.is_met_by_far(all, message, (start, end))
            }
            Class::Timestamp => {
                let is_time = |text| times.read(text).is_ok() || is_of_any_year(text);
                message.get(start..end).is_some_and(is_time)
            }
            _ => self.is_met_by_far(all, message, (start, end)),
        }
    }

    /// The same of what is less usual.
    #[inline(never)]
    fn is_met_by_far(self, all: &[Values], message: &[u8], (start, end): (usize, usize)) -> bool {
        let text = message.get(start..end).unwrap_or_default();
        let values = || all.get(self.which as usize);
        let kind = match self.class {
            Class::Values => return values().is_some_and(|values| values.has(text)),
            Class::Words => {
                let has = |values: &Values| text.split(|byte| *byte == b' ').all(|w| values.has(w));
                return values().is_some_and(has);
            }
            Class::Digits => DataType::Unsigned,
            Class::Int => DataType::Int,
            Class::Decimal => DataType::Decimal,
            Class::Time => DataType::UtcTime,
            Class::Date => DataType::Date,
            Class::MonthYear => DataType::MonthYear,
            Class::DayOfMonth => DataType::DayOfMonth,
            Class::Free
            | Class::Any
            | Class::Char
            | Class::Chars
            | Class::Count
            | Class::Timestamp => return false,
        };
        kind.takes(message, start..end, &mut Reader::default())
    }
}

/// Whether the last `len` bytes of a word, 1 to 8, are digits and a point at most.
#[inline(always)]
fn is_plain_decimal(word: u64, len: usize) -> bool {
    const POINT: u64 = (b'.' ^ b'0') as u64;
    let (others, digits) = swar::others_at_back(word, len);
    if others == 0 {
        return true;
    }
    let is_point = digits >> (others.trailing_zeros() & !7) & 0xff == POINT;
    // One that is no digit, and it is a point.
    others & (others - 1) == 0 && is_point && len > 1
}

/// The values that a field may have.
#[derive(Debug)]
pub(super) struct Values {
    /// A bit for each that is one character.
    chars: [u64; 4],
    /// Those of two to eight, as words: open addressing, half of the places empty, which are 0.
    words: Box<[u64]>,
    shift: u32,
    /// Those that are longer, or begin with a NUL, ascending.
    long: Box<[Box<[u8]>]>,
}

impl Values {
    fn of(values: &[&[u8]]) -> Values {
        let (mut chars, mut short, mut long) = ([0; 4], Vec::new(), Vec::new());
        for value in values {
            match (value, word_of(value)) {
                ([char], _) => chars[usize::from(char / 64)] |= 1 << (char % 64),
                (_, Some(word)) => short.push(word),
                (_, None) => long.push(value.to_vec().into_boxed_slice()),
            }
        }
        long.sort_unstable();
        let size = (2 * short.len() + 2).next_power_of_two();
        let shift = u64::BITS - size.trailing_zeros();
        let mut words = vec![0; size].into_boxed_slice();
        for word in short {
            let mut at = place(word, shift);
            while words[at % size] != 0 && words[at % size] != word {
                at += 1;
            }
            words[at % size] = word;
        }
        Values { chars, words, shift, long: long.into() }
    }

    #[inline]
    fn has_char(&self, char: u8) -> bool {
        self.chars[usize::from(char / 64)] >> (char % 64) & 1 != 0
    }

    /// Those of one character, a bit for each of the 64 from `min` on; `None` if there is another.
    pub(super) fn chars_from(&self, min: u8) -> Option<u64> {
        let of_bit = |bit: u8| u64::from(self.has_char(min + bit)) << bit;
        let chars = (0..64).map(of_bit).fold(0, |chars, char| chars | char);
        let count: u32 = self.chars.iter().map(|word| word.count_ones()).sum();
        (chars.count_ones() == count).then_some(chars)
    }

    fn has(&self, value: &[u8]) -> bool {
        match (value, word_of(value)) {
            ([char], _) => self.has_char(*char),
            (_, Some(word)) => self.has_word(word),
            _ => self.long.binary_search_by(|known| known[..].cmp(value)).is_ok(),
        }
    }

    fn has_word(&self, word: u64) -> bool {
        let mut at = place(word, self.shift);
        // Half of the places are empty, so this ends.
        loop {
            match self.words.get(at & (self.words.len() - 1)) {
                Some(known) if *known == word => return true,
                None | Some(0) => return false,
                Some(_) => at += 1,
            }
        }
    }
}

fn place(word: u64, shift: u32) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> shift) as usize
}

/// A text of up to eight bytes, which no other text's is; `None` for a longer one, and for what would look like one.
#[inline]
fn word_of(text: &[u8]) -> Option<u64> {
    let word = match text.len() {
        1..4 => text.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        4..=8 => swar::word_of_short(text)?.swap_bytes(),
        _ => return None,
    };
    (text[0] != 0).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kind: DataType, values: &[&str], text: &[u8]) -> bool {
        let mut all = Vec::new();
        let values: Vec<Vec<u8>> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        let rule = Rule::of(kind, &values, &mut all);
        let message = [b"8=FIX.4.4|9=12|", text].concat();
        let place = (message.len() - text.len(), message.len());
        rule.is_met(&all, &message, place, &mut Reader::default())
    }

    #[test]
    fn a_value_is_one_of_the_list_whatever_its_length() {
        let values = ["A", "BB", "CCC", "DDDD", "EIGHTEEN", "A LONGER ONE", "0"];
        for value in values {
            assert!(found(DataType::Text, &values, value.as_bytes()), "{value}");
        }
        for value in ["B", "AA", "BBB", "CC", "DDDDD", "EIGHTEE", "A LONGER ONE ", "\0A", "\0BB"] {
            assert!(!found(DataType::Text, &values, value.as_bytes()), "{value:?}");
        }
        assert!(found(DataType::Text, &["\0BB"], b"\0BB"));
        assert!(!found(DataType::Text, &["\0BB"], b"BB"));
    }

    #[test]
    fn a_value_of_the_list_that_is_not_of_the_type_is_refused() {
        assert!(found(DataType::Char, &["1", "10"], b"1"));
        assert!(!found(DataType::Char, &["1", "10"], b"10"));
        assert!(!found(DataType::Int, &["1", "x"], b"x"));
        assert!(!found(DataType::Boolean, &["Y", "X"], b"X"));
        assert!(!found(DataType::Boolean, &["Y", "X"], b"N"));
    }

    #[test]
    fn each_type_takes_what_its_slow_twin_takes() {
        let kinds = [
            DataType::Text,
            DataType::Multiple,
            DataType::Char,
            DataType::Boolean,
            DataType::Int,
            DataType::Unsigned,
            DataType::Decimal,
            DataType::UtcTimestamp,
            DataType::UtcTime,
            DataType::Date,
            DataType::MonthYear,
            DataType::DayOfMonth,
        ];
        let texts = "1 12345678 123456789 -1 -12 1.5 1. .5 . .. 1..5 1.2.3 12345.67 123456.78 1-2 x \
            1x x1 Y N YN 202401 20240131 202401w5 03:04:05 20260102-03:04:05 \
            20260102-03:04:05.123 20260102-03:04:05.12x 20260102-03:04:05.12 99991231-00:00:00 \
            99990229-00:00:00 99991231 999912 /1 :1 1: 1/ \u{7f}1 1\u{8a}1 \u{9e}1";
        for kind in kinds {
            for text in texts.split_ascii_whitespace().map(str::as_bytes) {
                let expected = kind.takes(text, 0..text.len(), &mut Reader::default());
                assert_eq!(found(kind, &[], text), expected, "{kind:?} {text:?}");
            }
        }
    }
}
