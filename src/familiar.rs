//! Steps 5 and 6 at once for the frame that nearly every frame is: Ethernet without a tag, IPv4 without
//! options, TCP with timestamps and nothing else, for us.
//!
//! One masked comparison proves that, and with it all that reading the headers one by one would prove.
//! Whose frame it is, is looked up once in a row of one connection's. Whatever is not familiar is read
//! the long way, which decides what it is.

use core::net::Ipv4Addr;

use crate::neighbor::Network;
use crate::tcp::{ConnectionId, Endpoint, Stack};
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Flags, Options, Segment, Timestamps};
use crate::wire::{ethernet, ipv4, tcp};

/// Ethernet without a tag, IPv4 without options, TCP with timestamps and nothing else.
const HEADERS_LEN: usize = TCP + STAMPED_HEADER_LEN;
const IP: usize = ethernet::HEADER_LEN;
const TCP: usize = IP + ipv4::HEADER_LEN;
/// Headers are compared up to here: behind it lie the timestamps' values.
const COMPARED_LEN: usize = 64;

/// Such a header's length, as it says it.
const STAMPED_OFFSET: u8 = ((STAMPED_HEADER_LEN / 4) << 4) as u8;

type Words = [u64; COMPARED_LEN / 8];

/// Where headers differ from frame to frame, and for how many bytes: the sender's hardware address;
/// DSCP, ECN, Total Length and Identification; Time To Live; the IPv4 checksum and the source; TCP's ports
/// and numbers; its control bits, window, checksum and urgent pointer; the timestamps' values.
const DIFFER: [(usize, usize); 7] =
    [(6, 6), (IP + 1, 5), (IP + 8, 1), (IP + 10, 6), (TCP, 12), (TCP + 13, 7), (TCP + 24, 6)];

/// All ones where headers must be alike: what says that it is for us, and how it is built.
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
    // The sender's hardware address is of one station.
    mask[6] = 1;
    // Don't Fragment may be set or not; TCP's reserved bits are ignored.
    mask[IP + 6] = 0x3f;
    mask[TCP + 12] = 0xf0;
    words(&mask)
};

/// So many frames are [looked ahead](Familiar::look_ahead) at: as many as a core has loads that wait for memory, and few
/// enough for the first of them not to wait long.
pub const FRAMES_AHEAD: usize = 8;

/// How frames look that are for us.
#[derive(Debug)]
pub struct Familiar {
    expected: Words,
    /// No frame is familiar: ours are tagged.
    is_off: bool,
    /// What the last frame's headers were, and whose it was.
    last: (Alike, ConnectionId),
}

/// What is the same in the headers of all frames of a connection, as long as none comes another way: hardware
/// addresses, EtherType, IPv4's length and DSCP; its flags, Time To Live and protocol; addresses; ports; and
/// TCP's options but for their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alike {
    link: [u64; 2],
    way: u32,
    addresses: u64,
    ports: u32,
    options: u32,
}

impl Alike {
    const NOBODY: Alike = Alike { link: [0; 2], way: 0, addresses: 0, ports: 0, options: 0 };

    #[inline(always)]
    fn of(headers: &[u8; HEADERS_LEN]) -> Alike {
        Alike {
            link: [u64_at(headers, 0), u64_at(headers, 8)],
            way: u32_at(headers, IP + 6),
            addresses: u64_at(headers, IP + 12),
            ports: u32_at(headers, TCP),
            options: u32_at(headers, TCP + 20),
        }
    }

    /// Whether nothing differs: one comparison, and not one after the other.
    #[inline(always)]
    fn is(&self, other: &Alike) -> bool {
        let wide = (self.link[0] ^ other.link[0])
            | (self.link[1] ^ other.link[1])
            | (self.addresses ^ other.addresses);
        let narrow =
            (self.way ^ other.way) | (self.ports ^ other.ports) | (self.options ^ other.options);
        wide | u64::from(narrow) == 0
    }
}

