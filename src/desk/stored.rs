//! What is read from TCP's ring, as that came ahead of its turn: each message by the stamp of the segment that
//! completed it.

use super::Desk;
use crate::app::Application;
use crate::offload::RxStamp;
use crate::offload::stamp::{ClockId, Domain};
use crate::tcp::{ConnectionId, Receipt, Stack};
use crate::time::Now;

/// The domains, by their places.
const DOMAINS: [Domain; 6] = [
    Domain::NicTicks,
    Domain::NicNs,
    Domain::Tsc,
    Domain::HostNs,
    Domain::VirtualNs,
    Domain::Captured,
];

/// A stamp as TCP keeps it beside bytes.
pub(crate) fn receipt_of(stamp: RxStamp) -> Receipt {
    let RxStamp { clock, generation, domain, ticks } = stamp;
    Receipt([ticks, u64::from(clock.0) << 32 | u64::from(generation) << 16 | domain as u64])
}

/// And back.
fn stamp_of(receipt: Receipt) -> Option<RxStamp> {
    let Receipt([ticks, label]) = receipt;
    let (clock, generation) = (ClockId((label >> 32) as u16), (label >> 16) as u16);
    let domain = *DOMAINS.get(usize::from(label as u16))?;
    Some(RxStamp { clock, generation, domain, ticks })
}

/// The later of two stamps, or `last`, which is not before either, where they do not compare.
fn later(one: Option<RxStamp>, other: Option<RxStamp>, last: Option<RxStamp>) -> Option<RxStamp> {
    let (Some(one), Some(other)) = (one, other) else { return last };
    if one.ticks_since(&other).is_some() {
        Some(one)
    } else if other.ticks_since(&one).is_some() {
        Some(other)
    } else {
        last
    }
}

impl<A: Application> Desk<A> {
    /// Hands over what TCP's ring holds, a chunk at a time. The segment that made it readable bears `stamp`, and so does
    /// what nobody knows to have come by another.
    #[inline(never)]
    pub(super) fn drain(
        &mut self,
        now: Now,
        tcp: &mut Stack,
        index: usize,
        connection: ConnectionId,
        stamp: Option<RxStamp>,
    ) {
        // Of what has come of a message that is not whole, the last to come.
        let mut latest = stamp;
        loop {
            let (bytes, receipt) = tcp.readable_of_segment(connection);
            let len = bytes.len().min(self.chunk.len());
            if len == 0 {
                break;
            }
            let own = receipt.and_then(stamp_of).or(stamp);
            let mut chunk = core::mem::take(&mut self.chunk);
            chunk[..len].copy_from_slice(&bytes[..len]);
            tcp.consume(now.mono, connection, len);
            let mut rest = &chunk[..len];
            while let lacking @ 1.. = self.lacks(index).min(rest.len()) {
                let (part, behind) = rest.split_at(lacking);
                latest = later(latest, own, stamp);
                self.feed(now, tcp, index, connection, part, latest);
                rest = behind;
            }
            if !rest.is_empty() {
                // What begins here came before the segment at hand, and was polled before it.
                self.note_held(true);
                latest = own;
                self.feed(now, tcp, index, connection, rest, own);
            }
            self.chunk = chunk;
        }
        self.note_held(false);
    }

    /// How much a session lacks of a message that has begun.
    fn lacks(&self, index: usize) -> usize {
        self.seats.get(index).map_or(0, |seat| seat.session.lacks())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_as_it_was() {
        for domain in DOMAINS {
            let stamp =
                RxStamp { clock: ClockId(0xfedc), generation: 0xba98, domain, ticks: u64::MAX - 7 };
            assert_eq!(stamp_of(receipt_of(stamp)), Some(stamp));
        }
    }

    #[test]
    fn the_later_of_two_stamps_is_neither_before_the_other_nor_a_guess() {
        let stamp = |generation, ticks| {
            let (clock, domain) = (ClockId(1), Domain::NicNs);
            Some(RxStamp { clock, generation, domain, ticks })
        };
        let last = stamp(3, 1);
        assert_eq!(later(stamp(1, 5), stamp(1, 9), last), stamp(1, 9));
        assert_eq!(later(stamp(1, 9), stamp(1, 5), last), stamp(1, 9));
        assert_eq!(later(stamp(1, 9), stamp(2, 5), last), last);
        assert_eq!(later(None, stamp(2, 5), last), last);
    }
}
