use fixwire_offload::Profile;
use fixwire_offload::device::{Device, DeviceError};
use fixwire_offload::nic::{
    BURST_MAX, Burst, Frame as _, Link, Nic, Parsed, RxMeta, TxChecksum, TxMeta,
};
use fixwire_offload::plan::Outcome;
use fixwire_offload::profile::Policy;
use fixwire_offload::stamp::{Domain, RxStamp};
use fixwire_offload::time::{Clock, Duration, Instant};
use fixwire_offload::verdict::Verdict;

use super::*;
use crate::frames::{L4, left_to_device, pseudo_header, tcp_frame};
use crate::pool::FRAMES_MIN;

mod clock;
mod corrupting;
mod departures;
mod flow;
mod life;
mod looks;
mod misbehaving;
mod ring;

const PAYLOAD: &[u8] = b"8=FIX.4.4|9=5|35=0|10=163|";
const FULL: TxMeta = TxMeta {
    l2_len: 14,
    l3_len: 20,
    l4_len: 20,
    ipv4: TxChecksum::Full,
    tcp: TxChecksum::Full,
    stamp_token: 0,
};
const PARTIAL: TxMeta = TxMeta { ipv4: TxChecksum::Partial, tcp: TxChecksum::Partial, ..FULL };

fn running(backend: SimBackend, policy: Policy) -> (SimNic, Plan) {
    steered(backend, policy, RuleSet::EMPTY)
}

/// A device that runs by `rules`, where it does the steering.
fn steered(backend: SimBackend, policy: Policy, rules: RuleSet) -> (SimNic, Plan) {
    let device = Device::probed(backend).plan(&Profile::all(policy), rules).configure().unwrap();
    device.start().unwrap().steer().unwrap()
}

/// The catalogue's model of this name.
fn named(name: &str) -> Model {
    Model::named(name).unwrap_or_else(|| panic!("no model {name}"))
}

fn running_pair(config: Config, seed: u64) -> (SimNic, SimNic, Wire) {
    let (a, b, wire) = pair(config, seed);
    (running(a, Policy::Prefer).0, running(b, Policy::Prefer).0, wire)
}

fn send(nic: &mut SimNic, bytes: &[u8], meta: TxMeta) {
    let mut frame = nic.tx_frame().expect("a transmit buffer");
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    frame.finish(bytes.len(), meta);
    let mut burst = Burst::new();
    burst.push(frame);
    assert_eq!(nic.tx_burst(&mut burst), 1);
}

/// Everything that has arrived, as metadata and bytes.
fn receive(nic: &mut SimNic) -> Vec<(RxMeta, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        let mut burst = Burst::new();
        if nic.rx_burst(&mut burst) == 0 {
            return all;
        }
        all.extend(burst.iter().map(|frame| (frame.rx_meta(), frame.bytes().to_vec())));
    }
}

/// A frame that tells by its first payload byte which one it is.
fn numbered(number: u8) -> Vec<u8> {
    tcp_frame(&[number; 10])
}

fn numbers(received: &[(RxMeta, Vec<u8>)]) -> Vec<u8> {
    received.iter().map(|(_, bytes)| bytes[L4 + 20]).collect()
}

/// A frame that every host of a network gets.
fn arp() -> Vec<u8> {
    let mut arp = vec![0xff; 60];
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    arp
}

fn ns(ns: u64) -> Instant {
    Instant::from_ns(ns)
}

#[test]
fn a_frame_arrives_when_its_time_has_come_and_not_before() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    assert_eq!(wire.next_delivery(), None);
    wire.set_now(ns(5_000));
    send(&mut a, &numbered(1), FULL);
    assert_eq!(wire.next_delivery(), Some(ns(6_000)));
    wire.set_now(ns(5_999));
    assert!(receive(&mut b).is_empty());
    wire.advance(Duration::from_ns(1));
    let received = receive(&mut b);
    assert_eq!(numbers(&received), [1]);
    let stamp = RxStamp { clock: CLOCK, generation: 0, domain: Domain::VirtualNs, ticks: 6_000 };
    assert_eq!(received[0].0.stamp, Some(stamp));
    assert!(receive(&mut b).is_empty() && wire.next_delivery().is_none());
}

