//! The network between the two: what it does to a frame, and when what is on its way arrives.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::faults::Faults;
use super::frames::{L2_LEN, corrupt, mark, ports, too_big, unfinish};
use super::random::{NEVER, Random};
use super::totals::Done;

/// What a path carries at least, in bytes of packet: what no ICMP error takes a connection below.
const MTUS: [usize; 5] = [1500, 1492, 1006, 640, 552];

/// Frames on their way at once, at most: what comes on top finds a router's queue full.
pub(super) const QUEUE_FRAMES: usize = 100;
/// The longest burst.
const BURST_NS_MAX: u64 = 1_000_000_000;

/// Something on its way to a host.
pub(super) struct Cargo {
    pub(super) frame: Vec<u8>,
    /// It was damaged: its sums or its length tell.
    pub(super) is_wrong: bool,
    /// Its segment's sum is for nobody to check.
    pub(super) is_unfinished: bool,
}

/// Losses in one direction.
#[derive(Clone, Copy, Default)]
struct Burst {
    frames_left: u64,
    until: u64,
    /// Every second frame passes: what arrives lies in many pieces.
    is_comb: bool,
}

pub(super) struct Network {
    mtu: usize,
    bursts: [Burst; 2],
    /// Until when nothing passes, by direction.
    cut_until: [u64; 2],
    /// When, a number that orders what arrives at once, and to which host. What it is lies in `cargo`.
    arrivals: BinaryHeap<Reverse<(u64, u64, usize)>>,
    cargo: BTreeMap<u64, Cargo>,
    sent: u64,
    /// The latest number that has arrived, by host.
    arrived: [u64; 2],
}

impl Network {
    pub(super) fn new() -> Network {
        Network {
            mtu: MTUS[0],
            bursts: [Burst::default(); 2],
            cut_until: [0; 2],
            arrivals: BinaryHeap::new(),
            cargo: BTreeMap::new(),
            sent: 0,
            arrived: [0; 2],
        }
    }

    /// When the next thing arrives.
    pub(super) fn next_arrival(&self) -> u64 {
        self.arrivals.peek().map_or(NEVER, |Reverse((at, ..))| *at)
    }

    /// What arrives next; nothing if it was [forgotten](Network::forget) on its way.
    pub(super) fn pop(&mut self, done: &mut Done) -> Option<(usize, Cargo)> {
        let Reverse((_, number, host)) = self.arrivals.pop()?;
        let cargo = self.cargo.remove(&number)?;
        done.overtaken += u64::from(number < self.arrived[host]);
        self.arrived[host] = self.arrived[host].max(number);
        Some((host, cargo))
    }

    /// All that is on its way between `port` and anybody is lost.
    pub(super) fn forget(&mut self, port: u16) {
        self.cargo.retain(|_, cargo| {
            !ports(&cargo.frame).is_some_and(|(one, other)| one == port || other == port)
        });
    }

    /// A frame that is right arrives at a host, once more, at a time.
    pub(super) fn bring(&mut self, (then, host): (u64, usize), frame: Vec<u8>) {
        self.sent += 1;
        self.arrivals.push(Reverse((then, self.sent, host)));
        self.cargo.insert(self.sent, Cargo { frame, is_wrong: false, is_unfinished: false });
    }

    /// Every path carries what the hosts do.
    pub(super) fn heal(&mut self) {
        self.mtu = MTUS[0];
        self.bursts = [Burst::default(); 2];
        self.cut_until = [0; 2];
    }

    /// Takes a frame of `host`'s on; its sum may be left unfinished where the other `shares_memory`.
    pub(super) fn send(
        &mut self,
        (now, host): (u64, usize),
        frame: &[u8],
        shares_memory: bool,
        (faults, random, done): (&Faults, &mut Random, &mut Done),
    ) {
        if random.one_in(faults.mtu_changes_one_in) {
            self.mtu = random.pick(&MTUS);
        }
        if frame.len() - L2_LEN > self.mtu {
            done.too_big += 1;
            let mtu = if random.one_in(4) { 0 } else { self.mtu as u16 };
            if !faults.is_black_hole && !random.percent(faults.loss_percent) {
                self.put((now, host), too_big(frame, mtu), (faults, random, done));
            }
            return;
        }
        if self.loses((now, host), (faults, random, done)) {
            return;
        }
        let may_be_marked = frame[L2_LEN + 1] & 3 == 2;
        let is_marked = may_be_marked && random.percent(faults.mark_percent);
        let mut copies = 1;
        if random.percent(faults.repeat_percent) {
            copies += random.between(1, faults.repeats_max);
        }
        done.repeated += copies - 1;
        done.marked += u64::from(is_marked);
        let is_unfinished = shares_memory && random.one_in(2);
        for _ in 0..copies {
            let mut frame = frame.to_vec();
            if is_marked {
                mark(&mut frame);
            }
            if is_unfinished {
                done.unfinished += 1;
                unfinish(&mut frame);
                let cargo = Cargo { frame, is_wrong: false, is_unfinished };
                self.put_cargo((now, 1 - host), cargo, (faults, random, done));
            } else {
                self.put((now, 1 - host), frame, (faults, random, done));
            }
        }
    }

    fn loses(
        &mut self,
        (now, host): (u64, usize),
        (faults, random, done): (&Faults, &mut Random, &mut Done),
    ) -> bool {
        if random.one_in(faults.outage_one_in) {
            done.outages += 1;
            self.cut_until[host] = now + random.below(faults.outage_ns_max);
        }
        if now < self.cut_until[host] {
            done.lost_in_outages += 1;
            return true;
        }
        let burst = &mut self.bursts[host];
        if random.one_in(faults.burst_one_in) {
            *burst = Burst {
                frames_left: random.between(1, faults.burst_frames_max),
                until: now + BURST_NS_MAX,
                is_comb: random.one_in(2),
            };
        }
        if burst.frames_left > 0 && now < burst.until {
            burst.frames_left -= 1;
            if !burst.is_comb || burst.frames_left.is_multiple_of(2) {
                done.lost_in_bursts += 1;
                return true;
            }
        }
        if self.cargo.len() >= QUEUE_FRAMES {
            done.lost_in_queues += 1;
            return true;
        }
        let is_lost = random.percent(faults.loss_percent);
        done.lost += u64::from(is_lost);
        is_lost
    }

    /// A frame with finished sums is on its way to `host`, and may be damaged.
    fn put(
        &mut self,
        to: (u64, usize),
        mut frame: Vec<u8>,
        (faults, random, done): (&Faults, &mut Random, &mut Done),
    ) {
        let is_wrong = random.percent(faults.corrupt_percent);
        if is_wrong {
            done.corrupted += 1;
            corrupt(&mut frame, random);
        }
        let cargo = Cargo { frame, is_wrong, is_unfinished: false };
        self.put_cargo(to, cargo, (faults, random, done));
    }

    fn put_cargo(
        &mut self,
        (now, host): (u64, usize),
        cargo: Cargo,
        (faults, random, done): (&Faults, &mut Random, &mut Done),
    ) {
        self.sent += 1;
        let mut then = now + faults.delay_ns + random.below(faults.jitter_ns + 1);
        if random.one_in(faults.hold_one_in) {
            done.held_up += 1;
            then += random.below(faults.hold_ns_max);
        }
        self.arrivals.push(Reverse((then, self.sent, host)));
        self.cargo.insert(self.sent, cargo);
    }
}
