//! Register: Identity

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Identity
///
/// 0x46495857, "FIXW": whatever answers otherwise is another device.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Identity(u32);

unsafe impl Send for Identity {}
unsafe impl Sync for Identity {}

impl core::default::Default for Identity {
    fn default() -> Self {
        Self(0x4649_5857)
    }
}

impl peakrdl_rust::reg::Register for Identity {
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

impl Identity {
    pub const VALUE_OFFSET: usize = 0;
    pub const VALUE_WIDTH: usize = 32;
    pub const VALUE_MASK: u32 = 0xFFFF_FFFF;

    /// value
    ///
    /// The four letters.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn value(&self) -> u32 {
        let val = (self.0 >> Self::VALUE_OFFSET) & Self::VALUE_MASK;
        val
    }



}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Identity")
            .field("value", &self.value())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Identity::default();
        assert_eq!(reg.value(), 1179211863);
    }
}
