//! The line that plays a failed run again, and the file of its frames.
//!
//! What goes wrong is drawn from the seed, frame by frame. When a frame comes is the kernel's and the machine's: the same
//! seed meets other frames, and need not fail again. Hence the frames of the run that did are kept.

use std::path::PathBuf;

use fixwire_hw::capture::Recording;

/// The one seed that was asked for.
fn asked() -> Option<u64> {
    std::env::var("FIXWIRE_SEED").ok().map(|seed| seed.parse().expect("FIXWIRE_SEED is a number"))
}

/// Which seeds are tried: so many, or the one that was asked for.
pub(crate) fn seeds(count: u64) -> Vec<u64> {
    asked().map_or_else(|| (1..=count).collect(), |seed| vec![seed])
}

/// This test's name. It runs alone in a process that was started for it.
fn test() -> String {
    std::env::args().nth(1).unwrap_or_default()
}

/// Beside what cargo builds.
fn path_of(test: &str, seed: u64) -> PathBuf {
    let program = std::env::current_exe().expect("a test runs from a file");
    // target/PROFILE/deps/PROGRAM
    let target = program.ancestors().nth(3).expect("cargo has built it");
    target.join("kernel-tcp").join(format!("{}-{seed}.pcapng", test.replace("::", "-")))
}

/// Whether the frames of a run that is over are kept: it fails, or its seed was asked for.
pub(crate) fn is_wanted() -> bool {
    std::thread::panicking() || asked().is_some()
}

/// The frames of a run, in a file.
pub(crate) struct Frames {
    pub(crate) path: PathBuf,
    test: String,
    seed: u64,
}

impl Frames {
    pub(crate) fn write(seed: u64, recording: Recording) -> Frames {
        let test = test();
        let path = path_of(&test, seed);
        let folder = path.parent().expect("it lies in one");
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&path, recording.into_bytes()));
        if let Err(why) = written {
            println!("{}: {why}", path.display());
        }
        Frames { path, test, seed }
    }

    /// Says how the run is played again, and where its frames are, if that is wanted.
    pub(crate) fn keep_or_remove(self) {
        let Frames { path, test, seed } = self;
        if std::thread::panicking() {
            let file = path.display();
            println!("replay: make replay-kernel SEED={seed} TEST={test}   frames: {file}");
        } else if is_wanted() {
            println!("seed {seed}: frames: {}", path.display());
        } else {
            // Nobody misses one that is gone.
            let _ = std::fs::remove_file(path);
        }
    }
}
