//! The main job against the Linux kernel's TCP: in namespaces of the tests' own, skipped by name where
//! the machine gives none.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::inside::{Program, inside};
use crate::common::{has, no_namespace, skip};

const BIN: &str = env!("CARGO_BIN_EXE_fixwire");

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// For scripts: starts the demo exchange, and goes on once it listens.
const START_EXCHANGE: &str = r#"
start_exchange() {
  local said; said=$(mktemp)
  "$bin" exchange >"$said" & exchange=$!
  until grep -q listening "$said"; do sleep 0.02; done
  rm "$said"
}
bin=$1
"#;

/// Runs a shell script as root of a user and network namespace of its own. `$1` is the program.
fn in_namespace(script: &str) -> Output {
    let script = format!("{START_EXCHANGE}{script}");
    Command::new("unshare")
        .args(["-Urn", "bash", "-c", &script, "bash", BIN])
        .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
        .output()
        .expect("unshare runs")
}

#[test]
fn a_thousand_orders_trade_with_the_kernel_in_a_namespace_of_our_own() {
    if let Some(why) = no_namespace() {
        return skip(
            "kernel_peer::a_thousand_orders_trade_with_the_kernel_in_a_namespace_of_our_own",
            &why,
        );
    }
    let output = Command::new(BIN).args(["run", "--nic", "tap", "--json"]).output().unwrap();
    let run = json(&output);
    assert!(output.status.success());
    assert_eq!(run["nic"], "tap");
    assert_eq!(run["session"]["reports_received"], 1000);
    let row = |name: &str| {
        let rows = run["plan"].as_array().unwrap();
        rows.iter().find(|row| row["capability"] == name).unwrap().clone()
    };
    assert_eq!(row("tx_tcp_checksum")["by"], "Linux kernel");
    assert_eq!(row("rx_tcp_checksum")["outcome"], "device");
    // The kernel's data comes unfinished, vouched for: that is what NEEDS_CSUM is.
    assert!(run["counters"]["rx_checksum_partial"].as_u64().unwrap() >= 1000);
    assert_eq!(run["counters"]["tcp_checksum_wrong"], 0);
}

#[test]
fn losses_both_ways_are_repaired_by_selective_acknowledgements_and_probes() {
    const NAME: &str =
        "kernel_peer::losses_both_ways_are_repaired_by_selective_acknowledgements_and_probes";
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    if !has("nft") {
        return skip(NAME, "nft (nftables) is not installed");
    }
    let output = in_namespace(
        r#"start_exchange
           nft 'add table ip t; add chain ip t in { type filter hook input priority 0; }
                add chain ip t out { type filter hook output priority 0; }
                add rule ip t in iifname "fw0" ip protocol tcp numgen random mod 100 < 3 counter drop
                add rule ip t out oifname "fw0" ip protocol tcp numgen random mod 100 < 1 counter drop' >&2 ||
             { echo "no nft" >&2; kill $exchange; exit 7; }
           "$1" run --nic tap:fw0 --orders 600 --json; status=$?
           kill $exchange; exit $status"#,
    );
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(7) {
        return skip(NAME, &format!("this kernel takes no random rule of nftables: {words}"));
    }
    let run = json(&output);
    assert!(output.status.success(), "{words}");
    assert_eq!(run["session"]["reports_received"], 600);
    let count = |name: &str| run["counters"][name].as_u64().unwrap();
    // Probes are sent only where SACK was agreed on; a ping-pong's losses are all of its tail.
    assert!(count("tcp_loss_probe") > 0, "{}", run["counters"]);
    assert!(count("tcp_retransmission") >= count("tcp_loss_probe"));
    assert!(count("tcp_retransmit_timeout") < count("tcp_loss_probe"), "{}", run["counters"]);
    assert_eq!(count("tcp_sack_invalid"), 0);
}

