//! The closed list of what a NIC may do for us.
//!
//! One line each: what it is, its unit where it has one, and DPDK's name for it. The numbers are
//! fixed once: an RTL capability register carries capability *n* in bit *n*.

use core::fmt;

macro_rules! capabilities {
    ($( $number:literal $variant:ident $name:literal $dpdk:literal $doc:literal )*) => {
        /// Something that a NIC may do for us.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Capability {
            $( #[doc = $doc] #[doc = concat!(" DPDK: `", $dpdk, "`.")] $variant = $number, )*
        }

        impl Capability {
            /// Every capability, by number.
            pub const ALL: [Capability; [$($number),*].len()] = [$(Capability::$variant),*];

            /// The name used in profiles, tables and JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Capability::$variant => $name,)* }
            }

            /// What it is, in a line.
            pub const fn doc(self) -> &'static str {
                match self { $(Capability::$variant => $doc,)* }
            }

            /// DPDK's name for it; what DPDK does not switch, by its name where it is switched.
            pub const fn dpdk_name(self) -> &'static str {
                match self { $(Capability::$variant => $dpdk,)* }
            }
        }
    };
}

capabilities! {
    0 RxIpv4Checksum "rx_ipv4_checksum" "RTE_ETH_RX_OFFLOAD_IPV4_CKSUM" "Verifies the IPv4 header checksum of received frames."
    1 RxTcpChecksum "rx_tcp_checksum" "RTE_ETH_RX_OFFLOAD_TCP_CKSUM" "Verifies the TCP checksum of received frames, or vouches for data whose field is not finished."
    2 TxIpv4Checksum "tx_ipv4_checksum" "RTE_ETH_TX_OFFLOAD_IPV4_CKSUM" "Fills in the IPv4 header checksum of sent frames."
    3 TxTcpChecksum "tx_tcp_checksum" "RTE_ETH_TX_OFFLOAD_TCP_CKSUM" "Finishes the TCP checksum of sent frames from the pseudo-header sum."
    4 RxTimestamp "rx_timestamp" "RTE_ETH_RX_OFFLOAD_TIMESTAMP, RTE_MBUF_DYNFIELD_TIMESTAMP_NAME" "Stamps received frames by the NIC's clock (ticks, or ns where the clock is real time)."
    5 RxTimestampRealTime "rx_timestamp_real_time" "REAL_TIME_CLOCK_ENABLE (mlx5 firmware)" "Stamps by a clock that tells the time of day (ns since 1970), not by a free-running counter (ticks)."
    6 FlowSteering "flow_steering" "RTE_FLOW_ACTION_TYPE_QUEUE" "Sends frames to a queue by exact address and port."
    7 FlowMasked "flow_masked" "rte_flow_item.mask" "Takes rules that leave addresses or ports open, as a listener's do."
    8 FlowDrop "flow_drop" "RTE_FLOW_ACTION_TYPE_DROP" "Drops frames by rule."
    9 FlowMark "flow_mark" "RTE_FLOW_ACTION_TYPE_MARK" "Marks frames by rule (up to 32 bits)."
    10 FlowCount "flow_count" "RTE_FLOW_ACTION_TYPE_COUNT" "Counts frames and bytes by rule."
    11 FlowIsolation "flow_isolation" "rte_flow_isolate" "Keeps every frame that no rule names away from our queues."
    12 Rss "rss" "RTE_ETH_MQ_RX_RSS" "Spreads frames over queues by a hash of their addresses."
    13 FastFree "fast_free" "RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE" "Returns sent buffers to one pool without looking at each."
    14 Scatter "scatter" "RTE_ETH_RX_OFFLOAD_SCATTER" "Receives a frame longer than one buffer into several."
    15 Inlining "inlining" "txq_inline_max" "Copies short frames into the send descriptor itself (bytes)."
    16 CqeCompression "cqe_compression" "rxq_cqe_comp_en" "Packs completion entries on the bus; drops their stamps."
    17 Mprq "mprq" "mprq_en" "Receives many frames into one large buffer (bytes a stride)."
    18 RxVector "rx_vector" "rte_eth_rx_burst_mode_get" "Receives by the driver's vector path, several frames an instruction."
    19 Lro "lro" "RTE_ETH_RX_OFFLOAD_TCP_LRO" "Merges received segments. Always off: one frame must keep its own stamp and its own verdict."
    20 Tso "tso" "RTE_ETH_TX_OFFLOAD_TCP_TSO" "Splits large sends. Always off: a session's message is one segment, and its frame is ours to time."
    21 HeldFrames "held_frames" "rte_mbuf_refcnt_update" "Leaves us the frame of a prepared send until it is acknowledged: what is sent again goes out of it."
    22 TxTimestamp "tx_timestamp" "rte_eth_timesync_read_tx_timestamp" "Tells when sent frames left, by the NIC's clock (ticks, or ns where the clock is real time)."
}

