use std::io::ErrorKind;

use fixwire_hw::ptp::Ahead;

use super::super::check::State::{Ok as Good, Unknown, Warn};
use super::super::made_host::{MadeHost, assert_state, of};
use super::*;

const KERNEL: KernelTime = KernelTime {
    is_synchronised: true,
    error_max_us: 1_234,
    error_estimated_us: 56,
    tai_ahead_s: Some(37),
};

fn read(made: &MadeHost) -> HostTime {
    HostTime::read(&made.host())
}

fn running(programs: &[(&str, &str)]) -> MadeHost {
    let mut made = MadeHost::new().kernel_time(KERNEL).file("proc/uptime", "1 1\n");
    for (pid, comm) in programs {
        made = made.file(&format!("proc/{pid}/comm"), &format!("{comm}\n"));
    }
    made
}

fn card(name: &str, interface: &str) -> MadeHost {
    let folder = format!("sys/class/ptp/{name}");
    let made =
        MadeHost::new().kernel_time(KERNEL).file(&format!("{folder}/clock_name"), "mlx5_ptp\n");
    made.folder(&format!("{folder}/device/net/{interface}"))
}

#[test]
fn a_time_that_nobody_steers_is_warned_of() {
    let told = |kernel| read(&MadeHost::new().kernel_time(kernel)).system();
    assert_state(
        &told(KERNEL),
        Good,
        "synchronised, within 1234 us at most, 56 us by estimate; TAI is 37 s ahead",
    );
    let untold = KernelTime { tai_ahead_s: None, ..KERNEL };
    assert_state(&told(untold), Good, "not told how far TAI is ahead");
    let lost = KernelTime { is_synchronised: false, error_max_us: 16_000_000, ..KERNEL };
    assert_state(&told(lost), Warn, "nobody says how wrong it is");
    assert_state(&read(&MadeHost::new()).system(), Unknown, "allow adjtimex(2)");
}

#[test]
fn each_clock_is_told_of_with_its_interface_and_the_time_that_it_keeps() {
    for (by_ns, says, keeps) in [
        (-120, "ptp1 (mlx5_ptp; eth2) keeps UTC, -120 ns ± 400 ns", "UTC"),
        (
            37_000_000_120,
            "ptp1 (mlx5_ptp; eth2) keeps TAI, 37 s ahead as the kernel says, but for +120 ns ± 400 ns",
            "TAI",
        ),
        (5_000_000_000, "keeps a time of its own, +5000000000 ns ± 400 ns", "own"),
    ] {
        let made = card("ptp1", "eth2").phc("ptp1", Ok(Ahead { by_ns, within_ns: 400 }));
        let time = read(&made);
        assert_state(&time.hardware(), Good, says);
        let clock = &time.json()["ptp_clocks"][0];
        assert_eq!((&clock["keeps"], &clock["within_ns"]), (&keeps.into(), &400.into()), "{clock}");
        assert_eq!(
            (&clock["ahead_ns"], &clock["device"]),
            (&(by_ns as i64).into(), &"/dev/ptp1".into())
        );
        assert_eq!(clock["interfaces"], json!(["eth2"]), "{clock}");
    }
    assert_state(&read(&MadeHost::new()).hardware(), Good, "the kernel shows none");
}

#[test]
fn a_clock_that_is_not_for_this_user_is_unknown_with_what_helps() {
    for (kind, says) in [
        (ErrorKind::PermissionDenied, "SUBSYSTEM==\"ptp\""),
        (ErrorKind::NotFound, "--device /dev/ptpN"),
        (ErrorKind::Other, "phc_ctl"),
    ] {
        let made = card("ptp0", "eth0").phc("ptp0", Err(kind));
        let made =
            made.folder("sys/class/ptp/ptp1").phc("ptp1", Ok(Ahead { by_ns: 0, within_ns: 9 }));
        let time = read(&made);
        let check = time.hardware();
        assert_state(&check, Unknown, says);
        // The other is told of all the same.
        assert!(check.found.contains("ptp1 (; no interface here) keeps UTC"), "{check:?}");
        let clocks = &time.json()["ptp_clocks"];
        assert!(
            clocks[0]["unread_because"].is_string() && clocks[0]["keeps"].is_null(),
            "{clocks}"
        );
    }
    let made = MadeHost::new().link("sys/class/ptp", "ptp");
    assert_state(&read(&made).hardware(), Unknown, "/sys/class/ptp cannot be read");
}

#[test]
fn those_that_keep_time_are_found_by_name_and_phc2sys_with_what_it_adds() {
    let made = running(&[("7", "ptp4l"), ("30", "phc2sys"), ("9", "ptp4lx"), ("100", "chronyd")])
        .file("proc/30/cmdline", "phc2sys\0-s\0eth0\0-O\0-37\0");
    let time = read(&made);
    assert_state(&time.who(), Good, "ptp4l, phc2sys (-O -37), chronyd");
    let kept = &time.json()["kept_by"];
    assert_eq!(kept.as_array().unwrap().len(), 3, "{kept}");
    assert_eq!((&kept[1]["pid"], &kept[1]["offset_s"]), (&30.into(), &"-37".into()), "{kept}");
    for (line, says) in [
        ("phc2sys\0-O37\0", "phc2sys (-O 37)"),
        ("phc2sys\0-a\0-r\0", "phc2sys"),
        ("phc2sys\0-O", "phc2sys"),
    ] {
        let made = running(&[("30", "phc2sys")]).file("proc/30/cmdline", line);
        assert_eq!(read(&made).who().found, says, "{line:?}");
    }
    // The kernel cuts its name.
    let made = running(&[("8", "systemd-timesyn"), ("9", "phc2sys")]);
    assert_state(&read(&made).who(), Good, "phc2sys, systemd-timesyncd");
}

#[test]
fn two_that_steer_the_same_clock_and_none_at_all_are_warned_of() {
    let two = [("8", "chronyd"), ("9", "systemd-timesyn")];
    assert_state(&read(&running(&two)).who(), Warn, "both chronyd and systemd-timesyncd steer");
    assert_state(&read(&running(&[("8", "chronyd"), ("9", "chronyd")])).who(), Good, "chronyd");
    assert_state(&read(&running(&[("1", "init")])).who(), Good, "none is seen, though");
    let lost = KernelTime { is_synchronised: false, ..KERNEL };
    let made = running(&[("1", "init")]).kernel_time(lost);
    assert_state(&read(&made).who(), Warn, "none of those that are known is seen");
    assert_state(&read(&MadeHost::new().kernel_time(KERNEL)).who(), Unknown, "hidepid");
}

#[test]
fn each_check_is_a_sentence_for_a_board() {
    let time = read(&running(&[("8", "ptp4l")]));
    let json = time.json();
    let words: Vec<_> =
        json["words"].as_array().unwrap().iter().map(|of| of.as_str().unwrap()).collect();
    assert!(words[0].starts_with("system's time: synchronised"), "{words:?}");
    assert_eq!(words[1..], ["PTP clocks: the kernel shows none", "who keeps time: ptp4l"]);
    assert_state(of(&time.checks(), "who keeps time"), Good, "ptp4l");
}