#[test]
fn a_stamp_tells_the_arrival_not_the_poll() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    send(&mut a, &numbered(1), FULL);
    wire.set_now(ns(90_000));
    let received = receive(&mut b);
    assert_eq!(received[0].0.stamp.map(|stamp| stamp.ticks), Some(1_000));
}

#[test]
fn the_clock_never_goes_back_and_tells_utc() {
    let config = Config { utc_origin: UtcTime::from_unix_ns(1_000), ..Config::default() };
    let (_, _, wire) = pair(config, 0);
    wire.set_now(ns(50));
    wire.set_now(ns(20));
    assert_eq!(wire.now().mono, ns(50));
    assert_eq!(wire.now().utc, UtcTime::from_unix_ns(1_050));
}

#[test]
fn order_is_kept_over_several_bursts_and_both_ways_at_once() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    for number in 0..100 {
        send(&mut a, &numbered(number), FULL);
        send(&mut b, &numbered(200 - number), FULL);
    }
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), (0..100).collect::<Vec<u8>>());
    assert_eq!(numbers(&receive(&mut a)), (101..=200).rev().collect::<Vec<u8>>());
}

#[test]
fn bandwidth_spaces_frames_by_their_length_on_the_line() {
    let line = Line { latency_ns: 0, bandwidth_bits_per_s: Some(10_000_000_000) };
    let (mut a, mut b, wire) = running_pair(Config { line, ..Config::default() }, 0);
    for number in 0..3 {
        // 1000 bytes and 24 of line overhead: 819.2 ns at 10 Gbit/s.
        send(&mut a, &tcp_frame(&[number; 946]), FULL);
    }
    wire.advance(Duration::from_ms(1));
    let at = |(meta, _): &(RxMeta, Vec<u8>)| meta.stamp.map(|stamp| stamp.ticks);
    let stamps: Vec<_> = receive(&mut b).iter().map(at).collect();
    assert_eq!(stamps, [Some(819), Some(1_638), Some(2_457)]);
}

#[test]
fn a_short_frame_is_padded_to_sixty_bytes_of_zeros() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    // A buffer that held something else: padding must not leak it.
    let mut dirty = a.tx_frame().unwrap();
    dirty.space().fill(0xee);
    drop(dirty);
    let frame = tcp_frame(b"");
    send(&mut a, &frame, FULL);
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!(received[0].1.len(), 60);
    assert_eq!(received[0].1[..54], frame[..]);
    assert_eq!(received[0].1[54..], [0; 6]);
    assert_eq!(received[0].0.l4, Verdict::Good);
}

#[test]
fn a_partial_checksum_is_finished_by_a_device_that_was_told_to() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    for payload in [PAYLOAD, &PAYLOAD[..5], b""] {
        let right = tcp_frame(payload);
        send(&mut a, &left_to_device(right.clone()), PARTIAL);
        wire.advance(Duration::from_us(1));
        let received = receive(&mut b);
        assert_eq!(received[0].1[..right.len()], right[..]);
        assert_eq!((received[0].0.l3, received[0].0.l4), (Verdict::Good, Verdict::Good));
    }
}

#[test]
fn a_full_checksum_is_left_alone_though_the_device_could() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    let mut wrong = tcp_frame(PAYLOAD);
    wrong[L4 + 16] ^= 0xff;
    send(&mut a, &wrong, FULL);
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!((&received[0].1, received[0].0.l4), (&wrong, Verdict::Bad));
}

#[test]
fn a_device_that_was_not_told_sends_a_partial_checksum_as_it_is() {
    let (a, b, wire) = pair(Config::default(), 0);
    let (mut a, _) = running(a, Policy::Off);
    let (mut b, _) = running(b, Policy::Prefer);
    let partial = left_to_device(tcp_frame(PAYLOAD));
    send(&mut a, &partial, PARTIAL);
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!(received[0].1, partial);
    assert_eq!((received[0].0.l3, received[0].0.l4), (Verdict::Bad, Verdict::Bad));
}

