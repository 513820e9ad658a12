//! Captures of others, read by `fixwire::measure`: by published layouts, damaged, and as tshark reads them.

#[path = "../common/mod.rs"]
mod common;
mod corrupt;
mod files;
mod formats;
mod oracle;
mod trailers;
