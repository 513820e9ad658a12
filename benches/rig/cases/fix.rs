//! FIX alone: verified and decoded, ten fields read; and encoded.

use std::hint::black_box;

use crate::case::{Bench, Caches, Case, Rotation, US};
use crate::fix::{
    Decode, Encode, FixwireDecoder, FixwireEncoder, FixwireGeneric, FixwireTemplate, Kind,
    TenFields, ten_fields_by_search,
};
use crate::messages::{self, Order};

/// Messages in rotation.
const DISTINCT: usize = 512;
/// Messages in rotation where a core's own caches are not to hold them.
const MANY: usize = 8_192;
/// Where numbers begin, so that all are of a width.
const FIRST: u32 = 100_000;

/// What is decoded, and how many of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The case's name.
    pub what: &'static str,
    /// The name of the same with no shape remembered.
    pub anew: &'static str,
    kind: Kind,
    distinct: usize,
    shuffled: bool,
    cold: bool,
}

/// What is decoded by whoever decodes.
pub const LOADS: [Load; 5] = [
    Load {
        what: "fix_decode/report",
        anew: "fix_decode/report, no shape",
        kind: Kind::Report,
        distinct: DISTINCT,
        shuffled: false,
        cold: true,
    },
    Load {
        what: "fix_decode/report, fields shuffled",
        anew: "fix_decode/report, fields shuffled, no shape",
        kind: Kind::Report,
        distinct: DISTINCT,
        shuffled: true,
        cold: false,
    },
    Load {
        what: "fix_decode/report, 8192 distinct",
        anew: "fix_decode/report, 8192 distinct, no shape",
        kind: Kind::Report,
        distinct: MANY,
        shuffled: false,
        cold: false,
    },
    Load {
        what: "fix_decode/order",
        anew: "fix_decode/order, no shape",
        kind: Kind::Order,
        distinct: DISTINCT,
        shuffled: false,
        cold: false,
    },
    Load {
        what: "fix_decode/order, fields shuffled",
        anew: "fix_decode/order, fields shuffled, no shape",
        kind: Kind::Order,
        distinct: DISTINCT,
        shuffled: true,
        cold: false,
    },
];

impl Load {
    /// Its messages, each another.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        (0..self.distinct as u32).map(|n| message(*self, n)).collect()
    }
}

pub(super) fn decode_cases() -> Vec<Case> {
    LOADS.into_iter().flat_map(decoders).collect()
}

fn decoders(load: Load) -> Vec<Case> {
    #[allow(unused_mut)]
    let mut cases = vec![decode::<FixwireDecoder>(US, load)];
    if load.distinct == DISTINCT {
        let load = Load { what: load.anew, cold: false, ..load };
        cases.push(decode::<FixwireGeneric>(US, load));
    }
    #[cfg(feature = "rivals")]
    {
        use crate::rivals::{Fefix, Fixlite, Nanofix, OfFix};
        cases.push(decode::<OfFix>("of_fix", load));
        cases.push(decode::<Fixlite>("fixlite", load));
        cases.push(decode::<Fefix>("fefix", load));
        cases.push(decode::<Nanofix>("nanofix", load));
    }
    cases
}

fn decode<D: Decode + 'static>(who: &'static str, load: Load) -> Case {
    let case = Case::new(load.what, who, move || decoding::<D>(who, load));
    if load.cold { case.and(Caches::OutOfL2) } else { case }
}

fn decoding<D: Decode>(who: &str, load: Load) -> impl Bench + use<D> {
    let messages = load.messages();
    let mut decoder = D::default();
    for message in &messages {
        let expected = ten_fields_by_search(message, load.kind);
        assert_eq!(decoder.read(message, load.kind), Some(expected), "{who}");
    }
    assert_verifies(who, &mut decoder, &messages[0], load.kind);
    Rotation::new(messages, move |message: &Vec<u8>| {
        let read: Option<TenFields> = decoder.read(black_box(message), load.kind);
        black_box(read);
    })
}

fn message(load: Load, n: u32) -> Vec<u8> {
    let (seq, number) = (FIRST + n, u64::from(FIRST + n));
    let message = match load.kind {
        Kind::Report => messages::execution_report(seq, number),
        Kind::Order => Order::new(seq, number).text(0),
    };
    if load.shuffled { messages::shuffled(&message, number) } else { message }
}

/// Whoever is measured refuses a wrong CheckSum, and a wrong BodyLength under a right one. What is
/// wrong is in no field that is read.
fn assert_verifies<D: Decode>(who: &str, decoder: &mut D, message: &[u8], kind: Kind) {
    let value = |tag: &[u8]| {
        let at = message.windows(tag.len()).position(|bytes| bytes == tag).expect("the tag");
        let value = at + tag.len();
        let len = message[value..].iter().position(|byte| *byte == 1).expect("an SOH");
        value..value + len
    };
    let mut wrong_sum = message.to_vec();
    wrong_sum[value(b"\x0152=").end - 1] ^= 1;
    assert_eq!(decoder.read(&wrong_sum, kind), None, "{who} takes a wrong CheckSum");

    // One digit up and another down: nine more or less, and the sum is the same.
    let last = value(b"\x019=").end - 1;
    let (up, down) = if message[last] < b'9' { (last, last - 1) } else { (last - 1, last) };
    let mut wrong_length = message.to_vec();
    wrong_length[up] += 1;
    wrong_length[down] -= 1;
    assert_eq!(decoder.read(&wrong_length, kind), None, "{who} takes a wrong BodyLength");
}

pub(super) fn encode_cases() -> Vec<Case> {
    #[allow(unused_mut)]
    let mut cases = vec![encode::<FixwireEncoder>("fix_encode/order", US)];
    cases.push(encode::<FixwireTemplate>("fix_encode/order by template", US));
    #[cfg(feature = "rivals")]
    {
        use crate::rivals::{Fefix, Fixlite, Nanofix, OfFix};
        cases.push(encode::<Nanofix>("fix_encode/order", "nanofix"));
        cases.push(encode::<Fixlite>("fix_encode/order", "fixlite"));
        cases.push(encode::<OfFix>("fix_encode/order", "of_fix"));
        cases.push(encode::<Fefix>("fix_encode/order", "fefix"));
    }
    cases
}

fn encode<E: Encode + 'static>(what: &'static str, who: &'static str) -> Case {
    Case::new(what, who, move || encoding::<E>(who)).and(Caches::OutOfL2)
}

fn encoding<E: Encode>(who: &str) -> impl Bench + use<E> {
    let numbers = FIRST..FIRST + DISTINCT as u32;
    let orders: Vec<Order> = numbers.map(|n| Order::new(n, u64::from(n))).collect();
    let mut encoder = E::default();
    for order in &orders {
        let expected = order.text(E::BODY_LENGTH_DIGITS);
        encoder.write(order, |message| assert_same_fields(who, message, &expected));
    }
    Rotation::new(orders, move |order: &Order| {
        encoder.write(black_box(order), |message| {
            black_box(message.as_ptr());
        });
    })
}

/// The order of fields is the encoder's own; everything else is not.
fn assert_same_fields(who: &str, message: &[u8], expected: &[u8]) {
    let sorted = |message: &[u8]| {
        let text = String::from_utf8_lossy(message).into_owned();
        let mut fields: Vec<String> = text.split('\x01').map(str::to_owned).collect();
        fields.sort();
        fields
    };
    assert_eq!(sorted(message), sorted(expected), "{who}");
}
