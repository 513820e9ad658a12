//! The frame of a prepared send: headers that stand in it before there is a payload, so that what is left is
//! lengths, our timestamp and sums.

use super::template::{IP, TCP, TOTAL_LENGTH_OFFSET, USUAL_LEN, plus_len};
use super::{Emitter, Written, padded, write_headers};
use crate::offload::checksum::Sum;
use crate::offload::nic::{TxChecksum, TxMeta};
use crate::tcp::{Prepared, Transmit};
use crate::wire::ethernet::Mac;
use crate::wire::tcp::{self, Timestamps};
use crate::wire::{ethernet, ipv4};

/// The longest headers of a prepared send, in bytes: one VLAN tag, no IPv4 options, timestamps.
const HEADERS_LEN_MAX: usize =
    ethernet::HEADER_LEN + ethernet::TAG_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN + 12;

/// Headers as they stand in a frame that waits for its payload.
#[derive(Clone, Copy, Debug)]
pub struct PreparedHeaders {
    dst: Mac,
    l2_len: usize,
    l4_len: usize,
    /// They are [as nearly every segment's](USUAL_LEN).
    is_usual: bool,
    /// Of the IPv4 header, Total Length and checksum zero.
    ipv4: Sum,
    /// Of the pseudo-header, its length zero.
    pseudo: Sum,
    /// The same folded, as it lies in memory.
    pseudo_field: u16,
    /// Of the TCP header, our timestamp and checksum zero.
    l4: Sum,
}

impl PreparedHeaders {
    /// To whom they are addressed on the link.
    pub fn dst(&self) -> Mac {
        self.dst
    }

    /// Where the payload begins in the frame.
    #[inline(always)]
    pub fn payload_at(&self) -> usize {
        self.l2_len + ipv4::HEADER_LEN + self.l4_len
    }
}

impl Emitter {
    /// Writes the headers of a prepared send for `dst` to the front of `out`.
    ///
    /// # Panics
    /// If `out` is shorter than the headers.
    pub fn prepare(&self, dst: Mac, prepared: &Prepared, out: &mut [u8]) -> PreparedHeaders {
        let (local, remote) = prepared.addresses();
        let mut header = *prepared.header();
        if let Some(timestamps) = &mut header.options.timestamps {
            timestamps.value = 0;
        }
        let segment = Transmit {
            connection: Some(prepared.connection()),
            local,
            remote,
            header,
            payload: [&[], &[]],
            retransmission: false,
            is_ect: prepared.is_ect(),
        };
        let mut bytes = [0; HEADERS_LEN_MAX];
        let headers =
            write_headers(&self.network, dst, &segment, 0, TxChecksum::Partial, &mut bytes);
        let ip = &mut bytes[headers.l2_len..][..ipv4::HEADER_LEN];
        ip[TOTAL_LENGTH_OFFSET..][..2].fill(0);
        let ipv4 = Sum::of(ip);
        let len = headers.l2_len + headers.l3_len + headers.l4_len;
        out[..len].copy_from_slice(&bytes[..len]);
        let pseudo = Sum::of_tcp_pseudo_header(local.octets(), remote.octets(), 0);
        PreparedHeaders {
            dst,
            l2_len: headers.l2_len,
            l4_len: headers.l4_len,
            is_usual: (headers.l2_len, headers.l4_len) == (IP, USUAL_LEN - TCP),
            ipv4,
            pseudo,
            pseudo_field: pseudo.folded().to_be(),
            l4: headers.l4,
        }
    }

    /// Where the payload of a segment begins in its frame.
    pub(crate) fn payload_at(&self, segment: &Transmit<'_>) -> usize {
        let tag = if self.network.vlan.is_some() { ethernet::TAG_LEN } else { 0 };
        ethernet::HEADER_LEN + tag + ipv4::HEADER_LEN + segment.header.header_len()
    }

    /// Writes the headers of a segment before its payload, which [is there](Emitter::payload_at) already, as long as
    /// `payload_len` says. What the segment itself has for a payload is not looked at.
    ///
    /// # Panics
    /// If `out` is shorter than the frame.
    pub(crate) fn again(
        &self,
        dst: Mac,
        segment: &Transmit<'_>,
        payload_len: usize,
        out: &mut [u8],
    ) -> Written {
        let headers = write_headers(&self.network, dst, segment, payload_len, self.ipv4, out);
        let (l2_len, l3_len, l4_len) = (headers.l2_len, headers.l3_len, headers.l4_len);
        let l4 = &mut out[l2_len + l3_len..][..l4_len + payload_len];
        let field = match self.tcp {
            TxChecksum::Partial => headers.pseudo.folded(),
            TxChecksum::Full => {
                headers.pseudo.plus(headers.l4).plus(Sum::of(&l4[l4_len..])).checksum()
            }
        };
        l4[tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_be_bytes());
        let meta = TxMeta {
            l2_len: l2_len as u8,
            l3_len: l3_len as u8,
            l4_len: l4_len as u8,
            ipv4: self.ipv4,
            tcp: self.tcp,
            stamp_token: 0,
        };
        (padded(l2_len + l3_len + l4_len + payload_len, out), meta)
    }