#[inline(always)]
fn u64_at(headers: &[u8; HEADERS_LEN], at: usize) -> u64 {
    headers[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

#[inline(always)]
fn u32_at(headers: &[u8; HEADERS_LEN], at: usize) -> u32 {
    headers[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

/// A frame that is familiar. What is in it is read where it is wanted, and not before.
#[derive(Clone, Copy, Debug)]
pub struct Recognized<'a> {
    headers: &'a [u8; HEADERS_LEN],
    payload: &'a [u8],
    /// The IPv4 packet.
    packet: &'a [u8],
    /// Its headers are those of the last frame but for what differs.
    is_as_last: bool,
}

impl<'a> Recognized<'a> {
    /// The IPv4 packet.
    #[inline(always)]
    pub fn packet(&self) -> ipv4::Packet<'a> {
        let (header, payload) = self.packet.split_at(ipv4::HEADER_LEN);
        let (src, dst) = (self.addr_at(IP + 12), self.addr_at(IP + 16));
        ipv4::Packet { src, dst, protocol: ipv4::Protocol::Tcp, header, payload }
    }

    /// The bytes of its segment.
    #[inline(always)]
    pub fn tcp(&self) -> tcp::Packet<'a> {
        tcp::Packet::of(&self.packet[ipv4::HEADER_LEN..], STAMPED_HEADER_LEN)
    }

    /// Its segment.
    #[inline(always)]
    pub fn stamped(&self) -> Stamped<'a> {
        let header = self.headers.last_chunk().expect("the headers end with TCP's");
        Stamped::of(header, self.payload.len())
    }

    /// Its segment, read.
    pub fn segment(&self) -> Segment<'a> {
        let timestamps = Timestamps { value: self.u32_at(TCP + 24), echo: self.u32_at(TCP + 28) };
        let [.., flags] = *self.headers.first_chunk::<{ TCP + 14 }>().expect("that much at least");
        Segment {
            src_port: (self.ports() >> 16) as u16,
            dst_port: self.ports() as u16,
            seq: self.stamped().seq(),
            ack: self.stamped().ack(),
            flags: Flags(flags),
            window: self.stamped().window(),
            options: Options { timestamps: Some(timestamps), ..Options::NONE },
            payload: self.payload,
            is_ce: self.is_ce(),
        }
    }

    /// The segment's payload.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Whether the network marked it instead of dropping it (RFC 3168 5, CE).
    #[inline(always)]
    pub fn is_ce(&self) -> bool {
        !self.is_as_last && self.headers[IP + 1] & ipv4::ECN_MASK == ipv4::ECN_CE
    }

    fn ports(&self) -> u32 {
        self.u32_at(TCP)
    }

    /// Ours, and the peer's.
    #[inline(always)]
    fn endpoints(&self) -> (Endpoint, Endpoint) {
        let remote = Endpoint { addr: self.addr_at(IP + 12), port: (self.ports() >> 16) as u16 };
        let local = Endpoint { addr: self.addr_at(IP + 16), port: self.ports() as u16 };
        (local, remote)
    }

    #[inline(always)]
    fn addr_at(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.u32_at(at))
    }

    #[inline(always)]
    fn u32_at(&self, at: usize) -> u32 {
        let headers = self.headers;
        u32::from_be_bytes([headers[at], headers[at + 1], headers[at + 2], headers[at + 3]])
    }
}

