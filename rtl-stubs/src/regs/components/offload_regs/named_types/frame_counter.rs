//! Register: Frames under this name

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Frames under this name
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FrameCounter(u32);

unsafe impl Send for FrameCounter {}
unsafe impl Sync for FrameCounter {}

impl core::default::Default for FrameCounter {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FrameCounter {
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

impl FrameCounter {
    pub const FRAMES_OFFSET: usize = 0;
    pub const FRAMES_WIDTH: usize = 32;
    pub const FRAMES_MASK: u32 = 0xFFFF_FFFF;

    /// frames
    ///
    /// Frames since the reset, each as soon as its fate is known; past the last number it is at zero again.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn frames(&self) -> u32 {
        let val = (self.0 >> Self::FRAMES_OFFSET) & Self::FRAMES_MASK;
        val
    }



}

impl core::fmt::Debug for FrameCounter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FrameCounter")
            .field("frames", &self.frames())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FrameCounter::default();
        assert_eq!(reg.frames(), 0);
    }
}
