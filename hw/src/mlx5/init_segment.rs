//! The initialization segment: the front of BAR 0, where firmware, health and clocks are read without a
//! queue or a command.

use std::fmt;
use std::fs::{self, File};
use std::mem::{align_of, offset_of};
use std::path::Path;

use fixwire_offload::clock::scale::ns_of_split;
use volatile_register::RO;

use super::map_error::{MapError, on_map, on_open, on_vendor};
use super::received::TIMESTAMP_BITS;
use crate::sys::{self, MappedRegisters};

/// The revision of the command interface whose segment this is.
const CMD_INTERFACE_REV: u16 = 5;
/// Where the kernel lists what is on the bus.
pub(crate) const PCI_DEVICES: &str = "/sys/bus/pci/devices";
const MELLANOX: &str = "0x15b3";

/// How often the lower of a clock's words is read before the clock is given up: its upper one moves every
/// few seconds, and an answer that took that long three times over is none.
const READS_MAX: usize = 3;

/// The segment's registers, big-endian, and never written: what a write to some of them does is the kernel
/// driver's business. Cells all of it, the reserved words too, since the device changes what it likes.
#[repr(C)]
pub(crate) struct Registers {
    fw_rev: RO<u32>,
    cmdif_rev_fw_sub: RO<u32>,
    reserved_008: [RO<u32>; 2],
    cmdq_addr_h: RO<u32>,
    cmdq_addr_l_sz: RO<u32>,
    cmd_dbell: RO<u32>,
    reserved_01c: [RO<u32>; 120],
    initializing: RO<u32>,
    health: [RO<u32>; 16],
    reserved_240: [RO<u32>; 880],
    internal_timer_h: RO<u32>,
    internal_timer_l: RO<u32>,
    reserved_1008: [RO<u32>; 2],
    health_counter: RO<u32>,
    reserved_1014: [RO<u32>; 11],
    real_time_h: RO<u32>,
    real_time_l: RO<u32>,
}

const _: () = {
    assert!(align_of::<Registers>() == 4);
    assert!(offset_of!(Registers, fw_rev) == 0x000);
    assert!(offset_of!(Registers, cmdif_rev_fw_sub) == 0x004);
    assert!(offset_of!(Registers, reserved_008) == 0x008);
    assert!(offset_of!(Registers, cmdq_addr_h) == 0x010);
    assert!(offset_of!(Registers, cmdq_addr_l_sz) == 0x014);
    assert!(offset_of!(Registers, cmd_dbell) == 0x018);
    assert!(offset_of!(Registers, reserved_01c) == 0x01c);
    assert!(offset_of!(Registers, initializing) == 0x1fc);
    assert!(offset_of!(Registers, health) == 0x200);
    assert!(offset_of!(Registers, reserved_240) == 0x240);
    assert!(offset_of!(Registers, internal_timer_h) == 0x1000);
    assert!(offset_of!(Registers, internal_timer_l) == 0x1004);
    assert!(offset_of!(Registers, reserved_1008) == 0x1008);
    assert!(offset_of!(Registers, health_counter) == 0x1010);
    assert!(offset_of!(Registers, reserved_1014) == 0x1014);
    assert!(offset_of!(Registers, real_time_h) == 0x1040);
    assert!(offset_of!(Registers, real_time_l) == 0x1044);
};

/// The firmware's version: `16.35.2000` is a ConnectX-5's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirmwareRevision {
    /// Of which chip it is: 16 is ConnectX-5.
    pub major: u16,
    /// The release.
    pub minor: u16,
    /// Its patch level.
    pub subminor: u16,
}

impl fmt::Display for FirmwareRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FirmwareRevision { major, minor, subminor } = self;
        write!(f, "{major}.{minor}.{subminor:04}")
    }
}

/// A device's initialization segment, mapped to be read.
///
/// Each reading crosses the bus and comes back, about a microsecond: nothing for the packet's path. A device
/// that is gone answers with all ones; one that the kernel has taken away ends the process (SIGBUS).
#[derive(Debug)]
pub struct InitSegment {
    registers: MappedRegisters,
}

impl InitSegment {
    /// Maps the segment of the device at a PCI address such as `0000:3b:00.0`, beside the kernel driver,
    /// which goes on as before.
    ///
    /// # Errors
    /// There is no such device, it is not a ConnectX-4 or later, or the kernel does not let this process
    /// read its registers.
    pub fn open(address: &str) -> Result<InitSegment, MapError> {
        InitSegment::open_in(Path::new(PCI_DEVICES), address)
    }

