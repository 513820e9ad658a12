//! The user timeout (RFC 9293 3.9.1.1, RFC 5482 3): how long what was sent may stay unacknowledged before the
//! connection is given up, however many retries that takes.
//!
//! Time runs from the first sending of the oldest byte that is not acknowledged. It is looked at where the
//! peer is found not to answer: when the retransmission timer goes off, or a keep-alive probe is due. The
//! first timeout is the least that it can be.
//!
//! Where the session says so, the peer is told of it and may have us wait longer (RFC 5482 3): both sides only
//! say what they would like, nothing is agreed on and nothing is sent twice.

use super::codec::codec;
use super::config::Config;
use super::connection::{Connection, Context, TIMESTAMPS_LEN};
use super::counters::Count;
use crate::time::{Duration, Instant};
use crate::wire::tcp::{
    HEADER_LEN, HEADER_LEN_MAX, SackBlocks, Segment, USER_TIMEOUT_LEN, UserTimeout,
};

/// What was told of user timeouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The peer's (REMOTE_UTO), if it told and ours goes by it.
    theirs: Option<UserTimeout>,
    /// Ours is to be told in the next segment.
    pub(super) is_due: bool,
}

impl Patience {
    pub(super) const NONE: Patience = Patience { theirs: None, is_due: false };
}

codec!(Patience { theirs, is_due });

impl Connection {
    /// A timer has gone off for want of an answer, or something leaves again: from when on an answer to the
    /// oldest is waited for. To be asked before what leaves again is noted.
    pub(super) fn stalled_since(&mut self, cx: &Context<'_>) -> Instant {
        let stalled_since = self.apart.stalled_since;
        if stalled_since != Instant::FAR_FUTURE && self.apart.stalled_una == self.snd_una {
            return stalled_since;
        }
        // Nothing in flight: nobody was asked yet.
        let Some(left) = self.scoreboard.first_sent_at() else { return cx.now };
        let first = self.scoreboard.sending_of(self.snd_una..self.snd_una);
        let since = first.and_then(|sending| sending.first_at).unwrap_or(left);
        (self.apart.stalled_since, self.apart.stalled_una) = (since, self.snd_una);
        since
    }

    /// When to give up, if the session has named a time. To be asked whenever nothing was heard in time,
    /// before anything is sent again.
    #[inline(never)]
    pub(super) fn user_timeout_at(&mut self, cx: &Context<'_>) -> Instant {
        let since = self.stalled_since(cx);
        self.user_timeout(cx.config).map_or(Instant::FAR_FUTURE, |timeout| since + timeout)
    }

    /// How long to wait, if it is for a time (RFC 5482 3.1: USER_TIMEOUT). One that was adopted leaves time for a
    /// retransmission and its answer.
    pub(super) fn user_timeout(&self, config: &Config) -> Option<Duration> {
        let option = self.apart.terms.user_timeout_option();
        let adopts = option.and_then(|option| Some((option.advertised, option.adopts?)));
        match (adopts, self.patience.theirs) {
            (Some((ours, limits)), Some(theirs)) => {
                let longer = ours.duration().max(theirs.duration());
                let least = limits.least.max(self.rtt.first_rto(config).times(2));
                Some(longer.max(least).min(limits.most))
            }
            _ => self.apart.terms.user_timeout(),
        }
    }

    /// Takes in what an acceptable segment says of the peer's.
    #[inline]
    pub(super) fn hear_user_timeout(&mut self, cx: &mut Context<'_>, segment: &Segment<'_>) {
        if let Some(theirs) = segment.options.user_timeout {
            self.take_user_timeout(cx, theirs);
        }
    }

    #[cold]
    fn take_user_timeout(&mut self, cx: &mut Context<'_>, theirs: UserTimeout) {
        let adopts =
            self.apart.terms.user_timeout_option().is_some_and(|option| option.adopts.is_some());
        if !adopts {
            cx.count(Count::UserTimeoutIgnored);
        } else if self.patience.theirs != Some(theirs) {
            cx.count(Count::UserTimeoutAdopted);
            self.patience.theirs = Some(theirs);
        }
    }

    /// How many bytes ours takes of the next header, beside blocks of `sack_len` bytes: none where it has no
    /// room.
    pub(super) fn user_timeout_len(&self, sack_len: usize) -> usize {
        let stamps_len = if self.stamps().is_some() { usize::from(TIMESTAMPS_LEN) } else { 0 };
        let has_room = stamps_len + sack_len + USER_TIMEOUT_LEN <= HEADER_LEN_MAX - HEADER_LEN;
        if self.patience.is_due && has_room { USER_TIMEOUT_LEN } else { 0 }
    }

    /// The option of a segment that leaves now, whose turn it is to tell.
    #[cold]
    pub(super) fn tell_user_timeout(
        &mut self,
        cx: &mut Context<'_>,
        sack: Option<SackBlocks>,
    ) -> Option<UserTimeout> {
        let sack_len = sack.map_or(0, |sack| SackBlocks::len_of(sack.blocks().len()));
        if self.user_timeout_len(sack_len) == 0 {
            return None;
        }
        cx.count(Count::UserTimeoutTold);
        self.patience.is_due = false;
        self.apart.terms.user_timeout_option().map(|option| option.advertised)
    }
}
