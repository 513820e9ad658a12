//! What a wire does to frames besides carrying them, and a NIC besides receiving them, by seed.

/// How often a wire misbehaves in one direction, in parts per million of frames. All off by
/// default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Frames that never arrive.
    pub loss_ppm: u32,
    /// Frames that arrive twice.
    pub duplicate_ppm: u32,
    /// Frames held back by `reorder_delay_ns`, so that later ones overtake them.
    pub reorder_ppm: u32,
    /// How long a frame is held back.
    pub reorder_delay_ns: u64,
    /// Frames that arrive with one bit of their IPv4 packet, or its padding, flipped. Frames of
    /// other kinds are left alone: ARP has no checksum of its own and leans on Ethernet's, which
    /// would have caught the flip.
    pub corrupt_ppm: u32,
    /// Where in them the bit lies.
    pub corrupt_at: Aim,
}

/// Which bits of a frame a wire flips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aim {
    /// Any of its IPv4 packet, or of its padding.
    #[default]
    Anywhere,
    /// One of the IPv4 header's checksum: what the header says stays right.
    Ipv4Checksum,
    /// One of a whole TCP segment's checksum: what the segment carries stays right. Anywhere in a frame
    /// without one.
    TcpChecksum,
}

/// How a NIC misbehaves. All off by default. Rates are in parts per million of received frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NicFaults {
    /// Wrong checksums of which it speaks as of right ones, each layer by itself.
    pub lies_ppm: u32,
    /// Right checksums of which it speaks as of wrong ones, each layer by itself.
    pub alarms_ppm: u32,
    /// Frames without a stamp.
    pub stamps_missing_ppm: u32,
    /// Frames that it fails to receive, which never come and are counted in `rx_errors`.
    pub receive_fails_ppm: u32,
    /// How far its clock is ahead of where it would have been: set, it jumps there; taken away, it jumps
    /// back.
    pub clock_jump_ns: i64,
    /// It refuses every rule.
    pub refuses_rules: bool,
    /// It refuses a rule of another priority than 0, though it said nothing of it before.
    pub refuses_priorities: bool,
    /// It loses its rules when it is stopped, though its driver keeps them.
    pub loses_rules: bool,
    /// The counters of its rules read zero, whatever they match.
    pub counts_read_zero: bool,
    /// It takes rules that count, and does not tell what they have counted.
    pub refuses_counts: bool,
    /// It sends the sums that it was told to finish as they are.
    pub leaves_sums: bool,
    /// Its receive queue stands still: frames get as far as the ring, and no poll gets one.
    pub stalled: bool,
    /// Sent frames that it is to tell of and does not.
    pub tx_reports_lost_ppm: u32,
    /// And those that it tells of late, behind later ones.
    pub tx_reports_late_ppm: u32,
    /// How late, in nanoseconds.
    pub tx_reports_late_ns: u64,
    /// And those that it tells of under a name that no frame bears.
    pub tx_reports_false_ppm: u32,
    /// And those that it tells of twice.
    pub tx_reports_twice_ppm: u32,
    /// The clock that it stamps sent frames by stands still.
    pub tx_stamps_frozen: bool,
}

/// What happens to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) lost: bool,
    pub(super) duplicated: bool,
    pub(super) reordered: bool,
    pub(super) corrupted: bool,
}

/// One direction's chance. Each fault draws from a sequence of its own, once for every frame, so
/// that changing one rate leaves alone which frames the others strike.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    loss: Sequence,
    duplicate: Sequence,
    reorder: Sequence,
    corrupt: Sequence,
    place: Sequence,
}

impl Dice {
    /// The dice of direction `direction` under `seed`.
    pub(super) fn new(seed: u64, direction: u64) -> Dice {
        let sequence = |number: u64| Sequence(mix(seed ^ mix(direction * 16 + number + 1)));
        Dice {
            loss: sequence(0),
            duplicate: sequence(1),
            reorder: sequence(2),
            corrupt: sequence(3),
            place: sequence(4),
        }
    }

    pub(super) fn fate(&mut self, faults: &Faults) -> Fate {
        Fate {
            lost: self.loss.strikes(faults.loss_ppm),
            duplicated: self.duplicate.strikes(faults.duplicate_ppm),
            reordered: self.reorder.strikes(faults.reorder_ppm),
            corrupted: self.corrupt.strikes(faults.corrupt_ppm),
        }
    }

