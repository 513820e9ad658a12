//! What can go wrong with a TAP, and what to do about it, a sentence each.

use std::io;

/// Why there is no TAP.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name is not one that an interface can have.
    #[error("`{name}` cannot name an interface: {why}")]
    NameInvalid {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The process already has threads, which would stay behind in the old namespace.
    #[error(
        "a namespace of its own must be entered before the process starts threads, and {threads} \
         run already: call it first thing in main, or attach to a TAP by name"
    )]
    ThreadsExist {
        /// How many run.
        threads: usize,
    },
    /// The device file is missing.
    #[error(
        "there is no /dev/net/tun here: load the driver (`modprobe tun`), or hand the device to the \
         container (`--device /dev/net/tun`)"
    )]
    NoTunDevice,
    /// The device file may not be opened.
    #[error(
        "/dev/net/tun may not be opened by this user: `chmod 0666 /dev/net/tun` restores the usual \
         mode, and a container must be given the device (`--device /dev/net/tun`)"
    )]
    TunNotPermitted,
    /// The kernel refuses a new user and network namespace.
    #[error(
        "this kernel gives an ordinary process no namespace of its own ({source}): allow it by \
         `sysctl kernel.unprivileged_userns_clone=1` or `user.max_user_namespaces` above 0, or in \
         the container's seccomp profile"
    )]
    NoUserNamespaces {
        /// The kernel's answer.
        source: io::Error,
    },
    /// The namespace was given, but not the power over what is in it.
    #[error(
        "the namespace was given but its capabilities were denied at {what} ({source}): on Ubuntu, \
         `sysctl kernel.apparmor_restrict_unprivileged_userns=0` or an AppArmor profile with \
         `userns` for this program"
    )]
    NamespaceWithoutCapabilities {
        /// The step that was denied.
        what: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process lacks a privilege in the namespace that it is in.
    #[error(
        "{what} `{name}` needs CAP_NET_ADMIN: run as root, `setcap cap_net_admin+ep` the program, or \
         have root run `ip tuntap add {name} mode tap user $USER`, `ip addr add 10.9.0.1/24 dev \
         {name}` and `ip link set {name} up`"
    )]
    NeedsNetAdmin {
        /// The interface.
        name: String,
        /// What was being done.
        what: &'static str,
    },
    /// There is an interface of that name, of another kind.
    #[error("`{name}` exists and is not a TAP ({kind}): choose another name")]
    NotATap {
        /// The interface.
        name: String,
        /// What it is, as far as the kernel says.
        kind: String,
    },
    /// Another process is attached.
    #[error("another process is attached to `{name}`: end it, or choose another name")]
    Busy {
        /// The interface.
        name: String,
    },
    /// The TAP was created with several queues, and attaching with one is refused.
    #[error(
        "`{name}` was created as a multi-queue TAP, and this engine attaches with one queue: create \
         it without `multi_queue`"
    )]
    MultiQueue {
        /// The interface.
        name: String,
    },
    /// A step failed for a reason that has no remedy of its own here.
    #[error("{what} `{name}` failed: {source}")]
    Failed {
        /// What was being done.
        what: &'static str,
        /// The interface or file.
        name: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl TapError {
    /// Whether this machine, as it is set up, gives this user no TAP or no namespace at all:
    /// nothing that another name or another moment would change.
    pub fn forbidden_by_machine(&self) -> bool {
        matches!(
            self,
            TapError::NoTunDevice
                | TapError::TunNotPermitted
                | TapError::NoUserNamespaces { .. }
                | TapError::NamespaceWithoutCapabilities { .. }
        )
    }
}

/// What `/dev/net/tun` not opening means.
pub(crate) fn on_open(source: io::Error) -> TapError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => TapError::NoTunDevice,
        // EPERM is a container's device rules speaking, EACCES the file's mode.
        Some(libc::EACCES | libc::EPERM) => TapError::TunNotPermitted,
        _ => TapError::Failed { what: "opening", name: "/dev/net/tun".into(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(number: i32) -> io::Error {
        io::Error::from_raw_os_error(number)
    }

    fn every_error() -> Vec<(TapError, bool, &'static str)> {
        let name = || "fw0".to_owned();
        let what = "attaching to";
        vec![
            (TapError::NameInvalid { name: name(), why: "it is odd" }, false, "`fw0`"),
            (TapError::ThreadsExist { threads: 3 }, false, "3 run"),
            (TapError::NoTunDevice, true, "modprobe tun"),
            (TapError::TunNotPermitted, true, "chmod 0666"),
            (TapError::NoUserNamespaces { source: answer(libc::ENOSPC) }, true, "userns_clone"),
            (
                TapError::NamespaceWithoutCapabilities { what, source: answer(libc::EPERM) },
                true,
                "apparmor_restrict_unprivileged_userns",
            ),
            (TapError::NeedsNetAdmin { name: name(), what }, false, "CAP_NET_ADMIN"),
            (
                TapError::NotATap { name: name(), kind: "its driver is `veth`".into() },
                false,
                "veth",
            ),
            (TapError::Busy { name: name() }, false, "another process"),
            (TapError::MultiQueue { name: name() }, false, "multi_queue"),
            (TapError::Failed { what, name: name(), source: answer(libc::EIO) }, false, "failed"),
        ]
    }

    #[test]
    fn every_error_is_one_sentence_with_its_remedy() {
        for (error, _, word) in every_error() {
            let sentence = error.to_string();
            assert!(sentence.contains(word), "{sentence}");
            assert!(!sentence.contains('\n') && !sentence.contains("  "), "{sentence}");
        }
    }

    #[test]
    fn only_what_the_machine_forbids_lets_a_run_fall_back() {
        for (error, forbidden, _) in every_error() {
            assert_eq!(error.forbidden_by_machine(), forbidden, "{error}");
        }
    }

    #[test]
    fn the_kernel_s_answer_to_opening_is_told_apart() {
        for number in [libc::ENOENT, libc::ENODEV, libc::ENXIO] {
            assert!(matches!(on_open(answer(number)), TapError::NoTunDevice));
        }
        for number in [libc::EACCES, libc::EPERM] {
            assert!(matches!(on_open(answer(number)), TapError::TunNotPermitted));
        }
        assert!(matches!(on_open(answer(libc::EMFILE)), TapError::Failed { .. }));
    }
}
