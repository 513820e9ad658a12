//! Stand-ins for the commands that scripts run. The stack under test is not the machine's: a sysctl sets the
//! library's settings, sockstat shows its connections, and nothing touches the machine.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::report::{FOLDER_VARIABLE, NEEDS_FILE, SETTINGS_FILE, SOCKETS_FILE};

type StandIn = fn(&[String]) -> ExitCode;

/// The commands that are stood in for.
pub(super) const NAMES: [&str; 9] =
    ["sysctl", "sockstat", "tcpdrop", "ip", "tc", "nstat", "setkey", "python", "python3"];

/// One line for each file outside the folder that a stand-in had to write.
const LEFT_FILE: &str = "left";
/// The script of packetdrill's suites that writes sysctls to /proc.
const SET_SYSCTLS: &str = "set_sysctls.py";

/// The stand-in for the command `name`.
pub(super) fn named(name: &str) -> Option<StandIn> {
    Some(match name {
        "sysctl" => sysctl,
        "sockstat" => sockstat,
        // A script begins with no connections, and ends with its process.
        "tcpdrop" => |_| ExitCode::SUCCESS,
        "ip" => ip,
        "tc" => tc,
        "nstat" => |_| need("nstat, the kernel's counters"),
        "setkey" => |_| need("setkey, the kernel's keys"),
        "python" | "python3" => python,
        _ => return None,
    })
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from).unwrap_or_default()
}

fn append(file: &str, line: &str) {
    let file = std::fs::File::options().append(true).create(true).open(folder().join(file));
    let _ = file.and_then(|mut file| writeln!(file, "{line}"));
}

/// What is not offered: told, and done as if it were, so that the script goes on and shows what it needs it
/// for.
fn need(what: &str) -> ExitCode {
    append(NEEDS_FILE, what);
    ExitCode::SUCCESS
}

fn sysctl(arguments: &[String]) -> ExitCode {
    let known = std::fs::read_to_string(folder().join(SETTINGS_FILE)).unwrap_or_default();
    let mut code = ExitCode::SUCCESS;
    for argument in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        if argument.contains('=') {
            let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
            append(SETTINGS_FILE, &format!("{}={value}", name.replace('/', ".")));
            continue;
        }
        let mut pairs = known.lines().filter_map(|line| line.split_once('='));
        match pairs.rfind(|(name, _)| name == argument) {
            Some((_, value)) => println!("{value}"),
            None => code = ExitCode::FAILURE,
        }
    }
    code
}

/// FreeBSD's, as far as scripts look: IPv4, one port if one is given.
fn sockstat(arguments: &[String]) -> ExitCode {
    let port = arguments.iter().position(|argument| argument == "-p");
    let port = port.and_then(|at| arguments.get(at + 1)).map(|port| format!(":{port} "));
    if arguments.iter().any(|argument| argument == "-6") {
        return ExitCode::SUCCESS;
    }
    let lines = std::fs::read_to_string(folder().join(SOCKETS_FILE)).unwrap_or_default();
    let mut out = String::new();
    for line in
        lines.lines().filter(|line| port.as_ref().is_none_or(|port| line.contains(port.as_str())))
    {
        let _ = writeln!(out, "root packetdril 1 3 tcp4 {line}");
    }
    print!("{out}");
    ExitCode::SUCCESS
}

fn ip(arguments: &[String]) -> ExitCode {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What was learnt of a path before: nothing.
        ["tcp_metrics", ..] => ExitCode::SUCCESS,
        ["link", "set", "dev", _, "mtu", mtu] => {
            append(SETTINGS_FILE, &format!("mtu={mtu}"));
            ExitCode::SUCCESS
        }
        _ => need(&format!("the command ip {}", arguments.join(" "))),
    }
}

fn tc(arguments: &[String]) -> ExitCode {
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // A queue without a limit of its own is what the wire is.
        ["qdisc", "add", "dev", _, "root", "pfifo"] => ExitCode::SUCCESS,
        _ => need(&format!("the command tc {}", arguments.join(" "))),
    }
}

/// Runs a file of Python with the names that FreeBSD's packetdrill knows the states of TCP_INFO by, as the
/// numbers that `tcp_info` fills in.
const WITH_STATES: &str = "\
import sys
names = dict(TCPI_ESTABLISHED=1, TCPI_SYN_SENT=2, TCPI_SYN_RECEIVED=3, TCPI_FIN_WAIT_1=4, TCPI_FIN_WAIT_2=5,
             TCPI_TIME_WAIT=6, TCPI_CLOSED=7, TCPI_CLOSE_WAIT=8, TCPI_LAST_ACK=9, TCPI_LISTEN=10, TCPI_CLOSING=11)
del sys.argv[0]
with open(sys.argv[0]) as code:
    exec(compile(code.read(), sys.argv[0], 'exec'), dict(names, __name__='__main__'))
";

/// Runs Python, but for the script that writes sysctls to /proc: its arguments are settings.
fn python(arguments: &[String]) -> ExitCode {
    if let Some((script, settings)) = arguments.split_first()
        && Path::new(script).file_name().is_some_and(|name| name == SET_SYSCTLS)
    {
        return set_sysctls(settings);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others =
        std::env::split_paths(&path).filter(|folder| *folder != self::folder().join("commands"));
    for folder in others {
        for name in ["python3", "python"] {
            let program = folder.join(name);
            if program.is_file() {
                let mut command = Command::new(program);
                if arguments.first().is_some_and(|first| Path::new(first).is_file()) {
                    command.args(["-c", WITH_STATES]);
                }
                let error = command.args(arguments).exec();
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    need("Python, for the code in scripts");
    ExitCode::FAILURE
}

fn set_sysctls(settings: &[String]) -> ExitCode {
    for (path, value) in settings.iter().filter_map(|setting| setting.split_once('=')) {
        let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
        append(SETTINGS_FILE, &format!("{name}={value}"));
    }
    // The script that restores them, which scripts run at their end.
    let pid = std::env::var("PACKETDRILL_PID").unwrap_or_default();
    if !pid.is_empty() && pid.bytes().all(|digit| digit.is_ascii_digit()) {
        let path = format!("/tmp/sysctl_restore_{pid}.sh");
        let file = std::fs::File::options().write(true).create_new(true).open(&path);
        let written = file.and_then(|mut file| {
            file.write_all(b"#!/bin/sh\n")?;
            file.set_permissions(std::fs::Permissions::from_mode(0o755))
        });
        if written.is_ok() {
            append(LEFT_FILE, &path);
        }
    }
    ExitCode::SUCCESS
}

/// Removes what stand-ins have left outside `folder`.
pub(super) fn clean_up(folder: &Path) {
    let left = std::fs::read_to_string(folder.join(LEFT_FILE)).unwrap_or_default();
    for path in left.lines() {
        let _ = std::fs::remove_file(path);
    }
}
