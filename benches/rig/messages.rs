//! The two messages of the benches: an ExecutionReport of 211 bytes and 21 fields, and the
//! NewOrderSingle that answers it, of 174 bytes and more as its numbers grow.

use fixwire::time::UtcTime;

/// Us, in SenderCompID(49) of what we send.
pub const DESK: &str = "FIXWIRE";
/// The counterparty.
pub const VENUE: &str = "EXCHANGE";
/// The length of every ExecutionReport, in bytes.
pub const REPORT_LEN: usize = 211;
/// What SendingTime(52) and TransactTime(60) say.
pub const SENT_AT: &str = "20261125-20:49:37.123";
/// The same in nanoseconds since 1970.
pub const SENT_AT_UNIX_NS: u64 = 1_795_639_777_123_000_000;

/// A moment that [`SENT_AT`] is the text of: `number` nanoseconds into its millisecond, and round again.
#[inline]
pub fn sent_at(number: u64) -> UtcTime {
    UtcTime::from_unix_ns(SENT_AT_UNIX_NS + (number & 0x7_ffff))
}

/// `8=`, `9=`, the body with `|` for SOH, `10=`. BodyLength has `length_digits` digits at least: some
/// encoders pad it with zeros.
fn sealed(body: &str, length_digits: usize) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let len = body.len();
    let mut message = format!("8=FIX.4.4\x019={len:0>length_digits$}\x01{body}").into_bytes();
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

/// The same message where the counterparty is another one: `venue` instead of [`VENUE`], and as long.
pub fn with_venue(message: &[u8], venue: &str) -> Vec<u8> {
    const CHECK_SUM_LEN: usize = "10=000|".len();
    assert_eq!(venue.len(), VENUE.len());
    let text = core::str::from_utf8(&message[..message.len() - CHECK_SUM_LEN]).expect("ASCII");
    let text = text.replace(VENUE, venue);
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\x01").into_bytes()
}

/// The counterparty's Logon, its first message.
pub fn logon() -> Vec<u8> {
    sealed(&format!("35=A|34=1|49={VENUE}|52={SENT_AT}|56={DESK}|98=0|108=30|"), 0)
}

/// The counterparty's SequenceReset under MsgSeqNum `seq`: the next number is `next`.
pub fn sequence_reset(seq: u32, next: u32) -> Vec<u8> {
    let body = format!("35=4|34={seq}|49={VENUE}|52={SENT_AT}|56={DESK}|36={next}|123=Y|");
    sealed(&body, 0)
}

/// An order before it is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// MsgSeqNum(34).
    pub seq: u32,
    /// The number in ClOrdID(11), behind an `O`.
    pub number: u64,
    /// Price(44), in hundredths.
    pub price: i64,
    /// OrderQty(38).
    pub quantity: i64,
}

impl Order {
    /// Order `number`, under MsgSeqNum `seq`. Of ten quantities six have one digit, three have two and
    /// one has three; half of the prices have four digits before the point and half have five.
    pub fn new(seq: u32, number: u64) -> Order {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let quantity = match mixed % 10 {
            0..6 => 1 + mixed / 16 % 9,
            6..9 => 10 + mixed / 16 % 90,
            _ => 100 + mixed / 16 % 900,
        };
        let price = 100 * (9_750 + mixed % 500) + 25 * (mixed % 4);
        Order { seq, number, price: price as i64, quantity: quantity as i64 }
    }

    /// What a host orders under MsgSeqNum `seq` when order `number - 1` is filled: as much of the same, a
    /// quarter more dear.
    pub fn after_fill(seq: u32, number: u64) -> Order {
        let filled = Order::new(0, number - 1);
        Order { seq, number, price: filled.price + 25, quantity: filled.quantity }
    }

    /// The NewOrderSingle, BodyLength in `length_digits` digits at least.
    pub fn text(&self, length_digits: usize) -> Vec<u8> {
        let Order { seq, number, quantity, .. } = self;
        let price = price_text(self.price);
        let body = format!(
            "35=D|34={seq}|49={DESK}|52={SENT_AT}|56={VENUE}|1=DESK1|11=O{number}|21=1|\
             38={quantity}|40=2|44={price}|54=1|55=ESZ6|59=0|60={SENT_AT}|"
        );
        sealed(&body, length_digits)
    }
}

/// The report that order `number` was filled, under MsgSeqNum `seq`. OrderID is as long as it takes
/// to make [`REPORT_LEN`] bytes.
pub fn execution_report(seq: u32, number: u64) -> Vec<u8> {
    let Order { price, quantity, .. } = Order::new(seq, number);
    let price = price_text(price);
    let rest = |order_id: &str| {
        let body = format!(
            "35=8|34={seq}|49={VENUE}|52={SENT_AT}|56={DESK}|6={price}|11=O{number}|\
             14={quantity}|17=E{number}|31={price}|32={quantity}|37={order_id}|39=2|54=1|55=ESZ6|\
             60={SENT_AT}|150=F|151=0|"
        );
        sealed(&body, 0)
    };
    let short = rest("X").len();
    let message = rest(&format!("X{:0>1$}", number, REPORT_LEN - short));
    assert_eq!(message.len(), REPORT_LEN, "{}", String::from_utf8_lossy(&message));
    message
}

/// Bytes that mean nothing.
pub fn filler(len: usize) -> Vec<u8> {
    (0..len).map(|at| b'A' + (at % 26) as u8).collect()
}

/// The shortest of mixed lengths, in bytes.
pub const MIXED_LEN_MIN: usize = 22;

/// A length that no predictor of branches has seen coming: 22 to 277 bytes, 150 on average.
pub fn mixed_len(number: u64) -> usize {
    MIXED_LEN_MIN + usize::from(mixed_longer(number))
}

/// How much longer than the shortest it is.
pub fn mixed_longer(number: u64) -> u8 {
    let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 56) as u8
}

/// The same message, its header's fields and its body's each in an order of their own that `seed`
/// picks. BeginString, BodyLength, MsgType and CheckSum stay where they must.
pub fn shuffled(message: &[u8], seed: u64) -> Vec<u8> {
    let mut fields: Vec<&[u8]> = message.split_inclusive(|byte| *byte == 1).collect();
    let body = HEADER_FIELDS..fields.len() - 1;
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for part in [3..HEADER_FIELDS, body] {
        for at in part.clone().skip(1) {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            fields.swap(at, part.start + state as usize % (at - part.start + 1));
        }
    }
    fields.concat()
}

/// BeginString, BodyLength, MsgType, MsgSeqNum, SenderCompID, SendingTime, TargetCompID.
const HEADER_FIELDS: usize = 7;

fn price_text(hundredths: i64) -> String {
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_report_has_its_length_and_twenty_one_fields() {
        for (seq, number) in [(2, 1), (99, 98), (1_000, 999), (1_000_000, 999_999)] {
            let report = execution_report(seq, number);
            assert_eq!(report.iter().filter(|byte| **byte == 1).count(), 21);
        }
    }

    #[test]
    fn shuffling_keeps_the_fields_and_moves_them() {
        let report = execution_report(7, 7);
        let moved = shuffled(&report, 1);
        assert_ne!(moved, report);
        assert_ne!(moved, shuffled(&report, 2));
        let sorted = |message: &[u8]| {
            let mut fields: Vec<Vec<u8>> =
                message.split(|byte| *byte == 1).map(<[u8]>::to_vec).collect();
            fields.sort();
            fields
        };
        assert_eq!(sorted(&moved), sorted(&report));
    }
}
