//! Registers in memory: a card's BAR, as the kernel maps it.
#![allow(unsafe_code)]

use core::fmt;

use volatile_register::RW;

use crate::bus::{Access, Bus, BusError, Fault};

/// Registers that are mapped into memory, one 32-bit access for each that is asked for.
///
/// A PCIe device that is gone reads as all ones, and swallows what is written. Both are told: of a word of all ones by
/// a look at the first register, which never has them; of what was swallowed by the next word that is read.
pub struct Mmio<'a> {
    words: &'a [RW<u32>],
}

impl<'a> Mmio<'a> {
    /// Registers from `base` on, `len` bytes of them.
    ///
    /// # Safety
    /// For as long as `'a`, `base` is where `len` bytes are mapped that can be read and written in words of 32 bits,
    /// and nothing but such accesses is made to them. `base` is a multiple of 4.
    pub unsafe fn new(base: *mut u32, len: usize) -> Mmio<'a> {
        // SAFETY: an RW<u32> is a u32 in a cell, of its size and alignment; the rest is what the caller vouches for.
        let words = unsafe { core::slice::from_raw_parts(base.cast::<RW<u32>>(), len / 4) };
        Mmio { words }
    }

    fn word(&self, at: u16, access: Access) -> Result<&RW<u32>, BusError> {
        let found = if at.is_multiple_of(4) { self.words.get(usize::from(at / 4)) } else { None };
        let len = self.words.len() * 4;
        found.ok_or(BusError { at, access, fault: Fault::Outside { len } })
    }
}

impl Bus for Mmio<'_> {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        let word = self.word(at, Access::Read)?.read();
        if word == u32::MAX && self.words[0].read() == u32::MAX {
            return Err(BusError { at, access: Access::Read, fault: Fault::Gone });
        }
        Ok(word)
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        let register = self.word(at, Access::Write)?;
        // SAFETY: whoever made this vouched for the mapping; what a word does to the device is the driver's business,
        // and reaches no memory of this process: these blocks have no DMA.
        unsafe { register.write(word) };
        Ok(())
    }
}

impl fmt::Debug for Mmio<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mmio({} bytes)", self.words.len() * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_and_written_where_it_is_and_nothing_beyond() {
        let mut memory = [0u32; 4];
        // SAFETY: the array is there until the end of the test, and is looked at by nobody else meanwhile.
        let bus = unsafe { Mmio::new(memory.as_mut_ptr(), 16) };
        bus.write32(8, 0xcafe_f00d).unwrap();
        assert_eq!((bus.read32(8), bus.read32(4)), (Ok(0xcafe_f00d), Ok(0)));
        for at in [16, 6, 0xfffc] {
            let fault = Fault::Outside { len: 16 };
            assert_eq!(bus.read32(at), Err(BusError { at, access: Access::Read, fault }));
            assert_eq!(bus.write32(at, 1), Err(BusError { at, access: Access::Write, fault }));
        }
        assert_eq!(memory, [0, 0, 0xcafe_f00d, 0]);
    }

    #[test]
    fn all_ones_are_a_word_where_the_first_register_has_others_and_else_a_device_that_is_gone() {
        let mut memory = [7, u32::MAX];
        // SAFETY: as above.
        let bus = unsafe { Mmio::new(memory.as_mut_ptr(), 8) };
        assert_eq!(bus.read32(4), Ok(u32::MAX));
        bus.write32(0, u32::MAX).unwrap();
        let gone = BusError { at: 4, access: Access::Read, fault: Fault::Gone };
        assert_eq!(bus.read32(4), Err(gone));
    }
}
