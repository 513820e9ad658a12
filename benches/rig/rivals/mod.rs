//! Whoever is measured beside us, each by its cheapest documented use, on the same NIC in memory.
//!
//! What they do not do, and fixwire does in the same time: keep a session (sequence numbers checked,
//! messages stored for a resend, timers), tell connections apart, audit the device's word, count.

mod fefix;
mod fixlite;
mod nanofix;
mod of_fix;
mod pair;
mod smoltcp;
mod text;

pub use fefix::Fefix;
pub use fixlite::Fixlite;
pub use nanofix::Nanofix;
pub use of_fix::OfFix;
pub use pair::Pair;
pub use smoltcp::{Pooled, Rings, SmoltcpHost};
