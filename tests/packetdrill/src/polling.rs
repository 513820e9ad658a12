//! What poll and epoll tell of descriptors.

use fixwire::time::Instant;

use crate::calls::{Outcome, Yield};
use crate::errno::Errno;
use crate::host::Host;
use crate::socket::{Fd, Kind, Options, Socket, Watch};

const EINVAL: Errno = Errno(libc::EINVAL);

impl Host {
    pub(crate) fn try_poll(
        &mut self,
        asked: &[(Fd, i16)],
        until: Option<Instant>,
    ) -> Option<Outcome> {
        let always = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
        let ready: Vec<i16> = asked
            .iter()
            .map(|&(fd, events)| match fd {
                ..0 => 0,
                _ => self.readiness(fd) & (events | always),
            })
            .collect();
        let is_due = until.is_some_and(|until| until <= self.now);
        (is_due || ready.iter().any(|events| *events != 0)).then_some(Ok(Yield::Ready(ready)))
    }

    /// What poll tells of a descriptor.
    pub fn readiness(&self, fd: Fd) -> i16 {
        let Some(socket) = self.sockets.get(&fd) else { return libc::POLLNVAL };
        let line = match &socket.kind {
            Kind::Fresh => return libc::POLLOUT | libc::POLLHUP,
            Kind::Epoll(_) => return 0,
            Kind::Listening { queue, .. } => {
                return if queue.is_empty() { 0 } else { libc::POLLIN | libc::POLLRDNORM };
            }
            Kind::Stream { line, .. } => *line,
        };
        let facts = self.facts_of(line);
        let is_over = facts.closed.is_some();
        let has_ended = facts.peer_has_closed || is_over || socket.read_is_shut;
        let info = self.stacks[line.stack].1.info(line.id);
        let held = info.map_or(0, |info| info.receive_buffered_bytes);
        let mut ready = 0;
        if held >= socket.options.receive_lowat || has_ended {
            ready |= libc::POLLIN | libc::POLLRDNORM;
        }
        if has_ended {
            ready |= libc::POLLRDHUP;
        }
        if is_over || (has_ended && socket.write_is_shut) {
            ready |= libc::POLLHUP;
        }
        if socket.error.is_some() || self.has_notice(line) {
            ready |= libc::POLLERR;
        }
        let has_room = facts.is_established && self.has_send_space(fd, line);
        if has_room || socket.write_is_shut || is_over {
            ready |= libc::POLLOUT | libc::POLLWRNORM;
        }
        ready
    }

    /// epoll_create().
    pub fn epoll_create(&mut self) -> Fd {
        let options = Options::of(&self.settings);
        self.open(Socket::new(Kind::Epoll(Vec::new()), options))
    }

    /// epoll_ctl().
    pub fn epoll_ctl(&mut self, set: Fd, op: i32, mut watch: Watch) -> Result<(), Errno> {
        self.socket(watch.fd)?;
        // Asked for or not; one that has told once (EPOLLONESHOT) tells nothing more until it is set anew.
        watch.events |= (libc::EPOLLERR | libc::EPOLLHUP) as u32;
        let Kind::Epoll(watches) = &mut self.socket(set)?.kind else { return Err(EINVAL) };
        let at = watches.iter().position(|known| known.fd == watch.fd);
        match (op, at) {
            (libc::EPOLL_CTL_ADD, None) => watches.push(watch),
            (libc::EPOLL_CTL_ADD, Some(_)) => return Err(Errno(libc::EEXIST)),
            (libc::EPOLL_CTL_MOD, Some(at)) => watches[at] = watch,
            (libc::EPOLL_CTL_DEL, Some(at)) => drop(watches.remove(at)),
            (libc::EPOLL_CTL_MOD | libc::EPOLL_CTL_DEL, None) => return Err(Errno(libc::ENOENT)),
            _ => return Err(EINVAL),
        }
        Ok(())
    }

    pub(crate) fn try_epoll_wait(
        &mut self,
        set: Fd,
        max: usize,
        until: Option<Instant>,
    ) -> Option<Outcome> {
        let watches = match self.socket(set).map(|socket| &socket.kind) {
            Ok(Kind::Epoll(watches)) => watches.clone(),
            Ok(_) => return Some(Err(EINVAL)),
            Err(error) => return Some(Err(error)),
        };
        let mut events = Vec::new();
        for (at, watch) in watches.iter().enumerate() {
            let ready = u32::from(self.readiness(watch.fd) as u16) & watch.events;
            let happenings = self.happenings(watch.fd);
            let is_edge = watch.events & libc::EPOLLET as u32 != 0;
            let is_news = !is_edge || watch.told_at != Some(happenings);
            if ready == 0 || !is_news || events.len() == max {
                continue;
            }
            events.push((ready, watch.data));
            if let Ok(Socket { kind: Kind::Epoll(kept), .. }) = self.socket(set) {
                kept[at].told_at = Some(happenings);
                if watch.events & libc::EPOLLONESHOT as u32 != 0 {
                    kept[at].events = 0;
                }
            }
        }
        let is_due = until.is_some_and(|until| until <= self.now);
        (is_due || !events.is_empty()).then_some(Ok(Yield::Events(events)))
    }

    fn happenings(&self, fd: Fd) -> u64 {
        match self.sockets.get(&fd).map(|socket| &socket.kind) {
            Some(Kind::Stream { line, .. }) => self.facts_of(*line).happenings,
            Some(Kind::Listening { queue, .. }) => queue.len() as u64,
            _ => 0,
        }
    }
}
