//! Step 8 of the path: frames to send, and the one place where a checksum is finished or left to
//! the device, as the plan says.

mod prepared;
mod template;

use crate::neighbor::Network;
use crate::offload::capability::Capability;
use crate::offload::checksum::{Avx2, Sum, copy_and_sum, whole_lanes};
use crate::offload::nic::{TxChecksum, TxMeta};
use crate::offload::plan::Plan;
use crate::tcp::{ConnectionId, FastTurn, RestKind, Stack, Transmit, Turn};
use crate::time::Instant;
use crate::wire::ethernet::{Ethertype, FRAME_LEN_MIN, Mac, MacWord};
use crate::wire::{Refusal, arp, ethernet, icmp, ipv4, tcp};
use template::{Key, Template};

pub use prepared::PreparedHeaders;

/// Writes frames by the plan.
#[derive(Clone, Debug)]
pub struct Emitter {
    network: Network,
    ipv4: TxChecksum,
    tcp: TxChecksum,
    /// What is said of a segment by the [usual](Template::write_usual) headers.
    usual: TxMeta,
    way: Way,
    templates: Box<[Template]>,
}

/// How the usual segment is written. By lanes, bytes behind the frame are written over where there is room: they are of none.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Both sums are left to the device.
    LeftByLanes(Avx2),
    /// Neither is.
    SummedByLanes(Avx2),
    Any,
}

impl Way {
    fn by(ipv4: TxChecksum, tcp: TxChecksum) -> Way {
        match (Avx2::find(), ipv4, tcp) {
            (Some(avx2), TxChecksum::Partial, TxChecksum::Partial) => Way::LeftByLanes(avx2),
            (Some(avx2), TxChecksum::Full, TxChecksum::Full) => Way::SummedByLanes(avx2),
            _ => Way::Any,
        }
    }
}

/// Headers that are kept for their next segment unless asked otherwise: one for each connection, as long as
/// not two share a place.
const TEMPLATES: usize = 64;

/// A frame that has been written: its length, and what the device is to do with it.
pub type Written = (usize, TxMeta);

impl Emitter {
    /// An emitter for a device that runs by `plan`, on `network`.
    pub fn new(plan: &Plan, network: Network) -> Emitter {
        let by_plan = |capability| {
            if plan.uses(capability) { TxChecksum::Partial } else { TxChecksum::Full }
        };
        let ipv4 = by_plan(Capability::TxIpv4Checksum);
        let tcp = by_plan(Capability::TxTcpChecksum);
        Emitter {
            network,
            ipv4,
            tcp,
            usual: template::usual_meta(ipv4, tcp),
            way: Way::by(ipv4, tcp),
            templates: vec![Template::default(); TEMPLATES].into_boxed_slice(),
        }
    }

    /// The same with a place for the headers of each of so many connections.
    #[must_use]
    pub fn for_connections(mut self, connections_max: usize) -> Emitter {
        self.templates = vec![Template::default(); connections_max.max(1)].into_boxed_slice();
        self
    }

    /// What is left to the device.
    #[inline]
    pub fn leaves_to_device(&self) -> [Option<Capability>; 2] {
        let left = |field, capability| (field == TxChecksum::Partial).then_some(capability);
        [left(self.ipv4, Capability::TxIpv4Checksum), left(self.tcp, Capability::TxTcpChecksum)]
    }

    /// Writes a segment: headers, then the payload in the one pass that also sums it where the
    /// device does not.
    ///
    /// # Panics
    /// If `out` is shorter than the frame; the connection's MSS keeps it within the MTU.
    #[inline(always)]
    pub fn tcp(&mut self, dst: Mac, segment: &Transmit<'_>, out: &mut [u8]) -> Written {
        let Some(key) = Key::of(dst, segment) else {
            // A copy, so that nothing but this needs it in memory.
            let segment = *segment;
            return self.tcp_anew(dst, &segment, out);
        };
        let place = key.place(self.templates.len());
        let template = &mut self.templates[place];
        if !template.is_for(&key) {
            let segment = *segment;
            *template = Template::new(key, &self.network, dst, &segment);
            if !key.is_at(place) {
                template.share_place();
            }
        }
        let fields = (self.ipv4, self.tcp);
        let headers = template.write(&segment.header, payload_len(segment), fields, out);
        finish(&headers, segment.payload, fields, out)
    }

