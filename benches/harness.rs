//! How criterion goes through a bench's cases.

use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use fixwire_benches::cases;
use fixwire_benches::sampling::{Eviction, cold, warm};

/// Samples of each case; the table shows the least and the median of them.
const SAMPLES_WARM: usize = 60;
const SAMPLES_COLD: usize = 20;

/// What a case takes, by the wall's clock; most of it is the writing and checking of frames.
const WARM_UP: Duration = Duration::from_millis(300);
const MEASUREMENT: Duration = Duration::from_millis(1_200);

/// Measures every case of `bench`.
pub(crate) fn run(bench: &str) {
    let mut criterion = Criterion::default()
        .without_plots()
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .configure_from_args();
    let mut cache = Eviction::default();
    for case in cases::of(bench) {
        let mut group = criterion.benchmark_group(&case.what);
        group.sampling_mode(SamplingMode::Flat);
        group.sample_size(SAMPLES_WARM);
        group.bench_function(format!("{}/warm", case.who), |bencher| {
            let mut work = (case.make)();
            bencher.iter_custom(|iters| warm(&mut *work, iters));
        });
        if case.cold {
            group.sample_size(SAMPLES_COLD);
            group.bench_function(format!("{}/cold", case.who), |bencher| {
                let mut work = (case.make)();
                bencher.iter_custom(|iters| cold(&mut *work, &mut cache, iters));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