#[test]
fn each_style_speaks_of_right_and_wrong_frames_in_its_way() {
    use Verdict::{Bad, Good, Unknown};
    for (style, of_right, of_wrong) in [
        (VerdictStyle::GoodOrSilent, Good, Unknown),
        (VerdictStyle::GoodOrBad, Good, Bad),
        (VerdictStyle::Silent, Unknown, Unknown),
        (VerdictStyle::AlwaysGood, Good, Good),
    ] {
        let b = Model { verdicts: style, ..Model::full() };
        let (mut a, mut b, wire) = running_pair(Config { b, ..Config::default() }, 0);
        let right = tcp_frame(PAYLOAD);
        let (mut wrong_l3, mut wrong_l4) = (right.clone(), right.clone());
        wrong_l3[22] ^= 1; // TTL: under the IPv4 checksum alone.
        wrong_l4[L4 + 30] ^= 1;
        for frame in [&right, &wrong_l3, &wrong_l4] {
            send(&mut a, frame, FULL);
        }
        wire.advance(Duration::from_us(1));
        let said: Vec<_> = receive(&mut b).iter().map(|(meta, _)| (meta.l3, meta.l4)).collect();
        let expected = [(of_right, of_right), (of_wrong, of_right), (of_right, of_wrong)];
        assert_eq!(said, expected, "{style:?}");
    }
}

#[test]
fn a_device_told_to_do_nothing_says_nothing() {
    let (a, b, wire) = pair(Config::default(), 0);
    let (mut a, _) = running(a, Policy::Prefer);
    let (mut b, _) = running(b, Policy::Off);
    send(&mut a, &tcp_frame(PAYLOAD), FULL);
    wire.advance(Duration::from_us(1));
    // What it takes a frame for, it says all the same.
    let silent = RxMeta { parsed: Parsed::Ipv4Tcp, ..RxMeta::UNKNOWN };
    assert_eq!(receive(&mut b)[0].0, silent);
    assert_eq!(b.clock(), None);
    assert_eq!(a.clock().map(|clock| clock.domain), Some(Domain::VirtualNs));
}

#[test]
fn frames_other_than_tcp_have_no_tcp_verdict() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    let mut arp = tcp_frame(PAYLOAD);
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    send(&mut a, &arp, TxMeta { l2_len: 14, ..TxMeta::default() });
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!((received[0].0.l3, received[0].0.l4), (Verdict::Unknown, Verdict::Unknown));
}

fn virtio_pair(receiver: Policy) -> (SimNic, SimNic, Wire) {
    let config = Config { a: Model::virtio(), b: Model::virtio(), ..Config::default() };
    let (a, b, wire) = pair(config, 0);
    (running(a, Policy::Prefer).0, running(b, receiver).0, wire)
}

#[test]
fn an_unfinished_frame_is_handed_over_as_none_with_its_place() {
    let (mut a, mut b, wire) = virtio_pair(Policy::Prefer);
    let unfinished = left_to_device(tcp_frame(PAYLOAD));
    send(&mut a, &unfinished, PARTIAL);
    send(&mut a, &tcp_frame(PAYLOAD), FULL);
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    let (meta, bytes) = &received[0];
    assert_eq!((meta.l4, meta.csum_start, meta.csum_offset), (Verdict::None, 34, 16));
    assert_eq!(bytes, &unfinished, "the field still holds the pseudo-header's sum");
    let field = u16::from_be_bytes([bytes[L4 + 16], bytes[L4 + 17]]);
    assert_eq!(field, pseudo_header(20 + PAYLOAD.len() as u16).folded());
    assert_eq!(received[1].0.l4, Verdict::Good, "each frame by itself");
}

