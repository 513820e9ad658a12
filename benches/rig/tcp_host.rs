//! fixwire's TCP without FIX: the path of `src/pipeline.rs` with its public parts, a [`Responder`] in the
//! desk's place, and [rings](crate::ring) of buffers in the driver's.

use fixwire::emit::{self, Emitter};
use fixwire::familiar::{FRAMES_AHEAD, Familiar, Recognized};
use fixwire::neighbor::{Neighbors, Network};
use fixwire::offload::nic::RxMeta;
use fixwire::offload::observe::Observations;
use fixwire::tcp::{Arrival, Config, ConnectionId, Endpoint, Event, Stack};
use fixwire::time::{Duration, Instant};
use fixwire::verify::Verifier;
use fixwire::wire::ethernet::{self, Ethertype, Mac};
use fixwire::wire::{Refusal, arp, ipv4, tcp};

use crate::alone::ToDoorbell;
use crate::line::Host;
use crate::nic::Sums;
use crate::peer::{HOST_ADDR, HOST_MAC, PEER_ADDR, PEER_PORT};
use crate::respond::{ANSWER_LEN_MAX, Responder};
use crate::ring::{Doorbell, Heard, RxRing, TxRing, Unheard};

/// When everything begins; unless [told otherwise](TcpHost::burst) the clock stands still.
pub const NOW: Instant = Instant::from_ms(1_000);

/// The buffers of each connection where there are many, in bytes.
const SMALL_BUFFER_BYTES: usize = 4_096;

/// What is agreed on, or set, otherwise than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Nothing.
    Usual,
    /// ECN is agreed on, and nothing is marked.
    Ecn,
    /// SACK is not.
    NoSack,
    /// ACKs may wait for 40 ms.
    AckDelay,
    /// Orders grow stale after a second.
    StaleAfter,
}

impl Setting {
    /// All but the usual.
    pub const OTHERS: [Setting; 4] =
        [Setting::Ecn, Setting::NoSack, Setting::AckDelay, Setting::StaleAfter];

    /// As a case is called.
    pub const fn name(self) -> &'static str {
        match self {
            Setting::Usual => "",
            Setting::Ecn => ", ECN",
            Setting::NoSack => ", no SACK",
            Setting::AckDelay => ", ack_delay",
            Setting::StaleAfter => ", stale_after",
        }
    }

    fn config(self) -> Config {
        let usual = Config::default();
        match self {
            Setting::Usual => usual,
            Setting::Ecn => Config { ecn: true, ..usual },
            Setting::NoSack => Config { sack: false, ..usual },
            Setting::AckDelay => Config { ack_delay: Some(Duration::from_ms(40)), ..usual },
            Setting::StaleAfter => Config { stale_after: Some(Duration::from_s(1)), ..usual },
        }
    }
}

/// Headers, checksums and TCP.
pub struct TcpHost<R, D = Unheard> {
    rx: RxRing,
    tx: TxRing<D>,
    path: Path<R>,
}

/// What a frame goes through.
struct Path<R> {
    familiar: Familiar,
    verifier: Verifier,
    observations: Observations,
    neighbors: Neighbors,
    tcp: Stack,
    emitter: Emitter,
    established: usize,
    responder: R,
}

impl<R: Responder, D: Doorbell> TcpHost<R, D> {
    /// One that connects to the peer.
    pub fn new(sums: Sums, responder: R) -> TcpHost<R, D> {
        TcpHost::with(sums, responder, Setting::Usual)
    }

    /// The same where TCP is set otherwise.
    pub fn with(sums: Sums, responder: R, setting: Setting) -> TcpHost<R, D> {
        let mut host = TcpHost::by(sums, responder, setting.config());
        host.connect();
        host
    }

    /// One that has room for so many connections, and none yet.
    pub fn for_connections(sums: Sums, responder: R, connections: usize) -> TcpHost<R, D> {
        let mut config = Config::default();
        if connections > config.connections_max {
            config.connections_max = connections;
            config.send_buffer_bytes = SMALL_BUFFER_BYTES;
            config.receive_buffer_bytes = SMALL_BUFFER_BYTES;
            config.message_bytes_max = SMALL_BUFFER_BYTES;
        }
        TcpHost::by(sums, responder, config)
    }

    fn by(sums: Sums, responder: R, config: Config) -> TcpHost<R, D> {
        let network = Network {
            mac: HOST_MAC,
            addr: HOST_ADDR,
            prefix_len: 24,
            gateway: None,
            vlan: None,
            mtu: 1500,
        };
        let plan = sums.plan();
        let tcp = Stack::new(config, [7; 16]);
        let path = Path {
            familiar: Familiar::new(&network),
            verifier: Verifier::new(&plan),
            observations: Observations::default(),
            neighbors: Neighbors::new(network),
            emitter: Emitter::new(&plan, network).for_connections(tcp.connections_max()),
            established: 0,
            tcp,
            responder,
        };
        TcpHost { rx: RxRing::new(sums), tx: TxRing::default(), path }
    }

