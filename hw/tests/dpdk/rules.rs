//! A driver's rules from creation to the port's stop: in which order, and what is left where one of them is refused.

use fixwire_hw::dpdk::DpdkBackend;
use fixwire_hw::tap::namespace;
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::{Backend as _, Device};
use fixwire_offload::flow::{Count, FlowRule, OnMiss, RuleSet};
use fixwire_offload::nic::Nic as _;
use fixwire_offload::profile::{Policy, Profile};

use crate::its_rules::{self, Call, WORDS, counted};
use crate::{harness, open, show};

/// Three rules that count.
fn three() -> RuleSet {
    let to = |port| {
        let local = std::net::SocketAddrV4::new([10, 9, 0, 2].into(), port);
        FlowRule::listener(local, 0).counted()
    };
    RuleSet::new(vec![to(9_878), to(9_879), to(9_880)], OnMiss::Queue(0)).unwrap()
}

/// A ring that has started, and the plan of its set-up, with no rule in it yet.
fn started(refused: &[Call]) -> (DpdkBackend, Plan) {
    its_rules::begin(refused);
    let profile = Profile::all(Policy::Prefer);
    let mut backend = open("net_ring0", &profile).unwrap();
    let capabilities = backend.capabilities();
    let plan = Plan::negotiate(&backend.name(), &profile, &capabilities)
        .steered_by(three(), &capabilities.flow);
    assert!(plan.uses(Capability::FlowSteering) && plan.uses(Capability::FlowCount), "{plan:?}");
    show(&plan);
    assert_eq!(backend.configure(&plan).unwrap(), []);
    backend.start().unwrap();
    assert_eq!(its_rules::asked(), [Call::Configure, Call::Start]);
    (backend, plan)
}

pub(crate) fn a_set_of_which_one_is_refused_leaves_none_behind_and_says_which() {
    let (mut backend, plan) = started(&[Call::Create(2)]);
    let why = backend.steer(&plan.device_rules()).unwrap_err();
    let all = [0, 1, 2].map(Call::Create).into_iter();
    assert_eq!(
        its_rules::asked(),
        all.chain([Call::Destroy(1), Call::Destroy(0)]).collect::<Vec<_>>()
    );
    let words = WORDS.to_str().unwrap();
    assert!(why.starts_with("rule 2 (flow create 0 ingress ") && why.contains(words), "{why}");
    // A set that is taken replaces the one before it.
    backend.steer(&plan.device_rules()).unwrap();
    assert_eq!(its_rules::asked(), [3, 4, 5].map(Call::Create));
    backend.steer(&plan.device_rules()).unwrap();
    let replaced = [5, 4, 3].map(Call::Destroy).into_iter().chain([6, 7, 8].map(Call::Create));
    assert_eq!(its_rules::asked(), replaced.collect::<Vec<_>>());
    assert_eq!(backend.run().close(), Some(0));
}

pub(crate) fn rules_go_before_their_port_stops_the_last_one_first() {
    let (mut backend, plan) = started(&[]);
    backend.steer(&plan.device_rules()).unwrap();
    assert_eq!(its_rules::asked(), [0, 1, 2].map(Call::Create));
    backend.stop().unwrap();
    let gone = |first: usize| [2, 1, 0].map(|rule| Call::Destroy(first + rule));
    let and_stopped = |first| gone(first).into_iter().chain([Call::Stop]).collect::<Vec<_>>();
    assert_eq!(its_rules::asked(), and_stopped(0));
    // And where the port is closed while it runs.
    assert_eq!(backend.configure(&plan).unwrap(), []);
    backend.start().unwrap();
    backend.steer(&plan.device_rules()).unwrap();
    its_rules::asked();
    assert_eq!(backend.run().close(), Some(0));
    assert_eq!(its_rules::asked(), and_stopped(3));
}

pub(crate) fn rules_that_do_not_go_one_by_one_go_all_at_once_or_no_more_are_made() {
    let (mut backend, plan) = started(&[]);
    backend.steer(&plan.device_rules()).unwrap();
    its_rules::asked();
    its_rules::refuse(&[Call::Destroy(1)]);
    backend.steer(&plan.device_rules()).unwrap();
    let gone = [Call::Destroy(2), Call::Destroy(1), Call::Destroy(0), Call::Flush];
    let and_made = gone.into_iter().chain([3, 4, 5].map(Call::Create)).collect::<Vec<_>>();
    assert_eq!(its_rules::asked(), and_made);
    // One that stays would go on steering beside those of the new set.
    its_rules::refuse(&[Call::Destroy(4), Call::Flush]);
    for gone in
        [&[Call::Destroy(5), Call::Destroy(4), Call::Destroy(3), Call::Flush][..], &[Call::Flush]]
    {
        let why = backend.steer(&plan.device_rules()).unwrap_err();
        assert!(why.starts_with("rules that were there before do not go: "), "{why}");
        assert!(why.contains(WORDS.to_str().unwrap()), "{why}");
        assert_eq!(its_rules::asked(), gone);
    }
    its_rules::refuse(&[]);
    backend.steer(&plan.device_rules()).unwrap();
    let made = [6, 7, 8].map(Call::Create);
    assert_eq!(its_rules::asked(), [&[Call::Flush][..], &made].concat());
    assert_eq!(backend.run().close(), Some(0));
}

