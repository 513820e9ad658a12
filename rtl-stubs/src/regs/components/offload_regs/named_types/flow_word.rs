//! Register: Flow table: a word of the rule to write

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: a word of the rule to write
///
/// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowWord(u32);

unsafe impl Send for FlowWord {}
unsafe impl Sync for FlowWord {}

impl core::default::Default for FlowWord {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowWord {
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

impl FlowWord {
    pub const BITS_OFFSET: usize = 0;
    pub const BITS_WIDTH: usize = 32;
    pub const BITS_MASK: u32 = 0xFFFF_FFFF;

    /// bits
    ///
    /// Bits of FlowKey, offload/src/flow/key.rs.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn bits(&self) -> u32 {
        let val = (self.0 >> Self::BITS_OFFSET) & Self::BITS_MASK;
        val
    }


    /// bits
    ///
    /// Bits of FlowKey, offload/src/flow/key.rs.
    #[inline(always)]
    pub fn set_bits(&mut self, val: u32) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::BITS_MASK << Self::BITS_OFFSET)) | ((val & Self::BITS_MASK) << Self::BITS_OFFSET);
    }


}

impl core::fmt::Debug for FlowWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowWord")
            .field("bits", &self.bits())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowWord::default();
        assert_eq!(reg.bits(), 0);
    }
}
