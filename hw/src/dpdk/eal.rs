//! DPDK's environment: memory, devices and threads, set up once in a process (rte_eal.h).
#![allow(unsafe_code)]

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dpdk_sys as ffi;
use fixwire_offload::profile::Core;

use super::blame::{blamed, no_driver};
use super::error::{DpdkError, Errno};
use super::spec::DeviceSpec;
use super::words;
use crate::core::{self, allowed_cores};
use crate::huge_pages;
use crate::sys;

/// Which memory frames lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Huge pages, of which so many MiB are free.
    Huge {
        /// How many.
        free_mib: u32,
    },
    /// Ordinary pages: enough for virtual devices, none that a NIC could reach without an IOMMU.
    Ordinary {
        /// How much is taken.
        mib: u32,
    },
}

/// What is taken of ordinary memory.
const ORDINARY_MIB: u32 = 256;

impl Memory {
    /// Huge pages where enough are free, ordinary ones otherwise.
    pub fn best() -> Memory {
        let free_mib = free_huge_mib();
        if free_mib >= huge_pages::MIB_MIN {
            Memory::Huge { free_mib }
        } else {
            Memory::Ordinary { mib: ORDINARY_MIB }
        }
    }

    /// Why it is not huge pages, and what to do about it.
    pub fn shortage(self) -> Option<String> {
        let Memory::Ordinary { .. } = self else { return None };
        Some(format!(
            "{} MiB of huge pages are free, and it takes {}: `sysctl vm.nr_hugepages=256`",
            free_huge_mib(),
            huge_pages::MIB_MIN
        ))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Memory::Huge { free_mib } => write!(f, "huge pages, {free_mib} MiB free at the start"),
            Memory::Ordinary { mib } => write!(f, "{mib} MiB of ordinary pages"),
        }
    }
}

fn free_huge_mib() -> u32 {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else { return 0 };
    let free = |size: fs::DirEntry| -> Option<u32> {
        let name = size.file_name().into_string().ok()?;
        let kib: u32 = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let pages = fs::read_to_string(size.path().join("free_hugepages")).ok()?;
        Some(pages.trim().parse::<u32>().ok()?.saturating_mul(kib / 1024))
    };
    sizes.flatten().filter_map(free).fold(0, u32::saturating_add)
}

/// DPDK, started. Of one thread: the one that polls. It ends with the last port.
pub struct Eal {
    memory: Memory,
    /// What the profile has it told besides what we tell it.
    args: Vec<String>,
    /// Whether it looks for devices of the bus: it does where one of the first was one.
    has_pci: bool,
    /// The devices whose ports somebody has: DPDK would give each out twice.
    in_use: RefCell<Vec<String>>,
    /// What it said when it looked for the last device, where that is kept.
    said: RefCell<String>,
    of_one_thread: PhantomData<*const ()>,
}

/// Set once DPDK was started. It cannot be started twice, not even after its end.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Pools that were left to the end of the process, because frames of theirs are still about.
static POOLS_LEFT: AtomicU32 = AtomicU32::new(0);

