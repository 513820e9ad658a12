//! What came across, so that a test which has come to look at nothing fails.

use fixwire::offload::nic::{Parsed, RxMeta, TxChecksum, TxMeta};
use fixwire::offload::verdict::Verdict::{self, Bad, Good, Unknown};
use fixwire::wire::Refusal;
use fixwire_hw::sim::VerdictStyle::{self, BadOrSilent, GoodOrBad, GoodOrSilent, GoodUnlessBad};
use fixwire_hw::sim::VerdictStyle::{NowAndThen, Silent};

use super::frames::{Damage, Frame, LEN_MAX, Oddity};
use super::host::Decision;
use super::oracle::Look;

/// A frame that went all the way.
pub struct Case<'a> {
    pub frame: &'a Frame,
    pub look: &'a Look,
    pub style: VerdictStyle,
    pub meta: &'a RxMeta,
    pub sent: &'a TxMeta,
    pub decision: Decision,
}

impl Case<'_> {
    fn is_taken(&self) -> bool {
        self.decision == Decision::Taken
    }

    fn is_refused_as(&self, reason: Refusal) -> bool {
        self.decision == Decision::Refused(reason)
    }

    fn is_left(&self) -> bool {
        self.sent.tcp == TxChecksum::Partial
    }

    /// A device of this style spoke so of a segment of which the oracle says so.
    fn says(&self, style: VerdictStyle, l4: Verdict, tcp: Option<bool>) -> bool {
        (self.style, self.meta.l4, self.look.tcp) == (style, l4, tcp)
    }

    fn is(&self, oddity: Oddity) -> bool {
        self.frame.make.oddity == Some(oddity)
    }

    fn is_so_damaged(&self, damage: Damage) -> bool {
        self.frame.make.damage == Some(damage)
    }
}

