//! The classifier held against its slow twin, on sets of rules that overlap.

use core::net::{Ipv4Addr, SocketAddrV4};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::key::MaskedKey;
use super::*;

/// A small world, so that rules meet each other and frames meet rules.
fn addr() -> impl Strategy<Value = Ipv4Addr> + Clone {
    let parts = (select(vec![10, 11]), select(vec![0, 1]), select(vec![1, 2, 3]));
    parts.prop_map(|(a, c, d)| Ipv4Addr::new(a, 0, c, d))
}

fn port() -> impl Strategy<Value = u16> + Clone {
    select(vec![1, 2, 9878, 9879, 0x2600])
}

fn vlan() -> impl Strategy<Value = Option<VlanId>> + Clone {
    select(vec![None, None, VlanId::new(1), VlanId::new(4094)])
}

fn addr_match() -> impl Strategy<Value = AddrMatch> {
    let masks = vec![0, 0, u32::MAX, u32::MAX, 0xff00_0000, 0xffff_ff00, 0x0000_00ff];
    (addr(), select(masks))
        .prop_map(|(addr, mask)| AddrMatch::masked(addr, Ipv4Addr::from_bits(mask)))
}

fn port_match() -> impl Strategy<Value = PortMatch> {
    (port(), select(vec![0, 0xffff, 0xffff, 0xff00, 1]))
        .prop_map(|(port, mask)| PortMatch::masked(port, mask))
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let tcp = (port_match(), port_match())
        .prop_map(|(src_port, dst_port)| TcpMatch { src_port, dst_port });
    let carries = prop_oneof![
        8 => tcp.prop_map(Carries::Tcp),
        2 => Just(Carries::Any),
        1 => Just(Carries::Icmp),
        1 => Just(Carries::Arp),
    ];
    (vlan(), addr_match(), addr_match(), carries).prop_map(|(vlan, src, dst, carries)| Pattern {
        vlan,
        src,
        dst,
        carries,
    })
}

fn rule() -> impl Strategy<Value = FlowRule> {
    let fate = prop_oneof![any::<u16>().prop_map(Fate::Queue), Just(Fate::Drop)];
    let actions = (fate, any::<Option<u32>>(), any::<bool>())
        .prop_map(|(fate, mark, count)| Actions { fate, mark, count });
    (0u32..6, pattern(), actions).prop_map(|(priority, pattern, actions)| FlowRule {
        priority,
        pattern,
        actions,
    })
}

/// Of random rules those that agree with the ones before, and fit the classifier.
fn set() -> impl Strategy<Value = RuleSet> {
    let on_miss = prop_oneof![any::<u16>().prop_map(OnMiss::Queue), Just(OnMiss::NotOurs)];
    (vec(rule(), 0..60), on_miss).prop_map(|(rules, on_miss)| {
        let mut kept = RuleSet::new(Vec::new(), OnMiss::NotOurs).unwrap();
        for rule in rules {
            let more = [kept.rules(), &[rule]].concat();
            if let Ok(set) = RuleSet::new(more, on_miss)
                && Classifier::new(&set).is_ok()
            {
                kept = set;
            }
        }
        kept
    })
}

fn key() -> impl Strategy<Value = FlowKey> {
    (addr(), addr(), port(), port(), vlan(), 0u8..12).prop_map(
        |(src, dst, from, to, vlan, kind)| {
            let segment = FlowKey::tcp(SocketAddrV4::new(src, from), SocketAddrV4::new(dst, to));
            let key = match kind {
                0 => FlowKey::ipv4(src, dst),
                1 => FlowKey::icmp(src, dst),
                2 => FlowKey::ARP,
                _ => segment,
            };
            key.in_vlan(vlan)
        },
    )
}

