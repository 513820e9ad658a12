//! TCP_INFO: what fixwire knows of a connection, in the layout of Linux's `struct tcp_info`.

use fixwire::tcp::{Info, LossPhase, State};
use fixwire::time::{Duration, Instant};

use crate::socket::Facts;

/// The fields that are filled: where each lies, and in how many bytes. A script that asks for another is not
/// applicable, and the runner says which.
pub const FIELDS: [(&str, usize, usize); 38] = [
    ("tcpi_state", 0, 1),
    ("tcpi_ca_state", 1, 1),
    ("tcpi_retransmits", 2, 1),
    ("tcpi_probes", 3, 1),
    ("tcpi_backoff", 4, 1),
    ("tcpi_options", 5, 1),
    // Both in one byte, four bits each.
    ("tcpi_snd_wscale", 6, 1),
    ("tcpi_rcv_wscale", 6, 1),
    ("tcpi_rto", 8, 4),
    ("tcpi_snd_mss", 16, 4),
    ("tcpi_rcv_mss", 20, 4),
    ("tcpi_unacked", 24, 4),
    ("tcpi_sacked", 28, 4),
    ("tcpi_lost", 32, 4),
    ("tcpi_retrans", 36, 4),
    ("tcpi_last_data_sent", 44, 4),
    ("tcpi_last_data_recv", 52, 4),
    ("tcpi_last_ack_recv", 56, 4),
    ("tcpi_rtt", 68, 4),
    ("tcpi_rttvar", 72, 4),
    ("tcpi_snd_ssthresh", 76, 4),
    ("tcpi_snd_cwnd", 80, 4),
    ("tcpi_advmss", 84, 4),
    ("tcpi_reordering", 88, 4),
    ("tcpi_total_retrans", 100, 4),
    ("tcpi_bytes_acked", 120, 8),
    ("tcpi_bytes_received", 128, 8),
    ("tcpi_segs_out", 136, 4),
    ("tcpi_segs_in", 140, 4),
    ("tcpi_notsent_bytes", 144, 4),
    ("tcpi_min_rtt", 148, 4),
    ("tcpi_data_segs_in", 152, 4),
    ("tcpi_data_segs_out", 156, 4),
    ("tcpi_busy_time", 168, 8),
    ("tcpi_rwnd_limited", 176, 8),
    ("tcpi_bytes_sent", 200, 8),
    ("tcpi_bytes_retrans", 208, 8),
    ("tcpi_snd_wnd", 228, 4),
];

/// The whole of what is filled, in bytes; what a caller asks for beyond it is zero.
pub const LEN: usize = 232;

/// `TCPI_OPT_TIMESTAMPS`, `TCPI_OPT_SACK`, `TCPI_OPT_WSCALE` and `TCPI_OPT_ECN`.
const OPTION_TIMESTAMPS: u64 = 1;
const OPTION_SACK: u64 = 2;
const OPTION_WINDOW_SCALE: u64 = 4;
const OPTION_ECN: u64 = 8;

/// The structure's bytes.
pub fn bytes(info: &Info, facts: &Facts, advertised_mss: u16, now: Instant) -> [u8; LEN] {
    let traffic = &facts.traffic;
    let mss = u64::from(info.mss.max(1));
    let flight = u64::from(info.snd_nxt.since(info.snd_una));
    let (theirs, ours) = info.window_shifts;
    let first_sent = traffic.bytes_sent - traffic.bytes_retrans;
    let options = u64::from(info.uses_timestamps) * OPTION_TIMESTAMPS
        + u64::from(info.uses_sack) * OPTION_SACK
        + u64::from(info.uses_ecn) * OPTION_ECN
        + u64::from(theirs != 0 || ours != 0) * OPTION_WINDOW_SCALE;
    let us = |duration: Duration| duration.as_ns() / 1000;
    let ms_since = |then: Instant| now.ns_since(then) / 1_000_000;
    let mut bytes = [0; LEN];
    for (name, offset, len) in FIELDS {
        let value = match name {
            "tcpi_state" => u64::from(number(info.state)),
            "tcpi_ca_state" => u64::from(congestion_state(info)),
            "tcpi_retransmits" if flight > 0 => u64::from(info.retries).min(255),
            "tcpi_probes" if flight == 0 => u64::from(info.retries).min(255),
            "tcpi_backoff" => u64::from(info.retries).min(255),
            "tcpi_options" => options,
            "tcpi_snd_wscale" | "tcpi_rcv_wscale" => u64::from(theirs | ours << 4),
            "tcpi_rto" => us(info.rto),
            "tcpi_snd_mss" => mss,
            "tcpi_rcv_mss" => u64::from(traffic.rcv_mss),
            // By how many segments: the one that was behind counts.
            "tcpi_reordering" if info.reordered_by_bytes > 0 => {
                (u64::from(info.reordered_by_bytes) / mss + 1).max(REORDERING_INITIAL)
            }
            "tcpi_reordering" => REORDERING_INITIAL,
            "tcpi_unacked" => flight.div_ceil(mss),
            "tcpi_sacked" => u64::from(info.sacked_bytes).div_ceil(mss),
            "tcpi_lost" => u64::from(info.lost_bytes).div_ceil(mss),
            "tcpi_retrans" => u64::from(info.resent_bytes).div_ceil(mss),
            "tcpi_last_data_sent" => ms_since(traffic.last_data_sent),
            "tcpi_last_data_recv" => ms_since(traffic.last_data_recv),
            "tcpi_last_ack_recv" => ms_since(traffic.last_ack_recv),
            "tcpi_rtt" => info.srtt.map_or(0, us),
            "tcpi_rttvar" => us(info.rttvar),
            "tcpi_min_rtt" => info.rtt_min.map_or(NEVER, us),
            "tcpi_snd_ssthresh" if info.ssthresh == u32::MAX => SSTHRESH_INFINITE,
            "tcpi_snd_ssthresh" => u64::from(info.ssthresh) / mss,
            "tcpi_snd_cwnd" => u64::from(info.cwnd) / mss,
            "tcpi_advmss" => u64::from(advertised_mss),
            "tcpi_total_retrans" => u64::from(traffic.total_retrans),
            "tcpi_bytes_acked" => first_sent.saturating_sub(flight),
            "tcpi_bytes_received" => traffic.bytes_received,
            "tcpi_segs_out" => u64::from(traffic.segs_out),
            "tcpi_segs_in" => u64::from(traffic.segs_in),
            "tcpi_notsent_bytes" => (info.send_buffered_bytes as u64).saturating_sub(flight),
            "tcpi_data_segs_in" => u64::from(traffic.data_segs_in),
            "tcpi_data_segs_out" => u64::from(traffic.data_segs_out),
            "tcpi_busy_time" => us(facts.waits.busy),
            "tcpi_rwnd_limited" => us(facts.waits.for_window),
            "tcpi_bytes_sent" => traffic.bytes_sent,
            "tcpi_bytes_retrans" => traffic.bytes_retrans,
            "tcpi_snd_wnd" => u64::from(info.snd_wnd),
            _ => 0,
        };
        bytes[offset..offset + len].copy_from_slice(&value.to_ne_bytes()[..len]);
    }
    bytes
}

