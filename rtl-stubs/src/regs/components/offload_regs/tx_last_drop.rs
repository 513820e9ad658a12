//! Register: Capture: what was dropped last of frames to send

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Capture: what was dropped last of frames to send
///
/// Since 1.1.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct TxLastDrop(u32);

unsafe impl Send for TxLastDrop {}
unsafe impl Sync for TxLastDrop {}

impl core::default::Default for TxLastDrop {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for TxLastDrop {
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

impl TxLastDrop {
    pub const CODE_OFFSET: usize = 0;
    pub const CODE_WIDTH: usize = 3;
    pub const CODE_MASK: u32 = 0x7;

    /// code
    ///
    /// The reason's number; 0 if nothing was.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn code(&self) -> u8 {
        let val = (self.0 >> Self::CODE_OFFSET) & Self::CODE_MASK;
        val as u8
    }



}

impl core::fmt::Debug for TxLastDrop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("TxLastDrop")
            .field("code", &self.code())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = TxLastDrop::default();
        assert_eq!(reg.code(), 0);
    }
}
