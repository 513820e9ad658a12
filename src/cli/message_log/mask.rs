//! Passwords are not for a log: each byte of theirs is written as `*`.

use std::borrow::Cow;

use fixwire::fix::frame::SOH;

const TAG_LEN: usize = 4;
/// What Password and NewPassword begin with.
const PASSWORDS: [&[u8; TAG_LEN]; 2] = [b"554=", b"925="];
/// `10=nnn` and its SOH.
const CHECK_SUM_LEN: usize = 7;

/// A run of bytes without the values of Password(554) and NewPassword(925). A whole message is one still: it is as long,
/// and its CheckSum is that of what stands there.
pub(super) fn masked(bytes: &[u8], is_message: bool) -> Cow<'_, [u8]> {
    let mut masked = Cow::Borrowed(bytes);
    let mut start = 0;
    for field in bytes.split(|byte| *byte == SOH) {
        if PASSWORDS.iter().any(|tag| field.starts_with(*tag)) {
            masked.to_mut()[start + TAG_LEN..start + field.len()].fill(b'*');
        }
        start += field.len() + 1;
    }
    if let (Cow::Owned(bytes), true) = (&mut masked, is_message)
        && let Some((content, check_sum)) = bytes.split_last_chunk_mut::<CHECK_SUM_LEN>()
    {
        let sum = content.iter().copied().fold(0, u8::wrapping_add);
        check_sum[3..6].copy_from_slice(format!("{sum:03}").as_bytes());
    }
    masked
}

#[cfg(test)]
mod tests {
    use fixwire::fix::Decoder;

    use super::*;

    fn message(fields: &str) -> Vec<u8> {
        let body = format!("35=A|34=1|49=A|52=20260102-03:04:05|56=B|98=0|108=30|{fields}");
        let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = text.bytes().fold(0u8, u8::wrapping_add);
        format!("{text}10={sum:03}\x01").into_bytes()
    }

    #[test]
    fn passwords_are_told_by_their_length_alone_and_the_message_is_sound() {
        let plain = message("553=joe|554=s3cret|925=n3w|");
        let found = masked(&plain, true).into_owned();
        assert_eq!(found.len(), plain.len());
        let text = String::from_utf8_lossy(&found);
        assert!(text.contains("\x01553=joe\x01554=******\x01925=***\x0110="), "{text}");
        let mut decoder = Decoder::default();
        assert!(decoder.parse(&found).is_ok_and(|message| message.fault().is_none()), "{text}");
    }

    #[test]
    fn whatever_is_no_password_is_as_it_was() {
        let plain = message("553=554|55=x|58=554=x|5540=y|9250=z|");
        assert!(matches!(masked(&plain, true), Cow::Borrowed(_)));
        assert_eq!(&masked(b"\x01554=x\x01554=yz", false)[..], b"\x01554=*\x01554=**");
        assert_eq!(&masked(b"554=", true)[..], b"554=");
    }
}
