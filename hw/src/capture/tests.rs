//! Frames through a captured model into a file, and the file read back block by block.

use std::fs;
use std::path::Path;
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

/// A block as it was read back.
#[derive(Debug)]
struct Block {
    kind: u32,
    body: Vec<u8>,
    options: Vec<(u16, Vec<u8>)>,
}

impl Block {
    fn number(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.body[at..at + 4].try_into().unwrap())
    }

    fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().find(|(found, _)| *found == code).map(|(_, value)| value.as_slice())
    }

    fn text(&self, code: u16) -> &str {
        self.option(code).map_or("", |value| std::str::from_utf8(value).unwrap())
    }

    fn count(&self, code: u16) -> Option<u64> {
        self.option(code).map(|value| u64::from_le_bytes(value.try_into().unwrap()))
    }

    fn ns(&self) -> u64 {
        u64::from(self.number(4)) << 32 | u64::from(self.number(8))
    }

    fn frame(&self) -> &[u8] {
        &self.body[20..20 + self.number(12) as usize]
    }
}

/// Every block of a file, which must have nothing beside whole ones.
fn read(path: &Path) -> Vec<Block> {
    blocks(&fs::read(path).unwrap())
}

fn blocks(mut bytes: &[u8]) -> Vec<Block> {
    let number =
        |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let (kind, len) = (number(bytes, 0), number(bytes, 4) as usize);
        assert_eq!(number(bytes, len - 4) as usize, len, "the length stands at both ends");
        let body = bytes[8..len - 4].to_vec();
        let fixed = match kind {
            0x0a0d_0d0a => 16,
            1 => 8,
            5 => 12,
            6 => 20 + number(&body, 12).next_multiple_of(4) as usize,
            other => panic!("no block of kind {other} is written"),
        };
        let mut rest = &body[fixed..];
        let mut options = Vec::new();
        while let [code_0, code_1, len_0, len_1, ..] = *rest {
            let len = usize::from(u16::from_le_bytes([len_0, len_1]));
            let code = u16::from_le_bytes([code_0, code_1]);
            options.push((code, rest[4..4 + len].to_vec()));
            rest = &rest[4 + len.next_multiple_of(4)..];
        }
        assert_eq!(options.pop(), Some((0, vec![])), "options have an end");
        blocks.push(Block { kind, body, options });
        bytes = &bytes[len..];
    }
    blocks
}

