//! Steps 5 and 6 at once for the frame that nearly every frame is: Ethernet without a tag, IPv4 without
//! options, TCP with timestamps and nothing else, for us.
//!
//! One masked comparison proves that, and with it all that reading the headers one by one would prove.
//! Whose frame it is, is looked up once in a row of one connection's. Whatever is not familiar is read
//! the long way, which decides what it is.

use core::net::Ipv4Addr;

use crate::neighbor::Network;
use crate::tcp::{ConnectionId, Ends, FETCHED_MAX, Stack};
use crate::wire::stamped::{STAMPED_HEADER_LEN, Stamped};
use crate::wire::tcp::{Flags, Options, Segment, Timestamps};
use crate::wire::{ethernet, ipv4, tcp};

/// Ethernet without a tag, IPv4 without options, TCP with timestamps and nothing else.
const HEADERS_LEN: usize = TCP + STAMPED_HEADER_LEN;
const IP: usize = ethernet::HEADER_LEN;
const TCP: usize = IP + ipv4::HEADER_LEN;
/// Such a header's length, as it says it.
const STAMPED_OFFSET: u8 = ((STAMPED_HEADER_LEN / 4) << 4) as u8;

/// EtherType, and IPv4's version and length, as they lie in memory, DSCP and ECN zero.
const IPV4: u32 = u32::from_ne_bytes([0x08, 0x00, 0x45, 0]);
const IPV4_MASK: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
/// No fragment, and TCP in it. Don't Fragment may be set or not, and any Time To Live does.
const WHOLE: u32 = u32::from_ne_bytes([0, 0, 0, ipv4::PROTOCOL_TCP]);
const WHOLE_MASK: u32 = u32::from_ne_bytes([0x3f, 0xff, 0, 0xff]);
/// Two that do nothing, and timestamps: kind and length (RFC 7323 appendix A).
const OPTIONS: u32 = u32::from_ne_bytes([1, 1, 8, 10]);
/// To whom on the link, and that it is from one station.
const LINK_MASK: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]);

/// So many frames are [looked ahead](Familiar::look_ahead) at, at most.
pub const FRAMES_AHEAD: usize = FETCHED_MAX;

/// How frames look that are for us.
#[derive(Debug)]
pub struct Familiar {
    /// Our hardware address, and our address, as they lie in memory.
    link: u64,
    addr: u32,
    /// Not zero where no frame is familiar: ours are tagged.
    off: u32,
    /// How a frame [begins](Familiar::begins_so) that may be familiar: the last one that was seen to.
    begun: [u64; 2],
    /// What the headers of two frames in a row were, and whose they are.
    last: (Alike, ConnectionId),
    /// Whose the frame was that was last looked up.
    looked_up: ConnectionId,
}

/// What is the same in the headers of all frames of a connection, as long as none comes another way: hardware
/// addresses, EtherType, IPv4's length and DSCP; its flags, Time To Live and protocol; addresses; ports; and
/// TCP's options but for their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alike {
    link: [u64; 2],
    /// In the lower half.
    way: u64,
    addresses: u64,
    ports: u32,
    options: u32,
}

impl Alike {
    /// Of no frame at all.
    const NOBODY: Alike = Alike { link: [0; 2], way: u64::MAX, addresses: 0, ports: 0, options: 0 };

    #[inline(always)]
    fn of(headers: &[u8; HEADERS_LEN]) -> Alike {
        Alike {
            link: [u64_at(headers, 0), u64_at(headers, 8)],
            way: u64::from(u32_at(headers, IP + 6)),
            addresses: u64_at(headers, IP + 12),
            ports: u32_at(headers, TCP),
            options: u32_at(headers, TCP + 20),
        }
    }

    /// Whether nothing differs: ports, which do first, and the rest by one comparison, not one after the other.
    #[inline(always)]
    fn is_of(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        let other = Alike::of(headers);
        let wide = (self.link[0] ^ other.link[0])
            | (self.link[1] ^ other.link[1])
            | (self.addresses ^ other.addresses)
            | (self.way ^ other.way);
        self.ports == other.ports && wide | u64::from(self.options ^ other.options) == 0
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
    /// Both, and what pads them.
    padded: &'a [u8],
}

impl<'a> Recognized<'a> {
    /// The IPv4 packet.
    #[inline(always)]
    pub fn packet(&self) -> ipv4::Packet<'a> {
        let (header, payload) = self.bytes()[IP..].split_at(ipv4::HEADER_LEN);
        let (src, dst) = (self.addr_at(IP + 12), self.addr_at(IP + 16));
        ipv4::Packet { src, dst, protocol: ipv4::Protocol::Tcp, header, payload }
    }

