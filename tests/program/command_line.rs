//! The program as a user meets it: what it prints, and how it ends when something is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn fixwire(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fixwire")).args(arguments).output().expect("fixwire runs")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), errors(output))
    })
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn bad_input_is_one_sentence_with_place_and_remedy_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let profile =
        file(folder.path(), "p.toml", "extends = \"sim\"\n[offloads]\nrx_tcp_cheksum = \"off\"\n");
    let session = file(folder.path(), "s.toml", "heart_bt_int = 30\nsender_compid = \"A\"\n");
    let twice = file(
        folder.path(),
        "t.toml",
        "[[session]]\nsender_comp_id = \"A\"\n[[session]]\nsender_comp_id = \"A\"\n",
    );
    let initiator = file(folder.path(), "i.toml", "\nconnection_type = \"initiator\"\n");
    let missing = folder.path().join("nothing.toml");
    let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
    for (arguments, place, remedy) in [
        (vec!["run", "--nic", "sim", "--profile", &path(&profile)], "p.toml:3:", "rx_tcp_checksum"),
        (
            vec!["plan", "--nic", "sim", "--profile", &path(&profile)],
            "p.toml:3:",
            "rx_tcp_checksum",
        ),
        (vec!["run", "--nic", "sim", "--session", &path(&session)], "s.toml:2:", "sender_comp_id"),
        (
            vec!["run", "--nic", "sim", "--session", &path(&missing)],
            "nothing.toml",
            "check the path",
        ),
        (vec!["run", "--nic", "sim", "--profile", &path(&missing)], "nothing.toml", "built-in"),
        (vec!["run", "--nic", "sim", "--session", &path(&twice)], "t.toml:3:", "another CompID"),
        (vec!["accept", "--session", &path(&twice)], "t.toml:3:", "another CompID"),
        (vec!["accept", "--session", &path(&initiator)], "i.toml:2:", "fixwire run"),
        (vec!["accept", "--nic", "sim"], "NIC model", "tap:IFNAME"),
        (vec!["accept", "--app", "bank"], "bank", "echo"),
        (vec!["run", "--nic", "eth0"], "eth0", "tap"),
        (vec!["run", "--nic", "DPDK:net_tap0"], "DPDK", "dpdk:net_tap0"),
        (vec!["run", "--nic", "sim", "--profile", "nonesuch"], "\"nonesuch\"", "connectx5"),
        (vec!["guard", "install", "--address", "0.0.0.0"], "0.0.0.0", "of a host"),
        (vec!["guard", "install", "--address", "224.0.0.5"], "224.0.0.5", "of a host"),
        (vec!["guard", "install", "--address", "255.255.255.255"], "255.255.", "of a host"),
        (vec!["guard", "remove", "--address", "127.0.0.1"], "127.0.0.1", "of a host"),
        (vec!["run", "--nic", "tap:a-name-that-is-far-too-long"], "tap:a-name", "interface"),
        (vec!["run", "--orders", "0"], "0", "1.."),
        (vec!["run", "--colour"], "--colour", "--help"),
        (
            vec!["plan", "--diff", "tap", "sim", "--explain"],
            "--diff",
            "cannot be used with '--explain'",
        ),
        (vec!["exchange", "--listen", "nowhere"], "nowhere", "--listen"),
    ] {
        let output = fixwire(&arguments);
        let sentence = errors(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {sentence}");
        assert!(sentence.contains(place) || place.starts_with("tap:"), "{arguments:?}: {sentence}");
        assert!(sentence.contains(remedy), "{arguments:?}: {sentence}");
    }
}

