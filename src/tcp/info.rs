//! Where a connection stands, for people and tests.

use super::congestion::LossPhase;
use super::connection::State;
use super::endpoint::Endpoint;
use super::event::{ConnectionId, ListenerId};
use super::stack::Stack;
use crate::time::Duration;
use crate::wire::tcp::SeqNumber;

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its state.
    pub state: State,
    /// Our endpoint.
    pub local: Endpoint,
    /// The peer's.
    pub remote: Endpoint,
    /// The listener that accepted it.
    pub listener: Option<ListenerId>,
    /// The oldest number not acknowledged.
    pub snd_una: SeqNumber,
    /// The next number to send.
    pub snd_nxt: SeqNumber,
    /// The peer's window in bytes, from `snd_una` on.
    pub snd_wnd: u32,
    /// The next number expected.
    pub rcv_nxt: SeqNumber,
    /// Our window in bytes, from `rcv_nxt` on, as last told.
    pub rcv_wnd: u32,
    /// Payload bytes of a full segment.
    pub mss: u32,
    /// The smoothed round trip, once measured.
    pub srtt: Option<Duration>,
    /// By how much round trips vary (RFC 6298 2.3).
    pub rttvar: Duration,
    /// The shortest round trip of late.
    pub rtt_min: Option<Duration>,
    /// The retransmission timeout, back-off included.
    pub rto: Duration,
    /// The congestion window in bytes.
    pub cwnd: u32,
    /// How long what was sent may stay unacknowledged, as it was set or adopted of the peer's.
    pub user_timeout: Option<Duration>,
    /// The window up to which it doubles with each round trip, in bytes; the highest number before any loss.
    pub ssthresh: u32,
    /// What is being done about loss.
    pub loss_phase: LossPhase,
    /// Bytes in flight that the peer holds ahead of their turn.
    pub sacked_bytes: u32,
    /// Bytes in flight that are taken for lost, sent again since or not.
    pub lost_bytes: u32,
    /// Of those that were sent again, how many may still be in the network.
    pub resent_bytes: u32,
    /// How far behind the highest number that had arrived something came that was sent once, in bytes; 0 where
    /// everything came in order.
    pub reordered_by_bytes: u32,
    /// Duplicate ACKs in a row.
    pub duplicate_acks: u32,
    /// Retransmission timeouts or window probes in a row.
    pub retries: u32,
    /// Segments sent again.
    pub retransmissions: u64,
    /// Bytes committed and not acknowledged, sent or not.
    pub send_buffered_bytes: usize,
    /// Bytes received and not consumed.
    pub receive_buffered_bytes: usize,
    /// Whether both sides agreed on timestamps.
    pub uses_timestamps: bool,
    /// Whether both sides agreed on selective acknowledgements.
    pub uses_sack: bool,
    /// Whether both sides agreed on explicit congestion notification.
    pub uses_ecn: bool,
    /// The shift of the peer's windows, then of ours; 0 where scaling was not agreed on.
    pub window_shifts: (u8, u8),
}

impl Stack {
    /// Where a connection stands; `None` for an id that names none any more.
    pub fn info(&self, id: ConnectionId) -> Option<Info> {
        let connection = &self.connections[self.find(id)?];
        Some(Info {
            state: connection.state,
            local: connection.tuple.local,
            remote: connection.tuple.remote,
            listener: connection.listener,
            snd_una: connection.snd_una,
            snd_nxt: connection.snd_nxt,
            snd_wnd: connection.snd_wnd,
            rcv_nxt: connection.rcv_nxt,
            rcv_wnd: connection.rcv_wnd(),
            mss: connection.snd_mss,
            srtt: connection.rtt.srtt(),
            rttvar: connection.rtt.rttvar(),
            rtt_min: connection.rack.min_rtt(),
            rto: connection.rtt.rto(&self.config),
            cwnd: connection.congestion.cwnd(),
            user_timeout: connection.user_timeout(&self.config),
            ssthresh: connection.congestion.ssthresh(),
            loss_phase: connection.congestion.phase(),
            sacked_bytes: connection.scoreboard.sacked_bytes(),
            lost_bytes: connection.scoreboard.lost_bytes(),
            resent_bytes: connection.scoreboard.resent_bytes(),
            reordered_by_bytes: connection.rack.reordered_by(),
            duplicate_acks: connection.duplicate_acks,
            retries: connection.retries,
            retransmissions: u64::from(connection.retransmissions),
            send_buffered_bytes: connection.send.len(),
            receive_buffered_bytes: connection.receive.len(),
            uses_timestamps: connection.stamps().is_some(),
            uses_sack: connection.sack.is_agreed,
            uses_ecn: connection.ecn.is_agreed,
            window_shifts: (connection.snd_wind_shift, connection.rcv_wind_shift),
        })
    }
}
