//! What is missing, and asked for: at once, or a chunk after the other; or not at all where the counterparty
//! knows from our Logon what we lack (FIXT 1.1, NextExpectedMsgSeqNum processing).

use crate::fix::counters::Event;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::time::Now;

use super::{Core, Outlet};

/// Numbers past which messages have arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    /// The last number that is missing.
    pub(super) through: u32,
    /// The last number that was asked for; `None` where all are to come unasked.
    pub(super) asked_to: Option<u32>,
}

impl<S: Store> Core<S> {
    /// Asks for what is missing before `seq`: once, or with each message past the gap where that is wanted.
    #[cold]
    pub(super) fn request_gap(&mut self, now: Now, seq: u32, out: &mut impl Outlet) {
        match self.gap {
            None => self.counters.count(Event::GapDetected),
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
    pub(super) fn await_gap(&mut self, seq: u32) {
        self.counters.count(Event::GapDetected);
        self.gap = Some(Gap { through: seq.saturating_sub(1), asked_to: None });
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
        self.counters.count(Event::ResendRequested);
        self.send_admin(now, out, msg_type::RESEND_REQUEST, |encoder| {
            encoder.put_u32(tags::BEGIN_SEQ_NO, begin).put_u32(tags::END_SEQ_NO, end);
        });
    }
}