impl Eal {
    /// Starts DPDK for its first devices, with `args` of the profile's behind ours. What the calling thread may run on is
    /// as before afterwards; DPDK's own threads are kept off the core that polls, which is `core` as the profile has it, where
    /// there is another.
    ///
    /// # Errors
    /// [`DpdkError::StartedBefore`]; [`DpdkError::Conflict`] of `args` with what we tell it; [`DpdkError::NotStarted`] with
    /// DPDK's reason.
    pub fn start(
        devices: &[&DeviceSpec],
        memory: Memory,
        args: &[String],
        core: Core,
    ) -> Result<Rc<Eal>, DpdkError> {
        refuse_conflicts(memory, args)?;
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(DpdkError::StartedBefore);
        }
        // DPDK keeps pointers into its arguments: they live as long as the process.
        let raw: Vec<*mut c_char> = arguments(devices, memory, args, main_core(core))
            .into_iter()
            .filter_map(|arg| CString::new(arg).ok())
            .map(CString::into_raw)
            .collect();
        let raw: &'static mut [*mut c_char] = raw.leak();
        let cores = sys::affinity();
        let ((answer, errno), said) = words::during(|| {
            let _usage = words::usage_aside();
            // SAFETY: `raw` are so many C strings that live for ever; DPDK was not started before.
            let answer = unsafe { ffi::rte_eal_init(raw.len() as c_int, raw.as_mut_ptr()) };
            (answer, errno())
        });
        // It has pinned this thread to its own core; which core polls the profile says.
        if let Ok(cores) = cores {
            let _ = sys::set_affinity(&cores);
        }
        if answer < 0 {
            return Err(DpdkError::NotStarted {
                errno,
                remedy: remedy(errno, devices, memory, args, &said),
            });
        }
        let (args, has_pci) = (args.to_vec(), has_pci(devices));
        let (in_use, said) = (RefCell::default(), RefCell::new(said));
        Ok(Rc::new(Eal { memory, args, has_pci, in_use, said, of_one_thread: PhantomData }))
    }

    /// Has DPDK, which runs, look for one more device.
    ///
    /// # Errors
    /// [`DpdkError::NoBus`], [`DpdkError::OtherArgs`]; [`DpdkError::NotAdded`] with DPDK's reason.
    pub(super) fn add(&self, device: &DeviceSpec, args: &[String]) -> Result<(), DpdkError> {
        if has_pci(&[device]) && !self.has_pci {
            return Err(DpdkError::NoBus { device: device.name().to_owned() });
        }
        if !args.is_empty() && args != self.args {
            return Err(DpdkError::OtherArgs {
                device: device.name().to_owned(),
                args: self.args.join(" "),
            });
        }
        let not_added = |errno| DpdkError::NotAdded {
            device: device.name().to_owned(),
            errno,
            remedy: lacked(errno, &[device])
                .unwrap_or_else(|| "what it said of it stands above".to_owned()),
        };
        if self.in_use.borrow().iter().any(|known| known == device.name()) {
            return Err(not_added(Errno::of(libc::EEXIST)));
        }
        let bus = if device.is_pci() { c"pci" } else { c"vdev" };
        let name = CString::new(device.name()).unwrap_or_default();
        let driver_args = CString::new(device.args()).unwrap_or_default();
        // SAFETY: they are C strings, of which DPDK makes copies of its own.
        let add = || unsafe {
            ffi::rte_eal_hotplug_add(bus.as_ptr(), name.as_ptr(), driver_args.as_ptr())
        };
        let (answer, said) = words::during(add);
        self.said.replace(said);
        if answer == 0 { Ok(()) } else { Err(not_added(Errno::of(answer))) }
    }

    /// A device's port is somebody's from here on; false if it is already.
    pub(super) fn take(&self, name: &str) -> bool {
        let mut in_use = self.in_use.borrow_mut();
        let is_free = !in_use.iter().any(|known| known == name);
        if is_free {
            in_use.push(name.to_owned());
        }
        is_free
    }

    /// A device's port is closed, and nobody's any more. A virtual device goes with it, so that its name can be used again.
    pub(super) fn give_back(&self, name: &str, is_virtual: bool) {
        self.in_use.borrow_mut().retain(|known| known != name);
        if !is_virtual {
            return;
        }
        let Ok(name) = CString::new(name) else { return };
        // SAFETY: they are C strings. What is on no such bus, or is gone, is refused, and that is all.
        unsafe { ffi::rte_eal_hotplug_remove(c"vdev".as_ptr(), name.as_ptr()) };
    }

    /// Of the arguments that the profile has it told, the one of this name, as it is written.
    pub(super) fn argument(&self, name: &str) -> Option<&str> {
        let of_name = |arg: &&str| arg.split_once('=').is_some_and(|(known, _)| known == name);
        self.args.iter().map(String::as_str).rev().find(of_name)
    }

    /// What DPDK said when it looked for the last device.
    pub(super) fn said(&self) -> String {
        self.said.borrow().clone()
    }

    /// Which memory frames lie in.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// A pool is never freed, because frames of its are still about.
    pub(super) fn leave_pool() {
        POOLS_LEFT.fetch_add(1, Ordering::AcqRel);
    }
}

fn has_pci(devices: &[&DeviceSpec]) -> bool {
    devices.iter().flat_map(|device| device.end_devices()).any(|device| device.is_pci())
}

