//! What TCP costs without FIX, beside a rival: the cases are in `rig/cases/tcp.rs`.

mod harness;

fn main() {
    harness::run("tcp");
}
