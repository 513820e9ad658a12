//! Step 3 of the path: is this frame to be believed?
//!
//! The device's verdict is looked up in the policy table; what it does not settle is settled in
//! software on the bytes. What the check shows of the device goes into the observations.

use crate::offload::capability::Capability;
use crate::offload::checksum::{Avx2, Sum};
use crate::offload::nic::{Parsed, RxMeta};
use crate::offload::observe::{Drift, Observations};
use crate::offload::plan::Plan;
use crate::offload::verdict::{Auditor, PROOF_FRAMES, Standing, Treatment, Verdict, treatment};
use crate::wire::{Refusal, ipv4, tcp};

/// What checking has come across, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyCounters {
    /// Checksums believed on the device's word alone.
    pub rx_checksum_trusted: u64,
    /// Checksums verified in software.
    pub rx_checksum_verified: u64,
    /// Frames taken with an unfinished checksum whose pseudo-header sum is right.
    pub rx_checksum_partial: u64,
    /// The device said bad, the bytes were good: the frame was taken.
    pub nic_said_bad_but_good: u64,
    /// The device said good, the bytes were bad: the frame was dropped and the device is no longer
    /// believed.
    pub nic_said_good_but_bad: u64,
    /// The device said unfinished, the sum was finished and right: the frame was taken.
    pub nic_said_none_but_full: u64,
}

impl VerifyCounters {
    /// Every counter by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("rx_checksum_trusted", self.rx_checksum_trusted),
            ("rx_checksum_verified", self.rx_checksum_verified),
            ("rx_checksum_partial", self.rx_checksum_partial),
            ("nic_said_bad_but_good", self.nic_said_bad_but_good),
            ("nic_said_good_but_bad", self.nic_said_good_but_bad),
            ("nic_said_none_but_full", self.nic_said_none_but_full),
        ]
        .into_iter()
    }
}

/// One layer's check: how far the device is believed, and when to look all the same.
#[derive(Debug)]
struct Layer {
    capability: Capability,
    standing: Standing,
    auditor: Auditor,
    proof_left: u32,
}

impl Layer {
    fn new(plan: &Plan, capability: Capability, gives_none: bool) -> Layer {
        Layer {
            capability,
            standing: Standing { trusted: plan.uses(capability), gives_none },
            auditor: Auditor::new(plan.rx_checksum_audit),
            proof_left: PROOF_FRAMES,
        }
    }

    /// How many frames of which the device says good are believed before one is looked at.
    fn unseen(&self) -> u64 {
        let is_proven = self.standing.trusted && self.proof_left == 0;
        if is_proven { self.auditor.before_due() } else { 0 }
    }

    #[inline]
    fn audit_due(&mut self) -> bool {
        if self.proof_left > 0 {
            self.proof_left -= 1;
            return true;
        }
        self.auditor.due()
    }
}

/// Decides, by the plan, which frames are believed.
#[derive(Debug)]
pub struct Verifier {
    ipv4: Layer,
    tcp: Layer,
    counters: VerifyCounters,
    avx2: Option<Avx2>,
    /// So many frames more are believed in both layers without a look, of so many that were to be.
    unseen: u64,
    granted: u64,
}

impl Verifier {
    /// A verifier for a device that runs by `plan`.
    pub fn new(plan: &Plan) -> Verifier {
        Verifier {
            ipv4: Layer::new(plan, Capability::RxIpv4Checksum, false),
            tcp: Layer::new(plan, Capability::RxTcpChecksum, plan.gives_none),
            counters: VerifyCounters::default(),
            avx2: Avx2::find(),
            unseen: 0,
            granted: 0,
        }
    }

    /// What has come across.
    pub fn counters(&self) -> &VerifyCounters {
        &self.counters
    }

    /// Whether the device is still believed for `capability`.
    pub fn trusts(&self, capability: Capability) -> bool {
        match capability {
            Capability::RxIpv4Checksum => self.ipv4.standing.trusted,
            Capability::RxTcpChecksum => self.tcp.standing.trusted,
            _ => false,
        }
    }

