//! Fields of a Logon that are neither the session's own nor the standard's credentials: what a venue wants besides.

use core::fmt;

use crate::fix::encode::Encoder;
use crate::fix::tags;

/// As many bytes as such fields take in all, with tags, `=` and SOH: what a Logon has room for.
pub const LOGON_FIELDS_BYTES_MAX: usize = 384;

/// Fields that each Logon of ours has besides, in their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogonFields(Vec<(u32, String)>);

/// Why a field is none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogonFieldRefusal {
    /// The session writes this field itself.
    #[error("the session writes this field itself; leave it out")]
    OfTheSession,
    /// A field of this tag is there already.
    #[error("this field is there already; leave one of them out")]
    Twice,
    /// Its value is empty or has a control character.
    #[error("a value has at least one character, and no control character")]
    NoValue,
    /// All together are longer than a Logon has room for.
    #[error("these fields take more than 384 bytes in all; leave some out")]
    TooLong,
}

impl LogonFields {
    /// Adds a field behind the others.
    ///
    /// # Errors
    /// [`LogonFieldRefusal`]; nothing has changed then.
    pub fn add(&mut self, tag: u32, value: &str) -> Result<(), LogonFieldRefusal> {
        if tag == 0 || OF_THE_SESSION.contains(&tag) {
            return Err(LogonFieldRefusal::OfTheSession);
        }
        if self.has(tag) {
            return Err(LogonFieldRefusal::Twice);
        }
        if value.is_empty() || value.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(LogonFieldRefusal::NoValue);
        }
        let len = |tag: u32, value: &str| tag.ilog10() as usize + 3 + value.len();
        let used: usize = self.0.iter().map(|(tag, value)| len(*tag, value)).sum();
        if used + len(tag, value) > LOGON_FIELDS_BYTES_MAX {
            return Err(LogonFieldRefusal::TooLong);
        }
        self.0.push((tag, value.to_owned()));
        Ok(())
    }

    /// Whether there is one of this tag.
    pub fn has(&self, tag: u32) -> bool {
        self.0.iter().any(|(of, _)| *of == tag)
    }

    pub(super) fn put(&self, encoder: &mut Encoder<'_>) {
        for (tag, value) in &self.0 {
            encoder.put_str(*tag, value);
        }
    }
}

impl fmt::Debug for LogonFields {
    /// Without the values, of which one may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(tag, _)| tag)).finish()
    }
}

/// What a session fills in by itself: of the standard header and trailer, and of the Logon.
const OF_THE_SESSION: [u32; 22] = [
    tags::BEGIN_STRING,
    tags::BODY_LENGTH,
    tags::CHECK_SUM,
    tags::MSG_TYPE,
    tags::MSG_SEQ_NUM,
    tags::SENDER_COMP_ID,
    tags::TARGET_COMP_ID,
    tags::SENDING_TIME,
    tags::POSS_DUP_FLAG,
    tags::POSS_RESEND,
    tags::ORIG_SENDING_TIME,
    tags::SENDER_SUB_ID,
    tags::TARGET_SUB_ID,
    tags::SENDER_LOCATION_ID,
    tags::TARGET_LOCATION_ID,
    tags::LAST_MSG_SEQ_NUM_PROCESSED,
    tags::ENCRYPT_METHOD,
    tags::HEART_BT_INT,
    tags::RESET_SEQ_NUM_FLAG,
    tags::NEXT_EXPECTED_MSG_SEQ_NUM,
    tags::DEFAULT_APPL_VER_ID,
    tags::APPL_VER_ID,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_added_once_within_room_and_where_it_is_not_the_session_s() {
        let mut fields = LogonFields::default();
        let long = "x".repeat(LOGON_FIELDS_BYTES_MAX - "553=joe|".len() - "9001=|".len());
        for (tag, value, expected) in [
            (553, "joe", Ok(())),
            (553, "ann", Err(LogonFieldRefusal::Twice)),
            (0, "a", Err(LogonFieldRefusal::OfTheSession)),
            (108, "30", Err(LogonFieldRefusal::OfTheSession)),
            (9001, "", Err(LogonFieldRefusal::NoValue)),
            (9001, "a\x01b", Err(LogonFieldRefusal::NoValue)),
            (9001, &format!("{long}x"), Err(LogonFieldRefusal::TooLong)),
            (9001, &long, Ok(())),
            (1, "a", Err(LogonFieldRefusal::TooLong)),
        ] {
            assert_eq!(fields.add(tag, value), expected, "{tag}={value}");
        }
        assert_eq!(format!("{fields:?}"), "[553, 9001]");
    }
}
