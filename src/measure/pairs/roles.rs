//! Which messages are orders, and which are answers to them.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use crate::fix::tags::msg_type;
use crate::tcp::Endpoint;

/// Message types by what they are measured as, and whose orders count.
#[derive(Clone, Debug)]
pub struct Roles {
    orders: Types,
    answers: Types,
    /// Whoever sends them, if this is empty.
    traders: Vec<Trader>,
}

/// Somebody whose orders are measured: an address, or one port of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trader {
    /// The address.
    pub addr: Ipv4Addr,
    /// The port; all where there is none.
    pub port: Option<u16>,
}

impl Trader {
    fn is(&self, end: Endpoint) -> bool {
        self.addr == end.addr && self.port.is_none_or(|port| port == end.port)
    }
}

impl FromStr for Trader {
    type Err = &'static str;

    /// `ADDRESS` or `ADDRESS:PORT`.
    fn from_str(text: &str) -> Result<Trader, &'static str> {
        let (addr, port) =
            text.split_once(':').map_or((text, None), |(addr, port)| (addr, Some(port)));
        let port =
            port.map(str::parse).transpose().map_err(|_| "the port is a number up to 65535")?;
        let addr =
            addr.parse().map_err(|_| "write an IPv4 address, or one with :PORT behind it")?;
        Ok(Trader { addr, port })
    }
}

impl fmt::Display for Trader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.addr)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[derive(Clone, Debug)]
struct Types {
    /// Those of one character.
    short: [bool; 128],
    long: Vec<Vec<u8>>,
}

impl Types {
    fn of<'a>(types: impl IntoIterator<Item = &'a str>) -> Types {
        let mut all = Types { short: [false; 128], long: Vec::new() };
        for written in types {
            match written.as_bytes() {
                [one] if one.is_ascii() => all.short[usize::from(*one)] = true,
                more => all.long.push(more.to_vec()),
            }
        }
        all
    }

    #[inline]
    fn has(&self, msg_type: &[u8]) -> bool {
        match msg_type {
            [one] => self.short.get(usize::from(*one)).is_some_and(|is_one| *is_one),
            more => self.long.iter().any(|each| each == more),
        }
    }
}

impl Roles {
    /// What parties send who trade or quote: orders and lists of them, multi-leg and cross orders, their replacements and cancels,
    /// quotes.
    pub const ORDERS: [&str; 12] = ["D", "E", "F", "G", "S", "i", "q", "s", "t", "u", "AB", "AC"];
    /// ExecutionReport, OrderCancelReject, OrderMassCancelReport.
    pub const ANSWERS: [&str; 3] = ["8", "9", "r"];

    /// Roles by MsgType(35).
    pub fn new<'a>(
        orders: impl IntoIterator<Item = &'a str>,
        answers: impl IntoIterator<Item = &'a str>,
    ) -> Roles {
        Roles { orders: Types::of(orders), answers: Types::of(answers), traders: Vec::new() }
    }

    /// The same, of these traders' orders and the answers to them alone; of everybody's where there is none.
    pub fn of(self, traders: impl IntoIterator<Item = Trader>) -> Roles {
        Roles { traders: traders.into_iter().collect(), ..self }
    }

    pub(super) fn are_of(&self, sender: Endpoint) -> bool {
        self.traders.is_empty() || self.traders.iter().any(|trader| trader.is(sender))
    }

    pub(super) fn is_order(&self, msg_type: &[u8]) -> bool {
        self.orders.has(msg_type)
    }

    pub(super) fn is_answer(&self, msg_type: &[u8]) -> bool {
        self.answers.has(msg_type)
    }

    /// Whatever the application gets may make it act.
    pub(super) fn is_trigger(msg_type: &[u8]) -> bool {
        !msg_type::is_admin(msg_type)
    }
}

impl Default for Roles {
    fn default() -> Roles {
        Roles::new(Roles::ORDERS, Roles::ANSWERS)
    }
}