    /// The device is not believed any more.
    pub(crate) fn demote(&mut self, capability: Capability) {
        self.settle();
        match capability {
            Capability::RxIpv4Checksum => self.ipv4.standing.trusted = false,
            Capability::RxTcpChecksum => self.tcp.standing.trusted = false,
            _ => {}
        }
        self.grant();
    }

    /// The device is believed again, as far as the plan leaves it the check, and proves itself anew.
    pub fn promote(&mut self, plan: &Plan, capability: Capability) {
        self.settle();
        let layer = match capability {
            Capability::RxIpv4Checksum => &mut self.ipv4,
            Capability::RxTcpChecksum => &mut self.tcp,
            _ => return self.grant(),
        };
        layer.standing.trusted = plan.uses(capability);
        layer.proof_left = PROOF_FRAMES;
        self.grant();
    }

    /// Tells both layers of the frames that were believed since they were last asked. To be called before either
    /// is asked anything; [`grant`](Verifier::grant) follows once TCP's has been.
    #[inline]
    fn settle(&mut self) {
        if self.granted == 0 {
            return;
        }
        let passed = self.granted - self.unseen;
        self.ipv4.auditor.pass(passed);
        self.tcp.auditor.pass(passed);
        (self.granted, self.unseen) = (0, 0);
    }

    #[inline]
    fn grant(&mut self) {
        self.granted = self.ipv4.unseen().min(self.tcp.unseen());
        self.unseen = self.granted;
    }

    /// Whether both layers of a frame are believed on the device's word, with no look due at either: the
    /// frame that [`ipv4`](Verifier::ipv4) and [`tcp`](Verifier::tcp) would take unseen. If so it counts
    /// as theirs would.
    #[inline(always)]
    pub fn believes(&mut self, meta: &RxMeta, observations: &mut Observations) -> bool {
        // Both verdicts in one word.
        let [both, good] = [[meta.l3, meta.l4], [Verdict::Good; 2]]
            .map(|of| u16::from_ne_bytes(of.map(|verdict| verdict as u8)));
        if both != good || meta.parsed == Parsed::Other {
            return false;
        }
        let (unseen, is_due) = self.unseen.overflowing_sub(1);
        self.unseen = unseen;
        if is_due {
            self.unseen = 0;
            return false;
        }
        observations.of_mut(Capability::RxIpv4Checksum).seen += 1;
        observations.of_mut(Capability::RxTcpChecksum).seen += 1;
        self.counters.rx_checksum_trusted += 2;
        true
    }

    /// Whether both layers of a frame are right, of which the device says nothing: the frame that
    /// [`ipv4`](Verifier::ipv4) and [`tcp`](Verifier::tcp) would find right. If so it counts as theirs would. `frame` ends
    /// with what `packet` carries.
    #[inline(always)]
    pub fn finds_right(&mut self, meta: &RxMeta, packet: &ipv4::Packet<'_>, frame: &[u8]) -> bool {
        let is_right = meta.l3 == Verdict::Unknown
            && meta.l4 == Verdict::Unknown
            && packet.checksum_is_valid()
            && packet.tcp_pseudo_header().plus(self.sum_of_payload(packet, frame)).is_valid();
        self.counters.rx_checksum_verified += 2 * u64::from(is_right);
        is_right
    }

    /// The sum of what `packet` carries, at the end of `frame`. With the pseudo-header's it is never that of zeros alone.
    #[inline(always)]
    fn sum_of_payload(&self, packet: &ipv4::Packet<'_>, frame: &[u8]) -> Sum {
        let at = frame.len() - packet.payload.len();
        let sum = self.avx2.and_then(|avx2| avx2.sum_end(frame, at));
        sum.unwrap_or_else(|| Sum::of(packet.payload))
    }

