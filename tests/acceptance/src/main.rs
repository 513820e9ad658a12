//! Plays every definition of a folder against `fixwire accept --app echo`, over our own TCP on a TAP:
//! `acceptance FIXWIRE FOLDER [DICTIONARIES]`, without the last by the dictionaries that come with it. Ends with `N passed, N failed`.

mod acceptor;
mod definition;
mod message;
mod play;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use acceptor::Acceptor;

/// Set in the process that has a namespace of its own.
const INSIDE: &str = "FIXWIRE_ACCEPTANCE_INSIDE";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (program, folder, dictionaries) = match &arguments[..] {
        [program, folder] => (program, folder, None),
        [program, folder, dictionaries] => (program, folder, Some(&**dictionaries)),
        _ => {
            eprintln!("usage: acceptance FIXWIRE FOLDER [DICTIONARIES]");
            return ExitCode::from(2);
        }
    };
    let outcome = if std::env::var_os(INSIDE).is_some() {
        try_all(program, folder, dictionaries)
    } else {
        go_inside(&arguments)
    };
    outcome.unwrap_or_else(|why| {
        eprintln!("acceptance: {why}");
        ExitCode::from(2)
    })
}

/// Starts this program again as root of user, network and PID namespaces of its own.
fn go_inside(arguments: &[PathBuf]) -> Result<ExitCode, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let status = Command::new("unshare")
        .args(["-Urnpf", "--kill-child"])
        .arg(own)
        .args(arguments)
        .env(INSIDE, "1")
        .status()
        .map_err(|error| format!("unshare: {error}"))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}

fn try_all(program: &Path, folder: &Path, dictionaries: Option<&Path>) -> Result<ExitCode, String> {
    let definitions = definitions(folder)?;
    if definitions.is_empty() {
        return Err(format!("{} holds no definition (*.def)", folder.display()));
    }
    let at = SocketAddr::from(([10, 9, 0, 2], 9878));
    let _acceptor = Acceptor::start(program, dictionaries)?;
    let mut failed = 0;
    for path in &definitions {
        let name = path.strip_prefix(folder).unwrap_or(path).display();
        let text = std::fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        match definition::parse(&text).and_then(|steps| play::play(at, &steps)) {
            Ok(()) => println!("passed {name}"),
            Err(why) => {
                failed += 1;
                println!("FAILED {name}: {why}");
            }
        }
    }
    println!("{} passed, {failed} failed", definitions.len() - failed);
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Every definition in the folder and those within it, by name.
fn definitions(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(definitions(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "def") {
            found.push(path);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #[test]
    fn folders_are_walked_and_only_definitions_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["a.def", "b/c.def", "README"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let found = super::definitions(folder.path()).unwrap();
        assert_eq!(found, ["a.def", "b/c.def"].map(|name| folder.path().join(name)));
    }
}
