//! The TAP against the kernel on its other side. Where the machine gives this user no TAP or no
//! namespace, the tests are skipped and say why.

mod frames;
mod harness;
mod line;

use std::fs;
use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use fixwire_hw::clock::HostClock;
use fixwire_hw::host_counter::HostCounter;
use fixwire_hw::pool::FRAMES_MIN;
use fixwire_hw::tap::{EMBEDDED_NAME, KERNEL_ADDR, TapBackend, TapError, namespace};
use fixwire_offload::Verdict;
use fixwire_offload::capability::Capability;
use fixwire_offload::nic::{Burst, Frame as _, Link, Nic, TxMeta};
use fixwire_offload::profile::Policy;

use frames::{Arp, Field, PSH_ACK, RST, SYN, Segment};
use harness::{Test, skip};
use line::{Line, embedded, eventually};

const TESTS: &[Test] = &[
    ("kernel_answers_arp_and_echo", kernel_answers_arp_and_echo),
    ("needs_csum_is_none_only_when_configured", needs_csum_is_none_only_when_configured),
    ("reset_comes_finished_beside_unfinished_data", reset_comes_finished_beside_unfinished_data),
    ("partial_and_full_segments_are_accepted", partial_and_full_segments_are_accepted),
    ("datagrams_are_accepted_unless_wrong", datagrams_are_accepted_unless_wrong),
    ("forwarded_partial_segment_leaves_finished", forwarded_partial_segment_leaves_finished),
    ("other_threads_use_the_kernel_side", other_threads_use_the_kernel_side),
    ("frames_wait_while_buffers_are_out", frames_wait_while_buffers_are_out),
    ("stamps_are_the_host_counter_s_one_a_burst", stamps_are_the_host_counter_s_one_a_burst),
    ("nothing_is_left_behind", nothing_is_left_behind),
    ("failures_are_told_apart_and_leak_nothing", failures_are_told_apart_and_leak_nothing),
    ("threads_are_refused_before_the_namespace", threads_are_refused_before_the_namespace),
    ("an_existing_tap_keeps_its_address", an_existing_tap_keeps_its_address),
    ("a_link_taken_down_loses_frames_by_name", a_link_taken_down_loses_frames_by_name),
];

fn main() -> ExitCode {
    harness::run(TESTS)
}

const OPENING: Segment<'static> =
    Segment { src_port: 40_000, dst_port: 0, seq: 1_000, ack: 0, flags: SYN, payload: b"" };

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((KERNEL_ADDR, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn kernel_answers_arp_and_echo() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    assert!(namespace::is_inside_own());
    assert_eq!((line.kernel.addr, line.kernel.prefix_len), (KERNEL_ADDR, 24));
    assert_eq!((line.kernel.mtu, line.nic.mtu()), (1500, 1500));
    assert!(!line.kernel.existed && !line.kernel.has_addr);
    for data in [&b"fixwire"[..], &[0x5a; 1472]] {
        line.send_ipv4(frames::ICMP, &frames::echo_request(data));
        let (meta, reply) = line.expect("an echo reply", |frame| {
            frames::protocol(frame) == Some(frames::ICMP) && frame[frames::L4] == 0
        });
        assert_eq!((&frames::l4(&reply)[8..], reply.len()), (data, 42 + data.len()));
        assert_eq!((meta.l3, meta.l4), (Verdict::Unknown, Verdict::Unknown));
    }
    let counters = line.nic.counters();
    assert!(counters.tx_frames >= 3 && counters.rx_frames >= 3 && counters.rx_bytes > 3 * 42);
    assert_eq!((counters.rx_errors, counters.tx_errors), (0, 0));
}

fn needs_csum_is_none_only_when_configured() {
    for policy in [Policy::Prefer, Policy::Off] {
        let mut line = Line::up(embedded(), policy);
        let configured = line.plan.uses(Capability::RxTcpChecksum);
        assert_eq!((configured, line.plan.gives_none), (policy != Policy::Off, configured));
        let (_listener, dst_port) = listener();
        line.send_tcp(&Segment { dst_port, ..OPENING }, Field::Full);
        let (meta, answer) = line.expect_tcp("a SYN-ACK");
        if configured {
            assert_eq!((meta.l4, meta.csum_start, meta.csum_offset), (Verdict::None, 34, 16));
            assert!(frames::tcp_is_partial(&answer) && !frames::tcp_is_right(&answer));
        } else {
            assert_eq!(meta.l4, Verdict::Unknown);
            assert!(frames::tcp_is_right(&answer) && !frames::tcp_is_partial(&answer));
        }
    }
}

fn reset_comes_finished_beside_unfinished_data() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    let closed_port = listener().1;
    line.send_tcp(&Segment { dst_port: closed_port, ..OPENING }, Field::Full);
    let (meta, reset) = line.expect_tcp("a RST");
    assert_eq!(frames::l4(&reset)[13] & RST, RST);
    assert_eq!(meta.l4, Verdict::Unknown);
    assert!(frames::tcp_is_right(&reset));
}