    /// Writes the segment of whose turn it is, if there is one: as [`Stack::transmit`] and
    /// [`tcp`](Emitter::tcp) would together, and what nearly every segment is in one go.
    ///
    /// # Panics
    /// If `out` is shorter than the frame.
    #[inline]
    pub fn turn(
        &mut self,
        dst: Mac,
        stack: &mut Stack,
        now: Instant,
        turn: Turn,
        out: &mut [u8],
    ) -> Option<Written> {
        if let Some(ack) = stack.ack_alone(turn) {
            if let Some(len) = self.ack_alone(MacWord::of(dst), stack, now, ack, out) {
                return Some((len, self.usual));
            }
        } else if let Some(leaving) = stack.next_fast(now)
            && let Some(len) = self.usual(MacWord::of(dst), leaving, out)
        {
            return Some((len, self.usual));
        }
        let (len, meta) = self.turn_of_any(dst, stack, now, turn, out)?;
        Some((len as usize, meta))
    }

    /// Writes a segment that leaves by the shortest way, on a connection that has sent one before: says how long the frame
    /// is. What the device is to do with it is [said of all such](Emitter::usual_meta). `None` where nothing has happened:
    /// [`turn`](Emitter::turn) knows.
    #[inline(always)]
    pub fn usual(&self, dst: MacWord, leaving: FastTurn<'_>, out: &mut [u8]) -> Option<usize> {
        let connection = leaving.connection();
        let template = self.templates.get(connection.index())?;
        if !template.is_usual_for(dst, connection) {
            return None;
        }
        let len = leaving.payload_len();
        let whole = whole_lanes(len);
        match self.way {
            Way::LeftByLanes(avx2) => {
                if let Some(frame) = out.get_mut(..template::USUAL_LEN + whole)
                    && leaving.payload_and_behind(whole).is_some()
                {
                    return Some(template.write_left_by(avx2, leaving, frame));
                }
            }
            Way::SummedByLanes(avx2) => {
                if let Some(frame) = out.get_mut(..template::USUAL_LEN + whole)
                    && leaving.payload_and_behind(whole).is_some()
                {
                    return Some(template.write_summed_by(avx2, leaving, frame));
                }
            }
            Way::Any => {}
        }
        let frame = out.get_mut(..template::USUAL_LEN + len)?;
        Some(template.write_usual(leaving, &self.usual, frame))
    }

    /// Has the headers fetched that are kept for a connection, which is about to send.
    #[inline(always)]
    pub fn fetch(&self, connection: ConnectionId) {
        if let Some(template) = self.templates.get(connection.index()) {
            template.fetch();
        }
    }

    /// The same of an ACK that is all there is to send.
    #[inline(always)]
    fn ack_alone(
        &self,
        dst: MacWord,
        stack: &mut Stack,
        now: Instant,
        ack: RestKind,
        out: &mut [u8],
    ) -> Option<usize> {
        let template = self.templates.get(ack.connection.index())?;
        if !template.is_usual_for(dst, ack.connection) {
            return None;
        }
        let headers = out.first_chunk_mut()?;
        Some(template.write_usual_ack(
            &stack.transmit_ack_alone(now, ack).header,
            &self.usual,
            headers,
        ))
    }

    /// Writes an ACK that may tell of what is held, as [`ack_alone`](Emitter::ack_alone) does one that does not.
    #[inline(always)]
    fn ack_with_blocks(
        &self,
        dst: MacWord,
        stack: &mut Stack,
        now: Instant,
        ack: RestKind,
        out: &mut [u8],
    ) -> Option<Written> {
        let template = self.templates.get(ack.connection.index())?;
        if !template.is_usual_for(dst, ack.connection) {
            return None;
        }
        let (headers, behind) = out.split_first_chunk_mut()?;
        let behind = behind.first_chunk_mut()?;
        let (ack, blocks) = stack.transmit_with_blocks(now, ack);
        let Some(blocks) = blocks else {
            return Some((template.write_usual_ack(&ack.header, &self.usual, headers), self.usual));
        };
        let l4_len =
            template.write_usual_blocks(&ack.header, &blocks, &self.usual, headers, behind);
        let meta = TxMeta { l4_len: l4_len as u8, ..self.usual };
        Some((usize::from(meta.l2_len) + usize::from(meta.l3_len) + l4_len, meta))
    }

