//! What a stack is set up with. Every limit has a name here, and what happens at it a counter.

use core::ops::RangeInclusive;

use super::codec::{Codec, In, Out, SPAN_MAX, codec};
use super::congestion::SLOW_START_SEGMENTS;
use super::snapshot::SnapshotRefusal;
use crate::time::Duration;
use crate::wire::tcp::UserTimeout;

/// The largest buffer that a scaled window can describe: 65,535 << 14 (RFC 7323 2.3).
const BUFFER_BYTES_MAX: usize = 65_535 << 14;
/// The most connections; an index leaves room for a mark of "none".
const CONNECTIONS_MAX: usize = 1 << 20;

/// What the least MTU leaves for a segment (RFC 791 3.2: 68 bytes).
const MSS_LEAST: u16 = 28;
/// What the longest packet leaves (RFC 9293 3.7.1, MUST-67).
const MSS_MOST: u16 = u16::MAX - 40;
/// The longest that an ACK may wait (RFC 9293 3.8.6.3).
pub(super) const ACK_DELAY_MAX: Duration = Duration::from_ms(500);

/// How a stack is set up. Everything it needs is allocated from this, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Connections at once, those in TIME-WAIT included. Default 64.
    pub connections_max: usize,
    /// Ports listened on at once. Default 16.
    pub listeners_max: usize,
    /// Connections in SYN-RECEIVED at once, for each listener. Default 16.
    pub backlog_max: usize,
    /// Whether a listener whose backlog is full answers SYNs by cookies (RFC 4987 3.6), instead of dropping
    /// them. Default true.
    pub syn_cookies: bool,
    /// How long a handshake with a listener is not over while the peer only acknowledges, and sends neither data nor a
    /// FIN: until then it has a place of the backlog and not the application's attention. The SYN-ACK goes again at
    /// the end of that time, for an ACK that counts. Default none; not by cookies.
    pub defer_accept: Option<Duration>,
    /// Bytes sent and not yet acknowledged, or waiting to be sent, for each connection. Default 65,536.
    pub send_buffer_bytes: usize,
    /// Bytes received and not yet consumed, for each connection; the largest window. Default 65,536.
    pub receive_buffer_bytes: usize,
    /// The longest single reservation, in bytes; at most the send buffer. Default 16,384.
    pub message_bytes_max: usize,
    /// The largest segment we take and send, in bytes of payload before options: the MTU less 40.
    /// Default 1,460.
    pub mss: u16,
    /// Whether timestamps are offered and accepted (RFC 7323). Default true.
    pub timestamps: bool,
    /// Whether a segment without the timestamps that were agreed on is dropped (RFC 7323 3.2, SHOULD). Default
    /// true. Linux and FreeBSD take it, for the sake of what stands between and strips options or speaks for a host:
    /// such a segment is then not protected against old duplicates.
    pub requires_timestamps: bool,
    /// Whether window scaling is offered and accepted (RFC 7323). Default true.
    pub window_scaling: bool,
    /// Whether selective acknowledgements are offered and accepted (RFC 2018, RFC 2883). Default true.
    pub sack: bool,
    /// Whether explicit congestion notification is offered and accepted (RFC 3168). Default false.
    pub ecn: bool,
    /// The shift that is offered, at most 14. Default the least that describes the receive buffer, which
    /// a smaller one is raised to.
    pub window_scale: Option<u8>,
    /// How long the ACK of a segment of data may wait for a second one, or for data to ride on; at most 500 ms
    /// (RFC 9293 3.8.6.3). Default none: nothing is delayed.
    pub ack_delay: Option<Duration>,
    /// What bounds the bytes in flight besides the peer's window. Default NewReno.
    pub congestion: CongestionControl,
    /// By how many segments one ACK widens the congestion window in slow start at most. Default 8; whoever paces
    /// needs no limit (RFC 9406 4.2, L), and a peer that acknowledges whole bursts is sped up by more.
    pub slow_start_segments: u32,
    /// The shortest retransmission timeout. Default 200 ms, well above the 40 ms by which Linux
    /// delays an ACK; RFC 6298 2.4 would have 1 s.
    pub rto_min: Duration,
    /// By how much the peer may delay an ACK, unless it has shown to delay longer within five minutes. It is waited for before
    /// anything short is sent again. Default 50 ms: Linux delays by 40 to 47 ms, and not at first, so
    /// that no short delay seen proves one. Zero repairs faster, at the price of sending twice to a peer
    /// that does delay (RFC 8985 7.2, `TLP.max_ack_delay`), and stays zero whatever comes late.
    pub peer_max_ack_delay: Duration,
    /// The timeout before the first round trip is measured. Default 1 s (RFC 6298 2.1).
    pub rto_initial: Duration,
    /// The longest, after any number of back-offs. Default 60 s (RFC 6298 2.5). Like every other of these timeouts, TIME-WAIT and
    /// the peer's delay it is cut to 2^50 ns, some 13 days.
    pub rto_max: Duration,
    /// Retransmissions of a SYN before it is given up. Default 7, with the timeouts above 183 s:
    /// past the 3 minutes of RFC 9293 3.8.3 (R2).
    pub syn_retries_max: u8,
    /// Retransmissions or unanswered probes in a row before a connection is given up. Default 15:
    /// past the 100 s of RFC 9293 3.8.3 (R2).
    pub retries_max: u8,
    /// How long TIME-WAIT lasts: twice the maximum segment lifetime. Default 60 s, as Linux;
    /// RFC 9293 3.4.2 would have 4 minutes.
    pub time_wait: Duration,
    /// How long a released connection may take to deliver what was committed, from the release on, and then to hear the
    /// peer's FIN, from the ACK of ours on. Default 60 s. Whoever has more to deliver than that releases it later, or
    /// gives it more time.
    pub orphan_timeout: Duration,
    /// Probes of an idle peer. Default none (RFC 9293 3.8.4).
    pub keep_alive: Option<KeepAlive>,
    /// How long what was sent may stay unacknowledged, or a probed peer silent, before the connection is given
    /// up, in place of a number of retries (RFC 9293 3.9.1.1, RFC 5482). Default none. It is looked at when the retransmission
    /// timer goes off: no sooner than that is anybody given up.
    pub user_timeout: Option<Duration>,
    /// As [`Terms::user_timeout_option`]. Default none.
    pub user_timeout_option: Option<UserTimeoutOption>,
    /// Whether less than a full segment waits as long as anything is in flight (Nagle, RFC 9293 3.7.4).
    /// Default false.
    pub nagle: bool,
    /// Whether new segments are spread over a round trip instead of leaving in a burst. Default false.
    pub pacing: bool,
    /// As [`Terms::stale_after`]. Default none.
    pub stale_after: Option<Duration>,
    /// Challenge ACKs that one connection sends within one second. Default 10 (RFC 5961 7).
    pub challenge_acks_per_s: u16,
    /// The ports from which `connect` takes one. Default 49,152 to 65,535 (RFC 6335 6).
    pub ephemeral_ports: RangeInclusive<u16>,
}

