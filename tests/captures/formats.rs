//! Bytes of files with published layouts, and what is read out of them.

use std::io::Read;

use fixwire::measure::capture::{Capture, CaptureError, Skip};
use fixwire::measure::stamp::{Clock, Timescale};
use fixwire::measure::wire_time::{Resolution, WireTime};
use proptest::prelude::*;

use crate::files::{
    ORDERS, Order, block, erf_record, frame, if_tsoffset, if_tsresol, interface, packet,
    packet_with_flags, pcap_header, pcap_record, section, section_by, statistics,
};

/// What is asked of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lent {
    time: WireTime,
    bytes: Vec<u8>,
    interface: u32,
    number: u64,
    offset: u64,
}

/// Gives its bytes a few at a time, as a pipe does.
struct Trickle<'a>(&'a [u8], usize);

impl Read for Trickle<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let len = self.1.min(self.0.len()).min(into.len());
        into[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        Ok(len)
    }
}

struct Outcome {
    frames: Vec<Lent>,
    skips: Vec<(Skip, u64, u64)>,
    error: Option<CaptureError>,
}

/// Reads a file to its end, or to where it is wrong.
fn read(bytes: &[u8]) -> Outcome {
    read_by(bytes, usize::MAX)
}

fn read_by(bytes: &[u8], step: usize) -> Outcome {
    let mut outcome = Outcome { frames: Vec::new(), skips: Vec::new(), error: None };
    let mut capture = match Capture::open("some.file", 3, Trickle(bytes, step)) {
        Ok(capture) => capture,
        Err(error) => return Outcome { error: Some(error), ..outcome },
    };
    loop {
        match capture.next_frame() {
            Ok(Some(frame)) => {
                let domain = frame.stamp.domain;
                assert_eq!(domain.scale, Timescale::Utc);
                match domain.clock {
                    Clock::Recorder { file: 3, interface } => {
                        assert!(interface.is_none_or(|of| of == frame.stamp.port));
                    }
                    Clock::Merged { file: 3 } => {}
                    other => panic!("{other:?}"),
                }
                outcome.frames.push(Lent {
                    time: frame.stamp.time,
                    bytes: frame.bytes.to_vec(),
                    interface: frame.stamp.port,
                    number: frame.number,
                    offset: frame.offset,
                });
            }
            Ok(None) => break,
            Err(error) => {
                outcome.error = Some(error);
                break;
            }
        }
    }
    let skips = capture.skips();
    let told = |skip| Some((skip, skips.count(skip), skips.first_offset(skip)?));
    outcome.skips = Skip::ALL.into_iter().filter_map(told).collect();
    outcome
}

fn refusal(bytes: &[u8]) -> String {
    read(bytes).error.expect("it is refused").to_string()
}

#[test]
fn pcap_is_read_in_both_orders_and_units_with_its_offsets() {
    for order in ORDERS {
        for (is_ns, fraction, ns) in
            [(true, 123_456_789, 123_456_789), (false, 123_456, 123_456_000)]
        {
            let mut file = pcap_header(order, is_ns, 1);
            let (first, second) = (frame(1), frame(2));
            file.extend(pcap_record(order, 1_800_000_000, fraction, &first));
            file.extend(pcap_record(order, u32::MAX, 0, &second));
            let outcome = read(&file);
            assert!(outcome.error.is_none() && outcome.skips.is_empty());
            let expected = |time, bytes: &[u8], number, offset| Lent {
                time,
                bytes: bytes.to_vec(),
                interface: 0,
                number,
                offset,
            };
            let at = [WireTime::from_s_ns(1_800_000_000, ns), WireTime::from_s_ns(u32::MAX, 0)];
            let behind = 24 + 16 + first.len() as u64;
            assert_eq!(outcome.frames[0], expected(at[0], &first, 1, 24));
            assert_eq!(outcome.frames[1], expected(at[1], &second, 2, behind));
        }
    }
}

#[test]
fn pcap_says_whether_frames_end_in_their_check_sequence() {
    for (link, expected) in [(1, None), (1 | 1 << 26 | 2 << 28, Some(4)), (1 | 1 << 26, Some(0))] {
        let mut file = pcap_header(Order::Little, true, link);
        file.extend(pcap_record(Order::Little, 1, 2, &frame(1)));
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        assert_eq!(capture.next_frame().unwrap().unwrap().fcs_len, expected, "{link:#x}");
    }
}

