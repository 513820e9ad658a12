//! A connection: the transmission control block (RFC 9293 3.3.1) and what every phase needs of it.
//!
//! The phases and mechanisms are files of their own, each an `impl Connection`: [`open`](super::open),
//! [`receive`](super::receive), [`acknowledge`](super::acknowledge), [`transmit`](super::transmit),
//! [`timers`](super::timers), [`close`](super::close).

use core::net::Ipv4Addr;

use super::account::Account;
use super::apart::Apart;
use super::config::Config;
use super::congestion::Congestion;
use super::counters::{Count, Counters};
use super::deadlines::Deadlines;
use super::ecn::Ecn;
use super::endpoint::Tuple;
use super::event::{Closed, Event, ListenerId, Pending};
use super::fast::{Fast, FastMax};
use super::predict::Plainness;
use super::probe::{LossProbe, ProbeDue};
use super::rack::Rack;
use super::receipts::Receipt;
use super::receive_buffer::ReceiveBuffer;
use super::reset::Resets;
use super::retransmit::RttEstimator;
use super::sack::SackReport;
use super::scoreboard::Scoreboard;
use super::send_buffer::SendBuffer;
use super::stack::Slot;
use super::timestamps::Timestamping;
use super::user_timeout::Patience;
use crate::time::{Duration, Instant};
use crate::wire::tcp::SeqNumber;

/// What a peer takes that does not say (RFC 9293 3.7.1, MUST-15), in bytes.
pub(super) const SEND_MSS_DEFAULT: u16 = 536;
/// The least MSS of a peer that is honoured, in bytes: below it headers are all that is sent.
pub(super) const SEND_MSS_MIN: u16 = 48;
/// What the timestamps option takes of every segment, in bytes, padding included.
pub(super) const TIMESTAMPS_LEN: u16 = 12;
/// Pure ACKs owed at once, at most. Each duplicate counts for the peer's fast retransmit.
pub(super) const ACKS_DUE_MAX: u8 = 8;
/// The largest window field.
pub(super) const WINDOW_FIELD_MAX: u32 = u16::MAX as u32;

/// A connection's state (RFC 9293 3.3.2). LISTEN is a listener's, not a connection's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// No connection.
    Closed,
    /// We sent a SYN.
    SynSent,
    /// A SYN came, and we sent ours.
    SynReceived,
    /// Data flows both ways.
    Established,
    /// We closed; our FIN is not acknowledged yet.
    FinWait1,
    /// Our FIN is acknowledged; the peer goes on sending.
    FinWait2,
    /// The peer closed; we go on sending.
    CloseWait,
    /// Both closed at once; our FIN is not acknowledged yet.
    Closing,
    /// The peer closed, then we; our FIN is not acknowledged yet.
    LastAck,
    /// Both closed; what may still wander the network dies out.
    TimeWait,
}

/// What a connection may use of the stack around it.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) config: &'a Config,
    pub(super) counters: &'a mut Counters,
    pub(super) resets: &'a mut Resets,
    /// How the segment at hand [was received](super::Stack::receive_by).
    pub(super) receipt: &'a Option<Receipt>,
}

impl Context<'_> {
    #[inline]
    pub(super) fn count(&mut self, what: Count) {
        self.counters.count(what);
    }
}

/// The transmission control block. Names in RFC 9293 3.3.1 and RFC 7323 are theirs.
///
/// Fields stand in the order in which they are needed, so that a segment touches few cache lines.
///
/// Counts that every segment changes are whole words, however small: a byte that was just written stalls
/// a load that takes in its neighbours.
#[repr(C, align(64))]
pub(super) struct Connection {
    pub(super) apart: Apart,
    /// Its end lies in the first of the lines below.
    pub(super) rtt: RttEstimator,

    // What every segment of a conversation touches: this cache line, the next, and one behind what follows
    // them (`fetch` has it checked).
    /// Which life of its slot it is: an id of another names nothing.
    pub(super) generation: u32,
    /// It has asked to send: it waits for its turn, or [is put aside](Slot::is_deferred).
    pub(super) is_queued: bool,
    pub(super) state: State,
    pub(super) acks_due: u8,
    /// [`retransmit`](Deadlines::retransmit) and [`probe`](Deadlines::probe) are not kept: [`catch_up`](Connection::catch_up) works them out.
    pub(super) timers_lag: bool,
    /// [What may leave first](super::fast::FastMax) where timers lag, and nothing where they do not.
    pub(super) open_max: u32,
    /// The peer's, as `tuple` has it.
    pub(super) remote_addr: Ipv4Addr,
    /// How many bytes the short way has passed over that `receive` [does not know of](Connection::catch_up) yet.
    pub(super) fresh: u32,
    pub(super) snd_una: SeqNumber,
    // In one word with `rcv_nxt`: see `awaited`.
    pub(super) snd_nxt: SeqNumber,
    pub(super) rcv_nxt: SeqNumber,
    /// The right edge of the largest window that we ever gave. It never moves back.
    pub(super) rcv_edge: SeqNumber,
    /// RFC 7323 4.3, Last.ACK.sent.
    pub(super) last_ack_sent: SeqNumber,
    // In one word, too.
    pub(super) snd_wl2: SeqNumber,
    pub(super) snd_wl1: SeqNumber,

