//! The error queue of a connection: what it tells of sends once they have left or are acknowledged, as Linux does
//! (SO_ZEROCOPY, SO_TIMESTAMPING).
//!
//! What is sent with MSG_ZEROCOPY is copied like everything else, and its notice says so.

use std::collections::{HashMap, VecDeque};

use fixwire::time::Instant;

use crate::errno::Errno;
use crate::host::Host;
use crate::socket::{Fd, Kind, Line};

/// SO_TIMESTAMPING: stamp what is handed to the queue, what leaves it, what is acknowledged.
const TX_SOFTWARE: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
const TX_SCHED: u32 = libc::SOF_TIMESTAMPING_TX_SCHED;
const TX_ACK: u32 = libc::SOF_TIMESTAMPING_TX_ACK;
/// Tell of the host's own stamps, with the number of the byte, without the bytes.
const SOFTWARE: u32 = libc::SOF_TIMESTAMPING_SOFTWARE;
const OPT_ID: u32 = libc::SOF_TIMESTAMPING_OPT_ID;
const OPT_TSONLY: u32 = libc::SOF_TIMESTAMPING_OPT_TSONLY;
/// What may be asked for.
pub const STAMPS_OFFERED: u32 = TX_SOFTWARE | TX_SCHED | TX_ACK | SOFTWARE | OPT_ID | OPT_TSONLY;

/// `linux/errqueue.h`.
const ORIGIN_ZERO_COPY: u8 = 5;
const ORIGIN_TIMESTAMPING: u8 = 4;
const CODE_COPIED: u8 = 1;
const STAMP_SENT: u32 = 0;
const STAMP_SCHEDULED: u32 = 1;
const STAMP_ACKNOWLEDGED: u32 = 2;

/// One message of ancillary data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// As in `cmsghdr`.
    pub level: i32,
    /// As in `cmsghdr`.
    pub kind: i32,
    /// What follows it.
    pub data: Vec<u8>,
}

/// What one connection has told and has yet to tell.
#[derive(Debug, Default)]
pub struct Notices {
    /// Sends with MSG_ZEROCOPY that are not acknowledged: where each ends.
    copies: VecDeque<u64>,
    /// The number of the first of them.
    first_copy: u32,
    /// Writes whose last byte is to be stamped.
    writes: VecDeque<Write>,
    /// SO_TIMESTAMPING, and from where bytes are counted.
    stamps: u32,
    counted_from: u64,
    queue: VecDeque<Notice>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    end: u64,
    has_left: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notice {
    /// These sends, first and last, are acknowledged and their memory is free.
    Copied { first: u32, last: u32 },
    /// The last byte of a write has been scheduled, sent or acknowledged.
    Stamped { what: u32, key: u32, at: Instant },
}

impl Notices {
    /// So many bytes were written, which makes `end` of them.
    fn note_write(&mut self, end: u64, is_zero_copy: bool) {
        if is_zero_copy {
            self.copies.push_back(end);
        }
        if self.stamps & (TX_SOFTWARE | TX_SCHED | TX_ACK) != 0 {
            self.writes.push_back(Write { end, has_left: false });
        }
    }

    /// Of all that was written, so much has left and so much is acknowledged. Says whether there is news.
    fn settle(&mut self, now: Instant, sent: u64, acknowledged: u64) -> bool {
        let before = self.queue.len();
        let mut has_grown = false;
        while self.copies.front().is_some_and(|end| *end <= acknowledged) {
            self.copies.pop_front();
            let number = self.first_copy;
            self.first_copy += 1;
            match self.queue.back_mut() {
                Some(Notice::Copied { last, .. }) if *last + 1 == number => *last = number,
                _ => self.queue.push_back(Notice::Copied { first: number, last: number }),
            }
            has_grown = true;
        }
        let (stamps, from) = (self.stamps, self.counted_from);
        let mut told = Vec::new();
        let mut tell = |asked: u32, what, end: u64| {
            if stamps & asked != 0 && stamps & SOFTWARE != 0 {
                let key = if stamps & OPT_ID != 0 { (end - from) as u32 - 1 } else { 0 };
                told.push(Notice::Stamped { what, key, at: now });
            }
        };
        for write in self.writes.iter_mut().filter(|write| !write.has_left && write.end <= sent) {
            write.has_left = true;
            tell(TX_SCHED, STAMP_SCHEDULED, write.end);
            tell(TX_SOFTWARE, STAMP_SENT, write.end);
        }
        let is_over = |write: &&Write| write.end <= acknowledged;
        let over = self.writes.iter().take_while(is_over).count();
        for write in self.writes.drain(..over) {
            tell(TX_ACK, STAMP_ACKNOWLEDGED, write.end);
        }
        self.queue.extend(told);
        has_grown || self.queue.len() > before
    }

