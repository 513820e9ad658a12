//! A recorded packet as the engine of now has to see it: acknowledging its own numbers, at its own port.
//!
//! Numbers that an end picks by a secret are no part of what it does: its ISN, the offset of its TSval, and the port that it
//! connects from. Packets to it name them, and are told in those of now; nothing else of them is changed. A checksum that was
//! right is right again, and one that was wrong stays wrong.

use fixwire::offload::checksum::Sum;
use fixwire::wire::ipv4;
use fixwire::wire::tcp;

/// By how much numbers of now are ahead of recorded ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shift {
    /// The port that our end has now.
    pub(super) port: u16,
    /// Of sequence numbers.
    pub(super) seq: u32,
    /// Of TSvals, and the newest that was sent: none later is echoed.
    pub(super) tsval: Option<(u32, u32)>,
}

const TCP_AT_PORT: usize = 2;
const TCP_AT_ACK: usize = 8;
const KIND_SACK: u8 = 5;
const KIND_TIMESTAMPS: u8 = 8;

/// Changes `packet`, from its IPv4 header on, which is one of TCP's.
pub(super) fn translate(packet: &mut [u8], shift: &Shift) {
    let Ok(read) = ipv4::Packet::parse(packet) else { return };
    let header_len = usize::from(packet[0] & 0xf) * 4;
    let was_right = sums_up(&read);
    let end = header_len + read.payload.len();
    let segment = &mut packet[header_len..end];
    let data_at = usize::from(segment[12] >> 4) * 4;
    segment[TCP_AT_PORT..TCP_AT_PORT + 2].copy_from_slice(&shift.port.to_be_bytes());
    let flags = tcp::Flags(segment[13]);
    if flags.has(tcp::Flags::ACK) {
        add(&mut segment[TCP_AT_ACK..], shift.seq);
    }
    options(&mut segment[tcp::HEADER_LEN..data_at], shift, flags);
    let field = tcp::CHECKSUM_OFFSET..tcp::CHECKSUM_OFFSET + 2;
    segment[field.clone()].fill(0);
    let sum = ipv4::Packet::parse(packet).map_or(0, |read| read.checksum_of_now());
    let sum = if was_right { sum } else { !sum };
    packet[header_len..][field].copy_from_slice(&sum.to_be_bytes());
}

trait Sums {
    fn checksum_of_now(&self) -> u16;
}

impl Sums for ipv4::Packet<'_> {
    /// What the checksum of a segment would be whose field is what it is.
    fn checksum_of_now(&self) -> u16 {
        self.tcp_pseudo_header().plus(Sum::of(self.payload)).checksum()
    }
}

fn sums_up(packet: &ipv4::Packet<'_>) -> bool {
    packet.checksum_of_now() == 0
}

fn add(bytes: &mut [u8], shift: u32) {
    if let Some(four) = bytes.first_chunk_mut::<4>() {
        *four = u32::from_be_bytes(*four).wrapping_add(shift).to_be_bytes();
    }
}

/// SACK's edges are numbers of ours, and so is TSecr.
fn options(mut options: &mut [u8], shift: &Shift, flags: tcp::Flags) {
    while let [kind, rest @ ..] = options {
        let len = match (*kind, rest.first()) {
            (0, _) | (_, None) => return,
            (1, _) => 1,
            (_, Some(len)) => usize::from(*len),
        };
        if len == 0 || len > options.len() || (len < 2 && options[0] != 1) {
            return;
        }
        let kind = options[0];
        let (option, behind) = options.split_at_mut(len);
        match (kind, shift.tsval) {
            (KIND_SACK, _) => option[2..].chunks_exact_mut(4).for_each(|edge| add(edge, shift.seq)),
            (KIND_TIMESTAMPS, Some((ahead, newest))) if len == 10 && flags.has(tcp::Flags::ACK) => {
                add(&mut option[6..], ahead);
                let echo = option[6..].first_chunk().map_or(0, |four| u32::from_be_bytes(*four));
                if echo.wrapping_sub(newest) as i32 > 0 {
                    option[6..].copy_from_slice(&newest.to_be_bytes());
                }
            }
            _ => {}
        }
        options = behind;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use fixwire::wire::tcp::{Flags, Options, Repr, SackBlocks, SeqNumber, Timestamps};

    use super::*;

    fn packet() -> Vec<u8> {
        let repr = Repr {
            src_port: 9878,
            dst_port: 50_000,
            seq: SeqNumber(7),
            ack: SeqNumber(1_000),
            flags: Flags::ACK,
            window: 100,
            options: Options {
                timestamps: Some(Timestamps { value: 5, echo: 900 }),
                sack: Some(SackBlocks::of(SeqNumber(1_100), SeqNumber(1_200))),
                ..Options::default()
            },
        };
        let mut segment = vec![0; repr.header_len()];
        repr.emit(&mut segment);
        segment.extend_from_slice(b"odd");
        let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&((20 + segment.len()) as u16).to_be_bytes());
        (packet[8], packet[9]) = (64, 6);
        packet[12..16].copy_from_slice(&src.octets());
        packet[16..20].copy_from_slice(&dst.octets());
        packet.extend_from_slice(&segment);
        let sum = ipv4::Packet::parse(&packet).unwrap().checksum_of_now();
        packet[36..38].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn what_is_ours_is_told_in_numbers_of_now_and_the_sum_is_as_right_as_it_was() {
        let shift = Shift { port: 40_000, seq: 0xffff_ff00, tsval: Some((100, 950)) };
        for is_right in [true, false] {
            let mut packet = packet();
            if !is_right {
                *packet.last_mut().unwrap() ^= 1;
            }
            translate(&mut packet, &shift);
            let read = ipv4::Packet::parse(&packet).unwrap();
            assert_eq!(sums_up(&read), is_right);
            let segment = tcp::Packet::parse(read.payload).unwrap().segment().unwrap();
            assert_eq!((segment.src_port, segment.dst_port, segment.seq.0), (9878, 40_000, 7));
            assert_eq!(segment.ack.0, 1_000 - 256);
            let block = (SeqNumber(1_100 - 256), SeqNumber(1_200 - 256));
            assert_eq!(segment.options.sack.unwrap().blocks(), [block]);
            // 1,000 would be later than what was sent last.
            assert_eq!(segment.options.timestamps, Some(Timestamps { value: 5, echo: 950 }));
        }
    }
}
