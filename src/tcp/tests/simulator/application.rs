//! What the applications of both hosts do: write a pattern, read and compare it, pause, close, abort, and
//! connect again.

use std::collections::VecDeque;

use super::device::addr;
use super::heap::untouched;
use super::prepared::Ready;
use super::world::{PORTS, SERVER_PORT, World};
use crate::tcp::{Closed, ConnectionId, Endpoint, Event, Info, SendRefusal, State};
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

/// After one message in so many its application says that its segment ends there, and after another that more follows.
const GROUPED_ONE_IN: u64 = 16;

/// One end of a connection, with what it has done so far.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) id: Option<ConnectionId>,
    pub(super) to_write: u64,
    pub(super) written: u64,
    pub(super) read: u64,
    pub(super) has_shut: bool,
    /// A cookie has opened it.
    pub(super) is_of_cookie: bool,
    is_blocked: bool,
    pub(super) closed: Option<Closed>,
    /// It neither reads nor writes until then: its window closes.
    pub(super) asleep_until: u64,
    /// Where each message ends that the peer has not acknowledged, and how many there were ever.
    pub(super) messages: VecDeque<u64>,
    pub(super) messages_ever: u64,
    /// What was seen of its numbers last, and the right edge of the widest window that it gave.
    pub(super) snd_una: Option<SeqNumber>,
    pub(super) rcv_nxt: Option<SeqNumber>,
    pub(super) told: Option<SeqNumber>,
    /// The last timestamp that it sent.
    pub(super) stamp: Option<SeqNumber>,
    /// Headers of the next message, where they were prepared.
    pub(super) ready: Option<Ready>,
}

impl Side {
    pub(super) fn new(to_write: u64) -> Side {
        Side {
            id: None,
            to_write,
            written: 0,
            read: 0,
            has_shut: false,
            is_of_cookie: false,
            is_blocked: false,
            closed: None,
            asleep_until: 0,
            messages: VecDeque::new(),
            messages_ever: 0,
            snd_una: None,
            rcv_nxt: None,
            told: None,
            stamp: None,
            ready: None,
        }
    }
}

/// A client's and a server's way of talking to each other: one connection after another.
pub(super) struct Line {
    /// The client's.
    pub(super) port: u16,
    pub(super) round: u64,
    pub(super) rounds_left: u64,
    pub(super) sides: [Side; 2],
    /// Whose application foresees what it sends.
    pub(super) foresees: [bool; 2],
    /// Somebody aborted the connection or forgot it: no more than what comes is compared.
    pub(super) is_cut: bool,
    /// It went on in another stack. What comes after it there begins with numbers and timestamps of
    /// that stack's own, which nobody who remembers this one takes for newer.
    pub(super) has_moved: bool,
    /// Every place of its client's host is taken: it asks again later.
    pub(super) waits_for_place: bool,
    /// When it began, by the clock of the client's stack.
    pub(super) began_at: Instant,
    /// When anything last moved.
    pub(super) moved_at: u64,
    /// Where both ends stood when the digest last had it.
    pub(super) noted: [Option<Info>; 2],
}

/// A stream's name: what `host` writes on a line in a round.
pub(super) fn stream(line: usize, round: u64, host: usize) -> u64 {
    (line as u64) << 40 ^ round << 48 ^ (host as u64) << 56
}

/// The bytes of a stream from `at` on.
pub(super) fn pattern(stream: u64, at: u64) -> impl Iterator<Item = u8> {
    let word = move |at: u64| ((at / 8) ^ stream).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = (word(at) ^ word(at) >> 32).to_le_bytes();
    (at..).map(move |at| {
        if at % 8 == 0 {
            bytes = (word(at) ^ word(at) >> 32).to_le_bytes();
        }
        bytes[(at % 8) as usize]
    })
}

