//! Segments as the IPv4 packets that packetdrill sniffs.

use fixwire::offload::checksum::Sum;
use fixwire::tcp::Transmit;
use fixwire::wire::tcp::Flags;
use fixwire::wire::{ipv4, tcp};

/// In which order the options of a SYN stand. RFC 9293 3.1 lets them come in any; packetdrill compares them
/// byte by byte with what the stack that a script was written for sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SynLayout {
    /// As fixwire writes them.
    #[default]
    Fixwire,
    /// MSS, SACK permitted, timestamps, window scale; each padded in front.
    Linux,
    /// MSS, window scale, SACK permitted, timestamps; padded where alignment asks for it, and at the end.
    FreeBsd,
}

const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const TIMESTAMPS: u8 = 8;

/// The packet that `transmit` is on the wire, checksums finished.
pub fn packet(transmit: &Transmit<'_>, layout: SynLayout) -> Vec<u8> {
    let mut segment = vec![0; tcp::HEADER_LEN_MAX];
    let header_len = transmit.header.emit(&mut segment);
    segment.truncate(header_len);
    if transmit.header.flags.has(Flags::SYN) {
        let options = laid_out(&segment[tcp::HEADER_LEN..], layout);
        segment.truncate(tcp::HEADER_LEN);
        segment.extend(options);
        segment[12] = ((segment.len() / 4) << 4) as u8;
    }
    segment.extend(transmit.payload.concat());
    let (src, dst) = (transmit.local, transmit.remote);
    let pseudo_header = Sum::of_tcp_pseudo_header(src.octets(), dst.octets(), segment.len() as u16);
    let checksum = pseudo_header.plus(Sum::of(&segment)).checksum();
    segment[tcp::CHECKSUM_OFFSET..tcp::CHECKSUM_OFFSET + 2]
        .copy_from_slice(&checksum.to_be_bytes());
    let (protocol, payload_len) = (ipv4::Protocol::Tcp, segment.len());
    let header = ipv4::Repr { src, dst, protocol, payload_len, is_ect: transmit.is_ect };
    let mut packet = vec![0; ipv4::HEADER_LEN];
    header.emit(&mut packet, false);
    packet.extend(segment);
    packet
}

/// Sets the type of service of a packet, whose last two bits stay: they tell of congestion.
pub fn set_tos(packet: &mut [u8], tos: u8) {
    packet[1] = (tos & !3) | (packet[1] & 3);
    packet[10..12].fill(0);
    let checksum = Sum::of(&packet[..ipv4::HEADER_LEN]).checksum();
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// The options of a SYN, laid out otherwise: the same ones, each with the same bytes.
fn laid_out(options: &[u8], layout: SynLayout) -> Vec<u8> {
    let options = split(options);
    let order = match layout {
        SynLayout::Fixwire => return padded(options.concat()),
        SynLayout::Linux => [MSS, SACK_PERMITTED, TIMESTAMPS, WINDOW_SCALE],
        SynLayout::FreeBsd => [MSS, WINDOW_SCALE, SACK_PERMITTED, TIMESTAMPS],
    };
    let rank =
        |option: &[u8]| order.iter().position(|kind| *kind == option[0]).unwrap_or(order.len());
    let mut options: Vec<&[u8]> =
        options.into_iter().filter(|option| option[0] != NO_OPERATION).collect();
    options.sort_by_key(|option| rank(option));
    let has = |kind: u8| options.iter().any(|option| option[0] == kind);
    let both = has(SACK_PERMITTED) && has(TIMESTAMPS);
    let mut out = Vec::new();
    for option in &options {
        let padding = match (layout, option[0]) {
            (SynLayout::FreeBsd, TIMESTAMPS) => (2 + 4 - out.len() % 4) % 4,
            (SynLayout::FreeBsd, WINDOW_SCALE) => 1,
            (SynLayout::FreeBsd, _) => out.len() % 2,
            (_, WINDOW_SCALE) => 1,
            (_, SACK_PERMITTED) if !both => 2,
            (_, TIMESTAMPS) if !both => 2,
            _ => 0,
        };
        out.extend(std::iter::repeat_n(NO_OPERATION, padding));
        out.extend_from_slice(option);
    }
    padded(out)
}

fn padded(mut options: Vec<u8>) -> Vec<u8> {
    options.resize(options.len().next_multiple_of(4), END);
    options
}

/// The options one by one, NOPs among them.
fn split(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut options = Vec::new();
    while let [kind, rest @ ..] = bytes {
        let len = match (*kind, rest.first()) {
            (END, _) => break,
            (NO_OPERATION, _) => 1,
            (_, Some(len)) => usize::from(*len).clamp(2, bytes.len()),
            (_, None) => break,
        };
        options.push(&bytes[..len]);
        bytes = &bytes[len..];
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixwire::wire::tcp::{Options, Timestamps};

    fn emitted(options: &Options) -> Vec<u8> {
        let mut bytes = vec![0; options.len()];
        options.emit(&mut bytes);
        bytes
    }

    #[test]
    fn each_layout_holds_the_same_options_in_its_own_order() {
        let mut all = Options { mss: Some(1460), window_scale: Some(6), ..Options::NONE };
        all.timestamps = Some(Timestamps { value: 1, echo: 0 });
        all.sack_permitted = true;
        let stamps = [8, 10, 0, 0, 0, 1, 0, 0, 0, 0];
        let linux = [&[2, 4, 5, 180, 4, 2][..], &stamps, &[1, 3, 3, 6]].concat();
        let freebsd = [&[2, 4, 5, 180, 1, 3, 3, 6, 4, 2][..], &stamps].concat();
        for (layout, expected) in [(SynLayout::Linux, linux), (SynLayout::FreeBsd, freebsd)] {
            let out = laid_out(&emitted(&all), layout);
            assert_eq!(out, expected);
            assert_eq!(Options::parse(&out).unwrap(), all);
        }
        assert_eq!(laid_out(&emitted(&all), SynLayout::Fixwire), emitted(&all));
    }

    #[test]
    fn type_of_service_leaves_the_marks_and_a_checksum_that_is_right() {
        let (src, dst) = ([192, 168, 0, 1].into(), [192, 0, 2, 1].into());
        let protocol = ipv4::Protocol::Tcp;
        let header = ipv4::Repr { src, dst, protocol, payload_len: 0, is_ect: true };
        let mut packet = [0; ipv4::HEADER_LEN];
        header.emit(&mut packet, false);
        let ect = packet[1];
        set_tos(&mut packet, 0x2d);
        assert_eq!(packet[1], 0x2c | ect);
        assert!(Sum::of(&packet).is_valid());
    }

    #[test]
    fn padding_stands_where_each_stack_puts_it() {
        let sack = Options { mss: Some(1460), sack_permitted: true, ..Options::NONE };
        assert_eq!(laid_out(&emitted(&sack), SynLayout::Linux), [2, 4, 5, 180, 1, 1, 4, 2]);
        assert_eq!(laid_out(&emitted(&sack), SynLayout::FreeBsd), [2, 4, 5, 180, 4, 2, 0, 0]);
    }
}
