//! The same session in every format and with every device's stamps: the report is the truth, within the bound that it states.

use serde_json::Value;

use super::dialogue::{Course, Passed, S, Session};
use super::files::{
    Order, arista, erf_record, exablaze, if_tsoffset, if_tsresol, interface, metamako, packet,
    pcap_header, pcap_record, section, with_fcs,
};
use super::{Rows, report, write};

const PS_PER_S: u64 = 1_000_000_000_000;
const ORDERS: u32 = 400;

/// A way to write a session down: its name, the tick of its stamps in picoseconds, and the file.
struct Format {
    name: &'static str,
    tick_ps: f64,
    /// As the report has it.
    clock: &'static str,
    write: fn(&[Passed]) -> Vec<u8>,
}

/// Seconds, and picoseconds past them.
fn at(passed: &Passed) -> (u32, u64) {
    (S + (passed.ps / PS_PER_S) as u32, passed.ps % PS_PER_S)
}

/// In ticks of 2^-n s.
fn binary(passed: &Passed, n: u32) -> u64 {
    let ps = u128::from(S) * u128::from(PS_PER_S) + u128::from(passed.ps);
    ((ps << n) / u128::from(PS_PER_S)) as u64
}

fn pcap(frames: &[Passed], order: Order, is_ns: bool) -> Vec<u8> {
    let tick_ps = if is_ns { 1_000 } else { 1_000_000 };
    let mut file = pcap_header(order, is_ns, 1);
    for passed in frames {
        let (s, ps) = at(passed);
        file.extend(pcap_record(order, s, (ps / tick_ps) as u32, &passed.bytes));
    }
    file
}

/// By a clock of so many picoseconds a tick, written in nanoseconds.
fn by_ticks(frames: &[Passed], tick_ps: u64) -> Vec<u8> {
    let at = |passed: &Passed| Passed { ps: passed.ps / tick_ps * tick_ps, ..passed.clone() };
    pcap(&frames.iter().map(at).collect::<Vec<_>>(), Order::Little, true)
}

fn pcapng(frames: &[Passed], order: Order, value: u8, ticks: fn(&Passed) -> u64) -> Vec<u8> {
    let mut file = section(order);
    // An interface for each direction, of one recorder with one clock.
    for _ in 0..2 {
        file.extend(interface(order, 1, &[if_tsresol(value), if_tsoffset(order, 0)]));
    }
    for passed in frames {
        file.extend(packet(order, passed.is_ours.into(), ticks(passed), &passed.bytes));
    }
    file
}

/// Stamped frames, recorded microseconds later than they were stamped, and not by always as many.
fn stamped(frames: &[Passed], stamp: impl Fn(&Passed) -> Vec<u8>) -> Vec<u8> {
    let mut file = pcap_header(Order::Little, true, 1);
    for (n, passed) in (0..).zip(frames) {
        let late = Passed { ps: passed.ps + 5_000_000 + n % 7 * 300_000, ..passed.clone() };
        let (s, ps) = at(&late);
        file.extend(pcap_record(Order::Little, s, (ps / 1_000) as u32, &stamp(passed)));
    }
    file
}

fn by_metamako(passed: &Passed) -> Vec<u8> {
    let (s, ps) = at(passed);
    let sub_ns = (((ps % 1_000) << 24) / 1_000) as u32;
    let extension = [&sub_ns.to_be_bytes()[1..], &[0x21]].concat();
    metamako(&passed.bytes, (s, (ps / 1_000) as u32), 3, 7, passed.is_ours.into(), &extension)
}

fn by_exablaze(passed: &Passed) -> Vec<u8> {
    let fraction = binary(passed, 40 - 7) & ((1 << 33) - 1);
    exablaze(&passed.bytes, at(passed).0, fraction << 7, 9, passed.is_ours.into())
}

fn by_arista(passed: &Passed) -> Vec<u8> {
    let (s, ps) = at(passed);
    // In TAI, which is 37 s ahead.
    let stamp = [(s + 37).to_be_bytes(), ((ps / 1_000) as u32).to_be_bytes()].concat();
    arista(&passed.bytes, 0x0010, &stamp)
}

