//! The stack from outside: scripts (`script` runs them), two stacks on a bad network, and hostile
//! segments.

mod account;
mod closing;
mod cookies;
mod hostile;
mod marks;
mod opening;
mod path;
mod patience;
mod prepared;
mod recovery;
mod repair;
mod script;
mod selective;
mod simulator;
mod snapshot;
mod streaming;
mod time_wait;
mod validation;
