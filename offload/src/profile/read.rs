//! Profiles as TOML: built in, or a file of the user's that extends one.

use toml::Value;

use super::devargs::{self, Clash};
use super::file::File;
use super::merge::{Layers, Merged};
use super::{BUILT_IN, Calibration, ClockSettings, Policy, Profile, Queues, built_in};
use crate::flow::{OnMiss, RuleSet};
use crate::plan::contradictions;
use crate::toml_file::{TomlError, TomlFile, nearest};

const WHERE_KEYS_ARE: &str = "every key is explained by `fixwire profiles show default`";
/// The most files in a row, each of which extends the next.
const EXTENDS_DEPTH_MAX: usize = 16;
/// What every profile extends in the end.
const ROOT: &str = "default";

/// Finds what a file extends, by the name that it gives it.
pub type Find<'a> = dyn FnMut(&TomlFile, &str) -> Result<TomlFile, String> + 'a;

impl Profile {
    /// Reads a profile and what it extends. `find` is given a file and what that file extends, and yields the
    /// source, by the same path each time; the built-in ones are found without it.
    ///
    /// # Errors
    /// Anything that is not a profile: the sentence names the file, the line and the remedy.
    pub fn read(source: &TomlFile, find: &mut Find<'_>) -> Result<Merged, TomlError> {
        let mut layers = Layers::default();
        let mut rules = Vec::new();
        for file in chain(source, find)?.iter().rev() {
            layers.lay(file)?;
            if let Some(entries) = read_alone(file)?.steering {
                rules = RuleSet::read(&entries, OnMiss::Queue(0), file)?.rules().to_vec();
            }
        }
        let place = |keys: &[&str], what: String, remedy: &str| {
            let setting = layers.last_written(keys);
            TomlError {
                path: setting.map_or_else(|| source.path.clone(), |setting| setting.from.clone()),
                line: setting.map_or(1, |setting| setting.line),
                what,
                remedy: remedy.to_owned(),
            }
        };
        // Each file has been read by itself: whatever the table holds is right by itself.
        let file: File =
            Value::Table(layers.table()).try_into().map_err(|error: toml::de::Error| {
                place(&[], error.message().to_owned(), WHERE_KEYS_ARE)
            })?;
        let profile = Profile { steering: rules, ..whole(source, file) };
        check(&profile, &place)?;
        Ok(Merged { profile, settings: layers.into_settings() })
    }
}

/// A profile and all that it extends, the last of which is the default.
fn chain(source: &TomlFile, find: &mut Find<'_>) -> Result<Vec<TomlFile>, TomlError> {
    let mut chain = vec![source.clone()];
    loop {
        let source = &chain[chain.len() - 1];
        let Some(name) = read_alone(source)?.extends else {
            if source.name != ROOT {
                chain.extend(built_in(ROOT));
            }
            return Ok(chain);
        };
        let base = match built_in(&name) {
            Some(found) => found,
            None if chain.len() >= EXTENDS_DEPTH_MAX => {
                return Err(at_key(
                    source,
                    "extends",
                    format!(
                        "`extends = {name:?}` is one too many: {EXTENDS_DEPTH_MAX} files stand in a row already"
                    ),
                    "put two of them into one, or let one extend a built-in profile",
                ));
            }
            None => find(source, &name).map_err(|why| {
                let known = BUILT_IN.iter().map(|(name, _)| *name);
                at_key(
                    source,
                    "extends",
                    format!("the profile {name:?} cannot be read: {why}"),
                    &format!("name a built-in profile or a file; {}", nearest(&name, known)),
                )
            })?,
        };
        if chain.iter().any(|seen| seen.path == base.path) {
            return Err(at_key(
                source,
                "extends",
                format!("`extends = {name:?}` closes a circle"),
                "let one profile of the circle extend a built-in one, such as \"default\"",
            ));
        }
        chain.push(base);
    }
}

/// One file without those that it extends: every mistake in it is found here, with its line.
fn read_alone(source: &TomlFile) -> Result<File, TomlError> {
    let file: File = source.parse(WHERE_KEYS_ARE)?;
    for (capability, policy) in &file.offloads {
        if *policy == Policy::Require && capability.always_off() {
            return Err(at_key(
                source,
                capability.name(),
                format!("`{capability}` cannot be required: {}", capability.doc()),
                "write \"off\", or delete the line",
            ));
        }
    }
    Ok(file)
}

/// A mistake at the line that a key stands on.
fn at_key(source: &TomlFile, key: &str, what: String, remedy: &str) -> TomlError {
    let is_key = |line: &str| line.split('=').next().is_some_and(|name| name.trim() == key);
    let line = source.text.lines().position(is_key).map_or(1, |line| line + 1);
    TomlError { path: source.path.clone(), line, what, remedy: remedy.to_owned() }
}

