//! What this module reads, against bytes written out by hand from the layouts.

mod entries;
mod segment;
mod verdicts;
