//! Offloads: DPDK's bits and our names for them, both ways, and what a driver says of a received frame.

use dpdk_sys as ffi;
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::driver::{Driver, IsolationOrder};
use fixwire_offload::flow::FlowLimits;
use fixwire_offload::nic::{Parsed, RxMeta, TxChecksum, TxMeta};
use fixwire_offload::plan::{Advert, Capabilities, Provider};
use fixwire_offload::profile::Queues;
use fixwire_offload::stamp::{ClockId, ClockInfo, Domain, RxStamp};
use fixwire_offload::verdict::Verdict;

use super::burst_mode;
use super::mbuf::{DynamicField, Mbuf, TxFlags};
use super::port::Info;
use super::routes::MLX5;
use crate::checksums::TCP_CHECKSUM_OFFSET;

/// What a driver says of a capability that it has by rules: that it has it, or why not.
pub(super) type SaidOfRules = (Capability, Result<(), String>);

/// A port's own clock: there is one.
pub(super) const CLOCK: ClockId = ClockId(1);
const NS_PER_S: u64 = 1_000_000_000;

/// An offload that a port says it has by a bit.
struct Bit {
    capability: Capability,
    rx: u64,
    tx: u64,
    /// DPDK's name for it.
    how: &'static str,
    /// The same where each queue has it.
    how_by_queue: &'static str,
}

macro_rules! bit {
    ($capability:ident, rx $name:ident) => {
        bit!($capability, ffi::$name as u64, 0, $name)
    };
    ($capability:ident, tx $name:ident) => {
        bit!($capability, 0, ffi::$name as u64, $name)
    };
    ($capability:ident, $rx:expr, $tx:expr, $name:ident) => {
        Bit {
            capability: Capability::$capability,
            rx: $rx,
            tx: $tx,
            how: concat!(stringify!($name), ", by port"),
            how_by_queue: concat!(stringify!($name), ", by queue"),
        }
    };
}

const BITS: [Bit; 9] = [
    bit!(RxIpv4Checksum, rx RTE_ETH_RX_OFFLOAD_IPV4_CKSUM),
    bit!(RxTcpChecksum, rx RTE_ETH_RX_OFFLOAD_TCP_CKSUM),
    bit!(TxIpv4Checksum, tx RTE_ETH_TX_OFFLOAD_IPV4_CKSUM),
    bit!(TxTcpChecksum, tx RTE_ETH_TX_OFFLOAD_TCP_CKSUM),
    bit!(RxTimestamp, rx RTE_ETH_RX_OFFLOAD_TIMESTAMP),
    bit!(FastFree, tx RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE),
    bit!(Scatter, rx RTE_ETH_RX_OFFLOAD_SCATTER),
    bit!(Lro, rx RTE_ETH_RX_OFFLOAD_TCP_LRO),
    bit!(Tso, tx RTE_ETH_TX_OFFLOAD_TCP_TSO),
];

/// Drivers of no hardware: what they do of a NIC's work they do in software.
const IN_SOFTWARE: [&str; 10] = [
    "net_af_packet",
    "net_af_xdp",
    "net_memif",
    "net_null",
    "net_pcap",
    "net_ring",
    "net_softnic",
    "net_tap",
    "net_vhost",
    "net_virtio_user",
];
/// The one that gives times of capture for stamps.
const PCAP: &str = "net_pcap";
/// Drivers that hand over sums which the sender never finished, as such.
const GIVES_NONE: [&str; 3] = ["net_vhost", "net_virtio", "net_virtio_user"];

/// Drivers that never give back the buffers that they fill their ring with at the start, not even when their port
/// is closed, nor then those of frames that the kernel has not sent: all that it was handed since the link went
/// (rte_eth_af_xdp.c, `xsk_configure`, `kick_tx` and `eth_dev_close`).
const KEEPS_BUFFERS: [&str; 1] = ["net_af_xdp"];

/// Whether every buffer is given back when the port is closed.
pub(super) fn gives_buffers_back(info: &Info) -> bool {
    !is_any_at_work(info, &KEEPS_BUFFERS)
}

/// Whether one of the drivers that do a port's work is one of these.
pub(super) fn is_any_at_work(info: &Info, drivers: &[&str]) -> bool {
    info.at_work.iter().any(|driver| drivers.contains(&driver.as_str()))
}