pub(crate) fn what_a_rule_has_counted_is_told_as_its_driver_says_or_why_it_does_not() {
    let (mut backend, plan) = started(&[]);
    backend.steer(&plan.device_rules()).unwrap();
    let nic = backend.run();
    let of = |rule| {
        let (hits, bytes) = counted(rule);
        Some(Count { hits, bytes })
    };
    assert_eq!([0, 1, 2, 3].map(|rule| nic.flow_count(rule)), [of(0), of(1), of(2), None]);
    assert_eq!(nic.take_flow_count_refusal(), None);
    its_rules::refuse(&[Call::Query(1)]);
    assert_eq!([0, 1, 2].map(|rule| nic.flow_count(rule)), [of(0), None, of(2)]);
    let words = WORDS.to_str().unwrap();
    let why =
        format!("rule 1: {words}, No space left on device (os error 28), about the rule's handle");
    assert_eq!(nic.take_flow_count_refusal(), Some(why));
    assert_eq!(nic.take_flow_count_refusal(), None, "it is told once");
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_driver_that_refuses_priorities_of_rules_that_it_had_called_valid_gets_them_at_one()
{
    its_rules::begin(&[Call::Prioritize]);
    let profile = Profile::all(Policy::Prefer);
    let backend = open("net_ring0", &profile).unwrap();
    let device = Device::probed(backend).plan(&profile, three());
    assert!(device.plan().rules().rules().iter().all(|rule| rule.priority > 0));
    let (nic, plan) = device.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    let made = [Call::Configure, Call::Start].into_iter().chain([0, 1, 2, 3].map(Call::Create));
    assert_eq!(its_rules::asked(), made.collect::<Vec<_>>());
    assert!(plan.uses(Capability::FlowSteering) && plan.counts_all(), "{plan:?}");
    assert!(plan.rules().rules().iter().all(|rule| rule.priority == 0));
    let reason = &plan.row(Capability::FlowSteering).reason;
    assert!(reason.starts_with("all rules at one priority: "), "{reason}");
    assert!(reason.ends_with("about its priority"), "{reason}");
    assert_eq!(nic.rules_installed(), 3);
    assert_eq!(nic.close(), Some(0));
}

pub(crate) fn a_driver_that_knows_no_priorities_beforehand_is_asked_for_none() {
    its_rules::begin(&[Call::ValidatePriority, Call::Prioritize]);
    let profile = Profile::all(Policy::Prefer);
    let backend = open("net_ring0", &profile).unwrap();
    let device = Device::probed(backend).plan(&profile, three());
    assert!(device.plan().rules().rules().iter().all(|rule| rule.priority == 0));
    let (nic, plan) = device.configure().unwrap().start().unwrap().steer().unwrap();
    show(&plan);
    let made = [Call::Configure, Call::Start].into_iter().chain([0, 1, 2].map(Call::Create));
    assert_eq!(its_rules::asked(), made.collect::<Vec<_>>());
    assert!(plan.uses(Capability::FlowSteering), "{plan:?}");
    assert_eq!(nic.close(), Some(0));
}

/// net_tap isolates, and takes rules for ARP and ICMP then; of its kernel's side nothing is asked here.
pub(crate) fn a_port_is_isolated_before_it_is_set_up_and_let_in_again_where_its_rules_are_refused()
{
    if let Err(error) = namespace::enter() {
        harness::skip(&error.to_string());
    }
    let profile = Profile::all(Policy::Prefer);
    let set = RuleSet::new(three().rules()[..1].to_vec(), OnMiss::NotOurs).unwrap();
    // The rule and those of ARP and ICMP: the last is refused, with priorities and without, with counters and without.
    its_rules::begin(&[2, 5, 8, 11].map(Call::Create));
    let backend = open("net_tap0,iface=dtap0", &profile).unwrap();
    let configured = Device::probed(backend).plan(&profile, set).configure().unwrap();
    assert!(configured.plan().uses(Capability::FlowIsolation), "{:?}", configured.plan());
    assert_eq!(its_rules::asked(), [Call::Isolate(true), Call::Configure]);
    let (nic, plan) = configured.start().unwrap().steer().unwrap();
    show(&plan);
    assert!(!plan.uses(Capability::FlowIsolation) && !plan.uses(Capability::FlowSteering));
    let tried = |first: usize| {
        let made = [0, 1, 2].map(|rule| Call::Create(first + rule)).into_iter();
        made.chain([Call::Destroy(first + 1), Call::Destroy(first)])
    };
    let again = [Call::Stop, Call::Isolate(false), Call::Configure, Call::Start];
    let all: Vec<Call> = [Call::Start]
        .into_iter()
        .chain([0, 3, 6, 9].into_iter().flat_map(tried))
        .chain(again)
        .collect();
    assert_eq!(its_rules::asked(), all);
    assert_eq!(nic.close(), Some(0));
    assert_eq!(its_rules::asked(), [Call::Stop]);
}
