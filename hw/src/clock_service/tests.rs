//! Rounds over clocks that a test sets, and the service over those of this machine.

use std::sync::atomic::AtomicU64;
use std::sync::mpsc;

use fixwire_offload::clock::{Bracket, ClockConfig, Lapse, Refusal};
use fixwire_offload::stamp::{ClockId, Domain, RxStamp};

use super::rounds::{Cadence, Clocks, HostClocks, READINGS, Whose};
use super::*;

const HOST: ClockInfo = ClockInfo {
    id: ClockId::HOST,
    domain: Domain::Tsc,
    ticks_per_s: 2_500_000_000,
    bits: u64::BITS,
};
const DEVICE: ClockInfo =
    ClockInfo { id: ClockId(1), domain: Domain::NicTicks, ticks_per_s: 156_250_000, bits: 41 };

/// Three clocks that agree but for their origins, until a test sets one.
struct Virtual {
    now_ns: u64,
    wall_origin_ns: u64,
    device_origin: u64,
    has_device: bool,
    is_silent: bool,
    was_reset: bool,
    runs_backwards: bool,
    /// How wide the brackets of a handful are, in turn.
    widths_ns: [u64; READINGS],
    taken: usize,
    /// Which handful of readings is wrong.
    wrong: Option<usize>,
    /// How long the service is kept waiting when it asks for the time.
    late_ns: u64,
}

impl Virtual {
    fn new(has_device: bool) -> Virtual {
        Virtual {
            now_ns: 5_000_000_000,
            wall_origin_ns: 1_800_000_000_000_000_000,
            device_origin: 77,
            has_device,
            is_silent: false,
            was_reset: false,
            runs_backwards: false,
            widths_ns: [90, 60, 4_000, 80, 70_000, 100, 90, 80],
            taken: 0,
            wrong: None,
            late_ns: 0,
        }
    }

    fn ticks(&self) -> u64 {
        self.now_ns / 2 * 5
    }

    fn wall_ns(&self) -> u64 {
        self.wall_origin_ns + self.now_ns
    }

    fn device(&self) -> u64 {
        (self.device_origin + self.now_ns * 5 / 32) & ((1 << 41) - 1)
    }
}

impl Clocks for Virtual {
    fn host(&self) -> u64 {
        self.ticks() + self.late_ns / 2 * 5
    }

    fn bracket(&mut self, whose: Whose) -> Option<Bracket> {
        let width_ns = self.widths_ns[self.taken % READINGS];
        let is_wrong = self.wrong == Some(self.taken / READINGS);
        self.taken += 1;
        let before = self.ticks();
        self.now_ns += width_ns / 2;
        let reading = match whose {
            Whose::Wall if is_wrong => 7,
            Whose::Wall => self.wall_ns(),
            Whose::Device => self.device(),
        };
        self.now_ns += width_ns - width_ns / 2;
        let after = self.ticks();
        let (before, after) = if self.runs_backwards { (after, before) } else { (before, after) };
        (!(self.is_silent && whose == Whose::Device)).then_some(Bracket { before, reading, after })
    }

    fn has_device(&self) -> bool {
        self.has_device
    }

    fn device_was_reset(&mut self) -> bool {
        std::mem::take(&mut self.was_reset)
    }
}

/// Rounds over virtual clocks, and who reads what they publish.
struct Story {
    rounds: Rounds<Virtual>,
    reader: Reader,
    counts: Counts,
}

impl Story {
    fn new(has_device: bool) -> Story {
        Story::with(has_device, &ClockConfig::default())
    }

    fn with(has_device: bool, config: &ClockConfig) -> Story {
        Story::at(has_device, config, (Duration::from_millis(100), READINGS))
    }

    /// The same with a device that is read so often.
    fn at(has_device: bool, config: &ClockConfig, (refresh, readings): (Duration, usize)) -> Story {
        let device = has_device.then_some(&DEVICE);
        let discipline = Discipline::new(config, &HOST, device).unwrap();
        let (publisher, reader) = Publisher::new(&discipline);
        let cadences = [Cadence::of_wall(config), Cadence::new(refresh, readings)];
        let clocks = Virtual::new(has_device);
        let rounds = Rounds::new(clocks, discipline, publisher, config, cadences, &HOST);
        Story { rounds, reader, counts: Counts::default() }
    }

    /// So many rounds, and how long was waited after each, in ms.
    fn rounds(&mut self, rounds: usize) -> Vec<u128> {
        let round = |_| {
            let pause = self.rounds.round(&self.counts);
            self.rounds.clocks.now_ns += pause.as_nanos() as u64;
            pause.as_millis()
        };
        (0..rounds).map(round).collect()
    }