#[test]
fn pcapng_is_read_in_any_resolution_with_offsets_and_several_sections_and_interfaces() {
    let ten = |n: u32| 10_u64.pow(n);
    for order in ORDERS {
        for (resolution, offset_s, ticks, s, ns) in [
            (None, 0, 1_800_000_000 * ten(6) + 7, 1_800_000_000, 7_000),
            (Some(6), 0, 1_800_000_000 * ten(6) + 7, 1_800_000_000, 7_000),
            (Some(9), 0, 1_800_000_000 * ten(9) + 7, 1_800_000_000, 7),
            (Some(3), 0, 1_800_000_000_007, 1_800_000_000, 7_000_000),
            (Some(0), 0, 1_800_000_000, 1_800_000_000, 0),
            (Some(12), 1_800_000_000, ten(12) + 7_000, 1_800_000_001, 7),
            (Some(9), -3, 5 * ten(9), 2, 0),
            (Some(0x80 | 32), 0, 1_800_000_000 << 32 | 1 << 31, 1_800_000_000, 500_000_000),
            (Some(0x80 | 10), 0, 1_800_000_000 << 10 | 1, 1_800_000_000, 976_562),
            (Some(0x80), 0, 1_800_000_000, 1_800_000_000, 0),
        ] {
            let mut options: Vec<_> = resolution.map(if_tsresol).into_iter().collect();
            options.push(if_tsoffset(order, offset_s));
            let mut file = section(order);
            file.extend(interface(order, 1, &[if_tsresol(9)]));
            file.extend(interface(order, 1, &options));
            file.extend(packet(order, 1, ticks, &frame(1)));
            file.extend(packet(order, 0, 5, &frame(2)));
            let outcome = read(&file);
            assert!(outcome.error.is_none() && outcome.skips.is_empty());
            let read = &outcome.frames[0];
            let label = format!("{order:?} {resolution:?}");
            assert_eq!((read.time.as_s(), read.time.subsec_ns()), (s, ns), "{label}");
            assert_eq!((read.interface, read.number, &read.bytes), (1, 1, &frame(1)), "{label}");
            let other = &outcome.frames[1];
            assert_eq!((other.time, other.interface), (WireTime::from_s_ns(0, 5), 0), "{label}");
        }
    }
    // A section in each order: interfaces of the second begin anew, and have numbers of their own.
    let (little, big) = (Order::Little, Order::Big);
    let file = [
        section(little),
        interface(little, 1, &[if_tsresol(9)]),
        packet(little, 0, 5, &frame(1)),
        section(big),
        block(big, 0xbad, vec![1, 2, 3, 4, 5]),
        packet(big, 0, 6, &frame(2)),
        interface(big, 1, &[]),
        packet(big, 0, 6, &frame(3)),
    ];
    let outcome = read(&file.concat());
    let times: Vec<_> =
        outcome.frames.iter().map(|read| (read.time, read.interface, read.number)).collect();
    assert!(outcome.error.is_none());
    assert_eq!(times, [(WireTime::from_s_ns(0, 5), 0, 1), (WireTime::from_s_ns(0, 6_000), 1, 3)]);
    let at: usize = file[..5].iter().map(Vec::len).sum();
    assert_eq!(outcome.skips, [(Skip::UnknownInterface, 1, at as u64)]);
}

/// The clock of each frame of a file.
fn clocks(bytes: &[u8]) -> Vec<Clock> {
    let mut capture = Capture::open("f", 3, bytes).ok().unwrap();
    let mut clocks = Vec::new();
    while let Some(frame) = capture.next_frame().unwrap() {
        clocks.push(frame.stamp.domain.clock);
    }
    clocks
}

