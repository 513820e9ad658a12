//! From an Ethernet frame with an ExecutionReport to the Ethernet frame with the NewOrderSingle that
//! answers it: through headers, checksums, TCP, FIX, session and strategy, and back.

use criterion::{Criterion, SamplingMode, criterion_group, criterion_main};
use fixwire_benches::fixwire_host::FixwireHost;
use fixwire_benches::nic::Sums;
use fixwire_benches::sampling::{Eviction, cold, warm};
use fixwire_benches::{Host, Line};

fn frame_to_frame(criterion: &mut Criterion) {
    for sums in [Sums::Offloaded, Sums::InSoftware] {
        measure(criterion, "fixwire", sums, FixwireHost::new(sums));
    }
}

fn measure<H: Host>(criterion: &mut Criterion, name: &str, sums: Sums, host: H) {
    let mut line = Line::new(host, sums);
    let mut cache = Eviction::default();
    let mut group = criterion.benchmark_group(format!("frame_to_frame/{}", sums.name()));
    group.sampling_mode(SamplingMode::Flat);
    group.bench_function(format!("{name}/warm"), |bencher| {
        bencher.iter_custom(|iters| warm(&mut line, iters));
    });
    group.sample_size(20);
    group.bench_function(format!("{name}/cold"), |bencher| {
        bencher.iter_custom(|iters| cold(&mut line, &mut cache, iters));
    });
    group.finish();
}

criterion_group!(benches, frame_to_frame);
criterion_main!(benches);
