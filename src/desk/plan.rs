//! What a session is told of its connections before it begins.

use core::net::Ipv4Addr;

use crate::fix::SessionConfig;
use crate::tcp::{Endpoint, Terms};
use crate::time::Duration;

/// A session and how its connection comes about.
#[derive(Clone, Debug)]
pub struct SessionPlan {
    /// The session's own settings.
    pub config: SessionConfig,
    /// Where an initiator connects to, or where an acceptor listens (the address is then ours).
    pub peer: Endpoint,
    /// Where an initiator connects to besides, in turn, whenever a connection came to nothing or is over; after the last one
    /// to `peer` again. With new hours, and when it is resumed, it begins with `peer`.
    pub alternates: Vec<Endpoint>,
    /// The pauses before the first attempts of an initiator to connect again, counted from when it was last established.
    pub reconnect_at_first: Vec<Duration>,
    /// The pause before each attempt after those.
    pub reconnect_interval: Duration,
    /// The port that an initiator connects from; 0 has one picked for each connection.
    pub local_port: u16,
    /// The addresses that an acceptor's counterparty may connect from; none for every one.
    pub allowed_peers: Vec<Ipv4Addr>,
    /// It begins as if it had been drained: it stays down until it is resumed.
    pub starts_down: bool,
    /// What its connections do otherwise than the stack's settings say. An acceptor's do from the moment
    /// on at which it is known whose they are.
    pub terms: Option<Terms>,
}

impl SessionPlan {
    /// A session that connects to, or listens at, this endpoint alone, by the stack's own settings, and connects again after
    /// 30 seconds.
    pub fn new(config: SessionConfig, peer: Endpoint) -> SessionPlan {
        SessionPlan {
            config,
            peer,
            alternates: Vec::new(),
            reconnect_at_first: Vec::new(),
            reconnect_interval: Duration::from_s(30),
            local_port: 0,
            allowed_peers: Vec::new(),
            starts_down: false,
            terms: None,
        }
    }

    /// Everywhere that an initiator connects to, the first one first.
    pub fn peers(&self) -> impl Iterator<Item = Endpoint> + '_ {
        core::iter::once(self.peer).chain(self.alternates.iter().copied())
    }

    /// Whether a counterparty may connect from there.
    pub(super) fn allows(&self, peer: Endpoint) -> bool {
        self.allowed_peers.is_empty() || self.allowed_peers.contains(&peer.addr)
    }

    /// The pause after so many connections that came to nothing or were over, since it was last established.
    pub(super) fn pause_after(&self, failures: usize) -> Duration {
        let first = failures.checked_sub(1).and_then(|place| self.reconnect_at_first.get(place));
        first.copied().unwrap_or(self.reconnect_interval)
    }
}
