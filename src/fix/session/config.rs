//! What a session is told before it begins.

use core::fmt;

use arrayvec::ArrayVec;

use crate::fix::decode::FIELDS_DEFAULT;
use crate::fix::dictionary::Validation;
use crate::fix::timestamp::Precision;
use crate::time::Duration;

use super::{LogonFields, Schedule, Version};

/// Which side sends the first Logon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We do.
    Initiator,
    /// The counterparty does.
    Acceptor,
}

/// The longest CompID, in bytes.
pub const COMP_ID_BYTES_MAX: usize = 64;

/// A SenderCompID or TargetCompID, held inline.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct CompId(ArrayVec<u8, COMP_ID_BYTES_MAX>);

impl CompId {
    /// `text`, or `None` when it is empty, too long, or holds a byte that no value holds.
    pub fn new(text: &str) -> Option<CompId> {
        let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        let id = ArrayVec::try_from(text.as_bytes()).ok()?;
        (printable && !id.is_empty()).then_some(CompId(id))
    }

    /// The same of bytes.
    pub(crate) fn of(bytes: &[u8]) -> Option<CompId> {
        str::from_utf8(bytes).ok().and_then(CompId::new)
    }

    /// Its bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CompId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// What one side of a session is called besides its CompID.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubIds {
    /// SenderSubID(50) or TargetSubID(57): a trader or a desk.
    pub sub_id: Option<CompId>,
    /// SenderLocationID(142) or TargetLocationID(143), from FIX 4.1 on.
    pub location_id: Option<CompId>,
}

/// Username(553) and Password(554) of a Logon.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: String,
}

/// The longest Username or Password, in bytes.
pub const CREDENTIAL_BYTES_MAX: usize = 128;

impl Credentials {
    /// Both, or one of them where the other is empty; `None` when one is too long or holds a control
    /// character, or both are empty.
    pub fn new(username: &str, password: &str) -> Option<Credentials> {
        let fits = |text: &str| {
            text.len() <= CREDENTIAL_BYTES_MAX && !text.bytes().any(|byte| byte.is_ascii_control())
        };
        let usable =
            fits(username) && fits(password) && !(username.is_empty() && password.is_empty());
        usable.then(|| Credentials { username: username.into(), password: password.into() })
    }

    /// Username(553); empty for none.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Password(554); empty for none.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether a Logon has just these. How long that takes tells nothing of the password but its length.
    pub(super) fn are(&self, username: Option<&[u8]>, password: Option<&[u8]>) -> bool {
        let password = password.unwrap_or_default();
        let other = self.password.bytes().zip(password).fold(0, |all, (a, b)| all | (a ^ b));
        username.unwrap_or_default() == self.username.as_bytes()
            && password.len() == self.password.len()
            && other == 0
    }
}

