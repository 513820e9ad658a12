//! Tags and message types by their names in the standard (FIX 4.4 Vol. 6).

/// The largest tag that is read: nine digits, far past any that a venue defines.
pub const TAG_MAX: u32 = 999_999_999;
/// The first tag that users define for themselves (FIX 4.4 Vol. 1, user defined fields).
pub const USER_DEFINED_MIN: u32 = 5_000;

macro_rules! tags {
    ($( $name:ident $number:literal $field:literal )*) => {
        $( #[doc = $field] pub const $name: u32 = $number; )*

        /// What the standard calls a field that is known here by its name.
        pub const fn name(tag: u32) -> Option<&'static str> {
            match tag {
                $( $number => Some($field), )*
                _ => None,
            }
        }
    };
}

tags! {
    BEGIN_SEQ_NO 7 "BeginSeqNo"
    BEGIN_STRING 8 "BeginString"
    BODY_LENGTH 9 "BodyLength"
    CHECK_SUM 10 "CheckSum"
    CL_ORD_ID 11 "ClOrdID"
    END_SEQ_NO 16 "EndSeqNo"
    MSG_SEQ_NUM 34 "MsgSeqNum"
    MSG_TYPE 35 "MsgType"
    NEW_SEQ_NO 36 "NewSeqNo"
    ORDER_QTY 38 "OrderQty"
    POSS_DUP_FLAG 43 "PossDupFlag"
    PRICE 44 "Price"
    REF_SEQ_NUM 45 "RefSeqNum"
    SENDER_COMP_ID 49 "SenderCompID"
    SENDER_SUB_ID 50 "SenderSubID"
    SENDING_TIME 52 "SendingTime"
    SYMBOL 55 "Symbol"
    TARGET_COMP_ID 56 "TargetCompID"
    TARGET_SUB_ID 57 "TargetSubID"
    TEXT 58 "Text"
    SIGNATURE 89 "Signature"
    SECURE_DATA_LEN 90 "SecureDataLen"
    SECURE_DATA 91 "SecureData"
    SIGNATURE_LENGTH 93 "SignatureLength"
    RAW_DATA_LENGTH 95 "RawDataLength"
    RAW_DATA 96 "RawData"
    POSS_RESEND 97 "PossResend"
    ENCRYPT_METHOD 98 "EncryptMethod"
    HEART_BT_INT 108 "HeartBtInt"
    TEST_REQ_ID 112 "TestReqID"
    ON_BEHALF_OF_COMP_ID 115 "OnBehalfOfCompID"
    ON_BEHALF_OF_SUB_ID 116 "OnBehalfOfSubID"
    ORIG_SENDING_TIME 122 "OrigSendingTime"
    GAP_FILL_FLAG 123 "GapFillFlag"
    DELIVER_TO_COMP_ID 128 "DeliverToCompID"
    DELIVER_TO_SUB_ID 129 "DeliverToSubID"
    RESET_SEQ_NUM_FLAG 141 "ResetSeqNumFlag"
    SENDER_LOCATION_ID 142 "SenderLocationID"
    TARGET_LOCATION_ID 143 "TargetLocationID"
    ON_BEHALF_OF_LOCATION_ID 144 "OnBehalfOfLocationID"
    DELIVER_TO_LOCATION_ID 145 "DeliverToLocationID"
    XML_DATA_LEN 212 "XmlDataLen"
    XML_DATA 213 "XmlData"
    MESSAGE_ENCODING 347 "MessageEncoding"
    LAST_MSG_SEQ_NUM_PROCESSED 369 "LastMsgSeqNumProcessed"
    ON_BEHALF_OF_SENDING_TIME 370 "OnBehalfOfSendingTime"
    REF_TAG_ID 371 "RefTagID"
    REF_MSG_TYPE 372 "RefMsgType"
    SESSION_REJECT_REASON 373 "SessionRejectReason"
    BUSINESS_REJECT_REF_ID 379 "BusinessRejectRefID"
    BUSINESS_REJECT_REASON 380 "BusinessRejectReason"
    USERNAME 553 "Username"
    PASSWORD 554 "Password"
    NEXT_EXPECTED_MSG_SEQ_NUM 789 "NextExpectedMsgSeqNum"
    APPL_VER_ID 1128 "ApplVerID"
    CSTM_APPL_VER_ID 1129 "CstmApplVerID"
    DEFAULT_APPL_VER_ID 1137 "DefaultApplVerID"
    APPL_EXT_ID 1156 "ApplExtID"
}

/// The session layer's message types, and the one of applications that all of them have.
pub mod msg_type {
    /// Heartbeat.
    pub const HEARTBEAT: &[u8] = b"0";
    /// TestRequest.
    pub const TEST_REQUEST: &[u8] = b"1";
    /// ResendRequest.
    pub const RESEND_REQUEST: &[u8] = b"2";
    /// Reject.
    pub const REJECT: &[u8] = b"3";
    /// SequenceReset.
    pub const SEQUENCE_RESET: &[u8] = b"4";
    /// Logout.
    pub const LOGOUT: &[u8] = b"5";
    /// Logon.
    pub const LOGON: &[u8] = b"A";

    /// BusinessMessageReject: an application's refusal, from FIX 4.2 on, and no message of the session layer.
    pub const BUSINESS_MESSAGE_REJECT: &[u8] = b"j";

    /// Whether `msg_type` belongs to the session layer, and is therefore never sent again.
    #[inline]
    pub fn is_admin(msg_type: &[u8]) -> bool {
        matches!(msg_type, [b'0'..=b'5' | b'A'])
    }
}

