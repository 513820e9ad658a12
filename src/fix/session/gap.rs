//! What is missing, and asked for: at once, or a chunk after the other; or not at all where the counterparty
//! knows from our Logon what we lack (FIXT 1.1, NextExpectedMsgSeqNum processing).

use core::fmt::Write;

use arrayvec::ArrayString;

use crate::fix::counters::Event;
use crate::fix::message::Message;
use crate::fix::reason::CloseReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::time::{Duration, Instant, Now};

use super::snapshot::{at, left};
use super::{Core, Handler, Outlet, State};

/// So many heartbeat intervals without a number of a gap, and it is asked for again.
const STANDSTILL_INTERVALS: u64 = 3;
/// The same where there are no heartbeats.
const STANDSTILL_WITHOUT_HEARTBEATS: Duration = Duration::from_s(90);

/// Numbers past which messages have arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    /// The last number that is missing.
    pub(super) through: u32,
    /// The last number that was asked for; `None` where all are to come unasked.
    pub(super) asked_to: Option<u32>,
}

/// What has come of asking for what is missing, of the gap that there is or the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// MsgSeqNum of our last request; 0 where there was none.
    pub(super) request: u32,
    /// The first number missing when it was asked for once more, as what was asked for did not come; 0 where it was not.
    pub(super) again_from: u32,
    /// The last number past it that came again since.
    pub(super) again_seen: u32,
    /// The first number missing when something of it came last, and when that was, or when it was asked for again.
    pub(super) moved_to: u32,
    pub(super) moved_at: Instant,
}

/// The same by how long ago it was, in ns, so that it means the same by another clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct AskedLeft {
    request: u32,
    again_from: u32,
    again_seen: u32,
    moved_to: u32,
    moved_at: Option<i64>,
}

impl Asked {
    pub(super) fn left(&self, now: Instant) -> AskedLeft {
        let Asked { request, again_from, again_seen, moved_to, moved_at } = *self;
        AskedLeft { request, again_from, again_seen, moved_to, moved_at: left(moved_at, now) }
    }

    pub(super) fn of(of: &AskedLeft, now: Instant) -> Asked {
        let AskedLeft { request, again_from, again_seen, moved_to, moved_at } = *of;
        Asked { request, again_from, again_seen, moved_to, moved_at: at(moved_at, now) }
    }
}

impl<S: Store> Core<S> {
    /// A message past what is missing has come, and asks for that: once, with each message past it where that is wanted, and
    /// once more where what was asked for will not come by itself. Where that does not help, the session ends and says so.
    #[cold]
    pub(super) fn on_past_gap(
        &mut self,
        now: Now,
        (seq, message): (u32, &Message<'_>),
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let next_in = self.store.next_in();
        match self.gap {
            Some(gap) if self.is_in_vain(now, seq, message) => {
                if self.asked.again_from == next_in {
                    return self.end_unfilled(now, next_in, out, app);
                }
                if gap.asked_to.is_some() {
                    self.counters.count(Event::ResendRequestedAgain);
                }
                (self.asked.again_from, self.asked.again_seen) = (next_in, seq);
                self.asked.moved_at = now.mono;
                self.ask_through(now, gap.through, out);
            }
            _ => {
                if message.poss_dup() {
                    self.asked.again_seen = seq;
                }
                self.request_gap(now, seq, out);
            }
        }
    }

    /// Whether what is missing first will not come of what was asked for so far. What is sent again comes in ascending order:
    /// whatever is past it says that it was left out, and what goes back in numbers begins another answer.
    fn is_in_vain(&self, now: Now, seq: u32, message: &Message<'_>) -> bool {
        let Asked { request, again_from, again_seen, moved_at, .. } = self.asked;
        let is_refused = message.msg_type() == msg_type::REJECT
            && message.u32(tags::REF_SEQ_NUM).is_ok_and(|of| of == request && of > 0);
        let is_left_out =
            message.poss_dup() && (again_from != self.store.next_in() || seq <= again_seen);
        is_refused || is_left_out || now.mono >= moved_at + self.standstill_max()
    }

    fn standstill_max(&self) -> Duration {
        match self.timers.heart_bt_int_s() {
            0 => STANDSTILL_WITHOUT_HEARTBEATS,
            heart_bt_int_s => Duration::from_s(u64::from(heart_bt_int_s) * STANDSTILL_INTERVALS),
        }
    }

    /// It was asked for twice: whoever leaves it out again cannot be gone on with.
    fn end_unfilled(
        &mut self,
        now: Now,
        next_in: u32,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        // Behind a Logout of ours, the end is waited for as it is.
        if self.state != State::Active {
            return;
        }
        let mut text = ArrayString::<64>::new();
        let _ = write!(text, "MsgSeqNum {next_in} was asked for twice and has not come");
        self.send_logout(now, out, text.as_bytes());
        self.close(CloseReason::GapNotFilled, app);
    }

    /// Asks for what is missing before `seq`: once, or with each message past the gap where that is wanted.
    #[cold]
    pub(super) fn request_gap(&mut self, now: Now, seq: u32, out: &mut impl Outlet) {
        match self.gap {
            None => self.begin_gap(now),
            // It was to be filled before anything past it came (FIXT 1.1, NextExpectedMsgSeqNum processing).
            Some(Gap { asked_to: None, .. }) => {}
            Some(gap) if self.config.redundant_resend_requests => {
                return self.ask_through(now, gap.through, out);
            }
            Some(_) => return,
        }
        self.ask_through(now, seq.saturating_sub(1), out);
    }

    /// Expects what is missing before the Logon numbered `seq` to come unasked.
    pub(super) fn await_gap(&mut self, now: Now, seq: u32) {
        self.begin_gap(now);
        self.gap = Some(Gap { through: seq.saturating_sub(1), asked_to: None });
    }

    fn begin_gap(&mut self, now: Now) {
        self.counters.count(Event::GapDetected);
        let moved_to = self.store.next_in();
        self.asked = Asked { moved_to, moved_at: now.mono, ..Asked::default() };
    }

    /// A gap is over once its last number was processed, and its next chunk is asked for after the one before.
    #[inline]
    pub(super) fn settle_gap(&mut self, now: Now, out: &mut impl Outlet) {
        if let Some(gap) = self.gap {
            self.settle(now, gap, out);
        }
    }

    #[inline(never)]
    fn settle(&mut self, now: Now, gap: Gap, out: &mut impl Outlet) {
        let next_in = self.store.next_in();
        if next_in > self.asked.moved_to {
            (self.asked.moved_to, self.asked.moved_at) = (next_in, now.mono);
        }
        if next_in > gap.through {
            self.gap = None;
        } else if gap.asked_to.is_some_and(|asked_to| next_in > asked_to) {
            self.ask_through(now, gap.through, out);
        }
    }

    fn ask_through(&mut self, now: Now, through: u32, out: &mut impl Outlet) {
        let begin = self.store.next_in();
        let (end, asked_to) = match self.config.resend_request_chunk_size {
            0 if self.config.closed_resend_interval => (through, through),
            0 => (self.config.version.infinity(), through),
            size => {
                let end = begin.saturating_add(size - 1).min(through);
                (end, end)
            }
        };
        self.gap = Some(Gap { through, asked_to: Some(asked_to) });
        self.asked.request = self.store.next_out();
        self.counters.count(Event::ResendRequested);
        self.send_admin(now, out, msg_type::RESEND_REQUEST, |encoder| {
            encoder.put_u32(tags::BEGIN_SEQ_NO, begin).put_u32(tags::END_SEQ_NO, end);
        });
    }
}
