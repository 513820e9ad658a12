//! Wire to wire by a second port, on interfaces of the kernel's.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::errors;
use crate::common::{no_namespace, skip};

const ORDERS: u64 = 300;
const KIND: &str = "wire_to_wire_tap_port";

/// Every order is in a figure or excluded, by the kernel's clock, and that is said.
fn assert_port(report: &Value, interface: &str) {
    let port = &report["wire_port"];
    assert_eq!(port["interface"], interface, "{port:#}");
    assert_eq!(port["trouble"], Value::Null, "{port:#}");
    assert_eq!(
        (&port["frames_no_room"], &port["frames_stamped_in_hardware"]),
        (&0.into(), &0.into()),
        "{port:#}"
    );
    assert!(port["no_hardware_stamps_because"].is_string(), "{port:#}");
    // The kernel's stamps need no clock of the port's.
    assert_eq!((&port["clock"], &port["clock_unread_because"]), (&Value::Null, &Value::Null));
    // Logons, Logouts, orders and their reports.
    assert_eq!(port["messages"], 2 * ORDERS + 4, "{port:#}");
    let samples = assert_figures(report);
    assert!(samples > ORDERS * 9 / 10, "{report:#}");
}

/// The engine's own orders are in the figure or excluded, and nobody else's. Says how many are in the figure.
fn assert_figures(report: &Value) -> u64 {
    let all = report["intervals"].as_array().unwrap();
    let of: Vec<_> = all.iter().filter(|of| of["kind"] == KIND).collect();
    let [of] = of[..] else { panic!("{all:#?}") };
    assert_eq!(
        of["clock"], "the kernel's clock as it took the second port's frames over",
        "{of:#}"
    );
    assert!(of["error_bound"].as_str().unwrap().contains("this is no measure of a wire"), "{of:#}");
    let excluded = report["excluded"][KIND].as_object().unwrap();
    let of_excluded: u64 = excluded.values().map(|count| count.as_u64().unwrap()).sum();
    let samples = of["samples"].as_u64().unwrap();
    assert_eq!(samples + of_excluded, ORDERS, "{report:#}");
    // What is sent at the logon acknowledges no application's message.
    assert_eq!(excluded["nothing_new_acknowledged"], 1, "{excluded:?}");
    // What the engine does itself is measured as without.
    let to_doorbell = all.iter().find(|of| of["kind"] == "poll_to_doorbell").unwrap();
    assert_eq!(to_doorbell["samples"].as_u64().unwrap(), ORDERS - 1);
    samples
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).expect("JSON")
}

