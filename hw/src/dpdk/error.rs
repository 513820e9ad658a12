//! What can go wrong with a DPDK port, and what to do about it, a sentence each.

use std::fmt;

/// An error number of DPDK's, in its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub(super) i32);

impl Errno {
    /// Of what a call returned: DPDK gives the number itself or its negative.
    pub(super) const fn of(answer: i32) -> Errno {
        Errno(answer.abs())
    }

    /// The number, positive.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl Errno {
    /// In words, of a driver's call: many answer a bare minus one, which would read as a missing permission.
    fn of_a_driver(self) -> String {
        match self.0 {
            1 => "the driver gives no reason, or said it above".to_owned(),
            _ => self.to_string(),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

/// Why there is no port, or it does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum DpdkError {
    /// What was named is no device.
    #[error(
        "`{text}` names no DPDK device: {why}; write a PCI address (0000:3b:00.0) or a virtual device \
         (net_tap0,iface=dtap0)"
    )]
    NotADevice {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// DPDK is started once in a process.
    #[error("DPDK was started in this process before, and starts once; start another process")]
    StartedBefore,
    /// DPDK did not start.
    #[error("DPDK did not start ({errno}); {remedy}")]
    NotStarted {
        /// Its reason.
        errno: Errno,
        /// What to do.
        remedy: String,
    },
    /// An argument for DPDK that it does not take beside those that we give it.
    #[error("`eal` under [device] of the profile has `{argument}`, and {why}; delete it{or_else}")]
    Conflict {
        /// As it is written.
        argument: String,
        /// What it conflicts with.
        why: &'static str,
        /// What else could be done.
        or_else: String,
    },
    /// A device of the bus, and DPDK was started without one.
    #[error(
        "{device} is on the PCI bus, which DPDK looks at where the first device that it is started for is on it; open \
         {device} before the virtual devices"
    )]
    NoBus {
        /// The device.
        device: String,
    },
    /// Its profile has other arguments for DPDK than the one that it was started by.
    #[error(
        "the profile of {device} has other `eal` arguments than DPDK was started with, which were `{args}`; write the \
         same under [device] in both profiles, or none in the later"
    )]
    OtherArgs {
        /// The device.
        device: String,
        /// What it was started with.
        args: String,
    },
    /// DPDK runs, and did not take one more device.
    #[error("DPDK did not add {device} ({errno}); {remedy}")]
    NotAdded {
        /// The device.
        device: String,
        /// Its reason.
        errno: Errno,
        /// What to do.
        remedy: String,
    },
    /// DPDK started, and the device is not there.
    #[error("DPDK has no port for `{device}`; {remedy}")]
    NoPort {
        /// What was asked for.
        device: String,
        /// What to do.
        remedy: String,
    },
    /// A device that binds ports which are there already.
    #[error(
        "{device} binds ports that are there already, and fixwire makes none for it; pass frames on by \
         net_failsafe0,dev(DEVICE,...),dev(DEVICE,...), which makes its own"
    )]
    Bonding {
        /// The device.
        device: String,
    },
    /// What a device is to pass frames on from is not told as a device.
    #[error(
        "{device} is to pass frames on from `{argument}`, which fixwire cannot look for; write dev(DEVICE), DEVICE as \
         it stands behind dpdk:"
    )]
    UntoldMember {
        /// The device.
        device: String,
        /// As it is written.
        argument: String,
    },
    /// What a device is to pass frames on from is not there.
    #[error("{device} passes frames on from a device that is not there: {error}")]
    NoMember {
        /// The device.
        device: String,
        /// Why there is none behind it.
        error: Box<DpdkError>,
    },
    /// More queues than the device has.
    #[error(
        "{port} has {max} {what} queues, and the profile asks for {asked}; write `{key} = {max}` or less under [queues] in the \
         profile"
    )]
    Queues {
        /// The port.
        port: String,
        /// Which.
        what: &'static str,
        /// The profile's word for them.
        key: &'static str,
        /// How many it has.
        max: u16,
        /// How many were asked for.
        asked: u16,
    },
    /// No memory for frames.
    #[error("no memory for {frames} frames of {room} bytes ({errno}); {remedy}")]
    NoMemory {
        /// How many.
        frames: u32,
        /// Of how many bytes each.
        room: u16,
        /// DPDK's reason.
        errno: Errno,
        /// What to do.
        remedy: String,
    },
    /// Frames are to be kept as DPDK, or this host, cannot.
    #[error(
        "no pool of frames by `{argument}`, which `eal` under [device] of the profile has ({errno}); name a mempool \
         handler that this DPDK has, such as ring_mp_mc or stack, or delete it"
    )]
    PoolOps {
        /// As it is written.
        argument: String,
        /// DPDK's reason.
        errno: Errno,
    },
    /// An argument that the driver does not have. Some then do without all of them and say nothing.
    #[error(
        "{device}: its driver has no argument `{argument}`{place}; write one of {}", known.join(", ")
    )]
    UnknownArgument {
        /// The device, with its arguments.
        device: String,
        /// What it has not.
        argument: String,
        /// Where it stands, after a comma, if that is not the device's name.
        place: &'static str,
        /// What it has.
        known: &'static [&'static str],
    },
    /// An argument that stands for nothing without its value, which drivers take for granted.
    #[error("{device}: `{argument}` has no value{place}; write {argument}=value")]
    NoValue {
        /// The device, with its arguments.
        device: String,
        /// Its key.
        argument: String,
        /// Where it stands, after a comma, if that is not the device's name.
        place: &'static str,
    },
    /// An argument of which its driver takes one, and goes by none where it is given twice.
    #[error("{device}: `{argument}` is given twice{place}; write it once")]
    ArgumentTwice {
        /// The device, with its arguments.
        device: String,
        /// Its key.
        argument: String,
        /// Where it stands, after a comma, if that is not the device's name.
        place: &'static str,
    },
    /// A name that no interface of the kernel's can have (`IFNAMSIZ`).
    #[error(
        "{device}: `{argument}` has {len} bytes, and an interface's name 1 to {len_max}; write 1 to {len_max}"
    )]
    InterfaceName {
        /// The device.
        device: String,
        /// As it is written.
        argument: String,
        /// How long it is.
        len: usize,
        /// How long it can be.
        len_max: usize,
    },
    /// An argument without which its driver makes no port.
    #[error(
        "{device}: its driver makes no port without `{argument}`; write {device},{argument}={example}, or whatever it is"
    )]
    ArgumentMissing {
        /// The device, with its arguments.
        device: String,
        /// Its key.
        argument: &'static str,
        /// A value.
        example: &'static str,
    },
    /// An interface that a driver is to make, and that is there.
    #[error(
        "{device} would make the interface {name}, which is there already: another program may have it, whose frames it would \
         get; name another by `iface`, or remove it where nobody has it: `ip link delete {name}`"
    )]
    InterfaceThere {
        /// The device.
        device: String,
        /// Its name.
        name: String,
    },
    /// Queues that the driver does not take together.
    #[error(
        "{port} does not take {rx} receive and {tx} transmit queues ({}); some drivers want as many of the one as \
         of the other: write the same for `rx` and `tx` under [queues] in the profile", errno.of_a_driver()
    )]
    QueuesUnpaired {
        /// The port.
        port: String,
        /// Receive queues that were asked for.
        rx: u16,
        /// Transmit queues.
        tx: u16,
        /// The driver's reason.
        errno: Errno,
    },
    /// Something that the driver did not do, perhaps for what it was told.
    #[error("{error}; look at {arguments}")]
    Argued {
        /// What it did not do.
        error: Box<DpdkError>,
        /// What it was told, and where to correct it.
        arguments: String,
    },
    /// A step that the driver did not take.
    #[error("{port}: {what}: {}", errno.of_a_driver())]
    Failed {
        /// The port.
        port: String,
        /// What was tried.
        what: &'static str,
        /// Its reason.
        errno: Errno,
    },
}
