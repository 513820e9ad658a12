//! Resets to send, for segments that no connection wants (RFC 9293 3.10.7.1) and for connections
//! that end by one. They stand alone: the connection may be gone before they leave. So do SYN-ACKs of
//! connections that do not exist yet.

use super::counters::{Count, Counters};
use super::endpoint::Tuple;
use crate::wire::tcp::{Flags, Options, Repr, Segment, SeqNumber, Timestamps};

/// A reset to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reset {
    pub(super) tuple: Tuple,
    pub(super) seq: SeqNumber,
    /// What it acknowledges, where it does.
    pub(super) ack: Option<SeqNumber>,
    /// Of a connection that uses them.
    pub(super) timestamps: Option<Timestamps>,
    /// It is none, but this SYN-ACK.
    pub(super) cookie: Option<Repr>,
}

impl Reset {
    /// The answer to `segment`: with the number that its sender expects, so that it is believed
    /// (RFC 9293 3.5.2, group 1). `None` for a reset, which is never answered.
    pub(super) fn answering(tuple: Tuple, segment: &Segment<'_>) -> Option<Reset> {
        if segment.flags.has(Flags::RST) {
            return None;
        }
        Some(if segment.flags.has(Flags::ACK) {
            Reset { tuple, seq: segment.ack, ack: None, timestamps: None, cookie: None }
        } else {
            let ack = Some(segment.seq + segment.len());
            Reset { tuple, seq: SeqNumber(0), ack, timestamps: None, cookie: None }
        })
    }

    /// A SYN-ACK that nothing is kept of.
    pub(super) fn cookie(tuple: Tuple, header: Repr) -> Reset {
        let seq = header.seq;
        Reset { tuple, seq, ack: Some(header.ack), timestamps: None, cookie: Some(header) }
    }

    pub(super) fn header(&self) -> Repr {
        if let Some(header) = self.cookie {
            return header;
        }
        Repr {
            src_port: self.tuple.local.port,
            dst_port: self.tuple.remote.port,
            seq: self.seq,
            ack: self.ack.unwrap_or_default(),
            flags: if self.ack.is_some() { Flags::RST.with(Flags::ACK) } else { Flags::RST },
            window: 0,
            options: Options { timestamps: self.timestamps, ..Options::NONE },
        }
    }
}

/// Resets that wait to be sent: a bounded queue.
pub(super) struct Resets {
    ring: Box<[Option<Reset>]>,
    head: usize,
    len: usize,
}

impl Resets {
    pub(super) fn new(capacity: usize) -> Resets {
        Resets { ring: vec![None; capacity.max(1)].into_boxed_slice(), head: 0, len: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == self.ring.len()
    }

    /// Queues a reset; counts it as lost when the queue is full.
    pub(super) fn push(&mut self, reset: Reset, counters: &mut Counters) {
        if self.is_full() {
            counters.count(Count::ResetQueueFull);
            return;
        }
        let at = (self.head + self.len) % self.ring.len();
        self.ring[at] = Some(reset);
        self.len += 1;
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&Reset> {
        if self.len == 0 { None } else { self.ring[self.head].as_ref() }
    }

    pub(super) fn pop(&mut self) -> Option<Reset> {
        let reset = *self.front()?;
        self.head = (self.head + 1) % self.ring.len();
        self.len -= 1;
        Some(reset)
    }
}
