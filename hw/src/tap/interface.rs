//! The kernel's side of a TAP: its name, addresses and state, asked for and set by ioctl.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use super::error::TapError;
use super::namespace;
use crate::sys::{self, Ask, InterfaceRequest};

/// The longest interface name, in bytes.
pub const NAME_LEN_MAX: usize = sys::INTERFACE_NAME_ROOM - 1;

/// A name that an interface can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Takes a name that the kernel would take.
    ///
    /// # Errors
    /// [`TapError::NameInvalid`], with what is wrong with it.
    pub fn parse(text: &str) -> Result<Name, TapError> {
        let refuse = |why| Err(TapError::NameInvalid { name: text.to_owned(), why });
        match text {
            "" => refuse("it is empty"),
            "." | ".." => refuse("the kernel keeps it for directories"),
            _ if text.len() > NAME_LEN_MAX => refuse("it is longer than 15 bytes"),
            // A colon makes an address label, a percent sign a template for the kernel to number.
            _ if text.contains(['/', ':', '%']) => refuse("it contains `/`, `:` or `%`"),
            _ if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                refuse("it contains white space")
            }
            _ => Ok(Name(text.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The end of a TAP that the kernel holds: the peer's end, seen from the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelSide {
    /// The interface's name.
    pub name: Name,
    /// Its IPv4 address.
    pub addr: Ipv4Addr,
    /// How many leading bits of `addr` name the network.
    pub prefix_len: u8,
    /// The address was there already: it is left alone. Otherwise it is set at configure.
    pub has_addr: bool,
    /// The largest IP packet that the interface carries, in bytes.
    pub mtu: usize,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The interface was there already, and outlives the engine.
    pub existed: bool,
}

/// Whether the kernel of this namespace has `addr`: on whatever interface, or by a route of type `local`.
pub fn is_local_address(addr: Ipv4Addr) -> bool {
    std::fs::read_to_string("/proc/net/fib_trie").is_ok_and(|trie| lists_as_local(&trie, addr))
}

/// Whether by `trie`, the text of `/proc/net/fib_trie`, the kernel answers for `addr`: as one of its addresses, or within
/// a network that a route of type `local` gives to it (`ip route add local 10.77.0.0/24 dev lo`), in whatever table.
///
/// The kernel's table has the first address of a network and, on the next lines, what it is at each length.
pub fn lists_as_local(trie: &str, addr: Ipv4Addr) -> bool {
    let mut network: Option<Ipv4Addr> = None;
    trie.lines().any(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("|--"), Some(first), _) => {
                network = first.parse().ok();
                false
            }
            (Some(len), _, Some("LOCAL")) => {
                let len = len.strip_prefix('/').and_then(|len| len.parse::<u32>().ok());
                let (Some(len @ 0..=32), Some(network)) = (len, network) else { return false };
                let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
                (network.to_bits() ^ addr.to_bits()) & mask == 0
            }
            _ => false,
        }
    })
}

/// Asks the kernel about interfaces of the namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct Control {
    socket: OwnedFd,
}

impl Control {
    pub(crate) fn open() -> Result<Control, TapError> {
        let socket = sys::control_socket().map_err(|source| TapError::Failed {
            what: "opening",
            name: "a socket for interface requests".into(),
            source,
        })?;
        Ok(Control { socket })
    }

    /// By a socket that was opened where the interfaces are.
    pub(super) fn of(socket: OwnedFd) -> Control {
        Control { socket }
    }

    pub(super) fn handle(&self) -> io::Result<OwnedFd> {
        self.socket.try_clone()
    }

    pub(crate) fn exists(&self, name: &Name) -> bool {
        self.flags(name).is_ok()
    }

    /// Whether the interface is up and something is attached to it.
    pub(crate) fn is_running(&self, name: &Name) -> bool {
        let wanted = libc::IFF_UP | libc::IFF_RUNNING;
        self.flags(name).is_ok_and(|flags| i32::from(flags) & wanted == wanted)
    }