    fn clocks(&mut self) -> &mut Virtual {
        &mut self.rounds.clocks
    }

    fn counters(&self) -> ClockCounters {
        self.counts.sum_up()
    }

    /// The bound at which a stamp of now is converted, its time being right within it.
    fn error_bound_ns(&mut self, domain: Domain) -> Result<u64, Refusal> {
        let clocks = &self.rounds.clocks;
        let (clock, ticks) = match domain {
            Domain::Tsc => (HOST.id, clocks.ticks()),
            _ => (DEVICE.id, clocks.device()),
        };
        let generation = match domain {
            Domain::Tsc => 0,
            _ => self.reader.mapping().device_generation(),
        };
        let stamp = RxStamp { clock, generation, domain, ticks };
        let time = self.reader.convert(&stamp, clocks.ticks())?;
        let off_ns = time.utc.as_unix_ns().abs_diff(self.rounds.clocks.wall_ns());
        assert!(off_ns <= time.error_bound_ns, "{off_ns} ns off: {time:?}");
        Ok(time.error_bound_ns)
    }
}

#[test]
fn the_third_round_locks_and_the_rounds_slow_down() {
    let mut story = Story::new(true);
    assert_eq!(story.rounds(2), [10, 20]);
    assert_eq!(story.error_bound_ns(Domain::Tsc), Err(Refusal::Wall(Lapse::NotYet)));
    assert_eq!(story.rounds(4), [40, 80, 100, 100]);
    let pairs = PairCounters { warming_up: 2, locked: 1, agreed: 3, ..PairCounters::default() };
    let expected = ClockCounters { wall: pairs, device: pairs, ..ClockCounters::default() };
    assert_eq!(story.counters(), expected);
    story.rounds(20);
    for domain in [Domain::Tsc, Domain::NicTicks] {
        story.error_bound_ns(domain).unwrap();
    }
}

#[test]
fn the_narrowest_of_a_handful_is_what_the_bound_is_made_of() {
    let bounds = [60, 1_000].map(|width_ns| {
        let mut story = Story::new(false);
        story.clocks().widths_ns = [9_000; READINGS];
        story.clocks().widths_ns[3] = width_ns;
        story.rounds(30);
        story.error_bound_ns(Domain::Tsc).unwrap()
    });
    assert!((30..200).contains(&bounds[0]) && bounds[1] > 500, "{bounds:?}");
}

#[test]
fn a_wall_clock_that_is_set_is_believed_at_the_second_reading_and_locked_anew_at_once() {
    let mut story = Story::new(false);
    story.rounds(10);
    story.clocks().wall_origin_ns += 1_000_000_000;
    assert_eq!(story.rounds(1), [10]);
    assert_eq!(story.error_bound_ns(Domain::Tsc), Err(Refusal::Wall(Lapse::NotYet)));
    let PairCounters { doubtful, jumped, .. } = story.counters().wall;
    assert_eq!((doubtful, jumped, story.reader.mapping().wall_generation()), (1, 1, 1));
    assert_eq!(story.rounds(4), [20, 40, 80, 100]);
    story.error_bound_ns(Domain::Tsc).unwrap();
}

#[test]
fn one_bad_reading_is_doubted_and_forgotten() {
    let mut story = Story::new(false);
    story.rounds(10);
    story.clocks().wrong = Some(10);
    assert_eq!(story.rounds(1), [100]);
    let pairs = story.counters().wall;
    assert_eq!((pairs.doubtful, pairs.jumped, pairs.stale, pairs.agreed), (1, 0, 0, 8));
    story.error_bound_ns(Domain::Tsc).unwrap();
}

#[test]
fn a_service_that_was_kept_waiting_too_long_begins_anew() {
    let mut story = Story::new(false);
    story.rounds(10);
    story.clocks().now_ns += 3_000_000_000;
    assert_eq!(story.error_bound_ns(Domain::Tsc), Err(Refusal::Wall(Lapse::Stale)));
    assert_eq!(story.rounds(1), [10]);
    assert_eq!(story.counters().wall.stale, 1);
    story.rounds(3);
    story.error_bound_ns(Domain::Tsc).unwrap();
}

