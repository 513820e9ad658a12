//! The calls by which a driver is shown a rule, or made to have it, and by which it isolates its port (rte_flow.h).
#![allow(unsafe_code)]

use std::ptr::NonNull;

use dpdk_sys as ffi;

use super::super::eal;
use super::super::error::Errno;
use super::lowered::{Lowered, pointer};
use super::refusal::{Refused, in_words, named, no_error};

/// Keeps frames that no rule matches away from a port's queues, or lets them in.
pub(in crate::dpdk) fn isolate(port: u16, isolated: bool) -> Result<(), String> {
    let mut error = no_error();
    // SAFETY: `error` is a whole one to write to.
    let answer = unsafe { ffi::rte_flow_isolate(port, i32::from(isolated), &raw mut error) };
    if answer == 0 { Ok(()) } else { Err(in_words(answer, &error, None)) }
}

impl Lowered {
    /// Whether the driver would take it.
    pub(super) fn validate(&self, port: u16) -> Result<(), Refused> {
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

    pub(super) fn create(&self, port: u16) -> Result<NonNull<ffi::rte_flow>, String> {
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
            let errno = eal::errno().number();
            in_words(errno, &error, named(error.cause, &items, &actions))
        })
    }
}
