//! Steps 5 and 6 at once for the frame that nearly every frame is: its headers are those of the frame
//! before it on the same connection, but for the fields that always differ.
//!
//! One masked comparison proves that, and with it all that reading the headers one by one had proven
//! of the earlier frame. Whatever is not familiar is read the long way, which decides what it is.

use crate::tcp::ConnectionId;
use crate::wire::tcp::{Flags, Options, Segment, SeqNumber, Timestamps};
use crate::wire::{ethernet, ipv4, tcp};

/// Ethernet without a tag, IPv4 without options, TCP with timestamps and nothing else.
const HEADERS_LEN: usize = TCP + TCP_HEADER_LEN;
const IP: usize = ethernet::HEADER_LEN;
const TCP: usize = IP + ipv4::HEADER_LEN;
const TCP_HEADER_LEN: usize = tcp::HEADER_LEN + 12;
/// Headers are compared up to here: behind it lie the timestamps' values.
const COMPARED_LEN: usize = 64;
/// Frames that are remembered: one for each connection, as long as not two share a place.
const PLACES: usize = 64;

type Words = [u64; COMPARED_LEN / 8];

/// Where headers differ from frame to frame, and for how many bytes: DSCP, ECN, Total Length and
/// Identification; Time To Live; the IPv4 checksum; TCP's numbers; its control bits, window, checksum and
/// urgent pointer; the timestamps' values.
const DIFFER: [(usize, usize); 6] =
    [(IP + 1, 5), (IP + 8, 1), (IP + 10, 2), (TCP + 4, 8), (TCP + 13, 7), (TCP + 24, 6)];

/// All ones where headers must be alike: what says whose frame it is, and how it is built.
const MASK: Words = {
    let mut mask = [0xff; COMPARED_LEN];
    let mut at = 0;
    while at < DIFFER.len() {
        let (from, len) = DIFFER[at];
        let mut byte = from;
        while byte < from + len {
            mask[byte] = 0;
            byte += 1;
        }
        at += 1;
    }
    // Don't Fragment may be set or not; TCP's reserved bits are ignored.
    mask[IP + 6] = 0x3f;
    mask[TCP + 12] = 0xf0;
    words(&mask)
};

/// The headers of each connection's last frame.
#[derive(Debug)]
pub(crate) struct Familiar {
    entries: Box<[Entry; PLACES]>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    connection: Option<ConnectionId>,
    words: Words,
}

/// A frame that is familiar, taken apart.
#[derive(Clone, Copy)]
pub(crate) struct Recognized<'a> {
    pub(crate) connection: ConnectionId,
    pub(crate) packet: ipv4::Packet<'a>,
    pub(crate) tcp: tcp::Packet<'a>,
    pub(crate) segment: Segment<'a>,
}

impl Default for Familiar {
    fn default() -> Familiar {
        let none = Entry { connection: None, words: [0; COMPARED_LEN / 8] };
        Familiar { entries: Box::new([none; PLACES]) }
    }
}

