//! Captures as tshark reads them and as we do, field by field.

use std::fs;
use std::process::Command;

use fixwire::measure::capture::Capture;
use fixwire::measure::capture::trailer::{Layout, Trailer};
use fixwire::measure::wire_time::WireTime;

use crate::common::{has, skip};
use crate::files::{
    ORDERS, Order, arista, erf_record, exablaze, frame, if_tsoffset, if_tsresol, interface,
    metamako, packet, pcap_header, pcap_record, section, with_fcs,
};

const S: u32 = 1_800_000_000;

/// The values of these fields in every frame, as tshark prints them.
fn tshark(file: &[u8], fields: &[&str]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("capture");
    fs::write(&path, file).unwrap();
    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-T", "fields", "-E", "separator=|"]);
    tshark.args(["--enable-heuristic", "metamako_eth", "--enable-heuristic", "exablaze_eth"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = tshark.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "tshark does not read it: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
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

#[test]
fn stamps_in_frames_are_what_tshark_says() {
    const NAME: &str = "stamps_in_frames_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let check =
        |layout: Layout, file: &[u8], fields: &[&str], told_ns: &dyn Fn(&[String]) -> i128| {
            let told = tshark(file, fields);
            let mut capture = Capture::open("f", 0, file).ok().unwrap();
            assert_eq!(told.len(), 20);
            for line in &told {
                let frame = capture.next_frame().unwrap().unwrap();
                let read =
                    layout.read(&frame).unwrap_or_else(|why| panic!("{layout}: {why:?} {line:?}"));
                assert_eq!(told_ns(line), unix_ns(read.stamp.time), "{layout}: {line:?}");
                let seq = u32::from_be_bytes(
                    *frame.bytes[read.ether_type_at + 26..].first_chunk().unwrap(),
                );
                assert_eq!(line[0], seq.to_string());
                let port = line.get(4).map_or(0, |port| port.parse().unwrap());
                assert_eq!(port, read.stamp.port, "{layout}: {line:?}");
            }
        };
    let recorded_ns = i128::from(S) * 1_000_000_000 + 5;
    for has_fcs in [false, true] {
        let end = |bytes: Vec<u8>| if has_fcs { with_fcs(&bytes) } else { bytes };
        let file = pcap((0..20).map(|n| {
            let extensions = [(n * 12) as u8, 0x34, n as u8, 0x21];
            let (flags, extensions) = if n % 2 == 0 { (3, &extensions[..]) } else { (1, &[][..]) };
            end(metamako(&frame(n), (S + n, n * 48_271_001), flags, n as u16, n as u8, extensions))
        }));
        let layout = Layout { trailer: Trailer::Metamako, has_fcs };
        let fields = [
            "tcp.seq_raw",
            "metamako.tdiff",
            "metamako.orig_fcs",
            "metamako.srcdevice",
            "metamako.srcport",
        ];
        check(layout, &file, &fields, &|line| recorded_ns + ns(&line[1]));

        let file = pcap((0..20).map(|n| {
            let fraction = (u64::from(n) * 0x0a_bcde_f123) & ((1 << 40) - 1);
            end(exablaze(&frame(n), S + n, fraction, n as u8, n as u8 + 1))
        }));
        let layout = Layout { trailer: Trailer::Exablaze, has_fcs };
        let fields = [
            "tcp.seq_raw",
            "exablaze.timestamp.seconds",
            "exablaze.timestamp.fractional_seconds",
            "exablaze.device",
            "exablaze.port",
        ];
        check(layout, &file, &fields, &|line| {
            let fraction: f64 = line[2].parse().unwrap();
            line[1].parse::<i128>().unwrap() * 1_000_000_000 + (fraction * 1e9) as i128
        });
    }
    let layout = Layout { trailer: Trailer::Arista7280, has_fcs: false };
    let long = pcap((0..20).map(|n| {
        let stamp = [(S + n).to_be_bytes(), (n * 48_271_001).to_be_bytes()].concat();
        arista(&frame(n), 0x0010, &stamp)
    }));
    check(layout, &long, &["tcp.seq_raw", "avsp.64sec", "avsp.64ns"], &|line| {
        line[1].parse::<i128>().unwrap() * 1_000_000_000 + line[2].parse::<i128>().unwrap()
    });
    let short = pcap((0..20).map(|n| {
        let stamp = [&(S + n).to_be_bytes()[2..], &(n * 48_271_001).to_be_bytes()].concat();
        arista(&frame(n), 0x0020, &stamp)
    }));
    check(layout, &short, &["tcp.seq_raw", "avsp.48sec", "avsp.48ns"], &|line| {
        // Of these seconds tshark has the sixteen bits.
        let s = i128::from(S & !0xffff) + line[1].parse::<i128>().unwrap();
        s * 1_000_000_000 + line[2].parse::<i128>().unwrap()
    });
}
