//! A socket to the kernel's rtnetlink.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket as Raw, SocketAddr};

use super::RtnetlinkError;
use super::messages::{self, Said};
use crate::sys;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The longest datagram that the kernel sends us: a dump's are bounded by what the reader offers, to this.
const DATAGRAM_LEN_MAX: usize = 32 * 1024;
/// `RTNLGRP_NEIGH` (rtnetlink(7)).
const NEIGHBORS: u32 = 3;

pub(super) struct Socket {
    raw: Raw,
    number: u32,
    datagram: Vec<u8>,
}

impl Socket {
    pub(super) fn open() -> Result<Socket, RtnetlinkError> {
        let open = || -> io::Result<Raw> {
            let mut raw = Raw::new(NETLINK_ROUTE)?;
            raw.bind_auto()?;
            raw.connect(&SocketAddr::new(0, 0))?;
            raw.set_non_blocking(true)?;
            Ok(raw)
        };
        let raw = open().map_err(RtnetlinkError::Open)?;
        Ok(Socket { raw, number: 0, datagram: vec![0; DATAGRAM_LEN_MAX] })
    }

    /// The same, told of each change of the neighbour table.
    pub(super) fn of_neighbors() -> Result<Socket, RtnetlinkError> {
        let socket = Socket::open()?;
        socket.raw.add_membership(NEIGHBORS).map_err(RtnetlinkError::Open)?;
        Ok(socket)
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.raw.as_fd()
    }

    /// A number for the next request.
    pub(super) fn next_number(&mut self) -> u32 {
        // What the kernel tells unasked has number 0.
        self.number = self.number.checked_add(1).unwrap_or(1);
        self.number
    }

    pub(super) fn send(&self, request: &[u8]) -> io::Result<()> {
        self.raw.send(request, 0).map(|_| ())
    }

    /// What has come, if anything has. `ENOBUFS` when the kernel had more to tell than there was room for.
    pub(super) fn receive(&mut self) -> io::Result<Vec<(u32, Said)>> {
        loop {
            match self.raw.recv(&mut &mut self.datagram[..], 0) {
                Ok(len) => return Ok(messages::read(self.datagram.get(..len).unwrap_or_default())),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Vec::new()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a request, and takes in what answers it, as far as `wanted` takes it, to the end or to the first
    /// answer that ends it.
    pub(super) fn ask(
        &mut self,
        what: &'static str,
        request: impl FnOnce(u32) -> Vec<u8>,
        mut wanted: impl FnMut(Said) -> Progress,
    ) -> Result<(), RtnetlinkError> {
        let failed = |source| RtnetlinkError::Refused { what, source };
        let number = self.next_number();
        self.send(&request(number)).map_err(failed)?;
        let deadline = Instant::now() + ANSWER_WITHIN;
        while Instant::now() < deadline {
            // Woken early, it looks again.
            let _ = sys::wait_readable([self.as_fd()], 100);
            for (of, said) in self.receive().map_err(failed)? {
                match said {
                    _ if of != number => {}
                    Said::Refused(error) => return Err(failed(error)),
                    Said::Done => return Ok(()),
                    said => {
                        if wanted(said) == Progress::Done {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Err(failed(ErrorKind::TimedOut.into()))
    }
}

/// Whether an answer is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    More,
    Done,
}
