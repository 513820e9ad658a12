//! One script: packetdrill with our library, in a folder and a network namespace of its own.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{needs, stand_in};
use crate::report;

/// The script by which packetdrill is tried.
const CHECK_NAME: &str = "check.pkt";

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

impl Verdict {
    /// Its place among the totals.
    pub(super) fn place(&self) -> usize {
        match self {
            Verdict::Passed => 0,
            Verdict::Failed(_) => 1,
            Verdict::NotApplicable(_) => 2,
        }
    }
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

    /// Whether packetdrill is one that loads the library at all.
    pub(super) fn check(&self) -> Result<(), String> {
        let checked = self.try_check().map_err(|error| error.to_string());
        let name = self.packetdrill.display();
        checked.and_then(|output| {
            let said = message(&output, CHECK_NAME);
            let is_option = [&output.stderr, &output.stdout]
                .iter()
                .any(|text| String::from_utf8_lossy(text).contains("unrecognized option"));
            match output.status.success() {
                true => Ok(()),
                false if is_option => Err(format!(
                    "{name} knows no --so_filename: it is not google's, which loads the library ({said})"
                )),
                false => Err(format!("{name} does not run with the library: {said}")),
            }
        })
    }

    /// Has packetdrill play a script that does nothing.
    fn try_check(&self) -> std::io::Result<Output> {
        let folder = tempfile::tempdir()?;
        let script = folder.path().join(CHECK_NAME);
        std::fs::write(&script, "0 `true`\n")?;
        self.packetdrill(&script, folder.path(), folder.path(), &[])
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
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let said = message(&output, &name);
        // Whatever it asks for: a script is answered, and what answers it lives on.
        if let Some(how) = broke_off(&output, self.time_limit_s) {
            return Ok(Verdict::Failed(format!("{how}; {said}")));
        }
        let told =
            std::fs::read_to_string(folder.path().join(report::NEEDS_FILE)).unwrap_or_default();
        let mut reasons: Vec<String> = told.lines().map(str::to_owned).collect();
        let dry_run: Vec<String> =
            definitions.into_iter().chain(std::iter::once("--dry_run".into())).collect();
        let dry = self.packetdrill(script, &commands, folder.path(), &dry_run)?;
        if !dry.status.success() {
            let why = message(&dry, &name);
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
        // Whatever a name begins with, it is no option.
        let mut name = OsString::from("./");
        name.push(script.file_name().unwrap_or(script.as_os_str()));
        line.push(name);
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

/// How a run ended that did not end by itself: it took too long, or packetdrill or the library broke down.
fn broke_off(output: &Output, time_limit_s: u64) -> Option<String> {
    // As `timeout` tells it, and as the shell does of what it started.
    let signal = output.status.signal().or(match output.status.code() {
        Some(TIMED_OUT) => return Some(format!("it did not end within {time_limit_s} s")),
        Some(code @ 129..) => Some(code - 128),
        _ => None,
    })?;
    Some(if signal == libc::SIGKILL {
        format!("it did not end within {time_limit_s} s, and had to be killed")
    } else {
        format!("it broke down, by signal {signal}")
    })
}

/// What `timeout` ends with where it had to end what it ran.
const TIMED_OUT: i32 = 124;

/// What packetdrill said of a failure of the script `name`, in a line.
fn message(output: &Output, name: &str) -> String {
    let said =
        [&output.stderr, &output.stdout].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let lines: Vec<&str> = said
        .iter()
        .flat_map(|text| text.lines())
        .map(str::trim)
        .map(|line| line.strip_prefix("./").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .collect();
    let place = format!("{name}:");
    let Some(at) = lines.iter().position(|line| line.contains(&place)) else {
        let panic = lines.iter().position(|line| line.contains("panicked at"));
        let panic = panic.map(|at| lines[at..lines.len().min(at + 2)].join(" "));
        let last = lines.last().map(|line| (*line).to_owned());
        return panic.or(last).unwrap_or_else(|| "it said nothing".to_owned());
    };
    // The packets that it compared, where it did, or what the script's code found.
    let is_evidence = |line: &&&str| {
        let is_packet = line.contains(" packet:") && !line.contains(&place);
        is_packet || ["AssertionError", "NameError"].iter().any(|error| line.starts_with(error))
    };
    let packets = lines.iter().filter(is_evidence);
    let own = lines.iter().filter(|line| line.starts_with("fixwire:"));
    let all: Vec<&str> = std::iter::once(&lines[at]).chain(packets).chain(own).copied().collect();
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn output(status: i32, stderr: &str) -> Output {
        let status = std::process::ExitStatus::from_raw(status);
        Output { status, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    #[test]
    fn a_run_that_was_cut_off_or_broke_down_is_told_from_one_that_ended() {
        for (status, how) in [
            (0, None),
            (1 << 8, None),
            (124 << 8, Some("it did not end within 3 s")),
            (6, Some("it broke down, by signal 6")),
            (139 << 8, Some("it broke down, by signal 11")),
            (9, Some("it did not end within 3 s, and had to be killed")),
        ] {
            assert_eq!(broke_off(&output(status, ""), 3).as_deref(), how, "{status}");
        }
    }

    /// A runner whose packetdrill does what `does` says, in words of a shell.
    fn runner(folder: &Path, does: &str) -> Runner {
        let packetdrill = folder.join("packetdrill");
        std::fs::write(&packetdrill, format!("#!/bin/sh\n{does}\n")).unwrap();
        std::fs::set_permissions(&packetdrill, Permissions::from_mode(0o755)).unwrap();
        let (library, program) = (folder.join("library.so"), folder.join("program"));
        let (time_limit_s, arguments, isolates) = (1, Vec::new(), false);
        Runner { packetdrill, library, program, time_limit_s, arguments, isolates }
    }

    #[test]
    fn a_script_that_does_not_end_or_breaks_down_has_failed_whatever_it_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("a.pkt");
        std::fs::write(&script, "0 %{ assert tcpi_ato }%").unwrap();
        for (does, how) in [
            (
                "case \"$*\" in *--dry_run*) exit 0;; esac; echo 'a.pkt:1: error in Python code' >&2; exit 1",
                "not applicable: tcpi_ato of TCP_INFO",
            ),
            ("exec sleep 20", "failed: it did not end within 1 s"),
            ("kill -ABRT $$", "failed: it broke down, by signal 6"),
        ] {
            let verdict = match runner(folder.path(), does).run(&script) {
                Verdict::Passed => "passed".to_owned(),
                Verdict::Failed(why) => format!("failed: {why}"),
                Verdict::NotApplicable(why) => format!("not applicable: {why}"),
            };
            assert!(verdict.starts_with(how), "{does}: {verdict}");
        }
    }

    #[test]
    fn a_packetdrill_that_loads_no_library_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let does = "echo \"packetdrill: unrecognized option '--so_filename=x'\" >&2; exit 1";
        let refused = runner(folder.path(), does).check().unwrap_err();
        assert!(refused.contains("knows no --so_filename"), "{refused}");
        let refused = runner(folder.path(), "echo why; exit 3").check().unwrap_err();
        assert!(refused.ends_with("does not run with the library: why"), "{refused}");
        assert_eq!(runner(folder.path(), "exit 0").check(), Ok(()));
    }

    #[test]
    fn a_message_is_the_line_that_names_the_script_or_else_the_panic_or_the_last_line() {
        let said = |text| message(&output(6, text), "a.PKT");
        assert_eq!(said("x\n./a.PKT:3: timing error\ny"), "a.PKT:3: timing error");
        assert_eq!(said("thread panicked at b.rs:1:\nwhy\nnote"), "thread panicked at b.rs:1: why");
        assert_eq!(said("one\ntwo"), "two");
        assert_eq!(said(""), "it said nothing");
    }
}
