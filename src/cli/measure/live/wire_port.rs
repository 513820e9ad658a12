//! `--wire-port`: wire to wire by a second port, which sees both directions by one clock. It is read, and what passes matched, by a
//! thread of its own: nothing of it is on the polling core.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use fixwire::measure::pairs::{Arrived, Mark, Matcher, NoTime, Place, Reason, Roles, Trader};
use fixwire::measure::stamp::{Clock, Domain, Stamp, Timescale};
use fixwire::measure::tally::Tally;
use fixwire::measure::wire_time::WireTime;
use fixwire_hw::core::BusyCore;
use fixwire_hw::ptp::PtpClock;
use fixwire_hw::wire_port::{Passed, PassedAt, WirePort, WirePortError};
use serde_json::{Value, json};

use super::port_clock::{PortClock, Told};
use crate::cli::failure::Failure;

/// How long one look waits for a frame.
const LOOK_MS: u16 = 20;
/// Frames between two looks at whether it is over.
const FRAMES_A_LOOK: usize = 1_024;
/// Where a frame's EtherType stands.
const ETHER_TYPE_AT: usize = 12;
const NS_PER_S: u64 = 1_000_000_000;
/// What its hardware stamps by while nobody reads that.
const UNREAD: Domain =
    Domain { clock: Clock::WirePort { hardware: true, life: 0 }, scale: Timescale::Elapsed };
const BY_KERNEL: Domain =
    Domain { clock: Clock::WirePort { hardware: false, life: 0 }, scale: Timescale::Utc };

/// A second port that is read.
pub(super) struct Reading {
    is_over: Arc<AtomicBool>,
    busy_core: Arc<BusyCore>,
    thread: JoinHandle<Seen>,
}

/// What a second port has seen.
pub(crate) struct Seen {
    pub(super) tally: Tally,
    name: String,
    no_hardware: Option<String>,
    /// What its hardware stamps by, where it stamps, or why that is not read.
    clock: Option<Result<Told, String>>,
    messages: u64,
    orders_of_others: u64,
    counted: Counted,
    /// Why it was not read to the end.
    trouble: Option<String>,
}

/// Frames.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    all: u64,
    by_device: u64,
    by_kernel: u64,
    joined: u64,
    no_room: u64,
}

impl Reading {
    /// Opens the port and begins to read it, for the orders that the engine at `ours` sends. To be called in the namespace that it is
    /// in, and before the thread is pinned.
    pub(super) fn start(name: &str, ours: Ipv4Addr) -> Result<Reading, Failure> {
        let port = WirePort::open(name).map_err(|error| match error {
            WirePortError::NoInterface { .. } => Failure::Input(error.to_string()),
            WirePortError::NoSocket { .. } => Failure::Run(error.to_string()),
        })?;
        let clock = port.no_hardware().is_none().then(|| clock_of(name));
        let (is_over, busy_core) = (Arc::default(), Arc::default());
        let (over, busy) = (Arc::clone(&is_over), Arc::clone(&busy_core));
        let thread = std::thread::Builder::new().name("wire port".into());
        let thread =
            thread.spawn(move || read(port, ours, clock, &over, &busy)).map_err(|error| {
                Failure::run(
                    format!("no thread can be started: {error}"),
                    "raise the limit of threads (`ulimit -u`)",
                )
            })?;
        Ok(Reading { is_over, busy_core, thread })
    }

    /// Keeps the thread off `core`.
    pub(super) fn keep_off(&self, core: u16) {
        self.busy_core.set(core);
    }

    /// Ends it, once what waits is read. `None` where the thread came to a bad end, and has said so.
    pub(super) fn finish(self) -> Option<Seen> {
        self.is_over.store(true, Ordering::Release);
        self.thread.join().ok()
    }
}

/// What its hardware stamps by, read for the first time.
fn clock_of(name: &str) -> Result<PortClock<PtpClock>, String> {
    let clock = PtpClock::of_interface(name).map_err(|error| error.to_string())?;
    let path = clock.path().display().to_string();
    PortClock::new(clock, Instant::now()).map_err(|error| format!("{path} is not read: {error}"))
}

