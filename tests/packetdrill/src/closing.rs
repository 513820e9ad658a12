//! The ends of sockets.

use fixwire::tcp::State;
use fixwire::time::{Duration, Instant};

use crate::calls::{Call, Outcome, Yield};
use crate::errno::Errno;
use crate::host::Host;
use crate::socket::{Fd, Kind, Line};

const EBADF: Errno = Errno(libc::EBADF);
const EINVAL: Errno = Errno(libc::EINVAL);
const ENOTCONN: Errno = Errno(libc::ENOTCONN);

impl Host {
    /// shutdown().
    pub fn shutdown(&mut self, fd: Fd, how: i32) -> Result<(), Errno> {
        let (reads, writes) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(EINVAL),
        };
        if reads && matches!(self.socket(fd)?.kind, Kind::Listening { .. }) {
            self.stop_listening(fd)?;
            self.socket(fd)?.kind = Kind::Fresh;
            self.pump();
            return Ok(());
        }
        let (line, _) = self.stream(fd)?;
        if matches!(self.state_of(line), State::Closed | State::TimeWait) {
            return Err(ENOTCONN);
        }
        let now = self.now;
        let socket = self.socket(fd)?;
        socket.read_is_shut |= reads;
        socket.write_is_shut |= writes;
        if writes {
            self.stacks[line.stack].1.shutdown(now, line.id);
        }
        if let Some(facts) = self.facts.get_mut(&line) {
            facts.happenings += 1;
        }
        self.pump();
        Ok(())
    }

    /// close(). What is left may be to [linger](Call::Linger).
    pub fn close(&mut self, fd: Fd) -> Result<Option<Call>, Errno> {
        self.stop_listening(fd)?;
        let socket = self.sockets.remove(&fd).ok_or(EBADF)?;
        let mut left = None;
        if let Kind::Stream { line, .. } = socket.kind {
            let now = self.now;
            let stack = &mut self.stacks[line.stack].1;
            match socket.options.linger_s {
                Some(0) => stack.abort(now, line.id),
                Some(seconds) if !socket.is_nonblocking => {
                    let until = now + Duration::from_s(u64::from(seconds));
                    left = Some(Call::Linger { line, until });
                }
                _ => {}
            }
            if left.is_some() {
                stack.shutdown(now, line.id);
            } else {
                stack.release(line.id);
            }
        }
        self.pump();
        Ok(left)
    }

    pub(crate) fn try_linger(&mut self, line: Line, until: Instant) -> Option<Outcome> {
        let info = self.stacks[line.stack].1.info(line.id);
        let is_sent = info.is_none_or(|info| {
            matches!(info.state, State::FinWait2 | State::TimeWait | State::Closed)
        });
        if !is_sent && self.now < until {
            return None;
        }
        self.stacks[line.stack].1.release(line.id);
        Some(Ok(Yield::Nothing))
    }

    /// Gives a listener up, and resets what nobody has accepted.
    fn stop_listening(&mut self, fd: Fd) -> Result<(), Errno> {
        let now = self.now;
        if let Kind::Listening { stack, listener, queue } = &mut self.socket(fd)?.kind {
            let (stack, listener) = (*stack, *listener);
            let queue = std::mem::take(queue);
            let stack = &mut self.stacks[stack].1;
            stack.unlisten(listener);
            for line in queue {
                stack.abort(now, line.id);
                stack.release(line.id);
            }
        }
        Ok(())
    }
}
