//! Step 2 of the path: is this frame for our queue?
//!
//! The rules are installed in the device, or looked up here by their software twin: never both, but for
//! the proof. Of a device that steers, the first frames and then one of each N are held against the twin;
//! once it is found wrong, the twin decides.

use core::net::{Ipv4Addr, SocketAddrV4};

use crate::desk::SessionPlan;
use crate::fix::Role;
use crate::offload::capability::Capability;
use crate::offload::flow::{
    Actions, AddrMatch, Carries, Classifier, Count, Fate, FlowKey, FlowRule, Masks, Matched,
    OnMiss, Outcome, Pattern, PortMatch, RuleSet, RuleSetError, TcpMatch, VlanId,
};
use crate::offload::nic::RxMeta;
use crate::offload::observe::{Drift, Observations};
use crate::offload::plan::Plan;
use crate::offload::verdict::{Auditor, PROOF_FRAMES};
use crate::tcp::Endpoint;
use crate::wire::Refusal;

/// The queue that the engine polls.
const OUR_QUEUE: u16 = 0;
/// A profile's own rules come first, at 0 unless they say otherwise.
const INITIATOR_PRIORITY: u32 = 1;
const ACCEPTOR_PRIORITY: u32 = 2;

/// The rules that a device is steered by: those of the profile, and one for each peer that a session
/// connects to or port that one listens on. Of a connection our own port is left open: it is picked when
/// the connection is made. Those of sessions name the `vlan` that the engine is in: without, a device takes them for
/// untagged frames alone. The software twin lets a rule without one match frames of any; those of another VLAN than the engine's
/// are refused behind it ([`Refusal::VlanNotOurs`]).
///
/// # Errors
/// A rule of the profile leaves open whether it or another wins.
pub fn rules(
    local: Ipv4Addr,
    vlan: Option<u16>,
    sessions: &[SessionPlan],
    own: &[FlowRule],
) -> Result<RuleSet, RuleSetError> {
    let vlan = vlan.and_then(VlanId::new);
    let mut rules = own.to_vec();
    let lines =
        sessions.iter().flat_map(|session| session.peers().map(move |peer| (session, peer)));
    for (session, peer) in lines {
        let rule = match session.config.role {
            Role::Initiator => {
                let tcp = TcpMatch { src_port: PortMatch::exact(peer.port), ..TcpMatch::ANY };
                let (src, dst) = (AddrMatch::exact(peer.addr), AddrMatch::exact(local));
                let pattern = Pattern { src, dst, carries: Carries::Tcp(tcp), ..Pattern::TCP };
                FlowRule::new(pattern, Fate::Queue(OUR_QUEUE)).at_priority(INITIATOR_PRIORITY)
            }
            Role::Acceptor => FlowRule::listener(SocketAddrV4::new(local, peer.port), OUR_QUEUE)
                .at_priority(ACCEPTOR_PRIORITY),
        };
        let rule = vlan.map_or(rule, |vlan| rule.in_vlan(vlan));
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    Ok(RuleSet::new(rules, OnMiss::Queue(OUR_QUEUE))?.for_network_in(vlan))
}

/// Whether frames of a session's, from each of its peers, may come to our queue by the rules of `plan`, which may be older than
/// the session.
pub(crate) fn reaches(
    plan: &Plan,
    local: Ipv4Addr,
    vlan: Option<u16>,
    session: &SessionPlan,
) -> bool {
    session.peers().all(|peer| reaches_from(plan, local, vlan, session, peer))
}

/// The same from one peer. Of those and of ports that are not known beforehand, two are tried that have no bit in common.
fn reaches_from(
    plan: &Plan,
    local: Ipv4Addr,
    vlan: Option<u16>,
    session: &SessionPlan,
    peer: Endpoint,
) -> bool {
    let isolated = plan.uses(Capability::FlowIsolation);
    let peer = SocketAddrV4::new(peer.addr, peer.port);
    let ways: [(SocketAddrV4, u16); 2] = match session.config.role {
        Role::Initiator => [(peer, 0xd555), (peer, 0xeaaa)],
        Role::Acceptor => {
            let port = session.peer.port;
            let beside = Ipv4Addr::from(u32::from(local) ^ 1);
            let elsewhere = Ipv4Addr::new(192, 0, 2, 1);
            [
                (SocketAddrV4::new(beside, 0x5555), port),
                (SocketAddrV4::new(elsewhere, 0xaaaa), port),
            ]
        }
    };
    let vlan = vlan.and_then(VlanId::new);
    ways.iter().any(|(from, port)| {
        let key = FlowKey::tcp(*from, SocketAddrV4::new(local, *port)).in_vlan(vlan);
        match plan.rules().classify(&key) {
            Outcome::Matched(matched) => matched.actions.fate == Fate::Queue(OUR_QUEUE),
            Outcome::Missed(miss) => !isolated && miss == OnMiss::Queue(OUR_QUEUE),
        }
    })
}

/// Who steers, and how far the device is believed when it does.
pub(crate) struct Steering {
    /// Frames until one is looked at, itself included: 1 where the twin steers, and never where there
    /// is nothing to steer by.
    until_look: u64,
    by_device: bool,
    proof_left: u32,
    auditor: Auditor,
    twin: Option<Classifier>,
    contradicted: u64,
    /// How far the device is doubted after its first frame that was steered wrongly.
    doubt: Suspicion,
    /// By rule, where the device steers.
    rules: Box<[Steered]>,
    is_isolated: bool,
    /// The device was found to count wrongly: every frame is looked at, and the twin counts.
    counts: bool,
}

/// What is thought of a device that steered wrongly. It may have lost its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    /// It has not.
    No,
    /// It did once: the twin decides until the rules were installed anew.
    Suspected,
    /// They were: the twin decides until what had come before is gone.
    Installed,
    /// It is believed once more, for the last time.
    LastChance,
}

