//! What headers cost, beside a rival: the cases are in `rig/cases/wire.rs`.

mod harness;

fn main() {
    harness::run("wire");
}
