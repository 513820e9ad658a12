//! How much a socket takes to send, and when it is writable: TCP_NOTSENT_LOWAT, SO_SNDBUF, TCP_CORK.
//!
//! Linux counts what it keeps bytes in, not bytes, and looks whether there is room only where another such
//! piece begins: scripts written for it name the numbers that come of it, and get them. Else a buffer holds as many
//! bytes as it says.

use fixwire::tcp::Info;

use crate::errno::Errno;
use crate::host::Host;
use crate::settings::Dialect;
use crate::socket::{Facts, Fd, Line};

/// Linux: what a piece of a stream weighs besides its bytes.
const PIECE_OVERHEAD: usize = 1_280;
/// What a full segment is counted as where a buffer grows with the congestion window.
const SEGMENT_WEIGHT: usize = 2_304;
/// The least that SO_SNDBUF sets.
const SEND_BYTES_MIN: usize = 4_608;
/// The longest piece: what a NIC is given to cut.
const PIECE_BYTES_MAX: usize = 65_215;
/// A peer with less is sent all that it takes at once.
const SMALL_WINDOW: usize = 536;

/// What is in a connection's send queue, in bytes of the stream.
struct Queue {
    /// Not acknowledged.
    held: usize,
    /// Of those, what has not left and the windows do not let leave now.
    unsent: usize,
    /// The length of a full piece.
    piece: usize,
}

impl Queue {
    fn of(info: &Info, facts: &Facts) -> Queue {
        let held = info.send_buffered_bytes;
        let flight = (info.snd_nxt.since(info.snd_una) as usize).min(held);
        let (mss, waiting) = (info.mss.max(1) as usize, held - flight);
        let window = facts.snd_wnd_max as usize;
        let half = if window > SMALL_WINDOW { window / 2 } else { PIECE_BYTES_MAX };
        // What is written at once leaves by half of the congestion window, until half of the peer's is written.
        let is_pushed = facts.traffic.bytes_written - facts.pushed_to > window as u64 / 2;
        let most = info.cwnd as usize / if is_pushed { 1 } else { 2 };
        let usable = (info.snd_wnd.min(info.cwnd) as usize).saturating_sub(flight).min(most);
        let leaves = if waiting <= usable { waiting } else { usable / mss * mss };
        let piece = (half.min(PIECE_BYTES_MAX) / mss * mss).max(mss);
        Queue { held, unsent: waiting - leaves, piece }
    }

    /// What it weighs.
    fn weight(&self) -> usize {
        self.held + PIECE_OVERHEAD * self.held.div_ceil(self.piece)
    }
}

impl Host {
    /// SO_SNDBUF as it is told.
    pub(crate) fn send_bound(&mut self, fd: Fd) -> Result<usize, Errno> {
        let set = self.socket(fd)?.options.send_bytes;
        Ok(self.bound(set))
    }

    fn bound(&self, set: Option<usize>) -> usize {
        let is_linux = self.settings.dialect == Dialect::Linux;
        match set {
            Some(bytes) if is_linux => (2 * bytes).max(SEND_BYTES_MIN),
            Some(bytes) => bytes,
            None => self.settings.send_bytes,
        }
    }

    /// Linux: a buffer that nobody has named grows with the congestion window.
    fn grown_bound(&self, fd: Fd, info: &Info) -> usize {
        let set = self.sockets.get(&fd).and_then(|socket| socket.options.send_bytes);
        let segments = (info.cwnd / info.mss.max(1)).max(10) as usize;
        let grown = if set.is_none() { 2 * segments * SEGMENT_WEIGHT } else { 0 };
        self.bound(set).max(grown)
    }

    fn notsent_lowat(&self, fd: Fd) -> usize {
        let set = self.sockets.get(&fd).map_or(0, |socket| socket.options.notsent_lowat);
        (if set > 0 { set } else { self.settings.notsent_lowat }) as usize
    }

    /// How many bytes a write may put into the stream next; 0 where it has to wait.
    pub(crate) fn send_space(&mut self, fd: Fd, line: Line) -> usize {
        let Some(info) = self.stacks[line.stack].1.info(line.id) else { return 0 };
        let room = self.stacks[line.stack].1.send_room(line.id);
        if self.settings.dialect != Dialect::Linux {
            let set = self.sockets.get(&fd).and_then(|socket| socket.options.send_bytes);
            return self.bound(set).saturating_sub(info.send_buffered_bytes).min(room);
        }
        let queue = Queue::of(&info, &self.facts_of(line));
        let (bound, lowat) = (self.grown_bound(fd, &info), self.notsent_lowat(fd));
        let Some(facts) = self.facts.get_mut(&line) else { return 0 };
        let written = facts.traffic.bytes_written;
        let begun = facts.piece_from.max(written - queue.unsent as u64);
        let last = (written - begun) as usize;
        if last > 0 && last < queue.piece {
            return (queue.piece - last).min(room);
        }
        if queue.weight() >= bound || queue.unsent >= lowat {
            return 0;
        }
        facts.piece_from = written;
        queue.piece.min(room)
    }

    /// Whether poll tells that `fd` is writable, as far as its buffer goes. Linux: once a third of what is held would
    /// fit again, and what is unsent is half of what it may be.
    pub(crate) fn has_send_space(&self, fd: Fd, line: Line) -> bool {
        let Some(info) = self.stacks[line.stack].1.info(line.id) else { return true };
        let queue = Queue::of(&info, &self.facts_of(line));
        if self.settings.dialect != Dialect::Linux {
            let set = self.sockets.get(&fd).and_then(|socket| socket.options.send_bytes);
            return queue.held * 3 / 2 <= self.bound(set);
        }
        queue.weight() * 3 / 2 <= self.grown_bound(fd, &info)
            && queue.unsent.saturating_mul(2) < self.notsent_lowat(fd)
    }

    /// Whether a write that waits goes on.
    pub(crate) fn wakes_writer(&self, fd: Fd, line: Line) -> bool {
        self.settings.dialect != Dialect::Linux || self.has_send_space(fd, line)
    }

    /// Bytes were written to the end of a write: MSG_EOR, MSG_MORE, TCP_CORK.
    pub(crate) fn note_end_of_write(&mut self, fd: Fd, line: Line, flags: i32) {
        let is_corked = self.sockets.get(&fd).is_some_and(|socket| socket.options.is_corked);
        let now = self.now;
        if let Some(facts) = self.facts.get_mut(&line) {
            facts.pushed_to = facts.traffic.bytes_written;
            facts.follows_more = flags & libc::MSG_MORE != 0;
        }
        let stack = &mut self.stacks[line.stack].1;
        if flags & libc::MSG_MORE != 0 || is_corked {
            stack.await_commit(now, line.id);
        }
        if flags & libc::MSG_EOR != 0 {
            stack.end_segment(now, line.id);
        }
    }

    /// TCP_CORK taken off, or TCP_NODELAY: what waits for more leaves.
    pub(crate) fn settle_cork(&mut self, line: Line, option: i32, is_on: bool) {
        // A write under a cork was pushed, one with MSG_MORE was not.
        let pushes = !self.facts_of(line).follows_more;
        let is_let = matches!((option, is_on), (libc::TCP_CORK, false) | (libc::TCP_NODELAY, true));
        if is_let {
            self.stacks[line.stack].1.let_leave(self.now, line.id, pushes);
            self.pump();
        }
    }
}
