//! What a script's sysctls and flags make of a [`Config`]. The one place that knows which stack a script
//! was written for: its defaults, and what each of its sysctls is here.
//!
//! A sysctl is followed, has no bearing on what fixwire does, or is refused by name. Whoever adds a field to
//! [`Config`] that a sysctl speaks of (SACK, recovery, congestion control, ECN, delayed ACKs) moves its line
//! from the refused ones to the followed ones.

use fixwire::tcp::{Config, CongestionControl, KeepAlive};
use fixwire::time::Duration;

use crate::frames::SynLayout;
use crate::options::CONGESTION;
use crate::sysctls::{FREEBSD, LINUX, bearing};

/// IPv4 and TCP header without options, in bytes.
const HEADERS_LEN: u16 = 40;
/// What a sent byte stream may hold at most, whatever SO_SNDBUF says: a script may raise it on an open
/// connection, whose buffer is allocated by then. In bytes.
const SEND_BUFFER_BYTES: usize = 4 << 20;
/// As both kernels have it unless told otherwise: a peer that asks for ECN gets it, and none is asked.
const ECN_WHERE_ASKED: [bool; 2] = [false, true];
/// Connections at once in one script.
const CONNECTIONS_MAX: usize = 32;

/// The stack that a script takes its defaults from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Linux: what packetdrill's own scripts are written for.
    #[default]
    Linux,
    /// FreeBSD: whoever sets a sysctl of its.
    FreeBsd,
    /// fixwire's own defaults.
    Fixwire,
}

/// What became of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Sockets opened from now on go by it.
    Followed,
    /// It is of something that fixwire does not have or always does that way.
    NoBearing,
    /// It asks for what is not offered.
    Refused,
}

/// The settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whose defaults they began with.
    pub dialect: Dialect,
    timestamps: bool,
    window_scaling: bool,
    sack: bool,
    /// Of an active open, then of a passive one.
    ecn: [bool; 2],
    window_scale: Option<u8>,
    /// The receive buffer of a new socket, in bytes.
    pub receive_bytes: usize,
    /// What a new socket takes to send, in bytes.
    pub send_bytes: usize,
    mtu: u16,
    /// What several segments that come as one packet are taken to have been cut to, in bytes: packetdrill's `--mss`.
    pub received_mss: Option<u32>,
    /// Of an active open, then of a passive one.
    pub syn_retries: [u8; 2],
    retries: u8,
    rto_min: Duration,
    rto_initial: Duration,
    peer_max_ack_delay: Duration,
    /// How long a closed socket waits for the peer's FIN.
    pub fin_timeout: Duration,
    rto_max: Duration,
    syn_cookies: bool,
    /// No place is kept for whoever begins to connect: every SYN is answered by a cookie.
    pub cookies_alone: bool,
    ack_delay: Option<Duration>,
    time_wait: Duration,
    challenge_acks_per_s: u16,
    requires_timestamps: bool,
    slow_start_segments: u32,
    /// What a new socket may have unsent before it is not writable any more, in bytes.
    pub notsent_lowat: u32,
    /// What bounds what a new socket has in flight.
    pub congestion: CongestionControl,
    /// Applies where SO_KEEPALIVE is set.
    pub keep_alive: KeepAlive,
}

/// Which way a connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// By connect.
    Active,
    /// By listen.
    Passive,
}

impl Settings {
    /// A dialect's defaults.
    pub fn of(dialect: Dialect) -> Settings {
        let ours = Config::default();
        let keep_alive = KeepAlive {
            idle: Duration::from_s(7200),
            interval: Duration::from_s(75),
            probes: if dialect == Dialect::FreeBsd { 8 } else { 9 },
        };
        let mut settings = Settings {
            dialect,
            timestamps: ours.timestamps,
            window_scaling: ours.window_scaling,
            sack: ours.sack,
            ecn: [ours.ecn; 2],
            window_scale: None,
            receive_bytes: ours.receive_buffer_bytes,
            send_bytes: ours.send_buffer_bytes,
            mtu: ours.mss + HEADERS_LEN,
            received_mss: None,
            syn_retries: [ours.syn_retries_max; 2],
            retries: ours.retries_max,
            rto_min: ours.rto_min,
            rto_initial: ours.rto_initial,
            peer_max_ack_delay: ours.peer_max_ack_delay,
            fin_timeout: ours.orphan_timeout,
            rto_max: ours.rto_max,
            syn_cookies: ours.syn_cookies,
            cookies_alone: false,
            ack_delay: ours.ack_delay,
            time_wait: ours.time_wait,
            challenge_acks_per_s: ours.challenge_acks_per_s,
            requires_timestamps: ours.requires_timestamps,
            slow_start_segments: ours.slow_start_segments,
            notsent_lowat: u32::MAX,
            congestion: ours.congestion,
            keep_alive,
        };
        match dialect {
            Dialect::Fixwire => {}
            Dialect::Linux => {
                settings.receive_bytes = 131_072;
                settings.ecn = ECN_WHERE_ASKED;
                settings.window_scale = Some(7);
                // What it adds to a round trip before it takes a peer for silent.
                settings.peer_max_ack_delay = Duration::from_ms(200);
                settings.syn_retries = [6, 5];
                settings.requires_timestamps = false;
                settings.slow_start_segments = u32::MAX;
            }
            Dialect::FreeBsd => {
                settings.send_bytes = 32_768;
                settings.ecn = ECN_WHERE_ASKED;
                settings.window_scale = Some(6);
                settings.rto_min = Duration::from_ms(230);
                settings.ack_delay = Some(Duration::from_ms(40));
                settings.requires_timestamps = false;
            }
        }
        settings
    }