fn packets(blocks: &[Block]) -> Vec<&Block> {
    blocks.iter().filter(|block| block.kind == 6).collect()
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
fn a_stamp_without_utc_is_replaced_by_the_host_s_and_said() {
    let folder = tempfile::tempdir().unwrap();
    for (policy, wire_origin, description, comment) in [
        (
            Policy::Prefer,
            None,
            "the device's stamp (simulated wire clock, ns) is in each comment",
            "the device's stamp: 5000 by its simulated wire clock, ns",
        ),
        (Policy::Off, Some(ORIGIN), "the device stamps nothing", ""),
    ] {
        let path = folder.path().join("host.pcapng");
        let (near, mut far, wire) = pair(Model::full(), policy);
        let options = Options { wire_origin, ..options(RING_LEN) };
        let (mut near, capture) = start(CaptureFile::open(&path), near, &options);
        wire.set_now(WireTime::from_ns(5_000));
        send(&mut far, &tcp_frame(b"payload"), FULL);
        let before = options.clock.now().utc.as_unix_ns();
        assert_eq!(receive(&mut near), 1);
        capture.finish();
        let blocks = read(&path);
        let packet = packets(&blocks)[0];
        let now = options.clock.now().utc.as_unix_ns();
        assert!((before..=now).contains(&packet.ns()));
        assert_eq!(packet.text(1), comment);
        assert!(blocks[1].text(3).contains(description), "{}", blocks[1].text(3));
    }
}

/// A device that stamps as a TAP does.
struct ByCounter {
    nic: SimNic,
    counter: HostCounter,
}

impl Nic for ByCounter {
    type Frame = crate::pool::Frame;

    fn rx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize {
        let received = self.nic.rx_burst(burst);
        let stamp = Some(self.counter.stamp());
        burst
            .iter_mut()
            .filter_map(|frame| frame.rx_meta_mut())
            .for_each(|meta| meta.stamp = stamp);
        received
    }

    fn rx_meta(&self, frame: &Self::Frame) -> RxMeta {
        frame.rx_meta()
    }

    fn tx_frame(&mut self) -> Option<Self::Frame> {
        self.nic.tx_frame()
    }

    fn tx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize {
        self.nic.tx_burst(burst)
    }

    fn link(&mut self) -> Link {
        self.nic.link()
    }

    fn clock(&self) -> Option<ClockInfo> {
        Some(self.counter.info())
    }

    fn mac(&self) -> [u8; 6] {
        self.nic.mac()
    }

    fn mtu(&self) -> usize {
        self.nic.mtu()
    }

    fn counters(&self) -> NicCounters {
        self.nic.counters()
    }
}

/// A service over the host's counter, and over the clock that a model stamps by.
fn service(counter: HostCounter, nic: Option<&SimNic>) -> ClockService {
    let device = nic.map(|nic| Box::new(nic.live_clock().unwrap()) as Box<dyn DeviceClock>);
    ClockService::start(counter, device, &ClockSettings::default()).unwrap()
}

#[test]
fn stamps_by_either_of_the_host_s_counters_are_shown_as_utc_before_and_after_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    for counter in [HostCounter::Mono(HostClock::new()), HostCounter::best()] {
        let path = folder.path().join("counter.pcapng");
        let (nic, mut far, _wire) = pair(Model::full(), Policy::Off);
        let service = service(counter, None);
        let options = Options { clocks: Some(&service), ..options(RING_LEN) };
        let nic = ByCounter { nic, counter };
        let (mut near, capture) = start(CaptureFile::open(&path), nic, &options);
        let clock = match counter {
            HostCounter::Mono(_) => "host monotonic clock".to_owned(),
            HostCounter::Tsc(tsc) => format!("host TSC ({})", tsc.rate()),
        };
        let mut crossed = Vec::new();
        // The line begins with the third pair: what came before the second was counted, came before it.
        let mut before_the_lock = None;
        for _ in 0..2 {
            let before = options.clock.now().utc.as_unix_ns();
            send(&mut far, &tcp_frame(b"payload"), FULL);
            assert_eq!(receive(&mut near), 1);
            send(&mut near, &tcp_frame(b"answer"), FULL);
            crossed.push((before, options.clock.now().utc.as_unix_ns()));
            before_the_lock = before_the_lock.or(Some(service.counters().wall.warming_up < 2));
            wait_until(|| service.counters().wall.locked > 0);
        }
        let counters = capture.finish().counters;
        assert_eq!((counters.rx_written, counters.tx_written), (2, 2));
        let blocks = read(&path);
        for (block, words) in [
            (1, format!("received; stamps: {clock}, read by the device after a burst; ns, shown")),
            (
                2,
                format!(
                    "sent; stamps: {clock}, read before tx_burst; ns, shown as UTC by readings"
                ),
            ),
        ] {
            assert!(blocks[block].text(3).starts_with(&words), "{}", blocks[block].text(3));
        }
        let packets = packets(&blocks);
        assert_eq!(packets.len(), 4);
        for statistics in blocks.iter().filter(|block| block.kind == 5) {
            let shown = statistics.text(1);
            assert!(shown.contains(" ns of the system's time"), "{shown}");
            if before_the_lock.unwrap_or(false) {
                assert!(shown.contains("without a bound: wall_not_yet 1"), "{shown}");
            }
        }
        for (packets, (before, after)) in packets.chunks(2).zip(crossed) {
            for packet in packets {
                assert_eq!(packet.text(1), "", "nothing to be said");
                // What two clocks make of one moment, on a machine that is busy with other things.
                let allowed = before - 1_000_000..=after + 1_000_000;
                assert!(allowed.contains(&packet.ns()), "{} in {allowed:?}", packet.ns());
            }
        }
    }
}

