//! Which processor core a thread runs on.

use std::fmt::Write;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use fixwire_offload::profile::Core;

use crate::core_list::CoreList;
use crate::sys;

/// The cores that the calling thread may run on, in order; empty where the kernel does not say.
pub fn allowed_cores() -> Vec<u16> {
    sys::affinity().map(|mask| cores_of(&mask)).unwrap_or_default()
}

/// The cores that may poll where nobody names one, the best first: the last isolated one, then the last that the
/// process may use. None where it may use one alone.
///
/// An isolated core is in no process's affinity until it is asked for, so that one counts which the process was not
/// kept off: it may use it, or it may use every core that is online and not isolated, as whoever was given no
/// affinity of his own.
pub fn auto_cores(allowed: &[u16], online: &CoreList, isolated: &CoreList) -> Vec<u16> {
    let reached = reachable_cores(allowed, online, isolated);
    if reached.len() < 2 {
        return Vec::new();
    }
    let best = reached.iter().rev().find(|core| isolated.contains(**core));
    let mut cores: Vec<u16> = best.copied().into_iter().collect();
    let last = allowed.last().filter(|last| allowed.len() > 1 && !cores.contains(last));
    cores.extend(last);
    cores
}

/// The cores that a process with that affinity may use, or ask for, in order.
pub fn reachable_cores(allowed: &[u16], online: &CoreList, isolated: &CoreList) -> Vec<u16> {
    let (asked_for, usual): (Vec<u16>, Vec<u16>) =
        online.cores().into_iter().partition(|core| isolated.contains(*core));
    let mut reached = allowed.to_vec();
    if allowed == usual && !usual.is_empty() {
        reached.extend(asked_for);
        reached.sort_unstable();
    }
    reached
}

/// Which cores are online, and which of all are isolated, as this kernel says; none where it does not.
pub fn online_and_isolated() -> (CoreList, CoreList) {
    let list = |what| {
        let text = fs::read_to_string(format!("/sys/devices/system/cpu/{what}")).ok();
        text.and_then(|text| CoreList::parse(&text)).unwrap_or_default()
    };
    (list("online"), list("isolated"))
}

/// Keeps the calling thread on `core`, and every thread that it starts from then on.
///
/// A thread that was pinned may use that one core from then on, so a second call with another is
/// refused.
///
/// # Errors
/// `core` is not among [`allowed_cores`], nor an isolated one that may be asked for, or the kernel refuses; the
/// sentence says which.
pub fn pin(core: u16) -> io::Result<()> {
    let mut mask = sys::affinity()?;
    let allowed = cores_of(&mask);
    let (online, isolated) = online_and_isolated();
    if !reachable_cores(&allowed, &online, &isolated).contains(&core) {
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

/// The core that a thread will be on which polls as a profile says: the one that it names, or the best that the kernel pins a
/// thread to. `None` where it is not pinned, or cannot be. What the calling thread may run on is as before afterwards.
pub fn to_poll(core: Core) -> Option<u16> {
    let before = sys::affinity().ok()?;
    let candidates = match core {
        Core::Any => Vec::new(),
        Core::Number(core) => vec![core],
        Core::Auto => {
            let (online, isolated) = online_and_isolated();
            auto_cores(&cores_of(&before), &online, &isolated)
        }
    };
    // A cpuset may forbid what the affinity does not.
    candidates.into_iter().find(|core| {
        let is_pinned = pin(*core).is_ok();
        let _ = sys::set_affinity(&before);
        is_pinned
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
pub struct BusyCore {
    /// The core, plus one; 0 for none.
    told: AtomicU32,
}

impl BusyCore {
    /// Tells it of the core to keep off.
    pub fn set(&self, core: u16) {
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
    pub fn heed(&self) {
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
    fn the_core_to_poll_on_is_one_that_a_thread_is_pinned_to_and_nobody_is_yet() {
        let cores = allowed_cores();
        let last = cores.last().copied();
        assert_eq!(to_poll(Core::Any), None);
        assert_eq!(to_poll(Core::Number(u16::MAX)), None);
        assert_eq!(last.and_then(|core| to_poll(Core::Number(core))), last);
        assert_eq!(to_poll(Core::Auto).is_some(), cores.len() > 1);
        assert_eq!(allowed_cores(), cores);
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
    fn where_nobody_names_a_core_it_is_the_last_isolated_one_that_nobody_was_kept_off() {
        for (allowed, online, isolated, cores) in [
            // Nothing is isolated: the last that may be used, if there is another.
            (&[0, 1, 5][..], "0-7", "", vec![5]),
            (&[2], "0-7", "", vec![]),
            (&[], "0-7", "", vec![]),
            // Started without an affinity of its own, it asks for an isolated one.
            (&[0, 1, 2, 3], "0-7", "4-7", vec![7, 3]),
            (&[0], "0-1", "1", vec![1]),
            // One that is isolated and not online is none.
            (&[0, 1, 2, 3], "0-3", "4-7", vec![3]),
            (&[0, 1, 2, 3, 4], "0-4,6", "6-7", vec![6, 4]),
            // Kept to some by taskset, it stays there; with an isolated one among them, on that.
            (&[0, 1], "0-7", "4-7", vec![1]),
            (&[0, 6], "0-7", "4-7", vec![6]),
            (&[0, 3, 6], "0-7", "1,3", vec![3, 6]),
            (&[6], "0-7", "4-7", vec![]),
            // Where the kernel says nothing.
            (&[0, 1], "", "", vec![1]),
        ] {
            let list = |text| CoreList::parse(text).unwrap();
            let found = auto_cores(allowed, &list(online), &list(isolated));
            assert_eq!(found, cores, "{allowed:?} of {online}, isolated {isolated}");
        }
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
