//! A fence: every call into the kernel and every instruction that Rust cannot check, behind a
//! function that is safe whatever it is given. The others are named in CONTRIBUTING.md.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};

use libc::{c_int, c_uint};

use crate::mlx5::Registers;

pub(crate) mod packet;
pub(crate) mod ptp;

/// The longest interface name, with its terminating zero (`IFNAMSIZ`).
pub(crate) const INTERFACE_NAME_ROOM: usize = libc::IFNAMSIZ;

/// The kernel's `struct ifreq`: an interface's name, and one value whose shape is the request's.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(crate) struct InterfaceRequest {
    name: [u8; INTERFACE_NAME_ROOM],
    pub(crate) value: [u8; 24],
}

// The kernel reads and writes a whole `struct ifreq`, so ours must not be the shorter.
const _: () = assert!(size_of::<InterfaceRequest>() >= size_of::<libc::ifreq>());

impl InterfaceRequest {
    /// A request about the interface called `name`, whose end is cut off to leave room for the
    /// terminating zero.
    pub(crate) fn about(name: &str) -> InterfaceRequest {
        InterfaceRequest { name: terminated(name), value: [0; 24] }
    }

    /// The same with the front of its value set.
    pub(crate) fn with(mut self, front: &[u8]) -> InterfaceRequest {
        let len = front.len().min(self.value.len());
        self.value[..len].copy_from_slice(&front[..len]);
        self
    }
}

fn terminated(name: &str) -> [u8; INTERFACE_NAME_ROOM] {
    let mut room = [0; INTERFACE_NAME_ROOM];
    let len = name.len().min(INTERFACE_NAME_ROOM - 1);
    room[..len].copy_from_slice(&name.as_bytes()[..len]);
    room
}

/// What can be asked of an interface by a plain `struct ifreq`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Flags,
    SetFlags,
    Address,
    SetAddress,
    Netmask,
    SetNetmask,
    Mtu,
    HardwareAddress,
    Index,
    AddBridge,
    AddBridgePort,
}

/// `SIOCBRADDBR` and `SIOCBRADDIF` of linux/sockios.h, which the libc crate lacks.
const ADD_BRIDGE: libc::c_ulong = 0x89a0;
const ADD_BRIDGE_PORT: libc::c_ulong = 0x89a2;

/// A socket to ask about interfaces through. It carries no data.
pub(crate) fn control_socket() -> io::Result<OwnedFd> {
    // SAFETY: socket(2) takes three numbers and touches no memory of ours.
    let fd = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    done(fd)?;
    // SAFETY: the call above succeeded, so `fd` is open and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Asks about or sets one thing of an interface; the answer is in the request's value.
pub(crate) fn ask(
    socket: BorrowedFd<'_>,
    what: Ask,
    request: &mut InterfaceRequest,
) -> io::Result<()> {
    let number = match what {
        Ask::Flags => libc::SIOCGIFFLAGS,
        Ask::SetFlags => libc::SIOCSIFFLAGS,
        Ask::Address => libc::SIOCGIFADDR,
        Ask::SetAddress => libc::SIOCSIFADDR,
        Ask::Netmask => libc::SIOCGIFNETMASK,
        Ask::SetNetmask => libc::SIOCSIFNETMASK,
        Ask::Mtu => libc::SIOCGIFMTU,
        Ask::HardwareAddress => libc::SIOCGIFHWADDR,
        Ask::Index => libc::SIOCGIFINDEX,
        Ask::AddBridge => ADD_BRIDGE,
        Ask::AddBridgePort => ADD_BRIDGE_PORT,
    };
    let request: *mut InterfaceRequest = request;
    // SAFETY: every request listed reads and writes at most one `struct ifreq`, or of a bridge to be
    // added the name at its front, which `InterfaceRequest` is as long as (asserted above), and
    // `request` is valid for both.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), number as libc::Ioctl, request) })
}

/// Which driver an interface has, and what that driver says it sits on.
pub(crate) struct Driver {
    pub(crate) name: String,
    pub(crate) bus: String,
}

/// The kernel's `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware_version: [u8; 32],
    bus_info: [u8; 32],
    rom_version: [u8; 32],
    reserved: [u8; 12],
    counts: [u32; 5],
}

const _: () = assert!(size_of::<DriverInfo>() == 196);

