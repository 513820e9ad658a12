//! What holds of every frame, at every step, and at a connection's end.

use super::frames::Glance;
use super::network::QUEUE_FRAMES;
use super::window::check_window;
use super::world::World;
use crate::tcp::connection::Connection;
use crate::tcp::scoreboard::Marks;
use crate::tcp::{Closed, CongestionControl, Count, Info, State};
use crate::time::Instant;
use crate::wire::tcp::Flags;

/// In a world that is healed no line stands still for longer: the longest timeout, and twice over.
const PATIENCE_NS: u64 = 25_000_000_000;
/// Nor does one whose other end may be gone, of which keep-alive has to tell.
const PATIENCE_CUT_NS: u64 = 100_000_000_000;

fn is_synchronised(state: State) -> bool {
    !matches!(state, State::Closed | State::SynSent | State::SynReceived)
}

impl World {
    pub(super) fn check(&mut self) {
        for host in 0..2 {
            for at in 0..self.hosts[host].nodes.len() {
                self.check_stack((host, at));
            }
        }
        for line in 0..self.lines.len() {
            self.check_line(line);
        }
        self.check_orphans();
        self.check_patience();
    }

    pub(super) fn connection(&self, (host, at): (usize, usize), port: u16) -> Option<&Connection> {
        self.hosts[host].nodes[at].stack.connections.iter().find(|connection| {
            let tuple = &connection.tuple;
            let client = if host == 0 { tuple.local } else { tuple.remote };
            client.port == port && connection.state != State::Closed
        })
    }

    /// A frame that leaves: its number, its bytes and its window.
    pub(super) fn check_frame(
        &mut self,
        place: (usize, usize),
        frame: &Glance<'_>,
        is_again: bool,
    ) {
        let host = place.0;
        let port = if host == 0 { frame.src_port } else { frame.dst_port };
        let line = self.line_of(port);
        assert!(!(is_again && frame.is_ect), "sent again, and may be marked");
        self.check_orphan_s(place, port, frame);
        let Some(connection) = self.connection(place, port) else {
            assert!(frame.payload.is_empty(), "of a connection that is over");
            return;
        };
        assert!(
            frame.payload.is_empty()
                || !is_too_old(connection, self.hosts[host].nodes[place.1].stack.now),
            "delivered late"
        );
        if is_again {
            assert!(!holds_any(connection, frame), "sent again though the peer holds it");
        }
        let is_current = self.lines[line].port == port && self.lines[line].sides[host].id.is_some();
        if !is_current || !is_synchronised(connection.state) || frame.flags.has(Flags::RST) {
            return;
        }
        assert!(frame.payload.len() <= usize::from(self.hosts[host].config.mss), "too long");
        if !frame.payload.is_empty() {
            let at = u64::from(frame.seq.since(connection.iss + 1));
            self.check_payload(line, host, at, frame.payload);
        }
        let step = 1 << connection.rcv_wind_shift;
        let edge = frame.ack + (frame.window << connection.rcv_wind_shift);
        let end = frame.seq + frame.payload.len() as u32;
        let [side, peer] = [host, 1 - host].map(|at| &self.lines[line].sides[at]);
        // An ACK of less than has come (RFC 8257 3.2) may have no field for all of the window.
        if let Some(told) = side.told.filter(|_| frame.window != 65_535) {
            // Rounding to the scale may take back less than one step (RFC 7323 2.4).
            assert!(told.is_before(edge + step), "the window's edge moves left");
        }
        // What an orphan tells is not kept.
        let is_kept = peer.id.is_some() && !frame.payload.is_empty();
        if let Some(told) = peer.told.filter(|_| is_kept) {
            // RFC 9293 3.8.6.1: a probe of a closed window is one byte past it.
            assert!(end.is_at_or_before(told + 1), "sent past any window that was given");
        }
        let side = &mut self.lines[line].sides[host];
        let before = side.stamp.take().zip(frame.stamp);
        assert!(before.is_none_or(|(last, now)| last.is_at_or_before(now)), "its time goes back");
        side.stamp = frame.stamp;
        if let Some(told) = &mut side.told {
            *told = told.later_of(edge);
        }
    }

