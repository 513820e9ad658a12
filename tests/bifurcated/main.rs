//! The engine beside a kernel that keeps the port: its neighbour table instead of ARP of our own, and a guard against
//! its RST.
//!
//! net_af_packet on a veth stands for mlx5: the driver gets the frames, and the kernel gets them too, as it does of
//! an isolated ConnectX those that no rule takes, and all of them while no rule is there. The peer is a kernel of
//! another network namespace.

#[path = "../common/mod.rs"]
mod common;
mod line;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::inside::{Program, inside};
use common::report::{checked, checked_text};
use common::{has, skip};
use serde_json::Value;

use line::{BIN, Line, MANY, NIC, ORDERS, count, errors, packets, sh, text};

/// Inside, where there is what these tests need.
fn with_nft(test: &str, body: impl FnOnce()) {
    match ["nft", "ip", "ethtool"].into_iter().find(|tool| !has(tool)) {
        Some(missing) => skip(test, &format!("{missing} is not installed")),
        None => inside(test, body),
    }
}

fn assert_traded_by_the_kernel_s_table(report: &Value) {
    assert_eq!(report["session"]["reports_received"], ORDERS, "{report}");
    assert_eq!(report["neighbors"], "kernel");
    assert_eq!((count(report, "arp_requests_sent"), count(report, "arp_replies_sent")), (0, 0));
    assert_eq!(count(report, "neighbor_learned"), 1);
    assert!(count(report, "neighbor_asked_of_kernel") > 0);
}

#[test]
fn with_the_kernel_s_own_address_a_guard_is_asked_for_installed_and_keeps_every_rst_in() {
    let test =
        "with_the_kernel_s_own_address_a_guard_is_asked_for_installed_and_keeps_every_rst_in";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.2/24");
        // Without it there is no start, and it is said what to type.
        let output = line.command("kernel", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        let refused = errors(&output);
        assert!(
            refused.contains("the kernel has 10.9.0.2, and would answer with RST"),
            "{refused}"
        );
        assert!(refused.contains("`sudo fixwire guard install --address 10.9.0.2`"), "{refused}");
        assert_eq!(line.guard(&["check"]).status.code(), Some(1));
        // It takes no more than is typed.
        let dry = text(&line.guard(&["install", "--dry-run"]));
        assert_eq!(sh("nft list ruleset"), "");
        let script = line.write("guard.nft", &dry);
        sh(&format!("nft -c -f {script}"));
        let installed = line.guard(&["install", "--json"]);
        assert_eq!(installed.status.code(), Some(0), "{}", errors(&installed));
        let said: Value = serde_json::from_slice(&installed.stdout).unwrap();
        assert_eq!(
            (&said["action"], &said["state"]),
            (&"installed".into(), &"ok".into()),
            "{said}"
        );
        let rules = sh("nft list ruleset");
        let again = text(&line.guard(&["install"]));
        assert!(again.contains("nothing to do"), "{again}");
        assert_eq!(sh("nft list ruleset"), rules);
        assert_eq!(line.guard(&["check"]).status.code(), Some(0));

        assert_traded_by_the_kernel_s_table(&line.run());
        assert_eq!(line.resets_at_peer(), 0);
        // The kernel did answer: by the rule alone nobody heard of it.
        assert!(packets(&sh("nft list table inet fixwire_guard")) > ORDERS);

        let removed = line.guard(&["remove"]);
        assert_eq!(removed.status.code(), Some(0), "{}", errors(&removed));
        assert_eq!(sh("nft list ruleset"), "");
        assert_eq!(line.guard(&["check"]).status.code(), Some(1));
    });
}

#[test]
fn a_dormant_table_that_nft_cannot_list_as_json_is_named_with_what_wakes_it() {
    let test = "a_dormant_table_that_nft_cannot_list_as_json_is_named_with_what_wakes_it";
    with_nft(test, || {
        let line = Line::to_exchange("10.9.0.2/24");
        sh("nft 'add table inet asleep { flags dormant; }'");
        if serde_json::from_str::<Value>(&sh("nft -j list ruleset")).is_ok() {
            return skip(test, "this nft lists it");
        }
        for action in ["check", "install"] {
            let refused = line.guard(&[action]);
            assert_eq!(refused.status.code(), Some(1), "{action}: {}", text(&refused));
            let said = text(&refused) + &errors(&refused);
            assert!(said.contains("table inet asleep is dormant"), "{action}: {said}");
            assert!(said.contains("`sudo nft add table inet asleep`"), "{action}: {said}");
        }
        sh("nft add table inet asleep");
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
    });
}

