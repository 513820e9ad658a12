//! NIC specifications: `tap`, `tap:IFNAME`, `sim`.

use std::fmt;
use std::str::FromStr;

/// Which device to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NicSpec {
    /// A TAP in a namespace of our own.
    TapEmbedded,
    /// A TAP in the current namespace.
    Tap(String),
    /// The NIC model on a wire in memory.
    Sim,
}

impl NicSpec {
    /// The profile that fits the device.
    pub(crate) fn default_profile(&self) -> &'static str {
        match self {
            NicSpec::TapEmbedded | NicSpec::Tap(_) => "tap",
            NicSpec::Sim => "sim",
        }
    }
}

impl fmt::Display for NicSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NicSpec::TapEmbedded => f.write_str("tap"),
            NicSpec::Tap(name) => write!(f, "tap:{name}"),
            NicSpec::Sim => f.write_str("sim"),
        }
    }
}

impl FromStr for NicSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<NicSpec, String> {
        let (kind, detail) = match text.split_once(':') {
            Some((kind, detail)) => (kind, Some(detail)),
            None => (text, None),
        };
        match (kind, detail) {
            ("tap", None) => Ok(NicSpec::TapEmbedded),
            ("tap", Some("")) => Err("an interface name must follow `tap:`; leave the colon out for a TAP in a namespace of its own".into()),
            ("tap", Some(name)) => Ok(NicSpec::Tap(name.to_owned())),
            ("sim", None) => Ok(NicSpec::Sim),
            ("sim", Some(model)) => Err(format!("there is no NIC model `{model}` in this build; use `sim`")),
            ("dpdk" | "pcap" | "rtl", _) => Err(format!("this build has no `{kind}` device; use `tap`, `tap:IFNAME` or `sim`")),
            _ => Err(format!("`{text}` names no device; use `tap`, `tap:IFNAME` or `sim`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_specification_reads_back_as_it_is_shown() {
        for text in ["tap", "tap:fw0", "sim"] {
            assert_eq!(text.parse::<NicSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_names_no_device_is_told_what_does() {
        for text in ["", "tap:", "sim:connectx9", "dpdk:0000:01:00.0", "rtl", "eth0"] {
            let sentence = text.parse::<NicSpec>().unwrap_err();
            assert!(sentence.contains("tap") || sentence.contains("sim"), "{sentence}");
        }
    }
}