    /// The settings that `flags` (separated by commas) and then `lines` make, both of `NAME=VALUE`; and what
    /// was refused, in words.
    pub fn read(flags: &str, lines: &str) -> (Settings, Vec<String>) {
        let pairs: Vec<(&str, &str)> = flags
            .split(',')
            .chain(lines.lines())
            .filter_map(|pair| pair.trim().split_once('='))
            .collect();
        let named = pairs.iter().find(|(name, _)| *name == "dialect").map(|(_, value)| *value);
        let is_freebsd =
            |name: &str| name.starts_with("net.inet.") || name.starts_with("kern.ipc.");
        let dialect = match named {
            Some("fixwire") => Dialect::Fixwire,
            Some("freebsd") => Dialect::FreeBsd,
            Some("linux") => Dialect::Linux,
            _ if pairs.iter().any(|(name, _)| is_freebsd(name)) => Dialect::FreeBsd,
            _ => Dialect::Linux,
        };
        let mut settings = Settings::of(dialect);
        let mut last = std::collections::BTreeMap::new();
        for (name, value) in pairs.into_iter().filter(|(name, _)| *name != "dialect") {
            last.insert(name, (value, settings.take(name, value)));
        }
        let refused = last.into_iter().filter(|(_, (_, taken))| *taken == Taken::Refused);
        let refused = refused.map(|(name, (value, _))| format!("{name}={value}")).collect();
        (settings, refused)
    }

    fn take(&mut self, name: &str, value: &str) -> Taken {
        let name = name.trim();
        let value = value.trim().trim_matches('"');
        if let Some(name) = name.strip_prefix("net.ipv4.") {
            self.take_linux(name, value)
        } else if let Some(name) = name.strip_prefix("net.inet.") {
            self.take_freebsd(name, value)
        } else if name == "kern.ipc.maxsockbuf" {
            self.take_socket_buffer_max(value)
        } else if name.starts_with("net.core.") || name.starts_with("net.ipv6.") {
            Taken::NoBearing
        } else {
            self.take_ours(name, value)
        }
    }

    /// Flags of fixwire's own, for scripts that are written for it.
    fn take_ours(&mut self, name: &str, value: &str) -> Taken {
        let Ok(number) = value.parse::<u64>() else { return Taken::Refused };
        match name {
            "mtu" => self.mtu = number.min(u64::from(u16::MAX)) as u16,
            "received_mss" => self.received_mss = u32::try_from(number).ok(),
            "mss" => self.mtu = (number as u16).saturating_add(HEADERS_LEN),
            "rto_min_ms" => self.rto_min = Duration::from_ms(number),
            "rto_initial_ms" => self.rto_initial = Duration::from_ms(number),
            "receive_buffer_bytes" => self.receive_bytes = number as usize,
            "send_buffer_bytes" => self.send_bytes = number as usize,
            "ack_delay_ms" => self.ack_delay = (number > 0).then_some(Duration::from_ms(number)),
            "time_wait_s" => self.time_wait = Duration::from_s(number),
            "syn_retries_max" => self.syn_retries = [number.min(255) as u8; 2],
            "retries_max" => self.retries = number.min(255) as u8,
            "challenge_acks_per_s" => self.challenge_acks_per_s = number.min(65_535) as u16,
            "in_flight_bytes_max" => {
                let in_flight_bytes_max = number.min(u64::from(u32::MAX)) as u32;
                self.congestion = CongestionControl::None { in_flight_bytes_max };
            }
            "timestamps" => self.timestamps = number != 0,
            "window_scaling" => self.window_scaling = number != 0,
            "sack" => self.sack = number != 0,
            "ecn" => self.ecn = [number != 0; 2],
            _ => return Taken::Refused,
        }
        Taken::Followed
    }

