//! The busy-polling loop around the [`pipeline`](crate::pipeline): one core, one device, every
//! session on it.

mod counters;
#[cfg(test)]
mod crowd;
mod device;
mod joined;
mod measured;

use core::net::Ipv4Addr;

use crate::app::{Application, SessionId};
use crate::desk::{Desk, LineEvent, RosterError, SessionPlan};
use crate::emit::Emitter;
use crate::familiar::{FRAMES_AHEAD, Familiar};
use crate::held_frames::HeldFrames;
#[cfg(feature = "journal")]
use crate::journal_file::FileStore;
use crate::measure::Intervals;
use crate::neighbor::{Neighbors, Network, Resolution};
use crate::offload::capability::Capability;
use crate::offload::nic::{BURST_MAX, Burst, Frame, Nic};
use crate::offload::observe::Observations;
use crate::offload::plan::Plan;
use crate::sent_stamps::SentStamps;
use crate::stamps::Stamps;
use crate::steer::{self, Steering};
use crate::tcp::{Config, ConnectionId, Stack};
use crate::time::{Clock, Instant, Now};
use crate::verify::Verifier;
use crate::watch::Watch;
use crate::wire::ethernet::Mac;
use crate::wire::{Refusal, RefusalCounters};
use joined::Joined;

/// Everything from the device to the strategy, set up once and then polled.
pub struct Engine<N: Nic, A: Application> {
    pub(crate) nic: N,
    pub(crate) plan: Plan,
    pub(crate) familiar: Familiar,
    pub(crate) steering: Steering,
    pub(crate) stamps: Stamps,
    pub(crate) verifier: Verifier,
    pub(crate) emitter: Emitter,
    pub(crate) neighbors: Neighbors,
    pub(crate) tcp: Stack,
    pub(crate) desk: Desk<A>,
    pub(crate) observations: Observations,
    pub(crate) watch: Watch,
    pub(crate) outbound: Burst<N::Frame>,
    pub(crate) held: HeldFrames<N::Frame>,
    /// Where sendings are stamped.
    pub(crate) sent: Option<Box<SentStamps>>,
    /// Boxed, so that a round takes it out and puts it back by its address.
    inbound: Option<Box<Burst<N::Frame>>>,
    joined: Joined,
    refusals: RefusalCounters,
    intervals: Intervals,
    /// How many rounds in a row TCP's timers have waited for frames.
    rounds_behind: u32,
}

/// IPv4 and TCP headers without options, in bytes.
const IP_AND_TCP_HEADERS_LEN: u16 = 40;
/// The least that an IPv4 link carries in one piece (RFC 791 3.2) and still leaves TCP its options and
/// some data.
const MTU_MIN: u16 = 128;

/// So many full rounds in a row TCP's timers wait for what came before: as many frames as the longest rings hold.
const ROUNDS_BEHIND_MAX: u32 = 128;

/// How the engine is set up.
pub struct Setup {
    /// Who it is on the link.
    pub network: Network,
    /// Its TCP.
    pub tcp: Config,
    /// The secret behind initial sequence numbers and ports (RFC 6528): random, new every start.
    pub secret: [u8; 16],
    /// The sessions that it trades.
    pub sessions: Vec<SessionPlan>,
}

impl<N: Nic, A: Application> Engine<N, A> {
    /// An engine on a running device. Everything is allocated here; polling allocates nothing.
    ///
    /// # Errors
    /// A session that cannot be served, or a link too narrow, in words.
    pub fn new(nic: N, plan: Plan, setup: Setup, app: A) -> Result<Self, String> {
        let mut engine = Engine::by(nic, plan, setup, Resolution::Own, app)?;
        let (dst, announcement) = engine.neighbors.announcement();
        engine.send_arp(Instant::ZERO, dst, &announcement);
        Ok(engine)
    }

    /// The same beside a kernel that keeps the port: it sends and answers no ARP. Between rounds the kernel is to be
    /// asked for [`next_wanted_neighbor`](Engine::next_wanted_neighbor), and what it knows goes to
    /// [`on_neighbor`](Engine::on_neighbor).
    ///
    /// # Errors
    /// As of [`new`](Engine::new).
    pub fn beside_kernel(nic: N, plan: Plan, setup: Setup, app: A) -> Result<Self, String> {
        Engine::by(nic, plan, setup, Resolution::Kernel, app)
    }