/// What is known of a rule that the device steers by.
#[derive(Clone, Copy, Debug)]
struct Steered {
    is_masked: bool,
    /// Frames of its that were looked at since somebody asked.
    looked_at: u32,
}

impl Steering {
    /// The steering of a device that runs by `plan`.
    ///
    /// # Errors
    /// More masks than the software twin takes, in words.
    pub(crate) fn new(plan: &Plan) -> Result<Steering, String> {
        let by_device = plan.uses(Capability::FlowSteering);
        // What only sends connections to our one queue is done by the 4-tuple table as well.
        let ours = Actions { fate: Fate::Queue(OUR_QUEUE), mark: None, count: false };
        let is_needed = by_device || plan.rules().rules().iter().any(|rule| rule.actions != ours);
        let twin = is_needed
            .then(|| Classifier::new(plan.rules()))
            .transpose()
            .map_err(|refused| refused.to_string())?;
        let until_look = if twin.is_some() { 1 } else { u64::MAX };
        let auditor = Auditor::new(plan.rx_checksum_audit);
        let rules = plan.rules().rules().iter().filter(|_| by_device).map(|rule| Steered {
            is_masked: Masks::needed(&rule.pattern) != Masks::Exact,
            looked_at: 0,
        });
        Ok(Steering {
            until_look,
            by_device,
            proof_left: PROOF_FRAMES,
            auditor,
            twin,
            contradicted: 0,
            doubt: Suspicion::No,
            rules: rules.collect(),
            is_isolated: plan.uses(Capability::FlowIsolation),
            counts: !by_device,
        })
    }

    /// Lets a frame in or says why not.
    ///
    /// # Errors
    /// [`Refusal::FlowDropped`], [`Refusal::FlowOtherQueue`], [`Refusal::FlowNotOurs`].
    #[inline(always)]
    pub(crate) fn admits(
        &mut self,
        meta: &RxMeta,
        bytes: &[u8],
        observations: &mut Observations,
    ) -> Result<(), Refusal> {
        if self.until_look > 1 {
            self.until_look -= 1;
            return Ok(());
        }
        self.look(meta, bytes, observations)
    }

