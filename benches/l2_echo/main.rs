//! What our safe layer over DPDK adds to it: the least program there is, an l2 echo, by fixwire's bursts and by C's
//! on the same port in the same process, in turns.
//!
//! ```text
//! l2_echo              everything, a process for each device and plan, and one table
//! l2_echo check        instructions alone, ours against C's: fails where ours are too many
//! ```

mod line;
mod peer;

use std::fmt::Write as _;
use std::process::{Command, ExitCode, Output};

use serde::{Deserialize, Serialize};

use line::{Line, Who};

/// DPDK's own devices that need nothing of the host.
const DEVICES: [&str; 2] = ["net_ring", "net_memif"];
/// What the plan leaves to the device.
const PLANS: [&str; 2] = ["nothing", "everything"];
const SIZES: [u16; 2] = [1, 32];

/// Processes for each device and plan: where memory happens to lie in one moves a time by a few percent.
const PROCESSES: usize = 9;
/// Turns of each in a process, in which the other has the ones between.
const TURNS: usize = 200;
/// Bursts of a turn: a millisecond at most.
const BURSTS: u64 = 512;
const WARM_UP_BURSTS: u64 = 4096;
/// Of a process whose line does not come up.
const TRIES: usize = 4;
/// Bursts that are counted.
const COUNTED: u64 = 512;

/// Instructions that a burst of ours may take more than C's, and each frame in it. Of a frame that is room for two
/// comparisons: whoever writes into it asks how long it is and whether somebody holds it, and C does not.
const EXTRA_OF_BURST_MAX: u64 = 28;
const EXTRA_OF_FRAME_MAX: u64 = 7;

/// One row of the table.
#[derive(Serialize, Deserialize)]
struct Row {
    device: String,
    plan: String,
    size: u16,
    /// Ours, then C's.
    both: [Cost; 2],
    /// Of the differences between a turn of ours and C's beside it, the median.
    difference_ns: f64,
}

/// What a burst takes.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
struct Cost {
    least_ns: f64,
    median_ns: f64,
    instructions: Option<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => all(true).map(|rows| print!("{}", table(&rows))),
        ["check"] => all(false).and_then(|rows| check(&rows)),
        ["time", device, plan] => time(device, plan),
        ["count", device, plan, size, who] => count(device, plan, size, who),
        _ => Err("usage: l2_echo [check]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
    }
}

/// Every device and plan, each in a process of its own: DPDK starts once in one.
fn all(timed: bool) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (device, plan) in DEVICES.into_iter().flat_map(|device| PLANS.map(|plan| (device, plan))) {
        let mut of_device: Vec<Row> = if timed {
            let times: Result<Vec<Vec<Row>>, String> =
                (0..PROCESSES).map(|_| timed_once(device, plan)).collect();
            merged(&times?)
        } else {
            SIZES.map(|size| Row::new(device, plan, size)).into()
        };
        for row in &mut of_device {
            for (cost, who) in row.both.iter_mut().zip(Who::BOTH) {
                cost.instructions = instructions(device, plan, row.size, who)?;
            }
        }
        rows.extend(of_device);
    }
    Ok(rows)
}

/// Rows of one process.
fn timed_once(device: &str, plan: &str) -> Result<Vec<Row>, String> {
    let text = said(Command::new(ourselves()?).args(["time", device, plan]))?;
    serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
}

/// Of several processes: the least of what was least, and the median of medians.
fn merged(processes: &[Vec<Row>]) -> Vec<Row> {
    let middle = |of: &dyn Fn(&Row) -> f64, row: usize| {
        sorted(processes.iter().map(|rows| of(&rows[row])))[processes.len() / 2]
    };
    let mut merged = Vec::new();
    for (number, Row { device, plan, size, .. }) in processes[0].iter().enumerate() {
        let mut row = Row::new(device, plan, *size);
        for (at, cost) in row.both.iter_mut().enumerate() {
            cost.least_ns = sorted(processes.iter().map(|rows| rows[number].both[at].least_ns))[0];
            cost.median_ns = middle(&|row| row.both[at].median_ns, number);
        }
        row.difference_ns = middle(&|row| row.difference_ns, number);
        merged.push(row);
    }
    merged
}

fn ourselves() -> Result<std::path::PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("who am I? {error}"))
}

/// Runs one, once more where the ends of a memif missed each other, as they do now and then (DPDK 22.11).
fn output_of(command: &mut Command) -> std::io::Result<Output> {
    let mut output = command.output()?;
    for _ in 1..TRIES {
        if output.status.success() || !holds(&output.stderr, line::MISSED) {
            break;
        }
        output = command.output()?;
    }
    Ok(output)
}

fn holds(text: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(text).contains(words)
}

