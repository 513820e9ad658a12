//! A modelled device on a wire, its peer that sends, and the hosts behind it: what becomes of one frame on
//! its way through all of them, each held against the oracle.

use std::fmt;

use fixwire::offload::capability::Capability;
use fixwire::offload::checksum::{Sum, copy_and_sum};
use fixwire::offload::device::Device as Life;
use fixwire::offload::flow::RuleSet;
use fixwire::offload::nic::{Burst, Frame as _, Nic, Parsed, RxMeta, TxChecksum, TxMeta};
use fixwire::offload::observe::Observations;
use fixwire::offload::plan::Plan;
use fixwire::offload::profile::{Policy, Profile};
use fixwire::offload::verdict::Verdict;
use fixwire::time::Duration;
use fixwire::verify::Verifier;
use fixwire::wire::ethernet::{self, Ethertype};
use fixwire::wire::{ipv4, tcp};
use fixwire_hw::pool;
use fixwire_hw::sim::{self, Model, SimNic, VerdictStyle, Wire};

use super::VLAN;
use super::frames::{Frame, Frames};
use super::host::{Decision, Host};
use super::oracle::{Look, pseudo_header, sum};
use super::seen::{Case, Seen};

/// Room for the longest payload behind the longest headers.
const MTU: usize = 9_600;
/// Below so many bytes the portable form sums, and copies, on every processor.
const PORTABLE_LEN: usize = 126;

pub struct Device {
    model: Model,
    plan: Plan,
    far: SimNic,
    near: SimNic,
    wire: Wire,
    /// In no VLAN, and in one.
    hosts: [Host; 2],
    /// What decides for frames that look like the one before.
    familiar: Verifier,
    observations: Observations,
    /// How many frames it has spoken of.
    judged: u64,
}

impl Device {
    /// Two devices of one kind that run by one plan: all that they can do, they do.
    pub fn new(model: Model, seed: u64) -> Device {
        let model = Model { mtu: MTU, ..model };
        let (a, b) = (model.clone(), model.clone());
        let config = sim::Config { a, b, frames: pool::FRAMES_MIN, ..sim::Config::default() };
        let (far, near, wire) = sim::pair(config, seed);
        let run = |backend| {
            let profile = Profile::all(Policy::Prefer);
            let device = Life::probed(backend).plan(&profile, RuleSet::EMPTY).configure().unwrap();
            device.start().and_then(|device| device.steer()).unwrap()
        };
        let ((far, _), (near, plan)) = (run(far), run(near));
        let host = |vlan| Host::new(plan.clone(), vlan, near.clock());
        Device {
            hosts: [host(None), host(Some(VLAN))],
            familiar: Verifier::new(&plan),
            observations: Observations::default(),
            judged: 0,
            model,
            plan,
            far,
            near,
            wire,
        }
    }

    /// One frame, all the way.
    pub fn meets(&mut self, frame: &Frame, chance: &mut Frames, seen: &mut Seen) {
        assert_sums_agree(&frame.bytes, chance);
        seen.length(frame.bytes.len());
        if frame.bytes.len() < ethernet::FRAME_LEN_MIN {
            self.assert_host_agrees_on(&frame.bytes);
        }
        let Some((arrived, sent)) = self.carry(frame) else { return };
        // What the sender never finished is as good as finished, to whoever is told so.
        let mut finished = frame.bytes.clone();
        finished.resize(finished.len().max(ethernet::FRAME_LEN_MIN), 0);
        let look = Look::at(&finished);
        let name = self.model.name.clone();
        let told = Told(&name, self.judged, frame, &look);
        let mut expected = finished;
        let is_unfinished = sent.tcp == TxChecksum::Partial && self.model.hands_over_unfinished;
        if is_unfinished {
            put_pseudo_header_s_sum(&mut expected, frame);
        }
        assert!(arrived.bytes() == expected, "not what was to be sent: {told}");

        let meta = arrived.rx_meta();
        assert_is_true(&meta, &look, is_unfinished, &told);
        let documented = self.documented(&look, is_unfinished);
        assert_eq!((meta.parsed, meta.l3, meta.l4), documented, "{told}");
        self.judged += 1;

        let familiar = self.takes_familiar(&meta, arrived.bytes());
        let is_right = (look.ipv4, look.tcp) == (Some(true), Some(true));
        assert!(familiar.is_none_or(|taken| taken == is_right), "as a familiar one: {told}");
        let host = usize::from(look.vlan == Some(VLAN));
        let decision = self.hosts[host].decides(&self.wire, arrived);
        assert!(agrees(decision, &look), "{decision:?}: {told}");
        let style = self.model.verdicts;
        seen.note(&Case { frame, look: &look, style, meta: &meta, sent: &sent, decision });
    }