#[test]
fn a_requirement_that_the_device_does_not_meet_is_marked_and_ends_with_3() {
    let folder = tempfile::tempdir().unwrap();
    let text = "extends = \"sim\"\n[offloads]\nrx_timestamp_real_time = \"require\"\n";
    let profile = file(folder.path(), "p.toml", text);
    for command in ["plan", "run"] {
        let profile = profile.to_str().unwrap();
        let output = fixwire(&[command, "--nic", "sim", "--profile", profile]);
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(3), "{}", errors(&output));
        assert!(table.contains("✗ rx_timestamp_real_time"), "{table}");
        assert!(errors(&output).contains("rx_timestamp_real_time"), "{}", errors(&output));

        let output = fixwire(&[command, "--nic", "sim", "--profile", profile, "--json"]);
        assert_eq!(output.status.code(), Some(3));
        let plan = &json(&output)["plan"];
        let row = plan
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["capability"] == "rx_timestamp_real_time")
            .unwrap();
        assert_eq!((&row["policy"], &row["outcome"]), (&"require".into(), &"host".into()));
    }
}

#[test]
fn the_plan_has_a_row_for_each_capability_with_every_column() {
    let rows = json(&fixwire(&["plan", "--nic", "sim", "--json"]))["plan"].clone();
    let rows = rows.as_array().unwrap();
    assert!(rows.len() >= 14, "{rows:?}");
    for row in rows {
        for column in [
            "capability",
            "policy",
            "advertised",
            "configured",
            "observed",
            "outcome",
            "by",
            "reason",
        ] {
            assert!(row.get(column).is_some(), "{row} lacks {column}");
        }
        assert!(!row["reason"].as_str().unwrap().is_empty(), "{row}");
    }
}

#[test]
fn a_run_on_the_model_trades_and_reports_every_order() {
    let run = json(&fixwire(&["run", "--nic", "sim", "--orders", "2000", "--json"]));
    assert_eq!(run["nic"], "sim");
    assert_eq!(run["session"]["orders_sent"], 2000);
    assert_eq!(run["session"]["reports_received"], 2000);
    assert_eq!(run["latency_ns"]["samples"], 2000);
    let latency = |key: &str| run["latency_ns"][key].as_u64().unwrap();
    assert!(0 < latency("p50") && latency("p50") <= latency("p99"));
    assert!(latency("p99") <= latency("p999") && latency("p999") <= latency("max"));
    assert!(run["counters"]["rx_frames"].as_u64().unwrap() >= 2000);
    let plan = run["plan"].as_array().unwrap();
    let rx = plan.iter().find(|row| row["capability"] == "rx_tcp_checksum").unwrap();
    assert_eq!(rx["observed"], "proven", "{rx}");
}

