//! `--capture`: files that Wireshark's own dissectors find nothing wrong with, and runs that go on
//! whatever becomes of the file.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::captured::{
    Dissected, all_off, assert_accounted, assert_capture_is_right, assert_conversation,
    assert_file_agrees, comments, count, dissect, errors, interfaces, lost, no_wireshark,
    of_interface,
};
use crate::common::inside::{PATIENCE, Program};
use crate::common::{has, no_namespace, skip};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");
/// Orders of a run whose capture is looked into.
const ORDERS: u64 = 500;

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{}", String::from_utf8_lossy(&output.stdout), errors(output))
    })
}

/// A run of `orders` on `nic`, captured to `file`.
fn captured(nic: &str, orders: u64, file: &Path, more: &[&str]) -> Output {
    Command::new(BIN)
        .args(["run", "--nic", nic, "--json", "--orders", &orders.to_string(), "--capture"])
        .arg(file)
        .args(more)
        .output()
        .unwrap()
}

/// The run traded all the same, and every frame is in the file or counted as missing.
fn assert_traded_and_accounted(run: &Value, orders: u64) {
    assert_eq!(run["session"]["reports_received"], orders);
    assert_accounted(run);
}

/// Each way the messages of the run, every MsgSeqNum once and in order.
fn assert_messages_are_whole(frames: &[Dissected], orders: u64) {
    for (interface, kind) in [(0, "8"), (1, "D")] {
        assert_conversation(&of_interface(frames, interface), kind, 1, orders);
    }
}

/// Everything asked of a capture of a whole run.
fn assert_captured_run_is_right(run: &Value, file: &Path) -> Vec<Dissected> {
    assert_traded_and_accounted(run, ORDERS);
    let frames = assert_capture_is_right(run, file, 2 * ORDERS);
    assert_messages_are_whole(&frames, ORDERS);
    frames
}

fn assert_right_with_and_without_offloads(nic: &str, sent: &str, received: Option<(&str, &str)>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let run = json(&captured(nic, ORDERS, &file, &[]));
    let frames = assert_captured_run_is_right(&run, &file);
    let marked = comments(&of_interface(&frames, 1));
    assert_eq!(marked.len() as u64, count(&run, "tcp_segment_out"));
    assert!(marked.iter().all(|comment| *comment == sent), "{:?}", marked.first());
    let marked = comments(&of_interface(&frames, 0));
    let (expected, counter) = received.unwrap_or(("", "rx_checksum_partial"));
    assert_eq!(marked.len() as u64, count(&run, counter));
    assert!(marked.iter().all(|comment| *comment == expected), "{:?}", marked.first());
    assert_capinfos_names_sources(&file, nic, count(&run, "rx_frames"));

    let profile = all_off(folder.path(), nic);
    let run = json(&captured(nic, ORDERS, &file, &["--profile", &profile]));
    let frames = assert_captured_run_is_right(&run, &file);
    assert!(comments(&frames.iter().collect::<Vec<_>>()).is_empty(), "nothing was left to anybody");
}

