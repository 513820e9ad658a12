//! The stack from outside, where a script in `tests/tcp` does not reach: two stacks on a bad network, hostile
//! segments, snapshots, prepared sends, and thousands of connections.

use core::net::Ipv4Addr;

use super::{Config, Endpoint};

mod account;
mod ahead;
mod calls;
mod cookies;
mod fast;
mod held;
mod hostile;
mod moved;
mod opening;
mod prepared;
mod pure_ack;
mod refusals;
mod round_trips;
mod sendings;
mod simulator;
mod snapshot;
mod streaming;
mod taken_back;

const LOCAL: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 1), port: 9878 };
const REMOTE: Endpoint = Endpoint { addr: Ipv4Addr::new(10, 0, 0, 2), port: 5000 };

/// No options but the MSS, so that numbers are round.
fn plain() -> Config {
    Config { timestamps: false, window_scaling: false, mss: 1000, ..Config::default() }
}
