//! A device of rdma-core's, opened beside whoever else has it open (verbs.h, mlx5dv.h).
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

use mlx5dv_sys as ffi;

use crate::mlx5::KernelClock;

/// Why the verbs tell nothing of a device's clock, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerbsError {
    /// There is no such device among them.
    #[error(
        "rdma-core has no device at {address}{listed}: `modprobe -a mlx5_ib ib_uverbs`, with rdma-core installed"
    )]
    NoDevice {
        /// What was asked for.
        address: String,
        /// Why there is no list to look into, where there is none.
        listed: String,
    },
    /// Another vendor's.
    #[error("the device at {address} is not mlx5's")]
    NotMlx5 {
        /// Its address.
        address: String,
    },
    /// A call that the library or the kernel refuses.
    #[error("{call}: {source}")]
    Refused {
        /// What was called.
        call: &'static str,
        /// The answer.
        source: io::Error,
    },
}

/// What a device's verbs tell of its clock.
pub(super) trait Told {
    /// The free-running counter now: two words of a page of the device's, read in this process.
    fn raw_clock(&self) -> Result<u64, VerbsError>;

    /// The kernel's clock over that counter, as of its last look.
    fn kernel_clock(&self) -> Result<KernelClock, VerbsError>;

    /// How long the kernel goes without a look at the counter at most; `None` where it shares no clock.
    fn kernel_looks_within_ns(&self) -> Option<u64>;

    /// The counter's rate as the device declares it.
    fn core_clock_ticks_per_s(&self) -> Option<u64>;
}

/// A device that is open. Its clock's pages are mapped until it is dropped.
pub(super) struct Verbs {
    context: NonNull<ffi::ibv_context>,
}

// SAFETY: a context is bound to no thread, and whoever has this has it alone.
unsafe impl Send for Verbs {}

impl Verbs {
    /// Opens the device at a PCI address such as `0000:3b:00.0`.
    pub(super) fn open(address: &str) -> Result<Verbs, VerbsError> {
        let no_device =
            |listed: String| VerbsError::NoDevice { address: address.to_owned(), listed };
        let devices = Devices::list().map_err(|error| no_device(format!(" ({error})")))?;
        let device = devices.at(address).ok_or_else(|| no_device(String::new()))?;
        // SAFETY: the device is of a list that is not freed yet.
        if !unsafe { ffi::mlx5dv_is_supported(device.as_ptr()) } {
            return Err(VerbsError::NotMlx5 { address: address.to_owned() });
        }
        // SAFETY: the same; what it opens outlives the list.
        let context = NonNull::new(unsafe { ffi::ibv_open_device(device.as_ptr()) });
        let refused = || refused("ibv_open_device", io::Error::last_os_error());
        Ok(Verbs { context: context.ok_or_else(refused)? })
    }
}

impl Told for Verbs {
    fn raw_clock(&self) -> Result<u64, VerbsError> {
        let mask = ffi::ibv_values_mask::IBV_VALUES_MASK_RAW_CLOCK;
        let mut values = ffi::ibv_values_ex { comp_mask: mask, ..Default::default() };
        // SAFETY: the context is open, and `values` is a whole one to write to.
        let answer = unsafe { ffi::ibv_query_rt_values_ex(self.context.as_ptr(), &raw mut values) };
        done("ibv_query_rt_values_ex", answer)?;
        if values.comp_mask & mask == 0 {
            let source = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
            return Err(refused("ibv_query_rt_values_ex", source));
        }
        // All of the counter stands where a timespec has its nanoseconds, as mlx5 does it.
        Ok(values.raw_clock.tv_nsec.cast_unsigned())
    }

    fn kernel_clock(&self) -> Result<KernelClock, VerbsError> {
        let mut info = ffi::mlx5dv_clock_info::default();
        // SAFETY: the context is open, and `info` is a whole one to write to.
        let answer = unsafe { ffi::mlx5dv_get_clock_info(self.context.as_ptr(), &raw mut info) };
        done("mlx5dv_get_clock_info", answer)?;
        Ok(of_rdma_core(&info))
    }

    fn kernel_looks_within_ns(&self) -> Option<u64> {
        let mask = u64::from(ffi::mlx5dv_context_comp_mask::MLX5DV_CONTEXT_MASK_CLOCK_INFO_UPDATE);
        let mut attributes = ffi::mlx5dv_context { comp_mask: mask, ..Default::default() };
        // SAFETY: the context is open, and `attributes` is a whole one to read and write.
        let answer =
            unsafe { ffi::mlx5dv_query_device(self.context.as_ptr(), &raw mut attributes) };
        let told = answer == 0 && attributes.comp_mask & mask != 0;
        told.then_some(attributes.max_clock_info_update_nsec).filter(|ns| *ns > 0)
    }

