//! Whose clock a stamp is by: interfaces of a file, files that were merged, devices that have one number.

use std::path::Path;
use std::process::Command;

use super::dialogue::{Course, Passed, S, Session};
use super::files::{Order, arista, if_tsresol, interface, metamako, packet, section};
use super::refused::{arguments, in_two_files, notes, pcap};
use super::{errors, measure, report, write};
use crate::common::{has, skip};

/// A file of an interface for each direction, in the order of time, the trader's clock ahead by so many picoseconds.
fn by_two_interfaces(frames: &[Passed], ahead_ps: u64) -> Vec<u8> {
    let mut file = section(Order::Little);
    for _ in 0..2 {
        file.extend(interface(Order::Little, 1, &[if_tsresol(9)]));
    }
    let ahead = |passed: &Passed| Passed {
        ps: passed.ps + if passed.is_ours { ahead_ps } else { 0 },
        ..passed.clone()
    };
    let mut frames: Vec<_> = frames.iter().map(ahead).collect();
    frames.sort_by_key(|passed| passed.ps);
    for passed in &frames {
        let ticks = u64::from(S) * 1_000_000_000 + passed.ps / 1_000;
        file.extend(packet(Order::Little, passed.is_ours.into(), ticks, &passed.bytes));
    }
    file
}

/// The same session, of which the other side is the trader.
fn reversed(session: &Session) -> Vec<Passed> {
    let reversed = |passed: &Passed| Passed { is_ours: !passed.is_ours, ..passed.clone() };
    session.frames.iter().map(reversed).collect()
}

#[test]
fn interfaces_of_a_file_are_two_clocks_unless_somebody_vouches_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let file = write(folder.path(), "two.pcapng", &by_two_interfaces(&session.frames, 0));
    let file = file.to_str().unwrap();
    let apart = report(&[file]);
    assert_eq!(apart["intervals"].as_array().unwrap().len(), 0, "{apart:#}");
    let excluded = &apart["excluded"]["trigger_to_order"]["incomparable_clocks"];
    assert_eq!(*excluded, session.trigger_to_order.len(), "{apart:#}");
    let said = notes(&apart);
    assert!(said.contains("that interface 0 of file 1 was recorded by"), "{said}");
    assert!(
        said.contains("if one clock recorded both interfaces, say so by --one-clock"),
        "{said}"
    );

    let one = report(&[file, "--one-clock"]);
    let together = write(folder.path(), "both.pcap", &pcap(&session.frames));
    assert_eq!(one["intervals"], report(&[together.to_str().unwrap()])["intervals"]);
    // Of one interface nobody needs to vouch.
    let both = session.frames.iter().map(|passed| Passed { is_ours: false, ..passed.clone() });
    let both = by_two_interfaces(&both.collect::<Vec<_>>(), 0);
    let both = write(folder.path(), "one.pcapng", &both);
    let both = report(&[both.to_str().unwrap()]);
    assert_eq!(both["intervals"][1]["p50_ns"], one["intervals"][1]["p50_ns"], "{both:#}");
    assert_eq!(both["intervals"][1]["samples"], session.trigger_to_order.len());
}

#[test]
fn interfaces_whose_clocks_disagree_are_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let frames = reversed(&Session::new(200, Course::Smooth));
    let file = write(folder.path(), "apart.pcapng", &by_two_interfaces(&frames, 50_000_000));
    let file = file.to_str().unwrap();
    let said = notes(&report(&[file]));
    assert!(
        said.contains("the clocks of the interfaces disagree: interface 0 of file 1 acknowledges"),
        "{said}"
    );
    let vouched = measure(&[file, "--one-clock"]);
    let said = errors(&vouched);
    assert!(!vouched.status.success() && vouched.stdout.is_empty(), "{said}");
    assert!(
        said.contains("the interfaces were not recorded by one clock: interface 0 of "),
        "{said}"
    );
    assert!(said.contains("leave --one-clock away"), "{said}");
}

