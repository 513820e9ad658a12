//! Steering rules as a driver takes them (rte_flow.h).
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{CStr, c_char, c_void};
use std::mem::zeroed;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ptr::{self, NonNull};

use dpdk_sys as ffi;
use dpdk_sys::{rte_flow_action_type as action_type, rte_flow_item_type as item_type};
use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::flow::{
    AddrMatch, Carries, Count, Fate, FlowRule, Pattern, RuleSet, TcpMatch,
};

use super::error::Errno;

/// The rules that a port has, of ours. They are to be [withdrawn](Rules::withdraw) before it stops, and go with this.
#[derive(Debug)]
pub(super) struct Rules {
    port: u16,
    installed: Vec<Installed>,
    /// Some that the driver did not take away may be there still.
    some_stay: bool,
    /// The newest query that was refused: of which rule, and why.
    refused_query: Cell<Option<(usize, Said)>>,
}

#[derive(Debug)]
struct Installed {
    handle: NonNull<ffi::rte_flow>,
    counts: bool,
}

/// What a driver says when it refuses: of which part, in its words.
#[derive(Clone, Copy, Debug)]
struct Said {
    errno: Errno,
    part: &'static str,
    /// A C string that lives as long as the driver, or null.
    message: *const c_char,
}

impl Said {
    fn of(answer: i32, error: &ffi::rte_flow_error) -> Said {
        Said { errno: Errno::of(answer), part: part(error.type_), message: error.message }
    }

    fn in_words(self) -> String {
        let Said { errno, part, message } = self;
        let message = if message.is_null() {
            String::new()
        } else {
            // SAFETY: a driver's message is a C string that lives as long as the driver.
            format!("{}, ", unsafe { CStr::from_ptr(message) }.to_string_lossy())
        };
        format!("{message}{errno}, about {part}")
    }
}

/// The same of a rule, where `cause` names what the driver points at, if that is ours.
fn in_words(answer: i32, error: &ffi::rte_flow_error, cause: Option<&str>) -> String {
    let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{}{cause}", Said::of(answer, error).in_words())
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

/// What a port's driver does by rules, as far as it says before the port is set up: nothing where it has none, which
/// is ENOSYS; not what it refuses by name, which comes with its words. Of the rest it has the last word on each rule.
pub(super) fn capabilities(port: u16) -> Vec<(Capability, Result<(), String>)> {
    let all = Lowered::of(&FlowRule::new(Pattern::TCP, Fate::Queue(0)));
    if matches!(all.validate(port), Err(Refused { errno, .. }) if errno.number() == libc::ENOSYS) {
        return Vec::new();
    }
    let connection = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0);
    let asked = [
        (Capability::FlowDrop, FlowRule::new(connection.pattern, Fate::Drop)),
        (Capability::FlowMark, connection.marked(1)),
        (Capability::FlowCount, connection.counted()),
    ];
    let said = asked.map(|(capability, rule)| match Lowered::of(&rule).validate(port) {
        Err(Refused { words, is_of_first_action: true, .. }) => (capability, Err(words)),
        // A driver that refuses for another reason, such as a queue that is not set up yet, has not said so.
        _ => (capability, Ok(())),
    });
    let always = [Capability::FlowSteering, Capability::FlowMasked].map(|of| (of, Ok(())));
    always.into_iter().chain(said).collect()
}