#[test]
fn a_device_that_is_silent_or_reset_is_counted_and_the_wall_clock_goes_on() {
    let mut story = Story::new(true);
    story.rounds(10);
    story.clocks().is_silent = true;
    story.rounds(20);
    let stale = Err(Refusal::Device(Lapse::Stale));
    assert_eq!(
        (story.error_bound_ns(Domain::NicTicks), story.counters().device_silent),
        (stale, 20)
    );
    story.error_bound_ns(Domain::Tsc).unwrap();

    let mut story = Story::new(true);
    story.rounds(10);
    story.clocks().was_reset = true;
    story.clocks().device_origin += 1 << 30;
    assert_eq!(story.rounds(1), [10]);
    let not_yet = Err(Refusal::Device(Lapse::NotYet));
    assert_eq!(
        (story.error_bound_ns(Domain::NicTicks), story.counters().device_reset),
        (not_yet, 1)
    );
    assert_eq!(story.reader.mapping().device_generation(), 1);
    story.error_bound_ns(Domain::Tsc).unwrap();
    story.rounds(3);
    story.error_bound_ns(Domain::NicTicks).unwrap();
    assert_eq!(story.counters().device.jumped, 0, "told, not found out");
}

#[test]
fn without_a_device_nothing_is_read_or_counted_of_one() {
    let mut story = Story::new(false);
    story.rounds(5);
    assert_eq!(story.clocks().taken, 5 * READINGS);
    let counters = story.counters();
    assert_eq!((counters.device, counters.device_silent), (PairCounters::default(), 0));
}

#[test]
fn a_counter_that_runs_backwards_is_not_used() {
    let mut story = Story::new(false);
    story.clocks().runs_backwards = true;
    story.rounds(5);
    let wall = PairCounters { backwards: 5, ..PairCounters::default() };
    assert_eq!(story.counters(), ClockCounters { wall, ..ClockCounters::default() });
}

#[test]
fn a_line_that_is_published_after_it_begins_is_counted() {
    for (late_ns, expected) in [(900_000, 0), (1_100_000, 7)] {
        let mut story = Story::new(false);
        story.clocks().late_ns = late_ns;
        story.rounds(10);
        assert_eq!(story.counters().published_late, expected, "{late_ns} ns");
    }
}

#[test]
fn the_rounds_are_as_close_as_what_is_stale_asks_for() {
    let mut config = ClockConfig::default();
    config.wall = fixwire_offload::clock::StageConfig {
        stale_after_ns: 160_000_000,
        catch_up_ns: 80_000_000,
        ..config.wall
    };
    assert_eq!(Story::with(false, &config).rounds(5), [10, 20, 40, 40, 40]);
}

#[test]
fn each_clock_is_read_as_often_as_it_is_to_be_and_by_so_many_readings() {
    // A slow device: it starts as the wall clock does, and then is left alone for longer.
    let config = ClockConfig::default();
    let mut story = Story::at(true, &config, (Duration::from_millis(250), 3));
    assert_eq!(story.rounds(9), [10, 20, 40, 80, 100, 60, 40, 100, 100]);
    let (wall, device) = (story.counters().wall, story.counters().device);
    assert_eq!((wall.agreed + 3, device.agreed + 3), (8, 6));
    assert_eq!(story.clocks().taken, 8 * READINGS + 6 * 3);
    // A fast one: the wall clock is not read for its sake.
    let mut story = Story::at(true, &config, (Duration::from_millis(5), 1));
    story.clocks().widths_ns = [60; READINGS];
    story.rounds(100);
    let (wall, device) = (story.counters().wall, story.counters().device);
    assert_eq!((wall.agreed + 3, device.agreed + 3), (8, 100));
    for domain in [Domain::Tsc, Domain::NicTicks] {
        story.error_bound_ns(domain).unwrap();
    }
}

#[test]
fn a_device_that_jumps_is_read_sooner_again_and_the_wall_clock_when_its_turn_comes() {
    let mut story = Story::new(true);
    story.rounds(10);
    let wall_read = story.counters().wall.agreed;
    story.clocks().device_origin += 1 << 20;
    assert_eq!(story.rounds(5), [10, 20, 40, 30, 50]);
    assert_eq!((story.counters().device.jumped, story.counters().wall.agreed), (1, wall_read + 2));
    let device = story.reader.mapping().device(u64::MAX).unwrap();
    assert_eq!((device.generation, device.ended), (1, Some(Lapse::Jumped)));
}

/// A device whose reading and bracket differ, where it has one of its own.
struct OwnBracket(Option<Bracket>);

impl DeviceClock for OwnBracket {
    fn info(&self) -> ClockInfo {
        DEVICE
    }

    fn read(&mut self) -> Option<u64> {
        Some(1)
    }

    fn bracket(&mut self, _host: &HostCounter) -> Option<Bracket> {
        self.0
    }
}

#[test]
fn a_device_that_brackets_its_own_reading_is_taken_at_that() {
    let counter = HostCounter::best();
    for own in [Some(Bracket { before: 10, reading: 7, after: 12 }), None] {
        let device: Option<Box<dyn DeviceClock>> = Some(Box::new(OwnBracket(own)));
        assert_eq!(HostClocks { counter, device }.bracket(Whose::Device), own);
    }
}