impl World {
    pub(super) fn connect(&mut self, line: usize) {
        let local = Endpoint { addr: addr(0), port: self.lines[line].port };
        let remote = Endpoint { addr: addr(1), port: SERVER_PORT };
        let at = self.node_of(0, local.port);
        let (now, stack) = (self.at(0, at), &mut self.hosts[0].nodes[at].stack);
        let began_at = stack.now.max(now);
        self.lines[line].waits_for_place = false;
        match untouched(|| stack.connect(now, local, remote)) {
            Ok(id) => self.lines[line].sides[0].id = Some(id),
            Err(why) => return self.wait_for_place(line, why),
        }
        self.lines[line].began_at = began_at;
        self.impose(line, 0);
        if self.lines[line].foresees[0] && self.random.one_in(4) {
            // Too early, and refused.
            self.refresh(line, 0);
        }
    }

    /// Whether a line's client has sent faster than first numbers rise, which is by one in 4 us (RFC 9293
    /// 3.4.1): a peer in TIME-WAIT takes its next SYN for an old one, unless a timestamp tells.
    fn is_ahead_of_isn(&mut self, line: usize) -> bool {
        let at = self.node_of(0, self.lines[line].port);
        let rise = self.hosts[0].nodes[at].stack.now.ns_since(self.lines[line].began_at) / 4_000;
        !self.has_timestamps && rise <= self.lines[line].sides[0].written + 2
    }

    /// What has just come in order is taken where it lies, or left.
    pub(super) fn take_fresh(&mut self, line: usize, host: usize, fresh: &[u8], has_unread: bool) {
        // What was left before comes first in the stream: then all is kept.
        let taken = match self.random.below(4) {
            _ if has_unread || self.is_asleep(line, host) => 0,
            0 => 0,
            1 => self.random.below(fresh.len() as u64 + 1) as usize,
            _ => fresh.len(),
        };
        self.compare(line, host, &fresh[..taken]);
        if taken < fresh.len()
            && let Some((id, stack, _)) = self.end(line, host)
        {
            untouched(|| stack.keep(id, &fresh[taken..]));
        }
    }

    fn compare(&mut self, line: usize, host: usize, bytes: &[u8]) {
        let stream = stream(line, self.lines[line].round, 1 - host);
        let side = &mut self.lines[line].sides[host];
        for (offset, (byte, expected)) in bytes.iter().zip(pattern(stream, side.read)).enumerate() {
            let at = side.read + offset as u64;
            assert_eq!(*byte, expected, "line {line} host {host}: byte {at} is another");
        }
        side.read += bytes.len() as u64;
        self.totals.bytes += bytes.len() as u64;
    }

    pub(super) fn events(&mut self) {
        self.drain_left();
        for host in 0..2 {
            for at in 0..self.hosts[host].nodes.len() {
                loop {
                    let stack = &mut self.hosts[host].nodes[at].stack;
                    let Some((id, event)) = untouched(|| stack.poll_event()) else { break };
                    let info = stack.info(id).expect("it has something to tell");
                    let port = if host == 0 { info.local.port } else { info.remote.port };
                    self.note(|| format!("{host} {id:?} {event:?}"));
                    self.on_event((host, at), port, id, event);
                }
            }
        }
    }

    fn on_event(&mut self, place: (usize, usize), port: u16, id: ConnectionId, event: Event) {
        let (host, line) = (place.0, self.line_of(port));
        if event == Event::Connected {
            self.check_opened_once(place, id);
        }
        if matches!(event, Event::Closed(_)) && host == 1 {
            self.bring_first_again(port);
        }
        let is_anothers = self.lines[line].port != port || self.lines[line].rounds_left == 0;
        if is_anothers || self.is_left(place, id) {
            self.on_event_of_left(place, id, event);
            return;
        }
        if event == Event::Connected && host == 1 && self.is_ghost(place, line, id) {
            self.on_event_of_left(place, id, event);
            return;
        }
        self.lines[line].moved_at = self.now;
        let side = &mut self.lines[line].sides[host];
        if event == Event::Connected && host == 1 {
            assert_eq!(side.id, None, "a connection on top of another");
            side.id = Some(id);
        }
        assert_eq!(side.id, Some(id));
        match event {
            Event::Connected => {
                let node = &self.hosts[host].nodes[place.1];
                let connection = node.stack.find(id).map(|at| &node.stack.connections[at]);
                side.told = connection.map(|it| it.rcv_edge);
                side.is_of_cookie = connection.is_some_and(|it| it.is_of_cookie);
            }
            Event::Writable => side.is_blocked = false,
            Event::PeerClosed => {}
            Event::Closed(why) => {
                side.closed = Some(why);
                self.note_end(line, host, why);
            }
        }
        if event == Event::Connected && host == 1 {
            self.impose(line, host);
        }
        self.settle(line);
    }

