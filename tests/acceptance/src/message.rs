//! Messages of a definition: completed before they are sent, compared when they are expected.

use std::time::UNIX_EPOCH;

/// Tags whose values are times, compared by their form alone.
const TIMES: [&[u8]; 4] = [b"42", b"52", b"60", b"122"];

/// The message with its times put in, and BodyLength and CheckSum where they are missing. What begins
/// with no BeginString stays as it is.
pub(crate) fn complete(text: &[u8], now_s: i64) -> Vec<u8> {
    let mut message = with_times(text, now_s);
    let Some(head) = message.iter().position(|&byte| byte == 1).map(|at| at + 1) else {
        return message;
    };
    if !message.starts_with(b"8=") {
        return message;
    }
    let has_sum = fields(&message).iter().any(|(tag, _)| *tag == b"10");
    if !message[head..].starts_with(b"9=") {
        let trailer = fields(&message)
            .iter()
            .find(|(tag, _)| *tag == b"10")
            .map(|(_, value)| value.len() + 4);
        let len = message.len() - head - trailer.unwrap_or(0);
        message.splice(head..head, format!("9={len}\x01").into_bytes());
    }
    if !has_sum {
        let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        message.extend(format!("10={sum:03}\x01").into_bytes());
    }
    message
}

/// `<TIME>`, `<TIME+n>` and `<TIME-n>` as UTC, n in seconds.
fn with_times(text: &[u8], now_s: i64) -> Vec<u8> {
    let (mut done, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.windows(5).position(|window| window == b"<TIME") {
        let Some(len) = rest[at..].iter().position(|&byte| byte == b'>') else { break };
        let shift = std::str::from_utf8(&rest[at + 5..at + len]).unwrap_or_default();
        done.extend(&rest[..at]);
        done.extend(utc(now_s + shift.parse().unwrap_or(0)).into_bytes());
        rest = &rest[at + len + 1..];
    }
    done.extend(rest);
    done
}

/// Seconds since 1970.
pub(crate) fn now_s() -> i64 {
    UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs() as i64)
}

/// `YYYYMMDD-HH:MM:SS`, from days counted in eras of 400 years that begin with March.
fn utc(s: i64) -> String {
    let (days, s) = (s.div_euclid(86_400) + 719_468, s.rem_euclid(86_400));
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, late) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = year + era * 400 + late;
    format!("{year:04}{month:02}{day:02}-{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// Tags and values.
fn fields(message: &[u8]) -> Vec<(&[u8], &[u8])> {
    let message = message.strip_suffix(b"\x01").unwrap_or(message);
    let split = |field: &'_ [u8]| field.iter().position(|&byte| byte == b'=');
    message
        .split(|&byte| byte == 1)
        .map(|field| {
            split(field).map_or((field, &field[..0]), |at| (&field[..at], &field[at + 1..]))
        })
        .collect()
}

/// Whether a message received is the one expected: the same fields in the same order with the same
/// values, but for CheckSum and times, which are to have their form.
pub(crate) fn is_as_expected(expected: &[u8], received: &[u8]) -> bool {
    let (expected, received) = (fields(expected), fields(received));
    expected.len() == received.len()
        && expected.iter().zip(&received).all(|((tag, value), (found_tag, found))| {
            tag == found_tag
                && match *tag {
                    b"10" => found.len() == 3 && found.iter().all(u8::is_ascii_digit),
                    time if TIMES.contains(&time) => is_time(found),
                    _ => value == found,
                }
        })
}

/// `YYYYMMDD-HH:MM:SS` or with milliseconds.
fn is_time(value: &[u8]) -> bool {
    let form: &[u8] = b"dddddddd-dd:dd:dd.ddd";
    matches!(value.len(), 17 | 21)
        && value.iter().zip(form).all(|(byte, kind)| match kind {
            b'd' => byte.is_ascii_digit(),
            _ => byte == kind,
        })
}

/// How long the message at the front is, once all of it is there, by its BodyLength.
pub(crate) fn len_of_first(bytes: &[u8]) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == 1).map(|(at, _)| at);
    let (first, second) = (ends.next()?, ends.next()?);
    let body = bytes[first + 1..second].strip_prefix(b"9=")?;
    let body: usize = std::str::from_utf8(body).ok()?.parse().ok()?;
    let len = second.checked_add(1)?.checked_add(body)?.checked_add(7)?;
    (len <= bytes.len()).then_some(len)
}

/// With `|` for SOH.
pub(crate) fn shown(message: &[u8]) -> String {
    String::from_utf8_lossy(message).replace('\x01', "|")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soh(text: &str) -> Vec<u8> {
        text.replace('|', "\x01").into_bytes()
    }

    #[test]
    fn what_is_missing_is_added_and_what_is_wrong_is_kept() {
        for (text, expected) in [
            ("8=FIX.4.2|35=0|", "8=FIX.4.2|9=5|35=0|10=161|"),
            ("8=FIX.4.2|9=77|35=0|", "8=FIX.4.2|9=77|35=0|10=218|"),
            ("8=FIX.4.2|35=0|10=999|", "8=FIX.4.2|9=5|35=0|10=999|"),
            ("35=0|8=FIX.4.2|", "35=0|8=FIX.4.2|"),
            (
                "52=<TIME>|a=<TIME-61>|b=<TIME+1>|",
                "52=20240229-00:00:59|a=20240228-23:59:58|b=20240229-00:01:00|",
            ),
        ] {
            assert_eq!(shown(&complete(&soh(text), 1_709_164_859)), expected);
        }
    }

    #[test]
    fn a_message_differs_by_count_order_and_value_but_not_by_its_times() {
        let expected = soh("8=F|9=5|35=0|52=00000000-00:00:00|58=a|10=0|");
        for (received, is_it) in [
            ("8=F|9=5|35=0|52=20240229-00:00:59.123|58=a|10=123|", true),
            ("8=F|9=5|35=0|52=20240229-00:00:59|58=a|10=123|", true),
            ("8=F|9=5|35=0|52=now|58=a|10=123|", false),
            ("8=F|9=5|35=0|52=20240229-00:00:59|58=b|10=123|", false),
            ("8=F|9=6|35=0|52=20240229-00:00:59|58=a|10=123|", false),
            ("8=F|9=5|35=0|58=a|52=20240229-00:00:59|10=123|", false),
            ("8=F|9=5|35=0|52=20240229-00:00:59|58=a|59=0|10=123|", false),
            ("8=F|9=5|35=0|52=20240229-00:00:59|58=a|10=12|", false),
        ] {
            assert_eq!(is_as_expected(&expected, &soh(received)), is_it, "{received}");
        }
    }

    #[test]
    fn a_message_ends_where_its_body_length_says() {
        let bytes = soh("8=F|9=5|35=0|10=123|8=F|");
        assert_eq!(len_of_first(&bytes), Some(20));
        assert_eq!(len_of_first(&bytes[..19]), None);
    }
}
