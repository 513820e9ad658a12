//! The calls of scripts, each tried until it is done: whoever may not wait tries once.

use fixwire::tcp::{Config, Endpoint, ListenerId, SendRefusal, State};
use fixwire::time::Instant;

use crate::errno::Errno;
use crate::host::Host;
use crate::settings::Opening;
use crate::socket::{Facts, Fd, Kind, Line, Options, Socket};

/// A call that may have to wait.
#[derive(Debug)]
pub enum Call {
    /// Takes the next connection of a listener.
    Accept {
        /// The listener.
        fd: Fd,
    },
    /// Waits until a connection is open or refused; begun by [`Host::connect`].
    Connect {
        /// The connection.
        fd: Fd,
    },
    /// Reads.
    Read {
        /// The connection.
        fd: Fd,
        /// At most so many bytes.
        len: usize,
        /// `MSG_PEEK`.
        peeks: bool,
        /// `MSG_WAITALL`.
        waits_for_all: bool,
        /// `MSG_DONTWAIT`.
        may_not_wait: bool,
    },
    /// Writes.
    Write {
        /// The connection.
        fd: Fd,
        /// What.
        bytes: Vec<u8>,
        /// How many of them are in the stream already.
        done: usize,
        /// `MSG_DONTWAIT`, `MSG_ZEROCOPY`, `MSG_EOR`, `MSG_MORE`.
        flags: i32,
        /// It has waited for room.
        has_waited: bool,
    },
    /// Waits until something happens to one of several descriptors.
    Poll {
        /// The descriptors, each with what it is asked for.
        asked: Vec<(Fd, i16)>,
        /// Until when.
        until: Option<Instant>,
    },
    /// The same, of a set kept by epoll.
    EpollWait {
        /// The set.
        fd: Fd,
        /// At most so many.
        max: usize,
        /// Until when.
        until: Option<Instant>,
    },
    /// Waits until what a lingering socket sent is acknowledged.
    Linger {
        /// The connection, released by then.
        line: Line,
        /// Until when.
        until: Instant,
    },
}

/// What a call yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Yield {
    /// Nothing but success.
    Nothing,
    /// A descriptor, and the peer's endpoint.
    Accepted(Fd, Endpoint),
    /// Bytes read.
    Bytes(Vec<u8>),
    /// How many bytes were written.
    Written(usize),
    /// For each descriptor polled, what happened.
    Ready(Vec<i16>),
    /// What happened to descriptors of a set, and the script's data for each.
    Events(Vec<(u32, u64)>),
}

/// What became of a call.
pub type Outcome = Result<Yield, Errno>;

/// `linux/socket.h`.
pub const MSG_ZEROCOPY: i32 = 0x400_0000;
const EBADF: Errno = Errno(libc::EBADF);
const EINVAL: Errno = Errno(libc::EINVAL);
const ENOTCONN: Errno = Errno(libc::ENOTCONN);
const EAGAIN: Errno = Errno(libc::EAGAIN);
const EPIPE: Errno = Errno(libc::EPIPE);

