//! Captures as tshark reads them and as we do, field by field.

use std::fs;
use std::process::{Command, Output};

use fixwire::measure::capture::trailer::{Aside, Layout, Trailer};
use fixwire::measure::capture::{Capture, Skip};
use fixwire::measure::stamp::{Clock, Timescale};
use fixwire::measure::wire_time::{WireSpan, WireTime};

use crate::common::{has, skip};
use crate::files::{
    ORDERS, Order, arista, erf_record, exablaze, frame, if_tsoffset, if_tsresol, interface,
    metamako, packet, packet_with_flags, pcap_header, pcap_record, section, with_fcs,
};

const S: u32 = 1_800_000_000;

/// The values of these fields in every frame, as tshark prints them.
fn tshark(file: &[u8], fields: &[&str]) -> Vec<Vec<String>> {
    let fields: Vec<_> = fields.iter().flat_map(|field| ["-e", field]).collect();
    let text = tshark_by(file, &[&["-T", "fields", "-E", "separator=|"], &fields[..]].concat());
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
}

/// What tshark says of a protocol in every frame.
fn in_words(file: &[u8], protocol: &str) -> String {
    tshark_by(file, &["-V", "-O", protocol])
}

fn tshark_by(file: &[u8], arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, file).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path);
    tshark.args(["--enable-heuristic", "metamako_eth", "--enable-heuristic", "exablaze_eth"]);
    let Output { status, stdout, stderr } = tshark.args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&stderr).into_owned();
    assert!(status.success(), "tshark does not read it: {errors}");
    String::from_utf8(stdout).unwrap()
}

/// Seconds with nine decimals in nanoseconds.
fn ns(seconds: &str) -> i128 {
    let (whole, part) = seconds.split_once('.').unwrap();
    assert_eq!(part.len(), 9, "{seconds}");
    let magnitude = whole.trim_start_matches('-').parse::<i128>().unwrap() * 1_000_000_000
        + part.parse::<i128>().unwrap();
    if seconds.starts_with('-') { -magnitude } else { magnitude }
}

fn unix_ns(at: WireTime) -> i128 {
    i128::from(at.as_s()) * 1_000_000_000 + i128::from(at.subsec_ns())
}

#[test]
fn records_have_the_times_that_tshark_says() {
    const NAME: &str = "records_have_the_times_that_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let mut files = Vec::new();
    for order in ORDERS {
        for (is_ns, unit) in [(true, 1), (false, 1_000)] {
            let mut file = pcap_header(order, is_ns, 1);
            for n in 0..20 {
                file.extend(pcap_record(order, S + n, (n * 48_271_001 + 999) / unit, &frame(n)));
            }
            files.push((file, 0));
        }
        for (resolution, per_s) in [
            (6, 1_000_000),
            (9, 1_000_000_000),
            (3, 1_000),
            (0x80 | 20, 1 << 20),
            (0x80 | 32, 1 << 32),
        ] {
            let mut file = [section(order), interface(order, 1, &[])].concat();
            file.extend(interface(order, 1, &[if_tsresol(resolution), if_tsoffset(order, 1_000)]));
            for n in 0..20_u64 {
                let ticks = (u64::from(S) + n) * per_s + (n * 48_271_003_001) % per_s;
                file.extend(packet(
                    order,
                    (n % 2) as u32,
                    if n % 2 == 1 { ticks } else { n },
                    &frame(n as u32),
                ));
            }
            files.push((file, 0));
        }
    }
    let records = (0..20_u64).flat_map(|n| {
        let ticks = (u64::from(S) + n) << 32 | (n * 482_710_030) & 0xffff_ffff;
        erf_record(ticks, 2, (n % 4) as u8, (n % 3) as usize, &frame(n as u32))
    });
    // tshark rounds these to the nearest nanosecond; we say which one they are in.
    files.push((records.collect(), 1));
    for (nth, (file, rounding_ns)) in files.iter().enumerate() {
        let fields = ["frame.number", "frame.time_epoch", "frame.len", "tcp.seq_raw"];
        let told = tshark(file, &fields);
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        for line in &told {
            let frame = capture.next_frame().unwrap().expect("as many as tshark has");
            let apart = ns(&line[1]) - unix_ns(frame.stamp.time);
            assert!(
                (0..=*rounding_ns).contains(&apart),
                "file {nth}: {} and {line:?}",
                frame.stamp.time
            );
            assert_eq!(line[0], frame.number.to_string(), "file {nth}");
            assert_eq!(line[2], frame.original_len.to_string(), "file {nth}");
            let seq = u32::from_be_bytes(*frame.bytes[38..].first_chunk().unwrap());
            assert_eq!(line[3], seq.to_string(), "file {nth}");
        }
        assert_eq!((told.len(), capture.next_frame().unwrap().is_none()), (20, true), "file {nth}");
    }
}

