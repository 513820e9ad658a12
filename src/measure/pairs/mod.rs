//! Which message answers which, found in frames: each order's trigger, and each order's answer.
//!
//! Sans-IO: frames with their stamps come in, in the order of time; of each message a [`Record`] comes out, with the pairs that it
//! ends or with why it ends none. What is ambiguous is excluded with a [`Reason`].
//!
//! - **Trigger to order.** A segment acknowledges what its sender's TCP had received when it left. The trigger of an order is the one
//!   application message of the other side that the order's first segment acknowledges and no order before it did, unless an
//!   order before it acknowledged several and may have left one of them [owed] an answer. Of several it is
//!   the one whose ClOrdID(11) the order names in OrigClOrdID(41), if one alone has it. Measured from the trigger's last segment to
//!   the order's first.
//! - **Order to answer.** The first message of a type that answers, from the other side of the connection, with the order's
//!   ClOrdID(11), if its segment acknowledges the order. Measured from the order's last segment to the answer's first.
//!
//! TCP is put together by [`crate::tcp`]'s own lists of what came ahead of its turn, messages are framed and decoded by
//! [`crate::fix`]. Memory is bounded: [connections], what is held of each, messages that wait.
//!
//! [connections]: Matcher
//! [owed]: Reason::Owed

mod connections;
mod exclusion;
mod flow;
mod mark;
mod owed;
mod pending;
mod roles;
mod segment;
mod stream;
mod unkept;

#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;

pub use exclusion::{Exclusion, Reason};
pub use mark::{Mark, NoTime, Place};
pub use roles::{Roles, Trader};
pub use segment::NotTcp;

use self::connections::{Connection, Connections};
use self::flow::{Flow, Found, Order, Sent, What};
use self::mark::Came;
use self::pending::{Key, Pending, digest};
use self::segment::segment;
use self::stream::{Stream, Told};
use super::grains::Grains;
use super::stamp::{Clock, Stamp};
use super::wire_time::WireSpan;
use crate::fix::{Decoder, Message, tags};
use crate::tcp::Endpoint;
use crate::wire::tcp::SeqNumber;

/// OrigClOrdID: the order that is to be replaced or cancelled.
const ORIG_CL_ORD_ID: u32 = 41;
/// What a connection's number goes up by with each that has the same ends.
const ANOTHER: u64 = 1 << 32;

/// A frame that was captured.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Which it is, and when it passed.
    pub mark: Mark,
    /// From the destination address on, without what a device or a driver put behind it.
    pub bytes: &'a [u8],
    /// Where its EtherType stands, or the tag in front of that.
    pub ether_type_at: usize,
    /// Whether the wire had more of it.
    pub is_cut_off: bool,
}

/// A message, and what it ends.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Who sent it.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// What it is.
    pub message: &'a Message<'a>,
    /// The segment that brought its first byte.
    pub first: Mark,
    /// The one that brought its last.
    pub last: Mark,
    /// Of an order of those whose orders are measured: its trigger.
    pub trigger: Option<Result<Interval, Exclusion>>,
    /// Of an answer to them: its order.
    pub order: Option<Result<Interval, Exclusion>>,
}

/// What lies between two messages, and never less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The segment that it begins with.
    pub from: Place,
    /// Its stamp.
    pub begin: Stamp,
    /// The stamp that it ends with, of the same domain.
    pub end: Stamp,
    /// How long it is.
    pub span: WireSpan,
}

/// What there was besides pairs.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Frames that are no TCP segments, by [`NotTcp`].
    pub not_tcp: [u64; NotTcp::ALL.len()],
    /// Segments.
    pub segments: u64,
    /// Of them those with data.
    pub with_data: u64,
    /// Of them those whose bytes came before, all or some.
    pub sent_again: u64,
    /// Messages, whatever they are.
    pub messages: u64,
    /// Gaps of bytes that the capture does not have.
    pub gaps: u64,
    /// Places where bytes are no message.
    pub damaged: u64,
    /// Orders with a trigger behind messages that the capture does not have, with no pause since in which these would have been
    /// answered: had they still waited, each order is the answer to an earlier message.
    pub behind_unseen: u64,
    /// Orders of others than those whose orders are measured.
    pub of_others: u64,
    /// The first connection of which both ends sent orders with a trigger.
    pub both_trade: Option<[Endpoint; 2]>,
    /// Segments that are acknowledged by an earlier frame.
    pub acknowledged_early: Early,
    /// The first bytes that a TCP connection carried.
    pub first_data: Option<FirstData>,
}

