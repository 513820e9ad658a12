//! The running device: bursts of frames in and out, each frame with what the device says of it.

use arrayvec::ArrayVec;

use crate::flow;
use crate::observe::NicCounters;
use crate::stamp::{ClockInfo, RxStamp};
use crate::verdict::Verdict;

/// The most frames that one burst carries.
pub const BURST_MAX: usize = 32;

/// Frames on their way from or to a device, in order.
pub type Burst<F> = ArrayVec<F, BURST_MAX>;

/// What a device takes a received frame for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parsed {
    /// It does not say.
    #[default]
    Unknown,
    /// A whole IPv4 packet with a TCP segment in it.
    Ipv4Tcp,
    /// Anything else. Some drivers call the checksums of such a frame good without having looked.
    Other,
}

/// What a device says of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxMeta {
    /// The receive queue it arrived on.
    pub queue: u16,
    /// The mark that a steering rule gave it.
    pub mark: Option<u32>,
    /// The VLAN tag control information that the device stripped.
    pub vlan: Option<u16>,
    /// What the device takes it for.
    pub parsed: Parsed,
    /// The IPv4 header checksum.
    pub l3: Verdict,
    /// The TCP checksum.
    pub l4: Verdict,
    /// With `l4 == Verdict::None`: offset from the frame's start at which the partial sum begins.
    pub csum_start: u16,
    /// With `l4 == Verdict::None`: offset from `csum_start` of the checksum field.
    pub csum_offset: u16,
    /// When it arrived.
    pub stamp: Option<RxStamp>,
}

impl RxMeta {
    /// A frame of which the device says nothing.
    pub const UNKNOWN: RxMeta = RxMeta {
        queue: 0,
        mark: None,
        vlan: None,
        parsed: Parsed::Unknown,
        l3: Verdict::Unknown,
        l4: Verdict::Unknown,
        csum_start: 0,
        csum_offset: 0,
        stamp: None,
    };
}

/// What the TCP checksum field of a frame to send holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TxChecksum {
    /// The finished checksum: the device is to leave it alone.
    #[default]
    Full,
    /// The pseudo-header's sum, not complemented: the device is to finish it.
    Partial,
}

/// What a device is to know of a frame to send. Lengths in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxMeta {
    /// Ethernet header, VLAN tag included.
    pub l2_len: u8,
    /// IPv4 header.
    pub l3_len: u8,
    /// TCP header; 0 for a frame that is not TCP.
    pub l4_len: u8,
    /// The IPv4 header's checksum field.
    pub ipv4: TxChecksum,
    /// The TCP header's checksum field.
    pub tcp: TxChecksum,
    /// Names the frame in a [`TxReport`]; 0 asks for none.
    pub stamp_token: u32,
}

/// The most reports that one call of [`Nic::tx_reports`] gives.
pub const TX_REPORTS_MAX: usize = 32;

/// When a frame left, by the device: of one whose [`TxMeta::stamp_token`] asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxReport {
    /// The frame's token.
    pub token: u32,
    /// When its first bit was on the wire, or whatever moment of its leaving the device stamps.
    pub stamp: RxStamp,
}

/// Reports on their way from a device.
pub type TxReports = ArrayVec<TxReport, TX_REPORTS_MAX>;

/// What keeps a frame that was handed over, for as long as its bytes may have to be sent again. Nobody writes to them
/// meanwhile. Dropping it lets go: the buffer goes back once the device has let go as well.
pub trait Held<F>: Sized {
    /// The frame's bytes, as they were when it was handed over.
    fn bytes(&self) -> &[u8];

    /// The frame, to be written anew and handed over once more: its bytes are still there.
    ///
    /// # Errors
    /// Itself, as long as the device has the frame as well: it may still read it.
    fn into_frame(self) -> Result<F, Self>;
}

/// Of a device's frames that cannot be held.
#[derive(Debug)]
pub enum NeverHeld {}

impl<F> Held<F> for NeverHeld {
    fn bytes(&self) -> &[u8] {
        match *self {}
    }

    fn into_frame(self) -> Result<F, NeverHeld> {
        match self {}
    }
}

/// A buffer of the device's, owned until dropped or handed to [`Nic::tx_burst`].
///
/// A received frame may lie in several segments; a frame to send is always one.
pub trait Frame: Sized {
    /// What keeps one that was handed over.
    type Held: Held<Self>;

    /// Keeps a finished frame beyond its being handed over. From here on there is no [`space`](Frame::space) in it: its
    /// bytes are what was finished. `None` where its device gives none back, or nobody may keep one.
    fn hold(&self) -> Option<Self::Held> {
        None
    }