#[test]
fn each_interface_of_pcapng_has_a_clock_of_its_own_and_what_was_merged_none_that_is_known() {
    let recorder = |interface| Clock::Recorder { file: 3, interface };
    for order in ORDERS {
        let two = [interface(order, 1, &[]), interface(order, 1, &[])].concat();
        let packets = [packet(order, 1, 5, &frame(1)), packet(order, 0, 6, &frame(2))].concat();
        let dumpcap = section_by(order, &[(4, b"Dumpcap (Wireshark) 4.0.17")]);
        let mergecap = section_by(order, &[(3, b"Linux"), (4, b"Mergecap (Wireshark) 4.0.17")]);
        // Those of another section are others.
        let file =
            [&dumpcap[..], &two, &packets, &mergecap, &two, &packets, &dumpcap, &two, &packets];
        let merged = Clock::Merged { file: 3 };
        let expected = [Some(1), Some(0), None, None, Some(5), Some(4)]
            .map(|interface| interface.map_or(merged, |of| recorder(Some(of))));
        assert_eq!(clocks(&file.concat()), expected);
    }
    // As versions 1 and 2 of mergecap say it, and Wireshark where it merges.
    let comment: &[u8] = b"File created by merging: \nFile1: in.pcap \nFile2: out.pcap \n";
    let merged: [&[(u16, &[u8])]; 4] = [
        &[(4, b"mergecap")],
        &[(1, comment), (3, b"Linux")],
        &[(1, b"at the exchange"), (1, comment), (4, b"Wireshark 2.6.5")],
        &[(4, b"Mergecap (Wireshark) 4.4.6"), (4, b"Dumpcap")],
    ];
    let written: [&[(u16, &[u8])]; 3] =
        [&[(1, b"no file created by merging"), (4, b"Wireshark 2.6.5")], &[(4, b"merge")], &[]];
    for (options, expected) in merged
        .map(|options| (options, Clock::Merged { file: 3 }))
        .into_iter()
        .chain(written.map(|options| (options, recorder(Some(0)))))
    {
        let order = Order::Big;
        let parts =
            [section_by(order, options), interface(order, 1, &[]), packet(order, 0, 5, &frame(1))];
        assert_eq!(clocks(&parts.concat()), [expected], "{options:?}");
    }
    let pcap = [pcap_header(Order::Big, true, 1), pcap_record(Order::Big, 1, 2, &frame(1))];
    assert_eq!(clocks(&pcap.concat()), [recorder(None)]);
    // The ports of a card have one clock.
    let erf = [erf_record(1 << 32, 2, 0, 0, &frame(1)), erf_record(2 << 32, 2, 1, 0, &frame(2))];
    assert_eq!(clocks(&erf.concat()), [recorder(None); 2]);
}

#[test]
fn pcapng_is_read_for_what_it_says_of_itself() {
    for order in ORDERS {
        let of_interface = |name: &str, description: &[u8]| {
            interface(order, 1, &[(2, name.as_bytes().to_vec()), (3, description.to_vec())])
        };
        let file = [
            section_by(order, &[(2, b"x86_64, a NIC model"), (4, b"fixwire 0.1.0")]),
            of_interface("sim", b"received; \x1b[31mstamps"),
            of_interface("tap", &[b'a'; 5_000]),
            packet(order, 0, 5, &frame(1)),
            statistics(order, 1, "7 frames"),
            statistics(order, 9, "of no interface"),
        ];
        let file = file.concat();
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        while capture.next_frame().unwrap().is_some() {}
        let about = capture.about().unwrap();
        assert_eq!(about.hardware, "x86_64, a NIC model");
        assert_eq!(about.application, "fixwire 0.1.0");
        let [received, sent] = &about.interfaces[..] else { panic!("{about:?}") };
        assert_eq!((&received.name[..], &received.statistics[..]), ("sim", ""));
        assert_eq!(received.description, "received;  [31mstamps", "nothing for a terminal to obey");
        assert_eq!((&sent.name[..], sent.description.len()), ("tap", 1_024));
        assert_eq!(sent.statistics, "7 frames");
        // However many interfaces there are.
        let many = (0..200).flat_map(|_| of_interface("eth", b"one of many"));
        let many: Vec<u8> = section(order).into_iter().chain(many).collect();
        let mut capture = Capture::open("f", 0, &many[..]).ok().unwrap();
        assert!(capture.next_frame().unwrap().is_none());
        assert_eq!(capture.about().unwrap().interfaces.len(), 16);
    }
    let pcap = pcap_header(Order::Little, true, 1);
    assert!(Capture::open("f", 0, &pcap[..]).ok().unwrap().about().is_none());
}

