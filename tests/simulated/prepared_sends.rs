//! Orders that are foreseen, on two engines over a simulated wire: what is sent in a prepared frame arrives, what
//! came or left in between makes it stale, and so does a next hop that moves.

use fixwire::app::SessionId;
use fixwire::app::exchange::Exchange;
use fixwire::app::order::NEW_ORDER_SINGLE;
use fixwire::fix::SendError;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::prepared_send::NotSent;
use fixwire::tcp::PreparedRefusal;
use fixwire::time::{Clock, Duration};
use fixwire::wire::ethernet::Mac;

use crate::common::prepared::{SESSION, Strategy, count, order};
use crate::common::{Pair, THEIRS, Terms};

fn pair(policy: Policy) -> Pair<Strategy> {
    let terms = Terms { seed: 3, ours: Profile::all(policy), ..Terms::default() };
    let mut pair = Pair::with_apps(terms, Strategy::default(), Exchange::new());
    while !pair.ours.app().is_up {
        pair.step();
    }
    pair.run_for(Duration::from_ms(10));
    pair
}

#[test]
fn orders_in_prepared_frames_are_filled_and_stale_headers_are_refused() {
    for policy in [Policy::Off, Policy::Prefer] {
        let mut pair = pair(policy);
        let now = pair.wire.now();
        let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
        let first =
            pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
        let mut expected = first.unwrap();
        // The frame has left.
        let gone = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
        assert_eq!(gone, Err(NotSent::Line(PreparedRefusal::Outdated)));
        for filled in 1..=40 {
            let now = pair.wire.now();
            pair.ours.refresh_send(now, &mut send).unwrap();
            pair.run_for(Duration::from_ms(3));
            assert_eq!(pair.ours.app().reports, filled);
            let now = pair.wire.now();
            let mut try_again =
                || pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
            assert_eq!(try_again(), Err(NotSent::Line(PreparedRefusal::Outdated)), "a report came");
            pair.ours.refresh_send(now, &mut send).unwrap();
            pair.ours.warm_send(now, &mut send, 200).unwrap();
            let sent =
                pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
            expected += 1;
            assert_eq!(sent, Ok(expected), "no refusal took a number");
        }
        pair.run_for(Duration::from_ms(3));
        assert_eq!((pair.ours.app().reports, pair.theirs.app().fills()), (41, 41));
        assert_eq!(count(&pair.ours, "tcp_prepared_out"), 41);
        assert_eq!(count(&pair.ours, "tcp_path_warmed"), 40);
        assert_eq!(count(&pair.ours, "tcp_retransmission"), 0);
        assert_eq!(count(&pair.theirs, "tcp_checksum_wrong"), 0);
    }
}

#[test]
fn a_next_hop_that_moves_makes_a_prepared_frame_stale_and_one_that_is_unknown_refuses_it() {
    let mut pair = pair(Policy::Prefer);
    let now = pair.wire.now();
    let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
    // A gratuitous ARP packet, as whoever knows the neighbours tells of it.
    let elsewhere = Mac([2, 0, 0, 0, 0, 0x77]);
    pair.ours.on_neighbor(now, THEIRS, Some(elsewhere));
    let sent = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
    assert_eq!(sent, Err(NotSent::Line(PreparedRefusal::Outdated)));
    assert_eq!(pair.ours.warm_send(now, &mut send, 9), Err(PreparedRefusal::Outdated));
    let before = count(&pair.theirs, "ethernet_not_for_us");
    pair.ours.refresh_send(now, &mut send).unwrap();
    pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc)).unwrap();
    pair.run_for(Duration::from_ms(1));
    assert_eq!(
        count(&pair.theirs, "ethernet_not_for_us"),
        before + 1,
        "it went to the new address"
    );
    pair.ours.on_neighbor(pair.wire.now(), THEIRS, None);
    let now = pair.wire.now();
    assert_eq!(pair.ours.refresh_send(now, &mut send), Err(PreparedRefusal::NoNeighbor));
    assert_eq!(count(&pair.ours, "tcp_prepared_no_neighbor"), 1);
    // Found again, the order is sent again from what was kept of it.
    pair.run_for(Duration::from_s(3));
    assert_eq!(pair.ours.app().reports, 1);
}

#[test]
fn the_session_s_refusals_take_no_number_and_leave_the_frame_ready() {
    let mut pair = pair(Policy::Prefer);
    let now = pair.wire.now();
    let mut send = pair.ours.prepare_send(now, SESSION).unwrap();
    let admin = pair.ours.send_prepared(now, &mut send, b"0", |_| {});
    assert_eq!(admin, Err(NotSent::Session(SendError::AdminType)));
    let long = [b'x'; 4_000];
    let too_long = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |encoder| {
        encoder.put_bytes(58, &long);
    });
    assert!(matches!(too_long, Err(NotSent::Session(SendError::TooLong { .. }))), "{too_long:?}");
    let sent = pair.ours.send_prepared(now, &mut send, NEW_ORDER_SINGLE, |e| order(e, now.utc));
    assert_eq!(sent, Ok(2));
    pair.run_for(Duration::from_ms(3));
    assert_eq!(pair.ours.app().reports, 1);
}

#[test]
fn before_the_line_is_up_and_without_buffers_nothing_is_prepared() {
    let mut pair = pair(Policy::Prefer);
    let now = pair.wire.now();
    let refused = pair.ours.prepare_send(now, SessionId(9)).err();
    assert_eq!(refused, Some(PreparedRefusal::NotConnected));
    let mut held = Vec::new();
    let why = loop {
        match pair.ours.prepare_send(now, SESSION) {
            Ok(send) => held.push(send),
            Err(why) => break why,
        }
        assert!(held.len() < 100_000, "the device's buffers are bounded");
    };
    assert_eq!(why, PreparedRefusal::NoFrame);
    assert_eq!(count(&pair.ours, "tcp_prepared_no_frame"), 1);
    // Who lets go of them gives them back.
    drop(held);
    assert!(pair.ours.prepare_send(now, SESSION).is_ok());
}
