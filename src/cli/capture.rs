//! `--capture`: what crosses the NIC, in a file; opened, ended and reported for any command that runs a
//! device.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;
use fixwire::offload::nic::Nic;
use fixwire::time::UtcTime;
use fixwire_hw::capture::{self, Capture, CaptureFile, Captured, Options, Summary};
use fixwire_hw::clock::HostClock;
use fixwire_hw::clock_service::ClockService;
use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::warn;

#[derive(Debug, Args)]
pub(crate) struct CaptureArgs {
    /// Write every frame that crosses the NIC, both ways, to this file, for Wireshark: pcapng, nanosecond
    /// stamps with their source in the interface description. A file that is there is replaced; a named
    /// pipe is written to once somebody reads it. What cannot be written is counted and said; sessions
    /// go on.
    #[arg(long, value_name = "FILE.pcapng")]
    capture: Option<PathBuf>,
    /// Memory between the polling core and the capture's writer, in MiB: what the file may fall behind
    /// by. When it is full, frames are missing from the file, counted, and sessions go on.
    #[arg(long, value_name = "MIB", requires = "capture", default_value_t = (capture::RING_LEN >> 20) as u64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    capture_ring_mib: u64,
}

impl CaptureArgs {
    /// Opens the file, if one was asked for. To be called when every other file has been read, since
    /// it empties this one, and before the process enters a namespace of its own.
    ///
    /// # Errors
    /// It is one of `read`, the files that the settings came from.
    pub(crate) fn open(&self, read: &[Option<&Path>]) -> Result<Option<Asked>, Failure> {
        let Some(path) = self.capture.as_deref() else { return Ok(None) };
        if read.iter().flatten().any(|other| is_same(path, other)) {
            return Err(Failure::Input(format!(
                "--capture {}: the settings were read from that file; name another",
                path.display()
            )));
        }
        let file = CaptureFile::open(path);
        if let Some(trouble) = file.trouble() {
            warn(format_args!("{trouble}. Nothing is captured; sessions go on."));
        }
        // Past a limit on file sizes (`ulimit -f`), a signal would end the process; caught, the write
        // fails and is counted. Where it cannot be caught, it is as for any other program.
        let _ = signal_hook::flag::register(
            signal_hook::consts::SIGXFSZ,
            Arc::new(AtomicBool::new(false)),
        );
        Ok(Some(Asked { file, ring_len: self.capture_ring_mib as usize * (1 << 20) }))
    }
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// A capture that was asked for.
pub(crate) struct Asked {
    file: CaptureFile,
    ring_len: usize,
}

impl Asked {
    /// Begins to capture what crosses `nic`, which is shown as `name`, by what disciplines its `clocks`. To be
    /// called before the thread is pinned. `wire_origin` is UTC at the origin of a simulated wire's clock.
    pub(crate) fn start<N: Nic>(
        self,
        nic: N,
        name: &str,
        clock: HostClock,
        wire_origin: Option<UtcTime>,
        clocks: Option<&ClockService>,
    ) -> (Captured<N>, Capture) {
        let options = Options {
            interface: name,
            application: concat!("fixwire ", env!("CARGO_PKG_VERSION")),
            clock,
            wire_origin,
            clocks,
            ring_len: self.ring_len,
            say: |trouble| warn(format_args!("{trouble}. Sessions go on.")),
        };
        capture::start(self.file, nic, &options)
    }
}

/// What a capture came to, for machines.
pub(crate) fn summary_json(summary: &Summary) -> Value {
    let mut object = Map::new();
    object.insert("file".to_owned(), json!(summary.path.to_string_lossy()));
    let counters = summary.counters.iter();
    object.extend(counters.map(|(name, count)| (name.to_owned(), json!(count))));
    object.insert("trouble".to_owned(), json!(summary.trouble));
    Value::Object(object)
}

/// The same for people.
pub(crate) fn summary_for_people(summary: &Summary) -> String {
    let counters = &summary.counters;
    let mut text = format!(
        "capture: {} received and {} sent frames in {}",
        counters.rx_written,
        counters.tx_written,
        summary.path.display(),
    );
    if counters.lost() > 0 {
        let ring_full = counters.rx_ring_full + counters.tx_ring_full;
        let write_failed = counters.rx_write_failed + counters.tx_write_failed;
        text += &format!(
            "; {} frames are missing from it: {ring_full} found the ring full, {write_failed} could \
             not be written",
            counters.lost(),
        );
        if ring_full > 0 {
            text += " (raise --capture-ring-mib, or choose a faster disk)";
        }
    }
    if let Some(trouble) = &summary.trouble {
        text += &format!("\n{trouble}");
    }
    text
}