fn assert_capinfos_says(file: &Path, all: &[&str]) {
    let output = Command::new("capinfos").arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", errors(&output));
    for words in all {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
}

fn assert_capinfos_names_sources(file: &Path, nic: &str, received: u64) {
    let all = [
        "nanoseconds (9)",
        concat!("Capture application: fixwire ", env!("CARGO_PKG_VERSION")),
        "Capture oper-sys:    Linux",
        "Number of interfaces in file: 2",
        &format!("Name = {nic}"),
        "Description = received; stamps: ",
        "Description = sent; stamps: host ",
        ", read before tx_burst; ns, shown as UTC by readings of the system's time against it",
        "Number of stat entries = 1",
        &format!("Number of packets = {received}"),
    ];
    assert_capinfos_says(file, &all);
}

#[test]
fn wireshark_finds_nothing_wrong_with_a_run_on_the_model() {
    if let Some(why) = no_wireshark() {
        return skip("capture::wireshark_finds_nothing_wrong_with_a_run_on_the_model", &why);
    }
    let sent = "IPv4 and TCP checksums left to the device, completed in this copy";
    assert_right_with_and_without_offloads("sim", sent, None);
}

#[test]
fn wireshark_finds_nothing_wrong_with_stamps_of_a_nic_model_s_own_clock() {
    if let Some(why) = no_wireshark() {
        return skip(
            "capture::wireshark_finds_nothing_wrong_with_stamps_of_a_nic_model_s_own_clock",
            &why,
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    // Jumps that are large by assumption are told from few readings.
    let profile = folder.path().join("p.toml");
    fs::write(&profile, "extends = \"connectx5\"\n[clock]\njump_ns_min = 1000000\n").unwrap();
    let more = ["--profile", profile.to_str().unwrap(), "--capture-ring-mib", "256"];
    // Until its clock is known, which takes a while, the host's shows when frames came.
    for orders in [2_000, 8_000, 32_000, 128_000] {
        let run = json(&captured("sim:connectx5", orders, &file, &more));
        assert_traded_and_accounted(&run, orders);
        let frames = assert_capture_is_right(&run, &file, 2 * orders);
        let received = of_interface(&frames, 0);
        let by_host = comments(&received);
        let words = "stamped by the host monotonic clock, ns; the device's stamp: ";
        for comment in &by_host {
            assert!(comment.starts_with(words) && comment.ends_with(" by its NIC counter, ticks"));
        }
        if by_host.len() < received.len() {
            let clock = "Description = received; stamps: a NIC model's clock, no NIC's (NIC counter, ticks;";
            return assert_capinfos_says(&file, &[clock, "with a bound on its error"]);
        }
    }
    panic!("its clock was never known");
}

#[test]
fn wireshark_finds_nothing_wrong_with_a_run_on_a_tap() {
    if let Some(why) = no_wireshark().or_else(no_namespace) {
        return skip("capture::wireshark_finds_nothing_wrong_with_a_run_on_a_tap", &why);
    }
    let sent = "TCP checksum left to the device, completed in this copy";
    let received = "TCP checksum handed over unfinished, completed in this copy";
    let received = Some((received, "rx_checksum_partial"));
    assert_right_with_and_without_offloads("tap", sent, received);
}

#[test]
fn a_run_that_is_not_captured_says_so_to_machines() {
    let output =
        Command::new(BIN).args(["run", "--nic", "sim", "--orders", "5", "--json"]).output();
    assert_eq!(json(&output.unwrap())["capture"], Value::Null);
}

#[test]
fn a_capture_accounts_for_every_frame_and_people_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    fs::write(&file, "what was there before").unwrap();
    let run = json(&captured("sim", ORDERS, &file, &[]));
    assert_traded_and_accounted(&run, ORDERS);
    assert_eq!(lost(&run), 0);
    assert_eq!(run["capture"]["file"], file.to_str().unwrap());
    let bytes = fs::read(&file).unwrap();
    assert_file_agrees(&run, &bytes);
    assert!(interfaces(&bytes).iter().all(|interface| interface.statistics.is_some()));

    let output = Command::new(BIN)
        .args(["run", "--nic", "sim", "--orders", "5", "--capture", file.to_str().unwrap()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let [rx, tx] = interfaces(&fs::read(&file).unwrap()).map(|interface| interface.packets);
    let words =
        format!("capture: {rx} received and {tx} sent frames in {}", file.to_str().unwrap());
    assert!(text.contains(&words), "{text}");
    assert!(!text.contains("missing"), "{text}");
}

#[test]
fn a_file_that_cannot_be_opened_or_written_costs_the_frames_and_not_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder.pcapng");
    for (file, place, remedy) in [
        (nowhere.as_path(), "folder.pcapng cannot be opened", "create its folder"),
        (folder.path(), "cannot be opened: Is a directory", "name a file in that folder"),
        (Path::new("/dev/full"), "/dev/full cannot be written", "make room"),
    ] {
        let output = captured("sim", 200, file, &[]);
        let (run, words) = (json(&output), errors(&output));
        assert!(output.status.success(), "{words}");
        assert_traded_and_accounted(&run, 200);
        assert_eq!(count(&run, "rx_write_failed"), count(&run, "rx_frames"));
        assert_eq!(count(&run, "tx_write_failed"), count(&run, "tx_frames"));
        let summary = run["capture"]["trouble"].as_str().unwrap();
        for sentence in [words.as_str(), summary] {
            assert!(sentence.contains(place) && sentence.contains(remedy), "{sentence}");
        }
        assert_eq!(words.matches("capture file").count(), 1, "said once: {words}");
    }
    let output = Command::new(BIN)
        .args(["run", "--nic", "sim", "--orders", "5", "--capture", "/dev/full"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("frames are missing from it: 0 found the ring full"), "{text}");
    assert!(text.contains("/dev/full cannot be written"), "{text}");
}

#[test]
fn a_limit_on_file_sizes_leaves_a_whole_file_up_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.pcapng");
    let output = Command::new("bash")
        .args([
            "-c",
            r#"ulimit -f 100; exec "$0" run --nic sim --orders 2000 --json --capture "$1""#,
        ])
        .args([Path::new(BIN), &file])
        .output()
        .unwrap();
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 2_000);
    assert!(errors(&output).contains("ulimit -f"), "{}", errors(&output));
    let bytes = fs::read(&file).unwrap();
    // The limit is in units of 1024 bytes; the next frame would not have fitted.
    assert!((101_000..=102_400).contains(&bytes.len()), "{} bytes", bytes.len());
    assert_file_agrees(&run, &bytes);
    assert!(count(&run, "tx_written") > 100 && count(&run, "tx_write_failed") > 1_000);
    if !has("tshark") {
        return;
    }
    let frames = dissect(&file).len() as u64;
    assert_eq!(frames, count(&run, "rx_written") + count(&run, "tx_written"));
}

#[test]
fn a_disk_that_fills_and_is_cleared_costs_what_came_between() {
    const NAME: &str = "capture::a_disk_that_fills_and_is_cleared_costs_what_came_between";
    let mounts = || {
        let mount = "mount -t tmpfs -o size=64k none /mnt";
        Command::new("unshare").args(["-Urnm", "bash", "-c", mount]).output()
    };
    match no_namespace() {
        Some(why) => return skip(NAME, &why),
        None => match mounts() {
            Ok(output) if output.status.success() => {}
            Ok(output) => return skip(NAME, &format!("no tmpfs: {}", errors(&output).trim())),
            Err(error) => return skip(NAME, &error.to_string()),
        },
    }
    // Filled to the brim by another file; once that is gone, there is room for more than a run writes
    // until it is interrupted.
    let script = r#"
        mount -t tmpfs -o size=200m none "$1"
        head -c 199m /dev/zero >"$1/other"
        "$0" run --nic sim --orders 1000000000 --json --capture "$1/run.pcapng" >"$2/json" 2>"$2/err" &
        run=$!
        for _ in $(seq 600); do grep -q 'No space left' "$2/err" && break; sleep 0.05; done
        cut=$(stat -c %s "$1/run.pcapng")
        rm "$1/other"
        for _ in $(seq 600); do [ "$(stat -c %s "$1/run.pcapng")" -gt $((cut + 1000000)) ] && break; sleep 0.02; done
        kill -INT $run; wait $run
        cp "$1/run.pcapng" "$2/run.pcapng"
    "#;
    let (mount, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output = Command::new("unshare")
        .args(["-Urnm", "bash", "-c", script, BIN])
        .args([mount.path(), out.path()])
        .output()
        .unwrap();
    let words = fs::read_to_string(out.path().join("err")).unwrap();
    let text = fs::read_to_string(out.path().join("json")).unwrap();
    let run: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{words}{}", errors(&output)));
    assert!(words.contains("No space left on device") && words.contains("make room"), "{words}");
    assert_eq!(words.matches("capture file").count(), 1, "said once: {words}");
    let reports = run["session"]["reports_received"].as_u64().unwrap();
    assert_traded_and_accounted(&run, reports);
    assert!(lost(&run) > 0, "{}", run["capture"]);
    let file = fs::read(out.path().join("run.pcapng")).unwrap();
    assert_file_agrees(&run, &file);
    let found = interfaces(&file);
    assert!(found.iter().all(|interface| interface.packets > 1_000), "{found:?}");
    // Written on to its end, so every gap is in the file, where it was.
    for (interface, way) in found.iter().zip(["rx", "tx"]) {
        let frames = count(&run, &format!("{way}_frames"));
        assert!(interface.gaps > 0, "{way}: {interface:?}");
        if interface.statistics.is_some() {
            assert_eq!(interface.packets + interface.gaps, frames, "{way}");
        }
    }
}

/// A named pipe in `folder`.
fn pipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

#[test]
fn a_pipe_that_nobody_reads_fills_the_ring_and_stalls_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let output = captured("sim", 4_000, &pipe, &["--capture-ring-mib", "1"]);
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 4_000);
    assert_eq!(count(&run, "rx_written") + count(&run, "tx_written"), 0);
    let (ring_full, write_failed) = (count(&run, "rx_ring_full"), count(&run, "rx_write_failed"));
    assert!(ring_full > 1_000 && write_failed > 1_000, "{}", run["capture"]);
    assert!(run["capture"]["trouble"].as_str().unwrap().contains("nobody reads"));
}

#[test]
fn a_reader_that_stops_reading_stalls_nobody_either() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // The shell's own end of the pipe is open and never read.
    let script = r#"exec 3<>"$1"; exec "$0" run --nic sim --orders 4000 --json --capture "$1" --capture-ring-mib 1"#;
    let output = Command::new("bash").args(["-c", script, BIN]).arg(&pipe).output().unwrap();
    let run = json(&output);
    assert!(output.status.success(), "{}", errors(&output));
    assert_traded_and_accounted(&run, 4_000);
    assert!(count(&run, "rx_ring_full") > 0, "{}", run["capture"]);
    let trouble = run["capture"]["trouble"].as_str().unwrap();
    assert!(trouble.contains("keep its reader running"), "{trouble}");
}

