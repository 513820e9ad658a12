//! The polling core: whether it is ours alone, awake and at full speed.

use fixwire::offload::profile::Core;
use fixwire_hw::core::{ranges, reachable_cores};

use super::check::{Check, Subject};
use super::host::Host;
use super::{Asked, irqs};
use fixwire_hw::core_list::CoreList;

const AREA: &str = "polling core";
const CORE: Subject = Subject::required(AREA, "core");
const ISOLCPUS: Subject = Subject::advised(AREA, "isolcpus");
const NOHZ_FULL: Subject = Subject::advised(AREA, "nohz_full");
const RCU_NOCBS: Subject = Subject::advised(AREA, "rcu_nocbs");
const C_STATES: Subject = Subject::advised(AREA, "C-states");
const GOVERNOR: Subject = Subject::advised(AREA, "frequency governor");
const SMT: Subject = Subject::advised(AREA, "SMT siblings");
const IRQBALANCE: Subject = Subject::advised(AREA, "irqbalance");
const RT_THROTTLING: Subject = Subject::advised(AREA, "RT throttling");

/// What leaving a state may take, in microseconds. C1 takes one or two.
const EXIT_LATENCY_US_MAX: u64 = 2;
const NAME_A_CORE: &str =
    "write `core = N` in the profile, with N a core that the kernel leaves alone";

/// Looks at one thing of a core.
type OfCore = fn(&Host, u16, &Asked) -> Check;

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let mut checks = vec![polling_core(host, asked)];
    let each: [(Subject, OfCore); 7] = [
        (ISOLCPUS, isolcpus),
        (NOHZ_FULL, nohz_full),
        (RCU_NOCBS, rcu_nocbs),
        (C_STATES, c_states),
        (GOVERNOR, governor),
        (SMT, smt),
        (irqs::AFFINITY, irqs::of_host),
    ];
    checks.extend(each.into_iter().map(|(subject, check)| match asked.core {
        Some(core) => check(host, core, asked),
        None => subject.unknown("which core polls is not settled", NAME_A_CORE),
    }));
    checks.push(irqbalance(host));
    checks.push(rt_throttling(host));
    checks
}

/// It moves interrupts wherever there is room, and back to where they were moved from.
fn irqbalance(host: &Host) -> Check {
    const STOP: &str = "`systemctl disable --now irqbalance`";
    let is_process = |name: &&String| name.bytes().all(|byte| byte.is_ascii_digit());
    match host.names("proc") {
        Ok(names) => {
            let mut processes = names.iter().filter(is_process);
            let runs = |process: &&String| {
                host.text(&format!("proc/{process}/comm")).is_ok_and(|name| name == "irqbalance")
            };
            match processes.find(runs) {
                Some(process) => IRQBALANCE.warn(format!("it runs as process {process}"), STOP),
                None => IRQBALANCE.ok("it does not run"),
            }
        }
        Err(untold) => IRQBALANCE.unknown(untold, STOP),
    }
}

fn polling_core(host: &Host, asked: &Asked) -> Check {
    let allowed = ranges(&asked.allowed);
    let Some(core) = asked.core else {
        return match asked.profile.core {
            Core::Any => {
                CORE.warn("the profile leaves it to the scheduler (core = \"any\")", NAME_A_CORE)
            }
            _ => CORE.warn(
                format!("this process may use core {allowed} alone, so that nothing is pinned"),
                "`taskset -c A,B fixwire ...`: one core to poll, another for the rest",
            ),
        };
    };
    if !asked.allowed.contains(&core) {
        let list = |what| {
            let text = host.text(&format!("sys/devices/system/cpu/{what}")).ok();
            text.and_then(|text| CoreList::parse(&text))
        };
        let (online, isolated) = (list("online"), list("isolated").unwrap_or_default());
        // Isolated cores are in nobody's affinity until they are asked for.
        return match online {
            Some(online) if !online.contains(core) => CORE.bad(
                format!("core {core} is not online"),
                format!("`echo 1 > /sys/devices/system/cpu/cpu{core}/online`, or name another in the profile"),
            ),
            Some(online) if reachable_cores(&asked.allowed, &online, &isolated).contains(&core) => {
                CORE.ok(format!("core {core}, isolated, which is asked for beside {allowed}"))
            }
            _ => CORE.bad(
                format!("core {core} is not among those that this process may use ({allowed})"),
                format!("`taskset -c {},{core} fixwire ...`; systemd: CPUAffinity=", asked.other_core(core)),
            ),
        };
    }
    match core {
        0 => CORE.warn("core 0, where the kernel does its housekeeping", NAME_A_CORE),
        _ => CORE.ok(format!("core {core} of {allowed}")),
    }
}