    /// Pure ACKs that a connection owes, and challenges that its stack has sent.
    pub(super) fn answers_due(&self, place: (usize, usize), port: u16) -> (u32, u64) {
        let stack = &self.hosts[place.0].nodes[place.1].stack;
        let due = self.connection(place, port).map_or(0, |connection| connection.acks_due);
        (due.into(), stack.counters().of(Count::ChallengeAckOut))
    }

    /// One segment is answered by one ACK at most, and by one more where marks that changed are told apart
    /// (RFC 8257 3.2). One with nothing in it is answered by none but a challenge, of which there are so many in a
    /// second: two hosts never talk to each other of nothing.
    pub(super) fn check_answers(
        &self,
        place: (usize, usize),
        port: u16,
        before: (u32, u64),
        frame: &Glance<'_>,
    ) {
        let (due, challenges) = self.answers_due(place, port);
        let (more, challenged) = (due.saturating_sub(before.0), challenges - before.1);
        let most = 1 + u32::from(self.hosts[place.0].config.ecn);
        assert!(more <= most, "{more} ACKs for one segment");
        assert!(!frame.is_empty() || u64::from(more) <= challenged, "an ACK for nothing");
    }

    fn check_stack(&self, (host, at): (usize, usize)) {
        let stack = &self.hosts[host].nodes[at].stack;
        let mut soonest = Instant::FAR_FUTURE;
        let nodes = self.hosts[host].nodes.iter();
        let duplicates = nodes.map(|node| node.stack.counters().of(Count::DuplicateAck)).sum();
        for connection in &stack.connections {
            soonest = soonest.min(connection.deadline());
            if is_synchronised(connection.state) && connection.state != State::TimeWait {
                check_scoreboard(connection);
                check_age(connection);
                check_window(connection, duplicates);
            }
        }
        assert!(stack.next_timeout() <= soonest, "a deadline is forgotten");
        let seen = &self.hosts[host].seen[at];
        let of = |what| stack.counters().of(what);
        assert_eq!(of(Count::SegmentIn), seen.segments_in, "segments in");
        // A cookie is counted when it is made, and leaves when its turn comes.
        let (sent, cookies) =
            (of(Count::SegmentOut) + of(Count::ResetOut), of(Count::SynCookieOut));
        let least = if stack.has_transmits() { sent } else { sent + cookies };
        assert!((least..=sent + cookies).contains(&seen.frames_out), "frames out");
        assert_eq!(of(Count::Retransmission) + of(Count::SynRetransmission), seen.again, "again");
        let challenges = of(Count::ChallengeAckOut) + of(Count::ChallengeAckLimited);
        let exact = [Count::SynInWindow, Count::ResetInexact, Count::AckTooOld];
        let exact = exact.into_iter().map(of).sum::<u64>() + of(Count::AckOfUnsent);
        let others = of(Count::OutOfWindow) + of(Count::TimestampOld);
        assert!((exact..=exact + others).contains(&challenges), "challenges");
    }