/// A pcap file of stamped frames, recorded at `S` seconds and 5 ns.
fn pcap(frames: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let records = frames.flat_map(|bytes| pcap_record(Order::Little, S, 5, &bytes));
    pcap_header(Order::Little, true, 1).into_iter().chain(records).collect()
}

/// What tshark says of a stamp.
struct Told {
    time: WireTime,
    clock: Clock,
    port: u32,
    aside: Option<Aside>,
    /// The frame's own check sequence, as the device has it.
    fcs: Option<u32>,
}

/// Holds the stamps of a file's 20 frames against what `told` makes of tshark's fields, of which the first is `tcp.seq_raw`.
fn check(layout: Layout, file: &[u8], fields: &[&str], told: &dyn Fn(&[String]) -> Told) {
    let lines = tshark(file, fields);
    let mut capture = Capture::open("f", 0, file).ok().unwrap();
    assert_eq!(lines.len(), 20);
    for line in &lines {
        let frame = capture.next_frame().unwrap().unwrap();
        let read = layout.read(&frame).unwrap_or_else(|why| panic!("{layout}: {why:?} {line:?}"));
        let told = told(line);
        let label = format!("{layout}: {line:?}");
        assert_eq!(told.time, read.stamp.time, "{label}");
        assert_eq!(told.clock, read.stamp.domain.clock, "{label}");
        assert_eq!((told.port, told.aside), (read.stamp.port, read.aside), "{label}");
        let at = |at: usize| u32::from_be_bytes(*frame.bytes[at..].first_chunk().unwrap());
        assert_eq!(line[0], at(read.ether_type_at + 26).to_string());
        if let Some(fcs) = told.fcs {
            // It stands where the frame ends that passed.
            assert_eq!(fcs, at(read.end), "{label}");
        }
    }
}

fn number<T: TryFrom<u64>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.unwrap_or_else(|_| panic!("{text:?}")).try_into().unwrap()
}

#[test]
fn metamako_trailers_are_what_tshark_says() {
    const NAME: &str = "metamako_trailers_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let fields = [
        "tcp.seq_raw",
        "metamako.tdiff",
        "metamako.subns",
        "metamako.orig_fcs",
        "metamako.flags.orig_fcs_vld",
        "metamako.flags",
        "metamako.srcdevice",
        "metamako.srcport",
    ];
    let told = |line: &[String]| {
        let ns = ns(&line[1]);
        let after = WireTime::from_s_ns(S, 5) + WireSpan::from_ns(ns.try_into().unwrap());
        let sub_ns = if line[2].is_empty() { 0 } else { number(&line[2]) };
        // Of these bits tshark shows the values, and no names.
        let (duplicate, degraded) = (0x04, 0x10);
        let flags: u8 = number(&line[5]);
        let aside = match &line[4][..] {
            _ if flags & degraded != 0 => Some(Aside::Degraded),
            _ if flags & duplicate != 0 => Some(Aside::Duplicate),
            "1" => None,
            _ => Some(Aside::BadFcs),
        };
        Told {
            time: after + WireSpan::from_2_pow_minus_24_ns(sub_ns),
            clock: Clock::Metamako { device: number(&line[6]) },
            port: number(&line[7]),
            aside,
            fcs: Some(number(&line[3])),
        }
    };
    for has_fcs in [false, true] {
        let file = pcap((0..20).map(|n| {
            let extensions = [(n * 12) as u8, 0x34, n as u8, 0x21];
            let (flags, extensions) = match n % 5 {
                0 => (0x03, &extensions[..]),
                1 => (0x01, &[][..]),
                2 => (0x05, &[][..]),
                3 => (0x13, &extensions[..]),
                _ => (0x00, &[][..]),
            };
            let at = (S + n, n * 48_271_001);
            let device = n as u16 * 3_000;
            let bytes = metamako(&frame(n), at, flags, device, n as u8, extensions);
            if has_fcs { with_fcs(&bytes) } else { bytes }
        }));
        check(Layout { trailer: Trailer::Metamako, has_fcs }, &file, &fields, &told);
    }
}

