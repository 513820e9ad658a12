//! Two hosts and a network in which everything goes wrong that can, by a seed, in virtual time.
//!
//! A seed draws a world (`world`): how both stacks are set up, what their devices say of sums (`device`), and which
//! `faults` befall the `network` and the hosts (`misfortunes`). Frames go the way that they go in the engine: headers
//! by the `Emitter`, ahead of their message where an application foresees what it sends (`prepared`), and held after it in every second
//! world (`holding`), sums by the
//! `Verifier`, segments by prediction where they are predicted (`traffic`). Every byte that is read is compared
//! (`application`); after every step, and of every frame, what must hold is looked at (`invariants`), and no stack asks
//! the `heap` for anything. In the end each world is healed, and has to end.
//!
//! In every second world there is too little of something, and patience has an end (`scarcity`): places that `strangers` take,
//! connections that are let go of (`orphans`), calls that are refused (`asking`).
//!
//! A seed that fails is named by the line that replays it, with a file of its frames (`record`).

mod application;
mod asking;
mod device;
mod faults;
mod frames;
mod heap;
mod holding;
mod invariants;
mod misfortunes;
mod network;
mod orphans;
mod prepared;
mod random;
mod record;
mod scarcity;
mod strangers;
mod totals;
mod traffic;
mod twins;
mod window;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use self::record::{Record, path_of};
use self::totals::Totals;
use self::world::World;

/// Seeds that are tried, and with FIXWIRE_FULL.
const SEEDS: u64 = 2_000;
const SEEDS_FULL: u64 = 10_000;
/// They are shared out among so many tests, which run beside each other.
const SHARES: u64 = 4;
/// How often a soak tells how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// Plays a seed. One that fails is played again with its frames kept, and named.
fn play(seed: u64, prepare: fn(&mut World)) -> Result<Totals, String> {
    let made = || {
        let mut world = World::new(seed);
        prepare(&mut world);
        world
    };
    let outcome = catch_unwind(|| {
        let mut world = made();
        world.run();
        world.totals
    });
    outcome.map_err(|_| {
        let (_, file) = play_recorded(made());
        format!("replay: make replay SEED={seed}   frames: {file}")
    })
}

/// The same with its frames kept. Says what came of it, and where they are.
fn play_recorded(mut world: World) -> (bool, String) {
    world.record = Some(Record::default());
    let is_sound = catch_unwind(AssertUnwindSafe(|| world.run())).is_ok();
    println!("{}", world.story());
    let path = path_of(world.seed);
    let written = world.record.as_ref().expect("it was made with one").write(&path);
    (is_sound, written.map_or_else(|why| why.to_string(), |()| path.display().to_string()))
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

/// The seeds that were asked for: `FIXWIRE_SIMULATOR_SEED=N`, or `FIRST..END`.
fn chosen() -> Option<Range<u64>> {
    let chosen = std::env::var("FIXWIRE_SIMULATOR_SEED").ok()?;
    Some(match chosen.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => number(&chosen)..number(&chosen) + 1,
    })
}

fn pass_over(seeds: Range<u64>) -> Totals {
    let mut totals = Totals::default();
    for seed in seeds {
        totals.add(&play(seed, |_| {}).unwrap_or_else(|why| panic!("{why}")));
    }
    totals
}

fn share(number: u64) {
    let is_full = std::env::var_os("FIXWIRE_FULL").is_some();
    let seeds = if is_full { SEEDS_FULL } else { SEEDS } / SHARES;
    let (first, began) = (number * seeds, Instant::now());
    let totals = pass_over(first..first + seeds);
    println!("from seed {first} on, in {:.1} s: {totals}", began.elapsed().as_secs_f64());
    totals.assert_complete();
}

