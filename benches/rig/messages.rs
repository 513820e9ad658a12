//! The two messages of the benches: an ExecutionReport of 211 bytes and 21 fields, and the
//! NewOrderSingle that answers it, of 174 bytes and more as its numbers grow.

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

/// `8=`, `9=`, the body with `|` for SOH, `10=`.
pub fn sealed(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let mut message = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

/// The counterparty's Logon, its first message.
pub fn logon() -> Vec<u8> {
    sealed(&format!("35=A|34=1|49={VENUE}|52={SENT_AT}|56={DESK}|98=0|108=30|"))
}

/// What order `number` is for: the whole units and the hundredths of its price, and its quantity. Of
/// ten quantities six have one digit, three have two and one has three; half of the prices have four
/// digits before the point and half have five.
pub fn terms(number: u64) -> (u64, u64, u64) {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let quantity = match mixed % 10 {
        0..6 => 1 + mixed / 16 % 9,
        6..9 => 10 + mixed / 16 % 90,
        _ => 100 + mixed / 16 % 900,
    };
    (9_750 + mixed % 500, 25 * (mixed % 4), quantity)
}

/// The report that order `number` was filled, under MsgSeqNum `seq`. OrderID is as long as it takes
/// to make [`REPORT_LEN`] bytes.
pub fn execution_report(seq: u32, number: u64) -> Vec<u8> {
    let (price, ticks, quantity) = terms(number);
    let rest = |order_id: &str| {
        sealed(&format!(
            "35=8|34={seq}|49={VENUE}|52={SENT_AT}|56={DESK}|6={price}.{ticks:02}|11=O{number}|\
             14={quantity}|17=E{number}|31={price}.{ticks:02}|32={quantity}|37={order_id}|39=2|54=1|\
             55=ESZ6|60={SENT_AT}|150=F|151=0|"
        ))
    };
    let short = rest("X").len();
    let message = rest(&format!("X{:0>1$}", number, REPORT_LEN - short));
    assert_eq!(message.len(), REPORT_LEN, "{}", String::from_utf8_lossy(&message));
    message
}

/// The order that a host sends under MsgSeqNum `seq` on the report of order `number - 1`: as much of the
/// same, a quarter more dear.
pub fn answer(seq: u32, number: u64) -> Vec<u8> {
    let (price, ticks, quantity) = terms(number - 1);
    let hundredths = 100 * price + ticks + 25;
    order(seq, number, hundredths / 100, hundredths % 100, quantity)
}

/// The order that a host is to send, as text, for hosts that have no encoder and for lengths.
pub fn order(seq: u32, number: u64, price: u64, ticks: u64, quantity: u64) -> Vec<u8> {
    sealed(&format!(
        "35=D|34={seq}|49={DESK}|52={SENT_AT}|56={VENUE}|1=DESK1|11=O{number}|21=1|38={quantity}|\
         40=2|44={price}.{ticks:02}|54=1|55=ESZ6|59=0|60={SENT_AT}|"
    ))
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
}