#[test]
fn exablaze_trailers_are_what_tshark_says() {
    const NAME: &str = "exablaze_trailers_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let fields = [
        "tcp.seq_raw",
        "exablaze.timestamp.seconds",
        "exablaze.timestamp.fractional_seconds",
        "exablaze.original_fcs",
        "exablaze.device",
        "exablaze.port",
    ];
    let told = |line: &[String]| {
        // With 15 digits, of which 2^-40 s takes 12.
        let fraction: f64 = line[2].parse().unwrap();
        let fraction = (fraction * (1_u64 << 40) as f64).round() as u64;
        Told {
            time: WireTime::from_s_and_2_pow_minus_40(number(&line[1]), fraction),
            clock: Clock::Exablaze { device: number(&line[4]) },
            port: number(&line[5]),
            aside: None,
            fcs: Some(number(&line[3])),
        }
    };
    for has_fcs in [false, true] {
        let file = pcap((0..20).map(|n| {
            let fraction = (u64::from(n) * 0x0a_bcde_f123) & ((1 << 40) - 1);
            let bytes = exablaze(&frame(n), S + n, fraction, n as u8 * 11, n as u8 + 1);
            if has_fcs { with_fcs(&bytes) } else { bytes }
        }));
        check(Layout { trailer: Trailer::Exablaze, has_fcs }, &file, &fields, &told);
    }
}

#[test]
fn arista_headers_are_what_tshark_says() {
    const NAME: &str = "arista_headers_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let layout = Layout { trailer: Trailer::Arista7280, has_fcs: false };
    let stamp = |s: u32, ns: u32, is_short: bool| {
        let seconds = &s.to_be_bytes()[if is_short { 2 } else { 0 }..];
        [seconds, &ns.to_be_bytes()].concat()
    };
    // Of versions whose last digit tells of later hardware tshark 4.0 knows nothing.
    for (version, is_short, scale, words) in [
        (0x0010, false, Timescale::Tai, "Timestamp (TAI)"),
        (0x0110, false, Timescale::Utc, "Timestamp (UTC)"),
        (0x0020, true, Timescale::Tai, "Timestamp (TAI)"),
        (0x0120, true, Timescale::Utc, "Timestamp (UTC)"),
    ] {
        let file = pcap((0..20).map(|n| {
            let at = S + n + if scale == Timescale::Tai { 37 } else { 0 };
            arista(&frame(n), version, &stamp(at, n * 48_271_001, is_short))
        }));
        let fields = match is_short {
            false => ["tcp.seq_raw", "avsp.64sec", "avsp.64ns"],
            true => ["tcp.seq_raw", "avsp.48sec", "avsp.48ns"],
        };
        check(layout, &file, &fields, &|line| {
            // Of short seconds tshark has the sixteen bits.
            let s = number::<u32>(&line[1]) + if is_short { S & !0xffff } else { 0 };
            Told {
                time: WireTime::from_s_ns(s, number(&line[2])),
                clock: Clock::Arista7280,
                port: 0,
                aside: None,
                fcs: None,
            }
        });
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        let read = layout.read(&capture.next_frame().unwrap().unwrap()).unwrap();
        assert_eq!(read.stamp.domain.scale, scale, "{version:#x}");
        let text = in_words(&file, "avsp");
        assert_eq!(text.matches(words).count(), 20, "{version:#x}: {text}");
    }
}

#[test]
fn flags_of_packets_are_what_tshark_says() {
    const NAME: &str = "flags_of_packets_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let (crc_error, too_long, symbol_error) = (1 << 24, 1 << 25, 1 << 31);
    let flags = [0, 1, 2 | 4 << 5, crc_error | 1, too_long, symbol_error | 4 << 5, 4 << 5];
    for order in ORDERS {
        let mut file = [section(order), interface(order, 1, &[if_tsresol(9)])].concat();
        for (n, flags) in (0..).zip(flags) {
            file.extend(packet_with_flags(order, 0, n, flags, &with_fcs(&frame(n as u32))));
        }
        let fields = [
            "frame.number",
            "frame.packet_flags_fcs_length",
            "frame.packet_flags_crc_error",
            "frame.packet_flags_packet_too_error",
            "frame.packet_flags_symbol_error",
        ];
        let told = tshark(&file, &fields);
        assert_eq!(told.len(), flags.len());
        let is_damaged = |line: &&Vec<String>| line[2..].iter().any(|bit| bit == "1");
        let damaged = told.iter().filter(is_damaged).count() as u64;
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        for line in told.iter().filter(|line| !is_damaged(line)) {
            let frame = capture.next_frame().unwrap().expect("as many as tshark has");
            assert_eq!(line[0], frame.number.to_string());
            let len: u8 = number(&line[1]);
            assert_eq!((len > 0).then_some(len), frame.fcs_len, "{line:?}");
        }
        assert!(capture.next_frame().unwrap().is_none());
        assert_eq!((capture.skips().count(Skip::Damaged), damaged), (3, 3));
    }
}