/// The data field that the length field `tag` measures (FIX 4.4 Vol. 1 and FIX 5.0 SP2 Vol. 1, data fields).
#[inline]
pub const fn data_of_length(tag: u32) -> Option<u32> {
    Some(match tag {
        SIGNATURE_LENGTH => SIGNATURE,
        SECURE_DATA_LEN => SECURE_DATA,
        RAW_DATA_LENGTH => RAW_DATA,
        XML_DATA_LEN => XML_DATA,
        348 | 350 | 352 | 354 | 356 | 358 | 360 | 362 | 364 | 445 | 618 | 621 => tag + 1,
        // FIX 5.0 to SP2, and FIXT 1.1.
        1184 | 1277 | 1280 | 1282 | 1397 | 1401 | 1403 | 1468 | 1578 | 1620 | 1664 | 1733 => {
            tag + 1
        }
        1525 => 1527,
        1678 => 1697,
        _ => return None,
    })
}

/// Where a tag of the standard header lies among them, or `None` for a tag of the body or trailer, and for those
/// [of hops](is_of_hops) and [`ON_BEHALF_OF_SENDING_TIME`].
#[inline]
pub const fn header_slot(tag: u32) -> Option<usize> {
    Some(match tag {
        MSG_TYPE => 0,
        MSG_SEQ_NUM => 1,
        SENDER_COMP_ID => 2,
        TARGET_COMP_ID => 3,
        SENDING_TIME => 4,
        POSS_DUP_FLAG => 5,
        ORIG_SENDING_TIME => 6,
        POSS_RESEND => 7,
        ON_BEHALF_OF_COMP_ID => 8,
        DELIVER_TO_COMP_ID => 9,
        SENDER_SUB_ID => 10,
        TARGET_SUB_ID => 11,
        ON_BEHALF_OF_SUB_ID => 12,
        DELIVER_TO_SUB_ID => 13,
        SENDER_LOCATION_ID => 14,
        TARGET_LOCATION_ID => 15,
        ON_BEHALF_OF_LOCATION_ID => 16,
        DELIVER_TO_LOCATION_ID => 17,
        SECURE_DATA_LEN => 18,
        SECURE_DATA => 19,
        XML_DATA_LEN => 20,
        XML_DATA => 21,
        MESSAGE_ENCODING => 22,
        LAST_MSG_SEQ_NUM_PROCESSED => 23,
        BEGIN_STRING => 24,
        BODY_LENGTH => 25,
        APPL_VER_ID => 26,
        CSTM_APPL_VER_ID => 27,
        APPL_EXT_ID => 28,
        _ => return None,
    })
}

/// Whether a field is of the standard header's repeating group (FIX 4.3, Standard Message Header: NoHops, HopCompID,
/// HopSendingTime, HopRefID). Each entry has these tags again, so that none has a slot.
#[inline]
pub const fn is_of_hops(tag: u32) -> bool {
    matches!(tag, 627..=630)
}

/// Whether a field is of the standard header of any version. OnBehalfOfSendingTime was of it in FIX 4.2 and 4.3 alone, and is
/// nowhere else: it has no slot.
#[inline]
pub const fn is_of_header(tag: u32) -> bool {
    header_slot(tag).is_some() || is_of_hops(tag) || tag == ON_BEHALF_OF_SENDING_TIME
}

/// How many slots [`header_slot`] gives out.
pub const HEADER_SLOTS: usize = 29;

/// Whether a field counts the entries of a repeating group in FIX 4.2 or 4.4 (NumInGroup): what
/// follows it keeps its order.
#[rustfmt::skip]
pub const fn is_group_count(tag: u32) -> bool {
    matches!(
        tag,
        33 | 73 | 78 | 85 | 124 | 136 | 146 | 199 | 215 | 232 | 267 | 268 | 295 | 296 | 382 | 384
            | 386 | 398 | 420 | 428 | 453 | 454 | 457 | 473 | 510 | 518 | 534 | 539 | 552 | 555
            | 558 | 576 | 580 | 604 | 627 | 670 | 683 | 702 | 711 | 735 | 753 | 756 | 768 | 778
            | 781 | 801 | 802 | 804 | 806 | 816 | 862 | 864 | 870 | 887 | 897 | 936 | 938 | 948
            | 952
    )
}

/// What a tag means for the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A tag of the body or trailer.
    Body,
    /// A tag of the standard header, by its [`header_slot`].
    Header(u8),
    /// The length of the data field that follows ([`data_of_length`]).
    Length,
}

/// What a tag means for the decoder: looked up, not decided.
#[inline]
pub fn kind(tag: u32) -> Kind {
    KINDS.get(tag as usize).copied().unwrap_or(Kind::Body)
}

/// Every tag that is not of the body lies below this.
const KINDS_LEN: usize = 2048;

static KINDS: [Kind; KINDS_LEN] = {
    let mut kinds = [Kind::Body; KINDS_LEN];
    let mut tag = 0;
    while tag < KINDS_LEN {
        kinds[tag] = match (data_of_length(tag as u32), header_slot(tag as u32)) {
            (Some(_), _) => Kind::Length,
            (None, Some(slot)) => Kind::Header(slot as u8),
            (None, None) => Kind::Body,
        };
        tag += 1;
    }
    kinds
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_what_the_functions_say_it_is() {
        for tag in (0..5_000).chain([TAG_MAX, u32::MAX]) {
            let expected = match (data_of_length(tag), header_slot(tag)) {
                (Some(_), _) => Kind::Length,
                (None, Some(slot)) => Kind::Header(slot as u8),
                (None, None) => Kind::Body,
            };
            assert_eq!(kind(tag), expected, "{tag}");
        }
    }
}
