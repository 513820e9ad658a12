//! What an engine shows of itself to other threads: numbers that the polling core writes when it is asked to, a few between
//! two rounds, into memory that anybody reads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire::app::Application;
use fixwire::desk::SessionStatus;
use fixwire::engine::Engine;
use fixwire::fix::{SessionConfig, State};
use fixwire::measure::BUCKETS;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::{Link, Nic};
use fixwire::offload::observe::Observed;

/// How long whoever asks waits for the polling core.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_micros(200);
/// Sessions that are written between two rounds.
const SESSIONS_PER_LOOK: usize = 4;
/// What is written of a session beside its counters.
const OF_SESSION: usize = 5;
/// What is written of a capability.
const OF_CAPABILITY: usize = 4;

/// A session's states, by the numbers that stand for them here.
pub(super) const STATES: [&str; 5] =
    ["disconnected", "logon_awaited", "active", "logout_sent", "closing"];
/// What frames showed, likewise; the last where the plan leaves it to the host.
pub(super) const OBSERVED: [&str; 6] =
    ["proven", "passive", "unproven", "refuted", "demoted", "host"];

fn number_of(state: State) -> u64 {
    match state {
        State::Disconnected => 0,
        State::LogonAwaited => 1,
        State::Active => 2,
        State::LogoutSent => 3,
        State::Closing(_) => 4,
    }
}

/// What stands where.
pub(super) struct Layout {
    /// The engine's counters by name.
    pub(super) counters: Vec<&'static str>,
    pub(super) sessions: Vec<SessionConfig>,
    /// Each session's.
    pub(super) session_counters: Vec<&'static str>,
}

impl Layout {
    fn of<N: Nic, A: Application>(engine: &Engine<N, A>) -> Layout {
        let mut counters = Vec::new();
        engine.visit_counters(|name, _| counters.push(name));
        let sessions = engine.desk().statuses().map(|status| status.config.clone()).collect();
        let first = engine.desk().statuses().next();
        let names = |status: SessionStatus<'_>| -> Vec<&'static str> {
            status.counters.iter().map(|(name, _)| name).collect()
        };
        Layout { counters, sessions, session_counters: first.map(names).unwrap_or_default() }
    }

    fn capabilities_at(&self) -> usize {
        // The link stands behind the counters.
        self.counters.len() + 1
    }

    fn latency_at(&self) -> usize {
        self.capabilities_at() + Capability::COUNT * OF_CAPABILITY
    }

    fn sessions_at(&self) -> usize {
        self.latency_at() + 2 * BUCKETS + 2
    }

    fn session_len(&self) -> usize {
        OF_SESSION + self.session_counters.len()
    }

    fn len(&self) -> usize {
        self.sessions_at() + self.sessions.len() * self.session_len()
    }
}

/// The numbers.
pub(super) struct Board {
    pub(super) layout: Layout,
    values: Box<[AtomicU64]>,
    wanted: AtomicBool,
    /// How often all of them were written.
    turn: AtomicU64,
    /// One asks at a time.
    asking: Mutex<()>,
}

impl Board {
    pub(super) fn of<N: Nic, A: Application>(engine: &Engine<N, A>) -> Board {
        let layout = Layout::of(engine);
        let values = (0..layout.len()).map(|_| AtomicU64::new(0)).collect();
        Board {
            layout,
            values,
            wanted: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            asking: Mutex::new(()),
        }
    }

    /// The numbers of now, or `None` where the polling core does not answer in time.
    pub(super) fn ask(&self) -> Option<Shown<'_>> {
        let _one = self.asking.lock().ok()?;
        let before = self.turn.load(Ordering::Acquire);
        self.wanted.store(true, Ordering::Release);
        let begun = Instant::now();
        while self.turn.load(Ordering::Acquire) == before {
            if begun.elapsed() > ANSWER_WITHIN {
                return None;
            }
            sleep(PAUSE);
        }
        let values = self.values.iter().map(|value| value.load(Ordering::Relaxed)).collect();
        Some(Shown { layout: &self.layout, values })
    }
}

