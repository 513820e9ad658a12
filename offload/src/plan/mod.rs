//! What the user wants, met with what the device advertises: who does what, and why.

use core::fmt;
use std::borrow::Cow;

use crate::capability::Capability;
use crate::driver::Driver;
use crate::flow::{Fate, FlowLimits, FlowRule, Masks, OnMiss, Place, RuleSet};
use crate::profile::{Policy, Profile};
use crate::verdict::Audit;

mod fallback;
mod resolve;

pub use resolve::{Contradiction, contradictions};

/// Who does a piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The NIC's hardware.
    Nic,
    /// The Linux kernel, on the device's side of the line.
    LinuxKernel,
    /// A driver in software, by name.
    Driver(&'static str),
    /// A model of a NIC, in memory. Never shown as a measurement of one.
    Model,
    /// This engine.
    Fixwire,
    /// Nobody.
    Nobody,
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Nic => f.pad("NIC"),
            Provider::LinuxKernel => f.pad("Linux kernel"),
            Provider::Driver(name) => write!(f, "{name} in software"),
            Provider::Model => f.pad("NIC model"),
            Provider::Fixwire => f.pad("fixwire"),
            Provider::Nobody => f.pad("nobody"),
        }
    }
}

/// One capability as a device advertises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert {
    /// Who would do it.
    pub by: Provider,
    /// What the device does, in words, for the plan's reason.
    pub how: &'static str,
}

/// What a device says that it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// What is known of its driver beyond what it advertises.
    pub driver: Driver,
    /// Which rules its flow table takes.
    pub flow: FlowLimits,
    adverts: [Option<Advert>; Capability::COUNT],
    /// Why it has not what it might have, in its driver's words.
    denials: Vec<(Capability, String)>,
    /// It hands over frames whose TCP checksum is not finished ([`Verdict::None`]).
    ///
    /// [`Verdict::None`]: crate::verdict::Verdict::None
    pub gives_none: bool,
}

impl Capabilities {
    /// A device that can do nothing for us.
    pub const NONE: Capabilities = Capabilities::of(Driver::UNKNOWN);

    /// A device of `driver` that can do nothing for us.
    pub const fn of(driver: Driver) -> Capabilities {
        let adverts = [None; Capability::COUNT];
        let flow = FlowLimits::NONE;
        Capabilities { driver, flow, adverts, denials: Vec::new(), gives_none: false }
    }

    /// The same, and `capability` as `advert` says.
    #[must_use]
    pub fn with(mut self, capability: Capability, advert: Advert) -> Capabilities {
        self.adverts[usize::from(capability.number())] = Some(advert);
        self
    }

    /// The same without `capability`.
    #[must_use]
    pub fn without(mut self, capability: Capability) -> Capabilities {
        self.adverts[usize::from(capability.number())] = None;
        self
    }

    /// The same without `capability`, which its driver denies in these words.
    #[must_use]
    pub fn denied(self, capability: Capability, words: String) -> Capabilities {
        let mut without = self.without(capability);
        without.denials.retain(|(of, _)| *of != capability);
        without.denials.push((capability, words));
        without
    }

    /// What its driver says of a `capability` that it denies.
    pub fn denial(&self, capability: Capability) -> Option<&str> {
        let found = self.denials.iter().find(|(of, _)| *of == capability);
        found.map(|(_, words)| words.as_str())
    }

    /// How `capability` is advertised, if it is.
    pub fn advert(&self, capability: Capability) -> Option<Advert> {
        self.adverts[usize::from(capability.number())]
    }
}

/// Where a piece of work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By the device.
    Device,
    /// By this engine, in software.
    Host,
    /// Nowhere: it is not done.
    Off,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Device => "device",
            Outcome::Host => "host",
            Outcome::Off => "off",
        })
    }
}

/// What a host does with buffers that it has handed to a device, as far as an offload depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostUse {
    /// How many pools the frames of one transmit queue come from.
    pub tx_pools: usize,
    /// A sent frame's buffer is kept until its data is acknowledged, to be sent again.
    pub keeps_sent_frames: bool,
}

