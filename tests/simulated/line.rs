//! What a frame takes of a line, and what a segment in it carries.

use fixwire::time::Duration;

pub(crate) const BITS_PER_S: u64 = 1_000_000_000;
/// Preamble, check sequence and the gap between frames, in bytes (IEEE 802.3).
const OVERHEAD_LEN: u64 = 24;
/// Where the TCP header begins in a frame.
const TCP_AT: usize = 34;

/// How long a frame of so many bytes keeps a line of [`BITS_PER_S`] busy.
pub(crate) fn busy_for(frame_len: usize) -> Duration {
    let bits = (frame_len.max(60) as u64 + OVERHEAD_LEN) * 8;
    Duration::from_ns(bits * 1_000_000_000 / BITS_PER_S)
}

/// The sequence number and the data of a segment with some.
pub(crate) fn data_of(frame: &[u8]) -> Option<(u32, &[u8])> {
    if frame[12..14] != [8, 0] || frame[23] != 6 {
        return None;
    }
    let end = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    let payload = &frame[TCP_AT + usize::from(frame[TCP_AT + 12] >> 4) * 4..end];
    let seq = u32::from_be_bytes(frame[TCP_AT + 4..][..4].try_into().unwrap());
    (!payload.is_empty()).then_some((seq, payload))
}