#[test]
fn accept_too_does_not_start_without_a_guard_and_says_what_to_type() {
    let test = "accept_too_does_not_start_without_a_guard_and_says_what_to_type";
    with_nft(test, || {
        let line = Line::to_exchange("10.9.0.2/24");
        let session = "[network]\naddress = \"10.9.0.2/24\"\n[[session]]\nconnection_type = \"acceptor\"\n\
                       sender_comp_id = \"EXCHANGE\"\ntarget_comp_id = \"FIXWIRE\"\n";
        let session = line.write("acceptor.toml", session);
        let accept = || {
            let mut command = Command::new(BIN);
            command.args(["accept", "--json", "--nic", NIC, "--profile", "af_packet"]);
            command.args(["--session", &session]);
            command
        };
        let refused = Program::start(&mut accept()).wait();
        let said = &refused.errors;
        assert_eq!(refused.code, Some(1), "{said}");
        assert!(said.contains("the kernel has 10.9.0.2, and would answer with RST"), "{said}");
        for typed in
            ["sudo fixwire guard install --address 10.9.0.2", "nft 'add rule inet fixwire_guard"]
        {
            assert!(said.contains(&format!("`{typed}")), "{typed}: {said}");
        }
        // It is for want of the guard alone.
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        let mut guarded = Program::start(&mut accept());
        guarded.line_where(|line| line.contains("listening"));
        checked(guarded.interrupt().summary());
    });
}

#[test]
fn whatever_brings_frames_of_an_interface_of_the_kernel_s_does_not_start_without_a_guard() {
    let test =
        "whatever_brings_frames_of_an_interface_of_the_kernel_s_does_not_start_without_a_guard";
    with_nft(test, || {
        let line = Line::to_exchange("10.9.0.2/24");
        let recorded = line.folder.path().join("recorded.pcap").display().to_string();
        // A pcap file's header, and no frame.
        let header = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes);
        fs::write(&recorded, header.concat()).unwrap();
        let run = |nic: &str| {
            let mut command = Command::new(BIN);
            command.args(["run", "--orders", "1", "--connect-timeout", "1", "--nic"]);
            command.args([&format!("dpdk:{nic}"), "--session", &line.session()]);
            command.output().unwrap()
        };
        let shared = [
            "net_pcap0,iface=v0",
            "net_pcap0,rx_iface=v0,tx_iface=v0",
            "net_pcap0,rx_iface_in=v0,tx_iface=v0",
            "net_failsafe0,dev(net_af_packet1,iface=v0)",
            "net_failsafe0,hotplug_poll=9000,dev(net_pcap1,rx_iface_in=v0,tx_iface=v0)",
        ];
        let words = "the kernel has 10.9.0.2, and would answer with RST";
        for nic in shared {
            let output = run(nic);
            assert_eq!(output.status.code(), Some(1), "{nic}: {}", errors(&output));
            assert!(errors(&output).contains(words), "{nic}: {}", errors(&output));
        }
        // What never meets the kernel is nothing to guard.
        let files = format!("net_pcap0,rx_pcap={recorded},tx_pcap={recorded}.out");
        for nic in ["net_ring0", &files, "net_failsafe0,dev(net_ring1)"] {
            let said = errors(&run(nic));
            assert!(!said.contains(words), "{nic}: {said}");
        }
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        let output = run(shared[1]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        checked_text(text(&output));
    });
}

#[test]
fn a_guard_that_is_taken_away_while_it_trades_lets_the_kernel_reset_the_connection() {
    let test = "a_guard_that_is_taken_away_while_it_trades_lets_the_kernel_reset_the_connection";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.2/24");
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        let mut trading = Program::start(&mut line.command("kernel", MANY));
        trading.line_where(|line| line.contains("logged on"));
        assert_eq!(line.resets_at_peer(), 0);
        assert_eq!(line.guard(&["remove"]).status.code(), Some(0));
        trading.line_where(|line| line.contains("disconnected") || line.contains("lost"));
        assert!(line.resets_at_peer() > 0);
        // With it again, the session comes back.
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        trading.line_where(|line| line.contains("logged on"));
        checked_text(trading.interrupt().rest.join("\n"));
    });
}