    /// Both ends of a line know the same of it: what is acknowledged has arrived, what has arrived was sent,
    /// nothing moves back, no buffer holds more than it was made for, and no byte is lost in one.
    fn check_line(&mut self, line: usize) {
        let infos = [0, 1].map(|host| {
            let (id, stack, _) = self.end(line, host)?;
            stack.info(id).filter(|info| info.state != State::SynSent)
        });
        self.note_infos(line, &infos);
        for host in 0..2 {
            let Some(info) = &infos[host] else { continue };
            let side = &mut self.lines[line].sides[host];
            let una = side.snd_una.replace(info.snd_una).unwrap_or(info.snd_una);
            assert!(una.is_at_or_before(info.snd_una), "snd_una moved back");
            let nxt = side.rcv_nxt.replace(info.rcv_nxt).unwrap_or(info.rcv_nxt);
            assert!(nxt.is_at_or_before(info.rcv_nxt), "rcv_nxt moved back");
            if una != info.snd_una || nxt != info.rcv_nxt {
                self.lines[line].moved_at = self.now;
            }
            let config = &self.hosts[host].config;
            let received = info.receive_buffered_bytes;
            assert!(received + info.rcv_wnd as usize <= config.receive_buffer_bytes, "window");
            assert!(info.send_buffered_bytes <= config.send_buffer_bytes, "send buffer");
            if let Some(peer) = &infos[1 - host] {
                assert!(info.snd_una.is_at_or_before(peer.rcv_nxt), "acknowledged, not arrived");
                assert!(info.rcv_nxt.is_at_or_before(peer.snd_nxt), "arrived, not sent");
            }
            self.check_bytes(line, host, info);
        }
    }

    /// What has arrived in order has been read or can be; what was committed is known by its messages.
    fn check_bytes(&mut self, line: usize, host: usize, info: &Info) {
        let Some((id, stack, _)) = self.end(line, host) else { return };
        let Some(index) = stack.find(id) else { return };
        let connection = &stack.connections[index];
        let is_opened =
            connection.state != State::SynReceived && connection.rcv_nxt != connection.irs;
        if connection.closed == Some(Closed::Aborted) || !is_opened {
            return;
        }
        let (iss, fin) = (connection.iss, u32::from(connection.fin_received));
        let arrived = info.rcv_nxt.since(connection.irs + 1) - fin;
        let acknowledged = info.snd_una.since(iss + 1);
        let account = stack.messages(id).expect("it is there");
        let side = &mut self.lines[line].sides[host];
        let known = side.read + info.receive_buffered_bytes as u64;
        assert_eq!(u64::from(arrived), known, "acknowledged, and not there to read");
        while side.messages.front().is_some_and(|end| *end <= u64::from(acknowledged)) {
            side.messages.pop_front();
        }
        let done = side.messages_ever - side.messages.len() as u64;
        assert_eq!(account, (side.messages_ever, done), "messages committed, and acknowledged");
    }

    /// Once nothing goes wrong any more, everything that was begun comes to its end.
    fn check_patience(&self) {
        if !self.is_healed {
            return;
        }
        let waited = |since: u64| self.now - since.max(self.faults.heals_at_ns);
        let last_move = self.lines.iter().map(|line| line.moved_at).max().unwrap_or(0);
        for (line, at) in self.lines.iter().enumerate().filter(|(_, line)| line.rounds_left > 0) {
            let server = &at.sides[1];
            let has_no_place = at.waits_for_place
                || self.scarcity.is_there && server.id.is_none() && server.closed.is_none();
            let (since, patience) = if has_no_place {
                // Others have to be done first, and what nobody wants any more.
                (last_move.max(self.freed_at), 3 * PATIENCE_CUT_NS)
            } else if at.is_cut || self.overfills_queues() {
                (at.moved_at, PATIENCE_CUT_NS)
            } else {
                (at.moved_at, PATIENCE_NS)
            };
            let waited = waited(since);
            assert!(
                waited < patience + self.back_ns,
                "line {line} has stood still for {waited} ns"
            );
        }
        let waited = self.left_since().map_or(0, waited);
        assert!(waited < 2 * PATIENCE_CUT_NS + self.back_ns, "nobody's, and there for {waited} ns");
    }

    /// Whether somebody sends without congestion control more than a queue takes, which is for a line of one's own: what
    /// leaves again at one and the same timeout finds the queue full of the others', until these are done.
    fn overfills_queues(&self) -> bool {
        let mss = self.hosts.iter().map(|host| u32::from(host.config.mss)).min();
        let frames = |bound: u32| bound / mss.unwrap_or(1) * self.lines.len() as u32;
        self.hosts.iter().any(|host| match host.config.congestion {
            CongestionControl::None { in_flight_bytes_max } => {
                frames(in_flight_bytes_max) > QUEUE_FRAMES as u32
            }
            _ => false,
        })
    }