    /// Lets frames pass.
    pub(crate) fn bring_up(&self, name: &Name) -> Result<(), TapError> {
        const WHAT: &str = "bringing up";
        let flags = self.flags(name).map_err(|source| refused(name, WHAT, source))?;
        let up = libc::IFF_UP as i16;
        if flags & up != 0 {
            return Ok(());
        }
        let request = InterfaceRequest::about(name.as_str()).with(&(flags | up).to_ne_bytes());
        self.set(Ask::SetFlags, request).map_err(|source| refused(name, WHAT, source))
    }

    /// The interface's address, if it has one.
    pub(crate) fn address(&self, name: &Name) -> Result<Option<(Ipv4Addr, u8)>, TapError> {
        const WHAT: &str = "reading the address of";
        let addr = match self.get(Ask::Address, name) {
            Ok(value) => inet(value),
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => return Ok(None),
            Err(source) => return Err(refused(name, WHAT, source)),
        };
        let mask = self.get(Ask::Netmask, name).map_err(|source| refused(name, WHAT, source))?;
        // A netmask has at most 32 ones.
        Ok(Some((addr, inet(mask).to_bits().count_ones() as u8)))
    }

    pub(crate) fn set_address(
        &self,
        name: &Name,
        addr: Ipv4Addr,
        prefix_len: u8,
    ) -> Result<(), TapError> {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix_len.min(32))).unwrap_or(0);
        for (what, value) in [(Ask::SetAddress, addr), (Ask::SetNetmask, mask.into())] {
            let request = InterfaceRequest::about(name.as_str()).with(&sockaddr_in(value));
            self.set(what, request)
                .map_err(|source| refused(name, "setting the address of", source))?;
        }
        Ok(())
    }

    /// Makes a bridge that carries frames from each of `ports` to the others.
    pub(crate) fn bridge(&self, bridge: &Name, ports: [&Name; 2]) -> Result<(), TapError> {
        let request = InterfaceRequest::about(bridge.as_str());
        self.set(Ask::AddBridge, request)
            .map_err(|source| refused(bridge, "making the bridge", source))?;
        for port in ports {
            let failed = |source| refused(port, "joining to a bridge", source);
            let index = self.get(Ask::Index, port).map_err(failed)?;
            let request = InterfaceRequest::about(bridge.as_str()).with(&index[..4]);
            self.set(Ask::AddBridgePort, request).map_err(failed)?;
        }
        self.bring_up(bridge)
    }

    pub(crate) fn mtu(&self, name: &Name) -> Result<usize, TapError> {
        let value = self
            .get(Ask::Mtu, name)
            .map_err(|source| refused(name, "reading the MTU of", source))?;
        let [a, b, c, d, ..] = value;
        Ok(usize::try_from(i32::from_ne_bytes([a, b, c, d])).unwrap_or(0))
    }

    pub(crate) fn mac(&self, name: &Name) -> Result<[u8; 6], TapError> {
        const WHAT: &str = "reading the hardware address of";
        let value =
            self.get(Ask::HardwareAddress, name).map_err(|source| refused(name, WHAT, source))?;
        let [_, _, mac @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = value;
        Ok(mac)
    }

    /// Which driver the interface has and what it sits on; nothing where the kernel does not say.
    pub(crate) fn driver(&self, name: &Name) -> Option<sys::Driver> {
        sys::driver(self.socket.as_fd(), name.as_str()).ok()
    }

    pub(super) fn flags(&self, name: &Name) -> io::Result<i16> {
        let [low, high, ..] = self.get(Ask::Flags, name)?;
        Ok(i16::from_ne_bytes([low, high]))
    }

    fn get(&self, what: Ask, name: &Name) -> io::Result<[u8; 24]> {
        let mut request = InterfaceRequest::about(name.as_str());
        sys::ask(self.socket.as_fd(), what, &mut request)?;
        Ok(request.value)
    }

    fn set(&self, what: Ask, mut request: InterfaceRequest) -> io::Result<()> {
        sys::ask(self.socket.as_fd(), what, &mut request)
    }
}

/// What the kernel's refusal to do `what` to an interface means.
pub(crate) fn refused(name: &Name, what: &'static str, source: io::Error) -> TapError {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if namespace::is_inside_own() => {
            TapError::NamespaceWithoutCapabilities { what, source }
        }
        Some(libc::EPERM | libc::EACCES) => {
            TapError::NeedsNetAdmin { name: name.to_string(), what }
        }
        _ => TapError::Failed { what, name: name.to_string(), source },
    }
}

