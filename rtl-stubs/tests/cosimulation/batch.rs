//! Some frames that are sent together, and what is expected of each.

use fixwire_offload::flow::{Fate, FlowKey, FlowRule, OnMiss};
use fixwire_offload::verdict::Verdict;
use fixwire_rtl::design::Received;
use fixwire_rtl::driver::{DropReason, Verdicts};

use super::frames::{Frames, LEN_MAX};
use super::rules::Table;
use super::twin::Judged;

/// A frame to send.
pub struct Sent {
    pub bytes: Vec<u8>,
    /// The MAC finds it damaged.
    pub is_damaged: bool,
    pub key: Option<FlowKey>,
    judged: Judged,
}

/// What becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered { queue: u8, rule: Option<u8>, mark: Option<u32> },
    Dropped(DropReason),
}

impl Sent {
    pub fn next(frames: &mut Frames) -> Sent {
        let mut bytes = frames.next().bytes;
        match frames.number(40) {
            // What carries no TCP at all.
            0 if bytes.len() > 13 => bytes[12..14].copy_from_slice(&[0x08, 0x06]),
            1 if bytes.len() > 23 => bytes[23] = 1,
            // Longer than the design takes.
            2 if bytes.len() > 60 && frames.number(8) == 0 => {
                bytes.resize(LEN_MAX + frames.number(4) * 60, 0x5a);
            }
            _ => {}
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
        let is_damaged = frames.number(32) == 0;
        let (key, judged) = (FlowKey::of_frame(&bytes), Judged::of(&bytes));
        Sent { bytes, is_damaged, key, judged }
    }

    /// What becomes of it by a table, if there is room.
    pub fn end(&self, table: &Table) -> End {
        if self.is_damaged {
            return End::Dropped(DropReason::MacError);
        }
        if self.bytes.len() > LEN_MAX {
            return End::Dropped(DropReason::TooLong);
        }
        match table.meets(self.key.as_ref()) {
            Ok((place, rule)) => steered(place as u8, &rule),
            Err(OnMiss::NotOurs) => End::Dropped(DropReason::NotOurs),
            Err(OnMiss::Queue(queue)) => {
                End::Delivered { queue: queue as u8, rule: None, mark: None }
            }
        }
    }

    /// Whether what came is this frame; that what is said of it, but for where it goes, is what software says.
    pub fn came_as(&self, received: &Received, verdicts: Verdicts) -> bool {
        if received.bytes != self.bytes {
            return false;
        }
        let said = received.said;
        let (l3, l4) = said.verdicts();
        let raw_sum = said.raw_sum();
        let len = said.len_bytes() as usize;
        let found = Judged { l3, l4, is_segment: said.is_segment(), raw_sum, len };
        let told = |asked: bool, verdict| if asked { verdict } else { Verdict::Unknown };
        let expected = Judged {
            l3: told(verdicts.ipv4, self.judged.l3),
            l4: told(verdicts.tcp, self.judged.l4),
            ..self.judged
        };
        assert_eq!(found, expected, "of {:02x?}", self.bytes);
        true
    }
}

fn steered(place: u8, rule: &FlowRule) -> End {
    match rule.actions.fate {
        Fate::Drop => End::Dropped(DropReason::FlowDrop),
        Fate::Queue(queue) => {
            End::Delivered { queue: queue as u8, rule: Some(place), mark: rule.actions.mark }
        }
    }
}

/// Where a frame that came was sent.
pub fn end_of(received: &Received) -> End {
    let said = received.said;
    End::Delivered {
        queue: said.queue(),
        rule: said.hit().then_some(said.rule()),
        mark: received.mark,
    }
}
