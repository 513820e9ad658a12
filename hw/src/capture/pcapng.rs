//! The blocks of a pcapng file that a capture needs (draft-ietf-opsawg-pcapng), little-endian.
//!
//! Our own, though off the packet's path: the one crate with all of these options (`pcap-file`) wants
//! a fresh list of options on the heap for each packet, and the writer must not allocate. Appending
//! to a buffer that was made large enough does not.

use fixwire_offload::time::UtcTime;

/// LINKTYPE_ETHERNET.
const LINKTYPE_ETHERNET: u16 = 1;
/// Nanoseconds: ten to the power of minus nine (4.2, if_tsresol).
const TSRESOL_NS: u8 = 9;

/// Block types (11.1).
mod kind {
    pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
    pub(super) const INTERFACE_DESCRIPTION: u32 = 1;
    pub(super) const INTERFACE_STATISTICS: u32 = 5;
    pub(super) const ENHANCED_PACKET: u32 = 6;
}

/// Option codes, by the block that they stand in (3.5, 4.1, 4.2, 4.3, 4.6).
mod code {
    pub(super) const END_OF_OPTIONS: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_HARDWARE: u16 = 2;
    pub(super) const SHB_OS: u16 = 3;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_DESCRIPTION: u16 = 3;
    pub(super) const IF_MAC_ADDR: u16 = 6;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const EPB_FLAGS: u16 = 2;
    pub(super) const EPB_DROPCOUNT: u16 = 4;
    pub(super) const ISB_STARTTIME: u16 = 2;
    pub(super) const ISB_ENDTIME: u16 = 3;
    pub(super) const ISB_IFRECV: u16 = 4;
    pub(super) const ISB_IFDROP: u16 = 5;
}

/// The longest value of an option, in bytes.
const OPTION_LEN_MAX: usize = u16::MAX as usize;

/// The most that an Enhanced Packet Block adds to a frame and its comment, in bytes.
pub(super) const PACKET_OVERHEAD_LEN_MAX: usize = 80;

/// Who wrote the file, and on what.
pub(super) struct Section<'a> {
    pub(super) hardware: &'a str,
    pub(super) os: &'a str,
    pub(super) application: &'a str,
}

/// Where packets come from.
pub(super) struct Interface<'a> {
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) mac: [u8; 6],
    /// The longest frame that is kept whole, in bytes.
    pub(super) snap_len: u32,
}

/// Which way a packet went: the low bits of epb_flags (4.3.1).
#[derive(Clone, Copy)]
pub(super) enum Flow {
    Inbound = 1,
    Outbound = 2,
}

/// What is said of a packet beside its bytes.
pub(super) struct Packet<'a> {
    /// Its interface, by order of description.
    pub(super) interface: u32,
    pub(super) at: UtcTime,
    pub(super) flow: Flow,
    /// How long it was, in bytes; longer than what is kept if it was cut.
    pub(super) original_len: u32,
    /// Packets of the interface lost since the one before.
    pub(super) lost_before: u64,
    /// Nothing where it is empty.
    pub(super) comment: &'a str,
}

/// What became of an interface's packets, all together.
pub(super) struct Statistics<'a> {
    pub(super) interface: u32,
    pub(super) from: UtcTime,
    pub(super) to: UtcTime,
    pub(super) received: u64,
    pub(super) dropped: u64,
    /// Nothing where it is empty.
    pub(super) comment: &'a str,
}

/// Section Header Block (4.1): what every file begins with.
pub(super) fn section_header(out: &mut Vec<u8>, section: &Section<'_>) {
    const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
    const VERSION: (u16, u16) = (1, 0);
    const LENGTH_UNKNOWN: u64 = u64::MAX;
    block(out, kind::SECTION_HEADER, |out| {
        put_u32(out, BYTE_ORDER_MAGIC);
        put_u16(out, VERSION.0);
        put_u16(out, VERSION.1);
        out.extend_from_slice(&LENGTH_UNKNOWN.to_le_bytes());
        option(out, code::SHB_HARDWARE, section.hardware.as_bytes());
        option(out, code::SHB_OS, section.os.as_bytes());
        option(out, code::SHB_USERAPPL, section.application.as_bytes());
        option(out, code::END_OF_OPTIONS, &[]);
    });
}

/// Interface Description Block (4.2).
pub(super) fn interface_description(out: &mut Vec<u8>, interface: &Interface<'_>) {
    block(out, kind::INTERFACE_DESCRIPTION, |out| {
        put_u16(out, LINKTYPE_ETHERNET);
        put_u16(out, 0);
        put_u32(out, interface.snap_len);
        option(out, code::IF_NAME, interface.name.as_bytes());
        option(out, code::IF_DESCRIPTION, interface.description.as_bytes());
        option(out, code::IF_MAC_ADDR, &interface.mac);
        option(out, code::IF_TSRESOL, &[TSRESOL_NS]);
        option(out, code::END_OF_OPTIONS, &[]);
    });
}

/// Enhanced Packet Block (4.3): a packet, or as much of it as `bytes` has.
pub(super) fn enhanced_packet(out: &mut Vec<u8>, packet: &Packet<'_>, bytes: &[u8]) {
    block(out, kind::ENHANCED_PACKET, |out| {
        put_u32(out, packet.interface);
        put_time(out, packet.at);
        put_u32(out, bytes.len() as u32);
        put_u32(out, packet.original_len);
        put_padded(out, bytes);
        option(out, code::EPB_FLAGS, &(packet.flow as u32).to_le_bytes());
        if packet.lost_before > 0 {
            option(out, code::EPB_DROPCOUNT, &packet.lost_before.to_le_bytes());
        }
        if !packet.comment.is_empty() {
            option(out, code::COMMENT, packet.comment.as_bytes());
        }
        option(out, code::END_OF_OPTIONS, &[]);
    });
}

