//! Some frames that are sent together, and what is expected of each.

use fixwire_offload::flow::{Fate, FlowKey, FlowRule, OnMiss};
use fixwire_offload::verdict::Verdict;
use fixwire_rtl::design::Received;
use fixwire_rtl::driver::{DropReason, Verdicts};

use super::frames::{Damage, Frames, LEN_MAX, Make, Oddity};
use super::oracle::Look;
use super::rules::Table;
use super::twin::Judged;

/// A frame to send.
pub struct Sent {
    pub bytes: Vec<u8>,
    /// The MAC finds it damaged.
    pub is_damaged: bool,
    pub key: Option<FlowKey>,
    /// How it was made, unless it was changed since.
    pub make: Option<Make>,
    pub tags: usize,
    /// The words of a well-formed IPv4 header.
    pub ihl: Option<usize>,
    pub has_tcp_options: bool,
    pub trailer_len: usize,
    judged: Judged,
}

/// What becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Delivered { queue: u8, rule: Option<u8>, mark: Option<u32> },
    Dropped(DropReason),
}

/// How a frame may have ended, and the place of the rule that has counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub end: End,
    pub counts_at: Option<usize>,
}

impl Way {
    /// Not delivered.
    pub const fn dropped(reason: DropReason) -> Way {
        Way { end: End::Dropped(reason), counts_at: None }
    }
}

impl Sent {
    /// The next frame as it was made.
    pub fn whole(frames: &mut Frames) -> Sent {
        let frame = frames.next();
        Sent::new(frame.bytes, false, Some(frame.make))
    }

    /// The next one, as it was made or as something else.
    pub fn next(frames: &mut Frames) -> Sent {
        let frame = frames.next();
        let (mut bytes, mut make) = (frame.bytes.clone(), frame.make);
        match frames.number(40) {
            // What carries no TCP at all.
            0 if bytes.len() > 13 => bytes[12..14].copy_from_slice(&[0x08, 0x06]),
            1 if bytes.len() > 23 => bytes[23] = 1,
            // Longer than the design takes.
            2 if bytes.len() > 60 && frames.number(8) == 0 => {
                bytes.resize(LEN_MAX + frames.number(4) * 60, 0x5a);
            }
            // A runt, of which no other is the same.
            3 => {
                bytes.truncate(4 + frames.number(56));
                make = Make { is_cut: bytes.len() < frame.bytes.len(), ..Make::default() };
                bytes[..4].fill_with(|| frames.number(256) as u8);
            }
            _ => {}
        }
        let is_as_made = make.is_cut || bytes == frame.bytes;
        Sent::new(bytes, frames.number(32) == 0, is_as_made.then_some(make))
    }

    fn new(mut bytes: Vec<u8>, is_damaged: bool, make: Option<Make>) -> Sent {
        if bytes.is_empty() {
            bytes.push(0);
        }
        let (key, judged) = (FlowKey::of_frame(&bytes), Judged::of(&bytes));
        let Look { tags, ihl, trailer_len, tcp, .. } = Look::at(&bytes);
        let l4 = 14 + 4 * (tags + ihl.unwrap_or(0));
        let has_tcp_options = tcp.is_some() && bytes[l4 + 12] >> 4 > 5;
        Sent { bytes, is_damaged, key, make, tags, ihl, has_tcp_options, trailer_len, judged }
    }

    pub fn is_odd(&self, oddity: Oddity) -> bool {
        self.make.is_some_and(|make| make.oddity == Some(oddity))
    }

    pub fn is_damaged_by(&self, is_so: fn(Damage) -> bool) -> bool {
        self.make.is_some_and(|make| make.damage.is_some_and(is_so))
    }

    /// What becomes of it by a table, if there is room.
    pub fn way(&self, table: &Table) -> Way {
        if self.is_damaged {
            return Way::dropped(DropReason::MacError);
        }
        if self.bytes.len() > LEN_MAX {
            return Way::dropped(DropReason::TooLong);
        }
        match table.meets(self.key.as_ref()) {
            Ok((place, rule)) => {
                let counts = rule.actions.count && table.is_written(place);
                Way { end: steered(place as u8, &rule), counts_at: counts.then_some(place) }
            }
            Err(OnMiss::NotOurs) => Way::dropped(DropReason::NotOurs),
            Err(OnMiss::Queue(queue)) => {
                let end = End::Delivered { queue: queue as u8, rule: None, mark: None };
                Way { end, counts_at: None }
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
