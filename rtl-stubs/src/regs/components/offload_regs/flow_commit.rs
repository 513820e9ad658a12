//! Register: Flow table: commit

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Flow table: commit
///
/// A one written here has its effect, and a zero none. Of both at once the latch takes the counts of the rule that was. It cannot be read.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct FlowCommit(u32);

unsafe impl Send for FlowCommit {}
unsafe impl Sync for FlowCommit {}

impl core::default::Default for FlowCommit {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for FlowCommit {
    type Regwidth = u32;
    type Accesswidth = u32;
    type Access = peakrdl_rust::access::W;
    type ByteEndian = peakrdl_rust::endian::LittleEndian;
    type WordEndian = peakrdl_rust::endian::LittleEndian;

    unsafe fn from_raw(val: Self::Regwidth) -> Self {
        Self(val)
    }

    fn to_raw(self) -> Self::Regwidth {
        self.0
    }
}

impl FlowCommit {
    pub const COMMIT_OFFSET: usize = 0;
    pub const COMMIT_WIDTH: usize = 1;
    pub const COMMIT_MASK: u32 = 0x1;


    /// commit
    ///
    /// The rule at flow_index becomes what the words above say, whole, in one cycle.
    #[inline(always)]
    pub fn set_commit(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::COMMIT_MASK << Self::COMMIT_OFFSET)) | ((val & Self::COMMIT_MASK) << Self::COMMIT_OFFSET);
    }


    pub const LATCH_OFFSET: usize = 1;
    pub const LATCH_WIDTH: usize = 1;
    pub const LATCH_MASK: u32 = 0x1;


    /// latch
    ///
    /// The counts of the rule at flow_index are latched into flow_hits and flow_bytes: 48 bits each, which go round.
    #[inline(always)]
    pub fn set_latch(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::LATCH_MASK << Self::LATCH_OFFSET)) | ((val & Self::LATCH_MASK) << Self::LATCH_OFFSET);
    }


}

impl core::fmt::Debug for FlowCommit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FlowCommit")
            .finish()
    }
}