    /// The oldest notice as recvmsg tells it, and whether the bytes that it is about are left out.
    fn take(&mut self, is_v6: bool) -> Option<(Vec<Control>, bool)> {
        let error = |errno: i32, origin, code, info: u32, data: u32| {
            // `sock_extended_err`, and the address of whoever is to blame: nobody.
            let mut bytes = (errno as u32).to_ne_bytes().to_vec();
            bytes.extend([origin, 0, code, 0]);
            bytes.extend(info.to_ne_bytes());
            bytes.extend(data.to_ne_bytes());
            let (level, kind, addr_len) = if is_v6 {
                (libc::SOL_IPV6, libc::IPV6_RECVERR, size_of::<libc::sockaddr_in6>())
            } else {
                (libc::SOL_IP, libc::IP_RECVERR, size_of::<libc::sockaddr_in>())
            };
            bytes.resize(bytes.len() + addr_len, 0);
            Control { level, kind, data: bytes }
        };
        Some(match self.queue.pop_front()? {
            Notice::Copied { first, last } => {
                (vec![error(0, ORIGIN_ZERO_COPY, CODE_COPIED, first, last)], false)
            }
            Notice::Stamped { what, key, at } => {
                let mut data = (at.as_ns() / 1_000_000_000).to_ne_bytes().to_vec();
                data.extend((at.as_ns() % 1_000_000_000).to_ne_bytes());
                // Those of the hardware, of which there is none.
                data.resize(3 * data.len(), 0);
                let stamp = Control { level: libc::SOL_SOCKET, kind: libc::SO_TIMESTAMPING, data };
                let error = error(libc::ENOMSG, ORIGIN_TIMESTAMPING, 0, what, key);
                (vec![stamp, error], self.stamps & OPT_TSONLY == 0)
            }
        })
    }
}

/// Those of every connection that has any.
pub type All = HashMap<Line, Notices>;

impl Host {
    /// SO_TIMESTAMPING. Bytes are counted from what is not acknowledged on.
    pub(crate) fn set_stamps(&mut self, fd: Fd, stamps: u32) -> Result<(), Errno> {
        let (line, _) = self.stream(fd)?;
        let (_, acknowledged) = self.progress(line);
        let notices = self.notices.entry(line).or_default();
        if notices.stamps & OPT_ID == 0 {
            notices.counted_from = acknowledged;
        }
        notices.stamps = stamps;
        Ok(())
    }

    /// A write has put all that it could into the stream.
    pub(crate) fn note_write(&mut self, fd: Fd, is_zero_copy: bool) {
        let Ok((line, _)) = self.stream(fd) else { return };
        let asks = self.sockets.get(&fd).is_some_and(|socket| socket.options.zero_copy);
        let end = self.facts_of(line).traffic.bytes_written;
        self.notices.entry(line).or_default().note_write(end, asks && is_zero_copy);
    }

    /// How many of the bytes written have left, and how many are acknowledged.
    fn progress(&self, line: Line) -> (u64, u64) {
        let written = self.facts_of(line).traffic.bytes_written;
        let info = self.stacks[line.stack].1.info(line.id);
        let held = info.map_or(0, |info| info.send_buffered_bytes as u64);
        let flight = info.map_or(0, |info| u64::from(info.snd_nxt.since(info.snd_una)));
        let acknowledged = written.saturating_sub(held);
        (acknowledged + flight.min(held), acknowledged)
    }

