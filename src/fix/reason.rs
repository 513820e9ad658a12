//! Why a message was ignored, refused, or the connection closed: one name a reason.

use core::fmt;

macro_rules! reasons {
    ($(#[$outer:meta])* $kind:ident { $( $variant:ident $name:literal $doc:literal )* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $kind { $( #[doc = $doc] $variant, )* }

        impl $kind {
            /// Every reason, in the order of their numbers.
            pub const ALL: [$kind; [$(stringify!($variant)),*].len()] = [$($kind::$variant),*];

            /// The name of this reason's counter.
            pub const fn name(self) -> &'static str {
                match self { $($kind::$variant => $name,)* }
            }

            /// What it means, in a line.
            pub const fn doc(self) -> &'static str {
                match self { $($kind::$variant => $doc,)* }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

reasons! {
    /// Why bytes are no message: ignored, no number consumed (FIX 4.4 Vol. 2, garbled messages).
    Garbled {
        BeginStringMissing "garbled_begin_string_missing" "Bytes that no `8=FIX` begins."
        BeginStringInvalid "garbled_begin_string_invalid" "BeginString does not end where any version's does."
        BodyLengthNotSecond "garbled_body_length_not_second" "The second field is not BodyLength."
        BodyLengthInvalid "garbled_body_length_invalid" "BodyLength is empty, no number, or too short for a MsgType."
        BodyLengthTooLong "garbled_body_length_too_long" "BodyLength exceeds `message_bytes_max`."
        CheckSumMissing "garbled_check_sum_missing" "No `10=nnn` stands where BodyLength says."
        CheckSumWrong "garbled_check_sum_wrong" "CheckSum does not match the bytes."
        MsgTypeNotThird "garbled_msg_type_not_third" "The third field is not MsgType."
        FieldMalformed "garbled_field_malformed" "A field without '=', or whose tag is no number."
        FieldsTooMany "garbled_fields_too_many" "More fields than `message_fields_max`."
    }
}

impl core::error::Error for Garbled {}

reasons! {
    /// SessionRejectReason(373): why a message was refused by a Reject, its number consumed. The
    /// numbers are the standard's where it has them (FIX 4.4 Vol. 2, Reject).
    RejectReason {
        InvalidTagNumber "reject_invalid_tag_number" "Invalid tag number"
        RequiredTagMissing "reject_required_tag_missing" "Required tag missing"
        TagNotDefinedForType "reject_tag_not_defined_for_type" "Tag not defined for this message type"
        UndefinedTag "reject_undefined_tag" "Undefined tag"
        TagWithoutValue "reject_tag_without_value" "Tag specified without a value"
        ValueIncorrect "reject_value_incorrect" "Value is incorrect (out of range) for this tag"
        DataFormatIncorrect "reject_data_format_incorrect" "Incorrect data format for value"
        Decryption "reject_decryption" "Decryption problem"
        Signature "reject_signature" "Signature problem"
        CompId "reject_comp_id" "CompID problem"
        SendingTimeAccuracy "reject_sending_time_accuracy" "SendingTime accuracy problem"
        InvalidMsgType "reject_invalid_msg_type" "Invalid MsgType"
        XmlValidation "reject_xml_validation" "XML validation error"
        TagRepeated "reject_tag_repeated" "Tag appears more than once"
        TagOutOfOrder "reject_tag_out_of_order" "Tag specified out of required order"
        GroupOutOfOrder "reject_group_out_of_order" "Repeating group fields out of order"
        GroupCountIncorrect "reject_group_count_incorrect" "Incorrect NumInGroup count for repeating group"
        Other "reject_other" "Other"
    }
}

impl RejectReason {
    /// The value of SessionRejectReason(373).
    pub const fn code(self) -> u8 {
        match self {
            RejectReason::Other => 99,
            reason => reason as u8,
        }
    }

    /// The last code that FIX 4.2 defines.
    pub const FIX42_LAST: RejectReason = RejectReason::InvalidMsgType;

    /// The last that FIX 4.3 defines of those here.
    pub const FIX43_LAST: RejectReason = RejectReason::GroupCountIncorrect;
}

reasons! {
    /// Why the connection is to be closed, or was.
    CloseReason {
        LogoutComplete "close_logout_complete" "Our Logout was answered."
        LogoutByPeer "close_logout_by_peer" "The counterparty logged out and was answered."
        LogoutTimeout "close_logout_timeout" "Our Logout was not answered in time."
        LogonTimeout "close_logon_timeout" "No Logon came in time."
        LogonRefused "close_logon_refused" "The counterparty answered our Logon by a Logout or Reject."
        LogonInvalid "close_logon_invalid" "The first Logon was garbled or not for this session."
        LogonTimeInaccurate "close_logon_time_inaccurate" "The SendingTime of the first Logon is missing or too far from our clock: set one of the two, or max_latency."
        LogonTermsRefused "close_logon_terms_refused" "A Logon asks for encryption, its HeartBtInt, ResetSeqNumFlag or NextExpectedMsgSeqNum is missing or none that we take, or it begins the numbers anew with another one than 1. Said by a Logout where the session was established."
        LogonApplVerIdRefused "close_logon_appl_ver_id_refused" "A Logon is FIXT.1.1's, and its DefaultApplVerID is missing or no version that we know. Said by a Logout where the session was established."
        LogonCredentialsRefused "close_logon_credentials_refused" "The Username or Password of the first Logon is not the one that is agreed on."
        NextExpectedTooHigh "close_next_expected_too_high" "A Logon expects a number by NextExpectedMsgSeqNum that we have not come to: messages of ours are lost to our store."
        LastProcessedTooHigh "close_last_processed_too_high" "A Logon says by LastMsgSeqNumProcessed that it has processed what we have not come to: messages of ours are lost to our store."
        OutsideSchedule "close_outside_schedule" "The session is closed by its schedule."
        PeerNotFix "close_peer_not_fix" "The counterparty does not speak FIX."
        LogonMissing "close_logon_missing" "The first message was not a Logon."
        LogonUnexpected "close_logon_unexpected" "A second Logon without ResetSeqNumFlag: answered by a Logout."
        MsgSeqNumTooLow "close_msg_seq_num_too_low" "MsgSeqNum was lower than expected, without PossDupFlag."
        MsgSeqNumMissing "close_msg_seq_num_missing" "MsgSeqNum was absent or no number."
        HeartbeatTimeout "close_heartbeat_timeout" "Nothing came for 2.4 heartbeat intervals, or as many as the session is told."
        BacklogFull "close_backlog_full" "The counterparty asks but does not read: its answers no longer fit."
        LimitExceeded "close_limit_exceeded" "The counterparty insists on a message longer, or with more fields, than we take."
        GapNotFilled "close_gap_not_filled" "A number that was missing was asked for twice, and left out, refused or not answered both times."
        MsgSeqNumExhausted "close_msg_seq_num_exhausted" "No sequence number is left."
        StoreFailed "close_store_failed" "What is sent cannot be kept, or not as durably as was asked: look at the disk of the store."
        Disconnected "close_disconnected" "The transport went away."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reject_codes_are_the_standards() {
        let expected = [
            (RejectReason::InvalidTagNumber, 0),
            (RejectReason::RequiredTagMissing, 1),
            (RejectReason::TagWithoutValue, 4),
            (RejectReason::ValueIncorrect, 5),
            (RejectReason::DataFormatIncorrect, 6),
            (RejectReason::CompId, 9),
            (RejectReason::SendingTimeAccuracy, 10),
            (RejectReason::InvalidMsgType, 11),
            (RejectReason::TagRepeated, 13),
            (RejectReason::TagOutOfOrder, 14),
            (RejectReason::GroupCountIncorrect, 16),
            (RejectReason::Other, 99),
        ];
        for (reason, code) in expected {
            assert_eq!(reason.code(), code, "{reason}");
        }
    }
}
