//! Captures whose bytes were changed, cut and mixed: read to the end or to the damage, and never further.

use fixwire::measure::capture::Capture;
use fixwire::measure::capture::trailer::Layout;
use fixwire::measure::pairs::{Arrived, Mark, Matcher, Place, Roles};
use fixwire::measure::tally::Tally;

use crate::files::{
    Order, arista, erf_record, exablaze, if_tsresol, interface, metamako, packet, pcap_header,
    pcap_record, section,
};

const S: u32 = 1_800_000_000;
const FRAMES: u32 = 40;

struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// Orders and reports in turn.
fn frames() -> Vec<Vec<u8>> {
    let mut next = [1_u32; 2];
    let frame = |number: u32| -> Vec<u8> {
        let side = (number % 2) as usize;
        let (from, to) = if side == 0 { ("US", "THEM") } else { ("THEM", "US") };
        let kind = if side == 0 { "D" } else { "8" };
        let body = format!("35={kind}|34={}|49={from}|56={to}|11=O{}|", number / 2 + 1, number / 2);
        let text = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01");
        let sum = text.bytes().fold(0_u8, u8::wrapping_add);
        let text = format!("{text}10={sum:03}\x01");
        let ports = [40_000_u16, 9_878];
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        bytes.extend((40 + text.len() as u16).to_be_bytes());
        bytes.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        bytes.extend([10, 9, 0, 2 - side as u8, 10, 9, 0, 1 + side as u8]);
        bytes.extend([ports[side].to_be_bytes(), ports[1 - side].to_be_bytes()].concat());
        bytes.extend([next[side].to_be_bytes(), next[1 - side].to_be_bytes()].concat());
        bytes.extend([0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        next[side] += text.len() as u32;
        bytes.extend(text.bytes());
        bytes
    };
    (0..FRAMES).map(frame).collect()
}

/// The same frames in every format, stamped by every device.
fn files() -> Vec<Vec<u8>> {
    let frames = frames();
    let numbered = || (0..).zip(&frames);
    let pcap = |stamp: &dyn Fn(u32, &[u8]) -> Vec<u8>| {
        let records = numbered()
            .flat_map(|(n, bytes)| pcap_record(Order::Little, S, n * 1_000, &stamp(n, bytes)));
        pcap_header(Order::Little, true, 1).into_iter().chain(records).collect::<Vec<_>>()
    };
    let mut pcapng = [section(Order::Big), interface(Order::Big, 1, &[if_tsresol(9)])].concat();
    for (n, bytes) in numbered() {
        let ticks = u64::from(S) * 1_000_000_000 + u64::from(n) * 700;
        pcapng.extend(packet(Order::Big, 0, ticks, bytes));
    }
    let erf = numbered().flat_map(|(n, bytes)| {
        erf_record(u64::from(S) << 32 | u64::from(n), 2, 0, (n % 3) as usize, bytes)
    });
    vec![
        pcap(&|_, bytes| bytes.to_vec()),
        pcap(&|n, bytes| metamako(bytes, (S, n), 3, 7, 1, &[1, 2, 3, 0x21])),
        pcap(&|n, bytes| exablaze(bytes, S, n.into(), 7, 1)),
        pcap(&|n, bytes| arista(bytes, 0x0110, &[S.to_be_bytes(), n.to_be_bytes()].concat())),
        pcapng,
        erf.collect(),
    ]
}

/// Reads what can be read by every layout at once: how many frames, messages and pairs there were.
fn read(file: &[u8]) -> (u64, u64, u64) {
    let (mut matcher, mut tally) = (Matcher::new(Roles::default()), Tally::default());
    let Ok(mut capture) = Capture::open("f", 0, file) else { return (0, 0, 0) };
    while let Ok(Some(frame)) = capture.next_frame() {
        let place = Place { file: 0, frame: frame.number };
        let stamped = Layout::ALL.into_iter().find_map(|layout| layout.read(&frame).ok());
        let stamp = Ok(stamped.map_or(frame.stamp, |stamped| stamped.stamp));
        let (ether_type_at, end) =
            stamped.map_or((12, frame.bytes.len()), |of| (of.ether_type_at, of.end));
        let arrived = Arrived {
            mark: Mark { place, stamp },
            bytes: &frame.bytes[..end],
            ether_type_at,
            is_cut_off: frame.bytes.len() < frame.original_len as usize,
        };
        matcher.on_frame(&arrived, &mut |record| tally.record(record));
    }
    let pairs = tally.distributions().iter().map(|of| of.ps.len()).sum();
    (capture.frames(), matcher.counts().messages, pairs)
}

#[test]
fn changed_cut_and_mixed_captures_are_read_to_the_damage_and_no_further() {
    let files = files();
    for file in &files {
        let (frames, messages, pairs) = read(file);
        // Each order but the first has a trigger, and each report an order.
        assert_eq!((frames, messages), (FRAMES.into(), FRAMES.into()));
        assert_eq!(pairs, u64::from(FRAMES) - 1);
    }
    let mut dice = Dice(0x9e37_79b9_97f4_a7c1);
    let (mut whole, mut less) = (0, 0);
    for round in 0..3_000 {
        let mut file = files[round % files.len()].clone();
        for _ in 0..1 + dice.below(4) {
            let at = dice.below(file.len());
            match dice.below(5) {
                0 => file[at] ^= 1 << dice.below(8),
                1 => file[at] = 0xff,
                2 => file.truncate(at.max(1)),
                3 => drop(file.drain(at..(at + 1 + dice.below(40)).min(file.len()))),
                _ => {
                    let other = &files[dice.below(files.len())];
                    file.extend_from_slice(&other[dice.below(other.len())..]);
                }
            }
            if file.is_empty() {
                file.push(0);
            }
        }
        let (frames, messages, pairs) = read(&file);
        assert!(frames <= file.len() as u64 / 16, "round {round}");
        assert!(messages <= u64::from(FRAMES) * 5 && pairs <= messages * 2, "round {round}");
        if messages >= FRAMES.into() { whole += 1 } else { less += 1 }
    }
    // Both kinds of damage were tried: what spoils something, and what spoils nothing.
    assert!(whole > 20 && less > 500, "{whole} {less}");
}
