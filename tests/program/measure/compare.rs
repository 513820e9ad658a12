//! `fixwire measure compare`: two sessions of which one is slower, by reports and by logs.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::dialogue::{Course, Passed, S, Session};
use super::files::{Order, pcap_header, pcap_record};
use super::{errors, report, write};

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["measure", "compare"])
        .args(arguments)
        .output()
        .expect("fixwire runs")
}

/// A session of which the trader takes so many nanoseconds longer, measured: the paths of its report and its log.
fn measured(folder: &Path, name: &str, longer_ns: u64, orders: u32) -> [String; 2] {
    let session = Session::new(orders, Course::Smooth);
    let mut file = pcap_header(Order::Little, true, 1);
    let mut late_ns = 0;
    let mut was_ours = true;
    for Passed { ps, is_ours, bytes } in &session.frames {
        // Where the side changes, to the trader's.
        if *is_ours && !was_ours {
            late_ns += longer_ns;
        }
        was_ours = *is_ours;
        let ns = ps / 1_000 + late_ns;
        let s = S + (ns / 1_000_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (ns % 1_000_000_000) as u32, bytes));
    }
    let capture = write(folder, &format!("{name}.pcap"), &file);
    let log = folder.join(format!("{name}.hlog")).display().to_string();
    let report = report(&[capture.to_str().unwrap(), "--histogram", &log]);
    let path = write(folder, &format!("{name}.json"), report.to_string().as_bytes());
    [path.display().to_string(), log]
}

#[test]
fn a_slower_trader_is_found_and_an_equal_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let before = measured(folder.path(), "before", 0, 3_000);
    let same = measured(folder.path(), "same", 0, 3_000);
    let slower = measured(folder.path(), "slower", 50, 3_000);
    for form in [0, 1] {
        let equal = compare(&[&before[form], &same[form], "--json"]);
        assert_eq!(equal.status.code(), Some(0), "{}", errors(&equal));
        let regressed = compare(&[&before[form], &slower[form], "--json"]);
        assert_eq!(regressed.status.code(), Some(1));
        let said = errors(&regressed);
        assert!(said.contains("by more than the noise: p50 of trigger_to_order"), "{said}");
        assert!(!said.contains("order_to_answer"), "{said}");
        let told: Value = serde_json::from_slice(&regressed.stdout).unwrap();
        let of = |kind: &str, percentile: &str| {
            let all = told["comparisons"].as_array().unwrap().iter();
            let mut found = all.filter(|of| of["kind"] == kind && of["percentile"] == percentile);
            found.next().unwrap_or_else(|| panic!("{kind} {percentile}: {told:#}")).clone()
        };
        let median = of("trigger_to_order", "p50");
        let number = |key: &str| median[key].as_f64().unwrap();
        assert_eq!(median["verdict"], "slower");
        assert!((number("difference_ns") - 50.0).abs() <= 3.0, "{median:#}");
        assert!(number("from_ns") < 50.0 && 50.0 < number("to_ns"), "{median:#}");
        assert_eq!(of("order_to_answer", "p50")["verdict"], "within the noise");
        assert_eq!(of("trigger_to_order", "p99.99")["verdict"], "too few samples");
        let faster = compare(&[&slower[form], &before[form]]);
        assert_eq!(faster.status.code(), Some(0));
        let text = String::from_utf8(faster.stdout).unwrap();
        assert!(text.contains("faster") && text.contains("99 % interval"), "{text}");
    }
    let mixed = compare(&[&before[0], &slower[1]]);
    assert_eq!(mixed.status.code(), Some(1));
}

#[test]
fn what_both_leave_out_is_told_and_that_a_difference_may_come_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let [before, log] = measured(folder.path(), "before", 0, 1_000);
    let mut other: Value = serde_json::from_slice(&std::fs::read(&before).unwrap()).unwrap();
    for of in other["intervals"].as_array_mut().unwrap() {
        // One of fifty orders acknowledges two reports, and before the first there was none.
        let share = of["excluded_share"].as_f64().unwrap();
        if of["kind"] == "trigger_to_order" {
            assert!((share - 0.021).abs() < 1e-9, "{of:#}");
            of["excluded_share"] = 0.04.into();
        }
    }
    let after = write(folder.path(), "after.json", other.to_string().as_bytes());
    let after = after.to_str().unwrap();
    let text = String::from_utf8(compare(&[&before, after]).stdout).unwrap();
    let words = "excluded 2.10 % in A, 4.00 % in B: a difference may come of what is left out";
    assert!(text.contains(words), "{text}");
    assert_eq!(text.matches("a difference may come").count(), 1, "{text}");
    let told = compare(&[&before, after, "--json"]).stdout;
    let told: Value = serde_json::from_slice(&told).unwrap();
    let all = told["comparisons"].as_array().unwrap();
    let of = all.iter().find(|of| of["kind"] == "trigger_to_order").unwrap();
    let [a, b] = ["excluded_share_a", "excluded_share_b"].map(|key| of[key].as_f64().unwrap());
    assert!((a - 0.021).abs() < 1e-9 && (b - 0.04).abs() < 1e-9, "{of:#}");
    // Logs do not say it.
    let text = String::from_utf8(compare(&[&before, &log]).stdout).unwrap();
    assert!(!text.contains("; excluded "), "{text}");
}

