//! The host's time: who keeps it, how right it is, and which time its hardware clocks keep.

use std::io;

use fixwire_hw::ptp::{self, Keeps, KernelTime, PhcTime};
use serde_json::{Value, json};

use super::check::{Check, Subject};
use super::host::{Host, Untold};

const AREA: &str = "clocks";
const SYSTEM: Subject = Subject::advised(AREA, "system's time");
const HARDWARE: Subject = Subject::advised(AREA, "PTP clocks");
const KEEPERS: Subject = Subject::advised(AREA, "who keeps time");

const STEER: &str =
    "run chronyd, or ptp4l and phc2sys; `chronyc tracking`, `pmc -u -b 0 'GET TIME_STATUS_NP'`";

/// A program that keeps time.
struct Program {
    name: &'static str,
    /// As the kernel has it, which cuts names after 15 bytes.
    comm: &'static str,
    /// It steers the system's time by itself, so that there is to be one of its kind.
    steers_system: bool,
}

const fn program(name: &'static str, comm: &'static str, steers_system: bool) -> Program {
    Program { name, comm, steers_system }
}

/// phc2sys may steer either way, or tell chronyd.
const PROGRAMS: [Program; 5] = [
    program("ptp4l", "ptp4l", false),
    program("phc2sys", "phc2sys", false),
    program("chronyd", "chronyd", true),
    program("ntpd", "ntpd", true),
    program("systemd-timesyncd", "systemd-timesyn", true),
];

/// What a host says of its time.
pub(crate) struct HostTime {
    kernel: Result<KernelTime, String>,
    clocks: Result<Vec<Phc>, Untold>,
    keepers: Result<Vec<Keeper>, Untold>,
}

/// A hardware clock of the kernel's.
struct Phc {
    /// Such as `ptp0`.
    name: String,
    /// By its driver.
    called: String,
    /// Those that stamp by it, as far as this namespace shows them.
    interfaces: Vec<String>,
    time: io::Result<PhcTime>,
}

/// One that runs.
struct Keeper {
    program: &'static Program,
    pid: u32,
    /// What phc2sys is told to add, in s, as it is written.
    offset: Option<String>,
}

impl HostTime {
    pub(crate) fn read(host: &Host) -> HostTime {
        let kernel = host.kernel_time().map_err(|error| error.to_string());
        let clocks = match host.names("sys/class/ptp") {
            Ok(names) => Ok(names
                .into_iter()
                .map(|name| Phc::read(host, name, kernel.as_ref().ok()))
                .collect()),
            // A kernel without them has no such folder.
            Err(untold) if untold.is_absent() => Ok(Vec::new()),
            Err(untold) => Err(untold),
        };
        HostTime { kernel, clocks, keepers: keepers(host) }
    }

    pub(crate) fn checks(&self) -> [Check; 3] {
        [self.system(), self.hardware(), self.who()]
    }

    /// Whether the system's time is steered.
    fn system(&self) -> Check {
        match &self.kernel {
            Ok(kernel) if kernel.is_synchronised => SYSTEM.ok(in_words(kernel)),
            Ok(kernel) => SYSTEM.warn(in_words(kernel), STEER),
            Err(why) => SYSTEM.unknown(
                format!("the kernel does not tell: {why}"),
                "allow adjtimex(2), which sets nothing here, in the sandbox",
            ),
        }
    }

    fn hardware(&self) -> Check {
        let clocks = match &self.clocks {
            Ok(clocks) if clocks.is_empty() => return HARDWARE.ok("the kernel shows none"),
            Ok(clocks) => clocks,
            Err(untold) => return HARDWARE.unknown(untold.clone(), "as root"),
        };
        let found: Vec<_> = clocks.iter().map(Phc::in_words).collect();
        let found = found.join("; ");
        match clocks.iter().find_map(|clock| clock.time.as_ref().err()) {
            None => HARDWARE.ok(found),
            Some(error) => HARDWARE.unknown(found, ptp::remedy(error)),
        }
    }

    fn who(&self) -> Check {
        let keepers = match &self.keepers {
            Ok(keepers) => keepers,
            Err(untold) => {
                return KEEPERS
                    .unknown(untold.clone(), "as root; /proc may be mounted with hidepid");
            }
        };
        let found: Vec<_> = keepers.iter().map(Keeper::in_words).collect();
        let found = found.join(", ");
        let mut steering: Vec<_> = keepers
            .iter()
            .filter(|keeper| keeper.program.steers_system)
            .map(|keeper| keeper.program.name)
            .collect();
        // chronyd and ntpd may be several processes each.
        steering.dedup();
        let is_kept = self.kernel.as_ref().is_ok_and(|kernel| kernel.is_synchronised);
        match (steering.as_slice(), keepers.is_empty(), is_kept) {
            ([one, other, ..], ..) => KEEPERS.warn(
                format!("{found}: both {one} and {other} steer the system's time, against each other"),
                "`systemctl disable --now` one of them",
            ),
            (_, false, _) => KEEPERS.ok(found),
            (_, true, true) => KEEPERS.ok(
                "none is seen, though somebody steers the system's time: one of another namespace, or the hypervisor's guest agent",
            ),
            (_, true, false) => KEEPERS.warn("none of those that are known is seen", STEER),
        }
    }