/// What stands for a round trip that was not measured, and for a threshold before any loss.
const NEVER: u64 = u32::MAX as u64;
const SSTHRESH_INFINITE: u64 = 0x7fff_ffff;
/// By how many segments Linux takes for granted that they may be out of order.
const REORDERING_INITIAL: u64 = 3;

/// Linux's `enum tcp_ca_state`. Where the network's marks narrow the window (2, CWR) we are open.
fn congestion_state(info: &Info) -> u8 {
    match info.loss_phase {
        LossPhase::Open if info.sacked_bytes > 0 || info.duplicate_acks > 0 => 1,
        LossPhase::Open => 0,
        LossPhase::Recovery => 3,
        LossPhase::Loss => 4,
    }
}

/// The structure's bytes for a socket that `is_listening`, or does nothing yet.
pub fn without_connection(is_listening: bool) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    bytes[0] = if is_listening { LISTEN } else { number(State::Closed) };
    bytes
}

/// The state of a listener, by Linux's number.
const LISTEN: u8 = 10;

/// A state by Linux's number (`include/net/tcp_states.h`).
fn number(state: State) -> u8 {
    match state {
        State::Established => 1,
        State::SynSent => 2,
        State::SynReceived => 3,
        State::FinWait1 => 4,
        State::FinWait2 => 5,
        State::TimeWait => 6,
        State::Closed => 7,
        State::CloseWait => 8,
        State::LastAck => 9,
        State::Closing => 11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout against the C library's, field by field where it has the field.
    #[test]
    fn fields_lie_where_the_c_library_has_them() {
        use std::mem::offset_of;
        for (name, offset) in [
            ("tcpi_state", offset_of!(libc::tcp_info, tcpi_state)),
            ("tcpi_options", offset_of!(libc::tcp_info, tcpi_options)),
            ("tcpi_ca_state", offset_of!(libc::tcp_info, tcpi_ca_state)),
            ("tcpi_retransmits", offset_of!(libc::tcp_info, tcpi_retransmits)),
            ("tcpi_probes", offset_of!(libc::tcp_info, tcpi_probes)),
            ("tcpi_backoff", offset_of!(libc::tcp_info, tcpi_backoff)),
            ("tcpi_sacked", offset_of!(libc::tcp_info, tcpi_sacked)),
            ("tcpi_lost", offset_of!(libc::tcp_info, tcpi_lost)),
            ("tcpi_retrans", offset_of!(libc::tcp_info, tcpi_retrans)),
            ("tcpi_rttvar", offset_of!(libc::tcp_info, tcpi_rttvar)),
            ("tcpi_snd_ssthresh", offset_of!(libc::tcp_info, tcpi_snd_ssthresh)),
            ("tcpi_rto", offset_of!(libc::tcp_info, tcpi_rto)),
            ("tcpi_snd_mss", offset_of!(libc::tcp_info, tcpi_snd_mss)),
            ("tcpi_rcv_mss", offset_of!(libc::tcp_info, tcpi_rcv_mss)),
            ("tcpi_reordering", offset_of!(libc::tcp_info, tcpi_reordering)),
            ("tcpi_unacked", offset_of!(libc::tcp_info, tcpi_unacked)),
            ("tcpi_last_data_sent", offset_of!(libc::tcp_info, tcpi_last_data_sent)),
            ("tcpi_last_data_recv", offset_of!(libc::tcp_info, tcpi_last_data_recv)),
            ("tcpi_last_ack_recv", offset_of!(libc::tcp_info, tcpi_last_ack_recv)),
            ("tcpi_rtt", offset_of!(libc::tcp_info, tcpi_rtt)),
            ("tcpi_snd_cwnd", offset_of!(libc::tcp_info, tcpi_snd_cwnd)),
            ("tcpi_advmss", offset_of!(libc::tcp_info, tcpi_advmss)),
            ("tcpi_total_retrans", offset_of!(libc::tcp_info, tcpi_total_retrans)),
        ] {
            let ours =
                FIELDS.iter().find(|(known, ..)| *known == name).map(|(_, offset, _)| *offset);
            assert_eq!(ours, Some(offset), "{name}");
        }
        assert!(FIELDS.iter().all(|(_, offset, len)| offset + len <= LEN));
    }
}
