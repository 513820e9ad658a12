//! Clocks the design: a wire that sends beats into it, a host that takes beats out of it, the same the other way round, and
//! a bus beside all of it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;

use fixwire_offload::nic::TxMeta;

use crate::bus::{Access, Bus, BusError, Fault};
use crate::driver::TimeOfDay;

use super::abi::{Design, Inputs, Outputs};
use super::chance::Chance;
use super::transmit::{Transmit, keep};
use super::{Asked, Received, Said, Stamp};

/// The bus's clock makes so many edges in so many of the stream's: neither a half nor a third.
const BUS_EDGES: u32 = 2;
const BUS_OF: u32 = 5;
/// Edges of the bus's clock that an access is waited for.
const SILENT: u32 = 1_000;
/// Bytes of addresses that the bus has.
const BUS_LEN: usize = 512;
/// Cycles of reset, enough for both domains.
const RESET: u32 = 16;
/// Cycles without a beat on a way out after which none will come: from a last beat in to a first one out it is 11 at most.
const QUIET: u32 = 32;

/// A width of the stream that is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Width {
    /// 64 bits: 10G at 156.25 MHz, 25G at 390.625 MHz.
    #[default]
    Bits64,
    /// 512 bits: 100G at 322.265625 MHz.
    Bits512,
}

impl Width {
    /// Every one.
    pub const ALL: [Width; 2] = [Width::Bits64, Width::Bits512];

    /// In bits.
    pub const fn bits(self) -> u32 {
        match self {
            Width::Bits64 => 64,
            Width::Bits512 => 512,
        }
    }

    /// In bytes.
    pub const fn bytes(self) -> usize {
        self.bits() as usize / 8
    }
}

/// How the two ends of a stream behave: in so many cycles of 256 there is no beat, or none is taken. Zero of both is a
/// frame's beats in a row, and the next frame's behind them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Manners {
    /// Cycles of 256 in which whoever sends has no beat.
    pub gaps: u8,
    /// Cycles of 256 in which whoever receives takes none.
    pub stalls: u8,
}

/// What to build.
#[derive(Clone, Copy, Debug, Default)]
pub struct Built<'a> {
    /// The stream's width.
    pub width: Width,
    /// Draws all state before the reset (by its lower 31 bits), what is in lanes that are not kept, gaps and stalls. Every one is
    /// a seed, 0 as well: the same again is the same design.
    pub seed: u32,
    /// Where to write waves, in FST, from the first cycle to the last. Some 100 bytes a cycle.
    pub waves: Option<&'a Path>,
}

/// Why there is no design to run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the design at {bits} bits was not built, or the waves' file has a name that no file has")]
pub struct NotBuilt {
    bits: u32,
}

/// A frame on its way in.
#[derive(Debug)]
struct Sent {
    bytes: Vec<u8>,
    /// The MAC calls it damaged.
    is_damaged: bool,
}

/// The design, and what is at its three sides.
#[derive(Debug)]
pub struct Simulation {
    design: Design,
    width: Width,
    inputs: Inputs,
    manners: Manners,
    chance: Chance,
    bus_phase: u32,
    cycles: u64,
    /// Frames to send; of the first so many bytes are in.
    sending: VecDeque<Sent>,
    sent_bytes: usize,
    /// In which cycle each frame had its first beat, since this was asked.
    begun: Vec<u64>,
    /// Of a frame on its way out, what has come.
    coming: Vec<u8>,
    received: VecDeque<Received>,
    transmit: Transmit,
    cycles_quiet: u32,
}

/// What the bus says at an edge of its clock.
struct BusSays {
    awready: bool,
    wready: bool,
    bresp: Option<u8>,
    arready: bool,
    read: Option<(u8, u32)>,
}

impl Simulation {
    /// A design out of its reset.
    ///
    /// # Errors
    /// There is none of that width.
    pub fn new(built: Built<'_>) -> Result<Simulation, NotBuilt> {
        let bits = built.width.bits();
        let design = Design::new(bits, built.seed, built.waves).ok_or(NotBuilt { bits })?;
        let mut simulation = Simulation {
            design,
            width: built.width,
            inputs: Inputs { m_tready: true, bready: true, rready: true, ..Inputs::LOW },
            manners: Manners::default(),
            chance: Chance::new(built.seed),
            bus_phase: 0,
            cycles: 0,
            sending: VecDeque::new(),
            sent_bytes: 0,
            begun: Vec::new(),
            coming: Vec::new(),
            received: VecDeque::new(),
            transmit: Transmit::default(),
            cycles_quiet: 0,
        };
        simulation.reset();
        Ok(simulation)
    }

    /// The stream's width.
    pub fn width(&self) -> Width {
        self.width
    }

    /// Cycles of the stream's clock so far.
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// How wire and host behave from now on, of frames that are received.
    pub fn behave(&mut self, manners: Manners) {
        self.manners = manners;
    }

