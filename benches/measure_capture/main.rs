//! Captures analysed: `fixwire measure capture` over a capture of FIX messages, and tshark extracting the same fields from a part of
//! it, each on one core, in the same run.
//!
//! ```text
//! measure_capture FIXWIRE [MESSAGES [ROUNDS]]
//! ```

mod session;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Messages and rounds, unless told otherwise.
const MESSAGES: u64 = 10_000_000;
const ROUNDS: usize = 5;
/// What tshark gets, which takes some hundred times as long and keeps what it has read of each connection.
const MESSAGES_OF_TSHARK: u64 = 100_000;
/// Both run here, one after the other.
const CORE: &str = "0";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(fixwire) = arguments.next() else {
        eprintln!("usage: measure_capture FIXWIRE [MESSAGES [ROUNDS]]");
        return ExitCode::from(2);
    };
    let messages = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(MESSAGES);
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    match run(&fixwire, messages, rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("measure_capture: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(fixwire: &str, messages: u64, rounds: usize) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("measure-capture-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let outcome = in_folder(&folder, fixwire, messages, rounds);
    let _ = fs::remove_dir_all(&folder);
    outcome
}

fn in_folder(folder: &Path, fixwire: &str, messages: u64, rounds: usize) -> Result<(), String> {
    let written = |name: &str, messages: u64| -> Result<String, String> {
        let path = folder.join(name);
        let file = File::create(&path).map_err(|error| error.to_string())?;
        let mut out = BufWriter::with_capacity(1024 * 1024, file);
        session::write(&mut out, messages).map_err(|error| error.to_string())?;
        Ok(path.display().to_string())
    };
    let (all, part) = (written("all.pcap", messages)?, written("part.pcap", MESSAGES_OF_TSHARK)?);
    let csv = folder.join("messages.csv").display().to_string();
    let has_tshark = Command::new("tshark").arg("-v").stdout(Stdio::null()).status().is_ok();
    let (mut ours, mut with_csv, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let report = timed(fixwire, &["measure", "capture", "--json", &all])?;
        let said = format!("\"messages\":{messages},");
        if !report.out.contains(&said) {
            return Err(format!("it did not find {messages} messages: {}", report.out));
        }
        ours.push(report.per_s(messages));
        println!(
            "fixwire: {:.0} messages a second, {} MiB at the most",
            report.per_s(messages),
            report.peak_kib / 1024
        );
        let rows = timed(fixwire, &["measure", "capture", "--json", "--csv", &csv, &part])?;
        with_csv.push(rows.per_s(MESSAGES_OF_TSHARK));
        if has_tshark {
            let fields = [
                "frame.number",
                "frame.time_epoch",
                "ip.src",
                "tcp.srcport",
                "tcp.seq_raw",
                "tcp.ack_raw",
                "fix.MsgType",
                "fix.MsgSeqNum",
                "fix.ClOrdID",
            ];
            let mut arguments = vec!["-n", "-r", &part, "-Y", "fix", "-T", "fields"];
            arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
            let found = timed("tshark", &arguments)?;
            if found.out.lines().count() as u64 != MESSAGES_OF_TSHARK {
                return Err(format!("tshark found {} messages", found.out.lines().count()));
            }
            theirs.push(found.per_s(MESSAGES_OF_TSHARK));
        }
    }
    let line = |name: &str, rates: &mut Vec<f64>| {
        rates.sort_unstable_by(f64::total_cmp);
        if let (Some(best), Some(median)) = (rates.last(), rates.get(rates.len() / 2)) {
            println!("| {name} | {median:.0} | {best:.0} |");
        }
    };
    println!(
        "| {messages} messages, {rounds} rounds | messages a second, median | best |\n| --- | --- | --- |"
    );
    line("fixwire measure capture", &mut ours);
    line(&format!("with --csv, of {MESSAGES_OF_TSHARK}"), &mut with_csv);
    line(&format!("tshark, the same fields, of {MESSAGES_OF_TSHARK}"), &mut theirs);
    if let (Some(us), Some(them)) = (ours.get(ours.len() / 2), theirs.get(theirs.len() / 2)) {
        println!("{:.0} times as many as tshark", us / them);
    } else {
        println!("tshark is not installed: nothing to compare with");
    }
    Ok(())
}

/// A program that has ended.
struct Ended {
    took: Duration,
    peak_kib: u64,
    out: String,
}

impl Ended {
    fn per_s(&self, messages: u64) -> f64 {
        messages as f64 / self.took.as_secs_f64()
    }
}

fn timed(program: &str, arguments: &[&str]) -> Result<Ended, String> {
    let said = |error: std::io::Error| format!("{program}: {error}");
    let began = Instant::now();
    let mut child = Command::new("taskset")
        .args(["-c", CORE, program])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(said)?;
    let id = child.id();
    let mut pipe = child.stdout.take();
    let reader = thread::spawn(move || {
        let mut out = String::new();
        if let Some(pipe) = &mut pipe {
            let _ = std::io::Read::read_to_string(pipe, &mut out);
        }
        out
    });
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            break status;
        }
        peak_kib = peak_kib.max(peak(id).unwrap_or_default());
        thread::sleep(Duration::from_millis(2));
    };
    let took = began.elapsed();
    let out = reader.join().map_err(|_| "its output was lost".to_owned())?;
    if !status.success() {
        return Err(format!("{program} ended with {status}"));
    }
    Ok(Ended { took, peak_kib, out })
}

/// The most memory that a process had, in KiB.
fn peak(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
