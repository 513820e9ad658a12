//! The driver on the design itself, and the design by what the driver reads.

use core::net::{Ipv4Addr, SocketAddrV4};
use std::cell::RefCell;

use fixwire_offload::flow::{Count, Fate, FlowRule, OnMiss, Pattern, RuleSet};
use fixwire_offload::nic::{TxChecksum, TxMeta};
use fixwire_offload::plan::Provider;
use fixwire_offload::verdict::Verdict;

use super::*;
use crate::bus::{Access, Bus, BusError, Fault};
use crate::driver::{
    Counters, DropReason, Events, Finishes, Found, Held, Period, TxCounters, Verdicts,
};
use crate::{Fake, Offload};

const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn found(width: Width) -> Offload<RefCell<Simulation>> {
    let built = Built { width, seed: 7, ..Built::default() };
    Offload::find(RefCell::new(Simulation::new(built).unwrap())).unwrap()
}

/// A right segment to a port of ours, with so many bytes of payload.
fn segment(port: u16, payload_len: usize) -> Vec<u8> {
    use fixwire_offload::checksum::Sum;
    let total_len = 40 + payload_len as u16;
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0, 0x45, 0]);
    frame.extend(total_len.to_be_bytes());
    frame.extend([0, 7, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(PEER.octets());
    frame.extend(HOST.octets());
    let checksum = Sum::of(&frame[14..34]).checksum();
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame.extend(9878u16.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 1, 0, 0, 0, 0, 0]);
    frame.extend((0..payload_len).map(|at| at as u8));
    let pseudo = Sum::of_tcp_pseudo_header(PEER.octets(), HOST.octets(), 20 + payload_len as u16);
    let checksum = pseudo.plus(Sum::of(&frame[34..])).checksum();
    frame[50..52].copy_from_slice(&checksum.to_be_bytes());
    frame
}

fn carry(offload: &Offload<RefCell<Simulation>>, frames: &[Vec<u8>]) -> Vec<Received> {
    let mut simulation = offload.bus().borrow_mut();
    frames.iter().for_each(|frame| simulation.send(frame));
    simulation.run_until_quiet();
    std::iter::from_fn(|| simulation.next_received()).collect()
}

#[test]
fn the_driver_finds_in_the_design_what_the_fake_says() {
    for width in Width::ALL {
        let offload = found(width);
        let fake = Offload::find(Fake::default()).unwrap();
        let expected = Found { stream_bytes: width.bytes() as u8, ..fake.found() };
        assert_eq!(offload.found(), expected);
        assert_eq!(offload.capabilities(Provider::Model), fake.capabilities(Provider::Model));
    }
}

#[test]
fn frames_are_steered_judged_counted_and_stamped() {
    for width in Width::ALL {
        let offload = found(width);
        // After a reset nothing is ours, and nothing is judged.
        assert_eq!(carry(&offload, &[segment(1, 10)]), []);
        assert_eq!(offload.last_drop(), Ok(Some(DropReason::NotOurs)));
        offload.judge(Verdicts { ipv4: true, tcp: true }).unwrap();
        offload.set_period(Period { ns: 6, fraction: 0x6666_6666 }).unwrap();
        offload.step_to(TimeOfDay { seconds: 1_767_225_600, ns: 0 }).unwrap();
        let (peer, ours) = (SocketAddrV4::new(PEER, 9878), |port| SocketAddrV4::new(HOST, port));
        let rules = vec![
            FlowRule::connection(peer, ours(1), 5).counted().marked(0xcafe_f00d),
            FlowRule::new(Pattern::TCP, Fate::Drop).at_priority(3).counted(),
            FlowRule::connection(peer, ours(2), 6),
        ];
        offload.install(&RuleSet::new(rules, OnMiss::Queue(9)).unwrap()).unwrap();
        let mut wrong = segment(2, 20);
        wrong[60] ^= 4;
        let mut of_no_kind = segment(4, 30);
        of_no_kind[13] = 0x77;
        let frames =
            [segment(1, 100), segment(3, 7), wrong.clone(), of_no_kind.clone(), segment(1, 33)];
        let received = carry(&offload, &frames);
        let said: Vec<_> =
            received.iter().map(|one| (one.said.queue(), one.mark, one.said.verdicts())).collect();
        let good = (Verdict::Good, Verdict::Good);
        assert_eq!(
            said,
            [
                (5, Some(0xcafe_f00d), good),
                (6, None, (Verdict::Good, Verdict::Bad)),
                (9, None, (Verdict::Unknown, Verdict::Unknown)),
                (5, Some(0xcafe_f00d), good),
            ]
        );
        let bytes: Vec<_> = received.iter().map(|one| one.bytes.clone()).collect();
        assert_eq!(bytes, [segment(1, 100), wrong, of_no_kind, segment(1, 33)]);
        assert!(received.iter().all(|one| one.bytes.len() == one.said.len_bytes() as usize));
        assert!(received.windows(2).all(|pair| pair[0].stamp.count < pair[1].stamp.count));
        assert!(
            received
                .iter()
                .all(|one| one.stamp.generation == 1 && one.stamp.time.seconds == 1_767_225_600)
        );
        let count = |hits, lengths: &[u64]| {
            Ok(Count { hits, bytes: lengths.iter().map(|len| len + 54).sum() })
        };
        assert_eq!(offload.flow_count(0), count(2, &[100, 33]));
        assert_eq!(offload.flow_count(1), count(1, &[7]));
        assert_eq!(offload.flow_count(2), count(0, &[]), "it does not count");
        let counters = Counters { delivered: 4, not_ours: 1, flow_drop: 1, ..Counters::default() };
        assert_eq!(offload.counters(), Ok(counters));
    }
}

