//! Register: Clock: commit

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Clock: commit
///
/// A one written here has its effect, and a zero none. Of a step and a latch at once the latch takes the time that was. It cannot be read.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct ClockCommit(u32);

unsafe impl Send for ClockCommit {}
unsafe impl Sync for ClockCommit {}

impl core::default::Default for ClockCommit {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for ClockCommit {
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

impl ClockCommit {
    pub const PERIOD_OFFSET: usize = 0;
    pub const PERIOD_WIDTH: usize = 1;
    pub const PERIOD_MASK: u32 = 0x1;


    /// period
    ///
    /// The period becomes what is written above: the clock is slewed.
    #[inline(always)]
    pub fn set_period(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::PERIOD_MASK << Self::PERIOD_OFFSET)) | ((val & Self::PERIOD_MASK) << Self::PERIOD_OFFSET);
    }


    pub const STEP_OFFSET: usize = 1;
    pub const STEP_WIDTH: usize = 1;
    pub const STEP_MASK: u32 = 0x1;


    /// step
    ///
    /// The time becomes what is written above: the clock is stepped, and a generation begins.
    #[inline(always)]
    pub fn set_step(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::STEP_MASK << Self::STEP_OFFSET)) | ((val & Self::STEP_MASK) << Self::STEP_OFFSET);
    }


    pub const LATCH_OFFSET: usize = 2;
    pub const LATCH_WIDTH: usize = 1;
    pub const LATCH_MASK: u32 = 0x1;


    /// latch
    ///
    /// The time is latched into the words below, all of one cycle.
    #[inline(always)]
    pub fn set_latch(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::LATCH_MASK << Self::LATCH_OFFSET)) | ((val & Self::LATCH_MASK) << Self::LATCH_OFFSET);
    }


}

impl core::fmt::Debug for ClockCommit {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ClockCommit")
            .finish()
    }
}