/// When an idle peer is probed (RFC 9293 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long nothing must have come before the first probe.
    pub idle: Duration,
    /// Between probes.
    pub interval: Duration,
    /// Probes without an answer before the connection is given up; a [user timeout](Terms::user_timeout) says it in
    /// their place. One at least.
    pub probes: u8,
}

/// The user timeout option, told and heard (RFC 5482 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeoutOption {
    /// What the peer is told (ADV_UTO).
    pub advertised: UserTimeout,
    /// Where there are limits, the longer of that and of what the peer tells takes the place of
    /// [`Terms::user_timeout`] within them (CHANGEABLE). Default none.
    pub adopts: Option<UserTimeoutLimits>,
}

/// Between what an adopted user timeout lies (RFC 5482 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTimeoutLimits {
    /// L_LIMIT. RFC 5482 3.1 would have 100 s at least.
    pub least: Duration,
    /// U_LIMIT: what a peer may have us keep a dead connection for.
    pub most: Duration,
}

/// What bounds the bytes in flight besides the peer's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CongestionControl {
    /// RFC 5681 and RFC 6582.
    NewReno,
    /// RFC 9438: as Linux does it, for paths with much in flight.
    Cubic,
    /// NewReno, but with [ECN](Config::ecn) agreed on the window shrinks by as much as was marked, and
    /// marks are echoed one by one: RFC 8257, for networks of one's own whose switches mark early.
    Dctcp,
    /// Nothing but this many bytes: for a link of one's own, where loss is not congestion.
    None {
        /// The bound, in bytes.
        in_flight_bytes_max: u32,
    },
}

