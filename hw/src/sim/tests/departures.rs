//! When sent frames left, as a model tells it, right and wrong.

use fixwire_offload::nic::{TxReport, TxReports};

use super::*;

/// Of the line here, a frame of so many bytes takes as many nanoseconds to leave, and the gap.
const BYTE_A_NS: Line = Line { latency_ns: 1_000, bandwidth_bits_per_s: Some(8_000_000_000) };

fn named_by(token: u32) -> TxMeta {
    TxMeta { stamp_token: token, ..FULL }
}

fn reports(nic: &mut SimNic) -> Vec<(u32, u64)> {
    let mut reports = TxReports::new();
    nic.tx_reports(&mut reports);
    let told = |report: &TxReport| (report.token, report.stamp.ticks);
    reports.iter().map(told).collect()
}

fn line_pair() -> (SimNic, SimNic, Wire) {
    running_pair(Config { line: BYTE_A_NS, ..Config::default() }, 0)
}

#[test]
fn a_frame_that_was_named_is_told_of_once_it_has_left_by_when_it_began_to() {
    let (mut a, mut b, wire) = line_pair();
    wire.set_now(ns(5_000));
    let len = numbered(1).len() as u64 + 24;
    for token in [7, 0, 9] {
        send(&mut a, &numbered(1), named_by(token));
    }
    assert_eq!(reports(&mut a), []);
    wire.set_now(ns(5_000 + len - 1));
    assert_eq!(reports(&mut a), []);
    wire.set_now(ns(5_000 + 3 * len));
    assert_eq!(reports(&mut a), [(7, 5_000), (9, 5_000 + 2 * len)]);
    assert_eq!(reports(&mut a), []);
    // Lost on the wire it has left all the same; unplugged, it has not.
    wire.set_faults(Direction::AToB, Faults { loss_ppm: 1_000_000, ..Faults::default() });
    send(&mut a, &numbered(2), named_by(11));
    wire.set_plugged(false);
    send(&mut a, &numbered(2), named_by(12));
    wire.advance(Duration::from_us(10));
    assert_eq!(reports(&mut a).iter().map(|told| told.0).collect::<Vec<_>>(), [11]);
    assert_eq!(receive(&mut b).len(), 3);
}

#[test]
fn reports_are_lost_late_false_twice_and_frozen_as_faults_say() {
    let every = 1_000_000;
    let none = NicFaults::default();
    let (mut a, _b, wire) = line_pair();
    let mut told_of = |faults, wait| {
        wire.set_nic_faults(End::A, faults);
        wire.advance(Duration::from_us(10));
        send(&mut a, &numbered(1), named_by(5));
        wire.advance(Duration::from_us(wait));
        reports(&mut a).iter().map(|told| told.0).collect::<Vec<_>>()
    };
    assert_eq!(told_of(none, 1), [5]);
    assert_eq!(told_of(NicFaults { tx_reports_lost_ppm: every, ..none }, 1), [0u32; 0]);
    assert_eq!(told_of(NicFaults { tx_reports_false_ppm: every, ..none }, 1), [5 | 1 << 31]);
    assert_eq!(told_of(NicFaults { tx_reports_twice_ppm: every, ..none }, 1), [5, 5]);
    let late = NicFaults { tx_reports_late_ppm: every, tx_reports_late_ns: 50_000, ..none };
    assert_eq!(told_of(late, 40), [0u32; 0]);
    assert_eq!(told_of(none, 1), [5, 5], "and the late one");
    let mut stamps = Vec::new();
    for frozen in [true, true, false] {
        wire.set_nic_faults(End::A, NicFaults { tx_stamps_frozen: frozen, ..none });
        wire.advance(Duration::from_us(10));
        send(&mut a, &numbered(1), named_by(5));
        wire.advance(Duration::from_us(1));
        stamps.push(reports(&mut a)[0].1);
    }
    assert!(stamps[0] == stamps[1] && stamps[1] < stamps[2], "{stamps:?}");
}

#[test]
fn a_model_that_is_not_told_to_tells_of_nothing() {
    let (a, _, wire) = pair(Config::default(), 0);
    let profile = Profile::all(Policy::Prefer).with(Capability::TxTimestamp, Policy::Off);
    let device = Device::probed(a).plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (mut a, _) = device.start().unwrap().steer().unwrap();
    send(&mut a, &numbered(1), named_by(5));
    wire.advance(Duration::from_us(10));
    assert_eq!(reports(&mut a), []);
}