/// Who does what a driver says its port does: a NIC, unless every one of those who do its work is known to be none.
pub(super) fn provider(info: &Info) -> Provider {
    let in_software = |driver: &String| IN_SOFTWARE.into_iter().find(|known| known == driver);
    let all: Option<Vec<&str>> = info.at_work.iter().map(in_software).collect();
    let first = all.and_then(|all| all.first().copied());
    first.map_or(Provider::Nic, Provider::Driver)
}

/// What a port advertises: by its bits, by what it says of rules, by its arguments, and what will show in its bursts.
pub(super) fn advertised(
    info: &Info,
    by_rules: &[SaidOfRules],
    args: &str,
    queues: &Queues,
) -> Capabilities {
    let by = provider(info);
    let mut capabilities = burst_mode::capabilities(by_bits(info), by).switched(args, queues);
    if by_rules.is_empty() {
        return capabilities;
    }
    let taken = "rte_flow: the driver has the last word on each rule";
    for (capability, said) in by_rules {
        capabilities = match said {
            Ok(()) => capabilities.with(*capability, Advert { by, how: taken }),
            Err(words) => capabilities.denied(*capability, words.clone()),
        };
    }
    capabilities.flow =
        FlowLimits { device: "this port", queues: queues.rx, ..FlowLimits::SOFTWARE };
    if capabilities.driver.isolation == IsolationOrder::Never {
        capabilities.flow.isolation = false;
        capabilities
    } else {
        capabilities.with(Capability::FlowIsolation, Advert { by, how: "rte_flow_isolate" })
    }
}

/// What its driver is not told to do and does, by its own default and in silence.
pub(super) fn done_unasked(
    device: &Capabilities,
    plan: &Plan,
) -> Option<(Capability, Result<String, String>)> {
    let compression = Capability::CqeCompression;
    let is_left_on = device.advert(compression).is_some() && !plan.uses(compression);
    let words = "not asked for, and mlx5 does it of frames without stamps unless its devargs have rxq_cqe_comp_en=0";
    (is_left_on && !plan.uses(Capability::RxTimestamp)).then(|| (compression, Ok(words.to_owned())))
}

/// What a port's bits say.
fn by_bits(info: &Info) -> Capabilities {
    let driver = Driver::named(info.at_work.first().unwrap_or(&info.driver));
    let by = provider(info);
    let mut capabilities = Capabilities::of(driver);
    for Bit { capability, rx, tx, how, how_by_queue } in &BITS {
        let is_in = |offloads: [u64; 2]| offloads[0] & rx | offloads[1] & tx != 0;
        if is_in([info.rx.any(), info.tx.any()]) {
            let by_queue = is_in([info.rx.queue, info.tx.queue]);
            let how = if by_queue { how_by_queue } else { how };
            capabilities = capabilities.with(*capability, Advert { by, how });
        }
    }
    if stamps_unasked(info) {
        let how = "each frame's time of capture in µs, though net_pcap does not advertise it";
        capabilities = capabilities.with(Capability::RxTimestamp, Advert { by, how });
    }
    if info.driver == MLX5 && capabilities.advert(Capability::RxTimestamp).is_some() {
        let how = "if REAL_TIME_CLOCK_ENABLE is set in the firmware, which mlx5 does not tell";
        capabilities = capabilities.with(Capability::RxTimestampRealTime, Advert { by, how });
    }
    if gives_buffers_back(info) {
        let how = "a prepared order's mbuf has a second reference until it is acknowledged; all else is in the ring";
        capabilities = capabilities.with(Capability::HeldFrames, Advert { by, how });
    } else {
        let words = "the driver keeps buffers that it was handed".to_owned();
        capabilities = capabilities.denied(Capability::HeldFrames, words);
    }
    let words = "DPDK reads one sent frame's stamp at a time, and only of those that the driver takes for PTP's";
    capabilities = capabilities.denied(Capability::TxTimestamp, words.to_owned());
    capabilities.gives_none = is_any_at_work(info, &GIVES_NONE);
    capabilities
}

