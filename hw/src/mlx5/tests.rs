//! What this module reads, against bytes written out by hand from the layouts.

mod entries;
mod kernel_clock;
mod segment;
mod verdicts;