#[test]
fn every_counter_has_a_name_of_its_own() {
    let all: Vec<_> =
        ClockCounters::default().iter().map(|(whose, name, _)| (whose, name)).collect();
    let mut named = all.clone();
    named.sort_unstable();
    named.dedup();
    assert_eq!((named.len(), all.len()), (22, 22));
}

/// Gives the service's thread time, and a hang an end.
fn wait_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the service does nothing");
        sleep(Duration::from_millis(1));
    }
}

/// A device whose clock is the monotonic one, or one that hangs.
struct Device {
    counter: HostCounter,
    hangs: Option<mpsc::Receiver<()>>,
    readings: Arc<AtomicU64>,
}

impl DeviceClock for Device {
    fn info(&self) -> ClockInfo {
        ClockInfo { id: ClockId(1), domain: Domain::NicNs, ..self.counter.info() }
    }

    fn read(&mut self) -> Option<u64> {
        self.readings.fetch_add(1, Ordering::Relaxed);
        if let Some(hangs) = &self.hangs {
            // Until the test lets go of the other end.
            let _ = hangs.recv();
        }
        Some(self.counter.now())
    }
}

fn device(hangs: Option<mpsc::Receiver<()>>) -> (Box<dyn DeviceClock>, Arc<AtomicU64>) {
    let readings = Arc::new(AtomicU64::new(0));
    let counter = HostCounter::Mono(crate::clock::HostClock::new());
    (Box::new(Device { counter, hangs, readings: Arc::clone(&readings) }), readings)
}

#[test]
fn on_this_machine_stamps_become_times_by_either_counter_and_the_service_ends() {
    for counter in [HostCounter::best(), HostCounter::Mono(crate::clock::HostClock::new())] {
        let (device, readings) = device(None);
        let service =
            ClockService::start(counter, Some(device), &ClockSettings::default()).unwrap();
        let mut reader = service.reader();
        let mut convert = |stamp: &RxStamp| reader.convert(stamp, counter.now());
        wait_until(|| convert(&counter.stamp()).is_ok());
        let before = utc_ns();
        let stamp = counter.stamp();
        let after = utc_ns();
        let time = convert(&stamp);
        // A busy machine may have let it go stale; and nobody may have set its clock meanwhile.
        if let Ok(time) = time {
            let (utc, bound) = (time.utc.as_unix_ns(), time.error_bound_ns);
            assert!(before <= utc + bound && utc <= after + bound, "{before} {time:?} {after}");
        }
        wait_until(|| service.counters().device.locked > 0);
        let shared = Arc::downgrade(&service.shared);
        let counters = service.stop().unwrap();
        assert!(counters.wall.locked > 0 && counters.wall.warming_up > 0, "{counters:?}");
        assert!(shared.upgrade().is_none(), "the thread has let go of all");
        let read = readings.load(Ordering::Relaxed);
        assert!(read >= 3 * READINGS as u64, "{read}");
        sleep(Duration::from_millis(20));
        assert_eq!(readings.load(Ordering::Relaxed), read, "nothing is read any more");
    }
}

fn utc_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_nanos() as u64
}

#[test]
fn a_service_that_is_dropped_ends_and_its_last_lines_stay_readable() {
    let counter = HostCounter::best();
    let service = ClockService::start(counter, None, &ClockSettings::default()).unwrap();
    let mut reader = service.reader();
    wait_until(|| reader.convert(&counter.stamp(), counter.now()).is_ok());
    let stamp = counter.stamp();
    let shared = Arc::downgrade(&service.shared);
    drop(service);
    assert!(shared.upgrade().is_none());
    // As of when it was taken: nothing becomes stale by being asked for late.
    assert!(reader.convert(&stamp, stamp.ticks).is_ok());
}

#[test]
fn a_device_that_hangs_is_left_behind_and_said() {
    let (let_go, hangs) = mpsc::channel();
    let (device, readings) = device(Some(hangs));
    let service =
        ClockService::start(HostCounter::best(), Some(device), &ClockSettings::default()).unwrap();
    wait_until(|| readings.load(Ordering::Relaxed) > 0);
    let shared = Arc::downgrade(&service.shared);
    assert!(matches!(service.stop(), Err(ClockServiceError::TooSlow)));
    drop(let_go);
    wait_until(|| shared.upgrade().is_none());
}

#[test]
fn clocks_that_cannot_be_disciplined_are_refused_at_the_start() {
    let settings = ClockSettings { queue_delay_us_max: 0, ..ClockSettings::default() };
    let refused = ClockService::start(HostCounter::best(), None, &settings).unwrap_err();
    assert!(refused.to_string().contains("queue_delay_ns_max"), "{refused}");
}