    fn by(
        nic: N,
        plan: Plan,
        mut setup: Setup,
        resolution: Resolution,
        app: A,
    ) -> Result<Self, String> {
        // No packet is longer than the device's frames, whatever the link would carry.
        setup.network.mtu = setup.network.mtu.min(u16::try_from(nic.mtu()).unwrap_or(u16::MAX));
        if setup.network.mtu < MTU_MIN {
            let mtu = setup.network.mtu;
            return Err(format!(
                "an MTU of {mtu} bytes carries no FIX; raise it to {MTU_MIN} at least"
            ));
        }
        setup.tcp.mss = setup.tcp.mss.min(setup.network.mtu - IP_AND_TCP_HEADERS_LEN);
        let mut tcp = Stack::new(setup.tcp, setup.secret);
        let desk = Desk::new(setup.network.addr, setup.sessions, &mut tcp, app)?;
        Ok(Engine {
            familiar: Familiar::new(&setup.network),
            steering: Steering::new(&plan)?,
            stamps: Stamps::new(&plan, nic.clock()),
            verifier: Verifier::new(&plan),
            watch: Watch::new(&plan),
            emitter: Emitter::new(&plan, setup.network).for_connections(tcp.connections_max()),
            neighbors: Neighbors::by(setup.network, resolution),
            observations: Observations::default(),
            joined: Joined::new(),
            inbound: Some(Box::default()),
            outbound: Burst::new(),
            held: HeldFrames::new(plan.uses(Capability::HeldFrames)),
            sent: SentStamps::new(&plan, nic.clock(), tcp.connections_max()),
            refusals: RefusalCounters::default(),
            intervals: Intervals::new(),
            rounds_behind: 0,
            nic,
            plan,
            tcp,
            desk,
        })
    }

    /// Has a session go on with the numbers of a file and keep there what it sends. To be called before the first
    /// [`poll`](Engine::poll).
    #[cfg(feature = "journal")]
    pub fn keep_in(&mut self, session: SessionId, store: Box<FileStore>) {
        self.desk.keep_in(session, store);
    }

    /// The files of its sessions, to be closed while another process may go on with them. It is not to be polled before each
    /// [has its own again](Engine::put_store).
    #[cfg(feature = "journal")]
    pub fn take_stores(&mut self) -> Vec<(SessionId, Box<FileStore>)> {
        self.desk.take_stores()
    }

    /// Has a session go on with its file, which was closed meanwhile and has changed in nothing.
    #[cfg(feature = "journal")]
    pub fn put_store(&mut self, session: SessionId, store: Box<FileStore>) {
        self.desk.put_store(session, store);
    }

    /// One round: what has arrived, what is due, what may be sent. Says how many frames came.
    ///
    /// Each frame's answer is handed to the device before the next frame is looked at.
    #[inline]
    pub fn poll(&mut self, clock: &impl Clock) -> usize {
        self.nic.reclaim();
        let Some(mut inbound) = self.inbound.take() else { return 0 };
        let received = self.nic.rx_burst(&mut inbound);
        if received > 0
            && let Some(recorder) = self.desk.recorder()
        {
            recorder.on_burst();
        }
        let now = clock.now();
        if self.sent.is_some() {
            self.drain_sent(now.mono);
        }
        if received > 1 && (self.tcp.is_crowded() || self.desk.is_crowded()) {
            self.take_in_crowd(now, clock, &inbound);
        } else {
            for frame in &inbound[..] {
                self.take_in(now, frame, ConnectionId::NOBODY);
                self.send(now, clock);
            }
        }
        while let Some(frame) = inbound.pop() {
            drop(frame);
        }
        self.inbound = Some(inbound);
        self.on_time(now, received);
        // What deadlines and applications have led to; what found no buffer or no room before.
        if A::WANTS_POLL || self.tcp.has_turns() || !self.outbound.is_empty() {
            self.send(now, clock);
        }
        if !self.held.is_empty() {
            self.held.let_go(&self.tcp);
        }
        if self.watch.due() <= now.mono && (received == 0 || self.watch.is_overdue(now.mono)) {
            self.look_at_device(now.mono);
        }
        received
    }

