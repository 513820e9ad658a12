//! A running engine goes on in another process: `fixwire run` or `accept` with `--take-over PATH`, the control socket of the
//! one that runs.
//!
//! ```text
//!  the old process                                                      the new process, --take-over
//!  control  <------------------- request: program, format ----------------------
//!           ----- offer: network, clock, secret; the device, the baton --------->  brings its engine up, polls nothing
//!           <------------------------------- ready -----------------------------
//!  polling core stops                                                              (the pause)
//!           ----- stores' files, closed; state --------------------------------->  opens stores, imports
//!           <----------------------------- imported ----------------------------
//!  lays the baton down ---------- go ------------------------------------------->  picks it up
//!           <----------------------------- serving -----------------------------
//!  ends                                                                            polls
//! ```
//!
//! Who has the baton serves, and nobody else does. It is one byte in a socket whose end both processes have: the kernel gives it
//! to one of them. The old process lays it there, and takes it back if it hears nothing; what it finds there the new one can
//! find no more, and what it does not find there is the new one's for good. Until then whatever goes wrong, and wherever the
//! new process dies, the old one goes on where it stopped.
//!
//! Between the two nobody answers the counterparty: the old engine is polled no more, the new one not yet, and of a TAP,
//! frames wait in the interface's queue.

pub(crate) mod giving;
mod line;
pub(crate) mod taking;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fixwire::blob::Blob;
use fixwire::hand_over::Format;
use serde::{Deserialize, Serialize};

use super::failure::Failure;

pub(crate) use giving::{Asked, Given, Giving, Kept, NotGiven, Reception};
pub(crate) use taking::{Taken, Taking};

/// How long a word may take that costs nobody much to say.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How long the new process may take to bring its engine up.
const READY_WITHIN: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Args)]
pub(crate) struct TakeOverArgs {
    /// Go on in the place of a running fixwire, whose control socket (its `--control`) is at this path: with its connections,
    /// sessions, listening ports and device, without a reconnect. Give it the same `--nic` and sessions; it ends once this
    /// process serves, and goes on if this one fails before.
    #[arg(long, value_name = "PATH")]
    take_over: Option<PathBuf>,
}

impl TakeOverArgs {
    /// Asks the process that is to be taken over from. To be called before all else.
    pub(crate) fn ask(&self) -> Result<Option<Taking>, Failure> {
        self.take_over.as_deref().map(Taking::ask).transpose()
    }
}

/// What the new process is told before anything stops.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    /// The old one's version.
    program: String,
    format: Format,
    /// The device, as on the command line.
    nic: String,
    kernel: Kernel,
    app: String,
    /// What initial sequence numbers and cookies are made of.
    secret: [u8; 16],
    /// Where its clock has its origin.
    origin_ns: u64,
    /// Its control socket.
    control: PathBuf,
    /// Where it answers Prometheus; the socket is passed.
    metrics: Option<SocketAddr>,
}

/// The kernel's end of a TAP.
#[derive(Debug, Serialize, Deserialize)]
struct Kernel {
    name: String,
    addr: Ipv4Addr,
    prefix_len: u8,
    mtu: usize,
    mac: [u8; 6],
    existed: bool,
}

/// What is said once an offer was made.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// The engine is there: stop.
    Ready,
    /// Whose stores' files are passed with it.
    Stores(Vec<Blob>),
    /// Everything else, as it was at this time of the clock that goes on.
    State { exported_at_ns: u64, state: Blob },
    /// It would go on.
    Imported,
    /// The baton is there.
    Go,
    /// It has the baton, and polls from here on.
    Serving { has_control_path: bool },
    /// It does not go on, or nothing is handed over.
    Refused { name: String, why: String },
}

/// Who has it serves.
struct Baton {
    /// Where it is laid down; the new process has none.
    table: Option<UnixStream>,
    /// Where it is picked up, by whoever is first.
    hand: UnixStream,
}

impl Baton {
    /// A new one, which nobody has laid down.
    fn new() -> io::Result<Baton> {
        let (table, hand) = UnixStream::pair()?;
        // Of the one end that both processes have: whoever finds nothing does not wait for it.
        hand.set_nonblocking(true)?;
        Ok(Baton { table: Some(table), hand })
    }

    fn passed(hand: OwnedFd) -> Baton {
        Baton { table: None, hand: hand.into() }
    }

    fn handle(&self) -> BorrowedFd<'_> {
        self.hand.as_fd()
    }

    fn lay_down(&mut self) -> io::Result<()> {
        self.table.as_ref().map_or(Err(ErrorKind::NotConnected.into()), |mut at| at.write_all(b"!"))
    }

    /// Whether it was there, and is ours now.
    fn pick_up(&self) -> io::Result<bool> {
        loop {
            match (&self.hand).read(&mut [0]) {
                Ok(len) => return Ok(len == 1),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_that_reach_for_the_baton_one_has_it() {
        let mut mine = Baton::new().unwrap();
        let theirs = Baton::passed(mine.hand.try_clone().unwrap().into());
        assert!(!theirs.pick_up().unwrap(), "nobody has laid it down");
        mine.lay_down().unwrap();
        assert!(theirs.pick_up().unwrap() && !mine.pick_up().unwrap());
        mine.lay_down().unwrap();
        assert!(mine.pick_up().unwrap() && !theirs.pick_up().unwrap());
        // Many times, at the same moment.
        for _ in 0..200 {
            mine.lay_down().unwrap();
            let other = Baton::passed(mine.hand.try_clone().unwrap().into());
            let (ours, theirs) = std::thread::scope(|scope| {
                let theirs = scope.spawn(move || other.pick_up().unwrap());
                (mine.pick_up().unwrap(), theirs.join().unwrap())
            });
            assert!(ours != theirs, "{ours} {theirs}");
        }
        drop(mine);
        assert!(!theirs.pick_up().unwrap(), "who laid it down is gone");
    }
}