    fn take_linux(&mut self, name: &str, value: &str) -> Taken {
        let numbers: Vec<u64> = value.split_whitespace().filter_map(number).collect();
        let Some(&first) = numbers.first() else { return self.take_linux_word(name, value) };
        match name {
            "tcp_timestamps" => self.timestamps = first != 0,
            "tcp_window_scaling" => self.window_scaling = first != 0,
            "tcp_sack" => self.sack = first != 0,
            "tcp_ecn" if first <= 2 => self.ecn = [first == 1, first != 0],
            "tcp_rmem" if numbers.len() == 3 => {
                self.receive_bytes = numbers[1] as usize;
                // Linux: the shift that describes the largest buffer.
                self.window_scale = Some((numbers[2].max(65_535).ilog2() - 15).min(14) as u8);
            }
            "tcp_wmem" if numbers.len() == 3 => self.send_bytes = numbers[1] as usize,
            "tcp_notsent_lowat" => self.notsent_lowat = first.min(u64::from(u32::MAX)) as u32,
            "tcp_syn_retries" => self.syn_retries[0] = first.min(255) as u8,
            "tcp_synack_retries" => self.syn_retries[1] = first.min(255) as u8,
            "tcp_retries2" => self.retries = first.min(255) as u8,
            "tcp_rto_min_us" => self.rto_min = Duration::from_us(first),
            "tcp_rto_max_ms" => self.rto_max = Duration::from_ms(first),
            "tcp_syncookies" if first <= 2 => {
                (self.syn_cookies, self.cookies_alone) = (first > 0, first == 2);
            }
            "tcp_fin_timeout" => self.fin_timeout = Duration::from_s(first),
            "tcp_keepalive_time" => self.keep_alive.idle = Duration::from_s(first),
            "tcp_keepalive_intvl" => self.keep_alive.interval = Duration::from_s(first),
            "tcp_keepalive_probes" => self.keep_alive.probes = first.min(255) as u8,
            _ => return bearing(&LINUX, name, first),
        }
        Taken::Followed
    }

    fn take_linux_word(&mut self, name: &str, value: &str) -> Taken {
        match (name, value) {
            ("tcp_congestion_control", control) => {
                let named = CONGESTION.iter().find(|(name, _)| *name == control);
                let Some((_, control)) = named else { return Taken::Refused };
                self.congestion = *control;
                Taken::Followed
            }
            ("tcp_fastopen_key", _) => Taken::NoBearing,
            _ => Taken::Refused,
        }
    }

    fn take_freebsd(&mut self, name: &str, value: &str) -> Taken {
        let Some(first) = number(value) else { return Taken::Refused };
        match name.trim_start_matches("tcp.") {
            // 1 is both, 2 window scaling alone, 3 timestamps alone.
            "rfc1323" => {
                (self.timestamps, self.window_scaling) = (first & 1 != 0, matches!(first, 1 | 2));
            }
            "sack.enable" => self.sack = first != 0,
            "ecn.enable" if first <= 2 => self.ecn = [first == 1, first != 0],
            "syncookies" => self.syn_cookies = first != 0,
            "syncookies_only" => self.cookies_alone = first != 0,
            "recvspace" => self.receive_bytes = first as usize,
            "sendspace" => self.send_bytes = first as usize,
            "rexmit_initial" => self.rto_initial = Duration::from_ms(first),
            "rexmit_slop" => self.rto_min = Duration::from_ms(30 + first),
            "delacktime" => self.ack_delay = (first > 0).then_some(Duration::from_ms(first)),
            "keepidle" => self.keep_alive.idle = Duration::from_ms(first),
            "keepintvl" => self.keep_alive.interval = Duration::from_ms(first),
            "tolerate_missing_ts" => self.requires_timestamps = first == 0,
            "keepcnt" => self.keep_alive.probes = first.min(255) as u8,
            name => return bearing(&FREEBSD, name, first),
        }
        Taken::Followed
    }

    /// FreeBSD: the shift that describes the largest socket buffer.
    fn take_socket_buffer_max(&mut self, value: &str) -> Taken {
        let Some(largest) = number(value) else { return Taken::Refused };
        let shift = (0..14).find(|shift| 65_535u64 << shift >= largest);
        self.window_scale = Some(shift.unwrap_or(14));
        Taken::Followed
    }

