//! Headers kept from a connection's last segment: the next one differs in nine fields.

use super::{Headers, write_headers};
use crate::neighbor::Network;
use crate::offload::checksum::{Avx2, Sum, copy_and_sum, whole_lanes};
use crate::offload::nic::{TxChecksum, TxMeta};
use crate::prefetch::prefetch;
use crate::tcp::{ConnectionId, FastTurn, Rest, RestHeader, Transmit};
use crate::wire::ethernet::{Mac, MacWord};
use crate::wire::tcp::{self, Flags, Options, SackBlocks, SeqNumber, Timestamps};
use crate::wire::{ethernet, ipv4};

/// The longest headers that are kept, in bytes: one VLAN tag, no IPv4 options, timestamps.
const ROOM: usize =
    ethernet::HEADER_LEN + ethernet::TAG_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN + 12;
/// Where IPv4's Total Length lies in its header (RFC 791 3.1).
pub(super) const TOTAL_LENGTH_OFFSET: usize = 2;

/// Where they lie, where there is no VLAN tag.
pub(super) const IP: usize = ethernet::HEADER_LEN;
pub(super) const TCP: usize = IP + ipv4::HEADER_LEN;
const FLAGS_AT: usize = TCP + 13;

/// The headers of nearly every segment, in bytes: no VLAN tag, no IPv4 options, timestamps.
pub(super) const USUAL_LEN: usize = ROOM - ethernet::TAG_LEN;

/// What is kept of them ends before the timestamps' values, which are another segment's.
const KEPT_LEN: usize = USUAL_LEN - 8;

/// Where TCP's header length and its control bits lie, and what they usually are.
const SHAPE_OFFSET: usize = 12;
const USUAL_SHAPE: u16 = (((USUAL_LEN - TCP) / 4) as u16) << 12 | Rest::FLAGS.0 as u16;

/// The most that blocks take beside timestamps (RFC 2018 3), in bytes.
pub(super) const BLOCKS_LEN_MAX: usize = SackBlocks::len_of(3);
const _: () = assert!(USUAL_LEN - TCP + BLOCKS_LEN_MAX == tcp::HEADER_LEN_MAX);

/// What is said of a segment by such headers, whose sums are `ipv4` and `tcp`.
pub(super) fn usual_meta(ipv4: TxChecksum, tcp: TxChecksum) -> TxMeta {
    TxMeta {
        l2_len: IP as u8,
        l3_len: ipv4::HEADER_LEN as u8,
        l4_len: (USUAL_LEN - TCP) as u8,
        ipv4,
        tcp,
        stamp_token: 0,
    }
}

/// The length of IPv4's header, taken away: in one's complement.
const LESS_IP: Sum = Sum::of_u16(!(ipv4::HEADER_LEN as u16));

/// A header's folded sum, as it lies in memory, with its length.
#[inline(always)]
pub(super) fn plus_len(field: u16, len: u16) -> u16 {
    let (sum, carry) = field.overflowing_add(len.to_be());
    sum.wrapping_add(u16::from(carry))
}

/// The timestamps, ours and theirs.
#[inline(always)]
fn stamps(header: &RestHeader) -> [u32; 2] {
    header.timestamps.map_or([0; 2], |Timestamps { value, echo }| [value, echo])
}

/// Writes what differs from segment to segment, sums apart. Says the packet's length.
#[inline(always)]
fn put_varying(header: &RestHeader, payload_len: usize, headers: &mut [u8; USUAL_LEN]) -> u16 {
    let total_len = (USUAL_LEN - IP + payload_len) as u16;
    let numbers = u64::from(header.seq.0) << 32 | u64::from(header.ack.0);
    let [value, echo] = stamps(header).map(u64::from);
    let mut put = |at: usize, bytes: &[u8]| headers[at..at + bytes.len()].copy_from_slice(bytes);
    put(IP + TOTAL_LENGTH_OFFSET, &total_len.to_be_bytes());
    put(TCP + 4, &numbers.to_be_bytes());
    put(TCP + 14, &header.window.to_be_bytes());
    put(TCP + tcp::HEADER_LEN + 4, &(value << 32 | echo).to_be_bytes());
    total_len
}

#[inline(always)]
fn put_ipv4_field(headers: &mut [u8; USUAL_LEN], field: u16) {
    headers[IP + ipv4::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_ne_bytes());
}

#[inline(always)]
fn put_tcp_field(headers: &mut [u8; USUAL_LEN], field: u16) {
    headers[TCP + tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_ne_bytes());
}