    /// What the device is to do with such a frame.
    #[inline(always)]
    pub fn usual_meta(&self) -> TxMeta {
        self.usual
    }

    /// Writes a segment that has blocks, or by a template that is not there yet, or by none. What it says goes by
    /// registers.
    #[inline(never)]
    fn turn_of_any(
        &mut self,
        dst: Mac,
        stack: &mut Stack,
        now: Instant,
        turn: Turn,
        out: &mut [u8],
    ) -> Option<(u32, TxMeta)> {
        if let Some(ack) = stack.ack_with_blocks(turn)
            && let Some((len, meta)) = self.ack_with_blocks(MacWord::of(dst), stack, now, ack, out)
        {
            return Some((len as u32, meta));
        }
        let segment = match stack.rest(turn) {
            Some(kind) => stack.transmit_rest(now, kind).transmit(kind),
            None => stack.transmit(now, turn)?,
        };
        let (len, meta) = self.tcp(dst, &segment, out);
        Some((len as u32, meta))
    }

    /// Writes a segment whose headers cannot be kept.
    #[inline(never)]
    fn tcp_anew(&self, dst: Mac, segment: &Transmit<'_>, out: &mut [u8]) -> Written {
        let len = payload_len(segment);
        let headers = write_headers(&self.network, dst, segment, len, self.ipv4, out);
        finish(&headers, segment.payload, (self.ipv4, self.tcp), out)
    }

    /// Writes the answer to an echo request of `to`.
    ///
    /// # Errors
    /// [`Refusal::IcmpTooLongToEcho`].
    pub fn echo_reply(
        &self,
        dst: Mac,
        to: core::net::Ipv4Addr,
        data: &[u8],
        out: &mut [u8],
    ) -> Result<Written, Refusal> {
        let network = &self.network;
        let l2_len = link(network, dst, Ethertype::Ipv4).emit(out);
        let room = usize::from(network.mtu).min(out.len() - l2_len);
        let body = out.get_mut(l2_len + ipv4::HEADER_LEN..l2_len + room);
        let payload_len = icmp::emit_echo_reply(data, body.unwrap_or_default())?;
        let packet = ipv4::Repr {
            src: network.addr,
            dst: to,
            protocol: ipv4::Protocol::Icmp,
            payload_len,
            is_ect: false,
        };
        let l3_len = packet.emit(&mut out[l2_len..], self.ipv4 == TxChecksum::Partial);
        let meta = TxMeta {
            l2_len: l2_len as u8,
            l3_len: l3_len as u8,
            ipv4: self.ipv4,
            ..TxMeta::default()
        };
        Ok((padded(l2_len + l3_len + payload_len, out), meta))
    }
}

/// The headers of a segment, written but for the TCP checksum: their lengths in bytes, and the sums of
/// the pseudo-header and of TCP's.
struct Headers {
    l2_len: usize,
    l3_len: usize,
    l4_len: usize,
    pseudo: Sum,
    l4: Sum,
}

fn payload_len(segment: &Transmit<'_>) -> usize {
    let [first, second] = segment.payload;
    first.len() + second.len()
}

/// Writes the payload behind the headers, and the TCP checksum.
#[inline(always)]
fn finish(
    headers: &Headers,
    payload: [&[u8]; 2],
    (ipv4, tcp): (TxChecksum, TxChecksum),
    out: &mut [u8],
) -> Written {
    let payload_len = payload[0].len() + payload[1].len();
    let l4 = &mut out[headers.l2_len + headers.l3_len..][..headers.l4_len + payload_len];
    let (header, room) = l4.split_at_mut(headers.l4_len);
    let field = put_payload(payload, headers.pseudo, headers.l4, tcp, room);
    header[tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_be_bytes());
    let meta = TxMeta {
        l2_len: headers.l2_len as u8,
        l3_len: headers.l3_len as u8,
        l4_len: headers.l4_len as u8,
        ipv4,
        tcp,
        stamp_token: 0,
    };
    let len = headers.l2_len + headers.l3_len + headers.l4_len + payload_len;
    (padded(len, out), meta)
}

