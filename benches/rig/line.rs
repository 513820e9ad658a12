//! A host and its counterparty, through the handshake and then a batch of messages at a time.

use crate::messages;
use crate::nic::Sums;
use crate::peer::Peer;

/// Whoever answers frames by frames. Its clock stands still at [`messages::SENT_AT`].
pub trait Host {
    /// Has frames received, one a [`step`](Host::step), in their order.
    fn load(&mut self, frames: &[Vec<u8>]);

    /// What is measured: the next frame comes in, and what answers it goes out.
    fn step(&mut self);

    /// How many frames were sent so far.
    fn sent(&self) -> u64;

    /// The last few of them, the newest last.
    fn kept(&self) -> Vec<&[u8]>;

    /// Whether the counterparty is to log on before it reports.
    const HAS_SESSION: bool;
}

/// Steps that a host may take for the handshake.
const HANDSHAKE_STEPS_MAX: usize = 64;

/// A host on the line.
#[derive(Debug)]
pub struct Line<H> {
    host: H,
    peer: Peer,
    sums: Sums,
    /// The MsgSeqNum of both sides' next message: they go in step.
    seq: u32,
    /// The number of the order that is reported next.
    number: u64,
    /// Frames that the host has sent, as far as they were looked at.
    seen: u64,
}

impl<H: Host> Line<H> {
    /// Connects the host, and has it log on where it has a session.
    pub fn new(host: H, sums: Sums) -> Line<H> {
        let mut line = Line { host, peer: Peer::default(), sums, seq: 1, number: 1, seen: 0 };
        let connected = (0..HANDSHAKE_STEPS_MAX).any(|_| {
            line.converse();
            line.peer.is_established()
        });
        assert!(connected, "the handshake came to nothing");
        if H::HAS_SESSION {
            // Their Logon, which our first order answers.
            let first = messages::order(2, 1, 4500, 25, 1);
            let logon = line.peer.data(&messages::logon(), first.len());
            line.host.load(&[logon]);
            line.host.step();
            line.seen = line.host.sent();
            line.seq = 2;
        }
        line
    }

    /// One step, and the peer's answers to what it sent.
    fn converse(&mut self) {
        self.host.step();
        let fresh = (self.host.sent() - self.seen) as usize;
        self.seen = self.host.sent();
        let frames = self.host.kept();
        let answers: Vec<_> = frames[frames.len() - fresh..]
            .iter()
            .filter_map(|frame| self.peer.answer(frame))
            .collect();
        if !answers.is_empty() {
            self.host.load(&answers);
        }
    }

    /// Writes the next `count` reports and has the host receive them, not measured.
    pub fn load(&mut self, count: usize) {
        let frames: Vec<_> = (0..count)
            .map(|_| {
                let report = messages::execution_report(self.seq, self.number);
                self.seq += 1;
                self.number += 1;
                let answer = messages::answer(self.seq, self.number);
                self.peer.data(&report, answer.len())
            })
            .collect();
        self.host.load(&frames);
    }

    /// One message: what is measured.
    #[inline]
    pub fn step(&mut self) {
        self.host.step();
    }

    /// Looks at what `count` steps have sent, not measured: an order each, the last one right.
    pub fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "a frame for each report");
        self.seen = sent;
        let frames = self.host.kept();
        let order = self.peer.check(frames[frames.len() - 1], self.sums);
        let expected = messages::answer(self.seq, self.number);
        assert_eq!(String::from_utf8_lossy(order), String::from_utf8_lossy(&expected));
    }
}
