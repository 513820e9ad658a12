//! The user timeout (RFC 9293 3.9.1.1, RFC 5482 3): how long what was sent may stay unacknowledged before the
//! connection is given up, however many retries that takes.
//!
//! Time runs from the first sending of the oldest byte that is not acknowledged. It is looked at where the
//! peer is found not to answer: when the retransmission timer goes off, or a keep-alive probe is due. The
//! first timeout is the least that it can be.

use super::connection::{Connection, Context};
use super::plain::plain;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// What is waited for, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stall {
    una: SeqNumber,
    since: Instant,
}

plain!(Stall { una, since });

impl Connection {
    /// A timer has gone off for want of an answer: from when on one is waited for.
    fn stalled_since(&mut self, cx: &Context<'_>) -> Instant {
        if let Some(stall) = self.stall.filter(|stall| stall.una == self.snd_una) {
            return stall.since;
        }
        // Nothing in flight: a closed window has been probed for as long as the timer ran.
        let timer_ns = self.rtt.rto(cx.config).as_ns();
        let timer_began = Instant::from_ns(cx.now.as_ns().saturating_sub(timer_ns));
        let since = self.scoreboard.first_sent_at().unwrap_or(timer_began);
        self.stall = Some(Stall { una: self.snd_una, since });
        since
    }

    /// When to give up, if the session has named a time. To be asked whenever nothing was heard in time,
    /// before anything is sent again.
    #[inline(never)]
    pub(super) fn user_timeout_at(&mut self, cx: &Context<'_>) -> Instant {
        let since = self.stalled_since(cx);
        self.terms.user_timeout.map_or(Instant::FAR_FUTURE, |timeout| since + timeout)
    }
}
