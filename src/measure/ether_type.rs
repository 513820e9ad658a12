//! Which protocol an Ethernet frame carries.

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
/// VLAN tags: IEEE 802.1Q's, 802.1ad's, and what was in use before that.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
const TAG_LEN: usize = 4;

/// The EtherType behind the VLAN tags that begin at `at`, if there are any, and where it stands; none where the frame ends before.
pub(super) fn behind_tags(frame: &[u8], mut at: usize) -> Option<(u16, usize)> {
    loop {
        let two = *frame.get(at..)?.first_chunk()?;
        match u16::from_be_bytes(two) {
            tag if TAGS.contains(&tag) => at += TAG_LEN,
            kind => return Some((kind, at)),
        }
    }
}
