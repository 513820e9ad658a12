//! The generated map over a [`Bus`].
//!
//! PeakRDL's map takes pointers, as a card's BAR has them. Here they are addresses: nothing is ever read or written
//! through one, which is what makes this sound.
#![allow(unsafe_code)]

use core::ptr;

use peakrdl_rust::io::RawRegisterIO;
use peakrdl_rust::reg::RegInt;

use crate::bus::{Access, Bus, BusError, Fault};
use crate::regs::OffloadRegs;

/// A bus, in the terms of the map.
#[derive(Debug)]
pub(crate) struct Words<B>(pub(crate) B);

impl<B: Bus> Words<B> {
    /// The registers.
    pub(crate) fn regs(&self) -> OffloadRegs<'_, Words<B>> {
        // SAFETY: what is asked of the caller is that registers are there. The pointer is an address from zero, which
        // `Words` looks up on its bus and never follows.
        unsafe { OffloadRegs::from_ptr_with(ptr::null_mut(), self) }
    }
}

/// The address that a pointer of the map stands for.
fn address<T>(register: *const T, access: Access) -> Result<u16, BusError> {
    let at = register.addr();
    // All of the map is words of 32 bits; `regs` says so by its types.
    if size_of::<T>() != 4 || at >= OffloadRegs::<()>::SIZE {
        let fault = Fault::Outside { len: OffloadRegs::<()>::SIZE };
        return Err(BusError { at: at as u16, access, fault });
    }
    Ok(at as u16)
}

impl<B: Bus> RawRegisterIO for Words<B> {
    type Error = BusError;

    unsafe fn try_read<T: RegInt>(&self, register: *const T) -> Result<T, BusError> {
        let at = address(register, Access::Read)?;
        let word = self.0.read32(at)?;
        Ok(T::from(word).unwrap_or_else(T::zero))
    }

    unsafe fn try_write<T: RegInt>(&self, register: *mut T, value: T) -> Result<(), BusError> {
        let at = address(register.cast_const(), Access::Write)?;
        self.0.write32(at, value.to_u32().unwrap_or(0))
    }
}
