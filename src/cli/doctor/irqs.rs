//! Where interrupts are taken.

use super::Asked;
use super::check::{Check, Subject};
use super::host::{Host, Untold};
use super::pci::PciAddress;
use fixwire_hw::core_list::CoreList;

pub(crate) const AFFINITY: Subject = Subject::advised("polling core", "IRQ affinity");
const NIC_AFFINITY: Subject = Subject::advised("NIC", "NIC's IRQ affinity");

/// Numbers that are named in one line; of more how many there are is told.
const NAMED_MAX: usize = 8;

/// The interrupts that may be taken on the core, of those that are numbered so; how many were looked at.
fn on(host: &Host, core: u16, irqs: &[u32]) -> Result<(Vec<u32>, usize), Untold> {
    let mut there = Vec::new();
    let mut looked_at = 0;
    for irq in irqs {
        // Where the kernel says which core it is, that counts; else the ones that it may choose from.
        let text = host
            .text(&format!("proc/irq/{irq}/effective_affinity_list"))
            .ok()
            .filter(|text| !text.is_empty())
            .map_or_else(|| host.text(&format!("proc/irq/{irq}/smp_affinity_list")), Ok);
        let text = match text {
            Ok(text) => text,
            // It was given up since its number was read.
            Err(untold) if untold.is_absent() => continue,
            Err(untold) => return Err(untold),
        };
        looked_at += 1;
        if CoreList::parse(&text).is_none_or(|cores| cores.contains(core)) {
            there.push(*irq);
        }
    }
    Ok((there, looked_at))
}

fn numbers(names: &[String]) -> Vec<u32> {
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

fn named(irqs: &[u32]) -> String {
    let shown: Vec<String> = irqs.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    match irqs.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

pub(crate) fn of_host(host: &Host, core: u16, asked: &Asked) -> Check {
    let others = asked.others(host, core);
    let found = host.names("proc/irq").and_then(|names| on(host, core, &numbers(&names)));
    match found {
        Ok((there, all)) if there.is_empty() => {
            AFFINITY.ok(format!("none of {all} interrupts comes to core {core}"))
        }
        Ok((there, all)) => AFFINITY.warn(
            format!("{} of {all} interrupts may come to core {core}: {}", there.len(), named(&there)),
            format!(
                "boot with irqaffinity={others}; `systemctl disable --now irqbalance`; for each that is left \
                 `echo {others} > /proc/irq/N/smp_affinity_list`"
            ),
        ),
        Err(untold) => AFFINITY.unknown(untold, "`grep . /proc/irq/*/effective_affinity_list`"),
    }
}

/// Those of a NIC whose kernel driver goes on beside ours.
pub(crate) fn of_nic(host: &Host, nic: PciAddress, asked: &Asked) -> Check {
    let look = format!("`ls /sys/bus/pci/devices/{nic}/msi_irqs`");
    let irqs = match host.names(&format!("sys/bus/pci/devices/{nic}/msi_irqs")) {
        Ok(names) => numbers(&names),
        Err(untold) if untold.is_absent() => return NIC_AFFINITY.ok("it has none: it is polled"),
        Err(untold) => return NIC_AFFINITY.unknown(untold, look),
    };
    let Some(core) = asked.core else {
        return NIC_AFFINITY
            .unknown("which core polls is not settled", "write `core = N` in the profile");
    };
    match on(host, core, &irqs) {
        Ok((there, all)) if there.is_empty() => {
            NIC_AFFINITY.ok(format!("none of its {all} interrupts comes to core {core}"))
        }
        Ok((there, all)) => NIC_AFFINITY.warn(
            format!(
                "{} of its {all} interrupts may come to core {core}: {}",
                there.len(),
                named(&there)
            ),
            format!(
                "`systemctl disable --now irqbalance`; `for i in {}; do echo {} > \
                 /proc/irq/$i/smp_affinity_list; done`",
                there.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                asked.others(host, core)
            ),
        ),
        Err(untold) => NIC_AFFINITY.unknown(untold, look),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state};
    use super::*;

    fn nic() -> PciAddress {
        "3b:00.0".parse().unwrap()
    }

    fn made(irqs: &[(u32, &str, &str)]) -> MadeHost {
        irqs.iter().fold(MadeHost::new().folder("proc/irq/7"), |made, (irq, effective, may)| {
            made.file(&format!("proc/irq/{irq}/effective_affinity_list"), effective)
                .file(&format!("proc/irq/{irq}/smp_affinity_list"), may)
                .folder(&format!("sys/bus/pci/devices/0000:3b:00.0/msi_irqs/{irq}"))
        })
    }

    #[test]
    fn where_an_interrupt_is_taken_counts_and_else_where_it_may_be() {
        for (irqs, state, says) in [
            (&[(24, "0", "0-3"), (25, "2\n", "3")][..], Ok, "none of"),
            (&[(24, "0", "0-3"), (25, "3", "3")], Warn, "2 interrupts may come to core 3: 25"),
            (&[(24, "0", "0"), (25, "\n", "2-3")], Warn, "core 3: 25"),
            (&[(24, "0", "0"), (25, "?", "0")], Warn, "core 3: 25"),
        ] {
            let made = made(irqs);
            assert_state(&of_host(&made.host(), 3, &asked()), state, says);
            assert_state(&of_nic(&made.host(), nic(), &asked()), state, says);
        }
        assert_state(&of_host(&MadeHost::new().host(), 3, &asked()), Unknown, "/proc/irq");
    }

    #[test]
    fn the_remedy_names_the_other_cores_and_many_interrupts_are_counted() {
        let irqs: Vec<_> = (24..44).map(|irq| (irq, "3", "3")).collect();
        let check = of_host(&made(&irqs).host(), 3, &asked());
        assert_state(&check, Warn, "31 and 12 more");
        assert!(check.remedy.contains("irqaffinity=0-2;"), "{}", check.remedy);
        let online = made(&irqs).file("sys/devices/system/cpu/online", "0-7\n");
        let check = of_host(&online.host(), 3, &asked());
        assert!(check.remedy.contains("irqaffinity=0-2,4-7;"), "{}", check.remedy);
    }

    #[test]
    fn a_nic_without_interrupts_is_polled_and_one_with_needs_a_core() {
        assert_state(&of_nic(&MadeHost::new().host(), nic(), &asked()), Ok, "polled");
        let nowhere = Asked { core: None, ..asked() };
        let made = made(&[(24, "3", "3")]);
        assert_state(&of_nic(&made.host(), nic(), &nowhere), Unknown, "core = N");
    }
}