const FORMATS: [Format; 16] = [
    Format {
        name: "pcap, us",
        tick_ps: 1e6,
        clock: "file 1",
        write: |of| pcap(of, Order::Little, false),
    },
    Format {
        name: "pcap, ns",
        tick_ps: 1e3,
        clock: "file 1",
        write: |of| pcap(of, Order::Little, true),
    },
    Format {
        name: "pcap, ns, big",
        tick_ps: 1e3,
        clock: "file 1",
        write: |of| pcap(of, Order::Big, true),
    },
    Format {
        name: "pcap, ns, by a clock of 125 MHz",
        tick_ps: 8e3,
        clock: "file 1",
        write: |of| by_ticks(of, 8_000),
    },
    Format {
        name: "pcap, ns, by a clock of 156.25 MHz",
        // Its tick, and what is cut off from that.
        tick_ps: 6.4e3 + 1e3,
        clock: "file 1",
        write: |of| by_ticks(of, 6_400),
    },
    Format {
        name: "pcap with check sequences",
        tick_ps: 1e3,
        clock: "file 1",
        write: |of| {
            let with =
                |passed: &Passed| Passed { bytes: with_fcs(&passed.bytes), ..passed.clone() };
            pcap(&of.iter().map(with).collect::<Vec<_>>(), Order::Little, true)
        },
    },
    Format {
        name: "pcapng, us",
        tick_ps: 1e6,
        clock: "file 1",
        write: |of| pcapng(of, Order::Little, 6, |at| u64::from(S) * 1_000_000 + at.ps / 1_000_000),
    },
    Format {
        name: "pcapng, ns, big",
        tick_ps: 1e3,
        clock: "file 1",
        write: |of| pcapng(of, Order::Big, 9, |at| u64::from(S) * 1_000_000_000 + at.ps / 1_000),
    },
    Format {
        name: "pcapng, 10^-10 s",
        tick_ps: 1e2,
        clock: "file 1",
        write: |of| pcapng(of, Order::Little, 10, |at| u64::from(S) * 10_000_000_000 + at.ps / 100),
    },
    Format {
        name: "pcapng, 2^-32 s",
        tick_ps: 232.9,
        clock: "file 1",
        write: |of| pcapng(of, Order::Little, 0x80 | 32, |at| binary(at, 32)),
    },
    Format {
        name: "ERF",
        tick_ps: 232.9,
        clock: "file 1",
        write: |of| {
            let record =
                |at: &Passed| erf_record(binary(at, 32), 2, at.is_ours.into(), 1, &at.bytes);
            of.iter().flat_map(record).collect()
        },
    },
    Format {
        name: "Metamako",
        tick_ps: 1.0,
        clock: "Metamako",
        write: |of| stamped(of, by_metamako),
    },
    Format {
        name: "Metamako with check sequences",
        tick_ps: 1.0,
        clock: "Metamako",
        write: |of| stamped(of, |passed| with_fcs(&by_metamako(passed))),
    },
    Format {
        name: "Exablaze",
        tick_ps: 116.5,
        clock: "Exablaze",
        write: |of| stamped(of, by_exablaze),
    },
    Format {
        name: "Exablaze with check sequences",
        tick_ps: 116.5,
        clock: "Exablaze",
        write: |of| stamped(of, |passed| with_fcs(&by_exablaze(passed))),
    },
    Format {
        name: "Arista 7280",
        tick_ps: 1e3,
        clock: "Arista 7280",
        write: |of| stamped(of, by_arista),
    },
];

/// What `quantile` of the intervals are at most, in picoseconds.
fn truth(intervals: &[u64], quantile: f64) -> f64 {
    let mut sorted = intervals.to_vec();
    sorted.sort_unstable();
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1] as f64
}