#[test]
fn an_unfinished_frame_is_finished_for_a_peer_that_takes_none() {
    let (mut a, mut b, wire) = virtio_pair(Policy::Off);
    let right = tcp_frame(PAYLOAD);
    let mut unfinished = left_to_device(right.clone());
    unfinished[24..26].copy_from_slice(&right[24..26]);
    send(&mut a, &unfinished, TxMeta { tcp: TxChecksum::Partial, ..FULL });
    wire.advance(Duration::from_us(1));
    assert_eq!(receive(&mut b), [(RxMeta::UNKNOWN, right)]);
}

#[test]
fn an_unfinished_frame_that_was_damaged_is_not_vouched_for() {
    let (mut a, mut b, wire) = virtio_pair(Policy::Prefer);
    wire.set_faults(Direction::AToB, Faults { corrupt_ppm: 1_000_000, ..Faults::default() });
    for _ in 0..64 {
        send(&mut a, &left_to_device(tcp_frame(&[7; 1_000])), PARTIAL);
    }
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!(received.len(), 64);
    assert!(received.iter().all(|(meta, _)| meta.l4 != Verdict::None));
    let good = received.iter().filter(|(meta, _)| meta.l4 == Verdict::Good).count();
    assert!(good < 5, "{good}: only a flip outside the segment leaves it right");
}

#[test]
fn what_points_outside_the_frame_is_not_sent() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    let frame = tcp_frame(PAYLOAD);
    for meta in [
        TxMeta { l2_len: 255, l3_len: 255, ..PARTIAL },
        TxMeta { l3_len: 4, ..PARTIAL },
        TxMeta { l2_len: 60, ipv4: TxChecksum::Full, ..PARTIAL },
    ] {
        send(&mut a, &frame, meta);
    }
    send(&mut a, &frame[..13], FULL);
    send(&mut a, &[0; 1523], FULL);
    send(&mut a, &[], FULL);
    wire.advance(Duration::from_us(1));
    assert!(receive(&mut b).is_empty());
    assert_eq!((a.counters().tx_errors, a.counters().tx_frames), (6, 0));
}

#[test]
fn a_frame_over_the_receiver_s_largest_is_refused_there() {
    let b = Model { mtu: 576, ..Model::full() };
    let (mut a, mut b, wire) = running_pair(Config { b, ..Config::default() }, 0);
    send(&mut a, &tcp_frame(&[1; 600]), FULL);
    send(&mut a, &tcp_frame(&[2; 500]), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [2]);
    assert_eq!(b.counters().rx_errors, 1);
}

#[test]
fn an_mtu_past_the_limit_is_held_at_it() {
    let a = Model { mtu: usize::MAX, ..Model::full() };
    let (mut a, _b, _) = running_pair(Config { a, ..Config::default() }, 0);
    assert_eq!(a.mtu(), crate::pool::MTU_MAX);
    assert!(a.tx_frame().unwrap().space().len() >= a.mtu() + 22);
}

#[test]
fn buffers_are_bounded_and_every_frame_lost_for_want_of_one_counts() {
    let (mut a, mut b, wire) =
        running_pair(Config { frames: 2 * FRAMES_MIN, ..Config::default() }, 0);
    for number in 0..FRAMES_MIN as u8 + 5 {
        send(&mut a, &numbered(number), FULL);
    }
    assert_eq!(b.counters().rx_no_buffer, 5);
    wire.advance(Duration::from_us(1));
    assert_eq!(receive(&mut b).len(), FRAMES_MIN);
    send(&mut a, &numbered(77), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [77], "buffers came back");

    let held: Vec<_> = (0..FRAMES_MIN).map_while(|_| a.tx_frame()).collect();
    assert_eq!(held.len(), FRAMES_MIN);
    assert!(a.tx_frame().is_none());
    assert_eq!(a.counters().tx_no_buffer, 1);
    drop(held);
    assert!(a.tx_frame().is_some());
}