/// A segment with both sums left, and what is asked for it.
fn unfinished(port: u16, payload_len: usize) -> (Vec<u8>, TxMeta) {
    use fixwire_offload::checksum::Sum;
    let mut frame = segment(port, payload_len);
    let pseudo = Sum::of_tcp_pseudo_header(PEER.octets(), HOST.octets(), 20 + payload_len as u16);
    frame[24..26].fill(0x5a);
    frame[50..52].copy_from_slice(&pseudo.folded().to_be_bytes());
    let (ipv4, tcp) = (TxChecksum::Partial, TxChecksum::Partial);
    (frame, TxMeta { l2_len: 14, l3_len: 20, l4_len: 20, ipv4, tcp, stamp_token: 0 })
}

fn transmit(offload: &Offload<RefCell<Simulation>>, frames: &[(Vec<u8>, TxMeta)]) -> Vec<Vec<u8>> {
    let mut simulation = offload.bus().borrow_mut();
    frames.iter().for_each(|(frame, meta)| simulation.transmit(frame, *meta));
    simulation.run_until_quiet();
    std::iter::from_fn(|| simulation.next_transmitted()).collect()
}

#[test]
fn frames_to_send_are_finished_as_they_ask_and_as_is_on() {
    for width in Width::ALL {
        let offload = found(width);
        let sizes = [0usize, 1, 7, 100, 1_460];
        let left: Vec<_> = sizes.iter().map(|len| unfinished(3, *len)).collect();
        let as_they_are: Vec<_> = left.iter().map(|(frame, _)| frame.clone()).collect();
        // After a reset nothing is finished.
        assert_eq!(transmit(&offload, &left), as_they_are);
        assert_eq!(offload.tx_counters(), Ok(TxCounters { passed: 5, ..TxCounters::default() }));
        offload.finish(Finishes { ipv4: true, tcp: true }).unwrap();
        let finished: Vec<_> = sizes.iter().map(|len| segment(3, *len)).collect();
        assert_eq!(transmit(&offload, &left), finished);

        let mut wrong = left[3].clone();
        wrong.1.l3_len = 22;
        let too_long = (vec![0; 9_217], TxMeta::default());
        let sent = [left[0].clone(), too_long, wrong, left[3].clone()];
        assert_eq!(transmit(&offload, &sent), [finished[0].clone(), finished[3].clone()]);
        let counters = TxCounters { finished: 7, passed: 5, too_long: 1, lengths: 1 };
        assert_eq!(offload.tx_counters(), Ok(counters));
        assert_eq!(offload.tx_last_drop(), Ok(Some(DropReason::Lengths)));
        // Nothing of it was received.
        assert_eq!((offload.counters(), offload.last_drop()), (Ok(Counters::default()), Ok(None)));

        offload.finish(Finishes { ipv4: true, tcp: false }).unwrap();
        let half = [&finished[3][..50], &as_they_are[3][50..52], &finished[3][52..]].concat();
        assert_eq!(transmit(&offload, &left[3..4]), [half]);
    }
}