    /// The same where connections are many: those of a few frames are fetched together, while the few before them are taken
    /// in, and whose each frame is, is found out once.
    #[inline(never)]
    fn take_in_crowd(&mut self, now: Now, clock: &impl Clock, waiting: &[N::Frame]) {
        let mut groups = waiting.chunks(FRAMES_AHEAD);
        let mut next = groups.next().map(|group| (group, self.look_ahead(group)));
        while let Some((group, known)) = next {
            next = groups.next().map(|group| (group, self.look_ahead(group)));
            for (frame, whose) in group.iter().zip(known) {
                self.take_in(now, frame, whose);
                self.send(now, clock);
            }
        }
    }

    #[inline(always)]
    fn look_ahead(&mut self, group: &[N::Frame]) -> [ConnectionId; FRAMES_AHEAD] {
        let bytes = group.iter().map(|frame| frame.bytes());
        let known = self.familiar.look_ahead(&self.tcp, bytes);
        for connection in known {
            self.emitter.fetch(connection);
            self.desk.fetch(connection);
        }
        known
    }

    /// Takes a frame in, of which it is known already, unless it is nobody's, that it is `whose`.
    #[inline]
    fn take_in(&mut self, now: Now, frame: &N::Frame, whose: ConnectionId) {
        let outcome = if frame.segments() == 1 {
            let meta = self.nic.rx_meta(frame);
            self.receive(now, &meta, frame.bytes(), whose)
        } else {
            self.receive_joined(now, frame)
        };
        if let Err(reason) = outcome {
            self.refusals.count(reason);
        }
    }

    /// Takes in a frame that lies in several pieces.
    #[inline(never)]
    fn receive_joined(&mut self, now: Now, frame: &N::Frame) -> Result<(), Refusal> {
        let mut joined = core::mem::take(&mut self.joined);
        let meta = self.nic.rx_meta(frame);
        let stamp = self.stamps.stamp(now, &meta, &mut self.observations);
        let outcome = joined.join(frame).and_then(|bytes| {
            self.steering.admits(&meta, bytes, &mut self.observations)?;
            self.receive_any(now, &meta, stamp, bytes)
        });
        self.joined = joined;
        outcome
    }

    /// Frames what the streams hold and hands it to the device.
    #[inline]
    fn send(&mut self, now: Now, clock: &impl Clock) {
        self.desk.settle(now, &mut self.tcp);
        self.transmit(now);
        if self.desk.recorder().is_some_and(|recorder| recorder.has_answers()) {
            return self.send_measured(now, clock);
        }
        self.send_complete(now, clock);
    }

    /// Hands the device what is complete.
    #[inline(always)]
    fn send_complete(&mut self, now: Now, clock: &impl Clock) {
        let orders = self.desk.take_orders_encoded();
        if self.outbound.is_empty() {
            // An order that waits for a window is no measure of the host.
            return;
        }
        if orders > 0 {
            self.intervals.record_frame_to_order(clock.now().mono.ns_since(now.mono), orders);
        }
        self.flush(|| clock.now().mono);
    }

    /// Timers: ARP, TCP, sessions, and the application's own.
    #[inline]
    fn on_time(&mut self, now: Now, received: usize) {
        if self.neighbors.next_timeout() <= now.mono {
            self.ask_neighbors(now);
        }
        if self.tcp.next_timeout().min(self.desk.next_timeout()) <= now.mono {
            self.on_due(now, received);
        }
        self.desk.give_turns(now, &mut self.tcp);
    }

    /// What TCP or the sessions have waited for has not come: whoever is silent may have spoken, in a frame that waits.
    #[inline(never)]
    fn on_due(&mut self, now: Now, received: usize) {
        if !self.has_heard_all(received) {
            return;
        }
        if self.tcp.next_timeout() <= now.mono {
            self.tcp.on_timeout(now.mono);
        }
        self.desk.on_time(now, &mut self.tcp);
    }

    /// Whether no frame waits behind the `received` ones of this round, or others have waited long enough: a host that stood
    /// still has answers to hear before it sends again, or ends, what it takes for unanswered.
    fn has_heard_all(&mut self, received: usize) -> bool {
        let may_wait = received == BURST_MAX && self.rounds_behind < ROUNDS_BEHIND_MAX;
        self.rounds_behind = if may_wait { self.rounds_behind + 1 } else { 0 };
        !may_wait
    }

    /// Asks for hardware addresses, and for those that are old again.
    #[inline(never)]
    fn ask_neighbors(&mut self, now: Now) {
        let given_up = self.neighbors.counters().neighbor_unreachable;
        while let Some((dst, request)) = self.neighbors.poll_transmit(now.mono) {
            self.send_arp(now.mono, dst, &request);
        }
        if self.neighbors.counters().neighbor_unreachable > given_up {
            // Whoever still has something to send asks anew, for as long as TCP has patience.
            self.tcp.resume_transmits();
        }
    }

