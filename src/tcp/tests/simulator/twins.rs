//! Header prediction beside the long way: the same seeds through both, and every frame, event, counter
//! and state alike.

use super::totals::Totals;
use super::world::World;
use crate::tcp::Count;

const SEEDS: u64 = 120;

/// What came of a seed: a digest of all that was seen on the way, what was counted, and how many segments came
/// by the shortest way.
fn outcome(seed: u64, predicts: bool) -> (u64, Totals, u64) {
    let mut world = World::new(seed);
    world.trace = Some(0);
    for node in world.hosts.iter_mut().flat_map(|host| &mut host.nodes) {
        node.stack.predicts_nothing = !predicts;
    }
    world.run();
    let nodes = world.hosts.iter().flat_map(|host| &host.nodes);
    let took_fast = nodes.map(|node| node.stack.took_fast).sum();
    (world.trace.expect("it was kept"), world.totals, took_fast)
}

#[test]
fn what_is_predicted_is_what_the_long_way_finds() {
    let (mut predicted, mut fast) = (0, 0);
    for seed in 0..SEEDS {
        let (quick, long) = (outcome(seed, true), outcome(seed, false));
        assert_eq!(
            quick.0, long.0,
            "seed {seed}: something was seen that the long way does not do"
        );
        assert_eq!(long.2, 0, "seed {seed}: the long way is not the shortest");
        fast += quick.2;
        for what in Count::ALL {
            let (quick, long) = (quick.1.of(what), long.1.of(what));
            if what == Count::SegmentPredicted {
                predicted += quick;
                assert_eq!(long, 0, "seed {seed}: the long way predicts nothing");
            } else {
                assert_eq!(quick, long, "seed {seed}: {what}");
            }
        }
    }
    assert!(predicted > 20_000, "only {predicted} segments were predicted");
    assert!(fast > 1_000, "only {fast} segments came the shortest way");
}
