//! The connections of a capture, the latest of them.

use std::collections::HashMap;

use crate::tcp::Endpoint;

use super::flow::Flow;
use super::segment::Segment;
use super::stream::Stream;

/// Connections that are followed; past that the one not heard of for longest gives way.
pub(super) const CONNECTIONS_MAX: usize = 4_096;

/// Both ends, the lesser first.
type Ends = (u64, u64);

pub(super) struct Connection {
    /// Of all that there were, which.
    pub(super) number: u64,
    /// What each side sends.
    pub(super) streams: [Stream; 2],
    pub(super) flows: [Flow; 2],
    ends: Ends,
    /// When it was heard of last, in segments.
    turn: u64,
}

#[derive(Default)]
pub(super) struct Connections {
    all: Vec<Connection>,
    places: HashMap<Ends, usize>,
    latest: usize,
    turn: u64,
    numbers: u64,
}

impl Connections {
    /// The connection of a segment, if it has begun, and which of its sides sent it.
    pub(super) fn find(&self, segment: &Segment<'_>) -> Option<(&Connection, usize)> {
        let (ends, side) = ends(segment);
        Some((self.all.get(*self.places.get(&ends)?)?, side))
    }

    /// The same; one begins with a SYN or with data.
    pub(super) fn of(&mut self, segment: &Segment<'_>) -> Option<(&mut Connection, usize)> {
        self.turn += 1;
        let (ends, side) = ends(segment);
        let is_latest = self.all.get(self.latest).is_some_and(|latest| latest.ends == ends);
        if !is_latest {
            self.latest = match self.places.get(&ends) {
                Some(place) => *place,
                None if segment.syn || !segment.payload.is_empty() => self.begin(ends),
                None => return None,
            };
        }
        let connection = self.all.get_mut(self.latest)?;
        connection.turn = self.turn;
        Some((connection, side))
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.numbers
    }

    /// How many gave way to others.
    pub(super) fn given_way(&self) -> u64 {
        self.numbers - self.all.len() as u64
    }

    fn begin(&mut self, ends: Ends) -> usize {
        let connection = Connection {
            number: self.numbers,
            streams: [Stream::new(), Stream::new()],
            flows: [Flow::default(), Flow::default()],
            ends,
            turn: self.turn,
        };
        self.numbers += 1;
        let place = if self.all.len() < CONNECTIONS_MAX {
            self.all.push(connection);
            self.all.len() - 1
        } else {
            let oldest = (0..self.all.len()).min_by_key(|place| self.all[*place].turn);
            let place = oldest.unwrap_or_default();
            self.places.remove(&self.all[place].ends);
            self.all[place] = connection;
            place
        };
        self.places.insert(ends, place);
        place
    }
}

/// Both ends of a segment's connection, and which of its sides sent it.
fn ends(segment: &Segment<'_>) -> (Ends, usize) {
    let (from, to) = (word(segment.from), word(segment.to));
    ((from.min(to), from.max(to)), usize::from(from > to))
}

fn word(endpoint: Endpoint) -> u64 {
    u64::from(endpoint.addr.to_bits()) << 16 | u64::from(endpoint.port)
}