    /// How SYNs are laid out.
    pub fn syn_layout(&self) -> SynLayout {
        match self.dialect {
            Dialect::Linux => SynLayout::Linux,
            Dialect::FreeBsd => SynLayout::FreeBsd,
            Dialect::Fixwire => SynLayout::Fixwire,
        }
    }

    /// The largest segment of a socket that asks for none, in bytes of payload.
    pub fn mss(&self) -> u16 {
        self.mtu.saturating_sub(HEADERS_LEN)
    }

    /// The configuration of a socket that opens now, with a receive buffer of `receive_bytes`, segments of
    /// `mss` and probes by `keep_alive`.
    pub fn config(
        &self,
        opening: Opening,
        receive_bytes: usize,
        mss: u16,
        keep_alive: Option<KeepAlive>,
    ) -> Config {
        let passive = usize::from(opening == Opening::Passive);
        // FreeBSD rounds an open connection's buffer up to whole segments.
        let whole_segments = receive_bytes.next_multiple_of(usize::from(mss.max(1)));
        let is_freebsd = self.dialect == Dialect::FreeBsd;
        Config {
            connections_max: CONNECTIONS_MAX,
            send_buffer_bytes: SEND_BUFFER_BYTES,
            receive_buffer_bytes: if is_freebsd { whole_segments } else { receive_bytes },
            message_bytes_max: SEND_BUFFER_BYTES,
            mss,
            timestamps: self.timestamps,
            window_scaling: self.window_scaling,
            sack: self.sack,
            ecn: self.ecn[passive],
            window_scale: self.window_scale,
            congestion: self.congestion,
            ack_delay: self.ack_delay,
            rto_min: self.rto_min,
            rto_initial: self.rto_initial,
            rto_max: self.rto_max,
            syn_cookies: self.syn_cookies || self.cookies_alone,
            peer_max_ack_delay: self.peer_max_ack_delay,
            syn_retries_max: self.syn_retries[passive],
            retries_max: self.retries,
            time_wait: self.time_wait,
            orphan_timeout: self.fin_timeout,
            keep_alive,
            challenge_acks_per_s: self.challenge_acks_per_s,
            requires_timestamps: self.requires_timestamps,
            slow_start_segments: self.slow_start_segments,
            ..Config::default()
        }
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passive(settings: &Settings) -> Config {
        settings.config(Opening::Passive, settings.receive_bytes, settings.mss(), None)
    }

    #[test]
    fn a_sysctl_of_freebsd_makes_its_defaults_the_ones_in_force() {
        let lines = "net.inet.tcp.recvspace=65536\nkern.ipc.maxsockbuf=2097152";
        let (settings, refused) = Settings::read("", lines);
        assert_eq!((settings.dialect, refused.len()), (Dialect::FreeBsd, 0));
        let config = passive(&settings);
        assert_eq!((config.receive_buffer_bytes, config.window_scale), (65_700, Some(6)));
        assert_eq!(Settings::read("dialect=linux", lines).0.dialect, Dialect::Linux);
    }

    #[test]
    fn linux_memory_sets_the_buffer_and_the_shift() {
        let (settings, _) = Settings::read("", "net.ipv4.tcp_rmem=4096 540000 15728640");
        let config = passive(&settings);
        assert_eq!((config.receive_buffer_bytes, config.window_scale), (540_000, Some(8)));
    }

    #[test]
    fn what_is_not_offered_is_named_and_the_last_word_counts() {
        let lines = "net.ipv4.tcp_recovery=1\nnet.ipv4.tcp_mtu_probing=1\nnet.ipv4.tcp_nonsense=1\nnet.inet.tcp.insecure_rst=1";
        let (_, refused) = Settings::read("", lines);
        assert_eq!(
            refused,
            [
                "net.inet.tcp.insecure_rst=1",
                "net.ipv4.tcp_mtu_probing=1",
                "net.ipv4.tcp_nonsense=1"
            ]
        );
        let (_, refused) =
            Settings::read("", "net.ipv4.tcp_mtu_probing=1\nnet.ipv4.tcp_mtu_probing=0");
        assert!(refused.is_empty(), "{refused:?}");
    }

    #[test]
    fn flags_of_our_own_reach_the_configuration() {
        let (settings, refused) = Settings::read("dialect=fixwire,rto_min_ms=5,mss=1000", "");
        assert!(refused.is_empty());
        let config = passive(&settings);
        assert_eq!((config.rto_min, config.mss), (Duration::from_ms(5), 1000));
    }
}
