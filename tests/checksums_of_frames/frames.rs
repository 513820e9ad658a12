//! Frames without end, the same in every run: right ones, damaged ones, and ones that are no TCP segment
//! in one IPv4 packet. Their checksums are the oracle's.

use super::oracle::{pseudo_header, sum};
use super::{HOST, HOST_MAC, PEER, PEER_MAC, VLAN};

/// A jumbo frame. There are payloads of every length up to it, and frames of every length.
pub const LEN_MAX: usize = 9_216;

/// What is wrong with a frame's make, though its checksums are right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oddity {
    Version6,
    IhlUnder5,
    Ihl15,
    TotalLengthPastTheFrame,
    TotalLengthWithinTheHeader,
    TotalLengthCutsTheSegment,
    MoreFragments,
    LaterFragment,
    AnotherProtocol,
    DataOffsetUnder5,
    DataOffset15,
}

const ODDITIES: [Oddity; 11] = [
    Oddity::Version6,
    Oddity::IhlUnder5,
    Oddity::Ihl15,
    Oddity::TotalLengthPastTheFrame,
    Oddity::TotalLengthWithinTheHeader,
    Oddity::TotalLengthCutsTheSegment,
    Oddity::MoreFragments,
    Oddity::LaterFragment,
    Oddity::AnotherProtocol,
    Oddity::DataOffsetUnder5,
    Oddity::DataOffset15,
];

/// What has become of a frame after it was summed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    OneBit,
    /// So many, some of them the same ones.
    Bits(usize),
    /// Two words have changed places: no sum tells.
    WordsSwapped,
    /// A word of 0x0000 has become 0xffff, which counts as much: no sum tells.
    ZeroNegated,
    /// A checksum field holds one of the two writings of zero.
    FieldZero,
    FieldOnes,
}

/// How a frame was made.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Make {
    pub oddity: Option<Oddity>,
    pub damage: Option<Damage>,
    /// It ends before its segment does.
    pub is_cut: bool,
    /// Whoever sends it leaves the checksums to the device, if that takes them.
    pub is_left: bool,
}

pub struct Frame {
    pub bytes: Vec<u8>,
    pub l2_len: usize,
    pub l3_len: usize,
    pub make: Make,
}

/// An endless row of frames.
pub struct Frames {
    random: u64,
    made: usize,
    /// Of every length there are whole and right ones, or damaged ones.
    every_length_is_right: bool,
    /// Random bytes, which frames are cut from.
    pool: Vec<u8>,
}

impl Frames {
    /// The row of this seed. It begins with a payload of every length and a frame of every length: right
    /// ones if the seed is even, and damaged ones if it is odd.
    pub fn new(seed: u64) -> Frames {
        let random = 0x9e37_79b9_7f4a_7c15 ^ seed << 32;
        let every_length_is_right = seed.is_multiple_of(2);
        let mut frames = Frames { random, made: 0, every_length_is_right, pool: Vec::new() };
        frames.pool = (0..4 * LEN_MAX).map(|_| frames.number(256) as u8).collect();
        frames
    }

    /// A number below `end`, by xorshift.
    pub fn number(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        ((self.random >> 32) as usize * end) >> 32
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.number(n) == 0
    }

    fn bytes(&mut self, len: usize) -> &[u8] {
        let from = self.number(self.pool.len() - len);
        &self.pool[from..from + len]
    }

    /// The next one.
    pub fn next(&mut self) -> Frame {
        let (mut bytes, l3) = self.link();
        let (ihl, data_offset) = (self.header_words(), self.header_words());
        let l4 = l3 + 4 * ihl;
        let headers_len = l4 + 4 * data_offset;
        let (payload_len, len) = self.lengths(headers_len);
        let mut make = self.make();
        make.is_cut = len.is_some_and(|len| len < headers_len);
        make.is_left &= !make.is_cut;

        self.write_headers(&mut bytes, ihl, data_offset);
        bytes.extend(self.bytes(payload_len));
        let total_len = (bytes.len() - l3) as u16;
        bytes[l3 + 2..l3 + 4].copy_from_slice(&total_len.to_be_bytes());
        if len.is_none() {
            self.pad(&mut bytes);
        }
        if let Some(oddity) = make.oddity {
            self.make_odd(&mut bytes[l3..], oddity);
        }
        self.finish(&mut bytes[l3..], make.is_left);
        if let Some(damage) = make.damage {
            self.damage(&mut bytes, l3, headers_len..headers_len + payload_len, damage);
        }
        bytes.truncate(len.unwrap_or(usize::MAX));
        self.made += 1;
        Frame { bytes, l2_len: l3, l3_len: 4 * ihl, make }
    }