/// The polling core's side: where it stands in writing.
#[derive(Default)]
pub(super) struct Writing(Option<usize>);

impl Writing {
    /// Whether a part is written and another is not.
    pub(super) fn is_under_way(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a part of what was asked for, if anything was. Allocates nothing.
    pub(super) fn go_on<N: Nic, A: Application>(&mut self, board: &Board, engine: &Engine<N, A>) {
        let step = match self.0 {
            None if !board.wanted.load(Ordering::Acquire) => return,
            None => {
                // Who asks from here on is answered by the next turn at the latest.
                board.wanted.store(false, Ordering::Relaxed);
                0
            }
            Some(step) => step,
        };
        let done = match step {
            0 => {
                write_counters(board, engine);
                false
            }
            step if step <= BUCKETS => {
                write_bucket(board, engine, step - 1);
                false
            }
            step => write_sessions(board, engine, (step - BUCKETS - 1) * SESSIONS_PER_LOOK),
        };
        self.0 = if done { None } else { Some(step + 1) };
        if done {
            board.turn.fetch_add(1, Ordering::Release);
        }
    }
}

/// Writes numbers one behind the other.
struct Pen<'a> {
    values: &'a [AtomicU64],
    at: usize,
}

impl Pen<'_> {
    fn put(&mut self, number: u64) {
        if let Some(value) = self.values.get(self.at) {
            value.store(number, Ordering::Relaxed);
        }
        self.at += 1;
    }
}

fn write_counters<N: Nic, A: Application>(board: &Board, engine: &Engine<N, A>) {
    let mut pen = Pen { values: &board.values, at: 0 };
    engine.visit_counters(|_, count| pen.put(count));
    pen.put(u64::from(engine.link() == Link::Up));
    for capability in Capability::ALL {
        let evidence = engine.observations().of(capability);
        let observed = engine.observations().shown(engine.plan(), capability);
        pen.put(match observed {
            Some(Observed::Proven) => 0,
            Some(Observed::Passive) => 1,
            Some(Observed::Unproven) => 2,
            Some(Observed::Refuted) => 3,
            Some(Observed::Demoted) => 4,
            None => 5,
        });
        pen.put(evidence.seen);
        pen.put(evidence.agreed);
        pen.put(evidence.contradicted);
    }
}

fn write_bucket<N: Nic, A: Application>(board: &Board, engine: &Engine<N, A>, bucket: usize) {
    let at = board.layout.latency_at();
    let mut pen = Pen { values: &board.values, at: at + 2 * bucket };
    let (count, ns) = engine.intervals().bucket(bucket);
    pen.put(count);
    pen.put(ns);
    if bucket + 1 == BUCKETS {
        let (count, ns) = engine.intervals().beyond_buckets();
        pen.put(count);
        pen.put(ns);
    }
}

/// Whether these were the last.
fn write_sessions<N: Nic, A: Application>(
    board: &Board,
    engine: &Engine<N, A>,
    from: usize,
) -> bool {
    let layout = &board.layout;
    let at = layout.sessions_at() + from * layout.session_len();
    let mut pen = Pen { values: &board.values, at };
    for status in engine.desk().statuses().skip(from).take(SESSIONS_PER_LOOK) {
        pen.put(number_of(status.state));
        pen.put(u64::from(status.is_connected));
        pen.put(status.logons);
        pen.put(status.next_out.into());
        pen.put(status.next_in.into());
        status.counters.iter().for_each(|(_, count)| pen.put(count));
    }
    from + SESSIONS_PER_LOOK >= layout.sessions.len()
}

/// The numbers as they were at a moment.
pub(super) struct Shown<'a> {
    pub(super) layout: &'a Layout,
    values: Vec<u64>,
}

/// A session's.
pub(super) struct SessionShown<'a> {
    pub(super) config: &'a SessionConfig,
    pub(super) state: &'static str,
    pub(super) is_connected: bool,
    pub(super) logons: u64,
    pub(super) next_out: u64,
    pub(super) next_in: u64,
    values: &'a [u64],
    names: &'a [&'static str],
}

