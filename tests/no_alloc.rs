//! Nothing is allocated after set-up: an allocator that traps, and 100,000 orders through the whole
//! path, both ways, on both ends.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::asker::Asker;
use common::inside::PATIENCE;
use common::{Pair, Terms};
use fixwire::app::echo::Echo;
use fixwire::app::exchange::Exchange;
use fixwire::app::logged::{Logged, RING_LEN_MIN};
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
#[cfg(feature = "journal")]
use fixwire::fix::store::journal::Durability;
use fixwire::fix::{
    CompId, Credentials, Full, Handler, MemoryStore, Message, Outlet, Role, Sender, Session,
    SessionConfig, Store, Version,
};
#[cfg(feature = "journal")]
use fixwire::journal_file::{FileStore, StorePlan};
use fixwire::measure::BUCKETS;
use fixwire::measure::live::recorder;
use fixwire::offload::RxStamp;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{ClockSettings, Policy, Profile};
use fixwire::time::Clock;
use fixwire_hw::capture::{self, CaptureFile};
use fixwire_hw::clock::HostClock;
use fixwire_hw::clock_service::{ClockService, DeviceClock};
use fixwire_hw::host_counter::HostCounter;
use fixwire_hw::sim::{self, SimNic};

/// Counts what is asked of the heap while armed.
struct Trap;

static ARMED: AtomicBool = AtomicBool::new(false);
static CAUGHT: AtomicU64 = AtomicU64::new(0);

fn catch() {
    if ARMED.load(Ordering::Relaxed) {
        CAUGHT.fetch_add(1, Ordering::Relaxed);
    }
}

#[allow(unsafe_code)]
// SAFETY: every call is handed to the system's allocator unchanged; counting touches atomics alone.
unsafe impl GlobalAlloc for Trap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        catch();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        catch();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        catch();
        // SAFETY: the block came from the system allocator, with this layout.
        unsafe { System.realloc(block, layout, len) }
    }
}

#[global_allocator]
static HEAP: Trap = Trap;

fn terms(profile: &Profile) -> Terms {
    Terms { seed: 7, ours: profile.clone(), theirs: profile.clone(), ..Terms::default() }
}

/// Trades with the trap armed between the first report and the last, and says what it caught.
fn caught_while_trading(profile: &Profile, orders: u64, faults: sim::Faults) -> (u64, u64) {
    let mut pair = Pair::new(terms(profile), Taker::new(orders, 1));
    caught_while_reported_on(&mut pair, orders, faults)
}

/// The same with everything captured into `file`, and the clocks followed. The threads that write and read
/// are caught too.
fn caught_while_captured(file: &Path, profile: &Profile, orders: u64) -> (u64, u64) {
    let mut started = None;
    let wrap = |nic: SimNic| {
        let clock = nic.live_clock().map(|clock| Box::new(clock) as Box<dyn DeviceClock>);
        let counter = HostCounter::Mono(HostClock::new());
        let service = ClockService::start(counter, clock, &ClockSettings::default()).unwrap();
        let options = capture::Options {
            interface: "sim",
            application: "no_alloc",
            clock: HostClock::new(),
            // The wire's time is not the host's: every stamp of the device's is refused, and gets a comment.
            wire_origin: None,
            clocks: Some(&service),
            ring_len: capture::RING_LEN,
            say: |trouble| panic!("{trouble}"),
        };
        let (nic, capture) = capture::start(CaptureFile::open(file), nic, &options);
        started = Some((service, capture));
        nic
    };
    let mut pair = Pair::wrapped(terms(profile), Taker::new(orders, 1), Exchange::new(), wrap);
    let (service, capture) = started.expect("they were");
    // Until then the threads are being set up.
    await_begun("the writer", || std::fs::metadata(file).is_ok_and(|file| file.len() > 0));
    await_begun("the service", || service.counters().wall.locked > 0);
    let found = caught_while_reported_on(&mut pair, orders, sim::Faults::default());
    let summary = capture.finish();
    assert!(summary.counters.written() > 2 * orders, "{summary:?}");
    found
}

