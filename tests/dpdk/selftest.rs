//! `fixwire selftest` on two ports, joined or not.

use std::process::Command;

use crate::common::inside::inside;
use crate::common::report::checked;
use crate::line::{errors, fixwire, write};

#[test]
fn a_selftest_of_two_ports_tells_joined_ones_from_others() {
    inside("selftest::a_selftest_of_two_ports_tells_joined_ones_from_others", || {
        let lines = "ip link add v0 type veth peer name v1 && ip link add w0 type veth peer name w1 \
                     && for i in v0 v1 w0 w1; do ip link set $i up; done";
        assert!(Command::new("sh").args(["-c", lines]).status().unwrap().success());
        let selftest = |far: &str| {
            let (near, far) = ("dpdk:net_af_packet0,iface=v0", format!("dpdk:{far}"));
            let args = ["selftest", "--nic", near, "--peer", &far, "--json"];
            fixwire().args(args).output().unwrap()
        };
        let joined = selftest("net_af_packet1,iface=v1");
        assert_eq!(joined.status.code(), Some(0), "{}", errors(&joined));
        let found = checked(serde_json::from_slice(&joined.stdout).unwrap());
        assert_eq!(found["nic"], "dpdk:net_af_packet0");
        assert!(
            found["findings"].as_array().unwrap().iter().all(|row| row["observed"] != "refuted")
        );
        // It polls one queue, as a run does; into others a device may put what is tried.
        let folder = tempfile::tempdir().unwrap();
        let queues = "extends = \"af_packet\"\n[queues]\nrx = 2\ntx = 2\n";
        let profile = write(folder.path(), "profile.toml", queues);
        let args = ["selftest", "--json", "--profile", &profile];
        let (near, far) = ("dpdk:net_af_packet0,iface=v0,qpairs=2", "dpdk:net_af_packet1,iface=v1");
        let output = fixwire().args(args).args(["--nic", near, "--peer", far]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", errors(&output));
        let words = "asks for 2 receive queues, of which fixwire polls the first";
        assert!(errors(&output).contains(words), "{}", errors(&output));
        for (far, code, words) in [
            ("net_af_packet1,iface=w0", 1, "nothing arrives at dpdk:net_af_packet0"),
            ("net_af_packet0,iface=v1", 2, "cannot be joined"),
            (
                "net_af_packet1,iface=v1,qpairs=2",
                2,
                "net_af_packet1 has several receive queues by `qpairs=2`",
            ),
        ] {
            let output = selftest(far);
            assert_eq!(output.status.code(), Some(code), "{far}: {}", errors(&output));
            assert!(errors(&output).contains(words), "{far}: {}", errors(&output));
            // Both ran, and were closed.
            if code == 1 {
                let found = checked(serde_json::from_slice(&output.stdout).unwrap());
                assert_eq!(found["findings"], serde_json::json!([]));
            }
        }
    });
}
