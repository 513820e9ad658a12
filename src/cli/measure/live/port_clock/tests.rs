use std::cell::RefCell;
use std::rc::Rc;

use fixwire::measure::pairs::Place;
use fixwire::measure::stamp::Stamp;
use fixwire::measure::tally::Kind;
use fixwire::measure::wire_time::WireTime;
use fixwire_hw::ptp::Ahead;

use super::*;

/// A clock that stands so far ahead, if it can be read.
struct Made(Rc<RefCell<Option<i128>>>, i128);

impl Readings for Made {
    fn beside(&mut self) -> io::Result<Beside> {
        self.1 += 1_000_000;
        let by_ns = self.0.borrow().ok_or(io::ErrorKind::NotFound)?;
        Ok(Beside { host_ns: self.1, ahead: Ahead { by_ns, within_ns: 100 } })
    }

    fn keeps(&mut self) -> io::Result<PhcTime> {
        let by_ns = self.0.borrow().ok_or(io::ErrorKind::NotFound)?;
        Ok(PhcTime::of(Ahead { by_ns, within_ns: 100 }, None))
    }

    fn name(&self) -> String {
        "/dev/ptp9".into()
    }
}

struct Story {
    ahead: Rc<RefCell<Option<i128>>>,
    clock: PortClock<Made>,
    tally: Tally,
    now: Instant,
}

impl Story {
    fn new(ahead_ns: i128) -> Story {
        let (ahead, now) = (Rc::new(RefCell::new(Some(ahead_ns))), Instant::now());
        let clock = PortClock::new(Made(Rc::clone(&ahead), 0), now).unwrap();
        Story { ahead, clock, tally: Tally::default(), now }
    }

    fn at(&mut self, after_ms: u64, is_empty: bool) {
        self.now += Duration::from_millis(after_ms);
        self.clock.look(self.now, is_empty, &mut self.tally);
    }

    /// An order and its trigger, both stamped as of now.
    fn found(&mut self) {
        let stamp = |ns| {
            let domain = self.clock.domain().map_err(|_| Exclusion::Why(Reason::Unsettled))?;
            Ok(Stamp { time: WireTime::from_s_ns(1, ns), domain, port: 0 })
        };
        let both: Result<_, Exclusion> = stamp(5).and_then(|begin| Ok((begin, stamp(9)?)));
        let found = both.map(|(begin, end)| Interval {
            from: Place { file: 0, frame: 1 },
            begin,
            end,
            span: end.time - begin.time,
        });
        self.clock.hold(found);
    }

    fn samples(&self) -> Vec<(Clock, u64)> {
        let all = self.tally.distributions().iter();
        all.map(|of| (of.domain.clock, of.ps.len())).collect()
    }

    fn unsettled(&self) -> u64 {
        self.tally.excluded(Kind::WireToWireAtPort, Reason::Unsettled)
    }
}

fn life(life: u16) -> Clock {
    Clock::WirePort { hardware: true, life }
}

#[test]
fn stamps_are_in_the_time_that_the_clock_keeps() {
    for (ahead_ns, scale) in [
        (120, Timescale::Utc),
        (37_000_000_120, Timescale::Tai),
        (-5_000_000_000, Timescale::Elapsed),
    ] {
        let story = Story::new(ahead_ns);
        assert_eq!(story.clock.domain(), Ok(Domain { clock: life(0), scale }));
    }
}

#[test]
fn what_was_found_counts_once_a_reading_behind_it_vouches_for_it() {
    let mut story = Story::new(0);
    story.found();
    story.at(99, true);
    assert_eq!(story.samples(), []);
    story.at(1, true);
    assert_eq!((story.samples(), story.unsettled()), (vec![(life(0), 1)], 0));
    // More than is held has it read before its time.
    (0..HELD_MAX).for_each(|_| story.found());
    story.at(1, false);
    assert_eq!(story.samples(), [(life(0), 1 + HELD_MAX as u64)]);
}

#[test]
fn a_step_begins_a_life_and_what_may_be_of_either_side_is_excluded() {
    let mut story = Story::new(0);
    story.found();
    story.at(100, true);
    story.found();
    *story.ahead.borrow_mut() = Some(37_000_000_000);
    story.found();
    story.at(100, false);
    assert_eq!((story.samples(), story.unsettled()), (vec![(life(0), 1)], 2));
    // Frames that were stamped before it may still wait.
    assert_eq!(story.clock.domain(), Err(NoTime::Unsettled));
    story.found();
    story.at(19, true);
    assert_eq!(story.clock.domain(), Err(NoTime::Unsettled));
    story.at(1, false);
    assert_eq!(story.clock.domain(), Err(NoTime::Unsettled));
    story.at(1, true);
    assert_eq!(story.clock.domain(), Ok(Domain { clock: life(1), scale: Timescale::Tai }));
    story.found();
    let told = story.clock.finish(&mut story.tally);
    let all = story.tally.distributions().iter();
    let samples: Vec<_> = all.map(|of| (of.domain.clock, of.ps.len())).collect();
    assert_eq!(samples, [(life(0), 1), (life(1), 1)]);
    assert_eq!(story.tally.excluded(Kind::WireToWireAtPort, Reason::Unsettled), 3);
    let notes = told.notes("eth2");
    assert!(
        notes[0].starts_with("eth2 stamps by /dev/ptp9, which keeps UTC, +0 ns ± 100 ns"),
        "{notes:?}"
    );
    assert!(notes[1].contains("steps of /dev/ptp9: 1, the last by +37000000000 ns"), "{notes:?}");
    assert_eq!((&told.json()["steps"], &told.json()["keeps"]), (&1.into(), &"UTC".into()));
}

#[test]
fn while_a_clock_cannot_be_read_nothing_vouches_for_a_stamp() {
    let mut story = Story::new(0);
    story.found();
    *story.ahead.borrow_mut() = None;
    story.at(100, true);
    assert_eq!(story.unsettled(), 1);
    story.at(100, true);
    story.at(100, true);
    assert_eq!(story.clock.domain(), Err(NoTime::Unsettled));
    // It may have been set meanwhile: it is another life, and only one.
    *story.ahead.borrow_mut() = Some(50_000_000_000);
    story.at(100, true);
    assert_eq!(story.clock.domain(), Err(NoTime::Unsettled));
    story.at(20, true);
    assert_eq!(story.clock.domain(), Ok(Domain { clock: life(1), scale: Timescale::Elapsed }));
    let told = story.clock.finish(&mut story.tally);
    assert_eq!((told.steps, told.unread), (0, 3));
    assert!(told.notes("eth2")[1].contains("that failed: 3;"));
}