/// Effects before their causes: clocks that disagree, or frames in a wrong order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Early {
    /// Within one file, of what one recorder saw at one place.
    pub in_one_file: u64,
    /// From one file to another, or from one of a recorder's interfaces to another, by the times as they stand.
    pub between: Apart,
    /// Of these those by stamps of one domain, which are taken for one clock's: they are not.
    pub by_one_clock: Apart,
}

/// Segments that are stamped behind the frame that acknowledges them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Apart {
    /// How many.
    pub segments: u64,
    /// The one that is furthest behind.
    pub most: Option<Ahead>,
}

/// A frame that acknowledges a segment before it passed.
#[derive(Clone, Copy, Debug)]
pub struct Ahead {
    /// By how much before.
    pub span: WireSpan,
    /// The frame.
    pub by: Mark,
    /// That of the segment.
    pub segment: Mark,
}

/// What somebody began to say.
#[derive(Clone, Copy, Debug)]
pub struct FirstData {
    /// Who.
    pub from: Endpoint,
    /// To whom.
    pub to: Endpoint,
    /// The first bytes of it.
    pub bytes: [u8; 8],
}

/// Finds the pairs of a capture. Follows 4,096 connections, 65,536 orders that wait, and 256 KiB of each direction.
pub struct Matcher {
    connections: Connections,
    rest: Rest,
}

/// What all connections share.
struct Rest {
    roles: Roles,
    decoder: Decoder,
    pending: Pending,
    counts: Counts,
    /// What frames with data are stamped in.
    grains: Grains,
}

impl Matcher {
    /// One that has seen nothing.
    pub fn new(roles: Roles) -> Matcher {
        let (pending, counts, grains) = Default::default();
        let rest = Rest { roles, decoder: Decoder::default(), pending, counts, grains };
        Matcher { connections: Connections::default(), rest }
    }

    /// Takes the next frame, and tells of each message that it completes.
    pub fn on_frame(&mut self, frame: &Arrived<'_>, tell: &mut impl FnMut(&Record<'_>)) {
        let rest = &mut self.rest;
        let segment = match segment(frame) {
            Ok(segment) => segment,
            Err(why) => return rest.counts.not_tcp[why as usize] += 1,
        };
        rest.counts.segments += 1;
        let Some((connection, side)) = self.connections.of(&segment) else { return };
        let came = Came { mark: frame.mark, ack: segment.ack };
        let Connection { number, streams, flows, .. } = connection;
        let (other, len) = (1 - side, segment.payload.len());
        if segment.syn && streams[side].begin(segment.seq) {
            if segment.ack.is_none() {
                // Ports that are used again: what waited is of another connection.
                *number += ANOTHER;
            }
            flows[side] = Flow::from_the_start();
        }
        let number = *number;
        let ends = [segment.from, segment.to];
        if let Some(ack) = segment.ack {
            flows[other].note_acknowledged(ack, frame.mark);
            let sender = Sender { connection: number, side: other, ends: [ends[1], ends[0]] };
            let next = streams[side].next();
            streams[other].on_acknowledged(ack, &mut |told| {
                rest.on_told(told, &sender, flows, next, tell);
            });
        }
        if len == 0 || streams[side].is_foreign() {
            return;
        }
        let (seq, end) = (segment.seq, segment.seq + len as u32);
        rest.counts.with_data += 1;
        if let Ok(stamp) = frame.mark.stamp {
            rest.grains.note((frame.mark.place.file, stamp.port), stamp.time);
        }
        if rest.counts.first_data.is_none() {
            rest.counts.first_data = Some(FirstData::of(ends, segment.payload));
        }
        if streams[side].has(seq, len) {
            rest.counts.sent_again += 1;
            flows[side].note_repeat(seq, end);
        } else if let Some((acknowledged, by)) = flows[side].acknowledged()
            && end.is_at_or_before(acknowledged)
        {
            rest.counts.acknowledged_early.note(&by, &frame.mark);
        }
        let sender = Sender { connection: number, side, ends };
        let next = streams[other].next();
        let acknowledged = flows[side].acknowledged();
        let stream: &mut Stream = &mut streams[side];
        let mut told = |told: Told<'_>| rest.on_told(told, &sender, flows, next, tell);
        stream.on_bytes(seq, segment.payload, came, &mut told);
        if let Some((acknowledged, _)) = acknowledged {
            stream.on_acknowledged(acknowledged, &mut told);
        }
    }

    /// Whether a frame acknowledges bytes that no frame has brought yet: of frames whose times do not say which was first, those
    /// that bring them passed before it.
    pub fn is_ahead(&self, frame: &Arrived<'_>) -> bool {
        let Ok(segment) = segment(frame) else { return false };
        let Some(ack) = segment.ack else { return false };
        let Some((connection, side)) = self.connections.find(&segment) else { return false };
        connection.streams[1 - side].next().is_none_or(|next| next.is_before(ack))
    }

    /// What there was besides pairs.
    pub fn counts(&self) -> &Counts {
        &self.rest.counts
    }

    /// TCP connections, and of them those that gave way to others.
    pub fn connections(&self) -> (u64, u64) {
        (self.connections.count(), self.connections.given_way())
    }

    /// Orders with a ClOrdID that no answer came to.
    pub fn unanswered(&self) -> u64 {
        self.rest.pending.unanswered()
    }
}