#[test]
fn both_sides_go_on_beside_each_other_and_begin_anew_after_a_reset() {
    let offload = found(Width::Bits64);
    offload.install(&RuleSet::EMPTY.on_missing(OnMiss::Queue(0))).unwrap();
    offload.finish(Finishes { ipv4: true, tcp: true }).unwrap();
    let bus = offload.bus();
    bus.borrow_mut().behave(Manners { gaps: 60, stalls: 30 });
    bus.borrow_mut().behave_in_transmit(Manners { gaps: 20, stalls: 120 });
    for port in 0..40 {
        bus.borrow_mut().send(&segment(port, 150));
        let (frame, meta) = unfinished(port, 90);
        bus.borrow_mut().transmit(&frame, meta);
    }
    let received: Vec<_> = carry(&offload, &[]).into_iter().map(|one| one.bytes).collect();
    let sent = transmit(&offload, &[]);
    assert_eq!(received, (0..40).map(|port| segment(port, 150)).collect::<Vec<_>>());
    assert_eq!(sent, (0..40).map(|port| segment(port, 90)).collect::<Vec<_>>());

    let (frame, meta) = unfinished(1, 800);
    bus.borrow_mut().transmit(&frame, meta);
    bus.borrow_mut().transmit(&frame, meta);
    bus.borrow_mut().run(30);
    assert!(bus.borrow().is_in_frame_to_transmit());
    bus.borrow_mut().reset();
    // The one that had not begun comes after it, and what was switched on is off.
    assert_eq!(transmit(&offload, &[]), [frame]);
    assert_eq!(offload.finishes(), Ok(Finishes::default()));
}

/// What cannot be done as it is asked is told, and changes nothing.
fn asks_in_vain(offload: &Offload<impl Bus>) {
    let (bus, none) = (offload.bus(), Events::new());
    let taken = || offload.take_events().unwrap().unwrap();
    assert_eq!((taken(), taken()), (none.with_was_reset(true), none));
    let rule = FlowRule::new(Pattern::TCP, Fate::Queue(3)).counted();
    offload.install(&RuleSet::new(vec![rule], OnMiss::NotOurs).unwrap()).unwrap();
    for place in [16, 0x1f, 255] {
        for commit in [1, 2, 3] {
            bus.write32(0x020, place).unwrap();
            bus.write32(0x04c, commit).unwrap();
            assert_eq!(taken(), none.with_flow_refused(true));
            assert_eq!((bus.read32(0x020), offload.flow_generation()), (Ok(place), Ok(16)));
        }
    }
    offload.step_to(TimeOfDay { seconds: 5, ns: 999_999_999 }).unwrap();
    for ns in [1_000_000_000, 0x3fff_ffff] {
        bus.write32(0x090, ns).unwrap();
        bus.write32(0x094, 2).unwrap();
        assert_eq!(taken(), none.with_step_refused(true));
        assert_eq!(offload.now().unwrap().generation, 1);
    }
    // A zero clears nothing, and a one its own alone.
    bus.write32(0x094, 2).unwrap();
    bus.write32(0x04c, 1).unwrap();
    for (word, left) in [(0, 0b11_0000), (0b10_1111, 0b01_0000), (u32::MAX, 0)] {
        bus.write32(0x188, word).unwrap();
        assert_eq!(bus.read32(0x188), Ok(left));
    }
}

#[test]
fn what_is_asked_in_vain_is_told_by_design_and_fake_alike() {
    asks_in_vain(&Offload::find(Fake::default()).unwrap());
    Width::ALL.into_iter().for_each(|width| asks_in_vain(&found(width)));
}

