//! Headers kept from a connection's last segment: the next one differs in nine fields.

use super::{Headers, write_headers};
use crate::neighbor::Network;
use crate::offload::checksum::Sum;
use crate::offload::nic::TxChecksum;
use crate::tcp::{ConnectionId, Transmit};
use crate::wire::ethernet::Mac;
use crate::wire::tcp::{self, Flags, Options, SeqNumber, Timestamps};
use crate::wire::{ethernet, ipv4};

/// The longest headers that are kept, in bytes: one VLAN tag, no IPv4 options, timestamps.
const ROOM: usize =
    ethernet::HEADER_LEN + ethernet::TAG_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN + 12;
/// Where IPv4's Total Length lies in its header (RFC 791 3.1).
pub(super) const TOTAL_LENGTH_OFFSET: usize = 2;

/// All that headers depend on but for the fields that are written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    connection: ConnectionId,
    dst: u64,
    has_timestamps: bool,
    is_ect: bool,
}

impl Key {
    /// The key of a segment whose headers can be kept: one of a connection, with no option but
    /// timestamps.
    #[inline(always)]
    pub(super) fn of(dst: Mac, segment: &Transmit<'_>) -> Option<Key> {
        let options = &segment.header.options;
        let is_usual = options.mss.is_none()
            && options.window_scale.is_none()
            && !options.sack_permitted
            && options.sack.is_none();
        Some(Key {
            connection: segment.connection.filter(|_| is_usual)?,
            dst: dst.0.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            has_timestamps: options.timestamps.is_some(),
            is_ect: segment.is_ect,
        })
    }

    /// Its place among so many.
    #[inline]
    pub(super) fn place(&self, places: usize) -> usize {
        self.connection.index() % places
    }
}

/// Headers as they were written once.
#[derive(Clone, Debug)]
pub(super) struct Template {
    key: Option<Key>,
    bytes: [u8; ROOM],
    l2_len: usize,
    l4_len: usize,
    /// Of the IPv4 header, Total Length and checksum zero.
    ipv4: Sum,
    /// Of the pseudo-header, its length zero.
    pseudo: Sum,
    /// Of the TCP header, what differs from segment to segment zero.
    l4: Sum,
}

impl Default for Template {
    fn default() -> Template {
        Template {
            key: None,
            bytes: [0; ROOM],
            l2_len: 0,
            l4_len: 0,
            ipv4: Sum::ZERO,
            pseudo: Sum::ZERO,
            l4: Sum::ZERO,
        }
    }
}

impl Template {
    #[cold]
    pub(super) fn new(key: Key, network: &Network, dst: Mac, segment: &Transmit<'_>) -> Template {
        let mut bytes = [0; ROOM];
        let headers = write_headers(network, dst, segment, 0, TxChecksum::Partial, &mut bytes);
        let ip = &mut bytes[headers.l2_len..][..ipv4::HEADER_LEN];
        ip[TOTAL_LENGTH_OFFSET..][..2].fill(0);
        let ipv4 = Sum::of(ip);
        let (src, dst) = (segment.local.octets(), segment.remote.octets());
        let pseudo = Sum::of_tcp_pseudo_header(src, dst, 0);
        let timestamps =
            segment.header.options.timestamps.map(|_| Timestamps { value: 0, echo: 0 });
        let constant = tcp::Repr {
            seq: SeqNumber(0),
            ack: SeqNumber(0),
            flags: Flags(0),
            window: 0,
            options: Options { timestamps, ..segment.header.options },
            ..segment.header
        };
        let mut l4 = [0; tcp::HEADER_LEN_MAX];
        let l4_len = constant.emit(&mut l4);
        Template {
            key: Some(key),
            bytes,
            l2_len: headers.l2_len,
            l4_len: headers.l4_len,
            ipv4,
            pseudo,
            l4: Sum::of(&l4[..l4_len]),
        }
    }

    #[inline(always)]
    pub(super) fn is_for(&self, key: &Key) -> bool {
        self.key.as_ref() == Some(key)
    }

