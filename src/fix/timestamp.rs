//! UTCTimestamp: `YYYYMMDD-HH:MM:SS` with a fraction of a second after it or none. What is written has nothing, milli-,
//! micro- or nanoseconds; what is read has whatever two sides agree on.

use core::ops::Range;

use arrayvec::ArrayVec;

use crate::time::UtcTime;

use super::swar;
use super::value::{self, FieldError};

/// How finely a timestamp is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Precision {
    /// `HH:MM:SS`, all that versions before 4.2 know.
    Seconds,
    /// `.sss`.
    #[default]
    Millis,
    /// `.ssssss`.
    Micros,
    /// `.sssssssss`.
    Nanos,
}

impl Precision {
    /// The length of a timestamp so written, in bytes.
    pub const fn len(self) -> usize {
        match self {
            Precision::Seconds => SECONDS_LEN,
            _ => SECONDS_LEN + 1 + self.places(),
        }
    }

    /// Never: every timestamp has a length.
    pub const fn is_empty(self) -> bool {
        false
    }

    const fn places(self) -> usize {
        match self {
            Precision::Seconds => 0,
            Precision::Millis => 3,
            Precision::Micros => 6,
            Precision::Nanos => 9,
        }
    }
}

const SECONDS_LEN: usize = 17;
/// The longest fraction that the standard has, picoseconds, in digits.
const FRACTION_DIGITS_MAX: usize = 12;
/// The longest timestamp, in bytes.
pub(super) const LEN_MAX: usize = SECONDS_LEN + 1 + FRACTION_DIGITS_MAX;
const NS_PER_S: u64 = 1_000_000_000;
const S_PER_DAY: u64 = 86_400;

/// Reads a timestamp of any precision: a fraction has 1 to 12 digits, and what of it is finer than a nanosecond is left out. A
/// leap second (`:60`) is the first of the next minute.
///
/// # Errors
/// [`FieldError::Format`] for another shape, [`FieldError::Range`] for a date that no calendar has
/// or that [`UtcTime`] does not hold.
#[inline]
pub fn parse(bytes: &[u8]) -> Result<UtcTime, FieldError> {
    let places = match bytes.len() {
        17 => 0,
        21 => 3,
        24 => 6,
        27 => 9,
        _ => return parse_unusual(bytes),
    };
    let text = bytes.first_chunk::<SECONDS_LEN>().ok_or(FieldError::Format)?;
    let [d0, d1, d2, d3, d4, d5, d6, d7, b'-', h0, h1, b':', m0, m1, b':', s0, s1] = *text else {
        return Err(FieldError::Format);
    };
    let date = digits([d0, d1, d2, d3, d4, d5, d6, d7])?;
    let time = digits([b'0', b'0', h0, h1, m0, m1, s0, s1])?;
    let fraction_ns = match bytes[SECONDS_LEN..] {
        [] => 0,
        [b'.', ref fraction @ ..] => digits_of_any(fraction)? * 10u64.pow(9 - places),
        _ => return Err(FieldError::Format),
    };
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    let (hour, minute, second) = (time / 10_000, time / 100 % 100, time % 100);
    let calendar = (1970..=2500).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day);
    if !calendar || hour > 23 || minute > 59 || second > 60 {
        return Err(FieldError::Range);
    }
    let seconds =
        days_since_epoch(year, month, day) * S_PER_DAY + hour * 3600 + minute * 60 + second;
    Ok(UtcTime::from_unix_ns(seconds * NS_PER_S + fraction_ns))
}

/// The same of a fraction that has neither three, six nor nine digits.
#[cold]
#[inline(never)]
fn parse_unusual(bytes: &[u8]) -> Result<UtcTime, FieldError> {
    let fraction = bytes.get(SECONDS_LEN + 1..).unwrap_or_default();
    let is_fraction = (1..=FRACTION_DIGITS_MAX).contains(&fraction.len())
        && fraction.iter().all(u8::is_ascii_digit);
    if !is_fraction {
        return Err(FieldError::Format);
    }
    let mut text = *b"YYYYMMDD-HH:MM:SS.000000000";
    let len = bytes.len().min(text.len());
    text[..len].copy_from_slice(&bytes[..len]);
    parse(&text)
}