#[test]
fn what_has_happened_is_told_with_the_most_that_the_buffer_held() {
    for width in Width::ALL {
        let offload = found(width);
        let none = Events::new();
        let taken = || offload.take_events().unwrap().unwrap();
        let peak = || offload.take_rx_peak().unwrap().unwrap();
        assert_eq!((taken(), peak()), (none.with_was_reset(true), Held::new()));
        assert_eq!(carry(&offload, &[segment(1, 10)]), []);
        assert_eq!(taken(), none.with_rx_drop(true));
        offload.finish(Finishes { ipv4: true, tcp: true }).unwrap();
        let (frame, meta) = unfinished(1, 10);
        let meta = TxMeta { l3_len: 7, ..meta };
        assert_eq!(transmit(&offload, &[(frame, meta)]), Vec::<Vec<u8>>::new());
        assert_eq!(taken(), none.with_tx_drop(true));
        // A frame alone is in the buffer whole before it leaves.
        offload.install(&RuleSet::EMPTY.on_missing(OnMiss::Queue(0))).unwrap();
        peak();
        let (frame, lanes) = (segment(1, 1_000), width.bytes());
        assert_eq!(carry(&offload, std::slice::from_ref(&frame)).len(), 1);
        let bytes = (frame.len().div_ceil(lanes) * lanes) as u16;
        assert_eq!((peak(), peak()), (Held::new().with_bytes(bytes).with_frames(1), Held::new()));
        // A host that takes next to nothing: one frame too many.
        offload.bus().borrow_mut().behave(Manners { gaps: 0, stalls: 255 });
        let room = offload.rx_buffer().unwrap().unwrap();
        let frames: Vec<_> = (0..room.frames() + 40).map(|port| segment(port, 0)).collect();
        let came = carry(&offload, &frames).len();
        assert_eq!(taken(), none.with_rx_drop(true).with_rx_overflow(true));
        assert!(came < frames.len());
        assert_eq!(offload.counters().unwrap().buffer_full, (frames.len() - came) as u64);
        let most = peak();
        assert!(most.frames() == room.frames() && most.bytes() < room.bytes(), "{most:?}");
        assert_eq!(peak(), Held::new());
    }
}

#[test]
fn counters_go_on_over_a_reset_under_the_driver() {
    for width in Width::ALL {
        let offload = found(width);
        let frames: Vec<_> = (0..20).map(|port| segment(port, 10)).collect();
        carry(&offload, &frames);
        assert_eq!(offload.counters().unwrap().not_ours, 20);
        offload.bus().borrow_mut().reset();
        carry(&offload, &frames[..1]);
        assert_eq!(offload.counters(), Ok(Counters { not_ours: 21, ..Counters::default() }));
        assert!(offload.take_events().unwrap().unwrap().was_reset());
    }
}

#[test]
fn a_register_that_is_not_there_is_refused_and_frames_go_on() {
    let offload = found(Width::Bits64);
    offload.install(&RuleSet::EMPTY).unwrap();
    let bus = offload.bus();
    (0..20).for_each(|port| bus.borrow_mut().send(&segment(port, 200)));
    let refused = |at, access| Err(BusError { at, access, fault: Fault::Refused { response: 2 } });
    for _ in 0..20 {
        assert_eq!(bus.read32(0x018), refused(0x018, Access::Read));
        assert_eq!(bus.write32(0x1f0, 1).map(|()| 0), refused(0x1f0, Access::Write));
        // One that cannot be written, one that cannot be read.
        assert_eq!(bus.write32(0x000, 1).map(|()| 0), refused(0x000, Access::Write));
        assert_eq!(bus.read32(0x04c), refused(0x04c, Access::Read));
    }
    for at in [0x002, 0x200] {
        let fault = Fault::Outside { len: 512 };
        assert_eq!(bus.read32(at), Err(BusError { at, access: Access::Read, fault }));
    }
    assert_eq!(carry(&offload, &[]).len(), 20);
    assert_eq!(offload.counters().unwrap().delivered, 20);
}

#[test]
fn a_device_in_reset_is_silent_and_begins_anew() {
    let offload = found(Width::Bits64);
    offload.install(&RuleSet::EMPTY).unwrap();
    offload.bus().borrow_mut().hold_in_reset(true);
    let silent =
        BusError { at: 0x010, access: Access::Read, fault: Fault::Silent { cycles: 1_000 } };
    assert_eq!(offload.verdicts(), Err(silent));
    offload.bus().borrow_mut().hold_in_reset(false);
    offload.bus().borrow_mut().reset();
    assert_eq!(offload.flow_generation(), Ok(0));
    assert_eq!(carry(&offload, &[segment(1, 10)]), []);
    assert_eq!(offload.counters(), Ok(Counters { not_ours: 1, ..Counters::default() }));
}