fn check(format: &Format, report: &Value, kind: &str, intervals: &[u64]) {
    let found: Vec<_> =
        report["intervals"].as_array().unwrap().iter().filter(|of| of["kind"] == kind).collect();
    let [of] = found[..] else { panic!("{}: {report:#}", format.name) };
    let number = |key: &str| of[key].as_f64().unwrap_or_else(|| panic!("{key}: {of:#}"));
    assert_eq!(number("samples") as usize, intervals.len(), "{}: {kind}", format.name);
    let floor_ps = number("noise_floor_ns") * 1_000.0;
    assert!((floor_ps - format.tick_ps).abs() <= 1.0, "{}: noise floor {floor_ps} ps", format.name);
    for (key, quantile) in [
        ("p50_ns", 0.5),
        ("p90_ns", 0.9),
        ("p99_ns", 0.99),
        ("p999_ns", 0.999),
        ("p9999_ns", 0.9999),
    ] {
        if intervals.len() as f64 * (1.0 - quantile) < 1.0 {
            assert!(of[key].is_null(), "{}: {key}: {of:#}", format.name);
            continue;
        }
        let (said, truth) = (number(key) * 1_000.0, truth(intervals, quantile));
        // Rounded by less than the floor, and kept to three digits.
        let bound = floor_ps + 1.0 + truth / 1_000.0;
        assert!(
            (said - truth).abs() <= bound,
            "{}: {kind} {key}: {said} ps for {truth} ps",
            format.name
        );
    }
    let (said, truth) = (number("max_ns") * 1_000.0, truth(intervals, 1.0));
    assert!(
        (said - truth).abs() <= floor_ps + 1.0,
        "{}: {kind} max {said} for {truth}",
        format.name
    );
    let clock = of["clock"].as_str().unwrap();
    assert!(clock.contains(format.clock), "{}: {clock}", format.name);
}

#[test]
fn the_report_is_the_truth_within_its_bound_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(ORDERS, Course::Rough);
    let known = session.nothing_new + session.several + session.sent_again;
    assert_eq!(session.trigger_to_order.len() as u64 + known, u64::from(ORDERS));
    assert!(session.several >= 8 && session.sent_again >= 8 && session.no_order >= 8);
    for format in &FORMATS {
        let file = write(folder.path(), "capture", &(format.write)(&session.frames));
        let csv = folder.path().join("messages.csv");
        let arguments = [file.to_str().unwrap(), "--one-clock", "--csv", csv.to_str().unwrap()];
        let report = report(&arguments);
        check(format, &report, "trigger_to_order", &session.trigger_to_order);
        check(format, &report, "order_to_answer", &session.order_to_answer);
        let orders = &report["excluded"]["trigger_to_order"];
        for (reason, count) in [
            ("several_messages_acknowledged", session.several),
            ("nothing_new_acknowledged", session.nothing_new),
            ("sent_again", session.sent_again),
        ] {
            assert_eq!(orders[reason], count, "{}: {reason}", format.name);
        }
        let all: u64 =
            orders.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(all, known, "{}: {orders:#}", format.name);
        let answers = &report["excluded"]["order_to_answer"];
        assert_eq!(answers["no_order_waits"], session.no_order, "{}", format.name);
        assert_eq!(answers["unanswered"], 1, "{}", format.name);
        let all: u64 =
            answers.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(all, session.no_order + 1, "{}: {answers:#}", format.name);
        assert_eq!(report["messages"], session.messages, "{}", format.name);
        assert_eq!(report["gaps"].as_u64().unwrap() + report["damaged"].as_u64().unwrap(), 0);

        // Message for message, to the tick.
        let rows = Rows::read(&csv);
        assert_eq!(rows.rows.len() as u64, session.messages, "{}", format.name);
        for (column, intervals) in [
            ("trigger_to_order_ns", &session.trigger_to_order),
            ("order_to_answer_ns", &session.order_to_answer),
        ] {
            let columns = rows.columns([column]);
            let of_rows: Vec<f64> =
                columns.iter().filter_map(|[ns]| Some(ns.parse::<f64>().ok()? * 1e3)).collect();
            assert_eq!(of_rows.len(), intervals.len(), "{}: {column}", format.name);
            for (said, truth) in of_rows.iter().zip(intervals) {
                let apart = (said - *truth as f64).abs();
                assert!(apart <= format.tick_ps + 1.0, "{}: {column} {said} {truth}", format.name);
            }
        }
    }
}

