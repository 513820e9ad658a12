//! The header that stands before each frame on a TAP opened with IFF_VNET_HDR (`struct
//! virtio_net_hdr`, VIRTIO 1.3, 5.1.6). Its numbers are in the host's byte order, as TAPs have them
//! unless told otherwise.

use fixwire_offload::nic::{RxMeta, TxChecksum, TxMeta};
use fixwire_offload::verdict::Verdict;

/// The header's length in bytes: without `num_buffers`, which a TAP has no use for.
pub(crate) const HEADER_LEN: usize = 10;

/// `VIRTIO_NET_HDR_F_NEEDS_CSUM`: the field holds the pseudo-header's sum, to be finished from
/// `csum_start` on.
const FLAG_NEEDS_CSUM: u8 = 1;
/// `VIRTIO_NET_HDR_F_DATA_VALID`: checked, and found right.
const FLAG_DATA_VALID: u8 = 2;
/// `VIRTIO_NET_HDR_GSO_NONE`: one frame, not several to be split.
const GSO_NONE: u8 = 0;
/// Where TCP's checksum lies in its header (RFC 9293 3.1).
const TCP_CHECKSUM_OFFSET: u16 = 16;

/// Why a frame with such a header is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// Several segments merged, though the kernel was never told that it may.
    Merged,
    /// The checksum field that it points at is not within the frame.
    ChecksumOutside,
}

/// What the kernel says of a received frame of `frame_len` bytes. Where the plan leaves the TCP
/// checksum to us, it is not listened to.
pub(crate) fn rx_meta(
    header: [u8; HEADER_LEN],
    frame_len: usize,
    listen: bool,
) -> Result<RxMeta, Malformed> {
    let [flags, gso_type, _, _, _, _, start_0, start_1, offset_0, offset_1] = header;
    if gso_type != GSO_NONE {
        return Err(Malformed::Merged);
    }
    let csum_start = u16::from_ne_bytes([start_0, start_1]);
    let csum_offset = u16::from_ne_bytes([offset_0, offset_1]);
    let needs_csum = flags & FLAG_NEEDS_CSUM != 0;
    if needs_csum && usize::from(csum_start) + usize::from(csum_offset) + 2 > frame_len {
        return Err(Malformed::ChecksumOutside);
    }
    Ok(match (listen, needs_csum, flags & FLAG_DATA_VALID != 0) {
        (true, true, _) => RxMeta { l4: Verdict::None, csum_start, csum_offset, ..RxMeta::UNKNOWN },
        (true, false, true) => RxMeta { l4: Verdict::Good, ..RxMeta::UNKNOWN },
        _ => RxMeta::UNKNOWN,
    })
}

/// What the kernel is to know of a frame to send.
pub(crate) fn tx_header(meta: &TxMeta) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    if meta.tcp == TxChecksum::Partial {
        let csum_start = u16::from(meta.l2_len) + u16::from(meta.l3_len);
        header[0] = FLAG_NEEDS_CSUM;
        header[6..8].copy_from_slice(&csum_start.to_ne_bytes());
        header[8..10].copy_from_slice(&TCP_CHECKSUM_OFFSET.to_ne_bytes());
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(flags: u8, gso_type: u8, csum_start: u16, csum_offset: u16) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        header[0] = flags;
        header[1] = gso_type;
        header[6..8].copy_from_slice(&csum_start.to_ne_bytes());
        header[8..10].copy_from_slice(&csum_offset.to_ne_bytes());
        header
    }

    const GOOD: RxMeta = RxMeta { l4: Verdict::Good, ..RxMeta::UNKNOWN };

    fn unfinished(csum_start: u16, csum_offset: u16) -> RxMeta {
        RxMeta { l4: Verdict::None, csum_start, csum_offset, ..RxMeta::UNKNOWN }
    }

    #[test]
    fn flags_become_verdicts_and_what_points_outside_is_refused() {
        let table = [
            (header(0, 0, 0, 0), 60, Ok(RxMeta::UNKNOWN)),
            (header(FLAG_DATA_VALID, 0, 0, 0), 60, Ok(GOOD)),
            (header(FLAG_NEEDS_CSUM, 0, 34, 16), 54, Ok(unfinished(34, 16))),
            (header(FLAG_NEEDS_CSUM | FLAG_DATA_VALID, 0, 34, 16), 54, Ok(unfinished(34, 16))),
            (header(FLAG_NEEDS_CSUM, 0, 34, 16), 52, Ok(unfinished(34, 16))),
            (header(FLAG_NEEDS_CSUM, 0, 34, 16), 51, Err(Malformed::ChecksumOutside)),
            (header(FLAG_NEEDS_CSUM, 0, 0xffff, 0xffff), 1514, Err(Malformed::ChecksumOutside)),
            (header(FLAG_DATA_VALID, 0, 0xffff, 0xffff), 60, Ok(GOOD)),
            (header(0, 1, 0, 0), 60, Err(Malformed::Merged)),
            (header(FLAG_NEEDS_CSUM, 0x80, 34, 16), 60, Err(Malformed::Merged)),
            (header(0x80, 0, 0, 0), 60, Ok(RxMeta::UNKNOWN)),
        ];
        for (header, frame_len, expected) in table {
            assert_eq!(rx_meta(header, frame_len, true), expected, "{header:?} {frame_len}");
        }
    }

    #[test]
    fn a_kernel_that_is_not_listened_to_says_nothing() {
        for flags in [0, FLAG_DATA_VALID, FLAG_NEEDS_CSUM] {
            assert_eq!(rx_meta(header(flags, 0, 34, 16), 60, false), Ok(RxMeta::UNKNOWN));
        }
        assert_eq!(rx_meta(header(0, 1, 0, 0), 60, false), Err(Malformed::Merged));
    }

    #[test]
    fn only_a_partial_tcp_checksum_asks_the_kernel_for_anything() {
        let partial =
            TxMeta { l2_len: 18, l3_len: 20, tcp: TxChecksum::Partial, ..TxMeta::default() };
        assert_eq!(tx_header(&partial), header(FLAG_NEEDS_CSUM, 0, 38, 16));
        let full = TxMeta { tcp: TxChecksum::Full, ipv4: TxChecksum::Partial, ..partial };
        assert_eq!(tx_header(&full), [0; HEADER_LEN]);
    }
}