impl Familiar {
    /// Frames for us on `network`.
    pub fn new(network: &Network) -> Familiar {
        let mut bytes = [0; COMPARED_LEN];
        bytes[..6].copy_from_slice(&network.mac.0);
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);
        bytes[IP] = 0x45;
        bytes[IP + 9] = ipv4::PROTOCOL_TCP;
        bytes[IP + 16..IP + 20].copy_from_slice(&network.addr.octets());
        bytes[TCP + 12] = STAMPED_OFFSET;
        bytes[TCP + 20..TCP + 24].copy_from_slice(&[1, 1, 8, 10]);
        let is_off = network.vlan.is_some();
        Familiar { expected: words(&bytes), is_off, last: (Alike::NOBODY, ConnectionId::NOBODY) }
    }

    /// What is in a frame, if it is familiar.
    #[inline(always)]
    pub fn recognize<'a>(&self, bytes: &'a [u8]) -> Option<Recognized<'a>> {
        let headers = bytes.first_chunk::<HEADERS_LEN>()?;
        // One that was last found familiar is so again; how long TCP's header is, is not among what is alike.
        let is_as_last = self.last.1 != ConnectionId::NOBODY
            && self.last.0.is(&Alike::of(headers))
            && headers[TCP + 12] & 0xf0 == STAMPED_OFFSET;
        if !is_as_last && !self.is_built_so(headers) {
            return None;
        }
        let total_len = usize::from(u16::from_be_bytes([headers[IP + 2], headers[IP + 3]]));
        let packet = bytes.get(IP..IP + total_len)?;
        let payload = packet.get(HEADERS_LEN - IP..)?;
        Some(Recognized { headers, payload, packet, is_as_last })
    }

    /// Whether a frame is for us and has such headers, whoever sent it.
    #[inline(never)]
    fn is_built_so(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        let Some(front) = headers.first_chunk::<COMPARED_LEN>() else { return false };
        let mut difference = u64::from(self.is_off);
        for ((word, expected), mask) in words(front).iter().zip(&self.expected).zip(&MASK) {
            difference |= (word ^ expected) & mask;
        }
        // No station has the hardware address zero.
        let [first, second, ..] = words(front);
        let is_nobody_s = first >> 48 == 0 && second as u32 == 0;
        difference == 0 && !is_nobody_s
    }

    /// The connection of a frame, as far as was known when a frame between the same two endpoints last
    /// was another's than the one before. Whether it is one still shows when the segment is given to it.
    #[inline(always)]
    pub fn connection(&mut self, tcp: &Stack, frame: Recognized<'_>) -> Option<ConnectionId> {
        let id = if frame.is_as_last { self.last.1 } else { self.look_up(tcp, frame) };
        (id != ConnectionId::NOBODY).then_some(id)
    }

    /// The connection of a frame that is another's than the last one.
    #[inline(never)]
    fn look_up(&mut self, tcp: &Stack, frame: Recognized<'_>) -> ConnectionId {
        let (local, remote) = frame.endpoints();
        let id = tcp.established(local, remote).filter(|_| ipv4::is_valid_source(remote.addr));
        let Some(id) = id else { return ConnectionId::NOBODY };
        // Nothing is to be like one that was marked.
        let last = if frame.is_ce() { ConnectionId::NOBODY } else { id };
        self.last = (Alike::of(frame.headers), last);
        id
    }

    /// These frames come next: their connections are fetched together. Worth it where there are
    /// [so many](Stack::is_crowded) that each frame's is far away.
    #[inline(never)]
    pub fn look_ahead<'a>(&self, tcp: &Stack, frames: impl Iterator<Item = &'a [u8]> + Clone) {
        tcp.fetch(frames.filter_map(|bytes| self.recognize(bytes)).map(|frame| frame.endpoints()));
    }

    /// The next frame's connection is looked up.
    pub fn forget(&mut self) {
        self.last.1 = ConnectionId::NOBODY;
    }
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
    use proptest::prelude::*;

    use super::*;
    use crate::emit::Emitter;
    use crate::offload::plan::{Capabilities, Plan};
    use crate::offload::profile::{Policy, Profile};
    use crate::tcp::Transmit;
    use crate::wire::Refusal;
    use crate::wire::ethernet::Mac;
    use crate::wire::tcp::SeqNumber;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
    const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

    fn network(addr: Ipv4Addr, last: u8) -> Network {
        let mac = Mac([2, 0, 0, 0, 0, last]);
        Network { mac, addr, prefix_len: 24, gateway: None, vlan: None, mtu: 1500 }
    }

    fn ours() -> Familiar {
        Familiar::new(&network(OURS, 2))
    }

    fn frame(seed: u32, payload: &[u8], options: Options) -> Vec<u8> {
        let network = network(THEIRS, 1);
        let segment = Transmit {
            connection: None,
            local: network.addr,
            remote: OURS,
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
            seed in any::<u32>(),
            payload in prop::collection::vec(any::<u8>(), 0..64),
            edits in prop::collection::vec((0usize..70, any::<u8>()), 0..3),
            cut in prop::option::of(0usize..140),
        ) {
            let familiar = ours();
            let mut bytes = frame(seed, &payload, stamped(seed));
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
                let read_there = found.segment();
                if read_there.src_port == 0 || read_there.dst_port == 0 {
                    // The long way refuses it; no connection has such a port.
                    return Ok(());
                }
                let (packet, segment, frame) = read(&bytes).expect("the long way takes it too");
                prop_assert_eq!(frame.dst, Mac([2, 0, 0, 0, 0, 2]));
                prop_assert_eq!((frame.vlan, packet.dst), (None, OURS));
                let addrs = u64::from(packet.src.to_bits()) << 32 | u64::from(packet.dst.to_bits());
                let ports = u32::from(segment.src_port) << 16 | u32::from(segment.dst_port);
                let there = found.packet();
                let theirs = (found.addr_at(IP + 12).to_bits(), found.addr_at(IP + 16).to_bits());
                prop_assert_eq!((theirs.0, theirs.1), ((addrs >> 32) as u32, addrs as u32));
                prop_assert_eq!(found.ports(), ports);
                prop_assert_eq!((packet.src, packet.dst), (there.src, there.dst));
                prop_assert_eq!(packet.header, there.header);
                prop_assert_eq!(packet.payload, there.payload);
                prop_assert_eq!(packet.protocol, there.protocol);
                prop_assert_eq!(found.tcp().bytes(), packet.payload);
                prop_assert_eq!(found.tcp().segment().unwrap().payload, segment.payload);
                prop_assert_eq!(found.payload(), segment.payload);
                prop_assert_eq!(format!("{read_there:?}"), format!("{segment:?}"));
                let stamped = found.stamped();
                prop_assert_eq!((stamped.seq(), stamped.ack()), (segment.seq, segment.ack));
                prop_assert_eq!((stamped.flags(), stamped.window()), (segment.flags, segment.window));
                let value = segment.options.timestamps.map(|stamps| stamps.value);
                prop_assert_eq!((Some(stamped.stamp()), stamped.payload_len()), (value, segment.payload.len()));
            }
        }
    }

    #[test]
    fn only_headers_with_timestamps_and_nothing_else_are_familiar() {
        let sack = Some(tcp::SackBlocks::of(SeqNumber(1), SeqNumber(2)));
        let familiar = ours();
        assert!(familiar.recognize(&frame(1, b"x", Options { sack, ..stamped(1) })).is_none());
        assert!(familiar.recognize(&frame(1, b"no options at all here", Options::NONE)).is_none());
        let stamped = frame(1, b"x", stamped(1));
        assert!(familiar.recognize(&stamped[..60]).is_none());
        assert!(familiar.recognize(&stamped).is_some());
        let tagged = Familiar::new(&Network { vlan: Some(5), ..network(OURS, 2) });
        assert!(tagged.recognize(&stamped).is_none());
    }

    #[test]
    fn a_frame_is_its_connection_s_whoever_s_the_last_one_was_and_nobody_s_once_that_is_over() {
        let now = crate::time::Instant::from_ms(1);
        let mut stack = Stack::new(crate::tcp::Config::default(), [7; 16]);
        let mut familiar = ours();
        let first = frame(1, b"x", stamped(1));
        assert_eq!(familiar.connection(&stack, familiar.recognize(&first).unwrap()), None);
        let mut ids = Vec::new();
        let mut frames = Vec::new();
        for port in [50_000, 50_001] {
            let local = Endpoint { addr: OURS, port };
            let remote = Endpoint { addr: THEIRS, port: 9878 };
            ids.push(stack.connect(now, local, remote).unwrap());
            let syn = stack.poll_transmit(now).unwrap().header;
            let mut bytes = frame(1, b"x", stamped(1));
            bytes[TCP + 2..TCP + 4].copy_from_slice(&port.to_be_bytes());
            frames.push(bytes);
            let found = familiar.recognize(&frames[ids.len() - 1]).unwrap();
            assert_eq!(familiar.connection(&stack, found), None, "it is not established yet");
            let timestamps = syn.options.timestamps.map(|_| Timestamps { value: 1, echo: 1 });
            let answer = Segment {
                src_port: 9878,
                dst_port: port,
                seq: SeqNumber(7),
                ack: syn.seq + 1,
                flags: Flags::SYN.with(Flags::ACK),
                window: 1_000,
                options: Options { timestamps, ..Options::NONE },
                payload: &[],
                is_ce: false,
            };
            stack.on_segment(now, THEIRS, OURS, &answer);
            while stack.poll_transmit(now).is_some() {}
        }
        for turn in [0, 1, 1, 0] {
            let found = familiar.recognize(&frames[turn]).unwrap();
            assert_eq!(familiar.connection(&stack, found), Some(ids[turn]));
        }
        let mut another_s = frames[0].clone();
        another_s[IP + 15] ^= 8;
        let found = familiar.recognize(&another_s).unwrap();
        assert_eq!(familiar.connection(&stack, found), None, "another address, the same ports");
        stack.abort(now, ids[0]);
        let found = familiar.recognize(&frames[0]).unwrap();
        assert_eq!(familiar.connection(&stack, found), Some(ids[0]), "nobody has looked");
        assert!(!stack.take_predicted(now, ids[0], found.stamped()), "nothing is to come");
        familiar.forget();
        assert_eq!(familiar.connection(&stack, found), None);
    }
}
