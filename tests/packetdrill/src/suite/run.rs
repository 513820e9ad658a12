//! One script: packetdrill with our library, in a folder and a network namespace of its own.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{needs, stand_in};
use crate::report;

/// What became of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It passed.
    Passed,
    /// It failed: packetdrill's message.
    Failed(String),
    /// It failed, and needs what is not offered.
    NotApplicable(String),
}

/// How scripts are run.
pub(super) struct Runner {
    pub(super) packetdrill: PathBuf,
    pub(super) library: PathBuf,
    /// This program, which stands in for commands.
    pub(super) program: PathBuf,
    pub(super) time_limit_s: u64,
    pub(super) arguments: Vec<String>,
    /// Whether each script gets a network namespace: root's commands would reach the machine's own.
    pub(super) isolates: bool,
}

/// Whether network namespaces can be made without asking for more rights than we have.
pub(super) fn can_isolate() -> bool {
    let unshared = Command::new("unshare").args(["-n", "true"]).stderr(Stdio::null()).status();
    unshared.is_ok_and(|status| status.success())
}

impl Runner {
    /// Runs `script`.
    pub(super) fn run(&self, script: &Path) -> Verdict {
        match self.try_run(script) {
            Ok(verdict) => verdict,
            Err(error) => Verdict::Failed(format!("it could not be run: {error}")),
        }
    }

    fn try_run(&self, script: &Path) -> std::io::Result<Verdict> {
        let folder = tempfile::tempdir()?;
        let commands = folder.path().join("commands");
        std::fs::create_dir(&commands)?;
        for name in stand_in::NAMES {
            symlink(&self.program, commands.join(name))?;
        }
        let text = String::from_utf8_lossy(&std::fs::read(script)?).into_owned();
        std::fs::write(folder.path().join(report::SETTINGS_FILE), needs::settings(&text))?;
        let definitions = needs::definitions(&text);
        let output = self.packetdrill(script, &commands, folder.path(), &definitions)?;
        stand_in::clean_up(folder.path());
        if output.status.success() {
            return Ok(Verdict::Passed);
        }
        let said = message(&output, self.time_limit_s);
        let told =
            std::fs::read_to_string(folder.path().join(report::NEEDS_FILE)).unwrap_or_default();
        let mut reasons: Vec<String> = told.lines().map(str::to_owned).collect();
        let dry_run: Vec<String> =
            definitions.into_iter().chain(std::iter::once("--dry_run".into())).collect();
        let dry = self.packetdrill(script, &commands, folder.path(), &dry_run)?;
        if !dry.status.success() {
            let why = message(&dry, self.time_limit_s);
            return Ok(Verdict::NotApplicable(format!("this packetdrill does not read it: {why}")));
        }
        reasons.extend(needs::of(&text, &said));
        reasons.dedup();
        Ok(if reasons.is_empty() {
            Verdict::Failed(said)
        } else {
            Verdict::NotApplicable(format!("{} ({said})", reasons.join("; ")))
        })
    }

    fn packetdrill(
        &self,
        script: &Path,
        commands: &Path,
        folder: &Path,
        more: &[String],
    ) -> std::io::Result<Output> {
        let limit = self.time_limit_s.to_string();
        let isolate: &[&str] = if self.isolates { &["unshare", "-n"] } else { &[] };
        let limited = ["timeout", "--kill-after=1", &limit];
        let mut line: Vec<OsString> = isolate.iter().chain(&limited).map(OsString::from).collect();
        line.push(self.packetdrill.clone().into());
        let mut library = OsString::from("--so_filename=");
        library.push(&self.library);
        line.push(library);
        line.extend(more.iter().map(OsString::from));
        line.extend(self.arguments.iter().map(OsString::from));
        line.push(script.file_name().unwrap_or(script.as_os_str()).into());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(commands.to_owned()).chain(std::env::split_paths(&path)),
        );
        Command::new(&line[0])
            .args(&line[1..])
            .current_dir(script.parent().unwrap_or(Path::new("/")))
            .env("PATH", path.unwrap_or_default())
            .env("LD_PRELOAD", &self.library)
            .env(report::FOLDER_VARIABLE, folder)
            .stdin(Stdio::null())
            .output()
    }
}

/// What packetdrill said of a failure, in a line.
fn message(output: &Output, time_limit_s: u64) -> String {
    if output.status.code() == Some(124) || output.status.code() == Some(137) {
        return format!("it did not end within {time_limit_s} s");
    }
    let said =
        [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let lines: Vec<&str> = said
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let Some(at) = lines.iter().position(|line| line.contains(".pkt:")) else {
        return lines.last().map_or_else(|| output.status.to_string(), |line| (*line).to_owned());
    };
    // The packets that it compared, where it did, or what the script's code found.
    let is_evidence = |line: &&&str| {
        let is_packet = line.contains(" packet:") && !line.contains(".pkt:");
        is_packet || ["AssertionError", "NameError"].iter().any(|error| line.starts_with(error))
    };
    let packets = lines.iter().filter(is_evidence);
    let own = lines.iter().filter(|line| line.starts_with("fixwire:"));
    let all: Vec<&str> = std::iter::once(&lines[at]).chain(packets).chain(own).copied().collect();
    all.join("; ")
}
