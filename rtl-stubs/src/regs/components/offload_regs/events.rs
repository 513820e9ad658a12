//! Register: Events

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Events
///
/// What has happened since it was cleared: a one written to a bit clears it, a zero leaves it. What happens in the cycle of the write stays. Bit 31 is none in any version: all ones come where a bus has no answer. Since 1.2.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Events(u32);

unsafe impl Send for Events {}
unsafe impl Sync for Events {}

impl core::default::Default for Events {
    fn default() -> Self {
        Self(0x1)
    }
}

impl peakrdl_rust::reg::Register for Events {
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

impl Events {
    pub const WAS_RESET_OFFSET: usize = 0;
    pub const WAS_RESET_WIDTH: usize = 1;
    pub const WAS_RESET_MASK: u32 = 0x1;

    /// was_reset
    ///
    /// The blocks came out of a reset: what was set is as at first, and counters began anew. Up after each reset.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn was_reset(&self) -> bool {
        let val = (self.0 >> Self::WAS_RESET_OFFSET) & Self::WAS_RESET_MASK;
        val != 0
    }


    /// was_reset
    ///
    /// The blocks came out of a reset: what was set is as at first, and counters began anew. Up after each reset.
    #[inline(always)]
    pub fn set_was_reset(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::WAS_RESET_MASK << Self::WAS_RESET_OFFSET)) | ((val & Self::WAS_RESET_MASK) << Self::WAS_RESET_OFFSET);
    }


    pub const RX_DROP_OFFSET: usize = 1;
    pub const RX_DROP_WIDTH: usize = 1;
    pub const RX_DROP_MASK: u32 = 0x1;

    /// rx_drop
    ///
    /// A received frame was dropped: last_drop says why.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn rx_drop(&self) -> bool {
        let val = (self.0 >> Self::RX_DROP_OFFSET) & Self::RX_DROP_MASK;
        val != 0
    }


    /// rx_drop
    ///
    /// A received frame was dropped: last_drop says why.
    #[inline(always)]
    pub fn set_rx_drop(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::RX_DROP_MASK << Self::RX_DROP_OFFSET)) | ((val & Self::RX_DROP_MASK) << Self::RX_DROP_OFFSET);
    }


    pub const RX_OVERFLOW_OFFSET: usize = 2;
    pub const RX_OVERFLOW_WIDTH: usize = 1;
    pub const RX_OVERFLOW_MASK: u32 = 0x1;

    /// rx_overflow
    ///
    /// Among them was one that the buffer had no room for.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn rx_overflow(&self) -> bool {
        let val = (self.0 >> Self::RX_OVERFLOW_OFFSET) & Self::RX_OVERFLOW_MASK;
        val != 0
    }


    /// rx_overflow
    ///
    /// Among them was one that the buffer had no room for.
    #[inline(always)]
    pub fn set_rx_overflow(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::RX_OVERFLOW_MASK << Self::RX_OVERFLOW_OFFSET)) | ((val & Self::RX_OVERFLOW_MASK) << Self::RX_OVERFLOW_OFFSET);
    }


    pub const TX_DROP_OFFSET: usize = 3;
    pub const TX_DROP_WIDTH: usize = 1;
    pub const TX_DROP_MASK: u32 = 0x1;

    /// tx_drop
    ///
    /// A frame to send was dropped: tx_last_drop says why.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn tx_drop(&self) -> bool {
        let val = (self.0 >> Self::TX_DROP_OFFSET) & Self::TX_DROP_MASK;
        val != 0
    }


    /// tx_drop
    ///
    /// A frame to send was dropped: tx_last_drop says why.
    #[inline(always)]
    pub fn set_tx_drop(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::TX_DROP_MASK << Self::TX_DROP_OFFSET)) | ((val & Self::TX_DROP_MASK) << Self::TX_DROP_OFFSET);
    }


    pub const FLOW_REFUSED_OFFSET: usize = 4;
    pub const FLOW_REFUSED_WIDTH: usize = 1;
    pub const FLOW_REFUSED_MASK: u32 = 0x1;

    /// flow_refused
    ///
    /// A commit or a latch of the flow table was ignored: flow_index names no rule.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn flow_refused(&self) -> bool {
        let val = (self.0 >> Self::FLOW_REFUSED_OFFSET) & Self::FLOW_REFUSED_MASK;
        val != 0
    }


    /// flow_refused
    ///
    /// A commit or a latch of the flow table was ignored: flow_index names no rule.
    #[inline(always)]
    pub fn set_flow_refused(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::FLOW_REFUSED_MASK << Self::FLOW_REFUSED_OFFSET)) | ((val & Self::FLOW_REFUSED_MASK) << Self::FLOW_REFUSED_OFFSET);
    }


    pub const STEP_REFUSED_OFFSET: usize = 5;
    pub const STEP_REFUSED_WIDTH: usize = 1;
    pub const STEP_REFUSED_MASK: u32 = 0x1;

    /// step_refused
    ///
    /// A step of the clock was ignored: set_ns is 10^9 or more.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn step_refused(&self) -> bool {
        let val = (self.0 >> Self::STEP_REFUSED_OFFSET) & Self::STEP_REFUSED_MASK;
        val != 0
    }


    /// step_refused
    ///
    /// A step of the clock was ignored: set_ns is 10^9 or more.
    #[inline(always)]
    pub fn set_step_refused(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::STEP_REFUSED_MASK << Self::STEP_REFUSED_OFFSET)) | ((val & Self::STEP_REFUSED_MASK) << Self::STEP_REFUSED_OFFSET);
    }


}

impl core::fmt::Debug for Events {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Events")
            .field("was_reset", &self.was_reset())
            .field("rx_drop", &self.rx_drop())
            .field("rx_overflow", &self.rx_overflow())
            .field("tx_drop", &self.tx_drop())
            .field("flow_refused", &self.flow_refused())
            .field("step_refused", &self.step_refused())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Events::default();
        assert_eq!(reg.was_reset(), true);
        assert_eq!(reg.rx_drop(), false);
        assert_eq!(reg.rx_overflow(), false);
        assert_eq!(reg.tx_drop(), false);
        assert_eq!(reg.flow_refused(), false);
        assert_eq!(reg.step_refused(), false);
    }
}
