//! What a log writes in front of a message: when, and which way.

use super::packets::Way;

/// The time that stands there, as it is written: FIX's form, or ISO 8601's.
pub(super) fn time(before: &[u8]) -> Option<String> {
    let is_there = |at: &usize| fits(&before[*at..], FIX) || fits(&before[*at..], ISO);
    let at = (0..before.len()).find(is_there)?;
    let rest = &before[at..];
    let seconds = if fits(rest, FIX) { FIX.len() } else { ISO.len() };
    let fraction = rest.get(seconds..).unwrap_or_default();
    let digits = fraction.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count();
    let has_fraction = matches!(fraction.first(), Some(b'.' | b',')) && digits > 0;
    let len = seconds + if has_fraction { 1 + digits } else { 0 };
    let zone = usize::from(rest.get(len) == Some(&b'Z'));
    Some(String::from_utf8_lossy(&rest[..len + zone]).into_owned())
}

const FIX: &[u8] = b"00000000-00:00:00";
const ISO: &[u8] = b"0000-00-00T00:00:00";

fn fits(text: &[u8], model: &[u8]) -> bool {
    let alike = |(byte, model): (&u8, &u8)| match model {
        b'0' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b' '),
        model => byte == model,
    };
    text.len() >= model.len() && text.iter().zip(model).all(alike)
}

/// The direction that is said there, in the words of QuickFIX's screen logs or of our own JSON.
pub(super) fn way(before: &[u8]) -> Option<Way> {
    let says = |words: &[&str]| {
        let has = |word: &&str| {
            before.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        words.iter().any(has)
    };
    match (says(&["incoming", "\"in\"", " in "]), says(&["outgoing", "\"out\"", " out "])) {
        (true, false) => Some(Way::In),
        (false, true) => Some(Way::Out),
        _ => None,
    }
}

/// Whose log a file is, by the name that QuickFIX gives it: `FIX.4.4-SENDER-TARGET.messages.current.log`. What it
/// sends is what this SenderCompID has. In the names of sessions with sub-IDs, `%` and two digits stand for what a name has not.
pub(super) fn owner(file_name: &str) -> Option<Vec<u8>> {
    let (session, _) = file_name.split_once(".messages.")?;
    let (begin_string, parties) = session.split_once('-')?;
    let (sender, _) = parties.split_once('-')?;
    let mut parts = sender.split('%');
    let mut owner = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        owner.push(byte.unwrap_or(b'%'));
        owner.extend_from_slice(part.get(if byte.is_some() { 2 } else { 0 }..)?.as_bytes());
    }
    begin_string.starts_with("FIX").then_some(owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_the_forms_that_logs_have() {
        for (before, expected) in [
            ("20261127-08:46:14.123456789 : ", Some("20261127-08:46:14.123456789")),
            ("20261127-08:46:14: ", Some("20261127-08:46:14")),
            ("<20261127-08:46:14, FIX.4.2:A->B, incoming> (", Some("20261127-08:46:14")),
            ("{\"time\":\"2026-11-27T08:46:14.5Z\",\"x\":\"", Some("2026-11-27T08:46:14.5Z")),
            ("2026-11-27 08:46:14,123 INFO ", Some("2026-11-27 08:46:14,123")),
            ("2026-11-27 ", None),
            ("", None),
        ] {
            assert_eq!(time(before.as_bytes()).as_deref(), expected, "{before}");
        }
    }

    #[test]
    fn ways_are_said_in_words_or_by_the_file_s_name() {
        assert_eq!(way(b"<t, FIX.4.2:A->B, incoming> ("), Some(Way::In));
        assert_eq!(way(b"{\"direction\":\"out\",\"message\":\""), Some(Way::Out));
        assert_eq!(way(b"20261127-08:46:14 : "), None);
        let owner = |name| owner(name).map(|owner| String::from_utf8(owner).unwrap());
        assert_eq!(owner("FIX.4.4-US-THEM.messages.current.log"), Some("US".into()));
        assert_eq!(owner("FIXT.1.1-US-THEM-Q.messages.backup.1.log"), Some("US".into()));
        assert_eq!(owner("FIX.4.4-U%20S-THEM-A---.messages.current.log"), Some("U S".into()));
        assert_eq!(owner("FIX.4.4-5%-THEM.messages.current.log"), Some("5%".into()));
        assert_eq!((owner("notes.log"), owner("X-US-THEM.messages.log")), (None, None));
    }
}
