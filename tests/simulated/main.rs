//! Engines over simulated NICs and a simulated wire, in virtual time: the whole of an engine in one process, that of its
//! counterparty beside it.

#[path = "../common/mod.rs"]
mod common;

mod clock_lives;
mod echo;
#[cfg(feature = "hand-over")]
mod hand_over;
mod held_frames;
mod hostile_frames;
mod line;
mod live_latencies;
mod misbehaving_nics;
mod prepared_sends;
mod rough_frames;
mod rough_sessions;
mod sessions;
mod stamps_of_segments;
mod stamps_of_sendings;
mod trading;
mod unacknowledged;
