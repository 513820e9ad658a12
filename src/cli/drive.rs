//! Watches one trading run: from the first SYN to the last Logout.

use std::io::IsTerminal;
use std::time::Duration;

use fixwire::app::logged::Logged;
use fixwire::app::taker::Taker;
use fixwire::desk::{LineFailure, SessionStatus};
use fixwire::engine::Engine;
use fixwire::fix::{CloseReason, Role, State};
use fixwire::neighbor::Resolution;
use fixwire::offload::nic::{Link, Nic};
use fixwire::tcp::Closed;
use fixwire::time::{Clock, Instant, UtcTime};
use fixwire::wire::Refusal;
use fixwire_hw::clock::HostClock;
use fixwire_hw::tap;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::Failure;
use super::polling::Polling;
use super::signals::Interruption;
use super::telling::{name, parting_words, why_in_words};

/// A run shorter than this shows no progress bar.
const PROGRESS_AFTER: Duration = Duration::from_secs(1);

/// What trades in a run.
pub(crate) type Trader = Logged<Taker>;

/// How a run is watched.
pub(crate) struct Watch {
    /// Show progress.
    pub(crate) aloud: bool,
    /// No session has been established for this long: give up.
    pub(crate) connect_timeout: Duration,
    /// No order has been reported on for this long: give up.
    pub(crate) stall_timeout: Duration,
    /// Whether somebody wants an end.
    pub(crate) interruption: Interruption,
    /// All orders of all sessions.
    pub(crate) orders_total: u64,
    /// The kernel's interface that our frames pass, where a driver of DPDK's was told of one.
    pub(crate) interface: Option<String>,
    /// What to look at where the link is down.
    pub(crate) link_remedy: String,
}

