//! Captures of others, read by `fixwire::measure`: by published layouts, and damaged.

mod files;
mod formats;
