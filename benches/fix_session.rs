//! What a session and a dictionary add to decoding: the cases are in `rig/cases/session.rs`.

mod harness;

fn main() {
    harness::run("fix_session");
}
