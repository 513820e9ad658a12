//! A host and its counterparty, through the handshake and then a batch of messages at a time.

use crate::case::Bench;
use crate::messages::{self, Order};
use crate::nic::{LOADED_MAX, Sums};
use crate::peer::Peer;
use crate::respond::MIXED_LENS;

/// Whoever answers frames by frames. Its clock stays at [`messages::SENT_AT`], to the millisecond.
pub trait Host {
    /// Whether the counterparty is to log on before it reports.
    const HAS_SESSION: bool = false;
    /// BodyLength in what it sends has so many digits at least.
    const BODY_LENGTH_DIGITS: usize = 0;

    /// Has frames received, one a [`step`](Host::step), in their order.
    fn load(&mut self, frames: &[Vec<u8>]);

    /// What is measured: the next frame comes in, and what answers it goes out.
    fn step(&mut self);

    /// How many frames were sent so far.
    fn sent(&self) -> u64;

    /// The last few of them, the newest last.
    fn kept(&self) -> Vec<&[u8]>;

    /// Takes the frame that comes in next out of every cache, where that can be done.
    fn flush_next(&mut self) {}
}

/// What goes back and forth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// ExecutionReports, answered by orders.
    Trading,
    /// So many bytes that mean nothing, answered by so many.
    Bytes {
        /// Of each segment that the host gets.
        received: usize,
        /// Of each segment that it answers with: [`messages::filler`].
        sent: usize,
    },
    /// As many bytes on average, but no two lengths in a row that could be foreseen:
    /// [`messages::mixed_len`].
    MixedBytes,
}

/// Steps that a host may take for the handshake.
const HANDSHAKE_STEPS_MAX: usize = 64;

/// A host on the line.
#[derive(Debug)]
pub struct Line<H> {
    host: H,
    peer: Peer,
    sums: Sums,
    traffic: Traffic,
    /// The MsgSeqNum of both sides' next message: they go in step.
    seq: u32,
    /// The number of the order that is reported next.
    number: u64,
    /// Frames that the host has sent, as far as they were looked at.
    seen: u64,
}

/// Takes a host that connects and its peer through the handshake.
///
/// # Panics
/// If it comes to nothing.
pub fn connect<H: Host>(host: &mut H, peer: &mut Peer) {
    let connected = (0..HANDSHAKE_STEPS_MAX).any(|_| {
        let seen = host.sent();
        host.step();
        let fresh = (host.sent() - seen) as usize;
        let frames = host.kept();
        let fresh = &frames[frames.len() - fresh..];
        let answers: Vec<_> = fresh.iter().filter_map(|frame| peer.answer(frame)).collect();
        if !answers.is_empty() {
            host.load(&answers);
        }
        peer.is_established()
    });
    assert!(connected, "the handshake came to nothing");
}

impl<H: Host> Line<H> {
    /// Connects the host, and has it log on where it has a session.
    pub fn new(mut host: H, sums: Sums, traffic: Traffic) -> Line<H> {
        let mut peer = Peer::default();
        connect(&mut host, &mut peer);
        let seen = host.sent();
        let mut line = Line { host, peer, sums, traffic, seq: 1, number: 1, seen };
        if H::HAS_SESSION {
            // Their Logon, which our first order answers.
            let first = Order { seq: 2, number: 1, price: 450_025, quantity: 1 };
            let logon = line.peer.data(&messages::logon(), first.text(0).len());
            line.host.load(&[logon]);
            line.host.step();
            line.seen = line.host.sent();
            line.seq = 2;
        }
        line
    }

    /// The host.
    #[inline(always)]
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// The next message for the host.
    fn message(&mut self) -> Vec<u8> {
        match self.traffic {
            Traffic::Bytes { received, .. } => messages::filler(received),
            Traffic::MixedBytes => {
                self.number += 1;
                messages::filler(messages::mixed_len(self.number.rotate_left(32)))
            }
            Traffic::Trading => {
                let report = messages::execution_report(self.seq, self.number);
                self.seq += 1;
                self.number += 1;
                report
            }
        }
    }

    /// What it has to answer.
    fn answer(&self) -> Vec<u8> {
        match self.traffic {
            Traffic::Bytes { sent, .. } => messages::filler(sent),
            // The first message had number 2.
            Traffic::MixedBytes => {
                messages::filler(messages::mixed_len((self.number - 2) % MIXED_LENS))
            }
            Traffic::Trading => {
                Order::after_fill(self.seq, self.number).text(H::BODY_LENGTH_DIGITS)
            }
        }
    }
}

impl<H: Host> Bench for Line<H> {
    fn batch_max(&self) -> usize {
        LOADED_MAX
    }

    /// Writes the next `count` messages and has the host receive them.
    fn prepare(&mut self, count: usize) {
        let frames: Vec<_> = (0..count)
            .map(|_| {
                let message = self.message();
                let answer = self.answer();
                self.peer.data(&message, answer.len())
            })
            .collect();
        self.host.load(&frames);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for _ in 0..count {
            self.host.step();
        }
    }

    /// Looks at what `count` steps have sent: a frame each, the last one right.
    fn check(&mut self, count: usize) {
        let sent = self.host.sent();
        assert_eq!(sent, self.seen + count as u64, "a frame for each message");
        self.seen = sent;
        let frames = self.host.kept();
        let payload = self.peer.check(frames[frames.len() - 1], self.sums);
        let expected = self.answer();
        assert_eq!(String::from_utf8_lossy(payload), String::from_utf8_lossy(&expected));
    }

    fn flush_next(&mut self) {
        self.host.flush_next();
    }
}