#[test]
fn the_interface_that_is_traded_over_is_its_own_second_port() {
    if let Some(why) = no_namespace() {
        return skip("measure::the_interface_that_is_traded_over_is_its_own_second_port", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("live.json");
    let output = Command::new(env!("CARGO_BIN_EXE_fixwire"))
        .args(["run", "--nic", "tap", "--orders", &ORDERS.to_string(), "--wire-port", "fixwire0"])
        .args(["--measure-json", json.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    assert_port(&read(&json), "fixwire0");
    let text = String::from_utf8_lossy(&output.stdout);
    for part in
        ["wire to wire (tap port)", "the second port fixwire0: ", "nothing_new_acknowledged"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

/// A TAP is traded over, and a veth on the way to the kernel's TCP, which sees both directions, is read.
#[test]
fn a_veth_on_the_way_sees_what_passes_a_tap() {
    if let Some(why) = no_namespace() {
        return skip("measure::a_veth_on_the_way_sees_what_passes_a_tap", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("live.json");
    let script = format!(
        "set -e
        ip link set lo up
        ip link add bridge0 type bridge
        ip link add near0 type veth peer name far0
        ip tuntap add traded0 mode tap vnet_hdr
        ip link set near0 master bridge0
        ip link set traded0 master bridge0
        ip address add 10.9.0.1/24 dev far0
        ip address add 10.9.1.1/24 dev traded0
        for of in bridge0 near0 far0 traded0; do ip link set $of up; done
        {fixwire} exchange --listen 10.9.0.1:9878 >/dev/null 2>&1 &
        exchange=$!
        trap 'kill $exchange' EXIT
        until ss -ltn | grep -q 10.9.0.1:9878; do kill -0 $exchange; sleep 0.05; done
        {fixwire} run --nic tap:traded0 --session {session} --orders {ORDERS} --wire-port near0 --measure-json {json}",
        fixwire = env!("CARGO_BIN_EXE_fixwire"),
        session = session(folder.path(), 2, 9_878),
        json = json.display(),
    );
    if !is_played(&script, "measure::a_veth_on_the_way_sees_what_passes_a_tap") {
        return;
    }
    assert_port(&read(&json), "near0");
}

/// Another trader is behind the same bridge, and the port sees both.
#[test]
fn whoever_else_trades_where_the_port_sees_it_is_in_no_figure() {
    if let Some(why) = no_namespace() {
        return skip("measure::whoever_else_trades_where_the_port_sees_it_is_in_no_figure", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let (json, other) = (folder.path().join("live.json"), folder.path().join("other"));
    std::fs::create_dir(&other).unwrap();
    let script = format!(
        "set -e
        ip link set lo up
        ip link add bridge0 type bridge
        ip link add near0 type veth peer name far0
        ip tuntap add traded0 mode tap vnet_hdr
        ip tuntap add other0 mode tap vnet_hdr
        for of in near0 traded0 other0; do ip link set $of master bridge0; done
        ip address add 10.9.0.1/24 dev far0
        ip address add 10.9.1.1/24 dev traded0
        ip address add 10.9.2.1/24 dev other0
        for of in bridge0 near0 far0 traded0 other0; do ip link set $of up; done
        trap 'kill $all 2>/dev/null' EXIT
        for port in 9878 9879; do
          timeout 60 {fixwire} exchange --listen 10.9.0.1:$port >/dev/null 2>&1 &
          all=\"$all $!\"
        done
        for port in 9878 9879; do until ss -ltn | grep -q 10.9.0.1:$port; do sleep 0.05; done; done
        # Until the engine has ended.
        timeout 60 {fixwire} run --nic tap:other0 --session {others} --orders 100000000 >/dev/null 2>&1 &
        all=\"$all $!\"
        until ss -tn | grep -q 10.9.0.1:9879; do kill -0 $!; sleep 0.05; done
        {fixwire} run --nic tap:traded0 --session {session} --orders {ORDERS} --wire-port near0 --measure-json {json}",
        fixwire = env!("CARGO_BIN_EXE_fixwire"),
        session = session(folder.path(), 2, 9_878),
        others = session(&other, 3, 9_879),
        json = json.display(),
    );
    if !is_played(&script, "measure::whoever_else_trades_where_the_port_sees_it_is_in_no_figure") {
        return;
    }
    let report = read(&json);
    let others = report["wire_port"]["orders_of_others"].as_u64().unwrap();
    assert!(others > 0, "{report:#}");
    let told = format!("{others} orders that others sent passed near0, and are in no figure");
    assert!(report["notes"].to_string().contains(&told), "{report:#}");
    assert_figures(&report);
}

/// The kernel hands a veth more than a segment at once, which is seen as one frame with one stamp.
#[test]
fn segments_that_the_kernel_has_joined_have_no_time() {
    if let Some(why) = no_namespace() {
        return skip("measure::segments_that_the_kernel_has_joined_have_no_time", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("live.json");
    // Trades as long as others send that much.
    let orders = 20 * ORDERS;
    let script = format!(
        "set -e
        ip link set lo up
        ip link add bridge0 type bridge
        ip link add near0 type veth peer name far0
        ip tuntap add traded0 mode tap vnet_hdr
        ip link set near0 master bridge0
        ip link set traded0 master bridge0
        unshare -n sleep 60 &
        far=$!
        trap 'kill $far' EXIT
        until [ \"$(readlink /proc/$far/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do kill -0 $far; sleep 0.05; done
        ip link set far0 netns $far
        nsenter -t $far -n sh -c 'ip address add 10.9.0.1/24 dev far0; ip link set far0 up'
        ip address add 10.9.0.3/24 dev bridge0
        ip address add 10.9.1.1/24 dev traded0
        for of in bridge0 near0 traded0; do ip link set $of up; done
        # Nothing outlives a test that ends before its time.
        nsenter -t $far -n timeout 60 {fixwire} exchange --listen 10.9.0.1:9878 >/dev/null 2>&1 &
        exchange=$!
        trap 'kill $far $exchange' EXIT
        until nsenter -t $far -n ss -ltn | grep -q 10.9.0.1:9878; do kill -0 $exchange; sleep 0.05; done
        {fixwire} run --nic tap:traded0 --session {session} --orders {orders} --wire-port near0 --measure-json {json} &
        trader=$!
        while kill -0 $trader 2>/dev/null; do
          # It ends by what it is given, which is no FIX.
          nsenter -t $far -n timeout 5 {fixwire} exchange --listen 10.9.0.1:9879 >/dev/null 2>&1 &
          sink=$!
          until nsenter -t $far -n ss -ltn | grep -q 10.9.0.1:9879; do kill -0 $sink 2>/dev/null || break; sleep 0.01; done
          bash -c 'head -c 100000 /dev/zero >/dev/tcp/10.9.0.1/9879' 2>/dev/null || true
        done
        wait $trader",
        fixwire = env!("CARGO_BIN_EXE_fixwire"),
        session = session(folder.path(), 2, 9_878),
        json = json.display(),
    );
    if !is_played(&script, "measure::segments_that_the_kernel_has_joined_have_no_time") {
        return;
    }
    let report = read(&json);
    let port = &report["wire_port"];
    assert!(port["frames_joined"].as_u64().unwrap() > 0, "{port:#}");
    assert_eq!(port["trouble"], Value::Null, "{port:#}");
    let notes = report["notes"].as_array().unwrap();
    let is_told = |note: &Value| note.as_str().unwrap().contains("ethtool -K near0 gro off");
    assert!(notes.iter().any(is_told), "{notes:#?}");
    // Orders and reports are frames of their own, and their figures stay.
    let all = report["intervals"].as_array().unwrap();
    let of = all.iter().find(|of| of["kind"] == KIND).unwrap();
    assert!(of["samples"].as_u64().unwrap() > orders * 8 / 10, "{report:#}");
}

/// Plays a script in a namespace of its own; false, and `test` is skipped, where there is no bridge or no veth.
fn is_played(script: &str, test: &str) -> bool {
    let output = Command::new("unshare").args(["-Urn", "sh", "-c", script]).output().unwrap();
    let is_lacking = errors(&output).contains("Unknown device type");
    if is_lacking {
        skip(test, "this kernel has no bridge or no veth");
    }
    assert!(is_lacking || output.status.success(), "{}", errors(&output));
    !is_lacking
}

/// A session with the exchange behind the bridge, which listens there, from 10.9.0 and the last part of an address.
fn session(folder: &Path, ours: u8, port: u16) -> String {
    let path = folder.join("session.toml");
    let text = format!(
        "begin_string = \"FIX.4.4\"\nsender_comp_id = \"FIXWIRE\"\ntarget_comp_id = \"EXCHANGE\"\n\
         socket_connect_host = \"10.9.0.1\"\nsocket_connect_port = {port}\n[network]\naddress = \"10.9.0.{ours}/24\"\n"
    );
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_port_that_cannot_be_read_ends_the_run_before_it_begins() {
    for (nic, port, words) in [
        ("sim", "lo", "a model's wire is in memory, and no interface sees it"),
        ("tap", "no-such0", "there is no interface `no-such0` to read the wire by"),
        ("tap", "a-name-that-is-too-long", "there is no interface `a-name-that-is-too-long`"),
    ] {
        if nic == "tap"
            && let Some(why) = no_namespace()
        {
            return skip("measure::a_port_that_cannot_be_read_ends_the_run_before_it_begins", &why);
        }
        let output = Command::new(env!("CARGO_BIN_EXE_fixwire"))
            .args(["run", "--nic", nic, "--orders", "1", "--wire-port", port])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains(words), "{words}: {}", errors(&output));
    }
}
