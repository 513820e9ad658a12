//! A NIC's own driver behind the `Nic` trait: what a virtual device of DPDK's has not. FIXWIRE_TEST_NIC names the NIC
//! by its PCI address, and FIXWIRE_TEST_PEER the one at the other end of its line; without, each test skips itself.
//! `scripts/qemu` runs them on an 82576 that QEMU plays, and of a vmxnet3 that of the sums.

#[path = "../tap/harness.rs"]
mod harness;
#[path = "../dpdk/plan.rs"]
mod plan;

use std::process::ExitCode;

use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkNic, Memory};
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::checksum::Sum;
use fixwire_offload::device::{Backend, Device};
use fixwire_offload::flow::{AddrMatch, Fate, FlowRule, OnMiss, Pattern, RuleSet};
use fixwire_offload::nic::{Burst, Frame, Nic, TxChecksum, TxMeta};
use fixwire_offload::plan::Outcome;
use fixwire_offload::profile::{Policy, Profile};

use harness::Test;
use plan::show;

const TESTS: &[Test] = &[
    (
        "rules_are_created_destroyed_and_created_again",
        rules_are_created_destroyed_and_created_again,
    ),
    (
        "what_the_driver_has_not_is_neither_advertised_nor_installed",
        what_the_driver_has_not_is_neither_advertised_nor_installed,
    ),
    (
        "sums_left_to_the_device_arrive_right_whoever_finishes_them",
        sums_left_to_the_device_arrive_right_whoever_finishes_them,
    ),
    ("the_clock_for_ptp_runs_and_is_stepped", the_clock_for_ptp_runs_and_is_stepped),
    (
        "a_port_gives_every_buffer_back_when_it_is_closed",
        a_port_gives_every_buffer_back_when_it_is_closed,
    ),
];

fn main() -> ExitCode {
    harness::run(TESTS)
}

fn named(variable: &str) -> DeviceSpec {
    let Ok(nic) = std::env::var(variable) else {
        harness::skip(&format!(
            "{variable} names no NIC (scripts/qemu runs this on one that QEMU plays)"
        ))
    };
    DeviceSpec::parse(&nic).unwrap()
}

fn open(profile: &Profile) -> DpdkBackend {
    DpdkBackend::open(named("FIXWIRE_TEST_NIC"), Memory::best(), profile).unwrap()
}

fn up(rules: RuleSet) -> (DpdkNic, Plan) {
    let profile = Profile::all(Policy::Prefer);
    let device = Device::probed(open(&profile)).plan(&profile, rules).configure().unwrap();
    let (nic, plan) = device.start().unwrap().steer().unwrap();
    show(&plan);
    (nic, plan)
}

fn listeners(ports: std::ops::Range<u16>) -> RuleSet {
    let rule = |port| FlowRule::listener(format!("10.9.0.2:{port}").parse().unwrap(), 0);
    RuleSet::new(ports.map(rule).collect(), OnMiss::Queue(0)).unwrap()
}

/// A driver refuses a rule that it has already, so that the second time shows that the first was undone: in the NIC, and
/// not in our list alone.
fn rules_are_created_destroyed_and_created_again() {
    let (mut nic, plan) = up(listeners(9000..9003));
    assert_eq!(plan.row(Capability::FlowSteering).outcome, Outcome::Device, "{plan:?}");
    assert_eq!(plan.device_rules().rules().len(), 3);
    for _ in 0..3 {
        nic.steer(&listeners(9000..9003)).unwrap();
        assert_eq!(nic.rules_installed(), 3);
    }
    nic.steer(&RuleSet::EMPTY).unwrap();
    assert_eq!(nic.rules_installed(), 0);
    nic.steer(&listeners(9001..9004)).unwrap();
    // More than it has room for is refused whole: of those that were created before the refusal none stays.
    let words = nic.steer(&listeners(9001..9129)).unwrap_err();
    assert!(words.starts_with("rule ") && words.contains("about"), "{words}");
    assert!(!words.starts_with("rule 0 "), "some were created before: {words}");
    assert_eq!(nic.rules_installed(), 0);
    nic.steer(&listeners(9001..9004)).unwrap();
    assert_eq!(nic.rules_installed(), 3);
    assert_eq!(nic.close(), Some(0));
}

fn what_the_driver_has_not_is_neither_advertised_nor_installed() {
    let profile = Profile::all(Policy::Prefer);
    let backend = open(&profile);
    let capabilities = backend.capabilities();
    let by_rules = [Capability::FlowDrop, Capability::FlowMark, Capability::FlowCount];
    let advertised = by_rules.map(|of| capabilities.advert(of).is_some());
    assert_eq!(advertised, [false; 3], "an 82576 sends to queues, and no more");
    assert!(capabilities.advert(Capability::FlowSteering).is_some());
    let subnet = Pattern { src: AddrMatch::prefix([10, 9, 0, 0].into(), 24), ..Pattern::TCP };
    let rule = FlowRule::new(subnet, Fate::Queue(0)).at_priority(1);
    let rules = RuleSet::new(vec![rule], OnMiss::Queue(0)).unwrap();
    let device = Device::probed(backend).plan(&profile, rules).configure().unwrap();
    let (nic, plan) = device.start().unwrap().steer().unwrap();
    show(&plan);
    let row = plan.row(Capability::FlowSteering);
    assert_eq!(row.outcome, Outcome::Host, "{}", row.reason);
    assert!(row.reason.contains("rule 0") && row.reason.contains("about"), "{}", row.reason);
    assert_eq!((nic.rules_installed(), nic.close()), (0, Some(0)));
}