/// Whether this is a timestamp of any year that four digits tell, those among them that [`UtcTime`] does not hold.
#[cold]
#[inline(never)]
pub(super) fn is_of_any_year(bytes: &[u8]) -> bool {
    // The calendar repeats itself after 400 years.
    const YEARS: u32 = 400;
    const YEAR_THAT_IS_HELD: u32 = 2000;
    let Some((year, rest)) = bytes.split_first_chunk::<4>() else { return false };
    let Ok(year) = value::parse_u32(year) else { return false };
    let mut text = ArrayVec::<u8, LEN_MAX>::new();
    let mut of_year = [0; 4];
    put_digits(&mut of_year, u64::from(YEAR_THAT_IS_HELD + year % YEARS));
    [&of_year[..], rest].into_iter().all(|part| text.try_extend_from_slice(part).is_ok())
        && parse(&text).is_ok()
}

/// The first second that there is.
const EPOCH: &[u8; SECONDS_LEN] = b"19700101-00:00:00";

/// Reads timestamps that mostly fall into one second: SendingTime of message after message. What it
/// reads is what [`parse`] reads.
#[derive(Clone, Debug)]
pub struct Reader {
    /// The text of the last second read, in words that overlap: bytes 0 to 8, 8 to 16, and 13 to 21, whose last
    /// four are `.000`.
    text: [u64; 3],
    /// What it says, in ns since 1970.
    second_ns: u64,
}

/// With a fraction of milliseconds.
const MILLIS_LEN: usize = SECONDS_LEN + 4;

impl Default for Reader {
    fn default() -> Reader {
        Reader { text: words_of(EPOCH), second_ns: 0 }
    }
}

/// The words that a [`Reader`] keeps of a second.
const fn words_of(text: &[u8; SECONDS_LEN]) -> [u64; 3] {
    let mut words = [0; 3];
    let mut at = 0;
    while at < 8 {
        words[0] |= (text[at] as u64) << (8 * at);
        words[1] |= (text[8 + at] as u64) << (8 * at);
        let last = if at < 4 { text[13 + at] } else { b".000"[at - 4] };
        words[2] |= (last as u64) << (8 * at);
        at += 1;
    }
    words
}

impl Reader {
    /// As [`parse`].
    ///
    /// # Errors
    /// As [`parse`].
    #[inline(always)]
    pub fn read(&mut self, bytes: &[u8]) -> Result<UtcTime, FieldError> {
        if let Ok(bytes) = <&[u8; MILLIS_LEN]>::try_from(bytes)
            && let (Some(a), Some(b), Some(c)) =
                (bytes.first_chunk(), bytes[8..].first_chunk(), bytes.last_chunk())
        {
            let [a, b, c] = [a, b, c].map(|word| u64::from_le_bytes(*word));
            let others = (a ^ self.text[0]) | (b ^ self.text[1]);
            // Up to the point they must be alike; behind it they are digits' values.
            let last = c ^ self.text[2];
            let millis = (last >> 32) as u32;
            let is_alike = others | last << 24 == 0;
            // Over 9 a byte reaches its highest bit by this, or has it already.
            if is_alike && (millis | millis.wrapping_add(0x7676_7600)) & 0x8080_8000 == 0 {
                let ns = u64::from(swar::number_of_four(millis)) * 1_000_000;
                return Ok(UtcTime::from_unix_ns(self.second_ns + ns));
            }
        }
        self.read_anew(bytes)
    }

    #[cold]
    fn read_anew(&mut self, bytes: &[u8]) -> Result<UtcTime, FieldError> {
        let utc = parse(bytes)?;
        if let Some(text) = bytes.first_chunk::<SECONDS_LEN>() {
            self.text = words_of(text);
            self.second_ns = utc.as_unix_ns() / NS_PER_S * NS_PER_S;
        }
        Ok(utc)
    }
}

