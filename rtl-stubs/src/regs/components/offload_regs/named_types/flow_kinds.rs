//! Register: Flow table: kind and VLAN of the rule to write

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: kind and VLAN of the rule to write
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowKinds(u32);

unsafe impl Send for FlowKinds {}
unsafe impl Sync for FlowKinds {}

impl core::default::Default for FlowKinds {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowKinds {
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

impl FlowKinds {
    pub const BITS_OFFSET: usize = 0;
    pub const BITS_WIDTH: usize = 15;
    pub const BITS_MASK: u32 = 0x7FFF;

    /// bits
    ///
    /// FlowKey's bits 30 to 16: ARP, ICMP, the VLAN, TCP with ports.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn bits(&self) -> u16 {
        let val = (self.0 >> Self::BITS_OFFSET) & Self::BITS_MASK;
        val as u16
    }


    /// bits
    ///
    /// FlowKey's bits 30 to 16: ARP, ICMP, the VLAN, TCP with ports.
    #[inline(always)]
    pub fn set_bits(&mut self, val: u16) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::BITS_MASK << Self::BITS_OFFSET)) | ((val & Self::BITS_MASK) << Self::BITS_OFFSET);
    }


}

impl core::fmt::Debug for FlowKinds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowKinds")
            .field("bits", &self.bits())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowKinds::default();
        assert_eq!(reg.bits(), 0);
    }
}
