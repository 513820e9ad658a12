//! Sysctls that are not followed, and what they may be all the same.

use crate::settings::Taken;

/// What a value may be without asking for what is not offered.
pub enum May {
    /// Anything at all.
    BeAnything,
    /// One of these.
    Be(&'static [u64]),
}
use May::{Be, BeAnything};

/// Sysctls of Linux's that are not followed, without `net.ipv4.`.
pub const LINUX: [(&str, May); 24] = [
    ("ip_local_port_range", BeAnything),
    ("tcp_abort_on_overflow", Be(&[0])),
    ("tcp_autocorking", BeAnything),
    ("tcp_challenge_ack_limit", BeAnything),
    ("tcp_dsack", Be(&[1])),
    ("tcp_early_retrans", Be(&[0, 3, 4])),
    ("tcp_ecn_option", BeAnything),
    // Fast open is asked for by socket options and flags, which are refused where they are used.
    ("tcp_fack", Be(&[0])),
    ("tcp_fastopen", BeAnything),
    ("tcp_fastopen_blackhole_timeout_sec", BeAnything),
    ("tcp_frto", BeAnything),
    ("tcp_invalid_ratelimit", BeAnything),
    ("tcp_limit_output_bytes", BeAnything),
    ("tcp_min_tso_segs", BeAnything),
    ("tcp_moderate_rcvbuf", BeAnything),
    ("tcp_mtu_probing", Be(&[0])),
    ("tcp_no_metrics_save", BeAnything),
    ("tcp_pacing_ca_ratio", BeAnything),
    ("tcp_pacing_ss_ratio", BeAnything),
    ("tcp_recovery", BeAnything),
    ("tcp_reordering", Be(&[3])),
    ("tcp_rfc1337", Be(&[1])),
    ("tcp_slow_start_after_idle", BeAnything),
    ("tcp_tso_win_divisor", BeAnything),
];

/// Sysctls of FreeBSD's that are not followed, without `net.inet.tcp.`.
pub const FREEBSD: [(&str, May); 13] = [
    ("blackhole", Be(&[0])),
    ("drop_synfin", Be(&[0])),
    ("ecn.maxretries", BeAnything),
    ("fastopen.client_enable", BeAnything),
    ("hostcache.purgenow", BeAnything),
    ("icmp_may_rst", Be(&[1])),
    ("insecure_rst", Be(&[0])),
    ("insecure_syn", Be(&[0])),
    ("mssdflt", Be(&[536])),
    ("path_mtu_discovery", Be(&[1])),
    ("pmtud_blackhole_detection", Be(&[0])),
    ("rexmit_drop_options", Be(&[0])),
    ("udp_tunneling_port", Be(&[0])),
];

/// What becomes of a sysctl that is not followed.
pub fn bearing(table: &[(&str, May)], name: &str, value: u64) -> Taken {
    let allowed =
        table.iter().find(|(known, _)| *known == name).is_some_and(|(_, may)| match may {
            BeAnything => true,
            Be(values) => values.contains(&value),
        });
    if allowed { Taken::NoBearing } else { Taken::Refused }
}