    /// Writes the headers to the front of `out`, the TCP checksum zero.
    #[inline(always)]
    pub(super) fn write(
        &self,
        header: &tcp::Repr,
        payload_len: usize,
        (ipv4, tcp): (TxChecksum, TxChecksum),
        out: &mut [u8],
    ) -> Headers {
        out[..ROOM].copy_from_slice(&self.bytes);
        let tcp_len = self.l4_len + payload_len;
        let total_len = (ipv4::HEADER_LEN + tcp_len) as u16;
        let (ip, l4) = out[self.l2_len..].split_at_mut(ipv4::HEADER_LEN);
        ip[TOTAL_LENGTH_OFFSET..][..2].copy_from_slice(&total_len.to_be_bytes());
        if ipv4 == TxChecksum::Full {
            let checksum = self.ipv4.plus(Sum::of_u16(total_len)).checksum();
            ip[ipv4::CHECKSUM_OFFSET..][..2].copy_from_slice(&checksum.to_be_bytes());
        }
        header.emit_varying(l4);
        if let Some(timestamps) = header.options.timestamps {
            timestamps.emit_values(&mut l4[tcp::HEADER_LEN..]);
        }
        // From registers: to read what was just written in other pieces would take longer.
        let varying = if tcp == TxChecksum::Full { header.sum_of_varying() } else { Sum::ZERO };
        Headers {
            l2_len: self.l2_len,
            l3_len: ipv4::HEADER_LEN,
            l4_len: self.l4_len,
            pseudo: self.pseudo.plus(Sum::of_u16(tcp_len as u16)),
            l4: self.l4.plus(varying),
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::tcp::SackBlocks;

    const NETWORK: Network = Network {
        mac: Mac([2, 0, 0, 0, 0, 2]),
        addr: Ipv4Addr::new(10, 9, 0, 2),
        prefix_len: 24,
        gateway: None,
        vlan: None,
        mtu: 1500,
    };

    fn transmit(seed: [u32; 4], flags: u8, options: Options) -> Transmit<'static> {
        Transmit {
            connection: Some(ConnectionId::for_test(3)),
            local: NETWORK.addr,
            remote: Ipv4Addr::new(10, 9, 0, 1),
            header: tcp::Repr {
                src_port: 49_152,
                dst_port: 9878,
                seq: SeqNumber(seed[0]),
                ack: SeqNumber(seed[1]),
                flags: Flags(flags),
                window: seed[2] as u16,
                options,
            },
            payload: [&[], &[]],
            retransmission: false,
            is_ect: seed[3] & 1 == 1,
        }
    }

    proptest! {
        #[test]
        fn headers_from_a_template_are_those_written_field_by_field(
            segments in prop::collection::vec((any::<[u32; 4]>(), any::<u8>(), 0usize..1448), 1..4),
            vlan in prop::option::of(1u16..4095),
            stamped in any::<bool>(),
            full in any::<bool>(),
        ) {
            let network = Network { vlan, ..NETWORK };
            let dst = Mac([2, 0, 0, 0, 0, 1]);
            let ipv4 = if full { TxChecksum::Full } else { TxChecksum::Partial };
            let mut template = Template::default();
            for (seed, flags, payload_len) in segments {
                let timestamps = stamped.then_some(Timestamps { value: seed[2], echo: seed[3] });
                let segment = transmit(seed, flags, Options { timestamps, ..Options::NONE });
                let key = Key::of(dst, &segment).unwrap();
                if !template.is_for(&key) {
                    template = Template::new(key, &network, dst, &segment);
                }
                let (mut fast, mut slow) = ([0xee; 128], [0xee; 128]);
                let fields = (ipv4, TxChecksum::Full);
                let found = template.write(&segment.header, payload_len, fields, &mut fast);
                let expected = write_headers(&network, dst, &segment, payload_len, ipv4, &mut slow);
                let len = expected.l2_len + expected.l3_len + expected.l4_len;
                prop_assert_eq!(&fast[..len], &slow[..len]);
                prop_assert_eq!(found.pseudo.folded(), expected.pseudo.folded());
                prop_assert_eq!(found.l4.checksum(), expected.l4.checksum());
                prop_assert_eq!(
                    (found.l2_len, found.l3_len, found.l4_len),
                    (expected.l2_len, expected.l3_len, expected.l4_len)
                );
            }
        }
    }

    #[test]
    fn unusual_options_and_nobody_s_segments_have_no_template() {
        let dst = Mac([2, 0, 0, 0, 0, 1]);
        for options in [
            Options { mss: Some(1460), ..Options::NONE },
            Options { window_scale: Some(7), ..Options::NONE },
            Options { sack_permitted: true, ..Options::NONE },
            Options { sack: Some(SackBlocks::of(SeqNumber(1), SeqNumber(2))), ..Options::NONE },
        ] {
            let segment = transmit([1, 2, 3, 4], 0x10, options);
            assert_eq!(Key::of(dst, &segment), None);
        }
        let reset = Transmit { connection: None, ..transmit([1, 2, 3, 4], 4, Options::NONE) };
        assert_eq!(Key::of(dst, &reset), None);
    }
}