#[test]
fn a_device_that_takes_fewer_leaves_the_rest_in_order() {
    let a = Model { tx_burst_max: 3, ..Model::full() };
    let (mut a, mut b, wire) = running_pair(Config { a, ..Config::default() }, 0);
    let mut burst = Burst::new();
    for number in 0..5 {
        let mut frame = a.tx_frame().unwrap();
        let bytes = numbered(number);
        frame.space()[..bytes.len()].copy_from_slice(&bytes);
        frame.finish(bytes.len(), FULL);
        burst.push(frame);
    }
    assert_eq!((a.tx_burst(&mut burst), burst.len()), (3, 2));
    assert_eq!((a.tx_burst(&mut burst), burst.len()), (2, 0));
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [0, 1, 2, 3, 4]);
    assert_eq!((a.counters().tx_busy, a.counters().tx_frames), (1, 5));
}

#[test]
fn a_burst_takes_what_it_has_room_for() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    for number in 0..BURST_MAX as u8 + 1 {
        send(&mut a, &numbered(number), FULL);
    }
    wire.advance(Duration::from_us(1));
    let mut burst = Burst::new();
    assert_eq!(b.rx_burst(&mut burst), BURST_MAX);
    assert_eq!(b.rx_burst(&mut burst), 0, "full");
    burst.clear();
    assert_eq!(b.rx_burst(&mut burst), 1);
}

#[test]
fn the_link_is_up_while_both_ends_run_and_the_wire_is_plugged() {
    let (a, b, wire) = pair(Config::default(), 0);
    let (mut a, _) = running(a, Policy::Prefer);
    assert_eq!(a.link(), Link::Down);
    send(&mut a, &numbered(1), FULL);
    let (mut b, _) = running(b, Policy::Prefer);
    assert_eq!((a.link(), b.link()), (Link::Up, Link::Up));
    send(&mut a, &numbered(2), FULL);
    wire.set_plugged(false);
    assert_eq!((a.link(), b.link()), (Link::Down, Link::Down));
    send(&mut a, &numbered(3), FULL);
    wire.set_plugged(true);
    send(&mut a, &numbered(4), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [2, 4]);
    assert_eq!(wire.counters(Direction::AToB).unplugged, 2);
    drop(b);
    assert_eq!(a.link(), Link::Down);
}

/// What arrives of `frames` frames sent 100 ns apart, and when.
fn run_with(faults: Faults, seed: u64, frames: u8) -> (Vec<(u64, Vec<u8>)>, WireCounters) {
    let (mut a, mut b, wire) = running_pair(Config::default(), seed);
    wire.set_faults(Direction::AToB, faults);
    for number in 0..frames {
        send(&mut a, &numbered(number), FULL);
        wire.advance(Duration::from_ns(100));
    }
    wire.advance(Duration::from_ms(10));
    let at = |meta: &RxMeta| meta.stamp.map_or(0, |stamp| stamp.ticks);
    let received = receive(&mut b).into_iter().map(|(meta, bytes)| (at(&meta), bytes)).collect();
    (received, wire.counters(Direction::AToB))
}

fn faults_one_by_one() -> [Faults; 4] {
    let none = Faults::default();
    [
        Faults { loss_ppm: 200_000, ..none },
        Faults { duplicate_ppm: 200_000, ..none },
        Faults { reorder_ppm: 200_000, reorder_delay_ns: 250, ..none },
        Faults { corrupt_ppm: 200_000, ..none },
    ]
}

#[test]
fn each_fault_follows_from_the_seed_and_from_nothing_else() {
    let clean = run_with(Faults::default(), 1, 200).0;
    for faults in faults_one_by_one() {
        let first = run_with(faults, 1, 200);
        assert_eq!(first, run_with(faults, 1, 200), "{faults:?}");
        assert_ne!(first.0, run_with(faults, 2, 200).0, "{faults:?}");
        assert_ne!(first.0, clean, "{faults:?}");
    }
}