impl HostUse {
    /// This engine: one pool, and what may have to be sent again lies in the send buffer, unless frames are
    /// [held](Capability::HeldFrames), which precludes the same.
    pub const ENGINE: HostUse = HostUse { tx_pools: 1, keeps_sent_frames: false };
}

/// What was decided for one capability.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The capability.
    pub capability: Capability,
    /// What the profile asked for.
    pub policy: Policy,
    /// Whether the device advertises it.
    pub advertised: bool,
    /// Whether the device is told to do it.
    pub configured: bool,
    /// Where the work is done.
    pub outcome: Outcome,
    /// By whom.
    pub by: Provider,
    /// Why.
    pub reason: Cow<'static, str>,
}

impl Row {
    /// Whether the profile requires what the device does not do.
    pub fn is_unmet(&self) -> bool {
        self.policy == Policy::Require && self.outcome != Outcome::Device
    }
}

/// The plan: one row for each capability, fixed before the first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The device, as named on the command line.
    pub nic: String,
    /// The profile's name.
    pub profile: String,
    /// How often a device's `good` is checked.
    pub rx_checksum_audit: Audit,
    /// The device hands over unfinished TCP checksums and is told that it may.
    pub gives_none: bool,
    rows: Vec<Row>,
    /// The rules that were asked for.
    asked: RuleSet,
    /// The same, and those that an isolated port needs besides.
    rules: RuleSet,
    /// Isolated, the port hears neither ARP nor ICMP without a rule.
    needs_housekeeping: bool,
    /// In the device every rule counts, asked for or not.
    counts_all: bool,
}

impl Plan {
    /// Meets a profile with a device. Pure and deterministic.
    pub fn negotiate(nic: &str, profile: &Profile, device: &Capabilities) -> Plan {
        Plan::for_host(nic, profile, device, HostUse::ENGINE)
    }

    /// The same for a host that uses its buffers otherwise than this engine does.
    pub fn for_host(nic: &str, profile: &Profile, device: &Capabilities, host: HostUse) -> Plan {
        let rows = resolve::rows(profile, device, host);
        let trusts_rx_tcp = rows[usize::from(Capability::RxTcpChecksum.number())].configured;
        Plan {
            nic: nic.to_owned(),
            profile: profile.name.clone(),
            rx_checksum_audit: profile.rx_checksum_audit,
            gives_none: device.gives_none && trusts_rx_tcp,
            rows,
            asked: RuleSet::EMPTY,
            rules: RuleSet::EMPTY,
            needs_housekeeping: !device.driver.is_bifurcated,
            counts_all: false,
        }
    }

    /// The rows, by capability number.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What was decided for `capability`.
    pub fn row(&self, capability: Capability) -> &Row {
        &self.rows[usize::from(capability.number())]
    }

    /// Whether the device does `capability`.
    pub fn uses(&self, capability: Capability) -> bool {
        self.row(capability).outcome == Outcome::Device
    }

