//! DPDK inside the program instead of beside it: which of its archives the wanted drivers need, by the symbols
//! that each defines and wants, whatever the version.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What nothing refers to and no port does without: the two buses, and the pools' ring.
const ALWAYS: [&str; 3] = ["bus_pci", "bus_vdev", "mempool_ring"];

/// The drivers that FIXWIRE_DPDK_STATIC names, such as `net_mlx5,net_tap`; none where it is not set.
///
/// # Errors
/// It is set, and names none.
pub fn names(variable: &str) -> Result<Vec<&str>, String> {
    let names = variable.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<&str> = names.collect();
    if names.is_empty() && !variable.is_empty() {
        return Err(format!(
            "FIXWIRE_DPDK_STATIC is {variable:?} and names no driver: write those to link in, such as net_mlx5,net_tap, \
             or unset it for DPDK's shared libraries"
        ));
    }
    Ok(names)
}

/// The library that DPDK wants and pkg-config does not find, by what pkg-config says: DPDK wants some of shared builds
/// too, such as libbsd.
pub fn lacked(words: &str) -> Option<&str> {
    let (before, _) = words.split_once(", required by 'libdpdk")?;
    let name = before.rsplit('\'').nth(1)?;
    (!name.is_empty()).then_some(name)
}

/// Tells cargo to link `drivers`, with all that they and `functions` need. Each archive
/// goes in whole, since drivers register themselves and nothing refers to them.
///
/// # Errors
/// A sentence: DPDK's archives are not there, or no driver is called so.
pub fn link(drivers: &[&str], functions: &[&str]) -> Result<(), String> {
    let flags = pkg_config(&["--static", "--libs"])?;
    let folders: Vec<PathBuf> = flags
        .split_whitespace()
        .filter_map(|flag| flag.strip_prefix("-L").map(PathBuf::from))
        .chain([PathBuf::from(pkg_config(&["--variable=libdir"])?.trim())])
        .collect();
    let archives = archives(&flags, &folders)?;
    let mut wanted: Vec<&Archive> = Vec::new();
    for name in ALWAYS.iter().chain(drivers) {
        let found = archives.iter().find(|archive| archive.name == *name);
        wanted.push(found.ok_or_else(|| no_such(name, &archives))?);
    }
    let roots = functions.iter().filter(|name| !name.ends_with('*')).map(|name| (*name).to_owned());
    let missing = close_over(&mut wanted, &archives, roots.collect());
    for folder in &folders {
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
    for Archive { name, .. } in wanted {
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    for library in of_the_system(&flags, &missing) {
        println!("cargo:rustc-link-lib=dylib={library}");
    }
    Ok(())
}

/// One of DPDK's: `net_mlx5` of `librte_net_mlx5.a`.
struct Archive {
    name: String,
    defines: BTreeSet<String>,
    wants: BTreeSet<String>,
}

fn archives(flags: &str, folders: &[PathBuf]) -> Result<Vec<Archive>, String> {
    let mut archives: Vec<Archive> = Vec::new();
    for flag in flags.split_whitespace() {
        let file = flag.rsplit(['/', ':']).next().unwrap_or_default();
        let Some(name) = file.strip_prefix("librte_").and_then(|name| name.strip_suffix(".a"))
        else {
            continue;
        };
        let Some(path) = folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file())
        else {
            continue;
        };
        if archives.iter().all(|known| known.name != name) {
            let (defines, wants) = symbols(&path, &[])?;
            archives.push(Archive { name: name.to_owned(), defines, wants });
        }
    }
    if archives.is_empty() {
        return Err("DPDK's archives (librte_*.a) are not installed: build it by `meson setup \
                    --default-library=static`, or apt-get install libdpdk-dev"
            .to_owned());
    }
    Ok(archives)
}

fn no_such(name: &str, archives: &[Archive]) -> String {
    let drivers = archives.iter().map(|archive| archive.name.as_str());
    let drivers: Vec<&str> = drivers.filter(|name| name.starts_with("net_")).collect();
    format!("FIXWIRE_DPDK_STATIC: this DPDK has no driver `{name}`; it has {}", drivers.join(", "))
}

/// Adds to `wanted` whatever defines what they want; what nothing of DPDK's defines is left.
fn close_over<'a>(
    wanted: &mut Vec<&'a Archive>,
    archives: &'a [Archive],
    mut missing: BTreeSet<String>,
) -> BTreeSet<String> {
    let mut by_symbol: HashMap<&str, &Archive> = HashMap::new();
    for archive in archives {
        for symbol in &archive.defines {
            by_symbol.entry(symbol).or_insert(archive);
        }
    }
    for archive in wanted.iter() {
        missing.extend(archive.wants.iter().cloned());
    }
    let mut left = BTreeSet::new();
    while let Some(symbol) = missing.pop_first() {
        if wanted.iter().any(|archive| archive.defines.contains(&symbol)) {
            continue;
        }
        match by_symbol.get(symbol.as_str()) {
            Some(archive) => {
                wanted.push(archive);
                missing.extend(archive.wants.iter().cloned());
            }
            None => {
                left.insert(symbol);
            }
        }
    }
    left
}