/// Interface Statistics Block (4.6).
pub(super) fn interface_statistics(out: &mut Vec<u8>, statistics: &Statistics<'_>) {
    block(out, kind::INTERFACE_STATISTICS, |out| {
        put_u32(out, statistics.interface);
        put_time(out, statistics.to);
        for (code, at) in
            [(code::ISB_STARTTIME, statistics.from), (code::ISB_ENDTIME, statistics.to)]
        {
            option_header(out, code, 8);
            put_time(out, at);
        }
        option(out, code::ISB_IFRECV, &statistics.received.to_le_bytes());
        option(out, code::ISB_IFDROP, &statistics.dropped.to_le_bytes());
        if !statistics.comment.is_empty() {
            option(out, code::COMMENT, statistics.comment.as_bytes());
        }
        option(out, code::END_OF_OPTIONS, &[]);
    });
}

/// General block structure (3.1): type and length in front, the length again behind.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let begin = out.len();
    put_u32(out, kind);
    put_u32(out, 0);
    body(out);
    let len = (out.len() - begin + 4) as u32;
    out[begin + 4..begin + 8].copy_from_slice(&len.to_le_bytes());
    put_u32(out, len);
}

/// An option (3.5), its value cut off at the longest there can be.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(OPTION_LEN_MAX)];
    option_header(out, code, value.len() as u16);
    put_padded(out, value);
}

fn option_header(out: &mut Vec<u8>, code: u16, len: u16) {
    put_u16(out, code);
    put_u16(out, len);
}

/// A time (4.3): the upper half of its 64 bits, then the lower.
fn put_time(out: &mut Vec<u8>, at: UtcTime) {
    let ns = at.as_unix_ns();
    put_u32(out, (ns >> 32) as u32);
    put_u32(out, ns as u32);
}

/// Bytes, and zeros up to a multiple of four.
fn put_padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.extend_from_slice(&[0; 3][..bytes.len().wrapping_neg() % 4]);
}

fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hexadecimal digits as bytes; what stands between them is for the reader.
    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn written(block: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        block(&mut out);
        out
    }

    const AT: UtcTime = UtcTime::from_unix_ns(0x1122_3344_5566_7788);

    #[test]
    fn a_section_header_is_laid_out_as_4_1_draws_it() {
        let section = Section { hardware: "x86_64", os: "Linux", application: "fixwire 1" };
        let expected = "0a0d0d0a 48000000 4d3c2b1a 0100 0000 ffffffffffffffff
            0200 0600 7838365f36340000
            0300 0500 4c696e7578000000
            0400 0900 6669787769726520 31000000
            0000 0000 48000000";
        assert_eq!(written(|out| section_header(out, &section)), hex(expected));
    }

    #[test]
    fn an_interface_counts_nanoseconds_and_says_whence() {
        let interface = Interface {
            name: "tap",
            description: "sent",
            mac: [2, 3, 4, 5, 6, 7],
            snap_len: 65_535,
        };
        let expected = "01000000 3c000000 0100 0000 ffff0000
            0200 0300 74617000
            0300 0400 73656e74
            0600 0600 0203040506070000
            0900 0100 09000000
            0000 0000 3c000000";
        assert_eq!(written(|out| interface_description(out, &interface)), hex(expected));
    }

    #[test]
    fn a_packet_is_laid_out_as_4_3_draws_it() {
        let packet = Packet {
            interface: 1,
            at: AT,
            flow: Flow::Outbound,
            original_len: 5,
            lost_before: 0,
            comment: "",
        };
        let bare = "06000000 34000000 01000000 44332211 88776655 05000000 05000000
            0102030405000000
            0200 0400 02000000
            0000 0000 34000000";
        assert_eq!(written(|out| enhanced_packet(out, &packet, &[1, 2, 3, 4, 5])), hex(bare));

        let packet =
            Packet { interface: 0, flow: Flow::Inbound, lost_before: 3, comment: "ab", ..packet };
        let full = "06000000 44000000 00000000 44332211 88776655 04000000 05000000
            01020304
            0200 0400 01000000
            0400 0800 0300000000000000
            0100 0200 61620000
            0000 0000 44000000";
        assert_eq!(written(|out| enhanced_packet(out, &packet, &[1, 2, 3, 4])), hex(full));
    }

    #[test]
    fn statistics_are_laid_out_as_4_6_draws_it() {
        let statistics = Statistics {
            interface: 1,
            from: UtcTime::from_unix_ns(7),
            to: AT,
            received: 9,
            dropped: 2,
            comment: "",
        };
        let expected = "05000000 4c000000 01000000 44332211 88776655
            0200 0800 00000000 07000000
            0300 0800 44332211 88776655
            0400 0800 0900000000000000
            0500 0800 0200000000000000
            0000 0000 4c000000";
        assert_eq!(written(|out| interface_statistics(out, &statistics)), hex(expected));
    }

    #[test]
    fn a_packet_adds_no_more_than_it_says() {
        let packet = Packet {
            interface: 1,
            at: AT,
            flow: Flow::Inbound,
            original_len: 61,
            lost_before: 1,
            comment: "c",
        };
        let out = written(|out| enhanced_packet(out, &packet, &[0; 61]));
        assert!(out.len() <= 61 + 1 + PACKET_OVERHEAD_LEN_MAX, "{}", out.len());
    }
}
