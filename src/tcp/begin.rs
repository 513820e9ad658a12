//! A connection in its place before anything has come or left: the first in it, or one after another.

use super::account::Account;
use super::apart::Apart;
use super::config::Config;
use super::congestion::Congestion;
use super::connection::{Connection, State};
use super::deadlines::Deadlines;
use super::ecn::Ecn;
use super::endpoint::Tuple;
use super::event::Pending;
use super::fast::{Fast, FastMax};
use super::predict::Plainness;
use super::probe::ProbeDue;
use super::rack::Rack;
use super::receive_buffer::ReceiveBuffer;
use super::retransmit::RttEstimator;
use super::sack::SackReport;
use super::scoreboard::Scoreboard;
use super::send_buffer::SendBuffer;
use super::stack::Slot;
use super::timestamps::Timestamping;
use super::user_timeout::Patience;
use crate::time::Instant;
use crate::wire::tcp::SeqNumber;

impl Connection {
    /// An unused connection with its buffers.
    pub(super) fn new(config: &Config) -> Connection {
        Connection { apart: Apart::new(config), ..Connection::in_places(config) }
    }

    /// The same but for places of a fixed size: it allocates nothing where buffers are to be of no length.
    fn in_places(config: &Config) -> Connection {
        let (none, never) = (SeqNumber(0), Instant::FAR_FUTURE);
        let mss = u32::from(config.mss);
        Connection {
            slot: Slot::default(),
            woken_by: never,
            fast: Fast::CLOSED,
            fast_max: FastMax::CLOSED,
            generation: 0,
            is_queued: false,
            remote_addr: Tuple::NONE.remote.addr,
            fresh: 0,
            timers_lag: false,
            open_max: 0,
            tuple: Tuple::NONE,
            state: State::Closed,
            plain: Plainness::default(),
            holds_plainly: false,
            listener: None,
            is_known: false,
            is_released: true,
            closed: None,
            pending: Pending::default(),
            iss: none,
            snd_una: none,
            snd_nxt: none,
            snd_wnd: 0,
            snd_wl1: none,
            snd_wl2: none,
            snd_wnd_max: 0,
            snd_wind_shift: 0,
            snd_mss: mss,
            send: SendBuffer::new(config.send_buffer_bytes, config.message_bytes_max),
            room_wanted: 0,
            fin_queued: false,
            is_grouped: false,
            fin_sent: false,
            scoreboard: Scoreboard::new(config),
            is_calm: true,
            is_urgent: false,
            duplicate_acks: 0,
            rtt: RttEstimator::new(config),
            rack: Rack::NEW,
            loss_probe: None,
            congestion: Congestion::new(config.congestion, mss, none),
            ecn: Ecn::NONE,
            apart: Apart::NONE,
            last_sent: Instant::ZERO,
            retransmissions: 0,
            irs: none,
            rcv_nxt: none,
            rcv_edge: none,
            rcv_wind_shift: 0,
            rcv_step: window_step(config),
            rcv_wnd_max: config.receive_buffer_bytes as u32,
            offers_scale: false,
            receive: ReceiveBuffer::new(config.receive_buffer_bytes),
            sack: SackReport::NONE,
            fin_at: None,
            fin_received: false,
            last_ack_sent: none,
            stamps: Timestamping::NONE,
            is_stamped: false,
            stamped_at: Instant::ZERO,
            syn_due: false,
            acks_due: 0,
            probe_due: ProbeDue::None,
            keep_alive_due: false,
            probe_is_for_reordering: false,
            retries: 0,
            keep_alive_probes: 0,
            last_heard: Instant::ZERO,
            challenge_second: Instant::FAR_FUTURE,
            challenges_left: 0,
            is_of_cookie: false,
            patience: Patience::NONE,
            rest_max: mss,
            account: Account::new(config),
            deadlines: Deadlines::NONE,
        }
    }

    /// Makes a used connection new for `tuple`, without allocating.
    pub(super) fn begin(&mut self, config: &Config, tuple: Tuple, iss: SeqNumber) {
        let mut send = SendBuffer::new(0, 0);
        let mut receive = ReceiveBuffer::new(0);
        core::mem::swap(&mut send, &mut self.send);
        let mut scoreboard = Scoreboard::empty();
        core::mem::swap(&mut receive, &mut self.receive);
        core::mem::swap(&mut scoreboard, &mut self.scoreboard);
        let mut account = core::mem::replace(&mut self.account, Account::empty());
        let apart = self.apart.begin(config);
        send.clear();
        receive.clear();
        scoreboard.clear();
        account.clear();
        let bare = Config {
            send_buffer_bytes: 0,
            receive_buffer_bytes: 0,
            message_bytes_max: 0,
            ..config.clone()
        };
        let Connection { slot, generation, is_queued, woken_by, .. } = *self;
        let rcv_step = window_step(config);
        let new = Connection::in_places(&bare);
        *self = Connection {
            slot,
            generation,
            is_queued,
            woken_by,
            remote_addr: tuple.remote.addr,
            tuple,
            iss,
            send,
            receive,
            scoreboard,
            account,
            apart,
            rcv_step,
            ..new
        };
        (self.is_released, self.snd_una, self.snd_nxt) = (false, iss, iss);
    }
}

/// What is worth telling of a window that opens: half the buffer or a full segment (RFC 9293
/// 3.8.6.2.2).
fn window_step(config: &Config) -> u32 {
    (config.receive_buffer_bytes / 2).clamp(1, usize::from(config.mss)) as u32
}
