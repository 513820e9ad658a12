//! Runs a suite of packetdrill's scripts against fixwire's TCP, and stands in for the commands that they run.

use std::process::ExitCode;

fn main() -> ExitCode {
    fixwire_packetdrill::suite::main()
}