/// Whatever the network and the hosts do, every stream arrives whole, once, and in order, and what cannot is told.
mod every_stream_arrives_whole {
    macro_rules! shares {
        ($( $name:ident $number:literal )*) => {
            $( #[test] fn $name() { super::share($number) } )*

            #[test]
            fn the_shares_are_all_of_the_seeds() {
                assert!((0..super::SHARES).eq([$($number),*]));
            }
        };
    }

    shares! {
        among_the_seeds_of_share_1 0
        among_the_seeds_of_share_2 1
        among_the_seeds_of_share_3 2
        among_the_seeds_of_share_4 3
    }
}

#[test]
#[ignore = "for one seed or a few: make replay SEED=N, or FIRST..END"]
fn replay() {
    let seeds = chosen().expect("FIXWIRE_SIMULATOR_SEED=N, or FIRST..END");
    if seeds.end > seeds.start + 1 {
        let outcomes = seeds.map(|seed| play(seed, |_| {}));
        let (mut totals, mut failed) = (Totals::default(), Vec::new());
        outcomes.for_each(|outcome| match outcome {
            Ok(of_one) => totals.add(&of_one),
            Err(why) => failed.push(why),
        });
        println!("{totals}");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        return;
    }
    let (is_sound, file) = play_recorded(World::new(seeds.start));
    println!("frames: {file}");
    assert!(is_sound, "seed {} fails, as above", seeds.start);
}

/// On every core, from a seed that is drawn anew each time: until it is stopped, for FIXWIRE_SOAK_S seconds, or until a
/// seed fails.
#[test]
#[ignore = "goes on until it is stopped: make soak"]
fn soak() {
    let limit = std::env::var("FIXWIRE_SOAK_S").map_or(u64::MAX, |text| number(&text));
    let first = std::env::var("FIXWIRE_SEED").map_or(0, |text| number(&text)) << 24;
    let (next, has_failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let (totals, began) = (Mutex::new(Totals::default()), Instant::now());
    let is_on = || began.elapsed().as_secs() < limit && !has_failed.load(Ordering::Relaxed);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while is_on() {
                    match play(next.fetch_add(1, Ordering::Relaxed), |_| {}) {
                        Ok(of_one) => totals.lock().expect("nobody fails with it").add(&of_one),
                        Err(why) => {
                            has_failed.store(true, Ordering::Relaxed);
                            println!("{why}");
                        }
                    }
                }
            });
        }
        let mut told = began;
        while is_on() {
            std::thread::sleep(Duration::from_millis(100));
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                let totals = totals.lock().expect("nobody fails with it");
                println!(
                    "{:4} s from seed {first} on: {}",
                    began.elapsed().as_secs(),
                    totals.line()
                );
            }
        }
    });
    println!("{}", totals.lock().expect("nobody fails with it"));
    assert!(!has_failed.load(Ordering::Relaxed), "a seed failed, as above");
}

#[test]
fn a_byte_altered_unseen_is_found_and_its_seed_named_with_a_file_of_its_frames() {
    let tamper = |world: &mut World| world.tampers_with = Some(3);
    let found = (0..).find_map(|seed| play(seed, tamper).err().map(|why| (seed, why)));
    let (seed, why) = found.expect("one in which a third segment of data is sent");
    let path = path_of(seed);
    assert_eq!(why, format!("replay: make replay SEED={seed}   frames: {}", path.display()));
    let file = std::fs::read(&path).expect("the file that is named");
    // Section Header Block, little-endian (draft-ietf-opsawg-pcapng 4.1).
    assert_eq!(file[..4], 0x0a0d_0d0a_u32.to_le_bytes());
    assert!(file.len() > 1_000, "{} bytes", file.len());
    let tshark = std::process::Command::new("tshark").arg("-r").arg(&path).output();
    if let Ok(seen) = tshark {
        let frames = String::from_utf8_lossy(&seen.stdout);
        assert!(seen.status.success(), "{}", String::from_utf8_lossy(&seen.stderr));
        assert!(frames.lines().count() > 5 && frames.contains("[SYN"), "{frames}");
    }
    std::fs::remove_file(&path).expect("it is ours");
}

#[test]
fn what_would_test_nothing_is_refused_in_a_sentence() {
    for args in [&["--replay", "5..3"][..], &["--replay", "7..7"], &["0"], &["00"]] {
        // Without cargo: nothing is begun if it is not refused.
        let mut soak = std::process::Command::new("scripts/soak");
        let soak = soak.args(args).env("PATH", "/usr/bin:/bin");
        let soak = soak.current_dir(env!("CARGO_MANIFEST_DIR"));
        let said = soak.output().expect("bash runs it");
        assert_eq!(said.status.code(), Some(2), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&said.stderr).lines().count(), 1, "{args:?}");
    }
}
