//! The kernel's interfaces.

use super::RtnetlinkError;
use super::messages::{self, Interface, Said};
use super::socket::{Progress, Socket};

/// More interfaces than any host has: the rest is not looked at.
const LINKS_MAX: usize = 65_536;

/// An interface of the kernel's, on which it knows neighbours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in this namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
}

impl Link {
    /// The interface with that index, or the one for a VLAN on it.
    ///
    /// # Errors
    /// [`RtnetlinkError::NoLink`], [`RtnetlinkError::NoVlan`]; what rtnetlink refuses.
    pub fn of(index: u32, vlan: Option<u16>) -> Result<Link, RtnetlinkError> {
        let mut links = Vec::new();
        Socket::open()?.ask("listing interfaces", messages::get_links, |said| {
            if let Said::Interface(interface) = said
                && links.len() < LINKS_MAX
            {
                links.push(interface);
            }
            Progress::More
        })?;
        among(&links, index, vlan)
    }
}

fn among(links: &[Interface], index: u32, vlan: Option<u16>) -> Result<Link, RtnetlinkError> {
    let beneath = links.iter().find(|link| link.index == index);
    let beneath = beneath.ok_or(RtnetlinkError::NoLink { index })?;
    let found = match vlan {
        None => Some(beneath),
        Some(vlan) => links.iter().find(|link| link.vlan == Some((index, vlan))),
    };
    let found = found.ok_or_else(|| RtnetlinkError::NoVlan {
        link: beneath.name.clone(),
        vlan: vlan.unwrap_or_default(),
    })?;
    Ok(Link { index: found.index, name: found.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_is_looked_for_on_its_own_interface_and_named_when_it_is_missing() {
        let link = |index, name: &str, vlan| Interface { index, name: name.into(), vlan };
        let links = [
            link(1, "lo", None),
            link(2, "eth0", None),
            link(3, "eth1", None),
            link(4, "eth1.42", Some((3, 42))),
            link(5, "eth0.42", Some((2, 42))),
        ];
        let name = |index, vlan| among(&links, index, vlan).map(|link| link.name);
        assert_eq!(name(2, None).unwrap(), "eth0");
        assert_eq!(name(2, Some(42)).unwrap(), "eth0.42");
        let missing = name(2, Some(43)).unwrap_err().to_string();
        assert!(missing.contains("VLAN 43 on eth0") && missing.contains("id 43"), "{missing}");
        assert!(name(9, None).unwrap_err().to_string().contains("index 9"));
    }

    #[test]
    fn this_machine_s_loopback_is_found_and_what_is_not_there_is_named() {
        assert_eq!(Link::of(1, None).unwrap(), Link { index: 1, name: "lo".into() });
        let error = Link::of(u32::MAX, None).unwrap_err();
        assert!(matches!(error, RtnetlinkError::NoLink { index: u32::MAX }), "{error}");
    }
}
