//! What an application refuses though the session has nothing against it: BusinessMessageReject (FIX 4.2, Business Message
//! Reject).

use crate::fix::message::Message;
use crate::fix::reason::RejectReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};

use super::reject::{QUOTE_BYTES_MAX, put_route_back};
use super::{Outlet, SendError, Sender, Version};

/// BusinessRejectReason(380): why an application does not deal with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BusinessRejectReason {
    /// What the text says.
    Other = 0,
    /// An identifier is not known.
    UnknownId = 1,
    /// A security is not known.
    UnknownSecurity = 2,
    /// Messages of this type are not dealt with.
    UnsupportedMessageType = 3,
    /// The application is not there.
    ApplicationNotAvailable = 4,
    /// A field is missing that other fields make necessary.
    ConditionallyRequiredFieldMissing = 5,
    /// The sender may not do that; from FIX 4.3 on.
    NotAuthorized = 6,
    /// Whom it is to be delivered to is not there; from FIX 4.3 on.
    DeliverToFirmNotAvailable = 7,
}

impl BusinessRejectReason {
    /// The value of BusinessRejectReason(380) in `version`: what that does not have yet is 0.
    pub fn code(self, version: Version) -> u8 {
        let last = if version < Version::Fix43 { 5 } else { 7 };
        if self as u8 <= last { self as u8 } else { BusinessRejectReason::Other as u8 }
    }

    /// What a Reject gives as its reason before FIX 4.2.
    fn before_fix42(self) -> RejectReason {
        match self {
            BusinessRejectReason::UnsupportedMessageType => RejectReason::InvalidMsgType,
            BusinessRejectReason::ConditionallyRequiredFieldMissing => {
                RejectReason::RequiredTagMissing
            }
            _ => RejectReason::ValueIncorrect,
        }
    }
}

impl<S: Store, O: Outlet> Sender<'_, S, O> {
    /// Refuses a message of a type that the application does not deal with, or that it cannot, by a BusinessMessageReject(j)
    /// back the way it came; before FIX 4.2, which has none, by a Reject. `text`, where it is not empty, goes into Text(58);
    /// `business_id` is an identifier of the message, for BusinessRejectRefID(379). It is an application message: it has a
    /// number, and goes again if it is asked for.
    ///
    /// # Errors
    /// [`SendError`]; no number is consumed, and the counterparty is told nothing.
    pub fn reject_business(
        &mut self,
        message: &Message<'_>,
        reason: BusinessRejectReason,
        business_id: Option<&[u8]>,
        text: &str,
    ) -> Result<(), SendError> {
        let version = self.version();
        if version < Version::Fix42 {
            self.reject_in_words(message, reason.before_fix42(), text);
            return Ok(());
        }
        let is_quoted = |value: &&[u8]| (1..=QUOTE_BYTES_MAX).contains(&value.len());
        let sent = self.send(msg_type::BUSINESS_MESSAGE_REJECT, |encoder| {
            put_route_back(encoder, message, version);
            encoder.put_u32(tags::REF_SEQ_NUM, message.msg_seq_num().unwrap_or(0));
            if !text.is_empty() {
                encoder.put_str(tags::TEXT, text);
            }
            if let Some(refused) = Some(message.msg_type()).filter(is_quoted) {
                encoder.put_bytes(tags::REF_MSG_TYPE, refused);
            }
            if let Some(id) = business_id.filter(is_quoted) {
                encoder.put_bytes(tags::BUSINESS_REJECT_REF_ID, id);
            }
            encoder.put_u32(tags::BUSINESS_REJECT_REASON, u32::from(reason.code(version)));
        });
        sent.map(|_| ())
    }
}
