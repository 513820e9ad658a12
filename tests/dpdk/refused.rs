//! What cannot be had: named, with what to do about it, before anything is sent.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::common::inside::{Program, inside};
use crate::common::{has, no_namespace, skip};
use crate::line::{
    ACCEPTOR, INITIATOR, count, ended_with, errors, exchange, fixwire, inside_with_xdp, row, run,
    shell, summary, veth, write,
};
use crate::same::same;

fn assert_refused(nic: &str, output: &Output, code: i32, words: &str) {
    assert_eq!(output.status.code(), Some(code), "{nic}: {}", errors(output));
    assert!(errors(output).contains(words), "{nic}: {}", errors(output));
}

fn try_run(nic: &str, more: &[&str]) -> Output {
    let fixed = ["run", "--json", "--orders", "5", "--nic", nic];
    fixwire().args(fixed).args(more).output().unwrap()
}

#[test]
fn what_is_no_device_and_what_is_not_there_are_told_apart_with_a_remedy() {
    for (nic, code, words) in [
        ("dpdk:", 2, "net_tap0,iface=dtap0"),
        ("dpdk", 2, "dpdk:net_tap0"),
        ("dpdk:eth0", 2, "no PCI address"),
        ("dpdk:eth_tap0", 2, "net_tap0 is meant"),
        ("dpdk:crypto_null0", 2, "that driver's devices are no NICs"),
        (
            "dpdk:net_tap0,iface=longer-than-a-name",
            2,
            "`iface=longer-than-a-name` has 18 bytes, and an interface's name 1 to 15",
        ),
        ("dpdk:net_nonsense0", 1, "no driver net_nonsense, which is librte_net_nonsense.so"),
        ("dpdk:net_memif0", 2, "write `address"),
        ("dpdk:net_vhost0", 2, "no port without `iface`; write net_vhost0,iface=/run/vhost.sock"),
        ("dpdk:net_af_packet0", 2, "no port without `iface`; write net_af_packet0,iface=eth1"),
        (
            "dpdk:net_af_packet0,iface=missing0",
            1,
            "no port for `net_af_packet0`; what DPDK said of it stands above",
        ),
        ("dpdk:net_af_packet0,iface=missing0", 1, "SIOCGIFINDEX"),
        (
            "dpdk:net_virtio_user0,path=/nonexistent/s",
            1,
            "connect error, No such file or directory",
        ),
    ] {
        assert_refused(nic, &try_run(nic, &[]), code, words);
    }
}

#[test]
fn an_argument_that_a_driver_has_not_is_named_with_those_that_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    // Of these, the first three go on without any of their arguments when there is one that they do not know.
    for (nic, words) in [
        ("dpdk:net_tap0,iface=dtap0,speed=1", "no argument `speed`; write one of iface, mac, "),
        (
            "dpdk:net_memif0,role=client,sockets=/run/s",
            "no argument `sockets`; write one of role, ",
        ),
        ("dpdk:net_ring0,size=12", "no argument `size`; write one of nodeaction"),
        (
            "dpdk:net_af_packet0,iface=lo,queues=2",
            "no argument `queues`; write one of iface, qpairs",
        ),
        ("dpdk:net_vhost0,path=/run/s", "no argument `path`; write one of iface, queues"),
        ("dpdk:net_ring0,nodeaction", "`nodeaction` has no value; write nodeaction=value"),
        ("dpdk:net_memif0,role", "`role` has no value; write role=value"),
    ] {
        assert_refused(nic, &try_run(nic, &["--session", &session]), 2, words);
    }
    // And what a profile adds is held to the same.
    let profile = "extends = \"tap\"\n[device]\ndevargs = \"colour=blue\"\n";
    let profile = write(folder.path(), "profile.toml", profile);
    let output = try_run("dpdk:net_tap0", &["--profile", &profile]);
    let words = "no argument `colour`, which stands in `devargs` under [device] of the profile";
    assert_refused("net_tap0", &output, 2, words);
}