fn partial_and_full_segments_are_accepted() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    for opening_field in [Field::Full, Field::Partial] {
        let (listener, dst_port) = listener();
        let opening = Segment { dst_port, ..OPENING };
        line.send_tcp(&opening, opening_field);
        let (_, answer) = line.expect("a SYN-ACK", |frame| {
            frames::protocol(frame) == Some(frames::TCP) && frames::l4(frame)[13] & SYN == SYN
        });
        let ack = frames::number32(frames::l4(&answer), 4) + 1;
        let mut seq = opening.seq + 1;
        for (payload, field, accepted) in [
            (&b"partial,"[..], Field::Partial, true),
            (b"full,", Field::Full, true),
            (b"wrong", Field::Wrong, false),
            (b"odd", Field::Partial, true),
        ] {
            let segment = Segment { seq, ack, flags: PSH_ACK, payload, ..opening };
            line.send_tcp(&segment, field);
            seq += if accepted { payload.len() as u32 } else { 0 };
        }
        let mut accepted = None;
        eventually("the connection", || {
            line.poll();
            accepted = listener.accept().ok();
            accepted.is_some()
        });
        let (mut stream, peer) = accepted.unwrap();
        assert_eq!(peer.ip(), line.ours);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut read = [0; 16];
        stream.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"partial,full,odd");
        line.send_tcp(&Segment { seq, flags: RST, ..opening }, Field::Full);
    }
    assert_eq!(line.nic.counters().tx_errors, 0);
}

