//! The fields that a pattern looks at: an address, a port, a VLAN. Each with the bits that count, as
//! rte_flow's `spec` and `mask` say it, and as people write it.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use crate::number::decimal;

/// Which IPv4 addresses match: those that have the bits of `spec` wherever `mask` has a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddrMatch {
    spec: u32,
    mask: u32,
}

/// Which TCP ports match: those that have the bits of `spec` wherever `mask` has a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortMatch {
    spec: u16,
    mask: u16,
}

/// A VLAN that a frame can belong to: 1 to 4094 (IEEE 802.1Q, table 9-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VlanId(u16);

/// A field that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}; {remedy}")]
pub struct FieldError {
    /// What is wrong with it.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl AddrMatch {
    /// Every address.
    pub const ANY: AddrMatch = AddrMatch { spec: 0, mask: 0 };

    /// One address.
    pub const fn exact(addr: Ipv4Addr) -> AddrMatch {
        AddrMatch { spec: addr.to_bits(), mask: u32::MAX }
    }

    /// The addresses that begin as `addr` does, `bits` of them.
    ///
    /// # Panics
    /// If `bits` is more than 32.
    pub const fn prefix(addr: Ipv4Addr, bits: u8) -> AddrMatch {
        assert!(bits <= 32, "an IPv4 address has 32 bits");
        AddrMatch::masked(addr, Ipv4Addr::from_bits(prefix_mask(bits)))
    }

    /// The addresses that have the bits of `spec` wherever `mask` has a one. Other bits of `spec` do
    /// not count (rte_flow, "Pattern item").
    pub const fn masked(spec: Ipv4Addr, mask: Ipv4Addr) -> AddrMatch {
        AddrMatch { spec: spec.to_bits() & mask.to_bits(), mask: mask.to_bits() }
    }

    /// The bits that an address is to have; zero where the mask is.
    pub const fn spec(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.spec)
    }

    /// Which bits count.
    pub const fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.mask)
    }

    /// Whether `addr` has them.
    pub const fn matches(self, addr: Ipv4Addr) -> bool {
        addr.to_bits() & self.mask == self.spec
    }

    /// How many leading bits the mask has, if it is a prefix's.
    pub fn prefix_bits(self) -> Option<u8> {
        let bits = self.mask.leading_ones() as u8;
        (self.mask == prefix_mask(bits)).then_some(bits)
    }
}

const fn prefix_mask(bits: u8) -> u32 {
    if bits == 0 { 0 } else { u32::MAX << (32 - bits) }
}

impl PortMatch {
    /// Every port.
    pub const ANY: PortMatch = PortMatch { spec: 0, mask: 0 };

    /// One port.
    pub const fn exact(port: u16) -> PortMatch {
        PortMatch { spec: port, mask: u16::MAX }
    }

    /// The ports that have the bits of `spec` wherever `mask` has a one. Other bits of `spec` do not
    /// count.
    pub const fn masked(spec: u16, mask: u16) -> PortMatch {
        PortMatch { spec: spec & mask, mask }
    }

    /// The bits that a port is to have; zero where the mask is.
    pub const fn spec(self) -> u16 {
        self.spec
    }

    /// Which bits count.
    pub const fn mask(self) -> u16 {
        self.mask
    }

    /// Whether `port` has them.
    pub const fn matches(self, port: u16) -> bool {
        port & self.mask == self.spec
    }
}

impl VlanId {
    /// The VLAN of this number, if there can be one: 0 is no VLAN but a priority, 4095 is reserved.
    pub const fn new(id: u16) -> Option<VlanId> {
        if matches!(id, 1..=4094) { Some(VlanId(id)) } else { None }
    }

    /// Its number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// What both kinds of field are told to be written like.
const ADDR_REMEDY: &str = "write an address, a prefix such as \"10.0.0.0/8\", an address and a mask such as \
     \"10.0.0.5/255.0.0.255\", or \"any\"";
const PORT_REMEDY: &str =
    "write a port from 1 to 65535, a value and a mask such as \"0x2600/0xff00\", or \"any\"";

/// Reads `any`, `10.0.0.1`, `10.0.0.0/8` or `10.0.0.5/255.0.0.255`. Bits outside the mask are refused:
/// whoever wrote them meant another mask.
impl FromStr for AddrMatch {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<AddrMatch, FieldError> {
        if text == "any" {
            return Ok(AddrMatch::ANY);
        }
        let unreadable = || FieldError {
            what: format!("{text:?} is no IPv4 address or set of them"),
            remedy: ADDR_REMEDY.into(),
        };
        let (addr, mask) = text.split_once('/').unwrap_or((text, "32"));
        let addr: Ipv4Addr = addr.parse().map_err(|_| unreadable())?;
        let mask = match decimal::<u8>(mask) {
            Some(bits) if bits <= 32 => prefix_mask(bits),
            _ => mask.parse::<Ipv4Addr>().map_err(|_| unreadable())?.to_bits(),
        };
        let found = AddrMatch::masked(addr, Ipv4Addr::from_bits(mask));
        if found.spec() == addr { Ok(found) } else { Err(outside_mask(text, &found)) }
    }
}

/// Reads `any`, `9878` or `0x2600/0xff00`, numbers decimal or hexadecimal.
impl FromStr for PortMatch {
    type Err = FieldError;