fn read(
    mut port: WirePort,
    ours: Ipv4Addr,
    clock: Option<Result<PortClock<PtpClock>, String>>,
    is_over: &AtomicBool,
    busy_core: &BusyCore,
) -> Seen {
    let (name, no_hardware) = (port.name().to_owned(), port.no_hardware().map(ToString::to_string));
    let (mut clock, unread) = match clock.transpose() {
        Ok(clock) => (clock, None),
        Err(why) => (None, Some(why)),
    };
    // Whoever else trades there is not measured.
    let roles = Roles::default().of([Trader { addr: ours, port: None }]);
    let mut matcher = Matcher::new(roles);
    let (mut tally, mut counted) = (Tally::default(), Counted::default());
    let mut look = || -> io::Result<bool> {
        busy_core.heed();
        // Asked first: what has come before that is read below.
        let is_over = is_over.load(Ordering::Acquire);
        port.wait(if is_over { 0 } else { LOOK_MS })?;
        let mut is_empty = false;
        for _ in 0..FRAMES_A_LOOK {
            let Some(passed) = port.next_frame()? else {
                is_empty = true;
                break;
            };
            let by = clock.as_ref().map_or(Ok(UNREAD), PortClock::domain);
            let arrived = counted.arrived(&passed, by);
            matcher.on_frame(&arrived, &mut |record| match &mut clock {
                None => tally.record_at_port(record),
                Some(clock) => record.trigger.into_iter().for_each(|found| clock.hold(found)),
            });
        }
        if let Some(clock) = &mut clock {
            clock.look(Instant::now(), is_empty, &mut tally);
        }
        Ok(is_over && is_empty)
    };
    let trouble = loop {
        match look() {
            Ok(false) => {}
            Ok(true) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let clock = clock.map(|clock| Ok(clock.finish(&mut tally))).or_else(|| unread.map(Err));
    counted.no_room = port.dropped();
    let (messages, orders_of_others) = (matcher.counts().messages, matcher.counts().of_others);
    Seen { tally, name, no_hardware, clock, messages, orders_of_others, counted, trouble }
}

impl Counted {
    /// A frame, `by` what the hardware stamps by at present.
    fn arrived<'a>(&mut self, passed: &Passed<'a>, by: Result<Domain, NoTime>) -> Arrived<'a> {
        self.all += 1;
        let stamp = |ns: u64, domain| {
            let time = WireTime::from_ticks(ns, NS_PER_S);
            Stamp { time, domain, port: 0 }
        };
        let stamp = match passed.at {
            Some(PassedAt::Device(ns)) => {
                self.by_device += 1;
                by.map(|by| stamp(ns, by))
            }
            Some(PassedAt::Kernel(ns)) => {
                self.by_kernel += 1;
                Ok(stamp(ns, BY_KERNEL))
            }
            None => Err(NoTime::Absent),
        };
        self.joined += u64::from(passed.is_joined);
        let stamp = if passed.is_joined { Err(NoTime::Joined) } else { stamp };
        Arrived {
            mark: Mark { place: Place { file: 0, frame: self.all }, stamp },
            bytes: passed.bytes,
            ether_type_at: ETHER_TYPE_AT,
            is_cut_off: passed.is_cut_off,
        }
    }
}

impl Seen {
    /// What a reader of its figures should know, in sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        let Counted { all, by_device, by_kernel, joined, no_room } = self.counted;
        let name = &self.name;
        let mut notes = vec![format!(
            "the second port {name}: {all} frames with {} FIX messages, {by_device} frames stamped in its hardware, {by_kernel} by the \
             kernel",
            self.messages
        )];
        if self.orders_of_others > 0 {
            notes.push(format!(
                "{} orders that others sent passed {name}, and are in no figure",
                self.orders_of_others
            ));
        }
        if let Some(why) = &self.no_hardware {
            notes.push(format!(
                "{name} stamps nothing in hardware ({why}): the kernel stamps its frames as it takes them over, which is no measure of \
                 a wire"
            ));
        }
        match &self.clock {
            None => {}
            Some(Ok(told)) => notes.extend(told.notes(name)),
            Some(Err(why)) => notes.push(format!(
                "which time {name}'s clock keeps is not known, and a step of it goes unnoticed: {why}"
            )),
        }
        if joined > 0 {
            notes.push(format!(
                "{joined} frames at {name} were several segments each, joined by the kernel before they were seen, with one stamp: \
                 what they carried is excluded as {}; `ethtool -K {name} gro off tso off gso off` has each seen by itself",
                Reason::Joined.name()
            ));
        }
        if no_room > 0 {
            notes.push(format!(
                "{no_room} frames found no room at {name}: what they carried is in no figure"
            ));
        }
        if let Some(why) = &self.trouble {
            notes.push(format!("{name} was not read to the end: {why}"));
        }
        notes
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "interface": self.name,
            "frames": self.counted.all,
            "frames_stamped_in_hardware": self.counted.by_device,
            "frames_stamped_by_kernel": self.counted.by_kernel,
            "frames_joined": self.counted.joined,
            "frames_no_room": self.counted.no_room,
            "messages": self.messages,
            "orders_of_others": self.orders_of_others,
            "no_hardware_stamps_because": self.no_hardware,
            "clock": self.clock.as_ref().and_then(|clock| clock.as_ref().ok()).map(Told::json),
            "clock_unread_because": self.clock.as_ref().and_then(|clock| clock.as_ref().err()),
            "trouble": self.trouble,
        })
    }
}
