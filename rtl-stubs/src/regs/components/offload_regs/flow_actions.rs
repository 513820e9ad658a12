//! Register: Flow table: actions

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: actions
///
/// What the rule does, and its place among the rules.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowActions(u32);

unsafe impl Send for FlowActions {}
unsafe impl Sync for FlowActions {}

impl core::default::Default for FlowActions {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowActions {
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

impl FlowActions {
    pub const ENABLE_OFFSET: usize = 0;
    pub const ENABLE_WIDTH: usize = 1;
    pub const ENABLE_MASK: u32 = 0x1;

    /// enable
    ///
    /// The rule is there.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn enable(&self) -> bool {
        let val = (self.0 >> Self::ENABLE_OFFSET) & Self::ENABLE_MASK;
        val != 0
    }


    /// enable
    ///
    /// The rule is there.
    #[inline(always)]
    pub fn set_enable(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::ENABLE_MASK << Self::ENABLE_OFFSET)) | ((val & Self::ENABLE_MASK) << Self::ENABLE_OFFSET);
    }


    pub const DROP_OFFSET: usize = 1;
    pub const DROP_WIDTH: usize = 1;
    pub const DROP_MASK: u32 = 0x1;

    /// drop
    ///
    /// It drops.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn drop(&self) -> bool {
        let val = (self.0 >> Self::DROP_OFFSET) & Self::DROP_MASK;
        val != 0
    }


    /// drop
    ///
    /// It drops.
    #[inline(always)]
    pub fn set_drop(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::DROP_MASK << Self::DROP_OFFSET)) | ((val & Self::DROP_MASK) << Self::DROP_OFFSET);
    }


    pub const MARKS_OFFSET: usize = 2;
    pub const MARKS_WIDTH: usize = 1;
    pub const MARKS_MASK: u32 = 0x1;

    /// marks
    ///
    /// It marks, by flow_mark.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn marks(&self) -> bool {
        let val = (self.0 >> Self::MARKS_OFFSET) & Self::MARKS_MASK;
        val != 0
    }


    /// marks
    ///
    /// It marks, by flow_mark.
    #[inline(always)]
    pub fn set_marks(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::MARKS_MASK << Self::MARKS_OFFSET)) | ((val & Self::MARKS_MASK) << Self::MARKS_OFFSET);
    }


    pub const COUNTS_OFFSET: usize = 3;
    pub const COUNTS_WIDTH: usize = 1;
    pub const COUNTS_MASK: u32 = 0x1;

    /// counts
    ///
    /// It counts.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn counts(&self) -> bool {
        let val = (self.0 >> Self::COUNTS_OFFSET) & Self::COUNTS_MASK;
        val != 0
    }


    /// counts
    ///
    /// It counts.
    #[inline(always)]
    pub fn set_counts(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::COUNTS_MASK << Self::COUNTS_OFFSET)) | ((val & Self::COUNTS_MASK) << Self::COUNTS_OFFSET);
    }


    pub const PRIORITY_OFFSET: usize = 4;
    pub const PRIORITY_WIDTH: usize = 4;
    pub const PRIORITY_MASK: u32 = 0xF;

    /// priority
    ///
    /// 0 is the highest.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn priority(&self) -> u8 {
        let val = (self.0 >> Self::PRIORITY_OFFSET) & Self::PRIORITY_MASK;
        val as u8
    }


    /// priority
    ///
    /// 0 is the highest.
    #[inline(always)]
    pub fn set_priority(&mut self, val: u8) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::PRIORITY_MASK << Self::PRIORITY_OFFSET)) | ((val & Self::PRIORITY_MASK) << Self::PRIORITY_OFFSET);
    }


    pub const DESTINATION_OFFSET: usize = 8;
    pub const DESTINATION_WIDTH: usize = 4;
    pub const DESTINATION_MASK: u32 = 0xF;

    /// destination
    ///
    /// Where its frames go.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn destination(&self) -> u8 {
        let val = (self.0 >> Self::DESTINATION_OFFSET) & Self::DESTINATION_MASK;
        val as u8
    }


    /// destination
    ///
    /// Where its frames go.
    #[inline(always)]
    pub fn set_destination(&mut self, val: u8) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::DESTINATION_MASK << Self::DESTINATION_OFFSET)) | ((val & Self::DESTINATION_MASK) << Self::DESTINATION_OFFSET);
    }


}

impl core::fmt::Debug for FlowActions {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowActions")
            .field("enable", &self.enable())
            .field("drop", &self.drop())
            .field("marks", &self.marks())
            .field("counts", &self.counts())
            .field("priority", &self.priority())
            .field("destination", &self.destination())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = FlowActions::default();
        assert_eq!(reg.enable(), false);
        assert_eq!(reg.drop(), false);
        assert_eq!(reg.marks(), false);
        assert_eq!(reg.counts(), false);
        assert_eq!(reg.priority(), 0);
        assert_eq!(reg.destination(), 0);
    }
}