/// Whose message it is.
struct Sender {
    connection: u64,
    side: usize,
    ends: [Endpoint; 2],
}

impl Rest {
    /// Looks at what a side sent; the other side's next byte is `next`.
    fn on_told(
        &mut self,
        told: Told<'_>,
        sender: &Sender,
        flows: &mut [Flow; 2],
        next: Option<SeqNumber>,
        tell: &mut impl FnMut(&Record<'_>),
    ) {
        let spoiled = |end, why| Sent { begin: end, end, what: What::Spoiled(why) };
        let own = &mut flows[sender.side];
        let (bytes, whole, first, last, begin, end) = match told {
            Told::Missing { end } => {
                self.counts.gaps += 1;
                return own.push(spoiled(end, Reason::Missing));
            }
            Told::Damaged { end } => {
                self.counts.damaged += 1;
                return own.push(spoiled(end, Reason::Damaged));
            }
            Told::Message { bytes, whole, first, last, begin, end } => {
                (bytes, whole, first, last, begin, end)
            }
        };
        let Ok(message) = self.decoder.decode(bytes, &whole) else {
            self.counts.damaged += 1;
            return own.push(spoiled(end, Reason::Damaged));
        };
        self.counts.messages += 1;
        let msg_type = message.msg_type();
        let id = message.field(tags::CL_ORD_ID).map(digest);
        let is_dup = message.poss_dup() || message.poss_resend();
        let came_again = own.came_again(begin, end);
        if Roles::is_trigger(msg_type) {
            own.push(Sent { begin, end, what: What::Message { last: last.mark, id } });
        }
        let refused =
            if is_dup { Some(Reason::PossDup) } else { came_again.then_some(Reason::SentAgain) };
        let [from, to] = sender.ends;
        let is_order = self.roles.is_order(msg_type) && {
            let is_measured = self.roles.are_of(from);
            self.counts.of_others += u64::from(!is_measured);
            is_measured
        };
        let trigger = is_order.then(|| {
            let named = message.field(ORIG_CL_ORD_ID).map(digest);
            let theirs = &mut flows[1 - sender.side];
            let found = trigger(theirs, (&first, &last), next, named, &self.grains);
            let found = refused.map_or(Ok(()), |why| Err(Exclusion::Why(why))).and(found);
            if found.is_ok() {
                self.counts.behind_unseen += u64::from(!theirs.is_all_seen());
                theirs.note_trigger();
                if flows[sender.side].has_triggers() {
                    self.counts.both_trade.get_or_insert(sender.ends);
                }
            }
            found
        });
        let key = |side| id.map(|id| Key { connection: sender.connection, side, id });
        if let (true, false, Some(key)) = (is_order, is_dup, key(sender.side)) {
            self.pending.push(key, (begin, end), last.mark);
        }
        let is_answer = self.roles.is_answer(msg_type) && self.roles.are_of(to);
        let order = is_answer.then(|| {
            let theirs = &flows[1 - sender.side];
            let found = match (refused, key(1 - sender.side)) {
                (Some(Reason::PossDup), _) => Err(Reason::PossDup),
                (_, None) => Err(Reason::NoOrder),
                (refused, Some(key)) => {
                    self.pending.take(&key).and_then(|of| refused.map_or(Ok(of), Err))
                }
            };
            let found = found.and_then(|order| match first.ack {
                _ if theirs.came_again(order.begin, order.end) => Err(Reason::SentAgain),
                Some(ack) if order.end.is_at_or_before(ack) => Ok(order.last),
                _ => Err(Reason::BeforeAcknowledged),
            });
            found.map_or_else(|why| Err(Exclusion::Why(why)), |last| between(&last, &first.mark))
        });
        let (first, last) = (first.mark, last.mark);
        tell(&Record { from, to, message: &message, first, last, trigger, order });
    }
}

/// What lies between an order and what made a party send it, whose peer's next byte is `next`.
fn trigger(
    theirs: &mut Flow,
    (first, last): (&Came, &Came),
    next: Option<SeqNumber>,
    named: Option<u128>,
    grains: &Grains,
) -> Result<Interval, Exclusion> {
    let Some(ack) = first.ack else { return Err(Exclusion::Why(Reason::Forgotten)) };
    let is_ahead = next.is_none_or(|next| next.is_before(ack));
    let order = Order { ack, is_ahead, first: first.mark, last: last.mark, named };
    let found = theirs.take(&order, grains);
    if is_ahead {
        return Err(Exclusion::Why(Reason::Unseen));
    }
    match found {
        Found::Trigger(trigger) => between(&trigger, &first.mark),
        // What has no figure in any case is told by what keeps it from one.
        Found::OrOwed(trigger) => {
            between(&trigger, &first.mark).and(Err(Exclusion::Why(Reason::Owed)))
        }
        Found::Nothing(why) => Err(Exclusion::Why(why)),
    }
}

fn between(from: &Mark, to: &Mark) -> Result<Interval, Exclusion> {
    let why = |no_time| {
        Exclusion::Why(match no_time {
            NoTime::Absent => Reason::NoStamp,
            NoTime::Degraded => Reason::Degraded,
            NoTime::Joined => Reason::Joined,
            NoTime::Unsettled => Reason::Unsettled,
            NoTime::Forgotten => Reason::Forgotten,
        })
    };
    let (begin, end) = (from.stamp.map_err(why)?, to.stamp.map_err(why)?);
    let span = end.since(&begin).map_err(Exclusion::Incomparable)?;
    if span < WireSpan::ZERO {
        return Err(Exclusion::Why(Reason::Backwards));
    }
    Ok(Interval { from: from.place, begin, end, span })
}

impl Early {
    fn note(&mut self, by: &Mark, segment: &Mark) {
        let is_one_file = by.place.file == segment.place.file;
        let (Ok(before), Ok(after)) = (by.stamp, segment.stamp) else {
            self.in_one_file += u64::from(is_one_file);
            return;
        };
        // Ports of a device have its clock.
        let by_recorders = [before, after]
            .iter()
            .all(|of| matches!(of.domain.clock, Clock::Recorder { .. } | Clock::Merged { .. }));
        let behind = after.time - before.time;
        if is_one_file && !(by_recorders && before.port != after.port && behind > WireSpan::ZERO) {
            self.in_one_file += 1;
            return;
        }
        // In the same tick nothing says which was first.
        if before.domain.scale != after.domain.scale || behind <= WireSpan::ZERO {
            return;
        }
        let ahead = Ahead { span: behind, by: *by, segment: *segment };
        self.between.note(ahead);
        if before.domain == after.domain {
            self.by_one_clock.note(ahead);
        }
    }
}

impl Apart {
    fn note(&mut self, ahead: Ahead) {
        self.segments += 1;
        if self.most.is_none_or(|most| most.span < ahead.span) {
            self.most = Some(ahead);
        }
    }
}

impl FirstData {
    fn of([from, to]: [Endpoint; 2], payload: &[u8]) -> FirstData {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
        FirstData { from, to, bytes }
    }
}
