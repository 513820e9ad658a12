//! Header prediction beside the long way: the same seeds through both, and every frame, event, counter
//! and state alike.

use super::*;

const SEEDS: u64 = 120;
/// Seeds on a network that loses and repeats nothing.
const CALM_SEEDS: u64 = 40;

/// What both stacks counted, by name.
type Counted = Vec<[(&'static str, u64); 2]>;

/// What came of a seed: a digest of all that was seen on the way, what was counted, and how much came and left
/// by the shortest way.
fn outcome(seed: u64, is_calm: bool, predicts: bool) -> (u64, Counted, [u64; 2]) {
    let mut world = World::new(seed);
    world.keeps_trace = true;
    if is_calm {
        (world.loss_percent, world.repeat_percent, world.mark_percent) = (0, 0, 0);
        (world.jitter_ns, world.abort_one_in, world.renege_one_in) = (0, u64::MAX, u64::MAX);
    }
    for stack in &mut world.stacks {
        stack.predicts_nothing = !predicts;
    }
    world.run();
    let took_fast = world.stacks.iter().map(|stack| stack.took_fast).sum();
    let [one, other] = world.stacks.each_ref().map(Stack::counters);
    let counted = one.iter().zip(other.iter()).map(|(one, other)| [one, other]).collect();
    (world.trace, counted, [took_fast, world.left_fast])
}

#[test]
fn what_is_predicted_is_what_the_long_way_finds() {
    let name = Count::SegmentPredicted.name();
    let (mut predicted, mut fast) = (0, [0; 2]);
    for (seed, is_calm) in
        (0..SEEDS).map(|seed| (seed, false)).chain((0..CALM_SEEDS).map(|seed| (seed, true)))
    {
        let (quick, long) = (outcome(seed, is_calm, true), outcome(seed, is_calm, false));
        assert_eq!(
            quick.0, long.0,
            "seed {seed}: something was seen that the long way does not do"
        );
        assert_eq!(long.2, [0; 2], "seed {seed}: the long way is not the shortest");
        fast = [fast[0] + quick.2[0], fast[1] + quick.2[1]];
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
    assert!(fast[0] > 1_000 && fast[1] > 1_000, "only {fast:?} came and left the shortest way");
}
