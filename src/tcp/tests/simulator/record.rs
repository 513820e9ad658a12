//! What went over the wire, kept for whoever looks at a seed, and written as pcapng.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use fixwire_hw::capture::Recording;

use crate::time::UtcTime;

/// The last frames are what tells: no more are kept than can be looked at.
const FRAMES_MAX: usize = 200_000;

/// The frames of a run: when, whose, whether it left or arrived, and its bytes.
#[derive(Default)]
pub(super) struct Record(VecDeque<(u64, usize, bool, Vec<u8>)>);

impl Record {
    pub(super) fn push(&mut self, now: u64, host: usize, leaves: bool, frame: &[u8]) {
        if self.0.len() == FRAMES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, host, leaves, frame.to_vec()));
    }

    /// Writes the file, one interface for each host.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let mut recording = Recording::new("fixwire's simulator", &["client", "server"]);
        for (now, host, leaves, frame) in &self.0 {
            recording.push(*host, UtcTime::from_unix_ns(*now), *leaves, frame);
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, recording.into_bytes())
    }
}

/// Where the frames of a seed are written: beside what cargo builds.
pub(super) fn path_of(seed: u64) -> PathBuf {
    let program = std::env::current_exe().expect("a test runs from a file");
    // target/PROFILE/deps/PROGRAM
    let target = program.ancestors().nth(3).expect("cargo has built it");
    target.join("simulator").join(format!("seed-{seed}.pcapng"))
}