    /// The bytes of its segment.
    #[inline(always)]
    pub fn tcp(&self) -> tcp::Packet<'a> {
        tcp::Packet::of(&self.bytes()[TCP..], STAMPED_HEADER_LEN)
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
            is_ce: false,
        }
    }

    /// The segment's payload.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Headers and payload, without what pads them.
    #[inline(always)]
    pub fn bytes(&self) -> &'a [u8] {
        &self.padded[..HEADERS_LEN + self.payload.len()]
    }

    /// Whether it is between the two ends of a connection, unless that is over.
    fn may_be_of(&self, tcp: &Stack, id: ConnectionId) -> bool {
        tcp.info(id).is_none_or(|info| {
            let (src, dst) = (self.addr_at(IP + 12), self.addr_at(IP + 16));
            let ports = u32::from(info.remote.port) << 16 | u32::from(info.local.port);
            (src, dst, self.ports()) == (info.remote.addr, info.local.addr, ports)
        })
    }

    fn ports(&self) -> u32 {
        self.u32_at(TCP)
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
        let [a, b, c, d, e, f] = network.mac.0;
        Familiar {
            link: u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]),
            addr: u32::from_ne_bytes(network.addr.octets()),
            off: u32::from(network.vlan.is_some()),
            // One that would be seen to: what is compared with it goes by it.
            begun: [
                u64::from_ne_bytes([a, b, c, d, e, f, 2, 0]),
                u64::from_ne_bytes([0, 0, 0, 0, 0x08, 0x00, 0x45, 0]),
            ],
            last: (Alike::NOBODY, ConnectionId::NOBODY),
            looked_up: ConnectionId::NOBODY,
        }
    }

    /// What is in a frame, if it is familiar.
    #[inline(always)]
    pub fn recognize<'a>(&self, bytes: &'a [u8]) -> Option<Recognized<'a>> {
        let (headers, behind) = bytes.split_first_chunk()?;
        let payload = payload_of(headers, behind)?;
        let is_familiar = self.is_as_last(headers) || self.is_built_so(headers);
        is_familiar.then_some(Recognized { headers, payload, padded: bytes })
    }

    /// The same, and the frame's connection, as far as was known when frames between the same two endpoints were last
    /// looked up. Whether it is one still shows when the segment is given to it.
    #[inline(always)]
    pub fn find<'a>(
        &mut self,
        tcp: &Stack,
        bytes: &'a [u8],
    ) -> Option<(Recognized<'a>, ConnectionId)> {
        let (headers, behind) = bytes.split_first_chunk()?;
        let payload = payload_of(headers, behind)?;
        let frame = Recognized { headers, payload, padded: bytes };
        if self.is_as_last(headers) {
            return Some((frame, self.last.1));
        }
        let id = self.find_another(tcp, headers);
        if id == ConnectionId::NOBODY { None } else { Some((frame, id)) }
    }

    /// The same of a frame that was [looked ahead](Familiar::look_ahead) at, and of which that found out that it is
    /// `whose`. That it is familiar was seen then; a frame does not change.
    #[inline(always)]
    pub fn find_known<'a>(
        &mut self,
        tcp: &Stack,
        bytes: &'a [u8],
        whose: ConnectionId,
    ) -> Option<(Recognized<'a>, ConnectionId)> {
        if whose == ConnectionId::NOBODY {
            return self.find(tcp, bytes);
        }
        debug_assert!(self.recognize(bytes).is_some(), "not what was looked ahead at");
        let (headers, behind) = bytes.split_first_chunk()?;
        let payload = payload_of(headers, behind)?;
        let frame = Recognized { headers, payload, padded: bytes };
        // Which costs time alone: nothing of a frame fits another's connection.
        debug_assert!(frame.may_be_of(tcp, whose), "another frame's connection");
        Some((frame, whose))
    }

    /// Whether headers are the last frame's but for what differs: one that was found familiar is so again. How long TCP's
    /// header is, is not among what is alike.
    #[inline(always)]
    fn is_as_last(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        self.last.0.is_of(headers) && has_stamped_len(headers)
    }

    /// Whether a frame is for us and has such headers, whoever sent it.
    #[inline(always)]
    fn is_built_so(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        self.goes_on_so(headers) && self.begins_so(headers)
    }

    /// The same, quicker where it begins as the last one that was seen to.
    #[inline(always)]
    fn is_built_so_again(&mut self, headers: &[u8; HEADERS_LEN]) -> bool {
        let [first, second] = beginning(headers);
        let differs = (first ^ self.begun[0]) | (second ^ self.begun[1]);
        self.goes_on_so(headers) && (differs == 0 || self.begins_anew(headers))
    }

    #[inline(never)]
    fn begins_anew(&mut self, headers: &[u8; HEADERS_LEN]) -> bool {
        let begins_so = self.begins_so(headers);
        if begins_so {
            self.begun = beginning(headers);
        }
        begins_so
    }

    /// Whether its [beginning] is that of a frame for us, by a station, of IPv4 without options.
    #[inline(always)]
    fn begins_so(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        let narrow = (u32_at(headers, IP - 2) ^ IPV4) & IPV4_MASK;
        let wide = (u64_at(headers, 0) ^ self.link) & LINK_MASK;
        // No station has the hardware address zero.
        let is_nobody_s = headers[6..12] == [0; 6];
        // One that the network marked instead of dropping it (RFC 3168 5, CE) is seldom.
        let is_ce = headers[IP + 1] & ipv4::ECN_MASK == ipv4::ECN_CE;
        wide | u64::from(narrow) == 0 && !is_nobody_s && !is_ce
    }

    /// Whether what follows is that of a whole packet for us, of TCP with timestamps and nothing else.
    #[inline(always)]
    fn goes_on_so(&self, headers: &[u8; HEADERS_LEN]) -> bool {
        let differs = (u32_at(headers, IP + 6) ^ WHOLE) & WHOLE_MASK
            | (u32_at(headers, IP + 16) ^ self.addr)
            | (u32_at(headers, TCP + 20) ^ OPTIONS)
            | self.off;
        differs == 0 && has_stamped_len(headers)
    }

    /// The connection of a frame whose headers are not the last one's, if it is familiar.
    #[inline(never)]
    fn find_another(&mut self, tcp: &Stack, headers: &[u8; HEADERS_LEN]) -> ConnectionId {
        if !self.is_built_so_again(headers) {
            return ConnectionId::NOBODY;
        }
        let id = tcp.established(ends(headers)).filter(|_| has_valid_source(headers));
        let Some(id) = id else { return ConnectionId::NOBODY };
        // Where each frame is another's, none is worth to be remembered.
        if self.looked_up == id {
            self.last = (Alike::of(headers), id);
        }
        self.looked_up = id;
        id
    }

    /// These frames come next: their connections are fetched together. Worth it where there are
    /// [so many](Stack::is_crowded) that each frame's is far away.
    ///
    /// Says whose each of them is, for [`find_known`](Familiar::find_known): nobody's, where a frame is not
    /// familiar, or not of a connection that is simply established yet. What becomes of a connection before a frame's
    /// turn has come shows when the segment is given to it.
    #[inline(never)]
    pub fn look_ahead<'a>(
        &mut self,
        tcp: &Stack,
        frames: impl Iterator<Item = &'a [u8]>,
    ) -> [ConnectionId; FRAMES_AHEAD] {
        tcp.fetch(frames.map(|bytes| self.ends_of(bytes).unwrap_or(Ends::NOBODY)))
    }

    /// Between whom a frame is, if it is familiar.
    #[inline(always)]
    fn ends_of(&mut self, bytes: &[u8]) -> Option<Ends> {
        let (headers, behind) = bytes.split_first_chunk()?;
        payload_of(headers, behind)?;
        let is_familiar = self.is_built_so_again(headers) && has_valid_source(headers);
        is_familiar.then(|| ends(headers))
    }

    /// The next frame's connection is looked up.
    pub fn forget(&mut self) {
        (self.last, self.looked_up) = ((Alike::NOBODY, ConnectionId::NOBODY), ConnectionId::NOBODY);
    }
}