/// What the driver of a port that is configured would refuse of a plan: each kind of rule that the plan leaves to it,
/// by one rule, and then the plan's own. Whatever a driver does not say before the port has started shows when the
/// rules are created.
pub(super) fn refused(port: u16, plan: &Plan) -> Vec<(Capability, String)> {
    if !plan.uses(Capability::FlowSteering) {
        return Vec::new();
    }
    let says = |rule: &FlowRule| match Lowered::of(rule).validate(port) {
        Err(Refused { errno, .. }) if TOO_EARLY.contains(&errno.number()) => None,
        answer => answer.err().map(|refused| refused.words),
    };
    let connection = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0);
    if let Some(why) = says(&connection) {
        return vec![(Capability::FlowSteering, why)];
    }
    let kinds = [
        (Capability::FlowMasked, FlowRule::listener(EXAMPLE, 0).at_priority(0)),
        (Capability::FlowDrop, FlowRule::new(connection.pattern, Fate::Drop)),
        (Capability::FlowMark, connection.marked(1)),
        (Capability::FlowCount, connection.counted()),
    ];
    let refused: Vec<_> = kinds
        .into_iter()
        .filter(|(kind, _)| plan.uses(*kind))
        .filter_map(|(kind, rule)| Some((kind, says(&rule)?)))
        .collect();
    if !refused.is_empty() {
        return refused;
    }
    let rules = plan.device_rules();
    let first = rules.rules().iter().enumerate().find_map(|(number, rule)| {
        let serves_isolation = matches!(rule.pattern.carries, Carries::Arp | Carries::Icmp);
        let needed_for =
            if serves_isolation { Capability::FlowIsolation } else { Capability::FlowSteering };
        Some((needed_for, format!("rule {number} ({rule}): {}", says(rule)?)))
    });
    Vec::from_iter(first)
}

/// Addresses that nobody has (RFC 5737 3), for a rule that is only asked about.
const EXAMPLE_PEER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 9878);
const EXAMPLE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 2), 40_000);
/// Whether a port's driver knows priorities. One that does not (sfc, i40e) refuses any but 0, and by name.
pub(super) fn knows_priorities(port: u16) -> bool {
    let refuses = |priority| {
        let rule = FlowRule::connection(EXAMPLE_PEER, EXAMPLE, 0).at_priority(priority);
        Lowered::of(&rule).validate(port).err()
    };
    knows_by(refuses(0).as_ref(), refuses(1).as_ref())
}

/// The same by what it refuses of a rule at priority 0 and at 1.
fn knows_by(at_0: Option<&Refused>, at_1: Option<&Refused>) -> bool {
    let names = |refused: Option<&Refused>| refused.is_some_and(|refused| refused.is_of_priority);
    names(at_0) || !names(at_1)
}

/// What a driver answers that says nothing of rules before the port has started.
const TOO_EARLY: [i32; 3] = [libc::ENODEV, libc::EBUSY, libc::EAGAIN];

/// Keeps frames that no rule matches away from a port's queues, or lets them in.
pub(super) fn isolate(port: u16, isolated: bool) -> Result<(), String> {
    let mut error = no_error();
    // SAFETY: `error` is a whole one to write to.
    let answer = unsafe { ffi::rte_flow_isolate(port, i32::from(isolated), &raw mut error) };
    if answer == 0 { Ok(()) } else { Err(in_words(answer, &error, None)) }
}

impl Rules {
    /// None so far.
    pub(super) fn none(port: u16) -> Rules {
        let refused_query = Cell::new(None);
        Rules { port, installed: Vec::new(), some_stay: false, refused_query }
    }

    /// How many the driver has: the handles that it gave and has not been given back.
    pub(super) fn count_installed(&self) -> usize {
        self.installed.len()
    }

    /// Installs all of a set in place of those that were there, or none of it: nor any beside one that stays.
    pub(super) fn install(&mut self, set: &RuleSet) -> Result<(), String> {
        self.withdraw().map_err(|why| format!("rules that were there before do not go: {why}"))?;
        for (number, rule) in set.rules().iter().enumerate() {
            match Lowered::of(rule).create(self.port) {
                Ok(handle) => {
                    self.installed.push(Installed { handle, counts: rule.actions.count });
                }
                Err(why) => {
                    let stays = self.withdraw().err();
                    let stays = stays.map(|why| format!("; those before it do not go: {why}"));
                    let stays = stays.unwrap_or_default();
                    return Err(format!("rule {number} ({rule}): {why}{stays}"));
                }
            }
        }
        Ok(())
    }