impl Call {
    /// When it is done, whatever happens.
    pub fn deadline(&self) -> Option<Instant> {
        match self {
            Call::Poll { until, .. } | Call::EpollWait { until, .. } => *until,
            Call::Linger { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// What it yields if it may not wait and cannot be done now; `None` if it may wait.
    fn without_waiting(&self, host: &Host) -> Option<Outcome> {
        let is_nonblocking =
            |fd: &Fd| host.sockets.get(fd).is_none_or(|socket| socket.is_nonblocking);
        match self {
            Call::Accept { fd } => is_nonblocking(fd).then_some(Err(EAGAIN)),
            Call::Connect { fd } => is_nonblocking(fd).then_some(Err(Errno(libc::EINPROGRESS))),
            Call::Read { fd, may_not_wait, .. } => {
                (*may_not_wait || is_nonblocking(fd)).then_some(Err(EAGAIN))
            }
            Call::Write { fd, done, flags, .. } => {
                let written = if *done > 0 { Ok(Yield::Written(*done)) } else { Err(EAGAIN) };
                (flags & libc::MSG_DONTWAIT != 0 || is_nonblocking(fd)).then_some(written)
            }
            Call::Poll { .. } | Call::EpollWait { .. } | Call::Linger { .. } => None,
        }
    }
}

impl Host {
    /// Tries a call. `None` if it has to wait.
    pub fn attempt(&mut self, call: &mut Call) -> Option<Outcome> {
        let outcome = match call {
            Call::Accept { fd } => self.try_accept(*fd),
            Call::Connect { fd } => self.try_connect(*fd),
            Call::Read { fd, len, peeks, waits_for_all, .. } => {
                self.try_read(*fd, *len, *peeks, *waits_for_all)
            }
            Call::Write { fd, bytes, done, flags, has_waited } => {
                let outcome = self.try_write(*fd, bytes, done, *flags, *has_waited);
                *has_waited |= outcome.is_none();
                outcome
            }
            Call::Poll { asked, until } => self.try_poll(asked, *until),
            Call::EpollWait { fd, max, until } => self.try_epoll_wait(*fd, *max, *until),
            Call::Linger { line, until } => self.try_linger(*line, *until),
        };
        let outcome = outcome.or_else(|| call.without_waiting(self));
        if let (Some(Ok(Yield::Written(1..))), Call::Write { fd, flags, .. }) = (&outcome, &call) {
            self.note_write(*fd, flags & MSG_ZEROCOPY != 0);
        }
        outcome
    }

    /// socket().
    pub fn new_socket(&mut self, domain: i32, kind: i32, protocol: i32) -> Result<Fd, Errno> {
        self.reread_settings();
        let plain = kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC);
        let is_tcp = plain == libc::SOCK_STREAM && matches!(protocol, 0 | libc::IPPROTO_TCP);
        // One of IPv6 may be told IPv4 addresses.
        if !matches!(domain, libc::AF_INET | libc::AF_INET6) || !is_tcp {
            let what = match (plain, protocol) {
                (_, libc::IPPROTO_MPTCP) => "Multipath TCP".to_owned(),
                (libc::SOCK_DGRAM, _) => "datagram sockets".to_owned(),
                _ => format!("socket({domain}, {plain}, {protocol})"),
            };
            self.report.needs(&what);
            return Err(Errno(libc::EPROTONOSUPPORT));
        }
        let mut socket = Socket::new(Kind::Fresh, Options::of(&self.settings));
        socket.is_nonblocking = kind & libc::SOCK_NONBLOCK != 0;
        socket.is_v6 = domain == libc::AF_INET6;
        Ok(self.open(socket))
    }

    /// bind().
    pub fn bind(&mut self, fd: Fd, local: Endpoint) -> Result<(), Errno> {
        let reuses = self.socket(fd)?.options.reuses_address;
        let is_taken = self.sockets.iter().any(|(other, socket)| {
            let is_listener = matches!(socket.kind, Kind::Listening { .. });
            *other != fd && socket.bound == Some(local) && (is_listener || !reuses)
        });
        let socket = self.socket(fd)?;
        if !matches!(socket.kind, Kind::Fresh) || socket.bound.is_some() {
            return Err(EINVAL);
        }
        if is_taken {
            return Err(Errno(libc::EADDRINUSE));
        }
        socket.bound = Some(local);
        Ok(())
    }

    /// listen().
    pub fn listen(&mut self, fd: Fd, backlog: i32) -> Result<(), Errno> {
        self.reread_settings();
        let socket = self.socket(fd)?;
        let options = socket.options;
        match (&socket.kind, socket.bound) {
            (Kind::Listening { .. }, _) => return Ok(()),
            (Kind::Fresh, Some(_)) => {}
            (Kind::Fresh, None) => {
                self.report.needs("listen() on a socket that is not bound");
                return Err(EINVAL);
            }
            _ => return Err(EINVAL),
        }
        let mut config = self.config_of(Opening::Passive, &options);
        let backlog = usize::try_from(backlog).unwrap_or(0).max(1);
        config.backlog_max = if self.settings.cookies_alone { 0 } else { backlog };
        let (stack, listener) = self.listen_by(fd, config)?;
        self.socket(fd)?.kind = Kind::Listening { stack, listener, queue: Default::default() };
        Ok(())
    }

    fn listen_by(&mut self, fd: Fd, config: Config) -> Result<(usize, ListenerId), Errno> {
        let local = self.socket(fd)?.bound.ok_or(EINVAL)?;
        let stack = self.stack_of(config);
        let listener = self.stacks[stack].1.listen(local).map_err(Errno::of_refusal)?;
        Ok((stack, listener))
    }

    /// Moves a listener to the stack that its options ask for, unless connections hang on it.
    pub(crate) fn listen_anew(&mut self, fd: Fd) -> Result<(), Errno> {
        let socket = self.socket(fd)?;
        let options = socket.options;
        let Kind::Listening { stack, listener, .. } = socket.kind else { return Ok(()) };
        let backlog_max = self.stacks[stack].0.backlog_max;
        let config = Config { backlog_max, ..self.config_of(Opening::Passive, &options) };
        if config == self.stacks[stack].0 {
            return Ok(());
        }
        if self.facts.keys().any(|line| line.stack == stack) {
            self.report.needs("options of a listener that has accepted connections");
            return Ok(());
        }
        self.stacks[stack].1.unlisten(listener);
        let (stack, listener) = self.listen_by(fd, config)?;
        self.socket(fd)?.kind = Kind::Listening { stack, listener, queue: Default::default() };
        Ok(())
    }

    /// Begins to connect, or goes on with it: what is left is [`Call::Connect`].
    pub fn connect(&mut self, fd: Fd, local: Endpoint, remote: Endpoint) -> Result<(), Errno> {
        self.reread_settings();
        let socket = self.socket(fd)?;
        let options = socket.options;
        match &mut socket.kind {
            Kind::Fresh => {}
            Kind::Stream { is_told: true, .. } => return Err(Errno(libc::EISCONN)),
            &mut Kind::Stream { line, .. } => {
                let is_opening = self.state_of(line) == State::SynSent;
                return if is_opening && self.socket(fd)?.is_nonblocking {
                    Err(Errno(libc::EALREADY))
                } else {
                    Ok(())
                };
            }
            _ => return Err(Errno(libc::EISCONN)),
        }
        let local = self.socket(fd)?.bound.unwrap_or(local);
        let config = self.config_of(Opening::Active, &options);
        let stack = self.stack_of(config);
        let now = self.now;
        let id = self.stacks[stack].1.connect(now, local, remote).map_err(Errno::of_refusal)?;
        let line = Line { stack, id };
        self.facts.insert(line, Facts::new(now));
        self.socket(fd)?.kind = Kind::Stream { line, is_told: false };
        self.pump();
        Ok(())
    }

    fn try_connect(&mut self, fd: Fd) -> Option<Outcome> {
        let (line, _) = match self.stream(fd) {
            Ok(stream) => stream,
            Err(error) => return Some(Err(error)),
        };
        let facts = self.facts_of(line);
        let socket = self.sockets.get_mut(&fd)?;
        if let Some(error) = socket.error.take() {
            socket.kind = Kind::Fresh;
            return Some(Err(error));
        }
        if facts.is_established || facts.closed.is_some() {
            socket.kind = Kind::Stream { line, is_told: true };
            return Some(if facts.is_established {
                Ok(Yield::Nothing)
            } else {
                Err(Errno(libc::ECONNABORTED))
            });
        }
        None
    }

    fn try_accept(&mut self, fd: Fd) -> Option<Outcome> {
        let socket = match self.socket(fd) {
            Ok(socket) => socket,
            Err(error) => return Some(Err(error)),
        };
        let (options, is_v6) = (socket.options, socket.is_v6);
        let Kind::Listening { queue, .. } = &mut socket.kind else { return Some(Err(EINVAL)) };
        let line = queue.pop_front()?;
        let info = self.stacks[line.stack].1.info(line.id);
        let mut socket = Socket::new(Kind::Stream { line, is_told: true }, options);
        (socket.bound, socket.is_v6) = (info.map(|info| info.local), is_v6);
        socket.error = self.facts_of(line).closed.and_then(Errno::of_closed);
        let remote = info.map_or(Endpoint::UNSPECIFIED, |info| info.remote);
        Some(Ok(Yield::Accepted(self.open(socket), remote)))
    }

    /// The connection of `fd`, and whether it has been told of.
    pub(crate) fn stream(&self, fd: Fd) -> Result<(Line, bool), Errno> {
        match self.sockets.get(&fd).ok_or(EBADF)?.kind {
            Kind::Stream { line, is_told } => Ok((line, is_told)),
            _ => Err(ENOTCONN),
        }
    }

    fn try_read(
        &mut self,
        fd: Fd,
        len: usize,
        peeks: bool,
        waits_for_all: bool,
    ) -> Option<Outcome> {
        let (line, _) = match self.stream(fd) {
            Ok(stream) => stream,
            Err(error) => return Some(Err(error)),
        };
        let now = self.now;
        let facts = self.facts_of(line);
        let stack = &mut self.stacks[line.stack].1;
        let held = stack.info(line.id).map_or(0, |info| info.receive_buffered_bytes);
        let is_over = facts.peer_has_closed || facts.closed.is_some();
        let socket = self.sockets.get_mut(&fd)?;
        let least = if waits_for_all { len } else { socket.options.receive_lowat.min(len) };
        if held == 0 || (held < least && !is_over) {
            return match socket.error.take() {
                Some(error) => Some(Err(error)),
                None if is_over || socket.read_is_shut || len == 0 => {
                    Some(Ok(Yield::Bytes(Vec::new())))
                }
                None => None,
            };
        }
        let wanted = len.min(held);
        if peeks {
            let mut bytes = vec![0; wanted];
            stack.peek(line.id, &mut bytes);
            return Some(Ok(Yield::Bytes(bytes)));
        }
        let mut bytes = Vec::with_capacity(wanted);
        while bytes.len() < wanted {
            let run = stack.readable(line.id);
            let part = run.len().min(wanted - bytes.len());
            if part == 0 {
                break;
            }
            bytes.extend_from_slice(&run[..part]);
            stack.consume(now, line.id, part);
        }
        Some(Ok(Yield::Bytes(bytes)))
    }

    fn try_write(
        &mut self,
        fd: Fd,
        bytes: &[u8],
        done: &mut usize,
        flags: i32,
        has_waited: bool,
    ) -> Option<Outcome> {
        let (line, _) = match self.stream(fd) {
            Ok(stream) => stream,
            Err(ENOTCONN) => return Some(Err(EPIPE)),
            Err(error) => return Some(Err(error)),
        };
        let socket = self.sockets.get_mut(&fd)?;
        if let Some(error) = socket.error.take() {
            return Some(Err(error));
        }
        if socket.write_is_shut {
            return Some(Err(EPIPE));
        }
        // Whoever waits is woken when it is worthwhile, and not for every byte.
        if has_waited && self.facts_of(line).closed.is_none() && !self.wakes_writer(fd, line) {
            return None;
        }
        let now = self.now;
        while *done < bytes.len() {
            let part = self.send_space(fd, line).min(bytes.len() - *done);
            let stack = &mut self.stacks[line.stack].1;
            match stack.reserve(line.id, part.max(1)) {
                Ok(room) if part > 0 => {
                    room[..part].copy_from_slice(&bytes[*done..*done + part]);
                    stack.commit(now, line.id, part);
                    *done += part;
                    if let Some(facts) = self.facts.get_mut(&line) {
                        facts.traffic.bytes_written += part as u64;
                    }
                }
                Ok(_) | Err(SendRefusal::NoRoom | SendRefusal::NotConnected) => return None,
                Err(_) if *done > 0 => break,
                Err(_) => return Some(Err(EPIPE)),
            }
        }
        if *done == bytes.len() {
            self.note_end_of_write(fd, line, flags);
        }
        Some(Ok(Yield::Written(*done)))
    }
}
