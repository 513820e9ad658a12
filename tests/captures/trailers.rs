//! Frames with stamps in them, by published layouts, and what is read out of them.

use fixwire::measure::capture::Capture;
use fixwire::measure::capture::detect::{Detector, FRAMES, Found};
use fixwire::measure::capture::trailer::{Aside, Layout, NoStamp, Stamped, Trailer};
use fixwire::measure::stamp::{Clock, Timescale};
use fixwire::measure::wire_time::{WireSpan, WireTime};

use crate::files::{Order, arista, exablaze, frame, metamako, pcap_header, pcap_record, with_fcs};

const S: u32 = 1_800_000_000;

/// A pcap file of frames that were recorded at `S` seconds.
fn file(frames: &[Vec<u8>]) -> Vec<u8> {
    let records = frames.iter().flat_map(|bytes| pcap_record(Order::Little, S, 5, bytes));
    pcap_header(Order::Little, true, 1).into_iter().chain(records).collect()
}

fn read(layout: Layout, bytes: &[u8]) -> Result<Stamped, NoStamp> {
    let file = file(&[bytes.to_vec()]);
    let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
    layout.read(&capture.next_frame().unwrap().unwrap())
}

fn layout(trailer: Trailer, has_fcs: bool) -> Layout {
    Layout { trailer, has_fcs }
}

fn found(frames: &[Vec<u8>]) -> Found {
    let file = file(frames);
    let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
    let mut detector = Detector::default();
    let mut seen = 0;
    while let Some(frame) = capture.next_frame().unwrap() {
        seen += 1;
        if !detector.on_frame(&frame) {
            break;
        }
    }
    assert_eq!(seen, frames.len().min(FRAMES as usize));
    detector.found()
}

#[test]
fn metamako_trailers_are_read_with_all_that_they_say() {
    let whole = frame(1);
    let sub_ns = [0x80, 0x00, 0x01, 0x21];
    let and_number = [0x80, 0x00, 0x01, 0x21, 0, 0x12, 0x34, 0x00];
    // A tag of two words in front of its own, and sub-nanoseconds before.
    let and_string = [&[0x80, 0x00, 0x01, 0x01][..], b"portnam1", &[0, 0, 0, 0x7f]].concat();
    let behind_string = [b"portnam1", &[0, 0, 0, 0x5f][..], &[0x80, 0x00, 0x01, 0x21]].concat();
    for (flags, extensions, sub, aside) in [
        (0x01, &[][..], 0, None),
        (0x03, &sub_ns, 0x80_0001, None),
        (0x03, &and_number, 0x80_0001, None),
        // The string is the last, and what stands in front of it is no extension.
        (0x03, &and_string, 0, None),
        (0x05, &[], 0, Some(Aside::Duplicate)),
        (0x15, &[], 0, Some(Aside::Degraded)),
        (0x13, &sub_ns, 0x80_0001, Some(Aside::Degraded)),
        (0x00, &[], 0, Some(Aside::BadFcs)),
    ] {
        let stamped = metamako(&whole, (S + 1, 999_999_999), flags, 0x1234, 56, extensions);
        for has_fcs in [false, true] {
            let bytes = if has_fcs { with_fcs(&stamped) } else { stamped.clone() };
            let read = read(layout(Trailer::Metamako, has_fcs), &bytes).unwrap();
            let time = WireTime::from_s_ns(S + 1, 999_999_999);
            let label = format!("{flags:#x} {extensions:x?}");
            assert_eq!(read.stamp.time, time + WireSpan::from_2_pow_minus_24_ns(sub), "{label}");
            assert_eq!(read.stamp.domain.clock, Clock::Metamako { device: 0x1234 });
            assert_eq!((read.stamp.domain.scale, read.stamp.port), (Timescale::Utc, 56));
            assert_eq!((read.ether_type_at, read.aside), (12, aside), "{label}");
            let spare = if extensions == and_string { 4 } else { 0 };
            assert_eq!(read.end, whole.len() + spare, "{label}");
        }
    }
    // Read from the tail sub-nanoseconds come first and say that they are the last.
    let stamped = metamako(&whole, (S, 1), 0x03, 1, 2, &behind_string);
    let read = read(layout(Trailer::Metamako, false), &stamped).unwrap();
    assert_eq!(
        read.stamp.time - WireTime::from_s_ns(S, 1),
        WireSpan::from_2_pow_minus_24_ns(0x80_0001)
    );
}