    /// The same where the devices are listed elsewhere.
    pub(crate) fn open_in(devices: &Path, address: &str) -> Result<InitSegment, MapError> {
        if !is_pci_address(address) {
            return Err(MapError::AddressInvalid { address: address.to_owned() });
        }
        let device = devices.join(address);
        let vendor = fs::read_to_string(device.join("vendor"));
        let vendor = vendor.map_err(|source| on_vendor(address, source))?;
        let vendor = vendor.trim_end();
        if vendor != MELLANOX {
            let (address, vendor) = (address.to_owned(), vendor.to_owned());
            return Err(MapError::NotMellanox { address, vendor });
        }
        let bar =
            File::open(device.join("resource0")).map_err(|source| on_open(address, source))?;
        let registers = sys::map_registers(&bar).map_err(|source| on_map(address, source))?;
        let segment = InitSegment { registers };
        match segment.cmd_interface_rev() {
            CMD_INTERFACE_REV => Ok(segment),
            revision => Err(MapError::UnknownLayout { address: address.to_owned(), revision }),
        }
    }

    /// The revision of the command interface.
    pub fn cmd_interface_rev(&self) -> u16 {
        halves(read(&self.registers.cmdif_rev_fw_sub)).0
    }

    /// The version of the firmware that runs.
    pub fn firmware(&self) -> FirmwareRevision {
        let (minor, major) = halves(read(&self.registers.fw_rev));
        let (_, subminor) = halves(read(&self.registers.cmdif_rev_fw_sub));
        FirmwareRevision { major, minor, subminor }
    }

    /// Whether the firmware is still coming up.
    pub fn is_initializing(&self) -> bool {
        read(&self.registers.initializing) >> 31 == 1
    }

    /// A count that goes on for as long as the firmware lives.
    pub fn health_counter(&self) -> u32 {
        read(&self.registers.health_counter)
    }

    /// The free-running counter, in the device's ticks, of which 63 bits count; `None` where the device does
    /// not answer.
    pub fn internal_timer(&self) -> Option<u64> {
        self.clock(Timer::Internal)
    }

    /// The real-time clock, in nanoseconds since 1970; `None` where the device does not answer. One that was
    /// never set, or that the device does not have, counts from elsewhere or stands still.
    pub fn real_time_ns(&self) -> Option<u64> {
        self.clock(Timer::RealTime)
    }

    pub(super) fn clock(&self, timer: Timer) -> Option<u64> {
        let (high, low) = self.words(timer);
        let (high, low) = untorn(high, low)?;
        timer.whole(high, low)
    }

    /// How a clock's upper and lower word are read.
    pub(super) fn words(&self, timer: Timer) -> (impl Fn() -> u32, impl Fn() -> u32) {
        let all = &*self.registers;
        let (high, low) = match timer {
            Timer::Internal => (&all.internal_timer_h, &all.internal_timer_l),
            Timer::RealTime => (&all.real_time_h, &all.real_time_l),
        };
        (|| read(high), || read(low))
    }
}

/// Which of the segment's clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    Internal,
    RealTime,
}

impl Timer {
    /// What a clock's two words say together.
    pub(super) fn whole(self, high: u32, low: u32) -> Option<u64> {
        let both = u64::from(high) << 32 | u64::from(low);
        match self {
            // What a bus answers for a device that does not.
            _ if both == u64::MAX => None,
            Timer::Internal => Some(both & ((1 << TIMESTAMP_BITS) - 1)),
            Timer::RealTime => ns_of_split(both),
        }
    }
}

/// Two words that belong together, of a clock that goes on between the readings of them: the upper one is
/// read again behind the lower, and where it has moved, so is the lower. `None` where it moves each time.
pub(super) fn untorn<L>(
    mut high: impl FnMut() -> u32,
    mut low: impl FnMut() -> L,
) -> Option<(u32, L)> {
    let mut before = high();
    for _ in 0..READS_MAX {
        let between = low();
        let after = high();
        if before == after {
            return Some((after, between));
        }
        before = after;
    }
    None
}

fn read(register: &RO<u32>) -> u32 {
    u32::from_be(register.read())
}

/// A word's upper and lower half.
fn halves(word: u32) -> (u16, u16) {
    let [a, b, c, d] = word.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// Domain, bus, device and function. What else a name may hold has no business in a path.
fn is_pci_address(address: &str) -> bool {
    let is_hex = |part: &str, lens: std::ops::RangeInclusive<usize>| {
        lens.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut parts = address.split([':', '.']);
    let mut next = |lens| parts.next().is_some_and(|part| is_hex(part, lens));
    // A domain behind a volume management device has more digits.
    let right = next(4..=8) && next(2..=2) && next(2..=2) && next(1..=1);
    right && parts.next().is_none() && address.matches(':').count() == 2
}
