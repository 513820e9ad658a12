//! DPDK's own virtual devices behind the `Nic` trait. Each test is a process: DPDK starts once in one.

mod chains;
mod connectx5;
mod fast_free;
#[path = "../tap/harness.rs"]
mod harness;
mod held;
mod huge_pages;
mod its_clock;
mod its_rules;
mod link;
mod net_tap;
mod pcap;
mod pci;
mod plan;
mod prepare;
mod read_back;
mod rules;
mod several;
mod stamps;
mod static_build;
mod unasked;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::rc::Rc;

use fixwire_hw::dpdk::{DeviceSpec, DpdkBackend, DpdkError, DpdkNic, Memory};
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Device;
use fixwire_offload::flow::{FlowRule, OnMiss, RuleSet};
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, Parsed, TxChecksum, TxMeta};
use fixwire_offload::profile::{Policy, Profile};
use fixwire_offload::stamp::Domain;
use fixwire_offload::{Plan, Verdict};

use connectx5::{Claiming, MADE_UP, Say};
use harness::Test;
use huge_pages::Reserved;
use plan::show;

const TESTS: &[Test] = &[
    (
        "what_mbufs_say_becomes_verdicts_marks_and_stamps",
        what_mbufs_say_becomes_verdicts_marks_and_stamps,
    ),
    (
        "a_ring_gives_back_what_was_sent_in_order_and_loses_no_buffer",
        a_ring_gives_back_what_was_sent_in_order_and_loses_no_buffer,
    ),
    ("buffers_run_out_by_name_and_come_back", buffers_run_out_by_name_and_come_back),
    (
        "a_ring_that_is_full_is_told_and_what_found_no_room_is_sent_later",
        a_ring_that_is_full_is_told_and_what_found_no_room_is_sent_later,
    ),
    ("frames_lie_in_the_pages_that_were_asked_for", frames_lie_in_the_pages_that_were_asked_for),
    (
        "frames_lie_in_huge_pages_where_there_are_some",
        frames_lie_in_huge_pages_where_there_are_some,
    ),
    ("frames_outlive_their_port", frames_outlive_their_port),
    (
        "frames_that_nobody_took_come_back_when_their_port_is_closed",
        frames_that_nobody_took_come_back_when_their_port_is_closed,
    ),
    (
        "a_ring_has_no_offload_and_the_plan_says_who_does_it",
        a_ring_has_no_offload_and_the_plan_says_who_does_it,
    ),
    ("what_is_not_there_is_named_with_its_remedy", what_is_not_there_is_named_with_its_remedy),
    ("dpdk_starts_once", dpdk_starts_once),
    (
        "queues_that_a_port_has_not_are_refused_by_number",
        queues_that_a_port_has_not_are_refused_by_number,
    ),
    (
        "good_stamps_become_times_and_a_jump_of_the_clock_a_new_life",
        stamps::good_stamps_become_times_and_a_jump_of_the_clock_a_new_life,
    ),
    (
        "a_stamp_that_the_clock_did_not_give_becomes_no_time",
        stamps::a_stamp_that_the_clock_did_not_give_becomes_no_time,
    ),
    (
        "stamps_that_go_wrong_are_not_believed_from_there_on",
        stamps::stamps_that_go_wrong_are_not_believed_from_there_on,
    ),
    (
        "stamps_that_run_ahead_of_the_clock_that_was_read_are_not_believed",
        stamps::stamps_that_run_ahead_of_the_clock_that_was_read_are_not_believed,
    ),
    (
        "a_port_that_is_closed_is_silent_to_who_reads_its_clock",
        stamps::a_port_that_is_closed_is_silent_to_who_reads_its_clock,
    ),
    (
        "a_clock_that_its_driver_does_not_read_is_named",
        stamps::a_clock_that_its_driver_does_not_read_is_named,
    ),
    (
        "each_frame_of_a_file_is_stamped_with_its_time_there",
        pcap::each_frame_of_a_file_is_stamped_with_its_time_there,
    ),
    (
        "tshark_reads_the_same_times_out_of_the_file",
        pcap::tshark_reads_the_same_times_out_of_the_file,
    ),
    (
        "two_ports_of_one_process_carry_frames_on_every_queue",
        several::two_ports_of_one_process_carry_frames_on_every_queue,
    ),
    (
        "a_queue_is_one_s_until_it_is_given_back_and_the_last_closes_the_port",
        net_tap::a_queue_is_one_s_until_it_is_given_back_and_the_last_closes_the_port,
    ),
    (
        "queues_share_a_transmit_queue_where_there_are_fewer",
        several::queues_share_a_transmit_queue_where_there_are_fewer,
    ),
    (
        "a_port_that_was_closed_can_be_opened_again_beside_another",
        several::a_port_that_was_closed_can_be_opened_again_beside_another,
    ),
    ("what_a_profile_tells_dpdk_reaches_it", several::what_a_profile_tells_dpdk_reaches_it),
    ("what_a_profile_tells_dpdk_is_taken", several::what_a_profile_tells_dpdk_is_taken),
    (
        "a_chain_arrives_piece_by_piece_and_goes_back_whole",
        chains::a_chain_arrives_piece_by_piece_and_goes_back_whole,
    ),
    (
        "a_driver_puts_a_frame_that_is_longer_than_a_buffer_into_several",
        chains::a_driver_puts_a_frame_that_is_longer_than_a_buffer_into_several,
    ),
    (
        "a_driver_that_takes_chains_is_told_of_them_and_gets_them",
        chains::a_driver_that_takes_chains_is_told_of_them_and_gets_them,
    ),
    (
        "a_chain_whose_sums_a_driver_refuses_is_summed_whole_or_not_sent",
        prepare::a_chain_whose_sums_a_driver_refuses_is_summed_whole_or_not_sent,
    ),
    (
        "what_a_driver_refuses_to_sum_is_summed_in_software_and_sent_in_order",
        prepare::what_a_driver_refuses_to_sum_is_summed_in_software_and_sent_in_order,
    ),
    (
        "frames_of_another_pool_are_copied_into_the_queue_s_own",
        fast_free::frames_of_another_pool_are_copied_into_the_queue_s_own,
    ),
    ("a_chain_of_another_pool_is_copied_whole", fast_free::a_chain_of_another_pool_is_copied_whole),
    (
        "a_frame_that_finds_no_buffer_to_be_copied_to_is_sent_later",
        fast_free::a_frame_that_finds_no_buffer_to_be_copied_to_is_sent_later,
    ),
    (
        "a_frame_is_written_to_again_once_the_driver_has_let_go_of_it",
        held::a_frame_is_written_to_again_once_the_driver_has_let_go_of_it,
    ),
    (
        "a_frame_that_a_driver_has_copied_is_ours_at_once",
        held::a_frame_that_a_driver_has_copied_is_ours_at_once,
    ),
    (
        "what_is_held_when_a_port_is_closed_is_told",
        held::what_is_held_when_a_port_is_closed_is_told,
    ),
    (
        "a_held_frame_that_a_driver_refuses_to_sum_is_summed_in_another",
        prepare::a_held_frame_that_a_driver_refuses_to_sum_is_summed_in_another,
    ),
    (
        "a_static_build_without_a_driver_is_refused",
        static_build::a_static_build_without_a_driver_is_refused,
    ),
    (
        "a_library_that_dpdk_lacks_is_named_by_its_package",
        static_build::a_library_that_dpdk_lacks_is_named_by_its_package,
    ),
    (
        "an_offload_that_is_off_when_read_back_is_the_host_s_with_the_reason",
        prepare::an_offload_that_is_off_when_read_back_is_the_host_s_with_the_reason,
    ),
    (
        "an_offload_that_a_queue_says_is_off_is_the_host_s_whatever_was_asked_of_the_port",
        read_back::an_offload_that_a_queue_says_is_off_is_the_host_s_whatever_was_asked_of_the_port,
    ),
    ("a_port_s_mtu_outlives_its_set_up", read_back::a_port_s_mtu_outlives_its_set_up),
    (
        "a_set_of_which_one_is_refused_leaves_none_behind_and_says_which",
        rules::a_set_of_which_one_is_refused_leaves_none_behind_and_says_which,
    ),
    (
        "rules_go_before_their_port_stops_the_last_one_first",
        rules::rules_go_before_their_port_stops_the_last_one_first,
    ),
    (
        "rules_that_do_not_go_one_by_one_go_all_at_once_or_no_more_are_made",
        rules::rules_that_do_not_go_one_by_one_go_all_at_once_or_no_more_are_made,
    ),
    (
        "what_a_rule_has_counted_is_told_as_its_driver_says_or_why_it_does_not",
        rules::what_a_rule_has_counted_is_told_as_its_driver_says_or_why_it_does_not,
    ),
    (
        "a_driver_that_refuses_priorities_of_rules_that_it_had_called_valid_gets_them_at_one",
        rules::a_driver_that_refuses_priorities_of_rules_that_it_had_called_valid_gets_them_at_one,
    ),
    (
        "a_driver_that_knows_no_priorities_beforehand_is_asked_for_none",
        rules::a_driver_that_knows_no_priorities_beforehand_is_asked_for_none,
    ),
    (
        "a_pci_device_s_numbers_are_those_that_the_kernel_tells",
        pci::a_pci_device_s_numbers_are_those_that_the_kernel_tells,
    ),
    (
        "what_mlx5_does_unasked_is_in_the_plan_of_a_port_that_runs",
        unasked::what_mlx5_does_unasked_is_in_the_plan_of_a_port_that_runs,
    ),
    (
        "what_no_other_driver_does_unasked_is_said_of_none",
        unasked::what_no_other_driver_does_unasked_is_said_of_none,
    ),
    (
        "a_port_is_isolated_before_it_is_set_up_and_let_in_again_where_its_rules_are_refused",
        rules::a_port_is_isolated_before_it_is_set_up_and_let_in_again_where_its_rules_are_refused,
    ),
    (
        "a_look_at_a_driver_that_tells_of_its_link_calls_nobody",
        link::a_look_at_a_driver_that_tells_of_its_link_calls_nobody,
    ),
    (
        "what_its_rules_cannot_do_is_the_host_s_in_the_driver_s_words",
        net_tap::what_its_rules_cannot_do_is_the_host_s_in_the_driver_s_words,
    ),
    (
        "its_offloads_are_by_queue_and_its_frames_come_with_their_types",
        net_tap::its_offloads_are_by_queue_and_its_frames_come_with_their_types,
    ),
];

