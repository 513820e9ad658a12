//! Calls that a stack has to refuse, at any time: each is refused by its name, counted by it alone, and changes nothing.

use super::device::addr;
use super::heap::untouched;
use super::world::{PORT_MIN, SERVER_PORT, World};
use crate::tcp::{Count, Endpoint, OpenRefusal, SendRefusal, Stack, State};

impl World {
    pub(super) fn may_ask_too_much(&mut self) {
        let scarcity = &mut self.scarcity;
        if !scarcity.is_there || !scarcity.random.one_in(scarcity.asks_one_in) {
            return;
        }
        let line = scarcity.random.below(self.lines.len() as u64) as usize;
        match self.scarcity.random.below(5) {
            0 => {
                // It listens, and at one listener it may be.
                let port = self.scarcity.random.pick(&[SERVER_PORT, SERVER_PORT + 2]);
                let why = match port {
                    SERVER_PORT => OpenRefusal::EndpointInUse,
                    _ => OpenRefusal::ListenersFull,
                };
                let count = why.count().expect("it has one");
                let listen =
                    |stack: &mut Stack| stack.listen(Endpoint { addr: addr(1), port }).map(|_| ());
                self.ask((1, 0), count, |stack| assert_eq!(listen(stack), Err(why)));
            }
            1 => self.ask_to_connect(line, 0, OpenRefusal::EndpointInvalid),
            2 => self.ask_to_connect(line, self.lines[line].port, OpenRefusal::EndpointInUse),
            // The one port that may be picked is the first line's.
            3 => self.ask_to_connect(0, 0, OpenRefusal::PortsExhausted),
            _ => self.ask_to_send(line),
        }
    }

    fn ask_to_connect(&mut self, line: usize, from: u16, why: OpenRefusal) {
        let port = self.lines[line].port;
        let at = self.node_of(0, port);
        // TIME-WAIT gives way to whoever comes back, and a port that is free is no refusal.
        let stack = &self.hosts[0].nodes[at].stack;
        let state =
            self.lines[line].sides[0].id.and_then(|id| stack.info(id)).map(|info| info.state);
        let is_taken = state.is_some_and(|state| !matches!(state, State::Closed | State::TimeWait));
        let is_picked = why != OpenRefusal::PortsExhausted || port == PORT_MIN;
        if !is_taken || !is_picked {
            return;
        }
        let to = if why == OpenRefusal::EndpointInvalid { 0 } else { SERVER_PORT };
        let local = Endpoint { addr: addr(0), port: from };
        let remote = Endpoint { addr: addr(1), port: to };
        let now = self.at(0, at);
        self.ask((0, at), why.count().expect("it has one"), |stack| {
            assert_eq!(stack.connect(now, local, remote).map(|_| ()), Err(why));
        });
    }

    fn ask_to_send(&mut self, line: usize) {
        let host = self.scarcity.random.below(2) as usize;
        let Some(id) = self.lines[line].sides[host].id else { return };
        let at = self.node_of(host, self.lines[line].port);
        let too_long = self.hosts[host].config.message_bytes_max + 1;
        let refusal = self.hosts[host].nodes[at].stack.reserve(id, too_long).map(|_| ());
        let why = refusal.expect_err("longer than any may be");
        assert!(
            matches!(why, SendRefusal::TooLong | SendRefusal::NotConnected | SendRefusal::Closed),
            "{why}"
        );
        self.ask((host, at), why.count(), |stack| {
            assert_eq!(stack.reserve(id, too_long).map(|_| ()), Err(why));
        });
    }

    /// Asks a stack for something, finds one more of `what`, and everything else as it was.
    fn ask(&mut self, (host, at): (usize, usize), what: Count, ask: impl FnOnce(&mut Stack)) {
        self.totals.done.asked_too_much += 1;
        let stack = &mut self.hosts[host].nodes[at].stack;
        let state = |stack: &Stack| {
            let counts = Count::ALL.map(|of| stack.counters().of(of));
            (counts, stack.next_timeout(), stack.free.len(), stack.listeners.len())
        };
        let mut before = state(stack);
        before.0[what as usize] += 1;
        untouched(|| ask(stack));
        assert!(state(stack) == before, "{what}: something else has changed");
    }
}
