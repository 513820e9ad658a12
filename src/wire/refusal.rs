//! Why a received frame was refused: one name a reason, one counter a name.

use core::fmt;

macro_rules! refusals {
    ($( $variant:ident $name:literal $doc:literal )*) => {
        /// Why a received frame went no further.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refusal { $( #[doc = $doc] $variant, )* }

        impl Refusal {
            /// Every reason, in the order of their numbers.
            pub const ALL: [Refusal; [$(stringify!($variant)),*].len()] = [$(Refusal::$variant),*];

            /// The name of this reason's counter.
            pub const fn name(self) -> &'static str {
                match self { $(Refusal::$variant => $name,)* }
            }

            /// What it means, in a line.
            pub const fn doc(self) -> &'static str {
                match self { $(Refusal::$variant => $doc,)* }
            }
        }
    };
}

refusals! {
    EthernetTooShort "ethernet_too_short" "The frame ends before its Ethernet header does."
    EthernetNotForUs "ethernet_not_for_us" "The destination is neither our address nor broadcast."
    EthernetSourceInvalid "ethernet_source_invalid" "The source address is multicast or zero."
    EthertypeUnknown "ethertype_unknown" "Neither IPv4 nor ARP."
    VlanTooShort "vlan_too_short" "The frame ends within its 802.1Q tag."
    VlanNotOurs "vlan_not_ours" "The tag names a VLAN that this port does not serve."
    VlanNested "vlan_nested" "A second 802.1Q tag follows the first."
    FlowDropped "flow_dropped" "A steering rule drops it, and the host had to."
    FlowOtherQueue "flow_other_queue" "A steering rule sends it to a queue that this engine does not poll."
    FlowNotOurs "flow_not_ours" "No steering rule names it, and the port is to be isolated."
    ArpTooShort "arp_too_short" "The ARP packet is cut off."
    ArpMalformed "arp_malformed" "Not ARP for IPv4 over Ethernet, or an unknown operation."
    ArpSenderInvalid "arp_sender_invalid" "The sender's addresses are multicast, zero or broadcast."
    ArpNotForUs "arp_not_for_us" "The ARP packet neither asks for nor tells us anything of ours."
    ArpLeftToKernel "arp_left_to_kernel" "ARP is the kernel's, which keeps the port beside us."
    Ipv4TooShort "ipv4_too_short" "The packet ends before its IPv4 header does."
    Ipv4VersionWrong "ipv4_version_wrong" "The version is not 4 (RFC 791 3.1)."
    Ipv4HeaderLengthWrong "ipv4_header_length_wrong" "IHL is under 5 words or past the packet's end (RFC 791 3.1)."
    Ipv4TotalLengthWrong "ipv4_total_length_wrong" "Total Length is under the header's or past the frame's end (RFC 791 3.1)."
    Ipv4ChecksumWrong "ipv4_checksum_wrong" "The header checksum does not match the bytes (RFC 791 3.1)."
    Ipv4Fragment "ipv4_fragment" "A fragment: a TCP that announces its MSS is sent none, and none is reassembled."
    Ipv4NotForUs "ipv4_not_for_us" "The destination is not our address."
    Ipv4SourceInvalid "ipv4_source_invalid" "The source is multicast, broadcast, loopback or zero (RFC 1122 3.2.1.3)."
    Ipv4ProtocolUnknown "ipv4_protocol_unknown" "Neither TCP nor ICMP."
    IcmpTooShort "icmp_too_short" "The ICMP message is cut off."
    IcmpChecksumWrong "icmp_checksum_wrong" "The ICMP checksum does not match the bytes (RFC 792)."
    IcmpTypeIgnored "icmp_type_ignored" "An ICMP type that this engine does not act on."
    IcmpEchoLeftToKernel "icmp_echo_left_to_kernel" "Echo requests are the kernel's, which keeps the port beside us."
    IcmpTooLongToEcho "icmp_too_long_to_echo" "An echo request longer than a frame to send."
    IcmpQuoteUnusable "icmp_quote_unusable" "The quoted packet is not a TCP segment of ours (RFC 5927 4.1)."
    TcpTooShort "tcp_too_short" "The segment ends before its header does."
    TcpDataOffsetWrong "tcp_data_offset_wrong" "Data Offset is under 5 words or past the segment's end (RFC 9293 3.1)."
    TcpChecksumWrong "tcp_checksum_wrong" "The TCP checksum does not match the bytes (RFC 9293 3.1)."
    TcpPartialSumWrong "tcp_partial_sum_wrong" "Handed over unfinished, but the field does not hold the pseudo-header's sum or is not the one pointed at."
    TcpOptionMalformed "tcp_option_malformed" "An option's length is 0, 1 or past the header's end (RFC 9293 3.1)."
    TcpPortZero "tcp_port_zero" "The source or destination port is 0."
    FrameTooLong "frame_too_long" "In several pieces, the frame is longer than the buffer that joins its pieces."
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl core::error::Error for Refusal {}

/// One counter for each [`Refusal`].
#[derive(Clone, Debug)]
pub struct RefusalCounters([u64; Refusal::ALL.len()]);

impl Default for RefusalCounters {
    fn default() -> Self {
        RefusalCounters([0; Refusal::ALL.len()])
    }
}

impl RefusalCounters {
    /// Counts one refusal.
    #[inline]
    pub fn count(&mut self, reason: Refusal) {
        self.0[reason as usize] += 1;
    }

    /// How often `reason` was the reason.
    pub fn of(&self, reason: Refusal) -> u64 {
        self.0[reason as usize]
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(self.0)
    }

    /// All refusals together.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