/// All that headers depend on but for the fields that are written anew, in two words, which are quick to
/// compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    connection: ConnectionId,
    /// The hardware address, and below it two bits: timestamps, ECT.
    shape: u64,
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
            && options.sack.is_none()
            && options.user_timeout.is_none();
        let connection = segment.connection.filter(|_| is_usual)?;
        Some(Key::new(dst, connection, options.timestamps.is_some(), segment.is_ect))
    }

    const NOBODY: Key = Key { connection: ConnectionId::NOBODY, shape: u64::MAX };

    #[inline(always)]
    fn new(dst: Mac, connection: ConnectionId, has_timestamps: bool, is_ect: bool) -> Key {
        let bits = u64::from(has_timestamps) | u64::from(is_ect) << 1;
        Key { connection, shape: MacWord::of(dst).0 | bits }
    }

    /// Whether `place` is this connection's own.
    pub(super) fn is_at(&self, place: usize) -> bool {
        self.connection.index() == place
    }

    /// Its place among so many.
    #[inline]
    pub(super) fn place(&self, places: usize) -> usize {
        let index = self.connection.index();
        if index < places { index } else { index % places }
    }
}

/// Headers as they were written once, in two cache lines.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Template {
    /// Of whose segments.
    key: Key,
    /// To whom, where they are [as nearly every segment's](USUAL_LEN), the control bits too.
    usual_dst: MacWord,
    bytes: [u8; ROOM],
    l2_len: u8,
    l4_len: u8,
    /// The folded sums of the IPv4 header, Total Length and checksum zero, and of the pseudo-header, its length zero,
    /// as they lie in memory.
    ipv4_field: u16,
    pseudo_field: u16,
    /// The sum of the TCP header, what differs from segment to segment zero.
    l4: Sum,
    /// Where headers are usual: the pseudo-header's folded sum, to which the length of all behind the link's header is
    /// added, which is [more](LESS_IP) than TCP's; and the sum of both together, the control bits too, as a number.
    usual_pseudo_field: u16,
    usual: u16,
}

impl Default for Template {
    fn default() -> Template {
        Template {
            key: Key::NOBODY,
            usual_dst: MacWord::NONE,
            bytes: [0; ROOM],
            l2_len: 0,
            l4_len: 0,
            ipv4_field: 0,
            pseudo_field: 0,
            l4: Sum::ZERO,
            usual_pseudo_field: 0,
            usual: 0,
        }
    }
}

impl Template {
    #[cold]
    pub(super) fn new(key: Key, network: &Network, dst: Mac, segment: &Transmit<'_>) -> Template {
        let mut bytes = [0; ROOM];
        let usual_dst = MacWord::of(dst);
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
        let mut header = [0; tcp::HEADER_LEN_MAX];
        let l4_len = constant.emit(&mut header);
        let l4 = Sum::of(&header[..l4_len]);
        let is_usual =
            timestamps.is_some() && !segment.is_ect && headers.l2_len == ethernet::HEADER_LEN;
        if is_usual {
            bytes[FLAGS_AT] = Rest::FLAGS.0;
        }
        Template {
            key,
            usual_dst: if is_usual { usual_dst } else { MacWord::NONE },
            bytes,
            l2_len: headers.l2_len as u8,
            l4_len: headers.l4_len as u8,
            ipv4_field: ipv4.folded().to_be(),
            pseudo_field: pseudo.folded().to_be(),
            l4,
            usual_pseudo_field: pseudo.plus(LESS_IP).folded().to_be(),
            usual: pseudo
                .plus(LESS_IP)
                .plus(l4)
                .plus(Sum::of_u16(u16::from(Rest::FLAGS.0)))
                .folded(),
        }
    }