fn main() -> ExitCode {
    harness::run(TESTS)
}

const LITTLE: Memory = Memory::Ordinary { mib: 128 };

fn open(device: &str, profile: &Profile) -> Result<DpdkBackend, DpdkError> {
    DpdkBackend::open(DeviceSpec::parse(device)?, LITTLE, profile)
}

fn up(device: &str, profile: &Profile) -> (DpdkNic, Plan) {
    let rule = FlowRule::listener("10.9.0.2:9878".parse().unwrap(), 0);
    let rules = RuleSet::new(vec![rule], OnMiss::Queue(0)).unwrap();
    let backend = open(device, profile).unwrap();
    let device = Device::probed(backend).plan(profile, rules).configure().unwrap();
    let (nic, plan) = device.start().unwrap().steer().unwrap();
    show(&plan);
    (nic, plan)
}

fn ring() -> (DpdkNic, Plan) {
    up("net_ring0", &Profile::all(Policy::Prefer))
}

fn send(nic: &mut DpdkNic, bytes: &[u8]) {
    let mut frame = nic.tx_frame().expect("a transmit buffer");
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    frame.finish(bytes.len(), TxMeta::default());
    let mut burst = Burst::new();
    burst.push(frame);
    assert_eq!((nic.tx_burst(&mut burst), burst.len()), (1, 0));
}