#[test]
fn an_address_that_the_kernel_publishes_and_does_not_have_needs_no_guard() {
    let test = "an_address_that_the_kernel_publishes_and_does_not_have_needs_no_guard";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.3/24");
        // As docs/production.md has it. A route elsewhere is what makes the kernel answer for an address.
        sh("ip link add nowhere0 type veth peer name nowhere1; ip link set nowhere0 arp off up; \
            ip route add 10.9.0.2/32 dev nowhere0; sysctl -qw net.ipv4.conf.v0.forwarding=1; \
            ip neigh add proxy 10.9.0.2 dev v0");
        let checked = line.guard(&["check"]);
        assert_eq!(checked.status.code(), Some(0), "{}", errors(&checked));
        assert_traded_by_the_kernel_s_table(&line.run());
        assert_eq!(line.resets_at_peer(), 0);
        // The kernel has answered for it, with the port's own hardware address.
        let link = sh("ip -o link show v0");
        let mac = link.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next());
        let known = line.at_peer("ip neigh show 10.9.0.2");
        assert!(known.contains(mac.expect("an address")), "{known}: {link}");
    });
}

#[test]
fn an_address_that_a_firewall_rejects_for_is_guarded_before_a_start() {
    let test = "an_address_that_a_firewall_rejects_for_is_guarded_before_a_start";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.3/24");
        sh("ip link add nowhere0 type veth peer name nowhere1; ip link set nowhere0 arp off up; \
            ip route add 10.9.0.2/32 dev nowhere0; sysctl -qw net.ipv4.conf.v0.forwarding=1; \
            ip neigh add proxy 10.9.0.2 dev v0");
        sh(
            "nft 'add table inet fw; add chain inet fw forward { type filter hook forward priority 0; }; \
                 add rule inet fw forward meta l4proto tcp reject with tcp reset'",
        );
        // It does answer: a connection attempt of the peer's is reset.
        line.at_peer("timeout 5 bash -c ': <> /dev/tcp/10.9.0.2/9' 2>/dev/null || true");
        let before = line.resets_at_peer();
        assert!(before > 0, "the firewall rejects");
        let words = "chain forward of table inet fw rejects what comes for it";
        let checked = line.guard(&["check"]);
        assert_eq!(checked.status.code(), Some(1), "{}", text(&checked));
        let refused = line.command("kernel", "1").output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}", errors(&refused));
        for said in [errors(&checked), errors(&refused)] {
            assert!(said.contains(words), "{said}");
            assert!(said.contains("`sudo fixwire guard install --address 10.9.0.2`"), "{said}");
        }
        let installed = line.guard(&["install"]);
        assert_eq!(installed.status.code(), Some(0), "{}", errors(&installed));
        assert_eq!(line.guard(&["check"]).status.code(), Some(0));
        assert_traded_by_the_kernel_s_table(&line.run());
        assert_eq!(line.resets_at_peer(), before);
        let dropped = || packets(&sh("nft list chain inet fixwire_guard prerouting"));
        assert!(dropped() > ORDERS);
        // What comes for an address that the kernel has passes that rule.
        sh("ip route del 10.9.0.2/32; ip addr add 10.9.0.2/24 dev v0; nft flush table inet fw");
        let before = dropped();
        line.at_peer("timeout 1 bash -c ': <> /dev/tcp/10.9.0.2/9' 2>/dev/null || true");
        assert_eq!(dropped(), before);
    });
}

#[test]
fn a_counterparty_beyond_a_router_is_reached_by_the_kernel_s_route() {
    let test = "a_counterparty_beyond_a_router_is_reached_by_the_kernel_s_route";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.2/24");
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        line.called = "192.0.2.9";
        line.at_peer("ip addr add 192.0.2.9/32 dev lo");
        line.exchange();
        let output = line.command("kernel", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        assert!(errors(&output).contains("no gateway is known"), "{}", errors(&output));
        sh("ip route add 192.0.2.0/24 via 10.9.0.1 dev v0");
        assert_traded_by_the_kernel_s_table(&line.run());
    });
}

