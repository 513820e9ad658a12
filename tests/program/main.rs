//! The program as its users run it: its commands, what they print and refuse, and sessions of `accept` and `run`.

#[path = "../common/mod.rs"]
mod common;

mod accept;
mod accept_capture;
mod capture;
mod command_line;
mod conformance;
mod decode;
mod doctor;
mod flow;
mod kernel_peer;
mod measure;
mod operations;
mod profiles;
mod quickfix_settings;
mod replay;
mod selftest;
mod steering;
mod store;
mod top;
