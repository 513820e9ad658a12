//! PTP hardware clocks, and what the kernel says of its own time (linux/ptp_clock.h, adjtimex(2), clock_gettime(2), linux/ethtool.h).
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{INTERFACE_NAME_ROOM, done, terminated};

/// What the host's clock said before, the device's, and the host's after, in ns.
pub(crate) type Bracket = [i128; 3];

const SAMPLES: usize = libc::PTP_MAX_SAMPLES as usize;

/// The device's clock between readings of CLOCK_REALTIME, each by the driver itself (PTP_SYS_OFFSET_EXTENDED).
pub(crate) fn brackets(clock: BorrowedFd<'_>) -> io::Result<[Bracket; SAMPLES]> {
    // SAFETY: the structure is made of numbers, of which zeros are some; a clockid of 0 is CLOCK_REALTIME.
    let mut asked: libc::ptp_sys_offset_extended = unsafe { zeroed() };
    asked.n_samples = libc::PTP_MAX_SAMPLES;
    let number = libc::PTP_SYS_OFFSET_EXTENDED;
    // SAFETY: the request reads and writes one `struct ptp_sys_offset_extended`, which `asked` is.
    done(unsafe { libc::ioctl(clock.as_raw_fd(), number, &raw mut asked) })?;
    Ok(asked.ts.map(|three| three.map(|time| ns_of(time.sec, time.nsec))))
}

/// The same, the kernel reading its clock about the driver's whole call (PTP_SYS_OFFSET): what every driver does.
pub(crate) fn brackets_of_calls(clock: BorrowedFd<'_>) -> io::Result<[Bracket; SAMPLES]> {
    // SAFETY: the structure is made of numbers, of which zeros are some.
    let mut asked: libc::ptp_sys_offset = unsafe { zeroed() };
    asked.n_samples = libc::PTP_MAX_SAMPLES;
    // SAFETY: the request reads and writes one `struct ptp_sys_offset`, which `asked` is.
    done(unsafe { libc::ioctl(clock.as_raw_fd(), libc::PTP_SYS_OFFSET, &raw mut asked) })?;
    // Host and device by turns, the host's last.
    let at = |at: usize| ns_of(asked.ts[at].sec, asked.ts[at].nsec);
    Ok(std::array::from_fn(|sample| [at(2 * sample), at(2 * sample + 1), at(2 * sample + 2)]))
}

/// The device's clock between two readings of CLOCK_MONOTONIC_RAW, which nobody slews or sets.
pub(crate) fn bracket_by_raw(clock: BorrowedFd<'_>) -> io::Result<Bracket> {
    // FD_TO_CLOCKID of clock_getres(2), "Dynamic clocks".
    let of_device = (!clock.as_raw_fd() << 3) | 3;
    Ok([now(libc::CLOCK_MONOTONIC_RAW)?, now(of_device)?, now(libc::CLOCK_MONOTONIC_RAW)?])
}

fn now(clock: libc::clockid_t) -> io::Result<i128> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes one `struct timespec`, which `time` is, whatever the clock's number.
    done(unsafe { libc::clock_gettime(clock, &raw mut time) })?;
    Ok(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec))
}

fn ns_of(s: i64, ns: u32) -> i128 {
    i128::from(s) * 1_000_000_000 + i128::from(ns)
}

/// What the kernel knows of its own time of day.
pub(crate) struct Adjusted {
    pub(crate) status: i32,
    pub(crate) error_max_us: i64,
    pub(crate) error_estimated_us: i64,
    pub(crate) tai_s: i32,
}

/// Asks, and sets nothing (adjtimex(2), modes 0).
pub(crate) fn adjusted() -> io::Result<Adjusted> {
    // SAFETY: the structure is made of numbers, of which zeros are some; modes of 0 set nothing.
    let mut time: libc::timex = unsafe { zeroed() };
    // SAFETY: the kernel reads and writes one `struct timex`, which `time` is.
    done(unsafe { libc::adjtimex(&raw mut time) })?;
    // They are longer or shorter by what the machine's C has for them.
    #[allow(clippy::useless_conversion)]
    Ok(Adjusted {
        status: time.status,
        error_max_us: time.maxerror.into(),
        error_estimated_us: time.esterror.into(),
        tai_s: time.tai,
    })
}

/// The kernel's `struct ethtool_ts_info`.
#[repr(C)]
struct StampInfo {
    command: u32,
    so_timestamping: u32,
    phc_index: i32,
    rest: [u32; 8],
}

const _: () = assert!(size_of::<StampInfo>() == 44);

/// The kernel's `struct ifreq` whose value is a pointer.
#[repr(C)]
struct StampInfoRequest {
    name: [u8; INTERFACE_NAME_ROOM],
    info: *mut StampInfo,
    rest: [u8; 24 - size_of::<*mut StampInfo>()],
}

const _: () = assert!(size_of::<StampInfoRequest>() >= size_of::<libc::ifreq>());

/// The number of the clock that an interface's hardware stamps by, less than 0 for none (ETHTOOL_GET_TS_INFO).
pub(crate) fn phc_index(socket: BorrowedFd<'_>, name: &str) -> io::Result<i32> {
    const ETHTOOL_GET_TS_INFO: u32 = 0x41;
    let mut info =
        StampInfo { command: ETHTOOL_GET_TS_INFO, so_timestamping: 0, phc_index: -1, rest: [0; 8] };
    let mut request =
        StampInfoRequest { name: terminated(name), info: &raw mut info, rest: [0; _] };
    let number = libc::SIOCETHTOOL as libc::Ioctl;
    // SAFETY: the request is as long as a `struct ifreq`; its pointer is to a whole `struct ethtool_ts_info`, which is what the
    // command in it makes the kernel read and write, and both live until the call returns.
    done(unsafe { libc::ioctl(socket.as_raw_fd(), number, &raw mut request) })?;
    Ok(info.phc_index)
}
