//! What each limit refuses, and how that is said.

use core::net::{Ipv4Addr, SocketAddrV4};

use super::*;
use crate::flow::field::{AddrMatch, PortMatch, VlanId};

const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 9878);
const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 40_000);

fn refusal(limits: FlowLimits, rules: &[FlowRule], on_miss: OnMiss) -> Option<RuleRefused> {
    limits.check(&RuleSet::new(rules.to_vec(), on_miss).unwrap()).err()
}

const DEVICE: FlowLimits =
    FlowLimits { device: "x", queues: 4, priority_max: 8, ..FlowLimits::SOFTWARE };

fn connection() -> FlowRule {
    FlowRule::connection(PEER, LOCAL, 0)
}

fn listener() -> FlowRule {
    FlowRule::listener(LOCAL, 0)
}

fn ip_only() -> FlowRule {
    FlowRule::new(Pattern::IPV4, Fate::Queue(0)).at_priority(8)
}

fn dropping() -> FlowRule {
    FlowRule::new(Pattern::TCP, Fate::Drop).at_priority(7)
}

/// A device's limits, rules that it takes, and rules of which it refuses the last, for this reason.
type Row = (FlowLimits, Vec<FlowRule>, Vec<FlowRule>, Limit);

fn each_refuses_what_is_past_it_and_nothing_else<const N: usize>(rows: [Row; N]) {
    for (limits, fits, refused, limit) in rows {
        let on_miss = OnMiss::Queue(0);
        assert_eq!(refusal(limits, &fits, on_miss), None, "{limit}");
        let last = refused.len() - 1;
        let place = Place::Rule(last, refused[last]);
        assert_eq!(refusal(limits, &refused, on_miss), Some(RuleRefused { place, limit }));
    }
}

#[test]
fn counts_and_numbers_have_limits() {
    let device = "x";
    let queue_4 = FlowRule::connection(PEER, LOCAL, 4);
    each_refuses_what_is_past_it_and_nothing_else([
        (
            FlowLimits { rules_max: 1, ..DEVICE },
            vec![connection()],
            vec![connection(), listener()],
            Limit::Rules { device, max: 1 },
        ),
        (
            FlowLimits { masks_max: 1, ..DEVICE },
            vec![connection(), FlowRule::connection(LOCAL, PEER, 0)],
            vec![connection(), listener()],
            Limit::MasksMax { device, max: 1 },
        ),
        (
            DEVICE,
            vec![ip_only()],
            vec![connection().at_priority(9)],
            Limit::Priority { device, priority: 9, max: 8 },
        ),
        (
            DEVICE,
            vec![FlowRule::connection(PEER, LOCAL, 3)],
            vec![queue_4],
            Limit::Queue { device, queue: 4, queues: 4 },
        ),
        (
            FlowLimits { mark_max: Some(6), ..DEVICE },
            vec![connection().marked(6)],
            vec![connection().marked(7)],
            Limit::MarkMax { device, mark: 7, max: 6 },
        ),
    ]);
}

#[test]
fn what_a_pattern_may_look_at_has_limits() {
    let device = "x";
    let prefix = FlowRule::new(
        Pattern { src: AddrMatch::prefix(*PEER.ip(), 8), ..Pattern::TCP },
        Fate::Queue(0),
    );
    let vlan = connection().in_vlan(VlanId::new(1).unwrap());
    each_refuses_what_is_past_it_and_nothing_else([
        (
            FlowLimits { masks: Masks::Fields, ..DEVICE },
            vec![connection(), listener(), ip_only()],
            vec![connection(), prefix.at_priority(1)],
            Limit::Masks { device, takes: Masks::Fields },
        ),
        (
            FlowLimits { masks: Masks::Exact, ..DEVICE },
            vec![connection()],
            vec![listener()],
            Limit::Masks { device, takes: Masks::Exact },
        ),
        (
            FlowLimits { vlan: false, ..DEVICE },
            vec![connection()],
            vec![vlan],
            Limit::Vlan { device },
        ),
        (
            FlowLimits { without_tcp: false, ..DEVICE },
            vec![dropping()],
            vec![ip_only()],
            Limit::WithoutTcp { device },
        ),
    ]);
}

#[test]
fn what_may_become_of_a_frame_has_limits() {
    let device = "x";
    each_refuses_what_is_past_it_and_nothing_else([
        (
            FlowLimits { drop: false, ..DEVICE },
            vec![connection()],
            vec![dropping()],
            Limit::Drop { device },
        ),
        (
            FlowLimits { mark_max: None, ..DEVICE },
            vec![connection()],
            vec![connection().marked(0)],
            Limit::Mark { device },
        ),
        (
            FlowLimits { mark_dropped: false, ..DEVICE },
            vec![dropping(), connection().marked(7)],
            vec![dropping().marked(7)],
            Limit::MarkDropped { device },
        ),
        (
            FlowLimits { count: false, ..DEVICE },
            vec![connection()],
            vec![connection().counted()],
            Limit::Count { device },
        ),
    ]);
}

