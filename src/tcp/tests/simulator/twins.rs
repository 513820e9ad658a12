//! Header prediction beside the long way: the same seeds through both, and every frame, event, counter
//! and state alike.

use super::totals::Totals;
use super::world::World;
use crate::tcp::Count;

const SEEDS: u64 = 120;
/// Seeds of worlds that are calm.
const CALM_SEEDS: u64 = 40;

/// What came of a seed: a digest of all that was seen on the way, what was counted, and how many segments came
/// by the shortest way.
fn outcome(seed: u64, is_calm: bool, predicts: bool) -> (u64, Totals, u64) {
    let mut world = if is_calm { World::calm(seed) } else { World::new(seed) };
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
    let calm = (0..CALM_SEEDS).map(|seed| (seed, true));
    for (seed, is_calm) in (0..SEEDS).map(|seed| (seed, false)).chain(calm) {
        let (quick, long) = (outcome(seed, is_calm, true), outcome(seed, is_calm, false));
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
