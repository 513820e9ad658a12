//! Frames of a run without a device, as a pcapng file: what a simulation or a relay hands to whoever looks.

use fixwire_offload::time::UtcTime;

use super::pcapng::{
    Flow, Interface, Packet, Section, enhanced_packet, interface_description, section_header,
};

/// The longest frame that is looked for, in bytes; nothing is cut.
const SNAP_LEN: u32 = 65_535;

/// A file in memory that grows by a frame at a time. Not for the packet's path: it allocates.
pub struct Recording {
    file: Vec<u8>,
}

impl Recording {
    /// A file of `application`'s with an interface for each of `names`.
    pub fn new(application: &str, names: &[&str]) -> Recording {
        let mut file = Vec::new();
        section_header(&mut file, &Section { hardware: "", os: "", application });
        for name in names {
            let interface = Interface { name, description: "", mac: [0; 6], snap_len: SNAP_LEN };
            interface_description(&mut file, &interface);
        }
        Recording { file }
    }

    /// Adds a frame, whole from its Ethernet header on, of the interface with that place among the names.
    pub fn push(&mut self, interface: usize, at: UtcTime, is_outbound: bool, frame: &[u8]) {
        let packet = Packet {
            interface: interface as u32,
            at,
            flow: if is_outbound { Flow::Outbound } else { Flow::Inbound },
            original_len: frame.len() as u32,
            lost_before: 0,
            comment: "",
        };
        enhanced_packet(&mut self.file, &packet, frame);
    }

    /// The file's bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.file
    }
}
