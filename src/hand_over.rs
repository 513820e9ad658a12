//! A running engine goes on in another process: what it is told of everything that the one before knew.
//!
//! [`Engine::export`](crate::engine::Engine::export) makes plain data of connections with all their bytes, sessions, the application's state, neighbours
//! and what the stack's numbers are made of; [`Engine::import`](crate::engine::Engine::import) goes on from it, in an engine of the same network and
//! sessions that has not been polled yet. Neither ends anything: as long as the engine that was asked is not polled, nothing
//! has happened, and it may go on. **Which of the two is polled is the caller's to settle, once and for all**: two that speak
//! for one connection undo each other's work, and what is said by an engine that has not taken over yet is a RST.
//!
//! The data are of one machine and one version: both sides hold [`FORMAT`] against each other first. The clock and the
//! [`secret`](crate::engine::Setup::secret) are the caller's to pass on, too. What sessions keep in a file is not in them: the
//! file is closed by the one and opened by the other.

use core::fmt;

use crate::fix;
use crate::tcp;

#[cfg(feature = "hand-over")]
mod engine;

/// Of which versions what is handed over is: of this module's list, of a connection's and of a session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "hand-over", serde(deny_unknown_fields))]
pub struct Format {
    /// What there is, and in which order.
    pub engine: u16,
    /// Connections.
    pub tcp: u16,
    /// Sessions, and what applications keep.
    pub session: u16,
}

/// Those of this program.
pub const FORMAT: Format = Format { engine: 1, tcp: tcp::SNAPSHOT_VERSION, session: 5 };

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.engine, self.tcp, self.session)
    }
}

/// What was taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Sessions that went on.
    pub sessions: usize,
    /// Connections, those that only wait for their end included.
    pub connections: usize,
    /// Neighbours.
    pub neighbors: usize,
}

/// Why an engine is not handed over, or not taken over. The one that was polled may go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandOverRefusal {
    /// Every session is being logged out.
    #[error("every session is being logged out, and none goes on")]
    Ending,
    /// The data are cut short, or contradict themselves.
    #[error("what was handed over contradicts itself")]
    Malformed,
    /// This engine is somebody else on the link.
    #[error(
        "the engine's address, network or VLAN is another here; give it the `[network]` that it had"
    )]
    NetworkDiffers,
    /// This engine has traded before.
    #[error("an engine that has connections of its own takes over no others")]
    NotFresh,
    /// A session that may have a connection is not among those here.
    #[error(
        "{0} is not among the sessions here; log it out first by `fixwire ctl`, or give it back"
    )]
    SessionMissing(String),
    /// One side is initiator here and acceptor there.
    #[error("{0} is an initiator on one side and an acceptor on the other")]
    RoleDiffers(String),
    /// A session cannot go on here.
    #[error("{0}: {1}")]
    Session(String, fix::SnapshotRefusal),
    /// A connection cannot go on here.
    #[error("a connection: {0}")]
    Connection(tcp::SnapshotRefusal),
    /// The application cannot go on here.
    #[error("what its application keeps is not for the one here; start the same `--app`")]
    Application,
}

impl HandOverRefusal {
    /// Its name for machines.
    pub const fn name(&self) -> &'static str {
        match self {
            HandOverRefusal::Ending => "ending",
            HandOverRefusal::Malformed => "state_malformed",
            HandOverRefusal::NetworkDiffers => "network_differs",
            HandOverRefusal::NotFresh => "not_fresh",
            HandOverRefusal::SessionMissing(_) => "session_missing",
            HandOverRefusal::RoleDiffers(_) => "role_differs",
            HandOverRefusal::Session(..) => "session_refused",
            HandOverRefusal::Connection(_) => "connection_refused",
            HandOverRefusal::Application => "application_differs",
        }
    }
}
