//! QuickFIX on the kernel's side of net_tap, both ways, in FIX 4.2 and 4.4.

use serde_json::Value;

use crate::common::inside::{Program, number_in_proc};
use crate::common::quickfix::{QuickFix, Side, Stage, play};
use crate::line::{by, count, fixwire, summary};

const ORDERS: usize = 200;
const NIC: &str = "dpdk:net_tap0,iface=dtap0";

/// Both agree on the numbers, nobody rejected anything, and the driver summed.
fn assert_agreed(report: &Value, session: &Value, quickfix: &mut QuickFix) {
    let (out, expected) = quickfix.numbers();
    assert_eq!((&session["next_in"], &session["next_out"]), (&out.into(), &expected.into()));
    for refused in ["rejects_sent", "garbled", "gap_detected"] {
        assert_eq!(session["counters"][refused], 0, "{refused}");
    }
    quickfix.assert_contented();
    assert_eq!(by(report, "rx_tcp_checksum"), ("net_tap in software", "proven"));
    assert_eq!(count(report, "nic_demoted"), 0);
}

#[test]
fn our_initiator_trades_with_quickfix_over_net_tap() {
    play("interop::our_initiator_trades_with_quickfix_over_net_tap", |stage: &Stage| {
        let mut quickfix = stage.quickfix(Side::Acceptor, "");
        let begin_string = stage.version.begin_string;
        // Whom it is to connect to is said: no exchange of ours is behind the interface, and it is made here.
        let session = stage.file(
            "run.toml",
            &format!(
                "begin_string = \"{begin_string}\"\nreconnect_interval = 1\nsocket_connect_host = \"10.9.0.1\"\n"
            ),
        );
        let orders = ORDERS.to_string();
        let fixed = ["run", "--nic", NIC, "--json", "--orders", &orders, "--session"];
        let run = Program::start(fixwire().args(fixed).arg(session));
        quickfix.wait_in("35=A|34=1|108=30");
        quickfix.wait_logout();
        let report = summary(&run.wait());
        let session = &report["session"];
        assert_eq!((&session["reports_received"], &session["logons"]), (&ORDERS.into(), &1.into()));
        assert_eq!(quickfix.count("answered "), ORDERS);
        // One round trip after the other: more frames than are looked at all the same.
        assert!(count(&report, "rx_checksum_trusted") > 0);
        assert_agreed(&report, session, &mut quickfix);
    });
}

#[test]
fn quickfix_trades_with_our_acceptor_over_net_tap() {
    play("interop::quickfix_trades_with_our_acceptor_over_net_tap", |stage: &Stage| {
        let text = format!("[[session]]\nbegin_string = \"{}\"\n", stage.version.begin_string);
        let session = stage.file("accept.toml", &text);
        let fixed = ["accept", "--nic", NIC, "--json", "--app", "exchange", "--session"];
        let mut acceptor = Program::start(fixwire().args(fixed).arg(session));
        let enter = acceptor.event_of("namespace")["enter"].as_str().unwrap().to_owned();
        let number = number_in_proc(acceptor.id()).expect("it runs").to_string();
        let enter = enter.replace(&format!("-t {} ", acceptor.id()), &format!("-t {number} "));
        acceptor.event_of("listening");
        let mut quickfix = stage.quickfix_entering(&enter, Side::Initiator);
        quickfix.wait_logon();
        quickfix.tell(&format!("order {ORDERS}"));
        quickfix.wait_in(&format!("35=8|11=Q{ORDERS}"));
        quickfix.tell("logout");
        quickfix.wait_in("35=5");
        quickfix.wait_logout();
        let summary = summary(&acceptor.interrupt());
        assert_eq!(summary["app"]["orders_filled"], ORDERS);
        assert_eq!(summary["counters"]["close_logout_by_peer"], 1);
        assert_agreed(&summary, &summary["sessions"][0], &mut quickfix);
    });
}