/// Trades until every order is reported on, then logs out.
pub(crate) fn drive<N: Nic>(
    mut polling: Polling<'_, N, Trader>,
    clock: &HostClock,
    watch: &Watch,
) -> Result<(), Failure> {
    let mut progress = Progress::new(clock.now().mono, watch);
    let outcome = loop {
        // It may have come while the device was brought up.
        if watch.interruption.has_come() {
            let (done, total) = (polling.engine.app().reports_received(), watch.orders_total);
            break Err(Failure::run(
                format!("interrupted after {done} of {total} orders"),
                "run it again to begin anew",
            ));
        }
        polling.rounds();
        if let Some(failure) = polling.refused() {
            break Err(failure);
        }
        if polling.is_gone() {
            break Ok(());
        }
        let engine = &*polling.engine;
        if engine.app().is_done() {
            break Ok(());
        }
        if let Err(failure) = progress.check(engine, clock.now().mono, watch) {
            break Err(failure);
        }
    };
    progress.finish();
    polling.log_out("done");
    outcome
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
        engine: &Engine<N, Trader>,
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
            // One that fails does not end what others may yet begin.
            let mut statuses = engine.desk().statuses();
            let all_failed = engine.desk().statuses().all(|status| {
                status.last_failure.is_some()
                    && (status.has_tried_all || status.config.role == Role::Acceptor)
            });
            let too_late = u128::from(quiet_ns) > watch.connect_timeout.as_nanos();
            if all_failed || too_late {
                let failed = statuses.find(|status| status.last_failure.is_some());
                return Err(failed.map_or_else(
                    || unanswered(engine, watch),
                    |status| with_wrong_sums(never_connected(&status), engine),
                ));
            }
        } else if u128::from(quiet_ns) > watch.stall_timeout.as_nanos() {
            return Err(stalled(engine, watch));
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

/// Some orders are reported on no more, or never were.
fn stalled<N: Nic>(engine: &Engine<N, Trader>, watch: &Watch) -> Failure {
    let lost = engine.desk().statuses().filter(|status| status.state != State::Active);
    let lost: Vec<_> = lost
        .filter_map(|status| {
            let why = why_in_words(status.last_failure?);
            let words = parting_words(status.last_failure, status.parting_words);
            Some(format!("{} is not logged on: {why}{words}", name(status.config)))
        })
        .collect();
    let why = match lost.as_slice() {
        [] => String::new(),
        [one] => format!(", {one}"),
        [first, rest @ ..] => format!(", {first}; so are {} more", rest.len()),
    };
    Failure::run(
        format!(
            "no order has been reported on for {} s ({} of {} done){why}",
            watch.stall_timeout.as_secs(),
            engine.app().reports_received(),
            watch.orders_total
        ),
        "look at the counterparty, or raise --stall-timeout",
    )
}

/// The first connection came to nothing.
fn never_connected(status: &SessionStatus<'_>) -> Failure {
    let peer = status.peer;
    match status.last_failure {
        Some(LineFailure::Tcp(Closed::Refused)) => Failure::run(
            format!("{peer} refused the connection"),
            "start an exchange there (`fixwire exchange --listen`), or correct socket_connect_host and socket_connect_port",
        ),
        Some(why @ LineFailure::Fix(CloseReason::PeerNotFix)) => Failure::run(
            format!(
                "{peer} was reached, but: {}{}",
                why_in_words(why),
                parting_words(status.last_failure, status.parting_words)
            ),
            "correct socket_connect_host and socket_connect_port",
        ),
        Some(LineFailure::Fix(reason)) => Failure::run(
            format!(
                "{peer} was reached, but {} was not established: {}{}",
                name(status.config),
                why_in_words(LineFailure::Fix(reason)),
                parting_words(status.last_failure, status.parting_words),
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

/// Nothing has come back at all.
fn unanswered<N: Nic>(engine: &Engine<N, Trader>, watch: &Watch) -> Failure {
    let seconds = watch.connect_timeout.as_secs();
    let Some(status) = engine.desk().statuses().next() else {
        return Failure::run("there is no session", "write one into the session file");
    };
    if engine.link() == Link::Down {
        let why = watch.interface.as_deref().and_then(tap::why_silent);
        let remedy = why.as_ref().unwrap_or(&watch.link_remedy);
        return Failure::run(
            format!(
                "the link of {} is down, and nobody answered within {seconds} s",
                engine.plan().nic
            ),
            remedy,
        );
    }
    let peer = status.peer;
    let closed = engine.desk().statuses().find(|status| status.closed_until.is_some());
    if let Some((status, until)) = closed.and_then(|status| Some((status, status.closed_until?))) {
        return Failure::run(
            format!("{} is closed by its schedule{}", name(status.config), until_in_words(until)),
            "run it within its hours, or correct start_time, end_time, their days and time_zone",
        );
    }
    if status.config.role == Role::Acceptor {
        return Failure::run(
            format!("no counterparty logged on within {seconds} s"),
            "start the counterparty, or raise --connect-timeout",
        );
    }
    if let Some(silent) = engine.unresolved_next_hop(peer.addr) {
        if engine.resolution() == Resolution::Kernel {
            return Failure::run(
                format!("the kernel found no neighbour {silent} within {seconds} s"),
                format_args!(
                    "`ip neigh show {silent}` tells what it knows; correct socket_connect_host, `address` or `gateway`, or give the kernel an address on that network"
                ),
            );
        }
        let nobody =
            format!("nobody on {} answers ARP for {silent} within {seconds} s", engine.plan().nic);
        if let Some(why) = watch.interface.as_deref().and_then(tap::why_silent) {
            return Failure::run(nobody, why);
        }
        return Failure::run(
            nobody,
            "correct socket_connect_host, or `address` and `gateway` under [network]",
        );
    }
    if status.is_connected {
        return Failure::run(
            format!("{peer} accepted the connection but answered no Logon within {seconds} s"),
            "check that a FIX acceptor listens there, or raise --connect-timeout",
        );
    }
    if let Some((dropped, remedy)) = wrong_sums(engine) {
        return Failure::run(
            format!("no answer of {peer}'s was taken within {seconds} s: {dropped}"),
            remedy,
        );
    }
    Failure::run(
        format!("{peer} does not answer within {seconds} s"),
        "check that it is up and that no firewall drops us, or raise --connect-timeout",
    )
}

/// Until when a session is closed, if it opens again.
fn until_in_words(until: UtcTime) -> String {
    let seconds = i64::try_from(until.as_unix_ns() / 1_000_000_000).unwrap_or(i64::MAX);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) if until.as_unix_ns() < u64::MAX => format!(" until {time}"),
        _ => String::new(),
    }
}

/// A failure to connect, with the frames that were dropped on the way: they may be all that the peer has answered.
fn with_wrong_sums<N: Nic>(failure: Failure, engine: &Engine<N, Trader>) -> Failure {
    match wrong_sums(engine) {
        Some((dropped, remedy)) => {
            Failure::run(failure, format_args!("besides, {dropped}: {remedy}"))
        }
        None => failure,
    }
}

/// What was dropped because its checksum was wrong, by whom, and what to do about it.
fn wrong_sums<N: Nic>(engine: &Engine<N, Trader>) -> Option<(String, &'static str)> {
    let wrong = [Refusal::TcpChecksumWrong, Refusal::Ipv4ChecksumWrong].map(Refusal::name);
    let ours = engine.counters().filter(|(name, count)| wrong.contains(name) && *count > 0);
    let ours: Vec<_> = ours.map(|(name, count)| (name.to_owned(), count)).collect();
    let counted = engine.nic().driver_counters();
    let by_driver: Vec<_> =
        counted.into_iter().filter(|(name, count)| *count > 0 && is_of_wrong_sums(name)).collect();
    told_of_wrong_sums(&ours, &by_driver)
}

fn told_of_wrong_sums(
    ours: &[(String, u64)],
    by_driver: &[(String, u64)],
) -> Option<(String, &'static str)> {
    let listed = |counters: &[(String, u64)]| {
        let each = counters.iter().map(|(name, count)| format!("{name} {count}"));
        each.collect::<Vec<_>>().join(", ")
    };
    let sum: u64 = ours.iter().map(|(_, count)| count).sum();
    match (ours, by_driver) {
        ([], []) => None,
        ([], counted) => Some((
            format!("the NIC's driver counts frames that came damaged ({})", listed(counted)),
            "look at cable, module and switch port, and at the driver's counters in the report",
        )),
        (ours, _) => Some((
            format!("{sum} frames were dropped, whose checksum is wrong ({})", listed(ours)),
            "the peer seems to send unfinished checksums, as the kernel does over veth: `ethtool -K IFACE tx off` on the peer's interface has it finish them",
        )),
    }
}

/// Whether a driver's counter, by its name, is of frames whose sum did not fit: no two drivers agree on one.
fn is_of_wrong_sums(name: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    name.starts_with("rx") && has(&["csum", "xsum", "checksum", "crc"]) && has(&["err", "bad"])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fixwire::app::exchange::Exchange;
    use fixwire::offload::profile::{Policy, Profile};
    use fixwire::time;
    use fixwire_hw::sim::{Aim, Direction, Faults, SimBackend, SimNic};

    use super::super::session_file::SessionSettings;
    use super::super::{bring_up, device};
    use super::*;

    /// An engine at one end of the model's wire, which gives an attempt to connect up after its first SYN.
    fn engine<A: fixwire::app::Application>(
        end: SimBackend,
        ends: (Ipv4Addr, Ipv4Addr),
        settings: SessionSettings,
        app: A,
    ) -> Engine<SimNic, A> {
        let (nic, plan, mut setup) = bring_up::simulated(end, ends, settings);
        setup.tcp.syn_retries_max = 0;
        Engine::new(nic, plan, setup, app).unwrap()
    }

    /// How a run ends whose peer's frames arrive with these faults.
    fn ends(faults: Faults) -> String {
        let (ours, theirs) = (Ipv4Addr::new(10, 9, 0, 2), Ipv4Addr::new(10, 9, 0, 1));
        let (near, far, wire) = device::sim(
            fixwire_hw::sim::Model::named("sim").unwrap(),
            &Profile::all(Policy::Prefer),
        );
        let settings = SessionSettings::default();
        let mut peer = engine(far, (theirs, ours), settings.mirrored(), Exchange::new());
        let mut engine = engine(near, (ours, theirs), settings, Logged::silent(Taker::new(1, 1)));
        wire.set_faults(Direction::BToA, faults);
        let watch = Watch {
            aloud: false,
            connect_timeout: Duration::from_secs(3_600),
            stall_timeout: Duration::from_secs(3_600),
            interruption: Interruption::never(),
            orders_total: 1,
            interface: None,
            link_remedy: String::new(),
        };
        let mut progress = Progress::new(Clock::now(&wire).mono, &watch);
        for _ in 0..100_000 {
            engine.poll(&wire);
            peer.poll(&wire);
            if let Err(failure) = progress.check(&engine, Clock::now(&wire).mono, &watch) {
                return failure.to_string();
            }
            wire.advance(time::Duration::from_ms(1));
        }
        panic!("it waits for ever");
    }

    #[test]
    fn an_attempt_that_came_to_nothing_tells_of_answers_whose_sums_were_wrong() {
        let all =
            Faults { corrupt_ppm: 1_000_000, corrupt_at: Aim::TcpChecksum, ..Faults::default() };
        let said = ends(all);
        assert!(said.contains("was lost before the logon: the peer did not answer"), "{said}");
        assert!(
            said.contains("frames were dropped, whose checksum is wrong (tcp_checksum_wrong "),
            "{said}"
        );
        assert!(said.contains("`ethtool -K IFACE tx off`"), "{said}");
    }

    #[test]
    fn wrong_sums_are_told_by_who_counted_them() {
        let counted = |name: &str, count| vec![(name.to_owned(), count)];
        let (tcp, crc) = (counted("tcp_checksum_wrong", 3), counted("rx_crc_errors", 7));
        assert_eq!(told_of_wrong_sums(&[], &[]), None);
        for (ours, by_driver, words, remedy) in [
            (
                &tcp[..],
                &[][..],
                "3 frames were dropped, whose checksum is wrong (tcp_checksum_wrong 3)",
                "ethtool",
            ),
            (&tcp, &crc, "tcp_checksum_wrong 3", "ethtool"),
            (&[], &crc, "came damaged (rx_crc_errors 7)", "cable"),
        ] {
            let (said, what_to_do) = told_of_wrong_sums(ours, by_driver).unwrap();
            assert!(said.contains(words) && what_to_do.contains(remedy), "{said}; {what_to_do}");
        }
    }

    #[test]
    fn a_driver_s_counter_of_damage_is_known_by_its_name() {
        for (name, is) in [
            ("rx_crc_errors", true),
            ("rx_l3_l4_xsum_error", true),
            ("rx_q0_bad_csum_errors", true),
            ("rx_csum_good", false),
            ("rx_errors", false),
            ("tx_csum_errors", false),
            ("rx_missed_errors", false),
        ] {
            assert_eq!(is_of_wrong_sums(name), is, "{name}");
        }
    }
}