impl Familiar {
    /// Whose frame it is, and what is in it, if its headers are familiar.
    #[inline(always)]
    pub(crate) fn recognize<'a>(&self, bytes: &'a [u8]) -> Option<Recognized<'a>> {
        let headers = bytes.first_chunk::<HEADERS_LEN>()?;
        let entry = &self.entries[place(headers)];
        let front = headers.first_chunk::<COMPARED_LEN>()?;
        let mut difference = 0;
        for ((word, expected), mask) in words(front).iter().zip(&entry.words).zip(&MASK) {
            difference |= (word ^ expected) & mask;
        }
        let total_len = usize::from(u16::from_be_bytes([headers[IP + 2], headers[IP + 3]]));
        let end = IP + total_len;
        if difference != 0 || end < HEADERS_LEN {
            return None;
        }
        let connection = entry.connection?;
        let packet = ipv4::Packet::read(bytes.get(IP..end)?)?;
        let [.., v0, v1, v2, v3, e0, e1, e2, e3] = *headers;
        let timestamps = Timestamps {
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            echo: u32::from_be_bytes([e0, e1, e2, e3]),
        };
        let be_u16 = |at: usize| u16::from_be_bytes([headers[at], headers[at + 1]]);
        let be_u32 = |at: usize| u32::from(be_u16(at)) << 16 | u32::from(be_u16(at + 2));
        let segment = Segment {
            src_port: be_u16(TCP),
            dst_port: be_u16(TCP + 2),
            seq: SeqNumber(be_u32(TCP + 4)),
            ack: SeqNumber(be_u32(TCP + 8)),
            flags: Flags(headers[TCP + 13]),
            window: be_u16(TCP + 14),
            options: Options { timestamps: Some(timestamps), ..Options::NONE },
            payload: &packet.payload[TCP_HEADER_LEN..],
            is_ce: packet.is_ce(),
        };
        let tcp = tcp::Packet::of(packet.payload, TCP_HEADER_LEN);
        Some(Recognized { connection, packet, tcp, segment })
    }

    /// A frame was read the long way and found to be `connection`'s. Its headers are remembered if they
    /// are built as those that are compared.
    pub(crate) fn remember(&mut self, bytes: &[u8], connection: ConnectionId) {
        let Some(headers) = bytes.first_chunk::<HEADERS_LEN>() else { return };
        let is_usual = headers[12..14] == [0x08, 0x00]
            && headers[IP] == 0x45
            && headers[TCP + 12] >> 4 == (TCP_HEADER_LEN / 4) as u8
            && headers[TCP + 20..TCP + 24] == [1, 1, 8, 10];
        if let Some(front) = headers.first_chunk().filter(|_| is_usual) {
            let entry = Entry { connection: Some(connection), words: words(front) };
            self.entries[place(headers)] = entry;
        }
    }
}

/// A frame's place by its ports.
#[inline]
fn place(headers: &[u8; HEADERS_LEN]) -> usize {
    let [a, b, c, d] = [0, 1, 2, 3].map(|at| usize::from(headers[TCP + at]));
    (a ^ b ^ c ^ d) % PLACES
}

