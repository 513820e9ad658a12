//! fixwire's TCP as packetdrill drives it: sockets over [`fixwire::tcp::Stack`], in virtual time.
//!
//! packetdrill (`--so_filename`) loads this library and makes its scripts' socket calls through a table of
//! functions, injects and sniffs IPv4 packets, sleeps and reads a clock through the same table. [`abi`] is
//! that table, and all of this crate that is unsafe. [`shared`] lets a second thread wait in a blocking
//! call. [`host`] is the machine under test: its clock, its sockets, its wire. A call is tried by
//! [`calls`] ([`polling`], [`closing`]); what is not offered is refused there and in [`options`] and [`settings`]
//! ([`sysctls`]) by name, in a report ([`report`]) that the runner reads ([`suite`]).
//!
//! Nothing here is on a packet's path in production: it allocates, and is bounded by what a script does.

pub mod abi;
pub mod calls;
pub mod closing;
pub mod errno;
pub mod frames;
pub mod host;
pub mod notices;
pub mod options;
pub mod polling;
pub mod report;
pub mod send_space;
pub mod settings;
pub mod shared;
pub mod socket;
pub mod suite;
pub mod sysctls;
pub mod tcp_info;
pub mod terms;