    /// The rows that a profile requires and the device does not meet.
    pub fn unmet(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.is_unmet())
    }

    /// The same plan for these rules, at one priority where the device has not those that they name and none of them needs
    /// its own: the host does the steering where `limits` say that the device would
    /// not take them, or where there is nothing to steer by. A port that would take them, but not those that it needs
    /// isolated besides, is not isolated.
    #[must_use]
    pub fn steered_by(mut self, rules: RuleSet, limits: &FlowLimits) -> Plan {
        let fits = |rule: &FlowRule| rule.priority <= limits.priority_max;
        let fit = rules.rules().iter().all(fits);
        let flat = if fit { None } else { rules.at_one_priority() };
        self.asked = flat.unwrap_or(rules);
        self.rules = self.asked.clone().on_missing(self.on_miss());
        if !self.uses(Capability::FlowSteering) {
            return self;
        }
        let refused = if self.rules.rules().is_empty() {
            Some("there is no rule to steer by".to_owned())
        } else {
            let limited = || limits.check(&self.rules).err().map(|refused| refused.to_string());
            lacked(&self).or_else(limited)
        };
        if let Some(reason) = refused {
            return self.demoted(Capability::FlowSteering, &reason);
        }
        if let Err(refused) = self.keep_house(limits) {
            let reason = format!("isolated, it would need rules for ARP and ICMP: {refused}");
            self = self.demoted(Capability::FlowIsolation, &reason);
        }
        let counted = self.rules.clone().counted();
        self.counts_all = self.uses(Capability::FlowCount) && limits.check(&counted).is_ok();
        self
    }

    /// The rules that frames are steered by, in the device or by their software twin, and what becomes of
    /// those that no rule matches.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The same as the device is to have them. Where it counts, each of them does: a counter shows whether its
    /// rule is there and at work.
    pub fn device_rules(&self) -> RuleSet {
        if self.counts_all { self.rules.clone().counted() } else { self.rules.clone() }
    }

    /// Whether every rule counts in the device, though nobody may have asked for it.
    pub fn counts_all(&self) -> bool {
        self.counts_all
    }

    /// The same plan with no counter in the device but those that the rules ask for.
    #[must_use]
    pub fn without_counters_of_its_own(self) -> Plan {
        Plan { counts_all: false, ..self }
    }

    /// The same plan with all rules at one priority; `None` where they are already, or where one of them is to win over
    /// another.
    #[must_use]
    pub fn at_one_priority(&self) -> Option<Plan> {
        if self.rules.rules().iter().all(|rule| rule.priority == 0) {
            return None;
        }
        let (asked, rules) = (self.asked.at_one_priority()?, self.rules.at_one_priority()?);
        Some(Plan { asked, rules, ..self.clone() })
    }

    /// Puts the rules beside those asked for that an isolated port needs, for its neighbours and for what the path says.
    /// The device must take all of them, and so must the software twin.
    fn keep_house(&mut self, limits: &FlowLimits) -> Result<(), String> {
        if !(self.needs_housekeeping && self.uses(Capability::FlowIsolation)) {
            return Ok(());
        }
        let all = self.asked.clone().with_housekeeping().map_err(|error| error.to_string())?;
        let all = all.on_missing(self.on_miss());
        for limits in [limits, &FlowLimits::SOFTWARE] {
            limits.check(&all).map_err(|refused| refused.to_string())?;
        }
        self.rules = all;
        Ok(())
    }

    fn on_miss(&self) -> OnMiss {
        if self.uses(Capability::FlowIsolation) { OnMiss::NotOurs } else { OnMiss::Queue(0) }
    }

    /// The same plan with other words for what was decided of a capability.
    #[must_use]
    pub fn explained(mut self, capability: Capability, reason: String) -> Plan {
        self.rows[usize::from(capability.number())].reason = Cow::Owned(reason);
        self
    }

    /// The same plan after the device refused to be configured so, or a rule was refused: the host
    /// does it from here on, and what needs it goes with it. Nothing is switched on in its stead.
    #[must_use]
    pub fn demoted(mut self, capability: Capability, reason: &str) -> Plan {
        resolve::demote(&mut self.rows, capability, reason);
        if !self.uses(Capability::RxTcpChecksum) {
            self.gives_none = false;
        }
        self.counts_all &= self.uses(Capability::FlowCount);
        if !self.uses(Capability::FlowIsolation) {
            self.rules = self.asked.clone().on_missing(self.on_miss());
        }
        // What a rule needs may be what was refused.
        match lacked(&self).filter(|_| self.uses(Capability::FlowSteering)) {
            Some(reason) => self.demoted(Capability::FlowSteering, &reason),
            None => self,
        }
    }
}

