//! Captures of ours taken apart and put together again, without some of their packets.

use std::path::Path;

/// Enhanced Packet Block (draft-ietf-opsawg-pcapng 4.3).
const PACKET: u32 = 6;

/// Writes those blocks of a capture that are no packet, or of which `keeps` says so: told the number of the packet, from 0, its
/// interface (0 received, 1 sent) and its bytes.
pub(crate) fn keep(file: &Path, to: &Path, keeps: impl Fn(usize, u32, &[u8]) -> bool) {
    let bytes = std::fs::read(file).unwrap();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut kept, mut at, mut packet) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let len = word(at + 4) as usize;
        let block = &bytes[at..at + len];
        let is_kept = word(at) != PACKET || {
            packet += 1;
            keeps(packet - 1, word(at + 8), &block[28..28 + word(at + 20) as usize])
        };
        if is_kept {
            kept.extend_from_slice(block);
        }
        at += len;
    }
    std::fs::write(to, kept).unwrap();
}

pub(crate) fn has(packet: &[u8], what: &[u8]) -> bool {
    packet.windows(what.len()).any(|of| of == what)
}
