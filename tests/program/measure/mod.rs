//! `fixwire measure capture` as a user meets it: captures whose truth is known, in every format, and what keeps one from being
//! measured.

#[allow(dead_code)]
#[path = "../../captures/files.rs"]
mod files;

mod clocks;
mod compare;
mod dialogue;
mod formats;
mod joined;
mod live;
mod offloads;
mod oracle;
mod page;
mod port;
mod refused;
mod run;
mod traders;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn measure(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["measure", "capture"])
        .args(arguments)
        .output()
        .expect("fixwire runs")
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The report of files, as a machine reads it.
fn report(arguments: &[&str]) -> Value {
    let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
    let output = measure(&arguments);
    assert!(output.status.success(), "{}", errors(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

/// A row of a CSV, by the names of its columns.
struct Rows {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    fn read(path: &Path) -> Rows {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect());
        Rows { header: lines.next().unwrap(), rows: lines.collect() }
    }

    /// These columns of each row.
    fn columns<const N: usize>(&self, names: [&str; N]) -> Vec<[&str; N]> {
        let places = names.map(|name| {
            self.header.iter().position(|of| of == name).unwrap_or_else(|| panic!("no {name}"))
        });
        self.rows.iter().map(|row| places.map(|place| &row[place][..])).collect()
    }
}
