//! When a session is open: spans of UTC, compiled before anything runs.

use core::fmt::Write;
use std::sync::Arc;

use arrayvec::ArrayString;

use crate::fix::reason::CloseReason;
use crate::fix::store::Store;
use crate::fix::timestamp::{Formatter, Precision};
use crate::time::{Duration, Instant, Now, UtcTime};

use super::{Core, Handler, Outlet, Role, State};

/// A span of time: from its start, included, to its end, excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When it begins.
    pub start: UtcTime,
    /// When it is over: who is logged on then is logged out.
    pub end: UtcTime,
}

impl Window {
    /// Whether `time` lies within.
    #[inline]
    pub fn holds(&self, time: UtcTime) -> bool {
        self.start <= time && time < self.end
    }
}

/// Every window that is known, shared by the sessions that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// When the session may be logged on.
    windows: Arc<[Window]>,
    /// When numbers go on: both begin at 1 with the first connection within another one of these. Each window lies in one.
    sessions: Arc<[Window]>,
}

impl Schedule {
    /// These windows, each with numbers of its own, or `None` where they do not follow each other, or one has no length.
    pub fn new(windows: Vec<Window>) -> Option<Schedule> {
        let windows: Arc<[Window]> = windows.into();
        follow(&windows).then(|| Schedule { sessions: Arc::clone(&windows), windows })
    }

    /// Logged on only within `logons`, and only within `sessions`, of which each has numbers of its own.
    pub fn within(sessions: Vec<Window>, logons: &[Window]) -> Option<Schedule> {
        if !follow(&sessions) || !follow(logons) {
            return None;
        }
        let mut windows = Vec::new();
        for session in &sessions {
            let first = logons.partition_point(|logon| logon.end <= session.start);
            let here = logons[first..].iter().take_while(|logon| logon.start < session.end);
            windows.extend(here.map(|logon| Window {
                start: logon.start.max(session.start),
                end: logon.end.min(session.end),
            }));
        }
        Some(Schedule { windows: windows.into(), sessions: sessions.into() })
    }

    /// The window that holds `time`.
    pub fn window_at(&self, time: UtcTime) -> Option<Window> {
        last_begun(&self.windows, time).filter(|window| window.holds(time))
    }

    /// How long numbers go on that are those of `time`.
    pub fn session_at(&self, time: UtcTime) -> Option<Window> {
        last_begun(&self.sessions, time).filter(|session| session.holds(time))
    }

    /// When numbers that are set at `time` are to count as having begun, so that they are those of the session at hand or,
    /// between two, of the next one. `None` where those that began at `created_at` are, and past the last session that is known.
    pub(super) fn numbers_set_at(
        &self,
        time: UtcTime,
        created_at: Option<UtcTime>,
    ) -> Option<UtcTime> {
        let later = self.sessions.partition_point(|session| session.end <= time);
        let session = self.sessions.get(later)?;
        let is_of_it = created_at.is_some_and(|created_at| session.holds(created_at));
        (!is_of_it).then_some(session.start.max(time))
    }

    /// When the next window after `time` begins; `None` past the last one that is known.
    pub fn next_start(&self, time: UtcTime) -> Option<UtcTime> {
        let later = self.windows.partition_point(|window| window.start <= time);
        self.windows.get(later).map(|window| window.start)
    }

    /// Every window, the first one first.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// How long it is closed from `time` on; `None` while it is open. Past the last window, for ever.
    pub fn closed_for(&self, time: UtcTime) -> Option<Duration> {
        if self.window_at(time).is_some() {
            return None;
        }
        let wait = |start: UtcTime| start.abs_diff(time);
        Some(self.next_start(time).map_or(Duration::from_ns(u64::MAX), wait))
    }
}

/// Whether windows have a length, and follow each other.
fn follow(windows: &[Window]) -> bool {
    windows.iter().all(|window| window.start < window.end)
        && windows.windows(2).all(|pair| pair[0].end <= pair[1].start)
}

fn last_begun(windows: &[Window], time: UtcTime) -> Option<Window> {
    let later = windows.partition_point(|window| window.start <= time);
    windows.get(later.checked_sub(1)?).copied()
}

impl<S: Store> Core<S> {
    /// A connection begins: numbers of an earlier window begin again. Says whether the session is open.
    pub(super) fn open_window(&mut self, now: Now) -> bool {
        self.window = None;
        self.timers.end_session_at(Instant::FAR_FUTURE);
        let Some(schedule) = &self.config.schedule else { return true };
        let Some(window) = schedule.window_at(now.utc) else { return false };
        let session = schedule.session_at(now.utc);
        self.window = Some(window);
        self.arm_end(now);
        let is_fresh = (self.store.next_in(), self.store.next_out()) == (1, 1);
        match self.store.created_at() {
            Some(created_at) if session.is_some_and(|of| of.holds(created_at)) => return true,
            None if is_fresh => self.store.set_created_at(now.utc),
            _ => self.reset_numbers(now),
        }
        // Otherwise a loss of power could have them begin once more in the same window.
        if self.store.settle().is_err() {
            self.doom(CloseReason::StoreFailed);
        }
        true
    }