/// What a frame may be that a rule matches: the rule's bits, and the frame's where it asks for none.
fn hitting(pattern: &Pattern, key: &FlowKey) -> FlowKey {
    let fill = |from: Ipv4Addr, rule: AddrMatch| {
        Ipv4Addr::from_bits(from.to_bits() & !rule.mask().to_bits() | rule.spec().to_bits())
    };
    let fill_port = |from: u16, rule: PortMatch| from & !rule.mask() | rule.spec();
    let (src, dst) = (fill(key.src(), pattern.src), fill(key.dst(), pattern.dst));
    let vlan = pattern.vlan.or(key.vlan());
    let segment =
        |(from, to)| FlowKey::tcp(SocketAddrV4::new(src, from), SocketAddrV4::new(dst, to));
    let key = match (pattern.carries, key.ports()) {
        (Carries::Tcp(TcpMatch { src_port, dst_port }), ports) => {
            let (from, to) = ports.unwrap_or((1, 2));
            segment((fill_port(from, src_port), fill_port(to, dst_port)))
        }
        (Carries::Any, Some(ports)) => segment(ports),
        (Carries::Any, None) if key.is_icmp() => FlowKey::icmp(src, dst),
        (Carries::Any, None) => FlowKey::ipv4(src, dst),
        (Carries::Icmp, _) => FlowKey::icmp(src, dst),
        (Carries::Arp, _) => FlowKey::ARP,
    };
    key.in_vlan(vlan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_classifier_agrees_with_its_twin_and_counts_what_it_says(
        set in set(), keys in vec((key(), any::<Option<Index>>(), 60usize..1514), 1..80)
    ) {
        let mut classifier = Classifier::new(&set).unwrap();
        let mut counts = vec![Count::default(); set.rules().len()];
        for (key, aim, frame_len) in keys {
            let key = match aim {
                Some(aim) if !set.rules().is_empty() => {
                    let pattern = aim.get(set.rules()).pattern;
                    let key = hitting(&pattern, &key);
                    prop_assert!(pattern.matches(&key), "{pattern} {key:?}");
                    key
                }
                _ => key,
            };
            let outcome = classifier.classify(&key);
            prop_assert_eq!(outcome, set.classify(&key), "{:?}", key);
            classifier.record(&outcome, frame_len);
            if let Outcome::Matched(Matched { rule, .. }) = outcome {
                counts[usize::from(rule)].hits += 1;
                counts[usize::from(rule)].bytes += frame_len as u64;
            }
        }
        for (number, (rule, count)) in set.rules().iter().zip(counts).enumerate() {
            prop_assert_eq!(classifier.count(number), rule.actions.count.then_some(count));
        }
        prop_assert_eq!(classifier.count(set.rules().len()), None);
    }

    #[test]
    fn a_masked_key_is_the_pattern_in_one_word(pattern in pattern(), key in key(), aim: bool) {
        let key = if aim { hitting(&pattern, &key) } else { key };
        let MaskedKey { value, mask } = MaskedKey::of(&pattern);
        prop_assert_eq!(key.bits() & mask == value, pattern.matches(&key), "{} {:?}", pattern, key);
    }

    #[test]
    fn rules_of_one_priority_are_refused_if_and_only_if_a_frame_matches_both(
        a in rule(), b in rule(), keys in vec(key(), 40)
    ) {
        let b = b.at_priority(a.priority);
        let set = RuleSet::new(vec![a, b], OnMiss::NotOurs);
        let both = |key: &FlowKey| a.pattern.matches(key) && b.pattern.matches(key);
        match set {
            Ok(_) => prop_assert!(!keys.iter().any(both)),
            // What fills the bits of both rules is a frame that both match.
            Err(error) => {
                let witness = hitting(&a.pattern, &hitting(&b.pattern, &keys[0]));
                let witness = hitting(&b.pattern, &witness);
                prop_assert!(both(&witness), "{error} {witness:?}");
            }
        }
        prop_assert!(RuleSet::new(vec![a, b.at_priority(a.priority + 1)], OnMiss::NotOurs).is_ok());
    }
}

fn at(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port)
}

#[test]
fn neighbouring_ports_by_the_thousand_are_told_apart() {
    let listener = FlowRule::listener(at(2, 9878), 1);
    let connections = (0..1023).map(|port| FlowRule::connection(at(1, port), at(2, 9878), 0));
    let set = RuleSet::new(connections.chain([listener]).collect(), OnMiss::NotOurs).unwrap();
    let classifier = Classifier::new(&set).unwrap();
    for port in 0..3000 {
        for local in [9877, 9878, 9879] {
            let key = FlowKey::tcp(at(1, port), at(2, local));
            assert_eq!(classifier.classify(&key), set.classify(&key), "{key:?}");
        }
    }
}

#[test]
fn a_frame_is_steered_by_its_bytes_and_counted_with_all_of_them() {
    let mut frame = [0; 74];
    frame[12..18].copy_from_slice(&[0x08, 0x00, 0x45, 0, 0, 60]);
    frame[23] = 6;
    frame[26..38].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2]);
    let by_ports = FlowRule::connection(at(1, 1), at(2, 2), 3).counted();
    let by_address = FlowRule::new(
        Pattern { src: AddrMatch::exact(*at(1, 0).ip()), ..Pattern::IPV4 },
        Fate::Queue(4),
    );
    let rules = vec![by_address.at_priority(1).counted(), by_ports];
    let set = RuleSet::new(rules, OnMiss::Queue(9)).unwrap();
    let mut classifier = Classifier::new(&set).unwrap();
    let mut queue_of = |frame: &[u8]| {
        let outcome = classifier.steer(frame);
        assert_eq!(outcome, set.classify_frame(frame));
        match outcome {
            Outcome::Matched(Matched {
                actions: Actions { fate: Fate::Queue(queue), .. }, ..
            })
            | Outcome::Missed(OnMiss::Queue(queue)) => queue,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(queue_of(&frame), 3);
    // Its first fragment goes where the others go, which have no ports.
    frame[20] = 0x20;
    assert_eq!(queue_of(&frame), 4);
    frame[21] = 1;
    assert_eq!(queue_of(&frame), 4);
    assert_eq!(queue_of(&frame[..73]), 9, "malformed");
    assert_eq!(classifier.count(1), Some(Count { hits: 1, bytes: 74 }));
    assert_eq!(classifier.count(0), Some(Count { hits: 2, bytes: 148 }));
}

#[test]
fn more_masks_than_tables_are_refused_with_the_rule_that_is_too_much() {
    let by_prefix = |bits: u8| {
        let src = AddrMatch::prefix(Ipv4Addr::new(10, 0, 0, 1), bits);
        FlowRule::new(Pattern { src, ..Pattern::TCP }, Fate::Drop).at_priority(32 - u32::from(bits))
    };
    let set = |bits| RuleSet::new((1..=bits).map(by_prefix).collect(), OnMiss::NotOurs).unwrap();
    assert!(Classifier::new(&set(16)).is_ok());
    let error = Classifier::new(&set(17)).unwrap_err();
    assert_eq!(error.place, Place::Rule(16, by_prefix(17)));
    assert_eq!(
        error.limit.to_string(),
        "this is the mask number 17 and the software classifier takes 16 that differ; give rules the \
         same fields and prefix lengths"
    );
}
