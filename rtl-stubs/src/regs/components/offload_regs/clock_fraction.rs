//! Register: Clock: period, fraction

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Clock: period, fraction
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct ClockFraction(u32);

unsafe impl Send for ClockFraction {}
unsafe impl Sync for ClockFraction {}

impl core::default::Default for ClockFraction {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for ClockFraction {
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

impl ClockFraction {
    pub const FRACTION_OFFSET: usize = 0;
    pub const FRACTION_WIDTH: usize = 32;
    pub const FRACTION_MASK: u32 = 0xFFFF_FFFF;

    /// fraction
    ///
    /// In 2^-32 ns. It takes effect with clock_commit.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn fraction(&self) -> u32 {
        let val = (self.0 >> Self::FRACTION_OFFSET) & Self::FRACTION_MASK;
        val
    }


    /// fraction
    ///
    /// In 2^-32 ns. It takes effect with clock_commit.
    #[inline(always)]
    pub fn set_fraction(&mut self, val: u32) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::FRACTION_MASK << Self::FRACTION_OFFSET)) | ((val & Self::FRACTION_MASK) << Self::FRACTION_OFFSET);
    }


}

impl core::fmt::Debug for ClockFraction {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClockFraction")
            .field("fraction", &self.fraction())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = ClockFraction::default();
        assert_eq!(reg.fraction(), 0);
    }
}