#[test]
fn devargs_of_a_profile_name_the_interface_and_reach_no_driver_that_is_another() {
    let test =
        "refused::devargs_of_a_profile_name_the_interface_and_reach_no_driver_that_is_another";
    if let Some(why) = no_namespace() {
        return skip(test, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let profile = "extends = \"tap\"\n[device]\ndevargs = \"iface=foo0\"\n";
    let profile = write(folder.path(), "profile.toml", profile);
    for nic in ["dpdk:net_tap0", "dpdk:net_tap0,iface=bar0"] {
        run(nic, &["--profile", &profile]);
    }
    // net_tap would go by neither.
    let twice = "dpdk:net_tap0,iface=a0,iface=b0";
    assert_refused(twice, &try_run(twice, &[]), 2, "`iface` is given twice; write it once");
    let session = write(folder.path(), "session.toml", INITIATOR);
    for nic in ["dpdk:net_null0", "dpdk:net_failsafe0,dev(net_ring1)"] {
        let more = ["--session", &session, "--profile", "connectx5", "--connect-timeout", "1"];
        let output = try_run(nic, &more);
        assert!(!errors(&output).contains("rxq_cqe_comp_en"), "{nic}: {}", errors(&output));
        let told = "its devargs are told to no device that is known to be another driver's";
        assert!(errors(&output).contains(told), "{nic}: {}", errors(&output));
    }
}

/// A PCI device as the kernel shows one, by its vendor's and its own number, with `driver` behind it. It is DPDK itself
/// that looks there.
pub(crate) fn made_device(sys: &Path, [vendor, device_id]: [&str; 2], driver: Option<&str>) {
    let device = sys.join("devices/0000:3b:00.0");
    fs::create_dir_all(&device).unwrap();
    let bars = "0x0000000000000000 0x0000000000000000 0x0000000000000000\n".repeat(6);
    for (name, text) in [
        ("vendor", vendor),
        ("device", device_id),
        ("subsystem_vendor", vendor),
        ("subsystem_device", "0x0000\n"),
        ("class", "0x020000\n"),
        ("max_vfs", "0\n"),
        ("numa_node", "0\n"),
        ("resource", &bars),
    ] {
        fs::write(device.join(name), text).unwrap();
    }
    if let Some(driver) = driver {
        fs::create_dir_all(sys.join("drivers").join(driver)).unwrap();
        symlink(Path::new("../../drivers").join(driver), device.join("driver")).unwrap();
    }
}

#[test]
fn what_frames_are_passed_on_from_and_is_not_there_or_not_told_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    for (nic, code, words) in [
        (
            "dpdk:net_failsafe0,dev(net_af_packet1,iface=missing0)",
            1,
            "net_failsafe0 passes frames on from a device that is not there: DPDK has no port for `net_af_packet1`",
        ),
        (
            "dpdk:net_failsafe0,dev(net_ring1),dev(3b:00.1)",
            1,
            "there is no PCI device 0000:3b:00.1: look for its address by `dpdk-devbind.py --status`",
        ),
        ("dpdk:net_failsafe0,exec(echo)", 2, "from `exec(echo)`, which fixwire cannot look for"),
        (
            "dpdk:net_failsafe0,dev(net_tap1,speed=1)",
            2,
            "no argument `speed`; write one of iface, mac, ",
        ),
        ("dpdk:net_bonding0,mode=1,slave=net_tap1", 2, "pass frames on by net_failsafe0,dev("),
    ] {
        for command in [&["run", "--session", &session][..], &["plan"]] {
            let output = fixwire().args(command).args(["--json", "--nic", nic]).output().unwrap();
            assert_refused(nic, &output, code, words);
            assert!(!String::from_utf8_lossy(&output.stdout).contains("\"NIC\""), "{nic}");
        }
    }
}

#[test]
fn queues_that_a_driver_makes_and_nobody_polls_are_refused_by_the_argument_that_makes_them() {
    let test = "refused::queues_that_a_driver_makes_and_nobody_polls_are_refused_by_the_argument_that_makes_them";
    inside(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let profile = "extends = \"af_packet\"\n[device]\ndevargs = \"qpairs=2\"\n";
        let profile = write(folder.path(), "profile.toml", profile);
        for (nic, more) in [
            ("dpdk:net_af_packet0,iface=v0,qpairs=2", &[][..]),
            ("dpdk:net_af_packet0,iface=v0", &["--profile", &profile]),
            ("dpdk:net_failsafe0,dev(net_af_packet1,iface=v0,qpairs=2)", &[]),
        ] {
            let output = try_run(nic, &[&["--session", &session], more].concat());
            let words =
                "has several receive queues by `qpairs=2`, of which fixwire polls the first";
            assert_refused(nic, &output, 2, words);
        }
    });
}

