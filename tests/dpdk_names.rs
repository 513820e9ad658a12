//! DPDK's names of capabilities, held against DPDK's own headers; skipped by name where there are none.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fixwire::offload::capability::Capability;

/// Where a distribution's package puts them.
const HEADERS: &str = "/usr/include/dpdk";

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