    /// Begins to connect to the peer once more.
    pub fn connect(&mut self) {
        let local = Endpoint { addr: HOST_ADDR, port: 0 };
        let remote = Endpoint { addr: PEER_ADDR, port: PEER_PORT };
        self.path.tcp.connect(NOW, local, remote).expect("there is room for it");
    }

    /// The next `count` frames come in at once, each answered before the next is looked at, as the engine has it.
    #[inline(always)]
    pub fn burst(&mut self, now: Instant, count: usize) {
        if count > 1 && self.path.tcp.is_crowded() {
            self.answer_crowd(now, count);
        } else {
            for _ in 0..count {
                self.answer(now, ConnectionId::NOBODY);
            }
        }
        if self.path.neighbors.next_timeout() <= now {
            self.path.resolve(now, &mut self.tx);
        }
    }

    /// What is due by then.
    #[inline(always)]
    pub fn on_time(&mut self, now: Instant) {
        if self.path.tcp.next_timeout() <= now {
            self.path.tcp.on_timeout(now);
        }
    }

    #[inline(always)]
    fn answer(&mut self, now: Instant, whose: ConnectionId) {
        if let Some((meta, bytes)) = self.rx.receive() {
            let outcome = self.path.receive(now, meta, bytes, whose);
            outcome.expect("the peer sends what can be taken in");
        }
        self.path.transmit(now, &mut self.tx);
    }

    /// A few are looked at while the few before them are answered.
    #[inline(never)]
    fn answer_crowd(&mut self, now: Instant, count: usize) {
        let mut left = count;
        let mut known = self.look_ahead(0, left);
        while left > 0 {
            let group = left.min(FRAMES_AHEAD);
            left -= group;
            let next = if left > 0 { self.look_ahead(group, left) } else { known };
            known[..group].iter().for_each(|whose| self.answer(now, *whose));
            known = next;
        }
    }

    /// Of the `count` frames that wait behind as many as `behind`, the first few are looked at.
    #[inline(always)]
    fn look_ahead(&mut self, behind: usize, count: usize) -> [ConnectionId; FRAMES_AHEAD] {
        let waiting = self.rx.waiting(behind, count.min(FRAMES_AHEAD));
        let known = self.path.familiar.look_ahead(&self.path.tcp, waiting);
        known.iter().for_each(|connection| self.path.emitter.fetch(*connection));
        known
    }
}

impl<R: Responder> Path<R> {
    #[inline(always)]
    fn receive(
        &mut self,
        now: Instant,
        meta: &RxMeta,
        bytes: &[u8],
        whose: ConnectionId,
    ) -> Result<(), Refusal> {
        if meta.vlan.is_none()
            && let Some((frame, connection)) = self.familiar.find_known(&self.tcp, bytes, whose)
        {
            return self.receive_familiar(now, meta, connection, frame);
        }
        self.receive_any(now, meta, bytes)
    }

