//! How often a peer may have all that is in flight looked over again, by taking back what it said: that it holds something
//! (RFC 2018 8), or that something is lost. Every such look is at each segment in flight, and a peer that means ill
//! takes back with every segment that it sends.

use super::codec::codec;
use crate::wire::tcp::SeqNumber;

/// In one window a peer may let go so often of what it holds; then its blocks say nothing any more until all of that
/// window is acknowledged. RFC 2018 8 has the sender go by them or not; one that runs out of memory lets go once.
const RENEGES_MAX: u8 = 4;
/// And so many recoveries of one window may turn out to have been for nothing; what others take stays taken. A path that
/// reorders has as many where it delays by more than a round trip, and again by more than that.
const UNDOS_MAX: u8 = 16;

/// What was taken back of the window that ends at `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecondLooks {
    until: SeqNumber,
    reneges: u8,
    undos: u8,
}

impl SecondLooks {
    pub(super) const NONE: SecondLooks = SecondLooks { until: SeqNumber(0), reneges: 0, undos: 0 };

    fn is_none(&self) -> bool {
        self.reneges == 0 && self.undos == 0
    }

    /// The window that a look is at begins with the first one.
    fn begin(&mut self, una: SeqNumber, nxt: SeqNumber) {
        if self.is_none() || self.until.is_at_or_before(una) {
            *self = SecondLooks { until: nxt, ..SecondLooks::NONE };
        }
    }

    /// The peer has let go of what it held, with `una` up to `nxt` in flight.
    pub(super) fn on_reneged(&mut self, una: SeqNumber, nxt: SeqNumber) {
        self.begin(una, nxt);
        self.reneges = self.reneges.saturating_add(1);
    }

    /// Whether what it says that it holds counts.
    pub(super) fn believes_blocks(&self, una: SeqNumber) -> bool {
        self.reneges < RENEGES_MAX || self.until.is_at_or_before(una)
    }

    /// A recovery was for nothing. Says whether that may be made good.
    pub(super) fn on_undo(&mut self, una: SeqNumber, nxt: SeqNumber) -> bool {
        self.begin(una, nxt);
        let may_undo = self.undos < UNDOS_MAX;
        self.undos = self.undos.saturating_add(1);
        may_undo
    }

    /// A window that ended before `floor` is over.
    pub(super) fn bring_forward(&mut self, floor: SeqNumber) {
        if self.until.is_before(floor) {
            *self = SecondLooks::NONE;
        }
    }
}

codec!(SecondLooks { until, reneges, undos });

#[cfg(test)]
mod tests {
    use super::*;

    const UNA: SeqNumber = SeqNumber(u32::MAX - 500);

    #[test]
    fn blocks_count_again_once_the_window_is_acknowledged_in_which_they_were_taken_back() {
        let mut looks = SecondLooks::NONE;
        for at in 0..u32::from(RENEGES_MAX) {
            assert!(looks.believes_blocks(UNA + at));
            looks.on_reneged(UNA + at, UNA + 1000 + at);
        }
        assert!(!looks.believes_blocks(UNA + 999));
        assert!(looks.believes_blocks(UNA + 1000));
        looks.on_reneged(UNA + 1000, UNA + 2000);
        assert!(looks.believes_blocks(UNA + 1001), "another window, another count");
    }

    #[test]
    fn undoing_has_a_limit_of_its_own_in_each_window() {
        let mut looks = SecondLooks::NONE;
        let may = (0..40).filter(|at| looks.on_undo(UNA + *at, UNA + 1000)).count();
        assert_eq!(may, usize::from(UNDOS_MAX));
        assert!(looks.believes_blocks(UNA + 40));
        assert!(looks.on_undo(UNA + 1000, UNA + 2000));
    }

    #[test]
    fn numbers_from_gigabytes_ago_hold_nothing_back() {
        let mut looks = SecondLooks::NONE;
        (0..RENEGES_MAX).for_each(|_| looks.on_reneged(UNA, UNA + 10));
        looks.bring_forward(UNA + 10);
        assert!(!looks.believes_blocks(UNA));
        looks.bring_forward(UNA + 11);
        assert!(looks.believes_blocks(UNA + (1 << 31) + 11));
    }
}
