//! What the registers do, without RTL: a model by their addresses, written from `regs/offload.rdl` by hand, so that it
//! is a witness beside what is generated.
//!
//! Like the device it goes on between two accesses: its clock runs and its rules match, by much at a time, so that
//! whoever reads two words of a number without latching them finds them of two moments. A one that is written to a
//! commit has its effect and reads as nothing: commits cannot be read at all. A one that is written to an event clears it,
//! and the buffer's peak is cleared by its read. Bits that no field has are dropped.

use std::cell::{Cell, RefCell};

use crate::bus::{Access, Bus, BusError, Fault};

/// AXI4's SLVERR.
const SLVERR: u8 = 2;
/// Bytes of the map.
const LEN: u16 = 0x194;

/// What each access takes of the clock's time, in 2^-16 ns: a third of a second, and a bit, so that every word
/// changes.
const STEP: u64 = (333_333_333 << 16) + 12_345;
/// What each counting rule matches meanwhile: frames, and bytes that carry into the upper word every second time.
const HITS: u64 = 3;
const BYTES: u64 = 0x8000_0001;
/// Both are counted in 48 bits, and go round.
const COUNT_MASK: u64 = (1 << 48) - 1;

/// Bits of the events.
const WAS_RESET: u32 = 1;
const RX_DROP: u32 = 1 << 1;
const RX_OVERFLOW: u32 = 1 << 2;
const TX_DROP: u32 = 1 << 3;
const FLOW_REFUSED: u32 = 1 << 4;
const STEP_REFUSED: u32 = 1 << 5;
/// Where received frames that found no room count.
const BUFFER_FULL: usize = 3;
/// What the receive buffer has room for: 256 frames and 32 KiB.
const ROOM: u32 = 256 << 16 | 32_768;

/// A rule as it was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FakeRule {
    /// Values and masks, words from the source address to the kind.
    pub value: [u32; 4],
    /// Likewise.
    pub mask: [u32; 4],
    /// As the register has them.
    pub actions: u32,
    /// What it marks with.
    pub mark: u32,
    hits: u64,
    bytes: u64,
}

#[derive(Debug)]
struct State {
    /// What can be written, as it was; by address.
    written: [u32; LEN as usize / 4],
    rules: [FakeRule; 16],
    writes: u32,
    latched_count: (u64, u64),
    period: (u32, u32),
    /// Seconds, and 2^-16 ns.
    time: (u64, u64),
    count: u64,
    generation: u16,
    latched_time: [u32; 7],
    frames: [u32; 6],
    last_drop: u32,
    tx_frames: [u32; 4],
    tx_last_drop: u32,
    events: u32,
    /// Bytes and frames in the receive buffer, and the most of each.
    held: [u16; 2],
    held_most: [u16; 2],
}

/// Registers that are modelled.
#[derive(Debug)]
pub struct Fake {
    state: RefCell<State>,
    /// The first four registers.
    says: Cell<[u32; 4]>,
    accesses: Cell<u32>,
    fails: Cell<Option<(u32, Fault)>>,
    fails_once: Cell<Option<(u32, Fault)>>,
    loses_commits: Cell<bool>,
    drops_later: Cell<Option<(u32, usize)>>,
    resets_later: Cell<Option<u32>>,
    resets_always: Cell<bool>,
}

impl Default for Fake {
    /// After a reset: version 1.2, 64 bits, 16 rules and 16 queues, and what the RTL can do.
    fn default() -> Fake {
        Fake {
            state: RefCell::new(State::after_reset()),
            says: Cell::new([0x4649_5857, 1 << 16 | 2, 0b1111_1111_1111, 0x0010_1008]),
            accesses: Cell::new(0),
            fails: Cell::new(None),
            fails_once: Cell::new(None),
            loses_commits: Cell::new(false),
            drops_later: Cell::new(None),
            resets_later: Cell::new(None),
            resets_always: Cell::new(false),
        }
    }
}

impl Fake {
    /// Has a word of what it is read as this: identity, version, capabilities, shape.
    pub fn says(&self, word: usize, value: u32) {
        let mut says = self.says.get();
        says[word] = value;
        self.says.set(says);
    }

    /// Has the access after so many others fail, and all that follow.
    pub fn fails_after(&self, accesses: u32, fault: Fault) {
        self.fails.set(Some((self.accesses.get() + accesses, fault)));
    }

    /// Has the access after so many others fail, and none that follows.
    pub fn fails_once_after(&self, accesses: u32, fault: Fault) {
        self.fails_once.set(Some((self.accesses.get() + accesses, fault)));
    }

    /// Has it answer again.
    pub fn recovers(&self) {
        self.fails.set(None);
    }

