//! DPDK's environment: memory, devices and threads, set up once in a process (rte_eal.h).
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::fs;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use dpdk_sys as ffi;

use super::error::{DpdkError, Errno};
use super::spec::DeviceSpec;
use crate::core::allowed_cores;
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
/// What DPDK and the frames of one port need at least.
const HUGE_MIB_MIN: u32 = 64;

impl Memory {
    /// Huge pages where enough are free, ordinary ones otherwise.
    pub fn best() -> Memory {
        let free_mib = free_huge_mib();
        if free_mib >= HUGE_MIB_MIN {
            Memory::Huge { free_mib }
        } else {
            Memory::Ordinary { mib: ORDINARY_MIB }
        }
    }

    /// Why it is not huge pages, and what to do about it.
    pub fn shortage(self) -> Option<String> {
        let Memory::Ordinary { .. } = self else { return None };
        Some(format!(
            "{} MiB of huge pages are free, and it takes {HUGE_MIB_MIN}: `sysctl vm.nr_hugepages=256`",
            free_huge_mib()
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
    of_one_thread: PhantomData<*const ()>,
}

/// Set once DPDK was started. It cannot be started twice, not even after its end.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Pools that were left to the end of the process, because frames of theirs are still about.
static POOLS_LEFT: AtomicU32 = AtomicU32::new(0);

impl Eal {
    /// Starts DPDK for one device. What the calling thread may run on is as before afterwards.
    ///
    /// # Errors
    /// [`DpdkError::StartedBefore`]; [`DpdkError::NotStarted`] with DPDK's reason.
    pub fn start(device: &DeviceSpec, memory: Memory) -> Result<Rc<Eal>, DpdkError> {
        if STARTED.swap(true, Ordering::AcqRel) {
            return Err(DpdkError::StartedBefore);
        }
        let core = allowed_cores().first().copied().unwrap_or(0);
        let mut args = vec!["fixwire".to_owned(), "-l".to_owned(), core.to_string()];
        args.extend(["--no-telemetry", "--log-level=*:error"].map(str::to_owned));
        // Nothing of it is shared with another process, nor left in the file system.
        args.extend(match memory {
            Memory::Huge { .. } => vec!["--in-memory".to_owned()],
            Memory::Ordinary { mib } => {
                ["--no-shconf", "--no-huge", "-m", &mib.to_string()].map(str::to_owned).to_vec()
            }
        });
        if !device.is_pci() {
            args.push("--no-pci".to_owned());
        }
        args.extend(device.eal_args());
        // DPDK keeps pointers into its arguments: they live as long as the process.
        let args: Vec<*mut c_char> = args
            .into_iter()
            .filter_map(|arg| CString::new(arg).ok())
            .map(CString::into_raw)
            .collect();
        let args: &'static mut [*mut c_char] = args.leak();
        let cores = sys::affinity();
        // SAFETY: `args` are so many C strings that live for ever; DPDK was not started before.
        let answer = unsafe { ffi::rte_eal_init(args.len() as c_int, args.as_mut_ptr()) };
        let errno = errno();
        // It has pinned this thread to its own core; which core polls the profile says.
        if let Ok(cores) = cores {
            let _ = sys::set_affinity(&cores);
        }
        if answer < 0 {
            return Err(DpdkError::NotStarted { errno, remedy: remedy(errno, memory) });
        }
        Ok(Rc::new(Eal { memory, of_one_thread: PhantomData }))
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

fn remedy(errno: Errno, memory: Memory) -> &'static str {
    match (errno.number(), memory) {
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
    }
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