/// The kernel's `struct ifreq` whose value is a pointer.
#[repr(C)]
struct DriverRequest {
    name: [u8; INTERFACE_NAME_ROOM],
    info: *mut DriverInfo,
    rest: [u8; 24 - size_of::<*mut DriverInfo>()],
}

const _: () = assert!(size_of::<DriverRequest>() >= size_of::<libc::ifreq>());

/// The driver of the interface called `name` (ETHTOOL_GDRVINFO).
pub(crate) fn driver(socket: BorrowedFd<'_>, name: &str) -> io::Result<Driver> {
    const ETHTOOL_GDRVINFO: u32 = 3;
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        version: [0; 32],
        firmware_version: [0; 32],
        bus_info: [0; 32],
        rom_version: [0; 32],
        reserved: [0; 12],
        counts: [0; 5],
    };
    let mut request = DriverRequest { name: terminated(name), info: &raw mut info, rest: [0; _] };
    let number = libc::SIOCETHTOOL as libc::Ioctl;
    // SAFETY: the request is as long as a `struct ifreq`; its pointer is to a whole `struct
    // ethtool_drvinfo`, which is what the command in it makes the kernel read and write, and both
    // live until the call returns.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw mut request) })?;
    Ok(Driver { name: text(&info.driver), bus: text(&info.bus_info) })
}

fn text(field: &[u8]) -> String {
    let len = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..len]).into_owned()
}

/// Makes an open `/dev/net/tun` the interface that the request names (TUNSETIFF).
pub(crate) fn tun_set_interface(tun: &File, request: &mut InterfaceRequest) -> io::Result<()> {
    let request: *mut InterfaceRequest = request;
    // SAFETY: TUNSETIFF reads and writes one `struct ifreq`, which `InterfaceRequest` is as long
    // as, and `request` is valid for both.
    done(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETIFF, request) })
}

/// How many bytes of virtio-net header stand before each frame (TUNSETVNETHDRSZ).
pub(crate) fn tun_set_header_len(tun: &File, len: c_int) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one int, which `len` is, and writes nothing.
    done(unsafe { libc::ioctl(tun.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const len) })
}

/// What the kernel may leave to the reader of a TAP (TUNSETOFFLOAD; bits `TUN_F_*`).
pub(crate) fn tun_set_offload(tun: &File, features: c_uint) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value and touches no memory of ours.
    done(unsafe {
        libc::ioctl(tun.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(features))
    })
}

/// Waits until one of `sockets` can be read, or has failed, for so many milliseconds at most (poll(2)).
pub(crate) fn wait_readable<const N: usize>(
    sockets: [BorrowedFd<'_>; N],
    timeout_ms: u16,
) -> io::Result<()> {
    let mut polled = sockets.map(|socket| libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the kernel reads and writes `N` of them, which is how many there are, during the call.
    done(unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, timeout_ms.into()) })
}

/// The monotonic clock, in ns since the machine began: the same in every process
/// (CLOCK_MONOTONIC, clock_gettime(2)).
pub(crate) fn monotonic_ns() -> io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `struct timespec`, which `time` is.
    done(unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) })?;
    let ns = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(ns).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// Moves the process into new namespaces (unshare(2); flags `CLONE_NEW*`).
pub(crate) fn unshare(flags: c_int) -> io::Result<()> {
    // Only namespaces: other bits part the calling thread from its process's files or memory.
    let flags = flags & (libc::CLONE_NEWUSER | libc::CLONE_NEWNET);
    // SAFETY: unshare(2) takes a number, touches no memory of ours, and with these flags leaves
    // file descriptors and address space shared as they were.
    done(unsafe { libc::unshare(flags) })
}

/// The effective user and group of the process.
pub(crate) fn effective_ids() -> (u32, u32) {
    // SAFETY: geteuid(2) takes nothing, touches nothing and cannot fail.
    let user = unsafe { libc::geteuid() };
    // SAFETY: getegid(2) takes nothing, touches nothing and cannot fail.
    let group = unsafe { libc::getegid() };
    (user, group)
}

/// A file in memory that has no name and goes with its last handle (memfd_create(2)).
#[cfg(feature = "dpdk")]
pub(crate) fn memory_file() -> io::Result<File> {
    // SAFETY: the name is a C string, of which the kernel makes a copy.
    let answer = unsafe { libc::memfd_create(c"fixwire".as_ptr(), libc::MFD_CLOEXEC) };
    done(answer)?;
    // SAFETY: the kernel just gave this file descriptor to us, and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(answer) }))
}