    /// How host and wire behave from now on, of frames to send.
    pub fn behave_in_transmit(&mut self, manners: Manners) {
        self.transmit.manners = manners;
    }

    /// Resets both domains, in the midst of whatever goes on: a frame that is half in is cut, what was not handed over
    /// whole is lost, registers are as they were at first. Frames that wire or host have not begun come after it.
    pub fn reset(&mut self) {
        if self.sent_bytes > 0 {
            self.sending.pop_front();
            self.sent_bytes = 0;
        }
        self.coming.clear();
        self.transmit.reset();
        (self.inputs.rst, self.inputs.axil_rst) = (true, true);
        for _ in 0..RESET {
            self.tick();
        }
        (self.inputs.rst, self.inputs.axil_rst) = (false, false);
        for _ in 0..RESET {
            self.tick();
        }
    }

    /// Holds both domains in reset, or lets go of them, as a board does whose clocks are not up.
    pub fn hold_in_reset(&mut self, holds: bool) {
        (self.inputs.rst, self.inputs.axil_rst) = (holds, holds);
    }

    /// Likewise the stream's alone, between frames: the bus answers, and what it is asked for is refused.
    pub fn hold_stream_in_reset(&mut self, holds: bool) {
        self.inputs.rst = holds;
    }

    /// Has the wire send a frame, behind those that it has. An empty one is none.
    pub fn send(&mut self, bytes: &[u8]) {
        self.send_as(bytes, false);
    }

    /// Likewise one that the MAC finds damaged.
    pub fn send_damaged(&mut self, bytes: &[u8]) {
        self.send_as(bytes, true);
    }

    fn send_as(&mut self, bytes: &[u8], is_damaged: bool) {
        if !bytes.is_empty() {
            self.sending.push_back(Sent { bytes: bytes.to_vec(), is_damaged });
        }
    }

    /// Has the host send a frame, behind those that it has, and ask that for it. An empty one is none.
    pub fn transmit(&mut self, bytes: &[u8], meta: TxMeta) {
        self.transmit.push(bytes, Asked::from(meta));
    }

    /// The next frame that came out to the wire.
    pub fn next_transmitted(&mut self) -> Option<Vec<u8>> {
        self.transmit.next_sent()
    }

    /// Takes back the frames that wire and host have not begun.
    pub fn withdraw(&mut self) {
        self.sending.truncate(usize::from(self.is_in_frame()));
        self.transmit.withdraw();
    }

    /// Frames that the wire has not sent whole.
    pub fn frames_to_send(&self) -> usize {
        self.sending.len()
    }

    /// Frames that the host has not handed over whole.
    pub fn frames_to_transmit(&self) -> usize {
        self.transmit.waiting()
    }

    /// Whether a frame from the wire is in in part.
    pub fn is_in_frame(&self) -> bool {
        self.sent_bytes > 0
    }

    /// Whether one from the host is.
    pub fn is_in_frame_to_transmit(&self) -> bool {
        self.transmit.is_in_frame()
    }

