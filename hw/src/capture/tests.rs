//! Frames through a captured model into a file, and the file read back block by block.

use std::fs;
use std::process::Command;

use fixwire_offload::Profile;
use fixwire_offload::clock::{self, ClockConfig, Discipline};
use fixwire_offload::device::Device;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::nic::{Burst, Frame as _, Link, RxMeta, TxChecksum, TxMeta};
use fixwire_offload::observe::NicCounters;
use fixwire_offload::profile::{ClockSettings, Policy};
use fixwire_offload::stamp::{ClockInfo, Domain, RxStamp};
use fixwire_offload::time::{Clock, Instant as WireTime};

use super::record::{Record, Way};
use super::*;
use crate::clock_service::DeviceClock;
use crate::frames::{left_to_device, tcp_frame};
use crate::host_counter::HostCounter;
use crate::sim::{self, Model, SimBackend, SimNic, Wire};
use crate::tsc::Tsc;

mod read_back;
mod stamps;
mod trouble;

use read_back::{blocks, packets, read};

const ORIGIN: UtcTime = UtcTime::from_unix_ns(1_800_000_000_000_000_000);

fn options(ring_len: usize) -> Options<'static> {
    Options {
        interface: "sim",
        application: "a test",
        clock: HostClock::new(),
        wire_origin: Some(ORIGIN),
        clocks: None,
        ring_len,
        say: |_| {},
    }
}

/// Two of `model` on a wire that takes no time; the first is told what `policy` says.
fn pair(model: Model, policy: Policy) -> (SimNic, SimNic, Wire) {
    let line = sim::Line { latency_ns: 0, bandwidth_bits_per_s: None };
    let config = sim::Config { a: model.clone(), b: model, line, ..sim::Config::default() };
    let (a, b, wire) = sim::pair(config, 1);
    let run = |backend: SimBackend, policy| {
        let device = Device::probed(backend)
            .plan(&Profile::all(policy), RuleSet::EMPTY)
            .configure()
            .unwrap();
        device.start().unwrap().steer().unwrap().0
    };
    (run(a, policy), run(b, Policy::Prefer), wire)
}

fn frame(
    nic: &mut impl Nic<Frame = crate::pool::Frame>,
    bytes: &[u8],
    meta: TxMeta,
) -> crate::pool::Frame {
    let mut frame = nic.tx_frame().unwrap();
    frame.space()[..bytes.len()].copy_from_slice(bytes);
    frame.finish(bytes.len(), meta);
    frame
}

fn send(nic: &mut impl Nic<Frame = crate::pool::Frame>, bytes: &[u8], meta: TxMeta) {
    let mut burst = Burst::new();
    burst.push(frame(nic, bytes, meta));
    assert_eq!(nic.tx_burst(&mut burst), 1);
}

fn receive(nic: &mut impl Nic) -> usize {
    nic.rx_burst(&mut Burst::new())
}

const FULL: TxMeta = TxMeta {
    l2_len: 14,
    l3_len: 20,
    l4_len: 20,
    ipv4: TxChecksum::Full,
    tcp: TxChecksum::Full,
    stamp_token: 0,
};
const PARTIAL: TxMeta = TxMeta { ipv4: TxChecksum::Partial, tcp: TxChecksum::Partial, ..FULL };

