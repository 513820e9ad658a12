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

use crate::alone::ToDoorbell;
use crate::line::Host;
use crate::nic::{MemoryNic, Sums};
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};
use crate::respond::{ANSWER_LEN_MAX, Responder};
use crate::ring::{Doorbell, Heard, RxRing, TxBuffer, TxRing, Unheard};

const HOST_PORT: u16 = 49_152;
/// A quarter of ours: more of it stays in the first cache.
const BUFFER_LEN: usize = 16 * 1024;
/// The clock stands still.
const NOW: Instant = Instant::from_millis_const(1_000);

/// smoltcp with a [`Responder`] on its socket, on the device `D`.
pub struct SmoltcpHost<R, D> {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    device: D,
    responder: R,
    /// For a message or an answer that wraps around a socket's buffer.
    scratch: [u8; 2 * ANSWER_LEN_MAX],
}

impl<R: Responder, D: Port> SmoltcpHost<R, D> {
    /// One that connects to the peer.
    pub fn new(sums: Sums, responder: R) -> SmoltcpHost<R, D> {
        let mut device = D::new(sums);
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

impl<R: Responder, D: Port> Host for SmoltcpHost<R, D> {
    const BODY_LENGTH_DIGITS: usize = R::BODY_LENGTH_DIGITS;

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.device.load(frames);
    }

    #[inline]
    fn step(&mut self) {
        self.interface.poll_ingress_single(NOW, &mut self.device, &mut self.sockets);
        self.respond();
        self.interface.poll_egress(NOW, &mut self.device, &mut self.sockets);
    }

    fn sent(&self) -> u64 {
        self.device.sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.device.kept()
    }

    fn flush_next(&mut self) {
        self.device.flush_next();
    }
}

impl<R: Responder> ToDoorbell for SmoltcpHost<R, Rings<Heard>> {
    #[inline(always)]
    fn rang_at(&self) -> u64 {
        self.device.tx.rang_at()
    }
}

/// What smoltcp is run on.
pub trait Port: Device {
    /// One whose verdicts are as `sums` says.
    fn new(sums: Sums) -> Self;
    /// Has `frames` received, one a poll, in their order.
    fn load(&mut self, frames: &[Vec<u8>]);
    /// How many frames were sent.
    fn sent(&self) -> u64;
    /// The last few of them, the newest last.
    fn kept(&self) -> Vec<&[u8]>;
    /// Takes the frame that comes in next out of every cache, where that can be done.
    fn flush_next(&mut self) {}
}

#[inline]
fn capabilities(sums: Sums) -> DeviceCapabilities {
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ethernet;
    capabilities.max_transmission_unit = 1514;
    capabilities.max_burst_size = Some(1);
    capabilities.checksum = match sums {
        Sums::Offloaded => ChecksumCapabilities::ignored(),
        Sums::InSoftware => ChecksumCapabilities::default(),
    };
    capabilities
}

/// The NIC in memory, with its pool of frames, as smoltcp wants it.
pub struct Pooled {
    nic: MemoryNic,
    sums: Sums,
}

impl Port for Pooled {
    fn new(sums: Sums) -> Pooled {
        Pooled { nic: MemoryNic::new(sums), sums }
    }

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.nic.load(frames);
    }

    fn sent(&self) -> u64 {
        self.nic.sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.nic.kept().collect()
    }
}

impl Device for Pooled {
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
        capabilities(self.sums)
    }
}

/// A frame of a pool.
pub struct Received(Frame);

impl phy::RxToken for Received {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0.bytes())
    }
}

/// Where one is to be had.
pub struct ToSend<'a>(&'a mut MemoryNic);

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

/// Rings of buffers, as smoltcp wants them.
pub struct Rings<D = Unheard> {
    rx: RxRing,
    tx: TxRing<D>,
    sums: Sums,
}

impl<D: Doorbell> Port for Rings<D> {
    fn new(sums: Sums) -> Rings<D> {
        Rings { rx: RxRing::new(sums), tx: TxRing::default(), sums }
    }

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.rx.load(frames);
    }

    fn sent(&self) -> u64 {
        self.tx.sent()
    }

    fn kept(&self) -> Vec<&[u8]> {
        self.tx.kept()
    }

    fn flush_next(&mut self) {
        self.rx.flush_next();
    }
}

impl<D: Doorbell> Device for Rings<D> {
    type RxToken<'a>
        = InRing<'a>
    where
        D: 'a;
    type TxToken<'a>
        = ToRing<'a, D>
    where
        D: 'a;

    #[inline]
    fn receive(&mut self, _: Instant) -> Option<(InRing<'_>, ToRing<'_, D>)> {
        let (_, bytes) = self.rx.receive()?;
        Some((InRing(bytes), ToRing(self.tx.buffer())))
    }

    #[inline]
    fn transmit(&mut self, _: Instant) -> Option<ToRing<'_, D>> {
        Some(ToRing(self.tx.buffer()))
    }

    #[inline]
    fn capabilities(&self) -> DeviceCapabilities {
        capabilities(self.sums)
    }
}

/// A frame in its buffer.
pub struct InRing<'a>(&'a [u8]);

impl phy::RxToken for InRing<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Where the next frame is written.
pub struct ToRing<'a, D>(TxBuffer<'a, D>);

impl<D: Doorbell> phy::TxToken for ToRing<'_, D> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let ToRing(mut buffer) = self;
        let result = f(&mut buffer.space()[..len]);
        buffer.send(len, TxMeta::default());
        result
    }
}