    /// Flips one bit of `bytes`, if there is any, and says in which of them.
    pub(super) fn flip(&mut self, bytes: &mut [u8]) -> usize {
        let bit = self.place.below(bytes.len() as u64 * 8);
        let at = (bit / 8) as usize;
        if let Some(byte) = bytes.get_mut(at) {
            *byte ^= 1 << (bit % 8);
        }
        at
    }
}

/// What a NIC does wrong with what it tells of one sent frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ReportFate {
    pub(super) lost: bool,
    pub(super) late: bool,
    pub(super) is_false: bool,
    pub(super) twice: bool,
}

/// What a NIC does wrong with one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NicFate {
    /// Of the IPv4 header, and of the TCP segment.
    pub(super) lies: [bool; 2],
    pub(super) alarms: [bool; 2],
    pub(super) stamp_missing: bool,
    pub(super) receive_fails: bool,
}

impl NicFate {
    /// What it takes a checksum for: `layer` 0 is the IPv4 header's, 1 the TCP segment's.
    pub(super) fn takes(&self, layer: usize, right: Option<bool>) -> Option<bool> {
        right.map(|right| if right { !self.alarms[layer] } else { self.lies[layer] })
    }
}

/// One NIC's chance, each kind of it a sequence of its own.
#[derive(Clone, Debug)]
pub(super) struct NicDice {
    lies: [Sequence; 2],
    alarms: [Sequence; 2],
    stamp_missing: Sequence,
    receive_fails: Sequence,
    bus: Sequence,
    wander: Sequence,
    reports: [Sequence; 4],
}

impl NicDice {
    /// The dice of end `end` under `seed`.
    pub(super) fn new(seed: u64, end: u64) -> NicDice {
        // Past those of the directions.
        let sequence = |number: u64| Sequence(mix(seed ^ mix((2 + end) * 16 + number + 1)));
        NicDice {
            lies: [sequence(0), sequence(1)],
            alarms: [sequence(2), sequence(3)],
            stamp_missing: sequence(4),
            bus: sequence(5),
            wander: sequence(6),
            receive_fails: sequence(7),
            reports: [sequence(8), sequence(9), sequence(10), sequence(11)],
        }
    }

    pub(super) fn fate_of_report(&mut self, faults: &NicFaults) -> ReportFate {
        let [lost, late, is_false, twice] = &mut self.reports;
        ReportFate {
            lost: lost.strikes(faults.tx_reports_lost_ppm),
            late: late.strikes(faults.tx_reports_late_ppm),
            is_false: is_false.strikes(faults.tx_reports_false_ppm),
            twice: twice.strikes(faults.tx_reports_twice_ppm),
        }
    }

    pub(super) fn fate(&mut self, faults: &NicFaults) -> NicFate {
        NicFate {
            lies: self.lies.each_mut().map(|layer| layer.strikes(faults.lies_ppm)),
            alarms: self.alarms.each_mut().map(|layer| layer.strikes(faults.alarms_ppm)),
            stamp_missing: self.stamp_missing.strikes(faults.stamps_missing_ppm),
            receive_fails: self.receive_fails.strikes(faults.receive_fails_ppm),
        }
    }

    /// How long the bus takes one way this time.
    pub(super) fn bus_ns(&mut self, most: u32) -> u64 {
        self.bus.below(u64::from(most) + 1)
    }

    /// Where in its period a clock's wander begins.
    pub(super) fn wandered_ns(&mut self, period_ms: u32) -> u64 {
        self.wander.below(u64::from(period_ms) * 1_000_000)
    }
}

/// Numbers that look like chance and follow from the start (SplitMix64).
#[derive(Clone, Debug)]
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number under `limit`; 0 when there is none.
    fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    fn strikes(&mut self, ppm: u32) -> bool {
        self.below(1_000_000) < u64::from(ppm)
    }
}