/// The same with every byte copied for a log, whose ring is read now and then and is full in between, and every number
/// shown to another core after each step.
fn caught_while_operated(profile: &Profile, orders: u64) -> (u64, u64) {
    let (taker, mut reader) = Logged::new(Taker::new(orders, 1), 1, RING_LEN_MIN);
    let mut pair = Pair::with_apps(terms(profile), taker, Exchange::new());
    while pair.ours.app().reports_received() == 0 {
        pair.step();
    }
    let mut bytes = Vec::with_capacity(RING_LEN_MIN);
    let (mut read, mut shown) = (0, 0);
    CAUGHT.store(0, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
    for step in 0..50 * orders {
        pair.step();
        pair.ours.visit_counters(|_, count| shown += count);
        let status = pair.ours.desk().statuses().next();
        shown += status.map_or(0, |status| status.counters.iter().map(|(_, count)| count).sum());
        shown += pair.ours.intervals().bucket(step as usize % BUCKETS).0;
        if step % 4_096 == 0 {
            while reader.next(&mut bytes).is_some() {
                read += bytes.len() as u64;
            }
        }
        if pair.ours.app().is_done() {
            break;
        }
    }
    ARMED.store(false, Ordering::SeqCst);
    let lost = reader.counters().bytes_ring_full.load(Ordering::Relaxed);
    assert!(read > 0 && lost > 0 && shown > 0, "{read} bytes were read, {lost} lost");
    (pair.ours.app().reports_received(), CAUGHT.load(Ordering::SeqCst))
}

/// The same with each message measured, by a ring that is read now and then and is full in between.
fn caught_while_measured(profile: &Profile, orders: u64) -> (u64, u64) {
    let mut pair = Pair::new(terms(profile), Taker::new(orders, 1));
    let wire = pair.wire.clone();
    let read = Box::new(move || wire.now().mono.as_ns());
    let (recorder, mut ring, counters) = recorder(read, 1_024);
    pair.ours.measure_by(recorder);
    while pair.ours.app().reports_received() == 0 {
        pair.step();
    }
    let mut read = 0_u64;
    CAUGHT.store(0, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
    for step in 0..50 * orders {
        pair.step();
        if step % 16_384 == 0 {
            while ring.pop().is_ok() {
                read += 1;
            }
        }
        if pair.ours.app().is_done() {
            break;
        }
    }
    ARMED.store(false, Ordering::SeqCst);
    let lost = counters.ring_full.load(Ordering::Relaxed);
    assert!(read > 0 && lost > 0, "{read} records were read, {lost} lost");
    (pair.ours.app().reports_received(), CAUGHT.load(Ordering::SeqCst))
}

/// The same with all that we send kept in a file, with the thread that syncs it.
#[cfg(feature = "journal")]
fn caught_while_kept(folder: &Path, durability: Durability, orders: u64) -> (u64, u64) {
    let mut pair = Pair::new(terms(&Profile::all(Policy::Prefer)), Taker::new(orders, 1));
    let plan = StorePlan { durability, ring_len: 4 << 20, ..StorePlan::new(folder) };
    let store = FileStore::open(&plan, durability.name().as_bytes()).unwrap();
    pair.ours.keep_in(SessionId(0), Box::new(store));
    caught_while_reported_on(&mut pair, orders, sim::Faults::default())
}

/// Waits until somebody has begun.
fn await_begun(who: &str, has_begun: impl Fn() -> bool) {
    let asked = Instant::now();
    while !has_begun() {
        assert!(asked.elapsed() < PATIENCE, "{who} does not begin");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// From the first report on.
fn caught_while_reported_on<N: Nic>(
    pair: &mut Pair<Taker, Exchange, N>,
    orders: u64,
    faults: sim::Faults,
) -> (u64, u64) {
    while pair.ours.app().reports_received() == 0 {
        pair.step();
    }
    let caught = caught_until(pair, 50 * orders, faults, |taker| taker.is_done());
    (pair.ours.app().reports_received(), caught)
}

/// The same with an echo on the far side, which is sent every kind of message it knows and some that
/// it does not.
fn caught_while_echoing(messages: u32, faults: sim::Faults) -> (u64, u64) {
    let profile = Profile::all(Policy::Prefer);
    let mut pair = Pair::with_apps(terms(&profile), Asker::new(messages), Echo::new(1));
    while pair.ours.app().answered == 0 {
        pair.step();
    }
    let caught = caught_until(&mut pair, 50 * u64::from(messages), faults, |asker| asker.is_done());
    let echo = pair.theirs.app().counters();
    assert!(echo.duplicates_ignored > 0 && echo.ids_forgotten > 0 && echo.refused == 0, "{echo:?}");
    (echo.echoed + echo.unsupported, caught)
}

/// Takes what comes, and answers nothing.
#[derive(Default)]
struct Still {
    is_up: bool,
    answers: u64,
}

impl Application for Still {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, _: &mut Sender<'_, S, O>) {
        self.is_up = true;
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.answers += 1;
    }
}

/// Messages that an echo sends back, each in a prepared frame.
fn caught_while_prepared(policy: Policy, messages: u64) -> (u64, u64) {
    let mut pair = Pair::with_apps(terms(&Profile::all(policy)), Still::default(), Echo::new(1));
    while !pair.ours.app().is_up {
        pair.step();
    }
    let mut send = pair.ours.prepare_send(pair.wire.now(), SessionId(0)).expect("it is up");
    CAUGHT.store(0, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
    for number in 1..=messages {
        let now = pair.wire.now();
        pair.ours.refresh_send(now, &mut send).expect("nothing is in its way");
        pair.ours.warm_send(now, &mut send, 150).expect("nothing is in its way");
        let sent = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |encoder| {
            encoder.put_u32(11, number as u32);
        });
        sent.expect("nothing is in its way");
        while pair.ours.app().answers < number {
            pair.step();
        }
    }
    ARMED.store(false, Ordering::SeqCst);
    (pair.ours.app().answers, CAUGHT.load(Ordering::SeqCst))
}

/// Room for what a session sends, read by the test and taken up again.
struct Slot {
    room: [u8; 4_096],
    sent: usize,
}

impl Outlet for Slot {
    fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
        self.room[self.sent..].get_mut(..len).ok_or(Full)
    }

    fn commit(&mut self, used: usize) {
        self.sent += used;
    }
}

/// Counts logons.
#[derive(Default)]
struct Gate(u64);

impl Handler for Gate {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: &mut Sender<'_, S, O>) {
        self.0 += 1;
    }

    fn on_message<S: Store, O: Outlet>(&mut self, _: &Message<'_>, _: &mut Sender<'_, S, O>) {}
}

/// Logons, one connection each, that say all that can be said of an initiator, and are held to it.
fn caught_while_logging_on(logons: u64) -> (u64, u64) {
    let session = |role, us, them| {
        let id = |text| CompId::new(text).unwrap();
        let mut config = SessionConfig::new(Version::Fix44, role, id(us), id(them));
        config.credentials = Credentials::new("joe", "s3cret");
        config.next_expected_msg_seq_num = true;
        config.logon_fields.add(464, "Y").unwrap();
        Session::new(config, MemoryStore::default())
    };
    let mut ours = session(Role::Initiator, "DESK", "VENUE");
    let mut theirs = session(Role::Acceptor, "VENUE", "DESK");
    let [mut there, mut back] = [(); 2].map(|()| Slot { room: [0; 4_096], sent: 0 });
    let (mut gate, mut far_gate) = (Gate::default(), Gate::default());
    let now = HostClock::new().now();
    CAUGHT.store(0, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
    for _ in 0..logons {
        (there.sent, back.sent) = (0, 0);
        theirs.on_connect(now, &mut back);
        ours.on_connect(now, &mut there);
        let _ = theirs.on_bytes(now, &there.room[..there.sent], &mut back, &mut far_gate);
        let _ = ours.on_bytes(now, &back.room[..back.sent], &mut there, &mut gate);
        ours.on_disconnect(now, &mut gate);
        theirs.on_disconnect(now, &mut far_gate);
    }
    ARMED.store(false, Ordering::SeqCst);
    (gate.0.min(far_gate.0), CAUGHT.load(Ordering::SeqCst))
}

/// Goes on with the trap armed until our side is done, and says what it caught.
fn caught_until<A: Application, B: Application, N: Nic>(
    pair: &mut Pair<A, B, N>,
    steps_max: u64,
    faults: sim::Faults,
    is_done: impl Fn(&A) -> bool,
) -> u64 {
    pair.set_faults(faults);
    CAUGHT.store(0, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
    let mut steps = 0u64;
    while !is_done(pair.ours.app()) && steps < steps_max {
        pair.step();
        steps += 1;
    }
    ARMED.store(false, Ordering::SeqCst);
    CAUGHT.load(Ordering::SeqCst)
}

// One test, one thread: another test's allocations would be caught too.
#[test]
fn a_hundred_thousand_orders_allocate_nothing() {
    // The trap itself works.
    ARMED.store(true, Ordering::SeqCst);
    drop(std::hint::black_box(Box::new(7u64)));
    ARMED.store(false, Ordering::SeqCst);
    assert_eq!(CAUGHT.load(Ordering::SeqCst), 2, "a Box is one alloc and one dealloc");

    let clean = sim::Faults::default();
    for policy in [Policy::Prefer, Policy::Off] {
        let (reports, caught) = caught_while_trading(&Profile::all(policy), 100_000, clean);
        assert_eq!((reports, caught), (100_000, 0), "offloads {policy}");
    }
    let rough = sim::Faults {
        loss_ppm: 10_000,
        duplicate_ppm: 10_000,
        reorder_ppm: 10_000,
        reorder_delay_ns: 50_000,
        corrupt_ppm: 10_000,
        ..sim::Faults::default()
    };
    let (reports, caught) = caught_while_trading(&Profile::all(Policy::Prefer), 5_000, rough);
    assert_eq!((reports, caught), (5_000, 0), "on a rough wire");

    for policy in [Policy::Prefer, Policy::Off] {
        let (answers, caught) = caught_while_prepared(policy, 5_000);
        assert_eq!((answers, caught), (5_000, 0), "prepared, offloads {policy}");
    }

    let (logons, caught) = caught_while_logging_on(50);
    assert_eq!((logons, caught), (50, 0), "logging on with credentials");

    let folder = tempfile::tempdir().unwrap();
    for policy in [Policy::Prefer, Policy::Off] {
        let file = folder.path().join(format!("{policy}.pcapng"));
        let (reports, caught) = caught_while_captured(&file, &Profile::all(policy), 20_000);
        assert_eq!((reports, caught), (20_000, 0), "captured, offloads {policy}");
    }
    let (reports, caught) = caught_while_operated(&Profile::all(Policy::Prefer), 20_000);
    assert_eq!((reports, caught), (20_000, 0), "logged and looked at");
    for policy in [Policy::Prefer, Policy::Off] {
        let profile = Profile::all(Policy::Prefer).with(Capability::TxTimestamp, policy);
        let (reports, caught) = caught_while_measured(&profile, 20_000);
        assert_eq!((reports, caught), (20_000, 0), "measured, sendings stamped {policy}");
    }
    #[cfg(feature = "journal")]
    for durability in [Durability::None, Durability::Async] {
        // More than the ring holds.
        let (reports, caught) = caught_while_kept(folder.path(), durability, 40_000);
        assert_eq!((reports, caught), (40_000, 0), "kept, {durability:?}");
    }
    for (messages, faults) in [(20_000, clean), (8_000, rough)] {
        let (answered, caught) = caught_while_echoing(messages, faults);
        assert_eq!((answered, caught), (u64::from(messages), 0), "{messages} echoed");
    }
}
