//! What who only sends pays: ACKs without data come in, of all that was sent or of a part.

use fixwire::tcp::{Config, ConnectionId, Stack};
use fixwire::wire::tcp::Segment;

use super::prepared::{NOW, connected};
use crate::case::{Bench, Case, US};
use crate::peer::{HOST_ADDR, PEER_ADDR};

/// Each is acknowledged once in a batch.
const CONNECTIONS: usize = 16;
const MESSAGE_LEN: usize = 150;

pub(super) fn cases() -> [Case; 2] {
    [
        Case::new("tcp/ACK in", US, || AcksIn::new(1)),
        Case::new("tcp/ACK in, of the first of two", US, || AcksIn::new(2)),
    ]
}

/// Connections with so many messages in flight, the first of which is acknowledged.
struct AcksIn {
    stack: Stack,
    lines: Vec<(ConnectionId, Segment<'static>)>,
    messages: usize,
    /// How many bytes are acknowledged, in all.
    acknowledged: u32,
}

impl AcksIn {
    fn new(messages: usize) -> AcksIn {
        let mut stack = Stack::new(Config::default(), [7; 16]);
        let lines = (0..CONNECTIONS as u16).map(|line| connected(&mut stack, line)).collect();
        AcksIn { stack, lines, messages, acknowledged: 0 }
    }

    fn unacknowledged(&self, count: usize) -> u32 {
        let infos = self.lines[..count].iter().filter_map(|(id, _)| self.stack.info(*id));
        infos.map(|info| info.snd_nxt.since(info.snd_una)).sum()
    }
}

impl Bench for AcksIn {
    fn batch_max(&self) -> usize {
        CONNECTIONS
    }

    fn prepare(&mut self, count: usize) {
        for (id, peer) in &mut self.lines[..count] {
            // Whatever is in flight is acknowledged first.
            peer.ack = self.stack.info(*id).expect("it is open").snd_nxt;
            self.stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, peer);
            for _ in 0..self.messages {
                let written = self.stack.write(NOW, *id, MESSAGE_LEN, |room| room.len());
                written.expect("there is room");
                while self.stack.poll_transmit(NOW).is_some() {}
            }
            peer.ack += MESSAGE_LEN as u32;
        }
        self.acknowledged = self.unacknowledged(count);
    }

    #[inline(never)]
    fn run(&mut self, count: usize) {
        for (_, ack) in &self.lines[..count] {
            self.stack.on_segment(NOW, PEER_ADDR, HOST_ADDR, ack);
        }
    }

    fn check(&mut self, count: usize) {
        self.acknowledged -= self.unacknowledged(count);
        assert_eq!(self.acknowledged as usize, count * MESSAGE_LEN, "each said something new");
    }
}