/// A frame whose two sums are left to the device, as far as it goes.
fn unfinished(from: [u8; 6], to: [u8; 6]) -> Vec<u8> {
    let (src, dst) = ([10, 9, 0, 2], [10, 9, 0, 1]);
    let mut segment = [0; 20 + 11];
    segment[..4].copy_from_slice(&[0xc0, 0x01, 0x26, 0x96]);
    (segment[12], segment[13]) = (5 << 4, 0x10);
    segment[20..].copy_from_slice(b"left to it\x01");
    let pseudo = Sum::of_tcp_pseudo_header(src, dst, segment.len() as u16);
    segment[16..18].copy_from_slice(&pseudo.folded().to_be_bytes());
    let total_len = (IPV4_LEN + segment.len()) as u16;
    let mut bytes = [to, from].concat();
    bytes.extend([0x08, 0x00, 0x45, 0]);
    bytes.extend(total_len.to_be_bytes());
    bytes.extend([0, 7, 0, 0, 64, 6, 0, 0]);
    bytes.extend([src, dst].concat());
    bytes.extend(segment);
    bytes
}

fn is_right(frame: &[u8]) -> bool {
    let (header, segment) = frame[LINK_LEN..].split_at(IPV4_LEN);
    let total_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let segment = &segment[..total_len - IPV4_LEN];
    let [src, dst] = [12, 16].map(|at| header[at..at + 4].try_into().unwrap());
    let pseudo = Sum::of_tcp_pseudo_header(src, dst, segment.len() as u16);
    Sum::of(header).is_valid() && pseudo.plus(Sum::of(segment)).is_valid()
}

const LINK_LEN: usize = 14;
const IPV4_LEN: usize = 20;

/// vmxnet3 refuses (`rte_eth_tx_prepare`) a frame that asks for IPv4's sum, which it does not advertise either: such a
/// frame is finished here, and counted.
fn sums_left_to_the_device_arrive_right_whoever_finishes_them() {
    const TRIES: usize = 16;
    let profile = Profile::all(Policy::Prefer);
    let (near, far) = (named("FIXWIRE_TEST_NIC"), named("FIXWIRE_TEST_PEER"));
    let off = Profile::all(Policy::Off);
    let [near, far] =
        DpdkBackend::open_pair((near, &profile), (far, &off), Memory::best()).unwrap();
    let finishes = near.capabilities().advert(Capability::TxIpv4Checksum).is_some();
    let run = |backend, profile| {
        let device = Device::probed(backend).plan(profile, RuleSet::EMPTY).configure().unwrap();
        let (nic, plan) = device.start().unwrap().steer().unwrap();
        show(&plan);
        nic
    };
    let (mut nic, mut peer): (DpdkNic, DpdkNic) = (run(near, &profile), run(far, &off));
    let sent = unfinished(nic.mac(), peer.mac());
    let partial = TxChecksum::Partial;
    let meta =
        TxMeta { l2_len: 14, l3_len: 20, l4_len: 20, ipv4: partial, tcp: partial, stamp_token: 0 };
    let mut arrived = Vec::new();
    for _ in 0..TRIES {
        let mut frame = nic.tx_frame().unwrap();
        frame.space()[..sent.len()].copy_from_slice(&sent);
        frame.finish(sent.len(), meta);
        let mut burst = Burst::from_iter([frame]);
        assert_eq!(nic.tx_burst(&mut burst), 1);
        for _ in 0..1000 {
            let mut burst = Burst::new();
            peer.rx_burst(&mut burst);
            let ours = burst.iter().filter(|frame| frame.bytes().starts_with(&sent[..12]));
            arrived.extend(ours.map(|frame| frame.bytes().to_vec()));
            if !burst.is_empty() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
    assert_eq!(arrived.len(), TRIES);
    assert!(arrived.iter().all(|frame| is_right(frame)), "{:02x?}", arrived[0]);
    let refused = if finishes { 0 } else { TRIES as u64 };
    assert_eq!(nic.counters().tx_offload_refused, refused);
    assert_eq!((nic.close(), peer.close()), (Some(0), Some(0)));
}

fn the_clock_for_ptp_runs_and_is_stepped() {
    let (nic, _) = up(RuleSet::EMPTY);
    let clock = nic.timesync().unwrap();
    let mut last = clock.now_ns().unwrap();
    let first = last;
    for _ in 0..1000 {
        let now = clock.now_ns().unwrap();
        assert!(now >= last, "{now} after {last}");
        last = now;
    }
    assert!(last > first, "it stands still at {first}");
    let hour_ns = 3_600_000_000_000;
    clock.step(hour_ns).unwrap();
    let ahead = clock.now_ns().unwrap();
    assert!(ahead >= last + i128::from(hour_ns), "{ahead} after {last}");
    clock.step(-hour_ns).unwrap();
    let back = clock.now_ns().unwrap();
    assert!((last..ahead).contains(&back), "{back} is not between {last} and {ahead}");
    drop(clock);
    assert_eq!(nic.close(), Some(0));
}

fn a_port_gives_every_buffer_back_when_it_is_closed() {
    let (nic, _) = up(listeners(9000..9003));
    assert!(nic.buffers_in_use() > 0, "its rings are full of them");
    assert_eq!(nic.close(), Some(0));
}
