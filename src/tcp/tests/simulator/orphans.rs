//! Connections that their applications have let go of with something left to deliver: that leaves, as it was written, and
//! within its time.

use super::application::{pattern, stream};
use super::frames::Glance;
use super::heap::untouched;
use super::world::World;
use crate::tcp::connection::Connection;
use crate::tcp::{Closed, State};

/// How much longer than its two waits one may live: whoever lets go tells no time.
const SLACK_NS: u64 = 1_000_000_000;

/// A connection that nobody holds.
#[derive(Debug)]
pub(super) struct Orphan {
    place: (usize, usize),
    port: u16,
    stream: u64,
    /// What it has left to send ends there.
    written: u64,
    since: u64,
}

impl World {
    /// An application lets go of its connection, now and then, whatever is left to send or to read.
    pub(super) fn may_let_go(&mut self, line: usize, host: usize) -> bool {
        let scarcity = &mut self.scarcity;
        scarcity.gives_up(line)
            && scarcity.random.one_in(scarcity.release_one_in)
            && self.let_go(line, host)
    }

    /// One that has written all lets go instead of closing, as it has read all, too.
    pub(super) fn may_let_go_at_end(&mut self, line: usize, host: usize) -> bool {
        let [reader, writer] = [host, 1 - host].map(|at| &self.lines[line].sides[at]);
        let scarcity = &mut self.scarcity;
        scarcity.gives_up(line)
            && scarcity.releases_at_end
            && reader.read == writer.to_write
            && self.let_go(line, host)
    }

    fn let_go(&mut self, line: usize, host: usize) -> bool {
        let (port, round) = (self.lines[line].port, self.lines[line].round);
        let place = (host, self.node_of(host, port));
        let Some((id, stack, _)) = self.end(line, host) else { return false };
        let has_unsent = stack.info(id).is_some_and(|info| info.send_buffered_bytes > 0);
        untouched(|| stack.release(id));
        assert!(stack.info(id).is_none(), "released, and known");
        self.totals.done.released += 1;
        self.totals.done.released_unsent += u64::from(has_unsent);
        let side = &mut self.lines[line].sides[host];
        let (stream, written) = (stream(line, round, host), side.written);
        (side.id, side.closed) = (None, Some(Closed::Aborted));
        self.orphans.push(Orphan { place, port, stream, written, since: self.now });
        self.lines[line].is_cut = true;
        true
    }

    /// What leaves of one is what was written.
    pub(super) fn check_orphan_s(&self, place: (usize, usize), port: u16, frame: &Glance<'_>) {
        let orphan = self.orphans.iter().find(|it| (it.place, it.port) == (place, port));
        let Some(orphan) = orphan.filter(|_| !frame.payload.is_empty()) else { return };
        let Some(connection) = self.orphaned(orphan) else { return };
        let at = u64::from(frame.seq.since(connection.iss + 1));
        assert!(at + frame.payload.len() as u64 <= orphan.written, "never written");
        let expected = pattern(orphan.stream, at).take(frame.payload.len());
        assert!(frame.payload.iter().copied().eq(expected), "another byte of an orphan's");
    }

    fn orphaned(&self, orphan: &Orphan) -> Option<&Connection> {
        self.connection(orphan.place, orphan.port).filter(|connection| connection.is_released)
    }

    /// Those that are over are forgotten; the others are not too old: a time to deliver, and one to hear the peer's FIN.
    pub(super) fn check_orphans(&mut self) {
        let orphans = core::mem::take(&mut self.orphans);
        let two_waits_ns = 2 * self.scarcity.orphan_timeout.as_ns() + SLACK_NS;
        for orphan in orphans {
            let state = self.orphaned(&orphan).map(|connection| connection.state);
            if state.is_none_or(|state| state == State::TimeWait) {
                self.freed_at = self.now;
                continue;
            }
            let age = self.now - orphan.since;
            assert!(age <= two_waits_ns + self.back_ns, "an orphan lives for {age} ns");
            self.orphans.push(orphan);
        }
    }

    /// Whoever has heard the end of a stream has all of it, though nobody held its other end any more.
    pub(super) fn check_orphan_whole(&mut self, line: usize, host: usize) {
        let [reader, writer] = [host, 1 - host].map(|at| &self.lines[line].sides[at]);
        let was_let_go = writer.closed == Some(Closed::Aborted) && writer.id.is_none();
        if reader.closed == Some(Closed::Finished) && was_let_go && !writer.has_shut {
            assert_eq!(
                reader.read, writer.written,
                "line {line} is not whole, though it ended well"
            );
            self.totals.done.orphans_whole += 1;
        }
    }
}