#[test]
fn what_mergecap_puts_on_one_interface_is_by_nobody_s_clock() {
    const NAME: &str = "measure::what_mergecap_puts_on_one_interface_is_by_nobody_s_clock";
    if !has("mergecap") {
        return skip(NAME, "mergecap is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(200, Course::Smooth);
    let paths = in_two_files(folder.path(), &session.frames, 0);
    for mode in ["all", "none"] {
        let merged = folder.path().join("merged.pcapng");
        let mergecap = Command::new("mergecap")
            .args(["-I", mode, "-w"])
            .arg(&merged)
            .args(&paths)
            .output()
            .unwrap();
        assert!(mergecap.status.success(), "{}", errors(&mergecap));
        let merged = merged.to_str().unwrap();
        let apart = report(&[merged]);
        assert_eq!(apart["intervals"].as_array().unwrap().len(), 0, "{apart:#}");
        let excluded = &apart["excluded"]["trigger_to_order"]["incomparable_clocks"];
        assert_eq!(*excluded, session.trigger_to_order.len(), "{apart:#}");
        let said = notes(&apart);
        assert!(said.contains("file 1 was merged of several"), "{said}");
        assert!(said.contains("name the files that were merged instead"), "{said}");
        let one = report(&[merged, "--one-clock"]);
        assert_eq!(one["intervals"][1]["samples"], session.trigger_to_order.len(), "{one:#}");
    }
}

/// Frames that a device stamped, by its clock in nanoseconds, and recorded then.
fn stamped(
    frames: &[Passed],
    ahead_ps: u64,
    stamp: impl Fn(&[u8], u32, u32) -> Vec<u8>,
) -> Vec<Passed> {
    let of = |passed: &Passed| {
        let ns = (passed.ps + if passed.is_ours { ahead_ps } else { 0 }) / 1_000;
        let (s, ns) = (S + (ns / 1_000_000_000) as u32, (ns % 1_000_000_000) as u32);
        Passed { bytes: stamp(&passed.bytes, s, ns), ..passed.clone() }
    };
    frames.iter().map(of).collect()
}

fn by_metamako(bytes: &[u8], s: u32, ns: u32) -> Vec<u8> {
    metamako(bytes, (s, ns), 1, 0, 1, &[])
}

fn by_arista(bytes: &[u8], s: u32, ns: u32) -> Vec<u8> {
    arista(bytes, 0x0110, &[s.to_be_bytes(), ns.to_be_bytes()].concat())
}

/// What becomes of two files that both name this clock.
fn two_devices(folder: &Path, clock: &str, stamp: fn(&[u8], u32, u32) -> Vec<u8>) {
    let session = Session::new(200, Course::Smooth);
    let frames = reversed(&session);
    let paths = in_two_files(folder, &stamped(&frames, 0, stamp), 0);
    let said = notes(&report(&arguments(&paths)));
    let words = format!("intervals lie between two files whose frames both name {clock}");
    assert!(said.contains(&words) && said.contains("measure each file by itself"), "{said}");

    // The clocks turn out to be two: no figure is printed or stored.
    let paths = in_two_files(folder, &stamped(&frames, 50_000_000, stamp), 50_000_000);
    let csv = folder.join("messages.csv");
    let output = measure(&[&arguments(&paths)[..], &["--csv", csv.to_str().unwrap()]].concat());
    let said = errors(&output);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    let words = format!("the files were not stamped by one device, though both name {clock}: ");
    assert!(said.contains(&words) && said.contains("a number of its own"), "{said}");
    assert_eq!(std::fs::read_to_string(&csv).unwrap().lines().count(), 1);
    // Each by itself has nothing to be held against.
    assert!(measure(&[paths[0].to_str().unwrap()]).status.success());
}

#[test]
fn devices_of_one_number_are_found_out_where_their_clocks_disagree() {
    let folder = tempfile::tempdir().unwrap();
    two_devices(folder.path(), "the clock of Metamako device 0", by_metamako);
    two_devices(folder.path(), "the clock of an Arista 7280", by_arista);
}