impl fmt::Debug for Credentials {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How long a Logon may take to come where nothing else is said, in seconds.
pub(crate) const LOGON_TIMEOUT_S: u32 = 10;
/// How long it may be where nothing else is said, in bytes.
pub(crate) const LOGON_BYTES_MAX: usize = 4 * 1024;

/// How a session behaves. The defaults are QuickFIX's.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The version both sides speak.
    pub version: Version,
    /// Us.
    pub sender_comp_id: CompId,
    /// The counterparty.
    pub target_comp_id: CompId,
    /// What we are called besides, in each message of ours, and as whom the counterparty must address us.
    pub sender_sub_ids: SubIds,
    /// What the counterparty is called besides, in each message of its, and as whom we address it.
    pub target_sub_ids: SubIds,
    /// What tells an initiator's session from another one of the same version and CompIDs; no message has it.
    pub qualifier: Option<CompId>,
    /// CompIDs of what comes in must be these two, and the sub-IDs where there are any.
    pub check_comp_id: bool,
    /// What our Logon says as an initiator, and what an acceptor wants to hear; `None` for neither.
    pub credentials: Option<Credentials>,
    /// Which side sends the first Logon.
    pub role: Role,
    /// HeartBtInt(108) that an initiator proposes; an acceptor adopts the counterparty's. 0 is none.
    pub heart_bt_int_s: u32,
    /// Both numbers begin at 1 with each Logon.
    pub reset_on_logon: bool,
    /// Both numbers begin at 1 after a Logout.
    pub reset_on_logout: bool,
    /// Both numbers begin at 1 after a disconnect.
    pub reset_on_disconnect: bool,
    /// Each of our messages says how far we have come by LastMsgSeqNumProcessed(369), and what a counterparty
    /// says by it must be true. From FIX 4.2 on.
    pub last_msg_seq_num_processed: bool,
    /// Each Logon of ours says what we expect by NextExpectedMsgSeqNum(789), and where the counterparty's says
    /// it, too, each side sends again what the other lacks without being asked. From FIX 4.4 on.
    pub next_expected_msg_seq_num: bool,
    /// How many numbers one ResendRequest asks for, the rest following when they have come; 0 for all at once.
    pub resend_request_chunk_size: u32,
    /// A ResendRequest names the last number that is missing, instead of asking for all that there is.
    pub closed_resend_interval: bool,
    /// A message that comes again, with PossDupFlag, must say by OrigSendingTime(122) when it was sent first; otherwise
    /// it is let pass without.
    pub requires_orig_sending_time: bool,
    /// Each message past a gap has the gap asked for again, whether or not that was done: some counterparties
    /// are certified by it. Otherwise it is asked for once.
    pub redundant_resend_requests: bool,
    /// Numbers must follow one another: what is lower than expected ends the session, and what is higher has the
    /// gap asked for. Otherwise the next number is expected behind whatever came, and what is missing is never asked for.
    pub validate_sequence_numbers: bool,
    /// A message whose bytes do not add up, or are no fields, is answered by a Reject and its number is consumed, where it has
    /// one that can be read. Otherwise it is ignored, and missed (FIX 4.4 Vol. 2, garbled messages).
    pub reject_garbled: bool,
    /// What the dictionary has something against is answered by a Reject. Otherwise that is counted, and the application gets
    /// it all the same.
    pub reject_invalid: bool,
    /// How long a counterparty is silent before a TestRequest asks after it: in hundredths of the heartbeat interval.
    pub test_request_after_pct: u32,
    /// How long a counterparty may be silent before the session ends: in hundredths of the heartbeat interval. Where this is
    /// not past `test_request_after_pct`, nothing is asked.
    pub silence_max_pct: u32,
    /// Silence ends the session. Otherwise it is counted, and asked after again.
    pub silence_ends: bool,
    /// What each Logon of ours has besides.
    pub logon_fields: LogonFields,
    /// What was sent is sent again on request; otherwise every request is answered by a gap fill.
    pub persist_messages: bool,
    /// SendingTime(52) must be within `max_latency_s` of our clock.
    pub check_latency: bool,
    /// How far SendingTime may be off, either way.
    pub max_latency_s: u32,
    /// How long a Logon may take to come. Until it is known whose a connection is, the longest of its port's sessions counts.
    pub logon_timeout_s: u32,
    /// How long the Logon may be, framing included, by which a counterparty tells an acceptor who it is: the longest of its
    /// port's sessions counts.
    pub logon_bytes_max: usize,
    /// How long our Logout may take to be answered.
    pub logout_timeout_s: u32,
    /// The longest message that is received, framing included. Longer ones are garbled.
    pub message_bytes_max: usize,
    /// The most fields of a message that is received, those of the framing included; 65,535 at most. One with more is
    /// garbled.
    pub message_fields_max: usize,
    /// The longest application message that is sent: how much room is reserved for one.
    pub send_bytes_max: usize,
    /// How much of what arrives past a gap is held until the gap is filled.
    pub held_bytes_max: usize,
    /// How many messages past a gap are held.
    pub held_messages_max: usize,
    /// Session messages that wait for room in the outlet; more than that ends the connection.
    pub backlog_bytes_max: usize,
    /// How finely SendingTime is written; before FIX 4.2 always in seconds.
    pub precision: Precision,
    /// When the session is open; `None` for always.
    pub schedule: Option<Schedule>,
    /// What messages are held against when they come in; `None` for no dictionary.
    pub validation: Option<Validation>,
}

