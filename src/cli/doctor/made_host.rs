//! A host made of files, for tests.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;

use fixwire::offload::profile::Profile;
use fixwire_hw::ptp::{Ahead, KernelTime};

use super::Asked;
use super::build::Build;
use super::check::{Check, State};
use super::host::{Host, Times};
use super::program::Answer;
use crate::cli::profile;
use crate::cli::session_file::NetworkSettings;

/// A folder that is a host's root, and what its programs, its kernel and its clocks say.
pub(crate) struct MadeHost {
    root: tempfile::TempDir,
    answers: HashMap<String, Answer>,
    kernel_time: Option<KernelTime>,
    phcs: HashMap<String, Result<Ahead, io::ErrorKind>>,
}

impl MadeHost {
    pub(crate) fn new() -> MadeHost {
        MadeHost {
            root: tempfile::tempdir().unwrap(),
            answers: HashMap::new(),
            kernel_time: None,
            phcs: HashMap::new(),
        }
    }

    pub(crate) fn file(self, path: &str, text: &str) -> MadeHost {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn folder(self, path: &str) -> MadeHost {
        fs::create_dir_all(self.root.path().join(path)).unwrap();
        self
    }

    pub(crate) fn link(self, path: &str, target: &str) -> MadeHost {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
        self
    }

    /// What a program says, whatever it is asked.
    pub(crate) fn program(mut self, name: &str, answer: Answer) -> MadeHost {
        self.answers.insert(name.to_owned(), answer);
        self
    }

    /// The same, unless that word is among its arguments: then it fails.
    pub(crate) fn program_but(self, name: &str, answer: Answer, word: &str) -> MadeHost {
        let made = self.program(&format!("{name} {word}"), Answer::Failed(format!("no {word}")));
        made.program(name, answer)
    }

    /// What the kernel knows of its time; without, it tells nothing.
    pub(crate) fn kernel_time(mut self, time: KernelTime) -> MadeHost {
        self.kernel_time = Some(time);
        self
    }

    /// How far `/dev/NAME` is ahead of that, or why it is not read; other clocks are not there.
    pub(crate) fn phc(mut self, name: &str, ahead: Result<Ahead, io::ErrorKind>) -> MadeHost {
        self.phcs.insert(name.to_owned(), ahead);
        self
    }

    pub(crate) fn host(&self) -> Host {
        let answers = self.answers.clone();
        let ask = move |program: &str, words: &[&str]| {
            // The later word says more: `route get ADDR oif PORT`.
            let mut words = words.iter().rev();
            let asked = words.find_map(|word| answers.get(&format!("{program} {word}")));
            asked.or_else(|| answers.get(program)).cloned().unwrap_or(Answer::NotInstalled)
        };
        let (kernel_time, phcs) = (self.kernel_time, self.phcs.clone());
        let times = Times {
            kernel: Box::new(move || {
                kernel_time.ok_or_else(|| io::ErrorKind::PermissionDenied.into())
            }),
            phc: Box::new(move |path| {
                let name = path.file_name().unwrap().to_str().unwrap();
                let known = phcs.get(name).copied().unwrap_or(Err(io::ErrorKind::NotFound));
                known.map_err(Into::into)
            }),
        };
        Host::at(self.root.path(), Box::new(ask), times)
    }
}

/// What is asked by most tests: core 3 of four, without a NIC.
pub(crate) fn asked() -> Asked {
    Asked {
        profile: named("sim"),
        core: Some(3),
        allowed: vec![0, 1, 2, 3],
        nic: None,
        network: NetworkSettings::default(),
        calls: vec![None],
        build: Build { dpdk: Some("22.11.11".into()), linked: Vec::new(), mlx5dv: true },
    }
}

/// An engine's address in a network of 24 bits.
pub(crate) fn at(addr: Ipv4Addr) -> NetworkSettings {
    NetworkSettings { addr: Some((addr, 24)), ..NetworkSettings::default() }
}

pub(crate) fn named(name: &str) -> Profile {
    profile::load(name).unwrap()
}

/// The one check of that name.
pub(crate) fn of<'a>(checks: &'a [Check], name: &str) -> &'a Check {
    let mut found = checks.iter().filter(|check| check.subject.name == name);
    let check = found.next().unwrap_or_else(|| panic!("no check {name}: {checks:?}"));
    assert!(found.next().is_none(), "{name} twice");
    check
}

/// A check stands so, and says this among what it found or what mends it.
#[track_caller]
pub(crate) fn assert_state(check: &Check, state: State, says: &str) {
    assert_eq!(check.state, state, "{check:?}");
    let all = format!("{} | {}", check.found, check.remedy);
    assert!(all.contains(says), "{says:?} in {all:?}");
    assert_eq!(check.remedy.is_empty(), state == State::Ok, "{check:?}");
}
