//! The strategy's side: what trades on the sessions.
//!
//! An [`Application`] runs on the polling core, between the frame that came and the frame that
//! answers it: nothing in it may block. One that needs more time runs on a core of its own behind
//! [`remote`]'s rings.

pub mod echo;
pub mod exchange;
pub mod logged;
pub mod order;
pub mod remote;
pub mod taker;

use core::ops::RangeInclusive;

use crate::fix::{CloseReason, Handler, Message, NotResent, Outlet, RejectReason, Sender, Store};
use crate::measure::live::{MessageRecord, MsgType, Recorder};
use crate::offload::RxStamp;
use crate::tcp::{ConnectionId, Delivery};
use crate::time::Now;

/// Which of the engine's sessions: its place in the settings, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u16);

/// An application cannot go on from what was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the application before has handed over is not for this one")]
pub struct NotTaken;

/// What trades. Orders are encoded in place, straight into the connection's stream.
pub trait Application {
    /// A session is established.
    fn on_logon<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let _ = (session, orders);
    }

    /// A session was added while others trade, [`Engine::add_session`](crate::engine::Engine::add_session): it has this number,
    /// which may be that of one that was removed. What is kept for each session is to be made here.
    fn on_added(&mut self, session: SessionId) {
        let _ = session;
    }

    /// A session has ended.
    fn on_logout(&mut self, session: SessionId, reason: CloseReason) {
        let _ = (session, reason);
    }

    /// A session's connection is over, and the counterparty's TCP has not acknowledged the message with this
    /// MsgSeqNum(34) to its end: nobody knows whether the counterparty has it. Told of each such message,
    /// also of the session's own, in the order in which they were sent, at the latest when the connection is
    /// closed on both sides, which may be after [`on_logout`](Application::on_logout).
    fn on_unacknowledged(&mut self, session: SessionId, msg_seq_num: u32, delivery: Delivery) {
        let _ = (session, msg_seq_num, delivery);
    }

    /// A process before this one has ended before it kept these messages, if they were sent: nobody here knows
    /// whether they were. When the counterparty asks for them, a gap is filled in their place. Told before
    /// anything else of a session with a store in a file; never of numbers told before.
    fn on_fate_unknown(&mut self, session: SessionId, msg_seq_nums: RangeInclusive<u32>) {
        let _ = (session, msg_seq_nums);
    }

    /// An application message, in its order. `stamp` is when the device received the frame that
    /// completed it: the last to come of those that brought its bytes, whatever came before it is read.
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        stamp: Option<RxStamp>,
        orders: &mut Sender<'_, S, O>,
    );

    /// Once a round for each established session, if [`WANTS_POLL`](Application::WANTS_POLL).
    fn on_poll<S: Store, O: Outlet>(&mut self, session: SessionId, orders: &mut Sender<'_, S, O>) {
        let _ = (session, orders);
    }

    /// Whether orders come from elsewhere than [`on_message`](Application::on_message).
    const WANTS_POLL: bool = false;

    /// Whether a message may be sent again as it was, when the counterparty asks. A stale order is
    /// better filled as a gap. It is asked anew with each request, and may be asked more than once for one: where a gap fill
    /// goes first, or there is no room yet. The last answer counts.
    fn may_resend(&mut self, session: SessionId, seq: u32, message: &Message<'_>) -> bool {
        let _ = (session, seq, message);
        true
    }

    /// A message that was kept, and that the counterparty asks for, is not sent again: a gap is filled in its place.
    fn on_not_resent(&mut self, session: SessionId, seq: u32, why: NotResent) {
        let _ = (session, seq, why);
    }

    /// Whether it is to be shown what its sessions read and write, for a log.
    #[inline(always)]
    fn wants_bytes(&self) -> bool {
        false
    }

    /// What of it goes on in another process, when a running engine is [handed over](crate::hand_over): bytes of its own
    /// making. To be called between rounds; what is sent or comes afterwards goes to whoever takes over.
    fn hand_over(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Goes on from what its like in another process has [handed over](Application::hand_over). A session may have another
    /// number here; one that `place_of` does not know is not here.
    ///
    /// # Errors
    /// [`NotTaken`]: the process before goes on.
    fn take_over(
        &mut self,
        state: &[u8],
        place_of: &dyn Fn(SessionId) -> Option<SessionId>,
    ) -> Result<(), NotTaken> {
        let _ = place_of;
        if state.is_empty() { Ok(()) } else { Err(NotTaken) }
    }

    /// Bytes pass on a session's connection, if it [wants](Application::wants_bytes) to see them. What one segment brought
    /// is shown before what it led to.
    fn on_bytes(&mut self, session: SessionId, now: Now, passing: Passing<'_>) {
        let _ = (session, now, passing);
    }
}

/// Refuses a message that came behind our Logout, and whose answer would have to leave behind it. Nothing is wrong with it: the
/// counterparty is to know that it was not dealt with, and may send it again when it is logged on.
fn refuse_logged_out<S: Store, O: Outlet>(message: &Message<'_>, orders: &mut Sender<'_, S, O>) {
    orders.reject_in_words(message, RejectReason::Other, "logged out: not dealt with");
}