#[inline]
const fn words(bytes: &[u8; COMPARED_LEN]) -> Words {
    let (chunks, _) = bytes.as_chunks::<8>();
    let mut words = [0; COMPARED_LEN / 8];
    let mut at = 0;
    while at < words.len() {
        words[at] = u64::from_le_bytes(chunks[at]);
        at += 1;
    }
    words
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::emit::Emitter;
    use crate::neighbor::Network;
    use crate::offload::plan::{Capabilities, Plan};
    use crate::offload::profile::{Policy, Profile};
    use crate::tcp::Transmit;
    use crate::wire::Refusal;
    use crate::wire::ethernet::Mac;

    fn frame(seed: u32, payload: &[u8], options: Options) -> Vec<u8> {
        let network = Network {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            addr: Ipv4Addr::new(10, 9, 0, 1),
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let segment = Transmit {
            connection: None,
            local: network.addr,
            remote: Ipv4Addr::new(10, 9, 0, 2),
            header: tcp::Repr {
                src_port: 9878,
                dst_port: 50_000,
                seq: SeqNumber(seed),
                ack: SeqNumber(seed.rotate_left(9)),
                flags: Flags::ACK.with(Flags::PSH),
                window: seed as u16,
                options,
            },
            payload: [payload, &[]],
            retransmission: false,
            is_ect: seed & 1 == 1,
        };
        let plan = Plan::negotiate("test", &Profile::all(Policy::Off), &Capabilities::NONE);
        let mut out = vec![0; 2048];
        let dst = Mac([2, 0, 0, 0, 0, 2]);
        let (len, _) = Emitter::new(&plan, network).tcp(dst, &segment, &mut out);
        out.truncate(len);
        out
    }

    fn stamped(seed: u32) -> Options {
        let timestamps = Some(Timestamps { value: seed, echo: !seed });
        Options { timestamps, ..Options::NONE }
    }

    /// What the long way finds.
    fn read(
        bytes: &[u8],
    ) -> Result<(ipv4::Packet<'_>, Segment<'_>, ethernet::Packet<'_>), Refusal> {
        let frame = ethernet::Packet::parse(bytes)?;
        let packet = ipv4::Packet::parse(frame.payload)?;
        let mut segment = tcp::Packet::parse(packet.payload)?.segment()?;
        segment.is_ce = packet.is_ce();
        Ok((packet, segment, frame))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn what_is_recognized_is_what_the_long_way_finds(
            seeds in any::<(u32, u32)>(),
            payload in prop::collection::vec(any::<u8>(), 0..64),
            edits in prop::collection::vec((0usize..70, any::<u8>()), 0..3),
            cut in prop::option::of(0usize..140),
        ) {
            let mut familiar = Familiar::default();
            let first = frame(seeds.0, b"earlier", stamped(seeds.0));
            familiar.remember(&first, ConnectionId::for_test(5));
            let mut bytes = frame(seeds.1, &payload, stamped(seeds.1));
            let unharmed = edits.is_empty() && cut.is_none_or(|cut| cut >= bytes.len());
            for (at, byte) in edits {
                if let Some(place) = bytes.get_mut(at) {
                    *place = byte;
                }
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            let found = familiar.recognize(&bytes);
            prop_assert!(found.is_some() || !unharmed);
            if let Some(found) = found {
                let (packet, segment, frame) = read(&bytes).expect("the long way takes it too");
                prop_assert_eq!(frame.dst, Mac([2, 0, 0, 0, 0, 2]));
                prop_assert_eq!(frame.vlan, None);
                let parties = (packet.src, segment.src_port, packet.dst, segment.dst_port);
                let theirs = Ipv4Addr::new(10, 9, 0, 1);
                let ours = Ipv4Addr::new(10, 9, 0, 2);
                prop_assert_eq!(parties, (theirs, 9878, ours, 50_000));
                prop_assert_eq!((packet.src, packet.dst), (found.packet.src, found.packet.dst));
                prop_assert_eq!(packet.header, found.packet.header);
                prop_assert_eq!(packet.payload, found.packet.payload);
                prop_assert_eq!(packet.protocol, found.packet.protocol);
                prop_assert_eq!(found.tcp.bytes(), packet.payload);
                prop_assert_eq!(found.tcp.segment().unwrap().payload, segment.payload);
                prop_assert_eq!(format!("{:?}", found.segment), format!("{segment:?}"));
                prop_assert_eq!(found.connection, ConnectionId::for_test(5));
            }
        }
    }

    #[test]
    fn a_frame_with_sack_blocks_is_neither_remembered_nor_familiar() {
        let mut familiar = Familiar::default();
        let sack = Some(tcp::SackBlocks::of(SeqNumber(1), SeqNumber(2)));
        let sacked = frame(1, b"x", Options { sack, ..stamped(1) });
        familiar.remember(&sacked, ConnectionId::for_test(5));
        assert!(familiar.recognize(&frame(1, b"x", stamped(1))).is_none());
        familiar.remember(&frame(1, b"x", stamped(1)), ConnectionId::for_test(5));
        assert!(familiar.recognize(&sacked).is_none());
    }

    #[test]
    fn only_headers_built_as_those_compared_are_remembered() {
        let mut familiar = Familiar::default();
        let bare = frame(1, b"no options at all here", Options::NONE);
        familiar.remember(&bare, ConnectionId::for_test(5));
        assert!(familiar.recognize(&bare).is_none());
        let stamped = frame(1, b"x", stamped(1));
        familiar.remember(&stamped[..60], ConnectionId::for_test(5));
        assert!(familiar.recognize(&stamped).is_none());
        familiar.remember(&stamped, ConnectionId::for_test(5));
        assert!(familiar.recognize(&stamped).is_some());
    }
}
