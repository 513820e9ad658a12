//! The kernel's neighbour table, followed off the hot core, and made to look for who is not in it.
//!
//! ```text
//!  polling thread                  "neighbors" thread                     kernel
//!  want(addr) ----- ring, wake --> RTM_GETNEIGH, RTM_NEWNEIGH NTF_USE --> ARP
//!  next() <-------- ring --------- answers and RTNLGRP_NEIGH <----------- table
//! ```

use std::io::{self, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rtrb::{Consumer, Producer, RingBuffer};

use super::messages::{self, Entry, Known, Said};
use super::socket::Socket;
use super::{Errno, Link, RtnetlinkError, is_of};
use crate::core::BusyCore;
use crate::sys;

/// How many neighbours are followed at once: the ones asked for last.
pub const NEIGHBORS_MAX: usize = 64;
/// What may wait for whoever polls, and for the thread: some rounds' worth. What finds no room is asked for anew
/// by whoever still wants it.
const WAITING_MAX: usize = 4 * NEIGHBORS_MAX;
/// The longest sleep of the thread: a wake that was lost costs no more.
const SLEEP_MS_MAX: u16 = 1_000;

/// What was heard of a neighbour.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its hardware address, as the kernel's table has it.
    Is(Ipv4Addr, [u8; 6]),
    /// Nobody answered the kernel.
    Unreachable(Ipv4Addr),
    /// The kernel refused to look for it.
    Refused(Ipv4Addr, Errno),
}

/// The neighbour table of one interface. Dropped, it is followed no more.
pub struct KernelNeighbors {
    link: Link,
    wanted: Producer<Ipv4Addr>,
    heard: Consumer<Heard>,
    wake: UnixStream,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ending: AtomicBool,
    busy_core: BusyCore,
}

impl KernelNeighbors {
    /// Starts to follow the neighbours of an interface. To be called in the namespace that it is in, and before the
    /// calling thread is pinned to a core.
    ///
    /// # Errors
    /// There is no socket to rtnetlink, or no thread.
    pub fn follow(link: Link) -> Result<KernelNeighbors, RtnetlinkError> {
        let socket = Socket::of_neighbors()?;
        let (wanted, wants) = RingBuffer::new(WAITING_MAX);
        let (tells, heard) = RingBuffer::new(WAITING_MAX);
        let pair = || -> io::Result<(UnixStream, UnixStream)> {
            let (wake, woken) = UnixStream::pair()?;
            wake.set_nonblocking(true)?;
            woken.set_nonblocking(true)?;
            Ok((wake, woken))
        };
        let (wake, woken) = pair().map_err(RtnetlinkError::Open)?;
        let shared = Arc::new(Shared::default());
        let follower = Follower {
            index: link.index,
            socket,
            followed: Vec::with_capacity(NEIGHBORS_MAX),
            asked: Vec::with_capacity(WAITING_MAX),
            tells,
        };
        let thread = thread::Builder::new().name("neighbors".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(follower, wants, &woken, &shared)
        });
        let thread = Some(thread.map_err(RtnetlinkError::Thread)?);
        Ok(KernelNeighbors { link, wanted, heard, wake, shared, thread })
    }

    /// Whose neighbours they are.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Asks the kernel for a neighbour; [`next`](KernelNeighbors::next) tells what came of it, and of each later
    /// change. Does not wait.
    pub fn want(&mut self, addr: Ipv4Addr) {
        // Whoever finds no room, and still wants it, asks again.
        let _ = self.wanted.push(addr);
        // A pipe that is full has woken it already.
        let _ = (&self.wake).write(&[0]);
    }

    /// The oldest thing heard that nobody has asked for. Does not wait, and calls no kernel.
    #[inline]
    #[expect(clippy::should_implement_trait, reason = "it is no iterator: there may be more later")]
    pub fn next(&mut self) -> Option<Heard> {
        self.heard.pop().ok()
    }

    /// Keeps the thread off `core`, which another wants for itself, where it may use another.
    pub fn keep_off(&self, core: u16) {
        self.shared.busy_core.set(core);
        let _ = (&self.wake).write(&[0]);
    }
}

impl Drop for KernelNeighbors {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        let _ = (&self.wake).write(&[0]);
        if let Some(thread) = self.thread.take() {
            // It ends without fail within its longest sleep; what it did otherwise is nobody's any more.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for KernelNeighbors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KernelNeighbors").field("link", &self.link).finish_non_exhaustive()
    }
}

fn run(
    mut follower: Follower,
    mut wants: Consumer<Ipv4Addr>,
    mut woken: &UnixStream,
    shared: &Shared,
) {
    while !shared.ending.load(Ordering::Acquire) {
        shared.busy_core.heed();
        // Woken early, or not at all where poll fails, it looks for work.
        let _ = sys::wait_readable([follower.socket.as_fd(), woken.as_fd()], SLEEP_MS_MAX);
        let mut bytes = [0; 64];
        while woken.read(&mut bytes).is_ok_and(|len| len == bytes.len()) {}
        while let Ok(addr) = wants.pop() {
            follower.follow(addr);
        }
        follower.listen();
    }
}

/// What was asked of the kernel about a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// What its table has.
    Get,
    /// To make sure.
    Use,
}

/// The thread's side.
struct Follower {
    index: u32,
    socket: Socket,
    /// Who is wanted, the one asked for last at the end.
    followed: Vec<Ipv4Addr>,
    /// Requests without an answer yet, the oldest first.
    asked: Vec<(u32, Ipv4Addr, Ask)>,
    tells: Producer<Heard>,
}

