//! Steering rules as a driver takes them (rte_flow.h): what it says of them before, a rule in its words, the calls, the
//! rules that it has, and why it refuses one.

mod advert;
mod calls;
mod lowered;
mod refusal;
mod rules;

pub(super) use advert::{capabilities, knows_priorities, refused};
pub(super) use calls::isolate;
pub(super) use rules::Rules;