fn said(command: &mut Command) -> Result<String, String> {
    let output = output_of(command).map_err(|error| format!("{command:?}: {error}"))?;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(format!("{command:?}: {}: {errors}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl Row {
    fn new(device: &str, plan: &str, size: u16) -> Row {
        let both = [Cost::default(); 2];
        Row { device: device.to_owned(), plan: plan.to_owned(), size, both, difference_ns: 0.0 }
    }

    /// What is to be said where ours takes more instructions than it may.
    fn over(&self) -> Option<String> {
        let Row { device, plan, size, .. } = self;
        let [ours, theirs] = self.both.map(|cost| cost.instructions);
        let (ours, theirs) = (ours?, theirs?);
        let limit = theirs + EXTRA_OF_BURST_MAX + EXTRA_OF_FRAME_MAX * u64::from(*size);
        (ours > limit).then(|| {
            format!(
                "l2_echo on {device}, {plan} left to it: a burst of {size} takes {ours} instructions, C's {theirs}, and \
                 {limit} are allowed: find what made the layer over DPDK longer."
            )
        })
    }
}

/// Takes the time of one device, in turns, and prints it as JSON.
fn time(device: &str, plan: &str) -> Result<(), String> {
    let mut line = Line::open(device, plan == "everything")?;
    let mut rows = Vec::new();
    for size in SIZES {
        for who in Who::BOTH {
            line.echo(who, size, WARM_UP_BURSTS);
        }
        let turns: Vec<[f64; 2]> = (0..TURNS)
            .map(|turn| {
                // Who goes first changes with each turn.
                let order = if turn % 2 == 0 { [0, 1] } else { [1, 0] };
                let mut taken = [0.0; 2];
                for at in order {
                    taken[at] = line.echo(Who::BOTH[at], size, BURSTS);
                }
                taken
            })
            .collect();
        let mut row = Row::new(device, plan, size);
        for (at, cost) in row.both.iter_mut().enumerate() {
            let sorted = sorted(turns.iter().map(|turn| turn[at]));
            (cost.least_ns, cost.median_ns) = (sorted[0], sorted[TURNS / 2]);
        }
        row.difference_ns = sorted(turns.iter().map(|turn| turn[0] - turn[1]))[TURNS / 2];
        rows.push(row);
    }
    line.leave_open();
    println!("{}", serde_json::to_string(&rows).map_err(|error| error.to_string())?);
    Ok(())
}

fn sorted(times: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sorted: Vec<f64> = times.collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// What callgrind counts of: so many bursts.
fn count(device: &str, plan: &str, size: &str, who: &str) -> Result<(), String> {
    let mut line = Line::open(device, plan == "everything")?;
    let size = size.parse().map_err(|error| format!("{size}: {error}"))?;
    let who = Who::BOTH.into_iter().find(|one| one.name() == who).ok_or("who?")?;
    line.echo(who, size, COUNTED);
    line.leave_open();
    Ok(())
}

/// Instructions of a burst, by callgrind, the driver's among them.
fn instructions(device: &str, plan: &str, size: u16, who: Who) -> Result<Option<u64>, String> {
    let echo = match who {
        Who::Fixwire => "l2_echo::line::echo*",
        Who::C => "l2_echo_c",
    };
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={echo}"))
        .arg(ourselves()?)
        .args(["count", device, plan, &size.to_string(), who.name()]);
    let Ok(output) = output_of(&mut command) else { return Ok(None) };
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    let total = collected.and_then(|(_, number)| number.trim().parse::<u64>().ok());
    match total {
        Some(total) if output.status.success() && total > 0 => Ok(Some(total.div_ceil(COUNTED))),
        _ => Err(format!("valgrind counted nothing of {device}, {}:\n{text}", who.name())),
    }
}

/// # Errors
/// A sentence for each row in which ours are too many.
fn check(rows: &[Row]) -> Result<(), String> {
    let over: Vec<String> = rows.iter().filter_map(Row::over).collect();
    if !over.is_empty() {
        return Err(over.join("\n"));
    }
    println!("{} rows within what our layer over DPDK may add to C's", rows.len());
    Ok(())
}

/// Markdown, as the README has it.
fn table(rows: &[Row]) -> String {
    let mut text = "| device | left to it | burst | fixwire, ns: least, median | C, ns: least, median | more, ns | more, % | \
                    instructions: fixwire, C |\n| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n"
        .to_owned();
    for row in rows {
        let Row { device, plan, size, difference_ns, .. } = row;
        let [ours, theirs] = row.both;
        let counted =
            |cost: Cost| cost.instructions.map_or_else(|| "-".into(), |count| count.to_string());
        let _ = writeln!(
            text,
            "| {device} | {plan} | {size} | {:.1}, {:.1} | {:.1}, {:.1} | {difference_ns:+.1} | {:+.1} | {}, {} |",
            ours.least_ns,
            ours.median_ns,
            theirs.least_ns,
            theirs.median_ns,
            difference_ns / theirs.median_ns * 100.0,
            counted(ours),
            counted(theirs),
        );
    }
    text
}