    /// Takes every rule away again, the last one first; one that does not go takes all of the port's with it. Fails in
    /// the driver's words where they do not go together either.
    pub(super) fn withdraw(&mut self) -> Result<(), String> {
        for Installed { handle, .. } in self.installed.drain(..).rev() {
            let mut error = no_error();
            // SAFETY: the handle is of this port's driver, and is not used again.
            let answer =
                unsafe { ffi::rte_flow_destroy(self.port, handle.as_ptr(), &raw mut error) };
            self.some_stay |= answer != 0;
        }
        if !self.some_stay {
            return Ok(());
        }
        let mut error = no_error();
        // SAFETY: nobody else has rules on this port, and no handle of ours is left.
        let answer = unsafe { ffi::rte_flow_flush(self.port, &raw mut error) };
        self.some_stay = answer != 0;
        if answer == 0 { Ok(()) } else { Err(in_words(answer, &error, None)) }
    }

    /// What a rule has counted, if it does and the driver tells.
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
        if answer != 0 {
            self.refused_query.set(Some((rule, Said::of(answer, &error))));
            return None;
        }
        Some(Count { hits: query.hits, bytes: query.bytes })
    }

    /// Why the driver did not tell what a rule has counted, the newest time since this was asked.
    pub(super) fn take_refused_query(&self) -> Option<String> {
        let (rule, said) = self.refused_query.take()?;
        Some(format!("rule {rule}: {}", said.in_words()))
    }
}

