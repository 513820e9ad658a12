//! How large a packet may be on the way between the two, and what a router there says of one that is larger
//! (RFC 1191 4).

use std::net::Ipv4Addr;

use fixwire::offload::checksum::Sum;
use fixwire::wire::{ethernet, icmp, ipv4};

use crate::relay::random::Random;

const L2_LEN: usize = ethernet::HEADER_LEN;
const L3_LEN: usize = ipv4::HEADER_LEN;
/// IPv4 header and eight bytes of TCP: what an error quotes at least (RFC 792).
const QUOTE_LEN: usize = L3_LEN + 8;
/// What a path takes, in bytes of packet. Below the last no ICMP error takes a connection, ours or Linux's.
pub(crate) const MTUS: [usize; 5] = [1500, 1492, 1006, 640, 552];

/// A router between the two.
pub(crate) struct Path {
    /// In bytes of packet.
    pub(crate) mtu: usize,
    /// Nothing is said of what is too long.
    pub(crate) is_black_hole: bool,
    /// One packet in so many finds another MTU; none for 0.
    pub(crate) changes_one_in: u64,
    random: Random,
    pub(crate) changes: u64,
    /// Packets that were too long: ours, and the kernel's.
    pub(crate) too_long: [u64; 2],
    /// The longest that passed, of either.
    pub(crate) longest: [usize; 2],
}

impl Path {
    pub(crate) fn new(seed: u64) -> Path {
        Path {
            mtu: MTUS[0],
            is_black_hole: false,
            changes_one_in: 0,
            random: Random::new(seed),
            changes: 0,
            too_long: [0; 2],
            longest: [0; 2],
        }
    }

    /// Whether a frame passes, `whose` is 0 for ours and 1 for the kernel's. If not, what its sender is told, if
    /// anything.
    pub(crate) fn pass(&mut self, whose: usize, frame: &[u8]) -> Result<(), Option<Vec<u8>>> {
        if self.random.one_in(self.changes_one_in) {
            self.mtu = self.random.pick(&MTUS);
            self.changes += 1;
        }
        if frame.len() <= L2_LEN + self.mtu {
            self.longest[whose] = self.longest[whose].max(frame.len() - L2_LEN);
            return Ok(());
        }
        self.too_long[whose] += 1;
        // Routers of before 1990 name no size.
        let is_old = self.changes_one_in > 0 && self.random.one_in(8);
        let mtu = if is_old { 0 } else { self.mtu as u16 };
        Err((!self.is_black_hole).then(|| too_big(frame, mtu)))
    }
}

/// A router's word to whom a frame is from that it was larger than a link of `mtu` bytes.
fn too_big(frame: &[u8], mtu: u16) -> Vec<u8> {
    let (to, from) = frame[..12].split_at(6);
    let mut error = [from, to, &frame[12..L2_LEN]].concat();
    let src: [u8; 4] = frame[L2_LEN + 12..][..4].try_into().expect("four of them");
    error.resize(L2_LEN + L3_LEN + icmp::HEADER_LEN, 0);
    let repr = ipv4::Repr {
        src: Ipv4Addr::new(10, 9, 0, 254),
        dst: Ipv4Addr::from(src),
        protocol: ipv4::Protocol::Icmp,
        payload_len: icmp::HEADER_LEN + QUOTE_LEN,
        is_ect: false,
    };
    repr.emit(&mut error[L2_LEN..], false);
    let message = &mut error[L2_LEN + L3_LEN..];
    // Destination unreachable, fragmentation needed.
    message.copy_from_slice(&[3, 4, 0, 0, 0, 0, (mtu >> 8) as u8, mtu as u8]);
    error.extend_from_slice(&frame[L2_LEN..][..QUOTE_LEN]);
    let sum = Sum::of(&error[L2_LEN + L3_LEN..]).checksum();
    error[L2_LEN + L3_LEN + 2..][..2].copy_from_slice(&sum.to_be_bytes());
    error
}
