//! What a session's store costs: the cases are in `rig/cases/store.rs`.

mod harness;

fn main() {
    harness::run("store");
}
