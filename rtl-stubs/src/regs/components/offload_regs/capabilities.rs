//! Register: Capabilities

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Capabilities
///
/// Capability n in bit n, as offload/src/capability.rs numbers them.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Capabilities(u32);

unsafe impl Send for Capabilities {}
unsafe impl Sync for Capabilities {}

impl core::default::Default for Capabilities {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for Capabilities {
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

impl Capabilities {
    pub const BITS_OFFSET: usize = 0;
    pub const BITS_WIDTH: usize = 32;
    pub const BITS_MASK: u32 = 0xFFFF_FFFF;

    /// bits
    ///
    /// What these blocks can do.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn bits(&self) -> u32 {
        let val = (self.0 >> Self::BITS_OFFSET) & Self::BITS_MASK;
        val
    }



}

impl core::fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Capabilities")
            .field("bits", &self.bits())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Capabilities::default();
        assert_eq!(reg.bits(), 0);
    }
}
