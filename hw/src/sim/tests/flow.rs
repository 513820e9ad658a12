//! What the flow table does with frames.

use core::net::{Ipv4Addr, SocketAddrV4};

use fixwire_offload::flow::{Count, FlowRule, OnMiss};

use super::*;

/// From and to where [`tcp_frame`]'s frames go.
const PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 12_345);
const LOCAL: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 5_001);

fn connection() -> FlowRule {
    FlowRule::connection(PEER, LOCAL, 0)
}

/// Like [`numbered`], for another port of ours.
fn stray(number: u8) -> Vec<u8> {
    let mut frame = numbered(number);
    frame[L4 + 3] ^= 1;
    frame
}

/// A running pair of which the second is steered by `rules`, as its plan says.
fn steered_pair(model: Model, rules: &[FlowRule]) -> (SimNic, SimNic, Wire, Plan) {
    let (a, b, wire) = pair(Config { b: model, ..Config::default() }, 0);
    let rules = RuleSet::new(rules.to_vec(), OnMiss::Queue(0)).unwrap();
    let (b, plan) = steered(b, Policy::Prefer, rules);
    (running(a, Policy::Prefer).0, b, wire, plan)
}

fn delivered(a: &mut SimNic, b: &mut SimNic, wire: &Wire, frame: &[u8]) -> Vec<RxMeta> {
    send(a, frame, FULL);
    wire.advance(Duration::from_us(1));
    receive(b).into_iter().map(|(meta, _)| meta).collect()
}

#[test]
fn each_model_steers_a_connection_s_frames_to_our_queue_and_isolates_where_it_can() {
    for (name, steers, isolates) in [
        ("connectx5", true, true),
        ("connectx6dx", true, true),
        ("e810", true, false),
        ("x710", true, false),
        ("82599", true, false),
        ("82576", true, false),
        ("82574", false, false),
        ("sfc-x2", true, true),
        ("ena", false, false),
        ("bnxt", true, false),
        ("virtio", false, false),
        ("af_xdp", false, false),
        ("sim", true, true),
        ("rtl", true, true),
    ] {
        let (mut a, mut b, wire, plan) = steered_pair(named(name), &[connection()]);
        let uses = [Capability::FlowSteering, Capability::FlowIsolation].map(|of| plan.uses(of));
        assert_eq!(uses, [steers, isolates], "{name}");
        assert_eq!(delivered(&mut a, &mut b, &wire, &numbered(1)).len(), 1, "{name}");
        let others = delivered(&mut a, &mut b, &wire, &stray(2)).len();
        assert_eq!(others, usize::from(!isolates), "{name}");
        assert_eq!(b.counters().rx_flow_not_ours, u64::from(isolates), "{name}");
        assert_eq!(delivered(&mut a, &mut b, &wire, &arp()).len(), 1, "{name}: ARP");
    }
}

#[test]
fn an_isolated_port_hears_arp_and_icmp_by_rules_alone_unless_the_kernel_has_it_too() {
    let mut icmp = stray(3);
    icmp[23] = 1;
    for (name, is_bifurcated) in
        [("connectx5", true), ("sfc-x2", false), ("sim", false), ("rtl", false)]
    {
        let (mut a, mut b, wire, plan) = steered_pair(named(name), &[connection()]);
        let shown: Vec<String> =
            plan.rules().rules()[1..].iter().map(ToString::to_string).collect();
        let besides = [
            "flow create 0 ingress priority 0 pattern eth type is 0x0806 / end actions queue index 0 / end",
            "flow create 0 ingress priority 0 pattern eth / ipv4 proto is 1 / end actions queue index 0 / end",
        ];
        assert_eq!(shown, if is_bifurcated { &[][..] } else { &besides[..] }, "{name}");
        assert_eq!(delivered(&mut a, &mut b, &wire, &arp()).len(), 1, "{name}: ARP");
        let heard = delivered(&mut a, &mut b, &wire, &icmp).len();
        assert_eq!(heard, usize::from(!is_bifurcated), "{name}: ICMP");
        // Without those rules it is deaf, unless it is the kernel that hears.
        let bare = RuleSet::new(vec![connection()], OnMiss::NotOurs).unwrap();
        b.steer(&bare).unwrap();
        let heard =
            [arp(), icmp.clone()].map(|frame| delivered(&mut a, &mut b, &wire, &frame).len());
        assert_eq!(heard, [usize::from(is_bifurcated), 0], "{name}: without");
    }
}

