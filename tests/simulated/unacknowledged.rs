//! What is known of orders when their line is lost: which the counterparty's TCP has, and that none is
//! delivered late where the session's terms forbid it.

use fixwire::app::exchange::Exchange;
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::app::{Application, SessionId};
use fixwire::desk::{LineEvent, LineFailure};
use fixwire::fix::{CloseReason, Message, Outlet, Sender, Store};
use fixwire::offload::RxStamp;
use fixwire::tcp::{Closed, Config, Delivery};
use fixwire::time::Duration;
use fixwire_hw::sim::Faults;

use crate::common::{Pair, Terms};

/// Sends what it is told to, and writes down what was not acknowledged.
#[derive(Default)]
struct Desk {
    to_send: u32,
    sent: Vec<u32>,
    unacknowledged: Vec<(u32, Delivery)>,
    is_up: bool,
}

impl Application for Desk {
    fn on_logon<S: Store, O: Outlet>(&mut self, _: SessionId, _: &mut Sender<'_, S, O>) {
        self.is_up = true;
    }

    fn on_logout(&mut self, _: SessionId, _: CloseReason) {
        self.is_up = false;
    }

    fn on_unacknowledged(&mut self, _: SessionId, msg_seq_num: u32, delivery: Delivery) {
        self.unacknowledged.push((msg_seq_num, delivery));
    }

    fn on_message<S: Store, O: Outlet>(
        &mut self,
        _: SessionId,
        _: &Message<'_>,
        _: Option<RxStamp>,
        _: &mut Sender<'_, S, O>,
    ) {
    }

    fn on_poll<S: Store, O: Outlet>(&mut self, _: SessionId, orders: &mut Sender<'_, S, O>) {
        for _ in 0..core::mem::take(&mut self.to_send) {
            let sent = orders.send(NEW_ORDER_SINGLE, |encoder| {
                encoder.put_str(11, "O1").put_str(55, "MSFT");
            });
            self.sent.push(sent.expect("the line is up and wide"));
        }
    }

    const WANTS_POLL: bool = true;
}

fn pair(tcp: Config) -> Pair<Desk> {
    let terms = Terms { tcp, seed: 7, ..Terms::default() };
    let mut pair = Pair::with_apps(terms, Desk::default(), Exchange::new());
    while !pair.ours.app().is_up {
        pair.step();
    }
    pair.run_for(Duration::from_ms(10));
    pair
}

fn cut(pair: &mut Pair<Desk>) {
    pair.set_faults(Faults { loss_ppm: 1_000_000, ..Faults::default() });
}

fn events(pair: &mut Pair<Desk>) -> Vec<LineEvent> {
    core::iter::from_fn(|| pair.ours.next_line_event()).collect()
}

#[test]
fn orders_on_a_line_that_is_cut_are_reset_in_time_and_told_of_by_number() {
    let stale_after = Some(Duration::from_ms(300));
    let mut pair = pair(Config { stale_after, ..Config::default() });
    pair.ours.app_mut().to_send = 2;
    pair.run_for(Duration::from_ms(50));
    let taken = pair.theirs.app().refused();
    cut(&mut pair);
    events(&mut pair);
    pair.ours.app_mut().to_send = 3;
    pair.run_for(Duration::from_ms(299));
    assert!(pair.ours.app().is_up, "the time is not over");
    pair.run_for(Duration::from_ms(2));
    let app = pair.ours.app();
    let lost: Vec<_> = app.sent[2..].iter().map(|seq| (*seq, Delivery::Sent)).collect();
    assert_eq!((&app.unacknowledged, app.is_up), (&lost, false));
    let told = events(&mut pair);
    let [LineEvent::Unacknowledged { messages, msg_seq_nums, .. }, LineEvent::Ended { why, .. }] =
        &told[..]
    else {
        panic!("{told:?}")
    };
    assert_eq!((*messages, *msg_seq_nums), (3, (lost[0].0, lost[2].0)));
    assert_eq!(*why, LineFailure::Tcp(Closed::Stale));
    let count = |name| pair.ours.counters().find(|(found, _)| *found == name).unwrap().1;
    assert_eq!((count("messages_unacknowledged"), count("tcp_stale")), (3, 1));
    assert_eq!(pair.theirs.app().refused(), taken, "nothing arrives late");
}

#[test]
fn what_was_accepted_is_known_to_wait_to_have_left_or_to_be_acknowledged() {
    let mut pair = pair(Config::default());
    let session = SessionId(0);
    let known = |pair: &Pair<Desk>| -> Vec<(u32, Delivery)> {
        pair.ours.outstanding(session).map(|of| (of.tag, of.delivery())).collect()
    };
    assert_eq!(known(&pair), [], "the Logon is acknowledged");
    pair.ours.app_mut().to_send = 2;
    pair.run_for(Duration::from_ms(50));
    assert_eq!((pair.ours.app().sent.len(), known(&pair)), (2, vec![]));
    cut(&mut pair);
    pair.ours.app_mut().to_send = 2;
    pair.run_for(Duration::from_ms(50));
    let last: Vec<_> = pair.ours.app().sent[2..].iter().map(|seq| (*seq, Delivery::Sent)).collect();
    assert_eq!(known(&pair), last);

    // More than the window and the congestion window take: the rest waits for its turn.
    pair.ours.app_mut().to_send = 250;
    pair.run_for(Duration::from_ms(5));
    let waiting = known(&pair).into_iter().filter(|(_, delivery)| *delivery == Delivery::Unsent);
    assert!(waiting.count() > 0);
    pair.set_faults(Faults::default());
    pair.run_for(Duration::from_s(10));
    assert_eq!(known(&pair), [], "all of it has come");
    assert!(pair.ours.outstanding(SessionId(7)).next().is_none());
}

#[test]
fn a_line_that_ends_as_it_should_leaves_nothing_unacknowledged() {
    let mut pair = pair(Config::default());
    pair.ours.app_mut().to_send = 3;
    pair.run_for(Duration::from_ms(50));
    let now = fixwire::time::Clock::now(&pair.wire);
    pair.ours.log_out(now, "done");
    while !pair.ours.is_idle() {
        pair.step();
    }
    assert_eq!(pair.ours.app().unacknowledged, []);
    let told = events(&mut pair);
    assert!(!told.iter().any(|event| matches!(event, LineEvent::Unacknowledged { .. })));
}