    /// Whether a payload's sum is wanted: the device does not sum it.
    #[inline(always)]
    pub fn wants_sum(&self) -> bool {
        self.tcp == TxChecksum::Full
    }

    /// Completes the frame at `out`, which holds `headers` and behind them a payload of `payload_len` bytes
    /// with this `sum`, if it [is wanted](Emitter::wants_sum).
    ///
    /// # Panics
    /// If `out` is shorter than the headers.
    #[inline(always)]
    pub fn finish_prepared(
        &self,
        headers: &PreparedHeaders,
        timestamps: Option<Timestamps>,
        payload_len: usize,
        sum: Sum,
        out: &mut [u8],
    ) -> Written {
        if let Some(timestamps) = timestamps
            && headers.is_usual
            && let Some(front) = out.first_chunk_mut()
        {
            return (self.finish_usual(headers, timestamps, payload_len, sum, front), self.usual);
        }
        // A copy, so that nothing but this needs it in memory.
        let stamps = timestamps.map(|Timestamps { value, echo }| [value, echo]);
        self.finish_any(headers, stamps, payload_len, sum, out)
    }

    /// The same of headers that are as nearly every segment's: each field at its known place. Says how long the frame is.
    #[inline(always)]
    fn finish_usual(
        &self,
        headers: &PreparedHeaders,
        timestamps: Timestamps,
        payload_len: usize,
        sum: Sum,
        front: &mut [u8; USUAL_LEN],
    ) -> usize {
        let len = USUAL_LEN + payload_len;
        let (total_len, tcp_len) = ((len - IP) as u16, (len - TCP) as u16);
        let mut put = |at: usize, bytes: &[u8]| front[at..at + bytes.len()].copy_from_slice(bytes);
        put(IP + TOTAL_LENGTH_OFFSET, &total_len.to_be_bytes());
        if self.ipv4 == TxChecksum::Full {
            let checksum = headers.ipv4.plus(Sum::of_u16(total_len)).checksum();
            put(IP + ipv4::CHECKSUM_OFFSET, &checksum.to_be_bytes());
        }
        let Timestamps { value, echo } = timestamps;
        let stamps = u64::from(value) << 32 | u64::from(echo);
        put(TCP + tcp::HEADER_LEN + 4, &stamps.to_be_bytes());
        let field = match self.tcp {
            TxChecksum::Partial => plus_len(headers.pseudo_field, tcp_len),
            TxChecksum::Full => {
                let l4 = headers.pseudo.plus(headers.l4).plus(Sum::of_u16(tcp_len));
                l4.plus(Sum::of_u32(value)).plus(sum).checksum().to_be()
            }
        };
        put(TCP + tcp::CHECKSUM_OFFSET, &field.to_ne_bytes());
        len
    }