#[test]
fn a_run_on_a_model_with_a_clock_of_its_own_follows_it_and_tells_of_it() {
    // It takes some readings until the clock is known, and a run lasts as long as its orders.
    for orders in ["5000", "20000", "80000", "320000"] {
        let run = json(&fixwire(&["run", "--nic", "sim:connectx5", "--orders", orders, "--json"]));
        let (clocks, number) = (&run["clocks"], |value: &Value| value.as_i64().unwrap());
        let (device, conversions) = (&clocks["device"], &clocks["conversions"]);
        assert_eq!(clocks["trouble"], Value::Null);
        assert_eq!(
            (&device["clock"], &device["is_model"]),
            (&"NIC counter, ticks".into(), &true.into())
        );
        assert_eq!((number(&device["ticks_per_s"]), number(&device["bits"])), (78_125_000, 63));
        assert_eq!(clocks["host"]["clock"], "host monotonic clock, ns");
        assert_eq!(conversions["of"], device["clock"]);
        let refused = conversions["refused"].as_object().unwrap().values().map(number).sum::<i64>();
        assert!(number(&conversions["converted"]) + refused > 0, "{clocks}");
        if number(&conversions["converted"]) == 0 || device["state"] != "locked" {
            continue;
        }
        // What the model is made of: 12 ppm fast, and a wander of 40 ppb.
        let off = (number(&device["drift_ppb"]) - 12_000).abs();
        assert!(off <= number(&device["drift_error_ppb"]) + 40, "{device}");
        let bound = number(&conversions["error_bound_ns_max"]);
        assert!(bound > 0 && number(&clocks["error_bound_ns"]) > 0, "{clocks}");

        let output = fixwire(&["run", "--nic", "sim:connectx5", "--orders", orders]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for words in ["NIC counter (a model's)", "stamps of the NIC counter that were looked at: "]
        {
            assert!(text.contains(words), "no {words:?} in {text}");
        }
        let model =
            "\nThe device's clock is a model's, made of this host's: nothing here is a NIC's.";
        assert!(text.contains(model), "{text}");
        return;
    }
    panic!("its clock was never known");
}

#[test]
fn a_nic_without_a_clock_of_its_own_has_the_host_s_followed_alone() {
    let run = json(&fixwire(&["run", "--nic", "sim:82599", "--orders", "500", "--json"]));
    assert_eq!(run["clocks"]["device"], Value::Null);
    assert_eq!(run["clocks"]["conversions"]["of"], run["clocks"]["host"]["clock"]);
    assert_eq!(run["session"]["reports_received"], 500);
}

#[test]
fn clock_settings_of_the_profile_are_what_the_clock_is_followed_by() {
    let folder = tempfile::tempdir().unwrap();
    // No reading is so exact that it could show a jump of a nanosecond: none ever agrees.
    let text = "extends = \"connectx5\"\n[clock]\njump_ns_min = 1\nrefresh_ms = 1\nreadings = 1\n";
    let profile = file(folder.path(), "p.toml", text);
    let profile = profile.to_str().unwrap();
    for orders in ["5000", "20000", "80000", "320000"] {
        let arguments =
            ["run", "--nic", "sim:connectx5", "--orders", orders, "--json", "--profile", profile];
        let run = json(&fixwire(&arguments));
        let readings =
            |clock: &str, what: &str| run["clocks"][clock]["readings"][what].as_u64().unwrap();
        assert_eq!((readings("device", "agreed"), readings("device", "locked")), (0, 0));
        // A reading each millisecond, where the system's time is read each hundred.
        if readings("host", "agreed") > 3 {
            let read = readings("device", "warming_up") + readings("device", "too_soon");
            assert!(read > 5 * readings("host", "agreed"), "{}", run["clocks"]);
            return;
        }
    }
    panic!("the host's clock was never known");
}

#[test]
fn a_run_for_people_tells_the_session_s_life() {
    let output = fixwire(&["run", "--nic", "sim", "--orders", "50"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", errors(&output));
    let mut rest = text.as_str();
    for word in [
        "plan for sim",
        "connecting",
        "connected",
        "logged on",
        "logging out",
        "50 orders sent, 50 reports received",
        "p99.9",
        "from host clock",
    ] {
        let at = rest.find(word).unwrap_or_else(|| panic!("no {word:?} in its place: {text}"));
        rest = &rest[at..];
    }
}

#[test]
fn several_sessions_trade_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[[session]]\nsender_comp_id = \"A\"\n[[session]]\nsender_comp_id = \"B\"\nbegin_string = \"FIX.4.2\"\n";
    let session = file(folder.path(), "s.toml", text);
    let run = json(&fixwire(&[
        "run",
        "--nic",
        "sim",
        "--orders",
        "200",
        "--json",
        "--session",
        session.to_str().unwrap(),
    ]));
    let sessions = run["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session["reports_received"] == 200), "{sessions:?}");
}

#[test]
fn a_hundred_sessions_trade_in_one_run() {
    let folder = tempfile::tempdir().unwrap();
    let text: String =
        (0..100).map(|n| format!("[[session]]\nsender_comp_id = \"D{n}\"\n")).collect();
    let session = file(folder.path(), "s.toml", &text);
    let session = session.to_str().unwrap();
    let run =
        json(&fixwire(&["run", "--nic", "sim", "--orders", "20", "--json", "--session", session]));
    assert_eq!(run["session"]["reports_received"], 2000);
    assert_eq!(run["counters"]["tcp_syn_retransmission"], 0);
    for (number, session) in run["sessions"].as_array().unwrap().iter().enumerate() {
        assert_eq!(session["sender_comp_id"], format!("D{number}"));
        assert_eq!((&session["logons"], &session["next_out"]), (&1.into(), &23.into()));
        assert_eq!(session["counters"]["message_sent"], 22);
        let point = |key: &str| session["round_trip_ns"][key].as_u64().unwrap();
        assert_eq!(point("samples"), 20, "{session}");
        assert!(0 < point("p50") && point("p50") <= point("p99"), "{session}");
        assert!(point("p99") <= point("max"), "{session}");
    }
    let samples: u64 = run["round_trip_ns"]["samples"].as_u64().unwrap();
    assert_eq!(samples, 2000);

    let text = fixwire(&["run", "--nic", "sim", "--orders", "20", "--session", session]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(!text.contains("pages of 2 MiB"), "for 216 connections: {text}");
    for number in 0..100 {
        let name = format!("│ D{number} -> EXCHANGE ┆ FIX.4.4 ┆");
        let row = text
            .lines()
            .find(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&name));
        let row = row.unwrap_or_else(|| panic!("no row for D{number}: {text}"));
        let cells: Vec<&str> = row.split(['│', '┆']).map(str::trim).collect();
        assert_eq!((cells[3], cells[4], cells[12]), ("20", "20", "20"), "{row}");
    }
}

#[test]
fn connections_by_the_hundred_have_their_buffers_in_large_pages() {
    let folder = tempfile::tempdir().unwrap();
    let text: String =
        (0..120).map(|n| format!("[[session]]\nsender_comp_id = \"D{n}\"\n")).collect();
    let session = file(folder.path(), "s.toml", &text);
    let run =
        fixwire(&["run", "--nic", "sim", "--orders", "1", "--session", session.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    let told = text.lines().find_map(|line| line.strip_prefix("memory: "));
    let told = told.unwrap_or_else(|| panic!("{text}{}", errors(&run)));
    let (count, rest) = told.split_once(" pages of 2 MiB").unwrap();
    // 256 connections have 80 KiB each to send and 64 to receive.
    let is_enough = count.parse::<u32>().unwrap() >= 17;
    assert!(is_enough || rest.contains("the kernel refuses: "), "{told}");
}

#[test]
fn an_acceptor_trades_with_an_initiator_behind_the_simulated_wire() {
    let folder = tempfile::tempdir().unwrap();
    let session = file(folder.path(), "s.toml", "connection_type = \"acceptor\"\n");
    let session = session.to_str().unwrap();
    let output =
        fixwire(&["run", "--nic", "sim", "--orders", "50", "--json", "--session", session]);
    assert_eq!(json(&output)["session"]["reports_received"], 50, "{}", errors(&output));
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure_and_no_panic() {
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let command = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixwire"));
        command.args(arguments);
        command
    };
    let run = ["run", "--nic", "sim", "--orders", "5", "--json"];
    let status = command(&run).stdout(full()).stderr(std::process::Stdio::null()).status().unwrap();
    assert_eq!(status.code(), Some(1));
    let bad = ["plan", "--nic", "sim", "--profile", "nope"];
    assert_eq!(command(&bad).stderr(full()).status().unwrap().code(), Some(2));
}

#[test]
fn what_a_device_and_a_profile_can_be_and_what_signals_do_is_in_the_help() {
    let help = |arguments: &[&str]| {
        let text = String::from_utf8_lossy(&fixwire(arguments).stdout).into_owned();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for command in ["run", "accept"] {
        let text = help(&[command, "--help"]);
        for word in ["SIGUSR1", "sim:MODEL", "fixwire profiles list"] {
            assert!(text.contains(word), "{command}: {word}: {text}");
        }
    }
    assert!(help(&["profiles", "--help"]).contains("schema Print the JSON Schema"));
}

#[test]
fn every_command_explains_itself() {
    for command in ["run", "accept", "plan", "exchange"] {
        let output = fixwire(&[command, "--help"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success());
        assert!(text.contains("--json") && text.lines().count() > 10, "{text}");
    }
}
