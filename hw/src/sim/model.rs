//! What kind of NIC is modelled, as data.

use std::borrow::Cow;

use fixwire_offload::capability::Capability;
use fixwire_offload::nic::{BURST_MAX, Parsed};
use fixwire_offload::plan::{Advert, Capabilities, Provider};
use fixwire_offload::verdict::Verdict;

use super::clock::ModelClock;
use super::faults::NicFaults;
use crate::checksums::{self, Shape};

/// How a NIC speaks of the checksums that it was told to verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerdictStyle {
    /// Good when right, silent when wrong, as mlx5 is.
    GoodOrSilent,
    /// Good when right, bad when wrong.
    GoodOrBad,
    /// Good, unless it looked and found it wrong: good also of what it did not look at, as igb and
    /// ixgbe are.
    GoodUnlessBad,
    /// Bad when wrong, silent when right, as e1000e is.
    BadOrSilent,
    /// Good when right and bad when wrong, and of every fourth frame nothing, as ena may be.
    NowAndThen,
    /// Nothing, though it advertised the check.
    Silent,
    /// Good, whatever the bytes. A broken device: for tests that the engine finds it out.
    AlwaysGood,
}

impl VerdictStyle {
    /// What such a NIC says of a checksum that it found right or wrong, or that it does not look at, in
    /// the frame that is its `nth`.
    pub(super) fn says(self, right: Option<bool>, nth: u64) -> Verdict {
        match (self, right) {
            (VerdictStyle::GoodUnlessBad, None) => Verdict::Good,
            (VerdictStyle::NowAndThen, _) if nth % 4 == 3 => Verdict::Unknown,
            (_, None) | (VerdictStyle::Silent, _) => Verdict::Unknown,
            (VerdictStyle::BadOrSilent, Some(true)) => Verdict::Unknown,
            (VerdictStyle::AlwaysGood, _) | (_, Some(true)) => Verdict::Good,
            (VerdictStyle::GoodOrSilent, Some(false)) => Verdict::Unknown,
            (_, Some(false)) => Verdict::Bad,
        }
    }
}

/// How far a NIC reads into a frame, and what it tells of it. What it does not get to, it does not verify.
///
/// None looks for a TCP checksum in a fragment, and none counts padding in: Total Length says where the
/// packet ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parser {
    /// VLAN tags that it reads past.
    pub tags_max: usize,
    /// It finds a segment behind IPv4 options.
    pub reads_past_options: bool,
    /// Its driver tells what it took a frame for.
    pub tells_types: bool,
}

impl Parser {
    /// A NIC that reads all that our own classifier does, and tells.
    pub const WHOLE: Parser = Parser { tags_max: 2, reads_past_options: true, tells_types: true };

    /// What it finds in a frame.
    pub(super) fn finds(&self, frame: &[u8]) -> Found {
        let shape = checksums::shape(frame).filter(|shape| shape.tags <= self.tags_max);
        let Some(Shape { has_options, .. }) = shape else {
            return Found { ipv4: None, tcp: None, parsed: self.tells(Parsed::Other) };
        };
        let gets_to_tcp = self.reads_past_options || !has_options;
        let tcp = checksums::tcp_is_right(frame).filter(|_| gets_to_tcp);
        let parsed = if tcp.is_some() { Parsed::Ipv4Tcp } else { Parsed::Other };
        Found { ipv4: checksums::ipv4_is_right(frame), tcp, parsed: self.tells(parsed) }
    }

    fn tells(&self, parsed: Parsed) -> Parsed {
        if self.tells_types { parsed } else { Parsed::Unknown }
    }
}

/// What a NIC found in a frame: each checksum right or wrong, or `None` for one it did not get to.
pub(super) struct Found {
    pub(super) ipv4: Option<bool>,
    pub(super) tcp: Option<bool>,
    pub(super) parsed: Parsed,
}