fn datagrams_are_accepted_unless_wrong() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    let socket = UdpSocket::bind((KERNEL_ADDR, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (src, dst) = ((line.ours, 9), (KERNEL_ADDR, socket.local_addr().unwrap().port()));
    for (data, field) in
        [(b"first", Field::Full), (b"wrong", Field::Wrong), (b"third", Field::Full)]
    {
        line.send_ipv4(frames::UDP, &frames::udp(src, dst, data, field));
    }
    for expected in [b"first", b"third"] {
        let mut read = [0; 32];
        let (len, peer) = socket.recv_from(&mut read).unwrap();
        assert_eq!((&read[..len], peer.ip()), (&expected[..], line.ours.into()));
    }
    socket.set_nonblocking(true).unwrap();
    assert_eq!(socket.recv_from(&mut [0; 32]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Local delivery never looks at an unfinished sum. A second TAP shows that the kernel finishes it
/// for a frame that leaves again: what our own checksum offload rests on.
fn forwarded_partial_segment_leaves_finished() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    if let Err(error) = fs::write("/proc/sys/net/ipv4/ip_forward", "1") {
        skip(&format!("the kernel's forwarding cannot be switched on: {error}"));
    }
    let beyond = TapBackend::attach("fixwire1").unwrap();
    let beyond = beyond.with_kernel_addr(Ipv4Addr::new(10, 9, 1, 1), 24);
    let mut beyond = Line::up(beyond, Policy::Off);
    let opening = Segment { dst_port: 5_001, payload: b"odd length!", ..OPENING };
    for field in [Field::Partial, Field::Full, Field::Wrong] {
        line.send_tcp_to(beyond.ours, &opening, field);
        let (meta, forwarded) = beyond.expect_tcp("the forwarded segment");
        assert_eq!(&frames::l4(&forwarded)[20..], opening.payload);
        assert_eq!(frames::tcp_is_right(&forwarded), field != Field::Wrong, "{field:?}");
        assert_eq!(meta.l4, Verdict::Unknown);
    }
}

fn other_threads_use_the_kernel_side() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    let ours = line.ours;
    let client = thread::spawn(move || {
        let peer = (ours, 5_001).into();
        TcpStream::connect_timeout(&peer, Duration::from_secs(5)).map_err(|error| error.kind())
    });
    let (meta, opening) = line.expect_tcp("a SYN");
    assert_eq!(meta.l4, Verdict::None);
    let opening = frames::l4(&opening);
    let refusal = Segment {
        src_port: 5_001,
        dst_port: frames::number(opening, 0),
        seq: 0,
        ack: frames::number32(opening, 4) + 1,
        flags: RST | 0x10,
        payload: b"",
    };
    line.send_tcp(&refusal, Field::Partial);
    assert_eq!(client.join().unwrap().unwrap_err(), ErrorKind::ConnectionRefused);
}

fn frames_wait_while_buffers_are_out() {
    const DATAGRAMS: usize = FRAMES_MIN + 40;
    let mut line = Line::up(embedded().with_frames(2 * FRAMES_MIN), Policy::Prefer);
    let socket = UdpSocket::bind((KERNEL_ADDR, 0)).unwrap();
    for number in 0..DATAGRAMS as u8 {
        socket.send_to(&[number], (line.ours, 9)).unwrap();
    }
    let mut held = Vec::new();
    while held.len() < FRAMES_MIN {
        let mut burst = Burst::new();
        assert!(line.nic.rx_burst(&mut burst) > 0, "{} frames came", held.len());
        held.extend(burst);
    }
    let mut burst = Burst::new();
    assert_eq!(line.nic.rx_burst(&mut burst), 0);
    let counted = line.nic.counters().rx_no_buffer;
    assert!(counted > 0);
    let datagram =
        |frame: &[u8]| (frames::protocol(frame) == Some(frames::UDP)).then(|| frames::l4(frame)[8]);
    let mut numbers: Vec<u8> = held.drain(..).filter_map(|frame| datagram(frame.bytes())).collect();
    while numbers.len() < DATAGRAMS {
        let (_, frame) = line.expect("a datagram that waited", |frame| datagram(frame).is_some());
        numbers.extend(datagram(&frame));
    }
    assert_eq!(numbers, (0..DATAGRAMS as u8).collect::<Vec<_>>(), "in order, none lost");
    assert_eq!(line.nic.counters().rx_no_buffer, counted);
}

fn stamps_are_the_host_counter_s_one_a_burst() {
    for counter in [HostCounter::best(), HostCounter::Mono(HostClock::new())] {
        let mut line = Line::up(embedded().with_counter(counter), Policy::Prefer);
        let info = line.nic.clock().unwrap();
        assert_eq!(info, counter.info());
        let socket = UdpSocket::bind((KERNEL_ADDR, 0)).unwrap();
        let mut last = counter.now();
        for _ in 0..3 {
            for _ in 0..4 {
                socket.send_to(b"x", (line.ours, 9)).unwrap();
            }
            let mut burst = Burst::new();
            assert!(line.nic.rx_burst(&mut burst) >= 4);
            let stamps: Vec<_> = burst.iter().map(|frame| frame.rx_meta().stamp.unwrap()).collect();
            let first = stamps[0];
            assert_eq!((first.clock, first.domain), (info.id, info.domain));
            assert!(stamps.iter().all(|stamp| *stamp == first), "one reading a burst");
            assert!((last..=counter.now()).contains(&first.ticks));
            last = first.ticks + 1;
        }
        drop(line);
        eventually("the interface's end", || interfaces() == ["lo"]);
    }
}

/// The interfaces of the namespace that this process is in; /sys would show the old one's.
fn interfaces() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/net/dev").unwrap();
    let name = |line: &str| line.split_once(':').map(|(name, _)| name.trim().to_owned());
    table.lines().filter_map(name).collect()
}

fn nothing_is_left_behind() {
    let outside = fs::read_link("/proc/self/ns/net").unwrap();
    let line = Line::up(embedded(), Policy::Prefer);
    assert_ne!(fs::read_link("/proc/self/ns/net").unwrap(), outside);
    assert!(interfaces().iter().any(|name| name == EMBEDDED_NAME));
    drop(line);
    eventually("the interface's end", || interfaces() == ["lo"]);
    // And it can be had again.
    drop(Line::up(embedded(), Policy::Prefer));
}

fn failures_are_told_apart_and_leak_nothing() {
    let backend = embedded();
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    for _ in 0..8 {
        let error = TapBackend::attach(EMBEDDED_NAME).unwrap_err();
        assert!(matches!(error, TapError::Busy { .. }), "{error}");
        let error = TapBackend::embedded().unwrap_err();
        assert!(matches!(error, TapError::Busy { .. }), "{error}");
        let error = TapBackend::attach("lo").unwrap_err();
        assert!(matches!(error, TapError::NotATap { .. }), "{error}");
        let error = TapBackend::attach("no such name").unwrap_err();
        assert!(matches!(error, TapError::NameInvalid { .. }), "{error}");
    }
    assert_eq!(open(), before);
    drop(Line::up(backend, Policy::Prefer));
    assert_eq!(open(), before - 2, "the TAP and its socket are closed");
}

fn threads_are_refused_before_the_namespace() {
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let other = thread::spawn(move || stopped.recv().is_err());
    let outside = fs::read_link("/proc/self/ns/net").unwrap();
    let error = namespace::enter().unwrap_err();
    assert!(matches!(error, TapError::ThreadsExist { threads: 2 }), "{error}");
    assert_eq!(fs::read_link("/proc/self/ns/net").unwrap(), outside);
    assert!(!namespace::is_inside_own());
    drop(stop);
    assert!(other.join().unwrap());
}

/// Runs `ip` in this namespace, or skips the test where there is none.
fn ip(arguments: &str) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let mut ip = Command::new("ip");
    match ip.args(arguments.split(' ')).env("PATH", path).status() {
        Ok(status) => assert!(status.success(), "ip {arguments}"),
        Err(error) => skip(&format!("`ip` (iproute2) sets this test up: {error}")),
    }
}