#[test]
fn what_becomes_of_a_miss_has_limits_too() {
    let limits = FlowLimits { device: "x", queues: 4, isolation: false, ..FlowLimits::SOFTWARE };
    assert_eq!(refusal(limits, &[], OnMiss::Queue(3)), None);
    assert_eq!(
        refusal(limits, &[], OnMiss::Queue(4)).unwrap().to_string(),
        "frames that no steering rule matches: x has 4 queues, numbered from 0, and no queue 4; name one that \
         it has, or set up more by `rx` under [queues]"
    );
    assert_eq!(
        refusal(limits, &[], OnMiss::NotOurs).unwrap().to_string(),
        "frames that no steering rule matches: x cannot be isolated; let what no rule matches go to \
         a queue"
    );
    assert_eq!(refusal(FlowLimits::SOFTWARE, &[], OnMiss::NotOurs), None);
}

#[test]
fn a_refusal_names_the_rule_the_limit_and_the_remedy() {
    let rules =
        [FlowRule::connection(PEER, LOCAL, 0), FlowRule::listener(LOCAL, 0).marked(1 << 24)];
    assert_eq!(
        refusal(FlowLimits::MLX5, &rules, OnMiss::NotOurs).unwrap().to_string(),
        "steering rule #1 (flow create 0 ingress priority 1 pattern eth / ipv4 dst is 10.0.0.2 / tcp \
         dst is 40000 / end actions mark id 16777216 / queue index 0 / end): mlx5 cannot mark with \
         16777216; use marks up to 16777199"
    );
}

#[test]
fn a_connectx5_takes_three_priorities_and_marks_of_24_bits_less_16() {
    let limits = FlowLimits { queues: 2, ..FlowLimits::MLX5 };
    let connection = FlowRule::connection(PEER, LOCAL, 0);
    let dropping = FlowRule::new(connection.pattern, Fate::Drop);
    let device = "mlx5";
    for (rule, refused) in [
        (connection.at_priority(2), None),
        (connection.at_priority(3), Some(Limit::Priority { device, priority: 3, max: 2 })),
        (connection.marked(0xff_ffef), None),
        (
            connection.marked(0xff_fff0),
            Some(Limit::MarkMax { device, mark: 0xff_fff0, max: 0xff_ffef }),
        ),
        (dropping.counted(), None),
        (dropping.marked(1), Some(Limit::MarkDropped { device })),
    ] {
        let found = refusal(limits, &[rule], OnMiss::NotOurs).map(|refused| refused.limit);
        assert_eq!(found, refused, "{rule}");
    }
}

#[test]
fn one_is_not_many() {
    let limits = FlowLimits { rules_max: 1, queues: 1, ..FlowLimits::SOFTWARE };
    let sentence =
        |rules: &[FlowRule]| refusal(limits, rules, OnMiss::Queue(0)).unwrap().to_string();
    let two = [FlowRule::connection(PEER, LOCAL, 0), FlowRule::connection(LOCAL, PEER, 0)];
    assert!(sentence(&two).contains("takes 1 rule; "), "{}", sentence(&two));
    let queue_5 = [FlowRule::connection(PEER, LOCAL, 5)];
    assert!(sentence(&queue_5).contains("has 1 queue, numbered"), "{}", sentence(&queue_5));
}

#[test]
fn without_a_table_no_rule_is_taken_and_no_rules_are() {
    let connection = FlowRule::connection(PEER, LOCAL, 0);
    assert_eq!(refusal(FlowLimits::NONE, &[], OnMiss::Queue(0)), None);
    assert!(matches!(
        refusal(FlowLimits::NONE, &[connection], OnMiss::Queue(0)).unwrap().limit,
        Limit::Rules { max: 0, .. }
    ));
}

#[test]
fn one_bit_of_an_address_or_a_port_is_a_mask() {
    let port = |mask| Pattern {
        carries: Carries::Tcp(TcpMatch { dst_port: PortMatch::masked(0, mask), ..TcpMatch::ANY }),
        ..Pattern::TCP
    };
    for (pattern, needed) in [
        (FlowRule::connection(PEER, LOCAL, 0).pattern, Masks::Exact),
        (Pattern::IPV4, Masks::Fields),
        (port(0xffff), Masks::Fields),
        (port(0x7fff), Masks::Bits),
        (Pattern { dst: AddrMatch::prefix(*PEER.ip(), 31), ..Pattern::IPV4 }, Masks::Bits),
    ] {
        assert_eq!(Masks::needed(&pattern), needed, "{pattern}");
    }
}