#[test]
fn exablaze_trailers_keep_every_bit_of_their_fraction() {
    let whole = frame(1);
    for fraction in [0, 1, (1 << 40) - 1, 0x12_3456_789a] {
        let stamped = exablaze(&whole, S - 1, fraction, 7, 9);
        for has_fcs in [false, true] {
            let bytes = if has_fcs { with_fcs(&stamped) } else { stamped.clone() };
            let read = read(layout(Trailer::Exablaze, has_fcs), &bytes).unwrap();
            assert_eq!(read.stamp.time, WireTime::from_s_and_2_pow_minus_40(S - 1, fraction));
            assert_eq!(read.stamp.domain.clock, Clock::Exablaze { device: 7 });
            assert_eq!((read.stamp.port, read.end, read.aside), (9, whole.len(), None));
        }
    }
}

#[test]
fn arista_headers_are_in_tai_or_utc_and_short_seconds_are_completed() {
    let whole = frame(1);
    let long = |s: u32| [s.to_be_bytes(), 7_u32.to_be_bytes()].concat();
    let short = |s: u32| [&s.to_be_bytes()[2..], &7_u32.to_be_bytes()].concat();
    for (version, stamp, s, scale) in [
        (0x0010, long(S + 37), S + 37, Timescale::Tai),
        (0x0011, long(S + 37), S + 37, Timescale::Tai),
        (0x0110, long(S), S, Timescale::Utc),
        (0x0111, long(S), S, Timescale::Utc),
        (0x0020, short(S + 37), S + 37, Timescale::Tai),
        (0x0021, short(S + 37), S + 37, Timescale::Tai),
        (0x0120, short(S), S, Timescale::Utc),
        // Hours before the record's time and after, over an end of 16 bits.
        (0x0121, short(S - 30_000), S - 30_000, Timescale::Utc),
        (0x0121, short(S + 30_000), S + 30_000, Timescale::Utc),
    ] {
        let bytes = arista(&whole, version, &stamp);
        let read = read(layout(Trailer::Arista7280, false), &bytes).unwrap();
        assert_eq!(read.stamp.time, WireTime::from_s_ns(s, 7), "{version:#x}");
        assert_eq!(read.stamp.domain.scale, scale, "{version:#x}");
        assert_eq!(bytes[read.ether_type_at..read.end], whole[12..]);
    }
    for version in [0x0030, 0x0210, 0x0000] {
        let bytes = arista(&whole, version, &long(S));
        let read = read(layout(Trailer::Arista7280, false), &bytes);
        assert_eq!(read, Err(NoStamp::Absent), "{version:#x}");
    }
}

#[test]
fn what_is_no_stamp_near_the_records_time_is_none() {
    let whole = frame(1);
    let month = 30 * 24 * 60 * 60;
    for layout in Layout::ALL {
        assert_eq!(read(layout, &whole), Err(NoStamp::Absent), "{layout}");
        assert_eq!(read(layout, &whole[..13]), Err(NoStamp::Absent), "{layout}");
    }
    let plain = layout(Trailer::Metamako, false);
    for (at, is_one) in [
        ((S + month, 0), true),
        ((S + month, 6), false),
        ((S - month, 5), true),
        ((S - month, 4), false),
        ((S, 1_000_000_000), false),
    ] {
        let bytes = metamako(&whole, at, 1, 2, 3, &[]);
        assert_eq!(read(plain, &bytes).is_ok(), is_one, "{at:?}");
    }
    // Extensions that would begin before the frame, or never end.
    for extensions in [&[0xff, 0xff, 0xff, 0x1f][..], &[0; 4]] {
        let bytes = metamako(&whole, (S, 5), 3, 2, 3, extensions);
        assert_eq!(read(plain, &bytes), Err(NoStamp::Absent));
    }
    // Inside of what IP says is the packet's.
    let mut bytes = metamako(&whole, (S, 5), 1, 2, 3, &[]);
    let len = bytes.len() as u16 - 14;
    bytes[16..18].copy_from_slice(&len.to_be_bytes());
    assert_eq!(read(plain, &bytes), Err(NoStamp::Absent));
    // Cut off by whoever captured.
    let bytes = metamako(&whole, (S, 5), 1, 2, 3, &[]);
    let mut file = file(&[bytes]);
    let original_len = 24 + 12;
    file[original_len] += 1;
    let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
    assert_eq!(plain.read(&capture.next_frame().unwrap().unwrap()), Err(NoStamp::CutOff));
}