/// Waits for what must come.
fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    const LOOKS_MAX: u32 = 5_000;
    for _ in 0..LOOKS_MAX {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("{what} did not come")
}

fn a_ring_gives_back_what_was_sent_in_order_and_loses_no_buffer() {
    let (mut nic, _) = ring();
    assert_eq!((nic.link(), nic.mtu()), (Link::Up, 1500));
    let before = nic.buffers_in_use();
    let mut next = 0u32;
    for number in 0..100_000u32 {
        let len = 60 + number as usize % 1_455;
        let bytes: Vec<u8> = (0..len).map(|at| (number as usize + at) as u8).collect();
        send(&mut nic, &bytes);
        if number % 7 != 6 {
            continue;
        }
        let mut burst = Burst::new();
        assert_eq!(nic.rx_burst(&mut burst), 7);
        for frame in &burst {
            let len = 60 + next as usize % 1_455;
            assert_eq!((frame.segments(), frame.bytes().len()), (1, len), "{next}");
            let is_right = |(at, byte): (usize, &u8)| *byte == (next as usize + at) as u8;
            assert!(frame.bytes().iter().enumerate().all(is_right), "{next}");
            assert_eq!(
                (nic.rx_meta(frame).l3, nic.rx_meta(frame).l4),
                (Verdict::Unknown, Verdict::Unknown)
            );
            next += 1;
        }
    }
    let mut rest = Burst::new();
    nic.rx_burst(&mut rest);
    drop(rest);
    let counters = nic.counters();
    assert_eq!((counters.rx_frames, counters.tx_frames), (100_000, 100_000));
    assert_eq!(nic.buffers_in_use(), before);
    assert_eq!(nic.close(), Some(0));
}

