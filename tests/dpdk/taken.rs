//! What another program has, or is to have for itself: an interface of net_tap's, and the core that polls.

use std::fs;

use fixwire_hw::core_list::CoreList;

use crate::common::inside::{Program, inside};
use crate::common::{no_namespace, skip};
use crate::line::{INITIATOR, count_in_words, errors, fixwire, shell, write};
use crate::lost::{endless, report_in_words};

#[test]
fn an_interface_that_another_engine_has_is_refused_by_name_and_its_session_goes_on() {
    let test =
        "taken::an_interface_that_another_engine_has_is_refused_by_name_and_its_session_goes_on";
    inside(test, || {
        shell("ip link set lo up");
        // One of its own for each that logs on.
        let exchange = || {
            let listen = ["exchange", "--listen", "0.0.0.0:9878"];
            let mut exchange = Program::start(fixwire().args(listen));
            exchange.line_where(|line| line.contains("listening"));
            exchange
        };
        let first = exchange();
        let folder = tempfile::tempdir().unwrap();
        let session = write(folder.path(), "session.toml", INITIATOR);
        let more = ["--session", &session];
        let refused = |nic: &str| {
            let fixed = ["run", "--orders", "5", "--nic", nic];
            let output = fixwire().args(fixed).args(more).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{nic}: {}", errors(&output));
            for words in
                ["would make the interface s5q, which is there already", "`ip link delete s5q`"]
            {
                assert!(errors(&output).contains(words), "{nic}: {}", errors(&output));
            }
        };
        let nic = "dpdk:net_tap0,iface=s5q";
        let behind = "dpdk:net_failsafe0,dev(net_tap1,iface=s5q)";
        let run = endless(nic, &more);
        [nic, behind].into_iter().for_each(refused);
        let text = report_in_words(run);
        assert_eq!(count_in_words(&text, "lines_connected"), 1, "{text}");
        assert_eq!(count_in_words(&text, "close_logout_complete"), 1, "{text}");
        // And one that nobody has, until it is removed.
        shell("ip tuntap add s5q mode tap multi_queue");
        refused(nic);
        shell("ip link delete s5q");
        drop(first);
        let _second = exchange();
        report_in_words(endless(nic, &more));
    });
}

/// Each thread of a process by its name, and the cores that it may use.
fn threads(process: u32) -> Vec<(String, Vec<u16>)> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten();
    let of = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
        Some((name.trim().to_owned(), CoreList::parse(list.trim())?.cores()))
    };
    tasks.filter_map(of).collect()
}

#[test]
fn no_thread_of_dpdk_s_may_run_on_the_core_that_polls() {
    let test = "taken::no_thread_of_dpdk_s_may_run_on_the_core_that_polls";
    if let Some(why) = no_namespace() {
        return skip(test, &why);
    }
    let run = endless("dpdk:net_tap0,iface=dtap0", &[]);
    let threads = threads(run.id());
    report_in_words(run);
    // The first is the one that polls, pinned where there is another core.
    let (_, polled) = &threads[0];
    let [core] = polled[..] else {
        return skip(test, "the thread that polls is not pinned here: it may use one core alone");
    };
    let is_dpdk_s = |name: &str| name.starts_with("eal-") || name.starts_with("dpdk-");
    let of_dpdk: Vec<_> = threads.iter().filter(|(name, _)| is_dpdk_s(name)).collect();
    assert!(!of_dpdk.is_empty(), "{threads:?}");
    assert!(of_dpdk.iter().all(|(_, cores)| !cores.contains(&core)), "core {core}: {threads:?}");
}
