//! `--profile NAME|FILE`.

use std::path::{Path, PathBuf};

use fixwire::offload::profile::{BUILT_IN, Merged, Profile, built_in};
use fixwire::offload::toml_file::{TomlFile, nearest};

use super::failure::Failure;
use super::text_file::{self, Unreadable};

/// Finds a profile: a built-in one by name, or a file. What a file extends is looked for beside it.
pub(crate) fn load(name: &str) -> Result<Profile, Failure> {
    merged(name).map(|merged| merged.profile)
}

/// The same, with where each value comes from.
pub(crate) fn merged(name: &str) -> Result<Merged, Failure> {
    let mut opened = Opened::default();
    let file = match built_in(name) {
        Some(file) => file,
        None => opened.open(Path::new(name)).map_err(|why| {
            let known = BUILT_IN.iter().map(|(known, _)| *known);
            let said = if Path::new(name).exists() {
                format!("the profile {name:?} cannot be read: {why}")
            } else {
                format!("no profile {name:?} is built in, and no file is called so: {why}")
            };
            Failure::Input(format!(
                "{said}; name a built-in profile or a file: {}",
                nearest(name, known)
            ))
        })?,
    };
    Ok(Profile::read(&file, &mut |from, base| {
        let folder = Path::new(&from.path).parent().unwrap_or(Path::new(""));
        opened.open(&folder.join(base))
    })?)
}

/// The files that were opened: where each really is, and the path that it was opened by first and is known by.
#[derive(Default)]
struct Opened(Vec<(PathBuf, String)>);

impl Opened {
    fn open(&mut self, path: &Path) -> Result<TomlFile, String> {
        let text = text_file::read(path)
            .map_err(|Unreadable { why, remedy }| format!("{why}, {remedy}"))?;
        let place = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let path = match self.0.iter().find(|(known, _)| *known == place) {
            Some((_, path)) => path.clone(),
            None => {
                self.0.push((place, path.display().to_string()));
                path.display().to_string()
            }
        };
        Ok(TomlFile { name: path.clone(), path, text })
    }
}
