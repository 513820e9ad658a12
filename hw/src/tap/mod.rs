//! A Linux TAP as a NIC: frames read from and written to `/dev/net/tun`, each behind a virtio-net
//! header that negotiates checksums with the kernel frame by frame.
//!
//! The peer is the kernel's own TCP on the other side of the interface. It hands over frames whose
//! checksum it never finished, and says so ([`Verdict::None`]); it takes frames whose checksum we
//! did not finish. For a frame that it delivers to itself it neither finishes nor checks the sum;
//! one that it forwards leaves finished.
//!
//! # What is left behind
//!
//! A TAP made here goes when the engine does. One that was there before stays, with its link up,
//! with the address that was set if it had none, and with the header and offload settings of this
//! engine until the next one attaches.
//!
//! [`Verdict::None`]: fixwire_offload::verdict::Verdict::None

mod error;
mod interface;
pub mod namespace;
mod nic;
mod share;
mod virtio;

use std::fs::{File, OpenOptions};
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use fixwire_offload::Plan;
use fixwire_offload::capability::Capability;
use fixwire_offload::device::Backend;
use fixwire_offload::driver::Driver;
use fixwire_offload::flow::RuleSet;
use fixwire_offload::plan::{Advert, Capabilities, Provider};

pub use error::TapError;
pub use interface::{KernelSide, NAME_LEN_MAX, Name, is_local_address, lists_as_local};
pub use nic::TapNic;
pub use share::TapShare;

use crate::host_counter::HostCounter;
use crate::sys::{self, InterfaceRequest};
use interface::Control;

/// The TAP of the embedded default.
pub const EMBEDDED_NAME: &str = "fixwire0";
/// The other TAP of a pair, and the bridge between the two.
const EMBEDDED_PEER_NAME: &str = "fixwire1";
const EMBEDDED_BRIDGE_NAME: &str = "fixwirebr0";
/// The kernel's address on a TAP that has none.
pub const KERNEL_ADDR: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// How many leading bits of [`KERNEL_ADDR`] name its network.
pub const KERNEL_PREFIX_LEN: u8 = 24;
/// Frame buffers for both directions together, unless asked otherwise.
pub const FRAMES: usize = 1_024;

/// How long the start waits for the interface to report its carrier.
const CARRIER_WAIT_MAX: Duration = Duration::from_secs(2);

const TUN_PATH: &str = "/dev/net/tun";

/// A TAP that was opened and does not run yet.
#[derive(Debug)]
pub struct TapBackend {
    file: File,
    control: Control,
    kernel: KernelSide,
    shown_as: String,
    frames: usize,
    is_bridge_port: bool,
    /// Another process runs it.
    is_shared: bool,
    listen: bool,
    counter: HostCounter,
}

impl TapBackend {
    /// A TAP in a namespace of the process's own, which is entered if it has not been: see
    /// [`namespace::enter`] for when that may be done. Needs no root.
    ///
    /// # Errors
    /// Whatever stands in the way, with its remedy. [`TapError::forbidden_by_machine`] tells
    /// whether to try something else.
    pub fn embedded() -> Result<TapBackend, TapError> {
        TapBackend::open(enter_namespace()?, Name::parse(EMBEDDED_NAME)?, "tap".into())
    }

    /// Two such TAPs, joined by a bridge of the kernel's and nothing else: what one sends the other
    /// receives. What the sender left unfinished the bridge finishes for a receiver that did not say that
    /// it takes it so.
    ///
    /// # Errors
    /// As [`embedded`](TapBackend::embedded), and where the kernel has no bridge.
    pub fn embedded_pair() -> Result<(TapBackend, TapBackend), TapError> {
        let control = enter_namespace()?;
        let open = |name| -> Result<TapBackend, TapError> {
            let name = Name::parse(name)?;
            let shown_as = format!("tap:{name}");
            Ok(TapBackend::open(Control::open()?, name, shown_as)?.as_bridge_port())
        };
        let pair = (open(EMBEDDED_NAME)?, open(EMBEDDED_PEER_NAME)?);
        let ports = [&pair.0.kernel.name, &pair.1.kernel.name];
        control.bridge(&Name::parse(EMBEDDED_BRIDGE_NAME)?, ports)?;
        Ok(pair)
    }

    /// The same without an address for the kernel's side: a port of a bridge has none.
    #[must_use]
    pub fn as_bridge_port(mut self) -> TapBackend {
        self.is_bridge_port = true;
        self
    }

    /// The TAP called `name` in the namespace that the process is in: the one that is there, or a
    /// new one.
    ///
    /// # Errors
    /// Whatever stands in the way, with its remedy.
    pub fn attach(name: &str) -> Result<TapBackend, TapError> {
        let name = Name::parse(name)?;
        let shown_as = format!("tap:{name}");
        TapBackend::open(Control::open()?, name, shown_as)
    }

    /// The same with `addr` for the kernel's side, where it has no address yet.
    #[must_use]
    pub fn with_kernel_addr(mut self, addr: Ipv4Addr, prefix_len: u8) -> TapBackend {
        if !self.kernel.has_addr {
            self.kernel.addr = addr;
            self.kernel.prefix_len = prefix_len.min(32);
        }
        self
    }

