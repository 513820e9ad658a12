//! What goes wrong with the hosts, and the end of it.

use super::application::Side;
use super::device::Node;
use super::holding::Holding;
use super::world::{Seen, World};
use crate::tcp::{Closed, Count, Snapshot, SnapshotRefusal};

/// Clocks jump no oftener, and so many times in all: timers that go off for it would be all that happens.
const BETWEEN_JUMPS_NS: u64 = 500_000_000;
const JUMPS_MAX: u64 = 10;
/// Who lets go again and again of what it holds has it all sent again each time: that is no fault of the sender's.
const RENEGES_MAX: u64 = 20;
const CRASHES_MAX: u64 = 2;
/// By how much a clock goes back at most.
const BACK_NS_MAX: u64 = 2_000_000_000;

impl World {
    pub(super) fn heal(&mut self) {
        self.is_healed = true;
        self.totals.done.heals += 1;
        self.faults.heal();
        self.network.heal();
        self.wake();
    }

    pub(super) fn go_wrong(&mut self) {
        let done = &self.totals.done;
        let may_renege = done.reneged < RENEGES_MAX;
        let may_crash = done.crashes < CRASHES_MAX;
        let may_jump = done.jumps + done.jumps_back < JUMPS_MAX && self.now >= self.next_jump_at;
        if may_renege && self.random.one_in(self.faults.renege_one_in) {
            self.renege();
        }
        if may_jump && self.random.one_in(self.faults.clock_jumps_one_in) {
            self.jump();
        }
        if self.random.one_in(self.faults.move_one_in) {
            self.move_connection();
        }
        if may_crash && self.random.one_in(self.faults.crash_one_in) {
            self.crash();
        }
    }

    fn renege(&mut self) {
        let nodes = self.hosts.iter_mut().flat_map(|host| &mut host.nodes);
        for connection in nodes.flat_map(|node| &mut node.stack.connections) {
            if !connection.apart.held.is_empty() {
                connection.apart.held.clear();
                self.totals.done.reneged += 1;
            }
        }
    }

    /// A host was suspended, or somebody set its clock.
    fn jump(&mut self) {
        self.next_jump_at = self.now + BETWEEN_JUMPS_NS;
        let host = self.random.below(2) as usize;
        let clock = &mut self.hosts[host].clock_ns;
        if self.random.one_in(4) {
            let back = self.random.below(BACK_NS_MAX);
            *clock = clock.saturating_sub(back);
            self.back_ns += back;
            self.totals.done.jumps_back += 1;
        } else {
            let most = self.random.pick(&[1_000_000, 1_000_000_000, 20_000_000_000]);
            *clock += self.random.below(most);
            self.totals.done.jumps += 1;
        }
    }

    /// A connection goes on in the other stack of its host, by the other clock.
    fn move_connection(&mut self) {
        let line = self.random.below(self.lines.len() as u64) as usize;
        let host = self.random.below(2) as usize;
        let port = self.lines[line].port;
        let Some(id) = self.lines[line].sides[host].id else { return };
        let from = self.node_of(host, port);
        let to = 1 - from;
        let (then, now) = (self.at(host, from), self.at(host, to));
        let nodes = &mut self.hosts[host].nodes;
        let Node { stack, holding, .. } = &mut nodes[from];
        if let Some(holding) = holding {
            if stack.next_held(id).is_some() {
                assert_eq!(stack.export(then, id), Err(SnapshotRefusal::PayloadsHeld));
            }
            while let Some(name) = stack.next_held(id) {
                holding.frames.give_back(stack, name, Count::HeldMoved);
            }
        }
        let snapshot = match stack.export(then, id) {
            Ok(snapshot) => snapshot,
            Err(why) => {
                assert_eq!(why, SnapshotRefusal::NotSynchronized);
                return;
            }
        };
        let snapshot = Snapshot::from_bytes(snapshot.as_bytes()).expect("it is one");
        let moved = match nodes[to].stack.import(now, &snapshot) {
            Ok(moved) => moved,
            Err(why) => {
                // Here it goes on as if nobody had asked.
                assert_eq!(
                    why,
                    SnapshotRefusal::ConnectionsFull,
                    "the other stack is like this one"
                );
                self.totals.done.moves_refused += 1;
                return;
            }
        };
        nodes[from].stack.let_go(id);
        self.lines[line].sides[host].id = Some(moved);
        self.lines[line].has_moved = true;
        self.routes.insert((host, port), to);
        self.totals.done.moves += 1;
    }

    /// A host begins anew with nothing that it knew: every connection is cut.
    fn crash(&mut self) {
        let host = self.random.below(2) as usize;
        self.totals.done.crashes += 1;
        for at in 0..self.hosts[host].nodes.len() {
            let mut new = self.hosts[host].node(host, &mut self.random);
            let old = &mut self.hosts[host].nodes[at];
            new.stack.predicts_nothing = old.stack.predicts_nothing;
            new.holding = old.holding.as_ref().map(|_| Holding::new(self.now));
            self.totals.count(old.stack.counters());
            *old = new;
            self.hosts[host].seen[at] = Seen::default();
        }
        self.forget_left(host);
        self.routes.retain(|(whose, _), _| *whose != host);
        for line in 0..self.lines.len() {
            self.lines[line].is_cut = true;
            let side = &mut self.lines[line].sides[host];
            *side = Side::new(side.to_write);
            if host == 0 {
                side.closed = Some(Closed::Aborted);
            }
            self.settle(line);
        }
    }
}
