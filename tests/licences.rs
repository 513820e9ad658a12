//! Every dependency's licence is one that a closed trading system may be linked with.

use std::process::Command;

/// SPDX identifiers that ask for no more than a notice.
const ACCEPTED: [&str; 11] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// What the engine is built for; crates that other platforms alone need are not linked.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Whether an SPDX expression can be met with accepted licences alone: every part of an `AND`, any
/// part of an `OR` (the registry's old `/` means `OR`).
fn is_acceptable(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], " ");
    expression.split(" AND ").all(|part| {
        part.split(" OR ").any(|licence| {
            ACCEPTED.contains(&licence.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
        })
    })
}

#[test]
fn every_dependency_has_an_accepted_licence() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--offline",
            "--filter-platform",
            TARGET,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 20, "only {} packages", packages.len());
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !is_acceptable(package["license"].as_str().unwrap_or("none")))
        .map(|package| format!("{} ({})", package["name"], package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn an_expression_is_read_as_spdx_means_it() {
    assert!(is_acceptable("MIT OR GPL-3.0"));
    assert!(is_acceptable("MIT/Apache-2.0"));
    assert!(is_acceptable("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_acceptable("GPL-3.0"));
    assert!(!is_acceptable("MIT AND GPL-3.0"));
    assert!(!is_acceptable("none"));
}