    /// The same with `frames` buffers for both directions together.
    #[must_use]
    pub fn with_frames(mut self, frames: usize) -> TapBackend {
        self.frames = frames;
        self
    }

    /// The same with received frames stamped by `counter`, where it is not to be the best that the
    /// machine has.
    #[must_use]
    pub fn with_counter(mut self, counter: HostCounter) -> TapBackend {
        self.counter = counter;
        self
    }

    /// The kernel's end of the TAP.
    pub fn kernel_side(&self) -> &KernelSide {
        &self.kernel
    }

    /// The hardware address of our end.
    pub fn mac(&self) -> [u8; 6] {
        mac_beside(self.kernel.mac)
    }

    fn open(control: Control, name: Name, shown_as: String) -> Result<TapBackend, TapError> {
        let existed = control.exists(&name);
        let file = open_tun()?;
        become_tap(&file, &control, &name)?;
        prepare(&file).map_err(|source| interface::refused(&name, "setting up", source))?;
        let addr = control.address(&name)?;
        let (kernel_addr, prefix_len) = addr.unwrap_or((KERNEL_ADDR, KERNEL_PREFIX_LEN));
        let kernel = KernelSide {
            addr: kernel_addr,
            prefix_len,
            has_addr: addr.is_some(),
            mtu: control.mtu(&name)?,
            mac: control.mac(&name)?,
            existed,
            name,
        };
        let counter = HostCounter::best();
        Ok(TapBackend {
            file,
            control,
            kernel,
            shown_as,
            frames: FRAMES,
            is_bridge_port: false,
            is_shared: false,
            listen: false,
            counter,
        })
    }
}

/// Enters a namespace of the process's own, where a machine has TAPs.
fn enter_namespace() -> Result<Control, TapError> {
    // Tried before the old namespace is left, so that a machine without TAPs costs nothing. The
    // file itself must be opened after: it belongs to the namespace that it was opened in.
    drop(open_tun()?);
    namespace::enter()?;
    let control = Control::open()?;
    control.bring_up(&Name::parse("lo")?)?;
    Ok(control)
}

/// The kernel's end of a TAP that another driver has made, brought up, and given [`KERNEL_ADDR`] if it has no
/// address.
///
/// # Errors
/// There is no such interface, or it may not be changed.
pub fn adopt(name: &str) -> Result<KernelSide, TapError> {
    let name = Name::parse(name)?;
    let control = Control::open()?;
    let found = control.address(&name)?;
    let (addr, prefix_len) = found.unwrap_or((KERNEL_ADDR, KERNEL_PREFIX_LEN));
    if found.is_none() {
        control.set_address(&name, addr, prefix_len)?;
    }
    control.bring_up(&name)?;
    let (mtu, mac) = (control.mtu(&name)?, control.mac(&name)?);
    Ok(KernelSide { addr, prefix_len, has_addr: true, mtu, mac, existed: true, name })
}

/// Whether the kernel has an interface of this name, in the namespace that the process is in.
#[cfg(feature = "dpdk")]
pub(crate) fn is_there(name: &str) -> bool {
    let name = Name::parse(name).ok();
    name.is_some_and(|name| Control::open().is_ok_and(|control| control.exists(&name)))
}

/// Why no frame passes an interface of the kernel's, as far as the kernel knows, and what to do about it; nothing where
/// frames do, and where there is no such interface.
pub fn why_silent(name: &str) -> Option<String> {
    let name = Name::parse(name).ok()?;
    let flags = Control::open().ok()?.flags(&name).ok()?;
    let has = |flag: libc::c_int| flags & flag as i16 != 0;
    match (has(libc::IFF_UP), has(libc::IFF_RUNNING)) {
        (false, _) => Some(format!("{name} is down: `ip link set {name} up`")),
        (true, false) => {
            Some(format!("{name} has no carrier: look at its cable, and whether its far end is up"))
        }
        (true, true) => None,
    }
}

fn open_tun() -> Result<File, TapError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    options.open(TUN_PATH).map_err(error::on_open)
}

