//! What time the file says of each frame, and by which clock.

use super::*;

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
    let is_by_nic_alone = by_nic == packets.len();
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
    // Where two milliseconds became many, the service was ahead of the first frame.
    assert_eq!(shown.contains("; without a bound: "), !is_by_nic_alone, "{shown}");
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
