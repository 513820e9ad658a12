//! Register: Receive buffer: most held

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Receive buffer: most held
///
/// The most that it held at a time since this was read last; cleared by the read, from when on it is what is held. Since 1.2.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct RxPeak(u32);

unsafe impl Send for RxPeak {}
unsafe impl Sync for RxPeak {}

impl core::default::Default for RxPeak {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for RxPeak {
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

impl RxPeak {
    pub const BYTES_OFFSET: usize = 0;
    pub const BYTES_WIDTH: usize = 16;
    pub const BYTES_MASK: u32 = 0xFFFF;

    /// bytes
    ///
    /// Bytes, by whole beats, of frames that are in or come in.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn bytes(&self) -> u16 {
        let val = (self.0 >> Self::BYTES_OFFSET) & Self::BYTES_MASK;
        val as u16
    }



    pub const FRAMES_OFFSET: usize = 16;
    pub const FRAMES_WIDTH: usize = 16;
    pub const FRAMES_MASK: u32 = 0xFFFF;

    /// frames
    ///
    /// Frames that are in whole.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn frames(&self) -> u16 {
        let val = (self.0 >> Self::FRAMES_OFFSET) & Self::FRAMES_MASK;
        val as u16
    }



}

impl core::fmt::Debug for RxPeak {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RxPeak")
            .field("bytes", &self.bytes())
            .field("frames", &self.frames())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = RxPeak::default();
        assert_eq!(reg.bytes(), 0);
        assert_eq!(reg.frames(), 0);
    }
}
