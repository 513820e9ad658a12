//! Eight bytes of text at a time, in one register. A word holds its first byte lowest.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// A byte over 9 reaches its highest bit by this, or has it already.
const TO_HIGH: u64 = 0x7676_7676_7676_7676;

/// The eight bytes from `at` on.
#[inline]
pub(super) fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// The eight bytes that end before `end`.
#[inline]
pub(super) fn word_before(bytes: &[u8], end: usize) -> Option<u64> {
    bytes.get(..end)?.last_chunk().map(|word| u64::from_le_bytes(*word))
}

/// Four to eight bytes at the back of a word, zeros before them.
#[inline]
pub(crate) fn word_of_short(text: &[u8]) -> Option<u64> {
    let (front, back) = (text.first_chunk::<4>()?, text.last_chunk::<4>()?);
    if text.len() > 8 {
        return None;
    }
    // They overlap where there are fewer than eight, and agree there.
    let front = u64::from(u32::from_le_bytes(*front)) << (8 * (8 - text.len()));
    Some(front | u64::from(u32::from_le_bytes(*back)) << 32)
}

/// The position of the first `byte` in a word.
#[inline]
pub(super) fn position(word: u64, byte: u8) -> Option<usize> {
    let zero_where_found = word ^ (ONES * byte as u64);
    // Exact up to the first zero, which is all that is asked for.
    let found = zero_where_found.wrapping_sub(ONES) & !zero_where_found & HIGHS;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The number that the first `count` bytes of a word write, 1 to 8 digits; `None` if one is no digit.
#[inline(always)]
pub(super) fn digits_at_front(word: u64, count: usize) -> Option<u32> {
    let values = values_at_front(word, count)?;
    are_digits(values).then(|| number(values))
}

/// The same. Most have up to four digits, and are read by half a word.
#[inline(always)]
pub(crate) fn few_digits_at_front(word: u64, count: usize) -> Option<u32> {
    if count.wrapping_sub(1) >= 4 {
        return more_digits_at_front(word, count);
    }
    let values = (word as u32 ^ ZEROS as u32).wrapping_shl((count as u32 * 8).wrapping_neg());
    let is_digits = (values | values.wrapping_add(TO_HIGH as u32)) & HIGHS as u32 == 0;
    is_digits.then(|| number_of_four(values))
}

#[inline(never)]
fn more_digits_at_front(word: u64, count: usize) -> Option<u32> {
    digits_at_front(word, count)
}

/// What the first `count` bytes of a word are over '0', 1 to 8 of them, moved to its back, zeros before them.
#[inline(always)]
fn values_at_front(word: u64, count: usize) -> Option<u64> {
    let is_width = count.wrapping_sub(1) < 8;
    is_width.then(|| (word ^ ZEROS).wrapping_shl((count as u32 * 8).wrapping_neg()))
}

/// The number that the last `count` bytes of a word write, 1 to 8 digits; `None` if one is no digit.
#[inline(always)]
pub(crate) fn digits_at_back(word: u64, count: usize) -> Option<u32> {
    if count == 0 || count > 8 {
        return None;
    }
    digits_of(word & back(count), count)
}

/// The number that the first `count` bytes of a word write, up to 8, if they are digits with a point before
/// the last `places` of them; without a point where that is 0.
#[inline(always)]
pub(crate) fn scaled(word: u64, count: usize, places: u8) -> Option<u32> {
    match places {
        0 => few_digits_at_front(word, count),
        1..=6 => {
            let point_at = 56 - 8 * u32::from(places);
            // Nothing is left of the point, where it is.
            let values = values_at_front(word, count)? ^ u64::from(b'.' ^ b'0') << point_at;
            let to_high = TO_HIGH + ((0x7f - 0x76) << point_at);
            if (values | values.wrapping_add(to_high)) & HIGHS != 0 {
                return None;
            }
            // What stands before it moves over it.
            let before = (1 << point_at) - 1;
            Some(number((values & before) << 8 | values & !before))
        }
        _ => None,
    }
}

/// The bits of a word's last `count` bytes, 1 to 8.
#[inline]
pub(super) const fn back(count: usize) -> u64 {
    u64::MAX << (64 - 8 * count)
}

/// The number that the last `count` bytes of a word write, 1 to 8 digits, the bytes before them zero.
#[inline]
pub(super) fn digits_of(kept: u64, count: usize) -> Option<u32> {
    let values = kept ^ (ZEROS & back(count));
    are_digits(values).then(|| number(values))
}

/// Whether no byte is over 9.
#[inline(always)]
const fn are_digits(values: u64) -> bool {
    // One that carries into the next has its highest bit already.
    (values | values.wrapping_add(TO_HIGH)) & HIGHS == 0
}

/// Four digits' values, the first and highest in the lowest byte, as a number.
#[inline(always)]
pub(super) const fn number_of_four(digits: u32) -> u32 {
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff;
    pairs.wrapping_mul(100 << 16 | 1) >> 16
}

/// The last `count` bytes of a word, 1 to 8, at its front: the highest bit of each that is no digit, and what each is worth as
/// one. Behind one of 0x8a or more the next may be marked too.
#[inline(always)]
pub(super) const fn others_at_back(word: u64, count: usize) -> (u64, u64) {
    let digits = (word ^ ZEROS) >> (64 - 8 * count);
    ((digits | digits.wrapping_add(0x7676_7676_7676_7676)) & HIGHS, digits)
}

/// Eight digits' values, the first and highest in the lowest byte, as a number.
#[inline]
const fn number(digits: u64) -> u32 {
    // Pairs, then fours, then all: each multiplication adds ten times the one to the other.
    let pairs = (digits.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    (fours.wrapping_mul(10_000 << 32 | 1) >> 32) as u32
}

/// How many numbers [`text_of`] writes: those of eight digits.
pub(crate) const NUMBERS: u64 = 100_000_000;

/// A number under [`NUMBERS`] in eight digits, zeros in front.
#[inline]
pub(crate) const fn text_of(number: u64) -> u64 {
    // Fours, then pairs, then all: each multiplication divides by a power of ten, exactly so for
    // what is in its lanes.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | ((pairs - tens * 10) << 8) | ZEROS
}

/// The same. Quantities mostly have up to four digits, and are written by half a word.
#[inline(always)]
pub(crate) fn text_of_any(number: u64) -> u64 {
    if number >= 10_000 {
        return text_of(number);
    }
    let number = number as u32;
    let hundreds = (number * 10_486) >> 20;
    let pairs = hundreds | (number - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f;
    let digits = tens | (pairs - tens * 10) << 8;
    ZEROS | u64::from(digits) << 32
}

/// How many digits a number under [`NUMBERS`] takes, by its [`text_of`].
#[inline]
pub(crate) const fn width_of(text: u64) -> usize {
    // The last digit counts, even where it is 0.
    let digits = (text ^ ZEROS) | 1 << 56;
    8 - digits.trailing_zeros() as usize / 8
}

/// A number that mostly counts up by one, and its text: a template's [slot](super::encode::Filling::numeral) for MsgSeqNum,
/// or for an identifier that counts.
#[derive(Clone, Debug)]
pub struct Numeral {
    number: u32,
    width: u32,
    text: u64,
}

impl Default for Numeral {
    fn default() -> Numeral {
        Numeral::ZERO
    }
}

impl Numeral {
    pub(crate) const ZERO: Numeral = Numeral { number: 0, width: 1, text: text_of(0) };

    /// Turns to `number`, which is under [`NUMBERS`]: its [`text_of`] and its [`width_of`].
    #[inline(always)]
    pub(crate) fn turn_to(&mut self, number: u32) -> (u64, usize) {
        const LAST_DIGIT: u64 = 1 << 56;
        let is_next = number == self.number.wrapping_add(1) && self.text < (b'9' as u64) << 56;
        if is_next {
            (self.number, self.text) = (number, self.text + LAST_DIGIT);
        } else if number != self.number {
            self.write(number);
        }
        (self.text, self.width as usize)
    }

    #[inline(never)]
    fn write(&mut self, number: u32) {
        let text = text_of(u64::from(number) % NUMBERS);
        *self = Numeral { number, width: width_of(text) as u32, text };
    }
}

/// The bytes of a word added up.
#[inline]
pub(crate) const fn sum_of(word: u64) -> u32 {
    const EVEN: u64 = 0x00ff_00ff_00ff_00ff;
    let pairs = (word & EVEN) + (word >> 8 & EVEN);
    (pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as u32
}

/// Whether a byte of the word is `byte`.
#[inline]
pub(super) const fn has(word: u64, byte: u8) -> bool {
    let zero_where_found = word ^ (ONES * byte as u64);
    zero_where_found.wrapping_sub(ONES) & !zero_where_found & HIGHS != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fix::value::parse_u32;

    fn soup() -> impl Strategy<Value = [u8; 8]> {
        let byte = prop_oneof![
            8 => b'0'..=b'9',
            1 => prop_oneof![Just(b'/'), Just(b':'), Just(b'='), Just(0x8a), Just(0xff)],
            1 => any::<u8>()
        ];
        prop::array::uniform8(byte)
    }

    #[test]
    fn every_width_and_carry_is_written_as_the_library_writes_it() {
        let powers = (0..8).map(|power| 10u64.pow(power));
        let edges =
            powers.flat_map(|power| [power - 1, power, power + 1, 9 * power, 10 * power - 1]);
        for number in edges.chain(0..10_000).chain((0..10_000).map(|four| four * 10_000)) {
            let text = text_of(number).to_le_bytes();
            assert_eq!(text, *format!("{number:08}").as_bytes());
            assert_eq!(text_of_any(number), text_of(number), "{number}");
            assert_eq!(width_of(text_of(number)), number.to_string().len(), "{number}");
        }
    }

    #[test]
    fn a_short_text_stands_at_the_back_of_its_word() {
        let text = b"abcdefgh";
        for len in 0..=text.len() {
            let mut word = [0; 8];
            word[8 - len..].copy_from_slice(&text[..len]);
            let expected = (len >= 4).then_some(u64::from_le_bytes(word));
            assert_eq!(word_of_short(&text[..len]), expected, "{len}");
        }
        assert_eq!(word_of_short(b"abcdefghi"), None);
    }

    #[test]
    fn a_numeral_counts_as_numbers_are_written() {
        let mut numeral = Numeral::ZERO;
        let steps = (0..1_200).chain([1_200, 1_199, 7, 7, 99_999_998, 99_999_999, 0, 9, 10]);
        for number in steps {
            let text = text_of(u64::from(number));
            assert_eq!(numeral.turn_to(number), (text, width_of(text)), "{number}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn numbers_are_written_as_the_library_writes_them(number in 0..NUMBERS) {
            let library = format!("{number:08}");
            prop_assert_eq!(&text_of(number).to_le_bytes(), library.as_bytes());
        }

        #[test]
        fn digits_are_read_as_one_by_one(bytes in soup(), count in 0usize..=9) {
            let word = u64::from_le_bytes(bytes);
            let cut = count.min(8);
            let naive = |text: &[u8]| if count > 8 { None } else { parse_u32(text).ok() };
            prop_assert_eq!(digits_at_front(word, count), naive(&bytes[..cut]));
            prop_assert_eq!(few_digits_at_front(word, count), naive(&bytes[..cut]));
            prop_assert_eq!(digits_at_back(word, count), naive(&bytes[8 - cut..]));
        }

        #[test]
        fn bytes_add_up(bytes: [u8; 8]) {
            let naive: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
            prop_assert_eq!(sum_of(u64::from_le_bytes(bytes)), naive);
        }

        #[test]
        fn what_is_scaled_is_what_a_decimal_says(
            text in "[0-9]{0,4}[.]?[0-9./-]{0,5}", places in 0u8..9
        ) {
            let text = &text.as_bytes()[..text.len().min(8)];
            let mut word = *b"=1.=2.=3";
            word[..text.len()].copy_from_slice(text);
            let found = scaled(u64::from_le_bytes(word), text.len(), places);
            let decimal = crate::fix::Decimal::parse(text).ok();
            let is_plain = !text.starts_with(b"-");
            let naive = decimal.filter(|decimal| is_plain && decimal.exponent == -(places as i8));
            let naive = naive.filter(|_| places < 7 && !(places == 0 && text.contains(&b'.')));
            prop_assert_eq!(found.map(i64::from), naive.map(|decimal| decimal.mantissa));
        }

        #[test]
        fn a_byte_is_found_where_it_is_first(bytes in soup(), byte in any::<u8>(), planted in 0usize..16) {
            let mut bytes = bytes;
            if let Some(place) = bytes.get_mut(planted) {
                *place = byte;
            }
            let naive = bytes.iter().position(|other| *other == byte);
            prop_assert_eq!(position(u64::from_le_bytes(bytes), byte), naive);
            prop_assert_eq!(has(u64::from_le_bytes(bytes), byte), naive.is_some());
        }
    }
}
