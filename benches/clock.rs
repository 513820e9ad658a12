//! What it costs to make a stamp a time: the cases are in `rig/cases/clock.rs`.

mod harness;

fn main() {
    harness::run("clock");
}