    /// Tells of what has left and of what is acknowledged.
    pub(crate) fn settle_notices(&mut self) {
        let lines: Vec<Line> = self.notices.keys().copied().collect();
        for line in lines {
            let (sent, acknowledged) = self.progress(line);
            let notices = self.notices.entry(line).or_default();
            if notices.settle(self.now, sent, acknowledged)
                && let Some(facts) = self.facts.get_mut(&line)
            {
                facts.happenings += 1;
            }
        }
    }

    /// Whether a connection has a notice that nobody has read.
    pub(crate) fn has_notice(&self, line: Line) -> bool {
        self.notices.get(&line).is_some_and(|notices| !notices.queue.is_empty())
    }

    /// recvmsg() with MSG_ERRQUEUE, which never waits: the oldest notice, and the flags beside it.
    pub(crate) fn take_notice(&mut self, fd: Fd) -> Result<(Vec<Control>, i32), Errno> {
        let socket = self.socket(fd)?;
        let is_v6 = socket.is_v6;
        let line = match &socket.kind {
            Kind::Stream { line, .. } => Some(*line),
            _ => None,
        };
        let notices = line.and_then(|line| self.notices.get_mut(&line));
        let taken = notices.and_then(|notices| notices.take(is_v6));
        let (controls, is_cut) = taken.ok_or(Errno(libc::EAGAIN))?;
        Ok((controls, libc::MSG_ERRQUEUE | if is_cut { libc::MSG_TRUNC } else { 0 }))
    }

    /// TCP_INQ: beside what was read, how much more there is; 1 for the stream's end.
    pub(crate) fn unread_control(&self, fd: Fd) -> Option<Control> {
        let asks = self.sockets.get(&fd)?.options.tells_unread;
        let (line, _) = self.stream(fd).ok().filter(|_| asks)?;
        let info = self.stacks[line.stack].1.info(line.id);
        let held = info.map_or(0, |info| info.receive_buffered_bytes as i32);
        let has_ended = self.facts_of(line).peer_has_closed;
        let unread = if held == 0 { i32::from(has_ended) } else { held };
        let data = unread.to_ne_bytes().to_vec();
        Some(Control { level: libc::SOL_TCP, kind: libc::TCP_CM_INQ, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_that_are_acknowledged_before_anybody_looks_are_told_of_together() {
        let mut notices = Notices::default();
        for end in [10, 20, 30] {
            notices.note_write(end, true);
        }
        assert!(notices.settle(Instant::ZERO, 30, 20));
        assert!(!notices.settle(Instant::ZERO, 30, 29));
        assert_eq!(notices.queue, [Notice::Copied { first: 0, last: 1 }]);
        let (controls, is_cut) = notices.take(false).unwrap();
        // What failed (nothing), of what origin, copied, from number 0 to number 1.
        assert_eq!(controls[0].data[..16], [0, 0, 0, 0, 5, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert!(!is_cut);
        assert!(notices.settle(Instant::ZERO, 30, 30));
        assert_eq!(notices.queue, [Notice::Copied { first: 2, last: 2 }]);
    }

    #[test]
    fn last_byte_of_a_write_is_stamped_when_it_leaves_and_when_it_is_acknowledged() {
        let stamps = TX_SOFTWARE | TX_ACK | SOFTWARE | OPT_ID;
        let mut notices = Notices { stamps, counted_from: 5, ..Notices::default() };
        notices.note_write(25, false);
        assert!(!notices.settle(Instant::from_ms(1), 24, 0));
        assert!(notices.settle(Instant::from_ms(2), 25, 24));
        assert!(!notices.settle(Instant::from_ms(3), 25, 24));
        assert!(notices.settle(Instant::from_ms(4), 25, 25));
        let stamped = |what, ms| Notice::Stamped { what, key: 19, at: Instant::from_ms(ms) };
        assert_eq!(notices.queue, [stamped(STAMP_SENT, 2), stamped(STAMP_ACKNOWLEDGED, 4)]);
        assert_eq!(
            notices.take(false).map(|(controls, is_cut)| (controls.len(), is_cut)),
            Some((2, true))
        );
    }
}
