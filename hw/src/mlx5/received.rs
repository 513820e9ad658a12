//! What a completion entry says of a frame, and that in this project's words.

use fixwire_offload::clock::scale::ns_of_split;
use fixwire_offload::nic::{Parsed, RxMeta};
use fixwire_offload::stamp::{ClockId, Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::cqe::{
    AT_BYTE_COUNT, AT_WQE_COUNTER, CQE_LEN, STRIDES_MAX, bytes_at, put, u16_at, u32_at,
};
use super::flow_tag::FlowTag;
use super::words::{ByteCount, Headers, L3Header, L4Header, PacketInfo};

const AT_PACKET_INFO: usize = 0x00;
const AT_RSS_HASH: usize = 0x0c;
const AT_CHECK_SUM: usize = 0x14;
const AT_HEADERS: usize = 0x1c;
const AT_TIMESTAMP: usize = 0x30;
const AT_FLOW_TAG: usize = 0x38;

/// How many bits of a timestamp count. FreeBSD takes the last for a flag: stamped as the frame came in, and
/// not as the entry was written.
pub(super) const TIMESTAMP_BITS: u32 = 63;
const TIMESTAMP_MASK: u64 = (1 << TIMESTAMP_BITS) - 1;

/// What is said of a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// It is a tunnel's packet, and what is said of headers and sums is said of the inner one.
    pub tunneled: bool,
    /// By which it was spread over queues; 0 without.
    pub rss_hash: u32,
    /// The ones' complement sum over the whole packet, where the queue asks for it.
    pub check_sum: u16,
    /// The frame's link header is right.
    pub l2_ok: bool,
    /// The IP header is right, its checksum too.
    pub l3_ok: bool,
    /// The TCP or UDP checksum is right.
    pub l4_ok: bool,
    /// Which IP.
    pub l3: L3Header,
    /// Which transport.
    pub l4: L4Header,
    /// It is a fragment.
    pub fragment: bool,
    /// It has IPv4 options or IPv6 extension headers.
    pub ip_options: bool,
    /// The tag control information of the VLAN tag that was stripped, where one was.
    pub vlan: Option<u16>,
    /// The frame's length, in bytes.
    pub byte_cnt: u16,
    /// Of a multi-packet buffer, how many strides it took; 0 of a plain one.
    pub strides: u16,
    /// The timestamp as it stands: see [`ticks`](Received::ticks) and
    /// [`real_time_ns`](Received::real_time_ns).
    pub timestamp: u64,
    /// What a steering rule left.
    pub flow_tag: FlowTag,
    /// Which work request; of a multi-packet buffer, which stride.
    pub wqe_counter: u16,
}

/// What the timestamps of a queue are. The queue's context says (`ts_format`), not the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StampFormat {
    /// Ticks of the free-running counter.
    FreeRunning,
    /// Seconds and nanoseconds since 1970.
    RealTime,
}

/// Whose stamps a queue's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StampSource {
    /// The device's clock.
    pub clock: ClockId,
    /// Which life of it.
    pub generation: u16,
    /// What it writes.
    pub format: StampFormat,
}

impl Received {
    /// The timestamp of a queue that stamps by the free-running counter.
    pub const fn ticks(&self) -> u64 {
        self.timestamp & TIMESTAMP_MASK
    }

    /// The timestamp of a queue that stamps by the real-time clock, in nanoseconds since 1970; `None` where
    /// its lower word is no part of a second.
    pub const fn real_time_ns(&self) -> Option<u64> {
        ns_of_split(self.timestamp & TIMESTAMP_MASK)
    }

    /// What the device takes the frame for.
    pub const fn parsed(&self) -> Parsed {
        let is_ipv4_tcp = matches!(self.l3, L3Header::Ipv4) && self.l4.is_tcp();
        if is_ipv4_tcp && !self.fragment && !self.tunneled {
            Parsed::Ipv4Tcp
        } else {
            Parsed::Other
        }
    }

