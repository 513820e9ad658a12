//! What summing costs, beside rivals: the cases are in `rig/cases/checksum.rs`.

mod harness;

fn main() {
    harness::run("checksum");
}
