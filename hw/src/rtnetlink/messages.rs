//! Requests written and answers read.

use std::io;
use std::net::Ipv4Addr;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVlan, LinkAttribute, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::hardware_address;

/// An entry of the neighbour table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Of which interface.
    pub(super) index: u32,
    pub(super) addr: Ipv4Addr,
    pub(super) known: Known,
}

/// What an entry knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The hardware address, which the kernel sees to by itself or was given for good.
    Sure([u8; 6]),
    /// The hardware address as it was when somebody last used it.
    Stale([u8; 6]),
    /// The kernel is looking for it.
    Asked,
    /// Nobody answered.
    Failed,
    /// Nothing.
    Nothing,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: String,
    /// What it lies on, and which VLAN of that it is.
    pub(super) vlan: Option<(u32, u16)>,
}

/// What a message of the kernel's says.
#[derive(Debug)]
pub(super) enum Said {
    Neighbor(Entry),
    /// It was taken out of the table.
    NeighborGone(Entry),
    Interface(Interface),
    Route {
        gateway: Option<Ipv4Addr>,
    },
    /// The request was done.
    Done,
    Refused(io::Error),
    /// What we do not follow.
    Else,
}

/// A request's bytes, under a number that its answers carry.
fn request(message: RouteNetlinkMessage, flags: u16, number: u32) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = number;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn neighbor(index: u32, addr: Ipv4Addr) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(addr)));
    message
}

/// What does the table say of a neighbour?
pub(super) fn get_neighbor(index: u32, addr: Ipv4Addr, number: u32) -> Vec<u8> {
    request(RouteNetlinkMessage::GetNeighbour(neighbor(index, addr)), 0, number)
}

/// As if the kernel had a packet for a neighbour: it makes sure of the address. Of one that was given for good it
/// would make a doubtful one, so that such are not to be asked for.
pub(super) fn use_neighbor(index: u32, addr: Ipv4Addr, number: u32) -> Vec<u8> {
    let mut message = neighbor(index, addr);
    message.header.flags = NeighbourFlags::Use;
    let flags = NLM_F_CREATE | NLM_F_ACK;
    request(RouteNetlinkMessage::NewNeighbour(message), flags, number)
}

pub(super) fn get_links(number: u32) -> Vec<u8> {
    request(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP, number)
}

/// Which way would a packet for `dst` go by that interface?
pub(super) fn get_route(dst: Ipv4Addr, index: u32, number: u32) -> Vec<u8> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = 32;
    message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(dst)));
    message.attributes.push(RouteAttribute::Oif(index));
    request(RouteNetlinkMessage::GetRoute(message), 0, number)
}

/// Reads the messages of a datagram: the number of the request that each answers, and what it says.
pub(super) fn read(mut bytes: &[u8]) -> Vec<(u32, Said)> {
    let mut all = Vec::new();
    while let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes) {
        let NetlinkMessage { header, payload, .. } = message;
        all.push((header.sequence_number, said(payload)));
        // Each begins at a multiple of four (netlink(7), NLMSG_ALIGN).
        let len = (header.length as usize).next_multiple_of(4);
        bytes = match bytes.get(len..) {
            Some(rest) if len > 0 => rest,
            _ => break,
        };
    }
    all
}

fn said(payload: NetlinkPayload<RouteNetlinkMessage>) -> Said {
    match payload {
        NetlinkPayload::Done(_) => Said::Done,
        NetlinkPayload::Error(error) => match error.code {
            Some(_) => Said::Refused(error.to_io()),
            None => Said::Done,
        },
        NetlinkPayload::InnerMessage(message) => match message {
            RouteNetlinkMessage::NewNeighbour(message) => {
                entry(&message).map_or(Said::Else, Said::Neighbor)
            }
            RouteNetlinkMessage::DelNeighbour(message) => {
                entry(&message).map_or(Said::Else, Said::NeighborGone)
            }
            RouteNetlinkMessage::NewLink(message) => Said::Interface(interface(message)),
            RouteNetlinkMessage::NewRoute(message) => Said::Route { gateway: via(&message) },
            _ => Said::Else,
        },
        _ => Said::Else,
    }
}

fn entry(message: &NeighbourMessage) -> Option<Entry> {
    let header = &message.header;
    // What is answered for others is no neighbour.
    if header.family != AddressFamily::Inet || header.flags.contains(NeighbourFlags::Proxy) {
        return None;
    }
    let (mut addr, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(is)) => addr = Some(*is),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = hardware_address(bytes),
            _ => {}
        }
    }
    let known = match (header.state, mac) {
        (NeighbourState::Failed, _) => Known::Failed,
        (NeighbourState::Incomplete, _) => Known::Asked,
        (
            NeighbourState::Reachable
            | NeighbourState::Permanent
            | NeighbourState::Noarp
            | NeighbourState::Delay
            | NeighbourState::Probe,
            Some(mac),
        ) => Known::Sure(mac),
        (NeighbourState::Stale, Some(mac)) => Known::Stale(mac),
        _ => Known::Nothing,
    };
    Some(Entry { index: header.ifindex, addr: addr?, known })
}

