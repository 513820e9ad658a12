//! When a connection is looked at if nothing comes.

use super::codec::codec;
use crate::time::Instant;

/// What it waits for, and until when: never, where it does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// When the oldest of the messages that was not acknowledged when it was last looked has waited too long.
    pub(super) stale: Instant,
    /// When an ACK that waits is due.
    pub(super) ack: Instant,
    pub(super) keep_alive: Instant,
    /// The end of TIME-WAIT, or of what a released connection may take to end.
    pub(super) linger: Instant,
    /// The retransmission, SYN or persist timer: at most one of them runs.
    pub(super) retransmit: Instant,
    /// The probe timeout (RFC 8985 7.2), or when the next segment is taken for lost unless heard of.
    pub(super) probe: Instant,
    /// When what is new may leave; never, if it may.
    pub(super) pace: Instant,
    /// The earlier of that and of [when larger segments are tried](super::apart::Seldom::raise_mtu_at).
    pub(super) seldom: Instant,
}

impl Deadlines {
    pub(super) const NONE: Deadlines = Deadlines {
        stale: Instant::FAR_FUTURE,
        ack: Instant::FAR_FUTURE,
        keep_alive: Instant::FAR_FUTURE,
        linger: Instant::FAR_FUTURE,
        retransmit: Instant::FAR_FUTURE,
        probe: Instant::FAR_FUTURE,
        pace: Instant::FAR_FUTURE,
        seldom: Instant::FAR_FUTURE,
    };
}

codec!(Deadlines { stale, ack, keep_alive, linger, retransmit, probe, pace, seldom });
