//! What is counted by callgrind: one case, so many steps. `make bench-instructions` runs this under
//! valgrind, which collects inside [`counted`] alone.
//!
//! Arguments: a case and how many steps. Without any, the cases' names, one a line.

use fixwire_benches::case::Bench;
use fixwire_benches::cases;

/// Steps before anything is counted: buffers wrapped, windows open, proofs done.
const WARM_UP: usize = 2_048;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let cases = cases::all();
    let [name, steps] = &arguments[..] else {
        cases.iter().for_each(|case| println!("{}", case.name()));
        return;
    };
    let case = cases.iter().find(|case| case.name() == *name).expect("a case by that name");
    let mut bench = (case.make)();
    let bench = &mut *bench;
    batches(bench, WARM_UP, |bench, count| bench.run(count));
    batches(bench, steps.parse().expect("how many steps"), counted);
}

fn batches(bench: &mut dyn Bench, steps: usize, run: fn(&mut dyn Bench, usize)) {
    let mut left = steps;
    while left > 0 {
        let count = left.min(bench.batch_max());
        bench.prepare(count);
        run(bench, count);
        bench.check(count);
        left -= count;
    }
}

/// Where callgrind collects.
#[inline(never)]
fn counted(bench: &mut dyn Bench, count: usize) {
    bench.run(count);
}
