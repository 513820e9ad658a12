//! Ports that are listened on, and the connections that came by them and are not established yet.

use super::config::Terms;
use super::connection::State;
use super::endpoint::Endpoint;
use super::event::{ListenerId, OpenRefusal};
use super::stack::Stack;

/// A port that is listened on.
#[derive(Clone, Copy)]
pub(super) struct Listener {
    pub(super) id: ListenerId,
    pub(super) local: Endpoint,
    /// Those of the connections that it accepts.
    pub(super) terms: Terms,
    /// Connections in SYN-RECEIVED.
    pub(super) backlog: usize,
}

impl Stack {
    /// Accepts connections to `local` from now on; an unspecified address stands for all of ours that no other listener
    /// of that port names.
    /// One that is established is named by [`Event::Connected`](super::Event::Connected).
    ///
    /// # Errors
    /// [`OpenRefusal::EndpointInvalid`] for port 0, [`OpenRefusal::EndpointInUse`],
    /// [`OpenRefusal::ListenersFull`].
    pub fn listen(&mut self, local: Endpoint) -> Result<ListenerId, OpenRefusal> {
        self.listen_by(local, self.config.terms())
    }

    /// As [`listen`](Stack::listen), on `terms` other than the stack's [own](super::Config::terms): what a SYN-ACK
    /// offers is settled before anybody knows whose the connection is.
    ///
    /// # Errors
    /// Those of [`listen`](Stack::listen).
    pub fn listen_by(&mut self, local: Endpoint, terms: Terms) -> Result<ListenerId, OpenRefusal> {
        self.try_listen(local, terms).map_err(|why| self.refuse_to_open(why))
    }

    fn try_listen(&mut self, local: Endpoint, terms: Terms) -> Result<ListenerId, OpenRefusal> {
        if local.port == 0 {
            return Err(OpenRefusal::EndpointInvalid);
        }
        if self.listeners.iter().any(|listener| listener.local == local) {
            return Err(OpenRefusal::EndpointInUse);
        }
        if self.listeners.len() == self.config.listeners_max {
            return Err(OpenRefusal::ListenersFull);
        }
        let id = ListenerId(self.listeners_ever);
        self.listeners_ever = self.listeners_ever.wrapping_add(1);
        self.listeners.push(Listener { id, local, terms, backlog: 0 });
        Ok(id)
    }

    /// Accepts no more. Connections that are established stay; those that are not are reset.
    pub fn unlisten(&mut self, id: ListenerId) {
        for index in 0..self.connections.len() {
            let connection = &self.connections[index];
            if connection.listener == Some(id) && connection.state == State::SynReceived {
                self.step(index, |connection, cx| connection.abort(cx));
            }
        }
        self.listeners.retain(|listener| listener.id != id);
    }

    /// A connection that is being opened came by this listener.
    pub(super) fn join_backlog(&mut self, index: usize, listener: usize) {
        let listener = &mut self.listeners[listener];
        listener.backlog += 1;
        self.half_open += 1;
        self.connections[index].listener = Some(listener.id);
        self.connections[index].slot.is_in_backlog = true;
    }

    /// Whether whoever asks to be let in gets a cookie in place of a connection: there are as many in SYN-RECEIVED as there may be of
    /// this listener, or half of all that there can be, so that a flood leaves room for those that we open and for whoever
    /// sends a cookie back.
    pub(super) fn has_full_backlog(&self, listener: usize) -> bool {
        let is_crowded = 2 * self.half_open >= self.connections.len().max(2);
        self.listeners[listener].backlog >= self.config.backlog_max || is_crowded
    }

    pub(super) fn leave_backlog(&mut self, index: usize) {
        self.connections[index].slot.is_in_backlog = false;
        self.half_open -= 1;
        let id = self.connections[index].listener;
        if let Some(listener) = self.listeners.iter_mut().find(|listener| Some(listener.id) == id) {
            listener.backlog -= 1;
        }
    }
}