impl Capability {
    /// How many there are.
    pub const COUNT: usize = Capability::ALL.len();

    /// Its fixed number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The capability called `name` in profiles.
    pub fn named(name: &str) -> Option<Capability> {
        Capability::ALL.into_iter().find(|capability| capability.name() == name)
    }

    /// Whether the engine never uses it, whatever a profile says. [`Capability::doc`] says why.
    pub const fn always_off(self) -> bool {
        matches!(self, Capability::Lro | Capability::Tso)
    }

    /// Whether it changes what a frame carries to or from the engine, so that software has to make up for
    /// it where the device does not.
    pub const fn is_on_the_data_path(self) -> bool {
        matches!(
            self,
            Capability::RxIpv4Checksum
                | Capability::RxTcpChecksum
                | Capability::TxIpv4Checksum
                | Capability::TxTcpChecksum
                | Capability::RxTimestamp
                | Capability::FlowSteering
                | Capability::FlowDrop
                | Capability::FlowMark
        )
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_positions_and_names_are_unique() {
        for (position, capability) in Capability::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(capability.number()), position);
            assert_eq!(Capability::named(capability.name()), Some(capability));
        }
        assert_eq!(Capability::named("rx_magic"), None);
    }

    #[test]
    fn each_capability_keeps_its_number_and_its_names() {
        // Written out once more: registers, profiles and DPDK have them from here.
        let fixed = [
            (0, "rx_ipv4_checksum", "RTE_ETH_RX_OFFLOAD_IPV4_CKSUM"),
            (1, "rx_tcp_checksum", "RTE_ETH_RX_OFFLOAD_TCP_CKSUM"),
            (2, "tx_ipv4_checksum", "RTE_ETH_TX_OFFLOAD_IPV4_CKSUM"),
            (3, "tx_tcp_checksum", "RTE_ETH_TX_OFFLOAD_TCP_CKSUM"),
            (4, "rx_timestamp", "RTE_ETH_RX_OFFLOAD_TIMESTAMP, RTE_MBUF_DYNFIELD_TIMESTAMP_NAME"),
            (5, "rx_timestamp_real_time", "REAL_TIME_CLOCK_ENABLE (mlx5 firmware)"),
            (6, "flow_steering", "RTE_FLOW_ACTION_TYPE_QUEUE"),
            (7, "flow_masked", "rte_flow_item.mask"),
            (8, "flow_drop", "RTE_FLOW_ACTION_TYPE_DROP"),
            (9, "flow_mark", "RTE_FLOW_ACTION_TYPE_MARK"),
            (10, "flow_count", "RTE_FLOW_ACTION_TYPE_COUNT"),
            (11, "flow_isolation", "rte_flow_isolate"),
            (12, "rss", "RTE_ETH_MQ_RX_RSS"),
            (13, "fast_free", "RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE"),
            (14, "scatter", "RTE_ETH_RX_OFFLOAD_SCATTER"),
            (15, "inlining", "txq_inline_max"),
            (16, "cqe_compression", "rxq_cqe_comp_en"),
            (17, "mprq", "mprq_en"),
            (18, "rx_vector", "rte_eth_rx_burst_mode_get"),
            (19, "lro", "RTE_ETH_RX_OFFLOAD_TCP_LRO"),
            (20, "tso", "RTE_ETH_TX_OFFLOAD_TCP_TSO"),
            (21, "held_frames", "rte_mbuf_refcnt_update"),
            (22, "tx_timestamp", "rte_eth_timesync_read_tx_timestamp"),
        ];
        let now = Capability::ALL.map(|known| (known.number(), known.name(), known.dpdk_name()));
        assert_eq!(now, fixed);
    }
}
