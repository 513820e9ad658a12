//! Header prediction beside the long way: the same seeds through both, and every frame, event, counter
//! and state alike.

use std::hash::DefaultHasher;

use super::totals::Totals;
use super::world::World;
use crate::tcp::Count;

const SEEDS: u64 = 120;
/// Seeds of worlds that are calm.
const CALM_SEEDS: u64 = 40;
/// Seeds that are played from the ring and from frames, and with FIXWIRE_FULL.
const HELD_SEEDS: u64 = 80;
const HELD_SEEDS_FULL: u64 = 400;

/// What came of a seed: a digest of all that was seen on the way, what was counted, and how many segments went the short
/// ways: the shortest; out, to tell of what is held or came twice; and what that was.
fn outcome(seed: u64, is_calm: bool, predicts: bool) -> (u64, Totals, [u64; 8]) {
    let mut world = if is_calm { World::calm(seed) } else { World::new(seed) };
    world.trace = Some(DefaultHasher::new());
    for node in world.hosts.iter_mut().flat_map(|host| &mut host.nodes) {
        node.stack.predicts_nothing = !predicts;
    }
    world.run();
    let stacks = world.hosts.iter().flat_map(|host| &host.nodes).map(|node| &node.stack);
    let mut short = [0; 8];
    for stack in stacks {
        let ways = [stack.took_fast, stack.acks_with_blocks].into_iter();
        let ways = ways.chain(stack.took_ahead.each());
        short.iter_mut().zip(ways).for_each(|(sum, way)| *sum += way);
    }
    (world.traced(), world.totals, short)
}

#[test]
fn what_is_predicted_is_what_the_long_way_finds() {
    let (mut predicted, mut short) = (0, [0; 8]);
    let calm = (0..CALM_SEEDS).map(|seed| (seed, true));
    for (seed, is_calm) in (0..SEEDS).map(|seed| (seed, false)).chain(calm) {
        let (quick, long) = (outcome(seed, is_calm, true), outcome(seed, is_calm, false));
        assert_eq!(
            quick.0, long.0,
            "seed {seed}: something was seen that the long way does not do"
        );
        assert_eq!(long.2, [0; 8], "seed {seed}: the long way is none of the short ones");
        short.iter_mut().zip(quick.2).for_each(|(sum, way)| *sum += way);
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
    assert!(short[0] > 1_000, "only {} segments came the shortest way", short[0]);
    // None of these worlds has as many holes as are held at most: `tests::ahead` has.
    let is_full = 3;
    let rarest = short.iter().enumerate().filter(|(way, _)| *way != is_full).map(|(_, many)| many);
    assert!(rarest.min() > Some(&20), "some short way is hardly taken: {short:?}");
}

/// A digest of all that was seen on the way, and what was counted.
fn outcome_where(seed: u64, is_calm: bool, holds: bool) -> (u64, Totals) {
    let mut world = if is_calm { World::calm(seed) } else { World::new(seed) };
    world.trace = Some(DefaultHasher::new());
    world.hold(holds);
    for line in &mut world.lines {
        line.foresees = [true; 2];
    }
    world.run();
    (world.traced(), world.totals)
}

/// Whether the ring has the bytes or the frames that they left in, is nobody's to see.
#[test]
fn what_is_sent_again_from_its_frame_is_what_the_ring_would_send() {
    let ways = [
        Count::HeldOut,
        Count::HeldFull,
        Count::HeldAgain,
        Count::HeldAgainCopied,
        Count::HeldParted,
        Count::HeldForBuffers,
        Count::HeldMoved,
        Count::ExportPayloadsHeld,
    ];
    let mut seen = [0; 8];
    let is_full = std::env::var_os("FIXWIRE_FULL").is_some();
    let seeds = if is_full { HELD_SEEDS_FULL } else { HELD_SEEDS };
    let calm = (0..CALM_SEEDS).map(|seed| (seed, true));
    for (seed, is_calm) in (0..seeds).map(|seed| (seed, false)).chain(calm) {
        let ring = outcome_where(seed, is_calm, false);
        let held = outcome_where(seed, is_calm, true);
        assert_eq!(ring.0, held.0, "seed {seed}: something was seen that the ring does not do");
        for what in Count::ALL {
            let (ring, held) = (ring.1.of(what), held.1.of(what));
            match ways.iter().position(|way| *way == what) {
                Some(at) => {
                    seen[at] += held;
                    assert_eq!(ring, 0, "seed {seed}: {what}, though nothing is held");
                }
                None => assert_eq!(ring, held, "seed {seed}: {what}"),
            }
        }
    }
    for (way, count) in ways.into_iter().zip(seen) {
        assert!(count > 20, "{way}: only {count} of {seen:?}");
    }
}