/// One kind of NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// What it is called.
    pub name: Cow<'static, str>,
    /// What it advertises.
    pub capabilities: Capabilities,
    /// What it advertises and then refuses when configured, with its reason.
    pub refuses: Vec<(Capability, String)>,
    /// What it says once it has started: how it does a piece of work, or what it does instead.
    pub says: Vec<(Capability, Result<String, String>)>,
    /// How it speaks of received checksums.
    pub verdicts: VerdictStyle,
    /// How far it reads into a frame.
    pub parser: Parser,
    /// It never finishes the TCP checksum of a frame to send: it hands the frame over as it is,
    /// with a mark, as virtio does between guests of one host. A peer that does not accept such
    /// frames gets them finished.
    pub hands_over_unfinished: bool,
    /// The most frames that one `tx_burst` takes.
    pub tx_burst_max: usize,
    /// The clock that it stamps by.
    pub clock: ModelClock,
    /// How it misbehaves, until [`Wire::set_nic_faults`](super::Wire::set_nic_faults) says otherwise.
    pub faults: NicFaults,
    /// The largest IP packet, in bytes; at most [`MTU_MAX`](crate::pool::MTU_MAX).
    pub mtu: usize,
    /// The RTL that receives and sends in its place.
    #[cfg(feature = "rtl")]
    pub design: Option<super::design::Design>,
}

/// What any model does, it does in memory.
const fn modelled(how: &'static str) -> Advert {
    Advert { by: Provider::Model, how }
}

impl Model {
    /// A NIC that does nothing for us.
    pub fn bare() -> Model {
        Model {
            name: Cow::Borrowed("bare"),
            capabilities: Capabilities::NONE,
            refuses: Vec::new(),
            says: Vec::new(),
            verdicts: VerdictStyle::Silent,
            parser: Parser { tells_types: false, ..Parser::WHOLE },
            hands_over_unfinished: false,
            tx_burst_max: BURST_MAX,
            clock: ModelClock::WIRE,
            faults: NicFaults::default(),
            mtu: 1500,
            #[cfg(feature = "rtl")]
            design: None,
        }
    }

    /// The same, all of it modelled.
    #[must_use]
    pub fn without_design(&self) -> Model {
        Model {
            #[cfg(feature = "rtl")]
            design: None,
            ..self.clone()
        }
    }

    /// Whether it receives and sends by the RTL itself, which says what it says: no style of speech and no fault is modelled.
    pub fn is_design(&self) -> bool {
        #[cfg(feature = "rtl")]
        let is_design = self.design.is_some();
        #[cfg(not(feature = "rtl"))]
        let is_design = false;
        is_design
    }

    /// A NIC with every checksum and stamp, that says good and bad.
    pub fn full() -> Model {
        let capabilities = Capabilities::NONE
            .with(Capability::RxIpv4Checksum, modelled("model sums each header"))
            .with(Capability::RxTcpChecksum, modelled("model sums each segment"))
            .with(Capability::TxIpv4Checksum, modelled("model fills the field in"))
            .with(Capability::TxTcpChecksum, modelled("model finishes the field"))
            .with(Capability::RxTimestamp, modelled("simulated wire's clock, ns"))
            .with(
                Capability::TxTimestamp,
                modelled("simulated wire's clock, ns, as a frame's first bit leaves"),
            )
            .with(
                Capability::HeldFrames,
                modelled("model leaves a prepared order's frame alone; all else is in the ring"),
            );
        Model {
            name: Cow::Borrowed("full"),
            capabilities,
            verdicts: VerdictStyle::GoodOrBad,
            parser: Parser::WHOLE,
            ..Model::bare()
        }
    }

    /// A NIC that hands unfinished TCP checksums to its peer, and takes them from it.
    pub fn virtio() -> Model {
        let mut capabilities = Capabilities::NONE
            .with(Capability::RxTcpChecksum, modelled("model vouches for data, as virtio-net does"))
            .with(Capability::TxTcpChecksum, modelled("field left partial for the peer"));
        capabilities.gives_none = true;
        Model {
            name: Cow::Borrowed("virtio"),
            capabilities,
            verdicts: VerdictStyle::GoodOrSilent,
            hands_over_unfinished: true,
            ..Model::bare()
        }
    }
}

impl Default for Model {
    fn default() -> Self {
        Model::full()
    }
}
