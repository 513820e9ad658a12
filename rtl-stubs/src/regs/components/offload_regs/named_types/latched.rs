//! Register: A word as latched

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// A word as latched
///
/// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Latched(u32);

unsafe impl Send for Latched {}
unsafe impl Sync for Latched {}

impl core::default::Default for Latched {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for Latched {
    type Regwidth = u32;
    type Accesswidth = u32;
    type Access = peakrdl_rust::access::R;
    type ByteEndian = peakrdl_rust::endian::LittleEndian;
    type WordEndian = peakrdl_rust::endian::LittleEndian;

    unsafe fn from_raw(val: Self::Regwidth) -> Self {
        Self(val)
    }

    fn to_raw(self) -> Self::Regwidth {
        self.0
    }
}

impl Latched {
    pub const BITS_OFFSET: usize = 0;
    pub const BITS_WIDTH: usize = 32;
    pub const BITS_MASK: u32 = 0xFFFF_FFFF;

    /// bits
    ///
    /// Bits of the number.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn bits(&self) -> u32 {
        let val = (self.0 >> Self::BITS_OFFSET) & Self::BITS_MASK;
        val
    }



}

impl core::fmt::Debug for Latched {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Latched")
            .field("bits", &self.bits())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Latched::default();
        assert_eq!(reg.bits(), 0);
    }
}