/// The payload between headers and padding, where there is as much.
#[inline(always)]
fn payload_of<'a>(headers: &[u8; HEADERS_LEN], behind: &'a [u8]) -> Option<&'a [u8]> {
    let total_len = usize::from(u16::from_be_bytes([headers[IP + 2], headers[IP + 3]]));
    // Of one that is shorter than its headers, more than there is.
    behind.get(..total_len.wrapping_sub(HEADERS_LEN - IP))
}

/// Hardware addresses, EtherType, and IPv4's version, length, DSCP and ECN, which are the same in all frames of a station
/// but for the last two.
#[inline(always)]
fn beginning(headers: &[u8; HEADERS_LEN]) -> [u64; 2] {
    [u64_at(headers, 0), u64_at(headers, 8)]
}

#[inline(always)]
fn has_stamped_len(headers: &[u8; HEADERS_LEN]) -> bool {
    headers[TCP + 12] & 0xf0 == STAMPED_OFFSET
}

#[inline(always)]
fn ends(headers: &[u8; HEADERS_LEN]) -> Ends {
    Ends::of_headers(u64_at(headers, IP + 12), u32_at(headers, TCP))
}

#[inline(always)]
fn has_valid_source(headers: &[u8; HEADERS_LEN]) -> bool {
    ipv4::is_valid_source(Ipv4Addr::from_bits(u32::from_be(u32_at(headers, IP + 12))))
}

#[cfg(test)]
mod bursts;

#[cfg(test)]
mod tests;