fn boot(core: u16) -> String {
    format!("boot with isolcpus=managed_irq,domain,{core} nohz_full={core} rcu_nocbs={core}")
}

/// How a list of the kernel's that should have the core in it is shown.
fn listed(list: &CoreList) -> String {
    if list.is_empty() { "none".into() } else { ranges(&list.cores()) }
}

fn isolcpus(host: &Host, core: u16, asked: &Asked) -> Check {
    let text = match host.text("sys/devices/system/cpu/isolated") {
        Ok(text) => text,
        Err(untold) => return ISOLCPUS.unknown(untold, boot(core)),
    };
    match CoreList::parse(&text) {
        None => ISOLCPUS.unknown(format!("{text:?} is no list of cores"), boot(core)),
        Some(list) if list.contains(core) => ISOLCPUS.ok(format!("isolated: {}", listed(&list))),
        // The process was kept to others, or the profile names another.
        Some(list) if !list.is_empty() => {
            let isolated = list.cores();
            let last = isolated.last().copied().unwrap_or(core);
            ISOLCPUS.warn(
                format!("core {core} is not isolated: {} is", listed(&list)),
                format!(
                    "`taskset -c {},{last} fixwire ...`, and core = {last} in the profile",
                    asked.other_core(last)
                ),
            )
        }
        Some(_) => ISOLCPUS.warn(format!("core {core} is not isolated: none is"), boot(core)),
    }
}

fn nohz_full(host: &Host, core: u16, _: &Asked) -> Check {
    match host.text("sys/devices/system/cpu/nohz_full") {
        Ok(text) => match CoreList::parse(&text) {
            None => NOHZ_FULL.unknown(format!("{text:?} is no list of cores"), boot(core)),
            Some(list) if list.contains(core) => {
                NOHZ_FULL.ok(format!("tickless: {}", listed(&list)))
            }
            Some(list) => NOHZ_FULL.warn(
                format!("the timer ticks on core {core}; tickless: {}", listed(&list)),
                boot(core),
            ),
        },
        Err(untold) if untold.is_absent() => NOHZ_FULL.warn(
            format!("{untold}: it was built without, and the timer ticks on core {core}"),
            format!("a kernel with CONFIG_NO_HZ_FULL=y, and {}", boot(core)),
        ),
        Err(untold) => NOHZ_FULL.unknown(untold, "`cat /sys/devices/system/cpu/nohz_full`"),
    }
}

/// The callbacks of a tickless core are taken off it as well (kernel-parameters.txt, `nohz_full=`).
fn rcu_nocbs(host: &Host, core: u16, _: &Asked) -> Check {
    let tickless = host.text("sys/devices/system/cpu/nohz_full").ok();
    if tickless.and_then(|text| CoreList::parse(&text)).is_some_and(|list| list.contains(core)) {
        return RCU_NOCBS.ok("by nohz_full");
    }
    let boot_line = match host.text("proc/cmdline") {
        Ok(line) => line,
        Err(untold) => return RCU_NOCBS.unknown(untold, boot(core)),
    };
    match parameter(&boot_line, "rcu_nocbs") {
        None => RCU_NOCBS.warn(format!("RCU callbacks run on core {core}"), boot(core)),
        Some(value) => match CoreList::parse(value) {
            None => RCU_NOCBS.unknown(format!("rcu_nocbs={value} is no list of cores"), boot(core)),
            Some(list) if list.contains(core) => RCU_NOCBS.ok(format!("rcu_nocbs={value}")),
            Some(_) => RCU_NOCBS
                .warn(format!("RCU callbacks run on core {core}: rcu_nocbs={value}"), boot(core)),
        },
    }
}

/// The value of a boot parameter: that of the last that is so called, and none of what is handed to init.
pub(crate) fn parameter<'a>(boot_line: &'a str, name: &str) -> Option<&'a str> {
    let words = boot_line.split_whitespace().take_while(|word| *word != "--");
    words.filter_map(|word| word.strip_prefix(name)?.strip_prefix('=')).last()
}

