//! Whose orders a report is of.

use super::dialogue::Session;
use super::refused::pcap;
use super::{errors, measure, report, write};

#[test]
fn where_both_ends_trade_the_report_says_so_and_is_of_one_of_them_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let frames = Session::both_trade().frames;
    let file = write(folder.path(), "both.pcap", &pcap(&frames));
    let file = file.to_str().unwrap();
    let samples = |report: &serde_json::Value| {
        let all = report["intervals"].as_array().unwrap().iter();
        all.map(|of| of["samples"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let everybody = report(&[file]);
    assert_eq!(samples(&everybody), [2, 3], "{everybody:#}");
    assert_eq!(everybody["orders_of_others"], 0);
    let notes = everybody["notes"].to_string();
    let both = "both ends of a connection send orders that have a trigger, 10.9.0.1:9878 and 10.9.0.2:40000";
    assert!(notes.contains(both), "{notes}");
    assert!(notes.contains("--from 10.9.0.1 or --from 10.9.0.2 measures"), "{notes}");
    let ours = report(&[file, "--from", "10.9.0.2"]);
    assert_eq!(samples(&ours), [1, 1], "{ours:#}");
    assert_eq!(
        (&ours["orders_of_others"], &ours["intervals"][0]["max_ns"]),
        (&2.into(), &10.0.into())
    );
    let notes = ours["notes"].to_string();
    assert!(notes.contains("2 orders were sent by others than 10.9.0.2, and are in no"), "{notes}");
    assert!(!notes.contains("both ends"), "{notes}");
    let both = report(&[file, "--from", "10.9.0.2,10.9.0.1:9878"]);
    assert_eq!(
        (&both["intervals"], &both["orders_of_others"]),
        (&everybody["intervals"], &0.into())
    );
    let refused = measure(&[file, "--from", "here"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors(&refused).contains("write an IPv4 address"), "{}", errors(&refused));
}