const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: usize = 100_000;

    fn fates(seed: u64, direction: u64, faults: Faults) -> Vec<Fate> {
        let mut dice = Dice::new(seed, direction);
        (0..FRAMES).map(|_| dice.fate(&faults)).collect()
    }

    fn every(ppm: u32) -> Faults {
        Faults {
            loss_ppm: ppm,
            duplicate_ppm: ppm,
            reorder_ppm: ppm,
            reorder_delay_ns: 0,
            corrupt_ppm: ppm,
            corrupt_at: Aim::Anywhere,
        }
    }

    #[test]
    fn a_rate_in_ppm_strikes_that_often() {
        for ppm in [0, 1_000, 50_000, 500_000, 1_000_000] {
            let fates = fates(1, 0, every(ppm));
            let expected = FRAMES as f64 * f64::from(ppm) / 1e6;
            let counts: [fn(&Fate) -> bool; 4] = [
                |fate| fate.lost,
                |fate| fate.duplicated,
                |fate| fate.reordered,
                |fate| fate.corrupted,
            ];
            for strikes in counts {
                let found = fates.iter().filter(|fate| strikes(fate)).count() as f64;
                let slack = 5.0 * (expected * (1.0 - f64::from(ppm) / 1e6)).sqrt();
                assert!((found - expected).abs() <= slack, "{ppm} ppm: {found} of {expected}");
            }
        }
    }

    #[test]
    fn the_same_seed_is_the_same_fate_and_another_is_not() {
        let first = fates(7, 0, every(100_000));
        assert_eq!(first, fates(7, 0, every(100_000)));
        assert_ne!(first, fates(8, 0, every(100_000)));
        assert_ne!(first, fates(7, 1, every(100_000)), "directions are independent");
    }

    #[test]
    fn faults_strike_independently_of_each_other() {
        let all = fates(7, 0, every(100_000));
        let loss_only = fates(7, 0, Faults { loss_ppm: 100_000, ..Faults::default() });
        let lost = |fates: &[Fate]| fates.iter().map(|fate| fate.lost).collect::<Vec<_>>();
        assert_eq!(lost(&all), lost(&loss_only));
        let both = all.iter().filter(|fate| fate.lost && fate.corrupted).count();
        assert!((800..1_200).contains(&both), "{both} of 1000 expected by chance");
    }

    #[test]
    fn a_nic_s_faults_strike_independently_of_each_other_and_by_seed() {
        let fates = |seed, end, faults| {
            let mut dice = NicDice::new(seed, end);
            (0..FRAMES).map(|_| dice.fate(&faults)).collect::<Vec<_>>()
        };
        let ppm = 100_000;
        let all = NicFaults {
            lies_ppm: ppm,
            alarms_ppm: ppm,
            stamps_missing_ppm: ppm,
            receive_fails_ppm: ppm,
            ..NicFaults::default()
        };
        let of_all = fates(7, 0, all);
        assert_eq!(of_all, fates(7, 0, all));
        assert_ne!(of_all, fates(8, 0, all));
        assert_ne!(of_all, fates(7, 1, all), "each end by itself");
        let kinds: [fn(&NicFate) -> bool; 6] = [
            |fate| fate.lies[0],
            |fate| fate.lies[1],
            |fate| fate.alarms[0],
            |fate| fate.alarms[1],
            |fate| fate.stamp_missing,
            |fate| fate.receive_fails,
        ];
        let alone = fates(7, 0, NicFaults { alarms_ppm: ppm, ..NicFaults::default() });
        for (number, strikes) in kinds.into_iter().enumerate() {
            let found = of_all.iter().filter(|fate| strikes(fate)).count();
            assert!((9_500..10_500).contains(&found), "{found} of 10000");
            for other in &kinds[..number] {
                let both = of_all.iter().filter(|fate| strikes(fate) && other(fate)).count();
                assert!((800..1_200).contains(&both), "{both} of 1000 expected by chance");
            }
        }
        let alarms = |fates: &[NicFate]| fates.iter().map(|fate| fate.alarms).collect::<Vec<_>>();
        assert_eq!(alarms(&of_all), alarms(&alone));
    }

    #[test]
    fn one_bit_is_flipped_and_nothing_has_none() {
        let mut dice = Dice::new(3, 0);
        for _ in 0..1_000 {
            let mut bytes = [0u8; 61];
            let at = dice.flip(&mut bytes);
            assert_eq!(bytes[at].count_ones(), 1);
            assert_eq!(bytes.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);
        }
        dice.flip(&mut []);
    }
}
