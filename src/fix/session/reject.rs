//! What is refused by a Reject: which field of which message, why, and back the way it came.

use core::fmt::Write;

use arrayvec::ArrayString;

use crate::fix::counters::Event;
use crate::fix::encode::Encoder;
use crate::fix::frame::SOH;
use crate::fix::message::Message;
use crate::fix::reason::{Garbled, RejectReason};
use crate::fix::store::{SEQ_NUM_MAX, Store};
use crate::fix::tags::{self, msg_type};
use crate::fix::value::FieldError;
use crate::time::Now;

use super::{Core, Outlet, Version};

/// The longest routing field that is turned round, or offending tag that is quoted, in bytes.
pub(super) const QUOTE_BYTES_MAX: usize = 64;

/// Routing fields and where a Reject puts them, back to whom it came from, and which version has them first
/// (FIX 4.4 Vol. 1).
const REVERSE_ROUTE: [(u32, u32, Version); 6] = [
    (tags::DELIVER_TO_COMP_ID, tags::ON_BEHALF_OF_COMP_ID, Version::Fix40),
    (tags::DELIVER_TO_SUB_ID, tags::ON_BEHALF_OF_SUB_ID, Version::Fix40),
    (tags::ON_BEHALF_OF_COMP_ID, tags::DELIVER_TO_COMP_ID, Version::Fix40),
    (tags::ON_BEHALF_OF_SUB_ID, tags::DELIVER_TO_SUB_ID, Version::Fix40),
    (tags::DELIVER_TO_LOCATION_ID, tags::ON_BEHALF_OF_LOCATION_ID, Version::Fix41),
    (tags::ON_BEHALF_OF_LOCATION_ID, tags::DELIVER_TO_LOCATION_ID, Version::Fix41),
];

/// The routing fields of an answer to `message`, which go the way back: tag and value.
pub(crate) fn route_back<'a>(
    message: &Message<'a>,
    version: Version,
) -> impl Iterator<Item = (u32, &'a [u8])> {
    let known = REVERSE_ROUTE.into_iter().filter(move |route| route.2 <= version);
    let turned = known.filter_map(move |(to, from, _)| Some((to, message.field(from)?)));
    turned.filter(|(_, value)| (1..=QUOTE_BYTES_MAX).contains(&value.len()))
}

/// Puts the same.
pub(super) fn put_route_back(encoder: &mut Encoder<'_>, message: &Message<'_>, version: Version) {
    for (tag, value) in route_back(message, version) {
        encoder.put_bytes(tag, value);
    }
}

/// MsgSeqNum(34) of garbled bytes: the first field that looks like one.
fn number_in(bytes: &[u8]) -> Option<u32> {
    let number = |field: &[u8]| {
        let digits = field.strip_prefix(b"34=")?;
        let is_number = digits.iter().all(u8::is_ascii_digit);
        str::from_utf8(digits).ok().filter(|_| is_number)?.parse::<u32>().ok()
    };
    let mut fields = bytes.split(|byte| *byte == SOH);
    fields.find_map(number).filter(|seq| (1..=SEQ_NUM_MAX).contains(seq))
}

impl<S: Store> Core<S> {
    /// Rejects a message for one of its fields, which `error` says is absent or wrong.
    pub(super) fn reject_field(
        &mut self,
        now: Now,
        message: &Message<'_>,
        error: FieldError,
        tag: &[u8],
        out: &mut impl Outlet,
    ) {
        let reason = match error {
            FieldError::Missing => RejectReason::RequiredTagMissing,
            FieldError::Format => RejectReason::DataFormatIncorrect,
            FieldError::Range => RejectReason::ValueIncorrect,
        };
        self.reject(now, message, reason, tag, out);
    }

    pub(super) fn reject_tag(
        &mut self,
        now: Now,
        message: &Message<'_>,
        reason: RejectReason,
        tag: Option<u32>,
        out: &mut impl Outlet,
    ) {
        let mut text = ArrayString::<10>::new();
        if let Some(tag) = tag {
            let _ = write!(text, "{tag}");
        }
        self.reject(now, message, reason, text.as_bytes(), out);
    }

    pub(super) fn reject(
        &mut self,
        now: Now,
        message: &Message<'_>,
        reason: RejectReason,
        tag: &[u8],
        out: &mut impl Outlet,
    ) {
        self.reject_in_words(now, message, (reason, reason.doc()), tag, out);
    }

    /// Rejects bytes that are no message, if a number can be read of them, and consumes that where it is the one expected.
    #[cold]
    pub(super) fn reject_garbled(
        &mut self,
        now: Now,
        bytes: &[u8],
        reason: Garbled,
        out: &mut impl Outlet,
    ) {
        let Some(seq) = number_in(bytes) else { return };
        self.counters.count(Event::GarbledRejected);
        self.send_admin(now, out, msg_type::REJECT, |encoder| {
            encoder.put_u32(tags::REF_SEQ_NUM, seq).put_str(tags::TEXT, reason.doc());
        });
        self.consume(seq);
        self.settle_gap(now, out);
    }

    /// Sends a Reject, its number consumed where it is the one expected.
    #[cold]
    pub(super) fn reject_in_words(
        &mut self,
        now: Now,
        message: &Message<'_>,
        (reason, words): (RejectReason, &str),
        tag: &[u8],
        out: &mut impl Outlet,
    ) {
        self.counters.count_reject(reason);
        let seq = message.msg_seq_num().unwrap_or(0);
        // What is refused, and why, has fields of its own from FIX 4.2 on; before, the text names the tag.
        let version = self.config.version;
        let coded = match version {
            _ if version < Version::Fix43 => reason <= RejectReason::FIX42_LAST,
            Version::Fix43 => reason <= RejectReason::FIX43_LAST,
            _ => true,
        };
        let mut named = ArrayString::<{ 64 + 3 + QUOTE_BYTES_MAX }>::new();
        let text = match str::from_utf8(tag) {
            Ok(tag) if version < Version::Fix42 && !tag.is_empty() => {
                let _ = write!(named, "{words} ({tag})");
                named.as_str()
            }
            _ => words,
        };
        self.send_admin(now, out, msg_type::REJECT, |encoder| {
            put_route_back(encoder, message, version);
            encoder.put_u32(tags::REF_SEQ_NUM, seq).put_str(tags::TEXT, text);
            if version < Version::Fix42 {
                return;
            }
            if !tag.is_empty() {
                encoder.put_bytes(tags::REF_TAG_ID, tag);
            }
            let refused = message.msg_type();
            if (1..=QUOTE_BYTES_MAX).contains(&refused.len()) {
                encoder.put_bytes(tags::REF_MSG_TYPE, refused);
            }
            if coded {
                encoder.put_u32(tags::SESSION_REJECT_REASON, u32::from(reason.code()));
            }
        });
        if ![msg_type::LOGON, msg_type::SEQUENCE_RESET].contains(&message.msg_type()) {
            self.consume(seq);
        }
    }
}