impl Drop for Rules {
    fn drop(&mut self) {
        // What stays goes with the port.
        let _ = self.withdraw();
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
    fn of(rule: &FlowRule) -> Lowered {
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
        let mut items = vec![maybe_with(eth, self.eth.as_ref())];
        items.extend(self.vlan.as_ref().map(|both| with(vlan, both)));
        items.extend(self.ipv4.as_ref().map(|fields| maybe_with(ipv4, fields.as_ref())));
        items.extend(self.tcp.as_ref().map(|ports| maybe_with(tcp, ports.as_ref())));
        items.push(item(end, ptr::null(), ptr::null()));
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

    /// Whether the driver would take it.
    fn validate(&self, port: u16) -> Result<(), Refused> {
        let (attributes, items, actions) = (self.attributes(), self.items(), self.actions());
        let mut error = no_error();
        // SAFETY: pattern and actions end as they must, and what they point at is `self`'s.
        let answer = unsafe {
            ffi::rte_flow_validate(
                port,
                &raw const attributes,
                items.as_ptr(),
                actions.as_ptr(),
                &raw mut error,
            )
        };
        if answer == 0 {
            return Ok(());
        }
        let words = in_words(answer, &error, named(error.cause, &items, &actions));
        let is_of_action = error.type_ == ffi::rte_flow_error_type::RTE_FLOW_ERROR_TYPE_ACTION;
        let is_of_first_action =
            is_of_action && actions.first().is_some_and(|first| pointer(first) == error.cause);
        let is_of_priority =
            error.type_ == ffi::rte_flow_error_type::RTE_FLOW_ERROR_TYPE_ATTR_PRIORITY;
        Err(Refused { errno: Errno::of(answer), words, is_of_first_action, is_of_priority })
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
        NonNull::new(handle).ok_or_else(|| {
            let errno = super::eal::errno().number();
            in_words(errno, &error, named(error.cause, &items, &actions))
        })
    }
}

/// Why a driver would not take a rule.
struct Refused {
    errno: Errno,
    words: String,
    /// It points at the action that comes first: what is done besides sending to a queue, where there is such.
    is_of_first_action: bool,
    /// It is about the priority.
    is_of_priority: bool,
}

/// What of a rule a driver's pointer is at: an item or an action, or what one of them is given.
fn named(
    cause: *const c_void,
    items: &[ffi::rte_flow_item],
    actions: &[ffi::rte_flow_action],
) -> Option<&'static str> {
    let is_cause = |at: *const c_void| !cause.is_null() && at == cause;
    let item = items
        .iter()
        .find(|item| is_cause(pointer(*item)) || is_cause(item.spec) || is_cause(item.mask));
    let action =
        || actions.iter().find(|action| is_cause(pointer(*action)) || is_cause(action.conf));
    match item {
        Some(item) => ITEMS.iter().find(|(kind, _)| *kind == item.type_).map(|(_, name)| *name),
        None => {
            let kind = action()?.type_;
            ACTIONS.iter().find(|(known, _)| *known == kind).map(|(_, name)| *name)
        }
    }
}

const ITEMS: [(item_type::Type, &str); 5] = [
    (item_type::RTE_FLOW_ITEM_TYPE_ETH, "item eth"),
    (item_type::RTE_FLOW_ITEM_TYPE_VLAN, "item vlan"),
    (item_type::RTE_FLOW_ITEM_TYPE_IPV4, "item ipv4"),
    (item_type::RTE_FLOW_ITEM_TYPE_TCP, "item tcp"),
    (item_type::RTE_FLOW_ITEM_TYPE_END, "the pattern's end"),
];
const ACTIONS: [(action_type::Type, &str); 5] = [
    (action_type::RTE_FLOW_ACTION_TYPE_MARK, "action mark"),
    (action_type::RTE_FLOW_ACTION_TYPE_COUNT, "action count"),
    (action_type::RTE_FLOW_ACTION_TYPE_QUEUE, "action queue"),
    (action_type::RTE_FLOW_ACTION_TYPE_DROP, "action drop"),
    (action_type::RTE_FLOW_ACTION_TYPE_END, "the actions' end"),
];

fn pointer<T>(to: &T) -> *const c_void {
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
    let item = |src: std::net::Ipv4Addr, dst: std::net::Ipv4Addr, protocol: u8| {
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
    fn a_refusal_says_of_which_part_it_is_where_the_driver_points_at_one() {
        let tcp = TcpMatch { src_port: PortMatch::exact(9878), dst_port: PortMatch::ANY };
        let pattern = Pattern { carries: Carries::Tcp(tcp), ..Pattern::IPV4 };
        let lowered = Lowered::of(&FlowRule::new(pattern, Fate::Queue(3)).marked(7));
        let (items, actions) = (lowered.items(), lowered.actions());
        let other = 0u8;
        for (cause, name) in [
            (pointer(&items[0]), Some("item eth")),
            (items[2].spec, Some("item tcp")),
            (items[2].mask, Some("item tcp")),
            (pointer(&actions[0]), Some("action mark")),
            (actions[1].conf, Some("action queue")),
            (ptr::null(), None),
            (pointer(&other), None),
        ] {
            assert_eq!(named(cause, &items, &actions), name);
        }
        let mut error = no_error();
        error.type_ = ffi::rte_flow_error_type::RTE_FLOW_ERROR_TYPE_ITEM_MASK;
        error.message = c"no masks here".as_ptr();
        assert_eq!(
            in_words(-libc::ENOTSUP, &error, Some("item tcp")),
            "no masks here, Operation not supported (os error 95), about a mask in its pattern: item tcp"
        );
    }

    #[test]
    fn a_driver_that_names_priority_1_alone_knows_none() {
        let refused = |is_of_priority| Refused {
            errno: Errno::of(-libc::ENOTSUP),
            words: String::new(),
            is_of_first_action: false,
            is_of_priority,
        };
        let (of_it, of_other) = (refused(true), refused(false));
        for (at_0, at_1, knows) in [
            (None, None, true),
            (None, Some(&of_it), false),
            // A queue that is not set up yet.
            (Some(&of_other), Some(&of_it), false),
            (Some(&of_other), Some(&of_other), true),
            // Whatever it wants, it is not priority 0.
            (Some(&of_it), Some(&of_it), true),
        ] {
            assert_eq!(knows_by(at_0, at_1), knows);
        }
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
