//! What our device says of the sums of a frame that came, which need not be so.

use fixwire::offload::capability::Capability;
use fixwire::offload::nic::{Parsed, RxMeta};
use fixwire::offload::plan::{Advert, Capabilities, Plan, Provider};
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::{Audit, Verdict};
use fixwire::wire::tcp::CHECKSUM_OFFSET;
use fixwire::wire::{ethernet, ipv4};

use crate::relay::random::Random;

/// How a device speaks of sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Word {
    /// Not at all.
    #[default]
    Silent,
    /// As it is; of what is wrong it may be silent.
    Right,
    /// It calls wrong what is right, now and then.
    Alarmed,
    /// It calls everything right, and every frame is looked at all the same.
    Vouching,
    /// It says anything of anything.
    Babbling,
    /// It calls everything right, and one frame in so many is looked at.
    Unaudited(u32),
    /// It hands over every second frame with its sum unfinished, as one that never crossed a wire.
    Local,
}

/// All of them.
pub(crate) const WORDS: [Word; 8] = [
    Word::Silent,
    Word::Right,
    Word::Alarmed,
    Word::Vouching,
    Word::Babbling,
    Word::Unaudited(4),
    Word::Unaudited(16),
    Word::Local,
];

/// What is said of one frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) meta: RxMeta,
    /// Its segment's sum is to be left unfinished.
    pub(crate) is_unfinished: bool,
    /// It was damaged, which the stack is not told.
    pub(crate) is_damaged: bool,
}

impl Told {
    /// Nothing, as of a device that checks no sum.
    pub(crate) const NOTHING: Told =
        Told { meta: RxMeta::UNKNOWN, is_unfinished: false, is_damaged: false };
}

impl Word {
    pub(crate) fn of(self, is_damaged: bool, is_tcp: bool, random: &mut Random) -> Told {
        use Verdict::{Bad, Good, None, Unknown};
        let is_unfinished = self == Word::Local && is_tcp && !is_damaged && random.one_in(2);
        let mut draw = |of: &[Verdict]| (random.pick(of), random.pick(of));
        let (l3, l4) = match self {
            _ if is_unfinished => (Unknown, None),
            Word::Silent | Word::Local => (Unknown, Unknown),
            Word::Right if is_damaged => draw(&[Unknown, Bad]),
            Word::Right | Word::Vouching | Word::Unaudited(_) => (Good, Good),
            Word::Alarmed if is_damaged => (Bad, Bad),
            Word::Alarmed => draw(&[Good, Good, Bad]),
            Word::Babbling => draw(&[Unknown, Bad, Good, None]),
        };
        let parsed = match self {
            Word::Babbling => random.pick(&[Parsed::Unknown, Parsed::Ipv4Tcp, Parsed::Other]),
            _ => random.pick(&[Parsed::Unknown, Parsed::Ipv4Tcp]),
        };
        let csum_start = (ethernet::HEADER_LEN + ipv4::HEADER_LEN) as u16;
        let csum_offset = CHECKSUM_OFFSET as u16;
        let meta = RxMeta { parsed, l3, l4, csum_start, csum_offset, ..RxMeta::UNKNOWN };
        Told { meta, is_unfinished, is_damaged }
    }

    pub(crate) const fn audit(self) -> Audit {
        match self {
            Word::Right => Audit::OneIn(16),
            Word::Unaudited(n) => Audit::OneIn(n),
            _ => Audit::Always,
        }
    }

    /// Of damaged frames so many are believed at most, but once in 10^15 for each of both layers.
    pub(crate) fn believed_max(self) -> u64 {
        10 * self.audit().wrong_frames_in_999_of_1000().expect("it has a bound")
    }

    /// What is agreed on with a device that speaks so: it is believed, and looked after.
    pub(crate) fn plan(self) -> Plan {
        if self == Word::Silent {
            return Plan::negotiate("silent", &Profile::all(Policy::Off), &Capabilities::NONE);
        }
        let advert = Advert { by: Provider::Model, how: "for a test" };
        let mut device = Capabilities::NONE
            .with(Capability::RxIpv4Checksum, advert)
            .with(Capability::RxTcpChecksum, advert);
        device.gives_none = self == Word::Local;
        let mut profile = Profile::all(Policy::Prefer);
        profile.rx_checksum_audit = self.audit();
        Plan::negotiate("of its word", &profile, &device)
    }
}
