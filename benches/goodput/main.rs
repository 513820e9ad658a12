//! Bulk through a relay that loses and delays: from the kernel's TCP to the kernel's, from ours to the kernel's, and
//! from the kernel's to ours. In each round all three meet the same relay with the same seeds.
//!
//! ```text
//! goodput [ROUNDS [CASE...]]      needs no root; user and network namespaces of its own
//!
//! A CASE is reno or cubic, the round trip in ms and the loss in percent: reno,20,1. Without any, all are run.
//! ```

#[path = "../../tests/kernel_tcp/end.rs"]
mod end;
mod kernel;
mod line;
#[path = "../../tests/kernel_tcp/relay.rs"]
mod relay;
mod table;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use fixwire::tcp::CongestionControl;
use line::{Line, Way};
use table::Row;

/// Rounds of every case, unless told otherwise.
const ROUNDS: usize = 7;

/// One relay, and one congestion control at both ends.
#[derive(Clone, Copy, Debug)]
struct Case {
    control: Control,
    round_trip_ms: u64,
    loss_percent: u64,
    /// What is sent: some seconds of it.
    bytes: usize,
}

/// A congestion control as both know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Reno,
    Cubic,
}

impl Control {
    const fn kernels(self) -> &'static str {
        match self {
            Control::Reno => "reno",
            Control::Cubic => "cubic",
        }
    }

    const fn ours(self) -> CongestionControl {
        match self {
            Control::Reno => CongestionControl::NewReno,
            Control::Cubic => CongestionControl::Cubic,
        }
    }
}

/// Round trips and losses, and how much is sent.
const RELAYS: [(u64, u64, usize); 4] =
    [(2, 1, 12 << 20), (2, 5, 3 << 20), (20, 1, 4 << 20), (20, 5, 2 << 20)];

impl Case {
    fn all() -> impl Iterator<Item = Case> {
        [Control::Reno, Control::Cubic].into_iter().flat_map(|control| {
            RELAYS.map(|(round_trip_ms, loss_percent, bytes)| Case {
                control,
                round_trip_ms,
                loss_percent,
                bytes,
            })
        })
    }

    /// As it is asked for.
    fn name(self) -> String {
        format!("{},{},{}", self.control.kernels(), self.round_trip_ms, self.loss_percent)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["inside", rounds, ref cases @ ..] => {
            rounds.parse().map_err(|_| usage()).and_then(|rounds| inside(rounds, cases))
        }
        ["serve"] => kernel::serve(),
        ["push", at, bytes] => kernel::push(at, bytes),
        [] => alone(&[&ROUNDS.to_string()]),
        ref rest => alone(rest),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let known: Vec<_> = Case::all().map(|case| case.name()).collect();
    format!("usage: goodput [ROUNDS [CASE...]], where a CASE is one of {}", known.join(" "))
}

/// Once more in namespaces of its own: whatever is left running ends with it.
fn alone(arguments: &[&str]) -> Result<(), String> {
    let own = ["-Urnpmf", "--mount-proc", "--kill-child"];
    kernel::run(Command::new("unshare").args(own).arg(ourselves()?).arg("inside").args(arguments))
}

fn ourselves() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("who am I? {error}"))
}

fn inside(rounds: usize, names: &[&str]) -> Result<(), String> {
    let known = |name: &&str| Case::all().any(|case| case.name() == *name);
    if !names.iter().all(known) {
        return Err(usage());
    }
    let mut line = Line::new()?;
    let mut rows = Vec::new();
    for case in Case::all().filter(|case| names.is_empty() || names.contains(&&*case.name())) {
        let mut row = Row::new(case);
        for seed in 1..=rounds as u64 {
            for way in Way::ALL {
                row.add(way, line.carry(case, way, seed)?);
            }
        }
        eprintln!("{row}");
        rows.push(row);
    }
    print!("{}", table::table(&rows));
    Ok(())
}
