//! Register: Flow table: index

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: index
///
/// Which rule the next commit writes, and which rule's counts the next latch takes.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowIndex(u32);

unsafe impl Send for FlowIndex {}
unsafe impl Sync for FlowIndex {}

impl core::default::Default for FlowIndex {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowIndex {
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

impl FlowIndex {
    pub const INDEX_OFFSET: usize = 0;
    pub const INDEX_WIDTH: usize = 8;
    pub const INDEX_MASK: u32 = 0xFF;

    /// index
    ///
    /// From 0, below shape's rules; with any other a commit or a latch is ignored, and events says so. Before 1.2 it has 4 bits.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn index(&self) -> u8 {
        let val = (self.0 >> Self::INDEX_OFFSET) & Self::INDEX_MASK;
        val as u8
    }


    /// index
    ///
    /// From 0, below shape's rules; with any other a commit or a latch is ignored, and events says so. Before 1.2 it has 4 bits.
    #[inline(always)]
    pub fn set_index(&mut self, val: u8) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::INDEX_MASK << Self::INDEX_OFFSET)) | ((val & Self::INDEX_MASK) << Self::INDEX_OFFSET);
    }


}

impl core::fmt::Debug for FlowIndex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowIndex")
            .field("index", &self.index())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowIndex::default();
        assert_eq!(reg.index(), 0);
    }
}