#[test]
fn a_trader_with_a_queue_makes_no_order_another_report_s() {
    let folder = tempfile::tempdir().unwrap();
    let (session, answered) = Session::queueing();
    let file = write(folder.path(), "queue.pcap", &pcap(&session.frames, Order::Little, true));
    let csv = folder.path().join("messages.csv");
    let report = report(&[file.to_str().unwrap(), "--csv", csv.to_str().unwrap()]);
    let rows = Rows::read(&csv);
    let columns = rows.columns(["msg_type", "frame", "trigger_frame", "trigger_to_order_ns"]);
    let orders = columns.iter().filter(|[msg_type, ..]| *msg_type == "D");
    let mut found = [0; 6];
    for (number, ([_, frame, trigger, ns], truth)) in orders.zip(&answered).enumerate() {
        assert_eq!(*frame, truth.frame.to_string());
        if !ns.is_empty() {
            assert_eq!(*trigger, truth.trigger.to_string(), "{truth:?}");
            assert_eq!(*ns, format!("{}.000", truth.ns), "{truth:?}");
            found[number / 100] += 1;
        }
    }
    // All while there is no queue, none while there always is one, and from when it has been empty.
    assert_eq!(found[..4], [100, 100, 0, 0], "{report:#}");
    assert!(found[4] > 90 && found[5] > 40, "{found:?}");
    let excluded = report["excluded"]["trigger_to_order"].as_object().unwrap();
    let all: u64 = excluded.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(all, answered.len() as u64 - found.iter().sum::<u64>());
    assert!(excluded["earlier_message_owed"].as_u64().unwrap() > 190, "{excluded:?}");
    assert_eq!(report["orders_behind_unseen"], 0);

    // Of a capture that begins while the queue is never empty nothing can be told, but that.
    let middle = session.frames.iter().filter(|of| of.ps > session.frames[answered[250].frame].ps);
    let middle: Vec<_> = middle.cloned().collect();
    let file = write(folder.path(), "middle.pcap", &pcap(&middle, Order::Little, true));
    let report = super::report(&[file.to_str().unwrap()]);
    assert!(report["orders_behind_unseen"].as_u64().unwrap() > 100, "{report:#}");
    assert!(report["notes"].to_string().contains("come behind messages that the capture does not"));
}

