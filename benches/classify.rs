//! What steering costs in software: the cases are in `rig/cases/classify.rs`.

mod harness;

fn main() {
    harness::run("classify");
}
