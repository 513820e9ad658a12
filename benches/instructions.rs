//! What is counted by callgrind: one case, so many times. `make bench-instructions` runs this under
//! valgrind, which collects inside [`counted`] alone, and compares with `benches/budget.toml`.
//!
//! Arguments: a case and how often. Without any, the cases' names.

use std::hint::black_box;

use fixwire_benches::fix::{self, FixwireDecoder, FixwireEncoder};
use fixwire_benches::fixwire_host::FixwireHost;
use fixwire_benches::messages;
use fixwire_benches::nic::{LOADED_MAX, Sums};
use fixwire_benches::{Host, Line};

/// Steps before anything is counted: buffers wrapped, windows open, proofs done.
const WARM_UP: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [case, count] = &arguments[..] else {
        return println!("{}", CASES.map(|(name, _)| name).join("\n"));
    };
    let (_, run) = CASES.iter().find(|(name, _)| name == case).expect("a case by that name");
    run(count.parse().expect("how often"));
}

type Case = (&'static str, fn(usize));

const CASES: [Case; 4] = [
    ("fix_decode", |count| {
        let (reports, mut decoder) = (fix::reports(), FixwireDecoder::default());
        assert_eq!(decoder.read(&reports[0]), Some(fix::six_fields_by_search(&reports[0])));
        counted(|| {
            for report in reports.iter().cycle().take(count) {
                black_box(decoder.read(black_box(report)));
            }
        });
    }),
    ("fix_encode", |count| {
        let (mut slot, mut encoder) = ([0; 1024], FixwireEncoder::default());
        let len = encoder.write(&mut slot, 100_000, 450_025, 5);
        assert_eq!(slot[..len], messages::order(100_000, 100_000, 4500, 25, 5));
        counted(|| {
            for n in 0..count as i64 {
                black_box(encoder.write(
                    black_box(&mut slot),
                    100_000 + n as u32,
                    450_025 + n % 500,
                    5,
                ));
            }
        });
    }),
    ("frame_to_frame/offloaded", |count| {
        steps(FixwireHost::new(Sums::Offloaded), Sums::Offloaded, count);
    }),
    ("frame_to_frame/software", |count| {
        steps(FixwireHost::new(Sums::InSoftware), Sums::InSoftware, count);
    }),
];

fn steps<H: Host>(host: H, sums: Sums, count: usize) {
    let mut line = Line::new(host, sums);
    batches(&mut line, WARM_UP, |line, count| (0..count).for_each(|_| line.step()));
    batches(&mut line, count, |line, count| counted(|| (0..count).for_each(|_| line.step())));
}

fn batches<H: Host>(line: &mut Line<H>, count: usize, mut run: impl FnMut(&mut Line<H>, usize)) {
    let mut left = count;
    while left > 0 {
        let batch = left.min(LOADED_MAX);
        line.load(batch);
        run(line, batch);
        line.check(batch);
        left -= batch;
    }
}

/// Where callgrind collects.
#[inline(never)]
fn counted(what: impl FnOnce()) {
    what();
}