    /// The earliest moment at which [`poll`](Engine::poll) has something to do though nothing arrives.
    pub fn next_timeout(&self) -> Instant {
        let ours = self.neighbors.next_timeout().min(self.watch.due());
        ours.min(self.tcp.next_timeout()).min(self.desk.next_timeout())
    }

    /// Begins to log every session out; [`is_idle`](Engine::is_idle) tells when all are down.
    pub fn log_out(&mut self, now: Now, reason: &str) {
        self.desk.log_out(now, &mut self.tcp, reason);
    }

    /// Adds a session while others trade: an initiator connects at once, an acceptor's port is listened on. Its number may be
    /// that of one that was removed; the application must know what to do with it. Takes memory: to be called between
    /// rounds, where a pause does no harm.
    ///
    /// # Errors
    /// [`RosterError`]; nothing has changed.
    pub fn add_session(
        &mut self,
        now: Now,
        session: SessionPlan,
    ) -> Result<SessionId, RosterError> {
        let network = self.neighbors.network();
        if !steer::reaches(&self.plan, network.addr, network.vlan, &session) {
            return Err(RosterError::NotSteered);
        }
        self.desk.add_session(now, &mut self.tcp, session)
    }

    /// Forgets a session that was [drained](Engine::drain_session) and is down, numbers and all.
    ///
    /// # Errors
    /// [`RosterError::Unknown`], [`RosterError::NotDrained`].
    pub fn remove_session(&mut self, session: SessionId) -> Result<(), RosterError> {
        self.desk.remove_session(&mut self.tcp, session)
    }

    /// How many connections there may be at a time, all of whose memory there is.
    pub fn connections_max(&self) -> usize {
        self.tcp.connections_max()
    }

    /// Whether every session is down for good and every connection is closed.
    pub fn is_idle(&self) -> bool {
        self.desk.is_done()
    }

    /// Who finds hardware addresses.
    pub fn resolution(&self) -> Resolution {
        self.neighbors.resolution()
    }

    /// The next neighbour that the kernel is to find, [beside one](Engine::beside_kernel). To be called between
    /// rounds, until `None`.
    pub fn next_wanted_neighbor(&mut self) -> Option<Ipv4Addr> {
        self.neighbors.next_wanted()
    }

    /// What the kernel's table says of a neighbour: its hardware address, or `None` when nobody answered the kernel.
    /// To be called between rounds.
    pub fn on_neighbor(&mut self, now: Now, addr: Ipv4Addr, mac: Option<Mac>) {
        // Whoever still has something to send goes on, or asks anew.
        if self.neighbors.on_kernel(now.mono, addr, mac) || mac.is_none() {
            self.tcp.resume_transmits();
        }
    }

    /// The kernel refused to be asked for a neighbour.
    pub fn on_neighbor_refused(&mut self) {
        self.neighbors.on_kernel_refused();
    }

    /// The neighbour on the way to `remote` whose hardware address is not known.
    pub fn unresolved_next_hop(&self, remote: Ipv4Addr) -> Option<Ipv4Addr> {
        let next_hop = self.neighbors.network().next_hop(remote)?;
        (!self.neighbors.knows(next_hop)).then_some(next_hop)
    }

    /// The application.
    pub fn app(&self) -> &A {
        self.desk.app()
    }

    /// The application, to change.
    pub fn app_mut(&mut self) -> &mut A {
        self.desk.app_mut()
    }

    /// The application, everything else let go.
    pub fn into_app(self) -> A {
        self.desk.into_app()
    }

    /// The device, everything else let go: no frame of its is about any more.
    pub fn into_nic(self) -> N {
        self.nic
    }

    /// The sessions and their lines.
    pub fn desk(&self) -> &Desk<A> {
        &self.desk
    }

    /// What happened to lines since it was last asked, the oldest first: one event a call. The last
    /// of them are kept when nobody asks.
    pub fn next_line_event(&mut self) -> Option<LineEvent> {
        self.desk.next_event()
    }

    /// The device.
    pub fn nic(&self) -> &N {
        &self.nic
    }

    /// The device, to change: for one that is steered from outside, such as a model.
    pub fn nic_mut(&mut self) -> &mut N {
        &mut self.nic
    }
}
