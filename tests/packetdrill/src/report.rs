//! What the library tells the runner: what a script needed that is not offered, and the sockets' states.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::PathBuf;

/// Names the folder in which the runner and the library leave each other files.
pub const FOLDER_VARIABLE: &str = "FIXWIRE_PACKETDRILL_FOLDER";
/// One `NAME=VALUE` a line: the sysctls that a script has set.
pub const SETTINGS_FILE: &str = "settings";
/// One line for each thing that a script needed and is not offered.
pub const NEEDS_FILE: &str = "needs";
/// One line for each connection, as sockstat would show it.
pub const SOCKETS_FILE: &str = "sockets";

/// Where the library reports to; nowhere without a runner.
#[derive(Debug, Default)]
pub struct Report {
    folder: Option<PathBuf>,
    told: BTreeSet<String>,
    sockets: String,
}

impl Report {
    /// A report into the folder that the environment names.
    pub fn from_environment() -> Report {
        let folder = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        Report { folder, ..Report::default() }
    }

    /// The settings that the script's commands have left, as lines.
    pub fn settings(&self) -> String {
        let path = self.folder.as_ref().map(|folder| folder.join(SETTINGS_FILE));
        path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default()
    }

    /// The script needs `what`, which is not offered. Told once.
    pub fn needs(&mut self, what: &str) {
        if !self.told.insert(what.to_owned()) {
            return;
        }
        if let Some(folder) = &self.folder {
            let path = folder.join(NEEDS_FILE);
            let file = std::fs::File::options().append(true).create(true).open(path);
            // A report that cannot be written leaves the script failed, which is not less than the truth.
            let _ = file.and_then(|mut file| writeln!(file, "{what}"));
        }
    }

    /// Everything that was told.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.told.iter().map(String::as_str)
    }

    /// The connections as they stand.
    pub fn sockets(&mut self, lines: String) {
        if lines == self.sockets {
            return;
        }
        if let Some(folder) = &self.folder {
            let _ = std::fs::write(folder.join(SOCKETS_FILE), &lines);
        }
        self.sockets = lines;
    }
}