/// The profile that a merged table is. The default profile writes every key, which a test sees to; what
/// it might not write is what [`Profile::all`] says.
fn whole(source: &TomlFile, file: File) -> Profile {
    let otherwise = Profile::all(Policy::Prefer);
    let File { queues, clock, calibration, .. } = file;
    let mut profile = Profile {
        name: source.name.clone(),
        about: file.about.unwrap_or(otherwise.about),
        drivers: file.drivers.unwrap_or(otherwise.drivers),
        strict: file.strict.unwrap_or(otherwise.strict),
        rx_checksum_audit: file.rx_checksum_audit.unwrap_or(otherwise.rx_checksum_audit),
        devargs: file.device.devargs.unwrap_or(otherwise.devargs),
        eal: file.device.eal.unwrap_or(otherwise.eal),
        queues: Queues {
            rx: queues.rx.unwrap_or(otherwise.queues.rx),
            tx: queues.tx.unwrap_or(otherwise.queues.tx),
            rx_descriptors: queues.rx_descriptors.unwrap_or(otherwise.queues.rx_descriptors),
            tx_descriptors: queues.tx_descriptors.unwrap_or(otherwise.queues.tx_descriptors),
        },
        frames: file.buffers.frames.map_or(otherwise.frames, |frames| frames as usize),
        core: file.engine.core.unwrap_or(otherwise.core),
        numa_node: file.engine.numa_node.unwrap_or(otherwise.numa_node),
        idle: file.engine.idle.unwrap_or(otherwise.idle),
        neighbors: file.network.neighbors.unwrap_or(otherwise.neighbors),
        clock: ClockSettings {
            refresh_ms: clock.refresh_ms.unwrap_or(otherwise.clock.refresh_ms),
            readings: clock.readings.unwrap_or(otherwise.clock.readings),
            drift_ppm_max: clock.drift_ppm_max.unwrap_or(otherwise.clock.drift_ppm_max),
            wander_ppb_per_s_max: clock
                .wander_ppb_per_s_max
                .unwrap_or(otherwise.clock.wander_ppb_per_s_max),
            slew_ppm_max: clock.slew_ppm_max.unwrap_or(otherwise.clock.slew_ppm_max),
            jump_ns_min: clock.jump_ns_min.unwrap_or(otherwise.clock.jump_ns_min),
            stale_after_ms: clock.stale_after_ms.unwrap_or(otherwise.clock.stale_after_ms),
            queue_delay_us_max: clock
                .queue_delay_us_max
                .unwrap_or(otherwise.clock.queue_delay_us_max),
        },
        calibration: Calibration {
            rx_stamp_ns: calibration.rx_stamp_ns.unwrap_or(otherwise.calibration.rx_stamp_ns),
            rx_stamp_error_ns: calibration
                .rx_stamp_error_ns
                .unwrap_or(otherwise.calibration.rx_stamp_error_ns),
            source: calibration.source.unwrap_or(otherwise.calibration.source),
        },
        steering: otherwise.steering,
        policies: otherwise.policies,
    };
    for (capability, policy) in file.offloads {
        profile = profile.with(capability, policy);
    }
    profile
}

/// What no file says wrong by itself, and all of them together do. `place` is told the keys that do not go
/// together: the mistake stands where the last of them was written.
fn check(
    profile: &Profile,
    place: &impl Fn(&[&str], String, &str) -> TomlError,
) -> Result<(), TomlError> {
    if let Some(contradiction) = contradictions(profile).next() {
        let (one, other) = (contradiction.one, contradiction.other);
        return Err(place(
            &[&format!("offloads.{one}"), &format!("offloads.{other}")],
            format!(
                "`{one} = \"{}\"` contradicts `{other} = \"{}\"`: {}",
                profile.policy(one),
                profile.policy(other),
                contradiction.why
            ),
            &format!(
                "write \"prefer\" for the one that may yield, or \"{}\" for both",
                if profile.policy(other) == Policy::Off { "off" } else { "prefer" }
            ),
        ));
    }
    if let Some(Clash { capability, arg, does }) = devargs::clash(profile) {
        let policy = profile.policy(capability);
        return Err(place(
            &["device.devargs", &format!("offloads.{capability}")],
            format!("`{capability} = \"{policy}\"` contradicts `{arg}` in `devargs`, {does}"),
            &format!("write `{capability} = \"prefer\"`, or take `{arg}` out of `devargs`"),
        ));
    }
    let clock = &profile.clock;
    if clock.stale_after_ms <= clock.refresh_ms {
        return Err(place(
            &["clock.stale_after_ms", "clock.refresh_ms"],
            format!(
                "`stale_after_ms` is {}, and the clock is read every {} ms",
                clock.stale_after_ms, clock.refresh_ms
            ),
            "write a `stale_after_ms` that is larger than `refresh_ms`, several times if a reading may fail",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
