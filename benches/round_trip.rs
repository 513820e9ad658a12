//! An order and its report through two whole engines, on NIC models in memory: both packet paths,
//! both FIX sessions, strategy and exchange. A bound on what the host costs; no device is in it.

#[path = "../tests/common/mod.rs"]
mod common;

use std::path::Path;

use common::{Pair, Terms};
use criterion::{Criterion, criterion_group, criterion_main};
use fixwire::app::exchange::Exchange;
use fixwire::app::taker::Taker;
use fixwire::fix::Version;
use fixwire::offload::nic::Nic;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::tcp::Config;
use fixwire::time::UtcTime;
use fixwire_hw::capture::{self, CaptureFile, Options};
use fixwire_hw::clock::HostClock;
use fixwire_hw::sim;

fn terms(policy: Policy) -> Terms {
    Terms {
        sim: sim::Config::default(),
        seed: 1,
        version: Version::Fix44,
        ours: Profile::all(policy),
        theirs: Profile::all(policy),
        tcp: Config::default(),
        venue: "VENUE",
        tune: |_| {},
    }
}

fn trade_one<N: Nic>(pair: &mut Pair<Taker, Exchange, N>) {
    let before = pair.ours.app().reports_received();
    while pair.ours.app().reports_received() == before {
        pair.step();
    }
}

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round_trip");
    for (name, policy) in [("offloaded", Policy::Prefer), ("in_software", Policy::Off)] {
        let mut pair = Pair::new(terms(policy), Taker::new(u64::MAX, 1));
        group.bench_function(name, |bencher| bencher.iter(|| trade_one(&mut pair)));
    }

    // What a capture costs the polling core: two frames copied and a clock read for each order.
    let file = CaptureFile::open(Path::new("/dev/null"));
    let options = Options {
        interface: "sim",
        application: "bench",
        clock: HostClock::new(),
        wire_origin: Some(UtcTime::default()),
        ring_len: capture::RING_LEN,
        say: |trouble| eprintln!("{trouble}"),
    };
    let mut running = None;
    let wrap = |nic| {
        let (nic, capture) = capture::start(file, nic, &options);
        running = Some(capture);
        nic
    };
    let taker = Taker::new(u64::MAX, 1);
    let mut pair = Pair::wrapped(terms(Policy::Prefer), taker, Exchange::new(), wrap);
    group.bench_function("captured", |bencher| bencher.iter(|| trade_one(&mut pair)));
    if let Some(capture) = running {
        println!("captured: {:?}", capture.finish().counters);
    }
    group.finish();
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
