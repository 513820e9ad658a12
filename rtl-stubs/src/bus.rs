//! How registers are reached: 32 bits at a time, and any access can fail.

use core::fmt;

/// Reaches registers of 32 bits. Addresses are in bytes from the first, whole words.
///
/// It is not exclusive: registers change by themselves, and a device can have several who look.
pub trait Bus {
    /// Reads a word.
    ///
    /// # Errors
    /// The device did not answer, or refused.
    fn read32(&self, at: u16) -> Result<u32, BusError>;

    /// Writes a word.
    ///
    /// # Errors
    /// The device did not take it. Whether it had an effect is then open.
    fn write32(&self, at: u16, word: u32) -> Result<(), BusError>;
}

impl<B: Bus + ?Sized> Bus for &B {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        (**self).read32(at)
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        (**self).write32(at, word)
    }
}

impl<B: Bus + ?Sized> Bus for std::rc::Rc<B> {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        (**self).read32(at)
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        (**self).write32(at, word)
    }
}

/// An access that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{access} the register at {at:#05x}: {fault}")]
pub struct BusError {
    /// The register's address.
    pub at: u16,
    /// What was tried.
    pub access: Access,
    /// What came of it.
    pub fault: Fault,
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A word was to be read.
    Read,
    /// A word was to be written.
    Write,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "reading",
            Access::Write => "writing",
        })
    }
}

/// Why an access failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// AXI's SLVERR or DECERR.
    #[error(
        "the device refused (AXI response {response}): it is in reset, when all of it refuses, or it has no such \
         register, or not for this access; see that its reset is released, or load the bitstream that this version of \
         the registers belongs to"
    )]
    Refused {
        /// BRESP or RRESP (AXI4, A3.4.4).
        response: u8,
    },
    /// All ones, from a register that cannot have them.
    #[error(
        "all ones came back: the device is in reset, and what it refuses reads so over PCIe, or it is gone from the \
         bus; see that its reset is released, look at its power and link, and have the bus scanned anew"
    )]
    Gone,
    /// Nothing for so many cycles.
    #[error(
        "no answer within {cycles} cycles of the bus; is the device's clock running, and its reset released?"
    )]
    Silent {
        /// How long was waited.
        cycles: u32,
    },
    /// Beyond what was mapped, or between two words.
    #[error("no whole word within the {len} bytes that are mapped; map the whole BAR")]
    Outside {
        /// What is mapped.
        len: usize,
    },
}