impl Follower {
    fn follow(&mut self, addr: Ipv4Addr) {
        self.followed.retain(|known| *known != addr);
        if self.followed.len() == NEIGHBORS_MAX {
            self.followed.remove(0);
        }
        self.followed.push(addr);
        self.ask(addr, Ask::Get);
    }

    fn ask(&mut self, addr: Ipv4Addr, ask: Ask) {
        if self.asked.len() == WAITING_MAX {
            self.asked.remove(0);
        }
        let number = self.socket.next_number();
        let request = match ask {
            Ask::Get => messages::get_neighbor(self.index, addr, number),
            Ask::Use => messages::use_neighbor(self.index, addr, number),
        };
        match self.socket.send(&request) {
            Ok(()) => self.asked.push((number, addr, ask)),
            Err(error) => self.tell(Heard::Refused(addr, Errno::of(&error))),
        }
    }

    fn tell(&mut self, heard: Heard) {
        // Without room it is lost, and asked for again by whoever still wants it.
        let _ = self.tells.push(heard);
    }

    fn listen(&mut self) {
        loop {
            match self.socket.receive() {
                Ok(all) if all.is_empty() => return,
                Ok(all) => all.into_iter().for_each(|(number, said)| self.take_in(number, said)),
                // More has changed than there was room to tell: all of it is asked for anew.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    for addr in self.followed.clone() {
                        self.ask(addr, Ask::Get);
                    }
                    return;
                }
                Err(_) => return,
            }
        }
    }

    fn take_in(&mut self, number: u32, said: Said) {
        let answers = self.asked.iter().position(|(asked, ..)| *asked == number);
        let answered = answers.map(|index| self.asked.remove(index));
        match (said, answered) {
            (Said::Neighbor(entry), asked) => self.heard(&entry, asked.is_some()),
            // The kernel has not used it for long, and forgets it: not so whoever does use it.
            (Said::NeighborGone(entry), _) if self.is_followed(&entry) => {
                self.ask(entry.addr, Ask::Use);
            }
            // There is no entry.
            (Said::Refused(error), Some((_, addr, Ask::Get)))
                if error.raw_os_error() == Some(libc::ENOENT) =>
            {
                self.ask(addr, Ask::Use);
            }
            (Said::Refused(error), Some((_, addr, _))) => {
                self.tell(Heard::Refused(addr, Errno::of(&error)));
            }
            _ => {}
        }
    }

    fn is_followed(&self, entry: &Entry) -> bool {
        self.followed.iter().any(|addr| is_of(entry, self.index, *addr))
    }

    /// What the table has of a neighbour: as it changed, or because we asked.
    fn heard(&mut self, entry: &Entry, asked: bool) {
        if !self.is_followed(entry) {
            return;
        }
        let addr = entry.addr;
        match entry.known {
            Known::Sure(mac) => self.tell(Heard::Is(addr, mac)),
            Known::Stale(mac) => {
                self.tell(Heard::Is(addr, mac));
                if asked {
                    self.ask(addr, Ask::Use);
                }
            }
            Known::Failed | Known::Nothing if asked => self.ask(addr, Ask::Use),
            Known::Failed => self.tell(Heard::Unreachable(addr)),
            Known::Asked | Known::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_the_table_tells_unasked_reaches_whoever_follows_that_neighbor() {
        let (tells, mut heard) = RingBuffer::new(WAITING_MAX);
        let addr = Ipv4Addr::new(192, 0, 2, 1);
        let socket = Socket::open().unwrap();
        let mut follower =
            Follower { index: 7, socket, followed: vec![addr], asked: Vec::new(), tells };
        let mac = [2, 0, 0, 0, 0, 1];
        for (index, of, known, expected) in [
            (7, addr, Known::Sure(mac), Some(Heard::Is(addr, mac))),
            (7, addr, Known::Stale(mac), Some(Heard::Is(addr, mac))),
            (7, addr, Known::Failed, Some(Heard::Unreachable(addr))),
            (7, addr, Known::Asked, None),
            (7, addr, Known::Nothing, None),
            // Of another interface, or nobody's whom we follow.
            (8, addr, Known::Sure(mac), None),
            (7, Ipv4Addr::new(192, 0, 2, 2), Known::Failed, None),
        ] {
            follower.take_in(0, Said::Neighbor(Entry { index, addr: of, known }));
            assert_eq!(heard.pop().ok(), expected, "{of} on {index}: {known:?}");
            assert_eq!(heard.pop().ok(), None);
        }
        assert!(follower.asked.is_empty(), "nothing of it asks the kernel");
    }

    #[test]
    fn an_interface_that_is_not_there_is_refused_by_the_kernel_s_own_reason() {
        let link = Link { index: 0x7fff_fff0, name: "none0".into() };
        let mut neighbors = KernelNeighbors::follow(link).unwrap();
        let addr = Ipv4Addr::new(192, 0, 2, 1);
        neighbors.want(addr);
        let begun = Instant::now();
        let heard = loop {
            if let Some(heard) = neighbors.next() {
                break heard;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "nothing was heard");
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(heard, Heard::Refused(addr, Errno(libc::ENODEV)));
        let Heard::Refused(_, errno) = heard else { unreachable!("as above") };
        assert!(errno.remedy().contains("ip link"), "{errno}");
    }
}