    #[inline(never)]
    fn look(
        &mut self,
        meta: &RxMeta,
        bytes: &[u8],
        observations: &mut Observations,
    ) -> Result<(), Refusal> {
        let Some(twin) = &mut self.twin else { return Ok(()) };
        let Some(key) = FlowKey::of_frame(bytes) else { return Ok(()) };
        let key = match meta.vlan {
            Some(tci) => key.in_vlan(VlanId::new(tci & 0x0fff)),
            None => key,
        };
        let outcome = twin.classify(&key);
        if key.is_arp() && matches!(outcome, Outcome::Missed(_)) {
            // Whoever keeps neighbours, they are heard: no set of rules keeps them away.
            return Ok(());
        }
        if self.by_device {
            if agrees(&outcome, meta) {
                observations.of_mut(Capability::FlowSteering).agreed += 1;
                self.note(&outcome, bytes.len(), observations);
                self.until_look = self.next_look();
                return Ok(());
            }
            self.contradicted += 1;
            match self.doubt {
                Suspicion::No => self.doubt = Suspicion::Suspected,
                Suspicion::Suspected | Suspicion::Installed => {}
                Suspicion::LastChance => self.take_over(Drift::SteeredWrongly, observations),
            }
            self.until_look = 1;
        }
        let Some(twin) = &mut self.twin else { return Ok(()) };
        if self.counts {
            twin.record(&outcome, bytes.len());
        }
        match outcome {
            Outcome::Matched(Matched { actions, .. }) => match actions.fate {
                Fate::Drop => Err(Refusal::FlowDropped),
                Fate::Queue(OUR_QUEUE) => Ok(()),
                Fate::Queue(_) => Err(Refusal::FlowOtherQueue),
            },
            Outcome::Missed(OnMiss::NotOurs) => Err(Refusal::FlowNotOurs),
            Outcome::Missed(OnMiss::Queue(OUR_QUEUE)) => Ok(()),
            Outcome::Missed(OnMiss::Queue(_)) => Err(Refusal::FlowOtherQueue),
        }
    }

    /// A frame that the device steered right: what else that shows.
    fn note(&mut self, outcome: &Outcome, frame_len: usize, observations: &mut Observations) {
        let Some(twin) = &mut self.twin else { return };
        // What an isolated device keeps away is not seen; what it lets in is at least ours.
        observations.of_mut(Capability::FlowIsolation).seen += u64::from(self.is_isolated);
        let Outcome::Matched(Matched { rule, actions }) = outcome else { return };
        observations.of_mut(Capability::FlowMark).agreed += u64::from(actions.mark.is_some());
        if self.counts {
            twin.record(outcome, frame_len);
        }
        if let Some(rule) = self.rules.get_mut(usize::from(*rule)) {
            observations.of_mut(Capability::FlowMasked).agreed += u64::from(rule.is_masked);
            rule.looked_at = rule.looked_at.saturating_add(1);
        }
    }

    /// The twin decides from here on, and counts.
    #[cold]
    pub(crate) fn take_over(&mut self, drift: Drift, observations: &mut Observations) {
        observations.demote(Capability::FlowSteering, drift);
        self.by_device = false;
        self.counts = true;
        self.until_look = 1;
    }

    /// The twin counts from here on, whoever steers.
    #[cold]
    pub(crate) fn take_over_counting(&mut self, drift: Drift, observations: &mut Observations) {
        observations.demote(Capability::FlowCount, drift);
        self.counts = true;
        self.until_look = 1;
    }

    /// Whether the device steered wrongly, and its rules have not been installed anew since.
    pub(crate) fn is_suspected(&self) -> bool {
        self.doubt == Suspicion::Suspected
    }