/// Writes timestamps. Keeps the last one, since a message often carries it twice, and the last
/// second's digits, since most messages fall into the same one.
#[derive(Clone, Debug)]
pub struct Formatter {
    /// When the second began whose digits are kept, in ns since 1970.
    second_ns: u64,
    /// In ns since 1970.
    written: Option<(u64, Precision)>,
    text: [u8; ROOM],
    /// What the digits of the second add up to, and what all that is written does.
    second_sum: u32,
    sum: u32,
}

/// What a timestamp is copied in: the longest, and what makes it a power of two.
pub(super) const ROOM: usize = 32;
/// Where `.sss` lies in a timestamp.
pub(super) const MILLIS: Range<usize> = SECONDS_LEN..SECONDS_LEN + 4;

impl Default for Formatter {
    fn default() -> Formatter {
        let mut text = [0; ROOM];
        text[..SECONDS_LEN].copy_from_slice(EPOCH);
        Formatter { second_ns: 0, written: None, text, second_sum: sum_of(EPOCH), sum: 0 }
    }
}

impl Formatter {
    /// A timestamp in as many bytes as `precision` [says](Precision::len); what follows them means
    /// nothing.
    #[inline(always)]
    pub(super) fn text(&mut self, utc: UtcTime, precision: Precision) -> &[u8; ROOM] {
        let ns = utc.as_unix_ns();
        if self.written != Some((ns, precision)) {
            self.write(ns, precision);
        }
        &self.text
    }

    /// A timestamp as FIX writes it, in ASCII.
    pub fn write_utc(&mut self, utc: UtcTime, precision: Precision) -> &[u8] {
        let len = precision.len();
        self.text(utc, precision).get(..len).unwrap_or_default()
    }

    /// The same, and what its bytes add up to.
    #[inline(always)]
    pub(super) fn text_and_sum(
        &mut self,
        utc: UtcTime,
        precision: Precision,
    ) -> (&[u8; ROOM], u32) {
        self.text(utc, precision);
        (&self.text, self.sum)
    }

    /// When the second began of the timestamp written last, in ns since 1970.
    #[inline]
    pub(super) fn second_ns(&self) -> u64 {
        self.second_ns
    }

    #[inline(always)]
    fn write(&mut self, ns: u64, precision: Precision) {
        let mut into_second = ns.wrapping_sub(self.second_ns);
        if into_second >= NS_PER_S {
            self.turn_to(ns / NS_PER_S);
            into_second = ns - self.second_ns;
        }
        let fraction_ns = into_second as u32;
        match precision {
            Precision::Millis => {
                let millis = millis(fraction_ns);
                self.text[MILLIS].copy_from_slice(&millis);
                self.sum = self.second_sum + swar::sum_of(u64::from(u32::from_le_bytes(millis)));
            }
            Precision::Seconds => self.sum = self.second_sum,
            Precision::Micros | Precision::Nanos => self.write_fraction(fraction_ns, precision),
        }
        self.written = Some((ns, precision));
    }

    #[inline(never)]
    fn write_fraction(&mut self, fraction_ns: u32, precision: Precision) {
        let places = precision.places();
        let unit = 10u64.pow(9 - places as u32);
        self.text[SECONDS_LEN] = b'.';
        put_digits(&mut self.text[SECONDS_LEN + 1..][..places], u64::from(fraction_ns) / unit);
        self.sum = sum_of(&self.text[..precision.len()]);
    }

    #[inline(never)]
    fn turn_to(&mut self, second: u64) {
        if second / S_PER_DAY != self.second_ns / NS_PER_S / S_PER_DAY {
            let (year, month, day) = date(second / S_PER_DAY);
            put_digits(&mut self.text[0..4], year);
            put_digits(&mut self.text[4..6], month);
            put_digits(&mut self.text[6..8], day);
        }
        let of_day = second % S_PER_DAY;
        put_digits(&mut self.text[9..11], of_day / 3600);
        put_digits(&mut self.text[12..14], of_day / 60 % 60);
        put_digits(&mut self.text[15..17], of_day % 60);
        self.second_ns = second * NS_PER_S;
        self.second_sum = sum_of(&self.text[..SECONDS_LEN]);
    }
}