    fn from_str(text: &str) -> Result<PortMatch, FieldError> {
        if text == "any" {
            return Ok(PortMatch::ANY);
        }
        let (spec, mask) = text.split_once('/').unwrap_or((text, "0xffff"));
        let (Some(spec), Some(mask)) = (number(spec), number(mask)) else {
            return Err(FieldError {
                what: format!("{text:?} is no port or set of them"),
                remedy: PORT_REMEDY.into(),
            });
        };
        let found = PortMatch::masked(spec, mask);
        if found.spec == 0 && mask == u16::MAX {
            // No segment is from or to it (RFC 6335 6): whoever wrote it meant something else.
            return Err(FieldError {
                what: "port 0 is no port".into(),
                remedy: PORT_REMEDY.into(),
            });
        }
        if found.spec == spec { Ok(found) } else { Err(outside_mask(text, &found)) }
    }
}

fn number(text: &str) -> Option<u16> {
    match text.strip_prefix("0x") {
        Some(digits) => {
            let is_plain = digits.len() <= 4 && digits.bytes().all(|sign| sign.is_ascii_hexdigit());
            if is_plain { u16::from_str_radix(digits, 16).ok() } else { None }
        }
        None => decimal(text),
    }
}

fn outside_mask(text: &str, found: &dyn fmt::Display) -> FieldError {
    FieldError {
        what: format!("{text:?} has bits outside its mask"),
        remedy: format!("write \"{found}\", or a longer mask"),
    }
}

impl fmt::Display for AddrMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix_bits() {
            Some(0) => f.write_str("any"),
            Some(32) => write!(f, "{}", self.spec()),
            Some(bits) => write!(f, "{}/{bits}", self.spec()),
            None => write!(f, "{}/{}", self.spec(), self.mask()),
        }
    }
}

impl fmt::Display for PortMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mask {
            0 => f.write_str("any"),
            u16::MAX => write!(f, "{}", self.spec),
            mask => write!(f, "{:#x}/{mask:#x}", self.spec),
        }
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_shown() {
        for (text, inside, outside) in [
            ("any", "255.1.2.3", None),
            ("10.0.0.1", "10.0.0.1", Some("10.0.0.2")),
            ("10.0.0.0/8", "10.255.0.1", Some("11.0.0.1")),
            ("128.0.0.0/1", "255.0.0.1", Some("127.0.0.1")),
            ("10.0.0.5/255.0.0.255", "10.7.8.5", Some("10.7.8.4")),
        ] {
            let found: AddrMatch = text.parse().unwrap();
            assert_eq!(found.to_string(), text);
            assert!(found.matches(inside.parse().unwrap()), "{text}");
            assert!(!outside.is_some_and(|addr| found.matches(addr.parse().unwrap())), "{text}");
        }
        assert_eq!("0.0.0.0/0".parse(), Ok(AddrMatch::ANY));
        assert_eq!("10.0.0.1/32".parse(), Ok(AddrMatch::exact(Ipv4Addr::new(10, 0, 0, 1))));
    }

    #[test]
    fn a_port_is_read_as_it_is_shown() {
        for (text, inside, outside) in [
            ("any", 7, None),
            ("9878", 9878, Some(9879)),
            ("0x2600/0xff00", 0x26ff, Some(0x2700)),
            ("0x0/0x1", 8, Some(9)),
        ] {
            let found: PortMatch = text.parse().unwrap();
            assert_eq!(found.to_string(), text);
            assert!(found.matches(inside), "{text}");
            assert!(!outside.is_some_and(|port| found.matches(port)), "{text}");
        }
        assert_eq!("0x2696".parse(), Ok(PortMatch::exact(9878)));
    }

    #[test]
    fn what_is_no_field_is_refused_with_a_remedy() {
        for text in [
            "",
            "10.0.0",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.0/+8",
            "10.0.0.1/",
            "::1",
            "venue.example",
        ] {
            let error = text.parse::<AddrMatch>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is no IPv4 address or set of them; {ADDR_REMEDY}")
            );
        }
        for text in ["", "65536", "-1", "+8", "08", "fix", "1/", "1/+8", "0x", "0x+8", "1/0x10000"]
        {
            let error = text.parse::<PortMatch>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text:?} is no port or set of them; {PORT_REMEDY}")
            );
        }
        assert!("0".parse::<PortMatch>().unwrap_err().to_string().starts_with("port 0 is no port"));
    }

    #[test]
    fn bits_outside_the_mask_are_refused_and_the_mask_applied_is_shown() {
        assert_eq!(
            "10.1.2.3/8".parse::<AddrMatch>().unwrap_err().to_string(),
            "\"10.1.2.3/8\" has bits outside its mask; write \"10.0.0.0/8\", or a longer mask"
        );
        assert_eq!(
            "0x2696/0xff00".parse::<PortMatch>().unwrap_err().remedy,
            "write \"0x2600/0xff00\", or a longer mask"
        );
    }

    #[test]
    fn a_vlan_is_1_to_4094() {
        for (number, is_one) in [(0, false), (1, true), (4094, true), (4095, false), (4097, false)]
        {
            assert_eq!(VlanId::new(number).is_some(), is_one, "{number}");
        }
    }
}