/// What one connection does otherwise than the [`Config`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// As [`Config::sack`]; counts until our SYN has left.
    pub sack: bool,
    /// As [`Config::ecn`]; counts until our SYN has left.
    pub ecn: bool,
    /// As [`Config::congestion`].
    pub congestion: CongestionControl,
    /// As [`Config::rto_min`], from the next round trip measured on.
    pub rto_min: Duration,
    /// As [`Config::peer_max_ack_delay`]; what was learned of the peer is forgotten for it.
    pub peer_max_ack_delay: Duration,
    /// As [`Config::ack_delay`].
    pub ack_delay: Option<Duration>,
    /// As [`Config::nagle`].
    pub nagle: bool,
    /// As [`Config::pacing`].
    pub pacing: bool,
    /// As [`Config::keep_alive`], from now on.
    pub keep_alive: Option<KeepAlive>,
    /// As [`Config::user_timeout`].
    pub user_timeout: Option<Duration>,
    /// Whether the peer is told how long we have patience, in our SYN and in the first segment after it or after
    /// other terms, and what it tells is heard (RFC 5482 3, ENABLED).
    pub user_timeout_option: Option<UserTimeoutOption>,
    /// As [`Config::orphan_timeout`].
    pub orphan_timeout: Duration,
    /// How long a message may wait for the ACK of its last byte, from its commit on. The connection is reset
    /// then, so that what is of no use any more is not delivered late; the peer may have it all the same.
    pub stale_after: Option<Duration>,
}

impl Terms {
    /// The same with every number brought within what the protocol can hold.
    pub(super) fn bounded(mut self) -> Terms {
        self.ack_delay = self.ack_delay.map(|delay| delay.min(ACK_DELAY_MAX));
        self.rto_min = self.rto_min.min(SPAN_MAX);
        self.peer_max_ack_delay = self.peer_max_ack_delay.min(SPAN_MAX);
        if let Some(keep_alive) = &mut self.keep_alive {
            keep_alive.interval = keep_alive.interval.max(Duration::from_ms(1));
            keep_alive.probes = keep_alive.probes.max(1);
        }
        self
    }
}

impl Default for Terms {
    fn default() -> Terms {
        Config::default().terms()
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            connections_max: 64,
            listeners_max: 16,
            backlog_max: 16,
            syn_cookies: true,
            defer_accept: None,
            send_buffer_bytes: 64 * 1024,
            receive_buffer_bytes: 64 * 1024,
            message_bytes_max: 16 * 1024,
            mss: 1460,
            timestamps: true,
            requires_timestamps: true,
            window_scaling: true,
            sack: true,
            ecn: false,
            window_scale: None,
            ack_delay: None,
            congestion: CongestionControl::NewReno,
            slow_start_segments: SLOW_START_SEGMENTS,
            rto_min: Duration::from_ms(200),
            peer_max_ack_delay: Duration::from_ms(50),
            rto_initial: Duration::from_s(1),
            rto_max: Duration::from_s(60),
            syn_retries_max: 7,
            retries_max: 15,
            time_wait: Duration::from_s(60),
            orphan_timeout: Duration::from_s(60),
            keep_alive: None,
            user_timeout: None,
            user_timeout_option: None,
            nagle: false,
            pacing: false,
            stale_after: None,
            challenge_acks_per_s: 10,
            ephemeral_ports: 49_152..=65_535,
        }
    }
}

impl Config {
    /// What a connection does unless told otherwise.
    pub fn terms(&self) -> Terms {
        Terms {
            sack: self.sack,
            ecn: self.ecn,
            congestion: self.congestion,
            rto_min: self.rto_min,
            peer_max_ack_delay: self.peer_max_ack_delay,
            ack_delay: self.ack_delay,
            nagle: self.nagle,
            pacing: self.pacing,
            keep_alive: self.keep_alive,
            user_timeout: self.user_timeout,
            user_timeout_option: self.user_timeout_option,
            orphan_timeout: self.orphan_timeout,
            stale_after: self.stale_after,
        }
        .bounded()
    }

