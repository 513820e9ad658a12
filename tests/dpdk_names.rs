//! DPDK's names of capabilities and NICs, held against DPDK's own headers and drivers; skipped by name where there are none.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use fixwire::offload::capability::Capability;
use fixwire::offload::profile::{FITTING, Profile, built_in};
use serde_json::Value;

/// Where a distribution's package puts them.
const HEADERS: &str = "/usr/include/dpdk";

/// Where it puts the drivers.
const DRIVERS: &str = "/usr/lib/x86_64-linux-gnu";

/// The words of a text, as C tells them apart.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '_'))
}

/// Every word of every header.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for entry in fs::read_dir(HEADERS).expect("a folder").flatten() {
        let is_header = entry.path().extension().is_some_and(|extension| extension == "h");
        let text = is_header.then(|| fs::read_to_string(entry.path()).unwrap_or_default());
        known.extend(text.iter().flat_map(|text| words(text)).map(str::to_owned));
    }
    known
}

#[test]
fn each_name_that_is_dpdk_s_is_in_its_headers() {
    if !Path::new(HEADERS).join("rte_ethdev.h").is_file() {
        return common::skip("DPDK's names of capabilities", "its headers are not installed");
    }
    let known = known();
    for capability in Capability::ALL {
        let is_api = |word: &&str| word.starts_with("RTE_") || word.starts_with("rte_");
        for name in words(capability.dpdk_name()).filter(is_api) {
            assert!(known.contains(name), "{capability}: DPDK knows no {name}");
        }
    }
}

/// What DPDK's driver of that name says of itself among the text in a file of its: the PCI numbers that it takes.
fn taken_by(driver: &str, bytes: &[u8]) -> Option<Vec<(u16, u16)>> {
    let mark = b"PMD_INFO_STRING= ";
    let places = bytes.windows(mark.len()).enumerate().filter(|(_, window)| window == mark);
    let said = places.filter_map(|(at, _)| {
        let rest = &bytes[at + mark.len()..];
        let end = rest.iter().position(|byte| *byte == 0)?;
        serde_json::from_slice::<Value>(&rest[..end]).ok()
    });
    let mut said = said.filter(|said| said["name"] == driver);
    let number = |ids: &Value, at: usize| ids[at].as_u64()?.try_into().ok();
    let ids = said.next()?["pci_ids"].as_array()?.clone();
    Some(ids.iter().filter_map(|ids| Some((number(ids, 0)?, number(ids, 1)?))).collect())
}

#[test]
fn each_nic_that_a_profile_is_for_is_one_that_its_driver_takes() {
    let test = "NICs that profiles are for";
    let Ok(folder) = fs::read_dir(DRIVERS) else {
        return common::skip(test, "DPDK's drivers are not installed");
    };
    let files = folder.flatten().map(|entry| entry.path());
    let is_driver = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("librte_net_") && name.ends_with(".so")
    };
    let files: Vec<Vec<u8>> = files.filter(is_driver).flat_map(fs::read).collect();
    if files.is_empty() {
        return common::skip(test, "DPDK's drivers are not installed");
    }
    for (vendor, devices, name) in FITTING {
        let profile = Profile::read(&built_in(name).expect("it is built in"), &mut |_, _| {
            Err("none is a file".into())
        });
        let driver = profile.expect("it reads").profile.drivers[0].clone();
        // Its drivers are of classes; the one of ethernet has another name for itself.
        let driver = if driver == "mlx5_pci" { "mlx5_eth".into() } else { driver };
        let taken = files.iter().find_map(|bytes| taken_by(&driver, bytes));
        let taken = taken.unwrap_or_else(|| panic!("{name}: DPDK has no driver {driver}"));
        for device in *devices {
            let ids = (*vendor, *device);
            assert!(taken.contains(&ids), "{name}: {driver} takes no {vendor:04x}:{device:04x}");
        }
    }
}
