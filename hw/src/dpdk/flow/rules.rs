//! The rules that a port has, from creation to the port's stop (rte_flow.h).
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr::{self, NonNull};

use dpdk_sys as ffi;
use dpdk_sys::rte_flow_action_type as action_type;
use fixwire_offload::flow::{Count, RuleSet};

use super::lowered::{END_OF_ACTIONS, Lowered, action};
use super::refusal::{Said, in_words, no_error};

/// The rules that a port has, of ours. They are to be [withdrawn](Rules::withdraw) before it stops, and go with this.
#[derive(Debug)]
pub(in crate::dpdk) struct Rules {
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

impl Rules {
    /// None so far.
    pub(in crate::dpdk) fn none(port: u16) -> Rules {
        let refused_query = Cell::new(None);
        Rules { port, installed: Vec::new(), some_stay: false, refused_query }
    }

    /// How many the driver has: the handles that it gave and has not been given back.
    pub(in crate::dpdk) fn count_installed(&self) -> usize {
        self.installed.len()
    }

    /// Installs all of a set in place of those that were there, or none of it: nor any beside one that stays.
    pub(in crate::dpdk) fn install(&mut self, set: &RuleSet) -> Result<(), String> {
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
    pub(in crate::dpdk) fn withdraw(&mut self) -> Result<(), String> {
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
    pub(in crate::dpdk) fn count(&self, rule: usize) -> Option<Count> {
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
    pub(in crate::dpdk) fn take_refused_query(&self) -> Option<String> {
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