#[test]
fn packets_that_their_flags_call_damaged_are_passed_over_and_check_sequences_are_known_by_them() {
    for order in ORDERS {
        let with = |flags| packet_with_flags(order, 0, 5, flags, &frame(1));
        let packets = [
            (0, Some(Some(0))),
            (1, Some(Some(0))),
            (4 << 5, Some(Some(4))),
            // Of a length that no check sequence of Ethernet's has.
            (2 << 5, Some(Some(0))),
            (1 << 24, None),
            (1 << 31 | 4 << 5, None),
            // Not of the link.
            (1 << 16, Some(Some(0))),
        ];
        let head = [section(order), interface(order, 1, &[(13, vec![0])])].concat();
        let all: Vec<u8> = packets.iter().flat_map(|(flags, _)| with(*flags)).collect();
        let file = [head, all].concat();
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        for (flags, fcs_len) in packets {
            let Some(fcs_len) = fcs_len else { continue };
            assert_eq!(capture.next_frame().unwrap().unwrap().fcs_len, fcs_len, "{flags:#x}");
        }
        assert!(capture.next_frame().unwrap().is_none());
        assert_eq!(capture.skips().count(Skip::Damaged), 2);
    }
}

#[test]
fn predecessors_of_packet_blocks_are_read_and_simple_ones_have_no_time() {
    for order in ORDERS {
        let bytes = frame(1);
        let len = bytes.len() as u32;
        // draft-ietf-opsawg-pcapng, appendix A: interface and drops have two bytes each.
        let mut old = [order.u16(1), order.u16(7)].concat();
        old.extend([0, 5, len, len].into_iter().flat_map(|word| order.u32(word)));
        old.extend(&bytes);
        let simple = [&order.u32(len)[..], &bytes].concat();
        let head = [section(order), interface(order, 113, &[]), interface(order, 1, &[])].concat();
        let file = [
            head.clone(),
            block(order, 3, simple),
            block(order, 2, old),
            packet(order, 0, 5, &bytes),
            packet(order, 1, u64::MAX, &bytes),
        ];
        let outcome = read(&file.concat());
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let [read] = &outcome.frames[..] else { panic!("{:?}", outcome.frames) };
        assert_eq!((read.time, read.interface), (WireTime::from_s_ns(0, 5_000), 1));
        assert_eq!((&read.bytes, read.number), (&bytes, 2));
        let at: usize = file[..3].iter().map(Vec::len).sum();
        // 2^64 - 1 microseconds are 584,942 years.
        let late = at + file[3].len();
        let expected = [
            (Skip::NotEthernet, 1, at as u64),
            (Skip::NoTime, 1, head.len() as u64),
            (Skip::TimeOutOfRange, 1, late as u64),
        ];
        assert_eq!(outcome.skips, expected);
    }
}

#[test]
fn erf_is_read_with_its_extension_headers_and_what_is_no_sound_frame_is_counted() {
    let bytes = frame(1);
    let ticks = 1_800_000_000 << 32 | 1 << 30;
    let time = Resolution::binary(32).time(ticks).unwrap();
    assert_eq!((time.as_s(), time.subsec_ns()), (1_800_000_000, 250_000_000));
    let file = [
        erf_record(ticks, 2, 0b0000_0110, 0, &bytes),
        erf_record(0, 48, 0, 0, &[0; 5]),
        erf_record(ticks + 1, 20, 0b11, 2, &bytes),
        erf_record(ticks, 27, 0, 0, &bytes),
        erf_record(ticks, 2, 0b0001_0000, 0, &bytes),
        erf_record(ticks, 2, 0b0010_0000, 0, &bytes),
    ];
    let outcome = read(&file.concat());
    assert!(outcome.error.is_none());
    let found: Vec<_> =
        outcome.frames.iter().map(|read| (read.interface, read.number, &read.bytes)).collect();
    assert_eq!(found, [(2, 1, &bytes), (3, 2, &bytes)]);
    assert_eq!(outcome.frames[0].time, time);
    assert!(outcome.frames[1].time > time, "2^-32 s is told apart");
    let at = |records: usize| file[..records].iter().map(|record| record.len() as u64).sum();
    assert_eq!(outcome.skips, [(Skip::NotEthernet, 1, at(3)), (Skip::Damaged, 2, at(4))]);
}