#[test]
fn the_table_names_points_clock_bound_and_what_is_excluded() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(ORDERS, Course::Rough);
    let file = write(folder.path(), "tap.pcap", &stamped(&session.frames, by_metamako));
    let log = folder.path().join("day.hlog");
    let output = super::measure(&[file.to_str().unwrap(), "--histogram", log.to_str().unwrap()]);
    assert!(output.status.success(), "{}", super::errors(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        "every frame has Metamako (Arista 7130) trailers",
        "p99.99",
        "1 order to answer: from the order's last frame at the point of capture to the answer's first frame there",
        "by the clock of Metamako device 7, UTC; noise floor 0.001 ns",
        "rounding makes an interval wrong by less than",
        "excluded: the part of all intervals of the kind",
        // 8 of several, 8 sent again, and the first.
        "4.25 %",
        "trigger to order: 4.25 % of all are left out for what is met where messages come close together",
        "1 nothing_new_acknowledged: ",
        "8 several_messages_acknowledged: ",
        "8 segments with bytes that came before: retransmitted, or captured twice",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    // The log is one that the crate reads again, and has every interval.
    let log = std::fs::read(&log).unwrap();
    let text = String::from_utf8(log).unwrap();
    assert!(
        text.contains("values are picoseconds") && text.contains("Tag=trigger_to_order-2,"),
        "{text}"
    );
}

#[test]
fn the_noise_floor_is_that_of_the_coarser_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(ORDERS, Course::Smooth);
    // A thousand times as slow: rounding changes no order.
    session.frames.iter_mut().for_each(|passed| passed.ps *= 1_000);
    let in_us = |passed: &Passed| u64::from(S) * 1_000_000 + passed.ps / 1_000_000;
    let in_ns = |passed: &Passed| u64::from(S) * 1_000_000_000 + passed.ps / 1_000;
    let mut ports = section(Order::Little);
    for value in [6, 9] {
        ports.extend(interface(Order::Little, 1, &[if_tsresol(value)]));
    }
    for passed in &session.frames {
        let ticks = if passed.is_ours { in_ns(passed) } else { in_us(passed) };
        ports.extend(packet(Order::Little, passed.is_ours.into(), ticks, &passed.bytes));
    }
    let ports = write(folder.path(), "ports.pcapng", &ports);
    let of_side = |is_ours| -> Vec<Passed> {
        session.frames.iter().filter(|of| of.is_ours == is_ours).cloned().collect()
    };
    let ours = write(folder.path(), "ours.pcap", &pcap(&of_side(true), Order::Little, true));
    let theirs = write(folder.path(), "theirs.pcap", &pcap(&of_side(false), Order::Little, false));
    let (ours, theirs) = (ours.to_str().unwrap(), theirs.to_str().unwrap());
    for files in [&[ports.to_str().unwrap(), "--one-clock"][..], &[ours, theirs, "--one-clock"]] {
        let report = report(files);
        let intervals = report["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), 2, "{report:#}");
        for of in intervals {
            assert_eq!(of["noise_floor_ns"], 1_000.0, "{of:#}");
            let words = of["error_bound"].as_str().unwrap();
            assert!(
                words.starts_with("stamps of the coarsest port are whole numbers of 1000 ns apart"),
                "{words}"
            );
        }
    }
}

/// The last frame so many seconds later.
fn late_by(frames: &[Passed], s: u32) -> Vec<u8> {
    let (last, before) = frames.split_last().unwrap();
    let (at_s, ps) = at(last);
    let late = pcap_record(Order::Little, at_s + s, (ps / 1_000) as u32, &last.bytes);
    [pcap(before, Order::Little, true), late].concat()
}

#[test]
fn long_intervals_are_as_long_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(2, Course::Smooth);
    // An order and its answer, and no other order behind that.
    session.frames.pop();
    for (s, is_exact) in [(65, true), (200, true), (86_400, true), (300 * 86_400, false)] {
        let file = write(folder.path(), "late.pcap", &late_by(&session.frames, s));
        let html = folder.path().join("late.html");
        let file = file.to_str().unwrap();
        let report = report(&[file, "--html", html.to_str().unwrap()]);
        let of = &report["intervals"][0];
        let ns = |key: &str| of[key].as_f64().unwrap();
        if is_exact {
            for key in ["mean_ns", "max_ns"] {
                let apart = (ns(key) / 1e9 - f64::from(s)).abs();
                assert!(apart <= f64::from(s) / 1_000.0, "{key} of {s} s: {of:#}");
            }
        }
        let output = super::measure(&[file]);
        assert!(output.status.success(), "{s} s: {}", super::errors(&output));
    }
}

#[test]
fn percentiles_that_no_sample_lies_beyond_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(50, Course::Smooth);
    let file = write(folder.path(), "few.pcap", &pcap(&session.frames, Order::Little, true));
    let report = report(&[file.to_str().unwrap()]);
    let of = &report["intervals"][0];
    assert_eq!(of["samples"], 49);
    assert!(of["p50_ns"].is_f64() && of["p90_ns"].is_f64(), "{of:#}");
    for key in ["p99_ns", "p999_ns", "p9999_ns"] {
        assert!(of[key].is_null(), "{key}: {of:#}");
    }
    let text = String::from_utf8(super::measure(&[file.to_str().unwrap()]).stdout).unwrap();
    assert!(text.contains("-: fewer than one sample lies beyond"), "{text}");
}