    pub(super) fast: Fast,
    /// Meaningless without [`is_stamped`](Connection::is_stamped).
    pub(super) stamps: Timestamping,
    pub(super) last_sent: Instant,
    pub(super) last_heard: Instant,
    /// An entry in the stack's timers goes off by then.
    pub(super) woken_by: Instant,

    // What ways touch that are not as short: of several segments, of ACKs without data, of other windows.
    pub(super) fast_max: FastMax,
    pub(super) snd_wnd: u32,
    /// The largest window that the peer ever gave.
    pub(super) snd_wnd_max: u32,
    /// Payload bytes of a full segment, options deducted.
    pub(super) snd_mss: u32,
    /// How far the right edge moves at least, where less than half the buffer is open.
    pub(super) rcv_step: u32,
    /// The largest window that we ever give: the receive buffer, as far as the field can say.
    pub(super) rcv_wnd_max: u32,
    /// The longest that [`rest_len`](Connection::rest_len) says: a full segment, or nothing where small ones
    /// have to wait.
    pub(super) rest_max: u32,
    pub(super) duplicate_acks: u32,
    pub(super) keep_alive_probes: u32,
    pub(super) plain: Plainness,
    /// What comes ahead of its turn needs no look at all of it.
    pub(super) holds_plainly: bool,
    pub(super) snd_wind_shift: u8,
    pub(super) rcv_wind_shift: u8,
    /// The application has asked that segments end somewhere, or wait for more.
    pub(super) is_grouped: bool,
    /// Nothing is being repaired, undone or probed for.
    pub(super) is_calm: bool,
    /// The first that is to be sent again leaves whatever the congestion window says.
    pub(super) is_urgent: bool,
    pub(super) probe_is_for_reordering: bool,
    pub(super) keep_alive_due: bool,
    pub(super) probe_due: ProbeDue,
    pub(super) pending: Pending,

    /// But for its beginning, in the third of those lines.
    pub(super) send: SendBuffer,
    /// The application's messages.
    pub(super) account: Account,

    /// What is in flight, and what is known of it, but for [one segment](super::fast::SENT) that is all of it.
    pub(super) scoreboard: Scoreboard,
    pub(super) rack: Rack,
    pub(super) receive: ReceiveBuffer,
    pub(super) congestion: Congestion,

    // The rest, by how it is aligned.
    /// When a segment with a timestamp last came, as far back as need be: what lies before the clock's beginning, in another
    /// stack, wraps. Where the [short way](super::fast) is open, it is `last_heard`.
    pub(super) stamped_at: Instant,
    pub(super) deadlines: Deadlines,
    /// When the second began in which so many [challenges are left](Connection::challenges_left); never, if none has.
    pub(super) challenge_second: Instant,
    pub(super) ecn: Ecn,
    pub(super) sack: SackReport,
    pub(super) iss: SeqNumber,
    pub(super) irs: SeqNumber,
    /// The length that was last refused for want of room.
    pub(super) room_wanted: u32,
    pub(super) retransmissions: u32,
    pub(super) retries: u32,
    /// The listener that it came by.
    pub(super) listener: Option<ListenerId>,
    /// The number of the peer's FIN, once known.
    pub(super) fin_at: Option<SeqNumber>,
    pub(super) loss_probe: Option<LossProbe>,
    pub(super) tuple: Tuple,
    pub(super) patience: Patience,
    pub(super) challenges_left: u16,
    /// What the stack keeps of it.
    pub(super) slot: Slot,
    /// Timestamps are agreed on, or we offer them.
    pub(super) is_stamped: bool,
    /// The application holds its id.
    pub(super) is_known: bool,
    /// The application has let go of it.
    pub(super) is_released: bool,
    pub(super) closed: Option<Closed>,
    pub(super) fin_queued: bool,
    pub(super) fin_sent: bool,
    /// The peer's SYN offered scaling, and so does our answer.
    pub(super) offers_scale: bool,
    pub(super) fin_received: bool,
    pub(super) syn_due: bool,
    /// It began by a SYN cookie.
    pub(super) is_of_cookie: bool,
}