#[test]
fn what_cannot_be_compared_is_said_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let [report, _] = measured(folder.path(), "one", 0, 50);
    let file =
        |name: &str, text: &str| write(folder.path(), name, text.as_bytes()).display().to_string();
    let empty = file("empty.json", "{\"intervals\": []}");
    let notes = file("notes.txt", "no histogram\n");
    let other = file("other.json", "{\"messages\": 3}");
    for (arguments, words) in [
        ([&report[..], "/nowhere"], "name a report of `fixwire measure capture --json`"),
        ([&report, &notes], "notes.txt: "),
        ([&report, &other], "it has no \"intervals\""),
        ([&report, &empty], "no kind of interval in common"),
    ] {
        let output = compare(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(errors(&output).contains(words), "{arguments:?}: {}", errors(&output));
    }
    for confidence in ["30", "99.999", "100"] {
        let refused = compare(&[&report, &report, "--confidence", confidence]);
        assert_eq!(refused.status.code(), Some(2), "{confidence}");
        assert!(errors(&refused).contains("write a percentage"), "{}", errors(&refused));
    }
    assert_eq!(compare(&[&report, &report, "--confidence", "99.98"]).status.code(), Some(0));
}

/// A session of which the trader always takes so long, by a clock of 125 MHz: the path of its report.
fn by_eight_ns(folder: &Path, name: &str, latency_ns: u64) -> String {
    let mut file = pcap_header(Order::Little, true, 1);
    let (mut before_ps, mut at_ps, mut was_ours) = (0, 0, true);
    for Passed { ps, is_ours, bytes } in &Session::new(3_000, Course::Smooth).frames {
        at_ps += if *is_ours && !was_ours { latency_ns * 1_000 } else { ps - before_ps };
        (before_ps, was_ours) = (*ps, *is_ours);
        let ns = at_ps / 8_000 * 8;
        let s = S + (ns / 1_000_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (ns % 1_000_000_000) as u32, bytes));
    }
    let capture = write(folder, &format!("{name}.pcap"), &file);
    let report = report(&[capture.to_str().unwrap()]);
    write(folder, &format!("{name}.json"), report.to_string().as_bytes()).display().to_string()
}

#[test]
fn what_a_coarse_clock_cannot_tell_is_within_the_noise() {
    let folder = tempfile::tempdir().unwrap();
    let [a, b] = [("a", 699), ("b", 701)].map(|(name, ns)| by_eight_ns(folder.path(), name, ns));
    let output = compare(&[&a, &b, "--json"]);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let all = told["comparisons"].as_array().unwrap().iter();
    let mut medians =
        all.filter(|of| of["kind"] == "trigger_to_order" && of["percentile"] == "p50");
    let median = medians.next().unwrap();
    // By the stamps they are a tick apart.
    assert!((median["difference_ns"].as_f64().unwrap() - 8.0).abs() < 1.0, "{median:#}");
    assert_eq!((&median["verdict"], output.status.code()), (&"within the noise".into(), Some(0)));
    let longer = by_eight_ns(folder.path(), "longer", 740);
    assert_eq!(compare(&[&a, &longer]).status.code(), Some(1));
}

/// A report as it is in the file, changed and written to another.
fn changed(folder: &Path, name: &str, report: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    change(&mut value);
    write(folder, name, value.to_string().as_bytes()).display().to_string()
}

#[test]
fn what_was_not_compared_is_no_success_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let few = measured(folder.path(), "few", 0, 15);
    for form in [0, 1] {
        let output = compare(&[&few[form], &few[form]]);
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        let said = errors(&output);
        assert!(said.contains("nothing was compared") && said.contains("20 messages"), "{said}");
    }
    // Each has a kind that the other lacks.
    let [all, _] = measured(folder.path(), "all", 0, 200);
    let renamed = changed(folder.path(), "renamed.json", &all, |report| {
        report["intervals"][0]["kind"] = "wire_to_wire".into();
    });
    let output = compare(&[&all, &renamed]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("A alone has order_to_answer"), "{text}");
    assert!(text.contains("B alone has wire_to_wire"), "{text}");
    let told: Value = serde_json::from_slice(&compare(&[&all, &renamed, "--json"]).stdout).unwrap();
    assert_eq!(told["only_in_a"], serde_json::json!(["order_to_answer"]));
    assert_eq!(told["only_in_b"], serde_json::json!(["wire_to_wire"]));
}

