//! The Verilated design behind its C ABI, `sim/design.h`: one cycle at a time.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_void};
use core::fmt;
use core::ptr::{self, NonNull};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The widest stream, in bytes.
pub(super) const LANES_MAX: usize = 64;

/// What the pins are given before a cycle. Lanes past the design's width are not looked at. What begins with `tx` is of
/// frames to send.
#[repr(C)]
#[derive(Clone, Debug)]
pub(super) struct Inputs {
    pub(super) tdata: [u8; LANES_MAX],
    pub(super) tx_tdata: [u8; LANES_MAX],
    pub(super) tkeep: u64,
    pub(super) tx_tkeep: u64,
    pub(super) wdata: u32,
    pub(super) tx_tuser: u32,
    pub(super) awaddr: u16,
    pub(super) araddr: u16,
    pub(super) rst: bool,
    pub(super) tvalid: bool,
    pub(super) tlast: bool,
    pub(super) tuser: bool,
    pub(super) m_tready: bool,
    pub(super) tx_tvalid: bool,
    pub(super) tx_tlast: bool,
    pub(super) m_tx_tready: bool,
    pub(super) axil_rst: bool,
    pub(super) awvalid: bool,
    pub(super) wvalid: bool,
    pub(super) bready: bool,
    pub(super) arvalid: bool,
    pub(super) rready: bool,
}

/// What they say when it ends, before its edge. What stands beside a beat is of now where its `tvalid`
/// is high, and old else.
#[repr(C)]
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    pub(super) tdata: [u8; LANES_MAX],
    pub(super) tx_tdata: [u8; LANES_MAX],
    pub(super) tkeep: u64,
    pub(super) tx_tkeep: u64,
    pub(super) said: u64,
    pub(super) stamp_seconds: u64,
    pub(super) stamp_count: u64,
    pub(super) stamp_ns: u32,
    pub(super) mark: u32,
    pub(super) rdata: u32,
    pub(super) stamp_fraction: u16,
    pub(super) stamp_generation: u16,
    pub(super) tready: u8,
    pub(super) m_tvalid: u8,
    pub(super) m_tlast: u8,
    pub(super) tx_tready: u8,
    pub(super) m_tx_tvalid: u8,
    pub(super) m_tx_tlast: u8,
    pub(super) awready: u8,
    pub(super) wready: u8,
    pub(super) bvalid: u8,
    pub(super) bresp: u8,
    pub(super) arready: u8,
    pub(super) rvalid: u8,
    pub(super) rresp: u8,
}

// `sim/design.cpp` asserts the same.
const _: () = assert!(size_of::<Inputs>() == 176 && size_of::<Outputs>() == 200);

impl Inputs {
    /// Everything low.
    pub(super) const LOW: Inputs = Inputs {
        tdata: [0; LANES_MAX],
        tx_tdata: [0; LANES_MAX],
        tkeep: 0,
        tx_tkeep: 0,
        wdata: 0,
        tx_tuser: 0,
        awaddr: 0,
        araddr: 0,
        rst: false,
        tvalid: false,
        tlast: false,
        tuser: false,
        m_tready: false,
        tx_tvalid: false,
        tx_tlast: false,
        m_tx_tready: false,
        axil_rst: false,
        awvalid: false,
        wvalid: false,
        bready: false,
        arvalid: false,
        rready: false,
    };
}

impl Outputs {
    const LOW: Outputs = Outputs {
        tdata: [0; LANES_MAX],
        tx_tdata: [0; LANES_MAX],
        tkeep: 0,
        tx_tkeep: 0,
        said: 0,
        stamp_seconds: 0,
        stamp_count: 0,
        stamp_ns: 0,
        mark: 0,
        rdata: 0,
        stamp_fraction: 0,
        stamp_generation: 0,
        tready: 0,
        m_tvalid: 0,
        m_tlast: 0,
        tx_tready: 0,
        m_tx_tvalid: 0,
        m_tx_tlast: 0,
        awready: 0,
        wready: 0,
        bvalid: 0,
        bresp: 0,
        arready: 0,
        rvalid: 0,
        rresp: 0,
    };
}

unsafe extern "C" {
    fn fixwire_rtl_new(width: u32, seed: u32, fst: *const c_char) -> *mut c_void;
    fn fixwire_rtl_step(
        design: *mut c_void,
        inputs: *const Inputs,
        outputs: *mut Outputs,
        edges: u32,
    );
    fn fixwire_rtl_free(design: *mut c_void);
}

/// One design. It is C++ with a heap of its own and no thread's: it goes where its owner goes.
pub(super) struct Design {
    raw: NonNull<c_void>,
    outputs: Outputs,
}

impl Design {
    /// The design at `width` bits, what its state is before a reset drawn by `seed`, waves to a file if one is named.
    /// `None` where that width was not built, or the file's name has a zero in it.
    pub(super) fn new(width: u32, seed: u32, waves: Option<&Path>) -> Option<Design> {
        let name = waves.map(|path| CString::new(path.as_os_str().as_bytes())).transpose().ok()?;
        let name = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: `name` is null or ends with a zero, and outlives the call, which keeps nothing of it.
        let raw = unsafe { fixwire_rtl_new(width, seed, name) };
        Some(Design { raw: NonNull::new(raw)?, outputs: Outputs::LOW })
    }

    /// One cycle, which ends with an edge of the stream's clock, and of the bus's if it has one now.
    pub(super) fn step(&mut self, inputs: &Inputs, bus_edge: bool) -> &Outputs {
        let edges = if bus_edge { 3 } else { 1 };
        // SAFETY: `raw` is what `fixwire_rtl_new` gave and nobody has freed. Both structures are #[repr(C)] and the
        // header's, field by field; C++ reads one and writes numbers alone to the other, and keeps neither.
        unsafe { fixwire_rtl_step(self.raw.as_ptr(), inputs, &mut self.outputs, edges) };
        &self.outputs
    }
}

impl Drop for Design {
    fn drop(&mut self) {
        // SAFETY: it is what `fixwire_rtl_new` gave, freed once, and not used after.
        unsafe { fixwire_rtl_free(self.raw.as_ptr()) };
    }
}

impl fmt::Debug for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Design")
    }
}