    /// In which cycle each frame that has come since this was asked had its first beat: one by one, dropped or not.
    pub fn take_begun(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.begun)
    }

    /// The next frame that was handed over.
    pub fn next_received(&mut self) -> Option<Received> {
        self.received.pop_front()
    }

    /// Goes on by so many cycles.
    pub fn run(&mut self, cycles: u32) {
        for _ in 0..cycles {
            self.tick();
        }
    }

    /// Goes on until all frames are in, and nothing more comes out.
    pub fn run_until_quiet(&mut self) {
        self.cycles_quiet = 0;
        while !self.sending.is_empty() || self.transmit.waiting() > 0 || self.cycles_quiet < QUIET {
            self.tick();
        }
    }

    /// One cycle. What the bus says, if its clock has an edge.
    fn tick(&mut self) -> Option<BusSays> {
        let (is_reset, lanes) = (self.inputs.rst, self.width.bytes());
        let in_beat = self.lay_beat(is_reset);
        self.inputs.m_tready = !self.chance.happens(self.manners.stalls);
        let tx_in_beat =
            self.transmit.lay_beat(&mut self.inputs, lanes, is_reset, &mut self.chance);
        self.bus_phase += BUS_EDGES;
        let bus_edge = self.bus_phase >= BUS_OF;
        if bus_edge {
            self.bus_phase -= BUS_OF;
        }
        self.cycles += 1;
        let takes = self.inputs.m_tready && !is_reset;
        let outputs = self.design.step(&self.inputs, bus_edge);
        let says = bus_edge.then(|| BusSays {
            awready: outputs.awready != 0,
            wready: outputs.wready != 0,
            bresp: (outputs.bvalid != 0).then_some(outputs.bresp),
            arready: outputs.arready != 0,
            read: (outputs.rvalid != 0).then_some((outputs.rresp, outputs.rdata)),
        });
        let is_in = outputs.tready != 0 && !is_reset;
        self.cycles_quiet += 1;
        let wire_takes = self.inputs.m_tx_tready;
        if !is_reset && self.transmit.takes(outputs, lanes, tx_in_beat, wire_takes) {
            self.cycles_quiet = 0;
        }
        if outputs.m_tvalid != 0 && !is_reset {
            self.cycles_quiet = 0;
            if takes {
                take_beat(outputs, self.width, &mut self.coming, &mut self.received);
            }
        }
        if in_beat > 0 && is_in {
            self.cycles_quiet = 0;
            if self.sent_bytes == 0 {
                self.begun.push(self.cycles);
            }
            self.sent_bytes += in_beat;
            if self.sending.front().is_some_and(|sent| sent.bytes.len() == self.sent_bytes) {
                self.sending.pop_front();
                self.sent_bytes = 0;
            }
        }
        says
    }

    /// Lays the wire's next beat onto the pins, and says how many bytes it has: none in a gap.
    fn lay_beat(&mut self, is_reset: bool) -> usize {
        let is_gap = is_reset || self.chance.happens(self.manners.gaps);
        let lanes = self.width.bytes();
        // What is not kept may be anything.
        self.chance.fill(&mut self.inputs.tdata[..lanes]);
        let (mut len, mut is_last, mut is_damaged) = (0, false, false);
        if let Some(sent) = self.sending.front().filter(|_| !is_gap) {
            let rest = &sent.bytes[self.sent_bytes..];
            len = rest.len().min(lanes);
            self.inputs.tdata[..len].copy_from_slice(&rest[..len]);
            is_last = len == rest.len();
            is_damaged = is_last && sent.is_damaged;
        }
        self.inputs.tvalid = len > 0;
        self.inputs.tkeep = keep(len);
        self.inputs.tlast = is_last;
        self.inputs.tuser = is_damaged;
        len
    }

    fn read(&mut self, at: u16) -> Result<u32, BusError> {
        let error = |fault| BusError { at, access: Access::Read, fault };
        check_address(at).map_err(error)?;
        (self.inputs.araddr, self.inputs.arvalid) = (at, true);
        for _ in 0..SILENT {
            let says = self.bus_edge();
            self.inputs.arvalid &= !says.arready;
            match says.read {
                Some((0, word)) => return Ok(word),
                Some((response, _)) => return Err(error(Fault::Refused { response })),
                None => {}
            }
        }
        self.inputs.arvalid = false;
        Err(error(Fault::Silent { cycles: SILENT }))
    }

    fn write(&mut self, at: u16, word: u32) -> Result<(), BusError> {
        let error = |fault| BusError { at, access: Access::Write, fault };
        check_address(at).map_err(error)?;
        (self.inputs.awaddr, self.inputs.awvalid) = (at, true);
        (self.inputs.wdata, self.inputs.wvalid) = (word, true);
        for _ in 0..SILENT {
            let says = self.bus_edge();
            self.inputs.awvalid &= !says.awready;
            self.inputs.wvalid &= !says.wready;
            match says.bresp {
                Some(0) => return Ok(()),
                Some(response) => return Err(error(Fault::Refused { response })),
                None => {}
            }
        }
        (self.inputs.awvalid, self.inputs.wvalid) = (false, false);
        Err(error(Fault::Silent { cycles: SILENT }))
    }

    /// On to the next edge of the bus's clock. Frames go on meanwhile.
    fn bus_edge(&mut self) -> BusSays {
        loop {
            if let Some(says) = self.tick() {
                return says;
            }
        }
    }
}

/// Takes a beat into the frame that comes, and the frame to the others with its last.
fn take_beat(
    beat: &Outputs,
    width: Width,
    coming: &mut Vec<u8>,
    received: &mut VecDeque<Received>,
) {
    let kept = beat.tkeep.trailing_ones() as usize;
    coming.extend_from_slice(&beat.tdata[..kept.min(width.bytes())]);
    if beat.m_tlast == 0 {
        return;
    }
    let said = Said::from_bits(beat.said);
    let time = TimeOfDay { seconds: beat.stamp_seconds, ns: beat.stamp_ns };
    received.push_back(Received {
        bytes: core::mem::take(coming),
        said,
        mark: said.marked().then_some(beat.mark),
        stamp: Stamp {
            time,
            fraction: beat.stamp_fraction,
            count: beat.stamp_count,
            generation: beat.stamp_generation,
        },
    });
}

fn check_address(at: u16) -> Result<(), Fault> {
    let is_there = at.is_multiple_of(4) && usize::from(at) < BUS_LEN;
    if is_there { Ok(()) } else { Err(Fault::Outside { len: BUS_LEN }) }
}

/// Registers, while frames go on.
impl Bus for RefCell<Simulation> {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        self.borrow_mut().read(at)
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        self.borrow_mut().write(at, word)
    }
}