/// What every program writes to.
#[cfg(feature = "dpdk")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standard {
    Output = libc::STDOUT_FILENO as isize,
    Error = libc::STDERR_FILENO as isize,
}

/// One of them that is written elsewhere, until this is dropped.
#[cfg(feature = "dpdk")]
#[derive(Debug)]
pub(crate) struct Diverted {
    which: Standard,
    before: OwnedFd,
}

/// Has all that the process writes to `which` go to `to`, C's buffers included.
#[cfg(feature = "dpdk")]
pub(crate) fn divert(which: Standard, to: BorrowedFd<'_>) -> io::Result<Diverted> {
    flush_c();
    // SAFETY: it takes a number, whether or not that is open, and touches no memory of ours.
    let before = unsafe { libc::fcntl(which as c_int, libc::F_DUPFD_CLOEXEC, 3) };
    done(before)?;
    // SAFETY: the kernel just gave this file descriptor to us, and nobody else has it.
    let before = unsafe { OwnedFd::from_raw_fd(before) };
    // SAFETY: `to` is open, and nobody owns the numbers of the standard streams: they may be made another file.
    done(unsafe { libc::dup2(to.as_raw_fd(), which as c_int) })?;
    Ok(Diverted { which, before })
}

#[cfg(feature = "dpdk")]
fn flush_c() {
    // SAFETY: with a null pointer it writes what C's own streams hold back, and touches nothing of ours.
    unsafe { libc::fflush(ptr::null_mut()) };
}

#[cfg(feature = "dpdk")]
impl Drop for Diverted {
    fn drop(&mut self) {
        flush_c();
        // SAFETY: `before` is open, and the number is of a standard stream, as in `divert`.
        let _ = unsafe { libc::dup2(self.before.as_raw_fd(), self.which as c_int) };
    }
}

/// Which cores the calling thread may run on: bit *n* of word *n* / 64 is core *n*.
pub(crate) fn affinity() -> io::Result<Vec<u64>> {
    // The kernel refuses a mask shorter than its own, and does not say how long that is.
    const WORDS_MAX: usize = 1024;
    let mut mask = vec![0u64; 16];
    loop {
        let len = size_of_val(mask.as_slice());
        let words: *mut u64 = mask.as_mut_ptr();
        // SAFETY: the kernel writes at most `len` bytes, and `words` points at that many.
        let answer = done(unsafe { libc::sched_getaffinity(0, len, words.cast()) });
        match answer {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && mask.len() < WORDS_MAX => {
                mask.resize(mask.len() * 2, 0);
            }
            other => return other.map(|()| mask),
        }
    }
}

/// Keeps the calling thread on the cores of `mask`, laid out as in [`affinity`].
pub(crate) fn set_affinity(mask: &[u64]) -> io::Result<()> {
    // SAFETY: the kernel reads `size_of_val(mask)` bytes, which is what `mask` points at.
    done(unsafe { libc::sched_setaffinity(0, size_of_val(mask), mask.as_ptr().cast()) })
}

/// Has the kernel find pages for `len` bytes of our memory at `at` now (Linux 5.14).
pub(crate) fn populate(at: usize, len: usize) -> io::Result<()> {
    advise(at, len, libc::MADV_POPULATE_WRITE)
}

/// Has the kernel put `len` bytes of our memory at `at` into large pages now (Linux 6.1).
pub(crate) fn collapse(at: usize, len: usize) -> io::Result<()> {
    advise(at, len, libc::MADV_COLLAPSE)
}

fn advise(at: usize, len: usize, advice: c_int) -> io::Result<()> {
    // SAFETY: both of the advices above, which are all that there are, leave every byte as it is, wherever they point to: to memory
    // that somebody uses, whoever that is, or to none, of which they say so.
    done(unsafe { libc::madvise(ptr::without_provenance_mut(at), len, advice) })
}

/// A ConnectX's registers, mapped to be read for as long as this lives.
#[derive(Debug)]
pub(crate) struct MappedRegisters {
    at: NonNull<Registers>,
}

