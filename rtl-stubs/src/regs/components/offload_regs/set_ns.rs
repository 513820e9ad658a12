//! Register: Clock: time to set, ns

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Clock: time to set, ns
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct SetNs(u32);

unsafe impl Send for SetNs {}
unsafe impl Sync for SetNs {}

impl core::default::Default for SetNs {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for SetNs {
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

impl SetNs {
    pub const NS_OFFSET: usize = 0;
    pub const NS_WIDTH: usize = 30;
    pub const NS_MASK: u32 = 0x3FFF_FFFF;

    /// ns
    ///
    /// Below 10^9; a step with 10^9 or more is no time and is ignored: no generation begins, and events says so. Such a step is undefined before 1.2.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn ns(&self) -> u32 {
        let val = (self.0 >> Self::NS_OFFSET) & Self::NS_MASK;
        val
    }


    /// ns
    ///
    /// Below 10^9; a step with 10^9 or more is no time and is ignored: no generation begins, and events says so. Such a step is undefined before 1.2.
    #[inline(always)]
    pub fn set_ns(&mut self, val: u32) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::NS_MASK << Self::NS_OFFSET)) | ((val & Self::NS_MASK) << Self::NS_OFFSET);
    }


}

impl core::fmt::Debug for SetNs {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SetNs")
            .field("ns", &self.ns())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = SetNs::default();
        assert_eq!(reg.ns(), 0);
    }
}
