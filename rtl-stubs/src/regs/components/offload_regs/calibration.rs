//! Register: Calibration

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Calibration
///
/// From a frame's first bit on the wire to its first beat, as was measured for MAC and board. Kept here for whoever reads stamps; the blocks do not use it.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Calibration(u32);

unsafe impl Send for Calibration {}
unsafe impl Sync for Calibration {}

impl core::default::Default for Calibration {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for Calibration {
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

impl Calibration {
    pub const INGRESS_NS_OFFSET: usize = 0;
    pub const INGRESS_NS_WIDTH: usize = 16;
    pub const INGRESS_NS_MASK: u32 = 0xFFFF;

    /// ingress_ns
    ///
    /// In ns.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn ingress_ns(&self) -> u16 {
        let val = (self.0 >> Self::INGRESS_NS_OFFSET) & Self::INGRESS_NS_MASK;
        val as u16
    }


    /// ingress_ns
    ///
    /// In ns.
    #[inline(always)]
    pub fn set_ingress_ns(&mut self, val: u16) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::INGRESS_NS_MASK << Self::INGRESS_NS_OFFSET)) | ((val & Self::INGRESS_NS_MASK) << Self::INGRESS_NS_OFFSET);
    }


}

impl core::fmt::Debug for Calibration {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Calibration")
            .field("ingress_ns", &self.ingress_ns())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Calibration::default();
        assert_eq!(reg.ingress_ns(), 0);
    }
}