    /// The engine has found nothing wrong with the device, and has taken its word if it gave any.
    pub fn ends_believed(&self) {
        use VerdictStyle::{GoodOrBad, GoodOrSilent, GoodUnlessBad, NowAndThen};
        let says_good =
            matches!(self.model.verdicts, GoodOrSilent | GoodOrBad | GoodUnlessBad | NowAndThen);
        for host in &self.hosts {
            for name in ["nic_said_good_but_bad", "nic_said_bad_but_good", "nic_demoted"] {
                assert_eq!(host.count(name), 0, "{}: {name}", self.model.name);
            }
        }
        let trusted = self.hosts.each_ref().map(|host| host.count("rx_checksum_trusted"));
        let is_trusted = trusted.iter().sum::<u64>() > 1_000;
        assert_eq!(is_trusted, says_good, "{}: {trusted:?}", self.model.name);
    }

    /// The host decides on bytes of which no device has said anything, however short.
    fn assert_host_agrees_on(&mut self, bytes: &[u8]) {
        let look = Look::at(bytes);
        let host = usize::from(look.vlan == Some(VLAN));
        let decision = self.hosts[host].decides_alone(&self.wire, bytes);
        assert!(agrees(decision, &look), "{decision:?}, and {look:?} of {bytes:02x?}");
    }

    /// Sends a frame and receives it. `None` for what is too short for a device to send.
    fn carry(&mut self, frame: &Frame) -> Option<(pool::Frame, TxMeta)> {
        let len = frame.bytes.len();
        let left = |capability| {
            let is_left = frame.make.is_left && self.plan.uses(capability);
            if is_left { TxChecksum::Partial } else { TxChecksum::Full }
        };
        let meta = TxMeta {
            l2_len: frame.l2_len as u8,
            l3_len: frame.l3_len as u8,
            ipv4: left(Capability::TxIpv4Checksum),
            tcp: left(Capability::TxTcpChecksum),
            ..TxMeta::default()
        };
        let mut sent = self.far.tx_frame().expect("a spare buffer");
        let room = sent.space();
        // Padding must not be what lay there before.
        room[..len + ethernet::FRAME_LEN_MIN].fill(0xee);
        room[..len].copy_from_slice(&frame.bytes);
        if meta.ipv4 == TxChecksum::Partial {
            room[frame.l2_len + ipv4::CHECKSUM_OFFSET..][..2].fill(len as u8);
        }
        if meta.tcp == TxChecksum::Partial {
            put_pseudo_header_s_sum(&mut room[..len], frame);
        }
        sent.finish(len, meta);
        let mut burst = Burst::new();
        burst.push(sent);
        self.far.tx_burst(&mut burst);
        self.wire.advance(Duration::from_us(1));
        self.near.rx_burst(&mut burst);
        assert_eq!(burst.is_empty(), len < ethernet::HEADER_LEN, "{len} bytes");
        burst.pop().map(|arrived| (arrived, meta))
    }

    /// What the device is documented to say: by the plan what it was told to look at, by its parser how far
    /// it reads, by its style how it speaks.
    fn documented(&self, look: &Look, is_unfinished: bool) -> (Parsed, Verdict, Verdict) {
        let parser = self.model.parser;
        let reads = look.tags <= parser.tags_max;
        let reads_on = reads && (parser.reads_past_options || look.ihl == Some(5));
        let (ipv4, tcp) = (look.ipv4.filter(|_| reads), look.tcp.filter(|_| reads_on));
        let says = |capability, found| {
            let told = self.plan.uses(capability);
            if told { speaks(self.model.verdicts, found, self.judged) } else { Verdict::Unknown }
        };
        let parsed = match tcp {
            _ if !parser.tells_types => Parsed::Unknown,
            Some(_) => Parsed::Ipv4Tcp,
            None => Parsed::Other,
        };
        let l4 = if is_unfinished { Verdict::None } else { says(Capability::RxTcpChecksum, tcp) };
        (parsed, says(Capability::RxIpv4Checksum, ipv4), l4)
    }

    /// What becomes of a frame that looks like the one before on its connection: both layers are believed
    /// or found right at once, or else one by one. `None` for what cannot look so.
    fn takes_familiar(&mut self, meta: &RxMeta, bytes: &[u8]) -> Option<bool> {
        let frame = ethernet::Packet::parse(bytes).ok()?;
        let packet = (frame.ethertype == Ethertype::Ipv4).then_some(frame.payload)?;
        let packet = ipv4::Packet::parse(packet).ok()?;
        let segment = (packet.protocol == ipv4::Protocol::Tcp).then_some(packet.payload)?;
        let segment = tcp::Packet::parse(segment).ok()?;
        let Device { familiar, observations, .. } = self;
        // Padding left out.
        let len = bytes.len() - frame.payload.len() + packet.header.len() + packet.payload.len();
        let is_right = |familiar: &mut Verifier| familiar.finds_right(meta, &packet, &bytes[..len]);
        if familiar.believes(meta, observations) || is_right(familiar) {
            return Some(true);
        }
        let l2_len = frame.header_len;
        let ipv4 = familiar.ipv4(meta, &packet, observations).is_ok();
        Some(ipv4 && familiar.tcp(meta, l2_len, &packet, &segment, observations).is_ok())
    }
}

