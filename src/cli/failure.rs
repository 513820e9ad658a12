//! How the program ends when it does not end well: one sentence, and an exit code that says whose
//! turn it is.

use std::fmt;
use std::process::ExitCode;

use fixwire::offload::toml_file::TomlError;

/// Why a command did not succeed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What the user wrote cannot be used: exit code 2.
    Input(String),
    /// The profile requires what the NIC does not do: exit code 3. The table has been shown.
    Unmet(String),
    /// The machine, the device or the peer failed: exit code 1.
    Run(String),
}

impl Failure {
    /// What failed, and what to try.
    pub(crate) fn run(what: impl fmt::Display, remedy: impl fmt::Display) -> Failure {
        Failure::Run(format!("{what}; {remedy}"))
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Run(_) => 1,
            Failure::Input(_) => 2,
            Failure::Unmet(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Input(sentence) | Failure::Unmet(sentence) | Failure::Run(sentence)) = self;
        f.write_str(sentence)
    }
}

impl From<TomlError> for Failure {
    fn from(error: TomlError) -> Failure {
        Failure::Input(error.to_string())
    }
}
