//! The packet's path, whole: read this first.
//!
//! ```text
//!  wire                                                                                      strategy
//!   |  1 rx_burst  2 steering  3 checksum  4 timestamp  5 ethernet/ipv4  6 tcp  7 fix           |
//!   +--> Nic -----> FlowRule -> Verdict ---> RxStamp ---> Packet --------> stream -> Message --->+ on_message
//!   +<-- Nic <----- tx flags or software checksum <------ headers <------- encode in place <----+ orders
//!      9 tx_burst           8 one place decides, from the Plan
//! ```
//!
//! Step 1 is the device's (`hw`); 2 and 4 are, or else [`steer`](crate::steer)'s and
//! [`stamps`](crate::stamps)'; 3 is [`Verifier`](crate::verify::Verifier), 5 is
//! [`wire`](crate::wire), 6 is [`tcp`](crate::tcp), 7 is [`fix`](crate::fix) behind the
//! [`Desk`](crate::desk::Desk), 8 is [`Emitter`](crate::emit::Emitter).

use crate::app::Application;
use crate::desk::receipt_of;
use crate::emit;
use crate::engine::Engine;
use crate::familiar::Recognized;
use crate::held_frames::Left;
use crate::neighbor::Resolution;
use crate::offload::RxStamp;
use crate::offload::capability::Capability;
use crate::offload::nic::{Frame, Nic, RxMeta};
use crate::tcp::{Arrival, ConnectionId, Turn};
use crate::time::{Instant, Now};
use crate::wire::ethernet::{self, Ethertype, Mac};
use crate::wire::icmp::Message;
use crate::wire::ipv4::{self, Protocol};
use crate::wire::{Refusal, arp, tcp};

