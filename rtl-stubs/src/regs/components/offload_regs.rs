//! Addrmap: fixwire offload blocks

#[allow(unused_imports)]
use super::_root; // alias to root module of generated code

// Anonymous component instances
pub mod identity;
pub mod version;
pub mod capabilities;
pub mod shape;
pub mod enables;
pub mod calibration;
pub mod flow_index;
pub mod flow_actions;
pub mod flow_mark;
pub mod flow_commit;
pub mod flow_generation;
pub mod clock_fraction;
pub mod clock_ns;
pub mod set_seconds_low;
pub mod set_seconds_high;
pub mod set_ns;
pub mod clock_commit;
pub mod last_drop;
pub mod tx_last_drop;
pub mod events;
pub mod rx_peak;
pub mod rx_buffer;

/// Named types defined within this component's body
pub mod named_types {
    #[allow(unused_imports)]
    use super::_root; // alias to root module of generated code
    pub mod flow_word;
    pub mod flow_kinds;
    pub mod latched;
    pub mod frame_counter;
}

// Instances of named component types
pub use _root::components::offload_regs::named_types::flow_word as flow_value_src;
pub use _root::components::offload_regs::named_types::flow_word as flow_value_dst;
pub use _root::components::offload_regs::named_types::flow_word as flow_value_ports;
pub use _root::components::offload_regs::named_types::flow_kinds as flow_value_kind;
pub use _root::components::offload_regs::named_types::flow_word as flow_mask_src;
pub use _root::components::offload_regs::named_types::flow_word as flow_mask_dst;
pub use _root::components::offload_regs::named_types::flow_word as flow_mask_ports;
pub use _root::components::offload_regs::named_types::flow_kinds as flow_mask_kind;
pub use _root::components::offload_regs::named_types::latched as flow_hits_low;
pub use _root::components::offload_regs::named_types::latched as flow_hits_high;
pub use _root::components::offload_regs::named_types::latched as flow_bytes_low;
pub use _root::components::offload_regs::named_types::latched as flow_bytes_high;
pub use _root::components::offload_regs::named_types::latched as now_fraction;
pub use _root::components::offload_regs::named_types::latched as now_ns;
pub use _root::components::offload_regs::named_types::latched as now_seconds_low;
pub use _root::components::offload_regs::named_types::latched as now_seconds_high;
pub use _root::components::offload_regs::named_types::latched as now_count_low;
pub use _root::components::offload_regs::named_types::latched as now_count_high;
pub use _root::components::offload_regs::named_types::latched as clock_generation;
pub use _root::components::offload_regs::named_types::frame_counter as delivered;
pub use _root::components::offload_regs::named_types::frame_counter as drop_mac_error;
pub use _root::components::offload_regs::named_types::frame_counter as drop_too_long;
pub use _root::components::offload_regs::named_types::frame_counter as drop_buffer_full;
pub use _root::components::offload_regs::named_types::frame_counter as drop_not_ours;
pub use _root::components::offload_regs::named_types::frame_counter as drop_flow_drop;
pub use _root::components::offload_regs::named_types::frame_counter as tx_finished;
pub use _root::components::offload_regs::named_types::frame_counter as tx_passed;
pub use _root::components::offload_regs::named_types::frame_counter as tx_drop_too_long;
pub use _root::components::offload_regs::named_types::frame_counter as tx_drop_lengths;


/// fixwire offload blocks
///
/// Identity, capabilities, switches, the flow table's window, the clock, counters, and what has happened. While the stream's side is in reset every access is refused.
#[derive(Eq, PartialEq)]
pub struct OffloadRegs<'io, IO = peakrdl_rust::io::PtrIO> {
    ptr: *mut u8,
    io: &'io IO,
}

unsafe impl<IO: Sync> Send for OffloadRegs<'_, IO> {}
unsafe impl<IO: Sync> Sync for OffloadRegs<'_, IO> {}

// manually implement Copy to ease generic bounds
// (IO does not need to be Copy)
impl<IO> Copy for OffloadRegs<'_, IO> {}

