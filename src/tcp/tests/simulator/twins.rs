//! Header prediction beside the long way: the same seeds through both, and every frame, event, counter
//! and state alike.

use super::*;

const SEEDS: u64 = 120;

/// What came of a seed: a digest of all that was seen on the way, and what was counted.
fn outcome(seed: u64, predicts: bool) -> (u64, Vec<[(&'static str, u64); 2]>) {
    let mut world = World::new(seed);
    world.keeps_trace = true;
    for stack in &mut world.stacks {
        stack.predicts_nothing = !predicts;
    }
    world.run();
    let [one, other] = world.stacks.each_ref().map(Stack::counters);
    (world.trace, one.iter().zip(other.iter()).map(|(one, other)| [one, other]).collect())
}

#[test]
fn what_is_predicted_is_what_the_long_way_finds() {
    let name = Count::SegmentPredicted.name();
    let mut predicted = 0;
    for seed in 0..SEEDS {
        let (quick, long) = (outcome(seed, true), outcome(seed, false));
        assert_eq!(
            quick.0, long.0,
            "seed {seed}: something was seen that the long way does not do"
        );
        for (quick, long) in quick.1.into_iter().zip(long.1) {
            if quick[0].0 == name {
                predicted += quick[0].1 + quick[1].1;
                assert_eq!(long, [(name, 0); 2], "seed {seed}: the long way predicts nothing");
            } else {
                assert_eq!(quick, long, "seed {seed}");
            }
        }
    }
    assert!(predicted > 50_000, "only {predicted} segments were predicted");
}
