//! What is tried of each capability, and what it shows.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;

use fixwire::offload::capability::Capability;
use fixwire::offload::checksum::Sum;
use fixwire::offload::nic::{Nic, RxMeta, TxReport};
use fixwire::offload::observe::Observed;
use fixwire::offload::stamp::{Domain, RxStamp};
use fixwire::offload::verdict::Verdict;
use fixwire::time::Instant;
use fixwire::wire::tcp;
use fixwire::wire::{ethernet, ipv4};

use super::bench::{Bench, DROPPED, Line, MARK, OURS, Received, THEIRS, TRIES, UNNAMED};
use crate::cli::probe_frame::{Sums, TCP_AT, TCP_CHECKSUM_OFFSET};

/// How far from the time of day a stamp may be, in nanoseconds: what a clock drifts during a selftest, and room.
const UTC_OFF_NS_MAX: u64 = 1_000_000;

/// How often the line is waited for before each frame but the first whose stamp is looked at.
const STAMP_WAITS: u32 = 16;
/// How far from its declared rate a clock may count, in percent: far more than a crystal is off.
const RATE_OFF_PERCENT_MAX: u128 = 1;
const NS_PER_S: u128 = 1_000_000_000;

/// What came of one capability.
pub(super) struct Finding {
    pub(super) capability: Capability,
    pub(super) observed: Observed,
    pub(super) seen: String,
}

impl<N: Nic, P: Nic, L: Line> Bench<N, P, L> {
    /// Tries what a frame shows of a capability.
    pub(super) fn probe(&mut self, capability: Capability) -> Finding {
        let (observed, seen) = match capability {
            Capability::RxIpv4Checksum => self.ipv4_verdicts(),
            Capability::RxTcpChecksum => self.tcp_verdicts(),
            Capability::TxIpv4Checksum => {
                self.finished(Sums::Ipv4LeftToDevice, |packet, _| packet.checksum_is_valid())
            }
            Capability::TxTcpChecksum => self.finished(Sums::TcpLeftToDevice, |packet, segment| {
                packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid()
            }),
            Capability::RxTimestamp => self.stamps(),
            Capability::RxTimestampRealTime => self.times_of_day(),
            Capability::TxTimestamp => self.departures(),
            Capability::FlowSteering => self.steered(|_| THEIRS, "frames that a rule names"),
            Capability::FlowMasked => {
                self.steered(stranger, "frames from addresses and ports that a rule leaves open")
            }
            Capability::FlowDrop => self.kept_away(DROPPED, OURS, "frames that a rule drops"),
            Capability::FlowIsolation => {
                self.kept_away(THEIRS, UNNAMED, "frames that no rule names")
            }
            Capability::FlowMark => self.marks(),
            Capability::FlowCount => self.counts(),
            Capability::Rss
            | Capability::FastFree
            | Capability::Scatter
            | Capability::Inlining
            | Capability::CqeCompression
            | Capability::Mprq
            | Capability::RxVector
            | Capability::HeldFrames
            | Capability::Lro
            | Capability::Tso => (Observed::Unproven, "no frame shows it".into()),
        };
        Finding { capability, observed, seen }
    }

    fn ipv4_verdicts(&mut self) -> (Observed, String) {
        let right = self.receive(THEIRS, OURS, Sums::Right);
        let wrong = self.receive(THEIRS, OURS, Sums::Ipv4Wrong);
        let said = Said::of(&right, &wrong, |meta| meta.l3);
        (said.observed(), said.in_words())
    }

    fn tcp_verdicts(&mut self) -> (Observed, String) {
        let right = self.receive(THEIRS, OURS, Sums::Right);
        let wrong = self.receive(THEIRS, OURS, Sums::TcpWrong);
        let said = Said::of(&right, &wrong, |meta| meta.l4);
        if !self.peer_leaves_sums {
            return (said.observed(), said.in_words());
        }
        let unfinished = self.receive(THEIRS, OURS, Sums::TcpLeftToDevice);
        let vouched = unfinished.iter().filter(|(meta, bytes)| is_vouched_for(meta, bytes)).count();
        let seen = format!(
            "{}; of {} unfinished ones {vouched} handed over as such",
            said.in_words(),
            unfinished.len()
        );
        let observed = match (said.observed(), vouched) {
            (Observed::Refuted, _) => Observed::Refuted,
            // Finished on the way is as good.
            (observed, 0) if unfinished.iter().all(|(_, bytes)| tcp_is_right(bytes)) => observed,
            (_, vouched) if vouched == unfinished.len() => Observed::Proven,
            _ => Observed::Refuted,
        };
        (observed, seen)
    }

    /// Sends frames of which a sum is left to the device, and looks at what the peer gets.
    fn finished(
        &mut self,
        left: Sums,
        is_right: fn(&ipv4::Packet<'_>, &tcp::Packet<'_>) -> bool,
    ) -> (Observed, String) {
        let arrived = self.send(left);
        let right = arrived.iter().filter(|(_, bytes)| holds(bytes, is_right)).count();
        let seen = format!("{right} of {} fields left to it arrived right", arrived.len());
        (if right == arrived.len() { if_all(right) } else { Observed::Refuted }, seen)
    }

