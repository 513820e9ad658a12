//! What a session counts: every reason to ignore, refuse or close, and what else happened.

use super::reason::{CloseReason, Garbled, RejectReason};

macro_rules! events {
    ($( $variant:ident $name:literal $doc:literal )*) => {
        /// Something that happened, other than for a reason that has its own name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Event { $( #[doc = $doc] $variant, )* }

        impl Event {
            /// Every event, in the order of their numbers.
            pub const ALL: [Event; [$(stringify!($variant)),*].len()] = [$(Event::$variant),*];

            /// The name of this event's counter.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$variant => $name,)* }
            }

            /// What it means, in a line.
            pub const fn doc(self) -> &'static str {
                match self { $(Event::$variant => $doc,)* }
            }
        }
    };
}

events! {
    MessageReceived "message_received" "A well-formed message arrived."
    MessageDelivered "message_delivered" "An application message was handed to the application."
    MessageSent "message_sent" "A message was sent under a new number."
    MessageAssembled "message_assembled" "A message arrived in pieces and was joined by a copy."
    DuplicateIgnored "duplicate_ignored" "A number already processed came again with PossDupFlag."
    GapDetected "gap_detected" "A number higher than expected came."
    ResendRequested "resend_requested" "A ResendRequest was sent, for a gap or a chunk of one."
    ResendRequestedAgain "resend_requested_again" "A gap was asked for once more: its first number was left out of an answer, our request was refused, or nothing came for three heartbeat intervals."
    MessageHeld "message_held" "A message past a gap was kept until the gap is filled."
    HeldFilledOver "held_filled_over" "A message that was kept behind a gap was passed over by a gap fill, or a reset, and dropped."
    MessageNotHeld "message_not_held" "A message past a gap was dropped for want of room, to be requested again."
    ResendAnswered "resend_answered" "A ResendRequest was taken up."
    MessageResent "message_resent" "An application message was sent again with PossDupFlag."
    GapFilled "gap_filled" "A run of numbers was answered by one SequenceReset-GapFill."
    ResendVetoed "resend_vetoed" "The application let a message become part of a gap fill."
    ResendTooLong "resend_too_long" "A message asked for again became part of a gap fill: longer than the connection ever has room for."
    ResendUnreadable "resend_unreadable" "A message asked for again became part of a gap fill: what was kept of it cannot be read."
    ResendForgotten "resend_forgotten" "A requested run reached below what the store still holds: gap-filled."
    ResendPaused "resend_paused" "A resend waits for room in the outlet."
    AdminDeferred "admin_deferred" "A session message waits for room in the outlet."
    SendRefused "send_refused" "The application's send found no room, or no logged-on session."
    SendTooLong "send_too_long" "The application's message was longer than there will ever be room for: refused, and no number taken."
    StoreBehind "store_behind" "The application's send was put off: the disk did not keep up with the numbers taken."
    SilenceBorne "silence_borne" "Nothing came for as long as ends a session, and this one is told to bear it."
    NumberFollowed "number_followed" "A number other than expected came, and this session is told to go on behind it."
    GarbledRejected "garbled_rejected" "A garbled message was answered by a Reject, as this session is told."
    InvalidDelivered "invalid_delivered" "The dictionary had something against a message that this session is told to take all the same."
    BytesAfterClose "bytes_after_close" "Bytes came after the session had ended its connection; dropped."
    NumbersReset "numbers_reset" "Both sequence numbers began again at 1."
}

/// Events that most messages are: the first ones, which are counted where a session has what else it touches with each.
const BUSY: usize = Event::MessageSent as usize + 1;

/// One counter for each event and each reason.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Counters {
    busy: [u64; BUSY],
    others: Box<Others>,
}

/// What is counted now and then.
#[derive(Clone, Debug, Default)]
struct Others {
    events: [u64; Event::ALL.len() - BUSY],
    garbled: [u64; Garbled::ALL.len()],
    rejects: [u64; RejectReason::ALL.len()],
    closes: [u64; CloseReason::ALL.len()],
}

impl Counters {
    /// Counts an event.
    #[inline]
    pub fn count(&mut self, event: Event) {
        let number = event as usize;
        match self.busy.get_mut(number) {
            Some(busy) => *busy += 1,
            None => self.others.events[number - BUSY] += 1,
        }
    }

    /// Counts an event that happened `times` at once.
    pub(super) fn add(&mut self, event: Event, times: u64) {
        let number = event as usize;
        match self.busy.get_mut(number) {
            Some(busy) => *busy += times,
            None => self.others.events[number - BUSY] += times,
        }
    }

    /// How often `event` happened.
    #[inline]
    pub fn of(&self, event: Event) -> u64 {
        let number = event as usize;
        match self.busy.get(number) {
            Some(busy) => *busy,
            None => self.others.events[number - BUSY],
        }
    }

    /// How often bytes were ignored for `reason`.
    pub fn of_garbled(&self, reason: Garbled) -> u64 {
        self.others.garbled[reason as usize]
    }

    /// How often a message was refused for `reason`.
    pub fn of_reject(&self, reason: RejectReason) -> u64 {
        self.others.rejects[reason as usize]
    }

    /// How often a connection ended for `reason`.
    pub fn of_close(&self, reason: CloseReason) -> u64 {
        self.others.closes[reason as usize]
    }

    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let Others { garbled, rejects, closes, .. } = *self.others;
        let events = Event::ALL.into_iter().map(|event| (event.name(), self.of(event)));
        let garbled = Garbled::ALL.into_iter().map(Garbled::name).zip(garbled);
        let rejects = RejectReason::ALL.into_iter().map(RejectReason::name).zip(rejects);
        let closes = CloseReason::ALL.into_iter().map(CloseReason::name).zip(closes);
        events.chain(garbled).chain(rejects).chain(closes)
    }

    /// Every count, in the order of [`iter`](Counters::iter).
    pub(super) fn counts(&self) -> Vec<u64> {
        self.iter().map(|(_, count)| count).collect()
    }

    /// Counts on from those; `None` where they are not as many.
    pub(super) fn of_counts(counts: &[u64]) -> Option<Counters> {
        let (busy, rest) = counts.split_first_chunk()?;
        let (events, rest) = rest.split_first_chunk()?;
        let (garbled, rest) = rest.split_first_chunk()?;
        let (rejects, rest) = rest.split_first_chunk()?;
        let closes = rest.try_into().ok()?;
        let others = Others { events: *events, garbled: *garbled, rejects: *rejects, closes };
        Some(Counters { busy: *busy, others: Box::new(others) })
    }

    pub(super) fn count_garbled(&mut self, reason: Garbled) {
        self.others.garbled[reason as usize] += 1;
    }

    pub(super) fn count_reject(&mut self, reason: RejectReason) {
        self.others.rejects[reason as usize] += 1;
    }

    pub(super) fn count_close(&mut self, reason: CloseReason) {
        self.others.closes[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_its_own_name() {
        let counters = Counters::default();
        let mut names: Vec<_> = counters.iter().map(|(name, _)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
