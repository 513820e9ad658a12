//! What a session is told before it begins.

use core::fmt;

use arrayvec::ArrayVec;

use crate::fix::dictionary::Validation;
use crate::fix::timestamp::Precision;
use crate::time::Duration;

use super::Version;

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

/// How a session behaves. The defaults are QuickFIX's.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The version both sides speak.
    pub version: Version,
    /// Us.
    pub sender_comp_id: CompId,
    /// The counterparty.
    pub target_comp_id: CompId,
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
    /// SendingTime(52) must be within `max_latency_s` of our clock.
    pub check_latency: bool,
    /// How far SendingTime may be off, either way.
    pub max_latency_s: u32,
    /// How long a Logon may take to come.
    pub logon_timeout_s: u32,
    /// How long our Logout may take to be answered.
    pub logout_timeout_s: u32,
    /// The longest message that is received, framing included. Longer ones are garbled.
    pub message_bytes_max: usize,
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
            check_latency: true,
            max_latency_s: 120,
            logon_timeout_s: 10,
            logout_timeout_s: 2,
            message_bytes_max: 16 * 1024,
            send_bytes_max: 1024,
            held_bytes_max: 64 * 1024,
            held_messages_max: 256,
            backlog_bytes_max: 8 * 1024,
            precision: Precision::Millis,
            validation: None,
        }
    }

    /// How finely SendingTime is written in this version.
    pub(super) fn sending_time_precision(&self) -> Precision {
        if self.version < Version::Fix42 { Precision::Seconds } else { self.precision }
    }

    pub(super) fn logon_timeout(&self) -> Duration {
        Duration::from_s(u64::from(self.logon_timeout_s))
    }

    pub(super) fn logout_timeout(&self) -> Duration {
        Duration::from_s(u64::from(self.logout_timeout_s))
    }

    pub(super) fn max_latency(&self) -> Duration {
        Duration::from_s(u64::from(self.max_latency_s))
    }
}
