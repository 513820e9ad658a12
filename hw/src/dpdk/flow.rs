//! Steering rules as a driver takes them (rte_flow.h).
#![allow(unsafe_code)]

use std::ffi::{CStr, c_void};
use std::mem::zeroed;
use std::ptr::{self, NonNull};

use dpdk_sys as ffi;
use dpdk_sys::{rte_flow_action_type as action_type, rte_flow_item_type as item_type};
use fixwire_offload::flow::{AddrMatch, Count, Fate, FlowRule, RuleSet, TcpMatch};

use super::error::Errno;

/// The rules that a port has, of ours. They are to be [withdrawn](Rules::withdraw) before it stops, and go with this.
#[derive(Debug)]
pub(super) struct Rules {
    port: u16,
    installed: Vec<Installed>,
}

#[derive(Debug)]
struct Installed {
    handle: NonNull<ffi::rte_flow>,
    counts: bool,
}

/// What a driver says when it refuses: of which part, in its words.
fn in_words(answer: i32, error: &ffi::rte_flow_error) -> String {
    let errno = Errno::of(answer);
    let message = if error.message.is_null() {
        String::new()
    } else {
        // SAFETY: a driver's message is a C string that lives as long as the driver.
        format!("{}, ", unsafe { CStr::from_ptr(error.message) }.to_string_lossy())
    };
    format!("{message}{errno}, about {}", part(error.type_))
}

/// The part of a rule that an error is about (`rte_flow_error_type`).
fn part(kind: ffi::rte_flow_error_type::Type) -> &'static str {
    use ffi::rte_flow_error_type as kinds;
    match kind {
        kinds::RTE_FLOW_ERROR_TYPE_HANDLE => "the rule's handle",
        kinds::RTE_FLOW_ERROR_TYPE_ATTR_GROUP => "its group",
        kinds::RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY => "its priority",
        kinds::RTE_FLOW_ERROR_TYPE_ATTR_INGRESS | kinds::RTE_FLOW_ERROR_TYPE_ATTR => {
            "its attributes"
        }
        kinds::RTE_FLOW_ERROR_TYPE_ITEM_NUM => "the length of its pattern",
        kinds::RTE_FLOW_ERROR_TYPE_ITEM_SPEC => "a value in its pattern",
        kinds::RTE_FLOW_ERROR_TYPE_ITEM_LAST => "a range in its pattern",
        kinds::RTE_FLOW_ERROR_TYPE_ITEM_MASK => "a mask in its pattern",
        kinds::RTE_FLOW_ERROR_TYPE_ITEM => "a part of its pattern",
        kinds::RTE_FLOW_ERROR_TYPE_ACTION_NUM => "how many actions it has",
        kinds::RTE_FLOW_ERROR_TYPE_ACTION_CONF => "what an action is given",
        kinds::RTE_FLOW_ERROR_TYPE_ACTION => "one of its actions",
        _ => "the whole",
    }
}

fn no_error() -> ffi::rte_flow_error {
    // SAFETY: it is made of numbers and pointers, for which zero is a value.
    unsafe { zeroed() }
}

/// Whether a port's driver has rules at all: it says ENOSYS otherwise.
pub(super) fn has_rules(port: u16) -> bool {
    let pattern = Lowered::of(&FlowRule::new(fixwire_offload::flow::Pattern::TCP, Fate::Queue(0)));
    pattern.validate(port) != -libc::ENOSYS
}

/// Keeps frames that no rule matches away from a port's queues, or lets them in.
pub(super) fn isolate(port: u16, isolated: bool) -> Result<(), String> {
    let mut error = no_error();
    // SAFETY: `error` is a whole one to write to.
    let answer = unsafe { ffi::rte_flow_isolate(port, i32::from(isolated), &raw mut error) };
    if answer == 0 { Ok(()) } else { Err(in_words(answer, &error)) }
}

impl Rules {
    /// None so far.
    pub(super) fn none(port: u16) -> Rules {
        Rules { port, installed: Vec::new() }
    }

