//! Polls an engine through one trading run: from the first SYN to the last Logout.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fixwire::app::taker::Taker;
use fixwire::desk::{LineFailure, SessionStatus};
use fixwire::engine::Engine;
use fixwire::fix::{Role, State};
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Core, Idle, Profile};
use fixwire::tcp::Closed;
use fixwire::time::{Clock, Instant};
use fixwire_hw::clock::HostClock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::say;

/// Rounds between two looks at everything that is not a packet.
const ROUNDS_PER_LOOK: u32 = 256;
/// Empty rounds before a core that may be lent out is.
const IDLE_ROUNDS: u32 = 2_000;
/// How long sessions may take to log out at the end.
const LOG_OUT_WITHIN: Duration = Duration::from_secs(5);
/// A run shorter than this shows no progress bar.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// How a run is watched.
pub(crate) struct Watch {
    /// Say what happens to sessions, and show progress.
    pub(crate) aloud: bool,
    /// No session has been established for this long: give up.
    pub(crate) connect_timeout: Duration,
    /// No order has been reported on for this long: give up.
    pub(crate) stall_timeout: Duration,
    /// Set by Ctrl-C.
    pub(crate) interrupted: Arc<AtomicBool>,
    /// All orders of all sessions.
    pub(crate) orders_total: u64,
}

/// Trades until every order is reported on, then logs out. `beside` polls what else this thread
/// polls: the far side of a simulated wire.
pub(crate) fn drive<N: Nic>(
    engine: &mut Engine<N, Taker>,
    clock: &HostClock,
    idle: Idle,
    watch: &Watch,
    beside: &mut dyn FnMut(),
) -> Result<(), Failure> {
    let mut life = Life::new(watch.aloud);
    let mut progress = Progress::new(clock.now().mono, watch);
    let mut rounds = Rounds { idle, empty: 0 };
    let outcome = loop {
        for _ in 0..ROUNDS_PER_LOOK {
            rounds.poll(engine, clock, beside);
        }
        life.tell(engine);
        if engine.app().is_done() {
            break Ok(());
        }
        if watch.interrupted.load(Ordering::Relaxed) {
            let (done, total) = (engine.app().reports_received(), watch.orders_total);
            break Err(Failure::run(
                format!("interrupted after {done} of {total} orders"),
                "run it again to begin anew",
            ));
        }
        if let Err(failure) = progress.check(engine, clock.now().mono, watch) {
            break Err(failure);
        }
    };
    progress.finish();
    engine.log_out(clock.now(), "done");
    let deadline = clock.now().mono.as_ns() + LOG_OUT_WITHIN.as_nanos() as u64;
    while !engine.is_idle() && clock.now().mono.as_ns() < deadline {
        rounds.poll(engine, clock, beside);
        life.tell(engine);
    }
    life.tell(engine);
    outcome
}

struct Rounds {
    idle: Idle,
    empty: u32,
}

impl Rounds {
    #[inline]
    fn poll<N: Nic>(
        &mut self,
        engine: &mut Engine<N, Taker>,
        clock: &HostClock,
        beside: &mut dyn FnMut(),
    ) {
        let received = engine.poll(clock);
        beside();
        self.empty = if received > 0 { 0 } else { self.empty.saturating_add(1) };
        if self.empty > IDLE_ROUNDS && self.idle == Idle::Yield {
            std::thread::yield_now();
        }
    }
}

/// Puts the polling thread where the profile says, and says where that is.
pub(crate) fn pin(profile: &Profile) -> Result<Option<u16>, Failure> {
    let allowed = fixwire_hw::core::allowed_cores();
    let core = match profile.core {
        Core::Any => None,
        Core::Number(core) => Some(core),
        Core::Auto => allowed.last().copied().filter(|_| allowed.len() > 1),
    };
    match core {
        None => Ok(None),
        Some(core) => match fixwire_hw::core::pin(core) {
            Ok(()) => Ok(Some(core)),
            Err(_) if profile.core == Core::Auto => Ok(None),
            Err(error) => {
                Err(Failure::run(error, "write `core = \"auto\"` or \"any\" in the profile"))
            }
        },
    }
}

/// Says what happens to sessions, once each.
struct Life {
    aloud: bool,
    changes: u64,
    told: Vec<(bool, u64, State, Option<LineFailure>)>,
}

impl Life {
    fn new(aloud: bool) -> Life {
        Life { aloud, changes: u64::MAX, told: Vec::new() }
    }

    fn tell<N: Nic>(&mut self, engine: &Engine<N, Taker>) {
        let changes = engine.desk().changes();
        if !self.aloud || changes == self.changes {
            return;
        }
        self.changes = changes;
        for (index, status) in engine.desk().statuses().enumerate() {
            if self.told.len() == index {
                self.told.push((false, 0, State::Disconnected, None));
                let what = match status.config.role {
                    Role::Initiator => "connecting to",
                    Role::Acceptor => "listening on",
                };
                say(format_args!("{}: {what} {}", name(&status), status.peer));
            }
            let (connected, logons, state, failure) = self.told[index];
            if status.is_connected && !connected {
                say(format_args!("{}: connected", name(&status)));
            }
            if status.logons > logons {
                say(format_args!(
                    "{}: logged on, {}",
                    name(&status),
                    status.config.version.begin_string()
                ));
            }
            if status.state != state && status.state == State::LogoutSent {
                say(format_args!("{}: logging out", name(&status)));
            }
            if status.last_failure != failure
                && let Some(why) = status.last_failure
            {
                let words = parting_words(&status);
                say(format_args!("{}: disconnected: {}{words}", name(&status), why_in_words(why)));
            }
            self.told[index] =
                (status.is_connected, status.logons, status.state, status.last_failure);
        }
    }
}

