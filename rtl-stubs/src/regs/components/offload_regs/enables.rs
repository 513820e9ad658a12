//! Register: Enables

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code






/// Enables
///
/// What is switched on. Nothing is after a reset.
#[repr(transparent)]
#[derive(Copy, Clone, Eq, PartialEq)]
pub struct Enables(u32);

unsafe impl Send for Enables {}
unsafe impl Sync for Enables {}

impl core::default::Default for Enables {
    fn default() -> Self {
        Self(0x0)
    }
}

impl peakrdl_rust::reg::Register for Enables {
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

impl Enables {
    pub const RX_IPV4_CHECKSUM_OFFSET: usize = 0;
    pub const RX_IPV4_CHECKSUM_WIDTH: usize = 1;
    pub const RX_IPV4_CHECKSUM_MASK: u32 = 0x1;

    /// rx_ipv4_checksum
    ///
    /// Verdicts on IPv4's header checksum; unknown without.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn rx_ipv4_checksum(&self) -> bool {
        let val = (self.0 >> Self::RX_IPV4_CHECKSUM_OFFSET) & Self::RX_IPV4_CHECKSUM_MASK;
        val != 0
    }


    /// rx_ipv4_checksum
    ///
    /// Verdicts on IPv4's header checksum; unknown without.
    #[inline(always)]
    pub fn set_rx_ipv4_checksum(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::RX_IPV4_CHECKSUM_MASK << Self::RX_IPV4_CHECKSUM_OFFSET)) | ((val & Self::RX_IPV4_CHECKSUM_MASK) << Self::RX_IPV4_CHECKSUM_OFFSET);
    }


    pub const RX_TCP_CHECKSUM_OFFSET: usize = 1;
    pub const RX_TCP_CHECKSUM_WIDTH: usize = 1;
    pub const RX_TCP_CHECKSUM_MASK: u32 = 0x1;

    /// rx_tcp_checksum
    ///
    /// Verdicts on TCP's checksum; unknown without.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn rx_tcp_checksum(&self) -> bool {
        let val = (self.0 >> Self::RX_TCP_CHECKSUM_OFFSET) & Self::RX_TCP_CHECKSUM_MASK;
        val != 0
    }


    /// rx_tcp_checksum
    ///
    /// Verdicts on TCP's checksum; unknown without.
    #[inline(always)]
    pub fn set_rx_tcp_checksum(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::RX_TCP_CHECKSUM_MASK << Self::RX_TCP_CHECKSUM_OFFSET)) | ((val & Self::RX_TCP_CHECKSUM_MASK) << Self::RX_TCP_CHECKSUM_OFFSET);
    }


    pub const TX_IPV4_CHECKSUM_OFFSET: usize = 2;
    pub const TX_IPV4_CHECKSUM_WIDTH: usize = 1;
    pub const TX_IPV4_CHECKSUM_MASK: u32 = 0x1;

    /// tx_ipv4_checksum
    ///
    /// IPv4's checksum of frames to send is filled in where it is asked for; without, the field leaves as it is. Since 1.1.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn tx_ipv4_checksum(&self) -> bool {
        let val = (self.0 >> Self::TX_IPV4_CHECKSUM_OFFSET) & Self::TX_IPV4_CHECKSUM_MASK;
        val != 0
    }


    /// tx_ipv4_checksum
    ///
    /// IPv4's checksum of frames to send is filled in where it is asked for; without, the field leaves as it is. Since 1.1.
    #[inline(always)]
    pub fn set_tx_ipv4_checksum(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::TX_IPV4_CHECKSUM_MASK << Self::TX_IPV4_CHECKSUM_OFFSET)) | ((val & Self::TX_IPV4_CHECKSUM_MASK) << Self::TX_IPV4_CHECKSUM_OFFSET);
    }


    pub const TX_TCP_CHECKSUM_OFFSET: usize = 3;
    pub const TX_TCP_CHECKSUM_WIDTH: usize = 1;
    pub const TX_TCP_CHECKSUM_MASK: u32 = 0x1;

    /// tx_tcp_checksum
    ///
    /// TCP's is finished likewise. Since 1.1.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn tx_tcp_checksum(&self) -> bool {
        let val = (self.0 >> Self::TX_TCP_CHECKSUM_OFFSET) & Self::TX_TCP_CHECKSUM_MASK;
        val != 0
    }


    /// tx_tcp_checksum
    ///
    /// TCP's is finished likewise. Since 1.1.
    #[inline(always)]
    pub fn set_tx_tcp_checksum(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::TX_TCP_CHECKSUM_MASK << Self::TX_TCP_CHECKSUM_OFFSET)) | ((val & Self::TX_TCP_CHECKSUM_MASK) << Self::TX_TCP_CHECKSUM_OFFSET);
    }


    pub const MISS_IS_OURS_OFFSET: usize = 8;
    pub const MISS_IS_OURS_WIDTH: usize = 1;
    pub const MISS_IS_OURS_MASK: u32 = 0x1;

    /// miss_is_ours
    ///
    /// Frames that no rule matches are ours, and go to miss_queue; without, they are dropped.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn miss_is_ours(&self) -> bool {
        let val = (self.0 >> Self::MISS_IS_OURS_OFFSET) & Self::MISS_IS_OURS_MASK;
        val != 0
    }


    /// miss_is_ours
    ///
    /// Frames that no rule matches are ours, and go to miss_queue; without, they are dropped.
    #[inline(always)]
    pub fn set_miss_is_ours(&mut self, val: bool) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::MISS_IS_OURS_MASK << Self::MISS_IS_OURS_OFFSET)) | ((val & Self::MISS_IS_OURS_MASK) << Self::MISS_IS_OURS_OFFSET);
    }


    pub const MISS_QUEUE_OFFSET: usize = 16;
    pub const MISS_QUEUE_WIDTH: usize = 4;
    pub const MISS_QUEUE_MASK: u32 = 0xF;

    /// miss_queue
    ///
    /// Where they go.
    #[inline(always)]
    #[allow(clippy::missing_panics_doc)]
    #[must_use]
    pub fn miss_queue(&self) -> u8 {
        let val = (self.0 >> Self::MISS_QUEUE_OFFSET) & Self::MISS_QUEUE_MASK;
        val as u8
    }


    /// miss_queue
    ///
    /// Where they go.
    #[inline(always)]
    pub fn set_miss_queue(&mut self, val: u8) {
        let val = val as u32;
        self.0 = (self.0 & !(Self::MISS_QUEUE_MASK << Self::MISS_QUEUE_OFFSET)) | ((val & Self::MISS_QUEUE_MASK) << Self::MISS_QUEUE_OFFSET);
    }


}

impl core::fmt::Debug for Enables {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Enables")
            .field("rx_ipv4_checksum", &self.rx_ipv4_checksum())
            .field("rx_tcp_checksum", &self.rx_tcp_checksum())
            .field("tx_ipv4_checksum", &self.tx_ipv4_checksum())
            .field("tx_tcp_checksum", &self.tx_tcp_checksum())
            .field("miss_is_ours", &self.miss_is_ours())
            .field("miss_queue", &self.miss_queue())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_default() {
        let reg = Enables::default();
        assert_eq!(reg.rx_ipv4_checksum(), false);
        assert_eq!(reg.rx_tcp_checksum(), false);
        assert_eq!(reg.tx_ipv4_checksum(), false);
        assert_eq!(reg.tx_tcp_checksum(), false);
        assert_eq!(reg.miss_is_ours(), false);
        assert_eq!(reg.miss_queue(), 0);
    }
}
