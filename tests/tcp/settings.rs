//! What a script may set of [`Config`], by the names that the fields have there. Times are in ms.

use fixwire::tcp::{Config, CongestionControl, KeepAlive, UserTimeoutLimits, UserTimeoutOption};
use fixwire::time::Duration;
use fixwire::wire::tcp::UserTimeout;

/// What a script begins with: no options but the MSS and what the peer asks for, so that numbers are round.
pub(crate) fn plain() -> Config {
    Config { timestamps: false, window_scaling: false, mss: 1000, ..Config::default() }
}

/// Sets a field to what `words` say.
pub(crate) fn set(config: &mut Config, key: &str, words: &[&str]) -> Result<(), String> {
    let whole = words.join(" ");
    let wrong = || format!("`{whole}` is no value for {key}");
    let word = || if let [word] = words { Ok(*word) } else { Err(wrong()) };
    let switch = || match word()? {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(wrong()),
    };
    let number = || word()?.parse::<usize>().map_err(|_| wrong());
    let small = || word()?.parse::<u8>().map_err(|_| wrong());
    let ms = || millis(word()?).ok_or_else(wrong);
    match key {
        "connections_max" => config.connections_max = number()?,
        "listeners_max" => config.listeners_max = number()?,
        "backlog_max" => config.backlog_max = number()?,
        "send_buffer_bytes" => config.send_buffer_bytes = number()?,
        "receive_buffer_bytes" => config.receive_buffer_bytes = number()?,
        "message_bytes_max" => config.message_bytes_max = number()?,
        "mss" => config.mss = word()?.parse().map_err(|_| wrong())?,
        "timestamps" => config.timestamps = switch()?,
        "requires_timestamps" => config.requires_timestamps = switch()?,
        "slow_start_segments" => {
            config.slow_start_segments = word()?.parse().map_err(|_| wrong())?;
        }
        "window_scaling" => config.window_scaling = switch()?,
        "sack" => config.sack = switch()?,
        "ecn" => config.ecn = switch()?,
        "syn_cookies" => config.syn_cookies = switch()?,
        "nagle" => config.nagle = switch()?,
        "pacing" => config.pacing = switch()?,
        "stale_after" => config.stale_after = Some(ms()?),
        "user_timeout" => config.user_timeout = Some(ms()?),
        "user_timeout_option" => {
            config.user_timeout_option = Some(user_timeout_option(words).ok_or_else(wrong)?);
        }
        "defer_accept" => config.defer_accept = Some(ms()?),
        "window_scale" => config.window_scale = Some(small()?),
        "ack_delay" => config.ack_delay = Some(ms()?),
        "congestion" => config.congestion = congestion(words).ok_or_else(wrong)?,
        "rto_min" => config.rto_min = ms()?,
        "peer_max_ack_delay" => config.peer_max_ack_delay = ms()?,
        "rto_initial" => config.rto_initial = ms()?,
        "rto_max" => config.rto_max = ms()?,
        "syn_retries_max" => config.syn_retries_max = small()?,
        "retries_max" => config.retries_max = small()?,
        "time_wait" => config.time_wait = ms()?,
        "orphan_timeout" => config.orphan_timeout = ms()?,
        "keep_alive" => config.keep_alive = Some(keep_alive(words).ok_or_else(wrong)?),
        "challenge_acks_per_s" => {
            config.challenge_acks_per_s = word()?.parse().map_err(|_| wrong())?;
        }
        "ephemeral_ports" => config.ephemeral_ports = ports(word()?).ok_or_else(wrong)?,
        _ => return Err(format!("`{key}` is no setting")),
    }
    Ok(())
}

/// Reads ms, with decimals where they are meant.
pub(crate) fn millis(word: &str) -> Option<Duration> {
    let (whole, decimals) = word.split_once('.').unwrap_or((word, ""));
    if decimals.len() > 6 || !decimals.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole_ns = whole.parse::<u64>().ok()?.checked_mul(1_000_000)?;
    let rest_ns = format!("{decimals:0<6}").parse::<u64>().ok()?;
    Some(Duration::from_ns(whole_ns.checked_add(rest_ns)?))
}

fn congestion(words: &[&str]) -> Option<CongestionControl> {
    match *words {
        ["newreno"] => Some(CongestionControl::NewReno),
        ["cubic"] => Some(CongestionControl::Cubic),
        ["dctcp"] => Some(CongestionControl::Dctcp),
        ["none", bytes] => {
            Some(CongestionControl::None { in_flight_bytes_max: bytes.parse().ok()? })
        }
        _ => None,
    }
}

fn keep_alive(words: &[&str]) -> Option<KeepAlive> {
    let [idle, interval, probes] = *words else { return None };
    let probes = probes.parse().ok()?;
    Some(KeepAlive { idle: millis(idle)?, interval: millis(interval)?, probes })
}

/// What is told, then between what limits what the peer tells is adopted, if it is.
fn user_timeout_option(words: &[&str]) -> Option<UserTimeoutOption> {
    let (told, adopts) = match *words {
        [told] => (told, None),
        [told, least, most] => {
            let (least, most) = (millis(least)?, millis(most)?);
            (told, Some(UserTimeoutLimits { least, most }))
        }
        _ => return None,
    };
    Some(UserTimeoutOption { advertised: UserTimeout::of(millis(told)?), adopts })
}

fn ports(word: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = word.split_once("..")?;
    Some(first.parse().ok()?..=last.parse().ok()?)
}