#[test]
fn a_neighbor_that_moves_to_other_hardware_is_followed_by_what_the_kernel_is_told() {
    let test = "a_neighbor_that_moves_to_other_hardware_is_followed_by_what_the_kernel_is_told";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.2/24");
        assert_eq!(line.guard(&["install"]).status.code(), Some(0));
        line.at_peer("echo 1 > /proc/sys/net/ipv4/conf/v1/arp_notify");
        let trading = Program::start(line.command("kernel", MANY).arg("--json"));
        // Orders pass once the kernel has the peer, and the peer counts what comes.
        line.at_peer(
            "nft 'add rule inet seen input tcp dport 9878 counter'; \
             until ! nft list table inet seen | grep -q 'dport 9878 counter packets 0'; do sleep 0.05; done",
        );
        line.at_peer("ip link set v1 address 02:00:00:00:99:01");
        // It trades on: the peer counts more.
        line.at_peer(
            "nft 'add chain inet seen more { type filter hook input priority 1; }; \
                  add rule inet seen more ether daddr 02:00:00:00:99:01 tcp dport 9878 counter'; \
             until ! nft list chain inet seen more | grep -q 'packets 0'; do sleep 0.05; done",
        );
        trading.signal("INT");
        let ended = trading.wait();
        let report = checked(serde_json::from_str(&ended.rest.join("\n")).expect("a report"));
        assert_eq!(count(&report, "neighbor_changed"), 1, "{report}");
        assert_eq!(count(&report, "arp_requests_sent"), 0);
        assert_eq!(report["session"]["logons"], 1, "by the one connection");
    });
}

#[test]
fn whom_the_kernel_does_not_find_is_named_with_a_remedy() {
    let test = "whom_the_kernel_does_not_find_is_named_with_a_remedy";
    with_nft(test, || {
        let mut line = Line::to_exchange("10.9.0.3/24");
        line.at_peer("ip addr flush dev v1");
        let mut command = line.command("kernel", "1");
        let output = command.args(["--connect-timeout", "5"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
        assert!(errors(&output).contains("no neighbour 10.9.0.1"), "{}", errors(&output));
    });
}

#[test]
fn a_port_without_an_interface_of_the_kernel_s_has_no_neighbors_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = Path::new(folder.path()).join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let profile = write("p.toml", "[network]\nneighbors = \"kernel\"\n");
    let session = write(
        "s.toml",
        "[network]\naddress = \"10.9.0.2/24\"\n[[session]]\nsocket_connect_host = \"10.9.0.1\"\n",
    );
    let output = Command::new(BIN)
        .args(["run", "--nic", "dpdk:net_ring0", "--profile"])
        .arg(profile)
        .arg("--session")
        .arg(session)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
    assert!(errors(&output).contains("no interface on net_ring0"), "{}", errors(&output));
    assert!(errors(&output).contains("neighbors = \"own\""), "{}", errors(&output));
}

#[test]
fn what_stands_in_the_guard_s_place_is_named_and_a_failed_install_leaves_nothing() {
    let test = "what_stands_in_the_guard_s_place_is_named_and_a_failed_install_leaves_nothing";
    with_nft(test, || {
        let install = || {
            let mut command = Command::new(BIN);
            command.args(["guard", "install", "--address", "10.9.0.2"]);
            command.output().expect("fixwire runs")
        };
        let ours = "{ type filter hook output priority 0; }";
        let table = "inet fixwire_guard";
        for (there, words) in [
            ("{ type filter hook input priority 0; }", "type filter hook input priority 0 and not"),
            ("{ type filter hook output priority 100; }", "hook output priority 100 and not"),
            ("{ type nat hook output priority 0; }", "type nat hook output priority 0 and not"),
            ("", "has a chain output already, of no hook and not"),
            (
                &format!(
                    "{ours}; add chain {table} prerouting {{ type filter hook prerouting priority 0; }}"
                ),
                "hook prerouting priority 0 and not type filter hook prerouting priority -300",
            ),
            (
                &format!("{ours}; add rule {table} output tcp flags rst accept"),
                "nothing was left installed",
            ),
        ] {
            sh(&format!(
                "nft 'flush ruleset; add table {table}; add chain {table} output {there}'"
            ));
            let before = sh("nft list ruleset");
            for _ in 0..2 {
                let refused = install();
                assert_eq!(refused.status.code(), Some(1), "{there}: {}", text(&refused));
                let said = errors(&refused);
                assert!(said.contains(words), "{there}: {said}");
                assert!(said.contains("`nft delete table inet fixwire_guard`"), "{said}");
            }
            assert_eq!(sh("nft list ruleset"), before, "{there}");
        }
        sh("nft delete table inet fixwire_guard");
        assert_eq!(install().status.code(), Some(0));
    });
}