fn c_states(host: &Host, core: u16, _: &Asked) -> Check {
    const SHALLOW: &str = "boot with intel_idle.max_cstate=1 processor.max_cstate=1 (AMD: \
                           processor.max_cstate=1), or hold /dev/cpu_dma_latency open with 0; BIOS: package \
                           C-state limit C0/C1, C1E disabled";
    let folder = format!("sys/devices/system/cpu/cpu{core}/cpuidle");
    let states = match host.names(&folder) {
        Ok(states) => states,
        Err(untold) if untold.is_absent() => {
            let why =
                format!("{untold}: whoever governs idle cores is the firmware or a hypervisor");
            return C_STATES.unknown(why, "BIOS: C-states disabled, or C1 at most");
        }
        Err(untold) => return C_STATES.unknown(untold, "`cpupower idle-info`"),
    };
    let mut deep = Vec::new();
    let mut shown = Vec::new();
    for state in states.iter().filter(|name| name.starts_with("state")) {
        let name = host.text(&format!("{folder}/{state}/name")).unwrap_or_else(|_| state.clone());
        let number = |what| host.number::<u64>(&format!("{folder}/{state}/{what}"));
        let (latency_us, disabled) = match (number("latency"), number("disable")) {
            (Ok(latency_us), Ok(disabled)) => (latency_us, disabled != 0),
            (Err(untold), _) | (_, Err(untold)) => {
                return C_STATES.unknown(untold, "`cpupower idle-info`");
            }
        };
        match (disabled, latency_us > EXIT_LATENCY_US_MAX) {
            (true, _) => {}
            (false, true) => deep.push(format!("{name} {latency_us} us")),
            (false, false) => shown.push(format!("{name} {latency_us} us")),
        }
    }
    match (deep.is_empty(), shown.is_empty()) {
        (false, _) => {
            C_STATES.warn(format!("enabled, with their exit latency: {}", deep.join(", ")), SHALLOW)
        }
        (true, false) => {
            C_STATES.ok(format!("at most {EXIT_LATENCY_US_MAX} us to leave: {}", shown.join(", ")))
        }
        (true, true) => C_STATES.ok("all are disabled"),
    }
}

fn governor(host: &Host, core: u16, _: &Asked) -> Check {
    let set = format!(
        "`cpupower -c {core} frequency-set -g performance`; BIOS: power profile maximum performance"
    );
    match host.text(&format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_governor")) {
        Ok(name) if name == "performance" => GOVERNOR.ok(name),
        Ok(name) => GOVERNOR.warn(format!("{name}: the core's rate follows its load"), set),
        Err(untold) if untold.is_absent() => GOVERNOR.unknown(
            format!("{untold}: whoever governs the rate is the firmware or a hypervisor"),
            "BIOS: power profile maximum performance",
        ),
        Err(untold) => GOVERNOR.unknown(untold, set),
    }
}

fn smt(host: &Host, core: u16, _: &Asked) -> Check {
    let path = format!("sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list");
    let text = match host.text(&path) {
        Ok(text) => text,
        Err(untold) => return SMT.unknown(untold, "BIOS: SMT (Hyper-Threading) disabled"),
    };
    let Some(list) = CoreList::parse(&text) else {
        return SMT.unknown(format!("{text:?} is no list of cores"), "`lscpu -e`");
    };
    let mut others = list.cores();
    others.retain(|other| *other != core);
    match others.first() {
        None => SMT.ok(format!("core {core} shares its execution units with none")),
        Some(first) => SMT.warn(
            format!("core {core} shares its execution units with {}", ranges(&others)),
            format!(
                "`echo 0 > /sys/devices/system/cpu/cpu{first}/online`, or boot with nosmt; BIOS: SMT \
                 (Hyper-Threading) disabled"
            ),
        ),
    }
}

/// A real-time thread that spins is stopped for the rest of each period (sched-rt-group.rst).
fn rt_throttling(host: &Host) -> Check {
    const OFF: &str = "`sysctl -w kernel.sched_rt_runtime_us=-1`, and the same in /etc/sysctl.d";
    let number = |what| host.number::<i64>(&format!("proc/sys/kernel/sched_rt_{what}_us"));
    match (number("runtime"), number("period")) {
        (Ok(-1), _) => RT_THROTTLING.ok("off"),
        (Ok(runtime_us), Ok(period_us)) => RT_THROTTLING.warn(
            format!("a real-time thread that spins gets {runtime_us} us of each {period_us} us"),
            OFF,
        ),
        (Err(untold), _) | (_, Err(untold)) => RT_THROTTLING.unknown(untold, OFF),
    }
}

#[cfg(test)]
mod tests;
