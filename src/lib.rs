//! fixwire: a FIX engine over its own TCP, run on the NIC's terms.
//!
//! The modules follow the packet. [`wire`] reads and writes headers, [`neighbor`] knows hardware
//! addresses, [`tcp`] makes streams of segments, [`fix`] makes messages of bytes, and [`pipeline`]
//! is the whole path on one screen. [`engine`] polls it; an [`app::Application`] trades on it.
//!
//! The core is sans-IO: bytes, the present time and randomness come in as arguments; frames to
//! send, deadlines and events come out. The same code runs under the simulator, a TAP and a NIC.

pub mod app;
pub mod blob;
#[cfg(feature = "calendar")]
pub mod calendar;
pub mod clock_watch;
pub mod desk;
pub mod emit;
pub mod engine;
pub mod familiar;
pub mod fix;
pub mod hand_over;
mod held_frames;
#[cfg(feature = "journal")]
pub mod journal_file;
pub mod measure;
pub mod neighbor;
pub mod operate;
pub mod pipeline;
mod prefetch;
pub mod prepared_send;
pub mod sent_stamps;
pub mod stamps;
pub mod steer;
pub mod tcp;
pub mod verify;
pub mod watch;
pub mod wire;

pub use fixwire_offload as offload;
pub use fixwire_offload::time;
