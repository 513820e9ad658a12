//! A rule in DPDK's words: its attributes, the items of its pattern and its actions (rte_flow.h).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::zeroed;
use std::net::Ipv4Addr;
use std::ptr;

use dpdk_sys as ffi;
use dpdk_sys::{rte_flow_action_type as action_type, rte_flow_item_type as item_type};
use fixwire_offload::flow::{AddrMatch, Carries, Fate, FlowRule, Pattern, TcpMatch};

pub(super) const END_OF_ACTIONS: ffi::rte_flow_action =
    ffi::rte_flow_action { type_: action_type::RTE_FLOW_ACTION_TYPE_END, conf: ptr::null() };

pub(super) fn action(type_: action_type::Type, conf: *const c_void) -> ffi::rte_flow_action {
    ffi::rte_flow_action { type_, conf }
}

fn item(type_: item_type::Type, spec: *const c_void, mask: *const c_void) -> ffi::rte_flow_item {
    ffi::rte_flow_item { type_, spec, last: ptr::null(), mask }
}

/// A rule in DPDK's words: what its patterns and actions point at.
pub(super) struct Lowered {
    priority: u32,
    /// Where the link's header says alone what the frame carries: ARP.
    eth: Option<[ffi::rte_flow_item_eth; 2]>,
    vlan: Option<[ffi::rte_flow_item_vlan; 2]>,
    /// Not there in a rule for ARP; without a field, IPv4 is named alone.
    ipv4: Option<Option<[ffi::rte_flow_item_ipv4; 2]>>,
    /// Without a port, TCP is named alone.
    tcp: Option<Option<[ffi::rte_flow_item_tcp; 2]>>,
    mark: Option<ffi::rte_flow_action_mark>,
    count: Option<ffi::rte_flow_action_count>,
    queue: Option<ffi::rte_flow_action_queue>,
}

impl Lowered {
    pub(super) fn of(rule: &FlowRule) -> Lowered {
        let FlowRule { priority, pattern, actions } = rule;
        let is_arp = pattern.carries == Carries::Arp;
        Lowered {
            priority: *priority,
            eth: (is_arp && pattern.vlan.is_none()).then(eth_spec_and_mask),
            vlan: pattern.vlan.map(|vlan| vlan_spec_and_mask(vlan.number(), is_arp)),
            ipv4: (!is_arp).then(|| ipv4_spec_and_mask(pattern)),
            tcp: match pattern.carries {
                Carries::Tcp(tcp) => Some(tcp_spec_and_mask(tcp)),
                Carries::Any | Carries::Icmp | Carries::Arp => None,
            },
            mark: actions.mark.map(|id| ffi::rte_flow_action_mark { id }),
            count: actions.count.then(ffi::rte_flow_action_count::default),
            queue: match actions.fate {
                Fate::Queue(index) => Some(ffi::rte_flow_action_queue { index }),
                Fate::Drop => None,
            },
        }
    }

    pub(super) fn attributes(&self) -> ffi::rte_flow_attr {
        let mut attributes = ffi::rte_flow_attr { priority: self.priority, ..Default::default() };
        attributes.set_ingress(1);
        attributes
    }

    pub(super) fn items(&self) -> Vec<ffi::rte_flow_item> {
        let [eth, vlan, ipv4, tcp, end] = [
            item_type::RTE_FLOW_ITEM_TYPE_ETH,
            item_type::RTE_FLOW_ITEM_TYPE_VLAN,
            item_type::RTE_FLOW_ITEM_TYPE_IPV4,
            item_type::RTE_FLOW_ITEM_TYPE_TCP,
            item_type::RTE_FLOW_ITEM_TYPE_END,
        ];
        let mut items = vec![maybe_with(eth, self.eth.as_ref())];
        items.extend(self.vlan.as_ref().map(|both| with(vlan, both)));
        items.extend(self.ipv4.as_ref().map(|fields| maybe_with(ipv4, fields.as_ref())));
        items.extend(self.tcp.as_ref().map(|ports| maybe_with(tcp, ports.as_ref())));
        items.push(item(end, ptr::null(), ptr::null()));
        items
    }

    pub(super) fn actions(&self) -> Vec<ffi::rte_flow_action> {
        let mut actions = Vec::with_capacity(4);
        actions.extend(
            self.mark
                .as_ref()
                .map(|mark| action(action_type::RTE_FLOW_ACTION_TYPE_MARK, pointer(mark))),
        );
        actions.extend(
            self.count
                .as_ref()
                .map(|count| action(action_type::RTE_FLOW_ACTION_TYPE_COUNT, pointer(count))),
        );
        actions.push(match &self.queue {
            Some(queue) => action(action_type::RTE_FLOW_ACTION_TYPE_QUEUE, pointer(queue)),
            None => action(action_type::RTE_FLOW_ACTION_TYPE_DROP, ptr::null()),
        });
        actions.push(END_OF_ACTIONS);
        actions
    }
}

