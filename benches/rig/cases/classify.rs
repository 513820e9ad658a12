//! The software twin of a NIC's flow table: which rule a frame falls under, of few and of many. The
//! time is to be the same.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddrV4};

use fixwire::offload::flow::{Classifier, FlowKey, FlowRule, OnMiss, Outcome, RuleSet};

use super::wire;
use crate::case::{Bench, Case, Rotation, US};
use crate::peer::{HOST_ADDR, PEER_ADDR};

/// Connections that have a rule each; one listener beside them.
const CONNECTIONS: [u16; 3] = [1, 64, 1024];
/// Frames in rotation: more than a predictor learns the order of. 8192 it does.
const DISTINCT: usize = 65_536;

const LISTENER: SocketAddrV4 = SocketAddrV4::new(HOST_ADDR, 9878);
/// Where nobody listens.
const ELSEWHERE: SocketAddrV4 = SocketAddrV4::new(HOST_ADDR, 22);

/// Whose frames come in.
#[derive(Clone, Copy)]
enum Traffic {
    Connections,
    Callers,
    Strangers,
    Mixed,
}

impl Traffic {
    const ALL: [Traffic; 4] =
        [Traffic::Connections, Traffic::Callers, Traffic::Strangers, Traffic::Mixed];

    const fn name(self) -> &'static str {
        match self {
            Traffic::Connections => "a connection's",
            Traffic::Callers => "the listener's",
            Traffic::Strangers => "a miss",
            Traffic::Mixed => "each in turn at random",
        }
    }

    /// A frame that `random` chooses, and whether a rule is there for it.
    fn frame(self, connections: u16, random: u32) -> (FlowKey, bool) {
        let among = (random >> 16) % u32::from(connections);
        // A caller comes from where no connection does.
        let caller = SocketAddrV4::new(Ipv4Addr::new(10, 8, 0, random as u8), (random >> 8) as u16);
        match self {
            Traffic::Connections => (FlowKey::tcp(peer(among as u16), LISTENER), true),
            Traffic::Callers => (FlowKey::tcp(caller, LISTENER), true),
            Traffic::Strangers => (FlowKey::tcp(caller, ELSEWHERE), false),
            Traffic::Mixed => Traffic::ALL[random as usize % 3].frame(connections, random >> 2),
        }
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for traffic in Traffic::ALL {
        for connections in CONNECTIONS {
            let what = format!("classify/{connections} connections/{}", traffic.name());
            cases.push(Case::new(what, US, move || classifying(traffic, connections)));
        }
    }
    cases.push(Case::new("classify/key of a frame", US, reading));
    cases
}

/// Who has a connection: one address, ports in a row, as a gateway's sessions are.
fn peer(number: u16) -> SocketAddrV4 {
    SocketAddrV4::new(PEER_ADDR, 40_000 + number)
}

fn rules(connections: u16) -> RuleSet {
    let connection = |number| FlowRule::connection(peer(number), LISTENER, number % 4).counted();
    let rules = (0..connections).map(connection).chain([FlowRule::listener(LISTENER, 0)]);
    RuleSet::new(rules.collect(), OnMiss::NotOurs).expect("rules that agree")
}

fn classifying(traffic: Traffic, connections: u16) -> impl Bench {
    let set = rules(connections);
    let classifier = Classifier::new(&set).expect("two masks");
    let keys: Vec<FlowKey> = randoms()
        .map(|random| {
            let (key, matched) = traffic.frame(connections, random);
            let outcome = classifier.classify(&key);
            assert_eq!(outcome, set.classify(&key), "{key:?}");
            assert!(matches!(traffic, Traffic::Mixed) || matched == is_matched(&outcome));
            key
        })
        .collect();
    Rotation::new(keys, move |key: &FlowKey| {
        black_box(classifier.classify(black_box(key)));
    })
}

fn is_matched(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Matched(_))
}

/// The same numbers each time.
fn randoms() -> impl Iterator<Item = u32> {
    /// Knuth's multiplier and increment for numbers modulo 2^64 (MMIX).
    const MMIX: (u64, u64) = (6_364_136_223_846_793_005, 1_442_695_040_888_963_407);
    let mut state = 7u64;
    (0..DISTINCT).map(move |_| {
        state = state.wrapping_mul(MMIX.0).wrapping_add(MMIX.1);
        (state >> 32) as u32
    })
}

fn reading() -> impl Bench {
    Rotation::new(wire::frames(), |frame: &Vec<u8>| {
        black_box(FlowKey::of_frame(black_box(frame)));
    })
}
