//! PCI addresses, as `lspci` shows them.

use std::fmt;
use std::str::FromStr;

/// Where a device is: domain, bus, device, function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for PciAddress {
    /// The full form, by which sysfs names devices.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PciAddress { domain, bus, device, function } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

impl FromStr for PciAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<PciAddress, String> {
        parse(text).ok_or_else(|| {
            format!(
                "`{text}` is no PCI address; write it as `lspci -D` does, such as 0000:3b:00.0, or short, \
                 3b:00.0"
            )
        })
    }
}

fn parse(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let mut parts = rest.rsplit(':');
    let (device, bus) = (parts.next()?, parts.next()?);
    // A host bridge behind another (VMD) has a domain of more than four digits.
    let domain = parts.next().map_or(Some(0), |domain| hex(domain, 4..=8))?;
    let address = PciAddress {
        domain,
        bus: u8::try_from(hex(bus, 2..=2)?).ok()?,
        device: u8::try_from(hex(device, 2..=2)?).ok()?,
        function: u8::try_from(hex(function, 1..=1)?).ok()?,
    };
    let fits = address.device < 32 && address.function < 8 && parts.next().is_none();
    fits.then_some(address)
}

fn hex(digits: &str, len: std::ops::RangeInclusive<usize>) -> Option<u32> {
    let all = len.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_full_forms_name_the_same_device() {
        for (text, shown) in [
            ("3b:00.0", "0000:3b:00.0"),
            ("0000:3B:00.1", "0000:3b:00.1"),
            ("10000:01:1f.7", "10000:01:1f.7"),
        ] {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_names_no_device_is_refused_with_an_example() {
        for text in [
            "",
            "3b:00",
            "3b.0",
            "0:3b:00.0",
            "3b:20.0",
            "3b:00.8",
            "3b:00.",
            "g0:00.0",
            "3b:0.0",
            "1:0000:3b:00.0",
            "0000:3b:00.00",
            "tap",
            "+b:00.0",
            "3b:00.0 ",
            "../../x:00:00.0",
        ] {
            let sentence = text.parse::<PciAddress>().unwrap_err();
            assert!(sentence.contains("3b:00.0"), "{sentence}");
        }
    }
}
