//! Single values: addresses and numbers within bounds.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use fixwire::offload::toml_file::{TomlError, TomlFile};
use toml::Spanned;

/// Reads `10.9.0.2/24`.
pub(super) fn parse_cidr(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (addr, prefix_len) = text.split_once('/')?;
    let prefix_len: u8 = prefix_len.parse().ok()?;
    let addr: Ipv4Addr = addr.parse().ok().filter(|addr| is_a_host_s(*addr))?;
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    // RFC 1122 3.2.1.3: all zeros and all ones are no host's. Of two addresses both are (RFC 3021).
    let host = addr.to_bits() & hosts;
    let is_a_host_s = hosts <= 1 || (host != 0 && host != hosts);
    ((1..=32).contains(&prefix_len) && is_a_host_s).then_some((addr, prefix_len))
}

pub(super) fn ipv4(
    file: &TomlFile,
    text: &Spanned<String>,
    key: &str,
) -> Result<Ipv4Addr, TomlError> {
    text.get_ref().parse().ok().filter(|addr| is_a_host_s(*addr)).ok_or_else(|| {
        file.bad_value(
            text,
            key,
            "write the IPv4 address of a host, such as \"10.9.0.1\" (names are not looked up)",
        )
    })
}

/// As many pauses before attempts to connect again as are told apart.
pub(super) const RECONNECT_INTERVALS_MAX: usize = 64;

/// As many addresses as a session connects to besides the first.
pub(super) const ALTERNATES_MAX: usize = 15;

/// Reads `["10.9.0.3:9878"]`.
pub(super) fn alternates(
    file: &TomlFile,
    named: &[Spanned<String>],
) -> Result<Vec<SocketAddrV4>, TomlError> {
    const KEY: &str = "socket_connect_alternates";
    if let Some(text) = named.get(ALTERNATES_MAX) {
        let remedy = format!("name up to {ALTERNATES_MAX} addresses");
        return Err(file.error(text.span(), format!("`{KEY}` has more addresses"), &remedy));
    }
    let read = |text: &Spanned<String>| {
        let at: Option<SocketAddrV4> = text.get_ref().parse().ok();
        at.filter(|at| is_a_host_s(*at.ip()) && at.port() > 0).ok_or_else(|| {
            file.bad_value(
                text,
                KEY,
                "write the IPv4 address of a host and a port, such as \"10.9.0.3:9878\" (names are not looked up)",
            )
        })
    };
    named.iter().map(read).collect()
}

/// Whether a host on a network can have this address: not this host, loopback, group or broadcast.
pub(crate) fn is_a_host_s(addr: Ipv4Addr) -> bool {
    !matches!(addr.octets()[0], 0 | 127 | 224..)
}

pub(super) fn number<T: TryFrom<i64>>(
    file: &TomlFile,
    value: Option<&Spanned<i64>>,
    key: &str,
    min: i64,
    max: i64,
) -> Result<Option<T>, TomlError> {
    let Some(value) = value else { return Ok(None) };
    let number = *value.get_ref();
    let read = T::try_from(number).ok().filter(|_| (min..=max).contains(&number));
    read.map(Some).ok_or_else(|| {
        file.error(
            value.span(),
            format!("`{key}` is {number}"),
            &format!("write a number from {min} to {max}"),
        )
    })
}

/// A folder, counted from that of the file that names it.
pub(super) fn folder(
    file: &TomlFile,
    text: Option<&Spanned<String>>,
) -> Result<Option<PathBuf>, TomlError> {
    let Some(text) = text else { return Ok(None) };
    if text.get_ref().is_empty() {
        return Err(file.bad_value(
            text,
            "file_log_path",
            "write a folder's path, or delete the line",
        ));
    }
    let from = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    Ok(Some(from.join(text.get_ref())))
}