#[test]
fn frames_are_shown_by_the_stamps_of_a_nic_whose_clock_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nic.pcapng");
    let (near, mut far, wire) = pair(Model::named("connectx5").unwrap(), Policy::Prefer);
    let host = HostClock::new();
    let service = service(HostCounter::Mono(host), Some(&near));
    let options = Options { clocks: Some(&service), clock: host, ..options(RING_LEN) };
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options);
    let mut reader = service.reader();
    // A frame that waits for 2 ms, again and again until the service can tell when it came.
    let mut came = Vec::new();
    wait_until(|| {
        let before = host.now();
        wire.set_now(before.mono);
        send(&mut far, &tcp_frame(b"payload"), FULL);
        sleep(Duration::from_millis(2));
        let mut burst = Burst::new();
        assert_eq!(near.rx_burst(&mut burst), 1);
        came.push(before.utc.as_unix_ns());
        let generation = reader.mapping().device_generation();
        let stamp = RxStamp { generation, ..near.rx_meta(&burst[0]).stamp.unwrap() };
        reader.convert(&stamp, host.mono().as_ns()).is_ok()
    });
    capture.finish();

    let blocks = read(&path);
    let words = "received; stamps: a NIC model's clock, no NIC's (NIC counter, ticks; 78125000 a second \
                 declared); shown as UTC by readings of it";
    assert!(blocks[1].text(3).starts_with(words), "{}", blocks[1].text(3));
    let packets = packets(&blocks);
    let by_nic = packets.iter().filter(|packet| packet.text(1).is_empty()).count();
    assert!(by_nic >= 1, "the last at least");
    for (packet, came) in packets.into_iter().zip(came) {
        // By the NIC when it came, by the host 2 ms later.
        let (late_ns, words) = (packet.ns().wrapping_sub(came).cast_signed(), packet.text(1));
        if words.is_empty() {
            assert!(late_ns.abs() < 1_000_000, "{late_ns} ns");
        } else {
            assert!(late_ns > 1_500_000, "{late_ns} ns: {words}");
            assert!(
                words.starts_with("stamped by the host monotonic clock, ns; the device's stamp: ")
            );
        }
    }
    let shown = blocks.iter().find(|block| block.kind == 5).unwrap().text(1);
    assert!(shown.starts_with(&format!("{by_nic} frames shown within ")), "{shown}");
    assert!(shown.contains("; without a bound: "), "{shown}");
}

/// A reader of a clock service that reads so much of the wall clock that it has locked, again after
/// that was set; and when.
fn service_that_found_a_step(tsc: Tsc) -> (clock::Reader, u64) {
    let mut discipline = Discipline::new(&ClockConfig::default(), &tsc.info(), None).unwrap();
    let (mut publisher, reader) = clock::Publisher::new(&discipline);
    let begin = tsc.now();
    let after = |ms: u64| begin + tsc.rate().ticks_per_s / 1_000 * ms;
    for (ms, set_s) in [(0, 0), (10, 0), (30, 0), (50, 9), (51, 9), (60, 9), (80, 9)] {
        let reading = ORIGIN.as_unix_ns() + ms * 1_000_000 + set_s * 1_000_000_000;
        let (before, after) = (after(ms), after(ms) + 50);
        discipline.on_wall_pair(clock::Bracket { before, reading, after });
    }
    publisher.publish(&discipline);
    (reader, after(82))
}

