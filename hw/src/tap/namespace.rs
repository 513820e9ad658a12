//! A user and network namespace of the process's own: what lets an ordinary user have a TAP, and
//! what keeps it out of the host's network.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::TapError;
use crate::sys;

/// Set once the process is inside, for good: there is no way back.
static INSIDE: AtomicBool = AtomicBool::new(false);
/// Set once it has a user namespace of its own, too.
static INSIDE_USER: AtomicBool = AtomicBool::new(false);

/// Whether this process is in a namespace that [`enter`] made.
pub fn is_inside_own() -> bool {
    INSIDE.load(Ordering::Relaxed)
}

/// The command before whose arguments a program of the same user is run in the namespace that
/// [`enter`] made, while this process lives. `None` where there is none.
pub fn how_to_enter() -> Option<String> {
    let with_user =
        if INSIDE_USER.load(Ordering::Relaxed) { " -U --preserve-credentials" } else { "" };
    is_inside_own().then(|| format!("nsenter -t {} -n{with_user}", std::process::id()))
}

/// Moves the process into a network namespace of its own, and into a user namespace that has power
/// over it. In there it sees itself as root; outside, and on files that it writes, it stays who it
/// is. Whoever started it looks in by `nsenter -t PID -U -n --preserve-credentials ip addr`. A
/// second call does nothing.
///
/// To be called before the process starts a thread: threads that run already would stay in the old
/// namespace. Those started later share the new one. Where root is refused a user namespace, it
/// gets the network namespace alone.
///
/// # Errors
/// [`TapError::ThreadsExist`], [`TapError::NoUserNamespaces`];
/// [`TapError::NamespaceWithoutCapabilities`] when the namespace was entered and turns out to be
/// powerless, in which case the process is left in it, without a network.
pub fn enter() -> Result<(), TapError> {
    if is_inside_own() {
        return Ok(());
    }
    let threads = threads().map_err(|source| TapError::Failed {
        what: "counting the threads in",
        name: "/proc/self/task".into(),
        source,
    })?;
    if threads > 1 {
        return Err(TapError::ThreadsExist { threads });
    }
    let (user, group) = sys::effective_ids();
    match sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET) {
        Ok(()) => {
            INSIDE_USER.store(true, Ordering::Relaxed);
            map_ids(user, group)?;
        }
        Err(source) => {
            sys::unshare(libc::CLONE_NEWNET).map_err(|_| TapError::NoUserNamespaces { source })?;
        }
    }
    INSIDE.store(true, Ordering::Relaxed);
    Ok(())
}

fn threads() -> io::Result<usize> {
    Ok(fs::read_dir("/proc/self/task")?.count())
}

/// Makes the process's user and group the namespace's root.
fn map_ids(user: u32, group: u32) -> Result<(), TapError> {
    // user_namespaces(7): without privilege, a group is mapped only once setgroups(2) is given up.
    write("/proc/self/setgroups", "deny", "writing setgroups")?;
    write("/proc/self/uid_map", &format!("0 {user} 1"), "writing uid_map")?;
    write("/proc/self/gid_map", &format!("0 {group} 1"), "writing gid_map")
}

fn write(path: &str, text: &str, what: &'static str) -> Result<(), TapError> {
    fs::write(path, text).map_err(|source| TapError::NamespaceWithoutCapabilities { what, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_refused_and_stays_where_it_is() {
        // The test harness runs this in a thread beside its main one.
        let before = fs::read_link("/proc/self/ns/net").unwrap();
        let (error, second) = std::thread::scope(|scope| {
            let helper = scope.spawn(|| (enter().unwrap_err(), enter().unwrap_err()));
            helper.join().unwrap()
        });
        assert!(matches!(error, TapError::ThreadsExist { threads: 2.. }), "{error}");
        assert!(matches!(second, TapError::ThreadsExist { .. }), "{second}");
        assert_eq!(fs::read_link("/proc/self/ns/net").unwrap(), before);
        assert!(!is_inside_own());
    }
}