#[test]
fn a_pipe_that_is_read_carries_the_same_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    // The shell holds the pipe open, so that run and reader may come in any order.
    let script = r#"
        exec 3<>"$1"; cat "$1" >"$2" 3>&- & reader=$!
        "$0" run --nic sim --orders 500 --json --capture "$1"
        exec 3>&-; wait $reader"#;
    let read = folder.path().join("read.pcapng");
    let output = Command::new("bash").args(["-c", script, BIN]).args([&pipe, &read]).output();
    let run = json(&output.unwrap());
    let bytes = fs::read(&read).unwrap();
    assert_traded_and_accounted(&run, ORDERS);
    assert_eq!(lost(&run), 0);
    assert_file_agrees(&run, &bytes);
    assert!(interfaces(&bytes).iter().all(|interface| interface.statistics.is_some()));
}

#[test]
fn a_file_that_a_namespace_shuts_us_out_of_is_opened_before_it_is_entered() {
    const NAME: &str =
        "capture::a_file_that_a_namespace_shuts_us_out_of_is_opened_before_it_is_entered";
    let folder = tempfile::tempdir().unwrap();
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        return skip(NAME, "only root can give a folder away");
    }
    // Another user's: root may write there, root of a namespace may not.
    std::os::unix::fs::chown(folder.path(), Some(1), Some(1)).unwrap();
    let file = folder.path().join("run.pcapng");
    let run = json(&captured("tap", 50, &file, &[]));
    assert_traded_and_accounted(&run, 50);
    assert_eq!(lost(&run), 0, "{}", run["capture"]);

    let file = folder.path().join("accept.pcapng");
    let mut command = Command::new(BIN);
    let mut acceptor =
        Program::start(command.args(["accept", "--nic", "tap", "--json", "--capture"]).arg(file));
    acceptor.event_of("listening");
    let summary = acceptor.interrupt().summary();
    assert_accounted(&summary);
    assert_eq!((lost(&summary), &summary["capture"]["trouble"]), (0, &Value::Null));
}

