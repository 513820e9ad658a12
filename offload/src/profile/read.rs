//! Profiles as TOML: built in, or a file of the user's that extends one.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{Core, Idle, Policy, Profile};
use crate::capability::Capability;
use crate::toml_file::{TomlError, TomlFile, nearest};
use crate::verdict::Audit;

/// The profiles that come with the engine: name and text.
pub const BUILT_IN: [(&str, &str); 3] = [
    ("default", include_str!("../../profiles/default.toml")),
    ("sim", include_str!("../../profiles/sim.toml")),
    ("tap", include_str!("../../profiles/tap.toml")),
];

/// The text of a built-in profile.
pub fn built_in(name: &str) -> Option<TomlFile> {
    let (_, text) = BUILT_IN.into_iter().find(|(known, _)| *known == name)?;
    Some(TomlFile {
        name: name.to_owned(),
        path: format!("built-in profile {name}"),
        text: text.to_owned(),
    })
}

const WHERE_KEYS_ARE: &str = "every key is explained in offload/profiles/default.toml";
/// More profiles in a row than anyone means: it is a circle, or nearly one.
const EXTENDS_DEPTH_MAX: usize = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    extends: Option<Spanned<String>>,
    rx_checksum_audit: Option<Spanned<String>>,
    #[serde(default)]
    offloads: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    buffers: Buffers,
    #[serde(default)]
    engine: Engine,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Buffers {
    frames: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Engine {
    core: Option<Spanned<toml::Value>>,
    idle: Option<Spanned<String>>,
}

impl Profile {
    /// Reads a profile and what it extends. `find` yields the source that `extends` names; the
    /// built-in ones are found without it.
    ///
    /// # Errors
    /// Anything that is not a profile: the sentence names the file, the line and the remedy.
    pub fn read(
        source: &TomlFile,
        find: &mut dyn FnMut(&str) -> Result<TomlFile, String>,
    ) -> Result<Profile, TomlError> {
        let mut chain: Vec<(TomlFile, File)> = Vec::new();
        let mut next = Some(source.clone());
        while let Some(source) = next.take() {
            let file: File = source.parse(WHERE_KEYS_ARE)?;
            if let Some(base) = &file.extends {
                let name = base.get_ref();
                if chain.len() >= EXTENDS_DEPTH_MAX
                    || chain.iter().any(|(seen, _)| seen.name == *name)
                {
                    return Err(source.error(
                        base.span(),
                        format!("`extends = {name:?}` closes a circle"),
                        "let one profile of the circle extend a built-in one, such as \"default\"",
                    ));
                }
                next = Some(match built_in(name) {
                    Some(found) if found.name != source.name => found,
                    _ => find(name).map_err(|why| {
                        source.error(
                            base.span(),
                            format!("the profile {name:?} cannot be read: {why}"),
                            &known_profiles(),
                        )
                    })?,
                });
            }
            chain.push((source, file));
        }
        let mut profile = Profile::all(Policy::Prefer);
        for (source, file) in chain.into_iter().rev() {
            apply(&mut profile, &source, file)?;
        }
        profile.name.clone_from(&source.name);
        Ok(profile)
    }
}

fn apply(profile: &mut Profile, place: &TomlFile, file: File) -> Result<(), TomlError> {
    if let Some(audit) = file.rx_checksum_audit {
        profile.rx_checksum_audit = Audit::parse(audit.get_ref()).ok_or_else(|| {
            place.bad_value(
                &audit,
                "rx_checksum_audit",
                "write \"always\", \"off\" or \"1/N\" with N of at least 1",
            )
        })?;
    }
    for (key, value) in file.offloads {
        let capability = Capability::named(key.get_ref()).ok_or_else(|| {
            place.error(
                key.span(),
                format!("unknown key `{}` in [offloads]", key.get_ref()),
                &nearest(key.get_ref(), Capability::ALL.iter().map(|known| known.name())),
            )
        })?;
        let policy = Policy::parse(value.get_ref()).ok_or_else(|| {
            place.bad_value(&value, capability.name(), "write \"off\", \"prefer\" or \"require\"")
        })?;
        if policy == Policy::Require && capability.always_off() {
            return Err(place.error(
                value.span(),
                format!("`{capability}` cannot be required: {}", capability.doc()),
                "write \"off\", or delete the line",
            ));
        }
        *profile = profile.clone().with(capability, policy);
    }
    if let Some(frames) = file.buffers.frames {
        let count = *frames.get_ref();
        if !(128..=1_048_576).contains(&count) {
            return Err(place.error(
                frames.span(),
                format!("`frames` is {count}"),
                "write a number from 128 to 1048576",
            ));
        }
        profile.frames = count as usize;
    }
    if let Some(core) = file.engine.core {
        let number = core.get_ref().as_integer().and_then(|number| u16::try_from(number).ok());
        profile.core = match (number, core.get_ref().as_str()) {
            (Some(number), _) => Core::Number(number),
            (_, Some("auto")) => Core::Auto,
            (_, Some("any")) => Core::Any,
            _ => {
                return Err(place.error(
                    core.span(),
                    format!("`core` is {}", place.text.get(core.span()).unwrap_or("no core")),
                    "write \"auto\", \"any\" or a core's number",
                ));
            }
        };
    }
    if let Some(idle) = file.engine.idle {
        profile.idle = match idle.get_ref().as_str() {
            "spin" => Idle::Spin,
            "yield" => Idle::Yield,
            _ => return Err(place.bad_value(&idle, "idle", "write \"spin\" or \"yield\"")),
        };
    }
    Ok(())
}

fn known_profiles() -> String {
    let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    format!("name a built-in profile ({}) or a file", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Profile, TomlError> {
        let source = TomlFile { name: "mine".into(), path: "mine.toml".into(), text: text.into() };
        Profile::read(&source, &mut |name| match name {
            "loop.toml" => Ok(TomlFile {
                name: "loop.toml".into(),
                path: "loop.toml".into(),
                text: "extends = \"mine\"".into(),
            }),
            _ => Err("no such file".into()),
        })
    }

    #[test]
    fn every_built_in_profile_reads() {
        for (name, _) in BUILT_IN {
            let source = built_in(name).unwrap();
            let profile = Profile::read(&source, &mut |_| Err("none".into())).unwrap();
            assert_eq!(profile.name, name);
        }
    }

    #[test]
    fn default_names_every_capability() {
        let text = built_in("default").unwrap().text;
        for capability in Capability::ALL {
            assert!(text.contains(&format!("\n{capability} = ")), "{capability}");
        }
    }

    #[test]
    fn a_short_profile_changes_only_what_it_says() {
        let base = read("extends = \"tap\"").unwrap();
        let mine = read("extends = \"tap\"\n[offloads]\nrx_timestamp = \"require\"\n").unwrap();
        assert_eq!(mine.policy(Capability::RxTimestamp), Policy::Require);
        assert_eq!(mine.with(Capability::RxTimestamp, base.policy(Capability::RxTimestamp)), base);
    }

    #[test]
    fn each_mistake_is_a_sentence_with_file_line_and_remedy() {
        let cases = [
            ("colour = 1\n", 1, "unknown key `colour`", "delete it"),
            (
                "\n[offloads]\nrx_tcp_cheksum = \"off\"\n",
                3,
                "unknown key `rx_tcp_cheksum` in [offloads]",
                "`rx_tcp_checksum`?",
            ),
            (
                "[offloads]\nrx_tcp_checksum = \"yes\"\n",
                2,
                "`rx_tcp_checksum` is \"yes\"",
                "\"prefer\"",
            ),
            ("[offloads]\ntso = \"require\"\n", 2, "cannot be required", "\"off\""),
            ("rx_checksum_audit = \"1/0\"\n", 1, "`rx_checksum_audit` is \"1/0\"", "1/N"),
            ("[buffers]\nframes = 7\n", 2, "`frames` is 7", "128"),
            ("[engine]\ncore = \"fast\"\n", 2, "`core` is \"fast\"", "auto"),
            ("[engine]\ncore = 70000\n", 2, "`core` is 70000", "a core's number"),
            ("[engine]\nidle = \"sleep\"\n", 2, "`idle` is \"sleep\"", "yield"),
            ("extends = \"nosuch\"\n", 1, "\"nosuch\" cannot be read", "built-in"),
            ("x = [\n", 1, "", "correct the line"),
        ];
        for (text, line, what, remedy) in cases {
            let error = read(text).unwrap_err();
            let sentence = error.to_string();
            assert!(
                sentence.starts_with(&format!("mine.toml:{line}: ")) || what.is_empty(),
                "{sentence}"
            );
            assert!(sentence.contains(what) && sentence.contains(remedy), "{sentence}");
            assert!(!sentence.contains('\n'), "{sentence}");
        }
    }

    #[test]
    fn a_circle_of_extends_is_refused() {
        let error = read("extends = \"loop.toml\"").unwrap_err();
        assert!(error.what.contains("circle"), "{error}");
    }
}