impl SessionConfig {
    /// The defaults for a session between these two.
    pub fn new(version: Version, role: Role, sender: CompId, target: CompId) -> SessionConfig {
        SessionConfig {
            version,
            sender_comp_id: sender,
            target_comp_id: target,
            role,
            heart_bt_int_s: 30,
            reset_on_logon: false,
            reset_on_logout: false,
            reset_on_disconnect: false,
            sender_sub_ids: SubIds::default(),
            target_sub_ids: SubIds::default(),
            qualifier: None,
            check_comp_id: true,
            credentials: None,
            last_msg_seq_num_processed: false,
            next_expected_msg_seq_num: false,
            resend_request_chunk_size: 0,
            closed_resend_interval: false,
            requires_orig_sending_time: true,
            redundant_resend_requests: false,
            validate_sequence_numbers: true,
            reject_garbled: false,
            reject_invalid: true,
            test_request_after_pct: 120,
            silence_max_pct: 240,
            silence_ends: true,
            logon_fields: LogonFields::default(),
            persist_messages: true,
            check_latency: true,
            max_latency_s: 120,
            logon_timeout_s: LOGON_TIMEOUT_S,
            logon_bytes_max: LOGON_BYTES_MAX,
            logout_timeout_s: 2,
            message_bytes_max: 16 * 1024,
            message_fields_max: FIELDS_DEFAULT,
            send_bytes_max: 1024,
            held_bytes_max: 64 * 1024,
            held_messages_max: 256,
            backlog_bytes_max: 8 * 1024,
            precision: Precision::Millis,
            schedule: None,
            validation: None,
        }
    }

    /// How finely SendingTime is written in this version.
    pub(super) fn sending_time_precision(&self) -> Precision {
        if self.version < Version::Fix42 { Precision::Seconds } else { self.precision }
    }

    /// Whether messages say what was processed.
    pub(super) fn says_processed(&self) -> bool {
        self.last_msg_seq_num_processed && self.version >= Version::Fix42
    }

    /// Whether messages name more than CompIDs.
    pub(super) fn has_sub_ids(&self) -> bool {
        let both = [&self.sender_sub_ids, &self.target_sub_ids];
        both.iter().any(|ids| ids.sub_id.is_some() || ids.location_id.is_some())
    }

    /// Whether Logons say what is expected.
    pub(super) fn says_expected(&self) -> bool {
        self.next_expected_msg_seq_num && self.version >= Version::Fix44
    }

    pub(crate) fn logon_timeout(&self) -> Duration {
        Duration::from_s(u64::from(self.logon_timeout_s))
    }

    pub(super) fn logout_timeout(&self) -> Duration {
        Duration::from_s(u64::from(self.logout_timeout_s))
    }

    pub(super) fn max_latency(&self) -> Duration {
        Duration::from_s(u64::from(self.max_latency_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_a_text_within_bounds_and_no_control_character() {
        let long = "x".repeat(CREDENTIAL_BYTES_MAX);
        for (username, password, are) in [
            ("joe", "s3cret", true),
            ("joe", "", true),
            ("", "s3cret", true),
            (&long, &long, true),
            ("", "", false),
            (&format!("{long}x"), "", false),
            ("joe", &format!("{long}x"), false),
            ("j\x01e", "", false),
            ("joe", "a\nb", false),
        ] {
            assert_eq!(
                Credentials::new(username, password).is_some(),
                are,
                "{username} {password}"
            );
        }
    }

    #[test]
    fn a_password_is_shown_by_no_debugging() {
        let credentials = Credentials::new("joe", "s3cret").unwrap();
        let shown = format!("{credentials:?}");
        assert!(shown.contains("joe") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn only_the_very_same_credentials_will_do() {
        let agreed = Credentials::new("joe", "s3cret").unwrap();
        let unnamed = Credentials::new("", "s3cret").unwrap();
        for (credentials, username, password, are) in [
            (&agreed, Some("joe"), Some("s3cret"), true),
            (&agreed, Some("joe"), Some("s3crets"), false),
            (&agreed, Some("joe"), Some("s3cre"), false),
            (&agreed, Some("joe"), Some("S3cret"), false),
            (&agreed, Some("Joe"), Some("s3cret"), false),
            (&agreed, None, Some("s3cret"), false),
            (&agreed, Some("joe"), None, false),
            (&unnamed, None, Some("s3cret"), true),
            (&unnamed, Some("joe"), Some("s3cret"), false),
        ] {
            let found = credentials.are(username.map(str::as_bytes), password.map(str::as_bytes));
            assert_eq!(found, are, "{username:?} {password:?}");
        }
    }
}
