//! Bytes as a series of segments and calls for one connection (`ops`), played to our TCP and to a model of it
//! that is slow and obvious (`model`), which have to agree after every step (`drive`).

mod drive;
pub mod journal;
mod leaving;
mod model;
pub mod mutations;
mod open;
mod ops;

pub use drive::{Played, play};
