//! Register: Clock: time to set, seconds, low word

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Clock: time to set, seconds, low word
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct SetSecondsLow(u32);

unsafe impl Send for SetSecondsLow {}
unsafe impl Sync for SetSecondsLow {}

impl core::default::Default for SetSecondsLow {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for SetSecondsLow {
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

impl SetSecondsLow {
    pub const LOW_OFFSET: usize = 0;
    pub const LOW_WIDTH: usize = 32;
    pub const LOW_MASK: u32 = 0xFFFF_FFFF;

    /// low
    ///
    /// Since 1970.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn low(&self) -> u32 {
        let val = (self.0 >> Self::LOW_OFFSET) & Self::LOW_MASK;
        val
    }


    /// low
    ///
    /// Since 1970.
    #[inline(always)]
    pub fn set_low(&mut self, val: u32) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::LOW_MASK << Self::LOW_OFFSET)) | ((val & Self::LOW_MASK) << Self::LOW_OFFSET);
    }


}

impl core::fmt::Debug for SetSecondsLow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SetSecondsLow")
            .field("low", &self.low())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = SetSecondsLow::default();
        assert_eq!(reg.low(), 0);
    }
}