#[test]
fn a_model_is_no_nic_and_other_clocks_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let [report, log] = measured(folder.path(), "one", 0, 200);
    let made = |name: &str, is_model: bool| {
        let json = changed(folder.path(), &format!("{name}.json"), &report, |report| {
            report["is_model"] = is_model.into();
        });
        let text = std::fs::read_to_string(&log).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let what = if is_model { "a model" } else { "no model" };
        let text = format!("{first}\n#the device is {what}\n{rest}");
        [json, write(folder.path(), &format!("{name}.hlog"), text.as_bytes()).display().to_string()]
    };
    let (model, nic) = (made("model", true), made("nic", false));
    for (a, b) in [(&model[0], &nic[0]), (&nic[1], &model[1]), (&model[0], &nic[1])] {
        let output = compare(&[a, b]);
        assert_eq!(output.status.code(), Some(2), "{a} {b}");
        let said = errors(&output);
        assert!(said.contains("model.") && said.contains("is of a model"), "{said}");
    }
    for form in [0, 1] {
        assert_eq!(compare(&[&model[form], &model[form]]).status.code(), Some(0));
        let output = compare(&[&report, [&report, &log][form]]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && !text.contains("other clocks"), "{text}");
    }
    let other = changed(folder.path(), "other.json", &report, |report| {
        report["intervals"][1]["clock"] = "the clock of Metamako device 7".into();
    });
    let output = compare(&[&log, &other]);
    let text = String::from_utf8(output.stdout).unwrap();
    let words = "trigger_to_order: other clocks: A by the clock that file 1 was recorded by, B by the clock of Metamako device 7";
    assert!(output.status.success() && text.contains(words), "{text}");
    assert!(!text.contains("order_to_answer: other clocks"), "{text}");
    let told: Value = serde_json::from_slice(&compare(&[&log, &other, "--json"]).stdout).unwrap();
    let all = told["comparisons"].as_array().unwrap();
    let of = all.iter().find(|of| of["kind"] == "trigger_to_order").unwrap();
    assert_eq!(of["clock_a"], "the clock that file 1 was recorded by");
    assert_eq!(of["clock_b"], "the clock of Metamako device 7");
}

#[test]
fn a_log_of_somebody_else_s_is_not_taken_for_picoseconds() {
    let folder = tempfile::tempdir().unwrap();
    let [report, log] = measured(folder.path(), "one", 0, 200);
    let text = std::fs::read_to_string(&log).unwrap();
    let foreign: Vec<_> = text.lines().filter(|line| !line.contains("picoseconds")).collect();
    assert_eq!(foreign.len() + 1, text.lines().count());
    let foreign = write(folder.path(), "foreign.hlog", (foreign.join("\n") + "\n").as_bytes());
    for [a, b] in [[&report[..], foreign.to_str().unwrap()], [foreign.to_str().unwrap(), &log]] {
        let output = compare(&[a, b]);
        let said = errors(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(
            said.contains("foreign.hlog: it is no log of fixwire's: nothing in it says"),
            "{said}"
        );
        assert!(said.contains("or a histogram log of theirs"), "{said}");
    }
}

#[test]
fn what_stamps_round_by_is_in_logs_and_said_where_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let [report, log] = measured(folder.path(), "one", 0, 200);
    let text = std::fs::read_to_string(&log).unwrap();
    let older: Vec<_> = text.lines().filter(|line| !line.contains(": noise floor ")).collect();
    assert_eq!(older.len() + 2, text.lines().count());
    let older = write(folder.path(), "older.hlog", (older.join("\n") + "\n").as_bytes());
    for (a, is_known) in [(&report[..], true), (&log, true), (older.to_str().unwrap(), false)] {
        let output = compare(&[a, &log, "--json"]);
        assert!(output.status.success(), "{}", errors(&output));
        let told: Value = serde_json::from_slice(&output.stdout).unwrap();
        for of in told["comparisons"].as_array().unwrap() {
            assert_eq!(of["noise_floor_b_ns"], 1.0, "{of:#}");
            assert_eq!(of["noise_floor_a_ns"].as_f64(), is_known.then_some(1.0), "{of:#}");
        }
        let text = String::from_utf8(compare(&[a, &log]).stdout).unwrap();
        assert_eq!(text.contains("what stamps of A round by it does not say"), !is_known, "{text}");
        assert!(text.contains("; stamps of B round by up to 1 ns"), "{text}");
    }
}
