//! What this process may do: as it is started, so the engine is.

use super::Asked;
use super::check::{Check, Subject};
use super::host::Host;
use super::nic::{self, Kind};

const AREA: &str = "process";
const MEMLOCK: Subject = Subject::advised(AREA, "locked memory");
const CAPABILITIES: Subject = Subject::required(AREA, "capabilities");

/// What frames and rings take of registered memory, in KiB, as in the check of hugepages.
const NEEDED_KIB: u64 = 256 * 1024;

/// Bits of capabilities(7), and their names.
const IPC_LOCK: u32 = 14;
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

pub(crate) fn checks(host: &Host, asked: &Asked) -> Vec<Check> {
    let mut checks = vec![memlock(host, asked)];
    if asked.nic.and_then(|nic| nic::kind(host, nic)) == Some(Kind::Bifurcated) {
        checks.push(capabilities(host));
    }
    checks
}

/// The capabilities that are in effect, a bit each (proc_pid_status(5)).
fn effective(host: &Host) -> Result<u64, String> {
    let status = host.text("proc/self/status")?;
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.ok_or_else(|| "/proc/self/status does not say which capabilities it has".to_owned())
}

/// Memory that a NIC reads and writes is locked, as far as RLIMIT_MEMLOCK goes, or with CAP_IPC_LOCK.
fn memlock(host: &Host, asked: &Asked) -> Check {
    const RAISE: &str = "`ulimit -l unlimited`, or `* - memlock unlimited` in /etc/security/limits.conf; systemd: \
                         LimitMEMLOCK=infinity";
    let subject = MEMLOCK.required_if(asked.nic.is_some());
    if effective(host).is_ok_and(|bits| bits >> IPC_LOCK & 1 == 1) {
        return subject.ok("without limit, by CAP_IPC_LOCK");
    }
    let limits = match host.text("proc/self/limits") {
        Ok(limits) => limits,
        Err(untold) => return subject.unknown(untold, RAISE),
    };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    match line.and_then(|line| line.split_whitespace().next()) {
        Some("unlimited") => subject.ok("without limit"),
        Some(bytes) => match bytes.parse::<u64>() {
            Ok(bytes) if bytes / 1024 >= NEEDED_KIB => {
                subject.ok(format!("up to {} MiB", bytes / 1024 / 1024))
            }
            Ok(bytes) => subject.bad(
                format!("up to {} KiB; {} MiB are wanted", bytes / 1024, NEEDED_KIB / 1024),
                RAISE,
            ),
            Err(_) => subject.unknown(format!("{bytes:?} is no number of bytes"), RAISE),
        },
        None => subject.unknown("/proc/self/limits does not say", RAISE),
    }
}

/// mlx5 sends and receives raw frames by verbs, and the kernel finds neighbours, for whoever may.
fn capabilities(host: &Host) -> Check {
    const GIVE: &str = "start it as root, or `setcap cap_net_admin,cap_net_raw,cap_ipc_lock+ep` its file; systemd: \
                        AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK";
    let bits = match effective(host) {
        Ok(bits) => bits,
        Err(untold) => return CAPABILITIES.unknown(untold, GIVE),
    };
    let has = |(bit, _): &(u32, &str)| bits >> bit & 1 == 1;
    let names = |of: Vec<(u32, &'static str)>| {
        of.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    };
    let missing: Vec<_> = NEEDED.into_iter().filter(|one| !has(one)).collect();
    if missing.is_empty() {
        CAPABILITIES.ok(names(NEEDED.into()))
    } else {
        CAPABILITIES.bad(format!("it has not {}", names(missing)), GIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::State::{Fail, Ok, Unknown, Warn};
    use super::super::made_host::{MadeHost, asked, assert_state, of};
    use super::*;

    const CARD: &str = "sys/bus/pci/devices/0000:3b:00.0";

    fn with_nic() -> Asked {
        Asked { nic: Some("3b:00.0".parse().unwrap()), ..asked() }
    }

    fn process(caps: &str, locked: &str) -> MadeHost {
        MadeHost::new()
            .file("proc/self/status", &format!("Name:\tfixwire\nCapEff:\t{caps}\n"))
            .file(
                "proc/self/limits",
                &format!(
                    "Limit  Soft Limit  Hard Limit  Units\nMax locked memory  {locked}  bytes\n"
                ),
            )
    }

    #[test]
    fn memory_that_may_not_be_locked_fails_with_a_nic_unless_a_capability_lifts_the_limit() {
        for (caps, locked, state, says) in [
            ("0000000000000000", "unlimited unlimited", Ok, "without limit"),
            ("0000000000000000", "268435456 unlimited", Ok, "up to 256 MiB"),
            ("0000000000000000", "8388608 8388608", Fail, "LimitMEMLOCK=infinity"),
            ("0000000000003000", "8388608 8388608", Fail, "8192 KiB; 256 MiB"),
            ("0000000000004000", "8388608 8388608", Ok, "CAP_IPC_LOCK"),
            ("0000000000000000", "some some", Unknown, "no number"),
        ] {
            let made = process(caps, locked);
            assert_state(&memlock(&made.host(), &with_nic()), state, says);
            let advised = if state == Fail { Warn } else { state };
            assert_state(&memlock(&made.host(), &asked()), advised, says);
        }
        assert_state(&memlock(&MadeHost::new().host(), &asked()), Unknown, "/proc/self/limits");
    }

    #[test]
    fn beside_the_kernel_raw_frames_and_neighbors_need_capabilities() {
        for (caps, state, says) in [
            ("000001ffffffffff", Ok, "CAP_NET_ADMIN, CAP_NET_RAW"),
            ("0000000000003000", Ok, "CAP_NET_RAW"),
            ("0000000000001000", Fail, "it has not CAP_NET_RAW"),
            ("0000000000002000", Fail, "it has not CAP_NET_ADMIN"),
            ("0000000000000000", Fail, "setcap"),
            ("none", Unknown, "does not say"),
        ] {
            let made = process(caps, "unlimited unlimited")
                .file(&format!("{CARD}/class"), "0x020000\n")
                .file(&format!("{CARD}/vendor"), "0x15b3\n");
            let checks = checks(&made.host(), &with_nic());
            assert_state(of(&checks, "capabilities"), state, says);
        }
        let owned = process("0", "unlimited unlimited")
            .file(&format!("{CARD}/class"), "0x020000\n")
            .file(&format!("{CARD}/vendor"), "0x8086\n");
        assert_eq!(checks(&owned.host(), &with_nic()).len(), 1);
    }
}