    /// Installs all of a set in place of those that were there, or none of it.
    pub(super) fn install(&mut self, set: &RuleSet) -> Result<(), String> {
        self.withdraw();
        for (number, rule) in set.rules().iter().enumerate() {
            match Lowered::of(rule).create(self.port) {
                Ok(handle) => {
                    self.installed.push(Installed { handle, counts: rule.actions.count });
                }
                Err(why) => {
                    self.withdraw();
                    return Err(format!("rule {number} ({rule}): {why}"));
                }
            }
        }
        Ok(())
    }

    /// Takes every rule away again, the last one first; one that does not go takes all of the port's with it.
    pub(super) fn withdraw(&mut self) {
        let mut stays = false;
        for Installed { handle, .. } in self.installed.drain(..).rev() {
            let mut error = no_error();
            // SAFETY: the handle is of this port's driver, and is not used again.
            let answer =
                unsafe { ffi::rte_flow_destroy(self.port, handle.as_ptr(), &raw mut error) };
            stays |= answer != 0;
        }
        if stays {
            let mut error = no_error();
            // SAFETY: nobody else has rules on this port, and no handle of ours is left.
            let _ = unsafe { ffi::rte_flow_flush(self.port, &raw mut error) };
        }
    }

    /// What a rule has counted, if it does.
    pub(super) fn count(&self, rule: usize) -> Option<Count> {
        let Installed { handle, counts } = self.installed.get(rule)?;
        if !counts {
            return None;
        }
        // SAFETY: both are made of numbers and pointers, for which zero is a value.
        let (mut query, mut error): (ffi::rte_flow_query_count, _) =
            unsafe { (zeroed(), no_error()) };
        let actions =
            [action(action_type::RTE_FLOW_ACTION_TYPE_COUNT, ptr::null()), END_OF_ACTIONS];
        // SAFETY: the handle is of a rule that is installed; the query is what this action is asked by.
        let answer = unsafe {
            ffi::rte_flow_query(
                self.port,
                handle.as_ptr(),
                actions.as_ptr(),
                (&raw mut query).cast::<c_void>(),
                &raw mut error,
            )
        };
        (answer == 0).then_some(Count { hits: query.hits, bytes: query.bytes })
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        self.withdraw();
    }
}

const END_OF_ACTIONS: ffi::rte_flow_action =
    ffi::rte_flow_action { type_: action_type::RTE_FLOW_ACTION_TYPE_END, conf: ptr::null() };

fn action(type_: action_type::Type, conf: *const c_void) -> ffi::rte_flow_action {
    ffi::rte_flow_action { type_, conf }
}

fn item(type_: item_type::Type, spec: *const c_void, mask: *const c_void) -> ffi::rte_flow_item {
    ffi::rte_flow_item { type_, spec, last: ptr::null(), mask }
}

/// A rule in DPDK's words: what its patterns and actions point at.
struct Lowered {
    priority: u32,
    vlan: Option<[ffi::rte_flow_item_vlan; 2]>,
    ipv4: Option<[ffi::rte_flow_item_ipv4; 2]>,
    /// Without a port, TCP is named alone.
    tcp: Option<Option<[ffi::rte_flow_item_tcp; 2]>>,
    mark: Option<ffi::rte_flow_action_mark>,
    count: Option<ffi::rte_flow_action_count>,
    queue: Option<ffi::rte_flow_action_queue>,
}

impl Lowered {
    fn of(rule: &FlowRule) -> Lowered {
        let FlowRule { priority, pattern, actions } = rule;
        Lowered {
            priority: *priority,
            vlan: pattern.vlan.map(|vlan| vlan_spec_and_mask(vlan.number())),
            ipv4: ipv4_spec_and_mask(pattern.src, pattern.dst),
            tcp: pattern.tcp.map(tcp_spec_and_mask),
            mark: actions.mark.map(|id| ffi::rte_flow_action_mark { id }),
            count: actions.count.then(ffi::rte_flow_action_count::default),
            queue: match actions.fate {
                Fate::Queue(index) => Some(ffi::rte_flow_action_queue { index }),
                Fate::Drop => None,
            },
        }
    }

    fn attributes(&self) -> ffi::rte_flow_attr {
        let mut attributes = ffi::rte_flow_attr { priority: self.priority, ..Default::default() };
        attributes.set_ingress(1);
        attributes
    }

