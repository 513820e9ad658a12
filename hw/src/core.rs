//! Which processor core a thread runs on.

use std::fmt::Write;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

/// The cores that the calling thread may run on, in order; empty where the kernel does not say.
pub fn allowed_cores() -> Vec<u16> {
    sys::affinity().map(|mask| cores_of(&mask)).unwrap_or_default()
}

/// Keeps the calling thread on `core`, and every thread that it starts from then on.
///
/// A thread that was pinned may use that one core from then on, so a second call with another is
/// refused.
///
/// # Errors
/// `core` is not among [`allowed_cores`], or the kernel refuses; the sentence says which.
pub fn pin(core: u16) -> io::Result<()> {
    let mut mask = sys::affinity()?;
    let allowed = cores_of(&mask);
    if !allowed.contains(&core) {
        let sentence = format!(
            "core {core} is not among the cores that this process may use ({}): name one of them, \
             or widen its CPU affinity (taskset, cpuset)",
            ranges(&allowed)
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, sentence));
    }
    mask.fill(0);
    if let Some(word) = mask.get_mut(usize::from(core) / 64) {
        *word = 1 << (core % 64);
    }
    sys::set_affinity(&mask).map_err(|error| {
        io::Error::new(error.kind(), format!("the kernel does not pin to core {core}: {error}"))
    })
}

/// Keeps the calling thread off `core`, where it may use another.
///
/// # Errors
/// The kernel refuses.
pub fn keep_off(core: u16) -> io::Result<()> {
    let mut mask = sys::affinity()?;
    if let Some(word) = mask.get_mut(usize::from(core) / 64) {
        *word &= !(1 << (core % 64));
    }
    if mask.iter().all(|word| *word == 0) { Ok(()) } else { sys::set_affinity(&mask) }
}

/// By which one thread tells another, started before it was pinned, to keep off its core.
#[derive(Debug, Default)]
pub(crate) struct BusyCore {
    /// The core, plus one; 0 for none.
    told: AtomicU32,
}

impl BusyCore {
    pub(crate) fn set(&self, core: u16) {
        self.told.store(u32::from(core) + 1, Ordering::Relaxed);
    }

    /// The core to keep off, told once.
    pub(crate) fn take(&self) -> Option<u16> {
        match self.told.load(Ordering::Relaxed) {
            0 => None,
            _ => self.told.swap(0, Ordering::Relaxed).checked_sub(1).map(|core| core as u16),
        }
    }

    /// Keeps the calling thread off the core that was told since the last call, if one was.
    pub(crate) fn heed(&self) {
        if let Some(core) = self.take() {
            // Where the kernel refuses, the scheduler decides.
            let _ = keep_off(core);
        }
    }
}

fn cores_of(mask: &[u64]) -> Vec<u16> {
    let set = |core: &u16| {
        mask.get(usize::from(*core) / 64).is_some_and(|word| word >> (core % 64) & 1 == 1)
    };
    (0..=u16::MAX).filter(set).collect()
}

/// Cores in order as people and the kernel write them: `0-3,8`.
pub fn ranges(cores: &[u16]) -> String {
    let mut words = String::new();
    let mut rest = cores;
    while let Some((first, after)) = rest.split_first() {
        let run = (1u16..).zip(after).take_while(|(n, core)| first.checked_add(*n) == Some(**core));
        let len = run.count();
        let comma = if words.is_empty() { "" } else { "," };
        // Writing to a String does not fail.
        let _ = match len {
            0 => write!(words, "{comma}{first}"),
            _ => write!(words, "{comma}{first}-{}", after[len - 1]),
        };
        rest = &after[len..];
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_that_core_only() {
        let cores = allowed_cores();
        assert!(!cores.is_empty());
        for core in cores {
            let pinned = std::thread::spawn(move || pin(core).map(|()| allowed_cores()));
            assert_eq!(pinned.join().unwrap().unwrap(), [core]);
        }
    }

    #[test]
    fn a_thread_kept_off_a_core_may_use_the_others_and_never_none() {
        let cores = allowed_cores();
        for core in cores.clone() {
            let elsewhere = std::thread::spawn(move || {
                keep_off(core).unwrap();
                allowed_cores()
            });
            let mut expected = cores.clone();
            expected.retain(|other| *other != core || cores.len() == 1);
            assert_eq!(elsewhere.join().unwrap(), expected);
        }
        let pinned = std::thread::spawn(|| {
            let core = allowed_cores()[0];
            pin(core).unwrap();
            keep_off(core).unwrap();
            (core, allowed_cores())
        });
        let (core, left) = pinned.join().unwrap();
        assert_eq!(left, [core], "the only core there is");
    }

    #[test]
    fn a_busy_core_is_told_once_and_core_0_is_one() {
        let busy = BusyCore::default();
        assert_eq!(busy.take(), None);
        busy.set(0);
        assert_eq!(busy.take(), Some(0));
        assert_eq!(busy.take(), None);
    }

    #[test]
    fn a_core_that_is_not_ours_is_refused_with_those_that_are() {
        let before = allowed_cores();
        let sentence = pin(u16::MAX).unwrap_err().to_string();
        assert!(
            sentence.contains("core 65535") && sentence.contains(&ranges(&before)),
            "{sentence}"
        );
        assert_eq!(allowed_cores(), before);
    }

    #[test]
    fn a_mask_reads_as_cores_and_cores_as_ranges() {
        for (mask, cores, words) in [
            (vec![0], vec![], ""),
            (vec![0b1], vec![0], "0"),
            (vec![0b1011, 0b1], vec![0, 1, 3, 64], "0-1,3,64"),
            (vec![1 << 63, 0b11], vec![63, 64, 65], "63-65"),
        ] {
            assert_eq!(cores_of(&mask), cores);
            assert_eq!(ranges(&cores), words);
        }
    }
}