/// Makes an open tun file the TAP called `name`.
fn become_tap(file: &File, control: &Control, name: &Name) -> Result<(), TapError> {
    let flags = (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as u16;
    let mut request = InterfaceRequest::about(name.as_str()).with(&flags.to_ne_bytes());
    sys::tun_set_interface(file, &mut request).map_err(|source| match source.raw_os_error() {
        Some(libc::EBUSY) => TapError::Busy { name: name.to_string() },
        // Something lies at the path, and it is no tun device: a container's /dev/null, say.
        Some(libc::ENOTTY | libc::ENOSYS) => TapError::NoTunDevice,
        Some(libc::EINVAL) => why_invalid(control, name, source),
        _ => interface::refused(name, "creating or attaching to", source),
    })
}

/// TUNSETIFF says EINVAL for an interface of another kind and for one with several queues alike.
fn why_invalid(control: &Control, name: &Name, source: io::Error) -> TapError {
    let name_text = name.to_string();
    match control.driver(name) {
        Some(driver) if driver.name == "tun" && driver.bus == "tap" => {
            TapError::MultiQueue { name: name_text }
        }
        Some(driver) if driver.name == "tun" => {
            TapError::NotATap { name: name_text, kind: "it is a TUN".into() }
        }
        Some(driver) => {
            TapError::NotATap { name: name_text, kind: format!("its driver is `{}`", driver.name) }
        }
        None if control.exists(name) => {
            TapError::NotATap { name: name_text, kind: "the kernel does not say what it is".into() }
        }
        None => TapError::Failed { what: "creating or attaching to", name: name_text, source },
    }
}

/// Header and offloads, whatever an earlier process left: until a plan says otherwise, the kernel
/// is to finish every checksum.
fn prepare(file: &File) -> io::Result<()> {
    sys::tun_set_header_len(file, virtio::HEADER_LEN as libc::c_int)?;
    sys::tun_set_offload(file, 0)
}

/// A hardware address of our own beside the kernel's, the same for the same TAP: locally
/// administered (IEEE 802, 8.4), never the kernel's.
pub(crate) fn mac_beside(kernel: [u8; 6]) -> [u8; 6] {
    let [_, _, _, x, y, z] = kernel;
    let ours = [0x02, b'f', b'x', x, y, z];
    if ours == kernel { [0x02, b'f', b'x', x, y, z ^ 1] } else { ours }
}

impl Backend for TapBackend {
    type Nic = TapNic;
    type Error = TapError;

    fn name(&self) -> String {
        self.shown_as.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let by = Provider::LinuxKernel;
        let rx = Advert { by, how: "kernel's DATA_VALID and NEEDS_CSUM in the virtio-net header" };
        let tx = Advert { by, how: "field left partial, the kernel finishes it" };
        let mut capabilities = Capabilities::of(Driver::named("tap"))
            .with(Capability::RxTcpChecksum, rx)
            .with(Capability::TxTcpChecksum, tx);
        capabilities.gives_none = true;
        capabilities
    }

    fn configure(&mut self, plan: &Plan) -> Result<Vec<(Capability, String)>, TapError> {
        if !self.kernel.has_addr && !self.is_bridge_port {
            let KernelSide { name, addr, prefix_len, .. } = &self.kernel;
            self.control.set_address(name, *addr, *prefix_len)?;
        }
        let mut refused = Vec::new();
        if self.is_shared {
            self.listen = plan.uses(Capability::RxTcpChecksum);
        } else if plan.uses(Capability::RxTcpChecksum) {
            match sys::tun_set_offload(&self.file, libc::TUN_F_CSUM) {
                Ok(()) => self.listen = true,
                Err(error) => {
                    refused.push((Capability::RxTcpChecksum, format!("TUNSETOFFLOAD: {error}")));
                }
            }
        }
        Ok(refused)
    }

    fn start(&mut self) -> Result<(), TapError> {
        self.control.bring_up(&self.kernel.name)?;
        // The kernel notices within a second that somebody is attached again, and until then drops
        // what it has for us: our first SYN would go unanswered.
        let waited = Instant::now();
        while !self.control.is_running(&self.kernel.name) && waited.elapsed() < CARRIER_WAIT_MAX {
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), TapError> {
        // Asked for after a rule was refused alone, and a TAP advertises none. The interface stays up:
        // it may not be ours.
        Ok(())
    }

    fn steer(&mut self, _rules: &RuleSet) -> Result<(), String> {
        Err("a TAP has one queue and no rules".into())
    }

    fn run(self) -> TapNic {
        TapNic::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_hardware_address_is_local_unicast_and_never_the_kernel_s() {
        for kernel in [[0; 6], [0xff; 6], [0x02, b'f', b'x', 1, 2, 3], [0x9a, 1, 2, 3, 4, 5]] {
            let ours = mac_beside(kernel);
            assert_ne!(ours, kernel);
            assert_eq!(ours[0] & 0b11, 0b10, "locally administered, unicast");
            assert_eq!(ours, mac_beside(kernel), "the same TAP keeps its address");
        }
    }

    #[test]
    fn a_tap_can_be_opened_first_and_moved_to_the_thread_that_polls() {
        fn moves_between_threads<T: Send>() {}
        moves_between_threads::<TapBackend>();
    }

    #[test]
    fn a_name_is_refused_before_anything_is_opened() {
        let error = TapBackend::attach("no/such").unwrap_err();
        assert!(matches!(error, TapError::NameInvalid { .. }), "{error}");
    }

    #[test]
    fn what_fails_leaves_no_file_open() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let attempt = || {
            // Loopback is no TAP: whatever this user may do, it fails at one step or another.
            TapBackend::attach("lo").unwrap_err()
        };
        attempt();
        // Tests beside this one open files too: the fewest of several counts is compared.
        let fewest = || (0..50).map(|_| open()).min().unwrap();
        let before = fewest();
        for _ in 0..64 {
            attempt();
        }
        assert!(fewest() < before + 32, "{} files open, {before} before", fewest());
    }
}
