//! `fixwire conformance` as a user's CI runs it.

use std::process::{Command, Output};

use fixwire_hw::sim::models;

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn conformance(arguments: &[&str]) -> Output {
    Command::new(BIN).arg("conformance").args(arguments).output().expect("fixwire runs")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many cases passed, by the last line. None must have failed.
fn passed(output: &Output) -> u32 {
    let text = text(output);
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let last = text.lines().last().expect("a last line");
    let (passed, rest) = last.split_once(" passed, ").expect("the totals");
    assert_eq!(rest, "0 failed");
    passed.parse().expect("a number")
}

#[test]
fn every_subset_of_a_connectx5_trades_the_same_whatever_it_says_and_whatever_the_line_does() {
    // Eight capabilities of the data path, ten ways to speak, two lines.
    assert_eq!(passed(&conformance(&["--nic", "sim:connectx5", "--all-subsets"])), 256 * 10 * 2);
}

#[test]
fn every_model_trades_the_same_with_all_that_it_has() {
    for name in models::names() {
        assert_eq!(passed(&conformance(&["--nic", &format!("sim:{name}")])), 20, "{name}");
    }
}

#[test]
fn what_the_device_is_to_lack_it_lacks_in_every_case() {
    let without = "rx_timestamp,flow_steering,flow_drop,flow_mark";
    let output = conformance(&["--nic", "sim", "--without", without, "--all-subsets"]);
    assert_eq!(passed(&output), 16 * 10 * 2);
}

#[test]
fn the_cases_are_written_as_junit_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cases.xml");
    passed(&conformance(&["--nic", "sim:virtio", "--junit", path.to_str().unwrap()]));
    let xml = std::fs::read_to_string(path).unwrap();
    assert!(xml.starts_with("<?xml"), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), 20);
    assert!(xml.contains("tests=\"20\"") && xml.contains("failures=\"0\""), "{xml}");
}

#[test]
fn a_profile_that_requires_what_a_subset_lacks_is_refused_there_and_trades_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "extends = \"connectx5\"\n[offloads]\nrx_timestamp = \"require\"\n")
        .unwrap();
    let profile = path.to_str().unwrap();
    let nothing = conformance(&["--nic", "sim:virtio", "--profile", profile]);
    assert_eq!(nothing.status.code(), Some(3), "{}", text(&nothing));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("nothing was tried"));
    assert!(text(&nothing).contains("20 of 20 cases did not trade"), "{}", text(&nothing));
    assert!(text(&nothing).ends_with("\n0 passed, 0 failed\n"), "{}", text(&nothing));
    let without = "rx_ipv4_checksum,tx_ipv4_checksum,flow_drop,flow_mark,flow_steering";
    let arguments =
        ["--nic", "sim:connectx5", "--profile", profile, "--without", without, "--all-subsets"];
    assert_eq!(passed(&conformance(&arguments)), 4 * 10 * 2);
}

#[test]
fn a_liar_is_tried_under_the_profile_s_own_audit_unless_it_is_too_sparse_which_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    for (audit, cases, is_said) in [
        ("1/3", 20, false),
        ("1/500", 20, false),
        ("always", 18, false),
        ("1/100000", 18, true),
        ("off", 18, true),
    ] {
        std::fs::write(&path, format!("extends = \"e810\"\nrx_checksum_audit = \"{audit}\"\n"))
            .unwrap();
        let output = conformance(&["--nic", "sim:e810", "--profile", path.to_str().unwrap()]);
        assert_eq!(passed(&output), cases, "{audit}");
        assert_eq!(text(&output).contains("not tried"), is_said, "{audit}");
    }
}

#[test]
fn a_profile_s_own_rules_are_said_not_to_be_tried_and_are_refused_where_run_refuses_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let with_rules = |rules: &str| {
        std::fs::write(&path, format!("extends = \"e810\"\n{rules}")).unwrap();
        conformance(&["--nic", "sim:virtio", "--profile", path.to_str().unwrap()])
    };
    let rule = |len| format!("[[steering]]\nsrc = \"{len}.0.0.0/{len}\"\naction = \"drop\"\n");
    let output = with_rules(&rule(8));
    assert_eq!(passed(&output), 20);
    assert!(text(&output).contains("not tried: the profile's own [[steering]] rules"));
    // More masks than the software classifier has room for.
    let too_many = with_rules(&(8..28).map(rule).collect::<String>());
    let errors = String::from_utf8_lossy(&too_many.stderr);
    assert_eq!(too_many.status.code(), Some(2), "{errors}");
    assert!(errors.contains("the steering of profile"), "{errors}");
}

#[test]
fn what_cannot_be_tried_is_said_in_a_sentence() {
    for (arguments, code, words) in [
        (&["--nic", "tap"][..], 2, "sim:MODEL"),
        // Queues of a port or not: it has no line that can be corrupted.
        (&["--nic", "dpdk:net_ring0"], 2, "`sim:MODEL`"),
        (&["--nic", "sim:conectx5"], 2, "`connectx5`?"),
        (&["--without", "rx_magic"], 2, "no capability"),
        (&["--profile", "nope"], 2, "no profile \"nope\""),
        (&["--nic", "sim:virtio", "--junit", "/no/such/folder/x.xml"], 1, "cannot be written"),
        (&["--nic", "sim:virtio", "--junit", "/dev/full"], 1, "cannot be written"),
    ] {
        let output = conformance(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {errors}");
        assert!(errors.contains(words), "{arguments:?}: {errors}");
    }
}