    /// Releases what is over, and begins the next round.
    pub(super) fn settle(&mut self, line: usize) {
        for host in 0..2 {
            if self.lines[line].sides[host].closed.is_some()
                && let Some((id, stack, _)) = self.end(line, host)
                && stack.readable(id).is_empty()
            {
                untouched(|| stack.release(id));
                self.lines[line].sides[host].id = None;
                self.freed_at = self.now;
                self.check_orphan_whole(line, host);
            }
        }
        let [client, server] = &self.lines[line].sides;
        let client_is_over = client.closed.is_some() && client.id.is_none();
        let server_is_over = server.closed.is_some() && server.id.is_none();
        if self.lines[line].rounds_left == 0 || !client_is_over {
            return;
        }
        if self.lines[line].is_cut {
            self.leave_server_s(line);
            self.next_round(line);
        } else if server_is_over {
            self.check_whole(line);
            self.next_round(line);
        }
    }

    /// On the same endpoints where the last round ended well in the stacks that it began in; from
    /// another port else.
    fn next_round(&mut self, line: usize) {
        let (now, is_ahead) = (self.now, self.is_ahead_of_isn(line));
        let at = &mut self.lines[line];
        at.rounds_left -= 1;
        (at.moved_at, at.waits_for_place) = (now, false);
        if at.rounds_left == 0 {
            return;
        }
        at.round += 1;
        at.sides = at.sides.each_ref().map(|side| Side::new(side.to_write / 2));
        let has_moved = core::mem::take(&mut at.has_moved);
        if core::mem::take(&mut at.is_cut) || has_moved || is_ahead {
            at.port += PORTS;
        } else if !self.has_timestamps {
            // No segment outlives its connection, where no timestamp tells it from another's.
            self.network.forget(at.port);
            self.firsts.remove(&at.port);
        }
        self.totals.done.rounds += 1;
        self.connect(line);
    }

    fn is_connected(&mut self, line: usize, host: usize) -> bool {
        self.end(line, host)
            .and_then(|(id, stack, _)| stack.info(id))
            .is_some_and(|info| !matches!(info.state, State::SynSent | State::SynReceived))
    }

    fn is_asleep(&self, line: usize, host: usize) -> bool {
        self.lines[line].sides[host].asleep_until > self.now
    }

    fn wants_turn(&mut self, line: usize, host: usize) -> bool {
        let side = &self.lines[line].sides[host];
        if host == 0 && self.lines[line].waits_for_place {
            return true;
        }
        let can_write = side.written < side.to_write && !side.is_blocked
            || !side.has_shut && side.written == side.to_write;
        let can_write = can_write && side.closed.is_none();
        self.is_connected(line, host)
            && (can_write
                || self
                    .end(line, host)
                    .is_some_and(|(id, stack, _)| !stack.readable(id).is_empty()))
    }

    /// When an application next does something.
    pub(super) fn next_turn(&mut self) -> u64 {
        let soon = self.now + self.random.between(1, 3_000_000);
        let mut next = u64::MAX;
        for line in 0..self.lines.len() {
            for host in 0..2 {
                if self.wants_turn(line, host) {
                    next = next.min(soon.max(self.lines[line].sides[host].asleep_until));
                }
            }
        }
        next
    }

