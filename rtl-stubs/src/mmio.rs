//! Registers in memory: a card's BAR, as the kernel maps it.
#![allow(unsafe_code)]

use core::fmt;
use core::mem::offset_of;

use volatile_register::{RO, RW};

use crate::bus::{Access, Bus, BusError, Fault};
use crate::driver::{Events, Held};

/// Registers that are mapped into memory, one 32-bit access for each that is asked for.
///
/// A PCIe device that is gone reads as all ones, and swallows what is written; so does one that refuses, as these blocks do
/// while they are in reset. Both are told: of a word of all ones by a look at the first register, which never has them; of
/// what was swallowed by the next word that is read. Between the two a reset can end: what has all ones then is a word, but for
/// the events, where the driver refuses them.
pub struct Mmio<'a> {
    words: &'a [RW<u32>],
}

/// The part of a card's BAR that whoever polls looks at while frames pass: each is one read of the device, and says nothing
/// of one that is gone. There since 1.2. The driver takes what was seen, by [`take_events`](crate::Offload::take_events).
#[repr(C)]
pub struct Watched {
    /// Why a received frame was dropped, the last time that one was: by the reason's number, 0 for none.
    pub last_drop: RO<u32>,
    /// Likewise a frame to send.
    pub tx_last_drop: RO<u32>,
    /// What has happened, and nobody has taken out of the device yet. The driver's looks at counters take a reset: whoever has
    /// [`Offload`](crate::Offload) asked for any polls its [`events`](crate::Offload::events), which tells of that as well.
    pub events: RO<Events>,
    /// A look at it would clear it.
    _rx_peak: RO<Held>,
    /// What the receive buffer has room for.
    pub rx_buffer: RO<Held>,
}

/// Where they stand in `regs/offload.rdl`.
const WATCHED: usize = 0x180;
const _: () = assert!(
    WATCHED + offset_of!(Watched, events) == 0x188
        && WATCHED + offset_of!(Watched, rx_buffer) == 0x190
        && size_of::<Watched>() == 0x14
);

impl<'a> Mmio<'a> {
    /// Registers from `base` on, `len` bytes of them.
    ///
    /// # Safety
    /// For as long as `'a`, `base` is where `len` bytes are mapped that can be read and written in words of 32 bits,
    /// and nothing but such accesses is made to them. `base` is a multiple of 4. The mapping is one of a device's registers,
    /// of a BAR that cannot be prefetched: some registers change by being read.
    pub unsafe fn new(base: *mut u32, len: usize) -> Mmio<'a> {
        // SAFETY: an RW<u32> is a u32 in a cell, of its size and alignment; the rest is what the caller vouches for.
        let words = unsafe { core::slice::from_raw_parts(base.cast::<RW<u32>>(), len / 4) };
        Mmio { words }
    }

    /// What to poll; `None` where less is mapped, or of a map before 1.2.
    pub fn watched(&self) -> Option<&Watched> {
        let minor = self.words.get(1)?.read() & 0xffff;
        let part = self.words.get(WATCHED / 4..)?;
        let is_there = minor >= 2 && size_of_val(part) >= size_of::<Watched>();
        // SAFETY: it is as many words of the mapping, each in a cell of a u32's size and alignment, as `RW<u32>` is; `Events`
        // and `Held` are u32, for which every word is one. The reference lives as long as that to the words.
        is_there.then(|| unsafe { &*part.as_ptr().cast::<Watched>() })
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
    use crate::Offload;

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
    fn whoever_polls_sees_what_the_driver_takes() {
        let mut memory = [0u32; 0x194 / 4];
        memory[..4].copy_from_slice(&[0x4649_5857, 1 << 16 | 2, 0, 0x0010_1008]);
        memory[0x180 / 4..].copy_from_slice(&[3, 6, 0b100_0110, 7, 256 << 16 | 0x8000]);
        // SAFETY: as above.
        let bus = unsafe { Mmio::new(memory.as_mut_ptr(), size_of_val(&memory)) };
        let offload = Offload::find(bus).unwrap();
        let watched = offload.bus().watched().unwrap();
        assert_eq!((watched.last_drop.read(), watched.tx_last_drop.read()), (3, 6));
        let seen = watched.events.read();
        assert_eq!(seen.into_bits(), 0b100_0110);
        assert!(seen.rx_drop() && seen.rx_overflow() && !seen.was_reset());
        // Of those that have a name.
        assert_eq!(offload.take_events(), Ok(Some(Events::from_bits(0b110))));
        assert_eq!(Ok(Some(watched.rx_buffer.read())), offload.rx_buffer());
        assert_eq!(watched.rx_buffer.read(), Held::new().with_bytes(0x8000).with_frames(256));
        // Memory has no way of clearing by a one: what was written stands there.
        assert_eq!(offload.bus().read32(0x188), Ok(0b110));
    }

    #[test]
    fn all_ones_between_two_answers_are_no_events() {
        let mut memory = [0u32; 0x194 / 4];
        memory[..4].copy_from_slice(&[0x4649_5857, 1 << 16 | 2, 0, 0x0010_1008]);
        memory[0x188 / 4] = u32::MAX;
        // SAFETY: as above.
        let bus = unsafe { Mmio::new(memory.as_mut_ptr(), size_of_val(&memory)) };
        let offload = Offload::find(bus).unwrap();
        let gone = BusError { at: 0x188, access: Access::Read, fault: Fault::Gone };
        assert_eq!((offload.take_events(), offload.events()), (Err(gone), Err(gone)));
        assert_eq!(offload.counters(), Err(gone.into()));
        assert!(gone.to_string().contains("in reset"), "{gone}");
        // Nothing was cleared.
        assert_eq!(offload.bus().read32(0x188), Ok(u32::MAX));
    }

    #[test]
    fn of_a_part_that_is_not_there_nothing_is_shown() {
        for (minor, len) in [(1, 0x194), (2, 0x190), (2, 0x180), (2, 8), (2, 4)] {
            let mut memory = [0u32; 0x194 / 4];
            memory[1] = 1 << 16 | minor;
            // SAFETY: as above; `len` is within it.
            let bus = unsafe { Mmio::new(memory.as_mut_ptr(), len) };
            assert!(bus.watched().is_none(), "{minor} {len}");
        }
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