/// The IPv4 address of a `struct sockaddr_in`.
fn inet(value: [u8; 24]) -> Ipv4Addr {
    let [_, _, _, _, a, b, c, d, ..] = value;
    Ipv4Addr::new(a, b, c, d)
}

fn sockaddr_in(addr: Ipv4Addr) -> [u8; 8] {
    let [low, high] = (libc::AF_INET as u16).to_ne_bytes();
    let [a, b, c, d] = addr.octets();
    [low, high, 0, 0, a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_local_only_where_the_kernel_lists_it_or_its_network_so() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     \
                    |-- 10.9.0.0\n        /24 link UNICAST\n     \
                    |-- 10.9.0.1\n        /32 host LOCAL\n     |-- 10.9.0.255\n        /32 link BROADCAST\n     \
                    |-- 10.77.0.0\n        /24 host LOCAL\n        /16 link UNICAST\n     \
                    +-- 127.0.0.0/8 2 0 2\n        |-- 127.0.0.0\n           /8 host LOCAL\n        \
                    |-- 127.0.0.1\n           /32 host LOCAL\n";
        for (addr, local) in [
            ([10, 9, 0, 1], true),
            ([10, 9, 0, 255], false),
            ([10, 9, 0, 2], false),
            ([10, 77, 0, 0], true),
            ([10, 77, 0, 200], true),
            ([10, 77, 1, 0], false),
            ([127, 0, 0, 1], true),
            ([127, 9, 9, 9], true),
            ([128, 0, 0, 1], false),
            ([192, 0, 2, 1], false),
        ] {
            assert_eq!(lists_as_local(trie, Ipv4Addr::from(addr)), local, "{addr:?}");
        }
        let everything = "Id 100:\n  |-- 0.0.0.0\n     /0 host LOCAL\n";
        assert!(lists_as_local(everything, Ipv4Addr::new(192, 0, 2, 1)));
        for odd in ["/8 host LOCAL\n", "|-- ten\n/8 host LOCAL\n", "|-- 10.9.0.1\n/33 host LOCAL\n"]
        {
            assert!(!lists_as_local(odd, Ipv4Addr::new(10, 9, 0, 1)), "{odd}");
        }
        assert!(
            is_local_address(Ipv4Addr::LOCALHOST)
                || std::fs::metadata("/proc/net/fib_trie").is_err()
        );
    }

    #[test]
    fn a_name_that_the_kernel_would_refuse_is_refused_first() {
        for name in ["fixwire0", "a", "fifteen-bytes-x", "tap.1", "ü0"] {
            assert_eq!(Name::parse(name).unwrap().as_str(), name);
        }
        let too_long = "sixteen-bytes-xx";
        for name in ["", ".", "..", too_long, "a/b", "a b", "a\tb", "a\n", "a:1", "tap%d", "a\0b"] {
            let error = Name::parse(name).unwrap_err();
            assert!(matches!(error, TapError::NameInvalid { .. }), "{name:?}: {error}");
        }
    }

    #[test]
    fn a_refusal_for_want_of_privilege_is_told_from_another() {
        let name = Name::parse("fw0").unwrap();
        let answer = |number| refused(&name, "bringing up", io::Error::from_raw_os_error(number));
        assert!(matches!(answer(libc::EPERM), TapError::NeedsNetAdmin { .. }));
        assert!(matches!(answer(libc::EACCES), TapError::NeedsNetAdmin { .. }));
        assert!(matches!(answer(libc::ENODEV), TapError::Failed { .. }));
    }

    #[test]
    fn loopback_is_read_as_it_is() {
        let control = Control::open().unwrap();
        let lo = Name::parse("lo").unwrap();
        assert!(control.exists(&lo));
        assert!(control.mtu(&lo).unwrap() >= 576);
        assert_eq!(control.mac(&lo).unwrap(), [0; 6]);
        if let Some((addr, prefix_len)) = control.address(&lo).unwrap() {
            assert!(addr.is_loopback() && prefix_len == 8);
        }
        assert!(!control.exists(&Name::parse("fixwire-none").unwrap()));
    }
}