/// The clock that a port's stamps are by, as far as it is known before that has been looked for: its rate is 0 where
/// neither its driver nor the domain says it.
pub(super) fn stamped_by(info: &Info, plan: &Plan) -> ClockInfo {
    let (domain, ticks_per_s) = match info.driver.as_str() {
        // Since it advertises to (26.07), in nanoseconds, and before in microseconds.
        PCAP if stamps_unasked(info) => (Domain::Captured, 1_000_000),
        PCAP => (Domain::Captured, NS_PER_S),
        // Nanoseconds of a clock that nobody need have set.
        "net_ice" => (Domain::NicTicks, NS_PER_S),
        _ if plan.uses(Capability::RxTimestampRealTime) => (Domain::NicNs, NS_PER_S),
        _ => (Domain::NicTicks, 0),
    };
    ClockInfo { id: CLOCK, domain, ticks_per_s, bits: u64::BITS }
}

/// The bits of one capability: receive and transmit.
pub(super) fn bits_of(capability: Capability) -> (u64, u64) {
    let found = BITS.iter().find(|bit| bit.capability == capability);
    found.map_or((0, 0), |bit| (bit.rx, bit.tx))
}

/// The bits of what the plan leaves to the device: receive and transmit.
pub(super) fn asked(plan: &Plan) -> (u64, u64) {
    let used = BITS.iter().filter(|bit| plan.uses(bit.capability));
    used.fold((0, 0), |(rx, tx), bit| (rx | bit.rx, tx | bit.tx))
}

/// The bit by which a driver is told that it gets frames in several buffers, where it has it and loses nothing by it.
/// NICs' drivers leave their fastest ways of sending then, for what the engine never sends.
pub(super) fn chains(info: &Info) -> u64 {
    let is_nic = matches!(provider(info), Provider::Nic);
    let bit = u64::from(ffi::RTE_ETH_TX_OFFLOAD_MULTI_SEGS);
    if is_nic { 0 } else { info.tx.any() & bit }
}

/// Whether a driver stamps frames though it neither says so nor can be asked to.
fn stamps_unasked(info: &Info) -> bool {
    let (advertises, _) = bits_of(Capability::RxTimestamp);
    info.driver == PCAP && info.rx.any() & advertises == 0
}

/// What the plan leaves to a device that has not switched it on, though it was asked to: receive and transmit as read
/// back from it.
pub(super) fn left_off(
    plan: &Plan,
    info: &Info,
    on: (u64, u64),
) -> impl Iterator<Item = (Capability, String)> {
    let unasked = Some(Capability::RxTimestamp).filter(|_| stamps_unasked(info));
    let asked = BITS.iter().filter(|bit| plan.uses(bit.capability));
    asked
        .filter(move |bit| unasked != Some(bit.capability))
        .filter(move |bit| (bit.rx & !on.0) | (bit.tx & !on.1) != 0)
        .map(|bit| (bit.capability, "read back after it was asked for, it is off".to_owned()))
}

/// What is listened to of what a driver says of received frames.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listen {
    pub(super) ipv4: bool,
    pub(super) tcp: bool,
    pub(super) mark: bool,
    pub(super) stamp: Option<Stamping>,
}

/// Where in an mbuf the stamp is, and what says that it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamping {
    pub(super) field: DynamicField,
    pub(super) flag: u64,
    pub(super) domain: Domain,
}