/// The first rule that needs what the plan does not leave to the device, and what to do about it.
fn lacked(plan: &Plan) -> Option<String> {
    let needs = |rule: &FlowRule| {
        let leaves_open = Masks::needed(&rule.pattern) != Masks::Exact;
        [
            (leaves_open, Capability::FlowMasked, "name both addresses and both ports"),
            (rule.actions.fate == Fate::Drop, Capability::FlowDrop, "delete the rule"),
            (rule.actions.mark.is_some(), Capability::FlowMark, "delete the mark"),
            (rule.actions.count, Capability::FlowCount, "delete the count"),
        ]
    };
    plan.rules.rules().iter().enumerate().find_map(|(number, rule)| {
        let lacks = |(is_needed, capability, _): &(bool, Capability, &str)| {
            *is_needed && !plan.uses(*capability)
        };
        let (_, capability, remedy) = needs(rule).into_iter().find(lacks)?;
        let place = Place::Rule(number, *rule);
        Some(match plan.row(capability).policy {
            Policy::Off => format!(
                "{place} needs {capability}, which is off in the profile; write \"prefer\" for it, or {remedy}"
            ),
            _ => format!(
                "{place} needs {capability}, which the device does not do; {remedy}, or leave it to the host"
            ),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_NIC: Advert = Advert { by: Provider::Nic, how: "in hardware" };

    fn outcome(policy: Policy, advertised: bool, capability: Capability) -> (Outcome, bool, bool) {
        let profile = Profile::all(policy);
        let device = if advertised {
            Capabilities::NONE.with(capability, BY_NIC)
        } else {
            Capabilities::NONE
        };
        let plan = Plan::negotiate("test", &profile, &device);
        let row = plan.row(capability);
        (row.outcome, row.configured, row.is_unmet())
    }

    #[test]
    fn policy_times_advert_decides() {
        let tx = Capability::TxTcpChecksum;
        assert_eq!(outcome(Policy::Off, true, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Prefer, true, tx), (Outcome::Device, true, false));
        assert_eq!(outcome(Policy::Require, true, tx), (Outcome::Device, true, false));
        assert_eq!(outcome(Policy::Off, false, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Prefer, false, tx), (Outcome::Host, false, false));
        assert_eq!(outcome(Policy::Require, false, tx), (Outcome::Host, false, true));
    }

    #[test]
    fn segmentation_stays_off_though_preferred_and_advertised() {
        for capability in [Capability::Lro, Capability::Tso] {
            assert_eq!(outcome(Policy::Prefer, true, capability), (Outcome::Off, false, false));
        }
    }

    #[test]
    fn unfinished_checksums_are_accepted_only_while_the_device_is_trusted() {
        let mut device = Capabilities::NONE.with(Capability::RxTcpChecksum, BY_NIC);
        device.gives_none = true;
        let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device);
        assert!(plan.gives_none);
        assert!(!plan.demoted(Capability::RxTcpChecksum, "refuted").gives_none);
        assert!(!Plan::negotiate("test", &Profile::all(Policy::Off), &device).gives_none);
    }

    #[test]
    fn an_isolated_port_gets_rules_for_arp_and_icmp_or_is_not_isolated() {
        use core::net::{Ipv4Addr, SocketAddrV4};

        use crate::flow::Pattern;

        let local = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 9878);
        let listener = FlowRule::listener(local, 0);
        let device = |driver| {
            [
                Capability::FlowSteering,
                Capability::FlowMasked,
                Capability::FlowDrop,
                Capability::FlowCount,
                Capability::FlowIsolation,
            ]
            .into_iter()
            .fold(Capabilities::of(Driver::named(driver)), |device, known| {
                device.with(known, BY_NIC)
            })
        };
        let planned = |driver, rules: &[FlowRule], limits: &FlowLimits| {
            let set = RuleSet::new(rules.to_vec(), OnMiss::Queue(0)).unwrap();
            Plan::negotiate("test", &Profile::all(Policy::Prefer), &device(driver))
                .steered_by(set, limits)
        };
        let all = FlowLimits::SOFTWARE;
        let sfc = planned("net_sfc_efx", &[listener], &all);
        let besides = [Pattern::ARP, Pattern::ICMP].map(|of| FlowRule::new(of, Fate::Queue(0)));
        assert_eq!(sfc.rules().rules(), [&[listener][..], &besides].concat());
        assert!(sfc.device_rules().rules().iter().all(|rule| rule.actions.count));
        assert_eq!(planned("mlx5_pci", &[listener], &all).rules().rules(), [listener]);
        // In the VLAN that the engine's network is in.
        let vlan = crate::flow::VlanId::new(100);
        let set = RuleSet::new(vec![listener], OnMiss::Queue(0)).unwrap().for_network_in(vlan);
        let tagged = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device("net_sfc_efx"))
            .steered_by(set, &all);
        let besides_tagged = besides.map(|rule| rule.in_vlan(vlan.unwrap()));
        assert_eq!(tagged.rules().rules()[1..], besides_tagged);
        // Below a rule of the profile's that matches ICMP too.
        let drops = FlowRule::new(Pattern::IPV4, Fate::Drop).at_priority(4);
        let below = planned("net_sfc_efx", &[listener, drops], &all);
        assert_eq!(below.rules().rules()[3], besides[1].at_priority(5));
        // No room for them: steered, and open.
        for (limits, why) in [
            (FlowLimits { rules_max: 2, ..all }, "takes 2 rules"),
            (FlowLimits { masks_max: 1, ..all }, "takes 1 that differ"),
        ] {
            let open = planned("net_sfc_efx", &[listener], &limits);
            assert_eq!(
                (open.rules().rules(), open.rules().on_miss()),
                (&[listener][..], OnMiss::Queue(0))
            );
            assert!(open.uses(Capability::FlowSteering));
            let reason = &open.row(Capability::FlowIsolation).reason;
            assert!(
                reason.starts_with("isolated, it would need rules for ARP and ICMP: "),
                "{reason}"
            );
            assert!(reason.contains(why), "{reason}");
        }
        // What is not isolated any more does not need them.
        let open = sfc.clone().demoted(Capability::FlowIsolation, "refused");
        assert_eq!(open.rules().rules(), [listener]);
        assert_eq!(sfc.demoted(Capability::FlowSteering, "refused").rules().rules(), [listener]);
    }

    #[test]
    fn a_device_of_one_priority_gets_rules_at_it_unless_one_is_to_win_over_another() {
        use core::net::{Ipv4Addr, SocketAddrV4};

        let at = |last| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, last), 9878);
        let device = [Capability::FlowSteering, Capability::FlowMasked]
            .into_iter()
            .fold(Capabilities::NONE, |device, known| device.with(known, BY_NIC));
        let one = FlowLimits { priority_max: 0, ..FlowLimits::SOFTWARE };
        let planned = |rules: &[FlowRule], limits: &FlowLimits| {
            let set = RuleSet::new(rules.to_vec(), OnMiss::Queue(0)).unwrap();
            Plan::negotiate("test", &Profile::all(Policy::Prefer), &device).steered_by(set, limits)
        };
        let connection = FlowRule::connection(at(1), at(2), 0).at_priority(1);
        let apart = FlowRule::listener(at(3), 0).at_priority(2);
        let plan = planned(&[connection, apart], &one);
        assert!(plan.uses(Capability::FlowSteering));
        let flat = [connection, apart].map(|rule| rule.at_priority(0));
        assert_eq!((plan.rules().rules(), plan.device_rules().rules()), (&flat[..], &flat[..]));
        // With priorities enough they stay as they were asked for.
        let plan = planned(&[connection, apart], &FlowLimits { priority_max: 2, ..one });
        assert_eq!(plan.rules().rules(), [connection, apart]);
        let around = FlowRule::listener(at(2), 0).at_priority(2);
        let plan = planned(&[connection, around], &one);
        assert!(!plan.uses(Capability::FlowSteering));
        let reason = &plan.row(Capability::FlowSteering).reason;
        assert!(reason.contains("knows no priority 1"), "{reason}");
        assert_eq!(plan.rules().rules(), [connection, around], "the host's");
    }

    #[test]
    fn what_a_rule_needs_and_the_device_refuses_takes_steering_with_it() {
        use core::net::{Ipv4Addr, SocketAddrV4};

        let local = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 9878);
        let device = [Capability::FlowSteering, Capability::FlowMasked, Capability::FlowCount]
            .into_iter()
            .fold(Capabilities::NONE, |device, known| device.with(known, BY_NIC));
        let set = RuleSet::new(vec![FlowRule::listener(local, 0)], OnMiss::Queue(0)).unwrap();
        let plan = Plan::negotiate("test", &Profile::all(Policy::Prefer), &device)
            .steered_by(set, &FlowLimits::SOFTWARE);
        let uncounted = plan.clone().demoted(Capability::FlowCount, "refused");
        assert!(uncounted.uses(Capability::FlowSteering) && !uncounted.counts_all());
        let unmasked = plan.demoted(Capability::FlowMasked, "refused");
        assert!(!unmasked.uses(Capability::FlowSteering));
        let reason = &unmasked.row(Capability::FlowSteering).reason;
        assert!(reason.contains("needs flow_masked, which the device does not do"), "{reason}");
    }

    #[test]
    fn rules_that_a_device_does_not_take_are_the_host_s_with_the_rule_and_the_limit_in_the_reason()
    {
        use core::net::{Ipv4Addr, SocketAddrV4};

        use crate::flow::Pattern;

        let local = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 9878);
        let listener = FlowRule::listener(local, 0);
        let device = |all: &[Capability]| {
            all.iter().fold(Capabilities::NONE, |device, known| device.with(*known, BY_NIC))
        };
        let exact = [Capability::FlowSteering];
        let masked = [Capability::FlowSteering, Capability::FlowMasked, Capability::FlowIsolation];
        for (device, rules, reason) in [
            (device(&masked), vec![listener], None),
            (device(&masked), vec![], Some("no rule to steer by")),
            (
                device(&exact),
                vec![listener],
                Some(
                    "steering rule #0 (flow create 0 ingress priority 1 pattern eth / ipv4 dst is 10.0.0.2 / tcp \
                     dst is 9878 / end actions queue index 0 / end) needs flow_masked, which the device does not \
                     do; name both addresses and both ports, or leave it to the host: ",
                ),
            ),
            (device(&exact), vec![FlowRule::connection(local, local, 0)], None),
            (
                device(&masked),
                vec![listener, FlowRule::new(Pattern::IPV4, Fate::Drop).at_priority(2)],
                Some(
                    "/ end) needs flow_drop, which the device does not do; delete the rule, or leave",
                ),
            ),
            (
                device(&masked),
                vec![listener.counted()],
                Some("flow_count, which the device does not"),
            ),
            (
                device(&masked),
                vec![listener.marked(1)],
                Some("needs flow_mark, which is off in the"),
            ),
            (device(&masked), vec![listener.at_priority(9)], None),
            (
                device(&masked),
                vec![listener.at_priority(9), FlowRule::connection(local, local, 0)],
                Some("priority 9"),
            ),
            (device(&masked), vec![FlowRule::listener(local, 1)], Some("no queue 1")),
        ] {
            let set = RuleSet::new(rules, OnMiss::Queue(0)).unwrap();
            let limits = FlowLimits { priority_max: 2, queues: 1, ..FlowLimits::SOFTWARE };
            let profile = Profile::all(Policy::Prefer).with(Capability::FlowMark, Policy::Off);
            let plan = Plan::negotiate("test", &profile, &device);
            let plan = plan.steered_by(set, &limits);
            let row = plan.row(Capability::FlowSteering);
            assert_eq!(row.configured, reason.is_none(), "{}", row.reason);
            assert!(row.reason.contains(reason.unwrap_or("in hardware")), "{}", row.reason);
            let isolated = plan.uses(Capability::FlowIsolation);
            let on_miss = if isolated { OnMiss::NotOurs } else { OnMiss::Queue(0) };
            assert_eq!(plan.rules().on_miss(), on_miss);
            assert!(row.configured || !isolated, "isolated and without a rule nothing would come");
        }
    }
}