    /// Whether it loses commits of rules.
    pub fn loses_commits(&self, does: bool) {
        self.loses_commits.set(does);
    }

    /// Resets it, under whoever drives it.
    pub fn resets(&self) {
        self.state.replace(State::after_reset());
    }

    /// Likewise right before the access after so many others.
    pub fn resets_before(&self, accesses: u32) {
        self.resets_later.set(Some(self.accesses.get() + accesses));
    }

    /// Whether it is reset right before each access.
    pub fn resets_always(&self, is: bool) {
        self.resets_always.set(is);
    }

    /// Has it go on by as much as so many accesses take.
    pub fn waits(&self, accesses: u32) {
        let state = &mut *self.state.borrow_mut();
        (0..accesses).for_each(|_| state.goes_on());
    }

    /// Counts received frames under one of the six names, and what was dropped last.
    pub fn counts(&self, name: usize, frames: u32) {
        self.state.borrow_mut().counts(name, frames);
    }

    /// Has a received frame be dropped, under a name that is not the first, right before the access after so many others.
    pub fn drops_before(&self, accesses: u32, name: usize) {
        self.drops_later.set(Some((self.accesses.get() + accesses, name)));
    }

    /// Has so many bytes and frames be in the receive buffer from now on.
    pub fn holds(&self, bytes: u16, frames: u16) {
        self.state.borrow_mut().holds([bytes, frames]);
    }

    /// Likewise frames to send, under one of the four.
    pub fn counts_sent(&self, name: usize, frames: u32) {
        let state = &mut *self.state.borrow_mut();
        state.tx_frames[name] = state.tx_frames[name].wrapping_add(frames);
        if let Some(code) = [None, None, Some(2), Some(6)][name] {
            state.tx_last_drop = code;
            state.events |= TX_DROP;
        }
    }

    /// The rule at a place.
    pub fn rule(&self, place: usize) -> FakeRule {
        self.state.borrow().rules[place]
    }

    /// What stands in a register that can be written.
    pub fn written(&self, at: u16) -> u32 {
        self.state.borrow().written[usize::from(at / 4)]
    }

    /// One access more; its fault, if it is to have one.
    fn passes(&self, at: u16, access: Access) -> Result<(), BusError> {
        let number = self.accesses.replace(self.accesses.get() + 1);
        self.state.borrow_mut().goes_on();
        if self.resets_always.get() || self.resets_later.get() == Some(number) {
            self.resets();
        }
        if let Some((before, name)) = self.drops_later.get()
            && number == before
        {
            self.state.borrow_mut().counts(name, 1);
        }
        if let Some((after, fault)) = self.fails.get()
            && number >= after
        {
            return Err(BusError { at, access, fault });
        }
        if let Some((after, fault)) = self.fails_once.get()
            && number == after
        {
            return Err(BusError { at, access, fault });
        }
        if !at.is_multiple_of(4) || at >= LEN {
            return Err(refused(at, access));
        }
        Ok(())
    }
}

fn refused(at: u16, access: Access) -> BusError {
    BusError { at, access, fault: Fault::Refused { response: SLVERR } }
}

/// Bits of the registers that can be written and read.
const fn bits_of(at: u16) -> Option<u32> {
    match at {
        0x010 => Some(0x000f_010f),
        0x014 | 0x08c => Some(0xffff),
        0x020 => Some(0xff),
        0x024..=0x02c | 0x034..=0x03c | 0x048 | 0x080 | 0x088 => Some(u32::MAX),
        0x030 | 0x040 => Some(0x7fff),
        0x044 => Some(0xfff),
        0x084 => Some(0xff),
        0x090 => Some(0x3fff_ffff),
        _ => None,
    }
}

impl State {
    fn after_reset() -> State {
        State {
            written: [0; LEN as usize / 4],
            rules: [FakeRule::default(); 16],
            writes: 0,
            latched_count: (0, 0),
            period: (0, 0),
            time: (0, 0),
            count: 0,
            generation: 0,
            latched_time: [0; 7],
            frames: [0; 6],
            last_drop: 0,
            tx_frames: [0; 4],
            tx_last_drop: 0,
            events: WAS_RESET,
            held: [0; 2],
            held_most: [0; 2],
        }
    }

    fn counts(&mut self, name: usize, frames: u32) {
        self.frames[name] = self.frames[name].wrapping_add(frames);
        if name > 0 {
            self.last_drop = name as u32;
            self.events |= RX_DROP;
        }
        if name == BUFFER_FULL {
            self.events |= RX_OVERFLOW;
        }
    }