    /// Its rules were installed anew.
    pub(crate) fn on_installed(&mut self) {
        if self.doubt == Suspicion::Suspected {
            self.doubt = Suspicion::Installed;
        }
    }

    /// The device was looked at, a while after whatever it did before.
    pub(crate) fn on_look(&mut self) {
        if self.doubt == Suspicion::Installed {
            self.doubt = Suspicion::LastChance;
            self.proof_left = PROOF_FRAMES;
        }
    }

    /// The device was away: what it does wrong from here on is not what it did wrong before.
    pub(crate) fn on_link_up(&mut self) {
        if self.doubt == Suspicion::LastChance {
            self.doubt = Suspicion::No;
        }
    }

    /// Whether the device steers and is believed.
    pub(crate) fn is_by_device(&self) -> bool {
        self.by_device
    }

    /// Whether the device counts and is believed.
    pub(crate) fn device_counts(&self) -> bool {
        !self.counts
    }

    /// Frames of one rule's that the device steered right and that were looked at since the last time that
    /// somebody asked.
    pub(crate) fn take_looked_at(&mut self, rule: usize) -> u32 {
        self.rules.get_mut(rule).map_or(0, |rule| core::mem::take(&mut rule.looked_at))
    }

    /// How many frames pass until one is looked at again.
    fn next_look(&mut self) -> u64 {
        if self.counts || matches!(self.doubt, Suspicion::Suspected | Suspicion::Installed) {
            return 1;
        }
        if self.proof_left > 0 {
            self.proof_left -= 1;
            return 1;
        }
        self.auditor.next_due()
    }

    /// The device is believed again, as far as the plan leaves steering to it, and proves itself anew.
    pub(crate) fn promote(&mut self, plan: &Plan) {
        self.by_device = plan.uses(Capability::FlowSteering);
        self.counts = !self.by_device;
        self.doubt = Suspicion::No;
        self.proof_left = PROOF_FRAMES;
    }

    /// What the twin has counted of a rule, since it counts.
    pub(crate) fn count(&self, rule: usize) -> Option<Count> {
        self.twin.as_ref()?.count(rule)
    }

    /// Times that a device that steers was found wrong.
    pub(crate) fn contradicted(&self) -> u64 {
        self.contradicted
    }
}