pub(super) fn pointer<T>(to: &T) -> *const c_void {
    ptr::from_ref(to).cast()
}

fn with<T>(kind: item_type::Type, [spec, mask]: &[T; 2]) -> ffi::rte_flow_item {
    item(kind, pointer(spec), pointer(mask))
}

/// Without a spec where none is given.
fn maybe_with<T>(kind: item_type::Type, both: Option<&[T; 2]>) -> ffi::rte_flow_item {
    both.map_or_else(|| item(kind, ptr::null(), ptr::null()), |both| with(kind, both))
}

const ETHERTYPE_ARP: u16 = ffi::RTE_ETHER_TYPE_ARP as u16;
const PROTOCOL_ICMP: u8 = ffi::IPPROTO_ICMP as u8;

/// ARP, by the type in the link's header. Fields are in the order of the network.
fn eth_spec_and_mask() -> [ffi::rte_flow_item_eth; 2] {
    [ETHERTYPE_ARP, u16::MAX].map(|ether_type| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_eth = unsafe { zeroed() };
        let none = ffi::rte_ether_addr::default();
        let ether_type = ether_type.to_be();
        item.__bindgen_anon_1.hdr =
            ffi::rte_ether_hdr { dst_addr: none, src_addr: none, ether_type };
        item
    })
}

/// A VLAN, and ARP by the type in its tag.
fn vlan_spec_and_mask(vlan: u16, is_arp: bool) -> [ffi::rte_flow_item_vlan; 2] {
    const VLAN_BITS: u16 = 0x0fff;
    [(vlan, ETHERTYPE_ARP), (VLAN_BITS, u16::MAX)].map(|(tci, ether_type)| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_vlan = unsafe { zeroed() };
        let eth_proto = if is_arp { ether_type.to_be() } else { 0 };
        item.__bindgen_anon_1.hdr = ffi::rte_vlan_hdr { vlan_tci: tci.to_be(), eth_proto };
        item
    })
}

/// `None` for any source, destination and protocol. TCP is an item of its own.
fn ipv4_spec_and_mask(pattern: &Pattern) -> Option<[ffi::rte_flow_item_ipv4; 2]> {
    let (src, dst) = (pattern.src, pattern.dst);
    let is_icmp = pattern.carries == Carries::Icmp;
    if (src, dst) == (AddrMatch::ANY, AddrMatch::ANY) && !is_icmp {
        return None;
    }
    let item = |src: Ipv4Addr, dst: Ipv4Addr, protocol: u8| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_ipv4 = unsafe { zeroed() };
        item.hdr.src_addr = src.to_bits().to_be();
        item.hdr.dst_addr = dst.to_bits().to_be();
        item.hdr.next_proto_id = if is_icmp { protocol } else { 0 };
        item
    };
    Some([item(src.spec(), dst.spec(), PROTOCOL_ICMP), item(src.mask(), dst.mask(), u8::MAX)])
}

/// `None` for any ports.
fn tcp_spec_and_mask(tcp: TcpMatch) -> Option<[ffi::rte_flow_item_tcp; 2]> {
    if tcp == TcpMatch::ANY {
        return None;
    }
    let item = |src: u16, dst: u16| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_tcp = unsafe { zeroed() };
        item.hdr.src_port = src.to_be();
        item.hdr.dst_port = dst.to_be();
        item
    };
    let TcpMatch { src_port, dst_port } = tcp;
    Some([item(src_port.spec(), dst_port.spec()), item(src_port.mask(), dst_port.mask())])
}

#[cfg(test)]
mod tests {
    use fixwire_offload::flow::{Pattern, PortMatch, VlanId};

    use super::*;

