//! Why a message is in no pair.

use core::fmt;

use crate::measure::stamp::Incomparable;
use crate::offload::clock::Refusal;

/// Why an order has no trigger that it is measured from, or an answer no order; or why a running engine has no interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// Which one it answers cannot be told, or not from when.
    Why(Reason),
    /// Both are known, and their stamps have no difference.
    Incomparable(Incomparable),
    /// The clock discipline has no time for a stamp.
    Refused(Refusal),
}

/// Why a pair is excluded, each with a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// An order whose frame acknowledges no message that the one before it did not.
    NothingNew,
    /// An order whose frame acknowledges several.
    Several,
    /// An order behind one that acknowledged several: it may be the answer to one of those.
    Owed,
    /// An order whose frame acknowledges bytes that the capture does not have, or not yet.
    Unseen,
    /// Bytes are missing in between.
    Missing,
    /// Bytes in between are no message.
    Damaged,
    /// Sent more than once, or captured more than once.
    SentAgain,
    /// With PossDupFlag(43) or PossResend(97).
    PossDup,
    /// An answer for which no order waits.
    NoOrder,
    /// An answer to a ClOrdID that two orders had.
    IdTwice,
    /// An answer that left before its order was acknowledged.
    BeforeAcknowledged,
    /// One of the two frames has no stamp.
    NoStamp,
    /// The device calls one of the two stamps degraded.
    Degraded,
    /// One of the two frames is several segments that were joined.
    Joined,
    /// Which frame brought it is not known any more.
    Forgotten,
    /// The second is stamped before the first.
    Backwards,
    /// Stamps of two clocks or two timescales.
    Incomparable,
    /// An order that the capture has no answer to.
    Unanswered,
    /// In a running engine: a stamp that is none of the device's.
    NotByDevice,
    /// A stamp of the device's by a clock that nobody follows.
    NotFollowed,
    /// A stamp that no reading of its clock vouches for.
    Unsettled,
    /// A stamp that the clock discipline has no time for.
    ClockRefused,
    /// A message that was held behind a gap.
    Held,
    /// An order that waits.
    Waits,
    /// An order that was handed over in more than one burst.
    InParts,
    /// An order of which nobody told when it left.
    NotTold,
    /// An order that the application sent when it was told of the logon.
    AtLogon,
}

impl Reason {
    /// How many there are.
    pub const COUNT: usize = 27;

    /// Those of a running engine.
    pub const LIVE: [Reason; 11] = [
        Reason::NotByDevice,
        Reason::NotFollowed,
        Reason::Unsettled,
        Reason::ClockRefused,
        Reason::Incomparable,
        Reason::Backwards,
        Reason::Held,
        Reason::Waits,
        Reason::InParts,
        Reason::NotTold,
        Reason::AtLogon,
    ];

    /// Those of a running engine and of the second port beside it.
    pub const LIVE_AND_PORT: [Reason; 26] = [
        Reason::NotByDevice,
        Reason::NotFollowed,
        Reason::Unsettled,
        Reason::ClockRefused,
        Reason::Incomparable,
        Reason::Backwards,
        Reason::Held,
        Reason::Waits,
        Reason::InParts,
        Reason::NotTold,
        Reason::AtLogon,
        Reason::NothingNew,
        Reason::Several,
        Reason::Owed,
        Reason::Unseen,
        Reason::Missing,
        Reason::Damaged,
        Reason::SentAgain,
        Reason::PossDup,
        Reason::NoOrder,
        Reason::IdTwice,
        Reason::BeforeAcknowledged,
        Reason::NoStamp,
        Reason::Degraded,
        Reason::Joined,
        Reason::Forgotten,
    ];

    /// Those of captures.
    pub const ALL: [Reason; 18] = [
        Reason::NothingNew,
        Reason::Several,
        Reason::Owed,
        Reason::Unseen,
        Reason::Missing,
        Reason::Damaged,
        Reason::SentAgain,
        Reason::PossDup,
        Reason::NoOrder,
        Reason::IdTwice,
        Reason::BeforeAcknowledged,
        Reason::NoStamp,
        Reason::Degraded,
        Reason::Joined,
        Reason::Forgotten,
        Reason::Backwards,
        Reason::Incomparable,
        Reason::Unanswered,
    ];

