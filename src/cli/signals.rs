//! Signals, as flags that are looked at where there is time for it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::failure::Failure;

/// How long whoever waits does not see what has come.
const GLANCE: Duration = Duration::from_millis(20);

/// Whether somebody wants an end: by Ctrl-C, SIGTERM, or SIGHUP, as when a terminal is closed.
#[derive(Clone, Debug)]
pub(crate) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Has the signals caught from here on, so that whatever is opened afterwards is closed. To be called when files
    /// are open, a named pipe among which may be waited for, and before a device is.
    pub(crate) fn caught() -> Result<Interruption, Failure> {
        // One is enough, and `timeout` sends two: what follows is bounded in time.
        let ends = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|end| !is_kept_away(*end));
        asked_by(&ends.collect::<Vec<_>>()).map(Interruption)
    }

    /// Nobody does, nor will.
    #[cfg(test)]
    pub(crate) fn never() -> Interruption {
        Interruption(Arc::default())
    }

    /// It has come already.
    #[cfg(test)]
    pub(crate) fn at_once() -> Interruption {
        Interruption(Arc::new(AtomicBool::new(true)))
    }

    pub(crate) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits for so long, or until it comes: whether the time is over.
    pub(crate) fn wait(&self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            if self.has_come() {
                return false;
            }
            thread::sleep(left.min(GLANCE));
        }
    }
}

/// Set whenever one of these signals has come.
pub(crate) fn asked_by(signals: &[i32]) -> Result<Arc<AtomicBool>, Failure> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in signals {
        signal_hook::flag::register(*signal, Arc::clone(&asked)).map_err(|error| {
            Failure::run(format!("signals cannot be caught: {error}"), "try again")
        })?;
    }
    Ok(asked)
}

/// Whether whoever started us is to outlive this signal: `nohup` has SIGHUP ignored. A shell has SIGINT ignored by what
/// it starts in the background, and that means the keyboard's alone.
fn is_kept_away(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    signal == SIGHUP && ignores(&status, signal)
}

/// proc_pid_status(5): `SigIgn` is a mask, whose lowest bit is signal 1.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_that_is_ignored_is_known_by_its_bit() {
        let status = "Name:\tfixwire\nSigBlk:\t0000000000004001\nSigIgn:\t0000000000001001\n";
        assert!(ignores(status, SIGHUP));
        assert!(!ignores(status, SIGINT) && !ignores(status, SIGTERM));
        assert!(!ignores("Name:\tfixwire\n", SIGHUP));
    }

    #[test]
    fn who_waits_sees_an_interruption_and_no_time_that_has_passed() {
        let begun = Instant::now();
        assert!(!Interruption::at_once().wait(Duration::from_secs(60)));
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert!(Interruption::at_once().wait(Duration::ZERO), "nothing was cut short");
        let a_while = Duration::from_millis(30);
        assert!(Interruption::never().wait(a_while));
        assert!(begun.elapsed() >= a_while);
    }
}