/// The libraries, shared ones of the system's, that define any of `missing`.
fn of_the_system<'a>(flags: &'a str, missing: &BTreeSet<String>) -> BTreeSet<&'a str> {
    let names = flags.split_whitespace().filter_map(|flag| flag.strip_prefix("-l"));
    let names: BTreeSet<&str> =
        names.filter(|name| !name.starts_with(':') && !name.starts_with("rte_")).collect();
    names
        .into_iter()
        .filter(|name| {
            let Some(path) = shared_library(name) else { return false };
            // What cannot be read is a linker's script, such as that of libm: the linker takes what it needs.
            symbols(&path, &["--dynamic"])
                .map_or(true, |(defines, _)| !defines.is_disjoint(missing))
        })
        .collect()
}

fn shared_library(name: &str) -> Option<PathBuf> {
    let file = format!("lib{name}.so");
    let asked = Command::new("cc").arg(format!("-print-file-name={file}")).output().ok()?;
    // What it does not find it gives back as it was asked.
    let path = PathBuf::from(String::from_utf8_lossy(&asked.stdout).trim());
    path.is_absolute().then_some(path)
}

/// The symbols that a library defines for others, and those that it wants of others.
fn symbols(path: &Path, flags: &[&str]) -> Result<(BTreeSet<String>, BTreeSet<String>), String> {
    let mut nm = Command::new("nm");
    nm.args(["--extern-only", "--format=posix"]).args(flags).arg(path);
    let said = nm.output().map_err(|error| format!("nm (binutils) does not run: {error}"))?;
    if !said.status.success() {
        return Err(format!("nm cannot read {}", path.display()));
    }
    let (mut defines, mut wants) = (BTreeSet::new(), BTreeSet::new());
    for line in String::from_utf8_lossy(&said.stdout).lines() {
        let mut words = line.split_whitespace();
        let (Some(symbol), Some(kind)) = (words.next(), words.next()) else { continue };
        let symbol = symbol.split('@').next().unwrap_or_default().to_owned();
        match kind {
            "U" => wants.insert(symbol),
            // Weak, and nobody need define it.
            "w" | "v" => false,
            kind if kind.len() == 1 => defines.insert(symbol),
            _ => false,
        };
    }
    let wants = wants.difference(&defines).cloned().collect();
    Ok((defines, wants))
}

fn pkg_config(args: &[&str]) -> Result<String, String> {
    let said = Command::new("pkg-config").args(args).arg("libdpdk").output();
    let said = said.map_err(|error| format!("pkg-config does not run: {error}"))?;
    if !said.status.success() {
        return Err(String::from_utf8_lossy(&said.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&said.stdout).into_owned())
}