fn an_existing_tap_keeps_its_address() {
    drop(embedded());
    ip("tuntap add fw-old mode tap");
    ip("addr add 10.77.0.1/16 dev fw-old");
    ip("link set fw-old mtu 1400");
    let line = Line::up(TapBackend::attach("fw-old").unwrap(), Policy::Prefer);
    assert_eq!((line.kernel.addr, line.kernel.prefix_len), ([10, 77, 0, 1].into(), 16));
    assert!(line.kernel.existed && line.kernel.has_addr);
    assert_eq!((line.kernel.mtu, line.nic.mtu()), (1400, 1400));
    let mac = line.nic.mac();
    drop(line);
    let line = Line::up(TapBackend::attach("fw-old").unwrap(), Policy::Prefer);
    assert_eq!((line.kernel.addr, line.nic.mac()), ([10, 77, 0, 1].into(), mac));

    ip("tuntap add fw-bare mode tap");
    let addr = Ipv4Addr::new(10, 78, 0, 1);
    let bare = || TapBackend::attach("fw-bare").unwrap().with_kernel_addr(addr, 20);
    assert!(!bare().kernel_side().has_addr);
    drop(Line::up(bare(), Policy::Prefer));
    let set = bare().with_kernel_addr(KERNEL_ADDR, 8).kernel_side().clone();
    assert_eq!((set.addr, set.prefix_len, set.has_addr), (addr, 20, true), "set, then left alone");

    ip("tuntap add fw-multi mode tap multi_queue");
    let error = TapBackend::attach("fw-multi").unwrap_err();
    assert!(matches!(error, TapError::MultiQueue { .. }), "{error}");
    ip("tuntap add fw-tun mode tun");
    let error = TapBackend::attach("fw-tun").unwrap_err();
    assert!(matches!(&error, TapError::NotATap { kind, .. } if kind == "it is a TUN"), "{error}");
}

fn a_link_taken_down_loses_frames_by_name() {
    let mut line = Line::up(embedded(), Policy::Prefer);
    ip("link set fixwire0 down");
    assert_eq!(line.nic.link(), Link::Down);
    line.send_ipv4(frames::ICMP, &frames::echo_request(b"lost"));
    assert_eq!(line.nic.counters().tx_errors, 1);
    ip("link set fixwire0 up");
    assert_eq!(line.nic.link(), Link::Up);
    let outside = TxMeta {
        l2_len: 255,
        l3_len: 255,
        tcp: fixwire_offload::nic::TxChecksum::Partial,
        ..TxMeta::default()
    };
    let request = Arp {
        operation: Arp::REQUEST,
        sender_mac: line.nic.mac(),
        sender: line.ours,
        target_mac: [0; 6],
        target: KERNEL_ADDR,
    };
    let frame = frames::ethernet([0xff; 6], line.nic.mac(), frames::ARP, &request.bytes());
    line.send(&frame, outside);
    assert_eq!(line.nic.counters().tx_errors, 2, "a checksum outside the frame");

    ip("link delete fixwire0");
    for _ in 0..3 {
        line.poll();
    }
    assert_eq!(line.nic.counters().rx_errors, 1, "told once, not at every poll");
    assert_eq!(line.nic.link(), Link::Down);
}
