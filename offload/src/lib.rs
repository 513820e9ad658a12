//! The vocabulary of NIC offloads, shared by everything that plans, drives or replaces one.
//!
//! The packet's path through this crate: a [`nic::Nic`] delivers a frame with [`nic::RxMeta`]; its
//! [`verdict::Verdict`]s say what the device vouches for; the policy table in [`verdict`] says what
//! that is worth; the [`checksum`] twin decides the rest on the bytes; a [`stamp::RxStamp`] says
//! when the frame came, by which clock; [`clock`] makes a time of it, with a bound on its error.
//!
//! Ahead of the first frame, a [`profile::Profile`] (what the user wants) meets
//! [`plan::Capabilities`] (what the device advertises) and yields a [`plan::Plan`] (what will be
//! done, by whom, and why). [`observe::Observations`], beside it, says what live frames showed.
//! [`device`] fixes the order of a device's life.
//!
//! Pure code: no I/O, and no clock of its own.

pub mod capability;
pub mod checksum;
pub mod clock;
mod devargs;
pub mod device;
pub mod driver;
pub mod flow;
pub mod nic;
mod number;
pub mod observe;
pub mod plan;
pub mod profile;
pub mod stamp;
pub mod time;
#[cfg(feature = "toml")]
pub mod toml_file;
pub mod verdict;

pub use capability::Capability;
pub use plan::{Capabilities, Plan};
pub use profile::Profile;
pub use stamp::RxStamp;
pub use time::{Instant, UtcTime};
pub use verdict::Verdict;
