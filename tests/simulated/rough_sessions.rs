//! What goes wrong between two engines: bursts over a rough wire, a full line, a host that is not
//! there, orders decided before a logout, numbers reset under an order.

use std::cell::RefCell;
use std::rc::Rc;

use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::remote::{self, Bridge};
use fixwire::app::taker::Taker;
use fixwire::app::{Application, SessionId};
use fixwire::desk::LineFailure;
use fixwire::fix::{CloseReason, Encoder, Message, Outlet, Role, Sender, State, Store};
use fixwire::offload::RxStamp;
use fixwire::offload::nic::{BURST_MAX, Burst, Frame as _, Link, Nic, RxMeta, TxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::tcp::{Closed, Config};
use fixwire::time::{Clock, Duration, Now};
use fixwire_hw::pool::Frame;
use fixwire_hw::sim::{Faults, SimNic};

use crate::common::{Pair, Terms};

/// OrderQty(38), here a running number.
const NUMBER: u32 = 38;

fn terms(tcp: Config, seed: u64) -> Terms {
    Terms { tcp, seed, ..Terms::default() }
}

/// Sends numbered messages, as many at once as the line takes.
struct Source {
    next: u32,
    end: u32,
}

impl Application for Source {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        while self.next < self.end {
            let number = self.next;
            let text = [b'x'; 300];
            let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
                encoder
                    .put_u32(NUMBER, number)
                    .put_bytes(58, &text[..1 + number as usize * 7 % 300]);
            });
            if sent.is_err() {
                return;
            }
            self.next += 1;
        }
    }

    const WANTS_POLL: bool = true;
}

/// Writes down the numbers it gets.
#[derive(Default)]
struct Sink(Rc<RefCell<Vec<u32>>>);

impl Application for Sink {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        message: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        self.0.borrow_mut().push(message.u32(NUMBER).unwrap());
    }
}

#[test]
fn bursts_over_a_rough_wire_arrive_once_and_in_order() {
    let (mut out_of_order, mut resumed) = (0, 0);
    for seed in 1..=if crate::common::full() { 200 } else { 24 } {
        let tcp = Config {
            send_buffer_bytes: 2_000 + (seed as usize * 7_919) % 40_000,
            receive_buffer_bytes: 3_000 + (seed as usize * 6_101) % 30_000,
            mss: 200 + (seed as u16 * 97) % 1_200,
            ..Config::default()
        };
        let mut pair =
            Pair::with_apps(terms(tcp, seed), Source { next: 0, end: 1_000 }, Sink::default());
        let faults = Faults {
            loss_ppm: 20_000,
            duplicate_ppm: 20_000,
            reorder_ppm: 50_000,
            reorder_delay_ns: 300_000,
            corrupt_ppm: 10_000,
            ..Faults::default()
        };
        pair.set_faults(faults);
        for step in 0..400_000u64 {
            pair.step();
            if step == 300 + 40 * seed {
                // A cut on top: a session's worth of messages must be sent again.
                pair.wire.set_plugged(false);
                pair.run_for(Duration::from_s(200));
                pair.wire.set_plugged(true);
            }
            if pair.theirs.app().0.borrow().len() >= 1_000 {
                break;
            }
        }
        let got = pair.theirs.app().0.borrow().clone();
        assert_eq!(got, (0..1_000).collect::<Vec<_>>(), "seed {seed}");
        let count = |name| {
            pair.theirs
                .counters()
                .chain(pair.ours.counters())
                .filter(|(known, _)| *known == name)
                .map(|(_, count)| count)
                .sum::<u64>()
        };
        out_of_order += count("tcp_out_of_order");
        resumed += count("resend_paused");
    }
    assert!(
        out_of_order > 100 && resumed > 0,
        "{out_of_order} out of order, {resumed} resends paused"
    );
}

#[test]
fn a_host_that_is_not_there_is_given_up_though_its_syn_never_leaves() {
    let mut pair = Pair::new(terms(Config::default(), 1), Taker::new(1, 1));
    pair.wire.set_plugged(false);
    pair.run_for(Duration::from_s(400));
    let status = pair.ours.desk().statuses().next().unwrap();
    assert_eq!(status.last_failure, Some(LineFailure::Tcp(Closed::TimedOut)));
}

