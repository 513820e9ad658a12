//! Single values: addresses and numbers within bounds.

use std::net::Ipv4Addr;
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
        file.bad_value(text, key, "write the IPv4 address of a host, such as \"10.9.0.1\"")
    })
}

/// As many addresses as a session connects to besides the first.
pub(super) const ALTERNATES_MAX: usize = 15;

/// A host, by its address or its name.
pub(super) enum Host {
    Addr(Ipv4Addr),
    Name(String),
}

/// Reads a host; `None` for what is neither an address that one can have nor a name (RFC 1123 2.1).
pub(super) fn host_of(text: &str) -> Option<Host> {
    if let Ok(addr) = text.parse() {
        return is_a_host_s(addr).then_some(Host::Addr(addr));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let mut labels = text.strip_suffix('.').unwrap_or(text).split('.');
    // An address that is mistyped is no name.
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_name = text.len() <= 253 && !is_number && labels.all(is_label);
    is_name.then(|| Host::Name(text.to_owned()))
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
