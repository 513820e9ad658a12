//! Heartbeats and time-outs. Where nothing else is said the factors are QuickFIX's: a TestRequest after 1.2 heartbeat
//! intervals without a word, the end after 2.4.

use crate::fix::counters::Event;
use crate::fix::encode::Encoder;
use crate::fix::reason::CloseReason;
use crate::fix::store::Store;
use crate::fix::tags::{self, msg_type};
use crate::time::{Duration, Instant, Now};

use super::snapshot::{at, left};
use super::{Core, Handler, Outlet, SessionConfig, State};

const TEST_REQUEST_ID: &[u8] = b"TEST";

/// What the deadlines are computed from. What each message has to do with is at the front.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Timers {
    last_received: Instant,
    last_sent: Instant,
    heart_bt_int: Duration,
    /// A TestRequest is out, and nothing has come since.
    test_request_sent: bool,
    silence_ends: bool,
    /// When silence is asked after, and how long it may last, in hundredths of the heartbeat interval.
    test_request_after_pct: u32,
    silence_max_pct: u32,
    /// For the Logon while it is awaited, then for the answer to our Logout.
    handshake_deadline: Instant,
    /// When the schedule ends the session.
    session_end: Instant,
}

/// The same by how much time is left, in ns, so that it means the same by another clock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "hand-over", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct TimersLeft {
    heart_bt_int_s: u32,
    last_sent: Option<i64>,
    last_received: Option<i64>,
    test_request_sent: bool,
    handshake_deadline: Option<i64>,
    session_end: Option<i64>,
}

impl Timers {
    pub(super) fn left(&self, now: Instant) -> TimersLeft {
        TimersLeft {
            heart_bt_int_s: self.heart_bt_int_s(),
            last_sent: left(self.last_sent, now),
            last_received: left(self.last_received, now),
            test_request_sent: self.test_request_sent,
            handshake_deadline: left(self.handshake_deadline, now),
            session_end: left(self.session_end, now),
        }
    }

    pub(super) fn set_left(&mut self, now: Instant, of: &TimersLeft) {
        self.set_heart_bt_int_s(of.heart_bt_int_s);
        self.last_sent = at(of.last_sent, now);
        self.last_received = at(of.last_received, now);
        self.test_request_sent = of.test_request_sent;
        self.handshake_deadline = at(of.handshake_deadline, now);
        self.session_end = at(of.session_end, now);
    }

    pub(super) fn new(config: &SessionConfig) -> Timers {
        Timers {
            heart_bt_int: Duration::from_s(u64::from(config.heart_bt_int_s)),
            test_request_after_pct: config.test_request_after_pct,
            silence_max_pct: config.silence_max_pct,
            silence_ends: config.silence_ends,
            last_sent: Instant::ZERO,
            last_received: Instant::ZERO,
            test_request_sent: false,
            handshake_deadline: Instant::FAR_FUTURE,
            session_end: Instant::FAR_FUTURE,
        }
    }

    pub(super) fn set_heart_bt_int_s(&mut self, heart_bt_int_s: u32) {
        self.heart_bt_int = Duration::from_s(u64::from(heart_bt_int_s));
    }

    pub(super) fn heart_bt_int_s(&self) -> u32 {
        (self.heart_bt_int.as_ms() / 1000) as u32
    }

    #[inline]
    pub(super) fn sent(&mut self, now: Now) {
        self.last_sent = now.mono;
    }

    #[inline]
    pub(super) fn received(&mut self, now: Now) {
        self.last_received = now.mono;
        self.test_request_sent = false;
    }

    pub(super) fn expect_handshake(&mut self, now: Now, within: Duration) {
        self.handshake_deadline = now.mono + within;
    }

    pub(super) fn end_session_at(&mut self, end: Instant) {
        self.session_end = end;
    }

    /// The heartbeat interval, unless a TestRequest is out.
    #[inline]
    pub(super) fn steady_interval(&self) -> Option<Duration> {
        (!self.test_request_sent).then_some(self.heart_bt_int)
    }

    /// The earliest deadline in `state`.
    pub(super) fn next(&self, state: State) -> Instant {
        match state {
            State::Disconnected | State::Closing(_) => Instant::FAR_FUTURE,
            State::LogonAwaited => self.handshake_deadline.min(self.session_end),
            State::LogoutSent => self.handshake_deadline,
            State::Active => self.silence().min(self.session_end),
        }
    }

    /// What is due on an established session if nobody says anything.
    fn silence(&self) -> Instant {
        if self.heart_bt_int == Duration::ZERO {
            Instant::FAR_FUTURE
        } else if self.test_request_sent && self.silence_ends {
            // Its answer is all that counts: no Heartbeats.
            self.silence_deadline()
        } else if self.test_request_sent {
            self.heartbeat_deadline().min(self.silence_deadline())
        } else {
            let silence = self.test_request_deadline().min(self.silence_deadline());
            self.heartbeat_deadline().min(silence)
        }
    }

    fn asks_after_silence(&self, now: Now) -> bool {
        !self.test_request_sent && now.mono >= self.test_request_deadline()
    }

    /// The silence so far is borne: what comes of it from now on is another one.
    fn bear_silence(&mut self, now: Now) {
        self.received(now);
    }

    fn heartbeat_deadline(&self) -> Instant {
        self.last_sent + self.heart_bt_int
    }

    fn test_request_deadline(&self) -> Instant {
        self.last_received + self.hundredths(self.test_request_after_pct)
    }

    fn silence_deadline(&self) -> Instant {
        self.last_received + self.hundredths(self.silence_max_pct)
    }

    fn hundredths(&self, hundredths: u32) -> Duration {
        Duration::from_ns(self.heart_bt_int.times(u64::from(hundredths)).as_ns() / 100)
    }
}

impl<S: Store> Core<S> {
    pub(super) fn check_timers(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        if now.mono < self.timers.next(self.state) {
            return;
        }
        self.check_window(now, out, app);
        if now.mono < self.timers.next(self.state) {
            return;
        }
        match self.state {
            State::Disconnected | State::Closing(_) => {}
            State::LogonAwaited => self.close(CloseReason::LogonTimeout, app),
            State::LogoutSent => self.give_up_logout(now, app),
            State::Active if now.mono >= self.timers.silence_deadline() => {
                if self.timers.silence_ends {
                    return self.close(CloseReason::HeartbeatTimeout, app);
                }
                self.counters.count(Event::SilenceBorne);
                self.timers.bear_silence(now);
            }
            State::Active if self.timers.asks_after_silence(now) => {
                self.timers.test_request_sent = true;
                self.send_admin(now, out, msg_type::TEST_REQUEST, |encoder: &mut Encoder<'_>| {
                    encoder.put_bytes(tags::TEST_REQ_ID, TEST_REQUEST_ID);
                });
            }
            State::Active => self.send_admin(now, out, msg_type::HEARTBEAT, |_| {}),
        }
    }
}