impl Connection {
    /// Whether `len` bytes can be written now.
    #[inline(always)]
    pub(super) fn takes_bytes(&self, len: usize) -> bool {
        matches!(self.state, State::Established | State::CloseWait) && self.send.takes(len)
    }

    /// Where the committed bytes end. Only before our FIN is acknowledged.
    #[inline]
    pub(super) fn stream_end(&self) -> SeqNumber {
        self.snd_una + self.send.len() as u32
    }

    /// Sequence numbers sent and not acknowledged.
    #[inline]
    pub(super) fn flight(&self) -> u32 {
        self.snd_nxt.since(self.snd_una)
    }

    /// Whether our side of the stream is open in this state, or closing: data may leave.
    #[inline]
    pub(super) fn can_transmit(&self) -> bool {
        matches!(
            self.state,
            State::Established
                | State::CloseWait
                | State::FinWait1
                | State::Closing
                | State::LastAck
        )
    }

    /// RCV.WND: what the peer may send from `rcv_nxt` on.
    #[inline]
    pub(super) fn rcv_wnd(&self) -> u32 {
        if self.rcv_edge.is_before(self.rcv_nxt) {
            return 0;
        }
        self.rcv_edge.since(self.rcv_nxt).min(self.receive.room() as u32)
    }

    /// How far the right edge of our window could move now, if that is worth telling: by a worthwhile step,
    /// or by anything while half of it and more is open, for then nothing silly can come of it.
    #[inline(always)]
    pub(super) fn window_gain(&self) -> Option<SeqNumber> {
        let edge = self.rcv_nxt + (self.receive.room() as u32).min(self.rcv_wnd_max);
        let is_ahead = self.rcv_edge.is_before(edge);
        let half = self.rcv_wnd_max / 2;
        let is_wide = self.rcv_edge.since(self.rcv_nxt).wrapping_sub(half) <= half + 1;
        let is_worthwhile = is_wide || edge.since(self.rcv_edge) >= self.rcv_step;
        (is_ahead && is_worthwhile).then_some(edge)
    }

    /// One pure ACK at least is owed.
    #[inline]
    pub(super) fn owe_ack(&mut self) {
        self.acks_due = self.acks_due.max(1);
    }

    /// A segment of data, in order, is to be acknowledged: at once, or with the next one where the
    /// configuration lets an ACK wait (RFC 5681 4.2).
    #[inline(always)]
    pub(super) fn owe_ack_of_data(&mut self, cx: &Context<'_>) {
        self.owe_ack_of_data_at(cx.now);
    }

    #[inline(always)]
    pub(super) fn owe_ack_of_data_at(&mut self, now: Instant) {
        match self.apart.terms.ack_delay() {
            Some(delay) if self.deadlines.ack == Instant::FAR_FUTURE && self.acks_due == 0 => {
                self.deadlines.ack = now + delay;
            }
            _ => self.owe_ack(),
        }
    }

    /// One more pure ACK is owed, even if others are: it says something by itself.
    pub(super) fn owe_duplicate_ack(&mut self) {
        self.acks_due = (self.acks_due + 1).min(ACKS_DUE_MAX);
    }

    /// A challenge ACK is owed, within the limit (RFC 5961 7).
    #[inline(never)]
    pub(super) fn challenge(&mut self, cx: &mut Context<'_>, why: Count) {
        cx.count(why);
        let began = self.challenge_second;
        if began == Instant::FAR_FUTURE || cx.now - began >= Duration::from_s(1) {
            self.challenge_second = cx.now;
            self.challenges_left = cx.config.challenge_acks_per_s;
        }
        if self.challenges_left == 0 {
            cx.count(Count::ChallengeAckLimited);
            return;
        }
        self.challenges_left -= 1;
        cx.count(Count::ChallengeAckOut);
        self.owe_ack();
    }

    /// The event that is due now.
    pub(super) fn next_event(&self) -> Option<Event> {
        // The stream's end is told once all before it has been taken, or looked at and left.
        let is_drained = !self.receive.has_unseen();
        let closed = self.closed.filter(|why| is_drained || *why != Closed::Finished);
        match self.pending {
            _ if !self.is_known || self.is_released => None,
            Pending { connected: true, .. } => Some(Event::Connected),
            Pending { writable: true, .. } => Some(Event::Writable),
            Pending { peer_closed: true, .. } if is_drained => Some(Event::PeerClosed),
            Pending { closed: true, .. } => closed.map(Event::Closed),
            _ => None,
        }
    }

    pub(super) fn take_event(&mut self) -> Option<Event> {
        let event = self.next_event()?;
        match event {
            Event::Connected => self.pending.connected = false,
            Event::Writable => self.pending.writable = false,
            Event::PeerClosed => self.pending.peer_closed = false,
            Event::Closed(_) => self.pending = Pending::default(),
        }
        Some(event)
    }
}
