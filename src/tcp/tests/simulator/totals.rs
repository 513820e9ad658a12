//! What happened in a world, and in all of them: a simulator that provokes nothing proves nothing.

use core::fmt;

use crate::tcp::{Count, Counters};

macro_rules! done {
    ($( $field:ident $name:literal )*) => {
        /// What the world around the stacks did.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Done { $( pub(super) $field: u64, )* }

        impl Done {
            fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$( ($name, self.$field), )*].into_iter()
            }

            fn add(&mut self, other: &Done) {
                $( self.$field += other.$field; )*
            }
        }
    };
}

done! {
    lost "frames lost one by one"
    lost_in_bursts "frames lost in bursts"
    lost_in_outages "frames lost while a path was cut"
    lost_in_queues "frames lost in full queues"
    outages "times a path was cut"
    repeated "copies of frames"
    overtaken "frames overtaken by later ones"
    held_up "frames held up"
    corrupted "frames damaged"
    refused "damaged frames refused"
    deceived "damaged frames that an audit let pass"
    unfinished "frames with unfinished sums"
    marked "frames marked"
    too_big "frames too big for a link"
    sleeps "applications that slept"
    aborts "connections aborted"
    crashes "hosts that lost all they knew"
    jumps "clocks that jumped ahead"
    jumps_back "clocks that jumped back"
    reneged "hosts that let go of what they held"
    moves "connections moved in mid-transfer"
    rounds "lines that reconnected"
    closed_windows "zero windows told"
    places_refused "connections for which a host had no place"
    moves_refused "connections for which the other stack had no place"
    given_up_as_stale "connections given up rather than be late"
    given_up_in_silence "connections given up for silence"
    released "connections let go of"
    released_unsent "of them with bytes left to deliver"
    orphans_whole "of them delivered whole"
    cookies_refused "cookies that came back too late or too early"
    firsts_again "first segments that came once more after the end"
    floods "floods of strangers"
    of_strangers "segments of strangers"
    asked_too_much "calls that asked for too much"
    heals "worlds that lived to be healed"
}

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    pub(super) seeds: u64,
    pub(super) bytes: u64,
    pub(super) frames: u64,
    pub(super) steps: u64,
    pub(super) ns: u64,
    pub(super) done: Done,
    counts: [u64; Count::ALL.len()],
}

impl Default for Totals {
    fn default() -> Totals {
        let counts = [0; Count::ALL.len()];
        Totals { seeds: 0, bytes: 0, frames: 0, steps: 0, ns: 0, done: Done::default(), counts }
    }
}

/// What must have happened to the stacks somewhere among the seeds.
const PROVOKED: [Count; 64] = [
    Count::ConnectionsFull,
    Count::TimeWaitCutShort,
    Count::BacklogFull,
    Count::SynCookieOut,
    Count::SynCookieAccepted,
    Count::SynCookieWrong,
    Count::SynCookieUsed,
    Count::ListenAckUnexpected,
    Count::ResetQueueFull,
    Count::ListenersFull,
    Count::EndpointInUse,
    Count::EndpointInvalid,
    Count::PortsExhausted,
    Count::SendTooLong,
    Count::SendNoRoom,
    Count::SegmentEndsFull,
    Count::HeldFull,
    Count::Stale,
    Count::UserTimeout,
    Count::OrphanTimedOut,
    Count::DataAfterRelease,
    Count::SegmentPredicted,
    Count::OutOfOrder,
    Count::ReassemblyFull,
    Count::DuplicateData,
    Count::FastRetransmit,
    Count::RetransmitTimeout,
    Count::SynRetransmission,
    Count::SynDuplicate,
    Count::WindowProbeOut,
    Count::WindowProbeIn,
    Count::TimestampOld,
    Count::TimeWaitReused,
    Count::ResetInexact,
    Count::ResetIn,
    Count::PortUnreachable,
    Count::DsackIn,
    Count::LossProbe,
    Count::LossProbeRepaired,
    Count::RecoveryUndone,
    Count::SackReneged,
    Count::SegmentsFull,
    Count::DuplicateAck,
    Count::CongestionExperienced,
    Count::CongestionEchoed,
    Count::PathMtuLowered,
    Count::PathBlackHole,
    Count::KeepAliveOut,
    Count::ChallengeAckOut,
    Count::MessagesMerged,
    Count::Imported,
    Count::LetGo,
    Count::PreparedOut,
    Count::PathWarmed,
    Count::PreparedOutdated,
    Count::PreparedQueued,
    Count::PreparedRepairing,
    Count::PreparedTooLong,
    Count::PreparedNoWindow,
    Count::PreparedNoCongestionWindow,
    Count::PreparedQueueFull,
    Count::PreparedNotConnected,
    Count::PreparedClosed,
    Count::StaleId,
];

impl Totals {
    pub(super) fn of_one_seed() -> Totals {
        Totals { seeds: 1, ..Totals::default() }
    }

    pub(super) fn of(&self, what: Count) -> u64 {
        self.counts[what as usize]
    }

    /// What a stack has counted, once it is done.
    pub(super) fn count(&mut self, counters: &Counters) {
        for (sum, what) in self.counts.iter_mut().zip(Count::ALL) {
            *sum += counters.of(what);
        }
    }

    pub(super) fn add(&mut self, other: &Totals) {
        self.seeds += other.seeds;
        self.bytes += other.bytes;
        self.frames += other.frames;
        self.steps += other.steps;
        self.ns += other.ns;
        self.done.add(&other.done);
        self.counts.iter_mut().zip(other.counts).for_each(|(sum, count)| *sum += count);
    }

    /// The same in a line.
    pub(super) fn line(&self) -> String {
        let (bytes, minutes) = (self.bytes as f64 / 1e6, self.ns as f64 / 60e9);
        let (seeds, frames, steps) = (self.seeds, self.frames, self.steps);
        format!(
            "{seeds} seeds, {bytes:.1} MB whole and in order, {frames} frames, {minutes:.0} min of virtual time, \
             every invariant after each of {steps} steps"
        )
    }

    /// Everything that can happen has happened.
    pub(super) fn assert_complete(&self) {
        assert!(self.bytes > 10_000 * self.seeds, "only {} bytes", self.bytes);
        let provoked = PROVOKED.into_iter().map(|what| (what.name(), self.of(what)));
        for (what, count) in self.done.iter().chain(provoked) {
            assert!(count > 0, "never among {} seeds: {what}", self.seeds);
        }
        let damaged = self.done.corrupted;
        assert!(self.done.refused * 10 > damaged * 9, "most of {damaged} damaged frames arrive");
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line())?;
        let mut line = String::from(" ");
        let counted = Count::ALL.into_iter().map(|what| (what.name(), self.of(what)));
        for (what, count) in self.done.iter().chain(counted) {
            if count == 0 {
                continue;
            }
            let item = format!(" {count} {what},");
            if line.len() + item.len() > 118 {
                writeln!(f, "{line}")?;
                line = String::from(" ");
            }
            line += &item;
        }
        write!(f, "{}", line.trim_end_matches(','))
    }
}