/// The core that DPDK takes for its own: the one that is polled on. Its other threads run on those that are left of what this
/// process may use (eal_common_options.c, `compute_ctrl_threads_cpuset`).
fn main_core(core: Core) -> u16 {
    core::to_poll(core).or_else(|| allowed_cores().first().copied()).unwrap_or(0)
}

/// The command line that DPDK is started by.
fn arguments(devices: &[&DeviceSpec], memory: Memory, args: &[String], core: u16) -> Vec<String> {
    // It numbers no more of them than it was built for.
    let cores = if u32::from(core) < ffi::RTE_MAX_LCORE {
        ["-l".to_owned(), core.to_string()]
    } else {
        ["--lcores".to_owned(), format!("0@{core}")]
    };
    let mut all = vec!["fixwire".to_owned()];
    all.extend(cores);
    all.extend(["--no-telemetry", "--log-level=*:error"].map(str::to_owned));
    // Nothing of it is shared with another process, nor left in the file system.
    all.extend(match memory {
        Memory::Huge { .. } => vec!["--in-memory".to_owned()],
        Memory::Ordinary { mib } => {
            ["--no-shconf", "--no-huge", "-m", &mib.to_string()].map(str::to_owned).to_vec()
        }
    });
    if !has_pci(devices) {
        all.push("--no-pci".to_owned());
    }
    all.extend(devices.iter().flat_map(|device| device.eal_args()));
    all.extend_from_slice(args);
    all
}

/// Arguments that DPDK takes in one kind of memory alone: which, whether of huge pages, and why.
const OF_ONE_MEMORY: [(&str, bool, &str); 3] = [
    ("--socket-mem", true, "it is of huge pages, where we ask by -m for ordinary ones"),
    (
        "--match-allocations",
        true,
        "it is of huge pages, where we ask by --no-huge for ordinary ones",
    ),
    ("--legacy-mem", false, "we have huge pages left unnamed by --in-memory, which it excludes"),
];

/// Refuses arguments of the profile's that DPDK does not take beside ours.
fn refuse_conflicts(memory: Memory, args: &[String]) -> Result<(), DpdkError> {
    let is_huge = matches!(memory, Memory::Huge { .. });
    let conflict = args.iter().find_map(|arg| {
        let name = arg.split_once('=').map_or(arg.as_str(), |(name, _)| name);
        let known =
            OF_ONE_MEMORY.iter().find(|(known, of_huge, _)| *known == name && *of_huge != is_huge);
        known.map(|(_, _, why)| (arg.clone(), *why))
    });
    let Some((argument, why)) = conflict else { return Ok(()) };
    let or_else = memory.shortage().map(|why| format!(", or have huge pages: {why}"));
    Err(DpdkError::Conflict { argument, why, or_else: or_else.unwrap_or_default() })
}

fn remedy(
    errno: Errno,
    devices: &[&DeviceSpec],
    memory: Memory,
    args: &[String],
    said: &str,
) -> String {
    if let Some(no_driver) = lacked(errno, devices) {
        return no_driver;
    }
    let blamed = blamed(said, args.iter().map(String::as_str));
    if errno.number() == libc::EINVAL && !blamed.is_empty() {
        return format!(
            "correct or delete `{}` in `eal` under [device] of the profile: what DPDK said of it stands above",
            blamed.join("`, `")
        );
    }
    let remedy = match (errno.number(), memory) {
        (libc::EINVAL, _) if !args.is_empty() => {
            "look whether this DPDK takes what `eal` under [device] says"
        }
        (libc::EACCES, Memory::Huge { .. }) => {
            "what it says above may be of huge pages, which were free a moment ago, or of the device: run it as root, \
             or give this user the device (`chown` its /dev/vfio group)"
        }
        (libc::EACCES | libc::EPERM, _) => {
            "run it as root, or give this user the device (`chown` its /dev/vfio group)"
        }
        (libc::ENOMEM, Memory::Huge { .. }) => {
            "reserve more huge pages: `sysctl vm.nr_hugepages=256`"
        }
        (libc::ENODEV, _) => "look whether the device is there and its driver is installed",
        _ => "what DPDK said of it stands above",
    };
    remedy.to_owned()
}