fn buffers_run_out_by_name_and_come_back() {
    let (mut nic, _) = ring();
    let mut frames = Vec::new();
    while let Some(frame) = nic.tx_frame() {
        frames.push(frame);
    }
    assert!(frames.len() >= 128, "{}", frames.len());
    assert_eq!(nic.counters().tx_no_buffer, 1);
    let had = frames.len();
    frames.clear();
    frames.extend(std::iter::from_fn(|| nic.tx_frame()));
    assert_eq!(frames.len(), had);
    drop(frames);
    assert_eq!(nic.close(), Some(0));
}

fn a_ring_that_is_full_is_told_and_what_found_no_room_is_sent_later() {
    let mut profile = Profile::all(Policy::Prefer);
    profile.frames = 8_192;
    let (mut nic, _) = up("net_ring0", &profile);
    let mut waiting = Burst::new();
    let mut sent = 0u32;
    loop {
        let mut frame = nic.tx_frame().expect("the ring is shorter than the pool");
        frame.space()[..60].fill(0);
        frame.space()[..4].copy_from_slice(&sent.to_be_bytes());
        frame.finish(60, TxMeta::default());
        waiting.push(frame);
        if nic.tx_burst(&mut waiting) == 0 {
            break;
        }
        sent += 1;
    }
    let counters = nic.counters();
    assert_eq!((counters.tx_busy, counters.tx_frames), (1, u64::from(sent)));
    assert_eq!((waiting.len(), counters.tx_no_buffer, counters.tx_errors), (1, 0, 0));
    let mut next = 0u32;
    let mut take_all = |nic: &mut DpdkNic| {
        let mut burst = Burst::new();
        while nic.rx_burst(&mut burst) > 0 {
            for frame in burst.drain(..) {
                assert_eq!(frame.bytes()[..4], next.to_be_bytes());
                next += 1;
            }
        }
        next
    };
    assert_eq!(take_all(&mut nic), sent);
    assert_eq!(nic.tx_burst(&mut waiting), 1);
    assert_eq!(take_all(&mut nic), sent + 1);
    assert_eq!(nic.close(), Some(0));
}

/// The size of the pages that a frame's bytes lie in, as the kernel says, in KiB.
fn page_kib(nic: &mut DpdkNic) -> u64 {
    let mut frame = nic.tx_frame().unwrap();
    let at = frame.space().as_ptr() as u64;
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let range = |line: &str| {
        let (from, to) = line.split_whitespace().next()?.split_once('-')?;
        Some(u64::from_str_radix(from, 16).ok()?..u64::from_str_radix(to, 16).ok()?)
    };
    let mut lines =
        maps.lines().skip_while(|line| !range(line).is_some_and(|at_| at_.contains(&at)));
    let size = lines.find_map(|line| line.strip_prefix("KernelPageSize:")).expect("a mapping");
    size.split_whitespace().next().unwrap().parse().unwrap()
}

