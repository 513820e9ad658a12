//! Which scripts there are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The scripts beneath `path`, or `path` itself, in order, whatever else lies there. A folder that cannot be read is
/// told of on stderr, and passed over.
pub(super) fn scripts(path: &Path) -> Result<Vec<PathBuf>, String> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        // One that a link leads to is looked into once.
        if !folder.canonicalize().is_ok_and(|folder| seen.insert(folder)) {
            continue;
        }
        match std::fs::read_dir(&folder) {
            Ok(entries) => {
                let paths = entries.flatten().map(|entry| entry.path());
                let (inner, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
                folders.extend(inner);
                found.extend(files.into_iter().filter(|path| is_script(path)));
            }
            Err(error) => eprintln!("packetdrill-suite: {}: {error}", folder.display()),
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(format!("{}: no script (*.pkt) beneath it", path.display()));
    }
    Ok(found)
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pkt"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_found_beneath_a_folder_once_each_and_an_empty_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert!(scripts(folder.path()).unwrap_err().contains("no script"));
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["b/2.pkt", "a.pkt", "b/1.PKT", "notes.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("b/around")).unwrap();
        let found = scripts(folder.path()).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["a.pkt", "b/1.PKT", "b/2.pkt"]);
    }
}
