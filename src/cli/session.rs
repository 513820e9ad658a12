//! `fixwire session`: session files looked at without running them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::session_file::SessionFile;
use super::{say, warn};

/// Session files: QuickFIX's in our own words.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    Convert(ConvertArgs),
}

/// Print a settings file of QuickFIX's as the TOML that `--session` reads, line for line.
///
/// `run` and `accept` read the file as it is, too: this shows what they make of it. A key that has no meaning here
/// becomes a comment that says why, and is told of on standard error; one that would change what a session does, and
/// is not done here, is refused with its line.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// QuickFIX's, QuickFIX/J's or quickfix-go's settings file.
    #[arg(value_name = "FILE.cfg")]
    file: PathBuf,
}

pub(crate) fn command(command: &SessionCommand) -> Result<(), Failure> {
    let SessionCommand::Convert(args) = command;
    let converted = SessionFile::converted(&args.file)?;
    converted.warnings.iter().for_each(warn);
    say(converted.toml.trim_end());
    Ok(())
}