#[test]
fn a_device_whose_stream_alone_is_in_reset_refuses_and_says_so() {
    for width in Width::ALL {
        let offload = found(width);
        offload.take_events().unwrap();
        offload.bus().borrow_mut().hold_stream_in_reset(true);
        offload.bus().borrow_mut().run(16);
        let error = offload.verdicts().unwrap_err();
        assert_eq!(error.fault, Fault::Refused { response: 2 });
        assert!(error.to_string().contains("it is in reset"), "{error}");
        offload.bus().borrow_mut().hold_stream_in_reset(false);
        offload.bus().borrow_mut().run(16);
        assert_eq!(offload.verdicts(), Ok(Verdicts::default()));
        assert_eq!(offload.events(), Ok(Some(Events::new().with_was_reset(true))));
    }
}

#[test]
fn a_latch_takes_what_was_before_a_write_of_the_same_word() {
    for width in Width::ALL {
        let offload = found(width);
        let rule = FlowRule::new(Pattern::TCP, Fate::Queue(3)).counted();
        offload.install(&RuleSet::new(vec![rule], OnMiss::NotOurs).unwrap()).unwrap();
        assert_eq!(carry(&offload, &[segment(1, 10)]).len(), 1);
        crate::driver::tests::latches_what_was(&offload);
    }
}

/// What nothing has set since the reset: what was latched of counts and of the time.
fn unset(seed: u32) -> Vec<u32> {
    let simulation = Simulation::new(Built { seed, ..Built::default() }).unwrap();
    let bus = RefCell::new(simulation);
    let latched = [0x054, 0x058, 0x05c, 0x060, 0x098, 0x09c, 0x0a0, 0x0a4, 0x0a8, 0x0ac, 0x0b0];
    latched.map(|at| bus.read32(at).unwrap()).to_vec()
}

#[test]
fn every_seed_is_one_of_a_state_before_the_reset_and_0_is_too() {
    for seed in [0, 1, 1 << 30, 1 << 31, u32::MAX] {
        assert_eq!(unset(seed), unset(seed), "{seed:#x}");
    }
    assert_ne!(unset(0), unset(1));
    let others: Vec<_> = (0..4).map(|_| std::thread::spawn(|| unset(0))).collect();
    assert!(others.into_iter().all(|other| other.join().unwrap() == unset(0)));
}

#[test]
fn the_clock_goes_by_its_period_and_is_read_whole() {
    for width in Width::ALL {
        let offload = found(width);
        let period = Period::of_hz(322_265_625).unwrap();
        offload.set_period(period).unwrap();
        offload.step_to(TimeOfDay { seconds: 41, ns: 999_999_000 }).unwrap();
        let units = |at: crate::driver::Reading| {
            let ns = at.time.seconds * 1_000_000_000 + u64::from(at.time.ns);
            (u128::from(ns) << 16 | u128::from(at.fraction), u128::from(at.count))
        };
        let first = units(offload.now().unwrap());
        let cycles = offload.bus().borrow().cycles();
        offload.bus().borrow_mut().run(1_000);
        let now = offload.now().unwrap();
        let passed = offload.bus().borrow().cycles() - cycles;
        let last = units(now);
        assert!(now.time.seconds == 42 && now.generation == 1, "{now:?}");
        assert!((last.0 - first.0).abs_diff(last.1 - first.1) <= 1, "{first:?} {last:?}");
        // Each access latches at one place within its transaction: off by what the crossing varies.
        let expected = (u128::from(passed) * u128::from(period.units())) >> 16;
        let off = (last.1 - first.1).abs_diff(expected);
        assert!(off <= 8 * (u128::from(period.units()) >> 16), "{off}");
    }
}

#[test]
fn by_one_seed_all_is_the_same_again_and_waves_are_written() {
    let folder = std::env::temp_dir().join(format!("fixwire-rtl-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("waves.fst");
    let runs = |waves: Option<&std::path::Path>| {
        let built = Built { seed: 3, waves, ..Built::default() };
        let offload = Offload::find(RefCell::new(Simulation::new(built).unwrap())).unwrap();
        offload.install(&RuleSet::EMPTY).unwrap();
        offload.bus().borrow_mut().behave(Manners { gaps: 60, stalls: 90 });
        let frames: Vec<_> = (0..50).map(|port| segment(port, usize::from(port) * 7)).collect();
        let received = carry(&offload, &frames);
        (received, offload.bus().borrow().cycles())
    };
    let (once, again) = (runs(None), runs(Some(&file)));
    assert_eq!(once.0.len(), 50);
    assert_eq!(once, again);
    let waves = std::fs::read(&file).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(waves.len() > 10_000, "{} bytes", waves.len());
}