    /// The same as numbers, and a sentence for each.
    pub(crate) fn json(&self) -> Value {
        let kernel = self.kernel.as_ref().ok();
        let known = self.clocks.as_ref().ok();
        let words = self.checks().map(|check| format!("{}: {}", check.subject.name, check.found));
        json!({
            "words": words,
            "synchronised": kernel.map(|kernel| kernel.is_synchronised),
            "error_max_us": kernel.map(|kernel| kernel.error_max_us),
            "error_estimated_us": kernel.map(|kernel| kernel.error_estimated_us),
            "tai_ahead_s": kernel.and_then(|kernel| kernel.tai_ahead_s),
            "ptp_clocks": known.map(|clocks| clocks.iter().map(Phc::json).collect::<Vec<_>>()),
            "kept_by": self.keepers.as_ref().ok().map(|keepers| {
                let shown = keepers.iter().map(|of| {
                    json!({ "program": of.program.name, "pid": of.pid, "offset_s": of.offset })
                });
                shown.collect::<Vec<_>>()
            }),
        })
    }
}

fn in_words(kernel: &KernelTime) -> String {
    let KernelTime { is_synchronised, error_max_us, error_estimated_us, tai_ahead_s } = kernel;
    let tai = tai_ahead_s.map_or_else(
        || "the kernel was not told how far TAI is ahead".to_owned(),
        |s| format!("TAI is {s} s ahead"),
    );
    if *is_synchronised {
        format!(
            "synchronised, within {error_max_us} us at most, {error_estimated_us} us by estimate; {tai}"
        )
    } else {
        format!("not synchronised: nobody says how wrong it is; {tai}")
    }
}

impl Phc {
    fn read(host: &Host, name: String, kernel: Option<&KernelTime>) -> Phc {
        let folder = format!("sys/class/ptp/{name}");
        let called = host.text(&format!("{folder}/clock_name")).unwrap_or_default();
        let interfaces = host.names(&format!("{folder}/device/net")).unwrap_or_default();
        let time = host.phc_ahead(&format!("dev/{name}")).map(|ahead| PhcTime::of(ahead, kernel));
        Phc { name, called, interfaces, time }
    }

    fn in_words(&self) -> String {
        let Phc { name, called, interfaces, .. } = self;
        let of = if interfaces.is_empty() {
            "no interface here".to_owned()
        } else {
            interfaces.join(", ")
        };
        match &self.time {
            Ok(time) => format!("{name} ({called}; {of}) {time}"),
            Err(error) => format!("{name} ({called}; {of}): /dev/{name} cannot be read: {error}"),
        }
    }

    fn json(&self) -> Value {
        let time = self.time.as_ref().ok();
        json!({
            "device": format!("/dev/{}", self.name),
            "clock_name": self.called,
            "interfaces": self.interfaces,
            "keeps": time.map(|time| keeps(time.keeps)),
            "ahead_ns": time.and_then(|time| i64::try_from(time.ahead.by_ns).ok()),
            "off_ns": time.and_then(|time| i64::try_from(time.off_ns()).ok()),
            "within_ns": time.map(|time| time.ahead.within_ns),
            "unread_because": self.time.as_ref().err().map(ToString::to_string),
        })
    }
}

/// As reports name it.
pub(crate) fn keeps(keeps: Keeps) -> &'static str {
    match keeps {
        Keeps::Utc => "UTC",
        Keeps::Tai { .. } => "TAI",
        Keeps::Own => "own",
    }
}

/// In the order of [`PROGRAMS`].
fn keepers(host: &Host) -> Result<Vec<Keeper>, Untold> {
    let pids = host.names("proc")?;
    let pids: Vec<u32> = pids.iter().filter_map(|name| name.parse().ok()).collect();
    let mut found = Vec::new();
    let mut forbidden = None;
    for pid in pids {
        match host.text(&format!("proc/{pid}/comm")) {
            Ok(comm) => {
                let program = PROGRAMS.iter().position(|of| of.comm == comm);
                found.extend(program.map(|at| (at, pid)));
            }
            Err(untold @ Untold::Forbidden { .. }) => forbidden = Some(untold),
            // It has ended.
            Err(_) => {}
        }
    }
    found.sort_unstable();
    // Of those that are hidden any may be one.
    if let (true, Some(untold)) = (found.is_empty(), forbidden) {
        return Err(untold);
    }
    let keeper = |(at, pid)| {
        let program: &Program = &PROGRAMS[at];
        Keeper { program, pid, offset: offset(host, program, pid) }
    };
    Ok(found.into_iter().map(keeper).collect())
}

/// `-O` of phc2sys.
fn offset(host: &Host, program: &Program, pid: u32) -> Option<String> {
    if program.name != "phc2sys" {
        return None;
    }
    let line = host.text(&format!("proc/{pid}/cmdline")).ok()?;
    let mut words = line.split('\0');
    words
        .by_ref()
        .find_map(|word| word.strip_prefix("-O").map(str::to_owned))
        .and_then(|rest| if rest.is_empty() { words.next().map(str::to_owned) } else { Some(rest) })
}

impl Keeper {
    fn in_words(&self) -> String {
        let name = self.program.name;
        self.offset.as_ref().map_or(name.to_owned(), |offset| format!("{name} (-O {offset})"))
    }
}

#[cfg(test)]
mod tests;