    /// Whether it is met most where messages come close together: intervals are long there, and leaving them out makes the others
    /// no fair part of all.
    pub const fn is_met_in_bunches(self) -> bool {
        matches!(
            self,
            Reason::NothingNew
                | Reason::Several
                | Reason::Owed
                | Reason::Missing
                | Reason::SentAgain
                | Reason::Joined
                | Reason::Held
                | Reason::Waits
                | Reason::InParts
        )
    }

    /// Its counter's name.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::NothingNew => "nothing_new_acknowledged",
            Reason::Several => "several_messages_acknowledged",
            Reason::Owed => "earlier_message_owed",
            Reason::Unseen => "unseen_bytes_acknowledged",
            Reason::Missing => "bytes_missing",
            Reason::Damaged => "damaged",
            Reason::SentAgain => "sent_again",
            Reason::PossDup => "poss_dup",
            Reason::NoOrder => "no_order_waits",
            Reason::IdTwice => "id_twice",
            Reason::BeforeAcknowledged => "answered_before_acknowledged",
            Reason::NoStamp => "no_stamp",
            Reason::Degraded => "stamp_degraded",
            Reason::Joined => "segments_joined",
            Reason::Forgotten => "frame_forgotten",
            Reason::Backwards => "backwards",
            Reason::Incomparable => "incomparable_clocks",
            Reason::Unanswered => "unanswered",
            Reason::NotByDevice => "not_stamped_by_device",
            Reason::NotFollowed => "clock_not_followed",
            Reason::Unsettled => "clock_unsettled",
            Reason::ClockRefused => "clock_refused",
            Reason::Held => "held_behind_gap",
            Reason::Waits => "order_waited",
            Reason::InParts => "several_bursts",
            Reason::NotTold => "departure_untold",
            Reason::AtLogon => "sent_at_logon",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NothingNew => {
                "its frame acknowledges no message that the order before it did not: unsolicited, or one more of the same \
                 trigger"
            }
            Reason::Several => "its frame acknowledges several messages: any of them may be the trigger",
            Reason::Owed => {
                "an order before it acknowledged several messages, and may have left one of them to be answered by this one"
            }
            Reason::Unseen => "its frame acknowledges bytes that the capture does not have, or only later",
            Reason::Missing => "bytes are missing in between, and may hold a message",
            Reason::Damaged => "bytes in between are no message",
            Reason::SentAgain => "sent or captured more than once: which one was acted upon is not known",
            Reason::PossDup => "a possible duplicate by its own flags",
            Reason::NoOrder => "no order with its ClOrdID waits: unsolicited, or not the first answer",
            Reason::IdTwice => "two orders had its ClOrdID",
            Reason::BeforeAcknowledged => "it left before its order was acknowledged",
            Reason::NoStamp => "one of the two frames has no stamp",
            Reason::Degraded => "the device calls one of the two stamps degraded",
            Reason::Joined => {
                "one of the two frames is several segments that were joined before they were seen: when which of them passed is not known"
            }
            Reason::Forgotten => "which frame brought it is not known any more",
            Reason::Backwards => "it is stamped before what it answers",
            Reason::Incomparable => "the two stamps are by different clocks",
            Reason::Unanswered => "the capture has no answer to it",
            Reason::NotByDevice => {
                "its stamp is not the device's, which stamps nothing here, lost this one, is not believed any more, or plays a \
                 capture back"
            }
            Reason::NotFollowed => {
                "it is stamped by a clock that is not followed: nothing relates that to the host's counter, or says what its ticks \
                 are worth"
            }
            Reason::Unsettled => "no reading of the stamp's clock came behind it in time to vouch for it",
            Reason::ClockRefused => "the clock discipline has no time for its stamp",
            Reason::Held => {
                "it was held behind a gap of messages or of bytes: its own stamps, or when it was polled, are not known any more"
            }
            Reason::Waits => {
                "the order could not leave at once: it waited for the peer's window, a buffer, an address or the device"
            }
            Reason::InParts => "the order was handed over in more than one burst",
            Reason::NotTold => "nobody told when the order left",
            Reason::AtLogon => "the application sent the order as it was told of the logon: no message led to it",
        })
    }
}

impl Exclusion {
    /// What it counts as.
    pub fn reason(self) -> Reason {
        match self {
            Exclusion::Why(reason) => reason,
            Exclusion::Incomparable(_) => Reason::Incomparable,
            Exclusion::Refused(_) => Reason::ClockRefused,
        }
    }
}