#[test]
fn each_fault_does_what_it_is_called_and_counts() {
    let number = |(_, bytes): &(u64, Vec<u8>)| bytes[L4 + 20];
    let [loss, duplicate, reorder, corrupt] = faults_one_by_one();

    let (received, counters) = run_with(loss, 3, 200);
    assert!((20..60).contains(&counters.lost) && counters.sent == 200);
    assert_eq!(received.len() as u64, 200 - counters.lost);

    let (received, counters) = run_with(duplicate, 3, 200);
    assert!((20..60).contains(&counters.duplicated));
    assert_eq!(received.len() as u64, 200 + counters.duplicated);
    let repeated = received.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!(repeated as u64, counters.duplicated);

    let (received, counters) = run_with(reorder, 3, 200);
    let overtaken = received.windows(2).filter(|pair| number(&pair[0]) > number(&pair[1])).count();
    assert!((20..60).contains(&counters.reordered) && overtaken > 10);
    assert!(received.is_sorted_by_key(|(at, _)| *at), "by time of arrival");
    assert_eq!(received.len(), 200);

    let (received, counters) = run_with(corrupt, 3, 200);
    assert!((20..60).contains(&counters.corrupted));
    let mut clean = run_with(Faults::default(), 3, 200).0.into_iter();
    let differs = |found: &&(u64, Vec<u8>)| Some(&found.1) != clean.next().as_ref().map(|c| &c.1);
    assert_eq!(received.iter().filter(differs).count() as u64, counters.corrupted);
}

#[test]
fn faults_change_at_run_time_and_one_direction_at_a_time() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    let everything_lost = Faults { loss_ppm: 1_000_000, ..Faults::default() };
    wire.set_faults(Direction::BToA, everything_lost);
    send(&mut a, &numbered(1), FULL);
    send(&mut b, &numbered(2), FULL);
    wire.set_faults(Direction::BToA, Faults::default());
    send(&mut b, &numbered(3), FULL);
    wire.set_line(Direction::BToA, Line { latency_ns: 50_000, ..Line::default() });
    send(&mut b, &numbered(4), FULL);
    assert_eq!(wire.next_delivery(), Some(ns(1_000)), "the earlier of both directions");
    wire.advance(Duration::from_us(1));
    assert_eq!(numbers(&receive(&mut b)), [1]);
    assert_eq!(numbers(&receive(&mut a)), [3]);
    assert_eq!(wire.next_delivery(), Some(ns(50_000)));
    send(&mut a, &numbered(5), FULL);
    assert_eq!(wire.next_delivery(), Some(ns(2_000)));
    wire.advance(Duration::from_us(49));
    assert_eq!(numbers(&receive(&mut a)), [4]);
}

#[test]
fn arp_is_never_corrupted() {
    let (mut a, mut b, wire) = running_pair(Config::default(), 0);
    wire.set_faults(Direction::AToB, Faults { corrupt_ppm: 1_000_000, ..Faults::default() });
    send(&mut a, &arp(), FULL);
    wire.advance(Duration::from_us(1));
    assert_eq!(receive(&mut b)[0].1, arp());
    assert_eq!(wire.counters(Direction::AToB).corrupted, 0);
}

#[test]
fn what_a_model_refuses_when_configured_is_demoted_and_not_done() {
    let refuses = vec![(Capability::RxTcpChecksum, "the firmware is too old".to_owned())];
    let b = Model { refuses, ..Model::full() };
    let (a, b, wire) = pair(Config { b, ..Config::default() }, 0);
    let (mut a, _) = running(a, Policy::Prefer);
    let (mut b, plan) = running(b, Policy::Prefer);
    let row = plan.row(Capability::RxTcpChecksum);
    assert_eq!(row.outcome, Outcome::Host);
    assert!(row.reason.contains("the firmware is too old"), "{}", row.reason);
    send(&mut a, &tcp_frame(PAYLOAD), FULL);
    wire.advance(Duration::from_us(1));
    let received = receive(&mut b);
    assert_eq!((received[0].0.l3, received[0].0.l4), (Verdict::Good, Verdict::Unknown));
}

#[test]
fn the_two_ends_have_addresses_of_their_own() {
    let (a, b, _) = pair(Config::default(), 0);
    assert_ne!(a.mac(), b.mac());
    let (mac, name) = (a.mac(), a.name());
    let (a, _) = running(a, Policy::Prefer);
    assert_eq!((a.mac(), a.mtu(), name.as_str()), (mac, 1500, "sim:full"));
}
