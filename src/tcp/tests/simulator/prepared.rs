//! Applications that foresee what they send: headers stand ready in a frame of theirs from one turn to another, whatever
//! comes or leaves in between, and are refreshed, warmed and sent by. What is refused goes the usual way.

use super::application::{pattern, stream};
use super::device::{FRAME_LEN_MAX, Node};
use super::frames::{Glance, finish};
use super::heap::untouched;
use super::world::World;
use crate::emit::PreparedHeaders;
use crate::offload::nic::TxChecksum;
use crate::tcp::{ConnectionId, Prepared, PreparedOut, PreparedRefusal, State};
use crate::time::Instant;

/// A frame whose headers stand.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    /// In which stack of the host.
    node: usize,
    tcp: Prepared,
    headers: PreparedHeaders,
    frame: Vec<u8>,
    /// What had come to that stack and left it by then.
    seen: (u64, u64),
}

impl Ready {
    fn payload(&mut self, len: usize) -> &mut [u8] {
        let from = self.headers.payload_at();
        &mut self.frame[from..from + len]
    }
}

impl Node {
    /// Headers for the next segment of a connection, at the front of `frame`.
    fn prepare(
        &mut self,
        host: usize,
        now: Instant,
        id: ConnectionId,
        frame: &mut [u8],
    ) -> Result<(Prepared, PreparedHeaders), PreparedRefusal> {
        let tcp = self.stack.prepare(now, id)?;
        Ok((tcp, self.emitter.prepare(Node::peer_of(host), &tcp, frame)))
    }

    /// Completes a frame, and says how long it is.
    fn complete(&mut self, ready: &mut Ready, len: usize, out: &PreparedOut) -> usize {
        let Ready { headers, frame, .. } = ready;
        let (len, meta) =
            self.emitter.finish_prepared(headers, out.timestamps, len, out.sum, frame);
        if meta.tcp == TxChecksum::Partial {
            finish(&mut frame[..len]);
        }
        len
    }
}

impl World {
    /// Makes the headers of a side's next message anew.
    pub(super) fn refresh(&mut self, line: usize, host: usize) {
        let Some(id) = self.lines[line].sides[host].id else { return };
        let at = self.node_of(host, self.lines[line].port);
        let (now, seen) = (self.at(host, at), self.seen_of(host, at));
        let ready = self.lines[line].sides[host].ready.take();
        let mut frame = ready.map_or_else(|| vec![0xee; FRAME_LEN_MAX], |ready| ready.frame);
        let node = &mut self.hosts[host].nodes[at];
        let state = node.stack.info(id).map(|info| info.state);
        let made = untouched(|| node.prepare(host, now, id, &mut frame));
        let expected = match state {
            Some(State::Established | State::CloseWait) => Ok(()),
            Some(State::SynSent | State::SynReceived) => Err(PreparedRefusal::NotConnected),
            _ => Err(PreparedRefusal::Closed),
        };
        assert_eq!(made.as_ref().map(|_| ()).map_err(|why| *why), expected);
        let ready = made.ok().map(|(tcp, headers)| Ready { node: at, tcp, headers, frame, seen });
        self.lines[line].sides[host].ready = ready;
    }

    fn seen_of(&self, host: usize, at: usize) -> (u64, u64) {
        let seen = &self.hosts[host].seen[at];
        (seen.segments_in, seen.frames_out)
    }

    /// The next message leaves at once in the frame that stands ready, where the application foresees any and it may.
    /// Says whether it did.
    pub(super) fn send_foreseen(&mut self, line: usize, host: usize) -> bool {
        if !self.lines[line].foresees[host] || self.random.one_in(4) {
            return false;
        }
        let side = &self.lines[line].sides[host];
        let left = side.to_write - side.written;
        if left == 0 {
            if side.ready.is_some() && side.has_shut {
                assert!(self.send_ready(line, host, 1).is_err(), "sent behind a FIN");
            }
            return false;
        }
        let most = self.hosts[host].config.message_bytes_max as u64;
        let len = self.random.between(1, most).min(left) as usize;
        if self.random.one_in(4) {
            self.warm(line, host, len);
        }
        let mut sent = self.send_ready(line, host, len);
        if matches!(sent, Err(PreparedRefusal::Outdated | PreparedRefusal::StaleId)) {
            self.refresh(line, host);
            sent = self.send_ready(line, host, len);
        }
        if self.random.one_in(2) {
            // For the next, whenever that is.
            self.refresh(line, host);
        }
        sent.is_ok()
    }