    /// What a whole world shows.
    pub(super) fn check_over(&self) {
        // Of two windows by the same numbers only their order tells which is the later one.
        let shrunk = self.totals.of(Count::WindowShrunk);
        assert!(shrunk == 0 || self.totals.done.overtaken > 0, "{shrunk} windows taken back");
    }

    /// A line that nobody cut has ended well: every byte of both streams has been read, once.
    pub(super) fn check_whole(&self, line: usize) {
        let [client, server] = &self.lines[line].sides;
        for (reader, writer) in [(client, server), (server, client)] {
            let ends = (client.closed, server.closed);
            assert_eq!(reader.read, writer.to_write, "line {line} is not whole: {ends:?}");
            let has_ended = matches!(reader.closed, Some(Closed::Finished | Closed::Reset));
            assert!(has_ended, "line {line} ended by {:?}", reader.closed);
        }
        let finished = [client, server].iter().any(|side| side.closed == Some(Closed::Finished));
        assert!(finished, "line {line}: both ends were reset");
    }
}

/// Whether the peer holds any of a segment that is sent again.
fn holds_any(connection: &Connection, frame: &Glance<'_>) -> bool {
    let end = frame.seq + (frame.payload.len() as u32).max(1);
    let mut left = connection.snd_una;
    connection.segments().into_iter().any(|(right, marks)| {
        let is_there = left.is_before(end) && frame.seq.is_before(right);
        left = right;
        is_there && marks.has(Marks::SACKED)
    })
}

/// The sums of the scoreboard against a slow count, and nothing let go of before it is acknowledged.
fn check_scoreboard(connection: &Connection) {
    let (mut left, mut pipe, mut sacked, mut due) = (connection.snd_una, 0, 0, 0);
    for (right, marks) in connection.segments() {
        assert!(left.is_before(right), "a segment of nothing");
        let len = right.since(left);
        let (is_sacked, is_lost) = (marks.has(Marks::SACKED), marks.has(Marks::LOST));
        assert!(!is_sacked || !(is_lost || marks.has(Marks::AGAIN)), "held, and sent again");
        pipe += if is_sacked || is_lost { 0 } else { len };
        pipe += if marks.has(Marks::AGAIN) { len } else { 0 };
        sacked += if is_sacked { len } else { 0 };
        due += u32::from(is_lost && !marks.has(Marks::AGAIN));
        left = right;
    }
    assert_eq!(left, connection.snd_nxt, "the scoreboard ends elsewhere");
    assert_eq!(pipe, connection.scoreboard.pipe(connection.flight()), "pipe");
    assert_eq!(sacked, connection.scoreboard.sacked_bytes(), "sacked");
    assert_eq!(due, connection.scoreboard.due_count(), "due");
    let kept = connection.send.len() as u32 + u32::from(connection.fin_sent);
    assert!(kept >= connection.flight(), "let go of before it was acknowledged");
}

/// Whether a message of a connection has waited too long.
fn is_too_old(connection: &Connection, now: Instant) -> bool {
    stale_at(connection).is_some_and(|at| at <= now)
}

/// By when the oldest message is to be acknowledged, where that has a limit.
fn stale_at(connection: &Connection) -> Option<Instant> {
    let oldest = connection.account.oldest(connection.snd_una);
    connection.apart.terms.stale_after().zip(oldest).map(|(after, oldest)| oldest.at + after)
}

/// No message grows too old unattended.
fn check_age(connection: &Connection) {
    let stale_at = stale_at(connection).unwrap_or(Instant::FAR_FUTURE);
    assert!(connection.deadline() <= stale_at, "nobody sees it grow too old");
}