    /// Logs out whoever is logged on when the window ends. The wall clock may have been set meanwhile.
    pub(super) fn check_window(&mut self, now: Now, out: &mut impl Outlet, app: &mut impl Handler) {
        let Some(window) = self.window else { return };
        self.arm_end(now);
        if now.utc < window.end {
            return;
        }
        match self.state {
            State::Active => self.start_logout(now, out, b"the session's time is over"),
            State::LogonAwaited => self.close(CloseReason::OutsideSchedule, app),
            _ => {}
        }
    }

    /// A Logon that comes while the session is closed is told until when.
    #[cold]
    pub(super) fn refuse_closed(
        &mut self,
        now: Now,
        out: &mut impl Outlet,
        app: &mut impl Handler,
    ) {
        let schedule = self.config.schedule.as_ref();
        let next_start = schedule.and_then(|schedule| schedule.next_start(now.utc));
        let mut text = ArrayString::<64>::new();
        text.push_str("the session is closed");
        if let Some(start) = next_start {
            let precision = Precision::Seconds;
            let mut formatter = Formatter::default();
            let start = &formatter.text(start, precision)[..precision.len()];
            let _ = write!(text, " until {} UTC", str::from_utf8(start).unwrap_or_default());
        }
        self.send_logout(now, out, text.as_bytes());
        self.close(CloseReason::OutsideSchedule, app);
    }

    /// Whether the session is closed now, by its schedule. It may have opened since the connection began.
    pub(super) fn is_closed(&mut self, now: Now) -> bool {
        match self.window {
            _ if self.config.schedule.is_none() => false,
            Some(window) => !window.holds(now.utc),
            None => !self.open_window(now),
        }
    }

    /// Nobody is to be connected to while the session is closed.
    pub(super) fn begin_closed(&mut self) {
        if self.config.role == Role::Initiator {
            self.doom(CloseReason::OutsideSchedule);
        }
    }

    fn arm_end(&mut self, now: Now) {
        let Some(window) = self.window else { return };
        let left = window.end.as_unix_ns().saturating_sub(now.utc.as_unix_ns());
        self.timers.end_session_at(now.mono + Duration::from_ns(left));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> UtcTime {
        UtcTime::from_unix_ns(s * 1_000_000_000)
    }

    fn schedule(windows: &[(u64, u64)]) -> Option<Schedule> {
        let windows =
            windows.iter().map(|(start, end)| Window { start: at(*start), end: at(*end) });
        Schedule::new(windows.collect())
    }

    #[test]
    fn windows_follow_each_other_and_have_a_length() {
        for (windows, is_one) in [
            (&[][..], true),
            (&[(1, 2)][..], true),
            (&[(1, 2), (2, 3)][..], true),
            (&[(1, 3), (2, 4)][..], false),
            (&[(1, 1)][..], false),
            (&[(3, 4), (1, 2)][..], false),
        ] {
            assert_eq!(schedule(windows).is_some(), is_one, "{windows:?}");
        }
    }

    #[test]
    fn a_window_holds_its_start_and_not_its_end() {
        let schedule = schedule(&[(10, 20), (20, 30), (40, 50)]).unwrap();
        for (time, start, next, closed) in [
            (9, None, Some(10), Some(1)),
            (10, Some(10), Some(20), None),
            (19, Some(10), Some(20), None),
            (20, Some(20), Some(40), None),
            (30, None, Some(40), Some(10)),
            (49, Some(40), None, None),
        ] {
            let found = schedule.window_at(at(time)).map(|window| window.start);
            assert_eq!(found, start.map(at), "{time}");
            assert_eq!(schedule.next_start(at(time)), next.map(at), "{time}");
            assert_eq!(schedule.closed_for(at(time)), closed.map(Duration::from_s), "{time}");
        }
        assert_eq!(schedule.closed_for(at(50)), Some(Duration::from_ns(u64::MAX)));
    }

    #[test]
    fn logons_lie_within_sessions_and_numbers_go_on_between_them() {
        let spans = |spans: &[(u64, u64)]| -> Vec<Window> {
            spans.iter().map(|(start, end)| Window { start: at(*start), end: at(*end) }).collect()
        };
        let sessions = [(10, 50), (50, 60), (70, 80)];
        let logons = [(5, 12), (20, 30), (40, 55), (60, 71), (75, 90)];
        let schedule = Schedule::within(spans(&sessions), &spans(&logons)).unwrap();
        let expected =
            [(10, 12), (20, 30), (40, 50), (50, 55), (70, 71), (75, 80)].map(|(start, end)| {
                assert_eq!(schedule.window_at(at(start)).map(|of| of.end), Some(at(end)));
                Window { start: at(start), end: at(end) }
            });
        assert_eq!(schedule.windows(), expected);
        for (time, session) in [(9, None), (15, Some(50)), (50, Some(60)), (65, None)] {
            assert_eq!(schedule.session_at(at(time)).map(|of| of.end), session.map(at), "{time}");
        }
        assert_eq!(schedule.closed_for(at(30)), Some(Duration::from_s(10)));
        assert_eq!(Schedule::within(spans(&[(2, 1)]), &spans(&logons)), None);
        assert_eq!(Schedule::within(spans(&sessions), &spans(&[(1, 3), (2, 4)])), None);
    }
}
