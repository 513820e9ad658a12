//! Everything that is measured, bench by bench, in the table's order.

mod acks;
pub mod checksum;
mod classify;
mod clock;
pub mod fix;
mod frame_to_frame;
mod prepared;
mod session;
mod store;
mod tcp;
mod wire;

use crate::case::Case;

/// A bench and its cases.
pub type Bench = (&'static str, fn() -> Vec<Case>);

/// Every bench.
pub const ALL: [Bench; 10] = [
    ("frame_to_frame", frame_to_frame::cases),
    ("tcp", tcp::cases),
    ("fix_decode", fix::decode_cases),
    ("fix_encode", fix::encode_cases),
    ("fix_session", session::cases),
    ("store", store::cases),
    ("wire", wire::cases),
    ("checksum", checksum::cases),
    ("classify", classify::cases),
    ("clock", clock::cases),
];

/// One bench's cases.
///
/// # Panics
/// If there is none by that name.
pub fn of(bench: &str) -> Vec<Case> {
    let (_, cases) = ALL.iter().find(|(name, _)| *name == bench).expect("a bench by that name");
    cases()
}

/// All cases.
pub fn all() -> Vec<Case> {
    ALL.iter().flat_map(|(_, cases)| cases()).collect()
}