fn sum_of(text: &[u8]) -> u32 {
    text.iter().map(|byte| u32::from(*byte)).sum()
}

/// `.sss` of what has passed of a second.
#[inline]
fn millis(fraction_ns: u32) -> [u8; 4] {
    let ms = fraction_ns / 1_000_000;
    let (hundreds, rest) = (ms / 100, ms % 100);
    let digits = hundreds << 8 | (rest / 10) << 16 | (rest % 10) << 24;
    (u32::from_le_bytes(*b".000") + digits).to_le_bytes()
}

#[inline]
fn digits(text: [u8; 8]) -> Result<u64, FieldError> {
    let number = swar::digits_at_front(u64::from_le_bytes(text), 8).ok_or(FieldError::Format)?;
    Ok(u64::from(number))
}

/// The digits behind the point, where they are three, six or nine.
#[inline]
fn digits_of_any(fraction: &[u8]) -> Result<u64, FieldError> {
    if let [a, b, c] = *fraction {
        return digits([b'0', b'0', b'0', b'0', b'0', a, b, c]);
    }
    value::parse_u32(fraction).map(u64::from)
}

#[inline]
fn put_digits(out: &mut [u8], mut value: u64) {
    for byte in out.iter_mut().rev() {
        *byte = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01, counted in years that begin in March so that the leap day comes last.
const fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    days - 719_468
}

/// The inverse of [`days_since_epoch`].
const fn date(days: u64) -> (u64, u64, u64) {
    const DAYS_PER_400_YEARS: u64 = 146_097;
    let days = days + 719_468;
    let era = days / DAYS_PER_400_YEARS;
    let of_era = days % DAYS_PER_400_YEARS;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + (month <= 2) as u64, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(ns: u64, precision: Precision) -> String {
        let mut formatter = Formatter::default();
        let text = formatter.text(UtcTime::from_unix_ns(ns), precision);
        String::from_utf8(text[..precision.len()].to_vec()).unwrap()
    }

    #[test]
    fn known_times_are_read() {
        let table = [
            ("19700101-00:00:00", Ok(0)),
            ("20000229-12:34:56.789", Ok(951_827_696_789_000_000)),
            ("20260102-03:04:05.000006", Ok(1_767_323_045_000_006_000)),
            ("20260102-03:04:05.000000007", Ok(1_767_323_045_000_000_007)),
            ("20260102-03:04:05.1", Ok(1_767_323_045_100_000_000)),
            ("20260102-03:04:05.12", Ok(1_767_323_045_120_000_000)),
            ("20260102-03:04:05.1234", Ok(1_767_323_045_123_400_000)),
            ("20260102-03:04:05.00000007", Ok(1_767_323_045_000_000_070)),
            ("20260102-03:04:05.1234567899", Ok(1_767_323_045_123_456_789)),
            ("20260102-03:04:05.123456789999", Ok(1_767_323_045_123_456_789)),
            ("20161231-23:59:60", Ok(1_483_228_800_000_000_000)),
            ("20250229-00:00:00", Err(FieldError::Range)),
            ("21000229-00:00:00", Err(FieldError::Range)),
            ("20261301-00:00:00", Err(FieldError::Range)),
            ("20260100-00:00:00", Err(FieldError::Range)),
            ("20260101-24:00:00", Err(FieldError::Range)),
            ("20260101-00:60:00", Err(FieldError::Range)),
            ("20260101-00:00:61", Err(FieldError::Range)),
            ("99991231-00:00:00", Err(FieldError::Range)),
            ("20260101", Err(FieldError::Format)),
            ("20260101 00:00:00", Err(FieldError::Format)),
            ("20260101-00:00:00,000", Err(FieldError::Format)),
            ("20260101-00:00:00.", Err(FieldError::Format)),
            ("20260101-00:00:00,1", Err(FieldError::Format)),
            ("20260101-00:00:00.1x", Err(FieldError::Format)),
            ("20260101-00:00:00.000000000x", Err(FieldError::Format)),
            ("20260101-00:00:00.0000000000000", Err(FieldError::Format)),
            ("20260101-24:00:00.1", Err(FieldError::Range)),
            ("2026010a-00:00:00", Err(FieldError::Format)),
            ("", Err(FieldError::Format)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()).map(UtcTime::as_unix_ns), expected, "{text}");
        }
    }

    #[test]
    fn a_year_that_is_not_held_has_its_days_all_the_same() {
        for (text, is) in [
            ("00000229-00:00:00", true),
            ("19620101-23:59:59.5", true),
            ("99991231-00:00:00", true),
            ("28000229-00:00:00.000000000000", true),
            ("27000229-00:00:00", false),
            ("19000229-00:00:00", false),
            ("99991301-00:00:00", false),
            ("99991231-24:00:00", false),
            ("9999123-00:00:00", false),
            ("x9991231-00:00:00", false),
            ("99991231-00:00:00.0000000000000", false),
            ("999", false),
        ] {
            assert_eq!(is_of_any_year(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn every_day_of_a_century_has_its_successor() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..40_000 {
            assert_eq!(date(days), (year, month, day));
            assert_eq!(days_since_epoch(year, month, day), days);
            day += 1;
            if day > days_in(year, month) {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(ns in 0u64..16_000_000_000_000_000_000) {
            let text = written(ns, Precision::Nanos);
            prop_assert_eq!(parse(text.as_bytes()), Ok(UtcTime::from_unix_ns(ns)));
            for (precision, unit) in
                [(Precision::Seconds, NS_PER_S), (Precision::Millis, 1_000_000), (Precision::Micros, 1000)]
            {
                let text = written(ns, precision);
                prop_assert_eq!(text.len(), precision.len());
                prop_assert_eq!(parse(text.as_bytes()), Ok(UtcTime::from_unix_ns(ns / unit * unit)));
            }
        }

        #[test]
        fn a_reader_reads_what_parse_reads(
            base in 0u64..16_000_000_000_000_000_000, steps in prop::collection::vec(0u64..2_000_000_000, 1..8),
            damage in prop::option::of((0usize..27, any::<u8>())), digits in 0usize..14
        ) {
            let mut reader = Reader::default();
            let mut ns = base;
            for step in steps {
                ns += step;
                for precision in [Precision::Millis, Precision::Seconds, Precision::Nanos] {
                    let mut text = written(ns, precision).into_bytes();
                    if let Some((at, byte)) = damage && let Some(place) = text.get_mut(at) {
                        *place = byte;
                    }
                    prop_assert_eq!(reader.read(&text), parse(&text));
                    prop_assert_eq!(reader.read(&text), parse(&text));
                    text.resize(SECONDS_LEN + 1 + digits, b'7');
                    prop_assert_eq!(reader.read(&text), parse(&text));
                }
            }
        }

        #[test]
        fn a_new_reader_reads_what_parse_reads(
            byte: u8, fraction in "[.][0-9]{3}", text in "[0-9]{8}-[0-9]{2}:[0-9]{2}:[0-9]{2}"
        ) {
            let alike = String::from_utf8_lossy(&[byte & 0x7f; SECONDS_LEN]).into_owned();
            for text in [alike, text, "\0".repeat(SECONDS_LEN), "19700101-00:00:00".into()] {
                let text = text + &fraction;
                let read = Reader::default().read(text.as_bytes());
                prop_assert_eq!(read, parse(text.as_bytes()), "{:?}", text);
            }
        }

        #[test]
        fn a_formatter_that_has_written_another_time_forgets_it(a in any::<u64>(), b in any::<u64>()) {
            let mut formatter = Formatter::default();
            for ns in [a, b, b, a, b.wrapping_add(1_000_000_000)] {
                for precision in [Precision::Nanos, Precision::Millis, Precision::Nanos] {
                    let text = formatter.text(UtcTime::from_unix_ns(ns), precision);
                    let afresh = written(ns, precision);
                    prop_assert_eq!(&text[..precision.len()], afresh.as_bytes());
                    let (_, sum) = formatter.text_and_sum(UtcTime::from_unix_ns(ns), precision);
                    prop_assert_eq!(sum, sum_of(afresh.as_bytes()));
                }
            }
        }
    }
}