impl<N: Nic, A: Application> Engine<N, A> {
    /// A frame's way in, from the device's buffer to the strategy. What the strategy answers is
    /// already encoded in its connection's stream when this returns; [`Engine::transmit`] frames it. It is `whose`, if that
    /// is known already.
    ///
    /// # Errors
    /// The one reason why the frame went no further.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        now: Now,
        meta: &RxMeta,
        bytes: &[u8],
        whose: ConnectionId,
    ) -> Result<(), Refusal> {
        let stamp = self.stamps.stamp(now, meta, &mut self.observations);
        self.steering.admits(meta, bytes, &mut self.observations)?;
        if meta.vlan.is_none()
            && let Some((frame, connection)) = self.familiar.find_known(&self.tcp, bytes, whose)
        {
            return self.receive_familiar(now, meta, stamp, connection, frame);
        }
        self.receive_any(now, meta, stamp, bytes)
    }

    /// A frame that is built as nearly every one is, and whose: only its checksums and numbers are left to look at.
    #[inline(always)]
    fn receive_familiar(
        &mut self,
        now: Now,
        meta: &RxMeta,
        stamp: RxStamp,
        connection: ConnectionId,
        frame: Recognized<'_>,
    ) -> Result<(), Refusal> {
        if !self.verifier.believes(meta, &mut self.observations)
            && !self.verifier.finds_right(meta, &frame.packet(), frame.bytes())
        {
            self.verify_familiar(meta, frame)?;
        }
        let payload = frame.payload();
        if self.tcp.take_predicted(now.mono, connection, frame.stamped()) {
            let arrival = Arrival::predicted(connection, payload.len());
            self.desk.on_arrival(now, &mut self.tcp, &arrival, payload, Some(stamp));
            return Ok(());
        }
        self.take_unpredicted(now, stamp, connection, frame);
        Ok(())
    }

    /// The ways through TCP of a familiar frame that is not the one to come: the short one where it comes ahead of its
    /// turn or fills a hole, or the long one.
    #[cold]
    #[inline(never)]
    fn take_unpredicted(
        &mut self,
        now: Now,
        stamp: RxStamp,
        connection: ConnectionId,
        frame: Recognized<'_>,
    ) {
        let (stamped, payload) = (frame.stamped(), frame.payload());
        self.tcp.receive_by(receipt_of(stamp));
        if let Some(arrival) = self.tcp.take_ahead(now.mono, connection, stamped, payload) {
            self.desk.on_arrival(now, &mut self.tcp, &arrival, payload, Some(stamp));
            return;
        }
        // Its connection may be no more.
        self.familiar.forget();
        let (packet, segment) = (frame.packet(), frame.segment());
        let arrival = self.tcp.on_segment(now.mono, packet.src, packet.dst, &segment);
        self.desk.on_arrival(now, &mut self.tcp, &arrival, segment.payload, Some(stamp));
    }

    /// The long way to believe a familiar frame: an audit, or a device that says more than good.
    #[cold]
    #[inline(never)]
    fn verify_familiar(&mut self, meta: &RxMeta, frame: Recognized<'_>) -> Result<(), Refusal> {
        let packet = frame.packet();
        self.verifier.ipv4(meta, &packet, &mut self.observations)?;
        let l2_len = ethernet::HEADER_LEN;
        self.verifier.tcp(meta, l2_len, &packet, &frame.tcp(), &mut self.observations)
    }

    /// Any frame, its headers read one by one.
    #[cold]
    #[inline(never)]
    pub(crate) fn receive_any(
        &mut self,
        now: Now,
        meta: &RxMeta,
        stamp: RxStamp,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        let frame = ethernet::Packet::parse(bytes)?;
        self.accepts_link(&frame, meta.vlan)?;
        if frame.ethertype == Ethertype::Arp {
            return self.receive_arp(now, &arp::Repr::parse(frame.payload)?);
        }
        let packet = ipv4::Packet::parse(frame.payload)?;
        self.accepts_addresses(&packet)?;
        self.verifier.ipv4(meta, &packet, &mut self.observations)?;
        if packet.protocol == Protocol::Icmp {
            return self.receive_icmp(now, &frame, &packet);
        }
        let segment = tcp::Packet::parse(packet.payload)?;
        self.verifier.tcp(meta, frame.header_len, &packet, &segment, &mut self.observations)?;
        let mut segment = segment.segment()?;
        segment.is_ce = packet.is_ce();
        self.tcp.receive_by(receipt_of(stamp));
        let arrival = self.tcp.on_segment(now.mono, packet.src, packet.dst, &segment);
        self.desk.on_arrival(now, &mut self.tcp, &arrival, segment.payload, Some(stamp));
        Ok(())
    }

    /// The way out: every segment that may go now becomes a frame in the transmit burst, as long as
    /// the device has buffers and its next hop is known.
    #[inline]
    pub(crate) fn transmit(&mut self, now: Now) {
        while self.tcp.has_transmits() && (self.transmit_usual(now) || self.transmit_any(now)) {}
    }

    /// The next segment, if it is what nearly every segment is. Says whether it was; if not, nothing has happened.
    #[inline(always)]
    fn transmit_usual(&mut self, now: Now) -> bool {
        if self.outbound.is_full() {
            return false;
        }
        let Some(leaving) = self.tcp.next_fast(now.mono) else { return false };
        let mac = self.neighbors.hardware_word(now.mono, leaving.remote());
        let (Some(mac), Some(mut frame)) = (mac, self.nic.tx_frame()) else { return false };
        let Some(len) = self.emitter.usual(mac, leaving, frame.space()) else { return false };
        frame.finish(len, self.emitter.usual_meta());
        self.outbound.push(frame);
        true
    }

    /// Any segment. Says whether there may be more.
    #[cold]
    #[inline(never)]
    fn transmit_any(&mut self, now: Now) -> bool {
        let Some(turn) = self.tcp.next_transmit() else { return false };
        let Some(mac) = self.neighbors.hardware_address(now.mono, turn.remote) else {
            self.tcp.defer_transmit();
            return true;
        };
        if !self.held.is_empty()
            && let Some(is_more) = self.transmit_held(now, mac, turn)
        {
            return is_more;
        }
        let Some(mut frame) = self.frame_to_write(now.mono) else { return false };
        if let Some((len, meta)) =
            self.emitter.turn(mac, &mut self.tcp, now.mono, turn, frame.space())
        {
            frame.finish(len, meta);
            self.outbound.push(frame);
        }
        true
    }

    /// Step 5, the link: is the frame for this port?
    #[inline]
    fn accepts_link(
        &self,
        frame: &ethernet::Packet<'_>,
        stripped: Option<u16>,
    ) -> Result<(), Refusal> {
        let network = self.neighbors.network();
        if frame.dst != network.mac && frame.dst != Mac::BROADCAST {
            return Err(Refusal::EthernetNotForUs);
        }
        let vlan = frame.vlan.or(stripped.map(|tci| tci & 0x0fff).filter(|vlan| *vlan != 0));
        if vlan == network.vlan { Ok(()) } else { Err(Refusal::VlanNotOurs) }
    }

    /// Step 5, the network: is the packet for this host, and from one?
    #[inline]
    fn accepts_addresses(&self, packet: &ipv4::Packet<'_>) -> Result<(), Refusal> {
        if packet.dst != self.neighbors.network().addr {
            return Err(Refusal::Ipv4NotForUs);
        }
        if ipv4::is_valid_source(packet.src) { Ok(()) } else { Err(Refusal::Ipv4SourceInvalid) }
    }

    fn receive_arp(&mut self, now: Now, packet: &arp::Repr) -> Result<(), Refusal> {
        let heard = self.neighbors.on_arp(now.mono, packet)?;
        if heard.resolved.is_some() {
            self.tcp.resume_transmits();
        }
        if let Some((dst, reply)) = heard.reply {
            self.send_arp(now.mono, dst, &reply);
        }
        Ok(())
    }

    fn receive_icmp(
        &mut self,
        now: Now,
        frame: &ethernet::Packet<'_>,
        packet: &ipv4::Packet<'_>,
    ) -> Result<(), Refusal> {
        match Message::parse(packet.payload)? {
            Message::Echo { .. } if self.neighbors.resolution() == Resolution::Kernel => {
                Err(Refusal::IcmpEchoLeftToKernel)
            }
            Message::Echo { data } => {
                let Some(mut reply) = self.frame_to_write(now.mono) else { return Ok(()) };
                let (len, meta) =
                    self.emitter.echo_reply(frame.src, packet.src, data, reply.space())?;
                reply.finish(len, meta);
                self.outbound.push(reply);
                Ok(())
            }
            Message::TooBig { segment, mtu } => {
                self.tcp.on_path_mtu(now.mono, &segment, mtu);
                Ok(())
            }
            Message::Unreachable { segment, code } => {
                self.tcp.on_unreachable(now.mono, &segment, code);
                Ok(())
            }
        }
    }

    #[inline(never)]
    pub(crate) fn send_arp(&mut self, now: Instant, dst: Mac, packet: &arp::Repr) {
        if let Some(mut frame) = self.frame_to_write(now) {
            let (len, meta) = emit::arp(self.neighbors.network(), dst, packet, frame.space());
            frame.finish(len, meta);
            self.outbound.push(frame);
        }
    }

    /// A buffer to write a frame into, with room for it in the transmit burst.
    #[inline]
    fn frame_to_write(&mut self, now: Instant) -> Option<N::Frame> {
        if self.outbound.is_full() && !self.makes_room(now) {
            return None;
        }
        self.tx_frame()
    }

    /// A buffer to write a frame into. Where there is none, what is held gives way.
    #[inline]
    pub(crate) fn tx_frame(&mut self) -> Option<N::Frame> {
        let frame = self.nic.tx_frame();
        if frame.is_none() && !self.held.is_empty() { self.tx_frame_spared() } else { frame }
    }

    #[cold]
    #[inline(never)]
    fn tx_frame_spared(&mut self) -> Option<N::Frame> {
        if !self.held.spare(&mut self.tcp) {
            return None;
        }
        self.nic.reclaim();
        self.nic.tx_frame()
    }

    /// A segment whose payload is held in its frame. `None` where it is any other, and nothing has left; else whether there
    /// may be more.
    #[inline(never)]
    fn transmit_held(&mut self, now: Now, mac: Mac, turn: Turn) -> Option<bool> {
        if self.outbound.is_full() && !self.makes_room(now.mono) {
            return Some(false);
        }
        let (tcp, emitter, nic) = (&mut self.tcp, &mut self.emitter, &mut self.nic);
        match self.held.transmit(now.mono, (mac, turn), tcp, emitter, || nic.tx_frame()) {
            Left::AsUsual => return None,
            Left::Nothing => {}
            Left::NoBuffer => return Some(self.held.spare(&mut self.tcp)),
            Left::Frame(frame) => {
                self.observations.of_mut(Capability::HeldFrames).seen += 1;
                self.outbound.push(frame);
            }
        }
        Some(true)
    }

    /// Hands a full burst over, and says whether there is room in it then.
    #[inline(never)]
    fn makes_room(&mut self, now: Instant) -> bool {
        if let Some(recorder) = self.desk.recorder() {
            recorder.on_part();
        }
        self.flush(|| now);
        !self.outbound.is_full()
    }

    /// Hands the transmit burst to the device; what it does not take stays for the next round. Where sendings are
    /// stamped, the time at hand is asked for.
    #[inline(always)]
    pub(crate) fn flush(&mut self, doorbell: impl FnOnce() -> Instant) {
        if self.sent.is_some() {
            self.flush_stamped(doorbell);
        } else {
            self.hand_over();
        }
    }

    /// Says how many the device took.
    #[inline(always)]
    pub(crate) fn hand_over(&mut self) -> usize {
        let by_device = self.emitter.leaves_to_device();
        let sent = self.nic.tx_burst(&mut self.outbound) as u64;
        for capability in by_device.into_iter().flatten() {
            self.observations.of_mut(capability).seen += sent;
        }
        sent as usize
    }
}