    /// The same with every number brought within what the protocol and the stack can hold.
    pub(super) fn bounded(mut self) -> Config {
        self.connections_max = self.connections_max.clamp(1, CONNECTIONS_MAX);
        self.send_buffer_bytes = self.send_buffer_bytes.clamp(1, BUFFER_BYTES_MAX);
        self.receive_buffer_bytes = self.receive_buffer_bytes.clamp(1, BUFFER_BYTES_MAX);
        self.message_bytes_max = self.message_bytes_max.min(self.send_buffer_bytes);
        self.mss = self.mss.clamp(MSS_LEAST, MSS_MOST);
        self.rto_min = self.rto_min.clamp(self.rto_least(), SPAN_MAX);
        self.rto_max = self.rto_max.clamp(self.rto_min, SPAN_MAX);
        self.rto_initial = self.rto_initial.clamp(self.rto_min, self.rto_max);
        self.peer_max_ack_delay = self.peer_max_ack_delay.min(SPAN_MAX);
        self.time_wait = self.time_wait.min(SPAN_MAX);
        if self.ephemeral_ports.is_empty() || *self.ephemeral_ports.start() == 0 {
            self.ephemeral_ports = Config::default().ephemeral_ports;
        }
        self
    }

    /// No timeout is shorter, whatever is asked for.
    pub(super) fn rto_least(&self) -> Duration {
        Duration::from_us(1)
    }

    /// The shift that is offered: the whole receive buffer fits the window field with it (RFC 7323 2.3), and is not
    /// rounded to nothing.
    pub(super) fn receive_window_scale(&self) -> u8 {
        let mut shift = self.window_scale.unwrap_or(0).min(14);
        while shift < 14 && (self.receive_buffer_bytes >> shift) > 65_535 {
            shift += 1;
        }
        shift.min(self.receive_buffer_bytes.checked_ilog2().unwrap_or(0) as u8)
    }
}

codec!(KeepAlive { idle, interval, probes });
codec!(UserTimeoutOption { advertised, adopts });
codec!(UserTimeoutLimits { least, most });

impl Codec for CongestionControl {
    fn put(&self, out: &mut Out<'_>) {
        let (kind, bound): (u8, u32) = match *self {
            CongestionControl::NewReno => (0, 0),
            CongestionControl::Cubic => (1, 0),
            CongestionControl::Dctcp => (2, 0),
            CongestionControl::None { in_flight_bytes_max } => (3, in_flight_bytes_max),
        };
        (kind, bound).put(out);
    }

    fn take(from: &mut In<'_>) -> Result<CongestionControl, SnapshotRefusal> {
        Ok(match Codec::take(from)? {
            (0u8, 0u32) => CongestionControl::NewReno,
            (1, 0) => CongestionControl::Cubic,
            (2, 0) => CongestionControl::Dctcp,
            (3, in_flight_bytes_max) => CongestionControl::None { in_flight_bytes_max },
            _ => return Err(SnapshotRefusal::Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_is_the_least_that_describes_the_buffer() {
        for (bytes, shift) in
            [(1, 0), (65_535, 0), (65_536, 1), (1 << 20, 5), (65_535 << 14, 14), (usize::MAX, 14)]
        {
            let config = Config { receive_buffer_bytes: bytes, ..Config::default() }.bounded();
            assert_eq!(config.receive_window_scale(), shift, "{bytes}");
        }
    }

    #[test]
    fn a_window_scale_that_is_asked_for_is_offered_unless_the_buffer_needs_more() {
        for (asked, shift) in [(0, 5), (5, 5), (8, 8), (200, 14)] {
            let config = Config {
                receive_buffer_bytes: 1 << 20,
                window_scale: Some(asked),
                ..Config::default()
            };
            assert_eq!(config.bounded().receive_window_scale(), shift, "{asked}");
        }
    }

    #[test]
    fn a_longest_message_above_the_send_buffer_is_cut_to_it() {
        let config = Config { send_buffer_bytes: 100, ..Config::default() }.bounded();
        assert_eq!(config.message_bytes_max, 100);
    }
}