    /// Has both lines fetched.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        prefetch(&self.key);
        prefetch(&self.bytes[ROOM - 1]);
    }

    #[inline(always)]
    pub(super) fn is_for(&self, key: &Key) -> bool {
        self.key == *key
    }

    /// Whether they are [as nearly every segment's](USUAL_LEN), of `connection`, whose place this is, and to `dst`.
    #[inline(always)]
    pub(super) fn is_usual_for(&self, dst: MacWord, connection: ConnectionId) -> bool {
        self.usual_dst == dst && self.key.connection.generation() == connection.generation()
    }

    /// It lies at a place that is another connection's, too.
    pub(super) fn share_place(&mut self) {
        self.usual_dst = MacWord::NONE;
    }

    /// Writes a whole segment by headers that are as nearly every segment's, both sums left to the device: every field at
    /// its known place, from a register. `frame` is as long as headers and payload in [whole lanes](whole_lanes), as which
    /// the payload can be read, too.
    #[inline(always)]
    pub(super) fn write_left_by(
        &self,
        avx2: Avx2,
        leaving: FastTurn<'_>,
        frame: &mut [u8],
    ) -> usize {
        let len = leaving.payload_len();
        let run = leaving.payload_and_behind(whole_lanes(len)).unwrap_or_default();
        avx2.put::<false, KEPT_LEN, USUAL_LEN>(self.kept(), run, len, frame);
        let header = leaving.send();
        let (headers, _) = frame.split_first_chunk_mut().expect("room for headers");
        let total_len = put_varying(&header, len, headers);
        put_tcp_field(headers, plus_len(self.usual_pseudo_field, total_len));
        USUAL_LEN + len
    }

    /// The same with both sums.
    #[inline(always)]
    pub(super) fn write_summed_by(
        &self,
        avx2: Avx2,
        leaving: FastTurn<'_>,
        frame: &mut [u8],
    ) -> usize {
        let len = leaving.payload_len();
        let run = leaving.payload_and_behind(whole_lanes(len)).unwrap_or_default();
        let sum = avx2.put::<true, KEPT_LEN, USUAL_LEN>(self.kept(), run, len, frame);
        let header = leaving.send();
        let (headers, _) = frame.split_first_chunk_mut().expect("room for headers");
        let total_len = put_varying(&header, len, headers);
        put_ipv4_field(headers, self.ipv4_field_of(total_len));
        put_tcp_field(headers, self.tcp_field_of(&header, total_len, sum.unwrap_or_default()));
        USUAL_LEN + len
    }

    /// The same by whatever plan, where nothing is touched but the frame, which is as long as `frame`.
    #[inline(always)]
    pub(super) fn write_usual(
        &self,
        leaving: FastTurn<'_>,
        meta: &TxMeta,
        frame: &mut [u8],
    ) -> usize {
        let (headers, room) = frame.split_first_chunk_mut().expect("room for headers");
        headers.copy_from_slice(&self.bytes[..USUAL_LEN]);
        let payload = leaving.payload();
        let sum = match meta.tcp {
            TxChecksum::Full => copy_and_sum(payload, room),
            TxChecksum::Partial => {
                room.copy_from_slice(payload);
                Sum::ZERO
            }
        };
        let len = payload.len();
        self.finish_usual(&leaving.send(), len, sum, meta, headers)
    }

    /// Writes what differs into headers that are there, `len` bytes of payload behind them, whose sum it is, if that is
    /// wanted.
    #[inline(always)]
    fn finish_usual(
        &self,
        header: &RestHeader,
        len: usize,
        sum: Sum,
        meta: &TxMeta,
        headers: &mut [u8; USUAL_LEN],
    ) -> usize {
        let total_len = put_varying(header, len, headers);
        if meta.ipv4 == TxChecksum::Full {
            put_ipv4_field(headers, self.ipv4_field_of(total_len));
        }
        let field = match meta.tcp {
            TxChecksum::Partial => plus_len(self.usual_pseudo_field, total_len),
            TxChecksum::Full => self.tcp_field_of(header, total_len, sum),
        };
        put_tcp_field(headers, field);
        USUAL_LEN + len
    }

    #[inline(always)]
    fn kept(&self) -> &[u8; KEPT_LEN] {
        self.bytes.first_chunk().expect("all but the last value, at least")
    }

    #[inline(always)]
    fn ipv4_field_of(&self, total_len: u16) -> u16 {
        !plus_len(self.ipv4_field, total_len)
    }

    /// With the payload's sum.
    #[inline(always)]
    fn tcp_field_of(&self, header: &RestHeader, total_len: u16, sum: Sum) -> u16 {
        let [value, echo] = stamps(header);
        let numbers = [header.seq.0, header.ack.0, value, echo].map(u64::from);
        let fields = [self.usual, header.window, total_len].map(u64::from);
        let total = numbers.into_iter().chain(fields).sum();
        Sum::of_total(total).plus(sum).checksum().to_be()
    }

    /// Writes an ACK without data by such headers, and behind them the blocks of what is held. Says how long TCP's header
    /// is then, in bytes.
    #[inline(always)]
    pub(super) fn write_usual_blocks(
        &self,
        ack: &RestHeader,
        blocks: &SackBlocks,
        meta: &TxMeta,
        headers: &mut [u8; USUAL_LEN],
        behind: &mut [u8; BLOCKS_LEN_MAX],
    ) -> usize {
        let (option, room) = behind.split_at_mut(SackBlocks::len_of(0));
        let (mut edges, mut count) = (Sum::ZERO, 0);
        for ((left, right), place) in blocks.blocks().iter().zip(room.as_chunks_mut::<8>().0) {
            let block = u64::from(left.0) << 32 | u64::from(right.0);
            *place = block.to_be_bytes();
            edges = edges.plus(Sum::of_u64(block));
            count += 1;
        }
        let kind = SackBlocks::kind_of(count);
        option.copy_from_slice(&kind.to_be_bytes());
        headers.copy_from_slice(&self.bytes[..USUAL_LEN]);
        let blocks_len = SackBlocks::len_of(count);
        let l4_len = USUAL_LEN - TCP + blocks_len;
        let shape = ((l4_len / 4) as u16) << 12 | u16::from(Flags::ACK.0);
        headers[TCP + SHAPE_OFFSET..][..2].copy_from_slice(&shape.to_be_bytes());
        // In place of the shape that is usual.
        let shape = Sum::of_u16(shape).plus(Sum::of_u16(!USUAL_SHAPE));
        let sum = edges.plus(Sum::of_u32(kind)).plus(shape);
        self.finish_usual(ack, blocks_len, sum, meta, headers);
        l4_len
    }

    /// Writes an ACK without data by such headers: with timestamps it needs no padding.
    #[inline(always)]
    pub(super) fn write_usual_ack(
        &self,
        ack: &RestHeader,
        meta: &TxMeta,
        headers: &mut [u8; USUAL_LEN],
    ) -> usize {
        headers.copy_from_slice(&self.bytes[..USUAL_LEN]);
        let len = self.finish_usual(ack, 0, Sum::ZERO, meta, headers);
        headers[FLAGS_AT] = Flags::ACK.0;
        if meta.tcp == TxChecksum::Full {
            // What it does not push is taken out of the sum (RFC 1624 3).
            let at = TCP + tcp::CHECKSUM_OFFSET;
            let pushed = !u16::from_be_bytes([headers[at], headers[at + 1]]);
            let sum = Sum::of_u16(pushed).plus(Sum::of_u16(!u16::from(Flags::PSH.0)));
            headers[at..at + 2].copy_from_slice(&sum.checksum().to_be_bytes());
        }
        len
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
        let (l2_len, l4_len) = (usize::from(self.l2_len), usize::from(self.l4_len));
        let tcp_len = l4_len + payload_len;
        let total_len = (ipv4::HEADER_LEN + tcp_len) as u16;
        let (ip, l4) = out[l2_len..].split_at_mut(ipv4::HEADER_LEN);
        ip[TOTAL_LENGTH_OFFSET..][..2].copy_from_slice(&total_len.to_be_bytes());
        if ipv4 == TxChecksum::Full {
            let field = !plus_len(self.ipv4_field, total_len);
            ip[ipv4::CHECKSUM_OFFSET..][..2].copy_from_slice(&field.to_ne_bytes());
        }
        header.emit_varying(l4);
        if let Some(timestamps) = header.options.timestamps {
            timestamps.emit_values(&mut l4[tcp::HEADER_LEN..]);
        }
        // From registers: to read what was just written in other pieces would take longer.
        let varying = if tcp == TxChecksum::Full { header.sum_of_varying() } else { Sum::ZERO };
        Headers {
            l2_len,
            l3_len: ipv4::HEADER_LEN,
            l4_len,
            pseudo: Sum::of_u16(u16::from_be(self.pseudo_field)).plus(Sum::of_u16(tcp_len as u16)),
            l4: self.l4.plus(varying),
        }
    }
}

const _: () = assert!(size_of::<Template>() == 128);

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::time::Duration;
    use crate::wire::tcp::UserTimeout;

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
            Options { user_timeout: Some(UserTimeout::of(Duration::from_s(9))), ..Options::NONE },
        ] {
            let segment = transmit([1, 2, 3, 4], 0x10, options);
            assert_eq!(Key::of(dst, &segment), None);
        }
        let reset = Transmit { connection: None, ..transmit([1, 2, 3, 4], 4, Options::NONE) };
        assert_eq!(Key::of(dst, &reset), None);
    }
}
