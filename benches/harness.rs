//! How criterion goes through a bench's cases.

use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use fixwire_benches::case::Caches;
use fixwire_benches::cases;
use fixwire_benches::sampling::Sampler;

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
    let mut sampler = Sampler::default();
    for case in cases::of(bench) {
        let mut group = criterion.benchmark_group(&case.what);
        group.sampling_mode(SamplingMode::Flat);
        for &caches in &case.caches {
            let is_warm = caches == Caches::Warm;
            group.sample_size(if is_warm { SAMPLES_WARM } else { SAMPLES_COLD });
            group.bench_function(format!("{}/{}", case.who, caches.name()), |bencher| {
                let mut work = (case.make)();
                bencher.iter_custom(|iters| sampler.sample(&mut *work, caches, iters));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