    fn stamps(&mut self) -> (Observed, String) {
        let mut timed = Vec::new();
        for number in 0..TRIES {
            // The longer it takes from the first to the last, the less it matters when each was sent.
            for _ in 0..STAMP_WAITS * u32::from(number).min(1) {
                self.line.wait();
            }
            let sent = self.line.now();
            let received = self.receive_one(THEIRS, OURS, Sums::Right);
            let got = self.line.now();
            timed.extend(received.iter().map(|(meta, _)| Timed { sent, got, stamp: meta.stamp }));
        }
        let received = timed.len();
        timed.retain(|timed| timed.stamp.is_some());
        let ticks: Vec<_> = timed.windows(2).map(|pair| pair[1].ticks_since(&pair[0])).collect();
        let forward = ticks.iter().flatten().count();
        let seen = format!("{} of {received} frames stamped, {forward} forward", timed.len());
        let (Some(first), Some(last)) = (timed.first(), timed.last()) else {
            return (Observed::Refuted, seen);
        };
        let ticks: u64 = ticks.iter().flatten().sum();
        let declared = self.nic.clock().map_or(0, |clock| clock.ticks_per_s);
        let seen = format!(
            "{seen}, {ticks} ticks in {} µs",
            (last.got.as_ns() - first.got.as_ns()) / 1_000
        );
        let is_right = timed.len() == received
            && forward + 1 == received
            && ticks > 0
            && (declared == 0 || last.ticks_after(first, declared).contains(&u128::from(ticks)));
        (if is_right { Observed::Proven } else { Observed::Refuted }, seen)
    }

    /// Sends frames one by one, each with a token, and looks at what is told of them: of each its own token, once, and
    /// later than of the one before.
    fn departures(&mut self) -> (Observed, String) {
        let told: Vec<_> =
            (1..=u32::from(TRIES)).map(|token| (token, self.send_stamped(token))).collect();
        let named = |(token, reports): &&(u32, Vec<TxReport>)| {
            reports.len() == 1 && reports[0].token == *token
        };
        let stamps: Vec<_> =
            told.iter().filter(named).map(|(_, reports)| reports[0].stamp).collect();
        let is_later =
            |pair: &&[RxStamp]| pair[1].ticks_since(&pair[0]).is_some_and(|ticks| ticks > 0);
        let later = stamps.windows(2).filter(is_later).count();
        let seen =
            format!("{} of {TRIES} sent frames told of by name, {later} forward", stamps.len());
        let is_right = stamps.len() == usize::from(TRIES) && later + 1 == stamps.len();
        (if is_right { Observed::Proven } else { Observed::Refuted }, seen)
    }

    fn times_of_day(&mut self) -> (Observed, String) {
        let Some(from) = self.line.utc() else {
            return (Observed::Unproven, "nothing here tells the time of its clock".into());
        };
        let received = self.receive(THEIRS, OURS, Sums::Right);
        let until = self.line.utc().unwrap_or(from);
        let times = from.as_unix_ns().saturating_sub(UTC_OFF_NS_MAX)
            ..=until.as_unix_ns().saturating_add(UTC_OFF_NS_MAX);
        let stamps = received.iter().filter_map(|(meta, _)| meta.stamp);
        let right = stamps
            .filter(|stamp| stamp.domain == Domain::NicNs && times.contains(&stamp.ticks))
            .count();
        (
            if_all(right),
            format!("{right} of {TRIES} frames stamped by the time of day, to a millisecond"),
        )
    }

    /// Frames that a rule sends to our queue: they come there, and by the rule as far as that shows. Without
    /// the rule, a device that is not isolated sends them there too.
    fn steered(&mut self, from: fn(u8) -> SocketAddrV4, what: &str) -> (Observed, String) {
        let before = self.hits();
        let received = self.receive_from(from, OURS, Sums::Right);
        let shown_by = [
            (Capability::FlowIsolation, received.len()),
            (Capability::FlowMark, marked(&received)),
            (Capability::FlowCount, self.hits().saturating_sub(before)),
        ];
        let shown = shown_by.into_iter().filter(|(by, _)| self.plan.uses(*by));
        let by_rule = shown.map(|(_, frames)| frames).min();
        let seen = format!("of {TRIES} {what}, {} came to our queue", received.len());
        match (if_all(received.len()), by_rule) {
            (Observed::Proven, Some(by_rule)) => (if_all(by_rule), seen),
            (Observed::Proven, None) => {
                (Observed::Unproven, format!("{seen}, as without a rule they would"))
            }
            (wrong, _) => (wrong, seen),
        }
    }