impl SessionShown<'_> {
    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.names.iter().copied().zip(self.values.iter().copied())
    }
}

/// What is shown of a capability.
pub(super) struct CapabilityShown {
    pub(super) capability: Capability,
    pub(super) observed: &'static str,
    pub(super) seen: u64,
    pub(super) agreed: u64,
    pub(super) contradicted: u64,
}

impl Shown<'_> {
    fn at(&self, at: usize) -> u64 {
        self.values.get(at).copied().unwrap_or_default()
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.layout.counters.iter().copied().zip(self.values.iter().copied())
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.at(self.layout.counters.len()) == 1
    }

    pub(super) fn capabilities(&self) -> impl Iterator<Item = CapabilityShown> + '_ {
        let at = self.layout.capabilities_at();
        Capability::ALL.into_iter().zip(0..).map(move |(capability, number)| {
            let of = |field| self.at(at + number * OF_CAPABILITY + field);
            let observed = OBSERVED.get(of(0) as usize).copied().unwrap_or("host");
            CapabilityShown {
                capability,
                observed,
                seen: of(1),
                agreed: of(2),
                contradicted: of(3),
            }
        })
    }

    /// How many intervals from frame to order are in each bucket, and behind them how many are longer.
    pub(super) fn latency(&self) -> [u64; BUCKETS + 1] {
        let at = self.layout.latency_at();
        std::array::from_fn(|bucket| self.at(at + 2 * bucket))
    }

    /// What they add up to, in ns.
    pub(super) fn latency_ns(&self) -> u64 {
        let at = self.layout.latency_at();
        (0..=BUCKETS).fold(0, |sum: u64, bucket| sum.saturating_add(self.at(at + 2 * bucket + 1)))
    }

    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionShown<'_>> {
        let Layout { sessions, session_counters, .. } = self.layout;
        let (at, len) = (self.layout.sessions_at(), self.layout.session_len());
        sessions.iter().zip(0..).map(move |(config, number)| {
            let from = at + number * len;
            let values = self.values.get(from..from + len).unwrap_or_default();
            let of = |field: usize| values.get(field).copied().unwrap_or_default();
            SessionShown {
                config,
                state: STATES.get(of(0) as usize).copied().unwrap_or(STATES[0]),
                is_connected: of(1) == 1,
                logons: of(2),
                next_out: of(3),
                next_in: of(4),
                values: values.get(OF_SESSION..).unwrap_or_default(),
                names: session_counters,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fixwire::app::exchange::Exchange;
    use fixwire::offload::profile::{Policy, Profile};
    use fixwire_hw::sim::Model;

    use super::super::super::session_file::SessionSettings;
    use super::super::super::{bring_up, device};
    use super::*;

    #[test]
    fn the_polling_core_waits_for_nobody_who_asks_and_writes_a_few_numbers_a_look() {
        let (ours, theirs) = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
        let profile = Profile::all(Policy::Prefer);
        let (near, _, _) = device::sim(Model::named("sim").unwrap(), &profile);
        let settings = SessionSettings::default();
        let (nic, plan, setup) = bring_up::simulated(near, (ours, theirs), settings);
        let engine = Engine::new(nic, plan, setup, Exchange::new()).unwrap();
        let board = Board::of(&engine);
        let mut writing = Writing::default();
        writing.go_on(&board, &engine);
        assert_eq!(board.turn.load(Ordering::Acquire), 0, "nobody has asked");
        // All that askers share. The polling core would hang if it were its, too.
        let held = board.asking.lock().unwrap();
        board.wanted.store(true, Ordering::Release);
        let mut looks = 0;
        while board.turn.load(Ordering::Acquire) == 0 {
            writing.go_on(&board, &engine);
            looks += 1;
            assert!(looks <= BUCKETS + 2, "it comes to no end");
        }
        drop(held);
        // Counters, each bucket, and up to four sessions.
        assert_eq!(looks, 1 + BUCKETS + 1);
    }
}
