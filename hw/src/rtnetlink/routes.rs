//! The kernel's routes.

use std::net::Ipv4Addr;

use super::messages::{self, Said};
use super::socket::{Progress, Socket};
use super::{Link, RtnetlinkError};

/// The gateway by which the kernel would send to `dst` through an interface; `None` where it would need none.
///
/// # Errors
/// There is no such route, or rtnetlink refuses.
pub fn gateway(dst: Ipv4Addr, link: &Link) -> Result<Option<Ipv4Addr>, RtnetlinkError> {
    let mut found = None;
    let request = |number| messages::get_route(dst, link.index, number);
    Socket::open()?.ask("asking for a route", request, |said| match said {
        Said::Route { gateway } => {
            found = gateway;
            Progress::Done
        }
        _ => Progress::More,
    })?;
    Ok(found)
}