    #[inline(always)]
    fn receive_familiar(
        &mut self,
        now: Instant,
        meta: &RxMeta,
        connection: ConnectionId,
        frame: Recognized<'_>,
    ) -> Result<(), Refusal> {
        if !self.verifier.believes(meta, &mut self.observations)
            && !self.verifier.finds_right(meta, &frame.packet(), frame.bytes())
        {
            self.verify_familiar(meta, frame)?;
        }
        if self.tcp.take_predicted(now, connection, frame.stamped()) {
            if !frame.payload().is_empty() {
                self.respond(now, connection, frame.payload());
            }
            return Ok(());
        }
        self.take_unpredicted(now, connection, frame);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn take_unpredicted(&mut self, now: Instant, connection: ConnectionId, frame: Recognized<'_>) {
        let (stamped, payload) = (frame.stamped(), frame.payload());
        if let Some(arrival) = self.tcp.take_ahead(now, connection, stamped, payload) {
            self.take_in(now, &arrival, payload);
            return;
        }
        self.familiar.forget();
        let (packet, segment) = (frame.packet(), frame.segment());
        let arrival = self.tcp.on_segment(now, packet.src, packet.dst, &segment);
        self.take_in(now, &arrival, segment.payload);
    }

    #[inline(never)]
    fn take_in(&mut self, now: Instant, arrival: &Arrival, payload: &[u8]) {
        let Some(connection) = arrival.connection else { return };
        if arrival.fresh.is_empty() {
            return;
        }
        self.respond(now, connection, &payload[arrival.fresh.clone()]);
        while arrival.joined && !self.tcp.readable(connection).is_empty() {
            let run = self.tcp.readable(connection);
            self.responder.take_in(run);
            let len = run.len();
            self.tcp.consume(now, connection, len);
        }
    }

    #[cold]
    #[inline(never)]
    fn verify_familiar(&mut self, meta: &RxMeta, frame: Recognized<'_>) -> Result<(), Refusal> {
        self.verify(meta, ethernet::HEADER_LEN, &frame.packet(), &frame.tcp())
    }

    #[inline(never)]
    fn verify(
        &mut self,
        meta: &RxMeta,
        l2_len: usize,
        packet: &ipv4::Packet<'_>,
        segment: &tcp::Packet<'_>,
    ) -> Result<(), Refusal> {
        self.verifier.ipv4(meta, packet, &mut self.observations)?;
        self.verifier.tcp(meta, l2_len, packet, segment, &mut self.observations)
    }

    #[cold]
    #[inline(never)]
    fn receive_any(&mut self, now: Instant, meta: &RxMeta, bytes: &[u8]) -> Result<(), Refusal> {
        let frame = ethernet::Packet::parse(bytes)?;
        if frame.dst != HOST_MAC && frame.dst != Mac::BROADCAST {
            return Err(Refusal::EthernetNotForUs);
        }
        if frame.ethertype == Ethertype::Arp {
            self.neighbors.on_arp(now, &arp::Repr::parse(frame.payload)?)?;
            self.tcp.resume_transmits();
            return Ok(());
        }
        let packet = ipv4::Packet::parse(frame.payload)?;
        if packet.dst != HOST_ADDR {
            return Err(Refusal::Ipv4NotForUs);
        }
        if !ipv4::is_valid_source(packet.src) {
            return Err(Refusal::Ipv4SourceInvalid);
        }
        let segment = tcp::Packet::parse(packet.payload)?;
        self.verify(meta, frame.header_len, &packet, &segment)?;
        let segment = segment.segment()?;
        let arrival = self.tcp.on_segment(now, packet.src, packet.dst, &segment);
        self.take_in(now, &arrival, segment.payload);
        Ok(())
    }

    #[inline(always)]
    fn respond(&mut self, now: Instant, connection: ConnectionId, message: &[u8]) {
        self.responder.take_in(message);
        let answer = |room: &mut [u8]| self.responder.answer(room);
        let written = self.tcp.write(now, connection, ANSWER_LEN_MAX, answer);
        written.expect("the peer acknowledges everything");
    }

    #[cold]
    #[inline(never)]
    fn take_events(&mut self) {
        while let Some((_, event)) = self.tcp.poll_event() {
            self.established += usize::from(event == Event::Connected);
        }
    }

    #[inline(always)]
    fn transmit<D: Doorbell>(&mut self, now: Instant, tx: &mut TxRing<D>) {
        if self.tcp.has_events() {
            self.take_events();
        }
        while self.tcp.has_transmits()
            && (self.transmit_usual(now, tx) || self.transmit_any(now, tx))
        {}
    }

    #[inline(always)]
    fn transmit_usual<D: Doorbell>(&mut self, now: Instant, tx: &mut TxRing<D>) -> bool {
        let Some(leaving) = self.tcp.next_fast(now) else { return false };
        let mac = self.neighbors.hardware_word(now, leaving.remote());
        let Some(mac) = mac else { return false };
        let mut buffer = tx.buffer();
        let Some(len) = self.emitter.usual(mac, leaving, buffer.space()) else { return false };
        buffer.send(len, self.emitter.usual_meta());
        true
    }

    #[cold]
    #[inline(never)]
    fn transmit_any<D: Doorbell>(&mut self, now: Instant, tx: &mut TxRing<D>) -> bool {
        let Some(turn) = self.tcp.next_transmit() else { return false };
        let Some(mac) = self.neighbors.hardware_address(now, turn.remote) else {
            self.tcp.defer_transmit();
            return true;
        };
        let mut buffer = tx.buffer();
        let written = self.emitter.turn(mac, &mut self.tcp, now, turn, buffer.space());
        if let Some((len, meta)) = written {
            buffer.send(len, meta);
        }
        true
    }

    #[inline(never)]
    fn resolve<D: Doorbell>(&mut self, now: Instant, tx: &mut TxRing<D>) {
        while let Some((dst, request)) = self.neighbors.poll_transmit(now) {
            let mut buffer = tx.buffer();
            let (len, meta) = emit::arp(self.neighbors.network(), dst, &request, buffer.space());
            buffer.send(len, meta);
        }
    }
}

impl<R: Responder, D: Doorbell> Host for TcpHost<R, D> {
    const BODY_LENGTH_DIGITS: usize = R::BODY_LENGTH_DIGITS;

    fn load(&mut self, frames: &[Vec<u8>]) {
        self.rx.load(frames);
    }

    #[inline(always)]
    fn step(&mut self) {
        self.burst(NOW, 1);
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

impl<R: Responder> ToDoorbell for TcpHost<R, Heard> {
    #[inline(always)]
    fn rang_at(&self) -> u64 {
        self.tx.rang_at()
    }
}