fn interface(message: LinkMessage) -> Interface {
    let mut is = Interface { index: message.header.index, name: String::new(), vlan: None };
    let (mut on, mut vlan) = (None, None);
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => is.name = name,
            LinkAttribute::Link(index) => on = Some(index),
            LinkAttribute::LinkInfo(infos) => vlan = vlan_of(&infos),
            _ => {}
        }
    }
    is.vlan = on.zip(vlan);
    is
}

fn vlan_of(infos: &[LinkInfo]) -> Option<u16> {
    infos.contains(&LinkInfo::Kind(InfoKind::Vlan)).then_some(())?;
    infos.iter().find_map(|info| match info {
        LinkInfo::Data(InfoData::Vlan(data)) => data.iter().find_map(|data| match data {
            InfoVlan::Id(id) => Some(*id),
            _ => None,
        }),
        _ => None,
    })
}

fn via(message: &RouteMessage) -> Option<Ipv4Addr> {
    message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(addr)) => Some(*addr),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    fn told(state: NeighbourState, mac: Option<&[u8]>) -> Option<Entry> {
        let mut message = neighbor(7, ADDR);
        message.header.state = state;
        let mac = mac.map(<[u8]>::to_vec).map(NeighbourAttribute::LinkLayerAddress);
        message.attributes.extend(mac);
        let bytes = request(RouteNetlinkMessage::NewNeighbour(message), 0, 3);
        match read(&bytes).remove(0) {
            (3, Said::Neighbor(entry)) => Some(entry),
            _ => None,
        }
    }

    #[test]
    fn an_entry_is_worth_what_its_state_says() {
        use NeighbourState::{
            Delay, Failed, Incomplete, Noarp, None as Nothing, Permanent, Probe, Reachable, Stale,
        };
        for state in [Reachable, Permanent, Noarp, Delay, Probe] {
            let entry = Entry { index: 7, addr: ADDR, known: Known::Sure(MAC) };
            assert_eq!(told(state, Some(&MAC)), Some(entry), "{state}");
        }
        for (state, mac, known) in [
            (Stale, Some(&MAC[..]), Known::Stale(MAC)),
            (Incomplete, None, Known::Asked),
            (Failed, None, Known::Failed),
            (Failed, Some(&MAC), Known::Failed),
            (Nothing, None, Known::Nothing),
            // Hardware addresses that are nobody's, or of another kind of link.
            (Reachable, Some(&[255; 6]), Known::Nothing),
            (Reachable, Some(&[0; 6]), Known::Nothing),
            (Permanent, Some(&[2; 20]), Known::Nothing),
            (Reachable, None, Known::Nothing),
        ] {
            assert_eq!(told(state, mac).unwrap().known, known, "{state} {mac:?}");
        }
    }

    #[test]
    fn a_published_address_is_no_neighbor_and_what_is_cut_off_is_nothing() {
        let mut message = neighbor(7, ADDR);
        message.header.flags = NeighbourFlags::Proxy;
        message.header.state = NeighbourState::Permanent;
        let bytes = request(RouteNetlinkMessage::NewNeighbour(message), 0, 1);
        assert!(matches!(read(&bytes)[..], [(1, Said::Else)]));
        let bytes = use_neighbor(7, ADDR, 9);
        assert!(matches!(read(&bytes)[..], [(9, Said::Neighbor(_))]));
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_empty(), "{len}");
        }
        let two = [bytes.clone(), get_neighbor(7, ADDR, 10)].concat();
        assert!(matches!(read(&two)[..], [(9, Said::Neighbor(_)), (10, Said::Else)]));
    }

    #[test]
    fn a_vlan_s_interface_says_what_it_lies_on() {
        let mut message = LinkMessage::default();
        message.header.index = 9;
        let data = InfoData::Vlan(vec![InfoVlan::Id(42)]);
        message.attributes = vec![
            LinkAttribute::IfName("eth0.42".into()),
            LinkAttribute::Link(4),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Vlan), LinkInfo::Data(data)]),
        ];
        let bytes = request(RouteNetlinkMessage::NewLink(message), 0, 1);
        let (_, Said::Interface(is)) = read(&bytes).remove(0) else { panic!("no interface") };
        assert_eq!(is, Interface { index: 9, name: "eth0.42".into(), vlan: Some((4, 42)) });
    }
}
