//! Register: Clock: time to set, seconds, high word

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Clock: time to set, seconds, high word
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct SetSecondsHigh(u32);

unsafe impl Send for SetSecondsHigh {}
unsafe impl Sync for SetSecondsHigh {}

impl core::default::Default for SetSecondsHigh {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for SetSecondsHigh {
    type Regwidth = u32;
    type Accesswidth = u32;
    type Access = peakrdl_rust::access::RW;
    type ByteEndian = peakrdl_rust::endian::LittleEndian;
    type WordEndian = peakrdl_rust::endian::LittleEndian;

    unsafe fn from_raw(val: Self::Regwidth) -> Self {
        Self(val)
    }

    fn to_raw(self) -> Self::Regwidth {
        self.0
    }
}

impl SetSecondsHigh {
    pub const HIGH_OFFSET: usize = 0;
    pub const HIGH_WIDTH: usize = 16;
    pub const HIGH_MASK: u32 = 0xFFFF;

    /// high
    ///
    /// Since 1970.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn high(&self) -> u16 {
        let val = (self.0 >> Self::HIGH_OFFSET) & Self::HIGH_MASK;
        val as u16
    }


    /// high
    ///
    /// Since 1970.
    #[inline(always)]
    pub fn set_high(&mut self, val: u16) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::HIGH_MASK << Self::HIGH_OFFSET)) | ((val & Self::HIGH_MASK) << Self::HIGH_OFFSET);
    }


}

impl core::fmt::Debug for SetSecondsHigh {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SetSecondsHigh")
            .field("high", &self.high())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = SetSecondsHigh::default();
        assert_eq!(reg.high(), 0);
    }
}