    pub(super) fn take_turn(&mut self) {
        for line in 0..self.lines.len() {
            for host in 0..2 {
                if host == 0 && self.lines[line].waits_for_place && !self.is_asleep(line, host) {
                    self.connect(line);
                }
                if !self.is_connected(line, host)
                    || self.is_asleep(line, host)
                    || self.random.one_in(3)
                {
                    continue;
                }
                self.read(line, host);
                if !self.may_let_go(line, host) {
                    self.write(line, host);
                }
                self.settle(line);
                if self.random.one_in(self.faults.sleeps_one_in) {
                    self.totals.done.sleeps += 1;
                    let until = self.now + self.random.below(20_000_000_000);
                    self.lines[line].sides[host].asleep_until = until;
                }
            }
        }
    }

    pub(super) fn wake(&mut self) {
        self.lines
            .iter_mut()
            .flat_map(|line| &mut line.sides)
            .for_each(|side| side.asleep_until = 0);
    }

    fn read(&mut self, line: usize, host: usize) {
        for _ in 0..self.random.below(4) {
            let Some((id, stack, _)) = self.end(line, host) else { return };
            let bytes = stack.readable(id).to_vec();
            let len = self.random.between(1, 2_000).min(bytes.len() as u64) as usize;
            self.compare(line, host, &bytes[..len]);
            let (id, stack, now) = self.end(line, host).expect("it was there");
            untouched(|| stack.consume(now, id, len));
        }
    }

    fn write(&mut self, line: usize, host: usize) {
        if self.lines[line].sides[host].closed.is_some() {
            return;
        }
        if self.random.one_in(self.faults.abort_one_in)
            && let Some((id, stack, now)) = self.end(line, host)
        {
            untouched(|| stack.abort(now, id));
            self.lines[line].is_cut = true;
            self.totals.done.aborts += 1;
            return;
        }
        for _ in 0..self.random.between(1, 5) {
            if !self.send_foreseen(line, host) && !self.write_message(line, host) {
                break;
            }
        }
        let side = &self.lines[line].sides[host];
        let ends = side.written == side.to_write && !side.has_shut;
        if ends
            && !self.may_let_go_at_end(line, host)
            && let Some((id, stack, now)) = self.end(line, host)
        {
            untouched(|| stack.shutdown(now, id));
            self.lines[line].sides[host].has_shut = true;
        }
    }

    /// Writes a message, if there is anything to write and room for it.
    fn write_message(&mut self, line: usize, host: usize) -> bool {
        let stream = stream(line, self.lines[line].round, host);
        let side = &self.lines[line].sides[host];
        let (written, left) = (side.written, side.to_write - side.written);
        let most = self.hosts[host].nodes[0].stack.config.message_bytes_max as u64;
        let len = self.random.between(1, most).min(left);
        let used = self.random.between(1, len.max(1));
        let is_cut = self.lines[line].is_cut;
        let Some((id, stack, now)) = self.end(line, host).filter(|_| len > 0) else { return false };
        let committed = untouched(|| {
            let room = stack.reserve(id, len as usize)?;
            room.iter_mut().zip(pattern(stream, written)).for_each(|(byte, next)| *byte = next);
            Ok(stack.commit(now, id, used as usize))
        });
        match committed {
            Ok(number) => {
                let number = number.expect("it has bytes").0;
                self.note_message(line, host, number, used);
                if let Some((id, stack, now)) = self.end(line, host) {
                    // Now and then the next one is to begin a segment, or is waited for.
                    untouched(|| match number % GROUPED_ONE_IN {
                        0 => stack.end_segment(now, id),
                        1 => stack.await_commit(now, id),
                        _ => {}
                    });
                }
                true
            }
            Err(SendRefusal::NoRoom) => {
                self.lines[line].sides[host].is_blocked = true;
                false
            }
            Err(why) => {
                assert!(is_cut, "{why}");
                false
            }
        }
    }

    /// A message of so many bytes was written, by this number.
    pub(super) fn note_message(&mut self, line: usize, host: usize, number: u64, len: u64) {
        let side = &mut self.lines[line].sides[host];
        side.written += len;
        if number == side.messages_ever {
            // It became part of the one before it.
            side.messages.pop_back();
        }
        side.messages_ever = number;
        side.messages.push_back(side.written);
    }
}