#[test]
fn what_is_no_capture_is_refused_by_name() {
    let little = Order::Little;
    let pcap = |link| pcap_header(little, true, link);
    let refused = |bytes: &[u8], words: &str| {
        let said = refusal(bytes);
        assert!(said.starts_with("some.file: byte 0: ") && said.contains(words), "{said}");
    };
    refused(b"", "the file is empty");
    refused(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "is compressed; gzip -d unpacks it");
    refused(b"20261127-08:00:00.123 : 8=FIX.4.4\x019=5", "is a log of FIX messages");
    refused(b"8=FI", "begins with 38 3d 46 49");
    refused(
        b"#!/bin/sh\necho this is a program, which nobody captured\n",
        "begins with 23 21 2f 62",
    );
    refused(
        &pcap(113),
        "its packets are \"cooked\" packets of Linux's any interface (SLL) (link type 113)",
    );
    refused(&pcap(101), "IP packets without a link's header (link type 101)");
    refused(&pcap(147), "its packets are of link type 147");
    refused(&pcap(1)[..20], "lengths contradict each other");
    refused(&[&[0x34, 0xcd, 0xb2, 0xa1][..], &[0; 20]].concat(), "\"modified\" pcap");
}

#[test]
fn where_records_cannot_be_told_apart_it_ends_with_the_byte_and_what_came_before_is_read() {
    for order in ORDERS {
        let ends_at = |file: &[u8], begin: usize, words: &str| {
            let outcome = read(file);
            let error = outcome.error.expect("it ends").to_string();
            let place = format!("some.file: byte {begin}: ");
            assert!(error.starts_with(&place) && error.contains(words), "{error} at {begin}");
            assert_eq!(outcome.frames.len(), 1);
        };
        let pcap = [pcap_header(order, false, 1), pcap_record(order, 1, 2, &frame(1))].concat();
        let and = |more: Vec<u8>| [pcap.clone(), more].concat();
        let mut long = pcap_record(order, 1, 2, &frame(2));
        long[8..12].copy_from_slice(&order.u32(0x7000_0000));
        ends_at(&and(long), pcap.len(), "a record of 1879048192 bytes");
        let late = pcap_record(order, 1, 123_456_789, &frame(2));
        ends_at(&and(late), pcap.len(), "a time with 123456789 µs past the second");
        ends_at(&and(pcap.clone()), pcap.len(), "cat joins none");

        let head = [section(order), interface(order, 1, &[])].concat();
        let one = [head.clone(), packet(order, 0, 1, &frame(1))].concat();
        let and = |more: Vec<u8>| [one.clone(), more].concat();
        for (place, value, words) in [
            (4, 13, "lengths contradict"),
            (4, 8, "lengths contradict"),
            (4, 0x7000_0000, "a record of 1879048192 bytes"),
            // Captured bytes beyond the block.
            (20, 70_000, "lengths contradict"),
        ] {
            let mut damaged = packet(order, 0, 1, &frame(2));
            damaged[place..place + 4].copy_from_slice(&order.u32(value));
            ends_at(&and(damaged), one.len(), words);
        }
        let mut damaged = packet(order, 0, 1, &frame(2));
        let len = damaged.len();
        damaged[len - 2] ^= 1;
        damaged[len - 3] ^= 1;
        ends_at(&and(damaged), one.len(), "lengths contradict");
        // A block that is passed over, and one that is read.
        for (kind, at) in [(4, 28), (5, 0)] {
            let mut behind = block(order, kind, vec![0; 20]);
            behind[29] ^= 1;
            behind[30] ^= 1;
            ends_at(&and(behind), one.len() + at, "lengths contradict");
        }
        ends_at(
            &and(interface(order, 1, &[if_tsoffset(order, i64::MAX)])),
            one.len(),
            "s from 1970 on",
        );
        ends_at(&and(interface(order, 1, &[(9, vec![1, 2])])), one.len(), "lengths contradict");
        let mut later = section(order);
        later[12..14].copy_from_slice(&order.u16(2));
        ends_at(&and(later), one.len(), "pcapng in version 2");
    }
    let two = [erf_record(1 << 32, 2, 0, 0, &frame(1)), erf_record(1 << 32, 2, 0, 0, &frame(2))];
    let mut file = two.concat();
    let third = file.len();
    // Records that are none, and extension headers past the end.
    for (kind, len) in [(0, 32), (2, 8), (99, 32), (2, 16), (0x82, 24)] {
        let mut record = vec![0; 256];
        (record[8], record[11]) = (kind, len);
        record[16] = 0x80;
        file.truncate(third);
        file.extend(record);
        let outcome = read(&file);
        let error = outcome.error.expect("it ends").to_string();
        assert!(error.starts_with(&format!("some.file: byte {third}: ")), "{kind} {len}: {error}");
        assert_eq!(outcome.frames.len(), 2);
    }
}