fn name(status: &SessionStatus<'_>) -> String {
    format!("session {:?} -> {:?}", status.config.sender_comp_id, status.config.target_comp_id)
}

fn why_in_words(why: LineFailure) -> String {
    match why {
        LineFailure::ByPeer => "the counterparty closed the connection".to_owned(),
        LineFailure::Tcp(closed) => closed.to_string(),
        LineFailure::Fix(reason) => reason.doc().trim_end_matches('.').to_owned(),
        LineFailure::NotBegun => "no connection was free".to_owned(),
    }
}

/// Watches that orders are reported on, and shows it on a terminal.
struct Progress {
    begun: Instant,
    moved: Instant,
    reports: u64,
    /// Counts from the start, and is shown once the run turns out to be long.
    bar: ProgressBar,
    on_terminal: bool,
}

impl Progress {
    fn new(now: Instant, watch: &Watch) -> Progress {
        let on_terminal = watch.aloud && std::io::stderr().is_terminal();
        let bar =
            ProgressBar::with_draw_target(Some(watch.orders_total), ProgressDrawTarget::hidden());
        let style =
            ProgressStyle::with_template("{bar:40} {pos}/{len} orders, {per_sec}, {eta} left");
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { begun: now, moved: now, reports: 0, bar, on_terminal }
    }

    fn check<N: Nic>(
        &mut self,
        engine: &Engine<N, Taker>,
        now: Instant,
        watch: &Watch,
    ) -> Result<(), Failure> {
        let reports = engine.app().reports_received();
        if reports != self.reports {
            self.reports = reports;
            self.moved = now;
            self.show(now);
            return Ok(());
        }
        let quiet_ns = now.ns_since(self.moved);
        let never_up = engine.desk().statuses().all(|status| status.logons == 0);
        if never_up {
            let failed = engine.desk().statuses().find(|status| status.last_failure.is_some());
            if let Some(status) = failed {
                return Err(never_connected(&status));
            }
            if u128::from(quiet_ns) > watch.connect_timeout.as_nanos() {
                return Err(unanswered(engine, watch.connect_timeout));
            }
        } else if u128::from(quiet_ns) > watch.stall_timeout.as_nanos() {
            let lost = engine.desk().statuses().find(|status| !status.is_connected);
            let why = lost.and_then(|status| status.last_failure).map(why_in_words);
            let why = why.map(|why| format!(", the connection is lost: {why}")).unwrap_or_default();
            return Err(Failure::run(
                format!(
                    "no order has been reported on for {} s ({reports} of {} done){why}",
                    watch.stall_timeout.as_secs(),
                    watch.orders_total
                ),
                "look at the counterparty, or raise --stall-timeout",
            ));
        }
        Ok(())
    }

    fn show(&mut self, now: Instant) {
        self.bar.set_position(self.reports);
        let long = u128::from(now.ns_since(self.begun)) > PROGRESS_AFTER.as_nanos();
        if self.on_terminal && long && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// The first connection came to nothing.
fn never_connected(status: &SessionStatus<'_>) -> Failure {
    let peer = status.peer;
    match status.last_failure {
        Some(LineFailure::Tcp(Closed::Refused)) => Failure::run(
            format!("{peer} refused the connection"),
            "start an exchange there (`fixwire exchange --listen`), or correct socket_connect_host and socket_connect_port",
        ),
        Some(LineFailure::Fix(reason)) => Failure::run(
            format!(
                "{peer} was reached, but the session was not established: {}{}",
                why_in_words(LineFailure::Fix(reason)),
                parting_words(status),
            ),
            "compare sender_comp_id, target_comp_id and begin_string with the counterparty's, and both sides' sequence numbers (reset_on_logon)",
        ),
        Some(why) => Failure::run(
            format!("the connection to {peer} was lost before the logon: {}", why_in_words(why)),
            "compare sender_comp_id, target_comp_id and begin_string with the counterparty's, and look at its log",
        ),
        None => Failure::run(format!("{peer} was not reached"), "look at the counterparty's log"),
    }
}

/// What the counterparty said in its Logout, if anything. Its bytes are shown, not obeyed.
fn parting_words(status: &SessionStatus<'_>) -> String {
    match status.logout_text {
        [] => String::new(),
        text => format!(" (it says {:?})", String::from_utf8_lossy(text)),
    }
}

/// Nothing has come back at all.
fn unanswered<N: Nic>(engine: &Engine<N, Taker>, waited: Duration) -> Failure {
    let seconds = waited.as_secs();
    let Some(status) = engine.desk().statuses().next() else {
        return Failure::run("there is no session", "write one into the session file");
    };
    let peer = status.peer;
    if status.config.role == Role::Acceptor {
        return Failure::run(
            format!("no counterparty logged on within {seconds} s"),
            "start the counterparty, or raise --connect-timeout",
        );
    }
    if let Some(silent) = engine.unresolved_next_hop(peer.addr) {
        return Failure::run(
            format!("nobody on {} answers ARP for {silent} within {seconds} s", engine.plan().nic),
            "correct socket_connect_host, or `address` and `gateway` under [network]",
        );
    }
    if status.is_connected {
        return Failure::run(
            format!("{peer} accepted the connection but answered no Logon within {seconds} s"),
            "check that a FIX acceptor listens there, or raise --connect-timeout",
        );
    }
    Failure::run(
        format!("{peer} does not answer within {seconds} s"),
        "check that it is up and that no firewall drops us, or raise --connect-timeout",
    )
}
