//! What goes wrong in a seed's world, and how often. One more fault is one more field: drawn here, done where it
//! happens, counted in `totals`.

use super::random::{NEVER, Random};

/// Everything that may go wrong, as rates. After a while the world is healed: nothing more goes wrong, and what
/// was begun has to end.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    pub(super) heals_at_ns: u64,

    // The network: of frames.
    pub(super) loss_percent: u64,
    /// One frame in so many begins a burst in which all are lost, or every second one, of up to so many frames
    /// within a second.
    pub(super) burst_one_in: u64,
    pub(super) burst_frames_max: u64,
    /// One frame in so many finds the path cut in one direction, for up to so long.
    pub(super) outage_one_in: u64,
    pub(super) outage_ns_max: u64,
    pub(super) repeat_percent: u64,
    pub(super) repeats_max: u64,
    pub(super) corrupt_percent: u64,
    /// Of what may be marked (RFC 3168).
    pub(super) mark_percent: u64,
    pub(super) delay_ns: u64,
    pub(super) jitter_ns: u64,
    /// One frame in so many is held up on its way, for up to so long: others overtake it.
    pub(super) hold_one_in: u64,
    pub(super) hold_ns_max: u64,
    /// One frame in so many finds another MTU.
    pub(super) mtu_changes_one_in: u64,
    /// Routers say nothing of what they find too big.
    pub(super) is_black_hole: bool,

    // The hosts: of steps, or of turns of an application.
    pub(super) abort_one_in: u64,
    /// An application neither reads nor writes for a while: its window closes.
    pub(super) sleeps_one_in: u64,
    pub(super) clock_jumps_one_in: u64,
    /// A host loses everything that it knew.
    pub(super) crash_one_in: u64,
    /// A host lets go of what it holds ahead of its turn (RFC 2018 8).
    pub(super) renege_one_in: u64,
    /// A connection goes on in another stack of its host.
    pub(super) move_one_in: u64,
    /// How long a host that has something to send waits, as one that delays its ACKs does.
    pub(super) hesitates_ns: [u64; 2],
}

impl Faults {
    const NONE: Faults = Faults {
        heals_at_ns: 0,
        loss_percent: 0,
        burst_one_in: NEVER,
        burst_frames_max: 1,
        outage_one_in: NEVER,
        outage_ns_max: 0,
        repeat_percent: 0,
        repeats_max: 1,
        corrupt_percent: 0,
        mark_percent: 0,
        delay_ns: 0,
        jitter_ns: 0,
        hold_one_in: NEVER,
        hold_ns_max: 0,
        mtu_changes_one_in: NEVER,
        is_black_hole: false,
        abort_one_in: NEVER,
        sleeps_one_in: NEVER,
        clock_jumps_one_in: NEVER,
        crash_one_in: NEVER,
        renege_one_in: NEVER,
        move_one_in: NEVER,
        hesitates_ns: [0; 2],
    };

    pub(super) fn draw(random: &mut Random) -> Faults {
        Faults {
            heals_at_ns: random.pick(&[1, 10, 100]) * 1_000_000_000,
            loss_percent: random.pick(&[0, 0, 2, 10, 25]),
            burst_one_in: random.pick(&[NEVER, NEVER, 100, 300]),
            burst_frames_max: random.pick(&[3, 30, 300]),
            outage_one_in: random.pick(&[NEVER, NEVER, NEVER, 2_000]),
            outage_ns_max: random.pick(&[100_000_000, 5_000_000_000, 40_000_000_000]),
            repeat_percent: random.pick(&[0, 0, 5, 20]),
            repeats_max: random.pick(&[1, 1, 4]),
            corrupt_percent: random.pick(&[0, 0, 1, 10]),
            mark_percent: random.pick(&[0, 5, 50]),
            delay_ns: random.pick(&[10_000, 1_000_000, 30_000_000]),
            jitter_ns: random.pick(&[0, 0, 100_000, 20_000_000]),
            hold_one_in: random.pick(&[NEVER, NEVER, 100, 1_000]),
            hold_ns_max: random.pick(&[1_000_000, 200_000_000, 3_000_000_000]),
            mtu_changes_one_in: random.pick(&[NEVER, 50, 300]),
            is_black_hole: random.one_in(4),
            abort_one_in: random.pick(&[NEVER, NEVER, 300]),
            sleeps_one_in: random.pick(&[NEVER, NEVER, 100]),
            clock_jumps_one_in: random.pick(&[NEVER, NEVER, 500]),
            crash_one_in: random.pick(&[NEVER, NEVER, NEVER, 2_000]),
            renege_one_in: random.pick(&[NEVER, NEVER, 50]),
            move_one_in: random.pick(&[NEVER, NEVER, 20, 300]),
            hesitates_ns: [0, 1].map(|_| random.pick(&[0, 0, 0, 45_000_000])),
        }
    }

    /// Nothing goes wrong any more. The way stays as long as it was, and who hesitates goes on to.
    pub(super) fn heal(&mut self) {
        let Faults { heals_at_ns, delay_ns, hesitates_ns, .. } = *self;
        *self = Faults { heals_at_ns, delay_ns, hesitates_ns, ..Faults::NONE };
    }
}