#[test]
fn a_mark_arrives_with_the_frames_of_its_rule_and_with_no_others() {
    for name in ["connectx5", "e810", "x710", "82599", "sim"] {
        let (mut a, mut b, wire, plan) = steered_pair(named(name), &[connection().marked(7)]);
        assert!(plan.uses(Capability::FlowMark), "{name}");
        let of_rule = delivered(&mut a, &mut b, &wire, &numbered(1));
        assert_eq!(of_rule.iter().map(|meta| meta.mark).collect::<Vec<_>>(), [Some(7)], "{name}");
        for other in [stray(2), arp()] {
            let found = delivered(&mut a, &mut b, &wire, &other);
            assert!(found.iter().all(|meta| meta.mark.is_none()), "{name}");
        }
    }
}

#[test]
fn what_a_rule_drops_does_not_arrive_and_counts() {
    use fixwire_offload::flow::Fate;
    for name in ["connectx5", "e810", "82599", "sfc-x2", "sim"] {
        let drops = FlowRule::new(connection().pattern, Fate::Drop);
        let (mut a, mut b, wire, plan) = steered_pair(named(name), &[drops]);
        assert!(plan.uses(Capability::FlowDrop), "{name}");
        assert!(delivered(&mut a, &mut b, &wire, &numbered(1)).is_empty(), "{name}");
        let counters = b.counters();
        assert_eq!((counters.rx_flow_dropped, counters.rx_frames), (1, 0), "{name}");
    }
}

#[test]
fn rules_count_frames_and_bytes_polled_or_not_and_asked_to_or_not_where_the_device_counts() {
    let other = FlowRule::connection(LOCAL, PEER, 0);
    let (mut a, mut b, wire, plan) =
        steered_pair(named("connectx5"), &[other, connection().counted()]);
    assert!(plan.uses(Capability::FlowCount));
    assert_eq!(b.flow_count(1), Some(Count::default()));
    for number in 0..3 {
        send(&mut a, &numbered(number), FULL);
    }
    send(&mut a, &stray(9), FULL);
    assert_eq!(b.flow_count(1), Some(Count::default()), "still under way");
    wire.advance(Duration::from_us(1));
    let bytes = 3 * numbered(0).len() as u64;
    assert_eq!(b.flow_count(1), Some(Count { hits: 3, bytes }), "nobody has polled");
    assert_eq!(receive(&mut b).len(), 3);
    assert_eq!(b.flow_count(1), Some(Count { hits: 3, bytes }));
    assert_eq!((b.flow_count(0), b.flow_count(2)), (Some(Count::default()), None));
}

#[test]
fn frames_for_another_queue_do_not_reach_ours() {
    let mut model = named("sim");
    model.capabilities.flow.queues = 2;
    let to_other = FlowRule::connection(PEER, LOCAL, 1);
    let (mut a, mut b, wire, plan) = steered_pair(model, &[to_other]);
    assert!(plan.uses(Capability::FlowSteering));
    assert!(delivered(&mut a, &mut b, &wire, &numbered(1)).is_empty());
    assert_eq!(b.counters().rx_flow_other_queue, 1);
    let (_, _, _, plan) = steered_pair(named("sim"), &[to_other]);
    let reason = &plan.row(Capability::FlowSteering).reason;
    assert!(reason.contains("sim has 1 queue,"), "{reason}");
}

#[test]
fn the_table_and_its_slow_twin_agree_on_tags_fragments_and_options() {
    let rules = [connection().marked(1), FlowRule::listener(LOCAL, 0).marked(2).at_priority(1)];
    let set = RuleSet::new(rules.to_vec(), OnMiss::NotOurs).unwrap();
    let (mut a, mut b, wire, _) = steered_pair(named("sim"), &rules);
    let mut fragment = numbered(3);
    fragment[20] = 0x20;
    let mut other_peer = numbered(4);
    other_peer[L4] ^= 1;
    let tagged = crate::frames::tcp_frame_with(1, b"0123456789");
    for frame in [numbered(1), stray(2), fragment, other_peer, tagged] {
        use fixwire_offload::flow::{Matched, Outcome};
        let expected = match set.classify_frame(&frame) {
            Outcome::Matched(Matched { actions, .. }) => vec![actions.mark],
            Outcome::Missed(_) => vec![],
        };
        let found = delivered(&mut a, &mut b, &wire, &frame);
        assert_eq!(found.iter().map(|meta| meta.mark).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn more_rules_than_a_device_has_room_for_are_the_host_s() {
    let rule =
        |number: u16| FlowRule::connection(SocketAddrV4::new(*PEER.ip(), number + 1), LOCAL, 0);
    for (name, room) in [("82576", 8), ("82599", 128)] {
        for (rules, fits) in [(room, true), (room + 1, false)] {
            let rules: Vec<FlowRule> = (0..rules).map(rule).collect();
            let (_, _, _, plan) = steered_pair(named(name), &rules);
            assert_eq!(plan.uses(Capability::FlowSteering), fits, "{name}: {}", rules.len());
        }
    }
}
