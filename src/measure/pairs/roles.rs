//! Which messages are orders, and which are answers to them.

use crate::fix::tags::msg_type;

/// Message types by what they are measured as.
#[derive(Clone, Debug)]
pub struct Roles {
    orders: Types,
    answers: Types,
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
        Roles { orders: Types::of(orders), answers: Types::of(answers) }
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