/// Maps the front of BAR 0, which `bar` is sysfs's file of (`resource0`).
pub(crate) fn map_registers(bar: &File) -> io::Result<MappedRegisters> {
    let len = size_of::<Registers>();
    // Touching a page past a file's end kills the process.
    if bar.metadata()?.len() < len as u64 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // SAFETY: without a fixed address the kernel finds `len` bytes that nobody uses, and the file is open.
    let at = unsafe {
        let any = ptr::null_mut();
        libc::mmap(any, len, libc::PROT_READ, libc::MAP_SHARED, bar.as_raw_fd(), 0)
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // A mapping begins with a page, so that it is aligned for any word.
    let at = NonNull::new(at.cast()).filter(|at: &NonNull<Registers>| at.is_aligned());
    at.map(|at| MappedRegisters { at }).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Deref for MappedRegisters {
    type Target = Registers;

    fn deref(&self) -> &Registers {
        // SAFETY: `size_of::<Registers>()` bytes are mapped readable at `at`, which was seen to be aligned,
        // until `self` is dropped. `Registers` is made of read-only cells of u32 alone, so that every bit
        // pattern is one, nothing is written, and that the device changes them is what a cell allows for.
        unsafe { self.at.as_ref() }
    }
}

impl Drop for MappedRegisters {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and this long, and with `self` the last reference into it is gone.
        unsafe { libc::munmap(self.at.as_ptr().cast(), size_of::<Registers>()) };
    }
}

// SAFETY: a mapping belongs to the process; whichever thread has it may read it and give it back.
unsafe impl Send for MappedRegisters {}

/// What the processor says of itself in a leaf of CPUID: EAX, EBX, ECX, EDX.
#[cfg(target_arch = "x86_64")]
pub(crate) fn cpuid(leaf: u32) -> [u32; 4] {
    // Newer compilers know that it is safe.
    #[allow(unused_unsafe)]
    // SAFETY: every processor of this architecture has CPUID, which answers any leaf with something
    // and touches no memory.
    let answer = unsafe { std::arch::x86_64::__cpuid(leaf) };
    [answer.eax, answer.ebx, answer.ecx, answer.edx]
}

/// The time-stamp counter when everything before in the program has been done.
///
/// RDTSC alone may be done before what stands before it. Behind an LFENCE it is not: Intel SDM Vol.
/// 2B, RDTSC; AMD APM Vol. 3, LFENCE, where that is dispatch-serializing: by itself (CPUID 0x8000_0021,
/// EAX bit 2), or because the kernel made it so, as Linux does since 4.15.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn tsc() -> u64 {
    // SAFETY: LFENCE is of SSE2, which every processor of this architecture has; it only waits.
    unsafe { std::arch::x86_64::_mm_lfence() };
    // SAFETY: RDTSC is of every processor of this architecture and touches no memory.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// The same before anything behind it in the program is begun: an LFENCE behind RDTSC sees to that
/// (Intel SDM Vol. 2B, RDTSC).
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn tsc_first() -> u64 {
    // SAFETY: as above.
    let ticks = unsafe { std::arch::x86_64::_rdtsc() };
    // SAFETY: as above.
    unsafe { std::arch::x86_64::_mm_lfence() };
    ticks
}

/// Of other processors nothing is known, so that no [`Tsc`](crate::tsc::Tsc) is found on them.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn cpuid(_leaf: u32) -> [u32; 4] {
    [0; 4]
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn tsc() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn tsc_first() -> u64 {
    0
}

fn done(answer: c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn loopback_answers_every_question_that_reads() {
        let socket = control_socket().unwrap();
        for (what, expected) in [
            (Ask::Flags, None),
            (Ask::Mtu, None),
            (Ask::HardwareAddress, Some(libc::ARPHRD_LOOPBACK)),
        ] {
            let mut request = InterfaceRequest::about("lo");
            ask(socket.as_fd(), what, &mut request).unwrap();
            if let Some(expected) = expected {
                assert_eq!(u16::from_ne_bytes([request.value[0], request.value[1]]), expected);
            }
        }
    }

    #[test]
    fn an_interface_that_is_not_there_is_no_such_device() {
        let socket = control_socket().unwrap();
        let mut request = InterfaceRequest::about("fixwire-none");
        let error = ask(socket.as_fd(), Ask::Flags, &mut request).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        assert!(driver(socket.as_fd(), "fixwire-none").is_err());
    }

    #[test]
    fn a_name_over_the_room_is_cut_and_terminated() {
        let request = InterfaceRequest::about("a-name-far-over-the-room");
        assert_eq!(&request.name, b"a-name-far-over\0");
    }
}
