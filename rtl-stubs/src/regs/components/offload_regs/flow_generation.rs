//! Register: Flow table: generation

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: generation
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowGeneration(u32);

unsafe impl Send for FlowGeneration {}
unsafe impl Sync for FlowGeneration {}

impl core::default::Default for FlowGeneration {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowGeneration {
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

impl FlowGeneration {
    pub const WRITES_OFFSET: usize = 0;
    pub const WRITES_WIDTH: usize = 32;
    pub const WRITES_MASK: u32 = 0xFFFF_FFFF;

    /// writes
    ///
    /// How many rules were written since the reset.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn writes(&self) -> u32 {
        let val = (self.0 >> Self::WRITES_OFFSET) & Self::WRITES_MASK;
        val
    }



}

impl core::fmt::Debug for FlowGeneration {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowGeneration")
            .field("writes", &self.writes())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowGeneration::default();
        assert_eq!(reg.writes(), 0);
    }
}