    #[inline(never)]
    fn finish_any(
        &self,
        headers: &PreparedHeaders,
        stamps: Option<[u32; 2]>,
        payload_len: usize,
        sum: Sum,
        out: &mut [u8],
    ) -> Written {
        let tcp_len = headers.l4_len + payload_len;
        let total_len = (ipv4::HEADER_LEN + tcp_len) as u16;
        let len = headers.payload_at() + payload_len;
        let (ip, l4) = out[headers.l2_len..len].split_at_mut(ipv4::HEADER_LEN);
        ip[TOTAL_LENGTH_OFFSET..][..2].copy_from_slice(&total_len.to_be_bytes());
        if self.ipv4 == TxChecksum::Full {
            let checksum = headers.ipv4.plus(Sum::of_u16(total_len)).checksum();
            ip[ipv4::CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.to_be_bytes());
        }
        let pseudo = headers.pseudo.plus(Sum::of_u16(tcp_len as u16));
        let stamp = stamps.map_or(0, |[value, _]| value);
        if let Some([value, echo]) = stamps {
            Timestamps { value, echo }.emit_values(&mut l4[tcp::HEADER_LEN..]);
        }
        let field = match self.tcp {
            TxChecksum::Partial => pseudo.folded(),
            TxChecksum::Full => {
                pseudo.plus(headers.l4).plus(Sum::of_u32(stamp)).plus(sum).checksum()
            }
        };
        l4[tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_be_bytes());
        let meta = TxMeta {
            l2_len: headers.l2_len as u8,
            l3_len: ipv4::HEADER_LEN as u8,
            l4_len: headers.l4_len as u8,
            ipv4: self.ipv4,
            tcp: self.tcp,
            stamp_token: 0,
        };
        (padded(len, out), meta)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::neighbor::Network;
    use crate::offload::capability::Capability;
    use crate::offload::plan::{Advert, Capabilities, Plan, Provider};
    use crate::offload::profile::{Policy, Profile};
    use crate::tcp::{Config, ConnectionId, Endpoint, Stack};
    use crate::time::Instant;
    use crate::wire::tcp::{Flags, Options, Segment, SeqNumber};

    const PEER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
    const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const NETWORK: Network = Network {
        mac: Mac([2, 0, 0, 0, 0, 2]),
        addr: Ipv4Addr::new(10, 9, 0, 2),
        prefix_len: 24,
        gateway: None,
        vlan: None,
        mtu: 1500,
    };

    pub(in crate::emit) fn connected(config: Config) -> (Stack, ConnectionId) {
        let mut stack = Stack::new(config, [5; 16]);
        let local = Endpoint { addr: NETWORK.addr, port: 40_000 };
        let id = stack.connect(NOW, local, Endpoint { addr: PEER, port: 9878 }).unwrap();
        let syn = stack.poll_transmit(NOW).unwrap().header;
        let echo = syn.options.timestamps.map(|ours| Timestamps { value: 77, echo: ours.value });
        let answer = Segment {
            src_port: 9878,
            dst_port: 40_000,
            seq: SeqNumber(0xffff_fff0),
            ack: syn.seq + 1,
            flags: Flags::SYN.with(Flags::ACK).with(Flags::ECE),
            window: u16::MAX,
            options: Options { timestamps: echo, ..syn.options },
            payload: &[],
            is_ce: false,
        };
        stack.on_segment(NOW, PEER, NETWORK.addr, &answer);
        while stack.poll_transmit(NOW).is_some() {}
        (stack, id)
    }

    const NOW: Instant = Instant::from_ms(40);
    const LATER: Instant = Instant::from_ms(43);

    /// Frames of the usual way and of a prepared send, from two stacks that are alike.
    #[test]
    fn a_prepared_frame_is_the_usual_one_to_the_byte() {
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let device = Capabilities::NONE
            .with(Capability::TxIpv4Checksum, advert)
            .with(Capability::TxTcpChecksum, advert);
        for policy in [Policy::Off, Policy::Prefer] {
            let plan = Plan::negotiate("test", &Profile::all(policy), &device);
            for (vlan, timestamps, ecn) in
                [(None, true, false), (Some(7), false, false), (Some(9), true, true)]
            {
                let network = Network { vlan, ..NETWORK };
                let config = Config { timestamps, ecn, ..Config::default() };
                for len in [1, 2, 5, 149, 150, 1_000] {
                    let payload: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
                    let mut emitter = Emitter::new(&plan, network);
                    let (mut usual, id) = connected(config.clone());
                    usual.reserve(id, len).unwrap().copy_from_slice(&payload);
                    usual.commit(LATER, id, len);
                    let mut expected = vec![0xee; 1_600];
                    let segment = usual.poll_transmit(LATER).unwrap();
                    let written = emitter.tcp(PEER_MAC, &segment, &mut expected);

                    let (mut stack, id) = connected(config.clone());
                    let prepared = stack.prepare(NOW, id).unwrap();
                    let mut out = vec![0xee; 1_600];
                    let headers = emitter.prepare(PEER_MAC, &prepared, &mut out);
                    out[headers.payload_at()..][..len].copy_from_slice(&payload);
                    let wants_sum = emitter.wants_sum();
                    assert_eq!(wants_sum, policy == Policy::Off);
                    // What was warmed leaves no trace.
                    for warm in [true, false] {
                        let left = if warm {
                            stack.warm_prepared(NOW, &prepared, &payload[..len / 2 + 1], wants_sum)
                        } else {
                            stack.send_prepared(LATER, &prepared, &payload, 0, wants_sum)
                        };
                        let left = left.unwrap();
                        let (sum, len) = (left.sum, if warm { len / 2 + 1 } else { len });
                        let stamps = left.timestamps;
                        let found = emitter.finish_prepared(&headers, stamps, len, sum, &mut out);
                        if !warm {
                            assert_eq!(found, written);
                        }
                    }
                    assert_eq!(
                        out[..written.0],
                        expected[..written.0],
                        "{policy:?} {vlan:?} {len}"
                    );
                }
            }
        }
    }
}