    /// Sends so many bytes by what stands ready, as many as there is said to be room for, or is refused and finds
    /// nothing changed.
    fn send_ready(&mut self, line: usize, host: usize, len: usize) -> Result<(), PreparedRefusal> {
        let at = &mut self.lines[line];
        let (stream, written) = (stream(line, at.round, host), at.sides[host].written);
        let mut ready = at.sides[host].ready.take().ok_or(PreparedRefusal::Outdated)?;
        ready.payload(len).iter_mut().zip(pattern(stream, written)).for_each(|(to, of)| *to = of);
        let (now, seen) = (self.at(host, ready.node), self.seen_of(host, ready.node));
        let node = &mut self.hosts[host].nodes[ready.node];
        let (id, wants_sum) = (ready.tcp.connection(), node.emitter.wants_sum());
        let before = (node.stack.info(id), node.stack.messages(id));
        let room = untouched(|| node.stack.prepared_room(now, &ready.tcp));
        let (tcp, payload) = (ready.tcp, ready.payload(len));
        let sent = untouched(|| node.send(now, &tcp, payload, wants_sum));
        let (sent, held) = match sent {
            Ok((out, held)) => (Ok(out), held),
            Err(why) => (Err(why), None),
        };
        assert_eq!(sent.is_ok(), room.is_ok_and(|room| len <= room), "{sent:?} of {room:?}");
        self.note(|| format!("{host} {sent:?}"));
        match sent {
            Ok(out) => {
                let node = &mut self.hosts[host].nodes[ready.node];
                let frame_len = untouched(|| node.complete(&mut ready, len, &out));
                let frame = ready.frame[..frame_len].to_vec();
                if let Some(name) = held {
                    let at = ready.headers.payload_at();
                    untouched(|| node.hold(name, &frame, at, len));
                }
                let heard = node.stack.info(id).map(|info| info.rcv_nxt);
                assert_eq!(Some(Glance::of(&frame).ack), heard, "what came since is not told of");
                let number = out.message.expect("it has bytes").0;
                self.note_message(line, host, number, len as u64);
                self.leave((host, ready.node), frame, false);
                Ok(())
            }
            Err(why) => {
                let node = &self.hosts[host].nodes[ready.node];
                assert_eq!((node.stack.info(id), node.stack.messages(id)), before, "{why}");
                let is_new = ready.seen == seen;
                assert!(why != PreparedRefusal::Outdated || !is_new, "nothing came, or left");
                self.lines[line].sides[host].ready = Some(ready);
                Err(why)
            }
        }
    }

    /// Goes the way of a send of so many bytes, after which everything is as it was.
    fn warm(&mut self, line: usize, host: usize, len: usize) {
        let Some(mut ready) = self.lines[line].sides[host].ready.take() else { return };
        ready.payload(len).fill(0xaa);
        let now = self.at(host, ready.node);
        let node = &mut self.hosts[host].nodes[ready.node];
        let (id, wants_sum) = (ready.tcp.connection(), node.emitter.wants_sum());
        let state = |node: &mut Node| {
            if let Some(index) = node.stack.find(id) {
                // What is acknowledged may be forgotten at any time.
                let connection = &mut node.stack.connections[index];
                connection.account.makes_room(connection.snd_una);
            }
            let snapshot = node.stack.export(now, id).ok();
            let timeout = node.stack.next_timeout();
            let snapshot = snapshot.map(|all| all.as_bytes().to_vec());
            (node.stack.info(id), snapshot, timeout, node.stack.next_held(id))
        };
        let before = state(node);
        let (tcp, payload) = (ready.tcp, ready.payload(len));
        let warmed = untouched(|| node.warm(now, &tcp, payload, wants_sum));
        assert!(state(node) == before, "warmed, and something has changed: {warmed:?}");
        if let Ok(out) = warmed {
            assert_eq!(out.message, None, "a message of what was not sent");
            untouched(|| node.complete(&mut ready, len, &out));
        }
        self.lines[line].sides[host].ready = Some(ready);
    }
}
