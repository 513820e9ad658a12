//! Orders that stay in the frames that they left in, on two engines over a simulated wire: what is lost is sent again from
//! there, whether the device has given the frame back or not, and who runs short of buffers goes on.

use fixwire::app::exchange::Exchange;
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::offload::capability::Capability;
use fixwire::offload::nic::{Burst, Frame as _, Link, Nic, RxMeta};
use fixwire::offload::observe::NicCounters;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::time::{Clock, Duration};
use fixwire_hw::pool::{Frame, Held};
use fixwire_hw::sim::{Direction, Faults, Model, SimNic};

use crate::common::prepared::{SESSION, Strategy, count, order};
use crate::common::{Pair, Terms};

const ORDERS: u64 = 200;

/// A device that gives back what it has sent so many frames later.
struct Slow {
    nic: SimNic,
    sent: Vec<Held>,
    has: usize,
}

impl Nic for Slow {
    type Frame = Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        self.nic.rx_burst(burst)
    }

    fn rx_meta(&self, frame: &Frame) -> RxMeta {
        self.nic.rx_meta(frame)
    }

    fn tx_frame(&mut self) -> Option<Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Frame>) -> usize {
        self.sent.extend(burst.iter().filter_map(|frame| frame.hold()));
        let too_many = self.sent.len().saturating_sub(self.has);
        self.sent.drain(..too_many);
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

/// A line on which every order that is sent is lost once in a while; our device has the last so many frames.
fn pair(policy: Policy, has: usize) -> Pair<Strategy, Exchange, Slow> {
    let model = Model::full();
    let ours = Profile::all(Policy::Prefer).with(Capability::HeldFrames, policy);
    let terms = Terms { seed: 9, ours, ..Terms::of(model, &Profile::all(Policy::Prefer)) };
    let slow = |nic| Slow { nic, sent: Vec::new(), has };
    let mut pair = Pair::wrapped(terms, Strategy::default(), Exchange::new(), slow);
    while !pair.ours.app().is_up {
        pair.step();
    }
    pair.run_for(Duration::from_ms(10));
    pair
}

/// Sends orders, one in flight at a time, over a line that loses a third of them, and says how often each thing happened.
fn trade(pair: &mut Pair<Strategy, Exchange, Slow>) -> [u64; 4] {
    let faults = Faults { loss_ppm: 300_000, ..Faults::default() };
    pair.wire.set_faults(Direction::AToB, faults);
    let now = pair.wire.now();
    let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
    for number in 1..=ORDERS {
        loop {
            let now = pair.wire.now();
            let sent = pair.ours.refresh_send(now, &mut send).is_ok()
                && pair
                    .ours
                    .send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc))
                    .is_ok();
            if sent {
                break;
            }
            pair.step();
        }
        while pair.ours.app().reports < number {
            pair.step();
        }
    }
    pair.wire.set_faults(Direction::AToB, Faults::default());
    pair.run_for(Duration::from_ms(500));
    assert_eq!((pair.ours.app().reports, pair.theirs.app().fills()), (ORDERS, ORDERS));
    assert_eq!(count(&pair.theirs, "tcp_checksum_wrong"), 0);
    ["tcp_held_out", "tcp_held_again", "tcp_held_again_copied", "tcp_retransmission"]
        .map(|name| count(&pair.ours, name))
}

#[test]
fn orders_that_are_lost_are_sent_again_from_the_frames_that_the_device_gave_back() {
    let [held, again, copied, retransmitted] = trade(&mut pair(Policy::Require, 0));
    assert_eq!(held, ORDERS);
    assert!(again > 40 && again <= retransmitted, "{again} of {retransmitted}");
    assert_eq!(copied, 0);
}

#[test]
fn a_frame_that_the_device_still_has_is_not_written_to_and_its_order_leaves_in_another() {
    let [held, again, copied, retransmitted] = trade(&mut pair(Policy::Require, 40));
    assert_eq!(held, ORDERS);
    assert!(copied > 40 && again + copied <= retransmitted, "{copied} of {retransmitted}");
}

#[test]
fn where_the_profile_turns_it_off_the_ring_has_the_orders() {
    let [held, again, copied, retransmitted] = trade(&mut pair(Policy::Off, 0));
    assert_eq!([held, again, copied], [0; 3]);
    assert!(retransmitted > 40);
}

#[test]
fn the_last_buffer_is_had_by_giving_up_what_is_held() {
    let mut pair = pair(Policy::Require, 0);
    pair.wire.set_faults(Direction::AToB, Faults { loss_ppm: 1_000_000, ..Faults::default() });
    let now = pair.wire.now();
    let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
    for _ in 0..2 {
        pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc)).unwrap();
        pair.ours.refresh_send(now, &mut send).unwrap();
    }
    drop(send);
    let mut all = Vec::new();
    while let Ok(send) = pair.ours.prepare_send(now, SESSION) {
        all.push(send);
        assert!(all.len() < 100_000, "the device's buffers are bounded");
    }
    assert_eq!(count(&pair.ours, "tcp_held_for_buffers"), 2);
    drop(all);
    pair.wire.set_faults(Direction::AToB, Faults::default());
    pair.run_for(Duration::from_s(3));
    assert_eq!(pair.ours.app().reports, 2, "from the ring");
    assert_eq!(count(&pair.ours, "tcp_held_again"), 0);
}