/// The driver that DPDK has not, where it knows a device by no name of its drivers'.
fn lacked(errno: Errno, devices: &[&DeviceSpec]) -> Option<String> {
    if errno.number() != libc::ENODEV {
        return None;
    }
    no_driver(devices, &linked_drivers(), &version())
}

impl Drop for Eal {
    fn drop(&mut self) {
        // Memory that frames lie in must stay where they are still about.
        if POOLS_LEFT.load(Ordering::Acquire) == 0 {
            // SAFETY: DPDK was started by `start`, and the last port is gone: each holds this.
            unsafe { ffi::rte_eal_cleanup() };
        }
    }
}

impl fmt::Debug for Eal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eal({})", self.memory)
    }
}

/// The drivers that are linked into this program, by DPDK's names, such as `net_mlx5`; none where DPDK is shared, and
/// loads them from its folder.
pub fn linked_drivers() -> Vec<&'static str> {
    ffi::LINKED_DRIVERS.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

/// The version of the DPDK that runs, such as 22.11.11.
pub fn version() -> String {
    // SAFETY: it takes nothing.
    let raw = unsafe { ffi::rte_version() };
    // SAFETY: it is a C string that lives for ever.
    let whole = unsafe { CStr::from_ptr(raw) }.to_string_lossy();
    whole.trim_start_matches("DPDK ").to_owned()
}

/// Why the last call of this thread's failed that says so by a null pointer or a minus one.
pub(super) fn errno() -> Errno {
    // SAFETY: it reads a variable of the calling thread's.
    Errno::of(unsafe { ffi::fixwire_dpdk_errno() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_is_looked_at_where_a_device_is_on_it_or_passes_frames_on_from_one_that_is() {
        for (device, told) in [
            ("net_ring0", &["--no-pci", "--vdev=net_ring0"][..]),
            ("3b:00.0", &["-a", "0000:3b:00.0"]),
            ("net_failsafe0,dev(net_ring1)", &["--no-pci", "--vdev=net_failsafe0,dev(net_ring1)"]),
            (
                "net_failsafe0,dev(net_ring1),dev(3b:00.0,mprq_en=0)",
                &[
                    "-a",
                    "0000:3b:00.0,mprq_en=0",
                    "--vdev=net_failsafe0,dev(net_ring1),dev(3b:00.0,mprq_en=0)",
                ],
            ),
        ] {
            let spec = DeviceSpec::parse(device).unwrap();
            let told_by = arguments(&[&spec], Memory::Huge { free_mib: 512 }, &[], 0);
            assert!(
                told_by.ends_with(&told.iter().map(ToString::to_string).collect::<Vec<_>>()),
                "{told_by:?}"
            );
            assert_eq!(
                told_by.iter().any(|arg| arg == "--no-pci"),
                told[0] == "--no-pci",
                "{told_by:?}"
            );
        }
    }

    #[test]
    fn what_the_profile_asks_of_memory_that_we_do_not_use_is_refused_before_dpdk_is_started() {
        let (ordinary, huge) = (Memory::Ordinary { mib: 256 }, Memory::Huge { free_mib: 512 });
        for (arg, memory, words) in [
            ("--socket-mem=64", ordinary, Some("has `--socket-mem=64`, and it is of huge pages")),
            (
                "--socket-mem=64",
                ordinary,
                Some("we ask by -m for ordinary ones; delete it, or have huge pages: "),
            ),
            ("--socket-mem=64", huge, None),
            ("--match-allocations", ordinary, Some("`--match-allocations`")),
            ("--match-allocations", huge, None),
            (
                "--legacy-mem",
                huge,
                Some("left unnamed by --in-memory, which it excludes; delete it"),
            ),
            ("--legacy-mem", ordinary, None),
            ("--no-hpet", ordinary, None),
        ] {
            let args = ["--no-hpet".to_owned(), arg.to_owned()];
            let said = refuse_conflicts(memory, &args).err().map(|error| error.to_string());
            assert_eq!(said.is_some(), words.is_some(), "{arg}, {memory}: {said:?}");
            assert!(
                said.clone().unwrap_or_default().contains(words.unwrap_or_default()),
                "{said:?}"
            );
        }
    }
}