#[test]
fn a_pci_device_that_is_not_there_or_not_bound_is_told_apart() {
    for (driver, address, words) in [
        (
            None,
            "3b:00.1",
            "there is no PCI device 0000:3b:00.1: look for its address by `dpdk-devbind.py --status`",
        ),
        (
            None,
            "3b:00.0",
            "it is bound to no driver: bind it to vfio-pci (`dpdk-devbind.py --bind=vfio-pci 0000:3b:00.0`)",
        ),
        (
            Some("ixgbe"),
            "3b:00.0",
            "it is bound to the kernel's ixgbe, which has it as an interface of its own: bind it",
        ),
        (
            Some("vfio-pci"),
            "3b:00.0",
            "it is bound to vfio-pci, as it is to be: look whether DPDK has a driver for it",
        ),
    ] {
        let sys = tempfile::tempdir().unwrap();
        made_device(sys.path(), ["0x8086\n", "0x10fb\n"], driver);
        let session = write(sys.path(), "session.toml", INITIATOR);
        let nic = format!("dpdk:{address}");
        let mut command = fixwire();
        command.args(["run", "--json", "--nic", &nic, "--session", &session]);
        command.env("SYSFS_PCI_DEVICES", sys.path().join("devices"));
        assert_refused(&nic, &command.output().unwrap(), 1, words);
    }
}

#[test]
fn queues_that_a_driver_cannot_give_are_refused_by_number() {
    if let Some(why) = no_namespace() {
        return skip("refused::queues_that_a_driver_cannot_give_are_refused_by_number", &why);
    }
    let folder = tempfile::tempdir().unwrap();
    for (queues, code, words) in [
        (
            "rx = 17\ntx = 17",
            2,
            "net_tap0 has 16 receive queues, and the profile asks for 17; write `rx = 16` or less under [queues]",
        ),
        (
            "tx = 64",
            2,
            "net_tap0 has 16 transmit queues, and the profile asks for 64; write `tx = 16`",
        ),
        ("rx = 2", 1, "does not take 2 receive and 1 transmit queues (the driver gives no reason"),
        ("rx = 2", 1, "number of rx queues 2 must be equal to number of tx queues 1"),
    ] {
        let profile = format!("extends = \"tap\"\n[queues]\n{queues}\n");
        let profile = write(folder.path(), "profile.toml", &profile);
        let output = try_run("dpdk:net_tap0,iface=dtap0", &["--profile", &profile]);
        assert_refused(queues, &output, code, words);
    }
    inside("refused::queues_that_a_driver_cannot_give_are_refused_by_number", || {
        veth();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let profile = "extends = \"af_packet\"\n[queues]\nrx = 2\n";
        let profile = write(folder.path(), "profile.toml", profile);
        let nic = "dpdk:net_af_packet0,iface=v0";
        let output = try_run(nic, &["--session", &session, "--profile", &profile]);
        assert_refused(
            nic,
            &output,
            2,
            "net_af_packet0 has 1 receive queues, and the profile asks for 2",
        );
    });
}

#[test]
fn queues_that_nobody_polls_are_refused_unless_the_device_keeps_our_frames_out_of_them() {
    let test = "refused::queues_that_nobody_polls_are_refused_unless_the_device_keeps_our_frames_out_of_them";
    if let Some(why) = no_namespace() {
        return skip(test, &why);
    }
    let folder = tempfile::tempdir().unwrap();
    let more = "[queues]\nrx = 2\ntx = 2\n[offloads]\nflow_isolation = \"off\"\n";
    let profile = write(folder.path(), "profile.toml", format!("extends = \"tap\"\n{more}"));
    let nic = "dpdk:net_tap0,iface=dtap0";
    for command in [&["run"][..], &["accept"], &["plan"], &["flow"], &["flow", "--dry-run"]] {
        let fixed = [command, &["--json", "--nic", nic, "--profile", &profile]].concat();
        // One that accepts all the same would not end by itself.
        let ended = Program::start(fixwire().args(fixed)).wait();
        assert_eq!(ended.code, Some(2), "{nic}: {}", ended.errors);
        for words in [
            "asks for 2 receive queues, of which fixwire polls the first",
            "write `rx = 1` under [queues] in the profile",
        ] {
            assert!(ended.errors.contains(words), "{nic}: {}", ended.errors);
        }
    }
    // What is never started is refused as well, and one queue is not.
    let twenty = "extends = \"default\"\n[queues]\nrx = 20\ntx = 20\n";
    let twenty = write(folder.path(), "twenty.toml", twenty);
    for command in [&["plan"][..], &["flow"], &["flow", "--dry-run"]] {
        for (nic, profile, words) in [
            ("dpdk:net_null0", &*twenty, "asks for 20 receive queues"),
            ("dpdk:net_null0", "default", ""),
        ] {
            let fixed = [command, &["--json", "--nic", nic, "--profile", profile]].concat();
            let ended = Program::start(fixwire().args(&fixed)).wait();
            let code = if words.is_empty() { 0 } else { 2 };
            assert_eq!(ended.code, Some(code), "{fixed:?}: {}", ended.errors);
            assert!(ended.errors.contains(words), "{fixed:?}: {}", ended.errors);
        }
    }
}