/// A frame, for whoever looks into a failure.
struct Told<'a>(&'a str, u64, &'a Frame, &'a Look);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Told(name, nth, frame, look) = self;
        let (make, bytes) = (frame.make, &frame.bytes);
        let head = &bytes[..bytes.len().min(160)];
        write!(f, "{name}, frame {nth}, {make:?}, {look:?}, {} bytes: {head:02x?}", bytes.len())
    }
}

/// Whatever its style: what a device calls good is right, what it calls bad is wrong. Of its silence, and
/// of a good that it says of what it takes for something else, nothing follows. Nobody vouches for TCP
/// where there is no whole segment in one packet.
fn assert_is_true(meta: &RxMeta, look: &Look, is_unfinished: bool, told: &Told<'_>) {
    for (verdict, right) in [(meta.l3, look.ipv4), (meta.l4, look.tcp)] {
        let follows = match verdict {
            Verdict::Good if meta.parsed == Parsed::Other => None,
            Verdict::Good => Some(true),
            Verdict::Bad => Some(false),
            Verdict::Unknown | Verdict::None => None,
        };
        assert!(follows.is_none() || follows == right, "{verdict}: {told}");
    }
    assert_eq!(meta.l4 == Verdict::None, is_unfinished, "{told}");
    if is_unfinished {
        let field = (usize::from(meta.csum_start), usize::from(meta.csum_offset));
        let Told(_, _, frame, _) = told;
        assert_eq!(field, (frame.l2_len + frame.l3_len, 16), "{told}");
    }
}

/// How each style is documented to speak of a checksum that was found right, wrong or not at all.
fn speaks(style: VerdictStyle, found: Option<bool>, nth: u64) -> Verdict {
    use Verdict::{Bad, Good, Unknown};
    let [of_right, of_wrong, of_unread] = match style {
        VerdictStyle::GoodOrSilent => [Good, Unknown, Unknown],
        VerdictStyle::NowAndThen if nth % 4 == 3 => [Unknown; 3],
        VerdictStyle::GoodOrBad | VerdictStyle::NowAndThen => [Good, Bad, Unknown],
        VerdictStyle::GoodUnlessBad => [Good, Bad, Good],
        VerdictStyle::BadOrSilent => [Unknown, Bad, Unknown],
        VerdictStyle::Silent => [Unknown; 3],
        VerdictStyle::AlwaysGood => panic!("a broken device is no part of this"),
    };
    match found {
        Some(true) => of_right,
        Some(false) => of_wrong,
        None => of_unread,
    }
}

/// Whether an engine may decide so.
fn agrees(decision: Decision, look: &Look) -> bool {
    match decision {
        Decision::Refused(reason) => {
            let of_another = ["arp_", "icmp_"].iter().any(|start| reason.name().starts_with(start));
            look.may_be_refused_as(reason) || look.is_of_another_test && of_another
        }
        Decision::Taken => look.refusals.is_empty() && look.tcp == Some(true),
        Decision::Elsewhere => look.is_of_another_test,
    }
}

/// The sum of all bytes by the oracle, by whichever form is chosen for so many, and in pieces that the
/// portable form sums; each read alone and copied.
fn assert_sums_agree(bytes: &[u8], chance: &mut Frames) {
    let cut = chance.number(bytes.len() + 1);
    let (mut whole, mut pieces) = (vec![0; bytes.len()], Vec::with_capacity(bytes.len()));
    let sums = [
        Sum::of(bytes),
        copy_and_sum(bytes, &mut whole),
        in_pieces(bytes, cut, Sum::of),
        in_pieces(bytes, cut, |piece| {
            let at = pieces.len();
            pieces.resize(at + piece.len(), 0);
            copy_and_sum(piece, &mut pieces[at..])
        }),
    ];
    let expected = [sum(&[bytes]); 4];
    assert_eq!(sums.map(Sum::folded), expected, "{} bytes cut at {cut}", bytes.len());
    assert!(whole == bytes && pieces == bytes, "{} bytes cut at {cut}", bytes.len());
}

/// Both sides of a cut, at whatever offset it is, piece by piece.
fn in_pieces(bytes: &[u8], cut: usize, mut sum: impl FnMut(&[u8]) -> Sum) -> Sum {
    let (front, back) = bytes.split_at(cut);
    let [front, back] = [front, back]
        .map(|part| part.chunks(PORTABLE_LEN).map(&mut sum).fold(Sum::ZERO, Sum::plus));
    if cut.is_multiple_of(2) { front.plus(back) } else { front.plus_at_odd_offset(back) }
}

/// As a sender leaves the TCP checksum to its device.
fn put_pseudo_header_s_sum(bytes: &mut [u8], frame: &Frame) {
    let (l3, l4) = (frame.l2_len, frame.l2_len + frame.l3_len);
    let total_len = usize::from(u16::from_be_bytes([bytes[l3 + 2], bytes[l3 + 3]]));
    let pseudo = pseudo_header(&bytes[l3 + 12..l3 + 20], total_len - frame.l3_len);
    bytes[l4 + tcp::CHECKSUM_OFFSET..][..2].copy_from_slice(&sum(&[&pseudo]).to_be_bytes());
}
