//! What encoding costs, beside rivals: the cases are in `rig/cases/fix.rs`.

mod harness;

fn main() {
    harness::run("fix_encode");
}