/// A file of each format with three frames.
fn whole_files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for order in ORDERS {
        let records = (1..=3).flat_map(|number| pcap_record(order, number, number, &frame(number)));
        files.push(pcap_header(order, true, 1).into_iter().chain(records).collect());
        let packets = (1..=3).flat_map(|number| packet(order, 0, number.into(), &frame(number)));
        let head = [section(order), interface(order, 1, &[if_tsresol(9)])].concat();
        files.push(head.into_iter().chain(packets).collect());
    }
    let records =
        (1..=3_u32).flat_map(|number| erf_record(u64::from(number) << 32, 2, 0, 1, &frame(number)));
    files.push(records.collect());
    files
}

#[test]
fn cut_off_anywhere_all_whole_frames_are_read_and_the_rest_is_counted() {
    for file in whole_files() {
        let whole = read(&file);
        let ends: Vec<u64> = whole.frames[1..].iter().map(|frame| frame.offset).collect();
        let first = whole.frames[0].offset as usize;
        // Before that nothing may say what it is.
        for len in first + 16 + 8 * usize::from(first == 0)..file.len() {
            let outcome = read(&file[..len]);
            let expected = ends.iter().filter(|end| **end <= len as u64).count();
            if first == 0 && outcome.error.is_some() {
                // An ERF file's second record has to be possible as well.
                assert!(len < ends[0] as usize + 16, "{len}");
                continue;
            }
            assert!(outcome.error.is_none(), "{:?}", outcome.error);
            assert_eq!(outcome.frames[..], whole.frames[..expected], "{len} bytes");
            let last = ends[..expected].last().copied().unwrap_or(first as u64);
            let is_between = last == len as u64;
            let cut_off = [(Skip::CutOff, 1, last)];
            assert_eq!(outcome.skips, cut_off[usize::from(is_between)..], "{len} bytes");
        }
    }
}

#[test]
fn a_file_longer_than_the_window_is_read_the_same_however_it_comes() {
    let (count, jumbo) = (3_000_u32, vec![0xab; 9_000]);
    let mut file = [section(Order::Big), interface(Order::Big, 1, &[if_tsresol(9)])].concat();
    for number in 0..count {
        let bytes = if number % 50 == 0 { jumbo.clone() } else { frame(number) };
        file.extend(packet(Order::Big, 0, number.into(), &bytes));
        if number == 1_000 {
            // Longer than any window, and of nobody's concern.
            file.extend(block(Order::Big, 0xbad, vec![7; 3_000_000]));
        }
    }
    for step in [7, 4_096, usize::MAX] {
        let outcome = read_by(&file, step);
        assert!(outcome.error.is_none() && outcome.skips.is_empty());
        assert_eq!(outcome.frames.len(), count as usize);
        for (number, read) in (0..).zip(&outcome.frames) {
            let bytes = if number % 50 == 0 { jumbo.clone() } else { frame(number) };
            assert_eq!((read.time, &read.bytes), (WireTime::from_s_ns(0, number), &bytes));
        }
    }
}

proptest! {
    #[test]
    fn damage_anywhere_ends_in_frames_counts_and_at_most_one_sentence(
        which in 0..5usize, places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = whole_files().swap_remove(which);
        for (place, value) in places {
            let at = place.index(file.len());
            file[at] = value;
        }
        let outcome = read(&file);
        let mut last = None;
        for frame in &outcome.frames {
            // Each is where it says, in order.
            prop_assert!(last < Some(frame.offset) && frame.offset < file.len() as u64);
            last = Some(frame.offset);
        }
        if let Some(error) = outcome.error {
            prop_assert!(error.offset <= file.len() as u64);
        }
    }
}
