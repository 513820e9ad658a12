//! Orders traded on a NIC model whose clock is followed while it runs, and jumps.

use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::clock_watch::{ClockWatch, NewLife};
use fixwire::fix::{CloseReason, Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::clock::{Bracket, ClockConfig, Discipline, Lapse, Publisher, Refusal};
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::stamp::{ClockId, ClockInfo, Domain};
use fixwire::time::{Clock, Duration};
use fixwire_hw::sim::{End, Model, NicFaults};

use crate::common::{Pair, Terms};

const HOST: ClockInfo = ClockInfo {
    id: ClockId::HOST,
    domain: Domain::HostNs,
    ticks_per_s: 1_000_000_000,
    bits: u64::BITS,
};

/// A taker that keeps the stamps it is handed.
struct Stamped {
    taker: Taker,
    stamps: Vec<RxStamp>,
}

impl Application for Stamped {
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        self.taker.on_logon(session, orders);
    }

    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        self.taker.on_logout(session, reason);
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    ) {
        self.stamps.extend(stamp);
        self.taker.on_message(session, message, stamp, orders);
    }
}

/// A pair whose nearer NIC's clock is read as a clock service does, in the wire's time.
struct Story {
    pair: Pair<Stamped>,
    discipline: Discipline,
    publisher: Publisher,
    watch: ClockWatch,
    refused: Vec<Refusal>,
}

impl Story {
    fn new(model: &str) -> Story {
        let model = Model::named(model).expect("it is in the catalogue");
        let terms = Terms { seed: 3, ..Terms::of(model, &Profile::all(Policy::Prefer)) };
        let app = Stamped { taker: Taker::new(1_000_000, 1), stamps: Vec::new() };
        let pair = Pair::with_apps(terms, app, fixwire::app::exchange::Exchange::new());
        let clock = pair.ours.nic().clock();
        let discipline = Discipline::new(&ClockConfig::default(), &HOST, clock.as_ref()).unwrap();
        let (publisher, reader) = Publisher::new(&discipline);
        let watch = ClockWatch::new(reader);
        Story { pair, discipline, publisher, watch, refused: Vec::new() }
    }

    /// One reading of both clocks, 50 ms after whatever was last.
    fn read(&mut self) {
        self.pair.wire.advance(Duration::from_ms(50));
        let nic = self.pair.ours.nic_mut();
        let bracket = Bracket::narrowest((0..4).filter_map(|_| nic.read_clock())).unwrap();
        self.discipline.on_device_pair(bracket);
        let now = self.pair.wire.now();
        let (before, after) = (now.mono.as_ns(), now.mono.as_ns());
        let reading = now.utc.as_unix_ns();
        self.discipline.on_wall_pair(Bracket { before, reading, after });
        self.publisher.publish(&self.discipline);
    }

    /// Trades so many orders more; each round with frames, the newest stamp is converted. Every time that is
    /// told is the frame's, within its bound. Says how many were.
    fn trade(&mut self, orders: u64) -> u64 {
        let before = self.watch.conversions().converted;
        let reports = self.pair.ours.app().taker.reports_received() + orders;
        for _ in 0..100_000 {
            if self.pair.ours.app().taker.reports_received() >= reports {
                return self.watch.conversions().converted - before;
            }
            let wire = &self.pair.wire;
            if self.pair.ours.poll(wire) > 0 {
                // On this wire a frame is polled when it arrives.
                let (stamp, now) = (self.pair.ours.newest_stamp().unwrap(), wire.now());
                match self.watch.convert(&stamp, now.mono.as_ns()) {
                    Ok(time) => {
                        let off_ns = time.utc.abs_diff(now.utc).as_ns();
                        assert!(off_ns <= time.error_bound_ns, "{off_ns} ns off: {time:?}");
                    }
                    Err(refusal) => self.refused.push(refusal),
                }
            }
            self.pair.step();
        }
        panic!("stuck at {reports}");
    }

    fn counter(&self, name: &str) -> u64 {
        self.pair.ours.counters().find(|(known, _)| *known == name).unwrap().1
    }
}

#[test]
fn a_clock_that_jumps_ahead_while_it_runs_begins_a_life_whose_stamps_compare_with_none_before() {
    for model in ["connectx5", "e810", "bnxt"] {
        let mut story = Story::new(model);
        for _ in 0..10 {
            story.read();
            story.trade(5);
        }
        assert_eq!(story.watch.look(&mut story.pair.ours), None, "{model}");
        assert_eq!(story.trade(5), 5, "{model}: each is told");

        let faults = NicFaults { clock_jump_ns: 30_000_000, ..NicFaults::default() };
        story.pair.wire.set_nic_faults(End::A, faults);
        story.refused.clear();
        assert_eq!(story.trade(5), 0, "{model}: none is told wrongly");
        assert_eq!(story.refused, [Refusal::Implausible; 5], "{model}");
        let before = story.pair.ours.app().stamps.len();

        story.read();
        story.read();
        let life = NewLife { generation: 1, why: Lapse::Jumped };
        assert_eq!(story.watch.look(&mut story.pair.ours), Some(life), "{model}");
        assert_eq!(story.watch.look(&mut story.pair.ours), None, "{model}: once");
        assert_eq!(story.counter("rx_clock_new_life"), 1, "{model}");
        assert_eq!((story.counter("rx_stamp_backwards"), story.counter("nic_demoted")), (0, 0));
        story.trade(5);
        for _ in 0..5 {
            story.read();
            story.trade(5);
        }
        assert_eq!(story.trade(5), 5, "{model}: each is told again");
        let (earlier, later) = story.pair.ours.app().stamps.split_at(before);
        let intervals = |stamps: &[RxStamp]| {
            stamps.windows(2).filter(|two| two[1].ticks_since(&two[0]).is_some()).count() + 1
        };
        assert_eq!((intervals(earlier), intervals(later)), (earlier.len(), later.len()));
        assert!(later.iter().all(|after| !after.compares_with(&earlier[before - 1])), "{model}");
    }
}
