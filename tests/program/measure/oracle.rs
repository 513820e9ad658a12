//! Messages and their frames as tshark reads them and as we do, field by field.

use std::process::Command;

use super::dialogue::{Course, S, Session};
use super::files::{Order, pcap_header, pcap_record};
use super::{Rows, report, write};
use crate::common::{has, skip};

#[test]
fn messages_and_their_frames_are_what_tshark_says() {
    const NAME: &str = "measure::messages_and_their_frames_are_what_tshark_says";
    if !has("tshark") {
        return skip(NAME, "tshark is not installed");
    }
    let folder = tempfile::tempdir().unwrap();
    let session = Session::new(300, Course::Smooth);
    let mut file = pcap_header(Order::Little, true, 1);
    for passed in &session.frames {
        let ns = passed.ps / 1_000;
        let s = S + (ns / 1_000_000_000) as u32;
        file.extend(pcap_record(Order::Little, s, (ns % 1_000_000_000) as u32, &passed.bytes));
    }
    let path = write(folder.path(), "session.pcap", &file);
    let csv = folder.path().join("messages.csv");
    let report = report(&[path.to_str().unwrap(), "--csv", csv.to_str().unwrap()]);
    assert_eq!(report["messages"], session.messages);

    let mut tshark = Command::new("tshark");
    tshark.arg("-r").arg(&path).args(["-Y", "fix", "-T", "fields", "-E", "separator=|"]);
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "tcp.srcport",
        "ip.dst",
        "tcp.dstport",
        "fix.MsgType",
        "fix.MsgSeqNum",
        "fix.ClOrdID",
    ];
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = tshark.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').collect()).collect();
    let rows = Rows::read(&csv);
    let columns =
        ["last_frame", "last_time_s", "from", "to", "msg_type", "msg_seq_num", "cl_ord_id"];
    let ours = rows.columns(columns);
    assert_eq!((told.len(), ours.len() as u64), (ours.len(), session.messages));
    for (theirs, ours) in told.iter().zip(&ours) {
        let [frame, time, from, to, kind, number, id] = ours;
        let [at, ns, src, src_port, dst, dst_port, msg_type, seq, cl_ord_id] = theirs[..] else {
            panic!("{theirs:?}");
        };
        assert_eq!((*frame, *kind, *number, *id), (at, msg_type, seq, cl_ord_id));
        // Ours has picoseconds.
        assert_eq!(*time, format!("{ns}000"), "frame {frame}");
        assert_eq!(*from, format!("{src}:{src_port}"));
        assert_eq!(*to, format!("{dst}:{dst_port}"));
    }
    // And what lies between them, by tshark's times: from the frame of the trigger to that of the order.
    let ps_at = |frame: &str| -> i128 {
        let row =
            ours.iter().find(|row| row[0] == frame).unwrap_or_else(|| panic!("frame {frame}"));
        let (s, ps) = row[1].split_once('.').unwrap();
        s.parse::<i128>().unwrap() * 1_000_000_000_000 + ps.parse::<i128>().unwrap()
    };
    let mut checked = 0;
    for [frame, last, trigger, ns] in
        rows.columns(["frame", "last_frame", "trigger_frame", "trigger_to_order_ns"])
    {
        if frame == last && !ns.is_empty() {
            let (whole, part) = ns.split_once('.').unwrap();
            let ps = whole.parse::<i128>().unwrap() * 1_000 + part.parse::<i128>().unwrap();
            assert_eq!(ps_at(frame) - ps_at(trigger), ps, "frame {frame}");
            checked += 1;
        }
    }
    assert!(checked > 250, "{checked}");
}
