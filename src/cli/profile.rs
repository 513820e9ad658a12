//! `--profile NAME|FILE`.

use std::path::{Path, PathBuf};

use fixwire::offload::profile::{BUILT_IN, Profile, built_in};
use fixwire::offload::toml_file::TomlFile;

use super::failure::Failure;
use super::session_file::readable_remedy;

/// Finds a profile: a built-in one by name, or a file. What it extends is looked for beside it.
pub(crate) fn load(name: &str) -> Result<Profile, Failure> {
    let (file, folder) = match built_in(name) {
        Some(file) => (file, PathBuf::new()),
        None => {
            let folder = Path::new(name).parent().map(Path::to_path_buf).unwrap_or_default();
            let file = open(Path::new(name)).map_err(|why| {
                let known = BUILT_IN.map(|(known, _)| known).join(", ");
                Failure::Input(format!(
                    "the profile {name:?} cannot be read: {why}; name a built-in one ({known}) or a file"
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
