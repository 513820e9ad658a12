//! Register: Shape

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Shape
///
/// What this instance was built with.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Shape(u32);

unsafe impl Send for Shape {}
unsafe impl Sync for Shape {}

impl core::default::Default for Shape {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for Shape {
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

impl Shape {
    pub const STREAM_BYTES_OFFSET: usize = 0;
    pub const STREAM_BYTES_WIDTH: usize = 8;
    pub const STREAM_BYTES_MASK: u32 = 0xFF;

    /// stream_bytes
    ///
    /// Width of the stream, in bytes.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn stream_bytes(&self) -> u8 {
        let val = (self.0 >> Self::STREAM_BYTES_OFFSET) & Self::STREAM_BYTES_MASK;
        val as u8
    }



    pub const RULES_OFFSET: usize = 8;
    pub const RULES_WIDTH: usize = 8;
    pub const RULES_MASK: u32 = 0xFF;

    /// rules
    ///
    /// Rules in the flow table.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn rules(&self) -> u8 {
        let val = (self.0 >> Self::RULES_OFFSET) & Self::RULES_MASK;
        val as u8
    }



    pub const QUEUES_OFFSET: usize = 16;
    pub const QUEUES_WIDTH: usize = 8;
    pub const QUEUES_MASK: u32 = 0xFF;

    /// queues
    ///
    /// Receive queues.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn queues(&self) -> u8 {
        let val = (self.0 >> Self::QUEUES_OFFSET) & Self::QUEUES_MASK;
        val as u8
    }



}

impl core::fmt::Debug for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Shape")
            .field("stream_bytes", &self.stream_bytes())
            .field("rules", &self.rules())
            .field("queues", &self.queues())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Shape::default();
        assert_eq!(reg.stream_bytes(), 0);
        assert_eq!(reg.rules(), 0);
        assert_eq!(reg.queues(), 0);
    }
}