/// What passes on a session's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing<'a> {
    /// The connection begins.
    Begun,
    /// The counterparty's bytes, as they are read: any part of messages.
    Read(&'a [u8]),
    /// The session's, as they are handed to TCP.
    Written(&'a [u8]),
}

/// An application as one session calls it.
#[derive(Debug)]
pub struct Seated<'a, A> {
    /// How often the session was established during the call.
    pub logons: u64,
    /// How many messages the application sent as it was told of that.
    pub(crate) sent_at_logon: u32,
    /// How many messages, kept behind a gap, the counterparty has filled over.
    pub(crate) filled_over: usize,
    app: &'a mut A,
    session: SessionId,
    stamp: Option<RxStamp>,
    measured: Option<Measured<'a>>,
}

/// Who records what passes, and what it is to know of the bytes at hand.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    pub(crate) recorder: &'a mut Recorder,
    pub(crate) connection: ConnectionId,
    pub(crate) bytes: &'a [u8],
}

impl<'a, A: Application> Seated<'a, A> {
    /// The application, for the session at `index`, with the stamp of the frame at hand.
    #[inline]
    pub fn new(app: &'a mut A, index: usize, stamp: Option<RxStamp>) -> Self {
        let session = SessionId(index as u16);
        Seated { logons: 0, sent_at_logon: 0, filled_over: 0, app, session, stamp, measured: None }
    }

    /// The same, measured where somebody measures.
    #[inline(always)]
    pub(crate) fn measured_by(self, measured: Option<Measured<'a>>) -> Self {
        Seated { measured, ..self }
    }

    /// The same call as for any message, with the readings around it.
    #[cold]
    #[inline(never)]
    fn on_measured<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    ) {
        let Some(Measured { recorder, connection, bytes }) = &mut self.measured else { return };
        let was_held = reply.was_held() || recorder.holds();
        let msg_seq_num = reply.next_out();
        let entered = recorder.reading();
        self.app.on_message(self.session, message, self.stamp, reply);
        let Some(stamp) = self.stamp else { return };
        let polled = recorder.polled();
        // What does not lie whole in the bytes at hand began in a segment before.
        let begun = if bytes.as_ptr_range().contains(&message.bytes().as_ptr()) {
            None
        } else {
            recorder.begun(usize::from(self.session.0))
        };
        let (first, first_polled) = begun.unwrap_or((stamp, polled));
        let has_sent = reply.next_out() != msg_seq_num;
        let record = MessageRecord {
            session: self.session,
            msg_type: MsgType::new(message.msg_type()),
            first,
            first_polled,
            last: stamp,
            was_held,
            polled,
            entered,
            order: has_sent.then(|| Recorder::order(msg_seq_num)),
        };
        if has_sent {
            recorder.answered(record, *connection);
        } else {
            recorder.unanswered(record);
        }
    }
}

impl<A: Application> Handler for Seated<'_, A> {
    fn on_logon<S: Store, O: Outlet>(&mut self, reply: &mut Sender<'_, S, O>) {
        self.logons += 1;
        let before = reply.next_out();
        self.app.on_logon(self.session, reply);
        self.sent_at_logon += reply.next_out().wrapping_sub(before);
    }

    fn on_logout(&mut self, reason: CloseReason) {
        self.app.on_logout(self.session, reason);
    }

    #[inline]
    fn on_message<S: Store, O: Outlet>(
        &mut self,
        message: &Message<'_>,
        reply: &mut Sender<'_, S, O>,
    ) {
        if self.measured.is_some() {
            return self.on_measured(message, reply);
        }
        self.app.on_message(self.session, message, self.stamp, reply);
    }

    fn may_resend(&mut self, seq: u32, message: &Message<'_>) -> bool {
        self.app.may_resend(self.session, seq, message)
    }

    fn on_not_resent(&mut self, seq: u32, why: NotResent) {
        self.app.on_not_resent(self.session, seq, why);
    }

    fn on_filled_over(&mut self, messages: usize) {
        self.filled_over += messages;
    }
}

#[cfg(test)]
mod tests {
    use super::echo::Echo;
    use super::exchange::Exchange;
    use super::*;
    use crate::fix::oracle::sealed;
    use crate::fix::{ApplVerId, CompId, Full, MemoryStore, Role, Session, SessionConfig, Version};
    use crate::time::{Instant, UtcTime};

    /// An outlet that takes all, but where it is full.
    #[derive(Default)]
    struct Line {
        sent: Vec<u8>,
        slot: Vec<u8>,
        is_full: bool,
    }

    impl Outlet for Line {
        fn reserve(&mut self, len: usize) -> Result<&mut [u8], Full> {
            self.slot.resize(len, 0);
            if self.is_full { Err(Full) } else { Ok(&mut self.slot) }
        }

        fn commit(&mut self, used: usize) {
            self.sent.extend_from_slice(&self.slot[..used]);
        }
    }