    /// What is wrong with it, if anything. Some are odd and damaged.
    fn make(&mut self) -> Make {
        let is_of_every_length = self.made < 2 * (LEN_MAX + 1);
        if is_of_every_length && self.every_length_is_right {
            return Make { is_left: self.one_in(3), ..Make::default() };
        }
        if is_of_every_length {
            return Make { damage: Some(self.any_damage()), ..Make::default() };
        }
        let odd = self.number(3 * ODDITIES.len());
        let oddity = ODDITIES.get(odd).copied();
        let is_damaged = self.one_in(if oddity.is_some() { 8 } else { 2 });
        let damage = is_damaged.then(|| self.any_damage());
        let is_left = oddity.is_none() && damage.is_none() && self.one_in(3);
        Make { oddity, damage, is_left, is_cut: false }
    }

    fn any_damage(&mut self) -> Damage {
        match self.number(10) {
            0..=3 => Damage::OneBit,
            4..=5 => Damage::Bits(2 + self.number(15)),
            6 => Damage::WordsSwapped,
            7 => Damage::ZeroNegated,
            8 => Damage::FieldZero,
            _ => Damage::FieldOnes,
        }
    }

    /// How long the payload is, and the frame where that is what is wanted. Most are short.
    fn lengths(&mut self, headers_len: usize) -> (usize, Option<usize>) {
        if self.made <= LEN_MAX {
            return (self.made, None);
        }
        if let Some(len) = Some(self.made - LEN_MAX - 1).filter(|len| *len <= LEN_MAX) {
            return (len.saturating_sub(headers_len), Some(len));
        }
        let len_max = [8, 64, 64, 300, 300, 300, 300, 1_460][self.number(8)];
        let len_max = if self.one_in(500) { LEN_MAX } else { len_max };
        (self.number(len_max + 1), None)
    }

    /// Addresses, tags and ethertype; and where the packet begins.
    fn link(&mut self) -> (Vec<u8>, usize) {
        let mut bytes = [HOST_MAC.0, PEER_MAC.0].concat();
        let tags = [0, 0, 0, 0, 0, 1, 1, 1, 2, 3][self.number(10)];
        for tag in 0..tags {
            let is_outer = tag + 1 < tags || self.one_in(16);
            let ethertype: u16 = if is_outer && self.one_in(2) { 0x88a8 } else { 0x8100 };
            let vlan = [VLAN, VLAN, VLAN, VLAN, 0, self.number(4096) as u16][self.number(6)];
            let priority = (self.number(16) << 12) as u16;
            bytes.extend(ethertype.to_be_bytes());
            bytes.extend((priority | vlan).to_be_bytes());
        }
        bytes.extend([0x08, 0x00]);
        let l3 = bytes.len();
        (bytes, l3)
    }

    /// A header's length, without options for the most part.
    fn header_words(&mut self) -> usize {
        if self.one_in(3) { 5 + self.number(11) } else { 5 }
    }

    /// IPv4 and TCP headers; what does not matter in them is random.
    fn write_headers(&mut self, bytes: &mut Vec<u8>, ihl: usize, data_offset: usize) {
        let at = bytes.len();
        bytes.extend(self.bytes(4 * ihl));
        let header = &mut bytes[at..];
        header[0] = 0x40 | ihl as u8;
        (header[6], header[7]) = (header[6] & 0x40, 0);
        header[9] = 6;
        header[12..20].copy_from_slice(&[PEER.octets(), HOST.octets()].concat());
        let at = bytes.len();
        bytes.extend(self.bytes(20));
        let header = &mut bytes[at..];
        header[1] |= 1;
        header[3] |= 1;
        header[12] = (data_offset << 4) as u8 | header[12] & 0x0f;
        // A RST for no connection: whoever takes it does nothing about it.
        header[13] |= 0x04;
        // No operation (RFC 9293 3.1).
        bytes.resize(at + 4 * data_offset, 1);
    }

    /// Up to the shortest frame, or the device has to; and now and then further.
    fn pad(&mut self, bytes: &mut Vec<u8>) {
        let missing = 60usize.saturating_sub(bytes.len());
        let padding_len = if self.one_in(8) { missing + self.number(40) } else { missing };
        if !self.one_in(3) {
            bytes.extend(self.bytes(padding_len));
        }
    }

