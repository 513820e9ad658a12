//! A capture: what crosses a device, both ways, in a pcapng file that Wireshark opens.
//!
//! ```text
//!  polling core                                                          writer's thread
//!  Captured::rx_burst, tx_burst --> copies --> bounded ring of bytes --> completes, describes, writes
//! ```
//!
//! [`Captured`] is the device with a copier around it, and itself a device: who does not capture does
//! not have it, and pays nothing. On the polling core a frame is copied with what is known of it there
//! and no more. Nothing on that side waits, allocates or calls the kernel, but for a reading of the
//! clock. A frame that finds no room in the ring is counted and is lost to the capture, never to the
//! session.
//!
//! The writer completes checksums that were left to the device, so that nobody takes them for errors,
//! and says so in the packet's comment; it turns stamps into UTC, and puts what was lost where it
//! was lost (`epb_dropcount`) and at the end (`isb_ifdrop`). A file that fails it costs frames,
//! counted, and nothing else: see [`Trouble`].

mod anchor;
mod copy;
mod counters;
mod nic;
mod pcapng;
mod record;
mod recording;
mod ring;
mod sink;
mod stamps;
#[cfg(test)]
mod tests;
mod times;
mod trouble;
mod writer;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use fixwire_offload::nic::Nic;
use fixwire_offload::time::UtcTime;

pub use counters::CaptureCounters;
pub use nic::Captured;
pub use recording::Recording;
pub use trouble::Trouble;

use crate::clock::HostClock;
use crate::clock_service::ClockService;
use counters::Shared;
use pcapng::{Interface, Section};
use sink::Sink;
use stamps::Stamps;
use times::Times;
use writer::{Terms, Writer};

/// The ring's size unless asked otherwise, in bytes.
pub const RING_LEN: usize = 16 << 20;

/// How long the end of a capture waits for its writer.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// A capture file that was opened, or was tried to be.
#[derive(Debug)]
pub struct CaptureFile {
    sink: Sink,
    trouble: Option<Trouble>,
}

impl CaptureFile {
    /// Opens `path`: a file, new or emptied, or a pipe. Never waits: a pipe without a reader is tried
    /// again by the writer.
    ///
    /// To be called before the process enters a namespace of its own, where it may no longer be
    /// allowed to.
    pub fn open(path: &Path) -> CaptureFile {
        let (sink, trouble) = Sink::open(path);
        CaptureFile { sink, trouble }
    }

    /// Why it was not opened. It can be captured into all the same: every frame then counts as lost.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }
}

/// How a capture is made.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// What the device is called in the file.
    pub interface: &'a str,
    /// What writes the file.
    pub application: &'a str,
    /// The clock that sent frames are stamped by, and received ones that have no other stamp.
    pub clock: HostClock,
    /// UTC when the simulated wire's clock was at its origin, where the device is on one; stamps by that
    /// clock are not shown without it.
    pub wire_origin: Option<UtcTime>,
    /// What disciplines the clocks, where something does: frames are shown by it, and by the monotonic
    /// clock's distance from UTC where it says nothing. It is to go on until the capture is finished.
    pub clocks: Option<&'a ClockService>,
    /// The size of the ring between polling core and writer, in bytes. Held at room for one frame at
    /// least.
    pub ring_len: usize,
    /// Is told, on the writer's thread, the first thing that goes wrong after the file was opened.
    pub say: fn(&Trouble),
}

/// Puts a copier around `nic` and starts the writer. To be called before the calling thread is pinned to a
/// core, or both are pinned to the same.
pub fn start<N: Nic>(file: CaptureFile, nic: N, options: &Options<'_>) -> (Captured<N>, Capture) {
    let CaptureFile { sink, trouble } = file;
    let shared = Arc::new(Shared::default());
    if let Some(trouble) = trouble {
        // Whoever opened it has said so.
        shared.report(trouble, |_| {});
    }
    let path = sink.path().to_owned();
    let stamps = Stamps::new(options, nic.clock());
    let (recorder, reader) = ring::ring(options.ring_len, &shared);
    let terms = Terms {
        times: Times::new(&stamps, options.clocks.map(ClockService::reader)),
        described: [stamps.of_received(&nic), stamps.of_host()],
        head: head(&nic, &stamps, options),
        say: options.say,
    };
    let writer = Writer::new(reader, sink, Arc::clone(&shared), terms);
    let thread = thread::Builder::new().name("capture".into()).spawn(move || writer.run());
    let thread = match thread {
        Ok(thread) => Some(thread),
        Err(error) => {
            shared.report(Trouble::Thread(error), options.say);
            None
        }
    };
    (Captured::new(nic, recorder, stamps), Capture { path, shared, thread })
}

/// How the file begins: who wrote it, and the device twice, once for each direction, since each has
/// stamps of its own.
fn head(nic: &impl Nic, stamps: &Stamps, options: &Options<'_>) -> Vec<u8> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let os = format!("Linux {}", kernel.trim());
    // A wire that is simulated is a model's.
    let device = if options.wire_origin.is_some() { ", a NIC model" } else { "" };
    let section = Section {
        hardware: &format!("{}{device}", std::env::consts::ARCH),
        os: os.trim(),
        application: options.application,
    };
    let mut head = Vec::new();
    pcapng::section_header(&mut head, &section);
    for description in [stamps.describe_received(nic), stamps.describe_sent()] {
        let interface = Interface {
            name: options.interface,
            description: &description,
            mac: nic.mac(),
            snap_len: ring::SNAP_LEN as u32,
        };
        pcapng::interface_description(&mut head, &interface);
    }
    head
}

/// A capture that goes on.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Capture {
    /// Keeps the writer off `core`, which another thread wants for itself, where it may use another.
    pub fn keep_off(&self, core: u16) {
        self.shared.busy_core.set(core);
    }

    /// Ends the capture and waits until all of it is written; no longer than five seconds. To be called
    /// by the thread that polls the device; what crosses it afterwards is not captured.
    pub fn finish(self) -> Summary {
        let Capture { path, shared, thread } = self;
        shared.end();
        if let Some(trouble) = thread.and_then(|thread| wait_for(thread, &path)) {
            shared.report(trouble, |_| {});
        }
        Summary { path, counters: shared.sum_up(), trouble: shared.trouble() }
    }
}

/// Waits for the writer, and says what became of it if it did not end well.
fn wait_for(writer: JoinHandle<()>, path: &Path) -> Option<Trouble> {
    let begun = Instant::now();
    while !writer.is_finished() && begun.elapsed() < FINISH_WITHIN {
        sleep(Duration::from_millis(1));
    }
    let path = path.to_owned();
    if !writer.is_finished() {
        // Left behind: it ends with the process.
        return Some(Trouble::TooSlow { path, waited_s: FINISH_WITHIN.as_secs() });
    }
    writer.join().is_err().then_some(Trouble::Ended { path })
}

/// What a capture came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file.
    pub path: PathBuf,
    /// How many frames are in it, and how many are not.
    pub counters: CaptureCounters,
    /// The first thing that went wrong, as a sentence.
    pub trouble: Option<String>,
}
