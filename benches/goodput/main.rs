//! Bulk through a relay that loses and delays: from the kernel's TCP to the kernel's, from ours to the kernel's, and
//! from the kernel's to ours. In each round all three meet the same relay with the same seeds.
//!
//! ```text
//! goodput [ROUNDS]      needs no root; user and network namespaces of its own
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["inside", rounds] => rounds.parse().map_err(|_| usage()).and_then(inside),
        ["serve"] => kernel::serve(),
        ["push", at, bytes] => kernel::push(at, bytes),
        [] => alone(&ROUNDS.to_string()),
        [rounds] => alone(rounds),
        _ => Err(usage()),
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
    "usage: goodput [ROUNDS]".to_owned()
}

/// Once more in namespaces of its own: whatever is left running ends with it.
fn alone(rounds: &str) -> Result<(), String> {
    let own = ["-Urnpmf", "--mount-proc", "--kill-child"];
    kernel::run(Command::new("unshare").args(own).arg(ourselves()?).args(["inside", rounds]))
}

fn ourselves() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("who am I? {error}"))
}

fn inside(rounds: usize) -> Result<(), String> {
    let mut line = Line::new()?;
    let mut rows = Vec::new();
    for control in [Control::Reno, Control::Cubic] {
        for (round_trip_ms, loss_percent, bytes) in RELAYS {
            let case = Case { control, round_trip_ms, loss_percent, bytes };
            let mut row = Row::new(case);
            for seed in 1..=rounds as u64 {
                for way in Way::ALL {
                    row.add(way, line.carry(case, way, seed)?);
                }
            }
            eprintln!("{row}");
            rows.push(row);
        }
    }
    print!("{}", table::table(&rows));
    Ok(())
}
