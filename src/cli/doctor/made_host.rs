//! A host made of files, for tests.

use std::collections::HashMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;

use fixwire::offload::profile::Profile;

use super::Asked;
use super::build::Build;
use super::check::{Check, State};
use super::host::Host;
use super::program::Answer;
use crate::cli::profile;
use crate::cli::session_file::NetworkSettings;

/// A folder that is a host's root, and what its programs say.
pub(crate) struct MadeHost {
    root: tempfile::TempDir,
    answers: HashMap<String, Answer>,
}

impl MadeHost {
    pub(crate) fn new() -> MadeHost {
        MadeHost { root: tempfile::tempdir().unwrap(), answers: HashMap::new() }
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

    pub(crate) fn host(&self) -> Host {
        let answers = self.answers.clone();
        let ask = move |program: &str, words: &[&str]| {
            // The later word says more: `route get ADDR oif PORT`.
            let mut words = words.iter().rev();
            let asked = words.find_map(|word| answers.get(&format!("{program} {word}")));
            asked.or_else(|| answers.get(program)).cloned().unwrap_or(Answer::NotInstalled)
        };
        Host::at(self.root.path(), Box::new(ask))
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