    const ORDER: &str = "11=a|38=1|40=2|44=2|54=1|55=X|60=20260102-03:04:05|";

    fn now() -> Now {
        let utc = UtcTime::from_unix_ns(1_767_323_045 * 1_000_000_000);
        Now { mono: Instant::from_ms(1_000), utc }
    }

    /// A session that accepts, its line, and what trades on it.
    struct Acceptor<'a, A> {
        session: Session,
        line: Line,
        app: &'a mut A,
    }

    impl<'a, A: Application> Acceptor<'a, A> {
        /// One that is logged on.
        fn new(app: &'a mut A, version: Version) -> Acceptor<'a, A> {
            let id = |text| CompId::new(text).unwrap();
            let config = SessionConfig::new(version, Role::Acceptor, id("US"), id("THEM"));
            let session = Session::new(config, MemoryStore::new(16, 4_096));
            let mut acceptor = Acceptor { session, line: Line::default(), app };
            acceptor.session.on_connect(now(), &mut acceptor.line);
            acceptor.receive("A", 1, "98=0|108=30|1137=9|");
            acceptor.line.sent.clear();
            acceptor
        }

        fn receive(&mut self, msg_type: &str, seq: u32, fields: &str) {
            let head = format!("35={msg_type}|34={seq}|49=THEM|52=20260102-03:04:05|56=US|");
            let begin_string = self.session.config().version.begin_string();
            let bytes = sealed(begin_string, &(head + fields));
            let mut seated = Seated::new(self.app, 0, None);
            let _ = self.session.on_bytes(now(), &bytes, &mut self.line, &mut seated);
        }

        fn give_turn(&mut self) {
            self.app.on_poll(SessionId(0), &mut self.session.sender(now(), &mut self.line));
        }

        /// What has left since this was last asked, `|` for SOH.
        fn sent(&mut self) -> String {
            let sent = core::mem::take(&mut self.line.sent);
            String::from_utf8_lossy(&sent).replace('\x01', "|")
        }
    }

    /// What `app` has a session answer to a sound order that comes behind our Logout: its fields from RefSeqNum(45) on. Where
    /// the line was full before, the answer to another one waits.
    fn answer_behind_our_logout(
        app: &mut impl Application,
        version: Version,
        was_full: bool,
    ) -> String {
        let mut acceptor = Acceptor::new(app, version);
        let mut seq = 2;
        if was_full {
            acceptor.line.is_full = true;
            acceptor.receive("D", seq, ORDER);
            acceptor.line.is_full = false;
            assert_eq!(acceptor.sent(), "", "it waits");
            seq += 1;
        }
        acceptor.session.logout(now(), &mut acceptor.line, "done");
        assert!(acceptor.sent().contains("|35=5|"));
        acceptor.receive("D", seq, &ORDER.replace("11=a", "11=b"));
        assert_eq!(acceptor.session.next_in(), seq + 1, "its number is dealt with");
        let sent = acceptor.sent();
        assert!(sent.contains("|35=3|"), "{sent}");
        let (_, from_reference) = sent.split_once("|45=").unwrap();
        from_reference[..from_reference.len() - "10=000|".len()].into()
    }

    #[test]
    fn what_comes_behind_our_logout_is_refused_as_not_dealt_with_and_not_as_wrong() {
        for (was_full, seq) in [(false, 2), (true, 3)] {
            let words = format!("{seq}|58=logged out: not dealt with|");
            for (version, expected) in [
                (Version::Fix40, words.clone()),
                (Version::Fix42, format!("{words}372=D|")),
                (Version::Fix43, format!("{words}372=D|")),
                (Version::Fix44, format!("{words}372=D|373=99|")),
                (Version::Fixt11(ApplVerId::Fix50Sp2), format!("{words}372=D|373=99|")),
            ] {
                let (mut echo, mut exchange) = (Echo::new(1), Exchange::new());
                assert_eq!(answer_behind_our_logout(&mut echo, version, was_full), expected);
                assert_eq!(answer_behind_our_logout(&mut exchange, version, was_full), expected);
                let refused = (echo.counters().refused, exchange.refused());
                assert_eq!((refused, exchange.fills()), ((1, 1), 0));
            }
        }
    }

    #[test]
    fn a_session_gets_no_answer_to_what_waited_of_the_one_that_had_its_place() {
        let (mut echo, mut exchange) = (Echo::new(1), Exchange::new());
        assert_eq!(after_another_was_added(&mut echo), "");
        assert_eq!(after_another_was_added(&mut exchange), "");
        assert_eq!((exchange.fills(), exchange.refused()), (0, 1));
    }

    /// What the next session is sent, the answer to whose predecessor's order found no room.
    fn after_another_was_added(app: &mut impl Application) -> String {
        let mut acceptor = Acceptor::new(app, Version::Fix44);
        acceptor.line.is_full = true;
        acceptor.receive("D", 2, ORDER);
        app.on_added(SessionId(0));
        let mut acceptor = Acceptor::new(app, Version::Fix44);
        acceptor.give_turn();
        acceptor.sent()
    }
}