/// Whether a device did with a frame what the rules say. What they drop, or is not ours, should not have
/// come.
fn agrees(outcome: &Outcome, meta: &RxMeta) -> bool {
    let (fate, mark) = match outcome {
        Outcome::Matched(Matched { actions, .. }) => (actions.fate, actions.mark),
        Outcome::Missed(OnMiss::Queue(queue)) => (Fate::Queue(*queue), None),
        Outcome::Missed(OnMiss::NotOurs) => return false,
    };
    fate == Fate::Queue(meta.queue) && mark == meta.mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fix::{CompId, SessionConfig, Version};
    use crate::offload::observe::Observed;
    use crate::offload::plan::{Advert, Capabilities, Provider};
    use crate::offload::profile::{Policy, Profile};
    use crate::offload::verdict::Audit;
    use crate::time::Duration;

    const US: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
    const THEM: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

    fn session(role: Role, addr: Ipv4Addr, port: u16) -> SessionPlan {
        let id = |text| CompId::new(text).unwrap();
        SessionPlan {
            reconnect_interval: Duration::from_s(1),
            ..SessionPlan::new(
                SessionConfig::new(Version::Fix44, role, id("A"), id("B")),
                Endpoint { addr, port },
            )
        }
    }

    #[test]
    fn each_peer_and_each_port_gets_one_rule_and_the_profile_s_come_first() {
        let alternates = vec![Endpoint { addr: THEM, port: 9879 }];
        let sessions = [
            SessionPlan { alternates, ..session(Role::Initiator, THEM, 9878) },
            session(Role::Initiator, THEM, 9878),
            session(Role::Acceptor, US, 7001),
            session(Role::Acceptor, US, 7001),
        ];
        let own = FlowRule::new(Pattern::IPV4, Fate::Drop).counted();
        let set = rules(US, None, &sessions, &[own]).unwrap();
        let shown: Vec<String> = set.rules().iter().map(FlowRule::to_string).collect();
        assert_eq!(
            shown,
            [
                "flow create 0 ingress priority 0 pattern eth / ipv4 / end actions count / drop / end",
                "flow create 0 ingress priority 1 pattern eth / ipv4 src is 10.9.0.1 dst is 10.9.0.2 \
                 / tcp src is 9878 / end actions queue index 0 / end",
                "flow create 0 ingress priority 1 pattern eth / ipv4 src is 10.9.0.1 dst is 10.9.0.2 \
                 / tcp src is 9879 / end actions queue index 0 / end",
                "flow create 0 ingress priority 2 pattern eth / ipv4 dst is 10.9.0.2 / tcp dst is 7001 \
                 / end actions queue index 0 / end",
            ]
        );
        let clashing = FlowRule::new(Pattern::TCP, Fate::Drop).at_priority(1);
        assert!(rules(US, None, &sessions, &[clashing]).is_err());
    }

    #[test]
    fn a_session_is_reached_where_each_of_its_peers_is_let_through() {
        let plan = plan(false, &own_rules(), Audit::Off);
        for (port, is_reached) in [(9879, true), (6668, true), (6666, false), (6667, false)] {
            let alternates = vec![Endpoint { addr: THEM, port }];
            let session = SessionPlan { alternates, ..session(Role::Initiator, THEM, 9878) };
            assert_eq!(reaches(&plan, US, None, &session), is_reached, "{port}");
        }
    }

    #[test]
    fn rules_of_sessions_name_the_vlan_and_those_of_the_profile_are_left_alone() {
        let sessions = [session(Role::Initiator, THEM, 9878), session(Role::Acceptor, US, 7001)];
        let own = FlowRule::new(Pattern::IPV4, Fate::Drop);
        let set = rules(US, Some(100), &sessions, &[own]).unwrap();
        let shown: Vec<String> = set.rules().iter().map(FlowRule::to_string).collect();
        assert!(!shown[0].contains("vlan"), "{shown:?}");
        assert!(
            shown[1].contains("pattern eth / vlan vid is 100 / ipv4 src is 10.9.0.1"),
            "{shown:?}"
        );
        assert!(
            shown[2].contains("pattern eth / vlan vid is 100 / ipv4 dst is 10.9.0.2"),
            "{shown:?}"
        );
        // And the twin takes them so.
        let key = |vlan| FlowKey::of_frame(&frame(9878)).unwrap().in_vlan(VlanId::new(vlan));
        let set = rules(US, Some(100), &sessions, &[]).unwrap();
        let matched = |vlan| matches!(set.classify(&key(vlan)), Outcome::Matched(_));
        assert_eq!([100, 101, 0].map(matched), [true, false, false]);
    }

    /// A frame of the session, to `port` of ours, as far as steering reads it.
    fn frame(src_port: u16) -> Vec<u8> {
        let mut bytes = vec![0; 54];
        bytes[12..14].copy_from_slice(&[0x08, 0x00]);
        bytes[14] = 0x45;
        bytes[16..18].copy_from_slice(&40u16.to_be_bytes());
        bytes[23] = 6;
        bytes[26..30].copy_from_slice(&THEM.octets());
        bytes[30..34].copy_from_slice(&US.octets());
        bytes[34..36].copy_from_slice(&src_port.to_be_bytes());
        bytes
    }

    fn steering(by_device: bool, own: &[FlowRule], audit: Audit) -> (Steering, Observations) {
        (Steering::new(&plan(by_device, own, audit)).unwrap(), Observations::default())
    }

    fn plan(by_device: bool, own: &[FlowRule], audit: Audit) -> Plan {
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let device = Capability::ALL
            .into_iter()
            .filter(|_| by_device)
            .fold(Capabilities::NONE, |device, capability| device.with(capability, advert));
        let mut profile = Profile::all(Policy::Prefer).with(Capability::FlowIsolation, Policy::Off);
        profile.rx_checksum_audit = audit;
        let set = rules(US, None, &[session(Role::Initiator, THEM, 9878)], own).unwrap();
        let limits = crate::offload::flow::FlowLimits::SOFTWARE;
        let plan = Plan::negotiate("test", &profile, &device).steered_by(set, &limits);
        assert_eq!(plan.uses(Capability::FlowSteering), by_device);
        plan
    }

    fn own_rules() -> Vec<FlowRule> {
        let from = |port| Pattern {
            carries: Carries::Tcp(TcpMatch { src_port: PortMatch::exact(port), ..TcpMatch::ANY }),
            ..Pattern::TCP
        };
        vec![
            FlowRule::new(from(6666), Fate::Drop).counted(),
            FlowRule::new(from(6667), Fate::Queue(3)),
            FlowRule::new(from(6668), Fate::Queue(0)).marked(5),
        ]
    }

    #[test]
    fn on_the_host_the_twin_drops_and_sends_elsewhere_by_name() {
        let (mut steering, mut seen) = steering(false, &own_rules(), Audit::Always);
        for (port, outcome) in [
            (9878, Ok(())),
            (6666, Err(Refusal::FlowDropped)),
            (6667, Err(Refusal::FlowOtherQueue)),
            (6668, Ok(())),
            (1, Ok(())),
        ] {
            let bytes = frame(port);
            assert_eq!(steering.admits(&RxMeta::UNKNOWN, &bytes, &mut seen), outcome, "{port}");
        }
        assert_eq!(steering.count(0), Some(Count { hits: 1, bytes: 54 }));
        assert_eq!(seen.of(Capability::FlowSteering).observed(), Observed::Unproven);
    }

    #[test]
    fn a_device_that_steers_right_is_proven_and_then_looked_at_now_and_then() {
        let (mut steering, mut seen) = steering(true, &[], Audit::OneIn(100));
        for _ in 0..10_000 {
            assert_eq!(steering.admits(&RxMeta::UNKNOWN, &frame(9878), &mut seen), Ok(()));
        }
        let evidence = seen.of(Capability::FlowSteering);
        assert_eq!(evidence.observed(), Observed::Proven);
        let expected = u64::from(PROOF_FRAMES) + 10_000 / 100;
        assert!(evidence.agreed.abs_diff(expected) < 5, "{}", evidence.agreed);
    }

    #[test]
    fn a_device_that_steers_wrongly_is_found_and_the_twin_takes_over() {
        let marked = RxMeta { mark: Some(5), ..RxMeta::UNKNOWN };
        let elsewhere = RxMeta { queue: 3, ..RxMeta::UNKNOWN };
        for (port, meta, outcome) in [
            // It should have been dropped, or gone elsewhere.
            (6666, RxMeta::UNKNOWN, Err(Refusal::FlowDropped)),
            (6667, RxMeta::UNKNOWN, Err(Refusal::FlowOtherQueue)),
            // It should have a mark, none, or another queue's number.
            (6668, RxMeta::UNKNOWN, Ok(())),
            (9878, marked, Ok(())),
            (9878, elsewhere, Ok(())),
        ] {
            let (mut steering, mut seen) = steering(true, &own_rules(), Audit::Off);
            assert_eq!(steering.admits(&marked, &frame(6668), &mut seen), Ok(()));
            assert_eq!(steering.contradicted(), 0);
            assert_eq!(steering.admits(&meta, &frame(port), &mut seen), outcome, "{port}");
            assert_eq!(steering.contradicted(), 1, "{port}");
            // It may have lost its rules. Until they are back every frame is looked up.
            assert!(steering.is_suspected() && steering.is_by_device());
            assert_eq!(seen.of(Capability::FlowSteering).observed(), Observed::Proven);
            for _ in 0..2 {
                let dropped = steering.admits(&RxMeta::UNKNOWN, &frame(6666), &mut seen);
                assert_eq!(dropped, Err(Refusal::FlowDropped));
                assert_eq!(steering.admits(&marked, &frame(6668), &mut seen), Ok(()));
            }
            steering.on_installed();
            // What had arrived before.
            assert_eq!(steering.admits(&meta, &frame(port), &mut seen), outcome, "{port}");
            steering.on_look();
            assert!(!steering.is_suspected() && steering.is_by_device());
            // Again, and it is not believed any more.
            assert_eq!(steering.admits(&meta, &frame(port), &mut seen), outcome, "{port}");
            assert_eq!(seen.of(Capability::FlowSteering).observed(), Observed::Refuted);
            let dropped = steering.admits(&RxMeta::UNKNOWN, &frame(6666), &mut seen);
            assert_eq!(dropped, Err(Refusal::FlowDropped));
            assert!(!steering.is_by_device() && !steering.is_suspected());
        }
    }

    #[test]
    fn a_device_that_was_away_has_its_chance_again() {
        let (mut steering, mut seen) = steering(true, &own_rules(), Audit::Off);
        let mut wrong = |steering: &mut Steering| {
            let dropped = steering.admits(&RxMeta::UNKNOWN, &frame(6666), &mut seen);
            assert_eq!(dropped, Err(Refusal::FlowDropped));
        };
        for _ in 0..3 {
            wrong(&mut steering);
            assert!(steering.is_suspected());
            steering.on_installed();
            steering.on_look();
            steering.on_link_up();
        }
        assert!(steering.is_by_device());
    }

    #[test]
    fn a_device_that_is_given_back_the_steering_is_looked_at_as_at_first() {
        let (mut steering, mut seen) = steering(true, &own_rules(), Audit::Off);
        steering.take_over(Drift::SteeredWrongly, &mut seen);
        assert_eq!(
            steering.admits(&RxMeta::UNKNOWN, &frame(6666), &mut seen),
            Err(Refusal::FlowDropped)
        );
        steering.promote(&plan(true, &own_rules(), Audit::Off));
        let mut seen = Observations::default();
        for _ in 0..10 * PROOF_FRAMES {
            assert_eq!(steering.admits(&RxMeta::UNKNOWN, &frame(9878), &mut seen), Ok(()));
        }
        // One at the end of the twin's turn, and then its proof.
        let agreed = seen.of(Capability::FlowSteering).agreed;
        assert_eq!(agreed, u64::from(PROOF_FRAMES) + 1);
    }

    #[test]
    fn a_device_that_counts_wrongly_steers_on_and_is_counted_for() {
        let own = [own_rules()[2].counted()];
        let (mut steering, mut seen) = steering(true, &own, Audit::Off);
        let marked = RxMeta { mark: Some(5), ..RxMeta::UNKNOWN };
        let mut admit = |steering: &mut Steering| {
            assert_eq!(steering.admits(&marked, &frame(6668), &mut seen), Ok(()));
        };
        admit(&mut steering);
        assert_eq!((steering.take_looked_at(0), steering.take_looked_at(0)), (1, 0));
        assert_eq!(steering.count(0).unwrap().hits, 0, "the device's to count");
        steering.take_over_counting(Drift::CountStoodStill, &mut Observations::default());
        for _ in 0..2 * PROOF_FRAMES {
            admit(&mut steering);
        }
        assert_eq!(steering.count(0).unwrap().hits, u64::from(2 * PROOF_FRAMES));
        assert!(steering.is_by_device() && !steering.device_counts());
        assert_eq!(seen.of(Capability::FlowMark).observed(), Observed::Proven);
    }

    #[test]
    fn without_rules_of_its_own_a_profile_costs_no_look_on_the_host() {
        let (steering, _) = steering(false, &[], Audit::Always);
        assert!(steering.twin.is_none() && steering.until_look == u64::MAX);
    }
}
