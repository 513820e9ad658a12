//! An order and its report through two whole engines, on NIC models in memory: both packet paths,
//! both FIX sessions, strategy and exchange. A bound on what the host costs; no device is in it.

#[path = "../tests/common/mod.rs"]
mod common;

use common::{Pair, Terms};
use criterion::{Criterion, criterion_group, criterion_main};
use fixwire::app::taker::Taker;
use fixwire::fix::Version;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::Config;
use fixwire_hw::sim;

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round_trip");
    for (name, policy) in [("offloaded", Policy::Prefer), ("in_software", Policy::Off)] {
        let terms = Terms {
            sim: sim::Config::default(),
            seed: 1,
            version: Version::Fix44,
            ours: Profile::all(policy),
            theirs: Profile::all(policy),
            tcp: Config::default(),
            venue: "VENUE",
            tune: |_| {},
        };
        let mut pair = Pair::new(terms, Taker::new(u64::MAX, 1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let before = pair.ours.app().reports_received();
                while pair.ours.app().reports_received() == before {
                    pair.step();
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