    fn holds(&mut self, held: [u16; 2]) {
        self.held = held;
        for (most, now) in self.held_most.iter_mut().zip(held) {
            *most = now.max(*most);
        }
    }

    /// The most that was held; from now on it is what is held.
    fn takes_peak(&mut self) -> u32 {
        let [bytes, frames] = std::mem::replace(&mut self.held_most, self.held).map(u32::from);
        frames << 16 | bytes
    }

    fn goes_on(&mut self) {
        for rule in self.rules.iter_mut().filter(|rule| rule.actions & 0b1001 == 0b1001) {
            rule.hits = (rule.hits + HITS) & COUNT_MASK;
            rule.bytes = (rule.bytes + BYTES) & COUNT_MASK;
        }
        if self.period != (0, 0) {
            self.count = self.count.wrapping_add(STEP);
            self.time.1 += STEP;
            while self.time.1 >= 1_000_000_000 << 16 {
                self.time = (self.time.0 + 1, self.time.1 - (1_000_000_000 << 16));
            }
        }
    }

    fn word(&self, at: u16) -> u32 {
        self.written[usize::from(at / 4)]
    }

    fn commits_flow(&mut self, word: u32, loses: bool) {
        let place = self.word(0x020) as usize;
        if place >= self.rules.len() {
            self.events |= if word & 3 == 0 { 0 } else { FLOW_REFUSED };
            return;
        }
        // Before a write of the same word, as the RTL has both in one cycle.
        if word & 2 != 0 {
            self.latched_count = (self.rules[place].hits, self.rules[place].bytes);
        }
        if word & 1 != 0 && !loses {
            let four = |from: u16| [0, 4, 8, 12].map(|offset| self.word(from + offset));
            let (value, mask) = (four(0x024), four(0x034));
            let (actions, mark) = (self.word(0x044), self.word(0x048));
            self.rules[place] = FakeRule { value, mask, actions, mark, hits: 0, bytes: 0 };
            self.writes = self.writes.wrapping_add(1);
        }
    }

    fn commits_clock(&mut self, word: u32) {
        // Likewise before a step.
        if word & 4 != 0 {
            let (seconds, units) = self.time;
            self.latched_time = [
                units as u32 & 0xffff,
                (units >> 16) as u32,
                seconds as u32,
                (seconds >> 32) as u32,
                self.count as u32,
                (self.count >> 32) as u32,
                self.generation.into(),
            ];
        }
        if word & 1 != 0 {
            self.period = (self.word(0x084), self.word(0x080));
        }
        let names_time = self.word(0x090) < 1_000_000_000;
        if word & 2 != 0 && !names_time {
            self.events |= STEP_REFUSED;
        }
        if word & 2 != 0 && names_time {
            let seconds = u64::from(self.word(0x08c)) << 32 | u64::from(self.word(0x088));
            self.time = (seconds, u64::from(self.word(0x090)) << 16);
            self.generation = self.generation.wrapping_add(1);
        }
    }
}

impl Bus for Fake {
    fn read32(&self, at: u16) -> Result<u32, BusError> {
        self.passes(at, Access::Read)?;
        let state = &mut *self.state.borrow_mut();
        Ok(match at {
            0x000..=0x00c => self.says.get()[usize::from(at / 4)],
            0x050 => state.writes,
            0x054 => state.latched_count.0 as u32,
            0x058 => (state.latched_count.0 >> 32) as u32,
            0x05c => state.latched_count.1 as u32,
            0x060 => (state.latched_count.1 >> 32) as u32,
            0x098..=0x0b0 => state.latched_time[usize::from((at - 0x098) / 4)],
            0x100..=0x114 => state.frames[usize::from((at - 0x100) / 4)],
            0x140..=0x14c => state.tx_frames[usize::from((at - 0x140) / 4)],
            0x180 => state.last_drop,
            0x184 => state.tx_last_drop,
            0x188 => state.events,
            0x18c => state.takes_peak(),
            0x190 => ROOM,
            _ if bits_of(at).is_some() => state.word(at),
            _ => return Err(refused(at, Access::Read)),
        })
    }

    fn write32(&self, at: u16, word: u32) -> Result<(), BusError> {
        self.passes(at, Access::Write)?;
        let state = &mut *self.state.borrow_mut();
        match (at, bits_of(at)) {
            (0x04c, _) => state.commits_flow(word, self.loses_commits.get()),
            (0x094, _) => state.commits_clock(word),
            (0x188, _) => state.events &= !word,
            (_, Some(bits)) => state.written[usize::from(at / 4)] = word & bits,
            _ => return Err(refused(at, Access::Write)),
        }
        Ok(())
    }
}