#[test]
fn a_peer_whose_checksums_are_unfinished_is_told_from_one_that_is_silent() {
    let test = "refused::a_peer_whose_checksums_are_unfinished_is_told_from_one_that_is_silent";
    inside(test, || {
        veth();
        shell("ethtool -K v1 tx on >/dev/null");
        let _exchange = exchange();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let nic = "dpdk:net_af_packet0,iface=v0";
        let output = try_run(nic, &["--session", &session, "--connect-timeout", "2"]);
        assert_refused(
            nic,
            &output,
            1,
            "frames were dropped, whose checksum is wrong (tcp_checksum_wrong ",
        );
        assert_refused(nic, &output, 1, "`ethtool -K IFACE tx off`");
        ended_with(&output, 1);
    });
}

#[test]
fn fewer_buffers_than_a_driver_fills_its_ring_with_are_refused_with_the_key_to_raise() {
    let test = "refused::fewer_buffers_than_a_driver_fills_its_ring_with_are_refused_with_the_key_to_raise";
    inside_with_xdp(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let profile = "extends = \"af_xdp\"\n[buffers]\nframes = 1024\n";
        let profile = write(folder.path(), "profile.toml", profile);
        let nic = "dpdk:net_af_xdp0,iface=v0";
        let output = try_run(nic, &["--session", &session, "--profile", &profile]);
        let words = "net_af_xdp0: setting up a receive queue, which may want more `frames` ([buffers] in the profile)";
        assert_refused(nic, &output, 1, words);
    });
}

#[test]
fn what_net_tap_advertises_and_then_refuses_is_done_by_the_host_and_nothing_else_changes() {
    let test = "refused::what_net_tap_advertises_and_then_refuses_is_done_by_the_host_and_nothing_else_changes";
    if let Some(why) = no_namespace() {
        return skip(test, &why);
    }
    let nic = "dpdk:net_tap0,iface=dtap0";
    let [report] = same(|| [run(nic, &[])]);
    let steering = row(&report, "flow_steering");
    if steering["outcome"] == "device" {
        return skip(test, "this kernel takes net_tap's rules (it has cls_flower and multiq)");
    }
    // At configure and when a rule is installed, each with the driver's own words.
    for (capability, words) in [
        ("flow_steering", "a rule was refused: rule 0 ("),
        ("flow_isolation", "advertised, but refused: "),
    ] {
        let row = row(&report, capability);
        assert_eq!((&row["advertised"], &row["by"]), (&true.into(), &"fixwire".into()), "{row}");
        let reason = row["reason"].as_str().unwrap();
        assert!(reason.starts_with(words) && reason.contains("(os error "), "{row}");
    }
    assert_eq!(count(&report, "nic_demoted"), 0, "it was planned anew before the first frame");
    let folder = tempfile::tempdir().unwrap();
    for capability in ["flow_steering", "flow_isolation"] {
        let profile = format!("extends = \"tap\"\n[offloads]\n{capability} = \"require\"\n");
        let profile = write(folder.path(), "profile.toml", &profile);
        let output = try_run(nic, &["--profile", &profile]);
        assert_refused(capability, &output, 3, &format!("requires {capability} ("));
    }
}

