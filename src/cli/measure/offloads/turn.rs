//! One turn: a run of this program by a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::built_in;
use serde_json::Value;
use tempfile::TempDir;

use super::OffloadsArgs;
use super::arms::Arm;
use super::figures::Measured;
use super::same::Logs;
use crate::cli::failure::Failure;
use crate::cli::signals::Interruption;

/// Orders of a session that is compared with another, message by message.
const ORDERS_SHOWN: u64 = 200;

/// Runs turns, in a folder of its own that is gone with it.
pub(super) struct Runner<'a> {
    args: &'a OffloadsArgs,
    program: PathBuf,
    folder: TempDir,
    /// What the turns' profiles extend.
    base: String,
    interruption: Interruption,
}

/// A session whose messages are known.
pub(super) struct Shown {
    pub(super) nic: String,
    pub(super) report: Value,
    pub(super) logs: Logs,
}

impl Shown {
    /// A capability's row of the plan.
    pub(super) fn row(&self, capability: Capability) -> &Value {
        static NOTHING: Value = Value::Null;
        let rows = self.report["plan"].as_array().map_or(&[][..], Vec::as_slice);
        rows.iter().find(|row| row["capability"] == capability.name()).unwrap_or(&NOTHING)
    }
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        args: &'a OffloadsArgs,
        interruption: Interruption,
    ) -> Result<Runner<'a>, Failure> {
        let no_place = |error: std::io::Error| {
            Failure::run(
                format!("there is no place for the turns' files: {error}"),
                "name a folder that you may write to by TMPDIR",
            )
        };
        let program = std::env::current_exe().map_err(no_place)?;
        let folder = tempfile::tempdir().map_err(no_place)?;
        // What a turn's profile extends is looked for beside it.
        let base = match built_in(args.profile()) {
            Some(_) => args.profile().to_owned(),
            None => fs::canonicalize(args.profile())
                .map_or_else(|_| args.profile().to_owned(), |path| path.display().to_string()),
        };
        Ok(Runner { args, program, folder, base, interruption })
    }

    /// A session by `arm` whose messages are kept: slower for it, and not measured.
    pub(super) fn shown(&self, arm: Arm) -> Result<Shown, Failure> {
        let logs = self.folder.path().join(format!("{}.log", arm.name()));
        let more = ["--orders".into(), ORDERS_SHOWN.to_string(), "--log".into(), path(&logs)];
        let output = self.run(arm, &more)?;
        let report = json(&output.stdout)?;
        let nic = report["nic"].as_str().unwrap_or_default().to_owned();
        let logs = Logs::read(&logs).map_err(|error| unread(&error))?;
        Ok(Shown { nic, report, logs })
    }

    /// A session by `arm` that is measured.
    pub(super) fn measured(&self, arm: Arm) -> Result<Measured, Failure> {
        let file = self.folder.path().join("measured.json");
        let OffloadsArgs { messages, warm_up, .. } = *self.args;
        // The first order is sent at the logon, and the last report is answered by none.
        let more = [
            "--orders".into(),
            (messages + warm_up + 1).to_string(),
            "--measure-after".into(),
            warm_up.to_string(),
            "--measure-json".into(),
            path(&file),
        ];
        self.run(arm, &more)?;
        let text = fs::read(&file).map_err(|error| unread(&error))?;
        Measured::of(&json(&text)?).map_err(|why| {
            Failure::run(format!("a turn's report is not understood: {why}"), "please report it")
        })
    }

    fn run(&self, arm: Arm, more: &[String]) -> Result<Output, Failure> {
        if self.interruption.has_come() {
            return Err(Failure::run("interrupted", "run it again to begin anew"));
        }
        let profile = self.folder.path().join(format!("{}.toml", arm.name()));
        fs::write(&profile, arm.profile(&self.base)).map_err(|error| unread(&error))?;
        let mut command = Command::new(&self.program);
        command.args(["run", "--json", "--nic", &self.args.nic.to_string()]);
        command.arg("--profile").arg(&profile).args(more);
        if let Some(session) = &self.args.session {
            command.arg("--session").arg(session);
        }
        let output = command.output().map_err(|error| unread(&error))?;
        if output.status.success() { Ok(output) } else { Err(failed(arm, &output)) }
    }
}

/// How a turn ended that did not end well: as the program itself would.
fn failed(arm: Arm, output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    let last = last.strip_prefix("fixwire: ").unwrap_or(last);
    let with = match arm {
        Arm::Whole | Arm::Again => "with every offload as in the profile".to_owned(),
        Arm::Without(capability) => format!("without {capability}"),
    };
    let words = format!("a session {with} came to nothing: {last}");
    match output.status.code() {
        Some(2) => Failure::Input(words),
        Some(3) => Failure::Unmet(words),
        _ => Failure::Run(words),
    }
}

fn json(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|why| {
        Failure::run(format!("a turn's report is not understood: {why}"), "please report it")
    })
}

fn unread(error: &std::io::Error) -> Failure {
    Failure::run(
        format!("a turn cannot be run, or what it left cannot be read: {error}"),
        "see that there is room where temporary files go (TMPDIR)",
    )
}

fn path(of: &Path) -> String {
    of.display().to_string()
}
