//! What a frame to send is, as far as it bears messages.

use crate::tcp::Endpoint;
use crate::wire::ethernet::{self, Ethertype};
use crate::wire::ipv4::{self, Protocol};
use crate::wire::tcp::{self, SeqNumber};

/// A segment with data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) seq: SeqNumber,
    /// Of its data, in bytes; at least 1.
    pub(super) len: u32,
}

impl Segment {
    /// The segment in a frame; `None` for anything else, and for one without data.
    pub(super) fn of(frame: &[u8]) -> Option<Segment> {
        let frame = ethernet::Packet::parse(frame).ok()?;
        if frame.ethertype != Ethertype::Ipv4 {
            return None;
        }
        let packet = ipv4::Packet::parse(frame.payload).ok()?;
        if packet.protocol != Protocol::Tcp {
            return None;
        }
        let segment = tcp::Packet::parse(packet.payload).ok()?.segment().ok()?;
        let len = segment.payload.len() as u32;
        (len > 0).then_some(Segment {
            local: Endpoint { addr: packet.src, port: segment.src_port },
            remote: Endpoint { addr: packet.dst, port: segment.dst_port },
            seq: segment.seq,
            len,
        })
    }
}
