//! What a steering rule leaves in a completion entry.

/// The 24 bits that a rule's tag action left, as the device holds them: 0 where no rule did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTag(u32);

/// What DPDK's FLAG action leaves: a frame that is flagged and has no mark (`MLX5_FLOW_MARK_DEFAULT`).
const FLAGGED: u32 = 0x00ff_ffff;
/// The largest mark that DPDK takes (`MLX5_FLOW_MARK_MAX`).
const DPDK_MARK_MAX: u32 = 0x00ff_ffef;

impl FlowTag {
    /// No rule left anything.
    pub const NONE: FlowTag = FlowTag(0);

    /// The tag of this number, of which 24 bits count.
    pub const fn from_bits(bits: u32) -> FlowTag {
        FlowTag(bits & 0x00ff_ffff)
    }

    /// Its number.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The tag that DPDK has a rule with this mark leave, or `None` for a mark that it refuses.
    pub const fn of_dpdk_mark(mark: u32) -> Option<FlowTag> {
        if mark > DPDK_MARK_MAX { None } else { Some(FlowTag(in_dpdk_order(mark + 1))) }
    }

    /// The mark that DPDK had a rule leave, if one did: it stores the mark plus one, so that 0 is none, and
    /// on a little-endian host with its bytes reversed (`mlx5_flow_mark_set`).
    pub const fn dpdk_mark(self) -> Option<u32> {
        match in_dpdk_order(self.0) {
            FLAGGED => None,
            stored => stored.checked_sub(1),
        }
    }
}

/// From the device's order of a tag's three bytes to that of DPDK on this host, and back.
const fn in_dpdk_order(bits: u32) -> u32 {
    if cfg!(target_endian = "little") { bits.swap_bytes() >> 8 } else { bits }
}