    fn items(&self) -> Vec<ffi::rte_flow_item> {
        let [eth, vlan, ipv4, tcp, end] = [
            item_type::RTE_FLOW_ITEM_TYPE_ETH,
            item_type::RTE_FLOW_ITEM_TYPE_VLAN,
            item_type::RTE_FLOW_ITEM_TYPE_IPV4,
            item_type::RTE_FLOW_ITEM_TYPE_TCP,
            item_type::RTE_FLOW_ITEM_TYPE_END,
        ];
        let bare = |kind| item(kind, ptr::null(), ptr::null());
        let mut items = vec![bare(eth)];
        items.extend(self.vlan.as_ref().map(|both| with(vlan, both)));
        items.push(self.ipv4.as_ref().map_or_else(|| bare(ipv4), |both| with(ipv4, both)));
        items.extend(
            self.tcp
                .as_ref()
                .map(|ports| ports.as_ref().map_or_else(|| bare(tcp), |both| with(tcp, both))),
        );
        items.push(bare(end));
        items
    }

    fn actions(&self) -> Vec<ffi::rte_flow_action> {
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

    /// What the driver answers to whether it would take it.
    fn validate(&self, port: u16) -> i32 {
        let (attributes, items, actions) = (self.attributes(), self.items(), self.actions());
        let mut error = no_error();
        // SAFETY: pattern and actions end as they must, and what they point at is `self`'s.
        unsafe {
            ffi::rte_flow_validate(
                port,
                &raw const attributes,
                items.as_ptr(),
                actions.as_ptr(),
                &raw mut error,
            )
        }
    }

    fn create(&self, port: u16) -> Result<NonNull<ffi::rte_flow>, String> {
        let (attributes, items, actions) = (self.attributes(), self.items(), self.actions());
        let mut error = no_error();
        // SAFETY: pattern and actions end as they must, and what they point at is `self`'s.
        let handle = unsafe {
            ffi::rte_flow_create(
                port,
                &raw const attributes,
                items.as_ptr(),
                actions.as_ptr(),
                &raw mut error,
            )
        };
        NonNull::new(handle).ok_or_else(|| in_words(super::eal::errno().number(), &error))
    }
}

fn pointer<T>(to: &T) -> *const c_void {
    ptr::from_ref(to).cast()
}

fn with<T>(kind: item_type::Type, [spec, mask]: &[T; 2]) -> ffi::rte_flow_item {
    item(kind, pointer(spec), pointer(mask))
}

/// Fields are in the order of the network.
fn vlan_spec_and_mask(vlan: u16) -> [ffi::rte_flow_item_vlan; 2] {
    const VLAN_BITS: u16 = 0x0fff;
    [vlan, VLAN_BITS].map(|tci| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_vlan = unsafe { zeroed() };
        item.__bindgen_anon_1.hdr = ffi::rte_vlan_hdr { vlan_tci: tci.to_be(), eth_proto: 0 };
        item
    })
}

/// `None` for any source and destination.
fn ipv4_spec_and_mask(src: AddrMatch, dst: AddrMatch) -> Option<[ffi::rte_flow_item_ipv4; 2]> {
    if (src, dst) == (AddrMatch::ANY, AddrMatch::ANY) {
        return None;
    }
    let item = |src: std::net::Ipv4Addr, dst: std::net::Ipv4Addr| {
        // SAFETY: it is made of numbers, for which zero is a value.
        let mut item: ffi::rte_flow_item_ipv4 = unsafe { zeroed() };
        item.hdr.src_addr = src.to_bits().to_be();
        item.hdr.dst_addr = dst.to_bits().to_be();
        item
    };
    Some([item(src.spec(), dst.spec()), item(src.mask(), dst.mask())])
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
            tcp: Some(tcp),
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
        let [ipv4, ipv4_mask] = lowered.ipv4.as_ref().unwrap();
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
    fn what_matches_all_has_no_spec_and_a_drop_no_queue() {
        let lowered = Lowered::of(&FlowRule::new(Pattern::IPV4, Fate::Drop));
        assert!(lowered.items()[1].spec.is_null() && lowered.items()[1].mask.is_null());
        assert_eq!(lowered.items().len(), 3);
        assert_eq!(lowered.actions()[0].type_, action_type::RTE_FLOW_ACTION_TYPE_DROP);
    }
}