    fn make_odd(&mut self, packet: &mut [u8], oddity: Oddity) {
        let header_len = 4 * usize::from(packet[0] & 0x0f);
        let (total_len, packet_len) = (2, packet.len());
        match oddity {
            Oddity::Version6 => packet[0] = 0x60 | packet[0] & 0x0f,
            Oddity::IhlUnder5 => packet[0] = 0x40 | self.number(5) as u8,
            Oddity::Ihl15 => packet[0] = 0x4f,
            Oddity::TotalLengthPastTheFrame => {
                put(packet, total_len, (packet_len + 1 + self.number(64)) as u16);
            }
            Oddity::TotalLengthWithinTheHeader => {
                put(packet, total_len, self.number(header_len) as u16);
            }
            Oddity::TotalLengthCutsTheSegment => {
                put(packet, total_len, (header_len + self.number(packet_len - header_len)) as u16);
            }
            Oddity::MoreFragments => packet[6] |= 0x20,
            Oddity::LaterFragment => {
                let offset = 1 + self.number(0x1fff) as u16;
                packet[6] |= (offset >> 8) as u8;
                packet[7] = offset as u8;
            }
            Oddity::AnotherProtocol => packet[9] = [0, 2, 4, 17, 41, 47, 132, 255][self.number(8)],
            Oddity::DataOffsetUnder5 => packet[header_len + 12] = (self.number(5) << 4) as u8,
            Oddity::DataOffset15 => packet[header_len + 12] |= 0xf0,
        }
    }

    /// Writes both checksums, over what the lengths say as far as it is there.
    fn finish(&mut self, packet: &mut [u8], is_left: bool) {
        let header_len = (4 * usize::from(packet[0] & 0x0f)).clamp(20, packet.len());
        let total_len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
        let (header, rest) = packet.split_at_mut(header_len);
        let segment_len = total_len.saturating_sub(header_len).min(rest.len());
        let segment = &mut rest[..segment_len];
        // Identification and Urgent Pointer mean nothing here.
        self.finish_field(&[], header, 10, 4, is_left);
        if segment.len() < 20 {
            return;
        }
        let payload_at = (4 * usize::from(segment[12] >> 4)).max(20);
        let words = segment.len().saturating_sub(payload_at) / 2;
        let spare = if words > 0 { payload_at + 2 * self.number(words) } else { 18 };
        let pseudo = pseudo_header(&header[12..20], segment.len());
        self.finish_field(&pseudo, segment, 16, spare, is_left);
    }

    /// Writes a checksum. Often the `spare` word is what brings it to zero, and as often zero is then
    /// written as 0xffff, as Linux does: that is right, too, but no device's way.
    fn finish_field(
        &mut self,
        before: &[u8],
        bytes: &mut [u8],
        field: usize,
        spare: usize,
        is_left: bool,
    ) {
        put(bytes, field, 0);
        if self.one_in(4) {
            put(bytes, spare, 0);
            put(bytes, spare, !sum(&[before, bytes]));
        }
        let checksum = match !sum(&[before, bytes]) {
            0 if !is_left && self.one_in(2) => 0xffff,
            checksum => checksum,
        };
        put(bytes, field, checksum);
    }

    fn damage(
        &mut self,
        bytes: &mut [u8],
        l3: usize,
        payload: std::ops::Range<usize>,
        damage: Damage,
    ) {
        let words = payload.len() / 2;
        let [one, other] = [(); 2].map(|()| payload.start + 2 * self.number(words));
        // Of the tags and what they name, or of the headers alone: a long frame's bits are payload.
        let reach = if self.one_in(2) { bytes.len() } else { bytes.len().min(80) };
        let mut flip = |frames: &mut Frames| {
            let bit = 12 * 8 + frames.number((reach - 12) * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        };
        match damage {
            Damage::OneBit => flip(self),
            Damage::Bits(count) => (0..count).for_each(|_| flip(self)),
            Damage::WordsSwapped if words > 0 => {
                bytes.swap(one, other);
                bytes.swap(one + 1, other + 1);
            }
            Damage::ZeroNegated if words > 0 => {
                put(bytes, one, 0);
                self.finish(&mut bytes[l3..], false);
                if bytes[one..one + 2] == [0, 0] {
                    put(bytes, one, 0xffff);
                }
            }
            Damage::WordsSwapped | Damage::ZeroNegated => {}
            Damage::FieldZero | Damage::FieldOnes => {
                let header_len = 4 * usize::from(bytes[l3] & 0x0f);
                let field = [l3 + 10, l3 + header_len + 16][self.number(2)];
                let wrong = if damage == Damage::FieldZero { 0 } else { 0xffff };
                put(bytes, field.min(bytes.len() - 2), wrong);
            }
        }
    }
}

fn put(bytes: &mut [u8], at: usize, word: u16) {
    bytes[at..at + 2].copy_from_slice(&word.to_be_bytes());
}
