//! Why a driver refuses what it was asked of rules: its error's kind, cause and message in words.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::mem::zeroed;

use dpdk_sys as ffi;
use dpdk_sys::{rte_flow_action_type as action_type, rte_flow_item_type as item_type};

use super::super::error::Errno;
use super::lowered::pointer;

/// What a driver says when it refuses: of which part, in its words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    errno: Errno,
    part: &'static str,
    /// A C string that lives as long as the driver, or null.
    message: *const c_char,
}

impl Said {
    pub(super) fn of(answer: i32, error: &ffi::rte_flow_error) -> Said {
        Said { errno: Errno::of(answer), part: part(error.type_), message: error.message }
    }

    pub(super) fn in_words(self) -> String {
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
pub(super) fn in_words(answer: i32, error: &ffi::rte_flow_error, cause: Option<&str>) -> String {
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

pub(super) fn no_error() -> ffi::rte_flow_error {
    // SAFETY: it is made of numbers and pointers, for which zero is a value.
    unsafe { zeroed() }
}

/// Why a driver would not take a rule.
pub(super) struct Refused {
    pub(super) errno: Errno,
    pub(super) words: String,
    /// It points at the action that comes first: what is done besides sending to a queue, where there is such.
    pub(super) is_of_first_action: bool,
    /// It is about the priority.
    pub(super) is_of_priority: bool,
}

/// What of a rule a driver's pointer is at: an item or an action, or what one of them is given.
pub(super) fn named(
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

#[cfg(test)]
mod tests {
    use std::ptr;

    use fixwire_offload::flow::{Carries, Fate, FlowRule, Pattern, PortMatch, TcpMatch};

    use super::super::lowered::Lowered;
    use super::*;

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
}
