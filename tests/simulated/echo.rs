//! The echo behind a simulated wire in virtual time: in several versions, in rough weather, and towards
//! a counterparty that sends faster than its answers leave.

use fixwire::app::echo::Echo;
use fixwire::app::{Application, SessionId};
use fixwire::fix::{ApplVerId, Message, Outlet, Sender, Store, Version};
use fixwire::offload::RxStamp;
use fixwire::tcp::Config;
use fixwire::time::Duration;
use fixwire_hw::sim::Faults;

use crate::common::asker::Asker;
use crate::common::{Pair, Terms};

const MESSAGES: u32 = 300;

fn terms(tcp: Config, seed: u64) -> Terms {
    Terms { tcp, seed, ..Terms::default() }
}

#[test]
fn every_message_comes_back_once_in_order_and_a_repetition_never() {
    let faults = Faults {
        loss_ppm: 20_000,
        duplicate_ppm: 20_000,
        reorder_ppm: 20_000,
        reorder_delay_ns: 100_000,
        corrupt_ppm: 20_000,
        ..Faults::default()
    };
    for (version, faults) in [
        (Version::Fix42, Faults::default()),
        (Version::Fix44, Faults::default()),
        (Version::Fixt11(ApplVerId::Fix50Sp2), Faults::default()),
        (Version::Fix44, faults),
    ] {
        let terms = Terms { version, ..terms(Config::default(), 11) };
        let mut pair = Pair::with_apps(terms, Asker::new(MESSAGES), Echo::new(1));
        pair.set_faults(faults);
        for _ in 0..1_000_000 {
            if pair.ours.app().is_done() {
                break;
            }
            pair.step();
        }
        let asker = pair.ours.app();
        assert!(asker.is_done(), "stuck at {} of {MESSAGES}", asker.answered);
        let echo = pair.theirs.app().counters();
        assert_eq!((echo.echoed, echo.unsupported), (270, 30), "{version:?}");
        assert_eq!((echo.duplicates_ignored, echo.refused), (30, 0), "{version:?}");
    }
}

/// Sends numbered orders as fast as the line takes them, and writes down what comes back.
struct Flood {
    next: u32,
    back: Vec<u32>,
}

impl Application for Flood {
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        message: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
        assert_eq!(message.msg_type(), b"D");
        self.back.push(message.u32(11).unwrap());
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        while self.next < 2_000 {
            let number = self.next;
            if orders.send(b"D", |encoder| _ = encoder.put_u32(11, number)).is_err() {
                return;
            }
            self.next += 1;
        }
    }

    const WANTS_POLL: bool = true;
}

#[test]
fn answers_that_find_no_room_wait_and_leave_in_their_order_across_a_cut() {
    let (mut waited, mut resent) = (0, 0);
    for seed in 1..=8 {
        let tcp = Config {
            send_buffer_bytes: 1_500 + 700 * seed as usize,
            receive_buffer_bytes: 20_000,
            ..Config::default()
        };
        let flood = Flood { next: 0, back: Vec::new() };
        let mut pair = Pair::with_apps(terms(tcp, seed), flood, Echo::new(1));
        for step in 0..400_000u64 {
            pair.step();
            if step == 100 + 50 * seed {
                pair.wire.set_plugged(false);
                pair.run_for(Duration::from_s(200));
                pair.wire.set_plugged(true);
            }
            if pair.ours.app().back.len() >= 2_000 {
                break;
            }
        }
        let back = &pair.ours.app().back;
        assert_eq!(*back, (0..2_000).collect::<Vec<_>>(), "seed {seed}");
        let echo = pair.theirs.app().counters();
        assert_eq!((echo.echoed, echo.refused), (2_000, 0), "seed {seed}");
        let count = |name| pair.theirs.counters().find(|(known, _)| *known == name).unwrap().1;
        waited += count("send_refused");
        resent += count("message_resent");
    }
    assert!(waited > 100 && resent > 0, "{waited} answers waited, {resent} were sent again");
}
