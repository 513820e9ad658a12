//! Register: Flow table: mark

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: mark
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowMark(u32);

unsafe impl Send for FlowMark {}
unsafe impl Sync for FlowMark {}

impl core::default::Default for FlowMark {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowMark {
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

impl FlowMark {
    pub const MARK_OFFSET: usize = 0;
    pub const MARK_WIDTH: usize = 32;
    pub const MARK_MASK: u32 = 0xFFFF_FFFF;

    /// mark
    ///
    /// What frames arrive with.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn mark(&self) -> u32 {
        let val = (self.0 >> Self::MARK_OFFSET) & Self::MARK_MASK;
        val
    }


    /// mark
    ///
    /// What frames arrive with.
    #[inline(always)]
    pub fn set_mark(&mut self, val: u32) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::MARK_MASK << Self::MARK_OFFSET)) | ((val & Self::MARK_MASK) << Self::MARK_OFFSET);
    }


}

impl core::fmt::Debug for FlowMark {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowMark")
            .field("mark", &self.mark())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowMark::default();
        assert_eq!(reg.mark(), 0);
    }
}
