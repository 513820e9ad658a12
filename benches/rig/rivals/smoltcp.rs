//! smoltcp 0.14 on the line, polled in the form that costs it least: one frame in, the socket read and
//! written, one frame out with the ACK on it. Timestamps are on, as ours are; Nagle and the delayed ACK
//! are off.

use ::smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use ::smoltcp::phy::{self, ChecksumCapabilities, Device, DeviceCapabilities, Medium};
use ::smoltcp::socket::tcp;
use ::smoltcp::time::Instant;
use ::smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use fixwire::offload::nic::{Frame as _, Nic as _, TxMeta};
use fixwire_hw::pool::Frame;

use crate::line::Host;
use crate::nic::{MemoryNic, Sums};
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};
use crate::respond::{ANSWER_LEN_MAX, Responder};

const HOST_PORT: u16 = 49_152;
/// A quarter of ours: more of it stays in the first cache.
const BUFFER_LEN: usize = 16 * 1024;
/// The clock stands still.
const NOW: Instant = Instant::from_millis_const(1_000);

/// smoltcp with a [`Responder`] on its socket.
pub struct SmoltcpHost<R> {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    device: Port,
    responder: R,
    /// For a message or an answer that wraps around a socket's buffer.
    scratch: [u8; 2 * ANSWER_LEN_MAX],
}

impl<R: Responder> SmoltcpHost<R> {
    /// One that connects to the peer.
    pub fn new(sums: Sums, responder: R) -> SmoltcpHost<R> {
        let mut device = Port { nic: MemoryNic::new(sums), sums };
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(HOST_MAC.0)));
        config.random_seed = 7;
        let mut interface = Interface::new(config, &mut device, NOW);
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(IpAddress::Ipv4(HOST_ADDR), 24)).expect("one address");
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER_LEN]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        socket.set_tsval_generator(Some(|| 1_000));
        let peer = (IpAddress::Ipv4(PEER_ADDR), PEER_PORT);
        socket.connect(interface.context(), peer, HOST_PORT).expect("a closed socket");
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        let scratch = [0; 2 * ANSWER_LEN_MAX];
        SmoltcpHost { interface, sockets, handle, device, responder, scratch }
    }

    /// Reads what came where it lies, and writes the answer where it will lie, but where either wraps.
    #[inline]
    fn respond(&mut self) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.handle);
        let queued = socket.recv_queue();
        if queued == 0 {
            return;
        }
        let message = socket.peek(queued).expect("established");
        if message.len() == queued {
            self.responder.take_in(message);
            socket.recv(|_| (queued, ())).expect("established");
        } else {
            let len = socket.recv_slice(&mut self.scratch).expect("established");
            self.responder.take_in(&self.scratch[..len]);
        }
        let responder = &mut self.responder;
        let in_place = socket.send(|room| {
            let fits = room.len() >= ANSWER_LEN_MAX;
            (if fits { responder.answer(room) } else { 0 }, fits)
        });
        if !in_place.expect("established") {
            let len = self.responder.answer(&mut self.scratch);
            socket.send_slice(&self.scratch[..len]).expect("established");
        }
    }
}

impl<R: Responder> Host for SmoltcpHost<R> {
    const BODY_LENGTH_DIGITS: usize = R::BODY_LENGTH_DIGITS;

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.device.nic.load(frames);
    }

    #[inline]
    fn step(&mut self) {
        self.interface.poll_ingress_single(NOW, &mut self.device, &mut self.sockets);
        self.respond();
        self.interface.poll_egress(NOW, &mut self.device, &mut self.sockets);
    }

    fn sent(&self) -> u64 {
        self.device.nic.sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.device.nic.kept().collect()
    }
}

/// The NIC in memory as smoltcp wants it.
struct Port {
    nic: MemoryNic,
    sums: Sums,
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend<'a>;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(Received, ToSend<'_>)> {
        let frame = self.nic.receive()?;
        Some((Received(frame), ToSend(&mut self.nic)))
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<ToSend<'_>> {
        Some(ToSend(&mut self.nic))
    }

    #[inline]
    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities.max_burst_size = Some(1);
        capabilities.checksum = match self.sums {
            Sums::Offloaded => ChecksumCapabilities::ignored(),
            Sums::InSoftware => ChecksumCapabilities::default(),
        };
        capabilities
    }
}

struct Received(Frame);

impl phy::RxToken for Received {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0.bytes())
    }
}

struct ToSend<'a>(&'a mut MemoryNic);

impl phy::TxToken for ToSend<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = self.0.tx_frame().expect("the pool holds two loads");
        let result = f(&mut frame.space()[..len]);
        frame.finish(len, TxMeta::default());
        self.0.send(frame);
        result
    }
}