    /// Believes an IPv4 header or refuses it.
    ///
    /// # Errors
    /// [`Refusal::Ipv4ChecksumWrong`].
    #[inline]
    pub fn ipv4(
        &mut self,
        meta: &RxMeta,
        packet: &ipv4::Packet<'_>,
        observations: &mut Observations,
    ) -> Result<(), Refusal> {
        let bytes_are_right = || packet.checksum_is_valid();
        self.settle();
        let right = if is_a_guess(meta, meta.l3) {
            self.counters.rx_checksum_verified += 1;
            bytes_are_right()
        } else {
            judge(&mut self.ipv4, meta.l3, bytes_are_right, &mut self.counters, observations)
        };
        if right { Ok(()) } else { Err(Refusal::Ipv4ChecksumWrong) }
    }

    /// Believes a TCP segment or refuses it. `l2_len` is the frame's Ethernet header in bytes.
    ///
    /// # Errors
    /// [`Refusal::TcpChecksumWrong`]; [`Refusal::TcpPartialSumWrong`] for one handed over unfinished.
    #[inline]
    pub fn tcp(
        &mut self,
        meta: &RxMeta,
        l2_len: usize,
        packet: &ipv4::Packet<'_>,
        segment: &tcp::Packet<'_>,
        observations: &mut Observations,
    ) -> Result<(), Refusal> {
        let bytes_are_right =
            || packet.tcp_pseudo_header().plus(Sum::of(segment.bytes())).is_valid();
        if treatment(meta.l4, self.tcp.standing) == Treatment::CheckPartial {
            let points_at_ours = usize::from(meta.csum_start) == l2_len + packet.header.len()
                && usize::from(meta.csum_offset) == tcp::CHECKSUM_OFFSET;
            if points_at_ours && segment.checksum() == packet.tcp_pseudo_header().folded() {
                self.counters.rx_checksum_partial += 1;
                observations.of_mut(Capability::RxTcpChecksum).seen += 1;
                return Ok(());
            }
            // Only the bytes drop a frame: it may have been finished after all.
            self.counters.rx_checksum_verified += 1;
            if bytes_are_right() {
                self.counters.nic_said_none_but_full += 1;
                return Ok(());
            }
            return Err(Refusal::TcpPartialSumWrong);
        }
        self.settle();
        let right = if is_a_guess(meta, meta.l4) {
            self.counters.rx_checksum_verified += 1;
            bytes_are_right()
        } else {
            judge(&mut self.tcp, meta.l4, bytes_are_right, &mut self.counters, observations)
        };
        self.grant();
        if right { Ok(()) } else { Err(Refusal::TcpChecksumWrong) }
    }
}

/// Whether a good verdict says nothing: the device takes the frame for something else than a whole IPv4
/// packet with a TCP segment, and some drivers call good whatever they have not looked at.
#[inline]
fn is_a_guess(meta: &RxMeta, verdict: Verdict) -> bool {
    meta.parsed == Parsed::Other && verdict == Verdict::Good
}

