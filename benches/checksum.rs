//! The software twin of checksum offload: summing, and copying with the sum on the way.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixwire::offload::checksum::{Sum, copy_and_sum};

/// An IPv4 header, a Heartbeat's segment, an ExecutionReport, a full segment, a jumbo frame.
const LENGTHS: [usize; 5] = [20, 64, 211, 1460, 8960];

fn checksum(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..8960u32).map(|n| (n * 7) as u8).collect();
    let mut copy = vec![0u8; 8960];
    let mut group = criterion.benchmark_group("checksum");
    for length in LENGTHS {
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("sum", length), |bencher| {
            bencher.iter(|| Sum::of(black_box(&bytes[..length])).is_valid());
        });
        group.bench_function(BenchmarkId::new("copy_and_sum", length), |bencher| {
            bencher.iter(|| copy_and_sum(black_box(&bytes[..length]), black_box(&mut copy)));
        });
    }
    group.finish();
}

criterion_group!(benches, checksum);
criterion_main!(benches);