    fn core_clock_ticks_per_s(&self) -> Option<u64> {
        let mut attributes = ffi::ibv_device_attr_ex::default();
        // SAFETY: the context is open, `attributes` is a whole one to write to, and no input is an input.
        let answer = unsafe {
            ffi::ibv_query_device_ex(self.context.as_ptr(), std::ptr::null(), &raw mut attributes)
        };
        // In kHz; 0 of a device that does not say.
        let told = (answer == 0).then(|| attributes.hca_core_clock.checked_mul(1_000))?;
        told.filter(|rate| *rate > 0)
    }
}

impl Drop for Verbs {
    fn drop(&mut self) {
        // SAFETY: the context is open, and nobody has it any more.
        unsafe { ffi::ibv_close_device(self.context.as_ptr()) };
    }
}

impl fmt::Debug for Verbs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Verbs")
    }
}

/// Every device that rdma-core finds.
struct Devices {
    first: NonNull<*mut ffi::ibv_device>,
    len: usize,
}

impl Devices {
    fn list() -> io::Result<Devices> {
        let mut len: c_int = 0;
        // SAFETY: `len` is a number to write to.
        let first = unsafe { ffi::ibv_get_device_list(&raw mut len) };
        let first = NonNull::new(first).ok_or_else(io::Error::last_os_error)?;
        Ok(Devices { first, len: usize::try_from(len).unwrap_or(0) })
    }

    /// The one at a PCI address: where the kernel links its device to.
    fn at(&self, address: &str) -> Option<NonNull<ffi::ibv_device>> {
        (0..self.len).find_map(|number| {
            let place = self.first.as_ptr().wrapping_add(number);
            // SAFETY: the list has so many places, none of which is changed.
            let device = NonNull::new(unsafe { place.read() })?;
            // SAFETY: each is a whole device until the list is freed.
            let path = text(unsafe { &device.as_ref().ibdev_path });
            let found = fs::canonicalize(path.join("device")).ok()?;
            (found.file_name()? == address).then_some(device)
        })
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        // SAFETY: the list is whole, and no device of its is used any more that is not open.
        unsafe { ffi::ibv_free_device_list(self.first.as_ptr()) };
    }
}

/// A path in a C string with an end.
fn text(field: &[c_char]) -> PathBuf {
    let bytes: Vec<u8> = field.iter().map(|c| c.cast_unsigned()).collect();
    let text = CStr::from_bytes_until_nul(&bytes).unwrap_or_default();
    Path::new(text.to_string_lossy().as_ref()).to_owned()
}

fn refused(call: &'static str, source: io::Error) -> VerbsError {
    VerbsError::Refused { call, source }
}

fn of_rdma_core(info: &ffi::mlx5dv_clock_info) -> KernelClock {
    let ffi::mlx5dv_clock_info { nsec, last_cycles, frac, mult, shift, mask } = *info;
    KernelClock { ns: nsec, cycles: last_cycles, frac, mult, shift, mask }
}

/// These calls return the error number itself.
fn done(call: &'static str, answer: c_int) -> Result<(), VerbsError> {
    match answer {
        0 => Ok(()),
        errno => Err(refused(call, io::Error::from_raw_os_error(errno.abs()))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_kernel_s_words_are_taken_from_where_rdma_core_s_header_has_them() {
        // nsec, last_cycles, frac, mult and shift in one, mask (mlx5dv.h).
        let words: [u64; 5] = [1, 2, 3, 23 << 32 | 4, 5];
        // SAFETY: both are numbers of one size in all, of which every bit pattern is one.
        let info = unsafe { std::mem::transmute::<[u64; 5], ffi::mlx5dv_clock_info>(words) };
        let expected = KernelClock { ns: 1, cycles: 2, frac: 3, mult: 4, shift: 23, mask: 5 };
        assert_eq!(of_rdma_core(&info), expected);
    }

    proptest! {
        /// rdma-core's own conversion, as far as its 64 bits go.
        #[test]
        fn the_kernel_s_clock_is_converted_as_rdma_core_does(
            ns in 1u64 << 60..1 << 61,
            cycles in any::<u64>(),
            frac in 0u64..1 << 23,
            mult in 1u32 << 23..1 << 28,
            ticks in -(1i64 << 35)..1 << 35,
        ) {
            let mask = (1 << 41) - 1;
            let mut info =
                ffi::mlx5dv_clock_info { nsec: ns, last_cycles: cycles, frac, mult, shift: 23, mask };
            let clock = of_rdma_core(&info);
            let at = cycles.wrapping_add_signed(ticks);
            // SAFETY: it reads `info`.
            let expected = unsafe { ffi::mlx5dv_ts_to_ns(&raw mut info, at) };
            prop_assert_eq!(clock.ns_at(at), Some(expected));
        }
    }
}