    fn kept_away(
        &mut self,
        from: SocketAddrV4,
        to: SocketAddrV4,
        what: &str,
    ) -> (Observed, String) {
        let arrived = self.receive(from, to, Sums::Right).len();
        let seen = format!("of {TRIES} {what}, {arrived} came to our queue");
        (if arrived == 0 { Observed::Proven } else { Observed::Refuted }, seen)
    }

    fn marks(&mut self) -> (Observed, String) {
        let marked = marked(&self.receive(THEIRS, OURS, Sums::Right));
        (if_all(marked), format!("{marked} of {TRIES} frames were marked {MARK}"))
    }

    fn counts(&mut self) -> (Observed, String) {
        let before = self.hits();
        self.receive(THEIRS, OURS, Sums::Right);
        let counted = self.hits().saturating_sub(before);
        (if_all(counted), format!("{counted} of {TRIES} frames were counted by their rule"))
    }

    /// What the rule for what is ours has counted.
    fn hits(&self) -> usize {
        let hits = self.nic.flow_count(0).map_or(0, |count| count.hits);
        usize::try_from(hits).unwrap_or(usize::MAX)
    }
}

/// A frame that came, when by the line's time it was sent and taken, and its stamp, which is of a moment between.
struct Timed {
    sent: Instant,
    got: Instant,
    stamp: Option<RxStamp>,
}

impl Timed {
    fn ticks_since(&self, earlier: &Timed) -> Option<u64> {
        self.stamp?.ticks_since(&earlier.stamp?)
    }

    /// How many ticks since `earlier` a clock of the rate that is declared may have counted.
    fn ticks_after(&self, earlier: &Timed, ticks_per_s: u64) -> RangeInclusive<u128> {
        let ticks = |from: Instant, until: Instant, percent: u128| {
            let ns = u128::from(until.as_ns().saturating_sub(from.as_ns()));
            ns * u128::from(ticks_per_s) * percent / (100 * NS_PER_S)
        };
        let least = ticks(earlier.got, self.sent, 100 - RATE_OFF_PERCENT_MAX);
        least..=ticks(earlier.sent, self.got, 100 + RATE_OFF_PERCENT_MAX) + 1
    }
}

/// Proven if all that were tried are right.
fn if_all(right: usize) -> Observed {
    if right == usize::from(TRIES) { Observed::Proven } else { Observed::Refuted }
}

/// A sender for each try.
fn stranger(number: u8) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 9, 1, 1 + number), 50_000 + u16::from(number))
}

fn marked(received: &[Received]) -> usize {
    received.iter().filter(|(meta, _)| meta.mark == Some(MARK)).count()
}

/// What a device said of sums of one layer, in frames.
struct Said {
    right: usize,
    wrong: usize,
    goods: usize,
    alarms: usize,
    lies: usize,
    bads: usize,
}

impl Said {
    fn of(right: &[Received], wrong: &[Received], layer: fn(&RxMeta) -> Verdict) -> Said {
        let said = |received: &[Received], verdict| {
            received.iter().filter(|(meta, _)| layer(meta) == verdict).count()
        };
        Said {
            right: right.len(),
            wrong: wrong.len(),
            goods: said(right, Verdict::Good),
            alarms: said(right, Verdict::Bad),
            // Nobody left these unfinished.
            lies: said(wrong, Verdict::Good) + said(wrong, Verdict::None),
            bads: said(wrong, Verdict::Bad),
        }
    }

    fn observed(&self) -> Observed {
        // Bad of a right sum is as wrong as good of a wrong one, though it costs no more than a sum in software.
        match (self.lies + self.alarms, self.goods + self.bads) {
            (1.., _) => Observed::Refuted,
            (0, 0) => Observed::Unproven,
            (0, _) => Observed::Proven,
        }
    }

    fn in_words(&self) -> String {
        let Said { right, wrong, goods, alarms, lies, bads } = self;
        format!(
            "of {right} right sums: good {goods}, bad {alarms}; of {wrong} wrong ones: good {lies}, bad {bads}"
        )
    }
}

/// Whether an unfinished sum was handed over as one: named where it is, and with the pseudo-header's in it.
fn is_vouched_for(meta: &RxMeta, bytes: &[u8]) -> bool {
    let place = (usize::from(meta.csum_start), usize::from(meta.csum_offset));
    meta.l4 == Verdict::None
        && place == (TCP_AT, TCP_CHECKSUM_OFFSET)
        && holds(bytes, |packet, segment| segment.checksum() == packet.tcp_pseudo_header().folded())
}

fn tcp_is_right(bytes: &[u8]) -> bool {
    holds(bytes, |packet, segment| {
        packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid()
    })
}

fn holds(bytes: &[u8], is_right: fn(&ipv4::Packet<'_>, &tcp::Packet<'_>) -> bool) -> bool {
    let Ok(frame) = ethernet::Packet::parse(bytes) else { return false };
    let Ok(packet) = ipv4::Packet::parse(frame.payload) else { return false };
    tcp::Packet::parse(packet.payload).is_ok_and(|segment| is_right(&packet, &segment))
}