#[test]
fn a_frame_before_which_the_system_s_time_was_set_says_so_once() {
    let Some(tsc) = Tsc::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("set.pcapng");
    let (mut nic, mut far, _wire) = pair(Model::full(), Policy::Off);
    let clock = HostClock::off_by(-9_000_000_000);
    let options = Options { clock, wire_origin: None, ..options(0) };
    let stamps = Stamps::new(&options, Some(tsc.info()));
    let (reader, ticks) = service_that_found_a_step(tsc);
    let shared = Arc::new(Shared::default());
    let (mut recorder, ring) = ring::ring(0, &shared);
    let mut burst = Burst::new();
    for _ in 0..2 {
        send(&mut far, &tcp_frame(b"payload"), FULL);
    }
    assert_eq!(nic.rx_burst(&mut burst), 2);
    let stamp = RxStamp { ticks, ..HostCounter::Tsc(tsc).stamp() };
    let meta = RxMeta { stamp: Some(stamp), ..RxMeta::UNKNOWN };
    recorder.stage(Way::Received, &burst, |_| Record::received(&meta, None)).commit(2);
    drop(recorder);
    let times = Times::new(&stamps, Some(reader));
    let terms = Terms {
        times,
        described: [Domain::Tsc; 2],
        head: head(&nic, &stamps, &options),
        say: |_| {},
    };
    Writer::new(ring, CaptureFile::open(&path).sink, Arc::clone(&shared), terms).run();

    let blocks = read(&path);
    let [first, second] = packets(&blocks)[..] else { panic!("{blocks:?}") };
    let words = first.text(1);
    assert!(
        words.starts_with("the system's time was set by ") && words.contains(" ns: "),
        "{words}"
    );
    assert_eq!(second.text(1), "");
    let right = ORIGIN.as_unix_ns() + 9_082_000_000;
    assert!(first.ns().abs_diff(right) < 100_000 && second.ns() >= first.ns(), "{}", first.ns());
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

#[test]
fn a_file_that_cannot_be_opened_costs_every_frame_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = CaptureFile::open(folder.path());
    assert!(file.trouble().unwrap().to_string().contains("name a file in that folder"));
    let (near, mut far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(file, near, &options(RING_LEN));
    for _ in 0..3 {
        send(&mut near, &tcp_frame(b"out"), FULL);
    }
    send(&mut far, &tcp_frame(b"back"), FULL);
    assert_eq!((receive(&mut near), receive(&mut far)), (1, 3));
    let summary = capture.finish();
    let expected =
        CaptureCounters { rx_write_failed: 1, tx_write_failed: 3, ..CaptureCounters::default() };
    assert_eq!(summary.counters, expected);
    assert!(summary.trouble.unwrap().contains("cannot be opened"));
}

#[test]
fn frames_past_the_ring_are_counted_and_the_file_shows_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    if !Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()) {
        panic!("mkfifo (coreutils) makes no pipe at {}", path.display());
    }
    let (near, mut far, _wire) = pair(Model::full(), Policy::Prefer);
    // Nobody reads: the writer takes nothing out of the ring.
    let file = CaptureFile::open(&path);
    assert!(file.trouble().is_none());
    let (mut near, capture) = start(file, near, &options(0));
    let frame = tcp_frame(&[7; 1_400]);
    let fitting = (record::HEADER_LEN + ring::SNAP_LEN) / (record::HEADER_LEN + frame.len());
    for _ in 0..fitting + 10 {
        send(&mut near, &frame, FULL);
        assert!(receive(&mut far) == 1, "what is not captured is sent all the same");
    }
    // A reader comes, and what is in the ring goes out; then there is room again.
    let reader = thread::spawn({
        let path = path.clone();
        move || fs::read(path).unwrap()
    });
    wait_until(|| capture.shared.sum_up().tx_written == fitting as u64);
    send(&mut near, &frame, FULL);
    let summary = capture.finish();
    assert_eq!(summary.trouble, None);
    assert_eq!(summary.counters.tx_written, fitting as u64 + 1);
    assert_eq!(summary.counters.tx_ring_full, 10);
    let blocks = blocks(&reader.join().unwrap());
    let packets = packets(&blocks);
    let gaps: Vec<u64> = packets.iter().filter_map(|packet| packet.count(4)).collect();
    assert_eq!(packets.len(), fitting + 1);
    assert_eq!((gaps, packets[fitting].count(4)), (vec![10], Some(10)));
    let statistics = blocks.last().unwrap();
    assert_eq!(statistics.count(4), Some(fitting as u64 + 11));
    assert_eq!(statistics.count(5), Some(10));
    assert_eq!(statistics.text(1), "10 frames lost to a full ring, 0 that could not be written");
}

#[test]
fn a_pipe_that_nobody_ever_reads_ends_with_a_word_and_every_frame_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(0));
    send(&mut near, &tcp_frame(b"out"), FULL);
    let summary = capture.finish();
    assert_eq!(summary.counters.tx_write_failed, 1);
    assert!(summary.trouble.unwrap().contains("nobody reads"));
}

#[test]
fn a_reader_that_goes_away_costs_the_rest_of_the_frames() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    let reader = thread::spawn({
        let path = path.clone();
        move || drop(fs::File::open(path).unwrap())
    });
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let (mut near, capture) = start(CaptureFile::open(&path), near, &options(0));
    reader.join().unwrap();
    send(&mut near, &tcp_frame(b"out"), FULL);
    let summary = capture.finish();
    assert_eq!((summary.counters.tx_write_failed, summary.counters.tx_written), (1, 0));
    let sentence = summary.trouble.unwrap();
    assert!(sentence.contains("the capture ends here"), "{sentence}");
}

#[test]
fn the_writer_keeps_off_the_core_that_polls() {
    let cores = crate::core::allowed_cores();
    let Some((busy, others)) = cores.split_last().filter(|(_, others)| !others.is_empty()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (near, _far, _wire) = pair(Model::full(), Policy::Prefer);
    let file = CaptureFile::open(&folder.path().join("run.pcapng"));
    let (_near, capture) = start(file, near, &options(0));
    capture.keep_off(*busy);
    // No other test's writer is kept off anything.
    wait_until(|| writers_may_use().iter().any(|allowed| allowed == others));
    capture.finish();
}

/// The cores that each writer of this process may use.
fn writers_may_use() -> Vec<Vec<u16>> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let status = tasks.filter_map(|task| fs::read_to_string(task.join("status")).ok());
    let writers = status.filter(|status| status.starts_with("Name:\tcapture\n"));
    writers
        .map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            let bounds = |range: &str| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap()
            };
            line.unwrap().trim().split(',').flat_map(bounds).collect()
        })
        .collect()
}