impl Listen {
    /// What a received frame comes with.
    #[inline]
    pub(super) fn meta(&self, mbuf: &Mbuf, queue: u16) -> RxMeta {
        let flags = mbuf.ol_flags();
        let mut meta = RxMeta { queue, parsed: parsed(mbuf.packet_type()), ..RxMeta::UNKNOWN };
        if self.ipv4 {
            meta.l3 = ipv4_verdict(flags);
        }
        if self.tcp {
            meta.l4 = tcp_verdict(flags);
            if meta.l4 == Verdict::None {
                (meta.csum_start, meta.csum_offset) =
                    (tcp_at(mbuf.segment(0)), TCP_CHECKSUM_OFFSET);
            }
        }
        if flags & u64::from(ffi::RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 {
            meta.vlan = Some(mbuf.vlan_tci());
        }
        if self.mark && flags & u64::from(ffi::RTE_MBUF_F_RX_FDIR_ID) != 0 {
            meta.mark = Some(mbuf.mark());
        }
        if let Some(Stamping { field, flag, domain }) = self.stamp
            && flags & flag != 0
        {
            let ticks = mbuf.dynamic_u64(field);
            meta.stamp = Some(RxStamp { clock: CLOCK, generation: 0, domain, ticks });
        }
        meta
    }
}

/// Two bits each, four states (rte_mbuf_core.h).
#[inline]
fn ipv4_verdict(flags: u64) -> Verdict {
    match flags as u32 & ffi::RTE_MBUF_F_RX_IP_CKSUM_MASK {
        ffi::RTE_MBUF_F_RX_IP_CKSUM_GOOD => Verdict::Good,
        ffi::RTE_MBUF_F_RX_IP_CKSUM_BAD => Verdict::Bad,
        // Nobody leaves an IPv4 header unfinished for us: of "none", too, the bytes decide.
        _ => Verdict::Unknown,
    }
}

#[inline]
fn tcp_verdict(flags: u64) -> Verdict {
    match flags as u32 & ffi::RTE_MBUF_F_RX_L4_CKSUM_MASK {
        ffi::RTE_MBUF_F_RX_L4_CKSUM_GOOD => Verdict::Good,
        ffi::RTE_MBUF_F_RX_L4_CKSUM_BAD => Verdict::Bad,
        ffi::RTE_MBUF_F_RX_L4_CKSUM_NONE => Verdict::None,
        _ => Verdict::Unknown,
    }
}

#[inline]
fn parsed(packet_type: u32) -> Parsed {
    let l3 = packet_type & ffi::RTE_PTYPE_L3_MASK;
    let l4 = packet_type & ffi::RTE_PTYPE_L4_MASK;
    if packet_type & (ffi::RTE_PTYPE_L3_MASK | ffi::RTE_PTYPE_L4_MASK) == 0 {
        return Parsed::Unknown;
    }
    let is_ipv4 =
        [ffi::RTE_PTYPE_L3_IPV4, ffi::RTE_PTYPE_L3_IPV4_EXT, ffi::RTE_PTYPE_L3_IPV4_EXT_UNKNOWN]
            .contains(&l3);
    match l4 {
        ffi::RTE_PTYPE_L4_TCP if is_ipv4 => Parsed::Ipv4Tcp,
        // It looked no further than the network's header.
        0 if is_ipv4 => Parsed::Unknown,
        _ => Parsed::Other,
    }
}

/// Where TCP begins in an Ethernet frame with IPv4, whatever tags it has.
#[inline]
fn tcp_at(frame: &[u8]) -> u16 {
    const VLAN: [[u8; 2]; 2] = [
        (ffi::RTE_ETHER_TYPE_VLAN as u16).to_be_bytes(),
        (ffi::RTE_ETHER_TYPE_QINQ as u16).to_be_bytes(),
    ];
    let mut l3 = ffi::RTE_ETHER_HDR_LEN as usize;
    while frame.get(l3 - 2..l3).is_some_and(|ethertype| VLAN.iter().any(|tag| ethertype == tag)) {
        l3 += size_of::<ffi::rte_vlan_hdr>();
    }
    let header_len = frame.get(l3).map_or(0, |byte| usize::from(byte & 0x0f) * 4);
    u16::try_from(l3 + header_len).unwrap_or(u16::MAX)
}

/// Flags of frames to send, 64 bits each whatever type the headers' numbers come out as.
#[allow(clippy::unnecessary_cast, reason = "of bits below the 32nd the number is a u32")]
const TX_IPV4: u64 = ffi::RTE_MBUF_F_TX_IPV4 as u64;
#[allow(clippy::unnecessary_cast, reason = "the same")]
const TX_IP_CKSUM: u64 = ffi::RTE_MBUF_F_TX_IP_CKSUM as u64;
#[allow(clippy::unnecessary_cast, reason = "the same")]
const TX_TCP_CKSUM: u64 = ffi::RTE_MBUF_F_TX_TCP_CKSUM as u64;

/// The same, read back: lengths mean something where a sum is left to the driver.
#[inline]
pub(super) fn tx_meta(flags: TxFlags) -> TxMeta {
    let of = |flag| {
        if flags.ol_flags & flag == 0 { TxChecksum::Full } else { TxChecksum::Partial }
    };
    let (ipv4, tcp) = (of(TX_IP_CKSUM), of(TX_TCP_CKSUM));
    if (ipv4, tcp) == (TxChecksum::Full, TxChecksum::Full) {
        return TxMeta::default();
    }
    let TxFlags { l2_len, l3_len, l4_len, .. } = flags;
    TxMeta { l2_len, l3_len, l4_len, ipv4, tcp, stamp_token: 0 }
}

/// What a driver is told of a frame to send.
#[inline]
pub(super) fn tx_flags(meta: &TxMeta) -> TxFlags {
    let (ipv4, tcp) = (meta.ipv4 == TxChecksum::Partial, meta.tcp == TxChecksum::Partial);
    if !(ipv4 || tcp) {
        return TxFlags::default();
    }
    let mut ol_flags = TX_IPV4;
    if ipv4 {
        ol_flags |= TX_IP_CKSUM;
    }
    if tcp {
        ol_flags |= TX_TCP_CKSUM;
    }
    TxFlags { ol_flags, l2_len: meta.l2_len, l3_len: meta.l3_len, l4_len: meta.l4_len }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV4;

    use fixwire_offload::capability::Capability::{
        CqeCompression, FastFree, FlowCount, FlowDrop, FlowIsolation, FlowMark, FlowMasked,
        FlowSteering, Inlining, Lro, Mprq, RxTimestamp, RxTimestampRealTime, RxVector,
    };
    use fixwire_offload::flow::{FlowRule, OnMiss, RuleSet};
    use fixwire_offload::profile::{Policy, Profile};
    use fixwire_offload::toml_file::TomlFile;

    use super::super::port::Offloads;
    use super::*;
    use crate::sim::Model;

    /// What mlx5 says of a ConnectX-5 whose firmware has all that its driver asks for (mlx5_get_rx_port_offloads,
    /// mlx5_get_rx_queue_offloads, mlx5_get_tx_port_offloads; 22.11). Not read from one.
    fn connectx5() -> Info {
        let rx_port = ffi::RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
        let rx_queue = ffi::RTE_ETH_RX_OFFLOAD_SCATTER
            | ffi::RTE_ETH_RX_OFFLOAD_TIMESTAMP
            | ffi::RTE_ETH_RX_OFFLOAD_RSS_HASH
            | ffi::RTE_ETH_RX_OFFLOAD_BUFFER_SPLIT
            | ffi::RTE_ETH_RX_OFFLOAD_KEEP_CRC
            | ffi::RTE_ETH_RX_OFFLOAD_CHECKSUM
            | ffi::RTE_ETH_RX_OFFLOAD_VLAN_STRIP
            | ffi::RTE_ETH_RX_OFFLOAD_TCP_LRO;
        let tx = ffi::RTE_ETH_TX_OFFLOAD_MULTI_SEGS
            | ffi::RTE_ETH_TX_OFFLOAD_VLAN_INSERT
            | ffi::RTE_ETH_TX_OFFLOAD_IPV4_CKSUM
            | ffi::RTE_ETH_TX_OFFLOAD_UDP_CKSUM
            | ffi::RTE_ETH_TX_OFFLOAD_TCP_CKSUM
            | ffi::RTE_ETH_TX_OFFLOAD_TCP_TSO
            | ffi::RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
        let rx_queue = u64::from(rx_queue);
        Info {
            driver: MLX5.to_owned(),
            at_work: vec![MLX5.to_owned()],
            rx: Offloads { port: u64::from(rx_port) | rx_queue, queue: rx_queue },
            tx: Offloads { port: u64::from(tx), queue: 0 },
            rx_queues_max: 1024,
            tx_queues_max: 1024,
            node: None,
            interface: 0,
            tells_of_link: false,
        }
    }

    const BY_RULES: [SaidOfRules; 5] = [
        (FlowSteering, Ok(())),
        (FlowMasked, Ok(())),
        (FlowDrop, Ok(())),
        (FlowMark, Ok(())),
        (FlowCount, Ok(())),
    ];

    fn profile(more: &str) -> Profile {
        let text = format!("extends = \"connectx5\"\n{more}");
        let file = TomlFile { name: "desk".into(), path: "desk.toml".into(), text };
        Profile::read(&file, &mut |_, _| Err("none".into())).unwrap().profile
    }

    /// The plan for a port that says what a ConnectX-5 says, and for the model.
    fn plans(profile: &Profile) -> [Plan; 2] {
        let (args, queues) = (profile.devargs.as_str(), &profile.queues);
        let port = advertised(&connectx5(), &BY_RULES, args, queues);
        let model = Model::named("connectx5").unwrap().capabilities.switched(args, queues);
        let [local, peer]: [SocketAddrV4; 2] =
            ["10.9.0.2:40000", "10.9.0.1:9878"].map(|at| at.parse().unwrap());
        let rules = vec![FlowRule::connection(peer, local, 0), FlowRule::listener(local, 0)];
        let rules = RuleSet::new(rules, OnMiss::Queue(0)).unwrap();
        [port, model].map(|device| {
            Plan::negotiate("test", profile, &device).steered_by(rules.clone(), &device.flow)
        })
    }

    #[test]
    fn a_connectx5_s_plan_is_that_of_its_model() {
        let plain = "[device]\ndevargs = \"\"\n";
        let timeless = "[offloads]\nrx_timestamp = \"off\"\nrx_vector = \"require\"\n";
        let many = "[queues]\nrx = 16\ntx = 16\n[offloads]\nmprq = \"prefer\"\ncqe_compression = \"prefer\"\n\
                    [device]\ndevargs = \"mprq_en=1\"\n";
        for more in ["", plain, timeless, many] {
            let profile = profile(more);
            let [port, model] = plans(&profile);
            for (port, model) in port.rows().iter().zip(model.rows()) {
                let of = port.capability;
                assert_eq!(
                    (port.policy, port.configured, port.outcome),
                    (model.policy, model.configured, model.outcome),
                    "{of} with {more:?}"
                );
                // The model is of a NIC without a real-time clock, which is not asked for here.
                if of != RxTimestampRealTime {
                    assert_eq!(port.advertised, model.advertised, "{of} with {more:?}");
                }
                if !port.configured && port.policy != Policy::Off {
                    assert_eq!(port.reason, model.reason, "with {more:?}");
                }
            }
            assert_eq!(port.device_rules(), model.device_rules());
        }
    }

    #[test]
    fn what_a_driver_in_software_does_is_no_nic_s_behind_another_either() {
        for (at_work, by) in [
            (&["net_tap"][..], Provider::Driver("net_tap")),
            (&["net_vhost", "net_tap"], Provider::Driver("net_vhost")),
            (&["net_tap", ""], Provider::Nic),
            (&[MLX5], Provider::Nic),
        ] {
            let at_work = at_work.iter().map(ToString::to_string).collect();
            let info = Info { driver: "net_failsafe".to_owned(), at_work, ..connectx5() };
            let advert = by_bits(&info).advert(Capability::TxTcpChecksum).unwrap();
            assert_eq!(advert.by, by, "{:?}", info.at_work);
        }
    }

    #[test]
    fn what_decides_latency_on_a_connectx5_is_in_its_plan() {
        let [port, _] = plans(&profile(""));
        for on in [RxVector, Inlining, FastFree, RxTimestamp, FlowIsolation] {
            assert!(port.uses(on), "{:?}", port.row(on));
        }
        for off in [CqeCompression, Mprq, Lro] {
            assert!(!port.uses(off), "{:?}", port.row(off));
        }
        let [port, _] = plans(&profile("[device]\ndevargs = \"\"\n"));
        let reason = &port.row(Inlining).reason;
        assert!(reason.contains("write txqs_min_inline=0 into the devargs"), "{reason}");
    }

    #[test]
    fn a_default_of_mlx5_s_that_nobody_asked_for_is_told_where_stamps_do_not_undo_it() {
        for (more, is_told) in [
            ("", false),
            ("[device]\ndevargs = \"\"\n", false),
            ("[device]\ndevargs = \"\"\n[offloads]\nrx_timestamp = \"off\"\n", true),
        ] {
            let profile = profile(more);
            let device = advertised(&connectx5(), &BY_RULES, &profile.devargs, &profile.queues);
            let plan = Plan::negotiate("test", &profile, &device);
            assert_eq!(done_unasked(&device, &plan).is_some(), is_told, "{more}");
        }
    }
}