/// Every verdict but an unfinished sum: trust, audit or verify, and learn from it.
#[inline]
fn judge(
    layer: &mut Layer,
    verdict: Verdict,
    bytes_are_right: impl FnOnce() -> bool,
    counters: &mut VerifyCounters,
    observations: &mut Observations,
) -> bool {
    let evidence = observations.of_mut(layer.capability);
    if treatment(verdict, layer.standing) == Treatment::TrustAudited && !layer.audit_due() {
        counters.rx_checksum_trusted += 1;
        evidence.seen += 1;
        return true;
    }
    counters.rx_checksum_verified += 1;
    let right = bytes_are_right();
    match (verdict, right) {
        (Verdict::Good, true) if layer.standing.trusted => evidence.agreed += 1,
        (Verdict::Bad, false) if layer.standing.trusted => evidence.agreed += 1,
        (Verdict::Good, false) => {
            counters.nic_said_good_but_bad += 1;
            if core::mem::take(&mut layer.standing.trusted) {
                observations.demote(layer.capability, Drift::GoodOfWrongBytes);
            } else {
                evidence.contradicted += 1;
            }
        }
        (Verdict::Bad, true) => counters.nic_said_bad_but_good += 1,
        _ => {}
    }
    right
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::offload::plan::{Advert, Capabilities, Provider};
    use crate::offload::profile::{Policy, Profile};
    use crate::offload::verdict::Audit;

    const L2_LEN: usize = 14;

    fn verifier(policy: Policy, gives_none: bool, audit: Audit) -> Verifier {
        Verifier::new(&plan(policy, gives_none, audit))
    }

    fn plan(policy: Policy, gives_none: bool, audit: Audit) -> Plan {
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let mut device = Capabilities::NONE
            .with(Capability::RxIpv4Checksum, advert)
            .with(Capability::RxTcpChecksum, advert);
        device.gives_none = gives_none;
        let mut profile = Profile::all(policy);
        profile.rx_checksum_audit = audit;
        Plan::negotiate("test", &profile, &device)
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Field {
        Full,
        Partial,
        Wrong,
    }

    fn packet(field: Field) -> Vec<u8> {
        let mut bytes = vec![0u8; 44];
        let repr = ipv4::Repr {
            src: Ipv4Addr::new(10, 9, 0, 1),
            dst: Ipv4Addr::new(10, 9, 0, 2),
            protocol: ipv4::Protocol::Tcp,
            payload_len: 24,
            is_ect: false,
        };
        repr.emit(&mut bytes, false);
        bytes[20..24].copy_from_slice(&[0x26, 0x96, 0xc0, 0x00]);
        bytes[32] = 0x50;
        bytes[40..].copy_from_slice(b"8=FI");
        let pseudo = Sum::of_tcp_pseudo_header(repr.src.octets(), repr.dst.octets(), 24);
        let checksum = match field {
            Field::Full => pseudo.plus(Sum::of(&bytes[20..])).checksum(),
            Field::Partial => pseudo.folded(),
            Field::Wrong => pseudo.plus(Sum::of(&bytes[20..])).checksum() ^ 0x0100,
        };
        bytes[36..38].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    fn check(
        verifier: &mut Verifier,
        l4: Verdict,
        field: Field,
        csum_start: u16,
    ) -> Result<(), Refusal> {
        let bytes = packet(field);
        let meta = RxMeta { l4, csum_start, csum_offset: 16, ..RxMeta::UNKNOWN };
        let packet = ipv4::Packet::parse(&bytes).unwrap();
        let segment = tcp::Packet::parse(packet.payload).unwrap();
        verifier.tcp(&meta, L2_LEN, &packet, &segment, &mut Observations::default())
    }

    #[test]
    fn every_verdict_on_every_field_under_every_plan() {
        use Field::{Full, Partial, Wrong};
        let wrong = Err(Refusal::TcpChecksumWrong);
        let partial_wrong = Err(Refusal::TcpPartialSumWrong);
        for (policy, gives_none, verdict, field, expected) in [
            (Policy::Prefer, true, Verdict::Unknown, Full, Ok(())),
            (Policy::Prefer, true, Verdict::Unknown, Wrong, wrong),
            (Policy::Prefer, true, Verdict::Unknown, Partial, wrong),
            (Policy::Prefer, true, Verdict::Bad, Full, Ok(())),
            (Policy::Prefer, true, Verdict::Bad, Wrong, wrong),
            (Policy::Prefer, true, Verdict::Good, Full, Ok(())),
            (Policy::Prefer, true, Verdict::Good, Wrong, wrong),
            (Policy::Prefer, true, Verdict::None, Partial, Ok(())),
            (Policy::Prefer, true, Verdict::None, Full, Ok(())),
            (Policy::Prefer, true, Verdict::None, Wrong, partial_wrong),
            (Policy::Prefer, false, Verdict::None, Partial, wrong),
            (Policy::Prefer, false, Verdict::None, Full, Ok(())),
            (Policy::Off, true, Verdict::None, Partial, wrong),
            (Policy::Off, true, Verdict::None, Full, Ok(())),
            (Policy::Off, true, Verdict::Good, Wrong, wrong),
            (Policy::Off, true, Verdict::Good, Full, Ok(())),
        ] {
            let mut verifier = verifier(policy, gives_none, Audit::OneIn(64));
            let found = check(&mut verifier, verdict, field, 34);
            assert_eq!(found, expected, "{policy} gives_none={gives_none} {verdict} {field:?}");
        }
    }

    #[test]
    fn an_unfinished_sum_that_is_not_ours_is_not_accepted() {
        let mut verifier = verifier(Policy::Prefer, true, Audit::Off);
        let found = check(&mut verifier, Verdict::None, Field::Partial, 54);
        assert_eq!(found, Err(Refusal::TcpPartialSumWrong));
    }

    #[test]
    fn a_false_good_is_found_by_the_audit_and_never_believed_again() {
        let mut verifier = verifier(Policy::Prefer, false, Audit::OneIn(10));
        for _ in 0..PROOF_FRAMES {
            assert_eq!(check(&mut verifier, Verdict::Good, Field::Full, 0), Ok(()));
        }
        let taken = (0..10)
            .take_while(|_| check(&mut verifier, Verdict::Good, Field::Wrong, 0).is_ok())
            .count();
        assert!(taken < 10, "{taken}");
        assert!(!verifier.trusts(Capability::RxTcpChecksum));
        assert_eq!(verifier.counters().nic_said_good_but_bad, 1);
        for _ in 0..20 {
            let found = check(&mut verifier, Verdict::Good, Field::Wrong, 0);
            assert_eq!(found, Err(Refusal::TcpChecksumWrong));
        }
    }

    /// As the familiar path asks: both layers at once, and one by one where that says no.
    fn familiar(
        verifier: &mut Verifier,
        verdict: Verdict,
        bytes: &[u8],
    ) -> (bool, bool, Result<(), Refusal>) {
        let meta = RxMeta { l3: verdict, l4: verdict, ..RxMeta::UNKNOWN };
        let packet = ipv4::Packet::parse(bytes).unwrap();
        let segment = tcp::Packet::parse(packet.payload).unwrap();
        let observations = &mut Observations::default();
        let believed = verifier.believes(&meta, observations);
        let found_right = !believed && verifier.finds_right(&meta, &packet, bytes);
        let outcome = if believed || found_right {
            Ok(())
        } else {
            let ipv4 = verifier.ipv4(&meta, &packet, observations);
            ipv4.and_then(|()| verifier.tcp(&meta, L2_LEN, &packet, &segment, observations))
        };
        (believed, found_right, outcome)
    }

    #[test]
    fn both_layers_are_audited_at_their_rate_when_they_are_believed_at_once() {
        let mut verifier = verifier(Policy::Prefer, false, Audit::OneIn(10));
        let bytes = packet(Field::Full);
        for _ in 0..PROOF_FRAMES {
            assert_eq!(familiar(&mut verifier, Verdict::Good, &bytes), (false, false, Ok(())));
        }
        let before = verifier.counters();
        let (trusted, verified) = (before.rx_checksum_trusted, before.rx_checksum_verified);
        for _ in 0..1_000 {
            assert_eq!(familiar(&mut verifier, Verdict::Good, &bytes).2, Ok(()));
        }
        let after = verifier.counters();
        assert_eq!(after.rx_checksum_verified - verified, 2 * 100);
        assert_eq!(after.rx_checksum_trusted - trusted, 2 * 900);
    }

    #[test]
    fn what_the_device_says_nothing_of_is_verified_in_both_layers() {
        let mut verifier = verifier(Policy::Off, false, Audit::OneIn(10));
        let found = familiar(&mut verifier, Verdict::Unknown, &packet(Field::Full));
        assert_eq!(found, (false, true, Ok(())));
        assert_eq!(verifier.counters().rx_checksum_verified, 2);
        let found = familiar(&mut verifier, Verdict::Unknown, &packet(Field::Wrong));
        assert_eq!(found, (false, false, Err(Refusal::TcpChecksumWrong)));
        let mut bytes = packet(Field::Full);
        bytes[8] ^= 1;
        let found = familiar(&mut verifier, Verdict::Unknown, &bytes);
        assert_eq!(found, (false, false, Err(Refusal::Ipv4ChecksumWrong)));
    }

    #[test]
    fn with_the_audit_off_only_the_proof_is_checked() {
        let mut verifier = verifier(Policy::Prefer, false, Audit::Off);
        for _ in 0..PROOF_FRAMES {
            assert_eq!(check(&mut verifier, Verdict::Good, Field::Full, 0), Ok(()));
        }
        for _ in 0..100 {
            assert_eq!(check(&mut verifier, Verdict::Good, Field::Wrong, 0), Ok(()));
        }
        assert_eq!(verifier.counters().rx_checksum_trusted, 100);
        // Given back, the device proves itself anew.
        verifier.promote(&plan(Policy::Prefer, false, Audit::Off), Capability::RxTcpChecksum);
        let wrong = check(&mut verifier, Verdict::Good, Field::Wrong, 0);
        assert_eq!(wrong, Err(Refusal::TcpChecksumWrong));
        assert!(!verifier.trusts(Capability::RxTcpChecksum));
    }

    #[test]
    fn a_demoted_device_s_unfinished_sums_are_taken_as_before() {
        let mut verifier = verifier(Policy::Prefer, true, Audit::Always);
        let found = check(&mut verifier, Verdict::Good, Field::Wrong, 0);
        assert_eq!(found, Err(Refusal::TcpChecksumWrong));
        assert!(!verifier.trusts(Capability::RxTcpChecksum));
        assert_eq!(check(&mut verifier, Verdict::None, Field::Partial, 34), Ok(()));
        let wrong = check(&mut verifier, Verdict::None, Field::Wrong, 34);
        assert_eq!(wrong, Err(Refusal::TcpPartialSumWrong));
    }

    #[test]
    fn a_good_that_was_said_of_something_else_is_verified_and_is_no_evidence() {
        for (field, expected) in
            [(Field::Full, Ok(())), (Field::Wrong, Err(Refusal::TcpChecksumWrong))]
        {
            let mut verifier = verifier(Policy::Prefer, false, Audit::Off);
            for _ in 0..PROOF_FRAMES {
                assert_eq!(check(&mut verifier, Verdict::Good, Field::Full, 0), Ok(()));
            }
            let bytes = packet(field);
            let good = RxMeta { l3: Verdict::Good, l4: Verdict::Good, ..RxMeta::UNKNOWN };
            let meta = RxMeta { parsed: Parsed::Other, ..good };
            let packet = ipv4::Packet::parse(&bytes).unwrap();
            let segment = tcp::Packet::parse(packet.payload).unwrap();
            let observations = &mut Observations::default();
            assert!(!verifier.believes(&meta, observations));
            assert_eq!(verifier.ipv4(&meta, &packet, observations), Ok(()));
            let found = verifier.tcp(&meta, L2_LEN, &packet, &segment, observations);
            assert_eq!(found, expected);
            assert_eq!(*observations.of(Capability::RxTcpChecksum), Default::default());
            assert!(verifier.trusts(Capability::RxTcpChecksum), "it said nothing false");
        }
    }

    #[test]
    fn a_false_alarm_is_counted_and_the_frame_taken() {
        let mut verifier = verifier(Policy::Prefer, false, Audit::Off);
        assert_eq!(check(&mut verifier, Verdict::Bad, Field::Full, 0), Ok(()));
        assert_eq!(verifier.counters().nic_said_bad_but_good, 1);
        assert!(verifier.trusts(Capability::RxTcpChecksum));
    }
}