#[test]
fn a_capability_that_a_driver_takes_and_the_process_has_not_is_named_with_what_gives_it() {
    let test = "refused::a_capability_that_a_driver_takes_and_the_process_has_not_is_named_with_what_gives_it";
    if !has("setpriv") {
        return skip(test, "setpriv (util-linux) is not installed");
    }
    inside(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let behind = "dpdk:net_failsafe0,dev(net_af_packet1,iface=v0)";
        for nic in ["dpdk:net_af_packet0,iface=v0", behind] {
            let program = fixwire();
            let mut command = Command::new("setpriv");
            command.arg("--bounding-set=-net_raw").arg(program.get_program());
            command.args(["run", "--json", "--nic", nic, "--session", &session]);
            let output = command.output().unwrap();
            for words in [
                "takes CAP_NET_RAW, which this process has not",
                "setcap cap_net_raw+ep",
                "run it as root",
            ] {
                assert_refused(nic, &output, 1, words);
            }
        }
    });
}

#[test]
fn a_peer_beyond_the_network_without_a_gateway_is_refused_with_the_key_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let far = INITIATOR.replace("10.9.0.1", "192.0.2.9");
    let session = write(folder.path(), "session.toml", &far);
    let nic = "dpdk:net_ring0";
    let output = try_run(nic, &["--session", &session]);
    for words in
        ["192.0.2.9 is not on the engine's network, 10.9.0.2/24", "`gateway`", "under [network]"]
    {
        assert_refused(nic, &output, 2, words);
    }
    let near = far.replace("[network]", "[network]\ngateway = \"10.9.0.1\"");
    let session = write(folder.path(), "session.toml", &near);
    let output = try_run(nic, &["--session", &session, "--connect-timeout", "1"]);
    assert_refused(nic, &output, 1, "nobody on dpdk:net_ring0 answers ARP for 10.9.0.1");
    ended_with(&output, 1);
}

#[test]
fn a_value_that_a_driver_does_not_take_is_named_below_the_driver_s_own_words() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    let role = "dpdk:net_memif0,id=0,role=bogus";
    for nic in [role, "dpdk:net_virtio_user0,path=/nonexistent/s,queues=99"] {
        let output = try_run(nic, &["--session", &session]);
        let words =
            if nic == role { "Unknown role: bogus" } else { "arg queues 99 exceeds the limit" };
        assert_refused(nic, &output, 1, "fixwire: what DPDK and its driver said:\n");
        assert_refused(nic, &output, 1, words);
        let (_, argument) = nic.rsplit_once(',').unwrap();
        assert_refused(nic, &output, 1, &format!("look at `{argument}` behind the device's name"));
    }
    // Who asks for all of it is shown it as it comes.
    let shown = try_run(role, &["--session", &session, "-v"]);
    assert_refused(role, &shown, 1, "Unknown role: bogus");
    assert!(!errors(&shown).contains("what DPDK and its driver said"), "{}", errors(&shown));
}

#[test]
fn a_queue_that_the_interface_has_not_is_put_down_to_the_argument_that_names_it() {
    let test =
        "refused::a_queue_that_the_interface_has_not_is_put_down_to_the_argument_that_names_it";
    inside_with_xdp(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let nic = "dpdk:net_af_xdp0,iface=v0,start_queue=99";
        let output = try_run(nic, &["--session", &session]);
        assert_refused(nic, &output, 1, "Failed to create xsk socket");
        assert_refused(nic, &output, 1, "look at `start_queue=99` behind the device's name");
    });
}

#[test]
fn an_argument_that_dpdk_does_not_take_is_named_and_how_dpdk_is_used_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let profile = "extends = \"tap\"\n[device]\neal = [\"--no-hpet\", \"--iova-mode=bogus\"]\n";
    let profile = write(folder.path(), "profile.toml", profile);
    for more in [&["--profile", &profile][..], &["--profile", &profile, "-v"]] {
        let output = try_run("dpdk:net_tap0", more);
        assert_refused("eal", &output, 1, "EAL: invalid parameters for --iova-mode");
        assert_eq!(output.stdout, b"", "a report is to be alone there");
        let shows_all = more.contains(&"-v");
        let words = "correct or delete `--iova-mode=bogus` in `eal` under [device] of the profile";
        if shows_all {
            assert_refused("eal", &output, 1, "Usage: ");
        } else {
            assert_refused("eal", &output, 1, words);
            assert!(!errors(&output).contains("Usage: "), "{}", errors(&output));
        }
    }
}

