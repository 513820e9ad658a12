//! `fixwire measure`: latencies, from what others recorded; and what `fixwire run --measure` records itself.

mod capture;
mod compare;
mod csv;
mod figures;
mod histogram_log;
mod inputs;
pub(crate) mod live;
mod offloads;
mod own;
mod page;
mod report;
mod stored;

use clap::Subcommand;

use super::failure::Failure;

/// Measure latencies, and say how far the figures can be trusted.
#[derive(Debug, Subcommand)]
pub(crate) enum MeasureCommand {
    Capture(capture::CaptureArgs),
    Compare(compare::CompareArgs),
    Offloads(offloads::OffloadsArgs),
}

pub(crate) fn command(command: &MeasureCommand) -> Result<(), Failure> {
    match command {
        MeasureCommand::Capture(args) => capture::command(args),
        MeasureCommand::Compare(args) => compare::command(args),
        MeasureCommand::Offloads(args) => offloads::command(args),
    }
}