/// Gives the writer's thread time, and a hang an end.
fn wait_until(mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the writer does nothing");
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn both_directions_are_in_the_file_with_stamps_and_sources() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pcapng");
    let (near, mut far, wire) = pair(Model::full(), Policy::Prefer);
    let options = options(RING_LEN);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options);
    let before = options.clock.now().utc.as_unix_ns();
    let (out, back) = (tcp_frame(b"8=FIX.4.4|35=A|"), tcp_frame(b"8=FIX.4.4|35=0|"));
    send(&mut near, &left_to_device(out.clone()), PARTIAL);
    wire.set_now(WireTime::from_ns(5_000));
    send(&mut far, &back, FULL);
    assert_eq!(receive(&mut near), 1);
    let summary = capture.finish();
    let counters = CaptureCounters { rx_written: 1, tx_written: 1, ..CaptureCounters::default() };
    assert_eq!(summary, Summary { path: path.clone(), counters, trouble: None });

    let blocks = read(&path);
    let kinds: Vec<u32> = blocks.iter().map(|block| block.kind).collect();
    assert_eq!(kinds, [0x0a0d_0d0a, 1, 1, 6, 6, 5, 5]);
    assert_eq!(blocks[0].text(4), "a test");
    assert!(blocks[0].text(2).ends_with(", a NIC model"), "{:?}", blocks[0]);
    assert!(blocks[0].text(3).starts_with("Linux "), "{:?}", blocks[0]);
    for (index, words) in
        [(1, "received; stamps: simulated wire clock"), (2, "sent; stamps: host monotonic clock")]
    {
        assert_eq!(blocks[index].text(2), "sim");
        assert!(blocks[index].text(3).starts_with(words), "{}", blocks[index].text(3));
        assert_eq!(blocks[index].option(6), Some(&near.mac()[..]));
        assert_eq!(blocks[index].option(9), Some(&[9][..]), "nanoseconds");
    }
    let (sent, received) = (&blocks[3], &blocks[4]);
    assert_eq!((sent.number(0), sent.option(2)), (1, Some(&[2, 0, 0, 0][..])));
    assert_eq!(sent.frame(), out, "completed");
    assert_eq!(sent.text(1), "IPv4 and TCP checksums left to the device, completed in this copy");
    let now = options.clock.now().utc.as_unix_ns();
    assert!((before..=now).contains(&sent.ns()), "{before} {} {now}", sent.ns());
    assert_eq!((received.number(0), received.option(2)), (0, Some(&[1, 0, 0, 0][..])));
    assert_eq!(received.frame(), back);
    assert_eq!(received.text(1), "");
    assert_eq!(received.ns(), ORIGIN.as_unix_ns() + 5_000);
    for (index, statistics) in blocks[5..].iter().enumerate() {
        assert_eq!(statistics.number(0), index as u32);
        assert_eq!((statistics.count(4), statistics.count(5)), (Some(1), Some(0)));
    }
}

#[test]
fn a_received_frame_that_is_not_finished_is_completed_in_the_copy_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.pcapng");
    let (near, mut far, _wire) = pair(Model::virtio(), Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(RING_LEN));
    let right = tcp_frame(b"8=FIX.4.4|35=D|");
    let mut unfinished = left_to_device(right.clone());
    // Only the TCP field: the model has no engine for the other.
    unfinished[24..26].copy_from_slice(&right[24..26]);
    send(&mut far, &unfinished, TxMeta { ipv4: TxChecksum::Full, ..PARTIAL });
    let mut burst = Burst::new();
    assert_eq!(near.rx_burst(&mut burst), 1);
    assert_eq!(burst[0].bytes()[50..52], unfinished[50..52], "the frame itself is untouched");
    capture.finish();
    let blocks = read(&path);
    let packet = packets(&blocks)[0];
    assert_eq!(packet.frame(), right);
    assert_eq!(packet.text(1), "TCP checksum handed over unfinished, completed in this copy");
    assert!(blocks[1].text(3).contains("the device stamps nothing"), "{}", blocks[1].text(3));
}

#[test]
fn a_burst_that_is_taken_in_parts_is_captured_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parts.pcapng");
    let model = Model { tx_burst_max: 2, ..Model::full() };
    let (near, _far, _wire) = pair(model, Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(RING_LEN));
    let mut burst = Burst::new();
    for number in 0..5 {
        burst.push(frame(&mut near, &tcp_frame(&[number; 9]), FULL));
    }
    let mut taken = Vec::new();
    while !burst.is_empty() {
        taken.push(near.tx_burst(&mut burst));
    }
    assert_eq!(taken, [2, 2, 1]);
    assert_eq!(capture.finish().counters.tx_written, 5);
    let blocks = read(&path);
    let order: Vec<u8> = packets(&blocks).iter().map(|packet| packet.frame()[54]).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    assert_eq!(near.counters().tx_frames, 5);
}

#[test]
fn a_capture_without_a_frame_is_a_file_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pcapng");
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let (near, capture) = start(CaptureFile::open(&path), near, &options(RING_LEN));
    drop(near);
    assert_eq!(capture.finish().counters, CaptureCounters::default());
    let kinds: Vec<u32> = read(&path).iter().map(|block| block.kind).collect();
    assert_eq!(kinds, [0x0a0d_0d0a, 1, 1, 5, 5]);
}