/// A kind of frame, how many of them there are to be at least, and which they are.
type Kind = (&'static str, u64, fn(&Case) -> bool);

const KINDS: &[Kind] = &[
    // What the host made of them.
    ("taken", 200_000, |case| case.is_taken()),
    ("taken in the VLAN", 50_000, |case| case.is_taken() && case.look.vlan.is_some()),
    ("taken behind a priority tag", 10_000, |case| {
        case.is_taken() && case.look.tags == 1 && case.look.vlan.is_none()
    }),
    ("taken with IPv4 options", 60_000, |case| case.is_taken() && case.look.ihl > Some(5)),
    ("taken with 40 bytes of IPv4 options", 8_000, |case| {
        case.is_taken() && case.look.ihl == Some(15)
    }),
    ("taken with padding", 10_000, |case| case.is_taken() && case.look.trailer_len > 0),
    ("taken with an odd payload", 100_000, |case| {
        case.is_taken() && case.look.payload_len.is_some_and(|len| len % 2 == 1)
    }),
    ("taken unfinished", 1_000, |case| case.is_taken() && case.meta.l4 == Verdict::None),
    ("taken on a good word", 100_000, |case| case.is_taken() && case.meta.l4 == Good),
    ("taken on no word", 80_000, |case| case.is_taken() && case.meta.l4 == Unknown),
    ("taken though good was a guess", 2_000, |case| {
        case.is_taken() && case.meta.l4 == Good && case.meta.parsed == Parsed::Other
    }),
    ("IPv4 checksum wrong", 20_000, |case| case.is_refused_as(Refusal::Ipv4ChecksumWrong)),
    ("TCP checksum wrong", 60_000, |case| case.is_refused_as(Refusal::TcpChecksumWrong)),
    ("wrong though good was guessed", 2_000, |case| {
        case.is_refused_as(Refusal::TcpChecksumWrong) && case.meta.l4 == Good
    }),
    ("version wrong", 7_000, |case| case.is_refused_as(Refusal::Ipv4VersionWrong)),
    ("IHL wrong", 7_000, |case| case.is_refused_as(Refusal::Ipv4HeaderLengthWrong)),
    ("Total Length wrong", 10_000, |case| case.is_refused_as(Refusal::Ipv4TotalLengthWrong)),
    ("a fragment", 10_000, |case| case.is_refused_as(Refusal::Ipv4Fragment)),
    ("another protocol", 7_000, |case| case.is_refused_as(Refusal::Ipv4ProtocolUnknown)),
    ("a segment too short", 2_000, |case| case.is_refused_as(Refusal::TcpTooShort)),
    ("Data Offset wrong", 9_000, |case| case.is_refused_as(Refusal::TcpDataOffsetWrong)),
    ("two tags", 30_000, |case| case.is_refused_as(Refusal::VlanNested)),
    ("a tag of a provider's", 70_000, |case| case.is_refused_as(Refusal::EthertypeUnknown)),
    ("another VLAN", 20_000, |case| case.is_refused_as(Refusal::VlanNotOurs)),
    // How they were made.
    ("first fragment", 8_000, |case| case.is(Oddity::MoreFragments)),
    ("later fragment", 8_000, |case| case.is(Oddity::LaterFragment)),
    ("IHL under 5", 8_000, |case| case.is(Oddity::IhlUnder5)),
    ("Total Length past the frame", 8_000, |case| case.is(Oddity::TotalLengthPastTheFrame)),
    ("Total Length within the header", 8_000, |case| case.is(Oddity::TotalLengthWithinTheHeader)),
    ("one bit flipped", 80_000, |case| case.is_so_damaged(Damage::OneBit)),
    ("more bits flipped", 40_000, |case| matches!(case.frame.make.damage, Some(Damage::Bits(_)))),
    ("words swapped, and right", 20_000, |case| {
        case.is_so_damaged(Damage::WordsSwapped) && case.look.tcp == Some(true)
    }),
    ("zero negated, and right", 20_000, |case| {
        case.is_so_damaged(Damage::ZeroNegated) && case.look.tcp == Some(true)
    }),
    ("cut off", 700, |case| case.frame.make.is_cut),
    // The two writings of zero.
    ("TCP field 0x0000, right", 40_000, |case| {
        (case.look.tcp, case.look.tcp_field) == (Some(true), 0)
    }),
    ("TCP field 0xffff, right", 30_000, |case| {
        (case.look.tcp, case.look.tcp_field) == (Some(true), 0xffff)
    }),
    ("TCP field 0x0000, wrong", 10_000, |case| {
        (case.look.tcp, case.look.tcp_field) == (Some(false), 0)
    }),
    ("TCP field 0xffff, wrong", 10_000, |case| {
        (case.look.tcp, case.look.tcp_field) == (Some(false), 0xffff)
    }),
    ("IPv4 field 0x0000, right", 60_000, |case| {
        (case.look.ipv4, case.look.ipv4_field) == (Some(true), 0)
    }),
    ("IPv4 field 0xffff, right", 40_000, |case| {
        (case.look.ipv4, case.look.ipv4_field) == (Some(true), 0xffff)
    }),
    // What was left to the device that sends.
    ("finished by the device", 50_000, |case| case.is_left() && case.meta.l4 != Verdict::None),
    ("finished to 0x0000 by the device", 10_000, |case| case.is_left() && case.look.tcp_field == 0),
    ("finished behind tags and options", 9_000, |case| {
        case.is_left() && case.look.tags > 0 && case.look.ihl > Some(5)
    }),
    ("finished before padding", 4_000, |case| case.is_left() && case.look.trailer_len > 0),
    ("IPv4 finished by the device", 50_000, |case| case.sent.ipv4 == TxChecksum::Partial),
    // What devices said, each style of right, wrong and unread segments.
    ("GoodOrSilent of right", 40_000, |case| case.says(GoodOrSilent, Good, Some(true))),
    ("GoodOrSilent of wrong", 20_000, |case| case.says(GoodOrSilent, Unknown, Some(false))),
    ("GoodOrSilent of none", 20_000, |case| case.says(GoodOrSilent, Unknown, None)),
    ("GoodOrBad of right", 60_000, |case| case.says(GoodOrBad, Good, Some(true))),
    ("GoodOrBad of wrong", 10_000, |case| case.says(GoodOrBad, Bad, Some(false))),
    ("GoodOrBad of none", 20_000, |case| case.says(GoodOrBad, Unknown, None)),
    ("GoodOrBad that reads not so far", 4_000, |case| case.says(GoodOrBad, Unknown, Some(false))),
    ("GoodUnlessBad of right", 30_000, |case| case.says(GoodUnlessBad, Good, Some(true))),
    ("GoodUnlessBad of wrong", 9_000, |case| case.says(GoodUnlessBad, Bad, Some(false))),
    ("GoodUnlessBad of none", 10_000, |case| case.says(GoodUnlessBad, Good, None)),
    ("BadOrSilent of right", 20_000, |case| case.says(BadOrSilent, Unknown, Some(true))),
    ("BadOrSilent of wrong", 6_000, |case| case.says(BadOrSilent, Bad, Some(false))),
    ("NowAndThen of right", 6_000, |case| case.says(NowAndThen, Good, Some(true))),
    ("NowAndThen of wrong", 4_000, |case| case.says(NowAndThen, Bad, Some(false))),
    ("NowAndThen, silent", 10_000, |case| case.says(NowAndThen, Unknown, Some(true))),
    ("Silent of wrong", 10_000, |case| case.says(Silent, Unknown, Some(false))),
];

/// How often each kind was seen, and which lengths.
pub struct Seen {
    frames: u64,
    kinds: Vec<u64>,
    /// Frames by their length, as sent.
    lengths: Vec<u64>,
    /// Right segments by the length of their payload, and wrong ones.
    payloads: [Vec<u64>; 2],
}

impl Default for Seen {
    fn default() -> Seen {
        let lengths = || vec![0; LEN_MAX + 1];
        let payloads = [lengths(), lengths()];
        Seen { frames: 0, kinds: vec![0; KINDS.len()], lengths: lengths(), payloads }
    }
}

impl Seen {
    /// A frame of this length is sent.
    pub fn length(&mut self, len: usize) {
        self.frames += 1;
        self.lengths[len.min(LEN_MAX)] += 1;
    }

    /// It has arrived.
    pub fn note(&mut self, case: &Case) {
        for (count, (_, _, is_one)) in self.kinds.iter_mut().zip(KINDS) {
            *count += u64::from(is_one(case));
        }
        if let (Some(is_right), Some(len)) = (case.look.tcp, case.look.payload_len) {
            self.payloads[usize::from(!is_right)][len.min(LEN_MAX)] += 1;
        }
    }

    /// So many frames, of every length, with right and wrong payloads of every length, and enough of each
    /// kind.
    pub fn assert_not_hollow(&self, frames: u64) {
        assert!(self.frames >= frames, "{}", self.frames);
        let missing = |counts: &[u64]| counts.iter().position(|count| *count == 0);
        let [right, wrong] = &self.payloads;
        for (what, counts) in [("frame", &self.lengths), ("right", right), ("wrong", wrong)] {
            assert_eq!(missing(counts), None, "{what} payload of this length");
        }
        for (count, (name, least, _)) in self.kinds.iter().zip(KINDS) {
            assert!(count >= least, "{name}: {count}, less than {least}");
        }
    }
}
