//! A capture of a session in which each report makes a trader send an order.

use std::io::{self, Write};

/// 2027-01-15.
const S: u64 = 1_800_000_000;
const NS_PER_S: u64 = 1_000_000_000;
/// A report behind its order, an order behind its report.
const ANSWER_NS: u64 = 4_200;
const ORDER_NS: u64 = 700;
/// Ethernet, IPv4 and TCP.
const HEADERS_LEN: usize = 54;

/// A message whose numbers are filled in.
struct Template {
    frame: Vec<u8>,
    number_at: usize,
    id_at: usize,
}

impl Template {
    fn new(is_ours: bool, body: &str) -> Template {
        let (kind, rest) = body.split_once('|').expect("a body has fields");
        let (from, to) = if is_ours { ("US", "THEM") } else { ("THEM", "US") };
        let body = format!(
            "35={kind}|34=00000000|49={from}|52=20270115-08:00:00.000000|56={to}|11=00000000|{rest}"
        );
        let text = format!("8=FIX.4.4|9={}|{body}10=000|", body.len()).replace('|', "\x01");
        let ends = [([10, 9, 0, 2], 40_000_u16), ([10, 9, 0, 1], 9_878)];
        let (from, to) = if is_ours { (ends[0], ends[1]) } else { (ends[1], ends[0]) };
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend((40 + text.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend([from.0, to.0].concat());
        frame.extend([from.1.to_be_bytes(), to.1.to_be_bytes()].concat());
        frame.extend([0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        let behind = |tag: &str| text.find(tag).map_or(0, |at| HEADERS_LEN + at + tag.len());
        let (number_at, id_at) = (behind("\x0134="), behind("\x0111="));
        frame.extend(text.bytes());
        Template { frame, number_at, id_at }
    }

    fn fill(&mut self, seq: u32, ack: u32, number: u64, id: u64) {
        self.frame[38..42].copy_from_slice(&seq.to_be_bytes());
        self.frame[42..46].copy_from_slice(&ack.to_be_bytes());
        digits(&mut self.frame[self.number_at..self.number_at + 8], number);
        digits(&mut self.frame[self.id_at..self.id_at + 8], id);
        let end = self.frame.len() - 7;
        let sum =
            self.frame[HEADERS_LEN..end].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        digits(&mut self.frame[end + 3..end + 6], sum.into());
    }

    fn text_len(&self) -> u32 {
        (self.frame.len() - HEADERS_LEN) as u32
    }
}

fn digits(to: &mut [u8], mut number: u64) {
    for digit in to.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Writes so many messages as pcap with nanoseconds: orders and their answers in turn.
pub(crate) fn write(out: &mut impl Write, messages: u64) -> io::Result<()> {
    let mut order = Template::new(
        true,
        "D|55=ESZ6|54=1|38=3|40=2|44=4500.25|59=0|60=20270115-08:00:00.000000|",
    );
    let mut report = Template::new(
        false,
        "8|37=X1234567|17=E1234567|150=F|39=2|55=ESZ6|54=1|38=3|32=3|31=4500.25|151=0|14=3|6=4500.25|",
    );
    let words: [u32; 6] = [0xa1b2_3c4d, 4 << 16 | 2, 0, 0, 65_535, 1];
    words.into_iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))?;
    let (mut next, mut ns) = ([1_u32, 1_u32], 0_u64);
    for message in 0..messages {
        let is_order = message % 2 == 0;
        let (side, template) = if is_order { (0, &mut order) } else { (1, &mut report) };
        ns += if is_order { ORDER_NS + message % 211 } else { ANSWER_NS + message % 977 };
        template.fill(next[side], next[1 - side], message / 2 + 1, message / 2 % 100_000_000);
        next[side] = next[side].wrapping_add(template.text_len());
        let len = template.frame.len() as u32;
        let head = [(S + ns / NS_PER_S) as u32, (ns % NS_PER_S) as u32, len, len];
        head.into_iter().try_for_each(|word| out.write_all(&word.to_le_bytes()))?;
        out.write_all(&template.frame)?;
    }
    out.flush()
}