#[test]
fn a_log_out_that_finds_no_room_at_all_still_ends() {
    let tcp = Config { send_buffer_bytes: 2_000, ..Config::default() };
    // Not even the Logout fits what may wait.
    let terms = Terms { tune: |config| config.backlog_bytes_max = 64, ..terms(tcp, 1) };
    let mut pair = Pair::with_apps(terms, Source { next: 0, end: u32::MAX }, Sink::default());
    pair.run_for(Duration::from_ms(50));
    pair.wire.set_plugged(false);
    pair.run_for(Duration::from_ms(50));
    let now = pair.wire.now();
    pair.ours.log_out(now, "done");
    pair.run_for(Duration::from_s(20));
    assert!(pair.ours.is_idle(), "{:?}", pair.ours.desk().statuses().next());
}

struct Numbers;

impl Bridge for Numbers {
    type Event = ();
    type Command = u32;

    fn event(_: SessionId, _: &Message<'_>, _: Option<RxStamp>, _: Now) -> Option<()> {
        None
    }

    fn logon(_: SessionId) -> Option<()> {
        Some(())
    }

    fn logout(_: SessionId, _: CloseReason) -> Option<()> {
        None
    }

    fn session(_: &u32) -> SessionId {
        SessionId(0)
    }

    fn msg_type(_: &u32) -> &[u8] {
        NEW_ORDER_SINGLE
    }

    fn write(number: &u32, encoder: &mut Encoder<'_>, _: Now) {
        encoder.put_u32(NUMBER, *number);
    }
}

#[test]
fn what_a_remote_strategy_decided_before_or_between_logons_is_never_sent_after() {
    let (app, mut strategy) = remote::pair::<Numbers>(1, 16);
    let mut pair = Pair::with_apps(terms(Config::default(), 1), app, Sink::default());
    strategy.send(1).unwrap();
    pair.run_for(Duration::from_s(1));
    assert_eq!(strategy.pop(), Some(()));
    strategy.send(2).unwrap();
    pair.run_for(Duration::from_s(1));

    pair.wire.set_plugged(false);
    strategy.send(3).unwrap();
    pair.run_for(Duration::from_s(600));
    strategy.send(4).unwrap();
    pair.wire.set_plugged(true);
    pair.run_for(Duration::from_s(600));
    // It is logged on again, and the strategy has not heard that it was gone.
    strategy.send(6).unwrap();
    pair.run_for(Duration::from_s(1));
    assert_eq!(strategy.pop(), Some(()), "logged on again");
    strategy.send(5).unwrap();
    pair.run_for(Duration::from_s(1));

    // 3 had left for the session before the cut was known: its resend is the session's business.
    assert_eq!(*pair.theirs.app().0.borrow(), [2, 3, 5]);
    assert_eq!(pair.ours.app().counters().commands_refused, 3);
}

/// A device that has so many full bursts of others' frames before what came for us.
struct Crowded {
    nic: SimNic,
    bursts: usize,
}

impl Nic for Crowded {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        if self.bursts == 0 {
            return self.nic.rx_burst(burst);
        }
        self.bursts -= 1;
        for _ in 0..BURST_MAX {
            let mut frame = self.nic.tx_frame().expect("there are frames");
            frame.space()[..64].fill(0x55);
            frame.finish(64, TxMeta::default());
            burst.push(frame);
        }
        BURST_MAX
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        self.nic.tx_burst(burst)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

#[test]
fn a_host_that_stood_still_hears_what_waits_before_it_takes_a_counterparty_for_silent() {
    let tune = |config: &mut fixwire::fix::SessionConfig| {
        if config.role == Role::Initiator {
            config.silence_max_pct = 150;
        }
    };
    let terms = Terms { tune, ..terms(Config::default(), 1) };
    let crowded = |nic| Crowded { nic, bursts: 0 };
    let mut pair = Pair::wrapped(terms, Taker::new(1, 1), Sink::default(), crowded);
    pair.run_for(Duration::from_s(1));
    let state = |pair: &Pair<Taker, Sink, Crowded>| {
        pair.ours.desk().statuses().next().expect("there is one").state
    };
    assert_eq!(state(&pair), State::Active);
    // The host stands still for longer than a silence may last, and there was none: a Heartbeat has come.
    for _ in 0..50 {
        pair.wire.advance(Duration::from_s(1));
        pair.theirs.poll(&pair.wire);
    }
    pair.ours.nic_mut().bursts = 3;
    pair.run_for(Duration::from_s(1));
    assert_eq!((state(&pair), pair.ours.nic_mut().bursts), (State::Active, 0));
}
