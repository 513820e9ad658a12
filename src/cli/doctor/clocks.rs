//! The host's clocks, and the NIC's as the kernel shows it.

use super::Asked;
use super::check::{Check, Subject};
use super::host::Host;
use super::nic::{self, Kind};
use super::pci::PciAddress;

const AREA: &str = "clocks";
const SOURCE: Subject = Subject::advised(AREA, "clock source");
const TSC: Subject = Subject::advised(AREA, "invariant TSC");
const NIC_CLOCK: Subject = Subject::advised(AREA, "NIC's clock");

/// The first processor's lines are among these.
const CPUINFO_LEN: u64 = 16 * 1024;

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let mut checks = vec![source(host), tsc(host)];
    if let Some((nic, kind)) = asked.nic.and_then(|nic| Some((nic, nic::kind(host, nic)?))) {
        checks.push(nic_clock(host, nic, kind));
    }
    checks
}

fn source(host: &Host) -> Check {
    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";
    let available = host.text(&format!("{FOLDER}/available_clocksource")).unwrap_or_default();
    match host.text(&format!("{FOLDER}/current_clocksource")) {
        Ok(name) if name == "tsc" => SOURCE.ok(name),
        Ok(name) if available.split_whitespace().any(|one| one == "tsc") => SOURCE.warn(
            format!("{name}: dearer to read than the TSC"),
            format!("`echo tsc > /{FOLDER}/current_clocksource`, or boot with clocksource=tsc"),
        ),
        Ok(name) => SOURCE.warn(
            format!("{name}: the kernel offers no TSC"),
            "`dmesg | grep -i tsc` says why; where cores are known to agree, boot with tsc=reliable",
        ),
        Err(untold) => SOURCE.unknown(untold, "`dmesg | grep -i clocksource`"),
    }
}

fn tsc(host: &Host) -> Check {
    const ELSE: &str = "another processor, or let the hypervisor pass CPUID 0x8000_0007 on; stamps are by the \
                        monotonic clock until then";
    let text = match host.head("proc/cpuinfo", CPUINFO_LEN) {
        Ok(text) => text,
        Err(untold) => return TSC.unknown(untold, "`grep -o -m1 nonstop_tsc /proc/cpuinfo`"),
    };
    let flags = text.lines().find(|line| line.starts_with("flags"));
    let Some((_, flags)) = flags.and_then(|line| line.split_once(':')) else {
        return TSC.unknown("/proc/cpuinfo lists no flags: this is no x86", ELSE);
    };
    let has = |name| flags.split_whitespace().any(|flag| flag == name);
    match (has("constant_tsc"), has("nonstop_tsc")) {
        (true, true) => TSC.ok("one rate in every state (constant_tsc, nonstop_tsc)"),
        (true, false) => TSC.warn("it stops in deep C-states (no nonstop_tsc)", ELSE),
        (false, _) => TSC.warn("its rate changes (no constant_tsc)", ELSE),
    }
}

fn nic_clock(host: &Host, nic: PciAddress, kind: Kind) -> Check {
    if kind == Kind::Owned {
        return NIC_CLOCK.ok("read by the driver that has the NIC, where it has one");
    }
    const PTP: &str = "`ethtool -T IFNAME`; a kernel with CONFIG_PTP_1588_CLOCK=y, for mlx5 CONFIG_MLX5_CORE_EN=y";
    match host.names(&format!("sys/bus/pci/devices/{nic}/ptp")) {
        Ok(clocks) if !clocks.is_empty() => {
            NIC_CLOCK.ok(format!("/dev/{}", clocks.join(", /dev/")))
        }
        Ok(_) => NIC_CLOCK.warn("the kernel shows none", PTP),
        Err(untold) if untold.is_absent() => NIC_CLOCK.warn("the kernel shows none", PTP),
        Err(untold) => NIC_CLOCK.unknown(untold, PTP),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state, of};
    use super::*;

    const FOLDER: &str = "sys/devices/system/clocksource/clocksource0";

    #[test]
    fn another_clock_source_is_warned_of_by_whether_there_is_a_tsc() {
        for (current, available, state, says) in [
            ("tsc\n", "tsc hpet acpi_pm \n", Ok, "tsc"),
            ("hpet\n", "tsc hpet acpi_pm \n", Warn, "clocksource=tsc"),
            ("kvm-clock\n", "kvm-clock acpi_pm\n", Warn, "offers no TSC"),
            ("jiffies\n", "tsc-early\n", Warn, "offers no TSC"),
        ] {
            let made = MadeHost::new()
                .file(&format!("{FOLDER}/current_clocksource"), current)
                .file(&format!("{FOLDER}/available_clocksource"), available);
            assert_state(&source(&made.host()), state, says);
        }
        assert_state(&source(&MadeHost::new().host()), Unknown, "current_clocksource");
    }

    #[test]
    fn a_counter_is_invariant_by_both_flags() {
        for (cpuinfo, state, says) in [
            ("flags\t\t: fpu constant_tsc nonstop_tsc\n", Ok, "one rate"),
            ("processor : 0\nflags : constant_tsc rdtscp", Warn, "C-states"),
            ("flags : nonstop_tsc\n", Warn, "rate changes"),
            ("flags : nonstop_tsc_s3 xconstant_tsc\n", Warn, "rate changes"),
            ("Features : fp asimd\n", Unknown, "no x86"),
        ] {
            let made = MadeHost::new().file("proc/cpuinfo", cpuinfo);
            assert_state(&tsc(&made.host()), state, says);
        }
        assert_state(&tsc(&MadeHost::new().host()), Unknown, "/proc/cpuinfo");
    }

    #[test]
    fn a_nic_beside_the_kernel_is_asked_for_its_clock() {
        let folder = "sys/bus/pci/devices/0000:3b:00.0";
        let asked_nic = Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() };
        let ptp = format!("{folder}/ptp");
        let card = |vendor: &str| {
            let made = MadeHost::new().file(&format!("{folder}/class"), "0x020000\n");
            made.file(&format!("{folder}/vendor"), vendor)
        };
        for (made, state, says) in [
            (card("0x15b3\n").folder(&format!("{ptp}/ptp1")), Ok, "/dev/ptp1"),
            (card("0x15b3\n").folder(&ptp), Warn, "shows none"),
            (card("0x15b3\n"), Warn, "shows none"),
            (card("0x15b3\n").link(&ptp, "ptp"), Unknown, "cannot be read"),
            (card("0x8086\n"), Ok, "by the driver"),
        ] {
            assert_state(of(&checks(&made.host(), &asked_nic), "NIC's clock"), state, says);
            assert_eq!(checks(&made.host(), &asked()).len(), 2);
        }
        assert_eq!(checks(&MadeHost::new().host(), &asked_nic).len(), 2);
    }
}