#[test]
fn with_every_offload_off_the_same_run_sums_in_software() {
    if let Some(why) = no_namespace() {
        return skip("kernel_peer::with_every_offload_off_the_same_run_sums_in_software", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("off.toml");
    let text =
        "extends = \"tap\"\n[offloads]\nrx_tcp_checksum = \"off\"\ntx_tcp_checksum = \"off\"\n";
    std::fs::write(&profile, text).unwrap();
    let output = Command::new(BIN)
        .args(["run", "--nic", "tap", "--json", "--profile", profile.to_str().unwrap()])
        .output()
        .unwrap();
    let run = json(&output);
    assert_eq!(run["session"]["reports_received"], 1000);
    assert_eq!(run["counters"]["rx_checksum_partial"], 0);
    assert!(run["counters"]["rx_checksum_verified"].as_u64().unwrap() >= 1000);
}

#[test]
fn an_attached_tap_trades_with_an_exchange_of_its_own_process() {
    if let Some(why) = no_namespace() {
        return skip(
            "kernel_peer::an_attached_tap_trades_with_an_exchange_of_its_own_process",
            &why,
        );
    }
    let output = in_namespace(
        r#"start_exchange
           "$1" run --nic tap:fw0 --orders 300 --json; status=$?
           kill $exchange; exit $status"#,
    );
    let run = json(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(run["nic"], "tap:fw0");
    assert_eq!(run["session"]["reports_received"], 300);
}

#[test]
fn a_counterparty_that_expects_higher_numbers_is_quoted_and_a_reset_helps() {
    if let Some(why) = no_namespace() {
        return skip(
            "kernel_peer::a_counterparty_that_expects_higher_numbers_is_quoted_and_a_reset_helps",
            &why,
        );
    }
    let output = in_namespace(
        r#"start_exchange
           s=$(mktemp); echo 'reset_on_logon = true' >"$s"
           "$1" run --nic tap:fw0 --orders 20 --json >/dev/null; echo "first $?"
           "$1" run --nic tap:fw0 --orders 20 --json >/dev/null; echo "second $?"
           "$1" run --nic tap:fw0 --orders 20 --json --session "$s" >/dev/null; echo "third $?"
           kill $exchange; rm "$s""#,
    );
    let (codes, sentence) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(codes, "first 0\nsecond 1\nthird 0\n", "{sentence}");
    let quoted = "(it says \"MsgSeqNum too low, expecting 23 but received 1\")";
    assert!(sentence.contains(quoted) && sentence.contains("reset_on_logon"), "{sentence}");
}

#[test]
fn a_peer_that_refuses_and_one_that_is_not_there_are_told_apart() {
    if let Some(why) = no_namespace() {
        return skip(
            "kernel_peer::a_peer_that_refuses_and_one_that_is_not_there_are_told_apart",
            &why,
        );
    }
    for (session, words) in [
        ("", "10.9.0.1:9878 refused the connection"),
        ("socket_connect_host = \"10.9.0.77\"", "answers ARP for 10.9.0.77"),
    ] {
        let script = format!(
            r#"s=$(mktemp); echo '{session}' >"$s"
               "$1" run --nic tap:fw0 --session "$s" --connect-timeout 2; status=$?
               rm "$s"; exit $status"#
        );
        let output = in_namespace(&script);
        let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{sentence}");
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn a_peer_that_speaks_another_protocol_is_named_with_what_it_says() {
    inside("kernel_peer::a_peer_that_speaks_another_protocol_is_named_with_what_it_says", || {
        for (banner, words) in [
            (
                &b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"[..],
                "does not speak FIX but SSH (it says \"SSH-2.0-",
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n",
                "FIX but HTTP (it says \"HTTP/1.1 400 Bad Request",
            ),
            (b"220 mail ready\r\n", "does not speak FIX (it says \"220 mail ready"),
        ] {
            let listener = std::net::TcpListener::bind("0.0.0.0:9878").unwrap();
            let mut run = Command::new(BIN);
            run.args(["run", "--nic", "tap:fw0", "--orders", "5"]);
            let run = Program::start(&mut run);
            let (mut peer, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut peer, banner).unwrap();
            let ended = run.wait();
            assert_eq!(ended.code, Some(1), "{}", ended.errors);
            let remedy = "correct socket_connect_host and socket_connect_port";
            assert!(
                ended.errors.contains(words) && ended.errors.contains(remedy),
                "{}",
                ended.errors
            );
        }
    });
}

#[test]
fn fifty_sessions_trade_with_the_kernel_on_one_core() {
    const NAME: &str = "kernel_peer::fifty_sessions_trade_with_the_kernel_on_one_core";
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    let text: String = (0..50)
        .map(|n| {
            let version = ["FIX.4.2", "FIX.4.4"][n % 2];
            format!("[[session]]\nsender_comp_id = \"D{n}\"\nbegin_string = \"{version}\"\n")
        })
        .collect();
    std::fs::write(&file, text).unwrap();
    let output = Command::new(BIN)
        .args(["run", "--nic", "tap", "--orders", "40", "--json", "--session"])
        .arg(&file)
        .output()
        .unwrap();
    let run = json(&output);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sessions = run["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 50);
    for session in sessions {
        assert_eq!((&session["reports_received"], &session["logons"]), (&40.into(), &1.into()));
        assert_eq!(session["round_trip_ns"]["samples"], 40);
    }
    assert_eq!(run["counters"]["close_logout_complete"], 50);
}

#[test]
fn a_session_that_never_comes_about_is_named_and_the_others_trade() {
    inside("kernel_peer::a_session_that_never_comes_about_is_named_and_the_others_trade", || {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.toml");
        let text = "[default]\nreconnect_interval = 1\n[[session]]\ntarget_comp_id = \"NOBODY\"\n\
                    [[session]]\nsender_comp_id = \"GOOD\"\n";
        std::fs::write(&file, text).unwrap();
        let _exchange = Program::start(Command::new(BIN).arg("exchange"));
        let mut run = Command::new(BIN);
        run.args(["run", "--nic", "tap:fw0", "--orders", "30", "--stall-timeout", "2", "--json"]);
        let ended = Program::start(run.arg("--session").arg(&file)).wait();
        assert_eq!(ended.code, Some(1), "{}", ended.errors);
        let named =
            "(30 of 60 done), session FIXWIRE -> NOBODY is not logged on: the counterparty closed";
        assert!(ended.errors.contains(named), "{}", ended.errors);
        let sessions = ended.summary()["sessions"].clone();
        assert_eq!(
            (&sessions[0]["logons"], &sessions[1]["reports_received"]),
            (&0.into(), &30.into())
        );
    });
}

#[test]
fn tx_checksums_are_right_where_a_kernel_really_checks_them() {
    const NAME: &str = "kernel_peer::tx_checksums_are_right_where_a_kernel_really_checks_them";
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    for tool in ["ip", "ethtool", "nsenter"] {
        if !has(tool) {
            return skip(NAME, &format!("{tool} is not installed"));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    for setting in ["prefer", "off"] {
        let profile = folder.path().join("p.toml");
        let text = format!("extends = \"tap\"\n[offloads]\ntx_tcp_checksum = \"{setting}\"\n");
        std::fs::write(&profile, text).unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/net/tx_checksum");
        let output = Command::new("unshare")
            .args(["-Urn", "bash", script, BIN, profile.to_str().unwrap(), "1000"])
            .env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()))
            .output()
            .unwrap();
        let run = json(&output);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(run["session"]["reports_received"], 1000, "{setting}: {words}");
        assert!(words.contains("InCsumErrors in the second namespace: 0"), "{setting}: {words}");
        let rows = run["plan"].as_array().unwrap();
        let row = rows.iter().find(|row| row["capability"] == "tx_tcp_checksum").unwrap();
        let expected = if setting == "prefer" { "device" } else { "host" };
        assert_eq!(row["outcome"], expected);
    }
}

#[test]
fn a_kill_at_any_moment_leaves_nothing_behind() {
    const NAME: &str = "kernel_peer::a_kill_at_any_moment_leaves_nothing_behind";
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    if !has("ip") {
        return skip(NAME, "ip (iproute2) is not installed");
    }
    let rounds = if crate::common::full() { 200 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    for round in 0..rounds {
        // Spread over the first third of a second: set-up, logon, trading.
        let after = Duration::from_micros(1_000 + (round * 7_919_317 % 300_000));
        // In a namespace of the engine's own: nothing of it is seen from outside.
        let before = interfaces();
        let mut child = Command::new(BIN)
            .args(["run", "--nic", "tap", "--orders", "10000000", "--json"])
            .current_dir(folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id();
        std::thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(interfaces(), before, "killed after {after:?}");
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left behind");

        // In a namespace that outlives it: the TAP goes with its engine.
        let output = in_namespace(&format!(
            r#"start_exchange
               "$1" run --nic tap:fw0 --orders 10000000 --json >/dev/null & engine=$!
               sleep {}; kill -9 $engine; wait $engine 2>/dev/null
               for _ in $(seq 50); do ip link show fw0 >/dev/null 2>&1 || break; sleep 0.02; done
               ip -o link show | grep -v ': lo:'; kill $exchange"#,
            after.as_secs_f64()
        ));
        let left = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(left, "", "killed after {after:?}");
    }
}

fn interfaces() -> Vec<String> {
    let listed = std::fs::read_to_string("/proc/net/dev").unwrap();
    listed
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// A Logon as a client on kernel sockets would send it.
fn logon(sender: &str, target: &str) -> Vec<u8> {
    let mut body = format!("35=A|34=1|49={sender}|52=20260101-00:00:00|56={target}|98=0|108=30|");
    body = body.replace('|', "\x01");
    let mut message = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = message.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend(format!("10={sum:03}\x01").bytes());
    message
}

#[test]
fn a_second_logon_of_the_same_identity_is_closed_by_name_and_the_first_lives_on() {
    const NAME: &str =
        "kernel_peer::a_second_logon_of_the_same_identity_is_closed_by_name_and_the_first_lives_on";
    if let Some(why) = no_namespace() {
        return skip(NAME, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("logon"), logon("CLIENT", "FIXWIRE")).unwrap();
    let settings =
        "connection_type = \"acceptor\"\ntarget_comp_id = \"CLIENT\"\ncheck_latency = false\n";
    std::fs::write(path("s.toml"), settings).unwrap();
    let output = in_namespace(&format!(
        r#""$1" run --nic tap:fw0 --orders 1 --json --session {session} & engine=$!
           for _ in $(seq 100); do exec 3<>/dev/tcp/10.9.0.2/9878 && break; sleep 0.05; done 2>/dev/null
           cat {logon} >&3; read -r -t 5 -d 9 first <&3
           exec 4<>/dev/tcp/10.9.0.2/9878; cat {logon} >&4
           second=$(timeout 5 cat <&4 | wc -c); echo "status ${{PIPESTATUS[0]}} bytes $second" >&2
           sleep 0.2; kill -INT $engine; wait $engine"#,
        session = path("s.toml"),
        logon = path("logon"),
    ));
    let run = json(&output);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("bytes 0"), "{words}");
    assert_eq!(run["counters"]["logon_duplicate"], 1, "{words}");
    assert_eq!(run["session"]["logons"], 1);
    assert_eq!(run["session"]["orders_sent"], 1, "the first session trades");
    assert_eq!(run["counters"]["lines_lost"], 0);
}

#[test]
fn an_interrupt_logs_out_and_reports() {
    if let Some(why) = no_namespace() {
        return skip("kernel_peer::an_interrupt_logs_out_and_reports", &why);
    }
    let child = Command::new(BIN)
        .args(["run", "--nic", "tap", "--orders", "100000000", "--json"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(700));
    let id = child.id().to_string();
    let begun = Instant::now();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(8));
    assert_eq!(output.status.code(), Some(1));
    let run = json(&output);
    assert!(run["session"]["orders_sent"].as_u64().unwrap() > 0);
    assert_eq!(run["counters"]["close_logout_complete"], 1, "{}", run["counters"]);
}
