//! What an order costs from frame to frame, beside pairs of rivals: the cases are in
//! `rig/cases/frame_to_frame.rs`.

mod harness;

fn main() {
    harness::run("frame_to_frame");
}