    /// What it says of the frame, with a stamp where it is said whose.
    ///
    /// Good or nothing: a device that finds a sum wrong leaves its bit clear, as it does where it did not
    /// look. Of a tunnel's packet the bits speak of the inner headers, and of ours nothing is known.
    pub fn meta(&self, queue: u16, stamps: Option<StampSource>) -> RxMeta {
        let says = |ok: bool| if ok && !self.tunneled { Verdict::Good } else { Verdict::Unknown };
        RxMeta {
            queue,
            mark: self.flow_tag.dpdk_mark(),
            vlan: self.vlan,
            parsed: self.parsed(),
            l3: says(self.l3_ok),
            l4: says(self.l4_ok),
            stamp: stamps.and_then(|source| self.stamp(source)),
            ..RxMeta::UNKNOWN
        }
    }

    fn stamp(&self, StampSource { clock, generation, format }: StampSource) -> Option<RxStamp> {
        let (domain, ticks) = match format {
            StampFormat::FreeRunning => (Domain::NicTicks, self.ticks()),
            StampFormat::RealTime => (Domain::NicNs, self.real_time_ns()?),
        };
        Some(RxStamp { clock, generation, domain, ticks })
    }

    pub(super) fn read(cqe: &[u8; CQE_LEN]) -> Received {
        let count = ByteCount::from_bits(u32_at(cqe, AT_BYTE_COUNT));
        let headers = Headers::from_bits(u32_at(cqe, AT_HEADERS));
        Received {
            tunneled: PacketInfo::from_bits(cqe[AT_PACKET_INFO]).tunneled(),
            rss_hash: u32_at(cqe, AT_RSS_HASH),
            check_sum: u16_at(cqe, AT_CHECK_SUM),
            l2_ok: headers.l2_ok(),
            l3_ok: headers.l3_ok(),
            l4_ok: headers.l4_ok(),
            l3: headers.l3(),
            l4: headers.l4(),
            fragment: headers.fragment(),
            ip_options: headers.ip_options(),
            vlan: headers.vlan_stripped().then_some(headers.vlan_info()),
            byte_cnt: count.bytes(),
            strides: count.strides(),
            timestamp: u64::from_be_bytes(bytes_at(cqe, AT_TIMESTAMP)),
            flow_tag: FlowTag::from_bits(u32_at(cqe, AT_FLOW_TAG)),
            wqe_counter: u16_at(cqe, AT_WQE_COUNTER),
        }
    }

    pub(super) fn write(&self, cqe: &mut [u8; CQE_LEN]) {
        let headers = Headers::new()
            .with_l2_ok(self.l2_ok)
            .with_l3_ok(self.l3_ok)
            .with_l4_ok(self.l4_ok)
            .with_l3(self.l3)
            .with_l4(self.l4)
            .with_fragment(self.fragment)
            .with_ip_options(self.ip_options)
            .with_vlan_stripped(self.vlan.is_some())
            .with_vlan_info(self.vlan.unwrap_or_default());
        let count =
            ByteCount::new().with_bytes(self.byte_cnt).with_strides(self.strides & STRIDES_MAX);
        cqe[AT_PACKET_INFO] = PacketInfo::new().with_tunneled(self.tunneled).into_bits();
        put(cqe, AT_RSS_HASH, self.rss_hash.to_be_bytes());
        put(cqe, AT_CHECK_SUM, self.check_sum.to_be_bytes());
        put(cqe, AT_HEADERS, headers.into_bits().to_be_bytes());
        put(cqe, AT_BYTE_COUNT, count.into_bits().to_be_bytes());
        put(cqe, AT_TIMESTAMP, self.timestamp.to_be_bytes());
        put(cqe, AT_FLOW_TAG, self.flow_tag.bits().to_be_bytes());
        put(cqe, AT_WQE_COUNTER, self.wqe_counter.to_be_bytes());
    }
}
