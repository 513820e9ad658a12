//! What is wrong with a message whatever its type, and how that is answered.

use arrayvec::ArrayVec;

use crate::fix::counters::Event;
use crate::fix::dictionary::Violation;
use crate::fix::message::Message;
use crate::fix::reason::RejectReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::fix::timestamp;
use crate::fix::value::FieldError;
use crate::time::Now;

use super::reject::QUOTE_BYTES_MAX;
use super::{ApplVerId, CompId, Core, Outlet};

impl<S: Store> Core<S> {
    /// Answers a flaw by a Reject, and the worst of them by a Logout too.
    #[inline(always)]
    pub(super) fn is_acceptable(
        &mut self,
        now: Now,
        message: &Message<'_>,
        out: &mut impl Outlet,
    ) -> bool {
        if let Some(Violation { reason, tag }) = self.violation(message) {
            if self.config.reject_invalid {
                self.reject_tag(now, message, reason, tag, out);
                return false;
            }
            self.counters.count(Event::InvalidDelivered);
        }
        let Some((reason, tag)) = self.flaw(now, message) else { return true };
        let mut quoted = ArrayVec::<u8, QUOTE_BYTES_MAX>::new();
        quoted.extend(tag.iter().copied().take(QUOTE_BYTES_MAX));
        self.reject(now, message, reason, &quoted, out);
        if matches!(reason, RejectReason::CompId | RejectReason::SendingTimeAccuracy) {
            self.log_out(now, out, b"");
        }
        false
    }

    /// What the dictionary has against a message whose fields are sound by themselves.
    #[inline(always)]
    pub(super) fn violation(&mut self, message: &Message<'_>) -> Option<Violation> {
        let validator = self.validator.as_mut().filter(|_| message.fault().is_none())?;
        validator.check(message).err()
    }

    /// The first thing wrong with a message whatever its type, and the tag at fault.
    #[inline(always)]
    pub(super) fn flaw<'a>(
        &mut self,
        now: Now,
        message: &Message<'a>,
    ) -> Option<(RejectReason, &'a [u8])> {
        if let Some(fault) = message.fault() {
            return Some((fault.reason, fault.tag));
        }
        let missing = Some((RejectReason::RequiredTagMissing, &b""[..]));
        let Some(sender) = message.field(tags::SENDER_COMP_ID) else {
            return missing.map(|(reason, _)| (reason, &b"49"[..]));
        };
        let Some(target) = message.field(tags::TARGET_COMP_ID) else {
            return missing.map(|(reason, _)| (reason, &b"56"[..]));
        };
        let Some(sent) = message.field(tags::SENDING_TIME) else {
            return Some((RejectReason::RequiredTagMissing, b"52"));
        };
        let Ok(sent) = timestamp::parse(sent) else {
            return Some((RejectReason::DataFormatIncorrect, b"52"));
        };
        if !message.msg_type().iter().all(u8::is_ascii_alphanumeric) {
            return Some((RejectReason::InvalidMsgType, b""));
        }
        if message.bool(tags::POSS_DUP_FLAG) == Err(FieldError::Format) {
            return Some((RejectReason::DataFormatIncorrect, b"43"));
        }
        // Of a session message it says nothing: a Logon that bears one of a later year is a Logon.
        let is_versioned = self.config.version.default_appl_ver_id().is_some()
            && !msg_type::is_admin(message.msg_type());
        if is_versioned
            && message.field(tags::APPL_VER_ID).is_some_and(|id| ApplVerId::of(id).is_none())
        {
            return Some((RejectReason::ValueIncorrect, b"1128"));
        }
        if !self.is_recent(now, sent) {
            return Some((RejectReason::SendingTimeAccuracy, b""));
        }
        if !self.are_parties_ours(message, (sender, target)) {
            return Some((RejectReason::CompId, b""));
        }
        self.processed_flaw(message).map(|reason| (reason, &b"369"[..]))
    }

    /// What is wrong with LastMsgSeqNumProcessed(369), where both sides have agreed on it: it is no number, or of
    /// a message that we have not sent (FIX 4.2, Standard Message Header).
    #[inline(always)]
    pub(super) fn processed_flaw(&self, message: &Message<'_>) -> Option<RejectReason> {
        if !self.says_processed {
            return None;
        }
        self.flaw_of_processed(message)
    }

    #[inline]
    fn flaw_of_processed(&self, message: &Message<'_>) -> Option<RejectReason> {
        match message.u32(tags::LAST_MSG_SEQ_NUM_PROCESSED) {
            Ok(processed) if processed < self.store.next_out() => None,
            Err(FieldError::Missing) => None,
            // What a Logon says of numbers counts once it is known whether they begin anew.
            Ok(_) if message.msg_type() == msg_type::LOGON => None,
            Ok(_) => Some(RejectReason::ValueIncorrect),
            Err(_) => Some(RejectReason::DataFormatIncorrect),
        }
    }

    fn sub_ids(&self) -> [(u32, &Option<CompId>); 4] {
        let (ours, theirs) = (&self.config.sender_sub_ids, &self.config.target_sub_ids);
        [
            (tags::SENDER_SUB_ID, &theirs.sub_id),
            (tags::TARGET_SUB_ID, &ours.sub_id),
            (tags::SENDER_LOCATION_ID, &theirs.location_id),
            (tags::TARGET_LOCATION_ID, &ours.location_id),
        ]
    }

    /// Whether a message is the counterparty's and to us, by CompIDs and sub-IDs that are looked at one by one.
    fn are_parties_ours(&self, message: &Message<'_>, (sender, target): (&[u8], &[u8])) -> bool {
        !self.config.check_comp_id
            || (sender == self.config.target_comp_id.as_bytes()
                && target == self.config.sender_comp_id.as_bytes()
                && self.are_sub_ids_ours(message))
    }

    /// The same of a message with a shape that was vouched for, which has both CompIDs.
    #[inline(never)]
    pub(super) fn are_fields_ours(&self, message: &Message<'_>) -> bool {
        let [sender, target] = [tags::SENDER_COMP_ID, tags::TARGET_COMP_ID]
            .map(|tag| message.field(tag).unwrap_or_default());
        self.are_parties_ours(message, (sender, target))
    }

    fn are_sub_ids_ours(&self, message: &Message<'_>) -> bool {
        let agreed = self.sub_ids();
        let mut agreed = agreed.iter().filter_map(|(tag, agreed)| Some((*tag, agreed.as_ref()?)));
        agreed.all(|(tag, agreed)| message.field(tag) == Some(agreed.as_bytes()))
    }
}
