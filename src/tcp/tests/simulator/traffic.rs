//! What leaves a host, what arrives at one, and what a host does when its time has come.

use super::application::{pattern, stream};
use super::device::{Heard, Word};
use super::frames::{Glance, finish, is_tcp, ports};
use super::frames::{L2_LEN, L3_LEN};
use super::heap::untouched;
use super::network::Cargo;
use super::strangers::is_stranger;
use super::world::World;
use crate::offload::verdict::Audit;
use crate::tcp::{Arrival, Count, Stack};

fn again(stack: &Stack) -> u64 {
    let of = |what| stack.counters().of(what);
    of(Count::Retransmission) + of(Count::SynRetransmission)
}

impl World {
    /// The next frame of a stack's leaves. Says whether there was one.
    pub(super) fn transmit(&mut self, host: usize, at: usize) -> bool {
        let now = self.at(host, at);
        let node = &mut self.hosts[host].nodes[at];
        let before = again(&node.stack);
        let Some(written) = untouched(|| node.write(host, now)) else { return false };
        let is_again = again(&node.stack) > before;
        let frame = node.frame(written).to_vec();
        self.leave((host, at), frame, is_again);
        true
    }

    /// A frame of a stack's leaves, as it goes onto the wire.
    pub(super) fn leave(&mut self, (host, at): (usize, usize), mut frame: Vec<u8>, is_again: bool) {
        let seen = &mut self.hosts[host].seen[at];
        seen.frames_out += 1;
        seen.again += u64::from(is_again);
        self.totals.frames += 1;
        self.note(|| (host, at, is_again, &frame));
        let glance = Glance::of(&frame);
        if is_stranger(glance.dst) {
            if let Some(record) = &mut self.record {
                record.push(self.now, host, true, &frame);
            }
            self.tell_stranger(glance.dst, &glance);
            return;
        }
        self.totals.done.closed_windows += u64::from(glance.window == 0);
        self.check_frame((host, at), &glance, is_again);
        let (has_payload, end) = (!glance.payload.is_empty(), L2_LEN + L3_LEN);
        if let Some(left) = self.tampers_with.as_mut().filter(|_| has_payload) {
            *left -= 1;
            if *left == 0 {
                self.tampers_with = None;
                let last = end + usize::from(frame[end + 12] >> 4) * 4;
                frame[last] ^= 1;
                finish(&mut frame);
            }
        }
        if let Some(record) = &mut self.record {
            record.push(self.now, host, true, &frame);
        }
        let shares_memory = self.hosts[1 - host].device.0 == Word::Local;
        let around = (&self.faults, &mut self.random, &mut self.totals.done);
        self.network.send((self.now, host), &frame, shares_memory, around);
    }

    pub(super) fn on_timeout(&mut self) {
        for host in 0..2 {
            for at in 0..self.hosts[host].nodes.len() {
                let now = self.at(host, at);
                let stack = &mut self.hosts[host].nodes[at].stack;
                untouched(|| stack.on_timeout(now));
                assert!(stack.next_timeout() > now, "a deadline has passed, and nobody cares");
            }
        }
    }

    pub(super) fn arrive(&mut self, host: usize, cargo: &Cargo) {
        let Cargo { frame, is_wrong, is_unfinished } = cargo;
        if let Some(record) = &mut self.record {
            record.push(self.now, host, false, frame);
        }
        let port = self.client_port(host, frame);
        let at = self.node_of(host, port);
        let word = self.hosts[host].device.0;
        let meta = word.of(*is_wrong, *is_unfinished, &mut self.random);
        let now = self.at(host, at);
        let before = self.answers_due((host, at), port);
        let line = self.line_of(port);
        let has_unread = self.has_unread(line, host);
        let node = &mut self.hosts[host].nodes[at];
        match untouched(|| node.read(now, &meta, frame, *is_wrong)) {
            Err(why) => {
                assert!(is_wrong, "a frame that is right was refused: {why}");
                self.totals.done.refused += 1;
            }
            Ok(Heard::Deceived) => self.on_deceived(host, at),
            Ok(Heard::Error) => {}
            Ok(Heard::Segment(arrival, payload)) => {
                self.hosts[host].seen[at].segments_in += 1;
                self.check_answers((host, at), port, before, &Glance::of(frame));
                if host == 1 && !is_unfinished {
                    self.note_first((host, at), port, frame);
                }
                self.take((host, at), port, &arrival, payload, has_unread);
            }
        }
    }

    /// The port of the client that a frame is about, whoever it is for.
    fn client_port(&self, host: usize, frame: &[u8]) -> u16 {
        if is_tcp(frame) {
            return ports(frame).map_or(0, |(src, dst)| if host == 0 { dst } else { src });
        }
        // An error quotes a segment of the host's own behind eight bytes of ICMP.
        let quoted = frame.get(L3_LEN + 8..).and_then(ports);
        quoted.map_or(0, |(src, dst)| if host == 0 { src } else { dst })
    }

    fn has_unread(&mut self, line: usize, host: usize) -> bool {
        line < self.lines.len()
            && self
                .end(line, host)
                .and_then(|(id, stack, _)| stack.info(id))
                .is_some_and(|info| info.receive_buffered_bytes > 0)
    }

    /// A device called good what is wrong: by the audit's bound that does not go on for long.
    fn on_deceived(&mut self, host: usize, at: usize) {
        let Word::Unaudited(n) = self.hosts[host].device.0 else {
            panic!("a damaged frame was believed");
        };
        self.totals.done.deceived += 1;
        let deceived = &mut self.hosts[host].seen[at].deceived;
        *deceived += 1;
        // Once in 10^15 for each of both layers.
        let most = 5 * Audit::OneIn(n).wrong_frames_in_999_of_1000().expect("it has a bound");
        assert!(
            *deceived <= 2 * most,
            "{deceived} damaged frames were believed, one in {n} audited"
        );
    }

    fn take(
        &mut self,
        place: (usize, usize),
        port: u16,
        arrival: &Arrival,
        payload: &[u8],
        has_unread: bool,
    ) {
        let Some(id) = arrival.connection else { return };
        let fresh = &payload[arrival.fresh.clone()];
        if fresh.is_empty() {
            assert!(!arrival.joined, "nothing came, and something joined it");
            return;
        }
        let (host, line) = (place.0, self.line_of(port));
        if self.lines[line].port != port || self.is_left(place, id) {
            return;
        }
        if self.lines[line].sides[host].id.is_none() {
            // The handshake's last segment: its event comes first.
            self.events();
            if self.is_left(place, id) {
                return;
            }
        }
        let known = self.lines[line].sides[host].id;
        assert_eq!(known, Some(id), "bytes for a connection unheard of");
        self.take_fresh(line, host, fresh, has_unread);
    }

    /// What leaves as data is what the application has written there, each time that it leaves.
    pub(super) fn check_payload(&self, line: usize, host: usize, at: u64, payload: &[u8]) {
        let stream = stream(line, self.lines[line].round, host);
        assert!(at + payload.len() as u64 <= self.lines[line].sides[host].written, "never written");
        assert!(
            payload.iter().copied().eq(pattern(stream, at).take(payload.len())),
            "another byte"
        );
    }
}