// manually implement Clone to ease generic bounds
// (IO does not need to be Clone)
impl<IO> Clone for OffloadRegs<'_, IO> {
    fn clone(&self) -> Self {
        *self
    }
}

impl OffloadRegs<'static> {
    /// # Safety
    ///
    /// The caller must guarantee that the provided address points to a
    /// hardware register block implementing this interface.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn from_ptr(ptr: *mut ()) -> Self {
        Self { ptr: ptr.cast::<u8>(), io: &peakrdl_rust::io::PtrIO }
    }
}

impl<'io, IO> OffloadRegs<'io, IO> {
    /// Size in bytes of the underlying memory
    pub const SIZE: usize = 0x194;

    /// # Safety
    ///
    /// The caller must guarantee that the provided address points to a
    /// hardware register block implementing this interface.
    #[inline(always)]
    #[must_use]
    pub const unsafe fn from_ptr_with(ptr: *mut (), io: &'io IO) -> Self {
        Self { ptr: ptr.cast::<u8>(), io }
    }

    #[inline(always)]
    #[must_use]
    pub const fn as_ptr(&self) -> *mut () {
        self.ptr.cast::<()>()
    }
}

impl<'io, IO: peakrdl_rust::io::RegisterIO> OffloadRegs<'io, IO> {
    /// Identity
    ///
    /// 0x46495857, "FIXW": whatever answers otherwise is another device.
    #[inline(always)]
    #[must_use]
    pub const fn identity(&self) -> peakrdl_rust::reg::Reg<'io, identity::Identity, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x0).cast(), self.io) }
    }

    /// Version
    ///
    /// Of this register map. The major number changes with what software has to know.
    #[inline(always)]
    #[must_use]
    pub const fn version(&self) -> peakrdl_rust::reg::Reg<'io, version::Version, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x4).cast(), self.io) }
    }

    /// Capabilities
    ///
    /// Capability n in bit n, as offload/src/capability.rs numbers them.
    #[inline(always)]
    #[must_use]
    pub const fn capabilities(&self) -> peakrdl_rust::reg::Reg<'io, capabilities::Capabilities, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x8).cast(), self.io) }
    }

    /// Shape
    ///
    /// What this instance was built with.
    #[inline(always)]
    #[must_use]
    pub const fn shape(&self) -> peakrdl_rust::reg::Reg<'io, shape::Shape, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xC).cast(), self.io) }
    }

    /// Enables
    ///
    /// What is switched on. Nothing is after a reset.
    #[inline(always)]
    #[must_use]
    pub const fn enables(&self) -> peakrdl_rust::reg::Reg<'io, enables::Enables, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x10).cast(), self.io) }
    }

    /// Calibration
    ///
    /// From a frame's first bit on the wire to its first beat, as was measured for MAC and board. Kept here for whoever reads stamps; the blocks do not use it.
    #[inline(always)]
    #[must_use]
    pub const fn calibration(&self) -> peakrdl_rust::reg::Reg<'io, calibration::Calibration, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x14).cast(), self.io) }
    }

    /// Flow table: index
    ///
    /// Which rule the next commit writes, and which rule's counts the next latch takes.
    #[inline(always)]
    #[must_use]
    pub const fn flow_index(&self) -> peakrdl_rust::reg::Reg<'io, flow_index::FlowIndex, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x20).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_value_src(&self) -> peakrdl_rust::reg::Reg<'io, flow_value_src::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x24).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_value_dst(&self) -> peakrdl_rust::reg::Reg<'io, flow_value_dst::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x28).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_value_ports(&self) -> peakrdl_rust::reg::Reg<'io, flow_value_ports::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x2C).cast(), self.io) }
    }

    /// Flow table: kind and VLAN of the rule to write
    #[inline(always)]
    #[must_use]
    pub const fn flow_value_kind(&self) -> peakrdl_rust::reg::Reg<'io, flow_value_kind::FlowKinds, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x30).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_mask_src(&self) -> peakrdl_rust::reg::Reg<'io, flow_mask_src::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x34).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_mask_dst(&self) -> peakrdl_rust::reg::Reg<'io, flow_mask_dst::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x38).cast(), self.io) }
    }

    /// Flow table: a word of the rule to write
    ///
    /// By its name of the value or of the mask: source address, destination address, or ports with the source's in the upper half.
    #[inline(always)]
    #[must_use]
    pub const fn flow_mask_ports(&self) -> peakrdl_rust::reg::Reg<'io, flow_mask_ports::FlowWord, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x3C).cast(), self.io) }
    }

    /// Flow table: kind and VLAN of the rule to write
    #[inline(always)]
    #[must_use]
    pub const fn flow_mask_kind(&self) -> peakrdl_rust::reg::Reg<'io, flow_mask_kind::FlowKinds, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x40).cast(), self.io) }
    }

    /// Flow table: actions
    ///
    /// What the rule does, and its place among the rules.
    #[inline(always)]
    #[must_use]
    pub const fn flow_actions(&self) -> peakrdl_rust::reg::Reg<'io, flow_actions::FlowActions, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x44).cast(), self.io) }
    }

    /// Flow table: mark
    #[inline(always)]
    #[must_use]
    pub const fn flow_mark(&self) -> peakrdl_rust::reg::Reg<'io, flow_mark::FlowMark, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x48).cast(), self.io) }
    }

    /// Flow table: commit
    ///
    /// A one written here has its effect, and a zero none. Of both at once the latch takes the counts of the rule that was. It cannot be read.
    #[inline(always)]
    #[must_use]
    pub const fn flow_commit(&self) -> peakrdl_rust::reg::Reg<'io, flow_commit::FlowCommit, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x4C).cast(), self.io) }
    }

    /// Flow table: generation
    #[inline(always)]
    #[must_use]
    pub const fn flow_generation(&self) -> peakrdl_rust::reg::Reg<'io, flow_generation::FlowGeneration, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x50).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn flow_hits_low(&self) -> peakrdl_rust::reg::Reg<'io, flow_hits_low::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x54).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn flow_hits_high(&self) -> peakrdl_rust::reg::Reg<'io, flow_hits_high::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x58).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn flow_bytes_low(&self) -> peakrdl_rust::reg::Reg<'io, flow_bytes_low::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x5C).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn flow_bytes_high(&self) -> peakrdl_rust::reg::Reg<'io, flow_bytes_high::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x60).cast(), self.io) }
    }

    /// Clock: period, fraction
    #[inline(always)]
    #[must_use]
    pub const fn clock_fraction(&self) -> peakrdl_rust::reg::Reg<'io, clock_fraction::ClockFraction, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x80).cast(), self.io) }
    }

    /// Clock: period
    #[inline(always)]
    #[must_use]
    pub const fn clock_ns(&self) -> peakrdl_rust::reg::Reg<'io, clock_ns::ClockNs, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x84).cast(), self.io) }
    }

    /// Clock: time to set, seconds, low word
    #[inline(always)]
    #[must_use]
    pub const fn set_seconds_low(&self) -> peakrdl_rust::reg::Reg<'io, set_seconds_low::SetSecondsLow, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x88).cast(), self.io) }
    }

    /// Clock: time to set, seconds, high word
    #[inline(always)]
    #[must_use]
    pub const fn set_seconds_high(&self) -> peakrdl_rust::reg::Reg<'io, set_seconds_high::SetSecondsHigh, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x8C).cast(), self.io) }
    }

    /// Clock: time to set, ns
    #[inline(always)]
    #[must_use]
    pub const fn set_ns(&self) -> peakrdl_rust::reg::Reg<'io, set_ns::SetNs, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x90).cast(), self.io) }
    }

    /// Clock: commit
    ///
    /// A one written here has its effect, and a zero none. Of a step and a latch at once the latch takes the time that was. It cannot be read.
    #[inline(always)]
    #[must_use]
    pub const fn clock_commit(&self) -> peakrdl_rust::reg::Reg<'io, clock_commit::ClockCommit, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x94).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_fraction(&self) -> peakrdl_rust::reg::Reg<'io, now_fraction::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x98).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_ns(&self) -> peakrdl_rust::reg::Reg<'io, now_ns::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x9C).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_seconds_low(&self) -> peakrdl_rust::reg::Reg<'io, now_seconds_low::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xA0).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_seconds_high(&self) -> peakrdl_rust::reg::Reg<'io, now_seconds_high::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xA4).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_count_low(&self) -> peakrdl_rust::reg::Reg<'io, now_count_low::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xA8).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn now_count_high(&self) -> peakrdl_rust::reg::Reg<'io, now_count_high::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xAC).cast(), self.io) }
    }

    /// A word as latched
    ///
    /// Low and high words are of one moment. Fractions of a ns are 2^-16 ns, in the lower half; the clock's count is of those too, and goes round every 2^48 ns (78 h).
    #[inline(always)]
    #[must_use]
    pub const fn clock_generation(&self) -> peakrdl_rust::reg::Reg<'io, clock_generation::Latched, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0xB0).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn delivered(&self) -> peakrdl_rust::reg::Reg<'io, delivered::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x100).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn drop_mac_error(&self) -> peakrdl_rust::reg::Reg<'io, drop_mac_error::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x104).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn drop_too_long(&self) -> peakrdl_rust::reg::Reg<'io, drop_too_long::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x108).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn drop_buffer_full(&self) -> peakrdl_rust::reg::Reg<'io, drop_buffer_full::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x10C).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn drop_not_ours(&self) -> peakrdl_rust::reg::Reg<'io, drop_not_ours::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x110).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn drop_flow_drop(&self) -> peakrdl_rust::reg::Reg<'io, drop_flow_drop::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x114).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn tx_finished(&self) -> peakrdl_rust::reg::Reg<'io, tx_finished::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x140).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn tx_passed(&self) -> peakrdl_rust::reg::Reg<'io, tx_passed::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x144).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn tx_drop_too_long(&self) -> peakrdl_rust::reg::Reg<'io, tx_drop_too_long::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x148).cast(), self.io) }
    }

    /// Frames under this name
    #[inline(always)]
    #[must_use]
    pub const fn tx_drop_lengths(&self) -> peakrdl_rust::reg::Reg<'io, tx_drop_lengths::FrameCounter, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x14C).cast(), self.io) }
    }

    /// Capture: what was dropped last
    #[inline(always)]
    #[must_use]
    pub const fn last_drop(&self) -> peakrdl_rust::reg::Reg<'io, last_drop::LastDrop, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x180).cast(), self.io) }
    }

    /// Capture: what was dropped last of frames to send
    ///
    /// Since 1.1.
    #[inline(always)]
    #[must_use]
    pub const fn tx_last_drop(&self) -> peakrdl_rust::reg::Reg<'io, tx_last_drop::TxLastDrop, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x184).cast(), self.io) }
    }

    /// Events
    ///
    /// What has happened since it was cleared: a one written to a bit clears it, a zero leaves it. What happens in the cycle of the write stays. Bit 31 is none in any version: all ones come where a bus has no answer. Since 1.2.
    #[inline(always)]
    #[must_use]
    pub const fn events(&self) -> peakrdl_rust::reg::Reg<'io, events::Events, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x188).cast(), self.io) }
    }

    /// Receive buffer: most held
    ///
    /// The most that it held at a time since this was read last; cleared by the read, from when on it is what is held. Since 1.2.
    #[inline(always)]
    #[must_use]
    pub const fn rx_peak(&self) -> peakrdl_rust::reg::Reg<'io, rx_peak::RxPeak, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x18C).cast(), self.io) }
    }

    /// Receive buffer: room
    ///
    /// What it holds: a frame that either has no room for is dropped. Since 1.2.
    #[inline(always)]
    #[must_use]
    pub const fn rx_buffer(&self) -> peakrdl_rust::reg::Reg<'io, rx_buffer::RxBuffer, IO> {
        unsafe { peakrdl_rust::reg::Reg::from_ptr_with(self.ptr.wrapping_byte_add(0x190).cast(), self.io) }
    }



}