fn frames_lie_in_the_pages_that_were_asked_for() {
    let (mut nic, _) = ring();
    assert_eq!(page_kib(&mut nic), 4);
    assert_eq!(nic.close(), Some(0));
}

fn frames_lie_in_huge_pages_where_there_are_some() {
    let mut reserved = Reserved::begin().unwrap_or_else(|why| harness::skip(&why));
    if let Err(why) = reserved.set(256) {
        drop(reserved);
        harness::skip(&why);
    }
    let memory = Memory::best();
    assert!(matches!(memory, Memory::Huge { .. }) && memory.shortage().is_none(), "{memory}");
    let profile = Profile::all(Policy::Prefer);
    let backend = DpdkBackend::open(DeviceSpec::parse("net_ring0").unwrap(), memory, &profile);
    let device = Device::probed(backend.unwrap()).plan(&profile, RuleSet::EMPTY);
    let (mut nic, plan) = device.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    let kib = page_kib(&mut nic);
    assert!(kib >= 2_048, "{kib}");
    assert_eq!(nic.close(), Some(0));
}

fn frames_outlive_their_port() {
    let (mut nic, _) = ring();
    send(&mut nic, &[0x5a; 100]);
    let mut burst = Burst::new();
    assert_eq!(nic.rx_burst(&mut burst), 1);
    assert_eq!(nic.close(), Some(1), "one is about");
    assert_eq!(burst[0].bytes(), [0x5a; 100]);
    drop(burst);
}

fn frames_that_nobody_took_come_back_when_their_port_is_closed() {
    let (mut nic, _) = ring();
    // More than one burst has room for.
    (0..100).for_each(|_| send(&mut nic, &[0x5a; 60]));
    assert_eq!(nic.close(), Some(0));
}

fn a_ring_has_no_offload_and_the_plan_says_who_does_it() {
    let (mut nic, plan) = ring();
    let on_the_path = Capability::ALL.into_iter().filter(|of| of.is_on_the_data_path());
    let used: BTreeSet<_> = on_the_path.filter(|of| plan.uses(*of)).collect();
    assert_eq!(used, BTreeSet::new(), "{plan:?}");
    assert_eq!((plan.nic.as_str(), nic.clock()), ("dpdk:net_ring0", None));
    let mut frame = nic.tx_frame().unwrap();
    const FULL: TxChecksum = TxChecksum::Full;
    const PARTIAL: TxChecksum = TxChecksum::Partial;
    frame.finish(60, TxMeta { tcp: FULL, ..TxMeta::default() });
    assert_eq!((frame.bytes().len(), frame.tx_meta()), (60, TxMeta::default()));
    let left = TxMeta { l2_len: 18, l3_len: 20, l4_len: 32, ..TxMeta::default() };
    for (ipv4, tcp) in [(PARTIAL, PARTIAL), (PARTIAL, FULL), (FULL, PARTIAL)] {
        let left = TxMeta { ipv4, tcp, ..left };
        frame.finish(60, left);
        assert_eq!(frame.tx_meta(), left);
    }
    drop(frame);
    assert_eq!(nic.close(), Some(0));
}

fn what_is_not_there_is_named_with_its_remedy() {
    let profile = Profile::all(Policy::Prefer);
    let error = open("0000:7f:1f.7", &profile).unwrap_err();
    let words = error.to_string();
    assert!(matches!(error, DpdkError::NoPort { .. } | DpdkError::NotStarted { .. }), "{error:?}");
    assert!(words.contains("0000:7f:1f.7") || words.contains("DPDK did not start"), "{words}");
}