/// Writes the payload to the front of `room`. Says what the TCP checksum field is to hold, with the sums of
/// the pseudo-header and of TCP's as given.
#[inline(always)]
fn put_payload(payload: [&[u8]; 2], pseudo: Sum, l4: Sum, tcp: TxChecksum, room: &mut [u8]) -> u16 {
    match tcp {
        TxChecksum::Partial => {
            copy_payload(payload, room);
            pseudo.folded()
        }
        TxChecksum::Full => sum_payload(payload, pseudo.plus(l4), room),
    }
}

/// Writes the payload to the front of `room`.
#[inline(always)]
fn copy_payload([first, second]: [&[u8]; 2], room: &mut [u8]) {
    room[..first.len()].copy_from_slice(first);
    if !second.is_empty() {
        room[first.len()..][..second.len()].copy_from_slice(second);
    }
}

/// The same, and the checksum of it and what was `summed` before.
#[inline(always)]
fn sum_payload([first, second]: [&[u8]; 2], summed: Sum, room: &mut [u8]) -> u16 {
    let sum = summed.plus(copy_and_sum(first, room));
    if second.is_empty() {
        return sum.checksum();
    }
    let rest = copy_and_sum(second, &mut room[first.len()..]);
    let odd = first.len() % 2 == 1;
    (if odd { sum.plus_at_odd_offset(rest) } else { sum.plus(rest) }).checksum()
}

/// Writes a segment's headers field by field, the TCP checksum zero.
fn write_headers(
    network: &Network,
    dst: Mac,
    segment: &Transmit<'_>,
    payload_len: usize,
    ipv4: TxChecksum,
    out: &mut [u8],
) -> Headers {
    let l4_len = segment.header.header_len();
    let packet = ipv4::Repr {
        src: segment.local,
        dst: segment.remote,
        protocol: ipv4::Protocol::Tcp,
        payload_len: l4_len + payload_len,
        is_ect: segment.is_ect,
    };
    let l2_len = link(network, dst, Ethertype::Ipv4).emit(out);
    let l3_len = packet.emit(&mut out[l2_len..], ipv4 == TxChecksum::Partial);
    segment.header.emit(&mut out[l2_len + l3_len..]);
    let l4 = Sum::of(&out[l2_len + l3_len..][..l4_len]);
    let (src, dst) = (segment.local.octets(), segment.remote.octets());
    let pseudo = Sum::of_tcp_pseudo_header(src, dst, (l4_len + payload_len) as u16);
    Headers { l2_len, l3_len, l4_len, pseudo, l4 }
}

/// Writes an ARP packet.
///
/// # Panics
/// If `out` is shorter than the shortest Ethernet frame.
pub fn arp(network: &Network, dst: Mac, packet: &arp::Repr, out: &mut [u8]) -> Written {
    let l2_len = link(network, dst, Ethertype::Arp).emit(out);
    let len = l2_len + packet.emit(&mut out[l2_len..]);
    (padded(len, out), TxMeta { l2_len: l2_len as u8, ..TxMeta::default() })
}

fn link(network: &Network, dst: Mac, ethertype: Ethertype) -> ethernet::Repr {
    ethernet::Repr { dst, src: network.mac, vlan: network.vlan, ethertype }
}

/// Zeroes what a short frame lacks: no NIC is left to send whatever was in the buffer.
fn padded(len: usize, out: &mut [u8]) -> usize {
    if len < FRAME_LEN_MIN {
        out[len..FRAME_LEN_MIN].fill(0);
    }
    len.max(FRAME_LEN_MIN)
}

#[cfg(test)]
mod usual;

#[cfg(test)]
mod tests;