    /// How many pieces the frame lies in; at least 1.
    fn segments(&self) -> usize {
        1
    }

    /// The bytes of piece `index`; empty past the last.
    fn segment(&self, index: usize) -> &[u8];

    /// The first piece, which for nearly every frame is the whole.
    fn bytes(&self) -> &[u8] {
        self.segment(0)
    }

    /// Room to write a frame into, as long as the device's largest; none while it is [held](Frame::hold).
    fn space(&mut self) -> &mut [u8];

    /// Makes the first `len` bytes of [`space`](Frame::space) the frame, to be sent as `meta` says.
    fn finish(&mut self, len: usize, meta: TxMeta);

    /// Asks the device to tell when this finished frame leaves, under this name. Nothing where its device tells of none.
    fn ask_stamp(&mut self, _token: u32) {}

    /// What [`finish`](Frame::finish) said of it, as far as a sum is left to the device; of a frame that leaves none,
    /// lengths may be missing.
    fn tx_meta(&self) -> TxMeta;
}

/// Whether frames can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They can.
    Up,
    /// They cannot.
    Down,
}

/// A running device, polled by one core.
///
/// Generic rather than dynamic, so that the packet's path is compiled for the device it runs on.
pub trait Nic {
    /// A frame's buffer. Dropping it gives it back.
    type Frame: Frame;

    /// Moves frames that have arrived into `burst`, as many as there are and as it has room for,
    /// and says how many. Never waits.
    fn rx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize;

    /// What the device says of a frame that [`rx_burst`](Nic::rx_burst) gave. It is read out of the frame when it is
    /// asked for: ask once.
    fn rx_meta(&self, frame: &Self::Frame) -> RxMeta;

    /// An empty frame to write into, or `None` when every buffer is in use: [`reclaim`] and try
    /// again on the next poll.
    ///
    /// [`reclaim`]: Nic::reclaim
    fn tx_frame(&mut self) -> Option<Self::Frame>;

    /// Sends frames from the front of `burst`, as many as the device takes, and says how many. The
    /// rest stays the caller's.
    fn tx_burst(&mut self, burst: &mut Burst<Self::Frame>) -> usize;

    /// Moves what the device has told of frames that left into `reports`, as much as there is and as it has room for,
    /// and says how much. Never waits. In the order of leaving or not, and of a frame that it lost never.
    fn tx_reports(&mut self, _reports: &mut TxReports) -> usize {
        0
    }

    /// Takes back the buffers of frames that have been sent. To be called once a poll.
    fn reclaim(&mut self) {}

    /// Whether frames can pass, as was last heard of: this is asked on the thread that polls.
    fn link(&mut self) -> Link;

    /// The clock behind [`RxMeta::stamp`], where the device has one.
    fn clock(&self) -> Option<ClockInfo> {
        None
    }

    /// Installs rules on the running device in place of those that were there, because it may have lost
    /// them. What arrives meanwhile may be lost, and its counts begin anew.
    ///
    /// # Errors
    /// A rule was refused; the reason is the device's.
    fn steer(&mut self, _rules: &flow::RuleSet) -> Result<(), String> {
        Err("it has no flow table".to_owned())
    }

    /// What the steering rule of this number has matched, where the device counts it; `None` where it does
    /// not, or where the rule is gone.
    fn flow_count(&self, _rule: usize) -> Option<flow::Count> {
        None
    }

    /// Why [`flow_count`](Nic::flow_count) told nothing of a rule that counts, the newest time since this was asked: the
    /// rule, and the device's reason. Not for the packet's path.
    fn take_flow_count_refusal(&self) -> Option<String> {
        None
    }

    /// The hardware address that frames are to come from.
    fn mac(&self) -> [u8; 6];

    /// The largest IP packet that the link carries, in bytes.
    fn mtu(&self) -> usize {
        1500
    }

    /// What the device has counted since it started.
    fn counters(&self) -> NicCounters;

    /// How many frames [`rx_burst`](Nic::rx_burst) has given in all, as [`counters`](Nic::counters) has it. It is asked for on the
    /// thread that polls: a device whose other counters take a word with the driver tells it without.
    fn rx_frames(&self) -> u64 {
        self.counters().rx_frames
    }

    /// Stops the device for good, and says how many of its buffers have not come back: 0 unless frames are
    /// still about or some were lost. `None` where nobody counts.
    fn close(self) -> Option<u32>
    where
        Self: Sized,
    {
        None
    }

    /// Every counter of its driver's by the driver's own name, where it has some. Not for the packet's path.
    fn driver_counters(&self) -> Vec<(String, u64)> {
        Vec::new()
    }
}
