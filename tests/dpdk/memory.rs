//! The memory that frames lie in: huge pages, ordinary ones, and too little of either.

use std::fs;

use crate::common::inside::no_root;
use crate::common::report::{checked, checked_text};
use crate::common::{no_namespace, skip};
use crate::huge_pages::Reserved;
use crate::line::{count_in_words, errors, fixwire, run, write};
use crate::lost::{endless, report_in_words};
use crate::same::same;

const NIC: &str = "dpdk:net_tap0,iface=dtap0";

/// What a short run says of its memory.
fn said() -> String {
    let output = fixwire().args(["run", "--nic", NIC, "--orders", "20"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let text = checked_text(String::from_utf8_lossy(&output.stdout).into_owned());
    assert!(text.contains("20 orders sent, 20 reports received"), "{text}");
    let line = text.lines().find(|line| line.contains("frames lie in")).expect("it says so");
    line.to_owned()
}

/// What it says of it beside a report for machines.
fn said_beside_json() -> String {
    let output =
        fixwire().args(["run", "--json", "--nic", NIC, "--orders", "20"]).output().unwrap();
    let words = errors(&output);
    assert_eq!(output.status.code(), Some(0), "{words}");
    let report = checked(serde_json::from_slice(&output.stdout).expect("JSON alone"));
    assert_eq!(report["session"]["reports_received"], 20, "{report}");
    let foreign = words.lines().find(|line| !line.starts_with("fixwire: "));
    assert_eq!(foreign, None, "the driver's words are kept where nothing fails: {words}");
    words.lines().find(|line| line.contains("frames lie in")).expect("it says so").to_owned()
}

#[test]
fn a_report_for_machines_has_what_is_said_of_memory_beside_it() {
    if let Some(why) = no_namespace() {
        return skip("memory::a_report_for_machines_has_what_is_said_of_memory_beside_it", &why);
    }
    let line = said_beside_json();
    assert!(line.starts_with("fixwire: net_tap0: driver net_tap, DPDK "), "{line}");
    let is_huge = line.contains("frames lie in huge pages, ");
    let why_not = line.contains("of ordinary pages (")
        && line.contains(" MiB of huge pages are free, and it takes 64");
    assert!(is_huge || why_not, "{line}");
}

#[test]
fn frames_lie_in_huge_pages_where_enough_are_free_and_elsewhere_it_is_said_why_not() {
    let test =
        "memory::frames_lie_in_huge_pages_where_enough_are_free_and_elsewhere_it_is_said_why_not";
    if let Some(why) = no_namespace().or_else(no_root) {
        return skip(test, &why);
    }
    let mut reserved = match Reserved::begin() {
        Ok(reserved) => reserved,
        Err(why) => return skip(test, &why),
    };
    for (pages, said_of_them) in
        [(0, "(0 MiB of huge pages are free"), (16, "(32 MiB of huge pages are free")]
    {
        if let Err(why) = reserved.set(pages) {
            return skip(test, &why);
        }
        let line = said();
        let ordinary = format!(
            "256 MiB of ordinary pages {said_of_them}, and it takes 64: `sysctl vm.nr_hugepages="
        );
        assert!(line.contains(&ordinary), "{line}");
    }
    if let Err(why) = reserved.set(256) {
        return skip(test, &why);
    }
    let line = said();
    assert!(
        line.contains("frames lie in huge pages, ") && line.contains(" MiB free at the start"),
        "{line}"
    );
    same(|| [run(NIC, &[])]);
    // Of a process that runs, the kernel says what is mapped.
    let running = endless(NIC, &[]);
    let smaps = fs::read_to_string(format!("/proc/{}/smaps_rollup", running.id())).unwrap();
    let kib = |key| {
        let line = smaps.lines().find_map(|line| line.strip_prefix(key)).expect("a line of it");
        line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number")
    };
    let huge_kib = kib("Private_Hugetlb:") + kib("Shared_Hugetlb:");
    assert!(huge_kib >= 2_048, "{smaps}");
    let text = report_in_words(running);
    assert_eq!(count_in_words(&text, "close_logout_complete"), 1, "{text}");
    let folder = tempfile::tempdir().unwrap();
    let words = too_many_frames(folder.path());
    assert!(
        words.contains(" MiB of huge pages were free, and both directions take some "),
        "{words}"
    );
}

/// What a run says whose frames no memory holds.
fn too_many_frames(folder: &std::path::Path) -> String {
    let profile = "extends = \"tap\"\n[buffers]\nframes = 1048576\n";
    let profile = write(folder, "profile.toml", profile);
    let fixed = ["run", "--json", "--nic", NIC, "--profile", &profile];
    let output = fixwire().args(fixed).output().unwrap();
    let words = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{words}");
    assert!(
        words.contains("no memory for 524288 frames of ")
            && words.contains("fewer `frames` under [buffers]"),
        "{words}"
    );
    assert!(
        words.contains("smaller `rx_descriptors` and `tx_descriptors` under [queues]"),
        "{words}"
    );
    words
}

#[test]
fn more_frames_than_memory_are_refused_with_what_they_take() {
    if let Some(why) = no_namespace() {
        return skip("memory::more_frames_than_memory_are_refused_with_what_they_take", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    too_many_frames(folder.path());
}
