//! What each driver does of the plan.

use serde_json::Value;

use crate::common::inside::inside;
use crate::common::{self, skip};
use crate::line::{
    INITIATOR, ORDERS, between_two, by, count, errors, exchange, fixwire, inside_with_xdp, memif,
    run, veth, vhost, write,
};
use crate::same::same;

#[test]
fn net_tap_trades_with_the_kernel_and_sums_in_its_driver() {
    if let Some(why) = common::no_namespace() {
        return skip("net_tap", &why);
    }
    // In a namespace of its own, which the program makes.
    let [report] = same(|| [run("dpdk:net_tap0,iface=dtap0", &[])]);
    for capability in ["rx_ipv4_checksum", "rx_tcp_checksum"] {
        assert_eq!(by(&report, capability), ("net_tap in software", "proven"), "{capability}");
    }
    for capability in ["tx_ipv4_checksum", "tx_tcp_checksum"] {
        assert_eq!(by(&report, capability), ("net_tap in software", "passive"), "{capability}");
    }
    assert_eq!(count(&report, "nic_demoted"), 0);
    assert!(count(&report, "rx_checksum_trusted") > ORDERS);
    // Without an offload it is the same session.
    let folder = tempfile::tempdir().unwrap();
    let off = common::captured::all_off(folder.path(), "tap");
    let [report] = same(|| [run("dpdk:net_tap0,iface=dtap0", &["--profile", &off])]);
    assert_eq!(count(&report, "rx_checksum_trusted"), 0);
}

/// Trades with the kernel through a driver that has no offload at all, on one end of a veth pair.
fn over_a_veth(nic: &str) {
    veth();
    let folder = tempfile::tempdir().unwrap();
    let session = write(folder.path(), "session.toml", INITIATOR);
    let [report] = same(|| {
        let _exchange = exchange();
        [run(nic, &["--session", &session])]
    });
    for capability in ["rx_tcp_checksum", "tx_tcp_checksum", "flow_steering"] {
        assert_eq!(by(&report, capability).0, "fixwire", "{capability}");
    }
    assert_eq!(count(&report, "rx_checksum_trusted"), 0);
    assert!(count(&report, "rx_checksum_verified") >= 2 * ORDERS);
}

#[test]
fn net_af_packet_leaves_everything_to_the_host() {
    inside("drivers::net_af_packet_leaves_everything_to_the_host", || {
        over_a_veth("dpdk:net_af_packet0,iface=v0");
    });
}

#[test]
fn net_failsafe_trades_over_drivers_whose_queues_are_set_up_once() {
    inside("drivers::net_failsafe_trades_over_drivers_whose_queues_are_set_up_once", || {
        over_a_veth("dpdk:net_failsafe0,dev(net_af_packet1,iface=v0)");
    });
}

#[test]
fn net_failsafe_trades_over_net_pcap_which_takes_no_address() {
    inside("drivers::net_failsafe_trades_over_net_pcap_which_takes_no_address", || {
        over_a_veth("dpdk:net_failsafe0,dev(net_pcap1,iface=v0)");
    });
}

#[test]
fn net_failsafe_over_net_af_xdp_is_set_up_once_and_with_as_many_frames_as_that_wants() {
    let test = "drivers::net_failsafe_over_net_af_xdp_is_set_up_once_and_with_as_many_frames_as_that_wants";
    inside_with_xdp(test, || over_a_veth("dpdk:net_failsafe0,dev(net_af_xdp1,iface=v0)"));
}

#[test]
fn net_failsafe_over_net_tap_is_planned_anew_as_what_net_tap_does_in_software() {
    let test =
        "drivers::net_failsafe_over_net_tap_is_planned_anew_as_what_net_tap_does_in_software";
    inside(test, || {
        let nic = "dpdk:net_failsafe0,dev(net_tap1,iface=dtap1)";
        for command in ["plan", "flow"] {
            let output = fixwire().args([command, "--json", "--nic", nic]).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{command}: {}", errors(&output));
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(!said.contains("\"NIC\""), "{command}: {said}");
            if command == "plan" {
                let planned: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(by(&planned, "tx_tcp_checksum").0, "net_tap in software", "{planned}");
            }
        }
    });
}

#[test]
fn net_af_xdp_leaves_everything_to_the_host_and_keeps_its_own_buffers_alone() {
    let test = "drivers::net_af_xdp_leaves_everything_to_the_host_and_keeps_its_own_buffers_alone";
    inside_with_xdp(test, || over_a_veth("dpdk:net_af_xdp0,iface=v0"));
}

#[test]
fn net_memif_carries_a_session_from_one_process_of_ours_to_another() {
    let [report, _] = same(|| between_two(memif));
    assert_eq!(by(&report, "rx_tcp_checksum").0, "fixwire");
}

#[test]
fn net_virtio_user_and_net_vhost_hand_over_the_sums_that_the_other_left_unfinished() {
    let [report, summary] = same(|| between_two(vhost));
    // Every segment came as "none": its field holds the pseudo-header's sum.
    for (report, driver) in [(&report, "net_virtio_user"), (&summary, "net_vhost")] {
        assert_eq!(
            count(report, "rx_checksum_partial"),
            count(report, "tcp_segment_in"),
            "{driver}"
        );
        let passive = (&*format!("{driver} in software"), "passive");
        assert_eq!(by(report, "rx_tcp_checksum"), passive);
        assert_eq!(by(report, "tx_tcp_checksum"), passive);
    }
}
