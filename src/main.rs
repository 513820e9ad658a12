//! The `fixwire` program.

use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    match cli::dispatch(&cli::Cli::parse()) {
        Ok(()) if cli::all_was_said() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(failure) => {
            cli::warn(&failure);
            failure.exit_code()
        }
    }
}
