//! What was held to software, so that a pass in which a thing never came says so.

use std::collections::BTreeMap;
use std::fmt;

use super::batch::Sent;
use super::frames::{Damage, LEN_MAX, Oddity};

/// Of each kind there are so many at least.
const LEAST: u64 = 100;
/// And of what befalls a whole batch.
const BATCHES_LEAST: u64 = 10;

/// A kind of frame, and which are of it.
type Kind = (&'static str, fn(&Sent) -> bool);

/// Kinds of received frames: each of them came, and what was said of it was compared.
const KINDS: &[Kind] = &[
    ("without a tag", |sent| sent.tags == 0),
    ("behind a tag", |sent| sent.tags == 1),
    ("behind two tags", |sent| sent.tags == 2),
    ("behind three tags", |sent| sent.tags == 3),
    ("with IPv4 options", |sent| sent.ihl.is_some_and(|ihl| ihl > 5)),
    ("with 40 bytes of IPv4 options", |sent| sent.ihl == Some(15)),
    ("with TCP options", |sent| sent.has_tcp_options),
    ("with padding", |sent| sent.trailer_len > 0),
    ("with an odd length", |sent| sent.bytes.len() % 2 == 1),
    ("runt", |sent| sent.bytes.len() < 60),
    ("jumbo", |sent| sent.bytes.len() > 1_600),
    ("cut", |sent| sent.make.is_some_and(|make| make.is_cut)),
    ("with sums left to a device", |sent| sent.make.is_some_and(|make| make.is_left)),
    ("of another version", |sent| sent.is_odd(Oddity::Version6)),
    ("IHL under 5", |sent| sent.is_odd(Oddity::IhlUnder5)),
    ("IHL 15", |sent| sent.is_odd(Oddity::Ihl15)),
    ("Total Length past the frame", |sent| sent.is_odd(Oddity::TotalLengthPastTheFrame)),
    ("Total Length within the header", |sent| sent.is_odd(Oddity::TotalLengthWithinTheHeader)),
    ("Total Length cuts the segment", |sent| sent.is_odd(Oddity::TotalLengthCutsTheSegment)),
    ("first fragment", |sent| sent.is_odd(Oddity::MoreFragments)),
    ("later fragment", |sent| sent.is_odd(Oddity::LaterFragment)),
    ("another protocol", |sent| sent.is_odd(Oddity::AnotherProtocol)),
    ("Data Offset under 5", |sent| sent.is_odd(Oddity::DataOffsetUnder5)),
    ("Data Offset 15", |sent| sent.is_odd(Oddity::DataOffset15)),
    ("one bit wrong", |sent| sent.is_damaged_by(|damage| damage == Damage::OneBit)),
    ("bits wrong", |sent| sent.is_damaged_by(|damage| matches!(damage, Damage::Bits(_)))),
    ("words swapped", |sent| sent.is_damaged_by(|damage| damage == Damage::WordsSwapped)),
    ("zero negated", |sent| sent.is_damaged_by(|damage| damage == Damage::ZeroNegated)),
    ("a checksum of zero", |sent| sent.is_damaged_by(|damage| damage == Damage::FieldZero)),
    ("a checksum of ones", |sent| sent.is_damaged_by(|damage| damage == Damage::FieldOnes)),
];

/// What else has to have been.
const OTHERS: &[&str] = &[
    "good good",
    "good bad",
    "bad good",
    "bad bad",
    "good unknown",
    "bad unknown",
    "unknown unknown",
    "MacError",
    "TooLong",
    "NotOurs",
    "FlowDrop",
    "sent finished",
    "sent as it was",
    "not sent: TooLong",
    "not sent: Lengths",
];

/// And what befalls a batch.
const BATCHES: &[&str] = &[
    "batches that passed",
    "batches that overflowed",
    "rules that changed with frames before and to come",
    "resets in mid-frame",
    "resets in mid-frame to send",
    "times that were set",
];

/// Lengths of frames that were compared.
pub struct Lengths(Vec<bool>);

impl Lengths {
    pub fn note(&mut self, len: usize) {
        if let Some(seen) = self.0.get_mut(len) {
            *seen = true;
        }
    }

    /// The shortest that none had, of 1 to the longest.
    fn missing(&self) -> Option<usize> {
        (1..=LEN_MAX).find(|len| !self.0[*len])
    }
}

impl Default for Lengths {
    fn default() -> Lengths {
        Lengths(vec![false; LEN_MAX + 1])
    }
}

/// How often each thing was seen, and frames of which lengths.
#[derive(Default)]
pub struct Seen {
    times: BTreeMap<String, u64>,
    received: Lengths,
}

impl Seen {
    pub fn note(&mut self, what: &str) {
        *self.times.entry(what.to_owned()).or_default() += 1;
    }

    /// A received frame came, and was compared.
    pub fn compared(&mut self, sent: &Sent) {
        self.received.note(sent.bytes.len());
        for (kind, is_so) in KINDS {
            if is_so(sent) {
                self.note(kind);
            }
        }
    }

    /// Nothing is missing, of what was received or `sent`.
    pub fn is_everything(&self, sent: &Lengths) {
        let times = |what: &str| self.times.get(what).copied().unwrap_or(0);
        for (kind, _) in KINDS {
            assert!(times(kind) >= LEAST, "{} frames {kind}; seen: {self}", times(kind));
        }
        for (what, least) in OTHERS
            .iter()
            .map(|what| (what, 1))
            .chain(BATCHES.iter().map(|what| (what, BATCHES_LEAST)))
        {
            assert!(times(what) >= least, "{} times {what}; seen: {self}", times(what));
        }
        let missing = (self.received.missing(), sent.missing());
        assert_eq!(missing, (None, None), "lengths that no received frame had, or none to send");
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.times.iter().try_for_each(|(what, times)| writeln!(f, "  {times:>8} {what}"))
    }
}
