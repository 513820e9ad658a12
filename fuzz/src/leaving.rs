//! What leaves, looked at one segment after the other.

use fixwire::tcp::Transmit;
use fixwire::wire::tcp::{Flags, SeqNumber};

use super::model::{CWR, ECE, Model, State};

/// What leaves is what was written, at its place, within the peer's window but for the byte that probes it; it
/// acknowledges what has come, and takes back no window.
pub(crate) fn look_at(
    model: &mut Model,
    (our_iss, their_iss): (SeqNumber, SeqNumber),
    our_shift: u8,
    transmit: &Transmit<'_>,
) {
    let header = &transmit.header;
    let payload = transmit.payload.concat();
    // Counted from SND.UNA, for the model's numbers do not wrap.
    let seq = model.snd_una + i64::from(header.seq.since(our_iss + model.snd_una as u32) as i32);
    let end = seq + payload.len() as i64;
    let is_fin = header.flags.has(Flags::FIN);
    let is_syn = header.flags.has(Flags::SYN);
    look_at_marks(model, transmit);
    if is_syn {
        assert_eq!((seq, payload.len(), is_fin), (0, 0, false), "a SYN");
        if !header.flags.has(Flags::ACK) {
            assert_eq!(model.state, State::SynSent, "a SYN alone");
            return;
        }
    }
    if !payload.is_empty() {
        let from = (seq - 1) as usize;
        assert_eq!(model.written.get(from..from + payload.len()), Some(&payload[..]), "at {seq}");
        assert!(seq >= model.snd_una && seq <= model.snd_nxt, "{seq} is out of order");
        // What was acknowledged was taken, whatever window was told of it.
        let edge = model.snd_edge.max(model.snd_una);
        assert!(end <= edge + 1, "{end} lies past the window");
    }
    if is_fin {
        assert!(model.has_shut, "a FIN that nobody asked for");
        assert_eq!(end, model.written.len() as i64 + 1, "a FIN in the middle of the stream");
        model.fin_sent = true;
    }
    model.snd_nxt = model.snd_nxt.max(end + i64::from(is_fin));
    assert_eq!(header.ack, their_iss + model.rcv_nxt as u32, "the ACK");
    model.last_ack_sent = model.rcv_nxt;
    let echo = header.options.timestamps.map(|stamps| stamps.echo);
    assert_eq!(echo, model.ts_recent, "what is echoed");
    let our_shift = if is_syn { 0 } else { our_shift };
    let edge = model.rcv_nxt + (i64::from(header.window) << our_shift);
    // RFC 7323 2.4: what a window's shift cannot say is taken back in the header, and taken in all the same.
    // And a SYN that leaves again cannot say what an ACK behind it may have said (2.2).
    let is_told = edge + (1 << our_shift) > model.rcv_edge || is_syn;
    let is_kept = is_told || model.rcv_edge <= model.rcv_nxt;
    assert!(is_kept, "window taken back from {} to {edge}", model.rcv_edge);
    model.rcv_edge = model.rcv_edge.max(edge);
}

/// RFC 3168, 6.1.1 to 6.1.6: who has agreed on it says so in its SYN-ACK and has what is new marked, and nothing else; nobody
/// marks what comes, of which nothing is to be told.
pub(crate) fn look_at_marks(model: &Model, transmit: &Transmit<'_>) {
    let bits = transmit.header.flags.0 & (ECE | CWR);
    let is_new = !transmit.payload.concat().is_empty() && !transmit.retransmission;
    if transmit.header.flags.has(Flags::SYN) {
        let has_ack = transmit.header.flags.has(Flags::ACK);
        let asks = if has_ack { ECE } else { ECE | CWR };
        assert_eq!(bits, if model.ecn { asks } else { 0 }, "what a SYN says of marks");
    } else if bits != 0 {
        assert!(model.ecn && bits == CWR && is_new, "flags of congestion");
    }
    assert!(!transmit.is_ect || model.ecn && is_new, "what may be marked");
}

/// The byte that we write at a place in our stream.
pub(crate) fn ours(at: usize) -> u8 {
    (at as u32).wrapping_mul(0x9e37_79b1).to_be_bytes()[0]
}
