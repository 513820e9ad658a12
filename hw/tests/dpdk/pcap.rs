//! Files that net_pcap plays back: each frame's stamp is its time in the file.

use std::fs;
use std::path::Path;
use std::process::Command;

use fixwire_hw::clock_route::ClockRoute;
use fixwire_hw::dpdk::DpdkNic;
use fixwire_offload::capability::Capability;
use fixwire_offload::nic::{Burst, Frame as _, Nic};
use fixwire_offload::plan::{Outcome, Provider};
use fixwire_offload::profile::{Policy, Profile};
use fixwire_offload::stamp::Domain;

use super::harness::skip;
use super::{send, up};

/// The magic numbers of libpcap's files (pcap-savefile(5)): in microseconds and in nanoseconds.
const IN_US: u32 = 0xa1b2_c3d4;
const IN_NS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;

/// A file of frames, each with its time in nanoseconds since 1970.
fn write(path: &Path, magic: u32, times_ns: &[u64]) {
    let per_s = if magic == IN_NS { 1_000_000_000 } else { 1_000_000 };
    let mut file = Vec::new();
    let mut word = |word: u32| file.extend(word.to_le_bytes());
    // Version 2.4 in two halves, time zone, accuracy, the longest frame.
    [magic, 4 << 16 | 2, 0, 0, 65_535, ETHERNET].into_iter().for_each(&mut word);
    for (number, ns) in times_ns.iter().enumerate() {
        let bytes = frame(number);
        let part = ns % 1_000_000_000 / (1_000_000_000 / per_s);
        let len = bytes.len() as u32;
        for word in [(ns / 1_000_000_000) as u32, part as u32, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(bytes);
    }
    fs::write(path, file).unwrap();
}

fn frame(number: usize) -> Vec<u8> {
    let mut bytes = vec![number as u8; 60 + number];
    bytes[..14].copy_from_slice(&[2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 9, 0x88, 0xb5]);
    bytes
}

/// From a steady trickle to several frames in one microsecond, as captures are.
fn times_ns() -> Vec<u64> {
    let begin = 1_795_000_000_000_000_000;
    let apart = [0, 1, 999, 1_000, 1_001, 0, 123_456_789, 999_999_999, 86_400_000_000_000];
    let sums = apart.iter().cycle().take(50).scan(begin, |time, apart| {
        *time += apart;
        Some(*time)
    });
    sums.collect()
}

fn play(folder: &Path) -> (DpdkNic, u64) {
    let device = format!(
        "net_pcap0,rx_pcap={},tx_pcap={}",
        folder.join("in.pcap").display(),
        folder.join("out.pcap").display()
    );
    let (mut nic, plan) = up(&device, &Profile::all(Policy::Prefer));
    let row = plan.row(Capability::RxTimestamp);
    assert_eq!((row.outcome, row.by), (Outcome::Device, Provider::Driver("net_pcap")), "{row:?}");
    let clock = nic.clock().expect("a clock");
    assert_eq!(clock.domain, Domain::Captured);
    let routes = nic.take_clocks();
    assert!(routes.found.is_none(), "{routes:?}");
    assert!(
        matches!(&routes.refused[..], [one] if one.route == ClockRoute::ReadClock
            && one.why.contains("times of capture")),
        "{routes:?}"
    );
    (nic, clock.ticks_per_s)
}

/// Every frame's stamp in the file's order, in nanoseconds; each frame is what the file has.
fn stamps_ns(nic: &mut DpdkNic, ticks_per_s: u64) -> Vec<u64> {
    let mut stamps = Vec::new();
    let mut burst = Burst::new();
    while nic.rx_burst(&mut burst) > 0 {
        for received in burst.drain(..) {
            assert_eq!(received.bytes(), frame(stamps.len()));
            let stamp = nic.rx_meta(&received).stamp.expect("a stamp");
            assert_eq!(stamp.domain, Domain::Captured);
            stamps.push(stamp.ticks * (1_000_000_000 / ticks_per_s));
        }
    }
    stamps
}

fn in_whole(ns: u64, ticks_per_s: u64) -> u64 {
    let tick_ns = 1_000_000_000 / ticks_per_s;
    ns / tick_ns * tick_ns
}

pub(super) fn each_frame_of_a_file_is_stamped_with_its_time_there() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("in.pcap"), IN_US, &times_ns());
    let (mut nic, ticks_per_s) = play(folder.path());
    let expected: Vec<u64> = times_ns().into_iter().map(|ns| ns / 1_000 * 1_000).collect();
    assert_eq!(stamps_ns(&mut nic, ticks_per_s), expected);
    // What is sent goes into the other file.
    send(&mut nic, &frame(7));
    assert_eq!(nic.close(), Some(0));
    let sent = fs::read(folder.path().join("out.pcap")).unwrap();
    assert!(sent.ends_with(&frame(7)), "{sent:?}");
}

pub(super) fn tshark_reads_the_same_times_out_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.pcap");
    write(&path, IN_NS, &times_ns());
    let tshark = Command::new("tshark")
        .args(["-T", "fields", "-e", "frame.time_epoch", "-r"])
        .arg(&path)
        .output();
    let Ok(tshark) = tshark else { skip("tshark is not installed (apt-get install tshark)") };
    let text = String::from_utf8(tshark.stdout).unwrap();
    let read: Vec<u64> = text
        .lines()
        .map(|line| line.trim().replace('.', "").parse().unwrap_or_else(|_| panic!("{text}")))
        .collect();
    assert_eq!(read, times_ns(), "{}", String::from_utf8_lossy(&tshark.stderr));
    let (mut nic, ticks_per_s) = play(folder.path());
    let expected: Vec<u64> = read.into_iter().map(|ns| in_whole(ns, ticks_per_s)).collect();
    assert_eq!(stamps_ns(&mut nic, ticks_per_s), expected);
    assert_eq!(nic.close(), Some(0));
}
