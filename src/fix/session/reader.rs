//! What messages are read by: the shapes of those before them, and the second that they were sent in. A session by itself
//! has its own. Those of one core share them, as the messages of one venue are shaped alike whoever gets them: what all of
//! them touch stays near, where a thousand times as much would not.

use crate::fix::decode::Decoder;
use crate::fix::timestamp;

use super::SessionConfig;
use super::parties::Parties;

/// `1=a` and its SOH: no message has more fields than it has room for these.
const FIELD_BYTES_MIN: usize = 4;

/// What the messages of sessions are read by that go by the same rules.
#[derive(Debug)]
pub struct Reader {
    pub(super) decoder: Decoder,
    /// A second table, for messages of ours that are sent again: with room for as many fields as one can have.
    pub(super) resend_decoder: Decoder,
    /// Of SendingTime(52).
    pub(super) sending_times: timestamp::Reader,
}

impl Reader {
    /// Of one session.
    pub(super) fn of(config: &SessionConfig) -> Reader {
        Reader {
            decoder: decoder(config, config.message_fields_max),
            resend_decoder: decoder(config, kept_fields_max(config)),
            sending_times: timestamp::Reader::default(),
        }
    }

    /// Of so many.
    fn of_sessions(config: &SessionConfig, sessions: usize) -> Reader {
        let Reader { decoder, resend_decoder, sending_times } = Reader::of(config);
        Reader { decoder: decoder.for_sessions(sessions), resend_decoder, sending_times }
    }
}

/// In place of a [`Reader`]: a session has joined its core's [`Readers`].
#[derive(Clone, Copy, Debug)]
pub struct Joined;

/// Where a session has its [`Reader`] among [`Readers`], and what its messages are known by there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    reader: u16,
    pub(super) session: u16,
}

#[cfg(test)]
impl Place {
    pub(super) fn reader(self) -> u16 {
        self.reader
    }
}

/// What the messages of all sessions of one core are read by. Sessions that go by the same rules share what they learn of
/// messages: version, limits, data fields and fields of the header.
///
/// None can take from the others what they have learned: of the 256 shapes of messages that are remembered for each set of
/// rules one session has 32 noted at most, and gives up its own oldest for the next one.
#[derive(Debug)]
pub struct Readers {
    sessions_max: usize,
    groups: Vec<Group>,
    /// Told apart: more than these are taken for each other now and then, which is no harm.
    next: u16,
}

/// Those that go by the same rules.
#[derive(Debug)]
struct Group {
    rules: Rules,
    reader: Reader,
    /// How many have joined; with the last one its place is free.
    sessions: usize,
    /// Nobody else joins: its shapes have the CompIDs of the one that has.
    is_alone: bool,
}

/// What all sessions have in common that share a reader: a shape that one of them has vouched for is right for each.
#[derive(Debug, PartialEq)]
struct Rules {
    begin_string: &'static str,
    fields_max: usize,
    kept_fields_max: usize,
    leniency: crate::fix::decode::Leniency,
    data_fields: Vec<(u32, u32)>,
    header_fields: Vec<u32>,
}

impl Rules {
    fn of(config: &SessionConfig) -> Rules {
        let validation = config.validation.as_ref();
        Rules {
            begin_string: config.version.begin_string(),
            fields_max: config.message_fields_max,
            kept_fields_max: kept_fields_max(config),
            leniency: validation.map(|of| of.leniency()).unwrap_or_default(),
            data_fields: validation.map(|of| of.data_fields()).unwrap_or_default(),
            header_fields: validation.map(|of| of.header_fields()).unwrap_or_default(),
        }
    }
}

impl Readers {
    /// For so many sessions, more or less: it is what they have room for.
    pub fn for_sessions(sessions_max: usize) -> Readers {
        Readers { sessions_max, groups: Vec::new(), next: 0 }
    }

    /// The place of one more session, and how its messages are known by their CompIDs. Takes memory where it is the first
    /// with its rules.
    pub(super) fn join(&mut self, config: &SessionConfig) -> (Place, Parties) {
        let rules = Rules::of(config);
        let is_same = |group: &Group| group.rules == rules && !group.is_alone;
        let known = self.groups.iter().position(is_same);
        let reader = known.unwrap_or_else(|| self.begin(rules, config));
        self.groups[reader].sessions += 1;
        let session = self.next;
        self.next = self.next.wrapping_add(1);
        let is_alone = self.groups[reader].is_alone;
        let parties = if is_alone { Parties::IN_SHAPE } else { Parties::of(config) };
        (Place { reader: reader as u16, session }, parties)
    }

    /// A group that nobody has joined yet, in the place of one that all have left if there is any.
    fn begin(&mut self, rules: Rules, config: &SessionConfig) -> usize {
        let reader = Reader::of_sessions(config, self.sessions_max);
        // Where one was expected there is none to share with: any that comes yet begins a group of its own.
        let is_alone = self.sessions_max <= 1 && self.groups.is_empty();
        let group = Group { rules, reader, sessions: 0, is_alone };
        match self.groups.iter().position(|group| group.sessions == 0) {
            Some(left) => {
                self.groups[left] = group;
                left
            }
            None => {
                self.groups.push(group);
                self.groups.len() - 1
            }
        }
    }

    pub(super) fn leave(&mut self, place: Place) {
        if let Some(group) = self.groups.get_mut(usize::from(place.reader)) {
            group.sessions = group.sessions.saturating_sub(1);
        }
    }

    #[inline(always)]
    pub(super) fn of(&mut self, place: Place) -> &mut Reader {
        &mut self.groups[usize::from(place.reader)].reader
    }
}

/// The most fields that a message has which was kept.
fn kept_fields_max(config: &SessionConfig) -> usize {
    config.send_bytes_max.max(config.message_bytes_max).div_ceil(FIELD_BYTES_MIN)
}

/// A decoder of messages with at most `fields_max` fields, by what the session was told of them.
fn decoder(config: &SessionConfig, fields_max: usize) -> Decoder {
    let decoder = Decoder::with_fields(fields_max);
    match &config.validation {
        Some(validation) => decoder
            .with_leniency(validation.leniency())
            .with_data_fields(&validation.data_fields())
            .with_header_fields(&validation.header_fields()),
        None => decoder,
    }
}