#[test]
fn a_captures_stamps_are_found_where_every_frame_has_them() {
    let frames =
        |stamp: &dyn Fn(&[u8]) -> Vec<u8>| (0..100).map(|n| stamp(&frame(n))).collect::<Vec<_>>();
    let by_metamako = |bytes: &[u8]| metamako(bytes, (S, 77), 1, 2, 3, &[]);
    let by_exablaze = |bytes: &[u8]| exablaze(bytes, S, 0x55_5555_5555, 2, 3);
    let by_arista = |bytes: &[u8]| arista(bytes, 0x0110, &[S.to_be_bytes(), [0; 4]].concat());
    for (frames, expected) in [
        (frames(&|bytes| by_metamako(bytes)), layout(Trailer::Metamako, false)),
        (frames(&|bytes| with_fcs(&by_metamako(bytes))), layout(Trailer::Metamako, true)),
        (frames(&|bytes| by_exablaze(bytes)), layout(Trailer::Exablaze, false)),
        (frames(&|bytes| with_fcs(&by_exablaze(bytes))), layout(Trailer::Exablaze, true)),
        (frames(&|bytes| by_arista(bytes)), layout(Trailer::Arista7280, false)),
    ] {
        assert_eq!(found(&frames), Found::Stamps(expected));
        let mut mixed = frames.clone();
        mixed[10] = frame(10);
        assert_eq!(found(&mixed), Found::Some { layout: expected, fit: 63, of: 64 });
        mixed[10] = frames[10].clone();
        // Behind those that are looked at.
        mixed[64] = frame(64);
        assert_eq!(found(&mixed), Found::Stamps(expected));
    }
    assert_eq!(found(&frames(&|bytes| bytes.to_vec())), Found::None);
    assert_eq!(found(&frames(&with_fcs)), Found::None);
    assert_eq!(found(&[]), Found::None);
    let both = frames(&|bytes| by_metamako(&by_arista(bytes)));
    let either =
        Found::Either(layout(Trailer::Metamako, false), layout(Trailer::Arista7280, false));
    assert_eq!(found(&both), either);
    assert!(either.to_string().ends_with("say by --trailer which"), "{either}");
}

/// A Sync of PTP over Ethernet (IEEE 1588-2019, annex F), filled up to the shortest frame: what would be an Exablaze trailer's seconds
/// are its own.
fn ptp(s: u32) -> Vec<u8> {
    let mut frame = vec![0x01, 0x1b, 0x19, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0x88, 0xf7, 0, 2, 0, 44];
    frame.resize(50, 0);
    frame.extend(s.to_be_bytes());
    frame.resize(60, 0);
    frame
}

#[test]
fn frames_without_ip_say_nothing_of_stamps() {
    let found = |frames: &[Vec<u8>]| {
        let file = file(frames);
        let mut capture = Capture::open("f", 0, &file[..]).ok().unwrap();
        let mut detector = Detector::default();
        while let Some(frame) = capture.next_frame().unwrap() {
            if !detector.on_frame(&frame) {
                break;
            }
        }
        detector.found()
    };
    assert!(read(layout(Trailer::Exablaze, false), &ptp(S)).is_ok(), "or this proves nothing");
    let with_ptp = |stamp: &dyn Fn(&[u8]) -> Vec<u8>| {
        (0..100).flat_map(|n| [ptp(S), stamp(&frame(n))]).collect::<Vec<_>>()
    };
    assert_eq!(found(&with_ptp(&<[u8]>::to_vec)), Found::None);
    assert_eq!(found(&[ptp(S), ptp(S)]), Found::None);
    for tags in [&[][..], &[0x81, 0, 0, 1], &[0x88, 0xa8, 0, 1, 0x91, 0, 0, 2]] {
        let stamped = with_ptp(&|bytes| {
            let tagged = [&bytes[..12], tags, &bytes[12..]].concat();
            metamako(&tagged, (S, 77), 1, 2, 3, &[])
        });
        assert_eq!(found(&stamped), Found::Stamps(layout(Trailer::Metamako, false)), "{tags:x?}");
    }
    let by_arista = with_ptp(&|bytes| arista(bytes, 0x0110, &[S.to_be_bytes(), [0; 4]].concat()));
    assert_eq!(found(&by_arista), Found::Stamps(layout(Trailer::Arista7280, false)));
    // Inside of what IP says is the packet's, behind a tag.
    let whole = frame(1);
    let mut tagged = [&whole[..12], &[0x91, 0, 0, 1], &whole[12..]].concat();
    tagged = metamako(&tagged, (S, 5), 1, 2, 3, &[]);
    let len = tagged.len() as u16 - 18;
    tagged[20..22].copy_from_slice(&len.to_be_bytes());
    assert_eq!(read(layout(Trailer::Metamako, false), &tagged), Err(NoStamp::Absent));
}