#[test]
fn a_mempool_handler_that_dpdk_has_not_is_named_and_not_taken_for_want_of_memory() {
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    let by = |handler: &str| {
        let eal = format!("[device]\neal = [\"--mbuf-pool-ops-name={handler}\"]\n");
        let profile = write(folder.path(), &format!("{handler}.toml"), eal);
        let more = ["--session", &session, "--profile", &profile, "--connect-timeout", "1"];
        try_run("dpdk:net_ring0", &more)
    };
    let refused = by("bogus");
    let words = "no pool of frames by `--mbuf-pool-ops-name=bogus`, which `eal` under [device]";
    assert_refused("bogus", &refused, 1, words);
    assert!(!errors(&refused).contains("no memory"), "{}", errors(&refused));
    // One that it has is taken: a ring has nobody at its other end.
    assert_refused("stack", &by("stack"), 1, "answers ARP for 10.9.0.1 within 1 s");
}

#[test]
fn an_interface_that_passes_nothing_is_named_where_nobody_answers() {
    let test = "refused::an_interface_that_passes_nothing_is_named_where_nobody_answers";
    inside(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR.replace("9.0.1", "9.0.77"));
        let nobody = "nobody on dpdk:net_af_packet0 answers ARP for 10.9.0.77 within 1 s";
        for (lines, words) in [
            ("true", "correct socket_connect_host"),
            ("ip link set v1 down", "v0 has no carrier: look at its cable"),
            ("ip link set v0 down", "v0 is down: `ip link set v0 up`"),
        ] {
            shell(lines);
            let nic = "dpdk:net_af_packet0,iface=v0";
            let output = try_run(nic, &["--session", &session, "--connect-timeout", "1"]);
            assert_refused(nic, &output, 1, nobody);
            assert_refused(nic, &output, 1, words);
        }
    });
}

#[test]
fn an_acceptor_whose_interface_passes_nothing_names_it_at_its_start_and_where_nobody_came() {
    let test = "refused::an_acceptor_whose_interface_passes_nothing_names_it_at_its_start_and_where_nobody_came";
    inside(test, || {
        veth();
        let folder = tempfile::tempdir().unwrap();
        let session = ACCEPTOR.replace("10.9.0.1", "10.9.0.2");
        let session = write(folder.path(), "session.toml", session);
        let start = |json: &[&str]| {
            let fixed = ["accept", "--nic", "dpdk:net_af_packet0,iface=v0", "--session", &session];
            Program::start(fixwire().args(fixed).args(json))
        };
        for (lines, words) in [
            ("ip link set v1 down", "v0 has no carrier: look at its cable"),
            ("ip link set v0 down", "v0 is down: `ip link set v0 up`"),
        ] {
            shell(lines);
            let mut acceptor = start(&["--json"]);
            let why = &acceptor.event_of("interface_silent")["why"];
            assert!(why.as_str().is_some_and(|why| why.starts_with(words)), "{lines}: {why}");
            acceptor.event_of("listening");
            let summary = summary(&acceptor.interrupt());
            assert_eq!(&summary["silent_because"], why);
            let mut acceptor = start(&[]);
            acceptor.line_where(|line| line.starts_with("nobody can connect as it is: "));
            acceptor.line_where(|line| line.starts_with("listening on "));
            let text = acceptor.interrupt().rest.join("\n");
            assert!(text.contains(&format!("\nnobody logged on: {words}")), "{text}");
        }
        // Mended meanwhile, it is no reason any more.
        let mut acceptor = start(&["--json"]);
        acceptor.event_of("interface_silent");
        acceptor.event_of("listening");
        shell(
            "ip link set v0 up; ip link set v1 up
             until ip link show v0 | grep -q 'state UP'; do sleep 0.01; done",
        );
        assert_eq!(summary(&acceptor.interrupt())["silent_because"], Value::Null);
        let mut acceptor = start(&["--json"]);
        assert_eq!(acceptor.event()["event"], "listening");
        acceptor.interrupt();
    });
}

#[test]
fn an_mtu_that_xdp_cannot_have_is_put_down_to_the_mtu() {
    let test = "refused::an_mtu_that_xdp_cannot_have_is_put_down_to_the_mtu";
    inside_with_xdp(test, || {
        veth();
        shell("ip link set v0 mtu 9000; ip link set v1 mtu 9000");
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let nic = "dpdk:net_af_xdp0,iface=v0";
        let output = try_run(nic, &["--session", &session]);
        assert_refused(nic, &output, 1, "look at the MTU of v0 and of its far end");
        assert_refused(nic, &output, 1, "`ip link set v0 mtu 1500`");
        assert!(!errors(&output).contains("look at `iface"), "{}", errors(&output));
    });
}