/// Which cores a process's first thread may use, which polls, and which each of its threads of some names.
fn cores_of_polling_and(process: u32, names: [&str; 2]) -> Option<(String, Vec<String>)> {
    let cores_of = |thread: &Path, name: &str| {
        let status = fs::read_to_string(thread.join("status")).ok()?;
        let value = |key| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        value("Name:").filter(|found| *found == name)?;
        value("Cpus_allowed:").map(str::to_owned)
    };
    let threads = Path::new("/proc").join(process.to_string()).join("task");
    let polling = cores_of(&threads.join(process.to_string()), "fixwire")?;
    let threads: Vec<_> = fs::read_dir(threads).ok()?.map_while(Result::ok).collect();
    let named = |name| threads.iter().filter_map(move |thread| cores_of(&thread.path(), name));
    Some((polling, names.into_iter().flat_map(named).collect()))
}

/// Whether two masks of cores, in hexadecimal digits, have one in common.
fn overlap(ours: &str, theirs: &str) -> bool {
    let digits =
        |mask: &str| mask.chars().filter_map(|digit| digit.to_digit(16)).collect::<Vec<_>>();
    digits(ours).iter().zip(digits(theirs)).any(|(ours, theirs)| ours & theirs != 0)
}

#[test]
fn the_file_is_written_and_the_clocks_are_read_once_off_the_core_that_polls() {
    const NAME: &str =
        "capture::the_file_is_written_and_the_clocks_are_read_once_off_the_core_that_polls";
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
        return skip(NAME, "there is one core");
    }
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    for arguments in [vec!["run", "--orders", "1000000000"], vec!["accept"]] {
        let file = folder.path().join(arguments[0]);
        let mut command = Command::new(BIN);
        command.args(&arguments).args(["--nic", "tap", "--capture"]).arg(file);
        let program = Program::start(&mut command);
        let begun = Instant::now();
        loop {
            // One thread of each name: the capture shares the run's clocks.
            let cores = cores_of_polling_and(program.id(), ["capture", "clocks"]);
            let apart = cores.as_ref().is_some_and(|(polling, others)| {
                others.len() == 2 && others.iter().all(|other| !overlap(polling, other))
            });
            if apart {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{arguments:?}: {cores:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        program.interrupt();
    }
}

#[test]
fn what_is_wrong_with_the_options_is_said_before_the_file_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.pcapng");
    fs::write(&file, "kept").unwrap();
    let path = file.to_str().unwrap();
    for (command, arguments, words) in [
        ("run", vec!["--capture", path, "--capture-ring-mib", "0"], "1..=4096"),
        ("run", vec!["--capture-ring-mib", "4"], "--capture"),
        ("run", vec!["--capture", path, "--profile", "nope"], "nope"),
        ("accept", vec!["--capture", path, "--capture-ring-mib", "0"], "1..=4096"),
        ("accept", vec!["--capture", path, "--profile", "nope"], "nope"),
        ("accept", vec!["--capture", path], "nobody can connect to the NIC model"),
    ] {
        let output =
            Command::new(BIN).args([command, "--nic", "sim"]).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(errors(&output).contains(words), "{}", errors(&output));
        assert_eq!(fs::read(&file).unwrap(), b"kept");
    }
}

#[test]
fn the_file_that_the_settings_came_from_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("s.toml");
    for (option, text) in
        [("--session", "heart_bt_int = 5\n"), ("--profile", "extends = \"sim\"\n")]
    {
        fs::write(&settings, text).unwrap();
        let output = Command::new(BIN)
            .args(["run", "--nic", "sim", "--orders", "5", option])
            .arg(&settings)
            .arg("--capture")
            .arg(folder.path().join(".").join("s.toml"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains("name another"), "{}", errors(&output));
        assert_eq!(fs::read_to_string(&settings).unwrap(), text);
    }
}