fn dpdk_starts_once() {
    let (nic, _) = ring();
    assert_eq!(nic.close(), Some(0));
    let error = open("net_ring1", &Profile::all(Policy::Prefer)).unwrap_err();
    assert!(matches!(error, DpdkError::StartedBefore), "{error:?}");
}

fn queues_that_a_port_has_not_are_refused_by_number() {
    let mut profile = Profile::all(Policy::Prefer);
    profile.queues.rx = 64;
    let backend = open("net_ring0", &profile).unwrap();
    let eal = Rc::clone(backend.eal());
    let device = Device::probed(backend).plan(&profile, RuleSet::EMPTY);
    show(device.plan());
    let words = device.configure().unwrap_err().to_string();
    assert!(words.contains("receive queues") && words.contains("asks for 64"), "{words}");
    // What it had is given back, pools by their names too: the same device is had again.
    profile.queues.rx = 1;
    let spec = DeviceSpec::parse("net_ring0").unwrap();
    let again = DpdkBackend::beside(&eal, spec, &profile).unwrap();
    assert_eq!(several::running(again, &profile).close(), Some(0));
}

fn what_mbufs_say_becomes_verdicts_marks_and_stamps() {
    let profile = Profile::all(Policy::Prefer);
    let device = Device::probed(Claiming::these(open("net_ring0", &profile).unwrap(), &MADE_UP));
    let configured = device.plan(&profile, RuleSet::EMPTY).configure().unwrap();
    let (mut nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    connectx5::hook();
    assert!(plan.uses(Capability::RxTimestamp));
    let all = [
        (Say::Nothing, Verdict::Unknown, Verdict::Unknown, Parsed::Ipv4Tcp),
        (Say::Good, Verdict::Good, Verdict::Good, Parsed::Ipv4Tcp),
        (Say::Bad, Verdict::Bad, Verdict::Bad, Parsed::Ipv4Tcp),
        // Nobody leaves an IPv4 header unfinished for us.
        (Say::None, Verdict::Unknown, Verdict::None, Parsed::Ipv4Tcp),
        (Say::Marked, Verdict::Good, Verdict::Good, Parsed::Ipv4Tcp),
        (Say::GoodOfOther, Verdict::Good, Verdict::Good, Parsed::Other),
        (Say::Unstamped, Verdict::Good, Verdict::Good, Parsed::Ipv4Tcp),
        (Say::Stripped, Verdict::Good, Verdict::Good, Parsed::Ipv4Tcp),
        (Say::Tagged, Verdict::Good, Verdict::Good, Parsed::Ipv4Tcp),
    ];
    for (number, (say, l3, l4, parsed)) in (0u8..).zip(all) {
        let mut bytes = [0; 80];
        (bytes[12], bytes[13]) = (0x08, 0x00);
        // Read as IPv4, too: a header of 20 bytes or more.
        (bytes[connectx5::AT], bytes[connectx5::AT + 1]) = (say as u8, number);
        send(&mut nic, &bytes);
        let mut burst = Burst::new();
        assert_eq!(nic.rx_burst(&mut burst), 1);
        let meta = nic.rx_meta(&burst[0]);
        assert_eq!((meta.l3, meta.l4, meta.parsed), (l3, l4, parsed), "{say:?}");
        // A mark is heeded where the plan leaves marking to the device, which it does not here.
        assert_eq!(meta.mark, None, "{say:?}");
        // A tag that is in the frame still is read there.
        let tag = (say == Say::Stripped).then_some(connectx5::TAG);
        assert_eq!(meta.vlan, tag, "{say:?}");
        let stamp = meta.stamp.map(|stamp| (stamp.ticks, stamp.domain));
        let expected = (say != Say::Unstamped)
            .then_some((connectx5::FIRST_STAMP + u64::from(number), Domain::NicTicks));
        assert_eq!(stamp, expected, "{say:?}");
        if say == Say::None {
            // The header's length is what the frame's own bytes say.
            let header_len = u16::from(say as u8 & 0x0f) * 4;
            assert_eq!((meta.csum_start, meta.csum_offset), (14 + header_len, 16));
        }
    }
    assert_eq!(nic.close(), Some(0));
}
