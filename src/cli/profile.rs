//! `--profile NAME|FILE`.

use std::path::{Path, PathBuf};

use fixwire::offload::profile::{BUILT_IN, Merged, Profile, built_in};
use fixwire::offload::toml_file::{TomlFile, nearest};

use super::failure::Failure;
use super::session_file::readable_remedy;

/// Finds a profile: a built-in one by name, or a file. What it extends is looked for beside it.
pub(crate) fn load(name: &str) -> Result<Profile, Failure> {
    merged(name).map(|merged| merged.profile)
}

/// The same, with where each value comes from.
pub(crate) fn merged(name: &str) -> Result<Merged, Failure> {
    let (file, folder) = match built_in(name) {
        Some(file) => (file, PathBuf::new()),
        None => {
            let folder = Path::new(name).parent().map(Path::to_path_buf).unwrap_or_default();
            let file = open(Path::new(name)).map_err(|why| {
                let known = BUILT_IN.iter().map(|(known, _)| *known);
                Failure::Input(format!(
                    "the profile {name:?} cannot be read: {why}; name a file or a built-in profile: {}",
                    nearest(name, known)
                ))
            })?;
            (file, folder)
        }
    };
    Ok(Profile::read(&file, &mut |base| open(&folder.join(base)))?)
}

fn open(path: &Path) -> Result<TomlFile, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("{error}, {}", readable_remedy(&error)))?;
    let name = path.display().to_string();
    Ok(TomlFile { name: name.clone(), path: name, text })
}