    /// What a pattern or action points at, as bytes.
    fn bytes<T>(value: &T) -> &[u8] {
        // SAFETY: these types are made of numbers without gaps, written whole.
        unsafe { std::slice::from_raw_parts(ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
    }

    #[test]
    fn a_rule_is_lowered_item_by_item_in_the_order_of_the_network() {
        let tcp = TcpMatch { src_port: PortMatch::exact(9878), dst_port: PortMatch::ANY };
        let pattern = Pattern {
            vlan: VlanId::new(42),
            src: AddrMatch::exact([10, 9, 0, 1].into()),
            dst: AddrMatch::prefix([10, 9, 0, 0].into(), 24),
            carries: Carries::Tcp(tcp),
        };
        let rule = FlowRule::new(pattern, Fate::Queue(3)).at_priority(2).marked(7).counted();
        let lowered = Lowered::of(&rule);
        let kinds: Vec<_> = lowered.items().iter().map(|item| item.type_).collect();
        assert_eq!(
            kinds,
            [
                item_type::RTE_FLOW_ITEM_TYPE_ETH,
                item_type::RTE_FLOW_ITEM_TYPE_VLAN,
                item_type::RTE_FLOW_ITEM_TYPE_IPV4,
                item_type::RTE_FLOW_ITEM_TYPE_TCP,
                item_type::RTE_FLOW_ITEM_TYPE_END,
            ]
        );
        let [vlan, vlan_mask] = lowered.vlan.as_ref().unwrap();
        assert_eq!((&bytes(vlan)[..2], &bytes(vlan_mask)[..2]), (&[0, 42][..], &[0x0f, 0xff][..]));
        let [ipv4, ipv4_mask] = lowered.ipv4.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(bytes(ipv4)[12..20], [10, 9, 0, 1, 10, 9, 0, 0]);
        assert_eq!(bytes(ipv4_mask)[12..20], [255, 255, 255, 255, 255, 255, 255, 0]);
        assert!(bytes(ipv4_mask)[..12].iter().all(|byte| *byte == 0), "no other field");
        let [tcp, tcp_mask] = lowered.tcp.as_ref().unwrap().as_ref().unwrap();
        assert_eq!(bytes(tcp)[..4], [0x26, 0x96, 0, 0]);
        assert_eq!(bytes(tcp_mask)[..4], [0xff, 0xff, 0, 0]);
        let kinds: Vec<_> = lowered.actions().iter().map(|action| action.type_).collect();
        assert_eq!(
            kinds,
            [
                action_type::RTE_FLOW_ACTION_TYPE_MARK,
                action_type::RTE_FLOW_ACTION_TYPE_COUNT,
                action_type::RTE_FLOW_ACTION_TYPE_QUEUE,
                action_type::RTE_FLOW_ACTION_TYPE_END,
            ]
        );
        assert_eq!((lowered.mark.unwrap().id, lowered.queue.unwrap().index), (7, 3));
        let attributes = lowered.attributes();
        assert_eq!((attributes.priority, attributes.ingress(), attributes.egress()), (2, 1, 0));
    }

    #[test]
    fn arp_is_named_by_the_link_and_icmp_by_ipv4() {
        let kinds = |lowered: &Lowered| -> Vec<_> {
            lowered.items().iter().map(|item| item.type_).collect()
        };
        let arp = FlowRule::new(Pattern::ARP, Fate::Queue(0));
        let lowered = Lowered::of(&arp);
        let (eth, vlan, ipv4, end) = (
            item_type::RTE_FLOW_ITEM_TYPE_ETH,
            item_type::RTE_FLOW_ITEM_TYPE_VLAN,
            item_type::RTE_FLOW_ITEM_TYPE_IPV4,
            item_type::RTE_FLOW_ITEM_TYPE_END,
        );
        assert_eq!(kinds(&lowered), [eth, end]);
        let [spec, mask] = lowered.eth.as_ref().unwrap();
        assert_eq!((&bytes(spec)[..12], &bytes(spec)[12..14]), (&[0; 12][..], &[8, 6][..]));
        assert_eq!((&bytes(mask)[..12], &bytes(mask)[12..14]), (&[0; 12][..], &[255; 2][..]));
        let lowered = Lowered::of(&arp.in_vlan(VlanId::new(42).unwrap()));
        assert_eq!(kinds(&lowered), [eth, vlan, end]);
        assert!(lowered.eth.is_none());
        let [spec, mask] = lowered.vlan.as_ref().unwrap();
        assert_eq!(
            (&bytes(spec)[..4], &bytes(mask)[..4]),
            (&[0, 42, 8, 6][..], &[15, 255, 255, 255][..])
        );
        let lowered = Lowered::of(&FlowRule::new(Pattern::ICMP, Fate::Queue(0)));
        assert_eq!(kinds(&lowered), [eth, ipv4, end]);
        let [spec, mask] = lowered.ipv4.as_ref().unwrap().as_ref().unwrap();
        assert_eq!((bytes(spec)[9], bytes(mask)[9]), (1, 255));
        assert!(bytes(mask)[10..20].iter().chain(&bytes(mask)[..9]).all(|byte| *byte == 0));
    }

    #[test]
    fn what_matches_all_has_no_spec_and_a_drop_no_queue() {
        let lowered = Lowered::of(&FlowRule::new(Pattern::IPV4, Fate::Drop));
        assert!(lowered.items()[1].spec.is_null() && lowered.items()[1].mask.is_null());
        assert_eq!(lowered.items().len(), 3);
        assert_eq!(lowered.actions()[0].type_, action_type::RTE_FLOW_ACTION_TYPE_DROP);
    }
}
